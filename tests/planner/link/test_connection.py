"""Finding a vehicle over TCP and UDP, failing clearly, and surviving a broken link."""

import socket
import time
import warnings
from pathlib import Path

import pytest
from pymavlink import mavutil

from imagery.core.errors import BadInputError, LinkError
from planner.link.tlog import TelemetryLog
from planner.link.vehicle import connect
from sitl.autopilot import Copter
from sitl.endpoint import Endpoint, serve
from tests.planner.link.conftest import HOME


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_simulated_vehicle_is_known_as_one(endpoint: Endpoint) -> None:
    with connect(endpoint.url) as vehicle:
        assert vehicle.simulated
        assert vehicle.speedup == 25
        assert vehicle.parameter("WPNAV_SPEED") == 1000
        assert vehicle.parameter("NO_SUCH_THING") is None
        vehicle.set_parameter("WPNAV_SPEED", 700)
        assert vehicle.parameter("WPNAV_SPEED") == 700


def test_udp_in_both_directions() -> None:
    port = free_port(socket.SOCK_DGRAM)
    with serve(Copter(HOME), f"udp:127.0.0.1:{port}", speedup=20), connect(f"udp:127.0.0.1:{port}") as vehicle:
        assert vehicle.simulated
    with serve(Copter(HOME), "udpin:127.0.0.1:0", speedup=20) as served, connect(served.url) as vehicle:
        assert vehicle.simulated


def test_the_vehicle_that_was_asked_for_is_found_among_several() -> None:
    port = free_port(socket.SOCK_DGRAM)
    copters = [Copter(HOME, parameters={"SYSID_THISMAV": number}) for number in (1, 7)]
    with serve(copters[0], f"udp:127.0.0.1:{port}", speedup=5), serve(copters[1], f"udp:127.0.0.1:{port}", speedup=5):
        with connect(f"udpin:127.0.0.1:{port}", system=7) as vehicle:
            assert vehicle.link.target_system == 7
            assert vehicle.wait(lambda: vehicle.link.vehicles == {1, 7}, 5)
        with pytest.raises(LinkError, match="system 9"), connect(f"udpin:127.0.0.1:{port}", system=9, timeout_s=1):
            pass


def test_an_address_where_nothing_answers() -> None:
    with pytest.raises(LinkError, match="nothing answers"), connect(f"tcp:127.0.0.1:{free_port()}"):
        pass
    with (
        pytest.raises(LinkError, match="no heartbeat within 1 s"),
        connect(f"udpin:127.0.0.1:{free_port()}", timeout_s=1),
    ):
        pass


@pytest.mark.parametrize("url", ["", "tcp:", "tcp:host", "tcp:host:x", "udp:1:99999", "ftp:a:1", "/dev/ttyUSB0,fast"])
def test_urls_that_make_no_sense(url: str) -> None:
    with pytest.raises((BadInputError, LinkError), match=r"--connect|pyserial"), connect(url):
        pass


def test_a_broken_link_comes_back(endpoint: Endpoint) -> None:
    with connect(endpoint.url) as vehicle:
        endpoint.cut()
        assert vehicle.wait(lambda: vehicle.link.breaks == 1, 5)
        assert vehicle.wait(lambda: vehicle.link.last_heard > time.monotonic() - 0.2, 5)
        assert vehicle.wait(lambda: vehicle.parameter("WPNAV_SPEED", tries=1) == 1000, 5)


def test_the_telemetry_log_is_read_by_others(endpoint: Endpoint, tmp_path: Path) -> None:
    path = tmp_path / "a.tlog"
    with TelemetryLog(path) as log, connect(endpoint.url, log=log) as vehicle:
        vehicle.parameter("WPNAV_SPEED")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reader = mavutil.mavlink_connection(str(path))
        kinds = set()
        while (message := reader.recv_msg()) is not None:
            kinds.add(message.get_type())
        reader.close()
    assert {"HEARTBEAT", "PARAM_VALUE", "PARAM_REQUEST_READ"} <= kinds
