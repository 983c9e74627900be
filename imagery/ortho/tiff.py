"""TIFF directories as bytes: classic TIFF, or BigTIFF where four gigabytes do not suffice."""

import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray

from imagery.surface.grid import Grid

__all__ = ["Directory", "Layout", "geo_tags", "layout"]

SHORT, LONG, RATIONAL, UNDEFINED, ASCII, DOUBLE, LONG8 = 3, 4, 5, 7, 2, 12, 16
TYPE_BYTES = {ASCII: 1, SHORT: 2, LONG: 4, RATIONAL: 8, UNDEFINED: 1, DOUBLE: 8, LONG8: 8}
OFFSETS, LENGTHS = 324, 325
KINDS = {270: ASCII, 347: UNDEFINED, 34735: SHORT, 34737: ASCII, 42112: ASCII}
DOUBLES = (33550, 33922, 34264, 34736)
LARGEST_CLASSIC = 4_000_000_000


@dataclass(slots=True)
class Directory:
    """One image of the file: tags as (number: value; numbers, sequences of numbers, or bytes), and its tiles' places."""

    tags: dict[int, Any]
    offsets: NDArray[np.uint64]
    lengths: NDArray[np.uint64] = field(init=False)

    def __post_init__(self) -> None:
        self.lengths = np.zeros_like(self.offsets)

    @classmethod
    def image(cls, width: int, height: int, tile: int, kind: int, tables: bytes) -> "Directory":
        """A tiled JPEG image in YCbCr with colours at half resolution; kind: 0 full size, 1 overview."""
        tags = {
            254: kind,
            256: width,
            257: height,
            258: [8, 8, 8],
            259: 7,
            262: 6,
            277: 3,
            284: 1,
            322: tile,
            323: tile,
        }
        colour = {
            339: [1, 1, 1],
            347: tables,
            530: [2, 2],
            532: [(0, 1), (255, 1), (128, 1), (255, 1), (128, 1), (255, 1)],
        }
        return cls({**tags, **colour}, np.zeros(_tiles(width, height, tile), np.uint64))

    @classmethod
    def mask(cls, width: int, height: int, tile: int, kind: int) -> "Directory":
        """The one-bit transparency mask of an image, deflated."""
        tags = {254: kind | 4, 256: width, 257: height, 258: 1, 259: 8, 262: 4, 277: 1, 284: 1, 322: tile, 323: tile}
        return cls({**tags, 339: 1}, np.zeros(_tiles(width, height, tile), np.uint64))


@dataclass(frozen=True, slots=True)
class Layout:
    """Whether the file is a BigTIFF, and how many bytes header and directories take."""

    big: bool
    header_bytes: int

    def header(self, directories: list[Directory]) -> bytes:
        """Everything before the tiles."""
        at = 16 if self.big else 8
        start = struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16) if self.big else struct.pack("<2sHL", b"II", 42, 8)
        parts = [start]
        for number, directory in enumerate(directories):
            parts.append(_encoded(directory, at, self.big, last=number == len(directories) - 1))
            at += len(parts[-1])
        return b"".join(parts)


def layout(directories: list[Directory], tile_bytes: int) -> Layout:
    """How directories and tiles of so many bytes will lie."""
    for big in (False, True):
        size = (16 if big else 8) + sum(len(_encoded(directory, 0, big, last=False)) for directory in directories)
        if size + tile_bytes < LARGEST_CLASSIC:
            break
    return Layout(big, size)


def geo_tags(grid: Grid) -> dict[int, Any]:
    """The GeoTIFF tags of a grid, as GDAL writes them for its reference system."""
    profile = {"driver": "GTiff", "width": 1, "height": 1, "count": 1, "dtype": "uint8", "bigtiff": "no"}
    with rasterio.MemoryFile() as memory:
        with memory.open(**profile, crs=grid.crs.to_wkt(), transform=grid.transform) as raster:
            raster.write(np.zeros((1, 1, 1), np.uint8))
        data = memory.read()
    (at,) = struct.unpack_from("<L", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    tags: dict[int, Any] = {}
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind, length, value = struct.unpack_from("<HHLL", data, entry)
        if tag not in (*DOUBLES, 34735, 34737):
            continue
        size = TYPE_BYTES[kind] * length
        raw = data[value : value + size] if size > 4 else data[entry + 8 : entry + 8 + size]
        tags[tag] = raw if kind == ASCII else np.frombuffer(raw, {SHORT: "<u2", DOUBLE: "<f8"}[kind]).tolist()
    return tags


def _tiles(width: int, height: int, tile: int) -> int:
    return -(-width // tile) * -(-height // tile)


def _encoded(directory: Directory, at: int, big: bool, last: bool) -> bytes:
    """A directory that starts at byte `at`, with its longer values behind it and the next directory behind them."""
    wide = LONG8 if big else LONG
    entries = [(tag, *_packed(tag, value)) for tag, value in directory.tags.items()]
    entries.append((OFFSETS, wide, len(directory.offsets), directory.offsets.astype("<u8" if big else "<u4").tobytes()))
    entries.append((LENGTHS, LONG, len(directory.lengths), directory.lengths.astype("<u4").tobytes()))
    entries.sort()
    inline, entry_bytes = (8, 20) if big else (4, 12)
    body = (8 if big else 2) + entry_bytes * len(entries) + (8 if big else 4)
    table, values = [struct.pack("<Q" if big else "<H", len(entries))], []
    end = at + body
    for tag, kind, count, raw in entries:
        if len(raw) <= inline:
            field_bytes = raw.ljust(inline, b"\0")
        else:
            field_bytes = struct.pack("<Q" if big else "<L", end)
            values.append(raw + b"\0" * (len(raw) % 2))
            end += len(values[-1])
        table.append(struct.pack("<HHQ" if big else "<HHL", tag, kind, count) + field_bytes)
    table.append(struct.pack("<Q" if big else "<L", 0 if last else end))
    return b"".join([*table, *values])


def _packed(tag: int, value: Any) -> tuple[int, int, bytes]:
    """Type, count and bytes of a tag's value."""
    if isinstance(value, bytes):
        return KINDS[tag], len(value), value
    values = value if isinstance(value, list) else [value]
    if tag in DOUBLES:
        return DOUBLE, len(values), struct.pack(f"<{len(values)}d", *values)
    if isinstance(values[0], tuple):
        return RATIONAL, len(values), struct.pack(f"<{2 * len(values)}L", *(part for pair in values for part in pair))
    if tag in (254, 256, 257):
        return LONG, len(values), struct.pack(f"<{len(values)}L", *values)
    return SHORT, len(values), struct.pack(f"<{len(values)}H", *values)
