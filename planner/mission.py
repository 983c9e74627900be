"""A survey flight as a MAVLink mission: items, fence and rally points, framed and rounded as ArduPilot stores them.

Sources: the MAVLink common message set; AP_Mission.cpp (which parameters are kept, in which frame).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import shapely
    from numpy.typing import NDArray

    from planner.survey import Flight, SurveyPlan

__all__ = [
    "DO_CHANGE_SPEED",
    "DO_SET_CAM_TRIGG_DIST",
    "FRAME_GLOBAL",
    "FRAME_GLOBAL_RELATIVE",
    "FRAME_GLOBAL_TERRAIN",
    "FRAME_MISSION",
    "NAV_RETURN_TO_LAUNCH",
    "NAV_TAKEOFF",
    "NAV_WAYPOINT",
    "Fence",
    "FenceCircle",
    "FencePolygon",
    "Home",
    "Mission",
    "MissionItem",
    "RallyPoint",
    "build_mission",
    "fence_items",
    "has_position",
    "home_item",
    "item_count",
    "rally_items",
]

NAV_WAYPOINT, NAV_RETURN_TO_LAUNCH, NAV_LAND, NAV_TAKEOFF = 16, 20, 21, 22
DO_CHANGE_SPEED, DO_SET_CAM_TRIGG_DIST = 178, 206
FENCE_RETURN_POINT, FENCE_POLYGON_INCLUSION, FENCE_POLYGON_EXCLUSION = 5000, 5001, 5002
FENCE_CIRCLE_INCLUSION, FENCE_CIRCLE_EXCLUSION, RALLY_POINT = 5003, 5004, 5100
FRAME_GLOBAL, FRAME_MISSION, FRAME_GLOBAL_RELATIVE, FRAME_GLOBAL_TERRAIN = 0, 2, 3, 10

# Commands whose x, y, z are a place; every other command keeps them as plain numbers or ignores them.
POSITION_COMMANDS = frozenset(
    {16, 17, 18, 19, 21, 22, 31, 82, 84, 85, 179, 189, 195, 201, 5000, 5001, 5002, 5003, 5004, 5100}
)


@dataclass(frozen=True, slots=True)
class MissionItem:
    """One item of a MAVLink mission, fence or rally list, as MISSION_ITEM_INT carries it.

    Attributes: command: MAV_CMD; frame: MAV_FRAME; p1..p4: parameters; x, y: latitude and longitude in 1e-7 degrees (or
    parameters 5 and 6 of a command without a place); z: height in metres in the item's frame (or parameter 7).
    """

    command: int
    frame: int
    p1: float = 0.0
    p2: float = 0.0
    p3: float = 0.0
    p4: float = 0.0
    x: int = 0
    y: int = 0
    z: float = 0.0
    autocontinue: bool = True

    @property
    def lat_deg(self) -> float:
        """Latitude in degrees."""
        return self.x / 1e7

    @property
    def lon_deg(self) -> float:
        """Longitude in degrees."""
        return self.y / 1e7


@dataclass(frozen=True, slots=True)
class Home:
    """Where a flight takes off and lands: WGS 84 degrees, metres above mean sea level (nan when unknown)."""

    lat_deg: float
    lon_deg: float
    alt_amsl_m: float = math.nan


@dataclass(frozen=True, slots=True)
class FencePolygon:
    """A fence polygon: (latitude, longitude) vertices in degrees without a closing one; the vehicle stays in or out."""

    vertices: tuple[tuple[float, float], ...]
    inclusion: bool


@dataclass(frozen=True, slots=True)
class FenceCircle:
    """A fence circle: centre in degrees, radius in metres; the vehicle stays in or out."""

    lat_deg: float
    lon_deg: float
    radius_m: float
    inclusion: bool


@dataclass(frozen=True, slots=True)
class RallyPoint:
    """An alternative landing place: degrees, height above home in metres at which to return to it."""

    lat_deg: float
    lon_deg: float
    alt_rel_m: float


Fence = tuple[FencePolygon | FenceCircle, ...]


@dataclass(frozen=True, slots=True)
class Mission:
    """A mission with its fence and rally points.

    Attributes: home: the planned home, not among `items`; items: from the take-off on (on the wire they follow item 0, the
    home); speed_m_s: the cruise speed for ground stations' estimates (nan when the file says none).
    """

    home: Home
    items: tuple[MissionItem, ...]
    fence: Fence = ()
    rally: tuple[RallyPoint, ...] = ()
    speed_m_s: float = field(default=math.nan, compare=False)


def degrees_1e7(value: float) -> int:
    """Degrees as MAVLink's integers of 1e-7 degrees (11 mm)."""
    return round(value * 1e7)


def has_position(item: MissionItem) -> bool:
    """Whether the item's x and y are a latitude and a longitude."""
    return item.command in POSITION_COMMANDS


def home_item(mission: Mission) -> MissionItem:
    """Item 0 of a mission on the wire: the home as a waypoint above mean sea level (0 when unknown)."""
    home = mission.home
    height = home.alt_amsl_m if math.isfinite(home.alt_amsl_m) else 0.0
    return MissionItem(NAV_WAYPOINT, FRAME_GLOBAL, x=degrees_1e7(home.lat_deg), y=degrees_1e7(home.lon_deg), z=height)


def fence_items(fence: Fence) -> tuple[MissionItem, ...]:
    """The fence as items of MAV_MISSION_TYPE_FENCE: every vertex carries the vertex count of its polygon."""
    return tuple(_fence_items(fence))


def _fence_items(fence: Iterable[FencePolygon | FenceCircle]) -> Iterator[MissionItem]:
    for part in fence:
        if isinstance(part, FencePolygon):
            command = FENCE_POLYGON_INCLUSION if part.inclusion else FENCE_POLYGON_EXCLUSION
            for lat, lon in part.vertices:
                yield MissionItem(command, FRAME_GLOBAL, p1=len(part.vertices), x=degrees_1e7(lat), y=degrees_1e7(lon))
        else:
            command = FENCE_CIRCLE_INCLUSION if part.inclusion else FENCE_CIRCLE_EXCLUSION
            yield MissionItem(
                command, FRAME_GLOBAL, p1=part.radius_m, x=degrees_1e7(part.lat_deg), y=degrees_1e7(part.lon_deg)
            )


def rally_items(rally: Iterable[RallyPoint]) -> tuple[MissionItem, ...]:
    """The rally points as items of MAV_MISSION_TYPE_RALLY, heights above home in whole metres as ArduPilot keeps them."""
    return tuple(
        MissionItem(
            RALLY_POINT,
            FRAME_GLOBAL_RELATIVE,
            x=degrees_1e7(point.lat_deg),
            y=degrees_1e7(point.lon_deg),
            z=float(round(point.alt_rel_m)),
        )
        for point in rally
    )


FENCE_MARGIN_M = 50.0  # between anything that is flown and the fence
OTHER_ITEMS = 4  # home, take-off, speed, return
MOST_FENCE_VERTICES = 60  # of all polygons together: ArduPilot stores about 70 on a 16 KB board


def item_count(flight: Flight) -> int:
    """How many mission items a flight takes aboard, the home included."""
    return len(_waypoints(flight)) + 2 * len(flight.lines) + OTHER_ITEMS


def _waypoints(flight: Flight) -> range:
    """The vertices of the path that are waypoints: not the take-off, and the home only where the ground is in the way to it.

    A return to launch keeps the height that it begins at, or climbs to the rally point's: over home neither does harm.
    """
    last = len(flight.path) - 1
    in_the_way = max(flight.path[last, 2], _return_m(flight)) > flight.path[last - 1, 2]
    return range(1, last + 1 if in_the_way else last)


def build_mission(plan: SurveyPlan, flight: Flight) -> Mission:
    """One flight of a plan as a mission: take-off, speed, lines with the camera triggered on them, return to launch.

    Heights are above home, or above the vehicle's own terrain data if the plan asks for that. The camera is triggered at each
    line's entry, every trigger distance, and at its exit.
    """
    lon, lat = plan.frame.to_geographic(flight.path[:, 0], flight.path[:, 1])
    entries, exits = set(flight.lines[:, 0].tolist()), set(flight.lines[:, 1].tolist())
    items = [
        MissionItem(
            NAV_TAKEOFF, FRAME_GLOBAL_RELATIVE, x=degrees_1e7(lat[0]), y=degrees_1e7(lon[0]), z=_cm(flight.path[0, 2])
        ),
        MissionItem(DO_CHANGE_SPEED, FRAME_MISSION, p1=1, p2=round(plan.motion.speed_m_s, 2), p3=-1),
    ]
    frame, heights = _heights(plan, flight)
    for vertex in _waypoints(flight):
        x, y = degrees_1e7(lat[vertex]), degrees_1e7(lon[vertex])
        items.append(MissionItem(NAV_WAYPOINT, frame, x=x, y=y, z=_cm(heights[vertex])))
        if vertex in entries:
            items.append(MissionItem(DO_SET_CAM_TRIGG_DIST, FRAME_MISSION, p1=round(plan.trigger_m, 2), p3=1))
        if vertex in exits:
            items.append(MissionItem(DO_SET_CAM_TRIGG_DIST, FRAME_MISSION, p1=0, p3=1))
    items.append(MissionItem(NAV_RETURN_TO_LAUNCH, FRAME_MISSION))
    home = Home(plan.home[1], plan.home[0], plan.home_amsl_m)
    rally = RallyPoint(plan.home[1], plan.home[0], float(round(max(flight.path[0, 2], _return_m(flight)))))
    return Mission(home, tuple(items), _fence(plan, flight), (rally,), plan.motion.speed_m_s)


def _heights(plan: SurveyPlan, flight: Flight) -> tuple[int, NDArray[np.float64]]:
    """The frame of the waypoints, and the height of every vertex of the path in it."""
    heights = flight.path[:, 2]
    if plan.spec.height_frame != "terrain":
        return FRAME_GLOBAL_RELATIVE, heights
    if plan.terrain is None:
        return FRAME_GLOBAL_TERRAIN, heights
    ground = plan.terrain.at(flight.path[:, 0], flight.path[:, 1]) - plan.home_amsl_m
    return FRAME_GLOBAL_TERRAIN, heights - ground


def _return_m(flight: Flight) -> float:
    """The least height above home for a return, as far as the ground is known."""
    return 0.0 if flight.homeward is None else flight.homeward.height_m


def _cm(metres: float) -> float:
    return round(float(metres), 2)


def _fence(plan: SurveyPlan, flight: Flight) -> Fence:
    """An inclusion polygon around area, home and path, and the no-fly zones within it as exclusion polygons."""
    import shapely

    path = shapely.LineString(flight.path[:, :2])
    held = shapely.union(plan.area, path).buffer(FENCE_MARGIN_M, quad_segs=2)
    zones = [zone for zone in shapely.get_parts(plan.no_fly) if zone.intersects(held)]
    outer = _few_corners(
        shapely.convex_hull(held) if held.geom_type != "Polygon" else shapely.Polygon(held.exterior), 30
    )
    share = max(3, (MOST_FENCE_VERTICES - len(outer.exterior.coords)) // max(len(zones), 1))
    keep_out = [_few_corners(shapely.Polygon(zone.exterior), share) for zone in zones]
    inclusion = FencePolygon(_vertices(plan, outer), inclusion=True)
    return (inclusion, *(FencePolygon(_vertices(plan, zone), inclusion=False) for zone in keep_out))


def _few_corners(polygon: shapely.Polygon, most: int) -> shapely.Polygon:
    """The polygon with fewer corners, which lies nowhere outside by more than a metre unless it needs its hull."""
    tolerance = 1.0
    simple = polygon.simplify(0.5)
    while len(simple.exterior.coords) - 1 > most and tolerance < 200:
        simple = polygon.buffer(tolerance, join_style="mitre").simplify(tolerance)
        tolerance *= 1.6
    return simple if simple.geom_type == "Polygon" and len(simple.exterior.coords) - 1 <= most else polygon.envelope


def _vertices(plan: SurveyPlan, polygon: shapely.Polygon) -> tuple[tuple[float, float], ...]:
    x, y = polygon.exterior.xy
    lon, lat = plan.frame.to_geographic(x[:-1], y[:-1])
    return tuple((round(float(a), 7), round(float(b), 7)) for a, b in zip(lat, lon, strict=True))
