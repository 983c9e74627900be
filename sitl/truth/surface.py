"""How far a surface model's heights are off."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.vrt import WarpedVRT
from rasterio.warp import Resampling

from imagery.core.errors import NotEnoughDataError
from sitl.truth.rasters import area_mask, opened, reduced, resolution_m, world_grid
from sitl.world import World

__all__ = ["SurfaceError", "surface_error"]


@dataclass(frozen=True, slots=True)
class SurfaceError:
    """Surface heights minus true heights, metres: over everything,
    and ground_*: on bare ground; completeness: share of the survey
    area that has a height."""

    median_m: float
    nmad_m: float
    rmse_m: float
    ground_median_m: float
    ground_nmad_m: float
    completeness: float


def surface_error(world: World, dsm_path: str | Path) -> SurfaceError:
    """Height errors of a surface model at its own resolution, inside the survey area."""
    with opened(Path(dsm_path)) as source:
        resolution = resolution_m(source, world)
        transform, shape = world_grid(world, resolution)
        with WarpedVRT(
            source, crs=world.crs.to_wkt(), transform=transform, width=shape[1], height=shape[0], resampling=Resampling.bilinear,
            dtype="float32", nodata=source.nodata if source.nodata is not None else -9999.0,
        ) as warped:  # fmt: skip
            heights = warped.read(1, masked=True).filled(np.nan).astype(np.float64)
    true = reduced(world.dsm, world.cell_m, resolution, shape).astype(float)
    above = true - reduced(world.dtm, world.cell_m, resolution, shape)
    inside = area_mask(world, resolution, shape)
    known = inside & np.isfinite(heights)
    if known.sum() < 100:
        raise NotEnoughDataError(f"{dsm_path}: hardly any height inside the survey area")
    error = heights[known] - true[known]
    ground = error[above[known] < 0.3]
    return SurfaceError(
        *_robust(error),
        float(np.sqrt(np.mean(error**2))),
        *_robust(ground),
        completeness=float(known.sum() / inside.sum()),
    )


def _robust(error: NDArray[np.float64]) -> tuple[float, float]:
    """Median and normalised median absolute deviation."""
    if not len(error):
        return float("nan"), float("nan")
    median = float(np.median(error))
    return median, float(1.4826 * np.median(abs(error - median)))
