"""Training the shipped grader: from measured buildings of known damage to the model file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imagery.core.files import write_json
from imagery.core.progress import SILENT, Progress
from imagery.damage.cues import CUE_NAMES, SIGNATURES
from imagery.damage.model import GradeModel, fit_model

__all__ = ["TrainingTable", "train_models", "write_models"]


@dataclass(frozen=True, slots=True)
class TrainingTable:
    """Measured buildings whose damage is known.

    Attributes: values: (n, cues) in CUES' order; grades: (n,) 0-3; fraction: (n,) damaged share of the roof; groups: (n,) the
    world.
    """

    values: NDArray[np.float64]
    grades: NDArray[np.int_]
    fraction: NDArray[np.float64]
    groups: NDArray[np.int_]

    @classmethod
    def joined(cls, tables: list["TrainingTable"]) -> "TrainingTable":
        """The rows of several tables."""
        return cls(
            np.concatenate([table.values for table in tables]),
            np.concatenate([table.grades for table in tables]),
            np.concatenate([table.fraction for table in tables]),
            np.concatenate([table.groups for table in tables]),
        )


def train_models(table: TrainingTable, progress: Progress = SILENT) -> dict[str, GradeModel]:
    """A model per signature, calibrated on worlds that were left out of its fit."""
    models = {}
    with progress.stage("fitting", len(SIGNATURES), "signatures") as advance:
        for signature in SIGNATURES:
            models[signature] = fit_model(
                signature, table.values, table.grades, groups=table.groups, fraction=table.fraction
            )
            advance(1)
    return models


def write_models(path: str | Path, models: dict[str, GradeModel], provenance: dict[str, Any]) -> None:
    """Write the model file that `grader.load_models` reads; provenance says from what and how it was made."""
    data = {name: model.to_json() for name, model in models.items()}
    write_json(path, {"provenance": provenance, "all_cues": CUE_NAMES, "models": data}, indent=None)
