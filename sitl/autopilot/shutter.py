"""When the camera is triggered: by distance, by time, or once; and what is known of each photo."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sitl.autopilot.parameters import Parameters
from sitl.autopilot.place import Place
from sitl.autopilot.state import Exposure, Mode

if TYPE_CHECKING:
    from sitl.autopilot.copter import Copter

__all__ = ["Shutter", "take_photos"]


@dataclass(slots=True)
class Shutter:
    """The trigger logic; `due` is asked at 50 Hz.

    Attributes: distance_m: of the trigger, 0 is off; interval_s, left: of time triggering, left -1 has no end.
    """

    parameters: Parameters
    distance_m: float = 0.0
    interval_s: float = 0.0
    left: int = 0
    _last_place: Place | None = None
    _last_time_s: float = -math.inf
    _wanted: bool = False

    def trigger_by_distance(self, distance_m: float, now: bool) -> None:
        """A photo every so many metres (0 stops), and one at once if wanted."""
        self.distance_m = max(distance_m, 0.0)
        self._wanted = self._wanted or now

    def trigger_by_time(self, interval_s: float, total: int) -> None:
        """`total` photos (0: without end) at an interval; a total of 1 is a single shot."""
        if total == 1:
            self._wanted = True
        else:
            self.interval_s, self.left = interval_s, total if total > 0 else -1

    def stop(self) -> None:
        """No more photos by time or distance."""
        self.interval_s, self.left, self.distance_m = 0.0, 0, 0.0

    def shoot(self) -> None:
        """One photo as soon as the camera can."""
        self._wanted = True

    @property
    def busy(self) -> bool:
        """Whether a photo is wanted or may become due."""
        return self._wanted or self.left != 0 or self.distance_m > 0

    def rest(self) -> None:
        """Forget the last trigger's place while triggering by distance is off."""
        self._last_place = None

    def due(self, place: Place, time_s: float, roll_deg: float, auto: bool) -> bool:
        """Whether a photo is taken now."""
        self._watch_distance(place, roll_deg, auto)
        if self.left and time_s - self._last_time_s >= self.interval_s:
            self._wanted = True
            self.left -= self.left > 0
        if not self._wanted or time_s - self._last_time_s < self.parameters["CAM1_INTRVAL_MIN"]:
            return False
        self._wanted = False
        self._last_time_s = time_s
        return True

    def _watch_distance(self, place: Place, roll_deg: float, auto: bool) -> None:
        if self.distance_m <= 0:
            self._last_place = None
            return
        if self._last_place is None:
            self._last_place = place
            return
        offset = self._last_place.offset_to(place)
        if math.hypot(offset[0], offset[1]) < self.distance_m:
            return
        steepest = self.parameters["CAM_MAX_ROLL"]
        if (steepest and abs(roll_deg) > steepest) or (self.parameters["CAM_AUTO_ONLY"] and not auto):
            return
        self._last_place = place
        self._wanted = True


def take_photos(copter: "Copter") -> None:
    """Look after the camera at one time step: a photo that is due is kept, and reported unless it is one to be missed."""
    shutter = copter.shutter
    if copter.camera_type == 0:
        return
    if not shutter.busy:
        shutter.rest()
        return
    reported, attitude = copter.reported_place, copter.frame.attitude
    if not shutter.due(reported, copter.time_s, attitude.roll_deg, copter.mode is Mode.AUTO):
        return
    exposure = Exposure(
        index=len(copter.exposures) + 1,
        time_s=copter.time_s,
        time_utc=copter.time_utc,
        place=copter.place,
        reported=reported,
        alt_rel_m=reported.alt_amsl_m - copter.home.alt_amsl_m,
        attitude=attitude,
        gimbal_pitch_deg=copter.gimbal_pitch_deg,
    )
    copter.exposures.append(exposure)
    if exposure.index not in copter.missed_exposures:
        copter.events.append(exposure)
