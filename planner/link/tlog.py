"""The telemetry log (.tlog) that ground stations read: each MAVLink frame after its arrival time in microseconds."""

import os
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from imagery.core.files import explained_disk_errors

__all__ = ["TelemetryLog", "last_message"]

_LARGEST_FRAME = 280


class TelemetryLog:
    """A .tlog that grows while flying: each frame is handed to the system at once and forced to disk once a second.

    An existing file is continued; a last frame that an earlier crash left unfinished is removed first.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._file: BinaryIO | None = None
        self._closed = False
        self._synced = time.monotonic()

    def append(self, frame: bytes) -> None:
        """Add one frame with the present time."""
        with self._lock:
            if self._closed:
                return
            if self._file is None:
                self._open()
            assert self._file is not None
            self._file.write(struct.pack(">Q", time.time_ns() // 1000) + frame)
            if time.monotonic() - self._synced >= 1:
                self._sync()

    def close(self) -> None:
        """Force everything to disk and close; closing twice is harmless."""
        with self._lock:
            self._closed = True
            if self._file is not None and not self._file.closed:
                self._sync()
                self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> None:
        """Open at the first frame, so that a vehicle never heard leaves no empty file."""
        with explained_disk_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.exists():
                data = self.path.read_bytes()
                whole = sum(8 + len(frame) for _, frame in _frames(data))
                if len(data) - whole < 8 + _LARGEST_FRAME:  # else it holds what only others can read
                    os.truncate(self.path, whole)
            self._file = self.path.open("ab", buffering=0)

    def _sync(self) -> None:
        assert self._file is not None
        os.fsync(self._file.fileno())
        self._synced = time.monotonic()


def last_message(path: str | Path, message_id: int) -> Any | None:
    """The last message of a type in a telemetry log; None where there is none, or no log."""
    path = Path(path)
    if not path.exists():
        return None
    found = [frame for number, frame in _frames(path.read_bytes()) if number == message_id]
    return mavlink.MAVLink(None).decode(bytearray(found[-1])) if found else None


def _frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The whole frames of a telemetry log with their message numbers; ends at what is none."""
    at = 8
    while at + 8 <= len(data):
        if data[at] == 0xFD:
            length = 12 + data[at + 1] + (13 if data[at + 2] & 1 else 0)
            number = int.from_bytes(data[at + 7 : at + 10], "little")
        elif data[at] == 0xFE:
            length, number = 8 + data[at + 1], data[at + 5]
        else:
            return
        if at + length > len(data):
            return
        yield number, data[at : at + length]
        at += length + 8
