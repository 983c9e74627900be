"""Many pairs' heights of a cell to one: the middle of the largest group that agrees."""

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from imagery.surface.grid import Window
from imagery.surface.stereo import EMPTY, Patch

__all__ = ["fuse"]

MOST_LAYERS = 48
SPECKLE_CELLS = 20
SPECKLE_STEP = 4  # tolerances between neighbours of one patch: tree tops are rough


def fuse(window: Window, patches: list[Patch], tolerance: int) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    """Height codes of a window from the patches that touch it, and how many pairs agree on each.

    tolerance: half the span, in codes, within which measurements agree. Cells without agreement are EMPTY with count 0.
    """
    layers = np.full((window.height, window.width, min(len(patches), MOST_LAYERS)), EMPTY, np.int16)
    counts = np.zeros((window.height, window.width), np.uint8)
    for patch in patches:
        common = window.intersection(patch.window)
        if common.width and common.height:
            here, there = common.within(window), common.within(patch.window)
            _push(layers[here.slices], counts[here.slices], patch.codes[there.slices])
    codes = _agree(layers, counts, tolerance)
    _close_gaps(codes, counts, tolerance)
    cv2.filterSpeckles(codes, EMPTY, SPECKLE_CELLS, SPECKLE_STEP * tolerance)
    counts[codes == EMPTY] = 0
    return codes, counts


@numba.njit(nogil=True, cache=True)
def _push(layers, counts, codes):  # type: ignore[no-untyped-def]
    """Append a patch's values to the cells' lists; a full list takes no more."""
    height, width, most = layers.shape
    for row in range(height):
        for col in range(width):
            n = np.int64(counts[row, col])  # unsigned loop variables would turn into floats
            if codes[row, col] != EMPTY and n < most:
                layers[row, col, n] = codes[row, col]
                counts[row, col] = n + 1


@numba.njit(nogil=True, cache=True)
def _agree(layers, counts, tolerance):  # type: ignore[no-untyped-def]
    height, width, _ = layers.shape
    codes = np.full((height, width), EMPTY, np.int16)
    for row in range(height):
        for col in range(width):
            n = np.int64(counts[row, col])  # unsigned loop variables would turn into floats
            if n == 0:
                continue
            values = layers[row, col, :n]
            for i in range(1, n):  # insertion sort: the lists are short
                value = values[i]
                j = i - 1
                while j >= 0 and values[j] > value:
                    values[j + 1] = values[j]
                    j -= 1
                values[j + 1] = value
            best, first, last = 0, 0, 0
            end = 0
            for start in range(n):
                while end < n and values[end] - values[start] <= 2 * tolerance:
                    end += 1
                # Of equal groups the upper one: a roof's edge is seen less often than the ground beside it.
                if end - start >= best:
                    best, first, last = end - start, start, end
            if best * 3 < n:  # no agreement, as in moving tree tops: the middle of all
                best, first, last = 1, 0, len(values)
            counts[row, col] = best
            middle = (first + last - 1) // 2
            if (last - first) % 2:
                codes[row, col] = values[middle]
            else:
                codes[row, col] = (np.int32(values[middle]) + values[middle + 1]) // 2
    return codes


@numba.njit(nogil=True, cache=True)
def _close_gaps(codes, counts, tolerance):  # type: ignore[no-untyped-def]
    """Give a lone empty cell the mean of its neighbours where most of them are measured and agree."""
    height, width = codes.shape
    source = codes.copy()
    for row in range(1, height - 1):
        for col in range(1, width - 1):
            if source[row, col] != EMPTY:
                continue
            n, total = 0, 0
            low, high = 32767, -32767
            for i in range(-1, 2):
                for j in range(-1, 2):
                    value = source[row + i, col + j]
                    if value != EMPTY:
                        n += 1
                        total += value
                        low, high = min(low, value), max(high, value)
            if n >= 5 and high - low <= 2 * tolerance:
                codes[row, col] = total // n
                counts[row, col] = 1
