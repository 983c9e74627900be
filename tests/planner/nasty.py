"""Areas that planners stumble over, in metres around an origin; `to_degrees` puts them on Earth."""

import math

import numpy as np
import shapely
import shapely.affinity

from imagery.core.frame import LocalFrame

__all__ = ["NASTY", "to_degrees"]


def comb(teeth: int = 6, width: float = 60.0, depth: float = 400.0) -> shapely.Polygon:
    """A bar with parallel teeth."""
    parts = [shapely.box(0, 0, (2 * teeth - 1) * width, 80)]
    parts += [shapely.box(2 * i * width, 0, (2 * i + 1) * width, depth) for i in range(teeth)]
    return shapely.union_all(parts)


def star(points: int = 7, outer: float = 450.0, inner: float = 170.0) -> shapely.Polygon:
    """A star with acute tips."""
    angle = np.arange(2 * points) * math.pi / points + 0.1
    radius = np.where(np.arange(2 * points) % 2, inner, outer)
    return shapely.Polygon(np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]))


def river(length: float = 2500.0, width: float = 90.0) -> shapely.Polygon:
    """A winding band."""
    x = np.linspace(0, length, 120)
    return shapely.LineString(np.column_stack([x, 250 * np.sin(x / 280) + 80 * np.sin(x / 90)])).buffer(width / 2)


def holes(seed: int = 3) -> shapely.Polygon:
    """A block with several round and square holes."""
    generator = np.random.default_rng(seed)
    area = shapely.box(0, 0, 900, 700)
    for x, y in [(200, 200), (450, 480), (700, 220), (690, 540), (180, 560)]:
        size = float(generator.uniform(25, 70))
        area = area.difference(
            shapely.Point(x, y).buffer(size, quad_segs=4)
            if x % 20
            else shapely.box(x - size, y - size, x + size, y + size)
        )
    return area


def sliver() -> shapely.Polygon:
    """2 km long and 12 m wide at most."""
    return shapely.Polygon([(0, 0), (2000, 100), (1000, 62), (0, 4)])


def spiral() -> shapely.Polygon:
    """A band wound twice around its end."""
    t = np.linspace(0.6, 4 * math.pi, 240)
    return shapely.LineString(np.column_stack([t * 35 * np.cos(t), t * 35 * np.sin(t)])).buffer(45)


def coastline(vertices: int = 10_000, seed: int = 7) -> shapely.Polygon:
    """A rough coast of 10,000 vertices around 1.5 km2."""
    generator = np.random.default_rng(seed)
    angle = np.linspace(0, 2 * math.pi, vertices, endpoint=False)
    radius = 700.0 * np.ones(vertices)
    for order in range(2, 400):
        radius += generator.normal(0, 250 / order**1.35) * np.cos(order * angle + generator.uniform(0, 2 * math.pi))
    radius = np.maximum(radius, 150)
    return shapely.Polygon(np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]))


def islands() -> shapely.MultiPolygon:
    """Three separate polygons, one of them small."""
    return shapely.MultiPolygon(
        [shapely.box(0, 0, 300, 250), shapely.box(420, 60, 800, 380), shapely.Point(200, 520).buffer(60)]
    )


def courtyard() -> shapely.Polygon:
    """A ring around a large hole."""
    return shapely.box(0, 0, 600, 600).difference(shapely.box(80, 80, 520, 520))


def hourglass() -> shapely.Polygon:
    """Two triangles joined by a neck of 4 m."""
    return shapely.Polygon([(0, 0), (500, 0), (252, 300), (500, 600), (0, 600), (248, 300)])


def letter(arm: float = 110.0, size: float = 700.0) -> shapely.Polygon:
    """An H with a slanting bar, turned by 20 degrees."""
    bar = shapely.Polygon([(arm, 250), (size - arm, 380), (size - arm, 380 + arm), (arm, 250 + arm)])
    shape = shapely.union_all([shapely.box(0, 0, arm, size), bar, shapely.box(size - arm, 0, size, size)])
    return shapely.affinity.rotate(shape, 20, origin=(0, 0))


def valleys(seed: int = 11, arms: int = 6) -> shapely.Polygon:
    """Arms of seeded directions, lengths and widths from one place, like valleys that meet."""
    generator = np.random.default_rng(seed)
    angle = np.linspace(0, 2 * math.pi, arms, endpoint=False) + generator.uniform(-0.3, 0.3, arms)
    tips = generator.uniform(350, 900, arms)[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    widths = generator.uniform(60, 160, arms)
    return shapely.union_all(
        [
            shapely.LineString([(0, 0), tip]).buffer(width / 2, cap_style="flat")
            for tip, width in zip(tips, widths, strict=True)
        ]
    )


def buildings(count: int = 150, seed: int = 5) -> shapely.MultiPolygon:
    """Separate footprints of buildings in a few hamlets."""
    generator = np.random.default_rng(seed)
    hamlets = generator.uniform(0, 1200, (4, 2))
    corner = hamlets[generator.integers(0, len(hamlets), count)] + generator.normal(0, 70, (count, 2))
    size = generator.uniform(6, 16, (count, 2))
    return shapely.union_all(shapely.box(*corner.T, *(corner + size).T))


def speck() -> shapely.Polygon:
    """Smaller than one photo."""
    return shapely.box(0, 0, 20, 15)


SHAPES = (
    comb,
    star,
    river,
    holes,
    sliver,
    spiral,
    coastline,
    islands,
    courtyard,
    hourglass,
    letter,
    valleys,
    buildings,
    speck,
)
NASTY = {shape.__name__: shape for shape in SHAPES}


def to_degrees(geometry: shapely.Geometry, lon: float = 36.93, lat: float = 37.58) -> shapely.Geometry:
    """The geometry moved so that its origin is at a longitude and latitude."""
    frame = LocalFrame(lon, lat)
    return shapely.transform(geometry, lambda points: np.column_stack(frame.to_geographic(points[:, 0], points[:, 1])))
