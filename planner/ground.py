"""What the ground does to a plan: the heights held above it, the overlap that this leaves, the way home; figures and warnings."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from planner.coverage.proof import Overlap, steepest_seen
from planner.terrain import TOLERANCE, Return, Terrain, heights_above_ground

__all__ = [
    "Heights",
    "Request",
    "effective_overlap",
    "height_concerns",
    "heights_held",
    "overlap_concerns",
    "return_clearance_m",
    "views_asked",
]

LESS_OVERLAP = 0.05  # below what was asked: worth a warning (the tolerance of the heights costs a third of that)
MUCH_HIGHER = 1.25  # than asked: worth a warning
FEW_VIEWS, FEW_SHARE = 5, 0.01  # a surface model needs five; the share of the area where it may have fewer
COARSE_CELL_M, LOW_AGL_M = 25.0, 60.0
RETURN_CLEARANCE_M = 20.0

Where = Callable[[float, float], str]  # a place in metres as "LAT,LON"
Path = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked of heights and photos.

    Attributes: agl_m; front, side: overlaps as shares; footprint_m: across and along the course; gsd_cm at `agl_m`.
    """

    agl_m: float
    front: float
    side: float
    footprint_m: tuple[float, float]
    gsd_cm: float


@dataclass(frozen=True, slots=True)
class Heights:
    """Heights above ground all along the flights at survey height, transits too, looked at every few metres.

    Attributes: least_m, mean_m, most_m; held: share of the way within the tolerance of what was asked; tolerance_m; lowest and
    highest: their places (x, y); return_m: height above home at which every straight way home clears the ground; risky: the place
    from which a straight return at the path's height there does not, and its room over the ground in metres, or None.
    """

    least_m: float
    mean_m: float
    most_m: float
    held: float
    tolerance_m: float
    lowest: tuple[float, float]
    highest: tuple[float, float]
    return_m: float
    risky: tuple[float, float, float] | None


def heights_held(paths: Sequence[Path], returns: Sequence[Return], terrain: Terrain, agl_m: float) -> Heights:
    """What heights paths (n x 3, metres above their first point's ground) really hold above the ground, and what their ways home
    need.
    """
    dense = [heights_above_ground(path, terrain, float(terrain.at(*path[0, :2]))) for path in paths]
    above = np.concatenate([found.above_m for found in dense])
    places = np.concatenate([found.points for found in dense])
    risky = min((r.worst for r in returns if r.worst is not None), key=lambda worst: worst[2], default=None)
    lowest, highest = int(np.argmin(above)), int(np.argmax(above))
    tolerance_m = TOLERANCE * agl_m
    return Heights(
        least_m=float(above[lowest]),
        mean_m=float(above.mean()),
        most_m=float(above[highest]),
        held=float((abs(above - agl_m) <= tolerance_m * 1.01).mean()),
        tolerance_m=tolerance_m,
        lowest=(float(places[lowest, 0]), float(places[lowest, 1])),
        highest=(float(places[highest, 0]), float(places[highest, 1])),
        return_m=max(r.height_m for r in returns),
        risky=risky,
    )


def return_clearance_m(agl_m: float) -> float:
    """The room that a straight return is to keep above ground, for a survey `agl_m` above it."""
    return min(RETURN_CLEARANCE_M, agl_m / 2)


def views_asked(front: float, side: float) -> int:
    """How many photos at least see a place well inside a survey of flat ground with these overlaps (shares)."""
    return math.floor(1 / (1 - front) + 1e-9) * math.floor(1 / (1 - side) + 1e-9)


def effective_overlap(asked: float, agl_m: float, above_m: float) -> float:
    """The overlap (a share, 0 where there is none) on ground `above_m` below photos spaced for `asked` from `agl_m`."""
    return max(0.0, 1 - (1 - asked) * agl_m / max(above_m, 1e-6))


def overlap_concerns(request: Request, overlap: Overlap, area: shapely.Geometry, where: Where) -> list[str]:
    """Where the photos overlap less than was asked, and what to do about it."""
    found = []
    fewest, *at = overlap.fewest()
    place = where(*at)
    if fewest == 0:
        found.append(f"{(1 - overlap.seen(1)) * 100:.2f} % of the area is seen by no photo, as at {place}")
    few = 1 - overlap.seen(FEW_VIEWS)
    if views_asked(request.front, request.side) >= 2 * FEW_VIEWS and few > FEW_SHARE:
        edge_m = max(request.footprint_m) / 2
        at_edge = area.boundary.distance(shapely.Point(at)) < edge_m
        advice = f"draw the area {edge_m:.0f} m larger there" if at_edge else "ask for more overlap"
        found.append(
            f"{few * 100:.1f} % of the area is seen by fewer than {FEW_VIEWS} photos (fewest, {fewest}, at {place}): a"
            f" surface model may have gaps there: {advice}"
        )
    above_m, *high = overlap.nearest()
    front, side = (effective_overlap(asked, request.agl_m, above_m) for asked in (request.front, request.side))
    if fewest > 0 and min(front - request.front, side - request.side) < -LESS_OVERLAP:
        left, asked = (f"{a * 100:.0f}/{b * 100:.0f}" for a, b in ((front, side), (request.front, request.side)))
        found.append(
            f"the ground at {where(*high)} lies only {above_m:.0f} m below the photos: they overlap {left} % there"
            f" instead of {asked}: fly higher, or ask for more overlap"
        )
    return found


def height_concerns(request: Request, terrain: Terrain | None, heights: Heights | None, where: Where) -> list[str]:
    """What the ground, or not knowing it, means for the flights."""
    if terrain is None or heights is None:
        rise_m = request.agl_m / 4
        front, side = (effective_overlap(asked, 1.0, 0.75) for asked in (request.front, request.side))
        return [
            "no elevation given (--dem): the ground is taken as flat, at the height of the home, and heights are above the home;"
            f" where it rises {rise_m:.0f} m photos overlap {front * 100:.0f}/{side * 100:.0f} %"
        ]
    found = []
    if terrain.filled > 0:
        found.append(
            f"the elevation model lacks {terrain.filled * 100:.1f} % of the surroundings: filled from around the gaps"
        )
    if terrain.source_cell_m >= COARSE_CELL_M and request.agl_m < LOW_AGL_M:
        found.append(
            f"the elevation model has cells of {terrain.source_cell_m:.0f} m and knows neither trees nor buildings: at"
            f" {request.agl_m:.0f} m above ground look for them"
        )
    slope = steepest_seen((request.footprint_m[0] / request.agl_m, request.footprint_m[1] / request.agl_m))
    steep = float((terrain.slopes() > slope).mean())
    if steep > 0:
        found.append(
            f"{max(steep * 100, 0.01):.2f} % of the ground is steeper than {np.degrees(np.arctan(slope)):.0f} degrees and may"
            " hide ground behind it: fewer photos than counted see that"
        )
    if heights.most_m > MUCH_HIGHER * request.agl_m:
        gsd_cm = request.gsd_cm * heights.most_m / request.agl_m
        found.append(
            f"up to {heights.most_m:.0f} m above ground ({gsd_cm:.2g} cm), at {where(*heights.highest)}: the drone cannot climb"
            " and descend as the ground does: a lower --speed holds the height better"
        )
    if heights.risky is not None:
        x, y, room_m = heights.risky
        how = f"passes {room_m:.0f} m above the ground" if room_m > 0 else "meets the ground"
        found.append(
            f"a straight return from {where(x, y)} at its height {how}: set RTL_ALT to {heights.return_m:.0f} m or more"
        )
    return found
