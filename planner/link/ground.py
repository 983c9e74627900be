"""The ground below a mission, as far as its plan knows it, and the straight ways home above it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.link.triggers import Plane, Point, flown_path
from planner.mission import Mission

__all__ = ["Ground", "ways_home"]

_NEAR_M = 30.0  # a known height counts for a way that passes so close
_EVERY_M = 50.0


@dataclass(frozen=True, slots=True)
class Ground:
    """Known heights of the ground. Attributes: places: n x 3, east, north, height above home in metres."""

    places: NDArray[np.float64]

    @classmethod
    def around(
        cls, lat_deg: float, lon_deg: float, places: Sequence[tuple[float, float, float]], home_amsl_m: float = 0.0
    ) -> "Ground":
        """From longitudes, latitudes and heights above mean sea level around a home."""
        plane = Plane(lat_deg, lon_deg)
        return cls(np.array([(*plane.to_local(lat, lon), height - home_amsl_m) for lon, lat, height in places], float))

    def clearance_m(self, start: Point, end: Point) -> float:
        """The least height of a straight flight above the ground; infinite where none is known nearby."""
        a, way = np.array(start), np.array(end) - np.array(start)
        length = max(math.hypot(way[0], way[1]), 1e-6)
        part = np.clip((self.places[:, :2] - a[:2]) @ way[:2] / length**2, 0.0, 1.0)
        off = self.places[:, :2] - (a[:2] + part[:, None] * way[:2])
        near = np.hypot(off[:, 0], off[:, 1]) <= _NEAR_M
        above = a[2] + part[near] * way[2] - self.places[near, 2]
        return float(above.min()) if len(above) else math.inf


def ways_home(mission: Mission, rally_limit_m: float) -> list[tuple[Point, Point]]:
    """From everywhere on the path (every 50 m) to the place that a failsafe returns to: the home or the nearest rally point.

    Rally points farther than the limit (0: none is too far) do not count, as RALLY_LIMIT_KM has it.
    """
    path = flown_path(mission)
    rally = [(*path.plane.to_local(point.lat_deg, point.lon_deg), point.alt_rel_m) for point in mission.rally]
    home: Point = (0.0, 0.0, 0.0)
    ways: list[tuple[Point, Point]] = []
    for a, b in zip(path.points[1:], [*path.points[2:], path.points[-1]], strict=True):
        count = max(math.ceil(math.dist(a[:2], b[:2]) / _EVERY_M), 1)
        for k in range(count):
            here = tuple(p + k / count * (q - p) for p, q in zip(a, b, strict=True))
            allowed = [p for p in rally if rally_limit_m <= 0 or math.dist(p[:2], here[:2]) <= rally_limit_m]
            goal = min([home, *allowed], key=lambda p: math.dist(p[:2], here[:2]))
            ways.append(((here[0], here[1], here[2]), goal))
    return ways
