"""What the stages of coverage planning are asked (Task) and what they answer (Choice)."""

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from planner.coverage.paths import Free, Ways
from planner.coverage.route import Order
from planner.timing import Motion

__all__ = ["Choice", "Task"]


@dataclass(frozen=True, slots=True)
class Task:
    """What to cover and how.

    Attributes: area: in metres; region: where lines and the ways between them may run (the area without no-fly zones and their
    clearance); home: x, y; inside, outside: ways in the region, and anywhere but through zones; motion; spacing_m between
    lines; trigger_m between photos; width_m, height_m: of a photo's footprint; most_inset_m: how far lines may end inside the
    area's edge; angles: to try, empty for all; one_angle: whether all lines shall be parallel.
    """

    area: shapely.Geometry
    region: shapely.Geometry
    home: NDArray[np.float64]
    inside: Ways
    outside: Free
    motion: Motion
    spacing_m: float
    trigger_m: float
    width_m: float
    height_m: float
    most_inset_m: float = 0.0
    angles: tuple[float, ...] = ()
    one_angle: bool = False

    @property
    def views(self) -> float:
        """How many photos see a point well inside the area."""
        return self.width_m / self.spacing_m * self.height_m / self.trigger_m


@dataclass(frozen=True, slots=True)
class Choice:
    """Lines in flying order and direction (n x 2 x 2), their order with its ways, seconds in one flight, the main angle."""

    lines: NDArray[np.float64]
    order: Order
    seconds: float
    angle_deg: float
