"""Bad input to the command: one or two clear lines, the right exit code, nothing half-written, never a traceback."""

import json
import shutil
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import simplejpeg

from tests.e2e.command import skyrelief

DATA = Path(__file__).parents[1] / "data"
SQUARE = [[36.930, 37.580], [36.934, 37.580], [36.934, 37.583], [36.930, 37.583], [36.930, 37.580]]


def area_file(path: Path, ring: list[list[float]]) -> Path:
    geometry = {"type": "Polygon", "coordinates": [ring]}
    path.write_text(
        json.dumps(
            {"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, "geometry": geometry}]}
        )
    )
    return path


@pytest.fixture
def square(tmp_path: Path) -> Path:
    return area_file(tmp_path / "area.geojson", SQUARE)


def refused(done: subprocess.CompletedProcess[str], code: int, *words: str, out: Path | None = None) -> None:
    """Assert a refusal: the exit code, at most two lines, each word in them, and no output."""
    assert done.returncode == code, done.stderr
    message = done.stderr.strip()
    lines = [line for line in message.splitlines() if line.startswith("skyrelief:")]
    assert lines, message
    said = message[message.index("skyrelief:") :]
    assert "Traceback" not in message
    assert len(said.splitlines()) <= 2, said
    for word in words:
        assert word.lower() in said.lower(), (word, said)
    if out is not None:
        left = [p for p in out.rglob("*") if p.is_file() and ".work" not in p.parts] if out.exists() else []
        assert not left, left


@pytest.mark.parametrize("command", ["stitch"])
def test_missing_folder(command: str, tmp_path: Path) -> None:
    refused(skyrelief(command, tmp_path / "nowhere", "-o", tmp_path / "out"), 2, "nowhere", out=tmp_path / "out")


def test_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    refused(skyrelief("stitch", tmp_path / "photos", "-o", tmp_path / "out"), 2, "photos", out=tmp_path / "out")


def test_folder_without_photos(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "notes.txt").write_text("nothing here")
    refused(skyrelief("stitch", tmp_path / "photos", "-o", tmp_path / "out"), 2, "photos", out=tmp_path / "out")


def test_photos_without_gps_say_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    for number in range(4):
        jpeg = simplejpeg.encode_jpeg(np.ascontiguousarray(np.roll(noise, 40 * number, axis=1)))
        (tmp_path / "photos" / f"{number}.jpg").write_bytes(jpeg)
    refused(skyrelief("stitch", tmp_path / "photos", "-o", tmp_path / "out"), 4, "GPS", out=tmp_path / "out")


def test_only_truncated_photos(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for photo in sorted((DATA / "caliterra").rglob("*.jpg"))[:3]:
        content = photo.read_bytes()
        (tmp_path / "photos" / photo.name).write_bytes(content[: len(content) // 3])
    refused(skyrelief("stitch", tmp_path / "photos", "-o", tmp_path / "out"), 4, "truncated", out=tmp_path / "out")


def test_self_crossing_polygon(tmp_path: Path) -> None:
    crossing = [SQUARE[0], SQUARE[2], SQUARE[1], SQUARE[3], SQUARE[0]]
    area = area_file(tmp_path / "bow.geojson", crossing)
    done = skyrelief("plan", area, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "bow.geojson" in done.stderr and "crosses itself near latitude" in done.stderr  # planned, but not silently


def test_empty_polygon(tmp_path: Path) -> None:
    area = area_file(tmp_path / "empty.geojson", [])
    refused(skyrelief("plan", area, "-o", tmp_path / "out"), 2, "empty.geojson", out=tmp_path / "out")


def test_latitude_and_longitude_swapped(tmp_path: Path) -> None:
    ring = [[37.78, 112.55], [37.78, 112.56], [37.79, 112.56], [37.79, 112.55], [37.78, 112.55]]
    area = area_file(tmp_path / "swapped.geojson", ring)
    refused(skyrelief("plan", area, "-o", tmp_path / "out"), 2, "swapped.geojson", "latitude", out=tmp_path / "out")


def test_swapped_area_told_by_its_home_or_its_latitude(tmp_path: Path) -> None:
    ring = [[27.70, 85.30], [27.70, 85.303], [27.703, 85.303], [27.703, 85.30], [27.70, 85.30]]
    area = area_file(tmp_path / "kathmandu.geojson", ring)
    done = skyrelief("plan", area, "-o", tmp_path / "out", "--home", "27.70,85.30")
    refused(done, 2, "kathmandu.geojson", "swapped", out=tmp_path / "out")
    assert "swapped?" in skyrelief("plan", area, "-o", tmp_path / "out").stderr


def test_place_where_nothing_can_be_written(square: Path) -> None:
    refused(skyrelief("plan", square, "-o", "/proc/survey"), 2, "/proc/survey", "choose another output")


def test_no_format_at_all(square: Path, tmp_path: Path) -> None:
    refused(skyrelief("plan", square, "-o", tmp_path / "out", "--formats", ""), 2, "format", out=tmp_path / "out")


def test_kml_without_polygon(tmp_path: Path) -> None:
    kml = (
        '<?xml version="1.0" encoding="UTF-8"?><kml xmlns="http://www.opengis.net/kml/2.2"><Document><Placemark>'
        "<Point><coordinates>36.93,37.58,0</coordinates></Point></Placemark></Document></kml>"
    )
    (tmp_path / "point.kml").write_text(kml)
    refused(skyrelief("plan", tmp_path / "point.kml", "-o", tmp_path / "out"), 2, "polygon", out=tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "point.kmz", "w") as archive:
        archive.writestr("doc.kml", kml)
    refused(skyrelief("plan", tmp_path / "point.kmz", "-o", tmp_path / "out"), 2, "polygon", out=tmp_path / "out")


@pytest.mark.parametrize(
    "options", [["--gsd", "0"], ["--gsd", "-2"], ["--gsd", "nan"], ["--overlap", "100/70"], ["--height", "0"]]
)
def test_impossible_numbers(square: Path, tmp_path: Path, options: list[str]) -> None:
    refused(skyrelief("plan", square, "-o", tmp_path / "out", *options), 2, "give", out=tmp_path / "out")


def test_unknown_camera_names_the_nearest(square: Path, tmp_path: Path) -> None:
    done = skyrelief("plan", square, "-o", tmp_path / "out", "--camera", "dji-mavic-3f")
    refused(done, 2, "dji-mavic-3f", "dji-mavic-3e", out=tmp_path / "out")


def test_unknown_drone(square: Path, tmp_path: Path) -> None:
    refused(
        skyrelief("plan", square, "-o", tmp_path / "out", "--drone", "zeppelin"), 2, "zeppelin", out=tmp_path / "out"
    )


def test_unreachable_vehicle(square: Path, tmp_path: Path) -> None:
    assert skyrelief("plan", square, "-o", tmp_path / "plan").returncode == 0
    flight = next(iter(sorted((tmp_path / "plan").glob("flight-*.plan"))))
    with socket.socket() as taken:  # bound but not listening: a connection to it is refused
        taken.bind(("127.0.0.1", 0))
        url = f"tcp:127.0.0.1:{taken.getsockname()[1]}"
        refused(skyrelief("upload", flight, "--connect", url), 3, url.split(":")[1])
        done = skyrelief("fly", flight, "--connect", url, "-o", tmp_path / "flown", "--yes")
        refused(done, 3, url.split(":")[1], out=tmp_path / "flown")


def full_disk(folder: Path) -> bool:
    """Mount a file system of 64 kB on `folder`; False where this is not allowed."""
    if sys.platform != "linux" or not shutil.which("mount"):
        return False
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    return done.returncode == 0


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Path:
    folder = tmp_path / "disk"
    folder.mkdir()
    if not full_disk(folder):
        pytest.skip("mounting a small file system is not allowed here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_full_disk_plan(square: Path, tiny_disk: Path) -> None:
    (tiny_disk / "ballast").write_bytes(bytes(60_000))
    refused(skyrelief("plan", square, "-o", tiny_disk / "out"), 2, "disk is full", out=tiny_disk / "out")


def test_full_disk_stitch(tiny_disk: Path) -> None:
    refused(skyrelief("stitch", DATA / "caliterra", "-o", tiny_disk / "out"), 2, "disk is full", out=tiny_disk / "out")
