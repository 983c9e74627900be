"""What the photos say of themselves, gathered for the alignment: cameras, positions in the local frame, heights,
attitudes.
"""

from dataclasses import dataclass, replace
from datetime import UTC

import numpy as np
from numpy.typing import NDArray

from imagery.core.camera import Camera, rotation_from_gimbal
from imagery.core.errors import NotEnoughDataError
from imagery.core.frame import LocalFrame
from imagery.core.photo import Photo, camera_of

__all__ = ["Dropped", "Shots", "gather"]

Array = NDArray[np.float64]

FAR_M = 20_000.0
FLIGHT_GAP_S = 600.0
GNSS_SIGMA_M = (3.0, 3.0, 4.0)
RTK_SIGMA_M = (0.03, 0.03, 0.05)
HORIZON_PITCH_DEG = -35.0


@dataclass(frozen=True, slots=True)
class Dropped:
    """A photo that is not used, and why."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class Shots:
    """The usable photos of a job.

    Attributes: names: paths relative to the photos' folder; photos; frame: the local frame; lens: (n,) index into
    cameras; cameras; near_m: (n, 2) east, north, for photos without position that of their neighbours in time;
    gnss_m: (n, 3) east, north, up, NaN where unknown; gnss_sigma_m: (n, 3); rtk: (n,); height_rel_m: (n,) above the
    take-off point or NaN; level: (n, 3, 3) world-to-camera for yaw 0; gimbal: (n,) whether the photo states its
    pitch.
    """

    names: list[str]
    photos: list[Photo]
    frame: LocalFrame
    lens: NDArray[np.int32]
    cameras: list[Camera]
    near_m: Array
    gnss_m: Array
    gnss_sigma_m: Array
    rtk: NDArray[np.bool_]
    height_rel_m: Array
    level: Array
    gimbal: NDArray[np.bool_]


def gather(named: dict[str, Photo]) -> tuple[Shots, list[Dropped]]:
    """Gather photos by name; photos that cannot belong to the survey are dropped with a reason.

    Raises NotEnoughDataError when fewer than three of them have a position.
    """
    named, dropped = _usable(named)
    placed = [photo for photo in named.values() if photo.has_position]
    if len(placed) < 3:
        few = "none of the photos has" if not placed else f"only {len(placed)} of {len(named)} photos have"
        raise NotEnoughDataError(
            f"{few} a GPS position (3 are the least): "
            "write positions into the photos' EXIF first, from the flight's photo log"
        )
    lon, lat = np.array([photo.lon for photo in placed], float), np.array([photo.lat for photo in placed], float)
    frame = LocalFrame.around(lon, lat)
    names, photos = list(named), list(named.values())
    cameras, lens = _lenses(photos)
    gnss, rtk, sigma = _positions(photos, frame)
    shots = Shots(
        names=names,
        photos=photos,
        frame=frame,
        lens=lens,
        cameras=cameras,
        near_m=_between(photos, gnss[:, :2]),
        gnss_m=gnss,
        gnss_sigma_m=sigma,
        rtk=rtk,
        height_rel_m=np.array([np.nan if p.alt_rel_m is None else p.alt_rel_m for p in photos], float),
        level=np.array([rotation_from_gimbal(0, _pitch(p), _roll(p)) for p in photos]),
        gimbal=np.array([p.gimbal_pitch_deg is not None for p in photos]),
    )
    return shots, dropped


def _pitch(photo: Photo) -> float:
    return -90.0 if photo.gimbal_pitch_deg is None else photo.gimbal_pitch_deg


def _roll(photo: Photo) -> float:
    # DJI writes a roll of 180 beside a yaw turned by 180 degrees: the same attitude as neither.
    roll = photo.gimbal_roll_deg or 0.0
    return 0.0 if abs(roll) > 90 else roll


def _usable(named: dict[str, Photo]) -> tuple[dict[str, Photo], list[Dropped]]:
    dropped = []
    usable: dict[str, Photo] = {}
    placed = [(photo.lon, photo.lat) for photo in named.values() if photo.has_position]
    centre = np.median(np.array(placed, float).reshape(-1, 2), axis=0) if placed else np.zeros(2)
    frame = LocalFrame(float(centre[0]), float(centre[1])) if placed else None
    for name, photo in named.items():
        if _pitch(photo) > HORIZON_PITCH_DEG:
            dropped.append(Dropped(name, f"looks at the horizon (gimbal pitch {_pitch(photo):.0f} degrees)"))
            continue
        if frame is not None and photo.has_position:
            away = float(np.hypot(*frame.to_local(photo.lon, photo.lat)))  # type: ignore[arg-type]
            if away > FAR_M:
                dropped.append(Dropped(name, f"taken {away / 1000:.0f} km away from the other photos"))
                continue
        usable[name] = photo
    return usable, dropped


def _lenses(photos: list[Photo]) -> tuple[list[Camera], NDArray[np.int32]]:
    cameras: dict[str, Camera] = {}
    lens = []
    for photo in photos:
        camera = camera_of(photo)
        # Pixels are square; a data sheet's rounded sensor size would make them seem otherwise.
        camera = replace(camera, fy=camera.fx)
        cameras.setdefault(camera.id, camera)
        lens.append(list(cameras).index(camera.id))
    return list(cameras.values()), np.array(lens, np.int32)


def _positions(photos: list[Photo], frame: LocalFrame) -> tuple[Array, NDArray[np.bool_], Array]:
    """Positions, whether they are RTK-fixed, and standard deviations.

    Heights are those above take-off, which are steadier, shifted flight by flight to the mean of those above sea
    level.
    """
    n = len(photos)
    gnss, sigma = np.full((n, 3), np.nan), np.tile(GNSS_SIGMA_M, (n, 1))
    rtk = np.array([photo.rtk_flag == 50 for photo in photos])
    for i, photo in enumerate(photos):
        if photo.has_position:
            gnss[i, :2] = np.ravel(frame.to_local(photo.lon, photo.lat))  # type: ignore[arg-type]
            gnss[i, 2] = np.nan if photo.alt_amsl_m is None else photo.alt_amsl_m
        if rtk[i]:
            sigma[i] = np.maximum(photo.rtk_std_m or RTK_SIGMA_M, RTK_SIGMA_M)
    relative = np.array([np.nan if photo.alt_rel_m is None else photo.alt_rel_m for photo in photos], float)
    for flight in _flights(photos):
        flight = flight[~rtk[flight]]
        offset = gnss[flight, 2] - relative[flight]
        if np.isfinite(relative[flight]).all() and np.isfinite(offset).any():
            gnss[flight, 2] = relative[flight] + _steady_mean(offset[np.isfinite(offset)])
    return gnss, rtk, sigma


def _steady_mean(values: Array) -> float:
    """Mean of the values that are not far off most others: steadier than the median where no value is wrong."""
    off = np.abs(values - np.median(values))
    return float(values[off <= 3 * 1.4826 * np.median(off) + 1e-9].mean())


def _stamps(photos: list[Photo]) -> Array:
    """Seconds by the cameras' clocks, NaN where a photo has no time."""
    return np.array([p.time.replace(tzinfo=UTC).timestamp() if p.time else np.nan for p in photos], float)


def _flights(photos: list[Photo]) -> list[NDArray[np.intp]]:
    """Indices of the photos of each flight: with a pause of ten minutes, or another drone, begins another."""
    stamp = _stamps(photos)
    if np.isnan(stamp).any():
        return [np.arange(len(photos))]
    body = np.unique([f"{photo.make} {photo.model}" for photo in photos], return_inverse=True)[1]
    order = np.lexsort((stamp, body))
    breaks = (np.diff(stamp[order]) > FLIGHT_GAP_S) | (np.diff(body[order]) != 0)
    return np.split(order, np.flatnonzero(breaks) + 1)


def _between(photos: list[Photo], gnss: Array) -> Array:
    """Positions with the gaps filled from the neighbours in time (or in order where a photo has no time)."""
    has = np.asarray(np.isfinite(gnss).all(axis=1))
    if has.all():
        return gnss
    stamp = _stamps(photos)
    when = np.arange(len(photos), dtype=float) if np.isnan(stamp).any() else stamp
    order = np.argsort(when[has], kind="stable")
    filled = [np.interp(when, when[has][order], gnss[has, axis][order]) for axis in (0, 1)]
    return np.where(has[:, None], gnss, np.column_stack(filled))
