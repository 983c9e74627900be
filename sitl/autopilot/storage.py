"""What the autopilot keeps of a mission, fence or rally item, and which items it refuses (MAV_MISSION_RESULT)."""

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sitl.autopilot.place import Place

__all__ = ["CAPACITY", "Item", "MissionKind", "Refusal", "fence_error", "stored"]


class MissionKind(enum.IntEnum):
    """MAV_MISSION_TYPE."""

    MISSION = 0
    FENCE = 1
    RALLY = 2


CAPACITY = {MissionKind.MISSION: 650, MissionKind.FENCE: 70, MissionKind.RALLY: 46}
"""How many items fit: 15 bytes for a mission item in 16 kB of storage, 8 for a fence vertex, 15 for a rally point."""


class Refusal(enum.IntEnum):
    """MAV_MISSION_RESULT values with which an item is refused."""

    ERROR = 1
    UNSUPPORTED_FRAME = 2
    UNSUPPORTED = 3
    INVALID = 5
    INVALID_PARAM1 = 6
    INVALID_PARAM2 = 7
    INVALID_PARAM3 = 8
    INVALID_PARAM4 = 9
    INVALID_PARAM5_X = 10
    INVALID_PARAM6_Y = 11
    INVALID_PARAM7 = 12


@dataclass(frozen=True, slots=True)
class Item:
    """One stored item; x and y are 1e-7 degrees where the command has a place."""

    command: int
    frame: int
    p1: float = 0.0
    p2: float = 0.0
    p3: float = 0.0
    p4: float = 0.0
    x: int = 0
    y: int = 0
    z: float = 0.0

    def place(self, home: Place, here: Place) -> Place:
        """Where the item is; 0/0 means the present position. Terrain heights are taken as heights above home."""
        relative = self.frame in (3, 10)
        alt = self.z + (home.alt_amsl_m if relative else 0.0)
        if self.x == 0 and self.y == 0:
            return Place(here.lat_deg, here.lon_deg, alt)
        return Place(self.x / 1e7, self.y / 1e7, alt)


_FRAMES = {0: 0, 5: 0, 3: 3, 6: 3, 10: 10, 11: 10, 2: 0}
_PLACED = frozenset({16, 17, 18, 19, 21, 22, 82, 84, 85, 94, 179, 195, 201})
_PLAIN = frozenset(
    {
        20,
        83,
        93,
        112,
        114,
        115,
        177,
        178,
        181,
        182,
        183,
        184,
        189,
        188,
        193,
        197,
        202,
        203,
        205,
        206,
        207,
        208,
        209,
        210,
        211,
    }
    | {212, 215, 218, 222, 223, 92, 194, 532, 531, 534, 600, 601, 1000, 2000, 2001, 2500, 2501, 42600}
)
_FENCE = frozenset(range(5000, 5005))
_NAN_P4_IS_FINE = frozenset({16, 17, 19, 21, 22, 82})
_WHOLE_P1 = frozenset({16, 19, 82, 178, 215})
_LOITER_UNLIMITED, _LOITER_TURNS, _LOITER_TIME, _LAND = 17, 18, 19, 21


def stored(kind: MissionKind, item: Item) -> Item | Refusal:
    """The item as it will read back, or why it is refused."""
    if kind is MissionKind.FENCE:
        return _stored_fence(item)
    if kind is MissionKind.RALLY:
        return _stored_rally(item)
    return _stored_mission(item)


def _stored_mission(item: Item) -> Item | Refusal:
    if item.command == 0:
        return Refusal.INVALID
    if item.command not in _PLACED and item.command not in _PLAIN:
        return Refusal.UNSUPPORTED
    invalid = _not_a_number(item)
    if invalid is not None:
        return invalid
    if item.command not in _PLACED:
        whole = float(int(item.p1)) if item.command in _WHOLE_P1 else item.p1
        return replace(item, frame=0, p1=whole, p2=0.0 if item.command == 206 else item.p2)
    if item.frame not in _FRAMES:
        return Refusal.UNSUPPORTED_FRAME
    outside = _outside_the_earth(item)
    if outside is not None:
        return outside
    p1 = float(max(int(item.p1), 0)) if item.command in _WHOLE_P1 else item.p1
    p3, p4 = _kept_turning(item)
    return Item(
        item.command,
        _FRAMES[item.frame],
        p1=p1,
        p3=p3,
        p4=p4,
        x=item.x,
        y=item.y,
        z=_in_centimetres(item.z),
    )


def _in_centimetres(height_m: float) -> float:
    """A height as it reads back: whole centimetres, reckoned in single precision and cut off (0.53 m becomes 0.52 m)."""
    kept_cm = np.trunc(np.float32(height_m) * np.float32(100))
    return float(np.float32(kept_cm) * np.float32(0.01))


def _kept_turning(item: Item) -> tuple[float, float]:
    """Parameters 3 and 4 as they read back: of a direction only its sense is kept, and the default is said."""
    sense = -1.0 if item.p3 < 0 else 1.0
    if item.command == _LOITER_TIME:
        return sense, float(item.p4 > 0)
    if item.command in (_LOITER_UNLIMITED, _LOITER_TURNS):
        return sense * int(abs(item.p3)), 0.0
    if item.command == _LAND:
        return 0.0, -1.0 if item.p4 < 0 else 1.0
    return 0.0, 0.0


def _not_a_number(item: Item) -> Refusal | None:
    for value, refusal in (
        (item.p1, Refusal.INVALID_PARAM1),
        (item.p2, Refusal.INVALID_PARAM2),
        (item.p3, Refusal.INVALID_PARAM3),
    ):
        if not math.isfinite(value):
            return refusal
    if not math.isfinite(item.p4) and item.command not in _NAN_P4_IS_FINE:
        return Refusal.INVALID_PARAM4
    return None


def _outside_the_earth(item: Item) -> Refusal | None:
    if abs(item.x) > 900_000_000:
        return Refusal.INVALID_PARAM5_X
    if abs(item.y) > 1_800_000_000:
        return Refusal.INVALID_PARAM6_Y
    # Heights are kept as centimetres in 24 bits.
    if not math.isfinite(item.z) or abs(item.z) >= 83_886:
        return Refusal.INVALID_PARAM7
    return None


def _stored_fence(item: Item) -> Item | Refusal:
    if item.command not in _FENCE:
        return Refusal.UNSUPPORTED
    # The shape as a whole is judged after the last item.
    return replace(item, frame=0, p2=0.0, p3=0.0, p4=0.0, z=0.0)


def _stored_rally(item: Item) -> Item | Refusal:
    if item.command != 5100:
        return Refusal.UNSUPPORTED
    if item.frame not in _FRAMES:
        return Refusal.UNSUPPORTED_FRAME
    outside = _outside_the_earth(item)
    if outside is not None:
        return outside
    return Item(5100, _FRAMES[item.frame], x=item.x, y=item.y, z=float(int(item.z)))


def fence_error(items: Sequence[Item]) -> str | None:
    """Why a fence of these items is refused after its last item; None when it is good."""
    index = 0
    while index < len(items):
        item = items[index]
        if abs(item.x) > 900_000_000 or abs(item.y) > 1_800_000_000:
            return "Fence: bad latitude or longitude"
        if item.command in (5003, 5004):
            if not item.p1 > 0:
                return "Invalid circle radius"
            index += 1
        elif item.command in (5001, 5002):
            count = int(item.p1)
            if count < 3:
                return f"Invalid vertex count ({count})"
            polygon = items[index : index + count]
            if len(polygon) < count or any((v.command, int(v.p1)) != (item.command, count) for v in polygon):
                return "Received incorrect vertices"
            if any(abs(v.x) > 900_000_000 or abs(v.y) > 1_800_000_000 for v in polygon):
                return "Fence: bad latitude or longitude"
            index += count
        else:
            index += 1
    return None
