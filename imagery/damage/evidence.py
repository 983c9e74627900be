"""Measuring every building: one row of cues each, then what needs the whole scene (intact roofs of the area, the sun)."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from imagery.core.progress import SILENT, Progress
from imagery.damage.change_cues import change_cues
from imagery.damage.chip import MARGIN_M, zones
from imagery.damage.cues import CUE_NAMES, signature_of
from imagery.damage.image_cues import SECTORS, colour_cues, image_cues, shadow_profile
from imagery.damage.raster import Grid
from imagery.damage.scene import Scene, ShiftField, SurfaceShift
from imagery.damage.surface_cues import above_ground, pair_cues, surface_cues

__all__ = ["Evidence", "measure"]

METRES_PER_FLOOR = 3.0
RELATIVE = {
    "rough_1m_rel": "rough_1m",
    "edge_density_rel": "edge_density",
    "glcm_entropy_rel": "glcm_entropy",
    "apron_edges_rel": "apron_edges",
}
INTACT_PERCENTILE = 25


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was measured of n buildings.

    Attributes: signatures: (n,) what showed each building; signature: the inputs that were used (see
    cues.SIGNATURES); values: (n, cues) raw values in CUES' order, NaN where masked; covered: (n,) share of the footprint
    that the later image shows; greenness: (n,) share of it under green leaves, NaN without colour; dz_med_m: (n,) median
    loss of height, NaN without two surfaces; sigma_z_m: its standard deviation on stable ground; cell_m: ground sampling
    distance at which images were compared; native_cell_m: that of the later image.
    """

    signature: str
    signatures: NDArray[Any]
    values: NDArray[Any]
    covered: NDArray[Any]
    greenness: NDArray[Any]
    dz_med_m: NDArray[Any]
    sigma_z_m: float
    cell_m: float
    native_cell_m: float

    def of(self, rows: NDArray[Any]) -> "Evidence":
        """The evidence of some of the buildings."""
        names = ("signatures", "values", "covered", "greenness", "dz_med_m")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})


@dataclass(frozen=True, slots=True)
class _Row:
    cues: dict[str, float]
    covered: float
    shadow: NDArray[Any]


def measure(
    scene: Scene,
    polygons: NDArray[np.object_],
    floors: NDArray[Any],
    *,
    image_shift: ShiftField | None,
    surface_shift: SurfaceShift | None,
    progress: Progress = SILENT,
) -> Evidence:
    """Cues of every building (footprints in the working system), read window by window."""
    tree = shapely.STRtree(polygons)
    rows = []
    with progress.stage("measuring buildings", len(polygons), "buildings") as advance:
        for index, polygon in enumerate(polygons):
            near = tree.query(shapely.buffer(polygon, MARGIN_M, cap_style="square"))
            others = [polygons[other] for other in near if other != index]
            rows.append(_row(scene, polygon, others, image_shift, surface_shift))
            advance(1)
    values = np.array([[row.cues.get(name, np.nan) for name in CUE_NAMES] for row in rows]).reshape(-1, len(CUE_NAMES))
    columns = {name: values[:, index] for index, name in enumerate(CUE_NAMES)}
    heights = np.array([row.cues.get("height_m", np.nan) for row in rows])
    centres = shapely.get_coordinates(shapely.centroid(polygons)).reshape(-1, 2)
    columns["height_low"][:] = _height_low(heights, floors, centres)
    for relative, absolute in RELATIVE.items():
        intact = np.nanpercentile(columns[absolute], INTACT_PERCENTILE) if np.isfinite(columns[absolute]).any() else 0.0
        columns[relative][:] = columns[absolute] - intact
    columns["shadow"][:] = _shadow_contrast(np.array([row.shadow for row in rows]).reshape(-1, SECTORS))
    return Evidence(
        signature_of(scene.inputs),
        _own_signatures(scene.inputs, columns),
        values,
        covered=np.array([row.covered for row in rows]),
        greenness=np.array([row.cues.get("greenness", np.nan) for row in rows]),
        dz_med_m=np.array([row.cues.get("dz_med", np.nan) for row in rows]),
        sigma_z_m=surface_shift.sigma_m if surface_shift else float("nan"),
        cell_m=scene.cell_m,
        native_cell_m=scene.post.cell_m,
    )


def _own_signatures(inputs: frozenset[str], columns: dict[str, NDArray[Any]]) -> NDArray[Any]:
    """The signature (n,) of each building: an input that shows nothing of it is not one of its inputs."""
    telling = {"pre": "unlike", "surface": "low_share", "pre_surface": "loss_med"}
    there = {name: np.isfinite(columns[cue]) for name, cue in telling.items() if name in inputs}
    count = len(columns["edge_density"])
    own = [frozenset({"post"} | {name for name, seen in there.items() if seen[index]}) for index in range(count)]
    return np.array([signature_of(kinds) for kinds in own], object)


def _row(
    scene: Scene,
    polygon: shapely.Polygon,
    others: list[shapely.Polygon],
    image_shift: ShiftField | None,
    surface_shift: SurfaceShift | None,
) -> _Row:
    grid = Grid.over(polygon.bounds, scene.cell_m, MARGIN_M)
    rgb, valid = scene.post.read(grid)
    zone = zones(polygon, others, grid)
    covered = float(np.mean(valid[zone.roof])) if zone.roof.any() else 0.0
    cues = image_cues(rgb, valid, zone, polygon, grid)
    if scene.post.colour:
        cues |= colour_cues(rgb, valid, zone)
    if scene.pre is not None and image_shift is not None:
        shift = image_shift.at(polygon.centroid.x, polygon.centroid.y)
        before, before_valid = scene.pre.read(grid.shifted(*shift))
        colour = scene.post.colour and scene.pre.colour
        cues |= change_cues(rgb, valid, before, before_valid, zone, cell_m=scene.cell_m, colour=colour)
    if scene.dsm is not None:
        cues |= _surface_row(scene, polygon, others, surface_shift)
    return _Row(cues, covered, shadow_profile(rgb, valid, zone, polygon, grid))


def _surface_row(
    scene: Scene,
    polygon: shapely.Polygon,
    others: list[shapely.Polygon],
    surface_shift: SurfaceShift | None,
) -> dict[str, float]:
    assert scene.dsm is not None
    grid = Grid.over(polygon.bounds, scene.surface_cell_m, MARGIN_M)
    zone = zones(polygon, others, grid)
    after = above_ground(scene.dsm.read(grid), zone)
    if after is None:
        return {}
    if scene.pre_dsm is None or surface_shift is None:
        return surface_cues(after, zone, grid.cell_m)
    raw = scene.pre_dsm.read(grid.shifted(surface_shift.east_m, surface_shift.north_m))
    before = above_ground(raw, zone)
    if before is None:
        return surface_cues(after, zone, grid.cell_m)
    return surface_cues(after, zone, grid.cell_m) | pair_cues(after, before, zone, surface_shift.sigma_m)


def _height_low(height_m: NDArray[Any], floors: NDArray[Any], centres: NDArray[Any]) -> NDArray[Any]:
    """Share (n,) of its due height that a building lacks: due by its floors, or else by its taller neighbours."""
    expected = floors * METRES_PER_FLOOR
    known = np.flatnonzero(np.isfinite(height_m))
    if len(known) >= 5:
        _distance, index = cKDTree(centres[known]).query(centres, k=min(15, len(known)))
        neighbours = np.maximum(np.percentile(height_m[known][index], 60, axis=1), 2.5)
        expected = np.where(np.isfinite(expected), expected, neighbours)
    return np.clip(1 - height_m / expected, -0.5, 1)


def _shadow_contrast(profiles: NDArray[Any]) -> NDArray[Any]:
    """How much darker the shaded side is than the lit one: (n,), NaN where the scene shows no common direction of shadows."""
    known = np.isfinite(profiles)
    if known.sum() < 5 * SECTORS:
        return np.full(len(profiles), np.nan)
    mean = np.array(
        [np.mean(column[seen]) if seen.any() else 0.0 for column, seen in zip(profiles.T, known.T, strict=True)]
    )
    direction = np.sum(mean * np.exp(2j * np.pi * np.arange(SECTORS) / SECTORS))
    if np.abs(direction) / SECTORS < 0.02:
        return np.full(len(profiles), np.nan)
    toward = np.cos(2 * np.pi * np.arange(SECTORS) / SECTORS - np.angle(direction))
    shaded, lit = toward > 0.5, toward < -0.5
    ok = known[:, shaded].any(axis=1) & known[:, lit].any(axis=1)
    filled = np.where(known, profiles, 0)
    count = np.maximum(known, 0)
    dark = filled[:, shaded].sum(axis=1) / np.maximum(count[:, shaded].sum(axis=1), 1)
    bright = filled[:, lit].sum(axis=1) / np.maximum(count[:, lit].sum(axis=1), 1)
    return np.where(ok, dark - bright, np.nan)
