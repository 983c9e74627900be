"""The fastest way to cover an area: many sweeps are compared by flight time from home to home, complete ones only."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import shapely
from numpy.typing import NDArray

from imagery.core.errors import BadInputError
from imagery.core.progress import SILENT, Progress
from planner.coverage.paths import Free, Ways
from planner.coverage.proof import Cells, cells_of, parallel_views
from planner.coverage.route import Order, order_lines
from planner.coverage.sweep import Sweep, candidate_angles, candidate_sweeps, inset, sweep
from planner.timing import Motion, path_seconds

__all__ = ["Choice", "Task", "as_given", "choose", "crossed", "fastest"]

ENOUGH_FIVE = 0.991  # of the area is to be seen by five photos, a little more than is promised
SHORTEST_M = 0.1
MANY_LINES = 500  # from which on one sweep is routed only
EFFORT, MOST_KICKS = 300, 20  # disturbances of an order times its lines; disturbances at most
MOST_ANGLES = 20
INSET_TRIALS = 4
CROSS_MARGIN = 0.75  # of the spacing: first line of the second pass inside the edge
MOST_PATCHES, PATCH_M, SECONDS_A_PATCH = 200, 0.5, 20.0


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


def choose(
    task: Task, progress: Progress = SILENT, cost: Callable[[Choice], float] = lambda choice: choice.seconds
) -> Choice:
    """The fastest complete coverage found; where none is complete, the most complete one.

    Sweeps are tried in the order of a lower bound of their time, each with its lines' ends drawn in from the edge as far as the
    photos still see enough; the best few are then routed with more effort. `cost` says what is best: by default the seconds in
    one flight.
    """
    sweeps = _promising(task)
    lines = max(len(sweeps[0][1].lines), 1)
    limit = int(np.clip(600 / lines, 4 if lines < MANY_LINES else 1, 18))
    finalists = 4 if lines < 60 else 2
    cells = cells_of(task.area)
    routed: list[tuple[float, int, Sweep]] = []
    incomplete: list[tuple[float, int]] = []
    with progress.stage("routes", limit, "sweeps") as advance:
        for number, (bound_s, sweep) in enumerate(sweeps):
            if len(routed) >= limit:
                break
            one, five = _seen(sweep, cells, task)
            if one < 1.0 or five < ENOUGH_FIVE:
                incomplete.append((bound_s + _seconds_to_complete(one, five, task), number))
                continue
            drawn_in = _drawn_in(sweep, cells, task)
            routed.append((cost(route(task, drawn_in, thorough=False)), number, drawn_in))
            advance(1)
    if not routed:
        return route(task, _patched(sweeps[min(incomplete)[1]][1], cells, task), thorough=True)
    return min((route(task, sweep, thorough=True) for _, _, sweep in sorted(routed)[:finalists]), key=cost)


def _patched(sweep: Sweep, cells: Cells, task: Task) -> Sweep:
    """The sweep with a very short line wherever the area would be seen by no photo, in corners that no line reaches."""
    turn = math.radians(sweep.angle_deg)
    course = np.array([math.cos(turn), math.sin(turn)])
    centres = np.column_stack(cells.inside_centres())
    shapely.prepare(task.region)
    reachable = centres[shapely.contains_xy(task.region, centres[:, 0], centres[:, 1])]
    lines, row = sweep.lines, sweep.row
    for _ in range(MOST_PATCHES):
        views = parallel_views(cells, lines, sweep.angle_deg, task.trigger_m, (task.width_m, task.height_m))
        unseen = centres[views == 0]
        if len(unseen) == 0 or len(reachable) == 0:
            break
        middle = _middle_of_first(unseen, task)
        place = reachable[np.argmin(np.hypot(*(reachable - middle).T))]
        patch = np.stack([place - course * PATCH_M / 2, place + course * PATCH_M / 2])
        lines, row = np.concatenate([lines, patch[None]]), np.append(row, row.max(initial=-1) + 1)
    return replace(sweep, lines=lines, row=row)


def _seconds_to_complete(one: float, five: float, task: Task) -> float:
    """Roughly what it takes to fly again over what too few photos see, and to reach what none sees."""
    unseen_photos = (1 - one) * task.area.area / (task.width_m * task.height_m)
    return (1 - five) * task.area.area / (task.spacing_m * task.motion.speed_m_s) + SECONDS_A_PATCH * unseen_photos


def _middle_of_first(unseen: NDArray[np.float64], task: Task) -> NDArray[np.float64]:
    """The middle of the unseen cells that a photo over the first of them would see."""
    near = unseen[np.hypot(*(unseen - unseen[0]).T) < min(task.width_m, task.height_m) / 2]
    return np.asarray(near.mean(axis=0))


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


def crossed(task: Task, choice: Choice) -> Choice:
    """The chosen lines and others across them, in one order: the second pass begins near where the first ends."""
    across = sweep(task.region, choice.angle_deg + 90, task.spacing_m, CROSS_MARGIN)
    lines = np.concatenate([choice.lines, across.lines])
    return _ordered(task, lines, choice.angle_deg, thorough=True)


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


def route(task: Task, sweep: Sweep, *, thorough: bool) -> Choice:
    """A sweep's lines in their fastest order; `thorough` looks longer for a faster one."""
    return _ordered(task, sweep.lines, sweep.angle_deg, thorough=thorough)


def _ordered(task: Task, lines: NDArray[np.float64], angle_deg: float, *, thorough: bool) -> Choice:
    kicks = int(np.clip(EFFORT / len(lines), 3, MOST_KICKS)) if thorough and len(lines) < MANY_LINES else 0
    order = order_lines(lines, task.home, task.inside, task.outside, task.motion, kicks=kicks)
    return Choice(order.flown(lines), order, path_seconds(order.path(), task.motion), angle_deg)


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
    views = parallel_views(cells, sweep.lines, sweep.angle_deg, task.trigger_m, (task.width_m, task.height_m))
    return float((views >= 1).mean()), float((views >= min(5, max(1, int(task.views / 2)))).mean())
