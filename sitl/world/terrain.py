"""Relief of a valley: ground that falls towards a stream, a stream that falls along its course, and fields to stand on.

Valley coordinates: `s` downstream, `t` across (the stream near t = 0), turned and mirrored against the grid per world.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import LineString, Polygon

from sitl.world.noise import fractal
from sitl.world.plan import Terrain

__all__ = ["Valley", "relief"]

STEP_M = 1.0
BED_M = 1.4  # depth of the stream's bed


@dataclass(frozen=True, slots=True)
class Valley:
    """The frame that a settlement is laid out in.

    angle_rad and mirror turn it against the grid; offset_m: where the stream runs (plane `t`); fall: gradient along the stream;
    rise: gradient across, near the stream; curve: its growth per metre; relief_m: amplitude of the hills; phase: of the meanders.
    """

    angle_rad: float
    mirror: float
    offset_m: float
    fall: float
    rise: float
    curve: float
    relief_m: float
    phase: float
    meander_m: float

    def to_plane(self, s: NDArray[np.float64], t: NDArray[np.float64]) -> NDArray[np.float64]:
        """Valley to plane coordinates, (n, 2)."""
        s, t = np.asarray(s, float), self.mirror * (np.asarray(t, float) + self.offset_m)
        c, k = np.cos(self.angle_rad), np.sin(self.angle_rad)
        return np.stack([s * c - t * k, s * k + t * c], axis=-1)

    def from_plane(
        self, x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Plane to valley coordinates."""
        c, k = np.cos(self.angle_rad), np.sin(self.angle_rad)
        return x * c + y * k, self.mirror * (y * c - x * k) - self.offset_m

    def stream_t(self, s: NDArray[np.float64]) -> NDArray[np.float64]:
        """The stream's course: its t at s."""
        return self.meander_m * (np.sin(s / 47 + self.phase) + 0.45 * np.sin(s / 21 + 2.3 * self.phase))

    def stream_line(self, half_length_m: float) -> LineString:
        """The stream's centre line in plane coordinates, downstream."""
        s = np.arange(-half_length_m, half_length_m + 1, 3.0)
        return LineString(self.to_plane(s, self.stream_t(s)))


def _smooth(value: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    x = np.clip((value - low) / (high - low), 0, 1)
    return x * x * (3 - 2 * x)


def relief(
    valley: Valley,
    bounds: tuple[float, float, float, float],
    open_fields: Sequence[Polygon],
    stream_width_m: float,
    seed: int,
) -> Terrain:
    """Terrain over the bounds and 20 m around; the ground at the plane's origin has height 0.

    The stream's bed falls steadily, hills fade out beside it, and each open field becomes a plane of 1.5 to 4 per cent.
    """
    west, south, east, north = bounds
    left, top = np.floor(west) - 20, np.ceil(north) + 20
    shape = (int(top - np.floor(south) + 20) + 1, int(np.ceil(east) + 20 - left) + 1)
    x, y = np.meshgrid(left + np.arange(shape[1]) * STEP_M, top - np.arange(shape[0]) * STEP_M)
    s, t = valley.from_plane(x, y)
    away = np.abs(t - valley.stream_t(s))
    hills = fractal(left, top, STEP_M, shape, ((170, 1.0), (71, 0.45), (29, 0.16), (11, 0.05)), seed)
    bank = np.maximum(away - stream_width_m / 2, 0)
    z = -valley.fall * s + valley.rise * bank + valley.curve * bank**2
    z += valley.relief_m * (hills + 1) * _smooth(bank, 3, 70)
    z -= BED_M * (1 - _smooth(away, stream_width_m / 2 - 0.5, stream_width_m / 2 + 5))
    for polygon in open_fields:
        z = _levelled(z, x, y, polygon)
    above_stream = z - (-valley.fall * s - BED_M)
    return Terrain(z - z[shape[0] // 2, shape[1] // 2], above_stream, float(left), float(top), STEP_M)


def _levelled(
    z: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64], polygon: Polygon
) -> NDArray[np.float64]:
    """The ground with a convex polygon made a gently sloping plane that fades out over 30 m around it."""
    corners = np.asarray(polygon.exterior.coords)[:-1]
    cx, cy = corners.mean(0)
    edges = np.roll(corners, -1, 0) - corners
    outward = np.column_stack([edges[:, 1], -edges[:, 0]]) / np.linalg.norm(edges, axis=1)[:, None]
    outward *= 1 if polygon.exterior.is_ccw else -1
    outside = np.max(
        [(x - px) * nx + (y - py) * ny for (px, py), (nx, ny) in zip(corners, outward, strict=True)], axis=0
    )
    inside = outside <= 0
    design = np.column_stack([x[inside] - cx, y[inside] - cy, np.ones(inside.sum())])
    (gx, gy, level), *_ = np.linalg.lstsq(design, z[inside], rcond=None)
    slope = max(np.hypot(gx, gy), 1e-6)
    factor = np.clip(slope, 0.018, 0.035) / slope
    plane = level + factor * (gx * (x - cx) + gy * (y - cy))
    weight = 1 - _smooth(outside, 2, 30)
    return z * (1 - weight) + plane * weight
