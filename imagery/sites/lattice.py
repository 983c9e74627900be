"""The regular pattern a settlement is cut from: blocks, roads, lanes, tent slots and latrine strips in a rotated frame.

The frame's u axis runs along the rows (along the contour), v across them. In each block a truck road runs along u and one
along v, crossing at the block's `cross`. From the cross outwards, pairs of tent rows stand back to back, each row opening
onto a lane; along u, groups of eight tents are parted by strips that hold the latrines and a path::

    tents  | strip | tents  || tents  | strip | tents
    ------lane-------------- || -----------lane-------      || road along v
    tents  | strip | tents  || tents  | strip | tents       == road along u
    ======================== ++ =======================
"""

from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from imagery.sites.standards import Standards

__all__ = ["Bay", "Lattice", "Line", "Module", "Variant", "block_counts", "build_lattice"]

CLEAR_M = 0.1  # between a pegging zone and a road or path, so that rounding never makes them touch
PATH_ASIDE_M = 1.8  # from a latrine block to the path beside it


@dataclass(frozen=True, slots=True)
class Module:
    """Sizes in metres along u (`_u`) and v (`_v`). A tent stands with its length, and its doors, along v."""

    tent_u: float
    tent_v: float
    peg_u: float
    peg_v: float
    gap: float
    path: float
    road: float
    latrine_u: float
    latrine_v: float
    latrine_min: float
    columns: int
    firebreak: float
    block_diagonal: float

    @classmethod
    def of(cls, standards: Standards) -> "Module":
        """The sizes that the standards set."""
        return cls(
            tent_u=standards["tent_fly_width_m"],
            tent_v=standards["tent_fly_length_m"],
            peg_u=standards["pegging_side_m"],
            peg_v=standards["pegging_end_m"],
            gap=standards["tent_gap_m"],
            path=standards["path_width_m"],
            road=standards["road_width_m"],
            latrine_u=standards["latrine_block_width_m"],
            latrine_v=standards["latrine_block_length_m"],
            latrine_min=standards["latrine_min_m"] + CLEAR_M,
            columns=int(standards["community_columns"]),
            firebreak=standards["firebreak_width_m"] + CLEAR_M,
            block_diagonal=standards["built_up_length_m"] - standards["firebreak_width_m"] - 1.0,
        )

    def lane_gap(self, is_road: bool) -> float:
        """Between two rows that face a lane: room for the lane and the pegging zones."""
        return max(self.gap, (self.road if is_road else self.path) + 2 * (self.peg_v + CLEAR_M))

    @property
    def strip(self) -> float:
        """Between two groups of tents, with a latrine in the middle and a path beside it."""
        beside = self.latrine_u / 2 + PATH_ASIDE_M + self.path + self.peg_u + CLEAR_M
        return 2 * max(self.latrine_u / 2 + self.latrine_min, beside)

    @property
    def strip_path(self) -> float:
        """From the middle of a strip to its path's centre line."""
        return self.latrine_u / 2 + PATH_ASIDE_M + self.path / 2


@dataclass(frozen=True, slots=True)
class Line:
    """A straight piece of road or path along u (`along_u`, at v = `at`) or along v, from `start` to `end`."""

    along_u: bool
    at: float
    start: float
    end: float
    is_road: bool


@dataclass(frozen=True, slots=True)
class Bay:
    """Ground between two lanes and two strips, where a facility may take the place of tents: u0, v0, u1, v1."""

    bounds: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Variant:
    """How one trial differs from others.

    Attributes: cross_u, cross_v: shift of the road crossing from the block's middle, metres; lanes_per_road: every so many
    lanes one is a truck road, 0 for only the road through the cross; strip_roads: every strip holds a road along v.
    """

    cross_u: float = 0.0
    cross_v: float = 0.0
    lanes_per_road: int = 0
    strip_roads: bool = False


@dataclass(frozen=True, slots=True)
class Lattice:
    """Everything that would stand on unlimited ground.

    Attributes: tents: (n, 2) centres; door_v: (n,) v of the lane that each opens onto; community, block: (n,) numbers;
    latrines, refuse: (m, 2) centres of candidate places in the strips; lines; bays; firebreaks: u0, v0, u1, v1 each.
    """

    tents: NDArray[np.float64]
    door_v: NDArray[np.float64]
    community: NDArray[np.int64]
    block: NDArray[np.int64]
    latrines: NDArray[np.float64]
    refuse: NDArray[np.float64]
    lines: list[Line]
    bays: list[Bay]
    firebreaks: list[tuple[float, float, float, float]]


@dataclass(frozen=True, slots=True)
class _Across:
    """One block's pattern along u: tent centres with their group, strips (latrine centre, line position, is road)."""

    tents: list[tuple[float, int]]
    strips: list[tuple[float, float, bool]]
    groups: list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class _Along:
    """One block's pattern along v: row centres with lane number, lanes (position, is road), bays (from, to, middle)."""

    rows: list[tuple[float, int]]
    lanes: list[tuple[float, bool]]
    bays: list[tuple[float, float, float]]


def block_counts(length_u: float, length_v: float, module: Module) -> tuple[int, int]:
    """Blocks along u and v whose diagonals stay within the limit, with the least ground spent on firebreaks."""
    counts = np.arange(1, 40)
    size_u = (length_u - module.firebreak * (counts - 1)) / counts
    size_v = (length_v - module.firebreak * (counts - 1)) / counts
    cost = np.add.outer((counts - 1) * length_v, (counts - 1) * length_u)
    fits = np.hypot.outer(size_u, size_v) <= module.block_diagonal
    fits &= np.logical_and.outer(size_u > 0, size_v > 0)
    i, j = np.unravel_index(np.argmin(np.where(fits, cost, np.inf)), cost.shape)
    return int(counts[i]), int(counts[j])


def build_lattice(
    bounds: tuple[float, float, float, float], counts: tuple[int, int], module: Module, variant: Variant
) -> Lattice:
    """The pattern over the bounds (u0, v0, u1, v1) of a site, in so many blocks along u and v."""
    u0, v0, u1, v1 = bounds
    count_u, count_v = counts
    spans_u, spans_v = _spans(u0, u1, count_u, module.firebreak), _spans(v0, v1, count_v, module.firebreak)
    across = [_across(span, variant, module) for span in spans_u]
    along = [_along(span, variant, module) for span in spans_v]
    tents, latrines, refuse, bays = [], [], [], []
    community: dict[tuple[int, int, int, int], int] = {}
    for (i, a), (j, b) in product(enumerate(across), enumerate(along)):
        for (u, group), (v, lane) in product(a.tents, b.rows):
            number = community.setdefault((i, j, group, lane), len(community))
            tents.append((u, v, b.lanes[lane][0], number, i * count_v + j))
        for (u, _, _), (_, _, middle) in product(a.strips, b.bays):
            latrines.append((u, middle))
            refuse.append((u, middle + module.latrine_v / 2 + 2.0))
        bays += [Bay((left, low, right, high)) for (left, right), (low, high, _) in product(a.groups, b.bays)]
    table = np.array(tents, float).reshape(-1, 5)
    return Lattice(
        table[:, :2],
        table[:, 2],
        table[:, 3].astype(np.int64),
        table[:, 4].astype(np.int64),
        np.array(latrines, float).reshape(-1, 2),
        np.array(refuse, float).reshape(-1, 2),
        _lines(bounds, spans_u, spans_v, across, along),
        bays,
        [(a[1], v0, b[0], v1) for a, b in pairwise(spans_u)]
        + [(s[0], a[1], s[1], b[0]) for s in spans_u for a, b in pairwise(spans_v)],
    )


def _spans(start: float, end: float, count: int, between: float) -> list[tuple[float, float]]:
    size = (end - start - between * (count - 1)) / count
    return [(start + k * (size + between), start + k * (size + between) + size) for k in range(count)]


def _across(span: tuple[float, float], variant: Variant, module: Module) -> _Across:
    """Tents and strips to both sides of the road along v, which has latrines on its left."""
    centre = min(max((span[0] + span[1]) / 2 + variant.cross_u, span[0]), span[1])
    clear = module.road / 2 + module.peg_u + CLEAR_M
    latrine = module.road / 2 + 0.6 + module.latrine_u / 2
    tents: list[tuple[float, int]] = []
    groups: list[tuple[float, float]] = []
    strips = [(centre - latrine, centre, True)]
    for side, start in ((1, clear), (-1, latrine + module.latrine_u / 2 + module.latrine_min)):
        room = span[1] - centre if side > 0 else centre - span[0]
        for first, count, strip in _groups(start, room, variant.strip_roads, module):
            pitch = module.tent_u + module.gap
            places = [centre + side * (first + module.tent_u / 2 + k * pitch) for k in range(count)]
            tents += [(place, len(groups)) for place in places]
            groups.append((min(places) - module.tent_u / 2, max(places) + module.tent_u / 2))
            if strip is not None and variant.strip_roads:
                # seen from the cross: clearance, road, latrine; the same order on both sides
                line = centre + side * (strip + clear)
                strips.append((line + side * latrine, line, True))
            elif strip is not None:
                middle = centre + side * (strip + module.strip / 2)
                strips.append((middle, middle + module.strip_path, False))
    return _Across(tents, strips, groups)


def _groups(start: float, room: float, road: bool, module: Module) -> list[tuple[float, int, float | None]]:
    """Groups of tents from `start` outwards: (start, tents, where the strip after them begins or None)."""
    pitch = module.tent_u + module.gap
    road_strip = module.road + 0.6 + module.peg_u + CLEAR_M + module.latrine_u + module.latrine_min
    strip = road_strip if road else module.strip
    needed = strip - module.latrine_min  # a last strip needs no room for tents beyond it
    found: list[tuple[float, int, float | None]] = []
    while True:
        count = min(module.columns, int((room - start + module.gap + 1e-9) // pitch))
        if count < 1:
            return found
        end = start + count * pitch - module.gap
        if count > module.columns // 2:
            while count > module.columns // 2 and end + needed > room:
                count, end = count - 1, end - pitch
            fits = end + needed <= room
            found.append((start, count, end if fits else None))
            if not fits:
                return found
            start = end + strip
        else:
            found.append((start, count, None))
            return found


def _along(span: tuple[float, float], variant: Variant, module: Module) -> _Along:
    """Rows and lanes to both sides of the road along u."""
    centre = min(max((span[0] + span[1]) / 2 + variant.cross_v, span[0]), span[1])
    rows: list[tuple[float, int]] = []
    lanes = [(centre, True)]
    bays: list[tuple[float, float, float]] = []
    for side in (1, -1):
        room = span[1] - centre if side > 0 else centre - span[0]
        lane, at, half, steps = 0, 0.0, module.lane_gap(True) / 2, 0
        while True:
            near = at + half + module.tent_v / 2
            if near + module.tent_v / 2 > room:
                break
            rows.append((centre + side * near, lane))
            steps += 1
            is_road = variant.lanes_per_road > 0 and steps % variant.lanes_per_road == 0
            width = module.road if is_road else module.path
            far = near + module.tent_v + module.gap
            next_half = module.lane_gap(is_road) / 2
            next_at = far + module.tent_v / 2 + next_half
            middle = near + (module.tent_v + module.gap) / 2
            has_next = next_at + width / 2 <= room
            if has_next or middle + module.latrine_v / 2 <= room:
                edges = (at + half, next_at - next_half) if has_next else (at + half, room)
                low, high = sorted(centre + side * edge for edge in edges)
                bays.append((low, high, centre + side * middle))
            if not has_next:
                break
            lane, at, half = len(lanes), next_at, next_half
            lanes.append((centre + side * at, is_road))
            rows.append((centre + side * far, lane))
    return _Along(rows, lanes, bays)


def _lines(
    bounds: tuple[float, float, float, float],
    spans_u: list[tuple[float, float]],
    spans_v: list[tuple[float, float]],
    across: list[_Across],
    along: list[_Along],
) -> list[Line]:
    """Roads run through all blocks, and along and across the firebreaks between them; paths through one block."""
    u0, v0, u1, v1 = bounds
    lines = [Line(True, at, u0, u1, True) for b in along for at, is_road in b.lanes if is_road]
    lines += [Line(False, at, v0, v1, True) for a in across for _, at, is_road in a.strips if is_road]
    lines += [Line(True, (a[1] + b[0]) / 2, u0, u1, True) for a, b in pairwise(spans_v)]
    lines += [Line(False, (a[1] + b[0]) / 2, v0, v1, True) for a, b in pairwise(spans_u)]
    for span_u, a in zip(spans_u, across, strict=True):
        for span_v, b in zip(spans_v, along, strict=True):
            lines += [Line(True, at, *span_u, False) for at, is_road in b.lanes if not is_road]
            lines += [Line(False, at, *span_v, False) for _, at, is_road in a.strips if not is_road]
    return lines
