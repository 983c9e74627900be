"""Grading a small synthetic hamlet from end to end, through the library and through the command."""

import json
import sqlite3
from contextlib import closing

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import shapely

from imagery.core.errors import BadInputError, NotEnoughDataError
from imagery.damage import NOT_FITTED, grade_damage
from imagery.damage.ask import most_informative, questions
from tests.imagery.damage.hamlet import build, write_all, write_footprints, write_raster

FIELDS = (
    "damage_gra det_method notation src_date sensor_gsd jds_grade p0 p1 p2 p3 confidence grade_set roof_damage_frac dz_med "
    "sigma_z align_dx align_dy evidence reasons reviewed_by reviewed_grade"
)


@pytest.fixture(scope="module")
def hamlet():
    return build(seed=11, columns=4, rows=3, collapsed=4)


@pytest.fixture(scope="module")
def paths(hamlet, tmp_path_factory):
    return write_all(hamlet, tmp_path_factory.mktemp("hamlet"))


@pytest.fixture(scope="module")
def full(paths, tmp_path_factory):
    out = tmp_path_factory.mktemp("full") / "damage.gpkg"
    result = grade_damage(
        paths["post"],
        out=out,
        dsm=paths["dsm"],
        pre=paths["pre"],
        pre_dsm=paths["pre_dsm"],
        buildings=paths["buildings"],
    )
    return result, gpd.read_file(out, layer="builtUpA")


def damaged(frame: gpd.GeoDataFrame) -> np.ndarray:
    return frame[["p2", "p3"]].sum(axis=1).to_numpy() > 0.5


def test_collapsed_houses_are_told_from_standing_ones(full, hamlet):
    result, frame = full
    assert result.signature == "pre+post+surface"
    assert (damaged(frame) == (hamlet.grades == 3)).all()
    assert frame.dz_med[hamlet.grades == 3].to_numpy() == pytest.approx(4.4, abs=0.4)
    assert np.abs(frame.dz_med[hamlet.grades == 0]).max() < 0.2
    assert result.sigma_z_m == pytest.approx(0.03, abs=0.03)


def test_every_field_of_the_contract_is_there(full):
    result, frame = full
    assert frame.crs.to_epsg() == 4326
    assert [field for field in FIELDS.split() if field not in frame.columns] == []
    assert frame[["p0", "p1", "p2", "p3"]].sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-3)
    assert frame.roof_damage_frac.between(0, 1).all()
    assert sum(result.counts.values()) == len(frame)
    evidence = json.loads(frame.evidence[0])
    assert set(evidence) == {f"E{k}" for k in range(1, 12)}
    assert evidence["E1"]["loss_med"]["valid"]
    assert (frame.reasons.str.len() > 5).all()


def test_unfitted_results_say_so_everywhere(full):
    result, frame = full
    assert result.note == NOT_FITTED
    assert frame.notation.str.contains(NOT_FITTED).all()


def test_products_open_coloured_and_beside_each_other(full):
    package, geojson, picture = full[0].files
    assert len(gpd.read_file(geojson)) == len(full[1])
    assert picture.read_bytes()[:4] == b"\x89PNG"
    with closing(sqlite3.connect(package)) as database:
        name, style, default = database.execute(
            "SELECT f_table_name, styleQML, useAsDefault FROM layer_styles"
        ).fetchone()
    assert (name, default) == ("builtUpA", 1)
    assert "Not analysed" in style
    assert [name for name, _kind in pyogrio.list_layers(package) if name == "builtUpA"]


def test_a_missing_input_masks_its_evidence(paths, tmp_path):
    out = tmp_path / "post.gpkg"
    result = grade_damage(paths["post"], out=out, buildings=paths["buildings"])
    frame = gpd.read_file(out, layer="builtUpA")
    assert result.signature == "post"
    assert np.isnan(result.sigma_z_m)
    assert frame.dz_med.isna().all()
    evidence = json.loads(frame.evidence[0])
    assert evidence["E1"]["loss_med"] == {"raw": None, "score": None, "valid": False}
    assert evidence["E8"]["unlike"]["valid"] is False
    assert evidence["E5"]["edge_density"]["valid"] is True


def test_labels_refit_and_are_checked(paths, hamlet, tmp_path):
    shown = np.argsort(hamlet.grades, kind="stable")[[0, 1, 2, 3, 4, 5, 8, 9, 10]]
    grades = np.where(hamlet.grades[shown] == 3, "destroyed", "no-damage")
    labels = write_footprints(tmp_path / "labels.gpkg", [hamlet.footprints[k] for k in shown], jds_grade=grades)
    out = tmp_path / "fitted.gpkg"
    result = grade_damage(paths["post"], out=out, pre=paths["pre"], buildings=paths["buildings"], labels=labels)
    frame = gpd.read_file(out, layer="builtUpA")
    assert "fitted to 9 labels" in result.note
    assert (damaged(frame) == (hamlet.grades == 3)).all()
    assert result.label_check["after"] >= 0.9
    assert frame.reviewed_grade.notna().sum() == len(shown)


def test_roofs_are_extracted_when_no_footprints_are_given(paths, hamlet, tmp_path):
    out = tmp_path / "extracted.gpkg"
    result = grade_damage(paths["post"], out=out, dsm=paths["dsm"], pre=paths["pre"], pre_dsm=paths["pre_dsm"])
    frame = gpd.read_file(out, layer="builtUpA").to_crs("EPSG:32633")
    assert sum(result.counts.values()) == len(hamlet.footprints)
    lost = [damaged(frame)[shapely.STRtree(frame.geometry.to_numpy()).nearest(shape)] for shape in hamlet.footprints]
    assert (np.array(lost) == (hamlet.grades == 3)).all()
    assert frame.det_method.str.contains("roofs extracted").all()


def test_a_stitch_folder_stands_for_its_files(hamlet, tmp_path):
    folder = tmp_path / "stitch"
    folder.mkdir()
    write_raster(folder / "ortho.tif", hamlet.post)
    write_raster(folder / "dsm.tif", hamlet.dsm)
    result = grade_damage(folder, out=tmp_path / "damage.gpkg")
    assert result.signature == "post+surface"
    assert sum(result.counts.values()) >= (hamlet.grades == 0).sum()


def test_interpolated_heights_are_no_evidence(hamlet, tmp_path):
    folder = tmp_path / "stitch"
    folder.mkdir()
    write_raster(folder / "ortho.tif", hamlet.post)
    dsm, count = hamlet.dsm.copy(), np.full(hamlet.dsm.shape, 3, np.uint8)
    first = (slice(0, 220), slice(0, 220))
    dsm[first], count[first] = 100, 0  # nobody saw it twice: filled with the ground's height
    write_raster(folder / "dsm.tif", dsm)
    write_raster(folder / "measured.tif", count)
    footprints = write_footprints(tmp_path / "buildings.gpkg", hamlet.footprints)
    grade_damage(folder, out=tmp_path / "damage.gpkg", buildings=footprints)
    frame = gpd.read_file(tmp_path / "damage.gpkg", layer="builtUpA")
    assert frame.det_method[0].startswith("automatic, post,")
    assert frame.det_method[1:].str.startswith("automatic, post+surface,").all()


def test_what_the_image_does_not_show_is_not_analysed(hamlet, paths, tmp_path):
    holed = hamlet.post.copy()
    holed[:220, :220] = 0
    image = write_raster(tmp_path / "holed.tif", holed)
    result = grade_damage(
        image, out=tmp_path / "holed.gpkg", dsm=paths["dsm"], pre_dsm=paths["pre_dsm"], buildings=paths["buildings"]
    )
    frame = gpd.read_file(tmp_path / "holed.gpkg", layer="builtUpA")
    assert result.counts["Not analysed"] >= 1
    assert frame.damage_gra[0] == "Not analysed"
    assert "0% of the footprint" in frame.reasons[0]


def test_an_image_coarser_than_the_training_is_not_guessed_at(hamlet, paths, tmp_path):
    coarse = write_raster(tmp_path / "satellite.tif", hamlet.post[::5, ::5].copy(), cell=0.5)
    result = grade_damage(coarse, out=tmp_path / "coarse.gpkg", buildings=paths["buildings"])
    assert result.counts["Not analysed"] == len(hamlet.footprints)


def test_bad_input_is_one_clear_line(paths, hamlet, tmp_path):
    out = tmp_path / "x.gpkg"
    with pytest.raises(NotEnoughDataError, match="an image alone does not tell where buildings are"):
        grade_damage(paths["post"], out=out)
    away = write_raster(tmp_path / "away.tif", hamlet.pre, shift=(5000, 0))
    with pytest.raises(BadInputError, match=r"away.tif: does not overlap .*post.tif"):
        grade_damage(paths["post"], out=out, pre=away, buildings=paths["buildings"])
    abroad = write_footprints(tmp_path / "abroad.geojson", [shapely.affinity.translate(hamlet.footprints[0], 9000)])
    with pytest.raises(NotEnoughDataError, match="none of the 1 footprints"):
        grade_damage(paths["post"], out=out, buildings=abroad)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInputError, match=r"holds no ortho.tif"):
        grade_damage(tmp_path / "empty", out=out)
    assert not out.exists()


def test_the_most_uncertain_buildings_are_asked_about_and_differ(full, tmp_path):
    picked = questions(full[0].files[0], 5, tmp_path / "ask.gpkg")
    chance = picked[["p0", "p1", "p2", "p3"]].to_numpy()
    every = full[1][["p0", "p1", "p2", "p3"]].to_numpy()
    assert chance[0].max() == pytest.approx(every.max(axis=1).min(), abs=0.15)
    assert len(gpd.read_file(tmp_path / "ask.gpkg")) == 5
    twins = np.repeat(np.random.default_rng(0).uniform(size=(3, 6)), 4, axis=0)
    assert len({int(index) // 4 for index in most_informative(np.full((12, 4), 0.25), twins, 3)}) == 3
    with pytest.raises(BadInputError, match="not a GeoPackage with a layer builtUpA"):
        questions(tmp_path / "none.gpkg", 3)
