"""What the autopilot does by itself when something goes wrong: position, battery, fence, ground station."""

from typing import TYPE_CHECKING

from sitl.autopilot.state import Mode

if TYPE_CHECKING:
    from sitl.autopilot.copter import Copter

__all__ = ["NEED_POSITION", "Failsafes"]

NEED_POSITION = frozenset({Mode.AUTO, Mode.GUIDED, Mode.LOITER, Mode.RTL, Mode.BRAKE})
_CRITICAL, _WARNING = 2, 4
# By FENCE_ACTION. No way back is recorded: where the real one would fly it, in SMART_RTL mode, its second choice counts.
_FENCE_ACTIONS = {1: Mode.RTL, 2: Mode.LAND, 3: Mode.RTL, 4: Mode.BRAKE, 5: Mode.LAND}
_DEAD_RECKONING_S = 5.0  # the position estimate outlives the GPS by so much


class Failsafes:
    """Watches the vehicle at every step and changes its mode when it must.

    Attributes: breached: the fences breached now (bits of FENCE_TYPE); breach_count: since boot; position_lost: the GPS has been
    away for too long.
    """

    def __init__(self, copter: "Copter") -> None:
        self._copter = copter
        self.breached = 0
        self.breach_count = 0
        self._gcs_seen_s: float | None = None
        self._gcs_lost = False
        self._without_gps_s = 0.0

    @property
    def position_lost(self) -> bool:
        """Whether the position estimate is gone."""
        return self._without_gps_s >= _DEAD_RECKONING_S

    def hear_ground_station(self) -> None:
        """A heartbeat of the ground station came."""
        self._gcs_seen_s = self._copter.time_s
        if self._gcs_lost:
            self._gcs_lost = False
            self._copter.say(_WARNING, "GCS Failsafe Cleared")

    def watch_position(self, dt_s: float) -> None:
        """Land when the position is lost in a mode that needs it."""
        copter = self._copter
        if not copter.navigation.started:
            return
        before = self.position_lost
        self._without_gps_s = 0.0 if copter.navigation.gps_ok else self._without_gps_s + dt_s
        if self.position_lost and not before and copter.armed and copter.mode in NEED_POSITION:
            copter.say(_CRITICAL, "EKF Failsafe: changed to LAND Mode")
            copter.set_mode(Mode.LAND)

    def battery_got_worse(self, level: int) -> None:
        """The battery became low (1) or critical (2): do what BATT_FS_LOW_ACT or BATT_FS_CRT_ACT says."""
        copter, battery = self._copter, self._copter.battery
        name = "low" if level == 1 else "critical"
        copter.say(_WARNING, f"Battery 1 is {name} {battery.voltage_v:.2f}V used {battery.used_mah:.0f} mAh")
        action = int(copter.parameters["BATT_FS_LOW_ACT" if level == 1 else "BATT_FS_CRT_ACT"])
        if copter.armed and not copter.landed and action in (1, 2, 3, 4):
            copter.set_mode(Mode.LAND if action == 1 else Mode.RTL)

    def watch_fence(self) -> None:
        """Do what FENCE_ACTION says when a fence is breached."""
        copter = self._copter
        if not copter.parameters["FENCE_ENABLE"] or copter.landed:
            self.breached = 0
            return
        bits = copter.fence_breaches()
        fresh, self.breached = bits & ~self.breached, bits
        if not fresh:
            return
        self.breach_count += 1
        copter.say(_CRITICAL, f"{copter.breached_names()} fence breached")
        action = _FENCE_ACTIONS.get(int(copter.parameters["FENCE_ACTION"]))
        if action is not None and copter.mode not in (Mode.RTL, Mode.LAND, Mode.BRAKE):
            copter.set_mode(action)

    def watch_ground_station(self) -> None:
        """Do what FS_GCS_ENABLE and FS_OPTIONS say when the ground station has fallen silent."""
        copter, p = self._copter, self._copter.parameters
        if self._gcs_seen_s is None or not p["FS_GCS_ENABLE"] or self._gcs_lost:
            return
        if copter.time_s - self._gcs_seen_s <= p["FS_GCS_TIMEOUT"]:
            return
        self._gcs_lost = True
        if copter.landed or copter.mode in (Mode.RTL, Mode.LAND):
            return
        if copter.mode is Mode.AUTO and int(p["FS_OPTIONS"]) & 2:
            copter.say(_WARNING, "GCS Failsafe - Continuing Auto Mode")
            return
        copter.say(_WARNING, "GCS Failsafe")
        copter.set_mode(Mode.LAND if p["FS_GCS_ENABLE"] == 5 else Mode.RTL)
