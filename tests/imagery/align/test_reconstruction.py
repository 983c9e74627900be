"""reconstruction.json carries poses into the output reference system and back."""

from pathlib import Path

import numpy as np
import pyproj
import pytest

from imagery.align.reconstruction import Pose, Reconstruction, read_reconstruction, write_reconstruction
from imagery.core.camera import Camera, rotation_from_gimbal
from imagery.core.errors import BadInputError
from imagery.core.frame import LocalFrame, utm_crs

CAMERA = Camera.from_sensor(
    id="c", width_px=400, height_px=300, sensor_width_mm=6, sensor_height_mm=4.5, focal_length_mm=4
)


def sample(lon: float = 5.9, lat: float = 52.0) -> Reconstruction:
    frame = LocalFrame(lon, lat)
    images = {
        "a/1.jpg": Pose("c", np.array([10.0, -20, 150]), rotation_from_gimbal(30, -80, 2)),
        "2.jpg": Pose("c", np.array([-700.0, 300, 160]), rotation_from_gimbal(-150, -60), tied=False),
    }
    return Reconstruction(
        frame,
        utm_crs(lon, lat),
        "metres above mean sea level (EGM96)",
        {"c": CAMERA},
        images,
        points=np.arange(6.0).reshape(2, 3),
        observation_image=np.array([0, 1], np.int32),
        observation_point=np.array([0, 1], np.int32),
        observation_xy=np.array([[1, 2], [3, 4]], np.float32),
    )


def test_round_trip(tmp_path: Path) -> None:
    before = sample()
    write_reconstruction(tmp_path / "reconstruction.json", before)
    after = read_reconstruction(tmp_path / "reconstruction.json")
    assert list(after.images) == list(before.images)
    assert after.crs == before.crs
    for name, pose in before.images.items():
        assert np.allclose(after.images[name].position, pose.position, atol=1e-6)
        assert np.allclose(after.images[name].rotation, pose.rotation, atol=1e-9)
        assert after.images[name].tied == pose.tied
    assert after.cameras["c"].fx == CAMERA.fx
    assert np.array_equal(after.points, before.points)
    assert np.array_equal(after.observation_xy, before.observation_xy)


def test_the_file_projects_in_its_own_reference_system(tmp_path: Path) -> None:
    """A ground point projects to the same pixel from local coordinates and, with the file alone, from UTM ones."""
    import json

    before = sample()
    write_reconstruction(tmp_path / "r.json", before, ties=False)
    assert not (tmp_path / "r.npz").exists()
    data = json.loads((tmp_path / "r.json").read_text())
    to_utm = pyproj.Transformer.from_crs(before.frame.crs, data["crs"], always_xy=True)
    pose, entry = before.images["a/1.jpg"], data["images"]["a/1.jpg"]
    ground = np.array([[20.0, -10, 30], [0, -60, 25]])
    utm = np.column_stack([*to_utm.transform(ground[:, 0], ground[:, 1]), ground[:, 2]])
    local_px = CAMERA.project((ground - pose.position) @ pose.rotation.T)
    utm_px = CAMERA.project((utm - entry["position"]) @ np.array(entry["rotation"]).T)
    assert (
        np.abs(local_px - utm_px).max() < 0.15
    )  # the grid's scale of 0.9996 remains, the 2.3 degrees of convergence do not


def test_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text('{"cameras": 3}')
    with pytest.raises(BadInputError, match=r"r\.json"):
        read_reconstruction(tmp_path / "r.json")
