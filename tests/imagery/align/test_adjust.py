"""Rounds of adjustment find the truth of a made-up survey from poor first poses."""

from dataclasses import replace

import numpy as np

from imagery.align.adjust import Known, adjust
from imagery.align.similarity import similarity
from imagery.core.camera import rotation_from_gimbal
from tests.imagery.align.scene import CAMERA, HEIGHT_M, survey

GSD_M = HEIGHT_M / CAMERA.fx


def test_finds_poses_and_lens_from_gps_and_a_wrong_focal_length() -> None:
    truth = survey(gross=0.04)
    rng = np.random.default_rng(5)
    n = len(truth.yaw_deg)
    bias = np.array([2.0, -1.5, 4.0])
    gnss = truth.state.position + rng.normal(0, [1.5, 1.5, 1.0], (n, 3)) + bias
    wrong = replace(CAMERA, fx=CAMERA.fx * 1.04, fy=CAMERA.fy * 1.04, k1=0.0, k2=0.0)
    known = Known(
        gnss, np.tile([3.0, 3, 4], (n, 1)), np.zeros(n, bool), np.tile([0, 0, -1.0], (n, 1)), np.full(n, 0.02), 4.0
    )
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
    n = len(truth.yaw_deg)
    wrong = replace(CAMERA, k1=0.0, k2=0.0, fx=CAMERA.fx * 0.97, fy=CAMERA.fy * 0.97)
    known = Known(
        truth.state.position,
        np.full((n, 3), 1.0),
        np.zeros(n, bool),
        np.tile([0, 0, -1.0], (n, 1)),
        np.full(n, 0.02),
        0,
    )
    level = np.array([rotation_from_gimbal(yaw, -90) for yaw in truth.yaw_deg])
    found = adjust(level, truth.state.position, [wrong], truth.seen, known)
    used = np.unique(truth.seen.point[found.keep])
    error = found.state.points[used, 2] - truth.state.points[used, 2]
    radius = np.linalg.norm(truth.state.points[used, :2], axis=1)
    inner, outer = radius < np.median(radius), radius >= np.median(radius)
    assert abs(np.median(error[inner]) - np.median(error[outer])) < GSD_M
