"""A laid out settlement as a value, in map coordinates."""

from dataclasses import dataclass, replace

import numpy as np
import shapely
from numpy.typing import NDArray

from imagery.sites.facilities import Place
from imagery.sites.lamps import Lamp
from imagery.sites.standards import Standards

__all__ = ["Layout", "pegging_zones"]


@dataclass(frozen=True, slots=True)
class Layout:
    """A settlement in map coordinates (metres).

    Attributes: angle_deg: direction of the rows, anticlockwise from east; tents: (n,) polygons; doors: (n, 2); community,
    block, latrine_of, stand_of: (n,) numbers; walk_m: (n,) to the tap along roads and paths; latrines, stands: polygons;
    roads, paths: lines; gate: where the road meets the site's edge, and its direction outwards.
    """

    angle_deg: float
    tents: NDArray[np.object_]
    doors: NDArray[np.float64]
    community: NDArray[np.int64]
    block: NDArray[np.int64]
    latrine_of: NDArray[np.intp]
    stand_of: NDArray[np.intp]
    walk_m: NDArray[np.float64]
    latrines: NDArray[np.object_]
    stands: NDArray[np.object_]
    facilities: list[Place]
    lamps: list[Lamp]
    roads: list[shapely.LineString]
    paths: list[shapely.LineString]
    gates: list[shapely.LineString]
    firebreaks: list[shapely.Polygon]

    @property
    def persons(self) -> int:
        """Five in each tent."""
        return 5 * len(self.tents)

    def clear_of(self, ways: list[shapely.LineString], standards: Standards) -> "Layout":
        """Without the tents whose guy lines would reach one of these truck roads, nor what else stands on them."""
        aside = standards["road_width_m"] / 2 + max(standards["pegging_side_m"], standards["pegging_end_m"])
        surface = shapely.union_all(shapely.buffer(ways, aside * 2**0.5))
        straight = shapely.union_all(shapely.buffer(ways, standards["road_width_m"] / 2, cap_style="flat"))
        near = np.flatnonzero(shapely.intersects(surface, self.tents))
        hit = near[shapely.area(shapely.intersection(pegging_zones(self.tents[near], standards), straight)) > 0]
        kept = np.delete(np.arange(len(self.tents)), hit)
        breaks = [part for shape in self.firebreaks for part in shapely.get_parts(shape.difference(straight))]
        return replace(
            self,
            tents=self.tents[kept],
            doors=self.doors[kept],
            community=self.community[kept],
            block=self.block[kept],
            latrine_of=self.latrine_of[kept],
            stand_of=self.stand_of[kept],
            walk_m=self.walk_m[kept],
            firebreaks=[part for part in breaks if part.area > 1.0],
            facilities=[place for place in self.facilities if not place.shape.intersects(straight)],
            lamps=[lamp for lamp in self.lamps if not lamp.point.intersects(straight)],
        )


def pegging_zones(tents: NDArray[np.object_], standards: Standards) -> NDArray[np.object_]:
    """Each tent's fly with its guy lines, for rectangles (n,) in any direction."""
    corners = shapely.get_coordinates(shapely.get_exterior_ring(tents)).reshape(-1, 5, 2)[:, :4]
    centre = corners.mean(axis=1, keepdims=True)
    grown = corners - centre
    for edge in (corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 1]):
        length = np.hypot(*edge.T)
        is_short = length < (standards["tent_fly_width_m"] + standards["tent_fly_length_m"]) / 2
        add = np.where(is_short, standards["pegging_side_m"], standards["pegging_end_m"])
        unit = edge / length[:, None]
        side = np.sign((grown * unit[:, None]).sum(axis=2))
        grown = grown + side[..., None] * (add[:, None] * unit)[:, None]
    return shapely.polygons(centre + grown)
