"""A plan's folder reads back into what was planned, so that gaps, the brief and a resumed flight need no planning anew."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely

from imagery.core.camera import find_camera
from imagery.core.errors import BadInputError
from planner.app.commands.plan import write_plan
from planner.area import Area
from planner.drone import find_drone
from planner.formats import plan_geojson
from planner.survey import SurveyPlan, SurveySpec, plan_survey
from tests.planner.nasty import NASTY, to_degrees

CAMERA = replace(find_camera("dji-mavic-3e"), id="my-own", min_interval_s=0.9, k1=-0.01)


@pytest.fixture(scope="module")
def plan() -> SurveyPlan:
    area = Area("holes", to_degrees(NASTY["holes"]()))
    spec = SurveySpec(
        area, CAMERA, find_drone("dji-mavic-3e"), gsd_cm=2.0, usable_s=600.0, drones=2, angle_deg=30.0, wind_m_s=3.0
    )
    return plan_survey(spec)


@pytest.fixture(scope="module")
def folder(plan: SurveyPlan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "plan"
    write_plan(plan, folder)
    return folder


def test_the_flights_come_back(plan: SurveyPlan, folder: Path) -> None:
    saved = plan_geojson.read(folder)
    assert len(saved.flights) == len(plan.flights) > 1
    for back, flight in zip(saved.flights, plan.flights, strict=True):
        assert (back.number, back.drone) == (flight.number, flight.drone)
        assert back.lines.tolist() == flight.lines.tolist()
        for mine, theirs in ((back.path, flight.path), (back.photos, flight.photos)):
            lon_lat = np.array(saved.frame.to_geographic(mine[:, 0], mine[:, 1]))
            assert lon_lat == pytest.approx(np.array(plan.frame.to_geographic(theirs[:, 0], theirs[:, 1])), abs=1e-8)
            assert mine[:, 2] == pytest.approx(theirs[:, 2], abs=0.006)
        assert back.course_deg == pytest.approx(flight.course_deg % 360, abs=0.006)
        assert back.photo_agl_m == pytest.approx(flight.photo_agl_m, abs=0.006)
        assert back.duration_s == pytest.approx(flight.duration_s, abs=0.06)


def test_the_ground_and_the_request_come_back(plan: SurveyPlan, folder: Path) -> None:
    saved = plan_geojson.read(folder / "plan.geojson")
    assert saved.area.area == pytest.approx(plan.area.area, rel=1e-5)
    assert saved.no_fly.area == pytest.approx(plan.no_fly.area, rel=1e-5)
    assert saved.home == pytest.approx(plan.home, abs=1e-8)
    assert np.isnan(saved.home_amsl_m)
    assert saved.warnings == plan.warnings
    assert (saved.trigger_m, saved.spacing_m) == pytest.approx((plan.trigger_m, plan.spacing_m), abs=0.006)
    given, back = plan.spec, saved.spec
    assert (back.camera, back.drone) == (given.camera, given.drone)
    same = ("gsd_cm", "height_m", "pattern", "angle_deg", "clearance_m", "wind_m_s", "speed_m_s", "drones", "dem")
    assert [getattr(back, name) for name in same] == [getattr(given, name) for name in same]
    assert (back.front_overlap, back.sidelap, back.usable_s) == pytest.approx((0.75, 0.70, 600.0))
    assert back.area.polygon.area == pytest.approx(given.area.polygon.area, rel=1e-5)


def test_a_saved_request_can_be_planned_again(plan: SurveyPlan, folder: Path) -> None:
    again = plan_survey(plan_geojson.read(folder).spec)
    assert len(again.flights) == pytest.approx(len(plan.flights), abs=plan.spec.drones)  # each drone flies as many
    assert sum(len(f.photos) for f in again.flights) == pytest.approx(sum(len(f.photos) for f in plan.flights), rel=0.1)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("plan.geojson", "", "empty"),
        ("plan.geojson", "{", "not JSON"),
        ("plan.geojson", "[]", "no plan"),
        ("plan.geojson", '{"features": [{"geometry": null}]}', "no plan"),
        ("plan.geojson", '{"features": []}', "no area"),
        ("summary.json", "[]", "lacks figures"),
        ("summary.json", "{}", "lacks figures"),
        ("summary.json", None, "no such file"),
    ],
)
def test_what_is_no_plan_is_refused(name: str, content: str | None, words: str, folder: Path, tmp_path: Path) -> None:
    for file in ("plan.geojson", "summary.json"):
        (tmp_path / file).write_bytes((folder / file).read_bytes())
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(BadInputError, match=words) as caught:
        plan_geojson.read(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_values_of_the_wrong_kind_are_refused(folder: Path, tmp_path: Path) -> None:
    """Every value of the first features and of the summary in turn, replaced by one that does not belong there."""
    plan = json.loads((folder / "plan.geojson").read_text())
    summary = json.loads((folder / "summary.json").read_text())
    plan["features"] = plan["features"][:9]
    for value in (None, [], {}, "x", 1e400, -1, [[None]]):
        for feature in plan["features"]:
            for holder, key in ((feature, "geometry"), *((feature["properties"], k) for k in feature["properties"])):
                kept, holder[key] = holder[key], value
                _read_or_refused(tmp_path, plan, summary)
                holder[key] = kept
        for key, kept in summary["request"].items():
            summary["request"][key] = value
            _read_or_refused(tmp_path, plan, summary)
            summary["request"][key] = kept


def _read_or_refused(folder: Path, plan: object, summary: object) -> None:
    (folder / "plan.geojson").write_text(json.dumps(plan))
    (folder / "summary.json").write_text(json.dumps(summary))
    try:
        saved = plan_geojson.read(folder)
    except BadInputError as error:
        assert "\n" not in str(error)
    else:
        assert isinstance(saved.area, shapely.Geometry)
