"""Generated ground for tests: sites of any shape on sloping ground, with obstacles that are known exactly."""

import json
import math
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pyproj
import shapely
from shapely import affinity

from imagery.core.files import to_json
from imagery.sites import SitesResult, load_standards, place_sites
from imagery.sites.grid import Grid
from imagery.sites.output import layer_frames, rules_document
from imagery.sites.suitability import Ground, Layers, assess
from tests.oracles.site_rules import Truth, violations

CRS = pyproj.CRS.from_epsg(32633)
WEST, NORTH = 500_000.0, 4_000_000.0


@dataclass
class Case:
    """Ground of `size` metres with a drawn site or none.

    `shape` is in metres from the south-west corner, like all else.
    """

    size: tuple[int, int] = (160, 160)
    shape: shapely.Polygon | None = None
    slope_pct: float = 0.0
    towards_deg: float = 0.0
    waves_m: float = 0.0
    trees: tuple[tuple[float, float, float], ...] = ()
    buildings: tuple[tuple[float, float, float, float, float], ...] = ()
    water: shapely.Polygon | None = None
    road: shapely.LineString | None = None
    profile: str = "standard"
    shift: tuple[float, float] = (0.0, 0.0)

    def placed(self, shape: shapely.Geometry) -> shapely.Geometry:
        """A shape in map coordinates."""
        return affinity.translate(shape, WEST + self.shift[0], NORTH - self.size[1] + self.shift[1])

    def heights(self) -> np.ndarray:
        """The bare ground (h, w)."""
        width, height = self.size
        x, y = np.meshgrid(np.arange(width) + 0.5, height - np.arange(height) - 0.5)
        x, y = x - self.shift[0], y - self.shift[1]
        direction = math.radians(self.towards_deg)
        ramp = self.slope_pct / 100 * (x * math.cos(direction) + y * math.sin(direction))
        return 100 + ramp + self.waves_m * np.sin(x / 17) * np.cos(y / 23)

    def run(self, people: int | None = None) -> tuple[SitesResult, Truth]:
        """Assess and lay out; the truth is for the oracle."""
        width, height = self.size
        grid = Grid(CRS, WEST, NORTH, 1.0, height, width)
        bare = self.heights().astype(np.float32)
        surface, rgb = bare.copy(), np.full((3, height, width), 0.5, np.float32)
        x, y = np.meshgrid(np.arange(width) + 0.5 + WEST, NORTH - np.arange(height) - 0.5)
        trees, damaged = [], []
        for u, v, top in self.trees:
            crown = self.placed(shapely.Point(u, v).buffer(max(1.5, top / 3)))
            cells = shapely.contains_xy(crown, x, y)
            surface[cells] += top
            rgb[:, cells] = np.array([[0.2], [0.5], [0.15]])
            trees.append((crown, top))
        for u, v, length, depth, top in self.buildings:
            walls = self.placed(shapely.box(u, v, u + length, v + depth))
            surface[shapely.contains_xy(walls, x, y)] += top
            damaged.append((walls, top))
        layer = {
            "water": None if self.water is None else self.placed(self.water),
            "roads": None if self.road is None else self.placed(self.road),
            "site": None if self.shape is None else self.placed(self.shape),
        }
        frames = {
            name: gpd.GeoDataFrame(geometry=[shape], crs=CRS) for name, shape in layer.items() if shape is not None
        }
        if damaged:
            frames["damage"] = gpd.GeoDataFrame(
                {"jds_grade": ["destroyed"] * len(damaged)}, geometry=[walls for walls, _ in damaged], crs=CRS
            )
        layers = Layers(**frames)
        standards = load_standards(self.profile)
        ground = assess(Ground(grid, surface, bare, rgb, True), layers, standards)
        truth = Truth(
            bare,
            WEST,
            NORTH,
            1.0,
            self.profile,
            water=[] if layer["water"] is None else [layer["water"]],
            roads=[] if layer["roads"] is None else [layer["roads"].buffer(3.0, cap_style="flat")],
            trees=trees,
            damaged=damaged,
            drawn=layer["site"],
        )
        return place_sites(ground, layers, standards, people), truth


def broken(result: SitesResult, truth: Truth) -> list[str]:
    """What the oracle finds wrong."""
    return violations(layer_frames(result), json.loads(to_json(rules_document(result))), truth)


def random_case(seed: int) -> Case:
    """Any of the kinds of sites: rectangles, L-shapes, stars, slivers and rings, on slopes, with obstacles."""
    random = np.random.default_rng(seed)
    size = (int(random.integers(70, 260)), int(random.integers(70, 260)))
    middle = np.array(size) / 2
    kind = random.choice(["rectangle", "l", "star", "sliver", "ring", "none"])
    shape = _shape(random, kind, middle, min(size) * random.uniform(0.35, 0.5))
    count = int(random.integers(0, 7)) if random.random() < 0.7 else 0
    trees = tuple(
        (random.uniform(5, size[0] - 5), random.uniform(5, size[1] - 5), random.uniform(3, 12)) for _ in range(count)
    )
    buildings = tuple(
        (
            random.uniform(2, size[0] - 20),
            random.uniform(2, size[1] - 20),
            random.uniform(6, 15),
            random.uniform(6, 12),
            random.uniform(3, 9),
        )
        for _ in range(int(random.integers(0, 3)))
    )
    water = road = None
    if random.random() < 0.25:
        water = shapely.Point(random.uniform(0, size[0]), random.uniform(0, size[1])).buffer(random.uniform(3, 15))
    if random.random() < 0.35:
        at = random.uniform(3, size[1] - 3)
        road = shapely.LineString([(0, at), (size[0], random.uniform(3, size[1] - 3))])
    return Case(
        size=size,
        shape=shape,
        slope_pct=float(random.choice([0, 0, 1, 2.5, 4, 6, 8, 9.5, 11])),
        towards_deg=random.uniform(0, 360),
        waves_m=float(random.choice([0, 0, 0.2, 0.6])),
        trees=trees,
        buildings=buildings,
        water=water,
        road=road,
        profile=str(random.choice(["standard", "standard", "minimum", "fire", "cold", "services-outside"])),
    )


def _shape(random: np.random.Generator, kind: str, middle: np.ndarray, radius: float) -> shapely.Polygon | None:
    x, y = middle
    if kind == "none":
        return None
    if kind == "rectangle":
        shape = shapely.box(x - radius, y - radius * random.uniform(0.4, 1), x + radius, y + radius * 0.6)
    elif kind == "sliver":
        shape = shapely.box(x - radius, y - random.uniform(5, 14), x + radius, y + random.uniform(5, 14))
    elif kind == "l":
        corner = random.uniform(0.3, 0.7) * radius
        shape = shapely.box(x - radius, y - radius, x + radius, y + radius).difference(
            shapely.box(x - radius + corner, y - radius + corner, x + radius, y + radius)
        )
    elif kind == "ring":
        hole = shapely.Point(x + random.uniform(-10, 10), y).buffer(radius * random.uniform(0.1, 0.5))
        shape = shapely.Point(x, y).buffer(radius).difference(hole)
    else:
        angles = np.sort(random.uniform(0, 2 * math.pi, 9))
        reach = radius * random.uniform(0.5, 1.0, 9)
        shape = shapely.Polygon(np.column_stack([x + reach * np.cos(angles), y + reach * np.sin(angles)])).buffer(0)
        shape = max(shapely.get_parts(shape), key=lambda part: part.area)
    return affinity.rotate(shape, random.uniform(0, 180), origin=(x, y))
