"""Missions, fences and rally points to and from a vehicle, so that what is on it is what was planned.

Upload: clear, send, read everything back, compare. The vehicle asks for one item after the other, but takes the next item unasked
too. So items are sent ahead, in a window that grows while all goes well, and each of them as often as loss and round trip make it
pay, which copes with bad and slow links. On any failure all three lists are cleared and proven empty; when even that cannot be
shown, the error says so.

MAVFTP, which ArduPilot offers too, is not used: it would need a second way for every other vehicle, and this one already ends
within seconds of the fewest round trips that clearing, sending and reading back take (tests/benchmarks/bench_transfer.py).
"""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from imagery.core.errors import BadInputError, LinkError
from imagery.core.progress import SILENT, Progress
from planner.link.connection import Inbox, mavlink
from planner.link.storage import AUTOPILOTS, Autopilot, Kind, check, differences, wire_items
from planner.link.vehicle import Vehicle
from planner.mission import Mission, MissionItem

__all__ = ["autopilot_of", "clear", "download", "upload_mission"]

_ACCEPTED, _ERROR, _INVALID_SEQUENCE, _DENIED, _CANCELLED = 0, 1, 13, 14, 15
_RESULTS = {
    1: "a general error", 2: "a height frame that it does not know", 3: "a command that it does not know",
    4: "no space for so many items", 5: "an invalid value", 6: "parameter 1", 7: "parameter 2", 8: "parameter 3",
    9: "parameter 4", 10: "the latitude", 11: "the longitude", 12: "the height", 13: "the order", 14: "another ground station",
    15: "a time-out",
}  # fmt: skip
_ATTEMPTS = 12
_SILENCE_S = 20.0
_PAUSE_S = 0.5


class _Refused(Exception):
    """The vehicle will not have it, however often it is sent."""


class _Interrupted(LinkError):
    """The transfer failed on the way and can be tried again."""


def _ignore(steps: float = 1.0) -> None:
    pass


def autopilot_of(vehicle: Vehicle) -> Autopilot:
    """How the vehicle keeps missions. Raises LinkError for one whose ways are not known."""
    number = vehicle.autopilot
    if number not in AUTOPILOTS:
        known = " and ".join(autopilot.name for autopilot in AUTOPILOTS.values())
        raise LinkError(f"the vehicle's autopilot (MAV_AUTOPILOT {number}) is not known: missions go to {known} only")
    return AUTOPILOTS[number]


def upload_mission(vehicle: Vehicle, mission: Mission, progress: Progress = SILENT) -> None:
    """Put a mission with its fence and rally points on the vehicle and prove it by reading everything back.

    Raises BadInputError before anything is sent for what must not be sent, and LinkError when the vehicle or the link fails; then
    the vehicle has been cleared and shown to be empty, or the message says that its content is UNKNOWN. The same holds for
    Ctrl-C, with a warning.
    """
    autopilot = autopilot_of(vehicle)
    lists = wire_items(mission, autopilot)
    check(lists, autopilot)
    if not lists[Kind.MISSION]:
        raise BadInputError("the flight has no mission items: nothing to upload")
    if vehicle.state.armed:
        raise LinkError("the vehicle is armed and may be flying: land and disarm first; nothing was sent")
    try:
        # The mission comes last: it is never on a vehicle without its fence.
        for kind in (Kind.FENCE, Kind.RALLY, Kind.MISSION):
            _upload(vehicle, kind, lists[kind], progress)
    except LinkError as error:
        raise LinkError(f"{error}. {_emptied(vehicle)}") from error
    except KeyboardInterrupt:
        progress.warn(f"stopped during the upload. {_emptied(vehicle)}")
        raise


def clear(vehicle: Vehicle, kind: Kind) -> None:
    """Empty one list. Raises LinkError when the vehicle does not answer, or flies it."""
    pace = _Pace(vehicle)
    request = mavlink.MAVLink_mission_clear_all_message(vehicle.link.target_system, 1, int(kind))
    with vehicle.link.inbox("MISSION_ACK") as inbox:
        deadline = time.monotonic() + _SILENCE_S
        while time.monotonic() < deadline:
            pace.send(request)
            answer = _next(inbox, kind, pace.repeat_s)
            if answer is None or answer.type in (_INVALID_SEQUENCE, _DENIED):
                continue
            if answer.type == _ACCEPTED:
                return
            if vehicle.state.armed:
                raise LinkError(f"the vehicle does not clear its {kind.title} while it flies it: land first")
    raise _Interrupted("the vehicle does not answer")


def download(
    vehicle: Vehicle, kind: Kind, *, expected: int | None = None, advance: Callable[..., None] = _ignore
) -> list[MissionItem]:
    """Read a list from the vehicle, calling `advance` at each item.

    Raises LinkError when the link fails, or the vehicle does not hold `expected` items.
    """
    with vehicle.link.inbox("MISSION_COUNT", "MISSION_ITEM_INT", "MISSION_ACK") as inbox:
        count = _count(vehicle, kind, inbox)
        if expected is not None and count != expected:
            raise _Interrupted(f"the vehicle holds {count} items, not {expected}")
        items = _collect(vehicle, kind, count, inbox, advance)
    _Pace(vehicle).send(mavlink.MAVLink_mission_ack_message(vehicle.link.target_system, 1, _ACCEPTED, int(kind)))
    return items


class _Pace:
    """How many items are under way at a time, and how often each is sent.

    Every repeat costs a hundredth of a second on a telemetry radio; every item that is lost all the same costs a round trip.
    """

    _ITEMS_PER_S = 100.0  # of a 57600 baud radio
    _FIRST, _LARGEST, _MOST_COPIES = 16, 128, 6

    def __init__(self, vehicle: Vehicle) -> None:
        self._link = vehicle.link
        self.round_trip_s = vehicle.round_trip_s
        self._usual_s = 1.3 * self.round_trip_s + 0.1
        self.repeat_s = self._usual_s
        # A slow start costs round trips; on a long link even the slowest radio carries more than a few items in one.
        self._smallest = max(self._FIRST, round(self._ITEMS_PER_S * self.round_trip_s / 2))
        self._largest = max(self._LARGEST, round(4 * self._ITEMS_PER_S * self.round_trip_s))
        self.window = self._smallest
        self.copies = self._worthwhile_copies(self._link.loss)

    def _worthwhile_copies(self, loss: float) -> int:
        def cost_s(copies: int) -> float:
            return copies / self._ITEMS_PER_S + float(loss**copies) * self.repeat_s

        return min(range(1, self._MOST_COPIES + 1), key=cost_s)

    def send(self, message: Any) -> None:
        """Send a message that may come more than once."""
        for _ in range(self.copies):
            self._link.send(message)

    def arrived(self, items: int) -> None:
        """So many items got through."""
        self.window = min(self.window + items, self._largest)

    def lost(self, run: int) -> None:
        """An item was lost after a run of so many that were not: send less at a time, and each as often as it pays."""
        self.window = max(2 * self.window // 3, self._smallest)
        pays = self._ITEMS_PER_S * self._usual_s
        again = self.repeat_s > self._usual_s
        # Without any progress answers may only be slower than measured: a busy computer, a radio's full buffer.
        self.repeat_s = self._usual_s if run else min(2 * self.repeat_s, self._usual_s + 2.0)
        if not run and again:
            self.copies = max(self.copies - 1, 1)
        elif run < pays:
            self.copies = min(self.copies + 1, self._MOST_COPIES)
        elif run > 4 * pays:
            self.copies = max(self.copies - 1, 1)


# --- upload


def _upload(vehicle: Vehicle, kind: Kind, items: Sequence[MissionItem], progress: Progress) -> None:
    """Replace one list on the vehicle. Raises LinkError when that fails."""
    autopilot, reason = autopilot_of(vehicle), "no attempt"
    with progress.stage(f"upload {kind.title}", len(items), "items") as advance:
        for attempt in range(_ATTEMPTS):
            # The first attempt shows an item as half done when it is sent and as done when it is read back.
            shown = (lambda steps=1.0: advance(steps / 2)) if attempt == 0 else _ignore
            try:
                clear(vehicle, kind)
                if not items:
                    return _require_empty(vehicle, kind)
                _send(vehicle, kind, items, shown)
                back = download(vehicle, kind, expected=len(items), advance=shown)
                wrong = differences(kind, items, back, autopilot)
                if not wrong:
                    return None
                reason = f"read back {len(wrong)} differences, the first: {wrong[0]}"
            except _Interrupted as error:
                reason = str(error)
                time.sleep(_PAUSE_S)
            except _Refused as error:
                raise LinkError(f"upload of the {kind.title} failed: {error}") from error
    raise LinkError(f"upload of the {kind.title} failed: {reason}, after {_ATTEMPTS} attempts")


def _emptied(vehicle: Vehicle) -> str:
    """Clear everything, and say in which state the vehicle is left."""
    try:
        for kind in Kind:
            clear(vehicle, kind)
            _require_empty(vehicle, kind)
    except LinkError:
        return "What the vehicle holds is UNKNOWN: do not fly; improve the link and upload again"
    return "The vehicle was cleared: it holds no mission, fence or rally points"


def _require_empty(vehicle: Vehicle, kind: Kind) -> None:
    with vehicle.link.inbox("MISSION_COUNT", "MISSION_ACK") as inbox:
        left = _count(vehicle, kind, inbox)
    if left > int(kind is Kind.MISSION and autopilot_of(vehicle).home_first):
        raise _Interrupted(f"the vehicle still holds {left} items after clearing")


def _send(vehicle: Vehicle, kind: Kind, items: Sequence[MissionItem], advance: Callable[..., None]) -> None:
    """One attempt at sending a list. Returns once the vehicle has it, or probably has it (reading back tells)."""
    pace = _Pace(vehicle)
    messages = [_item_message(vehicle, kind, seq, item) for seq, item in enumerate(items)]
    with vehicle.link.inbox("MISSION_REQUEST", "MISSION_REQUEST_INT", "MISSION_ACK") as inbox:
        _open(vehicle, kind, len(items), inbox)
        _run_ahead(pace, kind, messages, inbox, advance)


def _open(vehicle: Vehicle, kind: Kind, count: int, inbox: Inbox) -> None:
    """Announce a list and wait for the vehicle's first request."""
    pace = _Pace(vehicle)
    announcement = mavlink.MAVLink_mission_count_message(vehicle.link.target_system, 1, count, int(kind))
    deadline = time.monotonic() + _SILENCE_S
    while time.monotonic() < deadline:
        if pace.round_trip_s > 0.1:
            pace.send(announcement)
        else:  # each starts the transfer anew: a late one must not come after the first item
            vehicle.link.send(announcement)
        wait_until = time.monotonic() + max(pace.repeat_s, 0.2)
        while (left := wait_until - time.monotonic()) > 0:
            message = _next(inbox, kind, left)
            if message is None:
                break
            if message.get_type() != "MISSION_ACK":
                return
            if message.type not in (_ACCEPTED, _ERROR, _INVALID_SEQUENCE):
                # Within seconds of its boot a vehicle refuses any count; it may have meant that.
                raise _Interrupted(f"the vehicle refuses the {kind.title}: {_result(message)}")
    raise _Interrupted("the vehicle does not ask for the items")


def _run_ahead(pace: _Pace, kind: Kind, messages: Sequence[Any], inbox: Inbox, advance: Callable[..., None]) -> None:
    """Send items ahead of the vehicle's requests until it accepts the list; go back when it misses one."""
    count = len(messages)
    wanted = sent = farthest = run_began = complaints = 0
    moved = quiet_since = rewound = time.monotonic()
    stuck_s = max(_SILENCE_S, 6 * pace.round_trip_s)
    while (now := time.monotonic()) - moved < stuck_s:
        message = _next(inbox, kind, 0)
        if message is None:  # all that came is known
            # Of each item sent several times the vehicle takes one and complains of the others: some complaints are in order.
            missed = complaints > 4 * pace.copies and now - rewound > pace.repeat_s
            if missed or now - quiet_since > pace.repeat_s:
                pace.lost(wanted - run_began)
                sent, run_began, complaints = wanted, wanted, 0
                rewound = quiet_since = now
            while sent < min(wanted + pace.window, count):
                pace.send(messages[sent])
                sent += 1
                quiet_since = time.monotonic()
            farthest = max(farthest, sent)
            message = _next(inbox, kind, min(pace.repeat_s, 0.05))
        if message is None:
            continue
        if message.get_type() == "MISSION_ACK":
            if _is_final(message, kind, wanted, farthest == count):
                advance(count - wanted)
                return
            complaints += 1
        elif message.seq > wanted:
            pace.arrived(message.seq - wanted)
            advance(message.seq - wanted)
            wanted, complaints = message.seq, 0
            sent = max(sent, wanted)
            moved = quiet_since = time.monotonic()
    if farthest < count:
        raise _Interrupted("the vehicle takes no more items")


def _is_final(ack: Any, kind: Kind, wanted: int, all_sent: bool) -> bool:
    """Whether an acknowledgement ends the upload well; raises when it ends it badly."""
    if ack.type == _ACCEPTED:
        return True
    if ack.type == _INVALID_SEQUENCE:
        return False  # a repeated item: the transfer goes on
    if ack.type == _ERROR and all_sent:
        return True  # items after the last: its acceptance was lost, reading back tells
    if ack.type in (_ERROR, _DENIED, _CANCELLED):
        raise _Interrupted(f"the vehicle broke off because of {_result(ack)}")
    raise _Refused(f"the vehicle refuses item {wanted} of the {kind.title}: {_result(ack)}")


def _result(ack: Any) -> str:
    return _RESULTS.get(ack.type, f"MAV_MISSION_RESULT {ack.type}")


def _item_message(vehicle: Vehicle, kind: Kind, seq: int, item: MissionItem) -> Any:
    current = int(kind is Kind.MISSION and seq == 0)
    return mavlink.MAVLink_mission_item_int_message(
        vehicle.link.target_system, 1, seq, item.frame, item.command, current, int(item.autocontinue),
        item.p1, item.p2, item.p3, item.p4, item.x, item.y, item.z, int(kind),
    )  # fmt: skip


# --- download


def _count(vehicle: Vehicle, kind: Kind, inbox: Inbox) -> int:
    pace = _Pace(vehicle)
    request = mavlink.MAVLink_mission_request_list_message(vehicle.link.target_system, 1, int(kind))
    deadline = time.monotonic() + _SILENCE_S
    while time.monotonic() < deadline:
        pace.send(request)
        wait_until = time.monotonic() + max(pace.repeat_s, 0.3)
        while (left := wait_until - time.monotonic()) > 0:
            message = _next(inbox, kind, left)
            if message is not None and message.get_type() == "MISSION_COUNT":
                return int(message.count)
            if message is not None and message.get_type() == "MISSION_ACK" and message.type == _DENIED:
                raise _Interrupted("the vehicle still waits for items")
    raise _Interrupted("the vehicle does not answer")


def _collect(vehicle: Vehicle, kind: Kind, count: int, inbox: Inbox, advance: Callable[..., None]) -> list[MissionItem]:
    """Ask for the items in a window, again for those that do not come."""
    pace = _Pace(vehicle)
    found: dict[int, MissionItem] = {}
    asked: dict[int, float] = {}
    run_began = 0
    heard = time.monotonic()
    while len(found) < count:
        now = time.monotonic()
        if now - heard > _SILENCE_S:
            raise _Interrupted("the vehicle fell silent while reading back")
        message = _next(inbox, kind, 0)
        if message is None:  # all that came is known
            missing = [seq for seq in range(count) if seq not in found][: pace.window]
            due = [seq for seq in missing if now - asked.get(seq, -math.inf) > pace.repeat_s]
            if any(seq in asked for seq in due):
                pace.lost(len(found) - run_began)
                run_began = len(found)
            for seq in due:
                pace.send(mavlink.MAVLink_mission_request_int_message(vehicle.link.target_system, 1, seq, int(kind)))
                asked[seq] = now
            message = _next(inbox, kind, min(pace.repeat_s, 0.05))
        if message is None or message.get_type() != "MISSION_ITEM_INT" or message.seq in found:
            continue
        heard = time.monotonic()
        found[message.seq] = _item(message)
        pace.arrived(1)
        advance(1)
    return [found[seq] for seq in range(count)]


def _next(inbox: Inbox, kind: Kind, wait_s: float) -> Any | None:
    """The next message about a list, or None when none comes in time."""
    deadline = time.monotonic() + wait_s
    while (message := inbox.get(deadline - time.monotonic())) is not None:
        if message.mission_type == kind:
            return message
    return None


def _item(m: Any) -> MissionItem:
    return MissionItem(m.command, m.frame, m.param1, m.param2, m.param3, m.param4, m.x, m.y, m.z, bool(m.autocontinue))
