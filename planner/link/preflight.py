"""What must be right before a flight: a table of findings with pass, warn or fail, and what to do about each."""

import enum
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from imagery.core.frame import LocalFrame
from planner.link.lostlink import LostLink
from planner.link.triggers import planned_photos
from planner.link.vehicle import Vehicle
from planner.mission import FencePolygon, Mission, is_flown_to

__all__ = ["Check", "Verdict", "preflight"]

_PREARM_HEALTHY = 0x10000000
_EKF_STATUS = 193
_EKF_POSITION, _EKF_NO_POSITION = 0x210, 0x80  # flags: absolute or predicted to be; held constant for want of one
_FARTHEST_HOME_M = 50.0
_RUN_PREARM_CHECKS = 401


class Verdict(enum.StrEnum):
    """How a check came out."""

    PASS = "pass"  # noqa: S105
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the preflight table: what was looked at, how it is, and what to do when it is not right."""

    name: str
    verdict: Verdict
    finding: str
    advice: str = ""


def preflight(vehicle: Vehicle, mission: Mission, *, wait_s: float = 120.0) -> Iterator[Check]:
    """Check a vehicle against a mission; waits up to `wait_s` for it to become ready after switching on."""
    if vehicle.state.armed:
        yield Check("disarmed", Verdict.FAIL, "the vehicle is armed, perhaps flying", "land and disarm it first")
        return
    yield _readiness(vehicle, wait_s)
    yield _gps(vehicle)
    yield _battery(vehicle)
    yield _home(vehicle, mission)
    yield _camera(vehicle, mission)
    yield _fence(vehicle, mission)
    yield _way_home(vehicle, mission)
    yield _wind(vehicle)
    yield _lost_link(vehicle)


def _readiness(vehicle: Vehicle, wait_s: float) -> Check:
    """The autopilot's own pre-arm checks, with its own words."""
    name = "pre-arm checks"
    deadline = time.monotonic() + wait_s
    while not _healthy(vehicle):
        if time.monotonic() > deadline:
            vehicle.texts.clear()
            vehicle.command(_RUN_PREARM_CHECKS)
            time.sleep(0.3)
            said = "; ".join(dict.fromkeys(text for _, text in vehicle.texts if "PreArm" in text))
            return Check(name, Verdict.FAIL, said or "not ready, without a reason", "put that right and try again")
        time.sleep(0.1)
    return Check(name, Verdict.PASS, "the autopilot is ready to arm")


def _healthy(vehicle: Vehicle) -> bool:
    """Whether the checks pass and the position is known; in modes that need none, the autopilot's health does not tell that."""
    status = vehicle.link.master.messages.get("SYS_STATUS")
    if not (status and status.onboard_control_sensors_health & _PREARM_HEALTHY):
        return False
    estimate: Any = vehicle.request_once(_EKF_STATUS, "EKF_STATUS_REPORT", 0.5)
    return estimate is None or bool(estimate.flags & _EKF_POSITION and not estimate.flags & _EKF_NO_POSITION)


def _gps(vehicle: Vehicle) -> Check:
    gps = vehicle.state.gps_0
    if gps is None or gps.fix_type is None or gps.fix_type < 3:
        return Check("GPS", Verdict.FAIL, "no 3D fix", "wait under open sky")
    found = f"{gps.satellites_visible} satellites, fix type {gps.fix_type}"
    if gps.satellites_visible < 8:
        return Check("GPS", Verdict.WARN, found, "wait for 8 satellites or more")
    return Check("GPS", Verdict.PASS, found)


def _battery(vehicle: Vehicle) -> Check:
    battery = vehicle.state.battery
    if battery is None or battery.level is None or battery.level < 0:
        return Check("battery", Verdict.WARN, "its level is not known", "check it by hand")
    found = f"{battery.level} %, {battery.voltage:.1f} V"
    if battery.level < 50:
        return Check("battery", Verdict.FAIL, found, "put in a full battery")
    if battery.level < 90:
        return Check("battery", Verdict.WARN, found, "a full battery is better")
    return Check("battery", Verdict.PASS, found)


def _home(vehicle: Vehicle, mission: Mission) -> Check:
    place = vehicle.state.location.global_frame
    if not place.lat:
        return Check("home", Verdict.FAIL, "the vehicle's position is not known", "wait for the GPS")
    frame = LocalFrame(mission.home.lon_deg, mission.home.lat_deg)
    away = _distance(frame, place.lon, place.lat)
    found = f"{away:.0f} m from the planned home"
    points = _points(mission)
    if away > _FARTHEST_HOME_M and points:
        here = np.array(frame.to_local(place.lon, place.lat))
        nearest = min(float(np.hypot(*(np.array(point) - here))) for point in points)
        if nearest > 2000:
            return Check("home", Verdict.FAIL, f"{nearest / 1000:.1f} km from the survey", "is it the right mission?")
        return Check("home", Verdict.WARN, found, "the plan's heights and times are for the planned home")
    return Check("home", Verdict.PASS, found)


def _camera(vehicle: Vehicle, mission: Mission) -> Check:
    if not planned_photos(mission):
        return Check("camera", Verdict.WARN, "the mission takes no photos", "")
    kind = vehicle.parameter("CAM1_TYPE")
    if kind == 0:
        return Check("camera", Verdict.FAIL, "CAM1_TYPE is 0: no photo would be taken", "set CAM1_TYPE to 1 and reboot")
    if kind is None:
        return Check("camera", Verdict.WARN, "CAM1_TYPE is not known", "check that the camera is triggered")
    return Check("camera", Verdict.PASS, f"CAM1_TYPE {kind:.0f}")


def _fence(vehicle: Vehicle, mission: Mission) -> Check:
    if not mission.fence:
        return Check("fence", Verdict.WARN, "the mission has no fence", "plan with one where others may be near")
    stay_in, stay_out = _fence_shapes(mission)
    path = shapely.LineString([(0.0, 0.0), *_points(mission), (0.0, 0.0)])
    if not stay_in.covers(path) or stay_out.intersects(path):
        return Check("fence", Verdict.FAIL, "the path leaves the fence", "plan again, or widen the fence")
    if not vehicle.parameter("FENCE_ENABLE"):
        return Check("fence", Verdict.WARN, "the fence is switched off", "set FENCE_ENABLE to 1")
    return Check("fence", Verdict.PASS, "on, and the mission is inside")


def _way_home(vehicle: Vehicle, mission: Mission) -> Check:
    """A failsafe flies straight home, from anywhere, at RTL_ALT or higher."""
    name = "way home"
    points = _points(mission)
    if not points:
        return Check(name, Verdict.WARN, "the mission has no waypoints")
    stay_in, stay_out = _fence_shapes(mission)
    bad = 0
    for point in points:
        way = shapely.LineString([point, (0.0, 0.0)])
        bad += int(not stay_in.covers(way) or stay_out.intersects(way))
    if bad:
        return Check(
            name,
            Verdict.WARN,
            f"straight home from {bad} of {len(points)} waypoints leaves the fence or crosses a no-fly zone",
            "keep in sight of it, add rally points, or take off from another place",
        )
    height = vehicle.parameter("RTL_ALT")
    at = "" if height is None else f", at {height / 100:.0f} m or higher"
    return Check(name, Verdict.PASS, f"free from every waypoint{at}")


def _fence_shapes(mission: Mission) -> tuple[shapely.Geometry, shapely.Geometry]:
    """Where the fence lets the vehicle be (everywhere without an inclusion) and where not; local metres around the home."""
    frame = LocalFrame(mission.home.lon_deg, mission.home.lat_deg)
    stay_in: shapely.Geometry = shapely.box(-1e6, -1e6, 1e6, 1e6)
    stay_out: shapely.Geometry = shapely.Polygon()
    for part in mission.fence:
        if isinstance(part, FencePolygon):
            lat, lon = np.array(part.vertices).T
            shape = shapely.Polygon(np.column_stack(frame.to_local(lon, lat))).buffer(0)
        else:
            east, north = frame.to_local(part.lon_deg, part.lat_deg)
            shape = shapely.Point(float(east), float(north)).buffer(part.radius_m)
        if part.inclusion:
            stay_in = stay_in.intersection(shape)
        else:
            stay_out = stay_out.union(shape)
    return stay_in, stay_out


def _points(mission: Mission) -> list[tuple[float, float]]:
    """The mission's places in local metres around the home."""
    frame = LocalFrame(mission.home.lon_deg, mission.home.lat_deg)
    places = [frame.to_local(item.lon_deg, item.lat_deg) for item in mission.items if is_flown_to(item) and item.x]
    return [(float(east), float(north)) for east, north in places]


def _wind(vehicle: Vehicle) -> Check:
    wind: Any = vehicle.request_once(168, "WIND", 0.5)
    if wind is None:
        return Check("wind", Verdict.WARN, "not known before the take-off", "look at the trees; stay below 10 m/s")
    found = f"{wind.speed:.0f} m/s"
    if wind.speed > 12:
        return Check("wind", Verdict.FAIL, found, "wait: the limit is 12 m/s")
    return Check("wind", Verdict.WARN if wind.speed > 8 else Verdict.PASS, found)


def _lost_link(vehicle: Vehicle) -> Check:
    settings = LostLink.of(vehicle)
    if settings.enable is None:
        return Check("lost link", Verdict.WARN, "FS_GCS_ENABLE is not known", "check the failsafe settings")
    return Check("lost link", Verdict.PASS, str(settings))


def _distance(frame: LocalFrame, lon: float, lat: float) -> float:
    east, north = frame.to_local(lon, lat)
    return math.hypot(float(east), float(north))
