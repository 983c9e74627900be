"""Capacity and speed of tent sites: persons housed against the standard's limit, floor(area / 45), with every rule held.

`python -m tests.benchmarks.bench_sites` prints the table.
"""

import math
import time

import shapely
from shapely import affinity

from tests.imagery.sites.cases import Case, broken

SHAPES = {
    "square, 2 ha": shapely.box(0, 0, 142, 142),
    "1:2, 2 ha, turned 33 deg": affinity.rotate(shapely.box(0, 0, 200, 100.5), 33),
    "1:3, 2 ha, turned 17 deg": affinity.rotate(shapely.box(0, 0, 246, 82), 17),
    "square, 10 ha": shapely.box(0, 0, 317, 317),
    "disc, 4 ha": shapely.Point(0, 0).buffer(113),
    "L, 3.5 ha": shapely.box(0, 0, 220, 220).difference(shapely.box(100, 100, 220, 220)),
    "ring, 3 ha": shapely.Point(0, 0).buffer(110).difference(shapely.Point(10, 5).buffer(45)),
    "star, 2.6 ha": shapely.Polygon(
        [(0, 60), (120, 80), (150, 0), (190, 90), (300, 110), (200, 150), (150, 260), (110, 150)]
    ),
    "square, 90 ha": shapely.box(0, 0, 949, 949),
}
PROFILES = ("minimum", "standard", "fire")


def case_of(shape: shapely.Polygon, profile: str, slope_pct: float = 3.0) -> Case:
    """The shape on ground that slopes, 8 m inside the survey."""
    u0, v0, u1, v1 = shape.bounds
    moved = affinity.translate(shape, 8 - u0, 8 - v0)
    return Case((math.ceil(u1 - u0) + 16, math.ceil(v1 - v0) + 16), moved, slope_pct, 20.0, profile=profile)


def main() -> None:
    """Print the table."""
    case_of(SHAPES["square, 2 ha"], "standard").run()  # compiles
    print(f"{'site':<26} {'profile':<10} {'limit':>6} {'persons':>8} {'ratio':>6} {'seconds':>8} {'rules broken':>13}")
    for name, shape in SHAPES.items():
        for profile in PROFILES:
            start = time.perf_counter()
            result, truth = case_of(shape, profile).run()
            seconds = time.perf_counter() - start
            limit = math.floor(shape.area / 45)
            wrong = len(broken(result, truth)) if shape.area < 2e5 else sum(len(site.broken) for site in result.sites)
            ratio = result.persons / limit
            print(f"{name:<26} {profile:<10} {limit:>6} {result.persons:>8} {ratio:>6.3f} {seconds:>8.1f} {wrong:>13}")


if __name__ == "__main__":
    main()
