"""What a disaster does to a settlement: a severity that varies in space, and the damage of every building by grade.

Grades follow the Joint Damage Scale: 1 roof elements missing, 2 partial collapse, 3 collapsed.
"""

from dataclasses import replace

import numpy as np
import shapely
from numpy.typing import NDArray

from imagery.core.errors import BadInputError
from sitl.world.noise import value_noise
from sitl.world.plan import Damage, House, Plan, Tree
from sitl.world.slide import paths_over, spread

__all__ = ["DISASTERS", "strike"]

DISASTERS = ("earthquake", "storm", "flood", "fire", "landslide")
GRADE_SHARES = (0.34, 0.33, 0.33)  # of the damaged buildings: grades 1, 2, 3


def strike(plan: Plan, severity: float) -> Plan:
    """The plan after its disaster; severity is the share of the buildings that it damages (0-1)."""
    if plan.disaster == "none" or not plan.houses:
        return plan
    if plan.disaster not in DISASTERS:
        raise BadInputError(f"unknown disaster {plan.disaster!r}: choose one of {', '.join(DISASTERS)} or none")
    if not 0 <= severity <= 1:
        raise BadInputError(f"the severity of a disaster is a share from 0 to 1, not {severity}")
    if plan.disaster == "landslide":
        return _slide_over(plan, severity)
    rng = np.random.default_rng([plan.seed, 2])
    exposure = _exposure(plan, rng)
    grades = _graded(exposure, severity)
    houses = tuple(
        replace(house, damage=_damage(plan.disaster, int(grade), house, rng))
        for house, grade in zip(plan.houses, grades, strict=True)
    )
    trees = _felled(plan.trees, rng) if plan.disaster == "storm" else plan.trees
    flood = _flood_levels(plan, grades) if plan.disaster == "flood" else None
    return replace(plan, houses=houses, trees=trees, flood=flood)


def _slide_over(plan: Plan, severity: float) -> Plan:
    """The plan after a landslide just wide enough to reach the share of the buildings; those in its middle are destroyed."""
    rng = np.random.default_rng([plan.seed, 3])
    hit = round(severity * len(plan.houses))
    if not hit:
        return plan
    paths = paths_over(plan.terrain, plan.houses, hit, rng)
    away = shapely.distance(shapely.union_all(paths), [house.polygon for house in plan.houses])
    grades = _graded(-away, severity)
    slide = spread(plan.terrain, paths, max(4.0, float(np.sort(away)[hit - 1])))
    houses = tuple(
        replace(house, damage=_damage("landslide", int(grade), house, rng))
        for house, grade in zip(plan.houses, grades, strict=True)
    )
    inside = replace(plan.terrain, heights_m=slide.inside_m)
    downhill = {path: _course_deg(path) for path in paths}
    trees = tuple(
        replace(tree, fallen_deg=downhill[min(paths, key=tree.point.distance)] + float(rng.normal(0, 25)))
        if inside.at(tree.point.x, tree.point.y) > 1
        else tree
        for tree in plan.trees
    )
    return replace(plan, houses=houses, trees=trees, slide=slide)


def _course_deg(line: shapely.LineString) -> float:
    """The direction from a line's first point to its last, clockwise from north."""
    first, last = np.asarray(line.coords)[[0, -1]]
    return float(np.degrees(np.arctan2(*(last - first))))


def _exposure(plan: Plan, rng: np.random.Generator) -> NDArray[np.float64]:
    """How hard each building is hit: the field of severity in space, the building's own weakness, and chance."""
    weak = {"tiles": 0.15, "slate": 0.1, "metal": 0.0, "concrete": -0.1}
    exposure = np.empty(len(plan.houses))
    for i, house in enumerate(plan.houses):
        if plan.disaster == "flood":
            exposure[i] = -_above_stream(plan, house) + 0.3 * rng.normal()
        else:
            field = value_noise(house.x, house.y, 120.0, plan.seed + 77) + 0.5 * value_noise(
                house.x, house.y, 45.0, plan.seed + 78
            )
            exposure[i] = field + weak[house.material] + 0.05 * house.floors + 0.45 * rng.normal()
    return exposure


def _above_stream(plan: Plan, house: House) -> float:
    """Height of a building's ground above the nearest drainage."""
    terrain = plan.terrain
    return float(replace(terrain, heights_m=terrain.above_stream_m).at(house.x, house.y))


def _graded(exposure: NDArray[np.float64], severity: float) -> NDArray[np.int64]:
    """Grades by rank: the most exposed are destroyed, the least exposed stay whole, in fixed shares."""
    damaged = round(severity * len(exposure))
    order = np.argsort(-exposure, kind="stable")
    grades = np.zeros(len(exposure), int)
    destroyed, major = round(GRADE_SHARES[2] * damaged), round(GRADE_SHARES[1] * damaged)
    grades[order[:destroyed]] = 3
    grades[order[destroyed : destroyed + major]] = 2
    grades[order[destroyed + major : damaged]] = 1
    return grades


def _damage(disaster: str, grade: int, house: House, rng: np.random.Generator) -> Damage:
    side = float(rng.choice([0, 90, 180, 270]) + rng.normal(0, 22))
    total = house.wall_m
    heap = float(np.clip(total * rng.uniform(0.18, 0.34), 0.7, 2.4))
    apron = float(rng.uniform(1.5, 3.5))
    if grade == 0:
        return Damage()
    if grade == 1:
        tarp = float(rng.uniform(0.05, 0.15)) if disaster == "storm" and rng.random() < 0.5 else 0.0
        kind = "flooded" if disaster == "flood" else "holes"
        return Damage(1, kind, hole_share=float(rng.uniform(0.05, 0.18)), tarp_share=tarp, apron_m=1.0)
    if grade == 2:
        share, holes = float(rng.uniform(0.25, 0.55)), float(rng.uniform(0.02, 0.12))
        kind = {"storm": "unroofed", "fire": "burnt"}.get(disaster, "partial")
        return Damage(2, kind, holes, share, side, heap, apron * 0.8)
    kind = {"storm": "unroofed", "fire": "burnt"}.get(disaster, "pancake" if rng.random() < 0.35 else "rubble")
    return Damage(3, kind, 0.0, 1.0, side, heap, apron)


def _felled(trees: tuple[Tree, ...], rng: np.random.Generator) -> tuple[Tree, ...]:
    """A storm lays about a fifth of the trees, all in nearly one direction."""
    wind = rng.uniform(0, 360)
    return tuple(
        replace(tree, fallen_deg=float(wind + rng.normal(0, 18))) if rng.random() < 0.2 else tree for tree in trees
    )


def _flood_levels(plan: Plan, grades: NDArray[np.int64]) -> NDArray[np.float64]:
    """Height of the water above the nearest drainage at (peak, now): the peak just reaches the least of the damaged houses."""
    above = np.array([_above_stream(plan, house) for house in plan.houses])
    hit = above[grades > 0]
    peak = float(np.quantile(hit, 0.9)) if len(hit) else 1.0
    return np.array([peak, peak * 0.45])
