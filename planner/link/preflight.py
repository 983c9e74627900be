"""What must be right before a flight: a table of findings with pass, warn or fail, and what to do about each."""

import enum
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from imagery.core.frame import LocalFrame
from planner.drone import Drone
from planner.link.airspace import Airspace
from planner.link.ground import Ground, ways_home
from planner.link.lostlink import LostLink
from planner.link.triggers import flown_path, planned_photos
from planner.link.vehicle import Vehicle
from planner.link.wayleft import WayLeft
from planner.mission import Mission

__all__ = ["Check", "Verdict", "preflight"]

_PREARM_HEALTHY = 0x10000000
_EKF_STATUS = 193
_EKF_POSITION, _EKF_NO_POSITION = 0x210, 0x80  # flags: absolute or predicted to be; held constant for want of one
_FARTHEST_HOME_M = 50.0
_RUN_PREARM_CHECKS = 401
_RESERVE_PERCENT, _FULL_PERCENT = 20, 95
_USUAL_ENDURANCE_MIN, _USUAL_WIND_LIMIT_M_S = 25.0, 12.0  # of a survey drone, where the plan names none
_ALTITUDE_FENCE, _CIRCLE_FENCE, _POLYGON_FENCE = 1, 2, 4  # bits of FENCE_TYPE
_CLEARANCE_M = 15.0


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


def preflight(
    vehicle: Vehicle,
    mission: Mission,
    *,
    wait_s: float = 120.0,
    ground: Ground | None = None,
    drone: Drone | None = None,
) -> Iterator[Check]:
    """Check a vehicle against a mission; waits up to `wait_s` for it to become ready after switching on.

    `ground`: the ground's heights as the plan knows them; `drone`: the one that it was planned for, whose endurance and wind
    limit count.
    """
    if vehicle.state.armed:
        yield Check("disarmed", Verdict.FAIL, "the vehicle is armed, perhaps flying", "land and disarm it first")
        return
    yield _readiness(vehicle, wait_s)
    yield _gps(vehicle)
    yield _battery(vehicle, mission, drone)
    yield _home(vehicle, mission)
    yield _camera(vehicle, mission)
    yield _fence(vehicle, mission)
    yield _way_home(vehicle, mission, ground)
    yield _terrain(mission, ground)
    yield _failsafes(vehicle)
    yield _wind(vehicle, drone)
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


def _battery(vehicle: Vehicle, mission: Mission, drone: Drone | None) -> Check:
    """The charge against what the flight takes of a full battery."""
    endurance_min = drone.endurance_min if drone is not None else _USUAL_ENDURANCE_MIN
    flight_s = WayLeft(mission).whole_s
    battery = vehicle.state.battery
    if battery is None or battery.level is None or battery.level < 0:
        return Check(
            "battery", Verdict.WARN, f"its level is not known; the flight takes {flight_s / 60:.0f} min", "look at it"
        )
    needed = round(100 * flight_s / 60 / endurance_min) + _RESERVE_PERCENT
    found = f"{battery.level} %, {battery.voltage:.1f} V; the flight takes about {flight_s / 60:.0f} of {endurance_min:g} min"
    if battery.level < min(needed, _FULL_PERCENT):
        return Check(
            "battery",
            Verdict.FAIL,
            f"{found}, or {needed} % with a reserve of {_RESERVE_PERCENT} %",
            "put in a full battery",
        )
    if needed > _FULL_PERCENT:
        return Check(
            "battery",
            Verdict.WARN,
            found,
            "does it last so long? If the flight ends early, `resume` flies the rest",
        )
    return Check("battery", Verdict.PASS, found)


def _home(vehicle: Vehicle, mission: Mission) -> Check:
    place = vehicle.state.location.global_frame
    if not place.lat:
        return Check("home", Verdict.FAIL, "the vehicle's position is not known", "wait for the GPS")
    frame = LocalFrame(mission.home.lon_deg, mission.home.lat_deg)
    away = _distance(frame, place.lon, place.lat)
    found = f"{away:.0f} m from the planned home"
    points = [point[:2] for point in flown_path(mission).points[1:]]
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
    shortest_s = min((i.p1 for i in mission.items if i.command == 206 and i.p1 > 0), default=math.inf) / _speed(mission)
    pause_s = vehicle.parameter("CAM1_INTRVAL_MIN", tries=3) or 0.0
    if pause_s > shortest_s:
        finding = f"CAM1_INTRVAL_MIN {pause_s:g} s is longer than the {shortest_s:.1f} s between photos"
        return Check("camera", Verdict.FAIL, finding, "fly slower (--speed), or lower it if the camera is faster")
    outside = (
        "" if vehicle.parameter("CAM_AUTO_ONLY", tries=3) else "; CAM_AUTO_ONLY 0: photos go on outside of the mission"
    )
    return Check("camera", Verdict.PASS, f"CAM1_TYPE {kind:.0f}{outside}")


def _fence(vehicle: Vehicle, mission: Mission) -> Check:
    points = flown_path(mission).points
    farthest, highest = max(math.hypot(*point[:2]) for point in points), max(point[2] for point in points)
    if mission.fence:
        space = Airspace.of(mission)
        if not all(bool(space.allows(a, [b])[0]) for a, b in pairwise([*points, points[0]])):
            return Check("fence", Verdict.FAIL, "the path leaves the fence", "plan again, or widen the fence")
    kinds = int(vehicle.parameter("FENCE_TYPE", tries=3) or 0)
    if not vehicle.parameter("FENCE_ENABLE"):
        return Check("fence", Verdict.WARN, "the fence is switched off", "set FENCE_ENABLE to 1")
    for bit, name, needed in ((_ALTITUDE_FENCE, "FENCE_ALT_MAX", highest), (_CIRCLE_FENCE, "FENCE_RADIUS", farthest)):
        limit = vehicle.parameter(name, tries=3)
        if kinds & bit and limit is not None and limit < needed:
            return Check(
                "fence", Verdict.FAIL, f"{name} {limit:g} m, but the mission needs {needed:.0f} m", f"set {name} higher"
            )
    if not mission.fence:
        return Check("fence", Verdict.WARN, "the mission has no fence", "plan with one where others may be near")
    if not kinds & _POLYGON_FENCE:
        return Check("fence", Verdict.WARN, f"FENCE_TYPE {kinds} leaves the polygons out", "add 4 to FENCE_TYPE")
    return Check("fence", Verdict.PASS, "on, and the mission is inside")


def _way_home(vehicle: Vehicle, mission: Mission, ground: Ground | None) -> Check:
    """A failsafe flies straight to the home or the nearest rally point, from anywhere, at RTL_ALT or higher."""
    name = "way home"
    rtl_alt, limit_km = vehicle.parameter("RTL_ALT"), vehicle.parameter("RALLY_LIMIT_KM", tries=3)
    height = None if rtl_alt is None else rtl_alt / 100
    ways = ways_home(mission, (limit_km or 0.0) * 1000)
    if not ways:
        return Check(name, Verdict.WARN, "the mission has no waypoints")
    space = Airspace.of(mission)
    bad = sum(not space.allows(a, [b])[0] for a, b in ways)
    if bad:
        return Check(
            name,
            Verdict.WARN,
            f"straight home from {bad} of {len(ways)} places of the path leaves the fence or crosses a no-fly zone",
            "keep in sight of it, add rally points, or take off from another place",
        )
    if ground is not None and height is not None:
        least = min(ground.clearance_m((*a[:2], max(a[2], height)), (*b[:2], max(a[2], height))) for a, b in ways)
        if least < _CLEARANCE_M:
            finding = f"only {least:.0f} m above the ground on the way home at RTL_ALT {height:.0f} m"
            return Check(
                name, Verdict.FAIL, finding, f"set RTL_ALT to {100 * math.ceil(height + _CLEARANCE_M - least)} (cm)"
            )
    at = "" if height is None else f", at {height:.0f} m or higher"
    return Check(name, Verdict.PASS, f"free from everywhere on the path{at}")


def _terrain(mission: Mission, ground: Ground | None) -> Check:
    if ground is None:
        return Check(
            "terrain", Verdict.WARN, "the plan knows no ground heights", "plan with --dem where the ground is not flat"
        )
    points = flown_path(mission).points[1:]
    least = min((ground.clearance_m(a, b) for a, b in pairwise(points)), default=math.inf)
    if not math.isfinite(least):
        return Check("terrain", Verdict.WARN, "no ground height is known near the path", "plan again with --dem")
    found = f"{least:.0f} m or more above the planned ground"
    if least < _CLEARANCE_M:
        return Check("terrain", Verdict.FAIL, found, "plan again with --dem, or higher")
    return Check("terrain", Verdict.PASS, found)


def _failsafes(vehicle: Vehicle) -> Check:
    """What the vehicle does by itself when its battery or its remote control fails."""
    off = [
        f"{name} 0: {what}"
        for name, what in (
            ("BATT_FS_LOW_ACT", "it flies on with a low battery"),
            ("FS_THR_ENABLE", "it flies on without its remote control"),
        )
        if vehicle.parameter(name, tries=3) == 0
    ]
    if off:
        return Check("failsafes", Verdict.WARN, "; ".join(off), "set them to 2 and 1: return and land")
    return Check("failsafes", Verdict.PASS, "low battery and lost remote control are acted on")


def _wind(vehicle: Vehicle, drone: Drone | None) -> Check:
    limit = drone.wind_limit_m_s if drone is not None else _USUAL_WIND_LIMIT_M_S
    wind: Any = vehicle.request_once(168, "WIND", 0.5)
    if wind is None:
        return Check(
            "wind", Verdict.WARN, "not known before the take-off", f"look at the trees; the limit is {limit:g} m/s"
        )
    found = f"{wind.speed:.0f} m/s"
    if wind.speed > limit:
        return Check("wind", Verdict.FAIL, found, f"wait: the limit is {limit:g} m/s")
    if wind.speed > limit * 2 / 3:
        return Check("wind", Verdict.WARN, found, f"gusts may be stronger; the limit is {limit:g} m/s")
    return Check("wind", Verdict.PASS, found)


def _lost_link(vehicle: Vehicle) -> Check:
    settings = LostLink.of(vehicle)
    if settings.enable is None:
        return Check("lost link", Verdict.WARN, "FS_GCS_ENABLE is not known", "check the failsafe settings")
    return Check("lost link", Verdict.PASS, str(settings))


def _speed(mission: Mission) -> float:
    return mission.speed_m_s if mission.speed_m_s > 0 else 10.0


def _distance(frame: LocalFrame, lon: float, lat: float) -> float:
    east, north = frame.to_local(lon, lat)
    return math.hypot(float(east), float(north))
