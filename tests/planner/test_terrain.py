"""Terrain following against the terrain itself."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely

from imagery.core.camera import find_camera
from imagery.core.errors import BadInputError
from imagery.core.frame import LocalFrame
from planner.area import Area
from planner.drone import find_drone
from planner.elevation import read_terrain
from planner.mission import build_mission
from planner.survey import SurveySpec, plan_survey
from tests.planner.nasty import to_degrees

BLOCK = shapely.box(0, 0, 600, 400)


def hills(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """A slope with a hill, metres above sea level, around 36.93 E 37.58 N."""
    x, y = (lon - 36.93) * 88_300, (lat - 37.58) * 111_000
    return 600 + 0.06 * x + 45 * np.exp(-((x - 300) ** 2 + (y - 200) ** 2) / (2 * 130**2))


@pytest.fixture(scope="module")
def dem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dem") / "dem.tif"
    size, cell = 300, 0.0001
    transform = rasterio.Affine(cell, 0, 36.915, 0, -cell, 37.595)
    lon, lat = np.meshgrid(36.915 + (np.arange(size) + 0.5) * cell, 37.595 - (np.arange(size) + 0.5) * cell)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=size,
        width=size,
        count=1,
        dtype="float32",
        crs="EPSG:4326",
        transform=transform,
        nodata=-9999,
    ) as target:
        heights = hills(lon, lat).astype("float32")
        heights[120:125, 200:205] = -9999
        target.write(heights, 1)
    return path


def spec(dem: Path | None, **more: object) -> SurveySpec:
    area = Area("hills", to_degrees(BLOCK))
    return SurveySpec(
        area,
        find_camera("dji-mavic-3e"),
        find_drone("generic-arducopter"),
        gsd_cm=2.0,
        dem=() if dem is None else (dem,),
        home=(36.93, 37.58),
        **more,
    )


def test_the_height_above_ground_is_held_everywhere(dem: Path) -> None:
    plan = plan_survey(spec(dem))
    agl = plan.spec.height_agl_m
    for flight in plan.flights:
        path = shapely.LineString(flight.path)
        points = np.array(
            [shapely.get_coordinates(path.interpolate(d), include_z=True)[0] for d in np.arange(0, path.length, 7.0)]
        )
        lon, lat = plan.frame.to_geographic(points[:, 0], points[:, 1])
        above = points[:, 2] + plan.home_amsl_m - hills(lon, lat)
        assert above.min() > 0.92 * agl
        assert np.percentile(above, 90) < 1.35 * agl
        assert flight.photo_agl_m.min() > 0.92 * agl
        legs = np.diff(flight.path, axis=0)
        slope = legs[:, 2] / np.maximum(np.hypot(legs[:, 0], legs[:, 1]), 1e-6)
        assert slope.max() <= plan.motion.climb_m_s / plan.motion.speed_m_s
        assert slope.min() >= -plan.motion.descent_m_s / plan.motion.speed_m_s
    assert plan.home_amsl_m == pytest.approx(float(hills(np.array(36.93), np.array(37.58))), abs=0.5)
    assert plan.overlap.seen(1) == 1
    assert plan.overlap.seen(5) > 0.98


def test_the_mission_carries_heights_above_home(dem: Path) -> None:
    plan = plan_survey(spec(dem))
    heights = [item.z for item in build_mission(plan, plan.flights[0]).items if item.command == 16]
    assert max(heights) - min(heights) > 30


def test_flat_planning_over_a_hill_sees_less(dem: Path) -> None:
    """What the proof is for: the same photos over the hill overlap less than over flat ground."""
    followed = plan_survey(spec(dem))
    assert followed.overlap.seen(5) > 0.98
    assert any("flat" in warning for warning in plan_survey(spec(None)).warnings)


def test_a_gap_is_filled_and_told(dem: Path) -> None:
    assert any("lacks" in warning for warning in plan_survey(spec(dem)).warnings)


def test_srtm_tiles_read(shared_data: Path) -> None:
    frame = LocalFrame(10.5, 0.5)
    terrain = read_terrain(
        shared_data / "elevation/srtm_n00e010/test-srtm90m-subset/N00E010.hgt", frame, (-2000, -2000, 2000, 2000)
    )
    with rasterio.open(shared_data / "elevation/srtm_n00e010/test-srtm90m-subset/N00E010.hgt") as source:
        truth = next(source.sample([(10.5, 0.5)]))[0]
    assert float(terrain.at(0, 0)) == pytest.approx(truth, abs=15)


def test_elevation_elsewhere_is_refused(dem: Path) -> None:
    with pytest.raises(BadInputError, match="covers only 0 %"):
        read_terrain(dem, LocalFrame(10, 50), (-500, -500, 500, 500))


def test_a_file_that_is_no_elevation_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dem.tif").write_bytes(b"nothing")
    with pytest.raises(BadInputError, match="not a readable elevation model"):
        read_terrain(tmp_path / "dem.tif", LocalFrame(10, 50), (-500, -500, 500, 500))
