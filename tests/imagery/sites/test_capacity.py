"""How many people sites house: near the standard's limit, never above it, and monotone where it must be."""

import math

import numpy as np
import pytest
import shapely
from shapely import affinity

from imagery.sites import load_standards
from imagery.sites.layout import lay_out
from tests.imagery.sites.cases import Case, broken

WEST, NORTH = 500_000.0, 4_000_000.0


def persons(shape: shapely.Polygon, profile: str = "standard") -> int:
    standards = load_standards(profile)
    limit = int(shape.area / standards["area_per_person_m2"]) // 5
    layout = lay_out(affinity.translate(shape, WEST, NORTH), limit, standards)
    return 0 if layout is None else layout.persons


@pytest.mark.parametrize("profile", ["minimum", "standard", "fire", "cold"])
@pytest.mark.parametrize(("width", "height"), [(142, 142), (247, 82), (340, 200), (400, 140)])
@pytest.mark.parametrize("angle", [0, 33])
def test_a_clean_rectangle_is_used_nearly_whole(profile: str, width: float, height: float, angle: float) -> None:
    shape = affinity.rotate(shapely.box(0, 0, width, height), angle)
    assert 0.95 <= persons(shape, profile) / math.floor(shape.area / 45) <= 1


@pytest.mark.parametrize(
    "shape",
    [
        shapely.Point(0, 0).buffer(110),
        shapely.box(0, 0, 220, 220).difference(shapely.box(90, 90, 220, 220)),
        shapely.box(0, 0, 200, 200).difference(shapely.Point(100, 100).buffer(35)),
        shapely.Polygon([(0, 0), (300, 20), (260, 180), (120, 140), (20, 220)]),
    ],
    ids=["disc", "l", "ring", "polygon"],
)
def test_an_irregular_site_is_used_well(shape: shapely.Polygon) -> None:
    assert 0.80 <= persons(shape) / math.floor(shape.area / 45) <= 1


def test_turning_or_shifting_a_site_changes_little() -> None:
    shape = shapely.box(0, 0, 230, 160).difference(shapely.box(150, 100, 230, 160))
    usual = persons(shape)
    for angle, east in ((17, 0.0), (45, 3.3), (90, 0.0), (131, 700.5)):
        moved = affinity.translate(affinity.rotate(shape, angle), east, 0.4)
        assert abs(persons(moved) - usual) <= 0.03 * usual


def test_services_outside_allow_thirty_square_metres() -> None:
    shape = shapely.box(0, 0, 150, 150)
    assert persons(shape) <= 22500 // 45
    assert 22500 // 45 < persons(shape, "services-outside") <= 22500 // 30


def test_a_wider_gap_never_houses_more() -> None:
    shape = affinity.rotate(shapely.box(0, 0, 150, 70).difference(shapely.box(60, 20, 80, 50)), 12)
    assert persons(shape, "fire") <= persons(shape, "standard") <= persons(shape, "minimum")


def test_a_new_obstacle_never_houses_more() -> None:
    shape = shapely.box(0, 0, 140, 110)
    random = np.random.default_rng(3)
    before = persons(shape)
    for _ in range(4):
        shape = shape.difference(shapely.Point(*random.uniform(20, 100, 2)).buffer(9))
        now = persons(shape)
        assert now <= before
        before = now


def test_small_sites_reach_what_brute_force_finds() -> None:
    """On sites of at most 20 tents, no shift of a plain grid of tents at the same angle fits more than the area allows;
    the layout reaches what is left after its road, latrine and tap."""
    for width, height in ((50, 40), (60, 50), (67, 67)):
        shape = shapely.box(0, 0, width, height)
        limit = int(shape.area / 45) // 5
        best = max(
            sum(
                shape.contains(shapely.box(u - 3.5, v - 4.3, u + 3.5, v + 4.3))
                for u in np.arange(du, width, 8.4)
                for v in np.arange(dv, height, 11.0)
            )
            for du in np.arange(0, 8.4, 1.4)
            for dv in np.arange(0, 11, 1.0)
        )
        found = persons(shape) // 5
        assert found <= min(limit, best)
        assert found >= 0.8 * min(limit, best)


def test_twenty_thousand_people_and_no_more() -> None:
    shape = affinity.rotate(shapely.box(0, 0, 1000, 900), 20)
    assert 0.95 * 20_000 <= persons(shape) <= load_standards()["max_site_persons"]


def test_ten_percent_is_the_limit_and_not_ten_degrees() -> None:
    gentle, truth = Case(slope_pct=9.0, towards_deg=30).run()
    assert gentle.persons > 400 and broken(gentle, truth) == []
    steep, _ = Case(slope_pct=11.0, towards_deg=30).run()  # 6.3 degrees
    assert steep.sites == []
