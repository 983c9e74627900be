"""The pieces that flight modes are made of: hover, climb, fly legs, land. Each yields the target to follow, step by step."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import numpy as np

from sitl.autopilot.airframe import Airframe, Target
from sitl.autopilot.parameters import Parameters
from sitl.autopilot.place import Vector, clamp
from sitl.autopilot.trajectory import Leg, Limits, Path

__all__ = ["Climb", "Descend", "Hover", "Legs", "Manoeuvre", "limits"]

_STILL = np.zeros(3)
_FALL_LIMIT_M = 3.0  # the target waits when the airframe falls further behind than this
_JERK_RISE_S = 0.3  # jerk itself builds up over this time, which stretches each change of acceleration
_TAKEOFF_JERK = 5.0
_SPOOL_UP_S = 2.0  # from the order to take off until the motors lift


class Manoeuvre(Protocol):
    """A piece of flight."""

    done: bool

    def step(self, frame: Airframe, dt_s: float) -> Target:
        """The target for the next time step."""
        ...


def limits(
    parameters: Parameters, speed: float | None = None, climb: float | None = None, descent: float | None = None
) -> Limits:
    """The flight limits that the WPNAV parameters set; `speed`, `climb` and `descent` (m/s) replace theirs."""
    accel = parameters["WPNAV_ACCEL"] / 100
    jerk = max(parameters["WPNAV_JERK"], 0.1)
    corner = parameters["WPNAV_ACCEL_C"] / 100
    return Limits(
        speed=speed or parameters["WPNAV_SPEED"] / 100,
        climb=climb or parameters["WPNAV_SPEED_UP"] / 100,
        descent=descent or parameters["WPNAV_SPEED_DN"] / 100,
        accel=accel,
        accel_vertical=parameters["WPNAV_ACCEL_Z"] / 100,
        accel_corner=corner if corner > 0 else 2 * accel,
        jerk=accel / (accel / jerk + _JERK_RISE_S),
        radius_m=parameters["WPNAV_RADIUS"] / 100,
    )


class Hover:
    """Stay where the vehicle would stop."""

    done = False

    def __init__(self, frame: Airframe, accel: float = 2.5, yaw_deg: float | None = None) -> None:
        speed = math.hypot(frame.velocity[0], frame.velocity[1])
        self._braking = frame.velocity.copy()
        self._place = frame.position.copy()
        self._accel, self._yaw = accel, yaw_deg
        self._left_s = speed / accel

    def step(self, frame: Airframe, dt_s: float) -> Target:
        if self._left_s > dt_s:
            slower = self._braking * (1 - dt_s / self._left_s)
            push = (slower - self._braking) / dt_s
            self._place = self._place + (slower + self._braking) * (dt_s / 2)
            self._braking, self._left_s = slower, self._left_s - dt_s
            return Target(self._place, slower, push, self._yaw)
        return Target(self._place, _STILL, _STILL, self._yaw)


class Legs:
    """Fly a chain of legs, turning the nose along each if wanted."""

    def __init__(
        self,
        frame: Airframe,
        end: Vector,
        limits_now: Limits,
        *,
        stop: bool = True,
        peek_next: Callable[[Vector], Leg | None] = lambda _: None,
        face: bool = True,
    ) -> None:
        self.done = False
        self.limits = limits_now
        self._peek = peek_next
        self._face = face
        self._path = Path(Leg(frame.position.copy(), end, limits_now, stop), limits_now)

    @property
    def end(self) -> Vector:
        """Where the current leg ends."""
        return self._path.leg.end

    def step(self, frame: Airframe, dt_s: float) -> Target:
        position, velocity, acceleration, done = self._path.advance(dt_s * self._pace(frame), self._peek)
        arrived = not self._path.leg.stop or math.dist(frame.position, self.end) < self.limits.radius_m
        self.done = done and arrived
        direction = self._path.leg.direction
        yaw = None
        if self._face and math.hypot(direction[0], direction[1]) > 0.1:
            yaw = math.degrees(math.atan2(direction[0], direction[1])) % 360
        return Target(position, velocity, acceleration, yaw)

    def follow(self, end: Vector, stop: bool) -> None:
        """Go on to another point from the end of the current leg."""
        self.done = False
        self._path.follow(Leg(self.end, end, self.limits, stop))

    def change_speed(self, limits_now: Limits) -> None:
        """Fly the rest with other limits."""
        self.limits = limits_now
        self._path.change_limits(limits_now)

    def _pace(self, frame: Airframe) -> float:
        """Slow the target down when wind or tilt limits keep the airframe from following."""
        behind = math.dist(self._path.position, frame.position)
        return max(min(2 - behind / _FALL_LIMIT_M, 1.0), 0.0)


class Climb:
    """Spool up the motors and take off straight up to a height (m above the frame's origin)."""

    def __init__(self, frame: Airframe, height_m: float, limits_now: Limits) -> None:
        self.done = False
        top = frame.position.copy()
        top[2] = max(height_m, top[2])
        self._waiting_s = _SPOOL_UP_S
        self._legs = Legs(frame, top, replace(limits_now, jerk=_TAKEOFF_JERK), face=False)

    def step(self, frame: Airframe, dt_s: float) -> Target:
        if self._waiting_s > 0:
            self._waiting_s -= dt_s
            return Target(frame.position.copy(), _STILL, _STILL)
        target = self._legs.step(frame, dt_s)
        self.done = self._legs.done
        return target


class Descend:
    """Land straight down: fast to LAND_ALT_LOW above home, then slowly until the ground; `done` on the ground."""

    def __init__(self, frame: Airframe, parameters: Parameters, ground: Callable[[Vector], float]) -> None:
        self.done = False
        self._parameters, self._ground = parameters, ground
        self._hover = Hover(frame)
        self._height = float(frame.position[2])
        self._speed = 0.0

    def step(self, frame: Airframe, dt_s: float) -> Target:
        p = self._parameters
        fast = (p["LAND_SPEED_HIGH"] or p["WPNAV_SPEED_DN"]) / 100
        slow = p["LAND_SPEED"] / 100
        low = p["LAND_ALT_LOW"] / 100
        above = float(frame.position[2]) - self._ground(frame.position)
        # Brake in time for the slow part: v^2 = v0^2 + 2 a d.
        wanted = min(fast, math.sqrt(slow**2 + 2 * 0.5 * max(above - low, 0.0)))
        self._speed += clamp(wanted - self._speed, dt_s)
        self._height = min(self._height, float(frame.position[2]) + 0.5) - self._speed * dt_s
        target = self._hover.step(frame, dt_s)
        position = target.position.copy()
        position[2] = self._height
        self.done = above <= 0.02
        return Target(position, np.array([*target.velocity[:2], -self._speed]), target.acceleration)
