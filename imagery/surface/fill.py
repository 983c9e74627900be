"""Filling what no pair measured, smoothly: a coarse surface everywhere, and near measured cells what they say against it."""

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["REACH", "block_medians", "fill_from", "spread"]

LEVELS = 5  # of the local fill, each twice as wide
REACH = 2**LEVELS  # cells over which measured cells act


def spread(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fill NaN from the nearest scales that know something (pull-push over an image pyramid); known values are kept.

    values: 2-D with at least one number; returns the same shape without NaN.
    """
    known = np.isfinite(values)
    if known.all():
        return values
    if min(values.shape) == 1 or known.sum() == 1:
        return np.where(known, values, np.float32(np.nanmean(values))).astype(np.float32)
    weight = known.astype(np.float32)
    small_sum, small_weight = _halved(np.where(known, values, 0).astype(np.float32)), _halved(weight)
    with np.errstate(invalid="ignore"):
        small = np.where(small_weight > 0, small_sum / small_weight, np.nan).astype(np.float32)
    below = spread(small)
    upper = cv2.resize(below, (2 * below.shape[1], 2 * below.shape[0]), interpolation=cv2.INTER_LINEAR)
    upper = cv2.GaussianBlur(upper, (0, 0), 1.0)[: values.shape[0], : values.shape[1]]
    return np.where(known, values, upper).astype(np.float32)


def fill_from(values: NDArray[np.float32], coarse: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fill NaN in `values` with `coarse` (same shape) plus the difference of the two at measured cells nearby.

    The influence of a measured cell ends REACH cells away, so that tiles cut with that margin fit each other.
    """
    known = np.isfinite(values)
    if known.all():
        return values
    difference = np.where(known, values - coarse, 0).astype(np.float32)
    weight = known.astype(np.float32)
    total, total_weight = np.zeros_like(weight), np.zeros_like(weight)
    for level in range(LEVELS):
        side = 2 ** (level + 1) + 1
        near = cv2.blur(weight, (side, side), borderType=cv2.BORDER_ISOLATED)
        total += cv2.blur(difference, (side, side), borderType=cv2.BORDER_ISOLATED) * 4.0 ** -(level * 2)
        total_weight += near * 4.0 ** -(level * 2)
    # A tiny weight for "no difference" takes the correction back to nothing where measured cells run out.
    correction = total / (total_weight + 4.0 ** -(2 * LEVELS + 1))
    return np.where(known, values, coarse + correction).astype(np.float32)


def block_medians(values: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Medians of blocks of side x side cells (NaN left out), NaN where a block has none; partial blocks at the end included."""
    rows, cols = -(-values.shape[0] // side), -(-values.shape[1] // side)
    padded = np.full((rows * side, cols * side), np.nan, np.float32)
    padded[: values.shape[0], : values.shape[1]] = values
    blocks = padded.reshape(rows, side, cols, side).swapaxes(1, 2).reshape(rows, cols, side * side)
    blocks = np.sort(blocks, axis=2)  # NaN goes last
    count = np.isfinite(blocks).sum(axis=2)
    middle = np.take_along_axis(blocks, (np.maximum(count - 1, 0) // 2)[..., None], axis=2)[..., 0]
    return np.where(count > 0, middle, np.nan).astype(np.float32)


def _halved(values: NDArray[np.float32]) -> NDArray[np.float32]:
    rows, cols = -(-values.shape[0] // 2), -(-values.shape[1] // 2)
    padded = np.zeros((rows * 2, cols * 2), np.float32)
    padded[: values.shape[0], : values.shape[1]] = values
    return np.asarray(padded.reshape(rows, 2, cols, 2).sum(axis=(1, 3)), np.float32)
