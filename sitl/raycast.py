"""Rays against a height field: the first point of the surface that each pixel sees, walls included, and its colour.

The surface is bilinear between cell centres. A pyramid of maxima lets a ray skip the air above everything; below it the ray
walks cell by cell, so that what stands in front hides what is behind, exactly.
"""

from dataclasses import dataclass

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from sitl.world.light import DIFFUSE, DIRECT, shadow_heights
from sitl.world.noise import hash01, value_noise
from sitl.world.sun import Sun

__all__ = ["Scene", "Walls", "build_scene", "cast"]

LEVELS = 8
STEP_M = 0.45  # a jump of the surface inside one cell that is taken for a wall
STOREY_M = 2.8
FAST = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=True)


@dataclass(frozen=True, slots=True)
class Walls:
    """Facades by building number: colour (n, 3), direction of the long side (radians from the grid's east),
    height of the base."""

    rgb: NDArray[np.float32]
    angle_rad: NDArray[np.float32]
    base_m: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Scene:
    """What rays are cast against. maxima: all pyramid levels in one array; offsets, widths: where each begins and its row length;
    shadow: height below which a point over each cell is in cast shadow; first: column and row of the first cell in the
    projection's own cells, so that the same place has the same grain in every window of a region."""

    dsm: NDArray[np.float32]
    ortho: NDArray[np.uint8]
    labels: NDArray[np.uint16]
    walls: Walls
    maxima: NDArray[np.float32]
    offsets: NDArray[np.int64]
    widths: NDArray[np.int64]
    sun: NDArray[np.float64]
    shadow: NDArray[np.float32]
    cell_m: float
    lowest_m: float
    first: NDArray[np.float64]


def build_scene(
    dsm: NDArray[np.float32], ortho: NDArray[np.uint8], labels: NDArray[np.uint16], walls: Walls, sun: Sun, cell_m: float,
    first: NDArray[np.float64],
) -> Scene:  # fmt: skip
    """The scene of a surface, with its pyramid of maxima over blocks of 2, 4, ... 256 patches between cell centres."""
    patch = np.maximum(np.maximum(dsm[:-1, :-1], dsm[1:, :-1]), np.maximum(dsm[:-1, 1:], dsm[1:, 1:]))
    levels = []
    for _ in range(LEVELS):
        patch = cv2.copyMakeBorder(patch, 0, patch.shape[0] % 2, 0, patch.shape[1] % 2, cv2.BORDER_REPLICATE)
        patch = np.maximum(
            np.maximum(patch[::2, ::2], patch[1::2, ::2]), np.maximum(patch[::2, 1::2], patch[1::2, 1::2])
        )
        levels.append(np.ascontiguousarray(patch))
    offsets = np.cumsum([0, *(level.size for level in levels[:-1])])
    widths = np.array([level.shape[1] for level in levels])
    return Scene(
        dsm,
        ortho,
        labels,
        walls,
        np.concatenate([level.ravel() for level in levels]),
        offsets,
        widths,
        sun.direction,
        shadow_heights(dsm, cell_m, sun),
        cell_m,
        float(dsm.min()),
        first,
    )


def cast(
    scene: Scene, origin: NDArray[np.float64], drift: NDArray[np.float64], directions: NDArray[np.float32], step_px: int,
    shape: tuple[int, int], detail_m: float
) -> NDArray[np.uint8]:  # fmt: skip
    """The picture (H, W, 3) that rays from one point see, or from a point that moves from the first row to the last.

    origin: column, row (cell centres at whole numbers) and height, at the middle row; drift: its way from the first row to the
    last; directions: (h, w, 3) in columns, rows and metres, at every `step_px`-th pixel, interpolated between; detail_m: ground
    covered by a pixel, below which fine grain is added to cells.
    """
    out = np.empty((*shape, 3), np.uint8)
    walls = scene.walls
    _cast(
        scene.dsm, scene.ortho, scene.labels, walls.rgb, walls.angle_rad, walls.base_m, scene.maxima, scene.offsets, scene.widths,
        scene.sun, scene.shadow, scene.cell_m, scene.lowest_m, scene.first, origin, drift, directions, step_px, detail_m, out,
    )  # fmt: skip
    return out


@FAST
def _bilinear(dsm, i, j, u, v):  # type: ignore[no-untyped-def]
    """Height in the patch between cell centres (i, j) and (i + 1, j + 1) at u along the columns, v along the rows."""
    upper = dsm[i, j] + (dsm[i, j + 1] - dsm[i, j]) * u
    lower = dsm[i + 1, j] + (dsm[i + 1, j + 1] - dsm[i + 1, j]) * u
    return upper + (lower - upper) * v


@FAST
def _leaving(position, direction, inverse, index, size):  # type: ignore[no-untyped-def]
    """Ray parameter at which one coordinate leaves the block [index, index + 1) of a size."""
    if direction > 0:
        return ((index + 1) * size - position) * inverse
    return (index * size - position) * inverse


@FAST
def _entering(position, direction, inverse, end):  # type: ignore[no-untyped-def]
    """How far along the ray one coordinate comes to lie within [0, end); 0 where it does already."""
    if position < 0:
        return (1e-6 - position) * inverse if direction > 0 else -1e30
    if position >= end:
        return (end - 1e-6 - position) * inverse if direction < 0 else -1e30
    return 0.0


@FAST
def _highest(maxima, offsets, widths, shape, c_low, c_high, r_low, r_high):  # type: ignore[no-untyped-def]
    """No less than the highest point of the surface over a box of cells, from the finest level that needs few blocks."""
    c_low, r_low = min(max(c_low, 0.0), shape[1] - 2.0), min(max(r_low, 0.0), shape[0] - 2.0)
    c_high, r_high = min(max(c_high, 0.0), shape[1] - 2.0), min(max(r_high, 0.0), shape[0] - 2.0)
    level = 1
    while level < offsets.size and max(c_high - c_low, r_high - r_low) > (2 << level):
        level += 1
    top = -1e9
    for i in range(int(r_low) >> level, (int(r_high) >> level) + 1):
        for j in range(int(c_low) >> level, (int(c_high) >> level) + 1):
            top = max(top, maxima[offsets[level - 1] + i * widths[level - 1] + j])
    return top


@FAST
def _clear_until(maxima, offsets, widths, shape, lowest, c0, r0, z0, corners):  # type: ignore[no-untyped-def]
    """Ray parameter up to which a beam, spanned by its corner rays (2, 2, 3), is above everything under it."""
    dc_low, dc_high = (
        min(corners[0, 0, 0], corners[0, 1, 0], corners[1, 0, 0], corners[1, 1, 0]),
        max(corners[0, 0, 0], corners[0, 1, 0], corners[1, 0, 0], corners[1, 1, 0]),
    )
    dr_low, dr_high = (
        min(corners[0, 0, 1], corners[0, 1, 1], corners[1, 0, 1], corners[1, 1, 1]),
        max(corners[0, 0, 1], corners[0, 1, 1], corners[1, 0, 1], corners[1, 1, 1]),
    )
    steepest = min(corners[0, 0, 2], corners[0, 1, 2], corners[1, 0, 2], corners[1, 1, 2])
    if steepest >= 0 or z0 <= lowest:
        return 0.0
    t, far = 0.0, (lowest - z0) / steepest
    step = far
    for _ in range(20):
        end = min(t + step, far)
        top = _highest(
            maxima, offsets, widths, shape, c0 + min(dc_low * t, dc_low * end), c0 + max(dc_high * t, dc_high * end),
            r0 + min(dr_low * t, dr_low * end), r0 + max(dr_high * t, dr_high * end),
        )  # fmt: skip
        reach = (top - z0) / steepest
        if reach >= end:
            t = end
        else:
            t = max(t, reach)
            step *= 0.5
        if -step * steepest < 0.1 or t >= far:
            break
    return t


@FAST
def _first_hit(dsm, maxima, offsets, widths, c0, r0, z0, dc, dr, dz, start):  # type: ignore[no-untyped-def]
    """Ray parameter of the first point on or under the surface from `start` on, or -1: the ray leaves the world."""
    end_c, end_r = dsm.shape[1] - 1.0, dsm.shape[0] - 1.0
    dc = dc if abs(dc) > 1e-9 else 1e-9
    dr = dr if abs(dr) > 1e-9 else 1e-9
    inverse_c, inverse_r, inverse_z = 1 / dc, 1 / dr, 1 / dz
    coarsest = offsets.size
    level = 1 if start > 0 else coarsest
    t = start
    for _ in range(100000):
        c, r = c0 + dc * t, r0 + dr * t
        if not (0.0 <= c < end_c and 0.0 <= r < end_r):
            # A camera beyond the edge: go on to where the ray enters the world, if it does.
            forward_c, forward_r = _entering(c, dc, inverse_c, end_c), _entering(r, dr, inverse_r, end_r)
            if min(forward_c, forward_r) < 0:
                return -1.0
            t += max(forward_c, forward_r) + 1e-9
            c, r = c0 + dc * t, r0 + dr * t
            if not (0.0 <= c < end_c and 0.0 <= r < end_r):
                return -1.0
        j, i = int(c) >> level, int(r) >> level
        leave = min(_leaving(c0, dc, inverse_c, j, 1 << level), _leaving(r0, dr, inverse_r, i, 1 << level))
        leave = max(leave, t) + 1e-9
        if level > 0:
            top = maxima[offsets[level - 1] + i * widths[level - 1] + j]
            if z0 + dz * t <= top:
                level -= 1
            elif z0 + dz * leave > top:
                t = leave
                level = min(level + 1, coarsest)
            else:
                t = (top - z0) * inverse_z
                level -= 1
            continue
        a, b = t, leave
        above = z0 + dz * a - _bilinear(dsm, i, j, c - j, r - i)
        if above <= 0:
            return t
        below = z0 + dz * b - _bilinear(dsm, i, j, c0 + dc * b - j, r0 + dr * b - i)
        if below <= 0:
            for _ in range(3):
                m = a + (b - a) * above / (above - below)
                f = z0 + dz * m - _bilinear(dsm, i, j, c0 + dc * m - j, r0 + dr * m - i)
                if f > 0:
                    a, above = m, f
                else:
                    b, below = m, f
            return a + (b - a) * above / (above - below)
        t = leave
        level = 1
    return -1.0


@FAST
def _wall_tone(along, up, seed):  # type: ignore[no-untyped-def]
    """Plaster with windows: brightness of a facade at a place along it and a height above its base; negative: glass."""
    storey, bay = np.floor(up / STOREY_M), np.floor(along / 2.7)
    a, h = along - bay * 2.7, up - storey * STOREY_M
    chance = hash01(int(bay), int(storey), seed)
    if up > 0.2 and 0.85 < a < 1.85 and 0.9 < h < 2.15 and chance < 0.75:
        return -1.0 - 0.5 * chance
    tone = 1 + 0.08 * value_noise(along, up, 0.9, seed) + 0.06 * value_noise(along, up, 0.11, seed + 1)
    return tone * min(1.0, 0.78 + 0.3 * max(0.0, up))


@numba.njit(cache=True, nogil=True, parallel=True, error_model="numpy", fastmath=True)
def _cast(  # type: ignore[no-untyped-def]
    dsm, ortho, labels, wall_rgb, wall_angle, wall_base, maxima, offsets, widths, sun, shadow, cell, lowest, first, origin, drift,
    directions, step, detail, out
):  # fmt: skip
    height, width = out.shape[:2]
    flat = DIRECT * sun[2] + DIFFUSE
    grain = min(1.0, max(0.0, 1.3 - detail / cell))
    for i in numba.prange((height + step - 1) // step):
        middle = origin + drift * ((i + 0.5) * step / height - 0.5)
        for j in range((width + step - 1) // step):
            corners = directions[i : i + 2, j : j + 2]
            start = _clear_until(maxima, offsets, widths, dsm.shape, lowest, middle[0], middle[1], middle[2], corners)
            start *= 0.999  # the rows of a block see from places a millimetre apart
            for y in range(i * step, min(height, (i + 1) * step)):
                v = y / step - i
                read = (y + 0.5) / height - 0.5
                c0, r0, z0 = origin[0] + drift[0] * read, origin[1] + drift[1] * read, origin[2] + drift[2] * read
                for x in range(j * step, min(width, (j + 1) * step)):
                    u = x / step - j
                    dc = _between(corners, 0, u, v)
                    dr = _between(corners, 1, u, v)
                    dz = _between(corners, 2, u, v)
                    t = _first_hit(dsm, maxima, offsets, widths, c0, r0, z0, dc, dr, dz, start)
                    if t < 0:
                        out[y, x, 0], out[y, x, 1], out[y, x, 2] = 122, 124, 120
                        continue
                    _colour(
                        dsm, ortho, labels, wall_rgb, wall_angle, wall_base, sun, shadow, flat, cell, grain, first, c0 + dc * t,
                        r0 + dr * t, z0 + dz * t, out[y, x],
                    )  # fmt: skip


@FAST
def _between(corners, axis, u, v):  # type: ignore[no-untyped-def]
    """One coordinate of a ray inside the square between four known ones."""
    upper = corners[0, 0, axis] + (corners[0, 1, axis] - corners[0, 0, axis]) * u
    lower = corners[1, 0, axis] + (corners[1, 1, axis] - corners[1, 0, axis]) * u
    return upper + (lower - upper) * v


@FAST
def _colour(dsm, ortho, labels, wall_rgb, wall_angle, wall_base, sun, shadow, flat, cell, grain, first, c, r, z, out):  # type: ignore[no-untyped-def]
    """Colour of the surface at a point: the orthophoto's where it is seen from above, the facade's on a jump of the surface."""
    j, i = int(c), int(r)
    u, v = c - j, r - i
    z00, z01, z10, z11 = dsm[i, j], dsm[i, j + 1], dsm[i + 1, j], dsm[i + 1, j + 1]
    top, bottom = max(z00, z01, z10, z11), min(z00, z01, z10, z11)
    gain = 1.0
    gc, gr = c + first[0], r + first[1]
    if grain > 0:
        gain += grain * (0.08 * value_noise(gc, gr, 0.61, 5) + 0.08 * value_noise(gc, gr, 0.29, 6))
    if top - bottom > STEP_M:
        hi, hj = i, j
        if z01 == top:
            hj = j + 1
        elif z10 == top:
            hi = i + 1
        elif z11 == top:
            hi, hj = i + 1, j + 1
        label = labels[hi, hj]
        if top - z > 0.3 and z - bottom > 0.08:
            nx, ny = (z00 + z10 - z01 - z11), (z10 + z11 - z00 - z01)
            if label > 0:  # over a wider reach: away from the building, whatever the steps of the cells
                nx, ny = 0.0, 0.0
                for y in range(max(hi - 4, 0), min(hi + 5, dsm.shape[0])):
                    for x in range(max(hj - 4, 0), min(hj + 5, dsm.shape[1])):
                        if labels[y, x] == label:
                            nx, ny = nx - (x - hj), ny + (y - hi)
            norm = max(1e-6, np.hypot(nx, ny))
            nx, ny = nx / norm, ny / norm
            # What shades the open ground a cell and a half before the wall shades the wall to the same height.
            front_i = min(max(int(i + 0.5 - 1.5 * ny), 0), dsm.shape[0] - 1)
            front_j = min(max(int(j + 0.5 + 1.5 * nx), 0), dsm.shape[1] - 1)
            direct = DIRECT * (1 - min(1.0, max(0.0, (shadow[front_i, front_j] - z) / 0.3)))
            facing = direct * max(0.0, nx * sun[0] + ny * sun[1])
            if label > 0:
                ca, sa = np.cos(wall_angle[label]), np.sin(wall_angle[label])
                east, north = gc * cell, -gr * cell
                nu, nv = nx * ca + ny * sa, ny * ca - nx * sa
                along = east * ca + north * sa if abs(nv) > abs(nu) else north * ca - east * sa
                if abs(nu) > abs(nv):  # the wall's own normal, not the cell border's
                    facing = direct * max(0.0, np.sign(nu) * (ca * sun[0] + sa * sun[1]))
                else:
                    facing = direct * max(0.0, np.sign(nv) * (ca * sun[1] - sa * sun[0]))
                tone = _wall_tone(along, z - wall_base[label], label)
                light = (facing + 0.6 * DIFFUSE) / flat
                for k in range(3):
                    shade = wall_rgb[label, k] * tone if tone > 0 else (46.0 + 5 * k) * -tone
                    out[k] = min(255.0, shade * light * gain)
            else:
                leaves = 0.26 * value_noise((gc + gr) * cell, z, 0.45, 8) + 0.22 * value_noise(
                    (gc - gr) * cell, z, 0.17, 9
                )
                light = (1 + leaves) * min(1.0, 0.5 + 0.5 * facing / flat)
                for k in range(3):
                    out[k] = min(255.0, ortho[hi, hj, k] * light * gain)
            return
    w00, w01, w10, w11 = (1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v
    if top - bottom > STEP_M:  # at an edge take the colour of the side that the point is on
        middle = 0.5 * (top + bottom)
        above = z > middle
        w00 = w00 + 1e-6 if (z00 > middle) == above else 0.0
        w01 = w01 + 1e-6 if (z01 > middle) == above else 0.0
        w10 = w10 + 1e-6 if (z10 > middle) == above else 0.0
        w11 = w11 + 1e-6 if (z11 > middle) == above else 0.0
        total = w00 + w01 + w10 + w11
        gain /= total
    for k in range(3):
        value = (
            w00 * ortho[i, j, k] + w01 * ortho[i, j + 1, k] + w10 * ortho[i + 1, j, k] + w11 * ortho[i + 1, j + 1, k]
        )
        out[k] = min(255.0, value * gain)
