"""Noise as a pure function of place: the same seed gives the same value at the same point in every window and at every cell size.

Value noise on hashed lattices, summed over octaves whose spacings are no multiples of each other, so that nothing repeats.
"""

from collections.abc import Sequence

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["fractal", "hash01", "value_noise"]


@numba.njit(cache=True, nogil=True, inline="always")
def hash01(ix: int, iy: int, seed: int) -> float:
    """A value in [0, 1) for a lattice point (integers of any sign) and a seed."""
    h = (
        np.uint32(ix) * np.uint32(0x85EBCA6B)
        ^ np.uint32(iy) * np.uint32(0xC2B2AE35)
        ^ np.uint32(seed) * np.uint32(0x27D4EB2F)
    )
    h = np.uint32((h ^ (h >> np.uint32(15))) * np.uint32(0x2C1B3C6D))
    h = np.uint32((h ^ (h >> np.uint32(12))) * np.uint32(0x297A2D39))
    h = np.uint32(h ^ (h >> np.uint32(15)))
    return h * (1.0 / 4294967296.0)


@numba.njit(cache=True, nogil=True)
def value_noise(x: float, y: float, spacing_m: float, seed: int) -> float:
    """Smooth noise in [-1, 1] at one point, in metres, with lattice points `spacing_m` apart."""
    gx, gy = x / spacing_m, y / spacing_m
    fx, fy = np.floor(gx), np.floor(gy)
    ix, iy = int(fx), int(fy)
    u, v = gx - fx, gy - fy
    u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
    top = hash01(ix, iy, seed) * (1 - u) + hash01(ix + 1, iy, seed) * u
    bottom = hash01(ix, iy + 1, seed) * (1 - u) + hash01(ix + 1, iy + 1, seed) * u
    return 2 * (top * (1 - v) + bottom * v) - 1


@numba.njit(cache=True, nogil=True)
def _add_octave(
    out: NDArray[np.float32], left_m: float, top_m: float, cell_m: float, spacing_m: float, amplitude: float, seed: int
) -> None:
    rows, cols = out.shape
    first = int(np.floor(left_m / spacing_m))
    count = int(np.floor((left_m + (cols - 1) * cell_m) / spacing_m)) - first + 2
    index = np.empty(cols, np.int32)
    weight = np.empty(cols, np.float32)
    for c in range(cols):
        g = (left_m + c * cell_m) / spacing_m
        f = np.floor(g)
        index[c] = int(f) - first
        weight[c] = (g - f) * (g - f) * (3 - 2 * (g - f))
    above = np.empty(count, np.float32)
    below = np.empty(count, np.float32)
    line = np.empty(count, np.float32)
    held = -(2**31)
    for r in range(rows):
        g = (top_m - r * cell_m) / spacing_m
        f = np.floor(g)
        iy = int(f)
        if iy != held:
            held = iy
            for k in range(count):
                below[k] = hash01(first + k, iy, seed)
                above[k] = hash01(first + k, iy + 1, seed)
        v = (g - f) * (g - f) * (3 - 2 * (g - f))
        for k in range(count):
            line[k] = amplitude * (2 * (below[k] + (above[k] - below[k]) * v) - 1)
        for c in range(cols):
            i = index[c]
            out[r, c] += line[i] + (line[i + 1] - line[i]) * weight[c]


def fractal(
    left_m: float,
    top_m: float,
    cell_m: float,
    shape: tuple[int, int],
    octaves: Sequence[tuple[float, float]],
    seed: int,
) -> NDArray[np.float32]:
    """Noise over a north-up window of `shape` cells whose first cell's centre is (left_m, top_m).

    octaves: (spacing in metres, amplitude) of each; a spacing below the cell is white noise and still tied to its place.
    """
    out = np.zeros(shape, np.float32)
    for number, (spacing_m, amplitude) in enumerate(octaves):
        _add_octave(out, left_m, top_m, cell_m, spacing_m, amplitude, (seed * 31 + number) & 0x7FFFFFFF)
    return out
