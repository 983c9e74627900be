"""The products of a grading: GeoPackage (with its QGIS style), GeoJSON and a map as PNG."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyogrio
from numpy.typing import NDArray

from imagery.core.files import atomic_path, to_json
from imagery.core.grades import GRADE_COLOURS
from imagery.damage.cues import CUES
from imagery.damage.evidence import Evidence
from imagery.damage.grader import NOT_ANALYSED, Grades
from imagery.damage.raster import Grid, ImageFile

__all__ = ["JOINT_SCALE", "LAYER", "building_table", "write_map", "write_vectors"]

LAYER = "builtUpA"
JOINT_SCALE = ("no-damage", "minor-damage", "major-damage", "destroyed", "un-classified")
NAMES, COLOURS = tuple(GRADE_COLOURS), tuple(GRADE_COLOURS.values())  # grades 0-3, then Not analysed
MAP_PIXELS = 2200


def building_table(
    polygons: NDArray[np.object_], crs: Any, evidence: Evidence, grades: Grades, about: dict[str, Any]
) -> gpd.GeoDataFrame:
    """One row per building with the fields of the `builtUpA` contract, in WGS 84.

    about: `det_method` (n,), `src_date`, `notation`, `shifts` (n, 2) and `reviewed` (n,) grades of labels or NaN, `reviewer`.
    """
    index = np.where(grades.grade == NOT_ANALYSED, 4, grades.grade)
    reviewed = np.asarray(about["reviewed"], float)
    known = np.isfinite(reviewed)
    rows = {
        "damage_gra": np.array(NAMES, object)[index],
        "det_method": about["det_method"],
        "notation": about["notation"],
        "src_date": about["src_date"],
        "sensor_gsd": round(evidence.native_cell_m, 3),
        "jds_grade": np.array(JOINT_SCALE, object)[index],
        **{f"p{k}": grades.probabilities[:, k].round(4) for k in range(4)},
        "confidence": grades.confidence.round(4),
        "grade_set": [",".join(str(k) for k in np.flatnonzero(row)) for row in grades.sets],
        "roof_damage_frac": grades.roof_fraction.round(3),
        "dz_med": evidence.dz_med_m.round(3),
        "sigma_z": np.full(len(index), evidence.sigma_z_m).round(3),
        "align_dx": about["shifts"][:, 0].round(2),
        "align_dy": about["shifts"][:, 1].round(2),
        "evidence": [_evidence_json(raw, score) for raw, score in zip(evidence.values, grades.scores, strict=True)],
        "reasons": grades.reasons,
        "reviewed_by": np.where(known, about["reviewer"], None),
        "reviewed_grade": [int(g) if k else None for g, k in zip(np.nan_to_num(reviewed), known, strict=True)],
    }
    frame = gpd.GeoDataFrame(rows, geometry=list(polygons), crs=crs).to_crs("EPSG:4326")
    frame["reviewed_grade"] = frame["reviewed_grade"].astype("Int32")
    return frame


def write_vectors(frame: gpd.GeoDataFrame, path: Path) -> list[Path]:
    """Write the GeoPackage, coloured when opened in QGIS, and a GeoJSON beside it; returns both paths."""
    beside = path.with_suffix(".geojson")
    with atomic_path(path) as package, atomic_path(beside) as text:
        pyogrio.write_dataframe(frame, package, layer=LAYER, driver="GPKG")
        _embed_style(package)
        pyogrio.write_dataframe(frame, text, layer=LAYER, driver="GeoJSON", RFC7946="YES")
    return [path, beside]


def write_map(polygons: NDArray[np.object_], grades: Grades, image: ImageFile, path: Path, title: str) -> Path:
    """Footprints coloured by grade over the image, with a legend that counts them and says what the grading rests on."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch
    from matplotlib.path import Path as Outline

    left, bottom, right, top = image.bounds
    grid = Grid.over(image.bounds, max((right - left) / MAP_PIXELS, (top - bottom) / MAP_PIXELS, image.cell_m))
    rgb, valid = image.read(grid)
    pale = np.where(valid[..., None], rgb // 2 + 110, 255).astype(np.uint8)
    figure = Figure(figsize=(11, 11 * (top - bottom) / (right - left) + 0.8), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    g = grid.bounds
    axes.imshow(pale, extent=(g[0], g[2], g[1], g[3]), interpolation="bilinear")
    index = np.where(grades.grade == NOT_ANALYSED, 4, grades.grade)
    outlines = [Outline(np.asarray(polygon.exterior.coords)[:, :2], closed=True) for polygon in polygons]
    faces = [COLOURS[k] for k in index]
    axes.add_collection(PathCollection(outlines, facecolors=faces, edgecolors="black", linewidths=0.4, alpha=0.75))
    keys = [Patch(color=COLOURS[k], label=f"{NAMES[k]} ({np.sum(index == k)})") for k in range(5)]
    axes.legend(handles=keys, loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=5, frameon=False)
    axes.set(xticks=[], yticks=[], xlim=(left, right), ylim=(bottom, top))
    axes.set_title(title, fontsize=10)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png")
    return path


def _evidence_json(raw: NDArray[np.float64], score: NDArray[np.float64]) -> str:
    """{code: {cue: {raw, score, valid}}} of one building; a masked cue is there as not valid."""
    tree: dict[str, dict[str, Any]] = {}
    for cue, value, points in zip(CUES, raw, score, strict=True):
        valid = bool(np.isfinite(value))
        entry = (
            {"raw": round(float(value), 4), "score": round(float(points), 3)} if valid else {"raw": None, "score": None}
        )
        tree.setdefault(cue.code, {})[cue.name] = {**entry, "valid": valid}
    return to_json(tree, indent=None)


def _embed_style(package: Path) -> None:
    """Add QGIS's `layer_styles` table, which colours the layer by grade as soon as it is opened."""
    categories = "".join(
        f'<category symbol="{k}" value="{name}" label="{name}" render="true"/>' for k, name in enumerate(NAMES)
    )
    symbols = "".join(
        f'<symbol type="fill" name="{k}" alpha="0.75"><layer class="SimpleFill" enabled="1" pass="0" locked="0">'
        '<Option type="Map">'
        f'<Option type="QString" name="color" value="{_rgba(COLOURS[k])}"/><Option type="QString" name="outline_color" '
        'value="35,35,35,255"/><Option type="QString" name="outline_width" value="0.2"/></Option></layer></symbol>'
        for k in range(5)
    )
    qml = (
        '<!DOCTYPE qgis PUBLIC "http://mrcc.com/qgis.dtd" "SYSTEM"><qgis styleCategories="Symbology" version="3.22">'
        '<renderer-v2 type="categorizedSymbol" attr="damage_gra" forceraster="0" enableorderby="0" symbollevels="0">'
        f"<categories>{categories}</categories><symbols>{symbols}</symbols></renderer-v2></qgis>"
    )
    create = (
        "CREATE TABLE layer_styles (id INTEGER PRIMARY KEY AUTOINCREMENT, f_table_catalog TEXT(256), f_table_schema TEXT(256), "
        "f_table_name TEXT(256), f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT, styleSLD TEXT, useAsDefault "
        "BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30), update_time DATETIME DEFAULT CURRENT_TIMESTAMP)"
    )
    values = ("", "", LAYER, "geom", "damage grades", qml, "", True, "Grades of damage", "")
    with closing(sqlite3.connect(package)) as database, database:
        database.execute(create)
        database.execute(
            "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName, styleQML, "
            "styleSLD, useAsDefault, description, owner) VALUES (?,?,?,?,?,?,?,?,?,?)",
            values,
        )
        database.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier) VALUES ('layer_styles', 'attributes', 'layer_styles')"
        )


def _rgba(colour: str) -> str:
    return ",".join(str(int(colour[at : at + 2], 16)) for at in (1, 3, 5)) + ",255"
