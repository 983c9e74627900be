"""From first poses to adjusted ones: rounds of bundle adjustment, with new points, fewer outliers and more free each
time.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imagery.align.bundle import Observations, Priors, State, minimise, pixel_residuals
from imagery.align.projection import LENS
from imagery.align.similarity import level_similarity
from imagery.align.triangulate import ray_directions, triangulate
from imagery.core.camera import Camera

__all__ = ["Adjusted", "Known", "adjust", "lens_camera", "lens_vector"]

Array = NDArray[np.float64]

# Before calibration; fx (times the camera's own), cx, cy relative to fx. Photos of flat ground tell little of the lens: wider
# ones let it run away.
LENS_SIGMA = np.array([1.0, 0.005, 0.005, 0.05, 0.05, 0.002, 0.002, 0.0, 0.005])
FREE = (("fx", "k1"), ("fx", "k1", "k2", "aspect"), ("fx", "cx", "cy", "k1", "k2", "p1", "p2", "aspect"))
FLAT = 0.05  # how far ground may lie from a plane in the first round, relative to the height above it
MIN_ANGLE = np.radians(1.0)
FEW_TIES, MANY_TIES = 400, 1500  # per photo, in the first rounds and in the last
AXIS_LIMITS = np.radians([0.3, 10.0])
FLOOR = 0.07  # of the first guess: positions are never better than this without RTK
MIN_TIES = 15
GROUND_APART = 0.12  # of the height above ground: beyond it heights above take-off are those above other ground
GROUND_SIGMA_M, GROUND_SIGMA = (
    2.0,
    0.03,
)  # in metres and of the height: what a barometer and a take-off point are good for
CORRELATION = 6.0  # neighbouring ties err alike (rolling shutter, lens, wind): fewer count than there are


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the photos beside their pixels.

    Attributes: gnss: (n, 3) metres, NaN where unknown; gnss_sigma: (n, 3) metres, first guess; rtk: (n,) whether that
    guess is to be trusted; axis: (n, 3) direction of the optical axis; axis_sigma: (n,) radians, first guess;
    ground_m: height of the ground, roughly; focal_sigma: (lenses,) of the focal length, relative; stated_ground_m: mean
    height of the ground that the heights above take-off imply, or None.
    """

    gnss: Array
    gnss_sigma: Array
    rtk: NDArray[np.bool_]
    axis: Array
    axis_sigma: Array
    ground_m: float
    focal_sigma: Array
    stated_ground_m: float | None = None


@dataclass(frozen=True, slots=True)
class Adjusted:
    """The adjusted block.

    Attributes: state; cameras: adjusted lenses; keep: (m,) observations used; residual_px: (m,) length of their
    residuals; tied: (n,) photos with enough ties; gnss_sigma: (3,) measured standard deviation of the positions in
    metres, east, north, up.
    """

    state: State
    cameras: list[Camera]
    keep: NDArray[np.bool_]
    residual_px: Array
    tied: NDArray[np.bool_]
    gnss_sigma: Array


def lens_vector(camera: Camera) -> Array:
    """A camera's parameters in the order of LENS."""
    return np.array([*(getattr(camera, name) for name in LENS[:-1]), camera.fy / camera.fx], float)


def lens_camera(camera: Camera, lens: Array) -> Camera:
    """A camera with adjusted parameters."""
    values: dict[str, Any] = dict(zip(LENS, (float(value) for value in lens), strict=True))
    return replace(camera, fy=values["fx"] * values.pop("aspect"), **values)


def adjust(
    rotation: Array, position: Array, cameras: list[Camera], seen: Observations, known: Known, *, px: float = 1.0
) -> Adjusted:
    """Adjust a block from its first poses.

    `px` is the size of a pixel of the images that features were found on, in full-size pixels: the scale of their
    noise.
    """
    first = known
    lens = np.array([lens_vector(camera) for camera in cameras])
    count = int(seen.point.max(initial=-1)) + 1
    state = State(rotation, position, lens, np.zeros((count, 3)))
    chosen = _thinned(seen, len(position), count, FEW_TIES)
    state = _flat_round(state, cameras, _subset(seen, chosen), known, px)
    keep = chosen
    limit = 30.0 * px
    for names in FREE:
        present = [lens_camera(camera, row) for camera, row in zip(cameras, state.lens, strict=True)]
        state, keep = _reselect(state, seen, present, chosen, limit)
        noise = _noise_px(state, seen, keep, px)
        used = replace(_subset(seen, keep), sigma_px=np.full(int(keep.sum()), CORRELATION * noise))
        priors = _priors(state, keep, seen, cameras, known, names)
        state = _onto_gnss(minimise(state, used, priors, iterations=10, tolerance=1e-3), known)
        known = replace(known, gnss_sigma=_gnss_sigma(state, first), axis_sigma=_axis_sigma(state, first))
        limit = float(np.clip(4 * _noise_px(state, seen, keep, px), 1.5 * px, 30 * px))
    present = [lens_camera(camera, row) for camera, row in zip(cameras, state.lens, strict=True)]
    state, keep = _reselect(state, seen, present, _thinned(seen, len(position), count, MANY_TIES), limit)
    noise = _noise_px(state, seen, keep, px)
    used = replace(_subset(seen, keep), sigma_px=np.full(int(keep.sum()), CORRELATION * noise))
    priors = _priors(state, keep, seen, cameras, known, FREE[-1])
    state = minimise(state, used, priors, iterations=12, tolerance=1e-6)
    present = [lens_camera(camera, row) for camera, row in zip(cameras, state.lens, strict=True)]
    state, keep = _reselect(state, seen, present, np.ones(len(seen.image), bool), limit)
    residual = np.linalg.norm(pixel_residuals(state, seen), axis=1)
    tied = np.bincount(seen.image[keep], minlength=len(position)) >= MIN_TIES
    return Adjusted(state, present, keep, residual, tied, np.nanmedian(known.gnss_sigma, axis=0))


def _subset(seen: Observations, keep: NDArray[np.bool_]) -> Observations:
    return replace(seen, image=seen.image[keep], point=seen.point[keep], xy=seen.xy[keep], sigma_px=seen.sigma_px[keep])


def _thinned(seen: Observations, images: int, points: int, enough: int) -> NDArray[np.bool_]:
    """Observations of enough points to hold every photo: long tracks first, until each photo has `enough`."""
    length = np.bincount(seen.point, minlength=points)
    start = np.concatenate([[0], np.cumsum(length)])
    have = np.zeros(images, np.int64)
    chosen = np.zeros(points, bool)
    # Among tracks of one length the order is scattered, so that a photo's ties spread over it.
    scattered = np.random.default_rng(0).permutation(points)
    for q in scattered[np.argsort(-np.minimum(length[scattered], 6), kind="stable")]:
        where = seen.image[start[q] : start[q + 1]]
        if len(where) >= 2 and (have[where] < enough).any():
            chosen[q] = True
            have[where] += 1
    return chosen[seen.point]


def _flat_round(state: State, cameras: list[Camera], seen: Observations, known: Known, px: float) -> State:
    """Poses on nearly flat ground: finds the tilts that the first poses lack, with the lens held."""
    rays = ray_directions(state, seen, cameras)
    down = np.minimum(rays[:, 2], -0.2)
    reach = (state.position[seen.image, 2] - known.ground_m) / -down
    hit = state.position[seen.image] + rays * reach[:, None]
    count = np.maximum(np.bincount(seen.point, minlength=len(state.points)), 1)
    points = np.column_stack(
        [np.bincount(seen.point, hit[:, axis], minlength=len(state.points)) / count for axis in range(3)]
    )
    height = float(np.median(state.position[:, 2]) - known.ground_m)
    # Together the points weigh as much as the photos do: more would shrink the block, since a small one is flatter.
    flat_m = FLAT * height * np.sqrt(max(1.0, len(np.unique(seen.point)) / len(state.position)))
    flat = np.column_stack([np.full((len(points), 2), np.inf), np.full(len(points), flat_m)])
    priors = _priors(state, np.zeros(len(seen.image), bool), seen, cameras, known, ())
    points[:, 2] = known.ground_m
    priors = replace(priors, points=points.copy(), points_sigma=flat)
    used = replace(seen, sigma_px=np.full(len(seen.image), 2 * px))
    return _onto_gnss(minimise(replace(state, points=points), used, priors, iterations=20, tolerance=1e-2), known)


def _onto_gnss(state: State, known: Known) -> State:
    """The block moved, turned and scaled onto the GNSS positions: what the pixels leave open needs no iterations to find.

    Its tilt stays, since the positions of a single line, or noisy heights, say less of the vertical than the cameras do.
    """
    fixed = np.isfinite(known.gnss).all(axis=1)
    if fixed.sum() < 4:
        return state
    weight = 1 / known.gnss_sigma[fixed].mean(axis=1) ** 2
    move = level_similarity(state.position[fixed], known.gnss[fixed], weight)
    return replace(
        state,
        rotation=state.rotation @ move.rotation.T,
        position=move.apply(state.position),
        points=move.apply(state.points),
    )


def _reselect(
    state: State, seen: Observations, cameras: list[Camera], allowed: NDArray[np.bool_], limit_px: float
) -> tuple[State, NDArray[np.bool_]]:
    """New points from all allowed observations, without those off by more than `limit_px` or meeting at too small an
    angle.
    """
    rays = ray_directions(state, seen, cameras)
    keep = allowed.copy()
    for _ in range(3):
        points, angle = triangulate(state, seen, rays, keep)
        state = replace(state, points=points)
        residual = np.linalg.norm(pixel_residuals(state, seen), axis=1)
        # The worst of a point goes first, since it may have spoilt the others.
        worst = np.zeros(len(points))
        np.maximum.at(worst, seen.point[keep], np.nan_to_num(residual[keep], nan=1e9))
        bad = ~(residual <= limit_px)
        keep &= ~(bad & ((residual >= 0.8 * worst[seen.point]) | np.isnan(residual)))
    points, angle = triangulate(state, seen, rays, keep)
    state = replace(state, points=points)
    residual = np.linalg.norm(pixel_residuals(state, seen), axis=1)
    keep &= (residual <= limit_px) & (angle[seen.point] >= MIN_ANGLE)
    keep &= np.bincount(seen.point[keep], minlength=len(points))[seen.point] >= 2
    return replace(state, points=np.nan_to_num(points)), keep


def _noise_px(state: State, seen: Observations, keep: NDArray[np.bool_], px: float) -> float:
    """Standard deviation of one coordinate of a pixel residual, from the median length (Rayleigh)."""
    residual = np.linalg.norm(pixel_residuals(state, seen)[keep], axis=1)
    return float(np.clip(np.median(residual) / 1.1774 if len(residual) else px, 0.1 * px, 10 * px))


def _gnss_sigma(state: State, known: Known) -> Array:
    """Standard deviations of the positions as the adjustment finds them: one across and one up for all photos but
    those with RTK.

    They are measured after a similarity between adjusted and GNSS positions. Otherwise a block that shrinks would
    call the positions worse, which would let it shrink further.
    """
    sigma = known.gnss_sigma.copy()
    free = ~known.rtk & np.isfinite(known.gnss).all(axis=1)
    if free.sum() < 4:
        return sigma
    off = level_similarity(state.position[free], known.gnss[free]).apply(state.position[free]) - known.gnss[free]
    for axes in ([0, 1], [2]):
        measured = 1.4826 * np.median(np.abs(off[:, axes] - np.median(off[:, axes], axis=0)))
        guess = known.gnss_sigma[free][:, axes]
        sigma[np.flatnonzero(free)[:, None], axes] = np.clip(measured, FLOOR * guess, 10 * guess)
    return sigma


def _axis_sigma(state: State, known: Known) -> Array:
    """Standard deviations of the stated directions as the adjustment finds them: one for photos with a gimbal's word, one for
    those without.

    A guess that is too small draws the tilts together, and the focal length grows to make up for it.
    """
    across = np.einsum("nij,nj->ni", state.rotation, known.axis)[:, :2]
    sigma = known.axis_sigma.copy()
    for guess in np.unique(known.axis_sigma):
        alike = known.axis_sigma == guess
        if alike.sum() >= 4:
            # The larger of pitch and roll: a gimbal may err in one of them only.
            sigma[alike] = np.clip(1.4826 * np.median(np.abs(across[alike]), axis=0).max(), *AXIS_LIMITS)
    return sigma


def _priors(
    state: State,
    keep: NDArray[np.bool_],
    seen: Observations,
    cameras: list[Camera],
    known: Known,
    free: tuple[str, ...],
) -> Priors:
    lens = np.array([lens_vector(camera) for camera in cameras])
    unit = np.column_stack(
        [lens[:, 0] * known.focal_sigma, lens[:, 0], lens[:, 0], np.ones((len(lens), len(LENS) - 3))]
    )
    unknown = np.isnan(known.gnss)
    points, points_sigma = _ground_prior(state, np.unique(seen.point[keep]), known)
    return Priors(
        position=np.where(unknown, 0, known.gnss),
        position_sigma=np.where(unknown, np.inf, known.gnss_sigma),
        axis=known.axis,
        axis_sigma=known.axis_sigma,
        lens=lens,
        lens_sigma=LENS_SIGMA * unit * np.array([name in free for name in LENS]),
        points=points,
        points_sigma=points_sigma,
    )


def _ground_prior(state: State, used: NDArray[np.int32], known: Known) -> tuple[Array, Array]:
    """Heights of the points, moved together so that their mean is the stated ground's, and how far that is to be trusted.

    Nadir photos of flat ground cannot tell a long focal length from a low flight. Every point is held so loosely that only their
    mean counts. The take-off point may lie above or below the surveyed ground by as much as that has relief; a statement that is
    too far from what the pixels say is of other ground.
    """
    points, sigma = state.points.copy(), np.full_like(state.points, np.inf)
    if known.stated_ground_m is None or len(used) == 0:
        return points, sigma
    ground = float(np.median(state.points[used, 2]))
    height = float(np.median(state.position[:, 2])) - ground
    if abs(known.stated_ground_m - ground) < GROUND_APART * height:
        relief = 1.4826 * float(np.median(np.abs(state.points[used, 2] - ground)))
        sigma[used, 2] = max(GROUND_SIGMA_M, GROUND_SIGMA * height, relief) * np.sqrt(len(used))
        points[used, 2] += known.stated_ground_m - ground
    return points, sigma
