"""Cut the lattice to a site in its rotated frame: blocks, roads that are joined, paths that lead to them, tents on both."""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import affinity

from imagery.sites.lattice import CLEAR_M, Lattice, Module, Variant, block_counts, build_lattice
from imagery.sites.links import link_roads
from imagery.sites.network import connected, cut, segments
from imagery.sites.standards import Standards

__all__ = ["REACH_MARGIN_M", "Fitted", "StandsWell", "Turned", "boxes", "fit_lattice", "surfaces", "turned_back"]

REACH_MARGIN_M = 4.0  # limits on distances are kept between centres too, not only between nearest edges
StandsWell = Callable[[NDArray[np.float64], float], NDArray[np.bool_]]


@dataclass(frozen=True, slots=True)
class Fitted:
    """The lattice cut to a site, in the rotated frame: only what stands on it and is joined to its roads."""

    angle_deg: float
    site: shapely.Polygon
    lattice: Lattice
    roads: NDArray[np.object_]
    paths: NDArray[np.object_]
    slots: NDArray[np.intp]
    latrines: NDArray[np.float64]
    refuse: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Turned:
    """A site in the rotated frame, with the areas in which the centre lines of roads and paths may run."""

    angle_deg: float
    site: shapely.Polygon
    for_roads: shapely.Geometry
    for_paths: shapely.Geometry
    blocks: tuple[int, int]

    @classmethod
    def each(cls, site: shapely.Polygon, angles: list[float], module: Module) -> Iterator["Turned"]:
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


def fit_lattice(
    ground: Turned, variant: Variant, module: Module, standards: Standards, stands_well: StandsWell | None
) -> Fitted | None:
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
    best: Fitted | None = None
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
    ground: Turned,
    lattice: Lattice,
    slots: NDArray[np.intp],
    roads: NDArray[np.object_],
    paths: NDArray[np.object_],
    links: list[shapely.LineString],
    reach: float,
    module: Module,
) -> Fitted | None:
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
    return Fitted(ground.angle_deg, ground.site, lattice, roads, paths, slots, latrines, refuse)


def _near(points: NDArray[np.float64], lines: NDArray[np.object_], distance_m: float) -> NDArray[np.bool_]:
    """Which points lie within a distance of one of the lines."""
    near = np.zeros(len(points), bool)
    if len(lines) and len(points):
        near[shapely.STRtree(lines).query(shapely.points(points), "dwithin", distance_m)[0]] = True
    return near


def surfaces(roads: Iterable, paths: Iterable, module: Module) -> NDArray[np.object_]:
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
