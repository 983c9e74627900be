"""QGroundControl's `.plan` (file version 1): mission, fence and rally points; a survey stays editable there.

QGroundControl flies the items of a survey as they are stored, and regenerates them only when somebody edits the survey.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import shapely

from imagery.core.errors import BadInputError
from imagery.core.files import write_json
from imagery.core.reading import read_json
from planner.mission import (
    DO_SET_CAM_TRIGG_DIST,
    FRAME_GLOBAL_RELATIVE,
    FRAME_GLOBAL_TERRAIN,
    NAV_RETURN_TO_LAUNCH,
    NAV_WAYPOINT,
    POSITION_COMMANDS,
    Fence,
    FenceCircle,
    FencePolygon,
    Home,
    Mission,
    MissionItem,
    RallyPoint,
    degrees_1e7,
    has_position,
)
from planner.survey import Flight, SurveyPlan

__all__ = ["read", "read_document", "read_fence", "write"]

ARDUPILOT, QUADROTOR = 3, 2
MOST_ITEMS = 20_000
FARTHEST_M = 1e6  # more than any fence is wide
GIVE = "a .plan that `skyrelief plan` or QGroundControl saved"
ALTITUDE_MODES = {FRAME_GLOBAL_RELATIVE: 1, 0: 2, FRAME_GLOBAL_TERRAIN: 4}
TRANSECT_KINDS = ("survey", "CorridorScan", "StructureScan")


def write(mission: Mission, path: str | Path, planned: tuple[SurveyPlan, Flight] | None = None) -> None:
    """Write a mission; `planned` as a flight of a plan, its lines are a survey item that QGroundControl can edit."""
    first, last = _survey_stretch(mission) if planned is not None else (0, 0)
    items: list[dict[str, Any]] = [_simple(item, number) for number, item in enumerate(mission.items[:first], 1)]
    if planned is not None and last > first:
        items.append(_survey(mission.items[first:last], first + 1, *planned))
    items += [_simple(item, number) for number, item in enumerate(mission.items[last:], last + 1)]
    speed = mission.speed_m_s if math.isfinite(mission.speed_m_s) else 5.0
    write_json(
        path,
        {
            "fileType": "Plan",
            "version": 1,
            "groundStation": "QGroundControl",
            "mission": {
                "version": 2,
                "firmwareType": ARDUPILOT,
                "vehicleType": QUADROTOR,
                "cruiseSpeed": speed,
                "hoverSpeed": speed,
                "globalPlanAltitudeMode": _altitude_mode(mission),
                "plannedHomePosition": [mission.home.lat_deg, mission.home.lon_deg, _known(mission.home.alt_amsl_m)],
                "items": items,
            },
            "geoFence": _fence_json(mission.fence),
            "rallyPoints": {"version": 2, "points": [[p.lat_deg, p.lon_deg, p.alt_rel_m] for p in mission.rally]},
        },
    )


def read(path: str | Path) -> Mission:
    """Read a plan: simple items, and the stored items of surveys, corridor and structure scans."""
    path = Path(path)
    data = read_document(path)
    with _explained(path):
        return _mission(data["mission"], data)


def read_document(path: Path) -> dict[str, Any]:
    """A plan's JSON, whose versions are known here and which holds a list of mission items."""
    data = read_json(path, GIVE)
    if not isinstance(data, dict) or data.get("fileType") != "Plan":
        raise BadInputError(f'{path}: is not a QGroundControl plan, it has no "fileType": "Plan": give {GIVE}')
    if data.get("version") != 1:
        raise BadInputError(f"{path}: is version {data.get('version')!r:.20} of the format: only 1 is read")
    mission = data.get("mission")
    if not isinstance(mission, dict):
        raise BadInputError(f"{path}: holds no mission")
    if mission.get("version") != 2:
        raise BadInputError(f"{path}: its mission is version {mission.get('version')!r:.20}: only 2 is read")
    if not isinstance(mission.get("items"), list):
        raise BadInputError(f"{path}: its mission has no list of items")
    return data


def read_fence(data: dict[str, Any], path: Path) -> Fence:
    """The fence of a plan's JSON."""
    with _explained(path):
        return _fence(data.get("geoFence") or {})


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Values of the wrong kind told as damage of the file."""
    try:
        yield
    except BadInputError as error:
        raise BadInputError(f"{path}: {error}") from None
    except KeyError as error:
        raise BadInputError(f"{path}: the plan is damaged: an item lacks {str(error)[:40]}: give {GIVE}") from None
    except (TypeError, ValueError, IndexError, AttributeError, OverflowError):
        raise BadInputError(f"{path}: the plan is damaged: a value is of the wrong kind: give {GIVE}") from None


def _mission(mission: dict[str, Any], data: dict[str, Any]) -> Mission:
    items: list[MissionItem] = []
    for number, entry in enumerate(mission["items"], 1):
        items += _items(entry, number)
    if len(items) > MOST_ITEMS:
        raise BadInputError(f"{len(items)} items; at most {MOST_ITEMS} are read")
    position = mission["plannedHomePosition"]
    height = position[2] if len(position) > 2 else None
    home = Home(*_place(position, "its home"), math.nan if height is None else float(height))
    points = (data.get("rallyPoints") or {}).get("points", [])
    rally = tuple(RallyPoint(*_place(point, "a rally point"), float(point[2])) for point in points)
    speed = mission.get("hoverSpeed")
    return Mission(home, tuple(items), _fence(data.get("geoFence") or {}), rally, float(speed) if speed else math.nan)


def _items(entry: dict[str, Any], number: int) -> list[MissionItem]:
    if entry.get("type") == "SimpleItem":
        return [_simple_item(entry, number)]
    kind = entry.get("complexItemType")
    if kind not in TRANSECT_KINDS:
        raise BadInputError(f"item {number}: a {kind or entry.get('type')} is not known here")
    if kind == "survey" and entry.get("version") not in (4, 5):
        raise BadInputError(f"item {number}: a survey of version {entry.get('version')}: only 5 is read")
    stored = (entry.get("TransectStyleComplexItem") or {}).get("Items")
    if stored is None:
        raise BadInputError(f"item {number}: the {kind} has no stored items: open and save it in QGroundControl")
    return [_simple_item(item, number) for item in stored]


def _simple_item(entry: dict[str, Any], number: int) -> MissionItem:
    values = [*entry["params"], *entry.get("coordinate", [])]  # older plans keep the place apart
    params = [math.nan if value is None else float(value) for value in values]
    if len(params) != 7:
        raise BadInputError(f"item {number}: has {len(params)} parameters instead of 7")
    p1, p2, p3, p4, *place = (0.0 if math.isnan(value) else value for value in params)
    command, frame = int(entry["command"]), int(entry["frame"])
    if any(math.isinf(value) for value in (p1, p2, p3, p4, *place)):
        raise BadInputError(f"item {number}: a parameter is not a number")
    if command in POSITION_COMMANDS:
        x, y = (degrees_1e7(value) for value in _place(place, f"item {number}"))
    else:
        x, y = round(place[0]), round(place[1])
    return MissionItem(command, frame, p1, p2, p3, p4, x, y, place[2], bool(entry.get("autoContinue", True)))


def _altitude_mode(mission: Mission) -> int:
    """QGroundControl's altitude mode of the waypoints."""
    return next((ALTITUDE_MODES.get(item.frame, 1) for item in mission.items if item.command == NAV_WAYPOINT), 1)


def _simple(item: MissionItem, number: int) -> dict[str, Any]:
    placed = has_position(item)
    heading = None if item.command in (NAV_WAYPOINT, 22) and item.p4 == 0 else item.p4  # null: keep the course's
    params = [
        item.p1,
        item.p2,
        item.p3,
        heading,
        *((item.lat_deg, item.lon_deg) if placed else (item.x, item.y)),
        item.z,
    ]
    entry: dict[str, Any] = {
        "type": "SimpleItem",
        "autoContinue": item.autocontinue,
        "command": item.command,
        "doJumpId": number,
        "frame": item.frame,
        "params": params,
    }
    if placed:
        entry |= {"AltitudeMode": ALTITUDE_MODES.get(item.frame, 1), "Altitude": item.z, "AMSLAltAboveTerrain": None}
    return entry


def _survey_stretch(mission: Mission) -> tuple[int, int]:
    """The items from the first photographed line's entry to the last one's exit."""
    triggers = [i for i, item in enumerate(mission.items) if item.command == DO_SET_CAM_TRIGG_DIST]
    if not triggers:
        return 0, 0
    first = max(i for i in range(triggers[0]) if mission.items[i].command == NAV_WAYPOINT)
    last = next(
        (i for i in range(triggers[-1], len(mission.items)) if mission.items[i].command == NAV_RETURN_TO_LAUNCH), None
    )
    return first, min(triggers[-1] + 1, last if last is not None else len(mission.items))


def _survey(items: tuple[MissionItem, ...], number: int, plan: SurveyPlan, flight: Flight) -> dict[str, Any]:
    """The survey item of version 5, with every key that QGroundControl's loader requires; `polygon` is the largest part's."""
    camera, spec = plan.spec.camera, plan.spec
    outline = max(shapely.get_parts(plan.area), key=lambda part: part.area).exterior
    lon, lat = plan.frame.to_geographic(*(axis[:-1] for axis in outline.xy))
    width_m, height_m = spec.footprint_m
    course = float(flight.course_deg[0]) % 180
    waypoints = [item for item in items if item.command == NAV_WAYPOINT]
    return {
        "type": "ComplexItem",
        "complexItemType": "survey",
        "version": 5,
        "angle": round(course, 3),
        "entryLocation": 0,
        "flyAlternateTransects": False,
        "splitConcavePolygons": False,
        "polygon": [[round(float(a), 7), round(float(b), 7)] for a, b in zip(lat, lon, strict=True)],
        "TransectStyleComplexItem": {
            "version": 2,
            "TurnAroundDistance": 0,
            "CameraTriggerInTurnAround": False,
            "HoverAndCapture": False,
            "Refly90Degrees": spec.pattern == "crosshatch",
            "CameraShots": len(flight.photos),
            "VisualTransectPoints": [[item.lat_deg, item.lon_deg] for item in waypoints],
            "CameraCalc": {
                "version": 2,
                "CameraName": "Custom Camera",
                "AdjustedFootprintSide": round(width_m * (1 - spec.sidelap), 3),
                "AdjustedFootprintFrontal": round(height_m * (1 - spec.front_overlap), 3),
                "DistanceToSurface": round(spec.height_agl_m, 2),
                "DistanceMode": ALTITUDE_MODES.get(waypoints[0].frame, 1),
                "ValueSetIsDistance": spec.height_m is not None,
                "ImageDensity": round(camera.gsd_m(spec.height_agl_m) * 100, 4),
                "FrontalOverlap": round(spec.front_overlap * 100, 3),
                "SideOverlap": round(spec.sidelap * 100, 3),
                "SensorWidth": camera.sensor_width_mm,
                "SensorHeight": camera.sensor_height_mm,
                "ImageWidth": camera.width_px,
                "ImageHeight": camera.height_px,
                "FocalLength": camera.focal_length_mm,
                "Landscape": True,
                "FixedOrientation": False,
                "MinTriggerInterval": camera.min_interval_s,
            },
            "Items": [_simple(item, i) for i, item in enumerate(items, number)],
        },
    }


def _fence_json(fence: Fence) -> dict[str, Any]:
    circles, polygons = [], []
    for part in fence:
        entry: dict[str, Any] = {"inclusion": part.inclusion, "version": 1}
        if isinstance(part, FenceCircle):
            circles.append({"circle": {"center": [part.lat_deg, part.lon_deg], "radius": part.radius_m}, **entry})
        else:
            polygons.append({"polygon": [list(vertex) for vertex in part.vertices], **entry})
    return {"version": 2, "circles": circles, "polygons": polygons}


def _fence(data: dict[str, Any]) -> Fence:
    parts: list[FencePolygon | FenceCircle] = []
    for entry in data.get("polygons", []):
        vertices = tuple(_place(vertex, "a fence vertex") for vertex in entry["polygon"])
        parts.append(FencePolygon(vertices, bool(entry["inclusion"])))
    for entry in data.get("circles", []):
        radius_m = float(entry["circle"]["radius"])
        if not 0 < radius_m < FARTHEST_M:
            raise BadInputError(f"a fence circle has a radius of {radius_m:g} m")
        parts.append(
            FenceCircle(*_place(entry["circle"]["center"], "a fence circle"), radius_m, bool(entry["inclusion"]))
        )
    return tuple(parts)


def _place(values: list[float], what: str) -> tuple[float, float]:
    """Latitude and longitude in degrees."""
    lat, lon = float(values[0]), float(values[1])
    if not (abs(lat) <= 90 and abs(lon) <= 180):
        raise BadInputError(f"{what} at latitude {lat:g}, longitude {lon:g} is not on Earth")
    return lat, lon


def _known(value: float) -> float:
    return round(value, 2) if math.isfinite(value) else 0.0
