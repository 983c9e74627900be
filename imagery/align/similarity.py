"""The similarity (scale, rotation, shift) that brings one set of points nearest to another."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Similarity", "level_similarity", "similarity"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Similarity:
    """``target = scale * rotation @ source + shift``."""

    scale: float
    rotation: Array
    shift: Array

    def apply(self, points: Array) -> Array:
        """Points (n, 3) moved."""
        return np.asarray(self.scale * points @ self.rotation.T + self.shift)


def similarity(source: Array, target: Array, weight: Array | None = None) -> Similarity:
    """Least squares similarity between corresponding points (n, 3), n >= 3 (Umeyama 1991).

    Points on one line leave the rotation around it open; then the one nearest to no rotation is taken.
    """
    w = np.ones(len(source)) if weight is None else weight
    w = w / w.sum()
    centre_source, centre_target = w @ source, w @ target
    a, b = source - centre_source, target - centre_target
    u, spread, vt = np.linalg.svd((b * w[:, None]).T @ a)
    if spread[1] < 1e-3 * spread[0]:
        rotation = _shortest_turn(vt[0], u[:, 0])
    else:
        sign = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
        rotation = u @ sign @ vt
    scale = float((w[:, None] * b * (a @ rotation.T)).sum() / max(float((w[:, None] * a * a).sum()), 1e-12))
    return Similarity(scale, rotation, centre_target - scale * rotation @ centre_source)


def level_similarity(source: Array, target: Array, weight: Array | None = None) -> Similarity:
    """Least squares similarity (n, 3), n >= 2, that keeps the vertical: scale and turn by the horizontal coordinates alone."""
    w = np.ones(len(source)) if weight is None else weight
    w = w / w.sum()
    centre_source, centre_target = w @ source, w @ target
    a, b = source - centre_source, target - centre_target
    along = float((w * (a[:, 0] * b[:, 0] + a[:, 1] * b[:, 1])).sum())
    across = float((w * (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])).sum())
    length = max(float(np.hypot(along, across)), 1e-12)
    c, s = along / length, across / length
    rotation = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
    scale = length / max(float((w[:, None] * a[:, :2] ** 2).sum()), 1e-12)
    return Similarity(scale, rotation, centre_target - scale * rotation @ centre_source)


def _shortest_turn(source: Array, target: Array) -> Array:
    """The smallest rotation between two unit vectors that may each be reversed together."""
    axis, cosine = np.cross(source, target), float(source @ target)
    if cosine < -1 + 1e-9:
        return np.diag([-1.0, -1.0, 1.0])
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.asarray(np.eye(3) + cross + cross @ cross / (1 + cosine))
