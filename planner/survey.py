"""From what is asked (SurveySpec) to a plan (SurveyPlan): the planner's stages, readable in `plan_survey`."""

import math
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray

from imagery.core.camera import Camera
from imagery.core.errors import BadInputError
from imagery.core.frame import LocalFrame
from imagery.core.progress import SILENT, Progress
from planner.area import Area
from planner.coverage.choose import Choice, Task, as_given, choose, crossed, fastest
from planner.coverage.paths import Free, Ways
from planner.coverage.proof import Overlap, cells_of, count_views, line_photos
from planner.coverage.sweep import sweep
from planner.drone import Drone
from planner.elevation import read_terrain
from planner.flight_time import flight_seconds
from planner.ground import Heights, Request, height_concerns, heights_held, overlap_concerns, return_clearance_m
from planner.mission import item_count
from planner.patterns.corridor import corridor_lines
from planner.patterns.search import expanding_square, sector_search, side_angles
from planner.separation import APART_M, near_misses, raised_ways
from planner.site import Site, lay_out
from planner.sorties import ITEMS_A_LINE, Sortie, flights_cost, split
from planner.terrain import HeightLimits, Return, Terrain, follow, safe_return
from planner.timing import Motion, path_seconds

__all__ = ["HEIGHT_FRAMES", "PATTERNS", "Flight", "SurveyPlan", "SurveySpec", "plan_survey"]

HEIGHT_FRAMES = ("relative", "terrain")
PATTERNS = ("grid", "crosshatch", "corridor", "parallel", "creeping", "square", "sector", "orbit", "facade")
AROUND_A_BUILDING = ("orbit", "facade")
MOST_INSET = 1.1  # of the trigger distance: the last photo of a line still sees beyond the edge
LEGAL_HEIGHT_M = 120.0
SIGHT_M = 500.0
BLUR_SHUTTER_S = 1 / 1000
AROUND_M = 100.0  # of ground beyond everything that is flown
ITEMS_BESIDE = 16  # mission items of a flight beside those of its lines


@dataclass(frozen=True, slots=True)
class SurveySpec:
    """What is asked.

    Attributes: area; camera; drone; gsd_cm or height_m: one of them; front_overlap, sidelap: shares below 1; pattern; angle_deg:
    course of the lines clockwise from north, None for the fastest; home: (longitude, latitude), None for the area's own; no_fly:
    zones in longitude and latitude; clearance_m to them; margin_m: how far the ways between lines may leave the area; wind_m_s
    blowing from wind_from_deg; speed_m_s: None for the drone's; usable_s: seconds aloft per flight, infinite for one flight;
    drones: how many fly; dem: elevation files or folders, none for flat ground; height_frame: of missions, relative to home or
    above the vehicle's own terrain data; inset: whether lines may end a little inside the area's edge where the photos see
    enough beyond their ends; of an orbit and a facade: building_height_m; distance_m from the walls (instead of gsd_cm);
    heights_m: of the rounds, none for what is needed; of a search: sweep_width_m, None for what a photo sees across; searched:
    coverage factors of earlier searches of the same area.
    """

    area: Area
    camera: Camera
    drone: Drone
    gsd_cm: float | None = None
    height_m: float | None = None
    front_overlap: float = 0.75
    sidelap: float = 0.70
    pattern: str = "grid"
    angle_deg: float | None = None
    home: tuple[float, float] | None = None
    no_fly: shapely.Geometry = field(default_factory=shapely.MultiPolygon)
    clearance_m: float = 10.0
    margin_m: float = 0.0
    wind_m_s: float = 0.0
    wind_from_deg: float = 0.0
    speed_m_s: float | None = None
    usable_s: float = math.inf
    drones: int = 1
    dem: tuple[Path, ...] = ()
    height_frame: str = "relative"
    inset: bool = True
    building_height_m: float | None = None
    distance_m: float | None = None
    heights_m: tuple[float, ...] = ()
    sweep_width_m: float | None = None
    searched: tuple[float, ...] = ()

    @property
    def height_agl_m(self) -> float:
        """Height above ground in metres."""
        if self.height_m is not None:
            return self.height_m
        return self.camera.height_for_gsd((2.0 if self.gsd_cm is None else self.gsd_cm) / 100)

    @property
    def footprint_m(self) -> tuple[float, float]:
        """What a photo sees across and along the course, in metres."""
        return self.camera.footprint_m(self.height_agl_m)


@dataclass(frozen=True, slots=True)
class Flight:
    """One flight from home to home.

    Attributes: number, from 1; drone, from 1; path: n x 3: east, north, height above home in metres, first and last at home;
    lines: m x 2, the vertices of the path at which each photographed line begins and ends; photos: k x 3 on the path;
    course_deg: k, clockwise from north; photo_agl_m: k, height above ground; cruise_s: from home to home at height, as
    planners are compared; duration_s: as flown, with take-off and landing; homeward: what straight ways home need, None where
    the ground is not known. Where the camera does not look straight down: yaw_deg, gimbal_pitch_deg: k, of the camera; aims:
    m x 3, what it looks at on each line, heights above home.
    """

    number: int
    drone: int
    path: NDArray[np.float64]
    lines: NDArray[np.int64]
    photos: NDArray[np.float64]
    course_deg: NDArray[np.float64]
    photo_agl_m: NDArray[np.float64]
    cruise_s: float
    duration_s: float
    homeward: Return | None = None
    yaw_deg: NDArray[np.float64] | None = None
    gimbal_pitch_deg: NDArray[np.float64] | None = None
    aims: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True)
class SurveyPlan:
    """A plan: flights in a local frame (metres), what they see, and what to know before flying.

    Attributes: home: (longitude, latitude); home_amsl_m: ground there, nan where no elevation is known; area, no_fly: in metres;
    terrain, heights: the ground and what the flights hold above it, None where no elevation is known.
    """

    spec: SurveySpec
    frame: LocalFrame
    home: tuple[float, float]
    home_amsl_m: float
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
        spec.home,
        margin_m=spec.margin_m,
        swath_m=spec.footprint_m[0],
    )
    terrain = read_terrain(spec.dem, site.frame, _surroundings(site)) if spec.dem else None
    home_amsl_m = math.nan if terrain is None else float(terrain.at(*site.home))
    motion, slowed = pace(spec)
    task = task_of(spec, site, motion)
    overhead_s = motion.take_off_and_land_s(spec.height_agl_m)
    choice = cover(spec, site, task, overhead_s, progress) if lines is None else fastest(task, lines)
    flights = fly_all(spec, task, choice, overhead_s, terrain)
    overlap = prove(spec, site.area, flights, terrain, home_amsl_m)
    if earlier is not None:
        overlap = replace(overlap, views=overlap.views + earlier)
    heights = None
    if terrain is not None:
        paths, returns = zip(*((flight.path, flight.homeward) for flight in flights), strict=True)
        heights = heights_held(paths, returns, terrain, home_amsl_m, spec.height_agl_m)
    found = concerns(spec, site, flights, overlap, terrain, heights) + encounters(spec, flights, motion)
    warnings = (*spec.area.warnings, *site.warnings, *slowed, *found)
    return SurveyPlan(
        spec=spec,
        frame=site.frame,
        home=site.home_lon_lat,
        home_amsl_m=home_amsl_m,
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


def check(spec: SurveySpec) -> None:
    """Raise BadInputError for a value that no plan can be made with."""

    def require(fine: bool, what: str, instead: str) -> None:
        if not fine:
            raise BadInputError(f"{what} is not possible: give {instead}")

    gsd, height, speed = spec.gsd_cm, spec.height_m, spec.speed_m_s
    require(
        gsd is None or 0.05 <= gsd <= 200, f"a ground sampling distance of {gsd} cm", "0.05 to 200, usually 1 to 10"
    )
    require(height is None or height > 0, f"a height of {height} m", "metres above ground, usually 30 to 120")
    camera, agl = spec.camera, spec.height_agl_m
    flying = f"flying {agl:.1f} m above ground ({camera.gsd_m(agl) * 100:.2g} cm with {camera.id})"
    require(2 <= agl <= 5000, flying, "another ground sampling distance or camera, for 2 to 5000 m")
    require(
        0 <= spec.front_overlap <= 0.95, f"a front overlap of {spec.front_overlap * 100:g} %", "0 to 95, usually 75/70"
    )
    require(0 <= spec.sidelap <= 0.95, f"a sidelap of {spec.sidelap * 100:g} %", "0 to 95, usually 75/70")
    require(spec.pattern in PATTERNS, f"the pattern {spec.pattern!r}", f"one of {', '.join(PATTERNS)}")
    require(spec.height_frame in HEIGHT_FRAMES, f"the frame {spec.height_frame!r}", " or ".join(HEIGHT_FRAMES))
    require(speed is None or 0.1 <= speed <= 100, f"a speed of {speed} m/s", f"0.1 to {spec.drone.max_speed_m_s:g}")
    require(0 <= spec.clearance_m <= 10_000, f"a clearance of {spec.clearance_m:g} m", "0 or more metres")
    require(0 <= spec.margin_m <= 10_000, f"a margin of {spec.margin_m:g} m", "0 or more metres")
    require(0 <= spec.wind_m_s < 60, f"a wind of {spec.wind_m_s:g} m/s", "0 to 60")
    require(spec.usable_s > 0, f"an endurance of {spec.usable_s / 60:g} minutes", "minutes above 0, or none")
    width = spec.sweep_width_m
    require(width is None or 0 < width <= 10_000, f"a sweep width of {width} m", "metres above 0")
    require(
        all(0 < c <= 100 for c in spec.searched),
        f"earlier coverage {spec.searched}",
        "coverage factors above 0, as 0.8,1",
    )
    require(1 <= spec.drones <= 100, f"a fleet of {spec.drones} drones", "1 to 100")


def pace(spec: SurveySpec) -> tuple[Motion, list[str]]:
    """How fast to fly, and what limited it."""
    drone, warnings = spec.drone, []
    asked = spec.speed_m_s if spec.speed_m_s is not None else drone.speed_m_s
    trigger_m = spec.footprint_m[1] * (1 - spec.front_overlap)
    by_camera = trigger_m / spec.camera.min_interval_s
    speed = min(asked, drone.max_speed_m_s, by_camera)
    if speed < asked and speed == by_camera:
        warnings.append(
            f"{spec.camera.id} takes a photo every {spec.camera.min_interval_s:g} s at the soonest, and one is needed every"
            f" {trigger_m:.1f} m: planned with {speed:.1f} m/s instead of {asked:g}"
        )
    elif speed < asked:
        warnings.append(f"{drone.name} flies at most {speed:g} m/s: planned with that instead of {asked:g}")
    if speed * BLUR_SHUTTER_S > spec.camera.gsd_m(spec.height_agl_m):
        warnings.append(
            f"at {speed:.1f} m/s photos blur over a pixel and more unless the shutter is faster than 1/1000 s"
        )
    if spec.wind_m_s > drone.wind_limit_m_s:
        warnings.append(
            f"a wind of {spec.wind_m_s:g} m/s is above the limit of {drone.name}, {drone.wind_limit_m_s:g} m/s"
        )
    toward = math.radians(spec.wind_from_deg + 180)
    motion = Motion(
        speed_m_s=speed,
        acceleration_m_s2=drone.acceleration_m_s2,
        max_airspeed_m_s=drone.max_speed_m_s,
        climb_m_s=drone.climb_m_s,
        descent_m_s=drone.descent_m_s,
        wind_east_m_s=spec.wind_m_s * math.sin(toward),
        wind_north_m_s=spec.wind_m_s * math.cos(toward),
    )
    return motion, warnings


def task_of(spec: SurveySpec, site: Site, motion: Motion) -> Task:
    """What is asked of the coverage stages, in metres."""
    width_m, height_m = spec.footprint_m
    trigger_m = height_m * (1 - spec.front_overlap)
    return Task(
        area=site.area,
        region=site.region,
        home=site.home,
        inside=Ways(site.between),
        outside=Free(site.kept_clear, shapely.union(site.area, shapely.Point(site.home))),
        motion=motion,
        spacing_m=width_m * (1 - spec.sidelap),
        trigger_m=trigger_m,
        width_m=width_m,
        height_m=height_m,
        most_inset_m=trigger_m * MOST_INSET if spec.inset else 0.0,
        angles=() if spec.angle_deg is None else ((90 - spec.angle_deg) % 180,),
        one_angle=spec.pattern != "grid",
    )


def cover(spec: SurveySpec, site: Site, task: Task, overhead_s: float, progress: Progress) -> Choice:
    """The lines of the pattern in their order."""
    middle = shapely.get_coordinates(task.area.centroid)[0]
    course_deg = spec.angle_deg or 0.0
    match spec.pattern:
        case "corridor":
            return fastest(task, corridor_lines(_axis(spec, site), spec.area.width_m, task.spacing_m))
        case "parallel" | "creeping":
            longer, shorter = side_angles(task.area)
            along = task.angles[0] if task.angles else longer if spec.pattern == "parallel" else shorter
            return fastest(task, sweep(task.region, along, task.spacing_m).lines)
        case "square":
            return as_given(task, expanding_square(middle, task.spacing_m, _reach(task, middle), course_deg))
        case "sector":
            return as_given(task, sector_search(middle, _reach(task, middle), course_deg))
        case "crosshatch":
            return crossed(task, choose(task, progress))
        case _ if math.isinf(spec.usable_s):
            return choose(task, progress)
        case _:
            return choose(task, progress, lambda choice: flights_cost(task, choice, spec.usable_s, overhead_s))


def fly_all(
    spec: SurveySpec, task: Task, choice: Choice, overhead_s: float, terrain: Terrain | None
) -> tuple[Flight, ...]:
    """The choice cut into flights, none of them longer than usable or with more mission items than the drone holds.

    The waypoints that the terrain needs on the lines are known beforehand; those on the ways from and to home, and the seconds
    that climbing takes, only when a flight is laid over it: as long as one flight has too many, the flights are cut anew for so
    many fewer. The flights of one drone follow one another in the order of the lines, so that drones work side by side.
    """
    most = allowed = spec.drone.max_items
    usable_s = spec.usable_s
    line_items = ITEMS_A_LINE + _waypoints_within(spec, task, choice, terrain)
    while allowed > line_items.max() + ITEMS_BESIDE:
        sorties = split(task, choice, usable_s, overhead_s, allowed, spec.drones, line_items)
        flights = tuple(
            fly(spec, task, sortie, number, (number - 1) * spec.drones // len(sorties) + 1, terrain)
            for number, sortie in enumerate(sorties, 1)
        )
        worst = max(item_count(flight, task.motion) for flight in flights)
        longest_s = max(flight.duration_s for flight in flights)
        if worst <= most and longest_s <= spec.usable_s + 0.5:
            return flights if terrain is None else tuple(_homeward(spec, flight, terrain) for flight in flights)
        if worst > most:
            allowed = min(allowed - 1, int(allowed * most / worst))
        if longest_s > spec.usable_s:
            usable_s *= spec.usable_s / longest_s * 0.999
    raise BadInputError(
        f"following the ground takes more waypoints on one line than the {most} mission items that {spec.drone.name} holds:"
        " plan a smaller area, or higher"
    )


def fly(spec: SurveySpec, task: Task, sortie: Sortie, number: int, drone: int, terrain: Terrain | None) -> Flight:
    """A sortie as a path with heights and photos; of several drones, each has its ways from and to home at its own height."""
    motion, agl = task.motion, spec.height_agl_m
    flat, ends = _vertices(sortie)
    home_amsl_m = 0.0
    if terrain is None:
        path, former = np.column_stack([flat, np.full(len(flat), agl)]), np.arange(len(flat))
    else:
        home_amsl_m = float(terrain.at(*task.home))
        path, former = follow(flat, terrain, home_amsl_m, _limits(agl, motion))
    points, of_line = line_photos(sortie.lines, task.trigger_m)
    photos = np.column_stack([points, _heights_on(path, former[ends], points, of_line)])
    ground = np.zeros(len(points)) if terrain is None else terrain.at(points[:, 0], points[:, 1]) - home_amsl_m
    courses, lines = sortie.lines[:, 1] - sortie.lines[:, 0], former[ends]
    if spec.drones > 1:
        path, lines = raised_ways(path, lines, drone * APART_M)
    return Flight(
        number=number,
        drone=drone,
        path=path,
        lines=lines,
        photos=photos,
        course_deg=np.degrees(np.arctan2(courses[:, 0], courses[:, 1]))[of_line] % 360,
        photo_agl_m=photos[:, 2] - ground,
        cruise_s=path_seconds(path, motion),
        duration_s=flight_seconds(path, motion),
    )


def prove(
    spec: SurveySpec, area: shapely.Geometry, flights: tuple[Flight, ...], terrain: Terrain | None, home_amsl_m: float
) -> Overlap:
    """How many photos see each cell of the area, over the terrain where it is known."""
    photos = np.concatenate([flight.photos for flight in flights])
    course = np.radians(np.concatenate([flight.course_deg for flight in flights]))
    cells = cells_of(area)
    ground = 0.0 if terrain is None else terrain.at(*cells.centres()) - home_amsl_m
    agl, (width_m, height_m) = spec.height_agl_m, spec.footprint_m
    unit = np.column_stack([np.sin(course), np.cos(course)])
    return count_views(cells, photos, unit, (width_m / agl, height_m / agl), ground)


def concerns(
    spec: SurveySpec,
    site: Site,
    flights: tuple[Flight, ...],
    overlap: Overlap,
    terrain: Terrain | None,
    heights: Heights | None,
) -> list[str]:
    """What the operator should know before flying this plan."""
    found = []
    lon, lat = site.home_lon_lat
    if math.isinf(spec.usable_s) and len(flights) > spec.drones:
        found.append(f"cut into {len(flights)} flights: {spec.drone.name} holds {spec.drone.max_items} mission items")
    if site.assumed_home:
        found.append(f"no home given: taken at the area's edge, {lat:.6f},{lon:.6f}; choose with --home LAT,LON")
    request = Request(
        spec.height_agl_m,
        spec.front_overlap,
        spec.sidelap,
        spec.footprint_m,
        spec.camera.gsd_m(spec.height_agl_m) * 100,
    )
    found += height_concerns(request, terrain, heights, site.named)
    if spec.height_frame == "terrain":
        found.append(
            "heights are above the ground that the vehicle knows: it needs TERRAIN_ENABLE 1, and a ground station that serves"
            " elevation before arming; set RTL_ALT_TYPE 1 to return above it too"
        )
    found += overlap_concerns(request, overlap, site.area, site.named)
    agl = max(float(flight.photo_agl_m.max()) for flight in flights)
    if agl > LEGAL_HEIGHT_M:
        found.append(f"{agl:.0f} m above ground is more than the {LEGAL_HEIGHT_M:.0f} m that most countries allow")
    farthest = max(float(np.hypot(*(flight.path[:, :2] - site.home).T).max()) for flight in flights)
    if farthest > SIGHT_M:
        found.append(f"up to {farthest:.0f} m from home: beyond visual line of sight (about {SIGHT_M:.0f} m)")
    longest = max(flight.duration_s for flight in flights)
    if math.isinf(spec.usable_s) and longest > spec.drone.usable_s:
        battery = f"a battery of {spec.drone.name} {spec.drone.usable_s / 60:.0f} min with its reserve"
        found.append(f"the flight takes {longest / 60:.0f} min, {battery}: leave --endurance none out")
    return found


def encounters(spec: SurveySpec, flights: tuple[Flight, ...], motion: Motion) -> list[str]:
    """Which drones come too near each other, where the first flights of all take off together, then the second ones."""
    each = [[flight for flight in flights if flight.drone == drone] for drone in range(1, spec.drones + 1)]
    found = []
    for together in zip_longest(*each):
        flown = [flight for flight in together if flight is not None]
        for first, second, after_s in near_misses([flight.path for flight in flown], motion):
            found.append(
                f"flights {flown[first].number} and {flown[second].number} come near each other at the same height"
                f" {after_s / 60:.0f} min after taking off together: let one take off some minutes later"
            )
    return found


def _waypoints_within(spec: SurveySpec, task: Task, choice: Choice, terrain: Terrain | None) -> NDArray[np.int64]:
    """How many waypoints the terrain needs on each line and on the way to the next, were they flown in one go."""
    if terrain is None:
        return np.zeros(len(choice.lines), np.int64)
    flat, ends = _vertices(Sortie(choice.lines, choice.order.ways))
    _, former = follow(flat, terrain, 0.0, _limits(spec.height_agl_m, task.motion))
    upto = np.r_[former[ends[1:, 0]], former[ends[-1, 1]]]
    return np.asarray(upto - former[ends[:, 0]] - 1)


def _homeward(spec: SurveySpec, flight: Flight, terrain: Terrain) -> Flight:
    """The flight with what its straight ways home need."""
    home_amsl_m, clearance_m = float(terrain.at(*flight.path[0, :2])), return_clearance_m(spec.height_agl_m)
    return replace(flight, homeward=safe_return(flight.path, terrain, home_amsl_m, clearance_m))


def _limits(agl_m: float, motion: Motion) -> HeightLimits:
    return HeightLimits.of(agl_m, motion.climb_m_s, motion.descent_m_s, motion.speed_m_s)


def _axis(spec: SurveySpec, site: Site) -> shapely.Geometry:
    if spec.area.axis is None:
        raise BadInputError(
            f"the pattern corridor follows a line, and {spec.area.name} is an area: give a file with a line"
        )
    return site.to_metres(spec.area.axis)


def _reach(task: Task, middle: NDArray[np.float64]) -> float:
    """Metres from the middle to the farthest corner of the area."""
    return float(np.hypot(*(shapely.get_coordinates(task.area) - middle).T).max())


def _vertices(sortie: Sortie) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The path (n x 2) and the vertices at which each line begins and ends (m x 2)."""
    vertices, ends = [sortie.ways[0][0]], []
    for line, way in zip(sortie.lines, sortie.ways[:-1], strict=True):
        vertices += [*way[1:-1], line[0], line[1]]
        ends.append((len(vertices) - 2, len(vertices) - 1))
    vertices += list(sortie.ways[-1][1:])
    return np.array(vertices), np.array(ends)


def _heights_on(
    path: NDArray[np.float64], ends: NDArray[np.int64], points: NDArray[np.float64], of_line: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The path's height at points on its lines."""
    heights = np.empty(len(points))
    for line, (first, last) in enumerate(ends):
        on = of_line == line
        stretch = path[first : last + 1]
        along = np.hypot(*(stretch[:, :2] - stretch[0, :2]).T)
        heights[on] = np.interp(np.hypot(*(points[on] - stretch[0, :2]).T), along, stretch[:, 2])
    return heights


def _surroundings(site: Site) -> tuple[float, float, float, float]:
    """Wherever a flight may go: the area, the home, and around the no-fly zones between them."""
    reach = shapely.union(site.area, shapely.Point(site.home)).envelope
    zones = [zone for zone in shapely.get_parts(site.kept_clear) if zone.intersects(reach)]
    west, south, east, north = shapely.union_all([reach, *zones]).bounds
    return west - AROUND_M, south - AROUND_M, east + AROUND_M, north + AROUND_M
