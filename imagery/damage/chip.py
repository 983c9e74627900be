"""What is read for one building: its cut of every image and surface, and which cells are roof, core and surroundings."""

from dataclasses import dataclass

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray

from imagery.damage.raster import Grid

__all__ = ["MARGIN_M", "Zones", "main_axis", "rasterized", "zones"]

RING_M = 3.0  # the debris apron
GROUND_M = 8.0  # where the ground is looked for
MARGIN_M = 9.0  # what a chip holds around the footprint


@dataclass(frozen=True, slots=True)
class Zones:
    """Boolean masks (height, width) around one footprint on one grid.

    Attributes: roof: inside; core: inside, away from the edge, where edge effects and small misalignment do not reach; ring:
    within
    3 m outside; ground: 0.5 to 8 m outside. Ring and ground leave other buildings out.
    """

    roof: NDArray[np.bool_]
    core: NDArray[np.bool_]
    ring: NDArray[np.bool_]
    ground: NDArray[np.bool_]


def zones(polygon: shapely.Polygon, others: list[shapely.Polygon], grid: Grid) -> Zones:
    """The zones of a footprint; `others` are the neighbours' footprints. The core keeps at least half the width of the roof."""
    roof = rasterized([polygon], grid)
    inner = cv2.distanceTransform(np.pad(roof, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1] * grid.cell_m
    outer = cv2.distanceTransform((~roof).astype(np.uint8), cv2.DIST_L2, 3) * grid.cell_m
    core = inner > min(0.75, 0.25 * float(inner.max(initial=0.0)))
    free = ~rasterized([shapely.buffer(other, 0.5) for other in others], grid) if others else np.ones_like(roof)
    ring = ~roof & (outer <= RING_M) & free
    return Zones(roof, core, ring, ~roof & (outer > 0.5) & (outer <= GROUND_M) & free)


def rasterized(polygons: list[shapely.Polygon], grid: Grid) -> NDArray[np.bool_]:
    """The cells whose centres polygons cover (holes are left out)."""
    mask = np.zeros((grid.height, grid.width), np.uint8)
    for polygon in polygons:
        part = np.zeros_like(mask)
        rings = [polygon.exterior, *polygon.interiors]
        for index, ring in enumerate(rings):
            x, y = np.asarray(ring.coords)[:, :2].T
            fixed = np.round(grid.to_pixels(x, y) * 16).astype(np.int32)
            cv2.fillPoly(part, [fixed], 0 if index else 1, shift=4)
        mask |= part
    return mask.astype(bool)


def main_axis(polygon: shapely.Polygon) -> float:
    """Direction of a footprint's walls in radians, modulo 90 degrees: the length-weighted mean of its edges."""
    edges = np.diff(np.asarray(polygon.exterior.coords)[:, :2], axis=0)
    length, angle = np.hypot(*edges.T), np.arctan2(edges[:, 1], edges[:, 0])
    return float(np.angle(np.sum(length * np.exp(4j * angle))) / 4)
