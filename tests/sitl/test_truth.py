"""The truth harness measures errors that were put in on purpose."""

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from affine import Affine

from imagery.core.camera import rotation_from_gimbal
from imagery.core.errors import BadInputError
from sitl.truth import damage_error, mosaic_error, pose_error, seam_error, surface_error
from sitl.world import World

pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")  # rasterio on affine 3.1


@pytest.fixture(scope="module")
def world() -> World:
    return World.generate(4, size_m=(260, 220), cell_m=0.1, margin_m=40)


def _write(path: Path, world: World, values: np.ndarray, shift_m: tuple[float, float] = (0, 0)) -> Path:
    grid = world.transform
    moved = Affine(grid.a, 0, grid.c + shift_m[0], 0, grid.e, grid.f + shift_m[1])
    bands = np.moveaxis(values, -1, 0) if values.ndim == 3 else values[None]
    nodata = None if values.ndim == 3 else -9999
    with rasterio.open(
        path, "w", driver="GTiff", width=values.shape[1], height=values.shape[0], count=len(bands), dtype=values.dtype,
        crs=world.crs, transform=moved, nodata=nodata,
    ) as file:  # fmt: skip
        file.write(bands)
    return path


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.23, -0.41), (-7.5, 4.2)])
def test_a_moved_orthomosaic_is_found_where_it_was_moved(
    world: World, tmp_path: Path, shift: tuple[float, float]
) -> None:
    error = mosaic_error(world, _write(tmp_path / "ortho.tif", world, world.ortho, shift))
    assert error.mean_m == pytest.approx(shift, abs=0.02)
    assert error.rmse_m == pytest.approx(np.hypot(*shift), abs=0.03)
    assert error.spread_m < 0.03
    assert error.gsd_m == pytest.approx(0.1)
    assert error.covered == pytest.approx(1.0, abs=0.01)


def test_a_jump_across_a_seam_is_found(world: World, tmp_path: Path) -> None:
    jump_px, middle = 4, world.ortho.shape[1] // 2
    torn = world.ortho.copy()
    torn[jump_px:, middle:] = world.ortho[:-jump_px, middle:]
    x = world.transform.c + middle * world.cell_m
    south, north = world.transform.f - (world.ortho.shape[0] - 1) * world.cell_m, world.transform.f - world.cell_m
    lines = [shapely.LineString([(x, south), (x, north)]), shapely.LineString([(x - 30, south), (x - 30, north)])]
    path = tmp_path / "seams.geojson"
    for line, expected in zip(lines, (jump_px * world.cell_m, 0.0), strict=True):
        gpd.GeoDataFrame(geometry=[line], crs=world.crs).to_crs("EPSG:4326").to_file(path, driver="GeoJSON")
        error = seam_error(world, _write(tmp_path / "ortho.tif", world, torn), path)
        assert error.places > 60
        assert error.p50_m == pytest.approx(expected, abs=0.02)
        assert error.p95_m == pytest.approx(expected, abs=0.05)
        assert error.ground_places == 0 or error.ground_p99_m == pytest.approx(expected, abs=0.05)


def test_a_raised_surface_with_holes_is_measured(world: World, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    heights = (world.dsm + 0.3 + rng.normal(0, 0.05, world.dsm.shape)).astype(np.float32)
    heights[:, : heights.shape[1] // 2] = -9999
    error = surface_error(world, _write(tmp_path / "dsm.tif", world, heights))
    assert error.median_m == pytest.approx(0.3, abs=0.01)
    assert error.nmad_m == pytest.approx(0.05, abs=0.01)
    assert error.ground_median_m == pytest.approx(0.3, abs=0.01)
    assert error.completeness == pytest.approx(0.5, abs=0.03)


def test_pose_errors_come_out_in_the_reconstructions_own_projection(world: World, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    local = np.column_stack([rng.uniform(-80, 80, (12, 2)), rng.uniform(280, 290, 12)])
    rotations = [rotation_from_gimbal(yaw, -90) for yaw in rng.uniform(0, 360, 12)]
    truth = {
        f"DJI_{i}.JPG": {"position": p.tolist(), "rotation": r.tolist()}
        for i, (p, r) in enumerate(zip(local, rotations, strict=True))
    }
    x, y = pyproj.Transformer.from_crs(world.frame.crs, world.crs, always_xy=True).transform(local[:, 0], local[:, 1])
    # The projection's axes are turned against the local frame's.
    to_crs = pyproj.Transformer.from_crs(world.frame.crs, world.crs, always_xy=True)
    (x0, y0), (x1, y1) = to_crs.transform(0.0, 0.0), to_crs.transform(0.0, 100.0)
    angle = np.arctan2(x1 - x0, y1 - y0)
    turn = np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    images = {
        f"sub/DJI_{i}.JPG": {
            "position": [x[i] + 0.2, y[i] - 0.1, local[i, 2] + 0.5],
            "rotation": (rotations[i] @ turn.T).tolist(),
        }
        for i in range(11)
    }
    (tmp_path / "truth.json").write_text(json.dumps({"images": truth}))
    (tmp_path / "reconstruction.json").write_text(json.dumps({"crs": world.crs.to_string(), "images": images}))
    error = pose_error(world, tmp_path / "reconstruction.json", tmp_path / "truth.json")
    assert error.rmse_m == pytest.approx((0.2, 0.1, 0.5), abs=1e-3)
    assert error.internal_m < 0.01
    assert error.angle_deg < 0.01
    assert (error.cameras, error.missing) == (11, 1)


def test_grades_are_counted(world: World, tmp_path: Path) -> None:
    said = world.buildings[["geometry"]].copy()
    grades = world.buildings["grade"].to_numpy()
    wrong = np.where(grades == 0, 1, grades)  # every whole building called damaged
    said["jds_grade"] = [str(value) if i % 7 else "un-classified" for i, value in enumerate(wrong)]
    for k in range(4):
        said[f"p{k}"] = (wrong == k).astype(float)
    said = said.iloc[:-3].to_crs("EPSG:4326")
    said.to_file(tmp_path / "damage.gpkg", layer="builtUpA", engine="pyogrio")
    error = damage_error(world, tmp_path / "damage.gpkg")
    confusion = np.array(error.confusion)
    assert confusion[0, 0] == 0
    assert confusion[0, 1] > 0
    assert confusion[:, 4].sum() > 0
    assert confusion[3, 3] > 0
    right = sum(confusion[k, k] for k in range(1, 4))
    assert error.accuracy == pytest.approx(right / confusion[:, :4].sum())
    assert error.within_one == 1
    assert error.calibration_error == pytest.approx(1 - error.accuracy)


def test_a_missing_result_is_named(world: World, tmp_path: Path) -> None:
    for measure in (mosaic_error, surface_error, damage_error):
        with pytest.raises(BadInputError, match=r"nothing\.xyz"):
            measure(world, tmp_path / "nothing.xyz")
    gpd.GeoDataFrame({"a": [1]}, geometry=[world.area], crs="EPSG:4326").to_file(
        tmp_path / "x.gpkg", layer="other", engine="pyogrio"
    )
    with pytest.raises(BadInputError, match="builtUpA"):
        damage_error(world, tmp_path / "x.gpkg")
