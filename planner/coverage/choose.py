"""The fastest way to cover an area: many layouts are compared by flight time from home to home, complete ones only."""

import math
from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
import shapely
from numpy.typing import NDArray

from imagery.core.errors import BadInputError
from imagery.core.progress import SILENT, Progress
from planner.coverage.cells import Cell, partitions
from planner.coverage.layout import Layout, estimate, lines_of, nearby, over_cells, patched, single_sweeps
from planner.coverage.route import Order, order_lines
from planner.coverage.sweep import Sweep
from planner.coverage.task import Choice, Task
from planner.coverage.trim import trimmed
from planner.coverage.views import Views
from planner.timing import path_seconds

__all__ = ["Choice", "Task", "as_given", "choose", "fastest"]

SHORTEST_M = 0.1
MORE_LINES, MANY_LINES = 100, 500  # from which on fewer layouts are routed; from which on with no effort
MOST_ROUTED = 12
MOST_NEARBY = 2  # sweeps that differ a little from the best one
FINALISTS, FEW_LINES = 5, 60  # layouts that are trimmed and routed with effort; of more lines two or one
EFFORT, MOST_KICKS = 300, 20  # disturbances of an order times its lines; disturbances at most
CONVEX = 0.98  # of its hull: what an area fills that one angle serves best


def choose(
    task: Task, progress: Progress = SILENT, cost: Callable[[Choice], float] = lambda choice: choice.seconds
) -> Choice:
    """The fastest complete coverage found; where none is complete, the most complete one.

    Tried are partitions of a concave area into cells with a sweep each, and sweeps of the whole area in the order of a lower
    bound of their time. The best few are then routed with more effort, as they are and with their lines' ends drawn in from the
    edge as far as the photos still see enough. `cost` says what is best: by default the seconds in one flight.
    """
    views = Views(task)
    sweeps = single_sweeps(task)
    lines = len(sweeps[0][1].lines)
    limit = int(np.clip(400 / lines, 4 if lines < MORE_LINES else 1, MOST_ROUTED))
    finalists = FINALISTS if lines < FEW_LINES else 2 if lines < MORE_LINES else 1
    partitioned = [layout for cells in _partitions(task) if (layout := over_cells(task, cells, views)) is not None]
    if lines > MORE_LINES:
        partitioned = sorted(partitioned, key=lambda layout: sum(estimate(s, task.motion) for s in layout))[:1]
    with progress.stage("routes", len(partitioned) + limit + finalists, "sweeps") as advance:
        compared = _Compared(task, views, cost)
        for layout in partitioned:
            compared.add(layout)
            advance(1)
        for least_s, layout in islice(_complete(sweeps, views), limit):
            if least_s <= compared.soonest_s:
                compared.add(layout)
            advance(1)
        if not compared.layouts:
            return _route(task, (patched(_soonest_completed(sweeps, views), views),), thorough=True)
        near = nearby(task, compared.best(1)[0])
        for _, layout in islice(_complete(near, views), 1 if lines >= FEW_LINES else MOST_NEARBY):
            compared.add(layout)
        best = []
        for layout in compared.best(finalists):
            best.append(_route(task, layout, thorough=True))
            if task.most_inset_m > 0:
                best.append(_route(task, trimmed(layout, views, task.most_inset_m), thorough=True))
            advance(1)
    return min(best, key=cost)


class _Compared:
    """Layouts in the order of what flying them costs, routed without much effort."""

    def __init__(self, task: Task, views: Views, cost: Callable[[Choice], float]) -> None:
        self._task, self._views, self._cost = task, views, cost
        self.layouts: list[tuple[float, int, Layout]] = []
        self.soonest_s = math.inf

    def add(self, layout: Layout) -> None:
        """Compare a complete layout, its lines drawn in where cells meet."""
        apart = trimmed(layout, self._views, 0.0)
        choice = _route(self._task, apart, thorough=False)
        self.soonest_s = min(self.soonest_s, choice.seconds)
        self.layouts.append((self._cost(choice), len(self.layouts), apart))

    def best(self, count: int) -> list[Layout]:
        """The layouts that cost least."""
        return [layout for _, _, layout in sorted(self.layouts)[:count]]


def _complete(sweeps: list[tuple[float, Sweep]], views: Views) -> Iterator[tuple[float, Layout]]:
    """The sweeps that see enough, with their seconds."""
    return ((seconds, (one,)) for seconds, one in sweeps if views.complete(views.of(one)))


def _soonest_completed(sweeps: list[tuple[float, Sweep]], views: Views) -> Sweep:
    """Of incomplete sweeps the one that takes the least seconds with what it takes to complete it."""
    return min(sweeps, key=lambda option: option[0] + views.seconds_to_complete(views.of(option[1])))[1]


def _partitions(task: Task) -> list[tuple[Cell, ...]]:
    """Ways to cut the region into cells, where that may save time."""
    if task.one_angle or task.angles or task.region.area >= CONVEX * task.region.convex_hull.area:
        return []  # parallel lines were asked for, or serve best
    return partitions(task.region, task.spacing_m, task.motion)


def fastest(task: Task, lines: NDArray[np.float64]) -> Choice:
    """Given lines (n x 2 x 2), cut to the region, in their fastest order."""
    return _ordered(task, _within(task, lines), _course_deg(lines), thorough=True)


def as_given(task: Task, lines: NDArray[np.float64]) -> Choice:
    """Given lines (n x 2 x 2), cut to the region, in the order and direction given."""
    kept = _within(task, lines)
    ends = [task.home, *kept.reshape(-1, 2), task.home]
    ways = []
    for a, b in zip(ends[::2], ends[1::2], strict=True):
        way = None if a is task.home or b is task.home else task.inside.way(a, b)
        way = task.outside.way(a, b) if way is None else way
        if way is None:
            raise BadInputError("a no-fly zone encloses a part of the area: it cannot be reached")
        ways.append(way)
    count = len(kept)
    order = Order(np.arange(count), np.zeros(count, bool), tuple(ways))
    return Choice(kept, order, path_seconds(order.path(), task.motion), _course_deg(lines))


def _within(task: Task, lines: NDArray[np.float64]) -> NDArray[np.float64]:
    """The parts of lines inside the region, each in its line's direction."""
    parts = []
    for line in lines:
        found = [
            p for p in shapely.get_parts(shapely.LineString(line).intersection(task.region)) if p.length > SHORTEST_M
        ]
        found = [p for p in found if isinstance(p, shapely.LineString)]
        pieces = [shapely.get_coordinates(part)[[0, -1]] for part in found]
        course = line[1] - line[0]
        pieces = [piece if (piece[1] - piece[0]) @ course > 0 else piece[::-1] for piece in pieces]
        parts += sorted(pieces, key=lambda piece: math.dist(piece[0], line[0]))
    if not parts:
        raise BadInputError(
            "the pattern leaves nothing to fly inside the area: choose another pattern or a larger area"
        )
    return np.array(parts)


def _course_deg(lines: NDArray[np.float64]) -> float:
    east, north = lines[0, 1] - lines[0, 0]
    return math.degrees(math.atan2(north, east)) % 180


def _route(task: Task, layout: Layout, *, thorough: bool) -> Choice:
    """A layout's lines in their fastest order; `thorough` looks longer for a faster one."""
    return _ordered(task, lines_of(layout), layout[0].angle_deg, thorough=thorough)


def _ordered(task: Task, lines: NDArray[np.float64], angle_deg: float, *, thorough: bool) -> Choice:
    kicks = int(np.clip(EFFORT / len(lines), 3, MOST_KICKS)) if thorough and len(lines) < MANY_LINES else 0
    order = order_lines(lines, task.home, task.inside, task.outside, task.motion, kicks=kicks)
    return Choice(order.flown(lines), order, path_seconds(order.path(), task.motion), angle_deg)
