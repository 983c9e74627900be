"""Corridors: along rivers and roads with branches, bends, crossings and loops, complete whatever their shape."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from imagery.core.camera import find_camera
from imagery.core.errors import BadInputError
from planner.area import Area, read_corridor
from planner.drone import find_drone
from planner.patterns.corridor import passes, strokes
from planner.spec import SurveySpec
from planner.survey import SurveyPlan, plan_survey
from tests.planner.nasty import to_degrees

ANGLES = np.linspace(0, 2 * np.pi, 60)
BENDS = np.linspace(0, 1500, 80)
AXES = {
    "river": (shapely.LineString(np.column_stack([BENDS, 120 * np.sin(BENDS / 250)])), 90),
    "hairpins": (shapely.LineString([(0, 0), (400, 0), (50, 80), (400, 170), (0, 260)]), 60),
    "loop": (shapely.LineString(np.column_stack([250 * np.cos(ANGLES), 180 * np.sin(ANGLES)])), 80),
    "crossing": (shapely.LineString([(0, 0), (400, 300), (500, 150), (400, 0), (0, 300)]), 60),
    "junction": (shapely.MultiLineString([[(0, 0), (600, 0)], [(300, 0), (330, 300)]]), 90),
    "dyke": (shapely.LineString([(0, 0), (300, 20), (500, 200)]), 15),
}


def corridor(axis: shapely.Geometry, folder: Path, usual_m: float, **more: float) -> Area:
    feature = {"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(to_degrees(axis))}
    (folder / "line.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    return read_corridor(folder / "line.geojson", usual_m, **more)


def spec(area: Area) -> SurveySpec:
    return SurveySpec(
        area, find_camera("dji-mavic-3e"), find_drone("generic-arducopter"), gsd_cm=2.0, pattern="corridor"
    )


def is_complete(plan: SurveyPlan) -> bool:
    return plan.overlap.seen(1) == 1 and plan.overlap.seen(5) >= 0.99


@pytest.mark.parametrize("name", AXES)
def test_a_corridor_is_covered(name: str, tmp_path: Path) -> None:
    axis, width_m = AXES[name]
    plan = plan_survey(spec(corridor(axis, tmp_path, width_m)))
    assert is_complete(plan)
    assert len(plan.flights) == 1
    assert plan.area.buffer(1).covers(shapely.MultiPoint(plan.flights[0].photos[:, :2]))


def walks() -> st.SearchStrategy[shapely.LineString]:
    """Random walks of a few legs, with turns up to hairpins, that may cross themselves."""
    legs = st.lists(st.tuples(st.floats(60, 300), st.floats(-160, 160)), min_size=2, max_size=6)
    return legs.map(_walk)


def _walk(legs: list[tuple[float, float]]) -> shapely.LineString:
    courses = np.radians(np.cumsum([turn for _, turn in legs]))
    steps = np.array([length for length, _ in legs])[:, None] * np.column_stack([np.cos(courses), np.sin(courses)])
    return shapely.LineString(np.vstack([[0, 0], np.cumsum(steps, axis=0)]))


@settings(max_examples=6, deadline=None, derandomize=True)
@given(axis=walks(), width_m=st.floats(10, 150))
def test_any_walk_is_covered(
    axis: shapely.LineString, width_m: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert is_complete(plan_survey(spec(corridor(axis, tmp_path_factory.mktemp("walk"), width_m))))


@pytest.mark.long
@settings(max_examples=25, deadline=None)
@given(axis=walks(), width_m=st.floats(10, 300))
def test_many_walks_are_covered(
    axis: shapely.LineString, width_m: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert is_complete(plan_survey(spec(corridor(axis, tmp_path_factory.mktemp("walk"), width_m))))


def test_strokes_go_straight_on_through_junctions() -> None:
    cross = shapely.MultiLineString([[(-100, 0), (0, 0)], [(0, 0), (120, 5)], [(0, 0), (0, 90)], [(0, 0), (3, -90)]])
    found = strokes(cross)
    assert len(found) == 2
    assert sorted(line.length for line in found) == pytest.approx(
        [90 + math.hypot(3, 90), 100 + math.hypot(120, 5)], rel=1e-6
    )
    assert len(strokes(shapely.MultiLineString([[(0, 0), (50, 0)], [(50, 0), (50, 50)]]))) == 2


def test_passes_lie_side_by_side() -> None:
    found = passes(shapely.LineString([(0, 0), (1000, 0)]), 35.0, 3, "mitre")
    assert sorted(line.coords[0][1] for line in found) == pytest.approx([-35, 0, 35])


def test_passes_around_a_ring_close() -> None:
    ring = shapely.LineString([(0, 0), (400, 0), (400, 300), (0, 300), (0, 0)])
    found = passes(ring, 10.0, 2, "mitre")
    assert sorted(line.length for line in found) == pytest.approx([1400 - 80, 1400 + 80])


def test_inside_a_loop_is_neither_surveyed_nor_forbidden(tmp_path: Path) -> None:
    axis, _ = AXES["loop"]
    plan = plan_survey(spec(corridor(axis, tmp_path, 60.0)))
    assert not plan.area.intersects(shapely.Point(plan.area.centroid).buffer(50))
    assert plan.no_fly.is_empty
    assert all(not part.interiors for part in shapely.get_parts(plan.area))


def test_the_width_asked_for_comes_before_that_of_the_file(tmp_path: Path) -> None:
    line = shapely.geometry.mapping(to_degrees(shapely.LineString([(0, 0), (300, 0)])))
    features = [{"type": "Feature", "properties": {"width_m": 90}, "geometry": line}]
    (tmp_path / "river.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    assert read_corridor(tmp_path / "river.geojson", 50.0).width_m == 90
    assert read_corridor(tmp_path / "river.geojson", 50.0, width_m=30.0).width_m == 30
    with pytest.raises(BadInputError, match="wide is not possible"):
        read_corridor(tmp_path / "river.geojson", 50.0, width_m=-1.0)


def test_a_corridor_needs_a_line() -> None:
    with pytest.raises(BadInputError, match="follows a line"):
        plan_survey(spec(Area("block", to_degrees(shapely.box(0, 0, 500, 300)))))
