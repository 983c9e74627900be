"""The fence of a mission: everything that is flown lies inside with a margin, and outside of every exclusion."""

import math
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import shapely
from hypothesis import strategies as st

from imagery.core.camera import find_camera
from imagery.core.frame import LocalFrame
from planner.area import Area
from planner.drone import find_drone
from planner.formats import qgc_plan, waypoints
from planner.mission import FencePolygon, build_mission, fence_items
from planner.survey import SurveyPlan, SurveySpec, plan_survey
from tests.planner.nasty import NASTY, to_degrees

STORED_VERTICES, MARGIN_M, ROUNDING_M = 70, 40.0, 0.5


def planned(outline: shapely.Geometry, **more: object) -> SurveyPlan:
    drone = find_drone("generic-arducopter")
    return plan_survey(SurveySpec(Area("any", to_degrees(outline)), find_camera(drone.camera), drone, **more))


def polygon(part: FencePolygon, frame: LocalFrame) -> shapely.Polygon:
    lat, lon = np.array(part.vertices).T
    return shapely.Polygon(np.column_stack(frame.to_local(lon, lat)))


def check_fences(plan: SurveyPlan) -> None:
    for flight in plan.flights:
        fence = build_mission(plan, flight).fence
        path = shapely.LineString(flight.path[:, :2])
        held = polygon(fence[0], plan.frame)
        assert fence[0].inclusion
        assert held.buffer(-MARGIN_M).contains(shapely.union(path, plan.area))
        for part in fence[1:]:
            assert not part.inclusion
            assert not polygon(part, plan.frame).buffer(-ROUNDING_M).intersects(path)
        assert len(fence_items(fence)) <= STORED_VERTICES


@hypothesis.settings(max_examples=5, deadline=None, derandomize=True)
@hypothesis.given(st.integers(3, 9), st.floats(0.3, 1.0), st.floats(-150, 150), st.floats(15, 60))
def test_any_flight_is_held_with_a_margin(corners: int, inner: float, hole_x: float, hole_m: float) -> None:
    angle = 2 * math.pi * np.arange(2 * corners) / (2 * corners)
    radius = np.where(np.arange(2 * corners) % 2, 350 * inner, 350)
    outline = shapely.Polygon(np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]))
    hole = shapely.Point(hole_x, 20).buffer(hole_m)
    hypothesis.assume(outline.buffer(-20).contains(hole))
    check_fences(planned(outline.difference(hole)))


@pytest.mark.parametrize("name", ["holes", "comb"])
def test_missions_of_nasty_areas_are_held_and_read_back(name: str, tmp_path: Path) -> None:
    plan = planned(NASTY[name](), drones=2)
    check_fences(plan)
    for flight in plan.flights:
        mission = build_mission(plan, flight)
        qgc_plan.write(mission, tmp_path / "flight.plan", (plan, flight))
        waypoints.write(mission, tmp_path / "flight.waypoints")
        assert qgc_plan.read(tmp_path / "flight.plan").items == mission.items
        assert qgc_plan.read(tmp_path / "flight.plan").fence == mission.fence
        assert waypoints.read(tmp_path / "flight.waypoints").items == mission.items
