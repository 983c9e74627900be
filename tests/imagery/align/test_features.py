"""Features lie where they are on the full-size photo, and match between photos of the same ground."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from imagery.align.features import extract, load_features, save_features
from imagery.align.match import match_pair
from imagery.core.errors import BadInputError

CALITERRA = Path(__file__).parents[2] / "data" / "caliterra" / "images"


def test_places_are_those_of_the_full_size_photo(tmp_path: Path) -> None:
    """Blobs on a 2250-pixel-high photo (a height that no power of two divides) come back to a fraction of a pixel."""
    rng = np.random.default_rng(0)
    image = np.full((2250, 4000), 90.0, np.float32)
    where = np.array([(x, y) for x in range(200, 3900, 400) for y in range(200, 2100, 300)]) + rng.uniform(
        -9, 9, (70, 2)
    )
    y, x = np.mgrid[-40:41, -40:41]
    for cx, cy in where:
        ix, iy = round(cx), round(cy)
        image[iy - 40 : iy + 41, ix - 40 : ix + 41] += 120 * np.exp(-((x + ix - cx) ** 2 + (y + iy - cy) ** 2) / 200)
    cv2.imwrite(str(tmp_path / "a.png"), image.astype(np.uint8))
    found = extract(tmp_path / "a.png")
    distance = np.linalg.norm(found.xy[None] - where[:, None], axis=2).min(axis=1)
    assert np.median(distance) < 0.1
    assert (distance < 0.5).mean() > 0.9


def test_real_photos_match_and_strangers_do_not(tmp_path: Path) -> None:
    first, second = extract(CALITERRA / "IMG_9404.jpg"), extract(CALITERRA / "IMG_9405.jpg")
    save_features(tmp_path / "f.npz", first)
    again = load_features(tmp_path / "f.npz")
    assert np.array_equal(again.descriptors, first.descriptors)
    assert len(match_pair(again, second, 2.0)) > 300
    rng = np.random.default_rng(0)
    noise = cv2.GaussianBlur(rng.integers(0, 255, (750, 1000)).astype(np.uint8), (0, 0), 2)
    cv2.imwrite(str(tmp_path / "noise.png"), noise)
    assert len(match_pair(first, extract(tmp_path / "noise.png"), 2.0)) == 0


def test_an_empty_photo_has_no_features(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "flat.png"), np.full((400, 600), 128, np.uint8))
    assert len(extract(tmp_path / "flat.png").xy) == 0


def test_a_cut_off_photo_is_refused(tmp_path: Path) -> None:
    data = (CALITERRA / "IMG_9404.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(data[: len(data) // 2])
    with pytest.raises(BadInputError, match=r"cut\.jpg"):
        extract(tmp_path / "cut.jpg")
