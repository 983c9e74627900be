"""Latrines, tap stands and facilities for a set of tents, in the layout's rotated frame."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import maximum_flow
from scipy.spatial import cKDTree

__all__ = ["Served", "assign", "box_distance", "convert_slots", "serve", "stand_places"]


def box_distance(
    a: NDArray[np.float64], size_a: tuple[float, float], b: NDArray[np.float64], size_b: tuple[float, float]
) -> NDArray[np.float64]:
    """Distances between axis-parallel boxes with centres a and b (broadcast, last axis 2) and sizes (u, v)."""
    apart = abs(a - b) - (np.add(size_a, size_b) / 2)
    return np.hypot(*np.moveaxis(apart.clip(0), -1, 0))


def pairs_within(
    a: NDArray[np.float64],
    size_a: tuple[float, float],
    b: NDArray[np.float64],
    size_b: tuple[float, float],
    distance_m: float,
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """All pairs of boxes not further apart than `distance_m`: indices into a and b, and the distances."""
    if len(a) == 0 or len(b) == 0:
        return np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0)
    reach = distance_m + math.hypot(*size_a) / 2 + math.hypot(*size_b) / 2
    found = cKDTree(a).sparse_distance_matrix(cKDTree(b), reach, output_type="ndarray")
    i, j = found["i"].astype(np.intp), found["j"].astype(np.intp)
    distance = box_distance(a[i], size_a, b[j], size_b)
    near = distance <= distance_m
    return i[near], j[near], distance[near]


@dataclass(frozen=True, slots=True)
class Served:
    """Attributes: chosen: indices of the places used; of: (n,) for each client the place (an index), -1 for none."""

    chosen: NDArray[np.intp]
    of: NDArray[np.intp]


def serve(
    pairs: tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]], clients: int, places: int, capacity: int
) -> Served:
    """Open few places so that each client within reach has one, none with more than `capacity` (greedy covering).

    Args:
        pairs: (client, place, distance) of all pairs within reach.
    """
    i, j, distance = pairs
    order = np.lexsort((distance, j))
    i, j = i[order], j[order]
    start = np.searchsorted(j, np.arange(places + 1))
    by_client = csr_array((np.ones(len(i), np.int32), (i, j)), shape=(clients, places))
    waiting = np.bincount(j, minlength=places)
    of = np.full(clients, -1, np.intp)
    chosen = []
    while waiting.size and waiting.max() > 0:
        place = int(np.argmax(np.minimum(waiting, capacity)))
        near = i[start[place] : start[place + 1]]
        taken = near[of[near] < 0][:capacity]
        of[taken] = place
        waiting = waiting - by_client[taken].sum(axis=0)
        waiting[place] = 0
        chosen.append(place)
    return Served(np.array(sorted(chosen), np.intp), of)


def assign(
    pairs: tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]], served: Served, capacity: int
) -> Served:
    """The same places, with the clients assigned anew by maximum flow over the shortest reach that serves as many."""
    i, j, distance = pairs
    position = np.full(int(j.max(initial=-1)) + 1, -1)
    position[served.chosen] = np.arange(len(served.chosen))
    keep = (position[j] >= 0) & (served.of[i] >= 0)
    i, j, distance = i[keep], position[j[keep]], distance[keep]
    clients, places = len(served.of), len(served.chosen)
    goal = int((served.of >= 0).sum())
    for reach in (20.0, 30.0, 40.0):
        near = distance <= reach
        source, sink = clients + places, clients + places + 1
        tails = np.concatenate([i[near], np.full(clients, source), clients + np.arange(places)])
        heads = np.concatenate([clients + j[near], np.arange(clients), np.full(places, sink)])
        sizes = np.concatenate([np.ones(near.sum() + clients, np.int32), np.full(places, capacity, np.int32)])
        flow = maximum_flow(coo_array((sizes, (tails, heads)), shape=(sink + 1, sink + 1)).tocsr(), source, sink)
        if flow.flow_value == goal:
            used = flow.flow.tocoo()
            pair = (used.data > 0) & (used.row < clients) & (used.col >= clients) & (used.col < source)
            of = np.full(clients, -1, np.intp)
            of[used.row[pair]] = served.chosen[used.col[pair] - clients]
            return Served(np.unique(of[of >= 0]), of)
    return served


def convert_slots(
    tents: NDArray[np.float64],
    covered: NDArray[np.bool_],
    forbidden: NDArray[np.bool_],
    tent_size: tuple[float, float],
    latrine_size: tuple[float, float],
    least_m: float,
    reach_m: float,
    capacity: int,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Turn tent slots into latrines where the strips' latrines are out of reach.

    Args:
        tents: (n, 2) centres; covered: which have a latrine; forbidden: slots where no latrine may stand.

    Returns:
        the centres of the new latrines, and which slots remain for tents (those without any latrine do not).
    """
    kept, covered = np.ones(len(tents), bool), covered.copy()
    new: list[NDArray[np.float64]] = []
    tree = cKDTree(tents) if len(tents) else None
    while tree is not None and (kept & ~covered).any():
        need = np.flatnonzero(kept & ~covered)
        distances = box_distance(tents[:, None], latrine_size, tents[need][None], tent_size)
        useful = ((distances >= least_m) & (distances <= reach_m)).sum(axis=1).clip(max=capacity)
        lost = np.array([kept[near].sum() for near in tree.query_ball_point(tents, least_m + 5.0)])
        gain = np.where(forbidden | ~kept, -np.inf, useful - 0.5 * lost)
        place = int(np.argmax(gain))
        if useful[place] < 2 or not np.isfinite(gain[place]):
            break
        distance = box_distance(tents, tent_size, tents[place], latrine_size)
        kept &= distance >= least_m
        near = np.flatnonzero(kept & ~covered & (distance <= reach_m))
        covered[near[np.argsort(distance[near], kind="stable")][:capacity]] = True
        new.append(tents[place])
    return np.array(new).reshape(-1, 2), kept & covered


def stand_places(
    tents: NDArray[np.float64], latrines: NDArray[np.float64], count: int, well_m: float, reach_m: float
) -> NDArray[np.intp]:
    """Slots to turn into tap stands: near the middles of `count` clusters, where they cost the tents fewest latrines.

    Args:
        tents, latrines: (n, 2), (m, 2) centres; well_m: no latrine centre may be nearer; reach_m: of a latrine.
    """
    if len(tents) == 0:
        return np.zeros(0, np.intp)
    count = min(count, len(tents))
    order = np.argsort(tents[:, 0] + 1e-3 * tents[:, 1], kind="stable")
    seeds = tents[order[np.linspace(0, len(tents) - 1, count + 2).round().astype(int)[1:-1]]]
    centres, label = (
        kmeans2(tents, seeds, iter=15, minit="matrix", missing="warn")
        if count > 1
        else (
            tents.mean(axis=0, keepdims=True),
            np.zeros(len(tents), int),
        )
    )
    latrine_tree = cKDTree(latrines) if len(latrines) else None
    places = []
    for cluster in np.unique(label):
        members = np.flatnonzero(label == cluster)
        nearest = members[np.argsort(np.hypot(*(tents[members] - centres[cluster]).T), kind="stable")]
        tried = nearest[np.unique(np.linspace(0, len(nearest) - 1, 48).astype(int))] if len(nearest) > 48 else nearest
        if latrine_tree is None:
            places.append(int(tried[0]))
            continue
        served = [_served_without(tents[members], latrines, tents[k], well_m, reach_m) for k in tried]
        away = np.hypot(*(tents[tried] - centres[cluster]).T)
        places.append(int(tried[int(np.argmax(np.array(served) - 0.02 * away))]))
    return np.unique(places)


def _served_without(
    tents: NDArray[np.float64], latrines: NDArray[np.float64], stand: NDArray[np.float64], well_m: float, reach_m: float
) -> int:
    """How many tents have a latrine if those within `well_m` of the stand are given up."""
    local = latrines[np.hypot(*(latrines - stand).T) < well_m + 2 * reach_m]
    left = local[np.hypot(*(local - stand).T) >= well_m]
    affected = tents[np.hypot(*(tents - stand).T) < well_m + reach_m]
    if len(left) == 0 or len(affected) == 0:
        return -len(affected)
    return int((cKDTree(left).query(affected)[0] <= reach_m).sum()) - len(affected)
