"""The whole loop on a small generated world: every product is there, readable by others, and near the truth."""

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest
import rasterio

from planner.app.demo import Demo, closing, run_demo

SMALL = Demo(seed=5, area_m=(160.0, 130.0), margin_m=50.0, cell_m=0.1, gsd_cm=8.0, speedup=25.0)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("demo") / "demo"
    return folder, run_demo(folder, SMALL, say=lambda _: None)


def test_every_planned_photo_is_taken_and_used(played: tuple[Path, dict[str, Any]]) -> None:
    folder, results = played
    assert results["fly"]["photos"] == results["fly"]["photos_planned"] == results["photos"]
    assert len(list((folder / "photos").glob("*.JPG"))) == results["photos"]
    quality = json.loads((folder / "stitch" / "quality.json").read_text())
    assert quality["photos_used"] == results["photos"]
    assert quality["reprojection_median_px"] < 0.6


def test_products_open_in_other_programs(played: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = played
    with rasterio.open(folder / "stitch" / "ortho.tif") as ortho:
        assert ortho.count == 3 and ortho.crs.is_projected and ortho.overviews(1)
    with rasterio.open(folder / "stitch" / "dsm.tif") as dsm:
        assert dsm.nodata == -9999 and dsm.dtypes == ("float32",)
    assert len(gpd.read_file(folder / "damage.gpkg", layer="builtUpA")) > 5
    assert len(gpd.read_file(folder / "sites.gpkg", layer="site")) >= 1
    assert (folder / "needs.csv").read_text().count("\n") > 5
    assert "<html" in (folder / "report.html").read_text(encoding="utf-8")


def test_near_the_truth(played: tuple[Path, dict[str, Any]]) -> None:
    _, results = played
    truth = results["truth"]
    assert truth["poses"]["internal_m"] < 0.06
    assert truth["mosaic"]["spread_m"] < 0.5  # scale and turn of 18 photos follow receivers that err by half a metre
    assert truth["mosaic"]["covered"] > 0.99
    assert truth["surface"]["nmad_m"] < 0.4
    assert truth["damage"]["within_one"] >= 0.8
    assert results["sites"]["rules_broken"] == 0


def test_closing_names_every_product(played: tuple[Path, dict[str, Any]]) -> None:
    folder, results = played
    text = "\n".join(closing(folder, results))
    for name in ("plan.geojson", "ortho.tif", "dsm.tif", "damage.gpkg", "sites.gpkg", "needs.csv", "report.html"):
        assert name in text
