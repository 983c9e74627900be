"""What stands in the way: cells that a photo cannot see behind walls and trees are given to one that can.

A cell is hidden from a camera when the surface rises above the straight line between the two.
"""

import math

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from imagery.ortho.seams import NOBODY, sees

__all__ = ["drop_hidden", "give_hidden_away"]

TOLERANCE_CELLS = 3.0  # of height that the surface must rise above the line of sight: more than its noise
SPECK_CELLS = 3  # hidden places smaller than about half of a square of this are left as they are


def give_hidden_away(
    labels: NDArray[np.int16],
    heights: NDArray[np.float32],
    cameras: NDArray[np.float64],
    candidates: NDArray[np.float64],
    cell_m: float,
) -> None:
    """Change the labels of cells hidden from their photo to the candidate that sees them most from above, where there is one.

    labels: rows x columns, of a window of cells; heights: of the same, metres; cameras: (n, 3) column and row in the window, and
    height, of all views; candidates: (k, ...) the number of a view and the view as `seams.packed` for the window; cell_m: side
    of a cell.
    """
    hidden = np.zeros(labels.shape, np.uint8)
    sight = heights, cameras, (_top(heights), TOLERANCE_CELLS * cell_m)
    _find_hidden(labels, sight, hidden)
    if hidden.any():
        hidden = np.asarray(cv2.medianBlur(hidden, SPECK_CELLS), np.uint8)
        _reassign(labels, hidden, sight, candidates)


def drop_hidden(
    weights: NDArray[np.float32],
    own: NDArray[np.bool_],
    heights: NDArray[np.float32],
    camera: NDArray[np.float64],
    cell_m: float,
) -> None:
    """Set a photo's weights to 0 on cells that are not its own and that it cannot see; arrays of one window, as above."""
    _drop(weights, own, heights, camera, (_top(heights), TOLERANCE_CELLS * cell_m))


def _top(heights: NDArray[np.float32]) -> float:
    return float(np.nanmax(heights)) if np.isfinite(heights).any() else 0.0


@numba.njit(nogil=True, cache=True)
def _blocked(heights, row, col, camera, limits):  # type: ignore[no-untyped-def]
    """Whether the surface rises above the line from a cell to the camera. limits: highest surface, tolerance, m."""
    top, tolerance = limits
    up = heights[row, col]
    dc, dr, rise = camera[0] - col, camera[1] - row, camera[2] - up
    run = math.hypot(dc, dr)
    if run < 1 or rise <= 0:
        return False
    dc, dr, rise = dc / run, dr / run, rise / run
    for step in range(2, int(run)):
        line = up + rise * step + tolerance
        if line > top:
            return False
        r, c = round(row + dr * step), round(col + dc * step)
        if not (0 <= r < heights.shape[0] and 0 <= c < heights.shape[1]):
            return False
        if heights[r, c] > line:
            return True
    return False


@numba.njit(nogil=True, cache=True)
def _find_hidden(labels, sight, hidden):  # type: ignore[no-untyped-def]
    heights, cameras, limits = sight
    for row in range(labels.shape[0]):
        for col in range(labels.shape[1]):
            label = labels[row, col]
            if label != NOBODY and _blocked(heights, row, col, cameras[label], limits):
                hidden[row, col] = 1


@numba.njit(nogil=True, cache=True)
def _reassign(labels, hidden, sight, candidates):  # type: ignore[no-untyped-def]
    heights, cameras, limits = sight
    for row in range(labels.shape[0]):
        for col in range(labels.shape[1]):
            if not hidden[row, col] or labels[row, col] == NOBODY:
                continue
            best = np.inf
            for k in range(len(candidates)):
                label = int(candidates[k, 0])
                camera = cameras[label]
                off = math.hypot(camera[0] - col, camera[1] - row) / max(camera[2] - heights[row, col], 1e-3)
                if (
                    off < best
                    and sees(candidates[k, 1:], col, row, heights[row, col])
                    and not _blocked(heights, row, col, camera, limits)
                ):
                    best = off
                    labels[row, col] = label


@numba.njit(nogil=True, cache=True)
def _drop(weights, own, heights, camera, limits):  # type: ignore[no-untyped-def]
    for row in range(weights.shape[0]):
        for col in range(weights.shape[1]):
            if weights[row, col] > 0 and not own[row, col] and _blocked(heights, row, col, camera, limits):
                weights[row, col] = 0
