"""Moving footprints onto the imagery, building by building.

Prior footprints lie off by metres, and by a different shift in every street. Each building is tried at every shift within 4
m; what speaks for a shift is a step of brightness or height across the outline. The scores of neighbours are added, since
nearby footprints tend to share their error, and a building whose best shift is no better than none stays where it is.
"""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import shapely
from numba import njit
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from imagery.core.progress import SILENT, Progress
from imagery.damage.image_cues import edge_samples, log_brightness
from imagery.damage.raster import Grid, ImageFile, SurfaceFile

__all__ = ["align_footprints"]

REACH_M = 4.0
STEP_M = 0.2
STEPS = 2 * round(REACH_M / STEP_M) + 1
NEIGHBOURS = 8
NEIGHBOUR_RANGE_M = 60.0
MIN_GAIN = 0.04


def align_footprints(
    polygons: Sequence[shapely.Polygon] | NDArray[np.object_],
    image: ImageFile,
    surface: SurfaceFile | None = None,
    progress: Progress = SILENT,
) -> tuple[NDArray[np.object_], NDArray[Any]]:
    """Footprints moved onto an image (and surface, where there is one): polygons (n,) and shifts (n, 2) east, north in metres.

    The image should show the buildings standing: the earlier one where it exists.
    """
    polygons = np.asarray(polygons, object)
    if len(polygons) == 0:
        return polygons, np.zeros((0, 2))
    scores = np.zeros((len(polygons), STEPS, STEPS), np.float32)
    with progress.stage("aligning footprints", len(polygons), "buildings") as advance:
        for index, polygon in enumerate(polygons):
            scores[index] = _score_map(polygon, image, surface)
            advance(1)
    shifts = _chosen(scores, _with_neighbours(scores, polygons))
    moved = np.array(
        [shapely.transform(p, lambda xy, s=s: xy + s) for p, s in zip(polygons, shifts, strict=True)], object
    )
    return moved, shifts


def _steps_across(
    polygon: shapely.Polygon, image: ImageFile, surface: SurfaceFile | None
) -> tuple[Grid, list[NDArray[Any]]]:
    """The grid of a building and, per source, its gradient east and north scaled to about one at a typical edge."""
    grid = Grid.over(polygon.bounds, max(STEP_M, image.cell_m), REACH_M + 2.0)
    rgb, valid = image.read(grid)
    light = np.where(valid, log_brightness(rgb), np.float32(np.log(100.0)))
    planes = [_scaled_gradient(light)]
    if surface is not None:
        height = surface.read(grid)
        known = np.isfinite(height)
        if known.mean() > 0.5:
            clipped = np.clip(height, *np.nanpercentile(height, [2, 98]))
            planes.append(_scaled_gradient(np.where(known, clipped, np.nanmedian(height)).astype(np.float32)))
    return grid, planes


def _scaled_gradient(plane: NDArray[Any]) -> NDArray[Any]:
    """Gradient (rows, columns, 2) east and north, its size compressed so that one strong line does not decide alone."""
    smooth = cv2.GaussianBlur(plane, (0, 0), 1.0)
    gradient = np.stack([cv2.Sobel(smooth, cv2.CV_32F, 1, 0), -cv2.Sobel(smooth, cv2.CV_32F, 0, 1)], axis=-1)
    size = np.linalg.norm(gradient, axis=-1, keepdims=True)
    strong = float(np.percentile(size, 92)) + 1e-6
    return gradient / (size + strong)


def _score_map(polygon: shapely.Polygon, image: ImageFile, surface: SurfaceFile | None) -> NDArray[Any]:
    """Mean step across the outline for each shift: (STEPS north, STEPS east), both from -4 to 4 m."""
    grid, planes = _steps_across(polygon, image, surface)
    points, normals = edge_samples(polygon, 0.3)
    if len(points) > 400:
        points, normals = points[:: len(points) // 400 + 1], normals[:: len(normals) // 400 + 1]
    offsets = np.linspace(-REACH_M, REACH_M, STEPS)
    base = grid.to_pixels(points[:, 0], points[:, 1])
    column = np.clip(np.rint(base[:, 0, None] + offsets / grid.cell_m), 0, grid.width - 1).astype(int)  # (n, east)
    row = np.clip(np.rint(base[:, 1, None] - offsets / grid.cell_m), 0, grid.height - 1).astype(int)  # (n, north)
    total = np.zeros((STEPS, STEPS))
    for plane, signed, weight in zip(planes, (False, True), (1.0, 1.0), strict=False):
        total += weight * _mean_steps(plane, row, column, normals.astype(np.float32), signed)
    return (total / (1.0 if len(planes) == 1 else 2.0)).astype(np.float32)


@njit(cache=True)
def _mean_steps(
    plane: NDArray[Any],
    row: NDArray[np.int_],
    column: NDArray[np.int_],
    normal: NDArray[Any],
    signed: bool,
) -> NDArray[Any]:
    """Mean over points of the step across the outline (north, east); signed: only inside higher than outside counts for."""
    count, steps = row.shape
    total = np.zeros((steps, steps))
    for point in range(count):
        east, north = normal[point]
        for i in range(steps):
            for j in range(steps):
                gradient = plane[row[point, i], column[point, j]]
                across = gradient[0] * east + gradient[1] * north
                # A roof may be brighter or darker than its surroundings, but it is higher.
                total[i, j] += -across if signed else abs(across)
    return total / count


def _with_neighbours(scores: NDArray[Any], polygons: NDArray[np.object_]) -> NDArray[Any]:
    """Each building's scores plus the blurred scores of its neighbours, nearer ones counting more."""
    if len(polygons) == 1:
        return scores
    centres = shapely.get_coordinates(shapely.centroid(polygons))
    count = min(NEIGHBOURS + 1, len(polygons))
    distance, index = cKDTree(centres).query(centres, k=count)
    weight = np.exp(-((distance[:, 1:] / NEIGHBOUR_RANGE_M) ** 2))
    blurred = np.stack([cv2.GaussianBlur(score, (0, 0), 2.5) for score in scores])
    blurred -= blurred.mean(axis=(1, 2), keepdims=True)
    result = np.empty_like(scores)
    for own in range(len(scores)):
        around = np.tensordot(weight[own], blurred[index[own, 1:]], axes=1)
        result[own] = scores[own] + around / max(weight[own].sum(), 1.0)
    return result


def _chosen(scores: NDArray[Any], joint: NDArray[Any]) -> NDArray[Any]:
    """Shifts (n, 2) in metres: the best joint score, or none where that is hardly better than staying."""
    offsets = np.linspace(-REACH_M, REACH_M, STEPS)
    flat = joint.reshape(len(joint), -1)
    best = flat.argmax(axis=1)
    middle = STEPS // 2
    gain = flat[np.arange(len(flat)), best] - joint[:, middle, middle]
    shifts = np.column_stack([offsets[best % STEPS], offsets[best // STEPS]])
    return np.where((gain > MIN_GAIN)[:, None], shifts, 0.0)
