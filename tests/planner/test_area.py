"""Reading areas: every format gives the same polygon, and every bad file one clear line."""

import json
import zipfile
from pathlib import Path

import geopandas
import pytest
import shapely

from imagery.core.errors import BadInputError
from planner.area import parse_home, read_area, read_zones

OUTLINE = [(36.93, 37.58), (36.94, 37.58), (36.941, 37.586), (36.931, 37.587)]
HOLE = [(36.934, 37.582), (36.936, 37.582), (36.936, 37.584), (36.934, 37.584)]
POLYGON = shapely.Polygon(OUTLINE, [HOLE])


def kml(points: str, tag: str = "Polygon") -> str:
    rings = f"<outerBoundaryIs><LinearRing><coordinates>{points}</coordinates></LinearRing></outerBoundaryIs>"
    inner = " ".join(f"{x},{y},0" for x, y in [*HOLE, HOLE[0]])
    hole = f"<innerBoundaryIs><LinearRing><coordinates>{inner}</coordinates></LinearRing></innerBoundaryIs>"
    body = rings + hole if tag == "Polygon" else f"<coordinates>{points}</coordinates>"
    document = f"<Document><Placemark><{tag}>{body}</{tag}></Placemark></Document>"
    return f'<?xml version="1.0"?><kml xmlns="http://www.opengis.net/kml/2.2">{document}</kml>'


def corners(points: list[tuple[float, float]] = OUTLINE) -> str:
    return "\n".join(f"{x},{y},100" for x, y in [*points, points[0]])


def geojson(geometry: object, **properties: object) -> str:
    return json.dumps(
        {"type": "FeatureCollection", "features": [{"type": "Feature", "properties": properties, "geometry": geometry}]}
    )


def written(folder: Path, suffix: str) -> Path:
    """The same polygon in a format."""
    path = folder / f"area{suffix}"
    frame = geopandas.GeoDataFrame(geometry=[POLYGON], crs="EPSG:4326")
    if suffix == ".geojson":
        path.write_text(geojson(shapely.geometry.mapping(POLYGON)))
    elif suffix == ".kml":
        path.write_text(kml(corners()))
    elif suffix == ".kmz":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("files/icon.png", b"no picture")
            archive.writestr("doc.kml", kml(corners()))
    elif suffix in (".gpkg", ".shp"):
        frame.to_crs("EPSG:32637").to_file(path)
    elif suffix == ".zip":
        frame.to_file(folder / "inner.shp")
        with zipfile.ZipFile(path, "w") as archive:
            for part in folder.glob("inner.*"):
                archive.write(part, part.name)
    elif suffix == ".wkt":
        path.write_text(POLYGON.wkt)
    return path


@pytest.mark.parametrize("suffix", [".geojson", ".kml", ".kmz", ".gpkg", ".shp", ".zip", ".wkt"])
def test_every_format_gives_the_same_polygon(suffix: str, tmp_path: Path) -> None:
    area = read_area(written(tmp_path, suffix))
    assert area.polygon.symmetric_difference(POLYGON).area < 1e-6 * POLYGON.area
    assert len(area.polygon.interiors) == 1


@pytest.mark.parametrize("header", ["latitude,longitude", "lat;lon", "x\ty"])
def test_corners_in_a_csv(header: str, tmp_path: Path) -> None:
    separator = next(c for c in ",;\t" if c in header)
    rows = [f"{x}{separator}{y}" if header.startswith("x") else f"{y}{separator}{x}" for x, y in OUTLINE]
    (tmp_path / "corners.csv").write_text("\n".join([header, *rows]))
    assert read_area(tmp_path / "corners.csv").polygon.equals(shapely.Polygon(OUTLINE))


def test_several_polygons_are_one_area(tmp_path: Path) -> None:
    text = geojson(
        shapely.geometry.mapping(
            shapely.MultiPolygon([shapely.box(36, 37, 36.01, 37.01), shapely.box(36.02, 37, 36.03, 37.01)])
        )
    )
    (tmp_path / "two.geojson").write_text(text)
    assert len(read_area(tmp_path / "two.geojson").polygon.geoms) == 2


def test_the_home_of_the_file(shared_data: Path) -> None:
    lon, lat = read_area(shared_data / "areas/bench/A_convex.geojson").home or (0, 0)
    assert (lon, lat) == pytest.approx((36.92932, 37.57946), abs=1e-5)


BOWTIE = [(36.93, 37.58), (36.94, 37.59), (36.94, 37.58), (36.93, 37.59)]
SPIKE = [*OUTLINE[:2], (36.9402, 37.58), (36.94, 37.58), *OUTLINE[2:]]


def bad_files(folder: Path) -> dict[str, tuple[str, str | bytes, str]]:
    """name: (file name, content, words of the message)."""
    box = shapely.geometry.mapping(shapely.box(36.93, 37.58, 36.94, 37.59))
    turned = shapely.geometry.mapping(shapely.box(37.58, 136.93, 37.59, 136.94))
    swapped = shapely.geometry.mapping(shapely.box(37.58, 106.93, 37.59, 106.94))
    bomb = '<!DOCTYPE k [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><kml>&b;</kml>'
    return {
        "empty file": ("a.geojson", "", "empty"),
        "not JSON": ("a.geojson", "{", "not JSON"),
        "not GeoJSON": ("a.json", '{"a": 1}', "GeoJSON"),
        "no features": ("a.geojson", '{"type": "FeatureCollection", "features": []}', "no polygon"),
        "a point only": ("a.geojson", geojson({"type": "Point", "coordinates": [36, 37]}), "only Point"),
        "empty polygon": ("a.geojson", geojson({"type": "Polygon", "coordinates": []}), "empty"),
        "two corners": (
            "a.geojson",
            geojson({"type": "Polygon", "coordinates": [[[1, 2], [2, 3], [1, 2]]]}),
            "3 different corners",
        ),
        "swapped beyond 90": ("a.geojson", geojson(swapped), "swapped"),
        "turned": ("a.geojson", geojson(turned), "swapped"),
        "swapped against home": ("a.geojson", geojson(box, home=[36.935, 37.585]), "swapped"),
        "bad home": ("a.geojson", geojson(box, home="nowhere"), "latitude"),
        "no numbers": ("a.geojson", geojson({"type": "Polygon", "coordinates": [[["a", "b"]]]}), "feature 1"),
        "tiny": ("a.geojson", geojson(shapely.geometry.mapping(shapely.box(1, 1, 1.000001, 1.000001))), "m2"),
        "huge": ("a.geojson", geojson(shapely.geometry.mapping(shapely.box(1, 1, 3, 3))), "km2"),
        "KML without polygon": ("a.kml", kml("36,37 36.1,37.1", "LineString"), "no polygon, only LineString"),
        "KML bomb": ("a.kml", bomb, "entities"),
        "broken KML": ("a.kml", "<kml><Document>", "not readable KML"),
        "KML words": ("a.kml", kml("36,north 37,37 36,36"), "not a number"),
        "KML without latitude": ("a.kml", kml("36 37 38 36"), "no latitude"),
        "KMZ that is none": ("a.kmz", b"PK\x03\x04 broken", "not a readable zip"),
        "broken GeoPackage": ("a.gpkg", b"no database", "cannot be read"),
        "WKT": ("a.wkt", "POLYGON ((0 0, 1", "not WKT"),
        "CSV without names": ("a.csv", "1,2\n3,4\n5,6", "column names"),
        "CSV words": ("a.csv", "lat,lon\n37,36\nnorth,36\n37,37", "not a number"),
        "unknown kind": ("a.docx", "hello", "not a known kind"),
        "binary text": ("a.geojson", b"\xff\xfe\x00\x01", "UTF-8"),
    }


@pytest.mark.parametrize("case", list(bad_files(Path())))
def test_bad_files_are_refused_in_one_line(case: str, tmp_path: Path) -> None:
    name, content, words = bad_files(tmp_path)[case]
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(BadInputError, match=words) as caught:
        read_area(path)
    assert str(path) in str(caught.value) or case == "bad home"
    assert "\n" not in str(caught.value)


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no such file"):
        read_area(tmp_path / "none.geojson")
    with pytest.raises(BadInputError, match="folder"):
        read_area(tmp_path)


def test_a_shapefile_in_metres_without_prj_is_refused(tmp_path: Path) -> None:
    frame = geopandas.GeoDataFrame(geometry=[shapely.box(500_000, 4_000_000, 501_000, 4_001_000)], crs="EPSG:32637")
    frame.to_file(tmp_path / "area.shp")
    (tmp_path / "area.prj").unlink()
    with pytest.raises(BadInputError, match=r"\.prj"):
        read_area(tmp_path / "area.shp")


def test_a_spike_is_repaired_with_a_warning(tmp_path: Path) -> None:
    (tmp_path / "spike.geojson").write_text(geojson({"type": "Polygon", "coordinates": [[*SPIKE, SPIKE[0]]]}))
    area = read_area(tmp_path / "spike.geojson")
    assert area.polygon.area == pytest.approx(shapely.Polygon(OUTLINE).area, rel=1e-3)
    assert "repaired" in area.warnings[0]


def test_a_crossing_is_repaired_with_a_warning_that_tells_where(tmp_path: Path) -> None:
    (tmp_path / "bow.geojson").write_text(geojson({"type": "Polygon", "coordinates": [[*BOWTIE, BOWTIE[0]]]}))
    area = read_area(tmp_path / "bow.geojson")
    assert area.polygon.is_valid
    assert area.polygon.area == pytest.approx(0.5 * 0.01**2)
    assert "crosses itself near latitude 37.585000, longitude 36.935000" in area.warnings[0]
    assert "0.491 km2 in 2 part(s)" in area.warnings[0]


def test_zones_keep_every_part_that_a_crossing_one_may_mean(tmp_path: Path) -> None:
    (tmp_path / "zones.geojson").write_text(geojson({"type": "Polygon", "coordinates": [[*BOWTIE, BOWTIE[0]]]}))
    zones = read_zones(tmp_path / "zones.geojson")
    assert zones.covers(shapely.Point(36.931, 37.585)) or zones.covers(shapely.Point(36.935, 37.582))
    assert len(zones.geoms) == 2


def test_real_no_fly_zones_near_an_area(shared_data: Path, tmp_path: Path) -> None:
    (tmp_path / "near.geojson").write_text(geojson(shapely.geometry.mapping(shapely.box(28.14, -26.56, 28.18, -26.53))))
    zones = read_zones(shared_data / "areas/nofly/SouthAfricaNoRPASOutlined.kmz", read_area(tmp_path / "near.geojson"))
    assert zones.is_valid
    assert len(zones.geoms) > 0


@pytest.mark.parametrize("text", ["37.58,36.93", "37.58 36.93", "37.58;36.93"])
def test_home_is_latitude_then_longitude(text: str) -> None:
    assert parse_home(text) == (36.93, 37.58)


@pytest.mark.parametrize("text", ["", "37.58", "a,b", "137,36", "37,361"])
def test_a_home_that_is_none(text: str) -> None:
    with pytest.raises(BadInputError):
        parse_home(text)
