"""Drawing a plan: any north-up window of it, before or after the disaster, as orthophoto, surface and bare terrain."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sitl.world.canvas import Canvas, paint_box, paint_tree, sample
from sitl.world.ground import Ground, paint_ground, survey_ground
from sitl.world.houses import paint_house
from sitl.world.light import lit
from sitl.world.plan import Car, Plan, Tree

__all__ = ["HALO_M", "Drawn", "Tile", "draw"]

HALO_M = 24.0  # what stands outside a window can reach into it: the shadow of a house of three storeys at noon


@dataclass(frozen=True, slots=True)
class Tile:
    """A drawn window. ortho: uint8 (H, W, 3), lit; dsm, dtm: float32 metres; labels: uint16 house numbers; lost: uint8 flags."""

    ortho: NDArray[np.uint8]
    dsm: NDArray[np.float32]
    dtm: NDArray[np.float32]
    labels: NDArray[np.uint16]
    lost: NDArray[np.uint8]

    @classmethod
    def empty(cls, shape: tuple[int, int]) -> "Tile":
        """A tile to put others into."""
        dsm, dtm = np.empty(shape, np.float32), np.empty(shape, np.float32)
        return cls(np.empty((*shape, 3), np.uint8), dsm, dtm, np.empty(shape, np.uint16), np.empty(shape, np.uint8))

    def put(self, other: "Tile", row: int, col: int) -> None:
        """Copy another tile to a place in this one."""
        part = (slice(row, row + other.dsm.shape[0]), slice(col, col + other.dsm.shape[1]))
        for name in ("ortho", "dsm", "dtm", "labels", "lost"):
            getattr(self, name)[part] = getattr(other, name)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A window after and before the disaster."""

    after: Tile
    before: Tile


def draw(plan: Plan, left_m: float, top_m: float, cell_m: float, shape: tuple[int, int]) -> Drawn:
    """The window of `shape` cells whose north-west corner is (left_m, top_m) in plane coordinates.

    A halo is drawn around it and cut off again, so that windows fit together.
    """
    west, south, east, north = plan.bounds
    rows, cols = shape
    halo = int(np.ceil(HALO_M / cell_m))
    c0 = min(halo, max(0, round((left_m - west) / cell_m)))
    r0 = min(halo, max(0, round((north - top_m) / cell_m)))
    c1 = min(halo, max(0, round((east - left_m) / cell_m) - cols))
    r1 = min(halo, max(0, round((top_m - south) / cell_m) - rows))
    corner = (left_m + (0.5 - c0) * cell_m, top_m - (0.5 - r0) * cell_m)
    plan = plan.near(
        (corner[0], corner[1] - (rows + r0 + r1) * cell_m, corner[0] + (cols + c0 + c1) * cell_m, corner[1])
    )
    bare = Canvas.empty(*corner, cell_m, (rows + r0 + r1, cols + c0 + c1))
    bare.dtm[:] = sample(plan.terrain.heights_m, plan.terrain, bare)
    ground = survey_ground(bare, plan)
    cut = (slice(r0, r0 + rows), slice(c0, c0 + cols))
    return Drawn(_painted(plan, bare, ground, cut, before=False), _painted(plan, bare, ground, cut, before=True))


def _painted(plan: Plan, bare: Canvas, ground: Ground, cut: tuple[slice, slice], before: bool) -> Tile:
    bare_ground = bare.dtm
    if plan.slide is not None and not before:
        bare_ground = bare_ground + sample(plan.slide.change_m, plan.terrain, bare)
    canvas = Canvas.empty(bare.left_m, bare.top_m, bare.cell_m, bare.dtm.shape, bare_ground)
    paint_ground(canvas, plan, ground, before)
    _paint_objects(canvas, plan, before)
    ortho = lit(canvas.rgb, canvas.dsm, canvas.cell_m, plan.pre_sun if before else plan.sun)
    return Tile(ortho[cut], canvas.dsm[cut], canvas.dtm[cut], canvas.labels[cut], canvas.lost[cut])


def _paint_objects(canvas: Canvas, plan: Plan, before: bool) -> None:
    for house in plan.houses:
        paint_house(canvas, house, plan.terrain, plan.seed, damaged=not before)
    for car in plan.cars:
        if car.number % 3 != before:  # some cars came, some left between the two dates
            _paint_car(canvas, car, float(plan.terrain.at(car.x, car.y)))
    for tree in plan.trees:
        _paint_tree(canvas, plan, tree, before)


def _paint_car(canvas: Canvas, car: Car, ground: float) -> None:
    """A body, a dark belt of windows and a roof."""
    colour = (float(car.rgb[0]), float(car.rgb[1]), float(car.rgb[2]))
    glass = (36.0, 40.0, 46.0)
    for half, height, back, paint in (
        ((2.15, 0.88), 0.85, 0.0, colour),
        ((1.25, 0.76), 1.3, 0.2, glass),
        ((0.8, 0.72), 1.45, 0.2, colour),
    ):
        x, y = car.x - back * np.cos(car.angle_rad), car.y - back * np.sin(car.angle_rad)
        paint_box(
            canvas.dsm, canvas.rgb, canvas.left_m, canvas.top_m, canvas.cell_m, x, y, car.angle_rad, half, ground + height,
            (0.0, 0.0),
            paint, 0.04, car.number,
        )  # fmt: skip


def _paint_tree(canvas: Canvas, plan: Plan, tree: Tree, before: bool) -> None:
    ground = float(plan.terrain.at(tree.point.x, tree.point.y))
    height, lean = tree.height_m, (0.0, 0.0)
    if tree.fallen_deg is not None and not before:
        a = np.radians(tree.fallen_deg)
        lean, height = (float(np.sin(a)) * tree.height_m, float(np.cos(a)) * tree.height_m), 0.35 * tree.height_m
    red, green, blue = (float(v) for v in tree.rgb)
    if before:
        red, green, blue = red * 0.9, green * 1.08, blue * 0.92
    paint_tree(
        canvas.dsm, canvas.rgb, canvas.left_m, canvas.top_m, canvas.cell_m, tree.point.x, tree.point.y, ground,
        tree.radius_m, height, (red, green, blue), lean, plan.seed * 101 + tree.number,
    )  # fmt: skip
