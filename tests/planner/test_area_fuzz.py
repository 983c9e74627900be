"""Damaged area and mission files end in a clear error or a usable result, never in anything else."""

import random
from pathlib import Path

import pytest

from imagery.core.errors import BadInputError
from planner.area import read_area
from planner.formats import qgc_plan, waypoints
from tests.planner.test_area import written
from tests.planner.test_formats import MISSION

SUFFIXES = (".geojson", ".kml", ".kmz", ".gpkg", ".shp", ".zip", ".wkt")


def damaged(data: bytes, generator: random.Random) -> bytes:
    """The data cut, with bytes changed, or with a stretch repeated or left out."""
    kind, at = generator.randrange(4), generator.randrange(len(data))
    if kind == 0:
        return data[:at]
    if kind == 1:
        changed = bytearray(data)
        for _ in range(generator.randrange(1, 8)):
            changed[generator.randrange(len(data))] = generator.randrange(256)
        return bytes(changed)
    end = min(len(data), at + generator.randrange(1, 60))
    return data[:end] + data[at:] if kind == 2 else data[:at] + data[end:]


def damage_areas(folder: Path, cases: int) -> None:
    generator = random.Random(11)
    for suffix in SUFFIXES:
        path = written(folder, suffix)
        whole = path.read_bytes()
        for _ in range(cases):
            path.write_bytes(damaged(whole, generator))
            try:
                area = read_area(path)
            except BadInputError as error:
                assert "\n" not in str(error)
            else:
                assert area.polygon.is_valid


def damage_missions(folder: Path, cases: int) -> None:
    generator = random.Random(12)
    for module, name in ((qgc_plan, "a.plan"), (waypoints, "a.waypoints")):
        module.write(MISSION, folder / name)
        whole = (folder / name).read_bytes()
        for _ in range(cases):
            (folder / name).write_bytes(damaged(whole, generator))
            try:
                mission = module.read(folder / name)
            except BadInputError as error:
                assert name in str(error)
            else:
                assert abs(mission.home.lat_deg) <= 90


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::UserWarning")
def test_damaged_areas(tmp_path: Path) -> None:
    damage_areas(tmp_path, 60)


def test_damaged_missions(tmp_path: Path) -> None:
    damage_missions(tmp_path, 300)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::UserWarning")
def test_thousands_of_damaged_files(tmp_path: Path) -> None:
    damage_areas(tmp_path, 1500)
    damage_missions(tmp_path, 10_000)
