"""The raster grid of the products, and the way between it and the reconstruction's local frame."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyproj
from numpy.typing import NDArray
from rasterio.transform import Affine

from imagery.core.errors import BadInputError
from imagery.core.frame import LocalFrame

__all__ = ["Grid", "GridFrame", "Window", "unit_m"]

LARGEST_SIDE = 2_000_000


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of cells: [row, row + height) x [col, col + width)."""

    row: int
    col: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slices of an array that covers the grid."""
        return slice(self.row, self.row + self.height), slice(self.col, self.col + self.width)

    def grown(self, margin: int, grid: "Grid") -> "Window":
        """The window with a margin of cells all round, within the grid."""
        row, col = max(0, self.row - margin), max(0, self.col - margin)
        bottom = min(grid.height, self.row + self.height + margin)
        right = min(grid.width, self.col + self.width + margin)
        return Window(row, col, bottom - row, right - col)

    def intersection(self, other: "Window") -> "Window":
        """The common cells; width or height 0 where there are none."""
        row, col = max(self.row, other.row), max(self.col, other.col)
        bottom = min(self.row + self.height, other.row + other.height)
        right = min(self.col + self.width, other.col + other.width)
        return Window(row, col, max(0, bottom - row), max(0, right - col))

    def within(self, outer: "Window") -> "Window":
        """The same cells counted from the corner of `outer`."""
        return replace(self, row=self.row - outer.row, col=self.col - outer.col)


@dataclass(frozen=True, slots=True)
class Grid:
    """A north-up raster: its reference system, north-west corner and cell side in the system's units, and its size in cells."""

    crs: pyproj.CRS
    west: float
    north: float
    cell: float
    width: int
    height: int

    @classmethod
    def covering(cls, crs: pyproj.CRS, bounds: tuple[float, float, float, float], cell: float) -> "Grid":
        """The grid over west, south, east, north whose corners are whole multiples of the cell."""
        west, north = math.floor(bounds[0] / cell), math.ceil(bounds[3] / cell)
        width, height = math.ceil(bounds[2] / cell) - west, north - math.floor(bounds[1] / cell)
        if max(width, height) > LARGEST_SIDE:
            raise BadInputError(
                f"the photos lie too far apart for one product ({width} x {height} cells of {cell:g}): "
                "process each area by itself"
            )
        return cls(crs, west * cell, north * cell, cell, width, height)

    @property
    def transform(self) -> Affine:
        """Column and row (corner of a cell) to easting and northing."""
        return Affine(self.cell, 0, self.west, 0, -self.cell, self.north)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.height, self.width

    @property
    def window(self) -> Window:
        """All of it."""
        return Window(0, 0, self.height, self.width)

    def tiles(self, side: int) -> Iterator[Window]:
        """Square windows in rows from the north, each row in the opposite direction of the last, so that neighbours follow."""
        for number, row in enumerate(range(0, self.height, side)):
            columns = range(0, self.width, side)
            for col in columns if number % 2 == 0 else reversed(columns):
                yield Window(row, col, min(side, self.height - row), min(side, self.width - col))


class GridFrame:
    """Where the local frame's metres fall on a grid.

    Over the few hundred metres of a photo the two differ by an affine map to well under a millimetre, so that exact
    transformations are needed only at a photo's centre.
    """

    def __init__(self, frame: LocalFrame, grid: Grid) -> None:
        self.grid = grid
        self._forward = pyproj.Transformer.from_crs(frame.crs, grid.crs, always_xy=True)

    def to_cells(self, east: float, north: float, reach_m: float = 100.0) -> NDArray[np.float64]:
        """2 x 3 matrix from local (east, north, 1) to (column, row) around a place; a cell's centre has whole numbers."""
        step = np.array([[0, 0], [reach_m, 0], [-reach_m, 0], [0, reach_m], [0, -reach_m]])
        x, y = self._forward.transform(east + step[:, 0], north + step[:, 1])
        columns = (np.asarray(x) - self.grid.west) / self.grid.cell - 0.5
        rows = (self.grid.north - np.asarray(y)) / self.grid.cell - 0.5
        linear = np.array([[v[1] - v[2], v[3] - v[4]] for v in (columns, rows)]) / (2 * reach_m)
        offset = np.array([columns[0], rows[0]]) - linear @ [east, north]
        return np.column_stack([linear, offset])

    def cells_of(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Columns and rows (n, 2) of local points (n, 2 or 3), exactly."""
        x, y = self._forward.transform(points[:, 0], points[:, 1])
        return np.column_stack(
            [
                (np.asarray(x) - self.grid.west) / self.grid.cell - 0.5,
                (self.grid.north - np.asarray(y)) / self.grid.cell - 0.5,
            ]
        )

    def to_local(self, east: float, north: float) -> NDArray[np.float64]:
        """2 x 3 matrix from (column, row, 1) to local (east, north) around a place: the inverse of `to_cells`."""
        forward = self.to_cells(east, north)
        linear = np.linalg.inv(forward[:, :2])
        return np.column_stack([linear, -linear @ forward[:, 2]])


def unit_m(crs: pyproj.CRS) -> float:
    """Metres per unit of a projected reference system; raises BadInputError for a geographic one."""
    if not crs.is_projected:
        raise BadInputError(f"{crs.name}: products need a projected reference system in metres, such as a UTM zone")
    return float(crs.axis_info[0].unit_conversion_factor)
