"""Size, EXIF tags and XMP entries of an image file, read from its head without decoding a pixel.

JPEG, TIFF and PNG. Damaged or odd tags are left out rather than raised: drones write many. Only a file that is no image, or
whose image data is cut off, is an error.
"""

import math
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from imagery.core.errors import BadInputError

__all__ = ["ImageHead", "read_image_head"]

# TIFF 6.0 section 2: the size in bytes and the struct letter of each field type; 5 and 10 are fractions.
_TYPES = {1: "B", 2: "s", 3: "H", 4: "I", 5: "II", 6: "b", 7: "s", 8: "h", 9: "i", 10: "ii", 11: "f", 12: "d", 13: "I"}
_SUB_DIRECTORIES = {0x8769: "exif", 0x8825: "gps"}
_LONGEST_VALUE = 1 << 20
_START_OF_FRAME = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
_XMP_NAME = b"http://ns.adobe.com/xap/1.0/\0"
_PNG_NAME = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class ImageHead:
    """What the head of an image file says.

    Attributes: width_px, height_px: of the stored pixels, whatever EXIF claims; tags: EXIF values by ("image" | "exif" |
    "gps", tag number), numbers as float (a tuple where there are several), text stripped; xmp: entries by name without prefix.
    """

    width_px: int
    height_px: int
    tags: dict[tuple[str, int], Any] = field(default_factory=dict)
    xmp: dict[str, str] = field(default_factory=dict)

    def number(self, directory: str, tag: int) -> float | None:
        """A finite number among the tags, or None."""
        value = self.tags.get((directory, tag))
        value = value[0] if isinstance(value, tuple) and value else value
        return value if isinstance(value, float) and math.isfinite(value) else None

    def text(self, directory: str, tag: int) -> str:
        """A text among the tags, or an empty one."""
        value = self.tags.get((directory, tag))
        return value if isinstance(value, str) else ""


def read_image_head(path: str | Path) -> ImageHead:
    """Read the head of a JPEG, TIFF or PNG file; raises BadInputError when it is none, is empty or is cut off."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            start = file.read(8)
            file.seek(0)
            if not start:
                raise BadInputError(f"{path}: the file is empty")
            if start.startswith(b"\xff\xd8"):
                return _read_jpeg(path, file)
            if start == _PNG_NAME:
                return _read_png(path, file)
            if start[:4] in (b"II*\0", b"MM\0*"):
                return _read_tiff(path, file)
    except OSError as error:
        raise BadInputError(f"{path}: cannot be read ({error.strerror or error})") from error
    raise BadInputError(f"{path}: not a JPEG, TIFF or PNG image")


def _read_jpeg(path: Path, file: BinaryIO) -> ImageHead:
    size: tuple[int, int] | None = None
    tags: dict[tuple[str, int], Any] = {}
    xmp: dict[str, str] = {}
    for marker, length in _jpeg_segments(path, file):
        if marker == 0xDA:
            break
        if marker in _START_OF_FRAME and size is None:
            height, width = struct.unpack(">xHH", file.read(5).ljust(5, b"\0"))
            size = width, height
        elif marker == 0xE1:
            body = file.read(length)
            if body.startswith(b"Exif\0") and not tags:
                tags = _parse_tags(body[6:])
            elif body.startswith(_XMP_NAME):
                xmp = _parse_xmp(body[len(_XMP_NAME) :]) | xmp
    if size is None or not all(size):
        raise BadInputError(f"{path}: a damaged JPEG without an image in it")
    if not _jpeg_ends(file):
        raise BadInputError(f"{path}: the JPEG is cut off (its end is missing): copy it from the card again")
    return ImageHead(*size, tags, xmp)


def _jpeg_segments(path: Path, file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Markers with their body's length, the file standing at the body; ends after start of scan (0xDA)."""
    file.seek(2)
    while True:
        byte = file.read(1)
        while byte and byte != b"\xff":  # stray bytes between segments are allowed for by every decoder
            byte = file.read(1)
        while byte == b"\xff":
            byte = file.read(1)
        size = file.read(2)
        if len(size) < 2:
            raise BadInputError(f"{path}: the JPEG is cut off within its head: copy it from the card again")
        length = max(int.from_bytes(size) - 2, 0)
        body = file.tell()
        yield byte[0], length
        if byte == b"\xda":
            return
        file.seek(body + length)


def _jpeg_ends(file: BinaryIO) -> bool:
    """Whether an end-of-image marker follows the position: near the file's end as a rule, else anywhere."""
    start = file.tell()
    end = file.seek(0, 2)
    for begin in (max(start, end - 4096), start):
        file.seek(begin)
        if b"\xff\xd9" in file.read():
            return True
    return False


def _read_png(path: Path, file: BinaryIO) -> ImageHead:
    file.seek(8)
    size: tuple[int, int] | None = None
    tags: dict[tuple[str, int], Any] = {}
    xmp: dict[str, str] = {}
    while len(header := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", header)
        body = file.read(length) if kind in (b"IHDR", b"eXIf", b"iTXt") else b""
        if kind == b"IHDR" and length >= 8:
            size = struct.unpack(">II", body[:8].ljust(8, b"\0"))
        elif kind == b"eXIf":
            tags = _parse_tags(body)
        elif kind == b"iTXt" and body.startswith(b"XML:com.adobe.xmp\0"):
            xmp = _parse_xmp(body)
        elif kind == b"IEND" and size:
            return ImageHead(*size, tags, xmp)
        file.seek(length - len(body) + 4, 1)
    raise BadInputError(f"{path}: the PNG is cut off or damaged")


def _read_tiff(path: Path, file: BinaryIO) -> ImageHead:
    data = file.read(1 << 18)
    offset = struct.unpack(">I" if data[:2] == b"MM" else "<I", data[4:8].ljust(4, b"\0"))[0]
    if offset > len(data) - 1024:  # many writers put the directory behind the pixels
        file.seek(0)
        data = file.read()
    tags = _parse_tags(data)
    width, height = tags.get(("image", 256)), tags.get(("image", 257))
    if not (isinstance(width, float) and isinstance(height, float) and width > 0 and height > 0):
        raise BadInputError(f"{path}: the TIFF is cut off or damaged: it states no image size")
    xmp = tags.pop(("image", 700), b"")
    return ImageHead(int(width), int(height), tags, _parse_xmp(xmp) if isinstance(xmp, bytes) else {})


def _parse_tags(data: bytes) -> dict[tuple[str, int], Any]:
    """The tags of a TIFF structure: its first directory and the EXIF and GPS ones below it."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        return {}
    tags: dict[tuple[str, int], Any] = {}
    directories = [("image", struct.unpack(order + "I", data[4:8])[0])]
    while directories:
        name, offset = directories.pop()
        for tag, value in _parse_directory(data, offset, order):
            if name == "image" and tag in _SUB_DIRECTORIES and isinstance(value, float):
                directories.append((_SUB_DIRECTORIES[tag], int(value)))
            else:
                tags.setdefault((name, tag), value)
    return tags


def _parse_directory(data: bytes, offset: int, order: str) -> Iterator[tuple[int, Any]]:
    if offset + 2 > len(data):
        return
    (count,) = struct.unpack_from(order + "H", data, offset)
    for start in range(offset + 2, min(offset + 2 + 12 * count, len(data) - 11), 12):
        tag, kind, length = struct.unpack_from(order + "HHI", data, start)
        letter = _TYPES.get(kind)
        if letter is None:
            continue
        size = struct.calcsize(order + letter) * length
        at = start + 8 if size <= 4 else struct.unpack_from(order + "I", data, start + 8)[0]
        if 0 < size <= _LONGEST_VALUE and at + size <= len(data):
            yield tag, _value(data[at : at + size], kind, letter, length, order)


def _value(raw: bytes, kind: int, letter: str, length: int, order: str) -> Any:
    if kind == 2:
        return raw.split(b"\0")[0].decode("utf-8", "replace").strip()
    if kind == 7 or (kind == 1 and length > 64):  # undefined, and XMP that a TIFF keeps as bytes
        return raw
    values = struct.unpack(order + letter * length, raw)
    if kind in (5, 10):
        pairs = zip(values[::2], values[1::2], strict=True)
        values = tuple(above / below if below else math.nan for above, below in pairs)
    numbers = tuple(float(value) for value in values)
    return numbers[0] if len(numbers) == 1 else numbers


def _parse_xmp(raw: bytes) -> dict[str, str]:
    """Entries of an XMP packet by name without prefix, whether written as attributes or as elements."""
    begin, end = raw.find(b"<x:xmpmeta"), raw.rfind(b"</x:xmpmeta>")
    packet = raw[begin : end + 12] if 0 <= begin < end else raw[max(raw.find(b"<"), 0) :].rstrip(b"\0 \r\n")
    try:
        root = fromstring(packet)
    except (
        ParseError,
        DefusedXmlException,
        ValueError,
        LookupError,
    ):  # some firmware forgets to escape or to declare a prefix
        text = packet.decode("utf-8", "replace")
        return {name: value.strip() for name, value in re.findall(r'[\w-]+:([\w-]+)\s*=\s*"([^"<]*)"', text)}
    entries: dict[str, str] = {}
    for element in root.iter():
        if element.text and element.text.strip() and not len(element):
            entries.setdefault(_local(element.tag), element.text.strip())
        for name, value in element.attrib.items():
            entries.setdefault(_local(name), value.strip())
    return entries


def _local(name: str) -> str:
    return name.rpartition("}")[2]
