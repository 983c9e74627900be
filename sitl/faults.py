"""Faults to rehearse: a bad link (a proxy that loses, delays, repeats and reorders packets) and a vehicle in trouble.

A fault is named as NAME, NAME=VALUE, NAME@SECONDS or NAME=VALUE@SECONDS; the seconds count from the take-off on the
vehicle's clock.
"""

import heapq
import random
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from imagery.core.errors import BadInputError
from sitl.autopilot.copter import Copter
from sitl.autopilot.place import METRES_PER_DEGREE

__all__ = ["FAULTS", "Fault", "LinkFaults", "bad_link", "link_faults", "parse_fault", "put_in_trouble"]


@dataclass(frozen=True, slots=True)
class Fault:
    """A named fault with its strength and the time of its beginning after the take-off."""

    name: str
    value: float
    at_s: float = 0.0


FAULTS: dict[str, tuple[float, str]] = {
    "packet-loss": (0.3, "share of the packets lost, each way"),
    "latency": (1.0, "seconds of delay, each way"),
    "duplicates": (0.2, "share of the packets that come twice"),
    "reordering": (0.2, "share of the packets that are overtaken"),
    "link-drop": (10.0, "seconds without a link, again and again every 30 s"),
    "gps-loss": (0.0, "no GPS any more"),
    "gps-glitch": (30.0, "metres that the GPS jumps north"),
    "low-battery": (10.4, "volts that the battery falls to"),
    "wind-gusts": (10.0, "m/s of gusty wind from the west"),
    "refuse-arming": (0.0, "the compass is not healthy"),
    "camera-misses": (10.0, "every so manieth photo is not reported"),
    "reboot": (0.0, "the autopilot restarts, and the vehicle falls"),
}
"""Each fault's usual strength and what its value means."""

_ON_THE_LINK = frozenset({"packet-loss", "latency", "duplicates", "reordering", "link-drop"})
_DROP_EVERY_S = 30.0
_OVERTAKEN_BY_S = 0.03


def parse_fault(text: str) -> Fault:
    """A fault from its name. Raises BadInputError listing the known ones."""
    rest, _, at = text.partition("@")
    name, _, value = rest.partition("=")
    if name not in FAULTS:
        raise BadInputError(f"--fault {text}: no such fault; there are {', '.join(FAULTS)}")
    try:
        return Fault(name, float(value) if value else FAULTS[name][0], float(at) if at else 0.0)
    except ValueError:
        raise BadInputError(f"--fault {text}: give NAME, NAME=VALUE or NAME=VALUE@SECONDS, with numbers") from None


# --- the vehicle


def put_in_trouble(copter: Copter, faults: Sequence[Fault], reboot: Callable[[], None]) -> None:
    """Let the vehicle's faults (not the link's) happen at their times; `reboot` restarts the autopilot."""
    waiting = [fault for fault in faults if fault.name not in _ON_THE_LINK]
    for fault in waiting:
        if fault.name == "refuse-arming":
            copter.refused_arming = "Compass not healthy"
        elif fault.name == "camera-misses":
            copter.missed_exposures = range(int(fault.value), 1_000_000, max(int(fault.value), 1))
    waiting = [fault for fault in waiting if fault.name not in ("refuse-arming", "camera-misses")]

    def watch() -> None:
        if copter.took_off_s is None:
            return
        for fault in [f for f in waiting if copter.time_s - copter.took_off_s >= f.at_s]:
            waiting.remove(fault)
            _happen(copter, fault, reboot)

    if waiting:
        copter.watchers.append(watch)


def _happen(copter: Copter, fault: Fault, reboot: Callable[[], None]) -> None:
    p = copter.parameters
    match fault.name:
        case "gps-loss":
            p.set("SIM_GPS1_ENABLE", 0)
        case "gps-glitch":
            p.set("SIM_GPS1_GLTCH_X", fault.value / METRES_PER_DEGREE)
        case "low-battery":
            p.set("SIM_BATT_VOLTAGE", fault.value)
        case "wind-gusts":
            p.set("SIM_WIND_SPD", fault.value)
            p.set("SIM_WIND_DIR", 270)
            p.set("SIM_WIND_TURB", fault.value / 4)
        case "reboot":
            reboot()


# --- the link


@dataclass(frozen=True, slots=True)
class LinkFaults:
    """What a link does to packets, each way: shares of 0 to 1, seconds. `drop_s` without link in every 30 s."""

    loss: float = 0.0
    latency_s: float = 0.0
    duplicates: float = 0.0
    reordering: float = 0.0
    drop_s: float = 0.0
    seed: int = 0


def link_faults(faults: Sequence[Fault], seed: int = 0) -> LinkFaults | None:
    """The link's faults among some; None when there are none."""
    fields = {
        "packet-loss": "loss",
        "latency": "latency_s",
        "duplicates": "duplicates",
        "reordering": "reordering",
        "link-drop": "drop_s",
    }
    found = {fields[fault.name]: fault.value for fault in faults if fault.name in _ON_THE_LINK}
    return LinkFaults(seed=seed, **found) if found else None


@contextmanager
def bad_link(url: str, faults: LinkFaults, address: str = "127.0.0.1:0") -> Iterator[str]:
    """A TCP proxy in front of a vehicle at tcp:HOST:PORT, real or simulated, that treats its packets badly; yields its URL.

    Whole MAVLink frames are lost, late, repeated or overtaken, in the same pattern for the same seed.
    """
    host, _, port = address.rpartition(":")
    listener = socket.create_server((host, int(port)))
    stop = threading.Event()
    worker = threading.Thread(target=_serve_badly, args=(listener, url, faults, stop), daemon=True)
    worker.start()
    try:
        yield f"tcp:{host}:{listener.getsockname()[1]}"
    finally:
        stop.set()
        worker.join()
        listener.close()


def _serve_badly(listener: socket.socket, url: str, faults: LinkFaults, stop: threading.Event) -> None:
    _, host, port = url.split(":")
    while not stop.is_set():
        if not select.select([listener], [], [], 0.05)[0]:
            continue
        client = listener.accept()[0]
        try:
            with client, socket.create_connection((host, int(port)), 5.0) as vehicle:
                _relay(client, vehicle, faults, stop)
        except OSError:
            continue  # one side is gone: wait for the next client


def _relay(client: socket.socket, vehicle: socket.socket, faults: LinkFaults, stop: threading.Event) -> None:
    up = _BadWay(faults, vehicle, random.Random(f"{faults.seed} up"))
    down = _BadWay(faults, client, random.Random(f"{faults.seed} down"))
    for end in (client, vehicle):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while not stop.is_set():
        wait = min(up.next_due(), down.next_due(), time.monotonic() + 0.05) - time.monotonic()
        for ready in select.select([client, vehicle], [], [], max(wait, 0.0))[0]:
            data = ready.recv(65536)
            if not data:
                return
            (up if ready is client else down).take(data)
        up.deliver()
        down.deliver()


@dataclass(slots=True)
class _BadWay:
    """One direction of a bad link."""

    faults: LinkFaults
    to: socket.socket
    dice: random.Random
    began: float = field(default_factory=time.monotonic)
    _buffer: bytearray = field(default_factory=bytearray)
    _queue: list[tuple[float, int, bytes]] = field(default_factory=list)
    _count: int = 0

    def take(self, data: bytes) -> None:
        self._buffer += data
        for frame in _frames(self._buffer):
            lost, twice, late = (self.dice.random() for _ in range(3))
            if lost < self.faults.loss or self._down():
                continue
            for _ in range(1 + (twice < self.faults.duplicates)):
                due = time.monotonic() + self.faults.latency_s + (late < self.faults.reordering) * _OVERTAKEN_BY_S
                self._count += 1
                heapq.heappush(self._queue, (due, self._count, frame))

    def next_due(self) -> float:
        return self._queue[0][0] if self._queue else float("inf")

    def deliver(self) -> None:
        now = time.monotonic()
        while self._queue and self._queue[0][0] <= now:
            self.to.sendall(heapq.heappop(self._queue)[2])

    def _down(self) -> bool:
        return (time.monotonic() - self.began) % _DROP_EVERY_S > _DROP_EVERY_S - self.faults.drop_s


def _frames(buffer: bytearray) -> Iterator[bytes]:
    """Take whole MAVLink frames (versions 1 and 2) off a buffer; what is no frame is skipped."""
    while len(buffer) >= 8:
        if buffer[0] == 0xFD:
            length = 12 + buffer[1] + (13 if buffer[2] & 1 else 0)
        elif buffer[0] == 0xFE:
            length = 8 + buffer[1]
        else:
            del buffer[0]
            continue
        if len(buffer) < length:
            return
        yield bytes(buffer[:length])
        del buffer[:length]
