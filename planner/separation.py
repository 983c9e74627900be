"""Drones that fly at the same time: kept apart in height on the ways from and to home, and checked against one another.

Each drone flies its ways `APART_M` above those of the one before, all of them above the photographed lines, and climbs or
descends where its first line begins and its last one ends. Its lines lie together, so that those of two drones meet only at
their borders.
"""

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from planner.timing import Motion

__all__ = ["APART_M", "near_misses", "raised_ways"]

APART_M = 10.0  # in height
BESIDE_M = 50.0  # level distance that is as good
STEP_S, EITHER_WAY_S = 2.0, 20.0  # of the check, and by how much drones may be ahead or behind

Track = NDArray[np.float64]


def raised_ways(path: Track, lines: NDArray[np.int64], by_m: float) -> tuple[Track, NDArray[np.int64]]:
    """The path (n x 3) with its ways from and to home higher, joined straight down and up where lines begin and end.

    Returns the path with two more vertices, and the vertices at which the lines begin and end (m x 2) in it.
    """
    first, last = int(lines[0, 0]), int(lines[-1, 1])
    raised = path + np.array([0.0, 0.0, by_m])
    return np.concatenate([raised[: first + 1], path[first : last + 1], raised[last:]]), lines + 1


def near_misses(paths: Sequence[Track], motion: Motion) -> list[tuple[int, int, float]]:
    """Pairs of paths (n x 3) flown from the same moment on that come too near: numbers from 0, and seconds until then.

    Too near is less than `APART_M` in height and `BESIDE_M` on the level, within `EITHER_WAY_S` of each other. Take-off and
    landing are not looked at: drones that share a home take turns.
    """
    tracks = [_track(path, motion) for path in paths]
    found = []
    for (i, a), (j, b) in combinations(enumerate(tracks), 2):
        most = round(EITHER_WAY_S / STEP_S)
        moments = [_first_near(a, b, shift) for shift in range(-most, most + 1)]
        if min(moments) < math.inf:
            found.append((i, j, min(moments)))
    return found


def _first_near(a: Track, b: Track, shift: int) -> float:
    """Seconds until two tracks are too near where the second one is `shift` steps ahead; infinite where they never are."""
    a, b = a[max(-shift, 0) :], b[max(shift, 0) :]
    both = min(len(a), len(b))
    offset = a[:both] - b[:both]
    near = (np.abs(offset[:, 2]) < APART_M - 0.5) & (np.hypot(offset[:, 0], offset[:, 1]) < BESIDE_M)
    return float(np.argmax(near) + max(-shift, 0)) * STEP_S if near.any() else math.inf


def _track(path: Track, motion: Motion) -> Track:
    """Where the drone is every `STEP_S`, at constant speeds."""
    legs = np.diff(path, axis=0)
    level = np.hypot(legs[:, 0], legs[:, 1]) / motion.ground_speed(legs[:, 0], legs[:, 1])
    vertical = np.where(legs[:, 2] > 0, legs[:, 2] / motion.climb_m_s, -legs[:, 2] / motion.descent_m_s)
    at_s = np.r_[0.0, np.cumsum(np.maximum(level, vertical))]
    moments = np.arange(0.0, at_s[-1], STEP_S)
    return np.column_stack([np.interp(moments, at_s, path[:, axis]) for axis in range(3)])
