"""A landslide: earth that leaves a scar on a slope, runs down it and comes to rest as a lobe over what stood there."""

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from shapely.geometry import LineString

from sitl.world.plan import House, Slide, Terrain

__all__ = ["paths_over", "spread"]

STEP_M = 4.0
UPHILL_M, DOWNHILL_M = 110.0, 150.0
SMOOTH_M = 12.0  # the slope that a slide follows, not every bump
MOST_PATHS = 3
TRIED = 60
NARROW_M = 22.0  # half width from which on a further slide is likelier than a wider one
WET_M = 0.3  # above the nearest drainage: the bed of a stream, or the sea
SCAR_M, LOBE_M = 2.2, 1.6  # depth of the scar at the head, thickness of the lobe at the foot


def paths_over(
    terrain: Terrain, houses: tuple[House, ...], hit: int, rng: np.random.Generator
) -> tuple[LineString, ...]:
    """Lines of descent through the settlement that have `hit` houses near them: one, or up to three narrower ones."""
    smooth = gaussian_filter(terrain.heights_m, SMOOTH_M / terrain.step_m)
    down, east = np.gradient(smooth, terrain.step_m)
    uphill = np.stack([east, -down], axis=-1)  # rows run south
    tried = rng.permutation(len(houses))[:TRIED]
    lines = [_descent(uphill, terrain, houses[i].x, houses[i].y) for i in tried]
    footprints = [house.polygon for house in houses]
    away = np.array([shapely.distance(line, footprints) for line in lines])
    chosen: list[int] = []
    nearest = np.full(len(houses), np.inf)
    while len(chosen) < MOST_PATHS:
        half = np.sort(np.minimum(nearest, away), axis=1)[:, max(hit, 1) - 1]
        best = int(np.argmin(half))
        nearest = np.minimum(nearest, away[best])
        chosen.append(best)
        if half[best] < NARROW_M:
            break
    return tuple(lines[i] for i in dict.fromkeys(chosen))


def spread(terrain: Terrain, paths: tuple[LineString, ...], half_width_m: float) -> Slide:
    """Slides of a half width along their paths: what is earth now, and how far the ground rose or sank."""
    rows, columns = terrain.heights_m.shape
    inside = np.full((rows, columns), -np.inf)
    change = np.zeros((rows, columns))
    x = terrain.left_m + np.arange(columns) * terrain.step_m
    y = terrain.top_m - np.arange(rows) * terrain.step_m
    for path in paths:
        west, south, east, north = path.buffer(half_width_m + 10).bounds
        across, down = (x >= west) & (x <= east), (y >= south) & (y <= north)
        points = shapely.points(*np.meshgrid(x[across], y[down]))
        margin = half_width_m - shapely.distance(path, points)
        along = shapely.line_locate_point(path, points, normalized=True)
        bulge = np.clip(margin / max(half_width_m, 1.0), 0, 1)
        depth = np.interp(along, [0.0, 0.12, 0.4, 0.6, 0.9, 1.0], [0.0, -SCAR_M, -0.5, 0.4, LOBE_M, 0.6])
        window = np.ix_(down, across)
        nearer = margin > inside[window]
        inside[window] = np.where(nearer, margin, inside[window])
        change[window] = np.where(nearer, depth * np.sqrt(bulge), change[window])
    return Slide(np.where(np.isfinite(inside), inside, -100.0), change)


def _descent(uphill: NDArray[np.float64], terrain: Terrain, x: float, y: float) -> LineString:
    """The line of steepest descent through a point, from uphill of it to downhill."""
    head = _walk(uphill, terrain, x, y, UPHILL_M)
    foot = _walk(-uphill, terrain, x, y, DOWNHILL_M)
    return LineString([*head[::-1], *foot[1:]])


def _walk(
    towards: NDArray[np.float64], terrain: Terrain, x: float, y: float, length_m: float
) -> list[tuple[float, float]]:
    """Steps along a field of (east, north) vectors on the terrain's nodes, with the inertia of moving earth, as far as water."""
    rows, columns = terrain.heights_m.shape
    way, course = [(x, y)], np.zeros(2)
    for _ in range(int(length_m / STEP_M)):
        row, column = round((terrain.top_m - y) / terrain.step_m), round((x - terrain.left_m) / terrain.step_m)
        wanted = towards[min(max(row, 0), rows - 1), min(max(column, 0), columns - 1)]
        course = 0.6 * course + 0.4 * wanted / max(np.hypot(*wanted), 1e-9)
        x, y = (float(v) for v in np.array([x, y]) + STEP_M * course / max(np.hypot(*course), 1e-9))
        way.append((x, y))
        if terrain.above_stream_m[min(max(row, 0), rows - 1), min(max(column, 0), columns - 1)] < WET_M:
            break
    return way
