"""Public facilities in the bays between lanes, in the layout's rotated frame."""

import math
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from imagery.sites.lattice import Lattice, Module
from imagery.sites.standards import Standards

__all__ = ["Place", "facility_counts", "place_facilities", "refuse_litres"]

# Facility, the standard that says for how many persons one is, and the length of its ground along the lane.
KINDS = (
    ("distribution", "persons_per_distribution", 40.0),
    ("health", "persons_per_health_post", 30.0),
    ("school", "persons_per_school", 60.0),
    ("play", "persons_per_play_space", 25.0),
)
SHORTEST = 0.5  # of that length, where a bay is shorter
RESERVE = 8  # slots to leave beyond the capacity: tap stands and latrines take some too


@dataclass(frozen=True, slots=True)
class Place:
    """A facility: its kind (distribution, health, school, play or refuse) and its ground."""

    kind: str
    shape: shapely.Polygon


def refuse_litres(tents: int, stands: int, standards: Standards) -> float:
    """How much each refuse stand must hold, in whole 100 L bins."""
    return 0.0 if stands == 0 else math.ceil(tents / 10 * standards["refuse_l_per_10_families"] / stands / 100) * 100.0


def facility_counts(persons: int, standards: Standards) -> dict[str, int]:
    """How many of each kind so many persons need: one from half the persons that one serves."""
    return {kind: int(persons / standards[name] + 0.5) for kind, name, _ in KINDS}


def place_facilities(
    site: shapely.Polygon,
    lattice: Lattice,
    slots: NDArray[np.intp],
    ways: NDArray[np.object_],
    capacity: int,
    standards: Standards,
) -> tuple[list[Place], NDArray[np.intp]]:
    """Put facilities where they cost the fewest tents that the capacity needs, near the middle among equals.

    Args:
        slots: where tents may stand, indices into the lattice; ways: the surfaces of roads and paths.

    Returns:
        the facilities, and the slots that remain for tents.
    """
    needed = facility_counts(5 * min(capacity, len(slots)), standards)
    if not any(needed.values()) or not lattice.bays:
        return [], slots
    tents = lattice.tents[slots]
    middle = np.median(tents, axis=0)
    module = Module.of(standards)
    lanes = shapely.STRtree(ways)
    gap = max(module.gap, 4.0)
    kept = np.ones(len(slots), bool)
    places: list[Place] = []
    for kind, _, length in KINDS:
        if not needed[kind]:
            continue
        grounds = _grounds(site, lattice, length, lanes)
        ground_of, tent_of = _hits(grounds, tents, module, gap)
        away = np.hypot(*((grounds[:, :2] + grounds[:, 2:]) / 2 - middle).T)
        for _ in range(needed[kind]):
            free = _clear_of(grounds, places, gap)
            if not free.any():
                break
            spare = max(0, int(kept.sum()) - capacity - RESERVE - capacity // 30)
            lost = np.bincount(ground_of[kept[tent_of]], minlength=len(grounds))
            best = int(np.argmin(np.where(free, np.maximum(lost - spare, 0) * 50.0 + away, np.inf)))
            places.append(Place(kind, shapely.box(*grounds[best])))
            kept[tent_of[ground_of == best]] = False
    return places, slots[kept]


def _clear_of(grounds: NDArray[np.float64], places: list[Place], gap: float) -> NDArray[np.bool_]:
    """Which grounds keep `gap` from all places."""
    free = np.ones(len(grounds), bool)
    for place in places:
        u0, v0, u1, v1 = place.shape.bounds
        apart = np.maximum(grounds[:, :2] - (u1, v1), np.array([u0, v0]) - grounds[:, 2:])
        free &= apart.max(axis=1) >= gap
    return free


def _grounds(site: shapely.Polygon, lattice: Lattice, length: float, lanes: shapely.STRtree) -> NDArray[np.float64]:
    """The rectangles (k, 4) that a facility could have: at either end of a bay, on the site and clear of roads and paths."""
    found = []
    for bay in lattice.bays:
        u0, v0, u1, v1 = bay.bounds
        if u1 - u0 < SHORTEST * length or v1 - v0 < 5.0:
            continue
        found.append((u0, v0 + 0.1, min(u0 + length, u1), v1 - 0.1))
        if u1 - u0 > length:
            found.append((u1 - length, v0 + 0.1, u1, v1 - 0.1))
    table = np.array(found, float).reshape(-1, 4)
    shapes = shapely.box(*table.T)
    fine = np.atleast_1d(shapely.covers(site, shapes)) & True
    fine[np.unique(lanes.query(shapes, "intersects")[0])] = False
    return table[fine]


def _hits(
    grounds: NDArray[np.float64], tents: NDArray[np.float64], module: Module, gap: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs (ground, tent) that stand nearer than `gap` along the rows; a lane parts them the other way."""
    half = np.array([module.tent_u, module.tent_v]) / 2
    boxes = shapely.box(*(tents - half).T, *(tents + half).T)
    wide = shapely.box(grounds[:, 0] - gap, grounds[:, 1] - 1.0, grounds[:, 2] + gap, grounds[:, 3] + 1.0)
    tent_of, ground_of = shapely.STRtree(wide).query(boxes, "intersects")
    return ground_of, tent_of
