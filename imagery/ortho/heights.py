"""The surface that photos are projected onto, read from the surface model a window at a time."""

from pathlib import Path

import cv2
import numpy as np
import pyproj
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window as RasterWindow

from imagery.core.errors import BadInputError
from imagery.surface.fill import spread
from imagery.surface.grid import Grid, Window

__all__ = ["Heights"]

SMOOTHING_CELLS = 5


class Heights:
    """A surface model on disk.

    Attributes: grid: its grid. Not safe to share between threads.
    """

    def __init__(self, path: str | Path, crs: pyproj.CRS) -> None:
        try:
            self._raster = rasterio.open(path)
        except rasterio.errors.RasterioIOError as error:
            raise BadInputError(f"{path}: not a readable surface model ({error})") from error
        transform = self._raster.transform
        if transform.b or transform.d or abs(transform.a + transform.e) > 1e-9 * transform.a:
            raise BadInputError(f"{path}: must be a north-up raster with square cells")
        self.grid = Grid(crs, transform.c, transform.f, transform.a, self._raster.width, self._raster.height)

    def read(self, window: Window) -> NDArray[np.float32]:
        """Heights in metres, NaN where unknown."""
        where = RasterWindow(window.col, window.row, window.width, window.height)
        values = self._raster.read(1, window=where).astype(np.float32)
        return np.where(values == self._raster.nodata, np.nan, values).astype(np.float32)

    def smooth(self, window: Window) -> NDArray[np.float32]:
        """Heights without single-cell noise and with straightened edges, filled where unknown (if anything is known)."""
        wide = window.grown(SMOOTHING_CELLS, self.grid)
        values = self.read(wide)
        if np.isnan(values).all():
            return np.full((window.height, window.width), np.nan, np.float32)
        middle = cv2.medianBlur(spread(values), SMOOTHING_CELLS)
        return np.ascontiguousarray(middle[window.within(wide).slices])
