"""Flights: an order of lines cut into contiguous pieces that each fit a battery, balanced by time from home to home.

For a fixed order the shortest possible longest flight is found by bisection. Flights end at line ends where that is about as
even and needs no more flights, and within lines, at a photo, where it is not.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imagery.core.errors import BadInputError
from planner.coverage.choose import Choice, Task
from planner.timing import CORNER_DEG, path_seconds

__all__ = ["ITEMS_A_LINE", "Sortie", "flights_cost", "split"]

GOING_ON_M = 0.01  # between the ends of two lines that are flown as one
CUT_EVERY = 4  # photos between the places where a line may be cut
MOST_STOPS = 3000
UNLIMITED_ITEMS = 1_000_000
EVEN = 1.08  # longest flight by the shortest: a little less than is promised, since corners are flown faster than counted here
A_FLIGHT_MORE = 1e12  # more than any sum of squared seconds
AIMED_AT = 0.9, 0.93, 0.96, 1.0  # of the longest flight allowed: what all flights are drawn towards to even them
ITEMS_A_LINE = 4  # mission items: entry, exit and the trigger at both
OTHER_ITEMS = 14  # home, take-off, speeds, resuming, return, and the corners of the transits


@dataclass(frozen=True, slots=True)
class Sortie:
    """One flight: its lines (n x 2 x 2, in flying order and direction) and the ways (n + 1) from home, between them, and back."""

    lines: NDArray[np.float64]
    ways: tuple[NDArray[np.float64], ...]


@dataclass(frozen=True, slots=True)
class _Stops:
    """Every place where a flight may begin or end.

    Attributes: line and metres along it; seconds flown until there in one go; seconds from the ground at home or back, whichever
    is more, with half of what take-off and landing take together; mission items used before
    the stop's line, and until the stop; whether it is a line's start or end; the seconds that a stop within a line costs;
    the mission items that a flight may have.
    """

    line: NDArray[np.int64]
    along_m: NDArray[np.float64]
    flown_s: NDArray[np.float64]
    items_before: NDArray[np.int64]
    items: NDArray[np.int64]
    transit_s: NDArray[np.float64]
    is_start: NDArray[np.bool_]
    is_end: NDArray[np.bool_]
    pause_s: float
    most_items: int


def split(
    task: Task,
    choice: Choice,
    usable_s: float,
    overhead_s: float,
    most_items: int = 650,
    drones: int = 1,
    line_items: ArrayLike = ITEMS_A_LINE,
) -> list[Sortie]:
    """The fewest flights of at most `usable_s` seconds each, of which `overhead_s` go to take-off and landing.

    No flight needs more than `most_items` mission items, of which each line takes `line_items` (one number, or one a line). With
    several drones there are at least as many flights, a multiple of them. Raises BadInputError where a place cannot be reached,
    photographed and returned from within `usable_s`.
    """
    whole, cut = (_stops(task, choice, overhead_s, most_items, line_items, cut=cut) for cut in (False, True))
    fewest = _pieces(cut, usable_s)
    if fewest is None:
        farthest = float(2 * cut.transit_s.max()) / 60
        raise BadInputError(
            f"flights of {usable_s / 60:.0f} minutes are too short: reaching the farthest line and coming back takes"
            f" {farthest:.1f} minutes: move the home nearer, or give a longer --endurance"
        )
    if len(fewest) == drones == 1:
        return [_sortie(task, choice, cut, *fewest[0])]
    count = math.ceil(len(fewest) / drones) * drones
    found = [
        (pieces, stops) for stops in (whole, cut) if (pieces := _balanced(stops, count, usable_s, drones)) is not None
    ]
    if not found:
        found = [(fewest, cut)]
    pieces, stops = found[0] if _evenness(*found[0]) <= EVEN else min(found, key=lambda pair: _evenness(*pair))
    return [_sortie(task, choice, stops, start, end) for start, end in pieces]


def flights_cost(task: Task, choice: Choice, usable_s: float, overhead_s: float) -> float:
    """What flying a choice in flights of `usable_s` costs: the flights count first, their total seconds second."""
    stops = _stops(task, choice, overhead_s, UNLIMITED_ITEMS, ITEMS_A_LINE, cut=True)
    pieces = _pieces(stops, usable_s)
    return math.inf if pieces is None else A_FLIGHT_MORE * len(pieces) + float(_seconds(pieces, stops).sum())


def _stops(
    task: Task, choice: Choice, overhead_s: float, most_items: int, line_items: ArrayLike, *, cut: bool
) -> _Stops:
    motion, rows, flown, items = task.motion, [], 0.0, 0
    items_of = np.broadcast_to(line_items, len(choice.lines)).tolist()
    length_m = float(np.hypot(*(choice.lines[:, 1] - choice.lines[:, 0]).T).sum())
    step = task.trigger_m * max(CUT_EVERY, math.ceil(length_m / MOST_STOPS / task.trigger_m))
    seconds_of = _line_seconds(task, choice)
    for number, (line, way) in enumerate(zip(choice.lines, choice.order.ways[:-1], strict=True)):
        if number:
            flown += path_seconds(way, motion)
            items += len(way) - 2
        course = line[1] - line[0]
        length = float(np.hypot(*course))
        seconds = seconds_of[number]
        for along in (0.0, *(np.arange(step, length - step, step) if cut else ()), length):
            share = along / max(length, 1e-9)
            place = line[0] + share * course
            rows.append((number, along, flown + share * seconds, items, items + items_of[number], *place))
        flown, items = flown + seconds, items + items_of[number]
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    line_of = columns[0]
    new = np.r_[True, line_of[1:] != line_of[:-1]]
    return _Stops(
        line=line_of,
        along_m=columns[1],
        flown_s=columns[2],
        items_before=columns[3],
        items=columns[4],
        transit_s=_transits(task, np.column_stack(columns[5:])) + overhead_s / 2,
        is_start=new,
        is_end=np.r_[new[1:], True],
        pause_s=motion.speed_m_s / motion.acceleration_m_s2,
        most_items=most_items - OTHER_ITEMS,
    )


def _line_seconds(task: Task, choice: Choice) -> list[float]:
    """Seconds on each line, from standstill to standstill except where it goes on into the next one without a corner."""
    motion = task.motion
    courses = choice.lines[:, 1] - choice.lines[:, 0]
    lengths, speeds = np.hypot(*courses.T), motion.ground_speed(*courses.T)
    bearings = np.degrees(np.arctan2(*courses.T))
    turns = np.abs((np.diff(bearings) + 180) % 360 - 180)
    apart = np.hypot(*(choice.lines[1:, 0] - choice.lines[:-1, 1]).T)
    goes_on = np.r_[False, (apart < GOING_ON_M) & (turns < CORNER_DEG), False]
    stops = 2 - goes_on[:-1].astype(int) - goes_on[1:]
    through = lengths / speeds + stops / 2 * speeds / motion.acceleration_m_s2
    return np.where(stops == 2, motion.rest_to_rest(lengths, speeds), through).tolist()


def _transits(task: Task, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Seconds from home to each point or back, whichever is more."""
    home = np.broadcast_to(task.home, points.shape)
    legs = points - home
    distance = np.hypot(*legs.T)
    out = task.motion.rest_to_rest(distance, task.motion.ground_speed(*legs.T))
    seconds = np.maximum(out, task.motion.rest_to_rest(distance, task.motion.ground_speed(*-legs.T)))
    for i in np.flatnonzero(~task.outside.visible(home, points)):
        way = task.outside.way(task.home, points[i])
        seconds[i] = np.inf if way is None else path_seconds(way, task.motion)
    return np.asarray(seconds)


def _pieces(stops: _Stops, budget_s: float, target_s: float = 0.0) -> list[tuple[int, int]] | None:
    """The fewest flights of at most `budget_s`, and of those the nearest to `target_s`: pairs of stops, first and last.

    None where one stop is out of reach. Exact for the order of the lines, by dynamic programming over where flights may end.
    """
    ends = np.flatnonzero(stops.is_end | ~stops.is_start)
    starts = np.r_[0, np.where(stops.is_end[ends], ends + 1, ends)[:-1]]  # of a flight after the one that ends before
    inner_end, inner_start = ~stops.is_end[ends], ~stops.is_start[starts]
    begin_s = stops.transit_s[starts] - stops.flown_s[starts] + inner_start * stops.pause_s / 2
    finish_s = stops.transit_s[ends] + stops.flown_s[ends] + inner_end * stops.pause_s / 2
    best, came_from = np.full(len(ends) + 1, np.inf), np.zeros(len(ends) + 1, np.int64)
    best[0] = 0.0
    first = 0
    for i in range(len(ends)):
        while first < i and stops.flown_s[ends[i]] - stops.flown_s[starts[first]] > budget_s:
            first += 1
        seconds = begin_s[first : i + 1] + finish_s[i]
        fits = (seconds <= budget_s) & (
            stops.items[ends[i]] - stops.items_before[starts[first : i + 1]] <= stops.most_items
        )
        cost = np.where(fits, best[first : i + 1] + A_FLIGHT_MORE + (seconds - target_s) ** 2, np.inf)
        chosen = int(np.argmin(cost))
        best[i + 1], came_from[i + 1] = cost[chosen], first + chosen
    if not math.isfinite(best[-1]):
        return None
    pieces, at = [], len(ends)
    while at:
        pieces.append((int(starts[came_from[at]]), int(ends[at - 1])))
        at = int(came_from[at])
    return pieces[::-1]


def _balanced(stops: _Stops, count: int, budget_s: float, drones: int) -> list[tuple[int, int]] | None:
    """At most `count` flights with the shortest longest one, or None where `budget_s` does not suffice.

    Where they are uneven, because some parts lie farther from home than others, the longest of a single drone may become longer
    within the budget to even them: of all that are even enough, those that take the least time together.
    """
    most = high = min(budget_s, float(stops.flown_s[-1] + 2 * stops.transit_s.max() + stops.pause_s) + 1.0)
    best = _pieces(stops, high)
    if best is None or len(best) > count:
        return None
    low = 0.0
    while high - low > max(1.0, high / 500):
        middle = (low + high) / 2
        trial = _pieces(stops, middle)
        if trial is not None and len(trial) <= count:
            best, high = trial, middle
        else:
            low = middle
    for limit in (high, most) if drones == 1 else (high,):
        if _evenness(best, stops) <= EVEN:
            break
        trials = [_pieces(stops, limit, share * limit) or best for share in AIMED_AT]
        trials = [trial for trial in trials if len(trial) == len(best)]
        even = [trial for trial in trials if _evenness(trial, stops) <= EVEN]
        if even:
            return min(even, key=lambda pieces: float(_seconds(pieces, stops).sum()))
        best = min((best, *trials), key=lambda pieces: _evenness(pieces, stops))
    return best


def _evenness(pieces: list[tuple[int, int]], stops: _Stops) -> float:
    """The longest flight by the shortest."""
    seconds = _seconds(pieces, stops)
    return float(seconds.max() / seconds.min())


def _seconds(pieces: list[tuple[int, int]], stops: _Stops) -> NDArray[np.float64]:
    first, last = np.array(pieces).T
    return np.asarray(stops.transit_s[first] + stops.flown_s[last] - stops.flown_s[first] + stops.transit_s[last])


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
