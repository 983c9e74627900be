"""KML: polygons, lines and points wherever they lie in the document."""

import re
from typing import Any

import shapely

from imagery.core.errors import BadInputError
from imagery.core.reading import parse_xml
from planner.shapes.shape import Shape, as_polygon

__all__ = ["parse"]

Ring = list[tuple[float, float]]


def parse(data: bytes, where: str) -> list[Shape]:
    """The geometries of a KML document; `where` names the file in errors. Links to other documents are not followed."""
    root = parse_xml(data, where, "KML")
    described = _described(root)
    shapes = []
    for element in root.iter():
        properties = described.get(element, {})
        match _tag(element):
            case "Polygon":
                outer, inner = _rings(element, "outerBoundaryIs", where), _rings(element, "innerBoundaryIs", where)
                outer = outer or _rings(element, "Polygon", where)
                if outer:
                    shapes.append(Shape(as_polygon(outer[0], inner, where), properties))
            case "LineString" if len(points := _points(element, where)) > 1:
                shapes.append(Shape(shapely.LineString(points), properties))
            case "Point" if points := _points(element, where):
                shapes.append(Shape(shapely.Point(points[0]), properties))
    return shapes


def _described(root: Any) -> dict[Any, dict[str, Any]]:
    """What the placemark around each element says in its extended data."""
    described: dict[Any, dict[str, Any]] = {}
    for placemark in root.iter():
        if _tag(placemark) != "Placemark" or placemark in described:
            continue
        within = list(placemark.iter())
        values = {e.get("name"): (e.findtext("{*}value") or "").strip() for e in within if _tag(e) == "Data"}
        described |= dict.fromkeys(within, values)
    return described


def _tag(element: Any) -> str:
    return str(element.tag).rsplit("}", 1)[-1]


def _rings(polygon: Any, side: str, where: str) -> list[Ring]:
    sides = [element for element in polygon.iter() if _tag(element) == side]
    return [_points(ring, where) for element in sides for ring in element.iter() if _tag(ring) == "LinearRing"]


def _points(element: Any, where: str) -> Ring:
    text = next((child.text or "" for child in element.iter() if _tag(child) == "coordinates"), "")
    try:
        points = [tuple(float(v) for v in triple.split(",")[:2]) for triple in re.sub(r"\s*,\s*", ",", text).split()]
    except ValueError:
        raise BadInputError(f"{where}: a coordinate is not a number: {text.strip()[:60]!r}") from None
    if any(len(point) < 2 for point in points):
        raise BadInputError(f"{where}: a coordinate has no latitude: {text.strip()[:60]!r}")
    return [(point[0], point[1]) for point in points]
