"""The way home: climb, fly there, wait, land."""

from typing import TYPE_CHECKING

from sitl.autopilot.airframe import Airframe, Target
from sitl.autopilot.manoeuvres import Descend, Hover, Legs, Manoeuvre, limits
from sitl.autopilot.place import Vector

if TYPE_CHECKING:
    from sitl.autopilot.copter import Copter

__all__ = ["Return"]


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
