"""Elevation models of every kind that people bring, and those that are refused with a reason."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.warp
import rasterio.windows
from numpy.typing import NDArray

from imagery.core.errors import BadInputError
from imagery.core.frame import LocalFrame, geoid_undulation
from planner.elevation import read_terrain
from tests.planner.elevation_models import jacksboro, write_dem

FRAME = LocalFrame(36.93, 37.58)
AROUND = (-600.0, -600.0, 600.0, 600.0)
SRTM = "elevation/srtm_n00e010/test-srtm90m-subset"


def slope(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.float64]:
    return 700 + 2000 * (lon - 36.93) + 3000 * (lat - 37.58)


def expected(x: float, y: float) -> float:
    lon, lat = FRAME.to_geographic(x, y)
    return float(slope(np.asarray(lon), np.asarray(lat)))


def whole(tmp_path: Path, **more: object) -> Path:
    return write_dem(tmp_path / "dem.tif", slope, 36.915, 37.595, 0.0001, **more)  # type: ignore[arg-type]


def test_heights_are_those_of_the_file(tmp_path: Path) -> None:
    terrain = read_terrain(whole(tmp_path), FRAME, AROUND)
    assert terrain.filled == 0
    assert 8 < terrain.source_cell_m < 12
    for x, y in [(0, 0), (-500, 300), (412, -588), (599, 599)]:
        assert float(terrain.at(x, y)) == pytest.approx(expected(x, y), abs=0.15)


def test_tiles_in_different_systems_make_one_ground(tmp_path: Path) -> None:
    """A western half in degrees, an eastern half in a UTM zone, side by side in a folder and as two options."""
    west = write_dem(tmp_path / "west.tif", slope, 36.915, 37.595, 0.0001, size=(300, 151))
    to_degrees = rasterio.warp.transform

    def in_utm(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        lon, lat = to_degrees("EPSG:32637", "EPSG:4326", x.ravel(), y.ravel())
        return slope(np.array(lon), np.array(lat)).reshape(x.shape)

    (x,), (y,) = to_degrees("EPSG:4326", "EPSG:32637", [36.9298], [37.595])
    east = write_dem(tmp_path / "east.tif", in_utm, x - 80, y + 80, 10, size=(370, 200), crs="EPSG:32637")
    for given in ([west, east], tmp_path):
        terrain = read_terrain(given, FRAME, AROUND)
        assert terrain.filled < 0.001
        for x, y in [(-500, 300), (0, 0), (15, -200), (500, 300)]:
            assert float(terrain.at(x, y)) == pytest.approx(expected(x, y), abs=0.3)


def test_where_models_lie_over_each_other_the_finest_counts(tmp_path: Path) -> None:
    coarse = write_dem(tmp_path / "a.tif", lambda lon, lat: lon * 0 + 100, 36.91, 37.60, 0.001, size=(40, 40))
    fine = write_dem(tmp_path / "b.tif", lambda lon, lat: lon * 0 + 300, 36.928, 37.582, 0.0001, size=(40, 40))
    terrain = read_terrain([coarse, fine], FRAME, AROUND)
    assert float(terrain.at(0, 0)) == pytest.approx(300, abs=0.1)
    assert float(terrain.at(-500, 500)) == pytest.approx(100, abs=0.1)


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize(("marker", "dtype"), [(-32768, "int16"), (-9999, "float32"), (-3.4e38, "float32")])
def test_missing_heights_never_mix_with_known_ones(marker: float, dtype: str, declared: bool, tmp_path: Path) -> None:
    def holed(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.float64]:
        heights = np.full(lon.shape, 500.0)
        heights[140:150, 140:160] = marker
        return heights

    path = write_dem(
        tmp_path / "dem.tif", holed, 36.915, 37.595, 0.0001, nodata=marker if declared else None, dtype=dtype
    )
    terrain = read_terrain(path, FRAME, AROUND)
    assert 0 < terrain.filled < 0.03
    assert np.allclose(terrain.height_amsl_m, 500)


def test_heights_above_the_ellipsoid_become_heights_above_the_sea(tmp_path: Path) -> None:
    path = whole(tmp_path, crs="EPSG:4979")
    with rasterio.open(path) as source:
        if source.crs.to_epsg() != 4979:
            pytest.skip("this GDAL keeps no three-dimensional systems")
    terrain = read_terrain(path, FRAME, AROUND)
    undulation = float(geoid_undulation(36.93, 37.58))
    assert abs(undulation) > 10
    assert float(terrain.at(0, 0)) == pytest.approx(expected(0, 0) - undulation, abs=0.2)


@pytest.mark.parametrize("unit", ["ft", "US survey foot", "feet"])
def test_feet_are_refused(unit: str, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="convert it to metres"):
        read_terrain(whole(tmp_path, unit=unit), FRAME, AROUND)


def test_a_fine_surface_keeps_its_cliffs(tmp_path: Path) -> None:
    """Cells of half a metre: the grid is as fine as a metre, for a step stays a step."""
    path = write_dem(
        tmp_path / "step.tif",
        lambda x, y: np.where(x < 300_000, 10.0, 60.0),
        299_900,
        4_160_100,
        0.5,
        (400, 400),
        "EPSG:32637",
    )
    (lon,), (lat,) = rasterio.warp.transform("EPSG:32637", "EPSG:4326", [300_000], [4_160_000])
    terrain = read_terrain(path, LocalFrame(lon, lat), (-60, -60, 60, 60))
    heights = terrain.at(np.array([-4.0, 4.0]), np.array([0.0, 0.0]))
    assert heights.tolist() == pytest.approx([10, 60], abs=0.1)


def test_a_huge_raster_is_read_only_where_it_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "huge.tif"
    profile = {"driver": "GTiff", "height": 200_000, "width": 200_000, "count": 1, "dtype": "float32", "tiled": True}
    transform = rasterio.Affine(0.00001, 0, 36.0, 0, -0.00001, 38.5)
    with rasterio.open(path, "w", crs="EPSG:4326", transform=transform, sparse_ok=True, **profile) as target:
        for column in range(92_000, 94_000, 256):
            window = rasterio.windows.Window(column // 256 * 256, 91_000 // 256 * 256, 256, 2048)
            target.write(np.full((2048, 256), 42, "float32"), 1, window=window)
    assert float(read_terrain(path, FRAME, (-100, -100, 100, 100)).at(0, 0)) == pytest.approx(42)


def test_a_raster_too_fine_to_be_read_whole_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "fine.tif"
    profile = {"driver": "GTiff", "height": 100_000, "width": 100_000, "count": 1, "dtype": "float32", "tiled": True}
    transform = rasterio.Affine(0.000001, 0, 36.88, 0, -0.000001, 37.63)
    with rasterio.open(path, "w", crs="EPSG:4326", transform=transform, sparse_ok=True, **profile):
        pass
    with pytest.raises(BadInputError, match="too fine for this area"):
        read_terrain(path, FRAME, (-3000, -3000, 3000, 3000))


def test_across_the_date_line(tmp_path: Path) -> None:
    write_dem(tmp_path / "w.tif", lambda lon, lat: lon * 0 + 20, 179.98, -16.98, 0.0002, size=(200, 100))
    write_dem(tmp_path / "e.tif", lambda lon, lat: lon * 0 + 40, -180.0, -16.98, 0.0002, size=(200, 100))
    terrain = read_terrain(tmp_path, LocalFrame(180.0, -17.0), AROUND)
    assert terrain.at([-500, 500], [0, 0]).tolist() == pytest.approx([20, 40], abs=0.5)


def test_srtm_tiles(shared_data: Path, tmp_path: Path) -> None:
    file = shared_data / SRTM / "N00E010.hgt"
    with rasterio.open(file) as source:
        truth = float(next(source.sample([(10.5, 0.5)]))[0])
    with zipfile.ZipFile(tmp_path / "N00E010.hgt.zip", "w") as archive:
        archive.write(file, "N00E010.hgt")
    frame = LocalFrame(10.5, 0.5)
    for given in (file, shared_data / SRTM, tmp_path / "N00E010.hgt.zip"):
        terrain = read_terrain(given, frame, (-2000, -2000, 2000, 2000))
        assert float(terrain.at(0, 0)) == pytest.approx(truth, abs=1)
        assert 80 < terrain.source_cell_m < 100
    shutil.copy(file, tmp_path / "renamed.hgt")
    with pytest.raises(BadInputError, match="keeps its name"):
        read_terrain(tmp_path / "renamed.hgt", frame, AROUND)


def test_an_srtm_tile_of_one_arc_second(tmp_path: Path) -> None:
    row, column = np.mgrid[0:3601, 0:3601]
    (tmp_path / "N37E036.hgt").write_bytes((row // 4 + column // 8).astype(">i2").tobytes())
    terrain = read_terrain(tmp_path, FRAME, AROUND)
    assert float(terrain.at(0, 0)) == pytest.approx((1 - 0.58) * 3600 / 4 + 0.93 * 3600 / 8, abs=1.5)


def test_images_are_no_elevation(shared_data: Path) -> None:
    with pytest.raises(BadInputError, match="is an image"):
        read_terrain(shared_data / "elevation/rio_tiler_pix4d/pix4d/pix4d_alpha_nodata.tif", FRAME, AROUND)


def test_elevation_elsewhere_is_refused(shared_data: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="covers only 0 %"):
        read_terrain(jacksboro(shared_data, tmp_path), FRAME, AROUND)


def test_files_that_are_no_elevation_are_refused(tmp_path: Path) -> None:
    (tmp_path / "dem.tif").write_bytes(b"nothing")
    (tmp_path / "dem.zip").write_bytes(b"nothing")
    (tmp_path / "empty").mkdir()
    for name, words in [
        ("dem.tif", "not a readable elevation model"),
        ("dem.zip", "not a readable zip archive"),
        ("empty", "holds no elevation tiles"),
        ("none.tif", "there is no such file"),
    ]:
        with pytest.raises(BadInputError, match=words):
            read_terrain(tmp_path / name, FRAME, AROUND)


def test_a_file_that_breaks_off_is_refused(tmp_path: Path) -> None:
    path = whole(tmp_path)
    path.write_bytes(path.read_bytes()[:40_000])
    with pytest.raises(BadInputError, match=r"dem\.tif"):
        read_terrain(path, FRAME, AROUND)
