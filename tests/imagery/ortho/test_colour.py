"""Exposures are recovered from overlaps, and do not drift along a row."""

import numpy as np

from imagery.ortho.colour import Samples, solve_gains, tone_table


def chain(photos: int, exposures: np.ndarray, rng: np.random.Generator, outliers: float = 0.0) -> Samples:
    """A row of photos, each sharing half its places with the next."""
    place, photo, rgb = [], [], []
    reflectance = rng.uniform(40, 120, ((photos + 1) * 50, 3))
    for k in range(photos):
        places = np.arange(k * 50, k * 50 + 100)
        odds = reflectance[places] / (255 - reflectance[places])
        odds = odds * np.exp(exposures[k] + rng.normal(0, 0.02, (100, 3)))
        colours = 255 * odds / (1 + odds)
        moved = rng.random(100) < outliers
        colours[moved] = rng.uniform(20, 240, (int(moved.sum()), 3))
        place.append(places)
        photo.append(np.full(100, k))
        rgb.append(colours)
    return Samples(np.concatenate(place), np.concatenate(photo), np.concatenate(rgb).astype(np.float32))


def test_exposures_are_evened_out() -> None:
    rng = np.random.default_rng(3)
    exposures = rng.normal(0, 0.15, (20, 1)) + rng.normal(0, 0.03, (20, 3))
    gains = solve_gains(chain(20, exposures, rng, outliers=0.05), 20)
    left = exposures + np.log(gains)
    assert np.abs(np.diff(left, axis=0)).max() < 0.03
    assert np.abs(np.log(gains).mean()) < 0.1


def test_a_long_row_does_not_drift_dark() -> None:
    rng = np.random.default_rng(5)
    gains = solve_gains(chain(120, np.zeros((120, 1)), rng), 120)
    assert gains.min() > 0.95
    assert gains.max() < 1.05


def test_photos_without_overlap_keep_their_colours() -> None:
    alone = Samples(np.arange(10), np.repeat([0, 1], 5), np.full((10, 3), 80, np.float32))
    np.testing.assert_array_equal(solve_gains(alone, 3), np.ones((3, 3), np.float32))


def test_tones_keep_black_and_white_and_order() -> None:
    table = tone_table(np.array([0.5, 1.0, 2.0], np.float32)).astype(int)
    assert (table[0] == 0).all()
    assert (table[255] == 255).all()
    assert (np.diff(table, axis=0) >= 0).all()
    np.testing.assert_array_equal(table[:, 1], np.arange(256))
    assert table[128, 0] < 128 < table[128, 2]
