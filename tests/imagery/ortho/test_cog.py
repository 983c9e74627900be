"""The file that is written directly, read back by GDAL."""

from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
from rio_cogeo.cogeo import cog_validate

from imagery.ortho import tiff
from imagery.ortho.cog import CHUNK, CogWriter
from imagery.surface.grid import Grid


def smooth_image(height: int, width: int) -> np.ndarray:
    rows, cols = np.mgrid[:height, :width]
    return np.stack([rows % 256 // 2 + 60, cols % 256 // 2 + 60, (rows + cols) // 40 % 200], -1).astype(np.uint8)


def write(path: Path, scratch: Path, image: np.ndarray, mask: np.ndarray, epsg: int = 32633) -> Grid:
    grid = Grid(pyproj.CRS.from_epsg(epsg), 500_000.0, 4_000_000.0, 0.05, image.shape[1], image.shape[0])
    scratch.mkdir()
    writer = CogWriter(path, grid, scratch)
    for chunk in reversed(list(grid.tiles(CHUNK))):  # any order will do
        writer.write(chunk, image[chunk.slices], mask[chunk.slices])
    writer.close()
    return grid


@pytest.mark.parametrize("shape", [(300, 200), (512, 512), (1025, 700), (4300, 2100)])
@pytest.mark.parametrize("big", [False, True])
def test_reads_back(shape: tuple[int, int], big: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if big:
        monkeypatch.setattr(tiff, "LARGEST_CLASSIC", 0)
    image = smooth_image(*shape)
    mask = np.ones(shape, bool)
    mask[: shape[0] // 3, : shape[1] // 2] = False
    grid = write(tmp_path / "out.tif", tmp_path / "scratch", image, mask)
    assert (tmp_path / "out.tif").read_bytes()[2] == (43 if big else 42)
    valid, faults, warnings = cog_validate(str(tmp_path / "out.tif"), strict=True)
    assert valid, (faults, warnings)
    with rasterio.open(tmp_path / "out.tif") as raster:
        assert raster.transform == grid.transform
        assert raster.crs.to_epsg() == 32633
        np.testing.assert_array_equal(raster.dataset_mask() > 0, mask)
        off = np.abs(np.moveaxis(raster.read(), 0, 2).astype(int) - image)[mask]
        assert np.percentile(off, 95) < 12
        for number, factor in enumerate(raster.overviews(1)):
            with rasterio.open(tmp_path / "out.tif", overview_level=number) as small:
                assert small.shape == (-(-shape[0] // factor), -(-shape[1] // factor))
                assert (small.dataset_mask() > 0).mean() == pytest.approx(mask.mean(), abs=0.02)


def test_empty_parts_cost_nothing(tmp_path: Path) -> None:
    shape = (1500, 5000)
    mask = np.zeros(shape, bool)
    mask[:200, :200] = True
    write(tmp_path / "out.tif", tmp_path / "scratch", smooth_image(*shape), mask)
    assert (tmp_path / "out.tif").stat().st_size < 400_000
    with rasterio.open(tmp_path / "out.tif") as raster:
        assert raster.dataset_mask()[:200, :200].all()
        assert (raster.dataset_mask() > 0).sum() == 200 * 200
