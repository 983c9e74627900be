"""Worlds on disk: the folder that `World.save` writes, and worlds made from real GeoTIFFs."""

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyogrio
import pyproj
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.warp import Resampling, calculate_default_transform, reproject
from shapely.geometry import Polygon, mapping, shape

from imagery.core.errors import BadInputError
from imagery.core.files import atomic_directory, write_json
from imagery.core.frame import LocalFrame, utm_crs
from imagery.core.progress import Progress
from sitl.world.model import Home, World
from sitl.world.sun import Sun

__all__ = ["load_world", "save_world", "world_from_geotiffs"]

NODATA = -9999.0


def save_world(world: World, folder: Path, progress: Progress) -> None:
    """Write `world.json` and `truth/` atomically; heights are rounded to a millimetre's fraction, colours kept as JPEG 95."""
    with atomic_directory(folder) as target:
        truth = target / "truth"
        truth.mkdir()
        rasters: dict[str, NDArray[Any]] = {
            "ortho": world.ortho,
            "dsm": world.dsm,
            "dtm": world.dtm,
            "pre_ortho": world.pre_ortho,
            "pre_dsm": world.pre_dsm,
        }
        with progress.stage("saving the world", len(rasters) + 2, "files") as advance:
            for name, values in rasters.items():
                _write_raster(truth / f"{name}.tif", values, world)
                advance(1)
            _write_raster(truth / "labels.tif", world.labels, world)
            advance(1)
            for name, layer in world.layers.items():
                if len(layer):
                    layer.to_file(truth / "vectors.gpkg", layer=name, driver="GPKG", engine="pyogrio")
            advance(1)
        write_json(target / "world.json", _description(world))


def load_world(folder: Path) -> World:
    """Read a world's folder; a missing or foreign file raises BadInputError naming it."""
    path = folder / "world.json"
    try:
        about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        truth = folder / "truth"
        ortho, crs, transform = _read_raster(truth / "ortho.tif")
        rest = {
            name: _read_raster(truth / f"{name}.tif")[0] for name in ("dsm", "dtm", "pre_ortho", "pre_dsm", "labels")
        }
        names = [row[0] for row in pyogrio.list_layers(truth / "vectors.gpkg")]
        layers = {name: gpd.read_file(truth / "vectors.gpkg", layer=name) for name in names}
        return World(
            crs=crs,
            transform=transform,
            frame=LocalFrame(*about["frame"]),
            ortho=ortho,
            **rest,
            layers=layers,
            area=shape(about["area"]),
            home=Home(*about["home"]),
            sun=Sun(*about["sun"]),
            pre_sun=Sun(*about["pre_sun"]),
            info=about["info"],
        )
    except (OSError, rasterio.errors.RasterioIOError, pyogrio.errors.DataSourceError) as error:
        raise BadInputError(f"{folder}: not a complete world ({error}): make it again with World.save") from error
    except (KeyError, ValueError, TypeError) as error:
        raise BadInputError(f"{path}: not a world's description ({error})") from error


def _description(world: World) -> dict[str, Any]:
    return {
        "crs": world.crs.to_string(),
        "vertical_datum": "EGM96 height",
        "frame": [world.frame.lon_deg, world.frame.lat_deg],
        "home": [world.home.lon_deg, world.home.lat_deg, world.home.height_amsl_m],
        "area": mapping(world.area),
        "sun": [world.sun.azimuth_deg, world.sun.elevation_deg],
        "pre_sun": [world.pre_sun.azimuth_deg, world.pre_sun.elevation_deg],
        "info": world.info,
    }


def _write_raster(path: Path, values: NDArray[Any], world: World) -> None:
    colour = values.ndim == 3
    profile: dict[str, Any] = {
        "driver": "GTiff", "width": values.shape[1], "height": values.shape[0], "count": 3 if colour else 1,
        "dtype": values.dtype,
        "crs": world.crs, "transform": world.transform, "tiled": True, "blockxsize": 512, "blockysize": 512,
        "bigtiff": "if_safer",
    }  # fmt: skip
    if colour:
        profile |= {"compress": "JPEG", "photometric": "YCBCR", "jpeg_quality": 95}
    elif values.dtype == np.float32:
        values = np.round(values * 512) / np.float32(512)  # fewer bits to store: 2 mm
        profile |= {"compress": "DEFLATE", "zlevel": 1, "predictor": 3, "nodata": NODATA}
    else:
        profile |= {"compress": "DEFLATE", "zlevel": 1}
    with rasterio.open(path, "w", **profile) as file:
        file.write(np.moveaxis(values, -1, 0) if colour else values[None])


def _read_raster(path: Path) -> tuple[NDArray[Any], pyproj.CRS, Affine]:
    with rasterio.open(path) as file:
        values = file.read()
        out = np.ascontiguousarray(np.moveaxis(values, 0, -1)) if file.count == 3 else values[0]
        return out, pyproj.CRS.from_user_input(file.crs), file.transform


def world_from_geotiffs(ortho_path: Path, dsm_path: Path, dtm_path: Path | None) -> World:
    """A world from an orthophoto and a surface model in any projection (heights above mean sea level)."""
    try:
        with rasterio.open(ortho_path) as ortho, rasterio.open(dsm_path) as dsm:
            if ortho.crs is None or dsm.crs is None:
                raise BadInputError(
                    f"{ortho_path if ortho.crs is None else dsm_path}: has no coordinate reference system"
                )
            colours = [i for i, kind in enumerate(ortho.colorinterp, 1) if kind != ColorInterp.alpha][:3]
            crs, transform, shape_ = _utm_grid(ortho)
            rgb = np.zeros((3, *shape_), np.uint8)
            reproject(
                rasterio.band(ortho, (colours * 3)[:3]),
                rgb,
                dst_transform=transform,
                dst_crs=crs,
                resampling=Resampling.cubic,
            )
            surface = _resampled(dsm, crs, transform, shape_)
        ground = surface
        if dtm_path is not None:
            with rasterio.open(dtm_path) as dtm:
                ground = _resampled(dtm, crs, transform, shape_)
    except rasterio.errors.RasterioIOError as error:
        raise BadInputError(f"{ortho_path} and {dsm_path}: not readable as GeoTIFFs ({error})") from error
    crs = pyproj.CRS.from_user_input(crs)
    rows, cols = shape_
    unit = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])
    corners = unit * [cols * transform.a, rows * transform.e] + [transform.c, transform.f]
    lon, lat = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(*corners.T)
    frame = LocalFrame.around(lon, lat)
    image = np.ascontiguousarray(np.moveaxis(rgb, 0, -1))
    home = Home(frame.lon_deg, frame.lat_deg, float(ground[rows // 2, cols // 2]))
    sun = Sun(150.0, 45.0)
    labels = np.zeros(shape_, np.uint16)
    return World(
        crs, transform, frame, image, surface, ground, image, surface, labels, {}, Polygon(np.column_stack([lon, lat])), home,
        sun, sun,
        {"ortho": str(ortho_path), "dsm": str(dsm_path)},
    )  # fmt: skip


def _utm_grid(ortho: Any) -> tuple[Any, Affine, tuple[int, int]]:
    """The UTM grid (square cells) that an orthophoto is taken to."""
    to_geographic = pyproj.Transformer.from_crs(ortho.crs, "EPSG:4326", always_xy=True)
    lon, lat = to_geographic.transform(
        (ortho.bounds.left + ortho.bounds.right) / 2, (ortho.bounds.bottom + ortho.bounds.top) / 2
    )
    crs = rasterio.crs.CRS.from_user_input(utm_crs(lon, lat).to_wkt())
    transform, width, height = calculate_default_transform(ortho.crs, crs, ortho.width, ortho.height, *ortho.bounds)
    return crs, transform, (int(height), int(width))


def _resampled(source: Any, crs: Any, transform: Affine, shape_: tuple[int, int]) -> NDArray[np.float32]:
    """Heights on the grid; holes take the value of the nearest known cell, since a world has a surface everywhere."""
    from scipy.ndimage import distance_transform_edt

    out = np.full(shape_, np.nan, np.float32)
    reproject(
        rasterio.band(source, 1),
        out,
        dst_transform=transform,
        dst_crs=crs,
        dst_nodata=np.nan,
        resampling=Resampling.bilinear,
    )
    missing = ~np.isfinite(out)
    if missing.all():
        raise BadInputError(f"{source.name}: no height inside the orthophoto")
    if missing.any():
        nearest = distance_transform_edt(missing, return_distances=False, return_indices=True)
        out = out[tuple(nearest)]
    return out
