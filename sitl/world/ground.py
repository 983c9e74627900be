"""What the ground looks like: grass, soil, crops, roads, banks and water, in colours that repeat nowhere."""

from dataclasses import dataclass

import cv2
import numba
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from sitl.world.canvas import Canvas, sample
from sitl.world.noise import fractal
from sitl.world.plan import Plan

__all__ = ["Ground", "paint_ground", "survey_ground"]

# cover: (one end of its colours, the other end, weight of patches, weight of broad changes, grain, ragged edge in metres)
BROAD, PATCH, GRAIN = (
    ((71, 0.6), (23, 0.35)),
    ((6.1, 0.34), (2.9, 0.3), (1.3, 0.26), (0.61, 0.2)),
    ((0.31, 0.38), (0.137, 0.42), (0.047, 0.4)),
)

# both ends of the colours, weights of patches and of broad changes, grain, ragged edge in metres, roughness of the relief
COVERS = {
    "grass": ((92, 100, 58), (148, 138, 92), 0.75, 0.55, 0.30, 0.5, 1.0),
    "meadow": ((98, 108, 58), (134, 134, 78), 0.7, 0.4, 0.30, 0.3, 1.0),
    "open": ((122, 122, 74), (158, 146, 102), 0.7, 0.45, 0.24, 0.5, 0.7),
    "yard": ((142, 122, 96), (168, 152, 124), 0.8, 0.3, 0.22, 0.35, 0.6),
    "garden": ((98, 88, 62), (110, 118, 66), 0.9, 0.2, 0.32, 0.2, 1.5),
    "lawn": ((92, 112, 58), (122, 130, 76), 0.8, 0.3, 0.26, 0.2, 0.7),
    "paved": ((150, 146, 140), (172, 168, 160), 0.5, 0.2, 0.14, 0.05, 0.1),
    "crop": ((84, 108, 48), (138, 136, 74), 0.5, 0.5, 0.26, 0.15, 2.5),
    "ploughed": ((112, 88, 64), (140, 116, 88), 0.6, 0.4, 0.28, 0.2, 1.3),
    "wood": ((66, 70, 44), (92, 84, 58), 0.8, 0.2, 0.34, 0.8, 3.0),
    "asphalt": ((98, 98, 100), (124, 122, 118), 0.5, 0.3, 0.15, 0.12, 0.1),
    "gravel": ((156, 144, 122), (178, 166, 144), 0.7, 0.3, 0.20, 0.4, 0.4),
    "bank": ((118, 108, 86), (142, 134, 112), 0.8, 0.2, 0.28, 0.8, 1.0),
    "water": ((56, 72, 66), (76, 88, 78), 0.35, 0.4, 0.05, 0.3, 0.0),
    "sand": ((196, 182, 150), (214, 202, 172), 0.5, 0.4, 0.12, 0.6, 0.6),
    "mud": ((126, 106, 82), (148, 128, 100), 0.7, 0.4, 0.16, 0.4, 0.4),
    "earth": ((112, 84, 58), (150, 116, 84), 0.9, 0.3, 0.30, 0.6, 6.0),
    "floodwater": ((118, 102, 80), (134, 118, 94), 0.5, 0.4, 0.05, 0.2, 0.0),
}
NUMBERS = {name: number for number, name in enumerate(COVERS)}
TABLE = np.array([(*a, *b, *rest) for a, b, *rest in COVERS.values()], np.float32)
SPRING = np.array([0.90, 1.06, 0.92], np.float32)  # the season before: greener plants
PLANTS = ("grass", "meadow", "open", "garden", "lawn", "crop", "wood")


@dataclass(frozen=True, slots=True)
class Ground:
    """What the ground of a window is made of. cover: uint8 numbers of COVERS; patch and grain: noise of metres and of decimetres;
    broad: of tens of metres."""

    cover: NDArray[np.uint8]
    broad: NDArray[np.float32]
    patch: NDArray[np.float32]
    grain: NDArray[np.float32]


def survey_ground(canvas: Canvas, plan: Plan) -> Ground:
    """The ground under a canvas, the same before and after a disaster."""
    fields = [
        fractal(canvas.left_m, canvas.top_m, canvas.cell_m, canvas.dsm.shape, octaves, plan.seed * 3 + k)
        for k, octaves in enumerate((BROAD, PATCH, GRAIN))
    ]
    return Ground(_covers(canvas, plan), *fields)


def paint_ground(canvas: Canvas, plan: Plan, ground: Ground, before: bool) -> None:
    """Cover the canvas with ground colours and field rows,
    and add the ground's fine relief; a flood's mud and water, or a landslide's earth, if after it."""
    table = TABLE.copy()
    cover = ground.cover
    if before:
        for name in PLANTS:
            table[NUMBERS[name], :6] *= np.tile(SPRING, 2)
    elif plan.flood is not None:
        cover = _flooded(canvas, plan, ground)
    elif plan.slide is not None:
        inside = sample(plan.slide.inside_m, plan.terrain, canvas)
        cover = np.where(inside + 0.8 * ground.patch > 0, NUMBERS["earth"], cover).astype(np.uint8)
    _colour(cover, ground.broad, ground.patch, ground.grain, table, canvas.rgb, canvas.dsm, canvas.cell_m)
    for item in plan.fields:
        part = canvas.window(item.polygon.bounds) if item.row_m else None
        if part is not None and item.kind in ("crop", "ploughed", "garden"):
            r0, c0 = (
                round((canvas.top_m - part.top_m) / canvas.cell_m),
                round((part.left_m - canvas.left_m) / canvas.cell_m),
            )
            here = (slice(r0, r0 + part.dsm.shape[0]), slice(c0, c0 + part.dsm.shape[1]))
            _furrow(
                part.rgb, part.dsm, cover[here], ground.patch[here], part.left_m, part.top_m, part.cell_m,
                np.radians(item.rows_deg), item.row_m, NUMBERS[item.kind],
            )  # fmt: skip


def _flooded(canvas: Canvas, plan: Plan, ground: Ground) -> NDArray[np.uint8]:
    """The covers with mud up to the flood's peak and standing water up to its present level; raises the surface to the water."""
    peak_m, now_m = plan.flood if plan.flood is not None else (0.0, 0.0)
    above = sample(plan.terrain.above_stream_m, plan.terrain, canvas)
    cover = np.where(above + 0.25 * ground.patch < peak_m, NUMBERS["mud"], ground.cover).astype(np.uint8)
    wet = above < now_m
    cover[wet] = NUMBERS["floodwater"]
    canvas.dsm[wet] += now_m - above[wet]
    return cover


def fill(canvas: Canvas, mask: NDArray[np.uint8], shape: BaseGeometry, value: int) -> None:
    """Set the cells of a canvas-sized mask that lie in a polygon (holes respected)."""
    rows, cols = mask.shape
    box = shapely.box(
        canvas.left_m, canvas.top_m - rows * canvas.cell_m, canvas.left_m + cols * canvas.cell_m, canvas.top_m
    )
    for polygon in shapely.get_parts(shapely.intersection(shape, box.buffer(2))):
        if polygon.geom_type != "Polygon" or polygon.is_empty:
            continue
        rings = [np.asarray(ring.coords) for ring in (polygon.exterior, *polygon.interiors)]
        pixels = [
            np.round(np.column_stack([r[:, 0] - canvas.left_m, canvas.top_m - r[:, 1]]) / canvas.cell_m * 16).astype(
                np.int32
            )
            for r in rings
        ]
        cv2.fillPoly(mask, pixels, value, shift=4)


def _covers(canvas: Canvas, plan: Plan) -> NDArray[np.uint8]:
    cover = np.zeros(canvas.dsm.shape, np.uint8)
    for kind in ("meadow", "open", "crop", "ploughed", "wood", "yard", "garden", "lawn", "paved"):
        for item in plan.fields:
            if item.kind == kind:
                fill(canvas, cover, item.polygon, NUMBERS[kind])
    for stream in plan.streams:
        fill(
            canvas,
            cover,
            stream.line.buffer(stream.width_m / 2 + (9 if stream.width_m > 30 else 2.2)),
            NUMBERS["sand" if stream.width_m > 30 else "bank"],
        )
        fill(canvas, cover, stream.polygon, NUMBERS["water"])
    for road in sorted(plan.roads, key=lambda road: road.surface == "asphalt"):
        fill(canvas, cover, road.line.buffer(road.width_m / 2 + 0.7), NUMBERS["gravel"])
        fill(canvas, cover, road.line.buffer(road.width_m / 2), NUMBERS[road.surface])
    return cover


@numba.njit(cache=True, nogil=True)
def _colour(
    cover: NDArray[np.uint8], broad: NDArray[np.float32], patch: NDArray[np.float32], grain: NDArray[np.float32],
    table: NDArray[np.float32], rgb: NDArray[np.uint8], dsm: NDArray[np.float32], cell_m: float,
) -> None:  # fmt: skip
    rows, cols = cover.shape
    for r in range(rows):
        for c in range(cols):
            fine, coarse = grain[r, c], patch[r, c]
            reach = table[cover[r, c], 9] / cell_m  # take the cover a little aside: natural edges are ragged
            rr = min(rows - 1, max(0, int(r + reach * (coarse + 0.6 * fine))))
            cc = min(cols - 1, max(0, int(c + reach * (coarse - 0.9 * fine))))
            t = table[cover[rr, cc]]
            mix = min(1.0, max(0.0, 0.5 + t[6] * coarse + t[7] * broad[r, c]))
            gain = 1 + t[8] * fine + 0.10 * t[6] * coarse
            for k in range(3):
                rgb[r, c, k] = min(255.0, max(0.0, (t[k] + (t[k + 3] - t[k]) * mix) * gain))
            dsm[r, c] += t[10] * (0.035 * coarse + 0.02 * fine)


@numba.njit(cache=True, nogil=True)
def _furrow(
    rgb: NDArray[np.uint8], dsm: NDArray[np.float32], cover: NDArray[np.uint8], patch: NDArray[np.float32], left: float,
    top: float,
    cell: float, angle: float, row_m: float, number: int,
) -> None:  # fmt: skip
    """Furrows or plant rows of a field: dark between, their lines wavering and broken."""
    turn = 2 * np.pi / row_m
    ca, sa = np.cos(angle) * turn, np.sin(angle) * turn
    for r in range(cover.shape[0]):
        for c in range(cover.shape[1]):
            if cover[r, c] == number:
                noise = patch[r, c]
                wave = np.sin((top - r * cell) * ca - (left + c * cell) * sa + 1.3 * noise)
                wave *= min(1.0, max(0.0, 0.65 + 0.7 * noise))
                for k in range(3):
                    rgb[r, c, k] = min(255.0, rgb[r, c, k] * (1 + 0.16 * wave))
                dsm[r, c] += 0.05 * wave
