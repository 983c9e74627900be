"""GeoJSON (RFC 7946), with the `crs` of its older kind."""

from typing import Any

import shapely
import shapely.geometry

from imagery.core.errors import BadInputError
from imagery.core.reading import parse_json
from planner.shapes.projection import to_wgs84
from planner.shapes.shape import Shape

__all__ = ["parse"]


def parse(text: str, where: str) -> list[Shape]:
    """The geometries of a FeatureCollection, a Feature or a lone geometry; `where` names the file in errors."""
    data = parse_json(text, where, "GeoJSON")
    if not isinstance(data, dict) or "type" not in data:
        raise BadInputError(f'{where}: is JSON but not GeoJSON: it has no "type"')
    features = data.get("features") if data["type"] == "FeatureCollection" else [data]
    if not isinstance(features, list):
        raise BadInputError(f"{where}: the FeatureCollection has no list of features")
    shapes = [
        shape for number, feature in enumerate(features, 1) for shape in _of(feature, f"{where}: feature {number}")
    ]
    crs = data.get("crs")
    named = crs.get("properties") if isinstance(crs, dict) else None
    name = named.get("name") if isinstance(named, dict) else None
    return to_wgs84(shapes, name, where) if isinstance(name, str) else shapes


def _of(feature: Any, where: str) -> list[Shape]:
    if not isinstance(feature, dict):
        raise BadInputError(f"{where} is not an object")
    geometry = feature.get("geometry") if feature.get("type") == "Feature" else feature
    properties = feature.get("properties")
    if geometry is None:
        return []
    try:
        shape = shapely.force_2d(shapely.geometry.shape(geometry))
    except Exception:  # wrong types at any depth make the constructors raise nearly anything
        raise BadInputError(f"{where} is not a geometry: its type or coordinates are damaged") from None
    return [Shape(shape, properties if isinstance(properties, dict) else {})]
