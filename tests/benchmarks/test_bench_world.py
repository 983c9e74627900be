"""How fast worlds are made and photographed, beside what the same machine does at the same moment."""

import time
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from imagery.core.camera import find_camera, rotation_from_gimbal
from sitl.camera import render
from sitl.world import World

pytestmark = pytest.mark.long


def _seconds(work: Callable[[], object]) -> float:
    work()
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def test_photographing_against_a_plain_remap(capsys: pytest.CaptureFixture[str]) -> None:
    """A rendered photo costs at most 60 times a bilinear `cv2.remap` of as many pixels, which knows nothing of heights."""
    world = World.generate(1, size_m=(260, 240), cell_m=0.08)
    camera = find_camera("dji-mavic-3e")
    rotation = rotation_from_gimbal(20, -90)
    rendered = _seconds(lambda: render(world, camera, [0.0, 0.0, 300.0], rotation))
    rng = np.random.default_rng(0)
    x, y = np.meshgrid(np.linspace(200, 2600, camera.width_px), np.linspace(200, 2600, camera.height_px))
    x, y = (x + rng.normal(0, 0.3, x.shape)).astype(np.float32), y.astype(np.float32)
    plain = _seconds(lambda: cv2.remap(world.ortho, x, y, cv2.INTER_LINEAR))
    megapixels = camera.width_px * camera.height_px / 1e6
    with capsys.disabled():
        rates = f"photograph {megapixels / rendered:.1f} MP/s, cv2.remap {megapixels / plain:.0f} MP/s"
        print(f"\n{rates}, {rendered / plain:.0f} times")
    assert rendered / plain < 60


def test_making_a_world_for_the_demo(capsys: pytest.CaptureFixture[str]) -> None:
    """A world of 450 x 380 m at 8 cm, before and after: processor seconds on one core."""
    World.generate(1, size_m=(220, 200), cell_m=0.5)
    start = time.process_time()
    world = World.generate(1, size_m=(450, 380), cell_m=0.08)
    spent = time.process_time() - start
    with capsys.disabled():
        print(f"\nworld of {world.dsm.size / 1e6:.0f} million cells, before and after: {spent:.1f} s of processor")
    assert spent < 60
