"""What was really photographed: photos' own records or a photo log, as poses in the frame of a plan."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from imagery.core.camera import Camera
from imagery.core.errors import BadInputError, NotEnoughDataError
from imagery.core.progress import SILENT, Progress
from planner.app.planned import PlannedSurvey
from planner.coverage.shots import Shots

__all__ = ["Taken", "pose", "read_taken"]

SAME_LENS = 0.1  # relative difference of the field of view
ON_PLAN = 0.15  # of a photo's width: so near to a planned photo its course is taken for granted
LOG_SUFFIXES = (".csv", ".txt")


@dataclass(frozen=True, slots=True)
class Taken:
    """Photos as their sources tell of them, in the order in which they were taken; NaN where a source says nothing.

    Attributes: lon, lat; rel_m, amsl_m: height above home and above sea level; gimbal_deg: n x 3, the camera's yaw, pitch and
    roll; body_deg: n x 3, the aircraft's; camera: that took them; left_out: why photos were left out, with how many.
    """

    lon: NDArray[np.float64]
    lat: NDArray[np.float64]
    rel_m: NDArray[np.float64]
    amsl_m: NDArray[np.float64]
    gimbal_deg: NDArray[np.float64]
    body_deg: NDArray[np.float64]
    camera: Camera
    left_out: dict[str, int]

    def __len__(self) -> int:
        return len(self.lon)


Row = tuple[float | None, ...]


def read_taken(sources: list[Path], camera: Camera, progress: Progress = SILENT) -> Taken:
    """Every photo with a position in folders of photos and in photo logs (.csv).

    Left out, and counted: files that are cut off or no image, photos without a position, and those of another lens than the
    plan's camera (a thermal or a zoom camera beside it). Raises NotEnoughDataError where none is left.
    """
    rows: list[Row] = []
    left_out: list[str] = []
    used = camera
    for source in sources:
        if source.suffix.lower() in LOG_SUFFIXES:
            rows += _log_rows(source)
            continue
        found, why, lens = _photo_rows(source, camera, progress)
        rows, left_out, used = rows + found, left_out + why, lens or used
    counted = {reason: left_out.count(reason) for reason in dict.fromkeys(left_out)}
    if not rows:
        reasons = "; ".join(f"{count} {reason}" for reason, count in counted.items()) or "the photo log is empty"
        raise NotEnoughDataError(f"{', '.join(map(str, sources))}: no photo tells where it was taken: {reasons}")
    table = np.array([[np.nan if value is None else value for value in row] for row in rows], float)
    lon, lat, rel_m, amsl_m = table[:, :4].T
    return Taken(lon, lat, rel_m, amsl_m, table[:, 4:7], table[:, 7:], used, counted)


def _log_rows(path: Path) -> list[Row]:
    from imagery.core.photolog import read_photo_log

    records = read_photo_log(path)
    return [
        (r.lon, r.lat, r.alt_rel_m, r.alt_amsl_m, None, None, None, r.yaw_deg, r.pitch_deg, r.roll_deg) for r in records
    ]


def _photo_rows(folder: Path, camera: Camera, progress: Progress) -> tuple[list[Row], list[str], Camera | None]:
    """Rows of a folder's photos, why others were left out, and the first photo's own camera where its lens is known."""
    from imagery.core.photo import camera_of, list_photos, read_photo

    paths = list_photos(folder)
    rows: list[Row] = []
    left_out, lens = [], None
    with progress.stage("reading photos' heads", len(paths), "photos") as advance:
        for path in paths:
            advance(1)
            try:
                photo = read_photo(path)
            except BadInputError:
                left_out.append("cannot be read")
                continue
            own = camera_of(photo)
            if not photo.has_position:
                left_out.append("without a position")
            elif not _same_lens(own, camera):
                left_out.append("taken with another lens")
            else:
                lens = lens or (None if own.source.startswith("guess") else own)
                gimbal = (photo.gimbal_yaw_deg, photo.gimbal_pitch_deg, photo.gimbal_roll_deg)
                body = (photo.flight_yaw_deg, photo.flight_pitch_deg, photo.flight_roll_deg)
                rows.append((photo.lon, photo.lat, photo.alt_rel_m, photo.alt_amsl_m, *gimbal, *body))
    return rows, left_out, lens


def _same_lens(used: Camera, planned: Camera) -> bool:
    """Whether two cameras see about as far to the sides; photos of a lens that nobody knows are trusted."""
    ratio = used.width_px / used.fx * planned.fx / planned.width_px
    return abs(ratio - 1) <= SAME_LENS or used.source.startswith("guess")


def pose(taken: Taken, planned: PlannedSurvey, *, fixed_mount: bool = False) -> Shots:
    """Where the photos were taken and which way they look, in metres above home in the frame of a plan.

    The gimbal's angles where they are known; else straight down (with `fixed_mount`, a camera without gimbal: as the aircraft
    leaned), with the aircraft's yaw, or the course of the plan's nearest photo, or, far from it, that between neighbours. Heights
    above home as the photos tell them; else those above sea level, less their median difference from the plan, since receivers
    without correction are off by tens of metres as a whole; else the plan's.
    """
    east, north = planned.site.frame.to_local(taken.lon, taken.lat)
    flat = np.column_stack([east, north])
    distance, nearest = cKDTree(planned.shots.places[:, :2]).query(flat)
    planned_rel = planned.shots.places[nearest, 2]
    home_amsl_m = np.nan_to_num(planned.home_amsl_m)
    off = taken.amsl_m - home_amsl_m - planned_rel
    near = distance < max(planned.spec.footprint_m)
    if not near.any():
        raise BadInputError(
            f"the photo nearest to a planned one is {distance.min():.0f} m from it: are these the photos of this plan?"
        )
    by_sea_level = planned_rel + off - (np.nanmedian(off[near]) if np.isfinite(off[near]).any() else 0.0)
    height = _first_known(taken.rel_m + planned.home_rise_m[nearest], by_sea_level, planned_rel)
    course = np.where(distance <= ON_PLAN * planned.spec.footprint_m[0], planned.course_deg[nearest], _courses(flat))
    places = np.column_stack([flat, height])
    body_yaw = _first_known(taken.body_deg[:, 0], course)
    gimbal = np.column_stack([_first_known(taken.gimbal_deg[:, 0], body_yaw), taken.gimbal_deg[:, 1:]])
    shots = Shots.of_gimbal(places, gimbal[:, 0], np.nan_to_num(gimbal[:, 1], nan=-90.0), np.nan_to_num(gimbal[:, 2]))
    if not fixed_mount:
        return shots
    leaning = Shots.of_aircraft(places, body_yaw, *np.nan_to_num(taken.body_deg[:, 1:]).T)
    steady = np.isfinite(taken.gimbal_deg[:, 1])[:, None, None]
    return Shots(places, np.where(steady, shots.rotations, leaning.rotations))


def _first_known(*columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """The first value of each row that is known."""
    value = columns[0]
    for column in columns[1:]:
        value = np.where(np.isfinite(value), value, column)
    return value


def _courses(flat: NDArray[np.float64]) -> NDArray[np.float64]:
    """The course at each of some places in order, in degrees: that to the nearer neighbour, which lies on the same line."""
    if len(flat) < 2:
        return np.zeros(len(flat))
    step = np.diff(flat, axis=0)
    length = np.hypot(*step.T)
    before, after = np.r_[np.inf, length], np.r_[length, np.inf]
    chosen = np.where((before <= after)[:, None], np.vstack([step[:1], step]), np.vstack([step, step[-1:]]))
    return np.asarray(np.degrees(np.arctan2(chosen[:, 0], chosen[:, 1])) % 360)
