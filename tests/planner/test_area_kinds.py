"""Areas from missions, packages of layers, other systems and across the date line; every real file reads or says why not."""

import json
import zipfile
from pathlib import Path

import geopandas
import pytest
import shapely

from imagery.core.camera import find_camera
from imagery.core.errors import BadInputError
from planner.app.commands.plan import write_plan
from planner.area import Area, read_area, read_corridor, read_zones
from planner.drone import find_drone
from planner.formats import plan_geojson, qgc_plan, waypoints
from planner.mission import FenceCircle, FencePolygon, Home, Mission, MissionItem
from planner.shapes.repair import square_metres
from planner.site import lay_out
from planner.survey import SurveySpec, plan_survey

OUTLINE = [(36.93, 37.58), (36.94, 37.58), (36.941, 37.586), (36.931, 37.587)]
POLYGON = shapely.Polygon(OUTLINE)
VERTICES = tuple((lat, lon) for lon, lat in OUTLINE)
ZONE = tuple((lat, lon) for lon, lat in [(36.934, 37.582), (36.936, 37.582), (36.936, 37.584)])
HOME = Home(37.579, 36.93, 500.0)
CORNERS = tuple(MissionItem(16, 3, x=round(lat * 1e7), y=round(lon * 1e7), z=60) for lat, lon in VERTICES)


def collection(*geometries: object, **more: object) -> str:
    features = [{"type": "Feature", "properties": {}, "geometry": geometry} for geometry in geometries]
    return json.dumps({"type": "FeatureCollection", "features": features, **more})


def ring(points: list[tuple[float, float]]) -> dict[str, object]:
    return {"type": "Polygon", "coordinates": [[*points, points[0]]]}


def test_a_plan_gives_its_survey_with_its_zones_and_its_home(tmp_path: Path) -> None:
    mission = Mission(HOME, CORNERS, (FencePolygon(VERTICES, True), FencePolygon(ZONE, False)))
    qgc_plan.write(mission, tmp_path / "a.plan")
    data = json.loads((tmp_path / "a.plan").read_text())
    survey = {
        "type": "ComplexItem",
        "complexItemType": "survey",
        "version": 5,
        "polygon": [list(v) for v in VERTICES[:3]],
    }
    data["mission"]["items"].append(survey)
    (tmp_path / "a.plan").write_text(json.dumps(data))
    area = read_area(tmp_path / "a.plan")
    assert area.polygon.equals(shapely.Polygon(OUTLINE[:3]))
    assert area.home == (36.93, 37.579)
    assert area.no_fly.equals(shapely.Polygon([(lon, lat) for lat, lon in ZONE]))
    assert area.warnings == ()


def test_a_plan_without_a_survey_gives_its_fence_or_what_its_waypoints_enclose(tmp_path: Path) -> None:
    qgc_plan.write(Mission(HOME, CORNERS, (FencePolygon(VERTICES, True),)), tmp_path / "fence.plan")
    area = read_area(tmp_path / "fence.plan")
    assert area.polygon.equals(POLYGON)
    assert "fence" in area.warnings[0]
    qgc_plan.write(Mission(HOME, CORNERS), tmp_path / "bare.plan")
    waypoints.write(Mission(HOME, CORNERS), tmp_path / "bare.waypoints")
    for name in ("bare.plan", "bare.waypoints"):
        area = read_area(tmp_path / name)
        assert area.polygon.symmetric_difference(POLYGON).area < 1e-12
        assert "what its 4 waypoints enclose" in area.warnings[0]
        assert ".poly" in area.warnings[0]


def test_a_round_fence_is_an_area(tmp_path: Path) -> None:
    qgc_plan.write(Mission(HOME, (), (FenceCircle(37.58, 36.93, 200.0, True),)), tmp_path / "round.plan")
    assert square_metres(read_area(tmp_path / "round.plan").polygon) == pytest.approx(3.14159 * 200**2, rel=0.02)


def test_a_corridor_of_a_plan(tmp_path: Path) -> None:
    qgc_plan.write(Mission(HOME, CORNERS), tmp_path / "road.plan")
    data = json.loads((tmp_path / "road.plan").read_text())
    road = {"complexItemType": "CorridorScan", "CorridorWidth": 50, "polyline": [list(v) for v in VERTICES[:2]]}
    data["mission"]["items"] = [{"type": "ComplexItem", "version": 2, **road}]
    (tmp_path / "road.plan").write_text(json.dumps(data))
    corridor = read_corridor(tmp_path / "road.plan", 10.0)
    assert corridor.width_m == 50
    assert square_metres(corridor.polygon) == pytest.approx(50 * 883, rel=0.01)


@pytest.mark.parametrize(
    "text",
    [
        "#saved by Mission Planner\n" + "\n".join(f"{lat} {lon}" for lat, lon in (*VERTICES, VERTICES[0])),
        "village\n1\n" + "\n".join(f"   {lon:E}   {lat:E}" for lon, lat in [*OUTLINE, OUTLINE[0]]) + "\nEND\nEND\n",
    ],
    ids=["Mission Planner, latitude first", "OpenStreetMap, longitude first"],
)
def test_poly_files(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.poly").write_text(text)
    assert read_area(tmp_path / "a.poly").polygon.symmetric_difference(POLYGON).area < 1e-9


def package(folder: Path, names: dict[str, shapely.Geometry]) -> Path:
    """A zip of shapefiles in a metric system, as Copernicus EMS delivers them."""
    with zipfile.ZipFile(folder / "EMSR999.zip", "w") as archive:
        for name, geometry in names.items():
            geopandas.GeoDataFrame(geometry=[geometry], crs="EPSG:4326").to_crs("EPSG:32637").to_file(
                folder / f"{name}.shp"
            )
            for part in folder.glob(f"{name}.*"):
                archive.write(part, f"vector/{part.name}")
    return folder / "EMSR999.zip"


def test_the_area_of_interest_is_chosen_of_a_package(tmp_path: Path) -> None:
    houses = shapely.box(36.932, 37.581, 36.933, 37.582)
    layers = {"EMSR999_AOI01_areaOfInterestA_v1": POLYGON, "EMSR999_AOI01_builtUpA_v1": houses}
    area = read_area(package(tmp_path, layers))
    assert area.polygon.symmetric_difference(POLYGON).area < 1e-9
    assert "of 2 layers with polygons the area is EMSR999_AOI01_areaOfInterestA_v1" in area.warnings[0]


def test_layers_of_which_none_is_the_area_are_refused(tmp_path: Path) -> None:
    layers = {"houses": shapely.box(36.932, 37.581, 36.933, 37.582), "district": POLYGON}
    with pytest.raises(BadInputError, match=r"several layers \(district, houses\)"):
        read_area(package(tmp_path, layers))


def test_a_geojson_in_metres_that_names_its_system(tmp_path: Path) -> None:
    metric = geopandas.GeoSeries([POLYGON], crs="EPSG:4326").to_crs("EPSG:32637")[0]
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32637"}}
    (tmp_path / "named.geojson").write_text(collection(shapely.geometry.mapping(metric), crs=crs))
    assert read_area(tmp_path / "named.geojson").polygon.symmetric_difference(POLYGON).area < 1e-9
    (tmp_path / "a.wkt").write_text(f"SRID=32637;{metric.wkt}")
    assert read_area(tmp_path / "a.wkt").polygon.symmetric_difference(POLYGON).area < 1e-9
    (tmp_path / "unnamed.geojson").write_text(collection(shapely.geometry.mapping(metric)))
    with pytest.raises(BadInputError, match="metres of a system that the file does not name"):
        read_area(tmp_path / "unnamed.geojson")


def test_collections_of_collections_heights_and_decimal_commas(tmp_path: Path) -> None:
    box = {"type": "Polygon", "coordinates": [[[x, y, 5.0] for x, y in [*OUTLINE, OUTLINE[0]]]]}
    inner = {"type": "GeometryCollection", "geometries": [box, {"type": "Point", "coordinates": [36.9, 37.5]}]}
    (tmp_path / "deep.geojson").write_text(collection({"type": "GeometryCollection", "geometries": [inner]}))
    assert read_area(tmp_path / "deep.geojson").polygon.equals(POLYGON)
    rows = [f"{lat};{lon}".replace(".", ",") for lat, lon in VERTICES]
    (tmp_path / "commas.csv").write_text("\n".join(["Latitude;Longitude", *rows]))
    assert read_area(tmp_path / "commas.csv").polygon.equals(POLYGON)


@pytest.mark.parametrize(
    "geometry",
    [
        ring([(179.995, -16.8), (-179.995, -16.8), (-179.995, -16.79), (179.995, -16.79)]),
        ring([(179.995, -16.8), (180.005, -16.8), (180.005, -16.79), (179.995, -16.79)]),
        shapely.geometry.mapping(
            shapely.MultiPolygon([shapely.box(179.995, -16.8, 180, -16.79), shapely.box(-180, -16.8, -179.995, -16.79)])
        ),
    ],
    ids=["wrapped", "beyond 180", "cut"],
)
def test_an_area_across_the_date_line_is_in_one_piece(geometry: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "fiji.geojson").write_text(collection(geometry))
    area = read_area(tmp_path / "fiji.geojson")
    assert area.polygon.geom_type == "Polygon"
    assert square_metres(area.polygon) == pytest.approx(1.186e6, rel=0.01)
    site = lay_out(area, shapely.MultiPolygon(), 10.0)
    assert site.area.area == pytest.approx(1.186e6, rel=0.02)
    assert abs(site.home_lon_lat[0]) <= 180


def test_a_plan_across_the_date_line_reads_back(tmp_path: Path) -> None:
    area = Area("fiji", shapely.box(179.997, -16.8, 180.003, -16.796))
    spec = SurveySpec(area, find_camera("dji-mavic-3e"), find_drone("dji-mavic-3e"), gsd_cm=4.0)
    write_plan(plan_survey(spec), tmp_path)
    saved = plan_geojson.read(tmp_path)
    assert saved.spec.area.polygon.bounds == pytest.approx(area.polygon.bounds)
    assert max(abs(v) for v in saved.area.bounds) < 500
    for name in ("plan.geojson", "flight-01.plan"):
        assert read_area(tmp_path / name).polygon.bounds == pytest.approx(area.polygon.bounds, abs=1e-6)


def test_zones_beyond_the_date_line_are_near(tmp_path: Path) -> None:
    (tmp_path / "zone.geojson").write_text(collection(ring([(-179.999, -16.8), (-179.99, -16.8), (-179.99, -16.79)])))
    area = Area("west", shapely.box(179.98, -16.8, 179.999, -16.79))
    assert read_zones(tmp_path / "zone.geojson", area).bounds == pytest.approx((180.001, -16.8, 180.01, -16.79))


def test_a_place_where_nobody_lives_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / "haiti.geojson").write_text(collection(ring([(18.5, -72.3), (18.51, -72.3), (18.51, -72.29)])))
    assert "are the two swapped?" in read_area(tmp_path / "haiti.geojson").warnings[0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"type": "Polygon", "coordinates": [[[NaN, 1], [2, 3], [4, 5], [NaN, 1]]]}', "holds NaN"),
        (
            '{"type": "Polygon", "coordinates": [[[1e999, 1], [2, 3], [4, 5], [1e999, 1]]]}',
            "coordinate is not a number",
        ),
        ("[" * 100_000, "deeply nested"),
        ('{"type": ' + "9" * 5000 + "}", "thousands of digits"),
    ],
)
def test_numbers_that_are_none(content: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "a.geojson").write_text(content)
    with pytest.raises(BadInputError, match=words):
        read_area(tmp_path / "a.geojson")


def zipped(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("UP", "..") + ".kml", content)
    return path


def test_archives_that_are_bombs_or_point_out_of_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = f'<kml xmlns="http://www.opengis.net/kml/2.2"><!--{" " * 3_000_000}--></kml>'.encode()
    with pytest.raises(BadInputError, match="no KML"):
        read_area(zipped(tmp_path / "out.kmz", UP__UP__doc=document))
    monkeypatch.setattr("planner.shapes.archive.LARGEST_FILE", 1_000_000)
    with pytest.raises(BadInputError, match="unpacks to more than"):
        read_area(zipped(tmp_path / "bomb.kmz", doc=document))


# Square kilometres and polygons of files that read; a word of the reason for those that are none or hold no area.
READ = {
    "areas/bench/A_convex.geojson": (0.2864, 1),
    "areas/bench/B_10km2.geojson": (10.017, 1),
    "areas/bench/H_nofly.geojson": (0.3952, 1),
    "areas/bench/L_shape.geojson": (0.3967, 1),
    "areas/bench/U_shape.geojson": (0.4071, 1),
    "areas/ems190_arquata/area_of_interest.geojson": (58.71, 1),
    "areas/ems190_arquata/settlements_poly_grading.geojson": (0.1597, 948),
    "areas/ems190_visso_aerial/area_of_interest.geojson": (9.278, 1),
    "areas/kathmandu/kathmandu.geojson": (0.1639, 1),
    "areas/kathmandu/kathmandu_split.geojson": (0.0845, 4),
    "flight/mavsdk_plans/qgroundcontrol_sample_with_survey.plan": (0.001863, 1),
    "flight/qgc/MissionManager/PolygonGood.kml": (0.004630, 1),
    "flight/qgc/MissionManager/SectionTest.plan": (0.006346, 1),
    "flight/qgc/MissionManager/MissionPlanner.waypoints": (0.04136, 1),
}
REFUSED = {
    "areas/ems190_arquata/transportation_line_grading.geojson": "only LineString",
    "areas/ems190_arquata/settlements_point_grading.geojson": "only Point",
    "areas/hot_fair_sample/train/detection_labels.json": "not GeoJSON",
    "areas/hot_fair_sample/train/classification_labels.csv": "column names",
    "areas/nofly/SouthAfricaNoRPASOutlined.kmz": "169819 km2",
    "areas/nofly/UASZoneVersion 30072024165413.kmz": "no surface",
    "flight/qgc/MissionManager/PolygonBadXml.kml": "not readable KML from line 1",
    "flight/qgc/MissionManager/PolygonMissingNode.kml": "holds no polygon",
    "flight/qgc/MissionManager/100Waypoints.mission": "not a known kind",
    "flight/mavsdk_plans/qgroundcontrol_sample_without_mission.plan": "no mission",
    "flight/litchi/waypoints_first4.csv": "only 0.139 m2",
    "flight/pymavlink/test.BIN": "not a known kind",
    "flight/dji_wpml_waygen/wpmz/template.kml": "holds no polygon",
}


@pytest.mark.parametrize("name", READ)
def test_real_files_read_right(name: str, shared_data: Path) -> None:
    area = read_area(shared_data / name)
    square_km, parts = READ[name]
    assert square_metres(area.polygon) / 1e6 == pytest.approx(square_km, rel=1e-3)
    assert shapely.get_num_geometries(area.polygon) == parts


@pytest.mark.parametrize("name", REFUSED)
def test_real_files_without_an_area_are_refused(name: str, shared_data: Path) -> None:
    with pytest.raises(BadInputError, match=REFUSED[name]) as caught:
        read_area(shared_data / name)
    assert str(caught.value).startswith(str(shared_data / name))


def test_every_real_file_reads_or_is_refused(shared_data: Path) -> None:
    """All files of the two folders, but for images: a valid area, or one line naming the file; no warning of a library."""
    files = [p for folder in ("areas", "flight") for p in sorted((shared_data / folder).rglob("*")) if p.is_file()]
    files = [
        p for p in files if p.suffix not in (".tif", ".xml") and p.name != "Drone No Fly Zones.kmz"
    ]  # that one: 5 s
    assert len(files) > 70
    for path in files:
        try:
            area = read_area(path)
        except BadInputError as error:
            assert str(error).startswith(str(path))
            assert "\n" not in str(error)
        else:
            assert area.polygon.is_valid
            assert area.polygon.area > 0
