"""The photo log of a flight, written while it happens from what the autopilot says about each exposure.

The autopilot sends a CAMERA_FEEDBACK with the number of each photo, once. Where one is lost, on the air or because the next photo
came before it was sent, its number is missing in the sequence: the photo exists, and is logged where the plan has it, with
TRIGGER_MODEL as its source. A photo that was never taken leaves no gap in the numbers, and is not logged.
"""

import math
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from imagery.core.photolog import PhotoLogWriter, PhotoRecord, read_photo_log
from planner.link.connection import Connection
from planner.link.triggers import PlannedPhoto

__all__ = ["PhotoRecorder", "unreported"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLAUSIBLE_US = 1_000_000_000_000_000  # a smaller time counts from boot, not from 1970
_LATE_S = 2.0  # how long a message may be overtaken by others


class PhotoRecorder:
    """Appends a line to the photo log for every photo from now on; use as a context manager.

    A log that holds photos of this flight already is continued with the next sequence number.

    Attributes: photos: how many were logged; unreported: those of them whose message never came, placed by the plan.
    """

    def __init__(
        self,
        link: Connection,
        path: str | Path,
        flight: int = 1,
        *,
        planned: Sequence[PlannedPhoto] = (),
        counted: int | None = None,
        joined: bool = False,
    ) -> None:
        """`planned`: the mission's photos; `counted`: the number of the vehicle's last photo before, None when not known;
        `joined`: that photo is the log's last one, of the same flight.
        """
        path = Path(path)
        self.photos = 0
        self.unreported = 0
        self._flight = flight
        self._planned = planned
        last = _last_photo(path, flight)
        self._before = (last.seq or 0) if last else 0  # sequence numbers of this flight used already
        self._counted = counted  # the vehicle's number of the last photo that is settled
        self._offset: int | None = None if counted is None else self._before - counted
        self._last: PhotoRecord | None = last if joined and counted is not None else None
        self._waiting: dict[int, PhotoRecord] = {}
        self._waiting_since = math.inf
        self._triggers: list[PhotoRecord] = []
        self._clock_offset_us: int | None = None
        self._position: Any = None
        self._lock = threading.Lock()
        self._writer = PhotoLogWriter(path)
        self._stop = link.listen(
            self._receive, "CAMERA_FEEDBACK", "CAMERA_TRIGGER", "SYSTEM_TIME", "GLOBAL_POSITION_INT"
        )

    def close(self, counted: int | None = None) -> None:
        """Stop recording and force the log to disk; `counted` is the number of the vehicle's last photo, when known."""
        self._stop()
        with self._lock:
            self._settle(everything=True)
            if counted is not None and self._counted is not None and counted > self._counted:
                self._write_unreported(self._counted + 1, counted, None)
            self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _receive(self, message: Any) -> None:
        kind = message.get_type()
        if kind == "GLOBAL_POSITION_INT":
            self._position = message
        elif kind == "SYSTEM_TIME" and message.time_unix_usec > _PLAUSIBLE_US:
            self._clock_offset_us = message.time_unix_usec - 1000 * message.time_boot_ms
        with self._lock:
            if kind == "CAMERA_FEEDBACK":
                self._take(message)
            elif kind == "CAMERA_TRIGGER":
                self._note_trigger(message)
            if time.monotonic() - self._waiting_since > _LATE_S:
                self._settle(everything=True)

    def _take(self, message: Any) -> None:
        if self._counted is None or self._offset is None:
            self._counted = message.img_idx - 1
            self._offset = self._before - self._counted
        number = message.img_idx
        if number <= self._counted or number in self._waiting:
            return  # a repeated packet, or one so late that the photo is logged already
        self._waiting[number] = self._record(message, number + self._offset)
        if self._waiting_since == math.inf:
            self._waiting_since = time.monotonic()
        self._settle(everything=False)

    def _settle(self, *, everything: bool) -> None:
        """Log what waits: as far as the numbers follow each other, or all of it with the photos that are missing between."""
        for number in sorted(self._waiting):
            assert self._counted is not None
            if number > self._counted + 1:
                if not everything:
                    return
                self._write_unreported(self._counted + 1, number - 1, self._waiting[number])
            self._write(self._waiting.pop(number))
            self._counted = number
        self._waiting_since = math.inf

    def _write_unreported(self, first: int, last: int, after: PhotoRecord | None) -> None:
        assert self._offset is not None
        placed = unreported(self._planned, self._last, after, last - first + 1)
        for number, record in enumerate(placed, first + self._offset):
            self._write(replace(record, flight=self._flight, seq=number))
            self.unreported += 1

    def _write(self, record: PhotoRecord) -> None:
        self._last = record
        self.photos += 1
        self._writer.append(record)

    def _note_trigger(self, message: Any) -> None:
        """Autopilots without CAMERA_FEEDBACK announce photos by CAMERA_TRIGGER, without a place: that of the vehicle counts."""
        here = self._position
        if self._counted is not None or here is None:
            return
        self._before += 1
        self._write(
            PhotoRecord(
                lat=here.lat / 1e7,
                lon=here.lon / 1e7,
                time_utc=self._time(message.time_usec),
                alt_amsl_m=here.alt / 1000,
                alt_rel_m=here.relative_alt / 1000,
                yaw_deg=here.hdg / 100 if here.hdg < 36000 else None,
                flight=self._flight,
                seq=self._before,
                source="CAMERA_TRIGGER",
            )
        )

    def _record(self, message: Any, seq: int) -> PhotoRecord:
        return PhotoRecord(
            lat=message.lat / 1e7,
            lon=message.lng / 1e7,
            time_utc=self._time(message.time_usec),
            alt_amsl_m=message.alt_msl,
            alt_rel_m=message.alt_rel,
            roll_deg=message.roll,
            pitch_deg=message.pitch,
            yaw_deg=message.yaw % 360,
            flight=self._flight,
            seq=seq,
            source="CAMERA_FEEDBACK",
        )

    def _time(self, time_us: int) -> datetime:
        if time_us < _PLAUSIBLE_US:
            if self._clock_offset_us is None:
                return datetime.fromtimestamp(time.time(), UTC)
            time_us += self._clock_offset_us
        return _EPOCH + timedelta(microseconds=time_us)


def unreported(
    planned: Sequence[PlannedPhoto], before: PhotoRecord | None, after: PhotoRecord | None, count: int
) -> list[PhotoRecord]:
    """Where `count` photos were taken between two known ones (None: before the first, after the last), by the plan.

    They lie on the plan's photos between the ones nearest to the known two, evenly where the numbers differ, shifted by what
    the known ones are off. Times are interpolated. Without a plan and with less than both neighbours nothing can be said.
    """
    if not planned and (before is None or after is None):
        return []
    ends = [end for end in (before, after) if end is not None]
    plan = np.array(
        [(p.lat_deg, p.lon_deg, p.alt_rel_m) for p in planned] if planned else [_place(end) for end in ends]
    )
    indices = [int(np.argmin(((plan - _place(end))[:, :2] ** 2).sum(axis=1))) for end in ends] if planned else [0, 1]
    offsets = [np.array(_place(end)) - plan[k] for end, k in zip(ends, indices, strict=True)]
    steps = np.arange(1, count + 1)
    if len(ends) == 2:
        weight = steps / (count + 1)
        at = indices[0] + weight * (indices[1] - indices[0])
        off = (1 - weight)[:, None] * offsets[0] + weight[:, None] * offsets[1]
    else:
        first = indices[0] + 1 if before is not None else indices[0] - count if after is not None else 0
        at = np.clip(first + steps - 1, 0, len(plan) - 1)
        off = np.broadcast_to(offsets[0] if offsets else np.zeros(3), (count, 3))
    places = np.column_stack([np.interp(at, range(len(plan)), column) for column in plan.T]) + off
    above_sea = [
        end.alt_amsl_m - end.alt_rel_m for end in ends if end.alt_amsl_m is not None and end.alt_rel_m is not None
    ]
    return [
        PhotoRecord(
            lat=float(lat),
            lon=float(lon),
            time_utc=_between(before, after, k / (count + 1)),
            alt_amsl_m=float(up) + above_sea[0] if above_sea else None,
            alt_rel_m=float(up),
            source="TRIGGER_MODEL",
        )
        for k, (lat, lon, up) in enumerate(places.tolist(), 1)
    ]


def _place(record: PhotoRecord) -> tuple[float, float, float]:
    return record.lat, record.lon, record.alt_rel_m or 0.0


def _between(before: PhotoRecord | None, after: PhotoRecord | None, share: float) -> datetime | None:
    if before is None or after is None or before.time_utc is None or after.time_utc is None:
        return None
    return before.time_utc + share * (after.time_utc - before.time_utc)


def _last_photo(path: Path, flight: int) -> PhotoRecord | None:
    if not path.exists():
        return None
    own = (record for record in read_photo_log(path) if record.flight == flight)
    return max(own, key=lambda record: record.seq or 0, default=None)
