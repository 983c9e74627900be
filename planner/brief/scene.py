"""What a brief is drawn from: one flight of a plan, with its fence and rally points and the places whose coordinates it gives."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray

from imagery.core.frame import utm_crs
from planner.flights import Flight
from planner.formats import qgc_plan
from planner.formats.plan_geojson import SavedPlan
from planner.mission import FenceCircle, FencePolygon, Mission

__all__ = ["Place", "Scene", "corners_of", "scenes"]

BANDS = "CDEFGHJKLMNPQRSTUVWX"  # of latitude, 8 degrees each from 80 S, as UTM and MGRS name them
LETTERS = "ABCDEFGJKLMN"  # of corners: H and R are the home and the rally point, I reads as a one
SAME_PLACE_M = 5.0


@dataclass(frozen=True, slots=True)
class Place:
    """A place on the map: its mark, east and north in metres of the plan's frame, WGS 84 degrees, UTM metres."""

    mark: str
    x: float
    y: float
    lat_deg: float
    lon_deg: float
    easting_m: float
    northing_m: float


@dataclass(frozen=True, slots=True)
class Scene:
    """One flight as its brief shows it. Geometries are in metres of the plan's frame.

    Attributes: fence: what the vehicle must stay within; keep_out: what the fence excludes; return_height_m: above home,
    nan where no mission says it; home; rally: other landing places; corners: of the area; zone: of the grid, such as "UTM 33T".
    """

    plan: SavedPlan
    flight: Flight
    fence: shapely.Geometry
    keep_out: shapely.Geometry
    return_height_m: float
    home: Place
    rally: tuple[Place, ...]
    corners: tuple[Place, ...]
    zone: str

    @property
    def terrain_known(self) -> bool:
        """Whether the plan rests on an elevation model."""
        return math.isfinite(self.plan.home_amsl_m)

    @property
    def usable_s(self) -> float:
        """Seconds aloft that a battery gives, less its reserve."""
        usable = self.plan.spec.usable_s
        return usable if math.isfinite(usable) else self.plan.spec.drone.usable_s


def scenes(plan: SavedPlan) -> list[Scene]:
    """The scenes of a plan's flights, in order; fence and rally points are those of the missions beside the plan."""
    grid = utm_crs(*plan.home)
    zone = (
        f"UTM {int(grid.utm_zone[:-1])}{BANDS[min(int((plan.home[1] + 80) // 8), 19)]}" if grid.utm_zone else grid.name
    )
    corners = tuple(_places(plan, grid, corners_of(plan.area, len(LETTERS)), LETTERS))
    found = []
    for flight in plan.flights:
        here = plan.seen_from(flight)
        home = _places(here, grid, [here.frame.to_local(*here.home)], "H")[0]
        mission = _mission(plan.folder / f"flight-{flight.number:02d}.plan")
        fence, keep_out = _fence(plan, mission, inclusion=True), _fence(plan, mission, inclusion=False)
        points = mission.rally if mission else ()
        rally = [plan.frame.to_local(point.lon_deg, point.lat_deg) for point in points]
        away = [point for point in rally if math.hypot(point[0] - home.x, point[1] - home.y) > SAME_PLACE_M]
        names = [f"R{k}" for k in range(1, len(away) + 1)] if len(away) > 1 else ["R"]
        height = points[0].alt_rel_m if points else math.nan
        found.append(
            Scene(here, flight, fence, keep_out, height, home, tuple(_places(plan, grid, away, names)), corners, zone)
        )
    return found


def corners_of(area: shapely.Geometry, most: int) -> NDArray[np.float64]:
    """At most `most` corners that tell the outline of an area, n x 2 in metres; of a complicated one, its rotated box."""
    tolerance_m, points = 1.0, np.empty((0, 2))
    for _ in range(16):
        outlines = [shapely.Polygon(part.exterior).simplify(tolerance_m) for part in shapely.get_parts(area)]
        points = np.concatenate([shapely.get_coordinates(outline)[:-1] for outline in outlines])
        if len(points) <= most:
            return points
        tolerance_m *= 1.6
    return shapely.get_coordinates(shapely.minimum_rotated_rectangle(area))[:4]


def _places(plan: SavedPlan, grid: pyproj.CRS, points: object, marks: str | list[str]) -> list[Place]:
    local = np.asarray(points, float).reshape(-1, 2)
    lon, lat = plan.frame.to_geographic(local[:, 0], local[:, 1])
    east, north = pyproj.Transformer.from_crs("EPSG:4326", grid, always_xy=True).transform(lon, lat)
    rows = zip(marks, local.tolist(), lat.tolist(), lon.tolist(), np.asarray(east), np.asarray(north), strict=False)
    return [Place(mark, x, y, la, lo, float(e), float(n)) for mark, (x, y), la, lo, e, n in rows]


def _mission(path: Path) -> Mission | None:
    return qgc_plan.read(path) if path.exists() else None


def _fence(plan: SavedPlan, mission: Mission | None, *, inclusion: bool) -> shapely.Geometry:
    shapes: list[shapely.Geometry] = []
    for part in mission.fence if mission else ():
        if part.inclusion != inclusion:
            continue
        match part:
            case FencePolygon():
                lat, lon = np.array(part.vertices).T
                shapes.append(shapely.Polygon(np.column_stack(plan.frame.to_local(lon, lat))))
            case FenceCircle():
                centre = plan.frame.to_local(part.lon_deg, part.lat_deg)
                shapes.append(shapely.Point(*map(float, centre)).buffer(part.radius_m))
    return shapely.union_all(shapes)
