"""The mission protocol's habits of ArduPilot: what it asks for, accepts, refuses, keeps and loses."""

import math
import random

import numpy as np
import pytest

from planner.link.connection import mavlink
from planner.link.transfer import upload_mission
from planner.link.vehicle import Vehicle
from planner.mission import Home, Mission, MissionItem
from tests.sitl.conformance.conftest import HOME, HOME_ITEM, SPEEDUP, Ground, waypoint

MISSION, FENCE, RALLY = 0, 1, 2
ACCEPTED, ERROR, UNSUPPORTED_FRAME, UNSUPPORTED, NO_SPACE, INVALID = 0, 1, 2, 3, 4, 5
INVALID_SEQUENCE, DENIED, CANCELLED = 13, 14, 15
NAN = math.nan


def test_items_are_requested_without_int_and_the_plan_is_announced(ground: Ground) -> None:
    ground.send("mission_count", 2, MISSION)
    request = ground.await_message("MISSION_REQUEST", "MISSION_REQUEST_INT")
    assert request.get_type() == "MISSION_REQUEST"
    assert (request.seq, request.target_system) == (0, 255)
    ground.item(0, 16, 0, x=HOME_ITEM[3], y=HOME_ITEM[4], z=584)
    assert ground.await_message("MISSION_REQUEST").seq == 1
    ground.item(1, 22, z=20)
    assert ground.ack() == ACCEPTED
    assert ground.said("Flight plan received")


def test_item_zero_is_the_actual_home_and_what_storage_keeps(ground: Ground) -> None:
    sent = [
        (16, 0, (0, 0, 0, 0), 100, 200, 3.0),
        (22, 3, (0, 0, 0, NAN), 0, 0, 20.0),
        (16, 3, (3.7, 1.0, 2.0, NAN), -353632000, 1491652000, 30.123),
        (178, 2, (1, 8.5, -1, 0), 0, 0, 0.0),
        (206, 2, (12.5, 0, 1, 0), 0, 0, 0.0),
        (16, 6, (0, 0, 0, 0), -353631000, 1491652000, 31.0),
        (20, 2, (0, 0, 0, 0), 0, 0, 0.0),
    ]
    assert ground.upload(sent) == ACCEPTED
    home, takeoff, point, speed, trigger, second, rtl = ground.download()
    assert (home.command, home.frame) == (16, 0)
    assert home.x == pytest.approx(HOME_ITEM[3], abs=300)
    assert home.z == pytest.approx(584, abs=1)
    assert (takeoff.command, takeoff.frame, takeoff.z, takeoff.param4) == (22, 3, 20, 0)
    assert (point.param1, point.param2, point.param3, point.param4) == (3, 0, 0, 0)
    assert (point.x, point.y) == (-353632000, 1491652000)
    assert point.z == pytest.approx(30.12, abs=1e-4)
    assert (speed.frame, speed.param1, speed.param2) == (0, 1, 8.5)
    assert (trigger.frame, trigger.param1, trigger.param3) == (0, 12.5, 1)
    assert (second.frame, rtl.command) == (3, 20)
    assert all(item.current == 0 for item in (home, takeoff, point))


def test_heights_are_cut_to_centimetres_in_single_precision(ground: Ground) -> None:
    heights = [0.53, 1.05, 75.02, 30.129, *(random.Random(4).randint(1, 50_000) / 100 for _ in range(300))]
    assert ground.upload([HOME_ITEM, *(waypoint(n % 40, z) for n, z in enumerate(heights))]) == ACCEPTED
    back = [item.z for item in ground.download()[1:]]
    kept_cm = np.trunc(np.array(heights, np.float32) * np.float32(100))
    assert np.array_equal(np.array(back, np.float32), kept_cm.astype(np.float32) * np.float32(0.01))


def test_a_mission_from_elsewhere_is_verified_whatever_its_heights(ground: Ground) -> None:
    items = [MissionItem(22, 3, z=75.02)]
    for number in range(600):
        _, frame, _, x, y, z = waypoint(number % 40, 1 + number * 0.837)
        items.append(MissionItem(16, frame, z=z, x=x, y=y))
    mission = Mission(Home(HOME.lat_deg, HOME.lon_deg, HOME.alt_amsl_m), tuple(items))
    upload_mission(Vehicle(ground.link), mission)  # raises unless it reads back as it was sent


@pytest.mark.parametrize(
    ("item", "answer"),
    [
        ((16, 3, (0, 0, 0, 0), 910_000_000, 0, 10.0), 10),
        ((16, 3, (0, 0, 0, 0), -353632000, 1_810_000_000, 10.0), 11),
        ((16, 3, (0, 0, 0, 0), -353632000, 1491652000, NAN), 12),
        ((16, 3, (0, 0, 0, 0), -353632000, 1491652000, 1e5), 12),
        ((16, 3, (NAN, 0, 0, 0), -353632000, 1491652000, 10.0), 6),
        ((16, 3, (0, NAN, 0, 0), -353632000, 1491652000, 10.0), 7),
        ((16, 3, (0, 0, NAN, 0), -353632000, 1491652000, 10.0), 8),
        ((16, 3, (0, 0, 0, NAN), -353632000, 1491652000, 10.0), ACCEPTED),
        ((178, 2, (1, 5, 0, NAN), 0, 0, 0.0), 9),
        ((16, 7, (0, 0, 0, 0), -353632000, 1491652000, 10.0), UNSUPPORTED_FRAME),
        ((9999, 3, (0, 0, 0, 0), 0, 0, 0.0), UNSUPPORTED),
        ((0, 3, (0, 0, 0, 0), 0, 0, 0.0), INVALID),
        *(((command, 2, (0, 0, 0, 0), 0, 0, 0.0), UNSUPPORTED) for command in (214, 2003, 530, 186)),
        *(((command, 2, (1, 0, 0, 0), 0, 0, 0.0), ACCEPTED) for command in (206, 203, 2000, 2001, 205, 1000)),
    ],
)
def test_what_an_item_is_answered_with(ground: Ground, item: tuple, answer: int) -> None:
    assert ground.upload([HOME_ITEM, item]) == answer


@pytest.mark.parametrize("frame", [0, 2, 3, 5, 6, 10, 11])
def test_accepted_frames(ground: Ground, frame: int) -> None:
    assert ground.upload([HOME_ITEM, waypoint(1, frame=frame)]) == ACCEPTED


@pytest.mark.parametrize(("kind", "most"), [(MISSION, 650), (FENCE, 70), (RALLY, 46)])
def test_too_many_items_are_refused_at_once(ground: Ground, kind: int, most: int) -> None:
    ground.send("mission_count", most + 1, kind)
    assert ground.ack(kind) == NO_SPACE
    assert ground.said(f"Only {most} items are supported")


def test_the_next_item_is_taken_unasked(ground: Ground) -> None:
    items = [HOME_ITEM, *(waypoint(n) for n in range(1, 9))]
    ground.send("mission_count", len(items), MISSION)
    assert ground.await_message("MISSION_REQUEST").seq == 0
    for seq, (command, frame, p, x, y, z) in enumerate(items):
        ground.item(seq, command, frame, p, x=x, y=y, z=z)
    assert ground.ack() == ACCEPTED
    assert len(ground.download()) == len(items)


def test_a_wrong_sequence_leaves_the_upload_open(ground: Ground) -> None:
    ground.send("mission_count", 2, MISSION)
    ground.await_message("MISSION_REQUEST")
    ground.item(1, 22, z=20)
    assert ground.ack() == INVALID_SEQUENCE
    ground.item(0, 16, 0, x=HOME_ITEM[3], y=HOME_ITEM[4])
    ground.item(1, 22, z=20)
    assert ground.ack() == ACCEPTED


def test_silence_repeats_the_request_and_then_cancels(ground: Ground) -> None:
    ground.send("mission_count", 3, MISSION)
    for _ in range(3):
        assert ground.await_message("MISSION_REQUEST", wait_s=3).seq == 0
    assert ground.ack(wait_s=15 / SPEEDUP + 2) == CANCELLED
    assert ground.said("upload timeout")


def test_reading_during_an_upload_is_denied(ground: Ground) -> None:
    ground.send("mission_count", 3, MISSION)
    ground.await_message("MISSION_REQUEST")
    ground.send("mission_request_list", MISSION)
    assert ground.ack() == DENIED
    ground.send("mission_request_int", 0, MISSION)
    assert ground.ack() == DENIED
    ground.send("mission_clear_all", MISSION)
    ground.ack()


def test_a_new_count_starts_again(ground: Ground) -> None:
    ground.send("mission_count", 3, MISSION)
    ground.await_message("MISSION_REQUEST")
    ground.item(0, 16, 0, x=HOME_ITEM[3], y=HOME_ITEM[4])
    assert ground.await_message("MISSION_REQUEST").seq == 1
    ground.send("mission_count", 2, MISSION)
    assert ground.await_message("MISSION_REQUEST").seq == 0
    ground.item(0, 16, 0, x=HOME_ITEM[3], y=HOME_ITEM[4])
    ground.item(1, 22, z=20)
    assert ground.ack() == ACCEPTED


def test_a_failed_upload_truncates_the_stored_mission(ground: Ground) -> None:
    assert ground.upload([HOME_ITEM, *(waypoint(n, z=10) for n in range(1, 6))]) == ACCEPTED
    ground.send("mission_count", 4, MISSION)
    ground.await_message("MISSION_REQUEST")
    ground.item(0, 16, 0, x=HOME_ITEM[3], y=HOME_ITEM[4])
    ground.item(1, 16, 3, x=-353632000, y=1491652000, z=77)
    ground.await_message("MISSION_REQUEST", where=lambda m: m.seq == 2)
    ground.item(2, 9999)
    assert ground.ack() == UNSUPPORTED
    assert [round(item.z) for item in ground.download()[1:]] == [77, 10, 10]


def test_an_item_out_of_the_blue_is_an_error(ground: Ground) -> None:
    ground.item(0, 16, z=10)
    assert ground.ack() == ERROR


def test_count_zero_clears(ground: Ground) -> None:
    ground.upload([HOME_ITEM, waypoint(1)])
    ground.send("mission_count", 0, MISSION)
    assert ground.ack() == ACCEPTED
    assert len(ground.download()) <= 1


def test_beyond_the_end(ground: Ground) -> None:
    ground.upload([HOME_ITEM, waypoint(1)])
    ground.quiet()
    ground.send("mission_request_int", 9, MISSION)
    assert ground.ack() in (ERROR, INVALID_SEQUENCE)  # ArduCopter 4.6, and 4.7 as for the other kinds
    for kind in (FENCE, RALLY):
        ground.send("mission_request_int", 9, kind)
        assert ground.ack(kind) == INVALID_SEQUENCE


def test_another_list_and_a_bad_partial_range(ground: Ground) -> None:
    ground.send("mission_request_list", 255)
    assert ground.ack(255) == UNSUPPORTED
    ground.upload([HOME_ITEM, waypoint(1)])
    ground.quiet()
    ground.send("mission_write_partial_list", 5, 9, MISSION)
    assert ground.ack() == ERROR


def test_float_items_are_taken_with_a_warning(ground: Ground) -> None:
    ground.send("mission_count", 2, MISSION)
    ground.await_message("MISSION_REQUEST")
    for seq in (0, 1):
        ground.link.send(
            mavlink.MAVLink_mission_item_message(
                ground.link.target_system, 1, seq, 3, 16, 0, 1, 0, 0, 0, 0, -35.3632123, 149.1652456, 20
            )
        )
    assert ground.ack() == ACCEPTED
    assert ground.said("got MISSION_ITEM; GCS should send MISSION_ITEM_INT")
    item = ground.download()[1]
    assert item.x == pytest.approx(-353632123, abs=40)
    assert item.y == pytest.approx(1491652456, abs=160)


# --- fence and rally


def corners(command: int = 5001, count: int | None = None, size: int = 20000) -> list:
    square = [(-size, -size), (size, -size), (size, size), (-size, size)]
    n = count if count is not None else len(square)
    return [(command, 0, (n, 0, 0, 0), HOME_ITEM[3] + dx, HOME_ITEM[4] + dy, 50.0) for dx, dy in square]


def circle(radius: float, command: int = 5003) -> tuple:
    return (command, 0, (radius, 0, 0, 0), HOME_ITEM[3], HOME_ITEM[4], 0.0)


def test_a_fence_reads_back_without_heights(ground: Ground) -> None:
    assert ground.upload([*corners(), circle(30, 5004)], FENCE) == ACCEPTED
    back = ground.download(FENCE)
    assert [item.command for item in back] == [5001] * 4 + [5004]
    assert {item.z for item in back} == {0}
    assert back[0].param1 == 4
    assert back[4].param1 == 30


@pytest.mark.parametrize(
    "items",
    [
        corners(count=5),
        corners()[:2] and [(5001, 0, (2, 0, 0, 0), i[3], i[4], 0.0) for i in corners()[:2]],
        [circle(0)],
        [circle(-5)],
        [*corners()[:3], (5001, 0, (4, 0, 0, 0), 910_000_000, HOME_ITEM[4], 0.0)],
    ],
    ids=["count mismatch", "two vertices", "no radius", "negative radius", "bad latitude"],
)
def test_a_bad_fence_is_an_error_after_its_last_item(ground: Ground, items: list) -> None:
    assert ground.upload(items, FENCE) == ERROR


def test_a_failed_fence_upload_leaves_the_old_one(ground: Ground) -> None:
    assert ground.upload(corners(), FENCE) == ACCEPTED
    assert ground.upload([circle(0)], FENCE) == ERROR
    assert len(ground.download(FENCE)) == 4


def test_circles_that_replace_a_polygon_may_be_lost(ground: Ground) -> None:
    assert ground.upload(corners(), FENCE) == ACCEPTED
    assert ground.upload([circle(60)], FENCE) == ACCEPTED
    assert len(ground.download(FENCE)) in (0, 1)  # ArduCopter 4.6 loses it, 4.7 keeps it
    ground.clear(FENCE)
    assert ground.upload([circle(60)], FENCE) == ACCEPTED
    assert len(ground.download(FENCE)) == 1


def test_rally_heights_are_whole_metres(ground: Ground) -> None:
    assert ground.upload([(5100, 3, (0, 0, 0, 0), HOME_ITEM[3], HOME_ITEM[4], 30.7)], RALLY) == ACCEPTED
    (point,) = ground.download(RALLY)
    assert (point.command, point.frame, point.z) == (5100, 3, 30)
