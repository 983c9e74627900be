"""Rasters of results and of the world on one grid."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyproj
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.vrt import WarpedVRT
from rasterio.warp import Resampling

from imagery.core.errors import BadInputError
from sitl.world import World

__all__ = [
    "area_mask",
    "grey",
    "on_world_grid",
    "opened",
    "read_json",
    "reduced",
    "resolution_m",
    "survey_area",
    "world_grid",
]


def on_world_grid(world: World, path: Path) -> tuple[NDArray[np.float32], NDArray[np.bool_], float, float]:
    """An orthomosaic in grey on the world's extent, where it has a picture, the cell size,
    and its own ground sampling distance."""
    with opened(path) as source:
        resolution = resolution_m(source, world)
        own = abs(source.transform.a) * (1 if source.crs.is_projected else 111_000)
        transform, shape = world_grid(world, resolution)
        with WarpedVRT(
            source, crs=world.crs.to_wkt(), transform=transform, width=shape[1], height=shape[0],
            resampling=Resampling.bilinear, add_alpha=True
        ) as warped:  # fmt: skip
            bands = warped.read([1, 2, 3])
            seen = warped.dataset_mask() > 127
    return grey(np.ascontiguousarray(np.moveaxis(bands, 0, -1))), seen, resolution, float(own)


def reduced(raster: NDArray[Any], cell_m: float, resolution: float, shape: tuple[int, int]) -> NDArray[Any]:
    """A world's raster averaged to a coarser grid with the same corner."""
    rows, cols = round(shape[0] * resolution / cell_m), round(shape[1] * resolution / cell_m)
    return np.asarray(cv2.resize(raster[:rows, :cols], shape[::-1], interpolation=cv2.INTER_AREA))


def world_grid(world: World, resolution: float) -> tuple[Affine, tuple[int, int]]:
    """The world's own extent at another cell size."""
    rows, cols = world.dsm.shape
    shape = (int(rows * world.cell_m / resolution), int(cols * world.cell_m / resolution))
    return Affine(resolution, 0, world.transform.c, 0, -resolution, world.transform.f), shape


def area_mask(world: World, resolution: float, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    ring = np.asarray(survey_area(world).exterior.coords)
    pixels = np.column_stack([ring[:, 0] - world.transform.c, world.transform.f - ring[:, 1]]) / resolution
    mask = np.zeros(shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(pixels).astype(np.int32)], 1)
    return mask.astype(bool)


def survey_area(world: World) -> shapely.Polygon:
    to_crs = pyproj.Transformer.from_crs("EPSG:4326", world.crs, always_xy=True)
    return shapely.transform(world.area, lambda xy: np.column_stack(to_crs.transform(xy[:, 0], xy[:, 1])))


def resolution_m(source: Any, world: World) -> float:
    """Cell size of a raster in metres, never finer than the world's."""
    if source.crs is None:
        raise BadInputError(f"{source.name}: has no coordinate reference system")
    metres = abs(source.transform.a) if source.crs.is_projected else abs(source.transform.a) * 111_000
    return max(float(metres), world.cell_m)


def grey(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.float32)


def opened(path: Path) -> Any:
    try:
        return rasterio.open(path)
    except rasterio.errors.RasterioIOError as error:
        raise BadInputError(f"{path}: not a readable raster ({error})") from error


def read_json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInputError(f"{path}: cannot be read ({error})") from error
    return found
