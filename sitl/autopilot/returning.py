"""The way home: climb, fly there, wait, land."""

import math
from typing import TYPE_CHECKING

from sitl.autopilot.airframe import Airframe, Target
from sitl.autopilot.manoeuvres import Descend, Hover, Legs, Manoeuvre, limits
from sitl.autopilot.place import Place, Vector

if TYPE_CHECKING:
    from sitl.autopilot.copter import Copter

__all__ = ["Return", "way_home"]


def way_home(copter: "Copter") -> "Return":
    """Return to the home or the nearest rally point, as high as RTL_ALT says, and land."""
    p, frame = copter.parameters, copter.frame
    goal, height = _safe_place(copter, copter.reported_place)
    offset = copter.local(goal) - frame.position
    distance = math.hypot(offset[0], offset[1])
    above_home = frame.position[2] - copter.local(copter.home)[2]
    climb_to = max(height, above_home + p["RTL_CLIMB_MIN"] / 100)
    if p["RTL_CONE_SLOPE"] > 0:  # close to home there is no need to climb as high
        climb_to = max(min(climb_to, distance * p["RTL_CONE_SLOPE"]), above_home)
    up = float(copter.local(copter.home)[2] + max(climb_to, above_home))
    above_here = frame.position.copy()
    above_here[2] = up
    over_goal = copter.local(goal)
    over_goal[2] = up
    return Return(copter, [above_here, over_goal], loiter_s=p["RTL_LOIT_TIME"] / 1000)


def _safe_place(copter: "Copter", here: Place) -> tuple[Place, float]:
    """Where to return to and at which height above home."""
    p = copter.parameters
    best, height = copter.home, p["RTL_ALT"] / 100

    def away(place: Place) -> float:
        offset = here.offset_to(place)
        return math.hypot(offset[0], offset[1])

    limit_m = p["RALLY_LIMIT_KM"] * 1000
    points = [item.place(copter.home, here) for item in copter.rally]
    if limit_m > 0:
        points = [point for point in points if away(point) <= limit_m]
    for point in points:
        if (best is copter.home and not p["RALLY_INCL_HOME"]) or away(point) < away(best):
            best, height = point, point.alt_amsl_m - copter.home.alt_amsl_m
    return best, height


class Return:
    """Fly through points (local metres), stopping at each, loiter for a while over the last, land. Done on the ground."""

    def __init__(self, copter: "Copter", points: list[Vector], loiter_s: float) -> None:
        self.done = False
        self._copter = copter
        self._points = points
        self._loiter_s = loiter_s
        self._now: Manoeuvre = self._next()

    def step(self, frame: Airframe, dt_s: float) -> Target:
        target = self._now.step(frame, dt_s)
        if isinstance(self._now, Descend):
            self.done = self._now.done
        elif isinstance(self._now, Hover):
            self._loiter_s -= dt_s
            if self._loiter_s <= 0:
                self._now = self._land()
        elif self._now.done:
            self._now = self._next()
        return target

    def _next(self) -> Manoeuvre:
        copter = self._copter
        speed = copter.parameters["RTL_SPEED"] / 100
        if self._points:
            return Legs(copter.frame, self._points.pop(0), limits(copter.parameters, speed or None))
        return Hover(copter.frame) if self._loiter_s > 0 else self._land()

    def _land(self) -> Manoeuvre:
        return Descend(self._copter.frame, self._copter.parameters, self._copter.ground_height)
