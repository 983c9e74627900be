"""A small operation folder with every product, written by hand rather than by the commands whose products it imitates."""

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyproj
import rasterio
import shapely

from imagery.report import ReportFiles

EAST, NORTH = 500_000.0, 4_000_000.0  # the north-western corner, UTM 33N
CRS = "EPSG:32633"
GRADES = ["No visible damage"] * 7 + ["Possibly damaged"] * 3 + ["Damaged"] * 2 + ["Destroyed"] * 4 + ["Not analysed"]


def files_of(folder: Path) -> ReportFiles:
    return ReportFiles(
        title=folder.name,
        plan=folder / "plan",
        flights=folder / "flights",
        stitch=folder / "stitch",
        damage=folder / "damage.gpkg",
        sites=folder / "sites.gpkg",
        needs=folder / "needs.csv",
    )


def make_operation(folder: Path) -> ReportFiles:
    """Write it: 17 buildings in a row, one tent site of 10 tents, one flight of which 3 of 4 photos were taken."""
    write_stitch(folder / "stitch")
    write_plan(folder / "plan")
    write_flights(folder / "flights")
    write_damage(folder / "damage.gpkg")
    write_sites(folder / "sites.gpkg")
    (folder / "needs.csv").write_text(
        "section,item,p10,p50,p90,unit,code,code_verified,source,verified,note\n"
        "people,displaced persons,20,1250,41,persons,,,sampled,,a range\n"
        "order,family tent,4,7,9,pcs,HSHETENTF16C,true,IFRC,true,\n"
        "order,solar lamp,4,7,9,pcs,,,Sphere,false,\n",
        encoding="utf-8",
    )
    return files_of(folder)


def write_stitch(folder: Path) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(3)
    pixels = rng.integers(60, 200, (3, 300, 400), np.uint8)
    with rasterio.open(
        folder / "ortho.tif", "w", driver="GTiff", width=400, height=300, count=3, dtype="uint8", crs=CRS,
        transform=rasterio.Affine(0.5, 0, EAST, 0, -0.5, NORTH),
    ) as dataset:  # fmt: skip
        dataset.write(pixels)
    quality = {
        "photos_used": 3, "photos_dropped": [{"file": "d.jpg", "reason": "blurred"}], "reprojection_median_px": 0.41,
        "gps_residual_m": [0.8, 0.7, 1.2], "control_rmse_m": None, "check_rmse_m": None, "gsd_cm": 2.34, "completeness": 0.931,
        "warnings": ["few ties in the north"],
    }  # fmt: skip
    (folder / "quality.json").write_text(json.dumps(quality), encoding="utf-8")
    (folder / "reconstruction.json").write_text(
        json.dumps({"crs": CRS, "vertical_datum": "EGM96", "images": {}}), encoding="utf-8"
    )


def degrees(shape: shapely.Geometry) -> shapely.Geometry:
    transform = pyproj.Transformer.from_crs(CRS, "EPSG:4326", always_xy=True).transform
    return shapely.transform(
        shape, lambda xyz: np.column_stack([*transform(xyz[:, 0], xyz[:, 1]), xyz[:, 2]]), include_z=True
    )


def write_plan(folder: Path) -> None:
    folder.mkdir()
    area = shapely.box(EAST + 10, NORTH - 140, EAST + 190, NORTH - 10)
    photos = [shapely.Point(EAST + 40 * k, NORTH - 70) for k in range(1, 5)]
    path = shapely.LineString([(EAST, NORTH, 90), *((p.x, p.y, 130) for p in photos), (EAST, NORTH, 90)])
    shapes = [("area", area), ("flight", path), ("home", shapely.Point(EAST, NORTH)), *(("photo", p) for p in photos)]
    features = [
        {"type": "Feature", "properties": {"kind": kind}, "geometry": shapely.geometry.mapping(degrees(shape))}
        for kind, shape in shapes
    ]
    (folder / "plan.geojson").write_text(
        json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8"
    )
    summary = {
        "area_m2": 23400.0, "flights": 1, "photos": 4, "length_m": 412.0, "duration_s": 96.0, "gsd_cm": 2.0, "height_agl_m": 75,
        "front_overlap": 75, "sidelap": 70, "seen1": 100, "seen5": 97.3, "warnings": ["wind <unknown>"],
        "request": {"camera": "dji-mavic-3e", "drone": "dji-mavic-3e"},
    }  # fmt: skip
    (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")


def write_flights(folder: Path) -> None:
    log = folder / "flight-01/photos.csv"
    log.parent.mkdir(parents=True)
    points = [degrees(shapely.Point(EAST + 40 * k, NORTH - 70)) for k in (1, 2, 3)]
    log.write_text(
        "time_utc,lat,lon,file\n"
        + "".join(f"2026-05-0{k + 1}T10:00:00Z,{p.y:.8f},{p.x:.8f},{k}.jpg\n" for k, p in enumerate(points)),
        encoding="utf-8",
    )


def write_damage(path: Path, notation: str = "not fitted to this event") -> None:
    count = len(GRADES)
    shapes = [shapely.box(EAST + 10 * k + 2, NORTH - 30, EAST + 10 * k + 8, NORTH - 20) for k in range(count)]
    frame = gpd.GeoDataFrame(
        {
            "damage_gra": GRADES, "notation": notation, "src_date": "2026-05-01", "roof_damage_frac": 0.5,
            "grade_set": ["2,3" if grade == "Damaged" else "0" for grade in GRADES],
            "reviewed_by": [None] * (count - 1) + ["x.gpkg"],
        },
        geometry=shapes, crs=CRS,
    )  # fmt: skip
    frame.to_crs("EPSG:4326").to_file(path, layer="builtUpA", driver="GPKG")


def rule(
    id: str, text: str, limit: float, unit: str, measured: float | None, verdict: str, **more: object
) -> dict[str, object]:
    base = {"comparison": ">=", "worst": "", "note": "", "source": "", "verified": True}
    return (
        base | {"id": id, "text": text, "limit": limit, "unit": unit, "measured": measured, "verdict": verdict} | more
    )


def write_sites(path: Path) -> None:
    site = shapely.box(EAST + 100, NORTH - 140, EAST + 180, NORTH - 60)
    tents = [shapely.box(EAST + 105 + 7 * k, NORTH - 100, EAST + 109 + 7 * k, NORTH - 93) for k in range(10)]
    layers = {
        "site": (
            [site],
            {
                "persons": [50],
                "tents": [10],
                "area_m2": [6400.0],
                "score": [0.55],
                "slope_pct": [3.1],
                "chosen": [True],
            },
        ),
        "tent": (tents, {}),
        "road": ([shapely.LineString([(EAST + 100, NORTH - 120), (EAST + 180, NORTH - 120)])], {}),
        "latrine": ([shapely.box(EAST + 110, NORTH - 80, EAST + 114, NORTH - 77)], {}),
        "lamp": ([shapely.Point(EAST + 120, NORTH - 85)], {}),
    }
    for name, (shapes, columns) in layers.items():
        frame = gpd.GeoDataFrame({"site_id": [1] * len(shapes), **columns}, geometry=shapes, crs=CRS)
        frame.to_file(path, layer=name, driver="GPKG")
    rules = {
        "totals": {"rules_broken": 1, "rules_unknown": 1}, "known": {"roads": "unknown", "water": "given"},
        "standards": {"a": {"verified": True}, "b": {"verified": False}, "c": {"verified": False}},
        "sites": [
            {
                "site_id": 1, "score": 0.55,
                "factors": [
                    {"name": "area", "value": 6400.0, "unit": "m2", "factor": 0.5, "weight": 0.7},
                    {"name": "slope", "value": 3.1, "unit": "percent", "factor": 1.0, "weight": 0.2},
                    {"name": "road", "value": None, "unit": "m", "factor": 0.0, "weight": 0.0},
                ],
                "rules": [
                    rule("gap", "Gap between <tents>", 4.4, "m", 3.0, "fail", note="too near", source="UNHCR", verified=False),
                    rule("density", "Area a person", 45, "m2", 128, "pass", source="Sphere"),
                    rule("water_table", "Water table", 3, "m", None, "unknown"),
                ],
            }
        ],
    }  # fmt: skip
    path.with_name("rules.json").write_text(json.dumps(rules), encoding="utf-8")
