"""What stands and lies on the ground: trees, buildings and other objects, water and paved ground, from height and colour."""

from dataclasses import dataclass

import cv2
import numpy as np
import scipy.ndimage as ndi
from numpy.typing import NDArray

from imagery.sites.standards import Standards

__all__ = ["Cover", "find_cover", "greenness"]

GREEN = 0.06  # chromatic excess green above which a cell is vegetation
MIN_BUILDING_M2 = 6.0
BUILDING_HEIGHT_M = 1.8


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
    slope_pct: NDArray[np.float32],
    roughness_m: NDArray[np.float32],
    cell_m: float,
    standards: Standards,
) -> Cover:
    """Tell objects by their height above the ground, and vegetation by its excess green."""
    height = np.nan_to_num(surface - bare).clip(0)
    raised = height > standards["object_height_m"]
    green = np.zeros(raised.shape, bool) if rgb is None else greenness(rgb) > GREEN
    trees = raised & green & (height > standards["tree_height_m"])
    trees = cv2.morphologyEx(trees.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)).astype(bool) & raised
    building = _large(raised & ~trees & (height > BUILDING_HEIGHT_M), MIN_BUILDING_M2 / cell_m**2)
    nothing = np.zeros(raised.shape, bool)
    return Cover(height, building, trees, raised & ~trees & ~building, nothing, nothing)


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
