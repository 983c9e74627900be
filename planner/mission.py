"""A survey flight as a MAVLink mission: items, fence and rally points, framed and rounded as ArduPilot stores them.

Sources: the MAVLink common message set; AP_Mission.cpp (which parameters are kept, in which frame).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import shapely
    from numpy.typing import NDArray

    from planner.survey import Flight, SurveyPlan
    from planner.timing import Motion

__all__ = [
    "DO_CHANGE_SPEED",
    "DO_SET_CAM_TRIGG_DIST",
    "DO_SET_RESUME_REPEAT_DIST",
    "DO_SET_ROI",
    "FRAME_GLOBAL",
    "FRAME_GLOBAL_RELATIVE",
    "FRAME_GLOBAL_TERRAIN",
    "FRAME_MISSION",
    "NAV_RETURN_TO_LAUNCH",
    "NAV_TAKEOFF",
    "NAV_WAYPOINT",
    "SAME_M",
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
    "is_flown_to",
    "item_count",
    "rally_items",
]

NAV_WAYPOINT, NAV_RETURN_TO_LAUNCH, NAV_LAND, NAV_TAKEOFF = 16, 20, 21, 22
DO_CHANGE_SPEED, DO_SET_ROI, DO_SET_CAM_TRIGG_DIST, DO_SET_RESUME_REPEAT_DIST = 178, 201, 206, 215
GROUND_SPEED, CLIMB_SPEED, DESCENT_SPEED = 1, 2, 3  # what DO_CHANGE_SPEED changes
NAV_LAST = 95  # MAV_CMD_NAV_LAST: what lies above does not fly anywhere
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


def is_flown_to(item: MissionItem) -> bool:
    """Whether the vehicle flies to the item's place: a region of interest has a place too."""
    return has_position(item) and item.command < NAV_LAST


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


SAME_M = 0.01  # places nearer than this are one, as far as missions can say
RESUME_TRIGGERS = 2.0  # distances between photos that a resumed mission flies again
FENCE_MARGIN_M = 50.0  # between anything that is flown and the fence
OTHER_ITEMS = 7  # home, take-off, up to three speeds, distance of resuming, return
MOST_FENCE_VERTICES = 60  # of all polygons together: ArduPilot stores about 70 on a 16 KB board


def item_count(flight: Flight, motion: Motion) -> int:
    """How many mission items a flight takes aboard at most, the home included."""
    speeds = _leg_speeds(flight, motion)
    changes = sum(before != after for before, after in pairwise(speeds))
    return len(flight.path) - 1 + 2 * len(flight.lines) + changes + OTHER_ITEMS


def build_mission(plan: SurveyPlan, flight: Flight) -> Mission:
    """One flight of a plan as a mission: take-off, speeds, lines with the camera triggered on them, the way home, landing.

    Heights are above home, or above the vehicle's own terrain data if the plan asks for that. The camera is triggered at each
    line's entry, every trigger distance, and at its exit, but only once where a line begins at the end of another. The mission
    sets every speed that the predicted duration counts on; take-off and landing are the vehicle's own, by its parameters.
    """
    lon, lat = plan.frame.to_geographic(flight.path[:, 0], flight.path[:, 1])
    entries, exits = set(flight.lines[:, 0].tolist()), set(flight.lines[:, 1].tolist())
    frame, heights = _heights(plan, flight)
    speeds, top = _leg_speeds(flight, plan.motion), _stored_height(flight.path[0, 2])
    items = [
        MissionItem(NAV_TAKEOFF, FRAME_GLOBAL_RELATIVE, x=degrees_1e7(lat[0]), y=degrees_1e7(lon[0]), z=top),
        _speed(GROUND_SPEED, speeds[0]),
    ]
    if len(np.unique(flight.path[:, 2])) > 1:
        items += [_speed(CLIMB_SPEED, plan.motion.climb_m_s), _speed(DESCENT_SPEED, plan.motion.descent_m_s)]
    items.append(MissionItem(DO_SET_RESUME_REPEAT_DIST, FRAME_MISSION, p1=math.ceil(RESUME_TRIGGERS * plan.trigger_m)))
    aims = _aims(plan, flight)
    for vertex in range(1, len(flight.path)):
        if vertex in aims:
            items.append(aims[vertex])
        x, y = degrees_1e7(lat[vertex]), degrees_1e7(lon[vertex])
        items.append(MissionItem(NAV_WAYPOINT, frame, x=x, y=y, z=_stored_height(heights[vertex])))
        if vertex in entries or vertex in exits:
            every_m = round(plan.trigger_m, 2) if vertex in entries else 0.0
            shot = float(np.hypot(*(flight.photos[:, :2] - flight.path[vertex, :2]).T).min() < SAME_M)
            items.append(MissionItem(DO_SET_CAM_TRIGG_DIST, FRAME_MISSION, p1=every_m, p3=shot))
        if vertex < len(speeds) and speeds[vertex] != speeds[vertex - 1]:
            items.append(_speed(GROUND_SPEED, speeds[vertex]))
    if aims:
        items.append(MissionItem(DO_SET_ROI, FRAME_GLOBAL_RELATIVE))  # no place: look ahead again
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


def _speed(kind: int, m_s: float) -> MissionItem:
    return MissionItem(DO_CHANGE_SPEED, FRAME_MISSION, p1=kind, p2=round(m_s, 2), p3=-1)


def _leg_speeds(flight: Flight, motion: Motion) -> list[float]:
    """Ground speed of every leg in tenths of m/s: the planned one, less where wind allows the drone no more."""
    legs = np.diff(flight.path, axis=0)
    reachable = motion.ground_speed(legs[:, 0], legs[:, 1]).tolist()
    return [motion.speed_m_s if speed >= motion.speed_m_s else math.floor(speed * 10) / 10 for speed in reachable]


def _stored_height(metres: float) -> float:
    """Quarters of a metre: exact both in MAVLink's 32-bit floats and in the centimetres that ArduPilot cuts them down to."""
    return round(float(metres) * 4) / 4


def _aims(plan: SurveyPlan, flight: Flight) -> dict[int, MissionItem]:
    """Where the camera looks, by the vertex on the way to which it turns there: the first of a line."""
    aims: dict[int, MissionItem] = {}
    if flight.aims is None:
        return aims
    lon, lat = plan.frame.to_geographic(flight.aims[:, 0], flight.aims[:, 1])
    before = None
    for (first, _), x, y, aim in zip(flight.lines, lat, lon, flight.aims, strict=True):
        place = degrees_1e7(x), degrees_1e7(y), _stored_height(aim[2])
        if place != before:
            aims[int(first)] = MissionItem(DO_SET_ROI, FRAME_GLOBAL_RELATIVE, x=place[0], y=place[1], z=place[2])
        before = place
    return aims


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
