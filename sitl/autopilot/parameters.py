"""The simulated autopilot's parameters: names, defaults and types as ArduCopter reports them."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["INT8", "INT16", "INT32", "REAL32", "Parameter", "Parameters"]

INT8, INT16, INT32, REAL32 = 2, 4, 6, 9  # MAV_PARAM_TYPE

_DEFAULTS: tuple[tuple[str, float, int], ...] = (
    ("ANGLE_MAX", 3000, INT16),
    ("ARMING_CHECK", 1, INT32),
    ("AUTO_OPTIONS", 0, INT32),
    ("BATT_ARM_MAH", 0, INT32),
    ("BATT_ARM_VOLT", 0, REAL32),
    ("BATT_CAPACITY", 3300, INT32),
    ("BATT_CRT_MAH", 0, REAL32),
    ("BATT_CRT_VOLT", 0, REAL32),
    ("BATT_FS_CRT_ACT", 0, INT8),
    ("BATT_FS_LOW_ACT", 0, INT8),
    ("BATT_LOW_MAH", 0, REAL32),
    ("BATT_LOW_TIMER", 10, INT8),
    ("BATT_LOW_VOLT", 10.5, REAL32),
    ("BATT_MONITOR", 4, INT8),
    ("CAM1_DURATION", 0.1, REAL32),
    ("CAM1_INTRVAL_MIN", 0, REAL32),
    ("CAM1_TRIGG_DIST", 0, REAL32),
    ("CAM1_TYPE", 0, INT8),
    ("CAM_AUTO_ONLY", 0, INT8),
    ("CAM_MAX_ROLL", 0, INT16),
    ("DISARM_DELAY", 10, INT8),
    ("FENCE_ACTION", 1, INT8),
    ("FENCE_ALT_MAX", 100, REAL32),
    ("FENCE_ALT_MIN", -10, REAL32),
    ("FENCE_AUTOENABLE", 0, INT8),
    ("FENCE_ENABLE", 0, INT8),
    ("FENCE_MARGIN", 2, REAL32),
    ("FENCE_OPTIONS", 0, INT16),
    ("FENCE_RADIUS", 150, REAL32),
    ("FENCE_TOTAL", 0, INT8),
    ("FENCE_TYPE", 7, INT8),
    ("FRAME_CLASS", 1, INT8),
    ("FRAME_TYPE", 0, INT8),
    ("FS_EKF_ACTION", 1, INT8),
    ("FS_GCS_ENABLE", 0, INT8),
    ("FS_GCS_TIMEOUT", 5, REAL32),
    ("FS_OPTIONS", 16, INT32),
    ("FS_THR_ENABLE", 1, INT8),
    ("GUID_TIMEOUT", 3, REAL32),
    ("LAND_ALT_LOW", 1000, INT16),
    ("LAND_SPEED", 50, INT16),
    ("LAND_SPEED_HIGH", 0, INT16),
    ("LOIT_SPEED", 1250, REAL32),
    ("MIS_OPTIONS", 0, INT16),
    ("MIS_RESTART", 0, INT8),
    ("MIS_TOTAL", 0, INT16),
    ("MNT1_TYPE", 0, INT8),
    ("RALLY_INCL_HOME", 1, INT8),
    ("RALLY_LIMIT_KM", 0.3, REAL32),
    ("RALLY_TOTAL", 0, INT8),
    ("RTL_ALT", 1500, INT32),
    ("RTL_ALT_FINAL", 0, INT16),
    ("RTL_CLIMB_MIN", 0, INT16),
    ("RTL_CONE_SLOPE", 3, REAL32),
    ("RTL_LOIT_TIME", 5000, INT32),
    ("RTL_SPEED", 0, INT16),
    ("SIM_BATT_CAP_AH", 0, REAL32),
    ("SIM_BATT_VOLTAGE", 12.6, REAL32),
    ("SIM_GPS1_ENABLE", 1, INT8),
    ("SIM_GPS1_GLTCH_X", 0, REAL32),
    ("SIM_GPS1_GLTCH_Y", 0, REAL32),
    ("SIM_GPS1_NUMSATS", 10, INT8),
    ("SIM_RC_FAIL", 0, INT8),
    ("SIM_SPEEDUP", 1, REAL32),
    ("SIM_WIND_DIR", 180, REAL32),
    ("SIM_WIND_DIR_Z", 0, REAL32),
    ("SIM_WIND_SPD", 0, REAL32),
    ("SIM_WIND_TURB", 0, REAL32),
    ("SYSID_ENFORCE", 0, INT8),
    ("SYSID_MYGCS", 255, INT16),
    ("SYSID_THISMAV", 1, INT16),
    ("TERRAIN_ENABLE", 1, INT8),
    ("TERRAIN_SPACING", 100, INT16),
    ("WPNAV_ACCEL", 250, REAL32),
    ("WPNAV_ACCEL_C", 0, REAL32),
    ("WPNAV_ACCEL_Z", 100, REAL32),
    ("WPNAV_JERK", 1, REAL32),
    ("WPNAV_RADIUS", 200, REAL32),
    ("WPNAV_SPEED", 1000, REAL32),
    ("WPNAV_SPEED_DN", 150, REAL32),
    ("WPNAV_SPEED_UP", 250, REAL32),
    ("WP_YAW_BEHAVIOR", 2, INT8),
)


@dataclass(slots=True)
class Parameter:
    """A parameter: its value and MAV_PARAM_TYPE."""

    name: str
    value: float
    kind: int


class Parameters:
    """The parameter table; unknown names do not exist, as on the vehicle."""

    def __init__(self, changed: Mapping[str, float] | None = None) -> None:
        self._table = {name: Parameter(name, float(value), kind) for name, value, kind in _DEFAULTS}
        self._names = list(self._table)
        for name, value in (changed or {}).items():
            if name not in self._table:
                raise KeyError(name)
            self.set(name, value)

    def __getitem__(self, name: str) -> float:
        return self._table[name].value

    def __contains__(self, name: str) -> bool:
        return name in self._table

    def __len__(self) -> int:
        return len(self._names)

    def set(self, name: str, value: float) -> Parameter:
        """Set a known parameter; an integer one is rounded. Returns it."""
        parameter = self._table[name]
        parameter.value = float(value) if parameter.kind == REAL32 else float(round(value))
        return parameter

    def get(self, name: str) -> Parameter | None:
        """A parameter by name."""
        return self._table.get(name)

    def at(self, index: int) -> Parameter | None:
        """A parameter by its place in the list."""
        return self._table[self._names[index]] if 0 <= index < len(self._names) else None

    def index(self, name: str) -> int:
        """The place of a parameter in the list."""
        return self._names.index(name)

    def values(self) -> dict[str, float]:
        """Every value by name."""
        return {name: parameter.value for name, parameter in self._table.items()}
