"""The result of aligning photos: cameras, poses and tie points, and the file that carries it (`reconstruction.json`).

Inside, everything is in a local east-north-up frame in metres; the file holds positions in the output reference
system, with rotations turned by the meridian convergence there, so that it can be used beside `ortho.tif` without
this program.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
from numpy.typing import NDArray

from imagery.core.camera import Camera
from imagery.core.errors import BadInputError
from imagery.core.files import atomic_path, write_json
from imagery.core.frame import LocalFrame

__all__ = ["Pose", "Reconstruction", "read_reconstruction", "write_reconstruction"]

INTRINSICS = ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2", "k3")


@dataclass(frozen=True, slots=True)
class Pose:
    """Where one photo was taken.

    Attributes: camera: id of its camera; position: east, north, up in metres, local frame; rotation: 3 x 3
    world-to-camera, ``x_camera = rotation @ (x_world - position)``; tied: False when it was placed by GNSS and its
    neighbours' attitude only.
    """

    camera: str
    position: NDArray[np.float64]
    rotation: NDArray[np.float64]
    tied: bool = True


def _no_points() -> NDArray[np.float64]:
    return np.zeros((0, 3))


def _no_indices() -> NDArray[np.int32]:
    return np.zeros(0, np.int32)


def _no_pixels() -> NDArray[np.float32]:
    return np.zeros((0, 2), np.float32)


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """Aligned photos.

    Attributes: frame: the local frame of all coordinates here; crs: reference system of the products; vertical_datum:
    what heights are above; cameras: by id; images: poses by the photo's path relative to the photos' folder (posix);
    points: (n, 3) tie points, local east, north, up; observation_image, observation_point: (m,) int32 indices into
    list(images) and points; observation_xy: (m, 2) float32 pixels of the full-size photo.
    """

    frame: LocalFrame
    crs: pyproj.CRS
    vertical_datum: str
    cameras: dict[str, Camera]
    images: dict[str, Pose]
    points: NDArray[np.float64] = field(default_factory=_no_points)
    observation_image: NDArray[np.int32] = field(default_factory=_no_indices)
    observation_point: NDArray[np.int32] = field(default_factory=_no_indices)
    observation_xy: NDArray[np.float32] = field(default_factory=_no_pixels)


def write_reconstruction(path: str | Path, reconstruction: Reconstruction, *, ties: bool = True) -> None:
    """Write `reconstruction.json`, and beside it (unless `ties` is False) the tie points as `.npz` of the same stem."""
    path = Path(path)
    to_crs = _Grid(reconstruction.frame, reconstruction.crs)
    images = {}
    for name, pose in reconstruction.images.items():
        east, north, turn = to_crs.place(pose.position)
        images[name] = {
            "camera": pose.camera,
            "position": [east, north, pose.position[2]],
            "rotation": pose.rotation @ turn,
            "tied": pose.tied,
        }
    if ties:
        with atomic_path(path.with_suffix(".npz")) as temporary:
            np.savez(
                temporary,
                points=reconstruction.points,
                observation_image=reconstruction.observation_image,
                observation_point=reconstruction.observation_point,
                observation_xy=reconstruction.observation_xy,
            )
    write_json(
        path,
        {
            "crs": _crs_name(reconstruction.crs),
            "vertical_datum": reconstruction.vertical_datum,
            "frame": {"lon_deg": reconstruction.frame.lon_deg, "lat_deg": reconstruction.frame.lat_deg},
            "cameras": {id: _camera_entry(camera) for id, camera in reconstruction.cameras.items()},
            "images": images,
        },
    )


def read_reconstruction(path: str | Path) -> Reconstruction:
    """Read what `write_reconstruction` wrote; without the `.npz` beside it there are no tie points.

    Raises BadInputError when the file is not a reconstruction.
    """
    path = Path(path)
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        frame = LocalFrame(data["frame"]["lon_deg"], data["frame"]["lat_deg"])
        crs = pyproj.CRS.from_user_input(data["crs"])
        cameras = {id: _camera(id, entry) for id, entry in data["cameras"].items()}
        from_crs = _Grid(frame, crs)
        images = {name: _pose(entry, from_crs) for name, entry in data["images"].items()}
        datum = str(data["vertical_datum"])
    except (OSError, ValueError, KeyError, TypeError, pyproj.exceptions.CRSError) as error:
        raise BadInputError(f"{path}: not a reconstruction ({error}); run `skyrelief stitch` again") from error
    reconstruction = Reconstruction(frame, crs, datum, cameras, images)
    ties = path.with_suffix(".npz")
    if not ties.exists():
        return reconstruction
    with np.load(ties) as arrays:
        return Reconstruction(
            frame,
            crs,
            datum,
            cameras,
            images,
            arrays["points"],
            arrays["observation_image"],
            arrays["observation_point"],
            arrays["observation_xy"],
        )


def _camera_entry(camera: Camera) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": camera.name, "width": camera.width_px, "height": camera.height_px}
    return entry | {key: getattr(camera, key) for key in INTRINSICS}


def _camera(id: str, entry: dict[str, Any]) -> Camera:
    lens: dict[str, Any] = {key: float(entry[key]) for key in INTRINSICS}
    return Camera(id, str(entry.get("name", id)), int(entry["width"]), int(entry["height"]), **lens)


def _pose(entry: dict[str, Any], grid: "_Grid") -> Pose:
    east, north, up = (float(value) for value in entry["position"])
    position = grid.unplace(east, north, up)
    turn = grid.place(position)[2]
    rotation = np.asarray(entry["rotation"], float).reshape(3, 3) @ turn.T
    return Pose(str(entry["camera"]), position, rotation, bool(entry["tied"]))


def _crs_name(crs: pyproj.CRS) -> str:
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else str(crs.to_wkt())


class _Grid:
    """Between the local frame and a projected reference system."""

    def __init__(self, frame: LocalFrame, crs: pyproj.CRS) -> None:
        self._forward = pyproj.Transformer.from_crs(frame.crs, crs, always_xy=True)
        self._backward = pyproj.Transformer.from_crs(crs, frame.crs, always_xy=True)

    def place(self, position: NDArray[np.float64]) -> tuple[float, float, NDArray[np.float64]]:
        """Easting and northing of a local position, and the rotation that turns grid directions there into local ones."""
        step_m = 50.0
        east, north = position[0] + np.array([0, -step_m, step_m]), position[1] + np.zeros(3)
        x, y = self._forward.transform(east, north)
        turn = np.arctan2(y[2] - y[1], x[2] - x[1])  # of local east against grid east, counter-clockwise
        c, s = np.cos(turn), np.sin(turn)
        return float(x[0]), float(y[0]), np.array([[c, s, 0], [-s, c, 0], [0, 0, 1.0]])

    def unplace(self, x: float, y: float, up_m: float) -> NDArray[np.float64]:
        """The local position of an easting and northing."""
        east, north = self._backward.transform(x, y)
        return np.array([east, north, up_m])
