"""A plan read back from its folder: what was asked, and where each photo was to be taken."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
import shapely.geometry
from numpy.typing import NDArray

from imagery.core.camera import Camera, find_camera
from imagery.core.errors import BadInputError
from planner.area import Area
from planner.coverage.shots import Shots
from planner.drone import Drone, find_drone
from planner.site import Site, lay_out
from planner.survey import SurveySpec

__all__ = ["PlannedSurvey", "read_plan"]

AT_EXIT_M = 0.1
DOWN_DEG = -80.0


@dataclass(frozen=True, slots=True)
class PlannedSurvey:
    """A plan in metres, in the frame of its site.

    Attributes: spec: what was asked; site; shots: every planned photo, heights above home; course_deg: n, of each; line: n,
    counts the photographed lines on which they lie; ground_m: n, height of the ground below each above home.
    """

    spec: SurveySpec
    site: Site
    shots: Shots
    course_deg: NDArray[np.float64]
    line: NDArray[np.int64]
    ground_m: NDArray[np.float64]
    home_amsl_m: float


def read_plan(
    path: Path, camera: Camera | None = None, drone: Drone | None = None, dem: Path | None = None
) -> PlannedSurvey:
    """The plan of a folder or of its plan.geojson; `camera`, `drone` and `dem` replace what its summary.json names.

    Raises BadInputError for what is no plan, for one whose camera looks sideways, and where the camera, drone or elevation that
    it was made with is not to be found.
    """
    path = path / "plan.geojson" if path.is_dir() else path
    features = _features(path)
    request = _summary(path.with_name("summary.json"))["request"]
    spec = _spec(path, features, request, camera, drone, dem)
    site = lay_out(spec.area, spec.no_fly, spec.clearance_m, spec.home)
    home_amsl_m = _of_kind(features, "home")[0][1].get("height_amsl_m")
    photos = _of_kind(features, "photo")
    if not photos:
        raise BadInputError(f"{path}: the plan has no photos")
    pitch = np.array([properties.get("gimbal_pitch_deg", -90.0) for _, properties in photos], float)
    if (pitch > DOWN_DEG).any():
        raise BadInputError(
            f"{path}: its camera looks sideways ({pitch.max():g} degrees): gaps are found in surveys that look down"
        )
    lon_lat_amsl = np.array([geometry["coordinates"] for geometry, _ in photos], float)
    course = np.array([properties["heading_deg"] for _, properties in photos], float)
    above_home = lon_lat_amsl[:, 2] - (home_amsl_m or 0.0)
    places = np.column_stack([*site.frame.to_local(lon_lat_amsl[:, 0], lon_lat_amsl[:, 1]), above_home])
    return PlannedSurvey(
        spec=spec,
        site=site,
        shots=Shots.of_angles(places, course, pitch, 0.0),
        course_deg=course,
        line=_line_of(places, _of_kind(features, "line"), site),
        ground_m=above_home - np.array([properties["height_agl_m"] for _, properties in photos], float),
        home_amsl_m=math.nan if home_amsl_m is None else float(home_amsl_m),
    )


def _features(path: Path) -> list[dict[str, Any]]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        features = list(data["features"])
        kinds = {feature["properties"]["kind"] for feature in features}
    except OSError as error:
        raise BadInputError(f"{path}: cannot be read ({error.strerror}): give the folder that `plan` wrote") from None
    except (ValueError, KeyError, TypeError):
        raise BadInputError(f"{path}: is not a plan.geojson as `skyrelief plan` writes it") from None
    missing = [kind for kind in ("area", "home", "photo", "line") if kind not in kinds]
    if missing:
        raise BadInputError(f"{path}: is not a complete plan: it has no {missing[0]}")
    return features


def _summary(path: Path) -> dict[str, Any]:
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        data["request"]["camera"]
    except OSError:
        raise BadInputError(f"{path}: is missing: keep the plan's files together in their folder") from None
    except (ValueError, KeyError, TypeError):
        raise BadInputError(f"{path}: is not a summary.json as `skyrelief plan` writes it") from None
    return data


def _of_kind(features: list[dict[str, Any]], kind: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    return [(f["geometry"], f["properties"]) for f in features if f["properties"]["kind"] == kind]


def _spec(
    path: Path,
    features: list[dict[str, Any]],
    request: dict[str, Any],
    camera: Camera | None,
    drone: Drone | None,
    dem: Path | None,
) -> SurveySpec:
    def surfaces(kind: str) -> shapely.Geometry:
        return shapely.union_all([shapely.geometry.shape(geometry) for geometry, _ in _of_kind(features, kind)])

    home = _of_kind(features, "home")[0][0]["coordinates"]
    front, side = (float(part) / 100 for part in request["overlap"].split("/"))
    endurance = request["endurance_min"]
    if dem is None and request["dem"] is not None:
        dem = Path(request["dem"])
        if not dem.exists():
            raise BadInputError(f"{path}: was planned over {dem}, which is not there: give the elevation with --dem")
    return SurveySpec(
        area=Area(request["area"], surfaces("area")),
        camera=camera or _camera(path, request["camera"]),
        drone=_drone(path, request["drone"], drone),
        gsd_cm=request["gsd_cm"],
        height_m=request["height_m"],
        front_overlap=front,
        sidelap=side,
        home=(float(home[0]), float(home[1])),
        no_fly=surfaces("no_fly"),
        clearance_m=request["clearance_m"],
        wind_m_s=request["wind_m_s"],
        wind_from_deg=request["wind_from_deg"],
        speed_m_s=request["speed_m_s"],
        usable_s=math.inf if endurance is None else endurance * 60,
        drones=request["drones"],
        dem=dem,
    )


def _line_of(
    places: NDArray[np.float64], lines: list[tuple[dict[str, Any], dict[str, Any]]], site: Site
) -> NDArray[np.int64]:
    """The line of each photo: both are in flying order."""
    ends = [site.to_metres(shapely.Point(geometry["coordinates"][-1][:2])) for geometry, _ in lines]
    exits, found, at = np.array([[end.x, end.y] for end in ends]), np.empty(len(places), np.int64), 0
    for number, place in enumerate(places[:, :2]):
        found[number] = at
        if at + 1 < len(exits) and math.dist(place, exits[at]) < AT_EXIT_M:
            at += 1
    return found


def _camera(path: Path, id: str) -> Camera:
    try:
        return find_camera(id)
    except BadInputError:
        raise BadInputError(
            f"{path}: was planned with the camera {id!r}, which the catalogue does not know: give its file with --camera"
        ) from None


def _drone(path: Path, id: str, given: Drone | None) -> Drone:
    if given is not None:
        return given
    try:
        return find_drone(id)
    except BadInputError:
        raise BadInputError(
            f"{path}: was planned for the drone {id!r}, which the catalogue does not know: give its file with --drone"
        ) from None
