"""Read the products of an operation for its report; any of them may be missing, none may be broken."""

import csv
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geopandas as gpd
import pyogrio
import pyogrio.errors
import rasterio
import rasterio.errors
import shapely
from shapely.geometry.base import BaseGeometry

from imagery.core.errors import BadInputError
from imagery.core.photolog import PhotoRecord, read_photo_log

__all__ = ["Feature", "ReportFiles", "Source", "read_source"]

DAMAGE_LAYER = "builtUpA"


@dataclass(frozen=True, slots=True)
class ReportFiles:
    """Where the products lie; see "Files that are contracts" of the design. None need exist.

    Attributes: title: the operation's name; plan, flights, stitch: folders; damage, sites, needs: files. `rules.json` is looked
    for beside sites.
    """

    title: str
    plan: Path
    flights: Path
    stitch: Path
    damage: Path
    sites: Path
    needs: Path


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature of plan.geojson: its kind, geometry (WGS 84) and properties."""

    kind: str
    geometry: BaseGeometry
    properties: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """What an operation holds.

    Attributes: title; plan: summary.json; features: of plan.geojson; photos: every photo log's records; quality: quality.json;
    ortho: its path; reconstruction: `crs` and `vertical_datum`; buildings: the layer builtUpA; sites: layers of sites.gpkg by
    name; rules: rules.json; needs: rows of needs.csv by column; missing: names of the parts that are not there.
    """

    title: str
    plan: dict[str, Any] | None = None
    features: list[Feature] = field(default_factory=list)
    photos: list[PhotoRecord] = field(default_factory=list)
    quality: dict[str, Any] | None = None
    ortho: Path | None = None
    reconstruction: dict[str, Any] | None = None
    buildings: gpd.GeoDataFrame | None = None
    sites: dict[str, gpd.GeoDataFrame] | None = None
    rules: dict[str, Any] | None = None
    needs: list[dict[str, str]] | None = None
    missing: tuple[str, ...] = ()


def read_source(files: ReportFiles) -> Source:
    """Read everything that is there; a file that is there but cannot be read raises BadInputError naming it."""
    rules_path = files.sites.with_name("rules.json")
    plan_path = files.plan / "plan.geojson"
    logs = sorted(files.flights.rglob("photos.csv")) if files.flights.is_dir() else []
    reconstruction = _json(files.stitch / "reconstruction.json")
    source = Source(
        title=files.title,
        plan=_json(files.plan / "summary.json"),
        features=_features(plan_path) if plan_path.exists() else [],
        photos=[record for log in logs for record in read_photo_log(log)],
        quality=_json(files.stitch / "quality.json"),
        ortho=_image(files.stitch / "ortho.tif"),
        reconstruction=reconstruction and {key: reconstruction.get(key) for key in ("crs", "vertical_datum")},
        buildings=_layers(files.damage, DAMAGE_LAYER)[DAMAGE_LAYER] if files.damage.exists() else None,
        sites=_layers(files.sites, "site") if files.sites.exists() else None,
        rules=_json(rules_path),
        needs=_table(files.needs) if files.needs.exists() else None,
    )
    parts = {
        "plan": source.plan and source.features,
        "flights": source.photos,
        "stitch": source.ortho,
        "damage": source.buildings is not None,
        "sites": source.sites is not None,
        "needs": source.needs is not None,
    }
    missing = tuple(name for name, there in parts.items() if not there)
    if len(missing) == len(parts):
        raise BadInputError(
            f"{files.plan.parent}: nothing to report on: it holds none of plan/, flights/, stitch/, damage.gpkg, "
            "sites.gpkg, needs.csv"
        )
    return Source(**{name: getattr(source, name) for name in Source.__slots__ if name != "missing"}, missing=missing)


def _json(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInputError(f"{path}: not readable as JSON ({error})") from error
    if not isinstance(value, dict):
        raise BadInputError(f"{path}: not a JSON object")
    return value


def _image(path: Path) -> Path | None:
    """The path of a georeferenced image, once it is known to open."""
    if not path.exists():
        return None
    try:
        with rasterio.open(path) as dataset:
            if dataset.crs is None:
                raise BadInputError(f"{path}: names no coordinate system")
    except rasterio.errors.RasterioError as error:
        raise BadInputError(f"{path}: cannot be read as a georeferenced image ({error})") from error
    return path


def _features(path: Path) -> list[Feature]:
    collection = _json(path) or {}
    try:
        return [
            Feature(
                str(feature["properties"].get("kind", "")),
                shapely.geometry.shape(feature["geometry"]),
                feature["properties"],
            )
            for feature in collection["features"]
        ]
    except (KeyError, TypeError, AttributeError, ValueError, shapely.errors.ShapelyError) as error:
        raise BadInputError(f"{path}: not a plan that `skyrelief plan` wrote ({error!r})") from error


def _layers(path: Path, needed: str) -> dict[str, gpd.GeoDataFrame]:
    """Every layer with geometry of a GeoPackage by name."""
    try:
        names = [str(name) for name, kind in pyogrio.list_layers(path) if kind]
        layers = {name: pyogrio.read_dataframe(path, layer=name) for name in names}
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, OSError) as error:
        raise BadInputError(f"{path}: cannot be read ({error})") from error
    if needed not in layers:
        raise BadInputError(f"{path}: has no layer {needed!r}; it has {', '.join(layers) or 'none'}")
    for name, layer in layers.items():
        if len(layer) and layer.crs is None:
            raise BadInputError(f"{path}: the layer {name!r} names no coordinate system")
    return layers


def _table(path: Path) -> list[dict[str, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"{path}: cannot be read ({error})") from error
    rows = csv.DictReader(io.StringIO(text))
    return [{key: value or "" for key, value in row.items() if key} for row in rows]
