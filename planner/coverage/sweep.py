"""Parallel survey lines over an area: which angles, how many lines, and where they run.

A sweep is planned in axes turned so that its lines run along x; an angle is the lines' course in degrees,
counter-clockwise from east, 0 <= angle < 180.
"""

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

__all__ = ["MARGINS", "Sweep", "candidate_angles", "candidate_sweeps", "nearby_sweeps", "sweep"]

ANGLE_STEP_DEG = 2.0
MARGINS = (0.5, 0.58, 0.66, 0.75, 0.85, 1.0)  # of the spacing: how far the first line may lie inside the edge
PLACES = 9  # to which the lines of a sweep are moved across
SHORTEST_LINE_M = 0.1


@dataclass(frozen=True, slots=True)
class Sweep:
    """Parallel lines over an area.

    Attributes: angle_deg; lines: n x 2 x 2, the ends of each line in metres, sorted across the sweep and along the lines;
    row: n, which of the parallels each line lies on; spacing_m: between parallels.
    """

    angle_deg: float
    lines: NDArray[np.float64]
    row: NDArray[np.int64]
    spacing_m: float

    @property
    def length_m(self) -> float:
        """Length of all lines in metres."""
        return float(np.hypot(*(self.lines[:, 1] - self.lines[:, 0]).T).sum())


def candidate_angles(area: shapely.Polygon | shapely.MultiPolygon) -> list[float]:
    """Angles worth trying: along the area's longer edges, along its hull's edges, and every 2 degrees; sorted."""
    hull = area.convex_hull
    outline = area.simplify(math.sqrt(area.area) / 200)
    angles = {round(i * ANGLE_STEP_DEG, 6) for i in range(int(180 / ANGLE_STEP_DEG))}
    shortest = math.sqrt(area.area) / 10
    for ring in [*(part.exterior for part in _parts(outline)), hull.exterior]:
        edges = np.diff(np.asarray(ring.coords)[:, :2], axis=0)
        long = edges[np.hypot(*edges.T) > shortest]
        angles |= {round(a, 3) % 180 for a in np.degrees(np.arctan2(long[:, 1], long[:, 0])) % 180}
    return sorted(angles)


def candidate_sweeps(
    area: shapely.Polygon | shapely.MultiPolygon,
    spacing_m: float,
    angles: list[float],
    margins: tuple[float, ...] = MARGINS,
) -> Iterator[Sweep]:
    """Every sweep worth trying: for each angle the fewest lines and one more, with each of the first-line margins in spacings."""
    edges = _edges(area)
    for angle in angles:
        turned = _turn(edges, -angle)
        low, high = float(turned[:, :, 1].min()), float(turned[:, :, 1].max())
        seen = set()
        for margin in margins:
            inside = min(margin * spacing_m, (high - low) / 2)
            fewest = _fewest(high - low, inside, spacing_m)
            for count in (fewest, fewest + 1):
                if (count, inside) not in seen:
                    seen.add((count, inside))
                    yield _sweep(turned, angle, (low, high), count, inside)


def nearby_sweeps(
    area: shapely.Polygon | shapely.MultiPolygon, spacing_m: float, angle_deg: float, turns_deg: tuple[float, ...]
) -> Iterator[Sweep]:
    """Sweeps at angles near one: spaced as far as allowed, and moved across as far as both outermost lines' margins allow.

    Where one side of an area is longer than the other, lines moved towards the shorter side are shorter together.
    """
    edges = _edges(area)
    for angle in (angle_deg + turn for turn in turns_deg):
        turned = _turn(edges, -angle)
        low, high = float(turned[:, :, 1].min()), float(turned[:, :, 1].max())
        width = (high - low) / spacing_m
        for count in range(max(1, math.ceil(width - 2 * MARGINS[-1])) + 1, math.floor(width - 2 * MARGINS[0]) + 2):
            both = width - (count - 1)
            least, most = max(MARGINS[0], both - MARGINS[-1]), min(MARGINS[-1], both - MARGINS[0])
            for inside in np.linspace(least, most, PLACES) * spacing_m:
                offsets = low + inside + spacing_m * np.arange(count)
                lines, row = chords(turned, offsets)
                yield Sweep(angle % 180, _turn(lines, angle), row, spacing_m)


def sweep(
    area: shapely.Polygon | shapely.MultiPolygon, angle_deg: float, spacing_m: float, margin: float = 0.5
) -> Sweep:
    """The sweep at one angle (degrees counter-clockwise from east) with the fewest lines at a first-line margin in spacings."""
    turned = _turn(_edges(area), -angle_deg)
    low, high = float(turned[:, :, 1].min()), float(turned[:, :, 1].max())
    inside = min(margin * spacing_m, (high - low) / 2)
    return _sweep(turned, angle_deg, (low, high), _fewest(high - low, inside, spacing_m), inside)


def _fewest(width: float, inside: float, spacing_m: float) -> int:
    return max(1, math.ceil((width - 2 * inside) / spacing_m - 1e-6) + 1)


def _sweep(turned: NDArray[np.float64], angle: float, extent: tuple[float, float], count: int, inside: float) -> Sweep:
    low, high = extent
    step = (high - low - 2 * inside) / (count - 1) if count > 1 else high - low
    offsets = np.asarray(low + inside + step * np.arange(count) if count > 1 else [(low + high) / 2], float)
    lines, row = chords(turned, offsets)
    return Sweep(angle % 180, _turn(lines, angle), row, step)


def chords(edges: NDArray[np.float64], offsets: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Where horizontal lines at rising `offsets` lie inside the rings made of `edges` (m x 2 x 2), by the even-odd rule.

    Returns lines (n x 2 x 2) from left to right and the offset index of each (n).
    """
    y0, y1 = edges[:, 0, 1], edges[:, 1, 1]
    first = np.searchsorted(offsets, np.minimum(y0, y1))
    count = np.searchsorted(offsets, np.maximum(y0, y1)) - first
    edge = np.repeat(np.arange(len(edges)), count)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count - first, count)
    x0, x1 = edges[edge, 0, 0], edges[edge, 1, 0]
    x = x0 + (offsets[row] - y0[edge]) * (x1 - x0) / (y1[edge] - y0[edge])
    order = np.lexsort((x, row))
    pairs, rows = x[order].reshape(-1, 2), row[order].reshape(-1, 2)[:, 0]
    keep = pairs[:, 1] - pairs[:, 0] >= SHORTEST_LINE_M
    pairs, rows = pairs[keep], rows[keep]
    y = offsets[rows]
    return np.stack([np.column_stack([pairs[:, 0], y]), np.column_stack([pairs[:, 1], y])], axis=1), rows


def _parts(area: shapely.Geometry) -> list[shapely.Polygon]:
    return [part for part in getattr(area, "geoms", [area]) if isinstance(part, shapely.Polygon) and not part.is_empty]


@functools.lru_cache(maxsize=4)
def _edges(area: shapely.Geometry) -> NDArray[np.float64]:
    rings = [np.asarray(ring.coords)[:, :2] for part in _parts(area) for ring in (part.exterior, *part.interiors)]
    return np.concatenate([np.stack([ring[:-1], ring[1:]], axis=1) for ring in rings])


def _turn(points: NDArray[np.float64], angle_deg: float) -> NDArray[np.float64]:
    c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    return points @ np.array([[c, s], [-s, c]])
