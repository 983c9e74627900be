"""The alignment of a set of photos: from features and matches to a Reconstruction, with what was dropped and how well
it fits.
"""

from dataclasses import dataclass, replace

import numpy as np
import pyproj
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from imagery.align.adjust import Adjusted, Known, adjust
from imagery.align.bundle import Observations
from imagery.align.reconstruction import Pose, Reconstruction
from imagery.align.shots import Dropped, Shots
from imagery.align.start import Block, solve_block
from imagery.align.tracks import Tracks, join
from imagery.core.camera import catalogue
from imagery.core.errors import NotEnoughDataError
from imagery.core.frame import utm_crs

__all__ = ["AlignResult", "align"]

Array = NDArray[np.float64]

MIN_PHOTOS = 3
FIRST_HEIGHT_M = 60.0
GNSS_GUESS_M = (1.5, 30.0)
AXIS_SIGMA = np.radians([8.0, 1.0])  # of the direction straight down: without and with a gimbal's word

FOCAL_SIGMA = np.array([0.03, 0.01])  # relative: from EXIF, and from the catalogue


@dataclass(frozen=True, slots=True)
class AlignResult:
    """An aligned set of photos.

    Attributes: reconstruction; dropped: photos left out, with reasons; reprojection_median_px: median residual of the
    ties, full-size pixels; ties_kept: share of the matched observations that the adjustment kept; gnss_residual_m:
    (3,) root mean square of adjusted minus GNSS positions, east, north, up; gsd_m: median ground sampling distance;
    residual_px, ties: per tied photo, by name; warnings.
    """

    reconstruction: Reconstruction
    dropped: list[Dropped]
    reprojection_median_px: float
    ties_kept: float
    gnss_residual_m: Array
    gsd_m: float
    residual_px: dict[str, float]
    ties: dict[str, int]
    gnss_offset_m: dict[str, list[float]]
    warnings: list[str]


def align(
    shots: Shots,
    feature_xy: list[NDArray[np.float32]],
    pairs: NDArray[np.int32],
    matches: list[NDArray[np.int32]],
    *,
    feature_px: float,
    crs: pyproj.CRS | None = None,
) -> AlignResult:
    """Align photos.

    `feature_xy`: per photo (n, 2) full-size pixels; `pairs` (m, 2) with `matches` per pair; `feature_px`: full-size
    pixels per pixel of the images that features were found on; `crs`: of the products, by default the UTM zone.
    Raises NotEnoughDataError when hardly any photos tie together.
    """
    plane = [_plane(shots, i, xy) for i, xy in enumerate(feature_xy)]
    block = _block(shots, plane, pairs, matches)
    group, dropped = _largest_group(shots, pairs, block)
    shots, block, feature_xy, pairs, matches = _selected(group, shots, block, feature_xy, pairs, matches)
    tracks = join([len(xy) for xy in feature_xy], pairs, matches)
    known, warnings = _known(shots, block)
    seen = _observations(shots, tracks, feature_xy)
    rotation = np.array([shots.level[i] @ _yaw(block.yaw_deg[i]) for i in range(len(shots.names))])
    position = np.column_stack([block.east_north_m, known.ground_m + block.height_m])
    adjusted = adjust(rotation, position, shots.cameras, seen, known, px=feature_px)
    if adjusted.tied.sum() < MIN_PHOTOS:
        raise NotEnoughDataError("the photos could not be tied together: too few points agree between them")
    dropped += [
        Dropped(name, "too few points agree with its neighbours")
        for name, tied in zip(shots.names, adjusted.tied, strict=True)
        if not tied
    ]
    return _result(shots, seen, known, adjusted, dropped, warnings, crs)


def _yaw(degrees: float) -> Array:
    """The turn that takes world directions to those seen by a camera of yaw 0: clockwise from north."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


def _plane(shots: Shots, image: int, xy: NDArray[np.float32]) -> Array:
    """Features on the unit plane below a camera of yaw 0 with the gimbal's pitch and roll: x to the right, y to the
    top.
    """
    world = shots.cameras[shots.lens[image]].rays(xy) @ shots.level[image]
    return world[:, :2] / np.maximum(-world[:, 2:], 0.1)


def _block(shots: Shots, plane: list[Array], pairs: NDArray[np.int32], matches: list[NDArray[np.int32]]) -> Block:
    height = shots.height_rel_m[shots.height_rel_m > 5]
    first = float(np.median(height)) if len(height) else FIRST_HEIGHT_M
    has = np.isfinite(shots.gnss_m[:, 0])
    weight = np.where(has, 1.0, 1e-4)
    block = solve_block(plane, pairs, matches, shots.near_m, weight, 3.0, first)
    if len(height):
        return block
    return solve_block(plane, pairs, matches, shots.near_m, weight, 3.0, float(np.median(block.height_m)))


def _largest_group(shots: Shots, pairs: NDArray[np.int32], block: Block) -> tuple[NDArray[np.intp], list[Dropped]]:
    """The largest set of photos that hang together, and why each other photo is dropped."""
    n = len(shots.names)
    good = np.isfinite(block.pair_residual)
    i, j = pairs[good].T if good.any() else np.zeros((2, 0), int)
    label = connected_components(coo_array((np.ones(len(i)), (i, j)), shape=(n, n)), directed=False)[1]
    size = np.bincount(label)
    largest = int(np.argmax(size))
    if size[largest] < MIN_PHOTOS:
        raise NotEnoughDataError(
            f"no {MIN_PHOTOS} of the {n} photos show the same ground: they need to overlap by "
            "60 % or more, and to be sharp"
        )
    dropped = [
        Dropped(
            shots.names[k],
            "no match with any other photo: it is blurred, shows water or another place, or does not overlap"
            if size[label[k]] == 1
            else f"ties with {size[label[k]] - 1} other photos only, apart from the main block: stitch it separately",
        )
        for k in np.flatnonzero(label != largest)
    ]
    return np.flatnonzero(label == largest), dropped


def _selected(
    group: NDArray[np.intp],
    shots: Shots,
    block: Block,
    feature_xy: list[NDArray[np.float32]],
    pairs: NDArray[np.int32],
    matches: list[NDArray[np.int32]],
) -> tuple[Shots, Block, list[NDArray[np.float32]], NDArray[np.int32], list[NDArray[np.int32]]]:
    """Everything restricted to a group of photos, and to pairs whose matches fit the block."""
    new = np.full(len(shots.names), -1)
    new[group] = np.arange(len(group))
    fits = np.nan_to_num(block.pair_residual, nan=np.inf) < 0.15
    kept = np.flatnonzero(fits & (new[pairs] >= 0).all(axis=1))
    shots = replace(
        shots,
        names=[shots.names[k] for k in group],
        photos=[shots.photos[k] for k in group],
        lens=shots.lens[group],
        near_m=shots.near_m[group],
        gnss_m=shots.gnss_m[group],
        gnss_sigma_m=shots.gnss_sigma_m[group],
        rtk=shots.rtk[group],
        height_rel_m=shots.height_rel_m[group],
        level=shots.level[group],
        gimbal=shots.gimbal[group],
    )
    block = Block(block.east_north_m[group], block.height_m[group], block.yaw_deg[group], block.pair_residual[kept])
    return (
        shots,
        block,
        [feature_xy[k] for k in group],
        new[pairs[kept]].astype(np.int32),
        [matches[k] for k in kept],
    )


def _known(shots: Shots, block: Block) -> tuple[Known, list[str]]:
    """What holds the block: positions with a first guess of their noise, the vertical, and the ground's height."""
    warnings: list[str] = []
    gnss, sigma = shots.gnss_m.copy(), shots.gnss_sigma_m.copy()
    height = float(np.median(block.height_m))
    off = np.hypot(*(block.east_north_m - shots.near_m).T)
    across = float(np.clip(np.median(off), GNSS_GUESS_M[0], GNSS_GUESS_M[1]))
    sigma[~shots.rtk, :2] = across
    ground_each = gnss[:, 2] - block.height_m
    ground = float(np.nanmedian(ground_each)) if np.isfinite(ground_each).any() else 0.0
    if np.isnan(ground_each).all():
        warnings.append("the photos state no height: heights are above the ground below the first photos")
        gnss[:, 2] = block.height_m
        sigma[:, 2] = 0.3 * height
    elif not shots.rtk.any():
        wild = _scatter(shots.near_m, ground_each)
        if wild > max(5.0, 0.15 * height):
            warnings.append(
                f"the photos' heights scatter by {wild:.0f} m: only their mean is used, so heights may be "
                "off by as much"
            )
            gnss[:, 2] = ground + block.height_m
            sigma[:, 2] = 0.3 * height
    axis = np.einsum("nji,j->ni", shots.level, [0, 0, 1.0])
    turned = np.array([_yaw(yaw).T @ a for yaw, a in zip(block.yaw_deg, axis, strict=True)])
    catalogued = np.array([camera.id.startswith(tuple(catalogue())) for camera in shots.cameras])
    return Known(
        gnss=gnss,
        gnss_sigma=sigma,
        rtk=shots.rtk,
        axis=turned,
        axis_sigma=AXIS_SIGMA[shots.gimbal.astype(int)],
        ground_m=ground,
        focal_sigma=FOCAL_SIGMA[catalogued.astype(int)],
        stated_ground_m=_stated_ground(shots, gnss[:, 2]),
    ), warnings


def _stated_ground(shots: Shots, height_amsl_m: Array) -> float | None:
    """Height of the take-off point, which is that of the ground unless the survey lies elsewhere; None where not stated."""
    each = height_amsl_m - shots.height_rel_m
    return float(np.nanmedian(each)) if np.isfinite(each).mean() > 0.5 else None


def _scatter(near_m: Array, ground: Array) -> float:
    """Standard deviation of heights around a curved surface: terrain follows one, a drifting altimeter does not."""
    good = np.isfinite(ground)
    if good.sum() < 12:
        return float(np.std(ground[good] - np.median(ground[good])))
    x, y = (near_m[good] / max(1.0, float(np.abs(near_m).max()))).T
    design = np.column_stack([np.ones_like(x), x, y, x * x, x * y, y * y])
    fitted = design @ np.linalg.lstsq(design, ground[good], rcond=None)[0]
    return float(np.std(ground[good] - fitted))


def _observations(shots: Shots, tracks: Tracks, feature_xy: list[NDArray[np.float32]]) -> Observations:
    first = np.concatenate([[0], np.cumsum([len(xy) for xy in feature_xy])])
    xy = np.concatenate(feature_xy)[first[tracks.image] + tracks.feature].astype(float)
    return Observations(tracks.image, tracks.point, xy, np.ones(len(xy)), shots.lens)


def _result(
    shots: Shots,
    seen: Observations,
    known: Known,
    adjusted: Adjusted,
    dropped: list[Dropped],
    warnings: list[str],
    crs: pyproj.CRS | None,
) -> AlignResult:
    state, keep = adjusted.state, adjusted.keep & adjusted.tied[seen.image]
    keep &= np.bincount(seen.point[keep], minlength=len(state.points))[seen.point] >= 2
    index = np.full(len(shots.names), -1, np.int32)
    tied = np.flatnonzero(adjusted.tied)
    index[tied] = np.arange(len(tied))
    used, number = np.unique(seen.point[keep], return_inverse=True)
    reconstruction = Reconstruction(
        frame=shots.frame,
        crs=crs or utm_crs(shots.frame.lon_deg, shots.frame.lat_deg),
        vertical_datum=_vertical_datum(shots, known),
        cameras={camera.id: camera for camera in adjusted.cameras},
        images={
            shots.names[k]: Pose(adjusted.cameras[shots.lens[k]].id, state.position[k], state.rotation[k]) for k in tied
        },
        points=state.points[used],
        observation_image=index[seen.image[keep]],
        observation_point=number.astype(np.int32),
        observation_xy=seen.xy[keep].astype(np.float32),
    )
    off = state.position[tied] - shots.gnss_m[tied]
    below = float(np.median(state.points[used, 2]))
    focal = np.array([adjusted.cameras[shots.lens[k]].fx for k in tied])
    return AlignResult(
        reconstruction=reconstruction,
        dropped=dropped,
        reprojection_median_px=float(np.median(adjusted.residual_px[keep])),
        ties_kept=float(keep.mean()),
        gnss_residual_m=np.sqrt(np.nanmean(off**2, axis=0)) if np.isfinite(off).any() else np.full(3, np.nan),
        gsd_m=float(np.median((state.position[tied, 2] - below) / focal)),
        residual_px={shots.names[k]: float(np.median(adjusted.residual_px[keep & (seen.image == k)])) for k in tied},
        ties={shots.names[k]: int((keep & (seen.image == k)).sum()) for k in tied},
        gnss_offset_m={shots.names[k]: [float(v) for v in off[index[k]]] for k in tied},
        warnings=warnings,
    )


def _vertical_datum(shots: Shots, known: Known) -> str:
    if np.isnan(shots.gnss_m[:, 2]).all():
        return "ground below the photos (the photos state no height)"
    if shots.rtk.any():
        return "mean sea level (EGM96), from RTK heights above the ellipsoid"
    return "mean sea level (EGM96), as the photos' GNSS gives it"
