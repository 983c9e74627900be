"""How a truck gets from the outside road to a site: the shortest way over passable ground that is not too steep."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse.csgraph import dijkstra

from imagery.sites.standards import Standards
from imagery.sites.steps import grid_steps
from imagery.sites.suitability import Reason, Suitability

__all__ = ["Access", "find_access", "grades"]

SEARCH_M = 400.0
CELL_M = 2.0
IMPASSABLE = (Reason.NO_DATA, Reason.WATER, Reason.BUILDING, Reason.TREES, Reason.OBJECT, Reason.AVOID)


@dataclass(frozen=True, slots=True)
class Access:
    """Attributes: gate: the piece of road to the site's edge; line: from there to the outside road, None where roads are
    unknown; status: "joined" or "unknown"."""

    gate: shapely.LineString
    line: shapely.LineString | None
    status: str


def find_access(
    ground: Suitability, site: shapely.Polygon, gates: Sequence[shapely.LineString], standards: Standards
) -> Access | None:
    """The gate with the shortest way to a known road; None where trucks can reach none of the gates.

    Where no road is known, or those found in the imagery are out of reach: the gate with the shortest way to the site's
    edge before which the ground is passable.
    """
    if not gates:
        return None
    found = _way_to_road(ground, site, gates, standards) if ground.road.any() else None
    if found is None and ground.known["roads"] != "given":
        return next((Access(gate, None, "unknown") for gate in gates if _is_open(ground, gate)), None)
    return found


def _way_to_road(
    ground: Suitability, site: shapely.Polygon, gates: Sequence[shapely.LineString], standards: Standards
) -> Access | None:
    rows, columns = _window(ground, site)
    passable, height, target, west, north = _coarse(ground, site, rows, columns, gates)
    cell = _step(ground) * ground.grid.cell_m
    numbers = np.full(passable.shape, -1)
    numbers[passable] = np.arange(int(passable.sum()))
    sources = numbers[target & passable]
    if len(sources) == 0:
        return None
    ways = grid_steps(passable, np.full(passable.shape, cell), height, cell * standards["road_max_grade_pct"] / 100)
    distance, before, _ = dijkstra(ways, directed=False, indices=sources, min_only=True, return_predecessors=True)
    ends = np.array([gate.coords[-1] for gate in gates])
    rows_of = ((north - ends[:, 1]) // cell).astype(int).clip(0, passable.shape[0] - 1)
    columns_of = ((ends[:, 0] - west) // cell).astype(int).clip(0, passable.shape[1] - 1)
    starts = numbers[rows_of, columns_of]
    reach = np.where(starts >= 0, distance[starts], np.inf)
    best = int(np.argmin(reach))
    if not np.isfinite(reach[best]):
        return None
    nodes = [int(starts[best])]
    while before[nodes[-1]] >= 0:
        nodes.append(int(before[nodes[-1]]))
    row, column = np.nonzero(passable)
    points = [(west + (column[n] + 0.5) * cell, north - (row[n] + 0.5) * cell) for n in nodes[1:]]
    line = shapely.LineString([gates[best].coords[-1], *points]) if points else None
    return Access(gates[best], None if line is None else line.simplify(1.0), "joined")


def grades(ground: Suitability, line: shapely.LineString, chord_m: float = 12.0) -> NDArray[np.float64]:
    """Grades in percent along a line, between points on the bare ground about `chord_m` apart."""
    count = max(2, round(line.length / chord_m) + 1)
    at = np.linspace(0, line.length, count)
    points = shapely.get_coordinates(shapely.line_interpolate_point(line, at))
    height = ground.height_at(points)
    return 100 * abs(np.diff(height)) / max(line.length / (count - 1), 1e-6)


def _step(ground: Suitability) -> int:
    return max(1, round(CELL_M / ground.grid.cell_m))


def _is_open(ground: Suitability, gate: shapely.LineString) -> bool:
    """Whether the ground a few metres beyond the gate is passable (beyond the survey's edge counts as passable)."""
    (x0, y0), (x1, y1) = gate.coords[0], gate.coords[-1]
    length = max(np.hypot(x1 - x0, y1 - y0), 1e-6)
    beyond = np.array([3.0, 6.0])
    x, y = x1 + (x1 - x0) / length * beyond, y1 + (y1 - y0) / length * beyond
    return not np.isin(ground.reason[ground.grid.cells_of(x, y)], IMPASSABLE).any()


def _window(ground: Suitability, site: shapely.Polygon) -> tuple[slice, slice]:
    x0, y0, x1, y1 = site.bounds
    rows, columns = ground.grid.cells_of(
        np.array([x0 - SEARCH_M, x1 + SEARCH_M]), np.array([y1 + SEARCH_M, y0 - SEARCH_M])
    )
    return slice(int(rows[0]), int(rows[1]) + 1), slice(int(columns[0]), int(columns[1]) + 1)


def _coarse(
    ground: Suitability, site: shapely.Polygon, rows: slice, columns: slice, gates: Sequence[shapely.LineString]
) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.bool_], float, float]:
    """Passable cells, their mean heights and the road cells on cells of about 2 m; west and north of the window."""
    grid, step = ground.grid, _step(ground)
    blocked = np.isin(ground.reason, IMPASSABLE)
    gateways = grid.burn([gate.buffer(4.0) for gate in gates])
    inside = grid.burn([site.buffer(3.0)])
    passable = ((~blocked & ~inside) | gateways | ground.road)[rows, columns]
    road = ground.road[rows, columns]
    pad = ((0, -passable.shape[0] % step), (0, -passable.shape[1] % step))

    def blocks(values: NDArray) -> NDArray:
        padded = np.pad(values, pad, mode="edge")
        return padded.reshape(padded.shape[0] // step, step, padded.shape[1] // step, step)

    height = blocks(ground.bare_m[rows, columns]).mean((1, 3)).astype(float)
    target = blocks(road).any((1, 3))
    west = grid.west_m + columns.start * grid.cell_m
    north = grid.north_m - rows.start * grid.cell_m
    return np.asarray(blocks(passable).all((1, 3)) | target), height, np.asarray(target), west, north
