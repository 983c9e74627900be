"""Writing a surface as a cloud-optimised GeoTIFF, tile by tile."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.windows import Window as RasterWindow

from imagery.core.files import atomic_path
from imagery.surface.grid import Grid, Window

__all__ = ["NODATA", "write_raster"]

NODATA = -9999.0
GDAL_CACHE_MB = 64


def write_raster(
    path: Path,
    grid: Grid,
    tiles: Iterable[tuple[Window, NDArray[np.float32] | NDArray[np.uint8]]],
    *,
    dtype: str = "float32",
    nodata: float | None = NODATA,
    description: str = "",
) -> None:
    """Write one band from its tiles, atomically; NaN becomes nodata. GDAL builds overviews and statistics."""
    profile = {
        "driver": "GTiff",
        "width": grid.width,
        "height": grid.height,
        "count": 1,
        "dtype": dtype,
        "crs": grid.crs.to_wkt(),
        "transform": grid.transform,
        "nodata": nodata,
        "tiled": True,
        "blockxsize": 512,
        "blockysize": 512,
        "sparse_ok": True,
        "bigtiff": "if_safer",
    }
    with rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE_MB), atomic_path(path) as temporary:
        plain = temporary.with_name(f"{temporary.stem}.plain.tif")
        try:
            with rasterio.open(plain, "w", **profile) as raster:
                for window, values in tiles:
                    values = values if nodata is None else np.where(np.isnan(values), nodata, values)
                    raster.write(
                        values.astype(dtype),
                        1,
                        window=RasterWindow(window.col, window.row, window.width, window.height),
                    )
                raster.set_band_description(1, description)
            rasterio.shutil.copy(
                plain,
                temporary,
                driver="COG",
                compress="DEFLATE",
                level=6,
                predictor="YES",
                blocksize=512,
                overview_resampling="average" if dtype == "float32" else "nearest",
                statistics="YES",
                bigtiff="IF_SAFER",
            )
        finally:
            plain.unlink(missing_ok=True)
