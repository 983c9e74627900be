"""A mission's path drawn with characters, and the vehicle on it."""

import math
from itertools import pairwise

from planner.link.status import Status
from planner.link.triggers import flown_path, photo_runs
from planner.mission import Mission

__all__ = ["PathMap"]

_WIDTH, _HEIGHT = 46, 14  # characters; one is about twice as high as wide
_ARROWS = "↑↗→↘↓↙←↖"


class PathMap:
    """The path seen from above, north up: photographed lines as dots, other ways as small dots, the home, the vehicle."""

    def __init__(self, mission: Mission) -> None:
        path = flown_path(mission)
        self._plane = path.plane
        east, north = ([point[axis] for point in path.points] for axis in (0, 1))
        self._west, self._north = min(east), max(north)
        self._metres = max((max(east) - self._west) / _WIDTH, (self._north - min(north)) / (2 * _HEIGHT), 0.1)
        on_line = {k for run in photo_runs(mission) for k in range(run.first, run.last)}
        cells: dict[tuple[int, int], str] = {}
        for k, (a, b) in enumerate(pairwise(path.points)):
            steps = max(math.ceil(math.dist(a[:2], b[:2]) / self._metres), 1)
            for step in range(steps + 1):
                cell = self._cell(*(a[axis] + step / steps * (b[axis] - a[axis]) for axis in (0, 1)))
                if k in on_line or cell not in cells:
                    cells[cell] = "•" if k in on_line else "·"
        cells[self._cell(0.0, 0.0)] = "H"
        self._cells = cells

    def drawn(self, status: Status) -> str:
        """The map as lines of text, the vehicle as an arrow along its heading."""
        cells = dict(self._cells)
        if status.lat_deg is not None and status.lon_deg is not None:
            here = self._cell(*self._plane.to_local(status.lat_deg, status.lon_deg))
            cells[here] = _ARROWS[round((status.heading_deg or 0.0) / 45) % 8]
        rows = range(_HEIGHT + 1)
        return "\n".join(
            "".join(cells.get((row, column), " ") for column in range(_WIDTH + 1)).rstrip() for row in rows
        )

    def _cell(self, east: float, north: float) -> tuple[int, int]:
        return round((self._north - north) / self._metres / 2), round((east - self._west) / self._metres)
