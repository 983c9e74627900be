"""The bundle adjustment against independent programs: OpenCV's projection and SciPy's least squares."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from imagery.align.bundle import Observations, Priors, State, minimise, pixel_residuals

rng = np.random.default_rng(11)


def small_problem(lenses: int = 1) -> tuple[State, Observations, Priors]:
    """Four photos of fourteen points, two of them turned over, with priors on everything."""
    n, p = 4, 14
    points = rng.uniform([-20, -20, -3], [20, 20, 3], (p, 3))
    position = np.column_stack([rng.uniform(-8, 8, (n, 2)), np.full(n, 50.0)])
    down = np.diag([1.0, -1.0, -1.0])
    turns = Rotation.from_rotvec(rng.normal(0, 0.05, (n, 3))).as_matrix()
    rotation = np.array([t @ (down if i % 2 else np.diag([-1.0, 1.0, -1.0])) for i, t in enumerate(turns)])
    lens = np.tile([900.0, 500, 400, -0.05, 0.02, 0.001, -0.002, 0.0, 1.02], (lenses, 1))
    state = State(rotation, position, lens, points)
    image, point = (side.ravel().astype(np.int32) for side in np.meshgrid(np.arange(n), np.arange(p)))
    lens_of = (np.arange(n) % lenses).astype(np.int32)
    zero = Observations(image, point, np.zeros((n * p, 2)), np.full(n * p, 0.5), lens_of)
    xy = -pixel_residuals(state, zero) + rng.normal(0, 0.5, (n * p, 2))
    priors = Priors(
        position=position + rng.normal(0, 0.5, (n, 3)),
        position_sigma=np.full((n, 3), 0.5),
        axis=np.tile([0, 0, -1.0], (n, 1)),
        axis_sigma=np.full(n, 0.05),
        lens=lens * 1.01,
        lens_sigma=np.tile([30, 5, 5, 0.05, 0.05, 0.002, 0.002, 0, 0.01], (lenses, 1)).astype(float),
        points=points,
        points_sigma=np.where(np.arange(p)[:, None] < 3, 0.1, np.inf) * np.ones(3),
    )
    return state, replace(zero, xy=xy), priors


def test_projection_agrees_with_opencv() -> None:
    state, seen, _ = small_problem()
    f, cx, cy, k1, k2, p1, p2, k3, aspect = state.lens[0]
    matrix = np.array([[f, 0, cx], [0, aspect * f, cy], [0, 0, 1]])
    residual = pixel_residuals(state, seen)
    for k in range(0, len(seen.image), 7):
        R, C = state.rotation[seen.image[k]], state.position[seen.image[k]]
        pixel, _ = cv2.projectPoints(
            state.points[seen.point[k]][None], cv2.Rodrigues(R)[0], -R @ C, matrix, np.array([k1, k2, p1, p2, k3])
        )
        assert np.allclose(seen.xy[k] - pixel.ravel(), residual[k], atol=1e-7)


@pytest.mark.parametrize("lenses", [1, 2])
def test_the_minimum_is_scipys(lenses: int) -> None:
    truth, seen, priors = small_problem(lenses)
    free = priors.lens_sigma[0] > 0
    n, p = len(truth.position), len(truth.points)
    turned = Rotation.from_rotvec(rng.normal(0, 0.01, (n, 3))).as_matrix() @ truth.rotation
    start = State(
        turned, truth.position + rng.normal(0, 0.3, (n, 3)), priors.lens, truth.points + rng.normal(0, 0.3, (p, 3))
    )

    def unpack(x: np.ndarray) -> State:
        turn, move, lens, points = np.split(x, np.cumsum([3 * n, 3 * n, free.sum() * lenses]))
        full = priors.lens.copy()
        full[:, free] = lens.reshape(lenses, -1)
        rotation = Rotation.from_rotvec(turn.reshape(n, 3)).as_matrix() @ start.rotation
        return State(rotation, move.reshape(n, 3), full, points.reshape(p, 3))

    def residuals(x: np.ndarray) -> np.ndarray:
        state = unpack(x)
        axis = np.einsum("nij,nj->ni", state.rotation, priors.axis)[:, :2] / priors.axis_sigma[:, None]
        return np.concatenate(
            [
                (pixel_residuals(state, seen) / seen.sigma_px[:, None]).ravel(),
                ((state.position - priors.position) / priors.position_sigma).ravel(),
                axis.ravel(),
                ((state.lens - priors.lens)[:, free] / priors.lens_sigma[:, free]).ravel(),
                ((state.points - priors.points) / priors.points_sigma).ravel(),
            ]
        )

    x0 = np.concatenate([np.zeros(3 * n), start.position.ravel(), start.lens[:, free].ravel(), start.points.ravel()])
    oracle = least_squares(residuals, x0, x_scale="jac", xtol=1e-13, ftol=1e-13)
    expected = unpack(oracle.x)
    found = minimise(start, seen, priors, iterations=60, tolerance=1e-13, huber=1e9)
    assert np.allclose(found.position, expected.position, atol=2e-4)
    assert np.allclose(found.rotation, expected.rotation, atol=1e-5)
    assert np.allclose(found.points, expected.points, atol=2e-4)
    assert np.allclose(found.lens, expected.lens, rtol=1e-4, atol=1e-4)


def test_huber_resists_gross_errors() -> None:
    truth, seen, priors = small_problem()
    priors = replace(priors, lens=truth.lens, position=truth.position)
    clean = minimise(truth, seen, priors, iterations=40, tolerance=1e-10)
    xy = seen.xy.copy()
    xy[::10] += 150.0
    robust = minimise(truth, replace(seen, xy=xy), priors, iterations=40, tolerance=1e-10)
    naive = minimise(truth, replace(seen, xy=xy), priors, iterations=40, tolerance=1e-10, huber=1e9)
    assert abs(robust.position - clean.position).max() < 0.2 * abs(naive.position - clean.position).max()
