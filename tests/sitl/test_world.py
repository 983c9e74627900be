"""Worlds: the same for the same seed, consistent between rasters and vectors, and ready for what is done with them."""

import json
import tracemalloc

import numpy as np
import pytest
import rasterio
import shapely
from rasterio.features import geometry_mask

from imagery.core.errors import BadInputError
from sitl.world import DISASTERS, PROFILES, Region, World
from sitl.world.draw import draw
from sitl.world.settlement import lay_out

pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")  # rasterio on affine 3.1

SMALL = {"size_m": (320.0, 280.0), "cell_m": 0.3, "margin_m": 40.0}


@pytest.fixture(scope="module")
def world() -> World:
    return World.generate(7, **SMALL)


def _inside(world: World, shape: shapely.Geometry) -> np.ndarray:
    return geometry_mask([shape], world.dsm.shape, world.transform, invert=True)


def test_the_same_seed_makes_the_same_world(world: World) -> None:
    again = World.generate(7, **SMALL)
    for name in ("ortho", "dsm", "dtm", "pre_ortho", "pre_dsm", "labels"):
        assert np.array_equal(getattr(world, name), getattr(again, name))
    assert world.buildings.equals(again.buildings)
    other = lay_out(8, "village", SMALL["size_m"], SMALL["margin_m"], "none")
    assert [house.x for house in other.houses] != [
        house.x for house in lay_out(7, "village", SMALL["size_m"], 40, "none").houses
    ]


def test_the_damaged_share_and_the_grades_are_as_asked(world: World) -> None:
    grades = world.buildings["grade"]
    assert len(grades) >= 25
    assert (grades > 0).mean() == pytest.approx(0.34, abs=0.02)
    assert min((grades == grade).mean() for grade in (1, 2, 3)) >= 0.08
    assert (World.generate(7, severity=0.0, **SMALL).buildings["grade"] == 0).all()


@pytest.mark.parametrize("disaster", DISASTERS)
def test_grades_mean_what_the_damage_scale_says(disaster: str) -> None:
    b = World.generate(11, disaster=disaster, severity=0.6, **SMALL).buildings
    whole, minor, major, gone = (b[b["grade"] == grade] for grade in range(4))
    assert (whole["roof_damage_frac"] == 0).all()
    assert (abs(whole["dz_m"]) < 0.05).all()
    assert (
        minor["roof_damage_frac"].between(0.0 if disaster == "flood" else 0.01, 0.35).all()
    )  # water all around is grade 1
    assert major["roof_damage_frac"].between(0.15, 0.85).all()
    assert (gone["roof_damage_frac"] > 0.9).all()
    assert (gone["dz_m"] < -1).all()
    assert (gone["height_m"] < gone["pre_height_m"]).all()


def test_a_landslide_moves_earth_downhill_over_the_houses_that_it_hits() -> None:
    world = World.generate(11, "mountain", disaster="landslide", severity=0.3, **SMALL)
    after, before = world.dtm, World.generate(11, "mountain", disaster="none", **SMALL).dtm
    change = after - before
    scar, lobe = change < -0.8, change > 0.6
    assert scar.sum() > 200 and lobe.sum() > 200
    assert before[scar].mean() > before[lobe].mean() + 3  # metres lower down
    assert abs(change[abs(change) < 0.01]).size > 0.6 * change.size  # the rest of the ground stays
    hit = world.buildings[world.buildings["grade"] > 0]
    whole = world.buildings[world.buildings["grade"] == 0]
    earth = shapely.union_all([shapely.box(*row.geometry.bounds) for row in hit.itertuples()]).buffer(25)
    assert len(hit) >= 5 and all(abs(change[_inside(world, row.geometry)]).max() < 0.3 for row in whole.itertuples())
    assert earth.area < 0.5 * world.dsm.size * world.cell_m**2  # in one place, not all over the settlement


def test_attributes_are_what_the_rasters_show(world: World) -> None:
    """An independent zonal reading of the rasters meets every attribute, and houses stand on their footprints only."""
    above, before = world.dsm - world.dtm, world.pre_dsm - world.dtm
    for row in world.buildings.itertuples():
        inside = _inside(world, row.geometry)
        assert np.quantile(above[inside], 0.9) == pytest.approx(row.height_m, abs=0.02)
        assert np.quantile(before[inside], 0.9) == pytest.approx(row.pre_height_m, abs=0.02)
        assert np.median((world.dsm - world.pre_dsm)[inside]) == pytest.approx(row.dz_m, abs=0.02)
        core = _inside(world, row.geometry.buffer(-0.6))
        assert np.median(before[core]) >= row.eaves_m - 1.2
        assert row.eaves_m == pytest.approx(2.8 * row.floors, abs=0.5)


def test_footprints_do_not_touch_each_other_nor_roads_nor_water(world: World) -> None:
    shapes = list(world.buildings.geometry)
    tree = shapely.STRtree(shapes)
    first, second = tree.query(shapes, predicate="intersects")
    assert (first == second).all()
    roads = shapely.union_all([row.geometry.buffer(row.width_m / 2) for row in world.layers["roads"].itertuples()])
    water = shapely.union_all(list(world.layers["water"].geometry))
    assert not any(shape.intersects(roads) or shape.intersects(water) for shape in shapes)


@pytest.mark.parametrize("seed", range(6))
def test_there_is_open_ground_for_a_camp(seed: int) -> None:
    """At least a hectare, free, and sloping 1 to 5 per cent, inside the area that is surveyed."""
    plan = lay_out(seed, "village", (450, 380), 50, "none")
    polygon = next(item.polygon for item in plan.fields if item.kind == "open")
    assert polygon.area >= 10_000
    assert shapely.box(*plan.bounds).buffer(-50, join_style="mitre").contains(polygon)
    rng = np.random.default_rng(seed)
    points = rng.uniform(polygon.bounds[:2], polygon.bounds[2:], (400, 2))
    x, y = points[shapely.contains_xy(polygon.buffer(-4), points)].T
    rise = [plan.terrain.at(x + dx, y + dy) - plan.terrain.at(x - dx, y - dy) for dx, dy in ((2, 0), (0, 2))]
    slope = np.hypot(*rise) / 4
    assert 0.01 < np.median(slope) < 0.05
    assert np.quantile(slope, 0.95) < 0.06
    standing = [house.polygon for house in plan.houses] + [tree.point.buffer(tree.radius_m) for tree in plan.trees]
    assert not any(shape.intersects(polygon.buffer(-1.5)) for shape in standing)


@pytest.mark.parametrize("profile", PROFILES)
def test_the_stream_falls_all_the_way_and_is_the_lowest_ground_around(profile: str) -> None:
    plan = lay_out(5, profile, (400, 340), 50, "none")
    stream = plan.streams[0]
    inside = stream.line.intersection(shapely.box(*plan.bounds))
    line = max(shapely.get_parts(inside), key=lambda part: part.length)
    along = np.arange(0, line.length, 2.0)
    points = shapely.get_coordinates(line.interpolate(along))
    heights = plan.terrain.at(points[:, 0], points[:, 1])
    assert (np.diff(heights) < 0.02).all()
    for side in (-30 - stream.width_m, 30 + stream.width_m):
        beside = shapely.get_coordinates(
            line.offset_curve(side).interpolate(np.linspace(0.1, 0.9, 30), normalized=True)
        )
        nearest = [line.project(shapely.Point(p)) for p in beside]
        bed = shapely.get_coordinates([line.interpolate(d) for d in nearest])
        assert (plan.terrain.at(*beside.T) > plan.terrain.at(*bed.T)).mean() > 0.95


def test_home_is_on_the_ground_and_inside_the_area(world: World) -> None:
    east, north = world.frame.to_local(world.home.lon_deg, world.home.lat_deg)
    assert float(world.height_at(east, north, "dtm")) == pytest.approx(world.home.height_amsl_m, abs=0.05)
    assert world.area.contains(shapely.Point(world.home.lon_deg, world.home.lat_deg))
    ring = np.asarray(world.area.exterior.coords)
    col, row = world.grid_from_local @ np.vstack([*world.frame.to_local(*ring.T), np.ones(len(ring))])
    margin = 0.9 * SMALL["margin_m"] / world.cell_m
    assert min(col.min(), row.min()) > margin
    assert col.max() < world.dsm.shape[1] - margin
    assert row.max() < world.dsm.shape[0] - margin


def test_windows_fit_together() -> None:
    """A window drawn alone is the same as that part of a larger one, so that worlds can be drawn piece by piece."""
    plan = lay_out(2, "village", (200, 200), 40, "none")
    whole = draw(plan, -100, 100, 0.2, (1000, 1000)).after
    part = draw(plan, -20, 40, 0.2, (300, 350)).after
    cut = (slice(300, 600), slice(400, 750))
    assert np.allclose(whole.dsm[cut], part.dsm, atol=2e-3)
    assert np.array_equal(whole.labels[cut], part.labels)
    assert (abs(whole.ortho[cut].astype(int) - part.ortho) > 6).mean() < 0.01


def test_a_world_survives_being_saved(world: World, tmp_path) -> None:
    world.save(tmp_path / "w")
    about = json.loads((tmp_path / "w" / "world.json").read_text())
    assert about["info"]["seed"] == 7
    with rasterio.open(tmp_path / "w/truth/ortho.tif") as ortho, rasterio.open(tmp_path / "w/truth/pre_dsm.tif") as dsm:
        assert ortho.crs.to_epsg() == world.crs.to_epsg() == 32633
        assert ortho.transform == dsm.transform
        assert dsm.nodata == -9999
    back = World.load(tmp_path / "w")
    assert np.allclose(back.dsm, world.dsm, atol=2e-3)
    assert np.array_equal(back.labels, world.labels)
    assert abs(back.ortho.astype(int) - world.ortho).mean() < 4
    assert np.allclose(back.grid_from_local, world.grid_from_local)
    assert list(back.buildings["grade"]) == list(world.buildings["grade"])
    assert back.home == world.home
    assert back.sun == world.sun
    assert back.area.equals_exact(world.area, 1e-9)


def test_an_orthophoto_and_a_surface_make_a_world(world: World, tmp_path) -> None:
    world.save(tmp_path / "w")
    real = World.from_geotiffs(
        tmp_path / "w/truth/ortho.tif", tmp_path / "w/truth/dsm.tif", tmp_path / "w/truth/dtm.tif"
    )
    east, north = np.array([-60.0, 0.0, 55.0]), np.array([20.0, -30.0, 40.0])
    lon, lat = world.frame.to_geographic(east, north)
    assert np.allclose(
        real.height_at(*real.frame.to_local(lon, lat), "dtm"), world.height_at(east, north, "dtm"), atol=0.05
    )


def test_bad_requests_are_explained(tmp_path) -> None:
    with pytest.raises(BadInputError, match="unknown profile 'vilage'"):
        World.generate(1, "vilage")
    with pytest.raises(BadInputError, match="unknown disaster"):
        World.generate(1, disaster="tsunami", **SMALL)
    with pytest.raises(BadInputError, match="no room for a margin"):
        World.generate(1, size_m=(100, 100))
    with pytest.raises(BadInputError, match="not a complete world"):
        World.load(tmp_path)
    with pytest.raises(BadInputError, match="not readable"):
        World.from_geotiffs(tmp_path / "no.tif", tmp_path / "no.tif")


def _region(size_m: tuple[float, float]) -> Region:
    return Region.laid_out(
        7, "village", 13.09, 42.79, size_m=size_m, margin_m=40, disaster="earthquake", severity=0.34, home_amsl_m=230
    )


def test_a_window_of_a_region_is_that_part_of_its_world(world: World) -> None:
    rows, cols = world.dsm.shape
    part = _region((cols * 0.3, rows * 0.3)).world((-60.0, -30.0, 90.0, 75.0), cell_m=0.3)
    r, c = round((world.transform.f - part.transform.f) / 0.3), round((part.transform.c - world.transform.c) / 0.3)
    cut = (slice(r, r + part.dsm.shape[0]), slice(c, c + part.dsm.shape[1]))
    assert (abs(part.dsm - world.dsm[cut]) > 2e-3).mean() < 1e-3  # where a cover's ragged edge rounds the other way
    assert (abs(part.ortho.astype(int) - world.ortho[cut]) > 6).mean() < 0.01
    here = world.buildings.set_index("id")
    assert 3 <= len(part.buildings) < len(here)
    for row in part.buildings.itertuples():
        assert row.geometry.equals_exact(here.loc[row.id, "geometry"], 1e-6)
        assert row.grade == here.loc[row.id, "grade"]


@pytest.mark.long
def test_a_large_region_at_5_cm_needs_the_memory_of_a_window() -> None:
    region = _region((1500.0, 1500.0))
    tracemalloc.start()
    for west in (-700.0, 0.0, 500.0):
        piece = region.world((west, -50.0, west + 75, 25.0), cell_m=0.05)
        assert piece.dsm.shape == (1500, 1500)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.2e9
