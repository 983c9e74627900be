"""Points from rays: where the rays of a point's observations pass nearest each other."""

import numba
import numpy as np
from numpy.typing import NDArray

from imagery.align.bundle import Observations, State
from imagery.core.camera import Camera

__all__ = ["ray_directions", "triangulate"]

Array = NDArray[np.float64]


def ray_directions(state: State, seen: Observations, cameras: list[Camera]) -> Array:
    """Unit directions (m, 3) in the world along which the observations look; `cameras` are the lenses in their
    present state.
    """
    rays = np.empty((len(seen.image), 3))
    lens = seen.lens[seen.image]
    for index, camera in enumerate(cameras):
        chosen = lens == index
        rays[chosen] = camera.rays(seen.xy[chosen])
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    return np.einsum("mji,mj->mi", state.rotation[seen.image], rays)


def triangulate(state: State, seen: Observations, rays: Array, keep: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Points (p, 3) nearest to the rays of the kept observations, and the widest angle in radians between any ray and
    the first.

    Points with fewer than two kept observations, or behind a camera, are NaN with angle 0.
    """
    count = int(seen.point.max(initial=-1)) + 1
    return _nearest_points(count, seen.point, state.position[seen.image], rays, keep)


@numba.njit(cache=True, nogil=True)
def _nearest_points(count, point, origin, rays, keep):  # type: ignore[no-untyped-def]
    """Least squared distances to the rays, on a second pass weighted by 1 / distance squared (angles, not metres)."""
    A, b = np.zeros((count, 3, 3)), np.zeros((count, 3))
    found, angle, times = np.full((count, 3), np.nan), np.zeros(count), np.zeros(count, np.int32)
    first = np.zeros((count, 3))
    for turn in range(2):
        A[:] = 0
        b[:] = 0
        for k in range(len(point)):
            if not keep[k]:
                continue
            q = point[k]
            d, o = rays[k], origin[k]
            weight = 1.0
            if turn == 1:
                if np.isnan(found[q, 0]):
                    continue
                weight = 1 / max(
                    (found[q, 0] - o[0]) ** 2 + (found[q, 1] - o[1]) ** 2 + (found[q, 2] - o[2]) ** 2, 1e-6
                )
            elif times[q] == 0:
                first[q] = d
            else:
                cosine = first[q, 0] * d[0] + first[q, 1] * d[1] + first[q, 2] * d[2]
                angle[q] = max(angle[q], np.arccos(min(1.0, max(-1.0, cosine))))
            times[q] += turn == 0
            along = d[0] * o[0] + d[1] * o[1] + d[2] * o[2]
            for r in range(3):
                for c in range(3):
                    A[q, r, c] += weight * ((r == c) - d[r] * d[c])
                b[q, r] += weight * (o[r] - d[r] * along)
        for q in range(count):
            if times[q] < 2:
                continue
            determinant = np.linalg.det(A[q])
            size = (A[q, 0, 0] + A[q, 1, 1] + A[q, 2, 2]) / 3
            if determinant > 1e-9 * size**3:
                found[q] = np.linalg.solve(A[q], b[q])
            else:
                found[q] = np.nan
    for k in range(len(point)):
        q = point[k]
        if keep[k]:
            ahead = 0.0
            for r in range(3):
                ahead += (found[q, r] - origin[k, r]) * rays[k, r]
            if not ahead > 0:
                found[q] = np.nan
                angle[q] = 0
    return found, angle
