"""Matching two photos: nearest descriptors both ways, clearly nearer than the next, and consistent with one geometry."""

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from imagery.align.features import DESCRIPTOR_SCALE, Features

__all__ = ["match_pair"]

RATIO = 0.82
MIN_MATCHES = 15
MIN_INLIERS = 12


def match_pair(first: Features, second: Features, threshold_px: float) -> NDArray[np.int32]:
    """Matches (m x 2 indices into the two photos' features) that agree with one fundamental matrix within
    `threshold_px`.

    Empty when too few agree to trust that the photos show the same ground.
    """
    none = np.zeros((0, 2), np.int32)
    if min(len(first.xy), len(second.xy)) < MIN_MATCHES:
        return none
    a = first.descriptors.astype(np.float32) / DESCRIPTOR_SCALE
    b = second.descriptors.astype(np.float32) / DESCRIPTOR_SCALE
    matches = _mutual(a @ b.T, np.float32(RATIO))
    if len(matches) < MIN_MATCHES:
        return none
    left, right = first.xy[matches[:, 0]].astype(float), second.xy[matches[:, 1]].astype(float)
    _, mask = cv2.findFundamentalMat(left, right, cv2.USAC_MAGSAC, threshold_px, 0.999, 2000)
    if mask is None:
        return none
    inliers = mask.ravel().astype(bool)
    if inliers.sum() < max(MIN_INLIERS, 0.15 * len(matches)):
        return none
    return matches[inliers]


@numba.njit(cache=True, nogil=True, fastmath=True)
def _mutual(similarity, ratio):  # type: ignore[no-untyped-def]
    """Mutual nearest neighbours (m x 2) of a similarity matrix of unit vectors, whose distance is below `ratio` of
    the next.
    """
    rows, columns = similarity.shape
    best_row = np.full(columns, -1, np.int32)
    best_value = np.full(columns, np.float32(-2), np.float32)
    second = np.empty(rows, np.float32)
    best_column = np.empty(rows, np.int32)
    for i in range(rows):
        top, next_, where = np.float32(-2), np.float32(-2), 0
        for j in range(columns):
            s = similarity[i, j]
            if s > top:
                next_ = top
                top = s
                where = j
            elif s > next_:
                next_ = s
            if s > best_value[j]:
                best_value[j] = s
                best_row[j] = i
        best_column[i] = where
        second[i] = next_
    matches = np.empty((rows, 2), np.int32)
    count = 0
    for i in range(rows):
        j = best_column[i]
        if best_row[j] == i and 1 - similarity[i, j] < ratio * ratio * (1 - second[i]):
            matches[count, 0] = i
            matches[count, 1] = j
            count += 1
    return matches[:count].copy()
