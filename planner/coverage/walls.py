"""What photos see of a building's walls: how many of them look at each piece, unhidden and not too flat."""

import math

import numpy as np
import shapely
from numpy.typing import NDArray

from imagery.core.camera import Camera
from planner.coverage.proof import Cells, Overlap
from planner.coverage.shots import Shots

__all__ = ["wall_views"]

FLATTEST_DEG = 65.0  # between a wall's normal and the view: beyond it a photo matches no other
SMALLEST_CELL_M = 0.5


def wall_views(footprint: shapely.Polygon, height_m: float, shots: Shots, camera: Camera) -> Overlap:
    """How many photos see each cell of the walls, unrolled: along the outline from its first corner, and up from the ground.

    Heights of the photos count from the ground of the building. A photo sees a cell within its frame, from in front, no flatter
    than FLATTEST_DEG, and unless the building itself stands between. The overlap's `above_m` is the distance from the wall.
    """
    outline = shapely.orient_polygons(footprint).exterior
    cell = max(SMALLEST_CELL_M, math.sqrt(outline.length * height_m / 4000))
    along, up = _middles(outline.length, cell), _middles(height_m, cell)
    feet, outward = _feet(outline, along)
    tangents = np.array([camera.width_px / camera.fx, camera.height_px / camera.fy]) / 2
    body = footprint.buffer(-0.05)
    shapely.prepare(body)
    views, total_m = np.zeros((len(up), len(along)), np.int64), np.zeros((len(up), len(along)))
    for place, rotation in zip(shots.places, shots.rotations, strict=True):
        away_m = np.einsum("ij,ij->i", place[:2] - feet, outward)
        facing = away_m > 0
        clear = np.zeros(len(feet), bool)
        sights = shapely.linestrings(np.stack([np.broadcast_to(place[:2], feet[facing].shape), feet[facing]], axis=1))
        clear[facing] = ~shapely.intersects(body, sights)
        seen = clear & _framed(place, rotation, feet, up, outward, tangents)
        views += seen
        total_m += seen * away_m
    mean_m = np.divide(total_m, views, out=np.full(total_m.shape, np.nan), where=views > 0)
    return Overlap(Cells(0.0, 0.0, cell, np.ones(views.shape, bool)), views, mean_m)


def _framed(
    place: NDArray[np.float64],
    rotation: NDArray[np.float64],
    feet: NDArray[np.float64],
    up: NDArray[np.float64],
    outward: NDArray[np.float64],
    tangents: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Which cells (up x along) lie within one photo's frame and are looked at steeply enough."""
    offset = np.empty((len(up), len(feet), 3))
    offset[..., :2] = feet - place[:2]
    offset[..., 2] = (up - place[2])[:, None]
    seen = offset @ rotation.T
    depth = np.maximum(seen[..., 2], 1e-9)
    within = (abs(seen[..., :2]) <= tangents * depth[..., None]).all(axis=-1) & (seen[..., 2] > 0)
    square = -np.einsum("ijk,jk->ij", offset[..., :2], outward) / np.linalg.norm(offset, axis=-1)
    return np.asarray(within & (square >= math.cos(math.radians(FLATTEST_DEG))))


def _middles(length: float, cell: float) -> NDArray[np.float64]:
    count = max(1, round(length / cell))
    return (np.arange(count) + 0.5) * length / count


def _feet(outline: shapely.LinearRing, along: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points along an outline and the unit vectors outward there (n x 2 each)."""
    corners = shapely.get_coordinates(outline)
    lengths = np.hypot(*np.diff(corners, axis=0).T)
    ends = np.cumsum(lengths)
    wall = np.searchsorted(ends, along).clip(max=len(lengths) - 1)
    course = np.diff(corners, axis=0)[wall] / lengths[wall, None]
    feet = corners[wall + 1] - (ends[wall] - along)[:, None] * course
    return feet, np.column_stack([course[:, 1], -course[:, 0]])
