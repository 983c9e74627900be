"""Search patterns of the IAMSAR manual (volume II, chapter 5): expanding square, sector; and what a search is worth.

The parallel sweep and the creeping line are sweeps of planner.coverage.sweep along the longer and the shorter side of the area.
"""

import math
from collections.abc import Iterable

import numpy as np
import shapely
from numpy.typing import NDArray

__all__ = ["cumulative_probability", "expanding_square", "probability_of_detection", "sector_search", "side_angles"]

SECOND_PASS_DEG = 30.0


def side_angles(area: shapely.Geometry) -> tuple[float, float]:
    """The courses (degrees counter-clockwise from east) along the longer and the shorter side of an area's narrowest box."""
    corners = shapely.get_coordinates(shapely.minimum_rotated_rectangle(area))
    sides = np.diff(corners[:3], axis=0)
    longer, shorter = sides[np.argsort(-np.hypot(*sides.T))]
    return (
        math.degrees(math.atan2(longer[1], longer[0])) % 180,
        math.degrees(math.atan2(shorter[1], shorter[0])) % 180,
    )


def expanding_square(
    datum: NDArray[np.float64], spacing_m: float, reach_m: float, course_deg: float = 0.0
) -> NDArray[np.float64]:
    """Legs (n x 2 x 2) of S, S, 2S, 2S, 3S, 3S ... with right turns from the datum, until `reach_m` from it is searched.

    course_deg: of the first leg, clockwise from north.
    """
    legs, here, course, length = [], np.asarray(datum, float), math.radians(course_deg), spacing_m
    while length / 2 <= reach_m + spacing_m / 2:
        for _ in range(2):
            there = here + length * np.array([math.sin(course), math.cos(course)])
            legs.append(np.stack([here, there]))
            here, course = there, course + math.pi / 2
        length += spacing_m
    return np.array(legs)


def sector_search(
    datum: NDArray[np.float64], radius_m: float, course_deg: float = 0.0, passes: int = 2
) -> NDArray[np.float64]:
    """Nine legs (n x 2 x 2) of one radius with 120 degree right turns, through the datum; the second pass turned by 30 degrees.

    course_deg: of the first leg, clockwise from north.
    """
    legs, here = [], np.asarray(datum, float)
    for number in range(passes):
        course = math.radians(course_deg + number * SECOND_PASS_DEG)
        for _ in range(3):  # out, across, back through the datum: the next triangle begins on the same course
            for turn in (0.0, 2 * math.pi / 3, 2 * math.pi / 3):
                course += turn
                there = here + radius_m * np.array([math.sin(course), math.cos(course)])
                legs.append(np.stack([here, there]))
                here = there
    return np.array(legs)


def probability_of_detection(sweep_width_m: float, spacing_m: float, passes: int = 1) -> tuple[float, float]:
    """Coverage factor C = W / S, and the probability 1 - exp(-C) of detecting what is there, cumulated over passes."""
    coverage = sweep_width_m / spacing_m
    return coverage, 1 - math.exp(-coverage) ** passes


def cumulative_probability(coverages: Iterable[float]) -> float:
    """The probability of detection after several searches with these coverage factors: 1 - product of (1 - POD)."""
    return 1 - math.prod(math.exp(-coverage) for coverage in coverages)
