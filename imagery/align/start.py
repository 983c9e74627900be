"""First poses: yaw, height above ground and place of every photo from the photos themselves and GNSS, on flat ground.

A photo of flat ground taken straight down is a similarity of a map of that ground: its rotation is the yaw, its scale
the height. All photos' similarities are solved at once from their matches, held by the GNSS positions. The yaw that a
photo states is not used: it is often off by 180 degrees.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.linalg import spsolve

from imagery.core.camera import rotation_from_gimbal

__all__ = ["Block", "solve_block"]

MATCHES_PER_PAIR = 24
TOLERANCE = 0.03  # of the height: how far relief and tilt may move a point on the unit plane
TIE_SIGMA = 0.02  # of the height
ROUNDS = 8


@dataclass(frozen=True, slots=True)
class Block:
    """Photos laid out on flat ground.

    Attributes: east_north_m: (n, 2) camera positions; height_m: (n,) above the ground, for the nominal focal length;
    yaw_deg: (n,) clockwise from north; pair_residual: (pairs,) median disagreement of the matches relative to the
    height, NaN without matches.
    """

    east_north_m: NDArray[np.float64]
    height_m: NDArray[np.float64]
    yaw_deg: NDArray[np.float64]
    pair_residual: NDArray[np.float64]

    def rotation(self, image: int, pitch_deg: float = -90.0, roll_deg: float = 0.0) -> NDArray[np.float64]:
        """World-to-camera rotation of a photo with its gimbal's pitch and roll."""
        return rotation_from_gimbal(float(self.yaw_deg[image]), pitch_deg, roll_deg)


def solve_block(
    plane_xy: list[NDArray[np.float64]],
    pairs: NDArray[np.int32],
    matches: list[NDArray[np.int32]],
    gnss_m: NDArray[np.float64],
    trust: NDArray[np.float64],
    gnss_sigma_m: float,
    height_m: float,
) -> Block:
    """Solve all photos' similarities.

    `plane_xy`: per photo, the features' (x to the right, y to the top) on the unit plane below a level camera;
    `gnss_m`: n x 2, with `trust` (n,) 1 where measured, nearly 0 where guessed; `height_m`: the rough height above
    ground, used as a unit. Photos without matches keep their GNSS position and the median height, yaw NaN.
    """
    n = len(plane_xy)
    ties = [_similar(plane_xy[i], plane_xy[j], m) for (i, j), m in zip(pairs, matches, strict=True)]
    usable = [k for k, tie in enumerate(ties) if len(tie)]
    weight = np.ones(len(pairs))
    gnss_weight = trust
    residual = np.full(len(pairs), np.nan)
    solution = np.zeros(4 * n)
    for _ in range(ROUNDS):
        solution = _linear(plane_xy, pairs, matches, ties, usable, weight, gnss_m, gnss_weight, gnss_sigma_m, height_m)
        unknowns = solution.reshape(n, 4)
        height = np.hypot(unknowns[:, 0], unknowns[:, 1])
        for k in usable:
            (i, j), chosen = pairs[k], matches[k][ties[k]]
            gap = _ground(unknowns[i], plane_xy[i][chosen[:, 0]]) - _ground(unknowns[j], plane_xy[j][chosen[:, 1]])
            residual[k] = np.median(np.hypot(*gap.T)) / max(height_m, float(height[[i, j]].min()))
        weight = 1 / (1 + (np.nan_to_num(residual, nan=1.0) / (2 * TIE_SIGMA)) ** 2)
        off = np.hypot(*(unknowns[:, 2:] - gnss_m).T)
        gnss_weight = trust / (1 + (off / (3 * gnss_sigma_m)) ** 2)
    tied = np.zeros(n, bool)
    tied[pairs[usable].ravel()] = True
    height = np.where(tied, height, np.median(height[tied]) if tied.any() else height_m)
    yaw = np.where(tied, np.degrees(np.arctan2(-unknowns[:, 1], unknowns[:, 0])), np.nan)
    return Block(np.where(tied[:, None], unknowns[:, 2:], gnss_m), height, yaw, residual)


def _similar(first: NDArray[np.float64], second: NDArray[np.float64], match: NDArray[np.int32]) -> NDArray[np.intp]:
    """A few of a pair's matches that agree with one similarity, spread over all that do; empty when hardly any do."""
    if len(match) < 6:
        return np.zeros(0, np.intp)
    a, b = first[match[:, 0]], second[match[:, 1]]
    # OpenCV's sample is drawn with a fixed seed, so the result is reproducible.
    found, mask = cv2.estimateAffinePartial2D(a, b, method=cv2.RANSAC, ransacReprojThreshold=TOLERANCE, maxIters=500)
    if found is None or not 0.4 < np.hypot(found[0, 0], found[1, 0]) < 2.5:
        return np.zeros(0, np.intp)
    good = np.flatnonzero(mask.ravel())
    if len(good) < max(6, 0.25 * len(match)):
        return np.zeros(0, np.intp)
    return good[np.linspace(0, len(good) - 1, min(len(good), MATCHES_PER_PAIR)).astype(int)]


def _ground(unknowns: NDArray[np.float64], xy: NDArray[np.float64]) -> NDArray[np.float64]:
    a, b, east, north = unknowns
    return np.column_stack([a * xy[:, 0] - b * xy[:, 1] + east, b * xy[:, 0] + a * xy[:, 1] + north])


def _linear(
    plane_xy: list[NDArray[np.float64]],
    pairs: NDArray[np.int32],
    matches: list[NDArray[np.int32]],
    ties: list[NDArray[np.intp]],
    usable: list[int],
    weight: NDArray[np.float64],
    gnss_m: NDArray[np.float64],
    gnss_weight: NDArray[np.float64],
    gnss_sigma_m: float,
    height_m: float,
) -> NDArray[np.float64]:
    """One weighted least squares solution for a, b, east, north of every photo: ground = [[a, -b], [b, a]] xy +
    (east, north).
    """
    n = len(plane_xy)
    rows, columns, values = [], [], []
    right: list[NDArray[np.float64]] = []
    row = 0
    for k in usable:
        chosen = matches[k][ties[k]]
        scale = np.sqrt(weight[k] / len(chosen)) / (TIE_SIGMA * height_m)
        for image, side, sign in ((pairs[k, 0], 0, 1.0), (pairs[k, 1], 1, -1.0)):
            x, y = plane_xy[image][chosen[:, side]].T * (sign * scale)
            one = np.full(len(x), sign * scale)
            east, north = row + 2 * np.arange(len(x)), row + 2 * np.arange(len(x)) + 1
            for r, c, v in ((east, 0, x), (east, 1, -y), (east, 2, one), (north, 0, y), (north, 1, x), (north, 3, one)):
                rows.append(r)
                columns.append(np.full(len(x), 4 * image + c))
                values.append(v)
        right.append(np.zeros(2 * len(chosen)))
        row += 2 * len(chosen)
    for axis in (0, 1):
        rows.append(row + np.arange(n))
        columns.append(4 * np.arange(n) + 2 + axis)
        values.append(np.sqrt(gnss_weight) / gnss_sigma_m)
        right.append(gnss_m[:, axis] * np.sqrt(gnss_weight) / gnss_sigma_m)
        row += n
    entries = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
    design = coo_array(entries, shape=(row, 4 * n)).tocsr()
    normal = (design.T @ design + 1e-9 * _identity(4 * n)).tocsc()
    return np.asarray(spsolve(normal, design.T @ np.concatenate(right)))


def _identity(n: int) -> coo_array:
    index = np.arange(n)
    return coo_array((np.ones(n), (index, index)), shape=(n, n))
