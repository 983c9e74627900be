"""The photos as the surface and the mosaic see them: a camera, a pose, and the ground below."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from imagery.align.reconstruction import Reconstruction
from imagery.core.camera import Camera
from imagery.core.errors import NotEnoughDataError

__all__ = ["View", "shrunken", "views_of"]

STEEPEST_DEG = 65.0  # rays flatter than this see the ground too badly to map it
EDGE_POINTS = 6  # per side of a footprint


@dataclass(frozen=True, slots=True)
class View:
    """One placed photo.

    Attributes: name: path relative to the photos' folder; index: in the reconstruction's list of images; camera: for full-size
    pixels; position, rotation: as in `Pose`; tied: False when placed by GNSS alone; ground_m: height of the ground below it,
    of the vertical datum; footprint: (k, 2) the outline of what it sees on that ground, local east and north; reach: tangent
    of the widest angle off the optical axis in the image, beyond which the lens model means nothing.
    """

    name: str
    index: int
    camera: Camera
    position: NDArray[np.float64]
    rotation: NDArray[np.float64]
    tied: bool
    ground_m: float
    footprint: NDArray[np.float64]
    reach: float

    @property
    def height_m(self) -> float:
        """Height above the ground."""
        return float(self.position[2] - self.ground_m)

    def pixels(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Full-size pixels (n, 2) of local points (n, 3); NaN where the photo does not see them."""
        camera = self.camera
        rays = (points - self.position) @ self.rotation.T
        rays[np.hypot(rays[:, 0], rays[:, 1]) > self.reach * rays[:, 2]] = np.nan
        xy = camera.project(rays)
        with np.errstate(invalid="ignore"):
            inside = ((xy >= 0) & (xy <= [camera.width_px - 1, camera.height_px - 1])).all(axis=1)
        xy[~inside] = np.nan
        return xy

    @property
    def gsd_m(self) -> float:
        """Ground sampling distance straight below."""
        return self.camera.gsd_m(self.height_m)


def views_of(reconstruction: Reconstruction) -> list[View]:
    """Every photo that looks down at the ground, with the ground's height from the tie points that it sees or that are nearest.

    Raises NotEnoughDataError when there are no tie points or no photo sees the ground.
    """
    points = reconstruction.points
    if len(points) == 0:
        raise NotEnoughDataError("no tie points: the photos do not overlap enough to measure a surface")
    grounds = _median_heights(reconstruction)
    nearest = cKDTree(points[:, :2])
    views = []
    for index, (name, pose) in enumerate(reconstruction.images.items()):
        ground = grounds[index]
        if math.isnan(ground):
            around = nearest.query(pose.position[:2], k=min(50, len(points)))[1]
            ground = float(np.median(points[around, 2]))
        camera = reconstruction.cameras[pose.camera]
        outline = _footprint(camera, pose.position, pose.rotation, ground)
        if outline is not None:
            views.append(
                View(name, index, camera, pose.position, pose.rotation, pose.tied, ground, outline, _reach(camera))
            )
    if not views:
        raise NotEnoughDataError("no photo looks down at the ground from above it: nothing can be mapped")
    return views


def _median_heights(reconstruction: Reconstruction) -> NDArray[np.float64]:
    heights = np.full(len(reconstruction.images), np.nan)
    order = np.argsort(reconstruction.observation_image, kind="stable")
    images = reconstruction.observation_image[order]
    up = reconstruction.points[reconstruction.observation_point[order], 2]
    starts = np.flatnonzero(np.r_[True, np.diff(images) != 0]) if len(images) else np.zeros(0, int)
    for start, end in zip(starts, [*starts[1:], len(images)], strict=True):
        heights[images[start]] = np.median(up[start:end])
    return heights


def _reach(camera: Camera) -> float:
    w, h = camera.width_px - 1.0, camera.height_px - 1.0
    corners = camera.rays(np.array([[0, 0], [w, 0], [w, h], [0, h]]))
    return float(np.hypot(corners[:, 0], corners[:, 1]).max())


def _footprint(
    camera: Camera, position: NDArray[np.float64], rotation: NDArray[np.float64], ground_m: float
) -> NDArray[np.float64] | None:
    """The outline of a photo on a horizontal plane, cut off where it looks too flat; None when it does not look down."""
    drop = position[2] - ground_m
    if drop <= 0 or rotation[2, 2] > -math.cos(math.radians(STEEPEST_DEG)):
        return None
    w, h = camera.width_px - 1.0, camera.height_px - 1.0
    t = np.arange(EDGE_POINTS) / EDGE_POINTS
    along, back = np.r_[t * w, np.full(EDGE_POINTS, w)], np.r_[w - t * w, np.zeros(EDGE_POINTS)]
    down, up = np.r_[np.zeros(EDGE_POINTS), t * h], np.r_[np.full(EDGE_POINTS, h), h - t * h]
    rays = camera.rays(np.column_stack([np.r_[along, back], np.r_[down, up]])) @ rotation
    flat = np.hypot(rays[:, 0], rays[:, 1])
    limit = math.tan(math.radians(STEEPEST_DEG))
    run = np.where(rays[:, 2] < 0, np.minimum(flat / np.maximum(-rays[:, 2], 1e-9), limit), limit)
    return np.asarray(position[:2] + rays[:, :2] / np.maximum(flat, 1e-12)[:, None] * (run * drop)[:, None])


def shrunken(camera: Camera, eighths: int) -> Camera:
    """The camera of a JPEG that was decoded at a number of eighths of its size (1 to 8)."""
    s = eighths / 8
    return replace(
        camera,
        width_px=math.ceil(camera.width_px * s),
        height_px=math.ceil(camera.height_px * s),
        fx=camera.fx * s,
        fy=camera.fy * s,
        cx=(camera.cx + 0.5) * s - 0.5,
        cy=(camera.cy + 0.5) * s - 0.5,
    )
