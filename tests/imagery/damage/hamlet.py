"""A synthetic hamlet on flat ground, small enough to grade in a second: box houses, some collapsed, exactly known."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import geopandas as gpd
import numpy as np
import rasterio
import shapely
from affine import Affine

CRS = "EPSG:32633"
ORIGIN = (500_000.0, 4_700_000.0)  # left, top
CELL = 0.1


@dataclass(frozen=True)
class Hamlet:
    """Rasters (rows, columns) of CELL metres, and the true footprints with their grades."""

    post: np.ndarray
    pre: np.ndarray
    dsm: np.ndarray
    pre_dsm: np.ndarray
    footprints: list[shapely.Polygon]
    grades: np.ndarray


def build(seed: int = 0, columns: int = 5, rows: int = 4, collapsed: int = 5) -> Hamlet:
    """Houses of 10 x 7 m, 5 m high, every 22 m; `collapsed` of them are heaps of debris in the later rasters."""
    rng = np.random.default_rng(seed)
    pitch = 220
    shape = (rows * pitch, columns * pitch)
    soil = cv2.GaussianBlur(rng.normal(0, 1, shape).astype(np.float32), (0, 0), 3) * 40 + 120
    ground = np.stack([soil * 0.9, soil, soil * 0.75], axis=-1)
    post, pre = ground.copy(), ground.copy()
    dsm, pre_dsm = np.full(shape, 100, np.float32), np.full(shape, 100, np.float32)
    fallen = set(rng.choice(rows * columns, collapsed, replace=False).tolist())
    footprints, grades = [], []
    for number, (row, column) in enumerate(np.ndindex(rows, columns)):
        top, left = row * pitch + 75, column * pitch + 60
        cut = (slice(top, top + 70), slice(left, left + 100))
        colour = rng.uniform([120, 60, 50], [190, 110, 100])
        pre[cut] = colour + rng.normal(0, 3, (70, 100, 1))
        pre_dsm[cut] = 105
        if number in fallen:
            wide = (slice(top - 15, top + 85), slice(left - 15, left + 115))
            blocks = cv2.resize(
                rng.uniform(30, 230, (33, 43)).astype(np.float32), (130, 100), interpolation=cv2.INTER_NEAREST
            )
            post[wide] = blocks[..., None]
            dsm[wide] = 100.6 + cv2.resize(rng.normal(0, 0.3, (33, 43)).astype(np.float32), (130, 100))
        else:
            post[cut] = pre[cut]
            dsm[cut] = 105
        x, y = ORIGIN[0] + left * CELL, ORIGIN[1] - top * CELL
        footprints.append(shapely.box(x, y - 7, x + 10, y))
        grades.append(3 if number in fallen else 0)
    noise = rng.normal(0, 0.03, (2, *shape)).astype(np.float32)
    images = [np.clip(image + rng.normal(0, 2, image.shape), 1, 255).astype(np.uint8) for image in (post, pre)]
    return Hamlet(*images, dsm + noise[0], pre_dsm + noise[1], footprints, np.array(grades))


def write_raster(
    path: Path, values: np.ndarray, *, crs: str | None = CRS, shift=(0.0, 0.0), cell: float = CELL, **options
) -> Path:
    """A GeoTIFF of an array (rows, columns[, bands]) whose upper left corner is ORIGIN moved by `shift`."""
    bands = np.moveaxis(values, -1, 0) if values.ndim == 3 else values[None]
    transform = Affine(cell, 0, ORIGIN[0] + shift[0], 0, -cell, ORIGIN[1] + shift[1])
    with rasterio.open(
        path, "w", driver="GTiff", count=len(bands), height=bands.shape[1], width=bands.shape[2], dtype=bands.dtype,
        crs=crs, transform=transform, **options,
    ) as target:  # fmt: skip
        target.write(bands)
    return path


def write_footprints(path: Path, polygons, crs: str = "EPSG:4326", **fields) -> Path:
    """A vector file of polygons given in CRS."""
    gpd.GeoDataFrame(fields, geometry=list(polygons), crs=CRS).to_crs(crs).to_file(path, engine="pyogrio")
    return path


def write_all(hamlet: Hamlet, folder: Path) -> dict[str, Path]:
    """post, pre, dsm, pre_dsm (GeoTIFF) and buildings (GeoJSON)."""
    rasters = {name: getattr(hamlet, name) for name in ("post", "pre", "dsm", "pre_dsm")}
    paths = {name: write_raster(folder / f"{name}.tif", values) for name, values in rasters.items()}
    return paths | {"buildings": write_footprints(folder / "buildings.geojson", hamlet.footprints)}
