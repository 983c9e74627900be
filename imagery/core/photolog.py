"""The photo log `photos.csv`: one line per exposure, written while flying and read by geotagging, gaps and resume."""

import csv
import io
import math
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from imagery.core.errors import BadInputError, OutputError
from imagery.core.files import explained_disk_errors, write_text

__all__ = ["COLUMNS", "PhotoLogWriter", "PhotoRecord", "read_photo_log", "write_photo_log"]

COLUMNS = (
    "time_utc",
    "lat",
    "lon",
    "alt_amsl_m",
    "alt_rel_m",
    "roll_deg",
    "pitch_deg",
    "yaw_deg",
    "flight",
    "seq",
    "source",
    "file",
)
_DECIMALS = {"lat": 8, "lon": 8, "alt_amsl_m": 3, "alt_rel_m": 3, "roll_deg": 3, "pitch_deg": 3, "yaw_deg": 3}
_LIMITS = {"lat": 90.0, "lon": 180.0, "alt_amsl_m": 30000.0, "alt_rel_m": 30000.0}


@dataclass(frozen=True, slots=True)
class PhotoRecord:
    """One exposure; None where the source does not know.

    Attributes: time_utc: aware, UTC; lat, lon: WGS 84 degrees; alt_amsl_m: above mean sea level; alt_rel_m: above home;
    roll_deg, pitch_deg, yaw_deg: the aircraft's attitude, yaw clockwise from north; flight: 1..; seq: counts the exposures of a
    flight; source: what reported it, such as "CAMERA_FEEDBACK"; file: the photo's name once it is known.
    """

    lat: float
    lon: float
    time_utc: datetime | None = None
    alt_amsl_m: float | None = None
    alt_rel_m: float | None = None
    roll_deg: float | None = None
    pitch_deg: float | None = None
    yaw_deg: float | None = None
    flight: int | None = None
    seq: int | None = None
    source: str = ""
    file: str | None = None


def read_photo_log(path: str | Path) -> list[PhotoRecord]:
    """Every exposure of a photo log in the file's order.

    Only `lat` and `lon` must be there; columns may come in any order, and others are ignored. A last line that a crash left
    unfinished is dropped. Anything else that cannot be read raises BadInputError naming the line.
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise BadInputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise BadInputError(f"{path}: not a photo log: it is not UTF-8 text") from error
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise BadInputError(f"{path}: the photo log is empty")
    rows = csv.reader(io.StringIO(text), delimiter=max(",;\t", key=lines[0].count))
    header = [name.strip().lower() for name in next(rows, [])]
    missing = [name for name in ("lat", "lon") if name not in header]
    if missing:
        raise BadInputError(
            f"{path}: not a photo log: no column {' nor '.join(missing)}; it needs {', '.join(COLUMNS)}"
        )
    unfinished_end = not text.endswith(("\n", "\r"))
    records = []
    for row in rows:
        if not any(cell.strip() for cell in row):
            continue
        if unfinished_end and len(row) < len(header) and rows.line_num == len(text.splitlines()):
            break
        records.append(_record(dict(zip(header, row, strict=False)), f"{path}, line {rows.line_num}"))
    return records


def write_photo_log(path: str | Path, records: Iterable[PhotoRecord]) -> None:
    """Write a whole photo log atomically."""
    write_text(path, ",".join(COLUMNS) + "\n" + "".join(_line(record) for record in records))


class PhotoLogWriter:
    """A photo log that grows while flying and survives a crash: each line is handed to the system at once and forced to disk
    at least once a second.

    An existing log is continued; a last line that an earlier crash left unfinished is removed first. Use as a context manager.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with explained_disk_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._repair()
            self._file = self.path.open("ab", buffering=0)
        self._synced = -math.inf
        if self._file.tell() == 0:
            self._write(",".join(COLUMNS) + "\n")

    def append(self, record: PhotoRecord) -> None:
        """Add one exposure."""
        self._write(_line(record))

    def close(self) -> None:
        """Force everything to disk and close; closing twice is harmless."""
        if not self._file.closed:
            try:
                os.fsync(self._file.fileno())
            finally:
                self._file.close()

    def __enter__(self) -> "PhotoLogWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, text: str) -> None:
        try:
            with explained_disk_errors(self.path):
                data = text.encode()
                while data:
                    data = data[self._file.write(data) :]
                if time.monotonic() - self._synced >= 1:
                    os.fsync(self._file.fileno())
                    self._synced = time.monotonic()
        except OutputError:
            self._file.close()
            raise

    def _repair(self) -> None:
        if not self.path.is_file():
            return
        data = self.path.read_bytes()
        kept = data[: data.rfind(b"\n") + 1]
        header = kept.split(b"\n")[0].strip().decode("utf-8", "replace")
        if kept and header != ",".join(COLUMNS):
            raise BadInputError(f"{self.path}: is not a photo log written by this program; choose another file")
        if len(kept) < len(data):
            os.truncate(self.path, len(kept))


def _record(cells: dict[str, str], where: str) -> PhotoRecord:
    cells = {name: cell.strip() for name, cell in cells.items()}
    values: dict[str, Any] = {name: _number(cells.get(name, ""), name, where) for name in _DECIMALS}
    for name in ("lat", "lon"):
        if values[name] is None:
            raise BadInputError(f"{where}: {name} is missing")
    for name in ("flight", "seq"):
        value = _number(cells.get(name, ""), name, where)
        values[name] = None if value is None else int(value)
    return PhotoRecord(
        **values,
        time_utc=_time(cells.get("time_utc", ""), where),
        source=cells.get("source", ""),
        file=cells.get("file") or None,
    )


def _number(cell: str, name: str, where: str) -> float | None:
    if cell.lower() in ("", "nan", "none", "null"):
        return None
    try:
        value = float(cell)
    except ValueError:
        raise BadInputError(f"{where}: {name} is {cell!r}, not a number") from None
    if not math.isfinite(value) or abs(value) > _LIMITS.get(name, math.inf):
        raise BadInputError(f"{where}: {name} is {cell}, outside its range")
    return value


def _time(cell: str, where: str) -> datetime | None:
    if not cell:
        return None
    try:
        value = datetime.fromisoformat(cell)
    except ValueError:
        raise BadInputError(f"{where}: time_utc is {cell!r}, not a time such as 2026-05-01T12:00:00.250Z") from None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _line(record: PhotoRecord) -> str:
    cells = []
    for name in COLUMNS:
        value = getattr(record, name)
        if value is None:
            cells.append("")
        elif name == "time_utc":
            # A time without zone is taken for UTC, as when reading.
            utc = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
            cells.append(utc.isoformat(timespec="milliseconds").replace("+00:00", "Z"))
        elif name in _DECIMALS:
            cells.append(f"{value:.{_DECIMALS[name]}f}")
        else:
            cells.append(str(value))
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue()
