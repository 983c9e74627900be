"""From evidence to answers: grade or "Not analysed", probabilities, the set that cannot be excluded, reasons in words.

The shipped models know generated worlds only. Unfitted to the event they say so, and leave out what they cannot know: buildings
not seen, images coarser than any they were trained on, looks unlike anything in the training.
Labels of the event refit the model in seconds.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2

from imagery.core.errors import BadInputError, NotEnoughDataError
from imagery.damage.calibration import grade_sets
from imagery.damage.cues import CUE_NAMES, CUES
from imagery.damage.evidence import Evidence
from imagery.damage.model import GradeModel, fit_model

__all__ = ["MODEL_PATH", "NOT_ANALYSED", "NOT_FITTED", "Grades", "fit_to_labels", "grade", "load_models"]

MODEL_PATH = Path(__file__).parent / "grader.json"
NOT_ANALYSED = -1
NOT_FITTED = "not fitted to this event"
MAX_TRAINED_CELL_M = 0.15
MIN_COVERED = 0.7
MAX_GREEN = 0.6
MAX_SET = 2
MIN_LABELS = 8
TYPICAL_FRACTION = np.array([0.02, 0.15, 0.5, 0.95])  # of the roof, where no model of the fraction applies
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Grades:
    """Answers for n buildings.

    Attributes: grade: (n,) 0-3 or NOT_ANALYSED; probabilities: (n, 4); confidence: (n,) of the most likely grade; sets: (n,
    4); roof_fraction: (n,); scores: (n, cues) in CUES' order, NaN where masked or unused; reasons: (n,) words; fitted:
    whether labels of the event were used; note: what the user must know of all of them.
    """

    grade: NDArray[np.int_]
    probabilities: Array
    confidence: Array
    sets: NDArray[np.bool_]
    roof_fraction: Array
    scores: Array
    reasons: list[str]
    fitted: bool
    note: str


@lru_cache(maxsize=4)
def load_models(path: str | Path = MODEL_PATH) -> dict[str, GradeModel]:
    """The models of a file written by `skyrelief damage-train`, by signature."""
    path = Path(path)
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {name: GradeModel.from_json(name, model) for name, model in data["models"].items()}
    except (OSError, ValueError, KeyError) as error:
        raise BadInputError(f"{path}: not a damage model ({error}): make one with `skyrelief damage-train`") from None


def fit_to_labels(evidence: Evidence, grades: Array, centres: Array) -> GradeModel:
    """A model fitted to the labelled buildings of this event: grades (n,), NaN where unlabelled; centres (n, 2) in metres.

    Calibrated by holding out parts of the area. Raises NotEnoughDataError for too few labels or labels of one grade.
    """
    rows = np.flatnonzero(np.isfinite(grades) & np.isfinite(evidence.values).any(axis=1))
    labels = grades[rows].astype(int)
    if len(rows) < MIN_LABELS:
        raise NotEnoughDataError(
            f"{len(rows)} labels lie on buildings that can be seen: {MIN_LABELS} or more are needed to refit"
        )
    if len(np.unique(labels)) < 2:
        raise NotEnoughDataError(f"every label is grade {labels[0]}: label some buildings of another grade")
    return fit_model(
        evidence.signature,
        evidence.values[rows],
        labels,
        groups=_parts(centres[rows], 10 if len(rows) >= 30 else 5),
        steps=2 if len(rows) >= 60 else 1,
        ridge=1.0 / len(rows),
        parallel=1.0 / len(rows),
        reach=(5, 95),
        scale_on=evidence.values,
        balance=0.5,
    )


def grade(evidence: Evidence, models: Mapping[str, GradeModel], fitted: bool) -> Grades:
    """Grade each building with the model of its signature; `fitted` says that they were fitted to this event."""
    signatures = sorted(set(evidence.signatures))
    rows = [np.flatnonzero(evidence.signatures == signature) for signature in signatures]
    parts = [_grade_alike(evidence.of(r), models[s], fitted) for s, r in zip(signatures, rows, strict=True)]
    if len(parts) == 1:
        return parts[0]
    order = np.argsort(np.concatenate(rows))
    arrays = ("grade", "probabilities", "confidence", "sets", "roof_fraction", "scores")
    joined: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts])[order] for name in arrays}
    reasons = [reason for part in parts for reason in part.reasons]
    return replace(parts[0], **joined, reasons=[reasons[index] for index in order])


def _grade_alike(evidence: Evidence, model: GradeModel, fitted: bool) -> Grades:
    """Grade buildings of one signature."""
    values = evidence.values
    chance = model.probabilities(values)
    sets = grade_sets(chance, model.threshold)
    best = chance.argmax(axis=1)
    strange = model.strangeness(values)
    why_not = [
        _reason_not_to(evidence, index, int(sets[index].sum()), float(strange[index]), fitted)
        for index in range(len(values))
    ]
    refused = np.array([bool(why) for why in why_not], bool)
    fraction = model.roof_fraction(values)
    scores = np.full(values.shape, np.nan)
    scores[:, [CUE_NAMES.index(name) for name in model.names]] = model.scores(values)
    reasons = [
        why or _reasons(model, contribution, int(g))
        for why, contribution, g in zip(why_not, model.contributions(values), best, strict=True)
    ]
    return Grades(
        np.where(refused, NOT_ANALYSED, best),
        chance,
        chance.max(axis=1),
        sets,
        chance @ TYPICAL_FRACTION if fraction is None else fraction,
        scores,
        reasons,
        fitted,
        f"fitted to {model.count} labels of this event" if fitted else NOT_FITTED,
    )


def _reason_not_to(evidence: Evidence, index: int, set_size: int, strangeness: float, fitted: bool) -> str:
    """Why a building is not analysed, empty when it is."""
    if evidence.covered[index] < MIN_COVERED:
        return f"the image shows {evidence.covered[index]:.0%} of the footprint"
    if evidence.greenness[index] > MAX_GREEN and not np.isfinite(evidence.dz_med_m[index]):
        return f"hidden by trees ({evidence.greenness[index]:.0%} green)"
    if not np.isfinite(evidence.values[index]).any():
        return "nothing could be measured"
    if not fitted and evidence.native_cell_m > MAX_TRAINED_CELL_M:
        coarse = f"the image ({evidence.native_cell_m * 100:.0f} cm) is coarser than any the grader was trained on"
        return f"{coarse}; label some buildings"
    if not fitted and strangeness > 1:
        return "unlike anything the grader was trained on; label some buildings"
    if set_size > MAX_SET:
        return "too uncertain: more than two grades are possible"
    return ""


def _reasons(model: GradeModel, contribution: Array, best: int) -> str:
    """The three cues that speak loudest for (or, for grade 0, against) damage."""
    order = np.argsort(-contribution)
    said: list[str] = []
    if best == 0:
        if contribution.max() < 0.3:
            return "nothing speaks for damage"
        word = CUES[CUE_NAMES.index(model.names[order[0]])].words
        return f"little speaks for damage; most: {word}"
    for index in order:
        words = CUES[CUE_NAMES.index(model.names[index])].words
        if contribution[index] > 0.1 and words not in said:
            said.append(words)
        if len(said) == 3:
            break
    return "; ".join(said) or "many weak signs together"


def _parts(centres: Array, count: int) -> NDArray[np.int_]:
    """Labelled buildings grouped by place, so that calibration is not flattered by neighbours that look alike."""
    spread = centres.std(axis=0).max()
    if spread == 0:
        return np.arange(len(centres)) % count
    _centroids, part = kmeans2(centres / spread, min(count, len(centres)), minit="++", rng=0)
    return np.asarray(part, int)
