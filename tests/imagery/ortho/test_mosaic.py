"""The mosaic against a world that is known exactly."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import rasterio
from rio_cogeo.cogeo import cog_validate
from shapely import LineString, Point, Polygon
from shapely.geometry import shape

from imagery.core.errors import BadInputError
from imagery.ortho import MosaicResult, build_mosaic
from imagery.ortho.seam_map import seam_lines
from imagery.surface import build_surface
from tests.oracles.height_field import Survey, local_grid


@pytest.fixture(scope="module")
def surface(survey: Survey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("mosaic")
    build_surface(survey.reconstruction, survey.folder, out, gsd_m=survey.gsd_m, workers=1)
    return out


@pytest.fixture(scope="module")
def built(survey: Survey, surface: Path) -> MosaicResult:
    return build_mosaic(
        survey.reconstruction,
        survey.folder,
        surface / "dsm.tif",
        surface / "ortho.tif",
        gsd_m=survey.gsd_m,
        workers=1,
    )


@pytest.fixture(scope="module")
def compared(built: MosaicResult, survey: Survey) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mosaic, the truth on its grid, and where the mosaic shows the field well inside."""
    with rasterio.open(built.ortho_path) as raster:
        shown = np.moveaxis(raster.read(), 0, 2)
        east, north = local_grid(survey.reconstruction, raster.transform, shown.shape[:2])
        valid = raster.dataset_mask() > 0
    inside = valid & (abs(east) < -survey.field.west - 14) & (abs(north) < survey.field.north - 14)
    return shown, survey.field.lookup(survey.field.colours, east, north), inside


def shifts(shown: np.ndarray, truth: np.ndarray, inside: np.ndarray, side: int = 64) -> np.ndarray:
    """Displacement in pixels of square pieces of the mosaic against the truth, by phase correlation."""
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) for image in (shown, truth)]
    window = cv2.createHanningWindow((side, side), cv2.CV_32F)
    found = []
    for row in range(0, shown.shape[0] - side, side):
        for col in range(0, shown.shape[1] - side, side):
            piece = slice(row, row + side), slice(col, col + side)
            if inside[piece].all():
                shift, response = cv2.phaseCorrelate(grey[0][piece], grey[1][piece], window)
                if response > 0.2:
                    found.append(shift)
    return np.array(found)


def test_mosaic_lies_where_the_world_is(compared: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    off = shifts(*compared)
    assert len(off) > 50
    assert np.sqrt((off**2).sum(axis=1).mean()) < 0.8
    assert np.median(np.hypot(*off.T)) < 0.4


def test_roofs_are_upright_and_nothing_is_doubled(compared: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    shown, truth, inside = compared
    soft = [cv2.blur(image, (9, 9)).astype(int) for image in (shown, truth)]
    off = np.abs(soft[0] - soft[1]).max(axis=2)[inside]
    assert np.mean(off > 45) < 0.02  # what is left are pixels along walls


def test_brightness_is_even_and_not_dark(
    compared: tuple[np.ndarray, np.ndarray, np.ndarray], built: MosaicResult
) -> None:
    shown, truth, inside = compared
    assert abs(shown[inside].mean() / truth[inside].mean() - 1) < 0.08
    ratio = cv2.blur(shown, (151, 151)).astype(float) / cv2.blur(truth, (151, 151))
    assert ratio[inside].std() < 0.03  # single photos differ by a tenth
    assert built.gain_range[0] < 0.97 < 1.03 < built.gain_range[1]


def test_file_is_a_cloud_optimised_jpeg_with_a_mask(built: MosaicResult, survey: Survey) -> None:
    valid, faults, warnings = cog_validate(str(built.ortho_path), strict=True)
    assert valid, (faults, warnings)
    with rasterio.open(built.ortho_path) as raster:
        assert raster.count == 3
        assert raster.profile["compress"] == "jpeg"
        assert raster.profile["photometric"] == "ycbcr"
        assert raster.crs == rasterio.crs.CRS.from_wkt(survey.reconstruction.crs.to_wkt())
        assert raster.res[0] == pytest.approx(survey.gsd_m)
        assert raster.transform.e < 0 < raster.transform.a
        assert [flags[0].name for flags in raster.mask_flag_enums] == ["per_dataset"] * 3
        assert 2 in raster.overviews(1)
        statistics = raster.tags(1)
        assert float(statistics["STATISTICS_MEAN"]) == pytest.approx(
            raster.read(1)[raster.dataset_mask() > 0].mean(), abs=1
        )


def test_nothing_else_is_left_behind(built: MosaicResult) -> None:
    names = {path.name for path in built.ortho_path.parent.iterdir()}
    assert names == {"dsm.tif", "dtm.tif", "measured.tif", "ortho.tif", "footprints.geojson", "seams.geojson"}


def test_footprints_hold_what_the_photos_saw(built: MosaicResult, survey: Survey) -> None:
    features = json.loads(built.footprints_path.read_text())["features"]
    assert [feature["properties"]["file"] for feature in features] == list(survey.reconstruction.images)
    outline = Polygon(features[0]["geometry"]["coordinates"][0])
    assert outline.is_valid
    assert outline.exterior.is_ccw
    pose = next(iter(survey.reconstruction.images.values()))
    lon, lat = survey.reconstruction.frame.to_geographic(pose.position[0], pose.position[1])
    assert outline.contains(Point(float(lon), float(lat)))


def test_seams_lie_where_the_photos_of_both_sides_see(built: MosaicResult, survey: Survey) -> None:
    def features(name: str) -> list[dict]:
        return json.loads((built.ortho_path.with_name(name)).read_text())["features"]

    outlines = {
        item["properties"]["file"]: shape(item["geometry"]).buffer(1.5e-5) for item in features("footprints.geojson")
    }
    seams = features("seams.geojson")
    assert len(seams) >= 4
    for seam in seams:
        line = shape(seam["geometry"])
        for name in seam["properties"]["photos"]:
            assert line.intersection(outlines[name]).length > 0.95 * line.length


def test_seam_lines_are_the_borders_between_photos() -> None:
    labels = np.array([[0, 0, 1], [0, 2, 1], [-1, 2, 1]], np.int16)
    lines = seam_lines(labels)
    assert {pair: line.length for pair, line in lines.items()} == {(0, 1): 1, (0, 2): 2, (1, 2): 2}
    assert lines[0, 2].equals(LineString([(1, 2), (1, 1), (2, 1)]))


def test_surface_that_does_not_fit_is_refused(survey: Survey, surface: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="pixels of"):
        build_mosaic(
            survey.reconstruction, survey.folder, surface / "dsm.tif", tmp_path / "o.tif", gsd_m=survey.gsd_m * 1.5
        )
    with pytest.raises(BadInputError, match=r"nothing\.tif"):
        build_mosaic(
            survey.reconstruction, survey.folder, tmp_path / "nothing.tif", tmp_path / "o.tif", gsd_m=survey.gsd_m
        )
    assert list(tmp_path.iterdir()) == []
