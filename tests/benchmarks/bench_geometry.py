"""Geometry: how far the alignment of rendered photos is from the truth, beside the floor that the positions' own noise sets.

python -m tests.benchmarks.bench_geometry [NAME]

A few worlds are photographed once; the positions, heights and focal length that the photos state are then varied. Errors are
those of check points: places on the world's surface whose pixels in the photos are known from the true cameras (and pointed at
to half a pixel), found again with the adjusted cameras.
"""

import json
import math
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imagery.align.align import AlignResult, align
from imagery.align.features import Features, extract
from imagery.align.match import match_pair
from imagery.align.pairs import pairs_by_position
from imagery.align.shots import gather
from imagery.align.similarity import similarity
from imagery.core.camera import Camera, find_camera
from imagery.core.photo import Photo, read_photo
from imagery.core.photolog import PhotoRecord
from sitl.camera import Look, photograph
from sitl.world import World

Array = NDArray[np.float64]

LONG_SIDE_PX, FEATURES = 1333, 2500  # what `stitch` takes at standard quality
HEIGHT_M = 70.0
OVERLAP = (0.78, 0.68)
WORLD_M, MARGIN_M = (250.0, 230.0), 55.0
CHECKS, POINTING_PX = 400, 0.5
GNSS_M, BIAS_M = (1.2, 2.0), (1.5, -2.0, 3.0)
RTK_M = (0.015, 0.025)
FLOOR_FACTOR = 1.3
DOME_GSD = 1.5  # how far heights may bend between the middle and the rim

HEAD = f"{'':28s} across     up   floor: a.    up  within:  med   scale  focal   dome     px  kept"


@dataclass(frozen=True, slots=True)
class Site:
    """A world and how it is photographed. lens: radial distortion of the real lens, unknown to the photos."""

    profile: str
    seed: int
    gimbal_deg: float = 0.4
    rolling_m: float = 0.0
    lens: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Scenario:
    """What the photos state. focal: the focal length stated, relative to the true one; heights: whether the height above
    the take-off point is stated."""

    rtk: bool = False
    focal: float = 1.0
    heights: bool = True
    seed: int = 0


SITES = {
    "village": Site("village", 3),
    "farmland, lens": Site("farmland", 5, lens=(-0.06, 0.03)),
    "mountain": Site("mountain", 7),
    "village, tilt": Site("village", 3, gimbal_deg=3.0),
    "village, rolling": Site("village", 3, rolling_m=0.25),
}


SCENARIOS = (Scenario(), Scenario(seed=1), Scenario(focal=1.04), Scenario(heights=False), Scenario(rtk=True))


@dataclass(frozen=True, slots=True)
class Survey:
    """A photographed site: what it looks like to the alignment, and the truth."""

    world: World
    camera: Camera
    photos: dict[str, Photo]
    position: Array
    rotation: Array
    features: list[Features]
    pairs: NDArray[np.int32]
    matches: list[NDArray[np.int32]]
    px: float


@dataclass(frozen=True, slots=True)
class Figures:
    """Errors of one alignment, in metres. across, up: RMSE of check points after the constant bias is removed, and of the
    floor; inner, inner_median: after a similarity; scale: relative; dome: bend of the heights; px: median reprojection."""

    across: float
    up: float
    floor_across: float
    floor_up: float
    inner: float
    inner_median: float
    scale: float
    focal: float
    dome: float
    px: float
    kept: float
    gsd: float


def photographed(site: Site, folder: Path) -> Survey:
    """A site's photos, their features and matches."""
    world = World.generate(site.seed, site.profile, size_m=WORLD_M, margin_m=MARGIN_M, cell_m=0.08)
    camera = find_camera("dji-mavic-3e").scaled(1 / 3)
    camera = replace(camera, fy=camera.fx, k1=site.lens[0], k2=site.lens[1])
    records = flight(world, camera)
    look = Look(gimbal_deg=site.gimbal_deg, rolling_m=site.rolling_m)
    taken = photograph(world, camera, records, folder, gnss_sigma_m=(0.0, 0.0), look=look, seed=site.seed)
    names = [str(record.file) for record in taken]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        features = list(pool.map(lambda name: extract(folder / name, long_side_px=LONG_SIDE_PX, count=FEATURES), names))
    position, rotation = true_poses(folder.with_name(f"{folder.name}_truth.json"), names)
    pairs = pairs_by_position(position[:, :2])
    px = max(1.0, camera.width_px / LONG_SIDE_PX)
    matches = [match_pair(features[i], features[j], 1.5 * px) for i, j in pairs]
    photos = {name: read_photo(folder / name) for name in names}
    return Survey(world, camera, photos, position, rotation, features, pairs, matches, px)


def flight(world: World, camera: Camera) -> list[PhotoRecord]:
    """Exposures to and fro over the world's area, at one height above sea level."""
    wide, long = camera.footprint_m(HEIGHT_M)
    along, across = long * (1 - OVERLAP[0]), wide * (1 - OVERLAP[1])
    half = np.array(WORLD_M) / 2 - MARGIN_M
    lines = np.linspace(-half[0], half[0], math.ceil(2 * half[0] / across) + 1)
    stops = np.linspace(-half[1], half[1], math.ceil(2 * half[1] / along) + 1)
    ground = float(np.nanmean(world.height_at(*np.meshgrid(lines, stops), "dtm")))
    records = []
    for k, east in enumerate(lines):
        for north in stops if k % 2 == 0 else stops[::-1]:
            lon, lat = (float(value) for value in world.frame.to_geographic(east, north))
            records.append(
                PhotoRecord(lat=lat, lon=lon, alt_amsl_m=ground + HEIGHT_M, yaw_deg=0.0 if k % 2 == 0 else 180.0)
            )
    return records


def true_poses(path: Path, names: list[str]) -> tuple[Array, Array]:
    """Exact positions (n, 3) and rotations (n, 3, 3)."""
    images = json.loads(path.read_text(encoding="utf-8"))["images"]
    return tuple(np.array([images[name][what] for name in names], float) for what in ("position", "rotation"))  # type: ignore[return-value]


def stated(survey: Survey, scenario: Scenario) -> tuple[dict[str, Photo], Array]:
    """The photos with what a scenario's receivers and EXIF say, and the errors (n, 3) of the positions."""
    rng = np.random.default_rng([scenario.seed, scenario.rtk])
    across, up = RTK_M if scenario.rtk else GNSS_M
    error = rng.normal(0, 1, survey.position.shape) * (across, across, up)
    if not scenario.rtk:
        error += BIAS_M
    place = survey.position + error
    lon, lat = survey.world.frame.to_geographic(place[:, 0], place[:, 1])
    home = survey.world.home.height_amsl_m
    baro = survey.position[:, 2] - home + rng.normal(0, 0.3, len(place))
    photos = {}
    for i, (name, photo) in enumerate(survey.photos.items()):
        photos[name] = replace(
            photo,
            camera=photo.camera if scenario.focal == 1 else None,
            focal_35mm=43.267 * survey.camera.fx * scenario.focal / math.hypot(survey.camera.width_px, survey.camera.height_px),
            lon=float(lon[i]), lat=float(lat[i]), alt_amsl_m=float(place[i, 2]),
            alt_rel_m=float(baro[i]) if scenario.heights else None,
            rtk_flag=50 if scenario.rtk else None,
            rtk_std_m=(across, across, up) if scenario.rtk else None,
        )  # fmt: skip
    return photos, error


def measured(survey: Survey, scenario: Scenario) -> Figures:
    """Align a survey under a scenario and measure."""
    photos, error = stated(survey, scenario)
    shots, _ = gather(photos)
    xy = [features.xy for features in survey.features]
    result = align(shots, xy, survey.pairs, survey.matches, feature_px=survey.px)
    true, found = checks(survey, result)
    bias = np.zeros(3) if scenario.rtk else np.array(BIAS_M)
    off = found - true - bias
    floor = similarity(survey.position, survey.position + error - bias).apply(true) - true
    fitted = similarity(found, true)
    inner = np.linalg.norm(fitted.apply(found) - true, axis=1)
    camera = next(iter(result.reconstruction.cameras.values()))
    return Figures(
        across=rms(off[:, :2]), up=rms(off[:, 2:]), floor_across=rms(floor[:, :2]), floor_up=rms(floor[:, 2:]),
        inner=float(np.sqrt(np.mean(inner**2))), inner_median=float(np.median(inner)), scale=fitted.scale - 1,
        focal=camera.fx / survey.camera.fx - 1, dome=dome(true, fitted.apply(found) - true),
        px=result.reprojection_median_px, kept=result.ties_kept, gsd=HEIGHT_M / survey.camera.fx,
    )  # fmt: skip


def rms(error: Array) -> float:
    """Root mean square length of errors (n, k)."""
    return float(np.sqrt(np.mean(np.sum(error**2, axis=1))))


def dome(true: Array, error: Array) -> float:
    """Height error between the middle and the rim of the block, in metres, of the paraboloid that fits the errors best."""
    x, y = (true[:, :2] - true[:, :2].mean(axis=0)).T
    radius = float(np.quantile(np.hypot(x, y), 0.95))
    design = np.column_stack([np.ones_like(x), x, y, (x * x + y * y) / radius**2])
    return float(np.linalg.lstsq(design, error[:, 2], rcond=None)[0][3])


def checks(survey: Survey, result: AlignResult) -> tuple[Array, Array]:
    """Check points (n, 3) where they are, and where the adjusted cameras find them, in the world's frame."""
    rng = np.random.default_rng(1)
    half = np.array(WORLD_M) / 2 - MARGIN_M
    place = rng.uniform(-half, half, (CHECKS, 2))
    true = np.column_stack([place, survey.world.height_at(place[:, 0], place[:, 1])])
    normal, right = np.zeros((CHECKS, 3, 3)), np.zeros((CHECKS, 3))
    seen = np.zeros(CHECKS, int)
    frame = result.reconstruction.frame
    for name, position, rotation in zip(survey.photos, survey.position, survey.rotation, strict=True):
        pose = result.reconstruction.images.get(name)
        if pose is None:
            continue
        pixels = survey.camera.project((true - position) @ rotation.T)
        inside = ((pixels > 0) & (pixels < [survey.camera.width_px, survey.camera.height_px])).all(axis=1)
        pixels += rng.normal(0, POINTING_PX, pixels.shape)
        rays = result.reconstruction.cameras[pose.camera].rays(pixels[inside]) @ pose.rotation
        rays /= np.linalg.norm(rays, axis=1, keepdims=True)
        across = np.eye(3) - rays[:, :, None] * rays[:, None, :]
        normal[inside] += across
        right[inside] += across @ pose.position
        seen += inside
    often = seen >= 4
    found = np.linalg.solve(normal[often], right[often][..., None])[..., 0]
    lon, lat = frame.to_geographic(found[:, 0], found[:, 1])
    found[:, 0], found[:, 1] = survey.world.frame.to_local(lon, lat)
    return true[often], found


def verdict(figures: Figures, rtk: bool) -> str:
    """Which targets are missed, or "pass"."""
    f = figures
    floor = FLOOR_FACTOR * math.hypot(f.floor_across, f.floor_up)
    misses = {
        "absolute": not rtk and math.hypot(f.across, f.up) > floor,
        "across": rtk and f.across > 1.5 * f.gsd,
        "up": rtk and f.up > 3 * f.gsd,
        "scale": rtk and abs(f.scale) > 5e-4,
        "internal": f.inner > 1.6 * f.gsd or f.inner_median > 0.8 * f.gsd,
        "dome": abs(f.dome) > DOME_GSD * f.gsd,
        "reprojection": f.px > 0.3,
    }
    return "missed: " + ", ".join(name for name in misses if misses[name]) if any(misses.values()) else "pass"


def row(scenario: Scenario, figures: Figures) -> str:
    """A line of the table."""
    f = figures
    said = (
        f"{'RTK' if scenario.rtk else 'GNSS'} f x {scenario.focal:.2f}{'' if scenario.heights else ' no rel. height'}"
    )
    missed = verdict(f, scenario.rtk)
    return (
        f"  {said:26s} {f.across:6.3f} {f.up:6.3f}  {f.floor_across:6.3f} {f.floor_up:6.3f}"
        f"  {f.inner / f.gsd:5.2f} {f.inner_median / f.gsd:5.2f}  {100 * f.scale:+6.3f} {100 * f.focal:+6.2f}"
        f" {f.dome / f.gsd:+6.2f}  {f.px:5.2f} {f.kept:5.2f}  {missed}"
    )


def main() -> None:
    """Print the table of all sites, or of those named."""
    chosen = sys.argv[1:] or list(SITES)
    print(
        "Errors of check points, metres: across and up; the floor that the positions set; within the block after a similarity,\n"
        "in GSD: RMSE and median; scale and focal length, %; dome, GSD; median reprojection, px, with the share of ties kept.\n"
        f"Targets: GNSS absolute <= {FLOOR_FACTOR} x floor; RTK across 1.5, up 3 GSD, scale 0.05 %; within 1.6 and 0.8 GSD; dome "
        f"{DOME_GSD} GSD; 0.3 px."
    )
    for name in chosen:
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            survey = photographed(SITES[name], Path(folder) / "photos")
        gsd_cm = 100 * HEIGHT_M / survey.camera.fx
        print(
            f"\n{name}: {len(survey.photos)} photos, GSD {gsd_cm:.1f} cm, {time.perf_counter() - began:.0f} s",
            flush=True,
        )
        print(HEAD)
        for scenario in SCENARIOS:
            print(row(scenario, measured(survey, scenario)), flush=True)


if __name__ == "__main__":
    main()
