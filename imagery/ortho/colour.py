"""One brightness and colour balance for all photos: a factor per photo and channel from what several photos show alike.

The factor acts on v / (255 - v), not on the value v itself: like a camera's own tone curve it leaves black black and white white,
so that a brightened photo does not burn out. On real photos this halves what remains of the differences in bright places.

Solved for all photos at once by least squares, with a weak pull of every factor to 1, so that long rows of photos cannot drift to
dark or to a tint: without overlap, a photo keeps its own colours.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

__all__ = ["Samples", "solve_gains", "tone_table"]

DARKEST, BRIGHTEST = 6, 249  # outside, a sample is clipped and says nothing of the exposure
PULL = 0.005  # towards no change, in shares of a photo's own samples
HUBER = 0.1  # a difference of logarithms beyond which a sample counts less: something moved, or shines
ROUNDS = 4
LARGEST = np.log(4.0)


@dataclass(frozen=True, slots=True)
class Samples:
    """Colours of places in photos.

    Attributes: place, photo: (n,) numbers of the place and the photo; rgb: (n, 3) float32, 0 to 255.
    """

    place: NDArray[np.int64]
    photo: NDArray[np.int64]
    rgb: NDArray[np.float32]


def solve_gains(samples: Samples, photos: int) -> NDArray[np.float32]:
    """Factors (photos, 3) on v / (255 - v) that make the photos' colours agree; their geometric mean is about 1."""
    usable = ((samples.rgb >= DARKEST) & (samples.rgb <= BRIGHTEST)).all(axis=1)
    place, photo = samples.place[usable], samples.photo[usable]
    _, place = np.unique(place, return_inverse=True)
    shared = np.bincount(place, minlength=1)[place] >= 2 if len(place) else np.zeros(0, bool)
    if not shared.any():
        return np.ones((photos, 3), np.float32)
    _, place = np.unique(place[shared], return_inverse=True)
    rgb = samples.rgb[usable][shared].astype(float)
    photo, logs = photo[shared], np.log(rgb / (255 - rgb))
    gains = np.column_stack([_exposures(place, photo, logs[:, channel], photos) for channel in range(3)])
    return np.exp(-np.clip(gains, -LARGEST, LARGEST)).astype(np.float32)


def tone_table(gain: NDArray[np.float32]) -> NDArray[np.uint8]:
    """What a photo's factors (3,) make of the values 0 to 255: a table 256 x 3."""
    value = np.arange(256)[:, None] / 255
    return np.asarray(np.rint(255 * value * gain / (1 + (gain - 1) * value)), np.uint8)


def _exposures(
    place: NDArray[np.int64], photo: NDArray[np.int64], logs: NDArray[np.float64], photos: int
) -> NDArray[np.float64]:
    """Least squares of log = brightness(place) + exposure(photo), the places eliminated, with Huber's weights."""
    places = int(place.max()) + 1
    weight: NDArray = np.ones(len(place))
    exposures = np.zeros(photos)
    for _ in range(ROUNDS):
        per_place = np.bincount(place, weight, places)
        per_photo = np.bincount(photo, weight, photos)
        mean = np.bincount(place, weight * logs, places) / per_place
        right = np.bincount(photo, weight * (logs - mean[place]), photos)
        matrix = np.diag(per_photo) - _coupling(place, photo, weight, per_place, photos)
        matrix[np.diag_indices(photos)] += PULL * np.maximum(per_photo, 1)
        exposures[:] = np.linalg.solve(matrix, right)
        left = logs - exposures[photo]
        brightness = np.bincount(place, weight * left, places) / per_place
        off = np.abs(left - brightness[place])
        weight = np.minimum(1.0, HUBER / np.maximum(off, 1e-9))
    return np.asarray(exposures)


def _coupling(
    place: NDArray[np.int64],
    photo: NDArray[np.int64],
    weight: NDArray,
    per_place: NDArray,
    photos: int,
) -> NDArray[np.float64]:
    """Sum over places of the outer product of the photos' weights there, over the place's weight."""
    scaled = csr_matrix((weight / np.sqrt(per_place[place]), (photo, place)), shape=(photos, int(place.max()) + 1))
    return np.asarray((scaled @ scaled.T).todense())
