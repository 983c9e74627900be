"""DJI's WPML route (KMZ) for Pilot 2 (Mavic 3 Enterprise, Matrice 30, 300, 350) and DJI Fly: one flight, point by point.

The archive holds `wpmz/template.kml`, which Pilot 2 shows and edits, and `wpmz/waylines.wpml`, which the drone flies. Points
and polygons put longitude first, the take-off point latitude. Source: DJI Cloud API, WPML 1.0.2.
"""

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from lxml import etree
from lxml.builder import ElementMaker

from imagery.core.errors import BadInputError
from imagery.core.files import atomic_path
from imagery.core.frame import msl_to_ellipsoid
from imagery.core.reading import check_file, parse_xml
from planner.formats.flown import FlownPath, checked
from planner.shapes.archive import read_member
from planner.survey import Flight, SurveyPlan

__all__ = ["read", "warnings", "write"]

KML, WPML = "http://www.opengis.net/kml/2.2", "http://www.dji.com/wpmz/1.0.2"
NAMESPACES = {None: KML, "wpml": WPML}
K = ElementMaker(namespace=KML, nsmap=NAMESPACES)
W = ElementMaker(namespace=WPML, nsmap=NAMESPACES)
# (type, sub type) of aircraft and type of cameras by this program's ids. Source: DJI Cloud API, product support.
MAVIC_3E = (77, 0)
CONSUMER = (68, 0)  # what drones flown with DJI Fly have in their own files
DRONES = {
    "dji-mavic-3e": MAVIC_3E,
    "dji-mavic-3t": (77, 1),
    "dji-mavic-3m": (77, 2),
    "dji-m30": (67, 0),
    "dji-m30t": (67, 1),
    "dji-m300-rtk": (60, 0),
    "dji-m350-rtk": (89, 0),
    "dji-m3d": (91, 0),
    "dji-m3td": (91, 1),
    "dji-mini-3-pro": CONSUMER,
    "dji-air-2s": CONSUMER,
}
PAYLOADS = {
    "dji-zenmuse-h20-wide": 42,
    "dji-zenmuse-p1-24mm": 50,
    "dji-zenmuse-p1-35mm": 50,
    "dji-zenmuse-p1-50mm": 50,
    "dji-matrice-30-wide": 52,
    "dji-mavic-3e": 66,
    "dji-mavic-3e-tele": 66,
    "dji-mavic-3t": 67,
    "dji-mavic-3m": 68,
}
MOST_POINTS, UNSURE_POINTS = 250, 99  # controllers with DJI Fly fail somewhere between the two
STOP, PASS = "toPointAndStopWithDiscontinuityCurvature", "toPointAndPassWithContinuityCurvature"
GIVE = "a DJI route: a .kmz with wpmz/waylines.wpml, or that file"
DATUM_OF_MODE = {"relativeToStartPoint": "home", "WGS84": "ellipsoid", "realTimeFollowSurface": "ground"}
LONG_AGO_MS = "1700000000000"  # a fixed creation time, so that the same plan gives the same file
SAFE_TAKE_OFF_M = 20


def write(plan: SurveyPlan, flight: Flight, path: str | Path) -> None:
    """Write a flight with heights above the take-off point; the camera looks down and shoots by distance along the lines."""
    template = K.kml(
        K.Document(
            W.author("SkyRelief"),
            W.createTime(LONG_AGO_MS),
            W.updateTime(LONG_AGO_MS),
            _mission(plan, flight),
            _template(plan, flight),
        )
    )
    waylines = K.kml(K.Document(_mission(plan, flight), _wayline(plan, flight)))
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, root in (("wpmz/template.kml", template), ("wpmz/waylines.wpml", waylines)):
            info = zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0))
            text = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
            archive.writestr(info, text, zipfile.ZIP_DEFLATED)


def warnings(plan: SurveyPlan, flight: Flight) -> list[str]:
    """What to know before flying a flight on a DJI controller."""
    found = []
    points = len(flight.path) - 2
    if points > UNSURE_POINTS:
        sure = "more than" if points > MOST_POINTS else "perhaps more than"
        found.append(
            f"flight {flight.number} has {points} waypoints, {sure} a controller with DJI Fly takes ({UNSURE_POINTS} to"
            f" {MOST_POINTS}; Pilot 2 takes them): a lower --endurance gives shorter flights"
        )
    if plan.spec.drone.id not in DRONES:
        found.append(f"{plan.spec.drone.name} has no number of its own in DJI's routes: written as for a Mavic 3E")
    return found


def read(path: str | Path) -> FlownPath:
    """Read the first route of a .kmz, or of its waylines.wpml; points without a gap in their numbering, as controllers need."""
    path = Path(path)
    check_file(path, GIVE)
    data = read_member(path, "wpmz/waylines.wpml") if zipfile.is_zipfile(path) else path.read_bytes()
    root = parse_xml(data, str(path), "DJI route")
    folder = root.find(".//{*}Folder")
    if folder is None:
        raise BadInputError(f"{path}: holds no route: give {GIVE}")
    try:
        return checked(_path(root, folder), str(path))
    except (AttributeError, TypeError, ValueError, IndexError, OverflowError):
        raise BadInputError(f"{path}: a point of its route is damaged: give {GIVE}") from None
    except BadInputError as error:
        raise BadInputError(f"{path}: {error}") from None


def _path(root: Any, folder: Any) -> FlownPath:
    points, lines, trigger_m = [], [], math.nan
    for number, placemark in enumerate(folder.iterfind("{*}Placemark")):
        if int(placemark.findtext("{*}index")) != number:
            raise BadInputError(
                f"point {number} is numbered {placemark.findtext('{*}index')}: controllers refuse a gap"
            )
        lon, lat, *_ = (float(value) for value in placemark.findtext("{*}Point/{*}coordinates").split(","))
        points.append((lon, lat, float(placemark.findtext("{*}executeHeight"))))
        for group in placemark.iterfind("{*}actionGroup"):
            if group.findtext("{*}actionTrigger/{*}actionTriggerType") == "multipleDistance":
                ends = [int(group.findtext(f"{{*}}actionGroup{end}Index")) for end in ("Start", "End")]
                lines.append(ends)
                trigger_m = float(group.findtext("{*}actionTrigger/{*}actionTriggerParam"))
    if any(not 0 <= first <= last < len(points) for first, last in lines):
        raise BadInputError("an action ends at a point that is not there")
    datum = DATUM_OF_MODE[folder.findtext("{*}executeHeightMode") or "relativeToStartPoint"]
    place = root.findtext(".//{*}takeOffRefPoint")
    lat_lon = [float(value) for value in place.split(",")[:2]] if place else []
    home = (lat_lon[1], lat_lon[0]) if place else None
    return FlownPath(
        np.array(points, float).reshape(-1, 3), datum, home, np.array(lines, np.int64).reshape(-1, 2), trigger_m
    )


def _mission(plan: SurveyPlan, flight: Flight) -> Any:
    drone, sub = DRONES.get(plan.spec.drone.id, MAVIC_3E)
    payload = PAYLOADS.get(plan.spec.camera.id, PAYLOADS["dji-mavic-3e"])
    return W.missionConfig(
        W.flyToWaylineMode("safely"),
        W.finishAction("goHome"),
        W.exitOnRCLost("executeLostAction"),
        W.executeRCLostAction("goBack"),
        W.takeOffSecurityHeight(str(SAFE_TAKE_OFF_M)),
        W.takeOffRefPoint(f"{plan.home[1]:.8f},{plan.home[0]:.8f},{_ellipsoidal_home(plan):.2f}"),
        W.globalTransitionalSpeed(f"{plan.motion.speed_m_s:.1f}"),
        W.globalRTHHeight(f"{max(float(flight.path[:, 2].max()), SAFE_TAKE_OFF_M):.0f}"),
        W.droneInfo(W.droneEnumValue(str(drone)), W.droneSubEnumValue(str(sub))),
        W.payloadInfo(W.payloadEnumValue(str(payload)), W.payloadSubEnumValue("0"), W.payloadPositionIndex("0")),
    )


def _ellipsoidal_home(plan: SurveyPlan) -> float:
    """The home's height above the ellipsoid, 0 where no elevation is known: controllers only show it."""
    known = math.isfinite(plan.home_amsl_m)
    return float(msl_to_ellipsoid(*plan.home, plan.home_amsl_m)) if known else 0.0


def _template(plan: SurveyPlan, flight: Flight) -> Any:
    height = f"{flight.path[0, 2]:.2f}"
    placemarks = [
        K.Placemark(
            K.Point(K.coordinates(f"{lon:.8f},{lat:.8f}")),
            W.index(str(index)),
            W.ellipsoidHeight(f"{rel:.2f}"),
            W.height(f"{rel:.2f}"),
            W.useGlobalHeight("0"),
            W.useGlobalSpeed("1"),
            W.useGlobalHeadingParam("1"),
            W.useGlobalTurnParam("1"),
            W.useStraightLine("1"),
        )
        for index, (lon, lat, rel) in enumerate(_points(plan, flight))
    ]
    return K.Folder(
        W.templateType("waypoint"),
        W.templateId("0"),
        W.waylineCoordinateSysParam(W.coordinateMode("WGS84"), W.heightMode("relativeToStartPoint")),
        W.autoFlightSpeed(f"{plan.motion.speed_m_s:.1f}"),
        W.globalHeight(height),
        W.caliFlightEnable("0"),
        W.gimbalPitchMode("manual"),
        W.globalWaypointHeadingParam(W.waypointHeadingMode("followWayline")),
        W.globalWaypointTurnMode(STOP),
        W.globalUseStraightLine("1"),
        *placemarks,
        W.payloadParam(W.payloadPositionIndex("0"), W.imageFormat("wide")),
    )


def _wayline(plan: SurveyPlan, flight: Flight) -> Any:
    points = _points(plan, flight)
    length = float(np.hypot(*np.diff(flight.path[1:-1, :2], axis=0).T).sum())
    groups: dict[int, list[Any]] = {}
    number = 0
    for first, last in flight.lines - 1:  # the path's first vertex is the home, which is no waypoint here
        groups.setdefault(int(first), []).append(_by_distance(number, int(first), int(last), plan.trigger_m))
        number += 1
        if last not in flight.lines[:, 0] - 1:  # else the next line's first photo is taken there
            groups.setdefault(int(last), []).append(_one_photo(number, int(last)))
            number += 1
    placemarks = []
    for index, (lon, lat, rel) in enumerate(points):
        actions = groups.get(index, [])
        if index == 0:
            actions = [_look_down(number), *actions]
        placemarks.append(
            K.Placemark(
                K.Point(K.coordinates(f"{lon:.8f},{lat:.8f}")),
                W.index(str(index)),
                W.executeHeight(f"{rel:.2f}"),
                W.waypointSpeed(f"{plan.motion.speed_m_s:.1f}"),
                W.waypointHeadingParam(W.waypointHeadingMode("followWayline")),
                _turn(flight, index),
                W.useStraightLine("1"),
                *actions,
            )
        )
    return K.Folder(
        W.templateId("0"),
        W.executeHeightMode("relativeToStartPoint"),
        W.waylineId("0"),
        W.distance(f"{length:.1f}"),
        W.duration(f"{flight.cruise_s:.1f}"),
        W.autoFlightSpeed(f"{plan.motion.speed_m_s:.1f}"),
        *placemarks,
    )


def _turn(flight: Flight, index: int) -> Any:
    """A stop at corners; on a line, whose vertices only follow the terrain, the drone passes without one."""
    vertex = index + 1
    on_line = bool(((flight.lines[:, 0] < vertex) & (vertex < flight.lines[:, 1])).any())
    legs = np.hypot(*np.diff(flight.path[vertex - 1 : vertex + 2, :2], axis=0).T)
    damping_m = max(min(float(legs.min()) / 4, 1.0), 0.2)  # less than half of either leg, or controllers refuse it
    return W.waypointTurnParam(
        W.waypointTurnMode(PASS if on_line else STOP), W.waypointTurnDampingDist(f"{damping_m if on_line else 0:.1f}")
    )


def _points(plan: SurveyPlan, flight: Flight) -> list[tuple[float, float, float]]:
    inner = flight.path[1:-1]
    lon, lat = plan.frame.to_geographic(inner[:, 0], inner[:, 1])
    return [(float(x), float(y), float(h)) for x, y, h in zip(lon, lat, inner[:, 2], strict=True)]


def _by_distance(group: int, first: int, last: int, trigger_m: float) -> Any:
    return _group(
        group,
        first,
        last,
        [W.actionTriggerType("multipleDistance"), W.actionTriggerParam(f"{trigger_m:.2f}")],
        _photo(0),
    )


def _one_photo(group: int, at: int) -> Any:
    return _group(group, at, at, [W.actionTriggerType("reachPoint")], _photo(0))


def _look_down(group: int) -> Any:
    turn = W.action(
        W.actionId("0"),
        W.actionActuatorFunc("gimbalRotate"),
        W.actionActuatorFuncParam(
            W.gimbalHeadingYawBase("aircraft"),
            W.gimbalRotateMode("absoluteAngle"),
            W.gimbalPitchRotateEnable("1"),
            W.gimbalPitchRotateAngle("-90"),
            W.gimbalRollRotateEnable("0"),
            W.gimbalRollRotateAngle("0"),
            W.gimbalYawRotateEnable("0"),
            W.gimbalYawRotateAngle("0"),
            W.gimbalRotateTimeEnable("0"),
            W.gimbalRotateTime("0"),
            W.payloadPositionIndex("0"),
        ),
    )
    return _group(group, 0, 0, [W.actionTriggerType("reachPoint")], turn)


def _photo(number: int) -> Any:
    param = W.actionActuatorFuncParam(W.fileSuffix(""), W.payloadPositionIndex("0"), W.useGlobalPayloadLensIndex("1"))
    return W.action(W.actionId(str(number)), W.actionActuatorFunc("takePhoto"), param)


def _group(number: int, first: int, last: int, trigger: list[Any], action: Any) -> Any:
    return W.actionGroup(
        W.actionGroupId(str(number)),
        W.actionGroupStartIndex(str(first)),
        W.actionGroupEndIndex(str(last)),
        W.actionGroupMode("sequence"),
        W.actionTrigger(*trigger),
        action,
    )
