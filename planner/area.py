"""Disaster areas, no-fly zones and homes, read from the files that people have and checked before anything is planned.

GeoJSON, KML, KMZ, GeoPackage, Shapefile (zipped too), WKT and CSV of points. Inside, a geometry is WGS 84 longitude and latitude.
"""

import csv
import io
import json
import math
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
import shapely.geometry

from imagery.core.errors import BadInputError
from imagery.core.frame import LocalFrame, check_lon_lat

__all__ = ["Area", "check_not_swapped", "parse_home", "read_area", "read_corridor", "read_zones"]

LARGEST_FILE = 400_000_000  # bytes, unpacked
SMALLEST_M2, LARGEST_M2 = 10.0, 1.5e9
METRES_PER_DEGREE = 111_320.0
NEAR_DEG = 0.5
POLAR_DEG = 75.0  # beyond it hardly anybody lives: a coordinate there is more likely swapped
VECTOR_SUFFIXES = (".gpkg", ".shp", ".zip", ".fgb")

DAMAGED_ZIP = (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, OSError, ValueError)

Shapes = list[tuple[shapely.Geometry, dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Area:
    """What to survey.

    Attributes: name; polygon: a Polygon or MultiPolygon in longitude and latitude, whose holes must not be flown over;
    home: (longitude, latitude) or None where the file names none; warnings: what was repaired or ignored in the file;
    axis, width_m: of a corridor, whose polygon is what lies within half the width of the axis.
    """

    name: str
    polygon: shapely.Polygon | shapely.MultiPolygon
    home: tuple[float, float] | None = None
    warnings: tuple[str, ...] = ()
    axis: shapely.LineString | shapely.MultiLineString | None = None
    width_m: float = 0.0


def read_area(path: str | Path) -> Area:
    """The union of a file's polygons, and its home where it names one; anything else raises BadInputError with the reason."""
    path = Path(path)
    shapes = _of_kind(read_shapes(path), "area")
    polygons, warnings = [], []
    for number, polygon in enumerate(_polygons(shapes), 1):
        checked, warning = _checked(polygon, f"{path}: polygon {number}")
        polygons.append(checked)
        warnings += warning
    if not polygons:
        raise BadInputError(f"{path}: {_nothing_there(shapes)}")
    merged = shapely.union_all(polygons)
    _check_size(merged, path)
    home = _home(shapes, path)
    if home is not None:
        check_not_swapped(merged, home, path)
    elif abs(merged.centroid.y) > POLAR_DEG:
        warnings.append(
            f"the area lies at latitude {merged.centroid.y:.2f}, longitude {merged.centroid.x:.2f}: are the two swapped?"
        )
    return Area(path.stem, merged, home, tuple(warnings))


def read_corridor(path: str | Path, width_m: float) -> Area:
    """The corridor along a file's lines, of the width that they name in a property `width_m`, or the given one."""
    path = Path(path)
    shapes = read_shapes(path)
    lines = [shape for shape, _ in shapes if isinstance(shape, shapely.LineString | shapely.MultiLineString)]
    if not lines:
        raise BadInputError(f"{path}: holds no line for a corridor to follow: draw one, or use another pattern")
    widths = [p["width_m"] for _, p in shapes if isinstance(p.get("width_m"), int | float) and p["width_m"] > 0]
    width_m = float(max(widths, default=width_m))
    axis = shapely.line_merge(shapely.union_all(lines))
    frame = LocalFrame.around(*shapely.get_coordinates(axis).T)
    local = shapely.transform(axis, lambda points: np.column_stack(frame.to_local(points[:, 0], points[:, 1])))
    ground = local.buffer(width_m / 2, cap_style="flat", quad_segs=4)
    polygon = shapely.transform(ground, lambda points: np.column_stack(frame.to_geographic(points[:, 0], points[:, 1])))
    if polygon.is_empty:
        raise BadInputError(f"{path}: its lines have no length")
    _check_size(polygon, path)
    filled = [
        shapely.Polygon(part.exterior) for part in shapely.get_parts(polygon)
    ]  # land within a bend may be flown over
    return Area(path.stem, shapely.union_all(filled), _home(shapes, path), axis=axis, width_m=width_m)


def read_zones(path: str | Path, near: Area | None = None) -> shapely.MultiPolygon:
    """The no-fly zones of a file in longitude and latitude; a hole in a zone stays open to fly.

    With `near`, only zones within about half a degree of that area. A zone that crosses itself keeps every part that it may mean.
    Raises BadInputError where the file holds no polygon at all.
    """
    path = Path(path)
    shapes = _of_kind(read_shapes(path), "no_fly")
    zones = _polygons(shapes)
    if not zones:
        raise BadInputError(f"{path}: {_nothing_there(shapes)}")
    if near is not None:
        west, south, east, north = near.polygon.bounds
        close = shapely.box(west - NEAR_DEG, south - NEAR_DEG, east + NEAR_DEG, north + NEAR_DEG)
        zones = [zone for zone in zones if not zone.is_empty and shapely.box(*zone.bounds).intersects(close)]
    merged = shapely.union_all([part for zone in zones for part in _polygons([(shapely.make_valid(zone), {})])])
    return shapely.MultiPolygon([part for part in shapely.get_parts(merged) if isinstance(part, shapely.Polygon)])


def parse_home(text: str) -> tuple[float, float]:
    """'LAT,LON' in degrees to (longitude, latitude)."""
    try:
        lat, lon = (float(part) for part in re.split(r"[,;\s]+", text.strip())[:2])
    except ValueError:
        raise BadInputError(f"home {text!r}: give latitude and longitude in degrees, as 37.58,36.93") from None
    if abs(lat) > 90 and abs(lon) <= 90:
        raise BadInputError(f"home {text!r}: latitude comes first, as {lon:g},{lat:g}")
    check_lon_lat(lon, lat, f"home {text!r}")
    return lon, lat


def read_shapes(path: Path) -> Shapes:
    """Every geometry of a file with its properties, in longitude and latitude."""
    if not path.exists():
        raise BadInputError(f"{path}: there is no such file")
    if path.is_dir():
        raise BadInputError(f"{path}: is a folder: give a file (GeoJSON, KML, KMZ, GeoPackage, Shapefile, WKT or CSV)")
    if path.stat().st_size > LARGEST_FILE:
        raise BadInputError(f"{path}: larger than {LARGEST_FILE // 1_000_000} MB: give only the area's part of it")
    if path.stat().st_size == 0:
        raise BadInputError(f"{path}: the file is empty")
    suffix = path.suffix.lower()
    if suffix in (".geojson", ".json"):
        shapes = _read_geojson(path)
    elif suffix in (".kml", ".kmz"):
        shapes = _read_kml(path)
    elif suffix in VECTOR_SUFFIXES:
        shapes = _read_vector(path)
    elif suffix in (".wkt", ".txt"):
        shapes = _read_wkt(path)
    elif suffix == ".csv":
        shapes = _read_csv(path)
    else:
        raise BadInputError(
            f"{path}: {suffix or 'no suffix'} is not a known kind of area file: give GeoJSON (.geojson), KML, KMZ,"
            " GeoPackage (.gpkg), Shapefile (.shp or .zip), WKT (.wkt) or CSV (.csv)"
        )
    for geometry, _ in shapes:
        if not geometry.is_empty:
            points = shapely.get_coordinates(geometry)
            check_lon_lat(points[:, 0], points[:, 1], str(path))
    return shapes


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise BadInputError(f"{path}: is not text in UTF-8") from None


def _brief(error: Exception) -> str:
    """The first line of an error's message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:100]


def _read_geojson(path: Path) -> Shapes:
    try:
        data = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"{path}: is not JSON ({_brief(error)})") from None
    if not isinstance(data, dict) or "type" not in data:
        raise BadInputError(f'{path}: is JSON but not GeoJSON: it has no "type"')
    features = data.get("features") if data["type"] == "FeatureCollection" else [data]
    if not isinstance(features, list):
        raise BadInputError(f"{path}: the FeatureCollection has no list of features")
    shapes: Shapes = []
    for number, feature in enumerate(features, 1):
        if not isinstance(feature, dict):
            raise BadInputError(f"{path}: feature {number} is not an object")
        geometry = feature.get("geometry") if feature.get("type") == "Feature" else feature
        properties = feature.get("properties")
        if geometry is None:
            continue
        try:
            shape = shapely.force_2d(shapely.geometry.shape(geometry))
        except Exception as error:
            raise BadInputError(f"{path}: feature {number} is not a geometry ({_brief(error)})") from None
        shapes.append((shape, properties if isinstance(properties, dict) else {}))
    name = data.get("crs", {}).get("properties", {}).get("name") if isinstance(data.get("crs"), dict) else None
    return _to_wgs84(shapes, name, path) if isinstance(name, str) else shapes


def _to_wgs84(shapes: Shapes, crs: str, path: Path) -> Shapes:
    if crs.upper().endswith(("CRS84", "EPSG::4326", "EPSG:4326")):
        return shapes
    import pyproj

    try:
        transformer = pyproj.Transformer.from_crs(pyproj.CRS.from_user_input(crs), "EPSG:4326", always_xy=True)
    except pyproj.exceptions.CRSError:
        raise BadInputError(f"{path}: unknown coordinate reference system {crs[:80]!r}") from None

    def move(points: np.ndarray) -> np.ndarray:
        return np.column_stack(transformer.transform(points[:, 0], points[:, 1]))

    return [(shapely.transform(shape, move), properties) for shape, properties in shapes]


def _read_kml(path: Path) -> Shapes:
    import defusedxml.ElementTree
    from defusedxml.common import DefusedXmlException

    data = _kmz_document(path) if path.suffix.lower() == ".kmz" or zipfile.is_zipfile(path) else path.read_bytes()
    try:
        root = defusedxml.ElementTree.fromstring(data)
    except DefusedXmlException:
        raise BadInputError(f"{path}: the KML defines entities, which a KML has no need of: refused") from None
    except (SyntaxError, ValueError, LookupError) as error:
        raise BadInputError(f"{path}: is not readable KML ({_brief(error)})") from None
    shapes: Shapes = []
    for element in root.iter():
        kind = _tag(element)
        if kind == "Polygon":
            rings = [_kml_points(ring, path) for ring in element.iter() if _tag(ring) == "LinearRing"]
            if rings:
                outer = [r for side in element.iter() if _tag(side) == "outerBoundaryIs" for r in _rings(side, path)]
                inner = [r for side in element.iter() if _tag(side) == "innerBoundaryIs" for r in _rings(side, path)]
                shapes.append((_polygon((outer or rings)[0], inner, path), {}))
        elif kind in ("LineString", "Point"):
            points = _kml_points(element, path)
            if kind == "LineString" and len(points) > 1:
                shapes.append((shapely.LineString(points), {}))
            elif kind == "Point" and points:
                shapes.append((shapely.Point(points[0]), {}))
    return shapes


def _kmz_document(path: Path) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [info for info in archive.infolist() if info.filename.lower().endswith(".kml")]
            if not names:
                raise BadInputError(f"{path}: the KMZ holds no KML")
            chosen = min(names, key=lambda info: (info.filename.lower() != "doc.kml", info.filename.count("/")))
            with archive.open(chosen) as file:
                data = file.read(LARGEST_FILE + 1)
    except DAMAGED_ZIP as error:
        raise BadInputError(f"{path}: is not a readable KMZ ({_brief(error)})") from None
    if len(data) > LARGEST_FILE:
        raise BadInputError(f"{path}: unpacks to more than {LARGEST_FILE // 1_000_000} MB: refused")
    return data


def _tag(element: Any) -> str:
    return str(element.tag).rsplit("}", 1)[-1]


def _rings(side: Any, path: Path) -> list[list[tuple[float, float]]]:
    return [_kml_points(ring, path) for ring in side.iter() if _tag(ring) == "LinearRing"]


def _kml_points(element: Any, path: Path) -> list[tuple[float, float]]:
    text = next((child.text or "" for child in element.iter() if _tag(child) == "coordinates"), "")
    try:
        points = [tuple(float(v) for v in triple.split(",")[:2]) for triple in re.sub(r"\s*,\s*", ",", text).split()]
    except ValueError:
        raise BadInputError(f"{path}: a coordinate is not a number: {text.strip()[:60]!r}") from None
    if any(len(point) != 2 for point in points):
        raise BadInputError(f"{path}: a coordinate has no latitude: {text.strip()[:60]!r}")
    return [(point[0], point[1]) for point in points]


def _polygon(outer: list[tuple[float, float]], inner: list[list[tuple[float, float]]], path: Path) -> shapely.Polygon:
    if len(set(outer)) < 3:
        raise BadInputError(f"{path}: a polygon has {len(set(outer))} different corners: it needs at least 3")
    return shapely.Polygon(outer, [ring for ring in inner if len(set(ring)) >= 3])


def _read_vector(path: Path) -> Shapes:
    import pyogrio

    source = f"/vsizip/{path}" if path.suffix.lower() == ".zip" else str(path)
    if path.suffix.lower() == ".zip":
        _check_zip(path)
    shapes: Shapes = []
    try:
        for layer, kind in pyogrio.list_layers(source):
            if kind is None:
                continue
            meta, _, geometries, _ = pyogrio.raw.read(source, layer=layer, columns=[], force_2d=True)
            found: Shapes = [(shape, {}) for shape in shapely.from_wkb(geometries) if shape is not None]
            if meta["crs"] is None and found and _projected(found):
                raise BadInputError(
                    f"{path}: its coordinates are in metres but it does not say in which system:"
                    " add the .prj file, or give GeoJSON"
                )
            shapes += found if meta["crs"] is None else _to_wgs84(found, meta["crs"], path)
    except BadInputError:
        raise
    except Exception as error:  # a damaged file makes the readers raise nearly anything
        raise BadInputError(f"{path}: cannot be read ({_brief(error)})") from None
    return shapes


def _check_zip(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(info.file_size for info in archive.infolist())
    except DAMAGED_ZIP as error:
        raise BadInputError(f"{path}: is not a readable zip ({_brief(error)})") from None
    if size > LARGEST_FILE:
        raise BadInputError(f"{path}: unpacks to more than {LARGEST_FILE // 1_000_000} MB: refused")


def _projected(shapes: Shapes) -> bool:
    points = np.concatenate([shapely.get_coordinates(shape) for shape, _ in shapes])
    return bool(len(points)) and bool((abs(points) > 360).any())


def _read_wkt(path: Path) -> Shapes:
    shapes: Shapes = []
    for line in filter(None, (line.strip() for line in re.split(r"\n(?=\s*[A-Za-z])", _text(path)))):
        text = re.sub(r"^SRID=4326;", "", line)
        try:
            shapes.append((shapely.force_2d(shapely.from_wkt(text)), {}))
        except shapely.GEOSException as error:
            raise BadInputError(f"{path}: is not WKT ({_brief(error)})") from None
    return shapes


def _read_csv(path: Path) -> Shapes:
    """Corners in order, one a row, in columns named latitude and longitude (or lat, lon, y, x); or a column of WKT."""
    try:
        rows = list(csv.DictReader(io.StringIO(_text(path)), dialect=_dialect(_text(path)), restval=""))
    except csv.Error as error:
        raise BadInputError(f"{path}: is not readable CSV ({_brief(error)})") from None
    names = {str(key).strip().lower(): key for key in (rows[0] if rows else {}) if key is not None}
    wkt = names.get("wkt") or names.get("geometry")
    if wkt is not None:
        try:
            return [(shapely.force_2d(shapely.from_wkt(row[wkt])), {}) for row in rows if row[wkt]]
        except (shapely.GEOSException, TypeError) as error:
            raise BadInputError(f"{path}: column {wkt} is not WKT ({_brief(error)})") from None
    lat = next((names[n] for n in ("latitude", "lat", "y") if n in names), None)
    lon = next((names[n] for n in ("longitude", "lon", "lng", "long", "x") if n in names), None)
    if lat is None or lon is None:
        raise BadInputError(f"{path}: needs a row of column names with latitude and longitude (or lat and lon, or wkt)")
    try:
        points = [(float(row[lon]), float(row[lat])) for row in rows if row[lon] or row[lat]]
    except (TypeError, ValueError):
        raise BadInputError(f"{path}: a latitude or longitude is not a number") from None
    return [(_polygon(points, [], path), {})]


def _dialect(text: str) -> type[csv.Dialect]:
    class Chosen(csv.excel):
        delimiter = max(",;\t", key=text.split("\n", 1)[0].count)

    return Chosen


def _of_kind(shapes: Shapes, kind: str) -> Shapes:
    """The shapes of a kind where the file names kinds (a plan of this program does), with its home; all of them elsewhere."""
    if any("kind" in properties for _, properties in shapes):
        return [(s, p) for s, p in shapes if p.get("kind") in (kind, "home")]
    return shapes


def _polygons(shapes: Shapes) -> list[shapely.Polygon]:
    flat = [part for shape, _ in shapes for part in shapely.get_parts(shapely.get_parts(shape))]
    return [part for part in flat if isinstance(part, shapely.Polygon)]


def _nothing_there(shapes: Shapes) -> str:
    kinds = sorted({shape.geom_type for shape, _ in shapes})
    if kinds:
        return f"holds no polygon, only {', '.join(kinds)}: draw the area as a polygon"
    return "holds no polygon: draw the area as a polygon"


def _checked(polygon: shapely.Polygon, what: str) -> tuple[shapely.Geometry, list[str]]:
    """The polygon, repaired only where it is plain what was meant, with a warning then."""
    if polygon.is_empty or len({tuple(p) for p in polygon.exterior.coords}) < 3:
        raise BadInputError(f"{what} is empty: it needs at least 3 different corners")
    if shapely.is_valid(polygon):
        return polygon, []
    reason = shapely.is_valid_reason(polygon)
    place = re.search(r"\[(\S+) (\S+)\]", reason)
    where = f" near latitude {float(place[2]):.6f}, longitude {float(place[1]):.6f}" if place else ""
    if "nterior" in reason or "hell" in reason or "ested" in reason:
        problem = "has holes that overlap or lie outside it"
    else:
        problem = "crosses itself"
    repaired = shapely.make_valid(polygon, method="structure")
    meant = abs(polygon.area)  # the shoelace area: loops the wrong way round count negative
    surfaces = [part for part in shapely.get_parts(repaired) if isinstance(part, shapely.Polygon)]
    total = sum(part.area for part in surfaces)
    if not surfaces or total <= 0:
        raise BadInputError(f"{what} has no surface: its corners lie on one line")
    if abs(total - meant) > 1e-3 * total:
        raise BadInputError(f"{what} {problem}{where}: redraw it without the crossing")
    return shapely.union_all(surfaces), [f"{what} {problem}{where}: repaired, {total / meant - 1:+.2%} of surface"]


def _square_metres(geometry: shapely.Geometry) -> float:
    latitude = (geometry.bounds[1] + geometry.bounds[3]) / 2
    return float(geometry.area * METRES_PER_DEGREE**2 * math.cos(math.radians(latitude)))


def _check_size(area: shapely.Geometry, path: Path) -> None:
    size = _square_metres(area)
    if size < SMALLEST_M2:
        raise BadInputError(f"{path}: the area has only {size:.3g} m2: is it drawn in the right units?")
    if size > LARGEST_M2:
        raise BadInputError(
            f"{path}: the area has {size / 1e6:.0f} km2, more than drones can survey (1500 km2): split it"
        )


def _home(shapes: Shapes, path: Path) -> tuple[float, float] | None:
    """The home that a file names: a point of kind `home`, or a property `home` of [latitude, longitude]."""
    for shape, properties in shapes:
        if properties.get("kind") == "home" and isinstance(shape, shapely.Point):
            return shape.x, shape.y
        value = properties.get("home")
        if isinstance(value, list | tuple) and len(value) >= 2:
            return parse_home(f"{value[0]},{value[1]}")
        if isinstance(value, str):
            return parse_home(value)
        if value is not None:
            raise BadInputError(f"{path}: property home must be [latitude, longitude], not {value!r}")
    return None


def check_not_swapped(area: shapely.Geometry, home: tuple[float, float], path: Path) -> None:
    """Raise BadInputError where the home tells that the area's latitude and longitude are swapped."""
    if area.distance(shapely.Point(home)) > 0.2:
        turned = shapely.transform(area, lambda points: points[:, ::-1])
        if turned.distance(shapely.Point(home)) < 0.1:
            raise BadInputError(
                f"{path}: latitude and longitude of the area are swapped: its home is {home[1]:.4f},{home[0]:.4f}"
            )
