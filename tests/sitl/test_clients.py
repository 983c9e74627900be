"""Independent clients fly on the embedded simulator: MAVSDK and MAVProxy, each in a process of its own, where installed."""

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sitl.autopilot import Place
from sitl.endpoint import Endpoint
from sitl.pytest_plugin import embedded_sitl  # noqa: F401 - a fixture

HOME = Place(47.4, 8.5, 450.0)
MISSION = """QGC WPL 110
0\t1\t0\t16\t0\t0\t0\t0\t47.4\t8.5\t450\t1
1\t0\t3\t22\t0\t0\t0\t0\t0\t0\t20\t1
2\t0\t3\t16\t0\t0\t0\t0\t47.4002\t8.5\t20\t1
3\t0\t3\t20\t0\t0\t0\t0\t0\t0\t0\t1
"""

MAVSDK = """
import sys, time
from mavsdk import ComponentType, Configuration, Mavsdk
from mavsdk.plugins.action import Action
from mavsdk.plugins.mission_raw import MissionItem, MissionRaw
sdk = Mavsdk(Configuration.create_with_component_type(ComponentType.GROUND_STATION))
sdk.add_any_connection(sys.argv[1])
system = sdk.first_autopilot(20)
raw, action = MissionRaw(system), Action(system)
lat, lon = 474000000, 85000000
def item(seq, command, x=0, y=0, z=0.0, frame=3, p1=0.0, kind=0):
    return MissionItem(seq, frame, command, int(seq == 0), 1, p1, 0, 0, 0, x, y, z, kind)
mission = [item(0, 16, lat, lon, 450, 0), item(1, 22, z=20), item(2, 16, lat + 2000, lon, 20), item(3, 20)]
corners = [(-9000, -9000), (9000, -9000), (9000, 9000), (-9000, 9000)]
time.sleep(2)
raw.upload_mission(mission)
raw.upload_geofence([item(n, 5001, lat + a, lon + b, frame=0, p1=4, kind=1) for n, (a, b) in enumerate(corners)])
raw.upload_rally_points([item(0, 5100, lat, lon, 20, kind=2)])
assert len(raw.download_mission()) == 4
assert len(raw.download_geofence()) == 4
action.arm()
raw.start_mission()
time.sleep(float(sys.argv[2]))
"""


def test_mavsdk(embedded_sitl: Callable[..., Endpoint]) -> None:  # noqa: F811
    if importlib.util.find_spec("mavsdk") is None:
        pytest.skip("MAVSDK is not installed (pip install mavsdk)")
    endpoint = embedded_sitl(HOME, speedup=15)
    url = endpoint.url.replace("tcp:", "tcpout://")
    done = subprocess.run(
        [sys.executable, "-c", MAVSDK, url, "8"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(endpoint.copter.fence) == 4
    assert len(endpoint.copter.rally) == 1
    assert endpoint.copter.took_off_s is not None
    assert not endpoint.copter.armed


def test_mavproxy(embedded_sitl: Callable[..., Endpoint], tmp_path: Path) -> None:  # noqa: F811
    program = shutil.which("mavproxy.py", path=str(Path(sys.executable).parent)) or shutil.which("mavproxy.py")
    if program is None:
        pytest.skip("MAVProxy is not installed (pip install MAVProxy)")
    endpoint = embedded_sitl(HOME, speedup=10)
    (tmp_path / "m.waypoints").write_text(MISSION)
    process = subprocess.Popen(
        [program, "--master", endpoint.url], cwd=tmp_path,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    assert process.stdin is not None
    steps = [
        (6, "wp load m.waypoints"),
        (3, "mode guided"),
        (1, "arm throttle"),
        (0.5, "long MISSION_START"),
        (12, "exit"),
    ]
    for wait_s, line in steps:
        try:
            process.wait(wait_s)
        except subprocess.TimeoutExpired:
            process.stdin.write(line + "\n")
            process.stdin.flush()
    said, _ = process.communicate(timeout=30)
    assert "MISSION_ACK: TYPE_MISSION: ACCEPTED" in said
    assert endpoint.copter.took_off_s is not None, said
    assert not endpoint.copter.armed
