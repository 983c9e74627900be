"""GeoPackages, Shapefiles and others with layers, read with GDAL."""

import warnings

import shapely

from imagery.core.errors import BadInputError
from planner.shapes.projection import to_wgs84
from planner.shapes.shape import Shape

__all__ = ["read"]


def read(source: str, where: str, layer: str | None = None) -> list[Shape]:
    """The geometries of every layer; a layer named as one of this program's kinds (area, no_fly) says what they are.

    source: a path as GDAL takes it, into a zip archive too; where: how errors name it; layer: the name of its only layer.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # measured coordinates, unusual drivers: nothing that an area needs
            return _layers(source, where, layer)
    except BadInputError:
        raise
    except Exception:  # a damaged file makes the readers raise nearly anything
        raise BadInputError(
            f"{where}: cannot be read: damaged, or of another kind than its name says: save it anew, or as GeoJSON"
        ) from None


def _layers(source: str, where: str, only: str | None) -> list[Shape]:
    import pyogrio

    shapes: list[Shape] = []
    for name, kind in pyogrio.list_layers(source):
        if kind is None:
            continue
        meta, _, geometries, _ = pyogrio.raw.read(source, layer=name, columns=[], force_2d=True)
        layer = only or str(name)
        found = shapely.from_wkb(geometries)
        of_layer = [Shape(geometry, _kind(layer), layer) for geometry in found if geometry is not None]
        shapes += of_layer if meta["crs"] is None else to_wgs84(of_layer, meta["crs"], where)
    return shapes


def _kind(layer: str) -> dict[str, str]:
    return {"kind": layer} if layer in ("area", "no_fly", "home", "line", "flight", "photo") else {}
