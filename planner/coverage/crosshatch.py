"""Cross-hatch: a second pass of lines across the first, begun where the first one ends."""

from dataclasses import dataclass
from itertools import product

import numpy as np
import shapely
from numpy.typing import NDArray

from imagery.core.errors import BadInputError
from planner.coverage.route import Order, order_lines
from planner.coverage.sweep import sweep
from planner.coverage.task import Choice, Task
from planner.timing import path_seconds

__all__ = ["crossed"]

MARGIN = 0.75  # of the spacing: first line of the second pass inside the edge
MANY_LINES = 60  # from which on fewer orders of a pass are compared
TRUE_ONES = 12  # joints of two passes whose true ways are looked for


@dataclass(frozen=True, slots=True)
class _Pass:
    """Lines in flying order and direction (n x 2 x 2), the ways between them (n - 1), and seconds from first to last."""

    lines: NDArray[np.float64]
    ways: tuple[NDArray[np.float64], ...]
    seconds: float

    @property
    def start(self) -> NDArray[np.float64]:
        return np.asarray(self.lines[0, 0])

    @property
    def end(self) -> NDArray[np.float64]:
        return np.asarray(self.lines[-1, 1])

    def turned(self) -> "_Pass":
        """The same from its end to its start."""
        return _Pass(self.lines[::-1, ::-1], tuple(way[::-1] for way in self.ways[::-1]), self.seconds)


def crossed(task: Task, choice: Choice) -> Choice:
    """The chosen lines as one pass and lines square to them as the other, in the order and from the corners that are fastest.

    Each pass is flown whole, and the second begins where the first ends. Raises BadInputError where no way
    joins them.
    """
    across = sweep(task.region, choice.angle_deg + 90, task.spacing_m, MARGIN).lines
    along, over = _passes(task, choice.lines), _passes(task, across)
    pairs = sorted(_near(along, over, task.spacing_m), key=lambda pair: _least_s(task, *pair))
    found = [one for first, second in pairs[:TRUE_ONES] if (one := _joined(task, first, second, choice.angle_deg))]
    if not found:
        raise BadInputError("a no-fly zone encloses a part of the area: it cannot be reached")
    return min(found, key=lambda one: one.seconds)


def _near(along: list[_Pass], over: list[_Pass], within_m: float) -> list[tuple[_Pass, _Pass]]:
    """A first and a second pass, the second of which begins where the first ends: as near as any, or not `within_m` farther."""
    pairs = [*product(along, over), *product(over, along)]
    away = np.array([np.hypot(*(second.start - first.end)) for first, second in pairs])
    return [pairs[i] for i in np.flatnonzero(away <= away.min() + within_m)]


def _passes(task: Task, lines: NDArray[np.float64]) -> list[_Pass]:
    """Orders of the lines, both ways: side by side up and down, and the fastest ones from the home and from the corners."""
    corners = shapely.get_coordinates(shapely.minimum_rotated_rectangle(task.region))[:4]
    few = len(lines) < MANY_LINES
    found = _up_and_down(task, lines)
    for start in (task.home, *(corners if few and not found else ())):
        order = order_lines(lines, start, task.inside, task.outside, task.motion, kicks=0)
        found.append(_pass(task, order.flown(lines), order.ways[1:-1]))
    return found + [one.turned() for one in found]


def _up_and_down(task: Task, lines: NDArray[np.float64]) -> list[_Pass]:
    """The lines one after the other across the area, beginning with either end of the first; none where that meets an edge."""
    course = lines[0, 1] - lines[0, 0]
    across = np.array([-course[1], course[0]])
    sorted_ = lines[np.argsort(lines.mean(axis=1) @ across, kind="stable")]
    along = (sorted_[:, 1] - sorted_[:, 0]) @ course > 0
    found = []
    for first in (True, False):
        wanted = (np.arange(len(lines)) % 2 == 0) == first
        flown = np.where((along == wanted)[:, None, None], sorted_, sorted_[:, ::-1])
        if task.inside.visible(flown[:-1, 1], flown[1:, 0]).all():
            ways = np.stack([flown[:-1, 1], flown[1:, 0]], axis=1)
            found.append(_pass(task, flown, tuple(ways)))
    return found


def _pass(task: Task, lines: NDArray[np.float64], ways: tuple[NDArray[np.float64], ...]) -> _Pass:
    path = np.concatenate([lines[0, :1], *ways, lines[-1, 1:]])
    return _Pass(lines, ways, path_seconds(path, task.motion))


def _least_s(task: Task, first: _Pass, second: _Pass) -> float:
    """Seconds from home to home were there nothing between."""
    legs = np.array([first.start - task.home, second.start - first.end, task.home - second.end])
    there = task.motion.rest_to_rest(np.hypot(*legs.T), task.motion.ground_speed(*legs.T))
    return first.seconds + second.seconds + float(there.sum())


def _joined(task: Task, first: _Pass, second: _Pass, angle_deg: float) -> Choice | None:
    """Both passes from home to home, or None where no way leads there."""
    out, back = task.outside.way(task.home, first.start), task.outside.way(second.end, task.home)
    between = task.inside.way(first.end, second.start)
    if between is None:
        between = task.outside.way(first.end, second.start)
    if out is None or back is None or between is None:
        return None
    lines = np.concatenate([first.lines, second.lines])
    ways = (out, *first.ways, between, *second.ways, back)
    order = Order(np.arange(len(lines)), np.zeros(len(lines), bool), ways)
    return Choice(lines, order, path_seconds(order.path(), task.motion), angle_deg)
