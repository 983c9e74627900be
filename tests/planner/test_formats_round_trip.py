"""Every format of a flight reads back into the path that was written, over flat ground and over hills."""

import csv
import math
from dataclasses import replace
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from imagery.core.camera import find_camera
from imagery.core.errors import BadInputError
from planner.app.commands.plan import write_plan
from planner.area import Area, read_area
from planner.drone import find_drone
from planner.formats import geopackage, gpx, kml, litchi, plan_geojson, qgc_plan, waypoints, wpml
from planner.formats.flown import FlownPath
from planner.mission import FencePolygon, Home, Mission, MissionItem, RallyPoint
from planner.survey import Flight, SurveyPlan, SurveySpec, plan_survey
from tests.planner.nasty import NASTY, to_degrees


@pytest.fixture(scope="module")
def flat() -> SurveyPlan:
    area = Area("holes", to_degrees(NASTY["holes"]()))
    return plan_survey(SurveySpec(area, find_camera("dji-mavic-3e"), find_drone("dji-mavic-3e"), gsd_cm=2.0))


@pytest.fixture(scope="module", params=["flat", "hills"])
def plan(request: pytest.FixtureRequest, flat: SurveyPlan) -> SurveyPlan:
    """A plan over flat ground of unknown elevation, and the same one with heights that change and a known home."""
    if request.param == "flat":
        return flat
    flights = []
    for flight in flat.flights:
        rise = 20 * np.sin(np.arange(len(flight.path)))
        flights.append(replace(flight, path=flight.path + np.column_stack([0 * rise, 0 * rise, rise])))
    return replace(flat, flights=tuple(flights), homes=(replace(flat.homes[0], amsl_m=512.34),))


def same(read: FlownPath, plan: SurveyPlan, flight: Flight, ground_m: float, inner: bool = False) -> None:
    """The path read is the flight's (of DJI's format its waypoints, without the home) within a millimetre or two."""
    path = flight.path[1:-1] if inner else flight.path
    east, north = plan.frame.to_local(read.points[:, 0], read.points[:, 1])
    assert np.column_stack([east, north]) == pytest.approx(path[:, :2], abs=0.002)
    assert read.points[:, 2] == pytest.approx(path[:, 2] + ground_m, abs=0.051)
    assert read.home == pytest.approx(plan.home, abs=1e-7)


def test_kml(plan: SurveyPlan, tmp_path: Path) -> None:
    kml.write(plan, plan.flights[0], tmp_path / "a.kml")
    read = kml.read(tmp_path / "a.kml")
    known = math.isfinite(plan.home_amsl_m)
    assert read.datum == ("amsl" if known else "ground")
    same(read, plan, plan.flights[0], plan.home_amsl_m if known else 0.0)
    area = read_area(tmp_path / "a.kml")
    assert area.polygon.area == pytest.approx(plan.spec.area.polygon.area, rel=1e-4)
    assert area.home == pytest.approx(plan.home, abs=1e-7)


def test_gpx(plan: SurveyPlan, tmp_path: Path) -> None:
    gpx.write(plan, plan.flights[0], tmp_path / "a.gpx")
    read = gpx.read(tmp_path / "a.gpx")
    if math.isfinite(plan.home_amsl_m):
        same(read, plan, plan.flights[0], plan.home_amsl_m)
    else:
        assert np.isnan(read.points[:, 2]).all()


def test_geopackage(plan: SurveyPlan, tmp_path: Path) -> None:
    geopackage.write(plan, tmp_path / "a.gpkg")
    same(geopackage.read(tmp_path / "a.gpkg"), plan, plan.flights[0], np.nan_to_num(plan.home_amsl_m))
    area = read_area(tmp_path / "a.gpkg")
    assert area.polygon.area == pytest.approx(plan.spec.area.polygon.area, rel=1e-4)
    assert len(area.polygon.interiors) == len(area.no_fly.geoms) == 5
    with pytest.raises(BadInputError, match="no flight 7"):
        geopackage.read(tmp_path / "a.gpkg", 7)


def test_litchi(plan: SurveyPlan, tmp_path: Path) -> None:
    flight = plan.flights[0]
    files = litchi.write(plan, flight, tmp_path / "a.csv")
    parts = [litchi.read(file) for file in files]
    assert {part.datum for part in parts} == {"home"}
    assert parts[0].trigger_m == pytest.approx(plan.trigger_m, abs=0.05)
    whole = replace(parts[0], points=np.concatenate([part.points for part in parts]))
    same(whole, plan, flight, 0.0)


def test_wpml(plan: SurveyPlan, tmp_path: Path) -> None:
    flight = plan.flights[0]
    wpml.write(plan, flight, tmp_path / "a.kmz")
    read = wpml.read(tmp_path / "a.kmz")
    assert read.datum == "home"
    assert read.lines.tolist() == (flight.lines - 1).tolist()
    assert read.trigger_m == pytest.approx(plan.trigger_m, abs=0.005)
    same(read, plan, flight, 0.0, inner=True)


def test_long_flights_are_warned_of(flat: SurveyPlan) -> None:
    flight = flat.flights[0]
    long = replace(flight, path=np.repeat(flight.path, 5, axis=0))
    assert wpml.warnings(flat, replace(flight, path=flight.path[:90])) == litchi.warnings(
        replace(flight, path=flight.path[:90])
    )
    assert "Pilot 2 takes them" in wpml.warnings(flat, long)[0]
    assert "written as" in litchi.warnings(long)[0]
    other = replace(flat, spec=replace(flat.spec, drone=find_drone("generic-arducopter")))
    assert "Mavic 3E" in wpml.warnings(other, flight)[-1]


def test_a_real_dji_route_reads(shared_data: Path) -> None:
    read = wpml.read(shared_data / "flight/dji_wpml_waygen/wpmz/waylines.wpml")
    assert read.points.shape == (12, 3)
    assert read.datum == "home"
    assert set(read.points[:, 2]) == {50.0}
    assert read.points[0, :2] == pytest.approx([-106.61822161, 34.98762810])


def test_a_real_litchi_mission_reads(shared_data: Path) -> None:
    path = shared_data / "flight/litchi/waypoints_first4.csv"
    read = litchi.read(path)
    assert read.points.shape == (4, 3)
    assert read.points[0] == pytest.approx([-157.8072611, 21.2568756, 100.0])
    header = next(csv.reader(path.read_text().splitlines()))
    assert header == litchi.HEADER


NUMBER = st.floats(-1e4, 1e4, width=32)
LAT, LON = st.integers(-900_000_000, 900_000_000), st.integers(-1_800_000_000, 1_800_000_000)
ITEMS = st.lists(
    st.one_of(
        st.builds(MissionItem, st.just(16), st.sampled_from([0, 3, 10]), p1=NUMBER, x=LAT, y=LON, z=NUMBER),
        st.builds(MissionItem, st.sampled_from([178, 206]), st.just(2), p1=NUMBER, p2=NUMBER, p3=NUMBER, p4=NUMBER),
        st.builds(MissionItem, st.just(20), st.just(2), autocontinue=st.booleans()),
    ),
    max_size=30,
)
PLACE = st.tuples(LAT.map(lambda v: v / 1e7), LON.map(lambda v: v / 1e7))
MISSIONS = st.builds(
    Mission,
    home=PLACE.map(lambda place: Home(*place, 100.25)),
    items=ITEMS.map(tuple),
    fence=st.lists(st.lists(PLACE, min_size=3, max_size=8).map(lambda v: FencePolygon(tuple(v), True)), max_size=3).map(
        tuple
    ),
    rally=st.lists(PLACE.map(lambda place: RallyPoint(*place, 30.0)), max_size=3).map(tuple),
)


@given(MISSIONS)
@settings(max_examples=100)
def test_any_mission_reads_back_from_a_plan(tmp_path_factory: pytest.TempPathFactory, mission: Mission) -> None:
    path = tmp_path_factory.getbasetemp() / "any.plan"
    qgc_plan.write(mission, path)
    assert qgc_plan.read(path) == mission


@given(MISSIONS)
@settings(max_examples=100)
def test_any_mission_reads_back_from_waypoints(tmp_path_factory: pytest.TempPathFactory, mission: Mission) -> None:
    path = tmp_path_factory.getbasetemp() / "any.waypoints"
    waypoints.write(mission, path)
    read = waypoints.read(path)
    assert read.home == mission.home
    for back, item in zip(read.items, mission.items, strict=True):
        exact = ("command", "frame", "x", "y", "autocontinue")
        assert [getattr(back, name) for name in exact] == [getattr(item, name) for name in exact]
        numbers = ("p1", "p2", "p3", "p4", "z")
        assert [getattr(back, n) for n in numbers] == pytest.approx([getattr(item, n) for n in numbers], rel=1e-6)


def test_a_saved_plan_is_written_the_same_again(flat: SurveyPlan, tmp_path: Path) -> None:
    write_plan(flat, tmp_path / "plan")
    saved = plan_geojson.read(tmp_path / "plan")
    again = plan_geojson.features(
        replace(flat, frame=saved.frame, area=saved.area, no_fly=saved.no_fly, flights=saved.flights)
    )
    first = plan_geojson.features(flat)
    assert [f["properties"]["kind"] for f in again] == [f["properties"]["kind"] for f in first]
    for mine, theirs in zip(again, first, strict=True):
        if mine["geometry"]["type"] == "LineString":
            assert np.array(mine["geometry"]["coordinates"]) == pytest.approx(
                np.array(theirs["geometry"]["coordinates"])
            )
