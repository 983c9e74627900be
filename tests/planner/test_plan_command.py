"""`skyrelief plan` as people run it: files, messages, exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from planner.formats import qgc_plan, waypoints

AREA = {
    "type": "Polygon",
    "coordinates": [[[36.93, 37.58], [36.934, 37.58], [36.934, 37.583], [36.93, 37.582], [36.93, 37.58]]],
}


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "planner.app.cli", "plan", *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def area(tmp_path: Path) -> Path:
    (tmp_path / "village.geojson").write_text(json.dumps(AREA))
    return tmp_path / "village.geojson"


def test_a_plan_writes_all_its_files(area: Path, tmp_path: Path) -> None:
    done = run(area, "-o", tmp_path / "plan", "--home", "37.5795,36.9299", "--endurance", "6", "--json")
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert printed == json.loads((tmp_path / "plan/summary.json").read_text())
    flights = printed["flights"]
    assert flights > 1
    names = {path.name for path in (tmp_path / "plan").iterdir()}
    expected = {f"flight-{n:02d}.{suffix}" for n in range(1, flights + 1) for suffix in ("plan", "waypoints")}
    assert names == {"plan.geojson", "summary.json", "overlap.tif", "overlap.png", *expected}
    for number in range(1, flights + 1):
        mission = qgc_plan.read(tmp_path / f"plan/flight-{number:02d}.plan")
        assert mission.items == waypoints.read(tmp_path / f"plan/flight-{number:02d}.waypoints").items


def test_a_new_plan_leaves_no_flight_of_the_old_one(area: Path, tmp_path: Path) -> None:
    assert run(area, "-o", tmp_path / "plan", "--endurance", "6").returncode == 0
    assert run(area, "-o", tmp_path / "plan", "--endurance", "none").returncode == 0
    assert sorted(path.name for path in (tmp_path / "plan").glob("flight-*.plan")) == ["flight-01.plan"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--gsd", "0"], "ground sampling distance"),
        (["--gsd", "2", "--height", "50"], "not both"),
        (["--camera", "dji-mavik-3e"], "dji-mavic-3e"),
        (["--drone", "dji-mavic"], "did you mean"),
        (["--overlap", "much"], "75/70"),
        (["--angle", "north"], "degrees"),
        (["--wind", "strong"], "6@270"),
        (["--endurance", "-3"], "minutes"),
        (["--formats", "plan,pdf"], "unknown format"),
        (["--no-fly", "none.kml"], "no such file"),
        (["--dem", "none.tif"], "no such file"),
    ],
)
def test_bad_options_end_with_one_line_and_write_nothing(
    options: list[str], words: str, area: Path, tmp_path: Path
) -> None:
    done = run(area, "-o", tmp_path / "plan", *options)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "plan").exists()


def test_what_cannot_be_read_or_written_is_told_before_planning(area: Path, tmp_path: Path) -> None:
    """Neither a bad elevation model nor an output that is in the way waits for the routes."""
    (tmp_path / "dem.tif").write_bytes(b"nothing")
    (tmp_path / "file").write_text("in the way")
    for options, words in (
        (["-o", tmp_path / "plan", "--dem", tmp_path / "dem.tif"], "not a readable elevation model"),
        (["-o", tmp_path / "file"], "choose another output"),
    ):
        done = run(area, *options)
        assert done.returncode == 2
        assert words in done.stderr and "routes" not in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_planning_does_not_load_what_it_does_not_need(area: Path, tmp_path: Path) -> None:
    code = (
        "import sys, planner.app.cli as cli\n"
        f"sys.argv = ['skyrelief', 'plan', {str(area)!r}, '-o', {str(tmp_path / 'plan')!r}]\n"
        "try:\n    cli.main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "heavy = {'cv2', 'scipy', 'rasterio', 'geopandas', 'pandas', 'numba', 'matplotlib', 'pymavlink'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
