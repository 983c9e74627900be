"""The telemetry log (.tlog) that ground stations read: each MAVLink frame after its arrival time in microseconds."""

import os
import struct
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from imagery.core.files import explained_disk_errors

__all__ = ["TelemetryLog"]


class TelemetryLog:
    """A .tlog that grows while flying; a crash loses at most the last second. Continues an existing file."""

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
            self._file = self.path.open("ab")

    def _sync(self) -> None:
        assert self._file is not None
        self._file.flush()
        os.fsync(self._file.fileno())
        self._synced = time.monotonic()
