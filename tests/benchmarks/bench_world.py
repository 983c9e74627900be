"""Worlds: how fast photos are rendered, and what 10 km2 at 5 cm need of memory; on request, pictures of every kind of world.

python -m tests.benchmarks.bench_world [PICTURES]
"""

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from imagery.core.camera import find_camera, rotation_from_gimbal
from imagery.core.photolog import PhotoRecord
from sitl.camera import photograph, render
from sitl.world import DISASTERS, PROFILES, Region, World

GOAL_MP_S = 4.0
SIDE_M = 3163.0  # of 10 km2
CORNERS = ((-1300.0, -1250.0), (0.0, 100.0), (1300.0, 1200.0))


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and processor seconds of the fastest of three runs after a first one, which compiles."""
    work()
    runs = []
    for _ in range(3):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        runs.append((time.perf_counter() - wall, time.process_time() - cpu))
    return min(runs)


def rendering() -> None:
    """Print megapixels a second of rendering, beside a plain remap of as many pixels, which knows nothing of heights."""
    camera = find_camera("dji-mavic-3e")
    world = World.generate(1, size_m=(260, 240), cell_m=0.05)
    rotation = rotation_from_gimbal(20, -90)
    megapixels = camera.width_px * camera.height_px / 1e6
    x, y = np.meshgrid(np.linspace(300, 4700, camera.width_px), np.linspace(300, 4200, camera.height_px))
    noise = np.random.default_rng(0).normal(0, 0.3, x.shape)
    x, y = (x + noise).astype(np.float32), y.astype(np.float32)
    print(f"{'':24s} wall MP/s   CPU s/MP   (goal {GOAL_MP_S:g} MP/s on two cores)")
    for name, work in (
        ("render", lambda: render(world, camera, [0.0, 0.0, 305.0], rotation)),
        ("cv2.remap", lambda: cv2.remap(world.ortho, x, y, cv2.INTER_LINEAR)),
    ):
        wall, cpu = timed(work)
        print(f"{name:24s} {megapixels / wall:9.1f}  {cpu / megapixels:9.3f}")


def large_region() -> None:
    """Print the time and the peak memory of photos in opposite corners of 10 km2 at 5 cm."""
    start = time.perf_counter()
    region = Region.laid_out(
        7, "village", 13.09, 42.79, size_m=(SIDE_M, SIDE_M), margin_m=60, disaster="earthquake", severity=0.3, home_amsl_m=230
    )  # fmt: skip
    print(f"10 km2 laid out: {len(region.plan.houses)} buildings, {time.perf_counter() - start:.0f} s")
    camera = find_camera("dji-mavic-3e").scaled(0.25)
    for count in range(1, len(CORNERS) + 1):
        east, north = np.array(CORNERS[:count]).T
        lon, lat = region.frame.to_geographic(east, north)
        records = [PhotoRecord(lat=a, lon=o, alt_amsl_m=330.0) for a, o in zip(lat, lon, strict=True)]
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            photograph(region, camera, records, Path(folder) / "photos", cell_m=0.05)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(
            f"{count} windows of it drawn at 5 cm: {time.perf_counter() - start:5.0f} s, peak memory so far {peak:.2f} GB"
        )


def pictures(folder: Path) -> None:
    """Write before | after of every profile and disaster, and a rendered photo of each profile."""
    folder.mkdir(parents=True, exist_ok=True)
    camera = find_camera("dji-mavic-3e").scaled(0.3)
    for number, profile in enumerate(PROFILES):
        for disaster in DISASTERS:
            world = World.generate(20 + number, profile, disaster=disaster, cell_m=0.1, size_m=(300, 240), margin_m=40)
            pair = np.hstack([world.pre_ortho, world.ortho])[::3, ::3, ::-1]
            cv2.imwrite(str(folder / f"{profile}-{disaster}.jpg"), pair)
            print(f"{folder / f'{profile}-{disaster}.jpg'}")
        above = float(world.height_at(0.0, 0.0)) + 70
        photo = render(world, camera, [0.0, 0.0, above], rotation_from_gimbal(15, -90))
        cv2.imwrite(str(folder / f"{profile}-photo.jpg"), photo[:, :, ::-1])


if __name__ == "__main__":
    rendering()
    large_region()
    if len(sys.argv) > 1:
        pictures(Path(sys.argv[1]))
