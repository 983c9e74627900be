"""Running a mission: which item comes next, what each navigation item flies, what the others set."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sitl.autopilot.airframe import Airframe, Target
from sitl.autopilot.manoeuvres import Climb, Hover, Legs, Manoeuvre, limits
from sitl.autopilot.place import Vector
from sitl.autopilot.returning import way_home
from sitl.autopilot.rewind import Rewind
from sitl.autopilot.state import ItemReached
from sitl.autopilot.storage import Item
from sitl.autopilot.trajectory import Leg, Limits

if TYPE_CHECKING:
    from sitl.autopilot.copter import Copter

__all__ = ["NAVIGATION", "Auto", "missing_item"]

WAYPOINT, LOITER_UNLIMITED, LOITER_TURNS, LOITER_TIME, RTL, LAND, TAKEOFF, SPLINE, DELAY = (
    16,
    17,
    18,
    19,
    20,
    21,
    22,
    82,
    93,
)
NAVIGATION = frozenset(
    {WAYPOINT, LOITER_UNLIMITED, LOITER_TURNS, LOITER_TIME, RTL, LAND, TAKEOFF, SPLINE, DELAY, 84, 85, 94}
)
JUMP, YAW = 177, 115


def missing_item(items: Sequence[Item]) -> str | None:
    """Why a mission cannot be started from the ground, in the autopilot's words."""
    first = next((item for item in items[1:] if item.command in NAVIGATION), None)
    if first is None or first.command != TAKEOFF:
        return "Auto: Missing Takeoff Cmd"
    return None


class Auto:
    """A mission under way.

    Attributes: seq: the navigation item being flown, 0 when none; finished: the mission ended and the vehicle holds.
    """

    def __init__(self, copter: "Copter", start: int, rewind: Rewind) -> None:
        """Begin with item `start`, or where `rewind` goes back to."""
        self._copter = copter
        self._rewind = rewind
        self.seq = 0
        self.finished = False
        self.paused: Manoeuvre | None = None
        self._speeds: dict[str, float] = {}  # what the mission set, by the limit's name
        self._jumps: dict[int, int] = {}
        self._manoeuvre: Manoeuvre | None = None
        self._held_s = 0.0
        self._fixed_yaw: float | None = None
        self._looked_at: Vector | None = None
        again = rewind.back()
        if again is None:
            self._begin_from(start)
        else:
            self.seq, place = again
            self._manoeuvre = self._legs(place)

    def step(self, frame: Airframe, dt_s: float) -> Target:
        """The next target; goes on to following items as they are done."""
        if self.paused is not None:
            return self.paused.step(frame, dt_s)
        if self._manoeuvre is None:
            self._manoeuvre = Hover(frame)
        target = self._manoeuvre.step(frame, dt_s)
        if not self.finished and self._item_done(dt_s):
            self._complete()
        if self._looked_at is not None:
            self._turn_to(self._looked_at)
        if self._fixed_yaw is not None:
            target = Target(target.position, target.velocity, target.acceleration, self._fixed_yaw)
        return target

    def pause(self, frame: Airframe) -> None:
        """Hold here until `go_on`."""
        self.paused = Hover(frame)

    def go_on(self, frame: Airframe) -> None:
        """Fly the current item anew from here."""
        self.paused = None
        if self.seq:
            self._fly(self.seq)

    def jump_to(self, seq: int) -> None:
        """Go on with another item (MISSION_SET_CURRENT)."""
        self.finished = False
        self._rewind.forget()
        self._begin_from(seq)

    def change_speed(self, kind: int, speed_m_s: float) -> None:
        """Another ground (SPEED_TYPE 0 or 1), climb (2) or descent (3) speed from now on."""
        self._speeds[{2: "climb", 3: "descent"}.get(kind, "speed")] = speed_m_s
        if isinstance(self._manoeuvre, Legs):
            self._manoeuvre.change_speed(self._limits())

    # --- the order of items

    def _items(self) -> Sequence[Item]:
        return self._copter.mission

    def _begin_from(self, index: int) -> None:
        """Start the first navigation item at or after `index`, doing what stands before it."""
        found = self._next_navigation(index, self._do)
        if found is None:
            self._end()
        else:
            self._fly(found)

    def _next_navigation(self, index: int, do: Callable[[Item], None] | None) -> int | None:
        items = self._items()
        jumps = self._jumps if do else dict(self._jumps)
        for _ in range(2 * len(items) + 1000):
            if index >= len(items):
                return None
            item = items[index]
            if item.command == JUMP:
                done = jumps.get(index, 0)
                again = item.p2 < 0 or done < item.p2
                jumps[index] = done + 1
                index = int(item.p1) if again and 0 < item.p1 < len(items) else index + 1
                continue
            if item.command in NAVIGATION:
                return index
            if do:
                do(item)
                if item.command == YAW:
                    self._copter.events.append(ItemReached(index))
            index += 1
        return None

    def _complete(self) -> None:
        items = self._items()
        # What takes a while is reported by the number of the item loaded last, which is the next one unless that navigates too.
        another = self.seq + 1 < len(items) and items[self.seq + 1].command not in NAVIGATION
        takes_a_while = items[self.seq].command == TAKEOFF or items[self.seq].p1 > 0
        self._copter.events.append(ItemReached(self.seq + (another and takes_a_while)))
        done = self.seq
        following = self._next_navigation(done + 1, None)
        if following is None:
            self._next_navigation(done + 1, self._do)
            self._end()
            return
        self._fly(following)
        self._next_navigation(done + 1, self._do)

    def _end(self) -> None:
        self.seq = 0
        self.finished = True
        self._manoeuvre = None

    # --- navigation items

    def _fly(self, seq: int) -> None:
        copter, before = self._copter, self._manoeuvre
        item = self._items()[seq]
        self.seq = seq
        self._held_s = 0.0
        if item.command == TAKEOFF:
            height = copter.local(item.place(copter.home, copter.place))[2]
            self._manoeuvre = Climb(copter.frame, float(height), self._limits())
        elif item.command == LAND:
            self._manoeuvre = copter.landing(item if item.x or item.y else None)
        elif item.command == RTL:
            self._manoeuvre = way_home(copter)
        elif item.command == DELAY:
            self._manoeuvre = Hover(copter.frame)
        elif isinstance(before, Legs) and before.done:
            before.follow(self._end_of(item), self._stops(seq))
        else:
            self._manoeuvre = self._legs(self._end_of(item))
        if item.x or item.y:
            self._rewind.head_for(seq, self._end_of(item))

    def _legs(self, end: Vector) -> Legs:
        """Fly from here to a place, and on to the following item's where this one is not stopped at."""
        copter = self._copter
        return Legs(
            copter.frame,
            end,
            self._limits(),
            stop=self._stops(self.seq),
            peek_next=self._peek,
            face=copter.parameters["WP_YAW_BEHAVIOR"] > 0,
        )

    def _end_of(self, item: Item) -> Vector:
        return self._copter.local(item.place(self._copter.home, self._copter.place))

    def _stops(self, seq: int) -> bool:
        """A waypoint is flown through when it has no hold and another one with a place follows."""
        item = self._items()[seq]
        if item.command not in (WAYPOINT, SPLINE) or item.p1 > 0:
            return True
        following = self._next_navigation(seq + 1, None)
        return following is None or self._items()[following].command not in (
            WAYPOINT,
            SPLINE,
            LOITER_TIME,
            LOITER_UNLIMITED,
        )

    def _peek(self, end: Vector) -> Leg | None:
        following = self._next_navigation(self.seq + 1, None)
        if following is None:
            return None
        return Leg(end, self._end_of(self._items()[following]), self._limits(), self._stops(following))

    def _item_done(self, dt_s: float) -> bool:
        if self._manoeuvre is None:
            return True
        item = self._items()[self.seq] if self.seq < len(self._items()) else Item(RTL, 0)
        if item.command == DELAY:
            self._held_s += dt_s
            return self._held_s >= item.p1
        if not self._manoeuvre.done:
            return False
        self._held_s += dt_s
        hold = item.p1 if item.command in (WAYPOINT, SPLINE, LOITER_TIME) else 0.0
        return item.command != LOITER_UNLIMITED and self._held_s >= hold

    def _limits(self) -> Limits:
        return limits(self._copter.parameters, **self._speeds)

    # --- the other items

    def _do(self, item: Item) -> None:
        copter, shutter = self._copter, self._copter.shutter
        match item.command:
            case 178 if item.p2 > 0:
                self.change_speed(int(item.p1), item.p2)
            case 206:
                shutter.trigger_by_distance(item.p1, now=item.p3 == 1)
            case 203 if item.x == 1:
                shutter.shoot()
            case 2000:
                shutter.trigger_by_time(item.p2, int(item.p3))
            case 2001:
                shutter.stop()
            case 205 | 1000:
                copter.gimbal_pitch_deg = item.p1
            case 115:
                base = copter.frame.yaw_deg if item.p4 == 1 else 0.0
                self._fixed_yaw = (base + item.p1 * (math.copysign(1, item.p3) if item.p4 == 1 else 1)) % 360
            case 215:
                self._rewind.repeat(item.p1)
            case 207:
                copter.parameters.set("FENCE_ENABLE", float(item.p1 == 1))
            case 179:
                copter.set_home(copter.place if item.p1 == 1 else item.place(copter.home, copter.place))
            case 201:
                self._look_at(item)

    def _look_at(self, item: Item) -> None:
        """Turn to a place and keep facing it, with the gimbal too; to none where the item names none."""
        if item.x == 0 and item.y == 0:
            self._fixed_yaw = self._looked_at = None
        else:
            self._looked_at = self._end_of(item)

    def _turn_to(self, place: Vector) -> None:
        offset: Vector = place - self._copter.frame.position
        level = float(np.hypot(offset[0], offset[1]))
        if level > 1:
            self._fixed_yaw = math.degrees(math.atan2(offset[0], offset[1])) % 360
        self._copter.gimbal_pitch_deg = math.degrees(math.atan2(offset[2], level))
