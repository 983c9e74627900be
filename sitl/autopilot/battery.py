"""The battery and its failsafe."""

from dataclasses import dataclass

from sitl.autopilot.parameters import Parameters

__all__ = ["Battery"]

_RESISTANCE_OHM = 0.01
_IDLE_CURRENT_A = 0.5


@dataclass(slots=True)
class Battery:
    """Voltage under load, current, charge used, and which failsafes it has set off.

    Attributes: level: 0 fine, 1 low, 2 critical.
    """

    parameters: Parameters
    voltage_v: float = 12.6
    current_a: float = 0.0
    used_mah: float = 0.0
    level: int = 0
    _below_s: float = 0.0

    def draw(self, current_a: float, dt_s: float) -> int | None:
        """Draw a current for a time step; the new failsafe level when it gets worse, else None."""
        self.current_a = max(current_a, _IDLE_CURRENT_A)
        self.used_mah += self.current_a * dt_s / 3.6
        fresh = self.parameters["SIM_BATT_VOLTAGE"]
        capacity_ah = self.parameters["SIM_BATT_CAP_AH"]
        if capacity_ah > 0:  # a simple discharge curve: 15 % sag until empty, then the knee
            spent = self.used_mah / (1000 * capacity_ah)
            fresh *= 1 - 0.15 * min(spent, 1.0) - 1.5 * max(spent - 0.95, 0.0)
        self.voltage_v = max(fresh - self.current_a * _RESISTANCE_OHM, 0.0)
        return self._worsened(dt_s)

    @property
    def remaining_percent(self) -> int:
        """Charge left of BATT_CAPACITY, 0 to 100."""
        capacity = self.parameters["BATT_CAPACITY"]
        return round(min(max(100 * (1 - self.used_mah / capacity), 0), 100)) if capacity > 0 else -1

    def _worsened(self, dt_s: float) -> int | None:
        p = self.parameters
        left_mah = p["BATT_CAPACITY"] - self.used_mah
        low_voltage = [p["BATT_LOW_VOLT"], p["BATT_CRT_VOLT"]]
        below = any(limit > 0 and self.voltage_v < limit for limit in low_voltage)
        self._below_s = self._below_s + dt_s if below else 0.0
        long_enough = self._below_s >= p["BATT_LOW_TIMER"] > 0
        for level, volts, mah in ((2, low_voltage[1], p["BATT_CRT_MAH"]), (1, low_voltage[0], p["BATT_LOW_MAH"])):
            empty = (long_enough and volts > 0 and self.voltage_v < volts) or (mah > 0 and left_mah < mah)
            if empty and self.level < level:
                self.level = level
                return level
        return None
