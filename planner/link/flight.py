"""Flying a survey: preflight, upload, arming after a clear yes, start, and watching until the vehicle is down.

Nothing here ever commands the vehicle because the program is interrupted: a mission under way goes on, or the vehicle returns,
by its own failsafe settings, and `on_interruption` says which.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagery.core.errors import BadInputError, LinkError
from imagery.core.photolog import read_photo_log
from imagery.core.progress import SILENT, Progress
from planner.link.preflight import Check, Verdict, preflight
from planner.link.recorder import PhotoRecorder
from planner.link.tlog import TelemetryLog
from planner.link.transfer import upload_mission
from planner.link.triggers import planned_photos
from planner.link.vehicle import Vehicle, connect
from planner.mission import Mission

__all__ = ["FlightLog", "Status", "StoppedWatching", "abort", "fly", "on_interruption", "request_streams", "status"]

_GLOBAL_POSITION_INT, _MISSION_CURRENT, _SYS_STATUS, _GPS_RAW_INT, _SYSTEM_TIME, _VFR_HUD, _ATTITUDE = (
    33,
    42,
    1,
    24,
    2,
    74,
    30,
)
_STREAMS_HZ = {
    _GLOBAL_POSITION_INT: 4.0,
    _MISSION_CURRENT: 2.0,
    _SYS_STATUS: 1.0,
    _GPS_RAW_INT: 1.0,
    _SYSTEM_TIME: 1.0,
    _VFR_HUD: 2.0,
    _ATTITUDE: 2.0,
}
_LOOK_EVERY_S = 0.1
_STEADY_S = 2.0  # the mission must run this long (vehicle time) after the start


class StoppedWatching(LinkError):
    """Ctrl-C during a flight: nothing was commanded; the message says what the vehicle does now (exit code 130)."""

    exit_code = 130


@dataclass(frozen=True, slots=True)
class Status:
    """A vehicle in flight at one moment; None where it has not told yet.

    Attributes: link_age_s: since its last message; link_loss: share of its messages lost; item, items: of the mission; time_s: of
    the vehicle's clock since boot.
    """

    mode: str
    armed: bool
    lat_deg: float | None
    lon_deg: float | None
    alt_rel_m: float | None
    speed_m_s: float | None
    battery_percent: int | None
    battery_v: float | None
    satellites: int | None
    item: int
    items: int
    photos: int
    photos_planned: int
    time_s: float
    link_age_s: float
    link_loss: float
    text: str


@dataclass(frozen=True, slots=True)
class FlightLog:
    """How a flight went.

    Attributes: flown: False when the user said no; photos: logged; photos_missed: counted by the autopilot without a message;
    duration_s: armed to disarmed on the vehicle's clock; photo_log, telemetry: the files; checks: the preflight's result.
    """

    flown: bool
    photos: int
    photos_planned: int
    photos_missed: int
    duration_s: float
    photo_log: Path
    telemetry: Path
    checks: tuple[Check, ...]


def fly(
    mission: Mission,
    url: str,
    out_dir: str | Path,
    *,
    confirm: Callable[[], bool],
    flight: int = 1,
    allow_real: bool = False,
    system: int | None = None,
    ready_timeout_s: float = 120.0,
    lost_timeout_s: float = 120.0,
    progress: Progress = SILENT,
    on_checks: Callable[[tuple[Check, ...]], None] = lambda _: None,
    on_event: Callable[[Status], None] | None = None,
) -> FlightLog:
    """Fly a mission from preflight to landing; photos.csv and flight-NN.tlog go to `out_dir`, appended as it happens.

    `confirm` is asked once, after preflight and upload and just before arming; `on_checks` gets the preflight's table, `on_event`
    the status several times a second. A vehicle that is not simulated is only armed with `allow_real`. Raises LinkError when the
    vehicle refuses, the link fails for longer than `lost_timeout_s`, or a preflight check fails; BadInputError for a mission that
    cannot be sent and for a photo log that holds this flight already.
    """
    out_dir = Path(out_dir)
    photo_log, telemetry = out_dir / "photos.csv", out_dir / f"flight-{flight:02d}.tlog"
    if photo_log.exists() and any(record.flight == flight for record in read_photo_log(photo_log)):
        raise BadInputError(f"{photo_log}: holds photos of flight {flight} already: give another folder with -o")
    planned = len(planned_photos(mission))
    with TelemetryLog(telemetry) as log, connect(url, system=system, log=log) as vehicle:
        if not vehicle.ardupilot:
            raise LinkError(
                f"{url}: its autopilot is not ArduPilot: upload the flight, and start it with its own ground station"
            )
        if not vehicle.simulated and not allow_real:
            raise LinkError(f"{url} is a real vehicle (it has no SIM_SPEEDUP): give --arm to let this program arm it")
        request_streams(vehicle)
        with progress.stage("preflight") as _:
            checks = tuple(preflight(vehicle, mission, wait_s=ready_timeout_s))
        on_checks(checks)
        failed = [check for check in checks if check.verdict is Verdict.FAIL]
        if failed:
            raise LinkError(f"not ready to fly: {failed[0].name}: {failed[0].finding}; {failed[0].advice}")
        upload_mission(vehicle, mission, progress)
        if not confirm():
            return FlightLog(False, 0, planned, 0, 0.0, photo_log, telemetry, checks)
        with PhotoRecorder(vehicle.link, photo_log, flight) as recorder:
            try:
                _start(vehicle)
                duration_s = _watch(
                    vehicle, recorder, planned, lost_timeout_s=lost_timeout_s, progress=progress, on_event=on_event
                )
            except KeyboardInterrupt:
                raise StoppedWatching(
                    f"stopped watching; the vehicle was told nothing. {recorder.photos} photos are logged in {photo_log}. "
                    f"Now {on_interruption(vehicle)}. To stop it: skyrelief fly ... --abort pause, rtl or land"
                ) from None
        return FlightLog(True, recorder.photos, planned, recorder.missed, duration_s, photo_log, telemetry, checks)


def status(vehicle: Vehicle, photos: int = 0, photos_planned: int = 0) -> Status:
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
        speed_m_s=state.groundspeed,
        battery_percent=state.battery.level if state.battery else None,
        battery_v=state.battery.voltage if state.battery else None,
        satellites=state.gps_0.satellites_visible if state.gps_0 else None,
        item=current.seq if current else 0,
        items=getattr(current, "total", 0) if current else 0,
        photos=photos,
        photos_planned=photos_planned,
        time_s=_vehicle_time(vehicle),
        link_age_s=time.monotonic() - vehicle.link.last_heard,
        link_loss=master.packet_loss() / 100,
        text=vehicle.texts[-1][1] if vehicle.texts else "",
    )


def abort(vehicle: Vehicle, how: str) -> None:
    """Tell a flying vehicle to `pause`, `rtl` (return and land) or `land` where it is. LinkError when it refuses."""
    if how == "pause":
        vehicle.pause()
    else:
        vehicle.set_mode(how.upper())


def on_interruption(vehicle: Vehicle) -> str:
    """What the vehicle does now that nobody listens to it, by its own failsafe settings."""
    enabled, options = vehicle.parameter("FS_GCS_ENABLE", tries=2), vehicle.parameter("FS_OPTIONS", tries=2)
    if enabled is None:
        return "the vehicle's failsafe settings are not known; watch it"
    if not enabled or (vehicle.state.mode.name == "AUTO" and int(options or 0) & 2):
        return "the mission goes on without a ground station (FS_GCS_ENABLE, FS_OPTIONS) and ends by itself"
    what = {1: "returns home and lands", 5: "lands where it is"}.get(
        int(enabled), "acts on its ground station failsafe"
    )
    return f"the vehicle {what} about 5 s after this program ends (FS_GCS_ENABLE {enabled:.0f})"


def request_streams(vehicle: Vehicle) -> None:
    """Ask for the messages that a status is made of."""
    for message, hz in _STREAMS_HZ.items():
        vehicle.request_message(message, hz)


def _start(vehicle: Vehicle) -> None:
    """Arm in GUIDED and start the mission; ArduPilot disarms again when that takes too long, so it is tried twice."""
    vehicle.set_mode("GUIDED")
    for attempt in range(2):
        vehicle.arm()
        vehicle.start_mission()
        time.sleep(vehicle.seconds(_STEADY_S))
        if vehicle.state.armed and vehicle.state.mode.name == "AUTO":
            return
        if attempt == 0:
            vehicle.set_mode("GUIDED")
    raise LinkError(f"the mission did not start: {vehicle.last_complaint() or 'the vehicle disarmed again'}")


def _watch(
    vehicle: Vehicle,
    recorder: PhotoRecorder,
    planned: int,
    *,
    lost_timeout_s: float,
    progress: Progress,
    on_event: Callable[[Status], None] | None,
) -> float:
    """Follow the flight until the vehicle is disarmed; its duration on the vehicle's clock."""
    began = _vehicle_time(vehicle)
    shown = 0
    # Whoever takes the events shows the flight; a progress bar beside it would be in the way.
    shower = progress if on_event is None else SILENT
    with shower.stage("fly", planned or None, "photos") as advance:
        while vehicle.state.armed:
            time.sleep(_LOOK_EVERY_S)
            now = status(vehicle, recorder.photos, planned)
            if on_event is not None:
                on_event(now)
            if recorder.photos > shown:
                advance(recorder.photos - shown)
                shown = recorder.photos
            if now.link_age_s > lost_timeout_s:
                raise LinkError(
                    f"the link has been silent for {now.link_age_s:.0f} s; {recorder.photos} photos are logged. "
                    f"{on_interruption(vehicle)}"
                )
    return _vehicle_time(vehicle) - began


def _vehicle_time(vehicle: Vehicle) -> float:
    """Seconds since the vehicle's boot, from its latest message that says so."""
    messages: dict[str, Any] = vehicle.link.master.messages
    times = [
        messages[kind].time_boot_ms for kind in ("GLOBAL_POSITION_INT", "ATTITUDE", "SYSTEM_TIME") if kind in messages
    ]
    return max(times, default=0) / 1000
