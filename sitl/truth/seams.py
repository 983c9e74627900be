"""How far the two sides of an orthomosaic's seams are displaced against each other."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import geopandas as gpd
import numpy as np
import pyogrio
import shapely
from numpy.typing import NDArray

from imagery.core.errors import BadInputError, NotEnoughDataError
from sitl.truth.mosaic import even
from sitl.truth.rasters import area_mask, on_world_grid, reduced
from sitl.world import World

__all__ = ["SeamError", "seam_error"]

EVERY_M = 1.0  # a place on a seam is looked at
PATCH_PX, SEARCH_PX = 15, 40  # half sides of what is looked for, and of where it is looked for in the true orthophoto
BESIDE_PX = 20.0  # a patch lies off the seam, beyond its feathered edge
ALIKE = 0.7  # correlation of a patch with its true place
BARE_M = 0.3  # the surface above the terrain on bare ground


@dataclass(frozen=True, slots=True)
class SeamError:
    """Jumps of displacement across seams in metres (p50, p95, p99), over all places and over those on bare ground; how many."""

    p50_m: float
    p95_m: float
    p99_m: float
    ground_p99_m: float
    places: int
    ground_places: int
    gsd_m: float


def seam_error(world: World, ortho_path: str | Path, seams_path: str | Path) -> SeamError:
    """Find small patches on both sides of the seams in the true orthophoto; the difference of their displacements is the jump.

    seams_path: the `seams.geojson` that was written with the orthomosaic. Raises BadInputError for unreadable files and
    NotEnoughDataError where no seam runs through recognisable ground.
    """
    try:
        lines = gpd.read_file(seams_path).to_crs(world.crs)
    except (OSError, ValueError, pyogrio.errors.DataSourceError) as error:
        raise BadInputError(f"{seams_path}: not readable as lines ({error})") from error
    picture, seen, resolution, gsd_m = on_world_grid(world, Path(ortho_path))
    truth = cv2.cvtColor(reduced(world.ortho, world.cell_m, resolution, picture.shape[:2]), cv2.COLOR_RGB2GRAY)
    flat, true = (even(image.astype(np.float32)).astype(np.float32) for image in (picture, truth))
    places, across = _places(list(lines.geometry), world, resolution)
    usable = seen & area_mask(world, resolution, seen.shape)
    sides = [
        np.array([_displacement(flat, true, usable, place) for place in places + sign * BESIDE_PX * across])
        for sign in (-1, 1)
    ]
    jump = np.hypot(*(sides[1] - sides[0]).reshape(-1, 2).T) * resolution
    known = np.isfinite(jump)
    if known.sum() < 10:
        raise NotEnoughDataError(f"{ortho_path}: hardly any seam on ground that can be recognised")
    above = reduced(world.dsm - world.dtm, world.cell_m, resolution, seen.shape)
    bare = np.array([_highest(above, place) < BARE_M for place in places]) & known
    ground_p99 = float(np.quantile(jump[bare], 0.99)) if bare.any() else float("nan")
    p50, p95, p99 = (float(np.quantile(jump[known], share)) for share in (0.5, 0.95, 0.99))
    return SeamError(p50, p95, p99, ground_p99, int(known.sum()), int(bare.sum()), gsd_m)


def _places(
    lines: list[shapely.Geometry], world: World, resolution: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places along the seams (n, 2: column and row) and the unit vectors across the seam there."""
    places, across = [], []
    for line in shapely.get_parts(shapely.union_all(lines)) if lines else ():
        along = np.arange(EVERY_M / 2, line.length, EVERY_M)
        here = shapely.get_coordinates(shapely.line_interpolate_point(line, along))
        ahead = shapely.get_coordinates(shapely.line_interpolate_point(line, along + 0.05))
        behind = shapely.get_coordinates(shapely.line_interpolate_point(line, np.maximum(along - 0.05, 0)))
        course = ahead - behind
        places.append(np.column_stack([here[:, 0] - world.transform.c, world.transform.f - here[:, 1]]) / resolution)
        across.append(np.column_stack([course[:, 1], course[:, 0]]) / np.hypot(*course.T)[:, None])
    if not places:
        return np.empty((0, 2)), np.empty((0, 2))
    return np.concatenate(places), np.concatenate(across)


def _displacement(
    picture: NDArray[np.float32], truth: NDArray[np.float32], usable: NDArray[np.bool_], place: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Where a patch around a place lies in the picture against where it is (columns, rows); NaN where it is not recognised."""
    nowhere = np.full(2, np.nan)
    col, row = (round(float(value)) for value in place)
    if min(row, col) < SEARCH_PX or row + SEARCH_PX >= truth.shape[0] or col + SEARCH_PX >= truth.shape[1]:
        return nowhere
    patch = (slice(row - PATCH_PX, row + PATCH_PX + 1), slice(col - PATCH_PX, col + PATCH_PX + 1))
    if not usable[patch].all() or picture[patch].std() < 2:
        return nowhere
    around = truth[row - SEARCH_PX : row + SEARCH_PX + 1, col - SEARCH_PX : col + SEARCH_PX + 1]
    score = cv2.matchTemplate(around, picture[patch], cv2.TM_CCOEFF_NORMED)
    _, best, _, (x, y) = cv2.minMaxLoc(score)
    if best < ALIKE or not (0 < x < score.shape[1] - 1 and 0 < y < score.shape[0] - 1):
        return nowhere
    found = np.array([x + _vertex(score[y, x - 1 : x + 2]), y + _vertex(score[y - 1 : y + 2, x])])
    return np.asarray(SEARCH_PX - PATCH_PX - found)


def _vertex(three: Any) -> float:
    """Where between -1 and 1 the parabola through three values has its top."""
    left, middle, right = (float(value) for value in three)
    bend = left - 2 * middle + right
    return 0.0 if bend >= 0 else 0.5 * (left - right) / bend


def _highest(above: NDArray[np.float32], place: NDArray[np.float64]) -> float:
    """Height of the surface above the terrain around a place, patches on both sides included."""
    col, row = (round(float(value)) for value in place)
    reach = int(BESIDE_PX) + PATCH_PX
    part = above[max(row - reach, 0) : row + reach + 1, max(col - reach, 0) : col + reach + 1]
    return float(part.max()) if part.size else float("inf")
