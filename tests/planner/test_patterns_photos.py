"""The photos of every pattern: no two in a row at one place, and as many as the mission will take."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import shapely
from scipy.spatial import cKDTree

from imagery.core.camera import find_camera
from planner.area import Area, read_corridor
from planner.coverage.proof import APART_M, line_photos
from planner.drone import find_drone
from planner.link.triggers import planned_photos
from planner.mission import DO_SET_CAM_TRIGG_DIST, NAV_WAYPOINT, build_mission
from planner.spec import PATTERNS, SurveySpec
from planner.survey import SurveyPlan, plan_survey
from tests.planner.nasty import NASTY, to_degrees

HALL = shapely.Polygon([(0, 0), (60, 10), (55, 40), (-5, 30)])
FIELD = shapely.Polygon([(0, 0), (420, 40), (380, 260), (200, 120), (20, 300)])
ROUND = shapely.Point(0, 0).buffer(180, quad_segs=4)
BROOK = shapely.LineString([(0, 0), (300, 50), (420, 260), (350, 480)])


def planned(pattern: str, folder: Path) -> SurveyPlan:
    more = {"building_height_m": 15.0, "distance_m": 20.0} if pattern in ("orbit", "facade") else {"gsd_cm": 2.0}
    if pattern == "corridor":
        geometry = shapely.geometry.mapping(to_degrees(BROOK))
        features = [{"type": "Feature", "properties": {}, "geometry": geometry}]
        (folder / "brook.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
        area = read_corridor(folder / "brook.geojson", 90.0)
    else:
        area = Area("test", to_degrees({"orbit": HALL, "facade": HALL, "sector": ROUND}.get(pattern, FIELD)))
    camera, drone = find_camera("dji-mavic-3e"), find_drone("generic-arducopter")
    return plan_survey(SurveySpec(area, camera, drone, pattern=pattern, clearance_m=1.0, **more))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_photos_are_planned_as_they_are_flown(pattern: str, tmp_path: Path) -> None:
    plan = planned(pattern, tmp_path)
    for flight in plan.flights:
        steps = np.sqrt((np.diff(flight.photos, axis=0) ** 2).sum(axis=1))
        assert steps.min() >= APART_M - 1e-6
        mission = build_mission(plan, flight)
        flown = planned_photos(mission)
        # The autopilot measures degrees by a sphere, so that of hundreds of lines one may end with a photo more, or less.
        assert abs(len(flown) - len(flight.photos)) <= 0.01 * len(flight.photos)
        places = np.column_stack(plan.frame.to_local([p.lon_deg for p in flown], [p.lat_deg for p in flown]))
        heights = [p.alt_rel_m for p in flown]
        away, _ = cKDTree(np.column_stack([places, heights])).query(flight.photos)
        assert away.max() < 1.0
        waypoints = [(i.x, i.y, i.z) for i in mission.items if i.command == NAV_WAYPOINT]
        assert all(a != b for a, b in pairwise(waypoints))


def test_a_line_that_goes_on_has_one_photo_at_its_corner() -> None:
    lines = np.array([[[0, 0], [100, 0]], [[100, 0], [100, 50]], [[100.2, 50], [160, 50]]], float)
    points, of_line = line_photos(lines, 40.0)
    expected = [(0, 0), (40, 0), (80, 0), (100, 0), (100, 40), (100, 50), (140.2, 50), (160, 50)]
    assert points == pytest.approx(np.array(expected, float))
    assert of_line.tolist() == [0, 0, 0, 0, 1, 1, 2, 2]


def test_a_corner_fires_once_and_goes_on(tmp_path: Path) -> None:
    """At the corner of a square search one item takes the photo and starts the next leg's trigger."""
    plan = planned("square", tmp_path)
    flight = plan.flights[0]
    shared = set(flight.lines[:-1, 1]) & set(flight.lines[1:, 0])
    assert shared
    triggers = [i for i in build_mission(plan, flight).items if i.command == DO_SET_CAM_TRIGG_DIST]
    assert len(triggers) == 2 * len(flight.lines) - len(shared)
    assert all(item.p3 == 1 for item in triggers)


def test_short_lines_and_photos_due_at_an_end_are_one_photo() -> None:
    lines = np.array([[[0, 0], [0.4, 0]], [[50, 0], [90.3, 0]]], float)
    points, of_line = line_photos(lines, 20.0)
    assert points[:, 0] == pytest.approx([0.4, 50, 70, 90.3])
    assert of_line.tolist() == [0, 1, 1, 1]


@pytest.mark.long
@pytest.mark.parametrize("name", ["comb", "star"])
def test_photos_of_nasty_areas_are_apart(name: str) -> None:
    area = Area(name, to_degrees(NASTY[name]()))
    plan = plan_survey(SurveySpec(area, find_camera("dji-mavic-3e"), find_drone("generic-arducopter"), gsd_cm=3.0))
    for flight in plan.flights:
        assert np.hypot(*np.diff(flight.photos[:, :2], axis=0).T).min() >= APART_M - 1e-6
        assert len(planned_photos(build_mission(plan, flight))) == len(flight.photos)
