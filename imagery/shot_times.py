"""Photos and logged exposures matched by their times alone, whatever the camera's clock says.

The clock may be off by hours and run fast or slow; photos may be missing, and either side may have shots that the other lacks.
The offset is where most photos meet an exposure (a cross-correlation of the two series), refined with a drift by least squares.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import correlate

__all__ = ["Match", "match_times"]

_BIN_S = 0.1
_DRIFTS = np.array([0.0, -2e-4, 2e-4, -4e-4, 4e-4, -6e-4, 6e-4, -8e-4, 8e-4, -1e-3, 1e-3])  # s/s, coarse
_SMALLEST_DRIFT_S = 0.3  # over the whole series: less needs no search
_CANDIDATES, _PER_DRIFT = 16, 6


@dataclass(frozen=True, slots=True)
class Match:
    """How two series of times fit together.

    Attributes: pairs: n x 2, indices of photo and exposure; offset_s: exposure's time minus photo's at the first photo; drift: by
    how much the photo's clock runs slow, seconds per second; residual_s: root mean square of the differences left; rival: share
    of as many pairs (0 to 1) that the next best offset would give, 1 when it cannot be told apart.
    """

    pairs: NDArray[np.int64]
    offset_s: float
    drift: float
    residual_s: float
    rival: float


def match_times(
    photos_s: ArrayLike, exposures_s: ArrayLike, tolerance_s: float, near_s: float | None = None
) -> Match | None:
    """Match two sorted series of seconds; None when fewer than two photos meet an exposure.

    `tolerance_s`: how far a photo's time may be from its exposure's once offset and drift are taken off; `near_s`: the offset,
    where it is known to within a few seconds.
    """
    photos, exposures = np.asarray(photos_s, float), np.asarray(exposures_s, float)
    if len(photos) < 2 or len(exposures) < 2:
        return None
    drifts = _DRIFTS[(_DRIFTS == 0) | (abs(_DRIFTS) * (photos[-1] - photos[0]) >= _SMALLEST_DRIFT_S)]
    starts = [start for drift in drifts for start in _offsets(photos, exposures, drift, tolerance_s, near_s)]
    starts = sorted(starts, reverse=True)[:_CANDIDATES]
    fits = [
        fit
        for _, offset, drift in starts
        if (fit := _refined(photos, exposures, offset, drift, tolerance_s)) is not None
    ]
    if not fits:
        return None
    best = max(fits, key=_quality)
    others = [fit for fit in fits if _shared(fit, best) < len(best.pairs) / 2]
    if not others:
        return best
    second = max(others, key=_quality)
    rival = len(second.pairs) / len(best.pairs)
    if second.residual_s > 3 * best.residual_s + 0.02:  # only the true offset makes the uneven intervals agree
        rival *= best.residual_s / second.residual_s
    return Match(best.pairs, best.offset_s, best.drift, best.residual_s, min(rival, 1.0))


def _shared(a: Match, b: Match) -> int:
    return len({tuple(pair) for pair in a.pairs.tolist()} & {tuple(pair) for pair in b.pairs.tolist()})


def _quality(match: Match) -> tuple[int, float]:
    return len(match.pairs), -match.residual_s


def _offsets(
    photos: NDArray[np.float64], exposures: NDArray[np.float64], drift: float, tolerance_s: float, near_s: float | None
) -> list[tuple[float, float, float]]:
    """The offsets at which most photos meet an exposure at a drift: how many do, the offset, the drift."""
    stretched = (photos - photos[0]) * (1 + drift)
    a, b = _series(stretched, tolerance_s), _series(exposures - exposures[0], tolerance_s)
    score = correlate(b, a, mode="full", method="fft")
    lags = (np.arange(len(score)) - (len(a) - 1)) * _BIN_S + exposures[0] - photos[0]
    if near_s is not None:
        score = np.where(abs(lags - near_s) <= 5.0, score, -1.0)
    found = []
    for _ in range(_PER_DRIFT):
        peak = int(np.argmax(score))
        if score[peak] <= 0.5:
            break
        found.append((float(score[peak]), float(lags[peak]), drift))
        score[max(peak - round(tolerance_s / _BIN_S), 0) : peak + round(tolerance_s / _BIN_S) + 1] = -1.0
    return found


def _series(times: NDArray[np.float64], tolerance_s: float) -> NDArray[np.float64]:
    """An impulse for each time, spread so that two series still meet at half the tolerance each."""
    width = max(round(tolerance_s / 2 / _BIN_S), 1)
    bins = np.zeros(round(times[-1] / _BIN_S) + 2 * width + 1)
    kernel = 1 - abs(np.arange(-width, width + 1)) / (width + 1)
    places = np.round(times / _BIN_S).astype(int) + width
    for step, weight in zip(range(-width, width + 1), kernel, strict=True):
        np.maximum.at(bins, places + step, weight)
    return bins


def _refined(
    photos: NDArray[np.float64], exposures: NDArray[np.float64], offset: float, drift: float, tolerance_s: float
) -> Match | None:
    """Pair, fit offset and drift to the pairs, and pair again until nothing changes."""
    since = photos - photos[0]
    pairs = _paired(photos + offset + drift * since, exposures, tolerance_s)
    for _ in range(20):
        if len(pairs) < 2:
            return None
        difference = exposures[pairs[:, 1]] - photos[pairs[:, 0]]
        slope = drift if len(pairs) < 8 else float(np.polyfit(since[pairs[:, 0]], difference, 1)[0])
        drift = float(np.clip(slope, -2e-3, 2e-3))
        offset = float(np.median(difference - drift * since[pairs[:, 0]]))
        again = _paired(photos + offset + drift * since, exposures, tolerance_s)
        if np.array_equal(again, pairs):
            break
        pairs = again
    if len(pairs) < 2:
        return None
    left = exposures[pairs[:, 1]] - photos[pairs[:, 0]] - offset - drift * since[pairs[:, 0]]
    return Match(pairs, offset, drift, float(np.sqrt(np.mean(left**2))), 0.0)


def _paired(a: NDArray[np.float64], b: NDArray[np.float64], tolerance_s: float) -> NDArray[np.int64]:
    """Pairs that are each other's nearest within the tolerance; in order on both sides."""
    to_b, to_a = _nearest(a, b), _nearest(b, a)
    mutual = (to_a[to_b] == np.arange(len(a))) & (abs(b[to_b] - a) <= tolerance_s)
    return np.column_stack((np.flatnonzero(mutual), to_b[mutual]))


def _nearest(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.int64]:
    """For each of `a` the index of the nearest of the sorted `b`."""
    right = np.clip(np.searchsorted(b, a), 1, len(b) - 1)
    return np.where(abs(b[right - 1] - a) <= abs(b[right] - a), right - 1, right)
