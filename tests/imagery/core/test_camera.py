"""The camera against OpenCV, ray casting and data sheets."""

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagery.core.camera import Camera, catalogue, find_camera, footprint_on_plane, load_camera, rotation_from_gimbal
from imagery.core.errors import BadInputError

DISTORTED = Camera(
    id="test",
    name="test",
    width_px=4000,
    height_px=3000,
    fx=2900.0,
    fy=2910.0,
    cx=2010.0,
    cy=1480.0,
    k1=-0.15,
    k2=0.06,
    p1=0.0008,
    p2=-0.0005,
    k3=-0.01,
)

angles = {"yaw": st.floats(-180, 180), "pitch": st.floats(-90, -30), "roll": st.floats(-10, 10)}


@given(x=st.floats(-0.5, 3999.5), y=st.floats(-0.5, 2999.5), depth=st.floats(0.5, 500))
def test_projecting_a_ray_returns_its_pixel(x: float, y: float, depth: float) -> None:
    assert DISTORTED.project(DISTORTED.rays([[x, y]]) * depth)[0] == pytest.approx((x, y), abs=1e-4)


@given(**angles, east=st.floats(-50, 50), north=st.floats(-50, 50))
def test_projection_is_opencvs(yaw: float, pitch: float, roll: float, east: float, north: float) -> None:
    rotation = rotation_from_gimbal(yaw, pitch, roll)
    position = np.array([3.0, -4.0, 80.0])
    points = np.array([[east, north, 1.5]])
    camera_points = (points - position) @ rotation.T
    if camera_points[0, 2] < 1:
        assert camera_points[0, 2] > 0 or np.isnan(DISTORTED.project(camera_points)).all()
        return
    expected, _ = cv2.projectPoints(
        points, cv2.Rodrigues(rotation)[0], -rotation @ position, DISTORTED.matrix, DISTORTED.distortion
    )
    assert np.allclose(DISTORTED.project(camera_points)[0], expected.reshape(2), rtol=1e-6, atol=1e-6)


def test_points_behind_the_camera_have_no_pixel() -> None:
    assert np.isnan(DISTORTED.project([[0.0, 0.0, -5.0], [1.0, 1.0, 0.0]])).all()


@given(**angles)
def test_gimbal_rotation_is_a_rotation(yaw: float, pitch: float, roll: float) -> None:
    rotation = rotation_from_gimbal(yaw, pitch, roll)
    assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)


@pytest.mark.parametrize(
    ("yaw", "pitch", "roll", "right", "down", "forward"),
    [
        (0, -90, 0, (1, 0, 0), (0, -1, 0), (0, 0, -1)),  # straight down, the image's top is north
        (90, -90, 0, (0, -1, 0), (-1, 0, 0), (0, 0, -1)),  # straight down, the image's top is east
        (0, 0, 0, (1, 0, 0), (0, 0, -1), (0, 1, 0)),  # level, looking north
        (90, 0, 0, (0, -1, 0), (0, 0, -1), (1, 0, 0)),  # level, looking east
        (0, 0, 90, (0, 0, -1), (-1, 0, 0), (0, 1, 0)),  # rolled to the right: the right side points down
        (180, -45, 0, (-1, 0, 0), (0, math.sqrt(0.5), -math.sqrt(0.5)), (0, -math.sqrt(0.5), -math.sqrt(0.5))),
    ],
)
def test_gimbal_convention(yaw: float, pitch: float, roll: float, right, down, forward) -> None:
    assert np.allclose(rotation_from_gimbal(yaw, pitch, roll), [right, down, forward], atol=1e-12)


@given(**angles, height=st.floats(5, 300))
def test_footprint_is_where_the_corner_rays_meet_the_ground(
    yaw: float, pitch: float, roll: float, height: float
) -> None:
    camera = find_camera("dji-mavic-3e")
    rotation = rotation_from_gimbal(yaw, pitch, roll)
    position = np.array([10.0, 20.0, 100.0 + height])
    corners = np.array(
        [
            [-0.5, -0.5],
            [camera.width_px - 0.5, -0.5],
            [camera.width_px - 0.5, camera.height_px - 0.5],
            [-0.5, camera.height_px - 0.5],
        ]
    )
    # The oracle marches along each ray, independent of the closed form.
    rays = np.column_stack(
        [
            (corners[:, 0] - camera.cx) / camera.fx,
            (corners[:, 1] - camera.cy) / camera.fy,
            np.ones(4),
        ]
    )
    world = rays @ np.linalg.inv(rotation).T
    if (world[:, 2] > -0.02).any():
        if (world[:, 2] >= 0).any():
            with pytest.raises(BadInputError, match="horizon"):
                footprint_on_plane(camera, rotation, position, 100.0)
        return
    low, high = np.zeros(4), np.full(4, 1e6)
    for _ in range(80):
        middle = (low + high) / 2
        above = position[2] + middle * world[:, 2] > 100.0
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    expected = position[:2] + low[:, None] * world[:, :2]
    assert np.allclose(footprint_on_plane(camera, rotation, position, 100.0), expected, rtol=1e-6, atol=1e-6)


def test_nadir_footprint_and_ground_sampling_distance() -> None:
    camera = find_camera("dji-phantom-4-pro")
    # DJI's own rule for this camera: height / 36.5 cm per pixel; its real pixels give 36.66.
    assert camera.gsd_m(100) * 100 == pytest.approx(100 / 36.5, rel=0.01)
    assert camera.height_for_gsd(camera.gsd_m(73.0)) == pytest.approx(73)
    width, height = camera.footprint_m(100)
    corners = footprint_on_plane(camera, rotation_from_gimbal(0, -90), (0, 0, 100))
    assert np.ptp(corners[:, 0]) == pytest.approx(width)
    assert np.ptp(corners[:, 1]) == pytest.approx(height)
    assert corners[0][0] < 0 < corners[0][1]  # top left is north-west when the image's top is north


def test_below_the_ground_is_an_error() -> None:
    with pytest.raises(BadInputError, match="horizon"):
        footprint_on_plane(find_camera("dji-mavic-3e"), rotation_from_gimbal(0, -90), (0, 0, -1))


@pytest.mark.parametrize("factor", [0.5, 0.25, 0.3])
def test_a_resized_camera_sees_the_same_rays(factor: float) -> None:
    small = DISTORTED.scaled(factor)
    assert small.width_px == round(4000 * factor)
    x, y = 1234.0, 2345.0
    sx, sy = small.width_px / 4000, small.height_px / 3000
    pixel = ((x + 0.5) * sx - 0.5, (y + 0.5) * sy - 0.5)
    assert np.allclose(small.rays([pixel]), DISTORTED.rays([[x, y]]), atol=1e-6)


# 35 mm equivalents as the makers publish them, by the sensor's diagonal.
EQUIVALENT_35MM = {
    "dji-phantom-3-professional": 20,
    "dji-phantom-4-pro": 24,
    "dji-phantom-4-rtk": 24,
    "dji-p4-multispectral": 40,
    "dji-mavic-pro": 26,
    "dji-mavic-air-2": 24,
    "dji-air-2s": 22,
    "dji-air-3-tele": 70,
    "dji-mini-2": 24,
    "dji-mini-3-pro": 24,
    "dji-mini-4-pro": 24,
    "dji-mavic-2-pro": 28,
    "dji-mavic-2-zoom": 24,
    "dji-mavic-2-enterprise-advanced": 24,
    "dji-mavic-3": 24,
    "dji-mavic-3e": 24,
    "dji-mavic-3e-tele": 162,
    "dji-mavic-3t": 24,
    "dji-mavic-3m": 24,
    "dji-matrice-30-wide": 24,
    "dji-matrice-4e": 24,
    "dji-zenmuse-l1": 24,
    "dji-zenmuse-h20-wide": 24,
    "dji-zenmuse-x3": 20,
    "dji-zenmuse-x4s": 24,
    "autel-evo-ii": 25.6,
    "autel-evo-ii-pro": 28.6,
    "parrot-anafi": 23,
    "sensefly-soda": 29,
    "sensefly-aeria-x": 28,
    "sony-rx1r-ii": 35,
    "sony-rx100-ii": 28,
    "canon-powershot-s110": 24,
    "canon-powershot-sx260-hs": 25,
    "canon-powershot-g9-x": 28,
    "ricoh-gr-ii": 28,
    "yuneec-e90": 23,
    "skydio-x2": 20,
    "skydio-x10-narrow": 46,
}


@pytest.mark.parametrize(("id", "equivalent_mm"), EQUIVALENT_35MM.items())
def test_catalogue_agrees_with_published_35mm_equivalents(id: str, equivalent_mm: float) -> None:
    camera = find_camera(id)
    diagonal_mm = math.hypot(camera.sensor_width_mm, camera.sensor_height_mm)
    assert camera.focal_length_mm * math.hypot(36, 24) / diagonal_mm == pytest.approx(equivalent_mm, rel=0.055)


def test_catalogue_is_plausible() -> None:
    cameras = catalogue()
    assert len(cameras) >= 45
    lenses = set()
    for id, camera in cameras.items():
        assert id == id.lower()
        assert id.split("-")[0] in camera.make.lower() or camera.make == "Hasselblad", id
        assert camera.name, id
        assert camera.source, id
        assert camera.fx == pytest.approx(camera.fy, rel=0.03), f"{id}: pixels are not square"
        pitch_um = camera.sensor_width_mm / camera.width_px * 1000
        assert 0.7 < pitch_um < 6, id
        field_of_view = 2 * math.degrees(math.atan(camera.width_px / 2 / camera.fx))
        assert 10 < field_of_view < 95, id
        assert 0.3 <= camera.min_interval_s <= 5, id
        lenses |= {(model, camera.focal_length_mm) for model in camera.models}
    assert len(lenses) == sum(len(camera.models) for camera in cameras.values()), "two entries for one model and lens"


@pytest.mark.parametrize("name", ["DJI Mavic 3E", "dji_mavic_3e", " dji-mavic-3e "])
def test_ids_are_forgiving(name: str) -> None:
    assert find_camera(name).id == "dji-mavic-3e"


def test_unknown_camera_names_the_nearest() -> None:
    with pytest.raises(BadInputError, match=r"unknown camera 'dji-mavik-3e'.*dji-mavic-3e"):
        find_camera("dji-mavik-3e")
    with pytest.raises(BadInputError, match=r"there are .* and others"):
        find_camera("zzzzzz")


def test_camera_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        "width_px = 4000\nheight_px = 3000\nsensor_width_mm = 6.2\nsensor_height_mm = 4.65\nfocal_length_mm = 3.61\nk1 = -0.01\n"
    )
    camera = load_camera(path)
    assert (camera.id, camera.k1) == ("mine", -0.01)
    path.write_text("[my-camera]\nwidth_px = 10\nheight_px = 10\nfx = 12.0\nfocal_length_mm = 1\n")
    with pytest.raises(BadInputError, match="needs width_px"):
        load_camera(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("width_px = ", "not a readable camera file"),
        ("colour = 'red'", "unknown entry 'colour'"),
        (
            "width_px = 10\nheight_px = 10\nsensor_width_mm = 0\nsensor_height_mm = 1\nfocal_length_mm = 1",
            "sensor width must be more than 0",
        ),
    ],
)
def test_bad_camera_files_are_explained(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(BadInputError, match=message):
        load_camera(path)
    with pytest.raises(BadInputError, match="no such file: give a camera file"):
        load_camera(tmp_path / "missing.toml")
