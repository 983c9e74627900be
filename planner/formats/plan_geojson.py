"""`plan.geojson`: area, no-fly zones, home, lines, flights and photos of a plan; and what `summary.json` says of it."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import shapely
import shapely.geometry
from numpy.typing import NDArray

from imagery.core.files import to_json, write_text
from planner.patterns.search import probability_of_detection
from planner.survey import Flight, SurveyPlan

__all__ = ["features", "summary", "write"]

SEARCHES = ("parallel", "creeping", "square", "sector")


def write(plan: SurveyPlan, path: str | Path) -> None:
    """Write a plan; heights above mean sea level count the home as 0 m where no elevation is known."""
    text = ",\n".join(to_json(feature, indent=None) for feature in features(plan))
    write_text(path, f'{{"type": "FeatureCollection", "features": [\n{text}\n]}}\n')


def features(plan: SurveyPlan) -> list[dict[str, Any]]:
    """Every feature of a plan as GeoJSON objects, whose property `kind` says what it is."""
    home = {"type": "Point", "coordinates": [_degrees(v) for v in plan.home]}
    found = [
        *_polygon_features(plan, plan.area, "area"),
        *_polygon_features(plan, plan.no_fly, "no_fly"),
        _feature(home, kind="home", height_amsl_m=_known(plan.home_amsl_m)),
    ]
    for flight in plan.flights:
        found += _flight_features(plan, flight)
    return found


def summary(plan: SurveyPlan) -> dict[str, Any]:
    """The figures of a plan. Overlaps and shares of the area are in percent; `seen1`: seen by at least one photo."""
    spec, flights = plan.spec, plan.flights
    overlap = plan.overlap
    return {
        "area_m2": round(plan.area.area, 1),
        "flights": len(flights),
        "photos": sum(len(flight.photos) for flight in flights),
        "lines": sum(len(flight.lines) for flight in flights),
        "length_m": round(sum(_length(flight.path) for flight in flights), 1),
        "duration_s": round(sum(flight.duration_s for flight in flights), 1),
        "cruise_s": round(sum(flight.cruise_s for flight in flights), 1),
        "longest_flight_s": round(max(flight.duration_s for flight in flights), 1),
        "gsd_cm": round(spec.camera.gsd_m(spec.height_agl_m) * 100, 3),
        "height_agl_m": round(spec.height_agl_m, 2),
        "speed_m_s": round(plan.motion.speed_m_s, 2),
        "front_overlap": round(spec.front_overlap * 100, 2),
        "sidelap": round(spec.sidelap * 100, 2),
        "trigger_m": round(plan.trigger_m, 2),
        "line_spacing_m": round(plan.spacing_m, 2),
        "seen1": round(overlap.seen(1) * 100, 3),
        "seen5": round(overlap.seen(5) * 100, 3),
        "views": {
            "cell_m": overlap.cells.cell_m,
            "least": int(overlap.views[overlap.cells.inside].min()),
            "median": float(np.median(overlap.views[overlap.cells.inside])),
        },
        "home": {"lat": plan.home[1], "lon": plan.home[0], "height_amsl_m": _known(plan.home_amsl_m)},
        **_search(plan),
        "warnings": list(plan.warnings),
        "request": {
            "area": spec.area.name,
            "camera": spec.camera.id,
            "drone": spec.drone.id,
            "gsd_cm": spec.gsd_cm,
            "height_m": spec.height_m,
            "overlap": f"{spec.front_overlap * 100:g}/{spec.sidelap * 100:g}",
            "pattern": spec.pattern,
            "angle_deg": spec.angle_deg,
            "clearance_m": spec.clearance_m,
            "dem": spec.dem,
            "wind_m_s": spec.wind_m_s,
            "wind_from_deg": spec.wind_from_deg,
            "speed_m_s": spec.speed_m_s,
            "endurance_min": None if math.isinf(spec.usable_s) else round(spec.usable_s / 60, 2),
            "drones": spec.drones,
        },
    }


def _search(plan: SurveyPlan) -> dict[str, Any]:
    """What a search pattern is worth; nothing for surveys."""
    if plan.spec.pattern not in SEARCHES:
        return {}
    coverage, probability = probability_of_detection(plan.spec.footprint_m[0], plan.spacing_m)
    return {"search": {"coverage_factor": round(coverage, 3), "probability_of_detection": round(probability, 3)}}


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
            height_rel_m=[round(float(h), 2) for h in flight.path[:, 2]],
        )
    ]
    for first, last in flight.lines:
        features.append(
            _feature({"type": "LineString", "coordinates": path[first : last + 1]}, kind="line", flight=flight.number)
        )
    for place, course, agl in zip(photos, flight.course_deg, flight.photo_agl_m, strict=True):
        features.append(
            _feature(
                {"type": "Point", "coordinates": place},
                kind="photo",
                flight=flight.number,
                heading_deg=round(float(course), 2) % 360,
                gimbal_pitch_deg=-90,
                height_agl_m=round(float(agl), 2),
                height_amsl_m=place[2],
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


def _length(path: NDArray[np.float64]) -> float:
    return float(np.hypot(*np.diff(path[:, :2], axis=0).T).sum())


def _known(value: float) -> float | None:
    return round(value, 2) if math.isfinite(value) else None
