"""Photos: real ones, made-up ones of many makers, and broken ones."""

import io
import math
import struct
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from imagery.core.decode import read_colour, read_grey
from imagery.core.errors import BadInputError
from imagery.core.exif import read_image_head
from imagery.core.frame import geoid_undulation
from imagery.core.photo import camera_of, list_photos, read_photo

Maker = Callable[..., Path]


def sexagesimal(degrees: float) -> tuple[IFDRational, ...]:
    whole = Fraction(abs(degrees)).limit_denominator(10**9)
    minutes = (whole - int(whole)) * 60
    seconds = (minutes - int(minutes)) * 60
    return (
        IFDRational(int(whole), 1),
        IFDRational(int(minutes), 1),
        IFDRational(round(seconds * 1_000_000), 1_000_000),
    )


@pytest.fixture
def make_photo(tmp_path: Path) -> Maker:
    """A maker of photos with any EXIF and XMP, written by Pillow: an independent hand."""

    def make(
        name: str = "photo.jpg",
        size: tuple[int, int] = (64, 48),
        image: dict[int, Any] | None = None,
        exif: dict[int, Any] | None = None,
        gps: dict[int, Any] | None = None,
        xmp: str = "",
    ) -> Path:
        tags = Image.Exif()
        tags.update(image or {})
        if exif:
            tags.get_ifd(0x8769).update(exif)
        if gps:
            tags.get_ifd(0x8825).update(gps)
        pixels = np.random.default_rng(1).integers(0, 255, (size[1], size[0], 3), np.uint8)
        path = tmp_path / name
        more = {"xmp": xmp.encode()} if xmp else {}
        Image.fromarray(pixels).save(path, exif=tags, **more)
        return path

    return make


def packet(attributes: str, prefix: str = "drone-dji", space: str = "http://www.dji.com/drone-dji/1.0/") -> str:
    return (
        '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" xmlns:{prefix}="{space}" {attributes}/>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    )


POSITION = {
    1: "N",
    2: sexagesimal(46.8426),
    3: "W",
    4: sexagesimal(-91.9945),
    5: b"\0",
    6: IFDRational(198309, 1000),
}


def test_dji_photos(shared_data: Path) -> None:
    folder = shared_data / "images/brighton_beach/images"
    photos = [read_photo(path) for path in list_photos(folder)]
    assert len(photos) == 18
    first = photos[0]
    assert (first.make, first.model, first.camera) == ("DJI", "FC300S", "dji-phantom-3-advanced")
    assert (first.width_px, first.height_px) == (4000, 2250)
    assert (first.lat, first.lon) == pytest.approx((46.842607083, -91.994559889), abs=1e-8)
    assert (first.alt_amsl_m, first.altitude_datum, first.alt_rel_m) == (198.309, "amsl", 39.8)
    assert (first.gimbal_yaw_deg, first.gimbal_pitch_deg, first.gimbal_roll_deg) == (45.0, -89.9, 0.0)
    assert (first.flight_yaw_deg, first.flight_pitch_deg, first.flight_roll_deg) == (46.0, 1.8, 3.0)
    assert first.time == datetime(2016, 6, 23, 16, 31, 59)
    assert (first.rtk_flag, first.rtk_std_m) == (None, None)
    assert all(39 < photo.alt_rel_m < 41 for photo in photos if photo.alt_rel_m is not None)
    camera = camera_of(first)
    # A 16:9 photo is the middle of the 4:3 sensor at full width.
    assert camera.fx == pytest.approx(2329, abs=1)
    assert camera.fx == camera.fy
    assert (camera.cx, camera.cy) == (1999.5, 1124.5)


def test_resized_photos_keep_their_lens(shared_data: Path) -> None:
    photos = [read_photo(path) for path in list_photos(shared_data / "images/caliterra_1000/images")]
    assert len(photos) == 75
    assert {photo.camera for photo in photos} == {"canon-powershot-sx260-hs"}
    # EXIF still says 4000 x 3000; the pixels are what counts.
    assert {(photo.width_px, photo.height_px) for photo in photos} == {(1000, 750)}
    camera = camera_of(photos[0])
    assert camera.fx == pytest.approx(4.5 / 6.17 * 1000, rel=1e-6)
    assert len({camera_of(photo) for photo in photos}) == 1
    assert photos[0].time_utc == datetime(2014, 10, 19, 18, 20, 51, tzinfo=UTC)
    assert photos[0].alt_rel_m is None


def test_reading_agrees_with_pillow_on_real_photos(shared_data: Path) -> None:
    folder = shared_data / "images"
    for path in [
        *list_photos(folder / "brighton_beach/images")[:3],
        *list_photos(folder / "caliterra_1000/images")[:3],
    ]:
        head = read_image_head(path)
        with Image.open(path) as image:
            assert (head.width_px, head.height_px) == image.size
            theirs = image.getexif()
            for name, tags in (("image", theirs), ("exif", theirs.get_ifd(0x8769)), ("gps", theirs.get_ifd(0x8825))):
                for tag, value in tags.items():
                    ours = head.tags.get((name, tag))
                    if isinstance(value, str):
                        assert ours == value.split("\0")[0].strip(), (name, tag)
                    elif isinstance(value, int | float | IFDRational) and tag not in (0x8769, 0x8825):
                        assert ours == pytest.approx(float(value), nan_ok=True), (name, tag)


def test_rtk_heights_are_brought_to_sea_level(make_photo: Maker) -> None:
    xmp = packet(
        'drone-dji:AltitudeType="RtkAlt" drone-dji:AbsoluteAltitude="+1000.00" drone-dji:RelativeAltitude="+80.10" '
        'drone-dji:GpsLatitude="+46.84260000" drone-dji:GpsLongitude="-91.99450000" drone-dji:RtkFlag="50" '
        'drone-dji:RtkStdLon="0.011" drone-dji:RtkStdLat="0.012" drone-dji:RtkStdHgt="0.025" '
        'drone-dji:GimbalRollDegree="+180.00" drone-dji:GimbalYawDegree="-170.00" drone-dji:GimbalPitchDegree="-90.00" '
        'drone-dji:UTCAtExposure="2026-05-01T12:00:00.123456"'
    )
    photo = read_photo(make_photo(image={0x010F: "DJI", 0x0110: "M3E"}, gps=POSITION | {6: 1000.0}, xmp=xmp))
    assert photo.altitude_datum == "ellipsoid"
    assert photo.alt_amsl_m == pytest.approx(1000 - float(geoid_undulation(-91.9945, 46.8426)))
    assert photo.alt_amsl_m != 1000
    assert (photo.rtk_flag, photo.rtk_std_m) == (50, (0.011, 0.012, 0.025))
    assert photo.alt_rel_m == 80.1
    # A gimbal hanging "upside down" at nadir is one turned by 180 degrees.
    assert (photo.gimbal_yaw_deg, photo.gimbal_pitch_deg, photo.gimbal_roll_deg) == (10, -90, 0)
    assert photo.time_utc == datetime(2026, 5, 1, 12, 0, 0, 123456, UTC)


@pytest.mark.parametrize(
    ("reference", "xmp", "datum"),
    [
        (b"\0", "", "amsl"),
        (b"\2", "", "ellipsoid"),
        (b"\0", packet('drone-dji:AltitudeType="GpsFusionAlt" drone-dji:RtkFlag="16"'), "amsl"),
        (b"\0", packet('drone-dji:RtkFlag="50"'), "ellipsoid"),
        (b"\0", packet('drone-dji:RtkFlag="0"'), "amsl"),
        (
            b"\0",
            packet('Camera:VerticalCS="ellipsoidal"', "Camera", "http://pix4d.com/camera/1.0"),
            "ellipsoid",
        ),
    ],
)
def test_altitude_datum(make_photo: Maker, reference: bytes, xmp: str, datum: str) -> None:
    photo = read_photo(make_photo(gps=POSITION | {5: reference}, xmp=xmp))
    assert photo.altitude_datum == datum
    assert (photo.alt_amsl_m == pytest.approx(198.309)) == (datum == "amsl")


def test_below_sea_level(make_photo: Maker) -> None:
    assert read_photo(make_photo(gps=POSITION | {5: b"\1", 6: 28.5})).alt_amsl_m == -28.5


@pytest.mark.parametrize(
    ("attributes", "prefix", "expected"),
    [
        # Parrot: degrees as text or fractions
        (
            'drone-parrot:CameraYawDegree="12.5" drone-parrot:CameraPitchDegree="-8950/100" drone-parrot:CameraRollDegree="0.5"',
            "drone-parrot",
            (12.5, -89.5, 0.5),
        ),
        # senseFly and Sequoia write Pix4D's angles: pitch counts from straight down
        ('Camera:Yaw="271" Camera:Pitch="2.5" Camera:Roll="-3"', "Camera", (-89.0, -87.5, -3.0)),
        # Autel writes the gimbal's angle under the same name
        ('Camera:Yaw="90" Camera:Pitch="-90.0" Camera:Roll="0"', "Camera", (90.0, -90.0, 0.0)),
        ('Camera:Yaw="north" Camera:Pitch="nan" Camera:Roll=""', "Camera", (None, None, None)),
    ],
)
def test_attitudes_of_other_makers(make_photo: Maker, attributes: str, prefix: str, expected: tuple[Any, ...]) -> None:
    photo = read_photo(make_photo(xmp=packet(attributes, prefix, "http://example.org/")))
    assert (photo.gimbal_yaw_deg, photo.gimbal_pitch_deg, photo.gimbal_roll_deg) == expected


def test_xmp_as_elements_and_with_an_undeclared_prefix(make_photo: Maker) -> None:
    elements = packet("").replace(
        "/></rdf:RDF>", "><drone-dji:RelativeAltitude>+55.5</drone-dji:RelativeAltitude></rdf:Description></rdf:RDF>"
    )
    assert read_photo(make_photo(xmp=elements)).alt_rel_m == 55.5
    broken = packet('unknown:RelativeAltitude="+44.5" other:Text="a & b"')
    assert read_photo(make_photo(xmp=broken)).alt_rel_m == 44.5


def test_corrected_exif_wins_over_stale_xmp(make_photo: Maker) -> None:
    near = packet('drone-dji:GpsLatitude="46.84260012" drone-dji:GpsLongtitude="-91.99450034"')
    photo = read_photo(make_photo(gps=POSITION, xmp=near))
    assert (photo.lat, photo.lon) == (46.84260012, -91.99450034)  # the same place with more digits
    far = packet('drone-dji:GpsLatitude="46.84300000" drone-dji:GpsLongtitude="-91.99450034"')
    photo = read_photo(make_photo(gps=POSITION, xmp=far))
    assert photo.lat == pytest.approx(46.8426, abs=1e-8)


@pytest.mark.parametrize(
    "gps",
    [
        {},
        {1: "N", 2: sexagesimal(0), 3: "E", 4: sexagesimal(0)},  # no fix
        {1: "N", 2: sexagesimal(95), 3: "E", 4: sexagesimal(5)},
        {2: sexagesimal(5), 4: sexagesimal(5)},  # no N or S
    ],
)
def test_no_position_is_none(make_photo: Maker, gps: dict[int, Any]) -> None:
    photo = read_photo(make_photo(gps=gps))
    assert not photo.has_position
    assert (photo.lat, photo.lon, photo.alt_amsl_m) == (None, None, None)


@given(lat=st.floats(-89.9, 89.9), lon=st.floats(-179.9, 179.9))
@settings(max_examples=25)
def test_positions_in_every_quadrant(tmp_path_factory: pytest.TempPathFactory, lat: float, lon: float) -> None:
    if abs(lat) < 1e-6 and abs(lon) < 1e-6:
        return
    tags = Image.Exif()
    tags.get_ifd(0x8825).update(
        {1: "N" if lat >= 0 else "S", 2: sexagesimal(lat), 3: "E" if lon >= 0 else "W", 4: sexagesimal(lon)}
    )
    path = tmp_path_factory.mktemp("p") / "a.jpg"
    Image.new("RGB", (8, 8)).save(path, exif=tags)
    photo = read_photo(path)
    assert (photo.lat, photo.lon) == pytest.approx((lat, lon), abs=1e-9)


def test_times(make_photo: Maker) -> None:
    photo = read_photo(make_photo(exif={0x9003: "2026:05:01 12:00:00", 0x9291: "250", 0x9011: "+02:00"}, gps=POSITION))
    assert photo.time == datetime(2026, 5, 1, 12, 0, 0, 250_000)
    assert photo.time_utc == datetime(2026, 5, 1, 10, 0, 0, 250_000, UTC)
    photo = read_photo(make_photo(gps=POSITION | {7: (10.0, 30.0, 15.5), 29: "2026:05:01"}))
    assert photo.time_utc == datetime(2026, 5, 1, 10, 30, 15, 500_000, UTC)
    photo = read_photo(make_photo(exif={0x9003: "0000:00:00 00:00:00"}))
    assert (photo.time, photo.time_utc) == (None, None)


def test_one_model_with_several_lenses_is_told_apart_by_focal_length(make_photo: Maker) -> None:
    dji = {0x010F: "DJI", 0x0110: "M3E"}
    assert read_photo(make_photo(image=dji, exif={0x920A: 12.29})).camera == "dji-mavic-3e"
    assert read_photo(make_photo(image=dji, exif={0x920A: 29.9})).camera == "dji-mavic-3e-tele"
    sony = {0x010F: "SONY", 0x0110: "ILCE-6000"}
    assert read_photo(make_photo(image=sony, exif={0x920A: 20.0})).camera == "sony-a6000-20mm"
    zoomed = read_photo(make_photo(image=sony, exif={0x920A: 50.0}, size=(600, 400)))
    camera = camera_of(zoomed)
    assert camera.id == "sony-a6000-35mm-50mm-600x400"
    assert camera.fx == pytest.approx(50 / 23.5 * 600)


def test_hasselblad_signed_dji_photos(make_photo: Maker) -> None:
    for make in ("Hasselblad", "DJI", ""):
        assert read_photo(make_photo(image={0x010F: make, 0x0110: "L1D-20c"})).camera == "dji-mavic-2-pro"
    assert read_photo(make_photo(image={0x010F: "Other Maker", 0x0110: "L1D-20c"})).camera is None


def test_a_portrait_photo_keeps_its_focal_length(make_photo: Maker) -> None:
    image = {0x010F: "DJI", 0x0110: "FC6310"}
    wide = camera_of(read_photo(make_photo(image=image, size=(1368, 912))))
    tall = camera_of(read_photo(make_photo(image=image, size=(912, 1368))))
    assert wide.fx == pytest.approx(tall.fx)
    assert (tall.width_px, tall.height_px) == (912, 1368)


def test_a_camera_that_no_catalogue_knows(make_photo: Maker) -> None:
    stranger = {0x010F: "Acme", 0x0110: "Acme Fly 1"}
    by_plane = camera_of(
        read_photo(
            make_photo(
                image=stranger, exif={0x920A: 8.8, 0xA002: 5472, 0xA20E: 5472 / 13.2 * 25.4, 0xA210: 2}, size=(547, 365)
            )
        )
    )
    assert by_plane.fx == pytest.approx(8.8 / 13.2 * 547, rel=1e-3)
    assert by_plane.id == f"acme-fly-1-547x365-{by_plane.fx:.0f}px"
    by_equivalent = camera_of(read_photo(make_photo(image=stranger, exif={0xA405: 24}, size=(400, 300))))
    assert by_equivalent.fx == pytest.approx(24 / math.hypot(36, 24) * 500)
    guess = camera_of(read_photo(make_photo(size=(400, 300))))
    assert guess.source.startswith("guess")
    assert guess.fx == pytest.approx(by_equivalent.fx)


def test_tiff_and_png(make_photo: Maker, tmp_path: Path) -> None:
    for name in ("photo.png", "photo.tif"):
        photo = read_photo(make_photo(name, image={0x010F: "DJI", 0x0110: "FC6310"}, size=(100, 60)))
        assert (photo.width_px, photo.height_px, photo.camera) == (100, 60, "dji-phantom-4-pro")
        assert read_grey(tmp_path / name).shape == (60, 100)


BROKEN: dict[str, tuple[bytes, str]] = {
    "empty.jpg": (b"", "the file is empty"),
    "text.jpg": (b"hello, I am not a photo", "not a JPEG, TIFF or PNG"),
    "head.jpg": (b"\xff\xd8\xff\xe1\x00", "cut off within its head"),
    "noimage.jpg": (b"\xff\xd8\xff\xda\x00\x02\xff\xd9", "without an image"),
    "short.png": (b"\x89PNG\r\n\x1a\n\x00\x00", "PNG is cut off"),
    "short.tif": (b"II*\x00\x08\x00\x00\x00\x00\x00", "TIFF is cut off"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_files_that_are_no_photos(tmp_path: Path, name: str) -> None:
    content, message = BROKEN[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BadInputError, match=message) as caught:
        read_photo(path)
    assert name in str(caught.value)
    for read in (read_grey, read_colour):
        with pytest.raises(BadInputError, match=name.replace(".", r"\.")):
            read(path)


@pytest.mark.parametrize("share", [0.001, 0.05, 0.3, 0.6, 0.95])
def test_a_truncated_jpeg_is_found_from_its_head_and_when_decoding(make_photo: Maker, share: float) -> None:
    path = make_photo(size=(640, 480), image={0x010F: "DJI"})
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    for read in (read_photo, read_grey, read_colour, lambda path: read_grey(path, 100)):
        with pytest.raises(BadInputError, match=r"photo\.jpg: .*(cut off|damaged)"):
            read(path)


def test_bytes_behind_the_image_do_not_matter(make_photo: Maker) -> None:
    path = make_photo()
    path.write_bytes(path.read_bytes() + b"\0" * 20_000)
    assert read_photo(path).width_px == 64
    assert read_grey(path).shape == (48, 64)


@given(st.data())
@settings(max_examples=60)
def test_damaged_exif_never_raises_anything_unexplained(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    buffer = io.BytesIO()
    tags = Image.Exif()
    tags.update({0x010F: "DJI", 0x0110: "FC6310"})
    tags.get_ifd(0x8769).update({0x9003: "2026:05:01 12:00:00", 0x920A: 8.8, 0xA002: 64})
    tags.get_ifd(0x8825).update(POSITION)
    Image.new("RGB", (64, 48)).save(buffer, "JPEG", exif=tags, xmp=packet('drone-dji:RelativeAltitude="+5"').encode())
    content = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 12))):
        content[data.draw(st.integers(2, len(content) - 3))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("d") / "a.jpg"
    path.write_bytes(bytes(content))
    try:
        camera_of(read_photo(path))
    except BadInputError as error:
        assert "a.jpg" in str(error)


def test_a_directory_that_points_at_itself_ends(tmp_path: Path) -> None:
    tiff = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 1) + struct.pack("<HHII", 0x8769, 4, 1, 8) + b"\0" * 4
    segment = b"Exif\0\0" + tiff
    head = b"\xff\xd8\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG")
    (tmp_path / "loop.jpg").write_bytes(head + buffer.getvalue()[2:])
    assert read_photo(tmp_path / "loop.jpg").width_px == 8


def test_listing(tmp_path: Path) -> None:
    for name in ("b/DJI_10.JPG", "b/DJI_2.JPG", "a.jpeg", "c.TIF", "._a.jpeg", ".hidden/x.jpg", "notes.txt", "b/d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    names = [path.relative_to(tmp_path).as_posix() for path in list_photos(tmp_path)]
    assert names == ["a.jpeg", "b/d.png", "b/DJI_2.JPG", "b/DJI_10.JPG", "c.TIF"]


def test_folders_without_photos_are_explained(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="there is no such folder"):
        list_photos(tmp_path / "missing")
    with pytest.raises(BadInputError, match="no photos: the folder is empty"):
        list_photos(tmp_path)
    (tmp_path / "a.txt").touch()
    with pytest.raises(BadInputError, match="no photos: none of its 1 files is a photo"):
        list_photos(tmp_path)
    with pytest.raises(BadInputError, match="is a file"):
        list_photos(tmp_path / "a.txt")


@pytest.mark.parametrize("long_side", [None, 500, 499, 126, 9000])
def test_decoding_at_any_size(shared_data: Path, long_side: int | None) -> None:
    path = list_photos(shared_data / "images/caliterra_1000/images")[0]
    grey, colour = read_grey(path, long_side), read_colour(path, long_side)
    assert max(grey.shape) == min(long_side or 1000, 1000)
    assert colour.shape == (*grey.shape, 3)
    assert grey.dtype == colour.dtype == np.uint8
    # Compared at a common small size, where the kind of resampling no longer matters but a shift or a swapped channel does.
    with Image.open(path) as image:
        expected = np.asarray(image.convert("RGB").resize((100, 75), Image.Resampling.BOX), float)
    assert np.abs(small(colour) - expected).mean() < 2
    assert np.abs(small(grey) - expected @ (0.299, 0.587, 0.114)).mean() < 2


def small(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.asarray(Image.fromarray(image).resize((100, 75), Image.Resampling.BOX), float)


def test_orientation_is_reported_but_not_applied(make_photo: Maker) -> None:
    path = make_photo(image={0x0112: 6}, size=(64, 48))
    assert read_photo(path).orientation == 6
    assert read_grey(path).shape == (48, 64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_colour(path).shape == (48, 64, 3)
