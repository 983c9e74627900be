"""Layouts: the sweeps that together cover an area, one or one for each cell, as fast as their photos still see enough."""

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import shapely
from numpy.typing import NDArray

from planner.coverage.cells import Cell
from planner.coverage.sweep import MARGINS, Sweep, candidate_angles, candidate_sweeps, nearby_sweeps, sweep
from planner.coverage.task import Task
from planner.coverage.views import Views
from planner.timing import Motion

__all__ = ["Layout", "estimate", "lines_of", "nearby", "over_cells", "patched", "single_sweeps"]

Layout = tuple[Sweep, ...]

MOST_ANGLES, MOST_CELL_ANGLES = 20, 3
CELL_MARGINS = (0.1, *MARGINS)  # a cell may begin with a line near its edge: in acute corners no other sees enough
NEAR_DEG = (-0.5, -0.25, 0.0, 0.25, 0.5)  # by which a good sweep is turned
ROUNDS = 2  # in which the cells' sweeps are made faster in turn
MOST_PATCHES, PATCH_M = 200, 0.4  # shorter than APART_M: one photo


def lines_of(layout: Layout) -> NDArray[np.float64]:
    """The lines of all sweeps (n x 2 x 2)."""
    return np.concatenate([sweep.lines for sweep in layout])


def estimate(sweep: Sweep, motion: Motion) -> float:
    """A lower bound in seconds for flying the sweep without transits and with the shortest turns."""
    courses = sweep.lines[:, 1] - sweep.lines[:, 0]
    speed = motion.speed_m_s
    if len(courses) and (motion.wind_east_m_s or motion.wind_north_m_s):
        there, back = motion.ground_speed(*courses[0]), motion.ground_speed(*-courses[0])
        speed = float(2 / (1 / there + 1 / back))
    lines = float(motion.rest_to_rest(np.hypot(courses[:, 0], courses[:, 1]), speed).sum())
    return lines + (len(courses) - 1) * float(motion.rest_to_rest(sweep.spacing_m))


def single_sweeps(task: Task) -> list[tuple[float, Sweep]]:
    """Sweeps of the whole region at the angles that promise most, with their estimates, the lowest first."""
    angles = list(task.angles) or candidate_angles(task.region)
    first = sorted((estimate(sweep(task.region, angle, task.spacing_m, 0.75), task.motion), angle) for angle in angles)
    sweeps = candidate_sweeps(task.region, task.spacing_m, [angle for _, angle in first[:MOST_ANGLES]])
    return _sorted(sweeps, task)


def nearby(task: Task, layout: Layout) -> list[tuple[float, Sweep]]:
    """Sweeps that differ a little from a layout of one sweep, with their estimates, the lowest first; none of several sweeps."""
    if len(layout) > 1:
        return []
    turns = (0.0,) if task.angles else NEAR_DEG
    return _sorted(nearby_sweeps(task.region, task.spacing_m, layout[0].angle_deg, turns), task)


def over_cells(task: Task, cells: tuple[Cell, ...], views: Views) -> Layout | None:
    """The fastest complete layout found with one sweep in each cell, or None.

    Every cell begins with its safest sweep; then each in turn takes the fastest with which the area stays complete, helped by
    the photos of the cells beside it.
    """
    options = [_cell_sweeps(task, cell) for cell in cells]
    chosen = [
        max((option for option in found if option[1].angle_deg == found[0][1].angle_deg), key=_first)
        for found in options
    ]
    total = views.total(tuple(sweep for _, sweep in chosen))
    if not views.complete(total):
        return None
    for _ in range(ROUNDS):
        for i, found in enumerate(options):
            others = total - views.of(chosen[i][1])
            faster = (option for option in found if option[0] < chosen[i][0])
            chosen[i] = next((option for option in faster if views.complete(others + views.of(option[1]))), chosen[i])
            total = others + views.of(chosen[i][1])
    return tuple(sweep for _, sweep in chosen)


def _cell_sweeps(task: Task, cell: Cell) -> list[tuple[float, Sweep]]:
    angles = candidate_angles(cell.polygon)
    first = sorted((estimate(sweep(cell.polygon, angle, task.spacing_m, 0.75), task.motion), angle) for angle in angles)
    tried = {cell.angle_deg, *(angle for _, angle in first[:MOST_CELL_ANGLES])}
    return _sorted(candidate_sweeps(cell.polygon, task.spacing_m, sorted(tried), CELL_MARGINS), task)


def _sorted(sweeps: Iterable[Sweep], task: Task) -> list[tuple[float, Sweep]]:
    return sorted(((estimate(s, task.motion), s) for s in sweeps if len(s.lines)), key=_first)


def _first(option: tuple[float, Sweep]) -> float:
    return option[0]


def patched(sweep: Sweep, views: Views) -> Sweep:
    """The sweep with a very short line wherever the area would be seen by no photo, in corners that no line reaches."""
    task = views.task
    turn = math.radians(sweep.angle_deg)
    course = np.array([math.cos(turn), math.sin(turn)])
    centres = views.centres()
    shapely.prepare(task.region)
    reachable = centres[shapely.contains_xy(task.region, centres[:, 0], centres[:, 1])]
    seen, patches = views.of(sweep).copy(), []
    for _ in range(MOST_PATCHES):
        unseen = centres[seen == 0]
        if len(unseen) == 0 or len(reachable) == 0:
            break
        middle = _middle_of_first(unseen, task)
        place = reachable[np.argmin(np.hypot(*(reachable - middle).T))]
        patch = np.stack([place - course * PATCH_M / 2, place + course * PATCH_M / 2])
        cells, counts = views.of_line(patch, sweep.angle_deg)
        seen[cells] += counts
        patches.append(patch)
    if not patches:
        return sweep
    row = np.append(sweep.row, sweep.row.max(initial=-1) + 1 + np.arange(len(patches)))
    return replace(sweep, lines=np.concatenate([sweep.lines, patches]), row=row)


def _middle_of_first(unseen: NDArray[np.float64], task: Task) -> NDArray[np.float64]:
    """The middle of the unseen cells that a photo over the first of them would see."""
    near = unseen[np.hypot(*(unseen - unseen[0]).T) < min(task.width_m, task.height_m) / 2]
    return np.asarray(near.mean(axis=0))
