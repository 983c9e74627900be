"""What a flown survey missed: simulated losses, position errors, and a real flight with a camera that misses shots."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely

from imagery.core.camera import find_camera
from imagery.core.errors import BadInputError, NotEnoughDataError
from imagery.core.photolog import PhotoRecord, read_photo_log, write_photo_log
from planner.app.commands.plan import write_plan
from planner.app.flights import read_flight
from planner.app.flown import pose, read_taken
from planner.app.planned import PlannedSurvey, read_planned
from planner.app.refly import Refly, refly
from planner.area import Area
from planner.coverage.proof import cells_of, count_views
from planner.coverage.shots import Shots, sight, views
from planner.drone import find_drone
from planner.link.flight import fly
from planner.survey import SurveySpec, plan_survey
from sitl.autopilot import Copter, Place
from sitl.endpoint import serve
from tests.e2e.command import skyrelief
from tests.planner.nasty import to_degrees

METRES = np.array([1 / 88_000, 1 / 111_000])  # degrees of longitude and latitude per metre, nearly
FIELD = shapely.Polygon([(0, 0), (420, 0), (420, 260), (220, 300), (0, 260)]).difference(
    shapely.box(200, 100, 240, 140)
)


@pytest.fixture(scope="module")
def plan_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("survey") / "plan"
    spec = SurveySpec(
        Area("field", to_degrees(FIELD)),
        find_camera("dji-mavic-3e"),
        find_drone("dji-mavic-3e"),
        gsd_cm=2.0,
        clearance_m=5.0,
    )
    write_plan(plan_survey(spec), folder)
    return folder


@pytest.fixture(scope="module")
def planned(plan_folder: Path) -> PlannedSurvey:
    return read_planned(plan_folder)


def log_of(plan_folder: Path) -> list[PhotoRecord]:
    """The photo log of a flight that went exactly as planned."""
    features = json.loads((plan_folder / "plan.geojson").read_text())["features"]
    photos = [f for f in features if f["properties"]["kind"] == "photo"]
    return [
        PhotoRecord(
            lat=p["geometry"]["coordinates"][1],
            lon=p["geometry"]["coordinates"][0],
            alt_rel_m=p["geometry"]["coordinates"][2],
            alt_amsl_m=500.0 + p["geometry"]["coordinates"][2],
            yaw_deg=p["properties"]["heading_deg"],
            seq=number,
        )
        for number, p in enumerate(photos)
    ]


def found(planned: PlannedSurvey, records: list[PhotoRecord], folder: Path, **how: float) -> Refly:
    write_photo_log(folder / "photos.csv", records)
    taken = read_taken([folder / "photos.csv"], planned.spec.camera)
    return refly(planned, pose(taken, planned), taken.camera, **how)


def corner(records: list[PhotoRecord]) -> list[PhotoRecord]:
    lat, lon = np.median([r.lat for r in records]), np.median([r.lon for r in records])
    return [r for r in records if r.lat < lat + 80 * METRES[1] or r.lon < lon + 80 * METRES[0]]


def blown(records: list[PhotoRecord]) -> list[PhotoRecord]:
    third = len(records) // 3
    moved = [replace(r, lon=r.lon - 20 * METRES[0], lat=r.lat + 20 * METRES[1]) for r in records[third : 2 * third]]
    return records[:third] + moved + records[2 * third :]


LOSSES: dict[str, Callable[[list[PhotoRecord]], list[PhotoRecord]]] = {
    "every second photo": lambda records: records[::2],
    "two of three photos": lambda records: records[::3],
    "a block of lines": lambda records: records[: len(records) // 3] + records[len(records) * 2 // 3 :],
    "the camera fails": lambda records: records[: len(records) * 3 // 5],
    "a corner": corner,
    "blown aside": blown,
    "nothing but one photo": lambda records: records[50:51],
}


@pytest.mark.parametrize("loss", LOSSES)
def test_what_was_lost_is_flown_again_and_no_more(
    loss: str, planned: PlannedSurvey, plan_folder: Path, tmp_path: Path
) -> None:
    whole = json.loads((plan_folder / "summary.json").read_text())
    result = found(planned, LOSSES[loss](log_of(plan_folder)), tmp_path)
    assert result.plan is not None
    after, slivers = result.plan.overlap, result.shortage.sliver_m2 / planned.site.area.area
    assert result.flown.seen(5) < result.planned.seen(5)
    assert result.left_m2 == 0
    assert after.seen(1) == 1
    assert after.seen(5) >= result.planned.seen(5) - slivers - 0.001
    assert slivers < 0.01
    new = sum(len(flight.photos) for flight in result.plan.flights)
    assert new <= whole["photos"] + 2
    assert sum(f.duration_s for f in result.plan.flights) <= 1.02 * whole["duration_s"]
    for flight in result.plan.flights:
        assert shapely.LineString(flight.path[:, :2]).distance(planned.site.no_fly) >= 4.7


def test_the_new_photos_overlap_with_the_old_ones(planned: PlannedSurvey, plan_folder: Path, tmp_path: Path) -> None:
    result = found(planned, LOSSES["a block of lines"](log_of(plan_folder)), tmp_path)
    assert result.plan is not None
    new = result.plan.overlap.views - result.flown.views
    both = (new >= 2) & (result.flown.views >= 2)
    assert both.sum() * result.shortage.cells.cell_m**2 > 3 * np.prod(planned.spec.footprint_m)


@pytest.mark.parametrize("seed", range(4))
def test_errors_of_a_consumer_receiver_are_no_gaps(
    seed: int, planned: PlannedSurvey, plan_folder: Path, tmp_path: Path
) -> None:
    rng = np.random.default_rng(seed)
    bias = rng.normal(0, 1.5, 2)

    def erring(record: PhotoRecord) -> PhotoRecord:
        east, north = (bias + rng.normal(0, 1.5, 2)) * METRES
        assert record.alt_amsl_m is not None
        height = record.alt_amsl_m + 38 + rng.normal(0, 2)
        return replace(record, lon=record.lon + east, lat=record.lat + north, alt_rel_m=None, alt_amsl_m=height)

    assert found(planned, [erring(r) for r in log_of(plan_folder)], tmp_path).plan is None


def test_a_complete_survey_leaves_nothing_to_fly(plan_folder: Path, tmp_path: Path) -> None:
    records = log_of(plan_folder)
    write_photo_log(tmp_path / "some.csv", records[:50])
    write_photo_log(tmp_path / "rest.csv", [replace(record, yaw_deg=None) for record in records[50:]])
    done = skyrelief("gaps", plan_folder, tmp_path / "some.csv", "-o", tmp_path / "gaps", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["gaps"]["count"] > 0
    assert (tmp_path / "gaps/flight-01.plan").exists()
    assert json.loads((tmp_path / "gaps/gaps.geojson").read_text())["features"]
    done = skyrelief("gaps", plan_folder, tmp_path / "some.csv", tmp_path / "rest.csv", "-o", tmp_path / "gaps")
    assert done.returncode == 0, done.stderr
    assert "complete" in done.stdout
    assert [path.name for path in (tmp_path / "gaps").iterdir()] == ["summary.json"]


def test_a_leaning_camera_sees_elsewhere(planned: PlannedSurvey, plan_folder: Path, tmp_path: Path) -> None:
    leaning = [replace(record, pitch_deg=30.0, roll_deg=0.0) for record in log_of(plan_folder)]
    write_photo_log(tmp_path / "photos.csv", leaning)
    taken = read_taken([tmp_path / "photos.csv"], planned.spec.camera)
    assert refly(planned, pose(taken, planned), taken.camera).plan is None  # a gimbal keeps it level
    write_photo_log(tmp_path / "photos.csv", [replace(record, yaw_deg=0.0) for record in leaning])
    taken = read_taken([tmp_path / "photos.csv"], planned.spec.camera)
    result = refly(
        planned, pose(taken, planned, fixed_mount=True), taken.camera
    )  # all look north: the south is missing
    assert result.plan is not None
    assert result.shortage.outline(0).centroid.y < shapely.Point(planned.site.area.centroid).y - 30


def test_sight_counts_as_the_proof_does() -> None:
    rng = np.random.default_rng(3)
    camera, cells = find_camera("dji-mavic-3e"), cells_of(shapely.box(0, 0, 300, 200))
    places = np.column_stack([rng.uniform(-20, 320, 40), rng.uniform(-20, 220, 40), rng.uniform(60, 90, 40)])
    course = rng.uniform(0, 360, 40)
    unit = np.column_stack([np.sin(np.radians(course)), np.cos(np.radians(course))])
    width, height = camera.footprint_m(1.0)
    expected = count_views(cells, places, unit, (width, height)).views
    counted = views(cells, sight(cells, Shots.of_gimbal(places, course, -90.0, 0.0), camera, 0.0))
    assert (counted == expected)[cells.inside].all()


def test_photos_of_another_place_are_refused(planned: PlannedSurvey, tmp_path: Path) -> None:
    write_photo_log(tmp_path / "photos.csv", [PhotoRecord(lat=10.0, lon=20.0)])
    with pytest.raises(BadInputError, match="photos of this plan"):
        pose(read_taken([tmp_path / "photos.csv"], planned.spec.camera), planned)
    (tmp_path / "empty.csv").write_text("lat,lon\n")
    with pytest.raises(NotEnoughDataError, match="no photo tells"):
        read_taken([tmp_path / "empty.csv"], planned.spec.camera)


@pytest.mark.parametrize("text", ["{}", "[]", '{"features": [{"properties": {"kind": "area"}}]}', "no JSON"])
def test_what_is_no_plan_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "plan.geojson").write_text(text)
    with pytest.raises(BadInputError, match="plan"):
        read_planned(tmp_path)


def test_flown_missed_and_mended_on_a_simulated_copter(tmp_path: Path) -> None:
    area = Area("yard", to_degrees(shapely.box(0, 0, 150, 110)))
    home = to_degrees(shapely.Point(-10, -10))
    drone = replace(find_drone("dji-mavic-3e"), camera="dji-mavic-3e")
    spec = SurveySpec(
        area, find_camera("dji-mavic-3e"), drone, gsd_cm=1.2, front_overlap=0.7, sidelap=0.5, homes=((home.x, home.y),)
    )
    write_plan(plan_survey(spec), tmp_path / "plan")
    assert fly_all(tmp_path / "plan", tmp_path / "first", range(2, 9999, 2)) > 20
    planned = read_planned(tmp_path / "plan")
    logs = [tmp_path / "first/photos.csv"]
    taken = read_taken(logs, planned.spec.camera)
    first = refly(planned, pose(taken, planned), taken.camera)
    assert first.plan is not None
    write_plan(first.plan, tmp_path / "gaps")
    flown = fly_all(tmp_path / "gaps", tmp_path / "second")
    assert flown >= 0.95 * sum(len(f.photos) for f in first.plan.flights)
    logs.append(tmp_path / "second/photos.csv")
    taken = read_taken(logs, planned.spec.camera)
    second = refly(planned, pose(taken, planned), taken.camera)
    assert second.shortage.area_m2 <= 0.05 * first.shortage.area_m2
    assert second.flown.seen(5) >= second.planned.seen(5) - 0.02


def fly_all(plan: Path, out: Path, missed: range = range(0)) -> int:
    """Fly every flight of a plan on a simulated copter; how many photos were logged."""
    home = json.loads((plan / "summary.json").read_text())["home"]
    for number, path in enumerate(sorted(plan.glob("flight-*.plan")), 1):
        copter = Copter(Place(home["lat"], home["lon"], 100.0), parameters={"CAM1_TYPE": 1})
        copter.missed_exposures = missed
        with serve(copter, "tcp:127.0.0.1:0", speedup=30) as endpoint:
            fly(read_flight(path), endpoint.url, out, confirm=lambda: True, flight=number)
    return len(read_photo_log(out / "photos.csv"))
