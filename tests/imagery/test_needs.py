"""Displaced persons as a range and the order sheet."""

import csv
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely

from imagery.core.errors import BadInputError
from imagery.needs import compute_needs, displaced_persons


def damage_file(path: Path, grades: list[dict], area_m2: float = 120.0) -> Path:
    side = area_m2**0.5
    shapes = [
        shapely.box(500_000 + 40 * k, 4_000_000, 500_000 + 40 * k + side, 4_000_000 + side) for k in range(len(grades))
    ]
    frame = gpd.GeoDataFrame(grades, geometry=shapes, crs="EPSG:32633").to_crs("EPSG:4326")
    frame.to_file(path, layer="builtUpA")
    return path


def probabilities(*values: float) -> dict:
    return dict(zip(("p0", "p1", "p2", "p3"), values, strict=True)) | {"jds_grade": "x", "roof_damage_frac": 0.2}


def graded(name: str, **more: object) -> dict:
    one = {"no-damage": 0, "minor-damage": 1, "major-damage": 2, "destroyed": 3}[name]
    return {f"p{k}": float(k == one) for k in range(4)} | {"jds_grade": name, "roof_damage_frac": 0.5} | more


def test_certain_damage_displaces_all_occupants(tmp_path: Path) -> None:
    damage = damage_file(tmp_path / "damage.gpkg", [graded("destroyed")] * 6 + [graded("no-damage")] * 4)
    needs = compute_needs(damage, out=tmp_path / "needs.csv")
    assert needs.displaced.p50 == pytest.approx(60, rel=0.06)  # 120 m2 at 12 m2 each, six houses
    assert needs.displaced.p10 < needs.displaced.p50 < needs.displaced.p90
    assert needs.displaced.buildings == 10


def test_percentiles_are_those_of_the_binomial_sum() -> None:
    p, persons = np.full(200, 0.3), np.full(200, 5.0)
    found = displaced_persons(p, persons, spread=0.0, seed=1)
    sigma = 5 * np.sqrt(200 * 0.3 * 0.7)
    assert found.p50 == pytest.approx(300, abs=6)
    assert found.p90 - found.p10 == pytest.approx(2 * 1.2816 * sigma, rel=0.12)
    assert found == displaced_persons(p, persons, spread=0.0, seed=1)
    assert found != displaced_persons(p, persons, spread=0.0, seed=2)


def test_buildings_that_were_not_analysed_are_counted_apart(tmp_path: Path) -> None:
    unknown = {"p0": None, "p1": None, "p2": None, "p3": None, "jds_grade": None, "roof_damage_frac": None}
    named = graded("destroyed") | {"jds_grade": "un-classified"}
    damage = damage_file(tmp_path / "damage.gpkg", [graded("destroyed"), unknown, named])
    found = compute_needs(damage, out=tmp_path / "needs.csv").displaced
    assert (found.buildings, found.unknown_buildings, found.unknown_persons) == (1, 2, 20)
    assert found.p90 <= 15


def test_a_reviewers_grade_is_certain(tmp_path: Path) -> None:
    rows = [graded("no-damage", reviewed_grade="destroyed"), graded("destroyed", reviewed_grade="no-damage")]
    damage = damage_file(tmp_path / "damage.gpkg", [*rows, graded("no-damage", reviewed_grade=None)])
    assert compute_needs(damage, out=tmp_path / "needs.csv").displaced.p50 == pytest.approx(10, abs=2)


def test_occupants_come_from_the_user_then_area_and_floors(tmp_path: Path) -> None:
    rows = [graded("destroyed", occupants=31.0, floors=None), graded("destroyed", occupants=None, floors=3.0)]
    found = compute_needs(damage_file(tmp_path / "d.gpkg", rows), out=tmp_path / "needs.csv").displaced
    assert found.occupants == 31 + 30
    small = damage_file(tmp_path / "small.gpkg", [graded("destroyed")], area_m2=9.0)
    assert compute_needs(small, out=tmp_path / "needs.csv").displaced.occupants == 5


def test_the_order_sheet(tmp_path: Path) -> None:
    damage = damage_file(tmp_path / "damage.gpkg", [graded("destroyed")] * 50)
    needs = compute_needs(damage, out=tmp_path / "needs.csv")
    rows = {
        row["item"]: row for row in csv.DictReader((tmp_path / "needs.csv").read_text(encoding="utf-8").splitlines())
    }
    people = needs.displaced.p50
    households = -(-people // 5)
    tent = rows["family tent, 16 m2 floor, fire retardant"]
    assert int(tent["p50"]) == int(np.ceil(np.round(households * 1.05, 6)))
    assert tent["code"] == "HSHETENTF16C" and tent["code_verified"] == "true"
    assert int(rows["water each day"]["p50"]) == 15 * people and rows["water each day"]["unit"] == "L/day"
    assert int(rows["latrine cabins now"]["p50"]) == -(-people // 50)
    assert int(rows["latrine cabins later"]["p50"]) == -(-people // 20)
    assert rows["solar lamp"]["code"] == "" and rows["solar lamp"]["code_verified"] == ""
    assert all(row["code"] == "" or row["code_verified"] == "true" for row in rows.values())
    assert int(rows["blanket"]["p10"]) <= int(rows["blanket"]["p50"]) <= int(rows["blanket"]["p90"])
    assert int(rows["tents, weight"]["p50"]) == 55 * int(tent["p50"])
    text = (tmp_path / "needs.csv").read_text(encoding="utf-8").lower()
    assert "killed" not in text and "injur" not in text


@pytest.mark.parametrize("content", [None, "not a file of buildings"])
def test_wrong_files_are_explained(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "damage.gpkg"
    if content:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(BadInputError, match=r"damage\.gpkg"):
        compute_needs(path, out=tmp_path / "needs.csv")
    assert not (tmp_path / "needs.csv").exists()


def test_a_layer_without_grades_is_refused(tmp_path: Path) -> None:
    damage = damage_file(tmp_path / "damage.gpkg", [{"name": "house"}])
    with pytest.raises(BadInputError, match=r"p0\.\.p3"):
        compute_needs(damage, out=tmp_path / "needs.csv")
