"""What the autopilot does by itself in trouble, with the firmware's own parameters."""

from itertools import pairwise

import pytest

from tests.sitl.conformance.conftest import HOME_ITEM, Ground, waypoint
from tests.sitl.conformance.test_flight import AUTO, BRAKE, LAND, RETURN, RTL, TAKEOFF, disarmed, fly, fresh

__all__ = ["fresh"]

FAR = [HOME_ITEM, TAKEOFF, waypoint(60, 15), RETURN]


def in_flight(ground: Ground, **parameters: float) -> None:
    """On the way to a far waypoint, with some parameters set before."""
    ground.wait_ready()
    for name, value in parameters.items():
        ground.set_parameter(name, value)
    ground.quiet()
    fly(ground, FAR)
    assert ground.await_message("MISSION_ITEM_REACHED", where=lambda m: m.seq == 1, wait_s=20) is not None


def mode_is(ground: Ground, mode: int, wait_s: float = 10.0) -> bool:
    return ground.heartbeat(lambda m: m.custom_mode == mode, wait_s) is not None


@pytest.mark.parametrize(("action", "mode"), [(2, RTL), (1, LAND), (0, AUTO)])
def test_a_low_battery(fresh: Ground, action: int, mode: int) -> None:
    in_flight(fresh, BATT_FS_LOW_ACT=action, BATT_LOW_TIMER=2, BATT_LOW_VOLT=10.5)
    fresh.set_parameter("SIM_BATT_VOLTAGE", 10.0)
    assert fresh.said("Battery 1 is low", 10.0)
    assert mode_is(fresh, mode)
    if mode != AUTO:
        assert disarmed(fresh, 60.0)
        assert fresh.command(176, 1, 4) == 0
        assert fresh.command(400, 1) != 0  # not again with this battery


@pytest.mark.parametrize(("options", "mode"), [(0, RTL), (2, AUTO)])
def test_a_ground_station_that_falls_silent(fresh: Ground, options: int, mode: int) -> None:
    in_flight(fresh, FS_GCS_ENABLE=1, FS_OPTIONS=options)
    fresh.link.heartbeat_every_s = 1e9
    assert fresh.said("GCS Failsafe", 10.0)
    assert mode_is(fresh, mode)
    fresh.link.heartbeat_every_s = 0.05
    assert fresh.said("GCS Failsafe Cleared", 10.0)


def test_a_silent_ground_station_without_a_failsafe(fresh: Ground) -> None:
    in_flight(fresh, FS_GCS_ENABLE=0)
    fresh.link.heartbeat_every_s = 1e9
    assert not fresh.said("GCS Failsafe", 1.0)
    assert mode_is(fresh, AUTO)


@pytest.mark.parametrize(("action", "mode"), [(0, AUTO), (2, LAND), (4, BRAKE)])
def test_a_breached_fence_is_acted_on(fresh: Ground, action: int, mode: int) -> None:
    settings = {"FENCE_TYPE": 2, "FENCE_RADIUS": 50, "FENCE_ACTION": action, "FENCE_ENABLE": 1}
    in_flight(fresh, **settings)
    assert fresh.said("Circle fence breached", 20.0)
    assert mode_is(fresh, mode)


def positions_north_m(ground: Ground) -> list[float]:
    return [(m.lat - HOME_ITEM[3]) * 1e-7 * 111_318.845 for m in ground.log if m.get_type() == "GLOBAL_POSITION_INT"]


def largest_step_m(ground: Ground) -> float:
    """Of the positions reported five times in a second, at 10 m/s."""
    return max(abs(b - a) for a, b in pairwise(positions_north_m(ground)))


def test_a_gps_glitch_is_rejected_and_then_believed(fresh: Ground) -> None:
    fresh.command(511, 33, 2e5)
    in_flight(fresh)
    fresh.log.clear()
    fresh.set_parameter("SIM_GPS1_GLTCH_X", 40 / 111_318.845)
    assert fresh.said("GPS Glitch or Compass error", 10.0)
    assert largest_step_m(fresh) < 8
    seen = positions_north_m(fresh)[-1]
    jumped = fresh.await_message(
        "GLOBAL_POSITION_INT",
        where=lambda m: largest_step_m(fresh) > 20,
        wait_s=10.0,
    )
    assert jumped is not None
    assert positions_north_m(fresh)[-1] > seen
    assert mode_is(fresh, AUTO)


def test_a_short_gps_glitch_passes_unseen(fresh: Ground) -> None:
    fresh.command(511, 33, 2e5)
    in_flight(fresh)
    fresh.log.clear()
    fresh.set_parameter("SIM_GPS1_GLTCH_X", 40 / 111_318.845)
    assert fresh.said("GPS Glitch or Compass error", 10.0)
    fresh.set_parameter("SIM_GPS1_GLTCH_X", 0)
    assert fresh.said("Glitch cleared", 20.0)
    assert largest_step_m(fresh) < 8
    assert mode_is(fresh, AUTO)


def test_without_gps_it_lands(fresh: Ground) -> None:
    in_flight(fresh)
    fresh.set_parameter("SIM_GPS1_ENABLE", 0)
    assert mode_is(fresh, LAND, 20.0)
    assert disarmed(fresh, 60.0)
