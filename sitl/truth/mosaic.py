"""Where an orthomosaic's details lie against where they are."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from imagery.core.errors import NotEnoughDataError
from sitl.truth.rasters import area_mask, grey, on_world_grid, reduced
from sitl.world import World

__all__ = ["MosaicError", "even", "mosaic_error"]

TILE_PX = 192


@dataclass(frozen=True, slots=True)
class MosaicError:
    """Where the orthomosaic's details lie against where they are, in metres.

    mean_m: east, north; rmse_m, median_m, p95_m: of the distances of `tiles` places; spread_m: the RMSE after taking the mean
    away; gsd_m: the mosaic's; covered: share of the survey area with a picture.
    """

    mean_m: tuple[float, float]
    rmse_m: float
    median_m: float
    p95_m: float
    spread_m: float
    tiles: int
    gsd_m: float
    covered: float


def mosaic_error(world: World, ortho_path: str | Path) -> MosaicError:
    """Local offsets of an orthomosaic by phase correlation with the true one, tile by tile.

    A first correlation of the whole picture at a coarse scale finds offsets larger than a tile. Raises NotEnoughDataError
    where the two have too little in common.
    """
    picture, seen, resolution, gsd_m = on_world_grid(world, Path(ortho_path))
    truth = grey(reduced(world.ortho, world.cell_m, resolution, picture.shape[:2]))
    shift = _coarse_shift(truth, picture, seen, resolution)
    offsets = _local_offsets(truth, picture, seen, shift) * resolution
    if len(offsets) < 4:
        raise NotEnoughDataError(f"{ortho_path}: too little in common with the world to measure its offset")
    offsets[:, 1] *= -1  # rows count southwards
    distance = np.hypot(*offsets.T)
    mean = offsets.mean(0)
    inside = area_mask(world, resolution, seen.shape)
    return MosaicError(
        mean_m=(float(mean[0]), float(mean[1])),
        rmse_m=float(np.sqrt(np.mean(distance**2))),
        median_m=float(np.median(distance)),
        p95_m=float(np.quantile(distance, 0.95)),
        spread_m=float(np.sqrt(np.mean(np.sum((offsets - mean) ** 2, 1)))),
        tiles=len(offsets),
        gsd_m=gsd_m,
        covered=float(seen[inside].mean()),
    )


def _coarse_shift(
    truth: NDArray[np.float32], picture: NDArray[np.float32], seen: NDArray[np.bool_], resolution: float
) -> NDArray[np.int_]:
    """The whole picture's shift (columns, rows) against the truth, in whole pixels, from pictures of half a metre a pixel."""
    factor = max(1.0, 0.5 / resolution)
    size = (max(32, int(truth.shape[1] / factor)), max(32, int(truth.shape[0] / factor)))
    filled = np.where(seen, picture, picture[seen].mean() if seen.any() else 0.0).astype(np.float32)
    masked = np.where(seen, truth, truth[seen].mean() if seen.any() else 0.0).astype(np.float32)
    small = [cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in (masked, filled)]
    (dx, dy), response = cv2.phaseCorrelate(*(image.astype(np.float64) for image in small))
    scale = np.array([truth.shape[1] / size[0], truth.shape[0] / size[1]])
    return np.round(np.array([dx, dy]) * scale * (response > 0.05)).astype(int)


def _local_offsets(
    truth: NDArray[np.float32], picture: NDArray[np.float32], seen: NDArray[np.bool_], shift: NDArray[np.int_]
) -> NDArray[np.float64]:
    """Offsets (columns, rows in pixels) of tiles with a clear peak; (n, 2)."""
    window = cv2.createHanningWindow((TILE_PX, TILE_PX), cv2.CV_64F)
    dx, dy = (int(v) for v in shift)
    rows, cols = truth.shape
    offsets = []
    for r in range(max(0, -dy), min(rows, rows - dy) - TILE_PX, TILE_PX):
        for c in range(max(0, -dx), min(cols, cols - dx) - TILE_PX, TILE_PX):
            moved = (slice(r + dy, r + dy + TILE_PX), slice(c + dx, c + dx + TILE_PX))
            if not seen[moved].all():
                continue
            true, said = even(truth[r : r + TILE_PX, c : c + TILE_PX]), even(picture[moved])
            if min(true.std(), said.std()) < 2:
                continue
            (x, y), response = cv2.phaseCorrelate(true, said, window)
            if response > 0.1:
                offsets.append((x + dx, y + dy))
    return np.array(offsets, float).reshape(-1, 2)


def even(tile: NDArray[np.float32]) -> NDArray[np.float64]:
    """A tile without its slow changes of brightness, so that exposure does not count."""
    wide = tile.astype(np.float64)
    return np.asarray(wide - cv2.GaussianBlur(wide, (0, 0), 12))
