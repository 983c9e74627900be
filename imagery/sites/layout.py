"""Lay a settlement out on one site: try orientations and shifts of the lattice, and keep the one with the most tents."""

import math

import numpy as np
import shapely

from imagery.sites.assemble import assembled
from imagery.sites.fit import StandsWell, Turned, fit_lattice
from imagery.sites.lattice import Module, Variant
from imagery.sites.settlement import Layout
from imagery.sites.standards import Standards
from imagery.sites.trial import Trial, complete

__all__ = ["lay_out"]

VARIANTS = (
    Variant(),
    Variant(cross_v=5.5),
    Variant(cross_u=20.0),
    Variant(cross_u=-20.0, cross_v=-5.5),
    Variant(lanes_per_road=3),
    Variant(strip_roads=True),
    Variant(lanes_per_road=3, strip_roads=True),
    Variant(lanes_per_road=2, strip_roads=True, cross_v=5.5, cross_u=15.0),
    Variant(cross_v=-1e6),
    Variant(cross_v=1e6),
)
FULL_TRIALS = 6


def lay_out(
    site: shapely.Polygon,
    capacity: int,
    standards: Standards,
    contour_deg: float | None = None,
    stands_well: StandsWell | None = None,
) -> Layout | None:
    """The layout with the most tents, up to `capacity`; None where not one tent can stand by the rules.

    Args:
        site: in metres, with holes where nothing may stand.
        capacity: tents that the site's area allows.
        contour_deg: direction of the contour lines, anticlockwise from east; None on nearly level ground.
        stands_well: tells of tents with given centres (n, 2) and direction of the rows in degrees whether the ground under
            each will do.
    """
    module = Module.of(standards)
    if capacity < 1:
        return None
    fits = []
    best: Trial | None = None
    for ground in Turned.each(site, _angles(site, contour_deg), module):
        for variant in VARIANTS:
            fit = fit_lattice(ground, variant, module, standards, stands_well)
            if fit is None:
                continue
            if len(fit.slots) >= 1.1 * capacity + 8:  # room to spare: try it at once
                trial = complete(fit, capacity, module, standards)
                best = _better(best, trial)
                if best is not None and best.count >= capacity:
                    return assembled(best, module, standards)
            else:
                fits.append(fit)
    fits.sort(key=lambda fit: -len(fit.slots))
    for fit in fits[:FULL_TRIALS]:
        if best is None or best.count < min(capacity, len(fit.slots)):
            best = _better(best, complete(fit, capacity, module, standards))
    return None if best is None else assembled(best, module, standards)


def _angles(site: shapely.Polygon, contour_deg: float | None) -> list[float]:
    """Directions to try, degrees: the contour first; on level ground the site's long side first."""
    box = shapely.minimum_rotated_rectangle(site)
    corners = np.array(box.exterior.coords)[:3]
    sides = np.diff(corners, axis=0)
    long_side = sides[np.argmax(np.hypot(*sides.T))]
    along = math.degrees(math.atan2(long_side[1], long_side[0]))
    if contour_deg is None:
        return [along, along + 90, along + 45, along + 22.5, along + 67.5]
    return [contour_deg, contour_deg + 10, contour_deg - 10]


def _better(a: Trial | None, b: Trial | None) -> Trial | None:
    if a is None or b is None:
        return b if a is None else a
    return b if b.count > a.count else a
