"""Earlier images and surfaces are laid over the later ones to a fraction of a cell."""

import cv2
import numpy as np
import pytest

from imagery.core.errors import BadInputError, NotEnoughDataError
from imagery.damage.raster import ImageFile, SurfaceFile
from imagery.damage.register import register_images, register_surfaces
from tests.imagery.damage.hamlet import ORIGIN, build, write_raster


def test_a_shifted_earlier_image_is_found(tmp_path):
    hamlet = build(seed=6, columns=6, rows=5, collapsed=6)
    post = write_raster(tmp_path / "post.tif", hamlet.post)
    darker = (hamlet.pre * 0.6 + 20).astype(np.uint8)
    coarser = cv2.resize(darker, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    pre = write_raster(tmp_path / "pre.tif", coarser, shift=(1.7, -2.3), cell=0.2)
    with ImageFile(post) as later, ImageFile(pre, later.crs) as earlier:
        field = register_images(later, earlier)
    assert field.at(ORIGIN[0] + 60, ORIGIN[1] - 50) == pytest.approx((1.7, -2.3), abs=0.15)


def test_images_without_common_content_are_refused(tmp_path):
    hamlet = build(columns=2, rows=2, collapsed=1)
    post = write_raster(tmp_path / "post.tif", hamlet.post)
    pre = write_raster(tmp_path / "pre.tif", np.zeros_like(hamlet.pre))
    with (
        ImageFile(post) as later,
        ImageFile(pre, later.crs) as earlier,
        pytest.raises(NotEnoughDataError, match="no data where"),
    ):
        register_images(later, earlier)


def hills(rows: int = 400, columns: int = 500) -> np.ndarray:
    y, x = np.mgrid[:rows, :columns] * 0.25
    return (100 + 6 * np.sin(x / 14) + 5 * np.cos(y / 11 + x / 30)).astype(np.float32)


def test_surfaces_are_registered_and_their_noise_is_known(tmp_path):
    rng = np.random.default_rng(0)
    later = hills() + rng.normal(0, 0.08, (400, 500)).astype(np.float32)
    earlier = hills() + rng.normal(0, 0.08, (400, 500)).astype(np.float32)
    later[100:140, 100:160] -= 4  # what collapsed must not count
    dsm = write_raster(tmp_path / "dsm.tif", later, cell=0.25)
    pre = write_raster(tmp_path / "pre.tif", earlier + np.float32(2.5), cell=0.25, shift=(1.3, -0.8))
    with SurfaceFile(dsm) as a, SurfaceFile(pre, a.crs) as b:
        shift = register_surfaces(a, b)
    assert (shift.east_m, shift.north_m, shift.up_m) == pytest.approx((1.3, -0.8, 2.5), abs=0.05)
    # Averaging 2 x 2 cells halves the noise of each; the difference has the root of two of it, less bilinear smoothing.
    assert 0.02 < shift.sigma_m < 0.08 * np.sqrt(2)


def test_flat_ground_leaves_the_horizontal_shift_alone(tmp_path):
    rng = np.random.default_rng(1)
    flat = np.full((300, 300), 50, np.float32)
    dsm = write_raster(tmp_path / "dsm.tif", flat + rng.normal(0, 0.05, flat.shape).astype(np.float32), cell=0.25)
    pre = write_raster(tmp_path / "pre.tif", flat + 1 + rng.normal(0, 0.05, flat.shape).astype(np.float32), cell=0.25)
    with SurfaceFile(dsm) as a, SurfaceFile(pre, a.crs) as b:
        shift = register_surfaces(a, b)
    assert abs(shift.east_m) < 0.2
    assert abs(shift.north_m) < 0.2
    assert shift.up_m == pytest.approx(1, abs=0.01)


def test_a_surface_in_feet_is_noticed(tmp_path):
    dsm = write_raster(tmp_path / "dsm.tif", hills(), cell=0.25)
    pre = write_raster(tmp_path / "feet.tif", hills() / np.float32(0.3048), cell=0.25)
    with (
        SurfaceFile(dsm) as a,
        SurfaceFile(pre, a.crs) as b,
        pytest.raises(BadInputError, match=r"feet.tif: seems to be in feet"),
    ):
        register_surfaces(a, b)
