"""Roofs from a surface model, when nobody has footprints: what stands, is no tree, and covers a room; squared up."""

import math
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray

from imagery.core.errors import NotEnoughDataError
from imagery.core.progress import SILENT, Progress
from imagery.damage.image_cues import vegetation
from imagery.damage.raster import Grid, ImageFile, SurfaceFile
from imagery.damage.vector import Buildings

__all__ = ["extract_roofs", "squared"]

CELL_M = 0.25
TILE_M = 250.0
OVERLAP_M = 45.0  # also the widest building that the ground is followed under
MIN_HEIGHT_M = 1.8
MIN_AREA_M2 = 12.0
ROUGHNESS_M = 0.35
Mask = NDArray[Any]


def extract_roofs(
    surface: SurfaceFile, terrain: SurfaceFile | None, image: ImageFile | None, progress: Progress = SILENT
) -> Buildings:
    """Footprints of the buildings that stand in a surface model; without a terrain model the ground is found in the surface.

    The image tells trees from roofs. Raises NotEnoughDataError when nothing that looks like a roof is found.
    """
    cell = max(CELL_M, surface.cell_m)
    left, bottom, right, top = surface.bounds
    columns, rows = math.ceil((right - left) / TILE_M), math.ceil((top - bottom) / TILE_M)
    found: list[shapely.Polygon] = []
    with progress.stage("finding roofs", columns * rows, "tiles") as advance:
        for row, column in np.ndindex(rows, columns):
            x, y = left + column * TILE_M, top - row * TILE_M
            inner = (x, y - TILE_M, x + TILE_M, y)
            grid = Grid.over(inner, cell, OVERLAP_M)
            for polygon in _roofs_of(grid, surface, terrain, image):
                centre = polygon.centroid
                if inner[0] <= centre.x < inner[2] and inner[1] < centre.y <= inner[3]:
                    found.append(polygon)
            advance(1)
    if not found:
        raise NotEnoughDataError(f"{surface.path}: no roof found in it: give footprints with --buildings")
    return Buildings(np.array(found, object), np.full(len(found), np.nan), f"roofs extracted from {surface.path.name}")


def squared(polygon: shapely.Polygon, tolerance_m: float = 0.6) -> shapely.Polygon:
    """A footprint with right angles: its bounding rectangle where that fits well, otherwise edges turned to the main axis."""
    box = polygon.minimum_rotated_rectangle
    if box.geom_type != "Polygon" or polygon.area == 0:
        return polygon
    if polygon.area / box.area > 0.86:
        scale = math.sqrt(polygon.area / box.area)
        return shapely.affinity.scale(box, (1 + scale) / 2, (1 + scale) / 2)
    corners = np.asarray(box.exterior.coords)
    angle = math.degrees(math.atan2(*(corners[1] - corners[0])[::-1]))
    upright = shapely.affinity.rotate(polygon, -angle, origin=polygon.centroid)
    stepped = _stair(upright, tolerance_m)
    if stepped.is_empty or stepped.intersection(upright).area / stepped.union(upright).area < 0.75:
        return shapely.simplify(polygon, tolerance_m)
    return shapely.affinity.rotate(stepped, angle, origin=polygon.centroid)


def _roofs_of(
    grid: Grid, surface: SurfaceFile, terrain: SurfaceFile | None, image: ImageFile | None
) -> list[shapely.Polygon]:
    height = surface.read(grid, interpolated=True)
    known = np.isfinite(height)
    if known.mean() < 0.01:
        return []
    filled = np.where(known, height, np.nanmedian(height)).astype(np.float32)
    ground = terrain.read(grid) if terrain is not None else _ground(filled, grid.cell_m)
    above = np.where(np.isfinite(ground), filled - ground, 0)
    high = known & (above > MIN_HEIGHT_M)
    leaves = _leaves(image, grid) if image is not None else np.zeros_like(high)
    roof = _opened(high & ~leaves, 1.2, grid.cell_m)
    polygons: list[shapely.Polygon] = []
    count, label, stats, _centres = cv2.connectedComponentsWithStats(roof.astype(np.uint8), connectivity=4)
    rough = _roughness(filled, grid.cell_m)
    for index in range(1, count):
        if stats[index, cv2.CC_STAT_AREA] * grid.cell_m**2 < MIN_AREA_M2:
            continue
        x, y, width, height_px = stats[index, :4]
        cut = (slice(max(y - 3, 0), y + height_px + 3), slice(max(x - 3, 0), x + width + 3))
        part = label[cut] == index
        # Trees are rough all over; a broken roof keeps smooth parts.
        around = cv2.dilate(part.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        if np.percentile(rough[cut][part], 35) > ROUGHNESS_M or leaves[cut][around].mean() > 0.5:
            continue
        origin = (grid.left_m + cut[1].start * grid.cell_m, grid.top_m - cut[0].start * grid.cell_m)
        polygons.extend(squared(polygon) for polygon in _outlines(part, origin, grid.cell_m))
    return [polygon for polygon in polygons if polygon.area >= MIN_AREA_M2]


def _ground(height: NDArray[Any], cell_m: float) -> NDArray[Any]:
    """The bare ground: opened over the widest building at 1 m cells, smoothed, slopes kept by closing under the surface."""
    shrink = max(round(1.0 / cell_m), 1)
    small = cv2.resize(height, None, fx=1 / shrink, fy=1 / shrink, interpolation=cv2.INTER_AREA)
    # A plane through the low cells is taken off first, so that opening does not cut into a slope.
    rows, cols = np.mgrid[: small.shape[0], : small.shape[1]]
    design = np.column_stack([cols.ravel(), rows.ravel(), np.ones(small.size)])
    plane = design @ np.linalg.lstsq(design, small.ravel(), rcond=None)[0]
    flat = small - plane.reshape(small.shape).astype(np.float32)
    size = int(OVERLAP_M / 2) | 1
    opened = cv2.morphologyEx(flat, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    smooth = cv2.GaussianBlur(opened, (0, 0), size / 4) + plane.reshape(small.shape)
    return cv2.resize(smooth.astype(np.float32), height.shape[::-1], interpolation=cv2.INTER_LINEAR)


def _leaves(image: ImageFile, grid: Grid) -> Mask:
    rgb, valid = image.read(grid)
    green = (vegetation(rgb) & valid & image.colour).astype(np.float32)
    return cv2.GaussianBlur(green, (0, 0), 0.5 / grid.cell_m) > 0.5


def _opened(mask: Mask, size_m: float, cell_m: float) -> Mask:
    size = max(round(size_m / cell_m), 3)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, kernel) > 0


def _roughness(height: NDArray[Any], cell_m: float) -> NDArray[Any]:
    """Distance from a smoothed surface, averaged over a metre; planes of any slope give zero."""
    laplacian = np.abs(
        cv2.GaussianBlur(height, (0, 0), 0.25 / cell_m) - cv2.GaussianBlur(height, (0, 0), 0.75 / cell_m)
    )
    size = max(round(1.0 / cell_m), 3)
    mean: NDArray[Any] = cv2.blur(laplacian, (size, size)) * 2
    return mean


def _outlines(part: Mask, origin: tuple[float, float], cell_m: float) -> list[shapely.Polygon]:
    """Outer outlines of a mask in working coordinates; courtyards under 12 m2 are filled."""
    # Twice as fine, so that an outline runs along cells' edges, not through their centres.
    fine = np.repeat(np.repeat(part.astype(np.uint8), 2, axis=0), 2, axis=1)
    contours, _hierarchy = cv2.findContours(fine, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    half = cell_m / 2
    polygons: list[shapely.Polygon] = []
    for contour in contours:
        if len(contour) < 8:
            continue
        xy = contour[:, 0].astype(float)
        ring = np.column_stack([origin[0] + (xy[:, 0] + 0.5) * half, origin[1] - (xy[:, 1] + 0.5) * half])
        polygon = shapely.buffer(shapely.make_valid(shapely.Polygon(ring)), half / 2)
        polygons.extend(piece for piece in shapely.get_parts(polygon) if piece.geom_type == "Polygon")
    return polygons


def _stair(polygon: shapely.Polygon, tolerance_m: float) -> shapely.Polygon:
    """The union of boxes between the coordinates at which the outline of an upright polygon changes direction."""
    corners = np.asarray(shapely.simplify(polygon, tolerance_m).exterior.coords)
    edges = np.abs(np.diff(corners, axis=0))
    upright = edges[:, 0] < edges[:, 1]
    middle = (corners[:-1] + corners[1:]) / 2
    x = _merged(middle[upright, 0], edges[upright, 1], tolerance_m * 1.5)
    y = _merged(middle[~upright, 1], edges[~upright, 0], tolerance_m * 1.5)
    if len(x) < 2 or len(y) < 2:
        return shapely.Polygon()
    boxes = [shapely.box(x0, y0, x1, y1) for x0, x1 in pairwise(x) for y0, y1 in pairwise(y)]
    kept = [box for box in boxes if box.intersection(polygon).area > 0.5 * box.area]
    merged = shapely.union_all(kept)
    return max(shapely.get_parts(merged), key=lambda part: part.area).simplify(0.01) if kept else shapely.Polygon()


def _merged(positions: NDArray[Any], lengths: NDArray[Any], gap_m: float) -> NDArray[Any]:
    """Nearby positions of parallel edges as one each, the longer edges counting more."""
    order = np.argsort(positions)
    positions, lengths = positions[order], lengths[order]
    group = np.concatenate([[0], np.cumsum(np.diff(positions) > gap_m)]) if len(positions) else np.zeros(0, int)
    return np.array([np.average(positions[group == g], weights=lengths[group == g]) for g in np.unique(group)])
