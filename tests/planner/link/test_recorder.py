"""The photo log of a flight: what the vehicle says, what it fails to say, and what a crash leaves."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from imagery.core.photolog import read_photo_log
from planner.link.recorder import PhotoRecorder, unreported
from planner.link.tlog import TelemetryLog, last_message
from planner.link.triggers import PlannedPhoto, planned_photos
from tests.planner.link.conftest import survey
from tests.planner.link.test_resume import logged, metres

PLANNED = planned_photos(survey())


class Link:
    """Hands messages to the recorder as a connection does."""

    def listen(self, receive: Any, *kinds: str) -> Any:
        self.receive = receive
        return lambda: None


def feedback(number: int, photo: PlannedPhoto) -> Any:
    return mavlink.MAVLink_camera_feedback_message(
        1_777_000_000_000_000 + number * 1_500_000, 1, 0, number, round(photo.lat_deg * 1e7), round(photo.lon_deg * 1e7),
        490.0, photo.alt_rel_m, 0, 0, photo.heading_deg, 0, 0, 0,
    )  # fmt: skip


def record(path: Path, numbers: list[int], *, first: int = 1, last: int | None = None, **options: Any) -> PhotoRecorder:
    """Record photos by their numbers on the vehicle; photo `first` is the first planned one."""
    link: Any = Link()
    recorder = PhotoRecorder(link, path, planned=PLANNED, **options)
    for number in numbers:
        link.receive(feedback(number, PLANNED[number - first]))
    recorder.close(last)
    return recorder


@given(lost=st.sets(st.integers(1, len(PLANNED)), max_size=25))
def test_photos_taken_but_not_reported_are_placed_by_the_plan(
    lost: set[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("log") / "photos.csv"
    numbers = [n for n in range(1, len(PLANNED) + 1) if n not in lost]
    recorder = record(path, numbers, last=len(PLANNED), counted=0)
    records = read_photo_log(path)
    assert [r.seq for r in records] == list(range(1, len(PLANNED) + 1))
    assert {r.seq for r in records if r.source == "TRIGGER_MODEL"} == lost
    assert (recorder.photos, recorder.unreported) == (len(PLANNED), len(lost))
    assert np.abs(metres(records) - metres(PLANNED)).max() < 0.1
    times = [r.time_utc for r in records if r.time_utc is not None]
    assert times == sorted(times)


def test_photos_that_were_not_taken_are_not_logged(tmp_path: Path) -> None:
    link: Any = Link()
    recorder = PhotoRecorder(link, tmp_path / "photos.csv", planned=PLANNED, counted=0)
    for number, photo in enumerate([p for k, p in enumerate(PLANNED) if k not in (4, 5, 17)], 1):
        link.receive(feedback(number, photo))  # the numbers go on: the camera was never triggered there
    recorder.close(len(PLANNED) - 3)
    assert recorder.unreported == 0
    assert len(read_photo_log(tmp_path / "photos.csv")) == len(PLANNED) - 3


def test_late_and_repeated_messages(tmp_path: Path) -> None:
    recorder = record(tmp_path / "photos.csv", [1, 2, 2, 4, 3, 3, 5, 4], counted=0)
    assert [r.seq for r in read_photo_log(tmp_path / "photos.csv")] == [1, 2, 3, 4, 5]
    assert recorder.unreported == 0


def test_a_log_is_continued_though_the_vehicle_counts_anew(tmp_path: Path) -> None:
    path = tmp_path / "photos.csv"
    record(path, [11, 12, 13], first=11, counted=10)
    record(path, [1, 2], counted=0)
    assert [r.seq for r in read_photo_log(path)] == [1, 2, 3, 4, 5]


def test_without_a_plan_the_gap_is_filled_between_its_ends() -> None:
    a, b = logged(PLANNED[:1])[0], logged(PLANNED[4:5])[0]
    assert metres(unreported([], a, b, 3)) == pytest.approx(metres(PLANNED[1:4]), abs=0.01)
    assert unreported([], a, None, 3) == []


def test_triggers_without_feedback_are_logged_where_the_vehicle_is(tmp_path: Path) -> None:
    link: Any = Link()
    recorder = PhotoRecorder(link, tmp_path / "photos.csv")
    for k in range(3):
        link.receive(
            mavlink.MAVLink_global_position_int_message(k, 474000000 + 1000 * k, 85000000, 490000, 40000, 0, 0, 0, 9000)
        )
        link.receive(mavlink.MAVLink_camera_trigger_message(1_777_000_000_000_000 + k, k))
    recorder.close()
    records = read_photo_log(tmp_path / "photos.csv")
    assert [(r.seq, r.lat, r.source) for r in records] == [(k + 1, 47.4 + 1e-4 * k, "CAMERA_TRIGGER") for k in range(3)]


def test_an_unfinished_frame_is_removed_from_a_telemetry_log(tmp_path: Path) -> None:
    path = tmp_path / "flight-01.tlog"
    packer = mavlink.MAVLink(None)
    frames = [feedback(n, PLANNED[n]).pack(packer) for n in range(1, 4)]
    with TelemetryLog(path) as log:
        for frame in frames[:2]:
            log.append(frame)
    whole = path.stat().st_size
    with path.open("ab") as file:
        file.write(b"\0" * 8 + frames[2][:20])
    found = last_message(path, 180)
    assert found is not None and found.img_idx == 2
    with TelemetryLog(path) as log:
        log.append(frames[2])
    assert path.stat().st_size == whole + 8 + len(frames[2])
    found = last_message(path, 180)
    assert found is not None and found.img_idx == 3
    assert last_message(tmp_path / "none.tlog", 180) is None
