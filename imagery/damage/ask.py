"""Which buildings to look at first: those whose grade is least certain, and that are unlike each other."""

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError

from imagery.core.errors import BadInputError, NotEnoughDataError
from imagery.core.files import atomic_path
from imagery.damage.cues import CUE_NAMES
from imagery.damage.products import LAYER

__all__ = ["most_informative", "questions"]


def questions(path: str | Path, count: int, out: str | Path | None = None) -> gpd.GeoDataFrame:
    """The `count` buildings of a damage GeoPackage that are most worth labelling, most informative first.

    Buildings with a reviewed grade are left out. With `out`, writes them as a GeoPackage whose empty `reviewed_grade` is to be
    filled in and given back with `--labels`. Raises NotEnoughDataError when every building is reviewed.
    """
    try:
        frame = pyogrio.read_dataframe(path, layer=LAYER)
    except (DataSourceError, DataLayerError):
        raise BadInputError(
            f"{path}: not a GeoPackage with a layer {LAYER}: give what `skyrelief damage` wrote"
        ) from None
    frame = frame[frame["reviewed_grade"].isna()]
    if frame.empty:
        raise NotEnoughDataError(f"{path}: every building is reviewed already")
    scores = np.array([_scores(text) for text in frame["evidence"]])
    picked = frame.iloc[most_informative(frame[["p0", "p1", "p2", "p3"]].to_numpy(float), scores, count)]
    if out is not None:
        with atomic_path(out) as temporary:
            pyogrio.write_dataframe(picked, temporary, layer=LAYER, driver="GPKG")
    return picked


def most_informative(probabilities: NDArray[np.float64], scores: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    """Indices of the buildings to ask about: uncertain ones, each far in score space from those chosen before.

    probabilities: (n, 4); scores: (n, cues) in 0..1, NaN where masked. Greedy on entropy times distance, so that twenty answers
    are not twenty times the same answer; the first is the most uncertain one.
    """
    held = np.maximum(probabilities, 1e-9)
    entropy = -np.sum(held * np.log(held), axis=1) / np.log(4)
    seen = np.isfinite(scores)
    mean = np.where(seen.any(axis=0), np.where(seen, scores, 0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1), 0)
    place = np.where(seen, scores, mean)
    distance = np.ones(len(place))
    chosen: list[int] = []
    for _turn in range(min(count, len(place))):
        worth = (0.15 + entropy) * distance
        worth[chosen] = -1
        chosen.append(int(np.argmax(worth)))
        apart = np.sqrt(np.mean((place - place[chosen[-1]]) ** 2, axis=1))
        distance = apart if len(chosen) == 1 else np.minimum(distance, apart)
    return np.array(chosen, np.intp)


def _scores(text: str) -> list[float]:
    """Scores of one building in CUES' order from its `evidence`."""
    flat = {name: cue["score"] for cues in json.loads(text).values() for name, cue in cues.items()}
    return [np.nan if flat.get(name) is None else float(flat[name]) for name in CUE_NAMES]
