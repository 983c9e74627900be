"""Whole flights with the command, on the embedded simulator and on a real ArduCopter: killed, taken up, ended by a failsafe."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from imagery.core.photolog import read_photo_log
from planner.formats import qgc_plan
from planner.link.resume import missing
from sitl.ardupilot import ArduPilot, find_binary
from sitl.autopilot import Copter
from sitl.endpoint import serve
from tests.e2e.command import skyrelief
from tests.planner.link.conftest import HOME, survey

SPEEDUP = 20.0
MISSION = survey(3)


@pytest.fixture(params=[pytest.param("embedded", marks=pytest.mark.long), "ardupilot"])
def vehicle(request: pytest.FixtureRequest) -> Iterator[Callable[..., str]]:
    """Starts a vehicle with some parameters; its URL."""
    binary = find_binary()
    if request.param == "ardupilot" and binary is None:
        pytest.skip("no ArduCopter: set SKYRELIEF_ARDUCOPTER to a SITL binary")
    with ExitStack() as stack:

        def start(**parameters: float) -> str:
            served: Any
            if request.param == "embedded" or binary is None:
                served = serve(Copter(HOME, parameters={"CAM1_TYPE": 1, **parameters}), speedup=SPEEDUP)
            else:
                served = ArduPilot(binary, HOME, speedup=SPEEDUP, parameters=parameters)
            return stack.enter_context(served).url

        yield start


@pytest.fixture
def flight(tmp_path: Path) -> Path:
    path = tmp_path / "flight-01.plan"
    qgc_plan.write(MISSION, path)
    return path


def killed_in_flight(flight: Path, url: str, out: Path, photos: int) -> None:
    """Run `skyrelief fly`, and kill it once so many photos are logged."""
    program = [sys.executable, "-m", "planner.app.cli", "fly", str(flight), "--connect", url, "-o", str(out), "--yes"]
    process = subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ))
    log = out / "photos.csv"
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if log.exists() and log.read_text().count("\n") > photos:
            break
        time.sleep(0.01)
    assert process.poll() is None, "it ended before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.wait()


def resumed(flight: Path, url: str, out: Path) -> int:
    """The exit code of `skyrelief resume`; with 0 nothing is missing."""
    done = skyrelief("resume", flight, "--connect", url, "-o", out, "--yes", "--json")
    assert done.returncode in (0, 3), done.stderr
    assert json.loads(done.stdout).get("photos_missing", 0) == 0 or done.returncode == 3
    return done.returncode


def complete(out: Path) -> bool:
    records = read_photo_log(out / "photos.csv")
    return missing(MISSION, records) == [] and [r.seq for r in records] == list(range(1, len(records) + 1))


def test_a_flight_whose_computer_died_is_taken_up_in_the_air(
    vehicle: Callable[..., str], flight: Path, tmp_path: Path
) -> None:
    url = vehicle(FS_GCS_ENABLE=0)
    killed_in_flight(flight, url, tmp_path, 6)
    assert resumed(flight, url, tmp_path) == 0
    assert complete(tmp_path)


def test_a_flight_that_returned_without_its_computer_is_resumed(
    vehicle: Callable[..., str], flight: Path, tmp_path: Path
) -> None:
    url = vehicle(FS_GCS_ENABLE=1, FS_OPTIONS=0)
    killed_in_flight(flight, url, tmp_path, 6)
    time.sleep(1.0)  # longer than FS_GCS_TIMEOUT for the vehicle: it is on its way home
    if resumed(flight, url, tmp_path) == 3:  # taken up on its way home: the rest is for the next battery
        assert resumed(flight, url, tmp_path) == 0
    assert complete(tmp_path)


def test_a_failing_battery_ends_with_3_and_says_how_to_resume(
    vehicle: Callable[..., str], flight: Path, tmp_path: Path
) -> None:
    url = vehicle(BATT_FS_LOW_ACT=2, BATT_LOW_MAH=2950, BATT_LOW_TIMER=1)  # of 3300 mAh
    done = skyrelief("fly", flight, "--connect", url, "-o", tmp_path, "--yes")
    assert done.returncode == 3, done.stderr
    assert "ended early" in done.stdout
    assert "Battery 1 is low" in done.stdout
    assert f"skyrelief resume {flight}" in done.stdout
    assert 0 < len(read_photo_log(tmp_path / "photos.csv")) < 30
