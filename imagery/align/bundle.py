"""Bundle adjustment: poses, lenses and points that fit the pixels and what else is known, by least squares.

Levenberg-Marquardt (Marquardt's scaling). The points are eliminated first (Schur complement); what remains is solved
as a banded system of poses, ordered so that photos seeing the same points are near each other, with the few lens
parameters as a border. Robust by Huber weights on the length of a pixel residual. See Triggs et al. 2000, "Bundle
adjustment: a modern synthesis".
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_solve_banded, cholesky_banded
from scipy.sparse import coo_array
from scipy.sparse.csgraph import reverse_cuthill_mckee

from imagery.align.normal import back_substitute, eliminate
from imagery.align.projection import COUNT, residuals

__all__ = ["Observations", "Priors", "State", "minimise", "pixel_residuals"]

HUBER = 1.5
FIRST_DAMPING = 1e-7
LAST_DAMPING = 1e8

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Observations:
    """Where points are seen. Sorted by point.

    Attributes: image, point: (m,) int32; xy: (m, 2) pixels; sigma_px: (m,) standard deviation of each coordinate;
    lens: (n,) int32 index of each image's lens.
    """

    image: NDArray[np.int32]
    point: NDArray[np.int32]
    xy: Array
    sigma_px: Array
    lens: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class State:
    """The unknowns: rotation (n, 3, 3) world-to-camera, position (n, 3), lens (lenses, COUNT) in the order LENS, points
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
    (n,) radians; lens, lens_sigma: (lenses, COUNT); points, points_sigma: (p, 3) metres.
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
        residuals(
            state.rotation,
            state.position,
            state.lens,
            state.points,
            seen.image,
            seen.point,
            seen.xy,
            seen.lens,
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
    return np.column_stack([state.lens[:, :1]] * 3 + [np.ones((len(state.lens), COUNT - 3))])


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
    border, corner = np.zeros((6 * n, COUNT * lenses)), np.zeros((COUNT * lenses, COUNT * lenses))
    right, right_lens = np.zeros(6 * n), np.zeros(COUNT * lenses)
    _add_image_priors(state, priors, layout.rank, band, right)
    free = priors.lens_sigma.ravel() > 0
    lens_weight = np.where(free, _weights(np.where(free, priors.lens_sigma.ravel(), 1)), 0) * scale.ravel() ** 2
    corner[np.diag_indices(COUNT * lenses)] += lens_weight
    right_lens += lens_weight * ((priors.lens - state.lens) / scale).ravel()
    eliminated = eliminate(
        state.rotation,
        state.position,
        state.lens,
        state.points,
        scale,
        free.reshape(lenses, COUNT),
        seen.image,
        seen.point,
        seen.xy,
        seen.sigma_px,
        seen.lens,
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
    corner[np.diag_indices(COUNT * lenses)] += np.where(free, 0, 1)
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
    lens_step = lens_step.reshape(lenses, COUNT)
    inverse, point_right, W, W_lens = eliminated
    point_step = back_substitute(
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
