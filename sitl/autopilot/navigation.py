"""What the autopilot believes of its position: it follows the GPS, but not its jumps.

As seen on ArduCopter: a jump is rejected, and announced after a second; the estimate goes on by inertia. When the GPS stands by
its jump for ten seconds, the estimate jumps after it. The glitch counts as over after ten seconds in agreement. The real one's
control then flies back by as much as the estimate jumped; here only what is reported jumps, and the flight goes on.
"""

import math
from typing import TYPE_CHECKING

from sitl.autopilot.place import METRES_PER_DEGREE, Place

if TYPE_CHECKING:
    from sitl.autopilot.copter import Copter

__all__ = ["Navigation"]

_CRITICAL = 2
_FIX_S, _POSITION_S = 6.0, 14.0  # after the boot
_FEWEST_SATELLITES = 6
_BELIEVED_M = 5.0  # off the estimate
_ANNOUNCED_S, _REJECTED_S, _CLEARED_S = 1.0, 10.0, 10.0


class Navigation:
    """The GPS and the position estimate, advanced with the vehicle. Attributes: glitching: the GPS has jumped lately."""

    def __init__(self, copter: "Copter") -> None:
        self.glitching = False
        self._copter = copter
        self._believed_deg = (0.0, 0.0)  # off the true place
        self._rejected_s = self._agreed_s = 0.0

    @property
    def gps_ok(self) -> bool:
        """Whether the GPS has a 3D fix."""
        p = self._copter.parameters
        switched_on = bool(p["SIM_GPS1_ENABLE"]) and p["SIM_GPS1_NUMSATS"] >= _FEWEST_SATELLITES
        return self._copter.time_s >= _FIX_S and switched_on

    @property
    def started(self) -> bool:
        """Whether it has been on for long enough to have found its position."""
        return self._copter.time_s >= _POSITION_S

    @property
    def gps_place(self) -> Place:
        """Where the GPS says that the vehicle is."""
        return self._off(self._measured_deg)

    @property
    def place(self) -> Place:
        """Where the autopilot believes that the vehicle is."""
        return self._off(self._believed_deg)

    def step(self, dt_s: float) -> None:
        """Compare the GPS with the estimate."""
        if not self.gps_ok:
            return
        jump_m = math.dist(self._measured_deg, self._believed_deg) * METRES_PER_DEGREE
        if jump_m <= _BELIEVED_M or not self.started or self._rejected_s >= _REJECTED_S:
            self._believed_deg = self._measured_deg
            self._rejected_s, self._agreed_s = 0.0, self._agreed_s + dt_s
        else:
            self._rejected_s, self._agreed_s = self._rejected_s + dt_s, 0.0
        if not self.glitching and self._rejected_s >= _ANNOUNCED_S:
            self.glitching = True
            self._copter.say(_CRITICAL, "GPS Glitch or Compass error")
        elif self.glitching and self._agreed_s >= _CLEARED_S:
            self.glitching = False
            self._copter.say(_CRITICAL, "Glitch cleared")

    @property
    def _measured_deg(self) -> tuple[float, float]:
        p = self._copter.parameters
        return p["SIM_GPS1_GLTCH_X"], p["SIM_GPS1_GLTCH_Y"]

    def _off(self, offset_deg: tuple[float, float]) -> Place:
        true = self._copter.place
        return Place(true.lat_deg + offset_deg[0], true.lon_deg + offset_deg[1], true.alt_amsl_m)
