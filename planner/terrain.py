"""The ground below a survey, and paths that hold their height above it under climb and descent limits."""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "TOLERANCE",
    "HeightLimits",
    "Profile",
    "Return",
    "Terrain",
    "follow",
    "heights_above_ground",
    "safe_return",
]

TOLERANCE = 0.05  # of the height above ground: how far legs may be above or below it
GENTLE = 0.8  # of the drone's climb and descent rates is planned with
COARSEST_STEP_M = 10.0  # between the places where the ground below a path is looked at
LOOKS = 8  # at the ground between two such places
MOST_RETURNS = 400  # places from which the straight way home is looked at


@dataclass(frozen=True, slots=True)
class Terrain:
    """Ground heights above mean sea level in a local frame: a regular grid, rows from the south.

    Attributes: west_m, south_m: centre of the first cell; cell_m; height_amsl_m: rows x columns, without gaps; filled: share of
    it that the source did not know; source_cell_m: the coarsest cell of the models it came from.
    """

    west_m: float
    south_m: float
    cell_m: float
    height_amsl_m: NDArray[np.float64]
    filled: float = 0.0
    source_cell_m: float = 0.0

    def at(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        """Ground heights at points in metres, bilinear; beyond the grid that of its edge."""
        rows, columns = self.height_amsl_m.shape
        column = np.clip((np.asarray(x, float) - self.west_m) / self.cell_m, 0, columns - 1.000001)
        row = np.clip((np.asarray(y, float) - self.south_m) / self.cell_m, 0, rows - 1.000001)
        i, j = row.astype(int), column.astype(int)
        v, u = row - i, column - j
        h = self.height_amsl_m
        return np.asarray(
            (h[i, j] * (1 - u) + h[i, j + 1] * u) * (1 - v) + (h[i + 1, j] * (1 - u) + h[i + 1, j + 1] * u) * v
        )

    def slopes(self) -> NDArray[np.float64]:
        """The slope of the ground at every cell in metres per metre (rows x columns)."""
        north, east = np.gradient(self.height_amsl_m, self.cell_m)
        return np.hypot(north, east)

    @property
    def step_m(self) -> float:
        """Metres between looks at the ground along a path that miss nothing of this grid."""
        return min(self.cell_m / 2, COARSEST_STEP_M)


@dataclass(frozen=True, slots=True)
class HeightLimits:
    """How a path may hold its height: agl_m above ground, and the steepest climb and descent in metres per metre flown."""

    agl_m: float
    climb: float
    descent: float

    @classmethod
    def of(cls, agl_m: float, climb_m_s: float, descent_m_s: float, speed_m_s: float) -> "HeightLimits":
        """The limits of a drone that climbs and descends so fast at full speed, with some of it left to hold the path."""
        return cls(agl_m, GENTLE * climb_m_s / speed_m_s, GENTLE * descent_m_s / speed_m_s)


def follow(
    path: NDArray[np.float64], terrain: Terrain, home_amsl_m: float, limits: HeightLimits
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """A path (n x 2) with heights above home that hold `limits.agl_m` above ground, with the vertices that this needs.

    Legs are nowhere lower than that less `TOLERANCE`, and higher than that and `TOLERANCE` only where the limits cannot follow
    the ground: climbs begin early enough, descents take as long as they must.
    Returns the path (m x 3) and where its former vertices are in it (n).
    """
    points, former = _densified(path, terrain.step_m)
    along = _along(points)
    wanted = _highest_around(points, terrain) + limits.agl_m - home_amsl_m
    height = _no_steeper(along, wanted, limits)
    kept = _needed(along, height, TOLERANCE * limits.agl_m, set(former.tolist()))
    return np.column_stack([points[kept], height[kept]]), np.searchsorted(kept, former)


def heights_above_ground(path: NDArray[np.float64], terrain: Terrain, home_amsl_m: float) -> "Profile":
    """The ground below a path (n x 3, heights above home), looked at so often that nothing of the terrain's grid is missed."""
    dense, _ = _densified(path, terrain.step_m)
    return Profile(_along(dense), dense, terrain.at(dense[:, 0], dense[:, 1]) - home_amsl_m)


@dataclass(frozen=True, slots=True)
class Profile:
    """Places along a path: metres flown (n), the places (n x 3, heights above home), the ground's height above home (n)."""

    along_m: NDArray[np.float64]
    points: NDArray[np.float64]
    ground_m: NDArray[np.float64]

    @property
    def above_m(self) -> NDArray[np.float64]:
        """Height above ground in metres (n)."""
        return np.asarray(self.points[:, 2] - self.ground_m)


@dataclass(frozen=True, slots=True)
class Return:
    """Straight ways home: height_m above home that clears the ground on all of them by what was asked; worst: the place (x, y)
    from which a return at the path's height does not, and the room it has there in metres, or None where all do."""

    height_m: float
    worst: tuple[float, float, float] | None


def safe_return(path: NDArray[np.float64], terrain: Terrain, home_amsl_m: float, clearance_m: float) -> Return:
    """How high a straight return must be from anywhere on a path (n x 3, metres above home, beginning there)."""
    dense, _ = _densified(path, max(terrain.step_m, float(_along(path)[-1]) / MOST_RETURNS))
    home = path[0, :2]
    farthest = float(np.hypot(*(dense[:, :2] - home).T).max())
    share = np.linspace(0, 1, max(2, math.ceil(farthest / terrain.step_m / 2)))
    ways = home + share[None, :, None] * (dense[:, None, :2] - home)
    ground = terrain.at(ways[..., 0], ways[..., 1]).max(axis=1) - home_amsl_m
    room = dense[:, 2] - ground
    i = int(np.argmin(room))
    worst = (float(dense[i, 0]), float(dense[i, 1]), float(room[i])) if room[i] < clearance_m else None
    return Return(float(ground.max()) + clearance_m, worst)


def _highest_around(points: NDArray[np.float64], terrain: Terrain) -> NDArray[np.float64]:
    """The ground at points along a path (n x 2), raised where it rises above the straight line to the next or the last one."""
    ground = terrain.at(points[:, 0], points[:, 1])
    share = (np.arange(1, LOOKS) / LOOKS)[:, None]
    between = points[None, :-1] + share[..., None] * np.diff(points, axis=0)[None]
    chord = ground[None, :-1] + share * np.diff(ground)[None]
    excess = np.maximum(terrain.at(between[..., 0], between[..., 1]) - chord, 0).max(axis=0)
    return np.asarray(ground + np.maximum(np.r_[excess, 0.0], np.r_[0.0, excess]))


def _no_steeper(along: NDArray[np.float64], wanted: NDArray[np.float64], limits: HeightLimits) -> NDArray[np.float64]:
    """The lowest heights that are nowhere below those wanted and keep the limits of descent and climb."""
    falling, rising = limits.descent * along, limits.climb * along
    after_descents = np.maximum.accumulate(wanted + falling) - falling
    return np.asarray(np.maximum.accumulate((after_descents - rising)[::-1])[::-1] + rising)


def _along(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.r_[0.0, np.cumsum(np.hypot(*np.diff(points[:, :2], axis=0).T))]


def _densified(path: NDArray[np.float64], step_m: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The path (n x 2 or n x 3) with a point at least every `step_m`, and where its vertices are in it."""
    pieces, former = [path[:1]], [0]
    for a, b in pairwise(path):
        steps = max(1, math.ceil(math.dist(a[:2], b[:2]) / step_m))
        pieces.append(a + (b - a) * (np.arange(1, steps + 1) / steps)[:, None])
        former.append(former[-1] + steps)
    return np.concatenate(pieces), np.array(former)


def _needed(
    along: NDArray[np.float64], height: NDArray[np.float64], tolerance_m: float, fixed: set[int]
) -> NDArray[np.int64]:
    """The fewest points (greedily) between which straight legs stay within the tolerance above or below the heights."""
    distance, level = along.tolist(), height.tolist()  # much faster one by one
    kept, start = [0], 0
    while start < len(level) - 1:
        lowest, highest, end = -math.inf, math.inf, start + 1
        for i in range(start + 1, len(level)):
            run = max(distance[i] - distance[start], 1e-9)
            slope = (level[i] - level[start]) / run
            if not lowest <= slope <= highest and i > start + 1:
                break
            end = i
            if i in fixed:
                break
            lowest = max(lowest, slope - tolerance_m / run)
            highest = min(highest, slope + tolerance_m / run)
        kept.append(end)
        start = end
    return np.array(kept)
