"""Tracks join matches, and pairs tie neighbouring lines."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from imagery.align.match import _mutual
from imagery.align.pairs import pairs_by_position
from imagery.align.tracks import join


def test_a_track_runs_through_all_photos() -> None:
    pairs = np.array([[0, 1], [1, 2]], np.int32)
    tracks = join([5, 5, 5], pairs, [np.array([[0, 3]], np.int32), np.array([[3, 4], [1, 1]], np.int32)])
    found = {
        tuple(row) for row in zip(tracks.point.tolist(), tracks.image.tolist(), tracks.feature.tolist(), strict=True)
    }
    long = tracks.point[np.flatnonzero(tracks.image == 0)[0]]
    assert {(long, 0, 0), (long, 1, 3), (long, 2, 4)} <= found
    assert len(found) == 5


def test_a_contradiction_loses_only_the_photo_at_fault() -> None:
    """Photo 2 sees the point twice: it drops out, photos 0 and 1 stay."""
    pairs = np.array([[0, 1], [0, 2], [1, 2]], np.int32)
    matches = [np.array([[0, 0]], np.int32), np.array([[0, 1]], np.int32), np.array([[0, 2]], np.int32)]
    tracks = join([3, 3, 3], pairs, matches)
    assert tracks.image.tolist() == [0, 1]


def test_no_matches_no_tracks() -> None:
    assert len(join([3, 3], np.array([[0, 1]], np.int32), [np.zeros((0, 2), np.int32)]).image) == 0


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_mutual_matches_agree_with_sorting(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(0, 1, (9, 4)), rng.normal(0, 1, (7, 4))
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    similarity = (a @ b.T).astype(np.float32)
    distance = np.linalg.norm(a[:, None] - b[None], axis=2)
    expected = []
    for i in range(9):
        order = np.argsort(distance[i])
        j = order[0]
        if np.argmin(distance[:, j]) == i and distance[i, j] < 0.8 * distance[i, order[1]]:
            expected.append((i, int(j)))
    assert [tuple(row) for row in _mutual(similarity, np.float32(0.8)).tolist()] == expected


def test_neighbouring_lines_are_paired() -> None:
    """Photos every 5 m on lines 40 m apart: the nearest eight are all on the same line, yet lines must be tied."""
    grid = np.array([(40.0 * c, 5.0 * r) for c in range(3) for r in range(20)])
    pairs = pairs_by_position(grid)
    assert (pairs[:, 0] < pairs[:, 1]).all()
    assert len(np.unique(pairs, axis=0)) == len(pairs)
    line = pairs // 20
    for first, second in ((0, 1), (1, 2)):
        assert ((line == [first, second]).all(axis=1)).sum() >= 20


def test_nothing_is_paired_beyond_reach() -> None:
    assert len(pairs_by_position(np.array([[0.0, 0], [10, 0], [500, 0]]), reach_m=50)) == 1
    assert len(pairs_by_position(np.zeros((1, 2)))) == 0
