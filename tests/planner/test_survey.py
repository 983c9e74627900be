"""Survey plans against an independent scorer: coverage, time, no-fly zones, flights."""

import json
import math
from dataclasses import replace
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import shapely
from hypothesis import strategies as st

from imagery.core.camera import find_camera
from imagery.core.errors import BadInputError
from planner.area import Area, read_area
from planner.drone import find_drone
from planner.formats import plan_geojson
from planner.spec import pace
from planner.survey import SurveyPlan, SurveySpec, plan_survey
from tests.oracles.plan_score import score
from tests.planner.nasty import NASTY, to_degrees

# Seconds from home to home of the best plans published for these areas (home-to-home, seen1 100 %, seen5 >= 98.8 %).
BEST_KNOWN = {"A_convex": 1172, "L_shape": 1607, "U_shape": 1671, "H_nofly": 1635}


def spec_for(area: Area, **more: object) -> SurveySpec:
    standard = {"gsd_cm": 2.0, "speed_m_s": 10.0, "clearance_m": 1.0}
    return SurveySpec(area, find_camera("dji-mavic-3e"), find_drone("dji-mavic-3e"), **{**standard, **more})


def scored(plan: SurveyPlan, folder: Path) -> dict[str, float]:
    plan_geojson.write(plan, folder / "plan.geojson")
    return score(json.loads((folder / "plan.geojson").read_text()), plan.spec.area.polygon)


@pytest.mark.parametrize("name", BEST_KNOWN)
def test_no_slower_than_the_best_published_plan(name: str, shared_data: Path, tmp_path: Path) -> None:
    plan = plan_survey(spec_for(read_area(shared_data / f"areas/bench/{name}.geojson")))
    result = scored(plan, tmp_path)
    assert result["seconds"] <= BEST_KNOWN[name]
    assert result["seen1"] == 100
    assert result["seen5"] >= 99
    assert result["no_fly_m"] == 0
    assert result["photos_not_flown"] == 0
    assert result["home_gap_m"] < 0.1
    assert result["seconds"] == pytest.approx(plan.flights[0].cruise_s, abs=0.5)
    assert 100 * plan.overlap.seen(5) == pytest.approx(result["seen5"], abs=0.3)


@pytest.mark.long
def test_ten_square_kilometres(shared_data: Path, tmp_path: Path) -> None:
    result = scored(plan_survey(spec_for(read_area(shared_data / "areas/bench/B_10km2.geojson"))), tmp_path)
    assert result["seconds"] <= 33321
    assert result["seen1"] == 100
    assert result["seen5"] >= 99


@pytest.mark.parametrize("name", sorted(set(NASTY) - {"coastline"}))
def test_nasty_areas_are_covered_and_safe(name: str, tmp_path: Path) -> None:
    result = scored(plan_survey(spec_for(Area(name, to_degrees(NASTY[name]())))), tmp_path)
    assert result["seen1"] == 100
    assert result["no_fly_m"] == 0
    assert result["photos_not_flown"] == 0


@pytest.mark.long
def test_a_coastline_of_ten_thousand_vertices(tmp_path: Path) -> None:
    result = scored(plan_survey(spec_for(Area("coastline", to_degrees(NASTY["coastline"]())))), tmp_path)
    assert result["seen1"] == 100
    assert result["outside_m"] < 50


def test_several_polygons_become_one_flight_in_order(tmp_path: Path) -> None:
    plan = plan_survey(spec_for(Area("islands", to_degrees(NASTY["islands"]()))))
    assert len(plan.flights) == 1
    assert scored(plan, tmp_path)["seen5"] >= 99


@st.composite
def polygons(draw: st.DrawFn) -> shapely.Polygon:
    count = draw(st.integers(3, 10))
    radius = [draw(st.floats(40, 400)) for _ in range(count)]
    angle = 2 * math.pi * (np.arange(count) + [draw(st.floats(0, 0.8)) for _ in range(count)]) / count
    outline = shapely.Polygon(np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]))
    if draw(st.booleans()):
        outline = outline.difference(
            shapely.Point(draw(st.floats(-60, 60)), 0).buffer(draw(st.floats(5, 60)), quad_segs=3)
        )
    return outline


@hypothesis.settings(max_examples=12, deadline=None, derandomize=True)
@hypothesis.given(polygons(), st.sampled_from(["80/70", "60/60"]), st.floats(1, 25))
def test_any_area_plans_safely_or_is_refused_with_a_reason(
    outline: shapely.Geometry, overlap: str, clearance: float
) -> None:
    hypothesis.assume(outline.geom_type == "Polygon" and outline.area > 100)
    front, side = (int(v) / 100 for v in overlap.split("/"))
    spec = spec_for(Area("any", to_degrees(outline)), front_overlap=front, sidelap=side, clearance_m=clearance)
    try:
        plan = plan_survey(spec)
    except BadInputError as error:
        assert len(str(error)) > 20
        return
    region = plan.area.difference(plan.no_fly.buffer(clearance))
    for flight in plan.flights:
        path = shapely.LineString(flight.path[:, :2])
        assert path.intersection(plan.no_fly.buffer(clearance - 0.2)).length < 1e-6
        assert np.allclose(flight.path[0], flight.path[-1])
        lines = shapely.linestrings(flight.path[flight.lines.ravel(), :2].reshape(-1, 2, 2))
        assert shapely.covered_by(lines, region.buffer(0.5)).all()
    reachable = region.area > 0.98 * plan.area.area  # a wide clearance may leave parts that no photo reaches
    assert plan.overlap.seen(1) == 1 or not reachable


@pytest.mark.parametrize("turn_deg", [17.0, 90.0, 133.0])
def test_time_does_not_depend_on_where_north_is(turn_deg: float) -> None:
    outline = shapely.Polygon([(0, 0), (700, 60), (620, 500), (300, 420), (40, 520)])
    seconds = []
    for angle, lat in ((0.0, 37.58), (turn_deg, -12.0)):
        turned = shapely.transform(
            outline,
            lambda p, a=math.radians(angle): p @ np.array([[math.cos(a), math.sin(a)], [-math.sin(a), math.cos(a)]]),
        )
        area = Area("turned", to_degrees(turned, lat=lat))
        home = to_degrees(shapely.Point(turned.exterior.coords[0]), lat=lat)
        seconds.append(plan_survey(spec_for(area, homes=((home.x, home.y),))).flights[0].cruise_s)
    assert seconds[1] == pytest.approx(seconds[0], rel=0.02)


def test_flights_fit_the_battery_and_are_balanced(shared_data: Path, tmp_path: Path) -> None:
    area = read_area(shared_data / "areas/bench/L_shape.geojson")
    usable_s = 9 * 60.0
    plan = plan_survey(spec_for(area, usable_s=usable_s))
    durations = [flight.duration_s for flight in plan.flights]
    assert max(durations) <= usable_s + 0.5
    transit_s = 2 * 8.0  # the least that any flight spends between home and the area
    overhead_s = plan.motion.take_off_and_land_s(spec_for(area).height_agl_m)
    one = plan_survey(spec_for(area)).flights[0].cruise_s
    assert len(durations) <= math.ceil(one / (usable_s - overhead_s - transit_s)) + 1
    assert max(durations) / min(durations) <= 1.10
    assert scored(plan, tmp_path)["seen1"] == 100


def test_every_drone_flies(shared_data: Path) -> None:
    plan = plan_survey(spec_for(read_area(shared_data / "areas/bench/A_convex.geojson"), drones=3))
    assert [flight.drone for flight in plan.flights] == [1, 2, 3]


def test_a_mission_longer_than_the_autopilot_holds_is_split_with_a_warning() -> None:
    area = Area("comb", to_degrees(NASTY["comb"]()))
    drone = replace(find_drone("dji-mavic-3e"), max_items=60)
    plan = plan_survey(SurveySpec(area, find_camera("dji-mavic-3e"), drone, gsd_cm=2.0))
    assert len(plan.flights) > 1
    assert any("mission items" in warning for warning in plan.warnings)


def test_wind_makes_flights_slower_but_only_when_the_drone_cannot_hold_its_speed(shared_data: Path) -> None:
    area = read_area(shared_data / "areas/bench/A_convex.geojson")
    calm, breeze, strong = (
        plan_survey(spec_for(area, wind_m_s=wind, wind_from_deg=250)).flights[0].cruise_s for wind in (0.0, 3.0, 10.0)
    )
    assert breeze == pytest.approx(calm, rel=0.01)
    assert strong > calm * 1.05


def test_a_shutter_speed_keeps_the_blur_to_a_pixel(shared_data: Path) -> None:
    area = read_area(shared_data / "areas/bench/A_convex.geojson")
    slow, fast = (spec_for(area, shutter_s=shutter, gsd_cm=1.0, speed_m_s=8.0) for shutter in (1 / 500, 1 / 1000))
    motion, warnings = pace(slow)
    assert motion.speed_m_s == pytest.approx(0.01 * 500)
    assert "1/500 s" in warnings[0] and "instead of 8" in warnings[0]
    assert pace(fast)[0].speed_m_s == 8.0 and pace(fast)[1] == []


def test_crosshatch_sees_everything_twice_as_often(shared_data: Path) -> None:
    area = read_area(shared_data / "areas/bench/A_convex.geojson")
    plan = plan_survey(spec_for(area, pattern="crosshatch"))
    courses = np.unique(np.round(plan.flights[0].course_deg % 180))
    assert len(courses) == 2
    assert plan.overlap.seen(10) > 0.99


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"gsd_cm": 0.0}, "ground sampling distance"),
        ({"gsd_cm": None, "height_m": -5.0}, "height"),
        ({"front_overlap": 1.0}, "front overlap"),
        ({"sidelap": -0.1}, "sidelap"),
        ({"speed_m_s": 0.0}, "speed"),
        ({"clearance_m": -1.0}, "clearance"),
        ({"shutter_s": 0.0}, "shutter"),
        ({"usable_s": 60.0}, "too short"),
        ({"homes": ((36.93, 47.58),)}, "km from the area"),
        ({"pattern": "zigzag"}, "pattern"),
    ],
)
def test_impossible_requests_are_refused_with_the_value(
    change: dict[str, object], words: str, shared_data: Path
) -> None:
    with pytest.raises(BadInputError, match=words):
        plan_survey(spec_for(read_area(shared_data / "areas/bench/A_convex.geojson"), **change))


def test_a_home_in_a_no_fly_zone_is_refused(shared_data: Path) -> None:
    with pytest.raises(BadInputError, match="no-fly zone"):
        plan_survey(spec_for(read_area(shared_data / "areas/bench/H_nofly.geojson"), homes=((36.93475, 37.58297),)))
