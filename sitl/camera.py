"""Photos of a world: what a camera sees from a pose, and files as a drone's camera writes them.

`render` is the geometry alone; `photograph` adds what a real flight adds: a gimbal that is not quite straight, exposure,
vignetting, noise, motion blur, and a satellite receiver that errs.
"""

import functools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import cv2
import numba
import numpy as np
import simplejpeg
from numpy.typing import ArrayLike, NDArray

from imagery.core.camera import Camera, rotation_from_gimbal
from imagery.core.errors import BadInputError
from imagery.core.files import atomic_path, write_json
from imagery.core.frame import msl_to_ellipsoid
from imagery.core.photolog import PhotoRecord
from imagery.core.progress import SILENT, Progress
from sitl.photofile import Tags, file_name, with_metadata
from sitl.raycast import Scene, Walls, build_scene, cast
from sitl.world import Region, World

__all__ = ["Look", "photograph", "render"]

RAY_STEP_PX = 8
GRAIN_CELLS = 1 << 16  # after which fine grain repeats
WINDOW_M = 200.0  # of a region that is drawn at once, besides what the photos over it see beyond
FIRST_TIME = datetime(2026, 5, 1, 9, 0, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Look:
    """How far photos differ from the ideal.

    exposure: standard deviation of the brightness from photo to photo; vignetting: loss of light in the corners (0-1); noise:
    standard deviation in grey levels; blur_px: of the optics; motion_px: length of the smear along the flight; rolling_m: how far
    the drone flies on its course while the sensor's rows are read, first the uppermost (0: a global or mechanical shutter);
    gimbal_deg: standard deviation of the camera's pitch and roll; yaw_deg: of its yaw; quality: of the JPEG.
    """

    exposure: float = 0.05
    vignetting: float = 0.22
    noise: float = 2.2
    blur_px: float = 0.5
    motion_px: float = 0.0
    rolling_m: float = 0.0
    gimbal_deg: float = 0.4
    yaw_deg: float = 1.0
    quality: int = 92


def render(
    world: World, camera: Camera, position: ArrayLike, rotation: ArrayLike, drift: ArrayLike = (0.0, 0.0, 0.0)
) -> NDArray[np.uint8]:
    """The world as a camera sees it, uint8 (height, width, 3) RGB.

    position: east, north, up (metres in world.frame, above mean sea level); rotation: world-to-camera, 3 x 3; drift: how far the
    camera moves while its rows are read (a rolling shutter), at `position` when the middle row is. Agrees with
    `Camera.project`; pixels that look past the world's edge are grey.
    """
    to_grid = world.grid_from_local
    position, rotation, drift = np.asarray(position, float), np.asarray(rotation, float), np.asarray(drift, float)
    if not np.isfinite(position).all():
        raise BadInputError("the camera's position is not a number")
    origin = np.array([*(to_grid[:, :2] @ position[:2] + to_grid[:, 2]), position[2]])
    drift = np.array([*(to_grid[:, :2] @ drift[:2]), drift[2]])
    rays = _camera_rays(camera) @ rotation
    directions = np.concatenate([rays[..., :2] @ to_grid[:, :2].T, rays[..., 2:]], axis=-1)
    ground = float(world.height_at(position[0], position[1], "dtm"))
    above = position[2] - (ground if np.isfinite(ground) else float(world.dtm.mean()))
    gsd_m = max(0.001, above) / camera.fx
    return cast(_scene(world), origin, drift, directions, RAY_STEP_PX, (camera.height_px, camera.width_px), gsd_m)


def photograph(
    world: World | Region,
    camera: Camera,
    records: Sequence[PhotoRecord],
    out_dir: str | Path,
    *,
    gnss_sigma_m: tuple[float, float] = (0.5, 0.8),
    gnss_bias_m: tuple[float, float, float] = (0.0, 0.0, 0.0),
    baro_sigma_m: float = 0.15,
    rtk: bool = False,
    gimbal_pitch_deg: float = -90.0,
    look: Look = Look(),
    cell_m: float = 0.05,
    seed: int = 0,
    truth_path: str | Path | None = None,
    progress: Progress = SILENT,
) -> list[PhotoRecord]:
    """Take a photo at each record's true place and write it with its camera's name, EXIF and XMP into out_dir.

    records: exposures at their true positions, `alt_amsl_m` required, `yaw_deg` the course (0 where unknown);
    gnss_sigma_m: horizontal and vertical standard deviation of the position written into the photo, gnss_bias_m: its constant
    error east, north, up; baro_sigma_m: of the height above home; rtk: written with an RTK flag,
    standard deviations and ellipsoidal heights, as DJI does; cell_m: of a region, which is drawn window by window, so that memory
    does not grow with it.
    truth_path: where the exact poses go (JSON), by default beside out_dir as NAME_truth.json. Returns the records with `file`.
    """
    out_dir = Path(out_dir)
    if not records:
        raise BadInputError("no exposures: there is nothing to photograph")
    missing = next((record for record in records if record.alt_amsl_m is None), None)
    if missing is not None:
        raise BadInputError(
            f"exposure at {missing.lat:.6f}, {missing.lon:.6f}: its height above sea level (alt_amsl_m) is missing"
        )
    out_dir.mkdir(parents=True, exist_ok=True)
    sensors = _Sensors(gnss_sigma_m, gnss_bias_m, baro_sigma_m, rtk)
    shots = _shots(world, camera, records, sensors, gimbal_pitch_deg, look, seed)
    with progress.stage("photographing the world", len(shots), "photos") as advance, ThreadPoolExecutor(1) as writer:
        pending = []
        for drawn, some in _windows(world, camera, shots, cell_m):
            for shot in some:  # one thread finishes and writes a photo while the next one is rendered
                image = render(drawn, camera, shot.position, shot.rotation, shot.course * look.rolling_m)
                pending.append(writer.submit(_write, out_dir / shot.name, image, camera, shot, look))
                if len(pending) > 2:
                    pending.pop(0).result()
                advance(1)
        for job in pending:
            job.result()
    truth = Path(truth_path) if truth_path else out_dir.with_name(f"{out_dir.name}_truth.json")
    write_json(truth, _truth(world, camera, shots))
    return [replace(record, file=shot.name) for record, shot in zip(records, shots, strict=True)]


@dataclass(frozen=True, slots=True)
class _Sensors:
    """How far the drone errs about where it is; see `photograph`."""

    gnss_sigma_m: tuple[float, float]
    gnss_bias_m: tuple[float, float, float]
    baro_sigma_m: float
    rtk: bool


@dataclass(frozen=True, slots=True)
class _Shot:
    """One exposure: its exact pose, the unit vector of its course, and what the drone believes."""

    name: str
    record: PhotoRecord
    position: NDArray[np.float64]
    rotation: NDArray[np.float64]
    course: NDArray[np.float64]
    gain: float
    seed: int
    tags: Tags


def _windows(
    world: World | Region, camera: Camera, shots: list[_Shot], cell_m: float
) -> Iterator[tuple[World, list[_Shot]]]:
    """The world with all exposures, or windows of a region with the exposures over each."""
    if isinstance(world, World):
        yield world, shots
        return
    positions = np.array([shot.position for shot in shots])
    places = world.to_plan(positions[:, 0], positions[:, 1])
    west, south, east, north = world.plan.bounds
    over = [tuple(tile) for tile in np.floor(places / WINDOW_M).astype(int).tolist()]
    for tile in sorted(set(over)):
        here = [i for i, other in enumerate(over) if other == tile]
        reach = max(_reach_m(world, camera, shots[i]) for i in here)
        low, high = places[here].min(0) - reach, places[here].max(0) + reach
        window = (max(low[0], west), max(low[1], south), min(high[0], east), min(high[1], north))
        if window[0] >= window[2] or window[1] >= window[3]:
            raise BadInputError(
                f"exposure {shots[here[0]].name} lies outside of the region: nothing is there to photograph"
            )
        yield world.world(window, cell_m=cell_m), [shots[i] for i in here]


def _reach_m(region: Region, camera: Camera, shot: _Shot) -> float:
    """How far from under the camera its photo sees, on ground as low as the region's lowest."""
    lowest = float(region.plan.terrain.heights_m.min()) + region.lift_m
    corners = np.array(
        [[0, 0], [camera.width_px, 0], [0, camera.height_px], [camera.width_px, camera.height_px]], float
    )
    rays = camera.rays(corners) @ shot.rotation
    slope = np.hypot(rays[:, 0], rays[:, 1]) / np.maximum(-rays[:, 2], 0.05)
    return float(slope.max() * (shot.position[2] - lowest)) + 5


def _shots(
    world: World | Region,
    camera: Camera,
    records: Sequence[PhotoRecord],
    sensors: _Sensors,
    pitch: float,
    look: Look,
    seed: int,
) -> list[_Shot]:
    east, north = world.frame.to_local([r.lon for r in records], [r.lat for r in records])
    shots = []
    for i, record in enumerate(records):
        rng = np.random.default_rng([seed, i])
        yaw = record.yaw_deg or 0.0
        error = rng.normal(0, 1, 3) * (look.yaw_deg, look.gimbal_deg, look.gimbal_deg)
        measured = np.array([east[i], north[i]]) + rng.normal(0, sensors.gnss_sigma_m[0], 2) + sensors.gnss_bias_m[:2]
        lon, lat = (float(v) for v in world.frame.to_geographic(*measured))
        up = float(record.alt_amsl_m or 0.0)
        altitude = up + float(rng.normal(0, sensors.gnss_sigma_m[1])) + sensors.gnss_bias_m[2]
        above_home = record.alt_rel_m if record.alt_rel_m is not None else up - world.home.height_amsl_m
        tags = Tags(
            time_utc=record.time_utc or FIRST_TIME + timedelta(seconds=2 * i),
            lat=lat,
            lon=lon,
            alt_amsl_m=altitude,
            alt_rel_m=above_home + float(rng.normal(0, sensors.baro_sigma_m)),
            gimbal_deg=(yaw, pitch, 0.0),
            flight_deg=(yaw, record.pitch_deg or 0.0, record.roll_deg or 0.0),
            sigma_m=sensors.gnss_sigma_m,
            rtk=sensors.rtk,
            alt_ellipsoid_m=float(msl_to_ellipsoid(lon, lat, altitude)) if sensors.rtk else None,
        )
        shots.append(_Shot(
            file_name(camera, i + 1), record, np.array([east[i], north[i], up]),
            rotation_from_gimbal(yaw + error[0], pitch + error[1], error[2]),
            np.array([np.sin(np.radians(yaw)), np.cos(np.radians(yaw)), 0.0]),
            float(np.clip(rng.normal(1, look.exposure), 0.75, 1.25)), int(rng.integers(2**31)), tags,
        ))  # fmt: skip
    return shots


def _write(path: Path, image: NDArray[np.uint8], camera: Camera, shot: _Shot, look: Look) -> None:
    if look.blur_px > 0:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), look.blur_px), np.uint8)
    if look.motion_px > 1:
        image = np.asarray(cv2.filter2D(image, -1, _smear(look.motion_px)), np.uint8)
    image = _exposed(image, camera, shot.gain, look, shot.seed)
    jpeg = simplejpeg.encode_jpeg(image, quality=look.quality, colorspace="RGB", colorsubsampling="420")
    with atomic_path(path) as temporary:
        temporary.write_bytes(with_metadata(jpeg, camera, shot.tags))


def _smear(length_px: float) -> NDArray[np.float32]:
    """A kernel that blurs along the image's y, the direction of flight."""
    size = int(np.ceil(length_px)) | 1
    kernel = np.zeros((size, 1), np.float32)
    kernel[:, 0] = np.clip(length_px / 2 + 0.5 - abs(np.arange(size) - size // 2), 0, 1)
    return np.asarray(kernel / kernel.sum(), np.float32)


def _exposed(image: NDArray[np.uint8], camera: Camera, gain: float, look: Look, seed: int) -> NDArray[np.uint8]:
    """The picture as the sensor records it: brighter or darker, dimmer to the corners, grainy."""
    rng = np.random.default_rng(seed)
    grain = rng.normal(0, look.noise, 1 << 16).astype(np.float32)
    shifts = rng.integers(0, 1 << 16, image.shape[0])
    out = np.empty_like(image)
    corner = (
        max(camera.cx, camera.width_px - camera.cx) ** 2 + max(camera.cy, camera.height_px - camera.cy) ** 2
    ) or 1.0
    _expose(image, grain, shifts, camera.cx, camera.cy, look.vignetting / corner, gain, out)
    return out


@numba.njit(cache=True, nogil=True)
def _expose(image, grain, shifts, cx, cy, falloff, gain, out):  # type: ignore[no-untyped-def]
    for y in range(image.shape[0]):
        k = shifts[y]
        for x in range(image.shape[1]):
            light = gain * (1 - falloff * ((x - cx) ** 2 + (y - cy) ** 2))
            for channel in range(3):
                value = image[y, x, channel] * light + grain[k & 0xFFFF] + 0.5
                out[y, x, channel] = min(255.0, max(0.0, value))
                k += 1


def _truth(world: World | Region, camera: Camera, shots: Sequence[_Shot]) -> dict[str, Any]:
    lens = {
        name: getattr(camera, name)
        for name in ("id", "width_px", "height_px", "fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2", "k3")
    }
    return {
        "frame": [world.frame.lon_deg, world.frame.lat_deg],
        "camera": lens,
        "images": {
            shot.name: {
                "position": shot.position, "rotation": shot.rotation, "lon": shot.record.lon, "lat": shot.record.lat,
                "alt_amsl_m": shot.position[2], "gain": shot.gain,
            }
            for shot in shots
        },
    }  # fmt: skip


@functools.lru_cache(maxsize=8)
def _camera_rays(camera: Camera) -> NDArray[np.float64]:
    """Directions (camera axes, z = 1) at every RAY_STEP_PX-th pixel and beyond the last, (h, w, 3).

    Between them rays are interpolated: at 8 pixels that is right to a few thousandths of a pixel for any lens of a drone.
    """
    x = np.arange(0, camera.width_px + RAY_STEP_PX, RAY_STEP_PX)
    y = np.arange(0, camera.height_px + RAY_STEP_PX, RAY_STEP_PX)
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    return camera.rays(grid).reshape(len(y), len(x), 3)


_scenes: "WeakKeyDictionary[World, Scene]" = WeakKeyDictionary()


def _scene(world: World) -> Scene:
    """The world prepared for rays, kept as long as the world itself."""
    if world not in _scenes:
        _scenes[world] = build_scene(
            world.dsm, world.ortho, world.labels, _walls(world), world.sun, world.cell_m, _first_cell(world)
        )
    return _scenes[world]


def _first_cell(world: World) -> NDArray[np.float64]:
    grid = world.transform
    return np.array([round(grid.c / grid.a) % GRAIN_CELLS, round(grid.f / grid.e) % GRAIN_CELLS], float)


def _walls(world: World) -> Walls:
    count = int(world.labels.max()) + 1
    rgb = np.full((count, 3), 180, np.float32)
    angle, base = np.zeros(count, np.float32), np.zeros(count, np.float32)
    table = world.layers.get("buildings")
    if table is not None and len(table) and "wall_rgb" in table:
        for row in table[table["id"] < count].itertuples():
            rgb[row.id] = [int(row.wall_rgb[k : k + 2], 16) for k in (1, 3, 5)]
            angle[row.id], base[row.id] = np.radians(row.angle_deg), row.base_m
    return Walls(rgb, angle, base)
