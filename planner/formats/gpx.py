"""GPX 1.1 of one flight: the path as a route, with home and heights above mean sea level where the elevation is known."""

import math
from pathlib import Path

from lxml import etree
from lxml.builder import ElementMaker

from imagery.core.files import atomic_path
from planner.survey import Flight, SurveyPlan

__all__ = ["write"]

NAMESPACE = "http://www.topografix.com/GPX/1/1"
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
