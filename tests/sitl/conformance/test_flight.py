"""Arming, starting, flying and failsafes as ArduPilot does them."""

import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from planner.link.connection import Connection
from sitl.ardupilot import ArduPilot, find_binary
from sitl.autopilot import Copter
from sitl.endpoint import serve
from tests.sitl.conformance.conftest import HOME, HOME_ITEM, Ground, waypoint

ACCEPTED, FAILED = 0, 4
AUTO, GUIDED, LOITER, RTL, LAND, BRAKE = 3, 4, 5, 6, 9, 17
ARMED = 0x80
TAKEOFF = (22, 3, (0, 0, 0, 0), 0, 0, 15.0)
RETURN = (20, 2, (0, 0, 0, 0), 0, 0, 0.0)
SPEEDUP = 20.0


@pytest.fixture(params=["embedded", "ardupilot"])
def fresh(request: pytest.FixtureRequest) -> Iterator[Ground]:
    """A vehicle of its own, just booted."""
    if request.param == "embedded":
        vehicle: Any = serve(Copter(HOME, parameters={"CAM1_TYPE": 1}), speedup=SPEEDUP)
    else:
        binary = find_binary()
        if binary is None:
            pytest.skip("no ArduCopter: set SKYRELIEF_ARDUCOPTER to a SITL binary")
        vehicle = ArduPilot(binary, HOME, speedup=SPEEDUP)
    with vehicle, Connection(vehicle.url) as link:
        link.heartbeat_every_s = 0.05
        link.wait_for_vehicle(20.0)
        ground = Ground(link)
        yield ground
        ground.close()


def fly(ground: Ground, items: list) -> None:
    """Upload, arm in GUIDED, start."""
    assert ground.upload(items) == ACCEPTED
    assert ground.command(176, 1, GUIDED) == ACCEPTED
    assert ground.command(400, 1) == ACCEPTED
    assert ground.command(300) == ACCEPTED


def disarmed(ground: Ground, wait_s: float) -> bool:
    return ground.heartbeat(lambda m: not m.base_mode & ARMED, wait_s) is not None


def test_nothing_but_heartbeats_comes_unasked(fresh: Ground) -> None:
    time.sleep(0.5)
    kinds = set()
    while (message := fresh.inbox.get(0)) is not None:
        kinds.add(message.get_type())
    assert "HEARTBEAT" in kinds
    assert not kinds & {"GLOBAL_POSITION_INT", "MISSION_CURRENT", "ATTITUDE", "SYS_STATUS", "GPS_RAW_INT"}
    assert fresh.command(511, 33, 1e5) == ACCEPTED
    assert fresh.await_message("GLOBAL_POSITION_INT") is not None


def test_arming_is_refused_with_reasons(fresh: Ground) -> None:
    assert fresh.command(400, 1) == FAILED
    fresh.wait_ready()
    fresh.quiet()
    assert fresh.upload([HOME_ITEM, TAKEOFF, waypoint(2)]) == ACCEPTED
    assert fresh.command(300) == ACCEPTED  # disarmed: AUTO, but nothing flies
    assert fresh.heartbeat(lambda m: m.custom_mode == AUTO) is not None
    assert fresh.command(400, 1) == FAILED
    assert fresh.said("Arm: AUTO mode not armable")


def test_a_mission_without_a_takeoff_does_not_start(fresh: Ground) -> None:
    fresh.wait_ready()
    assert fresh.upload([HOME_ITEM, waypoint(2)]) == ACCEPTED
    assert fresh.command(176, 1, GUIDED) == ACCEPTED
    assert fresh.command(400, 1) == ACCEPTED
    assert fresh.command(300) == FAILED
    assert fresh.said("Auto: Missing Takeoff Cmd")


def test_a_survey_line_gives_a_photo_every_so_many_metres(fresh: Ground) -> None:
    fresh.wait_ready()
    fresh.command(511, 42, 1e6)
    fresh.quiet()
    trigger = (206, 2, (10, 0, 1, 0), 0, 0, 0.0)
    stop = (206, 2, (0, 0, 0, 0), 0, 0, 0.0)
    items = [HOME_ITEM, TAKEOFF, waypoint(2, 15), trigger, waypoint(10, 15), stop, RETURN]
    fly(fresh, items)
    assert disarmed(fresh, 30.0)
    photos = [m for m in fresh.log if m.get_type() == "CAMERA_FEEDBACK"]
    assert [m.img_idx for m in photos] == list(range(1, len(photos) + 1))
    gaps = [(b.lat - a.lat) * 1e-7 * 111_318.845 for a, b in pairwise(photos)]
    assert len(photos) == 9
    assert all(9.9 <= gap <= 10.35 for gap in gaps[1:])
    assert all((m.cam_idx, m.flags, m.completed_captures) == (0, 0, 0) for m in photos)
    assert photos[-1].alt_rel == pytest.approx(15, abs=0.5)
    reached = [m.seq for m in fresh.log if m.get_type() == "MISSION_ITEM_REACHED"]
    assert reached[:3] == [1, 2, 4]
    current = [m for m in fresh.log if m.get_type() == "MISSION_CURRENT"]
    assert current[-1].total == len(items) - 1
    assert 3 in {m.mission_state for m in current}
    assert fresh.await_message("MISSION_CURRENT", where=lambda m: (m.seq, m.mission_state) == (0, 5)) is not None


def test_leaving_the_fence_returns_to_the_rally_point(fresh: Ground) -> None:
    fresh.wait_ready()
    lat, lon = HOME_ITEM[3], HOME_ITEM[4]
    square = [(-5000, -5000), (5000, -5000), (5000, 5000), (-5000, 5000)]
    assert fresh.upload([(5001, 0, (4, 0, 0, 0), lat + a, lon + b, 0.0) for a, b in square], 1) == ACCEPTED
    assert fresh.upload([(5100, 3, (0, 0, 0, 0), lat + 2500, lon, 20.0)], 2) == ACCEPTED
    fresh.set_parameter("FENCE_TYPE", 4)
    fresh.set_parameter("FENCE_ENABLE", 1)
    fresh.command(511, 162, 2e5)
    fresh.command(511, 33, 2e5)
    time.sleep(0.3)
    fly(fresh, [HOME_ITEM, TAKEOFF, waypoint(9, 15), RETURN])
    assert fresh.said("Polygon fence breached", 20.0)
    assert fresh.heartbeat(lambda m: m.custom_mode == RTL) is not None
    status = fresh.await_message("FENCE_STATUS", where=lambda m: m.breach_status == 1)
    assert status is not None
    assert status.breach_type == 3
    assert disarmed(fresh, 40.0)
    place = [m for m in fresh.log if m.get_type() == "GLOBAL_POSITION_INT"][-1]
    assert place.lat == pytest.approx(lat + 2500, abs=200)


@pytest.mark.parametrize(
    ("slope", "highest_m"), [(0, 40), (2, 22)]
)  # the farther away, the higher: twice the 11 m to the home
def test_the_way_home_is_as_high_as_set_but_lower_close_to_home(fresh: Ground, slope: float, highest_m: float) -> None:
    fresh.wait_ready()
    fresh.command(511, 33, 2e5)
    fresh.set_parameter("RTL_ALT", 4000)
    fresh.set_parameter("RTL_CONE_SLOPE", slope)
    fly(fresh, [HOME_ITEM, TAKEOFF, waypoint(1, 15, p=(60, 0, 0, 0)), RETURN])
    near = HOME_ITEM[3] + 950  # flown to the waypoint's hold
    at_waypoint = fresh.await_message(
        "GLOBAL_POSITION_INT", where=lambda m: m.lat > near and abs(m.vx) < 20, wait_s=20.0
    )
    assert at_waypoint is not None
    fresh.log.clear()
    assert fresh.command(176, 1, RTL) == ACCEPTED
    assert disarmed(fresh, 60.0)
    heights = [m.relative_alt / 1000 for m in fresh.log if m.get_type() == "GLOBAL_POSITION_INT"]
    assert max(heights) == pytest.approx(highest_m, abs=1.5)


def test_a_mission_is_not_cleared_while_it_flies(fresh: Ground) -> None:
    fresh.wait_ready()
    fly(fresh, [HOME_ITEM, TAKEOFF, waypoint(3, 15), RETURN])
    time.sleep(0.3)
    assert fresh.clear() == 1
    assert fresh.command(176, 1, LAND) == ACCEPTED
    assert disarmed(fresh, 30.0)
