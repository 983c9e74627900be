"""How long ArduCopter takes along a path: jerk-limited legs, corners rounded without a stop, climbs in all their length.

Every leg is planned from rest to rest with limited speed, acceleration and jerk. Near a waypoint that the drone need not stop
at, the next leg begins while the last one is still braking, if it speeds up for as long, and their motions add up: as soon as
the middle of the turn lies within the waypoint radius and turns neither faster than the legs are flown nor with more than the
cornering acceleration on the level and the vertical acceleration between up and down. The time thus shared by two legs is saved
(SCurve::advance_target_along_track). Parameters at ArduCopter's defaults; measured on the real one by
tests/benchmarks/bench_flights.py. planner.timing has the simpler model by which planners are compared.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planner.timing import Motion

__all__ = ["cruise_seconds", "flight_seconds", "passing_seconds"]

JERK_M_S3, VERTICAL_ACCELERATION_M_S2, RADIUS_M = 1.0, 1.0, 2.0  # WPNAV_JERK, WPNAV_ACCEL_Z, WPNAV_RADIUS
JERK_RISE_S = 0.3  # jerk builds up over twice the attitude controller's time constant, which stretches each ramp
CORNERING = 2.0  # cornering acceleration by the acceleration, where WPNAV_ACCEL_C is 0
SPEED_CHANGE_S = (
    0.75  # lost at a corner where the mission sets another speed and the leg just begun is planned anew, by trial
)
COARSE, FINE = 21, 13  # instants of a turn that are looked at, and between two of these
SAME_PLACE_M, SLACK = 1e-3, 1e-6

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Legs:
    """Legs of a path, n of each: unit vectors (n x 3), lengths, and how they are flown: top speed, acceleration, jerk."""

    unit: Array
    length_m: Array
    speed_m_s: Array
    acceleration_m_s2: Array
    jerk_m_s3: Array

    @property
    def rise_s(self) -> Array:
        """Seconds in which the acceleration builds up, and in which it goes back."""
        gradual = self.speed_m_s < self.acceleration_m_s2**2 / self.jerk_m_s3
        return np.where(gradual, np.sqrt(self.speed_m_s / self.jerk_m_s3), self.acceleration_m_s2 / self.jerk_m_s3)

    @property
    def ramp_s(self) -> Array:
        """Seconds from rest to the top speed."""
        rise = self.rise_s
        return rise + np.maximum(self.speed_m_s / (self.jerk_m_s3 * rise), rise)

    @property
    def seconds(self) -> Array:
        """Seconds from rest to rest."""
        return self.length_m / self.speed_m_s + self.ramp_s

    def after(self, time_s: Array) -> tuple[Array, Array, Array]:
        """Metres, m/s and m/s2 at times (n x k) after the start, as long as no braking is due; by symmetry before the end."""
        rise, ramp, jerk = self.rise_s[:, None], self.ramp_s[:, None], self.jerk_m_s3[:, None]
        top = self.speed_m_s[:, None]
        peak = jerk * rise
        first, left = np.minimum(time_s, rise), np.clip(ramp - time_s, 0.0, rise)
        middle = np.clip(time_s - rise, 0.0, ramp - 2 * rise)
        last = rise - left
        distance = jerk * first**3 / 6 + middle * (jerk * rise**2 / 2 + peak * middle / 2)
        speed = jerk * first**2 / 2 + peak * middle
        distance = distance + np.where(last > 0, speed * last + peak * last**2 / 2 - jerk * last**3 / 6, 0.0)
        speed = speed + peak * last - jerk * last**2 / 2
        acceleration = np.where(time_s < rise, jerk * time_s, jerk * left)
        return distance + top * np.maximum(time_s - ramp, 0.0), speed, acceleration


def cruise_seconds(path: ArrayLike, motion: Motion) -> float:
    """Seconds along a path (n x 3 in metres) from rest at its start to rest at its end."""
    return float(passing_seconds(path, motion)[-1])


def passing_seconds(path: ArrayLike, motion: Motion) -> Array:
    """When each vertex of a path (n x 3 in metres) is passed, in seconds from rest at its start; rest at its end."""
    points = np.asarray(path, float)
    far = np.linalg.norm(np.diff(points, axis=0), axis=1) > SAME_PLACE_M
    took = np.zeros(len(far))
    if far.any():
        legs = _legs(points[np.r_[True, far]], motion)
        speeds = motion.ground_speed(legs.unit[:, 0], legs.unit[:, 1])
        change_s = SPEED_CHANGE_S * (np.abs(np.diff(speeds)) > 0.05)
        shared = _shared_s(legs, CORNERING * motion.acceleration_m_s2) - change_s
        took[far] = legs.seconds - (np.r_[0.0, shared] + np.r_[shared, 0.0]) / 2
    return np.r_[0.0, np.cumsum(took)]


def flight_seconds(path: ArrayLike, motion: Motion) -> float:
    """Seconds from arming to disarming: take-off, the path (n x 3, heights above home, home to home), landing."""
    points = np.asarray(path, float)
    return cruise_seconds(points, motion) + motion.take_off_and_land_s(float(points[[0, -1], 2].mean()))


def _legs(points: Array, motion: Motion) -> _Legs:
    tracks = np.diff(points, axis=0)
    length = np.sqrt((tracks**2).sum(axis=1))
    unit = tracks / length[:, None]
    level, up = np.maximum(np.hypot(unit[:, 0], unit[:, 1]), 1e-9), np.maximum(np.abs(unit[:, 2]), 1e-9)
    vertical = np.where(unit[:, 2] > 0, motion.climb_m_s, motion.descent_m_s)
    speed = np.minimum(motion.ground_speed(unit[:, 0], unit[:, 1]) / level, vertical / up)
    acceleration = np.minimum(motion.acceleration_m_s2 / level, VERTICAL_ACCELERATION_M_S2 / up)
    jerk = acceleration / (acceleration / JERK_M_S3 + JERK_RISE_S)
    return _Legs(unit, length, np.minimum(speed, _reachable(length, acceleration, jerk)), acceleration, jerk)


def _reachable(length_m: Array, acceleration_m_s2: Array, jerk_m_s3: Array) -> Array:
    """The top speed of a motion over a length that brakes as soon as it has sped up."""
    rise = acceleration_m_s2 / jerk_m_s3
    short = np.cbrt(length_m**2 * jerk_m_s3 / 4)
    long = acceleration_m_s2 * (np.sqrt(rise**2 + 4 * length_m / acceleration_m_s2) - rise) / 2
    return np.where(short < acceleration_m_s2 * rise, short, long)


def _shared_s(legs: _Legs, most_m_s2: float) -> Array:
    """Seconds that each leg and the next one are flown together (n - 1), cornering with at most `most_m_s2` on the level."""
    before, after = _part(legs, slice(None, -1)), _part(legs, slice(1, None))
    longest = np.minimum(np.minimum(before.ramp_s, after.ramp_s), np.minimum(before.seconds, after.seconds) / 2)
    trials, step_s = longest[:, None] * np.linspace(1.0, 0.0, COARSE), longest / (COARSE - 1)
    nearly = _first(trials, _may_turn(before, after, most_m_s2, trials))
    trials = np.minimum(nearly + step_s, longest)[:, None] - step_s[:, None] * np.linspace(0.0, 1.0, FINE)
    return np.maximum(nearly, _first(trials, _may_turn(before, after, most_m_s2, trials)))


def _first(trials: Array, allowed: NDArray[np.bool_]) -> Array:
    """The first allowed trial of each row, or 0."""
    chosen = trials[np.arange(len(trials)), np.argmax(allowed, axis=1)]
    return np.where(allowed.any(axis=1), chosen, 0.0)


def _may_turn(before: _Legs, after: _Legs, most_m_s2: float, shared: Array) -> NDArray[np.bool_]:
    """Whether legs may be flown together with those after them for so many seconds (n x k)."""
    left_m, braking_speed, braking = before.after(shared / 2)
    gone_m, starting_speed, starting = after.after(shared / 2)
    turn = (before.unit * after.unit).sum(axis=1)[:, None]
    level = (before.unit[:, :2] * after.unit[:, :2]).sum(axis=1)[:, None]
    (level_before, up_before), (level_after, up_after) = (
        (np.hypot(*legs.unit[:, :2].T)[:, None], legs.unit[:, 2:]) for legs in (before, after)
    )
    apart_m = np.sqrt(np.maximum(left_m**2 + gone_m**2 - 2 * turn * left_m * gone_m, 0.0))
    speed = np.sqrt(np.maximum(braking_speed**2 + starting_speed**2 + 2 * turn * braking_speed * starting_speed, 0.0))
    sideways = (level_before * braking) ** 2 + (level_after * starting) ** 2 - 2 * level * braking * starting
    upward = np.abs(up_after * starting - up_before * braking)
    slower = np.minimum(before.speed_m_s, after.speed_m_s)[:, None]
    gentle = (sideways < most_m_s2**2) & (upward < VERTICAL_ACCELERATION_M_S2)
    return np.asarray((apart_m < RADIUS_M) & (speed <= slower + SLACK) & gentle)


def _part(legs: _Legs, which: slice) -> _Legs:
    return _Legs(
        unit=legs.unit[which],
        length_m=legs.length_m[which],
        speed_m_s=legs.speed_m_s[which],
        acceleration_m_s2=legs.acceleration_m_s2[which],
        jerk_m_s3=legs.jerk_m_s3[which],
    )
