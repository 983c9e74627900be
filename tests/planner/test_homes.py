"""Several drones, each from its own home: flights, files and missions belong to the right one."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import shapely

from imagery.core.camera import find_camera
from imagery.core.errors import BadInputError
from planner.app.commands.plan import write_plan
from planner.app.flights import ground_beside
from planner.app.planned import read_planned
from planner.area import Area
from planner.drone import find_drone
from planner.formats import plan_geojson, qgc_plan
from planner.mission import NAV_TAKEOFF
from planner.survey import SurveyPlan, SurveySpec, plan_survey
from tests.oracles.plan_score import score
from tests.planner.elevation_models import write_dem
from tests.planner.nasty import to_degrees

LONG = Area("long", to_degrees(shapely.box(0, 0, 2400, 260)))
WEST, _, EAST, _ = LONG.polygon.bounds
MIDDLE = LONG.polygon.centroid.y
ENDS = ((EAST, MIDDLE), (WEST, MIDDLE))


def spec_of(**more: object) -> SurveySpec:
    drone = find_drone("generic-arducopter")
    return SurveySpec(LONG, find_camera(drone.camera), drone, **{"gsd_cm": 3.0, "drones": 2, "angle_deg": 0.0, **more})


@pytest.fixture(scope="module")
def sloping(tmp_path_factory: pytest.TempPathFactory) -> SurveyPlan:
    """Ground that rises 120 m from the western home to the eastern one."""
    folder, rise = tmp_path_factory.mktemp("slope"), 120 / (EAST - WEST)
    cell = (EAST - WEST) / 200
    dem = write_dem(
        folder / "dem.tif", lambda lon, lat: 400 + rise * (lon - WEST), WEST - 50 * cell, MIDDLE + 150 * cell, cell
    )
    plan = plan_survey(spec_of(homes=ENDS, dem=(dem,)))
    write_plan(plan, folder / "plan")
    return plan


def folder_of(plan: SurveyPlan) -> Path:
    return plan.spec.dem[0].parent / "plan"


def test_each_drone_works_from_its_own_home_and_all_is_seen(sloping: SurveyPlan) -> None:
    places = [np.array([float(v) for v in sloping.frame.to_local(*home)]) for home in ENDS]
    assert {flight.drone for flight in sloping.flights} == {1, 2}
    for flight in sloping.flights:
        home, other = places[flight.drone - 1], places[2 - flight.drone]
        assert flight.path[[0, -1], :2] == pytest.approx(np.array([home, home]), abs=0.01)
        photos = flight.photos[:, :2]
        assert np.hypot(*(photos - home).T).mean() < np.hypot(*(photos - other).T).mean()
    found = score(json.loads((folder_of(sloping) / "plan.geojson").read_text()), LONG.polygon)
    assert found["home_gap_m"] < 0.1
    assert found["seen1"] == 100
    seconds = [flight.duration_s for flight in sloping.flights]
    assert max(seconds) <= 1.1 * min(seconds)


def test_homes_at_both_ends_are_faster_than_one_in_a_corner() -> None:
    def longest_s(*homes: tuple[float, float]) -> float:
        return max(flight.duration_s for flight in plan_survey(spec_of(homes=homes)).flights)

    assert longest_s(*ENDS) < longest_s(ENDS[1]) - 30


def test_more_drones_than_homes_share_them_in_turn() -> None:
    plan = plan_survey(spec_of(homes=ENDS, drones=3))
    starts = [plan.frame.to_geographic(*flight.path[0, :2]) for flight in plan.flights]
    shared = [ENDS[(flight.drone - 1) % 2] for flight in plan.flights]
    assert np.array(starts, float) == pytest.approx(np.array(shared), abs=1e-7)
    homes = [f for f in plan_geojson.features(plan) if f["properties"]["kind"] == "home"]
    assert [home["properties"]["drone"] for home in homes] == [1, 2, 3]
    assert homes[0]["geometry"] == homes[2]["geometry"] != homes[1]["geometry"]


def test_a_plan_with_several_homes_reads_back(sloping: SurveyPlan) -> None:
    saved = plan_geojson.read(folder_of(sloping))
    assert [home.lon_lat for home in saved.homes] == [pytest.approx(home, abs=1e-7) for home in ENDS]
    assert [home.amsl_m for home in saved.homes] == pytest.approx([520, 400], abs=2)
    assert len(saved.spec.homes) == 2
    for flight, read in zip(sloping.flights, saved.flights, strict=True):
        assert read.path == pytest.approx(flight.path, abs=0.02)
        assert read.photos[:, 2] == pytest.approx(flight.photos[:, 2], abs=0.02)


def test_missions_start_return_and_rally_at_their_own_home_with_heights_above_it(sloping: SurveyPlan) -> None:
    for flight in sloping.flights:
        mission = qgc_plan.read(folder_of(sloping) / f"flight-{flight.number:02d}.plan")
        lon, lat = ENDS[flight.drone - 1]
        assert (mission.home.lon_deg, mission.home.lat_deg) == pytest.approx((lon, lat), abs=1e-6)
        assert mission.home.alt_amsl_m == pytest.approx([520, 400][flight.drone - 1], abs=2)
        assert (mission.rally[0].lon_deg, mission.rally[0].lat_deg) == pytest.approx((lon, lat), abs=1e-6)
        assert mission.items[0].command == NAV_TAKEOFF
        fence = mission.fence[0]
        assert shapely.Polygon(fence.vertices).contains(shapely.Point(lat, lon))
        ground = ground_beside(folder_of(sloping) / f"flight-{flight.number:02d}.plan")
        assert ground is not None
        lowest, highest = ((-120, 0), (0, 120))[flight.drone - 1]  # the slope as seen from either end
        assert ground.places[:, 2].min() == pytest.approx(lowest, abs=12)
        assert ground.places[:, 2].max() == pytest.approx(highest, abs=12)


def test_heights_above_ground_are_held_whatever_the_home(sloping: SurveyPlan) -> None:
    agl = sloping.spec.height_agl_m
    assert sloping.heights is not None
    assert sloping.heights.least_m > 0.94 * agl
    for flight in sloping.flights:
        assert flight.photo_agl_m == pytest.approx(agl, rel=0.06)
    planned = read_planned(folder_of(sloping))
    ground = planned.ground_m + planned.home_amsl_m
    lon, _ = planned.site.frame.to_geographic(planned.shots.places[:, 0], planned.shots.places[:, 1])
    assert ground == pytest.approx(400 + 120 * (lon - WEST) / (EAST - WEST), abs=2)


def test_homes_without_drones_are_refused() -> None:
    with pytest.raises(BadInputError, match="--drones"):
        plan_survey(spec_of(homes=ENDS, drones=1))


def test_home_may_be_given_again_on_the_command_line(tmp_path: Path) -> None:
    area = tmp_path / "long.wkt"
    area.write_text(LONG.polygon.wkt)
    homes = [part for lon, lat in ENDS for part in ("--home", f"{lat:.6f},{lon:.6f}")]
    options = ["--gsd", "4", "--drones", "2", "--camera", "dji-mavic-3e"]
    command = [sys.executable, "-m", "planner.app.cli", "plan", area, "-o", tmp_path / "out", *homes, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [home.lon_lat for home in plan_geojson.read(tmp_path / "out").homes] == [
        pytest.approx(home, abs=1e-5) for home in ENDS
    ]
    assert (tmp_path / "out/flight-02.plan").exists()
