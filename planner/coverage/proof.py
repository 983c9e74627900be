"""What the photos of a plan see: where each is taken, and how many see each cell of the area."""

import math
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

__all__ = ["Cells", "Overlap", "cells_of", "count_views", "line_photos", "parallel_views"]


@dataclass(frozen=True, slots=True)
class Cells:
    """A north-up raster over an area: origin (south-west corner), cell size in metres, which cells' centres are inside."""

    west_m: float
    south_m: float
    cell_m: float
    inside: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Overlap:
    """How many photos see each cell (rows from the south), and the raster it lies on."""

    cells: Cells
    views: NDArray[np.int32]

    def seen(self, times: int) -> float:
        """Share of the area's cells seen by at least so many photos, 0..1."""
        inside = self.cells.inside
        return float((self.views[inside] >= times).mean()) if inside.any() else 1.0


def cells_of(area: shapely.Geometry, cell_m: float | None = None) -> Cells:
    """The raster over an area; by default 5 m cells, larger ones for areas above 3 km2."""
    if cell_m is None:
        cell_m = 5.0 if area.area < 3e6 else 15.0 if area.area < 5e7 else 30.0
        cell_m = min(cell_m, math.sqrt(area.area) / 20)
    west, south, east, north = area.bounds
    x, y = np.arange(west + cell_m / 2, east, cell_m), np.arange(south + cell_m / 2, north, cell_m)
    grid_x, grid_y = np.meshgrid(x, y)
    shapely.prepare(area)
    inside = shapely.contains_xy(area, grid_x.ravel(), grid_y.ravel()).reshape(grid_x.shape)
    return Cells(west, south, cell_m, inside)


def line_photos(lines: NDArray[np.float64], trigger_m: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Where photos are taken on lines (n x 2 x 2, in the direction flown): entry, every trigger distance, exit.

    Returns points (m x 2) in flying order and the line of each (m).
    """
    lengths = np.hypot(*(lines[:, 1] - lines[:, 0]).T)
    whole = np.floor(lengths / trigger_m - 1e-6).astype(int).clip(min=0)  # a photo at the exit itself is the exit's
    counts = whole + 2
    line = np.repeat(np.arange(len(lines)), counts)
    number = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    along = np.minimum(number * trigger_m, lengths[line])
    share = along / np.maximum(lengths[line], 1e-9)
    return lines[line, 0] + share[:, None] * (lines[line, 1] - lines[line, 0]), line


def count_views(
    cells: Cells,
    points: NDArray[np.float64],
    course: NDArray[np.float64],
    width_m: NDArray[np.float64] | float,
    height_m: NDArray[np.float64] | float,
) -> Overlap:
    """Count photos per cell: a photo sees a rectangle `width_m` across its course and `height_m` along it.

    points: n x 2 metres; course: n x 2 unit vectors; width_m, height_m: scalars or n values (a photo over a hill sees less).
    """
    views = np.zeros(cells.inside.shape, np.int32)
    flat = views.ravel()
    size = cells.cell_m
    width, height = np.broadcast_to(width_m, len(points)), np.broadcast_to(height_m, len(points))
    reach = float(np.hypot(width, height).max()) / 2 if len(points) else 0.0
    offsets = np.arange(-math.ceil(reach / size) - 1, math.ceil(reach / size) + 2)
    rows, columns = cells.inside.shape
    step = max(1, 2_000_000 // len(offsets) ** 2)
    for start in range(0, len(points), step):
        p, u = points[start : start + step], course[start : start + step]
        column = np.floor((p[:, 0] - cells.west_m) / size).astype(int)[:, None] + offsets
        row = np.floor((p[:, 1] - cells.south_m) / size).astype(int)[:, None] + offsets
        dx = (cells.west_m + (column + 0.5) * size - p[:, :1])[:, None, :]
        dy = (cells.south_m + (row + 0.5) * size - p[:, 1:])[:, :, None]
        ux, uy = u[:, 0, None, None], u[:, 1, None, None]
        half_h, half_w = height[start : start + step, None, None] / 2, width[start : start + step, None, None] / 2
        hit = (abs(dx * ux + dy * uy) <= half_h) & (abs(dy * ux - dx * uy) <= half_w)
        hit &= ((column >= 0) & (column < columns))[:, None, :] & ((row >= 0) & (row < rows))[:, :, None]
        index = (row[:, :, None] * columns + column[:, None, :])[hit]
        flat += np.bincount(index, minlength=flat.size).astype(np.int32)
    return Overlap(cells, views)


def parallel_views(
    cells: Cells, lines: NDArray[np.float64], angle_deg: float, trigger_m: float, width_m: float, height_m: float
) -> NDArray[np.int64]:
    """How many photos see each inside cell when parallel lines (n x 2 x 2) at `angle_deg` from east are flown; same count as
    `count_views` of `line_photos`, but as fast as comparing many sweeps needs."""
    rows, columns = np.nonzero(cells.inside)
    x, y = cells.west_m + (columns + 0.5) * cells.cell_m, cells.south_m + (rows + 0.5) * cells.cell_m
    c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    along, across = x * c + y * s, y * c - x * s
    order = np.argsort(across)
    along, across = along[order], across[order]
    views = np.zeros(len(x), np.int64)
    start, end = lines[:, 0] @ [c, s], lines[:, 1] @ [c, s]
    offset = lines[:, 0] @ [-s, c]
    first, last = np.searchsorted(across, offset - width_m / 2), np.searchsorted(across, offset + width_m / 2, side="right")
    for i in range(len(lines)):
        from_start = along[first[i] : last[i]] - start[i]
        length = end[i] - start[i]
        highest = np.minimum(np.floor((from_start + height_m / 2) / trigger_m), math.floor(length / trigger_m - 1e-6))
        lowest = np.maximum(np.ceil((from_start - height_m / 2) / trigger_m), 0)
        at_exit = abs(from_start - length) <= height_m / 2
        views[first[i] : last[i]] += (np.maximum(highest - lowest + 1, 0) + at_exit).astype(np.int64)
    return views
