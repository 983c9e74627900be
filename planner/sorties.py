"""Flights: an order of lines cut into contiguous pieces that each fit a battery, even in time from home to home.

A flight begins and ends at line ends or, where that is better, within a line at a photo. There are as few flights as possible;
among the ways to cut them of which the shortest flight is nearly as long as the longest, the one with the least time together
is flown: dynamic programming, exact for the order of the lines. Drones work side by side, each a block of flights from its own
home.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imagery.core.errors import BadInputError
from planner.coverage.choose import Choice, Task
from planner.flight_time import passing_seconds
from planner.timing import path_seconds

__all__ = ["EVEN", "ITEMS_A_LINE", "Base", "Clock", "Sortie", "flights_cost", "split"]

CUT_EVERY = 4  # photos between the places where a line may be cut
MOST_STOPS, FEW_STOPS = 3000, 600  # places where a flight may end; where only costs are compared
UNLIMITED_ITEMS = 1_000_000
EVEN = 1.08  # longest flight by the shortest: a little less than is promised, since turns are counted only roughly here
UNEVEN = 1.3, 2.0  # tried where the area does not allow that
A_FLIGHT_MORE = 1e9  # more than all flights together take
CUT_COST_S = 5.0  # that a cut within a line must save: its photos overlap less surely, and its ends take mission items
LONGER = 1.005, 1.01, 1.02, 1.03, 1.05, 1.08, 1.12, 1.2  # times the shortest longest flight: what may save time
LONGER_TOGETHER = 1.005, 1.01, 1.02  # of several drones, which work as long as the longest
ITEMS_A_LINE = 4  # mission items: entry, exit and the trigger at both
OTHER_ITEMS = 14  # home, take-off, speeds, resuming, return, and the corners of the transits

Array = NDArray[np.float64]
Pieces = list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Base:
    """Where a drone takes off and lands: x and y in metres; the seconds that both take together."""

    xy: Array
    overhead_s: float


@dataclass(frozen=True, slots=True)
class Clock:
    """When each line (n) is entered and left, in seconds, were all of them flown in one go."""

    entered_s: Array
    left_s: Array


@dataclass(frozen=True, slots=True)
class Sortie:
    """One flight of a drone (counted from 0): its lines (n x 2 x 2, in flying order and direction), the ways (n + 1)
    from home, between lines, and back home.
    """

    drone: int
    lines: Array
    ways: tuple[Array, ...]


@dataclass(frozen=True, slots=True)
class _Stops:
    """Every place where a flight may begin or end (n).

    Attributes: line and metres along it; seconds flown until there in one go; from each drone's home and back (drones x n), each
    with half of what take-off and landing take; mission items used before the stop's line, and until the stop; whether it is a
    line's start or end; the seconds that a stop within a line costs; the mission items that a flight may have.
    """

    line: NDArray[np.int64]
    along_m: Array
    flown_s: Array
    items_before: NDArray[np.int64]
    items: NDArray[np.int64]
    out_s: Array
    back_s: Array
    is_start: NDArray[np.bool_]
    is_end: NDArray[np.bool_]
    pause_s: float
    most_items: int


@dataclass(frozen=True, slots=True)
class _Cuts:
    """The m places where a flight may end, each with the one where the next flight then begins: the first flight begins at
    starts[0], and the one after a flight that ends at ends[j] at starts[j + 1].

    Attributes: ends, starts: stops; begin_s, finish_s: drones x m, whose sum is the time of a flight from one to the other;
    cut_s: what a cut within a line at an end costs beside its time; first_start: the first start from which a flight to each
    end takes no more mission items than there are.
    """

    ends: NDArray[np.int64]
    starts: NDArray[np.int64]
    begin_s: Array
    finish_s: Array
    cut_s: Array
    first_start: NDArray[np.int64]

    @classmethod
    def of(cls, stops: _Stops) -> "_Cuts":
        """All of them."""
        ends = np.flatnonzero(stops.is_end | ~stops.is_start)
        starts = np.r_[0, np.where(stops.is_end[ends], ends + 1, ends)[:-1]]
        inner_start, inner_end = ~stops.is_start[starts], ~stops.is_end[ends]
        return cls(
            ends=ends,
            starts=starts,
            begin_s=stops.out_s[:, starts] - stops.flown_s[starts] + inner_start * stops.pause_s / 2,
            finish_s=stops.back_s[:, ends] + stops.flown_s[ends] + inner_end * stops.pause_s / 2,
            cut_s=np.where(inner_end, CUT_COST_S, 0.0),
            first_start=np.searchsorted(stops.items_before[starts], stops.items[ends] - stops.most_items),
        )


def split(
    task: Task,
    choice: Choice,
    clock: Clock,
    usable_s: float,
    bases: Sequence[Base],
    most_items: int = UNLIMITED_ITEMS,
    line_items: ArrayLike = ITEMS_A_LINE,
    even: float = EVEN,
) -> list[Sortie]:
    """The fewest flights of at most `usable_s` seconds each, the same number for each drone; one base a drone.

    No flight needs more than `most_items` mission items, of which each line takes `line_items` (one number, or one a line). The
    flights come drone by drone, the longest at most `even` times the shortest where the area allows. Raises BadInputError where
    a place cannot be reached, photographed and returned from within `usable_s`.
    """
    stops = _stops(task, choice, clock, bases, most_items, line_items, MOST_STOPS)
    cuts = _Cuts.of(stops)
    longer = LONGER if len(bases) == 1 else LONGER_TOGETHER
    pieces, drones = _pieces(stops, cuts, usable_s, _blocks(stops), longer, even)
    sorties = [_sortie(task, choice, stops, bases, *piece) for piece in zip(drones, pieces, strict=True)]
    return sorted(sorties, key=lambda sortie: sortie.drone)


def flights_cost(task: Task, choice: Choice, usable_s: float, bases: Sequence[Base]) -> float:
    """What flying a choice in flights of `usable_s` costs: the flights count first, their total seconds second."""
    stops = _stops(task, choice, _level_clock(task, choice), bases, UNLIMITED_ITEMS, ITEMS_A_LINE, FEW_STOPS)
    cuts = _Cuts.of(stops)
    try:
        pieces, drones = _pieces(stops, cuts, usable_s, _blocks(stops), (), EVEN)
    except BadInputError:
        return math.inf
    return A_FLIGHT_MORE * len(pieces) + float(_seconds(stops, pieces, drones).sum())


def _level_clock(task: Task, choice: Choice) -> Clock:
    """The clock over flat ground."""
    path = choice.order.path()
    seconds = passing_seconds(np.column_stack([path, np.zeros(len(path))]), task.motion)
    entries = np.cumsum([len(way) for way in choice.order.ways[:-1]]) - 1
    return Clock(seconds[entries], seconds[entries + 1])


def _stops(
    task: Task,
    choice: Choice,
    clock: Clock,
    bases: Sequence[Base],
    most_items: int,
    line_items: ArrayLike,
    most_stops: int,
) -> _Stops:
    courses = choice.lines[:, 1] - choice.lines[:, 0]
    lengths = np.hypot(*courses.T)
    step = task.trigger_m * max(CUT_EVERY, math.ceil(float(lengths.sum()) / most_stops / task.trigger_m))
    along = [np.r_[0.0, np.arange(step, length - step, step), length] for length in lengths]
    count = [len(places) for places in along]
    line, along_m = np.repeat(np.arange(len(along)), count), np.concatenate(along)
    share = along_m / np.maximum(lengths, 1e-9)[line]
    bends = np.array([0, *(len(way) - 2 for way in choice.order.ways[1:-1])])
    own = np.broadcast_to(np.asarray(line_items, np.int64), len(along))
    until = np.cumsum(own + bends)
    places = choice.lines[line, 0] + share[:, None] * courses[line]
    pace = _pace(task, clock, courses)
    out_s, back_s = np.stack([_transits(task, base, places, pace) for base in bases], axis=1)
    new = np.r_[True, line[1:] != line[:-1]]
    return _Stops(
        line=line,
        along_m=along_m,
        flown_s=clock.entered_s[line] + share * (clock.left_s - clock.entered_s)[line],
        items_before=(until - own)[line],
        items=until[line],
        out_s=out_s,
        back_s=back_s,
        is_start=new,
        is_end=np.r_[new[1:], True],
        pause_s=task.motion.speed_m_s / task.motion.acceleration_m_s2,
        most_items=most_items - OTHER_ITEMS,
    )


def _pace(task: Task, clock: Clock, courses: Array) -> float:
    """By how much climbing and descending make lines slower than on the level: so they do on the ways from and to home."""
    level_s = task.motion.rest_to_rest(np.hypot(*courses.T), task.motion.ground_speed(*courses.T))
    return max(1.0, float((clock.left_s - clock.entered_s).sum() / level_s.sum()))


def _transits(task: Task, base: Base, points: Array, pace: float) -> Array:
    """Seconds from a base to each point, and back (2 x n), each with half of take-off and landing."""
    home = np.broadcast_to(base.xy, points.shape)
    legs = points - home
    distance = np.hypot(*legs.T)
    seconds = np.stack(
        [task.motion.rest_to_rest(distance, task.motion.ground_speed(*way)) for way in (legs.T, -legs.T)]
    )
    for i in np.flatnonzero(~task.outside.visible(home, points)):
        way = task.outside.way(base.xy, points[i])
        seconds[:, i] = np.inf if way is None else [path_seconds(w, task.motion) for w in (way, way[::-1])]
    return np.asarray(seconds * pace + base.overhead_s / 2)


def _blocks(stops: _Stops) -> NDArray[np.int64]:
    """Which drone flies each of the equal blocks of the lines, so that all are together near their homes."""
    drones = len(stops.out_s)
    apart = np.ptp(stops.out_s - stops.out_s.min(axis=1, keepdims=True), axis=0).max() if drones > 1 else 0.0
    if apart < 1.0:
        return np.arange(drones)
    from scipy.optimize import linear_sum_assignment

    block = np.minimum(stops.flown_s / stops.flown_s[-1] * drones, drones - 1).astype(int)
    ways = stops.out_s + stops.back_s
    cost = [[ways[drone, block == b].mean() for drone in range(drones)] for b in range(drones)]
    return np.asarray(linear_sum_assignment(np.minimum(cost, 1e9))[1])


def _pieces(
    stops: _Stops, cuts: _Cuts, usable_s: float, flown_by: NDArray[np.int64], longer: Sequence[float], even: float
) -> tuple[Pieces, NDArray[np.int64]]:
    """The flights as pairs of stops, first and last, and the drone of each; `longer`: shares of the shortest longest flight."""
    drones, high = _fewest(stops, cuts, usable_s, flown_by)
    low = 0.0
    while high - low > max(0.5, high / 1000):
        middle = (low + high) / 2
        low, high = (low, middle) if _reached(cuts, drones, middle) is not None else (middle, high)
    limits = [high, *(high * share for share in longer if high * share <= usable_s)]
    for ratio in (even, *UNEVEN):
        trials = [trial for limit in limits if (trial := _least(cuts, drones, limit / ratio, limit)) is not None]
        if trials:
            return min(trials)[1], drones
    pieces = _reached(cuts, drones, high)
    assert pieces is not None
    return pieces, drones


def _fewest(
    stops: _Stops, cuts: _Cuts, usable_s: float, flown_by: NDArray[np.int64]
) -> tuple[NDArray[np.int64], float]:
    """The drones of the fewest flights that fit, and how long those may take: `usable_s`, or less where that suffices for any."""
    most_s = float((stops.flown_s[-1] + stops.out_s.max(axis=1) + stops.back_s.max(axis=1) + stops.pause_s).max())
    allowed_s = min(usable_s, most_s + 1.0)
    least = _bound(cuts, allowed_s)
    each = math.ceil(least / len(flown_by)) if least else math.inf
    while each <= len(cuts.ends):
        drones = np.repeat(flown_by, int(each))[: len(cuts.ends)]
        if _reached(cuts, drones, allowed_s) is not None:
            return drones, allowed_s
        each += 1
    farthest_min = float((stops.out_s + stops.back_s).min(axis=0).max()) / 60
    if not math.isfinite(farthest_min):
        raise BadInputError("no-fly zones lie between the home and a part of the area: move the home")
    raise BadInputError(
        f"flights of {usable_s / 60:.0f} minutes are too short: reaching the farthest line and coming back takes"
        f" {farthest_min:.1f} minutes: move the home nearer, or give a longer --endurance"
    )


def _bound(cuts: _Cuts, high_s: float) -> int | None:
    """The fewest flights of at most `high_s` if any drone may fly any of them; None where some place is too far for all."""
    nearest = replace(cuts, begin_s=cuts.begin_s.min(axis=0)[None], finish_s=cuts.finish_s.min(axis=0)[None])
    may_start, count, farthest = _only_first(cuts), 0, -1
    while True:
        _, fits = _onward(nearest, 0, may_start, high_s)
        count += 1
        if fits[-1]:
            return count
        if not fits.any() or np.flatnonzero(fits)[-1] <= farthest:
            return None
        farthest = int(np.flatnonzero(fits)[-1])
        may_start = np.r_[False, fits[:-1]]


def _reached(cuts: _Cuts, drones: NDArray[np.int64], high_s: float) -> Pieces | None:
    """Flights of these drones, one after the other, each of at most `high_s`; None where they do not get to the last stop."""
    may_start, fits, came_from = _only_first(cuts), np.zeros(1, bool), []
    for drone in drones:
        which, fits = _onward(cuts, int(drone), may_start, high_s)
        came_from.append(which)
        may_start = np.r_[False, fits[:-1]]
    return _traced(cuts, came_from) if fits[-1] else None


def _only_first(cuts: _Cuts) -> NDArray[np.bool_]:
    return np.arange(len(cuts.starts)) == 0


def _onward(
    cuts: _Cuts, drone: int, may_start: NDArray[np.bool_], high_s: float
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The best start of one more flight to each end, and whether it is of at most `high_s` and not too many items."""
    begin = np.where(may_start, cuts.begin_s[drone], np.inf)
    least = np.minimum.accumulate(begin)
    which = np.maximum.accumulate(np.where(begin <= least, np.arange(len(begin)), 0))
    return which, (least + cuts.finish_s[drone] <= high_s) & (which >= cuts.first_start)


def _least(cuts: _Cuts, drones: NDArray[np.int64], low_s: float, high_s: float) -> tuple[float, Pieces] | None:
    """Flights of these drones, one after the other, that take the least time together, each of `low_s` to `high_s`; with it."""
    starts, cost = np.array([0]), np.array([0.0])
    came_from = []
    for drone in drones:
        begin, finish = cuts.begin_s[drone], cuts.finish_s[drone]
        reach = np.flatnonzero(finish[starts[0] :] <= high_s - begin[starts].min())
        ends = starts[0] + np.arange(reach[-1] + 1 if len(reach) else 0)
        seconds = begin[starts][:, None] + finish[ends]
        fits = (seconds >= low_s) & (seconds <= high_s) & (starts[:, None] <= ends)
        fits &= starts[:, None] >= cuts.first_start[ends]
        total = np.where(fits, cost[:, None] + seconds + cuts.cut_s[ends], np.inf)
        best = total.argmin(axis=0) if len(ends) else np.zeros(0, np.int64)
        cost = total[best, np.arange(len(ends))]
        which = np.zeros(len(cuts.ends), np.int64)
        which[ends] = starts[best]
        came_from.append(which)
        last_s = cost[-1] if len(ends) and ends[-1] == len(cuts.ends) - 1 else np.inf
        going_on = np.isfinite(cost) & (ends < len(cuts.ends) - 1)
        starts, cost = ends[going_on] + 1, cost[going_on]
        if not len(starts):
            break
    if len(came_from) < len(drones) or not math.isfinite(last_s):
        return None
    return float(last_s), _traced(cuts, came_from)


def _traced(cuts: _Cuts, came_from: list[NDArray[np.int64]]) -> Pieces:
    """The flights by the start that led to each end, from the last one back."""
    pieces, end = [], len(cuts.ends) - 1
    for which in reversed(came_from):
        start = int(which[end])
        pieces.append((int(cuts.starts[start]), int(cuts.ends[end])))
        end = start - 1
    return pieces[::-1]


def _seconds(stops: _Stops, pieces: Pieces, drones: NDArray[np.int64]) -> Array:
    first, last = np.array(pieces).T
    return np.asarray(
        stops.out_s[drones, first] + stops.flown_s[last] - stops.flown_s[first] + stops.back_s[drones, last]
    )


def _sortie(
    task: Task, choice: Choice, stops: _Stops, bases: Sequence[Base], drone: int, piece: tuple[int, int]
) -> Sortie:
    start, end = piece
    first, last = int(stops.line[start]), int(stops.line[end])
    lines = choice.lines[first : last + 1].copy()
    courses = lines[:, 1] - lines[:, 0]
    unit = courses / np.maximum(np.hypot(*courses.T), 1e-9)[:, None]
    begin, stop = choice.lines[first, 0], choice.lines[last, 0]
    if not stops.is_end[end]:
        lines[-1, 1] = stop + unit[-1] * stops.along_m[end]
    if not stops.is_start[start]:
        lines[0, 0] = begin + unit[0] * stops.along_m[start]
    home = bases[drone].xy
    out, back = task.outside.way(home, lines[0, 0]), task.outside.way(lines[-1, 1], home)
    assert out is not None and back is not None
    return Sortie(int(drone), lines, (out, *choice.order.ways[first + 1 : last + 1], back))
