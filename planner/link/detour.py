"""A mission cut down to some stretches of its path, with safe ways between them."""

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

from planner.link.airspace import Airspace
from planner.link.triggers import Path, Point, Run, flown_path, photo_runs
from planner.mission import (
    DO_CHANGE_SPEED,
    DO_SET_CAM_TRIGG_DIST,
    FRAME_GLOBAL,
    FRAME_GLOBAL_RELATIVE,
    FRAME_GLOBAL_TERRAIN,
    FRAME_MISSION,
    NAV_LAND,
    NAV_RETURN_TO_LAUNCH,
    NAV_TAKEOFF,
    NAV_WAYPOINT,
    Mission,
    MissionItem,
    degrees_1e7,
)

__all__ = ["Stretch", "rest_of"]

_FENCE_MARGIN_M = 5.0  # of short cuts; the original path may pass closer
_LEVEL_M = 0.5
_NOT_SETTINGS = frozenset({DO_SET_CAM_TRIGG_DIST, 203, 2000, 2001, 112, 114, 189})  # triggers, delays, land start
_TRIGGER_OFF = MissionItem(DO_SET_CAM_TRIGG_DIST, FRAME_MISSION)
_FIRST_DO = 100  # commands from here on fly nowhere


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a mission's path without the photos that it should have.

    Attributes: run: index among the mission's photo runs; begin_m, end_m: along that run; photos: how many are missing.
    """

    run: int
    begin_m: float
    end_m: float
    photos: int


def rest_of(mission: Mission, stretches: Sequence[Stretch]) -> tuple[MissionItem, ...]:
    """The items that fly only some stretches, in their order: take-off, ways and stretches, the original ending.

    A way follows the original path, cut short where the straight line keeps to the fence; a short cut is flown at the greatest
    height of what it leaves out, so that it clears whatever the original path was made to clear.
    """
    return tuple(_Rest(mission).items(stretches))


@dataclass(frozen=True, slots=True)
class _Spot:
    """A place on the path: its point number `point`, or (`between`) a place between that one and the one before."""

    at: Point
    point: int
    between: bool = False


@dataclass(frozen=True, slots=True)
class _Hop:
    """A straight flight between two spots, and the greatest height of the path that it replaces."""

    start: _Spot
    end: _Spot
    height_m: float

    @property
    def length_m(self) -> float:
        return math.dist(self.start.at[:2], self.end.at[:2])


class _Rest:
    """Builds the items; keeps which settings (speed, gimbal, ...) are in force."""

    def __init__(self, mission: Mission) -> None:
        self._items = mission.items
        self._known_home = math.isfinite(mission.home.alt_amsl_m)
        self._runs = photo_runs(mission)
        self._path, self._ending = _without_ending(flown_path(mission), mission.items)
        self._free = Airspace.of(mission, _FENCE_MARGIN_M)
        self._set: dict[tuple[int, float], MissionItem] = {}
        first = int(len(self._path.points) > 1 and self._item(1).command == NAV_TAKEOFF)
        self._start = _Spot(self._path.points[first], first)
        self._returns = bool(self._ending) and self._ending[0].command == NAV_RETURN_TO_LAUNCH

    def items(self, stretches: Sequence[Stretch]) -> Iterator[MissionItem]:
        here = self._start
        for number, stretch in enumerate(stretches):
            run = self._runs[stretch.run]
            begin, end = (self._spot(run, along) for along in (stretch.begin_m, stretch.end_m))
            hops = self._from_home(begin) if number == 0 else self._hops(self._chain(here, begin))
            if number == 0:
                yield from self._takeoff(hops)
            yield from self._flown(hops)
            yield from self._photographed(run, begin, end)
            here = end
        yield from self._to_the_end(here)
        yield from self._settings(len(self._items) - len(self._ending) + 1)
        yield from self._ending

    # --- the ways

    def _from_home(self, goal: _Spot) -> list[_Hop]:
        forward = self._hops(self._chain(self._start, goal))
        if not self._returns:
            return forward
        return min(forward, self._hops(self._chain(goal, self._home())[::-1]), key=_length)

    def _to_the_end(self, here: _Spot) -> Iterator[MissionItem]:
        """Fly to where the ending begins; the straight flight home is the ending's own."""
        if self._returns:
            forward, back = self._chain(here, self._home()), self._chain(self._start, here)[::-1]
            yield from self._flown(min(self._hops(forward), self._hops(back), key=_length), arrive=False)
            return
        last = _Spot(self._path.points[-1], len(self._path.points) - 1)
        if here != last:
            yield from self._flown(self._hops(self._chain(here, last)))
            yield self._waypoint(last, last.at[2])

    def _home(self) -> _Spot:
        """The home as the end of the path, at the take-off's height."""
        return _Spot((0.0, 0.0, self._start.at[2]), len(self._path.points))

    def _chain(self, start: _Spot, end: _Spot) -> list[_Spot]:
        """The spots of the original path from one to a later one."""
        between = range(start.point + (not start.between), end.point)
        return [start, *(_Spot(self._path.points[k], k) for k in between), end]

    def _hops(self, chain: Sequence[_Spot]) -> list[_Hop]:
        """The chain with short cuts: from each spot to the farthest one that can be reached straight."""
        hops, here = [], 0
        while here < len(chain) - 1:
            ahead = chain[here + 2 :]
            free = self._free.allows(chain[here].at, [spot.at for spot in ahead])
            frames = [self._frame(spot) for spot in chain[here:]]
            reach = [k for k in range(len(ahead)) if free[k] and len(set(frames[: k + 3])) == 1]
            there = here + 2 + reach[-1] if reach else here + 1
            height = max(spot.at[2] for spot in chain[here : there + 1]) if reach else -math.inf
            hops.append(_Hop(chain[here], chain[there], height))
            here = there
        return hops

    def _flown(self, hops: Sequence[_Hop], *, arrive: bool = True) -> Iterator[MissionItem]:
        """Waypoints up to the last hop's end, which is left to what follows; not even near it unless `arrive`."""
        for number, hop in enumerate(hops, 1):
            if hop.height_m > hop.start.at[2] + _LEVEL_M and hop.start != self._start:
                yield self._waypoint(hop.start, hop.height_m)
            if number == len(hops) and not arrive:
                return
            if hop.height_m > hop.end.at[2] + _LEVEL_M:
                yield self._waypoint(hop.end, hop.height_m)
            if number < len(hops):
                yield self._waypoint(hop.end, hop.end.at[2])

    # --- the items

    def _takeoff(self, hops: Sequence[_Hop]) -> Iterator[MissionItem]:
        """The original take-off, as high as the first way must be."""
        if self._start.point == 0:
            return
        number = self._path.items[self._start.point]
        yield from self._settings(number)
        takeoff = self._item(number)
        higher = max(hops[0].height_m - self._start.at[2], 0.0) if hops else 0.0
        yield replace(takeoff, z=round(takeoff.z + higher, 2))
        yield _TRIGGER_OFF  # the interrupted flight may have left it on

    def _photographed(self, run: Run, begin: _Spot, end: _Spot) -> Iterator[MissionItem]:
        """A stretch: a photo at its beginning, every so many metres, and at its end; or a single shot."""
        trigger = self._item(run.item)
        if run.every_m == 0:
            yield self._waypoint(begin, begin.at[2], hold_s=self._hold_s(begin))
            yield from self._settings(run.item)
            yield trigger
            return
        yield self._waypoint(begin, begin.at[2])
        yield from self._settings(run.item if begin.point == run.first else self._path.items[begin.point])
        yield replace(trigger, p3=1.0)
        for point in range(begin.point + (not begin.between), end.point):
            number = self._path.items[point]
            yield from self._settings(number)
            yield self._item(number)
        yield from self._settings(self._path.items[end.point])
        yield self._waypoint(end, end.at[2])
        yield MissionItem(DO_SET_CAM_TRIGG_DIST, FRAME_MISSION, p3=1.0)

    def _settings(self, number: int) -> Iterator[MissionItem]:
        """What the original mission has set before an item and is not in force here yet."""
        wanted: dict[tuple[int, float], MissionItem] = {}
        for item in self._items[: number - 1]:
            if item.command >= _FIRST_DO and item.command not in _NOT_SETTINGS:
                wanted[item.command, item.p1 if item.command == DO_CHANGE_SPEED else 0.0] = item
        for what, item in wanted.items():
            if self._set.get(what) != item:
                self._set[what] = item
                yield item

    def _waypoint(self, spot: _Spot, height_m: float, hold_s: float = 0.0) -> MissionItem:
        lat, lon = self._path.plane.to_geographic(spot.at[0], spot.at[1])
        z = round(height_m, 2)
        return MissionItem(NAV_WAYPOINT, self._frame(spot), p1=hold_s, x=degrees_1e7(lat), y=degrees_1e7(lon), z=z)

    def _hold_s(self, spot: _Spot) -> float:
        item = self._item(self._path.items[spot.point])
        return item.p1 if item.command == NAV_WAYPOINT else 0.0

    def _frame(self, spot: _Spot) -> int:
        """The frame of a spot's height: absolute ones have become relative where the home's height is known."""
        number = self._path.items[min(spot.point, len(self._path.items) - 1)]
        frame = self._item(number).frame if number else FRAME_GLOBAL_RELATIVE
        if frame in (FRAME_GLOBAL_TERRAIN, 11):
            return FRAME_GLOBAL_TERRAIN
        return FRAME_GLOBAL if frame in (FRAME_GLOBAL, 5) and not self._known_home else FRAME_GLOBAL_RELATIVE

    def _item(self, number: int) -> MissionItem:
        return self._items[number - 1]

    def _spot(self, run: Run, along_m: float) -> _Spot:
        """The place so far along a run."""
        points = self._path.points[run.first : run.last + 1]
        passed = [0.0, *accumulate(math.dist(a[:2], b[:2]) for a, b in pairwise(points))]
        k = min(bisect_left(passed, along_m - 0.01), len(passed) - 1)
        if k == 0 or along_m > passed[k] - 0.01:
            return _Spot(points[k], run.first + k)
        part = (along_m - passed[k - 1]) / (passed[k] - passed[k - 1])
        a, b = points[k - 1], points[k]
        at = (a[0] + part * (b[0] - a[0]), a[1] + part * (b[1] - a[1]), a[2] + part * (b[2] - a[2]))
        return _Spot(at, run.first + k, between=True)


def _without_ending(path: Path, items: Sequence[MissionItem]) -> tuple[Path, tuple[MissionItem, ...]]:
    """The path before the mission's ending, and the ending: from its return to launch or landing on."""
    last = next((n for n, i in enumerate(items, 1) if i.command in (NAV_RETURN_TO_LAUNCH, NAV_LAND)), len(items) + 1)
    kept = bisect_left(path.items, last)
    return replace(path, points=path.points[:kept], items=path.items[:kept]), tuple(items[last - 1 :])


def _length(hops: Sequence[_Hop]) -> float:
    return sum(hop.length_m for hop in hops)
