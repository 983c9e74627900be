"""A survey flown on the simulated vehicle: every photo is logged where it was taken."""

from pathlib import Path

import numpy as np
import pytest

from imagery.core.errors import LinkError
from imagery.core.photolog import read_photo_log
from planner.link.flight import fly
from planner.link.status import Status
from planner.link.triggers import planned_photos
from sitl.autopilot import Place
from sitl.endpoint import Endpoint
from tests.planner.link.conftest import HOME, survey


def test_a_survey_is_flown_and_every_photo_logged(endpoint: Endpoint, tmp_path: Path) -> None:
    mission = survey()
    seen: list[Status] = []
    log = fly(mission, endpoint.url, tmp_path, confirm=lambda: True, flight=2, on_event=seen.append)

    records = read_photo_log(log.photo_log)
    truth = endpoint.exposures
    assert log.flown
    assert not endpoint.copter.armed
    assert endpoint.copter.landed
    assert log.photos == len(records) == len(truth) == len(planned_photos(mission)) == log.photos_planned
    for record, exposure in zip(records, truth, strict=True):
        assert record.lat == pytest.approx(exposure.place.lat_deg, abs=2e-7)
        assert record.lon == pytest.approx(exposure.place.lon_deg, abs=2e-7)
        assert record.alt_amsl_m == pytest.approx(exposure.place.alt_amsl_m, abs=0.01)
        assert record.yaw_deg == pytest.approx(exposure.attitude.yaw_deg, abs=0.01)
        assert record.time_utc is not None
        assert abs((record.time_utc - exposure.time_utc).total_seconds()) < 0.002
        assert record.flight == 2
    for planned, exposure in zip(planned_photos(mission), truth, strict=True):
        off = HOME.offset_to(exposure.place) - HOME.offset_to(Place(planned.lat_deg, planned.lon_deg, HOME.alt_amsl_m))
        assert np.hypot(off[0], off[1]) < 3.5
    assert max(status.photos for status in seen) == log.photos
    assert log.telemetry.stat().st_size > 1000


def test_nothing_is_armed_without_a_yes(endpoint: Endpoint, tmp_path: Path) -> None:
    log = fly(survey(), endpoint.url, tmp_path, confirm=lambda: False)
    assert not log.flown
    assert not endpoint.copter.armed
    assert len(endpoint.copter.mission) == len(survey().items) + 1


def test_a_camera_that_would_take_no_photo_stops_the_flight(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.copter.parameters.set("CAM1_TYPE", 0)
    with pytest.raises(LinkError, match="CAM1_TYPE"):
        fly(survey(), endpoint.url, tmp_path, confirm=lambda: True)


def test_a_real_vehicle_is_not_armed_without_leave(
    endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("planner.link.vehicle.Vehicle.simulated", False)
    with pytest.raises(LinkError, match="--arm"):
        fly(survey(), endpoint.url, tmp_path, confirm=lambda: True)
    assert endpoint.copter.took_off_s is None


def test_another_autopilot_is_not_flown(endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("planner.link.vehicle.Vehicle.ardupilot", False)
    with pytest.raises(LinkError, match="not ArduPilot"):
        fly(survey(), endpoint.url, tmp_path, confirm=lambda: True)
