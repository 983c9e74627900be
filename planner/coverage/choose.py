"""The fastest way to cover an area: many sweeps are compared by flight time from home to home, complete ones only."""

import math
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from imagery.core.progress import SILENT, Progress
from planner.coverage.paths import Free, Ways
from planner.coverage.proof import Cells, cells_of, parallel_views
from planner.coverage.route import Order, order_lines
from planner.coverage.sweep import Sweep, candidate_angles, candidate_sweeps, inset, sweep
from planner.timing import Motion, path_seconds

__all__ = ["Choice", "Task", "choose"]

ENOUGH_FIVE = 0.991  # of the area is to be seen by five photos, a little more than is promised
FINALISTS, KICKS = 3, 20
MOST_ANGLES = 20
INSET_TRIALS = 4


@dataclass(frozen=True, slots=True)
class Task:
    """What to cover and how.

    Attributes: area: in metres; region: where lines and the ways between them may run (the area without no-fly zones and their
    clearance); home: x, y; inside, outside: ways in the region, and anywhere but through zones; motion; spacing_m between
    lines; trigger_m between photos; width_m, height_m: of a photo's footprint; most_inset_m: how far lines may end inside the
    area's edge; angles: to try, empty for all.
    """

    area: shapely.Geometry
    region: shapely.Geometry
    home: NDArray[np.float64]
    inside: Ways
    outside: Free
    motion: Motion
    spacing_m: float
    trigger_m: float
    width_m: float
    height_m: float
    most_inset_m: float = 0.0
    angles: tuple[float, ...] = ()

    @property
    def views(self) -> float:
        """How many photos see a point well inside the area."""
        return self.width_m / self.spacing_m * self.height_m / self.trigger_m


@dataclass(frozen=True, slots=True)
class Choice:
    """Lines in flying order and direction (n x 2 x 2), the order with its ways, the flight time in one go, the sweep's angle."""

    lines: NDArray[np.float64]
    order: Order
    seconds: float
    angle_deg: float


def choose(task: Task, progress: Progress = SILENT) -> Choice:
    """The fastest complete coverage found; where none is complete, the most complete one.

    Sweeps are tried in the order of a lower bound of their time, each with its lines' ends drawn in from the edge as far as the
    photos still see enough; the best few are then routed with more effort.
    """
    sweeps = _promising(task)
    limit = int(np.clip(600 / max(len(sweeps[0][1].lines), 1), 5, 24))
    cells = cells_of(task.area)
    routed: list[tuple[float, int, Sweep]] = []
    most_complete: tuple[float, float, int] = (-1.0, 0.0, 0)
    with progress.stage("routes", limit, "sweeps") as advance:
        for number, (_, sweep) in enumerate(sweeps):
            if len(routed) >= limit:
                break
            one, five = _seen(sweep, cells, task)
            if one < 1.0 or five < ENOUGH_FIVE:
                most_complete = max(most_complete, (one, five, -number))
                continue
            drawn_in = _drawn_in(sweep, cells, task)
            routed.append((route(task, drawn_in, kicks=0).seconds, number, drawn_in))
            advance(1)
    if not routed:
        return route(task, sweeps[-most_complete[2]][1], kicks=KICKS)
    return min((route(task, sweep, kicks=KICKS) for _, _, sweep in sorted(routed)[:FINALISTS]), key=lambda c: c.seconds)


def _drawn_in(sweep: Sweep, cells: Cells, task: Task) -> Sweep:
    """The complete sweep with its lines' ends drawn in as far as it stays complete, at most by `task.most_inset_m`."""
    best, low, high = sweep, 0.0, 1.0
    trial_share = 1.0
    for _ in range(INSET_TRIALS if task.most_inset_m > 0 else 0):
        trial = inset(sweep, trial_share * task.most_inset_m, task.trigger_m)
        one, five = _seen(trial, cells, task)
        if one < 1.0 or five < ENOUGH_FIVE:
            high = trial_share
        else:
            best, low = trial, trial_share
        if low == 1.0:
            break
        trial_share = (low + high) / 2
    return best


def _promising(task: Task) -> list[tuple[float, Sweep]]:
    """Sweeps at the angles that promise most, with lower bounds of their seconds, the lowest first."""
    angles = list(task.angles) or candidate_angles(task.region)
    first = sorted((_estimate(sweep(task.region, angle, task.spacing_m, 0.75), task.motion), angle) for angle in angles)
    sweeps = candidate_sweeps(task.region, task.spacing_m, [angle for _, angle in first[:MOST_ANGLES]])
    return sorted(((_estimate(s, task.motion), s) for s in sweeps), key=lambda pair: pair[0])


def route(task: Task, sweep: Sweep, kicks: int) -> Choice:
    """A sweep's lines in their fastest order; `kicks`: how often to disturb the order and improve it again."""
    order = order_lines(sweep.lines, task.home, task.inside, task.outside, task.motion, kicks=kicks)
    return Choice(order.flown(sweep.lines), order, path_seconds(order.path(), task.motion), sweep.angle_deg)


def _estimate(sweep: Sweep, motion: Motion) -> float:
    """A lower bound in seconds for flying the sweep without transits and with the shortest turns."""
    courses = sweep.lines[:, 1] - sweep.lines[:, 0]
    speed = motion.speed_m_s
    if len(courses) and (motion.wind_east_m_s or motion.wind_north_m_s):
        there, back = motion.ground_speed(*courses[0]), motion.ground_speed(*-courses[0])
        speed = float(2 / (1 / there + 1 / back))
    lines = float(motion.rest_to_rest(np.hypot(courses[:, 0], courses[:, 1]), speed).sum())
    return lines + (len(courses) - 1) * float(motion.rest_to_rest(sweep.spacing_m))


def _seen(sweep: Sweep, cells: Cells, task: Task) -> tuple[float, float]:
    """The shares of the area seen by at least one photo and by at least five (or by half as many as inside, if that is less)."""
    views = parallel_views(cells, sweep.lines, sweep.angle_deg, task.trigger_m, task.width_m, task.height_m)
    return float((views >= 1).mean()), float((views >= min(5, max(1, int(task.views / 2)))).mean())
