"""A photo's part of the mosaic: projected onto the surface, brightness set, with the weights of its feathered seams."""

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from imagery.core.camera import Camera
from imagery.core.decode import read_colour
from imagery.surface.grid import GridFrame, Window
from imagery.surface.views import View, shrunken

__all__ = ["BLOCK_CELLS", "FEATHER_CELLS", "OpenPhoto", "Patch", "project", "read_view", "seam_weights"]

FEATHER_CELLS = 3  # on either side of a seam
BLOCK_CELLS = 64  # side of the pieces that a photo is projected in: only where it has a part


@dataclass(frozen=True, slots=True)
class Patch:
    """Pixels of one photo on the mosaic: where (window of output pixels), colours, and weights 0 to 255."""

    window: Window
    rgb: NDArray[np.uint8]
    weight: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class OpenPhoto:
    """A decoded photo ready to be projected: its view, pixels (possibly shrunk), their camera, and cells to local metres."""

    view: View
    image: NDArray[np.uint8]
    camera: Camera
    to_local: NDArray[np.float64]

    @classmethod
    def read(cls, folder: Path, view: View, frame: GridFrame, gsd_m: float) -> "OpenPhoto":
        """Decode a photo as finely as a mosaic of `gsd_m` needs it."""
        eighths = min(8, max(1, math.ceil(8 * 0.9 * view.gsd_m / gsd_m)))
        to_local = frame.to_local(float(view.position[0]), float(view.position[1]))
        return cls(view, read_view(folder, view, eighths), shrunken(view.camera, eighths), to_local)


def read_view(folder: Path, view: View, eighths: int) -> NDArray[np.uint8]:
    """A photo's colours at a number of eighths of its size."""
    longest = max(view.camera.width_px, view.camera.height_px)
    return read_colour(folder / view.name, None if eighths == 8 else math.ceil(longest * eighths / 8))


def seam_weights(own: NDArray[np.bool_]) -> NDArray[np.float32]:
    """How much of each cell a photo gives, 0 to 1, from the cells that are its own: all photos' weights add up to 1."""
    side = 2 * FEATHER_CELLS + 1
    return np.asarray(cv2.GaussianBlur(own.astype(np.float32), (side, side), 0, borderType=cv2.BORDER_REPLICATE))


def project(
    photo: OpenPhoto, cells: Window, inner: Window, heights: NDArray[np.float32], ratio: int
) -> NDArray[np.uint8]:
    """The photo over the cells of `inner`, `ratio` output pixels to a cell's side.

    heights: of the cells of `cells`, which is `inner` with a margin. The place of a cell's centre in the photo is computed, that
    of the pixels between is interpolated.
    """
    cols, rows = np.meshgrid(np.arange(cells.width) + cells.col, np.arange(cells.height) + cells.row)
    to_local = photo.to_local
    points = np.stack(
        [
            to_local[0, 0] * cols + to_local[0, 1] * rows + to_local[0, 2],
            to_local[1, 0] * cols + to_local[1, 1] * rows + to_local[1, 2],
            heights,
        ],
        axis=-1,
    ).reshape(-1, 3)
    view = photo.view
    pixels = photo.camera.project((points - view.position) @ view.rotation.T).astype(np.float32)
    rows_px, cols_px = inner.within(cells).slices
    keep = slice(rows_px.start * ratio, rows_px.stop * ratio), slice(cols_px.start * ratio, cols_px.stop * ratio)
    size = cells.width * ratio, cells.height * ratio
    maps = [
        cv2.resize(pixels[:, axis].reshape(cells.height, cells.width), size, interpolation=cv2.INTER_LINEAR)[keep]
        for axis in range(2)
    ]
    rgb = cv2.remap(photo.image, maps[0], maps[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(rgb, np.uint8)
