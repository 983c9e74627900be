"""Painting the mosaic: every photo is decoded once and cut into pieces, which wait for the chunks that they belong to."""

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from imagery.core.progress import Progress
from imagery.ortho.cog import CHUNK, CogWriter
from imagery.ortho.colour import tone_table
from imagery.ortho.heights import Heights
from imagery.ortho.patches import BLOCK_CELLS, FEATHER_CELLS, OpenPhoto, Patch, project, seam_weights
from imagery.ortho.seams import EDGE_PX, NOBODY, packed
from imagery.ortho.visibility import drop_hidden, give_hidden_away
from imagery.surface.grid import Grid, GridFrame, Window
from imagery.surface.views import View

__all__ = ["Painter", "Scene"]

TILE_CELLS = 512
SIGHT_CELLS = 96  # beyond a window, what may stand in the way of seeing into it
LEAST_WEIGHT = 24  # of 255: less is the fading edge of the mosaic


@dataclass(frozen=True, slots=True)
class Scene:
    """What the parts of the work share: views, the surface's grid, output pixels per cell, cells per block, blocks' heights."""

    views: list[View]
    photos_dir: Path
    frame: GridFrame
    gsd_m: float
    ratio: int
    block: int
    heights: NDArray[np.float32]

    @property
    def cell_m(self) -> float:
        """Side of a cell of the surface."""
        return self.gsd_m * self.ratio


class Painter:
    """Paints chunk after chunk from pieces of photos.

    labels: the photo of every block; gains: factors per photo and channel. Cells' labels and heights go to files in `scratch`.
    """

    def __init__(
        self, scene: Scene, surface: Heights, labels: NDArray[np.int16], gains: NDArray[np.float32], scratch: Path
    ) -> None:
        self._scene, self._gains = scene, gains
        self._cells = scene.frame.grid
        shape = self._cells.shape
        self._labels = np.lib.format.open_memmap(scratch / "labels.npy", "w+", np.int16, shape)
        self._heights = np.lib.format.open_memmap(scratch / "heights.npy", "w+", np.float32, shape)
        places = np.array([view.position for view in scene.views])
        self._cameras = np.column_stack([scene.frame.cells_of(places), places[:, 2]])
        for tile in self._cells.tiles(TILE_CELLS):
            self._heights[tile.slices] = surface.smooth(tile)
        for tile in self._cells.tiles(TILE_CELLS):
            self._label(tile, labels)
        self._blocks = self._blocks_of_photos()

    def paint(self, grid: Grid, writer: CogWriter, workers: int, progress: Progress) -> tuple[int, int]:
        """Write all chunks of the output; returns how many photos have a part, and how many pixels have colours."""
        chunks = {(chunk.row, chunk.col): chunk for chunk in grid.tiles(CHUNK)}
        needs: dict[tuple[int, int], list[int]] = {corner: [] for corner in chunks}
        for index, blocks in self._blocks.items():
            for corner in {self._corner(block) for block in blocks}:
                needs[corner].append(index)
        waiting: dict[tuple[int, int], list[Patch]] = {corner: [] for corner in chunks}
        running: dict[int, Future[list[Patch]]] = {}
        order, valid = list(chunks), 0
        with progress.stage("mosaic", len(self._blocks), "photos") as advance, ThreadPoolExecutor(workers) as pool:
            try:
                started: set[int] = set()
                for k, corner in enumerate(order):
                    for index in (n for ahead in order[k : k + 2] for n in needs[ahead]):
                        if index not in started:
                            started.add(index)
                            running[index] = pool.submit(self._pieces, index)
                    for index in [n for n in needs[corner] if n in running]:
                        for patch in running.pop(index).result():
                            waiting[self._corner_of_pixels(patch.window)].append(patch)
                        advance(1)
                    rgb, mask = _blend(chunks[corner], waiting.pop(corner))
                    writer.write(chunks[corner], rgb, mask)
                    valid += int(np.count_nonzero(mask))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return len(self._blocks), valid

    def _label(self, tile: Window, labels: NDArray[np.int16]) -> None:
        """Labels of a tile's cells: their block's, but another photo's where that one cannot see the cell."""
        wide = tile.grown(SIGHT_CELLS, self._cells)
        around = self._upsampled(labels, wide)
        inner = tile.within(wide).slices
        own = np.full(around.shape, NOBODY, np.int16)
        own[inner] = around[inner]
        if (own != NOBODY).any():
            to_local = self._scene.frame.to_local(*self._local_centre(tile))
            to_local = np.column_stack([to_local[:, :2], to_local @ [wide.col, wide.row, 1]])
            numbers = np.unique(around[around != NOBODY])
            views = [packed(self._scene.views[number], to_local, EDGE_PX) for number in numbers]
            cameras = self._cameras - [wide.col, wide.row, 0]
            heights = np.array(self._heights[wide.slices])
            give_hidden_away(own, heights, cameras, np.column_stack([numbers, views]), self._scene.cell_m)
        self._labels[tile.slices] = own[inner]

    def _local_centre(self, tile: Window) -> tuple[float, float]:
        position = self._scene.views[0].position
        to_local = self._scene.frame.to_local(float(position[0]), float(position[1]))
        east, north = to_local @ [tile.col + tile.width / 2, tile.row + tile.height / 2, 1.0]
        return float(east), float(north)

    def _upsampled(self, labels: NDArray[np.int16], window: Window) -> NDArray[np.int16]:
        rows, cols = (np.arange(s.start, s.stop) // self._scene.block for s in window.slices)
        return labels[np.ix_(rows, cols)]

    def _blocks_of_photos(self) -> dict[int, list[Window]]:
        """The squares of cells in which each photo has a part, its feather included."""
        blocks: dict[int, list[Window]] = {}
        for block in self._cells.tiles(BLOCK_CELLS):
            near = self._labels[block.grown(FEATHER_CELLS, self._cells).slices]
            for index in np.unique(near):
                if index != NOBODY:
                    blocks.setdefault(int(index), []).append(block)
        return blocks

    def _corner(self, block: Window) -> tuple[int, int]:
        side = CHUNK // self._scene.ratio
        return block.row // side * CHUNK, block.col // side * CHUNK

    @staticmethod
    def _corner_of_pixels(window: Window) -> tuple[int, int]:
        return window.row // CHUNK * CHUNK, window.col // CHUNK * CHUNK

    def _pieces(self, index: int) -> list[Patch]:
        """Every piece of one photo."""
        scene = self._scene
        photo = OpenPhoto.read(scene.photos_dir, scene.views[index], scene.frame, scene.gsd_m)
        table = tone_table(self._gains[index])[None]
        pieces = []
        for block in self._blocks[index]:
            weight = self._weights(index, block)
            if weight.any():
                wide = block.grown(1, self._cells)
                rgb = project(photo, wide, block, np.asarray(self._heights[wide.slices]), scene.ratio)
                ratio = scene.ratio
                window = Window(block.row * ratio, block.col * ratio, block.height * ratio, block.width * ratio)
                pieces.append(Patch(window, np.asarray(cv2.LUT(rgb, table), np.uint8), weight))
        return pieces

    def _weights(self, index: int, block: Window) -> NDArray[np.uint8]:
        """The photo's weight on a block's output pixels, 0 to 255."""
        ratio = self._scene.ratio
        wide = block.grown(FEATHER_CELLS + 1, self._cells)
        own = self._labels[wide.slices] == index
        weights = seam_weights(own)
        if not own.all():
            sight = wide.grown(SIGHT_CELLS // 2, self._cells)
            rows, cols = wide.within(sight).slices
            padded, mine = np.zeros((sight.height, sight.width), np.float32), np.ones((sight.height, sight.width), bool)
            padded[rows, cols], mine[rows, cols] = weights, own
            camera = self._cameras[index] - [sight.col, sight.row, 0]
            drop_hidden(padded, mine, np.array(self._heights[sight.slices]), camera, self._scene.cell_m)
            weights = padded[rows, cols]
        fine = cv2.resize(
            np.rint(255 * weights).astype(np.uint8),
            (wide.width * ratio, wide.height * ratio),
            interpolation=cv2.INTER_LINEAR,
        )
        inner = block.within(wide)
        keep = Window(inner.row * ratio, inner.col * ratio, inner.height * ratio, inner.width * ratio)
        return np.ascontiguousarray(fine[keep.slices])


def _blend(chunk: Window, patches: Iterable[Patch]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    total = np.zeros((chunk.height, chunk.width, 4), np.uint16)
    for patch in patches:
        common = chunk.intersection(patch.window)
        here, there = common.within(chunk).slices, common.within(patch.window).slices
        _add(total[here], patch.rgb[there], patch.weight[there])
    rgb = np.empty((chunk.height, chunk.width, 3), np.uint8)
    _finish(total, rgb)
    return rgb, total[..., 3] >= LEAST_WEIGHT


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
