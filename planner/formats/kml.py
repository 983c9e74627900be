"""KML of one flight, for map viewers: the flown path with its heights, area, no-fly zones, home and photos' places."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from lxml import etree
from lxml.builder import ElementMaker

from imagery.core.files import atomic_path
from planner.survey import Flight, SurveyPlan

__all__ = ["write"]

NAMESPACE = "http://www.opengis.net/kml/2.2"
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
        *(_polygon(plan, part, "area") for part in shapely.get_parts(plan.area)),
        *(_polygon(plan, part, "no-fly") for part in shapely.get_parts(plan.no_fly)),
        E.Placemark(E.name("home"), E.Point(E.coordinates(f"{plan.home[0]:.8f},{plan.home[1]:.8f}"))),
        E.Placemark(
            E.name("path"),
            E.styleUrl("#path"),
            E.LineString(E.tessellate("1"), E.altitudeMode(mode), E.coordinates(track)),
        ),
    )
    with atomic_path(path) as temporary:
        etree.ElementTree(E.kml(document)).write(
            str(temporary), xml_declaration=True, encoding="UTF-8", pretty_print=True
        )


def _style(id: str, line: str, fill: str) -> Any:
    return E.Style(E.LineStyle(E.color(line), E.width("3")), E.PolyStyle(E.color(fill)), id=id)


def _polygon(plan: SurveyPlan, part: shapely.Polygon, kind: str) -> Any:
    def ring(points: Any) -> Any:
        lon, lat = plan.frame.to_geographic(*np.asarray(points.coords)[:, :2].T)
        return E.LinearRing(E.coordinates(" ".join(f"{x:.8f},{y:.8f}" for x, y in zip(lon, lat, strict=True))))

    holes = [E.innerBoundaryIs(ring(hole)) for hole in part.interiors]
    return E.Placemark(E.name(kind), E.styleUrl(f"#{kind}"), E.Polygon(E.outerBoundaryIs(ring(part.exterior)), *holes))
