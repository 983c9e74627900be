"""Jerk-limited motion along straight legs, joined at corners the way ArduCopter flies them.

Each leg is flown from rest to rest with limited speed, acceleration and jerk. At a waypoint without a stop the next leg starts
while the last one is still braking: the two motions add up, which keeps the speed on a straight line and rounds a corner. The
next leg may start as soon as the middle of the turn is within the waypoint radius and the sum of both accelerations within the
cornering limit.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sitl.autopilot.place import Vector

__all__ = ["Leg", "Limits", "Path", "Profile"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What the vehicle may do: m/s, m/s2, m/s3, and the waypoint radius in metres."""

    speed: float
    climb: float
    descent: float
    accel: float
    accel_vertical: float
    accel_corner: float
    jerk: float
    radius_m: float

    def along(self, direction: Vector) -> tuple[float, float]:
        """The largest speed and acceleration along a unit vector."""
        level, up = math.hypot(direction[0], direction[1]), float(direction[2])
        vertical = self.climb if up > 0 else self.descent
        speed = min(self.speed / max(level, 1e-9), vertical / max(abs(up), 1e-9))
        accel = min(self.accel / max(level, 1e-9), self.accel_vertical / max(abs(up), 1e-9))
        return speed, accel


class Profile:
    """Distance along a leg over time: rest to rest in the shortest time with limited speed, acceleration and jerk."""

    __slots__ = ("_brake_start", "_knots", "_peak", "duration_s", "length_m", "ramp_s")

    def __init__(self, length_m: float, speed: float, accel: float, jerk: float) -> None:
        self.length_m = length_m
        self._peak = speed = min(speed, _reachable_speed(length_m, accel, jerk))
        gradual = speed < accel**2 / jerk
        rise = math.sqrt(speed / jerk) if gradual else accel / jerk
        hold = 0.0 if gradual else speed / accel - accel / jerk
        self.ramp_s = 2 * rise + hold
        cruise = max(length_m / speed - self.ramp_s, 0.0) if speed > 0 else 0.0
        self._brake_start = self.ramp_s + cruise
        self.duration_s = 2 * self.ramp_s + cruise
        self._knots = _ramp_knots(rise, hold, jerk)

    @property
    def brake_start_s(self) -> float:
        """When braking begins."""
        return self._brake_start

    def at(self, time_s: float) -> tuple[float, float, float]:
        """Distance, speed and acceleration along the leg at a time."""
        if time_s <= 0:
            return 0.0, 0.0, 0.0
        if time_s >= self.duration_s:
            return self.length_m, 0.0, 0.0
        if time_s < self.ramp_s:
            return _ramp(self._knots, time_s)
        if time_s <= self._brake_start:
            return self._peak * (time_s - self.ramp_s / 2), self._peak, 0.0
        distance, speed, accel = _ramp(self._knots, self.duration_s - time_s)
        return self.length_m - distance, speed, -accel


def _reachable_speed(length_m: float, accel: float, jerk: float) -> float:
    """The top speed of a motion over a length that brakes as soon as it has sped up."""
    short = (length_m**2 * jerk / 4) ** (1 / 3)
    if short < accel**2 / jerk:
        return short
    return accel * (math.sqrt((accel / jerk) ** 2 + 4 * length_m / accel) - accel / jerk) / 2


def _ramp_knots(rise: float, hold: float, jerk: float) -> tuple[tuple[float, float, float, float, float], ...]:
    """Start time, distance, speed, acceleration and jerk of the three pieces of speeding up."""
    knots = []
    start = distance = speed = accel = 0.0
    for piece, slope in ((rise, jerk), (hold, 0.0), (rise, -jerk)):
        knots.append((start, distance, speed, accel, slope))
        distance += piece * (speed + piece * (accel / 2 + piece * slope / 6))
        speed += piece * (accel + piece * slope / 2)
        accel += piece * slope
        start += piece
    return tuple(knots)


def _ramp(knots: tuple[tuple[float, float, float, float, float], ...], time_s: float) -> tuple[float, float, float]:
    start, distance, speed, accel, slope = next(knot for knot in reversed(knots) if time_s >= knot[0])
    t = time_s - start
    return (
        distance + t * (speed + t * (accel / 2 + t * slope / 6)),
        speed + t * (accel + t * slope / 2),
        accel + t * slope,
    )


class Leg:
    """A straight leg and how it is flown."""

    __slots__ = ("direction", "end", "profile", "speed", "start", "stop")

    def __init__(self, start: Vector, end: Vector, limits: Limits, stop: bool) -> None:
        self.start, self.end, self.stop = start, end, stop
        track = end - start
        length = float(np.linalg.norm(track))
        self.direction = track / length if length > 1e-6 else np.zeros(3)
        self.speed, accel = limits.along(self.direction)
        self.profile = Profile(length, self.speed, accel, limits.jerk) if length > 1e-6 else Profile(0.0, 1.0, 1.0, 1.0)

    def at(self, time_s: float) -> tuple[Vector, Vector, Vector]:
        """Offset from the start, velocity and acceleration at a time."""
        distance, speed, accel = self.profile.at(time_s)
        return self.direction * distance, self.direction * speed, self.direction * accel


@dataclass(slots=True)
class _Flown:
    leg: Leg
    time_s: float = 0.0
    pace: float = 1.0  # leg time per time, other than 1 after a change of speed on the way

    def at(self) -> tuple[Vector, Vector, Vector]:
        offset, velocity, accel = self.leg.at(self.time_s)
        return offset, velocity * self.pace, accel * self.pace**2


class Path:
    """The moving target on a chain of legs.

    `peek_next(end)` is asked for the leg after the current one when its corner may be rounded: it returns None at a stop.
    """

    def __init__(self, leg: Leg, limits: Limits) -> None:
        self.limits = limits
        self._past: list[_Flown] = []  # legs still braking, whose remaining motion adds to the current one's
        self._now = _Flown(leg)
        self._next: _Flown | None = None
        self.position = leg.start

    @property
    def leg(self) -> Leg:
        """The leg being flown."""
        return self._now.leg

    def advance(self, dt_s: float, peek_next: Callable[[Vector], Leg | None]) -> tuple[Vector, Vector, Vector, bool]:
        """Move on by `dt_s`; the target's position, velocity, acceleration, and whether the current leg is done."""
        now = self._now
        now.time_s += dt_s * now.pace
        for flown in self._past:
            flown.time_s += dt_s * flown.pace
        self._past = [flown for flown in self._past if flown.time_s < flown.leg.profile.duration_s]
        if self._next is not None:
            self._next.time_s += dt_s
        elif not now.leg.stop and now.time_s >= now.leg.profile.brake_start_s:
            following = peek_next(now.leg.end)
            if following is not None and self._may_turn(following):
                self._next = _Flown(following, dt_s)
        left = now.leg.profile.duration_s - now.time_s
        turned = self._next is not None and self._next.time_s >= left
        position, velocity, accel = self._target()
        self.position = position
        return position, velocity, accel, left <= 0 or turned

    def change_limits(self, limits: Limits) -> None:
        """Fly on with other limits: a leg just begun is planned anew, one under way is flown at another pace."""
        self.limits = limits
        now = self._now
        before = now.leg
        now.leg = Leg(before.start, before.end, limits, before.stop)
        if now.time_s > 0.5:
            now.leg, now.pace = before, now.pace * limits.along(before.direction)[0] / before.speed

    def follow(self, leg: Leg) -> None:
        """Go on with the next leg: the rounded one if it has begun, else `leg` from its start."""
        if self._next is not None:
            self._past.append(self._now)
            self._now, self._next = self._next, None
        else:
            self._now = _Flown(leg)

    def _target(self) -> tuple[Vector, Vector, Vector]:
        offset, velocity, accel = self._now.at()
        position = self._now.leg.start + offset
        for flown in self._past:
            ahead, more_velocity, more_accel = flown.at()
            position = position + ahead + flown.leg.start - flown.leg.end
            velocity, accel = velocity + more_velocity, accel + more_accel
        if self._next is not None:
            ahead, more_velocity, more_accel = self._next.at()
            position, velocity, accel = position + ahead, velocity + more_velocity, accel + more_accel
        return position, velocity, accel

    def _may_turn(self, following: Leg) -> bool:
        now = self._now
        left = now.leg.profile.duration_s - now.time_s
        if left > following.profile.ramp_s + 1e-9:
            return False
        offset, _, accel = now.leg.at(now.time_s + left / 2)
        ahead, _, more_accel = following.at(left / 2)
        middle = now.leg.start + offset - now.leg.end + ahead
        accel = accel + more_accel
        return bool(
            np.linalg.norm(middle) < self.limits.radius_m
            and math.hypot(accel[0], accel[1]) < self.limits.accel_corner
            and abs(accel[2]) < self.limits.accel_vertical
        )
