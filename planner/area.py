"""Disaster areas, no-fly zones and homes: what the geometries of people's files mean, checked before anything is planned.

`planner.shapes` reads the files. A geometry is WGS 84 longitude and latitude, beyond 180 for an area across the date line.
"""

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import shapely

from imagery.core.errors import BadInputError
from imagery.core.frame import LocalFrame, check_lon_lat
from planner.shapes.projection import joined
from planner.shapes.read import read_shapes
from planner.shapes.repair import repaired, square_metres
from planner.shapes.shape import Shape, polygons

__all__ = ["Area", "check_not_swapped", "parse_home", "read_area", "read_corridor", "read_zones"]

SMALLEST_M2, LARGEST_M2 = 10.0, 1.5e9
NEAR_DEG = 0.5
INHABITED_DEG = (-56.0, 72.0)  # latitudes; beyond them hardly anybody lives: a coordinate there is more likely swapped
WIDEST_CORRIDOR_M = 10_000.0
OWN_KINDS = ("area", "no_fly")
AREA_OF_INTEREST = re.compile(r"area[ _-]?of[ _-]?interest|^aoi$", re.IGNORECASE)  # Copernicus EMS names it so


@dataclass(frozen=True, slots=True)
class Area:
    """What to survey.

    Attributes: name; polygon: a Polygon or MultiPolygon in longitude and latitude, whose holes must not be flown over;
    home: (longitude, latitude) or None where the file names none; warnings: what was repaired or ignored in the file;
    axis, width_m: of a corridor, whose polygon is what lies within half the width of the axis; no_fly: zones that the file names.
    """

    name: str
    polygon: shapely.Polygon | shapely.MultiPolygon
    home: tuple[float, float] | None = None
    warnings: tuple[str, ...] = ()
    axis: shapely.LineString | shapely.MultiLineString | None = None
    width_m: float = 0.0
    no_fly: shapely.MultiPolygon = field(default_factory=shapely.MultiPolygon)


def read_area(path: str | Path) -> Area:
    """The union of a file's polygons, and its home where it names one; anything else raises BadInputError with the reason."""
    path = Path(path)
    found = read_shapes(path)
    shapes, warnings = _layer_of_interest(_of_kind(found.shapes, "area"), path)
    warnings = [*found.warnings, *warnings]
    parts = []
    for number, polygon in enumerate(polygons(shapes), 1):
        part, warning = repaired(polygon, f"{path}: polygon {number}")
        parts.append(part)
        warnings += warning
    if not parts:
        raise BadInputError(f"{path}: {_nothing_there(found.shapes)}")
    merged = shapely.union_all([joined(shapely.union_all(parts))])
    _check_size(merged, path)
    home = _home(found.shapes, path)
    middle = merged.centroid
    if home is not None:
        check_not_swapped(merged, home, path)
    elif not INHABITED_DEG[0] <= middle.y <= INHABITED_DEG[1]:
        warnings.append(f"the area lies at latitude {middle.y:.2f}, longitude {middle.x:.2f}: are the two swapped?")
    return Area(path.stem, merged, home, tuple(warnings), no_fly=_own_zones(found.shapes, merged))


def read_corridor(path: str | Path, usual_m: float, width_m: float | None = None) -> Area:
    """The corridor along a file's lines: of the width given, else of what they name in a property `width_m`, else the usual.

    The ground inside a closed loop, or between lines, belongs to it only where it is narrower than the corridor.
    """
    path = Path(path)
    found = read_shapes(path)
    lines = [s.geometry for s in found.shapes if isinstance(s.geometry, shapely.LineString | shapely.MultiLineString)]
    if not lines:
        raise BadInputError(f"{path}: holds no line for a corridor to follow: draw one, or use another pattern")
    widths = [s.properties.get("width_m") for s in found.shapes]
    if width_m is None:
        width_m = max((float(w) for w in widths if isinstance(w, int | float) and 0 < w < math.inf), default=usual_m)
    if not 0 < width_m <= WIDEST_CORRIDOR_M:
        raise BadInputError(f"a corridor {width_m:g} m wide is not possible: give 1 to {WIDEST_CORRIDOR_M:g} m")
    axis = shapely.line_merge(joined(shapely.union_all(lines)))
    middle = axis.centroid
    frame = LocalFrame.around([(middle.x + 180) % 360 - 180], [middle.y])
    local = shapely.transform(axis, lambda points: np.column_stack(frame.to_local(points[:, 0], points[:, 1])))
    ground = _along(local, width_m / 2)
    if ground.is_empty:
        raise BadInputError(f"{path}: its lines have no length")
    degrees = shapely.transform(ground, lambda points: np.column_stack(frame.to_geographic(*points.T)))
    polygon = shapely.union_all(
        polygons([Shape(shapely.make_valid(joined(degrees)))])
    )  # rounding makes hairlines cross
    _check_size(polygon, path)
    zones = _own_zones(found.shapes, polygon)
    return Area(path.stem, polygon, _home(found.shapes, path), found.warnings, axis, width_m, zones)


def _along(axis: shapely.Geometry, reach_m: float) -> shapely.Geometry:
    """What lies within reach of an axis in metres, with straight ends, round bends and no gaps narrower than the corridor."""
    ends = Counter(tuple(point) for line in shapely.get_parts(axis) for point in shapely.get_coordinates(line)[[0, -1]])
    junctions = shapely.MultiPoint([point for point, lines in ends.items() if lines > 1])
    ground = shapely.union(axis.buffer(reach_m, cap_style="flat", quad_segs=4), junctions.buffer(reach_m, quad_segs=4))
    gaps = [shapely.Polygon(ring) for part in shapely.get_parts(ground) for ring in getattr(part, "interiors", ())]
    return shapely.union_all([ground, *(gap for gap in gaps if gap.buffer(-reach_m).is_empty)])


def read_zones(path: str | Path, near: Area | None = None) -> shapely.MultiPolygon:
    """The no-fly zones of a file in longitude and latitude; a hole in a zone stays open to fly.

    With `near`, only zones within about half a degree of that area. A zone that crosses itself keeps every part that it may mean.
    Raises BadInputError where the file holds no polygon at all.
    """
    path = Path(path)
    shapes = read_shapes(path).shapes
    zones = polygons(_of_kind(shapes, "no_fly"))
    if not zones:
        raise BadInputError(f"{path}: {_nothing_there(shapes)}")
    return _merged(zones if near is None else _close(zones, near.polygon))


def parse_home(text: str, what: str = "home") -> tuple[float, float]:
    """'LAT,LON' in degrees to (longitude, latitude); `what` names the place in errors."""
    try:
        lat, lon = (float(part) for part in re.split(r"[,;\s]+", text.strip())[:2])
    except ValueError:
        raise BadInputError(f"{what} {text!r}: give latitude and longitude in degrees, as 37.58,36.93") from None
    if abs(lat) > 90 and abs(lon) <= 90:
        raise BadInputError(f"{what} {text!r}: latitude comes first, as {lon:g},{lat:g}")
    check_lon_lat(lon, lat, f"{what} {text!r}")
    return lon, lat


def check_not_swapped(area: shapely.Geometry, home: tuple[float, float], path: Path) -> None:
    """Raise BadInputError where the home tells that the area's latitude and longitude are swapped."""
    if area.distance(shapely.Point(home)) > 0.2:
        turned = shapely.transform(area, lambda points: points[:, ::-1])
        if turned.distance(shapely.Point(home)) < 0.1:
            raise BadInputError(
                f"{path}: latitude and longitude are swapped, of the area or of its home at {home[1]:.4f},{home[0]:.4f}"
                " (a home is latitude first, an area in GeoJSON longitude first)"
            )


def _of_kind(shapes: tuple[Shape, ...], kind: str) -> list[Shape]:
    """The shapes of a kind where the file names this program's kinds, as its own plans do; all of them elsewhere."""
    if any(shape.properties.get("kind") in OWN_KINDS for shape in shapes):
        return [shape for shape in shapes if shape.properties.get("kind") == kind]
    return list(shapes)


def _layer_of_interest(shapes: list[Shape], path: Path) -> tuple[list[Shape], list[str]]:
    """The shapes of the layer that is the area, of a package such as Copernicus EMS's; all of them where there is one layer."""
    layers = sorted({shape.layer for shape in shapes if polygons([shape])})
    if len(layers) < 2:
        return shapes, []
    chosen = [layer for layer in layers if AREA_OF_INTEREST.search(layer)]
    if not chosen:
        listed = ", ".join(layers[:6]) + (f" and {len(layers) - 6} more" if len(layers) > 6 else "")
        raise BadInputError(
            f"{path}: holds polygons in several layers ({listed}): give the area's alone, or name it `area`"
        )
    warning = f"{path.name}: of {len(layers)} layers with polygons the area is {', '.join(chosen)}"
    return [shape for shape in shapes if shape.layer in chosen], [warning]


def _own_zones(shapes: tuple[Shape, ...], area: shapely.Geometry) -> shapely.MultiPolygon:
    """The no-fly zones that an area's own file names."""
    return _merged(_close(polygons(shape for shape in shapes if shape.properties.get("kind") == "no_fly"), area))


def _close(zones: list[shapely.Polygon], area: shapely.Geometry) -> list[shapely.Polygon]:
    """The zones near an area, in its longitudes."""
    west, south, east, north = area.bounds
    near = shapely.box(west - NEAR_DEG, south - NEAR_DEG, east + NEAR_DEG, north + NEAR_DEG)
    turned = [
        shapely.transform(zone, lambda points, turn=turn: np.add(points, [turn, 0.0])) if turn else zone
        for zone in zones
        if not zone.is_empty
        for turn in (360.0 * round((area.centroid.x - zone.centroid.x) / 360),)
    ]
    return [zone for zone in turned if shapely.box(*zone.bounds).intersects(near)]


def _merged(zones: list[shapely.Polygon]) -> shapely.MultiPolygon:
    merged = shapely.union_all(polygons(Shape(shapely.make_valid(zone)) for zone in zones))
    return shapely.MultiPolygon([part for part in shapely.get_parts(merged) if isinstance(part, shapely.Polygon)])


def _nothing_there(shapes: tuple[Shape, ...]) -> str:
    kinds = sorted({shape.geometry.geom_type for shape in shapes})
    only = f", only {', '.join(kinds)}" if kinds and not polygons(shapes) else ""
    return f"holds no polygon{only}: draw the area as a polygon"


def _check_size(area: shapely.Geometry, path: Path) -> None:
    size = square_metres(area)
    if size < SMALLEST_M2:
        raise BadInputError(f"{path}: the area has only {size:.3g} m2: is it drawn in the right units?")
    if size > LARGEST_M2:
        raise BadInputError(
            f"{path}: the area has {size / 1e6:.0f} km2, more than drones can survey (1500 km2): split it"
        )


def _home(shapes: tuple[Shape, ...], path: Path) -> tuple[float, float] | None:
    """The home that a file names: a point of kind `home`, or a property `home` of [latitude, longitude]."""
    for shape in shapes:
        if shape.properties.get("kind") == "home" and isinstance(shape.geometry, shapely.Point):
            return shape.geometry.x, shape.geometry.y
        value = shape.properties.get("home")
        if isinstance(value, list | tuple) and len(value) >= 2:
            return parse_home(f"{value[0]},{value[1]}")
        if isinstance(value, str):
            return parse_home(value)
        if value is not None:
            raise BadInputError(f"{path}: property home must be [latitude, longitude], not {value!r}")
    return None
