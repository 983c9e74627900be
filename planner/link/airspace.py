"""Where a mission's fence lets the vehicle fly, in the autopilot's metres around the home."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from planner.link.triggers import Plane, Point
from planner.mission import FencePolygon, Mission

__all__ = ["Airspace"]

_EVERYWHERE = shapely.box(-1e6, -1e6, 1e6, 1e6)


@dataclass(frozen=True, slots=True)
class Airspace:
    """What the fence leaves free.

    Attributes: inside: the inclusions' common part (everywhere without any); outside: the exclusions.
    """

    inside: shapely.Geometry
    outside: shapely.Geometry

    @classmethod
    def of(cls, mission: Mission, margin_m: float = 0.0) -> "Airspace":
        """The airspace of a mission; with a margin, so much less of it."""
        plane = Plane(mission.home.lat_deg, mission.home.lon_deg)
        inside, outside = _EVERYWHERE, shapely.Polygon()
        for part in mission.fence:
            if isinstance(part, FencePolygon):
                shape = shapely.Polygon([plane.to_local(lat, lon) for lat, lon in part.vertices]).buffer(0)
            else:
                shape = shapely.Point(plane.to_local(part.lat_deg, part.lon_deg)).buffer(part.radius_m)
            if part.inclusion:
                inside = inside.intersection(shape.buffer(-margin_m))
            else:
                outside = outside.union(shape.buffer(margin_m))
        shapely.prepare([inside, outside])
        return cls(inside, outside)

    def allows(self, start: Point, ends: Sequence[Point]) -> np.ndarray:
        """Whether straight ways from a point to others stay inside (n booleans); heights do not matter."""
        if not ends:
            return np.zeros(0, bool)
        ways = shapely.linestrings([[start[:2], end[:2]] for end in ends])
        free: np.ndarray = shapely.covers(self.inside, ways) & ~shapely.intersects(self.outside, ways)
        return free
