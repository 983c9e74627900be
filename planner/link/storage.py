"""What an autopilot keeps of a mission: limits, commands that it refuses, and what reads back of what was sent.

Observed on ArduCopter; PX4 by its documented mission protocol: it has no home among the items and keeps a yaw of NaN ("do not
care"), which ArduPilot reads back as 0.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from imagery.core.errors import BadInputError
from planner.mission import Mission, MissionItem, fence_items, has_position, home_item, rally_items

__all__ = ["ARDUPILOT", "AUTOPILOTS", "PX4", "Autopilot", "Kind", "check", "differences", "normalised", "wire_items"]


class Kind(IntEnum):
    """MAV_MISSION_TYPE."""

    MISSION = 0
    FENCE = 1
    RALLY = 2

    @property
    def title(self) -> str:
        """Its name in messages."""
        return "rally points" if self is Kind.RALLY else self.name.lower()


@dataclass(frozen=True, slots=True)
class Autopilot:
    """How an autopilot keeps missions.

    Attributes: capacity: items of each list; home_first: whether item 0 of a mission is the home; keeps_nan: whether NaN for a
    yaw means something to it; refused: commands that it does not take in a mission.
    """

    name: str
    capacity: Mapping[Kind, int]
    home_first: bool
    keeps_nan: bool
    refused: frozenset[int]


ARDUPILOT = Autopilot(
    "ArduPilot",
    # A copter with 16 kB of storage; the mission's count includes the home.
    {Kind.MISSION: 650, Kind.FENCE: 70, Kind.RALLY: 46},
    home_first=True,
    keeps_nan=False,
    refused=frozenset({214, 260, 530, 2003, 4501, 186, 195, 197}),
)
PX4 = Autopilot(
    "PX4",
    {Kind.MISSION: 2000, Kind.FENCE: 64, Kind.RALLY: 32},
    home_first=False,
    keeps_nan=True,
    refused=frozenset({82, 115, 201, 207, 215}),
)
AUTOPILOTS = {3: ARDUPILOT, 12: PX4}
"""The autopilots that missions can be sent to, by MAV_AUTOPILOT."""

_JUMP, _TRIGGER_DISTANCE = 177, 206
_WHOLE_P1 = frozenset({178, 215})  # a kind of speed, a distance in metres
_FRAMES = frozenset({0, 2, 3, 5, 6, 10, 11})
_STORED_FRAME = {5: 0, 6: 3, 11: 10}
_NAN_P4_IS_FINE = frozenset({16, 17, 19, 21, 22, 82})
_SAME = 0.006
# Heights are kept in centimetres, reckoned in single precision and cut off: 0.53 m reads back as 0.52 m, 30.129 m as 30.12 m.
_SAME_HEIGHT_M = 0.011


def wire_items(mission: Mission, autopilot: Autopilot = ARDUPILOT) -> dict[Kind, tuple[MissionItem, ...]]:
    """The items of each list as they go over the wire."""
    items = mission.items
    if items and autopilot.home_first:
        items = (home_item(mission), *items)
    else:  # a jump's target is counted with the home
        items = tuple(replace(item, p1=item.p1 - 1) if item.command == _JUMP else item for item in items)
    if not autopilot.keeps_nan:
        items = tuple(replace(item, p4=0.0) if math.isnan(item.p4) and _may_be_nan(item) else item for item in items)
    return {Kind.MISSION: items, Kind.FENCE: fence_items(mission.fence), Kind.RALLY: rally_items(mission.rally)}


def check(lists: Mapping[Kind, Sequence[MissionItem]], autopilot: Autopilot = ARDUPILOT) -> None:
    """Refuse what no vehicle must be sent: too many items, unknown commands, values that are no numbers or no places on Earth.

    Raises BadInputError naming the item.
    """
    for kind, items in lists.items():
        if len(items) > autopilot.capacity[kind]:
            raise BadInputError(
                f"the {kind.title} has {len(items)} items, but {autopilot.name} keeps {autopilot.capacity[kind]}: "
                "plan smaller flights (--endurance) or a simpler fence"
            )
        for number, item in enumerate(items):
            problem = _problem(item, autopilot)
            if problem:
                raise BadInputError(
                    f"item {number} of the {kind.title} (command {item.command}): {problem}; nothing was sent"
                )


def _problem(item: MissionItem, autopilot: Autopilot) -> str | None:
    if item.command in autopilot.refused or item.command <= 0:
        return f"{autopilot.name} does not take this command in a mission"
    if item.frame not in _FRAMES:
        return f"height frame {item.frame} is not supported"
    values = {"p1": item.p1, "p2": item.p2, "p3": item.p3, "height": item.z}
    if not _may_be_nan(item):
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


def _may_be_nan(item: MissionItem) -> bool:
    """Whether parameter 4 is a yaw that may be left open."""
    return item.command in _NAN_P4_IS_FINE


def normalised(kind: Kind, item: MissionItem) -> MissionItem:
    """An item reduced to what ArduPilot keeps of it, so that what was sent can be compared with what reads back."""
    if kind is Kind.FENCE:
        return MissionItem(item.command, 0, p1=item.p1, x=item.x, y=item.y)
    frame = _STORED_FRAME.get(item.frame, item.frame)
    if kind is Kind.RALLY:
        return MissionItem(item.command, frame, x=item.x, y=item.y, z=float(int(item.z)))
    if not has_position(item):
        p1 = float(int(item.p1)) if item.command in _WHOLE_P1 else item.p1
        p2 = 0.0 if item.command == _TRIGGER_DISTANCE else item.p2
        p4 = 0.0 if math.isnan(item.p4) else item.p4
        return replace(item, frame=0, p1=p1, p2=p2, p4=p4, autocontinue=True)
    frame = 0 if item.frame == 2 else frame
    return MissionItem(item.command, frame, p1=float(int(item.p1)), x=item.x, y=item.y, z=round(item.z, 2))


def differences(
    kind: Kind, sent: Sequence[MissionItem], back: Sequence[MissionItem], autopilot: Autopilot = ARDUPILOT
) -> list[str]:
    """Where two lists differ after normalising; a home at the beginning is the vehicle's own and not compared."""
    if len(sent) != len(back):
        return [f"{len(back)} items instead of {len(sent)}"]
    found = []
    for number, (ours, theirs) in enumerate(zip(sent, back, strict=True)):
        if kind is Kind.MISSION and number == 0 and autopilot.home_first:
            continue
        a, b = normalised(kind, ours), normalised(kind, theirs)
        values = zip((a.p1, a.p2, a.p3, a.p4), (b.p1, b.p2, b.p3, b.p4), strict=True)
        same = (a.command, a.frame, a.x, a.y) == (b.command, b.frame, b.x, b.y) and _close(a.z, b.z, _SAME_HEIGHT_M)
        if not same or not all(_close(x, y, _SAME) for x, y in values):
            found.append(f"item {number} is {_brief(b)}, not {_brief(a)}")
    return found


def _close(a: float, b: float, tolerance: float) -> bool:
    """Whether two values are the same but for what storage and single precision lose."""
    return abs(a - b) <= tolerance + 1e-6 * abs(a)


def _brief(item: MissionItem) -> str:
    return f"({item.command} {item.frame} {item.p1:g} {item.p2:g} {item.p3:g} {item.p4:g} {item.x} {item.y} {item.z:g})"
