"""Complete a fitted lattice: facilities, tap stands, latrines, and as many tents as have all of them."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imagery.sites.facilities import Place, place_facilities
from imagery.sites.fit import REACH_MARGIN_M, Fitted, surfaces
from imagery.sites.lattice import Lattice, Module
from imagery.sites.network import Network, noded
from imagery.sites.services import assign, convert_slots, pairs_within, serve, stand_places
from imagery.sites.standards import Standards

__all__ = ["STAND_SIZE_M", "Trial", "complete"]

STAND_SIZE_M = (2.4, 2.4)


@dataclass(frozen=True, slots=True)
class Trial:
    """A fitted lattice with everything chosen. Slots are indices into the lattice."""

    fit: Fitted
    slots: NDArray[np.intp]
    latrines: NDArray[np.float64]
    latrine_of: NDArray[np.intp]
    stands: NDArray[np.float64]
    stand_of: NDArray[np.intp]
    walk_m: NDArray[np.float64]
    facilities: list[Place]
    network: Network

    @property
    def count(self) -> int:
        return len(self.slots)


def complete(fit: Fitted, capacity: int, module: Module, standards: Standards) -> Trial | None:
    """Give the fitted tents facilities, taps and latrines, and keep `capacity` of those that have all."""
    lattice, slots = fit.lattice, fit.slots
    tent, latrine = (module.tent_u, module.tent_v), (module.latrine_u, module.latrine_v)
    facilities, slots = place_facilities(
        fit.site, lattice, slots, surfaces(fit.roads, fit.paths, module), capacity, standards
    )
    for extra in (1.0, 1.6, 2.5):
        stand_slots, pool, latrines = _with_water(fit, slots, capacity, extra, module, standards)
        if len(pool) == 0 or len(stand_slots) == 0:
            return None
        stands = lattice.tents[stand_slots]
        places = int(standards["latrines_per_block"] * standards["persons_per_latrine_later"] // 5)
        reach = standards["latrine_max_m"] - REACH_MARGIN_M
        while True:
            chosen = _most_compact(lattice, pool, capacity)
            pairs = pairs_within(lattice.tents[chosen], tent, latrines, latrine, reach)
            served = serve(pairs, len(chosen), len(latrines), places)
            if (served.of >= 0).all():
                break
            pool = np.setdiff1d(pool, chosen[served.of < 0])
        if len(chosen) == 0:
            return None
        served = assign(pairs, served, places)
        network, walk, stand_of = _walks(fit, chosen, stand_slots)
        reachable = walk <= standards["water_walk_max_m"] - REACH_MARGIN_M
        load = np.bincount(stand_of[reachable], minlength=len(stands)) * 5
        if reachable.all() and load.max() <= standards["taps_per_stand"] * standards["persons_per_tap"]:
            break
    used, latrine_of = np.unique(served.of, return_inverse=True)
    keep = np.flatnonzero(reachable)
    return Trial(
        fit, chosen[keep], latrines[used], latrine_of.reshape(-1)[keep], stands, stand_of[keep], walk[keep],
        facilities, network,
    )  # fmt: skip


def _with_water(
    fit: Fitted, slots: NDArray[np.intp], capacity: int, extra: float, module: Module, standards: Standards
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Slots that become tap stands, those left for tents, and the places for latrines, all away from the stands."""
    lattice = fit.lattice
    tent, latrine = (module.tent_u, module.tent_v), (module.latrine_u, module.latrine_v)
    persons = 5 * min(capacity, len(slots))
    count = math.ceil(extra * persons / (2 * standards["persons_per_tap"]))
    well = standards["latrine_well_m"] + 0.5 + math.hypot(*latrine) / 2 + math.hypot(*STAND_SIZE_M) / 2
    reach = standards["latrine_max_m"] - REACH_MARGIN_M
    slots = slots[_clear_of(lattice.tents[slots], tent, fit.latrines, latrine, 0.0)]
    picked = slots[stand_places(lattice.tents[slots], fit.latrines, count, well, reach)]
    stands = lattice.tents[picked]
    latrines = fit.latrines[_clear_of(fit.latrines, (0, 0), stands, (0, 0), well)]
    pool = np.setdiff1d(slots, picked)
    covered = np.zeros(len(pool), bool)
    covered[pairs_within(lattice.tents[pool], tent, latrines, latrine, reach)[0]] = True
    near_stand = ~_clear_of(lattice.tents[pool], (0, 0), stands, (0, 0), well)
    places = int(standards["latrines_per_block"] * standards["persons_per_latrine_later"] // 5)
    new, kept = convert_slots(
        lattice.tents[pool], covered, near_stand, tent, latrine, module.latrine_min, reach, places
    )
    return picked, pool[kept], np.concatenate([latrines, new])


def _clear_of(
    a: NDArray[np.float64],
    size_a: tuple[float, float],
    b: NDArray[np.float64],
    size_b: tuple[float, float],
    distance_m: float,
) -> NDArray[np.bool_]:
    """Which boxes of `a` lie further than `distance_m` from all of `b`."""
    clear = np.ones(len(a), bool)
    clear[pairs_within(a, size_a, b, size_b, distance_m)[0]] = False
    return clear


def _most_compact(lattice: Lattice, pool: NDArray[np.intp], capacity: int) -> NDArray[np.intp]:
    """At most `capacity` slots: fuller communities first, and of these the ones nearest to the middle."""
    if len(pool) <= capacity:
        return pool
    number = lattice.community[pool]
    _, community, size = np.unique(number, return_inverse=True, return_counts=True)
    community = community.reshape(-1)
    middle = np.median(lattice.tents[pool], axis=0)
    away = np.hypot(*(lattice.tents[pool] - middle).T)
    mean_away = np.bincount(community, away) / size
    order = np.lexsort((away, mean_away[community] - 8.0 * size[community]))
    return np.sort(pool[order[:capacity]])


def _walks(
    fit: Fitted, chosen: NDArray[np.intp], stand_slots: NDArray[np.intp]
) -> tuple[Network, NDArray[np.float64], NDArray[np.intp]]:
    """The network that these tents need, and for each its walk to the nearest tap and which that is."""
    lattice = fit.lattice
    doors = np.column_stack([lattice.tents[chosen, 0], lattice.door_v[chosen]])
    taps = np.column_stack([lattice.tents[stand_slots, 0], lattice.door_v[stand_slots]])
    network = noded(fit.roads, fit.paths, np.concatenate([doors, taps]))
    degree = np.bincount(network.edges.ravel(), minlength=len(network.nodes))
    on_road = np.zeros(len(network.nodes), bool)
    on_road[network.edges[network.is_road].ravel()] = True
    ends = np.flatnonzero(on_road & (degree == 1))  # the road goes through to the site's edge
    at_door, at_tap = network.index(doors), network.index(taps)
    network = network.pruned(np.concatenate([at_door, at_tap, ends]))
    distance, nearest = network.walk_from(at_tap)
    return network, distance[at_door], nearest[at_door]
