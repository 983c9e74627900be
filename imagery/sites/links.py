"""Link the pieces of a road lattice that obstacles and a site's outline have cut apart, in the layout's rotated frame."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from imagery.sites.steps import grid_steps

__all__ = ["link_roads"]

CELL_M = 3.0
LONGEST_M = 220.0
THROUGH_TENTS = 2.0  # a metre among tent slots costs this many metres more: it costs tents
MOST_LINKS = 8


@dataclass(frozen=True, slots=True)
class _Field:
    """Cells of CELL_M over an area; numbers: the node of each cell, -1 outside; points: (n, 2) the nodes' centres."""

    ways: csr_array
    points: NDArray[np.float64]


def link_roads(
    area: shapely.Geometry,
    roads: NDArray[np.object_],
    group: NDArray[np.intp],
    tents: NDArray[np.float64],
    reach_m: float,
) -> list[shapely.LineString]:
    """The shortest ways within an area that join other groups of roads to the one with the most tents around it.

    Args:
        area: where a road's centre line may run; roads: lines; group: of each; tents: (n, 2) centres of possible tents;
        reach_m: how far from a road a tent may stand. Groups that would give no tent a road are left alone.
    """
    count = int(group.max()) + 1
    near = _tents_near(roads, group, tents, reach_m)
    field = _field(area, tents)
    if field is None or count < 2:
        return []
    cells = _cells_of(roads, group, field)
    joined = {int(np.argmax(near.sum(axis=1)))}
    served = near[list(joined)].any(axis=0)
    links: list[shapely.LineString] = []
    for _ in range(MOST_LINKS):
        gains = {k: int((near[k] & ~served).sum()) for k in range(count) if k not in joined and len(cells[k])}
        if not any(gains.values()):
            break
        sources = np.unique(np.concatenate([cells[k] for k in joined]))
        distance, before, _ = dijkstra(
            field.ways, directed=False, indices=sources, min_only=True, return_predecessors=True, limit=LONGEST_M
        )
        ends = {k: int(cells[k][np.argmin(distance[cells[k]])]) for k, gain in gains.items() if gain}
        best = min(ends, key=lambda k: (distance[ends[k]] + 10) / gains[k])
        if not np.isfinite(distance[ends[best]]):
            reachable = [k for k in ends if np.isfinite(distance[ends[k]])]
            if not reachable:
                break
            best = min(reachable, key=lambda k: (distance[ends[k]] + 10) / gains[k])
        links += _line(
            ends[best],
            before,
            field,
            area,
            shapely.union_all(roads[np.isin(group, list(joined))]),
            roads[group == best],
        )
        joined.add(best)
        served |= near[best]
    return links


def _tents_near(
    roads: NDArray[np.object_], group: NDArray[np.intp], tents: NDArray[np.float64], reach_m: float
) -> NDArray[np.bool_]:
    """For each group which tents have one of its roads in reach."""
    near = np.zeros((int(group.max()) + 1, len(tents)), bool)
    tent, road = shapely.STRtree(roads).query(shapely.points(tents), "dwithin", reach_m)
    near[group[road], tent] = True
    return near


def _field(area: shapely.Geometry, tents: NDArray[np.float64]) -> _Field | None:
    """The cells of an area as a graph whose edges cost more among tents."""
    u0, v0, u1, v1 = area.bounds
    u, v = np.meshgrid(np.arange(u0, u1, CELL_M), np.arange(v0, v1, CELL_M))
    free = shapely.contains_xy(area, u, v)
    if not free.any():
        return None
    points = np.column_stack([u[free], v[free]])
    cost = np.ones(free.shape)
    if len(tents):
        cost[free] += THROUGH_TENTS * (cKDTree(tents).query(points, distance_upper_bound=7.0)[0] < np.inf)
    return _Field(grid_steps(free, cost * CELL_M), points)


def _cells_of(roads: NDArray[np.object_], group: NDArray[np.intp], field: _Field) -> list[NDArray[np.intp]]:
    """For each group the nodes that its roads pass."""
    tree = cKDTree(field.points)
    found = []
    for number in range(int(group.max()) + 1):
        along = [
            shapely.get_coordinates(shapely.line_interpolate_point(road, np.arange(0, road.length, CELL_M / 2)))
            for road in roads[group == number]
        ]
        distance, node = tree.query(np.concatenate(along), distance_upper_bound=CELL_M)
        found.append(np.unique(node[np.isfinite(distance)]))
    return found


def _line(
    end: int,
    before: NDArray[np.integer],
    field: _Field,
    area: shapely.Geometry,
    joined: shapely.Geometry,
    other: NDArray[np.object_],
) -> Sequence[shapely.LineString]:
    """The way back from a node to the joined roads, from road to road, straightened where the area allows."""
    nodes = [end]
    while before[nodes[-1]] >= 0:
        nodes.append(int(before[nodes[-1]]))
    start = shapely.shortest_line(shapely.union_all(other), shapely.Point(field.points[nodes[0]])).coords[0]
    stop = shapely.shortest_line(joined, shapely.Point(field.points[nodes[-1]])).coords[0]
    points = np.array([start, *field.points[nodes], stop])
    line = shapely.LineString(points[np.r_[True, np.hypot(*np.diff(points, axis=0).T) > 1e-6]])
    for tolerance in (6.0, 3.0, 1.5):
        straight = line.simplify(tolerance)
        if area.covers(straight):
            return [straight]
    return [line]
