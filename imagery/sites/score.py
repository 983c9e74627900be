"""How good a site is: factors from 0 to 1, each with its weight, whose weighted sum is the score; and which sites to use."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray

from imagery.sites.standards import Standards
from imagery.sites.suitability import Suitability

__all__ = ["Factor", "Scorer", "choose_sites", "slope_factor", "total_score"]

FAR_ROAD_M, FAR_DISPLACED_M, FAR_WATER_M, NEAR_WATER_M = 500.0, 2000.0, 2000.0, 200.0


@dataclass(frozen=True, slots=True)
class Factor:
    """One line of a score table.

    Attributes: value: what was measured, in `unit`, None where unknown; factor: 0..1; weight: share of the score, 0 where
    unknown (the known factors' weights sum to 1).
    """

    name: str
    value: float | None
    unit: str
    factor: float
    weight: float


def total_score(factors: Sequence[Factor]) -> float:
    """The weighted sum."""
    return float(sum(factor.weight * factor.factor for factor in factors))


def slope_factor(slope_pct: NDArray[np.floating], standards: Standards) -> NDArray[np.float64]:
    """1.0 in the ideal range, 0.7 a percent beside it (down to 1 %, up to 5 %), falling to 0 at the limit; 0.5 if flatter."""
    low, high = standards["ideal_slope_low_pct"], standards["ideal_slope_high_pct"]
    limit, flat = standards["max_slope_pct"], standards["drainage_works_slope_pct"]
    shoulder = min(high + 1, limit)
    falling = 0.7 * ((limit - slope_pct) / max(limit - shoulder, 1e-9)).clip(0, 1)
    return np.select(
        [slope_pct < flat, slope_pct < low, slope_pct <= high, slope_pct <= shoulder], [0.5, 0.7, 1.0, 0.7], falling
    )


class Scorer:
    """Scores sites on one assessed ground; the distance maps are made once."""

    def __init__(self, ground: Suitability, standards: Standards, people: int | None) -> None:
        self.ground = ground
        self.standards = standards
        self.need_m2 = (people or 1000) * standards["area_per_person_m2"]
        self.to_road = self._distance(ground.road)
        self.to_water = self._distance(ground.water)
        self.to_displaced = self._distance(ground.damaged) if ground.known["damage"] == "given" else None

    def _distance(self, mask: NDArray[np.bool_]) -> NDArray[np.float32] | None:
        if not mask.any():
            return None
        return cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5) * self.ground.grid.cell_m

    def factors(self, site: shapely.Polygon) -> list[Factor]:
        """The table of one site."""
        standards, ground = self.standards, self.ground
        cells = ground.grid.burn([site.buffer(-ground.grid.cell_m * 0.71)])
        if not cells.any():
            cells = ground.grid.burn([site.representative_point()])
        slope, rough = ground.slope_pct[cells], ground.roughness_m[cells]
        outline = shapely.Polygon(site.exterior)
        compact = 4 * np.pi * outline.area / outline.length**2
        low, high = standards["flood_hand_m"], standards["flood_safe_hand_m"]
        hand = ground.hand_m[cells]
        road, displaced, water = (
            None if way is None else float(way[cells].min()) for way in (self.to_road, self.to_displaced, self.to_water)
        )
        rows: list[tuple[str, float | None, str, float]] = [
            ("area", site.area, "m2", min(1.0, site.area / (3 * self.need_m2))),
            ("slope", float(slope.mean()), "percent", float(slope_factor(slope, standards).mean())),
            (
                "roughness",
                float(rough.mean()),
                "m",
                float((1 - rough / standards["max_roughness_m"]).clip(0, 1).mean()),
            ),
            ("road", road, "m", _falling(road, 0, FAR_ROAD_M)),
            ("displaced", displaced, "m", _falling(displaced, 0, FAR_DISPLACED_M)),
            ("water", water, "m", _falling(water, NEAR_WATER_M, FAR_WATER_M)),
            (
                "flood",
                float(np.min(hand)) if np.isfinite(hand).any() else None,
                "m",
                float(((hand - low) / (high - low)).clip(0, 1).mean()) if np.isfinite(hand).any() else 0.0,
            ),
            ("compactness", float(compact), "1", float(min(compact, 1.0))),
        ]
        known = sum(standards[f"weight_{name}"] for name, value, _, _ in rows if value is not None)
        return [
            Factor(name, value, unit, factor, 0.0 if value is None else standards[f"weight_{name}"] / known)
            for name, value, unit, factor in rows
        ]


def _falling(value: float | None, full: float, none: float) -> float:
    return 0.0 if value is None else float(np.clip((none - value) / (none - full), 0, 1))


def choose_sites(capacities: Sequence[int], scores: Sequence[float], people: int) -> tuple[list[int], int]:
    """Which sites together house `people`: the best-scored ones until they suffice, without those that proved needless.

    Returns:
        indices in order of score, and how many remain unhoused.
    """
    order = sorted(range(len(scores)), key=lambda k: -scores[k])
    chosen: list[int] = []
    for k in order:
        if sum(capacities[c] for c in chosen) >= people:
            break
        if capacities[k] > 0:
            chosen.append(k)
    for k in reversed(chosen.copy()):
        if sum(capacities[c] for c in chosen) - capacities[k] >= people:
            chosen.remove(k)
    return chosen, max(0, people - sum(capacities[c] for c in chosen))
