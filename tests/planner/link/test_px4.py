"""Missions go to PX4 too, by its own habits: requests with _INT, no home among the items, a yaw left open; others are refused."""

import contextlib
import math
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from imagery.core.errors import BadInputError, LinkError
from planner.link.connection import mavlink
from planner.link.storage import PX4, Kind, wire_items
from planner.link.transfer import upload_mission
from planner.link.vehicle import connect
from planner.mission import Mission, MissionItem
from tests.planner.link.conftest import survey, waypoint

ACCEPTED, ERROR, UNSUPPORTED = 0, 1, 3


class Peer(threading.Thread):
    """A vehicle that keeps missions as PX4's mission manager does; items out of turn it ignores."""

    def __init__(self, autopilot: int = mavlink.MAV_AUTOPILOT_PX4) -> None:
        super().__init__(daemon=True)
        self.autopilot = autopilot
        self.lists: dict[int, list[Any]] = {0: [], 1: [], 2: []}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"tcp:127.0.0.1:{self._listener.getsockname()[1]}"
        self.stopped = threading.Event()
        self._kind = self._count = 0
        self._items: list[Any] | None = None

    def run(self) -> None:
        with self._listener, self._listener.accept()[0] as connection, connection.makefile("wb", buffering=0) as file:
            connection.settimeout(0.2)
            self.mav = mavlink.MAVLink(file, srcSystem=1, srcComponent=1)
            self.mav.robust_parsing = True
            with contextlib.suppress(OSError):  # the ground station is gone
                while not self.stopped.is_set():
                    self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        self.mav.heartbeat_send(2, self.autopilot, 1, 0, 3)
        try:
            data = connection.recv(65536)
        except TimeoutError:
            return
        for message in self.mav.parse_buffer(data) or []:
            getattr(self, f"on_{message.get_type().lower()}", lambda _: None)(message)

    def on_timesync(self, m: Any) -> None:
        if m.tc1 == 0:
            self.mav.timesync_send(1, m.ts1)

    def on_mission_clear_all(self, m: Any) -> None:
        self.lists[m.mission_type] = []
        self._ack(m.mission_type, ACCEPTED)

    def on_mission_count(self, m: Any) -> None:
        self._kind, self._count, self._items = m.mission_type, m.count, []
        self._ask()

    def on_mission_item_int(self, m: Any) -> None:
        if self._items is None or m.seq != len(self._items):
            return
        if m.command == 31000:
            self._items = None
            self._ack(self._kind, UNSUPPORTED)
            return
        self._items.append(m)
        if len(self._items) < self._count:
            self._ask()
            return
        self.lists[self._kind], self._items = self._items, None
        self._ack(self._kind, ACCEPTED)

    def on_mission_request_list(self, m: Any) -> None:
        self.mav.mission_count_send(255, 190, len(self.lists[m.mission_type]), m.mission_type)

    def on_mission_request_int(self, m: Any) -> None:
        item = self.lists[m.mission_type][m.seq]
        self.mav.send(item)

    def _ask(self) -> None:
        assert self._items is not None
        self.mav.mission_request_int_send(255, 190, len(self._items), self._kind)

    def _ack(self, kind: int, result: int) -> None:
        self.mav.mission_ack_send(255, 190, result, kind)


@pytest.fixture
def px4() -> Iterator[Peer]:
    peer = Peer()
    peer.start()
    yield peer
    peer.stopped.set()
    peer.join()


def open_yaw(mission: Mission) -> Mission:
    return replace(mission, items=tuple(replace(i, p4=math.nan) if i.command == 16 else i for i in mission.items))


def test_a_survey_is_kept_by_px4(px4: Peer) -> None:
    mission = open_yaw(survey())
    with connect(px4.url) as vehicle:
        upload_mission(vehicle, mission)
    kept = px4.lists[Kind.MISSION]
    assert [item.command for item in kept] == [item.command for item in mission.items]
    assert all(math.isnan(item.param4) for item in kept if item.command == 16)
    assert (len(px4.lists[Kind.FENCE]), len(px4.lists[Kind.RALLY])) == (4, 1)


def test_a_jump_counts_without_the_home() -> None:
    items = (MissionItem(22, 3, z=20), waypoint(0, 20), MissionItem(177, 2, p1=2, p2=1))
    mission = replace(survey(), items=items)
    assert wire_items(mission, PX4)[Kind.MISSION][2].p1 == 1
    assert wire_items(mission)[Kind.MISSION][3].p1 == 2


def test_what_px4_refuses_leaves_it_empty(px4: Peer) -> None:
    mission = replace(survey(), items=(*survey().items, MissionItem(31000, 2)))
    with connect(px4.url) as vehicle, pytest.raises(LinkError, match=r"does not know.*holds no mission"):
        upload_mission(vehicle, mission)
    assert px4.lists == {0: [], 1: [], 2: []}


def test_what_px4_does_not_take_is_refused_before(px4: Peer) -> None:
    mission = replace(survey(), items=(*survey().items, MissionItem(215, 2, p1=10)))
    with connect(px4.url) as vehicle, pytest.raises(BadInputError, match="PX4 does not take"):
        upload_mission(vehicle, mission)


def test_an_unknown_autopilot_is_refused(px4: Peer) -> None:
    px4.autopilot = mavlink.MAV_AUTOPILOT_SLUGS
    with connect(px4.url) as vehicle, pytest.raises(LinkError, match="ArduPilot and PX4 only"):
        upload_mission(vehicle, survey())
