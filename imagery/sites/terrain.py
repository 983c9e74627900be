"""The bare ground from a surface, its slope in percent and roughness at the scale of a tent, and where water runs."""

import heapq
from dataclasses import dataclass

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["Drainage", "bare_ground", "drainage", "filled", "slope_and_roughness"]

# The progressive morphological filter (Zhang et al. 2003): windows wider than the largest roof, and the steepest ground.
WINDOWS_M = (3.0, 7.0, 15.0, 31.0, 51.0)
GROUND_SLOPE = 0.15
FIRST_STEP_M = 0.4
DRAIN_CELL_M = 4.0


def filled(heights: NDArray[np.float32]) -> NDArray[np.float32]:
    """The array with every NaN replaced by its nearest value."""
    known = np.isfinite(heights)
    if known.all():
        return heights
    if not known.any():
        return np.zeros_like(heights)
    _, labels = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    nearest = np.empty(labels.max() + 1, np.float32)
    nearest[labels[known]] = heights[known]
    return np.where(known, heights, nearest[labels])


def bare_ground(surface: NDArray[np.float32], cell_m: float) -> NDArray[np.float32]:
    """Heights of the ground under buildings and trees, by a progressive morphological filter, in metres.

    Args:
        surface: (h, w) heights in metres without NaN.
        cell_m: side of a cell.
    """
    ground: NDArray[np.float32] = surface.copy()
    above = np.zeros(surface.shape, bool)
    previous_m = cell_m
    for window_m in WINDOWS_M:
        size = 2 * round(window_m / cell_m / 2) + 1
        if size < 3:
            continue
        opened = _opened(ground, size)
        above |= ground - opened > FIRST_STEP_M + GROUND_SLOPE * (window_m - previous_m) / 2
        ground = np.where(above, opened, ground).astype(np.float32)
        previous_m = window_m
    if above.all():
        return ground.astype(np.float32)
    kept = filled(np.where(above, np.nan, surface).astype(np.float32))
    smooth = cv2.GaussianBlur(kept, (0, 0), max(2.0 / cell_m, 0.5))
    return np.where(above, smooth, surface).astype(np.float32)


def _opened(heights: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Morphological opening that continues the ground's slope beyond the border."""
    pad = min(size, min(heights.shape) - 1)
    if pad < 1:
        return heights
    padded = np.pad(heights, pad, mode="reflect", reflect_type="odd")
    opened = cv2.morphologyEx(padded, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    return np.asarray(opened[pad:-pad, pad:-pad], np.float32)


def slope_and_roughness(
    ground: NDArray[np.float32], cell_m: float, scale_m: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Planes fitted by least squares to the square of `scale_m` around every cell.

    Returns:
        slope in percent (100 x rise / run, never degrees), RMS distance from the plane in metres, and the slope's east and
        north components in metres per metre; each (h, w) float32.
    """
    radius = max(1, round((scale_m / cell_m - 1) / 2))
    size = 2 * radius + 1
    pad = min(radius, min(ground.shape) - 1)
    if pad < radius:  # smaller than one tent: nothing can stand here
        never, flat = np.full(ground.shape, np.inf, np.float32), np.zeros(ground.shape, np.float32)
        return never, never, flat, flat
    heights = np.pad(ground.astype(np.float64) - float(ground.mean()), pad, mode="reflect", reflect_type="odd")
    offsets = np.arange(-radius, radius + 1) * cell_m
    ones = np.full(size, 1 / size)
    ramp = offsets / (offsets**2).sum()
    spread = (offsets**2).mean()

    def filtered(values: NDArray[np.float64], along_x: NDArray[np.float64], along_y: NDArray[np.float64]) -> NDArray:
        return cv2.sepFilter2D(values, cv2.CV_64F, along_x, along_y)[pad:-pad, pad:-pad]

    east = filtered(heights, ramp, ones)
    north = -filtered(heights, ones, ramp)
    mean = filtered(heights, ones, ones)
    variance = filtered(heights**2, ones, ones) - mean**2
    residual = variance - (east**2 + north**2) * spread
    slope = 100 * np.hypot(east, north)
    rough = np.sqrt(residual.clip(0))
    return slope.astype(np.float32), rough.astype(np.float32), east.astype(np.float32), north.astype(np.float32)


@dataclass(frozen=True, slots=True)
class Drainage:
    """Where water runs: (h, w) arrays of the ground's shape.

    Attributes: hand_m: height above the nearest drain that the cell drains to, infinite where it drains to none;
    distance_m: distance to the nearest drain, infinite without one.
    """

    hand_m: NDArray[np.float32]
    distance_m: NDArray[np.float32]


def drainage(ground: NDArray[np.float32], cell_m: float, catchment_m2: float, depth_m: float) -> Drainage:
    """Height above the nearest drain (HAND), by priority flood and the flow tree it leaves, on cells of about 4 m.

    A drain is a flow line with a catchment of `catchment_m2` that lies `depth_m` below the mean ground within 20 m. Without
    the second condition every flat field would be full of "drains" and wholly excluded.
    """
    step = max(1, round(DRAIN_CELL_M / cell_m))
    rows, columns = ground.shape
    padded = np.pad(ground, ((0, -rows % step), (0, -columns % step)), mode="edge")
    coarse = (
        padded.reshape(padded.shape[0] // step, step, padded.shape[1] // step, step).mean((1, 3)).astype(np.float64)
    )
    coarse_m = step * cell_m
    order, parent = _flow_tree(coarse)
    area = _accumulated(order, parent) * coarse_m**2
    around = 2 * max(1, round(20 / coarse_m)) + 1
    low = cv2.blur(coarse, (around, around)) - coarse >= depth_m
    drains = (area.reshape(coarse.shape) >= catchment_m2) & low
    if not drains.any():
        nothing = np.full(ground.shape, np.inf, np.float32)
        return Drainage(nothing, nothing)
    hand = _height_above(order, parent, coarse.ravel(), drains.ravel()).reshape(coarse.shape)
    distance = cv2.distanceTransform((~drains).astype(np.uint8), cv2.DIST_L2, 5) * coarse_m

    def expand(values: NDArray) -> NDArray[np.float32]:
        return np.repeat(np.repeat(values, step, 0), step, 1)[:rows, :columns].astype(np.float32)

    return Drainage(expand(hand), expand(distance))


@numba.njit(cache=True)
def _flow_tree(heights):  # type: ignore[no-untyped-def] # numba infers its types
    """Priority flood (Barnes et al. 2014) from the border inwards.

    Returns:
        the cells' flat indices in the order of flooding, and for each cell the one that it drains to (-1 at the border).
    """
    rows, columns = heights.shape
    order = np.empty(rows * columns, np.int64)
    parent = np.full(rows * columns, -1, np.int64)
    seen = np.zeros(rows * columns, np.bool_)
    queue = [(heights[0, 0], np.int64(0))]
    seen[0] = True
    for row in range(rows):
        for column in range(columns):
            index = row * columns + column
            if (row in (0, rows - 1) or column in (0, columns - 1)) and not seen[index]:
                heapq.heappush(queue, (heights[row, column], np.int64(index)))
                seen[index] = True
    count = 0
    while len(queue) > 0:
        level, index = heapq.heappop(queue)
        order[count] = index
        count += 1
        row, column = index // columns, index % columns
        for r in range(max(row - 1, 0), min(row + 2, rows)):
            for c in range(max(column - 1, 0), min(column + 2, columns)):
                neighbour = r * columns + c
                if not seen[neighbour]:
                    seen[neighbour] = True
                    parent[neighbour] = index
                    heapq.heappush(queue, (max(level, heights[r, c]), np.int64(neighbour)))
    return order, parent


@numba.njit(cache=True)
def _accumulated(order, parent):  # type: ignore[no-untyped-def]
    """Cells that drain through each cell, itself included."""
    total = np.ones(order.size)
    for k in range(order.size - 1, -1, -1):
        if parent[order[k]] >= 0:
            total[parent[order[k]]] += total[order[k]]
    return total


@numba.njit(cache=True)
def _height_above(order, parent, heights, drains):  # type: ignore[no-untyped-def]
    """Height of each cell above the first drain downstream, at least 0; infinite where there is none."""
    base = np.full(order.size, -np.inf)
    for index in order:
        if drains[index]:
            base[index] = heights[index]
        elif parent[index] >= 0:
            base[index] = base[parent[index]]
    return np.maximum(heights - base, 0)
