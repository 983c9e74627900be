"""Pixels of a photo as arrays, turned by nothing: EXIF orientation is ignored, since cameras are calibrated on stored pixels.

A JPEG that is wanted smaller is shrunk while it is decoded (DCT scaling), which saves most of the time and memory.
"""

import contextlib
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from imagery.core.errors import BadInputError

__all__ = ["read_colour", "read_grey"]

_JPEG_START = b"\xff\xd8"


def read_grey(path: str | Path, long_side_px: int | None = None) -> NDArray[np.uint8]:
    """A photo in grey, height x width uint8; with `long_side_px`, shrunk so that its longer side has that many pixels.

    A photo that is smaller already is not enlarged. Raises BadInputError when the file is no image or is cut off.
    """
    return _read(Path(path), long_side_px, "GRAY", cv2.IMREAD_GRAYSCALE)


def read_colour(path: str | Path, long_side_px: int | None = None) -> NDArray[np.uint8]:
    """A photo in colour, height x width x 3 uint8 in the order red, green, blue; otherwise as `read_grey`."""
    return _read(Path(path), long_side_px, "RGB", cv2.IMREAD_COLOR_RGB)


def _read(path: Path, long_side_px: int | None, colorspace: str, flags: int) -> NDArray[np.uint8]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInputError(f"{path}: cannot be read ({error.strerror or error})") from error
    image = _decode_jpeg(path, data, long_side_px, colorspace) if data.startswith(_JPEG_START) else None
    if image is None:
        image = _decode_other(path, data, flags)
    return _shrink(image, long_side_px)


def _decode_other(path: Path, data: bytes, flags: int) -> NDArray[np.uint8]:
    """Decode TIFF, PNG and the JPEGs that libjpeg-turbo's simple interface leaves out."""
    if data.startswith(_JPEG_START) and b"\xff\xd9" not in data:
        raise _cut_off(path)
    image = None
    if data:
        with contextlib.suppress(cv2.error):  # more pixels than OpenCV accepts
            image = cv2.imdecode(np.frombuffer(data, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise BadInputError(f"{path}: not an image that can be decoded; if it opens elsewhere, save it as JPEG")
    return np.asarray(image, np.uint8)


def _cut_off(path: Path) -> BadInputError:
    return BadInputError(f"{path}: the JPEG is cut off (its end is missing): copy it from the card again")


def _decode_jpeg(path: Path, data: bytes, long_side_px: int | None, colorspace: str) -> NDArray[np.uint8] | None:
    """Decode with libjpeg-turbo at the smallest eighth that is no smaller than wanted; None where it cannot (CMYK, 12 bit)."""
    try:
        height, width, *_ = simplejpeg.decode_jpeg_header(data, strict=False)
        wanted = min(1.0, long_side_px / max(height, width)) if long_side_px else 1.0
        smallest = {"min_height": int(height * wanted), "min_width": int(width * wanted)} if wanted < 1 else {}
        try:
            image = simplejpeg.decode_jpeg(data, colorspace, **smallest)
        except ValueError as error:
            if "remature end" in str(error):
                raise _cut_off(path) from error
            # Strict decoding also objects to harmless stray bytes.
            image = simplejpeg.decode_jpeg(data, colorspace, strict=False, **smallest)
    except (ValueError, KeyError):  # KeyError: a colour space or subsampling it has no name for
        return None
    return np.asarray(image[..., 0] if colorspace == "GRAY" else image)


def _shrink(image: NDArray[np.uint8], long_side_px: int | None) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    if not long_side_px or max(height, width) <= long_side_px:
        return image
    factor = long_side_px / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
