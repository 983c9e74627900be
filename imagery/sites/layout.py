"""Lay a settlement out on one site: try orientations and shifts of the lattice, cut it to the site, add the services."""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from shapely import affinity

from imagery.sites.facilities import Place, place_facilities
from imagery.sites.lamps import Lamp, place_lamps
from imagery.sites.lattice import CLEAR_M, Lattice, Module, Variant, block_counts, build_lattice
from imagery.sites.links import link_roads
from imagery.sites.network import Network, connected, cut, noded, segments
from imagery.sites.services import assign, box_distance, convert_slots, pairs_within, serve, stand_places
from imagery.sites.standards import Standards

__all__ = ["Layout", "lay_out", "pegging_zones"]

STAND_SIZE_M = (2.4, 2.4)
REACH_MARGIN_M = 4.0  # limits on distances are kept between centres too, not only between nearest edges
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


@dataclass(frozen=True, slots=True)
class Layout:
    """A settlement in map coordinates (metres).

    Attributes: angle_deg: direction of the rows, anticlockwise from east; tents: (n,) polygons; doors: (n, 2); community,
    block, latrine_of, stand_of: (n,) numbers; walk_m: (n,) to the tap along roads and paths; latrines, stands: polygons;
    roads, paths: lines; gate: where the road meets the site's edge, and its direction outwards.
    """

    angle_deg: float
    tents: NDArray[np.object_]
    doors: NDArray[np.float64]
    community: NDArray[np.int64]
    block: NDArray[np.int64]
    latrine_of: NDArray[np.intp]
    stand_of: NDArray[np.intp]
    walk_m: NDArray[np.float64]
    latrines: NDArray[np.object_]
    stands: NDArray[np.object_]
    facilities: list[Place]
    lamps: list[Lamp]
    roads: list[shapely.LineString]
    paths: list[shapely.LineString]
    gates: list[shapely.LineString]
    firebreaks: list[shapely.Polygon]

    @property
    def persons(self) -> int:
        """Five in each tent."""
        return 5 * len(self.tents)

    def clear_of(self, ways: list[shapely.LineString], standards: Standards) -> "Layout":
        """Without the tents whose guy lines would reach one of these truck roads, nor what else stands on them."""
        aside = standards["road_width_m"] / 2 + max(standards["pegging_side_m"], standards["pegging_end_m"])
        surface = shapely.union_all(shapely.buffer(ways, aside * 2**0.5))
        straight = shapely.union_all(shapely.buffer(ways, standards["road_width_m"] / 2, cap_style="flat"))
        near = np.flatnonzero(shapely.intersects(surface, self.tents))
        hit = near[shapely.area(shapely.intersection(pegging_zones(self.tents[near], standards), straight)) > 0]
        kept = np.delete(np.arange(len(self.tents)), hit)
        breaks = [part for shape in self.firebreaks for part in shapely.get_parts(shape.difference(straight))]
        return replace(
            self,
            tents=self.tents[kept],
            doors=self.doors[kept],
            community=self.community[kept],
            block=self.block[kept],
            latrine_of=self.latrine_of[kept],
            stand_of=self.stand_of[kept],
            walk_m=self.walk_m[kept],
            firebreaks=[part for part in breaks if part.area > 1.0],
            facilities=[place for place in self.facilities if not place.shape.intersects(straight)],
            lamps=[lamp for lamp in self.lamps if not lamp.point.intersects(straight)],
        )


@dataclass(frozen=True, slots=True)
class _Fitted:
    """The lattice cut to a site, in the rotated frame: only what stands on it and is joined to its roads."""

    angle_deg: float
    site: shapely.Polygon
    lattice: Lattice
    roads: NDArray[np.object_]
    paths: NDArray[np.object_]
    slots: NDArray[np.intp]
    latrines: NDArray[np.float64]
    refuse: NDArray[np.float64]


StandsWell = Callable[[NDArray[np.float64], float], NDArray[np.bool_]]


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
    best: _Trial | None = None
    for ground in _Turned.each(site, _angles(site, contour_deg), module):
        for variant in VARIANTS:
            fit = _fit(ground, variant, module, standards, stands_well)
            if fit is None:
                continue
            if len(fit.slots) >= 1.1 * capacity + 8:  # room to spare: try it at once
                trial = _complete(fit, capacity, module, standards)
                best = _better(best, trial)
                if best is not None and best.count >= capacity:
                    return _assembled(best, module, standards)
            else:
                fits.append(fit)
    fits.sort(key=lambda fit: -len(fit.slots))
    for fit in fits[:FULL_TRIALS]:
        if best is None or best.count < min(capacity, len(fit.slots)):
            best = _better(best, _complete(fit, capacity, module, standards))
    return None if best is None else _assembled(best, module, standards)


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


@dataclass(frozen=True, slots=True)
class _Turned:
    """A site in the rotated frame, with the areas in which the centre lines of roads and paths may run."""

    angle_deg: float
    site: shapely.Polygon
    for_roads: shapely.Geometry
    for_paths: shapely.Geometry
    blocks: tuple[int, int]

    @classmethod
    def each(cls, site: shapely.Polygon, angles: list[float], module: Module) -> Iterator["_Turned"]:
        """The site turned by each of the angles."""
        areas = [site, *(site.buffer(-width / 2 - 0.05, join_style="mitre") for width in (module.road, module.path))]
        for angle in angles:
            whole, for_roads, for_paths = (affinity.rotate(area, -angle, origin=(0, 0)) for area in areas)
            shapely.prepare([whole, for_roads, for_paths])
            yield cls(angle, whole, for_roads, for_paths, _best_blocks(whole, module))


def _best_blocks(site: shapely.Polygon, module: Module) -> tuple[int, int]:
    """How many blocks along u and v leave the most tents, when each block loses those that make it too long."""
    u0, v0, u1, v1 = site.bounds
    usual = block_counts(u1 - u0, v1 - v0, module)
    if usual == (1, 1) or usual[0] * usual[1] > 9:
        return usual
    best, most = usual, -1
    numbers = range(1, max(usual) + 1)
    for counts in itertools.product(numbers, numbers):
        lattice = build_lattice(site.bounds, counts, module, Variant())
        kept = _short_blocks(lattice, _inside(site, lattice, module), module)
        if len(kept) > most:
            best, most = counts, len(kept)
    return best


def _inside(site: shapely.Polygon, lattice: Lattice, module: Module) -> NDArray[np.intp]:
    """The slots whose pegging zones lie on the site."""
    pegged = (module.tent_u + 2 * module.peg_u, module.tent_v + 2 * module.peg_v)
    return np.flatnonzero(shapely.covers(site, boxes(lattice.tents, pegged)))


def _short_blocks(lattice: Lattice, slots: NDArray[np.intp], module: Module) -> NDArray[np.intp]:
    """The slots without those that are furthest out in blocks longer than is allowed between firebreaks."""
    kept = np.ones(len(slots), bool)
    half = np.array([module.tent_u, module.tent_v]) / 2
    for block in np.unique(lattice.block[slots]):
        members = np.flatnonzero(lattice.block[slots] == block)
        while len(members):
            centres = lattice.tents[slots[members]]
            hull = shapely.get_coordinates(shapely.convex_hull(shapely.multipoints(centres)))
            apart = (abs(hull[:, None] - hull[None]) + 2 * half).reshape(-1, 2)
            if np.hypot(*apart.T).max() <= module.block_diagonal:
                break
            away = np.hypot(*(centres - (centres.min(axis=0) + centres.max(axis=0)) / 2).T)
            out = members[away >= away.max() - module.tent_u]
            kept[out] = False
            members = np.setdiff1d(members, out)
    return slots[kept]


def _fit(
    ground: _Turned, variant: Variant, module: Module, standards: Standards, stands_well: StandsWell | None
) -> _Fitted | None:
    """Cut the lattice to the site; keep one road network, the paths joined to it and the tents that both serve."""
    local = ground.site
    lattice = build_lattice(local.bounds, ground.blocks, module, variant)
    inside = _short_blocks(lattice, _inside(local, lattice, module), module)
    if stands_well is not None and len(inside):
        inside = inside[stands_well(turned_back(lattice.tents[inside], ground.angle_deg), ground.angle_deg)]
    if len(inside) == 0:
        return None
    reach = standards["tent_to_road_m"] - REACH_MARGIN_M
    roads = segments(cut([x for x in lattice.lines if x.is_road], ground.for_roads))
    paths = segments(cut([x for x in lattice.lines if not x.is_road], ground.for_paths))
    if len(roads) == 0:
        return None
    groups = connected(roads)
    links = link_roads(ground.for_roads, roads, groups, lattice.tents[inside], reach) if groups.any() else []
    best: _Fitted | None = None
    for joined in ([], links) if links else ([],):
        fit = _served(ground, lattice, inside, _main_network(roads, joined), paths, joined, reach, module)
        if fit is not None and (best is None or len(fit.slots) > len(best.slots)):
            best = fit
    return best


def _main_network(roads: NDArray[np.object_], links: list[shapely.LineString]) -> NDArray[np.object_]:
    """The longest connected road network."""
    lines = np.array([*roads, *links], np.object_)
    group = connected(lines)
    return lines[group == np.argmax(np.bincount(group, shapely.length(lines)))]


def _served(
    ground: _Turned,
    lattice: Lattice,
    slots: NDArray[np.intp],
    roads: NDArray[np.object_],
    paths: NDArray[np.object_],
    links: list[shapely.LineString],
    reach: float,
    module: Module,
) -> _Fitted | None:
    """What remains of the lattice with these roads: tents near one and with a lane that leads to one, clear of the links."""
    aside = shapely.union_all(shapely.buffer(links, module.road / 2 + CLEAR_M)) if links else shapely.Polygon()
    shapely.prepare(aside)
    pegged = (module.tent_u + 2 * module.peg_u, module.tent_v + 2 * module.peg_v)
    slots = slots[~shapely.intersects(aside, boxes(lattice.tents[slots], pegged))]
    group = connected(np.concatenate([roads, paths]))
    paths = paths[group[len(roads) :] == group[0]]
    slots = slots[_near(lattice.tents[slots], roads, reach)]
    doors = np.column_stack([lattice.tents[slots, 0], lattice.door_v[slots]])
    slots = slots[_near(doors, np.concatenate([roads, paths]), 1e-6)]
    if len(slots) == 0:
        return None
    latrine = (module.latrine_u, module.latrine_v)
    latrines, refuse = (
        places[shapely.covers(ground.site, shapes) & ~shapely.intersects(aside, shapes)]
        for places, shapes in (
            (lattice.latrines, boxes(lattice.latrines, latrine)),
            (lattice.refuse, boxes(lattice.refuse, (2.0, 1.0))),
        )
    )
    return _Fitted(ground.angle_deg, ground.site, lattice, roads, paths, slots, latrines, refuse)


def _near(points: NDArray[np.float64], lines: NDArray[np.object_], distance_m: float) -> NDArray[np.bool_]:
    """Which points lie within a distance of one of the lines."""
    near = np.zeros(len(points), bool)
    if len(lines) and len(points):
        near[shapely.STRtree(lines).query(shapely.points(points), "dwithin", distance_m)[0]] = True
    return near


def _surfaces(roads: Iterable, paths: Iterable, module: Module) -> NDArray[np.object_]:
    """Roads and paths with their widths."""
    return np.array([*shapely.buffer(roads, module.road / 2), *shapely.buffer(paths, module.path / 2)], np.object_)


def boxes(centres: NDArray[np.float64], size: tuple[float, float]) -> NDArray[np.object_]:
    """Axis-parallel rectangles around centres (n, 2)."""
    half = np.array(size) / 2
    return shapely.box(*(centres - half).T, *(centres + half).T) if len(centres) else np.zeros(0, np.object_)


def turned_back(points: NDArray[np.float64], angle_deg: float) -> NDArray[np.float64]:
    """Points (n, 2) of the rotated frame in map coordinates."""
    cos, sin = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    return points @ np.array([[cos, sin], [-sin, cos]])


@dataclass(frozen=True, slots=True)
class _Trial:
    """A fitted lattice with everything chosen. Slots are indices into the lattice."""

    fit: _Fitted
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


def _better(a: _Trial | None, b: _Trial | None) -> _Trial | None:
    if a is None or b is None:
        return b if a is None else a
    return b if b.count > a.count else a


def _complete(fit: _Fitted, capacity: int, module: Module, standards: Standards) -> _Trial | None:
    """Give the fitted tents facilities, taps and latrines, and keep `capacity` of those that have all."""
    lattice, slots = fit.lattice, fit.slots
    tent, latrine = (module.tent_u, module.tent_v), (module.latrine_u, module.latrine_v)
    facilities, slots = place_facilities(
        fit.site, lattice, slots, _surfaces(fit.roads, fit.paths, module), capacity, standards
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
    return _Trial(
        fit, chosen[keep], latrines[used], latrine_of.reshape(-1)[keep], stands, stand_of[keep], walk[keep],
        facilities, network,
    )  # fmt: skip


def _with_water(
    fit: _Fitted, slots: NDArray[np.intp], capacity: int, extra: float, module: Module, standards: Standards
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
    fit: _Fitted, chosen: NDArray[np.intp], stand_slots: NDArray[np.intp]
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


def _assembled(trial: _Trial, module: Module, standards: Standards) -> Layout:
    """Turn the trial back into map coordinates, with lamps, firebreaks and the gates at the site's edge."""
    fit, lattice = trial.fit, trial.fit.lattice
    tent, latrine = (module.tent_u, module.tent_v), (module.latrine_u, module.latrine_v)
    roads, paths = trial.network.lines(True), trial.network.lines(False)
    gates = _gates(trial.network, fit.site)
    clear = shapely.union_all(_surfaces([*roads, *gates], paths, module))
    latrines, stands = boxes(trial.latrines, latrine), boxes(trial.stands, STAND_SIZE_M)
    tents = boxes(lattice.tents[trial.slots], tent)
    facilities = trial.facilities + _refuse(trial, _surfaces([*roads, *gates], paths, module), module)
    solid = [
        *tents,
        *latrines,
        *stands,
        *(place.shape for place in facilities),
        *shapely.buffer(gates, module.road / 2),
    ]
    lamps = place_lamps(roads, paths, latrines, stands, solid, module, standards)
    breaks = [shapely.box(*bounds).intersection(fit.site).difference(clear) for bounds in lattice.firebreaks]
    parts = [part for shape in breaks for part in shapely.get_parts(shape) if part.geom_type == "Polygon"]

    def turned(shapes: Iterable[shapely.Geometry]) -> list:
        return [affinity.rotate(shape, fit.angle_deg, origin=(0, 0)) for shape in shapes]

    doors = np.column_stack([lattice.tents[trial.slots, 0], lattice.door_v[trial.slots]])
    return Layout(
        angle_deg=fit.angle_deg,
        tents=np.array(turned(tents), np.object_),
        doors=turned_back(doors, fit.angle_deg),
        community=lattice.community[trial.slots],
        block=lattice.block[trial.slots],
        latrine_of=trial.latrine_of,
        stand_of=trial.stand_of,
        walk_m=trial.walk_m,
        latrines=np.array(turned(latrines), np.object_),
        stands=np.array(turned(stands), np.object_),
        facilities=[Place(kind, shape) for (kind, shape) in zip(
            [place.kind for place in facilities], turned([place.shape for place in facilities]), strict=True)],
        lamps=[Lamp(kind, shape) for (kind, shape) in zip(
            [lamp.at for lamp in lamps], turned([lamp.point for lamp in lamps]), strict=True)],
        roads=turned(roads),
        paths=turned(paths),
        gates=turned(gates),
        firebreaks=turned([part for part in parts if part.area > 1.0]),
    )  # fmt: skip


def pegging_zones(tents: NDArray[np.object_], standards: Standards) -> NDArray[np.object_]:
    """Each tent's fly with its guy lines, for rectangles (n,) in any direction."""
    corners = shapely.get_coordinates(shapely.get_exterior_ring(tents)).reshape(-1, 5, 2)[:, :4]
    centre = corners.mean(axis=1, keepdims=True)
    grown = corners - centre
    for edge in (corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 1]):
        length = np.hypot(*edge.T)
        is_short = length < (standards["tent_fly_width_m"] + standards["tent_fly_length_m"]) / 2
        add = np.where(is_short, standards["pegging_side_m"], standards["pegging_end_m"])
        unit = edge / length[:, None]
        side = np.sign((grown * unit[:, None]).sum(axis=2))
        grown = grown + side[..., None] * (add[:, None] * unit)[:, None]
    return shapely.polygons(centre + grown)


def _refuse(trial: _Trial, ways: NDArray[np.object_], module: Module) -> list[Place]:
    """Stands for refuse bins in the strips or beside the latrines in use, one for 20 families where there is room."""
    count = math.ceil(len(trial.slots) / 20)
    aside = np.array([(0.0, 2.9), (0.0, -2.9), (3.0, 0.0), (-3.0, 0.0)])
    places = np.concatenate([trial.fit.refuse, (trial.latrines[:, None] + aside).reshape(-1, 2)])
    shapes = boxes(places, (2.0, 1.0))
    taken = [*boxes(trial.latrines, (module.latrine_u + 1, module.latrine_v + 1)), *ways]
    taken += [*(place.shape for place in trial.facilities), *boxes(trial.stands, STAND_SIZE_M)]
    taken += [*boxes(trial.fit.lattice.tents[trial.slots], (module.tent_u + 4, module.tent_v + 4))]
    hit = np.unique(shapely.STRtree(shapes).query(np.array(taken, np.object_), "intersects")[1])
    free = np.setdiff1d(np.flatnonzero(shapely.covers(trial.fit.site, shapes)), hit)
    near = cKDTree(trial.latrines).query(places[free])[0]
    picked: list[int] = []
    for k in free[np.argsort(near.round(1), kind="stable")]:  # spread: one beside each latrine before any second one
        if len(picked) < count and (not picked or box_distance(places[picked], (0, 0), places[k], (0, 0)).min() > 8.0):
            picked.append(int(k))
    return [Place("refuse", shapes[k]) for k in sorted(picked)]


def _gates(network: Network, site: shapely.Polygon) -> list[shapely.LineString]:
    """Short pieces from the road's loose ends straight on to the site's edge, shortest first."""
    degree = np.bincount(network.edges[network.is_road].ravel(), minlength=len(network.nodes))
    found = []
    for a, b in network.edges[network.is_road]:
        for end, before in ((a, b), (b, a)):
            if degree[end] != 1:
                continue
            direction = network.nodes[end] - network.nodes[before]
            direction = direction / np.hypot(*direction)
            ray = shapely.linestrings([network.nodes[end], network.nodes[end] + 60 * direction])
            hits = shapely.intersection(ray, site.exterior)
            if not hits.is_empty:
                edge = shapely.shortest_line(shapely.Point(network.nodes[end]), hits).coords[1]
                found.append(shapely.LineString([network.nodes[end], edge]))
    return sorted(found, key=lambda line: line.length)
