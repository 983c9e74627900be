"""A JPEG's name and metadata as its camera's maker writes them: EXIF and, from drones' own cameras, XMP with position and angles.

DJI (and Hasselblad on DJI's drones) use DJI's vocabulary; Autel, Parrot and senseFly Pix4D's, whose pitch counts from straight
down; cameras that were made to be held in the hand write none.
"""

import struct
from dataclasses import dataclass
from datetime import datetime

from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from imagery.core.camera import Camera

__all__ = ["Tags", "file_name", "with_metadata"]

XMP_MARK = b"http://ns.adobe.com/xap/1.0/\x00"
FULL_FRAME_DIAGONAL_MM = 43.267
DJI, PIX4D = ("DJI", "Hasselblad"), ("Autel Robotics", "Parrot", "senseFly")
NAMESPACES = {"drone-dji": "http://www.dji.com/drone-dji/1.0/", "Camera": "http://pix4d.com/camera/1.0/"}


@dataclass(frozen=True, slots=True)
class Tags:
    """What the drone believes at an exposure. gimbal_deg, flight_deg: yaw, pitch, roll; sigma_m: horizontal, vertical."""

    time_utc: datetime
    lat: float
    lon: float
    alt_amsl_m: float
    alt_rel_m: float
    gimbal_deg: tuple[float, float, float]
    flight_deg: tuple[float, float, float]
    sigma_m: tuple[float, float]
    rtk: bool = False
    alt_ellipsoid_m: float | None = None

    @property
    def altitude_m(self) -> float:
        """The height that the drone writes: above the ellipsoid with RTK, else above mean sea level."""
        return self.alt_amsl_m if self.alt_ellipsoid_m is None else self.alt_ellipsoid_m


def file_name(camera: Camera, number: int) -> str:
    """The name that the camera gives its photo of a number (from 1), as DJI_0001.JPG."""
    prefix, digits = {"DJI": ("DJI_", 4), "Hasselblad": ("DJI_", 4), "SONY": ("DSC", 5)}.get(camera.make, ("IMG_", 4))
    return f"{prefix}{number:0{digits}d}.JPG"


def with_metadata(jpeg: bytes, camera: Camera, tags: Tags) -> bytes:
    """The JPEG with EXIF and XMP segments put behind its first marker."""
    bodies = [_exif(camera, tags)]
    if camera.make in DJI:
        bodies.append(_xmp("drone-dji", _dji(tags)))
    elif camera.make in PIX4D:
        bodies.append(_xmp("Camera", _pix4d(tags)))
    segments = b"".join(struct.pack(">HH", 0xFFE1, len(body) + 2) + body for body in bodies)
    return jpeg[:2] + segments + jpeg[2:]


def _rational(value: float, denominator: int) -> IFDRational:
    return IFDRational(round(value * denominator), denominator)


def _degrees(value: float) -> tuple[IFDRational, IFDRational, IFDRational]:
    value = abs(value)
    whole = int(value)
    minutes = int((value - whole) * 60)
    seconds = (value - whole - minutes / 60) * 3600
    return IFDRational(whole, 1), IFDRational(minutes, 1), _rational(max(0.0, seconds), 1_000_000)


def _exif(camera: Camera, tags: Tags) -> bytes:
    exif = Image.Exif()
    when = tags.time_utc.strftime("%Y:%m:%d %H:%M:%S")
    exif[0x010F], exif[0x0110] = camera.make or "DJI", (camera.models[0] if camera.models else camera.name)
    exif[0x0112], exif[0x0131], exif[0x0132] = 1, "skyrelief", when
    focal = camera.focal_length_mm or camera.fx * 36 / camera.width_px
    diagonal = (camera.width_px**2 + camera.height_px**2) ** 0.5
    exif[0x8769] = {
        0x829A: IFDRational(1, 1000), 0x829D: IFDRational(28, 10), 0x8827: 100,
        0x9003: when, 0x9004: when, 0x9010: "+00:00", 0x9011: "+00:00", 0x9291: f"{tags.time_utc.microsecond // 1000:03d}",
        0x920A: _rational(focal, 100), 0xA002: camera.width_px, 0xA003: camera.height_px,
        0xA405: round(FULL_FRAME_DIAGONAL_MM * camera.fx / diagonal),
    }  # fmt: skip
    height = tags.altitude_m
    clock = tags.time_utc
    exif[0x8825] = {
        0: b"\x02\x03\x00\x00", 1: "N" if tags.lat >= 0 else "S", 2: _degrees(tags.lat), 3: "E" if tags.lon >= 0 else "W",
        4: _degrees(tags.lon),
        5: bytes([int(height < 0)]), 6: _rational(abs(height), 1000),
        7: (IFDRational(clock.hour, 1), IFDRational(clock.minute, 1), _rational(clock.second + clock.microsecond / 1e6, 1000)),
        29: clock.strftime("%Y:%m:%d"),
    }  # fmt: skip
    return bytes(exif.tobytes())


def _dji(tags: Tags) -> dict[str, str]:
    yaw, pitch, roll = tags.gimbal_deg
    flight_yaw, flight_pitch, flight_roll = tags.flight_deg
    entries = {
        "AltitudeType": "RtkAlt" if tags.rtk else "GpsFusionAlt",
        "GpsStatus": "RTK" if tags.rtk else "GPS",
        "GpsLatitude": f"{tags.lat:+.9f}",
        "GpsLongitude": f"{tags.lon:+.9f}",
        "AbsoluteAltitude": f"{tags.altitude_m:+.3f}",
        "RelativeAltitude": f"{tags.alt_rel_m:+.3f}",
        "GimbalRollDegree": f"{roll:+.2f}",
        "GimbalYawDegree": f"{(yaw + 180) % 360 - 180:+.2f}",
        "GimbalPitchDegree": f"{pitch:+.2f}",
        "FlightRollDegree": f"{flight_roll:+.2f}",
        "FlightYawDegree": f"{(flight_yaw + 180) % 360 - 180:+.2f}",
        "FlightPitchDegree": f"{flight_pitch:+.2f}",
        "UTCAtExposure": tags.time_utc.strftime("%Y-%m-%dT%H:%M:%S.%f"),
    }
    if tags.rtk:
        sigma_h, sigma_v = (max(0.001, value) for value in tags.sigma_m)
        entries |= {
            "RtkFlag": "50",
            "RtkStdLon": f"{sigma_h:.5f}",
            "RtkStdLat": f"{sigma_h:.5f}",
            "RtkStdHgt": f"{sigma_v:.5f}",
        }
    return entries


def _pix4d(tags: Tags) -> dict[str, str]:
    yaw, pitch, roll = tags.gimbal_deg
    return {
        "Yaw": f"{yaw % 360:.3f}",
        "Pitch": f"{pitch + 90:.3f}",
        "Roll": f"{roll:.3f}",
        "AboveGroundAltitude": f"{tags.alt_rel_m:.3f}",
        "GPSXYAccuracy": f"{tags.sigma_m[0]:.3f}",
        "GPSZAccuracy": f"{tags.sigma_m[1]:.3f}",
    }


def _xmp(prefix: str, entries: dict[str, str]) -> bytes:
    attributes = "\n".join(f'   {prefix}:{name}="{value}"' for name, value in entries.items())
    packet = (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
        ' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
        f'  <rdf:Description rdf:about="" xmlns:{prefix}="{NAMESPACES[prefix]}"\n'
        f"{attributes}/>\n </rdf:RDF>\n</x:xmpmeta>\n"
        '<?xpacket end="w"?>'
    )
    return XMP_MARK + packet.encode("utf-8")
