"""Dense matching of two photos: rectify them with their known poses, match along rows, and give heights on the grid.

The right photo is also sheared by the plane that fits the ground between the two, so that the search covers only what rises
above or falls below that plane: quicker, and sharper on slopes. Matching is semi-global (Hirschmueller 2008, OpenCV's three-way
variant), with a left-right check.
"""

import math
from dataclasses import dataclass

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from imagery.core.camera import Camera
from imagery.surface.grid import Window
from imagery.surface.views import View

__all__ = ["EMPTY", "HeightCode", "Patch", "PatchCells", "Rectified", "match", "patch_of", "rectify"]

EMPTY = -32768
BLOCK_PX = 5
MARGIN_UP_PX = (
    16.0  # above the tie points' range: roofs and tree tops that none lies on (more room brings false matches)
)
MARGIN_DOWN_PX = 6.0  # below it
MOST_DISPARITIES = 256
EDGE_PX = 2.0  # of a photo's border, where resampling and matching are poor


@dataclass(frozen=True, slots=True)
class HeightCode:
    """How heights are kept in 16 bits: base_m + step_m * code, code EMPTY where there is none."""

    base_m: float
    step_m: float


@dataclass(frozen=True, slots=True)
class Rectified:
    """The geometry of a rectified pair.

    Attributes: axes: 3 x 3, world to rectified camera; focal_px, base_m; left, right: 3 x 3 camera matrices (the right one
    sheared); plane: a, b, c of the disparity a x + b y + c that the shear has removed; size: width, height;
    first, count: the disparities to search.
    """

    axes: NDArray[np.float64]
    focal_px: float
    base_m: float
    left: NDArray[np.float64]
    right: NDArray[np.float64]
    plane: tuple[float, float, float]
    size: tuple[int, int]
    first: int
    count: int


@dataclass(frozen=True, slots=True)
class PatchCells:
    """Where on the grid a patch of heights lies, and the affine map (2 x 3) from local east, north to its columns and rows."""

    window: Window
    to_cells: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Patch:
    """Heights of one pair on the grid: int16 codes (see HeightCode) over a window of cells."""

    window: Window
    codes: NDArray[np.int16]


def rectify(a: View, b: View, ground: NDArray[np.float64], pixel_m: float) -> Rectified | None:
    """The rectified geometry of two photos over the ground that both see.

    ground: (n, 3) points of it, local metres; pixel_m: size of a rectified pixel on the ground. None when too little is common.
    """
    base = b.position - a.position
    length = float(np.linalg.norm(base))
    x = base / length
    z = a.rotation[2] + b.rotation[2]
    z = z - x * (z @ x)
    z /= np.linalg.norm(z)
    axes = np.array([x, np.cross(z, x), z])
    seen = (ground - a.position) @ axes.T
    seen = seen[seen[:, 2] > 0.1 * a.height_m]
    if len(seen) < 4:
        return None
    focal = float(np.median(seen[:, 2])) / pixel_m
    xy = focal * seen[:, :2] / seen[:, 2:]
    disparity = focal * length / seen[:, 2]
    origin = xy.min(axis=0) - BLOCK_PX
    xy -= origin
    plane = _plane(xy, disparity)
    left_over = (disparity - xy @ plane[:2] - plane[2]) / (1 - plane[0])
    low, high = np.percentile(left_over, [0.5, 99.5])
    low, high = math.floor(low - MARGIN_DOWN_PX), math.ceil(high + MARGIN_UP_PX)
    count = min(MOST_DISPARITIES, -(-(high - low) // 16) * 16)
    # The matcher leaves out columns without room for the whole search: add that room on both sides.
    before, after = max(low + count, 0), max(-low, 0)
    width, height = np.ceil(xy.max(axis=0)).astype(int) + BLOCK_PX
    left = np.array([[focal, 0, before - origin[0]], [0, focal, -origin[1]], [0, 0, 1.0]])
    p, q, r = float(plane[0]), float(plane[1]), float(plane[2] - plane[0] * before)
    shear = np.array([[1 / (1 - p), q / (1 - p), r / (1 - p)], [0, 1, 0], [0, 0, 1.0]])
    size = int(width + before + after), int(height)
    return Rectified(axes, focal, length, left, shear @ left, (p, q, r), size, low, count)


def match(
    views: tuple[View, View],
    cameras: tuple[Camera, Camera],
    images: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    pair: Rectified,
) -> NDArray[np.int16]:
    """Disparities of the left photo's rectified pixels in sixteenths, EMPTY where there is no sure match.

    images: grey, possibly shrunk; cameras: those of the images as they are.
    """
    left_maps = _maps(views[0], cameras[0], pair.axes, pair.left, pair.size)
    right_maps = _maps(views[1], cameras[1], pair.axes, pair.right, pair.size)
    left = cv2.remap(images[0], *left_maps, cv2.INTER_LINEAR)
    right = cv2.remap(images[1], *right_maps, cv2.INTER_LINEAR)
    matcher = cv2.StereoSGBM.create(
        minDisparity=pair.first,
        numDisparities=pair.count,
        blockSize=BLOCK_PX,
        P1=8 * BLOCK_PX**2,
        P2=32 * BLOCK_PX**2,
        disp12MaxDiff=1,
        preFilterCap=31,
        uniquenessRatio=5,
        speckleWindowSize=60,
        speckleRange=2,
        mode=cv2.STEREO_SGBM_MODE_SGBM_3WAY,
    )
    disparity = np.asarray(matcher.compute(left, right), np.int16)
    _drop_unseen(disparity, pair.first, (*left_maps, images[0].shape), (*right_maps, images[1].shape))
    return disparity


def patch_of(
    disparity: NDArray[np.int16], pair: Rectified, origin: NDArray[np.float64], cells: PatchCells, code: HeightCode
) -> NDArray[np.int16]:
    """Height codes over a window of cells from disparities; in a cell that several pixels hit, of the upper surface.

    origin: the left photo's position.
    """
    window = cells.window
    # Rectified pixel and depth -> local metres -> cells: one 3 x 3 matrix for (x, y, f) rays.
    rays = pair.axes.T @ np.linalg.inv(pair.left)
    to_cells = cells.to_cells - np.array([[0, 0, window.col], [0, 0, window.row]])
    start = to_cells @ [origin[0], origin[1], 1.0]
    ground = np.vstack([to_cells[:, :2] @ rays[:2], rays[2]])
    codes = np.full((window.height, window.width), EMPTY, np.int16)
    surface = np.array([*pair.plane, pair.focal_px * pair.base_m])
    first = np.array([start[0], start[1], origin[2]])
    _splat(disparity, surface, (first, ground), (code.base_m, code.step_m), codes)
    return codes


def _plane(xy: NDArray[np.float64], disparity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Least-squares plane of disparities, twice, without what lies far off; level when the points do not define one."""
    keep = np.ones(len(xy), bool)
    plane = np.array([0, 0, np.median(disparity)])
    for _ in range(3):
        design = np.column_stack([xy[keep], np.ones(int(keep.sum()))])
        found, _, rank, _ = np.linalg.lstsq(design, disparity[keep], rcond=1e-6)
        if rank < 3 or keep.sum() < 8 or abs(found[0]) > 0.4 or abs(found[1]) > 0.8:
            break
        plane = found
        off = np.abs(disparity - xy @ plane[:2] - plane[2])
        keep = off <= max(2.0, 2.5 * float(np.median(off)))
    return plane


def _maps(
    view: View, camera: Camera, axes: NDArray[np.float64], matrix: NDArray[np.float64], size: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    turn = axes @ view.rotation.T
    x, y = cv2.initUndistortRectifyMap(camera.matrix, camera.distortion, turn, matrix, size, cv2.CV_32FC1)
    return np.asarray(x, np.float32), np.asarray(y, np.float32)


@numba.njit(nogil=True, cache=True)
def _drop_unseen(disparity, first, left, right):  # type: ignore[no-untyped-def]
    """Empty the pixels whose match lies outside one of the photos; left, right: maps x, y and the image's shape."""
    left_x, left_y, left_shape = left
    right_x, right_y, right_shape = right
    height, width = disparity.shape
    none = (first - 1) * 16
    for row in range(height):
        for col in range(width):
            d = disparity[row, col]
            if d <= none:
                disparity[row, col] = EMPTY
                continue
            other = min(max(round(col - d / 16), 0), width - 1)
            if not (
                EDGE_PX <= left_x[row, col] <= left_shape[1] - 1 - EDGE_PX
                and EDGE_PX <= left_y[row, col] <= left_shape[0] - 1 - EDGE_PX
                and EDGE_PX <= right_x[row, other] <= right_shape[1] - 1 - EDGE_PX
                and EDGE_PX <= right_y[row, other] <= right_shape[0] - 1 - EDGE_PX
            ):
                disparity[row, col] = EMPTY


@numba.njit(nogil=True, cache=True)
def _splat(disparity, geometry, rays_from, coding, codes):  # type: ignore[no-untyped-def]
    """Put every disparity's height into its cell.

    geometry: a, b, c of the sheared plane, and focal length times base; rays_from: start (column, row, height) and 3 x 3
    directions of pixel (x, y, 1) per metre of depth; coding: base and step of the codes.
    """
    start, rays = rays_from
    base_m, step_m = coding
    height, width = disparity.shape
    rows, cols = codes.shape
    for row in range(height):
        for col in range(width):
            raw = disparity[row, col]
            if raw == EMPTY:
                continue
            d = geometry[0] * col + geometry[1] * row + geometry[2] + (1 - geometry[0]) * raw / 16
            if d <= 0:
                continue
            depth = geometry[3] / d
            c = round(start[0] + depth * (rays[0, 0] * col + rays[0, 1] * row + rays[0, 2]))
            r = round(start[1] + depth * (rays[1, 0] * col + rays[1, 1] * row + rays[1, 2]))
            if 0 <= c < cols and 0 <= r < rows:
                up = start[2] + depth * (rays[2, 0] * col + rays[2, 1] * row + rays[2, 2])
                value = round((up - base_m) / step_m)
                if -32000 < value < 32000 and value > codes[r, c]:
                    codes[r, c] = value
