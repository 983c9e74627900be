"""`plan.geojson`: area, no-fly zones, home, lines, flights and photos of a plan, written and read back."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely
import shapely.geometry
from numpy.typing import NDArray

from imagery.core.errors import BadInputError
from imagery.core.files import to_json, write_text
from imagery.core.frame import LocalFrame, check_lon_lat
from imagery.core.reading import read_json
from planner.area import Area
from planner.formats.summary import read_request
from planner.shapes.projection import joined
from planner.site import Home
from planner.survey import Flight, SurveyPlan, SurveySpec

__all__ = ["SavedPlan", "features", "read", "write"]

GIVE = "the plan.geojson that `skyrelief plan` wrote, or its folder"


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan read back; what a SurveyPlan has too has the same name and meaning here, in an own local frame.

    Attributes: folder; summary: the content of summary.json; spec: the request, with the area less its no-fly zones, and these;
    homes: of the drones in turn; area, no_fly, flights: in metres of the frame.
    """

    folder: Path
    summary: dict[str, Any]
    spec: SurveySpec
    frame: LocalFrame
    homes: tuple[Home, ...]
    area: shapely.Geometry
    no_fly: shapely.Geometry
    flights: tuple[Flight, ...]

    @property
    def home(self) -> tuple[float, float]:
        """Longitude and latitude of the first home."""
        return self.homes[0].lon_lat

    @property
    def home_amsl_m(self) -> float:
        """Height of the first home's ground, nan where no elevation is known."""
        return self.homes[0].amsl_m

    def seen_from(self, flight: Flight) -> "SavedPlan":
        """The plan with the home of a flight, above which its heights are, as its only one."""
        return replace(self, homes=(flight.home_of(self.homes),))

    @property
    def trigger_m(self) -> float:
        """Distance between two photos of a line in metres."""
        return float(self.summary["trigger_m"])

    @property
    def spacing_m(self) -> float:
        """Distance between two lines in metres."""
        return float(self.summary["line_spacing_m"])

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to know before flying."""
        return tuple(self.summary["warnings"])


def write(plan: SurveyPlan, path: str | Path) -> None:
    """Write a plan. Third coordinates are above mean sea level; where no elevation is known they are above the home, the property
    `height_reference` says so, and every `height_amsl_m` is null.
    """
    text = ",\n".join(to_json(feature, indent=None) for feature in features(plan))
    write_text(path, f'{{"type": "FeatureCollection", "features": [\n{text}\n]}}\n')


def features(plan: SurveyPlan) -> list[dict[str, Any]]:
    """Every feature of a plan as GeoJSON objects, whose property `kind` says what it is."""
    found = [
        *_polygon_features(plan, plan.area, "area"),
        *_polygon_features(plan, plan.no_fly, "no_fly"),
        *_home_features(plan),
    ]
    for flight in plan.flights:
        found += _flight_features(plan.seen_from(flight), flight)
    return found


def read(path: str | Path) -> SavedPlan:
    """Read a plan from its plan.geojson and the summary.json beside it; `path` is the file or the folder of both.

    Places come back to a millimetre and heights to a centimetre; BadInputError where the files are not what `write` wrote.
    """
    path = Path(path)
    path = path / "plan.geojson" if path.is_dir() else path
    data, summary = read_json(path, GIVE), read_json(path.with_name("summary.json"), GIVE)
    try:
        return _saved(data["features"], summary, path.parent)
    except KeyError as error:
        raise BadInputError(f"{path}: is no plan, or a damaged one that lacks {str(error)[:40]}: give {GIVE}") from None
    except (TypeError, ValueError, IndexError, AttributeError, OverflowError, shapely.GEOSException):
        raise BadInputError(
            f"{path}: is no plan, or a damaged one with a value of the wrong kind: give {GIVE}"
        ) from None
    except BadInputError as error:
        raise BadInputError(f"{path}: {error}: give {GIVE}") from None


def _saved(features: list[dict[str, Any]], summary: dict[str, Any], folder: Path) -> SavedPlan:
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for feature in features:
        by_kind.setdefault(feature["properties"]["kind"], []).append(feature)
    if not all(kind in by_kind for kind in ("area", "home", "flight")):
        raise BadInputError("has no area, no home or no flight")
    if not {"trigger_m", "line_spacing_m", "warnings"} <= set(summary):
        raise BadInputError("its summary.json lacks figures of the plan")
    area, no_fly = _merged(by_kind["area"]), _merged(by_kind.get("no_fly", []))
    points = shapely.get_coordinates(area)
    frame = LocalFrame.around((points[:, 0] + 180) % 360 - 180, points[:, 1])  # an area may go on beyond 180
    homes = tuple(_home(feature, frame) for feature in by_kind["home"])
    of_flight: dict[int, list[dict[str, Any]]] = {}
    for feature in (*by_kind.get("line", []), *by_kind.get("photo", [])):
        of_flight.setdefault(int(feature["properties"]["flight"]), []).append(feature)
    request = summary["request"]
    return SavedPlan(
        folder=folder,
        summary=summary,
        spec=read_request(request, Area(str(request["area"]), area, homes[0].lon_lat), no_fly, homes),
        frame=frame,
        homes=homes,
        area=_to_metres(area, frame),
        no_fly=_to_metres(no_fly, frame),
        flights=tuple(
            _flight(feature, of_flight.get(int(feature["properties"]["flight"]), []), frame, homes)
            for feature in by_kind["flight"]
        ),
    )


def _home(feature: dict[str, Any], frame: LocalFrame) -> Home:
    lon, lat = (float(v) for v in feature["geometry"]["coordinates"][:2])
    check_lon_lat(lon, lat, "home")
    height = feature["properties"]["height_amsl_m"]
    xy = np.array([float(v) for v in frame.to_local(lon, lat)])
    return Home((lon, lat), xy, math.nan if height is None else float(height))


def _flight(feature: dict[str, Any], parts: list[dict[str, Any]], frame: LocalFrame, homes: tuple[Home, ...]) -> Flight:
    """A flight from its feature and those of its lines and photos."""
    properties, coordinates = feature["properties"], feature["geometry"]["coordinates"]
    number = int(properties["flight"])
    path = _local(coordinates, frame, np.asarray(properties["height_rel_m"], float))
    lines, start = [], 0
    for line in (part["geometry"]["coordinates"] for part in parts if part["properties"]["kind"] == "line"):
        while coordinates[start : start + len(line)] != line:
            start += 1
            if start >= len(coordinates):
                raise BadInputError(f"a line of flight {number} is not on its path")
        lines.append((start, start + len(line) - 1))
        start += len(line) - 1
    photos = [part for part in parts if part["properties"]["kind"] == "photo"]
    places = np.array([photo["geometry"]["coordinates"] for photo in photos], float).reshape(-1, 3)
    drone = int(properties["drone"])
    home_amsl_m = homes[(drone - 1) % len(homes)].amsl_m
    ground_m = home_amsl_m if math.isfinite(home_amsl_m) else 0.0
    return Flight(
        number=number,
        drone=drone,
        path=path,
        lines=np.array(lines, np.int64).reshape(-1, 2),
        photos=_local(places, frame, places[:, 2] - ground_m),
        course_deg=np.array([photo["properties"]["heading_deg"] for photo in photos], float),
        photo_agl_m=np.array([photo["properties"]["height_agl_m"] for photo in photos], float),
        cruise_s=float(properties["cruise_s"]),
        duration_s=float(properties["duration_s"]),
        yaw_deg=_angles(photos, "yaw_deg"),
        gimbal_pitch_deg=_angles(photos, "gimbal_pitch_deg") if _angles(photos, "yaw_deg") is not None else None,
    )


def _angles(photos: list[dict[str, Any]], name: str) -> NDArray[np.float64] | None:
    """An angle of each photo, or None where they do not name it."""
    named = bool(photos) and name in photos[0]["properties"]
    return np.array([photo["properties"][name] for photo in photos], float) if named else None


def _merged(features: list[dict[str, Any]]) -> shapely.Geometry:
    """The polygons of features as one geometry in longitude and latitude."""
    polygons = [shapely.geometry.shape(feature["geometry"]) for feature in features]
    points = shapely.get_coordinates(polygons)
    check_lon_lat(points[:, 0], points[:, 1], "polygons")
    return joined(polygons[0] if len(polygons) == 1 else shapely.MultiPolygon(polygons))


def _to_metres(geometry: shapely.Geometry, frame: LocalFrame) -> shapely.Geometry:
    return shapely.transform(geometry, lambda points: np.column_stack(frame.to_local(points[:, 0], points[:, 1])))


def _local(coordinates: Any, frame: LocalFrame, heights_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """n x 3 in metres from longitudes and latitudes, and heights above home."""
    lon_lat = np.asarray(coordinates, float).reshape(-1, 3)[:, :2]
    check_lon_lat(lon_lat[:, 0], lon_lat[:, 1], "a path or photo")
    return np.column_stack([*frame.to_local(lon_lat[:, 0], lon_lat[:, 1]), heights_m])


def _height_reference(plan: SurveyPlan) -> str:
    """What third coordinates are above: the sea where the home's height is known, otherwise the home itself."""
    return "mean sea level" if math.isfinite(plan.home_amsl_m) else "home"


def _home_features(plan: SurveyPlan) -> list[dict[str, Any]]:
    """The home, or where there are several that of each drone."""
    drones = range(1, plan.spec.drones + 1) if len(plan.homes) > 1 else [None]
    found = []
    for drone in drones:
        home = plan.homes[((drone or 1) - 1) % len(plan.homes)]
        found.append(
            _feature(
                {"type": "Point", "coordinates": [_degrees(v) for v in home.lon_lat]},
                kind="home",
                **({} if drone is None else {"drone": drone}),
                height_amsl_m=_known(home.amsl_m),
                height_reference=_height_reference(plan),
            )
        )
    return found


def _flight_features(plan: SurveyPlan, flight: Flight) -> list[dict[str, Any]]:
    ground = plan.home_amsl_m if math.isfinite(plan.home_amsl_m) else 0.0
    path = _lon_lat_height(plan, flight.path, ground)
    photos = _lon_lat_height(plan, flight.photos, ground)
    features = [
        _feature(
            {"type": "LineString", "coordinates": path},
            kind="flight",
            flight=flight.number,
            drone=flight.drone,
            duration_s=round(flight.duration_s, 1),
            cruise_s=round(flight.cruise_s, 1),
            photos=len(flight.photos),
            height_reference=_height_reference(plan),
            height_rel_m=[round(float(h), 2) for h in flight.path[:, 2]],
        )
    ]
    for first, last in flight.lines:
        features.append(
            _feature({"type": "LineString", "coordinates": path[first : last + 1]}, kind="line", flight=flight.number)
        )
    count = len(photos)
    pitch = np.full(count, -90.0) if flight.gimbal_pitch_deg is None else flight.gimbal_pitch_deg
    yaw = [{}] * count if flight.yaw_deg is None else [{"yaw_deg": round(float(v), 2) % 360} for v in flight.yaw_deg]
    for place, course, agl, down, turned in zip(photos, flight.course_deg, flight.photo_agl_m, pitch, yaw, strict=True):
        features.append(
            _feature(
                {"type": "Point", "coordinates": place},
                kind="photo",
                flight=flight.number,
                heading_deg=round(float(course), 2) % 360,
                gimbal_pitch_deg=round(float(down), 2),
                **turned,
                height_agl_m=round(float(agl), 2),
                height_amsl_m=place[2] if math.isfinite(plan.home_amsl_m) else None,
            )
        )
    return features


def _feature(geometry: dict[str, Any], **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def _polygon_features(plan: SurveyPlan, geometry: shapely.Geometry, kind: str) -> list[dict[str, Any]]:
    features = []
    for part in shapely.get_parts(geometry):
        lon_lat = shapely.transform(
            part, lambda points: np.column_stack(plan.frame.to_geographic(points[:, 0], points[:, 1]))
        )
        rings = [
            [[_degrees(v) for v in point[:2]] for point in ring.coords]
            for ring in (lon_lat.exterior, *lon_lat.interiors)
        ]
        features.append(_feature({"type": "Polygon", "coordinates": rings}, kind=kind))
    return features


def _lon_lat_height(plan: SurveyPlan, points: NDArray[np.float64], ground_m: float) -> list[list[float]]:
    lon, lat = plan.frame.to_geographic(points[:, 0], points[:, 1])
    return [
        [_degrees(a), _degrees(b), round(float(h) + ground_m, 2)]
        for a, b, h in zip(lon, lat, points[:, 2], strict=True)
    ]


def _degrees(value: float) -> float:
    return round(float(value), 8)


def _known(value: float) -> float | None:
    return round(value, 2) if math.isfinite(value) else None
