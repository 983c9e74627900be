"""A GeoPackage of a whole plan: layers area, no_fly, home, line, flight and photo, in WGS 84."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from imagery.core.errors import BadInputError
from imagery.core.files import atomic_path
from imagery.core.reading import check_file
from planner.formats.flown import FlownPath, checked
from planner.formats.plan_geojson import features
from planner.survey import SurveyPlan

__all__ = ["read", "write"]

GIVE = "the plan.gpkg that `skyrelief plan --formats gpkg` wrote"
GEOMETRY = {
    "area": "Polygon",
    "no_fly": "Polygon",
    "home": "Point",
    "line": "LineString Z",
    "flight": "LineString Z",
    "photo": "Point Z",
}


def write(plan: SurveyPlan, path: str | Path) -> None:
    """Write every feature of `plan.geojson` to the layer of its kind."""
    import pyogrio

    by_kind: dict[str, list[dict[str, Any]]] = {}
    for feature in features(plan):
        by_kind.setdefault(feature["properties"]["kind"], []).append(feature)
    with atomic_path(path) as temporary:
        for kind, found in by_kind.items():
            properties = [feature["properties"] for feature in found]
            columns = [name for name, value in properties[0].items() if name != "kind" and not isinstance(value, list)]
            values = [np.array([row[name] for row in properties], _dtype(properties[0][name])) for name in columns]
            geometry = shapely.to_wkb([shapely.geometry.shape(f["geometry"]) for f in found], output_dimension=3)
            pyogrio.raw.write(
                temporary,
                geometry=np.array(geometry, dtype=object),
                field_data=values,
                fields=np.array(columns, dtype=object),
                layer=kind,
                driver="GPKG",
                geometry_type=GEOMETRY[kind],
                crs="EPSG:4326",
                append=temporary.exists(),
            )


def read(path: str | Path, number: int = 1) -> FlownPath:
    """Read the path of one flight; the area, the zones and the home are read as of any GeoPackage (`planner.area`)."""
    import pyogrio

    path = Path(path)
    check_file(path, GIVE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of names that are not text: the file is damaged, as is told below
            meta, _, paths, values = pyogrio.raw.read(path, layer="flight")
            homes = shapely.from_wkb(pyogrio.raw.read(path, layer="home")[2])
        numbers = values[list(meta["fields"]).index("flight")]
        lines = [shapely.from_wkb(wkb) for wkb, flight in zip(paths, numbers, strict=True) if flight == number]
        points = shapely.get_coordinates(lines[:1], include_z=True)
        home = (float(homes[0].x), float(homes[0].y))
    except Exception:  # a damaged file makes the readers raise nearly anything
        raise BadInputError(f"{path}: holds no flights that can be read: give {GIVE}") from None
    if not lines:
        raise BadInputError(f"{path}: holds no flight {number}")
    return checked(FlownPath(points, "amsl", home), str(path))


def _dtype(value: object) -> np.dtype[Any]:
    if isinstance(value, int):
        return np.dtype(np.int64)
    return np.dtype(np.float64 if isinstance(value, float) or value is None else object)
