"""Every conformance test runs on the embedded simulator, and unchanged on a real ArduCopter where one is named."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from planner.link.connection import Connection, Inbox, mavlink
from sitl.ardupilot import ArduPilot, find_binary
from sitl.autopilot import Copter, Place
from sitl.endpoint import serve

HOME = Place(-35.363262, 149.165237, 584.0)
SPEEDUP = 10.0
READY_S = 60.0  # vehicle seconds until every pre-arm check passes


class Ground:
    """A ground station that speaks the protocol message by message."""

    def __init__(self, link: Connection) -> None:
        self.link = link
        self._inbox_context = link.inbox()
        self.inbox: Inbox = self._inbox_context.__enter__()
        self.log: list[Any] = []

    def send(self, name: str, *fields: Any) -> None:
        """Send a message addressed to the vehicle; `fields` follow the target's ids."""
        self.link.send(getattr(mavlink, f"MAVLink_{name}_message")(self.link.target_system, 1, *fields))

    def await_message(self, *kinds: str, where: Callable[[Any], bool] = lambda m: True, wait_s: float = 4.0) -> Any:
        """The next message of some kinds (wall seconds); None when none comes."""
        deadline = time.monotonic() + wait_s
        while (left := deadline - time.monotonic()) > 0:
            message = self.inbox.get(left)
            if message is None:
                break
            self.log.append(message)
            if message.get_type() in kinds and where(message):
                return message
        return None

    def said(self, text: str, wait_s: float = 3.0) -> bool:
        """Whether the vehicle announces a text now or has done so since the last `quiet`."""
        if any(m.get_type() == "STATUSTEXT" and text in m.text for m in self.log):
            return True
        return self.await_message("STATUSTEXT", where=lambda m: text in m.text, wait_s=wait_s) is not None

    def quiet(self) -> None:
        """Forget everything that came so far."""
        while self.inbox.get(0) is not None:
            pass
        self.log.clear()

    def command(self, command: int, *parameters: float, wait_s: float = 5.0) -> int | None:
        """Run a COMMAND_LONG; its MAV_RESULT."""
        values = [*parameters, *[0.0] * (7 - len(parameters))]
        self.send("command_long", command, 0, *values)
        ack = self.await_message("COMMAND_ACK", where=lambda m: m.command == command, wait_s=wait_s)
        return None if ack is None else int(ack.result)

    def set_parameter(self, name: str, value: float) -> None:
        for _ in range(5):
            self.send("param_set", name.encode(), value, 9)
            if self.await_message("PARAM_VALUE", where=lambda m: m.param_id == name, wait_s=1.0) is not None:
                return
        raise AssertionError(f"{name} was not set")

    def wait_ready(self) -> None:
        """Until every pre-arm check passes, and the position is known: in STABILIZE, health does not speak of that."""
        self.command(511, 1, 2e5)
        ok = self.await_message(
            "SYS_STATUS", where=lambda m: bool(m.onboard_control_sensors_health & 0x10000000), wait_s=READY_S
        )
        assert ok is not None, [m.text for m in self.log if m.get_type() == "STATUSTEXT"]
        self.command(511, 193, 2e5)
        placed = self.await_message(
            "EKF_STATUS_REPORT", where=lambda m: bool(m.flags & 0x210) and not m.flags & 0x80, wait_s=READY_S
        )
        assert placed is not None, "no absolute position"
        self.command(511, 193, -1)

    def heartbeat(self, where: Callable[[Any], bool], wait_s: float = 10.0) -> Any:
        return self.await_message("HEARTBEAT", where=where, wait_s=wait_s)

    def close(self) -> None:
        self._inbox_context.__exit__(None, None, None)

    # --- missions

    def item(self, seq: int, command: int, frame: int = 3, p: tuple[float, ...] = (0, 0, 0, 0), *, x: int = 0, y: int = 0,
             z: float = 0.0, kind: int = 0) -> None:  # fmt: skip
        self.send("mission_item_int", seq, frame, command, 0, 1, *p, x, y, z, kind)

    def ack(self, kind: int = 0, wait_s: float = 4.0) -> Any:
        found = self.await_message("MISSION_ACK", where=lambda m: m.mission_type == kind, wait_s=wait_s)
        return None if found is None else found.type

    def upload(self, items: list[tuple[int, int, tuple[float, ...], int, int, float]], kind: int = 0) -> int | None:
        """Upload (command, frame, p, x, y, z) tuples the ordinary way; the last acknowledgement's type."""
        self.send("mission_count", len(items), kind)
        while True:
            message = self.await_message(
                "MISSION_REQUEST", "MISSION_REQUEST_INT", "MISSION_ACK", where=lambda m: m.mission_type == kind
            )
            if message is None:
                return None
            if message.get_type() == "MISSION_ACK":
                return int(message.type)
            command, frame, p, x, y, z = items[message.seq]
            self.item(message.seq, command, frame, p, x=x, y=y, z=z, kind=kind)

    def download(self, kind: int = 0) -> list[Any]:
        self.send("mission_request_list", kind)
        count = self.await_message("MISSION_COUNT", where=lambda m: m.mission_type == kind)
        assert count is not None
        items = []
        for seq in range(count.count):
            for _ in range(3):  # a vehicle on a busy computer may leave a request unanswered
                self.send("mission_request_int", seq, kind)
                item = self.await_message(
                    "MISSION_ITEM_INT", where=lambda m, seq=seq: m.seq == seq and m.mission_type == kind, wait_s=2.0
                )
                if item is not None:
                    break
            assert item is not None
            items.append(item)
        return items

    def clear(self, kind: int = 0) -> int | None:
        self.send("mission_clear_all", kind)
        return self.ack(kind)


HOME_ITEM = (16, 0, (0.0, 0.0, 0.0, 0.0), -353632620, 1491652370, 584.0)


def waypoint(
    number: int, z: float = 30.0, p: tuple[float, ...] = (0, 0, 0, 0), frame: int = 3, command: int = 16
) -> Any:
    """A waypoint some metres north of the home."""
    return (command, frame, p, -353632620 + 1000 * number, 1491652370, z)


@pytest.fixture(scope="module", params=["embedded", "ardupilot"])
def vehicle_url(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "embedded":
        with serve(Copter(HOME, parameters={"CAM1_TYPE": 1}), speedup=SPEEDUP) as endpoint:
            yield endpoint.url
        return
    binary = find_binary()
    if binary is None:
        pytest.skip("no ArduCopter: set SKYRELIEF_ARDUCOPTER to a SITL binary")
    with ArduPilot(binary, HOME, speedup=SPEEDUP) as real:
        yield real.url


@pytest.fixture(scope="module")
def station(vehicle_url: str) -> Iterator[Ground]:
    with Connection(vehicle_url) as link:
        link.heartbeat_every_s = 0.1
        link.wait_for_vehicle(20.0)
        ground = Ground(link)
        ground.wait_ready()
        yield ground
        ground.close()


@pytest.fixture
def ground(station: Ground) -> Ground:
    """A ready vehicle with empty lists."""
    for kind in (0, 1, 2):
        station.clear(kind)
    time.sleep(0.1)
    station.quiet()
    return station
