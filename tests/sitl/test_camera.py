"""Photos of a world: the geometry is the camera's own, near things hide far ones, and the files say what a drone's say."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime

import cv2
import numpy as np
import pytest

from imagery.core.camera import Camera, find_camera, rotation_from_gimbal
from imagery.core.errors import BadInputError
from imagery.core.photo import read_photo
from imagery.core.photolog import PhotoRecord
from sitl.camera import Look, photograph, render
from sitl.world import Region, Sun, World

CAMERA = Camera.from_sensor(
    id="test",
    width_px=960,
    height_px=720,
    sensor_width_mm=17.3,
    sensor_height_mm=13.0,
    focal_length_mm=12.3,
    make="DJI",
    models=("M3E",),
)
LENS = replace(CAMERA, k1=-0.08, k2=0.03, p1=8e-4, p2=-6e-4, cx=470.3, cy=365.1)


@pytest.fixture(scope="module")
def world() -> World:
    return World.generate(3, size_m=(220, 200), cell_m=0.1, margin_m=40)


@pytest.fixture(scope="module")
def board(world: World) -> tuple[World, np.ndarray]:
    """The world's ground without colours, with bright discs at known places of the surface; (n, 3) local east, north, up."""
    rng = np.random.default_rng(0)
    places = rng.uniform(-45, 45, (60, 2))
    apart = [i for i in range(60) if all(np.hypot(*(places[i] - places[j])) > 4 for j in range(i))]
    linear, offset = world.grid_from_local[:, :2], world.grid_from_local[:, 2]
    ortho = np.full_like(world.ortho, 60)
    for place in places[apart]:
        col, row = linear @ place + offset
        shift = 16
        cv2.circle(ortho, (round(col * shift), round(row * shift)), 6 * shift, (250, 250, 250), -1, cv2.LINE_AA, 4)
    ground = replace(world, ortho=ortho, dsm=world.dtm, labels=np.zeros_like(world.labels))
    points = np.column_stack([places[apart], world.height_at(*places[apart].T, "dtm")])
    return ground, points


def _found(image: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Offsets (n, 2) of the bright discs' centres from where they are expected, of those well inside the picture."""
    inside = ((expected > 20) & (expected < [LENS.width_px - 20, LENS.height_px - 20])).all(1)
    assert inside.sum() >= 10
    errors = []
    for x, y in expected[inside]:
        c, r = round(x) - 12, round(y) - 12
        patch = np.clip(image[r : r + 25, c : c + 25].astype(float) - 95, 0, None)
        yy, xx = np.mgrid[r : r + 25, c : c + 25]
        errors.append([(patch * xx).sum() / patch.sum() - x, (patch * yy).sum() / patch.sum() - y])
    return np.array(errors)


@pytest.mark.parametrize(("yaw", "pitch", "roll"), [(0, -90, 0), (33, -90, 2), (200, -70, -3)])
def test_known_points_land_on_their_pixels(
    board: tuple[World, np.ndarray], yaw: float, pitch: float, roll: float
) -> None:
    ground, points = board
    rotation = rotation_from_gimbal(yaw, pitch, roll)
    back = 20 * (pitch > -80)
    position = np.array([-back * math.sin(math.radians(yaw)), -back * math.cos(math.radians(yaw)), 290.0])
    image = cv2.cvtColor(render(ground, LENS, position, rotation), cv2.COLOR_RGB2GRAY)
    errors = _found(image, LENS.project((points - position) @ rotation.T))
    assert np.abs(errors.mean(0)).max() < 0.05
    assert np.hypot(*errors.T).max() < 0.25  # the discs' own rasterisation included


def test_a_rolling_shutter_reads_every_row_from_where_the_drone_is_by_then(board: tuple[World, np.ndarray]) -> None:
    ground, points = board
    rotation, position = rotation_from_gimbal(25, -90, 1), np.array([1.0, -2.0, 290.0])
    drift = np.array([1.1, 0.6, 0.1])  # metres while a frame is read: four pixels
    image = cv2.cvtColor(render(ground, LENS, position, rotation, drift), cv2.COLOR_RGB2GRAY)
    expected = LENS.project((points - position) @ rotation.T)
    still = _found(image, expected)
    for _ in range(5):  # the row at which a point is read depends on where the drone is, and that on the row
        read = (expected[:, 1:] + 0.5) / LENS.height_px - 0.5
        expected = LENS.project((points - position - drift * read) @ rotation.T)
    errors = _found(image, expected)
    assert np.hypot(*errors.T).max() < 0.3
    assert np.hypot(*still.T).max() > 2


def test_a_facade_is_dark_where_another_house_shades_it(world: World) -> None:
    """Of a wall that faces the sun only the part above a neighbour's shadow is lit."""
    dsm, labels = np.full_like(world.dsm, 230.0), np.zeros_like(world.labels)
    colours = np.full_like(world.ortho, 120)

    def block(west: float, south: float, east: float, north: float, height_m: float, number: int) -> None:
        (c0, r0), (c1, r1) = (
            np.round(world.grid_from_local @ [x, y, 1]).astype(int) for x, y in ((west, north), (east, south))
        )
        dsm[r0:r1, c0:c1], labels[r0:r1, c0:c1] = 230 + height_m, number

    block(-12, 10, 12, 20, 12, 1)
    block(-12, -2, 0, 2, 6, 2)  # 8 m before its western half: at 45 degrees the shadow ends in mid-air above the ground
    made = replace(
        world, dsm=dsm, dtm=np.full_like(dsm, 230.0), ortho=colours, labels=labels, layers={}, sun=Sun(180.0, 30.0)
    )
    rotation, position = rotation_from_gimbal(0, -30), np.array([0.0, -40.0, 262.0])
    image = render(made, CAMERA, position, rotation).mean(2)

    def wall(east: float, up: float) -> float:
        places = [(east + dx, 10.0, 230 + up + dz) for dx in np.arange(-1.5, 1.6, 0.25) for dz in (-0.2, 0, 0.2)]
        x, y = np.round(CAMERA.project((np.array(places) - position) @ rotation.T)).astype(int).T
        return float(np.median(image[y, x]))

    shadow_top = 6 - 8 * math.tan(math.radians(30))
    assert wall(-6, shadow_top - 0.7) < 0.7 * wall(6, shadow_top - 0.7)
    assert wall(-6, 8.0) == pytest.approx(wall(6, 8.0), rel=0.25)


def test_a_photo_shows_the_true_orthophoto_where_nothing_stands_in_between(world: World) -> None:
    """Project the surface into photos and compare with the orthophoto: no offset, whatever the lens and the attitude."""
    for yaw, roll in ((0, 0), (75, 3)):
        rotation, position = rotation_from_gimbal(yaw, -90, roll), np.array([5.0, -3.0, 285.0])
        image = render(world, LENS, position, rotation)
        east, north = np.meshgrid(np.arange(-22, 22, 0.1), np.arange(18, -18, -0.1))
        up = world.height_at(east, north)
        pixels = LENS.project((np.column_stack([east.ravel(), north.ravel(), up.ravel()]) - position) @ rotation.T)
        mapped = cv2.remap(
            image, *pixels.reshape(*east.shape, 2).astype(np.float32).transpose(2, 0, 1), cv2.INTER_LINEAR
        )
        col, row = np.moveaxis(np.stack([east, north, np.ones_like(east)], -1) @ world.grid_from_local.T, -1, 0).astype(
            np.float32
        )
        truth = cv2.remap(world.ortho, col, row, cv2.INTER_LINEAR)
        grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float64) for picture in (truth, mapped)]
        (dx, dy), response = cv2.phaseCorrelate(*grey, cv2.createHanningWindow(grey[0].shape[::-1], cv2.CV_64F))
        assert response > 0.5
        assert math.hypot(dx, dy) < 0.3  # cells of 0.1 m: 3 cm, half a pixel of the photo


def test_a_house_hides_what_is_behind_it(world: World) -> None:
    """Seen obliquely, a tall block hides the ground behind it up to where the ray over its edge lands."""
    dsm = np.full_like(world.dsm, 230.0)
    colours = np.full_like(world.ortho, 90)
    linear, offset = world.grid_from_local[:, :2], world.grid_from_local[:, 2]
    (c0, r0), (c1, r1) = (
        np.round(linear @ [-10, 15] + offset).astype(int),
        np.round(linear @ [10, 5] + offset).astype(int),
    )
    dsm[r0:r1, c0:c1] = 240.0
    colours[r0:r1, c0:c1] = (200, 40, 40)
    colours[: r0 - 1, :] = (40, 200, 40)  # the ground north of the block
    block = replace(world, dsm=dsm, dtm=np.full_like(dsm, 230.0), ortho=colours, labels=np.zeros_like(world.labels))
    position = np.array([0.0, -30.0, 260.0])
    image = render(block, CAMERA, position, rotation_from_gimbal(0, -45))
    (x, y_roof), (_, y_behind), (_, y_seen) = CAMERA.project(
        (np.array([[0, 14.5, 240], [0, 18.0, 230], [0, 41.0, 230]]) - position) @ rotation_from_gimbal(0, -45).T
    )
    column = image[:, round(x)].astype(int)
    assert column[round(y_roof), 0] > 150
    # Behind the far edge (15 m north, 10 m up) the ground is hidden up to 15 + 45 * 10 / 20 = 37.5 m north.
    assert column[round(y_behind), 1] < 150
    assert column[round(y_seen), 1] > 150
    facade = CAMERA.project((np.array([[0, 5.0, 234.0]]) - position) @ rotation_from_gimbal(0, -45).T)[0]
    assert column[round(facade[1]), 0] > 1.5 * column[round(facade[1]), 1]  # the block's own wall, not smeared ground


def test_every_ray_ends_where_a_slow_search_ends(world: World) -> None:
    """The picture of a map of places agrees with walking each ray in steps of a few centimetres, oblique views included."""
    rows, cols = world.dsm.shape
    place = np.zeros((rows, cols, 3), np.uint8)
    place[..., 0], place[..., 1] = np.linspace(30, 250, cols)[None], np.linspace(30, 250, rows)[:, None]
    chart = replace(world, ortho=place, labels=np.zeros_like(world.labels))
    small = CAMERA.scaled(0.5)
    rng = np.random.default_rng(2)
    for pitch in (-90, -55):
        position, rotation = np.array([8.0, -35.0, 275.0]), rotation_from_gimbal(20, pitch)
        image = render(chart, small, position, rotation)
        pixels = rng.integers((0, 0), (small.width_px, small.height_px), (400, 2))
        rays = small.rays(pixels) @ rotation
        t = np.arange(20, 160, 0.04)[:, None]
        compared = 0
        for (x, y), ray in zip(pixels, rays / np.linalg.norm(rays, axis=1)[:, None], strict=True):
            points = position + t * ray
            heights = world.height_at(points[:, 0], points[:, 1])
            under = np.flatnonzero(points[:, 2] <= heights)
            if not len(under) or heights[under[0]] - heights[max(under[0] - 1, 0)] > 0.2:
                continue  # past the edge of the world, or on a wall, which has colours of its own
            col, row = world.grid_from_local @ [*points[under[0], :2], 1]
            expected = 30 + 220 * np.array([col / (cols - 1), row / (rows - 1)])
            if image[y, x, 2] == 0 and image[y, x].any():
                compared += 1
                assert np.abs(np.arctan2(*image[y, x, :2].astype(float)) - np.arctan2(*expected)) < 0.06, (x, y)
        assert compared > 200


def test_photos_say_where_they_were_taken(world: World, tmp_path) -> None:
    lon, lat = world.frame.to_geographic([-10.0, 10.0], [5.0, 5.0])
    records = [
        PhotoRecord(lat=float(lat[i]), lon=float(lon[i]), alt_amsl_m=290.25, alt_rel_m=60.25, yaw_deg=271.5, pitch_deg=-4.0,
        roll_deg=1.5,
                    time_utc=datetime(2026, 5, 1, 10, 20, i, 250000, tzinfo=UTC), flight=1, seq=i + 1)
        for i in range(2)
    ]  # fmt: skip
    done = photograph(
        world,
        CAMERA,
        records,
        tmp_path / "photos",
        gnss_sigma_m=(0, 0),
        baro_sigma_m=0,
        look=Look(gimbal_deg=0, yaw_deg=0),
    )
    assert [record.file for record in done] == ["DJI_0001.JPG", "DJI_0002.JPG"]
    for record, path in zip(records, sorted((tmp_path / "photos").iterdir()), strict=True):
        photo = read_photo(path)
        assert (photo.width_px, photo.height_px, photo.make, photo.model) == (960, 720, "DJI", "M3E")
        assert photo.lat == pytest.approx(record.lat, abs=2e-9)
        assert photo.lon == pytest.approx(record.lon, abs=2e-9)
        assert photo.alt_amsl_m == pytest.approx(290.25, abs=0.002)
        assert photo.alt_rel_m == pytest.approx(60.25, abs=0.001)
        assert photo.time_utc == record.time_utc
        assert (photo.gimbal_yaw_deg, photo.gimbal_pitch_deg, photo.flight_pitch_deg) == pytest.approx(
            (-88.5, -90, -4.0)
        )
        assert photo.focal_length_mm == pytest.approx(12.3)
        decoded = cv2.imread(str(path))
        assert decoded.shape == (720, 960, 3)
        assert decoded.std() > 10
    truth = json.loads((tmp_path / "photos_truth.json").read_text())
    assert truth["images"]["DJI_0001.JPG"]["position"] == pytest.approx([-10, 5, 290.25], abs=1e-3)
    assert np.allclose(truth["images"]["DJI_0001.JPG"]["rotation"], rotation_from_gimbal(271.5, -90), atol=1e-9)


def test_an_rtk_photo_carries_its_datum_and_its_precision(world: World, tmp_path) -> None:
    record = PhotoRecord(lat=world.frame.lat_deg, lon=world.frame.lon_deg, alt_amsl_m=280.0)
    photograph(world, CAMERA, [record], tmp_path / "rtk", gnss_sigma_m=(0.01, 0.02), rtk=True, seed=5)
    photo = read_photo(tmp_path / "rtk" / "DJI_0001.JPG")
    assert photo.altitude_datum == "ellipsoid"
    assert photo.alt_amsl_m == pytest.approx(280.0, abs=0.1)
    assert photo.rtk_flag == 50
    assert photo.rtk_std_m == pytest.approx((0.01, 0.01, 0.02))


@pytest.mark.parametrize(
    ("camera_id", "name", "gimbal"),
    [
        ("dji-phantom-4-pro", "DJI_0001.JPG", (-80.0, -85.0, 0.0)),
        ("autel-evo-ii-pro", "IMG_0001.JPG", (-80.0, -85.0, 0.0)),
        ("sony-a6000-20mm", "DSC00001.JPG", (None, None, None)),
    ],
)
def test_photos_are_named_and_described_as_their_camera_does(
    world: World, tmp_path, camera_id: str, name: str, gimbal: tuple[float | None, ...]
) -> None:
    full = find_camera(camera_id)
    camera = full.scaled(0.1)
    record = PhotoRecord(lat=world.frame.lat_deg, lon=world.frame.lon_deg, alt_amsl_m=280.0, yaw_deg=280.0)
    photograph(world, camera, [record], tmp_path / "photos", gimbal_pitch_deg=-85)
    photo = read_photo(tmp_path / "photos" / name)
    assert (photo.make, photo.camera) == (full.make, camera_id)
    assert (photo.gimbal_yaw_deg, photo.gimbal_pitch_deg, photo.gimbal_roll_deg) == gimbal


def test_the_same_seed_takes_the_same_photos(world: World, tmp_path) -> None:
    record = PhotoRecord(lat=world.frame.lat_deg, lon=world.frame.lon_deg, alt_amsl_m=280.0)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        photograph(world, CAMERA, [record], tmp_path / name, seed=seed)
    a, b, c = ((tmp_path / name / "DJI_0001.JPG").read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_photos_of_a_region_are_those_of_its_world(tmp_path) -> None:
    """Drawn window by window, the same places give the same pictures and the same poses."""
    region = Region.laid_out(
        3,
        "village",
        13.09,
        42.79,
        size_m=(420, 300),
        margin_m=40,
        disaster="earthquake",
        severity=0.34,
        home_amsl_m=230,
    )
    whole = region.world(cell_m=0.1)
    places = [(-130.0, 20.0), (-10.0, -40.0), (110.0, 30.0)]
    lon, lat = whole.frame.to_geographic(*np.array(places).T)
    records = [PhotoRecord(lat=a, lon=o, alt_amsl_m=275.0, yaw_deg=30.0) for a, o in zip(lat, lon, strict=True)]
    for name, world in (("whole", whole), ("windows", region)):
        photograph(world, CAMERA, records, tmp_path / name, look=Look(noise=0), cell_m=0.1, seed=1)
    assert (tmp_path / "whole_truth.json").read_bytes() == (tmp_path / "windows_truth.json").read_bytes()
    for i in range(1, 4):
        a, b = (cv2.imread(str(tmp_path / name / f"DJI_{i:04d}.JPG")).astype(int) for name in ("whole", "windows"))
        assert np.median(abs(a - b)) <= 1
        assert (abs(a - b).max(2) > 25).mean() < 0.02  # grain and edges that a cell more or less decides


def test_exposures_without_a_height_are_refused(world: World, tmp_path) -> None:
    with pytest.raises(BadInputError, match="alt_amsl_m"):
        photograph(world, CAMERA, [PhotoRecord(lat=0, lon=0)], tmp_path)
    with pytest.raises(BadInputError, match="nothing to photograph"):
        photograph(world, CAMERA, [], tmp_path)
