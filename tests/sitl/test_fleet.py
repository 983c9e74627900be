"""Several vehicles at once, on worlds, behind bad links; and the fixtures for other projects."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from imagery.core.errors import BadInputError, LinkError
from imagery.core.frame import LocalFrame
from planner.link.vehicle import connect
from sitl.ardupilot import ArduPilot, find_binary
from sitl.autopilot import Place
from sitl.endpoint import Endpoint
from sitl.faults import FAULTS, LinkFaults, bad_link, link_faults, parse_fault
from sitl.fleet import parse_home, start_fleet
from sitl.pytest_plugin import embedded_sitl  # noqa: F401 - a fixture
from sitl.world import Home
from tests.planner.link.test_connection import free_port


def test_several_vehicles_stand_side_by_side() -> None:
    with ExitStack() as stack:
        urls = start_fleet(stack, home="47.4,8.5,450,90", instances=3, speedup=20, first_port=free_port())
        places = []
        for number, url in enumerate(urls, 1):
            with connect(url) as vehicle:
                assert vehicle.link.target_system == number
                vehicle.request_message(33, 10)
                assert vehicle.wait(lambda vehicle=vehicle: bool(vehicle.state.location.global_frame.lat), 10)
                place = vehicle.state.location.global_frame
                places.append(Place(place.lat, place.lon))
        assert [round(places[0].offset_to(place)[0]) for place in places] == [0, 5, 10]


def test_a_vehicle_stands_on_its_world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    slope = SimpleNamespace(
        frame=LocalFrame(13.09, 42.79),
        home=Home(13.09, 42.79, 231.5),
        height_at=lambda east, north: np.asarray(231.5 + np.asarray(north) / 10),
    )
    monkeypatch.setattr("sitl.world.World.load", lambda folder: slope)
    with ExitStack() as stack:
        (url,) = start_fleet(stack, world=tmp_path, speedup=20, first_port=free_port())
        with connect(url) as vehicle:
            home = vehicle.request_once(242, "HOME_POSITION")
            assert home is not None
            assert home.altitude / 1000 == pytest.approx(231.5, abs=0.1)
            assert home.latitude / 1e7 == pytest.approx(42.79, abs=1e-6)


def test_a_link_fault_is_put_before_the_vehicle() -> None:
    with ExitStack() as stack:
        port = free_port()
        (url,) = start_fleet(stack, speedup=20, first_port=port, faults=["packet-loss=0.2", "latency=0.05"])
        assert url.endswith(f":{port}")
        with connect(url) as vehicle:
            assert vehicle.round_trip_s >= 0.1
            assert vehicle.parameter("CAM1_TYPE") == 1


@pytest.mark.parametrize("name", list(FAULTS))
def test_every_fault_has_a_name(name: str) -> None:
    assert parse_fault(name).value == FAULTS[name][0]
    assert parse_fault(f"{name}=3@60").at_s == 60


@pytest.mark.parametrize("text", ["", "bad-luck", "latency=much", "latency@later"])
def test_faults_that_are_none(text: str) -> None:
    with pytest.raises(BadInputError, match="--fault"):
        parse_fault(text)


def test_link_faults_are_gathered() -> None:
    found = link_faults([parse_fault("packet-loss"), parse_fault("gps-loss"), parse_fault("latency=2")], seed=4)
    assert found == LinkFaults(loss=0.3, latency_s=2.0, seed=4)
    assert link_faults([parse_fault("gps-loss")]) is None


@pytest.mark.parametrize("text", ["", "here", "1,2", "91,0,0,0", "1,2,3,4,5"])
def test_homes_that_are_none(text: str) -> None:
    with pytest.raises(BadInputError, match="--home"):
        parse_home(text)


def test_the_fixture_for_other_projects(embedded_sitl: Callable[..., Endpoint]) -> None:  # noqa: F811
    first, second = embedded_sitl(speedup=20), embedded_sitl(Place(1.0, 2.0, 3.0), speedup=20)
    for endpoint in (first, second):
        with connect(endpoint.url) as vehicle:
            assert vehicle.simulated
    assert second.copter.home.lat_deg == pytest.approx(1.0)


def test_a_proxy_outlives_its_clients(embedded_sitl: Callable[..., Endpoint]) -> None:  # noqa: F811
    with bad_link(embedded_sitl(speedup=20).url, LinkFaults()) as url:
        for _ in range(2):
            with connect(url) as vehicle:
                assert vehicle.simulated


def test_a_program_that_is_no_ardupilot(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"cannot be run|not a program"):
        find_binary(tmp_path / "missing")
    fake = tmp_path / "arducopter"
    fake.write_text("#!/bin/sh\necho no such model\nexit 1\n")
    fake.chmod(0o755)
    with pytest.raises(LinkError, match="no such model"), ArduPilot(fake, Place(0, 0)):
        pass


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("real", [False, True], ids=["embedded", "ardupilot"])
def test_several_are_stopped_with_nothing_left_running(how: signal.Signals, real: bool, tmp_path: Path) -> None:
    binary = find_binary() if real else None
    if real and binary is None:
        pytest.skip("no ArduCopter: set SKYRELIEF_ARDUCOPTER to a SITL binary")
    command = [sys.executable, "-m", "planner.app.cli", "sitl", "--instances", "2", "--port", str(free_port())]
    command += ["--ardupilot", str(binary)] if real else []
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as run:
        assert run.stdout is not None
        urls = [run.stdout.readline().strip() for _ in range(2)]
        for number, url in enumerate(urls, 1):
            with connect(url) as vehicle:
                assert vehicle.link.target_system == number
        run.send_signal(how)
        assert run.wait(20) == 0
    assert not list(tmp_path.iterdir())
    for url in urls:
        with pytest.raises(LinkError, match="nothing answers"), connect(url):
            pass
