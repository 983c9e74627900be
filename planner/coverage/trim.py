"""Trimming: lines end inside the area's edge where their last photos still see enough beyond it, and where cells meet."""

import math
from dataclasses import replace

import numpy as np
import shapely
from numpy.typing import NDArray

from planner.coverage.sweep import Sweep
from planner.coverage.task import Task
from planner.coverage.views import Counts, Views

__all__ = ["trimmed"]

STEPS = (1.0, 0.5, 0.25)  # of the most that a line may be trimmed
AT_CUTS = 1.1  # of the trigger distance: the most at a cut between cells
ON_EDGE_M = 0.5

Beside = tuple[NDArray[np.int64], Counts]  # the cells beside a line and how often it sees them


def trimmed(layout: tuple[Sweep, ...], views: Views, most_inset_m: float) -> tuple[Sweep, ...]:
    """The complete layout with each line's ends drawn in while the area stays complete.

    At the area's edge by at most `most_inset_m`. The ends where the fewest photos are missed go first, in large steps and then
    in small ones.
    """
    most_m = np.concatenate([_most_m(sweep, views.task, most_inset_m) for sweep in layout])
    if not most_m.any():
        return layout
    trimmer = _Trimmer(layout, views)
    left_m = most_m.copy()
    for share in STEPS:
        wanted = np.argwhere((most_m > 0) & (left_m >= share * most_m - 1e-9))
        losses = [trimmer.loss(line, end, share * most_m[line, end]) for line, end in wanted]
        for i in np.argsort(losses, kind="stable"):
            line, end = wanted[i]
            step_m = share * most_m[line, end]
            if losses[i] < math.inf and trimmer.trim(line, end, step_m):
                left_m[line, end] -= step_m
    return trimmer.layout()


def _most_m(sweep: Sweep, task: Task, most_inset_m: float) -> NDArray[np.float64]:
    """How far each line's ends may be drawn in: n x 2."""
    ends = shapely.points(sweep.lines.reshape(-1, 2))
    on_edge = shapely.dwithin(ends, task.region.boundary, ON_EDGE_M).reshape(-1, 2)
    return np.where(on_edge, most_inset_m, AT_CUTS * task.trigger_m)


class _Trimmer:
    """The lines of a layout and what their photos see, kept up to date."""

    def __init__(self, layout: tuple[Sweep, ...], views: Views) -> None:
        self._sweeps, self._views = layout, views
        self._lines = np.concatenate([sweep.lines for sweep in layout])
        self._angle = np.concatenate([np.full(len(sweep.lines), sweep.angle_deg) for sweep in layout])
        self._seen = views.total(layout)
        self._spare = views.spare(self._seen)
        self._scratch = np.zeros_like(self._seen)
        self._beside = [views.of_line(line, float(angle)) for line, angle in zip(self._lines, self._angle, strict=True)]

    def loss(self, line: int, end: int, step_m: float) -> float:
        """How many more cells are seen too seldom after a trim; infinite where one is seen no more, or the line is too short."""
        found = self._change(line, end, step_m)
        return math.inf if found is None else found[0]

    def trim(self, line: int, end: int, step_m: float) -> bool:
        """Draw an end in if the area stays complete; whether it does."""
        found = self._change(line, end, step_m)
        if found is None or found[0] > self._spare:
            return False
        loss, shorter, after, beside = found
        self._spare -= loss
        self._seen[self._beside[line][0]] = after
        self._lines[line], self._beside[line] = shorter, beside
        return True

    def layout(self) -> tuple[Sweep, ...]:
        """The sweeps with their lines as they are now."""
        cuts = np.cumsum([len(sweep.lines) for sweep in self._sweeps])[:-1]
        return tuple(
            replace(s, lines=lines) for s, lines in zip(self._sweeps, np.split(self._lines, cuts), strict=True)
        )

    def _change(self, line: int, end: int, step_m: float) -> tuple[int, NDArray[np.float64], Counts, Beside] | None:
        """Cells seen too seldom from then on, the shorter line, views of the cells beside it, and what it sees itself."""
        whole = self._lines[line]
        course = whole[1 - end] - whole[end]
        length = math.hypot(*course)
        if length - step_m < self._views.task.trigger_m:
            return None
        shorter = whole.copy()
        shorter[end] += course * (step_m / length)
        cells, had = self._beside[line]
        beside = self._views.of_line(shorter, float(self._angle[line]))
        self._scratch[beside[0]] = beside[1]
        before = self._seen[cells]
        after = before - had + self._scratch[cells]
        self._scratch[beside[0]] = 0
        if not after.all():
            return None
        few = self._views.few
        return int((after < few).sum()) - int((before < few).sum()), shorter, after, beside
