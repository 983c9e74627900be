"""What a world consists of, before anything is drawn: houses, roads, water, trees, fields and what happened to them.

Plane coordinates: metres east and north of the world's centre, parallel to the axes of its UTM grid.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import LineString, Point, Polygon

from sitl.world.sun import Sun

__all__ = ["Bounds", "Car", "Damage", "Field", "House", "Plan", "Road", "Slide", "Stream", "Terrain", "Tree"]


Bounds = tuple[float, float, float, float]  # west, south, east, north in metres


@dataclass(frozen=True, slots=True)
class Terrain:
    """Bare ground on a coarse north-up grid whose first node is at (left_m, top_m).

    heights_m: above the plane's origin; above_stream_m: above the stream where it passes (height above the nearest drainage).
    """

    heights_m: NDArray[np.float64]
    above_stream_m: NDArray[np.float64]
    left_m: float
    top_m: float
    step_m: float

    def at(self, x: NDArray[np.float64] | float, y: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Heights at points, bilinear."""
        rows, cols = self.heights_m.shape
        c = np.clip((np.asarray(x, float) - self.left_m) / self.step_m, 0, cols - 1.001)
        r = np.clip((self.top_m - np.asarray(y, float)) / self.step_m, 0, rows - 1.001)
        i, j = r.astype(int), c.astype(int)
        v, u = r - i, c - j
        z = self.heights_m
        upper = z[i, j] * (1 - u) + z[i, j + 1] * u
        lower = z[i + 1, j] * (1 - u) + z[i + 1, j + 1] * u
        return np.asarray(upper * (1 - v) + lower * v)


@dataclass(frozen=True, slots=True)
class Slide:
    """What a landslide did to the ground, on the terrain's nodes.

    inside_m: distance to its edge, positive inside; change_m: how far the ground rose or, below 0, sank.
    """

    inside_m: NDArray[np.float64]
    change_m: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Damage:
    """What happened to a house.

    grade: 0-3 of the Joint Damage Scale. kind: how it looks (`holes`, `partial`, `rubble`, `pancake`, `unroofed`, `burnt` or
    `flooded`).
    hole_share: share of roof elements missing; collapse_share: share of the footprint come down, from the side `collapse_deg`
    (house axes); heap_m: height of the rubble; apron_m: how far the debris lies around; tarp_share: share under a tarpaulin.
    """

    grade: int = 0
    kind: str = "none"
    hole_share: float = 0.0
    collapse_share: float = 0.0
    collapse_deg: float = 0.0
    heap_m: float = 0.0
    apron_m: float = 0.0
    tarp_share: float = 0.0


@dataclass(frozen=True, slots=True)
class House:
    """A building. parts: rectangles (u0, v0, u1, v1) in its own axes, u along the length, turned by angle_rad about (x, y)."""

    number: int
    x: float
    y: float
    angle_rad: float
    parts: tuple[tuple[float, float, float, float], ...]
    floors: int
    wall_m: float
    roof: str
    pitch: float
    material: str
    roof_rgb: tuple[int, int, int]
    wall_rgb: tuple[int, int, int]
    damage: Damage = field(default_factory=Damage)

    @property
    def polygon(self) -> Polygon:
        """The roof's outline in plane coordinates."""
        boxes = [shapely.box(*part) for part in self.parts]
        outline = boxes[0] if len(boxes) == 1 else shapely.union_all(boxes)
        c, s = np.cos(self.angle_rad), np.sin(self.angle_rad)
        return Polygon(np.asarray(outline.exterior.coords) @ [[c, s], [-s, c]] + [self.x, self.y])

    def base_m(self, terrain: Terrain) -> float:
        """Height of the ground floor: the mean of the ground at the corners."""
        corners = np.asarray(self.polygon.exterior.coords)
        return float(np.mean(terrain.at(corners[:, 0], corners[:, 1])))


@dataclass(frozen=True, slots=True)
class Road:
    """A road's centre line, its width and surface (`asphalt` or `gravel`)."""

    line: LineString
    width_m: float
    surface: str


@dataclass(frozen=True, slots=True)
class Stream:
    """Running water by its centre line, downstream, and width."""

    line: LineString
    width_m: float

    @property
    def polygon(self) -> Polygon:
        """The water's surface at its usual level."""
        return self.line.buffer(self.width_m / 2, cap_style="flat")


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree: its crown's radius and its height, metres; fallen_deg: the direction in which a storm or earth laid it, or None."""

    point: Point
    radius_m: float
    height_m: float
    rgb: tuple[int, int, int]
    number: int = 0
    fallen_deg: float | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """A piece of ground with one cover.

    kind: `open`, `meadow`, `crop`, `ploughed`, `wood`, `yard`, `garden`, `lawn` or `paved`; rows_deg: the direction of its rows.
    """

    polygon: Polygon
    kind: str
    rows_deg: float = 0.0
    row_m: float = 0.0


@dataclass(frozen=True, slots=True)
class Car:
    """A vehicle at (x, y), heading angle_rad from east."""

    number: int

    x: float
    y: float
    angle_rad: float
    rgb: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a world is drawn from.

    bounds: (west, south, east, north) in plane coordinates; flood: height of the water above the nearest drainage at (its peak,
    now).
    """

    seed: int
    profile: str
    disaster: str
    bounds: Bounds
    terrain: Terrain
    houses: tuple[House, ...]
    roads: tuple[Road, ...]
    streams: tuple[Stream, ...]
    trees: tuple[Tree, ...]
    fields: tuple[Field, ...]
    cars: tuple[Car, ...]
    sun: Sun
    pre_sun: Sun
    flood: NDArray[np.float64] | None = None
    slide: Slide | None = None

    def near(self, bounds: Bounds) -> "Plan":
        """The plan with only those houses, trees, cars and fields that could show within the bounds."""
        west, south, east, north = bounds

        def reached(x: float, y: float, reach_m: float) -> bool:
            return west - reach_m < x < east + reach_m and south - reach_m < y < north + reach_m

        def met(item: Field) -> bool:
            w, s, e, n = item.polygon.bounds
            return w < east and e > west and s < north and n > south

        return replace(
            self,
            houses=tuple(house for house in self.houses if reached(house.x, house.y, 32)),
            trees=tuple(tree for tree in self.trees if reached(tree.point.x, tree.point.y, 12)),
            cars=tuple(car for car in self.cars if reached(car.x, car.y, 4)),
            fields=tuple(item for item in self.fields if met(item)),
        )
