"""Turn a completed trial into a layout on the map, with refuse stands, lamps, firebreaks and gates."""

import math
from collections.abc import Iterable

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from shapely import affinity

from imagery.sites.facilities import Place
from imagery.sites.fit import boxes, surfaces, turned_back
from imagery.sites.lamps import Lamp, place_lamps
from imagery.sites.lattice import Module
from imagery.sites.network import Network
from imagery.sites.services import box_distance
from imagery.sites.settlement import Layout
from imagery.sites.standards import Standards
from imagery.sites.trial import STAND_SIZE_M, Trial

__all__ = ["assembled"]


def assembled(trial: Trial, module: Module, standards: Standards) -> Layout:
    """Turn the trial back into map coordinates, with lamps, firebreaks and the gates at the site's edge."""
    fit, lattice = trial.fit, trial.fit.lattice
    tent, latrine = (module.tent_u, module.tent_v), (module.latrine_u, module.latrine_v)
    roads, paths = trial.network.lines(True), trial.network.lines(False)
    gates = _gates(trial.network, fit.site)
    clear = shapely.union_all(surfaces([*roads, *gates], paths, module))
    latrines, stands = boxes(trial.latrines, latrine), boxes(trial.stands, STAND_SIZE_M)
    tents = boxes(lattice.tents[trial.slots], tent)
    facilities = trial.facilities + _refuse(trial, surfaces([*roads, *gates], paths, module), module)
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


def _refuse(trial: Trial, ways: NDArray[np.object_], module: Module) -> list[Place]:
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
