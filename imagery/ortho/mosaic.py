"""The orthomosaic: every photo is decoded once, projected onto the surface where it shows best, and blended into tiles."""

import os
import tempfile
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from imagery.align.reconstruction import Reconstruction
from imagery.core.errors import BadInputError, NotEnoughDataError
from imagery.core.files import atomic_path
from imagery.core.progress import SILENT, Progress
from imagery.ortho.cog import CHUNK, CogWriter
from imagery.ortho.colour import Samples, solve_gains
from imagery.ortho.footprints import write_footprints
from imagery.ortho.heights import Heights
from imagery.ortho.patches import FEATHER_CELLS, Patch, eighths_for, project, read_view, seam_weights
from imagery.ortho.seams import NOBODY, choose_photos
from imagery.surface.fill import block_medians
from imagery.surface.grid import Grid, GridFrame, Window, unit_m
from imagery.surface.views import View, shrunken, views_of

__all__ = ["MosaicResult", "build_mosaic"]

BLOCK_PX = 16  # output pixels to a side of the blocks that are given to photos
EDGE_PX = 8.0  # of a photo's border that is not used
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


@dataclass(frozen=True, slots=True)
class _Scene:
    """What the parts of the work share: views, the surface's grid, output pixels per cell, cells per block, blocks' heights."""

    views: list[View]
    photos_dir: Path
    frame: GridFrame
    gsd_m: float
    ratio: int
    block: int
    heights: NDArray[np.float32]


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
    """Write the orthomosaic as a cloud-optimised GeoTIFF and `footprints.geojson` beside it.

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
    scene = _Scene(
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
    labels = choose_photos(views, scene.frame, scene.heights, block, cell_m * block, EDGE_PX)
    if (labels == NOBODY).all():
        raise NotEnoughDataError(f"{dsm_path}: no photo shows any part of this surface")
    gains = _gains(scene, workers, progress)
    grid = _output_grid(surface.grid, ratio)
    with (
        atomic_path(out_path) as temporary,
        tempfile.TemporaryDirectory(prefix=".mosaic.", dir=out_path.parent, ignore_cleanup_errors=True) as scratch,
    ):
        writer = CogWriter(temporary, grid, Path(scratch))
        shown, valid = _Painter(scene, surface, labels, gains, grid).paint(writer, workers, progress)
        writer.close()
    footprints = out_path.with_name("footprints.geojson")
    write_footprints(footprints, views, reconstruction.frame, scene.frame, scene.heights, block)
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


def _gains(scene: _Scene, workers: int, progress: Progress) -> NDArray[np.float32]:
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


class _Painter:
    """Paints chunk after chunk; a photo's patch is made when the first chunk needs it and let go after the last."""

    def __init__(
        self, scene: _Scene, surface: Heights, labels: NDArray[np.int16], gains: NDArray[np.float32], grid: Grid
    ) -> None:
        self._scene, self._surface, self._labels, self._gains, self._grid = scene, surface, labels, gains, grid
        self._areas = _areas(labels, len(scene.views), scene.block, surface.grid)

    def paint(self, writer: CogWriter, workers: int, progress: Progress) -> tuple[int, int]:
        """Write all chunks; returns how many photos have a part, and how many pixels have colours."""
        chunks = list(self._grid.tiles(CHUNK))
        needs = [self._touching(chunk) for chunk in chunks]
        last = {index: k for k, indices in enumerate(needs) for index in indices}
        valid = 0
        waiting: dict[int, Future[Patch]] = {}
        with progress.stage("mosaic", len(last), "photos") as advance, ThreadPoolExecutor(workers) as pool:
            try:
                for k, chunk in enumerate(chunks):
                    self._start(pool, waiting, [index for ahead in needs[k : k + 2] for index in ahead])
                    rgb, mask = _blend(chunk, (waiting[index].result() for index in needs[k]))
                    writer.write(chunk, rgb, mask)
                    valid += int(mask.sum())
                    for index in needs[k]:
                        if last[index] == k:
                            del waiting[index]
                            advance(1)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return len(last), valid

    def _start(self, pool: ThreadPoolExecutor, waiting: dict[int, Future[Patch]], indices: Iterable[int]) -> None:
        for index in indices:
            if index not in waiting:
                heights = self._surface.smooth(self._areas[index])
                waiting[index] = pool.submit(self._patch, index, heights)

    def _touching(self, chunk: Window) -> list[int]:
        ratio = self._scene.ratio
        cells = Window(chunk.row // ratio, chunk.col // ratio, -(-chunk.height // ratio), -(-chunk.width // ratio))
        common = {index: cells.intersection(area) for index, area in self._areas.items()}
        return [index for index, part in common.items() if part.width and part.height]

    def _patch(self, index: int, heights: NDArray[np.float32]) -> Patch:
        scene, view, area = self._scene, self._scene.views[index], self._areas[index]
        rows, cols = (np.arange(s.start, s.stop) // scene.block for s in area.slices)
        weights = seam_weights(self._labels[np.ix_(rows, cols)] == index)
        eighths = eighths_for(view, scene.gsd_m)
        image = read_view(scene.photos_dir, view, eighths)
        patch = project(view, image, eighths, scene.frame, area, heights, weights, scene.ratio)
        ramp = np.arange(256)[:, None] * self._gains[index]
        table = np.clip(np.rint(ramp), 0, 255).astype(np.uint8)[None]
        cv2.LUT(patch.rgb, table, dst=patch.rgb)
        return patch


def _areas(labels: NDArray[np.int16], views: int, block: int, grid: Grid) -> dict[int, Window]:
    """The cells that each photo with a part needs: its blocks' bounding box and the feather."""
    rows, cols = np.nonzero(labels != NOBODY)
    owner = labels[rows, cols]
    lows, highs = np.full((views, 2), np.iinfo(np.int64).max), np.full((views, 2), -1)
    places = np.column_stack([rows, cols])
    np.minimum.at(lows, owner, places)
    np.maximum.at(highs, owner, places)
    areas = {}
    for index in np.flatnonzero(highs[:, 0] >= 0):
        (row, col), (bottom, right) = lows[index] * block, (highs[index] + 1) * block
        window = Window(int(row), int(col), int(bottom - row), int(right - col))
        areas[int(index)] = window.grown(FEATHER_CELLS + 1, grid)
    return areas


def _blend(chunk: Window, patches: Iterable[Patch]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    total = np.zeros((chunk.height, chunk.width, 4), np.uint16)
    for patch in patches:
        common = chunk.intersection(patch.window)
        here, there = common.within(chunk).slices, common.within(patch.window).slices
        _add(total[here], patch.rgb[there], patch.weight[there])
    rgb = np.empty((chunk.height, chunk.width, 3), np.uint8)
    _finish(total, rgb)
    return rgb, total[..., 3] >= 128


@numba.njit(nogil=True, cache=True)
def _add(total, rgb, weight):  # type: ignore[no-untyped-def]
    for row in range(weight.shape[0]):
        for col in range(weight.shape[1]):
            w = np.uint16(weight[row, col])
            if w and total[row, col, 3] + w <= 257:  # what 16 bits hold
                for channel in range(3):
                    total[row, col, channel] += w * np.uint16(rgb[row, col, channel])
                total[row, col, 3] += w


@numba.njit(nogil=True, cache=True)
def _finish(total, rgb):  # type: ignore[no-untyped-def]
    for row in range(rgb.shape[0]):
        for col in range(rgb.shape[1]):
            w = total[row, col, 3]
            for channel in range(3):
                rgb[row, col, channel] = (total[row, col, channel] + w // 2) // w if w else 0
