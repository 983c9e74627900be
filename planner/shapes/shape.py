"""What every reader of geometries gives: shapes in WGS 84 longitude and latitude."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely

from imagery.core.errors import BadInputError

__all__ = ["AREA", "HOME", "NO_FLY", "Shape", "Shapes", "as_polygon", "polygons"]

AREA, NO_FLY, HOME = ({"kind": kind} for kind in ("area", "no_fly", "home"))
FEWEST_CORNERS = 3


@dataclass(frozen=True, slots=True)
class Shape:
    """A geometry of a file.

    Attributes: geometry; properties: as the file names them, `kind` being this program's (area, no_fly, home and others);
    layer: the layer that it lies in, of a file with several.
    """

    geometry: shapely.Geometry
    properties: dict[str, Any] = field(default_factory=dict)
    layer: str = ""


@dataclass(frozen=True, slots=True)
class Shapes:
    """The geometries of a file, and what to know about how they were read."""

    shapes: tuple[Shape, ...]
    warnings: tuple[str, ...] = ()


def polygons(shapes: Iterable[Shape]) -> list[shapely.Polygon]:
    """Every polygon, those within collections of collections too."""
    parts = np.array([shape.geometry for shape in shapes], dtype=object)
    while len(parts) and (shapely.get_type_id(parts) > shapely.GeometryType.POLYGON).any():
        parts = shapely.get_parts(parts)
    return [part for part in parts if isinstance(part, shapely.Polygon)]


def as_polygon(outer: list[tuple[float, float]], inner: list[list[tuple[float, float]]], where: str) -> shapely.Polygon:
    """A polygon of rings of (longitude, latitude), closed or not; holes of fewer than three corners are dropped."""
    different = len(set(outer))
    if different < FEWEST_CORNERS:
        raise BadInputError(f"{where}: a polygon has {different} different corners: it needs at least 3")
    return shapely.Polygon(outer, [ring for ring in inner if len(set(ring)) >= FEWEST_CORNERS])
