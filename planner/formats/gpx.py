"""GPX 1.1 of one flight: the path as a route, with home and heights above mean sea level where the elevation is known."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from lxml import etree
from lxml.builder import ElementMaker

from imagery.core.errors import BadInputError
from imagery.core.files import atomic_path
from imagery.core.reading import check_file, parse_xml
from planner.formats.flown import FlownPath, checked
from planner.survey import Flight, SurveyPlan

__all__ = ["read", "write"]

NAMESPACE = "http://www.topografix.com/GPX/1/1"
GIVE = "a GPX file with a route"
E = ElementMaker(namespace=NAMESPACE, nsmap={None: NAMESPACE})


def write(plan: SurveyPlan, flight: Flight, path: str | Path) -> None:
    """Write a flight's path from home to home."""
    lon, lat = plan.frame.to_geographic(flight.path[:, 0], flight.path[:, 1])
    known = math.isfinite(plan.home_amsl_m)
    points = []
    for x, y, height in zip(lon, lat, flight.path[:, 2], strict=True):
        elevation = [E.ele(f"{height + plan.home_amsl_m:.2f}")] if known else []
        points.append(E.rtept(*elevation, E.desc(f"{height:.1f} m above home"), lat=f"{y:.8f}", lon=f"{x:.8f}"))
    home = E.wpt(E.name("home"), lat=f"{plan.home[1]:.8f}", lon=f"{plan.home[0]:.8f}")
    route = E.rte(E.name(f"{plan.spec.area.name}, flight {flight.number}"), *points)
    with atomic_path(path) as temporary:
        document = etree.ElementTree(E.gpx(home, route, version="1.1", creator="SkyRelief"))
        document.write(str(temporary), xml_declaration=True, encoding="UTF-8", pretty_print=True)


def read(path: str | Path) -> FlownPath:
    """Read the routes of a GPX file, or where it has none its tracks, as one path; a waypoint named home is the home."""
    path = Path(path)
    check_file(path, GIVE)
    root = parse_xml(path.read_bytes(), str(path), "GPX")
    found = root.findall(".//{*}rtept") or root.findall(".//{*}trkpt")
    try:
        points = np.array([_point(element) for element in found], float).reshape(-1, 3)
        named = [_point(e) for e in root.iterfind("{*}wpt") if (e.findtext("{*}name") or "").strip().lower() == "home"]
    except (KeyError, TypeError, ValueError):
        raise BadInputError(f"{path}: a point has no latitude or longitude, or one that is not a number") from None
    return checked(FlownPath(points, "amsl", named[0][:2] if named else None), str(path))


def _point(element: Any) -> tuple[float, float, float]:
    return float(element.attrib["lon"]), float(element.attrib["lat"]), float(element.findtext("{*}ele") or "nan")
