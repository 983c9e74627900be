"""DJI's WPML route (KMZ) for Pilot 2 and the Mavic 3 Enterprise, Matrice 300 and 350 series: one flight, point by point.

The archive holds `wpmz/template.kml`, which Pilot 2 shows and edits, and `wpmz/waylines.wpml`, which the drone flies. Points
and polygons put longitude first, the take-off point latitude. Source: DJI Cloud API, WPML 1.0.2.
"""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from lxml import etree
from lxml.builder import ElementMaker

from imagery.core.files import atomic_path
from planner.survey import Flight, SurveyPlan

__all__ = ["write"]

KML, WPML = "http://www.opengis.net/kml/2.2", "http://www.dji.com/wpmz/1.0.2"
NAMESPACES = {None: KML, "wpml": WPML}
K = ElementMaker(namespace=KML, nsmap=NAMESPACES)
W = ElementMaker(namespace=WPML, nsmap=NAMESPACES)
DRONES = {"dji-mavic-3e": (77, 0), "dji-mavic-3m": (77, 2), "dji-m300-rtk": (60, 0), "dji-m350-rtk": (89, 0)}
PAYLOADS = {
    "dji-mavic-3e": 66,
    "dji-mavic-3m": 68,
    "dji-zenmuse-p1-35mm": 50,
    "dji-zenmuse-l1": 51,
    "dji-zenmuse-l2": 84,
}
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


def _mission(plan: SurveyPlan, flight: Flight) -> Any:
    drone, sub = DRONES.get(plan.spec.drone.id, DRONES["dji-mavic-3e"])
    payload = PAYLOADS.get(plan.spec.camera.id, PAYLOADS["dji-mavic-3e"])
    return W.missionConfig(
        W.flyToWaylineMode("safely"),
        W.finishAction("goHome"),
        W.exitOnRCLost("executeLostAction"),
        W.executeRCLostAction("goBack"),
        W.takeOffSecurityHeight(str(SAFE_TAKE_OFF_M)),
        W.takeOffRefPoint(f"{plan.home[1]:.8f},{plan.home[0]:.8f},0.0"),
        W.globalTransitionalSpeed(f"{plan.motion.speed_m_s:.1f}"),
        W.globalRTHHeight(f"{max(float(flight.path[:, 2].max()), SAFE_TAKE_OFF_M):.0f}"),
        W.droneInfo(W.droneEnumValue(str(drone)), W.droneSubEnumValue(str(sub))),
        W.payloadInfo(W.payloadEnumValue(str(payload)), W.payloadSubEnumValue("0"), W.payloadPositionIndex("0")),
    )


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
        W.globalWaypointTurnMode("toPointAndStopWithDiscontinuityCurvature"),
        W.globalUseStraightLine("1"),
        *placemarks,
    )


def _wayline(plan: SurveyPlan, flight: Flight) -> Any:
    points = _points(plan, flight)
    length = float(np.hypot(*np.diff(flight.path[1:-1, :2], axis=0).T).sum())
    groups: dict[int, list[Any]] = {}
    number = 0
    for first, last in flight.lines - 1:  # the path's first vertex is the home, which is no waypoint here
        groups.setdefault(int(first), []).append(_by_distance(number, int(first), int(last), plan.trigger_m))
        groups.setdefault(int(last), []).append(_one_photo(number + 1, int(last)))
        number += 2
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
                W.waypointTurnParam(
                    W.waypointTurnMode("toPointAndStopWithDiscontinuityCurvature"), W.waypointTurnDampingDist("0")
                ),
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
    param = W.actionActuatorFuncParam(W.fileSuffix(""), W.payloadPositionIndex("0"), W.useGlobalPayloadLensIndex("0"))
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
