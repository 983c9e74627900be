"""The ground of a survey in metres: area, no-fly zones with their clearance, where lines may run, and home."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from imagery.core.errors import BadInputError
from imagery.core.frame import LocalFrame
from planner.area import Area

__all__ = ["Home", "Site", "lay_out", "polygonal"]

SLIT_M = 0.05
SAFE_EXTRA_M = 0.3  # beyond the clearance, against rounding
MANY_POLYGONS = 30  # from which on neighbours are joined
MANY_CORNERS, DETAIL_M = 1000, 2.0
ZONES_WITHIN_M = 20_000.0
FARTHEST_HOME_M = 50_000.0


@dataclass(frozen=True, slots=True)
class Home:
    """Where drones take off and land: (longitude, latitude); x, y in metres; the ground above mean sea level, nan if unknown."""

    lon_lat: tuple[float, float]
    xy: NDArray[np.float64]
    amsl_m: float = math.nan


@dataclass(frozen=True, slots=True)
class Site:
    """The ground of a survey in a local frame (metres).

    Attributes: area: without no-fly zones; no_fly: the zones as given, holes of the area among them; kept_clear: the zones
    with their clearance; region: where lines may run; between: where the ways from line to line may run, the region and a margin
    around it; homes: one at least; assumed_home: whether nobody gave it; warnings: about polygons that were joined or that cannot
    be reached.
    """

    frame: LocalFrame
    area: shapely.Geometry
    no_fly: shapely.Geometry
    kept_clear: shapely.Geometry
    region: shapely.Geometry
    between: shapely.Geometry
    homes: tuple[Home, ...]
    assumed_home: bool
    warnings: tuple[str, ...] = ()

    @property
    def home(self) -> NDArray[np.float64]:
        """x and y of the first home."""
        return self.homes[0].xy

    @property
    def home_lon_lat(self) -> tuple[float, float]:
        """Longitude and latitude of the first home."""
        return self.homes[0].lon_lat

    def to_metres(self, geometry: shapely.Geometry) -> shapely.Geometry:
        """A geometry in longitude and latitude, in the frame."""
        return _local(geometry, self.frame)

    def named(self, x: float, y: float) -> str:
        """A place in metres as people write it: latitude,longitude."""
        lon, lat = self.frame.to_geographic(x, y)
        return f"{float(lat):.5f},{float(lon):.5f}"


def lay_out(
    area: Area,
    no_fly: shapely.Geometry,
    clearance_m: float,
    homes: Sequence[tuple[float, float]] = (),
    *,
    margin_m: float = 0.0,
    swath_m: float = 0.0,
) -> Site:
    """The ground around an area's centre.

    no_fly: further zones in longitude and latitude; homes: (longitude, latitude), by default the area's own, else the point of
    its edge nearest to its middle; margin_m: how far the ways between lines may leave the area; swath_m: many polygons nearer to
    each other than that become one region. Raises BadInputError where the zones leave nothing to fly, or the home cannot be used.
    """
    middle = area.polygon.centroid
    frame = LocalFrame.around(
        [(middle.x + 180) % 360 - 180], [middle.y]
    )  # an area across the date line goes on beyond 180
    local = _local(area.polygon, frame)
    covered = local
    if area.axis is None:
        zones = [
            shapely.Polygon(ring).difference(local) for part in shapely.get_parts(local) for ring in part.interiors
        ]
    else:  # what a corridor leads around is open to fly, and must not look like a hole, which is not
        zones, covered = [], local.difference(_slits(local))
    west, south, east, north = local.bounds
    near = shapely.box(west - ZONES_WITHIN_M, south - ZONES_WITHIN_M, east + ZONES_WITHIN_M, north + ZONES_WITHIN_M)
    zones += [zone for zone in shapely.get_parts(_local(no_fly, frame)) if zone.intersects(near)]
    merged = shapely.union_all(zones) if zones else shapely.MultiPolygon()
    kept_clear = merged.buffer(clearance_m + SAFE_EXTRA_M, join_style="mitre", mitre_limit=2) if zones else merged
    whole, warnings = _joined(local, swath_m)
    region = _plainer(polygonal(whole.difference(kept_clear)))
    if region.is_empty:
        raise BadInputError(f"the no-fly zones with {clearance_m:g} m of clearance leave nothing of {area.name} to fly")
    chosen = tuple(homes) or (area.home or _on_edge(region, frame),)
    places = tuple(Home(place, np.array([float(v) for v in frame.to_local(*place)])) for place in chosen)
    for home in places:
        _check_home(home, local, kept_clear, clearance_m)
    reached = shapely.intersection_all([_reached(region, kept_clear, home.xy) for home in places])
    if reached.is_empty:
        raise BadInputError(
            f"no-fly zones lie all around {area.name} or the home: no flight gets from one to the other"
        )
    if reached.area < region.area:
        share = (1 - reached.area / region.area) * 100
        warnings.append(f"{share:.2g} % of the area is enclosed by no-fly zones, cannot be reached, and is left out")
    return Site(
        frame=frame,
        area=polygonal(covered.difference(merged)),
        no_fly=merged,
        kept_clear=kept_clear,
        region=reached,
        between=reached if margin_m == 0 else polygonal(reached.buffer(margin_m).difference(kept_clear)),
        homes=places,
        assumed_home=not homes and area.home is None,
        warnings=tuple(warnings),
    )


def _slits(area: shapely.Geometry) -> shapely.Geometry:
    """Hairlines from every hole of an area to its outside."""
    lines = [
        shapely.shortest_line(shapely.LineString(ring), part.exterior)
        for part in shapely.get_parts(area)
        for ring in part.interiors
    ]
    return shapely.union_all([line.buffer(SLIT_M, cap_style="square") for line in lines])


def polygonal(geometry: shapely.Geometry) -> shapely.Geometry:
    """The polygons of a geometry, without the dust that differences leave."""
    parts = [part for part in shapely.get_parts(geometry) if isinstance(part, shapely.Polygon) and part.area > 0.01]
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)


def _joined(area: shapely.Geometry, swath_m: float) -> tuple[shapely.Geometry, list[str]]:
    """Of very many polygons those nearer than a swath as one, since one line sees several of them; and what to tell of it."""
    count = shapely.get_num_geometries(area)
    if count < MANY_POLYGONS or swath_m <= 0:
        return area, []
    closed = area.buffer(swath_m / 2, quad_segs=2).buffer(-swath_m / 3, quad_segs=2)
    joined = polygonal(closed.simplify(swath_m / 50))
    regions = shapely.get_num_geometries(joined)
    told = f"{count} polygons are flown as {regions} region{'s' if regions > 1 else ''}: those nearer than {swath_m:.0f} m to"
    return joined, [f"{told} each other are joined, with the ground between them and {swath_m / 6:.0f} m around them"]


def _reached(region: shapely.Geometry, kept_clear: shapely.Geometry, home: NDArray[np.float64]) -> shapely.Geometry:
    """The parts of the region to which a way leads from home: not those that zones enclose."""
    rings = [ring for zone in shapely.get_parts(kept_clear) for ring in getattr(zone, "interiors", ())]
    for pocket in map(shapely.Polygon, rings):
        around = pocket.buffer(SAFE_EXTRA_M)
        region = region.intersection(around) if around.covers(shapely.Point(home)) else region.difference(around)
    return polygonal(region)


def _plainer(region: shapely.Geometry) -> shapely.Geometry:
    """A region of very many corners with fewer of them, inside the one given: a coast's ripples do not change the lines."""
    if shapely.get_num_coordinates(region) < MANY_CORNERS:
        return region
    plain = polygonal(region.buffer(-DETAIL_M).simplify(DETAIL_M))
    return region if plain.area < 0.9 * region.area else plain


def _on_edge(region: shapely.Geometry, frame: LocalFrame) -> tuple[float, float]:
    largest = max(shapely.get_parts(region), key=lambda part: part.area)
    nearest = shapely.get_point(shapely.shortest_line(largest.exterior, largest.centroid), 0)
    lon, lat = frame.to_geographic(nearest.x, nearest.y)
    return float(lon), float(lat)


def _check_home(
    home: Home,
    area: shapely.Geometry,
    kept_clear: shapely.Geometry,
    clearance_m: float,
) -> None:
    lon, lat = home.lon_lat
    name, point = f"the home {lat:.6f},{lon:.6f}", shapely.Point(home.xy)
    if kept_clear.buffer(-0.5).contains(point):
        raise BadInputError(f"{name} lies in a no-fly zone or nearer than {clearance_m:g} m to it: move it")
    distance = area.distance(point)
    if distance > FARTHEST_HOME_M:
        raise BadInputError(
            f"{name} lies {distance / 1000:.0f} km from the area: give a place within {FARTHEST_HOME_M / 1000:.0f} km,"
            " latitude first"
        )


def _local(geometry: shapely.Geometry, frame: LocalFrame) -> shapely.Geometry:
    return shapely.transform(geometry, lambda points: np.column_stack(frame.to_local(points[:, 0], points[:, 1])))
