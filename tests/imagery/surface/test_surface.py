"""The surface against a world that is known exactly."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rio_cogeo.cogeo import cog_validate

from imagery.align.reconstruction import Reconstruction
from imagery.core.errors import BadInputError, NotEnoughDataError
from imagery.surface import SurfaceResult, build_surface
from tests.oracles.height_field import HeightField, Survey, local_grid


@pytest.fixture(scope="module")
def built(survey: Survey, tmp_path_factory: pytest.TempPathFactory) -> SurfaceResult:
    out = tmp_path_factory.mktemp("surface")
    return build_surface(survey.reconstruction, survey.folder, out, gsd_m=survey.gsd_m, quality="high", workers=1)


def errors(
    path: Path, truth: np.ndarray, field: HeightField, reconstruction: Reconstruction, edge_m: float
) -> np.ndarray:
    """Height errors in metres inside the field by `edge_m`, without what is nodata."""
    with rasterio.open(path) as raster:
        heights = raster.read(1, masked=True)
        east, north = local_grid(reconstruction, raster.transform, heights.shape)
    inside = (abs(east) < -field.west - edge_m) & (abs(north) < field.north - edge_m)
    return (heights - field.lookup(truth, east, north, nearest=True))[inside].compressed()


def nmad(values: np.ndarray) -> float:
    return float(1.4826 * np.median(abs(values - np.median(values))))


def test_surface_is_true_to_the_world(built: SurfaceResult, survey: Survey) -> None:
    off = errors(built.dsm_path, survey.field.heights, survey.field, survey.reconstruction, 14)
    assert nmad(off) < 2.4 * survey.gsd_m
    assert abs(np.median(off)) < 1.5 * survey.gsd_m
    assert np.mean(abs(off) > 1) < 0.05  # the cells along walls


def test_nearly_all_that_several_photos_see_is_measured(built: SurfaceResult, survey: Survey) -> None:
    with rasterio.open(built.measured_path) as raster:
        pairs = raster.read(1)
        east, north = local_grid(survey.reconstruction, raster.transform, pairs.shape)
    inside = (abs(east) < -survey.field.west - 14) & (abs(north) < survey.field.north - 14)
    assert np.mean(pairs[inside] > 0) >= 0.97
    assert built.completeness >= 0.93  # the border, which two photos see with their edges, included


def test_terrain_lies_under_the_houses(built: SurfaceResult, survey: Survey) -> None:
    off = errors(built.dtm_path, survey.field.ground, survey.field, survey.reconstruction, 14)
    assert nmad(off) < 0.1
    assert np.mean(abs(off) > 0.5) < 0.02


def test_files_are_cloud_optimised_and_aligned(built: SurfaceResult, survey: Survey) -> None:
    for path in (built.dsm_path, built.dtm_path, built.measured_path):
        valid, faults, warnings = cog_validate(str(path), strict=True)
        assert valid, (faults, warnings)
    with rasterio.open(built.dsm_path) as dsm, rasterio.open(built.dtm_path) as dtm:
        assert (dsm.nodata, dsm.dtypes[0], dsm.crs.to_epsg()) == (-9999, "float32", survey.reconstruction.crs.to_epsg())
        assert dsm.transform == dtm.transform
        assert dsm.res[0] == pytest.approx(2 * survey.gsd_m)
        np.testing.assert_array_equal(dsm.dataset_mask(), dtm.dataset_mask())
        assert "STATISTICS_MEAN" in dsm.tags(1)


def test_filled_cells_make_no_cliffs(built: SurfaceResult) -> None:
    with rasterio.open(built.dsm_path) as dsm, rasterio.open(built.measured_path) as measured:
        heights, count = dsm.read(1, masked=True), measured.read(1)
    filled = (count == 0) & ~heights.mask
    both_filled = filled[:, 1:] & filled[:, :-1]
    steps = abs(np.diff(heights.data, axis=1))[both_filled]
    assert np.percentile(steps, 99) < 1.0  # walls are 3 to 7 m
    assert np.percentile(steps, 90) < 0.1
    assert heights.max() < 125  # the highest roof is at 110


def test_one_worker_or_two_give_the_same(built: SurfaceResult, survey: Survey, tmp_path: Path) -> None:
    again = build_surface(survey.reconstruction, survey.folder, tmp_path, gsd_m=survey.gsd_m, quality="high", workers=2)
    with rasterio.open(built.dsm_path) as first, rasterio.open(again.dsm_path) as second:
        np.testing.assert_array_equal(first.read(1), second.read(1))


def test_preview_uses_ties_only(survey: Survey, tmp_path: Path) -> None:
    result = build_surface(survey.reconstruction, tmp_path, tmp_path / "out", gsd_m=2 * survey.gsd_m, quality="preview")
    assert result.pairs == 0
    off = errors(result.dsm_path, survey.field.ground, survey.field, survey.reconstruction, 14)
    assert abs(np.median(off)) < 0.3


def test_bad_requests(survey: Survey, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="preview, standard, high"):
        build_surface(survey.reconstruction, tmp_path, tmp_path, gsd_m=0.1, quality="best")
    bare = Reconstruction(
        survey.reconstruction.frame,
        survey.reconstruction.crs,
        "EGM96",
        survey.reconstruction.cameras,
        survey.reconstruction.images,
    )
    with pytest.raises(NotEnoughDataError, match="tie points"):
        build_surface(bare, tmp_path, tmp_path, gsd_m=0.1)
