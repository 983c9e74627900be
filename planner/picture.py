"""Pictures of plans, drawn with Pillow: smooth lines and shapes, text, axes and map furniture, in a fraction of a second."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont

from imagery.core.files import atomic_path

__all__ = ["INK", "PAPER", "Canvas", "Window", "round_steps"]

FINER = 2  # drawn so many times larger and reduced, which smooths every edge
INK, PAPER = "#1a1a1a", "#ffffff"

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a picture that shows a part of a plane: metres (or whatever the axes are) to pixels.

    Attributes: left, top, right, bottom: in pixels; x0, y0 at its lower left and x1, y1 at its upper right corner.
    """

    left: float
    top: float
    right: float
    bottom: float
    x0: float
    y0: float
    x1: float
    y1: float

    @classmethod
    def holding(cls, box: Box, bounds: Box) -> "Window":
        """The largest window within `box` (left, top, right, bottom) that shows `bounds` (x0, y0, x1, y1) undistorted."""
        left, top, right, bottom = box
        scale = min((right - left) / (bounds[2] - bounds[0]), (bottom - top) / (bounds[3] - bounds[1]))
        width, height = scale * (bounds[2] - bounds[0]), scale * (bounds[3] - bounds[1])
        left, top = left + (right - left - width) / 2, top + (bottom - top - height) / 2
        return cls(left, top, left + width, top + height, *bounds)

    @property
    def scale(self) -> float:
        """Pixels per unit of x."""
        return (self.right - self.left) / (self.x1 - self.x0)

    def pixels(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        """Points (n) as pixels (n x 2), from the picture's upper left corner."""
        across = self.left + (np.asarray(x, float) - self.x0) * self.scale
        down = self.bottom - (np.asarray(y, float) - self.y0) * (self.bottom - self.top) / (self.y1 - self.y0)
        return np.column_stack([np.atleast_1d(across), np.atleast_1d(down)])


class Canvas:
    """A picture being drawn; everything is in pixels of the finished picture, from its upper left corner."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._image = Image.new("RGB", (width * FINER, height * FINER), PAPER)
        self._draw = ImageDraw.Draw(self._image)

    def paste(self, colours: NDArray[np.uint8], window: Window) -> None:
        """A raster (rows from the north x columns x 3) over a window, its cells as they are."""
        size = round((window.right - window.left) * FINER), round((window.bottom - window.top) * FINER)
        cells = Image.fromarray(colours).resize(size, Image.Resampling.NEAREST)
        self._image.paste(cells, (round(window.left * FINER), round(window.top * FINER)))

    def line(self, points: ArrayLike, colour: str = INK, width: float = 1.0) -> None:
        """A line through points (n x 2)."""
        thick = max(1, round(width * FINER))
        self._draw.line(self._flat(points), fill=colour, width=thick, joint="curve" if thick > 2 else None)

    def polygon(self, points: ArrayLike, fill: str | None, outline: str | None = None, width: float = 1.0) -> None:
        """A filled polygon (n x 2)."""
        self._draw.polygon(self._flat(points), fill=fill, outline=outline, width=max(1, round(width * FINER)))

    def dots(self, points: ArrayLike, colour: str, radius: float, outline: str | None = None) -> None:
        """A disc at each point (n x 2)."""
        r = radius * FINER
        for x, y in (np.atleast_2d(np.asarray(points, float)) * FINER).tolist():
            self._draw.ellipse((x - r, y - r, x + r, y + r), fill=colour, outline=outline, width=FINER)

    def hatch(self, points: ArrayLike, colour: str, spacing: float = 7.0) -> None:
        """Diagonal lines within a polygon (n x 2)."""
        flat = np.asarray(points, float)
        (left, top), (right, bottom) = np.floor(flat.min(axis=0) * FINER), np.ceil(flat.max(axis=0) * FINER)
        left, top = max(left, 0), max(top, 0)
        width, height = int(min(right, self._image.width) - left), int(min(bottom, self._image.height) - top)
        if width < 1 or height < 1:
            return
        within, stripes = Image.new("1", (width, height)), Image.new("1", (width, height))
        ImageDraw.Draw(within).polygon([(x * FINER - left, y * FINER - top) for x, y in flat.tolist()], fill=1)
        pen = ImageDraw.Draw(stripes)
        for start in np.arange(-height, width, spacing * FINER).tolist():
            pen.line([(start, height), (start + height, 0)], fill=1, width=FINER)
        both = Image.fromarray(np.asarray(within) & np.asarray(stripes))
        self._image.paste(colour, (int(left), int(top)), both)

    def text(
        self,
        at: Sequence[float],
        text: str,
        size: float = 14,
        anchor: str = "la",
        colour: str = INK,
        halo: bool = False,
    ) -> None:
        """Text at a point; anchor: Pillow's, of horizontal l, m, r and vertical a, m, d; `halo` keeps it readable on a map."""
        font = ImageFont.load_default(size * FINER)
        self._draw.text((at[0] * FINER, at[1] * FINER), text, fill=colour, font=font, anchor=anchor)

    def scale_bar(self, at: Sequence[float], window: Window, widest: float) -> None:
        """A bar of a round number of metres, at most `widest` pixels long, its left end at a point."""
        metres = round_steps(widest / window.scale)
        length, (x, y) = metres * window.scale, at
        self.line([(x, y - 5), (x, y), (x + length, y), (x + length, y - 5)], width=2)
        name = f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m"
        self.text((x + length / 2, y - 6), name, 13, "md")

    def north_arrow(self, at: Sequence[float], size: float = 26) -> None:
        """An arrow to north around a point."""
        x, y = at
        self.polygon(
            [(x, y - size / 2), (x + size / 4, y + size / 2), (x, y + size / 3), (x - size / 4, y + size / 2)], INK
        )
        self.text((x, y - size / 2 - 3), "N", 14, "md")

    def save(self, path: str | Path) -> None:
        """Write the picture as PNG."""
        with atomic_path(path) as temporary:
            self._image.reduce(FINER).save(temporary, compress_level=1)

    @staticmethod
    def _flat(points: ArrayLike) -> list[float]:
        return (np.asarray(points, float) * FINER).ravel().tolist()


def round_steps(largest: float) -> float:
    """The largest of 1, 2, 5, 10, 20, ... (and of 0.5, 0.2, ...) that is at most `largest`."""
    power = 10 ** math.floor(math.log10(largest))
    return next(step * power for step in (5.0, 2.0, 1.0) if step * power <= largest * (1 + 1e-9))
