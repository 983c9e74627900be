"""The simulated copter without a network: how it moves, when it photographs, what it does in trouble."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sitl.autopilot import Copter, Mode, Place
from sitl.autopilot.copter import STEP_S
from sitl.autopilot.state import Text
from sitl.autopilot.storage import Item
from sitl.autopilot.trajectory import Leg, Limits, Path, Profile
from sitl.faults import parse_fault, put_in_trouble

HOME = Place(47.4, 8.5, 450.0)
LIMITS = Limits(10, 2.5, 1.5, 2.5, 1.0, 5.0, 1.0, 2.0)


@given(length=st.floats(0.1, 5000), speed=st.floats(0.5, 20), accel=st.floats(0.5, 5), jerk=st.floats(0.3, 10))
@settings(max_examples=150, deadline=None)
def test_a_leg_keeps_its_limits_and_ends_at_rest(length: float, speed: float, accel: float, jerk: float) -> None:
    profile = Profile(length, speed, accel, jerk)
    times = np.linspace(0, profile.duration_s, 400)
    s, v, a = np.array([profile.at(t) for t in times]).T
    step = times[1]
    assert s[0] == 0
    assert s[-1] == pytest.approx(length)
    assert v.min() >= -1e-9
    assert v.max() <= speed * (1 + 1e-6) + 1e-9
    assert np.abs(a).max() <= accel * (1 + 1e-6)
    assert np.abs(np.diff(a)).max() <= jerk * step * (1 + 1e-6) + 1e-9
    assert np.allclose(np.diff(s), (v[1:] + v[:-1]) / 2 * step, atol=jerk * step**3 + 1e-6 * length)


@given(turn_deg=st.floats(-180, 180), length=st.floats(20, 120))
@settings(max_examples=10, deadline=None)
def test_corners_are_rounded_within_the_limits(turn_deg: float, length: float) -> None:
    turn = math.radians(turn_deg)
    corner = np.array([length, 0.0, 0.0])
    end = corner + length * np.array([math.cos(turn), math.sin(turn), 0.0])
    first, second = Leg(np.zeros(3), corner, LIMITS, False), Leg(corner, end, LIMITS, True)
    path = Path(first, LIMITS)
    speeds, nearest, previous = [], math.inf, np.zeros(3)
    legs = 0
    for _ in range(20000):
        position, velocity, _, done = path.advance(STEP_S, lambda _: second)
        assert np.linalg.norm(position - previous) <= LIMITS.speed * STEP_S * 1.2
        previous = position
        nearest = min(nearest, float(np.linalg.norm(position - corner)))
        speeds.append(float(np.linalg.norm(velocity)))
        if done:
            legs += 1
            if legs == 2:
                break
            path.follow(second)
    assert legs == 2
    assert np.allclose(previous, end, atol=0.05)
    assert nearest <= 1.1 * LIMITS.radius_m
    assert max(speeds) <= LIMITS.speed * 1.02


def test_a_straight_line_is_flown_through_a_waypoint_at_speed() -> None:
    first = Leg(np.zeros(3), np.array([100.0, 0, 0]), LIMITS, False)
    second = Leg(first.end, np.array([200.0, 0, 0]), LIMITS, True)
    path = Path(first, LIMITS)
    while not (step := path.advance(STEP_S, lambda _: second))[3]:
        pass
    assert step[1][0] > 0.95 * LIMITS.speed


def item(east_m: float, north_m: float, command: int = 16, height_m: float = 30.0, **values: float) -> Item:
    place = HOME.moved(np.array([east_m, north_m, 0.0]))
    return Item(command, 3, x=round(place.lat_deg * 1e7), y=round(place.lon_deg * 1e7), z=height_m, **values)


def flying(items: list[Item], **parameters: float) -> Copter:
    """A copter that has just started a mission after its take-off item."""
    copter = Copter(HOME, parameters={"CAM1_TYPE": 1, **parameters})
    copter.mission[:] = [copter.home_item(), Item(22, 3, z=30.0), *items]
    while not copter.ready:
        copter.step()
    copter.set_mode(Mode.GUIDED)
    copter.arm()
    copter.start_mission()
    return copter


def run(copter: Copter, most_s: float = 600.0, until: float | None = None) -> list[str]:
    """Fly until disarmed (or for some seconds); what the vehicle said."""
    said = []
    end = copter.time_s + (until or most_s)
    while copter.armed and copter.time_s < end:
        copter.step()
        while copter.events:
            event = copter.events.popleft()
            if isinstance(event, Text):
                said.append(event.text)
    assert until is not None or not copter.armed
    return said


def test_the_same_flight_twice_is_the_same() -> None:
    def places() -> list[Place]:
        copter = flying([Item(206, 0, p1=8, p3=1), item(0, 80), Item(20, 0)], SIM_WIND_SPD=6, SIM_WIND_TURB=2)
        run(copter)
        return [exposure.place for exposure in copter.exposures]

    assert places() == places() != []


def test_photos_come_every_so_many_metres_and_cost_nothing_in_gaps() -> None:
    copter = flying([item(0, 20), Item(206, 0, p1=10, p3=1), item(0, 220), Item(206, 0), Item(20, 0)])
    run(copter)
    gaps = [math.hypot(*a.place.offset_to(b.place)[:2]) for a, b in pairwise(copter.exposures)]
    assert len(gaps) == 19
    assert all(9.95 <= gap <= 10.25 for gap in gaps)


def test_a_hold_a_delay_and_a_speed_take_their_time() -> None:
    def duration(*items: Item) -> float:
        copter = flying([*items, Item(20, 0)])
        start = copter.time_s
        run(copter)
        return copter.time_s - start

    plain = duration(item(0, 100))
    assert duration(item(0, 100, p1=7.0)) == pytest.approx(plain + 7, abs=0.5)
    assert duration(item(0, 100), Item(93, 0, p1=5.0)) == pytest.approx(plain + 5, abs=0.5)
    assert duration(Item(178, 0, p1=1, p2=5.0), item(0, 100)) > plain + 5


def test_a_jump_repeats_a_leg() -> None:
    copter = flying([item(0, 30), item(30, 30), Item(177, 0, p1=2, p2=1), Item(20, 0)])
    reached = []
    while copter.armed:
        copter.step()
        reached += [event.seq for event in copter.events if hasattr(event, "seq")]
        copter.events.clear()
    assert reached[:5] == [1, 2, 3, 2, 3]


def test_an_empty_battery_brings_it_home() -> None:
    copter = flying([item(0, 2000)], BATT_FS_LOW_ACT=2)
    put_in_trouble(copter, [parse_fault("low-battery@15")], copter.boot)
    said = run(copter)
    assert any(text.startswith("Battery 1 is low") for text in said)
    assert math.hypot(*HOME.offset_to(copter.place)[:2]) < 1
    assert copter.arm() != 0


@pytest.mark.parametrize(("options", "mode"), [(0, Mode.RTL), (2, Mode.AUTO)])
def test_a_lost_ground_station(options: int, mode: Mode) -> None:
    copter = flying([item(0, 2000)], FS_GCS_ENABLE=1, FS_OPTIONS=options)
    copter.failsafes.hear_ground_station()
    run(copter, until=20.0)
    assert copter.mode is mode


def test_without_gps_it_lands() -> None:
    copter = flying([item(0, 2000)])
    put_in_trouble(copter, [parse_fault("gps-loss@20")], copter.boot)
    said = run(copter)
    assert "EKF Failsafe: changed to LAND Mode" in said
    assert copter.landed


def test_wind_beyond_its_lean_angle_drives_it_off() -> None:
    copter = flying([item(0, 30, command=17)], SIM_WIND_SPD=40, SIM_WIND_DIR=270)
    run(copter, until=60.0)
    assert HOME.offset_to(copter.place)[0] > 100


def test_a_camera_that_misses_photos_still_counts_them() -> None:
    copter = flying([Item(206, 0, p1=10, p3=1), item(0, 150), Item(20, 0)])
    put_in_trouble(copter, [parse_fault("camera-misses=5")], copter.boot)
    heard = []
    while copter.armed:
        copter.step()
        heard += [event.index for event in copter.events if hasattr(event, "gimbal_pitch_deg")]
        copter.events.clear()
    assert set(range(1, len(copter.exposures) + 1)) - set(heard) == {
        n for n in range(1, len(copter.exposures) + 1) if n % 5 == 0
    }


def test_it_lands_on_a_hill() -> None:
    hill = flying([item(0, 100), Item(21, 0)])
    hill._ground_at = lambda place: 450.0 + max(0.0, HOME.offset_to(place)[1]) / 10
    run(hill)
    assert hill.place.alt_amsl_m == pytest.approx(460, abs=0.5)
