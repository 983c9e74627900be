"""How many photos of parallel lines see each cell of an area: fast enough to compare many sweeps and to trim single lines."""

import functools
import math
from collections.abc import Iterable

import numpy as np
import shapely
from numpy.typing import NDArray

from planner.coverage.proof import APART_M, cells_of, count_views, photos_between
from planner.coverage.sweep import Sweep
from planner.coverage.task import Task
from planner.site import polygonal

__all__ = ["Counts", "Views"]

ENOUGH_FIVE = 0.991  # of the area is to be seen by five photos, a little more than is promised
SECONDS_A_PATCH = 20.0
NEARLY_ALL = 0.9

Counts = NDArray[np.int16]


class Views:
    """Counts of the photos that see each cell of an area's raster; what has been counted of a sweep is remembered.

    Counts are those of planner.coverage.proof.count_views over flat ground, of the cells inside the area in `np.nonzero` order.
    Where photos are taken depends on which way a line is flown, and the smaller count of the two is taken.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self.few = min(5, max(1, int(task.views / 2)))  # photos that are enough: five, or half as many as inside
        self._cells = cells_of(_in_reach(task))
        self._x, self._y = self._cells.inside_centres()
        self._counted: dict[int, tuple[Sweep, Counts]] = {}
        self._turned = functools.lru_cache(maxsize=32)(self._turn)

    def centres(self) -> NDArray[np.float64]:
        """The centres of the cells, n x 2."""
        return np.column_stack([self._x, self._y])

    def of_photos(self, points: NDArray[np.float64], course: NDArray[np.float64]) -> Counts:
        """Views of each cell by photos at points (n x 2) on courses (n x 2 unit vectors)."""
        seen = count_views(
            self._cells,
            np.column_stack(
                [points, np.ones(len(points))]
            ),  # one metre up, with a field of view as large as a footprint
            course,
            (self.task.width_m, self.task.height_m),
        )
        return seen.views[self._cells.inside].astype(np.int16)

    def of(self, sweep: Sweep) -> Counts:
        """Views of each cell."""
        if id(sweep) not in self._counted:
            seen = np.zeros(len(self._x), np.int16)
            for line in sweep.lines:
                cells, counts = self.of_line(line, sweep.angle_deg)
                seen[cells] += counts
            self._counted[id(sweep)] = sweep, seen
        return self._counted[id(sweep)][1]

    def total(self, sweeps: Iterable[Sweep]) -> Counts:
        """Views of all sweeps together."""
        return np.asarray(functools.reduce(np.add, map(self.of, sweeps)))

    def of_line(self, line: NDArray[np.float64], angle_deg: float) -> tuple[NDArray[np.int64], Counts]:
        """The cells beside a line (2 x 2, at an angle from east), and how many photos see each whichever way it is flown."""
        task = self.task
        order, along, across = self._turned(angle_deg)
        c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
        (x0, y0), (x1, y1) = line.tolist()
        start, length, offset = x0 * c + y0 * s, (x1 - x0) * c + (y1 - y0) * s, y0 * c - x0 * s
        first, last = np.searchsorted(across, (offset - task.width_m / 2, offset + task.width_m / 2 + 1e-9))
        from_start, half = along[first:last] - start, task.height_m / 2
        beside = np.flatnonzero((from_start >= -half) & (from_start <= length + half))
        from_start = from_start[beside]
        seen = np.minimum(self._counts(from_start, length), self._counts(length - from_start, length))
        return order[first + beside], seen

    def _counts(self, along: NDArray[np.float64], length: float) -> Counts:
        """How many photos of a line see places so far along it: one at its entry, every trigger distance, and at its exit."""
        half, trigger_m = self.task.height_m / 2, self.task.trigger_m
        at_exit = (along >= length - half).astype(np.int16)
        if length < APART_M:
            return at_exit
        latest = int(photos_between(np.array([length]), trigger_m)[0])
        highest = np.minimum(np.floor((along + half) / trigger_m), latest)
        lowest = np.maximum(np.ceil((along - half) / trigger_m), 0)
        return (np.maximum(highest - lowest + 1, 0) + at_exit).astype(np.int16)

    def shares(self, seen: Counts) -> tuple[float, float]:
        """The shares of the area seen by at least one photo, and by enough."""
        return float((seen >= 1).mean()), float((seen >= self.few).mean())

    def complete(self, seen: Counts) -> bool:
        """Whether everything is seen, and nearly everything often enough."""
        return self.spare(seen) >= 0

    def spare(self, seen: Counts) -> int:
        """How many cells more may be seen too seldom; negative where the area is not seen completely."""
        if not seen.all():
            return -1
        return int((1 - ENOUGH_FIVE) * len(seen)) - int((seen < self.few).sum())

    def seconds_to_complete(self, seen: Counts) -> float:
        """Roughly what it takes to fly again over what too few photos see, and to reach what none sees."""
        task, (one, enough) = self.task, self.shares(seen)
        unseen_photos = (1 - one) * task.area.area / (task.width_m * task.height_m)
        again_s = (1 - enough) * task.area.area / (task.spacing_m * task.motion.speed_m_s)
        return again_s + SECONDS_A_PATCH * unseen_photos

    def _turn(self, angle_deg: float) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """The cells sorted across the course, and where they lie along and across it."""
        c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
        across = self._y * c - self._x * s
        order = np.argsort(across, kind="stable")
        return order, (self._x * c + self._y * s)[order], across[order]


def _in_reach(task: Task) -> shapely.Geometry:
    """The area without what no photo over the region could see, so that the rest is still covered completely."""
    if task.region.area > NEARLY_ALL * task.area.area:
        return task.area
    return polygonal(task.area.intersection(task.region.buffer(task.height_m / 2 - 1.0)))
