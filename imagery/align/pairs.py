"""Which photos to match: those whose ground is likely to overlap, by position, or by likeness where positions are
missing.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

__all__ = ["pairs_by_position"]

SECTORS = 8
CANDIDATES = 40


def pairs_by_position(positions: NDArray[np.float64], reach_m: float = np.inf) -> NDArray[np.int32]:
    """Pairs (m x 2, i < j, sorted) of photos near each other.

    Each photo is paired with its two nearest and with the nearest one in each of eight directions, so that
    neighbouring flight lines are tied although photos of the same line are nearer. `positions` is n x 2 in metres;
    `reach_m` is the greatest distance.
    """
    n = len(positions)
    if n < 2:
        return np.zeros((0, 2), np.int32)
    distance, index = KDTree(positions).query(positions, k=min(n, CANDIDATES + 1))
    pairs: set[tuple[int, int]] = set()
    for i in range(n):
        others = [(d, int(j)) for d, j in zip(distance[i], index[i], strict=True) if j != i and d <= reach_m]
        offsets = np.array([positions[j] - positions[i] for _, j in others]).reshape(-1, 2)
        sector = (
            np.floor((np.arctan2(offsets[:, 1], offsets[:, 0]) / (2 * np.pi) + 1 / (2 * SECTORS)) * SECTORS) % SECTORS
        )
        first = {int(s): j for s, (_, j) in reversed(list(zip(sector, others, strict=True)))}
        for j in [j for _, j in others[:2]] + list(first.values()):
            pairs.add((min(i, j), max(i, j)))
    return np.array(sorted(pairs), np.int32).reshape(-1, 2)
