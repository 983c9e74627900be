"""The photo log of a flight, written while it happens from what the autopilot says about each exposure."""

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from imagery.core.photolog import PhotoLogWriter, PhotoRecord
from planner.link.connection import Connection

__all__ = ["PhotoRecorder"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLAUSIBLE_US = 1_000_000_000_000_000  # a smaller time counts from boot, not from 1970


class PhotoRecorder:
    """Appends a line to the photo log for every CAMERA_FEEDBACK from now on; use as a context manager.

    Attributes: photos: how many were logged; missed: how many the autopilot counted whose message never came.
    """

    def __init__(self, link: Connection, path: str | Path, flight: int = 1) -> None:
        self.photos = 0
        self.missed = 0
        self._flight = flight
        self._last_index: int | None = None
        self._seen: set[int] = set()
        self._clock_offset_us: int | None = None
        self._lock = threading.Lock()
        self._writer = PhotoLogWriter(path)
        self._stop = link.listen(self._receive, "CAMERA_FEEDBACK", "SYSTEM_TIME")

    def close(self) -> None:
        """Stop recording and force the log to disk."""
        self._stop()
        with self._lock:
            self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _receive(self, message: Any) -> None:
        if message.get_type() == "SYSTEM_TIME":
            if message.time_unix_usec > _PLAUSIBLE_US:
                self._clock_offset_us = message.time_unix_usec - 1000 * message.time_boot_ms
            return
        with self._lock:
            if message.img_idx in self._seen:
                return  # a repeated packet
            self._seen.add(message.img_idx)
            if self._last_index is not None:
                self.missed += max(message.img_idx - self._last_index - 1, 0)
                if message.img_idx < self._last_index:
                    self.missed = max(self.missed - 1, 0)  # a late one, counted as missed before
            self._last_index = max(message.img_idx, self._last_index or 0)
            self.photos += 1
            self._writer.append(self._record(message))

    def _record(self, message: Any) -> PhotoRecord:
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
            seq=message.img_idx,
            source="CAMERA_FEEDBACK",
        )

    def _time(self, time_us: int) -> datetime:
        if time_us < _PLAUSIBLE_US:
            if self._clock_offset_us is None:
                return datetime.fromtimestamp(time.time(), UTC)
            time_us += self._clock_offset_us
        return _EPOCH + timedelta(microseconds=time_us)
