"""Footprints: read from any file, moved onto the imagery, or extracted from a surface."""

import geopandas as gpd
import numpy as np
import pytest
import shapely

from imagery.core.errors import BadInputError, NotEnoughDataError
from imagery.damage.extract import extract_roofs, squared
from imagery.damage.fit import align_footprints
from imagery.damage.raster import ImageFile, SurfaceFile
from imagery.damage.vector import Labels, grade_from_text, match_labels, read_buildings, read_labels
from tests.imagery.damage.hamlet import CRS, build, write_all, write_footprints


def iou(a: shapely.Geometry, b: shapely.Geometry) -> float:
    return a.intersection(b).area / a.union(b).area


def test_jittered_footprints_come_back(tmp_path):
    hamlet = build(seed=1, collapsed=2)
    paths = write_all(hamlet, tmp_path)
    rng = np.random.default_rng(5)
    centres = shapely.get_coordinates(shapely.centroid(hamlet.footprints))
    smooth = np.column_stack([2 + 0.8 * np.sin(centres[:, 1] / 40), -1.5 + 0.8 * np.cos(centres[:, 0] / 40)])
    shift = smooth + rng.normal(0, 0.2, smooth.shape)
    moved = [shapely.affinity.translate(shape, *s) for shape, s in zip(hamlet.footprints, shift, strict=True)]
    with ImageFile(paths["pre"]) as image, SurfaceFile(paths["pre_dsm"]) as surface:
        aligned, found = align_footprints(moved, image, surface)
    assert np.mean([iou(a, b) for a, b in zip(moved, hamlet.footprints, strict=True)]) < 0.6
    assert np.mean([iou(a, b) for a, b in zip(aligned, hamlet.footprints, strict=True)]) > 0.93
    assert found == pytest.approx(-shift, abs=0.4)


def test_footprints_in_place_stay(tmp_path):
    hamlet = build(seed=2, collapsed=0)
    paths = write_all(hamlet, tmp_path)
    with ImageFile(paths["post"]) as image:
        _aligned, found = align_footprints(hamlet.footprints, image)
    assert np.abs(found).max() <= 0.21


def test_a_footprint_with_nothing_to_hold_on_to_stays(tmp_path):
    hamlet = build(seed=3, collapsed=0)
    paths = write_all(hamlet, tmp_path)
    bare = shapely.affinity.translate(hamlet.footprints[0], -5.5, 7.0).intersection(
        shapely.box(500_000, 4_699_994, 500_100, 4_700_000)
    )
    with ImageFile(paths["post"]) as image:
        _aligned, found = align_footprints([shapely.buffer(bare, -1)], image)
    assert np.hypot(*found[0]) <= 6


def test_roofs_are_found_in_a_surface(tmp_path):
    hamlet = build(seed=4, collapsed=0)
    paths = write_all(hamlet, tmp_path)
    with SurfaceFile(paths["dsm"]) as surface, ImageFile(paths["post"]) as image:
        found = extract_roofs(surface, None, image)
    best = [max(iou(shape, other) for other in found.polygons) for shape in hamlet.footprints]
    assert len(found.polygons) == len(hamlet.footprints)
    assert min(best) > 0.85


def test_flat_ground_holds_no_roof(tmp_path):
    hamlet = build(columns=2, rows=2, collapsed=0)
    paths = write_all(hamlet, tmp_path)
    with SurfaceFile(paths["dsm"]) as surface:
        surface.read = lambda grid, interpolated: np.full((grid.height, grid.width), 100, np.float32)
        with pytest.raises(NotEnoughDataError, match="no roof found"):
            extract_roofs(surface, None, None)


@pytest.mark.parametrize("turn", [0, 17, 61])
def test_outlines_are_squared(turn):
    ell = shapely.affinity.rotate(shapely.Polygon([(0, 0), (14, 0), (14, 6), (7, 6), (7, 12), (0, 12)]), turn)
    ragged = shapely.buffer(shapely.segmentize(ell, 0.5), 0.15).difference(
        shapely.affinity.rotate(shapely.box(3, 4, 3.2, 4.2), turn)
    )
    result = squared(ragged)
    corners = np.asarray(result.exterior.coords)[:, :2]
    edges = np.diff(corners, axis=0)
    unit = edges / np.linalg.norm(edges, axis=1, keepdims=True)
    turns = np.abs(np.sum(unit * np.roll(unit, 1, axis=0), axis=1))
    assert np.minimum(turns, 1 - turns).max() < 1e-6  # square or straight on
    assert iou(result, ell) > 0.9


def test_words_of_every_scale_are_grades():
    assert [grade_from_text(word) for word in ("No visible damage", "Possibly damaged", "Damaged", "Destroyed")] == [
        0,
        1,
        2,
        3,
    ]
    assert [grade_from_text(word) for word in ("no-damage", "minor-damage", "major-damage", "destroyed")] == [
        0,
        1,
        2,
        3,
    ]
    assert [grade_from_text(word) for word in ("Not Affected", "Moderately Damaged", "Highly Damaged", 3, "2.0")] == [
        0,
        1,
        2,
        3,
        2,
    ]
    assert grade_from_text("un-classified") is None
    with pytest.raises(BadInputError, match="unknown grade 'wobbly'"):
        grade_from_text("wobbly")


def test_labels_with_unknown_grades_are_named(tmp_path):
    path = write_footprints(tmp_path / "labels.gpkg", build().footprints[:2], damage_gra=["Destroyed", "kaputt"])
    with pytest.raises(BadInputError, match=r"labels.gpkg, field damage_gra: unknown grade 'kaputt'"):
        read_labels(path, CRS)


def test_labels_find_their_buildings():
    shapes = np.array([shapely.box(0, 0, 10, 10), shapely.box(20, 0, 30, 10), shapely.box(40, 0, 50, 10)])
    labels = Labels(
        np.array([shapely.box(2, 2, 12, 12), shapely.Point(31, 5), shapely.Point(36, 5)]), np.array([3, 1, 2])
    )
    assert match_labels(shapes, labels)[:2].tolist() == [3, 1]
    assert np.isnan(match_labels(shapes, labels)[2])


def test_bad_footprints_are_repaired_or_refused(tmp_path):
    bow = shapely.Polygon([(500_000, 4_699_990), (500_010, 4_700_000), (500_010, 4_699_990), (500_000, 4_700_000)])
    said = []
    from imagery.core.progress import Progress

    progress = Progress()
    progress.warn = said.append  # type: ignore[method-assign]
    found = read_buildings(write_footprints(tmp_path / "bow.gpkg", [bow]), CRS, progress)
    assert all(shape.is_valid for shape in found.polygons)
    assert sum(shape.area for shape in found.polygons) == pytest.approx(50, rel=0.01)
    assert "1 footprints with invalid rings" in said[0]
    points = gpd.GeoDataFrame(geometry=[shapely.Point(13, 42)], crs=4326)
    points.to_file(tmp_path / "points.geojson", engine="pyogrio")
    with pytest.raises(NotEnoughDataError, match="no building footprint"):
        read_buildings(tmp_path / "points.geojson", CRS)
    (tmp_path / "broken.geojson").write_text("{")
    with pytest.raises(BadInputError, match="not a vector file"):
        read_buildings(tmp_path / "broken.geojson", CRS)


def test_copernicus_layers_of_2016_are_read(shared_data):
    path = shared_data / "areas/ems190_arquata/settlements_poly_grading.geojson"
    buildings = read_buildings(path, "EPSG:32633")
    labels = read_labels(path, "EPSG:32633")
    assert len(buildings.polygons) == 1300
    assert np.bincount(labels.grades).tolist() == [1054 + 86, 22, 42, 96]
