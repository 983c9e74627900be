"""A made-up survey with known truth: cameras over ground with relief, and where they see its points."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from imagery.align.bundle import Observations, State
from imagery.core.camera import Camera, rotation_from_gimbal

HEIGHT_M = 80.0
CAMERA = replace(
    Camera.from_sensor(
        id="test", width_px=2000, height_px=1500, sensor_width_mm=13.2, sensor_height_mm=9.9, focal_length_mm=9
    ),
    k1=-0.02,
    k2=0.01,
)


@dataclass(frozen=True)
class Survey:
    """Truth and noisy observations of a survey; `rows` are those observations that are gross errors."""

    state: State
    seen: Observations
    gross: NDArray[np.bool_]
    yaw_deg: NDArray[np.float64]


def survey(
    lines: int = 4,
    per_line: int = 6,
    points: int = 1500,
    noise_px: float = 0.3,
    gross: float = 0.0,
    tilt_deg: float = 1.5,
) -> Survey:
    """Parallel lines flown to and fro at 80 m with 75 % / 65 % overlap over hills and houses."""
    rng = np.random.default_rng(7)
    wide, high = CAMERA.footprint_m(HEIGHT_M)
    where = [
        ((c - (lines - 1) / 2) * 0.35 * wide, (r - (per_line - 1) / 2) * 0.25 * high)
        for c in range(lines)
        for r in range(per_line)
    ]
    east_north = np.array(where) + rng.normal(0, 1, (len(where), 2))
    yaw = np.repeat([0.0 if c % 2 == 0 else 180.0 for c in range(lines)], per_line) + rng.normal(0, 3, len(where))
    position = np.column_stack([east_north, HEIGHT_M + rng.normal(0, 0.5, len(where))])
    rotation = np.array([rotation_from_gimbal(y, -90 + rng.normal(0, tilt_deg), rng.normal(0, tilt_deg)) for y in yaw])
    ground = rng.uniform(east_north.min(axis=0) - 30, east_north.max(axis=0) + 30, (points, 2))
    relief = 4 * np.sin(ground[:, 0] / 40) + 3 * np.cos(ground[:, 1] / 30) + 5 * (rng.random(points) < 0.2)
    world = np.column_stack([ground, relief])
    image, point, xy = [], [], []
    for i in range(len(position)):
        pixels = CAMERA.project((world - position[i]) @ rotation[i].T)
        inside = ((pixels > 0) & (pixels < [CAMERA.width_px, CAMERA.height_px])).all(axis=1)
        image.append(np.full(inside.sum(), i))
        point.append(np.flatnonzero(inside))
        xy.append(pixels[inside])
    all_image, all_point, all_xy = (np.concatenate(part) for part in (image, point, xy))
    all_xy = all_xy + rng.normal(0, noise_px, all_xy.shape)
    bad = rng.random(len(all_xy)) < gross
    all_xy[bad] += rng.normal(0, 60, (int(bad.sum()), 2))
    twice = np.bincount(all_point, minlength=points)[all_point] >= 2
    number = np.unique(all_point[twice], return_inverse=True)[1]
    order = np.lexsort((all_image[twice], number))
    seen = Observations(
        all_image[twice][order].astype(np.int32),
        number[order].astype(np.int32),
        all_xy[twice][order],
        np.ones(len(order)),
        np.zeros(len(position), np.int32),
    )
    lens = np.array([[CAMERA.fx, CAMERA.cx, CAMERA.cy, CAMERA.k1, CAMERA.k2, 0, 0, 0, 1]])
    state = State(rotation, position, lens, world[np.unique(all_point[twice])])
    return Survey(state, seen, bad[twice][order], yaw)
