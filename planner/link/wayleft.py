"""How much longer a mission under way takes."""

import math
from itertools import accumulate, pairwise
from typing import Any

from planner.link.triggers import flown_path
from planner.link.vehicle import Vehicle
from planner.mission import Mission

__all__ = ["WayLeft"]

_USUAL_M_S, _ACCELERATION_M_S2, _CLIMB_M_S = 8.0, 2.5, 2.5
_DESCENT_M_S = 1.0  # the mean of ArduCopter's default descent with its slow last metres


class WayLeft:
    """The path left to fly, from where the vehicle is to the landing at home."""

    def __init__(self, mission: Mission) -> None:
        path = flown_path(mission)
        points = [*path.points, (0.0, 0.0, 0.0)]
        legs = [math.dist(a[:2], b[:2]) for a, b in pairwise(points)]
        self._after = [*list(accumulate(legs[::-1]))[::-1], 0.0]  # from each point to the end
        self._plane, self._points, self._items = path.plane, points, path.items
        self._speed_m_s = mission.speed_m_s

    @property
    def whole_s(self) -> float:
        """Seconds of the whole mission, with its climb, a stop at every point, and the descent."""
        speed = self._speed_m_s if self._speed_m_s > 0 else _USUAL_M_S
        height = max(point[2] for point in self._points)
        stops = len(self._points) * speed / _ACCELERATION_M_S2
        return self._after[0] / speed + stops + height / _CLIMB_M_S + height / _DESCENT_M_S

    def seconds(self, vehicle: Vehicle) -> float | None:
        """Seconds until the landing at the planned speed (or the present one); None outside of a mission."""
        state = vehicle.state
        current: Any = vehicle.link.master.messages.get("MISSION_CURRENT")
        place = state.location.global_relative_frame
        speed = self._speed_m_s if self._speed_m_s > 0 else (state.groundspeed or 0.0)
        if current is None or state.mode.name != "AUTO" or place.lat is None or speed < 0.5:
            return None
        ahead = [k for k, item in enumerate(self._items) if item >= current.seq > 0]
        goal = ahead[0] if ahead else len(self._points) - 1
        here = self._plane.to_local(place.lat, place.lon)
        return (math.dist(here, self._points[goal][:2]) + self._after[goal]) / speed + (place.alt or 0.0) / _DESCENT_M_S
