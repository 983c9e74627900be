"""The commands `damage`, `damage-ask` and `damage-train`."""

import json

import geopandas as gpd
import numpy as np
import pytest
import shapely

from imagery.core.errors import BadInputError
from imagery.damage.cues import CUE_NAMES, SIGNATURES
from imagery.damage.grader import load_models
from planner.app.cli import run
from planner.app.train import Event, held_out_events, jittered, measure_event, train, training_events
from tests.imagery.damage.hamlet import build, write_all


def called(name: str, *arguments) -> int:
    """Run a command; its exit code."""
    with pytest.raises(SystemExit) as ended:
        run(name, [str(argument) for argument in arguments])
    return int(ended.value.code or 0)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return write_all(build(seed=21, columns=3, rows=2, collapsed=2), tmp_path_factory.mktemp("hamlet"))


def test_damage_prints_a_table_of_grades(paths, tmp_path, capsys):
    out = tmp_path / "damage.gpkg"
    code = called("damage", paths["post"], "-o", out, "--pre", paths["pre"], "--buildings", paths["buildings"])
    said = capsys.readouterr().out
    assert code == 0
    assert "6 buildings from pre+post; not fitted to this event" in said
    assert "Destroyed" in said
    assert f"wrote {out}" in said
    assert called("damage-ask", out, "-n", 2, "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["buildings"]) == 2


def test_a_batch_goes_on_after_a_failure(paths, tmp_path, capsys):
    code = called(
        "damage",
        paths["post"],
        tmp_path / "absent.tif",
        "-o",
        tmp_path / "all",
        "--buildings",
        paths["buildings"],
        "--json",
    )
    printed = json.loads(capsys.readouterr().out)
    assert code == 1
    assert [bool(row["failed"]) for row in printed["inputs"]] == [False, True]
    lines = (tmp_path / "all/summary.csv").read_text().splitlines()
    assert lines[0].startswith("input,failed,buildings,No visible damage")
    assert len(lines) == 3


def test_bad_input_is_one_line_and_exit_2(paths, tmp_path, capsys):
    assert called("damage", tmp_path / "absent.tif", "-o", tmp_path / "x.gpkg") == 2
    assert capsys.readouterr().err == f"skyrelief: {tmp_path / 'absent.tif'}: no such file\n"
    assert called("damage", paths["post"], "-o", tmp_path / "x.shp") == 2
    assert "give a name ending in .gpkg" in capsys.readouterr().err
    assert called("damage", paths["post"], "-o", tmp_path / "x.gpkg") == 4
    assert "--buildings" in capsys.readouterr().err
    assert called("damage-train", "-o", tmp_path / "m.json", "--events", 2) == 2


def test_the_shipped_models_cover_every_signature():
    models = load_models()
    assert set(models) == set(SIGNATURES)
    for model in models.values():
        assert set(model.names) <= set(CUE_NAMES)
        assert model.count > 300


def test_a_foreign_model_file_is_refused(tmp_path):
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(BadInputError, match=r"model.json: not a damage model"):
        load_models(tmp_path / "model.json")


def test_events_for_measuring_are_not_those_trained_on():
    training, held_out = training_events(18), held_out_events(8)
    assert not {event.seed for event in training} & {event.seed for event in held_out}
    assert {event.profile for event in held_out} - {event.profile for event in training}
    assert {event.disaster for event in training} == {"earthquake", "storm", "flood", "fire", "none"}
    assert training == training_events(18)


SMALL = Event(1, "informal", "earthquake", 0.5, cell_m=0.25, size_m=(145.0, 145.0))


def test_training_runs_on_a_small_event(tmp_path):
    provenance = train([SMALL], tmp_path / "model.json", "skyrelief damage-train")
    assert provenance["buildings"] == sum(provenance["by_grade"]) > 10
    assert set(load_models(tmp_path / "model.json")) == set(SIGNATURES)


@pytest.mark.long
def test_measuring_an_event_is_reproducible():
    first, again = measure_event(SMALL), measure_event(SMALL)
    assert np.array_equal(first.values, again.values, equal_nan=True)
    assert np.array_equal(first.grades, again.grades)


def test_jitter_is_smooth_and_of_the_size_asked_for():
    boxes = [shapely.affinity.translate(shapely.box(0, 0, 8, 8), 20 * k, 15 * (k % 7)) for k in range(200)]
    frame = gpd.GeoDataFrame(geometry=boxes, crs="EPSG:32633")
    moved = jittered(frame, np.random.default_rng(0), 3.0)
    shift = shapely.get_coordinates(shapely.centroid(moved.geometry.to_numpy())) - shapely.get_coordinates(
        shapely.centroid(frame.geometry.to_numpy())
    )
    assert np.hypot(*shift.T).mean() == pytest.approx(3, rel=0.3)
