"""An ordinal grade model: cumulative logits of monotone functions of the cues.

    P(grade >= k) = logistic(b_k + w_k . f(x)),   k = 1, 2, 3

f(x) are ramps over each cue's range, turned so that more means more damage, and w >= 0: more evidence never lowers the grade.
The weights may differ between the three steps (partial proportional odds, Peterson & Harrell 1990) but are pulled towards each
other, so that with few labels the model is nearly one of proportional odds. The three probabilities are put in order
afterwards. The fit is convex: one answer, whatever the start.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_expit

__all__ = ["Ramps", "cumulative_to_grades", "fit_weights", "grades_to_cumulative", "objective"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ramps:
    """Raw cue values to features.

    Attributes: low, high: (d,) range of each cue; sign: (d,) +1, -1 or 0; steps: ramps per cue (1: linear); centre:
    (d * steps,) features that stand for a masked cue, their mean in the training data.
    """

    low: Array
    high: Array
    sign: Array
    steps: int
    centre: Array

    @classmethod
    def fitted(cls, values: Array, sign: Array, steps: int, reach: tuple[float, float] = (2, 98)) -> "Ramps":
        """Ranges from percentiles of (n, d) values, NaN where masked."""
        seen = np.isfinite(values).any(axis=0)
        low, high = np.zeros(values.shape[1]), np.ones(values.shape[1])
        low[seen], high[seen] = np.nanpercentile(values[:, seen], reach, axis=0)
        high = np.maximum(high, low + 1e-3 + 1e-3 * np.abs(low))
        bare = cls(low, high, sign, steps, np.full(values.shape[1] * steps, np.nan))
        features = bare._unmasked(values)
        centre = np.array([np.mean(f[np.isfinite(f)]) if np.isfinite(f).any() else 0.0 for f in features.T])
        return cls(low, high, sign, steps, centre)

    def scores(self, values: Array) -> Array:
        """Scores (n, d) between 0 and 1, high for damage; NaN where masked."""
        share = np.clip((values - self.low) / (self.high - self.low), 0, 1)
        return np.where(self.sign < 0, 1 - share, share)

    def features(self, values: Array) -> Array:
        """Features (n, d * steps) without NaN."""
        features = self._unmasked(values)
        return np.where(np.isfinite(features), features, self.centre)

    @property
    def bounds(self) -> list[tuple[float | None, None]]:
        """Lower bound of each feature's weight: 0 where the cue has a sign."""
        return [(None if sign == 0 else 0.0, None) for sign in np.repeat(self.sign, self.steps)]

    def _unmasked(self, values: Array) -> Array:
        ramps = np.clip(self.scores(values)[..., None] * self.steps - np.arange(self.steps), 0, 1)
        return ramps.reshape(len(values), -1)


def grades_to_cumulative(grades: NDArray[np.int_] | Array) -> Array:
    """Targets (n, 3): whether the grade is at least 1, 2, 3."""
    return (np.asarray(grades)[:, None] >= np.array([1, 2, 3])).astype(float)


def cumulative_to_grades(logits: Array) -> Array:
    """Probabilities (n, 4) of the grades from cumulative logits (n, 3), put in order."""
    at_least = np.minimum.accumulate(expit(logits), axis=1)
    padded = np.column_stack([np.ones(len(logits)), at_least, np.zeros(len(logits))])
    return padded[:, :-1] - padded[:, 1:]


def objective(
    parameters: Array, features: Array, targets: Array, weight: Array, *penalties: float
) -> tuple[float, Array]:
    """Penalised mean cross-entropy and its gradient; parameters are (k, 1 + m) flattened, the intercepts first.

    penalties: on the weights (ridge), and on their spread between the k steps (parallel).
    """
    ridge, parallel = penalties
    n, k = targets.shape
    table = parameters.reshape(k, -1)
    bias, weights = table[:, 0], table[:, 1:]
    logits = features @ weights.T + bias
    loss = -np.sum(weight[:, None] * (targets * log_expit(logits) + (1 - targets) * log_expit(-logits))) / n
    slope = weight[:, None] * (expit(logits) - targets) / n
    spread = weights - weights.mean(axis=0)
    value = loss + 0.5 * ridge * np.sum(weights**2) + 0.5 * parallel * np.sum(spread**2)
    gradient = np.column_stack([slope.sum(axis=0), slope.T @ features + ridge * weights + parallel * spread])
    return float(value), gradient.ravel()


def fit_weights(
    features: Array,
    targets: Array,
    bounds: list[tuple[float | None, None]],
    *,
    ridge: float,
    parallel: float,
    weight: Array | None = None,
) -> Array:
    """Intercepts and weights (k, 1 + m) that minimise `objective`; targets (n, k) are in 0..1."""
    k, m = targets.shape[1], features.shape[1]
    start = np.zeros((k, 1 + m))
    rate = np.clip(targets.mean(axis=0), 0.01, 0.99)
    start[:, 0] = np.log(rate / (1 - rate))
    # An unseen grade would send its intercept to infinity.
    every: list[tuple[float | None, float | None]] = [(-12.0, 12.0), *bounds] * k
    weight = np.ones(len(features)) if weight is None else weight
    found = minimize(
        objective, start.ravel(), (features, targets, weight, ridge, parallel), jac=True, method="L-BFGS-B",
        bounds=every, options={"maxiter": 500},
    )  # fmt: skip
    return np.asarray(found.x).reshape(k, 1 + m)
