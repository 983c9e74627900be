"""What a plan shows of itself: the overlap as a GeoTIFF and as a picture, and the profile of each flight."""

import json
from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from PIL import Image

from imagery.core.camera import find_camera
from planner.app.commands.plan import write_plan
from planner.area import Area
from planner.drone import find_drone
from planner.overlap_map import COLOURS
from planner.picture import Window, round_steps
from planner.survey import SurveyPlan, SurveySpec, plan_survey
from tests.planner.elevation_models import write_dem
from tests.planner.nasty import to_degrees

FIELD = shapely.box(0, 0, 500, 350).difference(shapely.box(200, 120, 300, 220))


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> SurveyPlan:
    dem = write_dem(
        tmp_path_factory.mktemp("dem") / "dem.tif", lambda lon, lat: 500 + 4000 * (lon - 36.93), 36.915, 37.595, 0.0001
    )
    spec = SurveySpec(
        Area("field", to_degrees(FIELD)),
        find_camera("dji-mavic-3e"),
        find_drone("dji-mavic-3e"),
        gsd_cm=2.0,
        dem=(dem,),
    )
    return plan_survey(spec)


@pytest.fixture(scope="module")
def folder(plan: SurveyPlan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("plan")
    write_plan(plan, out)
    return out


def test_the_geotiff_lies_where_the_area_is_and_counts_as_the_plan(plan: SurveyPlan, folder: Path) -> None:
    told = json.loads((folder / "summary.json").read_text())
    with rasterio.open(folder / "overlap.tif") as source:
        counts = source.read(1)
        assert source.crs.to_epsg() == 32637
        assert source.nodata == 255
        assert source.res == (told["views"]["cell_m"], told["views"]["cell_m"])
        known = counts != 255
        rows, columns = np.nonzero(known)
        x, y = source.xy(rows, columns)
        lon, lat = pyproj.Transformer.from_crs(source.crs, "EPSG:4326", always_xy=True).transform(x, y)
        inside = shapely.contains_xy(plan.spec.area.polygon, lon, lat)
        assert inside.mean() > 0.97  # but for halves of cells along the edge
        assert known.sum() * 25 == pytest.approx(told["area_m2"], rel=0.02)
        assert 100 * (counts[known] >= 5).mean() == pytest.approx(told["seen5"], abs=0.5)
        assert counts[known].max() == told["views"]["most"]
        table = source.colormap(1)
        assert table[0][:3] == tuple(bytes.fromhex(COLOURS[0][1:]))
        assert table[200][:3] == tuple(bytes.fromhex(COLOURS[-1][1:]))
        assert source.descriptions == ("photos that see the cell",)
        column, row = ~source.transform * pyproj.Transformer.from_crs(
            "EPSG:4326", source.crs, always_xy=True
        ).transform(*plan.frame.to_geographic(*np.array(plan.overlap.fewest()[1:])))
        assert counts[int(row), int(column)] <= told["views"]["least"] + 2


def test_the_picture_shows_area_zone_path_and_legend(folder: Path) -> None:
    with Image.open(folder / "overlap.png") as image:
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
        assert image.width > 1000
    colours = {tuple(bytes.fromhex(colour[1:])): 0 for colour in COLOURS}
    found, counts = np.unique(pixels, axis=0, return_counts=True)
    seen = dict(zip(map(tuple, found.tolist()), counts.tolist(), strict=True))
    assert all(colour in seen for colour in colours)  # at least in the legend
    assert seen[tuple(bytes.fromhex(COLOURS[-1][1:]))] > 50_000


def test_a_profile_for_every_flight_over_known_ground(plan: SurveyPlan, folder: Path) -> None:
    assert [path.name for path in sorted(folder.glob("*-profile.png"))] == [
        f"flight-{flight.number:02d}-profile.png" for flight in plan.flights
    ]
    with Image.open(folder / "flight-01-profile.png") as image:
        assert image.size == (1400, 520)
        assert len(image.getcolors(1 << 20)) > 20


def test_the_same_plan_gives_the_same_files(plan: SurveyPlan, folder: Path, tmp_path: Path) -> None:
    write_plan(plan, tmp_path)
    for name in ("overlap.tif", "overlap.png", "flight-01-profile.png"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_windows_keep_shapes_and_scale_bars_are_round() -> None:
    window = Window.holding((10, 20, 210, 120), (0, 0, 50, 100))
    corners = window.pixels([0, 50], [0, 100])
    assert corners.tolist() == [[85, 120], [135, 20]]
    assert [round_steps(value) for value in (0.7, 1, 3, 49.9, 50, 612)] == [0.5, 1, 2, 20, 50, 500]
