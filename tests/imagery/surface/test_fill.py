"""Filling keeps what is known, invents no extremes, and does not depend on how the raster is cut."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from imagery.surface.fill import REACH, block_medians, fill_from, spread
from imagery.surface.terrain import ground_of

shapes = st.tuples(st.integers(1, 40), st.integers(1, 40))


@given(shapes, st.integers(0, 2**32 - 1), st.floats(0.02, 0.9))
@settings(max_examples=60, deadline=None)
def test_spread_keeps_known_and_stays_between(shape: tuple[int, int], seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    values = rng.uniform(-5, 50, shape).astype(np.float32)
    known = rng.random(shape) < share
    known[rng.integers(shape[0]), rng.integers(shape[1])] = True
    filled = spread(np.where(known, values, np.nan).astype(np.float32))
    assert np.isfinite(filled).all()
    np.testing.assert_array_equal(filled[known], values[known])
    assert filled.min() >= values[known].min() - 1e-3
    assert filled.max() <= values[known].max() + 1e-3


def test_fill_follows_a_slope_without_a_step() -> None:
    rows, cols = np.mgrid[:120, :160].astype(np.float32)
    plane = 0.2 * cols - 0.1 * rows + 30
    values = plane.copy()
    values[40:70, 50:90] = np.nan
    filled = fill_from(values, plane + 1.5)  # the coarse surface is off by 1.5 m
    step = np.abs(np.diff(filled, axis=1)).max()
    assert step < 0.6
    assert np.abs(filled - plane).max() < 1.51


def test_fill_of_a_tile_equals_fill_of_all() -> None:
    rng = np.random.default_rng(4)
    values = rng.normal(10, 1, (200, 220)).astype(np.float32)
    values[rng.random(values.shape) < 0.5] = np.nan
    values[80:140, 60:150] = np.nan
    coarse = np.full(values.shape, 10, np.float32)
    whole = fill_from(values, coarse)
    part = fill_from(values[60:160, 70:190], coarse[60:160, 70:190])
    inner = slice(REACH, 100 - REACH), slice(REACH, 120 - REACH)
    np.testing.assert_allclose(part[inner], whole[60:160, 70:190][inner], atol=1e-4)


def test_block_medians_leave_out_unknown() -> None:
    values = np.array([[1, 2, np.nan], [3, 100, np.nan]], np.float32)
    np.testing.assert_array_equal(block_medians(values, 2), np.array([[2, np.nan]], np.float32))


def test_ground_passes_under_a_house_on_a_slope() -> None:
    rows, cols = np.mgrid[:160, :160].astype(np.float32)
    slope = 0.05 * cols + 0.02 * rows
    surface = slope.copy()
    surface[60:90, 70:100] += 5
    surface[20:24, 20:24] -= 0.0
    ground = ground_of(surface, 0.5)
    assert np.abs(ground - slope).max() < 0.5
    assert np.abs(ground - slope)[:50].max() < 0.1
