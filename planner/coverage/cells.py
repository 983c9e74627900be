"""Cells: an area cut into pieces that are each swept at their own angle, where that saves turns.

Parallel lines S apart cross a cell's outline, on average, sum(|edge x course|) / (2 S) times each way: so many lines there are.
Every line costs a stop and a turn, so what a partition costs is a sum over the edges of its cells: an edge of the area counts
with the angle of the cell inside it, a cut with both angles beside it, and not at all where they are the same. The area is
first cut at its inward corners into many pieces; which piece is swept at which angle is then a labelling problem whose cuts
form a metric, solved by alpha-expansion (Boykov, Veksler, Zabih: Fast approximate energy minimization via graph cuts, 2001).
"""

import math
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from planner.timing import Motion

__all__ = ["Cell", "partitions"]

MOST_CORNERS = 40
MOST_DIRECTIONS = 8
DIRECTION_STEP_DEG = 15.0
APART_DEG = 4.0  # directions nearer than this are one
CUT_WEIGHTS = (0.6, 1.0, 1.6, 2.5)  # what a cut costs against its estimate: many cells, or few
SEAM_S_A_M = 0.004  # seconds a metre of any cut, against cuts that save nothing
BEYOND_M = 0.3  # by which a cut is drawn beyond the outline, to meet it surely
GRID_M = 0.1  # cuts nearer than this are one


@dataclass(frozen=True, slots=True)
class Cell:
    """A part of an area and the angle at which to sweep it, in degrees counter-clockwise from east."""

    polygon: shapely.Polygon
    angle_deg: float


@dataclass(frozen=True, slots=True)
class _Pieces:
    """The area cut at its inward corners.

    Attributes: polygons: n; angles_deg: k to choose from; own_s: n x k, seconds of a piece at an angle but for its cuts; pairs:
    m x 2, the pieces beside each cut; cut_s: m x k, seconds of a cut on the side that is swept at an angle.
    """

    polygons: NDArray[np.object_]
    angles_deg: NDArray[np.float64]
    own_s: NDArray[np.float64]
    pairs: NDArray[np.int64]
    cut_s: NDArray[np.float64]


def partitions(region: shapely.Geometry, spacing_m: float, motion: Motion) -> list[tuple[Cell, ...]]:
    """Ways to cut a region (metres) into cells, from few cells to many; none where a single angle is as good.

    Each promises to be faster than all of the region at one angle.
    """
    outline = region.simplify(spacing_m / 6)
    cuts = _cuts(region, outline)
    pieces = _pieces(region, cuts, _directions(outline), spacing_m, motion)
    found: list[tuple[Cell, ...]] = []
    labellings: list[bytes] = []
    for weight in CUT_WEIGHTS[::-1]:
        labels = _labelled(pieces, weight)
        cells = _cells(pieces, labels)
        if len(cells) > 1 and labels.tobytes() not in labellings:
            labellings.append(labels.tobytes())
            found.append(cells)
    return found


def _directions(outline: shapely.Geometry) -> NDArray[np.float64]:
    """Angles to choose from: those of the longest edges, and evenly spread ones between them."""
    edges = np.concatenate([np.diff(shapely.get_coordinates(ring), axis=0) for ring in _rings(outline)])
    angle, length = np.degrees(np.arctan2(edges[:, 1], edges[:, 0])) % 180, np.hypot(*edges.T)
    chosen: list[float] = []
    for candidate in [*angle[np.argsort(-length, kind="stable")], *np.arange(0, 180, DIRECTION_STEP_DEG)]:
        enough = len(chosen) < MOST_DIRECTIONS or candidate % DIRECTION_STEP_DEG == 0
        if enough and all(abs((candidate - other + 90) % 180 - 90) >= APART_DEG for other in chosen):
            chosen.append(float(candidate))
    return np.array(chosen)


def _cuts(region: shapely.Geometry, outline: shapely.Geometry) -> list[shapely.LineString]:
    """Straight cuts through the region from its inward corners: on along both edges, and the shortest way across."""
    width, height = np.ptp(np.reshape(region.bounds, (2, 2)), axis=0)
    reach = math.hypot(width, height)
    shapely.prepare(region)
    cuts = []
    for corner, before, after in _inward_corners(outline):
        across = before - after
        for course in (before, -after, across):
            cut = _first_chord(region, corner, corner + course / np.hypot(*course) * reach)
            if cut is not None:
                cuts.append(cut)
    return cuts


def _inward_corners(outline: shapely.Geometry) -> list[tuple[NDArray, NDArray, NDArray]]:
    """The sharpest inward corners, each with the unit vectors of the edges before and after it."""
    found = []
    for ring in _rings(shapely.orient_polygons(outline)):  # inside lies to the left
        points = shapely.get_coordinates(ring)[:-1]
        legs = np.roll(points, -1, axis=0) - points
        lengths = np.hypot(*legs.T)
        after = legs / np.maximum(lengths, 1e-9)[:, None]
        before = np.roll(after, 1, axis=0)
        turn = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
        weight = -turn * np.minimum(lengths, np.roll(lengths, 1))
        found += [(weight[i], points[i], before[i], after[i]) for i in np.flatnonzero(turn < -0.05)]
    found.sort(key=lambda corner: -corner[0])
    return [corner[1:] for corner in found[:MOST_CORNERS]]


def _first_chord(region: shapely.Geometry, start: NDArray, end: NDArray) -> shapely.LineString | None:
    """The part inside the region of the line from start to end that begins at the start, a little longer at both ends."""
    origin = shapely.Point(start)
    inside = shapely.get_parts(shapely.LineString([start, end]).intersection(region))
    lines = [part for part in inside if isinstance(part, shapely.LineString) and part.length > 1.0]
    first = min(lines, key=origin.distance, default=None)
    if first is None or origin.distance(first) > 1.0:
        return None
    a, b = shapely.get_coordinates(first)[[0, -1]]
    beyond = (b - a) / np.hypot(*(b - a)) * BEYOND_M
    return shapely.LineString([a - beyond, b + beyond])


def _pieces(
    region: shapely.Geometry,
    cuts: list[shapely.LineString],
    angles_deg: NDArray[np.float64],
    spacing_m: float,
    motion: Motion,
) -> _Pieces:
    linework = shapely.get_parts(shapely.line_merge(shapely.union_all([region.boundary, *cuts], grid_size=GRID_M)))
    polygons = shapely.get_parts(shapely.polygonize(linework))
    polygons = polygons[shapely.contains(region, shapely.point_on_surface(polygons))]
    tree = shapely.STRtree(polygons)
    middles = shapely.line_interpolate_point(linework, 0.5, normalized=True)
    edge, piece = tree.query(middles, predicate="dwithin", distance=GRID_M / 100)
    beside = np.bincount(edge, minlength=len(linework))
    course = np.radians(angles_deg)
    unit = np.stack([np.cos(course), np.sin(course)])
    speed = 2 / (1 / motion.ground_speed(*unit) + 1 / motion.ground_speed(*-unit))
    a_line_s = motion.speed_m_s / motion.acceleration_m_s2 + 2 * math.sqrt(spacing_m / motion.acceleration_m_s2)
    seconds = _crossings(linework, unit) / (2 * spacing_m) * a_line_s
    own = shapely.area(polygons)[:, None] / (spacing_m * speed)
    outer = beside[edge] == 1
    np.add.at(own, piece[outer], seconds[edge[outer]])
    inner = np.flatnonzero(beside == 2)
    pairs = np.stack([piece[np.flatnonzero(edge == i)] for i in inner]) if len(inner) else np.zeros((0, 2), np.int64)
    return _Pieces(
        polygons, angles_deg, own, pairs, seconds[inner] + SEAM_S_A_M * shapely.length(linework[inner])[:, None]
    )


def _crossings(lines: NDArray[np.object_], unit: NDArray[np.float64]) -> NDArray[np.float64]:
    """Metres that each line (n) extends across each course (unit vectors, 2 x k), summed over its edges: n x k."""
    points, line = shapely.get_coordinates(lines, return_index=True)
    legs, same = np.diff(points, axis=0), line[1:] == line[:-1]
    across = np.abs(legs[same, :1] * unit[1] - legs[same, 1:] * unit[0])
    found = np.zeros((len(lines), unit.shape[1]))
    np.add.at(found, line[1:][same], across)
    return found


def _labelled(pieces: _Pieces, weight: float) -> NDArray[np.int64]:
    """Which angle each piece is swept at: from one angle for all of them, by expanding one angle after the other."""
    cut_s = pieces.cut_s * weight
    labels = np.full(len(pieces.polygons), int(pieces.own_s.sum(axis=0).argmin()))
    cost = _cost(pieces, cut_s, labels)
    changed = True
    while changed:
        changed = False
        for label in range(len(pieces.angles_deg)):
            trial = _expanded(pieces, cut_s, labels, label)
            trial_cost = _cost(pieces, cut_s, trial)
            if trial_cost < cost - 0.1:
                labels, cost, changed = trial, trial_cost, True
    return labels


def _cost(pieces: _Pieces, cut_s: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    left, right = labels[pieces.pairs].T
    cut = np.arange(len(cut_s))
    apart = left != right
    own = pieces.own_s[np.arange(len(labels)), labels].sum()
    return float(own + ((cut_s[cut, left] + cut_s[cut, right]) * apart).sum())


def _expanded(pieces: _Pieces, cut_s: NDArray[np.float64], labels: NDArray[np.int64], label: int) -> NDArray[np.int64]:
    """The best labelling in which any pieces may change to `label` and no others change: a minimum cut."""
    from scipy import sparse  # here, since most areas need no cells and start-up time counts
    from scipy.sparse import csgraph

    count = len(labels)
    keep = pieces.own_s[np.arange(count), labels].copy()
    change = pieces.own_s[:, label].copy()
    (p, q), cut = pieces.pairs.T, np.arange(len(cut_s))
    to_label = cut_s[:, label]

    def apart(a: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.where(a != label, cut_s[cut, a] + to_label, 0.0)

    # Energies of a cut: both keep, only q changes, only p changes; both change costs nothing.
    neither = np.where(labels[p] != labels[q], cut_s[cut, labels[p]] + cut_s[cut, labels[q]], 0.0)
    q_only, p_only = apart(labels[p]), apart(labels[q])
    np.add.at(keep, p, neither)
    np.add.at(change, p, p_only)
    np.add.at(change, q, -p_only)
    between = np.maximum(q_only + p_only - neither, 0.0)  # p keeps while q changes
    least = np.minimum(keep, change)
    source, sink, nodes = count, count + 1, np.arange(count)
    rows = np.concatenate([np.full(count, source), nodes, q])
    columns = np.concatenate([nodes, np.full(count, sink), p])
    # A piece on the sink's side keeps its label, and its link from the source is cut.
    capacity = np.concatenate([keep - least, change - least, between])
    graph = sparse.coo_array((np.round(capacity * 1000).astype(np.int32), (rows, columns)), shape=(count + 2,) * 2)
    network = sparse.csr_array(graph)
    flow = csgraph.maximum_flow(sparse.csr_matrix(network), source, sink).flow
    residual = sparse.csr_matrix(network - flow)
    residual.data = np.maximum(residual.data, 0)
    residual.eliminate_zeros()
    reached = csgraph.breadth_first_order(residual, source, return_predecessors=False)
    changes = np.zeros(count + 2, bool)
    changes[reached] = True
    return np.where(changes[:count], label, labels)


def _cells(pieces: _Pieces, labels: NDArray[np.int64]) -> tuple[Cell, ...]:
    """Neighbouring pieces of the same angle as one cell."""
    from scipy import sparse
    from scipy.sparse import csgraph

    p, q = pieces.pairs[labels[pieces.pairs[:, 0]] == labels[pieces.pairs[:, 1]]].T
    joined = sparse.csr_matrix((np.ones(len(p)), (p, q)), shape=(len(labels),) * 2)
    count, cell = csgraph.connected_components(joined, directed=False)
    found = []
    for number in range(count):
        members = np.flatnonzero(cell == number)
        found.append(Cell(shapely.union_all(pieces.polygons[members]), float(pieces.angles_deg[labels[members[0]]])))
    return tuple(sorted(found, key=lambda cell: -cell.polygon.area))


def _rings(region: shapely.Geometry) -> list[shapely.LinearRing]:
    return [ring for part in shapely.get_parts(region) for ring in (part.exterior, *part.interiors)]
