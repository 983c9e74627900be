"""Features of one photo: SIFT key points with RootSIFT descriptors, found on a reduced grey image."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from imagery.core.decode import read_grey
from imagery.core.files import atomic_path

__all__ = ["Features", "extract", "load_features", "save_features"]

DESCRIPTOR_SCALE = 512.0  # RootSIFT has unit length; times this, its 128 entries use the range of a byte well


@dataclass(frozen=True, slots=True)
class Features:
    """Key points of a photo.

    Attributes: xy: (n, 2) float32 pixels of the full-size photo; descriptors: (n, 128) uint8 RootSIFT.
    """

    xy: NDArray[np.float32]
    descriptors: NDArray[np.uint8]


def extract(path: str | Path, *, long_side_px: int = 1333, count: int = 2500) -> Features:
    """Find up to `count` key points on the photo reduced to `long_side_px`.

    Raises BadInputError when the photo cannot be decoded.
    """
    full = read_grey(path)
    height, width = full.shape
    shrink = min(1.0, long_side_px / max(height, width))
    size = round(width * shrink), round(height * shrink)
    grey = np.asarray(cv2.resize(full, size, interpolation=cv2.INTER_AREA), np.uint8) if shrink < 1 else full
    sift = cv2.SIFT.create(count, 3, 0.02, 10, 1.6, enable_precise_upscale=True)
    points, raw = sift.detectAndCompute(_stretched(grey), None)
    if raw is None or not points:
        return Features(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.uint8))
    xy = np.array([point.pt for point in points], np.float32)[:count]
    to_full = np.array([width / size[0], height / size[1]], np.float32)
    return Features((xy + 0.5) * to_full - 0.5, _root_sift(np.asarray(raw[:count], np.float32)))


def save_features(path: str | Path, features: Features) -> None:
    """Write features as `.npz`, atomically."""
    with atomic_path(path) as temporary:
        np.savez(temporary, xy=features.xy, descriptors=features.descriptors)


def load_features(path: str | Path) -> Features:
    """Read what `save_features` wrote."""
    with np.load(path) as arrays:
        return Features(arrays["xy"], arrays["descriptors"])


def _stretched(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Grey values spread over the whole range, so that dark and hazy photos give as many points as others."""
    low, high = np.percentile(grey[::4, ::4], [1, 99])
    gain = 255 / max(high - low, 16)
    return cv2.convertScaleAbs(np.maximum(grey, np.uint8(low)), alpha=gain, beta=-low * gain).astype(
        np.uint8, copy=False
    )


def _root_sift(raw: NDArray[np.float32]) -> NDArray[np.uint8]:
    """RootSIFT (Arandjelovic and Zisserman 2012): the square root of the L1-normalised descriptor, as bytes."""
    root = np.sqrt(raw / np.maximum(raw.sum(axis=1, keepdims=True), 1e-9))
    return np.minimum(np.rint(root * DESCRIPTOR_SCALE), 255).astype(np.uint8)
