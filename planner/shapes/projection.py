"""From a file's coordinate reference system to WGS 84 longitude and latitude, across the date line too."""

from dataclasses import replace

import numpy as np
import shapely
from numpy.typing import NDArray

from imagery.core.errors import BadInputError
from imagery.core.frame import check_lon_lat
from planner.shapes.shape import Shape

__all__ = ["checked_lon_lat", "joined", "to_wgs84"]

GEOGRAPHIC = ("CRS84", "EPSG::4326", "EPSG:4326")
TURN = 360.0


def to_wgs84(shapes: list[Shape], crs: str, where: str) -> list[Shape]:
    """Shapes in a system as pyproj names it (EPSG:32637, an OGC URN, WKT) as longitude and latitude."""
    if crs.upper().endswith(GEOGRAPHIC):
        return shapes
    import pyproj

    try:
        transformer = pyproj.Transformer.from_crs(pyproj.CRS.from_user_input(crs), "EPSG:4326", always_xy=True)
    except pyproj.exceptions.ProjError:
        name = crs.strip()[:60]
        raise BadInputError(f"{where}: unknown coordinate reference system {name!r}: save it in EPSG:4326") from None

    def moved(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(transformer.transform(points[:, 0], points[:, 1]))

    return [replace(shape, geometry=shapely.transform(shape.geometry, moved)) for shape in shapes]


def checked_lon_lat(shapes: list[Shape], where: str) -> list[Shape]:
    """The shapes, which must lie on Earth; one across the date line in longitudes that go on beyond 180.

    Raises BadInputError where a coordinate is no number, in metres, or turned the wrong way round.
    """
    points = shapely.get_coordinates([shape.geometry for shape in shapes])
    if not np.isfinite(points).all():
        raise BadInputError(f"{where}: a coordinate is not a number")
    if (abs(points) > TURN).any():
        x, y = points[abs(points).max(axis=1).argmax()]
        raise BadInputError(
            f"{where}: coordinates such as {x:.6g}, {y:.6g} are no degrees; metres of a system that the file does not name?"
            " Save it in WGS 84 (EPSG:4326), a Shapefile with its .prj"
        )
    check_lon_lat((points[:, 0] + TURN / 2) % TURN - TURN / 2, points[:, 1], where)
    return [replace(shape, geometry=joined(shape.geometry)) for shape in shapes]


def joined(geometry: shapely.Geometry) -> shapely.Geometry:
    """A geometry cut by the date line in one piece, with longitudes up to 360; its middle lies within -180..180."""
    west, _, east, _ = geometry.bounds
    if east - west > TURN / 2:
        eastern = shapely.transform(geometry, lambda points: np.column_stack([points[:, 0] % TURN, points[:, 1]]))
        if eastern.bounds[2] - eastern.bounds[0] < TURN / 2:
            geometry = eastern
    middle = (geometry.bounds[0] + geometry.bounds[2]) / 2
    turns = np.round(middle / TURN) if abs(middle) > TURN / 2 else 0.0
    return geometry if not turns else shapely.transform(geometry, lambda points: points - [TURN * turns, 0.0])
