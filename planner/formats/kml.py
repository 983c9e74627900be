"""KML of one flight, for map viewers: the flown path with its heights, area, no-fly zones, home and photos' places."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from lxml import etree
from lxml.builder import ElementMaker
from numpy.typing import NDArray

from imagery.core.errors import BadInputError
from imagery.core.files import atomic_path
from imagery.core.reading import check_file, parse_xml
from planner.formats.flown import FlownPath, checked
from planner.survey import Flight, SurveyPlan

__all__ = ["read", "write"]

NAMESPACE = "http://www.opengis.net/kml/2.2"
GIVE = "a KML file with a line"
DATUM_OF_MODE = {"absolute": "amsl", "relativeToGround": "ground", "clampToGround": "ground"}
E = ElementMaker(namespace=NAMESPACE, nsmap={None: NAMESPACE})


def write(plan: SurveyPlan, flight: Flight, path: str | Path) -> None:
    """Write a flight; heights are above mean sea level where the elevation is known, above ground elsewhere."""
    absolute = math.isfinite(plan.home_amsl_m)
    mode, lift = ("absolute", plan.home_amsl_m) if absolute else ("relativeToGround", 0.0)
    lon, lat = plan.frame.to_geographic(flight.path[:, 0], flight.path[:, 1])
    track = " ".join(f"{x:.8f},{y:.8f},{h + lift:.2f}" for x, y, h in zip(lon, lat, flight.path[:, 2], strict=True))
    document = E.Document(
        E.name(f"{plan.spec.area.name}, flight {flight.number}"),
        _style("area", "ff00aaff", "1f00aaff"),
        _style("no-fly", "ff0000ff", "4f0000ff"),
        _style("path", "ffff7f00", "00000000"),
        *(_polygon(plan, part, "area", "area") for part in shapely.get_parts(plan.area)),
        *(_polygon(plan, part, "no-fly", "no_fly") for part in shapely.get_parts(plan.no_fly)),
        E.Placemark(E.name("home"), _kind("home"), E.Point(E.coordinates(f"{plan.home[0]:.8f},{plan.home[1]:.8f}"))),
        E.Placemark(
            E.name("path"),
            E.styleUrl("#path"),
            _kind("flight"),
            E.LineString(E.tessellate("1"), E.altitudeMode(mode), E.coordinates(track)),
        ),
    )
    with atomic_path(path) as temporary:
        etree.ElementTree(E.kml(document)).write(
            str(temporary), xml_declaration=True, encoding="UTF-8", pretty_print=True
        )


def read(path: str | Path) -> FlownPath:
    """Read the longest line of a KML file as a path, and a point named home as the home."""
    path = Path(path)
    check_file(path, GIVE)
    root = parse_xml(path.read_bytes(), str(path), "KML")
    lines = [(_points(line, path), line) for line in root.iterfind(".//{*}LineString")]
    if not lines:
        raise BadInputError(f"{path}: holds no line: give {GIVE}")
    points, line = max(lines, key=lambda pair: len(pair[0]))
    datum = DATUM_OF_MODE.get(line.findtext("{*}altitudeMode") or "", "ground")
    places = [
        _points(point, path)
        for placemark in root.iterfind(".//{*}Placemark")
        if (placemark.findtext("{*}name") or "").strip().lower() == "home"
        for point in placemark.iterfind(".//{*}Point")
    ]
    home = (float(places[0][0, 0]), float(places[0][0, 1])) if places and len(places[0]) else None
    return checked(FlownPath(points, datum, home), str(path))


def _points(element: Any, path: Path) -> NDArray[np.float64]:
    """n x 3: longitude, latitude, height (nan where there is none)."""
    rows = [triple.split(",") for triple in (element.findtext("{*}coordinates") or "").split()]
    try:
        return np.array([[float(v) for v in (*row, "nan")[:3]] for row in rows], float).reshape(-1, 3)
    except ValueError:
        raise BadInputError(f"{path}: a coordinate is not two or three numbers") from None


def _kind(kind: str) -> Any:
    """What a placemark is, as `plan.geojson` names it: whoever reads the file tells the area from the no-fly zones."""
    return E.ExtendedData(E.Data(E.value(kind), name="kind"))


def _style(id: str, line: str, fill: str) -> Any:
    return E.Style(E.LineStyle(E.color(line), E.width("3")), E.PolyStyle(E.color(fill)), id=id)


def _polygon(plan: SurveyPlan, part: shapely.Polygon, name: str, kind: str) -> Any:
    def ring(points: Any) -> Any:
        lon, lat = plan.frame.to_geographic(*np.asarray(points.coords)[:, :2].T)
        return E.LinearRing(E.coordinates(" ".join(f"{x:.8f},{y:.8f}" for x, y in zip(lon, lat, strict=True))))

    holes = [E.innerBoundaryIs(ring(hole)) for hole in part.interiors]
    return E.Placemark(
        E.name(name), E.styleUrl(f"#{name}"), _kind(kind), E.Polygon(E.outerBoundaryIs(ring(part.exterior)), *holes)
    )
