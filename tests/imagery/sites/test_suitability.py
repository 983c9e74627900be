"""The hard mask: slope in percent, one reason for each cell, and distances that hold between any two points."""

import geopandas as gpd
import numpy as np
import pyproj
import pytest
import shapely

from imagery.sites import load_standards
from imagery.sites.grid import Grid
from imagery.sites.suitability import Ground, Layers, Reason, assess, within, within_heights
from imagery.sites.terrain import bare_ground, drainage, slope_and_roughness

CRS = pyproj.CRS.from_epsg(32633)


def plane(slope_pct: float, size: int = 120) -> np.ndarray:
    y, x = np.mgrid[0:size, 0:size]
    return (50 + slope_pct / 100 * (0.8 * x - 0.6 * y)).astype(np.float32)


@pytest.mark.parametrize("slope_pct", [0.0, 2.0, 5.0, 10.0, 45.0, 100.0])
def test_slope_is_in_percent_right_up_to_the_border(slope_pct: float) -> None:
    slope, rough, east, north = slope_and_roughness(plane(slope_pct), 1.0, 9.0)
    assert slope == pytest.approx(np.full_like(slope, slope_pct), abs=0.01)
    assert rough.max() < 0.01
    assert east.mean() == pytest.approx(0.8 * slope_pct / 100, abs=1e-4)
    assert north.mean() == pytest.approx(0.6 * slope_pct / 100, abs=1e-4)


def test_bare_ground_is_found_under_houses_and_trees() -> None:
    ground = plane(4.0)
    surface = ground.copy()
    surface[20:32, 20:40] += 5
    surface[60:64, 70:75] += 9
    found = bare_ground(surface, 1.0)
    assert abs(found - ground).max() < 0.35


def test_distances_hold_between_any_points_of_the_cells() -> None:
    random = np.random.default_rng(0)
    mask = random.random((60, 60)) < 0.01
    near = within(mask, 7.0, 1.0)
    rows, columns = np.nonzero(mask)
    squares = shapely.union_all(shapely.box(columns, rows, columns + 1, rows + 1))
    for row, column in zip(*np.nonzero(~near), strict=True):
        assert shapely.box(column, row, column + 1, row + 1).distance(squares) >= 7.0 - 1e-9


def test_taller_objects_are_kept_further_away() -> None:
    mask = np.zeros((80, 120), bool)
    mask[40, 20], mask[40, 90] = True, True
    height = np.where(mask, 4.0, 0).astype(np.float32)
    height[40, 90] = 20.0
    near = within_heights(mask, height, 1.5, 10.0, 1.0)
    assert near[40, 30] and not near[40, 33]
    assert near[40, 61] and not near[40, 57]


def ground_of(surface: np.ndarray, bare: np.ndarray, rgb: np.ndarray | None = None) -> Ground:
    grid = Grid(CRS, 500_000.0, 4_000_000.0, 1.0, *surface.shape)
    return Ground(grid, surface.astype(np.float32), bare.astype(np.float32), rgb, True)


def test_each_cell_has_one_reason_and_the_first_that_holds() -> None:
    bare = plane(3.0, 200)
    surface = bare.copy()
    surface[10:20, 10:20] += 4
    surface[0:5] = np.nan
    rgb = np.full((3, 200, 200), 0.5, np.float32)
    surface[150:155, 20:25] += 8
    rgb[:, 150:155, 20:25] = np.array([0.2, 0.5, 0.1])[:, None, None]
    pond = gpd.GeoDataFrame(geometry=[shapely.box(500_100, 3_999_840, 500_110, 3_999_850)], crs=CRS)
    found = assess(ground_of(surface, bare, rgb), Layers(water=pond), load_standards())
    assert found.reason[2, 50] == Reason.NO_DATA
    assert found.reason[15, 15] == Reason.BUILDING
    assert found.reason[15, 28] == Reason.DEBRIS_ZONE
    assert found.reason[152, 22] == Reason.TREES
    assert found.reason[152, 30] == Reason.TREE_FALL
    assert found.reason[155, 105] == Reason.WATER
    assert found.reason[120, 105] == Reason.WATER_BUFFER
    assert found.reason[60, 60] == Reason.USABLE
    assert found.known == {"roads": "unknown", "water": "given", "damage": "unknown"}
    assert int(np.bincount(found.reason.ravel()).sum()) == found.reason.size


def test_a_drain_excludes_low_ground_beside_it_and_flat_land_has_none() -> None:
    y, x = np.mgrid[0:400, 0:400].astype(float)
    valley = 20 + 0.02 * y + np.minimum(0.05 * abs(x - 200), 4)
    drains = drainage(valley.astype(np.float32), 1.0, 30_000, 0.3)
    assert drains.distance_m[10, 200] < 8
    assert drains.hand_m[100, 210] < 1 < drains.hand_m[100, 300]
    flat = 20 + 0.01 * y + np.random.default_rng(1).normal(0, 0.03, y.shape)
    assert np.isinf(drainage(flat.astype(np.float32), 1.0, 30_000, 0.5).hand_m).all()
