"""A position written into a JPEG's EXIF and XMP: nothing else of the file changes, neither pixels nor other tags.

The EXIF block is a TIFF structure full of offsets, among them a maker's undocumented ones. So nothing in it is moved: a new GPS
directory (and, where the first directory has no room for its pointer, a new first directory) is put behind what is there.

Sources: TIFF 6.0 section 2; CIPA DC-008 (Exif 2.32) section 4.6.6; Adobe XMP specification part 3 section 1.1.3.
"""

import math
import struct
from collections.abc import Mapping
from datetime import UTC, datetime
from xml.sax.saxutils import quoteattr

from imagery.core.errors import BadInputError

__all__ = ["with_position"]

_EXIF_NAME, _XMP_NAME = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_GPS_POINTER = 0x8825
_LARGEST_SEGMENT = 65533
_DJI = "http://www.dji.com/drone-dji/1.0/"
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8}

Field = tuple[int, int, bytes]  # TIFF type, count, value as bytes


def with_position(
    jpeg: bytes,
    lat: float,
    lon: float,
    alt_amsl_m: float | None = None,
    *,
    direction_deg: float | None = None,
    time_utc: datetime | None = None,
    xmp: Mapping[str, str] | None = None,
) -> bytes:
    """The JPEG with this GPS position (WGS 84 degrees, metres above mean sea level) and image direction (from true north).

    `xmp`: more entries of DJI's XMP namespace, which most photogrammetry reads. Raises BadInputError for what is no JPEG or whose
    metadata leave no room.
    """
    if not jpeg.startswith(b"\xff\xd8"):
        raise BadInputError("not a JPEG")
    head, rest = _segments(jpeg)
    exif = next((body for marker, body in head if marker == 0xE1 and body.startswith(_EXIF_NAME)), None)
    packet = next((body for marker, body in head if marker == 0xE1 and body.startswith(_XMP_NAME)), None)
    tiff = (
        exif[len(_EXIF_NAME) :] if exif is not None and exif[6:8] in (b"II", b"MM") else b"II*\0\x08\0\0\0\0\0\0\0\0\0"
    )
    entries = {"GpsLatitude": f"{lat:+.9f}", "GpsLongitude": f"{lon:+.9f}", **(xmp or {})}
    if alt_amsl_m is not None:
        entries |= {"AltitudeType": "GpsFusionAlt", "AbsoluteAltitude": f"{alt_amsl_m:+.3f}"}
    new_exif = _EXIF_NAME + _with_gps(tiff, lat, lon, alt_amsl_m, direction_deg, time_utc)
    new_xmp = _XMP_NAME + _with_entries(packet[len(_XMP_NAME) :] if packet is not None else b"", entries)
    if max(len(new_exif), len(new_xmp)) > _LARGEST_SEGMENT:
        raise BadInputError("its metadata leave no room for a position")
    kept = [(marker, body) for marker, body in head if body is not exif and body is not packet]
    at = next((k for k, (marker, _) in enumerate(kept) if marker != 0xE0), len(kept))  # behind JFIF's own segment
    kept[at:at] = [(0xE1, new_exif), (0xE1, new_xmp)]
    return jpeg[:2] + b"".join(struct.pack(">BBH", 0xFF, m, len(body) + 2) + body for m, body in kept) + rest


def _segments(jpeg: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """The segments before the image data, and everything from there on."""
    found, at = [], 2
    while at + 4 <= len(jpeg) and jpeg[at] == 0xFF and (0xE0 <= jpeg[at + 1] <= 0xEF or jpeg[at + 1] == 0xFE):
        length = int.from_bytes(jpeg[at + 2 : at + 4])
        found.append((jpeg[at + 1], jpeg[at + 4 : at + 2 + length]))
        at += 2 + length
    return found, jpeg[at:]


# --- EXIF


def _with_gps(
    tiff: bytes, lat: float, lon: float, alt_m: float | None, direction_deg: float | None, time_utc: datetime | None
) -> bytes:
    order = "<" if tiff[:2] == b"II" else ">"
    gps = _gps_fields(order, lat, lon, alt_m, direction_deg, time_utc)
    tiff += b"\0" * (len(tiff) % 2)
    gps_at = len(tiff)
    tiff += _directory(order, gps, gps_at)
    (first_at,) = struct.unpack_from(order + "I", tiff, 4)
    (count,) = struct.unpack_from(order + "H", tiff, first_at)
    own = struct.pack(order + "HHII", _GPS_POINTER, 4, 1, gps_at)
    entries = [tiff[first_at + 2 + 12 * k :][:12] for k in range(count)]
    tags = [struct.unpack(order + "H", entry[:2])[0] for entry in entries]
    if _GPS_POINTER in tags:
        place = first_at + 2 + 12 * tags.index(_GPS_POINTER)
        return tiff[:place] + own + tiff[place + 12 :]
    next_directory = tiff[first_at + 2 + 12 * count :][:4].ljust(4, b"\0")
    entries = sorted([*entries, own], key=lambda entry: struct.unpack(order + "H", entry[:2])[0])
    tiff += b"\0" * (len(tiff) % 2)
    moved = struct.pack(order + "H", len(entries)) + b"".join(entries) + next_directory
    return tiff[:4] + struct.pack(order + "I", len(tiff)) + tiff[8:] + moved


def _gps_fields(
    order: str, lat: float, lon: float, alt_m: float | None, direction_deg: float | None, time_utc: datetime | None
) -> dict[int, Field]:
    def fractions(*values: tuple[float, int]) -> Field:
        parts = [number for value, below in values for number in (round(value * below), below)]
        return 5, len(values), struct.pack(f"{order}{len(parts)}I", *parts)

    def angle(degrees: float) -> Field:
        tenths_of_microseconds = round(abs(degrees) * 3600 * 1e6)
        whole, left = divmod(tenths_of_microseconds, 3600 * 10**6)
        minutes, left = divmod(left, 60 * 10**6)
        return 5, 3, struct.pack(f"{order}6I", whole, 1, minutes, 1, left, 10**6)

    fields: dict[int, Field] = {
        0: (1, 4, b"\2\3\0\0"),
        1: (2, 2, b"N\0" if lat >= 0 else b"S\0"),
        2: angle(lat),
        3: (2, 2, b"E\0" if lon >= 0 else b"W\0"),
        4: angle(lon),
        18: (2, 7, b"WGS-84\0"),
    }
    if alt_m is not None and math.isfinite(alt_m):
        fields |= {5: (1, 1, bytes([alt_m < 0])), 6: fractions((abs(alt_m), 1000))}
    if time_utc is not None:
        clock = time_utc.astimezone(UTC)
        fields[7] = fractions((clock.hour, 1), (clock.minute, 1), (clock.second + clock.microsecond / 1e6, 1000))
        fields[29] = (2, 11, clock.strftime("%Y:%m:%d").encode() + b"\0")
    if direction_deg is not None:
        fields |= {16: (2, 2, b"T\0"), 17: fractions((direction_deg % 360, 100))}
    return fields


def _directory(order: str, fields: Mapping[int, Field], at: int) -> bytes:
    """A directory as it stands at an offset, its longer values behind it."""
    values_at = at + 2 + 12 * len(fields) + 4
    entries, values = b"", b""
    for tag in sorted(fields):
        kind, count, value = fields[tag]
        if count * _SIZES[kind] > 4:
            entries += struct.pack(order + "HHII", tag, kind, count, values_at + len(values))
            values += value + b"\0" * (len(value) % 2)
        else:
            entries += struct.pack(order + "HHI", tag, kind, count) + value.ljust(4, b"\0")
    return struct.pack(order + "H", len(fields)) + entries + b"\0\0\0\0" + values


# --- XMP


def _with_entries(packet: bytes, entries: Mapping[str, str]) -> bytes:
    """An XMP packet with our entries before all others, so that they are the ones that readers find; a new one if need be."""
    attributes = "".join(f"\n   drone-dji:{name}={quoteattr(value)}" for name, value in entries.items())
    own = f'\n  <rdf:Description rdf:about="" xmlns:drone-dji="{_DJI}"{attributes}/>'.encode()
    begin = packet.find(b"<rdf:RDF")
    end = packet.find(b">", begin) + 1
    if begin >= 0 and end > 0 and packet[end - 2 : end] != b"/>":
        return packet[:end] + own + packet[end:]
    return (
        (
            '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
            ' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        ).encode()
        + own
        + b'\n </rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="w"?>'
    )
