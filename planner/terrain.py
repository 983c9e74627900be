"""Elevation, and paths that hold their height above it."""

import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imagery.core.errors import BadInputError
from imagery.core.frame import LocalFrame

__all__ = ["Terrain", "follow", "read_terrain"]

STEP_M = 10.0  # between the places where the ground below a path is looked at
GENTLE = 0.8  # of the drone's climb and descent rates is planned with
TILES = (".tif", ".tiff", ".hgt", ".vrt", ".img", ".asc")


@dataclass(frozen=True, slots=True)
class Terrain:
    """Ground heights above mean sea level in a local frame: a regular grid, rows from the south.

    Attributes: west_m, south_m: centre of the first cell; cell_m; height_amsl_m: rows x columns, without gaps; filled: share of
    it that the source did not know.
    """

    west_m: float
    south_m: float
    cell_m: float
    height_amsl_m: NDArray[np.float64]
    filled: float

    def at(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        """Ground heights at points in metres, bilinear; beyond the grid that of its edge."""
        rows, columns = self.height_amsl_m.shape
        column = np.clip((np.asarray(x, float) - self.west_m) / self.cell_m, 0, columns - 1.000001)
        row = np.clip((np.asarray(y, float) - self.south_m) / self.cell_m, 0, rows - 1.000001)
        i, j = row.astype(int), column.astype(int)
        v, u = row - i, column - j
        h = self.height_amsl_m
        return np.asarray(
            (h[i, j] * (1 - u) + h[i, j + 1] * u) * (1 - v) + (h[i + 1, j] * (1 - u) + h[i + 1, j + 1] * u) * v
        )


def read_terrain(path: str | Path, frame: LocalFrame, bounds_m: tuple[float, float, float, float]) -> Terrain:
    """The ground below `bounds_m` (west, south, east, north in the frame) from a raster, or a folder of tiles.

    GeoTIFF, SRTM .hgt and what else GDAL reads; heights are taken as above mean sea level, in metres. Gaps are filled from
    around them.
    Raises BadInputError where the file covers less than half of the bounds.
    """
    files = _tiles(Path(path))
    width, height = bounds_m[2] - bounds_m[0], bounds_m[3] - bounds_m[1]
    cell = max(STEP_M, math.sqrt(width * height / 2e6))
    x, y = np.arange(bounds_m[0], bounds_m[2] + cell, cell), np.arange(bounds_m[1], bounds_m[3] + cell, cell)
    grid_x, grid_y = np.meshgrid(x, y)
    lon, lat = frame.to_geographic(grid_x.ravel(), grid_y.ravel())
    heights = np.full(grid_x.size, np.nan)
    for file in files:
        found = _sample(file, lon, lat)
        heights = np.where(np.isnan(heights), found, heights)
    unknown = np.isnan(heights)
    if unknown.mean() > 0.5:
        raise BadInputError(
            f"{path}: covers only {(1 - unknown.mean()) * 100:.0f} % of the area and its surroundings:"
            " give a larger elevation model"
        )
    grid = heights.reshape(grid_x.shape)
    return Terrain(float(x[0]), float(y[0]), cell, _without_gaps(grid), float(unknown.mean()))


def follow(
    path: NDArray[np.float64],
    terrain: Terrain,
    home_amsl_m: float,
    agl_m: float,
    climb_slope: float,
    descent_slope: float,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """A path (n x 2) with heights above home that keep `agl_m` above ground, with the vertices that this needs.

    Never lower than 95 % of `agl_m`; higher only where the slopes (metres per metre, as flown) cannot follow the ground.
    Returns the path (m x 3) and where its former vertices are in it (n).
    """
    points, former = _densified(path)
    along = np.r_[0.0, np.cumsum(np.hypot(*np.diff(points, axis=0).T))]
    wanted = terrain.at(points[:, 0], points[:, 1]) + agl_m - home_amsl_m
    height = wanted.copy()
    for i in range(1, len(height)):  # no steeper descent than allowed
        height[i] = max(height[i], height[i - 1] - descent_slope * (along[i] - along[i - 1]))
    for i in range(len(height) - 2, -1, -1):  # climbs begin early enough
        height[i] = max(height[i], height[i + 1] - climb_slope * (along[i + 1] - along[i]))
    kept = _needed(along, height, 0.05 * agl_m, set(former.tolist()))
    return np.column_stack([points[kept], height[kept]]), np.searchsorted(kept, former)


def _tiles(path: Path) -> list[Path]:
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in TILES)
        if not files:
            raise BadInputError(f"{path}: the folder holds no elevation tiles ({', '.join(TILES)})")
        return files
    if not path.exists():
        raise BadInputError(f"{path}: there is no such file")
    return [path]


def _sample(file: Path, lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bilinear heights of a raster at places in degrees, NaN where it has none."""
    import rasterio
    from pyproj import Transformer
    from rasterio.windows import Window

    try:
        with rasterio.open(file) as source:
            if source.crs is None:
                raise BadInputError(f"{file}: does not say in which coordinate reference system it is")
            x, y = Transformer.from_crs("EPSG:4326", source.crs, always_xy=True).transform(lon, lat)
            x, y, inverse = np.asarray(x), np.asarray(y), ~source.transform
            column = inverse.a * x + inverse.b * y + inverse.c - 0.5
            row = inverse.d * x + inverse.e * y + inverse.f - 0.5
            inside = (column > -1) & (row > -1) & (column < source.width) & (row < source.height)
            if not inside.any():
                return np.full(len(lon), np.nan)
            left, top = max(int(column[inside].min()) - 1, 0), max(int(row[inside].min()) - 1, 0)
            right = min(int(column[inside].max()) + 3, source.width)
            bottom = min(int(row[inside].max()) + 3, source.height)
            if (right - left) * (bottom - top) > 2e8:
                raise BadInputError(f"{file}: is too fine for this area: give an elevation model with larger cells")
            data = (
                source.read(1, window=Window(left, top, right - left, bottom - top), masked=True)
                .astype(float)
                .filled(np.nan)
            )
    except rasterio.errors.RasterioError as error:
        raise BadInputError(f"{file}: is not a readable elevation model ({str(error)[:100]})") from None
    data[(data < -500) | (data > 9000)] = np.nan
    column, row = np.clip(column - left, 0, data.shape[1] - 1), np.clip(row - top, 0, data.shape[0] - 1)
    j, i = (
        np.minimum(column.astype(int), max(data.shape[1] - 2, 0)),
        np.minimum(row.astype(int), max(data.shape[0] - 2, 0)),
    )
    j1, i1 = np.minimum(j + 1, data.shape[1] - 1), np.minimum(i + 1, data.shape[0] - 1)
    u, v = column - j, row - i
    found = (data[i, j] * (1 - u) + data[i, j1] * u) * (1 - v) + (data[i1, j] * (1 - u) + data[i1, j1] * u) * v
    return np.where(inside, found, np.nan)


def _without_gaps(grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gaps filled with the nearest known height."""
    unknown = np.isnan(grid)
    if not unknown.any():
        return grid
    from scipy.ndimage import distance_transform_edt

    nearest = distance_transform_edt(unknown, return_distances=False, return_indices=True)
    return np.asarray(grid[tuple(nearest)])


def _densified(path: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The path with a point at least every `STEP_M`, and where its vertices are in it."""
    pieces, former = [path[:1]], [0]
    for a, b in pairwise(path):
        steps = max(1, math.ceil(math.dist(a, b) / STEP_M))
        pieces.append(a + (b - a) * (np.arange(1, steps + 1) / steps)[:, None])
        former.append(former[-1] + steps)
    return np.concatenate(pieces), np.array(former)


def _needed(
    along: NDArray[np.float64], height: NDArray[np.float64], tolerance_m: float, fixed: set[int]
) -> NDArray[np.int64]:
    """The fewest points (greedily) between which straight legs stay within the tolerance above or below the heights."""
    kept, start = [0], 0
    while start < len(along) - 1:
        lowest, highest, end = -math.inf, math.inf, start + 1
        for i in range(start + 1, len(along)):
            run = max(along[i] - along[start], 1e-9)
            slope = (height[i] - height[start]) / run
            if not lowest <= slope <= highest and i > start + 1:
                break
            end = i
            if i in fixed:
                break
            lowest = max(lowest, (height[i] - tolerance_m - height[start]) / run)
            highest = min(highest, (height[i] + tolerance_m - height[start]) / run)
        kept.append(end)
        start = end
    return np.array(kept)
