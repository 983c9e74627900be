"""The similarity between two sets of points."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from imagery.align.similarity import level_similarity, similarity


@settings(deadline=None)
@given(st.integers(0, 10_000), st.floats(0.2, 5))
def test_found_again(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(0, 30, (12, 3))
    rotation = Rotation.from_rotvec(rng.normal(0, 1, 3)).as_matrix()
    shift = rng.normal(0, 100, 3)
    moved = scale * points @ rotation.T + shift
    found = similarity(points, moved)
    assert np.allclose(found.apply(points), moved, atol=1e-6)
    assert np.isclose(found.scale, scale)
    assert np.isclose(np.linalg.det(found.rotation), 1)


def test_points_on_a_line_are_not_rolled() -> None:
    along = np.linspace(0, 100, 8)
    source = np.column_stack([along, np.zeros(8), np.full(8, 50.0)])
    target = np.column_stack([np.zeros(8), along, np.full(8, 52.0)])
    found = similarity(source, target)
    assert np.allclose(found.apply(source), target)
    assert np.allclose(found.rotation @ [0, 0, 1], [0, 0, 1])


def test_level_similarity_keeps_the_vertical() -> None:
    rng = np.random.default_rng(1)
    points = rng.normal(0, 30, (12, 3))
    rotation = Rotation.from_euler("z", 130, degrees=True).as_matrix()
    moved = 1.5 * points @ rotation.T + [5, 6, 7]
    assert np.allclose(level_similarity(points, moved).apply(points), moved)
    tilted = points @ Rotation.from_euler("x", 20, degrees=True).as_matrix().T
    assert np.allclose(level_similarity(points, tilted).rotation[2], [0, 0, 1])
