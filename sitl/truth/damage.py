"""How far damage grades are off, and how honest their probabilities are."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from imagery.core.errors import BadInputError, NotEnoughDataError
from sitl.truth.rasters import survey_area
from sitl.world import World

__all__ = ["DamageError", "damage_error"]

GRADES = 4


@dataclass(frozen=True, slots=True)
class DamageError:
    """Grades against the truth. confusion: rows true grade 0-3, columns said 0-3, not analysed,
    not found; accuracy and macro_f1
    over the graded ones; within_one: share at most one grade off; calibration_error: expected, over ten bins,
    or None without p0..p3."""

    confusion: list[list[int]]
    accuracy: float
    macro_f1: float
    within_one: float
    graded: float
    calibration_error: float | None


def damage_error(world: World, damage_path: str | Path, layer: str = "builtUpA") -> DamageError:
    """Grades of a damage.gpkg against the world's buildings, each compared with the result that overlaps it most."""
    try:
        said = gpd.read_file(damage_path, layer=layer).to_crs(world.crs)
    except (OSError, ValueError) as error:
        raise BadInputError(f"{damage_path}: no readable layer {layer} ({error})") from error
    except Exception as error:  # pyogrio raises its own classes, which share no public base
        raise BadInputError(f"{damage_path}: no readable layer {layer} ({error})") from error
    true = world.buildings
    if "grade" not in true or not len(true):
        raise NotEnoughDataError("this world has no graded buildings")
    true = true[true.intersects(survey_area(world))]
    match = _best_overlaps(list(true.geometry), list(said.geometry))
    confusion = np.zeros((GRADES, GRADES + 2), int)
    confident: list[tuple[float, bool]] = []
    for grade, k in zip(true["grade"].astype(int), match, strict=True):
        value = None if k is None else said["jds_grade"].iloc[k]
        number = _grade_number(value)
        confusion[grade, GRADES + 1 if k is None else GRADES if number is None else number] += 1
        if k is not None and number is not None and {"p0", "p1", "p2", "p3"} <= set(said.columns):
            chances = said[["p0", "p1", "p2", "p3"]].iloc[k].to_numpy(float)
            if np.isfinite(chances).all():
                confident.append((float(chances.max()), int(chances.argmax()) == grade))
    return _scores(confusion, confident)


def _scores(confusion: NDArray[np.int_], confident: list[tuple[float, bool]]) -> DamageError:
    graded = confusion[:, :GRADES]
    total = max(1, int(graded.sum()))
    apart = abs(np.subtract.outer(np.arange(GRADES), np.arange(GRADES)))
    f1 = [
        2 * graded[k, k] / (graded[k].sum() + graded[:, k].sum())
        for k in range(GRADES)
        if graded[k].sum() + graded[:, k].sum()
    ]
    return DamageError(
        confusion=confusion.tolist(),
        accuracy=float(np.trace(graded) / total),
        macro_f1=float(np.mean(f1)) if f1 else 0.0,
        within_one=float(graded[apart <= 1].sum() / total),
        graded=float(graded.sum() / max(1, confusion.sum())),
        calibration_error=_calibration_error(confident),
    )


def _calibration_error(confident: list[tuple[float, bool]]) -> float | None:
    """Expected calibration error over ten bins of confidence."""
    if not confident:
        return None
    chance, right = (np.array(column, float) for column in zip(*confident, strict=True))
    bins = np.minimum((chance * 10).astype(int), 9)
    return float(
        sum(abs(chance[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins))
    )


def _grade_number(value: Any) -> int | None:
    """A grade 0-3 from a number or one of the Joint Damage Scale's names; anything else is "not analysed"."""
    names = {"no-damage": 0, "minor-damage": 1, "major-damage": 2, "destroyed": 3}
    if isinstance(value, str):
        return names.get(value.strip().lower(), int(value) if value.strip() in ("0", "1", "2", "3") else None)
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return int(number) if number in (0, 1, 2, 3) else None


def _best_overlaps(true: list[shapely.Geometry], said: list[shapely.Geometry]) -> list[int | None]:
    """For each true footprint the result that covers most of it, at least three tenths."""
    tree = shapely.STRtree(said)
    out: list[int | None] = []
    for shape in true:
        near = tree.query(shape, predicate="intersects")
        shares = [shapely.intersection(shape, said[k]).area / shape.area for k in near]
        out.append(int(near[int(np.argmax(shares))]) if shares and max(shares) >= 0.3 else None)
    return out
