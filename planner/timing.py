"""How long a multirotor takes along a path: acceleration, full stops at corners, wind, climb and descent.

The model is the one every planner is compared by: constant speed between stops, constant acceleration, a full stop wherever
the course turns by more than `CORNER_DEG` within `CORNER_M` of path (a bend spread over several vertices counts as the corner
that it is). Wind slows a leg only where the commanded ground speed would need more airspeed than the drone has. What a flight
really takes, with corners rounded as ArduCopter rounds them, is in planner.flight_time.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imagery.core.errors import BadInputError

__all__ = ["CORNER_DEG", "CORNER_M", "Motion", "path_seconds", "straightened"]

CORNER_DEG, CORNER_M = 30.0, 20.0
# As ArduCopter does by default, whatever speeds the mission sets: WPNAV_SPEED_UP after spooling up the motors, RTL_LOIT_TIME
# above home, WPNAV_SPEED_DN, and LAND_SPEED below LAND_ALT_LOW. Settling and noticing the ground take some seconds more.
TAKE_OFF_M_S, TAKE_OFF_EXTRA_S = 2.5, 4.5
PAUSE_S, LANDING_M_S, LOW_M, TOUCH_DOWN_M_S, LANDING_EXTRA_S = 5.0, 1.5, 10.0, 0.5, 5.5

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Motion:
    """How the drone moves.

    Attributes: speed_m_s: commanded ground speed; acceleration_m_s2; max_airspeed_m_s: what it can hold against wind;
    climb_m_s, descent_m_s: vertical speeds in AUTO; wind_east_m_s, wind_north_m_s: where the wind blows to.
    """

    speed_m_s: float
    acceleration_m_s2: float = 2.5
    max_airspeed_m_s: float = math.inf
    climb_m_s: float = 2.5
    descent_m_s: float = 1.5
    wind_east_m_s: float = 0.0
    wind_north_m_s: float = 0.0

    def ground_speed(self, east: ArrayLike, north: ArrayLike) -> NDArray[np.float64]:
        """Ground speed in m/s along courses (east, north), any lengths; raises BadInputError where wind stops the drone."""
        east, north = np.asarray(east, float), np.asarray(north, float)
        if not (self.wind_east_m_s or self.wind_north_m_s):
            return np.full(np.broadcast(east, north).shape, self.speed_m_s)
        length = np.maximum(np.hypot(east, north), 1e-12)
        along = (self.wind_east_m_s * east + self.wind_north_m_s * north) / length
        across = (self.wind_east_m_s * north - self.wind_north_m_s * east) / length
        reachable = along + np.sqrt(np.maximum(self.max_airspeed_m_s**2 - across**2, 0.0))
        if (reachable < 1.0).any() or (abs(across) >= self.max_airspeed_m_s).any():
            raise BadInputError(
                f"a wind of {math.hypot(self.wind_east_m_s, self.wind_north_m_s):g} m/s is too strong for a drone that flies"
                f" {self.max_airspeed_m_s:g} m/s: wait, or choose another drone"
            )
        return np.minimum(self.speed_m_s, reachable)

    def rest_to_rest(self, length_m: ArrayLike, speed_m_s: ArrayLike | None = None) -> NDArray[np.float64]:
        """Seconds over straight legs from standstill to standstill."""
        length = np.asarray(length_m, float)
        speed = np.asarray(self.speed_m_s if speed_m_s is None else speed_m_s, float)
        accel = self.acceleration_m_s2
        cruising = length / speed + speed / accel
        return np.where(length >= speed**2 / accel, cruising, 2 * np.sqrt(length / accel))

    def take_off_and_land_s(self, height_m: float) -> float:
        """Seconds of the climb from home to `height_m` above it, and of the descent back with a pause above home before it."""
        low_m = min(height_m, LOW_M)
        climb_s = TAKE_OFF_EXTRA_S + height_m / min(TAKE_OFF_M_S, self.climb_m_s)
        descent_m_s = min(LANDING_M_S, self.descent_m_s)
        landing_s = (height_m - low_m) / descent_m_s + low_m / min(TOUCH_DOWN_M_S, descent_m_s)
        return climb_s + PAUSE_S + landing_s + LANDING_EXTRA_S


def straightened(path: ArrayLike) -> list[Point]:
    """The path (n x 2) without repeated points and without vertices on a straight run."""
    points: list[Point] = []
    for x, y in np.asarray(path, float)[:, :2].tolist():
        if not points or math.dist(points[-1], (x, y)) > 1e-3:
            points.append((x, y))
    kept = points[:1]
    for here, after in pairwise(points[1:]):
        if _turn_deg(kept[-1], here, after) > 0.05:
            kept.append(here)
    return kept + points[-1:] if len(points) > 1 else points


def runs(path: ArrayLike) -> list[list[Point]]:
    """The path (n x 2) cut where the drone stops: each run is flown from standstill to standstill."""
    points = straightened(path)
    found: list[list[Point]] = []
    bends: list[tuple[float, float]] = []  # metres behind the drone, degrees
    start, last = 0, len(points) - 1
    for i in range(1, len(points)):
        leg = math.dist(points[i - 1], points[i])
        bends = [(at - leg, deg) for at, deg in bends if at - leg > -CORNER_M]
        if i < last:
            bends.append((0.0, _turn_deg(points[i - 1], points[i], points[i + 1])))
        if i == last or sum(deg for _, deg in bends) > CORNER_DEG:
            found.append(points[start : i + 1])
            start, bends = i, []
    return found


def path_seconds(path: ArrayLike, motion: Motion) -> float:
    """Seconds along a path (n x 2 in metres, or n x 3 with heights) from standstill at its start to standstill at its end."""
    points = np.asarray(path, float)
    accel, total = motion.acceleration_m_s2, 0.0
    for run in runs(points):
        length = sum(math.dist(a, b) for a, b in pairwise(run))
        speed = motion.speed_m_s
        if motion.wind_east_m_s or motion.wind_north_m_s:
            legs = np.diff(np.array(run), axis=0)
            speed = length / float((np.hypot(*legs.T) / motion.ground_speed(*legs.T)).sum())
        total += length / speed + speed / accel if length >= speed**2 / accel else 2 * math.sqrt(length / accel)
    return total + (climb_seconds(points, motion) if points.shape[1] > 2 else 0.0)


def _turn_deg(a: Point, b: Point, c: Point) -> float:
    first, second = math.atan2(b[1] - a[1], b[0] - a[0]), math.atan2(c[1] - b[1], c[0] - b[0])
    return math.degrees(abs((second - first + math.pi) % (2 * math.pi) - math.pi))


def climb_seconds(path: NDArray[np.float64], motion: Motion) -> float:
    """Seconds by which climbing and descending slow a path (n x 3) down: only what the level flight cannot hide."""
    legs = np.diff(path, axis=0)
    level = np.hypot(legs[:, 0], legs[:, 1]) / motion.ground_speed(legs[:, 0], legs[:, 1])
    vertical = np.where(legs[:, 2] > 0, legs[:, 2] / motion.climb_m_s, -legs[:, 2] / motion.descent_m_s)
    return float(np.maximum(vertical - level, 0.0).sum())
