"""What holds for every area: safe, complete, the same wherever it lies; the long versions try a thousand areas."""

import math

import hypothesis
import numpy as np
import pytest
import shapely
import shapely.affinity
from hypothesis import strategies as st

from imagery.core.camera import find_camera
from imagery.core.errors import BadInputError
from planner.area import Area
from planner.drone import find_drone
from planner.survey import SurveyPlan, SurveySpec, plan_survey
from tests.planner.nasty import NASTY, to_degrees

SHORT = hypothesis.settings(max_examples=5, deadline=None, derandomize=True)
LONG = hypothesis.settings(
    max_examples=1000, deadline=None, derandomize=True, suppress_health_check=list(hypothesis.HealthCheck)
)


def planned(outline: shapely.Geometry, lat: float = 37.58, lon: float = 36.93, **more: object) -> SurveyPlan:
    home = to_degrees(shapely.Point(shapely.get_coordinates(outline)[0]), lon, lat)
    standard = {"gsd_cm": 2.0, "speed_m_s": 10.0, "homes": ((home.x, home.y),)}
    area = Area("any", to_degrees(outline, lon, lat))
    return plan_survey(
        SurveySpec(area, find_camera("dji-mavic-3e"), find_drone("dji-mavic-3e"), **{**standard, **more})
    )


@st.composite
def outlines(draw: st.DrawFn) -> shapely.Geometry:
    """Stars, crosses of bars and blobs, some with a hole or in two parts."""
    count = draw(st.integers(3, 9))
    radius = [draw(st.floats(30, 350)) for _ in range(count)]
    angle = 2 * math.pi * (np.arange(count) + [draw(st.floats(0, 0.8)) for _ in range(count)]) / count
    shape = shapely.Polygon(np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])).buffer(0)
    match draw(st.sampled_from(["star", "bars", "hole", "parts"])):
        case "bars":
            width, turn = draw(st.floats(5, 150)), draw(st.floats(10, 170))
            bar = shapely.box(-300, -width / 2, 300, width / 2)
            shape = bar.union(shapely.affinity.rotate(bar, turn, origin=(draw(st.floats(-300, 300)), 0)))
        case "hole":
            shape = shape.difference(
                shapely.Point(draw(st.floats(-60, 60)), 0).buffer(draw(st.floats(5, 60)), quad_segs=3)
            )
        case "parts":
            shape = shape.union(shapely.box(0, 0, draw(st.floats(20, 200)), 90).buffer(0)).union(
                shapely.affinity.translate(shape, draw(st.floats(300, 900)), 100)
            )
    return shape


AREAS = outlines().filter(lambda outline: outline.is_valid and outline.area > 5000)


def check_safe_and_complete(outline: shapely.Geometry, zone_at: float, clearance_m: float) -> None:
    zone = to_degrees(shapely.Point(zone_at, 40).buffer(30, quad_segs=2))
    try:
        plan = planned(outline, clearance_m=clearance_m, no_fly=zone)
    except BadInputError as refusal:
        assert len(str(refusal)) > 20
        return
    keep_out, region = plan.no_fly.buffer(clearance_m - 0.2), plan.area.difference(plan.no_fly.buffer(clearance_m))
    for flight in plan.flights:
        path = shapely.LineString(flight.path[:, :2])
        assert path.intersection(keep_out).length < 1e-6
        assert np.allclose(flight.path[0], flight.path[-1])
        ends = flight.path[flight.lines.ravel(), :2].reshape(-1, 2, 2)
        assert shapely.covered_by(shapely.linestrings(ends), region.buffer(0.5)).all()
    out_of_reach = region.area < 0.98 * plan.area.area or any("enclosed" in warning for warning in plan.warnings)
    assert plan.overlap.seen(1) == 1 or out_of_reach


def check_same_elsewhere(outline: shapely.Geometry, turn_deg: float, lat: float, mirror: bool) -> None:
    moved = shapely.affinity.rotate(outline, turn_deg, origin=(0, 0))
    moved = shapely.affinity.scale(moved, -1, 1, origin=(0, 0)) if mirror else moved
    here, there = (sum(flight.cruise_s for flight in plan.flights) for plan in (planned(outline), planned(moved, lat)))
    assert there == pytest.approx(here, rel=0.04, abs=15)


@SHORT
@hypothesis.given(AREAS, st.floats(-300, 300), st.floats(1, 25))
def test_safe_and_complete_or_refused(outline: shapely.Geometry, zone_at: float, clearance_m: float) -> None:
    check_safe_and_complete(outline, zone_at, clearance_m)


@pytest.mark.long
@LONG
@hypothesis.given(AREAS, st.floats(-300, 300), st.floats(1, 25))
def test_a_thousand_areas_are_safe_and_complete_or_refused(
    outline: shapely.Geometry, zone_at: float, clearance_m: float
) -> None:
    check_safe_and_complete(outline, zone_at, clearance_m)


@pytest.mark.parametrize(
    ("name", "turn_deg", "lat", "mirror"), [("letter", 37.0, -12.0, False), ("valleys", 90.0, 63.0, True)]
)
def test_time_does_not_depend_on_place_course_or_side(name: str, turn_deg: float, lat: float, mirror: bool) -> None:
    check_same_elsewhere(NASTY[name](), turn_deg, lat, mirror)


@pytest.mark.long
@LONG
@hypothesis.given(AREAS, st.floats(0, 360), st.floats(-65, 65), st.booleans())
def test_a_thousand_areas_take_as_long_elsewhere(
    outline: shapely.Geometry, turn_deg: float, lat: float, mirror: bool
) -> None:
    check_same_elsewhere(outline, turn_deg, lat, mirror)


def test_cells_beat_one_angle_where_an_area_is_concave() -> None:
    parted = planned(NASTY["letter"]()).flights[0]
    courses, photos = np.unique(np.round(parted.course_deg % 180), return_counts=True)
    assert len(courses) > 1
    single = planned(NASTY["letter"](), angle_deg=float(courses[photos.argmax()])).flights[0]
    assert parted.cruise_s < 0.95 * single.cruise_s


def test_a_convex_area_is_swept_at_one_angle() -> None:
    plan = planned(shapely.box(0, 0, 500, 300))
    assert len(np.unique(np.round(plan.flights[0].course_deg % 180, 3))) == 1


def test_ways_go_round_a_zone_that_cuts_the_area_in_two() -> None:
    zone = to_degrees(shapely.box(280, -100, 320, 400))
    plan = planned(shapely.box(0, 0, 600, 300), no_fly=zone)
    assert plan.overlap.seen(1) > 0.98
    assert shapely.LineString(plan.flights[0].path[:, :2]).distance(plan.no_fly) >= 10


def test_what_a_zone_encloses_is_left_out_with_a_warning() -> None:
    middle = shapely.Point(600, 200)
    plan = planned(shapely.box(0, 0, 800, 400), no_fly=to_degrees(middle.buffer(120).difference(middle.buffer(60))))
    assert any("enclosed by no-fly zones" in warning for warning in plan.warnings)
    assert shapely.LineString(plan.flights[0].path[:, :2]).distance(plan.no_fly) >= 10


def test_ways_leave_the_area_only_by_the_margin() -> None:
    comb = NASTY["comb"]()
    strict, free = planned(comb), planned(comb, margin_m=60.0)
    for plan, margin_m in ((strict, 0.0), (free, 60.0)):
        flight = plan.flights[0]
        between = flight.path[flight.lines[0, 0] : flight.lines[-1, 1] + 1, :2]
        assert shapely.LineString(between).difference(plan.area.buffer(margin_m + 0.5)).length < 1e-6
    assert free.flights[0].cruise_s <= strict.flights[0].cruise_s * 1.01


def test_many_buildings_are_flown_as_few_regions_with_a_warning() -> None:
    plan = planned(NASTY["buildings"]())
    assert any("polygons are flown as" in warning for warning in plan.warnings)
    assert plan.overlap.seen(5) >= 0.99


def test_lines_may_end_inside_the_edge_only_where_that_saves_time() -> None:
    drawn_in, to_edge = planned(NASTY["comb"]()), planned(NASTY["comb"](), inset=False)
    assert drawn_in.flights[0].cruise_s <= to_edge.flights[0].cruise_s


@pytest.mark.parametrize("wind_from_deg", [0.0, 90.0])
def test_strong_wind_turns_the_lines_across_it(wind_from_deg: float) -> None:
    longer_north = shapely.box(0, 0, 440, 500)
    flight = planned(longer_north, wind_m_s=11.0, wind_from_deg=wind_from_deg, speed_m_s=14.0).flights[0]
    across = (flight.course_deg - wind_from_deg) % 180
    assert np.abs(across - 90).max() < 20


def test_strong_wind_makes_no_line_slower_than_at_another_angle_and_its_time_is_right() -> None:
    square = shapely.box(0, 0, 500, 500)
    plan = planned(square, wind_m_s=11.0, wind_from_deg=0.0, speed_m_s=14.0)
    flight = plan.flights[0]
    legs = np.diff(flight.path[:, :2], axis=0)
    legs = legs[np.hypot(*legs.T) > 1e-6]
    cruising = float((np.hypot(*legs.T) / plan.motion.ground_speed(*legs.T)).sum())
    assert flight.cruise_s > cruising
    upwind = planned(square, wind_m_s=11.0, wind_from_deg=0.0, speed_m_s=14.0, angle_deg=0.0).flights[0]
    crosswind = planned(square, wind_m_s=11.0, wind_from_deg=0.0, speed_m_s=14.0, angle_deg=90.0).flights[0]
    assert flight.cruise_s <= min(upwind.cruise_s, crosswind.cruise_s) * 1.005
