"""Photos matched to a flight's log: by time, whatever the camera's clock says and whatever is missing on either side."""

import io
import json
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imagery.core.errors import BadInputError, NotEnoughDataError
from imagery.core.exif_writer import with_position
from imagery.core.photo import Photo, read_photo
from imagery.core.photolog import PhotoRecord, read_photo_log, write_photo_log
from imagery.geotag import geotag, match_photos, read_exposures
from tests.e2e.command import skyrelief

START = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)


def exposures(seed: int, lines: int = 8) -> list[PhotoRecord]:
    """A survey's exposures: about two seconds apart on lines of about 20 photos, with longer turns between."""
    dice = np.random.default_rng(seed)
    times, now = [], 0.0
    for _ in range(lines):
        for _ in range(int(dice.integers(12, 28))):
            now += 2.0 + dice.normal(0, 0.05)
            times.append(now)
        now += dice.uniform(4, 9)
    return [
        PhotoRecord(
            47 + k * 1e-4, 8.5, START + timedelta(seconds=t), 500.0 + k, 50.0, 1.0, -2.0, (7.0 * k) % 360, 1, k + 1
        )
        for k, t in enumerate(times)
    ]


def photo(time: datetime | None, name: str) -> Photo:
    return Photo(Path(name), 100, 80, time=time)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    lost_photos=st.floats(0, 0.2),
    unlogged=st.floats(0, 0.2),
    tests_before=st.integers(0, 8),
    offset_s=st.floats(-12 * 3600, 12 * 3600),
    drift=st.floats(-3e-4, 3e-4),
    whole_seconds=st.booleans(),
)
def test_photos_find_their_exposures(
    seed: int,
    lost_photos: float,
    unlogged: float,
    tests_before: int,
    offset_s: float,
    drift: float,
    whole_seconds: bool,
) -> None:
    dice = np.random.default_rng(seed)
    truth = exposures(seed)
    logged = [record for record in truth if dice.random() >= unlogged]
    photos, answers = [], {}
    for k in range(tests_before):  # on the ground, at odd moments
        before = START - timedelta(seconds=60 + 17.3 * (tests_before - k) + float(dice.uniform(0, 9)))
        photos.append((before, f"test_{k}.jpg"))
    for record in truth:
        if dice.random() >= lost_photos:
            assert record.time_utc is not None
            photos.append((record.time_utc, f"img_{record.seq:04d}.jpg"))
            answers[f"img_{record.seq:04d}.jpg"] = record.seq
    clock = [(t - START).total_seconds() * (1 + drift) + offset_s + 0.08 for t, _ in photos]
    clock = [float(np.floor(t)) if whole_seconds else round(t, 2) for t in clock]
    heads = [
        photo((START + timedelta(seconds=t)).replace(tzinfo=None), name)
        for t, (_, name) in zip(clock, photos, strict=True)
    ]
    try:
        found = match_photos(heads, logged, names=[name for _, name in photos])
    except NotEnoughDataError as error:  # many losses on both sides and a coarse clock leave a doubt, which is said
        assert whole_seconds and lost_photos + unlogged > 0.02, error
        return
    for record in found.records:
        if record.file is not None:
            assert answers[record.file] == record.seq
    both = {record.seq for record in logged} & set(answers.values())
    assert found.matched >= (0.8 if whole_seconds else 0.98) * len(both)
    assert found.residual_s is not None
    assert found.residual_s < (0.5 if whole_seconds else 0.1)
    assert found.clock_offset_s == pytest.approx(-offset_s, abs=1.0)
    assert found.photos == len(photos)


def test_another_flights_log_is_refused() -> None:
    other = [
        photo((START + timedelta(seconds=float(t))).replace(tzinfo=None), f"{t}.jpg")
        for t in np.cumsum(np.linspace(1, 90, 60))
    ]
    with pytest.raises(NotEnoughDataError, match="doubtful"):
        match_photos(other, exposures(1), names=[str(p.path) for p in other])


def regular(count: int, first: int = 0) -> list[datetime]:
    return [START + timedelta(seconds=2.0 * k) for k in range(first, first + count)]


def test_two_offsets_that_fit_alike_are_refused_and_a_known_clock_decides() -> None:
    logged = [PhotoRecord(47 + k * 1e-4, 8.5, time, seq=k) for k, time in enumerate(regular(40))]
    photos = [
        photo(time.replace(tzinfo=None, microsecond=300_000), f"{k}.jpg") for k, time in enumerate(regular(37, 2))
    ]
    names = [str(p.path) for p in photos]
    with pytest.raises(NotEnoughDataError, match="another offset"):
        match_photos(photos, logged, names=names)
    found = match_photos(photos, logged, names=names, offset_s=0.0)
    assert {record.seq: record.file for record in found.records if record.file}[2] == "0.jpg"


def test_photos_without_times_are_matched_by_their_order_when_there_are_as_many() -> None:
    logged = exposures(3)
    photos = [photo(None, f"{k}.jpg") for k in range(len(logged))]
    found = match_photos(photos, logged, names=[str(p.path) for p in photos])
    assert [record.file for record in found.records] == [str(p.path) for p in photos]
    with pytest.raises(NotEnoughDataError, match="as many"):
        match_photos(photos[1:], logged, names=[str(p.path) for p in photos[1:]])


# --- writing


def jpeg(*, exif: bool = True, size: int = 32, order: str = "<", clock: datetime | None = None) -> bytes:
    pixels = np.random.default_rng(1).integers(0, 255, (size, size, 3), dtype=np.uint8)
    tags = Image.Exif()
    tags.endian = order
    if exif:
        tags[0x010F], tags[0x0110] = "Maker", "Camera 1"
        when = clock or START
        tags[0x8769] = {
            0x9003: when.strftime("%Y:%m:%d %H:%M:%S"),
            0x9291: f"{when.microsecond // 1000:03d}",
            0x927C: b"maker note with its own offsets",
        }
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", exif=tags)
    return buffer.getvalue()


def scan(data: bytes) -> bytes:
    """Everything from the quantisation tables on: what makes the pixels."""
    at = 2
    while data[at + 1] in range(0xE0, 0xF0):
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    return data[at:]


@settings(max_examples=20)
@given(
    lat=st.floats(-90, 90),
    lon=st.floats(-180, 180),
    alt=st.floats(-400, 8000),
    exif=st.booleans(),
    order=st.sampled_from("<>"),
    twice=st.booleans(),
)
def test_a_position_is_written_and_nothing_else_changes(
    lat: float, lon: float, alt: float, exif: bool, order: str, twice: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    original = jpeg(exif=exif, order=order)
    tagged = with_position(
        original, lat, lon, alt, direction_deg=123.4, time_utc=START, xmp={"RelativeAltitude": "+50.0"}
    )
    if twice:
        tagged = with_position(tagged, -lat, lon, alt)
        tagged = with_position(
            tagged, lat, lon, alt, direction_deg=123.4, time_utc=START, xmp={"RelativeAltitude": "+50.0"}
        )
    assert scan(tagged) == scan(original)
    path = tmp_path_factory.mktemp("tagged") / "a.jpg"
    path.write_bytes(tagged)
    read = read_photo(path)
    if (round(lat, 7), round(lon, 7)) != (0, 0):
        assert read.lat == pytest.approx(lat, abs=2e-9)
        assert read.lon == pytest.approx(lon, abs=2e-9)
    assert read.alt_amsl_m == pytest.approx(alt, abs=0.001)
    assert read.alt_rel_m == 50.0
    with Image.open(path) as image:  # another reader
        tags = image.getexif()
        gps = tags.get_ifd(0x8825)
        degrees = sum(float(part) / 60**k for k, part in enumerate(gps[2]))
        assert (degrees if gps[1] == "N" else -degrees) == pytest.approx(lat, abs=1e-8)
        assert float(gps[17]) == pytest.approx(123.4)
        if exif:
            assert (tags[0x010F], tags[0x0110]) == ("Maker", "Camera 1")
            assert tags.get_ifd(0x8769)[0x927C] == b"maker note with its own offsets"


def test_no_jpeg_is_refused() -> None:
    with pytest.raises(BadInputError):
        with_position(b"\x89PNG", 1, 2)


def test_real_drone_photos_keep_everything_else(shared_data: Path, tmp_path: Path) -> None:
    source = next((shared_data / "images/brighton_beach").rglob("*.JPG"))
    original = source.read_bytes()
    (tmp_path / "a.jpg").write_bytes(with_position(original, 47.1, 8.2, 512.0))
    before, after = read_photo(source), read_photo(tmp_path / "a.jpg")
    assert (after.lat, after.lon, after.alt_amsl_m) == pytest.approx((47.1, 8.2, 512.0), abs=1e-8)
    same = (
        "width_px",
        "model",
        "camera",
        "focal_length_mm",
        "exposure_s",
        "time",
        "gimbal_yaw_deg",
        "gimbal_pitch_deg",
    )
    assert [getattr(after, name) for name in same] == [getattr(before, name) for name in same]
    assert scan(original) == scan((tmp_path / "a.jpg").read_bytes())


# --- the command and the logs


@pytest.fixture
def flown(tmp_path: Path) -> tuple[Path, Path]:
    """A folder of photos whose clock is 2 h ahead, with a test shot first and two photos lost; and the log."""
    log = exposures(4, lines=3)
    write_photo_log(tmp_path / "photos.csv", log)
    folder = tmp_path / "card"
    (folder / "100MEDIA").mkdir(parents=True)
    (folder / "100MEDIA/DSC_0000.jpg").write_bytes(jpeg(clock=START + timedelta(hours=1, minutes=50)))
    for record in log:
        if record.seq not in (7, 20):
            assert record.time_utc is not None and record.seq is not None
            name = folder / f"100MEDIA/DSC_{record.seq:04d}.jpg"
            name.write_bytes(jpeg(clock=record.time_utc + timedelta(hours=2)))
    return folder, tmp_path / "photos.csv"


def test_the_command_tags_copies_and_leaves_the_originals(flown: tuple[Path, Path], tmp_path: Path) -> None:
    folder, log = flown
    before = {path: path.read_bytes() for path in folder.rglob("*.jpg")}
    done = skyrelief("geotag", folder, "--log", log, "-o", tmp_path / "tagged", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["matched"] == len(before) - 1 == said["exposures"] - 2
    assert said["unmatched"] == ["100MEDIA/DSC_0000.jpg"]
    assert said["clock_offset_s"] == pytest.approx(-7200, abs=0.1)
    assert said["residual_s"] < 0.01
    assert {path: path.read_bytes() for path in folder.rglob("*.jpg")} == before
    records = read_photo_log(tmp_path / "tagged/photos.csv")
    assert [record.seq for record in records if record.file is None] == [7, 20]
    for record in records:
        if record.file is not None:
            assert record.file == f"100MEDIA/DSC_{record.seq:04d}.jpg"
            tagged = read_photo(tmp_path / "tagged" / record.file)
            assert (tagged.lat, tagged.lon) == pytest.approx((record.lat, record.lon), abs=1e-8)
            assert tagged.alt_amsl_m == pytest.approx(record.alt_amsl_m, abs=0.001)
            assert tagged.flight_pitch_deg == -2.0


def test_copies_do_not_go_among_the_originals(flown: tuple[Path, Path]) -> None:
    with pytest.raises(BadInputError, match="originals"):
        geotag(flown[0], flown[1], flown[0] / "tagged")


def test_what_is_no_log(tmp_path: Path, shared_data: Path) -> None:
    (tmp_path / "log.txt").write_text("x")
    with pytest.raises(BadInputError, match="not a log"):
        read_exposures(tmp_path / "log.txt")
    (tmp_path / "log.bin").write_bytes(b"nothing of the kind" * 20)
    with pytest.raises((BadInputError, NotEnoughDataError)):
        read_exposures(tmp_path / "log.bin")
    for log in (shared_data / "flight/pymavlink/test.BIN", shared_data / "flight/uavlogviewer/vtol.tlog"):
        with pytest.raises(NotEnoughDataError, match="no photo"):
            read_exposures(log)


def dataflash(records: list[PhotoRecord]) -> bytes:
    """A DataFlash log of CAM messages, as ArduPilot 4.x writes them."""
    name, fields = "BBnNZ", "Type,Length,Name,Format,Columns"
    cam = "TimeUS,I,Img,GPSTime,GPSWeek,Lat,Lng,Alt,RelAlt,GPSAlt,R,P,Y"

    def form(kind: int, length: int, name: str, code: str, columns: str) -> bytes:
        return struct.pack(
            "<BBBBB4s16s64s", 0xA3, 0x95, 128, kind, length, name.encode(), code.encode(), columns.encode()
        )

    data = form(128, 89, "FMT", name, fields) + form(150, 52, "CAM", "QBHIHLLeeefff", cam)
    for record in records:
        assert record.time_utc is not None and record.seq is not None
        since = (record.time_utc - datetime(1980, 1, 6, tzinfo=UTC)).total_seconds() + 18
        week, of_week = divmod(since, 604_800)
        data += struct.pack(
            "<BBBQBHIHiiiiifff", 0xA3, 0x95, 150, round(since * 1e6) % 10**12, 0, record.seq, int(of_week * 5) * 200, int(week),
            round(record.lat * 1e7), round(record.lon * 1e7), round((record.alt_amsl_m or 0) * 100), 5000, 0, 1.0, -2.0,
            record.yaw_deg or 0.0,
        )  # fmt: skip
    return data


def test_dataflash_logs_are_read(tmp_path: Path) -> None:
    log = exposures(5, lines=2)
    (tmp_path / "log.bin").write_bytes(dataflash(log))
    read = read_exposures(tmp_path / "log.bin")
    assert [record.seq for record in read] == [record.seq for record in log]
    for ours, theirs in zip(read, log, strict=True):
        assert (ours.lat, ours.lon, ours.alt_amsl_m) == pytest.approx(
            (theirs.lat, theirs.lon, theirs.alt_amsl_m), abs=1e-6
        )
        assert ours.time_utc is not None and theirs.time_utc is not None
        assert abs(ours.time_utc - theirs.time_utc) < timedelta(milliseconds=20)  # though its GPS has 5 fixes a second
