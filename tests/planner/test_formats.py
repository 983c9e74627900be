"""Mission formats: what is written reads back, real files read, damaged ones are refused."""

import csv
import json
import math
import zipfile
from dataclasses import replace
from pathlib import Path

import pyogrio
import pytest
import shapely
from defusedxml.ElementTree import fromstring

from imagery.core.camera import find_camera
from imagery.core.errors import BadInputError
from planner.area import Area, read_area
from planner.drone import find_drone
from planner.formats import geopackage, gpx, kml, litchi, plan_geojson, qgc_plan, summary, waypoints, wpml
from planner.mission import (
    DO_CHANGE_SPEED,
    DO_SET_CAM_TRIGG_DIST,
    NAV_RETURN_TO_LAUNCH,
    NAV_TAKEOFF,
    NAV_WAYPOINT,
    FenceCircle,
    FencePolygon,
    Home,
    Mission,
    MissionItem,
    RallyPoint,
    build_mission,
    fence_items,
    home_item,
    rally_items,
)
from planner.shapes.read import read_shapes
from planner.survey import SurveyPlan, SurveySpec, plan_survey
from tests.oracles import wpml_rules
from tests.oracles.qgc_loader import complaints
from tests.planner.nasty import NASTY, to_degrees

SQUARE = ((37.58, 36.93), (37.58, 36.94), (37.59, 36.94))
MISSION = Mission(
    home=Home(37.58, 36.93, 512.3),
    items=(
        MissionItem(NAV_TAKEOFF, 3, x=375800000, y=369300000, z=75.02),
        MissionItem(DO_CHANGE_SPEED, 2, p1=1, p2=8.5, p3=-1),
        MissionItem(NAV_WAYPOINT, 3, x=375812345, y=369312345, z=75.02),
        MissionItem(DO_SET_CAM_TRIGG_DIST, 2, p1=19.78, p3=1),
        MissionItem(NAV_WAYPOINT, 10, p1=2, x=-375812345, y=-1699312345, z=60.5),
        MissionItem(NAV_RETURN_TO_LAUNCH, 2),
    ),
    fence=(FencePolygon(SQUARE, inclusion=True), FenceCircle(37.585, 36.935, 40.0, inclusion=False)),
    rally=(RallyPoint(37.5801, 36.9302, 60.0),),
    speed_m_s=8.5,
)


@pytest.fixture(scope="module")
def plan() -> SurveyPlan:
    area = Area("holes", to_degrees(NASTY["holes"]()))
    return plan_survey(SurveySpec(area, find_camera("dji-mavic-3e"), find_drone("dji-mavic-3e"), gsd_cm=2.0))


def test_a_qgc_plan_reads_back(tmp_path: Path) -> None:
    qgc_plan.write(MISSION, tmp_path / "a.plan")
    assert qgc_plan.read(tmp_path / "a.plan") == MISSION


def test_waypoints_read_back(tmp_path: Path) -> None:
    waypoints.write(MISSION, tmp_path / "a.waypoints")
    read = waypoints.read(tmp_path / "a.waypoints")
    assert (read.home, read.items) == (MISSION.home, MISSION.items)


def test_waypoints_put_latitude_first_and_tabs_between(tmp_path: Path) -> None:
    waypoints.write(MISSION, tmp_path / "a.waypoints")
    rows = (tmp_path / "a.waypoints").read_text().splitlines()
    assert rows[0] == "QGC WPL 110"
    assert rows[1] == "0\t1\t0\t16\t0\t0\t0\t0\t37.58000000\t36.93000000\t512.3\t1"
    assert rows[4].split("\t")[8:10] == ["37.58123450", "36.93123450"]


def test_a_survey_has_the_keys_that_qgroundcontrol_requires(plan: SurveyPlan, tmp_path: Path) -> None:
    mission = build_mission(plan, plan.flights[0])
    qgc_plan.write(mission, tmp_path / "a.plan", (plan, plan.flights[0]))
    data = json.loads((tmp_path / "a.plan").read_text())
    assert complaints(data) == []
    survey = next(item for item in data["mission"]["items"] if item["type"] == "ComplexItem")
    style = survey["TransectStyleComplexItem"]
    assert style["CameraShots"] == len(plan.flights[0].photos)
    assert all(item["params"][3] is None for item in style["Items"] if item["command"] == NAV_WAYPOINT)
    drawn = shapely.Polygon([(lon, lat) for lat, lon in survey["polygon"]])
    assert drawn.area == pytest.approx(shapely.Polygon(plan.spec.area.polygon.exterior).area, rel=1e-4)
    assert qgc_plan.read(tmp_path / "a.plan").items == mission.items


def test_a_mission_flies_the_plan(plan: SurveyPlan) -> None:
    mission, flight = build_mission(plan, plan.flights[0]), plan.flights[0]
    assert mission.items[0].command == NAV_TAKEOFF
    assert mission.items[-1].command == NAV_RETURN_TO_LAUNCH
    starts = [i for i, item in enumerate(mission.items) if item.command == DO_SET_CAM_TRIGG_DIST and item.p1 > 0]
    stops = [i for i, item in enumerate(mission.items) if item.command == DO_SET_CAM_TRIGG_DIST and item.p1 == 0]
    assert len(starts) == len(stops) == len(flight.lines)
    for start, stop in zip(starts, stops, strict=True):
        assert start < stop
        assert mission.items[start - 1].command == mission.items[stop - 1].command == NAV_WAYPOINT
        assert mission.items[start].p3 == mission.items[stop].p3 == 1
        assert mission.items[start].p1 == pytest.approx(plan.trigger_m, abs=0.005)
    assert all(not math.isnan(p) for item in mission.items for p in (item.p1, item.p2, item.p3, item.p4))


def test_the_fence_holds_everything_that_is_flown(plan: SurveyPlan) -> None:
    mission = build_mission(plan, plan.flights[0])
    fence = shapely.Polygon([(lon, lat) for lat, lon in mission.fence[0].vertices])  # type: ignore[union-attr]
    lon, lat = plan.frame.to_geographic(plan.flights[0].path[:, 0], plan.flights[0].path[:, 1])
    assert fence.buffer(-0.0001).contains(shapely.LineString(list(zip(lon, lat, strict=True))))
    keep_out = [part for part in mission.fence[1:] if not part.inclusion]
    assert len(keep_out) == 5
    assert len(fence_items(mission.fence)) <= 70


def test_fence_and_rally_items() -> None:
    items = fence_items(MISSION.fence)
    assert [item.command for item in items] == [5001, 5001, 5001, 5004]
    assert {item.p1 for item in items[:3]} == {3}
    assert items[3].p1 == 40.0
    assert rally_items(MISSION.rally)[0].z == 60.0
    assert home_item(MISSION).z == 512.3


def test_plan_geojson_keeps_its_contract(plan: SurveyPlan, tmp_path: Path) -> None:
    plan_geojson.write(plan, tmp_path / "plan.geojson")
    features = json.loads((tmp_path / "plan.geojson").read_text())["features"]
    kinds = [feature["properties"]["kind"] for feature in features]
    assert set(kinds) == {"area", "no_fly", "home", "line", "flight", "photo"}
    flight = features[kinds.index("flight")]
    home = features[kinds.index("home")]["geometry"]["coordinates"]
    path = flight["geometry"]["coordinates"]
    assert path[0][:2] == pytest.approx(home, abs=1e-7)
    assert path[-1][:2] == pytest.approx(home, abs=1e-7)
    assert len(flight["properties"]["height_rel_m"]) == len(path)
    photo = features[kinds.index("photo")]["properties"]
    assert {"flight", "heading_deg", "gimbal_pitch_deg", "height_agl_m", "height_amsl_m"} <= set(photo)
    assert flight["properties"]["photos"] == kinds.count("photo")
    assert read_area(tmp_path / "plan.geojson").polygon.area == pytest.approx(plan.spec.area.polygon.area, rel=0.001)


def test_summary_has_every_key(plan: SurveyPlan) -> None:
    keys = {"area_m2", "flights", "photos", "length_m", "duration_s", "gsd_cm", "front_overlap", "sidelap"}
    keys |= {"seen1", "seen5", "warnings", "request"}
    assert set(keys) <= set(summary.figures(plan))


REAL = {
    "mavsdk_plans/qgroundcontrol_sample.plan": 6,
    "mavsdk_plans/qgroundcontrol_sample_with_survey.plan": 13,
    "mavsdk_plans/mission_planner_sample.txt": 3,
    "qgc/MissionManager/800Waypoints.waypoints.txt": 828,
    "ardupilot/ArduPlane_Tests/TerrainAvoidApplet/TopOfTheWorld.txt": 116,
}


@pytest.mark.parametrize("name", REAL)
def test_real_missions_read(name: str, shared_data: Path) -> None:
    path = shared_data / "flight" / name
    assert len((qgc_plan if path.suffix == ".plan" else waypoints).read(path).items) == REAL[name]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("with_survey_missing_items", "no stored items"),
        ("with_survey_wrong_version", "version 9"),
        ("without_mission", "no mission"),
        ("wrong_mission_version", "version 7"),
        ("wrong_overall_version", "version 42"),
    ],
)
def test_malformed_plans_are_refused_with_the_reason(name: str, words: str, shared_data: Path) -> None:
    with pytest.raises(BadInputError, match=words):
        qgc_plan.read(shared_data / f"flight/mavsdk_plans/qgroundcontrol_sample_{name}.plan")


@pytest.mark.parametrize(
    "text",
    ["", "hello", "QGC WPL 100\n0 1 0 16 0 0 0 0 1 2 3 1", "QGC WPL 110\n", "QGC WPL 110\n0\t1\t0\n",
     "QGC WPL 110\n0\t1\t0\tx\t0\t0\t0\t0\t1\t2\t3\t1\n", "QGC WPL 110\n0\t1\t0\t16\t0\t0\t0\t0\t136.9\t37.5\t3\t1\n"],
)  # fmt: skip
def test_malformed_waypoints_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.waypoints").write_text(text)
    with pytest.raises(BadInputError, match=r"a\.waypoints"):
        waypoints.read(tmp_path / "a.waypoints")


WPML = "{http://www.dji.com/wpmz/1.0.2}"


def test_a_controller_would_take_the_dji_route(plan: SurveyPlan, tmp_path: Path) -> None:
    for drone in ("dji-mavic-3e", "dji-m300-rtk", "dji-m350-rtk", "dji-mini-3-pro"):
        other = replace(plan, spec=replace(plan.spec, drone=find_drone(drone)))
        wpml.write(other, plan.flights[0], tmp_path / "a.kmz")
        assert wpml_rules.complaints(tmp_path / "a.kmz") == []


def test_a_dji_route_looks_down_and_photographs_every_line(plan: SurveyPlan, tmp_path: Path) -> None:
    wpml.write(plan, plan.flights[0], tmp_path / "a.kmz")
    with zipfile.ZipFile(tmp_path / "a.kmz") as archive:
        roots = [fromstring(archive.read(name)) for name in archive.namelist()]
    assert all(root.find(f".//{WPML}droneEnumValue").text == "77" for root in roots)
    assert roots[1].find(f".//{WPML}gimbalPitchRotateAngle").text == "-90"
    groups = list(roots[1].iter(f"{WPML}actionGroup"))
    ids = [int(group.find(f"{WPML}actionGroupId").text) for group in groups]
    assert sorted(ids) == list(range(2 * len(plan.flights[0].lines) + 1))
    by_distance = [group for group in groups if group.find(f".//{WPML}actionTriggerType").text == "multipleDistance"]
    assert len(by_distance) == len(plan.flights[0].lines)


def test_litchi_has_its_columns_and_at_most_99_points_a_file(plan: SurveyPlan, tmp_path: Path) -> None:
    files = litchi.write(plan, plan.flights[0], tmp_path / "a.csv")
    rows = [list(csv.reader(file.read_text().splitlines())) for file in files]
    assert all(len(part) <= 100 for part in rows)
    assert sum(len(part) - 1 for part in rows) == len(plan.flights[0].path)
    header = rows[0][0]
    assert header[:4] == ["latitude", "longitude", "altitude(m)", "heading(deg)"]
    assert len(header) == 46
    assert all(len(row) == len(header) for part in rows for row in part)
    assert float(rows[0][1][0]) == pytest.approx(37.58, abs=0.02)


def test_kml_gpx_and_geopackage_hold_the_path(plan: SurveyPlan, tmp_path: Path) -> None:
    flight = plan.flights[0]
    kml.write(plan, flight, tmp_path / "a.kml")
    gpx.write(plan, flight, tmp_path / "a.gpx")
    geopackage.write(plan, tmp_path / "a.gpkg")
    shapes = [shape.geometry for shape in read_shapes(tmp_path / "a.kml").shapes]
    assert sum(isinstance(shape, shapely.Polygon) for shape in shapes) == 1 + 5
    track = next(shape for shape in shapes if isinstance(shape, shapely.LineString))
    assert len(track.coords) == len(flight.path)
    points = list(fromstring((tmp_path / "a.gpx").read_bytes()).iter("{http://www.topografix.com/GPX/1/1}rtept"))
    assert len(points) == len(flight.path)
    layers = {name for name, _ in pyogrio.list_layers(tmp_path / "a.gpkg")}
    assert layers == {"area", "no_fly", "home", "line", "flight", "photo"}
    assert pyogrio.read_info(tmp_path / "a.gpkg", layer="photo")["features"] == len(flight.photos)
