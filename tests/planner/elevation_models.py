"""Elevation models for tests, written as people have them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray

__all__ = ["jacksboro", "write_dem"]

Heights = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]


def write_dem(
    path: Path,
    heights: Heights | NDArray[np.generic],
    west: float,
    north: float,
    cell: float,
    size: tuple[int, int] = (300, 300),
    crs: str = "EPSG:4326",
    nodata: float | None = -9999,
    dtype: str = "float32",
    unit: str | None = None,
) -> Path:
    """A GeoTIFF of a function of x and y (or of an array), `size` rows and columns from its north-west corner."""
    if callable(heights):
        x, y = np.meshgrid(west + (np.arange(size[1]) + 0.5) * cell, north - (np.arange(size[0]) + 0.5) * cell)
        heights = heights(x, y)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=heights.shape[0],
        width=heights.shape[1],
        count=1,
        dtype=dtype,
        crs=crs,
        transform=rasterio.Affine(cell, 0, west, 0, -cell, north),
        nodata=nodata,
    ) as target:
        target.write(heights.astype(dtype), 1)
        if unit is not None:
            target.set_band_unit(1, unit)
    return path


def jacksboro(shared_data: Path, folder: Path) -> Path:
    """A real mountain ridge (USGS, three arc seconds) as a GeoTIFF."""
    with np.load(shared_data / "elevation/jacksboro_usgs/jacksboro_fault_dem.npz") as data:
        north = max(float(data["ymin"]), float(data["ymax"]))
        return write_dem(
            folder / "jacksboro.tif",
            data["elevation"],
            float(data["xmin"]),
            north,
            float(data["dx"]),
            crs="EPSG:4269",
            nodata=None,
            dtype="int16",
        )
