"""What stands and lies on the ground: trees, buildings and other objects, water and paved ground, from height and colour."""

from dataclasses import dataclass

import cv2
import numpy as np
import scipy.ndimage as ndi
from numpy.typing import NDArray

from imagery.sites.standards import Standards

__all__ = ["Cover", "find_cover", "find_roads", "find_water", "greenness"]

GREEN = 0.06  # chromatic excess green above which a cell is vegetation
MIN_BUILDING_M2 = 6.0
BUILDING_HEIGHT_M = 1.8
MIN_WATER_M2 = 60.0
WATER_BELOW_M = 0.15
WIDEST_ROAD_M = 14.0
SHORTEST_ROAD_M = 45.0
COARSEST_COLOUR_M = 2.0  # narrow roads and streams cannot be seen in coarser cells


@dataclass(frozen=True, slots=True)
class Cover:
    """Land cover, all (h, w).

    Attributes: height_m: above the bare ground, 0 where unknown; building, trees, object_, water, road: masks. Without an
    orthomosaic trees cannot be told from buildings (all count as buildings), nor water and roads be found.
    """

    height_m: NDArray[np.float32]
    building: NDArray[np.bool_]
    trees: NDArray[np.bool_]
    object_: NDArray[np.bool_]
    water: NDArray[np.bool_]
    road: NDArray[np.bool_]


def find_cover(
    surface: NDArray[np.float32],
    bare: NDArray[np.float32],
    rgb: NDArray[np.float32] | None,
    cell_m: float,
    standards: Standards,
) -> Cover:
    """Tell objects by their height above the ground, vegetation by its excess green, roads and water by colour and shape.

    Args:
        surface, bare: (h, w) heights, NaN in `surface` where there is no data; rgb: (3, h, w) in 0..1 or None.
    """
    height = np.nan_to_num(surface - bare).clip(0)
    raised = height > standards["object_height_m"]
    green = np.zeros(raised.shape, bool) if rgb is None else greenness(rgb) > GREEN
    trees = raised & green & (height > standards["tree_height_m"])
    trees = cv2.morphologyEx(trees.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)).astype(bool) & raised
    building = _large(raised & ~trees & (height > BUILDING_HEIGHT_M), MIN_BUILDING_M2 / cell_m**2)
    water = road = np.zeros(raised.shape, bool)
    if rgb is not None and cell_m <= COARSEST_COLOUR_M:
        water = find_water(rgb, surface, raised, cell_m)
        road = find_roads(rgb, raised | water, cell_m)
    return Cover(height, building, trees, raised & ~trees & ~building, water, road)


def find_water(
    rgb: NDArray[np.float32], surface: NDArray[np.float32], raised: NDArray[np.bool_], cell_m: float
) -> NDArray[np.bool_]:
    """Bluish or dull green, rather dark ground that lies lower than what surrounds it. Muddy water is not found so."""
    value, saturation, blueness = _colour(rgb)
    blue = (blueness > 0.015) & (saturation > 0.10) & (value < 0.6) & (value > 0.02)
    green = greenness(rgb)  # weeds and trees mirrored in it make still water a dull green, far from leaves' own
    dull = (abs(blueness) < 0.04) & (green > 0.03) & (green < 0.16) & (saturation < 0.3) & (value > 0.2) & (value < 0.5)
    labels, _ = ndi.label(_smoothed((blue | dull) & ~raised, 2.0 / cell_m, 1.0 / cell_m), np.ones((3, 3)))
    water = np.zeros(raised.shape, bool)
    ground = np.where(raised, np.nan, surface)
    for number, box in enumerate(ndi.find_objects(labels), start=1):
        margin = int(10 / cell_m) + 1
        window = tuple(slice(max(part.start - margin, 0), part.stop + margin) for part in box)
        body = labels[window] == number
        if body.sum() * cell_m**2 < MIN_WATER_M2:
            continue
        ring = cv2.dilate(body.astype(np.uint8), _disc(8.0 / cell_m)).astype(bool) & ~body
        around, inside = ground[window][ring], surface[window][body]
        around, inside = around[np.isfinite(around)], inside[np.isfinite(inside)]
        if len(around) and len(inside) and np.median(around) - np.median(inside) > WATER_BELOW_M:
            water[window] |= body
    return water


def find_roads(rgb: NDArray[np.float32], other: NDArray[np.bool_], cell_m: float) -> NDArray[np.bool_]:
    """Grey ground in long bands not wider than a road. Yards, squares and bare rock are too wide, roofs are `other`."""
    value, saturation, blueness = _colour(rgb)
    green = greenness(rgb)
    paved = (saturation < 0.19) & (abs(green) < 0.035) & (blueness > -0.075) & (value > 0.2) & (value < 0.92) & ~other
    grey = _smoothed(paved, 1.5 / cell_m, 1.0 / cell_m)
    wide = cv2.morphologyEx(grey, cv2.MORPH_OPEN, _disc(WIDEST_ROAD_M / 2 / cell_m))
    band = (grey > 0) & ~cv2.dilate(wide, _disc(2.0 / cell_m)).astype(bool)
    labels, count = ndi.label(band, np.ones((3, 3)))
    keep = np.zeros(count + 1, bool)
    for number, box in enumerate(ndi.find_objects(labels), start=1):
        length = np.hypot(*(part.stop - part.start for part in box)) * cell_m
        area = (labels[box] == number).sum() * cell_m**2
        keep[number] = length >= SHORTEST_ROAD_M and area >= 2.0 * length
    return keep[labels]


def _colour(rgb: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Value, saturation, and blueness (b - r) / (r + g + b); 0 where unknown."""
    known = np.nan_to_num(rgb)
    value = known.max(axis=0)
    saturation = (value - known.min(axis=0)) / np.maximum(value, 1e-3)
    return value, saturation, (known[2] - known[0]) / np.maximum(known.sum(axis=0), 1e-3)


def _smoothed(mask: NDArray[np.bool_], closing: float, opening: float) -> NDArray[np.uint8]:
    """Without gaps and specks of these radii in cells."""
    closed = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, _disc(closing))
    return np.asarray(cv2.morphologyEx(closed, cv2.MORPH_OPEN, _disc(opening)), np.uint8)


def _disc(radius: float) -> NDArray[np.uint8]:
    size = 2 * max(1, round(radius)) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), np.uint8)


def greenness(rgb: NDArray[np.float32]) -> NDArray[np.float32]:
    """Chromatic excess green, (2g - r - b) / (r + g + b), of (3, h, w) colours; 0 where unknown or black."""
    red, green, blue = np.nan_to_num(rgb)
    return (2 * green - red - blue) / np.maximum(red + green + blue, 1e-3)


def _large(mask: NDArray[np.bool_], cells: float) -> NDArray[np.bool_]:
    """The 8-connected regions of at least so many cells."""
    labels, count = ndi.label(mask, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    keep = sizes >= cells
    keep[0] = False
    return keep[labels]
