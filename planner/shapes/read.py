"""`read_shapes`: every geometry of a file of any known kind, in WGS 84 longitude and latitude."""

import zipfile
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from imagery.core.errors import BadInputError
from imagery.core.reading import check_file, read_text
from planner.shapes.archive import members, read_member
from planner.shapes.projection import checked_lon_lat
from planner.shapes.shape import Shape, Shapes

__all__ = ["KINDS", "read_shapes"]

KINDS = (
    "GeoJSON (.geojson), KML, KMZ, GeoPackage (.gpkg), Shapefile (.shp or .zip), WKT (.wkt), CSV of corners (.csv),"
    " QGroundControl's .plan, Mission Planner's .poly or .waypoints"
)
LAYERED = (".gpkg", ".shp", ".fgb")
PREFERRED = (".shp", ".gpkg", ".fgb", ".geojson", ".json", ".kml")  # of a package with the same in several formats


def read_shapes(path: Path) -> Shapes:
    """Every geometry of a file with its properties and layer; BadInputError names the file and what is wrong with it."""
    check_file(path, KINDS)
    with np.errstate(all="ignore"):  # coordinates that are no numbers are told below, in words
        found = _read(path)
        return replace(found, shapes=tuple(checked_lon_lat(list(found.shapes), str(path))))


def _read(path: Path) -> Shapes:
    suffix = path.suffix.lower()
    if suffix in (".plan", ".waypoints") or (suffix == ".txt" and _starts(path, b"QGC WPL")):
        from planner.shapes import missions

        return missions.read_plan(path) if suffix == ".plan" else missions.read_waypoints(path)
    if suffix in (".kmz", ".zip") or (suffix == ".kml" and zipfile.is_zipfile(path)):
        return Shapes(tuple(_packed(path)))
    if suffix in LAYERED:
        from planner.shapes import layers

        return Shapes(tuple(layers.read(str(path), str(path))))
    if suffix == ".kml":
        return Shapes(tuple(_parsed(suffix, path.read_bytes(), str(path))))
    if suffix in (".geojson", ".json", ".wkt", ".txt", ".csv", ".poly"):
        return Shapes(tuple(_parsed(suffix, read_text(path, KINDS).encode(), str(path))))
    raise BadInputError(f"{path}: {suffix or 'no suffix'} is not a known kind of area file: give {KINDS}")


def _parsed(suffix: str, data: bytes, where: str) -> list[Shape]:
    """The shapes of a file's content."""
    if suffix == ".kml":
        from planner.shapes import kml

        return kml.parse(data, where)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInputError(f"{where}: is not text in UTF-8: give {KINDS}") from None
    if suffix in (".geojson", ".json"):
        from planner.shapes import geojson

        return geojson.parse(text, where)
    from planner.shapes import corners

    parsers = {".csv": corners.parse_csv, ".poly": corners.parse_poly}
    return parsers.get(suffix, corners.parse_wkt)(text, where)


def _packed(path: Path) -> list[Shape]:
    """The shapes of an archive: every layer of the first format it has; of a KMZ the main document."""
    names = members(path)
    by_suffix = {suffix: [n for n in names if n.lower().endswith(suffix)] for suffix in PREFERRED}
    kmz = path.suffix.lower() != ".zip"
    suffix = ".kml" if kmz else next((s for s in PREFERRED if by_suffix[s]), None)
    if suffix is None or not by_suffix[suffix]:
        wanted = "KML" if kmz else "Shapefile, GeoPackage, GeoJSON or KML"
        raise BadInputError(f"{path}: holds no {wanted}: give {KINDS}")
    chosen = sorted(by_suffix[suffix])
    if kmz:
        chosen = [min(chosen, key=lambda name: (name.lower() != "doc.kml", name.count("/"), name))]
    return [shape for name in chosen for shape in _member(path, name, suffix)]


def _member(path: Path, name: str, suffix: str) -> list[Shape]:
    where, layer = f"{path}: {name}", PurePosixPath(name).stem
    if suffix in LAYERED:
        from planner.shapes import layers

        return layers.read(f"/vsizip/{{{path.absolute()}}}/{name}", where, layer if suffix != ".gpkg" else None)
    return [replace(shape, layer=layer) for shape in _parsed(suffix, read_member(path, name), where)]


def _starts(path: Path, words: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(64).lstrip(b"\xef\xbb\xbf").startswith(words)
