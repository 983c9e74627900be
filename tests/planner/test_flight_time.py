"""Predicted durations against what a real ArduCopter took, and against simple physics."""

import math

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from planner.flight_time import cruise_seconds, flight_seconds, passing_seconds
from planner.timing import Motion

MOTION = Motion(speed_m_s=10.0)
# A meander of long lines and short connectors, and the seconds that ArduCopter 4.7 took from corner to corner at 10 m/s, by its
# messages (0.3 s apart).
LEGS_M = (383.0, 34.0, 63.0, 34.0, 63.0, 34.0, 383.0, 102.0, 383.0)
FLOWN_S = {383.0: 41.0, 63.0: 9.0, 34.0: 6.45, 102.0: 12.85}


def meander(legs_m: tuple[float, ...], height_m: float = 75.0) -> np.ndarray:
    """A path that turns left twice, then right twice, and so on."""
    heading, points = 90.0, [(0.0, 0.0, height_m)]
    for number, leg in enumerate(legs_m):
        x, y, z = points[-1]
        points.append((x + leg * math.sin(math.radians(heading)), y + leg * math.cos(math.radians(heading)), z))
        heading += 90 if number % 4 < 2 else -90
    return np.array(points)


def test_legs_between_corners_take_as_long_as_a_real_autopilot_took() -> None:
    path = meander(LEGS_M)
    inner = cruise_seconds(path, MOTION) - cruise_seconds(path[[0, 1]], MOTION)
    assert inner == pytest.approx(sum(FLOWN_S[leg] for leg in LEGS_M[1:]), rel=0.015)


def test_one_leg_is_jerk_limited_from_rest_to_rest() -> None:
    rise_s = 2.5 / 1.0 + 0.3
    assert cruise_seconds([(0, 0, 50), (500, 0, 50)], MOTION) == pytest.approx(50 + 10 / 2.5 + rise_s, abs=0.01)


def test_waypoints_on_a_straight_line_cost_next_to_nothing() -> None:
    straight = cruise_seconds([(0, 0, 50), (600, 0, 50)], MOTION)
    assert cruise_seconds([(0, 0, 50), (200, 0, 50), (400, 0, 50), (600, 0, 50)], MOTION) == pytest.approx(
        straight, abs=0.5
    )


# Over hills with a fast climber, from the second to the second last place: metres, and the seconds that ArduCopter 4.7 took at
# 12 m/s, 6 m/s up and 5 m/s down. Corners between up and down wait for the vertical acceleration limit.
HILLS = [(0, 0, 0), (-65, -4, -2), (-239, -13, -56), (-404, -22, 2), (-464, -26, -3), (-457, -1, 0), (-393, 3, -2),
         (-220, 12, -56), (-52, 22, 2), (-18, 23, 2), (-21, 48, 1), (-85, 44, -3), (-253, 35, -56), (-421, 25, 2),
         (-451, 24, 2)]  # fmt: skip
HILLS_S = 144.4


def test_hills_take_as_long_as_a_real_autopilot_took() -> None:
    passed = passing_seconds(HILLS, Motion(speed_m_s=12.0, climb_m_s=6.0, descent_m_s=5.0))
    assert passed[-2] - passed[1] == pytest.approx(HILLS_S, rel=0.02)


def test_vertices_are_passed_one_after_the_other_and_repeated_ones_at_once() -> None:
    path = np.repeat(meander(LEGS_M), 2, axis=0)
    passed = passing_seconds(path, MOTION)
    assert (np.diff(passed)[::2] == 0).all() and (np.diff(passed)[1::2] > 0).all()
    assert passed[-1] == pytest.approx(cruise_seconds(meander(LEGS_M), MOTION))


def test_a_steep_climb_takes_its_own_time() -> None:
    path = [(0, 0, 20), (50, 0, 120), (300, 0, 120)]
    assert cruise_seconds(path, MOTION) > 100 / MOTION.climb_m_s
    assert cruise_seconds(path[::-1], MOTION) > 100 / MOTION.descent_m_s


def test_take_off_and_landing_are_the_autopilots_own_however_fast_the_drone() -> None:
    path = [(0, 0, 75), (500, 0, 75), (0, 0, 75)]
    fast = Motion(speed_m_s=10.0, climb_m_s=6.0, descent_m_s=4.0)
    assert flight_seconds(path, fast) == pytest.approx(flight_seconds(path, MOTION))
    assert flight_seconds(path, MOTION) - cruise_seconds(path, MOTION) == pytest.approx(30 + 43.3 + 20 + 15, abs=0.1)


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(
    st.lists(st.tuples(st.floats(5, 400), st.floats(0, 359)), min_size=1, max_size=12),
    st.floats(3, 14),
    st.floats(0, 360),
)
def test_no_faster_than_the_speed_limit_nor_slower_than_stopping_everywhere(
    legs: list[tuple[float, float]], speed: float, turn: float
) -> None:
    steps = [(m * math.sin(math.radians(deg + turn)), m * math.cos(math.radians(deg + turn)), 0.0) for m, deg in legs]
    path = np.cumsum([(0.0, 0.0, 60.0), *steps], axis=0)
    motion = Motion(speed_m_s=speed)
    seconds = cruise_seconds(path, motion)
    assert seconds >= sum(m for m, _ in legs) / speed - 0.5 * len(legs)
    assert seconds <= sum(cruise_seconds(path[i : i + 2], motion) for i in range(len(legs))) + 1e-6
    assert seconds == pytest.approx(cruise_seconds(path[::-1], motion), rel=0.02, abs=0.5)
