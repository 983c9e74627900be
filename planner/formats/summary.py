"""`summary.json`: the figures of a plan, what to know before flying it, and the request that it answers."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from imagery.core.camera import Camera
from imagery.core.errors import BadInputError
from planner.area import Area
from planner.drone import Drone
from planner.ground import effective_overlap, views_asked
from planner.patterns.search import cumulative_probability, probability_of_detection
from planner.site import Home
from planner.survey import SurveyPlan, SurveySpec

__all__ = ["figures", "read_request"]

SEARCHES = ("parallel", "creeping", "square", "sector")


def figures(plan: SurveyPlan) -> dict[str, Any]:
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
        "views": _views(plan),
        "height_agl": _heights(plan),
        "home": {"lat": plan.home[1], "lon": plan.home[0], "height_amsl_m": _known(plan.home_amsl_m)},
        **_search(plan),
        "warnings": list(plan.warnings),
        "request": _request(spec),
    }


def read_request(request: dict[str, Any], area: Area, no_fly: Any, homes: Sequence[Home]) -> SurveySpec:
    """The request of a summary for an area, no-fly zones in longitude and latitude, and the homes of the drones in turn.

    Raises KeyError, TypeError, ValueError or BadInputError where it is not one that `figures` wrote.
    """
    front, side = (float(part) / 100 for part in request["overlap"].split("/"))
    minutes = request["endurance_min"]
    camera = request["camera_figures"]
    if not all(math.isfinite(camera[size]) and camera[size] > 0 for size in ("width_px", "height_px", "fx", "fy")):
        raise BadInputError(f"the camera {request['camera']} has no size or no focal length")
    return SurveySpec(
        area=area,
        camera=Camera(**{**camera, "models": tuple(camera["models"])}),
        drone=Drone(**request["drone_figures"]),
        gsd_cm=_number(request["gsd_cm"]),
        height_m=_number(request["height_m"]),
        front_overlap=front,
        sidelap=side,
        pattern=str(request["pattern"]),
        angle_deg=_number(request["angle_deg"]),
        homes=tuple(home.lon_lat for home in homes[: int(request["drones"])]),
        no_fly=no_fly,
        clearance_m=float(request["clearance_m"]),
        wind_m_s=float(request["wind_m_s"]),
        wind_from_deg=float(request["wind_from_deg"]),
        speed_m_s=_number(request["speed_m_s"]),
        usable_s=math.inf if minutes is None else float(minutes) * 60,
        drones=int(request["drones"]),
        dem=tuple(Path(path) for path in request["dem"]),
        height_frame=str(request["height_frame"]),
        building_height_m=_number(request["building_height_m"]),
        distance_m=_number(request["distance_m"]),
        heights_m=tuple(float(height) for height in request["heights_m"]),
        datum=None if request["datum"] is None else (float(request["datum"][0]), float(request["datum"][1])),
        sweep_width_m=_number(request["sweep_width_m"]),
        searched=tuple(float(coverage) for coverage in request["searched"]),
        shutter_s=_number(request.get("shutter_s")),
    )


def _request(spec: SurveySpec) -> dict[str, Any]:
    return {
        "area": spec.area.name,
        "camera": spec.camera.id,
        "camera_figures": asdict(spec.camera),
        "drone": spec.drone.id,
        "drone_figures": asdict(spec.drone),
        "gsd_cm": spec.gsd_cm,
        "height_m": spec.height_m,
        "overlap": f"{spec.front_overlap * 100:g}/{spec.sidelap * 100:g}",
        "pattern": spec.pattern,
        "angle_deg": spec.angle_deg,
        "clearance_m": spec.clearance_m,
        "dem": list(spec.dem),
        "height_frame": spec.height_frame,
        "wind_m_s": spec.wind_m_s,
        "wind_from_deg": spec.wind_from_deg,
        "speed_m_s": spec.speed_m_s,
        "endurance_min": None if math.isinf(spec.usable_s) else round(spec.usable_s / 60, 2),
        "drones": spec.drones,
        "building_height_m": spec.building_height_m,
        "distance_m": spec.distance_m,
        "heights_m": list(spec.heights_m),
        "datum": None if spec.datum is None else list(spec.datum),
        "sweep_width_m": spec.sweep_width_m,
        "searched": list(spec.searched),
        "shutter_s": spec.shutter_s,
    }


def _views(plan: SurveyPlan) -> dict[str, Any]:
    """How many photos see each cell of the area, how many that should be, and the overlap on the highest ground (percent)."""
    spec, overlap = plan.spec, plan.overlap
    views = overlap.views[overlap.cells.inside]
    asked = views_asked(spec.front_overlap, spec.sidelap)
    well_inside = plan.area.buffer(-max(spec.footprint_m) / 2)
    inner = overlap.views[overlap.cells.inside][shapely.contains_xy(well_inside, *overlap.cells.inside_centres())]
    high, *_ = overlap.nearest()
    return {
        "cell_m": overlap.cells.cell_m,
        "least": int(views.min()),
        "median": float(np.median(views)),
        "most": int(views.max()),
        "asked": asked,
        "below_asked": round(float((views < asked).mean()) * 100, 2),
        "below_asked_well_inside": round(float((inner < asked).mean()) * 100, 2) if len(inner) else None,
        "front_overlap_least": round(effective_overlap(spec.front_overlap, spec.height_agl_m, high) * 100, 2),
        "sidelap_least": round(effective_overlap(spec.sidelap, spec.height_agl_m, high) * 100, 2),
    }


def _heights(plan: SurveyPlan) -> dict[str, Any] | None:
    """Height above ground all along the flights, and how much of the way is within the tolerance (percent)."""
    held = plan.heights
    if held is None:
        return None
    return {
        "least_m": round(held.least_m, 2),
        "mean_m": round(held.mean_m, 2),
        "most_m": round(held.most_m, 2),
        "tolerance_m": round(held.tolerance_m, 2),
        "within_tolerance": round(held.held * 100, 2),
        "safe_return_rel_m": round(held.return_m, 1),
    }


def _search(plan: SurveyPlan) -> dict[str, Any]:
    """What a search pattern is worth over the whole area, what no photo sees included; nothing for surveys."""
    if plan.spec.pattern not in SEARCHES:
        return {}
    width_m = plan.spec.sweep_width_m or plan.spec.footprint_m[0]
    coverage, probability = probability_of_detection(width_m, plan.spacing_m)
    seen = plan.overlap.seen(1)
    found = {
        "sweep_width_m": round(width_m, 2),
        "coverage_factor": round(coverage, 3),
        "probability_of_detection": round(probability * seen, 3),
    }
    if plan.spec.searched:
        earlier = cumulative_probability(plan.spec.searched)
        found["cumulative_probability"] = round(1 - (1 - earlier) * (1 - probability * seen), 3)
    return {"search": found}


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def _length(path: Any) -> float:
    return float(np.hypot(*np.diff(path[:, :2], axis=0).T).sum())


def _known(value: float) -> float | None:
    return round(value, 2) if math.isfinite(value) else None
