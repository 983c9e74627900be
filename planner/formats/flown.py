"""What every format of a single flight says in common, so that a file can be compared with the flight that it holds."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from imagery.core.errors import BadInputError
from imagery.core.frame import check_lon_lat

__all__ = ["DATUMS", "FlownPath", "checked"]

DATUMS = ("home", "amsl", "ellipsoid", "ground")


@dataclass(frozen=True, slots=True)
class FlownPath:
    """A flight's path as a file tells it.

    Attributes: points: n x 3, longitude, latitude in degrees and height in metres (nan where the file has none); datum: above
    what the heights are, one of `DATUMS`; home: (longitude, latitude) or None; lines: m x 2, the points at which photographing
    by distance begins and ends; trigger_m: distance between two photos, nan where the file says none.
    """

    points: NDArray[np.float64]
    datum: str
    home: tuple[float, float] | None = None
    lines: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 2), np.int64))
    trigger_m: float = math.nan


def checked(path: FlownPath, where: str) -> FlownPath:
    """The path, if it has points and all of them are on Earth; `where` names the file in errors."""
    if not len(path.points):
        raise BadInputError(f"{where}: holds no path")
    check_lon_lat(path.points[:, 0], path.points[:, 1], where)
    if np.isinf(path.points[:, 2]).any():
        raise BadInputError(f"{where}: a height is not a number")
    return path
