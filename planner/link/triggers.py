"""Where a mission will take its photos, by the rules of the autopilot's distance trigger."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from planner.mission import Mission, MissionItem, is_flown_to

__all__ = ["Path", "Plane", "PlannedPhoto", "Point", "Run", "flown_path", "photo_runs", "planned_photos"]

_METRES_PER_DEGREE = 111_318.845
_SHORTFALL_M = 0.5  # the trigger is looked at in steps, so a photo due at the very end of a line is not taken any more
_TAKEOFF, _TRIGGER_DISTANCE, _IMAGE_START, _DIGICAM = 22, 206, 2000, 203

Point = tuple[float, float, float]
"""East, north, height above home in metres."""


@dataclass(frozen=True, slots=True)
class PlannedPhoto:
    """A photo to come: degrees, height above home, course over ground, and the item (from 1) flown to at that time."""

    lat_deg: float
    lon_deg: float
    alt_rel_m: float
    heading_deg: float
    item: int


@dataclass(frozen=True, slots=True)
class Plane:
    """The autopilot's metres east and north of a point (111.32 km to a degree everywhere)."""

    lat_deg: float
    lon_deg: float

    def to_local(self, lat_deg: float, lon_deg: float) -> tuple[float, float]:
        """East and north of a place."""
        east = ((lon_deg - self.lon_deg + 180) % 360 - 180) * _METRES_PER_DEGREE * math.cos(math.radians(self.lat_deg))
        return east, (lat_deg - self.lat_deg) * _METRES_PER_DEGREE

    def to_geographic(self, east: float, north: float) -> tuple[float, float]:
        """Latitude and longitude in degrees."""
        lon = self.lon_deg + east / (_METRES_PER_DEGREE * math.cos(math.radians(self.lat_deg)))
        return self.lat_deg + north / _METRES_PER_DEGREE, (lon + 180) % 360 - 180


@dataclass(frozen=True, slots=True)
class Path:
    """The places that a mission flies through, the home first.

    Attributes: plane: the home's; points: east, north, height above home in metres; items: the mission item (from 1) that each
    point is of, 0 for the home.
    """

    plane: Plane
    points: tuple[Point, ...]
    items: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of the path on which photos are taken: a line under the distance trigger, or a single shot at a point.

    Attributes: first, last: of the path's points (equal for a single shot); every_m: between photos, 0 for a single shot;
    photos_m: where they are taken, in metres along the run; at_start, at_end: one is taken there whatever the distance; item:
    the mission item (from 1) that sets it off.
    """

    first: int
    last: int
    every_m: float
    photos_m: tuple[float, ...]
    at_start: bool
    at_end: bool
    item: int


def planned_photos(mission: Mission) -> list[PlannedPhoto]:
    """The photos of a mission in the order of flight.

    One at once where a trigger is set (or stopped) with its third parameter set, then one every so many metres along the legs,
    measured on the ground as the autopilot does; single shots where they stand.
    """
    path = flown_path(mission)
    return [photo for run in photo_runs(mission) for photo in _photos(path, run)]


def flown_path(mission: Mission) -> Path:
    """The points that a mission flies through."""
    plane = Plane(mission.home.lat_deg, mission.home.lon_deg)
    points: list[Point] = [(0.0, 0.0, 0.0)]
    items = [0]
    for number, item in enumerate(mission.items, 1):
        if is_flown_to(item):
            points.append(_place(item, points[-1], plane, mission.home.alt_amsl_m))
            items.append(number)
    return Path(plane, tuple(points), tuple(items))


def photo_runs(mission: Mission) -> list[Run]:
    """The stretches with photos, in the order of flight."""
    return list(_runs(mission, flown_path(mission).points))


def _runs(mission: Mission, points: tuple[Point, ...]) -> Iterator[Run]:
    here = 0
    began: tuple[int, int, MissionItem] | None = None  # point, item and trigger of the run under way
    for number, item in enumerate(mission.items, 1):
        if is_flown_to(item):
            here += 1
        elif item.command == _TRIGGER_DISTANCE:
            if began is not None:
                yield _line(points, *began, last=here, shot=item.p3 == 1 and item.p1 <= 0)
            elif item.p1 <= 0 and item.p3 == 1:
                yield Run(here, here, 0.0, (0.0,), True, False, number)
            began = (here, number, item) if item.p1 > 0 else None
        elif item.command == _DIGICAM or (item.command == _IMAGE_START and item.p3 == 1):
            yield Run(here, here, 0.0, (0.0,), True, False, number)
    if began is not None:
        yield _line(points, *began, last=here, shot=False)


def _line(points: tuple[Point, ...], first: int, number: int, trigger: MissionItem, *, last: int, shot: bool) -> Run:
    every = trigger.p1
    length = sum(math.dist(a[:2], b[:2]) for a, b in pairwise(points[first : last + 1]))
    at_start = trigger.p3 == 1
    along = [0.0] if at_start and last > first else []
    count = max(math.ceil((length - _SHORTFALL_M) / every), 1)
    along += [k * every for k in range(1, count)]
    if shot:
        along.append(length)
    return Run(first, last, every, tuple(along), at_start, shot, number)


def _photos(path: Path, run: Run) -> Iterator[PlannedPhoto]:
    before = (run.first - 1, run.first) if run.first else (0, 0)
    legs = list(pairwise(range(run.first, run.last + 1))) or [before]
    passed, leg, heading = 0.0, 0, 0.0
    for along in run.photos_m:
        while leg < len(legs) - 1 and along > passed + _length(path, legs[leg]):
            passed += _length(path, legs[leg])
            leg += 1
        a, b = (path.points[end] for end in legs[leg])
        length = _length(path, legs[leg])
        if length > 0.01:
            heading = math.degrees(math.atan2(b[0] - a[0], b[1] - a[1])) % 360
        part = 1.0 if run.every_m == 0 else (along - passed) / length if length > 0 else 0.0
        lat, lon = path.plane.to_geographic(a[0] + part * (b[0] - a[0]), a[1] + part * (b[1] - a[1]))
        yield PlannedPhoto(lat, lon, a[2] + part * (b[2] - a[2]), heading, path.items[legs[leg][1]])


def _length(path: Path, leg: tuple[int, int]) -> float:
    return math.dist(path.points[leg[0]][:2], path.points[leg[1]][:2])


def _place(item: MissionItem, here: Point, plane: Plane, home_amsl_m: float) -> Point:
    height = item.z if item.frame not in (0, 5) or math.isnan(home_amsl_m) else item.z - home_amsl_m
    if item.command == _TAKEOFF or (item.x == 0 and item.y == 0):
        return here[0], here[1], height
    return (*plane.to_local(item.lat_deg, item.lon_deg), height)
