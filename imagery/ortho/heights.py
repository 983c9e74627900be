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
from imagery.surface.grid import Grid, Window, unit_m

__all__ = ["Heights"]

MEDIAN_CELLS = 5
ROUGH_CELLS = 15  # side of the square in which roughness is judged
ROUGH_FROM, ROUGH_TO = 1.0, 2.5  # mean cells of height off the median: the beginning and the full effect of calming
CALM_CELLS = 10.0  # standard deviation of the calming blur
MARGIN_CELLS = 48


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
        self._cell_m = transform.a * unit_m(crs)

    def read(self, window: Window) -> NDArray[np.float32]:
        """Heights in metres, NaN where unknown."""
        where = RasterWindow(window.col, window.row, window.width, window.height)
        values = self._raster.read(1, window=where).astype(np.float32)
        return np.where(values == self._raster.nodata, np.nan, values).astype(np.float32)

    def smooth(self, window: Window) -> NDArray[np.float32]:
        """Heights to project onto, filled where unknown (if anything is known).

        Edges of roofs stay sharp and are straightened; tree tops, whose matched heights are rough and would tear the picture, are
        calmed to a gentle surface.
        """
        wide = window.grown(MARGIN_CELLS, self.grid)
        values = self.read(wide)
        if np.isnan(values).all():
            return np.full((window.height, window.width), np.nan, np.float32)
        values = spread(values)
        middle = cv2.medianBlur(values, MEDIAN_CELLS)
        off = cv2.blur(np.abs(values - middle), (ROUGH_CELLS, ROUGH_CELLS)) / self._cell_m
        rough = np.clip((off - ROUGH_FROM) / (ROUGH_TO - ROUGH_FROM), 0, 1).astype(np.float32)
        if rough.any():
            rough = cv2.blur(rough, (ROUGH_CELLS, ROUGH_CELLS))
            middle += rough * (cv2.GaussianBlur(middle, (0, 0), CALM_CELLS) - middle)
        return np.ascontiguousarray(middle[window.within(wide).slices])
