"""A small world that is known exactly: a textured height field with boxes on it, photographed by ray casting.

It shares nothing with the code under test but `Camera` and the reconstruction's data class, so that it can judge both.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import pyproj
import simplejpeg
from numpy.typing import NDArray

from imagery.align.reconstruction import Pose, Reconstruction
from imagery.core.camera import Camera, rotation_from_gimbal
from imagery.core.frame import LocalFrame, utm_crs

STEP_M = 0.25  # of the first march along a ray; bisection follows


@dataclass(frozen=True)
class HeightField:
    """Heights (metres) and colours on a local east-north raster whose first row is its northern edge.

    Attributes: cell_m: side of a cell; west, north: of the raster's corner; heights, ground: surface and terrain;
    colours: rows x columns x 3 uint8.
    """

    cell_m: float
    west: float
    north: float
    heights: NDArray[np.float32]
    ground: NDArray[np.float32]
    colours: NDArray[np.uint8]

    @classmethod
    def village(
        cls, *, width_m: float, height_m: float, cell_m: float = 0.04, relief_m: float = 3.0, seed: int = 1
    ) -> "HeightField":
        """Rolling ground with boxes of 3 to 7 m on it, a light road, and texture at every scale; centred on the origin."""
        rng = np.random.default_rng(seed)
        rows, cols = round(height_m / cell_m), round(width_m / cell_m)
        x = (np.arange(cols) + 0.5) * cell_m - width_m / 2
        y = height_m / 2 - (np.arange(rows) + 0.5) * cell_m
        X, Y = np.meshgrid(x, y)
        ground = (100 + relief_m / 2 * (np.sin(X / 17) + np.cos(Y / 13)) + 0.02 * X).astype(np.float32)
        noise = sum(_octave(rng, rows, cols, side) * weight for side, weight in ((3, 30), (8, 25), (25, 18), (90, 15)))
        colours = np.clip(noise[..., None] + np.array([105, 112, 88]), 0, 255)
        road = np.abs(X - 6 * np.sin(Y / 15)) < 2
        colours[road] = np.clip(noise[road, None] * 0.4 + 165, 0, 255)
        heights = ground.copy()
        for _ in range(int(width_m * height_m / 450)):
            cx, cy = rng.uniform(-width_m / 2, width_m / 2), rng.uniform(-height_m / 2, height_m / 2)
            w, h, turn = rng.uniform(5, 11), rng.uniform(5, 9), rng.uniform(0, np.pi)
            part = np.abs(y - cy) < 8, np.abs(x - cx) < 8
            dx, dy = np.meshgrid(x[part[1]] - cx, y[part[0]] - cy)
            u, v = dx * np.cos(turn) + dy * np.sin(turn), dy * np.cos(turn) - dx * np.sin(turn)
            rows_in, cols_in = np.nonzero((np.abs(u) < w / 2) & (np.abs(v) < h / 2))
            box = np.flatnonzero(part[0])[rows_in], np.flatnonzero(part[1])[cols_in]
            if not len(rows_in) or (heights[box] > ground[box] + 0.1).any():
                continue
            heights[box] = ground[box].mean() + rng.uniform(3, 7) + 0.15 * v[rows_in, cols_in]
            colours[box] = np.clip(noise[box][:, None] * 0.5 + rng.uniform(90, 200, 3), 0, 255)
        return cls(cell_m, -width_m / 2, height_m / 2, heights, ground, colours.astype(np.uint8))

    @cached_property
    def top_m(self) -> float:
        return float(self.heights.max())

    def lookup(self, raster: NDArray, east: NDArray, north: NDArray, nearest: bool = False) -> NDArray:
        """A raster's values at local places of any shape (2-D arrays)."""
        cols = ((east - self.west) / self.cell_m - 0.5).astype(np.float32)
        rows = ((self.north - north) / self.cell_m - 0.5).astype(np.float32)
        how = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
        return cv2.remap(raster, cols, rows, how, borderMode=cv2.BORDER_REPLICATE)

    def photograph(self, camera: Camera, pose: Pose) -> NDArray[np.uint8]:
        """What a camera sees: each pixel's ray is followed down to where it first meets the surface."""
        size = camera.height_px, camera.width_px
        pixels = np.stack(np.meshgrid(np.arange(size[1]), np.arange(size[0])), -1).reshape(-1, 2)
        rays = camera.rays(pixels) @ pose.rotation
        slope = (rays[:, :2] / -rays[:, 2:]).reshape(*size, 2).astype(np.float32)

        def place(drop: NDArray) -> tuple[NDArray, NDArray]:
            return pose.position[0] + slope[..., 0] * drop, pose.position[1] + slope[..., 1] * drop

        lowest = float(self.heights.min())
        above = np.full(size, pose.position[2] - self.top_m - STEP_M, np.float32)
        open_rays = np.ones(size, bool)
        for _ in range(int((self.top_m - lowest) / STEP_M) + 2):
            below = above + STEP_M
            free = self.lookup(self.heights, *place(below), nearest=True) < pose.position[2] - below
            open_rays &= free
            above = np.where(open_rays, below, above)
        below = above + STEP_M
        for _ in range(6):
            middle = (above + below) / 2
            free = self.lookup(self.heights, *place(middle), nearest=True) < pose.position[2] - middle
            above, below = np.where(free, middle, above), np.where(free, below, middle)
        return self.lookup(self.colours, *place(below))


def survey(
    field: HeightField,
    folder: Path,
    *,
    lines: int,
    per_line: int,
    camera: Camera,
    height_m: float,
    overlap: tuple[float, float] = (0.75, 0.65),
    exposure: float = 0.0,
    seed: int = 2,
    tie_noise_m: float = 0.02,
) -> Reconstruction:
    """Fly lines of photos over the middle of a field, write them as JPEG, and return their exact reconstruction.

    exposure: standard deviation of the photos' brightness (a factor's logarithm).
    """
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    wide, long = camera.footprint_m(height_m)
    step_e, step_n = wide * (1 - overlap[1]), long * (1 - overlap[0])
    images = {}
    for i in range(lines):
        for j in range(per_line):
            place = np.array([(i - (lines - 1) / 2) * step_e, (j - (per_line - 1) / 2) * step_n, 101 + height_m])
            rotation = rotation_from_gimbal(
                180 * (i % 2) + rng.normal(0, 3), -90 + abs(rng.normal(0, 1)), rng.normal(0, 1)
            )
            pose = Pose(camera.id, place + rng.normal(0, 0.4, 3), rotation)
            name = f"line{i}/photo_{j:02d}.jpg"
            pixels = field.photograph(camera, pose) * np.exp(rng.normal(0, exposure) if exposure else 0.0)
            (folder / name).parent.mkdir(exist_ok=True)
            image = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
            (folder / name).write_bytes(simplejpeg.encode_jpeg(image, quality=95, colorsubsampling="444"))
            images[name] = pose
    lat, lon = 36.0, -112.1
    frame = LocalFrame(lon, lat)
    bare = Reconstruction(frame, utm_crs(lon, lat), "EGM96", {camera.id: camera}, images)
    return with_ties(field, bare, rng, tie_noise_m)


def with_ties(field: HeightField, bare: Reconstruction, rng: np.random.Generator, noise_m: float) -> Reconstruction:
    """Tie points strewn over the field, observed wherever they fall inside a photo."""
    half = np.array([-field.west, field.north])
    places = rng.uniform(-half, half, (4000, 2))
    up = field.lookup(field.heights, places[:, :1], places[:, 1:], nearest=True).ravel()
    points = np.column_stack([places, up + rng.normal(0, noise_m, len(up))])
    seen_image, seen_point, seen_xy = [], [], []
    for index, pose in enumerate(bare.images.values()):
        camera = bare.cameras[pose.camera]
        xy = camera.project((points - pose.position) @ pose.rotation.T)
        inside = ((xy >= 0) & (xy <= [camera.width_px - 1, camera.height_px - 1])).all(axis=1)
        seen_image.append(np.full(inside.sum(), index))
        seen_point.append(np.flatnonzero(inside))
        seen_xy.append(xy[inside])
    observed = np.bincount(np.concatenate(seen_point), minlength=len(points)) >= 2
    renumber = np.cumsum(observed) - 1
    keep = observed[np.concatenate(seen_point)]
    return replace(
        bare,
        points=points[observed],
        observation_image=np.concatenate(seen_image)[keep].astype(np.int32),
        observation_point=renumber[np.concatenate(seen_point)[keep]].astype(np.int32),
        observation_xy=np.concatenate(seen_xy)[keep].astype(np.float32),
    )


def local_grid(reconstruction: Reconstruction, transform, shape: tuple[int, int]) -> tuple[NDArray, NDArray]:
    """Local east and north of a raster's cell centres, each of its shape."""
    cols, rows = np.meshgrid(np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5)
    x, y = transform.c + cols * transform.a, transform.f + rows * transform.e
    to_local = pyproj.Transformer.from_crs(reconstruction.crs, reconstruction.frame.crs, always_xy=True)
    east, north = to_local.transform(x, y)
    return np.asarray(east), np.asarray(north)


def _octave(rng: np.random.Generator, rows: int, cols: int, side: int) -> NDArray[np.float32]:
    small = rng.normal(0, 1, (rows // side + 2, cols // side + 2)).astype(np.float32)
    return cv2.resize(small, (cols, rows), interpolation=cv2.INTER_CUBIC)


@dataclass(frozen=True)
class Survey:
    """A photographed field: its truth, the folder of photos, their exact reconstruction, and the ground sampling distance."""

    field: HeightField
    folder: Path
    reconstruction: Reconstruction
    gsd_m: float


def small_survey(folder: Path) -> Survey:
    """Three lines of four photos, brightness varying by a tenth, lens slightly barrel-shaped."""
    camera = Camera.from_sensor(
        id="test", width_px=1200, height_px=900, sensor_width_mm=13.2, sensor_height_mm=9.9, focal_length_mm=12.3
    )
    camera = replace(camera, k1=-0.02, k2=0.01)
    field = HeightField.village(width_m=90, height_m=74, cell_m=0.04)
    height_m = 45.0
    exact = survey(field, folder, lines=3, per_line=4, camera=camera, height_m=height_m, exposure=0.1)
    return Survey(field, folder, exact, camera.gsd_m(height_m))
