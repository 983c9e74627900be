"""Positions for photos that have none, from what logged the exposures: photos.csv, a .tlog or a DataFlash .bin."""

import math
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from imagery.core.errors import BadInputError, NotEnoughDataError
from imagery.core.exif_writer import with_position
from imagery.core.files import atomic_path
from imagery.core.photo import Photo, list_photos, read_photo
from imagery.core.photolog import PhotoRecord, read_photo_log, write_photo_log
from imagery.core.progress import SILENT, Progress
from imagery.shot_times import Match, match_times

__all__ = ["Geotagged", "geotag", "match_photos", "read_exposures"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GPS_EPOCH = datetime(1980, 1, 6, tzinfo=UTC)
_LEAP_S = 18  # GPS ahead of UTC, since 2017
_PLAUSIBLE_US = 1_000_000_000_000_000  # a smaller time counts from boot, not from 1970
_WHOLE_SECONDS_S, _FINE_S = 0.75, 0.4  # how far from its exposure a photo's time may be, by the resolution of its clock
_LEAST_SHARE, _LEAST_LEAD = 0.6, 0.03
_CHANCE = 0.5  # of the tolerance: residuals of photos that meet exposures by chance spread evenly, to 0.58 of it
_MOST_DRIFT = 1.5e-3  # a camera's clock is never so bad
_DEGREE_M, _FAR_M = 111_195.0, 500.0
_JPEG = frozenset({".jpg", ".jpeg"})


@dataclass(frozen=True, slots=True)
class Geotagged:
    """How photos and log fit together.

    Attributes: records: the log's exposures in the order of time, `file` set where a photo was found; matched: how many; photos,
    exposures: how many there are; clock_offset_s: of UTC to the camera's clock at the first photo, None when matched by order;
    drift: by how much that clock runs slow, seconds per second; residual_s: root mean square of the time differences left;
    unmatched: photos without an exposure.
    """

    records: tuple[PhotoRecord, ...]
    matched: int
    photos: int
    exposures: int
    clock_offset_s: float | None
    drift: float
    residual_s: float | None
    unmatched: tuple[str, ...]


def geotag(
    photos: str | Path, log: str | Path, out: str | Path, *, offset_s: float | None = None, progress: Progress = SILENT
) -> Geotagged:
    """Copy the photos that belong to a log's exposures to `out`, with position, height and direction; write photos.csv there.

    The originals are not touched, and neither is a pixel of the copies. `offset_s`: UTC minus the camera's clock, where it is
    known. Raises BadInputError for what cannot be read, and NotEnoughDataError when the match is doubtful.
    """
    folder, out = Path(photos), Path(out)
    if out.resolve() == folder.resolve() or folder.resolve() in out.resolve().parents:
        raise BadInputError(f"{out}: lies within the photos: choose another output, the originals are not touched")
    paths = list_photos(folder)
    with progress.stage("reading photos' heads", len(paths), "photos") as advance:
        heads = []
        for path in paths:
            heads.append(read_photo(path))
            advance(1)
    found = match_photos(
        heads, read_exposures(log), names=[p.relative_to(folder).as_posix() for p in paths], offset_s=offset_s
    )
    with progress.stage("writing copies", found.matched, "photos") as advance:
        for record in found.records:
            if record.file is not None:
                _write_copy(folder / record.file, out / record.file, record)
                advance(1)
    write_photo_log(out / "photos.csv", found.records)
    return found


def match_photos(
    photos: Sequence[Photo], exposures: Sequence[PhotoRecord], *, names: Sequence[str], offset_s: float | None = None
) -> Geotagged:
    """Find the exposure of each photo by sequence and time. Raises NotEnoughDataError when it is doubtful, and says why.

    Photos without a time are matched by their order, which needs as many photos as exposures.
    """
    records = _timed(exposures)
    if not photos or not records:
        raise NotEnoughDataError(f"{len(photos)} photos and {len(records)} logged exposures: nothing to match")
    if any(photo.time is None for photo in photos) or any(record.time_utc is None for record in records):
        return _by_order(exposures, names)
    when = np.array([_seconds(photo.time) for photo in photos])
    order = np.argsort(when, kind="stable")
    times = np.array([_seconds(record.time_utc) for record in records])
    tolerance_s = _WHOLE_SECONDS_S if np.allclose(when % 1, 0) else _FINE_S
    match = match_times(when[order], times, tolerance_s, offset_s)
    count = 0 if match is None else len(match.pairs)
    fewer = min(len(photos), len(records))
    if match is None or count < max(_LEAST_SHARE * fewer, 2):
        raise NotEnoughDataError(
            f"the match is doubtful: at best {count} of {len(photos)} photos meet one of {len(records)} exposures. "
            "Is it the log of these photos? If the camera's clock is known, give --offset"
        )
    _check_plausible(match, tolerance_s, [photos[k] for k in order], records)
    everything = count == len(photos) == len(records)
    if match.rival > 1 - _LEAST_LEAD and not everything and offset_s is None:
        raise NotEnoughDataError(
            f"the match is doubtful: {count} of {len(photos)} photos meet an exposure with the camera's clock off by "
            f"{match.offset_s:.1f} s, but another offset fits as well. Give --offset with the true one"
        )
    tagged = list(records)
    for photo, exposure in match.pairs.tolist():
        tagged[exposure] = replace(tagged[exposure], file=names[order[photo]])
    left = sorted(set(range(len(photos))) - {int(order[photo]) for photo in match.pairs[:, 0]})
    return Geotagged(
        tuple(tagged), count, len(photos), len(records), match.offset_s, match.drift, match.residual_s,
        tuple(names[k] for k in left),
    )  # fmt: skip


def _check_plausible(match: Match, tolerance_s: float, photos: Sequence[Photo], records: Sequence[PhotoRecord]) -> None:
    """Raise NotEnoughDataError for a match that chance alone makes as well, or that the photos' own positions contradict."""
    if match.residual_s > _CHANCE * tolerance_s or abs(match.drift) > _MOST_DRIFT:
        raise NotEnoughDataError(
            f"the match is doubtful: {len(match.pairs)} photos meet an exposure, but with differences of {match.residual_s:.2f} s"
            f" and a clock that drifts {1e6 * -match.drift:+.0f} ppm, as photos of another flight would. Is it the log of these"
            " photos?"
        )
    apart = [
        math.hypot((photo.lat - record.lat), (photo.lon - record.lon) * math.cos(math.radians(record.lat))) * _DEGREE_M
        for photo, record in ((photos[p], records[e]) for p, e in match.pairs.tolist())
        if photo.lat is not None and photo.lon is not None
    ]
    if len(apart) >= 3 and (away := float(np.median(apart))) > _FAR_M:
        raise NotEnoughDataError(
            f"the photos' own positions lie {away / 1000:,.1f} km from where the log has them: it is the log of another flight"
        )


def _by_order(exposures: Sequence[PhotoRecord], names: Sequence[str]) -> Geotagged:
    if len(names) != len(exposures):
        raise NotEnoughDataError(
            f"{len(names)} photos and {len(exposures)} exposures, and times are missing: by their order alone they cannot be "
            "matched unless there are as many of each; remove the photos that were not taken in flight"
        )
    records = tuple(replace(record, file=name) for record, name in zip(exposures, names, strict=True))
    return Geotagged(records, len(names), len(names), len(names), None, 0.0, None, ())


def _timed(exposures: Sequence[PhotoRecord]) -> list[PhotoRecord]:
    """The exposures in the order of time; those without one are left out where others have it."""
    timed = [record for record in exposures if record.time_utc is not None]
    return sorted(timed, key=lambda record: _seconds(record.time_utc)) if timed else list(exposures)


def _seconds(time: datetime | None) -> float:
    assert time is not None
    return (time if time.tzinfo is not None else time.replace(tzinfo=UTC)).timestamp()


def _write_copy(source: Path, target: Path, record: PhotoRecord) -> None:
    with atomic_path(target) as temporary:
        if source.suffix.lower() not in _JPEG:
            shutil.copyfile(source, temporary)  # its position is in photos.csv
            return
        angles = {
            "FlightRollDegree": record.roll_deg,
            "FlightPitchDegree": record.pitch_deg,
            "FlightYawDegree": _half_turn(record),
        }
        entries = {name: f"{value:+.2f}" for name, value in angles.items() if value is not None}
        if record.alt_rel_m is not None:
            entries["RelativeAltitude"] = f"{record.alt_rel_m:+.3f}"
        try:
            tagged = with_position(
                source.read_bytes(),
                record.lat,
                record.lon,
                record.alt_amsl_m,
                direction_deg=record.yaw_deg,
                time_utc=record.time_utc,
                xmp=entries,
            )
        except BadInputError as error:
            raise BadInputError(f"{source}: {error}") from None
        temporary.write_bytes(tagged)


def _half_turn(record: PhotoRecord) -> float | None:
    return None if record.yaw_deg is None else (record.yaw_deg + 180) % 360 - 180


# --- logs


def read_exposures(path: str | Path) -> list[PhotoRecord]:
    """The exposures in a photo log, in the CAMERA_FEEDBACK messages of a .tlog or in the CAM messages of a DataFlash .bin.

    Raises BadInputError for a file that cannot be read and NotEnoughDataError when it holds no exposure.
    """
    path = Path(path)
    if not path.is_file():
        raise BadInputError(f"{path}: no such log")
    readers = {".csv": read_photo_log, ".tlog": _read_tlog, ".bin": _read_dataflash}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise BadInputError(f"{path}: not a log that is known here; give photos.csv, a .tlog or a DataFlash .bin")
    records = list(reader(path))
    if not records:
        raise NotEnoughDataError(f"{path}: it tells of no photo (no CAMERA_FEEDBACK, CAM or TRIG message)")
    return records


def _read_tlog(path: Path) -> Iterator[PhotoRecord]:
    from pymavlink import mavutil

    log = mavutil.mavlink_connection(str(path), dialect="ardupilotmega")
    boot_us: int | None = None
    last = (-1, -1)
    try:
        while (message := log.recv_match(type=["CAMERA_FEEDBACK", "SYSTEM_TIME"])) is not None:
            if message.get_type() == "SYSTEM_TIME":
                if message.time_unix_usec > _PLAUSIBLE_US:
                    boot_us = message.time_unix_usec - 1000 * message.time_boot_ms
            elif (message.img_idx, message.time_usec) != last:  # a repeated packet
                last = (message.img_idx, message.time_usec)
                time_us = message.time_usec
                if time_us < _PLAUSIBLE_US:
                    time_us = time_us + boot_us if boot_us is not None else round(message._timestamp * 1e6)
                yield PhotoRecord(
                    message.lat / 1e7,
                    message.lng / 1e7,
                    _EPOCH + timedelta(microseconds=time_us),
                    *(message.alt_msl, message.alt_rel, message.roll, message.pitch, message.yaw % 360),
                    seq=message.img_idx,
                    source="CAMERA_FEEDBACK",
                )
    finally:
        log.close()


def _read_dataflash(path: Path) -> Iterator[PhotoRecord]:
    from pymavlink import DFReader

    found: dict[str, list[Any]] = {"CAM": [], "TRIG": []}
    with (
        Path(os.devnull).open("w") as nowhere,
        redirect_stdout(nowhere),
        redirect_stderr(nowhere),
    ):  # it prints what it skips
        try:
            log = DFReader.DFReader_binary(str(path))
        except Exception as error:  # it fails on what is no log in ways of its own
            raise BadInputError(f"{path}: not a DataFlash log ({str(error)[:80] or type(error).__name__})") from None
        try:
            while (message := log.recv_match(type=["CAM", "TRIG"])) is not None:
                found[message.get_type()].append(message)
        finally:
            log.close()
    messages = found["CAM"] or found["TRIG"]  # CAM is the shutter itself where the camera reports it
    first = min((getattr(message, "I", 0) for message in messages), default=0)
    messages = [message for message in messages if getattr(message, "I", 0) == first]
    # A message's GPS time is that of the last fix, up to 0.2 s old; the clock since boot is exact. The freshest fix ties them.
    boot_s = max((_gps_s(message) - message.TimeUS / 1e6 for message in messages if message.GPSWeek), default=None)
    for number, message in enumerate(messages, 1):
        yield PhotoRecord(
            message.Lat,
            message.Lng,
            None if boot_s is None else _GPS_EPOCH + timedelta(seconds=boot_s + message.TimeUS / 1e6 - _LEAP_S),
            *(message.Alt, getattr(message, "RelAlt", math.nan), message.R, message.P, message.Y % 360),
            seq=getattr(message, "Img", number),
            source=message.get_type(),
        )


def _gps_s(message: Any) -> float:
    """Seconds since the GPS epoch."""
    return 604_800.0 * message.GPSWeek + message.GPSTime / 1000
