"""A vehicle at one moment, as a display or a log wants it."""

import time
from dataclasses import dataclass
from typing import Any

from planner.link.vehicle import Vehicle

__all__ = ["Status", "request_streams", "status", "vehicle_time_s"]

_STREAMS_HZ = {
    33: 4.0,  # GLOBAL_POSITION_INT
    42: 2.0,  # MISSION_CURRENT
    1: 1.0,  # SYS_STATUS
    24: 1.0,  # GPS_RAW_INT
    2: 1.0,  # SYSTEM_TIME
    74: 2.0,  # VFR_HUD
    30: 2.0,  # ATTITUDE
}


@dataclass(frozen=True, slots=True)
class Status:
    """A vehicle in flight at one moment; None where it has not told yet.

    Attributes: item, items: of the mission; time_s: of the vehicle's clock since boot; left_s: of the mission at its planned
    speed, None when not known; link_age_s: since its last message; link_loss: share of its messages lost lately, 0 to 1;
    text: its last words.
    """

    mode: str
    armed: bool
    lat_deg: float | None
    lon_deg: float | None
    alt_rel_m: float | None
    heading_deg: float | None
    speed_m_s: float | None
    battery_percent: int | None
    battery_v: float | None
    satellites: int | None
    item: int
    items: int
    photos: int
    photos_planned: int
    time_s: float
    left_s: float | None
    link_age_s: float
    link_loss: float
    text: str


def status(vehicle: Vehicle, photos: int = 0, photos_planned: int = 0, left_s: float | None = None) -> Status:
    """The vehicle's present status."""
    state, master = vehicle.state, vehicle.link.master
    place = state.location.global_relative_frame
    current = master.messages.get("MISSION_CURRENT")
    return Status(
        mode=state.mode.name,
        armed=bool(state.armed),
        lat_deg=place.lat,
        lon_deg=place.lon,
        alt_rel_m=place.alt,
        heading_deg=state.heading,
        speed_m_s=state.groundspeed,
        battery_percent=state.battery.level if state.battery else None,
        battery_v=state.battery.voltage if state.battery else None,
        satellites=state.gps_0.satellites_visible if state.gps_0 else None,
        item=current.seq if current else 0,
        items=getattr(current, "total", 0) if current else 0,
        photos=photos,
        photos_planned=photos_planned,
        time_s=vehicle_time_s(vehicle),
        left_s=left_s,
        link_age_s=time.monotonic() - vehicle.link.last_heard,
        link_loss=vehicle.link.loss,
        text=vehicle.texts[-1][1] if vehicle.texts else "",
    )


def request_streams(vehicle: Vehicle) -> None:
    """Ask for the messages that a status is made of."""
    for message, hz in _STREAMS_HZ.items():
        vehicle.request_message(message, hz)


def vehicle_time_s(vehicle: Vehicle) -> float:
    """Seconds since the vehicle's boot, from its latest message that says so."""
    messages: dict[str, Any] = vehicle.link.master.messages
    kinds = ("GLOBAL_POSITION_INT", "ATTITUDE", "SYSTEM_TIME")
    return max((messages[kind].time_boot_ms for kind in kinds if kind in messages), default=0) / 1000
