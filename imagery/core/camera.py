"""The camera: a pinhole with OpenCV's distortion, its footprint on the ground and its ground sampling distance.

Camera coordinates follow OpenCV: x right, y down, z forward; pixel (0, 0) is the centre of the top left pixel. Rotations are
world-to-camera: ``x_camera = R @ (x_world - position)``, the world being east, north, up in metres.
"""

import functools
import math
import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imagery.core.catalogue import look_up
from imagery.core.errors import BadInputError
from imagery.core.reading import read_text

__all__ = ["Camera", "catalogue", "find_camera", "footprint_on_plane", "load_camera", "rotation_from_gimbal"]

GIVE = "a camera file (.toml) with the entries of cameras.toml"
CATALOGUE = Path(__file__).parent / "cameras.toml"


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera with its lens.

    Attributes: id and name; image size in pixels; fx, fy, cx, cy in pixels; k1, k2, p1, p2, k3 as in OpenCV; sensor size and
    focal length in millimetres; the shortest time between two photos in seconds;
    make and models: as EXIF names them; source: where the figures come from.
    """

    id: str
    name: str
    width_px: int
    height_px: int
    fx: float
    fy: float
    cx: float
    cy: float
    k1: float = 0.0
    k2: float = 0.0
    p1: float = 0.0
    p2: float = 0.0
    k3: float = 0.0
    sensor_width_mm: float = 0.0
    sensor_height_mm: float = 0.0
    focal_length_mm: float = 0.0
    min_interval_s: float = 1.0
    make: str = ""
    models: tuple[str, ...] = ()
    source: str = ""

    @classmethod
    def from_sensor(
        cls,
        *,
        id: str,
        width_px: int,
        height_px: int,
        sensor_width_mm: float,
        sensor_height_mm: float,
        focal_length_mm: float,
        name: str = "",
        **more: Any,
    ) -> "Camera":
        """A camera without distortion from its data sheet: sensor and focal length in millimetres, size in pixels.

        Pixels are square: data sheets round a sensor's sides, so that the two pitches they imply differ by up to 3 %.
        """
        for what, value in (
            ("sensor width", sensor_width_mm),
            ("sensor height", sensor_height_mm),
            ("focal length", focal_length_mm),
            ("image width", width_px),
            ("image height", height_px),
        ):
            if not (math.isfinite(value) and value > 0):
                raise BadInputError(f"camera {id}: {what} must be more than 0, not {value}")
        return cls(
            id=id,
            name=name or id,
            width_px=int(width_px),
            height_px=int(height_px),
            fx=focal_length_mm / sensor_width_mm * width_px,
            fy=focal_length_mm / sensor_width_mm * width_px,
            cx=(width_px - 1) / 2,
            cy=(height_px - 1) / 2,
            sensor_width_mm=sensor_width_mm,
            sensor_height_mm=sensor_height_mm,
            focal_length_mm=focal_length_mm,
            **more,
        )

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The 3 x 3 camera matrix."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1.0]])

    @property
    def distortion(self) -> NDArray[np.float64]:
        """k1, k2, p1, p2, k3: OpenCV's order."""
        return np.array([self.k1, self.k2, self.p1, self.p2, self.k3])

    def gsd_m(self, height_agl_m: float) -> float:
        """Ground sampling distance in metres at nadir from a height above ground."""
        return height_agl_m / self.fx

    def height_for_gsd(self, gsd_m: float) -> float:
        """Height above ground in metres at which a nadir photo has the given ground sampling distance in metres."""
        return gsd_m * self.fx

    def footprint_m(self, height_agl_m: float) -> tuple[float, float]:
        """Width (across the image's x) and height (along its y) of a nadir photo on flat ground, in metres."""
        return self.width_px * height_agl_m / self.fx, self.height_px * height_agl_m / self.fy

    def scaled(self, factor: float) -> "Camera":
        """The same camera with its image resampled by a factor (0.25: a quarter of the width)."""
        width, height = max(1, round(self.width_px * factor)), max(1, round(self.height_px * factor))
        sx, sy = width / self.width_px, height / self.height_px
        return replace(
            self,
            width_px=width,
            height_px=height,
            fx=self.fx * sx,
            fy=self.fy * sy,
            cx=(self.cx + 0.5) * sx - 0.5,
            cy=(self.cy + 0.5) * sy - 0.5,
        )

    def project(self, points_camera: ArrayLike) -> NDArray[np.float64]:
        """Points in camera coordinates (n x 3, metres) to distorted pixels (n x 2); behind the camera: NaN."""
        points = np.asarray(points_camera, float).reshape(-1, 3)
        depth = np.where(points[:, 2] > 1e-9, points[:, 2], np.nan)
        x, y = points[:, 0] / depth, points[:, 1] / depth
        r2 = x * x + y * y
        radial = 1 + r2 * (self.k1 + r2 * (self.k2 + r2 * self.k3))
        xd = x * radial + 2 * self.p1 * x * y + self.p2 * (r2 + 2 * x * x)
        yd = y * radial + self.p1 * (r2 + 2 * y * y) + 2 * self.p2 * x * y
        return np.column_stack([self.fx * xd + self.cx, self.fy * yd + self.cy])

    def rays(self, pixels: ArrayLike) -> NDArray[np.float64]:
        """Distorted pixels (n x 2) to directions in camera coordinates (n x 3, z = 1), by fixed-point iteration."""
        pixels = np.asarray(pixels, float).reshape(-1, 2)
        xd, yd = (pixels[:, 0] - self.cx) / self.fx, (pixels[:, 1] - self.cy) / self.fy
        x, y = xd.copy(), yd.copy()
        for _ in range(50 if self.distortion.any() and len(pixels) else 0):
            r2 = x * x + y * y
            radial = 1 + r2 * (self.k1 + r2 * (self.k2 + r2 * self.k3))
            next_x = (xd - 2 * self.p1 * x * y - self.p2 * (r2 + 2 * x * x)) / radial
            next_y = (yd - self.p1 * (r2 + 2 * y * y) - 2 * self.p2 * x * y) / radial
            moved = max(abs(next_x - x).max(), abs(next_y - y).max())
            x, y = next_x, next_y
            if moved < 1e-9:  # a hundred-thousandth of a pixel
                break
        return np.column_stack([x, y, np.ones_like(x)])


def rotation_from_gimbal(yaw_deg: float, pitch_deg: float, roll_deg: float = 0.0) -> NDArray[np.float64]:
    """World-to-camera rotation (3 x 3) from a gimbal's yaw (clockwise from north), pitch (-90 = straight down) and roll.

    At pitch -90 and yaw 0 the image's top is north. Convention: DJI's gimbal angles, intrinsic yaw, pitch, roll.
    """
    yaw, pitch, roll = math.radians(yaw_deg), math.radians(pitch_deg), math.radians(roll_deg)
    cy, sy, cp, sp, cr, sr = (
        math.cos(yaw),
        math.sin(yaw),
        math.cos(pitch),
        math.sin(pitch),
        math.cos(roll),
        math.sin(roll),
    )
    forward = np.array([sy * cp, cy * cp, sp])
    right = np.array([cy, -sy, 0.0])
    down = np.cross(forward, right)
    return np.array([cr * right + sr * down, -sr * right + cr * down, forward])


def footprint_on_plane(
    camera: Camera, rotation: ArrayLike, position: ArrayLike, plane_height_m: float = 0.0
) -> NDArray[np.float64]:
    """The image's four corners (top left, top right, bottom right, bottom left) on a horizontal plane, 4 x 2 in metres.

    Raises BadInputError when a corner looks at or above the horizon.
    """
    w, h = camera.width_px - 0.5, camera.height_px - 0.5
    corners = camera.rays([[-0.5, -0.5], [w, -0.5], [w, h], [-0.5, h]]) @ np.asarray(rotation, float)
    position = np.asarray(position, float)
    drop = position[2] - plane_height_m
    if drop <= 0 or (corners[:, 2] > -1e-6).any():
        raise BadInputError("the camera sees the horizon: its footprint on the ground has no end")
    return np.asarray(position[:2] + corners[:, :2] * (drop / -corners[:, 2])[:, None])


def _from_table(id: str, table: dict[str, Any], where: str) -> Camera:
    known = {field.name for field in fields(Camera)}
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    unknown = sorted(set(values) - known)
    if unknown:
        raise BadInputError(f"{where}: unknown entry {unknown[0]!r}; known are {', '.join(sorted(known))}")
    pinhole: dict[str, Any] = {key: values.pop(key) for key in ("fx", "fy", "cx", "cy") if key in values}
    try:
        camera = Camera.from_sensor(id=id, **values)
    except TypeError as error:
        raise BadInputError(
            f"{where}: needs width_px, height_px, sensor_width_mm, sensor_height_mm and focal_length_mm ({error})"
        ) from error
    return replace(camera, **pinhole)


@functools.cache
def catalogue() -> dict[str, Camera]:
    """Every camera of cameras.toml by id, in the file's order."""
    tables = tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))
    return {id: _from_table(id, table, f"cameras.toml [{id}]") for id, table in tables.items()}


def find_camera(id: str) -> Camera:
    """A camera of the catalogue by its id; an unknown id raises BadInputError naming the nearest ones."""
    cameras = catalogue()
    return look_up("camera", id, cameras, f"{', '.join(list(cameras)[:4])} and others")


def load_camera(path: str | Path) -> Camera:
    """A camera from a TOML file with the entries of cameras.toml at its top level (or under one table)."""
    path = Path(path)
    try:
        table = tomllib.loads(read_text(path, GIVE))
    except (tomllib.TOMLDecodeError, RecursionError):
        raise BadInputError(f"{path}: is not a readable camera file, not TOML: give {GIVE}") from None
    if len(table) == 1 and isinstance(next(iter(table.values())), dict):
        id, table = next(iter(table.items()))
        return _from_table(id, table, str(path))
    return _from_table(str(table.pop("id", path.stem)), table, str(path))
