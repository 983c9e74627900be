"""A connected vehicle: its state (through DroneKit), parameters, commands with their answers, and streams."""

import logging
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from imagery.core.errors import LinkError
from planner.link.connection import Connection, mavlink
from planner.link.signing import read_key
from planner.link.tlog import TelemetryLog

__all__ = ["Vehicle", "connect"]

_TRIES = 6
_RESULTS = {
    1: "temporarily rejected",
    2: "denied",
    3: "unsupported",
    4: "failed",
    5: "in progress",
    6: "cancelled",
}
_SET_MODE, _ARM, _MISSION_START, _MESSAGE_INTERVAL, _REQUEST_MESSAGE, _PAUSE = 176, 400, 300, 511, 512, 193


@contextmanager
def connect(
    url: str,
    *,
    system: int | None = None,
    signing_key: Path | None = None,
    log: TelemetryLog | None = None,
    timeout_s: float = 10.0,
) -> Iterator["Vehicle"]:
    """Connect to a vehicle, closing the link at the end; with a file of a signing key, all is signed both ways.

    Raises LinkError when nothing is there or no heartbeat comes within `timeout_s`, BadInputError for a bad URL or key.
    """
    key = read_key(signing_key) if signing_key is not None else None
    with Connection(url, log=log, system=system, signing_key=key) as link:
        link.wait_for_vehicle(timeout_s)
        yield Vehicle(link)


class Vehicle:
    """A vehicle on a connection.

    Attributes: link; state: DroneKit's Vehicle (armed, mode, location, battery, gps_0 ...); texts: the last STATUSTEXTs with
    their severity; speedup: of a simulated vehicle, None on a real one; round_trip_s: of the link, as last measured.
    """

    def __init__(self, link: Connection) -> None:
        self.link = link
        self.texts: deque[tuple[int, str]] = deque(maxlen=200)
        self.round_trip_s = 0.5
        link.listen(lambda message: self.texts.append((message.severity, message.text)), "STATUSTEXT")
        self.state = _dronekit_vehicle(link)
        with link.inbox("HEARTBEAT") as heartbeats:
            heartbeats.get(3.0)  # DroneKit knows the mode from now on
        self.measure_round_trip()
        self.speedup: float | None = self.parameter("SIM_SPEEDUP")
        if self.speedup:
            # A simulated vehicle's clock runs faster: its time-outs for a silent ground station are that much shorter.
            link.heartbeat_every_s = min(1.0, max(1.0 / self.speedup, 0.02))

    @property
    def simulated(self) -> bool:
        """Whether the vehicle identifies itself as simulated (it has the parameter SIM_SPEEDUP)."""
        return self.speedup is not None

    @property
    def autopilot(self) -> int:
        """Its MAV_AUTOPILOT."""
        heartbeat = self.link.master.messages.get("HEARTBEAT")
        return heartbeat.autopilot if heartbeat else mavlink.MAV_AUTOPILOT_GENERIC

    @property
    def ardupilot(self) -> bool:
        """Whether its autopilot is ArduPilot, whose way of arming and starting a mission this program knows."""
        return self.autopilot == mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA

    def seconds(self, vehicle_s: float) -> float:
        """Wall seconds for seconds of the vehicle's clock."""
        return vehicle_s / (self.speedup or 1.0)

    @property
    def _answer_s(self) -> float:
        """How long an answer may take before the question is repeated."""
        return 1.3 * self.round_trip_s + 0.25

    # --- parameters

    def parameter(self, name: str, tries: int = _TRIES) -> float | None:
        """A parameter's value; None when the vehicle does not have it (or never answers for it)."""
        link = self.link
        with link.inbox("PARAM_VALUE") as inbox:
            for _ in range(tries):
                link.send(mavlink.MAVLink_param_request_read_message(link.target_system, 1, name.encode(), -1))
                value = _awaited(inbox, lambda m: m.param_id == name, self._answer_s)
                if value is not None:
                    return float(value.param_value)
        return None

    def set_parameter(self, name: str, value: float) -> None:
        """Set a parameter and see it confirmed; LinkError otherwise."""
        link = self.link
        with link.inbox("PARAM_VALUE") as inbox:
            for _ in range(_TRIES):
                link.send(
                    mavlink.MAVLink_param_set_message(
                        link.target_system, 1, name.encode(), value, mavlink.MAV_PARAM_TYPE_REAL32
                    )
                )
                answer = _awaited(inbox, lambda m: m.param_id == name, self._answer_s)
                if answer is not None and abs(answer.param_value - value) <= 1e-5 * max(abs(value), 1):
                    return
        raise LinkError(f"parameter {name} could not be set to {value:g}: the vehicle does not confirm it")

    # --- commands

    def command(self, command: int, *parameters: float, tries: int = 4) -> tuple[int, str]:
        """Run a command; its MAV_RESULT and, when refused, the reason with the vehicle's own texts.

        Raises LinkError when no answer comes.
        """
        link = self.link
        values = [*parameters, *[0.0] * (7 - len(parameters))]
        with link.inbox("COMMAND_ACK", "STATUSTEXT") as inbox:
            texts: list[str] = []

            def answers(message: Any) -> bool:
                if message.get_type() == "STATUSTEXT":
                    texts.append(message.text)
                    return False
                return bool(message.command == command and message.result != 5)

            for attempt in range(tries):
                link.send(
                    mavlink.MAVLink_command_long_message(link.target_system, 1, command, min(attempt, 255), *values)
                )
                answer = _awaited(inbox, answers, self._answer_s + 0.5 * (attempt + 1))
                if answer is not None:
                    if answer.result:
                        _awaited(inbox, answers, 0.1)  # the text that explains may follow
                    said = "; ".join(dict.fromkeys(texts))
                    reason = _RESULTS.get(answer.result, str(answer.result))
                    return int(answer.result), f"{reason}: {said}" if said else reason
        raise LinkError(f"no answer to command {command}: the link is too poor, or the vehicle is gone")

    def require(self, what: str, command: int, *parameters: float) -> None:
        """Run a command; LinkError with the vehicle's reason when it is refused."""
        result, reason = self.command(command, *parameters)
        if result:
            raise LinkError(f"the vehicle refused to {what} ({reason})")

    def set_mode(self, name: str) -> None:
        """Change the flight mode and see it in the heartbeat; LinkError when it is refused."""
        from dronekit import VehicleMode

        for _ in range(3):
            self.state.mode = VehicleMode(name)
            if self.wait(lambda: self.state.mode.name == name, 3.0):
                return
        raise LinkError(f"the vehicle did not change to {name} mode: {self.last_complaint() or 'no reason given'}")

    def arm(self) -> None:
        """Arm and see it in the heartbeat; LinkError with the autopilot's reason."""
        for _ in range(2):
            self.require("arm", _ARM, 1)
            if self.wait(lambda: bool(self.state.armed), 3.0):
                return
        raise LinkError(f"the vehicle did not arm: {self.last_complaint() or 'no reason given'}")

    def start_mission(self) -> None:
        """MISSION_START, which also switches to AUTO; LinkError when it is refused or has no effect."""
        self.require("start the mission", _MISSION_START)
        if not self.wait(lambda: self.state.mode.name == "AUTO", 5.0):
            raise LinkError(f"the vehicle accepted the start but is in {self.state.mode.name} mode, not AUTO")

    def pause(self) -> None:
        """Hold the mission in the air, or brake where that is unknown."""
        result, _ = self.command(_PAUSE, 0)
        if result:
            self.set_mode("BRAKE")

    # --- streams and waiting

    def request_message(self, message_id: int, hz: float) -> None:
        """Ask for a message some times a second of wall time."""
        interval_us = round(1e6 * (self.speedup or 1.0) / hz) if hz > 0 else -1
        self.command(_MESSAGE_INTERVAL, message_id, interval_us)

    def measure_round_trip(self) -> None:
        """Measure `round_trip_s` with echoed time stamps, which tells right on links that lose or repeat packets too."""
        with self.link.inbox("TIMESYNC") as inbox:
            samples: list[float] = []
            deadline = time.monotonic() + 12.0
            while len(samples) < 3 and time.monotonic() < deadline:
                self.link.send(mavlink.MAVLink_timesync_message(0, time.monotonic_ns()))
                answer = inbox.get(0.1)
                while answer is not None:
                    if answer.tc1 and 0 <= time.monotonic_ns() - answer.ts1 < 60e9:
                        samples.append((time.monotonic_ns() - answer.ts1) / 1e9)
                    answer = inbox.get(0)
        heartbeat = self.link.master.messages.get("HEARTBEAT")
        if samples:
            self.round_trip_s = min(samples)
        elif heartbeat and heartbeat.get_header().incompat_flags & mavlink.MAVLINK_IFLAG_SIGNED:
            raise LinkError("the vehicle signs its messages and answers to signed ones only: give --signing-key FILE")

    def request_once(self, message_id: int, kind: str, timeout_s: float = 1.0) -> Any | None:
        """Ask for one message; None when it does not come."""
        with self.link.inbox(kind) as inbox:
            for _ in range(3):
                self.link.send(
                    mavlink.MAVLink_command_long_message(
                        self.link.target_system, 1, _REQUEST_MESSAGE, 0, message_id, 0, 0, 0, 0, 0, 0
                    )
                )
                message = inbox.get(timeout_s)
                if message is not None:
                    return message
        return None

    def wait(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until a condition on the state holds."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    def last_complaint(self) -> str:
        """The last warning that the vehicle announced."""
        return next((text for severity, text in reversed(self.texts) if severity <= 4), "")


def _awaited(inbox: Any, matches: Callable[[Any], bool], timeout_s: float) -> Any | None:
    deadline = time.monotonic() + timeout_s
    while (left := deadline - time.monotonic()) > 0:
        message = inbox.get(left)
        if message is not None and matches(message):
            return message
    return None


_import_lock = threading.Lock()


def _dronekit_vehicle(link: Connection) -> Any:
    """DroneKit's Vehicle fed by our connection; its loggers would print the autopilot's texts, so they are silenced."""
    with _import_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import dronekit
    for name in ("dronekit", "autopilot"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    root = logging.getLogger()
    before = list(root.handlers)
    vehicle = dronekit.Vehicle(cast("Any", link))
    for added in set(root.handlers) - set(before):  # DroneKit configures the whole program's logging
        root.removeHandler(added)
    return vehicle
