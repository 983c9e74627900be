"""Terrain following, the way home and the photos over hills, against the ground itself looked at every metre."""

import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import shapely
from hypothesis import strategies as st
from numpy.typing import NDArray

from imagery.core.camera import find_camera
from planner.area import Area
from planner.coverage.proof import Overlap, cells_of
from planner.drone import find_drone
from planner.elevation import read_terrain
from planner.formats import qgc_plan, summary, waypoints
from planner.ground import Request, overlap_concerns
from planner.mission import FRAME_GLOBAL_RELATIVE, FRAME_GLOBAL_TERRAIN, NAV_WAYPOINT, build_mission, item_count
from planner.survey import SurveyPlan, SurveySpec, plan_survey, prove
from planner.terrain import TOLERANCE, HeightLimits, Terrain, follow, safe_return
from tests.oracles.ray_views import seen_by
from tests.planner.elevation_models import jacksboro, write_dem
from tests.planner.nasty import to_degrees

BLOCK = shapely.box(0, 0, 600, 400)
LIMITS = HeightLimits(agl_m=60.0, climb=0.2, descent=0.12)
Ground = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def every_metre(path: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (n x 3) along a path, by shapely's interpolation instead of the planner's."""
    line = shapely.LineString(path)
    flat = shapely.LineString(path[:, :2])
    along = np.r_[np.arange(0, flat.length, 1.0), flat.length]
    vertices = np.r_[0.0, np.cumsum(np.hypot(*np.diff(path[:, :2], axis=0).T))]
    places = shapely.get_coordinates(shapely.line_interpolate_point(flat, along))
    assert line.has_z
    return np.column_stack([places, np.interp(along, vertices, path[:, 2])])


def lowest_allowed(ground: NDArray[np.float64], limits: HeightLimits) -> NDArray[np.float64]:
    """The lowest heights one metre apart over ground that clear it by `agl_m` within the limits, by brute force."""
    i = np.arange(len(ground))
    ahead = i[None, :] - i[:, None]
    need = ground[None, :] + limits.agl_m - np.where(ahead > 0, limits.climb * ahead, -limits.descent * ahead)
    return np.asarray(need.max(axis=1))


def slopes(path: NDArray[np.float64]) -> NDArray[np.float64]:
    legs = np.diff(path, axis=0)
    return np.asarray(legs[:, 2] / np.maximum(np.hypot(legs[:, 0], legs[:, 1]), 1e-9))


def strip(heights: NDArray[np.float64], cell_m: float) -> Terrain:
    """Ground that changes eastward only."""
    return Terrain(0.0, -50.0, cell_m, np.repeat(heights[None, :], 20, axis=0))


CLIFF = np.r_[np.full(40, 100.0), np.full(40, 260.0)]
SAWTOOTH = 100 + 60 * (np.arange(80) % 10) / 10
VALLEY = 200 - 120 * np.exp(-(((np.arange(80) - 40) / 6) ** 2))
NEEDLE = np.where(np.arange(80) == 40, 220.0, 100.0)


@pytest.mark.parametrize("heights", [CLIFF, SAWTOOTH, VALLEY, NEEDLE], ids=["cliff", "sawtooth", "valley", "needle"])
@pytest.mark.parametrize("backward", [False, True])
def test_paths_clear_any_ground_and_are_no_higher_than_they_must(heights: NDArray[np.float64], backward: bool) -> None:
    terrain = strip(heights, 10.0)
    flat = np.array([[0.0, 0.0], [790.0, 0.0]])[:: -1 if backward else 1]
    path, _ = follow(flat, terrain, 100.0, LIMITS)
    dense = every_metre(path)
    ground = terrain.at(dense[:, 0], dense[:, 1]) - 100.0
    tolerance = TOLERANCE * LIMITS.agl_m
    assert (dense[:, 2] - ground).min() >= LIMITS.agl_m - tolerance - 0.6
    assert (dense[:, 2] - lowest_allowed(ground, LIMITS)).max() <= tolerance + 1.5
    assert slopes(path).max() <= LIMITS.climb + 1e-9
    assert slopes(path).min() >= -LIMITS.descent - 1e-9


@hypothesis.settings(max_examples=25)
@hypothesis.given(
    st.lists(st.floats(0, 300), min_size=12, max_size=12),
    st.lists(st.tuples(st.floats(0, 500), st.floats(0, 500)), min_size=2, max_size=6),
    st.floats(0.05, 0.6),
    st.floats(0.05, 0.6),
    st.sampled_from([3.0, 10.0, 45.0]),
)
def test_any_path_over_any_ground(
    levels: list[float], corners: list[tuple[float, float]], climb: float, descent: float, cell_m: float
) -> None:
    flat = np.array(corners)
    hypothesis.assume(np.hypot(*np.diff(flat, axis=0).T).min() > 5)
    knots = np.linspace(-50, 550, 12)
    x = np.arange(-60, 560 + cell_m, cell_m)
    rough = np.interp(x, knots, levels)
    terrain = Terrain(-60.0, -60.0, cell_m, rough[None, :] + 0.5 * rough[: len(x), None])
    limits = HeightLimits(40.0, climb, descent)
    path, former = follow(flat, terrain, 0.0, limits)
    dense = every_metre(path)
    above = dense[:, 2] - terrain.at(dense[:, 0], dense[:, 1])
    steepest = 1.5 * np.abs(np.diff(rough)).max() / cell_m
    assert above.min() >= 40.0 * (1 - TOLERANCE) - steepest * terrain.step_m / 8
    assert np.allclose(path[former, :2], flat)
    assert slopes(path).max(initial=0) <= climb + 1e-6
    assert slopes(path).min(initial=0) >= -descent - 1e-6


def test_straight_ways_home_clear_the_ridge_between() -> None:
    """A ridge 200 m high lies between the home and the far end, which a detour reached: the straight way would hit it."""
    heights = np.full((81, 81), 50.0)
    heights[:60, 40] = 250.0
    terrain = Terrain(0.0, 0.0, 10.0, heights)
    flat = np.array([[100.0, 100.0], [100.0, 750.0], [700.0, 750.0], [700.0, 100.0]])
    path, _ = follow(np.vstack([flat, flat[-2::-1]]), terrain, 50.0, LIMITS)
    found = safe_return(path, terrain, 50.0, 20.0)
    assert found.height_m == pytest.approx(220.0, abs=2)
    assert found.worst is not None
    x, y, room = found.worst
    assert x > 400 and y > 590 - 300 and room < 0
    assert safe_return(path[:2], terrain, 50.0, 20.0).worst is None


def hills(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.float64]:
    """A slope with a hill, metres above sea level, around 36.93 E 37.58 N."""
    x, y = (lon - 36.93) * 88_300, (lat - 37.58) * 111_000
    return 600 + 0.06 * x + 45 * np.exp(-((x - 300) ** 2 + (y - 200) ** 2) / (2 * 130**2))


@pytest.fixture(scope="module")
def dem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def holed(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.float64]:
        heights = hills(lon, lat)
        heights[120:125, 200:205] = -9999
        return heights

    return write_dem(tmp_path_factory.mktemp("dem") / "dem.tif", holed, 36.915, 37.595, 0.0001)


def spec(*dem: Path, **more: object) -> SurveySpec:
    return SurveySpec(
        Area("hills", to_degrees(BLOCK)),
        find_camera("dji-mavic-3e"),
        find_drone("generic-arducopter"),
        **{"gsd_cm": 2.0, "homes": ((36.93, 37.58),), **more},
        dem=dem,
    )


@pytest.fixture(scope="module")
def over_hills(dem: Path) -> SurveyPlan:
    return plan_survey(spec(dem))


def above_truth(plan: SurveyPlan, path: NDArray[np.float64]) -> NDArray[np.float64]:
    dense = every_metre(path)
    lon, lat = plan.frame.to_geographic(dense[:, 0], dense[:, 1])
    return np.asarray(dense[:, 2] + plan.home_amsl_m - hills(lon, lat))


def test_the_height_above_ground_is_held_all_the_way_and_told(over_hills: SurveyPlan) -> None:
    plan, agl = over_hills, over_hills.spec.height_agl_m
    above = np.concatenate([above_truth(plan, flight.path) for flight in plan.flights])
    assert above.min() > (1 - TOLERANCE) * agl - 1
    told = summary.figures(plan)["height_agl"]
    assert told["least_m"] == pytest.approx(above.min(), abs=1)
    assert told["mean_m"] == pytest.approx(above.mean(), abs=1)
    assert told["most_m"] == pytest.approx(above.max(), abs=1)
    within = (abs(above - agl) <= told["tolerance_m"] * 1.01).mean() * 100
    assert told["within_tolerance"] == pytest.approx(within, abs=3)
    for flight in plan.flights:
        assert slopes(flight.path).max() <= plan.motion.climb_m_s / plan.motion.speed_m_s
        assert slopes(flight.path).min() >= -plan.motion.descent_m_s / plan.motion.speed_m_s
    assert plan.home_amsl_m == pytest.approx(float(hills(np.array(36.93), np.array(37.58))), abs=0.5)
    assert plan.overlap.seen(1) == 1
    assert any("lacks" in warning for warning in plan.warnings)


def test_photos_are_counted_as_rays_find_them(over_hills: SurveyPlan) -> None:
    assert over_hills.terrain is not None
    compare_with_rays(over_hills, over_hills.terrain, 40)


def compare_with_rays(plan: SurveyPlan, terrain: Terrain, places: int) -> None:
    """Places at random against a pinhole and rays: the same count, and no ground hidden behind other ground."""
    photos = np.concatenate([flight.photos for flight in plan.flights])
    course = np.concatenate([flight.course_deg for flight in plan.flights])
    camera = plan.spec.camera
    frame = camera.sensor_width_mm, camera.sensor_height_mm, camera.focal_length_mm
    cells = plan.overlap.cells
    inside = np.argwhere(cells.inside)
    x, y = cells.centres()
    off = 0
    for row, column in np.random.default_rng(1).choice(inside, places, replace=False):
        place = float(x[row, column]), float(y[row, column])
        framed, visible = seen_by(
            place, photos, course, frame, lambda x, y: terrain.at(x, y) - plan.home_amsl_m, step_m=5.0
        )
        assert visible == framed
        counted = int(plan.overlap.views[row, column])
        assert abs(framed - counted) <= 1  # a place on the very edge of a frame
        off += framed != counted
    assert off <= places / 10


def test_planned_flat_over_a_hill_photos_overlap_less_and_the_plan_says_what_it_does_not_know(dem: Path) -> None:
    flat = plan_survey(spec())
    (unknown,) = (warning for warning in flat.warnings if "no elevation" in warning)
    assert "heights are above the home" in unknown
    assert "67/60 %" in unknown  # where the ground rises a quarter of the height
    assert summary.figures(flat)["height_agl"] is None


def test_ground_nearer_than_asked_is_named(over_hills: SurveyPlan) -> None:
    """A wall of 40 m that the flights know nothing of: photos over it overlap less, and the warning says where and how much."""
    terrain, plan = over_hills.terrain, over_hills
    assert terrain is not None
    heights = terrain.height_amsl_m.copy()
    heights[30, 25:45] += 40
    walled = replace(terrain, height_amsl_m=heights)
    overlap = prove(plan.spec, plan.area, plan.flights, walled)
    request = Request(plan.spec.height_agl_m, 0.75, 0.70, plan.spec.footprint_m, 2.0)
    (told,) = overlap_concerns(request, overlap, plan.area, lambda x, y: f"{x:.0f} east, {y:.0f} north")
    x, y = (float(value) for value in re.findall(r"(-?\d+) east, (-?\d+) north", told)[0])
    assert abs(y - (terrain.south_m + 30 * terrain.cell_m)) < 10
    assert 25 * terrain.cell_m - 10 < x - terrain.west_m < 45 * terrain.cell_m + 10
    above = float(re.findall(r"only (\d+) m below", told)[0])
    front, side = (float(value) for value in re.findall(r"overlap (\d+)/(\d+) %", told)[0])
    assert front == pytest.approx(100 * (1 - 0.25 * plan.spec.height_agl_m / above), abs=1)
    assert side == pytest.approx(100 * (1 - 0.30 * plan.spec.height_agl_m / above), abs=1)


def test_an_edge_that_too_few_photos_see_is_named() -> None:
    area = shapely.box(0, 0, 200, 200)
    cells = cells_of(area, 5.0)
    views = np.full(cells.inside.shape, 12)
    views[-2:] = 4
    views[-1, 3] = 2
    overlap = Overlap(cells, views, np.full(views.shape, 75.0))
    request = Request(75.0, 0.75, 0.70, (105.6, 79.1), 2.0)
    (told,) = overlap_concerns(request, overlap, area, lambda x, y: f"{x},{y}")
    assert "5.0 % of the area" in told and "2, at 17.5,197.5" in told and "53 m larger" in told


def test_real_mountains(shared_data: Path, tmp_path: Path) -> None:
    dem = jacksboro(shared_data, tmp_path)
    block = shapely.box(-84.252, 36.599, -84.247, 36.602)
    plan = plan_survey(replace(spec(dem, homes=()), area=Area("ridge", block), drone=find_drone("dji-mavic-3e")))
    assert plan.terrain is not None and plan.heights is not None
    agl = plan.spec.height_agl_m
    for flight in plan.flights:
        dense = every_metre(flight.path)
        above = dense[:, 2] + plan.home_amsl_m - plan.terrain.at(dense[:, 0], dense[:, 1])
        assert above.min() >= (1 - TOLERANCE) * agl - 0.5
    assert plan.heights.held > 0.9
    assert plan.overlap.seen(1) == 1
    compare_with_rays(plan, plan.terrain, 25)


@pytest.mark.parametrize("usable_s", [math.inf, 1200.0])
def test_no_flight_has_more_items_than_the_drone_holds(usable_s: float, shared_data: Path, tmp_path: Path) -> None:
    dem = jacksboro(shared_data, tmp_path)
    block = shapely.box(-84.262, 36.594, -84.240, 36.610)
    few = replace(find_drone("generic-arducopter"), max_items=150)
    plan = plan_survey(
        replace(spec(dem, homes=()), area=Area("ridge", block), drone=few, usable_s=usable_s, height_m=60, gsd_cm=None)
    )
    counts = [len(build_mission(plan, flight).items) + 1 for flight in plan.flights]
    assert max(counts) <= 150
    assert all(count <= item_count(flight, plan.motion) for count, flight in zip(counts, plan.flights, strict=True))
    assert sum(len(flight.path) for flight in plan.flights) > 3 * sum(len(flight.lines) for flight in plan.flights)


def test_the_mission_returns_above_the_ground(shared_data: Path, tmp_path: Path) -> None:
    """From the valley to a home on the ridge: the last waypoint is over home, and the rally point as high as a return needs."""
    dem = jacksboro(shared_data, tmp_path)
    block = shapely.box(-84.252, 36.599, -84.247, 36.602)
    frame_home = (-84.2433, 36.6129)
    plan = plan_survey(replace(spec(dem, homes=(frame_home,)), area=Area("ridge", block)))
    mission = build_mission(plan, plan.flights[0])
    last = [item for item in mission.items if item.command == NAV_WAYPOINT][-1]
    assert (last.lon_deg, last.lat_deg) == pytest.approx(frame_home, abs=1e-6)
    homeward = plan.flights[0].homeward
    assert homeward is not None
    assert mission.rally[0].alt_rel_m >= homeward.height_m - 1
    terrain = read_terrain(dem, plan.frame, (-3000, -3000, 3000, 3000))
    for place in every_metre(plan.flights[0].path)[::50]:
        way = plan.flights[0].path[0, :2] + np.linspace(0, 1, 300)[:, None] * (place[:2] - plan.flights[0].path[0, :2])
        assert terrain.at(way[:, 0], way[:, 1]).max() - plan.home_amsl_m < homeward.height_m - 10


def test_heights_above_the_vehicles_own_terrain(dem: Path, tmp_path: Path) -> None:
    plan = plan_survey(spec(dem, height_frame="terrain"))
    assert any("TERRAIN_ENABLE" in warning for warning in plan.warnings)
    mission = build_mission(plan, plan.flights[0])
    flown = [item for item in mission.items if item.command == NAV_WAYPOINT]
    assert {item.frame for item in flown} == {FRAME_GLOBAL_TERRAIN}
    agl = plan.spec.height_agl_m
    assert plan.heights is not None
    assert all((1 - TOLERANCE) * agl <= item.z + 0.13 <= plan.heights.most_m + 0.26 for item in flown)
    qgc_plan.write(mission, tmp_path / "flight.plan")
    waypoints.write(mission, tmp_path / "flight.waypoints")
    assert qgc_plan.read(tmp_path / "flight.plan").items == mission.items
    assert waypoints.read(tmp_path / "flight.waypoints").items == mission.items
    assert '"globalPlanAltitudeMode": 4' in (tmp_path / "flight.plan").read_text()


def test_the_mission_carries_heights_above_home(over_hills: SurveyPlan) -> None:
    flown = [item for item in build_mission(over_hills, over_hills.flights[0]).items if item.command == NAV_WAYPOINT]
    assert {item.frame for item in flown} == {FRAME_GLOBAL_RELATIVE}
    assert max(item.z for item in flown) - min(item.z for item in flown) > 30
