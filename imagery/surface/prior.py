"""What is known of the ground before dense matching: the tie points, and a coarse surface through them."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from imagery.surface.fill import spread
from imagery.surface.grid import GridFrame, Window

__all__ = ["BLOCK", "Prior", "block_shape", "coarse_window"]

BLOCK = 8  # cells per side of a block of the coarse surface
NEIGHBOURS = 12


@dataclass(frozen=True, slots=True)
class Prior:
    """The tie points without strays, and the coarse surface.

    Attributes: points: (n, 3) local metres; cells: (n, 2) their columns and rows on the grid; coarse: heights of blocks of
    BLOCK x BLOCK cells, metres, everywhere.
    """

    points: NDArray[np.float64]
    cells: NDArray[np.float64]
    coarse: NDArray[np.float32]

    @classmethod
    def from_ties(cls, points: NDArray[np.float64], frame: GridFrame) -> "Prior":
        """Drop tie points far above or below their neighbours and lay the coarse surface through the rest."""
        points = _without_strays(points)
        cells = frame.cells_of(points)
        rows, cols = block_shape(frame.grid.shape)
        row = np.clip((cells[:, 1] + 0.5) // BLOCK, 0, rows - 1).astype(int)
        col = np.clip((cells[:, 0] + 0.5) // BLOCK, 0, cols - 1).astype(int)
        total, count = np.zeros((rows, cols)), np.zeros((rows, cols))
        np.add.at(total, (row, col), points[:, 2])
        np.add.at(count, (row, col), 1)
        with np.errstate(invalid="ignore"):
            return cls(points, cells, spread((total / count).astype(np.float32)))


def block_shape(shape: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of blocks that cover a grid."""
    return -(-shape[0] // BLOCK), -(-shape[1] // BLOCK)


def coarse_window(coarse: NDArray[np.float32], window: Window, block: int = BLOCK) -> NDArray[np.float32]:
    """A raster of blocks (of block x block cells) at the cells of a window, bilinear between block centres."""
    first_row, first_col = max(0, window.row // block - 1), max(0, window.col // block - 1)
    part = coarse[
        first_row : (window.row + window.height) // block + 2, first_col : (window.col + window.width) // block + 2
    ]

    def positions(start: int, length: int, first: int) -> NDArray[np.float32]:
        return ((np.arange(start, start + length) + 0.5) / block - 0.5 - first).astype(np.float32)

    x = positions(window.col, window.width, first_col)
    y = positions(window.row, window.height, first_row)
    maps = np.meshgrid(x, y)
    return np.asarray(
        cv2.remap(np.ascontiguousarray(part), *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32
    )


def _without_strays(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Leave out points far from the median height of their neighbours, as seen against how much neighbours differ here."""
    if len(points) <= NEIGHBOURS:
        return points
    near = cKDTree(points[:, :2]).query(points[:, :2], k=NEIGHBOURS)[1]
    around = points[near, 2]
    middle = np.median(around, axis=1)
    scatter = np.median(np.abs(around - middle[:, None]), axis=1)
    typical = float(np.median(scatter))
    return points[np.abs(points[:, 2] - middle) <= 6 * np.maximum(scatter, typical) + 1e-3]
