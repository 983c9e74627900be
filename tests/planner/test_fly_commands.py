"""`skyrelief upload`, `fly`, `watch` and `sitl` as a user runs them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagery.core.errors import BadInputError
from imagery.core.photolog import read_photo_log
from planner.app.flights import flight_number, read_flight
from planner.formats import qgc_plan, waypoints
from tests.e2e.command import skyrelief
from tests.planner.link.conftest import HOME, survey
from tests.planner.link.test_connection import free_port


@pytest.fixture
def simulator(request: pytest.FixtureRequest) -> Iterator[str]:
    """`skyrelief sitl` in a process of its own; the URL that it prints."""
    extra = getattr(request, "param", [])
    home = f"{HOME.lat_deg},{HOME.lon_deg},{HOME.alt_amsl_m},0"
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "planner.app.cli",
            "sitl",
            "--home",
            home,
            "--speedup",
            "20",
            "--port",
            str(free_port()),
            *extra,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    yield process.stdout.readline().strip()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "simulation ended" in said
    assert "Traceback" not in said


@pytest.fixture
def flight(tmp_path: Path) -> Path:
    path = tmp_path / "flight-03.plan"
    qgc_plan.write(survey(2), path)
    return path


def test_upload_watch_and_fly(simulator: str, flight: Path, tmp_path: Path) -> None:
    done = skyrelief("upload", flight, "--connect", simulator, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verified"] is True
    done = skyrelief("watch", "--connect", simulator, "--seconds", "0.5", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["mode"] == "STABILIZE"
    out = tmp_path / "flights"
    done = skyrelief("fly", flight, "--connect", simulator, "-o", out, "--yes", "--json")
    assert done.returncode == 0, done.stderr
    assert "PASS  camera" in done.stderr
    result = json.loads(done.stdout)
    records = read_photo_log(out / "photos.csv")
    assert result["photos"] == result["photos_planned"] == len(records) > 10
    assert {record.flight for record in records} == {3}
    assert (out / "flight-03.tlog").stat().st_size > 1000
    again = skyrelief("fly", flight, "--connect", simulator, "-o", out, "--yes")
    assert again.returncode == 2 and "flight 3 already" in again.stderr
    assert read_photo_log(out / "photos.csv") == records


@pytest.mark.parametrize("simulator", [["--fault", "refuse-arming"]], indirect=True)
def test_a_vehicle_that_refuses_to_arm_is_not_flown(simulator: str, flight: Path, tmp_path: Path) -> None:
    done = skyrelief("fly", flight, "--connect", simulator, "-o", tmp_path / "out", "--yes", "--ready-timeout", "2")
    assert done.returncode == 3
    assert "Compass not healthy" in done.stderr
    assert done.stderr.count("Traceback") == 0


def test_flying_asks_first(flight: Path) -> None:
    done = skyrelief("fly", flight, "--connect", "tcp:127.0.0.1:9")
    assert done.returncode == 2
    assert "--yes" in done.stderr


def test_an_unreachable_vehicle(flight: Path) -> None:
    start = time.monotonic()
    done = skyrelief("upload", flight, "--connect", f"tcp:127.0.0.1:{free_port()}")
    assert done.returncode == 3
    assert "nothing answers" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert time.monotonic() - start < 20


def test_what_is_no_flight(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"x")
    with pytest.raises(BadInputError, match="not a flight"):
        read_flight(tmp_path / "photo.jpg")
    done = skyrelief("upload", tmp_path / "missing.plan", "--connect", "tcp:127.0.0.1:9")
    assert done.returncode == 2
    assert "no such file" in done.stderr


def test_waypoint_files_fly_too(tmp_path: Path) -> None:
    path = tmp_path / "flight-02.waypoints"
    waypoints.write(survey(1), path)
    assert len(read_flight(path).items) == len(survey(1).items)
    assert flight_number(path) == 2
