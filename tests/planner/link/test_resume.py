"""What is left of a survey: whatever was lost, log and resumed photos together cover the plan."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from imagery.core.errors import BadInputError
from imagery.core.photolog import PhotoRecord
from planner.link.resume import missing, remaining
from planner.link.triggers import Plane, PlannedPhoto, flown_path, planned_photos
from planner.mission import FencePolygon, Mission, MissionItem
from tests.planner.link.conftest import HOME, degrees, survey, waypoint


def logged(photos: list[PlannedPhoto]) -> list[PhotoRecord]:
    return [PhotoRecord(p.lat_deg, p.lon_deg, alt_rel_m=p.alt_rel_m) for p in photos]


def metres(photos: list[PlannedPhoto] | list[PhotoRecord]) -> np.ndarray:
    plane = Plane(HOME.lat_deg, HOME.lon_deg)
    places = [(p.lat_deg, p.lon_deg) if isinstance(p, PlannedPhoto) else (p.lat, p.lon) for p in photos]
    return np.array([plane.to_local(lat, lon) for lat, lon in places]).reshape(-1, 2)


def uncovered(mission: Mission, photos: list[PhotoRecord], within_m: float) -> int:
    """Planned photos without one nearby: the oracle, which knows nothing of lines and gaps."""
    there, wanted = metres(photos), metres(planned_photos(mission))
    if not len(there):
        return len(wanted)
    nearest = np.min(np.hypot(*(wanted[:, None] - there[None]).transpose(2, 0, 1)), axis=1)
    return int((nearest > within_m).sum())


def terrain_following() -> Mission:
    """Lines of several legs at changing heights, with a no-fly zone between the second and the third."""
    items = [MissionItem(22, 3, z=40.0), MissionItem(178, 2, p1=1, p2=8)]
    for number in range(4):
        ends = [20.0, 60.0, 110.0, 150.0] if number % 2 == 0 else [150.0, 110.0, 60.0, 20.0]
        items += [waypoint(25.0 * number, ends[0], 40.0), MissionItem(206, 2, p1=9.0, p3=1)]
        items += [waypoint(25.0 * number, north, 40.0 + north / 5) for north in ends[1:]]
        items.append(MissionItem(206, 2, p3=1))
    items.append(MissionItem(20, 2))
    inside = tuple(degrees(e, n) for e, n in ((-60, -60), (200, -60), (200, 260), (-60, 260)))
    zone = tuple(degrees(e, n) for e, n in ((30, 40), (45, 40), (45, 140), (30, 140)))
    return replace(survey(), items=tuple(items), fence=(FencePolygon(inside, True), FencePolygon(zone, False)))


def single_shots() -> Mission:
    items = [MissionItem(22, 3, z=30.0), MissionItem(178, 2, p1=1, p2=5)]
    for k in range(12):
        angle = math.radians(30 * k)
        items += [waypoint(50 + 30 * math.sin(angle), 50 + 30 * math.cos(angle), 30.0, 2.0), MissionItem(2000, 2, p3=1)]
    return replace(survey(), items=(*items, MissionItem(20, 2)))


def crosshatch() -> Mission:
    along, across = survey(5, 96.0), [MissionItem(206, 2)]
    for number in range(5):
        ends = (0.0, 80.0) if number % 2 else (80.0, 0.0)
        north = 40.0 + 18.0 * number
        across += [
            waypoint(ends[0], north),
            MissionItem(206, 2, p1=12, p3=1),
            waypoint(ends[1], north),
            MissionItem(206, 2),
        ]
    return replace(along, items=(*along.items[:-1], *across, along.items[-1]))


MISSIONS = {
    "survey": survey(4),
    "terrain": terrain_following(),
    "single shots": single_shots(),
    "crosshatch": crosshatch(),
}


@pytest.mark.parametrize("name", MISSIONS)
@settings(max_examples=50)
@given(data=st.data())
def test_whatever_was_lost_is_taken(name: str, data: st.DataObject) -> None:
    mission = MISSIONS[name]
    planned = planned_photos(mission)
    broke = data.draw(st.integers(0, len(planned)), "break")
    lost = data.draw(st.sets(st.integers(0, len(planned) - 1), max_size=12), "lost")
    taken = logged([photo for k, photo in enumerate(planned[:broke]) if k not in lost])
    rest = remaining(mission, taken)
    whole = taken + (logged(planned_photos(rest)) if rest is not None else [])
    spacing = next((item.p1 for item in mission.items if item.command == 206 and item.p1 > 0), 8.0)
    assert uncovered(mission, whole, 0.5 * spacing) == 0
    assert missing(mission, whole) == []
    assert remaining(mission, whole) is None


@pytest.mark.parametrize("name", ["survey", "terrain"])
@settings(max_examples=20)
@given(data=st.data())
def test_flights_that_break_again_and_again_end_complete(name: str, data: st.DataObject) -> None:
    mission = MISSIONS[name]
    taken: list[PhotoRecord] = []
    flights = 0
    while (rest := remaining(mission, taken)) is not None:
        photos = logged(planned_photos(rest))
        broke = data.draw(st.integers(1, len(photos)), "break")
        before = sum(stretch.photos for stretch in missing(mission, taken))
        taken += photos[:broke] if flights < 6 else photos
        flights += 1
        assert sum(stretch.photos for stretch in missing(mission, taken)) <= before
        assert flights < 10
    assert uncovered(mission, taken, 0.5 * 12) == 0


@settings(max_examples=30)
@given(noise_m=st.floats(0, 2.0), drift=st.floats(0, 0.02), seed=st.integers(0, 2**32 - 1))
def test_photos_need_not_lie_where_they_were_planned(noise_m: float, drift: float, seed: int) -> None:
    mission = survey(4, 300.0)
    dice = np.random.default_rng(seed)
    actual = replace(  # the autopilot triggers a little late each time, which adds up along a line
        mission, items=tuple(replace(i, p1=i.p1 * (1 + drift)) if i.command == 206 else i for i in mission.items)
    )
    plane = Plane(HOME.lat_deg, HOME.lon_deg)
    places = metres(planned_photos(actual)) + dice.uniform(-noise_m, noise_m, (len(planned_photos(actual)), 2)) / 2
    taken = [PhotoRecord(*plane.to_geographic(*place), alt_rel_m=40.0) for place in places.tolist()]
    assert missing(mission, taken) == []
    lost = int(dice.integers(1, 20))
    assert [gap.photos for gap in missing(mission, [t for k, t in enumerate(taken) if k != lost])] == [1]


def test_a_break_is_resumed_one_photo_before_it_and_no_line_is_flown_twice() -> None:
    mission = survey(4)
    planned = planned_photos(mission)
    rest = remaining(mission, logged(planned[:16]))  # ten photos a line: it broke on the second
    assert rest is not None
    again = planned_photos(rest)
    assert metres(again[:2]) == pytest.approx(metres(planned[14:16]), abs=0.05)
    assert len(again) <= len(planned) - 14 + 3  # and one at the end of each line
    assert [item.command for item in rest.items][:4] == [22, 206, 16, 178]
    assert rest.items[-1].command == 20
    assert rest.fence == mission.fence
    assert rest.rally == mission.rally


def test_speeds_and_aims_are_as_they_were() -> None:
    """A line with another speed and something to look at, resumed in its middle: both are set again, and reset at the end."""
    climb, aim = MissionItem(178, 2, p1=2, p2=3), replace(waypoint(50, 50, 10.0), command=201)
    faster, ahead = MissionItem(178, 2, p1=1, p2=12), MissionItem(201, 3)
    plain = survey(4)
    line_2 = next(k for k, item in enumerate(plain.items) if item == waypoint(20.0, 140.0))
    items = (
        *plain.items[:2],
        climb,
        *plain.items[2:line_2],
        aim,
        faster,
        *plain.items[line_2:-1],
        ahead,
        plain.items[-1],
    )
    mission = replace(plain, items=items)
    rest = remaining(mission, logged(planned_photos(mission)[:16]))
    assert rest is not None
    first = [item.command for item in rest.items].index(206, 2)
    before = rest.items[:first]
    assert {climb, aim, faster} <= set(before)
    assert plain.items[1] not in rest.items  # the speed of the line before
    assert rest.items[-2:] == (ahead, plain.items[-1])


def test_photos_lost_in_the_middle_are_flown_in_several_places() -> None:
    mission = survey(6, 240.0)
    planned = planned_photos(mission)
    lost = {7, 55, 90}
    taken = logged([photo for k, photo in enumerate(planned) if k not in lost])
    assert [gap.photos for gap in missing(mission, taken)] == [1, 1, 1]
    rest = remaining(mission, taken)
    assert rest is not None
    assert len(planned_photos(rest)) == 3 * 4  # the photo before the last good one, that one, the lost one, the next
    assert uncovered(mission, taken + logged(planned_photos(rest)), 1.0) == 0


@settings(max_examples=30)
@given(lost=st.sets(st.integers(0, 68), min_size=1, max_size=8))
def test_ways_between_stretches_keep_to_the_fence_and_to_the_heights(lost: set[int]) -> None:
    mission = terrain_following()
    planned = planned_photos(mission)
    rest = remaining(mission, logged([photo for k, photo in enumerate(planned) if k not in lost]))
    if rest is None:  # only photos just before a line's end, whose neighbours are close enough
        assert all(k % 16 in (14, 15) for k in lost)
        return
    path = flown_path(rest).points
    zone = shapely.box(30, 40, 45, 140)
    plan_m = np.array(flown_path(mission).points)
    for a, b in pairwise(path[1:]):
        way = shapely.LineString([a[:2], b[:2]])
        assert not way.intersects(zone)
        # Wherever the plan's own path passes below a way, the way is no lower than the plan (a metre of rounding).
        for low, high in pairwise(plan_m[1:]):
            if math.dist(low[:2], high[:2]) > 1 and way.length > 1:
                for share in (0.0, 0.5, 1.0):
                    spot = low + share * (high - low)
                    along = way.project(shapely.Point(spot[:2]))
                    if way.interpolate(along).distance(shapely.Point(spot[:2])) < 0.5:
                        assert a[2] + along / way.length * (b[2] - a[2]) >= spot[2] - 1.0


def test_many_small_gaps_still_fit_on_the_vehicle() -> None:
    mission = survey(12, 3000.0, 5.0)
    planned = planned_photos(mission)
    rest = remaining(mission, logged([photo for k, photo in enumerate(planned) if k % 9]))
    assert rest is not None
    assert len(rest.items) < 650


def test_a_mission_with_jumps_is_refused() -> None:
    mission = survey()
    jumping = replace(mission, items=(*mission.items[:-1], MissionItem(177, 2, p1=2, p2=3), mission.items[-1]))
    with pytest.raises(BadInputError, match="DO_JUMP"):
        remaining(jumping, [])
