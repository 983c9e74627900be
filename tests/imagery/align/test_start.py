"""First poses come from the photos themselves, whatever yaw they state."""

import numpy as np

from imagery.align.start import solve_block
from tests.imagery.align.scene import CAMERA, HEIGHT_M, survey


def test_yaw_height_and_place() -> None:
    truth = survey(tilt_deg=1.0, noise_px=0.5)
    rng = np.random.default_rng(3)
    n = len(truth.yaw_deg)
    seen = truth.seen
    plane, feature = [], {}
    for i in range(n):
        rows = np.flatnonzero(seen.image == i)
        feature.update({(i, int(seen.point[row])): k for k, row in enumerate(rows)})
        plane.append(CAMERA.rays(seen.xy[rows])[:, :2] * [1, -1])
    by_image = [set(seen.point[seen.image == i].tolist()) for i in range(n)]
    pairs, matches = [], []
    for i in range(n):
        for j in range(i + 1, n):
            both = sorted(by_image[i] & by_image[j])
            if len(both) > 60:
                pairs.append((i, j))
                matches.append(np.array([(feature[i, q], feature[j, q]) for q in both], np.int32))
    # One pair of photos is matched wrongly, and one photo's position is far off.
    matches[5] = np.column_stack([matches[5][:, 0], rng.permutation(matches[5][:, 1])])
    gnss = truth.state.position[:, :2] + rng.normal(0, 1.5, (n, 2))
    gnss[4] += [60, -40]
    block = solve_block(plane, np.array(pairs, np.int32), matches, gnss, np.ones(n), 3.0, 50.0)
    off = (block.yaw_deg - truth.yaw_deg + 180) % 360 - 180
    assert abs(off).max() < 8  # relief and tilt are left to the adjustment
    assert abs(np.median(block.height_m) / HEIGHT_M - 1) < 0.08
    assert np.linalg.norm(block.east_north_m - truth.state.position[:, :2], axis=1).max() < 6
