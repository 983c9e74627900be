"""A survey along a line with a width: a river, a road, a dyke."""

import math

import numpy as np
import shapely
from numpy.typing import NDArray

__all__ = ["corridor_lines"]

FIRST_MARGIN = 0.75  # of the spacing: the outer pass inside the corridor's edge


def corridor_lines(axis: shapely.Geometry, width_m: float, spacing_m: float) -> NDArray[np.float64]:
    """Straight lines (n x 2 x 2) along an axis in metres: at least two passes side by side, `spacing_m` apart at most.

    Bends gentler than a sixth of the spacing are straightened, so that the drone need not stop for them.
    """
    inner = max(width_m - 2 * FIRST_MARGIN * spacing_m, 0.0)
    passes = max(2, math.ceil(inner / spacing_m - 1e-6) + 1)
    reach = max(inner, min(width_m, spacing_m)) / 2
    lines = []
    for branch in shapely.get_parts(axis.simplify(spacing_m / 6)):
        curves = [
            branch.offset_curve(float(d), join_style="mitre", mitre_limit=2) for d in np.linspace(-reach, reach, passes)
        ]
        for part in (part for curve in curves for part in shapely.get_parts(curve) if part.length > 1.0):
            points = shapely.get_coordinates(part.simplify(spacing_m / 12))
            lines.append(np.stack([points[:-1], points[1:]], axis=1))
    return np.concatenate(lines)
