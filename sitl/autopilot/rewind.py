"""Where a mission goes on after it was left: with DO_SET_RESUME_REPEAT_DIST, some way back along its path."""

import math
from collections import deque

from sitl.autopilot.place import Vector

__all__ = ["Rewind"]

_REMEMBERED = 7


class Rewind:
    """The waypoints that a mission headed for since a repeat distance was set, and where it was left."""

    def __init__(self) -> None:
        self._repeat_m = 0.0
        self._headed_for: deque[tuple[int, Vector]] = deque(maxlen=_REMEMBERED)
        self._left_at: Vector | None = None

    def repeat(self, distance_m: float) -> None:
        """From now on fly that much of the path again (0: nothing)."""
        self._repeat_m = distance_m
        while len(self._headed_for) > 1:
            self._headed_for.popleft()

    def head_for(self, seq: int, place: Vector) -> None:
        """The mission goes to a waypoint (local metres) from now on."""
        if all(known != seq for known, _ in self._headed_for):
            self._headed_for.append((seq, place))

    def forget(self) -> None:
        """Another item was chosen, or the mission begins anew: nothing is flown again."""
        self._repeat_m = 0.0
        self._headed_for.clear()

    def leave(self, place: Vector) -> None:
        """The mission is left here."""
        self._left_at = place.copy()

    def back(self) -> tuple[int, Vector] | None:
        """From which waypoint on the mission is flown again, and where its path is joined; None to fly the present one anew.

        The farthest remembered waypoint where the path behind is shorter than the distance.
        """
        if self._repeat_m <= 0 or self._left_at is None or len(self._headed_for) < 2:
            return None
        places = list(self._headed_for)
        left_m, behind = self._repeat_m, self._left_at
        for (_, ahead), (seq, passed) in zip(places[:0:-1], places[-2::-1], strict=True):
            left_m -= math.hypot(*(behind - passed)[:2])
            if left_m <= 0:
                leg = ahead - passed
                return seq, passed + leg * (-left_m / max(math.hypot(leg[0], leg[1]), 1e-6))
            behind = passed
        return places[0]
