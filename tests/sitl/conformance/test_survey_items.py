"""Every item that a survey is made of: whether it is taken, what reads back of it, and what it does in flight."""

import math
from typing import Any

import pytest

from tests.sitl.conformance.conftest import HOME_ITEM, Ground, waypoint
from tests.sitl.conformance.test_flight import ACCEPTED, AUTO, LOITER, RETURN, TAKEOFF, disarmed, fly, fresh

__all__ = ["fresh"]

LAT, LON = HOME_ITEM[3], HOME_ITEM[4]


@pytest.mark.parametrize(
    ("item", "back"),
    [
        ((178, 2, (0, 6, -1, 0), 0, 0, 0.0), (0, 6, -1, 0, 0, 0, 0)),
        ((178, 2, (1, 6.25, 0, 0), 0, 0, 0.0), (1, 6.25, 0, 0, 0, 0, 0)),
        ((178, 2, (2, 2, 0, 0), 0, 0, 0.0), (2, 2, 0, 0, 0, 0, 0)),
        ((178, 2, (3, 1, 0, 0), 0, 0, 0.0), (3, 1, 0, 0, 0, 0, 0)),
        ((215, 2, (12.5, 0, 0, 0), 0, 0, 0.0), (12, 0, 0, 0, 0, 0, 0)),
        ((201, 3, (0, 0, 0, 0), LAT, LON, 5.0), (0, 0, 0, 0, LAT, LON, 5)),
        ((201, 3, (0, 0, 0, 0), 0, 0, 0.0), (0, 0, 0, 0, 0, 0, 0)),
        ((115, 2, (90, 20, 1, 0), 0, 0, 0.0), (90, 20, 1, 0, 0, 0, 0)),
        ((115, 2, (45, 20, -1, 1), 0, 0, 0.0), (45, 20, -1, 1, 0, 0, 0)),
        ((205, 2, (-90, 0, 0, 0), 0, 0, 2.0), (-90, 0, 0, 0, 0, 0, 2)),
        ((1000, 2, (-60, 0, 0, 0), 0, 0, 0.0), (-60, 0, 0, 0, 0, 0, 0)),
        ((206, 2, (7.5, 100, 1, 0), 0, 0, 0.0), (7.5, 0, 1, 0, 0, 0, 0)),
        ((203, 2, (0, 0, 0, 0), 1, 0, 0.0), (0, 0, 0, 0, 1, 0, 0)),
        ((2000, 2, (0, 2, 0, 0), 0, 0, 0.0), (0, 2, 0, 0, 0, 0, 0)),
        ((2001, 2, (0, 0, 0, 0), 0, 0, 0.0), (0, 0, 0, 0, 0, 0, 0)),
        ((207, 2, (1, 0, 0, 0), 0, 0, 0.0), (1, 0, 0, 0, 0, 0, 0)),
        ((93, 2, (5, -1, -1, -1), 0, 0, 0.0), (5, -1, -1, -1, 0, 0, 0)),
        ((19, 3, (4, 0, 0, 0), LAT, LON, 20.0), (4, 0, 1, 0, LAT, LON, 20)),
        ((82, 3, (0, 0, 0, 0), LAT, LON, 20.0), (0, 0, 0, 0, LAT, LON, 20)),
        ((21, 3, (0, 0, 0, 0), LAT, LON, 0.0), (0, 0, 0, 1, LAT, LON, 0)),
        ((177, 2, (1, 2, 0, 0), 0, 0, 0.0), (1, 2, 0, 0, 0, 0, 0)),
    ],
    ids=lambda value: str(value[0]) if len(value) == 6 else "",
)
def test_what_reads_back_of_a_survey_item(ground: Ground, item: tuple, back: tuple) -> None:
    assert ground.upload([HOME_ITEM, waypoint(1), item]) == ACCEPTED
    read = ground.download()[2]
    assert read.command == item[0]
    values = (read.param1, read.param2, read.param3, read.param4, read.x, read.y, read.z)
    assert values == pytest.approx(back, abs=1e-4)


def reached(ground: Ground, seq: int) -> None:
    assert ground.await_message("MISSION_ITEM_REACHED", where=lambda m: m.seq == seq, wait_s=20) is not None


def turns_to(ground: Ground, degrees: float) -> bool:
    """Whether the nose comes to point there before the vehicle goes on."""
    ahead = ground.await_message(
        "GLOBAL_POSITION_INT", where=lambda m: abs((m.hdg / 100 - degrees + 180) % 360 - 180) < 8, wait_s=3.0
    )
    return ahead is not None


def speeds(ground: Ground) -> list[float]:
    return [math.hypot(m.vx, m.vy) / 100 for m in ground.log if m.get_type() == "GLOBAL_POSITION_INT"]


def test_a_ground_speed_and_a_climb_speed_are_kept(fresh: Ground) -> None:
    fresh.wait_ready()
    fresh.command(511, 33, 2e5)
    fresh.quiet()
    slow = (178, 2, (1, 4, 0, 0), 0, 0, 0.0)
    climb = (178, 2, (2, 1, 0, 0), 0, 0, 0.0)
    fly(fresh, [HOME_ITEM, TAKEOFF, slow, climb, waypoint(6, 15), waypoint(6, 25), RETURN])
    reached(fresh, 4)
    assert max(speeds(fresh)) == pytest.approx(4, abs=0.35)
    fresh.log.clear()
    reached(fresh, 5)
    climbs = [-m.vz / 100 for m in fresh.log if m.get_type() == "GLOBAL_POSITION_INT"]
    assert max(climbs) == pytest.approx(1, abs=0.25)
    assert disarmed(fresh, 60.0)


def test_a_mission_left_and_resumed_repeats_a_distance_of_its_path(fresh: Ground) -> None:
    fresh.wait_ready()
    fresh.command(511, 33, 2e5)
    fresh.quiet()
    repeat = (215, 2, (50, 0, 0, 0), 0, 0, 0.0)
    fly(fresh, [HOME_ITEM, TAKEOFF, repeat, waypoint(3, 15), waypoint(30, 15), RETURN])
    reached(fresh, 3)

    def north_m(message: Any) -> float:
        return (message.lat - LAT) * 1e-7 * 111_318.845

    before = fresh.await_message("GLOBAL_POSITION_INT", where=lambda m: north_m(m) > 150, wait_s=20)
    assert fresh.command(176, 1, LOITER) == ACCEPTED
    assert fresh.heartbeat(lambda m: m.custom_mode == LOITER) is not None
    after = fresh.await_message("GLOBAL_POSITION_INT")
    assert fresh.command(176, 1, AUTO) == ACCEPTED
    fresh.log.clear()
    reached(fresh, 3)  # the waypoint behind, though its place is farther back
    back = min(north_m(m) for m in fresh.log if m.get_type() == "GLOBAL_POSITION_INT")
    assert north_m(before) - 50 - 10 < back < north_m(after) - 50 + 10  # left somewhere between
    reached(fresh, 4)


def test_a_yaw_is_held_and_a_region_of_interest_is_looked_at(fresh: Ground) -> None:
    fresh.wait_ready()
    fresh.command(511, 33, 2e5)
    turn = (115, 2, (90, 60, 1, 0), 0, 0, 0.0)
    look_at = (201, 3, (0, 0, 0, 0), LAT + 3000, LON - 6000, 0.0)
    look_on = (201, 3, (0, 0, 0, 0), 0, 0, 0.0)
    stay = 15.0
    items = [HOME_ITEM, TAKEOFF, waypoint(1, 15), turn, waypoint(3, 15, p=(stay, 0, 0, 0)),
             look_at, waypoint(3, 20, p=(stay, 0, 0, 0)), look_on, RETURN]  # fmt: skip
    fly(fresh, items)
    reached(fresh, 2)
    assert turns_to(fresh, 90)
    reached(fresh, 5)  # waypoint 4, by the number of what follows
    assert turns_to(fresh, 270)
    reached(fresh, 7)
    assert disarmed(fresh, 60.0)
    assert {m.seq for m in fresh.log if m.get_type() == "MISSION_ITEM_REACHED"} == {1, 2, 3, 5, 7, 8}
