"""Bundle adjustment: poses, lenses and points that fit the pixels and what else is known, by least squares.

Levenberg-Marquardt (Marquardt's scaling). The points are eliminated first (Schur complement); what remains is solved
as a banded system of poses, ordered so that photos seeing the same points are near each other, with the few lens
parameters as a border. Robust by Huber weights on the length of a pixel residual. See Triggs et al. 2000, "Bundle
adjustment: a modern synthesis".
"""

from dataclasses import dataclass, replace

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_solve_banded, cholesky_banded
from scipy.sparse import coo_array
from scipy.sparse.csgraph import reverse_cuthill_mckee

__all__ = ["LENS", "Observations", "Priors", "State", "minimise", "pixel_residuals"]

LENS = ("fx", "cx", "cy", "k1", "k2", "p1", "p2", "k3")
HUBER = 1.5
FIRST_DAMPING = 1e-7
LAST_DAMPING = 1e8

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Observations:
    """Where points are seen. Sorted by point.

    Attributes: image, point: (m,) int32; xy: (m, 2) pixels; sigma_px: (m,) standard deviation of each coordinate;
    lens: (n,) int32 index of each image's lens; aspect: (lenses,) fy / fx.
    """

    image: NDArray[np.int32]
    point: NDArray[np.int32]
    xy: Array
    sigma_px: Array
    lens: NDArray[np.int32]
    aspect: Array


@dataclass(frozen=True, slots=True)
class State:
    """The unknowns: rotation (n, 3, 3) world-to-camera, position (n, 3), lens (lenses, 8) in the order LENS, points
    (p, 3).
    """

    rotation: Array
    position: Array
    lens: Array
    points: Array


@dataclass(frozen=True, slots=True)
class Priors:
    """What is known beside the pixels.

    A standard deviation of infinity means that nothing is known, one of 0 (lens only) that it is held fixed.

    Attributes: position, position_sigma: (n, 3) metres; axis, axis_sigma: (n, 3) direction of the optical axis and
    (n,) radians; lens, lens_sigma: (lenses, 8); points, points_sigma: (p, 3) metres.
    """

    position: Array
    position_sigma: Array
    axis: Array
    axis_sigma: Array
    lens: Array
    lens_sigma: Array
    points: Array
    points_sigma: Array


def pixel_residuals(state: State, seen: Observations) -> Array:
    """Observed minus projected pixels, (m, 2); NaN where a point is behind the camera."""
    return np.asarray(
        _residuals(
            state.rotation,
            state.position,
            state.lens,
            state.points,
            seen.image,
            seen.point,
            seen.xy,
            seen.lens,
            seen.aspect,
        )
    )


def minimise(
    state: State,
    seen: Observations,
    priors: Priors,
    *,
    iterations: int = 20,
    tolerance: float = 1e-4,
    huber: float = HUBER,
) -> State:
    """The state that fits best, from a state nearby.

    Stops when the cost falls by less than `tolerance` of itself, after `iterations`, or when no step lowers it.
    `huber` is in standard deviations.
    """
    layout = _Layout(state, seen)
    cost = _cost(state, seen, priors, huber)
    damping = FIRST_DAMPING
    for _ in range(iterations):
        before = cost
        while damping < LAST_DAMPING:
            step = _step(state, seen, priors, layout, damping, huber)
            if step is not None:
                trial_cost = _cost(step, seen, priors, huber)
                if trial_cost < cost:
                    state, cost = step, trial_cost
                    damping = max(damping / 10, 1e-12)
                    break
            damping *= 10
        if before - cost <= tolerance * before:
            break
    return state


class _Layout:
    """The order of the images in the banded system: `rank` of each image and the band's width in images."""

    def __init__(self, state: State, seen: Observations) -> None:
        n = len(state.position)
        start = np.concatenate([[0], np.flatnonzero(np.diff(seen.point)) + 1, [len(seen.point)]]).astype(np.int64)
        self.start = start if len(seen.point) else np.zeros(1, np.int64)
        points, images = len(state.points), n
        visible = coo_array(
            (np.ones(len(seen.image), np.float32), (seen.image, seen.point)), shape=(images, points)
        ).tocsr()
        together = (visible @ visible.T).tocsr()
        order = reverse_cuthill_mckee(together, symmetric_mode=True)
        self.rank = np.empty(n, np.int64)
        self.rank[order] = np.arange(n)
        pairs = together.tocoo()
        self.width = int(np.abs(self.rank[pairs.coords[0]] - self.rank[pairs.coords[1]]).max(initial=0)) + 1


def _lens_scale(state: State) -> Array:
    """Units in which lens parameters are solved, so that a step of 1 moves pixels alike."""
    return np.column_stack([state.lens[:, :1]] * 3 + [np.ones((len(state.lens), 5))])


def _weights(sigma: Array) -> Array:
    """1 / sigma squared, with 0 for an infinite sigma."""
    return np.asarray(1.0 / np.maximum(sigma, 1e-9) ** 2)


def _cost(state: State, seen: Observations, priors: Priors, huber: float) -> float:
    residual = pixel_residuals(state, seen) / seen.sigma_px[:, None]
    length = np.hypot(residual[:, 0], residual[:, 1])
    length = np.where(np.isnan(length), 1e3, length)
    cost = np.where(length < huber, length**2, huber * (2 * length - huber)).sum()
    cost += ((state.position - priors.position) ** 2 * _weights(priors.position_sigma)).sum()
    cost += ((state.points - priors.points) ** 2 * _weights(priors.points_sigma)).sum()
    free = priors.lens_sigma > 0
    cost += (((state.lens - priors.lens) / np.where(free, priors.lens_sigma, 1))[free] ** 2).sum()
    across = np.einsum("nij,nj->ni", state.rotation, priors.axis)[:, :2]
    return float(cost + ((across**2).sum(axis=1) * _weights(priors.axis_sigma)).sum())


def _step(
    state: State, seen: Observations, priors: Priors, layout: _Layout, damping: float, huber: float
) -> State | None:
    """One damped Gauss-Newton step; None when the system cannot be solved at this damping."""
    n, lenses = len(state.position), len(state.lens)
    scale = _lens_scale(state)
    band = np.zeros((6 * n, 6 * layout.width))
    border, corner = np.zeros((6 * n, 8 * lenses)), np.zeros((8 * lenses, 8 * lenses))
    right, right_lens = np.zeros(6 * n), np.zeros(8 * lenses)
    _add_image_priors(state, priors, layout.rank, band, right)
    free = priors.lens_sigma.ravel() > 0
    lens_weight = np.where(free, _weights(np.where(free, priors.lens_sigma.ravel(), 1)), 0) * scale.ravel() ** 2
    corner[np.diag_indices(8 * lenses)] += lens_weight
    right_lens += lens_weight * ((priors.lens - state.lens) / scale).ravel()
    eliminated = _eliminate(
        state.rotation,
        state.position,
        state.lens,
        state.points,
        scale,
        free.reshape(lenses, 8),
        seen.image,
        seen.point,
        seen.xy,
        seen.sigma_px,
        seen.lens,
        seen.aspect,
        layout.start,
        layout.rank,
        priors.points,
        _weights(priors.points_sigma),
        damping,
        huber,
        band,
        border,
        corner,
        right,
        right_lens,
    )
    corner[np.diag_indices(8 * lenses)] += np.where(free, 0, 1)
    try:
        factor = cholesky_banded(band.T, lower=True, overwrite_ab=True, check_finite=False)
        solved = cho_solve_banded((factor, True), np.column_stack([border, right]), check_finite=False)
        reduced = corner - border.T @ solved[:, :-1]
        even = 1 / np.sqrt(np.maximum(np.diag(reduced), 1e-300))  # the parameters' units differ by many orders
        lens_step = even * np.linalg.solve(
            reduced * even * even[:, None], even * (right_lens - border.T @ solved[:, -1])
        )
    except (LinAlgError, ValueError):
        return None
    image_step = (solved[:, -1] - solved[:, :-1] @ lens_step).reshape(n, 6)[layout.rank]
    lens_step = lens_step.reshape(lenses, 8)
    inverse, point_right, W, W_lens = eliminated
    point_step = _back_substitute(
        inverse, point_right, W, W_lens, layout.start, seen.image, seen.point, seen.lens, image_step, lens_step
    )
    if not (np.isfinite(image_step).all() and np.isfinite(point_step).all()):
        return None
    return replace(
        state,
        rotation=_turned(state.rotation, image_step[:, :3]),
        position=state.position + image_step[:, 3:],
        lens=state.lens + lens_step * scale,
        points=state.points + point_step,
    )


def _add_image_priors(state: State, priors: Priors, rank: NDArray[np.int64], band: Array, right: Array) -> None:
    """Positions and optical axes; each image's block is the lower left of its own columns in the band."""
    weight = _weights(priors.position_sigma)
    columns = 6 * rank[:, None] + np.arange(3, 6)
    band[columns, 0] += weight
    right[columns] += weight * (priors.position - state.position)
    # The axis seen in the camera should be (0, 0, 1); a turn w moves it by w x axis: x by w_y z - w_z y, y by w_z x - w_x z.
    seen = np.einsum("nij,nj->ni", state.rotation, priors.axis)
    x, y, z = seen.T
    zero = np.zeros_like(x)
    jacobian = np.stack([np.column_stack([zero, z, -y]), np.column_stack([-z, zero, x])], axis=1)
    weight = _weights(priors.axis_sigma)
    normal = np.einsum("nki,nkj,n->nij", jacobian, jacobian, weight)
    for i in range(3):
        for j in range(i, 3):
            band[6 * rank + i, j - i] += normal[:, i, j]
    right[6 * rank[:, None] + np.arange(3)] -= np.einsum("nki,nk,n->ni", jacobian, seen[:, :2], weight)


def _turned(rotation: Array, turn: Array) -> Array:
    """Rotations turned by rotation vectors in camera coordinates, orthonormal again."""
    angle = np.maximum(np.linalg.norm(turn, axis=1), 1e-300)[:, None, None]
    x, y, z = turn.T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=1).reshape(-1, 3, 3) / angle
    small = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)
    u, _, vt = np.linalg.svd(small @ rotation)
    return np.asarray(u @ vt)


@numba.njit(cache=True, nogil=True)
def _residuals(rotation, position, lens, points, image, point, xy, lens_of, aspect):  # type: ignore[no-untyped-def]
    out = np.empty((len(image), 2))
    for k in range(len(image)):
        i = image[k]
        R, C, X = rotation[i], position[i], points[point[k]]
        dx, dy, dz = X[0] - C[0], X[1] - C[1], X[2] - C[2]
        u = R[0, 0] * dx + R[0, 1] * dy + R[0, 2] * dz
        v = R[1, 0] * dx + R[1, 1] * dy + R[1, 2] * dz
        w = R[2, 0] * dx + R[2, 1] * dy + R[2, 2] * dz
        if w < 1e-3:
            out[k, 0] = out[k, 1] = np.nan
            continue
        f, cx, cy, k1, k2, p1, p2, k3 = lens[lens_of[i]]
        x, y = u / w, v / w
        r2 = x * x + y * y
        radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        xd = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
        yd = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
        out[k, 0] = xy[k, 0] - f * xd - cx
        out[k, 1] = xy[k, 1] - f * aspect[lens_of[i]] * yd - cy
    return out


@numba.njit(cache=True, nogil=True)
def _jacobian(R, C, X, lens, scale, free, aspect, xy, J_pose, J_lens, J_point, residual):  # type: ignore[no-untyped-def]
    """Fill one projection's derivatives by pose (turn, position), lens, point, and its residual; False if behind the
    camera.
    """
    dx, dy, dz = X[0] - C[0], X[1] - C[1], X[2] - C[2]
    u = R[0, 0] * dx + R[0, 1] * dy + R[0, 2] * dz
    v = R[1, 0] * dx + R[1, 1] * dy + R[1, 2] * dz
    w = R[2, 0] * dx + R[2, 1] * dy + R[2, 2] * dz
    if w < 1e-3:
        return False
    f, cx, cy, k1, k2, p1, p2, k3 = lens
    g = f * aspect
    x, y = u / w, v / w
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    slope = k1 + r2 * (2 * k2 + 3 * r2 * k3)
    xd = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    yd = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
    residual[0] = xy[0] - f * xd - cx
    residual[1] = xy[1] - g * yd - cy
    # d(xd, yd) / d(x, y)
    a = radial + 2 * x * x * slope + 2 * p1 * y + 6 * p2 * x
    b = 2 * x * y * slope + 2 * p1 * x + 2 * p2 * y
    d = radial + 2 * y * y * slope + 6 * p1 * y + 2 * p2 * x
    for row in range(2):
        if row == 0:
            along_x, along_y = f * a / w, f * b / w
        else:
            along_x, along_y = g * b / w, g * d / w
        along_w = -(along_x * x + along_y * y)
        J_pose[row, 0] = along_w * v - along_y * w
        J_pose[row, 1] = along_x * w - along_w * u
        J_pose[row, 2] = along_y * u - along_x * v
        for c in range(3):
            J_point[row, c] = along_x * R[0, c] + along_y * R[1, c] + along_w * R[2, c]
            J_pose[row, 3 + c] = -J_point[row, c]
    J_lens[0, 0], J_lens[1, 0] = xd, aspect * yd
    J_lens[0, 1], J_lens[1, 1] = 1.0, 0.0
    J_lens[0, 2], J_lens[1, 2] = 0.0, 1.0
    J_lens[0, 3], J_lens[1, 3] = f * x * r2, g * y * r2
    J_lens[0, 4], J_lens[1, 4] = f * x * r2 * r2, g * y * r2 * r2
    J_lens[0, 5], J_lens[1, 5] = f * 2 * x * y, g * (r2 + 2 * y * y)
    J_lens[0, 6], J_lens[1, 6] = f * (r2 + 2 * x * x), g * 2 * x * y
    J_lens[0, 7], J_lens[1, 7] = f * x * r2 * r2 * r2, g * y * r2 * r2 * r2
    for c in range(8):
        factor = scale[c] if free[c] else 0.0
        J_lens[0, c] *= factor
        J_lens[1, c] *= factor
    return True


@numba.njit(cache=True, nogil=True)
def _inverse3(V, out):  # type: ignore[no-untyped-def]
    a, b, c, d, e, f = V[0, 0], V[0, 1], V[0, 2], V[1, 1], V[1, 2], V[2, 2]
    A, B, C = d * f - e * e, c * e - b * f, b * e - c * d
    det = a * A + b * B + c * C
    if not det > 0:
        out[:] = 0
        return
    out[0, 0], out[0, 1], out[0, 2] = A / det, B / det, C / det
    out[1, 0], out[1, 1], out[1, 2] = B / det, (a * f - c * c) / det, (b * c - a * e) / det
    out[2, 0], out[2, 1], out[2, 2] = C / det, (b * c - a * e) / det, (a * d - b * b) / det


@numba.njit(cache=True, nogil=True)
def _eliminate(  # type: ignore[no-untyped-def]
    rotation, position, lens, points, scale, free, image, point, xy, sigma, lens_of, aspect, start, rank,
    prior, prior_weight, damping, huber, band, border, corner, right, right_lens,
):  # fmt: skip
    """Add every point's observations to the normal equations and eliminate the point.

    Fills band (row 6 * rank + a holds the lower triangle's column), border, corner and both right sides in place;
    returns what back-substitution needs: the inverse of each point's block, its right side, and its coupling with
    poses and lenses.
    """
    m, p = len(image), len(points)
    lenses = len(lens)
    grow = 1.0 + damping
    inverse, point_right = np.zeros((p, 3, 3)), np.zeros((p, 3))
    W, W_lens = np.zeros((m, 6, 3)), np.zeros((m, 8, 3))
    J_pose, J_lens, J_point, r = np.zeros((2, 6)), np.zeros((2, 8)), np.zeros((2, 3)), np.zeros(2)
    V, T, T_lens, lens_sum = np.zeros((3, 3)), np.zeros((6, 3)), np.zeros((lenses, 8, 3)), np.zeros((lenses, 8, 3))
    touched = np.zeros(lenses, np.bool_)
    diagonal = np.zeros((len(position), 6))
    lens_diagonal = np.zeros((lenses, 8))
    for s in range(len(start) - 1):
        q = point[start[s]]
        V[:] = 0
        g = point_right[q]
        lens_sum[:] = 0
        touched[:] = False
        for k in range(start[s], start[s + 1]):
            i, c = image[k], lens_of[image[k]]
            ok = _jacobian(
                rotation[i],
                position[i],
                points[q],
                lens[c],
                scale[c],
                free[c],
                aspect[c],
                xy[k],
                J_pose,
                J_lens,
                J_point,
                r,
            )
            if not ok:
                continue
            length = np.sqrt(r[0] * r[0] + r[1] * r[1]) / sigma[k]
            weight = (1.0 if length <= huber else huber / length) / (sigma[k] * sigma[k])
            column = 6 * rank[i]
            for a in range(6):
                right[column + a] += weight * (J_pose[0, a] * r[0] + J_pose[1, a] * r[1])
                for b in range(a, 6):
                    value = weight * (J_pose[0, a] * J_pose[0, b] + J_pose[1, a] * J_pose[1, b])
                    if a == b:
                        diagonal[i, a] += value
                    band[column + a, b - a] += value
                for b in range(8):
                    border[column + a, 8 * c + b] += weight * (
                        J_pose[0, a] * J_lens[0, b] + J_pose[1, a] * J_lens[1, b]
                    )
                for b in range(3):
                    W[k, a, b] = weight * (J_pose[0, a] * J_point[0, b] + J_pose[1, a] * J_point[1, b])
            for a in range(8):
                right_lens[8 * c + a] += weight * (J_lens[0, a] * r[0] + J_lens[1, a] * r[1])
                for b in range(8):
                    value = weight * (J_lens[0, a] * J_lens[0, b] + J_lens[1, a] * J_lens[1, b])
                    if a == b:
                        lens_diagonal[c, a] += value
                    corner[8 * c + a, 8 * c + b] += value
                for b in range(3):
                    W_lens[k, a, b] = weight * (J_lens[0, a] * J_point[0, b] + J_lens[1, a] * J_point[1, b])
                    lens_sum[c, a, b] += W_lens[k, a, b]
            touched[c] = True
            for a in range(3):
                g[a] += weight * (J_point[0, a] * r[0] + J_point[1, a] * r[1])
                for b in range(3):
                    V[a, b] += weight * (J_point[0, a] * J_point[0, b] + J_point[1, a] * J_point[1, b])
        for a in range(3):
            V[a, a] = V[a, a] * grow + prior_weight[q, a]
            g[a] += prior_weight[q, a] * (prior[q, a] - points[q, a])
        _inverse3(V, inverse[q])
        U = inverse[q]
        for c in range(lenses):
            if not touched[c]:
                continue
            for a in range(8):
                for b in range(3):
                    T_lens[c, a, b] = (
                        lens_sum[c, a, 0] * U[0, b] + lens_sum[c, a, 1] * U[1, b] + lens_sum[c, a, 2] * U[2, b]
                    )
                right_lens[8 * c + a] -= T_lens[c, a, 0] * g[0] + T_lens[c, a, 1] * g[1] + T_lens[c, a, 2] * g[2]
        for c in range(lenses):
            for e in range(lenses):
                if touched[c] and touched[e]:
                    for a in range(8):
                        for b in range(8):
                            corner[8 * c + a, 8 * e + b] -= (
                                T_lens[c, a, 0] * lens_sum[e, b, 0]
                                + T_lens[c, a, 1] * lens_sum[e, b, 1]
                                + T_lens[c, a, 2] * lens_sum[e, b, 2]
                            )
        for k in range(start[s], start[s + 1]):
            row = rank[image[k]]
            for a in range(6):
                for b in range(3):
                    T[a, b] = W[k, a, 0] * U[0, b] + W[k, a, 1] * U[1, b] + W[k, a, 2] * U[2, b]
                right[6 * row + a] -= T[a, 0] * g[0] + T[a, 1] * g[1] + T[a, 2] * g[2]
                for c in range(lenses):
                    if touched[c]:
                        for b in range(8):
                            border[6 * row + a, 8 * c + b] -= (
                                T[a, 0] * lens_sum[c, b, 0] + T[a, 1] * lens_sum[c, b, 1] + T[a, 2] * lens_sum[c, b, 2]
                            )
            for l in range(start[s], start[s + 1]):
                column = rank[image[l]]
                if column > row:
                    continue
                offset = 6 * (row - column)
                for b in range(6):
                    for a in range(b if row == column else 0, 6):
                        band[6 * column + b, offset + a - b] -= (
                            T[a, 0] * W[l, b, 0] + T[a, 1] * W[l, b, 1] + T[a, 2] * W[l, b, 2]
                        )
    for i in range(len(position)):
        for a in range(6):
            band[6 * rank[i] + a, 0] += damping * diagonal[i, a] + 1e-12
    for c in range(lenses):
        for a in range(8):
            corner[8 * c + a, 8 * c + a] += damping * lens_diagonal[c, a]
    return inverse, point_right, W, W_lens


@numba.njit(cache=True, nogil=True)
def _back_substitute(inverse, point_right, W, W_lens, start, image, point, lens_of, image_step, lens_step):  # type: ignore[no-untyped-def]
    step = np.zeros((len(inverse), 3))
    g = np.zeros(3)
    for s in range(len(start) - 1):
        q = point[start[s]]
        g[:] = point_right[q]
        for k in range(start[s], start[s + 1]):
            turn, lens = image_step[image[k]], lens_step[lens_of[image[k]]]
            for b in range(3):
                for a in range(6):
                    g[b] -= W[k, a, b] * turn[a]
                for a in range(8):
                    g[b] -= W_lens[k, a, b] * lens[a]
        for a in range(3):
            step[q, a] = inverse[q, a, 0] * g[0] + inverse[q, a, 1] * g[1] + inverse[q, a, 2] * g[2]
    return step
