"""Evidence from one image: order of edges, texture, edge of the footprint, debris around, colour, holes, shadow.

Brightness is taken as its logarithm, so that exposure and camera change nothing: twice as bright is the same step everywhere.
"""

from typing import Any

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray

from imagery.damage.chip import Zones, main_axis
from imagery.damage.raster import Grid

__all__ = ["SECTORS", "colour_cues", "image_cues", "log_brightness", "shadow_profile", "vegetation"]

SECTORS = 16  # directions of the shadow profile
EDGE_STEP = 0.18  # log-brightness per 0.2 m (or per pixel, where coarser) that counts as an edge: 20 % brighter
GREY_LEVELS = 12
Image = NDArray[Any]
Mask = NDArray[np.bool_]
Plane = NDArray[Any]


def log_brightness(rgb: Image) -> Plane:
    """Natural logarithm of brightness, softened in the dark where 8 bits hold little but noise."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    plane: Plane = np.log(grey + 12.0)
    return plane


def image_cues(rgb: Image, valid: Mask, zone: Zones, polygon: shapely.Polygon, grid: Grid) -> dict[str, float]:
    """Cues E4-E7 and E10 of one image (rows, columns, 3) around a footprint."""
    core = zone.core & valid
    if core.sum() < max(12, 0.5 * zone.core.sum()):
        return {}
    light = cv2.GaussianBlur(log_brightness(rgb), (0, 0), max(0.08 / grid.cell_m, 0.5))
    step = max(0.2 / grid.cell_m, 1.0)
    gx = cv2.Sobel(light, cv2.CV_32F, 1, 0, scale=step / 8)
    gy = cv2.Sobel(light, cv2.CV_32F, 0, 1, scale=step / 8)
    size = np.hypot(gx, gy)
    laplacian = np.abs(cv2.Laplacian(light, cv2.CV_32F)) * step**2
    ring = zone.ring & valid
    result = {
        "edge_disorder": _disorder(gx[core], gy[core]),
        "edge_density": float(np.mean(size[core] > EDGE_STEP)),
        "edge_mean": float(np.mean(size[core])),
        "laplacian": float(np.mean(laplacian[core])),
        "edge_support": _edge_support(gx, gy, polygon, grid),
        "line_share": _line_share(rgb, polygon, grid),
        "dark_holes": _dark_holes(light, core, grid.cell_m),
        "brightness_spread": float(np.subtract(*np.percentile(light[core], [90, 10]))),
    }
    result |= _cooccurrence(light, core, grid.cell_m)
    if ring.sum() >= 30:
        result["apron_edges"] = float(np.mean(size[ring] > EDGE_STEP))
        result["apron_contrast"] = float(abs(np.mean(size[core]) - np.mean(size[ring])) / (np.mean(size[ring]) + 0.02))
    return result


def colour_cues(rgb: Image, valid: Mask, zone: Zones) -> dict[str, float]:
    """Cues E9 of a colour image: burn, water or mud, tarpaulin; and how mixed the roof's colours are."""
    core, ring = zone.core & valid, zone.ring & valid
    if core.sum() < max(12, 0.5 * zone.core.sum()):
        return {}
    hue, saturation, value = np.moveaxis(cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV), -1, 0)  # hue in half degrees
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB).astype(np.float32)
    blue = (hue > 98) & (hue < 128) & (saturation > 90) & (value > 70)
    result = {
        "burnt": float(np.mean((value < 55)[core] & (saturation < 110)[core])),
        "tarpaulin": float(np.mean(blue[core])),
        "colour_mix": float(np.hypot(np.std(lab[..., 1][core]), np.std(lab[..., 2][core]))),
        "greenness": float(np.mean(vegetation(rgb)[core])),
    }
    if ring.sum() >= 30:
        muddy = (hue > 6) & (hue < 24) & (saturation > 45) & (saturation < 170) & (value > 50)
        result["mud_around"] = float(np.mean(muddy[ring]))
    return result


def vegetation(rgb: Image) -> Mask:
    """Cells of green leaves: excess green 2g - r - b of the chromatic coordinates (Woebbecke et al. 1995) above 0.18.

    Lower than that are dry grass and green sheet metal.
    """
    total = np.maximum(rgb.sum(axis=-1, dtype=np.int32), 1)
    return (3 * rgb[..., 1].astype(np.int32) - total) / total > 0.18


def shadow_profile(rgb: Image, valid: Mask, zone: Zones, polygon: shapely.Polygon, grid: Grid) -> NDArray[Any]:
    """Share of dark cells outside the footprint by direction from its edge: (SECTORS,), counter-clockwise from east.

    A cell belongs to the direction in which the nearest point of the footprint looks at it. NaN where a sector has no cell.
    """
    rows, cols = np.nonzero(zone.ring & valid)
    if len(rows) < 30:
        return np.full(SECTORS, np.nan)
    sample = slice(None, None, max(len(rows) // 2000, 1))
    rows, cols = rows[sample], cols[sample]
    light = log_brightness(rgb)
    dark = light[rows, cols] < np.median(light[valid]) - 0.55
    east, north = grid.centres()
    here = shapely.points(east[cols], north[rows])
    nearest = shapely.line_interpolate_point(polygon.exterior, shapely.line_locate_point(polygon.exterior, here))
    angle = np.arctan2(shapely.get_y(here) - shapely.get_y(nearest), shapely.get_x(here) - shapely.get_x(nearest))
    sector = np.floor((angle / (2 * np.pi) + 1 / (2 * SECTORS)) * SECTORS).astype(int) % SECTORS
    count = np.bincount(sector, minlength=SECTORS)
    with np.errstate(invalid="ignore"):
        return np.where(count >= 5, np.bincount(sector, weights=dark, minlength=SECTORS) / np.maximum(count, 1), np.nan)


def _disorder(gx: Plane, gy: Plane) -> float:
    """0 when every edge runs along two perpendicular directions, 1 when edges run anywhere."""
    size = np.maximum(np.hypot(gx, gy) - EDGE_STEP / 2, 0)  # tiles and noise have no edges of their own to align
    aligned = np.abs(np.sum(size * np.exp(4j * np.arctan2(gy, gx)))) / max(float(size.sum()), 1e-6)
    return float(1 - aligned)


def _edge_support(gx: Plane, gy: Plane, polygon: shapely.Polygon, grid: Grid) -> float:
    """Share of the footprint's edge that meets a step of brightness across it, within 0.5 m."""
    points, normals = edge_samples(polygon, 0.25)
    offsets = np.linspace(-0.5, 0.5, 9)
    at = points[:, None] + offsets[None, :, None] * normals[:, None]
    col, row = np.moveaxis(np.rint(grid.to_pixels(at[..., 0], at[..., 1])).astype(int), -1, 0)
    inside = (col >= 0) & (col < grid.width) & (row >= 0) & (row < grid.height)
    col, row = np.clip(col, 0, grid.width - 1), np.clip(row, 0, grid.height - 1)
    across = np.abs(gx[row, col] * normals[:, None, 0] - gy[row, col] * normals[:, None, 1])
    return float(np.mean((across * inside).max(axis=1) > EDGE_STEP))


def edge_samples(polygon: shapely.Polygon, spacing_m: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Points (n, 2) along the outer edge and the unit normals (n, 2) there, looking out."""
    corners = np.asarray(polygon.exterior.coords)[:, :2]
    if not polygon.exterior.is_ccw:
        corners = corners[::-1]
    edges = np.diff(corners, axis=0)
    length = np.hypot(*edges.T)
    counts = np.maximum((length / spacing_m).astype(int), 1)
    owner = np.repeat(np.arange(len(edges)), counts)
    within = (np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts) + 0.5) / counts[owner]
    points = corners[owner] + within[:, None] * edges[owner]
    unit = edges / np.maximum(length, 1e-9)[:, None]
    return points, np.column_stack([unit[:, 1], -unit[:, 0]])[owner]


def _line_share(rgb: Image, polygon: shapely.Polygon, grid: Grid) -> float:
    """Length of straight lines over 1.5 m parallel or square to the walls, inside the roof, per length of its edge (0-3)."""
    cell = max(grid.cell_m, 0.2)
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    if cell > grid.cell_m:
        grey = cv2.resize(grey, None, fx=grid.cell_m / cell, fy=grid.cell_m / cell, interpolation=cv2.INTER_AREA)
    found = cv2.createLineSegmentDetector(cv2.LSD_REFINE_NONE, 1.0).detect(grey)[0]
    if found is None:
        return 0.0
    x1, y1, x2, y2 = np.asarray(found, float).reshape(-1, 4).T * cell
    length, angle = np.hypot(x2 - x1, y2 - y1), np.arctan2(y1 - y2, x2 - x1)
    middle = shapely.points(grid.left_m + (x1 + x2) / 2, grid.top_m - (y1 + y2) / 2)
    off = np.abs((angle - main_axis(polygon) + np.pi / 4) % (np.pi / 2) - np.pi / 4)
    counts = (length > 1.5) & (off < np.radians(10)) & shapely.dwithin(polygon, middle, 0.5)
    return float(min(length[counts].sum() / polygon.length, 3.0))


def _dark_holes(light: Plane, core: Mask, cell_m: float) -> float:
    """Share of the roof in compact spots less than half as bright as the roof, each of 0.1 m2 or more."""
    dark = (core & (light < np.median(light[core]) - 0.7)).astype(np.uint8)
    _count, label, stats, _centres = cv2.connectedComponentsWithStats(dark, connectivity=4)
    big = stats[:, cv2.CC_STAT_AREA] * cell_m**2 >= 0.1
    big[0] = False
    return float(np.mean(big[label][core]))


def _cooccurrence(light: Plane, core: Mask, cell_m: float) -> dict[str, float]:
    """Contrast, homogeneity and entropy of grey-level pairs 0.3 m apart in two directions (Haralick et al. 1973)."""
    distance = max(round(0.3 / cell_m), 1)
    # Fixed levels of a factor 1.25 in brightness around the roof's own median: comparable from roof to roof.
    level = np.clip(np.floor((light - np.median(light[core])) / 0.22 + GREY_LEVELS / 2), 0, GREY_LEVELS - 1).astype(int)
    pairs = np.zeros(GREY_LEVELS**2)
    for down, right in ((0, distance), (distance, 0)):
        here = (slice(0, core.shape[0] - down), slice(0, core.shape[1] - right))
        there = (slice(down, None), slice(right, None))
        both = core[here] & core[there]
        pairs += np.bincount(level[here][both] * GREY_LEVELS + level[there][both], minlength=GREY_LEVELS**2)
    share = (pairs / max(pairs.sum(), 1)).reshape(GREY_LEVELS, GREY_LEVELS)
    apart = np.abs(np.subtract.outer(np.arange(GREY_LEVELS), np.arange(GREY_LEVELS)))
    held = share[share > 0]
    return {
        "glcm_contrast": float(np.sum(share * apart**2)),
        "glcm_homogeneity": float(np.sum(share / (1 + apart))),
        "glcm_entropy": float(-np.sum(held * np.log(held)) / np.log(GREY_LEVELS**2)),
    }
