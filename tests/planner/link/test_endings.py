"""How a flight ends: by its mission, by a failsafe, or for whoever was watching it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from imagery.core.photolog import read_photo_log
from planner.formats import qgc_plan
from planner.link.flight import fly
from planner.link.resume import remaining
from planner.link.status import Status
from sitl.endpoint import Endpoint
from tests.e2e.command import skyrelief
from tests.planner.link.conftest import survey


@pytest.mark.parametrize("why", ["battery", "fence", "switched"])
def test_a_flight_that_ends_early_says_why(endpoint: Endpoint, tmp_path: Path, why: str) -> None:
    mission = survey()
    done = False

    def trouble(status: Status) -> None:
        nonlocal done
        if status.photos < 8 or done:
            return
        done = True
        with endpoint.paused() as copter:
            if why == "battery":
                copter.parameters.set("BATT_FS_LOW_ACT", 2)
                copter.parameters.set("SIM_BATT_VOLTAGE", 9.9)
            elif why == "fence":
                copter.parameters.set("FENCE_ALT_MAX", 20)
                copter.parameters.set("FENCE_ENABLE", 1)
            else:
                from sitl.autopilot.state import Mode

                copter.set_mode(Mode.LAND)

    log = fly(mission, endpoint.url, tmp_path, confirm=lambda: True, on_event=trouble)
    said = {"battery": "Battery 1 is low", "fence": "fence breached", "switched": "switched to LAND"}
    assert said[why] in log.ended_early
    assert 0 < log.photos_missing < 30
    rest = remaining(mission, read_photo_log(log.photo_log))
    assert rest is not None
    with endpoint.paused() as copter:
        for name, value in (("SIM_BATT_VOLTAGE", 12.6), ("FENCE_ENABLE", 0)):
            copter.parameters.set(name, value)
    endpoint.reboot()
    time.sleep(0.1)
    log = fly(rest, endpoint.url, tmp_path, confirm=lambda: True, survey=mission)
    assert log.ended_early == ""
    assert log.photos_missing == 0
    records = read_photo_log(log.photo_log)
    assert [record.seq for record in records] == list(range(1, len(records) + 1))


def test_the_command_ends_with_3_and_says_how_to_resume(endpoint: Endpoint, tmp_path: Path) -> None:
    flight, out = tmp_path / "flight-01.plan", tmp_path / "out"
    qgc_plan.write(survey(2), flight)

    def fail() -> None:
        while len(endpoint.exposures) < 5:
            time.sleep(0.01)
        with endpoint.paused() as copter:
            copter.parameters.set("BATT_FS_LOW_ACT", 2)
            copter.parameters.set("SIM_BATT_VOLTAGE", 9.9)

    failing = threading.Thread(target=fail, daemon=True)
    failing.start()
    done = skyrelief("fly", flight, "--connect", endpoint.url, "-o", out, "--yes")
    failing.join(1)
    assert done.returncode == 3, done.stderr
    assert "ended early" in done.stdout
    assert "Battery 1 is low" in done.stdout
    assert f"skyrelief resume {flight}" in done.stdout


def test_ctrl_c_commands_nothing_and_says_what_happens_now(endpoint: Endpoint, tmp_path: Path) -> None:
    flight, out = tmp_path / "flight-01.plan", tmp_path / "out"
    qgc_plan.write(survey(2), flight)
    program = [
        sys.executable,
        "-m",
        "planner.app.cli",
        "fly",
        str(flight),
        "--connect",
        endpoint.url,
        "-o",
        str(out),
        "--yes",
    ]
    process = subprocess.Popen(program, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
    while len(endpoint.exposures) < 4 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    assert "the vehicle was told nothing" in said
    assert "the mission goes on without a ground station" in said
    assert "FS_GCS_ENABLE 0" in said
    assert endpoint.copter.mode.name == "AUTO"
    found = skyrelief(
        "resume", flight, "--connect", endpoint.url, "-o", out, "--yes", "--json"
    )  # still flying, or just down
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["missing"] == 0
    assert len(read_photo_log(out / "photos.csv")) == len(endpoint.exposures)


def test_nothing_missing_is_no_flight(endpoint: Endpoint, tmp_path: Path) -> None:
    flight = tmp_path / "flight-01.plan"
    qgc_plan.write(survey(1), flight)
    assert fly(survey(1), endpoint.url, tmp_path, confirm=lambda: True).photos_missing == 0
    done = skyrelief("resume", flight, "--connect", "tcp:127.0.0.1:9", "-o", tmp_path, "--yes", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"missing": 0, "flown": False}
