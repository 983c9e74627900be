"""From a plan and the photos that were really taken to a plan that flies only what is missing, in the fewest seconds."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from imagery.core.camera import Camera
from imagery.core.progress import SILENT, Progress
from planner.app.planned import PlannedSurvey
from planner.coverage.gaps import TIE_WIDTH, WANTED, Shortage, find_gaps, fresh_lines, mending_lines
from planner.coverage.proof import Overlap, cells_of, line_photos
from planner.coverage.shots import Shots, sight, views
from planner.survey import SurveyPlan, plan_survey

__all__ = ["Refly", "refly"]


@dataclass(frozen=True, slots=True)
class Refly:
    """What was missed and how to mend it.

    Attributes: shortage; planned, flown: how many photos see each cell by the plan, and really; plan: the flights over what is
    missing, whose overlap counts the old photos too, or None where nothing is missing; reused: whether it flies stretches of
    the old plan's lines, or fresh ones across the gaps; left_m2: of the gaps that remain after it.
    """

    shortage: Shortage
    planned: Overlap
    flown: Overlap
    plan: SurveyPlan | None
    reused: bool = False
    left_m2: float = 0.0


def refly(
    planned: PlannedSurvey,
    taken: Shots,
    camera: Camera,
    *,
    wanted: int = WANTED,
    tolerance_m: float = 5.0,
    progress: Progress = SILENT,
) -> Refly:
    """Find the gaps that the photos `taken` (with `camera`) left in a plan, and plan the flights that close them.

    Stretches of the planned lines are compared with fresh lines across the gaps, along each gap's longer side and along the
    plan's course; the fastest that leaves no gap, by the same rule and counting the photos taken, is flown.
    """
    spec = planned.spec
    cells = cells_of(planned.site.area)
    ground = _ground(planned, *cells.centres())
    with progress.stage("what the photos see", 3, "counts") as advance:
        to_see = sight(cells, planned.shots, spec.camera, ground)
        advance(1)
        flown = views(cells, sight(cells, taken, camera, ground))
        advance(1)
        grown = views(cells, sight(cells, taken, camera, ground, tolerance_m))
        advance(1)
    promised = views(cells, to_see)
    shortage = find_gaps(cells, promised, flown, grown, spec.footprint_m, wanted)
    found = Refly(shortage, Overlap(cells, promised), Overlap(cells, flown), None)
    if not shortage.gaps:
        return found
    trials = {"planned": mending_lines(shortage, planned.shots.places[:, :2], planned.line, to_see)}
    for name, lines in _fresh(planned, shortage).items():
        places, line = line_photos(lines, _trigger_m(planned))
        seen = sight(cells, _level(planned, lines, places, line), spec.camera, ground)
        trials[name] = mending_lines(shortage, places, line, seen)
    plans = [
        (name, plan_survey(spec, progress, lines=lines, earlier=flown))
        for name, lines in trials.items()
        if lines is not None
    ]

    def left(plan: SurveyPlan) -> float:
        new = plan.overlap.views - flown
        return find_gaps(cells, promised, flown + new, grown + new, spec.footprint_m, wanted).area_m2

    def cost(trial: tuple[str, SurveyPlan]) -> tuple[float, int, float]:
        flights = trial[1].flights
        return left(trial[1]), len(flights), sum(flight.duration_s for flight in flights)

    name, plan = min(plans, key=cost)
    return replace(found, plan=plan, reused=name == "planned", left_m2=left(plan))


def _fresh(planned: PlannedSurvey, shortage: Shortage) -> dict[str, NDArray[np.float64]]:
    """Fresh lines across the gaps: along each gap, and all along the plan's most frequent course."""
    spec, courses = planned.spec, planned.course_deg % 180
    usual = float(courses[np.bincount(np.round(courses).astype(int)).argmax() == np.round(courses)][0])
    width_m, height_m = spec.footprint_m
    spacing_m, tie_m = width_m * (1 - spec.sidelap), TIE_WIDTH * min(width_m, height_m)
    region = planned.site.region
    found = {
        "along the gaps": fresh_lines(shortage, region, spacing_m, usual, tie_m, along=True),
        "along the plan": fresh_lines(shortage, region, spacing_m, usual, tie_m, along=False),
    }
    return {name: lines for name, lines in found.items() if len(lines)}


def _trigger_m(planned: PlannedSurvey) -> float:
    return planned.spec.footprint_m[1] * (1 - planned.spec.front_overlap)


def _level(
    planned: PlannedSurvey, lines: NDArray[np.float64], places: NDArray[np.float64], line: NDArray[np.int64]
) -> Shots:
    """Photos along lines at the plan's height above ground."""
    courses = lines[:, 1] - lines[:, 0]
    yaw = np.degrees(np.arctan2(courses[:, 0], courses[:, 1]))[line]
    height = _ground(planned, places[:, 0], places[:, 1]) + planned.spec.height_agl_m
    return Shots.of_gimbal(np.column_stack([places, height]), yaw, -90.0, 0.0)


def _ground(planned: PlannedSurvey, east: NDArray[np.float64], north: NDArray[np.float64]) -> NDArray[np.float64]:
    """The ground's height above home as the plan knew it: that below the nearest planned photo."""
    tree = cKDTree(planned.shots.places[:, :2])
    return np.asarray(planned.ground_m[tree.query(np.stack([east, north], axis=-1))[1]])
