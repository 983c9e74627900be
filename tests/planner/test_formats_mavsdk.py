"""MAVSDK, which reads plans and waypoint files with code of its own, finds in ours exactly the items that we meant."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from imagery.core.camera import find_camera
from planner.area import Area
from planner.drone import find_drone
from planner.formats import qgc_plan, waypoints
from planner.mission import Mission, MissionItem, build_mission, fence_items, has_position, rally_items
from planner.survey import SurveySpec, plan_survey
from sitl.endpoint import Endpoint
from sitl.pytest_plugin import embedded_sitl  # noqa: F401 - a fixture
from tests.planner.nasty import NASTY, to_degrees

pytest.importorskip("mavsdk", reason="MAVSDK is not installed (extra `test`)")

IMPORT = """
import json, sys
from mavsdk import ComponentType, Configuration, Mavsdk
from mavsdk.plugins.mission_raw import MissionRaw
sdk = Mavsdk(Configuration.create_with_component_type(ComponentType.GROUND_STATION))
sdk.add_any_connection(sys.argv[1])
raw = MissionRaw(sdk.first_autopilot(20))
def rows(items):
    return [[i.command, i.frame, i.param1, i.param2, i.param3, i.param4, i.x, i.y, i.z] for i in items]
found = {}
for path in sys.argv[2:]:
    plan = path.endswith(".plan")
    read = raw.import_qgroundcontrol_mission if plan else raw.import_mission_planner_mission
    data = read(path)
    found[path] = [rows(data.mission_items), rows(data.geofence_items), rows(data.rally_items)]
print(json.dumps(found))
"""


def imported(url: str, *paths: Path) -> dict[str, list[list[list[float]]]]:
    """Mission, fence and rally items of files as MAVSDK imports them; importing needs a vehicle, though nothing is sent to it."""
    command = [sys.executable, "-c", IMPORT, url.replace("tcp:", "tcpout://"), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[list[list[float]]]] = json.loads(done.stdout.splitlines()[-1])
    return found


def same(theirs: list[list[float]], ours: tuple[MissionItem, ...]) -> None:
    assert [int(row[0]) for row in theirs] == [item.command for item in ours]
    for row, item in zip(theirs, ours, strict=True):
        values = [0.0 if value != value else value for value in row[2:6]]  # NaN: the course's own heading
        assert values == pytest.approx([item.p1, item.p2, item.p3, item.p4], rel=1e-6)
        if has_position(item):
            assert int(row[1]) == item.frame
            assert (row[6], row[7]) == (pytest.approx(item.x, abs=1), pytest.approx(item.y, abs=1))
            assert row[8] == pytest.approx(item.z, abs=0.005)


@pytest.fixture(scope="module")
def mission_and_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Mission, Path, Path]:
    area = Area("holes", to_degrees(NASTY["holes"]()))
    plan = plan_survey(SurveySpec(area, find_camera("dji-mavic-3e"), find_drone("dji-mavic-3e"), gsd_cm=2.0))
    mission = build_mission(plan, plan.flights[0])
    folder = tmp_path_factory.mktemp("mavsdk")
    qgc_plan.write(mission, folder / "a.plan", (plan, plan.flights[0]))
    waypoints.write(mission, folder / "a.waypoints")
    return mission, folder / "a.plan", folder / "a.waypoints"


def test_mavsdk_reads_what_was_meant(
    mission_and_files: tuple[Mission, Path, Path],
    embedded_sitl: Callable[..., Endpoint],  # noqa: F811
) -> None:
    mission, plan, rows = mission_and_files
    found = imported(embedded_sitl().url, plan, rows)
    items, fence, rally = found[str(plan)]
    for read in (items, found[str(rows)][0]):  # homes may come first, of the file and one of MAVSDK's own
        assert {row[0] for row in read[: -len(mission.items)]} <= {16}
        same(read[-len(mission.items) :], mission.items)
    same(fence, fence_items(mission.fence))
    same(rally, rally_items(mission.rally))
