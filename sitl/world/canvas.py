"""The window that a world is painted on: heights, colours and what stands there, and the kernels that put shapes on it."""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from sitl.world.noise import hash01, value_noise
from sitl.world.plan import Terrain

__all__ = ["Canvas", "paint_box", "paint_tree", "sample", "shade"]


@dataclass(slots=True)
class Canvas:
    """A north-up window of the world; the centre of its first cell is at (left_m, top_m) in plane coordinates.

    dtm, dsm: float32 metres; rgb: uint8 albedo (H, W, 3); labels: uint16 number of the house whose roof or wall is there, or 0;
    lost: uint8 1 where a roof is missing or has come down.
    """

    left_m: float
    top_m: float
    cell_m: float
    dtm: NDArray[np.float32]
    dsm: NDArray[np.float32]
    rgb: NDArray[np.uint8]
    labels: NDArray[np.uint16]
    lost: NDArray[np.uint8]

    @classmethod
    def empty(
        cls, left_m: float, top_m: float, cell_m: float, shape: tuple[int, int], dtm: NDArray[np.float32] | None = None
    ) -> "Canvas":
        """A canvas with nothing on the ground."""
        ground = np.zeros(shape, np.float32) if dtm is None else dtm
        rgb, labels, lost = np.zeros((*shape, 3), np.uint8), np.zeros(shape, np.uint16), np.zeros(shape, np.uint8)
        return cls(left_m, top_m, cell_m, ground, ground.copy(), rgb, labels, lost)

    def window(self, bounds: tuple[float, float, float, float]) -> "Canvas | None":
        """The part of the canvas (a view) that meets the bounds (west, south, east, north), or None."""
        rows, cols = self.dsm.shape
        c0 = max(0, int(np.floor((bounds[0] - self.left_m) / self.cell_m)))
        c1 = min(cols, int(np.ceil((bounds[2] - self.left_m) / self.cell_m)) + 1)
        r0 = max(0, int(np.floor((self.top_m - bounds[3]) / self.cell_m)))
        r1 = min(rows, int(np.ceil((self.top_m - bounds[1]) / self.cell_m)) + 1)
        if c0 >= c1 or r0 >= r1:
            return None
        part = (slice(r0, r1), slice(c0, c1))
        left, top = self.left_m + c0 * self.cell_m, self.top_m - r0 * self.cell_m
        return Canvas(
            left, top, self.cell_m, self.dtm[part], self.dsm[part], self.rgb[part], self.labels[part], self.lost[part]
        )


def sample(coarse: NDArray[np.float64], terrain: Terrain, canvas: Canvas) -> NDArray[np.float32]:
    """Values on the terrain's nodes, interpolated (Catmull-Rom) to the canvas's cells."""
    rows, cols = canvas.dsm.shape
    down = np.asarray((terrain.top_m - canvas.top_m + np.arange(rows) * canvas.cell_m) / terrain.step_m)
    across = np.asarray((canvas.left_m + np.arange(cols) * canvas.cell_m - terrain.left_m) / terrain.step_m)
    by_row, first_r, last_r = _spline(down, coarse.shape[0])
    by_col, first_c, last_c = _spline(across, coarse.shape[1])
    nodes = coarse[first_r:last_r, first_c:last_c].astype(np.float32)
    return np.asarray((by_row @ nodes) @ by_col.T, np.float32)


def _spline(at: NDArray[np.float64], count: int) -> tuple[NDArray[np.float32], int, int]:
    """Catmull-Rom weights (n, nodes) for positions in steps, and the first and last node that they use."""
    base = np.clip(np.floor(at).astype(int), 1, count - 3)
    f = at - base
    first, last = int(base.min()) - 1, int(base.max()) + 3
    weights = np.zeros((len(at), last - first), np.float32)
    pieces = (
        ((2 - f) * f - 1) * f / 2,
        ((3 * f - 5) * f * f + 2) / 2,
        ((4 - 3 * f) * f + 1) * f / 2,
        (f - 1) * f * f / 2,
    )
    for k, piece in enumerate(pieces):
        weights[np.arange(len(at)), base - 1 + k - first] = piece
    return weights, first, last


@numba.njit(cache=True, nogil=True, inline="always")
def shade(rgb: NDArray[np.uint8], r: int, c: int, red: float, green: float, blue: float, gain: float) -> None:
    """Set a cell's albedo, clipped to 0-255."""
    rgb[r, c, 0] = min(255.0, max(0.0, red * gain))
    rgb[r, c, 1] = min(255.0, max(0.0, green * gain))
    rgb[r, c, 2] = min(255.0, max(0.0, blue * gain))


@numba.njit(cache=True, nogil=True)
def paint_box(
    dsm: NDArray[np.float32], rgb: NDArray[np.uint8], left: float, top: float, cell: float, x: float, y: float, angle: float,
    half: tuple[float, float], z: float, tilt: tuple[float, float], colour: tuple[float, float, float], grain: float, seed: int,
) -> None:  # fmt: skip
    """Paint a tilted slab (half length and width) whose middle is at height z, wherever it is above what is there."""
    rows, cols = dsm.shape
    reach = np.hypot(half[0], half[1])
    c0, c1 = max(0, int((x - reach - left) / cell)), min(cols, int((x + reach - left) / cell) + 2)
    r0, r1 = max(0, int((top - y - reach) / cell)), min(rows, int((top - y + reach) / cell) + 2)
    ca, sa = np.cos(angle), np.sin(angle)
    for r in range(r0, r1):
        for c in range(c0, c1):
            dx, dy = left + c * cell - x, top - r * cell - y
            u, v = dx * ca + dy * sa, dy * ca - dx * sa
            if abs(u) <= half[0] and abs(v) <= half[1]:
                height = z + tilt[0] * u + tilt[1] * v
                if height > dsm[r, c]:
                    dsm[r, c] = height
                    gain = (
                        1
                        + grain * value_noise(u, v, 0.13, seed)
                        + 0.6 * grain * (hash01(int(u * 30), int(v * 30), seed) - 0.5)
                    )
                    shade(rgb, r, c, colour[0], colour[1], colour[2], gain)


@numba.njit(cache=True, nogil=True)
def paint_tree(
    dsm: NDArray[np.float32], rgb: NDArray[np.uint8], left: float, top: float, cell: float, x: float, y: float, ground: float,
    radius: float, height: float, colour: tuple[float, float, float], lean: tuple[float, float], seed: int,
) -> None:  # fmt: skip
    """Paint a crown: a lumpy dome with an irregular outline. lean: the top's offset in metres (a fallen tree lies along it)."""
    rows, cols = dsm.shape
    length = np.hypot(lean[0], lean[1])
    ex, ey = (lean[0] / length, lean[1] / length) if length > 0 else (1.0, 0.0)
    stretch = 1 + length / (2 * radius)
    mx, my = x + lean[0] / 2, y + lean[1] / 2
    reach = radius * stretch * 1.35
    c0, c1 = max(0, int((mx - reach - left) / cell)), min(cols, int((mx + reach - left) / cell) + 2)
    r0, r1 = max(0, int((top - my - reach) / cell)), min(rows, int((top - my + reach) / cell) + 2)
    for r in range(r0, r1):
        for c in range(c0, c1):
            px, py = left + c * cell, top - r * cell
            dx, dy = px - mx, py - my
            a, b = (dx * ex + dy * ey) / (radius * stretch), (dy * ex - dx * ey) / radius
            rho = np.sqrt(a * a + b * b)
            if rho > 1.35:
                continue
            edge = 1 + 0.22 * value_noise(px, py, 0.45 * radius, seed) + 0.12 * value_noise(px, py, 0.35, seed + 1)
            if rho > edge:
                continue
            dome = np.sqrt(max(0.0, 1 - (rho / edge) ** 2))
            clump = value_noise(px, py, 0.55, seed + 2) * 0.6 + value_noise(px, py, 0.23, seed + 3) * 0.4
            z = ground + height * (0.42 + 0.58 * dome) + clump * 0.16 * radius
            if z > dsm[r, c]:
                dsm[r, c] = z
                leaf = hash01(int(np.floor(px / 0.07)), int(np.floor(py / 0.07)), seed + 4) - 0.5
                gain = 0.95 + 0.3 * dome + 0.26 * clump + 0.34 * leaf
                warm = 1 + 0.10 * value_noise(px, py, 0.8, seed + 5)
                shade(rgb, r, c, colour[0] * warm, colour[1], colour[2] / warm, gain)
