"""Rasters of any system, band layout and unit come onto a grid with the right values at the right place."""

import numpy as np
import pytest
import rasterio
from rasterio.warp import Resampling, calculate_default_transform, reproject

from imagery.core.errors import BadInputError
from imagery.core.progress import Progress
from imagery.damage.raster import Grid, ImageFile, SurfaceFile
from tests.imagery.damage.hamlet import CRS, ORIGIN, write_raster


class Warnings(Progress):
    def __init__(self):
        self.said = []

    def warn(self, message):
        self.said.append(message)


def ramp(rows: int = 300, columns: int = 400) -> np.ndarray:
    """Heights that tell their own place: east + 2 x south in metres from ORIGIN."""
    y, x = np.mgrid[:rows, :columns]
    return ((x + 0.5) * 0.1 + 2 * (y + 0.5) * 0.1).astype(np.float32)


def expected(grid: Grid) -> np.ndarray:
    east, north = grid.centres()
    return (east - ORIGIN[0]) + 2 * (ORIGIN[1] - north)[:, None]


@pytest.mark.parametrize("cell", [0.1, 0.23, 0.5])
def test_values_lie_where_they_belong(tmp_path, cell):
    path = write_raster(tmp_path / "ramp.tif", ramp())
    grid = Grid.over((ORIGIN[0] + 5.03, ORIGIN[1] - 20.1, ORIGIN[0] + 30, ORIGIN[1] - 6), cell)
    with SurfaceFile(path) as surface:
        assert surface.read(grid) == pytest.approx(expected(grid), abs=0.02)
        assert surface.cell_m == pytest.approx(0.1, rel=1e-3)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_another_coordinate_system_changes_nothing(tmp_path):
    source = write_raster(tmp_path / "ramp.tif", ramp())
    with rasterio.open(source) as ours:
        transform, width, height = calculate_default_transform(CRS, "EPSG:4326", ours.width, ours.height, *ours.bounds)
        values = np.full((height, width), -9999, np.float32)
        reproject(
            ours.read(1), values, src_transform=ours.transform, src_crs=CRS, dst_transform=transform,
            dst_crs="EPSG:4326", dst_nodata=-9999, resampling=Resampling.bilinear,
        )  # fmt: skip
        profile = {
            **ours.profile,
            "crs": "EPSG:4326",
            "transform": transform,
            "width": width,
            "height": height,
            "nodata": -9999,
        }
    with rasterio.open(tmp_path / "degrees.tif", "w", **profile) as target:
        target.write(values, 1)
    grid = Grid.over((ORIGIN[0] + 5, ORIGIN[1] - 20, ORIGIN[0] + 30, ORIGIN[1] - 6), 0.25)
    with SurfaceFile(tmp_path / "degrees.tif") as surface:
        assert surface.crs.to_epsg() == 32633
        assert surface.read(grid) == pytest.approx(expected(grid), abs=0.12)


def test_holes_and_the_outside_are_not_data(tmp_path):
    values = ramp()
    values[100:150, 100:150] = -9999
    path = write_raster(tmp_path / "holes.tif", values, nodata=-9999)
    with SurfaceFile(path) as surface:
        inside = surface.read(Grid(ORIGIN[0] + 11, ORIGIN[1] - 11, 0.1, 20, 20))
        outside = surface.read(Grid(ORIGIN[0] - 50, ORIGIN[1] - 11, 0.1, 20, 20))
        edge = surface.read(Grid(ORIGIN[0] + 9, ORIGIN[1] - 12, 0.1, 30, 10))
    assert np.isnan(inside).all()
    assert np.isnan(outside).all()
    assert np.isfinite(edge[:, :8]).all()
    assert edge[:, :8].min() > 0


def test_feet_are_read_as_metres_when_stated(tmp_path):
    path = write_raster(tmp_path / "feet.tif", ramp() / 0.3048)
    with rasterio.open(path, "r+") as target:
        target.units = ["ft"]
    said = Warnings()
    grid = Grid.over((ORIGIN[0] + 5, ORIGIN[1] - 20, ORIGIN[0] + 30, ORIGIN[1] - 6), 0.25)
    with SurfaceFile(path, progress=said) as surface:
        assert surface.read(grid) == pytest.approx(expected(grid), abs=0.05)
    assert "feet" in said.said[0]


def test_feet_that_are_not_stated_are_asked_for(tmp_path):
    path = write_raster(tmp_path / "state-plane.tif", ramp(), crs="EPSG:2225")
    with pytest.raises(BadInputError, match="heights' unit is not stated"):
        SurfaceFile(path)


def test_sixteen_bits_and_one_band_are_read_with_a_warning(tmp_path):
    grey = (np.clip(ramp(), 0, 60) * 100).astype(np.uint16)
    said = Warnings()
    with ImageFile(write_raster(tmp_path / "pan.tif", grey), progress=said) as image:
        rgb, valid = image.read(Grid(ORIGIN[0] + 1, ORIGIN[1] - 1, 0.1, 200, 200))
        assert not image.colour
    assert valid.all()
    assert rgb.min() < 40
    assert rgb.max() > 150
    assert any("one band" in line for line in said.said)
    assert any("uint16" in line for line in said.said)


def test_what_is_no_georeferenced_raster_is_named(tmp_path):
    (tmp_path / "text.tif").write_text("not a raster")
    with pytest.raises(BadInputError, match="not a raster"):
        ImageFile(tmp_path / "text.tif")
    with pytest.raises(BadInputError, match="no such file"):
        ImageFile(tmp_path / "absent.tif")
    with pytest.raises(BadInputError, match="no coordinate system"):
        ImageFile(write_raster(tmp_path / "bare.tif", ramp().astype(np.uint8), crs=None))
    with pytest.raises(BadInputError, match="one band, this has 3"):
        SurfaceFile(write_raster(tmp_path / "rgb.tif", np.zeros((20, 20, 3), np.uint8)))
