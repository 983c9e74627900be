"""Evidence from two images (E8): how much of the roof's pattern and colour is still there, after removing light and exposure."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from imagery.damage.chip import Zones
from imagery.damage.image_cues import EDGE_STEP, log_brightness

__all__ = ["change_cues"]

SEARCH_M = 0.6  # what registration may leave
Image = NDArray[Any]
Mask = NDArray[np.bool_]


def change_cues(
    after: Image, after_valid: Mask, before: Image, before_valid: Mask, zone: Zones, *, cell_m: float, colour: bool
) -> dict[str, float]:
    """Structural dissimilarity, lost correlation, gained edges and changed colour between two images (rows, columns, 3).

    The earlier image is first moved by up to 0.6 m to where it fits the building and its surroundings best.
    """
    valid = after_valid & before_valid
    if (zone.core & valid).sum() < max(12, 0.5 * zone.core.sum()):
        return {}
    now, then = log_brightness(after), log_brightness(before)
    drow, dcol = _residual_shift(now, then, zone, cell_m)
    then = np.roll(then, (drow, dcol), (0, 1))
    then_valid = np.roll(before_valid, (drow, dcol), (0, 1))
    core, near = zone.core & after_valid & then_valid, (zone.roof | zone.ground) & after_valid & then_valid
    # Radiometric normalisation: same mean and spread over the building's surroundings.
    then = (then - then[near].mean()) * (now[near].std() / max(float(then[near].std()), 1e-3)) + now[near].mean()
    similar = _structural_similarity(now, then, max(0.35 / cell_m, 1.0))
    result = {
        "unlike": float(1 - similar[core].mean()),
        "uncorrelated": 1 - _correlation(now[core], then[core]),
        "edges_gained": _edge_density(now, core, cell_m) - _edge_density(then, core, cell_m),
        "brightness_change": float(np.mean(np.abs(cv2.blur(now - then, (5, 5))[core]))),
    }
    if colour:
        earlier = np.roll(before, (drow, dcol), (0, 1))
        result["colour_change"] = _colour_change(after, earlier, core, near)
    return result


def _residual_shift(now: NDArray[Any], then: NDArray[Any], zone: Zones, cell_m: float) -> tuple[int, int]:
    """Rows and columns to move the earlier image by, from the best correlation of roof and surroundings."""
    reach = max(int(SEARCH_M / cell_m), 1)
    rows, cols = np.nonzero(zone.roof | zone.ring)
    top, bottom = max(rows.min(), reach), min(rows.max() + 1, now.shape[0] - reach)
    left, right = max(cols.min(), reach), min(cols.max() + 1, now.shape[1] - reach)
    if bottom - top < 8 or right - left < 8:
        return 0, 0
    area = now[top - reach : bottom + reach, left - reach : right + reach]
    score = cv2.matchTemplate(area, np.ascontiguousarray(then[top:bottom, left:right]), cv2.TM_CCOEFF_NORMED)
    best = np.unravel_index(int(np.argmax(score)), score.shape)
    if score[best] < score[reach, reach] + 0.02:
        return 0, 0
    return int(best[0]) - reach, int(best[1]) - reach


def _structural_similarity(a: NDArray[Any], b: NDArray[Any], sigma: float) -> NDArray[Any]:
    """Local structural similarity (Wang et al. 2004) with constants for log-brightness."""

    def smooth(plane: NDArray[Any]) -> NDArray[Any]:
        return cv2.GaussianBlur(plane, (0, 0), sigma)

    mean_a, mean_b = smooth(a), smooth(b)
    var_a, var_b = smooth(a * a) - mean_a**2, smooth(b * b) - mean_b**2
    cov = smooth(a * b) - mean_a * mean_b
    c_mean, c_structure = 0.01, 0.006
    # Log-brightness may be any number: its means are compared by their difference.
    likeness = 1 / (1 + (mean_a - mean_b) ** 2 / (2 * 0.15 + c_mean))
    return likeness * (2 * cov + c_structure) / (np.maximum(var_a, 0) + np.maximum(var_b, 0) + c_structure)


def _correlation(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Correlation, pulled to 1 for roofs so plain that only noise is left to correlate."""
    a, b = a - a.mean(), b - b.mean()
    floor = 0.03**2
    return float((np.mean(a * b) + floor) / (np.sqrt(np.mean(a * a) * np.mean(b * b)) + floor))


def _edge_density(light: NDArray[Any], core: Mask, cell_m: float) -> float:
    step = max(0.2 / cell_m, 1.0)
    smooth = cv2.GaussianBlur(light, (0, 0), max(0.08 / cell_m, 0.5))
    gx = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=step / 8)
    gy = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=step / 8)
    return float(np.mean(np.hypot(gx, gy)[core] > EDGE_STEP))


def _colour_change(after: Image, before: Image, core: Mask, near: Mask) -> float:
    """Mean distance in the a-b plane of CIELAB after removing the surroundings' shift of colour."""
    now = cv2.cvtColor(after, cv2.COLOR_RGB2LAB)[..., 1:].astype(np.float32)
    then = cv2.cvtColor(before, cv2.COLOR_RGB2LAB)[..., 1:].astype(np.float32)
    change = now - then - np.median((now - then)[near], axis=0)
    return float(np.mean(np.linalg.norm(change[core], axis=-1)))
