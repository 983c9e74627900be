"""Fifty missions in a row on one simulated vehicle and one connection: nothing grows."""

import gc
import math
import os
import threading
import tracemalloc
from pathlib import Path

import pytest

from planner.link.transfer import upload_mission
from planner.link.vehicle import Vehicle, connect
from sitl.autopilot import Copter
from sitl.endpoint import Endpoint, serve
from tests.planner.link.conftest import HOME, survey

SPEEDUP = 60


def open_files() -> int:
    folder = Path("/proc/self/fd")
    return len(os.listdir(folder)) if folder.is_dir() else 0  # noqa: PTH208


def fly(vehicle: Vehicle, endpoint: Endpoint, number: int) -> None:
    """One whole mission: upload with read-back, arm, start, land."""
    mission = survey(lines=1, length_m=44 + number % 3, every_m=10)
    before = len(endpoint.exposures)
    upload_mission(vehicle, mission)
    vehicle.set_mode("GUIDED")
    vehicle.arm()
    vehicle.start_mission()
    assert vehicle.wait(lambda: not vehicle.state.armed, 60)
    assert len(endpoint.exposures) - before == 5
    assert math.hypot(*HOME.offset_to(endpoint.copter.place)[:2]) < 5  # each lands some centimetres beside its home


def soak(missions: int) -> tuple[int, int, int]:
    """Fly missions; how much memory (bytes), threads and open files grew from the fifth to the last."""
    copter = Copter(HOME, parameters={"CAM1_TYPE": 1, "BATT_CAPACITY": 0})
    with serve(copter, speedup=SPEEDUP) as endpoint, connect(endpoint.url) as vehicle:
        vehicle.request_message(33, 5)
        assert vehicle.wait(lambda: copter.ready, 30)
        tracemalloc.start()
        try:
            for number in range(missions):
                fly(vehicle, endpoint, number)
                if number == min(4, missions - 2):
                    gc.collect()
                    memory, threads, files = tracemalloc.get_traced_memory()[0], threading.active_count(), open_files()
            gc.collect()
            grown = tracemalloc.get_traced_memory()[0] - memory
        finally:
            tracemalloc.stop()
        return grown, threading.active_count() - threads, open_files() - files


def test_missions_in_a_row_leave_nothing_behind() -> None:
    memory, threads, files = soak(2)
    assert (threads, files) == (0, 0)
    assert memory < 1_000_000


@pytest.mark.long
def test_fifty_missions_in_a_row_leave_nothing_behind() -> None:
    memory, threads, files = soak(50)
    print(f"50 missions: {memory / 1000:+.0f} kB, {threads:+d} threads, {files:+d} open files")
    assert (threads, files) == (0, 0)
    assert memory < 2_000_000
