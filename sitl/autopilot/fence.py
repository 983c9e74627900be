"""Where the fence lets the vehicle be."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sitl.autopilot.parameters import Parameters
from sitl.autopilot.place import Place
from sitl.autopilot.storage import Item

__all__ = ["ALT_MAX", "ALT_MIN", "CIRCLE", "NAMES", "POLYGON", "breaches", "shapes"]

ALT_MAX, CIRCLE, POLYGON, ALT_MIN = 1, 2, 4, 8  # bits of FENCE_TYPE
NAMES = {ALT_MAX: "Max Alt", CIRCLE: "Circle", POLYGON: "Polygon", ALT_MIN: "Min Alt"}


@dataclass(frozen=True, slots=True)
class Shape:
    """A polygon or a circle to stay in or out of."""

    inclusion: bool
    vertices: tuple[Place, ...] = ()
    centre: Place | None = None
    radius_m: float = 0.0

    def contains(self, place: Place) -> bool:
        """Whether a place is inside."""
        if self.centre is not None:
            offset = self.centre.offset_to(place)
            return math.hypot(offset[0], offset[1]) <= self.radius_m
        inside = False
        for a, b in zip(self.vertices, (*self.vertices[1:], self.vertices[0]), strict=True):
            if (a.lat_deg > place.lat_deg) != (b.lat_deg > place.lat_deg):
                crossing = a.lon_deg + (b.lon_deg - a.lon_deg) * (place.lat_deg - a.lat_deg) / (b.lat_deg - a.lat_deg)
                inside ^= place.lon_deg < crossing
        return inside


def shapes(items: Sequence[Item]) -> tuple[Shape, ...]:
    """The shapes of stored fence items."""
    return tuple(_shapes(items))


def _shapes(items: Sequence[Item]) -> Iterator[Shape]:
    index = 0
    while index < len(items):
        item = items[index]
        if item.command in (5001, 5002):
            count = int(item.p1)
            vertices = tuple(Place(v.x / 1e7, v.y / 1e7) for v in items[index : index + count])
            yield Shape(item.command == 5001, vertices)
            index += count
            continue
        if item.command in (5003, 5004):
            yield Shape(item.command == 5003, centre=Place(item.x / 1e7, item.y / 1e7), radius_m=item.p1)
        index += 1


def breaches(parameters: Parameters, fence: Sequence[Shape], place: Place, home: Place) -> int:
    """The bits of FENCE_TYPE that the vehicle breaches where it is."""
    wanted = int(parameters["FENCE_TYPE"])
    height = place.alt_amsl_m - home.alt_amsl_m
    offset = home.offset_to(place)
    broken = 0
    if wanted & ALT_MAX and height > parameters["FENCE_ALT_MAX"]:
        broken |= ALT_MAX
    if wanted & ALT_MIN and height < parameters["FENCE_ALT_MIN"]:
        broken |= ALT_MIN
    if wanted & CIRCLE and math.hypot(offset[0], offset[1]) > parameters["FENCE_RADIUS"]:
        broken |= CIRCLE
    inclusions = [shape for shape in fence if shape.inclusion]
    outside = bool(inclusions) and not all(shape.contains(place) for shape in inclusions)
    if wanted & POLYGON and (outside or any(s.contains(place) for s in fence if not s.inclusion)):
        broken |= POLYGON
    return broken
