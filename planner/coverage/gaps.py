"""What a flown survey lacks: the ground that fewer photos see than promised, and the flight lines that mend it.

The rule. A cell wants as many photos as its plan has there, but no more than `wanted` (5: what a surface model needs of every
point). It lacks some where fewer saw it. Cells that lack some and touch make a gap, unless so little of it remains when every
photo's edge is moved outward by the uncertainty of its position that nobody can tell it from an error of that position
(less than CORE_SHARE of a photo): such slivers are counted but not flown again. To tie the new photos to the old ones, which
were taken in other light, at least TIES new photos must also see the ground around each gap, as far as TIE_WIDTH of a photo; the
slivers there are mended on the way.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import shapely
import shapely.affinity
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import csr_matrix

from planner.coverage.proof import Cells

__all__ = ["WANTED", "Shortage", "find_gaps", "fresh_lines", "mending_lines"]

WANTED = 5
CORE_SHARE = 0.01
TIES = 2
TIE_WIDTH = 0.25  # of the shorter side of a photo's footprint
TOUCHING = np.ones((3, 3), bool)
BRIDGED = 2  # photos of a line that nobody needs but that part two stretches: flown through
LONGER = 1.3  # times its width: a gap that is worth lines along it


@dataclass(frozen=True, slots=True)
class Shortage:
    """Where photos are missing.

    Attributes: cells; lacking: rows x columns, the number of the gap (from 1) that each cell belongs to, else 0; demand:
    rows x columns, how many more photos must see each cell; sliver_m2: surface of what is too small to fly again.
    """

    cells: Cells
    lacking: NDArray[np.int64]
    demand: NDArray[np.int64]
    sliver_m2: float

    @property
    def gaps(self) -> int:
        """How many gaps there are."""
        return int(self.lacking.max(initial=0))

    @property
    def area_m2(self) -> float:
        """Surface of all gaps."""
        return float((self.lacking > 0).sum()) * self.cells.cell_m**2

    def outline(self, gap: int) -> shapely.Geometry:
        """The outline of one gap, or of all with gap 0, in metres."""
        rows, columns = np.nonzero(self.lacking == gap if gap else self.lacking > 0)
        size = self.cells.cell_m
        west, south = self.cells.west_m + columns * size, self.cells.south_m + rows * size
        return shapely.union_all(shapely.box(west, south, west + size, south + size))


def find_gaps(
    cells: Cells,
    planned: NDArray[np.int64],
    flown: NDArray[np.int64],
    flown_grown: NDArray[np.int64],
    footprint_m: tuple[float, float],
    wanted: int = WANTED,
) -> Shortage:
    """Compare how many photos see each cell (rows x columns) with what the plan promised.

    flown_grown: the count with every photo's edges moved outward by the uncertainty of its position.
    """
    want = np.where(cells.inside, np.minimum(planned, wanted), 0)
    short, certain = flown < want, flown_grown < want
    label, count = ndimage.label(short, TOUCHING)
    core_m2 = np.bincount(label[certain & short], minlength=count + 1) * cells.cell_m**2
    real = core_m2 >= CORE_SHARE * footprint_m[0] * footprint_m[1]
    real[0] = False
    number = np.cumsum(real) * real
    lacking = number[label]
    reach = max(1, round(TIE_WIDTH * min(footprint_m) / cells.cell_m))
    around = ndimage.binary_dilation(lacking > 0, TOUCHING, iterations=reach) & cells.inside
    demand = np.where(around, np.minimum(TIES, planned), 0)
    demand = np.where(around, np.maximum(demand, want - flown), 0)
    return Shortage(cells, lacking, demand, float((short & ~around).sum()) * cells.cell_m**2)


def mending_lines(
    shortage: Shortage, places: NDArray[np.float64], line: NDArray[np.int64], seen: csr_matrix
) -> NDArray[np.float64] | None:
    """The stretches (n x 2 x 2) of given lines that, photographed again, meet the demand; None where even all do not.

    places: m x 2, the photos of those lines in flying order; line: m, the line of each; seen: the cells that each sees (see
    `planner.coverage.shots.sight`). Stretches that the others make superfluous are left out, the least useful first; of the
    rest, the ends that nobody needs.
    """
    wanted = shortage.demand.ravel() > 0
    seen = seen[:, wanted]
    spare = -shortage.demand.ravel()[wanted]
    lacking = shortage.lacking.ravel()[wanted] > 0
    runs = list(_runs(line, np.diff(seen.indptr) > 0))
    for first, last in runs:
        spare += _counts(seen, first, last)
    if not runs or (spare < 0).any():
        return None
    useful = [int((_counts(seen, first, last) > 0)[lacking].sum()) for first, last in runs]
    kept = []
    for number in np.argsort(useful, kind="stable"):
        counts = _counts(seen, *runs[number])
        if (spare >= counts).all():
            spare -= counts
        else:
            kept.append(runs[number])
    stretches = [_shortened(run, seen, spare) for run in sorted(kept)]
    return np.array([places[[first, last]] for first, last in stretches])


def fresh_lines(
    shortage: Shortage, region: shapely.Geometry, spacing_m: float, course_deg: float, tie_m: float, *, along: bool
) -> NDArray[np.float64]:
    """Lines (n x 2 x 2) across every gap and `tie_m` around it, cut to the region.

    course_deg: of the lines, clockwise from north; with `along` only of gaps about as long as wide, the others' lines run along
    their longer side.
    """
    lines = []
    for gap in range(1, shortage.gaps + 1):
        outline = shortage.outline(gap).buffer(tie_m, join_style="mitre")
        course = _longer_side_deg(outline, course_deg) if along else course_deg
        lines += list(_rows(outline, spacing_m, course))
    parts = shapely.intersection(shapely.linestrings(np.array(lines)), region)
    found = [part for part in shapely.get_parts(parts) if isinstance(part, shapely.LineString) and part.length > 1]
    return np.array([shapely.get_coordinates(part)[[0, -1]] for part in found]).reshape(-1, 2, 2)


def _runs(line: NDArray[np.int64], useful: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """First and last photo of each stretch of a line that is useful throughout, or nearly; at least two photos each."""
    at = np.flatnonzero(useful)
    begins = np.r_[True, (np.diff(at) > BRIDGED + 1) | (np.diff(line[at]) != 0)][: len(at)]
    for first, last in zip(at[begins], at[np.r_[begins[1:], True][: len(at)]], strict=True):
        if first == last:
            last, first = (
                (last + 1, first) if last + 1 < len(line) and line[last + 1] == line[last] else (last, first - 1)
            )
        yield int(first), int(last)


def _counts(seen: csr_matrix, first: int, last: int) -> NDArray[np.int64]:
    """How many of the photos from `first` to `last` see each cell."""
    indices = seen.indices[seen.indptr[first] : seen.indptr[last + 1]]
    return np.bincount(indices, minlength=seen.shape[1])


def _shortened(run: tuple[int, int], seen: csr_matrix, spare: NDArray[np.int64]) -> tuple[int, int]:
    """The stretch without the photos at its ends that nobody needs; `spare` is reduced by them."""
    first, last = run
    for step, is_first in ((1, True), (-1, False)):
        while last - first > 1:
            photo = first if is_first else last
            cells = seen.indices[seen.indptr[photo] : seen.indptr[photo + 1]]
            if (spare[cells] < 1).any():
                break
            spare[cells] -= 1
            first, last = (first + step, last) if is_first else (first, last + step)
    return first, last


def _longer_side_deg(outline: shapely.Geometry, course_deg: float) -> float:
    """The course along the longer side of an outline, or the given one where it has none."""
    corners = shapely.get_coordinates(shapely.minimum_rotated_rectangle(outline))
    sides = np.diff(corners[:3], axis=0)
    lengths = np.hypot(*sides.T)
    if lengths.max() < LONGER * lengths.min():
        return course_deg
    east, north = sides[int(lengths.argmax())]
    return math.degrees(math.atan2(east, north))


def _rows(outline: shapely.Geometry, spacing_m: float, course_deg: float) -> NDArray[np.float64]:
    """Parallel lines across an outline, `spacing_m` apart at most and in both directions in turn."""
    turned = shapely.affinity.rotate(outline, course_deg - 90, origin=(0, 0))  # the course along x
    west, south, east, north = turned.bounds
    count = max(1, math.ceil((north - south) / spacing_m - 1e-6))
    offsets = south + (np.arange(count) + 0.5) * (north - south) / count
    rows = [shapely.LineString([(west, y), (east, y)]) for y in offsets]
    back = [shapely.affinity.rotate(row, 90 - course_deg, origin=(0, 0)) for row in rows]
    return np.array([shapely.get_coordinates(row) for row in back])
