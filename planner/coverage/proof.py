"""What the photos of a plan see: where each is taken, and how many see each cell of the area."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

__all__ = ["APART_M", "Cells", "Overlap", "cells_of", "count_views", "line_photos", "photos_between", "steepest_seen"]

APART_M = 0.5  # between photos in a row: nearer ones would be one, by the interval and the position's noise of any camera trigger
A_CHUNK = 24  # photos over terrain that are counted together: near each other, so that their reach is about the same


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
    """How many photos see each cell (rows from the south), and the raster it lies on.

    Attributes: above_m: mean height above the cell of the photos that see it, nan where none does (rows x columns); None where
    nobody looked.
    """

    cells: Cells
    views: NDArray[np.int64]
    above_m: NDArray[np.float64] | None = None

    def seen(self, times: int) -> float:
        """Share of the area's cells seen by at least so many photos, 0..1."""
        inside = self.cells.inside
        return float((self.views[inside] >= times).mean()) if inside.any() else 1.0

    def fewest(self) -> tuple[int, float, float]:
        """How many photos see the cell that the fewest see, and its x and y in metres."""
        views = np.where(self.cells.inside, self.views, np.iinfo(np.int64).max)
        cell = int(np.argmin(views))
        return int(views.flat[cell]), *self._place(cell)

    def nearest(self) -> tuple[float, float, float]:
        """The least mean height of the photos above a cell, that of the highest ground, and the cell's x and y; in metres."""
        assert self.above_m is not None
        above = np.where(self.cells.inside & np.isfinite(self.above_m), self.above_m, np.inf)
        cell = int(np.argmin(above))
        return float(above.flat[cell]), *self._place(cell)

    def _place(self, cell: int) -> tuple[float, float]:
        x, y = self.cells.centres()
        return float(x.flat[cell]), float(y.flat[cell])


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
    """Where photos are taken on lines (n x 2 x 2, in flying order and direction): entry, every trigger distance, exit.

    Never two in a row nearer than `APART_M`: where a line begins at the end of the one before, one photo serves both, and a
    line shorter than that has one photo only, at its exit.
    Returns points (m x 2) in flying order and the line of each (m).
    """
    lengths = np.hypot(*(lines[:, 1] - lines[:, 0]).T)
    counts = photos_between(lengths, trigger_m) + 2
    line = np.repeat(np.arange(len(lines)), counts)
    number = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    along = np.where(number == counts[line] - 1, lengths[line], number * trigger_m)
    share = along / np.maximum(lengths[line], 1e-9)
    points = lines[line, 0] + share[:, None] * (lines[line, 1] - lines[line, 0])
    wanted = np.flatnonzero((number > 0) | (lengths[line] >= APART_M))
    kept = wanted[_apart(points[wanted])]
    return points[kept], line[kept]


def photos_between(lengths_m: NDArray[np.float64], trigger_m: float) -> NDArray[np.int64]:
    """How many photos are taken on lines between their entry and their exit."""
    return np.floor((lengths_m - APART_M) / trigger_m).astype(int).clip(min=0)


def _apart(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which points to keep, so that none is nearer than `APART_M` to the one kept before it."""
    kept = np.ones(len(points), bool)
    for i in np.flatnonzero(np.hypot(*np.diff(points, axis=0).T) < APART_M) + 1:
        before = i - 1 - int(np.argmax(kept[i - 1 :: -1]))
        kept[i] = np.hypot(*(points[i] - points[before])) >= APART_M
    return kept


def count_views(
    cells: Cells,
    points: NDArray[np.float64],
    course: NDArray[np.float64],
    field_of_view: tuple[float, float],
    ground_m: NDArray[np.float64] | float = 0.0,
) -> Overlap:
    """Count the nadir photos that see each cell, and how high above it they are.

    points: n x 3 metres, heights in the datum of `ground_m` (rows x columns, or one height); course: n x 2 unit vectors;
    field_of_view: width across the course and height along it, in metres per metre above the ground. That a hill may hide the
    ground behind it is not looked at: with a camera that looks down it can only where the ground is steeper than
    `steepest_seen`.
    """
    views, above_sum = np.zeros(cells.inside.size, np.int64), np.zeros(cells.inside.size)
    size, (rows, columns) = cells.cell_m, cells.inside.shape
    ground = np.broadcast_to(ground_m, cells.inside.shape)
    flat, across, along = ground.ravel(), *field_of_view
    for chunk in _chunks(points, cells, ground, math.hypot(across, along) / 2):
        p, u, reach = points[chunk.photos], course[chunk.photos], math.ceil(chunk.reach_m / size) + 1
        offsets = np.arange(-reach, reach + 1)
        column = np.floor((p[:, 0] - cells.west_m) / size).astype(int)[:, None] + offsets
        row = np.floor((p[:, 1] - cells.south_m) / size).astype(int)[:, None] + offsets
        dx = (cells.west_m + (column + 0.5) * size - p[:, :1])[:, None, :]
        dy = (cells.south_m + (row + 0.5) * size - p[:, 1:2])[:, :, None]
        within = ((column >= 0) & (column < columns))[:, None, :] & ((row >= 0) & (row < rows))[:, :, None]
        index = np.where(within, row[:, :, None] * columns + column[:, None, :], 0)
        above = p[:, 2, None, None] - flat[index]
        ux, uy = u[:, 0, None, None], u[:, 1, None, None]
        hit = within & (abs(dx * ux + dy * uy) <= along / 2 * above) & (abs(dy * ux - dx * uy) <= across / 2 * above)
        views += np.bincount(index[hit], minlength=views.size)
        above_sum += np.bincount(index[hit], weights=above[hit], minlength=views.size)
    above_m = np.divide(above_sum, views, out=np.full(views.size, np.nan), where=views > 0)
    return Overlap(cells, views.reshape(rows, columns), above_m.reshape(rows, columns))


def steepest_seen(field_of_view: tuple[float, float]) -> float:
    """The slope (metres per metre) up to which no ground hides from a camera that looks down: that of its outermost ray."""
    return 2 / math.hypot(*field_of_view)


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Photos that are counted together, and how far from below them they see at most."""

    photos: slice
    reach_m: float


def _chunks(
    points: NDArray[np.float64], cells: Cells, ground: NDArray[np.float64], reach_per_m: float
) -> Iterator[_Chunk]:
    """Runs of photos with their reach: over flat ground many at a time, over terrain few, each with the lowest ground near it.

    The lowest ground that a photo sees decides how far it sees, and how far it sees where that ground may lie: so the window is
    widened until it holds.
    """
    flat = ground.min() == ground.max()
    rows, columns = ground.shape
    start = 0
    while start < len(points):
        count = A_CHUNK
        if flat:
            side = 2 * reach_per_m * (points[:, 2].max() - ground.min()) / cells.cell_m + 3
            count = max(1, int(2_000_000 / max(side, 3) ** 2))
        p = points[start : start + count]
        west, south = (p[:, :2].min(axis=0) - [cells.west_m, cells.south_m]) / cells.cell_m
        east, north = (p[:, :2].max(axis=0) - [cells.west_m, cells.south_m]) / cells.cell_m
        reach, wider = -1.0, 0.0
        while wider > reach:
            reach = wider
            more = reach / cells.cell_m + 1
            window = ground[
                int(np.clip(south - more, 0, rows - 1)) : int(np.clip(north + more, 0, rows - 1)) + 1,
                int(np.clip(west - more, 0, columns - 1)) : int(np.clip(east + more, 0, columns - 1)) + 1,
            ]
            wider = max(reach, reach_per_m * float(p[:, 2].max() - window.min()))
        yield _Chunk(slice(start, start + len(p)), reach)
        start += count
