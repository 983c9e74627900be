"""Buildings and labels from any vector file: footprints as polygons in the working system, grades as 0-3 or None."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pyproj
import shapely
from pyogrio.errors import DataLayerError, DataSourceError

from imagery.core.errors import BadInputError, NotEnoughDataError
from imagery.core.grades import GRADE_COLOURS
from imagery.core.progress import SILENT, Progress

__all__ = ["GRADE_NAMES", "Buildings", "Labels", "grade_from_text", "match_labels", "read_buildings", "read_labels"]

GRADE_NAMES = tuple(GRADE_COLOURS)[:4]

# The words of Copernicus EMS (2016 and since 2018), xBD's Joint Damage Scale and EMS-98; None: seen but not graded.
GRADE_WORDS: dict[str, int | None] = {
    "no visible damage": 0, "not affected": 0, "no damage": 0, "negligible to slight damage": 0, "d0": 0, "d1": 0,
    "possibly damaged": 1, "moderately damaged": 1, "minor damage": 1, "d2": 1,
    "damaged": 2, "highly damaged": 2, "major damage": 2, "d3": 2, "d4": 2,
    "destroyed": 3, "completely destroyed": 3, "d5": 3,
    "not analysed": None, "not analyzed": None, "un classified": None, "unclassified": None, "not applicable": None, "": None,
}  # fmt: skip
GRADE_FIELDS = ("reviewed_grade", "jds_grade", "damage_gra", "grading", "damage", "subtype", "grade", "label")
MIN_AREA_M2 = 4.0


@dataclass(frozen=True, slots=True)
class Buildings:
    """Footprints in the working system.

    Attributes: polygons: (n,) shapely polygons; floors: (n,) number of floors, NaN where not known; source: where they come
    from, for `det_method`.
    """

    polygons: np.ndarray
    floors: np.ndarray
    source: str


@dataclass(frozen=True, slots=True)
class Labels:
    """Graded places in the working system: (n,) shapely polygons or points, and (n,) grades 0-3."""

    geometries: np.ndarray
    grades: np.ndarray


def read_buildings(path: str | Path, crs: pyproj.CRS, progress: Progress = SILENT) -> Buildings:
    """Footprints of a vector file of any format and system (OpenStreetMap, Copernicus EMS, open building data).

    Rings that cross themselves are repaired, multipolygons split, and what is no polygon or under 4 m2 is left out with a
    warning. Raises BadInputError for an unreadable file, NotEnoughDataError when no footprint remains.
    """
    path = Path(path)
    frame = _read_layer(path, crs, prefer="builtUpA")
    repaired = int((~shapely.is_valid(frame.geometry.to_numpy())).sum())
    parts, rows = shapely.get_parts(shapely.make_valid(frame.geometry.to_numpy()), return_index=True)
    # A repaired polygon may come back as a collection: its polygons count, its stray lines do not.
    nested, inner = shapely.get_parts(parts, return_index=True)
    polygonal = (shapely.get_type_id(nested) == 3) & (shapely.area(nested) >= MIN_AREA_M2)
    polygons, rows = shapely.force_2d(nested[polygonal]), rows[inner][polygonal]
    if repaired:
        progress.warn(f"{path.name}: {repaired} footprints with invalid rings repaired")
    if len(polygons) == 0:
        raise NotEnoughDataError(f"{path}: holds no building footprint (polygons of {MIN_AREA_M2:g} m2 or more)")
    return Buildings(polygons, _floors(frame)[rows], f"footprints of {path.name}")


def read_labels(path: str | Path, crs: pyproj.CRS) -> Labels:
    """Labels from a vector file: polygons or points with a grade, as number 0-3 or in the words of a damage scale.

    The first of the fields reviewed_grade, jds_grade, damage_gra, grading, damage, subtype, grade, label that has any value is
    used; rows without a grade or "not analysed" are left out. Raises BadInputError for an unknown grade.
    """
    path = Path(path)
    frame = _read_layer(path, crs, prefer="builtUpA")
    names = {name.lower(): name for name in frame.columns}
    fields = [names[field] for field in GRADE_FIELDS if field in names and frame[names[field]].notna().any()]
    if not fields:
        raise BadInputError(f"{path}: no field with grades: name one of {', '.join(GRADE_FIELDS)}")
    words = frame[fields[0]]
    grades = [None if _missing(word) else grade_from_text(word, f"{path}, field {fields[0]}") for word in words]
    known = np.array([grade is not None for grade in grades])
    if not known.any():
        raise NotEnoughDataError(f"{path}: no row of field {fields[0]} holds a grade")
    geometries = shapely.make_valid(frame.geometry.to_numpy()[known])
    return Labels(geometries, np.array([grade for grade in grades if grade is not None], int))


def grade_from_text(word: Any, where: str = "label") -> int | None:
    """A grade 0-3 from a number or the words of a known scale, None for "not analysed"; BadInputError when unknown."""
    text = re.sub(r"[-_\s]+", " ", str(word).strip().lower()).removesuffix(".0")
    if text in ("0", "1", "2", "3"):
        return int(text)
    if text in GRADE_WORDS:
        return GRADE_WORDS[text]
    raise BadInputError(
        f"{where}: unknown grade {word!r}: give 0, 1, 2, 3 or one of {', '.join(GRADE_NAMES)}, Not analysed"
    )


def match_labels(polygons: np.ndarray, labels: Labels) -> np.ndarray:
    """Grades of the buildings that a label lies on: (n,) floats, NaN where there is none.

    A label polygon belongs to the building that covers most of it, a point to the nearest within 2 m; later labels win.
    """
    grades = np.full(len(polygons), np.nan)
    tree = shapely.STRtree(polygons)
    for geometry, grade in zip(labels.geometries, labels.grades, strict=True):
        near = tree.query(geometry, predicate="dwithin", distance=2.0)
        if len(near) == 0:
            continue
        shared = shapely.area(shapely.intersection(polygons[near], geometry))
        best = np.argmax(shared) if shared.max() > 0 else np.argmin(shapely.distance(polygons[near], geometry))
        grades[near[best]] = grade
    return grades


def _missing(word: Any) -> bool:
    return word is None or (isinstance(word, float) and math.isnan(word)) or str(word).strip() == ""


def _read_layer(path: Path, crs: pyproj.CRS, prefer: str) -> Any:
    """One layer as a GeoDataFrame in the working system, without empty geometries."""
    if not path.exists():
        raise BadInputError(f"{path}: no such file")
    try:
        layers = [str(name) for name, _kind in pyogrio.list_layers(path)]
        frame = pyogrio.read_dataframe(path, layer=prefer if prefer in layers else layers[0])
    except (DataSourceError, DataLayerError, IndexError):
        raise BadInputError(
            f"{path}: not a vector file that can be read (GeoJSON, GeoPackage, Shapefile, KML...)"
        ) from None
    if not hasattr(frame, "geometry"):
        raise BadInputError(f"{path}: holds no geometries")
    if frame.crs is None:
        raise BadInputError(f"{path}: has no coordinate system: add its .prj, or convert it to GeoJSON in WGS 84")
    frame = frame[frame.geometry.notna() & ~frame.geometry.is_empty].to_crs(crs)
    finite = np.isfinite(shapely.bounds(frame.geometry.to_numpy())).all(axis=1)
    return frame[finite].reset_index(drop=True)


def _floors(frame: Any) -> np.ndarray:
    """Floors from the usual fields (OpenStreetMap's `building:levels`...), NaN where not stated or absurd."""
    import pandas as pd

    for name in ("floors", "building:levels", "building_levels", "levels", "storeys"):
        if name in frame.columns:
            floors = pd.to_numeric(frame[name], errors="coerce").to_numpy(float)
            return np.where((floors >= 1) & (floors <= 80), floors, np.nan)
    return np.full(len(frame), np.nan)
