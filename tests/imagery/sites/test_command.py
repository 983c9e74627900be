"""`skyrelief sites` and `skyrelief needs` on files: outputs, exit codes and one-line errors."""

import csv
import io
import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from affine import Affine

from planner.app import cli
from tests.oracles.site_rules import Truth, violations

WEST, NORTH = 500_000.0, 4_000_000.0
LAYERS = [
    "site", "tent", "path", "road", "firebreak", "latrine", "water_point", "lamp", "facility", "excluded",
]  # fmt: skip


@dataclass
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def run(*words: object) -> Done:
    """The command in this process, as if typed."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
        cli.run(str(words[0]), [str(word) for word in words[1:]])
    return Done(int(ended.value.code or 0), out.getvalue(), err.getvalue())


def stitch_folder(folder: Path, slope_pct: float = 3.0, size: int = 260) -> Path:
    """A field of 130 m with a house, as dsm.tif and ortho.tif at half a metre."""
    folder.mkdir(parents=True)
    x = np.mgrid[0:size, 0:size][1] * 0.5
    surface = (80 + slope_pct / 100 * x).astype(np.float32)
    surface[20:44, 200:230] += 5
    colour = np.full((3, size, size), 120, np.uint8)
    shape = {"width": size, "height": size, "crs": "EPSG:32633", "transform": Affine(0.5, 0, WEST, 0, -0.5, NORTH)}
    with rasterio.open(
        folder / "dsm.tif", "w", driver="GTiff", count=1, dtype="float32", nodata=-9999, **shape
    ) as file:
        file.write(surface, 1)
    with rasterio.open(folder / "ortho.tif", "w", driver="GTiff", count=3, dtype="uint8", **shape) as file:
        file.write(colour)
    return folder


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("sites")
    stitch_folder(folder / "stitch")
    road = shapely.LineString([(WEST, NORTH - 128), (WEST + 130, NORTH - 128)])
    gpd.GeoDataFrame(geometry=[road], crs="EPSG:32633").to_crs("EPSG:4326").to_file(folder / "roads.geojson")
    result = run(
        "sites",
        folder / "stitch",
        "-o",
        folder / "sites.gpkg",
        "--roads",
        folder / "roads.geojson",
        "--people",
        2000,
        "--json",
    )
    assert result.returncode == 0, result.stderr
    return folder, json.loads(result.stdout)


def test_the_files_hold_what_the_contract_says(done: tuple[Path, dict]) -> None:
    folder, answer = done
    assert [name for name, _ in pyogrio.list_layers(folder / "sites.gpkg")] == LAYERS
    layers = {name: gpd.read_file(folder / "sites.gpkg", layer=name) for name in LAYERS}
    assert all(frame.crs.is_projected and frame.crs.axis_info[0].unit_name == "metre" for frame in layers.values())
    document = json.loads((folder / "rules.json").read_text(encoding="utf-8"))
    assert answer["rules_broken"] == document["totals"]["rules_broken"] == 0
    assert document["standards"]["max_slope_pct"]["value"] == 10
    for rule in document["sites"][0]["rules"]:
        assert rule["source"] and rule["verdict"] in ("pass", "unknown")
        assert rule["measured"] is not None or rule["verdict"] == "unknown" or rule["comparison"] == ">="
    assert answer["unhoused"] == 2000 - answer["persons"]
    assert (folder / "sites.png").stat().st_size > 20_000
    x = np.mgrid[0:130, 0:130][1] + 0.5
    house = shapely.box(WEST + 100, NORTH - 22, WEST + 115, NORTH - 10)
    road = gpd.read_file(folder / "roads.geojson").to_crs("EPSG:32633").geometry.iloc[0].buffer(3.0, cap_style="flat")
    truth = Truth(80 + 0.03 * x, WEST, NORTH, 1.0, roads=[road], damaged=[(house, 5.0)])
    assert violations(layers, document, truth) == []
    tents = layers["tent"].union_all()
    assert 100 < 5 * len(layers["tent"]) <= 130 * 130 / 45
    assert tents.distance(house) >= 10 and tents.distance(road) >= 15


def test_needs_of_these_sites(done: tuple[Path, dict], tmp_path: Path) -> None:
    folder, answer = done
    houses = [shapely.box(WEST + 20 * k, NORTH, WEST + 20 * k + 12, NORTH + 10) for k in range(30)]
    grades = {"jds_grade": ["destroyed"] * 30, "p0": 0.0, "p1": 0.1, "p2": 0.2, "p3": 0.7, "roof_damage_frac": 0.8}
    gpd.GeoDataFrame(grades, geometry=houses, crs="EPSG:32633").to_file(tmp_path / "damage.gpkg", layer="builtUpA")
    result = run("needs", tmp_path / "damage.gpkg", "--sites", folder / "sites.gpkg", "-o", tmp_path / "needs.csv")
    assert result.returncode == 0, result.stderr
    rows = {row["item"]: row for row in csv.DictReader((tmp_path / "needs.csv").read_text("utf-8").splitlines())}
    assert int(rows["persons that the sites house"]["p50"]) == answer["persons"]
    assert "4.4 m between tents" in rows["family tent, 16 m2 floor, fire retardant"]["note"]


def test_too_steep_ground_ends_with_exit_code_4_and_the_reason(tmp_path: Path) -> None:
    stitch_folder(tmp_path / "stitch", slope_pct=14.0)
    result = run("sites", tmp_path / "stitch", "-o", tmp_path / "sites.gpkg")
    assert result.returncode == 4
    assert "steep" in result.stderr and "%" in result.stderr and "Traceback" not in result.stderr
    assert not list(tmp_path.glob("sites*"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "no such folder"),
        ([], "--dsm"),
        (["empty"], "no dsm.tif"),
        (["stitch", "--profile", "arctic"], "minimum"),
        (["stitch", "--roads", "nothing.gpkg"], "nothing.gpkg"),
        (["--dsm", "text.tif"], "text.tif"),
    ],
)
def test_bad_input_is_said_in_a_line(tmp_path: Path, words: list[str], said: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.tif").write_text("no raster", encoding="utf-8")
    stitch_folder(tmp_path / "stitch")
    given = [
        tmp_path / word if word in ("nowhere", "empty", "stitch", "nothing.gpkg", "text.tif") else word
        for word in words
    ]
    result = run("sites", *given, "-o", tmp_path / "out" / "sites.gpkg")
    assert result.returncode == 2
    assert said in result.stderr and "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()


def test_several_inputs_go_on_after_a_failure(tmp_path: Path) -> None:
    stitch_folder(tmp_path / "good")
    stitch_folder(tmp_path / "steep", slope_pct=20)
    result = run("sites", tmp_path / "steep", tmp_path / "good", "-o", tmp_path / "out")
    assert result.returncode == 1
    rows = list(csv.DictReader((tmp_path / "out/summary.csv").read_text("utf-8").splitlines()))
    assert [row["status"] == "done" for row in rows] == [False, True]
    assert (tmp_path / "out/good/sites.gpkg").exists() and not (tmp_path / "out/steep").exists()
