"""What is on the vehicle is what was planned, or it is empty, or the error says that nobody knows."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagery.core.errors import BadInputError, LinkError
from planner.link.storage import ARDUPILOT, Kind, check, differences, normalised, wire_items
from planner.link.transfer import download, upload_mission
from planner.link.vehicle import connect
from planner.mission import FenceCircle, MissionItem
from sitl.autopilot.storage import Item, MissionKind, Refusal, stored
from sitl.endpoint import Endpoint
from sitl.faults import LinkFaults, bad_link
from tests.planner.link.conftest import HOME, survey, waypoint

MISSION = survey()


def long_mission(count: int):
    return replace(MISSION, items=(MissionItem(22, 3, z=30), *(waypoint(n, 2 * n) for n in range(count - 1))))


def test_mission_fence_and_rally_are_on_the_vehicle(endpoint: Endpoint) -> None:
    with connect(endpoint.url) as vehicle:
        upload_mission(vehicle, MISSION)
        for kind, items in wire_items(MISSION).items():
            assert differences(kind, items, download(vehicle, kind)) == []
    assert len(endpoint.copter.mission) == len(MISSION.items) + 1
    assert len(endpoint.copter.fence) == 4
    assert len(endpoint.copter.rally) == 1


def test_what_was_there_before_is_gone(endpoint: Endpoint) -> None:
    with connect(endpoint.url) as vehicle:
        upload_mission(vehicle, long_mission(60))
        upload_mission(vehicle, replace(survey(1), fence=(), rally=()))
    assert len(endpoint.copter.mission) == len(survey(1).items) + 1
    assert endpoint.copter.fence == endpoint.copter.rally == []


@pytest.mark.parametrize(
    "faults",
    [
        LinkFaults(loss=0.3, seed=1),
        LinkFaults(loss=0.1, duplicates=0.2, reordering=0.2, seed=2),
        LinkFaults(latency_s=0.1, seed=3),
    ],
    ids=["30 % loss", "loss, duplicates and reordering", "latency"],
)
def test_a_bad_link_ends_verified(endpoint: Endpoint, faults: LinkFaults) -> None:
    endpoint.copter.parameters.set("SIM_SPEEDUP", 3)
    with bad_link(endpoint.url, faults) as url, connect(url) as vehicle:
        upload_mission(vehicle, long_mission(80))
    assert len(endpoint.copter.mission) == 81


@pytest.mark.long
@pytest.mark.parametrize("loss", [0.0, 0.1, 0.2, 0.3])
@pytest.mark.parametrize("latency_s", [0.0, 0.5, 2.0])
def test_the_fault_matrix_ends_verified(endpoint: Endpoint, loss: float, latency_s: float) -> None:
    endpoint.copter.parameters.set("SIM_SPEEDUP", 1)
    faults = LinkFaults(loss=loss, latency_s=latency_s, duplicates=0.05, reordering=0.05, seed=round(100 * loss))
    with bad_link(endpoint.url, faults) as url, connect(url, timeout_s=30) as vehicle:
        upload_mission(vehicle, long_mission(649))
    assert len(endpoint.copter.mission) == 650


def test_a_refused_mission_leaves_the_vehicle_empty(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("planner.link.transfer.check", lambda *_: None)
    wrong = replace(MISSION, items=(*MISSION.items, MissionItem(9999, 3)))
    with connect(endpoint.url) as vehicle, pytest.raises(LinkError, match=r"does not know.*holds no mission"):
        upload_mission(vehicle, wrong)
    assert len(endpoint.copter.mission) <= 1


def test_a_vehicle_that_falls_silent_is_unknown(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("planner.link.transfer._SILENCE_S", 0.5)
    monkeypatch.setattr("planner.link.transfer._ATTEMPTS", 2)
    with connect(endpoint.url) as vehicle:
        endpoint.stop()
        with pytest.raises(LinkError, match="UNKNOWN: do not fly"):
            upload_mission(vehicle, MISSION)


def test_a_refused_fence_leaves_no_mission_behind(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("planner.link.transfer.check", lambda *_: None)
    with connect(endpoint.url) as vehicle:
        upload_mission(vehicle, MISSION)
        circle = FenceCircle(HOME.lat_deg, HOME.lon_deg, -5.0, inclusion=True)
        with pytest.raises(LinkError, match="holds no mission, fence"):
            upload_mission(vehicle, replace(MISSION, fence=(circle,)))
    assert len(endpoint.copter.mission) <= 1
    assert endpoint.copter.fence == endpoint.copter.rally == []


def test_a_stopped_upload_leaves_the_vehicle_empty(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with connect(endpoint.url) as vehicle:
        upload_mission(vehicle, MISSION)
        monkeypatch.setattr("planner.link.transfer.differences", stop)
        with pytest.raises(KeyboardInterrupt):
            upload_mission(vehicle, MISSION)
    assert len(endpoint.copter.mission) <= 1


def test_nothing_is_sent_to_an_armed_vehicle(endpoint: Endpoint) -> None:
    with connect(endpoint.url) as vehicle:
        assert vehicle.wait(lambda: endpoint.copter.ready, 10)
        vehicle.set_mode("GUIDED")
        vehicle.arm()
        with pytest.raises(LinkError, match=r"armed.*nothing was sent"):
            upload_mission(vehicle, MISSION)


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (MissionItem(16, 3, z=math.nan), "height is not a number"),
        (MissionItem(16, 3, p1=math.nan), "p1 is not a number"),
        (MissionItem(178, 2, p4=math.nan), "p4 is not a number"),
        (MissionItem(16, 3, x=910_000_000), "not on Earth"),
        (MissionItem(16, 3, z=99_999), "out of range"),
        (MissionItem(214, 2), "does not take this command"),
        (MissionItem(16, 8), "frame 8"),
    ],
)
def test_what_must_not_be_sent_is_refused_before(item: MissionItem, said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        check({Kind.MISSION: (item,)})


@pytest.mark.parametrize("kind", list(Kind))
def test_too_many_items_are_refused_before(kind: Kind) -> None:
    with pytest.raises(BadInputError, match=str(ARDUPILOT.capacity[kind])):
        check({kind: (waypoint(0, 0),) * (ARDUPILOT.capacity[kind] + 1)})


numbers = st.floats(-1000, 1000, width=32)


@given(
    command=st.sampled_from([16, 19, 20, 21, 22, 82, 178, 203, 205, 206, 1000, 2000, 115]),
    frame=st.sampled_from([0, 2, 3, 5, 6, 10, 11]),
    p=st.tuples(st.floats(0, 1000, width=32), numbers, numbers, st.just(0.0)),
    z=numbers,
)
@settings(max_examples=200, deadline=None)
def test_what_the_vehicle_keeps_is_what_we_compare_with(command: int, frame: int, p: tuple, z: float) -> None:
    item = MissionItem(command, frame, *p, x=474000000, y=85000000, z=z)
    kept = stored(MissionKind.MISSION, Item(command, frame, *p, 474000000, 85000000, z))
    assert not isinstance(kept, Refusal)
    back = MissionItem(kept.command, kept.frame, kept.p1, kept.p2, kept.p3, kept.p4, kept.x, kept.y, kept.z)
    assert differences(Kind.MISSION, (item, item), (item, back)) == []
    assert normalised(Kind.MISSION, back) == normalised(Kind.MISSION, normalised(Kind.MISSION, back))


def test_every_centimetre_up_to_500_m_is_recognised_and_two_centimetres_are_noticed() -> None:
    sent_m = np.arange(50_001) / 100
    # As the autopilot's own code has it: int32_t(z * 100.0f), and * 0.01f when it is asked.
    back_m = np.trunc(sent_m.astype(np.float32) * np.float32(100)).astype(np.float32) * np.float32(0.01)
    assert np.count_nonzero(back_m < sent_m - 0.005) == 2291
    here = waypoint(10, 20)
    sent, back = ([replace(here, z=float(z)) for z in heights] for heights in (sent_m, back_m))
    assert differences(Kind.MISSION, sent, back) == []
    lower = [replace(item, z=item.z - 0.02) for item in sent[::20]]
    assert len(differences(Kind.MISSION, sent[::20], lower)) == len(lower) - 1  # the home is the vehicle's own


@given(field=st.sampled_from(["x", "y", "z", "command", "p1"]), where=st.integers(1, len(MISSION.items)))
@settings(max_examples=50, deadline=None)
def test_any_changed_item_is_noticed(field: str, where: int) -> None:
    items = list(wire_items(MISSION)[Kind.MISSION])
    changed = replace(items[where], **{field: getattr(items[where], field) + 1})
    back = [*items[:where], changed, *items[where + 1 :]]
    assert differences(Kind.MISSION, items, back)
