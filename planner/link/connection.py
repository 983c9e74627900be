"""A MAVLink connection to one vehicle: finds it, speaks as a ground station, survives breaks, hands out messages.

A connection is also the handler that DroneKit's Vehicle needs, so that DroneKit and our own transfers share one link: one
thread reads, logs and dispatches every message, and every message is sent under one lock.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from pymavlink import mavutil
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from imagery.core.errors import LinkError
from planner.link.loss import LossMeter
from planner.link.signing import sign
from planner.link.tlog import TelemetryLog
from planner.link.transport import open_transport

__all__ = ["Connection", "Inbox", "mavlink"]

_OWN_SYSTEM, _OWN_COMPONENT = 255, 190  # the ids of a ground station
_REOPEN_EVERY_S = 0.5
_NOT_FOR_DRONEKIT = frozenset({"BAD_DATA", "PARAM_VALUE", "STATUSTEXT"})


class Inbox:
    """Messages in the order in which they came."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def put(self, message: Any) -> None:
        """Called by the connection."""
        self._queue.put(message)

    def get(self, wait_s: float) -> Any | None:
        """The next message, or None when none comes in time."""
        try:
            return self._queue.get(timeout=max(wait_s, 0.0)) if wait_s > 0 else self._queue.get_nowait()
        except queue.Empty:
            return None


class _Node(mavlink.MAVLink):
    """Our end of the link; whichever thread sends, messages are numbered, signed and written one after the other."""

    def __init__(self, file: Any) -> None:
        super().__init__(file, srcSystem=_OWN_SYSTEM, srcComponent=_OWN_COMPONENT)
        self.robust_parsing = True
        self._sending = threading.Lock()

    def send(self, mavmsg: Any, force_mavlink1: bool = False) -> None:
        with self._sending:
            super().send(mavmsg, force_mavlink1)


class _Master(mavutil.mavfile):
    """pymavlink's idea of a link, whose bytes go through our connection; DroneKit sends with it."""

    def __init__(self, write: Callable[[bytes], None], signing_key: bytes | None) -> None:
        super().__init__(None, "link", source_system=_OWN_SYSTEM, source_component=_OWN_COMPONENT)
        # MAVLink 2 always: without it there are no fences and rally points to transfer.
        self.mav = _Node(self)
        if signing_key is not None:
            sign(self.mav, signing_key)
        self._write = write

    def write(self, data: bytes) -> None:
        self._write(bytes(data))


class Connection:
    """An open connection to one vehicle; use as a context manager.

    Attributes: url; target_system: the vehicle's system id; master: for pymavlink's helpers; alive: False once closed;
    last_heard: monotonic time of the vehicle's last message; broken: why the link is down now, None while it is up; breaks: how
    often it broke.
    """

    def __init__(
        self,
        url: str,
        *,
        log: TelemetryLog | None = None,
        system: int | None = None,
        signing_key: bytes | None = None,
    ) -> None:
        self.url = url
        self.target_system = system or 0
        self.broken: str | None = None
        self.breaks = 0
        self.last_heard = 0.0
        self.heartbeat_every_s = 1.0
        self.vehicles: set[int] = set()
        self._wanted_system = system
        self._log = log
        self._alive = True
        self._listeners: tuple[tuple[frozenset[str], Callable[[Any], None]], ...] = ()
        self._found = threading.Event()
        self._heartbeat_sent = 0.0
        self._loss = LossMeter()
        self._dronekit_listeners: list[Callable[..., Any]] = []
        self._transport = open_transport(url)
        self.master = _Master(self._write, signing_key)
        self._thread = threading.Thread(target=self._run, name=f"link {url}", daemon=True)
        self._thread.start()

    # --- for our own protocols

    def wait_for_vehicle(self, timeout_s: float = 10.0) -> None:
        """Wait for the first heartbeat of a vehicle; LinkError when none comes."""
        if self._found.wait(timeout_s):
            return
        which = f" of system {self._wanted_system}" if self._wanted_system else ""
        nothing = f"{self.url}: no heartbeat{which} within {timeout_s:.0f} s"
        if self.master.mav.signing.reject_count:
            raise LinkError(f"{nothing} with the signature of your key: does the vehicle have the same key?")
        if self.vehicles:
            heard = ", ".join(map(str, sorted(self.vehicles)))
            raise LinkError(f"{nothing}; heard system {heard}: choose one with --system")
        raise LinkError(f"{nothing}: check power, cable or radio, baud rate and port")

    @property
    def loss(self) -> float:
        """The share of the vehicle's messages that was lost lately, 0 to 1."""
        return self._loss.share

    def send(self, message: Any) -> None:
        """Send a message; it is lost when the link is down, as on the air."""
        self.master.mav.send(message)

    @contextmanager
    def inbox(self, *kinds: str) -> Iterator[Inbox]:
        """Collect the vehicle's messages of some types from now on; none given: all."""
        box = Inbox()
        stop = self.listen(box.put, *kinds)
        try:
            yield box
        finally:
            stop()

    def listen(self, receive: Callable[[Any], None], *kinds: str) -> Callable[[], None]:
        """Call `receive` (on the reading thread) with each message of some types; returns the function that ends it."""
        entry = (frozenset(kinds), receive)
        self._listeners = (*self._listeners, entry)

        def stop() -> None:
            self._listeners = tuple(other for other in self._listeners if other is not entry)

        return stop

    def close(self) -> None:
        """Stop reading and close; closing twice is harmless."""
        self._alive = False
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join()
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- what DroneKit asks of its handler

    @property
    def alive(self) -> bool:
        """Whether the connection is open."""
        return self._alive

    def forward_message(self, listener: Callable[..., Any]) -> None:
        """DroneKit registers its message listeners here."""
        self._dronekit_listeners.append(listener)

    def forward_loop(self, listener: Callable[..., Any]) -> None:
        """DroneKit's own heartbeats, time-outs and parameter list are not wanted: the connection has its own."""

    def fix_targets(self, message: Any) -> None:
        """Address a message to our vehicle."""
        if hasattr(message, "target_system"):
            message.target_system = self.target_system

    # --- the reading thread

    def _run(self) -> None:
        while self._alive:
            try:
                data = self._transport.read(min(0.05, self.heartbeat_every_s / 2))
                self._heartbeat()
                if self.broken is not None:  # a write failed, of whichever thread
                    raise OSError(self.broken)
            except OSError as error:
                self._reopen(str(error))
                continue
            if data:
                self._dispatch(data)

    def _dispatch(self, data: bytes) -> None:
        try:
            messages = self.master.mav.parse_buffer(data) or []
        except mavlink.MAVError:
            return
        for message in messages:
            if message.get_type() == "BAD_DATA":
                continue
            if self._log is not None:
                self._log.append(bytes(message.get_msgbuf()))
            if not self._is_ours(message):
                continue
            self.last_heard = time.monotonic()
            self._loss.hear((message.get_srcSystem(), message.get_srcComponent()), message.get_seq())
            self.master.post_message(message)
            kind = message.get_type()
            if kind not in _NOT_FOR_DRONEKIT and not kind.startswith("MISSION_"):
                for listener in self._dronekit_listeners:
                    listener(self, message)
            for kinds, receive in self._listeners:
                if not kinds or kind in kinds:
                    receive(message)

    def _is_ours(self, message: Any) -> bool:
        system = message.get_srcSystem()
        if (
            message.get_type() == "HEARTBEAT"
            and message.type != mavlink.MAV_TYPE_GCS
            and message.get_srcComponent() == 1
        ):
            self.vehicles.add(system)
            if not self.target_system:
                self.target_system = self.master.target_system = system
                self.master.target_component = 1
            if system == self.target_system:
                self._found.set()
        return bool(system == self.target_system)

    def _heartbeat(self) -> None:
        now = time.monotonic()
        if now - self._heartbeat_sent >= self.heartbeat_every_s:
            self._heartbeat_sent = now
            self.send(
                mavlink.MAVLink_heartbeat_message(mavlink.MAV_TYPE_GCS, mavlink.MAV_AUTOPILOT_INVALID, 0, 0, 0, 3)
            )

    def _write(self, data: bytes) -> None:
        if self._log is not None:
            self._log.append(data)
        if self.broken is None:
            try:
                self._transport.write(data)
            except OSError as error:
                self.broken = str(error)

    def _reopen(self, reason: str) -> None:
        self.broken = reason or "the link broke"
        self.breaks += 1
        while self._alive:
            try:
                self._transport.reopen()
            except OSError:
                time.sleep(_REOPEN_EVERY_S)
                continue
            self.broken = None
            return
