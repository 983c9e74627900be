"""Making probabilities mean what they say: temperature, conformal grade sets, and the measures of both."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from imagery.damage.ordinal import cumulative_to_grades

__all__ = ["calibration_error", "conformal_threshold", "fit_temperature", "grade_sets"]

Array = NDArray[np.float64]


def fit_temperature(logits: Array, grades: NDArray[np.int_]) -> float:
    """The divisor of cumulative logits (n, 3), measured on buildings the model has not seen, that makes grades likeliest."""

    def loss(log_temperature: float) -> float:
        chance = cumulative_to_grades(logits / np.exp(log_temperature))
        return -float(np.mean(np.log(np.maximum(chance[np.arange(len(grades)), grades], 1e-9))))

    found = minimize_scalar(loss, bounds=(np.log(0.25), np.log(5.0)), method="bounded")
    return float(np.exp(found.x))


def conformal_threshold(probabilities: Array, grades: NDArray[np.int_], coverage: float = 0.9) -> float:
    """The probability above which a grade belongs to the set, so that sets hold the truth with the coverage (split conformal).

    From probabilities (n, 4) of buildings the model has not seen (Sadinle, Lei & Wasserman 2019); 0, every grade, when there
    are too few.
    """
    own = np.sort(probabilities[np.arange(len(grades)), grades])
    rank = int(np.floor((len(own) + 1) * (1 - coverage)))
    return float(own[rank - 1]) if rank >= 1 else 0.0


def grade_sets(probabilities: Array, threshold: float) -> NDArray[np.bool_]:
    """Membership (n, 4) of the grades that cannot be excluded: without gaps, and never empty."""
    member = probabilities >= threshold
    member[np.arange(len(member)), probabilities.argmax(axis=1)] = True
    from_left = np.logical_or.accumulate(member, axis=1)
    from_right = np.logical_or.accumulate(member[:, ::-1], axis=1)[:, ::-1]
    return from_left & from_right


def calibration_error(probabilities: Array, grades: NDArray[np.int_], bins: int = 10) -> float:
    """Expected calibration error of the most likely grade, bins of equal count."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == grades
    order = np.array_split(np.argsort(confidence, kind="stable"), min(bins, max(len(grades) // 10, 1)))
    return float(sum(abs(confidence[part].mean() - right[part].mean()) * len(part) for part in order) / len(grades))
