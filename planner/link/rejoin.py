"""Taking up a flight whose ground station has gone: logging goes on, and what the vehicle did meanwhile is asked of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagery.core.errors import BadInputError
from imagery.core.photolog import PhotoRecord
from imagery.core.progress import SILENT, Progress
from planner.link.flight import FlightLog, Watch, flight_files, flight_photos, photos_counted, photos_missing
from planner.link.lostlink import LostLink
from planner.link.recorder import PhotoRecorder
from planner.link.status import request_streams
from planner.link.storage import Kind, differences, wire_items
from planner.link.tlog import TelemetryLog, last_message
from planner.link.transfer import download
from planner.link.triggers import PlannedPhoto, planned_photos
from planner.link.vehicle import Vehicle, connect
from planner.mission import Mission

__all__ = ["Rejoined", "rejoin"]

_CAMERA_FEEDBACK, _SYSTEM_TIME = 180, 2
_SAME_BOOT_S = 5.0
_COMPLETE = 5  # MISSION_STATE


@dataclass(frozen=True, slots=True)
class Rejoined:
    """What taking up a flight brought.

    Attributes: log: of the flight that was still under way, None when the vehicle was on the ground; unheard: photos that the
    vehicle took while nobody listened, now in the log; reached: the photos that the vehicle's own progress through the mission
    tells of, where there was no log.
    """

    log: FlightLog | None
    unheard: int
    reached: tuple[PhotoRecord, ...]


def rejoin(
    survey: Mission,
    url: str,
    out_dir: str | Path,
    *,
    flight: int = 1,
    system: int | None = None,
    signing_key: Path | None = None,
    lost_timeout_s: float = 120.0,
    progress: Progress = SILENT,
    on_event: Any = None,
) -> Rejoined:
    """Log the rest of a flight under way until it is down; on the ground, log what its last flight took unheard.

    The vehicle's own count of photos tells how many were taken unheard; they are placed by the plan, and only when the vehicle
    has kept to its mission since the last one that was heard, and has not been switched off. Raises LinkError as `fly` does.
    """
    photo_log, telemetry = flight_files(out_dir, flight)
    heard, clock = last_message(telemetry, _CAMERA_FEEDBACK), last_message(telemetry, _SYSTEM_TIME)
    planned = planned_photos(survey)
    with TelemetryLog(telemetry) as log, connect(url, system=system, signing_key=signing_key, log=log) as vehicle:
        request_streams(vehicle)
        flying = bool(vehicle.state.armed)
        on_mission = vehicle.state.mode.name == "AUTO"
        reached = () if flying or flight_photos(photo_log, flight) else tuple(_reached(vehicle, survey, planned))
        known = heard is not None and on_mission and _same_boot(vehicle, clock)
        if not flying and not known:
            return Rejoined(None, 0, reached)
        recorder = PhotoRecorder(
            vehicle.link,
            photo_log,
            flight,
            planned=planned,
            counted=heard.img_idx if heard and known else None,
            joined=True,
        )
        watch = Watch(vehicle, recorder, survey, LostLink.of(vehicle), lost_timeout_s)
        try:
            if flying:
                watch.until_down(progress, on_event)
        finally:
            complete = not watch.ended_early and (watch.ended or not flying)
            recorder.close(photos_counted(vehicle) if complete else None)
        left = photos_missing(survey, flight_photos(photo_log, flight))
        return Rejoined(watch.log(photo_log, telemetry, left) if flying else None, recorder.unreported, reached)


def _same_boot(vehicle: Vehicle, clock: Any | None) -> bool:
    """Whether the vehicle has not been switched off since it sent an earlier SYSTEM_TIME."""
    now: Any = vehicle.request_once(_SYSTEM_TIME, "SYSTEM_TIME", 1.0)
    if clock is None or now is None or now.time_boot_ms < clock.time_boot_ms:
        return False
    since_boot_s = (now.time_boot_ms - clock.time_boot_ms) / 1000
    return bool(abs((now.time_unix_usec - clock.time_unix_usec) / 1e6 - since_boot_s) < _SAME_BOOT_S)


def _reached(vehicle: Vehicle, survey: Mission, planned: list[PlannedPhoto]) -> list[PhotoRecord]:
    """The planned photos before the item that the vehicle has got to, when it holds this very mission."""
    current: Any = vehicle.request_once(42, "MISSION_CURRENT", 1.0)
    if current is None or (current.seq == 0 and getattr(current, "mission_state", 0) != _COMPLETE):
        return []
    items = wire_items(survey)[Kind.MISSION]
    if differences(Kind.MISSION, items, download(vehicle, Kind.MISSION)):
        raise BadInputError(
            "no photo log is there, and the mission on the vehicle is another one: give the log or the photos with --log"
        )
    return [
        PhotoRecord(photo.lat_deg, photo.lon_deg, alt_rel_m=photo.alt_rel_m, source="TRIGGER_MODEL")
        for photo in planned
        if current.seq == 0 or photo.item < current.seq
    ]
