"""The simulated vehicle on the network: TCP or UDP, in its own thread, in (sped-up) simulated time.

with serve(Copter(Place(47.4, 8.5, 450.0)), "tcp:127.0.0.1:0", speedup=10) as endpoint:
    connect(endpoint.url)
"""

import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from imagery.core.errors import BadInputError
from sitl.autopilot.copter import STEP_S, Copter
from sitl.autopilot.state import Exposure, ItemReached, Text
from sitl.protocol.commands import CommandServer, ParameterServer
from sitl.protocol.missions import MissionServer
from sitl.protocol.peer import Peer, mavlink
from sitl.protocol.signing import set_up_signing
from sitl.protocol.telemetry import Telemetry, message_of

__all__ = ["Endpoint", "serve"]

_MOST_BEHIND_S = 0.2  # wall time the simulation may lag before it slows down instead of catching up
_STEPS_AT_ONCE = 25
_HOME_POSITION = 242


def serve(
    copter: Copter, address: str = "tcp:127.0.0.1:0", *, speedup: float | None = None, radio: bool = False
) -> "Endpoint":
    """Put a copter on the network; use as a context manager, which stops it.

    `address`: tcp:HOST:PORT listens (port 0: any free one), udp:HOST:PORT sends there, udpin:HOST:PORT waits
    for a ground station.
    `speedup` sets SIM_SPEEDUP. `radio`: the port is a radio's, not the board's USB: with a signing key it refuses unsigned
    messages. As with the real simulator, a TCP vehicle boots when its first client connects. Raises
    BadInputError for an address that cannot be used.
    """
    if speedup is not None:
        copter.parameters.set("SIM_SPEEDUP", speedup)
    return Endpoint(copter, _open(address), radio=radio)


class Endpoint:
    """A served copter.

    Attributes: copter: the vehicle; url: what to connect to. `exposures` are the true poses of the photos taken so far.
    """

    def __init__(self, copter: Copter, port: "_Port", *, radio: bool = False) -> None:
        self.copter = copter
        self._radio = radio
        self.url = port.url
        self._port = port
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._reboot = False
        self._outbox = bytearray()
        self._parser = mavlink.MAVLink(None)
        self._parser.robust_parsing = True
        self._begin()
        self._thread = threading.Thread(target=self._run, name=f"copter at {self.url}", daemon=True)

    def _begin(self) -> None:
        self._peer = Peer(self.copter, self._outbox.extend)
        self._peer.mav.signing = self._parser.signing  # one key and one clock for both ways
        self._telemetry = Telemetry(self._peer)
        self._missions = MissionServer(self._peer)
        self._commands = CommandServer(self._peer, self._telemetry, self.reboot)
        self._parameters = ParameterServer(self._peer, self._parameter_changed)
        self._home = self.copter.home if self.copter.home_is_set else None

    @property
    def exposures(self) -> list[Exposure]:
        """The true poses of the photos taken so far."""
        return list(self.copter.exposures)

    def reboot(self) -> None:
        """Restart the autopilot at its next step: requests of streams are forgotten, parameters and missions kept."""
        self._reboot = True

    @contextmanager
    def paused(self) -> Iterator[Copter]:
        """Hold the simulation still while its state is read or changed from another thread."""
        with self._lock:
            yield self.copter

    def cut(self) -> None:
        """Break the connection as a pulled cable does; a TCP ground station can connect again."""
        self._port.cut()

    def start(self) -> Self:
        """Start serving."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop serving and close the port."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._port.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- the loop

    def _run(self) -> None:
        while not self._stop.is_set() and not self._port.ready(0.05):
            pass
        due = time.monotonic()
        while not self._stop.is_set():
            step_wall_s = STEP_S / max(self.copter.parameters["SIM_SPEEDUP"], 0.01)
            self._receive(max(due - time.monotonic(), 0.0))
            now = time.monotonic()
            due = max(due, now - _MOST_BEHIND_S)
            for _ in range(_STEPS_AT_ONCE):
                if due > now:
                    break
                with self._lock:
                    self._step()
                due += step_wall_s
            self._flush()

    def _step(self) -> None:
        copter = self.copter
        if self._reboot:
            self._reboot = False
            copter.boot()
            self._begin()
        copter.step()
        while copter.events:
            self._announce(copter.events.popleft())
        if copter.home_is_set and copter.home is not self._home:
            self._home = copter.home
            self._peer.send(message_of(_HOME_POSITION, copter))
        self._missions.tick()
        self._parameters.tick()
        self._telemetry.tick()

    def _receive(self, wait_s: float) -> None:
        data = self._port.read(wait_s)
        if not data:
            return
        try:
            messages = self._parser.parse_buffer(data) or []
        except mavlink.MAVError:
            return
        with self._lock:
            for message in messages:
                self._handle(message)
        self._flush()

    def _flush(self) -> None:
        if self._outbox:
            self._port.write(bytes(self._outbox))
            self._outbox.clear()

    def _handle(self, message: Any) -> None:
        kind = message.get_type()
        if kind == "BAD_DATA" or not self._peer.is_for_me(message):
            return
        if kind.startswith("MISSION_"):
            self._missions.handle(message)
        elif kind == "HEARTBEAT":
            if message.get_srcSystem() == int(self.copter.parameters["SYSID_MYGCS"]):
                self.copter.failsafes.hear_ground_station()
        elif kind == "SETUP_SIGNING":
            set_up_signing(self.copter, self._parser.signing, message, radio=self._radio)
        elif kind == "REQUEST_DATA_STREAM":
            self._telemetry.request_stream(message.req_stream_id, message.req_message_rate, bool(message.start_stop))
        elif kind in ("COMMAND_LONG", "COMMAND_INT", "SET_MODE"):
            getattr(self._commands, kind.lower())(message)
        elif kind in ("PARAM_REQUEST_LIST", "PARAM_REQUEST_READ", "PARAM_SET"):
            getattr(self._parameters, kind.lower())(message)
        elif kind == "RC_CHANNELS_OVERRIDE" and message.chan3_raw not in (0, 0xFFFF):
            self.copter.throttle_pwm = message.chan3_raw
        elif kind == "TIMESYNC" and message.tc1 == 0:
            self._peer.send(mavlink.MAVLink_timesync_message(round(self.copter.time_s * 1e9), message.ts1))
        elif kind == "FILE_TRANSFER_PROTOCOL":
            self._peer.send(_no_such_file(message))
        elif kind == "PING":
            self._peer.send(mavlink.MAVLink_ping_message(message.time_usec, message.seq, *_sender(message)))

    def _announce(self, event: Any) -> None:
        if isinstance(event, Text):
            self._peer.say(event.severity, event.text)
        elif isinstance(event, ItemReached):
            self._peer.send(mavlink.MAVLink_mission_item_reached_message(event.seq))
        elif isinstance(event, Exposure):
            self._peer.send(_camera_feedback(event))

    def _parameter_changed(self, name: str, value: float) -> None:
        if name == "SYSID_THISMAV":
            self._peer.mav.srcSystem = int(value)


def _sender(message: Any) -> tuple[int, int]:
    return message.get_srcSystem(), message.get_srcComponent()


def _no_such_file(message: Any) -> Any:
    """The answer to any MAVFTP request: there are no files, and clients fall back to the other protocols at once."""
    asked = bytes(message.payload)
    sequence = (int.from_bytes(asked[:2], "little") + 1) % 65536
    nak, file_not_found = 129, 10
    head = sequence.to_bytes(2, "little") + bytes([asked[2], nak, 1, asked[3], 0, 0, 0, 0, 0, 0, file_not_found])
    return mavlink.MAVLink_file_transfer_protocol_message(0, *_sender(message), head.ljust(251, b"\0"))


def _camera_feedback(photo: Exposure) -> Any:
    place, attitude = photo.reported, photo.attitude
    return mavlink.MAVLink_camera_feedback_message(
        round(photo.time_utc.timestamp() * 1e6), 1, 0, photo.index,
        round(place.lat_deg * 1e7), round(place.lon_deg * 1e7), place.alt_amsl_m, photo.alt_rel_m,
        attitude.roll_deg, attitude.pitch_deg, attitude.yaw_deg, 0.0, 0, 0,
    )  # fmt: skip


# --- the ports


def _open(address: str) -> "_Port":
    scheme, _, rest = address.partition(":")
    host, _, port = rest.rpartition(":")
    if scheme not in ("tcp", "udp", "udpin") or not host or not port.isdigit():
        raise BadInputError(f"{address}: not an address; give tcp:HOST:PORT, udp:HOST:PORT or udpin:HOST:PORT")
    try:
        if scheme == "tcp":
            return _TcpPort(host, int(port))
        return _UdpPort(host, int(port), bind=scheme == "udpin")
    except OSError as error:
        raise BadInputError(f"{address}: cannot be used: {error.strerror or error}") from error


class _Port:
    url: str

    def ready(self, wait_s: float) -> bool:
        """Whether a ground station is there."""
        raise NotImplementedError

    def read(self, wait_s: float) -> bytes:
        """Bytes that came within a time."""
        raise NotImplementedError

    def write(self, data: bytes) -> None:
        """Send bytes."""
        raise NotImplementedError

    def cut(self) -> None:
        """Break the connection, from any thread."""

    def close(self) -> None:
        """Close the sockets."""
        raise NotImplementedError


class _TcpPort(_Port):
    """One client at a time; a second one is left waiting until the first is gone."""

    def __init__(self, host: str, port: int) -> None:
        self._listener = socket.create_server((host, port), backlog=4)
        self._client: socket.socket | None = None
        self.url = f"tcp:{host}:{self._listener.getsockname()[1]}"

    def ready(self, wait_s: float) -> bool:
        if self._client is None and select.select([self._listener], [], [], wait_s)[0]:
            self._client = self._listener.accept()[0]
            self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._client.settimeout(5.0)
        return self._client is not None

    def read(self, wait_s: float) -> bytes:
        if not self.ready(0.0) or self._client is None:
            time.sleep(min(wait_s, 0.05))
            return b""
        if not select.select([self._client], [], [], wait_s)[0]:
            return b""
        try:
            data = self._client.recv(65536)
        except OSError:
            data = b""
        if not data:
            self._drop()
        return data

    def write(self, data: bytes) -> None:
        if self._client is None:
            return
        try:
            self._client.sendall(data)
        except OSError:
            self._drop()

    def cut(self) -> None:
        client = self._client
        if client is not None:
            client.shutdown(socket.SHUT_RDWR)

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def close(self) -> None:
        self._drop()
        self._listener.close()


class _UdpPort(_Port):
    """Sends to a ground station's port, or answers whoever spoke last to a bound one."""

    _LARGEST = 1400

    def __init__(self, host: str, port: int, bind: bool) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._to: tuple[str, int] | None = None if bind else (host, port)
        if bind:
            self._socket.bind((host, port))
            self.url = f"udpout:{host}:{self._socket.getsockname()[1]}"
        else:
            self._socket.bind(("", 0))
            self.url = f"udpin:{host}:{port}"
        self._socket.setblocking(False)

    def ready(self, wait_s: float) -> bool:
        return self._to is not None or bool(select.select([self._socket], [], [], wait_s)[0])

    def read(self, wait_s: float) -> bytes:
        select.select([self._socket], [], [], wait_s)
        received = bytearray()
        try:
            while True:
                data, self._to = self._socket.recvfrom(65535)
                received += data
        except OSError:
            return bytes(received)

    def write(self, data: bytes) -> None:
        for packet in _packets(data, self._LARGEST):
            try:
                if self._to is not None:
                    self._socket.sendto(packet, self._to)
            except OSError:
                return  # nobody listens yet

    def close(self) -> None:
        self._socket.close()


def _packets(data: bytes, largest: int) -> Iterator[bytes]:
    """Whole MAVLink frames gathered into datagrams."""
    packet = bytearray()
    while data:
        length = 12 + data[1] + (13 if data[2] & 1 else 0)
        if len(packet) + length > largest:
            yield bytes(packet)
            packet.clear()
        packet += data[:length]
        data = data[length:]
    yield bytes(packet)
