"""Photos to products: real photos of a camera without gimbal, with what a card from the field also holds."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from imagery.batch import Options, stitch
from imagery.core.errors import BadInputError, NotEnoughDataError

CALITERRA = Path(__file__).parents[1] / "data" / "caliterra" / "images"
KEYS = {
    *("photos_used", "photos_dropped", "reprojection_median_px", "ties_kept", "gps_residual_m", "control_rmse_m"),
    *("check_rmse_m", "gsd_cm", "completeness", "seconds", "cpu_seconds", "peak_memory_mb"),
}
PRODUCTS = {
    *(
        "ortho.tif",
        "dsm.tif",
        "dtm.tif",
        "reconstruction.json",
        "footprints.geojson",
        "seams.geojson",
        "quality.json",
        "quality.html",
    ),
}
PREVIEW = Options("preview")


def without_gps(source: Path, target: Path) -> None:
    """The photo's pixels without its EXIF."""
    import cv2

    cv2.imwrite(str(target), cv2.imread(str(source)))


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, Any]]:
    """A stitched folder: eight good photos, one in a folder of its own, one cut off, one twice, one of something else."""
    root = tmp_path_factory.mktemp("stitch")
    photos, out = root / "photos", root / "out"
    shutil.copytree(CALITERRA, photos)
    (photos / "more").mkdir()
    (photos / "IMG_9424.jpg").rename(photos / "more" / "IMG_9424.jpg")
    data = (photos / "IMG_9405.jpg").read_bytes()
    (photos / "cut.jpg").write_bytes(data[: len(data) * 2 // 3])
    (photos / "again.jpg").write_bytes(data)
    (photos / "empty.jpg").write_bytes(b"")
    (photos / "notes.txt").write_text("wind from the west")
    quality = stitch(photos, out, PREVIEW)
    return photos, out, quality


def test_all_products_are_there(job: tuple[Path, Path, dict[str, Any]]) -> None:
    _, out, quality = job
    assert {path.name for path in out.iterdir()} >= PRODUCTS
    assert not [path for path in out.rglob("*") if ".tmp" in path.name]
    written = json.loads((out / "quality.json").read_text())
    assert set(written) >= KEYS
    assert written["photos_used"] == quality["photos_used"] == 8
    assert written["reprojection_median_px"] < 0.5
    assert "the same photo as" in (out / "quality.html").read_text()
    with rasterio.open(out / "ortho.tif") as ortho, rasterio.open(out / "dsm.tif") as dsm:
        assert ortho.crs == dsm.crs == rasterio.CRS.from_epsg(32614)
        assert np.isclose(ortho.res[0], quality["gsd_cm"] / 100)


def test_what_cannot_be_used_is_named_with_a_reason(job: tuple[Path, Path, dict[str, Any]]) -> None:
    dropped = {each["file"]: each["reason"] for each in job[2]["photos_dropped"]}
    assert set(dropped) == {"cut.jpg", "again.jpg", "empty.jpg"} or set(dropped) == {
        "cut.jpg",
        "IMG_9405.jpg",
        "empty.jpg",
    }
    assert "cut off" in dropped["cut.jpg"]
    assert "same photo as" in dropped.get("again.jpg", dropped.get("IMG_9405.jpg", ""))


def test_the_cameras_are_where_gps_says_but_for_its_noise(job: tuple[Path, Path, dict[str, Any]]) -> None:
    reconstruction = json.loads((job[1] / "reconstruction.json").read_text())
    assert reconstruction["crs"] == "EPSG:32614"
    assert "more/IMG_9424.jpg" in reconstruction["images"]
    for image in reconstruction["images"].values():
        rotation = np.array(image["rotation"])
        assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
        assert rotation[2, 2] < -0.9  # the camera looks down
        assert image["tied"]
    assert max(job[2]["gps_residual_m"][:2]) < 25


def test_a_rerun_does_nothing_and_a_new_photo_reuses_the_rest(job: tuple[Path, Path, dict[str, Any]]) -> None:
    photos, out, _ = job
    before = {name: (out / name).read_bytes() for name in PRODUCTS if not name.startswith("quality")}
    again = stitch(photos, out, PREVIEW)
    assert again["resumed"] == ["features", "matching", "alignment", "surface", "mosaic"]
    assert before == {name: (out / name).read_bytes() for name in before}
    features = {path: path.stat().st_mtime_ns for path in (out / ".work" / "features").iterdir()}
    (photos / "again.jpg").unlink()
    (photos / "IMG_9404.jpg").rename(photos / "renamed.jpg")
    changed = stitch(photos, out, PREVIEW)
    assert changed["photos_used"] == 8
    assert features == {path: path.stat().st_mtime_ns for path in (out / ".work" / "features").iterdir()}


def test_photos_without_gps_say_what_to_do(tmp_path: Path) -> None:
    for source in sorted(CALITERRA.iterdir())[:4]:
        without_gps(source, tmp_path / source.name)
    with pytest.raises(NotEnoughDataError, match="positions into"):
        stitch(tmp_path, tmp_path / "out", PREVIEW)


def test_one_photo_is_too_few(tmp_path: Path) -> None:
    shutil.copy(CALITERRA / "IMG_9404.jpg", tmp_path)
    with pytest.raises(NotEnoughDataError, match="3"):
        stitch(tmp_path, tmp_path / "out", PREVIEW)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (Options("best"), "preview"),
        (Options(gsd_cm=0), "0.05"),
        (Options(crs="EPSG:4326"), "metres"),
        (Options(crs="x"), "'x'"),
    ],
)
def test_options_that_cannot_be_used(tmp_path: Path, options: Options, says: str) -> None:
    with pytest.raises(BadInputError, match=says):
        stitch(CALITERRA, tmp_path, options)


def skyrelief(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "planner.app.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_refuses_folders_without_photos(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("a")
    for folder in ("missing", "empty", "texts"):
        done = skyrelief("stitch", tmp_path / folder, "-o", tmp_path / "out")
        assert done.returncode == 2, done.stderr
        assert folder in done.stderr and len(done.stderr.strip().splitlines()) == 1
        assert not (tmp_path / "out").exists()


def test_a_batch_goes_on_after_a_failure(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    done = skyrelief("stitch", tmp_path / "none", CALITERRA, "-o", tmp_path / "out", "--quality", "preview", "--json")
    assert done.returncode == 1, done.stderr
    result = json.loads(done.stdout)
    assert result["failed"] == 1
    assert [row["result"] == "failed" for row in result["batch"]] == [True, False]
    assert (tmp_path / "out" / "caliterra" / "ortho.tif").exists()
    assert (tmp_path / "out" / "batch.csv").read_text().count("\n") == 3


@pytest.mark.long
def test_killed_at_any_moment_it_ends_the_same(tmp_path: Path) -> None:
    """Killed again and again after growing times, and rerun: the products are those of a run that nobody killed."""
    arguments = ["stitch", CALITERRA, "--quality", "preview", "-o"]
    assert skyrelief(*arguments, tmp_path / "whole").returncode == 0
    out = tmp_path / "killed"
    for seconds in np.random.default_rng(0).uniform(2, 9, 8):
        with subprocess.Popen(
            [sys.executable, "-m", "planner.app.cli", *map(str, arguments), str(out)], stderr=subprocess.DEVNULL
        ) as process:
            try:
                process.wait(timeout=float(seconds))
            except subprocess.TimeoutExpired:
                process.kill()
        for product in out.glob("*.tif"):
            with rasterio.open(product) as raster:
                raster.read(1)
    assert skyrelief(*arguments, out).returncode == 0
    for name in ("ortho.tif", "dsm.tif", "dtm.tif", "reconstruction.json"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
