"""Patterns other than the grid: their geometry and their plans."""

import math

import numpy as np
import pytest
import shapely

from imagery.core.camera import find_camera
from planner.area import Area
from planner.drone import find_drone
from planner.formats.summary import figures
from planner.patterns.search import (
    cumulative_probability,
    expanding_square,
    probability_of_detection,
    sector_search,
    side_angles,
)
from planner.survey import SurveySpec, plan_survey
from tests.planner.nasty import to_degrees

BLOCK = shapely.box(0, 0, 500, 300).difference(shapely.box(300, 200, 340, 240))


def spec(area: Area, pattern: str, **more: object) -> SurveySpec:
    return SurveySpec(
        area,
        find_camera("dji-mavic-3e"),
        find_drone("dji-mavic-3e"),
        gsd_cm=2.0,
        pattern=pattern,
        clearance_m=5.0,
        **more,
    )


def headings(legs: np.ndarray) -> np.ndarray:
    courses = legs[:, 1] - legs[:, 0]
    return np.degrees(np.arctan2(courses[:, 0], courses[:, 1])) % 360


def test_expanding_square_grows_every_second_leg() -> None:
    legs = expanding_square(np.zeros(2), 40.0, 150.0)
    lengths = np.hypot(*(legs[:, 1] - legs[:, 0]).T)
    assert lengths[:6] == pytest.approx([40, 40, 80, 80, 120, 120])
    assert np.diff(headings(legs)) % 360 == pytest.approx(90)
    assert np.array_equal(legs[1:, 0], legs[:-1, 1])


def test_sector_search_crosses_its_datum_and_turns_by_30() -> None:
    datum = np.array([100.0, 50.0])
    legs = sector_search(datum, 200.0)
    assert len(legs) == 18
    assert np.hypot(*(legs[:, 1] - legs[:, 0]).T) == pytest.approx(200)
    assert legs[8, 1] == pytest.approx(datum)
    assert sum(np.allclose(leg[1], datum) for leg in legs[:9]) == 3
    assert headings(legs)[9] == pytest.approx(headings(legs)[0] + 30)


def test_what_a_search_is_worth() -> None:
    coverage, probability = probability_of_detection(100.0, 100.0)
    assert coverage == 1
    assert probability == pytest.approx(1 - math.exp(-1))
    assert probability_of_detection(50.0, 100.0, passes=2)[1] == pytest.approx(1 - math.exp(-1))


def test_searches_add_up() -> None:
    """Coverage 0.5 twice finds as much as 1 once; half is found at a coverage of ln 2."""
    assert cumulative_probability([0.5, 0.5]) == pytest.approx(1 - math.exp(-1))
    assert cumulative_probability([math.log(2)]) == pytest.approx(0.5)
    assert cumulative_probability([]) == 0
    asked = spec(Area("block", to_degrees(BLOCK)), "parallel", sweep_width_m=30.0, searched=(1.0,))
    search = figures(plan_survey(asked))["search"]
    assert search["coverage_factor"] == pytest.approx(30 / 31.68, abs=0.01)
    assert search["cumulative_probability"] == pytest.approx(1 - math.exp(-1 - 30 / 31.68), abs=0.01)


def test_nothing_is_detected_where_no_photo_sees() -> None:
    """A sector search sees densely at its datum and leaves gaps farther out: it finds no more of the area than it sees."""
    found = figures(plan_survey(spec(Area("block", to_degrees(BLOCK)), "sector", sweep_width_m=100.0)))
    assert 0 < found["seen1"] < 100
    assert found["search"]["probability_of_detection"] < found["seen1"] / 100


def test_sides() -> None:
    assert side_angles(shapely.box(0, 0, 500, 300)) == pytest.approx((0, 90))


@pytest.mark.parametrize("pattern", ["crosshatch", "parallel", "creeping", "square", "sector"])
def test_patterns_plan_safely(pattern: str) -> None:
    plan = plan_survey(spec(Area("block", to_degrees(BLOCK)), pattern))
    for flight in plan.flights:
        assert shapely.LineString(flight.path[:, :2]).distance(plan.no_fly) >= 4.9
        assert len(flight.photos) > 10
    if pattern != "sector":
        assert plan.overlap.seen(1) == 1
    if pattern in ("parallel", "creeping"):
        along = 90 if pattern == "parallel" else 0
        assert (abs(plan.flights[0].course_deg % 180 - along) < 1).all()
