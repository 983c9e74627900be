"""From aligned photos to a surface model and a terrain model: match pairs, fuse them, fill the rest, filter the ground."""

import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from imagery.align.reconstruction import Reconstruction
from imagery.core.errors import BadInputError
from imagery.core.progress import SILENT, Progress
from imagery.surface.coverage import seen_by
from imagery.surface.fill import REACH, block_medians, fill_from, spread
from imagery.surface.fusion import fuse
from imagery.surface.grid import Grid, GridFrame, Window, unit_m
from imagery.surface.matching import GreyPhotos, PairJobs
from imagery.surface.pairs import choose_pairs
from imagery.surface.prior import BLOCK, Prior, coarse_window
from imagery.surface.rasters import write_raster
from imagery.surface.stereo import EMPTY, HeightCode
from imagery.surface.terrain import WORK_M, ground_of, lower_blocks
from imagery.surface.views import View, views_of

__all__ = ["QUALITIES", "Quality", "SurfaceResult", "build_surface"]

TILE_CELLS = 512
TOLERANCE_CELLS = 1.5  # measurements of a cell this many cells of height apart still agree
HEADROOM_M = 150.0  # above and below the tie points: what 16-bit heights must hold


@dataclass(frozen=True, slots=True)
class Quality:
    """Cell side in ground sampling distances, and partners matched per photo (0: tie points only)."""

    cell_gsd: int
    partners: int


QUALITIES = {"preview": Quality(4, 0), "standard": Quality(4, 2), "high": Quality(2, 3)}


@dataclass(frozen=True, slots=True)
class SurfaceResult:
    """What was built.

    Attributes: dsm_path, dtm_path: the models; measured_path: how many pairs agreed on each cell (uint8, 0: filled); cell_m:
    cell side; pairs: photo pairs matched; completeness: measured share of the cells that two photos or more see; covered_m2:
    area of the cells that a photo sees.
    """

    dsm_path: Path
    dtm_path: Path
    measured_path: Path
    cell_m: float
    pairs: int
    completeness: float
    covered_m2: float


@dataclass(frozen=True, slots=True)
class _Layers:
    """Rasters over the whole grid, mapped from scratch files: fused codes, agreeing pairs, final heights (NaN: unseen)."""

    codes: NDArray[np.int16]
    counts: NDArray[np.uint8]
    heights: NDArray[np.float32]

    @classmethod
    def create(cls, folder: Path, shape: tuple[int, int]) -> "_Layers":
        def layer(name: str, dtype: type) -> NDArray:
            return np.lib.format.open_memmap(folder / f"{name}.npy", "w+", dtype, shape)

        layers = cls(layer("codes", np.int16), layer("counts", np.uint8), layer("heights", np.float32))
        layers.codes[:] = EMPTY
        return layers


def build_surface(
    reconstruction: Reconstruction,
    photos_dir: str | Path,
    out_dir: str | Path,
    *,
    gsd_m: float,
    quality: str = "standard",
    workers: int | None = None,
    progress: Progress = SILENT,
) -> SurfaceResult:
    """Write `dsm.tif`, `dtm.tif` and `measured.tif` (how many pairs agree) of the area that the photos see.

    gsd_m: ground sampling distance of the orthomosaic, metres; quality: preview, standard or high; workers: threads.
    Raises NotEnoughDataError without tie points, BadInputError for an unknown quality or a geographic reference system.
    """
    if quality not in QUALITIES:
        raise BadInputError(f"unknown quality {quality!r}: choose one of {', '.join(QUALITIES)}")
    chosen, out_dir = QUALITIES[quality], Path(out_dir)
    cell_m = chosen.cell_gsd * gsd_m
    views = views_of(reconstruction)
    grid = _grid_of(reconstruction, views, cell_m)
    frame = GridFrame(reconstruction.frame, grid)
    prior = Prior.from_ties(reconstruction.points, frame)
    pairs = choose_pairs(views, chosen.partners) if chosen.partners else []
    code = _height_code(prior, cell_m)
    out_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".surface.", dir=out_dir, ignore_cleanup_errors=True) as scratch:
        layers = _Layers.create(Path(scratch), grid.shape)
        if pairs:
            jobs = PairJobs(views, pairs, GreyPhotos(Path(photos_dir)), prior, frame, cell_m, code, Path(scratch))
            _measure(jobs, grid, layers, workers, progress)
        else:
            _plot_ties(prior, code, layers)
        coarse = _coarse_surface(layers, code, prior, grid)
        seen = seen_by(views, frame, coarse)
        completeness, covered = _fill(layers, code, coarse, seen, grid)
        result = SurfaceResult(
            out_dir / "dsm.tif",
            out_dir / "dtm.tif",
            out_dir / "measured.tif",
            cell_m,
            len(pairs),
            completeness,
            covered * cell_m**2,
        )
        _write(result, layers, grid, progress)
    return result


def _grid_of(reconstruction: Reconstruction, views: list[View], cell_m: float) -> Grid:
    cell = cell_m / unit_m(reconstruction.crs)
    unit = Grid(reconstruction.crs, 0.0, 0.0, 1.0, 1, 1)
    # On a grid of unit cells around the origin, columns are eastings and rows are southings.
    cells = GridFrame(reconstruction.frame, unit).cells_of(np.vstack([view.footprint for view in views])) + 0.5
    west, east = cells[:, 0].min(), cells[:, 0].max()
    south, north = -cells[:, 1].max(), -cells[:, 1].min()
    return Grid.covering(reconstruction.crs, (west, south, east, north), cell)


def _height_code(prior: Prior, cell_m: float) -> HeightCode:
    low, high = float(prior.points[:, 2].min()) - HEADROOM_M, float(prior.points[:, 2].max()) + HEADROOM_M
    return HeightCode((low + high) / 2, max(cell_m / 32, (high - low) / 60000))


def _measure(jobs: PairJobs, grid: Grid, layers: _Layers, workers: int | None, progress: Progress) -> None:
    """Match pairs and fuse them tile by tile; a pair's patch lives from its first tile to its last."""
    tiles = list(grid.tiles(TILE_CELLS))
    touching = [jobs.touching(tile) for tile in tiles]
    last_tile = {number: k for k, numbers in enumerate(touching) for number in numbers}
    tolerance = round(TOLERANCE_CELLS * jobs.cell_m / jobs.code.step_m)
    running: dict[int, Future[Path | None]] = {}

    def matched(number: int) -> Path | None:
        path = jobs.run(number)
        advance(1)
        return path

    cv2.setNumThreads(1)
    with (
        progress.stage("surface", len(jobs.pairs), "pairs") as advance,
        ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool,
    ):
        try:
            for k, tile in enumerate(tiles):
                for number in (n for ahead in touching[k : k + 2] for n in ahead):
                    if number not in running:
                        running[number] = pool.submit(matched, number)
                paths = {number: running[number].result() for number in touching[k]}
                patches = [jobs.patch(number, path) for number, path in paths.items() if path]
                layers.codes[tile.slices], layers.counts[tile.slices] = fuse(tile, patches, tolerance)
                for number, path in paths.items():
                    if path and last_tile[number] == k:
                        path.unlink()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _plot_ties(prior: Prior, code: HeightCode, layers: _Layers) -> None:
    """Without matching, the tie points are what is measured."""
    cells = np.rint(prior.cells).astype(int)
    inside = ((cells >= 0) & (cells < layers.codes.shape[::-1])).all(axis=1)
    col, row = cells[inside].T
    layers.codes[row, col] = np.rint((prior.points[inside, 2] - code.base_m) / code.step_m)
    layers.counts[row, col] = 1


def _coarse_surface(layers: _Layers, code: HeightCode, prior: Prior, grid: Grid) -> NDArray[np.float32]:
    """Block medians of what was measured; tie points where nothing was, smoothly filled between."""
    coarse = np.full(prior.coarse.shape, np.nan, np.float32)
    for tile in grid.tiles(TILE_CELLS * 4):
        medians = block_medians(_decoded(layers.codes[tile.slices], code), BLOCK)
        row, col = tile.row // BLOCK, tile.col // BLOCK
        coarse[row : row + medians.shape[0], col : col + medians.shape[1]] = medians
    rows, cols = np.clip((prior.cells[:, ::-1] + 0.5) // BLOCK, 0, np.array(coarse.shape) - 1).astype(int).T
    empty = np.isnan(coarse[rows, cols])
    coarse[rows[empty], cols[empty]] = prior.coarse[rows[empty], cols[empty]]
    return spread(coarse)


def _fill(
    layers: _Layers, code: HeightCode, coarse: NDArray[np.float32], seen: NDArray[np.float32], grid: Grid
) -> tuple[float, int]:
    """Final heights; returns the measured share of the cells that two photos see, and the cells that one sees."""
    measured = twice = covered = 0
    for tile in grid.tiles(TILE_CELLS):
        wide = tile.grown(REACH, grid)
        inner = tile.within(wide).slices
        heights = fill_from(_decoded(layers.codes[wide.slices], code), coarse_window(coarse, wide))[inner]
        photos = coarse_window(seen, tile)
        known = layers.counts[tile.slices] > 0
        heights[(photos < 0.5) & ~known] = np.nan
        layers.heights[tile.slices] = heights
        covered += int(np.isfinite(heights).sum())
        twice += int((photos >= 1.5).sum())
        measured += int(((photos >= 1.5) & known).sum())
    return measured / max(twice, 1), covered


def _decoded(codes: NDArray[np.int16], code: HeightCode) -> NDArray[np.float32]:
    return np.where(codes == EMPTY, np.nan, code.base_m + code.step_m * codes.astype(np.float32)).astype(np.float32)


def _write(result: SurfaceResult, layers: _Layers, grid: Grid, progress: Progress) -> None:
    with progress.stage("surface: writing", 3, "files") as advance:
        write_raster(result.dsm_path, grid, _cut(layers.heights, grid), description="surface height, m")
        advance(1)
        write_raster(
            result.dtm_path, grid, _terrain(layers.heights, grid, result.cell_m), description="ground height, m"
        )
        advance(1)
        write_raster(
            result.measured_path,
            grid,
            _cut(layers.counts, grid),
            dtype="uint8",
            nodata=None,
            description="photo pairs that agree on the height",
        )
        advance(1)


def _cut(layer: NDArray, grid: Grid) -> Iterator[tuple[Window, NDArray]]:
    for tile in grid.tiles(TILE_CELLS):
        yield tile, np.asarray(layer[tile.slices])


def _terrain(heights: NDArray[np.float32], grid: Grid, cell_m: float) -> Iterator[tuple[Window, NDArray[np.float32]]]:
    """The ground below the surface, filtered on a raster of about WORK_M, where the surface is known."""
    side = max(1, round(WORK_M / cell_m))
    strips = range(0, grid.height, side * 128)
    work = np.vstack([lower_blocks(heights[row : row + side * 128], side) for row in strips])
    ground = ground_of(work, side * cell_m)
    for tile, surface in _cut(heights, grid):
        yield tile, np.where(np.isfinite(surface), coarse_window(ground, tile, side), np.nan).astype(np.float32)
