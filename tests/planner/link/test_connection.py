"""Finding a vehicle over TCP and UDP, failing clearly, and surviving a broken link."""

import hashlib
import os
import select
import socket
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pymavlink import mavutil

from imagery.core.errors import BadInputError, LinkError
from planner.link.connection import mavlink
from planner.link.signing import read_key, timestamp_now
from planner.link.tlog import TelemetryLog
from planner.link.transfer import upload_mission
from planner.link.vehicle import Vehicle, connect
from sitl.autopilot import Copter
from sitl.endpoint import Endpoint, serve
from tests.planner.link.conftest import HOME, survey


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
            upload_mission(vehicle, survey())
        assert (len(copters[0].mission), len(copters[1].mission)) == (0, len(survey().items) + 1)
        elsewhere = connect(f"udpin:127.0.0.1:{port}", system=9, timeout_s=1)
        with pytest.raises(LinkError, match=r"system 9.*--system"), elsewhere:
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


def is_back(vehicle: Vehicle) -> bool:
    """Whether the vehicle is heard, answers, and what was known of it before is still known."""
    answers = vehicle.wait(lambda: vehicle.parameter("WPNAV_SPEED", tries=1) == 700, 15)
    return answers and vehicle.state.mode.name == "STABILIZE" and vehicle.link.broken is None


def test_a_broken_tcp_link_comes_back(endpoint: Endpoint) -> None:
    with connect(endpoint.url) as vehicle:
        vehicle.set_parameter("WPNAV_SPEED", 700)
        endpoint.cut()
        assert vehicle.wait(lambda: vehicle.link.breaks == 1, 5)
        assert is_back(vehicle)


def test_a_tcp_link_that_falls_silent_is_opened_again(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("planner.link.transport._SILENCE_S", 0.5)
    with connect(endpoint.url) as vehicle:
        vehicle.set_parameter("WPNAV_SPEED", 700)
        with endpoint.paused():
            assert vehicle.wait(lambda: vehicle.link.breaks > 0, 5)
        assert is_back(vehicle)


def test_a_vehicle_that_comes_back_from_another_udp_port() -> None:
    port = free_port(socket.SOCK_DGRAM)
    copter = Copter(HOME)
    with connect_later(f"udpin:127.0.0.1:{port}", copter) as (vehicle, first):
        vehicle.set_parameter("WPNAV_SPEED", 700)
        first.stop()
        time.sleep(0.3)
        with serve(copter, f"udp:127.0.0.1:{port}", speedup=20):
            assert is_back(vehicle)


@contextmanager
def connect_later(url: str, copter: Copter) -> Iterator[tuple[Vehicle, Endpoint]]:
    """Listen for a copter that sends to a port."""
    with serve(copter, url.replace("udpin", "udp"), speedup=20) as endpoint, connect(url) as vehicle:
        yield vehicle, endpoint


@pytest.mark.skipif(os.name == "nt", reason="no pseudo-terminals")
def test_a_serial_link_that_is_unplugged_and_plugged_in_again(endpoint: Endpoint, tmp_path: Path) -> None:
    device = tmp_path / "ttyACM0"
    with plugged_in(endpoint.url, device), connect(f"serial:{device},115200") as vehicle:
        vehicle.set_parameter("WPNAV_SPEED", 700)
        upload_mission(vehicle, survey())
        with unplugged(device):
            assert vehicle.wait(lambda: vehicle.link.broken is not None, 5)
        assert is_back(vehicle)


# --- a serial cable: a pseudo-terminal at whose other end the simulator is


_cables: dict[Path, int] = {}


@contextmanager
def plugged_in(url: str, device: Path) -> Iterator[None]:
    stop = threading.Event()
    plug_in(device)
    worker = threading.Thread(target=carry, args=(url, device, stop), daemon=True)
    worker.start()
    try:
        yield
    finally:
        stop.set()
        worker.join()
        os.close(_cables.pop(device))


@contextmanager
def unplugged(device: Path) -> Iterator[None]:
    device.unlink()
    os.close(_cables.pop(device))
    yield
    plug_in(device)


def plug_in(device: Path) -> None:
    import tty  # not on Windows

    ours, theirs = os.openpty()
    tty.setraw(theirs)
    device.symlink_to(os.ttyname(theirs))
    os.close(theirs)
    _cables[device] = ours


def carry(url: str, device: Path, stop: threading.Event) -> None:
    """Carry bytes between the cable, while there is one, and the vehicle."""
    _, host, port = url.split(":")
    with socket.create_connection((host, int(port))) as vehicle:
        while not stop.is_set():
            cable = _cables.get(device)
            try:
                ready = select.select([vehicle, *([] if cable is None else [cable])], [], [], 0.02)[0]
                if vehicle in ready and (data := vehicle.recv(4096)) and cable is not None:
                    os.write(cable, data)
                if cable in ready:
                    vehicle.sendall(os.read(cable, 4096))
            except (OSError, ValueError):
                time.sleep(0.02)  # nobody has opened it yet, or it was pulled just now


# --- signing


def test_a_signed_link_and_what_is_said_without_the_key(tmp_path: Path) -> None:
    key, wrong = tmp_path / "key", tmp_path / "wrong"
    key.write_text("correct horse battery staple\n")
    wrong.write_text("0" * 64)
    with serve(Copter(HOME), speedup=20, radio=True) as endpoint:
        with connect(endpoint.url) as vehicle:
            setup = mavlink.MAVLink_setup_signing_message(1, 1, list(read_key(key)), timestamp_now())
            vehicle.link.send(setup)
            time.sleep(0.2)
        with connect(endpoint.url, signing_key=key) as vehicle:
            upload_mission(vehicle, survey())
        with pytest.raises(LinkError, match="same key"), connect(endpoint.url, signing_key=wrong, timeout_s=1):
            pass
        with pytest.raises(LinkError, match="--signing-key FILE"), connect(endpoint.url):
            pass


def test_files_of_signing_keys(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(bytes(range(32)))
    assert read_key(file) == bytes(range(32))
    file.write_text(bytes(range(32)).hex() + "\n")
    assert read_key(file) == bytes(range(32))
    file.write_text("secret\n")
    assert read_key(file) == hashlib.sha256(b"secret").digest()
    file.write_text(" \n")
    with pytest.raises(BadInputError, match="is empty"):
        read_key(file)
    with pytest.raises(BadInputError, match="cannot be read"):
        read_key(tmp_path / "none")


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
