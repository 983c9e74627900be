"""Painting a building: its roof by form and material, and the same building after its damage, rubble and debris included."""

import numba
import numpy as np
from numpy.typing import NDArray

from sitl.world.canvas import Canvas, paint_box, shade
from sitl.world.noise import hash01, value_noise
from sitl.world.plan import Damage, House, Terrain

__all__ = ["paint_house"]

ROOF_FORMS = {"flat": 0, "gable": 1, "hip": 2, "shed": 3}
MATERIALS = {"tiles": 0, "metal": 1, "slate": 2, "concrete": 3}
KINDS = {"none": 0, "holes": 1, "partial": 2, "rubble": 3, "pancake": 4, "unroofed": 5, "burnt": 6, "flooded": 0}
RUBBLE = (
    (158, 150, 140),
    (132, 124, 116),
    (176, 168, 156),
    (148, 102, 82),
    (120, 96, 76),
    (94, 84, 74),
    (188, 182, 174),
)


def paint_house(canvas: Canvas, house: House, terrain: Terrain, seed: int, damaged: bool) -> None:
    """Paint a house, as it was or (damaged) as its damage left it, on the part of the canvas that it touches."""
    damage = house.damage if damaged else Damage()
    reach = float(np.hypot(*np.abs(np.reshape(house.parts, (-1, 2))).max(0))) + 1 + 2.2 * damage.apron_m
    part = canvas.window((house.x - reach, house.y - reach, house.x + reach, house.y + reach))
    if part is None:
        return
    number = seed * 7919 + house.number
    base = house.base_m(terrain)
    holes, collapse = _thresholds(house, damage, number)
    _roof(
        part.dtm, part.dsm, part.rgb, part.labels, part.lost, part.left_m, part.top_m, part.cell_m,
        house.x, house.y, house.angle_rad, np.array(house.parts, np.float64), base, house.wall_m, house.pitch,
        ROOF_FORMS[house.roof], MATERIALS[house.material], np.array(house.roof_rgb, np.float64), np.array(house.wall_rgb,
        np.float64),
        KINDS[damage.kind], holes, collapse, np.radians(damage.collapse_deg), damage.heap_m, damage.apron_m, damage.tarp_share,
        house.number, number,
    )  # fmt: skip
    if damage.heap_m or damage.kind == "holes":
        _debris(part, house, damage, terrain, base, collapse, number)
    elif house.roof == "flat":
        _roof_clutter(part, house, base, number)


@numba.njit(cache=True, nogil=True, inline="always")
def _hole_field(u: float, v: float, seed: int) -> float:
    """High where roof elements are missing: ragged patches of one to three metres with finer edges."""
    return (
        0.62 * value_noise(u, v, 1.9, seed + 11)
        + 0.26 * value_noise(u, v, 0.7, seed + 12)
        + 0.12 * value_noise(u, v, 0.28, seed + 13)
    )


@numba.njit(cache=True, nogil=True, inline="always")
def _collapse_field(u: float, v: float, side: float, seed: int) -> float:
    """High on the side that came down, with a broken edge."""
    along = u * np.cos(side) + v * np.sin(side)
    return along + 1.1 * value_noise(u, v, 2.1, seed + 21) + 0.45 * value_noise(u, v, 0.6, seed + 22)


@numba.njit(cache=True, nogil=True)
def _sample_fields(u: NDArray[np.float64], v: NDArray[np.float64], side: float, seed: int) -> NDArray[np.float64]:
    out = np.empty((2, u.size))
    for i in range(u.size):
        out[0, i] = _hole_field(u[i], v[i], seed)
        out[1, i] = _collapse_field(u[i], v[i], side, seed)
    return out


def _thresholds(house: House, damage: Damage, seed: int) -> tuple[float, float]:
    """Levels of the two damage fields above which the wanted shares of the roof are missing or down."""
    if damage.collapse_share >= 1:
        return np.inf, -np.inf
    grid = [np.mgrid[u0:u1:0.25, v0:v1:0.25].reshape(2, -1) for u0, v0, u1, v1 in house.parts]
    u, v = np.concatenate(grid, axis=1)
    holes, collapse = _sample_fields(u, v, np.radians(damage.collapse_deg), seed)
    return (
        float(np.quantile(holes, 1 - damage.hole_share)) if damage.hole_share else np.inf,
        float(np.quantile(collapse, 1 - damage.collapse_share)) if damage.collapse_share else np.inf,
    )


@numba.njit(cache=True, nogil=True, inline="always")
def _form(u: float, v: float, part: NDArray[np.float64], form: int, pitch: float) -> float:
    """Height of a roof above its eaves at a point inside one rectangle of the plan; ridges run along its longer side."""
    hu, hv = (part[2] - part[0]) / 2, (part[3] - part[1]) / 2
    a, b = abs(u - (part[0] + part[2]) / 2), abs(v - (part[1] + part[3]) / 2)
    if hu < hv:
        hu, hv, a, b = hv, hu, b, a
    if form == 0:
        return 0.3 if (hv - b < 0.22 or hu - a < 0.22) else 0.0
    if form == 1:
        return (hv - b) * pitch
    if form == 2:
        return min(hv - b, hu - a) * pitch
    return (v - part[1]) * pitch * 0.5


@numba.njit(cache=True, nogil=True, inline="always")
def _texture(u: float, v: float, rise: float, material: int, seed: int) -> float:
    """Brightness of a roof's covering: courses of tiles, ribs of sheets, stains; every element has its own tone."""
    stain = 0.10 * value_noise(u, v, 2.3, seed + 1) + 0.07 * value_noise(u, v, 0.6, seed + 2)
    if material in (0, 2):
        course = np.floor(v / 0.3)
        tile = np.floor(u / 0.24 + 0.5 * (course % 2))
        tone = 0.26 * (hash01(int(tile), int(course), seed) - 0.5)
        joint = -0.13 if v / 0.3 - course < 0.2 else 0.0
        return (
            1 + stain + tone + joint + 0.12 * (hash01(int(np.floor(u / 1.7)), int(np.floor(v / 1.1)), seed + 3) - 0.5)
        )
    if material == 1:
        sheet = 0.16 * (hash01(int(np.floor(u / 0.85)), int(np.floor(v / 2.4)), seed) - 0.5)
        rib = 0.08 * np.sin(u / 0.19 * 2 * np.pi)
        return (
            1
            + 1.3 * stain
            + sheet
            + rib
            + 0.05 * (hash01(int(np.floor(u / 0.05)), int(np.floor(v / 0.05)), seed + 4) - 0.5)
        )
    pool = min(0.0, value_noise(u, v, 1.6, seed + 5) + 0.25) * 0.28
    return (
        1
        + 1.2 * stain
        + pool
        + 0.10 * value_noise(u, v, 0.17, seed + 6)
        + 0.08 * (hash01(int(u * 25), int(v * 25), seed) - 0.5)
    )


@numba.njit(cache=True, nogil=True)
def _roof(  # type: ignore[no-untyped-def]
    dtm, dsm, rgb, labels, lost, left, top, cell, x, y, angle, parts, base, wall, pitch, form, material, colour, wall_colour,
    kind, holes, collapse, side, heap, apron, tarp, label, seed,
):  # fmt: skip
    """The building cell by cell. kind: see KINDS; holes, collapse: thresholds of the damage fields."""
    ca, sa = np.cos(angle), np.sin(angle)
    for r in range(dsm.shape[0]):
        for c in range(dsm.shape[1]):
            dx, dy = left + c * cell - x, top - r * cell - y
            u, v = dx * ca + dy * sa, dy * ca - dx * sa
            inside, rise, outside, best, wall_gap = False, 0.0, 1e9, 0, 1e9
            for k in range(parts.shape[0]):
                p = parts[k]
                gap = min(u - p[0], p[2] - u, v - p[1], p[3] - v)
                if gap >= 0:
                    here = _form(u, v, p, form, pitch)
                    if not inside or here > rise:
                        rise, best = here, k
                    inside = True
                    wall_gap = gap if wall_gap > 1e8 else max(wall_gap, gap)
                else:
                    outside = min(outside, np.hypot(max(p[0] - u, u - p[2], 0.0), max(p[1] - v, v - p[3], 0.0)))
            if not inside:
                if apron > 0 and heap > 0 and outside < 2 * apron:
                    _strew(dsm, rgb, r, c, u, v, outside, apron, heap, collapse, side, kind == 6, seed)
                continue
            p = parts[best]
            along, across = (u, v) if p[2] - p[0] >= p[3] - p[1] else (v, u)
            z = base + wall + rise
            gain = _texture(along, across, rise, material, seed)
            red, green, blue = colour[0], colour[1], colour[2]
            state = 0
            if kind != 0:
                state = (
                    2 if _collapse_field(u, v, side, seed) > collapse else (1 if _hole_field(u, v, seed) > holes else 0)
                )
            if tarp > 0 and state < 2 and _under_tarpaulin(u, v, parts[0], tarp, seed):
                lost[r, c] = 1
                labels[r, c] = label
                dsm[r, c] = z + 0.05 + 0.04 * value_noise(u, v, 0.5, seed + 81)
                shade(rgb, r, c, 38.0, 92.0, 168.0, 1 + 0.12 * value_noise(u, v, 0.35, seed + 82))
            elif state == 0:
                dsm[r, c] = z
                labels[r, c] = label
                if (
                    kind == 2 and _collapse_field(u, v, side, seed) > collapse - 0.8
                ):  # dust and cracks beside the broken edge
                    gain *= 0.86 + 0.2 * value_noise(u, v, 0.3, seed + 31)
                shade(rgb, r, c, red, green, blue, gain)
            elif state == 1:
                lost[r, c] = 1
                labels[r, c] = label
                _hole(dsm, rgb, r, c, u, v, z, base + wall, form, seed)
            else:
                lost[r, c] = 1
                _fallen(
                    dtm,
                    dsm,
                    rgb,
                    labels,
                    r,
                    c,
                    u,
                    v,
                    base,
                    wall,
                    rise,
                    wall_gap,
                    kind,
                    heap,
                    colour,
                    wall_colour,
                    gain,
                    label,
                    seed,
                )


@numba.njit(cache=True, nogil=True, inline="always")
def _under_tarpaulin(u: float, v: float, part: NDArray[np.float64], share: float, seed: int) -> bool:
    """Whether a point of a roof is covered by a sheet that takes a share of the main rectangle, somewhere in it."""
    length, width = part[2] - part[0], part[3] - part[1]
    du, dv = 0.62 * np.sqrt(share) * length, np.sqrt(share) / 0.62 * width
    dv = min(dv, width)
    u0 = part[0] + hash01(7, 1, seed) * (length - du)
    v0 = part[1] + hash01(7, 2, seed) * (width - dv)
    return u0 < u < u0 + du and v0 < v < v0 + dv


@numba.njit(cache=True, nogil=True, inline="always")
def _strew(dsm, rgb, r, c, u, v, outside, apron, heap, collapse, side, burnt, seed):  # type: ignore[no-untyped-def]
    """Debris and dust on the ground around a collapse, thinning out over its apron."""
    if _collapse_field(u, v, side, seed) < collapse - 1.0:
        return
    lump = 0.5 + 0.5 * value_noise(u, v, 1.3, seed + 41) + 0.3 * value_noise(u, v, 0.4, seed + 42)
    spread = 1 - outside / (apron * (1.1 + 0.7 * value_noise(u, v, 2.6, seed + 43)))
    if spread <= 0:
        return
    dsm[r, c] += 0.55 * heap * spread * spread * max(0.0, lump)
    dust = min(0.9, 1.3 * spread)
    gain = 0.86 + 0.22 * value_noise(u, v, 0.25, seed + 44) + 0.3 * (hash01(int(u * 14), int(v * 14), seed + 45) - 0.5)
    tone = 52.0 if burnt else 150.0
    for k in range(3):
        old = rgb[r, c, k] * (1 - dust) + dust * tone * (1 - 0.06 * k) * gain
        rgb[r, c, k] = min(255.0, max(0.0, old))


@numba.njit(cache=True, nogil=True, inline="always")
def _hole(dsm, rgb, r, c, u, v, z, eaves, form, seed):  # type: ignore[no-untyped-def]
    """A hole in the roof: rafters and battens over a dark loft."""
    batten = (u / 0.62 - np.floor(u / 0.62)) < 0.16 or (v / 0.9 - np.floor(v / 0.9)) < 0.11
    if batten and hash01(int(np.floor(u / 0.62)), int(np.floor(v / 0.9)), seed + 51) > 0.3:
        dsm[r, c] = z - 0.12
        shade(rgb, r, c, 124.0, 98.0, 72.0, 1 + 0.2 * value_noise(u, v, 0.2, seed + 52))
    else:
        dsm[r, c] = max(eaves - 0.35 - (0.9 if form == 0 else 0.0), z - 1.5) + 0.15 * value_noise(u, v, 0.5, seed + 53)
        shade(rgb, r, c, 70.0, 60.0, 52.0, 0.9 + 0.4 * value_noise(u, v, 0.3, seed + 54))


@numba.njit(cache=True, nogil=True, inline="always")
def _fallen(dtm, dsm, rgb, labels, r, c, u, v, base, wall, rise, wall_gap, kind, heap, colour, wall_colour, gain, label, seed):  # type: ignore[no-untyped-def]  # fmt: skip
    """A cell of a building that came down: rubble, a dropped slab, or rooms without a roof."""
    rough = (
        0.55 * value_noise(u, v, 2.4, seed + 61)
        + 0.3 * value_noise(u, v, 0.8, seed + 62)
        + 0.22 * value_noise(u, v, 0.3, seed + 63)
    )
    if kind == 4:  # pancake: the roof lies broken on what is left of the floors
        crack = abs(value_noise(u, v, 2.7, seed + 64))
        tilt = 0.10 * u * (hash01(1, 2, seed) - 0.5) + 0.14 * v * (hash01(2, 1, seed) - 0.5)
        step = 0.5 * (hash01(int(np.floor((u + 0.4 * v) / 3.1)), int(np.floor((v - 0.3 * u) / 2.6)), seed + 65) - 0.5)
        if crack > 0.10:
            dsm[r, c] = base + 0.30 * wall + 0.45 * rise + tilt + step + 0.12 * rough
            shade(rgb, r, c, colour[0] * 0.94, colour[1] * 0.95, colour[2] * 0.97, gain * (0.9 + 0.25 * rough))
            return
    if kind >= 5:  # unroofed or burnt: walls stand, rooms lie open
        room = min(abs(u - 3.4 * np.round(u / 3.4)), abs(v - 3.1 * np.round(v / 3.1)))
        standing = wall * (0.82 + 0.3 * value_noise(u, v, 1.7, seed + 66))
        dark = 0.38 if kind == 6 else 1.0
        if wall_gap < 0.28 or (room < 0.09 and value_noise(u, v, 2.9, seed + 67) > -0.35):
            dsm[r, c] = base + max(0.8, min(standing, wall))
            labels[r, c] = label
            shade(rgb, r, c, wall_colour[0] * dark, wall_colour[1] * dark, wall_colour[2] * dark, 0.95 + 0.2 * rough)
        else:
            dsm[r, c] = base + 0.25 + 0.35 * max(0.0, rough)
            tone = 0.8 + 0.5 * rough + 0.4 * (hash01(int(u * 11), int(v * 11), seed + 68) - 0.5)
            shade(rgb, r, c, 128.0 * dark, 112.0 * dark, 98.0 * dark, tone)
        return
    ground = max(base, dtm[r, c])
    dsm[r, c] = ground + heap * min(1.0, 0.45 + 0.35 * wall_gap) * (0.75 + 0.6 * rough)
    tone = 0.82 + 0.3 * rough + 0.3 * (hash01(int(u * 14), int(v * 14), seed + 69) - 0.5)
    mix = 0.5 + 0.5 * value_noise(u, v, 1.7, seed + 70)
    shade(
        rgb, r, c, 146 * (1 - 0.5 * mix) + 0.5 * mix * colour[0], 136 * (1 - 0.5 * mix) + 0.5 * mix * colour[1],
        126 * (1 - 0.5 * mix) + 0.5 * mix * colour[2], tone,
    )  # fmt: skip


def _debris(
    part: Canvas, house: House, damage: Damage, terrain: Terrain, base: float, collapse: float, seed: int
) -> None:
    """Broken slabs, beams and blocks: over what came down and thinning out around it."""
    rng = np.random.default_rng(seed)
    side = np.radians(damage.collapse_deg)
    if damage.kind == "holes":
        count, spread = int(30 * damage.hole_share * len(house.parts) * 4), 1.2
    else:
        count, spread = (
            int(house.polygon.area * damage.collapse_share * (1.0 if damage.kind == "pancake" else 2.6)),
            damage.apron_m,
        )
    parts = np.array(house.parts)
    areas = (parts[:, 2] - parts[:, 0]) * (parts[:, 3] - parts[:, 1])
    chosen = parts[rng.choice(len(parts), count, p=areas / areas.sum())]
    u = rng.uniform(chosen[:, 0] - spread, chosen[:, 2] + spread)
    v = rng.uniform(chosen[:, 1] - spread, chosen[:, 3] + spread)
    field = _sample_fields(u, v, side, seed)[1]
    within = np.any([(u > p[0]) & (u < p[2]) & (v > p[1]) & (v < p[3]) for p in parts], axis=0)
    if damage.kind == "holes":
        keep = ~within
    else:
        keep = field > collapse - np.where(within, 0.0, 0.6)
    if damage.kind == "pancake":
        keep &= ~within | (rng.random(count) < 0.25)
    ca, sa = np.cos(house.angle_rad), np.sin(house.angle_rad)
    palette = [*RUBBLE, house.roof_rgb, house.roof_rgb, house.wall_rgb]
    for i in np.flatnonzero(keep):
        x, y = house.x + u[i] * ca - v[i] * sa, house.y + u[i] * sa + v[i] * ca
        size = float(rng.lognormal(-1.35, 0.62)) * (1.0 if within[i] else 0.75)
        half = (min(size * rng.uniform(1, 3.2), 1.9), min(size * rng.uniform(0.25, 1.0), 0.9))
        lift = damage.heap_m * (rng.uniform(0.35, 1.05) if within[i] else rng.uniform(0.03, 0.3)) + 0.08
        ground = max(base, float(terrain.at(x, y))) if within[i] else float(terrain.at(x, y))
        colour = np.array(palette[rng.integers(len(palette))], float) * rng.uniform(0.72, 1.2)
        paint_box(
            part.dsm, part.rgb, part.left_m, part.top_m, part.cell_m, x, y, float(rng.uniform(0, np.pi)), half, ground + lift,
            (float(rng.normal(0, 0.28)), float(rng.normal(0, 0.28))), (float(colour[0]), float(colour[1]), float(colour[2])),
            0.16, seed,
        )  # fmt: skip


def _roof_clutter(part: Canvas, house: House, base: float, seed: int) -> None:
    """Tanks, stair heads and boxes on a flat roof."""
    rng = np.random.default_rng(seed + 5)
    ca, sa = np.cos(house.angle_rad), np.sin(house.angle_rad)
    u0, v0, u1, v1 = house.parts[0]
    for _ in range(int(rng.integers(2, 6))):
        u, v = rng.uniform(u0 + 1.2, u1 - 1.2), rng.uniform(v0 + 1.2, v1 - 1.2)
        half = (float(rng.uniform(0.25, 1.0)), float(rng.uniform(0.25, 0.8)))
        tone = float(rng.choice([70, 120, 180, 215]))
        paint_box(
            part.dsm, part.rgb, part.left_m, part.top_m, part.cell_m, house.x + u * ca - v * sa, house.y + u * sa + v * ca,
            house.angle_rad, half, base + house.wall_m + float(rng.uniform(0.4, 1.3)), (0.0, 0.0), (tone, tone, tone * 1.02),
            0.08, seed,
        )  # fmt: skip
