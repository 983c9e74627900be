"""What the ground looks like: grass, soil, crops, roads, banks and water, in colours that repeat nowhere."""

import cv2
import numba
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from sitl.world.canvas import Canvas
from sitl.world.noise import fractal
from sitl.world.plan import Field, Plan

__all__ = ["paint_ground"]

# cover: (one end of its colours, the other end, weight of patches, weight of broad changes, grain, ragged edge in metres)
COVERS = {
    "grass": ((92, 100, 58), (148, 138, 92), 0.75, 0.55, 0.30, 0.5),
    "meadow": ((98, 108, 58), (134, 134, 78), 0.7, 0.4, 0.30, 0.3),
    "open": ((122, 122, 74), (158, 146, 102), 0.7, 0.45, 0.24, 0.5),
    "yard": ((142, 122, 96), (168, 152, 124), 0.8, 0.3, 0.22, 0.35),
    "garden": ((98, 88, 62), (110, 118, 66), 0.9, 0.2, 0.32, 0.2),
    "lawn": ((92, 112, 58), (122, 130, 76), 0.8, 0.3, 0.26, 0.2),
    "paved": ((150, 146, 140), (172, 168, 160), 0.5, 0.2, 0.14, 0.05),
    "crop": ((84, 108, 48), (138, 136, 74), 0.5, 0.5, 0.26, 0.15),
    "ploughed": ((112, 88, 64), (140, 116, 88), 0.6, 0.4, 0.28, 0.2),
    "wood": ((66, 70, 44), (92, 84, 58), 0.8, 0.2, 0.34, 0.8),
    "asphalt": ((98, 98, 100), (124, 122, 118), 0.5, 0.3, 0.15, 0.12),
    "gravel": ((156, 144, 122), (178, 166, 144), 0.7, 0.3, 0.20, 0.4),
    "bank": ((118, 108, 86), (142, 134, 112), 0.8, 0.2, 0.28, 0.8),
    "water": ((56, 72, 66), (76, 88, 78), 0.35, 0.4, 0.05, 0.3),
    "sand": ((196, 182, 150), (214, 202, 172), 0.5, 0.4, 0.12, 0.6),
    "mud": ((126, 106, 82), (148, 128, 100), 0.7, 0.4, 0.16, 0.4),
    "floodwater": ((118, 102, 80), (134, 118, 94), 0.5, 0.4, 0.05, 0.2),
}
NUMBERS = {name: number for number, name in enumerate(COVERS)}
TABLE = np.array([(*a, *b, *rest) for a, b, *rest in COVERS.values()], np.float32)
SPRING = np.array([0.90, 1.06, 0.92], np.float32)  # the season before: greener plants
PLANTS = ("grass", "meadow", "open", "garden", "lawn", "crop", "wood")


def paint_ground(canvas: Canvas, plan: Plan, before: bool) -> None:
    """Cover the canvas with ground colours, cut tyre tracks and field rows, and add the ground's fine relief."""
    shape = canvas.dsm.shape
    noise = [
        fractal(canvas.left_m, canvas.top_m, canvas.cell_m, shape, octaves, plan.seed * 3 + k)
        for k, octaves in enumerate((
            ((83, 0.5), (37, 0.3), (17, 0.25)),
            ((6.1, 0.34), (2.9, 0.3), (1.3, 0.26), (0.61, 0.2)),
            ((0.31, 0.38), (0.137, 0.42), (0.047, 0.4)),
        ))
    ]  # fmt: skip
    cover = _covers(canvas, plan)
    table = TABLE.copy()
    if before:
        for name in PLANTS:
            table[NUMBERS[name], :6] *= np.tile(SPRING, 2)
    _colour(cover, *noise, table, canvas.rgb, canvas.cell_m)
    for item in plan.fields:
        if item.kind in ("crop", "ploughed", "garden") and item.row_m:
            _rows(canvas, item, cover, noise[1])
    relief = 0.035 * noise[1] + 0.02 * noise[2]
    relief *= _roughness()[cover]
    canvas.dsm += relief.astype(np.float32)


def _roughness() -> NDArray[np.float32]:
    """How much fine relief each cover has: standing crops a lot, asphalt and water none."""
    out = np.full(len(COVERS), 1.0, np.float32)
    for name, value in {
        "asphalt": 0.1,
        "paved": 0.1,
        "water": 0.0,
        "floodwater": 0.0,
        "crop": 2.5,
        "wood": 3.0,
        "open": 0.7,
        "gravel": 0.4,
    }.items():
        out[NUMBERS[name]] = value
    return out


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
    table: NDArray[np.float32], rgb: NDArray[np.uint8], cell_m: float,
) -> None:  # fmt: skip
    rows, cols = cover.shape
    for r in range(rows):
        for c in range(cols):
            reach = table[cover[r, c], 9] / cell_m  # take the cover a little aside: natural edges are ragged
            rr = min(rows - 1, max(0, int(r + reach * (patch[r, c] + 0.6 * grain[r, c]))))
            cc = min(cols - 1, max(0, int(c + reach * (patch[r, c] - 0.9 * grain[r, c]))))
            t = table[cover[rr, cc]]
            mix = min(1.0, max(0.0, 0.5 + t[6] * patch[r, c] + t[7] * broad[r, c]))
            gain = 1 + t[8] * grain[r, c] + 0.10 * t[6] * patch[r, c]
            for k in range(3):
                rgb[r, c, k] = min(255.0, max(0.0, (t[k] + (t[k + 3] - t[k]) * mix) * gain))


def _rows(canvas: Canvas, item: Field, cover: NDArray[np.uint8], patch: NDArray[np.float32]) -> None:
    """Furrows or plant rows of a field: dark between, their lines wavering and broken."""
    west, south, east, north = item.polygon.bounds
    part = canvas.window((west, south, east, north))
    if part is None:
        return
    r0, c0 = round((canvas.top_m - part.top_m) / canvas.cell_m), round((part.left_m - canvas.left_m) / canvas.cell_m)
    rows, cols = part.dsm.shape
    x, y = part.xy()
    a = np.radians(item.rows_deg)
    local = patch[r0 : r0 + rows, c0 : c0 + cols]
    wave = np.sin(2 * np.pi * (y * np.cos(a) - x * np.sin(a)) / item.row_m + 1.3 * local)
    wave *= np.clip(0.65 + 0.7 * local, 0, 1) * (cover[r0 : r0 + rows, c0 : c0 + cols] == NUMBERS[item.kind])
    part.rgb[:] = np.clip(part.rgb * (1 + 0.16 * wave)[..., None], 0, 255).astype(np.uint8)
    part.dsm += (0.05 * wave).astype(np.float32)
