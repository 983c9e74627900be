"""Flying around one building with the camera tilted: an orbit that looks at its middle, or rows square to each facade."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray

__all__ = ["Row", "facade_rows", "levels_m", "orbit_levels_m", "orbit_rows"]

LOOK_DOWN_DEG = 30.0
LOWEST_M = 3.0  # above the ground, whatever the photos would need
EDGE_SHARE = (
    0.25  # of what a photo sees: how far inside a wall's end (or its foot and top) the outermost photos may be taken
)
AFAR_M = 1000.0  # a place so far behind a wall that looking at it from any place of a row is looking square at the wall
STRAIGHT_M = 0.5  # what a footprint's outline may differ from straight walls
SHORTEST_WALL_M = 1.0
ARC_SEGMENTS = 6  # of a quarter of a circle: 15 degrees each, little enough to fly through without stopping


@dataclass(frozen=True, slots=True)
class Row:
    """Photos in a row, all looking at one place.

    Attributes: places: n x 2, the vertices of the row; height_m: above the ground of the building; aim: east, north, and height
    above the ground of the building.
    """

    places: NDArray[np.float64]
    height_m: float
    aim: tuple[float, float, float]


def levels_m(building_height_m: float, seen_m: float, overlap: float) -> tuple[float, ...]:
    """The heights, from the highest down, at which rows of photos that each see `seen_m` of a wall's height overlap enough."""
    low = max(LOWEST_M, min(building_height_m / 2, EDGE_SHARE * seen_m))
    high = max(low, building_height_m - EDGE_SHARE * seen_m)
    count = math.ceil((high - low) / (seen_m * (1 - overlap)) - 1e-6) + 1
    return tuple(np.linspace(high, low, count).tolist())


def orbit_levels_m(
    building_height_m: float, distance_m: float, to_middle_m: float, seen_m: float, overlap: float
) -> tuple[float, ...]:
    """The heights of an orbit: one that looks down by LOOK_DOWN_DEG at the building's middle, `to_middle_m` away, and, where the
    photos taken there lack the foot or the top of the nearest wall, those of a facade too."""
    half = building_height_m / 2
    high = half + to_middle_m * math.tan(math.radians(LOOK_DOWN_DEG))
    edges = math.atan2(high, distance_m), math.atan2(high - building_height_m, distance_m)
    half_view = math.atan2(seen_m / 2, distance_m)
    if max(abs(edge - math.radians(LOOK_DOWN_DEG)) for edge in edges) < half_view:
        return (high,)
    return (high, *levels_m(building_height_m, seen_m, overlap))


def orbit_rows(
    footprint: shapely.Polygon,
    distance_m: float,
    building_height_m: float,
    heights_m: tuple[float, ...],
    start: NDArray[np.float64],
) -> list[Row]:
    """A closed ring at every height, `distance_m` from the walls, looking at the building's middle, from near `start`."""
    outline = footprint.convex_hull.buffer(distance_m, quad_segs=ARC_SEGMENTS)
    corners = shapely.get_coordinates(outline.exterior)[:-1]
    corners = np.roll(corners, -int(np.argmin(np.hypot(*(corners - start).T))), axis=0)
    ring = np.vstack([corners, corners[:1]])
    middle = shapely.get_coordinates(footprint.centroid)[0]
    aim = (float(middle[0]), float(middle[1]), building_height_m / 2)
    return [Row(ring, height, aim) for height in heights_m]


def facade_rows(
    footprint: shapely.Polygon,
    distance_m: float,
    seen_m: float,
    heights_m: tuple[float, ...],
    start: NDArray[np.float64],
) -> list[Row]:
    """A row in front of every wall at every height, level by level from near `start`, looking square at the wall.

    seen_m: what a photo sees of a wall's length. Where the building's own wings are nearer than `distance_m`, the row is shorter
    or missing.
    """
    too_near = footprint.buffer(distance_m - 0.1, quad_segs=ARC_SEGMENTS)
    rows = []
    for height in heights_m:
        for first, last, outward in _walls(footprint, start):
            along = (last - first) / np.hypot(*(last - first))
            reach = EDGE_SHARE * seen_m * along
            line = shapely.LineString([first + distance_m * outward - reach, last + distance_m * outward + reach])
            middle = (first + last) / 2 - AFAR_M * outward
            for part in shapely.get_parts(line.difference(too_near)):
                if part.length > SHORTEST_WALL_M:
                    places = shapely.get_coordinates(part)
                    rows.append(Row(places, height, (float(middle[0]), float(middle[1]), height)))
    return rows


def _walls(
    footprint: shapely.Polygon, start: NDArray[np.float64]
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]]:
    """First and last corner of each wall, counter-clockwise from near `start`, and the unit vector outward."""
    corners = shapely.get_coordinates(shapely.orient_polygons(footprint.simplify(STRAIGHT_M)).exterior)[:-1]
    corners = np.roll(corners, -int(np.argmin(np.hypot(*(corners - start).T))), axis=0)
    for first, last in pairwise([*corners, corners[0]]):
        length = float(np.hypot(*(last - first)))
        if length >= SHORTEST_WALL_M:
            yield first, last, np.array([last[1] - first[1], first[0] - last[0]]) / length
