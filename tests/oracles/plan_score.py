"""Scores a survey plan from its GeoJSON alone, independently of the planner: time, coverage, what it flies over.

The time model: constant speed, 2.5 m/s2, full stop at every corner of more than 30 degrees within 20 m of path. A photo
counts only where a flight passes, along its course.
"""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pyproj
import shapely
from shapely.geometry import LineString, Polygon

SPEED, ACCELERATION = 10.0, 2.5
CORNER_DEG, CORNER_M = 30.0, 20.0
OFF_PATH_M, OFF_COURSE_DEG = 2.0, 5.0
FOOTPRINT_W, FOOTPRINT_H = 105.6, 79.12  # m: Mavic 3E at 2 cm
SPACING = FOOTPRINT_W * 0.30


def score(plan: dict[str, Any], area_lon_lat: shapely.Geometry) -> dict[str, float]:
    """The measures of a plan flown at 10 m/s with a Mavic 3E at 2 cm: seconds, shares in percent, metres."""
    to_metres = _local_frame(area_lon_lat)
    area = shapely.transform(area_lon_lat, lambda c: np.column_stack(to_metres.transform(c[:, 0], c[:, 1])))
    features = plan["features"]
    flights = [
        [to_metres.transform(*c[:2]) for c in f["geometry"]["coordinates"]]
        for f in features
        if f["properties"]["kind"] == "flight"
    ]
    photos = [
        (*to_metres.transform(*f["geometry"]["coordinates"][:2]), math.radians(f["properties"]["heading_deg"]))
        for f in features
        if f["properties"]["kind"] == "photo"
    ]
    homes = [
        to_metres.transform(*f["geometry"]["coordinates"][:2]) for f in features if f["properties"]["kind"] == "home"
    ]
    legs = np.array([(*a, *b) for path in flights for a, b in pairwise(path)])
    taken = [photo for photo in photos if _flown(photo, legs)]
    one, five = _seen(area, taken, 5.0 if area.area < 3e6 else 15.0)
    times = [flight_seconds(path) for path in flights]
    holes = [Polygon(ring) for part in shapely.get_parts(area) for ring in part.interiors]
    inside = shapely.union_all([area.buffer(0.5), *holes])
    return {
        "photos": len(photos),
        "photos_not_flown": len(photos) - len(taken),
        "seconds": sum(times),
        "longest_s": max(times),
        "shortest_s": min(times),
        "bound_s": bound_seconds(area),
        "seen1": one,
        "seen5": five,
        "no_fly_m": sum(LineString(p).intersection(h.buffer(-0.5)).length for p in flights for h in holes),
        "outside_m": sum(LineString(p).difference(inside).length for p in flights),
        "home_gap_m": max(min(math.dist(end, home) for home in homes) for p in flights for end in (p[0], p[-1])),
    }


def flight_seconds(path: list[tuple[float, float]]) -> float:
    """Seconds from rest to rest along a path in metres."""
    points = [path[0]] + [b for a, b in pairwise(path) if math.dist(a, b) > 1e-3]
    kept = points[:1]
    for i in range(1, len(points) - 1):
        if _turn(kept[-1], points[i], points[i + 1]) > 0.05:
            kept.append(points[i])
    kept += points[-1:]
    total, run, bends = 0.0, 0.0, []
    for i in range(1, len(kept)):
        leg = math.dist(kept[i - 1], kept[i])
        run += leg
        bends = [(at - leg, deg) for at, deg in bends]
        if i < len(kept) - 1:
            bends.append((0.0, _turn(kept[i - 1], kept[i], kept[i + 1])))
        bends = [(at, deg) for at, deg in bends if at > -CORNER_M]
        if i == len(kept) - 1 or sum(deg for _, deg in bends) > CORNER_DEG:
            ramp = SPEED**2 / ACCELERATION
            total += run / SPEED + SPEED / ACCELERATION if run >= ramp else 2 * math.sqrt(run / ACCELERATION)
            run, bends = 0.0, []
    return total


def bound_seconds(area: shapely.Geometry) -> float:
    """What no plan with lines to the edge at the full spacing can beat."""
    hull = np.array(area.convex_hull.exterior.coords)[:-1]
    edges = np.roll(hull, -1, 0) - hull
    width = min(np.ptp(hull @ np.array([-e[1], e[0]]) / np.hypot(*e)) for e in edges)
    lines = max(1, math.ceil(width / SPACING - 1e-9))
    return (
        area.area / SPACING / SPEED + lines * SPEED / ACCELERATION + (lines - 1) * 2 * math.sqrt(SPACING / ACCELERATION)
    )


def _local_frame(area: shapely.Geometry) -> pyproj.Transformer:
    centre = area.centroid
    crs = pyproj.CRS.from_proj4(f"+proj=aeqd +lat_0={centre.y} +lon_0={centre.x} +datum=WGS84 +units=m")
    return pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    first, second = math.atan2(b[1] - a[1], b[0] - a[0]), math.atan2(c[1] - b[1], c[0] - b[0])
    return math.degrees(abs((second - first + math.pi) % (2 * math.pi) - math.pi))


def _flown(photo: tuple[float, float, float], legs: np.ndarray) -> bool:
    """Whether some leg passes the photo's point along its course, either way."""
    x, y, heading = photo
    start, course = legs[:, :2], legs[:, 2:] - legs[:, :2]
    length = np.hypot(*course.T)
    safe = np.maximum(length, 1e-9)
    along = np.clip(((x - start[:, 0]) * course[:, 0] + (y - start[:, 1]) * course[:, 1]) / safe**2, 0, 1)
    off = np.hypot(x - start[:, 0] - along * course[:, 0], y - start[:, 1] - along * course[:, 1])
    turn = np.degrees(heading - np.arctan2(course[:, 0], course[:, 1]))
    near = (off <= OFF_PATH_M) & (abs((turn + 90) % 180 - 90) <= OFF_COURSE_DEG)
    return bool((near & (length > 1e-6)).any())


def _seen(area: shapely.Geometry, photos: list[tuple[float, float, float]], cell: float) -> tuple[float, float]:
    x0, y0, x1, y1 = area.bounds
    X, Y = np.meshgrid(np.arange(x0 + cell / 2, x1, cell), np.arange(y0 + cell / 2, y1, cell))
    inside = shapely.contains_xy(area, X.ravel(), Y.ravel()).reshape(X.shape)
    count, reach = np.zeros(X.shape, int), math.hypot(FOOTPRINT_W, FOOTPRINT_H) / 2
    for x, y, heading in photos:
        i = slice(max(0, int((x - reach - x0) / cell)), max(0, int((x + reach - x0) / cell) + 2))
        j = slice(max(0, int((y - reach - y0) / cell)), max(0, int((y + reach - y0) / cell) + 2))
        ux, uy = math.sin(heading), math.cos(heading)
        dx, dy = X[j, i] - x, Y[j, i] - y
        count[j, i] += (abs(dx * ux + dy * uy) <= FOOTPRINT_H / 2) & (abs(dy * ux - dx * uy) <= FOOTPRINT_W / 2)
    return 100 * float((count[inside] >= 1).mean()), 100 * float((count[inside] >= 5).mean())
