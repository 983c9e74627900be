"""A photo's part of the mosaic: projected onto the surface, brightness set, with the weights of its feathered seams."""

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from imagery.core.decode import read_colour
from imagery.surface.grid import GridFrame, Window
from imagery.surface.views import View, shrunken

__all__ = ["FEATHER_CELLS", "Patch", "eighths_for", "project", "read_view", "seam_weights"]

FEATHER_CELLS = 3  # on either side of a seam


@dataclass(frozen=True, slots=True)
class Patch:
    """Pixels of one photo on the mosaic: where (window of output pixels), colours, and weights 0 to 255."""

    window: Window
    rgb: NDArray[np.uint8]
    weight: NDArray[np.uint8]


def eighths_for(view: View, gsd_m: float) -> int:
    """At how many eighths of its size a photo is fine enough for a mosaic of `gsd_m`."""
    return min(8, max(1, math.ceil(8 * 0.9 * view.gsd_m / gsd_m)))


def read_view(folder: Path, view: View, eighths: int) -> NDArray[np.uint8]:
    """A photo's colours at a number of eighths of its size."""
    longest = max(view.camera.width_px, view.camera.height_px)
    return read_colour(folder / view.name, None if eighths == 8 else math.ceil(longest * eighths / 8))


def seam_weights(own: NDArray[np.bool_]) -> NDArray[np.float32]:
    """How much of each cell a photo gives, 0 to 1, from the cells that are its own: all photos' weights add up to 1."""
    side = 2 * FEATHER_CELLS + 1
    return np.asarray(cv2.GaussianBlur(own.astype(np.float32), (side, side), 0, borderType=cv2.BORDER_REPLICATE))


def project(
    view: View,
    image: NDArray[np.uint8],
    eighths: int,
    frame: GridFrame,
    cells: Window,
    heights: NDArray[np.float32],
    weights: NDArray[np.float32],
    ratio: int,
) -> Patch:
    """The photo over a window of surface cells, `ratio` output pixels to a cell's side.

    heights, weights: of the cells of the window. The place of a cell in the photo is computed; between, it is interpolated.
    """
    cols, rows = np.meshgrid(np.arange(cells.width) + cells.col, np.arange(cells.height) + cells.row)
    to_local = frame.to_local(float(view.position[0]), float(view.position[1]))
    points = np.stack(
        [
            to_local[0, 0] * cols + to_local[0, 1] * rows + to_local[0, 2],
            to_local[1, 0] * cols + to_local[1, 1] * rows + to_local[1, 2],
            heights,
        ],
        axis=-1,
    ).reshape(-1, 3)
    camera = shrunken(view.camera, eighths)
    pixels = camera.project((points - view.position) @ view.rotation.T).astype(np.float32)
    size = cells.width * ratio, cells.height * ratio
    maps = [
        cv2.resize(pixels[:, axis].reshape(cells.height, cells.width), size, interpolation=cv2.INTER_LINEAR)
        for axis in range(2)
    ]
    rgb = cv2.remap(image, maps[0], maps[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    weight = cv2.resize(np.rint(255 * weights).astype(np.uint8), size, interpolation=cv2.INTER_LINEAR)
    window = Window(cells.row * ratio, cells.col * ratio, size[1], size[0])
    return Patch(window, np.asarray(rgb, np.uint8), np.asarray(weight, np.uint8))
