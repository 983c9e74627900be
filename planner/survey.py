"""From what is asked (SurveySpec) to a plan (SurveyPlan): the planner's stages, readable in `plan_survey`."""

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray

from imagery.core.camera import Camera
from imagery.core.errors import BadInputError
from imagery.core.frame import LocalFrame
from imagery.core.progress import SILENT, Progress
from planner.area import Area
from planner.coverage.choose import Task, choose
from planner.coverage.paths import Free, Ways
from planner.coverage.proof import Overlap, cells_of, count_views, line_photos
from planner.drone import Drone
from planner.sorties import Sortie, split
from planner.timing import Motion, path_seconds

__all__ = ["Flight", "SurveyPlan", "SurveySpec", "plan_survey"]

MOST_INSET = 1.1  # of the trigger distance: the last photo of a line still sees beyond the edge
LEGAL_HEIGHT_M = 120.0
SAFE_EXTRA_M = 0.3  # beyond the clearance, against rounding
BLUR_SHUTTER_S = 1 / 1000
SIGHT_M = 500.0


@dataclass(frozen=True, slots=True)
class SurveySpec:
    """What is asked.

    Attributes: area; camera; drone; gsd_cm or height_m: one of them; front_overlap, sidelap: shares below 1; angle_deg: course of the
    lines clockwise from north, None for the fastest; home: (longitude, latitude), None for the area's own; no_fly: zones in
    longitude and latitude; clearance_m to them; wind_m_s blowing from wind_from_deg; speed_m_s: None for the drone's; usable_s: seconds
    aloft per flight, infinite for one flight; drones: how many fly; inset: whether lines
    may end a little inside the area's edge where the photos see enough beyond their ends.
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
    wind_m_s: float = 0.0
    wind_from_deg: float = 0.0
    speed_m_s: float | None = None
    usable_s: float = math.inf
    drones: int = 1
    dem: Path | None = None
    inset: bool = True

    @property
    def height_agl_m(self) -> float:
        """Height above ground in metres."""
        if self.height_m is not None:
            return self.height_m
        return self.camera.height_for_gsd((self.gsd_cm or 2.0) / 100)

    @property
    def footprint_m(self) -> tuple[float, float]:
        """What a photo sees across and along the course, in metres."""
        return self.camera.footprint_m(self.height_agl_m)


@dataclass(frozen=True, slots=True)
class Flight:
    """One flight from home to home.

    Attributes: number, from 1; drone, from 1; path: n x 3, east, north, height above home in metres, first and last over the home;
    lines: m x 2, the vertices of the path at which each photographed line begins and ends; photos: k x 3 on the path; course_deg: k,
    clockwise from north; photo_agl_m: k, height above ground; cruise_s: from home to home at height; duration_s: with take-off and landing.
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


@dataclass(frozen=True, slots=True)
class SurveyPlan:
    """A plan: flights in a local frame (metres), what they see, and what to know before flying.

    Attributes: home: (longitude, latitude); home_amsl_m: ground there, nan where no elevation is known; area, no_fly: in metres.
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
    overlap: Overlap
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Site:
    """The ground in metres: frame, area, no-fly zones (bare and with clearance), where lines may run, home."""

    frame: LocalFrame
    area: shapely.Geometry
    no_fly: shapely.Geometry
    kept_clear: shapely.Geometry
    region: shapely.Geometry
    home_lon_lat: tuple[float, float]
    home: NDArray[np.float64]


def plan_survey(spec: SurveySpec, progress: Progress = SILENT) -> SurveyPlan:
    """The fastest complete and safe survey found, cut into flights."""
    check(spec)
    warnings: list[str] = list(spec.area.warnings)
    site = lay_out(spec, warnings)
    motion, trigger_m, spacing_m = pace(spec, warnings)
    width_m, height_m = spec.footprint_m
    task = Task(
        area=site.area,
        region=site.region,
        home=site.home,
        inside=Ways(site.region),
        outside=Free(site.kept_clear, shapely.union(site.area, shapely.Point(site.home))),
        motion=motion,
        spacing_m=spacing_m,
        trigger_m=trigger_m,
        width_m=width_m,
        height_m=height_m,
        most_inset_m=trigger_m * MOST_INSET if spec.inset else 0.0,
        angles=() if spec.angle_deg is None else ((90 - spec.angle_deg) % 180,),
    )
    choice = choose(task, progress)
    overhead_s = motion.take_off_and_land_s(spec.height_agl_m)
    sorties = split(task, choice, spec.usable_s, overhead_s, spec.drones)
    flights = tuple(fly(spec, motion, trigger_m, sortie, number) for number, sortie in enumerate(sorties, 1))
    overlap = prove(spec, site.area, flights)
    warnings += concerns(spec, site, flights, overlap)
    return SurveyPlan(
        spec,
        site.frame,
        site.home_lon_lat,
        math.nan,
        site.area,
        site.no_fly,
        motion,
        trigger_m,
        spacing_m,
        flights,
        overlap,
        tuple(warnings),
    )


def check(spec: SurveySpec) -> None:
    """Raise BadInputError for a value that no plan can be made with."""
    if spec.gsd_cm is not None and not 0.05 <= spec.gsd_cm <= 200:
        raise BadInputError(
            f"a ground sampling distance of {spec.gsd_cm:g} cm is not possible: give 0.05 to 200, usually 1 to 10"
        )
    if spec.height_m is not None and not spec.height_m > 0:
        raise BadInputError(
            f"a height of {spec.height_m:g} m is not possible: give metres above ground, usually 30 to 120"
        )
    if not 2 <= spec.height_agl_m <= 5000:
        raise BadInputError(
            f"{spec.height_agl_m:.1f} m above ground (for {spec.camera.gsd_m(spec.height_agl_m) * 100:.2g} cm with {spec.camera.id}) cannot"
            " be flown: choose another ground sampling distance or camera"
        )
    for name, value in (("front overlap", spec.front_overlap), ("sidelap", spec.sidelap)):
        if not 0 <= value <= 0.95:
            raise BadInputError(f"a {name} of {value * 100:g} % is not possible: give 0 to 95, usually 75/70")
    if spec.speed_m_s is not None and not 0.1 <= spec.speed_m_s <= 100:
        raise BadInputError(
            f"a speed of {spec.speed_m_s:g} m/s is not possible: give 0.1 to {spec.drone.max_speed_m_s:g}"
        )
    if not 0 <= spec.clearance_m <= 10_000:
        raise BadInputError(f"a clearance of {spec.clearance_m:g} m is not possible: give 0 or more")
    if not 0 <= spec.wind_m_s < 100:
        raise BadInputError(f"a wind of {spec.wind_m_s:g} m/s is not possible")
    if not spec.usable_s > 0:
        raise BadInputError("the endurance must be more than 0 minutes")
    if not 1 <= spec.drones <= 100:
        raise BadInputError(f"{spec.drones} drones are not possible: give 1 to 100")


def lay_out(spec: SurveySpec, warnings: list[str]) -> Site:
    """The ground in metres around the area's centre; raises BadInputError where no-fly zones leave nothing, or hold the home."""
    polygon = spec.area.polygon
    frame = LocalFrame.around([polygon.centroid.x], [polygon.centroid.y])
    area = _local(polygon, frame)
    zones = [shapely.Polygon(ring) for part in shapely.get_parts(area) for ring in part.interiors]
    near = shapely.box(*area.buffer(20_000).bounds)
    zones += [zone for zone in shapely.get_parts(_local(spec.no_fly, frame)) if zone.intersects(near)]
    no_fly = shapely.union_all(zones) if zones else shapely.MultiPolygon()
    kept_clear = no_fly.buffer(spec.clearance_m + SAFE_EXTRA_M, join_style="mitre", mitre_limit=2) if zones else no_fly
    region = _polygonal(area.difference(kept_clear))
    if region.is_empty:
        raise BadInputError(
            f"the no-fly zones with {spec.clearance_m:g} m of clearance leave nothing of {spec.area.name} to fly"
        )
    area = _polygonal(area.difference(no_fly))
    home = spec.home or spec.area.home
    if home is None:
        edge = shapely.boundary(region.convex_hull.intersection(region))
        point = (
            shapely.line_interpolate_point(edge, shapely.line_locate_point(edge, region.centroid))
            if edge.geom_type == "LineString"
            else (shapely.get_geometry(shapely.shortest_line(edge, region.centroid), 0))
        )
        x, y = shapely.get_coordinates(point)[0]
        lon, lat = frame.to_geographic(x, y)
        home = (float(lon), float(lat))
        warnings.append(
            f"no home given: taken at the area's edge, {home[1]:.6f},{home[0]:.6f}; choose with --home LAT,LON"
        )
    xy = np.array([float(v) for v in frame.to_local(*home)])
    if kept_clear.buffer(-0.5).contains(shapely.Point(xy)):
        raise BadInputError(
            f"the home {home[1]:.6f},{home[0]:.6f} lies in a no-fly zone or nearer than {spec.clearance_m:g} m to it: move it"
        )
    if area.distance(shapely.Point(xy)) > 50_000:
        raise BadInputError(
            f"the home {home[1]:.6f},{home[0]:.6f} lies {area.distance(shapely.Point(xy)) / 1000:.0f} km from the area: latitude comes first"
        )
    return Site(frame, area, no_fly, kept_clear, region, home, xy)


def pace(spec: SurveySpec, warnings: list[str]) -> tuple[Motion, float, float]:
    """How fast to fly, metres between photos and between lines."""
    width_m, height_m = spec.footprint_m
    trigger_m, spacing_m = height_m * (1 - spec.front_overlap), width_m * (1 - spec.sidelap)
    speed = spec.speed_m_s if spec.speed_m_s is not None else spec.drone.speed_m_s
    if speed > spec.drone.max_speed_m_s:
        warnings.append(
            f"{spec.drone.name} flies at most {spec.drone.max_speed_m_s:g} m/s: planned with that instead of {speed:g}"
        )
        speed = spec.drone.max_speed_m_s
    fastest = trigger_m / spec.camera.min_interval_s
    if speed > fastest:
        warnings.append(
            f"a photo every {trigger_m:.1f} m and {spec.camera.min_interval_s:g} s at the soonest: flown at {fastest:.1f} m/s instead of {speed:g}"
        )
        speed = fastest
    if speed * BLUR_SHUTTER_S > spec.camera.gsd_m(spec.height_agl_m):
        warnings.append(
            f"at {speed:.1f} m/s photos blur over more than a pixel unless the shutter is faster than 1/1000 s"
        )
    if spec.wind_m_s > spec.drone.wind_limit_m_s:
        warnings.append(
            f"a wind of {spec.wind_m_s:g} m/s is above the limit of {spec.drone.name}, {spec.drone.wind_limit_m_s:g} m/s"
        )
    toward = math.radians(spec.wind_from_deg + 180)
    motion = Motion(
        speed_m_s=speed,
        acceleration_m_s2=spec.drone.acceleration_m_s2,
        max_airspeed_m_s=max(spec.drone.max_speed_m_s, speed),
        climb_m_s=spec.drone.climb_m_s,
        descent_m_s=spec.drone.descent_m_s,
        wind_east_m_s=spec.wind_m_s * math.sin(toward),
        wind_north_m_s=spec.wind_m_s * math.cos(toward),
    )
    return motion, trigger_m, spacing_m


def fly(spec: SurveySpec, motion: Motion, trigger_m: float, sortie: Sortie, number: int) -> Flight:
    """A sortie as a path with heights and photos."""
    vertices, ends = [sortie.ways[0][0]], []
    for line, way in zip(sortie.lines, sortie.ways[:-1], strict=True):
        vertices += [*way[1:-1], line[0], line[1]]
        ends.append((len(vertices) - 2, len(vertices) - 1))
    vertices += list(sortie.ways[-1][1:])
    height = spec.height_agl_m
    path = np.column_stack([np.array(vertices), np.full(len(vertices), height)])
    points, of_line = line_photos(sortie.lines, trigger_m)
    courses = sortie.lines[:, 1] - sortie.lines[:, 0]
    course_deg = np.degrees(np.arctan2(courses[:, 0], courses[:, 1]))[of_line] % 360
    cruise_s = path_seconds(path, motion)
    return Flight(
        number=number,
        drone=(number - 1) % spec.drones + 1,
        path=path,
        lines=np.array(ends),
        photos=np.column_stack([points, np.full(len(points), height)]),
        course_deg=course_deg,
        photo_agl_m=np.full(len(points), height),
        cruise_s=cruise_s,
        duration_s=cruise_s + motion.take_off_and_land_s(height),
    )


def prove(spec: SurveySpec, area: shapely.Geometry, flights: tuple[Flight, ...]) -> Overlap:
    """How many photos see each cell of the area."""
    photos = np.concatenate([flight.photos for flight in flights])
    course = np.radians(np.concatenate([flight.course_deg for flight in flights]))
    scale = np.concatenate([flight.photo_agl_m for flight in flights]) / spec.height_agl_m
    width_m, height_m = spec.footprint_m
    return count_views(
        cells_of(area),
        photos[:, :2],
        np.column_stack([np.sin(course), np.cos(course)]),
        width_m * scale,
        height_m * scale,
    )


def concerns(spec: SurveySpec, site: Site, flights: tuple[Flight, ...], overlap: Overlap) -> list[str]:
    """What the operator should know before flying this plan."""
    found = []
    if spec.height_agl_m > LEGAL_HEIGHT_M:
        found.append(
            f"{spec.height_agl_m:.0f} m above ground is more than the {LEGAL_HEIGHT_M:.0f} m that most countries allow"
        )
    farthest = max(float(np.hypot(*(flight.path[:, :2] - site.home).T).max()) for flight in flights)
    if farthest > SIGHT_M:
        found.append(
            f"the drone flies up to {farthest:.0f} m from home, beyond visual line of sight (about {SIGHT_M:.0f} m)"
        )
    if overlap.seen(1) < 1:
        found.append(f"{(1 - overlap.seen(1)) * 100:.2f} % of the area is seen by no photo")
    longest = max(flight.duration_s for flight in flights)
    if math.isinf(spec.usable_s) and longest > spec.drone.usable_s:
        found.append(
            f"the flight takes {longest / 60:.0f} min, a battery of {spec.drone.name} {spec.drone.usable_s / 60:.0f} min with reserve: give --endurance"
        )
    return found


def _local(geometry: shapely.Geometry, frame: LocalFrame) -> shapely.Geometry:
    return shapely.transform(geometry, lambda points: np.column_stack(frame.to_local(points[:, 0], points[:, 1])))


def _polygonal(geometry: shapely.Geometry) -> shapely.Geometry:
    """The polygons of a geometry, without the dust that differences leave."""
    parts = [part for part in shapely.get_parts(geometry) if isinstance(part, shapely.Polygon) and part.area > 0.01]
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)
