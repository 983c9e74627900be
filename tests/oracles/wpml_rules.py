"""What DJI's controllers require of the two files of a route, element by element (Cloud API, WPML 1.0.2).

Independent of the writer: a list of complaints, empty where a controller would take the route.
"""

import zipfile
from pathlib import Path
from typing import Any

from defusedxml.ElementTree import fromstring

__all__ = ["complaints"]

MISSION = {
    "flyToWaylineMode": ("safely", "pointToPoint"),
    "finishAction": ("goHome", "noAction", "autoLand", "gotoFirstWaypoint"),
    "exitOnRCLost": ("goContinue", "executeLostAction"),
    "executeRCLostAction": ("goBack", "landing", "hover"),
    "takeOffSecurityHeight": (1.2, 1500.0),
    "globalTransitionalSpeed": (1.0, 15.0),
    "droneInfo/{*}droneEnumValue": ("60", "67", "68", "77", "89", "91"),
    "payloadInfo/{*}payloadEnumValue": ("42", "43", "50", "52", "53", "61", "66", "67", "68"),
    "payloadInfo/{*}payloadPositionIndex": ("0", "1", "2"),
}
ROUTE = {
    "templateId": (0.0, 65535.0),
    "waylineId": (0.0, 65535.0),
    "executeHeightMode": ("WGS84", "relativeToStartPoint", "realTimeFollowSurface"),
    "autoFlightSpeed": (1.0, 15.0),
}
TEMPLATE = {
    "templateType": ("waypoint", "mapping2d", "mapping3d", "mappingStrip"),
    "templateId": (0.0, 65535.0),
    "waylineCoordinateSysParam/{*}coordinateMode": ("WGS84",),
    "waylineCoordinateSysParam/{*}heightMode": ("EGM96", "relativeToStartPoint", "aboveGroundLevel"),
    "autoFlightSpeed": (1.0, 15.0),
    "globalHeight": (-1500.0, 1500.0),
    "gimbalPitchMode": ("manual", "usePointSetting"),
}
TURNS = (
    "coordinateTurn", "toPointAndStopWithDiscontinuityCurvature", "toPointAndStopWithContinuityCurvature",
    "toPointAndPassWithContinuityCurvature",
)  # fmt: skip
POINT = {
    "executeHeight": (-1500.0, 1500.0),
    "waypointSpeed": (1.0, 15.0),
    "waypointHeadingParam/{*}waypointHeadingMode": (
        "followWayline",
        "manually",
        "fixed",
        "smoothTransition",
        "towardPOI",
    ),
    "waypointTurnParam/{*}waypointTurnMode": TURNS,
    "waypointTurnParam/{*}waypointTurnDampingDist": (0.0, 1000.0),
    "useStraightLine": ("0", "1"),
}
TRIGGERS = ("reachPoint", "betweenAdjacentPoints", "multipleTiming", "multipleDistance")
MOST_POINTS = 65_535


def complaints(path: Path) -> list[str]:
    """Why a controller would refuse a route's archive."""
    with zipfile.ZipFile(path) as archive:
        if archive.namelist() != ["wpmz/template.kml", "wpmz/waylines.wpml"]:
            return [f"holds {archive.namelist()}"]
        template, route = (fromstring(archive.read(name)) for name in archive.namelist())
    found: list[str] = []
    for name, root, rules in (("template", template, TEMPLATE), ("waylines", route, ROUTE)):
        folder = root.find("{*}Document/{*}Folder")
        found += _broken(root.find("{*}Document/{*}missionConfig"), MISSION, name) + _broken(folder, rules, name)
        numbers = [int(p.findtext("{*}index")) for p in folder.iterfind("{*}Placemark")]
        if numbers != list(range(len(numbers))) or not 2 <= len(numbers) <= MOST_POINTS:
            found.append(f"{name}: points do not count from 0 without a gap")
    lat, lon, _ = (float(v) for v in route.findtext(".//{*}takeOffRefPoint").split(","))
    points = route.findall("{*}Document/{*}Folder/{*}Placemark")
    for point in points:
        x, y = (float(v) for v in point.findtext("{*}Point/{*}coordinates").split(","))
        if abs((x - lon + 180) % 360 - 180) > 0.5 or abs(y - lat) > 0.5:
            found.append(f"point {x},{y} is far from the take-off at latitude {lat}, longitude {lon}")
        found += _broken(point, POINT, f"point {point.findtext('{*}index')}")
    return found + _groups(points)


def _groups(points: list[Any]) -> list[str]:
    found, ids = [], []
    for number, point in enumerate(points):
        for group in point.iterfind("{*}actionGroup"):
            ids.append(int(group.findtext("{*}actionGroupId")))
            first, last = (int(group.findtext(f"{{*}}actionGroup{end}Index")) for end in ("Start", "End"))
            trigger = group.findtext("{*}actionTrigger/{*}actionTriggerType")
            if first != number or not first <= last < len(points):
                found.append(f"an action group of point {number} runs from {first} to {last}")
            if trigger not in TRIGGERS:
                found.append(f"trigger {trigger}")
            if trigger.startswith("multiple") and float(group.findtext("{*}actionTrigger/{*}actionTriggerParam")) <= 0:
                found.append("a trigger without its distance or time")
            if [a.findtext("{*}actionId") for a in group.iterfind("{*}action")] != ["0"]:
                found.append("actions do not count from 0")
    if len(set(ids)) != len(ids):
        found.append("two action groups with the same number")
    return found


def _broken(element: Any, rules: dict[str, tuple[Any, ...]], where: str) -> list[str]:
    if element is None:
        return [f"{where} is missing"]
    found = []
    for name, allowed in rules.items():
        text = element.findtext(f"{{*}}{name}")
        if text is None:
            found.append(f"{where} lacks {name}")
        elif isinstance(allowed[0], float):
            if not allowed[0] <= float(text) <= allowed[1]:
                found.append(f"{where}: {name} {text} is not within {allowed}")
        elif text not in allowed:
            found.append(f"{where}: {name} {text!r} is not one of {allowed}")
    return found
