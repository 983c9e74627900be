"""Polygons as people draw them, made valid with a word on what was done."""

import math
import re

import shapely

from imagery.core.errors import BadInputError

__all__ = ["repaired", "square_metres"]

METRES_PER_DEGREE = 111_320.0
SAME_SURFACE = 1e-3
HOLE_TROUBLE = ("nterior", "hell", "ested", "Hole")  # as GEOS words it


def repaired(polygon: shapely.Polygon, what: str) -> tuple[shapely.Geometry, list[str]]:
    """The polygon, or the surfaces that a crossing one encloses, with a warning then.

    polygon: in degrees; what: how to name it in errors and warnings. Raises BadInputError where it has no surface at all.
    """
    if polygon.is_empty or len({tuple(point) for point in polygon.exterior.coords}) < 3:
        raise BadInputError(f"{what} is empty: it needs at least 3 different corners")
    if shapely.is_valid(polygon):
        return polygon, []
    reason = shapely.is_valid_reason(polygon)
    place = re.search(r"\[(\S+) (\S+)\]", reason)
    where = f" near latitude {float(place[2]):.6f}, longitude {float(place[1]):.6f}" if place else ""
    holes = any(word in reason for word in HOLE_TROUBLE)
    problem = "has holes that overlap or lie outside it" if holes else "crosses itself"
    surfaces = [part for part in shapely.get_parts(shapely.make_valid(polygon, method="structure")) if part.area > 0]
    if not surfaces:
        raise BadInputError(f"{what} has no surface: its corners lie on one line")
    whole = shapely.union_all(surfaces)
    drawn = abs(polygon.area)  # the shoelace area: loops the wrong way round count negative
    if abs(whole.area - drawn) <= SAME_SURFACE * whole.area:
        return whole, [f"{what} {problem}{where}: repaired, {whole.area / drawn - 1:+.2%} of surface"]
    return whole, [
        f"{what} {problem}{where}: planned is what it encloses, {square_metres(whole) / 1e6:.3g} km2 in"
        f" {shapely.get_num_geometries(whole)} part(s); redraw it if its corners are in the wrong order"
    ]


def square_metres(geometry: shapely.Geometry) -> float:
    """The surface of a geometry in degrees, good to a percent for areas that drones survey."""
    latitude = (geometry.bounds[1] + geometry.bounds[3]) / 2
    return float(geometry.area * METRES_PER_DEGREE**2 * math.cos(math.radians(latitude)))
