"""What the photos of a plan see: where each is taken, and how many see each cell of the area."""

import math
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

__all__ = ["Cells", "Overlap", "cells_of", "count_views", "line_photos"]


@dataclass(frozen=True, slots=True)
class Cells:
    """A north-up raster over an area: origin (south-west corner), cell size in metres, which cells' centres are inside."""

    west_m: float
    south_m: float
    cell_m: float
    inside: NDArray[np.bool_]

    def centres(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """x and y of every cell's centre, each rows x columns."""
        rows, columns = self.inside.shape
        x, y = np.meshgrid(np.arange(columns) + 0.5, np.arange(rows) + 0.5)
        return self.west_m + x * self.cell_m, self.south_m + y * self.cell_m

    def inside_centres(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """x and y of the inside cells' centres, in `np.nonzero` order."""
        rows, columns = (index.astype(np.float64) + 0.5 for index in np.nonzero(self.inside))
        return self.west_m + columns * self.cell_m, self.south_m + rows * self.cell_m


@dataclass(frozen=True, slots=True)
class Overlap:
    """How many photos see each cell (rows from the south), and the raster it lies on."""

    cells: Cells
    views: NDArray[np.int64]

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
    field_of_view: tuple[float, float],
    ground_m: NDArray[np.float64] | float = 0.0,
) -> Overlap:
    """Count the nadir photos that see each cell.

    points: n x 3 metres, heights in the datum of `ground_m` (rows x columns, or one height); course: n x 2 unit vectors;
    field_of_view: width across the course and height along it, in metres per metre above the ground.
    """
    views = np.zeros(cells.inside.size, np.int64)
    size, (rows, columns) = cells.cell_m, cells.inside.shape
    ground = np.broadcast_to(ground_m, cells.inside.shape).ravel()
    highest = float((points[:, 2].max(initial=0.0) - ground.min()) if len(points) else 0.0)
    reach = highest * math.hypot(*field_of_view) / 2
    offsets = np.arange(-math.ceil(reach / size) - 1, math.ceil(reach / size) + 2)
    step = max(1, 2_000_000 // len(offsets) ** 2)
    for start in range(0, len(points), step):
        p, u = points[start : start + step], course[start : start + step]
        column = np.floor((p[:, 0] - cells.west_m) / size).astype(int)[:, None] + offsets
        row = np.floor((p[:, 1] - cells.south_m) / size).astype(int)[:, None] + offsets
        dx = (cells.west_m + (column + 0.5) * size - p[:, :1])[:, None, :]
        dy = (cells.south_m + (row + 0.5) * size - p[:, 1:2])[:, :, None]
        within = ((column >= 0) & (column < columns))[:, None, :] & ((row >= 0) & (row < rows))[:, :, None]
        index = np.where(within, row[:, :, None] * columns + column[:, None, :], 0)
        above = p[:, 2, None, None] - ground[index]
        ux, uy = u[:, 0, None, None], u[:, 1, None, None]
        across, along = field_of_view
        hit = within & (abs(dx * ux + dy * uy) <= along / 2 * above) & (abs(dy * ux - dx * uy) <= across / 2 * above)
        views += np.bincount(index[hit], minlength=views.size)
    return Overlap(cells, views.reshape(rows, columns))
