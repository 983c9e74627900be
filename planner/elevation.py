"""Elevation models as people have them (GeoTIFF, SRTM .hgt, folders of tiles) read onto one grid around a survey."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from imagery.core.errors import BadInputError
from imagery.core.frame import LocalFrame, geoid_undulation
from planner.terrain import Terrain

if TYPE_CHECKING:
    import pyproj
    import rasterio

__all__ = ["TILES", "read_terrain"]

TILES = (".tif", ".tiff", ".hgt", ".vrt", ".img", ".asc", ".dem", ".zip")
FINEST_CELL_M, COARSEST_CELL_M = 1.0, 10.0
MOST_CELLS = 2_000_000
MOST_SOURCE_CELLS = 400_000_000  # of a model without overviews, read to be averaged
LEAST_COVERED = 0.5
LOWEST_M, HIGHEST_M = -500.0, 9000.0  # anything else is a marker of missing data
NO_HEIGHT = -32768.0
METRES = ("", "m", "metre", "metres", "meter", "meters")

Bounds = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class _Tile:
    """One raster: its file, the size of its cells in metres, whether its heights are above the ellipsoid."""

    file: Path
    cell_m: float
    ellipsoidal: bool


def read_terrain(paths: str | Path | Sequence[str | Path], frame: LocalFrame, bounds_m: Bounds) -> Terrain:
    """The ground below `bounds_m` (west, south, east, north in the frame) from rasters, or folders of tiles.

    GeoTIFF, SRTM .hgt (also zipped) and what else GDAL reads, each in its own coordinate reference system; where they lie over
    each other the finest counts. Heights are metres above mean sea level; those of a model that says they are above the
    ellipsoid are brought down to EGM96. Gaps are filled from around them.
    Raises BadInputError for a file that is no elevation model in metres, and where less than half of the bounds is known.
    """
    given = [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]
    tiles = sorted((_inspect(file) for path in given for file in _files(path)), key=lambda tile: tile.cell_m)
    x, y, cell_m = _grid(bounds_m, tiles[0].cell_m)
    heights = np.full((len(y), len(x)), np.nan)
    source_cell_m = 0.0
    for tile in tiles:
        unknown = np.isnan(heights)
        if not unknown.any():
            break
        found = _resampled(tile, frame, x, y)
        if np.isfinite(found[unknown]).any():
            source_cell_m = max(source_cell_m, tile.cell_m)
            heights = np.where(unknown, found, heights)
    unknown = np.isnan(heights)
    if unknown.mean() > 1 - LEAST_COVERED:
        names = ", ".join(str(path) for path in given)
        raise BadInputError(
            f"{names}: covers only {(1 - unknown.mean()) * 100:.0f} % of the area and its surroundings:"
            " give a larger elevation model"
        )
    return Terrain(float(x[0]), float(y[0]), cell_m, _without_gaps(heights), float(unknown.mean()), source_cell_m)


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in TILES)
        if not files:
            raise BadInputError(f"{path}: the folder holds no elevation tiles ({', '.join(TILES)})")
        return files
    if not path.exists():
        raise BadInputError(f"{path}: there is no such file")
    return [path]


def _grid(bounds_m: Bounds, source_cell_m: float) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """x and y of the cells' centres over the bounds, as fine as the source but for `MOST_CELLS`."""
    west, south, east, north = bounds_m
    fine = min(max(source_cell_m, FINEST_CELL_M), COARSEST_CELL_M)
    cell_m = max(fine, math.sqrt((east - west) * (north - south) / MOST_CELLS))
    return np.arange(west, east + cell_m, cell_m), np.arange(south, north + cell_m, cell_m), cell_m


def _inspect(file: Path) -> _Tile:
    """What a raster is, or BadInputError where it cannot be an elevation model in metres."""
    import pyproj
    import rasterio

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            source = rasterio.open(_gdal_name(file))
        with source:
            if source.crs is None:
                raise BadInputError(f"{file}: does not say in which coordinate reference system it is")
            if source.count > 1 or source.dtypes[0] == "uint8":
                raise BadInputError(
                    f"{file}: is an image ({source.count} band{'s' if source.count > 1 else ''} of {source.dtypes[0]}),"
                    " not an elevation model: give heights in metres in one band"
                )
            crs = pyproj.CRS.from_wkt(source.crs.to_wkt())
            unit = (_vertical_unit(crs) or source.units[0] or "").strip().lower()
            if unit not in METRES:
                raise BadInputError(f"{file}: gives heights in {unit}: convert it to metres")
            return _Tile(file, _cell_m(source), _is_ellipsoidal(crs))
    except rasterio.errors.RasterioError as error:
        hint = "; an .hgt file keeps its name, as N37E036.hgt" if ".hgt" in file.name.lower() else ""
        raise BadInputError(f"{file}: is not a readable elevation model ({str(error)[:100]}){hint}") from None


def _gdal_name(file: Path) -> str:
    """GDAL's name of a file: that of the raster inside a zip archive."""
    if file.suffix.lower() != ".zip":
        return str(file)
    import zipfile

    try:
        with zipfile.ZipFile(file) as archive:
            inside = [name for name in archive.namelist() if Path(name).suffix.lower() in TILES]
    except (OSError, zipfile.BadZipFile) as error:
        raise BadInputError(f"{file}: is not a readable zip archive ({error})") from None
    if len(inside) != 1:
        raise BadInputError(f"{file}: holds {len(inside)} elevation tiles: unpack it and give the folder")
    return f"/vsizip/{file.resolve()}/{inside[0]}"


def _vertical_unit(crs: "pyproj.CRS") -> str | None:
    """The unit of a coordinate reference system's heights, None where it has none."""
    vertical = [axis for axis in crs.axis_info if axis.direction in ("up", "down")]
    return vertical[0].unit_name if vertical else None


def _is_ellipsoidal(crs: "pyproj.CRS") -> bool:
    return len(crs.axis_info) == 3 and (not crs.is_compound or "ellipsoid" in crs.sub_crs_list[-1].name.lower())


def _cell_m(source: "rasterio.DatasetReader") -> float:
    size = math.sqrt(abs(source.transform.determinant))
    return size * 111_320 if source.crs.is_geographic else size * source.crs.linear_units_factor[1]


def _resampled(tile: _Tile, frame: LocalFrame, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """A raster's heights at the grid (len(y) x len(x), rows from the south), NaN where it has none.

    Only what lies under the grid is read, from overviews where the raster has them.
    """
    import rasterio
    from rasterio.enums import Resampling
    from rasterio.vrt import WarpedVRT

    cell_m = float(x[1] - x[0])
    north_up = rasterio.Affine(cell_m, 0, x[0] - cell_m / 2, 0, -cell_m, y[-1] + cell_m / 2)
    try:
        with rasterio.open(_gdal_name(tile.file)) as source:
            if not source.overviews(1) and len(x) * len(y) * (cell_m / tile.cell_m) ** 2 > MOST_SOURCE_CELLS:
                raise BadInputError(
                    f"{tile.file}: is too fine for this area: give an elevation model with larger cells, or with overviews"
                )
            shape = {"crs": frame.crs.to_wkt(), "transform": north_up, "width": len(x), "height": len(y)}
            marker = source.nodata
            if marker is None:
                with WarpedVRT(source, resampling=Resampling.nearest, **shape) as warped:
                    marker = _undeclared_marker(warped.read(1))
            smooth = Resampling.average if cell_m > 2 * tile.cell_m else Resampling.bilinear
            with WarpedVRT(
                source, resampling=smooth, src_nodata=marker, nodata=NO_HEIGHT, dtype="float32", **shape
            ) as warped:
                heights = warped.read(1)[::-1].astype(float)
    except rasterio.errors.RasterioError as error:
        raise BadInputError(f"{tile.file}: cannot be read to its end ({str(error)[:100]})") from None
    heights[~((heights >= LOWEST_M) & (heights <= HIGHEST_M))] = np.nan
    if tile.ellipsoidal:
        heights -= float(geoid_undulation(frame.lon_deg, frame.lat_deg))
    return heights


def _undeclared_marker(heights: NDArray[np.generic]) -> float | None:
    """The value that marks missing data in a raster that declares none: bilinear heights must not mix with it."""
    lowest, highest = float(heights.min()), float(heights.max())
    return lowest if lowest < LOWEST_M else highest if highest > HIGHEST_M else None


def _without_gaps(grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gaps filled with the nearest known height."""
    unknown = np.isnan(grid)
    if not unknown.any():
        return grid
    from scipy.ndimage import distance_transform_edt

    nearest = distance_transform_edt(unknown, return_distances=False, return_indices=True)
    return np.asarray(grid[tuple(nearest)])
