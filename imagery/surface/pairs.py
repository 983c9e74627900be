"""Which photos to match with which: enough common ground, enough base for their height, and not all in one direction."""

import math

import numpy as np
from scipy.spatial import cKDTree
from shapely import Polygon, union_all

from imagery.surface.views import View

__all__ = ["choose_pairs"]

CANDIDATES = 24
BEST_BASE = 0.3  # base over height: less is imprecise, more hides walls and matches badly
LEAST_COMMON = 0.25  # of the smaller footprint, for a photo's best partners
LEAST_GAIN = (
    0.01  # of a footprint that a further pair must add, where the best partners leave ground that two photos see
)
MOST_TILT_DEG = 30.0  # between the optical axes
MOST_SCALE = 1.6  # between the ground sampling distances


def choose_pairs(views: list[View], per_photo: int) -> list[tuple[int, int]]:
    """Pairs of indices into `views`, sorted: `per_photo` of each photo's best partners, and what else its ground needs.

    Only tied photos take part.
    """
    tied = [k for k, view in enumerate(views) if view.tied]
    if len(tied) < 2:
        return []
    outlines = {k: Polygon(views[k].footprint).buffer(0) for k in tied}
    places = np.array([views[k].position[:2] for k in tied])
    near = cKDTree(places).query(places, k=min(CANDIDATES, len(tied)))[1]
    pairs: set[tuple[int, int]] = set()
    scores: dict[int, dict[int, float]] = {}
    for own, row in zip(tied, near, strict=True):
        partners = [tied[other] for other in row if tied[other] != own]
        scores[own] = {other: _score(views[own], views[other], outlines[own], outlines[other]) for other in partners}
        good = {other: score for other, score in scores[own].items() if score > 0}
        for other in _spread(views, own, good, per_photo):
            pairs.add((min(own, other), max(own, other)))
    for own in tied:
        pairs |= _completing(own, outlines, pairs, scores[own])
    return sorted(pairs)


def _completing(
    own: int, outlines: dict[int, Polygon], pairs: set[tuple[int, int]], scores: dict[int, float]
) -> set[tuple[int, int]]:
    """Further pairs of a photo for the ground that it shares with others but that no pair of it covers yet."""
    outline, further = outlines[own], set()
    partners = [a if b == own else b for a, b in pairs if own in (a, b)]
    left = outline.difference(union_all([outlines[other] for other in partners]))
    scores = {other: score for other, score in scores.items() if score != 0}
    while scores and left.area > LEAST_GAIN * outline.area:
        gains = {other: left.intersection(outlines[other]).area for other in scores}
        best = max(gains, key=lambda other: (gains[other] * abs(scores[other]), -other))
        if gains[best] < LEAST_GAIN * outline.area:
            break
        further.add((min(own, best), max(own, best)))
        left = left.difference(outlines[best])
        del scores[best]
    return further


def _score(a: View, b: View, outline_a: Polygon, outline_b: Polygon) -> float:
    """Worth of a pair: 0 when it cannot be matched, negative when it shares too little to be a best partner."""
    height = (a.height_m + b.height_m) / 2
    ratio = math.dist(a.position[:2], b.position[:2]) / height
    scale = a.gsd_m / b.gsd_m
    if ratio < 0.02 or not 1 / MOST_SCALE < scale < MOST_SCALE:
        return 0.0
    if a.rotation[2] @ b.rotation[2] < math.cos(math.radians(MOST_TILT_DEG)):
        return 0.0
    common = outline_a.intersection(outline_b).area / min(outline_a.area, outline_b.area)
    worth = float(common * math.exp(-0.5 * (math.log(ratio / BEST_BASE) / 0.7) ** 2))
    return worth if common >= LEAST_COMMON else -worth


def _spread(views: list[View], own: int, scores: dict[int, float], count: int) -> list[int]:
    """The best partners, each next one preferred in another direction than those chosen."""
    chosen: list[int] = []
    directions = {other: _direction(views[own], views[other]) for other in scores}
    while scores and len(chosen) < count:

        def worth(other: int) -> tuple[float, int]:
            same = max((directions[other] @ directions[k] for k in chosen), default=-1.0)
            return scores[other] * (1 - 0.6 * max(0.0, float(same))), -other

        best = max(scores, key=worth)
        chosen.append(best)
        del scores[best]
    return chosen


def _direction(a: View, b: View) -> np.ndarray:
    step = (b.position - a.position)[:2]
    return np.asarray(step / max(float(np.linalg.norm(step)), 1e-9))
