"""The order and direction in which lines are flown, home to home: a generalised travelling salesman problem.

A tour visits every line once, in either direction. Its cost is the time between lines, with a full stop at every end; ways
that cannot be straight run along the visibility graph. Costs are straight-line times at first; only those that a good tour
uses are replaced by the true ways, and the tour is improved again until it uses true costs alone.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from planner.timing import Motion, path_seconds

__all__ = ["Order", "WayFinder", "order_lines"]

LONGEST_BLOCK = 8  # lines that are moved together within the tour
WINDOW = 24  # lines within which a tour is disturbed
SMALLEST_GAIN_S = 1e-6
MOST_WORK = 300_000_000  # pairs of lines looked at in one improvement: thousands of lines must end too
MANY_LINES = 150  # from which on only the better start is improved
NEAREST = 40  # ends to which straight ways are looked at beforehand


class WayFinder(Protocol):
    """What finds ways between points (see planner.coverage.paths)."""

    def visible(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.bool_]: ...

    def way(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64] | None: ...


@dataclass(frozen=True, slots=True)
class Order:
    """An order of lines.

    Attributes: line: indices of the lines in flying order; reverse: which are flown from their second end to their first;
    ways: one more than lines, vertices (n x 2) from home to the first line, between lines, and back home.
    """

    line: NDArray[np.int64]
    reverse: NDArray[np.bool_]
    ways: tuple[NDArray[np.float64], ...]

    def flown(self, lines: NDArray[np.float64]) -> NDArray[np.float64]:
        """The lines (n x 2 x 2) in flying order and direction."""
        ordered = lines[self.line]
        return np.where(self.reverse[:, None, None], ordered[:, ::-1], ordered)

    def path(self) -> NDArray[np.float64]:
        """The whole path home to home (n x 2): a way, a line (from the way's end to the next one's start), a way, ..."""
        return np.concatenate(self.ways)


def order_lines(
    lines: NDArray[np.float64],
    home: NDArray[np.float64],
    inside: WayFinder,
    outside: WayFinder,
    motion: Motion,
    *,
    kicks: int = 20,
) -> Order:
    """The fastest order found for lines (n x 2 x 2) from `home` and back.

    `inside` finds ways between lines and `outside` the transits from and to home, and between lines that `inside` cannot join.
    """
    tour = _Tour(lines, np.asarray(home, float), inside, outside, motion)
    starts = tour.starts()
    if len(lines) > MANY_LINES:
        starts = [min(starts, key=tour.cost)]
    best = min((tour.settle(start) for start in starts), key=tour.cost)
    generator = np.random.default_rng(0)
    for _ in range(kicks if len(lines) > 3 else 0):
        trial = tour.settle(_disturbed(best, generator))
        if tour.cost(trial) < tour.cost(best) - 1e-6:
            best = trial
    return tour.order(best)


class _Tour:
    """Costs between line ends; a tour is an array of start ends: end 2i is the first of line i, 2i + 1 its second.

    The home is the line n, both of whose ends are the same place; a tour begins with it.
    """

    def __init__(
        self,
        lines: NDArray[np.float64],
        home: NDArray[np.float64],
        inside: WayFinder,
        outside: WayFinder,
        motion: Motion,
    ) -> None:
        self.count = len(lines)
        self.ends = np.concatenate([lines.reshape(-1, 2), [home, home]])
        self.inside, self.outside, self.motion = inside, outside, motion
        legs = self.ends[None, :, :] - self.ends[:, None, :]
        distance = np.hypot(legs[..., 0], legs[..., 1])
        there = motion.rest_to_rest(distance, motion.ground_speed(legs[..., 0], legs[..., 1]))
        self.seconds = (
            there + there.T
        ) / 2  # wind: the mean of both directions; the true time is taken of the finished path
        self.true = np.zeros(self.seconds.shape, bool)
        self._ways: dict[tuple[int, int], NDArray[np.float64]] = {}
        self._survey_near(distance)

    def starts(self) -> list[NDArray[np.int64]]:
        """Tours to begin with: the sweep's own order, up and down, and the nearest line next."""
        snake = np.arange(self.count) * 2 + np.arange(self.count) % 2
        greedy, left, at = [], np.ones(2 * self.count, bool), 2 * self.count
        for _ in range(self.count):
            end = int(np.argmin(np.where(left, self.seconds[at, : 2 * self.count], np.inf)))
            left[[end, end ^ 1]] = False
            greedy.append(end)
            at = end ^ 1
        return [np.array([2 * self.count, *order]) for order in (snake, greedy)]

    def cost(self, tour: NDArray[np.int64]) -> float:
        """Seconds between lines and to and from home."""
        return float(self.seconds[tour ^ 1, np.roll(tour, -1)].sum())

    def settle(self, tour: NDArray[np.int64]) -> NDArray[np.int64]:
        """The tour improved until no move helps and every way that it uses is a true one."""
        dearer = True
        while dearer:
            tour = improve(tour, self.seconds)
            start, end = tour ^ 1, np.roll(tour, -1)
            guessed = np.flatnonzero(~self.true[start, end])
            before = self.seconds[start, end]
            for i in guessed:
                self._make_true(int(start[i]), int(end[i]))
            # Where no way of the tour takes longer than was guessed, still no move helps.
            dearer = bool((self.seconds[start, end] > before + SMALLEST_GAIN_S).any())
        return tour

    def order(self, tour: NDArray[np.int64]) -> Order:
        """The tour, in the faster direction, with its ways."""
        other = np.r_[tour[:1], tour[:0:-1] ^ 1]
        found = [self._order(t) for t in (tour, other)]
        return min(found, key=lambda order: path_seconds(order.path(), self.motion))

    def _order(self, tour: NDArray[np.int64]) -> Order:
        ways = tuple(self.way(int(a), int(b)) for a, b in zip(tour ^ 1, np.roll(tour, -1), strict=True))
        return Order(tour[1:] // 2, tour[1:] % 2 == 1, ways)

    def way(self, a: int, b: int) -> NDArray[np.float64]:
        """The vertices of the way between two ends."""
        if (a, b) in self._ways:
            return self._ways[a, b]
        if (b, a) in self._ways:
            return self._ways[b, a][::-1]
        return self.ends[[a, b]]

    def _survey_near(self, distance: NDArray[np.float64]) -> None:
        """Mark as true the straight ways between near ends, which most tours use; ways that must bend cost a stop more."""
        near = (
            distance
            <= np.partition(distance, min(NEAREST, len(distance) - 1), axis=1)[:, min(NEAREST, len(distance) - 1), None]
        )
        a, b = np.nonzero(np.triu(near | near.T, 1))
        homely = b >= 2 * self.count
        for finder, chosen in ((self.inside, ~homely), (self.outside, homely)):
            i, j = a[chosen], b[chosen]
            seen = finder.visible(self.ends[i], self.ends[j])
            self.true[i[seen], j[seen]] = self.true[j[seen], i[seen]] = True
            hidden = i[~seen], j[~seen]
            self.seconds[hidden] += self.motion.speed_m_s / self.motion.acceleration_m_s2
            self.seconds[hidden[::-1]] = self.seconds[hidden]
        np.fill_diagonal(self.true, True)
        self.true[2 * self.count :, 2 * self.count :] = True

    def _make_true(self, a: int, b: int) -> None:
        home = max(a, b) >= 2 * self.count
        way = None if home else self.inside.way(self.ends[a], self.ends[b])
        if way is None:
            way = self.outside.way(self.ends[a], self.ends[b])
        self.true[a, b] = self.true[b, a] = True
        if way is None:
            self.seconds[a, b] = self.seconds[b, a] = 1e7
            return
        if len(way) > 2:
            self._ways[a, b] = way
            seconds = (path_seconds(way, self.motion) + path_seconds(way[::-1], self.motion)) / 2
            self.seconds[a, b] = self.seconds[b, a] = seconds


def improve(tour: NDArray[np.int64], seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    """Reverse stretches (2-opt) and move blocks (Or-opt) until no such move makes the tour shorter, or long enough.

    A tour is an array of start ends that begins with the home; `seconds` is symmetric.
    """
    moves: list[Callable[[NDArray[np.int64], NDArray[np.float64]], NDArray[np.int64] | None]] = [
        _reversal,
        *(functools.partial(_shift, size=size) for size in range(1, min(LONGEST_BLOCK, len(tour) - 2) + 1)),
    ]
    failed, left = 0, MOST_WORK // len(tour) ** 2
    while failed < len(moves) and left > 0:
        left -= 1
        move = moves[failed]
        changed = move(tour, seconds)
        if changed is None:
            failed += 1
        else:
            tour = changed
            moves.remove(move)  # what has just helped is tried first
            moves.insert(0, move)
            failed = 0
    return tour


def _reversal(tour: NDArray[np.int64], seconds: NDArray[np.float64]) -> NDArray[np.int64] | None:
    """The tour with its best stretch reversed, or None where no reversal helps."""
    if len(tour) < 2:
        return None
    start, end = tour[1:], tour[1:] ^ 1
    before, after = (tour ^ 1)[:-1], np.append(start[1:], tour[0])
    change = seconds[before].take(end, axis=1) + seconds[start].take(after, axis=1)
    change -= seconds[before, start][:, None] + seconds[end, after]
    change[_lower_triangle(len(change))] = 0.0
    best = int(change.argmin())
    i, j = divmod(best, len(change))
    if change[i, j] > -SMALLEST_GAIN_S:
        return None
    changed = tour.copy()
    changed[i + 1 : j + 2] = tour[i + 1 : j + 2][::-1] ^ 1
    return changed


def _shift(tour: NDArray[np.int64], seconds: NDArray[np.float64], size: int) -> NDArray[np.int64] | None:
    """The tour with its best block of `size` lines moved elsewhere, either way round, or None where no move helps."""
    left, right = tour ^ 1, np.append(tour[1:], tour[0])
    first, last = tour[1 : len(tour) - size + 1], left[size:]
    before, after = left[: len(first)], right[size:]
    saved = seconds[before, first] + seconds[last, after] - seconds[before, after]
    now = seconds[left, right] + saved[:, None]
    from_first, from_last = seconds[first], seconds[last]
    straight = from_first.take(left, axis=1) + from_last.take(right, axis=1) - now
    turned = from_last.take(left, axis=1) + from_first.take(right, axis=1) - now
    change = np.minimum(straight, turned)
    change[_around_block(len(first), len(tour), size)] = 0.0
    place, gap = divmod(int(change.argmin()), len(tour))
    if change[place, gap] > -SMALLEST_GAIN_S:
        return None
    block = tour[place + 1 : place + 1 + size]
    if turned[place, gap] < straight[place, gap]:
        block = block[::-1] ^ 1
    if gap < place:
        return np.concatenate([tour[: gap + 1], block, tour[gap + 1 : place + 1], tour[place + 1 + size :]])
    return np.concatenate([tour[: place + 1], tour[place + 1 + size : gap + 1], block, tour[gap + 1 :]])


@functools.lru_cache(maxsize=64)
def _lower_triangle(count: int) -> NDArray[np.bool_]:
    return np.tri(count, k=-1, dtype=bool)


@functools.lru_cache(maxsize=256)
def _around_block(places: int, gaps: int, size: int) -> NDArray[np.bool_]:
    """Which gaps lie inside or at the ends of the block at each place, so that a move there would change nothing."""
    gap, place = np.arange(gaps), np.arange(places)[:, None]
    return np.asarray((gap >= place) & (gap <= place + size))


def _disturbed(tour: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.int64]:
    """The tour with two neighbouring short stretches exchanged: a change that reversals cannot undo."""
    window = min(len(tour) - 1, WINDOW)
    start = int(generator.integers(1, len(tour) - window + 1))
    cuts = start + np.sort(generator.choice(window + 1, 3, replace=False))
    a, b, c, d = np.split(tour, cuts)
    return np.concatenate([a, c, b, d])
