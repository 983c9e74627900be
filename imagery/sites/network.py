"""Roads and paths as a graph: cut to the site, joined, walked along, pruned, and turned into lines."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, dijkstra

from imagery.sites.lattice import Line

__all__ = ["Network", "connected", "cut", "noded", "segments"]

SHORTEST_PIECE_M = 2.0
TOUCH_M = 1e-4


@dataclass(frozen=True, slots=True)
class Network:
    """A graph of straight edges.

    Attributes: nodes: (n, 2) coordinates; edges: (m, 2) node indices; is_road: (m,).
    """

    nodes: NDArray[np.float64]
    edges: NDArray[np.intp]
    is_road: NDArray[np.bool_]

    @property
    def lengths(self) -> NDArray[np.float64]:
        """Length of each edge, metres."""
        return np.hypot(*(self.nodes[self.edges[:, 0]] - self.nodes[self.edges[:, 1]]).T)

    def index(self, points: NDArray[np.float64]) -> NDArray[np.intp]:
        """The nodes at the given points (k, 2), -1 where there is none within a millimetre."""
        if len(self.nodes) == 0:
            return np.full(len(points), -1)
        distance, found = shapely.STRtree(shapely.points(self.nodes)).query_nearest(
            shapely.points(points), return_distance=True, all_matches=False
        )[::-1]
        where = np.full(len(points), -1, np.intp)
        near = distance < 1e-3
        where[found[0][near]] = found[1][near]
        return where

    def walk_from(self, sources: NDArray[np.intp]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """For every node the walking distance to the nearest source, infinite where cut off, and which source that is."""
        count = len(self.nodes)
        if len(sources) == 0 or len(self.edges) == 0:
            return np.full(count, np.inf), np.full(count, -1)
        graph = coo_array((self.lengths.clip(1e-6), tuple(self.edges.T)), shape=(count, count)).tocsr()
        distance, _, nearest = dijkstra(graph, directed=False, indices=sources, min_only=True, return_predecessors=True)
        position = np.full(count + 1, -1, np.intp)
        position[sources] = np.arange(len(sources))
        return distance, np.where(np.isfinite(distance), position[np.where(nearest < 0, count, nearest)], -1)

    def pruned(self, keep: NDArray[np.intp]) -> "Network":
        """Without the dead ends that lead to none of the nodes `keep`."""
        needed = np.zeros(len(self.nodes), bool)
        needed[keep] = True
        alive = np.ones(len(self.edges), bool)
        while True:
            degree = np.bincount(self.edges[alive].ravel(), minlength=len(self.nodes))
            loose = (degree == 1) & ~needed
            dead = alive & loose[self.edges].any(axis=1)
            if not dead.any():
                break
            alive &= ~dead
        return replace(self, edges=self.edges[alive], is_road=self.is_road[alive])

    def lines(self, is_road: bool) -> list[shapely.LineString]:
        """The roads or the paths as lines that end exactly where they meet others, so that a graph can be built of them."""
        chosen = np.flatnonzero(self.is_road == is_road)
        if len(chosen) == 0:
            return []
        edges = self.edges[chosen]
        degree = np.bincount(self.edges.ravel(), minlength=len(self.nodes))
        own = np.bincount(edges.ravel(), minlength=len(self.nodes))
        through = (degree == 2) & (own == 2)
        # two edges belong to one line if they share a node that nothing else meets
        ends = np.concatenate([edges[:, 0], edges[:, 1]])
        number = np.tile(np.arange(len(edges)), 2)
        order = np.argsort(ends, kind="stable")
        order = order[through[ends[order]]].reshape(-1, 2)
        pairs = number[order]
        joins = coo_array((np.ones(len(pairs), np.int8), tuple(pairs.T)), shape=(len(edges), len(edges)))
        label = connected_components(joins, directed=False)[1]
        order = np.argsort(label, kind="stable")
        pieces = shapely.multilinestrings(shapely.linestrings(self.nodes[edges[order]]), indices=label[order])
        return [part.simplify(1e-6) for part in shapely.get_parts(shapely.line_merge(pieces))]


def cut(lines: Sequence[Line], area: shapely.Geometry) -> list[Line]:
    """The pieces of the lines inside an area."""
    if not lines or area.is_empty:
        return []
    ends = [((x.start, x.at), (x.end, x.at)) if x.along_u else ((x.at, x.start), (x.at, x.end)) for x in lines]
    shapely.prepare(area)
    parts, owner = shapely.get_parts(shapely.intersection(shapely.linestrings(ends), area), return_index=True)
    pieces = []
    for part, number in zip(parts, owner, strict=True):
        if shapely.get_dimensions(part) == 1 and part.length >= SHORTEST_PIECE_M:
            along = 0 if lines[number].along_u else 1
            span = [coordinate[along] for coordinate in part.coords]
            pieces.append(replace(lines[number], start=min(span), end=max(span)))
    return pieces


def segments(lines: Sequence[Line]) -> NDArray[np.object_]:
    """The lines as shapely geometries."""
    ends = [((x.start, x.at), (x.end, x.at)) if x.along_u else ((x.at, x.start), (x.at, x.end)) for x in lines]
    return shapely.linestrings(np.array(ends, float).reshape(-1, 2, 2))


def connected(shapes: NDArray[np.object_]) -> NDArray[np.intp]:
    """For each line the number of the connected group that it belongs to."""
    if len(shapes) == 0:
        return np.zeros(0, np.intp)
    a, b = shapely.STRtree(shapes).query(shapes, "dwithin", TOUCH_M)
    graph = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(len(shapes), len(shapes)))
    return connected_components(graph, directed=False)[1]


def noded(roads: NDArray[np.object_], paths: NDArray[np.object_], doors: NDArray[np.float64]) -> Network:
    """The graph of roads and paths, with nodes where they meet, at their ends and at the doors (k, 2) that lie on them."""
    pieces = shapely.get_parts(shapely.node(shapely.multilinestrings(_straight(np.concatenate([roads, paths])))))
    ends = shapely.get_coordinates(_straight(pieces)).reshape(-1, 2, 2)
    on, door = shapely.STRtree(shapely.linestrings(ends)).query(shapely.points(doors), "dwithin", TOUCH_M)[::-1]
    order = np.argsort(on, kind="stable")
    split = np.unique(on)
    cut_ends = [np.delete(ends, split, axis=0)]
    for edge, members in zip(split, np.split(door[order], np.flatnonzero(np.diff(on[order])) + 1), strict=True):
        start, end = ends[edge]
        share = np.clip((doors[members] - start) @ (end - start) / ((end - start) @ (end - start)), 0, 1)
        chain = np.vstack([start, doors[members[np.argsort(share, kind="stable")]], end])
        cut_ends.append(np.stack([chain[:-1], chain[1:]], axis=1))
    both = np.concatenate(cut_ends)
    nodes, inverse = np.unique(np.round(both.reshape(-1, 2), 5), axis=0, return_inverse=True)
    edges = np.unique(np.sort(inverse.reshape(-1, 2), axis=1), axis=0)
    edges = edges[edges[:, 0] != edges[:, 1]]
    middle = shapely.points(nodes[edges].mean(axis=1))
    is_road = np.zeros(len(edges), bool)
    is_road[shapely.STRtree(roads).query(middle, "dwithin", TOUCH_M)[0]] = True
    return Network(nodes, edges, is_road)


def _straight(lines: NDArray[np.object_]) -> NDArray[np.object_]:
    """Every straight piece of the lines."""
    points, line = shapely.get_coordinates(lines, return_index=True)
    same = line[1:] == line[:-1]
    return shapely.linestrings(np.stack([points[:-1][same], points[1:][same]], axis=1))
