"""Independent clients fly on the embedded simulator: MAVSDK and MAVProxy, each in a process of its own, where installed."""

import importlib.util
import shutil
import subprocess
import sys
import threading
import time
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
from mavsdk.plugins.telemetry import Telemetry
sdk = Mavsdk(Configuration.create_with_component_type(ComponentType.GROUND_STATION))
sdk.add_any_connection(sys.argv[1])
system = sdk.first_autopilot(20)
raw, action, telemetry = MissionRaw(system), Action(system), Telemetry(system)
def until(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
def works(command, *values):
    try:
        command(*values)
    except Exception as refusal:
        print(refusal, file=sys.stderr)
        return False
    return True
lat, lon = 474000000, 85000000
def item(seq, command, x=0, y=0, z=0.0, frame=3, p1=0.0, kind=0):
    return MissionItem(seq, frame, command, int(seq == 0), 1, p1, 0, 0, 0, x, y, z, kind)
mission = [item(0, 16, lat, lon, 450, 0), item(1, 22, z=20), item(2, 16, lat + 2000, lon, 20), item(3, 20)]
corners = [(-9000, -9000), (9000, -9000), (9000, 9000), (-9000, 9000)]
until(lambda: works(raw.upload_mission, mission))
raw.upload_geofence([item(n, 5001, lat + a, lon + b, frame=0, p1=4, kind=1) for n, (a, b) in enumerate(corners)])
raw.upload_rally_points([item(0, 5100, lat, lon, 20, kind=2)])
assert len(raw.download_mission()) == 4
assert len(raw.download_geofence()) == 4
until(lambda: works(action.arm))
raw.start_mission()
until(telemetry.armed)
until(lambda: not telemetry.armed())
"""


def test_mavsdk(embedded_sitl: Callable[..., Endpoint]) -> None:  # noqa: F811
    if importlib.util.find_spec("mavsdk") is None:
        pytest.skip("MAVSDK is not installed (pip install mavsdk)")
    endpoint = embedded_sitl(HOME, speedup=15)
    url = endpoint.url.replace("tcp:", "tcpout://")
    done = subprocess.run([sys.executable, "-c", MAVSDK, url], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert len(endpoint.copter.fence) == 4
    assert len(endpoint.copter.rally) == 1
    assert endpoint.copter.took_off_s is not None


class Console:
    """A program's standard input and output, as an operator uses them."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.said = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        while part := self._process.stdout.read(1):
            self.said += part

    def type(self, line: str, until: str, wait_s: float = 40.0) -> None:
        """Type a line and wait for what it makes the program say."""
        assert self._process.stdin is not None
        seen = len(self.said)
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        self.wait(until, seen, wait_s)

    def wait(self, text: str, seen: int = 0, wait_s: float = 40.0) -> None:
        """Wait until the program has said something after its first `seen` characters."""
        end = time.monotonic() + wait_s
        while text not in self.said[seen:]:
            assert time.monotonic() < end, f"no {text!r} in {self.said[seen:]}"
            time.sleep(0.05)


def test_mavproxy(embedded_sitl: Callable[..., Endpoint], tmp_path: Path) -> None:  # noqa: F811
    program = shutil.which("mavproxy.py", path=str(Path(sys.executable).parent)) or shutil.which("mavproxy.py")
    if program is None:
        pytest.skip("MAVProxy is not installed (pip install --no-deps MAVProxy pynmeagps)")
    endpoint = embedded_sitl(HOME, speedup=15)
    (tmp_path / "m.waypoints").write_text(MISSION)
    with subprocess.Popen(
        [sys.executable, program, "--master", endpoint.url, "--nowait"], cwd=tmp_path,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        try:
            console = Console(process)
            console.wait("EKF3 IMU0 is using GPS")
            console.type("wp load m.waypoints", until="MISSION_ACK: TYPE_MISSION: ACCEPTED")
            console.type("wp list", until="Saved 4 waypoints to way.txt")
            console.type("mode guided", until="Mode GUIDED")
            console.type("arm throttle", until="ARMED")
            console.type("long MISSION_START", until="DISARMED")
        finally:
            process.kill()
    assert "16 3 47.4002000000 8.5000000000 20.000000" in console.said
    assert endpoint.copter.took_off_s is not None
