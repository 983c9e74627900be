"""What is left of a survey: the stretches without photos, and the mission that flies only those.

A line counts as photographed where successive photos lie no more than one and a half trigger distances apart: a lost photo leaves
two, and the autopilot's own unevenness far less than half a one. So the photos need not lie where they were planned, and it
does not matter which flight, battery or computer they come from.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from imagery.core.errors import BadInputError
from imagery.core.photolog import PhotoRecord
from planner.link.detour import Stretch, rest_of
from planner.link.storage import ARDUPILOT, Kind
from planner.link.triggers import Path, Plane, Run, flown_path, photo_runs
from planner.mission import Mission

__all__ = ["Stretch", "missing", "remaining"]

_WIDEST = 1.5  # spacing of photos, in trigger distances, that is still whole
# How far the last photo may be from where it is planned, where no shot marks the end, in trigger distances.
_UNSURE_END = 0.75
_ENDS_M, _ENDS = 4.0, 0.35  # how far from a line's end the shot taken there may be: metres, or trigger distances
_ASIDE_M, _ASIDE = 3.0, 0.4  # how far from a line a photo still belongs to it: metres, or trigger distances
_ABOVE_M = 10.0
_OTHER_COURSE, _STRAIGHT = math.sin(math.radians(30)), math.cos(math.radians(30))
_AHEAD = 1.0  # trigger distances flown again before the last photo before a gap
_JOIN = 3.0  # gaps closer together than this many trigger distances are flown as one
_SINGLE_SHOT_M, _SINGLE_SHOT_ABOVE_M = 5.0, 5.0
_JUMP = 177


def missing(mission: Mission, taken: Sequence[PhotoRecord]) -> list[Stretch]:
    """Where photos are missing, in the order of flight. `taken` in the order in which they were taken, from any flights."""
    path = flown_path(mission)
    places = _Places.of(path.plane, taken)
    return [
        stretch
        for number, run in enumerate(photo_runs(mission))
        if run.photos_m
        for stretch in _gaps(number, run, places.along(path, run))
    ]


def remaining(mission: Mission, taken: Sequence[PhotoRecord]) -> Mission | None:
    """The mission that takes what is missing, or None when nothing is.

    Each stretch begins one trigger distance before the last photo before its gap and ends at the first one after it, at the
    original heights and speeds and in the original order. Between stretches it takes short cuts that keep to the fence and to the
    greatest height of what they leave out, and the original path where there is none. Raises BadInputError for a mission with
    jumps.
    """
    if any(item.command == _JUMP for item in mission.items):
        raise BadInputError("a mission with DO_JUMP cannot be resumed: its order of flight is not fixed")
    gaps = missing(mission, taken)
    if not gaps:
        return None
    join = _JOIN
    while True:
        items = rest_of(mission, _flown_again(photo_runs(mission), gaps, join))
        if len(items) < ARDUPILOT.capacity[Kind.MISSION] or join > 1e6:
            return replace(mission, items=items)
        join *= 2  # many small gaps: fewer, longer stretches


# --- what was taken


@dataclass(frozen=True, slots=True)
class _Places:
    """Photos taken: east, north, height above home (nan where unknown), and the courses from and to their neighbours."""

    points: np.ndarray
    from_before: np.ndarray
    to_next: np.ndarray

    @classmethod
    def of(cls, plane: Plane, taken: Sequence[PhotoRecord]) -> "_Places":
        points = np.array(
            [
                (*plane.to_local(photo.lat, photo.lon), math.nan if photo.alt_rel_m is None else photo.alt_rel_m)
                for photo in taken
            ],
            float,
        ).reshape(-1, 3)
        steps = np.diff(points[:, :2], axis=0)
        unknown = np.full((1, 2), np.nan)
        return cls(points, np.vstack((unknown, steps))[-len(points) :], np.vstack((steps, unknown))[: len(points)])

    def along(self, path: Path, run: Run) -> np.ndarray:
        """Where on a run photos were taken, in metres along it, sorted."""
        if run.every_m == 0:
            there = np.array(path.points[run.first])
            off = self.points - there
            close = np.hypot(off[:, 0], off[:, 1]) <= _SINGLE_SHOT_M
            return np.zeros(np.count_nonzero(close & ~(abs(off[:, 2]) > _SINGLE_SHOT_ABOVE_M)))
        found, passed = [], 0.0
        for a, b in pairwise(path.points[run.first : run.last + 1]):
            start, way = np.array(a), np.array(b) - np.array(a)
            length = math.hypot(way[0], way[1])
            if length > 0.01:
                part = np.clip((self.points[:, :2] - start[:2]) @ way[:2] / length**2, 0.0, 1.0)
                off = self.points - (start + part[:, None] * way)
                near = np.hypot(off[:, 0], off[:, 1]) <= max(_ASIDE_M, _ASIDE * run.every_m)
                near &= ~(abs(off[:, 2]) > _ABOVE_M) & self._on_course(way[:2] / length, run.every_m)
                found.append(passed + part[near] * length)
            passed += length
        return np.sort(np.concatenate(found)) if found else np.zeros(0)

    def _on_course(self, course: np.ndarray, every_m: float) -> np.ndarray:
        """All but the photos of a flight straight across, as where the lines of a crosshatch meet."""
        passing = np.ones(len(self.points), bool)
        for step in (self.from_before, self.to_next):
            length = np.hypot(step[:, 0], step[:, 1])
            across = abs(step[:, 0] * course[1] - step[:, 1] * course[0]) > _OTHER_COURSE * length
            passing &= across & (length > 0.3 * every_m) & (length < 2.5 * every_m)
        a, b = self.from_before, self.to_next
        straight = (a * b).sum(axis=1) > _STRAIGHT * np.hypot(*a.T) * np.hypot(*b.T)
        on_course: np.ndarray = ~(passing & straight)
        return on_course


def _gaps(number: int, run: Run, taken_m: np.ndarray) -> Iterator[Stretch]:
    begin, end = run.photos_m[0], run.photos_m[-1]
    if run.every_m == 0 or not len(taken_m):
        if not len(taken_m):
            yield Stretch(number, begin, end, len(run.photos_m))
        return
    every = run.every_m
    at_ends = max(_ENDS_M, _ENDS * every)
    if taken_m[0] - begin > (at_ends if run.at_start else _UNSURE_END * every):
        yield Stretch(number, begin, float(taken_m[0]), max(round((taken_m[0] - begin) / every), 1))
    for before, after in pairwise(taken_m.tolist()):
        if after - before > _WIDEST * every and after > begin and before < end:
            yield Stretch(number, before, after, max(round((after - before) / every) - 1, 1))
    if end - taken_m[-1] > (at_ends if run.at_end else _UNSURE_END * every):
        yield Stretch(number, float(taken_m[-1]), end, max(math.ceil((end - taken_m[-1]) / every - 0.3), 1))


def _flown_again(runs: Sequence[Run], gaps: Sequence[Stretch], join: float) -> list[Stretch]:
    """The stretches to fly: gaps with their overlap, on the planned photos' grid, near ones joined."""
    flown: list[Stretch] = []
    for gap in gaps:
        run = runs[gap.run]
        every, last = run.every_m, run.photos_m[-1]
        begin = max((math.floor(gap.begin_m / every + 0.01) - _AHEAD) * every, 0.0) if every else 0.0
        end = min(math.ceil(gap.end_m / every - 0.01) * every, last) if every else 0.0
        stretch = Stretch(gap.run, begin, end, gap.photos)
        if flown and flown[-1].run == gap.run and begin - flown[-1].end_m <= join * every:
            before = flown.pop()
            stretch = Stretch(gap.run, before.begin_m, max(before.end_m, end), before.photos + gap.photos)
        flown.append(stretch)
    return flown
