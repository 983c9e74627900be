"""Flights: an order of lines cut into contiguous pieces that each fit a battery, balanced by time from home to home.

For a fixed order the shortest possible longest flight is found by bisection, each trial filling flights greedily. Flights end at line ends
where that needs no more flights, and within lines, at a photo, where it does.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imagery.core.errors import BadInputError
from planner.coverage.choose import Choice, Task

__all__ = ["Sortie", "split"]

CUT_EVERY = 4  # photos between the places where a line may be cut


@dataclass(frozen=True, slots=True)
class Sortie:
    """One flight: its lines (n x 2 x 2, in flying order and direction) and the ways (n + 1) from home, between them, and back."""

    lines: NDArray[np.float64]
    ways: tuple[NDArray[np.float64], ...]


@dataclass(frozen=True, slots=True)
class _Stops:
    """Every place where a flight may begin or end: its line, metres along it, seconds flown until then, to it and back."""

    line: NDArray[np.int64]
    along_m: NDArray[np.float64]
    flown_s: NDArray[np.float64]
    transit_s: NDArray[np.float64]
    is_start: NDArray[np.bool_]  # of a line
    is_end: NDArray[np.bool_]


def split(task: Task, choice: Choice, usable_s: float, overhead_s: float, drones: int = 1) -> list[Sortie]:
    """The fewest flights of at most `usable_s` seconds each, of which `overhead_s` go to take-off and landing.

    With several drones there are at least as many flights, a multiple of them. Raises BadInputError where a line's nearest
    part cannot be flown and returned from within `usable_s`.
    """
    if math.isinf(usable_s) and drones == 1:
        return [Sortie(choice.lines, choice.order.ways)]
    whole, cut = _stops(task, choice, cut=False), _stops(task, choice, cut=True)
    budget = usable_s - overhead_s
    nearest = float((2 * cut.transit_s).min())
    if budget <= nearest:
        raise BadInputError(
            f"a flight of {usable_s / 60:.0f} minutes is too short: {(nearest + overhead_s) / 60:.1f} minutes go to reaching the area and"
            " coming back: move the home nearer, or give --endurance"
        )
    fewest = _pieces(cut, budget, task.motion.acceleration_m_s2, task.motion.speed_m_s)
    if fewest is None:
        raise BadInputError(
            f"the far end of the area is too far for flights of {usable_s / 60:.0f} minutes: move the home nearer, or give --endurance"
        )
    count = math.ceil(len(fewest) / drones) * drones
    for stops in (whole, cut):
        pieces = _balanced(stops, count, budget, task)
        if pieces is not None:
            return [_sortie(task, choice, stops, start, end) for start, end in pieces]
    return [_sortie(task, choice, cut, start, end) for start, end in fewest]


def _stops(task: Task, choice: Choice, *, cut: bool) -> _Stops:
    motion, rows, flown = task.motion, [], 0.0
    for number, line in enumerate(choice.lines):
        if number:
            way = choice.order.ways[number]
            flown += _way_seconds(way, task)
        course = line[1] - line[0]
        length = float(np.hypot(*course))
        speed = float(motion.ground_speed(*course))
        step = CUT_EVERY * task.trigger_m
        inner = np.arange(step, length - step, step) if cut else np.empty(0)
        seconds = float(motion.rest_to_rest(length, speed))
        for along in (0.0, *inner, length):
            share = 0.0 if length == 0 else along / length
            rows.append((number, along, flown + share * seconds, along == 0.0, along == length))
        flown += seconds
    line_of, along_m, flown_s, is_start, is_end = (np.array(column) for column in zip(*rows, strict=True))
    lengths = np.hypot(*(choice.lines[:, 1] - choice.lines[:, 0]).T)
    share = along_m / np.maximum(lengths[line_of], 1e-9)
    points = choice.lines[line_of, 0] + share[:, None] * (choice.lines[line_of, 1] - choice.lines[line_of, 0])
    return _Stops(line_of, along_m, flown_s, _transits(task, points), is_start, is_end)


def _way_seconds(way: NDArray[np.float64], task: Task) -> float:
    from planner.timing import path_seconds

    return path_seconds(way, task.motion)


def _transits(task: Task, points: NDArray[np.float64]) -> NDArray[np.float64]:
    home = np.broadcast_to(task.home, points.shape)
    legs = points - home
    seconds = task.motion.rest_to_rest(np.hypot(*legs.T), task.motion.ground_speed(*legs.T))
    back = task.motion.rest_to_rest(np.hypot(*legs.T), task.motion.ground_speed(*-legs.T))
    seconds = np.maximum(seconds, back)
    for i in np.flatnonzero(~task.outside.visible(home, points)):
        way = task.outside.way(task.home, points[i])
        seconds[i] = _way_seconds(way, task) if way is not None else np.inf
    return np.asarray(seconds)


def _pieces(stops: _Stops, budget_s: float, acceleration: float, speed: float) -> list[tuple[int, int]] | None:
    """Greedy flights of at most `budget_s`: pairs of stops, first and last; None where one stop is out of reach."""
    pieces, start, last = [], 0, len(stops.line) - 1
    pause = speed / acceleration  # stopping within a line and starting there again
    while True:
        extra = np.where(stops.is_end | stops.is_start, 0.0, pause / 2) + (0.0 if stops.is_start[start] else pause / 2)
        seconds = stops.transit_s[start] + stops.flown_s - stops.flown_s[start] + extra + stops.transit_s
        fits = (seconds <= budget_s) & ~stops.is_start
        fits[: start + 1] = False
        if not fits.any():
            return None
        end = int(np.flatnonzero(fits)[-1])
        pieces.append((start, end))
        if end == last:
            return pieces
        start = end + 1 if stops.is_end[end] else end


def _balanced(stops: _Stops, count: int, budget_s: float, task: Task) -> list[tuple[int, int]] | None:
    """At most `count` flights with the shortest longest one, or None where `budget_s` does not suffice."""
    accel, speed = task.motion.acceleration_m_s2, task.motion.speed_m_s
    high = min(budget_s, float(stops.flown_s[-1] + 2 * stops.transit_s.max() + speed / accel) + 1.0)
    best = _pieces(stops, high, accel, speed)
    if best is None or len(best) > count:
        return None
    low = 0.0
    while high - low > 0.5:
        middle = (low + high) / 2
        trial = _pieces(stops, middle, accel, speed)
        if trial is not None and len(trial) <= count:
            best, high = trial, middle
        else:
            low = middle
    return best


def _sortie(task: Task, choice: Choice, stops: _Stops, start: int, end: int) -> Sortie:
    first, last = int(stops.line[start]), int(stops.line[end])
    lines = choice.lines[first : last + 1].copy()
    courses = lines[:, 1] - lines[:, 0]
    unit = courses / np.maximum(np.hypot(*courses.T), 1e-9)[:, None]
    begin, stop = choice.lines[first, 0], choice.lines[last, 0]
    if not stops.is_end[end]:
        lines[-1, 1] = stop + unit[-1] * stops.along_m[end]
    if not stops.is_start[start]:
        lines[0, 0] = begin + unit[0] * stops.along_m[start]
    out, back = task.outside.way(task.home, lines[0, 0]), task.outside.way(lines[-1, 1], task.home)
    assert out is not None and back is not None
    return Sortie(lines, (out, *choice.order.ways[first + 1 : last + 1], back))
