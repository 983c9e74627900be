"""Search patterns against leg tables worked by hand, and where they begin."""

import math

import numpy as np
import pytest
import shapely

from imagery.core.camera import find_camera
from imagery.core.errors import BadInputError
from planner.area import Area, parse_home
from planner.drone import find_drone
from planner.patterns.search import expanding_square, sector_search
from planner.spec import SurveySpec
from planner.survey import SurveyPlan, plan_survey
from tests.planner.nasty import to_degrees

FIELD = shapely.box(0, 0, 500, 300)
SPACING_M = 31.68
# Legs of S = 40 m with right turns, the first one north: courses in degrees, lengths in metres.
SQUARE = [(0, 40), (90, 40), (180, 80), (270, 80), (0, 120), (90, 120), (180, 160), (270, 160)]
# Two passes of nine legs of one radius; every third leg goes on straight through the datum; the second pass turned by 30 degrees.
SECTORS = [0, 120, 240, 240, 0, 120, 120, 240, 0, 30, 150, 270, 270, 30, 150, 150, 270, 30]


def table(legs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    steps = legs[:, 1] - legs[:, 0]
    return np.round(np.degrees(np.arctan2(*steps.T)) % 360, 6) % 360, np.hypot(*steps.T)


def planned(pattern: str, **more: object) -> SurveyPlan:
    camera, drone = find_camera("dji-mavic-3e"), find_drone("generic-arducopter")
    return plan_survey(SurveySpec(Area("field", to_degrees(FIELD)), camera, drone, gsd_cm=2.0, pattern=pattern, **more))


def test_the_legs_of_an_expanding_square() -> None:
    courses, lengths = table(expanding_square(np.zeros(2), 40.0, 500.0))
    assert courses[: len(SQUARE)] == pytest.approx([course for course, _ in SQUARE])
    assert lengths[: len(SQUARE)] == pytest.approx([length for _, length in SQUARE])
    ends = expanding_square(np.zeros(2), 40.0, 500.0)[:6, 1]
    assert ends == pytest.approx(np.array([(0, 40), (40, 40), (40, -40), (-40, -40), (-40, 80), (80, 80)], float))


def test_the_legs_of_a_sector_search() -> None:
    datum = np.array([100.0, 50.0])
    legs = sector_search(datum, 200.0)
    courses, lengths = table(legs)
    assert courses == pytest.approx(SECTORS)
    assert lengths == pytest.approx(200)
    assert legs[1:, 0] == pytest.approx(legs[:-1, 1])
    through = [i for i, leg in enumerate(legs) if np.allclose(leg[1], datum)]
    assert through == [2, 5, 8, 11, 14, 17]
    assert np.hypot(*(legs.reshape(-1, 2) - datum).T).max() == pytest.approx(200)


@pytest.mark.parametrize(("pattern", "course"), [("parallel", 90), ("creeping", 0)])
def test_sweeps_begin_half_a_spacing_inside(pattern: str, course: int) -> None:
    """Along the longer side (500 m, east-west), or creeping along the shorter one."""
    plan = planned(pattern)
    flight = plan.flights[0]
    assert np.abs((flight.course_deg - course + 90) % 180 - 90).max() < 0.5
    west, south, east, north = plan.area.bounds
    low, high, axis = (south, north, 1) if course == 90 else (west, east, 0)
    offsets = np.unique(np.round(flight.path[flight.lines[:, 0], axis], 1))
    assert [offsets[0] - low, high - offsets[-1]] == pytest.approx([SPACING_M / 2] * 2, abs=0.5)
    assert np.diff(offsets).max() <= SPACING_M + 0.2


@pytest.mark.parametrize("pattern", ["square", "sector"])
def test_a_search_begins_at_its_datum(pattern: str) -> None:
    lon, lat = parse_home("37.5808,36.9312", "datum")
    for datum, asked in (((lon, lat), True), (None, False)):
        plan = planned(pattern, datum=datum)
        flight = plan.flights[0]
        first = flight.path[flight.lines[0, 0], :2]
        middle = shapely.get_coordinates(plan.area.centroid)[0]
        wanted = np.array([float(v) for v in plan.frame.to_local(lon, lat)]) if asked else middle
        assert math.dist(first, wanted) < 0.1
        assert np.degrees(np.arctan2(*(flight.path[flight.lines[0, 1], :2] - first))) == pytest.approx(0, abs=0.5)


def test_sector_legs_are_equal_and_stay_in_the_area() -> None:
    """Nine of 150 m, half of the field's shorter side, in each of two passes."""
    plan = planned("sector")
    for flight in plan.flights:
        assert len(flight.lines) == 18
        lengths = np.hypot(*(np.diff(flight.path[flight.lines][:, :, :2], axis=1)[:, 0]).T)
        assert lengths == pytest.approx(150, abs=0.5)
        photographed = shapely.union_all([shapely.LineString(flight.path[a : b + 1, :2]) for a, b in flight.lines])
        assert plan.area.buffer(0.5).covers(photographed)


def test_a_datum_outside_is_refused() -> None:
    with pytest.raises(BadInputError, match=r"datum 30\.000000,40\.000000 lies outside"):
        planned("square", datum=(40.0, 30.0))
    with pytest.raises(BadInputError, match="from where the search begins"):
        planned("sector", datum=(36.93005, 37.58005))
    with pytest.raises(BadInputError, match="datum 'x'"):
        parse_home("x", "datum")


def test_the_second_pass_of_a_crosshatch_begins_where_the_first_ends() -> None:
    """No farther than the spacing from the nearest corner of the second pass; each pass whole and square to the other."""
    plan = planned("crosshatch")
    flight = plan.flights[0]
    lines = flight.path[flight.lines][:, :, :2]
    steps = lines[:, 1] - lines[:, 0]
    courses = np.degrees(np.arctan2(*steps.T))
    across = np.abs((courses - courses[0] + 90) % 180 - 90) > 45
    first_across = int(np.argmax(across))
    assert first_across > 0 and across[first_across:].all()
    assert np.abs((courses[across] - courses[0]) % 180) == pytest.approx(90, abs=0.5)
    second = lines[first_across:]
    outermost = np.concatenate([second[np.argsort(second.mean(axis=1) @ steps[0])[[0, -1]]]]).reshape(-1, 2)
    nearest = np.hypot(*(outermost - lines[first_across - 1, 1]).T).min()
    assert math.dist(lines[first_across - 1, 1], second[0, 0]) <= nearest + plan.spacing_m
    alone = planned("grid")
    assert np.median(plan.overlap.views[plan.overlap.cells.inside]) > 1.8 * np.median(
        alone.overlap.views[alone.overlap.cells.inside]
    )
