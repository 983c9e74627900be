"""The normal equations of a bundle adjustment without their points, compiled.

Every point is eliminated while its observations are added up (Schur complement), so that only images and lenses remain; from
their step each point's follows.
"""

import numba
import numpy as np

from imagery.align.projection import COUNT, jacobian

__all__ = ["back_substitute", "eliminate"]


@numba.njit(cache=True, nogil=True)
def _inverse3(V, out):  # type: ignore[no-untyped-def]
    a, b, c, d, e, f = V[0, 0], V[0, 1], V[0, 2], V[1, 1], V[1, 2], V[2, 2]
    A, B, C = d * f - e * e, c * e - b * f, b * e - c * d
    det = a * A + b * B + c * C
    if not det > 0:
        out[:] = 0
        return
    out[0, 0], out[0, 1], out[0, 2] = A / det, B / det, C / det
    out[1, 0], out[1, 1], out[1, 2] = B / det, (a * f - c * c) / det, (b * c - a * e) / det
    out[2, 0], out[2, 1], out[2, 2] = C / det, (b * c - a * e) / det, (a * d - b * b) / det


@numba.njit(cache=True, nogil=True)
def eliminate(  # type: ignore[no-untyped-def]
    rotation, position, lens, points, scale, free, image, point, xy, sigma, lens_of, start, rank,
    prior, prior_weight, damping, huber, band, border, corner, right, right_lens,
):  # fmt: skip
    """Add every point's observations to the normal equations and eliminate the point.

    Fills band (row 6 * rank + a holds the lower triangle's column), border, corner and both right sides in place;
    returns what back-substitution needs: the inverse of each point's block, its right side, and its coupling with
    poses and lenses.
    """
    m, p = len(image), len(points)
    lenses = len(lens)
    grow = 1.0 + damping
    inverse, point_right = np.zeros((p, 3, 3)), np.zeros((p, 3))
    W, W_lens = np.zeros((m, 6, 3)), np.zeros((m, COUNT, 3))
    J_pose, J_lens, J_point, r = np.zeros((2, 6)), np.zeros((2, COUNT)), np.zeros((2, 3)), np.zeros(2)
    V, T, T_lens, lens_sum = (
        np.zeros((3, 3)),
        np.zeros((6, 3)),
        np.zeros((lenses, COUNT, 3)),
        np.zeros((lenses, COUNT, 3)),
    )
    touched = np.zeros(lenses, np.bool_)
    diagonal = np.zeros((len(position), 6))
    lens_diagonal = np.zeros((lenses, COUNT))
    for s in range(len(start) - 1):
        q = point[start[s]]
        V[:] = 0
        g = point_right[q]
        lens_sum[:] = 0
        touched[:] = False
        for k in range(start[s], start[s + 1]):
            i, c = image[k], lens_of[image[k]]
            ok = jacobian(
                rotation[i],
                position[i],
                points[q],
                lens[c],
                scale[c],
                free[c],
                xy[k],
                J_pose,
                J_lens,
                J_point,
                r,
            )
            if not ok:
                continue
            length = np.sqrt(r[0] * r[0] + r[1] * r[1]) / sigma[k]
            weight = (1.0 if length <= huber else huber / length) / (sigma[k] * sigma[k])
            column = 6 * rank[i]
            for a in range(6):
                right[column + a] += weight * (J_pose[0, a] * r[0] + J_pose[1, a] * r[1])
                for b in range(a, 6):
                    value = weight * (J_pose[0, a] * J_pose[0, b] + J_pose[1, a] * J_pose[1, b])
                    if a == b:
                        diagonal[i, a] += value
                    band[column + a, b - a] += value
                for b in range(COUNT):
                    border[column + a, COUNT * c + b] += weight * (
                        J_pose[0, a] * J_lens[0, b] + J_pose[1, a] * J_lens[1, b]
                    )
                for b in range(3):
                    W[k, a, b] = weight * (J_pose[0, a] * J_point[0, b] + J_pose[1, a] * J_point[1, b])
            for a in range(COUNT):
                right_lens[COUNT * c + a] += weight * (J_lens[0, a] * r[0] + J_lens[1, a] * r[1])
                for b in range(COUNT):
                    value = weight * (J_lens[0, a] * J_lens[0, b] + J_lens[1, a] * J_lens[1, b])
                    if a == b:
                        lens_diagonal[c, a] += value
                    corner[COUNT * c + a, COUNT * c + b] += value
                for b in range(3):
                    W_lens[k, a, b] = weight * (J_lens[0, a] * J_point[0, b] + J_lens[1, a] * J_point[1, b])
                    lens_sum[c, a, b] += W_lens[k, a, b]
            touched[c] = True
            for a in range(3):
                g[a] += weight * (J_point[0, a] * r[0] + J_point[1, a] * r[1])
                for b in range(3):
                    V[a, b] += weight * (J_point[0, a] * J_point[0, b] + J_point[1, a] * J_point[1, b])
        for a in range(3):
            V[a, a] = V[a, a] * grow + prior_weight[q, a]
            g[a] += prior_weight[q, a] * (prior[q, a] - points[q, a])
        _inverse3(V, inverse[q])
        U = inverse[q]
        for c in range(lenses):
            if not touched[c]:
                continue
            for a in range(COUNT):
                for b in range(3):
                    T_lens[c, a, b] = (
                        lens_sum[c, a, 0] * U[0, b] + lens_sum[c, a, 1] * U[1, b] + lens_sum[c, a, 2] * U[2, b]
                    )
                right_lens[COUNT * c + a] -= T_lens[c, a, 0] * g[0] + T_lens[c, a, 1] * g[1] + T_lens[c, a, 2] * g[2]
        for c in range(lenses):
            for e in range(lenses):
                if touched[c] and touched[e]:
                    for a in range(COUNT):
                        for b in range(COUNT):
                            corner[COUNT * c + a, COUNT * e + b] -= (
                                T_lens[c, a, 0] * lens_sum[e, b, 0]
                                + T_lens[c, a, 1] * lens_sum[e, b, 1]
                                + T_lens[c, a, 2] * lens_sum[e, b, 2]
                            )
        for k in range(start[s], start[s + 1]):
            row = rank[image[k]]
            for a in range(6):
                for b in range(3):
                    T[a, b] = W[k, a, 0] * U[0, b] + W[k, a, 1] * U[1, b] + W[k, a, 2] * U[2, b]
                right[6 * row + a] -= T[a, 0] * g[0] + T[a, 1] * g[1] + T[a, 2] * g[2]
                for c in range(lenses):
                    if touched[c]:
                        for b in range(COUNT):
                            border[6 * row + a, COUNT * c + b] -= (
                                T[a, 0] * lens_sum[c, b, 0] + T[a, 1] * lens_sum[c, b, 1] + T[a, 2] * lens_sum[c, b, 2]
                            )
            for l in range(start[s], start[s + 1]):
                column = rank[image[l]]
                if column > row:
                    continue
                offset = 6 * (row - column)
                for b in range(6):
                    for a in range(b if row == column else 0, 6):
                        band[6 * column + b, offset + a - b] -= (
                            T[a, 0] * W[l, b, 0] + T[a, 1] * W[l, b, 1] + T[a, 2] * W[l, b, 2]
                        )
    for i in range(len(position)):
        for a in range(6):
            band[6 * rank[i] + a, 0] += damping * diagonal[i, a] + 1e-12
    for c in range(lenses):
        for a in range(COUNT):
            corner[COUNT * c + a, COUNT * c + a] += damping * lens_diagonal[c, a]
    return inverse, point_right, W, W_lens


@numba.njit(cache=True, nogil=True)
def back_substitute(inverse, point_right, W, W_lens, start, image, point, lens_of, image_step, lens_step):  # type: ignore[no-untyped-def]
    """The points' steps (p, 3) that follow from those of the images (n, 6) and the lenses."""
    step = np.zeros((len(inverse), 3))
    g = np.zeros(3)
    for s in range(len(start) - 1):
        q = point[start[s]]
        g[:] = point_right[q]
        for k in range(start[s], start[s + 1]):
            turn, lens = image_step[image[k]], lens_step[lens_of[image[k]]]
            for b in range(3):
                for a in range(6):
                    g[b] -= W[k, a, b] * turn[a]
                for a in range(COUNT):
                    g[b] -= W_lens[k, a, b] * lens[a]
        for a in range(3):
            step[q, a] = inverse[q, a, 0] * g[0] + inverse[q, a, 1] * g[1] + inverse[q, a, 2] * g[2]
    return step
