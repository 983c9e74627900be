"""The mission protocol's vehicle side for mission, fence and rally points, with ArduPilot's answers and habits."""

import math
from dataclasses import dataclass, field
from typing import Any

from sitl.autopilot.state import Mode
from sitl.autopilot.storage import CAPACITY, Item, MissionKind, Refusal, fence_error, stored
from sitl.protocol.peer import Peer, mavlink

__all__ = ["MissionServer"]

_ACCEPTED, _ERROR, _UNSUPPORTED, _NO_SPACE = 0, 1, 3, 4
_INVALID_SEQUENCE, _DENIED, _CANCELLED = 13, 14, 15
_REPEAT_S, _TIMEOUT_S = 1.0, 8.0
_READY_S = 2.5  # after the boot
_NAMES = {MissionKind.MISSION: "Mission", MissionKind.FENCE: "Fence", MissionKind.RALLY: "Rally"}
_RECEIVED = {
    MissionKind.MISSION: "Flight plan received",
    MissionKind.FENCE: "Fence received",
    MissionKind.RALLY: "Rally points received",
}
_WARNING, _INFO = 4, 6


@dataclass(slots=True)
class _Upload:
    """An upload under way: the items `first`..`last` of a kind, from one ground station."""

    kind: MissionKind
    sender: tuple[int, int]
    last: int
    expected: int
    heard_s: float
    asked_s: float
    staged: list[Item] = field(default_factory=list)


class MissionServer:
    """Answers the mission protocol's messages and keeps what they store in the copter."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._copter = peer.copter
        self._upload: _Upload | None = None

    def handle(self, message: Any) -> None:
        """Answer one message of the mission protocol."""
        handler = getattr(self, f"_{message.get_type().lower()}", None)
        if handler is None:
            return
        sender = message.get_srcSystem(), message.get_srcComponent()
        kind = getattr(message, "mission_type", 0)
        if kind not in CAPACITY:
            self._ack(sender, kind, _UNSUPPORTED)
            return
        handler(message, sender, MissionKind(kind))

    def tick(self) -> None:
        """Repeat requests and give up uploads that have gone silent."""
        upload = self._upload
        if upload is None:
            return
        now = self._copter.time_s
        if now - upload.heard_s >= _TIMEOUT_S:
            self._upload = None
            self._ack(upload.sender, upload.kind, _CANCELLED)
            self._peer.say(_WARNING, f"{_NAMES[upload.kind]} upload timeout")
        elif now - upload.asked_s >= _REPEAT_S:
            self._ask(upload)

    # --- upload

    def _mission_count(self, message: Any, sender: tuple[int, int], kind: MissionKind) -> None:
        if self._upload is not None and self._upload.sender[0] != sender[0]:
            self._ack(sender, kind, _DENIED)
            return
        capacity = self._capacity(kind)
        if capacity is None:
            self._ack(sender, kind, _UNSUPPORTED)
            return
        if message.count > capacity:
            self._upload = None
            self._peer.say(_WARNING, f"Only {capacity} items are supported")
            self._ack(sender, kind, _NO_SPACE)
            return
        if message.count == 0:
            self._upload = None
            self._store(kind, [])
            self._accepted(sender, kind)
            return
        if kind is not MissionKind.FENCE:
            self._truncate(kind, message.count)
        now = self._copter.time_s
        self._upload = _Upload(kind, sender, message.count - 1, 0, now, now)
        self._ask(self._upload)

    def _mission_write_partial_list(self, message: Any, sender: tuple[int, int], kind: MissionKind) -> None:
        items = self._items(kind)
        start, end = message.start_index, message.end_index
        if kind is MissionKind.FENCE or not 0 <= start <= end < len(items):
            self._ack(sender, kind, _ERROR)
            return
        now = self._copter.time_s
        self._upload = _Upload(kind, sender, end, start, now, now)
        self._ask(self._upload)

    def _mission_item(self, message: Any, sender: tuple[int, int], kind: MissionKind) -> None:
        self._peer.say(_WARNING, "got MISSION_ITEM; GCS should send MISSION_ITEM_INT")
        x, y = message.x, message.y
        placed = message.command not in (115, 177, 178, 203, 205, 206, 207, 1000, 2000, 2001)
        self._take(message, sender, kind, (x * 1e7, y * 1e7) if placed else (x, y))

    def _mission_item_int(self, message: Any, sender: tuple[int, int], kind: MissionKind) -> None:
        self._take(message, sender, kind, (message.x, message.y))

    def _take(self, message: Any, sender: tuple[int, int], kind: MissionKind, xy: tuple[float, float]) -> None:
        upload = self._upload
        if upload is None or kind is not upload.kind:
            self._ack(sender, kind, _ERROR)
            return
        if sender[0] != upload.sender[0]:
            self._ack(sender, kind, _DENIED)
            return
        if message.seq != upload.expected:
            self._ack(sender, kind, _INVALID_SEQUENCE)
            return
        if not all(math.isfinite(part) for part in xy):
            self._finish(upload, Refusal.INVALID_PARAM5_X)
            return
        p1, p2, p3, p4 = message.param1, message.param2, message.param3, message.param4
        x, y = round(xy[0]), round(xy[1])
        item = stored(kind, Item(message.command, message.frame, p1, p2, p3, p4, x, y, message.z))
        if isinstance(item, Refusal):
            self._finish(upload, item)
            return
        self._keep(upload, item)
        upload.heard_s = self._copter.time_s
        if upload.expected == upload.last:
            self._complete(upload)
        else:
            upload.expected += 1
            self._ask(upload)

    def _keep(self, upload: _Upload, item: Item) -> None:
        if upload.kind is MissionKind.FENCE:
            upload.staged.append(item)
            return
        items = self._items(upload.kind)
        if upload.kind is MissionKind.MISSION and upload.expected == 0:
            item = self._copter.home_item()
        if upload.expected < len(items):
            items[upload.expected] = item
        else:
            items.append(item)

    def _complete(self, upload: _Upload) -> None:
        if upload.kind is MissionKind.FENCE:
            reason = fence_error(upload.staged)
            if reason is not None:
                self._peer.say(_WARNING, reason)
                self._finish(upload, Refusal.ERROR)
                return
            had_polygon = any(item.command in (5001, 5002) for item in self._copter.fence)
            circles_only = all(item.command in (5003, 5004) for item in upload.staged)
            # The real autopilot loses circles that replace a polygon fence.
            self._store(MissionKind.FENCE, [] if had_polygon and circles_only else upload.staged)
        self._upload = None
        self._changed(upload.kind)
        self._accepted(upload.sender, upload.kind)

    def _finish(self, upload: _Upload, refusal: int) -> None:
        self._upload = None
        self._ack(upload.sender, upload.kind, refusal)

    def _accepted(self, sender: tuple[int, int], kind: MissionKind) -> None:
        self._ack(sender, kind, _ACCEPTED)
        self._peer.say(_INFO, _RECEIVED[kind])

    def _ask(self, upload: _Upload) -> None:
        upload.asked_s = self._copter.time_s
        self._peer.send(
            mavlink.MAVLink_mission_request_message(*upload.sender, upload.expected, mission_type=int(upload.kind))
        )

    # --- download

    def _mission_request_list(self, message: Any, sender: tuple[int, int], kind: MissionKind) -> None:
        if self._upload is not None:
            self._ack(sender, kind, _DENIED)
            return
        self._send_count(sender, kind)

    def _mission_request_int(self, message: Any, sender: tuple[int, int], kind: MissionKind) -> None:
        item = self._requested(message, sender, kind)
        if item is not None:
            self._peer.send(
                mavlink.MAVLink_mission_item_int_message(
                    *sender, message.seq, item.frame, item.command, 0, 1,
                    item.p1, item.p2, item.p3, item.p4, item.x, item.y, item.z, int(kind),
                )
            )  # fmt: skip

    def _mission_request(self, message: Any, sender: tuple[int, int], kind: MissionKind) -> None:
        item = self._requested(message, sender, kind)
        if item is not None:
            self._peer.say(_WARNING, "got MISSION_REQUEST; use MISSION_REQUEST_INT!")
            self._peer.send(
                mavlink.MAVLink_mission_item_message(
                    *sender, message.seq, item.frame, item.command, 0, 1,
                    item.p1, item.p2, item.p3, item.p4, item.x / 1e7, item.y / 1e7, item.z, int(kind),
                )
            )  # fmt: skip

    def _requested(self, message: Any, sender: tuple[int, int], kind: MissionKind) -> Item | None:
        if self._upload is not None:
            self._ack(sender, kind, _DENIED)
            return None
        items = self._items(kind)
        if message.seq < len(items):
            return items[message.seq]
        if kind is MissionKind.MISSION:
            self._send_count(sender, kind)
            self._ack(sender, kind, _ERROR)
        else:
            self._ack(sender, kind, _INVALID_SEQUENCE)
        return None

    def _send_count(self, sender: tuple[int, int], kind: MissionKind) -> None:
        count = len(self._items(kind))
        self._peer.send(mavlink.MAVLink_mission_count_message(*sender, count, mission_type=int(kind)))

    # --- the rest

    def _mission_clear_all(self, message: Any, sender: tuple[int, int], kind: MissionKind) -> None:
        copter = self._copter
        if kind is MissionKind.MISSION and copter.mode is Mode.AUTO and copter.armed:
            self._ack(sender, kind, _ERROR)
            return
        self._upload = None
        self._store(kind, [])
        self._changed(kind)
        self._ack(sender, kind, _ACCEPTED)

    def _mission_set_current(self, message: Any, sender: tuple[int, int], kind: MissionKind) -> None:
        if not self._copter.set_current_item(message.seq):
            self._peer.say(_WARNING, "Set mission item failed")

    def _capacity(self, kind: MissionKind) -> int | None:
        """How many items fit now; None while the protocol is not up yet after boot."""
        if self._copter.time_s < _READY_S / 2:
            return None
        return CAPACITY[kind] if self._copter.time_s >= _READY_S else 0

    def _items(self, kind: MissionKind) -> list[Item]:
        copter = self._copter
        return {MissionKind.MISSION: copter.mission, MissionKind.FENCE: copter.fence, MissionKind.RALLY: copter.rally}[
            kind
        ]

    def _store(self, kind: MissionKind, items: list[Item]) -> None:
        self._items(kind)[:] = items
        total = {MissionKind.MISSION: "MIS_TOTAL", MissionKind.FENCE: "FENCE_TOTAL", MissionKind.RALLY: "RALLY_TOTAL"}
        self._copter.parameters.set(total[kind], len(items))

    def _truncate(self, kind: MissionKind, count: int) -> None:
        del self._items(kind)[count:]

    def _changed(self, kind: MissionKind) -> None:
        if kind is MissionKind.MISSION:
            self._copter.mission_changed()

    def _ack(self, sender: tuple[int, int], kind: int, result: int) -> None:
        self._peer.send(mavlink.MAVLink_mission_ack_message(*sender, int(result), mission_type=int(kind)))
