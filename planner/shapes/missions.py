"""The ground that a mission file is about: a plan's surveys or fence, or what its waypoints enclose."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from imagery.core.errors import BadInputError
from imagery.core.frame import LocalFrame
from planner.formats import qgc_plan, waypoints
from planner.mission import NAV_WAYPOINT, Fence, FenceCircle, Mission
from planner.shapes.shape import AREA, HOME, NO_FLY, Shape, Shapes, as_polygon

__all__ = ["read_plan", "read_waypoints"]

GROUND = {"survey": "polygon", "StructureScan": "polygon", "CorridorScan": "polyline"}
SPLINE_WAYPOINT = 82
FARTHEST_M = 100_000.0  # waypoints farther from the home are none of the survey's


def read_plan(path: Path) -> Shapes:
    """A QGroundControl plan: its surveys' polygons and corridors' lines, else its fence, else what its waypoints enclose.

    Zones that its fence excludes are no-fly zones.
    """
    data = qgc_plan.read_document(path)
    surveyed = _surveyed(data, path)
    fence = qgc_plan.read_fence(data, path)
    around = [Shape(part, NO_FLY) for part in _fenced(fence, False)] + [
        Shape(shapely.Point(lon, lat), HOME) for lon, lat in _home(data)
    ]
    if surveyed:
        return Shapes((*surveyed, *around))
    inclusion = [Shape(part, AREA) for part in _fenced(fence, True)]
    if inclusion:
        return Shapes((*inclusion, *around), (f"{path.name} holds no survey: the area is what its fence encloses",))
    hull = _enclosed(qgc_plan.read(path), path)
    return Shapes((*hull.shapes, *around), hull.warnings)


def read_waypoints(path: Path) -> Shapes:
    """A .waypoints file, which knows no areas: what its waypoints enclose."""
    mission = waypoints.read(path)
    hull = _enclosed(mission, path)
    home = [Shape(shapely.Point(mission.home.lon_deg, mission.home.lat_deg), HOME)] if mission.home.lat_deg else []
    return Shapes((*hull.shapes, *home), hull.warnings)


def _surveyed(data: dict[str, Any], path: Path) -> list[Shape]:
    shapes = []
    for number, item in enumerate(data["mission"]["items"], 1):
        where = f"{path}: item {number}"
        key = GROUND.get(item.get("complexItemType", "")) if isinstance(item, dict) else None
        if key is None:
            continue
        try:
            points = [(float(lon), float(lat)) for lat, lon, *_ in item[key]]
            if key == "polyline":
                shapes.append(
                    Shape(shapely.LineString(points), {"kind": "line", "width_m": float(item["CorridorWidth"])})
                )
            else:
                shapes.append(Shape(as_polygon(points, [], where), AREA))
        except (KeyError, TypeError, ValueError, shapely.GEOSException):
            raise BadInputError(f"{where}: its {key} is damaged: open and save the plan in QGroundControl") from None
    return shapes


def _home(data: dict[str, Any]) -> list[tuple[float, float]]:
    place = data["mission"].get("plannedHomePosition")
    known = isinstance(place, list) and len(place) >= 2 and all(isinstance(v, int | float) for v in place[:2])
    return [(float(place[1]), float(place[0]))] if known and place[0] and abs(place[0]) <= 90 else []


def _fenced(fence: Fence, inclusion: bool) -> list[shapely.Polygon]:
    found = []
    for part in fence:
        if part.inclusion != inclusion:
            continue
        if isinstance(part, FenceCircle):
            frame = LocalFrame(part.lon_deg, part.lat_deg)
            circle = shapely.Point(0, 0).buffer(part.radius_m)
            found.append(shapely.transform(circle, lambda xy, frame=frame: np.column_stack(frame.to_geographic(*xy.T))))
        else:
            found.append(shapely.Polygon([(lon, lat) for lat, lon in part.vertices]))
    return found


def _enclosed(mission: Mission, path: Path) -> Shapes:
    """The hull of the waypoints, without take-off and landing."""
    places = np.array(
        [(item.lon_deg, item.lat_deg) for item in mission.items if item.command in (NAV_WAYPOINT, SPLINE_WAYPOINT)]
    ).reshape(-1, 2)
    places = places[(places != 0).any(axis=1)]
    if len(np.unique(places, axis=0)) < 3:
        raise BadInputError(f"{path}: holds no survey and fewer than 3 waypoints: draw the area as a polygon")
    metres = math.cos(math.radians(float(places[:, 1].mean())))
    if np.ptp(places * [metres, 1.0], axis=0).max() * 111_320 > FARTHEST_M:
        raise BadInputError(f"{path}: its waypoints are more than {FARTHEST_M / 1000:.0f} km apart: no area to survey")
    hull = shapely.convex_hull(shapely.MultiPoint(places))
    warning = (
        f"{path.name} holds no area: it is taken as what its {len(places)} waypoints enclose; where that is too much,"
        " give the polygon (QGroundControl's .plan, Mission Planner's .poly)"
    )
    return Shapes((Shape(hull, AREA),), (warning,))
