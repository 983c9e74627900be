"""What keeps the autopilot from arming, in its own words."""

from typing import TYPE_CHECKING

from sitl.autopilot.state import Mode

if TYPE_CHECKING:
    from sitl.autopilot.copter import Copter

__all__ = ["arming_refusal", "prearm_refusals"]

_INITIALISED_S = 3.0  # after the boot
_ARMABLE = frozenset({Mode.STABILIZE, Mode.ALT_HOLD, Mode.GUIDED, Mode.LOITER})


def prearm_refusals(copter: "Copter") -> list[str]:
    """Every failing pre-arm check; empty when ready."""
    p = copter.parameters
    found = []
    if copter.time_s < _INITIALISED_S:
        return ["System not initialised"]
    if copter.refused_arming is not None:
        found.append(copter.refused_arming)
    if not copter.navigation.gps_ok:
        found.append("GPS 1: Bad fix")
    if not copter.position_ok:
        found.append("Need Position Estimate")
    if p["SIM_RC_FAIL"]:
        found.append("Radio failsafe on")
    if copter.battery.level == 1:
        found.append("Battery 1 low voltage failsafe")
    if copter.battery.level == 2:
        found.append("Battery 1 critical voltage failsafe")
    if p["BATT_ARM_VOLT"] > 0 and copter.battery.voltage_v < p["BATT_ARM_VOLT"]:
        found.append("Battery 1 below minimum arming voltage")
    if p["FENCE_ENABLE"]:
        if p["FENCE_TYPE"] == 0:
            found.append("Fences enabled, but none selected")
        elif copter.fence_breaches():
            found.append(f"Vehicle breaching {copter.breached_names()} fence")
    if any(item.frame == 10 for item in copter.mission):
        found.append("waiting for terrain data")
    return found


def arming_refusal(copter: "Copter") -> str | None:
    """Why the vehicle cannot be armed now, as the text that it sends; None when it can."""
    failing = prearm_refusals(copter)
    if failing and copter.parameters["ARMING_CHECK"]:
        return f"PreArm: {failing[0]}"
    if copter.mode not in _ARMABLE:
        return f"Arm: {copter.mode.name} mode not armable"
    return None
