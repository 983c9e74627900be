"""What a plan promised: every photo that was to be taken, and what was asked of the plan."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imagery.core.errors import BadInputError
from planner.coverage.shots import Shots
from planner.formats import plan_geojson
from planner.site import Site, lay_out
from planner.survey import SurveySpec

__all__ = ["PlannedSurvey", "read_planned"]

LOOKS_DOWN = ("grid", "crosshatch", "corridor", "parallel", "creeping", "square", "sector")
AT_EXIT_M = 0.1


@dataclass(frozen=True, slots=True)
class PlannedSurvey:
    """A plan in metres, in the frame of its site.

    Attributes: spec: what was asked; site; shots: every planned photo, heights above home; course_deg: n, of each; line: n,
    counts the photographed lines on which they lie; ground_m: n, height of the ground below each above the first home;
    home_amsl_m: nan where no elevation is known; home_rise_m: n, by how much the home of each photo's flight is higher.
    """

    spec: SurveySpec
    site: Site
    shots: Shots
    course_deg: NDArray[np.float64]
    line: NDArray[np.int64]
    ground_m: NDArray[np.float64]
    home_amsl_m: float
    home_rise_m: NDArray[np.float64]


def read_planned(path: Path, dem: tuple[Path, ...] = ()) -> PlannedSurvey:
    """The plan of a folder or of its plan.geojson; `dem` replaces the elevation that it was made with.

    Raises BadInputError for what is no plan, for one whose camera looks sideways, and where its elevation is not to be found.
    """
    saved = plan_geojson.read(path)
    spec = replace(saved.spec, dem=dem or saved.spec.dem)
    if spec.pattern not in LOOKS_DOWN:
        raise BadInputError(f"{path}: is an {spec.pattern} plan: gaps are found in surveys whose camera looks down")
    lost = [file for file in spec.dem if not file.exists()]
    if lost:
        raise BadInputError(f"{path}: was planned over {lost[0]}, which is not there: give the elevation with --dem")
    photos = np.concatenate([flight.photos for flight in saved.flights])
    if not len(photos):
        raise BadInputError(f"{path}: the plan has no photos")
    site = lay_out(spec.area, spec.no_fly, spec.clearance_m, spec.homes)
    flat = np.column_stack(site.frame.to_local(*saved.frame.to_geographic(photos[:, 0], photos[:, 1])))
    course = np.concatenate([flight.course_deg for flight in saved.flights])
    rises = [np.nan_to_num(flight.home_of(saved.homes).amsl_m - saved.home_amsl_m) for flight in saved.flights]
    rise = np.repeat(rises, [len(flight.photos) for flight in saved.flights])
    exits = np.concatenate([flight.path[flight.lines[:, 1], :2] for flight in saved.flights])
    return PlannedSurvey(
        spec=spec,
        site=site,
        shots=Shots.of_gimbal(np.column_stack([flat, photos[:, 2] + rise]), course, -90.0, 0.0),
        course_deg=course,
        line=_line_of(photos[:, :2], exits),
        ground_m=photos[:, 2] + rise - np.concatenate([flight.photo_agl_m for flight in saved.flights]),
        home_amsl_m=saved.home_amsl_m,
        home_rise_m=rise,
    )


def _line_of(photos: NDArray[np.float64], exits: NDArray[np.float64]) -> NDArray[np.int64]:
    """The line of each photo: both are in flying order, and the last photo of a line is at its exit."""
    found, at = np.empty(len(photos), np.int64), 0
    for number, place in enumerate(photos):
        found[number] = at
        if at + 1 < len(exits) and np.hypot(*(place - exits[at])) < AT_EXIT_M:
            at += 1
    return found
