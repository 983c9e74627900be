"""Which photo shows each place: the one that sees it most from above, and one and the same for a whole building or tree.

Decided for the whole mosaic at once on blocks of 16 output pixels or so, so that seams do not depend on how it is cut into tiles.
"""

import math

import cv2
import numba
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from imagery.surface.grid import GridFrame
from imagery.surface.terrain import ground_of
from imagery.surface.views import View

__all__ = ["EDGE_PX", "NOBODY", "choose_photos", "packed", "sees"]

NOBODY = -1
UNTIED_PENALTY = 1.0  # added to the tangent off nadir: such a photo serves only where no tied one does
EDGE_PX = 10.0  # of a photo's border that is not used
TALL_M = 1.5  # above ground: seams keep off what is taller
LARGEST_SHARE = 0.45  # of a footprint's side: longer objects (woods, rows of houses) are cut after all


def choose_photos(
    views: list[View], frame: GridFrame, heights: NDArray[np.float32], block: int, block_m: float
) -> NDArray[np.int16]:
    """Index into `views` of the photo that shows each block of the mosaic, NOBODY where none does.

    heights: of blocks of block x block cells of the frame's grid, metres, NaN outside; block_m: a block's side.
    """
    labels = np.full(heights.shape, NOBODY, np.int16)
    best = np.full(heights.shape, np.inf, np.float32)
    for index, view in enumerate(views):
        rows, cols = _reach(view, frame, heights.shape, block)
        if rows.stop > rows.start and cols.stop > cols.start:
            _nearest(
                (labels[rows, cols], best[rows, cols], heights[rows, cols]),
                index,
                packed(view, _block_to_local(view, frame, rows.start, cols.start, block), EDGE_PX),
                0.0 if view.tied else UNTIED_PENALTY,
            )
    _keep_whole(labels, views, frame, heights, block, block_m)
    return labels


def _reach(view: View, frame: GridFrame, shape: tuple[int, int], block: int) -> tuple[slice, slice]:
    """Blocks that a view may see: its footprint's, and a quarter more for relief."""
    cells = frame.cells_of(view.footprint)
    middle, half = (cells.max(axis=0) + cells.min(axis=0)) / 2, (cells.max(axis=0) - cells.min(axis=0)) * 0.75
    first = np.maximum((middle - half) // block, 0).astype(int)
    last = np.minimum((middle + half) // block + 1, shape[::-1]).astype(int)
    return slice(first[1], last[1]), slice(first[0], last[0])


def _block_to_local(view: View, frame: GridFrame, row: int, col: int, block: int) -> NDArray[np.float64]:
    """2 x 3 matrix from (column, row, 1) of blocks counted from (col, row) to local east and north."""
    to_local = frame.to_local(float(view.position[0]), float(view.position[1]))
    # Centre of block i in cells: (i + 0.5) * block - 0.5.
    corner = to_local @ [(col + 0.5) * block - 0.5, (row + 0.5) * block - 0.5, 1.0]
    return np.column_stack([to_local[:, :2] * block, corner])


def packed(view: View, to_local: NDArray[np.float64], edge_px: float) -> NDArray[np.float64]:
    """A view as the kernels take it, for places given as column and row of a raster and height.

    to_local: 2 x 3 from (column, row, 1) to local east and north; edge_px: pixels of the photo's border that are not used. Holds
    the map to camera coordinates (3 x 4), fx, fy, cx, cy, k1, k2, p1, p2, k3, reach, the usable pixels, and the map to metres
    east, north and up of the camera (3 x 4).
    """
    c = view.camera
    to_world = np.zeros((3, 4))
    to_world[:2, [0, 1, 3]] = to_local
    to_world[2, 2] = 1
    to_world[:, 3] -= view.position
    lens = [c.fx, c.fy, c.cx, c.cy, c.k1, c.k2, c.p1, c.p2, c.k3, view.reach]
    usable = [edge_px, edge_px, c.width_px - 1 - edge_px, c.height_px - 1 - edge_px]
    return np.concatenate([(view.rotation @ to_world).ravel(), lens, usable, to_world.ravel()])


@numba.njit(nogil=True, cache=True)
def sees(view, col, row, up):  # type: ignore[no-untyped-def]
    """Whether a packed view has a place inside its usable pixels."""
    z = view[8] * col + view[9] * row + view[10] * up + view[11]
    if z <= 0:
        return False
    x = (view[0] * col + view[1] * row + view[2] * up + view[3]) / z
    y = (view[4] * col + view[5] * row + view[6] * up + view[7]) / z
    r2 = x * x + y * y
    if r2 > view[21] * view[21]:
        return False
    radial = 1 + r2 * (view[16] + r2 * (view[17] + r2 * view[20]))
    u = view[12] * (x * radial + 2 * view[18] * x * y + view[19] * (r2 + 2 * x * x)) + view[14]
    v = view[13] * (y * radial + view[18] * (r2 + 2 * y * y) + 2 * view[19] * x * y) + view[15]
    return view[22] <= u <= view[24] and view[23] <= v <= view[25]


@numba.njit(nogil=True, cache=True)
def _off_nadir(view, col, row, up):  # type: ignore[no-untyped-def]
    """Tangent of the angle off nadir under which a packed view sees a place; infinite where it is above the camera."""
    below = -(view[36] * up + view[37])
    if not below > 0:  # not a number too
        return np.inf
    east = view[26] * col + view[27] * row + view[29]
    north = view[30] * col + view[31] * row + view[33]
    return math.hypot(east, north) / below


@numba.njit(nogil=True, cache=True)
def _nearest(rasters, index, view, penalty):  # type: ignore[no-untyped-def]
    """Take over the blocks that this view sees more from above than the best so far."""
    labels, best, heights = rasters
    for row in range(labels.shape[0]):
        for col in range(labels.shape[1]):
            up = heights[row, col]
            off = _off_nadir(view, col, row, up) + penalty
            if off < best[row, col] and sees(view, col, row, up):
                best[row, col] = off
                labels[row, col] = index


@numba.njit(nogil=True, cache=True)
def _sees_all(rows, cols, heights, view):  # type: ignore[no-untyped-def]
    seen = True
    for k in range(len(rows)):
        seen &= sees(view, cols[k], rows[k], heights[rows[k], cols[k]])
    return seen


def _keep_whole(
    labels: NDArray[np.int16],
    views: list[View],
    frame: GridFrame,
    heights: NDArray[np.float32],
    block: int,
    block_m: float,
) -> None:
    """Give every object that rises above the ground to the photo that shows most of it, where that photo sees all of it."""
    tall = heights - ground_of(heights, block_m) > TALL_M
    tall = cv2.dilate(tall.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    objects, _ = ndimage.label(tall & (labels != NOBODY), np.ones((3, 3)))
    for number, place in enumerate(ndimage.find_objects(objects), start=1):
        rows, cols = np.nonzero(objects[place] == number)
        rows, cols = rows + place[0].start, cols + place[1].start
        shown_by = labels[rows, cols]
        if (shown_by == shown_by[0]).all():
            continue
        candidates, votes = np.unique(shown_by, return_counts=True)
        for index in candidates[np.argsort(-votes, kind="stable")]:
            view = views[index]
            side_m = min(view.camera.width_px, view.camera.height_px) * view.gsd_m
            if max(np.ptp(rows), np.ptp(cols)) * block_m > LARGEST_SHARE * side_m:
                break
            if _sees_all(rows, cols, heights, packed(view, _block_to_local(view, frame, 0, 0, block), EDGE_PX)):
                labels[rows, cols] = index
                break
