"""Rounds of adjustment find the truth of a made-up survey from poor first poses."""

from dataclasses import replace

import numpy as np

from imagery.align.adjust import Known, adjust
from imagery.align.similarity import similarity
from imagery.core.camera import rotation_from_gimbal
from tests.imagery.align.scene import CAMERA, HEIGHT_M, Survey, survey

GSD_M = HEIGHT_M / CAMERA.fx


def known_of(gnss: np.ndarray, sigma_m: float, axis_sigma: float = 0.02, stated_ground_m: float | None = None) -> Known:
    n = len(gnss)
    return Known(
        gnss=gnss,
        gnss_sigma=np.full((n, 3), sigma_m),
        rtk=np.zeros(n, bool),
        axis=np.tile([0, 0, -1.0], (n, 1)),
        axis_sigma=np.full(n, axis_sigma),
        ground_m=0.0,
        focal_sigma=np.array([0.03]),
        stated_ground_m=stated_ground_m,
    )


def nadir(truth: Survey) -> np.ndarray:
    return np.array([rotation_from_gimbal(yaw, -90) for yaw in truth.yaw_deg])


def test_finds_poses_and_lens_from_gps_and_a_wrong_focal_length() -> None:
    truth = survey(gross=0.04)
    rng = np.random.default_rng(5)
    n = len(truth.yaw_deg)
    bias = np.array([2.0, -1.5, 4.0])
    gnss = truth.state.position + rng.normal(0, [1.5, 1.5, 1.0], (n, 3)) + bias
    wrong = replace(CAMERA, fx=CAMERA.fx * 1.04, fy=CAMERA.fy * 1.04, k1=0.0, k2=0.0)
    known = known_of(gnss, 3.0)
    level = np.array([rotation_from_gimbal(yaw + rng.normal(0, 3), -90) for yaw in truth.yaw_deg])
    start = gnss + rng.normal(0, 2, (n, 3))
    found = adjust(level, start, [wrong], truth.seen, known)
    assert found.tied.all()
    assert abs(found.cameras[0].fx / CAMERA.fx - 1) < 0.008
    error = similarity(found.state.position, truth.state.position).apply(found.state.position) - truth.state.position
    assert np.sqrt((error**2).mean()) < GSD_M
    off = (found.state.position - truth.state.position).mean(axis=0)
    assert abs(off - bias).max() < 4 * 1.5 / np.sqrt(n)
    assert not (found.keep & truth.gross).sum() > 0.02 * truth.gross.sum()
    assert found.keep[~truth.gross].mean() > 0.97
    assert 0.7 < found.gnss_sigma[0] < 3.0


def test_no_dome_with_a_wrong_lens() -> None:
    """Heights of the points are right at every distance from the middle."""
    truth = survey(tilt_deg=2.0)
    wrong = replace(CAMERA, k1=0.0, k2=0.0, fx=CAMERA.fx * 0.97, fy=CAMERA.fy * 0.97)
    known = known_of(truth.state.position, 1.0)
    found = adjust(nadir(truth), truth.state.position, [wrong], truth.seen, known)
    used = np.unique(truth.seen.point[found.keep])
    error = found.state.points[used, 2] - truth.state.points[used, 2]
    radius = np.linalg.norm(truth.state.points[used, :2], axis=1)
    inner, outer = radius < np.median(radius), radius >= np.median(radius)
    assert abs(np.median(error[inner]) - np.median(error[outer])) < GSD_M


def test_a_gimbal_that_errs_more_than_it_says_does_not_draw_the_focal_length() -> None:
    truth = survey(tilt_deg=3.0)
    known = known_of(truth.state.position, 0.5, axis_sigma=np.radians(0.5))
    found = adjust(nadir(truth), truth.state.position, [replace(CAMERA, k1=0.0, k2=0.0)], truth.seen, known)
    assert abs(found.cameras[0].fx / CAMERA.fx - 1) < 0.004


def test_photos_that_are_stretched_along_the_flight_are_seen_to_be() -> None:
    """Rows read while the drone flies on, or a size that was rounded: the pixels are not square."""
    truth = survey()
    seen = replace(truth.seen, xy=truth.seen.xy * [1, 1.004] - [0, 0.004 * CAMERA.cy])
    found = adjust(nadir(truth), truth.state.position, [CAMERA], seen, known_of(truth.state.position, 0.3))
    assert abs(found.cameras[0].fy / found.cameras[0].fx - 1.004) < 0.0015


def test_the_height_above_take_off_helps_where_the_pixels_say_little() -> None:
    """Three photos of one line with a focal length 4 % off; but not where the statement is of other ground."""
    truth = survey(lines=1, per_line=3, tilt_deg=0.3)
    wrong = replace(CAMERA, fx=CAMERA.fx * 1.04, fy=CAMERA.fy * 1.04)
    ground = float(np.median(truth.state.points[:, 2]))

    def focal(stated_m: float | None) -> float:
        known = known_of(truth.state.position, 0.3, stated_ground_m=stated_m)
        return adjust(nadir(truth), truth.state.position, [wrong], truth.seen, known).cameras[0].fx / CAMERA.fx

    without, helped, other = focal(None), focal(ground), focal(ground - 40)
    assert abs(helped - 1) < abs(without - 1)
    assert other == without
