"""Flying a survey: preflight, upload, arming after a clear yes, start, and watching until the vehicle is down.

Nothing here ever commands the vehicle because the program is interrupted: a mission under way goes on, or the vehicle returns,
by its own failsafe settings, which the message names.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagery.core.errors import BadInputError, LinkError
from imagery.core.photolog import PhotoRecord, read_photo_log
from imagery.core.progress import SILENT, Progress
from planner.drone import Drone
from planner.link.ground import Ground
from planner.link.lostlink import LostLink
from planner.link.preflight import Check, Verdict, preflight
from planner.link.recorder import PhotoRecorder
from planner.link.resume import missing
from planner.link.status import Status, request_streams, status, vehicle_time_s
from planner.link.storage import normalised, wire_items
from planner.link.tlog import TelemetryLog
from planner.link.transfer import upload_mission
from planner.link.triggers import planned_photos
from planner.link.vehicle import Vehicle, connect
from planner.link.wayleft import WayLeft
from planner.mission import Mission

__all__ = [
    "FlightLog",
    "StoppedWatching",
    "Watch",
    "abort",
    "flight_files",
    "flight_photos",
    "fly",
    "photos_counted",
    "photos_missing",
]

_LOOK_EVERY_S = 0.1
_STEADY_S = 2.0  # the mission must run this long (vehicle time) after the start
_CAMERA_CAPTURE_STATUS = 262
_COMPLETE = 5  # MISSION_STATE
_WARNING = 4  # MAV_SEVERITY


class StoppedWatching(LinkError):
    """Ctrl-C during a flight: nothing was commanded; the message says what the vehicle does now (exit code 130)."""

    exit_code = 130


@dataclass(frozen=True, slots=True)
class FlightLog:
    """How a flight went.

    Attributes: flown: False when the user said no; photos: logged in this flight; photos_planned: for it; photos_unreported:
    those logged by the plan's places because their message never came; photos_missing: of the whole survey, with all that
    is logged so far; ended_early: why, when the mission did not end by itself, else empty; duration_s: armed to disarmed on the
    vehicle's clock; photo_log, telemetry: the files; checks: the preflight's result.
    """

    flown: bool
    photos: int
    photos_planned: int
    photos_unreported: int
    photos_missing: int
    ended_early: str
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
    survey: Mission | None = None,
    taken: tuple[PhotoRecord, ...] = (),
    ground: Ground | None = None,
    drone: Drone | None = None,
    allow_real: bool = False,
    system: int | None = None,
    signing_key: Path | None = None,
    ready_timeout_s: float = 120.0,
    lost_timeout_s: float = 120.0,
    progress: Progress = SILENT,
    on_checks: Callable[[tuple[Check, ...]], None] = lambda _: None,
    on_event: Callable[[Status], None] | None = None,
) -> FlightLog:
    """Fly a mission from preflight to landing; photos.csv and flight-NN.tlog go to `out_dir`, appended as it happens.

    `confirm` is asked once, after preflight and upload and just before arming; `on_checks` gets the preflight's table, `on_event`
    the status several times a second. A vehicle that is not simulated is only armed with `allow_real`. With `survey`, the mission
    is the rest of that one: the log is continued, and photos `taken` that it does not hold count too. `ground`: the ground's
    heights, `drone`: the one planned for, where the plan knows them. Raises LinkError when the vehicle refuses, the link fails
    for longer than `lost_timeout_s`, or a preflight check fails; BadInputError for a mission that cannot be sent and, without
    `survey`, for a photo log that holds this flight already.
    """
    photo_log, telemetry = flight_files(out_dir, flight)
    if survey is None and flight_photos(photo_log, flight):
        raise BadInputError(
            f"{photo_log}: holds photos of flight {flight} already: `skyrelief resume` flies what is missing; "
            "to fly it all again give another folder with -o"
        )
    planned = planned_photos(mission)
    with TelemetryLog(telemetry) as log, connect(url, system=system, signing_key=signing_key, log=log) as vehicle:
        if not vehicle.ardupilot:
            raise LinkError(
                f"{url}: its autopilot is not ArduPilot: upload the flight, and start it with its own ground station"
            )
        if not vehicle.simulated and not allow_real:
            raise LinkError(f"{url} is a real vehicle (it has no SIM_SPEEDUP): give --arm to let this program arm it")
        request_streams(vehicle)
        with progress.stage("preflight") as _:
            checks = tuple(preflight(vehicle, mission, wait_s=ready_timeout_s, ground=ground, drone=drone))
        on_checks(checks)
        failed = [check for check in checks if check.verdict is Verdict.FAIL]
        if failed:
            raise LinkError(f"not ready to fly: {failed[0].name}: {failed[0].finding}; {failed[0].advice}")
        upload_mission(vehicle, mission, progress)  # reads back and compares
        progress.note(f"the mission on the vehicle equals the plan: {fingerprint(mission)}")
        lost_link = LostLink.of(vehicle)
        if not confirm():
            left = photos_missing(survey or mission, [*taken, *flight_photos(photo_log, flight)])
            return FlightLog(False, 0, len(planned), 0, left, "", 0.0, photo_log, telemetry, checks)
        recorder = PhotoRecorder(vehicle.link, photo_log, flight, planned=planned, counted=photos_counted(vehicle))
        watch = Watch(vehicle, recorder, mission, lost_link, lost_timeout_s)
        try:
            _start(vehicle)
            watch.until_down(progress, on_event)
        finally:
            recorder.close(photos_counted(vehicle) if watch.ended and not watch.ended_early else None)
        left = photos_missing(survey or mission, [*taken, *flight_photos(photo_log, flight)])
        return watch.log(photo_log, telemetry, left, checks)


def flight_files(out_dir: str | Path, flight: int) -> tuple[Path, Path]:
    """The photo log and the telemetry log of a flight."""
    return Path(out_dir) / "photos.csv", Path(out_dir) / f"flight-{flight:02d}.tlog"


def flight_photos(path: Path, flight: int) -> list[PhotoRecord]:
    """A flight's photos in a photo log, in the order in which they were taken; empty where there is no log yet."""
    if not path.exists():
        return []
    records = [record for record in read_photo_log(path) if record.flight in (flight, None)]
    return sorted(records, key=lambda record: record.seq or 0)


def fingerprint(mission: Mission) -> str:
    """A short hash of everything that is put on the vehicle, as it is stored there: equal for equal missions."""
    stored = [[normalised(kind, item) for item in items] for kind, items in wire_items(mission).items()]
    return hashlib.sha256(repr(stored).encode()).hexdigest()[:12]


def photos_missing(survey: Mission, taken: Sequence[PhotoRecord]) -> int:
    """How many of a survey's photos are missing."""
    return sum(stretch.photos for stretch in missing(survey, taken))


def abort(vehicle: Vehicle, how: str) -> None:
    """Tell a flying vehicle to `pause`, `rtl` (return and land) or `land` where it is. LinkError when it refuses."""
    if how == "pause":
        vehicle.pause()
    else:
        vehicle.set_mode(how.upper())


def photos_counted(vehicle: Vehicle) -> int | None:
    """How many photos the vehicle has taken since its boot; None when it does not tell."""
    answer: Any = vehicle.request_once(_CAMERA_CAPTURE_STATUS, "CAMERA_CAPTURE_STATUS", 0.5)
    return None if answer is None else int(answer.image_count)


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


class Watch:
    """Follows a flight until the vehicle is down.

    Attributes: ended: whether it is; ended_early: why, when the mission did not end by itself; duration_s: of the flight.
    """

    def __init__(
        self, vehicle: Vehicle, recorder: PhotoRecorder, mission: Mission, lost_link: LostLink, lost_timeout_s: float
    ) -> None:
        self.ended = False
        self.ended_early = ""
        self.duration_s = 0.0
        self._vehicle = vehicle
        self._recorder = recorder
        self._mission = mission
        self._planned = len(planned_photos(mission))
        self._way = WayLeft(mission)
        self._lost_link = lost_link
        self._lost_timeout_s = lost_timeout_s

    def until_down(self, progress: Progress = SILENT, on_event: Callable[[Status], None] | None = None) -> None:
        """Watch until the vehicle is disarmed. LinkError when the link is silent for too long, StoppedWatching at Ctrl-C."""
        vehicle, recorder = self._vehicle, self._recorder
        began, shown = vehicle_time_s(vehicle), 0
        said = len(vehicle.texts)
        last = status(vehicle)
        # Whoever takes the events shows the flight; a progress bar beside it would be in the way.
        shower = progress if on_event is None else SILENT
        try:
            with shower.stage("fly", self._planned or None, "photos") as advance:
                while vehicle.state.armed:
                    time.sleep(_LOOK_EVERY_S)
                    now = status(vehicle, recorder.photos, self._planned, self._way.seconds(vehicle))
                    if now.armed:
                        last = now
                    if on_event is not None:
                        on_event(now)
                    advance(recorder.photos - shown)
                    shown = recorder.photos
                    if now.link_age_s > self._lost_timeout_s:
                        raise LinkError(
                            f"the link has been silent for {now.link_age_s:.0f} s; {recorder.photos} photos are logged. "
                            f"Now {self._lost_link}. With a link again, `skyrelief resume` goes on logging or flies the rest"
                        )
        except KeyboardInterrupt:
            raise StoppedWatching(
                f"stopped watching; the vehicle was told nothing. {recorder.photos} photos are logged. Now {self._lost_link}. "
                "`skyrelief resume` goes on logging; `skyrelief fly ... --abort pause, rtl or land` stops the vehicle"
            ) from None
        self.duration_s = vehicle_time_s(vehicle) - began
        self.ended = True
        self.ended_early = _early_end(self._mission, last, list(vehicle.texts)[said:], vehicle)

    def log(self, photo_log: Path, telemetry: Path, photos_missing: int, checks: tuple[Check, ...] = ()) -> FlightLog:
        """The flight's log, once it has ended and the recorder is closed."""
        return FlightLog(
            flown=True,
            photos=self._recorder.photos,
            photos_planned=self._planned,
            photos_unreported=self._recorder.unreported,
            photos_missing=photos_missing,
            ended_early=self.ended_early,
            duration_s=self.duration_s,
            photo_log=photo_log,
            telemetry=telemetry,
            checks=checks,
        )


def _early_end(mission: Mission, last: Status, texts: list[tuple[int, str]], vehicle: Vehicle) -> str:
    """Why the mission did not end by itself, in the autopilot's words; empty when it did."""
    current: Any = vehicle.link.master.messages.get("MISSION_CURRENT")
    at_the_end = last.item == 0 or last.item >= len(mission.items) or getattr(current, "mission_state", 0) == _COMPLETE
    if last.mode == "AUTO" and at_the_end:
        return ""
    said = "; ".join(dict.fromkeys(text for severity, text in texts if severity <= _WARNING))
    return said or f"it was switched to {last.mode} mode" if last.mode != "AUTO" else said or "it disarmed on the way"
