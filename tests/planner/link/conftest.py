"""A small survey and a simulated vehicle for it."""

import math
from collections.abc import Iterator

import pytest

from planner.mission import FencePolygon, Home, Mission, MissionItem, RallyPoint
from sitl.autopilot import Copter, Place
from sitl.endpoint import Endpoint, serve

HOME = Place(47.4, 8.5, 450.0)
METRES_PER_DEGREE = 111_318.845


def degrees(east_m: float, north_m: float) -> tuple[float, float]:
    """Latitude and longitude of a place near HOME."""
    lat = HOME.lat_deg + north_m / METRES_PER_DEGREE
    return lat, HOME.lon_deg + east_m / METRES_PER_DEGREE / math.cos(math.radians(HOME.lat_deg))


def waypoint(east_m: float, north_m: float, height_m: float = 40.0, hold_s: float = 0.0) -> MissionItem:
    lat, lon = degrees(east_m, north_m)
    return MissionItem(16, 3, p1=hold_s, x=round(lat * 1e7), y=round(lon * 1e7), z=height_m)


def survey(lines: int = 3, length_m: float = 120.0, every_m: float = 12.0) -> Mission:
    """Lines 20 m apart with a photo every `every_m`."""
    items = [MissionItem(22, 3, z=40.0), MissionItem(178, 2, p1=1, p2=8)]
    for number in range(lines):
        start, end = (20.0, 20.0 + length_m) if number % 2 == 0 else (20.0 + length_m, 20.0)
        items += [waypoint(20.0 * number, start), MissionItem(206, 2, p1=every_m, p3=1)]
        items += [waypoint(20.0 * number, end), MissionItem(206, 2)]
    items.append(MissionItem(20, 2))
    corners = tuple(degrees(e, n) for e, n in ((-60, -60), (200, -60), (200, 260), (-60, 260)))
    lat, lon = degrees(10, -10)
    return Mission(
        Home(HOME.lat_deg, HOME.lon_deg, HOME.alt_amsl_m),
        tuple(items),
        fence=(FencePolygon(corners, True),),
        rally=(RallyPoint(lat, lon, 30.0),),
    )


@pytest.fixture
def copter() -> Copter:
    return Copter(HOME, parameters={"CAM1_TYPE": 1})


@pytest.fixture
def endpoint(copter: Copter) -> Iterator[Endpoint]:
    with serve(copter, speedup=25) as served:
        yield served
