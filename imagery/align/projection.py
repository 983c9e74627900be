"""The lens as the adjustment knows it: a projection, its residuals and its derivatives, compiled.

A lens is a row of numbers in the order LENS. `aspect` is fy / fx: pixels are square, but a rolling shutter that reads its rows
while the drone flies on stretches the photo along the course, and so does a size that was rounded when the photo was reduced.
"""

import numba
import numpy as np

__all__ = ["COUNT", "LENS", "jacobian", "residuals"]

LENS = ("fx", "cx", "cy", "k1", "k2", "p1", "p2", "k3", "aspect")
COUNT = len(LENS)


@numba.njit(cache=True, nogil=True)
def residuals(rotation, position, lens, points, image, point, xy, lens_of):  # type: ignore[no-untyped-def]
    """Observed minus projected pixels (m, 2), NaN behind the camera."""
    out = np.empty((len(image), 2))
    for k in range(len(image)):
        i = image[k]
        R, C, X = rotation[i], position[i], points[point[k]]
        dx, dy, dz = X[0] - C[0], X[1] - C[1], X[2] - C[2]
        u = R[0, 0] * dx + R[0, 1] * dy + R[0, 2] * dz
        v = R[1, 0] * dx + R[1, 1] * dy + R[1, 2] * dz
        w = R[2, 0] * dx + R[2, 1] * dy + R[2, 2] * dz
        if w < 1e-3:
            out[k, 0] = out[k, 1] = np.nan
            continue
        f, cx, cy, k1, k2, p1, p2, k3, aspect = lens[lens_of[i]]
        x, y = u / w, v / w
        r2 = x * x + y * y
        radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        xd = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
        yd = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
        out[k, 0] = xy[k, 0] - f * xd - cx
        out[k, 1] = xy[k, 1] - f * aspect * yd - cy
    return out


@numba.njit(cache=True, nogil=True)
def jacobian(R, C, X, lens, scale, free, xy, J_pose, J_lens, J_point, residual):  # type: ignore[no-untyped-def]
    """Fill one projection's derivatives by pose (turn, position), lens, point, and its residual; False if behind the
    camera.
    """
    dx, dy, dz = X[0] - C[0], X[1] - C[1], X[2] - C[2]
    u = R[0, 0] * dx + R[0, 1] * dy + R[0, 2] * dz
    v = R[1, 0] * dx + R[1, 1] * dy + R[1, 2] * dz
    w = R[2, 0] * dx + R[2, 1] * dy + R[2, 2] * dz
    if w < 1e-3:
        return False
    f, cx, cy, k1, k2, p1, p2, k3, aspect = lens
    g = f * aspect
    x, y = u / w, v / w
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    slope = k1 + r2 * (2 * k2 + 3 * r2 * k3)
    xd = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    yd = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
    residual[0] = xy[0] - f * xd - cx
    residual[1] = xy[1] - g * yd - cy
    # d(xd, yd) / d(x, y)
    a = radial + 2 * x * x * slope + 2 * p1 * y + 6 * p2 * x
    b = 2 * x * y * slope + 2 * p1 * x + 2 * p2 * y
    d = radial + 2 * y * y * slope + 6 * p1 * y + 2 * p2 * x
    for row in range(2):
        if row == 0:
            along_x, along_y = f * a / w, f * b / w
        else:
            along_x, along_y = g * b / w, g * d / w
        along_w = -(along_x * x + along_y * y)
        J_pose[row, 0] = along_w * v - along_y * w
        J_pose[row, 1] = along_x * w - along_w * u
        J_pose[row, 2] = along_y * u - along_x * v
        for c in range(3):
            J_point[row, c] = along_x * R[0, c] + along_y * R[1, c] + along_w * R[2, c]
            J_pose[row, 3 + c] = -J_point[row, c]
    J_lens[0, 0], J_lens[1, 0] = xd, aspect * yd
    J_lens[0, 1], J_lens[1, 1] = 1.0, 0.0
    J_lens[0, 2], J_lens[1, 2] = 0.0, 1.0
    J_lens[0, 3], J_lens[1, 3] = f * x * r2, g * y * r2
    J_lens[0, 4], J_lens[1, 4] = f * x * r2 * r2, g * y * r2 * r2
    J_lens[0, 5], J_lens[1, 5] = f * 2 * x * y, g * (r2 + 2 * y * y)
    J_lens[0, 6], J_lens[1, 6] = f * (r2 + 2 * x * x), g * 2 * x * y
    J_lens[0, 7], J_lens[1, 7] = f * x * r2 * r2 * r2, g * y * r2 * r2 * r2
    J_lens[0, 8], J_lens[1, 8] = 0.0, f * yd
    for c in range(COUNT):
        factor = scale[c] if free[c] else 0.0
        J_lens[0, c] *= factor
        J_lens[1, c] *= factor
    return True
