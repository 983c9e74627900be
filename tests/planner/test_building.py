"""Orbit and facade: geometry, safety, what the photos see of the walls, and a flight on the simulated copter."""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import shapely

from imagery.core.camera import find_camera, rotation_from_gimbal
from imagery.core.errors import BadInputError
from imagery.core.photolog import read_photo_log
from planner.app.commands.plan import write_plan
from planner.app.flights import read_flight
from planner.area import Area
from planner.drone import find_drone
from planner.formats import plan_geojson
from planner.link.flight import fly
from planner.mission import DO_SET_ROI, build_mission
from planner.patterns.building import facade_rows, levels_m, orbit_rows
from planner.survey import SurveyPlan, SurveySpec, plan_survey
from sitl.autopilot import Copter, Place
from sitl.endpoint import serve
from tests.planner.nasty import to_degrees

HALL = shapely.box(0, 0, 30, 14)
WINGS = shapely.Polygon([(0, 0), (36, 0), (36, 12), (14, 12), (14, 31), (0, 31)])


def plan_around(footprint: shapely.Polygon, pattern: str, **more: object) -> SurveyPlan:
    home = to_degrees(shapely.Point(10, -45))
    asked = {"building_height_m": 12.0, "distance_m": 10.0, "homes": ((home.x, home.y),), **more}
    return plan_survey(
        SurveySpec(
            Area("house", to_degrees(footprint)),
            find_camera("dji-mavic-3e"),
            find_drone("dji-mavic-3e"),
            pattern=pattern,
            clearance_m=2.0,
            **asked,
        )
    )


def test_levels_overlap_from_the_foot_to_the_top() -> None:
    heights = levels_m(20.0, 8.0, 0.7)
    assert heights[0] == 18 and heights[-1] == 3
    assert max(-np.diff(heights)) <= 8.0 * 0.3 + 1e-9
    assert levels_m(6.0, 80.0, 0.7) == (3.0,)


def test_an_orbit_keeps_its_distance_and_looks_at_the_middle() -> None:
    (ring,) = orbit_rows(HALL, 20.0, 12.0, (25.0,), np.array([50.0, 7.0]))
    distances = shapely.distance(HALL, shapely.points(ring.places))
    assert distances == pytest.approx(20.0, abs=0.2)
    assert ring.aim == pytest.approx((15.0, 7.0, 6.0))
    assert (ring.places[0] == ring.places[-1]).all()
    assert ring.places[0] == pytest.approx([50, 7], abs=8)


def test_facade_rows_face_every_wall_square() -> None:
    rows = facade_rows(HALL, 10.0, 14.0, (9.0, 3.0), np.zeros(2))
    assert [row.height_m for row in rows] == [9.0] * 4 + [3.0] * 4
    for row in rows:
        along = row.places[-1] - row.places[0]
        toward = np.array(row.aim[:2]) - row.places.mean(axis=0)
        assert abs(along @ toward) < 1e-6 * np.hypot(*along) * np.hypot(*toward)
        assert shapely.LineString(row.places).distance(HALL) == pytest.approx(10.0)


@pytest.mark.parametrize("footprint", [HALL, WINGS], ids=["hall", "wings"])
@pytest.mark.parametrize("pattern", ["orbit", "facade"])
def test_every_wall_is_seen_from_a_safe_distance(pattern: str, footprint: shapely.Polygon) -> None:
    plan = plan_around(footprint, pattern)
    walls = plan.overlap
    assert walls.seen(1) == 1
    assert walls.seen(5) > 0.98
    assert walls.cells.inside.shape[1] * walls.cells.cell_m == pytest.approx(footprint.length, rel=0.05)
    for flight in plan.flights:
        assert shapely.LineString(flight.path[:, :2]).distance(plan.area) >= 7.9
        assert np.array_equal(flight.path[0], flight.path[-1])
        assert flight.path[1:, 2].min() >= 3.0


def test_a_facade_is_photographed_square_on_with_the_overlap_asked() -> None:
    plan = plan_around(HALL, "facade")
    (flight,) = plan.flights
    assert flight.yaw_deg is not None and flight.gimbal_pitch_deg is not None
    assert set(np.round(flight.yaw_deg % 90).astype(int) % 90) <= {0, 1, 89}
    assert abs(flight.gimbal_pitch_deg).max() < 0.5
    spacing = np.hypot(*np.diff(flight.photos[flight.photos[:, 2] == flight.photos[0, 2]][:4, :2], axis=0).T)
    assert spacing == pytest.approx(0.25 * find_camera("dji-mavic-3e").footprint_m(10.0)[0], rel=0.01)


def test_an_orbit_looks_down_at_the_middle() -> None:
    plan = plan_around(HALL, "orbit", heights_m=(20.0, 30.0))
    (flight,) = plan.flights
    assert flight.gimbal_pitch_deg is not None and flight.aims is not None
    assert set(np.round(flight.photos[:, 2])) == {20, 30}
    assert flight.photos[0, 2] > flight.photos[-1, 2]
    look = flight.aims[0] - flight.photos[0]
    assert flight.gimbal_pitch_deg[0] == pytest.approx(math.degrees(math.atan2(look[2], math.hypot(*look[:2]))))
    step = abs((np.diff(flight.yaw_deg) + 180) % 360 - 180)
    assert np.median(step) < 16


def test_the_count_on_the_walls_is_that_of_the_camera_itself() -> None:
    plan = plan_around(HALL, "orbit")
    (flight,) = plan.flights
    camera, walls = plan.spec.camera, plan.overlap
    corners = shapely.get_coordinates(shapely.orient_polygons(plan.area).exterior)
    rows, columns = walls.views.shape
    lengths = np.hypot(*np.diff(corners, axis=0).T)
    for row, column in np.random.default_rng(0).integers((rows, columns), size=(60, 2)):
        along, up = (column + 0.5) / columns * lengths.sum(), (row + 0.5) / rows * 12.0
        wall = int(np.searchsorted(np.cumsum(lengths), along))
        course = (corners[wall + 1] - corners[wall]) / lengths[wall]
        foot = corners[wall] + (along - np.r_[0, np.cumsum(lengths)][wall]) * course
        normal = np.array([course[1], -course[0], 0.0])
        seen = 0
        for place, yaw, pitch in zip(flight.photos, flight.yaw_deg, flight.gimbal_pitch_deg, strict=True):
            view = np.array([*foot, up]) - place
            inside = rotation_from_gimbal(yaw, pitch) @ view
            if inside[2] <= 0 or -view @ normal / np.linalg.norm(view) < math.cos(math.radians(65)):
                continue
            x, y = camera.project((inside / inside[2])[None])[0]
            seen += -0.5 <= x <= camera.width_px - 0.5 and -0.5 <= y <= camera.height_px - 0.5
        assert abs(walls.views[row, column] - seen) <= 1


def test_photos_carry_their_view_and_missions_point_the_camera(tmp_path: Path) -> None:
    plan = plan_around(WINGS, "facade")
    write_plan(plan, tmp_path)
    photos = [
        f["properties"]
        for f in json.loads((tmp_path / "plan.geojson").read_text())["features"]
        if f["properties"]["kind"] == "photo"
    ]
    assert all({"yaw_deg", "gimbal_pitch_deg", "heading_deg"} <= set(photo) for photo in photos)
    saved = plan_geojson.read(tmp_path)
    assert saved.flights[0].yaw_deg == pytest.approx(plan.flights[0].yaw_deg, abs=0.01)
    rois = [item for item in build_mission(plan, plan.flights[0]).items if item.command == DO_SET_ROI]
    assert (rois[-1].x, rois[-1].y) == (0, 0)
    assert len(rois) >= len(plan.flights[0].lines)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"building_height_m": None}, "--building-height"),
        ({"distance_m": 3.0}, "too near"),
        ({"heights_m": (-4.0,)}, "--heights"),
        ({"usable_s": 30.0}, "too short"),
    ],
)
def test_what_cannot_be_flown_is_refused(more: dict[str, object], words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        plan_around(HALL, "orbit", **more)


def test_no_fly_zones_beside_the_building(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no-fly zone"):
        plan_around(HALL, "orbit", no_fly=to_degrees(shapely.box(36, 0, 50, 10)))


def test_a_small_battery_makes_several_flights() -> None:
    whole = plan_around(WINGS, "facade")
    plan = plan_around(WINGS, "facade", usable_s=200.0)
    assert len(plan.flights) > 1
    assert max(flight.duration_s for flight in plan.flights) <= 200
    assert sum(len(flight.photos) for flight in plan.flights) == len(whole.flights[0].photos)


@pytest.fixture
def copter() -> Iterator[tuple[Copter, str]]:
    lat, lon = (to_degrees(shapely.Point(10, -45)).y, to_degrees(shapely.Point(10, -45)).x)
    copter = Copter(Place(lat, lon, 100.0), parameters={"CAM1_TYPE": 1})
    with serve(copter, "tcp:127.0.0.1:0", speedup=30) as endpoint:
        yield copter, endpoint.url


@pytest.mark.parametrize("pattern", [pytest.param("orbit", marks=pytest.mark.long), "facade"])
def test_flown_with_the_camera_on_the_building(pattern: str, copter: tuple[Copter, str], tmp_path: Path) -> None:
    plan = plan_around(HALL, pattern, distance_m=15.0)
    write_plan(plan, tmp_path / "plan")
    fly(read_flight(tmp_path / "plan/flight-01.plan"), copter[1], tmp_path / "out", confirm=lambda: True)
    flight = plan.flights[0]
    taken = read_photo_log(tmp_path / "out/photos.csv")
    assert len(taken) >= 0.95 * len(flight.photos)
    assert flight.yaw_deg is not None
    for record in taken:
        east, north = plan.frame.to_local(record.lon, record.lat)
        assert record.alt_rel_m is not None and record.yaw_deg is not None
        off = np.linalg.norm(flight.photos - [east, north, record.alt_rel_m], axis=1)
        assert off.min() < 2.5
        turned = (record.yaw_deg - flight.yaw_deg[off < off.min() + 0.5] + 180) % 360 - 180
        assert abs(turned).min() < 12
