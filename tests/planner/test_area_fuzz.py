"""Damaged and hostile files end in a clear error or a usable result, and in nothing else: no library's warning either."""

import json
import random
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import shapely

from imagery.core.camera import find_camera
from imagery.core.errors import BadInputError
from planner.app.commands.plan import write_plan
from planner.area import Area, read_area, read_corridor, read_zones
from planner.drone import find_drone
from planner.formats import geopackage, gpx, kml, litchi, plan_geojson, qgc_plan, waypoints, wpml
from planner.survey import SurveySpec, plan_survey
from tests.planner.test_area import OUTLINE, written
from tests.planner.test_formats import MISSION

AREA_SUFFIXES = (".geojson", ".kml", ".kmz", ".gpkg", ".shp", ".zip", ".wkt")
FORMATS = ("plan", "waypoints", "wpml", "litchi", "kml", "gpx", "gpkg")
READERS: dict[str, Callable[[Path], Any]] = {
    "flight-01.plan": qgc_plan.read,
    "flight-01.waypoints": waypoints.read,
    "flight-01.kml": kml.read,
    "flight-01.gpx": gpx.read,
    "flight-01.kmz": wpml.read,
    "flight-01-litchi.csv": litchi.read,
    "plan.gpkg": geopackage.read,
    "plan.geojson": plan_geojson.read,
    "summary.json": lambda path: plan_geojson.read(path.parent),
}
STRANGE = (
    None,
    [],
    {},
    "",
    "x",
    -1,
    0,
    1e308,
    -1e308,
    10**40,
    True,
    [[]],
    [None],
    [[["a"]]],
    {"type": "Polygon"},
    "9" * 400,
)


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Every kind of file that is read, by name, undamaged."""
    folder = tmp_path_factory.mktemp("seeds")
    area = Area("small", shapely.box(36.93, 37.58, 36.9315, 37.5815))
    spec = SurveySpec(area, find_camera("dji-mavic-3e"), find_drone("dji-mavic-3e"), gsd_cm=3.0)
    write_plan(plan_survey(spec), folder, FORMATS)
    found = {name: (folder / name).read_bytes() for name in READERS}
    for suffix in AREA_SUFFIXES:
        found[f"area{suffix}"] = written(folder, suffix).read_bytes()
    qgc_plan.write(MISSION, folder / "fence.plan")
    found["fence.plan"] = (folder / "fence.plan").read_bytes()
    found["corners.csv"] = "\n".join(["lat,lon", *(f"{y},{x}" for x, y in OUTLINE)]).encode()
    found["corners.poly"] = "\n".join(f"{y} {x}" for x, y in OUTLINE).encode()
    found["osm.poly"] = (
        "name\n1\n" + "\n".join(f" {x:E} {y:E}" for x, y in OUTLINE) + "\nEND\n!2\nEND\nEND\n"
    ).encode()
    return found


def damaged(data: bytes, generator: random.Random) -> bytes:
    """The data cut, with bits or bytes changed, with a stretch repeated, left out, or put in from elsewhere."""
    kind, at = generator.randrange(6), generator.randrange(len(data))
    end = min(len(data), at + generator.randrange(1, 200))
    match kind:
        case 0:
            return data[:at]
        case 1 | 2:
            changed = bytearray(data)
            for _ in range(generator.randrange(1, 20)):
                place = generator.randrange(len(data))
                changed[place] = generator.randrange(256) if kind == 1 else changed[place] ^ 1 << generator.randrange(8)
            return bytes(changed)
        case 3:
            return data[:end] + data[at:]
        case 4:
            return data[:at] + data[end:]
        case _:
            word = generator.choice(
                [b"NaN", b"1e999", b"-", b"\x00", b"\xff\xfe", b"99999999999", b"]]]]", b"</", b'"', b"\n"]
            )
            return data[:at] + word + data[end if generator.random() < 0.5 else at :]


def strange_values(data: bytes, generator: random.Random, cases: int) -> Iterator[bytes]:
    """A JSON file with one of its values, anywhere, replaced by one that does not belong there, or left out."""
    for _ in range(cases):
        document = json.loads(data)
        holder, key = document, generator.choice(list(document))
        while isinstance(holder[key], dict | list) and holder[key] and generator.random() < 0.85:
            holder = holder[key]
            key = generator.choice(list(holder)) if isinstance(holder, dict) else generator.randrange(len(holder))
        if generator.random() < 0.2:
            del holder[key]
        else:
            holder[key] = generator.choice(STRANGE)
        yield json.dumps(document).encode()


def read_all(path: Path) -> None:
    """Read a file in every way in which a command may."""
    ways: list[Callable[[Path], Any]] = [read_area, read_zones, lambda p: read_corridor(p, 20.0)]
    if path.name in READERS:
        ways.append(READERS[path.name])
    for way in ways:
        try:
            found = way(path)
        except BadInputError as error:
            assert "\n" not in str(error)
            assert str(path.parent) in str(error) or "home" in str(error)
            assert "Traceback" not in str(error)
        else:
            if isinstance(found, Area):
                assert found.polygon.is_valid
                assert found.polygon.area > 0


def fuzz(seeds: dict[str, bytes], folder: Path, cases: int, seed: int = 11) -> int:
    """Read every seed damaged in so many ways; returns how many files that were."""
    generator, count = random.Random(seed), 0
    for name, whole in seeds.items():
        for other in ("plan.geojson", "summary.json"):
            (folder / other).write_bytes(seeds[other])
        contents = [damaged(whole, generator) for _ in range(cases)]
        if name.endswith((".plan", "json")):
            contents += strange_values(whole, generator, cases)
        for content in contents:
            (folder / name).write_bytes(content)
            read_all(folder / name)
            count += 1
    return count


def test_damaged_files(seeds: dict[str, bytes], tmp_path: Path) -> None:
    assert fuzz(seeds, tmp_path, 12) > 250


@pytest.mark.long
def test_thousands_of_damaged_files(seeds: dict[str, bytes], tmp_path: Path) -> None:
    count = fuzz(seeds, tmp_path, 450, seed=12)
    print(f"{count} damaged files: nothing worse than a clear error")
    assert count > 10_000


def hostile() -> dict[str, bytes]:
    """Files made to do harm, by name."""
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    head = b'<?xml version="1.0"?>'
    deep = b"<a>" * 50_000 + b"</a>" * 50_000
    placemarks = b"<kml>" + b"<Placemark>" * 3_000 + b"</Placemark>" * 3_000 + b"</kml>"
    return {
        "laughs.kml": head + f'<!DOCTYPE k [<!ENTITY e0 "ha">{entities}]><kml>&e9;</kml>'.encode(),
        "outside.kml": head + b'<!DOCTYPE k [<!ENTITY x SYSTEM "file:///etc/passwd">]><kml>&x;</kml>',
        "laughs.gpx": head + f'<!DOCTYPE k [<!ENTITY e0 "ha">{entities}]><gpx>&e9;</gpx>'.encode(),
        "deep.kml": deep,
        "nested.kml": placemarks,
        "utf16.kml": '<?xml version="1.0" encoding="utf-16"?><kml/>'.encode("utf-16"),
        "codec.kml": b'<?xml version="1.0" encoding="no-such"?><kml/>',
        "deep.geojson": b'{"type":"GeometryCollection","geometries":[' * 5_000,
        "collections.geojson": b'{"type":"GeometryCollection","geometries":[' * 300 + b"]}" * 300,
        "deep.plan": b'{"fileType":"Plan","version":1,"mission":' + b"[" * 100_000,
        "deep.wkt": b"GEOMETRYCOLLECTION (" * 5_000,
        "nul.wkt": b"POLYGON\x00((1 2))",
        "digits.geojson": b'{"type":"Point","coordinates":[' + b"1" * 10_000 + b",2]}",
        "infinite.plan": b'{"fileType":"Plan","version":1,"mission":{"version":2,"items":[],"plannedHomePosition":[1e999,0,0]}}',
        "circle.plan": b'{"fileType":"Plan","version":1,"mission":{"version":2,"items":[],"plannedHomePosition":[1,2,0]},'
        b'"geoFence":{"circles":[{"circle":{"center":[1,2],"radius":1e999},"inclusion":true}]}}',
        "field.csv": b"lat,lon\n" + b"1" * 200_000 + b",2\n3,4\n5,6",
        "quote.csv": b'lat,lon\n"1,2\n3,4\n5,6',
        "nul.csv": b"lat,lon\n1,2\n\x00,4\n5,6",
        "huge.waypoints": b"QGC WPL 110\n" + b"0\t1\t0\t16\t0\t0\t0\t0\t1e30\t1e300\t1e308\t1\n" * 4,
        "many.waypoints": b"QGC WPL 110\n" + b"0\t1\t0\t16\t0\t0\t0\t0\t1\t2\t3\t1\n" * 30_000,
        "empty.zip": b"PK\x05\x06" + b"\x00" * 18,
        "picture.geojson": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
    }


@pytest.mark.parametrize("name", list(hostile()))
def test_hostile_files(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(hostile()[name])
    with pytest.raises(BadInputError, match=name) as caught:
        read_area(path)
    assert "\n" not in str(caught.value)
    reader = {
        ".plan": qgc_plan.read,
        ".waypoints": waypoints.read,
        ".kml": kml.read,
        ".gpx": gpx.read,
        ".csv": litchi.read,
    }
    if path.suffix in reader:
        with pytest.raises(BadInputError, match=name):
            reader[path.suffix](path)


def test_an_archive_that_lies_of_its_size(tmp_path: Path) -> None:
    """A member of 500 MB that says it is small: reading stops at the limit."""
    path = tmp_path / "liar.kmz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("doc.kml", b"<kml>" + b" " * 5_000_000)
    data = path.read_bytes()
    path.write_bytes(data.replace((5_000_005).to_bytes(4, "little"), (100).to_bytes(4, "little")))
    with pytest.raises(BadInputError, match=r"zip archive|not readable KML"):
        read_area(path)
