"""Reading images and surface models of any coordinate system, band layout and cell size onto the grid of a question.

A `Grid` is a small north-up window in the working system (UTM metres). A file is read through its own window: decimated by
averaging where it is finer than the grid, then carried over by an affine map, exact to millimetres over the few hundred metres
that one window spans. Memory is bounded by the window, whatever the file's size.
"""

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np
import pyproj
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError
from rasterio.windows import Window

from imagery.core.errors import BadInputError
from imagery.core.frame import utm_crs
from imagery.core.progress import SILENT, Progress

__all__ = ["Grid", "ImageFile", "RasterFile", "SurfaceFile"]

METRES_PER_FOOT = {"us survey foot": 1200 / 3937, "foot_us": 1200 / 3937, "us-ft": 1200 / 3937}
FOOT_NAMES = ("ft", "foot", "feet")


@dataclass(frozen=True, slots=True)
class Grid:
    """A north-up grid: left and top edge (metres, working system), cell size, columns and rows."""

    left_m: float
    top_m: float
    cell_m: float
    width: int
    height: int

    @classmethod
    def over(cls, bounds: tuple[float, float, float, float], cell_m: float, margin_m: float = 0.0) -> "Grid":
        """The grid that covers bounds (left, bottom, right, top) and a margin; edges are whole multiples of the cell."""
        left = math.floor((bounds[0] - margin_m) / cell_m) * cell_m
        top = math.ceil((bounds[3] + margin_m) / cell_m) * cell_m
        width = max(math.ceil((bounds[2] + margin_m - left) / cell_m), 1)
        height = max(math.ceil((top - bounds[1] + margin_m) / cell_m), 1)
        return cls(left, top, cell_m, width, height)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, bottom, right, top in metres."""
        return (
            self.left_m,
            self.top_m - self.height * self.cell_m,
            self.left_m + self.width * self.cell_m,
            self.top_m,
        )

    def shifted(self, dx_m: float, dy_m: float) -> "Grid":
        """The same grid moved east by dx and north by dy."""
        return Grid(self.left_m + dx_m, self.top_m + dy_m, self.cell_m, self.width, self.height)

    def to_pixels(self, x_m: NDArray[Any], y_m: NDArray[Any]) -> NDArray[Any]:
        """Working coordinates to (n, 2) pixel coordinates, a pixel's centre at whole numbers (OpenCV's convention)."""
        return np.stack([(x_m - self.left_m) / self.cell_m - 0.5, (self.top_m - y_m) / self.cell_m - 0.5], axis=-1)

    def centres(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """East (width,) and north (height,) of the cells' centres."""
        east = self.left_m + (np.arange(self.width) + 0.5) * self.cell_m
        north = self.top_m - (np.arange(self.height) + 0.5) * self.cell_m
        return east, north


class RasterFile:
    """An open georeferenced raster that is read by grids of the working system.

    Attributes: path; crs: the working system; cell_m: the file's cell size in metres there; bounds: its extent there.
    """

    def __init__(self, path: str | Path, crs: pyproj.CRS | None = None) -> None:
        self.path = Path(path)
        self._source = _opened(self.path)
        own = pyproj.CRS.from_user_input(self._source.crs)
        self.crs = crs or _working_crs(self._source, own, self.path)
        self._to_own = pyproj.Transformer.from_crs(self.crs, own, always_xy=True)
        self.bounds = self._bounds(pyproj.Transformer.from_crs(own, self.crs, always_xy=True))
        centre = ((self.bounds[0] + self.bounds[2]) / 2, (self.bounds[1] + self.bounds[3]) / 2)
        self.cell_m = 1.0 / self._pixels_per_metre(centre)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._source.close()

    @property
    def date(self) -> str | None:
        """The acquisition date that the file states (TIFF date tag), None when it does not."""
        stated = self._source.tags().get("TIFFTAG_DATETIME") or self._source.tags().get("ACQUISITION_DATE")
        return stated[:10].replace(":", "-") if stated else None

    def overlaps(self, bounds: tuple[float, float, float, float]) -> bool:
        """Whether the file's extent meets bounds of the working system."""
        left, bottom, right, top = self.bounds
        return left < bounds[2] and bounds[0] < right and bottom < bounds[3] and bounds[1] < top

    def _bounds(self, to_working: pyproj.Transformer) -> tuple[float, float, float, float]:
        edge = np.linspace(0, 1, 9)
        along, zero, one = edge, np.zeros(9), np.ones(9)
        cols = np.concatenate([along, along, zero, one]) * self._source.width
        rows = np.concatenate([zero, one, along, along]) * self._source.height
        x, y = to_working.transform(*_mapped(self._source.transform, cols, rows))
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            raise BadInputError(f"{self.path}: its coordinates do not fit its coordinate system {self._source.crs}")
        return float(np.min(x)), float(np.min(y)), float(np.max(x)), float(np.max(y))

    def _own_pixels(self, x: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
        cols, rows = _mapped(~self._source.transform, *self._to_own.transform(x, y))
        return np.stack([cols, rows], axis=-1)

    def _pixels_per_metre(self, at: tuple[float, float]) -> float:
        x, y = np.array([at[0], at[0] + 1.0, at[0]]), np.array([at[1], at[1], at[1] + 1.0])
        corner, east, north = self._own_pixels(x, y)
        return float(math.sqrt(abs(np.linalg.det(np.stack([east - corner, north - corner])))))

    def _read(self, grid: Grid, bands: list[int], smooth: bool) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Values (height, width, bands) and validity (height, width) on the grid; outside the file is invalid."""
        left, bottom, right, top = grid.bounds
        corners = self._own_pixels(np.array([left, right, left, right]), np.array([top, top, bottom, bottom]))
        factor = max(int(np.linalg.norm(corners[1] - corners[0]) / grid.width + 0.01), 1)
        low = np.floor(corners.min(axis=0)).astype(int) - 2 * factor
        high = np.ceil(corners.max(axis=0)).astype(int) + 2 * factor
        low, high = np.maximum(low, 0), np.minimum(high, [self._source.width, self._source.height])
        if (high <= low).any():
            shape = (grid.height, grid.width)
            return np.zeros((*shape, len(bands)), np.float32), np.zeros(shape, bool)
        window = Window(*low, *(high - low))
        size = np.maximum((high - low) // factor, 1)
        values, valid = self._decimated(window, tuple(size[::-1]), bands, smooth)
        # The affine map from grid pixels (centres at whole numbers) to the pixels of what was read.
        scale = (high - low) / size
        own = (corners[:3] - low) / scale - 0.5
        grid_corners = np.array([[-0.5, -0.5], [grid.width - 0.5, -0.5], [-0.5, grid.height - 0.5]], np.float32)
        matrix = cv2.getAffineTransform(grid_corners, own.astype(np.float32))
        return _warped(values, valid, matrix, (grid.width, grid.height))

    def _decimated(
        self, window: Window, shape: tuple[int, ...], bands: list[int], smooth: bool
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        how = Resampling.average if smooth else Resampling.nearest
        try:
            values = self._source.read(bands, window=window, out_shape=(len(bands), *shape), resampling=how)
            mask = self._source.dataset_mask(window=window, out_shape=shape, resampling=Resampling.nearest)
        except RasterioIOError as error:
            raise BadInputError(f"{self.path}: cannot be read ({error}): the file is damaged, copy it again") from None
        values = np.moveaxis(values, 0, -1).astype(np.float32)
        valid = (mask > 0) & np.isfinite(values).all(axis=-1)
        return np.where(valid[..., None], values, 0), valid


class ImageFile(RasterFile):
    """An aerial image, read as 8-bit RGB.

    Attributes: colour: False for a one-band image; notes: what was done to read it (16 bits stretched, no mask...).
    """

    def __init__(self, path: str | Path, crs: pyproj.CRS | None = None, progress: Progress = SILENT) -> None:
        super().__init__(path, crs)
        self.bands = self._colour_bands()
        self.colour = len(set(self.bands)) == 3
        kind = np.dtype(self._source.dtypes[0])
        self._stretch = self._stretching() if kind != np.uint8 else None
        if not self.colour:
            progress.warn(f"{self.path.name}: one band: evidence that needs colour is left out")
        if self._stretch is not None:
            low, high = self._stretch
            progress.warn(f"{self.path.name}: {kind} stretched to 8 bits between {low:g} and {high:g}")
        # Without a mask, black is taken for no data: most mosaics without one are filled with it.
        self._black_is_nodata = all(
            "all_valid" in [flag.name for flag in flags] for flags in self._source.mask_flag_enums
        )

    def read(self, grid: Grid) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """RGB (height, width, 3) uint8 and validity (height, width)."""
        values, valid = self._read(grid, self.bands, smooth=True)
        if self._black_is_nodata:
            valid &= values.max(axis=-1) > 0
        if self._stretch is not None:
            low, high = self._stretch
            values = (values - low) * (255 / (high - low))
        return np.clip(values + 0.5, 0, 255).astype(np.uint8), valid

    def _colour_bands(self) -> list[int]:
        meaning = list(self._source.colorinterp)
        wanted = [ColorInterp.red, ColorInterp.green, ColorInterp.blue]
        if all(colour in meaning for colour in wanted):
            return [meaning.index(colour) + 1 for colour in wanted]
        if ColorInterp.palette in meaning:
            raise BadInputError(
                f"{self.path}: an image with a colour table: convert it to RGB (`gdal_translate -expand rgb`)"
            )
        data = [index for index, colour in enumerate(meaning, start=1) if colour != ColorInterp.alpha]
        return data[:3] if len(data) >= 3 else [data[0]] * 3

    def _stretching(self) -> tuple[float, float]:
        """The 1st and 99th percentile of a decimated read."""
        shape = tuple(min(n, 1024) for n in (self._source.height, self._source.width))
        whole = Window(0, 0, self._source.width, self._source.height)
        values, valid = self._decimated(whole, shape, self.bands, smooth=False)
        seen = values[valid & (values.max(axis=-1) > 0)]
        if seen.size == 0:
            raise BadInputError(f"{self.path}: every pixel is empty")
        low, high = np.percentile(seen, [1, 99])
        return float(low), float(max(high, low + 1e-6))


class SurfaceFile(RasterFile):
    """A surface model, read as float32 metres with NaN for no data; heights in feet are converted.

    Attributes: metres_per_unit: 1 for metres; measured: a raster beside it that is 0 where heights were only interpolated.
    """

    def __init__(
        self,
        path: str | Path,
        crs: pyproj.CRS | None = None,
        progress: Progress = SILENT,
        measured: RasterFile | None = None,
    ) -> None:
        super().__init__(path, crs)
        self.measured = measured
        if self._source.count != 1:
            raise BadInputError(
                f"{self.path}: a surface model has one band, this has {self._source.count}: is it an image?"
            )
        self.metres_per_unit = _height_unit(self._source, self.path)
        if self.metres_per_unit != 1:
            progress.warn(f"{self.path.name}: heights are in feet; read as metres")

    def read(self, grid: Grid, interpolated: bool = False) -> NDArray[Any]:
        """Heights (height, width) in metres, NaN where there are none or, unless wanted, where they were only interpolated."""
        values, valid = self._read(grid, [1], smooth=True)
        if self.measured is not None and not interpolated:
            count, known = self.measured._read(grid, [1], smooth=False)
            valid &= known & (count[..., 0] > 0)
        height = values[..., 0] * np.float32(self.metres_per_unit)
        return np.where(valid & (np.abs(height) < 12_000), height, np.float32(np.nan))


def _mapped(transform: Affine, x: Any, y: Any) -> tuple[Any, Any]:
    """Coordinates (numbers or arrays) through an affine map."""
    return transform.a * x + transform.b * y + transform.c, transform.d * x + transform.e * y + transform.f


def _opened(path: Path) -> rasterio.DatasetReader:
    if not path.is_file():
        raise BadInputError(f"{path}: no such file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # said below, as an error
            source = rasterio.open(path)
    except RasterioIOError:
        raise BadInputError(f"{path}: not a raster that can be read: give a GeoTIFF") from None
    if source.crs is None or source.transform.is_identity:
        source.close()
        raise BadInputError(f"{path}: has no coordinate system: georeference it first")
    return source


def _working_crs(source: rasterio.DatasetReader, own: pyproj.CRS, path: Path) -> pyproj.CRS:
    """The file's own system when it is a UTM zone, otherwise the UTM zone of its centre."""
    if own.utm_zone and own.axis_info[0].unit_name == "metre":
        return own.to_2d()
    middle = _mapped(source.transform, source.width / 2, source.height / 2)
    lon, lat = pyproj.Transformer.from_crs(own, "EPSG:4326", always_xy=True).transform(*middle)
    try:
        return utm_crs(lon, lat)
    except BadInputError:
        raise BadInputError(f"{path}: its coordinates do not fit its coordinate system {source.crs}") from None


def _height_unit(source: rasterio.DatasetReader, path: Path) -> float:
    """Metres per unit of the heights, from the band's unit or the vertical axis; metres when nothing is said."""
    axes = pyproj.CRS.from_user_input(source.crs).axis_info
    said = (source.units[0] or (axes[2].unit_name if len(axes) > 2 else "") or "").lower()
    if said in METRES_PER_FOOT:
        return METRES_PER_FOOT[said]
    if said in FOOT_NAMES:
        return 0.3048
    if not said and axes and "foot" in axes[0].unit_name.lower():
        raise BadInputError(
            f"{path}: coordinates are in feet and the heights' unit is not stated: state it (`gdal_edit -units ft` or `m`)"
        )
    return 1.0


def _warped(
    values: NDArray[Any], valid: NDArray[np.bool_], matrix: NDArray[Any], size: tuple[int, int]
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Bilinear, weighted by validity, so that holes neither bleed into their surroundings nor grow."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    weight = cv2.warpAffine(valid.astype(np.float32), matrix, size, flags=flags)
    inside = weight > 0.5
    carried = cv2.warpAffine(values, matrix, size, flags=flags).reshape(size[1], size[0], -1)
    return carried / np.where(inside, weight, 1)[..., None], inside
