"""Sunlight on a surface: shading by slope, cast shadows, and the dimness of narrow places."""

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from sitl.world.sun import Sun

__all__ = ["DIFFUSE", "DIRECT", "lit", "shadow_heights"]

DIRECT, DIFFUSE = 0.68, 0.32  # shares of sun and sky in the light on a surface that faces the sun


@numba.njit(cache=True, nogil=True)
def _sweep(dsm: NDArray[np.float32], dr: float, dc: float, drop: float) -> NDArray[np.float32]:
    """Heights up to which each cell lies in shadow, by one sweep away from the sun.

    (dr, dc): the step in cells towards the sun, one of them +-1; drop: how far the shadow sinks in a step.
    """
    rows, cols = dsm.shape
    out = np.empty_like(dsm)
    by_rows = abs(dr) == 1.0
    n, m = (rows, cols) if by_rows else (cols, rows)
    major = dr if by_rows else dc
    minor = dc if by_rows else dr
    for k in range(n):
        i = k if major < 0 else n - 1 - k
        before = i + int(major)
        for j in range(m):
            r, c = (i, j) if by_rows else (j, i)
            best = dsm[r, c]
            if 0 <= before < n:
                q = j + minor
                f = np.floor(q)
                j0 = int(f)
                if 0 <= j0 < m - 1:
                    w = q - f
                    if by_rows:
                        height = out[before, j0] * (1 - w) + out[before, j0 + 1] * w
                    else:
                        height = out[j0, before] * (1 - w) + out[j0 + 1, before] * w
                    best = max(best, height - drop)
            out[r, c] = best
    return out


def shadow_heights(dsm: NDArray[np.float32], cell_m: float, sun: Sun) -> NDArray[np.float32]:
    """Height (metres, as the surface) below which a point over each cell is in cast shadow."""
    a = np.radians(sun.azimuth_deg)
    dr, dc = -np.cos(a), np.sin(a)
    scale = max(abs(dr), abs(dc))
    dr, dc = dr / scale, dc / scale
    dr, dc = (float(np.sign(dr)), float(dc)) if abs(dr) >= abs(dc) else (float(dr), float(np.sign(dc)))
    drop = float(np.hypot(dr, dc) * cell_m * np.tan(np.radians(sun.elevation_deg)))
    return _sweep(np.ascontiguousarray(dsm), dr, dc, drop)


@numba.njit(cache=True, nogil=True)
def _shade(
    rgb: NDArray[np.uint8], dsm: NDArray[np.float32], roof: NDArray[np.float32], sky: NDArray[np.uint8], cell: float,
    sun: NDArray[np.float64], softness: float,
) -> NDArray[np.uint8]:  # fmt: skip
    rows, cols = dsm.shape
    out = np.empty_like(rgb)
    flat = DIRECT * sun[2] + DIFFUSE
    for r in range(rows):
        up, down = max(r - 1, 0), min(r + 1, rows - 1)
        for c in range(cols):
            west, east = max(c - 1, 0), min(c + 1, cols - 1)
            gx = (dsm[r, east] - dsm[r, west]) / ((east - west) * cell)
            gy = (dsm[up, c] - dsm[down, c]) / ((down - up) * cell)
            gx, gy = min(2.0, max(-2.0, gx)), min(2.0, max(-2.0, gy))
            norm = 1 / np.sqrt(1 + gx * gx + gy * gy)
            facing = max(0.0, (-gx * sun[0] - gy * sun[1] + sun[2]) * norm)
            covered = min(1.0, max(0.0, (roof[r, c] - dsm[r, c]) / softness - 0.3))
            open_sky = sky[r, c] / 255.0
            direct = DIRECT * facing * (1 - covered)
            diffuse = DIFFUSE * (0.5 + 0.5 * norm) * open_sky
            out[r, c, 0] = min(255.0, rgb[r, c, 0] * (direct * 1.03 + diffuse * 0.92) / flat)
            out[r, c, 1] = min(255.0, rgb[r, c, 1] * (direct + diffuse) / flat)
            out[r, c, 2] = min(255.0, rgb[r, c, 2] * (direct * 0.96 + diffuse * 1.16) / flat)
    return out


def lit(rgb: NDArray[np.uint8], dsm: NDArray[np.float32], cell_m: float, sun: Sun) -> NDArray[np.uint8]:
    """Albedo (H, W, 3) as a camera above sees it under the sun; flat open ground keeps its albedo's brightness."""
    small = max(1, round(0.3 / cell_m))
    rows, cols = dsm.shape
    coarse = cv2.resize(dsm, (max(1, cols // small), max(1, rows // small)), interpolation=cv2.INTER_AREA)
    enclosed = np.zeros_like(coarse)
    for reach_m in (0.7, 2.2):
        sigma = reach_m / (small * cell_m)
        enclosed += np.clip((cv2.GaussianBlur(coarse, (0, 0), sigma) - coarse) / (2.2 * reach_m), 0, 0.7)
    open_sky = (255 * np.clip(1 - 0.75 * enclosed, 0.25, 1)).astype(np.uint8)
    sky = cv2.resize(open_sky, (cols, rows), interpolation=cv2.INTER_LINEAR)
    return _shade(rgb, dsm, shadow_heights(dsm, cell_m, sun), sky, cell_m, sun.direction, 0.12 + 2 * cell_m)
