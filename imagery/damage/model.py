"""The grader of one signature: fitting it, its probabilities, and how far a building is from what it was fitted on."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from imagery.damage.calibration import conformal_threshold, fit_temperature
from imagery.damage.cues import CUE_NAMES, CUES, cues_of
from imagery.damage.ordinal import Ramps, cumulative_to_grades, fit_weights, grades_to_cumulative

__all__ = ["GradeModel", "fit_model"]

Array = NDArray[Any]
STEPS = 3
UNSEEN_LIMIT = 0.997  # the share of the training buildings that counts as known ground


@dataclass(frozen=True, slots=True)
class GradeModel:
    """Grades of buildings from their cues, for one signature.

    Attributes: signature; names: the cues used, in order; ramps; weights: (3 or 4, 1 + m): grade >= 1, 2, 3 and, if fitted,
    the damaged fraction of the roof; temperature; threshold: of the conformal sets; typical: (d,) and precision: (d, d), the
    place and shape of the training data; limit: the distance that few training buildings exceed; count: training buildings.
    """

    signature: str
    names: tuple[str, ...]
    ramps: Ramps
    weights: Array
    temperature: float
    threshold: float
    typical: Array
    precision: Array
    limit: float
    count: int

    def probabilities(self, values: Array) -> Array:
        """Calibrated probabilities (n, 4) of the grades from (n, cues) raw values in CUES' order."""
        return cumulative_to_grades(self.logits(values) / self.temperature)

    def logits(self, values: Array) -> Array:
        """Cumulative logits (n, 3), not yet calibrated."""
        features = self.ramps.features(self._own(values))
        return features @ self.weights[:3, 1:].T + self.weights[:3, 0]

    def roof_fraction(self, values: Array) -> Array | None:
        """Damaged share (n,) of the roof, None when the model was not fitted to it."""
        if len(self.weights) < 4:
            return None
        return expit(self.ramps.features(self._own(values)) @ self.weights[3, 1:] + self.weights[3, 0])

    def strangeness(self, values: Array) -> Array:
        """How far (n,) buildings lie from the training data: above 1 they are unlike anything in it."""
        return _distance(_standing(self.ramps, self._own(values)), self.typical, self.precision) / self.limit

    def scores(self, values: Array) -> Array:
        """Scores (n, d) of the model's cues, 0 to 1, high for damage; NaN where masked."""
        return self.ramps.scores(self._own(values))

    def contributions(self, values: Array) -> Array:
        """What each cue (n, d) adds to the mean logit, compared with the average building."""
        features = self.ramps.features(self._own(values)) - self.ramps.centre
        pushed = features * self.weights[:3, 1:].mean(axis=0)
        return pushed.reshape(len(values), len(self.names), -1).sum(axis=-1)

    def _own(self, values: Array) -> Array:
        return values[:, [CUE_NAMES.index(name) for name in self.names]]

    def to_json(self) -> dict[str, Any]:
        """Plain values that `from_json` reads back; numbers are rounded to what matters."""
        return {
            "cues": list(self.names),
            "low": _rounded(self.ramps.low),
            "high": _rounded(self.ramps.high),
            "steps": self.ramps.steps,
            "centre": _rounded(self.ramps.centre),
            "weights": _rounded(self.weights),
            "temperature": round(self.temperature, 4),
            "threshold": round(self.threshold, 5),
            "typical": _rounded(self.typical),
            "precision": _rounded(self.precision),
            "limit": round(self.limit, 4),
            "count": self.count,
        }

    @classmethod
    def from_json(cls, signature: str, data: dict[str, Any]) -> "GradeModel":
        """The model of `to_json`."""
        names = tuple(data["cues"])
        array = {
            key: np.array(data[key], float) for key in ("low", "high", "centre", "weights", "typical", "precision")
        }
        ramps = Ramps(array["low"], array["high"], _signs(names), data["steps"], array["centre"])
        return cls(
            signature, names, ramps, array["weights"], data["temperature"], data["threshold"], array["typical"],
            array["precision"], data["limit"], data["count"],
        )  # fmt: skip


def fit_model(
    signature: str,
    values: Array,
    grades: NDArray[np.int_],
    *,
    groups: NDArray[np.int_],
    fraction: Array | None = None,
    steps: int = STEPS,
    ridge: float = 2e-4,
    parallel: float = 1e-4,
    reach: tuple[float, float] = (2, 98),
    scale_on: Array | None = None,
    balance: float = 0.0,
) -> GradeModel:
    """Fit, then calibrate on held-out groups.

    values: (n, cues) raw, CUES' order; grades: (n,) 0-3; groups: (n,) what is held out together in calibration (a world, a part
    of the area); fraction: (n,) damaged share of the roof; scale_on: (m, cues) buildings that set the cues' ranges, by default
    `values`; balance: 0 lets grades count as often as they occur, 1 makes them count the same.
    """
    chosen = [index for index in cues_of(signature) if np.isfinite(values[:, index]).mean() > 0.3]
    names = tuple(CUES[index].name for index in chosen)
    own = values[:, chosen]
    ramps = Ramps.fitted(own if scale_on is None else scale_on[:, chosen], _signs(names), steps, reach)
    features = ramps.features(own)
    targets = grades_to_cumulative(grades)
    if fraction is not None:
        targets = np.column_stack([targets, np.clip(fraction, 0, 1)])

    weight = _rarity(grades) ** balance

    def fitted(rows: NDArray[np.bool_]) -> Array:
        return fit_weights(
            features[rows], targets[rows], ramps.bounds, ridge=ridge, parallel=parallel, weight=weight[rows]
        )

    held_out = np.zeros((len(grades), 3))
    for group in np.unique(groups):
        inside = groups == group
        table = fitted(~inside) if not inside.all() else fitted(inside)
        held_out[inside] = features[inside] @ table[:3, 1:].T + table[:3, 0]
    temperature = fit_temperature(held_out, grades)
    threshold = conformal_threshold(cumulative_to_grades(held_out / temperature), grades)
    standing = _standing(ramps, own)
    typical = standing.mean(axis=0)
    covariance = np.cov(standing, rowvar=False).reshape(len(names), -1) + 0.02 * np.eye(len(names))
    precision = np.linalg.inv(covariance)
    limit = float(np.quantile(_distance(standing, typical, precision), UNSEEN_LIMIT))
    weights = fitted(np.ones(len(grades), bool))
    return GradeModel(
        signature, names, ramps, weights, temperature, threshold, typical, precision, max(limit, 1e-6), len(grades)
    )


def _rarity(grades: NDArray[np.int_]) -> Array:
    """Weights (n,) that would make every grade that occurs count the same, with mean one."""
    count = np.bincount(grades, minlength=4)
    return len(grades) / (np.count_nonzero(count) * count[grades])


def _signs(names: tuple[str, ...]) -> Array:
    return np.array([CUES[CUE_NAMES.index(name)].sign for name in names], float)


def _standing(ramps: Ramps, own: Array) -> Array:
    """Where values stand in the training range (0-1 inside it); masked cues in its middle.

    Held a little outside the range, so that one extreme cue is not strange, many together are.
    """
    place = np.clip((own - ramps.low) / (ramps.high - ramps.low), -0.4, 1.4)
    middle = ramps.centre.reshape(-1, ramps.steps).mean(axis=1)
    middle = np.where(ramps.sign < 0, 1 - middle, middle)
    return np.where(np.isfinite(place), place, middle)


def _distance(standing: Array, typical: Array, precision: Array) -> Array:
    """Mahalanobis distance, (n,)."""
    off = standing - typical
    return np.sqrt(np.maximum(np.einsum("nd,de,ne->n", off, precision, off), 0))


def _rounded(values: Array) -> list[Any]:
    rounded: list[Any] = np.vectorize(lambda v: float(f"{v:.5g}"))(values).tolist()
    return rounded
