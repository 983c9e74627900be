"""How far a reconstruction's cameras are off."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyproj
from numpy.typing import NDArray

from imagery.core.errors import BadInputError, NotEnoughDataError
from sitl.truth.rasters import read_json
from sitl.world import World

__all__ = ["PoseError", "pose_error"]


@dataclass(frozen=True, slots=True)
class PoseError:
    """Camera positions (metres: east, north, up RMSE; internal_m: after the best similarity) and directions (degrees, median)."""

    rmse_m: tuple[float, float, float]
    internal_m: float
    angle_deg: float
    cameras: int
    missing: int


def pose_error(world: World, reconstruction_path: str | Path, photos_truth: str | Path) -> PoseError:
    """Camera positions and directions of a reconstruction.json against the exact poses that `photograph` wrote."""
    reconstruction = read_json(Path(reconstruction_path))
    truth = read_json(Path(photos_truth))
    try:
        images, exact = reconstruction["images"], truth["images"]
        to_crs = pyproj.Transformer.from_crs(world.frame.crs, reconstruction["crs"], always_xy=True)
        names = {Path(name).name: name for name in images if Path(name).name in exact}
        said = np.array([images[full]["position"] for full in names.values()], float).reshape(-1, 3)
        local = np.array([exact[name]["position"] for name in names], float).reshape(-1, 3)
        directions = [
            (np.array(images[full]["rotation"], float), np.array(exact[name]["rotation"], float))
            for name, full in names.items()
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise BadInputError(f"{reconstruction_path}: not a reconstruction, or of other photos ({error})") from error
    if len(names) < 3:
        raise NotEnoughDataError(f"{reconstruction_path}: only {len(names)} of the photos have known poses")
    true = np.column_stack([*to_crs.transform(local[:, 0], local[:, 1]), local[:, 2]])
    turn = _convergence(to_crs, local.mean(0))
    angles = [_angle_deg(a @ turn @ b.T) for a, b in directions]
    rmse = np.sqrt(np.mean((said - true) ** 2, 0))
    return PoseError(
        (float(rmse[0]), float(rmse[1]), float(rmse[2])),
        _internal(said, true),
        float(np.median(angles)),
        len(names),
        len(exact) - len(names),
    )


def _convergence(to_crs: pyproj.Transformer, at: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rotation by the meridian convergence: directions in the local frame's axes to those in the projection's."""
    x, y = to_crs.transform([at[0], at[0]], [at[1] - 50, at[1] + 50])
    angle = np.arctan2(x[1] - x[0], y[1] - y[0])
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, s, 0], [-s, c, 0], [0, 0, 1.0]])


def _angle_deg(rotation: NDArray[np.float64]) -> float:
    return float(np.degrees(np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1))))


def _internal(said: NDArray[np.float64], true: NDArray[np.float64]) -> float:
    """RMSE in metres after the best similarity transformation (Umeyama 1991)."""
    a, b = said - said.mean(0), true - true.mean(0)
    u, d, vt = np.linalg.svd(b.T @ a)
    sign = np.diag([1, 1, np.sign(np.linalg.det(u @ vt))])
    scale = np.trace(np.diag(d) @ sign) / max((a**2).sum(), 1e-12)
    rest = b - scale * a @ (u @ sign @ vt).T
    return float(np.sqrt((rest**2).sum(1).mean()))
