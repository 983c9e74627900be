"""The orthomosaic: every photo is decoded once, projected onto the surface where it shows best, and blended into tiles."""

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from imagery.align.reconstruction import Reconstruction
from imagery.core.errors import BadInputError, NotEnoughDataError
from imagery.core.files import atomic_path
from imagery.core.progress import SILENT, Progress
from imagery.ortho.cog import CogWriter
from imagery.ortho.colour import Samples, solve_gains
from imagery.ortho.footprints import write_footprints
from imagery.ortho.heights import Heights
from imagery.ortho.painter import Painter, Scene
from imagery.ortho.patches import read_view
from imagery.ortho.seam_map import write_seams
from imagery.ortho.seams import NOBODY, choose_photos
from imagery.surface.fill import block_medians
from imagery.surface.grid import Grid, GridFrame, unit_m
from imagery.surface.views import shrunken, views_of

__all__ = ["MosaicResult", "build_mosaic"]

BLOCK_PX = 16  # output pixels to a side of the blocks that are given to photos
SAMPLE_BLOCKS = 4  # one colour sample per so many blocks each way
READ_CELLS = 1024


@dataclass(frozen=True, slots=True)
class MosaicResult:
    """What was written.

    Attributes: ortho_path, footprints_path; gsd_m: pixel side; width_px, height_px; photos_shown: photos that have a part in it;
    covered_m2: area with colours; gain_range: smallest and largest factor on a photo's colours.
    """

    ortho_path: Path
    footprints_path: Path
    gsd_m: float
    width_px: int
    height_px: int
    photos_shown: int
    covered_m2: float
    gain_range: tuple[float, float]


def build_mosaic(
    reconstruction: Reconstruction,
    photos_dir: str | Path,
    dsm_path: str | Path,
    out_path: str | Path,
    *,
    gsd_m: float,
    workers: int | None = None,
    progress: Progress = SILENT,
) -> MosaicResult:
    """Write the orthomosaic as a cloud-optimised GeoTIFF, and `footprints.geojson` and `seams.geojson` beside it.

    gsd_m: pixel side in metres; the surface's cell must be 1, 2, 4 or 8 of it. workers: threads. Raises BadInputError for a
    surface that does not fit, NotEnoughDataError when no photo shows any of it.
    """
    out_path = Path(out_path)
    views = views_of(reconstruction)
    surface = Heights(dsm_path, reconstruction.crs)
    cell_m = surface.grid.cell * unit_m(reconstruction.crs)
    ratio = round(cell_m / gsd_m)
    if ratio not in (1, 2, 4, 8) or abs(cell_m / gsd_m - ratio) > 0.01 * ratio:
        raise BadInputError(f"{dsm_path}: its cell of {cell_m:.4g} m is not 1, 2, 4 or 8 pixels of {gsd_m:.4g} m")
    block = BLOCK_PX // ratio
    scene = Scene(
        views,
        Path(photos_dir),
        GridFrame(reconstruction.frame, surface.grid),
        cell_m / ratio,
        ratio,
        block,
        _block_heights(surface, block),
    )
    cv2.setNumThreads(1)
    workers = workers or os.cpu_count() or 1
    labels = choose_photos(views, scene.frame, scene.heights, block, cell_m * block)
    if (labels == NOBODY).all():
        raise NotEnoughDataError(f"{dsm_path}: no photo shows any part of this surface")
    gains = _gains(scene, workers, progress)
    grid = _output_grid(surface.grid, ratio)
    with (
        atomic_path(out_path) as temporary,
        tempfile.TemporaryDirectory(prefix=".mosaic.", dir=out_path.parent, ignore_cleanup_errors=True) as scratch,
    ):
        writer = CogWriter(temporary, grid, Path(scratch))
        painter = Painter(scene, surface, labels, gains, Path(scratch))
        shown, valid = painter.paint(grid, writer, workers, progress)
        writer.close()
    footprints = out_path.with_name("footprints.geojson")
    write_footprints(footprints, views, reconstruction.frame, scene.frame, scene.heights, block)
    write_seams(out_path.with_name("seams.geojson"), labels, [view.name for view in views], surface.grid, block)
    covered_m2 = valid * scene.gsd_m**2
    extremes = float(gains.min()), float(gains.max())
    return MosaicResult(out_path, footprints, scene.gsd_m, grid.width, grid.height, shown, covered_m2, extremes)


def _output_grid(grid: Grid, ratio: int) -> Grid:
    return Grid(grid.crs, grid.west, grid.north, grid.cell / ratio, grid.width * ratio, grid.height * ratio)


def _block_heights(surface: Heights, block: int) -> NDArray[np.float32]:
    shape = -(-surface.grid.height // block), -(-surface.grid.width // block)
    heights = np.full(shape, np.nan, np.float32)
    for tile in surface.grid.tiles(READ_CELLS):
        part = block_medians(surface.read(tile), block)
        row, col = tile.row // block, tile.col // block
        heights[row : row + part.shape[0], col : col + part.shape[1]] = part
    return heights


def _gains(scene: Scene, workers: int, progress: Progress) -> NDArray[np.float32]:
    """Brightness factors from colours sampled in thumbnails of all photos."""
    step = SAMPLE_BLOCKS
    rows, cols = np.mgrid[step // 2 : scene.heights.shape[0] : step, step // 2 : scene.heights.shape[1] : step]
    heights = scene.heights[rows, cols]
    known = np.isfinite(heights)
    centres = (np.column_stack([cols[known], rows[known]]) + 0.5) * scene.block - 0.5
    up = heights[known].astype(float)

    def sample(index: int) -> Samples:
        view = scene.views[index]
        local = np.column_stack([centres, np.ones(len(centres))]) @ scene.frame.to_local(*view.position[:2]).T
        box = view.footprint.min(axis=0) - 0.25 * view.height_m, view.footprint.max(axis=0) + 0.25 * view.height_m
        near = np.flatnonzero(((local >= box[0]) & (local <= box[1])).all(axis=1))
        pixels = view.pixels(np.column_stack([local[near], up[near]]))
        seen = np.isfinite(pixels[:, 0])
        thumbnail = cv2.blur(read_view(scene.photos_dir, view, 1), (5, 5))
        scale = shrunken(view.camera, 1).fx / view.camera.fx
        xy = ((pixels[seen] + 0.5) * scale - 0.5).astype(np.float32)
        rgb = cv2.remap(thumbnail, xy[:, :1], xy[:, 1:], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        advance(1)
        return Samples(near[seen], np.full(int(seen.sum()), index), rgb.reshape(-1, 3).astype(np.float32))

    with (
        progress.stage("colour", len(scene.views), "photos") as advance,
        ThreadPoolExecutor(workers) as pool,
    ):
        parts = list(pool.map(sample, range(len(scene.views))))
    samples = Samples(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("place", "photo", "rgb")))
    return solve_gains(samples, len(scene.views))
