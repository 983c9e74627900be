"""A GeoPackage of a whole plan: layers area, no_fly, home, line, flight and photo, in WGS 84."""

from pathlib import Path
from typing import Any

import numpy as np
import shapely

from imagery.core.files import atomic_path
from planner.formats.plan_geojson import features
from planner.survey import SurveyPlan

__all__ = ["write"]

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


def _dtype(value: object) -> np.dtype[Any]:
    if isinstance(value, int):
        return np.dtype(np.int64)
    return np.dtype(np.float64 if isinstance(value, float) or value is None else object)
