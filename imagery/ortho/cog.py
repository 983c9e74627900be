"""A cloud-optimised GeoTIFF written directly: JPEG (YCbCr) tiles, an internal mask, overviews.

Tiles are compressed as they come and appended to one spool file per overview level; closing puts the header and all
directories first, then the spools from the smallest overview to the full image, as the layout demands. GDAL's COG driver would
decode and encode everything again. References: TIFF 6.0, TIFF Technical Note 2 (JPEG), GDAL's description of the COG layout.
"""

import shutil
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from xml.sax.saxutils import escape

import cv2
import numba
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from imagery.ortho.tiff import Directory, geo_tags, layout
from imagery.surface.grid import Grid, Window

__all__ = ["CHUNK", "CogWriter"]

TILE = 512
CHUNK = 2048  # side of what is written at once: whole tiles on the first three levels
SPOOLED_LEVELS = 3  # full, half, quarter; smaller ones are kept as a whole
JPEG_QUALITY = 88


@dataclass(slots=True)
class _Level:
    """One resolution: its size, where its tiles' bytes lie in its spool, and how many there are."""

    width: int
    height: int
    spool: BinaryIO
    length: int = 0
    images: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    masks: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)

    def append(self, data: bytes) -> tuple[int, int]:
        self.spool.write(data)
        place = self.length, len(data)
        self.length += len(data)
        return place


@dataclass(slots=True)
class _Statistics:
    """Running minimum, maximum, sum and sum of squares of three bands, of the pixels that are valid."""

    count: int = 0
    pixels: int = 0
    low: NDArray = field(default_factory=lambda: np.full(3, 255))
    high: NDArray = field(default_factory=lambda: np.zeros(3, int))
    total: NDArray = field(default_factory=lambda: np.zeros(3))
    squares: NDArray = field(default_factory=lambda: np.zeros(3))

    def add(self, rgb: NDArray[np.uint8], mask: NDArray[np.bool_]) -> None:
        count = int(np.count_nonzero(mask))
        self.pixels += mask.size
        if count:
            valid = mask.astype(np.uint8)
            mean, spread = (np.ravel(values) for values in cv2.meanStdDev(rgb, mask=valid))
            extremes = np.array([cv2.minMaxLoc(np.ascontiguousarray(rgb[..., k]), valid)[:2] for k in range(3)])
            self.count += count
            self.low = np.minimum(self.low, extremes[:, 0])
            self.high = np.maximum(self.high, extremes[:, 1])
            self.total += count * mean
            self.squares += count * (spread**2 + mean**2)

    def metadata(self) -> str:
        """GDAL's metadata tag."""
        if not self.count:
            return "<GDALMetadata></GDALMetadata>"
        mean = self.total / self.count
        spread = np.sqrt(np.maximum(self.squares / self.count - mean**2, 0))
        share = 100 * self.count / self.pixels
        items = []
        for band in range(3):
            for name, value in (
                ("MAXIMUM", int(self.high[band])),
                ("MEAN", round(float(mean[band]), 4)),
                ("MINIMUM", int(self.low[band])),
                ("STDDEV", round(float(spread[band]), 4)),
                ("VALID_PERCENT", f"{share:.4g}"),
            ):
                items.append(f'<Item name="STATISTICS_{name}" sample="{band}">{escape(str(value))}</Item>')
        return f"<GDALMetadata>{''.join(items)}</GDALMetadata>"


class CogWriter:
    """Writes an image chunk by chunk to `path`, with its working files in `scratch`.

    Every chunk is a window whose corner is a multiple of CHUNK; each is given once, in any order, and chunks without any valid
    pixel may be left out. `close` assembles the file.
    """

    def __init__(self, path: Path, grid: Grid, scratch: Path) -> None:
        self._path, self._grid = path, grid
        sizes = [(grid.width, grid.height)]
        while max(sizes[-1]) > TILE:
            sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
        self._levels = [_Level(w, h, (scratch / f"level-{k}.tiles").open("w+b")) for k, (w, h) in enumerate(sizes)]
        self._tables = b""
        self._statistics = _Statistics()
        small = sizes[min(SPOOLED_LEVELS, len(sizes) - 1)]
        self._small = np.lib.format.open_memmap(scratch / "small.npy", "w+", np.uint8, (small[1], small[0], 4))

    def write(self, window: Window, rgb: NDArray[np.uint8], mask: NDArray[np.bool_]) -> None:
        """Add one chunk: height x width x 3 colours, and where they are valid."""
        if not mask.any():
            return
        row, col = window.row, window.col
        for level in range(min(SPOOLED_LEVELS, len(self._levels))):
            self._write_tiles(self._levels[level], row // TILE, col // TILE, rgb, mask)
            rgb, mask = _halved(rgb, mask)
            row, col = row // 2, col // 2
        self._statistics.add(rgb, mask)
        if len(self._levels) > SPOOLED_LEVELS:
            part = self._small[row : row + rgb.shape[0], col : col + rgb.shape[1]]
            part[..., :3] = rgb[: part.shape[0], : part.shape[1]]
            part[..., 3] = mask[: part.shape[0], : part.shape[1]]

    def close(self) -> None:
        """Write the smaller overviews, and the file."""
        if len(self._levels) > SPOOLED_LEVELS:
            rgb, mask = np.array(self._small[..., :3]), self._small[..., 3] > 0
            for level in self._levels[SPOOLED_LEVELS:]:
                self._write_tiles(level, 0, 0, rgb[: level.height, : level.width], mask[: level.height, : level.width])
                rgb, mask = _halved(rgb, mask)
        self._assemble()
        for level in self._levels:
            level.spool.close()

    def _write_tiles(
        self, level: _Level, tile_row: int, tile_col: int, rgb: NDArray[np.uint8], mask: NDArray[np.bool_]
    ) -> None:
        for row in range(0, rgb.shape[0], TILE):
            for col in range(0, rgb.shape[1], TILE):
                valid = mask[row : row + TILE, col : col + TILE]
                if not valid.any():
                    continue
                key = tile_row + row // TILE, tile_col + col // TILE
                pixels = rgb[row : row + TILE, col : col + TILE]
                if valid.shape != (TILE, TILE):
                    below, right = TILE - valid.shape[0], TILE - valid.shape[1]
                    pixels = np.pad(pixels, ((0, below), (0, right), (0, 0)), mode="edge")
                    valid = np.pad(valid, ((0, below), (0, right)))
                level.images[key] = level.append(self._jpeg(pixels))
                level.masks[key] = level.append(zlib.compress(np.packbits(valid, axis=1).tobytes(), 6))

    def _jpeg(self, pixels: NDArray[np.uint8]) -> bytes:
        """One tile without its tables, which are the same in all and stand once in the directory."""
        data = simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality=JPEG_QUALITY, colorsubsampling="420")
        tables, tile = _split_tables(data)
        self._tables = tables
        return tile

    def _assemble(self) -> None:
        geo = geo_tags(self._grid)
        directories = []
        for number, level in enumerate(self._levels):
            kind = 0 if number == 0 else 1
            image = Directory.image(level.width, level.height, TILE, kind, self._tables)
            mask = Directory.mask(level.width, level.height, TILE, kind)
            if number == 0:
                image.tags.update(geo)
                image.tags[42112] = self._statistics.metadata().encode() + b"\0"
            directories += [(image, level, level.images), (mask, level, level.masks)]
        total = sum(level.length for level in self._levels)
        sizes = layout([directory for directory, _, _ in directories], total)
        start = sizes.header_bytes
        starts = {}
        for level in reversed(self._levels):
            starts[id(level)] = start
            start += level.length
        for directory, level, tiles in directories:
            columns = -(-level.width // TILE)
            for (row, col), (offset, length) in tiles.items():
                directory.offsets[row * columns + col] = starts[id(level)] + offset
                directory.lengths[row * columns + col] = length
        with self._path.open("wb") as file:
            file.write(sizes.header([directory for directory, _, _ in directories]))
            for level in reversed(self._levels):
                level.spool.seek(0)
                shutil.copyfileobj(level.spool, file, 1 << 20)


def _split_tables(data: bytes) -> tuple[bytes, bytes]:
    """A JPEG's tables as an abbreviated stream, and the image without them and without application segments."""
    tables, image = [b"\xff\xd8"], [b"\xff\xd8"]
    at = 2
    while data[at + 1] != 0xDA:  # start of scan
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        segment = data[at : at + 2 + length]
        if marker in (0xDB, 0xC4):  # quantisation, Huffman
            tables.append(segment)
        elif not 0xE0 <= marker <= 0xEF:
            image.append(segment)
        at += 2 + length
    return b"".join([*tables, b"\xff\xd9"]), b"".join([*image, data[at:]])


def _halved(rgb: NDArray[np.uint8], mask: NDArray[np.bool_]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Half the size (rounded up), the mean of the valid pixels of each 2 x 2."""
    height, width = mask.shape
    if height % 2 or width % 2:
        rgb = np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        mask = np.pad(mask, ((0, height % 2), (0, width % 2)))
    size = rgb.shape[1] // 2, rgb.shape[0] // 2
    if mask.all():
        return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8), np.ones(size[::-1], bool)
    small, valid = np.zeros((*size[::-1], 3), np.uint8), np.zeros(size[::-1], np.bool_)
    _mean_of_valid(rgb, mask, small, valid)
    return small, valid


@numba.njit(nogil=True, cache=True)
def _mean_of_valid(rgb, mask, small, valid):  # type: ignore[no-untyped-def]
    for row in range(small.shape[0]):
        for col in range(small.shape[1]):
            count, red, green, blue = 0, 0, 0, 0
            for i in range(2 * row, 2 * row + 2):
                for j in range(2 * col, 2 * col + 2):
                    if mask[i, j]:
                        count += 1
                        red += rgb[i, j, 0]
                        green += rgb[i, j, 1]
                        blue += rgb[i, j, 2]
            if count:
                valid[row, col] = True
                small[row, col, 0] = (red + count // 2) // count
                small[row, col, 1] = (green + count // 2) // count
                small[row, col, 2] = (blue + count // 2) // count
