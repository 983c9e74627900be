"""A survey along lines with a width, a river, a road, a dyke: passes side by side that follow the bends.

The file's lines become strokes, which go straight on through junctions as far as may be; along each stroke run passes. Several
ways to lay them are compared by flight time, complete ones only.
"""

import math
from collections.abc import Callable, Iterator
from itertools import combinations, pairwise, product

import numpy as np
import shapely
from numpy.typing import NDArray

from imagery.core.errors import BadInputError
from planner.coverage.choose import choose
from planner.coverage.layout import single_sweeps
from planner.coverage.proof import line_photos
from planner.coverage.route import Order, order_lines
from planner.coverage.task import Choice, Task
from planner.coverage.views import Counts, Views
from planner.timing import path_seconds

__all__ = ["cover_corridor", "passes", "strokes"]

TRIMMED = 0.95  # of the seconds of a sweep is what trimming leaves at best, about
MARGINS = (1.0, 0.85, 0.75, 0.66, 0.5, 0.33)  # of the spacing: the outer pass inside the corridor's edge
JOINS = ("mitre", "bevel")  # of passes at the outside of a bend
STRAIGHT, EVENED = 6, 12  # parts of the spacing: bends of the axis, and of a pass, that are gentler are flown straight
STRAIGHT_ON_DEG = 50.0  # a junction's branches that turn less than this are one stroke
SHORTEST_PASS_M = 1.0
MANY_METRES = 60_000.0  # of passes, from which on few layouts are tried
MOST_MENDED = 100
KICKS = 10

Line = NDArray[np.float64]  # n x 2
Cost = Callable[[Choice], float]


def cover_corridor(
    task: Task, axis: shapely.Geometry, width_m: float, cost: Cost = lambda choice: choice.seconds
) -> Choice:
    """The fastest complete coverage of the corridor along an axis in metres: passes along it, or a sweep of its area.

    Where no layout of passes is complete, short lines are added to the most complete one.
    """
    views, along = Views(task), strokes(axis.simplify(task.spacing_m / STRAIGHT))
    best: Choice | None = None
    fullest: tuple[float, list[Line]] | None = None
    for lines in _layouts(task, along, width_m):
        if not lines:
            continue
        choice = _routed(task, lines)
        if best is not None and cost(choice) >= cost(best):
            continue
        seen = _seen(choice, task, views)
        if views.complete(seen):
            best = choice
        elif fullest is None or sum(views.shares(seen)) > fullest[0]:
            fullest = sum(views.shares(seen)), lines
    if best is None:
        if fullest is None:
            raise BadInputError("the no-fly zones leave nothing of the corridor to fly along")
        best = _mended(task, fullest[1], views)
    if single_sweeps(task)[0][0] * TRIMMED < best.seconds:
        swept = choose(task, cost=cost)
        if views.complete(_seen(swept, task, views)) and cost(swept) < cost(best):
            return swept
    return best


def strokes(axis: shapely.Geometry) -> list[shapely.LineString]:
    """The axis (lines that meet at their ends only) as few long lines that do not cross themselves, the longest first."""
    lines = [shapely.get_coordinates(part) for part in shapely.get_parts(axis) if part.length > 0]
    while (found := _straightest(lines)) is not None:
        first, second, joined = found
        lines = [line for i, line in enumerate(lines) if i not in (first, second)] + [joined]
    return sorted(map(shapely.LineString, lines), key=lambda line: -line.length)


def _straightest(lines: list[Line]) -> tuple[int, int, Line] | None:
    """The two lines that go on into each other with the least turn, as they would be joined; None where none do."""
    at: dict[tuple[float, float], list[tuple[int, Line]]] = {}
    for i, line in enumerate(lines):
        for outward in (line, line[::-1]):
            at.setdefault((round(float(outward[0, 0]), 2), round(float(outward[0, 1]), 2)), []).append((i, outward))
    meeting = [
        (_turn_deg(first[1] - first[0], second[0] - second[1]), i, j, np.concatenate([first[::-1], second[1:]]))
        for ends in at.values()
        for (i, first), (j, second) in combinations(ends, 2)
        if i != j
    ]
    for turn_deg, i, j, joined in sorted(meeting, key=lambda pair: pair[0]):
        if turn_deg > STRAIGHT_ON_DEG:
            break
        if shapely.LineString(joined).is_simple:
            return i, j, joined
    return None


def _turn_deg(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    cross = before[0] * after[1] - before[1] * after[0]
    return math.degrees(abs(math.atan2(cross, float(before @ after))))


def passes(stroke: shapely.LineString, reach_m: float, count: int, join: str) -> list[shapely.LineString]:
    """So many lines side by side along a stroke, the outermost `reach_m` from it."""
    found = []
    for offset_m in np.linspace(-reach_m, reach_m, count) if count > 1 else [0.0]:
        if offset_m == 0:
            curve = stroke
        elif stroke.is_closed:  # an offset curve of a ring would lack what lies at its closing corner
            curve = shapely.Polygon(stroke).buffer(offset_m, join_style=join, mitre_limit=2).boundary
        else:
            curve = stroke.offset_curve(offset_m, join_style=join, mitre_limit=2)
        found += [part for part in shapely.get_parts(curve) if part.length > SHORTEST_PASS_M]
    return found


def _layouts(task: Task, along: list[shapely.LineString], width_m: float) -> Iterator[list[Line]]:
    """Every way to lay passes that is worth trying, as lines (n x 2 each) within the region."""
    spacing_m = task.spacing_m
    seen = set()
    long = sum(stroke.length for stroke in along) * width_m / spacing_m > MANY_METRES
    margins = (0.75,) if long else MARGINS
    shapely.prepare(task.region)
    for margin, more in product(margins, (0, 1)):
        reach_m = max(width_m / 2 - margin * spacing_m, 0.0)
        count = math.ceil(2 * reach_m / spacing_m - 1e-6) + 1 + more
        if count > 1 and reach_m == 0:
            reach_m = min(spacing_m, width_m) / 4
        if (count, reach_m) in seen:
            continue
        seen.add((count, reach_m))
        for join, apart in product(JOINS, (True, False) if len(along) > 1 else (False,)):
            yield [
                line
                for i, stroke in enumerate(along)
                for one in passes(stroke, reach_m, count, join)
                for line in _flyable(one, task, along[:i] if apart else [], width_m)
            ]


def _flyable(one: shapely.LineString, task: Task, before: list[shapely.LineString], width_m: float) -> Iterator[Line]:
    """The parts of a pass in the region, without those in the corridors of strokes flown before."""
    plain = one.simplify(task.spacing_m / EVENED)
    flown = [stroke.buffer(width_m / 2, cap_style="flat") for stroke in before]
    kept = shapely.difference(shapely.intersection(plain, task.region), shapely.union_all(flown))
    for part in shapely.get_parts(shapely.line_merge(kept) if kept.geom_type == "MultiLineString" else kept):
        if isinstance(part, shapely.LineString) and part.length > SHORTEST_PASS_M:
            yield shapely.get_coordinates(part)


def _routed(task: Task, lines: list[Line]) -> Choice:
    """The lines in their fastest order, each flown from end to end, as straight lines that begin where the last one ended."""
    ends = np.array([line[[0, -1]] for line in lines])
    order = order_lines(ends, task.home, task.inside, task.outside, task.motion, kicks=KICKS if len(lines) < 200 else 0)
    straight, ways = [], []
    for number, reverse, way in zip(order.line, order.reverse, order.ways[:-1], strict=True):
        points = lines[number][::-1] if reverse else lines[number]
        straight += [np.stack(leg) for leg in pairwise(points)]
        ways += [way, *(np.stack([place, place]) for place in points[1:-1])]
    ways.append(order.ways[-1])
    count = len(straight)
    whole = Order(np.arange(count), np.zeros(count, bool), tuple(ways))
    east, north = straight[0][1] - straight[0][0]
    seconds = path_seconds(whole.path(), task.motion)
    return Choice(np.array(straight), whole, seconds, math.degrees(math.atan2(north, east)) % 180)


def _seen(choice: Choice, task: Task, views: Views) -> Counts:
    """Views of each cell by the photos of a choice."""
    points, line = line_photos(choice.lines, task.trigger_m)
    courses = choice.lines[:, 1] - choice.lines[:, 0]
    return views.of_photos(points, (courses / np.hypot(*courses.T)[:, None])[line])


def _mended(task: Task, lines: list[Line], views: Views) -> Choice:
    """The lines with short ones more where photos see too little, until they see enough."""
    whole = shapely.union_all([shapely.LineString(line) for line in lines])
    centres = views.centres()
    reachable = centres[shapely.contains_xy(task.region, centres[:, 0], centres[:, 1])]
    lines = list(lines)
    choice = _routed(task, lines)
    for _ in range(MOST_MENDED):
        seen = _seen(choice, task, views)
        if views.complete(seen) or not len(reachable):
            break
        poor = centres[seen == seen.min()]
        near = poor[np.hypot(*(poor - poor[0]).T) < min(task.width_m, task.height_m) / 2]
        place = reachable[np.argmin(np.hypot(*(reachable - near.mean(axis=0)).T))]
        lines.append(_beside(whole, place, task.trigger_m))
        choice = _routed(task, lines)
    return choice


def _beside(whole: shapely.Geometry, place: NDArray[np.float64], length_m: float) -> Line:
    """A short line at a place, as the nearest of all lines runs."""
    nearest = min(shapely.get_parts(whole), key=lambda line: line.distance(shapely.Point(place)))
    at = nearest.project(shapely.Point(place))
    ahead, behind = (shapely.get_coordinates(nearest.interpolate(at + step))[0] for step in (1.0, -1.0))
    course = (ahead - behind) / max(float(np.hypot(*(ahead - behind))), 1e-9)
    return np.stack([place - course * length_m / 2, place + course * length_m / 2])
