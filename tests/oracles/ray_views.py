"""How many photos see a place, by following the ray from the place to the camera through a pinhole and over the ground."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["seen_by"]

Ground = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]


def seen_by(
    place: tuple[float, float],
    photos: NDArray[np.float64],
    course_deg: NDArray[np.float64],
    camera: tuple[float, float, float],
    ground: Ground,
    *,
    step_m: float = 2.0,
) -> tuple[int, int]:
    """The photos that hold a place of the ground in their frame, and those of them that no ground in between hides it from.

    photos: n x 3 (heights as of `ground`), looking down with the top of the frame along their course; camera: frame width and
    height, and focal length, all in the same unit.
    """
    x, y = place
    z = float(ground(np.array([x]), np.array([y]))[0])
    width, height, focal = camera
    framed = visible = 0
    for (px, py, pz), course in zip(photos, np.radians(course_deg), strict=True):
        right = np.array([np.cos(course), -np.sin(course), 0.0])
        forward = np.array([np.sin(course), np.cos(course), 0.0])
        ray = np.array([x - px, y - py, z - pz])
        depth = -ray[2]
        if depth <= 0:
            continue
        u, v = focal * (ray @ right) / depth, focal * (ray @ forward) / depth
        if abs(u) > width / 2 or abs(v) > height / 2:
            continue
        framed += 1
        count = max(2, int(np.linalg.norm(ray) / step_m))
        share = np.linspace(0, 1, count)[1:-1]
        heights = pz + share * ray[2]
        visible += bool((ground(px + share * ray[0], py + share * ray[1]) <= heights + 0.05).all())
    return framed, visible
