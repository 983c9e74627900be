"""Where a mission will take its photos, by the rules of the autopilot's distance trigger."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from planner.mission import Mission, MissionItem, has_position

__all__ = ["PlannedPhoto", "planned_photos"]

_METRES_PER_DEGREE = 111_318.845
_SHORTFALL_M = 0.5  # the trigger is looked at in steps, so a photo due at the very end of a line is not taken any more
_TAKEOFF, _TRIGGER_DISTANCE, _IMAGE_START, _DIGICAM = 22, 206, 2000, 203


@dataclass(frozen=True, slots=True)
class PlannedPhoto:
    """A photo to come: degrees, height above home, course over ground, and the item (from 1) flown to at that time."""

    lat_deg: float
    lon_deg: float
    alt_rel_m: float
    heading_deg: float
    item: int


def planned_photos(mission: Mission) -> list[PlannedPhoto]:
    """The photos of a mission in the order of flight.

    One at once where a trigger is set (or stopped) with its third parameter set, then one every so many metres along the legs,
    measured on the ground as the autopilot does (111.32 km to a degree everywhere); single shots where they stand.
    """
    return list(_photos(mission, _Plane(mission.home.lat_deg, mission.home.lon_deg)))


@dataclass(frozen=True, slots=True)
class _Plane:
    """The autopilot's metres east and north of a point."""

    lat_deg: float
    lon_deg: float

    def to_local(self, lat_deg: float, lon_deg: float) -> tuple[float, float]:
        east = ((lon_deg - self.lon_deg + 180) % 360 - 180) * _METRES_PER_DEGREE * math.cos(math.radians(self.lat_deg))
        return east, (lat_deg - self.lat_deg) * _METRES_PER_DEGREE

    def to_geographic(self, east: float, north: float) -> tuple[float, float]:
        lon = self.lon_deg + east / (_METRES_PER_DEGREE * math.cos(math.radians(self.lat_deg)))
        return self.lat_deg + north / _METRES_PER_DEGREE, (lon + 180) % 360 - 180


def _photos(mission: Mission, frame: _Plane) -> Iterator[PlannedPhoto]:
    here = (0.0, 0.0, 0.0)
    every_m = since_m = 0.0
    shot_now = False
    heading = 0.0
    for number, item in enumerate(mission.items, 1):
        if item.command == _TRIGGER_DISTANCE:
            every_m, since_m = item.p1, 0.0
            shot_now = item.p3 == 1 and item.p1 > 0  # taken on the course of the line that begins
            if item.p3 == 1 and not shot_now:
                yield _photo(frame, here, heading, number)
        elif item.command == _DIGICAM or (item.command == _IMAGE_START and item.p3 == 1):
            yield _photo(frame, here, heading, number)
        elif has_position(item) and item.command < 100:
            there = _place(item, here, frame, mission)
            leg = math.hypot(there[0] - here[0], there[1] - here[1])
            if leg > 0.01:
                heading = math.degrees(math.atan2(there[0] - here[0], there[1] - here[1])) % 360
            if shot_now:
                yield _photo(frame, here, heading, number)
                shot_now = False
            along = every_m - since_m
            while every_m > 0 and along < leg - _SHORTFALL_M:
                part = along / leg
                yield _photo(
                    frame, tuple(a + part * (b - a) for a, b in zip(here, there, strict=True)), heading, number
                )
                since_m -= every_m
                along += every_m
            since_m += leg
            here = there


def _place(item: MissionItem, here: tuple[float, ...], frame: _Plane, mission: Mission) -> tuple[float, float, float]:
    home = mission.home.alt_amsl_m
    height = item.z if item.frame not in (0, 5) or math.isnan(home) else item.z - home
    if item.command == _TAKEOFF or (item.x == 0 and item.y == 0):
        return here[0], here[1], height
    east, north = frame.to_local(item.lat_deg, item.lon_deg)
    return east, north, height


def _photo(frame: _Plane, at: tuple[float, ...], heading: float, item: int) -> PlannedPhoto:
    lat, lon = frame.to_geographic(at[0], at[1])
    return PlannedPhoto(lat, lon, at[2], heading, item)
