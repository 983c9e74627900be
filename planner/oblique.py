"""Plans around one building with the camera tilted, from what is asked to flights, proven by what the photos see of its walls."""

import math
from dataclasses import dataclass, replace

import numpy as np
import shapely
from numpy.typing import NDArray

from imagery.core.errors import BadInputError
from planner.concerns import SIGHT_M
from planner.coverage.paths import Free
from planner.coverage.shots import Shots
from planner.coverage.walls import wall_views
from planner.elevation import read_terrain
from planner.flight_time import flight_seconds
from planner.flights import Flight
from planner.mission import SAME_M
from planner.patterns.building import Row, facade_rows, levels_m, orbit_levels_m, orbit_rows
from planner.site import Home, Site, lay_out
from planner.spec import SurveySpec, check, pace
from planner.survey import SurveyPlan
from planner.timing import Motion, path_seconds

__all__ = ["plan_oblique"]

NEAREST_M = 5.0  # to a wall: less is not safe with the errors of a consumer GPS
SPEED_M_S = 4.0  # near walls
FARTHEST_STEP_DEG = 15.0  # between two photos of an orbit: more is hard to match
KEPT_SHARE = 0.8  # of the distance to the walls: kept by the ways between rows
HOME_BESIDE = 1.3  # of the distance to the walls: where nobody gives a home
LARGEST_BUILDING_M = 1000.0


@dataclass(frozen=True, slots=True)
class _Leg:
    """A row as flown: its vertices (n x 3, heights above home), aim, photos (m x 3) and the course at each (m)."""

    path: NDArray[np.float64]
    aim: NDArray[np.float64]
    photos: NDArray[np.float64]
    course_deg: NDArray[np.float64]


def plan_oblique(spec: SurveySpec) -> SurveyPlan:
    """The flights of an `orbit` or `facade` around the building that is the area; `spec.gsd_cm` is meant on the walls.

    The plan's `overlap` lies on the unrolled walls (see `planner.coverage.walls`). Raises BadInputError for what cannot be flown.
    """
    distance_m = spec.distance_m or spec.height_agl_m
    spec = replace(spec, gsd_cm=None, height_m=distance_m, speed_m_s=spec.speed_m_s or SPEED_M_S)
    check(spec)
    if len(spec.homes) > 1:
        raise BadInputError(f"the pattern {spec.pattern} is flown from one home: give a single --home")
    site = lay_out(spec.area, spec.no_fly, spec.clearance_m, spec.homes)
    footprint = _footprint(spec, site, distance_m)
    if site.assumed_home:
        site = _with_home_beside(site, footprint, distance_m)
    motion, slowed = pace(spec)
    ground_m, home_amsl_m = _ground(spec, site, footprint, distance_m)
    rows = _rows(spec, footprint, distance_m, site.home)
    width_m = spec.footprint_m[0]
    trigger_m = width_m * (1 - spec.front_overlap)
    if spec.pattern == "orbit":
        length = shapely.LineString(rows[0].places).length
        trigger_m = min(trigger_m, math.radians(FARTHEST_STEP_DEG) * distance_m)
        trigger_m = length / math.ceil(length / trigger_m)
    legs = [_leg(row, ground_m, trigger_m) for row in rows]
    kept = shapely.union(site.kept_clear, footprint.buffer(KEPT_SHARE * distance_m, quad_segs=3))
    ways = Free(
        kept, shapely.union_all([shapely.Point(site.home), *(shapely.LineString(leg.path[:, :2]) for leg in legs)])
    )
    _check_rows(spec, site, legs, kept, distance_m)
    flights = _flights(spec, site, legs, ways, motion, ground_m)
    shots = [_shots(flight, ground_m) for flight in flights]
    walls = Shots(np.concatenate([s.places for s in shots]), np.concatenate([s.rotations for s in shots]))
    overlap = wall_views(footprint, float(spec.building_height_m or 0.0), walls, spec.camera)
    warnings = [*spec.area.warnings, *slowed, *_concerns(spec, site, flights, distance_m)]
    if overlap.seen(1) < 1:
        warnings.append(f"{(1 - overlap.seen(1)) * 100:.1f} % of the walls are seen by no photo: give other --heights")
    return SurveyPlan(
        spec=spec,
        frame=site.frame,
        homes=(replace(site.homes[0], amsl_m=home_amsl_m),),
        area=site.area,
        no_fly=site.no_fly,
        motion=motion,
        trigger_m=trigger_m,
        spacing_m=spec.footprint_m[1] * (1 - spec.sidelap),
        flights=flights,
        terrain=None,
        heights=None,
        overlap=overlap,
        warnings=tuple(warnings),
    )


def _footprint(spec: SurveySpec, site: Site, distance_m: float) -> shapely.Polygon:
    parts = shapely.get_parts(site.area)
    if len(parts) != 1:
        raise BadInputError(f"{spec.area.name}: holds {len(parts)} polygons: {spec.pattern} flies around one building")
    footprint = shapely.Polygon(parts[0].exterior)
    if footprint.length > 4 * LARGEST_BUILDING_M:
        raise BadInputError(
            f"{spec.area.name}: {footprint.length:.0f} m around: {spec.pattern} flies around one building"
        )
    if spec.building_height_m is None or not 1 <= spec.building_height_m <= 1000:
        raise BadInputError(
            f"the pattern {spec.pattern} needs the building's height: give --building-height, 1 to 1000 m"
        )
    if distance_m < NEAREST_M:
        raise BadInputError(
            f"{distance_m:.1f} m from the walls is too near: give a --distance of {NEAREST_M:g} m or more, or a larger --gsd"
        )
    if spec.height_frame != "relative":
        raise BadInputError(f"the pattern {spec.pattern} flies at heights above home: leave the height frame out")
    if any(not 2 <= height <= 1000 for height in spec.heights_m):
        raise BadInputError("--heights: give heights above the ground of the building, 2 to 1000 m, as 15,25")
    return footprint


def _with_home_beside(site: Site, footprint: shapely.Polygon, distance_m: float) -> Site:
    """The site with a home beside the building, outside of the rows, where no zone keeps it out."""
    ring = footprint.buffer(HOME_BESIDE * distance_m, quad_segs=3).exterior.difference(site.kept_clear)
    if ring.is_empty:
        return site
    x, y = shapely.get_coordinates(ring)[0]
    lon, lat = site.frame.to_geographic(x, y)
    return replace(site, homes=(Home((float(lon), float(lat)), np.array([x, y])),))


def _ground(spec: SurveySpec, site: Site, footprint: shapely.Polygon, distance_m: float) -> tuple[float, float]:
    """Height of the building's ground above home, and of home above sea level (nan where no elevation is known)."""
    if not spec.dem:
        return 0.0, math.nan
    bounds = shapely.union(footprint, shapely.Point(site.home)).buffer(distance_m + 100).bounds
    terrain = read_terrain(spec.dem, site.frame, bounds)
    home_amsl_m = float(terrain.at(*site.home))
    corners = shapely.get_coordinates(footprint)
    return float(terrain.at(corners[:, 0], corners[:, 1]).mean()) - home_amsl_m, home_amsl_m


def _rows(spec: SurveySpec, footprint: shapely.Polygon, distance_m: float, home: NDArray[np.float64]) -> list[Row]:
    assert spec.building_height_m is not None
    building_m, (width_m, height_m) = spec.building_height_m, spec.footprint_m
    given = tuple(sorted(spec.heights_m, reverse=True))
    if spec.pattern == "facade":
        heights = given or levels_m(building_m, height_m, spec.sidelap)
        return facade_rows(footprint, distance_m, width_m, heights, home)
    to_middle_m = distance_m + math.sqrt(footprint.area / math.pi)
    heights = given or orbit_levels_m(building_m, distance_m, to_middle_m, height_m, spec.sidelap)
    return orbit_rows(footprint, distance_m, building_m, heights, home)


def _leg(row: Row, ground_m: float, trigger_m: float) -> _Leg:
    """A row with its photos: at its beginning, every `trigger_m`, and at its end."""
    steps = np.hypot(*np.diff(row.places, axis=0).T)
    along = np.r_[0.0, np.cumsum(steps)]
    at = np.unique(np.r_[np.arange(0.0, along[-1] - 0.5, trigger_m), along[-1]])
    height = row.height_m + ground_m
    photos = np.column_stack([np.interp(at, along, row.places[:, 0]), np.interp(at, along, row.places[:, 1])])
    piece = np.clip(np.searchsorted(along, at, side="right") - 1, 0, len(steps) - 1)
    course = np.degrees(np.arctan2(*np.diff(row.places, axis=0).T))[piece] % 360
    return _Leg(
        _at_height(row.places, height), np.add(row.aim, [0.0, 0.0, ground_m]), _at_height(photos, height), course
    )


def _at_height(places: NDArray[np.float64], height_m: float) -> NDArray[np.float64]:
    return np.column_stack([places, np.full(len(places), height_m)])


def _check_rows(spec: SurveySpec, site: Site, legs: list[_Leg], kept: shapely.Geometry, distance_m: float) -> None:
    if not legs:
        raise BadInputError(
            f"{spec.area.name}: no wall can be photographed from {distance_m:g} m: give another --distance"
        )
    if any(shapely.LineString(leg.path[:, :2]).intersects(site.kept_clear) for leg in legs):
        raise BadInputError(f"a no-fly zone is nearer to the building than {distance_m:.0f} m: give another --distance")
    if kept.contains(shapely.Point(site.home)):
        raise BadInputError(
            f"the home lies within {KEPT_SHARE * distance_m:.0f} m of the building: move it with --home"
        )


def _flights(
    spec: SurveySpec, site: Site, legs: list[_Leg], ways: Free, motion: Motion, ground_m: float
) -> tuple[Flight, ...]:
    """The rows in their order, begun at that nearest to home, in as few flights as the battery needs."""
    top_m = max(float(leg.path[0, 2]) for leg in legs)
    flights: list[Flight] = []
    chosen: list[_Leg] = []
    for leg in legs:
        trial = _flight(spec, site, [*chosen, leg], ways, motion, len(flights) + 1, ground_m, top_m)
        if trial.duration_s > spec.usable_s and chosen:
            flights.append(_flight(spec, site, chosen, ways, motion, len(flights) + 1, ground_m, top_m))
            chosen = []
        chosen.append(leg)
    flights.append(_flight(spec, site, chosen, ways, motion, len(flights) + 1, ground_m, top_m))
    longest = max(flight.duration_s for flight in flights)
    if longest > spec.usable_s:
        raise BadInputError(
            f"flights of {spec.usable_s / 60:.0f} minutes are too short: one round takes {longest / 60:.1f} minutes"
        )
    return tuple(flights)


def _flight(
    spec: SurveySpec,
    site: Site,
    legs: list[_Leg],
    ways: Free,
    motion: Motion,
    number: int,
    ground_m: float,
    top_m: float,
) -> Flight:
    """From home at the top row's height to the rows, and back at that height; between rows level, at the higher of the two."""
    pieces, lines, count = [_at_height(site.home[None], top_m)], [], 1
    for leg in legs:
        between = _between(pieces[-1][-1], leg.path[0], ways)
        pieces += [between, leg.path]
        lines.append((count + len(between), count + len(between) + len(leg.path) - 1))
        count += len(between) + len(leg.path)
    home = np.array([*site.home, top_m])
    pieces += [_between(pieces[-1][-1], home, ways), home[None]]
    path, photos = np.concatenate(pieces), np.concatenate([leg.photos for leg in legs])
    aims = np.concatenate([np.broadcast_to(leg.aim, leg.photos.shape) for leg in legs])
    look = aims - photos
    return Flight(
        number=number,
        drone=(number - 1) % spec.drones + 1,
        path=path,
        lines=np.array(lines),
        photos=photos,
        course_deg=np.concatenate([leg.course_deg for leg in legs]),
        photo_agl_m=photos[:, 2] - ground_m,
        cruise_s=path_seconds(path, motion),
        duration_s=flight_seconds(path, motion),
        yaw_deg=np.degrees(np.arctan2(look[:, 0], look[:, 1])) % 360,
        gimbal_pitch_deg=np.degrees(np.arctan2(look[:, 2], np.hypot(look[:, 0], look[:, 1]))),
        aims=np.array([leg.aim for leg in legs]),
    )


def _between(here: NDArray[np.float64], there: NDArray[np.float64], ways: Free) -> NDArray[np.float64]:
    """The vertices between two places, without them: up first, along the way at the greater height, down last."""
    way = ways.way(here[:2], there[:2])
    if way is None:
        raise BadInputError("no-fly zones enclose the building: it cannot be reached")
    high = max(here[2], there[2])
    corners = _at_height(way, high)
    away = np.minimum(np.abs(corners - here).max(axis=1), np.abs(corners - there).max(axis=1))
    return corners[away > SAME_M]


def _shots(flight: Flight, ground_m: float) -> Shots:
    assert flight.yaw_deg is not None and flight.gimbal_pitch_deg is not None
    places = flight.photos - [0, 0, ground_m]
    return Shots.of_gimbal(places, flight.yaw_deg, flight.gimbal_pitch_deg, 0.0)


def _concerns(spec: SurveySpec, site: Site, flights: tuple[Flight, ...], distance_m: float) -> list[str]:
    found = [
        f"only the building is known: look for trees, wires and other buildings within {distance_m:.0f} m of its walls"
        " and on the way there",
        f"a return by failsafe flies straight home: set RTL_ALT above {(spec.building_height_m or 0) + 10:.0f} m",
    ]
    if site.assumed_home:
        lon, lat = site.home_lon_lat
        found.append(f"no home given: taken beside the building, {lat:.6f},{lon:.6f}; choose with --home LAT,LON")
    farthest = max(float(np.hypot(*(flight.path[:, :2] - site.home).T).max()) for flight in flights)
    if farthest > SIGHT_M:
        found.append(f"up to {farthest:.0f} m from home: beyond visual line of sight (about {SIGHT_M:.0f} m)")
    if (
        steep := max(float(flight.gimbal_pitch_deg.max()) for flight in flights if flight.gimbal_pitch_deg is not None)
    ) > 0:
        found.append(f"the camera looks up by {steep:.0f} degrees: few gimbals do")
    return found
