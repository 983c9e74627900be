"""A drone photo's facts: where, when and with what it was taken, from EXIF and the XMP of DJI, Parrot, senseFly and Autel."""

import functools
import math
import os
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from imagery.core.camera import Camera, catalogue
from imagery.core.errors import BadInputError
from imagery.core.exif import ImageHead, read_image_head
from imagery.core.frame import ellipsoid_to_msl

__all__ = ["PHOTO_SUFFIXES", "Photo", "camera_of", "list_photos", "read_photo"]

PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".tif", ".tiff", ".png"})
FULL_FRAME_DIAGONAL_MM = math.hypot(36, 24)
GUESSED_FOCAL_35MM = 24.0  # what most mapping drones carry; only where the photo says nothing of its lens


@dataclass(frozen=True, slots=True)
class Photo:
    """What a photo says about itself; None where it says nothing (or nonsense).

    Attributes:
        path: the file.
        width_px, height_px: of the stored pixels (before any EXIF orientation is applied).
        make, model: as EXIF names them, without padding.
        camera: id of the camera in the catalogue.
        focal_length_mm, focal_35mm, sensor_width_mm: the lens, its 35 mm equivalent, and the sensor's width where EXIF gives it.
        exposure_s: exposure time in seconds.
        time: the camera's clock, without time zone; time_utc: UTC where the photo knows it. Both with sub-seconds.
        lat, lon: WGS 84 degrees.
        alt_amsl_m: height above mean sea level (EGM96); altitude_datum: what the photo's own figure was: "amsl" as EXIF
            defines it, or "ellipsoid" (RTK), which has then been converted.
        alt_rel_m: height above the take-off point.
        gimbal_yaw_deg, gimbal_pitch_deg, gimbal_roll_deg: the camera's yaw clockwise from north, pitch
            (-90 = straight down) and roll.
        flight_yaw_deg, flight_pitch_deg, flight_roll_deg: the aircraft's.
        rtk_flag: DJI's: 50 fixed, 32 to 49 float, 16 single point, 0 none; rtk_std_m: standard deviation east, north,
            up in metres.
        orientation: EXIF's 1 to 8.
    """

    path: Path
    width_px: int
    height_px: int
    make: str = ""
    model: str = ""
    camera: str | None = None
    focal_length_mm: float | None = None
    focal_35mm: float | None = None
    sensor_width_mm: float | None = None
    exposure_s: float | None = None
    time: datetime | None = None
    time_utc: datetime | None = None
    lat: float | None = None
    lon: float | None = None
    alt_amsl_m: float | None = None
    altitude_datum: str | None = None
    alt_rel_m: float | None = None
    gimbal_yaw_deg: float | None = None
    gimbal_pitch_deg: float | None = None
    gimbal_roll_deg: float | None = None
    flight_yaw_deg: float | None = None
    flight_pitch_deg: float | None = None
    flight_roll_deg: float | None = None
    rtk_flag: int | None = None
    rtk_std_m: tuple[float, float, float] | None = None
    orientation: int = 1

    @property
    def has_position(self) -> bool:
        """Whether the photo knows its latitude and longitude."""
        return self.lat is not None and self.lon is not None


def list_photos(folder: str | Path) -> list[Path]:
    """Every photo below a folder in natural order (`DJI_2` before `DJI_10`), without hidden files and folders.

    Raises BadInputError when the folder is missing, is a file, is empty or holds no photo.
    """
    folder = Path(folder)
    if not folder.exists():
        raise BadInputError(f"{folder}: there is no such folder of photos")
    if not folder.is_dir():
        raise BadInputError(f"{folder}: is a file; give the folder that holds the photos")
    found: list[Path] = []
    others = 0
    for here, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        photos = [name for name in names if not name.startswith(".") and Path(name).suffix.lower() in PHOTO_SUFFIXES]
        found += [Path(here, name) for name in photos]
        others += len(names) - len(photos)
    if not found:
        what = f"none of its {others} files is a photo (JPEG, TIFF or PNG)" if others else "the folder is empty"
        raise BadInputError(f"{folder}: no photos: {what}")
    return sorted(found, key=lambda path: _natural(path.relative_to(folder).as_posix()))


def read_photo(path: str | Path) -> Photo:
    """A photo's facts from its head; raises BadInputError when the file is no image, is empty or is cut off."""
    path = Path(path)
    head = read_image_head(path)
    make, model = head.text("image", 0x010F), head.text("image", 0x0110)
    focal = _positive(head.number("exif", 0x920A))
    lat, lon = _position(head)
    rtk_flag = _number(head, "RtkFlag")
    alt_amsl_m, datum = _altitude(head, lat, lon, rtk_flag)
    gimbal_yaw, gimbal_pitch, gimbal_roll = _gimbal(head)
    time, time_utc = _times(head)
    entry = _catalogue_entry(make, model, focal)
    std = [_positive(_number(head, name)) for name in ("RtkStdLon", "RtkStdLat", "RtkStdHgt")]
    east, north, up = std if all(std) else (None, None, None)
    return Photo(
        path=path,
        width_px=head.width_px,
        height_px=head.height_px,
        make=make,
        model=model,
        camera=entry.id if entry else None,
        focal_length_mm=focal,
        focal_35mm=_positive(head.number("exif", 0xA405)),
        sensor_width_mm=_sensor_width_mm(head),
        exposure_s=_positive(head.number("exif", 0x829A)),
        time=time,
        time_utc=time_utc,
        lat=lat,
        lon=lon,
        alt_amsl_m=alt_amsl_m,
        altitude_datum=datum,
        alt_rel_m=_number(head, "RelativeAltitude"),
        gimbal_yaw_deg=gimbal_yaw,
        gimbal_pitch_deg=gimbal_pitch,
        gimbal_roll_deg=gimbal_roll,
        flight_yaw_deg=_number(head, "FlightYawDegree", "DroneYawDegree"),
        flight_pitch_deg=_number(head, "FlightPitchDegree", "DronePitchDegree"),
        flight_roll_deg=_number(head, "FlightRollDegree", "DroneRollDegree"),
        rtk_flag=int(rtk_flag) if rtk_flag is not None else None,
        rtk_std_m=(east, north, up) if east and north and up else None,
        orientation=int(head.number("image", 0x0112) or 1),
    )


def camera_of(photo: Photo) -> Camera:
    """The camera that took a photo, for the photo's own pixel size.

    From the catalogue by make and model; else from EXIF (focal length with the sensor's width, or 35 mm equivalent); else a
    guess, which `source` names. Resized and cropped photos keep the catalogue's lens; a zoom takes EXIF's focal length. The id
    is the catalogue's for a photo of its size and lens, and says what differs otherwise, so that equal ids are equal cameras.
    """
    entry = catalogue()[photo.camera] if photo.camera else None
    return _resized(entry, photo) if entry else _from_exif(photo)


def _resized(entry: Camera, photo: Photo) -> Camera:
    """A catalogue camera for a photo that may be resized, cropped to another aspect, turned, or zoomed."""
    width, height = photo.width_px, photo.height_px
    long_side, short_side = max(width, height), min(width, height)
    # A crop to another aspect keeps the whole of one side, so the larger ratio is the scale.
    scale = max(
        long_side / max(entry.width_px, entry.height_px),
        short_side / min(entry.width_px, entry.height_px),
    )
    id, focal_mm = entry.id, entry.focal_length_mm
    fx = entry.fx * scale
    if photo.focal_length_mm and abs(photo.focal_length_mm / focal_mm - 1) > 0.03:
        fx *= photo.focal_length_mm / focal_mm
        focal_mm = photo.focal_length_mm
        id += f"-{focal_mm:g}mm"
    if (width, height) == (entry.width_px, entry.height_px):
        return entry if id == entry.id else replace(entry, id=id, fx=fx, fy=fx, focal_length_mm=focal_mm)
    return replace(
        entry,
        id=f"{id}-{width}x{height}",
        width_px=width,
        height_px=height,
        fx=fx,
        fy=fx,
        cx=(width - 1) / 2,
        cy=(height - 1) / 2,
        focal_length_mm=focal_mm,
        sensor_width_mm=focal_mm * width / fx,
        sensor_height_mm=focal_mm * height / fx,
    )


def _from_exif(photo: Photo) -> Camera:
    width, height = photo.width_px, photo.height_px
    if photo.focal_length_mm and photo.sensor_width_mm:
        fx = photo.focal_length_mm / photo.sensor_width_mm * max(width, height)
        source = "EXIF focal length and focal plane resolution"
    elif photo.focal_35mm:
        fx = photo.focal_35mm / FULL_FRAME_DIAGONAL_MM * _full_diagonal_px(width, height)
        source = "EXIF 35 mm equivalent focal length"
    else:
        fx = GUESSED_FOCAL_35MM / FULL_FRAME_DIAGONAL_MM * _full_diagonal_px(width, height)
        source = f"guess: {GUESSED_FOCAL_35MM:g} mm equivalent, since neither the catalogue nor EXIF knows the lens"
    name = photo.model if photo.model.startswith(photo.make) else f"{photo.make} {photo.model}"
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "unknown"
    focal_mm = photo.focal_length_mm or fx * 36 / max(width, height)
    camera = Camera.from_sensor(
        id=f"{slug}-{width}x{height}-{fx:.0f}px",
        name=name or "unknown camera",
        width_px=width,
        height_px=height,
        sensor_width_mm=focal_mm * width / fx,
        sensor_height_mm=focal_mm * height / fx,
        focal_length_mm=focal_mm,
        make=photo.make,
        models=(photo.model,) if photo.model else (),
        source=source,
    )
    return replace(camera, fx=fx, fy=fx)


def _full_diagonal_px(width: int, height: int) -> float:
    """The diagonal to which a 35 mm equivalent refers: a 16:9 photo is a crop of a 4:3 sensor."""
    long_side, short_side = max(width, height), min(width, height)
    return math.hypot(long_side, short_side if short_side / long_side > 0.6 else 0.75 * long_side)


@functools.lru_cache(maxsize=256)
def _catalogue_entry(make: str, model: str, focal_length_mm: float | None) -> Camera | None:
    """The catalogue's camera by EXIF make and model; of several lenses under one model the nearest focal length."""
    found = [
        camera
        for camera in catalogue().values()
        if model.lower() in (name.lower() for name in camera.models)
        and (not make or _maker(make) == _maker(camera.make))
    ]
    if not model or not found:
        return None
    if focal_length_mm is None:
        return found[0]
    return min(found, key=lambda camera: abs(math.log(camera.focal_length_mm / focal_length_mm)))


def _maker(make: str) -> str:
    """A maker's name for comparing: DJI's photos are signed Hasselblad too."""
    first = make.lower().split()[0]
    return "dji" if first == "hasselblad" else first


def _natural(name: str) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", name.lower())
    return [(0, int(part), part) if part.isdigit() else (1, 0, part) for part in parts if part]


def _number(head: ImageHead, *names: str) -> float | None:
    """The first of some XMP entries that is a finite number ("+39.80", or a fraction as "3980/100")."""
    for name in names:
        above, _, below = head.xmp.get(name, "").partition("/")
        try:
            value = float(above) / float(below or 1)
        except (ValueError, ZeroDivisionError):
            continue
        if math.isfinite(value):
            return value
    return None


def _positive(value: float | None) -> float | None:
    return value if value is not None and value > 0 else None


def _angle(head: ImageHead, value_tag: int, side_tag: int, negative: str) -> float | None:
    """A latitude or longitude from EXIF's degrees, minutes, seconds and its N/S/E/W."""
    value, side = head.tags.get(("gps", value_tag)), head.text("gps", side_tag)
    parts = value if isinstance(value, tuple) else (value,)
    if not all(isinstance(part, float) for part in parts) or not side:
        return None
    # Some writers leave 0/0 for unused minutes or seconds.
    degrees = sum((0.0 if math.isnan(part) else part) / 60**power for power, part in enumerate(parts))
    return -degrees if side.upper().startswith(negative) else degrees


def _position(head: ImageHead) -> tuple[float | None, float | None]:
    """Latitude and longitude; (0, 0), which cameras write without a fix, counts as none."""
    plain = _checked(_angle(head, 2, 1, "S"), _angle(head, 4, 3, "W"))
    fine = _checked(
        _number(head, "GpsLatitude", "Latitude"), _number(head, "GpsLongitude", "GpsLongtitude", "Longitude")
    )
    if plain is None or fine is None:
        return plain or fine or (None, None)
    # XMP carries more digits. Where the two are metres apart someone has corrected EXIF since: then EXIF is right.
    apart = max(abs(fine[0] - plain[0]), abs(fine[1] - plain[1]) * math.cos(math.radians(plain[0])))
    return fine if apart < 1e-5 else plain


def _checked(lat: float | None, lon: float | None) -> tuple[float, float] | None:
    if lat is None or lon is None or abs(lat) > 90 or abs(lon) > 180 or (lat, lon) == (0.0, 0.0):
        return None
    return lat, lon


def _altitude(
    head: ImageHead, lat: float | None, lon: float | None, rtk_flag: float | None
) -> tuple[float | None, str | None]:
    """Height above mean sea level and the datum of the photo's own figure.

    EXIF defines GPSAltitude as above sea level (2.x) or, with reference 2 and 3, above the ellipsoid (3.0). DJI's RTK drones
    write ellipsoidal heights and say so in XMP (AltitudeType "RtkAlt"; the Phantom 4 RTK only by its RTK flag).
    """
    reference = head.tags.get(("gps", 5))
    reference = reference[0] if isinstance(reference, bytes) and reference else reference
    height = head.number("gps", 6)
    if height is not None and reference in (1, 3):
        height = -abs(height)
    if height is None:
        height = _number(head, "AbsoluteAltitude")
    if height is None or not -1000 < height < 30000:
        return None, None
    kind = head.xmp.get("AltitudeType", "").lower()
    ellipsoidal = (
        reference in (2, 3)
        or kind == "rtkalt"
        or (not kind and rtk_flag is not None and rtk_flag >= 16)
        or head.xmp.get("VerticalCS", "").lower().startswith("ellips")
    )
    if ellipsoidal and lat is not None and lon is not None:
        return float(ellipsoid_to_msl(lon, lat, height)), "ellipsoid"
    return height, "amsl"


def _gimbal(head: ImageHead) -> tuple[float | None, float | None, float | None]:
    """Yaw, pitch (-90 = down) and roll of the camera from DJI's, Parrot's or Pix4D's XMP (senseFly, Autel, Sequoia)."""
    yaw = _number(head, "GimbalYawDegree", "CameraYawDegree")
    pitch = _number(head, "GimbalPitchDegree", "CameraPitchDegree")
    roll = _number(head, "GimbalRollDegree", "CameraRollDegree")
    if pitch is None:
        yaw, pitch, roll = _number(head, "Yaw"), _number(head, "Pitch"), _number(head, "Roll")
        # Pix4D's namespace counts pitch from straight down; a value beyond -45 can only be a gimbal's angle.
        pitch = pitch - 90 if pitch is not None and pitch > -45 else pitch
    if (
        roll is not None and abs(abs(roll) - 180) < 1 and pitch is not None
    ):  # DJI at -90: roll and yaw turned by 180 together
        roll, yaw = 0.0, (yaw + 180 if yaw is not None else None)
    yaw = (yaw + 180) % 360 - 180 if yaw is not None else None
    return yaw, pitch, roll


def _sensor_width_mm(head: ImageHead) -> float | None:
    """The sensor's width from the focal plane's resolution, which refers to the size that EXIF states."""
    pixels, resolution = head.number("exif", 0xA002), _positive(head.number("exif", 0xA20E))
    unit_mm = {2: 25.4, 3: 10.0, 4: 1.0}.get(int(head.number("exif", 0xA210) or 2))
    if not pixels or not resolution or not unit_mm:
        return None
    width = pixels / resolution * unit_mm
    return width if 1 < width < 100 else None


def _times(head: ImageHead) -> tuple[datetime | None, datetime | None]:
    """The camera's clock, and UTC from XMP, the stated time zone, or the GPS."""
    written = head.text("exif", 0x9003) or head.text("exif", 0x9004) or head.text("image", 0x0132)
    fraction = head.text("exif", 0x9291) or head.text("exif", 0x9290)
    time = _parse_time(written)
    if time and fraction.isdigit():
        time += timedelta(seconds=int(fraction) / 10 ** len(fraction))
    zone = re.fullmatch(r"([+-])(\d\d):?(\d\d)", head.text("exif", 0x9011) or head.text("exif", 0x9010))
    utc = _parse_time(head.xmp.get("UTCAtExposure", ""))
    if utc:
        return time, utc.replace(tzinfo=UTC)
    if time and zone:
        minutes = int(zone[1] + "1") * (int(zone[2]) * 60 + int(zone[3]))
        if abs(minutes) <= 14 * 60:
            return time, time.replace(tzinfo=timezone(timedelta(minutes=minutes))).astimezone(UTC)
    return time, _gps_time(head)


def _gps_time(head: ImageHead) -> datetime | None:
    day, clock = _parse_time(head.text("gps", 29) + " 00:00:00"), head.tags.get(("gps", 7))
    if not day or not isinstance(clock, tuple) or len(clock) != 3 or not all(math.isfinite(part) for part in clock):
        return None
    hours, minutes, seconds = clock
    return day.replace(tzinfo=UTC) + timedelta(hours=hours, minutes=minutes, seconds=seconds)


def _parse_time(text: str) -> datetime | None:
    match = re.match(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d):(\d\d):(\d\d)(\.\d+)?", text)
    if not match:
        return None
    try:
        whole = datetime.strptime("".join(match.groups()[:6]), "%Y%m%d%H%M%S")
    except ValueError:
        return None
    return whole + timedelta(seconds=float(match[7] or 0))
