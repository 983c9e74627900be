"""Laying the earlier image and surface over the later ones.

Images: coordinates bring them close, then the shift is measured by phase correlation of edges on a lattice of blocks and
smoothed, so that a local distortion of either mosaic is followed without believing a single block. Surfaces: the three shifts
that make the height difference on stable ground vanish, after Nuth & Kaab (2011) in the linear form dh = dz + dx dz/dx + dy
dz/dy, robust against what changed.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from imagery.core.errors import BadInputError, NotEnoughDataError
from imagery.core.progress import SILENT, Progress
from imagery.damage.image_cues import log_brightness
from imagery.damage.raster import Grid, ImageFile, SurfaceFile
from imagery.damage.scene import ShiftField, SurfaceShift

__all__ = ["register_images", "register_surfaces"]

BLOCK_M = 60.0
MAX_BLOCKS = 400  # a huge area is sampled: registration changes slowly
COARSE_PIXELS = 1600
MAX_SHIFT_M = 15.0
MIN_RESPONSE = 0.06
MAX_SURFACE_CELLS = 800  # along the longer side: three shifts need no more
FEET_RATIO = (3.0, 3.6)


def register_images(post: ImageFile, pre: ImageFile, progress: Progress = SILENT) -> ShiftField:
    """Where the later image's places are in the earlier one, as a smooth field of shifts over their common area.

    Raises NotEnoughDataError when no common area with content exists.
    """
    bounds = _common(post.bounds, pre.bounds)
    span = max(bounds[2] - bounds[0], bounds[3] - bounds[1])
    coarse_cell = max(span / COARSE_PIXELS, post.cell_m, pre.cell_m, 0.4)
    start = _coarse_shift(post, pre, Grid.over(bounds, coarse_cell))
    cell = max(post.cell_m, pre.cell_m, 0.2)
    block = max(BLOCK_M, 96 * cell, span / np.sqrt(MAX_BLOCKS))
    lattice = Grid.over(bounds, block)
    shift, weight = np.zeros((lattice.height, lattice.width, 2)), np.zeros((lattice.height, lattice.width))
    size = int(min(block, 128.0 if cell < 0.4 else block) / cell)
    east, north = lattice.centres()
    with progress.stage("registering images", weight.size, "blocks") as advance:
        for row, column in np.ndindex(weight.shape):
            half = size * cell / 2
            here = Grid(float(east[column] - half), float(north[row] + half), cell, size, size)
            shift[row, column], weight[row, column] = _block_shift(post, pre, here, start)
            advance(1)
    return _smoothed(lattice, shift, weight, np.array(start))


def register_surfaces(dsm: SurfaceFile, pre_dsm: SurfaceFile) -> SurfaceShift:
    """The shift of the earlier surface against the later and the spread that is left on stable ground.

    Raises NotEnoughDataError when they share no heights, BadInputError when one of them seems to be in feet.
    """
    bounds = _common(dsm.bounds, pre_dsm.bounds)
    span = max(bounds[2] - bounds[0], bounds[3] - bounds[1])
    cell = max(0.5, dsm.cell_m, pre_dsm.cell_m, span / MAX_SURFACE_CELLS)
    grid = Grid.over(bounds, cell)
    after, before = dsm.read(grid), pre_dsm.read(grid)
    both = np.isfinite(after) & np.isfinite(before)
    if both.sum() < 200:
        raise NotEnoughDataError(f"{dsm.path} and {pre_dsm.path}: hardly any place where both have heights")
    _check_units(after[both], before[both], dsm, pre_dsm)
    shift = np.zeros(3)
    for _round in range(6):
        before = pre_dsm.read(grid.shifted(shift[0], shift[1]))
        step, sigma = _surface_step(after, before - np.float32(shift[2]), cell)
        shift[:2] = np.clip(shift[:2] + step[:2], -MAX_SHIFT_M, MAX_SHIFT_M)
        shift[2] += step[2]
        if np.abs(step[:2]).max() < 0.02 and abs(step[2]) < 0.005:
            break
    return SurfaceShift(float(shift[0]), float(shift[1]), float(shift[2]), max(sigma, 0.02))


def _common(
    a: tuple[float, float, float, float], b: tuple[float, float, float, float]
) -> tuple[float, float, float, float]:
    return max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])


def _edges(image: ImageFile, grid: Grid) -> tuple[NDArray[Any], float]:
    """Edge strength (capped, so that no single edge decides) and the share of valid pixels."""
    rgb, valid = image.read(grid)
    light = cv2.GaussianBlur(log_brightness(rgb), (0, 0), 1.0)
    size = np.hypot(cv2.Sobel(light, cv2.CV_32F, 1, 0), cv2.Sobel(light, cv2.CV_32F, 0, 1))
    size = np.where(cv2.erode(valid.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0, size, 0)
    return np.minimum(size, 4 * float(np.mean(size)) + 1e-6).astype(np.float32), float(np.mean(valid))


def _correlate(post: NDArray[Any], pre: NDArray[Any]) -> tuple[float, float, float]:
    """Columns, rows by which the content of `pre` lies right of and below that of `post`, and the response (0-1)."""
    window = cv2.createHanningWindow(post.shape[::-1], cv2.CV_32F)
    (dx, dy), response = cv2.phaseCorrelate(post, pre, window)
    return dx, dy, response


def _coarse_shift(post: ImageFile, pre: ImageFile, grid: Grid) -> tuple[float, float]:
    after, seen_after = _edges(post, grid)
    before, seen_before = _edges(pre, grid)
    if seen_after == 0 or seen_before == 0:
        raise NotEnoughDataError(f"{pre.path}: has no data where {post.path} has")
    if min(grid.width, grid.height) < 32:
        return 0.0, 0.0
    dx, dy, response = _correlate(after, before)
    east, north = dx * grid.cell_m, -dy * grid.cell_m
    if response < MIN_RESPONSE or np.hypot(east, north) > MAX_SHIFT_M:
        return 0.0, 0.0
    return east, north


def _block_shift(post: ImageFile, pre: ImageFile, grid: Grid, start: tuple[float, float]) -> tuple[NDArray[Any], float]:
    """Shift in metres of one block and its weight: 0 for a block with little content or a faint peak."""
    after, seen_after = _edges(post, grid)
    before, seen_before = _edges(pre, grid.shifted(*start))
    if min(seen_after, seen_before) < 0.5:
        return np.array(start), 0.0
    dx, dy, response = _correlate(after, before)
    local = np.array([dx, -dy]) * grid.cell_m
    if response < MIN_RESPONSE or np.hypot(*local) > min(5.0, 0.15 * grid.width * grid.cell_m):
        return np.array(start), 0.0
    return np.array(start) + local, response


def _smoothed(lattice: Grid, shift: NDArray[Any], weight: NDArray[Any], start: NDArray[Any]) -> ShiftField:
    """Outliers replaced by the median of the good blocks, then a weighted smoothing over neighbours."""
    good = weight > 0
    if good.sum() < 3:
        return ShiftField(lattice, np.broadcast_to(start, shift.shape).copy(), 1.0)
    middle = np.median(shift[good], axis=0)
    filled = np.where(good[..., None], shift, middle)
    local = np.stack([median_filter(filled[..., axis], size=3, mode="nearest") for axis in (0, 1)], axis=-1)
    off = np.linalg.norm(filled - local, axis=-1)
    sigma = max(1.4826 * float(np.median(off[good])), 0.05)
    trusted = np.where(good & (off < 3 * sigma + 0.2), weight, 0.0)
    blurred = np.stack(
        [cv2.GaussianBlur(plane * trusted + 0.01 * other, (0, 0), 1.0, borderType=cv2.BORDER_REPLICATE)
         for plane, other in ((shift[..., 0], local[..., 0]), (shift[..., 1], local[..., 1]))], axis=-1,
    )  # fmt: skip
    total = cv2.GaussianBlur(trusted + 0.01, (0, 0), 1.0, borderType=cv2.BORDER_REPLICATE)
    return ShiftField(lattice, np.asarray(blurred / total[..., None], float), sigma)


def _surface_step(after: NDArray[Any], before: NDArray[Any], cell: float) -> tuple[NDArray[Any], float]:
    """One robust least-squares step (east, north, up) for the earlier surface, and the spread (NMAD) of what it leaves."""
    dz_down, dz_right = np.gradient(before, cell)
    difference = before - after
    known = np.isfinite(difference) & np.isfinite(dz_down) & np.isfinite(dz_right)
    gx, gy, d = dz_right[known].astype(float), -dz_down[known].astype(float), difference[known].astype(float)
    keep = np.abs(d - np.median(d)) < 4 * _nmad(d) + 0.3
    # Walls say little: one cell of resampling moves them by metres.
    keep &= np.hypot(gx, gy) < 1.5
    solution = np.zeros(3)
    residual = d
    for _round in range(8):
        design = np.column_stack([gx[keep], gy[keep], np.ones(int(keep.sum()))])
        # A weak prior of half a metre holds the horizontal shift where flat ground tells nothing of it.
        ridge = np.diag([1.0, 1.0, 0.0]) * (max(_nmad(residual[keep]), 0.02) / 0.5) ** 2
        solution = np.linalg.solve(design.T @ design + ridge, design.T @ d[keep])
        residual = d - gx * solution[0] - gy * solution[1] - solution[2]
        keep = (np.abs(residual) < 3 * _nmad(residual) + 0.05) & (np.hypot(gx, gy) < 1.5)
    return np.array([-solution[0], -solution[1], solution[2]]), _nmad(residual[keep])


def _nmad(values: NDArray[Any]) -> float:
    """Normalised median absolute deviation: the standard deviation, if the values were normal."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def _check_units(after: NDArray[Any], before: NDArray[Any], dsm: SurfaceFile, pre_dsm: SurfaceFile) -> None:
    """A surface in feet shows as relief more than three times the other's."""
    span_after, span_before = (float(np.subtract(*np.percentile(z, [95, 5]))) for z in (after, before))
    if min(span_after, span_before) < 1.0:
        return
    for ratio, feet in ((span_after / span_before, dsm), (span_before / span_after, pre_dsm)):
        level = float(np.median(after)) / max(float(np.median(before)), 1e-3)
        level = level if feet is dsm else 1 / max(level, 1e-3)
        if FEET_RATIO[0] < ratio < FEET_RATIO[1] and FEET_RATIO[0] < level < FEET_RATIO[1]:
            raise BadInputError(
                f"{feet.path}: seems to be in feet: state it (`gdal_edit -units ft`) or convert it to metres"
            )
