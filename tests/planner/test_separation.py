"""Drones that fly at the same time keep apart."""

import numpy as np
import pytest
import shapely

from imagery.core.camera import find_camera
from planner.area import Area
from planner.drone import find_drone
from planner.separation import near_misses, raised_ways
from planner.survey import SurveySpec, plan_survey
from planner.timing import Motion
from tests.planner.nasty import to_degrees

MOTION = Motion(speed_m_s=10.0)


def test_ways_are_raised_and_lines_are_not() -> None:
    path = np.array([(0, 0, 50), (0, 100, 50), (200, 100, 50), (200, 140, 50), (0, 140, 50), (0, 0, 50)], float)
    raised, lines = raised_ways(path, np.array([(1, 2), (3, 4)]), 20.0)
    assert raised[:, 2].tolist() == [70, 70, 50, 50, 50, 50, 70, 70]
    assert raised[lines.ravel(), :2].tolist() == path[1:5, :2].tolist()
    assert (raised[lines.ravel(), 2] == 50).all()


def test_paths_that_cross_at_one_height_at_one_time_are_found() -> None:
    east = np.array([(-300, 0, 60), (300, 0, 60)], float)
    north = np.array([(0, -300, 60), (0, 300, 60)], float)
    assert near_misses([east, north], MOTION)[0][:2] == (0, 1)
    assert near_misses([east, north + np.array([0, 0, 10])], MOTION) == []
    assert near_misses([east, north - np.array([0, 900, 0])], MOTION) == []  # a minute and a half later


@pytest.mark.parametrize("drones", [2, 4])
def test_drones_work_side_by_side_and_pass_above_one_another(drones: int) -> None:
    area = Area("field", to_degrees(shapely.Polygon([(0, 0), (900, 60), (860, 700), (60, 650)])))
    drone = find_drone("generic-arducopter")
    plan = plan_survey(SurveySpec(area, find_camera(drone.camera), drone, gsd_cm=2.0, drones=drones))
    assert [flight.drone for flight in plan.flights] == list(range(1, drones + 1))
    ways = [(flight.path[0, 2], flight.path[-1, 2]) for flight in plan.flights]
    agl = plan.spec.height_agl_m
    assert ways == [(pytest.approx(agl + 10 * k), pytest.approx(agl + 10 * k)) for k in range(1, drones + 1)]
    assert all(flight.photos[:, 2] == pytest.approx(agl) for flight in plan.flights)
    pieces = [
        shapely.LineString(flight.path[flight.lines[0, 0] : flight.lines[-1, 1] + 1, :2]) for flight in plan.flights
    ]
    for k, piece in enumerate(pieces):
        assert not any(piece.crosses(other) for other in pieces[k + 1 :])
    longest, total = max(f.duration_s for f in plan.flights), sum(f.duration_s for f in plan.flights)
    assert longest <= total / drones * 1.12
