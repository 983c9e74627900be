"""The import arrows of the design hold, and a command imports only what it needs."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEAVY = ("cv2", "numba", "rasterio", "geopandas", "matplotlib", "pymavlink", "dronekit")


def test_import_arrows() -> None:
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_plan_starts_without_the_weight_of_other_commands(tmp_path: Path) -> None:
    ring = [[36.930, 37.580], [36.932, 37.580], [36.932, 37.582], [36.930, 37.582], [36.930, 37.580]]
    (tmp_path / "area.geojson").write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    code = f"""
import atexit, sys
sys.argv = ["skyrelief", "plan", {str(tmp_path / "area.geojson")!r}, "-o", {str(tmp_path / "plan")!r}]
atexit.register(lambda: print("LOADED", [name for name in {HEAVY!r} if name in sys.modules]))
from planner.app.cli import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "LOADED []" in done.stdout, done.stdout
