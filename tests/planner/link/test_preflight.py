"""What the preflight table says of a vehicle and a mission."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from planner.app.flights import drone_beside
from planner.drone import Drone, find_drone
from planner.link.ground import Ground
from planner.link.lostlink import LostLink
from planner.link.preflight import Check, Verdict, preflight
from planner.link.status import request_streams
from planner.link.vehicle import Vehicle, connect
from planner.mission import FencePolygon, Mission, MissionItem
from sitl.endpoint import Endpoint
from tests.planner.link.conftest import HOME, degrees, survey, waypoint


@pytest.fixture
def vehicle(endpoint: Endpoint) -> Iterator[Vehicle]:
    with connect(endpoint.url) as connected:
        request_streams(connected)
        yield connected


def table(
    vehicle: Vehicle, mission: Mission, ground: Ground | None = None, drone: Drone | None = None
) -> dict[str, Check]:
    return {check.name: check for check in preflight(vehicle, mission, wait_s=10, ground=ground, drone=drone)}


def test_what_is_wrong_is_said_with_what_to_do(vehicle: Vehicle, endpoint: Endpoint) -> None:
    found = table(vehicle, survey())
    assert {name for name, check in found.items() if check.verdict is Verdict.FAIL} == set()
    assert found["fence"].verdict is Verdict.WARN
    assert "BATT_FS_LOW_ACT" in found["failsafes"].finding
    assert "CAM_AUTO_ONLY" in found["camera"].finding
    assert found["terrain"].verdict is Verdict.WARN

    with endpoint.paused() as copter:
        settings = {
            "FENCE_ENABLE": 1,
            "FENCE_ALT_MAX": 30,
            "CAM1_INTRVAL_MIN": 5,
            "BATT_FS_LOW_ACT": 2,
            "CAM_AUTO_ONLY": 1,
        }
        for name, value in settings.items():
            copter.parameters.set(name, value)
        copter.battery.used_mah = 0.9 * copter.parameters["BATT_CAPACITY"]
    assert vehicle.wait(lambda: vehicle.state.battery.level == 10, 5)
    found = table(vehicle, survey())
    failed = {name: check.finding for name, check in found.items() if check.verdict is Verdict.FAIL}
    assert set(failed) == {"fence", "camera", "battery"}
    assert "FENCE_ALT_MAX 30 m" in failed["fence"]
    assert "CAM1_INTRVAL_MIN" in failed["camera"]
    assert all(check.advice for check in found.values() if check.verdict is not Verdict.PASS)
    assert found["failsafes"].verdict is Verdict.PASS


def test_endurance_and_wind_limit_are_those_of_the_drone_planned_for(
    vehicle: Vehicle, endpoint: Endpoint, tmp_path: Path
) -> None:
    assert drone_beside(tmp_path / "flight-01.plan") is None
    frail = replace(find_drone("generic-arducopter"), endurance_min=4.0, wind_limit_m_s=5.0)
    (tmp_path / "summary.json").write_text(json.dumps({"request": {"drone_figures": asdict(frail)}}))
    assert drone_beside(tmp_path / "flight-01.plan") == frail
    with endpoint.paused() as copter:
        copter.parameters.set("SIM_WIND_SPD", 6.0)
        copter.battery.used_mah = 0.2 * copter.parameters["BATT_CAPACITY"]
    assert vehicle.wait(lambda: vehicle.state.battery.level == 80, 5)
    usual, planned = table(vehicle, survey()), table(vehicle, survey(), drone=frail)
    assert (usual["battery"].verdict, planned["battery"].verdict) == (Verdict.PASS, Verdict.FAIL)
    assert "of 4 min" in planned["battery"].finding
    assert (usual["wind"].verdict, planned["wind"].verdict) == (Verdict.PASS, Verdict.FAIL)
    assert "5 m/s" in planned["wind"].advice


def test_the_way_home_over_a_no_fly_zone_and_over_a_hill(vehicle: Vehicle) -> None:
    zone = FencePolygon(tuple(degrees(e, n) for e, n in ((-10, 60), (60, 60), (60, 70), (-10, 70))), False)
    around = [MissionItem(22, 3, z=40.0), waypoint(90, 20), waypoint(90, 120), waypoint(20, 120), waypoint(90, 120)]
    mission = replace(survey(), items=(*around, waypoint(90, 20), MissionItem(20, 2)), rally=(), fence=(zone,))
    found = table(vehicle, mission)
    assert found["way home"].verdict is Verdict.WARN
    assert "no-fly" in found["way home"].finding

    def hill(height_m: float) -> Ground:
        (lat, lon) = degrees(45, 60)
        return Ground.around(HOME.lat_deg, HOME.lon_deg, [(lon, lat, HOME.alt_amsl_m + height_m)], HOME.alt_amsl_m)

    free = replace(mission, fence=())
    assert table(vehicle, free, hill(10))["way home"].verdict is Verdict.PASS
    high = table(vehicle, free, hill(38))
    assert high["way home"].verdict is Verdict.FAIL
    assert "RTL_ALT" in high["way home"].advice
    low = table(vehicle, survey(), Ground.around(HOME.lat_deg, HOME.lon_deg, [(*degrees(20, 80)[::-1], 480.0)], 450.0))
    assert low["terrain"].verdict is Verdict.FAIL
    assert "10 m" in low["terrain"].finding


@pytest.mark.parametrize(
    ("enable", "options", "said", "goes_on"),
    [
        (0, 16, "goes on", True),
        (1, 16, "returns home", False),
        (1, 18, "goes on", True),
        (5, 0, "lands where it is", False),
        (None, 0, "not known", False),
    ],
)
def test_what_a_vehicle_does_without_a_ground_station(
    enable: int | None, options: int, said: str, goes_on: bool
) -> None:
    settings = LostLink(enable, options, 5.0)
    assert said in str(settings)
    assert settings.mission_goes_on is goes_on
