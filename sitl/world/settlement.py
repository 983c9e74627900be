"""Laying out a settlement: a main road along a stream, lanes off it, parcels with houses, fields, trees and vehicles."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import LineString, Point, Polygon
from shapely.prepared import prep

from sitl.world.plan import Car, Field, House, Plan, Road, Stream, Tree
from sitl.world.sun import Sun
from sitl.world.terrain import Valley, relief

__all__ = ["PROFILES", "Profile", "lay_out"]

ROOFS = {  # material: (weight, colours, roof forms)
    "tiles": (
        0.42,
        ((140, 92, 74), (126, 82, 68), (152, 108, 88), (118, 84, 74), (138, 104, 90)),
        ("gable", "gable", "hip"),
    ),
    "metal": (
        0.24,
        ((142, 147, 150), (120, 127, 132), (92, 110, 130), (104, 120, 108), (148, 132, 120)),
        ("gable", "shed", "gable"),
    ),
    "slate": (0.14, ((92, 94, 98), (78, 80, 86), (108, 106, 104)), ("hip", "gable")),
    "concrete": (0.20, ((168, 164, 156), (148, 146, 142), (184, 178, 166)), ("flat",)),
}
WALLS = (
    (214, 205, 188),
    (196, 184, 164),
    (222, 216, 206),
    (186, 160, 138),
    (202, 194, 176),
    (170, 150, 130),
    (208, 190, 150),
)
CANOPIES = ((82, 100, 60), (94, 110, 62), (70, 90, 56), (108, 116, 70), (86, 94, 54))
CARS = ((225, 226, 228), (40, 42, 46), (120, 124, 130), (150, 36, 34), (44, 68, 118), (190, 188, 180))


@dataclass(frozen=True, slots=True)
class Profile:
    """What kind of settlement: pairs are the least and the most, in metres; floors: the shares of 1, 2, ... storeys;

    fall, rise: gradients along and across the valley; orderly: how far lanes bend and houses turn (1: as in a village);
    rows: how many houses stand behind each other along a lane."""

    lane_spacing_m: tuple[float, float]
    lane_length_m: tuple[float, float]
    frontage_m: tuple[float, float]
    setback_m: tuple[float, float]
    length_m: tuple[float, float]
    width_m: tuple[float, float]
    floors: tuple[float, ...]
    built_share: float
    l_share: float
    trees_per_ha: float
    relief_m: float
    fall: float
    rise: float
    stream_width_m: float
    materials: tuple[str, ...] = ("tiles", "metal", "slate", "concrete")
    back_lanes: int = 1
    lane_width_m: tuple[float, float] = (3.6, 4.8)
    rows: int = 1
    orderly: float = 1.0


VILLAGE = Profile(
    lane_spacing_m=(52, 74), lane_length_m=(95, 150), frontage_m=(14, 21), setback_m=(4, 7), length_m=(9, 15), width_m=(7, 10),
    floors=(0.45, 0.47, 0.08), built_share=0.9, l_share=0.3, trees_per_ha=26, relief_m=2.2, fall=0.012, rise=0.025,
    stream_width_m=5.0,
)  # fmt: skip
PROFILES = {
    "village": VILLAGE,
    "town": replace(
        VILLAGE, lane_spacing_m=(44, 56), lane_length_m=(130, 190), frontage_m=(11, 15), setback_m=(2, 3.5), length_m=(9, 13),
        width_m=(8, 11),
        floors=(0.1, 0.4, 0.3, 0.2), built_share=0.97, trees_per_ha=10, relief_m=1.2, fall=0.006, rise=0.012,
        stream_width_m=7.0, back_lanes=3,
    ),
    "informal": replace(
        VILLAGE, lane_spacing_m=(26, 36), lane_length_m=(90, 150), frontage_m=(6, 9), setback_m=(1, 2), length_m=(5, 8),
        width_m=(4, 6),
        floors=(0.92, 0.08), built_share=0.97, l_share=0.12, trees_per_ha=12, rise=0.03, stream_width_m=4.0,
        materials=("metal", "concrete"), back_lanes=2, orderly=2.5, lane_width_m=(1.6, 2.6), rows=2,
    ),
    "farmland": replace(
        VILLAGE, lane_spacing_m=(110, 160), lane_length_m=(60, 110), frontage_m=(40, 70), setback_m=(8, 14), length_m=(11,
        19), width_m=(8, 12),
        floors=(0.6, 0.4), built_share=0.75, l_share=0.5, trees_per_ha=7, relief_m=1.5, fall=0.006, rise=0.01,
        stream_width_m=4.0, back_lanes=0,
    ),
    "coast": replace(VILLAGE, lane_length_m=(80, 130), trees_per_ha=12, relief_m=0.8, fall=0.001, rise=0.014,
    stream_width_m=90.0),
    "mountain": replace(
        VILLAGE, lane_spacing_m=(60, 85), lane_length_m=(70, 110), floors=(0.35, 0.55, 0.1), trees_per_ha=55, relief_m=9.0,
        fall=0.035, rise=0.07,
        stream_width_m=6.0, materials=("slate", "tiles", "metal"),
    ),
}  # fmt: skip


def lay_out(seed: int, profile: str, size_m: tuple[float, float], margin_m: float, disaster: str) -> Plan:
    """The undamaged settlement of a profile over a rectangle of size (east-west, north-south) in metres."""
    rng = np.random.default_rng([seed, 1])
    kind = PROFILES[profile]
    width, height = size_m
    bounds = (-width / 2, -height / 2, width / 2, height / 2)
    valley = _valley(rng, kind, width, height)
    half = (width + height) / 2 + 60
    stream = Stream(valley.stream_line(half), kind.stream_width_m)
    inner = shapely.box(*bounds).buffer(-margin_m - 5, join_style="mitre")
    open_fields = _open_fields(rng, valley, inner)
    terrain = relief(valley, bounds, [item.polygon for item in open_fields], kind.stream_width_m, seed)
    roads = _roads(rng, kind, valley, half, stream, open_fields)
    taken = (
        [item.polygon for item in open_fields]
        + [road.line.buffer(road.width_m / 2) for road in roads]
        + [stream.polygon.buffer(12 if kind.stream_width_m > 30 else 5)]
    )
    houses, yards = _houses(rng, kind, roads, taken, shapely.box(*bounds).buffer(-6))
    crops = _crops(rng, valley, bounds, taken + [yard.polygon for yard in yards])
    trees = _trees(rng, kind, bounds, stream, taken, houses, crops)
    cars = _cars(rng, roads, houses, bounds)
    sun = Sun(float(rng.uniform(130, 165)), float(rng.uniform(38, 50)))
    pre_sun = Sun(float(rng.uniform(195, 240)), float(rng.uniform(46, 58)))
    fields = (*open_fields, *crops, *yards)
    return Plan(seed, profile, disaster, bounds, terrain, houses, roads, (stream,), trees, fields, cars, sun, pre_sun)


def _valley(rng: np.random.Generator, kind: Profile, width: float, height: float) -> Valley:
    across = height if width >= height else width
    turned = 0.0 if width >= height else np.pi / 2
    return Valley(
        angle_rad=float(turned + np.pi * rng.integers(2) + np.radians(rng.uniform(-9, 9))),
        mirror=float(rng.choice([-1.0, 1.0])),
        offset_m=float(-across * rng.uniform(0.26, 0.31) - max(0.0, kind.stream_width_m / 2 - 20)),
        fall=kind.fall,
        rise=kind.rise,
        curve=kind.relief_m * 2.5e-5,
        relief_m=kind.relief_m,
        phase=float(rng.uniform(0, 2 * np.pi)),
        meander_m=float(rng.uniform(6, 11)),
    )


def _open_fields(rng: np.random.Generator, valley: Valley, inner: Polygon) -> list[Field]:
    """One open field (about 1.3 ha) in an upper corner of the area that is photographed; a second one in a large world."""
    s0, _, s1, t1 = shapely.transform(inner, lambda p: np.column_stack(valley.from_plane(p[:, 0], p[:, 1]))).bounds
    fields = []
    for number in range(2 if inner.area > 250_000 else 1):
        length, depth = rng.uniform(122, 134), rng.uniform(100, 108)
        side = 1 if (rng.integers(2) + number) % 2 else -1
        best = None
        for shrink in np.arange(
            0, 80, 2.0
        ):  # the corner of the turned rectangle nearest to the corner of the area that fits
            s = (s1 - length / 2 - shrink * 0.8) if side > 0 else (s0 + length / 2 + shrink * 0.8)
            t = t1 - depth / 2 - shrink * 0.6
            corners = [
                (s - length / 2, t - depth / 2),
                (s + length / 2, t - depth / 2),
                (s + length / 2, t + depth / 2),
                (s - length / 2, t + depth / 2),
            ]
            best = Polygon(valley.to_plane(*np.array(corners).T))
            if inner.contains(best):
                break
        if best is not None and inner.contains(best):
            fields.append(Field(best, "open"))
    return fields


def _curve(valley: Valley, s: NDArray[np.float64], t: NDArray[np.float64]) -> LineString:
    return LineString(valley.to_plane(s, t))


def _roads(
    rng: np.random.Generator, kind: Profile, valley: Valley, half: float, stream: Stream, open_fields: list[Field]
) -> tuple[Road, ...]:
    base = kind.stream_width_m / 2 + rng.uniform(34, 42)
    s = np.arange(-half, half + 1, 4.0)
    phase = rng.uniform(0, 6, 3)

    def main_t(at: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(base + kind.orderly * (5 * np.sin(at / 70 + phase[0]) + 2 * np.sin(at / 31 + phase[1])))

    roads = [Road(_curve(valley, s, main_t(s)), 6.0, "asphalt")]
    closed = shapely.union_all([item.polygon.buffer(4) for item in open_fields]) if open_fields else Polygon()
    lanes: list[LineString] = []
    at = -half + rng.uniform(20, 50)
    while at < half:
        length = rng.uniform(*kind.lane_length_m)
        along = np.arange(0, length, 4.0)
        bend = rng.normal(0, 4 * kind.orderly) * np.sin(along / length * np.pi) + rng.normal(0, 0.06) * along
        lanes.append(_curve(valley, at + bend, main_t(np.array([at]))[0] + along))
        at += rng.uniform(*kind.lane_spacing_m)
    for number in range(kind.back_lanes):
        depth_m = base + (number + 1) * float(np.mean(kind.lane_length_m)) * 0.85 / kind.back_lanes
        lanes.append(_curve(valley, s, depth_m + kind.orderly * 3 * np.sin(s / 44 + phase[2] + number)))
    for lane in lanes:
        pieces = shapely.difference(lane, closed)
        for piece in shapely.get_parts(pieces):
            if piece.length > 30:
                roads.append(
                    Road(piece, float(rng.uniform(*kind.lane_width_m)), str(rng.choice(["asphalt", "gravel"])))
                )
    bridge_s = rng.uniform(-60, 60)
    t = np.arange(-kind.stream_width_m / 2 - 160, base + 1, 4.0)
    if kind.stream_width_m < 30:
        roads.append(Road(_curve(valley, np.full_like(t, bridge_s) + 4 * np.sin(t / 40), t), 4.2, "gravel"))
    return tuple(roads)


def _house(rng: np.random.Generator, kind: Profile, number: int, angle_rad: float) -> House:
    """A house at the origin; every fifth has its gable to the road."""
    weights = np.array([ROOFS[name][0] for name in kind.materials])
    material = str(rng.choice(kind.materials, p=weights / weights.sum()))
    _, colours, forms = ROOFS[material]
    length, width = rng.uniform(*kind.length_m), rng.uniform(*kind.width_m)
    width = min(width, length)
    parts = [(-length / 2, -width / 2, length / 2, width / 2)]
    gable = rng.random() < 0.22
    if not gable and rng.random() < kind.l_share:
        wing, reach = rng.uniform(0.5, 0.75) * width, rng.uniform(0.5, 0.8) * width
        end = rng.choice([-1, 1])
        u0, u1 = sorted((end * length / 2, end * (length / 2 - wing)))
        parts.append((u0, -width / 2, u1, width / 2 + reach))
    floors = int(rng.choice(len(kind.floors), p=kind.floors)) + 1
    tone = rng.normal(1, 0.07)
    roof_rgb = np.clip(np.array(colours[rng.integers(len(colours))]) * tone + rng.normal(0, 4, 3), 20, 245).astype(int)
    return House(
        number=number,
        x=0.0,
        y=0.0,
        angle_rad=angle_rad + np.pi / 2 * gable,
        parts=tuple(parts),
        floors=floors,
        wall_m=2.8 * floors + float(rng.uniform(0.0, 0.4)),
        roof=str(forms[rng.integers(len(forms))]),
        pitch=float(np.tan(np.radians(rng.uniform(20, 34) if material != "metal" else rng.uniform(10, 20)))),
        material=material,
        roof_rgb=(int(roof_rgb[0]), int(roof_rgb[1]), int(roof_rgb[2])),
        wall_rgb=WALLS[rng.integers(len(WALLS))],
    )


@dataclass(frozen=True, slots=True)
class _Plot:
    """A place for a house: the middle of its frontage, the road's heading there, which side of it, and how far it lies back."""

    x: float
    y: float
    heading_rad: float
    side: int
    frontage_m: float
    back_m: float


def _plots(rng: np.random.Generator, kind: Profile, roads: tuple[Road, ...]) -> Iterator[_Plot]:
    """Plots along both sides of every road; some stay empty."""
    for road in roads:
        for side, row in itertools.product((1, -1), range(kind.rows)):
            at = rng.uniform(4, 10)
            while at < road.line.length - 4:
                frontage = rng.uniform(*kind.frontage_m)
                middle = at + frontage / 2
                at += frontage
                if rng.random() > kind.built_share or middle > road.line.length:
                    continue
                p, q = road.line.interpolate(middle - 1), road.line.interpolate(middle + 1)
                heading = float(np.arctan2(q.y - p.y, q.x - p.x))
                back = road.width_m / 2 + rng.uniform(*kind.setback_m) + row * (kind.width_m[1] + 2)
                yield _Plot((p.x + q.x) / 2, (p.y + q.y) / 2, heading, side, frontage, float(back))


def _houses(
    rng: np.random.Generator, kind: Profile, roads: tuple[Road, ...], taken: list[Polygon], inside: Polygon
) -> tuple[tuple[House, ...], list[Field]]:
    """Houses on their plots; none touches another, a road, water or an open field."""
    blocked = prep(shapely.union_all([polygon.buffer(1.5 if kind.rows == 1 else 0.5) for polygon in taken]))
    gap_m = 1.6 if kind.rows == 1 else 0.7
    houses: list[House] = []
    yards: list[Field] = []
    near: dict[tuple[int, int], list[Polygon]] = {}  # outlines by squares of 40 m, more than a house is long
    for plot in _plots(rng, kind, roads):
        turn = plot.heading_rad + np.pi * (plot.side < 0) + float(rng.normal(0, 0.05 * kind.orderly))
        house = _house(rng, kind, len(houses) + 1, turn)
        depth = max(part[3] for part in house.parts) - min(part[1] for part in house.parts)
        away = plot.side * (plot.back_m + depth / 2)
        house = replace(house, x=plot.x - np.sin(plot.heading_rad) * away, y=plot.y + np.cos(plot.heading_rad) * away)
        outline = house.polygon
        square = (int(house.x // 40), int(house.y // 40))
        around = [
            other
            for i, j in itertools.product((-1, 0, 1), repeat=2)
            for other in near.get((square[0] + i, square[1] + j), ())
        ]
        spaced = outline.buffer(gap_m)
        if (
            not inside.contains(outline)
            or blocked.intersects(outline)
            or any(spaced.intersects(other) for other in around)
        ):
            continue
        houses.append(house)
        near.setdefault(square, []).append(outline)
        yards.append(_yard(rng, plot.heading_rad, house, plot.frontage_m, depth))
    return tuple(houses), yards


def _yard(rng: np.random.Generator, heading: float, house: House, frontage: float, depth: float) -> Field:
    half_u, half_v = frontage / 2 - 0.6, depth / 2 + rng.uniform(3, 7)
    c, s = np.cos(heading), np.sin(heading)
    corners = np.array([(-half_u, -half_v), (half_u, -half_v), (half_u, half_v), (-half_u, half_v)])
    polygon = Polygon(corners @ [[c, s], [-s, c]] + [house.x, house.y])
    kind = str(rng.choice(["yard", "garden", "paved", "lawn"], p=[0.35, 0.25, 0.12, 0.28]))
    return Field(polygon, kind, float(np.degrees(heading)) + 90 * int(rng.integers(2)), 0.9)


def _crops(
    rng: np.random.Generator, valley: Valley, bounds: tuple[float, float, float, float], taken: list[Polygon]
) -> list[Field]:
    """Strips of cultivated land where nobody lives: a net of blocks less what is taken."""
    free = shapely.box(*bounds).difference(shapely.union_all([polygon.buffer(3) for polygon in taken]))
    reach = bounds[2] - bounds[0] + bounds[3] - bounds[1]
    fields: list[Field] = []
    s = -reach / 2
    while s < reach / 2:
        length = rng.uniform(45, 95)
        t = -reach / 2
        while t < reach / 2:
            depth = rng.uniform(22, 50)
            corners = np.array([(s, t), (s + length - 2, t), (s + length - 2, t + depth - 2), (s, t + depth - 2)])
            block = Polygon(valley.to_plane(*corners.T)).intersection(free)
            heading = float(np.degrees(valley.angle_rad)) + float(rng.choice([0, 90])) + float(rng.normal(0, 3))
            kind = str(rng.choice(["crop", "ploughed", "meadow", "wood"], p=[0.36, 0.2, 0.32, 0.12]))
            row = float(rng.uniform(0.5, 1.1))
            fields += [
                Field(piece, kind, heading, row)
                for piece in shapely.get_parts(block)
                if piece.geom_type == "Polygon" and piece.area > 350
            ]
            t += depth
        s += length
    return fields


def _trees(
    rng: np.random.Generator,
    kind: Profile,
    bounds: tuple[float, float, float, float],
    stream: Stream,
    taken: list[Polygon],
    houses: tuple[House, ...],
    crops: list[Field],
) -> tuple[Tree, ...]:
    west, south, east, north = bounds
    area_ha = (east - west) * (north - south) / 1e4
    scattered = rng.uniform((west, south), (east, north), (int(area_ha * kind.trees_per_ha), 2))
    along = rng.uniform(0, stream.line.length, int(stream.line.length / 7))
    bank = np.array([stream.line.interpolate(d).coords[0] for d in along]) + rng.normal(
        0, 3.5 + stream.width_m / 2, (len(along), 2)
    )
    woods = [wood.polygon for wood in crops if wood.kind == "wood"]
    grove = [rng.uniform(w.bounds[:2], w.bounds[2:], (int(w.envelope.area / 16), 2)) for w in woods]
    in_grove = [p[shapely.contains_xy(w.buffer(-2), p)] for p, w in zip(grove, woods, strict=True)]
    points = np.concatenate([bank, *in_grove, scattered])
    fields = (
        shapely.union_all([crop.polygon for crop in crops if crop.kind in ("crop", "ploughed")]) if crops else Polygon()
    )
    blocked = prep(
        shapely.union_all(
            [*taken[:-1], taken[-1].buffer(-4.5), *(house.polygon.buffer(1.8) for house in houses), fields]
        )
    )
    trees: list[Tree] = []
    for x, y in points:
        radius = float(np.clip(rng.lognormal(0.85, 0.4), 0.9, 5.5))
        crown = Point(x, y).buffer(radius * 0.8)
        if blocked.intersects(crown) or not (west < x < east and south < y < north):
            continue
        colour = np.clip(np.array(CANOPIES[rng.integers(len(CANOPIES))]) * rng.normal(1, 0.1), 15, 200).astype(int)
        trees.append(
            Tree(
                Point(x, y),
                radius,
                float(radius * rng.uniform(1.7, 2.4) + 0.6),
                (int(colour[0]), int(colour[1]), int(colour[2])),
                len(trees),
            )
        )
    return tuple(trees)


def _cars(
    rng: np.random.Generator,
    roads: tuple[Road, ...],
    houses: tuple[House, ...],
    bounds: tuple[float, float, float, float],
) -> tuple[Car, ...]:
    built = prep(shapely.union_all([house.polygon.buffer(1) for house in houses]) if houses else Polygon())
    inside = prep(shapely.box(*bounds).buffer(-5))
    cars: list[Car] = []
    for road in roads:
        for _ in range(int(road.line.length / 60)):
            at = rng.uniform(3, max(4.0, road.line.length - 3))
            p, q = road.line.interpolate(at - 1), road.line.interpolate(at + 1)
            heading = float(np.arctan2(q.y - p.y, q.x - p.x))
            off = (road.width_m / 2 - 1.1) * rng.choice([-1, 1])
            x, y = (p.x + q.x) / 2 - np.sin(heading) * off, (p.y + q.y) / 2 + np.cos(heading) * off
            spot = Point(x, y).buffer(2.5)
            if inside.contains(spot) and not built.intersects(spot):
                cars.append(
                    Car(
                        len(cars),
                        float(x),
                        float(y),
                        heading + float(rng.normal(0, 0.04)),
                        CARS[rng.integers(len(CARS))],
                    )
                )
    return tuple(cars)
