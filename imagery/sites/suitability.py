"""Where tents may stand: a hard mask with exactly one reason per excluded cell, and what the score needs to know."""

from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from pathlib import Path

import cv2
import geopandas as gpd
import numpy as np
import scipy.ndimage as ndi
from numpy.typing import NDArray

from imagery.core.errors import NotEnoughDataError
from imagery.core.progress import SILENT, Progress
from imagery.sites.grid import Grid, read_vectors
from imagery.sites.landcover import Cover, find_cover
from imagery.sites.standards import Standards
from imagery.sites.terrain import bare_ground, drainage, filled, slope_and_roughness

__all__ = ["Ground", "Layers", "Reason", "Suitability", "assess", "read_ground", "read_layers"]

# Two cell centres this much further apart than a limit guarantee the limit between any points of the two cells.
CELL_MARGIN = 2**0.5
NARROW_RADIUS_M = 5.0
LAYER_OF = {"damage": "builtUpA", "site": "site"}


class Reason(IntEnum):
    """Why a cell is excluded; a cell has the first reason, in this order, that holds for it."""

    USABLE = 0
    NO_DATA = 1
    OUTSIDE_SITE = 2
    WATER = 3
    BUILDING = 4
    TREES = 5
    OBJECT = 6
    ROAD = 7
    AVOID = 8
    WATER_BUFFER = 9
    DEBRIS_ZONE = 10
    BUILDING_CLEARANCE = 11
    TREE_FALL = 12
    ROAD_CLEARANCE = 13
    STEEP = 14
    ROUGH = 15
    FLOOD = 16
    NARROW = 17
    TOO_SMALL = 18

    @property
    def label(self) -> str:
        """The code in files: lower case with underscores."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Ground:
    """Rasters on the analysis grid, all (h, w): heights in metres, NaN where there is no data in `surface_m` only.

    Attributes: rgb: (3, h, w) in 0..1 or None without an orthomosaic; terrain_given: the bare ground came from a file.
    """

    grid: Grid
    surface_m: NDArray[np.float32]
    bare_m: NDArray[np.float32]
    rgb: NDArray[np.float32] | None
    terrain_given: bool


@dataclass(frozen=True, slots=True)
class Layers:
    """The user's vector layers in the grid's CRS; None where not given."""

    roads: gpd.GeoDataFrame | None = None
    water: gpd.GeoDataFrame | None = None
    avoid: gpd.GeoDataFrame | None = None
    damage: gpd.GeoDataFrame | None = None
    site: gpd.GeoDataFrame | None = None


@dataclass(frozen=True, slots=True)
class Suitability:
    """The assessed ground, all arrays (h, w).

    Attributes: reason: Reason codes; slope_pct, roughness_m: at the scale of a tent; east_slope, north_slope: m/m;
    hand_m: height above the nearest drain, infinite without one; road, water, damaged: cells of roads, water and damaged
    buildings; cover: what was found in surface and imagery; known: of roads, water and damage whether "given", "found in
    the imagery" or "unknown".
    """

    grid: Grid
    bare_m: NDArray[np.float32]
    reason: NDArray[np.uint8]
    slope_pct: NDArray[np.float32]
    roughness_m: NDArray[np.float32]
    east_slope: NDArray[np.float32]
    north_slope: NDArray[np.float32]
    hand_m: NDArray[np.float32]
    road: NDArray[np.bool_]
    water: NDArray[np.bool_]
    damaged: NDArray[np.bool_]
    cover: Cover
    known: dict[str, str]

    def height_at(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Heights of the bare ground at map points (n, 2), bilinear between cell centres, in metres."""
        columns = (points[:, 0] - self.grid.west_m) / self.grid.cell_m - 0.5
        rows = (self.grid.north_m - points[:, 1]) / self.grid.cell_m - 0.5
        return ndi.map_coordinates(self.bare_m, [rows, columns], order=1, mode="nearest", output=np.float64)

    def slope_under(self, centres: NDArray[np.float64], angle_deg: float, size_m: tuple[float, float]) -> NDArray:
        """Slope in percent of the plane fitted under rectangles that are turned by `angle_deg`, for centres (n, 2)."""
        steps = np.linspace(-0.5, 0.5, 5)
        u, v = (grid.ravel() for grid in np.meshgrid(steps * size_m[0], steps * size_m[1]))
        cos, sin = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
        offsets = np.column_stack([u * cos - v * sin, u * sin + v * cos])
        points = (centres[:, None, :] + offsets[None]).reshape(-1, 2)
        height = self.height_at(points).reshape(len(centres), len(u))
        return 100 * np.hypot(height @ u / (u @ u), height @ v / (v @ v))


def read_ground(
    dsm: str | Path, ortho: str | Path | None, dtm: str | Path | None, cell_m: float = 1.0, progress: Progress = SILENT
) -> Ground:
    """Bring the surface, the orthomosaic and the terrain model onto one grid; the bare ground is derived if not given."""
    grid = Grid.covering(dsm, cell_m)
    with progress.stage("reading the surface", 3, "rasters") as advance:
        surface = grid.read(dsm, 1)
        if not np.isfinite(surface).any():
            raise NotEnoughDataError(f"{dsm}: has no height in any cell")
        advance(1)
        bare = grid.read(dtm, 1) if dtm is not None else None
        advance(1)
        rgb = _read_rgb(grid, ortho) if ortho is not None else None
        advance(1)
    if bare is None or not np.isfinite(bare).any():
        with progress.stage("bare ground"):
            return Ground(grid, surface, bare_ground(filled(surface), grid.cell_m), rgb, False)
    holes = ~np.isfinite(bare)
    return Ground(grid, surface, np.where(holes, filled(bare), bare), rgb, True)


def _read_rgb(grid: Grid, ortho: str | Path) -> NDArray[np.float32]:
    rgb = grid.read(ortho, [1, 2, 3])
    top = np.nanmax(rgb) if np.isfinite(rgb).any() else 1.0
    return rgb / (255.0 if top <= 255 else top)


def read_layers(
    grid: Grid,
    *,
    roads: str | Path | None = None,
    water: str | Path | None = None,
    avoid: str | Path | None = None,
    damage: str | Path | None = None,
    site: str | Path | None = None,
) -> Layers:
    """Read the layers that are given."""
    paths = {"roads": roads, "water": water, "avoid": avoid, "damage": damage, "site": site}
    return Layers(
        **{name: read_vectors(path, grid.crs, LAYER_OF.get(name)) for name, path in paths.items() if path is not None}
    )


def assess(ground: Ground, layers: Layers, standards: Standards, progress: Progress = SILENT) -> Suitability:
    """Give every cell its first reason for exclusion, or none."""
    grid, cell = ground.grid, ground.grid.cell_m
    with progress.stage("suitability", 4, "steps") as advance:
        slope, rough, east, north = slope_and_roughness(ground.bare_m, cell, standards["slope_scale_m"])
        advance(1)
        drains = drainage(ground.bare_m, cell, standards["drain_catchment_m2"], standards["drain_depth_m"])
        advance(1)
        cover = find_cover(ground.surface_m, ground.bare_m, ground.rgb, cell, standards)
        masks, known, water, road, damaged = _hard_masks(grid, layers, cover, standards)
        advance(1)
        masks |= {
            Reason.NO_DATA: ~np.isfinite(ground.surface_m),
            Reason.STEEP: slope > standards["max_slope_pct"],
            Reason.ROUGH: rough > standards["max_roughness_m"],
            Reason.FLOOD: (drains.hand_m < standards["flood_hand_m"])
            & (drains.distance_m <= standards["drain_reach_m"]),
        }
        reason = np.zeros(grid.shape, np.uint8)
        for code in sorted(masks, reverse=True):
            reason[masks[code]] = code
        _drop_specks(reason, cell, standards["min_site_area_m2"] if layers.site is None else 0.0)
        advance(1)
    return Suitability(
        grid, ground.bare_m, reason, slope, rough, east, north, drains.hand_m, road, water, damaged, cover, known
    )


def _hard_masks(
    grid: Grid, layers: Layers, cover: Cover, standards: Standards
) -> tuple[dict[Reason, NDArray[np.bool_]], dict[str, str], NDArray, NDArray, NDArray]:
    """The masks of objects and of the distances to keep from them; what is known; cells of water, roads, damage."""
    cell = grid.cell_m
    known = {
        "roads": "given" if layers.roads is not None else ("found in the imagery" if cover.road.any() else "unknown"),
        "water": "given" if layers.water is not None else ("found in the imagery" if cover.water.any() else "unknown"),
        "damage": "given" if layers.damage is not None else "unknown",
    }
    water = cover.water if layers.water is None else cover.water | grid.burn(list(layers.water.geometry))
    road = cover.road if layers.roads is None else grid.burn(_road_surfaces(layers.roads, standards["road_width_m"]))
    building = cover.building
    damaged = building.copy()  # without a damage layer every building may come down
    if layers.damage is not None:
        damaged = grid.burn(list(layers.damage.geometry[_is_damaged(layers.damage)]))
        building = building | grid.burn(list(layers.damage.geometry))
    height = np.where(building | cover.trees | cover.object_, cover.height_m, 0)
    masks = {
        Reason.WATER: water,
        Reason.BUILDING: building,
        Reason.TREES: cover.trees,
        Reason.OBJECT: cover.object_,
        Reason.ROAD: road,
        Reason.WATER_BUFFER: within(water, standards["water_buffer_m"], cell),
        Reason.DEBRIS_ZONE: within_heights(
            damaged, height, standards["debris_factor"], standards["debris_min_m"], cell
        ),
        Reason.BUILDING_CLEARANCE: within(building, standards["building_clearance_m"], cell),
        Reason.TREE_FALL: within_heights(cover.trees, height, standards["tree_clearance_factor"], 0.0, cell),
        Reason.ROAD_CLEARANCE: within(road, standards["through_road_distance_m"], cell),
    }
    if layers.avoid is not None:
        masks[Reason.AVOID] = grid.burn(list(layers.avoid.geometry))
    if layers.site is not None:
        masks[Reason.OUTSIDE_SITE] = ~grid.burn(list(layers.site.geometry))
    return masks, known, water, road, damaged


def _is_damaged(damage: gpd.GeoDataFrame) -> NDArray[np.bool_]:
    """Buildings graded minor or worse, and those without a grade, since they may come down too."""
    if "jds_grade" in damage:
        grade = damage["jds_grade"].astype(str).str.lower()
        return ~grade.isin({"no-damage", "0", "0.0"}).to_numpy()
    if "damage_gra" in damage:
        return ~damage["damage_gra"].astype(str).str.lower().isin({"no visible damage"}).to_numpy()
    return np.ones(len(damage), bool)


def _road_surfaces(roads: gpd.GeoDataFrame, width_m: float) -> list:
    """Roads as areas: polygons as they are, lines widened to their `width_m` attribute or the truck road's width."""
    widths = np.full(len(roads), width_m)
    for name in ("width_m", "width"):
        if name in roads:
            given = np.array([_number(value) for value in roads[name]])
            widths = np.where(np.isfinite(given), given, width_m)
            break
    is_line = roads.geometry.geom_type.isin(["LineString", "MultiLineString"]).to_numpy()
    return list(roads.geometry.buffer(np.where(is_line, widths / 2, 0)))


def _number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return np.nan


def within(mask: NDArray[np.bool_], distance_m: float, cell_m: float) -> NDArray[np.bool_]:
    """Cells of which any point lies within `distance_m` of any point of a cell of `mask`."""
    if not mask.any():
        return np.zeros_like(mask)
    reach = distance_m / cell_m + CELL_MARGIN
    return cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) < reach


def within_heights(
    mask: NDArray[np.bool_], height_m: NDArray[np.float32], factor: float, least_m: float, cell_m: float
) -> NDArray[np.bool_]:
    """Cells within `factor` times its height, but at least `least_m`, of any connected object of `mask`."""
    labels, count = ndi.label(mask, np.ones((3, 3)))
    near = np.zeros_like(mask)
    if count == 0:
        return near
    tops = np.concatenate([[0.0], ndi.maximum(height_m, labels, np.arange(1, count + 1))])
    top = tops[labels]
    edges = [0.0, 2.0, 3.0, 4.0, 5.0, 6.5, 8.0, 10.0, 12.0, 15.0, 20.0, 30.0, np.inf]
    for low, high in pairwise(edges):
        group = mask & (top >= low) & (top < high)
        if group.any():
            near |= within(group, max(least_m, factor * float(top[group].max())), cell_m)
    return near


def _drop_specks(reason: NDArray[np.uint8], cell_m: float, min_area_m2: float) -> None:
    """Give strips too narrow for a tent and regions under the least area their reasons, in place."""
    radius = max(1, round(NARROW_RADIUS_M / cell_m))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    usable = (reason == Reason.USABLE).astype(np.uint8)
    padded = np.pad(usable, radius)
    opened = cv2.morphologyEx(padded, cv2.MORPH_OPEN, disc)[radius:-radius, radius:-radius]
    reason[(usable > 0) & (opened == 0)] = Reason.NARROW
    labels, count = ndi.label(reason == Reason.USABLE)
    areas = np.bincount(labels.ravel(), minlength=count + 1) * cell_m**2
    small = areas < min_area_m2
    small[0] = False
    reason[small[labels]] = Reason.TOO_SMALL
