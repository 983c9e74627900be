"""Solar lamps along roads and paths, outside every latrine block and at every tap stand."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray

from imagery.sites.lattice import Module
from imagery.sites.standards import Standards

__all__ = ["Lamp", "place_lamps"]

BESIDE_M = 0.06  # from the edge of the road or path: within the strip that pegging zones leave free
SAMPLE_M = 1.0


@dataclass(frozen=True, slots=True)
class Lamp:
    """A lamp: beside a path, a latrine or a tap stand (`at`)."""

    at: str
    point: shapely.Point


def place_lamps(
    roads: Sequence[shapely.LineString],
    paths: Sequence[shapely.LineString],
    latrines: Iterable[shapely.Polygon],
    stands: Iterable[shapely.Polygon],
    solid: Sequence[shapely.Geometry],
    module: Module,
    standards: Standards,
) -> list[Lamp]:
    """Lamps in the layout's rotated frame; no point of a way is further than half the lamp spacing from one.

    Args:
        solid: everything that a lamp may not stand in.
    """
    surfaces = [*shapely.buffer(roads, module.road / 2), *shapely.buffer(paths, module.path / 2)]
    blocked = shapely.STRtree([*surfaces, *solid])
    lamps = [Lamp("latrine", _outside(shape, blocked)) for shape in latrines]
    lamps += [Lamp("water_point", _outside(shape, blocked)) for shape in stands]
    reach = standards["lamp_spacing_m"] / 2 - 1.0
    lit = np.array([lamp.point.coords[0] for lamp in lamps], float).reshape(-1, 2)
    for lines, width in ((roads, module.road), (paths, module.path)):
        for line in lines:
            for start, end in pairwise(line.coords):
                new = _light(np.array(start), np.array(end), width / 2 + BESIDE_M, reach, lit, blocked)
                lit = np.concatenate([lit, new])
                lamps += [Lamp("path", shapely.Point(point)) for point in new]
    return lamps


def _light(
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    aside: float,
    reach: float,
    lit: NDArray[np.float64],
    blocked: shapely.STRtree,
) -> NDArray[np.float64]:
    """The lamps that a straight piece of way still needs, (k, 2): walking on, each dark point gets the furthest lamp ahead."""
    length = float(np.hypot(*(end - start)))
    if length < SAMPLE_M:
        return np.zeros((0, 2))
    direction = (end - start) / length
    normal = np.array([-direction[1], direction[0]])
    at = np.linspace(0, length, int(length / SAMPLE_M) + 2)
    way = start + at[:, None] * direction
    places = np.concatenate([way + aside * normal, way - aside * normal])
    taken = np.unique(blocked.query(shapely.points(places), "intersects")[0])
    free = np.delete(places, taken, axis=0)
    dark = np.ones(len(way), bool)
    near = lit[(abs(lit - (start + end) / 2) <= length / 2 + reach).all(axis=1)]
    for lamp in near:
        dark &= np.hypot(*(way - lamp).T) > reach
    new = []
    while dark.any() and len(free):
        point = way[np.argmax(dark)]
        distance = np.hypot(*(free - point).T)
        ahead = np.where(distance <= reach, (free - point) @ direction, -np.inf)
        best = int(np.argmax(ahead))
        if not np.isfinite(ahead[best]):
            dark[np.argmax(dark)] = False
            continue
        new.append(free[best])
        dark &= np.hypot(*(way - free[best]).T) > reach
    return np.array(new).reshape(-1, 2)


def _outside(shape: shapely.Polygon, blocked: shapely.STRtree) -> shapely.Point:
    """A free point just outside a rectangle, as near to it as there is one."""
    for aside in (0.3, 0.6, 1.0, 1.5, 2.2, 3.0, 4.0):
        ring = shape.buffer(aside, join_style="mitre").exterior
        for share in np.linspace(0.125, 1.125, 16, endpoint=False):
            point = ring.interpolate(share % 1.0, normalized=True)
            if len(blocked.query(point, "intersects")) == 0:
                return point
    return shapely.Point(shape.exterior.coords[0])
