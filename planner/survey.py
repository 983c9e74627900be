"""From what is asked (SurveySpec) to a plan (SurveyPlan): the planner's stages, readable in `plan_survey`."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely
from numpy.typing import NDArray

from imagery.core.errors import BadInputError
from imagery.core.frame import LocalFrame
from imagery.core.progress import SILENT, Progress
from planner.concerns import concerns
from planner.coverage.choose import Choice, Task, as_given, choose, fastest
from planner.coverage.crosshatch import crossed
from planner.coverage.paths import Free, Ways
from planner.coverage.proof import Overlap, cells_of, count_views
from planner.coverage.sweep import sweep
from planner.elevation import read_terrain
from planner.flights import Flight, bases_of, fly_all
from planner.ground import Heights, heights_held
from planner.patterns.corridor import cover_corridor
from planner.patterns.search import expanding_square, sector_search, side_angles
from planner.site import Home, Site, lay_out
from planner.sorties import Base, flights_cost
from planner.spec import SurveySpec, check, pace
from planner.terrain import Terrain
from planner.timing import Motion

__all__ = ["Flight", "SurveyPlan", "SurveySpec", "plan_survey"]

AROUND_A_BUILDING = ("orbit", "facade")
MOST_INSET = 1.1  # of the trigger distance: the last photo of a line still sees beyond the edge
AROUND_M = 100.0  # of ground beyond everything that is flown


@dataclass(frozen=True, slots=True)
class SurveyPlan:
    """A plan: flights in a local frame (metres), what they see, and what to know before flying.

    Attributes: homes: of the drones in turn; area, no_fly: in metres; terrain, heights: the ground and what the flights hold
    above it, None where no elevation is known.
    """

    spec: SurveySpec
    frame: LocalFrame
    homes: tuple[Home, ...]
    area: shapely.Geometry
    no_fly: shapely.Geometry
    motion: Motion
    trigger_m: float
    spacing_m: float
    flights: tuple[Flight, ...]
    terrain: Terrain | None
    heights: Heights | None
    overlap: Overlap
    warnings: tuple[str, ...]

    @property
    def home(self) -> tuple[float, float]:
        """Longitude and latitude of the first home."""
        return self.homes[0].lon_lat

    @property
    def home_amsl_m(self) -> float:
        """Height of the first home's ground, nan where no elevation is known."""
        return self.homes[0].amsl_m

    def seen_from(self, flight: Flight) -> "SurveyPlan":
        """The plan with the home of a flight, above which its heights are, as its only one."""
        return replace(self, homes=(flight.home_of(self.homes),))


def plan_survey(
    spec: SurveySpec,
    progress: Progress = SILENT,
    *,
    lines: NDArray[np.float64] | None = None,
    earlier: NDArray[np.int64] | None = None,
) -> SurveyPlan:
    """The fastest complete and safe survey found, cut into flights.

    lines: n x 2 x 2, given lines to fly instead of a pattern's, in metres in the frame of the site; earlier: how many photos of
    earlier flights see each cell of `cells_of` the site's area, which are counted too.
    """
    if spec.pattern in AROUND_A_BUILDING:
        from planner.oblique import plan_oblique

        return plan_oblique(spec)
    check(spec)
    site = lay_out(
        spec.area,
        spec.no_fly,
        spec.clearance_m,
        spec.homes,
        margin_m=spec.margin_m,
        swath_m=spec.footprint_m[0],
    )
    terrain = read_terrain(spec.dem, site.frame, _surroundings(site)) if spec.dem else None
    homes = site.homes if terrain is None else tuple(_at_ground(home, terrain) for home in site.homes)
    motion, slowed = pace(spec)
    task = task_of(spec, site, motion)
    bases = bases_of(spec, homes, motion)
    choice = cover(spec, site, task, bases, progress) if lines is None else fastest(task, lines)
    flights = fly_all(spec, task, choice, bases, terrain)
    overlap = prove(spec, site.area, flights, terrain)
    if earlier is not None:
        overlap = replace(overlap, views=overlap.views + earlier)
    heights = None if terrain is None else _heights(spec, flights, terrain)
    found = concerns(spec, site, motion, flights, overlap, terrain, heights)
    warnings = (*spec.area.warnings, *site.warnings, *slowed, *found)
    return SurveyPlan(
        spec=spec,
        frame=site.frame,
        homes=homes,
        area=site.area,
        no_fly=site.no_fly,
        motion=motion,
        trigger_m=task.trigger_m,
        spacing_m=task.spacing_m,
        flights=flights,
        terrain=terrain,
        heights=heights,
        overlap=overlap,
        warnings=warnings,
    )


def task_of(spec: SurveySpec, site: Site, motion: Motion) -> Task:
    """What is asked of the coverage stages, in metres."""
    width_m, height_m = spec.footprint_m
    trigger_m = height_m * (1 - spec.front_overlap)
    return Task(
        area=site.area,
        region=site.region,
        home=site.home,
        inside=Ways(site.between),
        outside=Free(site.kept_clear, _reach_of(site)),
        motion=motion,
        spacing_m=width_m * (1 - spec.sidelap),
        trigger_m=trigger_m,
        width_m=width_m,
        height_m=height_m,
        most_inset_m=trigger_m * MOST_INSET if spec.inset else 0.0,
        angles=() if spec.angle_deg is None else ((90 - spec.angle_deg) % 180,),
        one_angle=spec.pattern not in ("grid", "corridor"),
    )


def cover(spec: SurveySpec, site: Site, task: Task, bases: Sequence[Base], progress: Progress) -> Choice:
    """The lines of the pattern in their order."""
    middle = _datum(spec, site)
    course_deg = spec.angle_deg or 0.0

    def cost(choice: Choice) -> float:
        one_flight = math.isinf(spec.usable_s) and spec.drones == 1
        return choice.seconds if one_flight else flights_cost(task, choice, spec.usable_s, bases)

    match spec.pattern:
        case "corridor":
            return cover_corridor(task, _axis(spec, site), spec.area.width_m, cost)
        case "parallel" | "creeping":
            longer, shorter = side_angles(task.area)
            along = task.angles[0] if task.angles else longer if spec.pattern == "parallel" else shorter
            return fastest(task, sweep(task.region, along, task.spacing_m).lines)
        case "square":
            return as_given(task, expanding_square(middle, task.spacing_m, _reach(task, middle), course_deg))
        case "sector":
            return as_given(task, sector_search(middle, _radius(spec, task, middle), course_deg))
        case "crosshatch":
            return crossed(task, choose(task, progress))
        case _:
            return choose(task, progress, cost)


def prove(spec: SurveySpec, area: shapely.Geometry, flights: tuple[Flight, ...], terrain: Terrain | None) -> Overlap:
    """How many photos see each cell of the area, over the terrain where it is known."""
    photos = np.concatenate(
        [np.column_stack([f.photos[:, :2], f.photos[:, 2] + f.home_amsl(terrain)]) for f in flights]
    )
    course = np.radians(np.concatenate([flight.course_deg for flight in flights]))
    cells = cells_of(area)
    ground = 0.0 if terrain is None else terrain.at(*cells.centres())
    agl, (width_m, height_m) = spec.height_agl_m, spec.footprint_m
    unit = np.column_stack([np.sin(course), np.cos(course)])
    return count_views(cells, photos, unit, (width_m / agl, height_m / agl), ground)


def _heights(spec: SurveySpec, flights: tuple[Flight, ...], terrain: Terrain) -> Heights:
    """What the flights really hold above the ground."""
    returns = [flight.homeward for flight in flights if flight.homeward is not None]
    return heights_held([flight.path for flight in flights], returns, terrain, spec.height_agl_m)


def _at_ground(home: Home, terrain: Terrain) -> Home:
    return replace(home, amsl_m=float(terrain.at(*home.xy)))


def _axis(spec: SurveySpec, site: Site) -> shapely.Geometry:
    if spec.area.axis is None:
        raise BadInputError(
            f"the pattern corridor follows a line, and {spec.area.name} is an area: give a file with a line"
        )
    return site.to_metres(spec.area.axis)


def _datum(spec: SurveySpec, site: Site) -> NDArray[np.float64]:
    """Where a square or sector search begins: the place last known, or the area's middle."""
    if spec.datum is None:
        return np.asarray(shapely.get_coordinates(site.area.centroid)[0])
    place = np.array([float(v) for v in site.frame.to_local(*spec.datum)])
    if not site.area.convex_hull.covers(shapely.Point(place)):
        raise BadInputError(
            f"the datum {spec.datum[1]:.6f},{spec.datum[0]:.6f} lies outside of {spec.area.name}: latitude comes first; a search"
            " begins within the area"
        )
    return place


def _reach(task: Task, middle: NDArray[np.float64]) -> float:
    """Metres from the middle to the farthest corner of the area."""
    return float(np.hypot(*(shapely.get_coordinates(task.area) - middle).T).max())


def _reach_of(site: Site) -> shapely.Geometry:
    """Everything that ways connect: the area and the homes."""
    return shapely.union_all([site.area, *(shapely.Point(home.xy) for home in site.homes)])


def _radius(spec: SurveySpec, task: Task, datum: NDArray[np.float64]) -> float:
    """The length of a sector search's legs: all equal, so they end at the circle around the datum that fits into the area."""
    edges = [part.exterior for part in shapely.get_parts(task.area)]
    radius_m = float(shapely.distance(shapely.Point(datum), shapely.union_all(edges)))
    if radius_m < task.spacing_m:
        raise BadInputError(
            f"{spec.area.name}: its edge is {radius_m:.0f} m from where the search begins: a sector search flies legs of one"
            " length around that place, so give a larger area around it, or another --datum"
        )
    return radius_m


def _surroundings(site: Site) -> tuple[float, float, float, float]:
    """Wherever a flight may go: the area, the homes, and around the no-fly zones between them."""
    reach = _reach_of(site).envelope
    zones = [zone for zone in shapely.get_parts(site.kept_clear) if zone.intersects(reach)]
    west, south, east, north = shapely.union_all([reach, *zones]).bounds
    return west - AROUND_M, south - AROUND_M, east + AROUND_M, north + AROUND_M
