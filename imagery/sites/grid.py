"""The analysis grid: square cells of about a metre in a metric CRS, and rasters and vectors brought onto it."""

import math
import warnings
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import pyproj
import rasterio
import rasterio.features
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.vrt import WarpedVRT
from shapely.geometry.base import BaseGeometry

from imagery.core.errors import BadInputError
from imagery.core.frame import utm_crs

__all__ = ["Grid", "read_vectors"]

MAX_CELLS = 36_000_000  # about 3 GB of working arrays; larger areas get larger cells
STRIP_ROWS = 512


@dataclass(frozen=True, slots=True)
class Grid:
    """North-up square cells.

    Attributes: crs: metric; west_m, north_m: the outer corner; cell_m: side of a cell; height, width: rows and columns.
    """

    crs: pyproj.CRS
    west_m: float
    north_m: float
    cell_m: float
    height: int
    width: int

    @classmethod
    def covering(cls, raster: str | Path, cell_m: float = 1.0) -> "Grid":
        """The grid over a raster's extent, in its own CRS if that is metric and true to scale, else in its UTM zone.

        Cells are `cell_m`, or as large as the raster's own where that is coarser, or larger for a very large area.
        """
        with open_raster(raster) as source:
            if source.dataset.count > 2:
                raise BadInputError(
                    f"{raster}: a surface model has one band, this has {source.dataset.count}: is it an image?"
                )
            crs = pyproj.CRS.from_wkt(source.crs.to_wkt())
            lon, lat = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(*source.centre())
            if not _is_metric(crs):
                crs = utm_crs(lon, lat)
            with WarpedVRT(source.dataset, crs=crs.to_wkt()) as warped:
                left, bottom, right, top = warped.bounds
                own = max(abs(warped.transform.a), abs(warped.transform.e))
        cell = max(cell_m, own if own > 1.5 * cell_m else 0.0)
        cell = max(cell, math.sqrt((right - left) * (top - bottom) / MAX_CELLS))
        height, width = max(1, int((top - bottom) / cell + 1e-6)), max(1, int((right - left) / cell + 1e-6))
        return cls(crs, left, top, cell, height, width)

    @property
    def transform(self) -> Affine:
        """Pixel (column, row) to map coordinates."""
        return Affine(self.cell_m, 0, self.west_m, 0, -self.cell_m, self.north_m)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.height, self.width

    @property
    def cell_area_m2(self) -> float:
        """Area of a cell."""
        return self.cell_m**2

    def read(self, raster: str | Path, bands: int | list[int]) -> NDArray[np.float32]:
        """Bands of a raster, averaged over each cell, NaN where there is no data; (h, w) or (bands, h, w).

        Read in strips, so that memory does not depend on the raster's own resolution.
        """
        wanted = [bands] if isinstance(bands, int) else bands
        out = np.full((len(wanted), *self.shape), np.nan, np.float32)
        with open_raster(raster) as source:
            read = self._averaged if self._is_aligned(source.dataset) else self._warped
            for row in range(0, self.height, STRIP_ROWS):
                rows = min(STRIP_ROWS, self.height - row)
                out[:, row : row + rows] = read(source.dataset, wanted, row, rows)
        return out[0] if isinstance(bands, int) else out

    def _is_aligned(self, dataset: rasterio.DatasetReader) -> bool:
        """North-up in the grid's own CRS, with smaller cells, and covering the grid: then averaging needs no warping."""
        step = dataset.transform
        if (
            step.b
            or step.d
            or step.e >= 0
            or dataset.crs is None
            or pyproj.CRS.from_wkt(dataset.crs.to_wkt()) != self.crs
        ):
            return False
        left, bottom, right, top = dataset.bounds
        east, south = self.west_m + self.width * self.cell_m, self.north_m - self.height * self.cell_m
        inside = (
            left <= self.west_m + 1e-6
            and east <= right + 1e-6
            and bottom <= south + 1e-6
            and self.north_m <= top + 1e-6
        )
        return inside and step.a < self.cell_m

    def _averaged(self, dataset: rasterio.DatasetReader, bands: list[int], row: int, rows: int) -> NDArray[np.float32]:
        """Some rows of the grid, by GDAL's averaging reader: several times faster than warping."""
        north = self.north_m - row * self.cell_m
        window = rasterio.windows.from_bounds(
            self.west_m, north - rows * self.cell_m, self.west_m + self.width * self.cell_m, north, dataset.transform
        )
        strip = dataset.read(
            bands,
            window=window,
            out_shape=(len(bands), rows, self.width),
            resampling=Resampling.average,
            masked=True,
            out_dtype="float32",
        )
        return np.where(np.isfinite(strip.data), strip.filled(np.nan), np.nan)

    def _warped(self, dataset: rasterio.DatasetReader, bands: list[int], row: int, rows: int) -> NDArray[np.float32]:
        """Some rows of the grid, warped from any CRS."""
        coarse = _is_metric(pyproj.CRS.from_wkt(dataset.crs.to_wkt())) and abs(dataset.transform.a) >= self.cell_m
        with WarpedVRT(
            dataset,
            crs=self.crs.to_wkt(),
            transform=self.transform,
            width=self.width,
            height=self.height,
            resampling=Resampling.bilinear if coarse else Resampling.average,
            nodata=dataset.nodata,
        ) as warped:
            window = rasterio.windows.Window(0, row, self.width, rows)
            strip = warped.read(bands, window=window, out_dtype="float32")
            valid = warped.dataset_mask(window=window) > 0
        return np.where(valid & np.isfinite(strip), strip, np.nan)

    def burn(self, geometries: list[BaseGeometry]) -> NDArray[np.bool_]:
        """The cells that any of the geometries touches."""
        shapes = [shape for shape in geometries if shape is not None and not shape.is_empty]
        if not shapes:
            return np.zeros(self.shape, bool)
        return rasterio.features.rasterize(
            shapes, out_shape=self.shape, transform=self.transform, all_touched=True, dtype="uint8"
        ).astype(bool)

    def polygons(self, codes: NDArray[np.integer], mask: NDArray[np.bool_]) -> list[tuple[shapely.Polygon, int]]:
        """The 4-connected regions of equal code within `mask`, as (polygon along the cells' edges, code)."""
        found = rasterio.features.shapes(codes.astype(np.int32), mask=mask, connectivity=4, transform=self.transform)
        return [(shapely.geometry.shape(shape), int(code)) for shape, code in found]

    def cells_of(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows and columns of the cells that hold map points; points outside get the nearest cell."""
        columns = np.floor((np.asarray(x) - self.west_m) / self.cell_m).astype(np.intp)
        rows = np.floor((self.north_m - np.asarray(y)) / self.cell_m).astype(np.intp)
        return rows.clip(0, self.height - 1), columns.clip(0, self.width - 1)


class open_raster:  # noqa: N801 - used as a function, like rasterio.open
    """Context manager: a readable georeferenced raster, with errors a person can act on."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def __enter__(self) -> "open_raster":
        if not self.path.exists():
            raise BadInputError(f"{self.path}: there is no such file")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NotGeoreferencedWarning)  # said below, as an error
                self.dataset = rasterio.open(self.path)
        except RasterioError as error:
            raise BadInputError(f"{self.path}: not a raster that can be read ({error})") from None
        if self.dataset.crs is None or self.dataset.transform.is_identity:
            self.dataset.close()
            raise BadInputError(f"{self.path}: has no coordinate reference system: georeference it first")
        self.crs = self.dataset.crs
        return self

    def centre(self) -> tuple[float, float]:
        """The centre in the raster's own CRS."""
        bounds = self.dataset.bounds
        return (bounds.left + bounds.right) / 2, (bounds.bottom + bounds.top) / 2

    def __exit__(self, *_: object) -> None:
        self.dataset.close()


def _is_metric(crs: pyproj.CRS) -> bool:
    """Projected in metres and not the web's Mercator, whose metres are not."""
    return crs.is_projected and crs.axis_info[0].unit_name == "metre" and "Pseudo-Mercator" not in crs.name


def read_vectors(path: str | Path, crs: pyproj.CRS, layer: str | None = None) -> gpd.GeoDataFrame:
    """The features of a GIS file's `layer`, else of its first one, in `crs`; without empty geometries, invalid ones repaired.

    Raises:
        BadInputError: not readable, or without a coordinate reference system.
    """
    if not Path(path).exists():
        raise BadInputError(f"{path}: there is no such file")
    try:
        names = [str(name) for name, _ in pyogrio.list_layers(path)]
        frame = gpd.read_file(path, layer=layer if layer in names else names[0])
    except Exception as error:  # pyogrio raises its own and GDAL's errors
        raise BadInputError(f"{path}: not a GIS file that can be read ({error})") from None
    if not isinstance(frame, gpd.GeoDataFrame):
        raise BadInputError(f"{path}: holds no geometries")
    if frame.crs is None:
        raise BadInputError(f"{path}: has no coordinate reference system")
    frame = frame[frame.geometry.notna()].to_crs(crs)
    frame.geometry = frame.geometry.make_valid()
    return frame[~frame.geometry.is_empty].reset_index(drop=True)
