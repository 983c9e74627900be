"""Missions, fences and rally points to and from a vehicle, so that what is on it is what was planned.

Upload: clear, send, read everything back, compare. The vehicle asks for one item after the other, but takes the next item unasked
too; so items are sent ahead in a window that grows while all goes well and shrinks on loss, which copes with bad and slow links.
On any failure the vehicle is cleared and proven empty; when even that cannot be shown, the error says so.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import IntEnum
from typing import Any

from imagery.core.errors import BadInputError, LinkError
from imagery.core.progress import SILENT, Progress
from planner.link.connection import Inbox, mavlink
from planner.link.vehicle import Vehicle
from planner.mission import Mission, MissionItem, fence_items, has_position, home_item, rally_items

__all__ = [
    "CAPACITY",
    "Kind",
    "check",
    "differences",
    "download",
    "normalised",
    "upload",
    "upload_mission",
    "wire_items",
]


class Kind(IntEnum):
    """MAV_MISSION_TYPE."""

    MISSION = 0
    FENCE = 1
    RALLY = 2


CAPACITY = {Kind.MISSION: 650, Kind.FENCE: 70, Kind.RALLY: 46}
"""What an ArduPilot copter with 16 kB of storage keeps (the mission's count includes the home)."""

_NAMES = {Kind.MISSION: "mission", Kind.FENCE: "fence", Kind.RALLY: "rally points"}
_ACCEPTED, _ERROR, _INVALID_SEQUENCE, _DENIED, _CANCELLED = 0, 1, 13, 14, 15
_RESULTS = {
    1: "a general error", 2: "a height frame that it does not know", 3: "a command that it does not know",
    4: "no space for so many items", 5: "an invalid value", 6: "parameter 1", 7: "parameter 2", 8: "parameter 3",
    9: "parameter 4", 10: "the latitude", 11: "the longitude", 12: "the height", 13: "the order", 14: "another ground station",
    15: "a time-out",
}  # fmt: skip
_UNSUPPORTED = frozenset({214, 260, 530, 2003, 4501, 186, 195, 197})  # refused by ArduPilot as mission items
_FRAMES = frozenset({0, 2, 3, 5, 6, 10, 11})
_STORED_FRAME = {5: 0, 6: 3, 11: 10}
_NAN_P4_IS_FINE = frozenset({16, 17, 19, 21, 22, 82})
_FIRST_WINDOW, _LOSSY_WINDOW, _LARGEST_WINDOW = 16, 8, 128
_ATTEMPTS = 12
_SILENCE_S = 20.0
_PAUSE_S = 0.5


def _repeat_after(vehicle: Vehicle) -> float:
    """When to repeat what was not answered: a little more than the link's round trip."""
    return 1.3 * vehicle.round_trip_s + 0.03


class _Refused(Exception):
    """The vehicle will not have it, however often it is sent."""


class _Interrupted(Exception):
    """The transfer failed on the way and can be tried again."""


# --- pure: what is sent, what may be sent, what reads back


def wire_items(mission: Mission) -> dict[Kind, tuple[MissionItem, ...]]:
    """The items of each list as they go over the wire; the mission's begin with the home."""
    return {
        Kind.MISSION: (home_item(mission), *mission.items) if mission.items else (),
        Kind.FENCE: fence_items(mission.fence),
        Kind.RALLY: rally_items(mission.rally),
    }


def check(lists: Mapping[Kind, Sequence[MissionItem]]) -> None:
    """Refuse what no vehicle must be sent: too many items, unknown commands, values that are no numbers or no places on Earth.

    Raises BadInputError naming the item.
    """
    for kind, items in lists.items():
        if len(items) > CAPACITY[kind]:
            raise BadInputError(
                f"the {_NAMES[kind]} has {len(items)} items, but a vehicle keeps {CAPACITY[kind]}: "
                "plan smaller flights (--endurance) or a simpler fence"
            )
        for number, item in enumerate(items):
            problem = _problem(item)
            if problem:
                raise BadInputError(
                    f"item {number} of the {_NAMES[kind]} (command {item.command}): {problem}; nothing was sent"
                )


def _problem(item: MissionItem) -> str | None:
    if item.command in _UNSUPPORTED or item.command <= 0:
        return "ArduPilot does not take this command in a mission"
    if item.frame not in _FRAMES:
        return f"height frame {item.frame} is not supported"
    values = {"p1": item.p1, "p2": item.p2, "p3": item.p3, "height": item.z}
    if item.command not in _NAN_P4_IS_FINE:
        values["p4"] = item.p4
    for name, value in values.items():
        if not math.isfinite(value):
            return f"{name} is not a number"
    if has_position(item):
        if abs(item.x) > 900_000_000 or abs(item.y) > 1_800_000_000:
            return "its place is not on Earth"
        if abs(item.z) > 50_000:
            return f"its height of {item.z:g} m is out of range"
    return None


def normalised(kind: Kind, item: MissionItem) -> MissionItem:
    """An item as ArduPilot keeps it, so that what was sent can be compared with what reads back."""
    if kind is Kind.FENCE:
        return MissionItem(item.command, 0, p1=item.p1, x=item.x, y=item.y)
    if kind is Kind.RALLY:
        return MissionItem(
            item.command, _STORED_FRAME.get(item.frame, item.frame), x=item.x, y=item.y, z=float(int(item.z))
        )
    if not has_position(item):
        p4 = 0.0 if math.isnan(item.p4) else item.p4
        return replace(item, frame=0, p2=0.0 if item.command == 206 else item.p2, p4=p4, autocontinue=True)
    frame = 0 if item.frame == 2 else _STORED_FRAME.get(item.frame, item.frame)
    return MissionItem(item.command, frame, p1=float(int(item.p1)), x=item.x, y=item.y, z=round(item.z, 2))


def differences(kind: Kind, sent: Sequence[MissionItem], back: Sequence[MissionItem]) -> list[str]:
    """Where two lists differ after normalising; the mission's item 0 is the vehicle's own home and not compared."""
    if len(sent) != len(back):
        return [f"{len(back)} items instead of {len(sent)}"]
    found = []
    for number, (ours, theirs) in enumerate(zip(sent, back, strict=True)):
        if kind is Kind.MISSION and number == 0:
            continue
        a, b = normalised(kind, ours), normalised(kind, theirs)
        values = zip((a.p1, a.p2, a.p3, a.p4, a.z), (b.p1, b.p2, b.p3, b.p4, b.z), strict=True)
        same = (a.command, a.frame, a.x, a.y) == (b.command, b.frame, b.x, b.y)
        if not same or any(abs(x - y) > 0.006 + 1e-6 * abs(x) for x, y in values):
            found.append(f"item {number} is {_brief(b)}, not {_brief(a)}")
    return found


def _brief(item: MissionItem) -> str:
    return f"({item.command} {item.frame} {item.p1:g} {item.p2:g} {item.p3:g} {item.p4:g} {item.x} {item.y} {item.z:g})"


# --- with a vehicle


def upload_mission(vehicle: Vehicle, mission: Mission, progress: Progress = SILENT) -> None:
    """Put a mission with its fence and rally points on the vehicle and prove it by reading everything back.

    Raises BadInputError before anything is sent for what must not be sent, and LinkError when the vehicle or the link fails; then
    the vehicle has been cleared and shown to be empty, or the message says that its content is UNKNOWN.
    """
    lists = wire_items(mission)
    check(lists)
    if not lists[Kind.MISSION]:
        raise BadInputError("the flight has no mission items: nothing to upload")
    for kind, items in lists.items():
        upload(vehicle, kind, items, progress)


def upload(vehicle: Vehicle, kind: Kind, items: Sequence[MissionItem], progress: Progress = SILENT) -> None:
    """Replace one list on the vehicle; errors as `upload_mission`."""
    reason = "no attempt"
    with progress.stage(f"upload {_NAMES[kind]}", len(items), "items") as advance:
        for attempt in range(_ATTEMPTS):
            try:
                _clear(vehicle, kind)
                if items:
                    _send(vehicle, kind, items, advance if attempt == 0 else _ignore)
                wrong = differences(kind, items, download(vehicle, kind, expected=len(items)))
                if not wrong or (kind is Kind.MISSION and not items):
                    return
                reason = f"read back {len(wrong)} differences, the first: {wrong[0]}"
            except _Interrupted as error:
                reason = str(error)
                time.sleep(_PAUSE_S)
            except _Refused as error:
                _leave_empty(vehicle, kind, str(error))
    _leave_empty(vehicle, kind, f"{reason}, after {_ATTEMPTS} attempts")


def download(
    vehicle: Vehicle, kind: Kind, *, expected: int | None = None, progress: Progress = SILENT
) -> list[MissionItem]:
    """Read a list from the vehicle. Raises LinkError when the link fails, _Interrupted inside an upload."""
    with vehicle.link.inbox("MISSION_COUNT", "MISSION_ITEM_INT", "MISSION_ACK") as inbox:
        count = _count(vehicle, kind, inbox)
        if expected is not None and count != expected and not (expected == 0 and count <= 1):
            raise _Interrupted(f"the vehicle holds {count} items, not {expected}")
        with progress.stage(f"download {_NAMES[kind]}", count, "items") as advance:
            items = _collect(vehicle, kind, count, inbox, advance)
        vehicle.link.send(mavlink.MAVLink_mission_ack_message(vehicle.link.target_system, 1, _ACCEPTED, int(kind)))
        return items


def _ignore(steps: float = 1.0) -> None:
    pass


def _leave_empty(vehicle: Vehicle, kind: Kind, reason: str) -> None:
    """Raise LinkError for a failed upload, saying in which state the vehicle is left."""
    name = _NAMES[kind]
    try:
        for _ in range(3):
            _clear(vehicle, kind)
            with vehicle.link.inbox("MISSION_COUNT", "MISSION_ACK") as inbox:
                left = _count(vehicle, kind, inbox)
            if left <= (1 if kind is Kind.MISSION else 0):
                raise LinkError(
                    f"upload of the {name} failed: {reason}. The vehicle's {name} was cleared: it holds none"
                )
    except _Interrupted:
        pass
    raise LinkError(
        f"upload of the {name} failed: {reason}. What the vehicle holds is UNKNOWN: do not fly; improve the link and upload again"
    )


def _send(vehicle: Vehicle, kind: Kind, items: Sequence[MissionItem], advance: Any) -> None:
    """One attempt at sending a list; returns once the vehicle has it, or probably has it (reading back tells)."""
    repeat_s = _repeat_after(vehicle)
    window, copies, wanted, sent, shown = _FIRST_WINDOW, 1, 0, 0, 0
    started = False
    heard = time.monotonic()
    last_sent = rewound = -math.inf
    with vehicle.link.inbox("MISSION_REQUEST", "MISSION_REQUEST_INT", "MISSION_ACK") as inbox:
        while time.monotonic() - heard < _SILENCE_S:
            now = time.monotonic()
            if not started:
                # Every count starts the transfer anew on the vehicle, so it must not be repeated early.
                if now - last_sent > max(1.5 * repeat_s, 0.2):
                    _send_count(vehicle, kind, len(items))
                    last_sent = now
            else:
                if now - last_sent > repeat_s:  # nothing moves: something was lost
                    window, copies, sent, rewound = max(window // 2, _LOSSY_WINDOW), min(copies + 1, 3), wanted, now
                while sent < min(wanted + window, len(items)):
                    for _ in range(copies):
                        _send_item(vehicle, kind, sent, items[sent])
                    sent += 1
                    last_sent = time.monotonic()
            message = inbox.get(min(repeat_s, 0.05))
            if message is None or message.mission_type != kind:
                continue
            heard = time.monotonic()
            if message.get_type() == "MISSION_ACK":
                if not started and message.type not in (_ACCEPTED, _ERROR, _INVALID_SEQUENCE):
                    # Within seconds of its boot a vehicle refuses any count; it may have meant that.
                    raise _Interrupted(
                        f"the vehicle refuses the {_NAMES[kind]}: {_RESULTS.get(message.type, message.type)}"
                    )
                if started and _is_final(message, wanted, len(items), kind):
                    advance(len(items) - shown)
                    return
                if started and copies == 1 and heard - rewound > vehicle.round_trip_s:
                    # An item came out of order: one before it was lost, and from now on each goes more than once.
                    window, copies, sent, rewound = max(window // 2, _LOSSY_WINDOW), 2, wanted, heard
                continue
            if not started:
                started = True
                sent = message.seq
            if message.seq > wanted:
                window = min(window + message.seq - wanted, _LARGEST_WINDOW)
                wanted = message.seq
                last_sent = heard
            sent = max(sent, wanted)
            if wanted > shown:
                advance(wanted - shown)
                shown = wanted
    raise _Interrupted("the vehicle fell silent")


def _is_final(ack: Any, wanted: int, count: int, kind: Kind) -> bool:
    """Whether an acknowledgement ends the upload well; raises when it ends it badly."""
    if ack.type == _ACCEPTED:
        return True
    if ack.type == _INVALID_SEQUENCE:
        return False  # a repeated item: the transfer goes on
    if ack.type == _ERROR and wanted >= count - 1:
        return True  # items after the last: its acceptance was lost, reading back tells
    if ack.type in (_ERROR, _DENIED, _CANCELLED):
        raise _Interrupted(f"the vehicle broke off because of {_RESULTS[ack.type]}")
    raise _Refused(f"the vehicle refuses item {wanted} of the {_NAMES[kind]}: {_RESULTS.get(ack.type, ack.type)}")


def _send_count(vehicle: Vehicle, kind: Kind, count: int) -> None:
    vehicle.link.send(mavlink.MAVLink_mission_count_message(vehicle.link.target_system, 1, count, int(kind)))


def _send_item(vehicle: Vehicle, kind: Kind, seq: int, item: MissionItem) -> None:
    p4 = 0.0 if math.isnan(item.p4) else item.p4
    current = int(kind is Kind.MISSION and seq == 0)
    vehicle.link.send(
        mavlink.MAVLink_mission_item_int_message(
            vehicle.link.target_system, 1, seq, item.frame, item.command, current, int(item.autocontinue),
            item.p1, item.p2, item.p3, p4, item.x, item.y, item.z, int(kind),
        )
    )  # fmt: skip


def _clear(vehicle: Vehicle, kind: Kind) -> None:
    wait_s = max(_repeat_after(vehicle), 0.3)
    with vehicle.link.inbox("MISSION_ACK") as inbox:
        deadline = time.monotonic() + _SILENCE_S
        while time.monotonic() < deadline:
            vehicle.link.send(mavlink.MAVLink_mission_clear_all_message(vehicle.link.target_system, 1, int(kind)))
            answer = _next(inbox, kind, wait_s)
            if answer is None or answer.type in (_INVALID_SEQUENCE, _DENIED):
                continue
            if answer.type == _ACCEPTED:
                return
            if vehicle.state.armed:
                raise LinkError(
                    f"the vehicle does not clear its {_NAMES[kind]} while it flies it: land first; nothing was changed"
                )
    raise _Interrupted("the vehicle does not answer")


def _count(vehicle: Vehicle, kind: Kind, inbox: Inbox) -> int:
    wait_s = max(_repeat_after(vehicle), 0.3)
    deadline = time.monotonic() + _SILENCE_S
    while time.monotonic() < deadline:
        vehicle.link.send(mavlink.MAVLink_mission_request_list_message(vehicle.link.target_system, 1, int(kind)))
        wait_until = time.monotonic() + wait_s
        while (left := wait_until - time.monotonic()) > 0:
            message = _next(inbox, kind, left)
            if message is not None and message.get_type() == "MISSION_COUNT":
                return int(message.count)
    raise _Interrupted("the vehicle does not answer")


def _collect(vehicle: Vehicle, kind: Kind, count: int, inbox: Inbox, advance: Any) -> list[MissionItem]:
    """Ask for the items in a window, again for those that do not come."""
    found: dict[int, MissionItem] = {}
    asked: dict[int, float] = {}
    repeat_s = _repeat_after(vehicle)
    window = _FIRST_WINDOW
    heard = time.monotonic()
    while len(found) < count:
        now = time.monotonic()
        if now - heard > _SILENCE_S:
            raise _Interrupted("the vehicle fell silent while reading back")
        missing = [seq for seq in range(count) if seq not in found][:window]
        for seq in missing:
            if now - asked.get(seq, -math.inf) > repeat_s:
                vehicle.link.send(
                    mavlink.MAVLink_mission_request_int_message(vehicle.link.target_system, 1, seq, int(kind))
                )
                asked[seq] = now
        message = _next(inbox, kind, min(repeat_s, 0.05))
        if message is None or message.get_type() != "MISSION_ITEM_INT" or message.seq in found:
            continue
        heard = time.monotonic()
        found[message.seq] = _item(message)
        window = min(window + 1, _LARGEST_WINDOW)
        advance(1)
    return [found[seq] for seq in range(count)]


def _next(inbox: Inbox, kind: Kind, wait_s: float) -> Any | None:
    deadline = time.monotonic() + wait_s
    while (left := deadline - time.monotonic()) > 0:
        message = inbox.get(left)
        if message is not None and message.mission_type == kind:
            return message
    return None


def _item(m: Any) -> MissionItem:
    return MissionItem(m.command, m.frame, m.param1, m.param2, m.param3, m.param4, m.x, m.y, m.z, bool(m.autocontinue))
