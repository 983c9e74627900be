"""What the vehicle reports: one function per message, the stream groups, and when each message is due.

Nothing but heartbeats and events is sent until a stream or a message interval is requested.
"""

import math
from collections.abc import Callable
from typing import Any

from sitl.autopilot.copter import Copter
from sitl.protocol.peer import Peer, mavlink

__all__ = ["AUTOPILOT_VERSION", "CAPABILITIES", "Telemetry", "message_of"]

CAPABILITIES = 64495
_PREARM, _GEOFENCE = 0x10000000, 0x100000
_SENSORS = 0x2F | 0x200000 | 0xFC00  # gyro, accel, compass, pressure, GPS, attitude and position control, AHRS
HOME_POSITION, AUTOPILOT_VERSION, SYS_STATUS, GPS_RAW_INT, MISSION_CURRENT, FENCE_STATUS = 242, 148, 1, 24, 42, 162
ATTITUDE, GLOBAL_POSITION_INT, LOCAL_POSITION_NED, RC_CHANNELS, VFR_HUD, SYSTEM_TIME, WIND = 30, 33, 32, 65, 74, 2, 168
BATTERY_STATUS, EKF_STATUS_REPORT, HEARTBEAT, POWER_STATUS, NAV_CONTROLLER_OUTPUT = 147, 193, 0, 125, 62
CAMERA_CAPTURE_STATUS = 262

_GROUPS = {
    1: (),
    2: (SYS_STATUS, POWER_STATUS, MISSION_CURRENT, GPS_RAW_INT, NAV_CONTROLLER_OUTPUT, FENCE_STATUS),
    3: (RC_CHANNELS,),
    4: (),
    6: (GLOBAL_POSITION_INT, LOCAL_POSITION_NED),
    10: (ATTITUDE,),
    11: (VFR_HUD,),
    12: (SYSTEM_TIME, WIND, BATTERY_STATUS, EKF_STATUS_REPORT),
}
_ALL = 0


class Telemetry:
    """Sends heartbeats and whatever was requested when it is due, in simulated time."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._interval_s: dict[int, float] = {HEARTBEAT: 1.0}
        self._due_s: dict[int, float] = {HEARTBEAT: 0.0}
        self._next_s = 0.0

    def request_stream(self, group: int, rate_hz: int, start: bool) -> None:
        """REQUEST_DATA_STREAM: all messages of a group at a rate."""
        ids = [number for ids in _GROUPS.values() for number in ids] if group == _ALL else _GROUPS.get(group, ())
        for number in ids:
            self.set_interval(number, 1 / rate_hz if start and rate_hz > 0 else -1)

    def set_interval(self, number: int, interval_s: float) -> bool:
        """A message every so many seconds; negative stops it, 0 is its default. False for an unknown message."""
        if number not in _MESSAGES:
            return False
        if interval_s < 0 or (interval_s == 0 and number != HEARTBEAT):
            self._interval_s.pop(number, None)
            self._due_s.pop(number, None)
        else:
            self._interval_s[number] = max(interval_s, 0.02) if interval_s else 1.0
            self._due_s[number] = self._next_s = self._peer.copter.time_s
        return True

    def interval_us(self, number: int) -> int:
        """What MESSAGE_INTERVAL says: microseconds, 0 when not sent, -1 when unknown."""
        if number not in _MESSAGES:
            return -1
        return round(1e6 * self._interval_s.get(number, 0.0))

    def tick(self) -> None:
        """Send what is due."""
        now = self._peer.copter.time_s
        if now < self._next_s:
            return
        for number, due in self._due_s.items():
            if now >= due:
                interval = self._interval_s[number]
                self._due_s[number] = due + interval if now - due < interval else now + interval
                self._peer.send(_MESSAGES[number](self._peer.copter))
        self._next_s = min(self._due_s.values())


def message_of(number: int, copter: Copter) -> Any | None:
    """One message by its number, or None when the vehicle does not have it."""
    build = _MESSAGES.get(number)
    return build(copter) if build else None


def _heartbeat(c: Copter) -> Any:
    base = 1 | 0x10 | (0x40) | (0x80 if c.armed else 0) | (0x08 if c.mode.name in ("AUTO", "GUIDED", "RTL") else 0)
    state = 0 if c.time_s < 1 else 3 if c.landed or not c.armed else 4
    if c.armed and (c.battery.level or c.failsafes.breached):
        state = 5
    return mavlink.MAVLink_heartbeat_message(2, 3, base, int(c.mode), state, 3)


def _boot_ms(c: Copter) -> int:
    return round(c.time_s * 1000) & 0xFFFFFFFF


def _sys_status(c: Copter) -> Any:
    health = _SENSORS | (_PREARM if c.ready or c.armed else 0) | (0 if c.failsafes.breached else _GEOFENCE)
    b = c.battery
    return mavlink.MAVLink_sys_status_message(
        _SENSORS | _PREARM, _SENSORS | _PREARM, health, 200, round(b.voltage_v * 1000), round(b.current_a * 100),
        b.remaining_percent, 0, 0, 0, 0, 0, 0,
    )  # fmt: skip


def _gps_raw_int(c: Copter) -> Any:
    place, ok = c.navigation.gps_place, c.navigation.gps_ok
    lat, lon = (round(place.lat_deg * 1e7), round(place.lon_deg * 1e7)) if ok else (0, 0)
    speed = round(100 * math.hypot(c.frame.velocity[0], c.frame.velocity[1]))
    return mavlink.MAVLink_gps_raw_int_message(
        round(c.time_s * 1e6), 6 if ok else 1, lat, lon, round(place.alt_amsl_m * 1000),
        121 if ok else 9999, 200, speed, _course_cdeg(c), int(c.parameters["SIM_GPS1_NUMSATS"]) if ok else 0,
    )  # fmt: skip


def _course_cdeg(c: Copter) -> int:
    return round(100 * (math.degrees(math.atan2(c.frame.velocity[0], c.frame.velocity[1])) % 360)) % 36000


def _global_position_int(c: Copter) -> Any:
    place = c.reported_place
    east, north, up = (round(100 * float(v)) for v in c.frame.velocity)
    above = round(1000 * (place.alt_amsl_m - c.home.alt_amsl_m))
    known = c.navigation.started
    lat, lon = (round(place.lat_deg * 1e7), round(place.lon_deg * 1e7)) if known else (0, 0)
    alt = round(place.alt_amsl_m * 1000)
    heading = round(c.frame.yaw_deg * 100) % 36000
    return mavlink.MAVLink_global_position_int_message(_boot_ms(c), lat, lon, alt, above, north, east, -up, heading)


def _local_position_ned(c: Copter) -> Any:
    (east, north, up), (ve, vn, vu) = c.frame.position.tolist(), c.frame.velocity.tolist()
    return mavlink.MAVLink_local_position_ned_message(_boot_ms(c), north, east, -up, vn, ve, -vu)


def _attitude(c: Copter) -> Any:
    a = c.frame.attitude
    yaw = math.radians((a.yaw_deg + 180) % 360 - 180)
    return mavlink.MAVLink_attitude_message(
        _boot_ms(c), math.radians(a.roll_deg), math.radians(a.pitch_deg), yaw, 0, 0, 0
    )


def _vfr_hud(c: Copter) -> Any:
    v = c.frame.velocity
    air = v - c.wind.now()
    return mavlink.MAVLink_vfr_hud_message(
        math.hypot(air[0], air[1]), math.hypot(v[0], v[1]), round(c.frame.yaw_deg) % 360,
        40 if c.armed and not c.landed else 0, c.reported_place.alt_amsl_m, float(v[2]),
    )  # fmt: skip


def _mission_current(c: Copter) -> Any:
    return mavlink.MAVLink_mission_current_message(
        c.mission_seq, max(len(c.mission) - 1, 0), c.mission_state, 1 if c.mode.name == "AUTO" else 2
    )


def _fence_status(c: Copter) -> Any:
    kinds = {1: 2, 2: 3, 4: 3, 8: 1}  # FENCE_TYPE's bit to FENCE_BREACH
    kind = next((kinds[bit] for bit in kinds if c.failsafes.breached & bit), 0)
    return mavlink.MAVLink_fence_status_message(
        int(bool(c.failsafes.breached)), c.failsafes.breach_count, kind, _boot_ms(c)
    )


def _home_position(c: Copter) -> Any:
    h = c.home
    return mavlink.MAVLink_home_position_message(
        round(h.lat_deg * 1e7), round(h.lon_deg * 1e7), round(h.alt_amsl_m * 1000), 0, 0, 0, [1, 0, 0, 0], 0, 0, 0,
        round(c.time_s * 1e6),
    )  # fmt: skip


def _autopilot_version(c: Copter) -> Any:
    version = (4 << 24) | (6 << 16) | (3 << 8) | 255  # 4.6.3, official
    return mavlink.MAVLink_autopilot_version_message(
        CAPABILITIES, version, 0, 0, 0, b"92b0cd78", b"\0" * 8, b"\0" * 8, 0, 0, 0, b"\0" * 18
    )


def _system_time(c: Copter) -> Any:
    return mavlink.MAVLink_system_time_message(round(c.time_utc.timestamp() * 1e6), _boot_ms(c))


def _wind(c: Copter) -> Any:
    east, north, up = c.wind.now().tolist()
    comes_from = (math.degrees(math.atan2(-east, -north)) + 180) % 360 - 180
    return mavlink.MAVLink_wind_message(comes_from, math.hypot(east, north), -up)


def _battery_status(c: Copter) -> Any:
    b = c.battery
    cells = [round(b.voltage_v * 1000)] + [0xFFFF] * 9
    return mavlink.MAVLink_battery_status_message(
        0, 0, 0, 32767, cells, round(b.current_a * 100), round(b.used_mah), -1, b.remaining_percent
    )


def _ekf_status_report(c: Copter) -> Any:
    flags = 0x1 | 0x2 | 0x4 | 0x20 | (0x8 | 0x10 | 0x100 | 0x200 if c.position_ok else 0x80)
    return mavlink.MAVLink_ekf_status_report_message(flags, 0.05, 0.05, 0.05, 0.05, 0.0)


def _rc_channels(c: Copter) -> Any:
    return mavlink.MAVLink_rc_channels_message(
        _boot_ms(c), 16, 1500, 1500, c.throttle_pwm, 1500, 1800, 1000, 1000, 1800, *([0] * 10), 254
    )


def _power_status(c: Copter) -> Any:
    return mavlink.MAVLink_power_status_message(5000, 5000, 0)


def _nav_controller_output(c: Copter) -> Any:
    a = c.frame.attitude
    heading = round((a.yaw_deg + 180) % 360 - 180)
    return mavlink.MAVLink_nav_controller_output_message(a.roll_deg, a.pitch_deg, heading, heading, 0, 0.0, 0.0, 0.0)


def _camera_capture_status(c: Copter) -> Any:
    status = 2 if c.shutter.left else 0
    return mavlink.MAVLink_camera_capture_status_message(
        _boot_ms(c), status, 0, c.shutter.interval_s, 0, math.nan, len(c.exposures)
    )


_MESSAGES: dict[int, Callable[[Copter], Any]] = {
    HEARTBEAT: _heartbeat,
    SYS_STATUS: _sys_status,
    SYSTEM_TIME: _system_time,
    GPS_RAW_INT: _gps_raw_int,
    ATTITUDE: _attitude,
    LOCAL_POSITION_NED: _local_position_ned,
    GLOBAL_POSITION_INT: _global_position_int,
    MISSION_CURRENT: _mission_current,
    NAV_CONTROLLER_OUTPUT: _nav_controller_output,
    RC_CHANNELS: _rc_channels,
    VFR_HUD: _vfr_hud,
    POWER_STATUS: _power_status,
    BATTERY_STATUS: _battery_status,
    AUTOPILOT_VERSION: _autopilot_version,
    FENCE_STATUS: _fence_status,
    WIND: _wind,
    EKF_STATUS_REPORT: _ekf_status_report,
    HOME_POSITION: _home_position,
    CAMERA_CAPTURE_STATUS: _camera_capture_status,
}
