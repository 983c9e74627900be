"""The photo log: written and read without loss, after a crash too."""

import dataclasses
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagery.core.errors import BadInputError, OutputError
from imagery.core.photolog import COLUMNS, PhotoLogWriter, PhotoRecord, read_photo_log, write_photo_log

HEADER = "time_utc,lat,lon,alt_amsl_m,alt_rel_m,roll_deg,pitch_deg,yaw_deg,flight,seq,source,file\n"

RECORD = PhotoRecord(
    lat=46.84260708,
    lon=-91.99455989,
    time_utc=datetime(2026, 5, 1, 12, 0, 0, 250_000, UTC),
    alt_amsl_m=198.309,
    alt_rel_m=39.8,
    roll_deg=3.0,
    pitch_deg=1.8,
    yaw_deg=46.0,
    flight=1,
    seq=7,
    source="CAMERA_FEEDBACK",
    file="DJI_0018.JPG",
)

text = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=12).map(str.strip)
maybe = st.none() | st.floats(-360, 360).map(lambda value: round(value, 3) + 0.0)
records = st.builds(
    PhotoRecord,
    lat=st.floats(-90, 90).map(lambda value: round(value, 8) + 0.0),
    lon=st.floats(-180, 180).map(lambda value: round(value, 8) + 0.0),
    time_utc=st.none()
    | st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)).map(
        lambda value: value.replace(microsecond=value.microsecond // 1000 * 1000, tzinfo=UTC)
    ),
    alt_amsl_m=maybe,
    alt_rel_m=maybe,
    roll_deg=maybe,
    pitch_deg=maybe,
    yaw_deg=maybe,
    flight=st.none() | st.integers(1, 99),
    seq=st.none() | st.integers(0, 99999),
    source=text,
    file=st.none() | text.filter(bool),
)


@given(st.lists(records, max_size=5))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, log: list[PhotoRecord]) -> None:
    path = tmp_path_factory.mktemp("log") / "photos.csv"
    write_photo_log(path, log)
    assert read_photo_log(path) == log


def test_the_columns_are_the_contract(tmp_path: Path) -> None:
    write_photo_log(tmp_path / "photos.csv", [RECORD])
    assert (tmp_path / "photos.csv").read_text(encoding="utf-8") == (
        HEADER
        + "2026-05-01T12:00:00.250Z,46.84260708,-91.99455989,198.309,39.800,3.000,1.800,46.000,1,7,CAMERA_FEEDBACK,DJI_0018.JPG\n"
    )
    assert {field.name for field in dataclasses.fields(PhotoRecord)} == set(COLUMNS)


def test_times_are_brought_to_utc(tmp_path: Path) -> None:
    there = datetime(2026, 5, 1, 14, 0, tzinfo=timezone(timedelta(hours=2)))
    write_photo_log(tmp_path / "photos.csv", [dataclasses.replace(RECORD, time_utc=there)])
    assert read_photo_log(tmp_path / "photos.csv")[0].time_utc == datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def test_other_peoples_logs_are_read(tmp_path: Path) -> None:
    path = tmp_path / "photos.csv"
    path.write_bytes(b"\xef\xbb\xbfLon; LAT ;file;note\r\n-91.5;46.5;a.jpg;first\r\n\r\n-91.6;46.6;;\r\n")
    assert read_photo_log(path) == [PhotoRecord(lat=46.5, lon=-91.5, file="a.jpg"), PhotoRecord(lat=46.6, lon=-91.6)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the photo log is empty"),
        (b"\xff\xfe\x00x", "not UTF-8"),
        (b"name,x\na,1\n", "no column lat nor lon"),
        (b"lat,lon\nabc,5\n", r"line 2: lat is 'abc', not a number"),
        (b"lat,lon\n1,2\n91,5\n", r"line 3: lat is 91, outside its range"),
        (b"lat,lon\n,5\n", r"line 2: lat is missing"),
        (b"lat,lon,time_utc\n1,2,yesterday\n", r"line 2: time_utc is 'yesterday'"),
        (b"lat,lon,alt_amsl_m\n1,2,inf\n", r"line 2: alt_amsl_m is inf, outside"),
    ],
)
def test_bad_logs_name_their_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "photos.csv"
    path.write_bytes(content)
    with pytest.raises(BadInputError, match=message):
        read_photo_log(path)


def test_a_missing_log_is_explained(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"photos\.csv: cannot be read"):
        read_photo_log(tmp_path / "photos.csv")


def test_a_line_is_readable_at_once_and_a_crash_loses_only_what_was_unfinished(tmp_path: Path) -> None:
    path = tmp_path / "flight/photos.csv"
    writer = PhotoLogWriter(path)
    writer.append(RECORD)
    assert read_photo_log(path) == [RECORD]  # no close yet: a crash here loses nothing
    writer.close()
    writer.close()
    with path.open("a", encoding="utf-8") as file:
        file.write("2026-05-01T12:00:02.250Z,46.8426")
    assert read_photo_log(path) == [RECORD]
    second = dataclasses.replace(RECORD, seq=8)
    with PhotoLogWriter(path) as writer:
        writer.append(second)
    assert read_photo_log(path) == [RECORD, second]
    assert path.read_text(encoding="utf-8").count("time_utc") == 1


def test_a_log_whose_header_was_cut_is_started_anew(tmp_path: Path) -> None:
    path = tmp_path / "photos.csv"
    path.write_text("time_utc,la", encoding="utf-8")
    with PhotoLogWriter(path) as writer:
        writer.append(RECORD)
    assert read_photo_log(path) == [RECORD]


def test_a_strangers_file_is_not_continued(tmp_path: Path) -> None:
    path = tmp_path / "photos.csv"
    path.write_text("name,price\napple,3\n", encoding="utf-8")
    with pytest.raises(BadInputError, match="choose another file"):
        PhotoLogWriter(path)
    assert path.read_text(encoding="utf-8") == "name,price\napple,3\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_while_flying_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "photos.csv"
    path.symlink_to("/dev/full")
    with pytest.raises(OutputError, match="the disk is full"):
        PhotoLogWriter(path)
