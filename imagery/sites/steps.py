"""Steps between the neighbouring cells of a grid, as a graph for shortest ways."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

__all__ = ["grid_steps"]


def grid_steps(
    passable: NDArray[np.bool_],
    cost: NDArray[np.float64],
    height_m: NDArray[np.float64] | None = None,
    max_rise_m: float = np.inf,
) -> csr_array:
    """The 8-neighbour graph of the passable cells, numbered in the order of `passable`'s true cells.

    Args:
        passable: (h, w). cost: (h, w) of a step of one cell's width. height_m: of the cells; steps that rise more than
            `max_rise_m` for one cell's width are left out.
    """
    numbers = np.full(passable.shape, -1)
    numbers[passable] = np.arange(int(passable.sum()))
    rows, columns = passable.shape
    tails, heads, lengths = [], [], []
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        a = (slice(0, rows - down), slice(max(-right, 0), columns - max(right, 0)))
        b = (slice(down, rows), slice(max(right, 0), columns - max(-right, 0)))
        length = float(np.hypot(down, right))
        fine = passable[a] & passable[b]
        if height_m is not None:
            fine &= abs(height_m[a] - height_m[b]) <= max_rise_m * length
        tails.append(numbers[a][fine])
        heads.append(numbers[b][fine])
        lengths.append((length * (cost[a] + cost[b]) / 2)[fine])
    size = int(passable.sum())
    steps = (np.concatenate(tails), np.concatenate(heads))
    return coo_array((np.concatenate(lengths), steps), shape=(size, size)).tocsr()
