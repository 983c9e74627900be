"""How many photos see each place, on the coarse surface."""

import numpy as np
from numpy.typing import NDArray

from imagery.surface.grid import GridFrame
from imagery.surface.prior import BLOCK
from imagery.surface.views import View

__all__ = ["seen_by"]


def seen_by(views: list[View], frame: GridFrame, coarse: NDArray[np.float32]) -> NDArray[np.float32]:
    """Photos that see each block of a coarse surface (heights in metres, BLOCK x BLOCK cells each)."""
    seen = np.zeros(coarse.shape, np.float32)
    for view in views:
        cells = frame.cells_of(view.footprint)
        # Higher ground than the view's own is seen in a smaller, lower ground in a larger outline.
        middle, half = (cells.max(axis=0) + cells.min(axis=0)) / 2, (cells.max(axis=0) - cells.min(axis=0)) * 0.75
        first = np.maximum((middle - half) // BLOCK, 0).astype(int)
        last = np.minimum((middle + half) // BLOCK + 1, coarse.shape[::-1]).astype(int)
        if (last <= first).any():
            continue
        cols, rows = np.meshgrid(np.arange(first[0], last[0]), np.arange(first[1], last[1]))
        centres = (np.column_stack([cols.ravel(), rows.ravel()]) + 0.5) * BLOCK - 0.5
        local = np.column_stack([centres, np.ones(len(centres))]) @ frame.to_local(*view.position[:2]).T
        points = np.column_stack([local, coarse[rows, cols].ravel()])
        inside = np.isfinite(view.pixels(points)[:, 0])
        seen[first[1] : last[1], first[0] : last[0]] += inside.reshape(rows.shape)
    return seen
