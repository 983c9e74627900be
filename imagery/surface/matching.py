"""Dense matching as jobs: one per pair, each leaving a patch of heights in a scratch folder."""

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from shapely import Polygon, contains_xy

from imagery.core.decode import read_grey
from imagery.surface.grid import GridFrame, Window
from imagery.surface.prior import BLOCK, Prior
from imagery.surface.stereo import HeightCode, Patch, PatchCells, match, patch_of, rectify
from imagery.surface.views import View, shrunken

__all__ = ["GreyPhotos", "PairJobs"]

CACHED_PHOTOS = 48
WINDOW_MARGIN = 12  # cells around the common footprint, for relief
MOST_COARSE_POINTS = 400


class GreyPhotos:
    """Shrunk grey photos, each decoded once while it is wanted; safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, int], tuple[threading.Lock, list[NDArray[np.uint8]]]] = OrderedDict()

    def get(self, view: View, eighths: int) -> NDArray[np.uint8]:
        """A photo at a number of eighths of its size."""
        key = view.name, eighths
        with self._lock:
            lock, images = self._kept.setdefault(key, (threading.Lock(), []))
            self._kept.move_to_end(key)
            while len(self._kept) > CACHED_PHOTOS:
                self._kept.popitem(last=False)
        with lock:
            if not images:
                longest = max(view.camera.width_px, view.camera.height_px)
                side = None if eighths == 8 else math.ceil(longest * eighths / 8)
                images.append(read_grey(self._folder / view.name, side))
            return images[0]


@dataclass(frozen=True, slots=True)
class PairJobs:
    """All pairs to match, and what a match needs.

    Attributes: views; pairs: indices into views; photos; prior; frame; cell_m: cell side in metres, also the size of a rectified
    pixel; code: how heights are kept; store: folder for the patches.
    """

    views: list[View]
    pairs: list[tuple[int, int]]
    photos: GreyPhotos
    prior: Prior
    frame: GridFrame
    cell_m: float
    code: HeightCode
    store: Path
    windows: list[Window] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "windows", [self._window(pair) for pair in self.pairs])

    def touching(self, tile: Window) -> list[int]:
        """Numbers of the pairs whose patch meets a tile."""
        found = []
        for number, window in enumerate(self.windows):
            common = tile.intersection(window)
            if common.width and common.height:
                found.append(number)
        return found

    def run(self, number: int) -> Path | None:
        """Match one pair and keep its patch; None when the two have too little in common."""
        a, b = (self.views[k] for k in self.pairs[number])
        pair = rectify(a, b, self._ground(a, b), self.cell_m)
        if pair is None:
            return None
        eighths = [self._eighths(view) for view in (a, b)]
        cameras = shrunken(a.camera, eighths[0]), shrunken(b.camera, eighths[1])
        images = [self.photos.get(view, n) for view, n in zip((a, b), eighths, strict=True)]
        disparity = match((a, b), cameras, (images[0], images[1]), pair)
        centre = (a.position + b.position) / 2
        cells = PatchCells(self.windows[number], self.frame.to_cells(centre[0], centre[1]))
        path = self.store / f"pair-{number}.npy"
        np.save(path, patch_of(disparity, pair, a.position, cells, self.code))
        return path

    def patch(self, number: int, path: Path) -> Patch:
        """A kept patch, mapped from its file."""
        return Patch(self.windows[number], np.load(path, mmap_mode="r"))

    def _eighths(self, view: View) -> int:
        return min(8, max(1, math.ceil(8 * 0.9 * view.gsd_m / self.cell_m)))

    def _common(self, a: View, b: View) -> Polygon:
        return Polygon(a.footprint).buffer(0).intersection(Polygon(b.footprint).buffer(0)).convex_hull

    def _window(self, pair: tuple[int, int]) -> Window:
        outline = np.asarray(self._common(*(self.views[k] for k in pair)).exterior.coords)
        cells = self.frame.cells_of(outline)
        (west, north), (east, south) = cells.min(axis=0), cells.max(axis=0)
        whole = Window(math.floor(north), math.floor(west), math.ceil(south - north) + 1, math.ceil(east - west) + 1)
        return whole.grown(WINDOW_MARGIN, self.frame.grid)

    def _ground(self, a: View, b: View) -> NDArray[np.float64]:
        """Points of the ground that both see: tie points, and the coarse surface where there are few."""
        common = self._common(a, b)
        west, south, east, north = common.bounds
        points = self.prior.points
        near = points[
            (points[:, 0] >= west) & (points[:, 0] <= east) & (points[:, 1] >= south) & (points[:, 1] <= north)
        ]
        ties = near[contains_xy(common, near[:, 0], near[:, 1])]
        return np.vstack([ties, self._coarse_points(common)])

    def _coarse_points(self, common: Polygon) -> NDArray[np.float64]:
        """A regular sample of the coarse surface under a polygon, its corners included."""
        west, south, east, north = common.bounds
        step = math.sqrt(max(common.area, 1e-6) / MOST_COARSE_POINTS)
        xy = np.stack(np.meshgrid(np.arange(west, east, step), np.arange(south, north, step)), -1).reshape(-1, 2)
        xy = np.vstack([xy[contains_xy(common, xy[:, 0], xy[:, 1])], np.asarray(common.exterior.coords)])
        cells = self.frame.cells_of(xy)
        coarse = self.prior.coarse
        row = np.clip((cells[:, 1] + 0.5) // BLOCK, 0, coarse.shape[0] - 1).astype(int)
        col = np.clip((cells[:, 0] + 0.5) // BLOCK, 0, coarse.shape[1] - 1).astype(int)
        return np.column_stack([xy, coarse[row, col]])
