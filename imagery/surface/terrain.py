"""The terrain under buildings and trees: a progressive morphological filter, and a smooth surface through what it leaves.

After Pingel, Clarke and McBride 2013 (the simple morphological filter): opening with growing windows; what stands out above an
opened surface by more than a slope allows is not ground.
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from imagery.surface.fill import spread

__all__ = ["WORK_M", "ground_of", "lower_blocks"]

WORK_M = 0.5  # cell of the filter, metres: finer detail is no terrain
WINDOWS_M = (1.0, 2.0, 4.0, 8.0, 14.0, 22.0, 32.0)  # radii: up to the half width of large halls
SLOPE = 0.2  # rise over run that a window must stand out by
LEAST_STEP_M = 0.25
NEAR_GROUND_M = 0.3
LEAST_PATCH_M2 = 8.0  # a smaller patch of ground among objects is a gap in a tree, or an error


def lower_blocks(heights: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Lower quartile of blocks of side x side cells (partial ones at the end included), NaN where a block has no height."""
    if side == 1:
        return np.asarray(heights, np.float32)
    rows, cols = -(-heights.shape[0] // side), -(-heights.shape[1] // side)
    padded = np.full((rows * side, cols * side), np.nan, np.float32)
    padded[: heights.shape[0], : heights.shape[1]] = heights
    blocks = np.sort(padded.reshape(rows, side, cols, side).swapaxes(1, 2).reshape(rows, cols, -1), axis=2)
    known = np.isfinite(blocks).sum(axis=2)
    return np.take_along_axis(blocks, (np.maximum(known - 1, 0) // 4)[..., None], axis=2)[..., 0]


def ground_of(heights: NDArray[np.float32], cell_m: float) -> NDArray[np.float32]:
    """The ground's height on the same raster, everywhere; NaN in `heights` is unknown.

    cell_m: side of a cell. A raster without any height is returned as it is.
    """
    known = np.isfinite(heights)
    if not known.any():
        return heights
    surface = np.asarray(cv2.medianBlur(spread(heights), 3), np.float32)
    ground = _without_specks(known & ~_objects(surface, cell_m), cell_m)
    if not ground.any():
        return surface
    first = _through(surface, ground, cell_m)
    # A second look lets back in what the openings took from ridges and banks.
    ground = _without_specks(ground | (known & (np.abs(surface - first) < NEAR_GROUND_M)), cell_m)
    return _through(surface, ground, cell_m)


def _objects(surface: NDArray[np.float32], cell_m: float) -> NDArray[np.bool_]:
    objects = np.zeros(surface.shape, bool)
    last = surface
    for radius_m in WINDOWS_M:
        radius = max(1, round(radius_m / cell_m))
        opened = _opened(last, radius)
        objects |= last - opened > max(LEAST_STEP_M, SLOPE * radius_m)
        last = opened
    return objects


def _without_specks(ground: NDArray[np.bool_], cell_m: float) -> NDArray[np.bool_]:
    """Ground without its small patches, unless there are no others."""
    _, patches, statistics, _ = cv2.connectedComponentsWithStats(ground.astype(np.uint8), connectivity=4)
    large = statistics[:, cv2.CC_STAT_AREA] * cell_m**2 >= LEAST_PATCH_M2
    large[0] = False  # what is not ground
    return np.asarray(large[patches]) if large.any() else ground


def _opened(surface: NDArray[np.float32], radius: int) -> NDArray[np.float32]:
    """Opening with a square: quick at any size."""
    side = 2 * radius + 1
    square = cv2.getStructuringElement(cv2.MORPH_RECT, (side, side))
    return np.asarray(cv2.morphologyEx(surface, cv2.MORPH_OPEN, square, borderType=cv2.BORDER_REPLICATE), np.float32)


def _through(surface: NDArray[np.float32], ground: NDArray[np.bool_], cell_m: float) -> NDArray[np.float32]:
    """A smooth surface through the ground cells."""
    filled = spread(np.where(ground, surface, np.nan).astype(np.float32))
    sigma = max(1.0, 1.0 / cell_m)
    smooth = cv2.GaussianBlur(filled, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    # Full smoothing under objects, less and less into the open ground, so that no step remains between the two.
    share = cv2.GaussianBlur(ground.astype(np.float32), (0, 0), math.hypot(sigma, 1), borderType=cv2.BORDER_REPLICATE)
    keep = np.where(ground, np.clip(2 * share - 1, 0, 1), 0)
    return np.asarray(keep * filled + (1 - keep) * smooth, np.float32)
