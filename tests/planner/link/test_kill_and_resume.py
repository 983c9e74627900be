"""The computer dies in flight, again and again: the survey ends complete, and no photo is lost."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from imagery.core.photolog import read_photo_log
from planner.formats import qgc_plan
from planner.link.flight import flight_photos
from planner.link.resume import missing
from planner.link.tlog import last_message
from planner.link.triggers import planned_photos
from sitl.autopilot import Copter
from sitl.endpoint import Endpoint, serve
from tests.planner.link.conftest import HOME, survey

SPEEDUP = 25.0


def run_until(command: str, flight: Path, endpoint: Endpoint, out: Path, photos: int | None) -> int:
    """Run `skyrelief fly` or `resume`; killed once so many photos were taken in all (None: never). Its exit code."""
    program = [
        sys.executable,
        "-m",
        "planner.app.cli",
        command,
        str(flight),
        "--connect",
        endpoint.url,
        "-o",
        str(out),
        "--yes",
    ]
    process = subprocess.Popen(
        program, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    if photos is not None:
        while process.poll() is None and len(endpoint.copter.exposures) < photos:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    _, said = process.communicate(timeout=120)
    assert "Traceback" not in said, said
    return process.returncode


def change_battery(endpoint: Endpoint) -> None:
    """Once it is down: another battery, where it landed."""
    deadline = time.monotonic() + 60
    while endpoint.copter.armed:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    endpoint.reboot()
    time.sleep(0.1)


def fly_and_die(folder: Path, seed: int) -> tuple[int, int]:
    """One survey with a few deaths of the computer; how often it died, and how many photos were taken."""
    dice = random.Random(seed)
    mission = survey(dice.randint(2, 4), 96.0)
    flight, out = folder / "flight-07.plan", folder / "out"
    qgc_plan.write(mission, flight)
    goes_on = dice.random() < 0.4  # without a ground station
    copter = Copter(HOME, parameters={"CAM1_TYPE": 1, "FS_GCS_ENABLE": 0 if goes_on else 1}, seed=seed)
    deaths = dice.randint(1, 3)
    with serve(copter, speedup=SPEEDUP) as endpoint:
        for death in range(20):
            command = "fly" if death == 0 or not (out / "photos.csv").exists() else "resume"
            left = sum(gap.photos for gap in missing(mission, flight_photos(out / "photos.csv", 7)))
            dies = death < deaths and left > 2
            code = run_until(
                command, flight, endpoint, out, len(copter.exposures) + dice.randint(1, left - 1) if dies else None
            )
            if not dies and code == 0 and not missing(mission, flight_photos(out / "photos.csv", 7)):
                break
            if dice.random() < 0.5 or not goes_on:  # else the vehicle flies on, and is found in flight
                change_battery(endpoint)
        records = read_photo_log(out / "photos.csv")
        assert missing(mission, records) == []
        assert [record.seq for record in records] == list(range(1, len(records) + 1))
        assert {record.flight for record in records} == {7}
        truth = np.array([HOME.offset_to(exposure.reported)[:2] for exposure in copter.exposures])
    from sitl.autopilot import Place

    planned = np.array(
        [HOME.offset_to(Place(p.lat_deg, p.lon_deg, HOME.alt_amsl_m))[:2] for p in planned_photos(mission)]
    )
    logged = np.array([HOME.offset_to(Place(r.lat, r.lon, HOME.alt_amsl_m))[:2] for r in records])
    # Every planned photo exists in truth and in the log, and whatever is in the log was really taken there.
    assert _nearest(planned, truth).max() < 6.0
    assert _nearest(planned, logged).max() < 6.0
    assert _nearest(logged, truth).max() < 6.0
    assert last_message(out / "flight-07.tlog", 180) is not None
    return deaths, len(records)


def _nearest(wanted: np.ndarray, there: np.ndarray) -> np.ndarray:
    return np.min(np.hypot(*(wanted[:, None] - there[None]).transpose(2, 0, 1)), axis=1)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_photo_is_lost_when_the_computer_dies(tmp_path: Path, seed: int) -> None:
    fly_and_die(tmp_path, seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 200))
def test_a_hundred_surveys_with_a_dying_computer(tmp_path: Path, seed: int) -> None:
    fly_and_die(tmp_path, seed)
