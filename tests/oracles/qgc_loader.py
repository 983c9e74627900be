"""What QGroundControl's loaders require of a `.plan`, key by key with its type, as their code checks it (2026-05).

Independent of the writer: a list of complaints, empty where the plan would load.
"""

import math
from typing import Any

__all__ = ["complaints"]

NUMBER, INTEGER, FLAG, TEXT, LIST, OBJECT = (float, int), int, bool, str, list, dict
SIMPLE = {"type": TEXT, "frame": INTEGER, "command": INTEGER, "params": LIST, "autoContinue": FLAG}
PLACED = {"AltitudeMode": INTEGER, "Altitude": NUMBER, "AMSLAltAboveTerrain": (*NUMBER, type(None))}
SURVEY = {
    "version": INTEGER, "complexItemType": TEXT, "angle": NUMBER, "entryLocation": INTEGER, "flyAlternateTransects": FLAG,
    "splitConcavePolygons": FLAG, "polygon": LIST, "TransectStyleComplexItem": OBJECT,
}  # fmt: skip
STYLE = {
    "version": INTEGER, "TurnAroundDistance": NUMBER, "CameraTriggerInTurnAround": FLAG, "HoverAndCapture": FLAG,
    "Refly90Degrees": FLAG, "CameraShots": NUMBER, "CameraCalc": OBJECT, "VisualTransectPoints": LIST, "Items": LIST,
}  # fmt: skip
CAMERA = {
    "version": INTEGER, "CameraName": TEXT, "AdjustedFootprintSide": NUMBER, "AdjustedFootprintFrontal": NUMBER,
    "DistanceToSurface": NUMBER, "DistanceMode": INTEGER, "ValueSetIsDistance": FLAG, "ImageDensity": NUMBER,
    "FrontalOverlap": NUMBER, "SideOverlap": NUMBER, "SensorWidth": NUMBER, "SensorHeight": NUMBER, "ImageWidth": NUMBER,
    "ImageHeight": NUMBER, "FocalLength": NUMBER, "Landscape": FLAG, "FixedOrientation": FLAG, "MinTriggerInterval": NUMBER,
}  # fmt: skip
NAVIGATION = (16, 21, 22, 82)
ALTITUDE_MODES = range(6)


def complaints(plan: Any) -> list[str]:
    """Why QGroundControl would refuse a plan's JSON, or show or fly it otherwise than it says."""
    top = {"fileType": TEXT, "version": INTEGER, "groundStation": TEXT, "mission": OBJECT, "geoFence": OBJECT}
    found = _keys(plan, top | {"rallyPoints": OBJECT}, "plan")
    if found:
        return found
    mission = plan["mission"]
    found += _keys(
        mission,
        {"version": INTEGER, "plannedHomePosition": LIST, "items": LIST, "firmwareType": INTEGER, "vehicleType": INTEGER,
         "cruiseSpeed": NUMBER, "hoverSpeed": NUMBER, "globalPlanAltitudeMode": INTEGER},
        "mission",
    )  # fmt: skip
    found += [f"{what} {plan[what]['version']}" for what in ("geoFence", "rallyPoints") if plan[what]["version"] != 2]
    found += _place(mission["plannedHomePosition"], 3, "home")
    numbers: list[int] = []
    for item in mission["items"]:
        found += _survey(item, numbers) if item["type"] == "ComplexItem" else _simple(item, numbers)
    if numbers != list(range(1, len(numbers) + 1)):
        found.append("doJumpIds do not count from 1 without a gap")
    for part in plan["geoFence"]["polygons"]:
        found += _keys(part, {"polygon": LIST, "inclusion": FLAG, "version": INTEGER}, "fence polygon")
        found += _ring(part["polygon"], "fence polygon")
    for point in plan["rallyPoints"]["points"]:
        found += _place(point, 3, "rally point")
    return found


def _survey(item: dict[str, Any], numbers: list[int]) -> list[str]:
    found = _keys(item, SURVEY, "survey")
    style = item.get("TransectStyleComplexItem", {})
    found += _keys(style, STYLE, "TransectStyleComplexItem") + _keys(style.get("CameraCalc", {}), CAMERA, "CameraCalc")
    if found:
        return found
    camera = style["CameraCalc"]
    if (item["complexItemType"], item["version"], style["version"], camera["version"]) != ("survey", 5, 2, 2):
        found.append("versions")
    if (
        camera["DistanceMode"] not in ALTITUDE_MODES
        or not 0 <= item["angle"] <= 360
        or item["entryLocation"] not in range(4)
    ):
        found.append("a value out of range")
    found += _ring(item["polygon"], "survey polygon")
    for place in style["VisualTransectPoints"]:
        found += _place(place, 2, "transect point")
    for entry in style["Items"]:
        found += _simple(entry, numbers)
    return found


def _simple(item: dict[str, Any], numbers: list[int]) -> list[str]:
    found = _keys(item, SIMPLE | (PLACED if item.get("command") in NAVIGATION else {}), "simple item")
    if found:
        return found
    numbers.append(item.get("doJumpId", len(numbers) + 1))
    if len(item["params"]) != 7:
        found.append("not 7 params")
    if item["command"] in NAVIGATION:
        found += _place(item["params"][4:6], 2, "waypoint")
        if item["AltitudeMode"] not in ALTITUDE_MODES or item["Altitude"] != item["params"][6]:
            found.append("altitude differs from the seventh parameter")
    return found


def _keys(holder: Any, keys: dict[str, Any], what: str) -> list[str]:
    if not isinstance(holder, dict):
        return [f"{what} is no object"]
    found = [f"{what} lacks {key}" for key in keys if key not in holder]
    for key, kind in keys.items():
        value = holder.get(key)
        if key in holder and (not isinstance(value, kind) or (isinstance(value, bool) and kind is not FLAG)):
            found.append(f"{what}: {key} is {value!r}")
    return found


def _place(place: Any, numbers: int, what: str) -> list[str]:
    fine = (
        isinstance(place, list)
        and len(place) == numbers
        and all(isinstance(value, NUMBER) and math.isfinite(value) for value in place)
        and abs(place[0]) <= 90
        and abs(place[1]) <= 180
    )
    return [] if fine else [f"{what}: {place} is no place"]


def _ring(ring: list[Any], what: str) -> list[str]:
    found = [problem for vertex in ring for problem in _place(vertex, 2, what)]
    if len(ring) < 3 or ring[0] == ring[-1]:
        found.append(f"{what}: too few vertices, or closed")
    return found
