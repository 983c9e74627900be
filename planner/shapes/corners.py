"""Corners as plain text: WKT, CSV, and the .poly of Mission Planner and of OpenStreetMap's tools."""

import csv
import io
import re
import sys

import shapely

from imagery.core.errors import BadInputError
from planner.shapes.projection import to_wgs84
from planner.shapes.shape import Shape, as_polygon

__all__ = ["parse_csv", "parse_poly", "parse_wkt"]

LATITUDE, LONGITUDE = ("latitude", "lat", "y"), ("longitude", "lon", "lng", "long", "x")
GIVE_WKT = "give one geometry a line, as POLYGON ((lon lat, lon lat, ...))"


def parse_wkt(text: str, where: str) -> list[Shape]:
    """One geometry a line, of as many lines as it likes; `SRID=32637;` before it names its system."""
    shapes: list[Shape] = []
    for entry in filter(None, (entry.strip() for entry in re.split(r"\n(?=\s*[A-Za-z])", text))):
        shapes += _wkt(entry, where)
    return shapes


def _wkt(text: str, where: str) -> list[Shape]:
    system = re.match(r"SRID=(\d{1,6});", text, re.IGNORECASE)
    try:
        shape = Shape(shapely.force_2d(shapely.from_wkt(text[system.end() if system else 0 :])))
    except (shapely.GEOSException, UnicodeEncodeError):
        raise BadInputError(f"{where}: is not WKT from {text[:20]!r} on: {GIVE_WKT}") from None
    return to_wgs84([shape], f"EPSG:{system[1]}", where) if system else [shape]


def parse_csv(text: str, where: str) -> list[Shape]:
    """Corners in order, one a row, in columns named latitude and longitude (or lat, lon, y, x); or a column of WKT."""
    text = text.lstrip("\ufeff")
    heading = text.split("\n", 1)[0]
    separator = max(",;\t", key=heading.count)
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # a polygon's WKT may be long
    try:
        rows = list(csv.DictReader(io.StringIO(text), delimiter=separator, restval=""))
    except csv.Error:
        raise BadInputError(f"{where}: is not readable CSV: give corners in columns latitude and longitude") from None
    names = {str(key).strip().lower(): key for key in (rows[0] if rows else {}) if key is not None}
    wkt = names.get("wkt") or names.get("geometry")
    if wkt is not None:
        return [shape for row in rows if row[wkt] for shape in _wkt(str(row[wkt]).strip(), where)]
    lat = next((names[n] for n in LATITUDE if n in names), None)
    lon = next((names[n] for n in LONGITUDE if n in names), None)
    if lat is None or lon is None:
        raise BadInputError(
            f"{where}: needs a row of column names with latitude and longitude (or lat and lon, or wkt)"
        )
    points = [
        (_number(row[lon], separator, f"{where}: row {number}"), _number(row[lat], separator, f"{where}: row {number}"))
        for number, row in enumerate(rows, 2)
        if row[lon] or row[lat]
    ]
    return [Shape(as_polygon(points, [], where))]


def _number(text: str, separator: str, where: str) -> float:
    """A number, with a decimal comma where commas do not separate columns."""
    try:
        return float(text.replace(",", ".") if separator != "," else text)
    except ValueError:
        raise BadInputError(f"{where}: {text.strip()[:40]!r} is not a number") from None


def parse_poly(text: str, where: str) -> list[Shape]:
    """Mission Planner's .poly: a corner a line, latitude first; or OpenStreetMap's, with END after each ring, longitude first."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if "END" not in lines:
        return [Shape(as_polygon([_pair(line, where)[::-1] for line in lines], [], where))]
    rings: list[tuple[bool, list[tuple[float, float]]]] = []
    for line in lines[1:]:  # after the polygon's name
        if line == "END":
            continue
        if re.fullmatch(r"[-+0-9.eE]+\s+[-+0-9.eE]+", line) and rings:
            rings[-1][1].append(_pair(line, where))
        else:
            rings.append((line.startswith("!"), []))
    holes = [as_polygon(ring, [], where) for hole, ring in rings if hole]
    outer = [as_polygon(ring, [], where) for hole, ring in rings if not hole]
    shapes = []
    for polygon in outer:
        inner = [list(hole.exterior.coords) for hole in holes if polygon.contains_properly(hole)]
        shapes.append(Shape(shapely.Polygon(polygon.exterior, inner)))
    return shapes


def _pair(line: str, where: str) -> tuple[float, float]:
    fields = re.split(r"[\s,;]+", line)
    try:
        return float(fields[0]), float(fields[1])
    except (ValueError, IndexError):
        raise BadInputError(f"{where}: {line[:40]!r} is no corner: give two numbers a line") from None
