"""Over UDP, where the vehicle speaks first and packets need not arrive."""

from collections.abc import Iterator
from typing import Any

import pytest

from planner.link.connection import Connection
from planner.link.transfer import upload_mission
from planner.link.vehicle import Vehicle
from planner.mission import Home, Mission, MissionItem
from sitl.ardupilot import ArduPilot, find_binary
from sitl.autopilot import Copter
from sitl.endpoint import serve
from tests.sitl.conformance.conftest import HOME, Ground, waypoint


@pytest.fixture(params=["embedded", "ardupilot"])
def udp_url(request: pytest.FixtureRequest, unused_udp_port: int) -> Iterator[str]:
    if request.param == "embedded":
        vehicle: Any = serve(Copter(HOME), f"udp:127.0.0.1:{unused_udp_port}", speedup=10)
    else:
        binary = find_binary()
        if binary is None:
            pytest.skip("no ArduCopter: set SKYRELIEF_ARDUCOPTER to a SITL binary")
        vehicle = ArduPilot(binary, HOME, speedup=10, port=unused_udp_port, udp=True)
    with vehicle:
        yield vehicle.url


@pytest.fixture
def unused_udp_port() -> int:
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def test_a_mission_is_uploaded_and_verified_over_udp(udp_url: str) -> None:
    with Connection(udp_url) as link:
        link.wait_for_vehicle(20.0)
        ground = Ground(link)
        ground.wait_ready()
        places = [waypoint(n % 40, 20) for n in range(100)]
        items = [MissionItem(22, 3, z=20), *(MissionItem(16, 3, z=z, x=x, y=y) for *_, x, y, z in places)]
        upload_mission(Vehicle(link), Mission(Home(HOME.lat_deg, HOME.lon_deg, HOME.alt_amsl_m), tuple(items)))
        assert len(ground.download()) == len(items) + 1
        ground.close()
