"""Photos as poses, looking any way, and which cells of the ground each of them sees."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix

from imagery.core.camera import Camera, rotation_from_gimbal
from planner.coverage.proof import Cells

__all__ = ["Shots", "sight", "views"]

FARTHEST = 4.0  # heights above ground: what lies farther from below the camera is seen too flat to be of use


@dataclass(frozen=True, slots=True)
class Shots:
    """Photos, taken or planned.

    Attributes: places: n x 3: east, north, height in metres; rotations: n x 3 x 3, world to camera.
    """

    places: NDArray[np.float64]
    rotations: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.places)

    @classmethod
    def of_gimbal(cls, places: ArrayLike, yaw_deg: ArrayLike, pitch_deg: ArrayLike, roll_deg: ArrayLike) -> "Shots":
        """Photos from gimbal angles in degrees (n each): yaw clockwise from north, pitch -90 straight down, roll."""
        places = np.asarray(places, float).reshape(-1, 3)
        angles = np.broadcast_arrays(np.zeros(len(places)), yaw_deg, pitch_deg, roll_deg)[1:]
        rotations = [rotation_from_gimbal(yaw, pitch, roll) for yaw, pitch, roll in zip(*angles, strict=True)]
        return cls(places, np.array(rotations, float).reshape(-1, 3, 3))

    @classmethod
    def of_aircraft(cls, places: ArrayLike, yaw_deg: ArrayLike, pitch_deg: ArrayLike, roll_deg: ArrayLike) -> "Shots":
        """Photos of a camera that is fixed looking down from an aircraft with these attitudes (aerospace convention: nose up
        and right wing down are positive), the image's top to the nose."""
        places = np.asarray(places, float).reshape(-1, 3)
        angles = np.broadcast_arrays(np.zeros(len(places)), yaw_deg, pitch_deg, roll_deg)[1:]
        (cy, cp, cr), (sy, sp, sr) = np.cos(np.radians(angles)), np.sin(np.radians(angles))
        nose = np.stack([sy * cp, cy * cp, sp], axis=-1)
        right = np.stack([sy * sp * sr + cy * cr, cy * sp * sr - sy * cr, -cp * sr], axis=-1)
        return cls(places, np.stack([right, -nose, np.cross(nose, right)], axis=1))


def sight(cells: Cells, shots: Shots, camera: Camera, ground_m: ArrayLike, grown_m: float = 0.0) -> csr_matrix:
    """Which cells each photo sees: a sparse matrix of ones, photos x all cells of the raster (row by row).

    ground_m: height of the ground (rows x columns, or one height) in the datum of the photos; grown_m: by how much each photo's
    edges on the ground are moved outward.
    """
    rows, columns = cells.inside.shape
    ground = np.broadcast_to(np.asarray(ground_m, float), cells.inside.shape)
    lowest = float(ground.min(initial=math.inf))
    tangents = np.array([camera.width_px / camera.fx, camera.height_px / camera.fy]) / 2
    found = [
        _seen_by(place, rotation, cells, ground, lowest, tangents, grown_m)
        for place, rotation in zip(shots.places, shots.rotations, strict=True)
    ]
    counts = np.array([0, *(len(indices) for indices in found)])
    indices = np.concatenate([np.empty(0, np.int64), *found])
    return csr_matrix((np.ones(len(indices), np.int32), indices, np.cumsum(counts)), (len(shots), rows * columns))


def views(cells: Cells, seen: csr_matrix) -> NDArray[np.int64]:
    """How many photos of a sight matrix see each cell, rows x columns."""
    return np.asarray(seen.sum(axis=0), np.int64).reshape(cells.inside.shape)


def _seen_by(
    place: NDArray[np.float64],
    rotation: NDArray[np.float64],
    cells: Cells,
    ground: NDArray[np.float64],
    lowest: float,
    tangents: NDArray[np.float64],
    grown_m: float,
) -> NDArray[np.int64]:
    """The flat indices of the inside cells that one photo sees."""
    height, size = place[2] - lowest, cells.cell_m
    if not height > 0:
        return np.empty(0, np.int64)
    left, right, bottom, top = _reach(place, rotation, height, tangents)
    first_row, last_row = _window((bottom - grown_m - cells.south_m) / size, (top + grown_m - cells.south_m) / size)
    first, last = _window((left - grown_m - cells.west_m) / size, (right + grown_m - cells.west_m) / size)
    window = slice(first_row, last_row), slice(first, last)
    inside = cells.inside[window]
    i, j = np.nonzero(inside)
    i, j = i + first_row, j + first
    offset = np.stack(
        [
            cells.west_m + (j + 0.5) * size - place[0],
            cells.south_m + (i + 0.5) * size - place[1],
            ground[i, j] - place[2],
        ]
    )
    x, y, depth = rotation @ offset
    half_x, half_y = tangents[:, None] * depth + grown_m
    hit = (depth > 0) & (abs(x) <= half_x) & (abs(y) <= half_y)
    return np.asarray(i[hit] * cells.inside.shape[1] + j[hit], np.int64)


def _reach(
    place: NDArray[np.float64], rotation: NDArray[np.float64], height: float, tangents: NDArray[np.float64]
) -> tuple[float, float, float, float]:
    """West, east, south, north of what a photo can see of ground `height` below it, at most FARTHEST heights away."""
    corners = np.array([[sx * tangents[0], sy * tangents[1], 1.0] for sx in (-1, 1) for sy in (-1, 1)]) @ rotation
    level = np.hypot(corners[:, 0], corners[:, 1])
    far = height * np.minimum(1 / np.maximum(-corners[:, 2], 1e-9), FARTHEST / np.maximum(level, 1e-9))
    points = np.vstack([place[:2], place[:2] + corners[:, :2] * far[:, None]])
    (left, bottom), (right, top) = points.min(axis=0), points.max(axis=0)
    return float(left), float(right), float(bottom), float(top)


def _window(low: float, high: float) -> tuple[int, int]:
    return max(0, math.floor(low)), max(0, math.ceil(high) + 1)
