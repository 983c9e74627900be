"""The parts of a brief below and beside its map. Each knows how high it is at a width, and draws itself there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import shapely

from planner.brief.scene import Place
from planner.brief.sheet import GREY, INK, Box, Sheet
from planner.brief.typeset import MM, shortened, wrapped

__all__ = ["Block", "Bullets", "Coordinates", "Fields", "Picture", "Rows", "column_height", "draw_column"]

LEADING = 1.3  # from base line to base line, in ems
HEAD_MM, GAP_MM = 5.2, 2.2
HEAD_PT = 8.2
LINE = "#c3cad1"


class Block(Protocol):
    """A part with a heading."""

    def height(self, width: float, size: float) -> float:
        """Millimetres that it takes at a width in millimetres and a type size in points."""

    def draw(self, sheet: Sheet, x: float, y: float, width: float, size: float) -> None:
        """Draw it with its upper left corner at x, y."""


def column_height(blocks: Sequence[Block], width: float, size: float) -> float:
    """What blocks take one below the other."""
    return sum(block.height(width, size) + GAP_MM for block in blocks)


def draw_column(sheet: Sheet, blocks: Sequence[Block], x: float, y: float, width: float, size: float) -> None:
    """Draw blocks one below the other."""
    for block in blocks:
        block.draw(sheet, x, y, width, size)
        y += block.height(width, size) + GAP_MM


@dataclass(frozen=True, slots=True)
class Rows:
    """Names on the left and values on the right."""

    head: str
    rows: Sequence[tuple[str, str]]

    def height(self, width: float, size: float) -> float:
        return (
            HEAD_MM
            + sum(self._lines(name, value, width, size) for name, value in self.rows) * size * MM * LEADING
            + 0.5
        )

    def draw(self, sheet: Sheet, x: float, y: float, width: float, size: float) -> None:
        step, at = size * MM * LEADING, _head(sheet, self.head, x, y, width)
        for name, value in self.rows:
            sheet.text(x, at + 0.78 * step, name, size, colour=GREY)
            for line in self._value(name, value, width, size):
                sheet.text(x + width, at + 0.78 * step, line, size, align="right")
                at += step
            sheet.line([(x, at), (x + width, at)], LINE, 0.3)

    def _lines(self, name: str, value: str, width: float, size: float) -> int:
        return len(self._value(name, value, width, size))

    @staticmethod
    def _value(name: str, value: str, width: float, size: float) -> tuple[str, ...]:
        """The value in the room that the name leaves, at least a third of the width."""
        from imagery.core.fonts import text_width

        room = max(width - text_width(name, size) * MM - 2.5, width / 3)
        return wrapped(value, room, size) or ("",)


@dataclass(frozen=True, slots=True)
class Bullets:
    """Sentences, each behind a sign; boxed: behind a box to tick. Where `most` are fewer, `more` names how many are left out."""

    head: str
    texts: Sequence[str]
    boxed: bool = False
    strong: bool = False

    def height(self, width: float, size: float) -> float:
        lines = sum(len(wrapped(text, width - 4.2, size)) for text in self.texts)
        return HEAD_MM + lines * size * MM * LEADING + len(self.texts) * 0.35

    def draw(self, sheet: Sheet, x: float, y: float, width: float, size: float) -> None:
        step, at = size * MM * LEADING, _head(sheet, self.head, x, y, width, strong=self.strong)
        for text in self.texts:
            middle = at + 0.5 * step
            if self.boxed:
                side = 0.68 * step
                sheet.box(Box(x + 0.3, middle - side / 2, side, side), edge=INK, width_pt=0.7)
            else:
                sheet.disc(x + 1.2, middle, 0.45, INK, "none")
            for line in wrapped(text, width - 4.2, size):
                sheet.text(x + 4.2, at + 0.78 * step, line, size)
                at += step
            at += 0.35


@dataclass(frozen=True, slots=True)
class Coordinates:
    """Places with their degrees and metres of the grid."""

    head: str
    names: tuple[str, str, str, str]
    places: Sequence[Place]

    def height(self, width: float, size: float) -> float:
        return HEAD_MM + (len(self.places) + 1) * size * MM * LEADING + 0.5

    def draw(self, sheet: Sheet, x: float, y: float, width: float, size: float) -> None:
        step, at = size * MM * LEADING, _head(sheet, self.head, x, y, width)
        ends = [x + 6 + (width - 6) * share for share in (0.27, 0.56, 0.77, 1.0)]
        for name, end in zip(self.names, ends, strict=True):
            sheet.text(end, at + 0.78 * step, name, size - 0.6, colour=GREY, align="right")
        for place in self.places:
            at += step
            sheet.line([(x, at), (x + width, at)], LINE, 0.3)
            sheet.text(x, at + 0.78 * step, place.mark, size, bold=True)
            values = (
                f"{place.lat_deg:.6f}",
                f"{place.lon_deg:.6f}",
                f"{place.easting_m:.0f}",
                f"{place.northing_m:.0f}",
            )
            for value, end in zip(values, ends, strict=True):
                sheet.text(end, at + 0.78 * step, value, size, align="right")


@dataclass(frozen=True, slots=True)
class Fields:
    """Names with a line behind each to write on, in `columns`; roomy: lines that are easy to write on."""

    head: str
    names: Sequence[str]
    columns: int = 1
    step_mm: float = 6.4

    def height(self, width: float, size: float) -> float:
        return (HEAD_MM if self.head else 0.0) + -(-len(self.names) // self.columns) * self.step_mm

    def draw(self, sheet: Sheet, x: float, y: float, width: float, size: float) -> None:
        from imagery.core.fonts import text_width

        top = _head(sheet, self.head, x, y, width) if self.head else y
        across = width / self.columns
        for k, name in enumerate(self.names):
            left, base = x + k % self.columns * across, top + (k // self.columns + 1) * self.step_mm - 1.2
            text = shortened(name, across * 0.6, size)
            sheet.text(left, base, text, size, colour=GREY)
            start = left + text_width(text, size) * MM + 1.2
            sheet.line([(start, base + 0.4), (left + across - 3 * (self.columns > 1), base + 0.4)], INK, 0.4)


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing of a given height."""

    head: str
    height_mm: float
    paint: Callable[[Sheet, Box], None]

    def height(self, width: float, size: float) -> float:
        return HEAD_MM + self.height_mm

    def draw(self, sheet: Sheet, x: float, y: float, width: float, size: float) -> None:
        self.paint(sheet, Box(x, _head(sheet, self.head, x, y, width), width, self.height_mm))


def _head(sheet: Sheet, text: str, x: float, y: float, width: float, strong: bool = False) -> float:
    """A heading; returns where its text begins. strong: white on dark."""
    if strong:
        sheet.shape(shapely.box(x, y, x + width, y + HEAD_MM - 0.8), INK)
    sheet.text(x + (1.2 if strong else 0), y + 3.3, text, HEAD_PT, bold=True, colour="white" if strong else INK)
    if not strong:
        sheet.line([(x, y + HEAD_MM - 0.9), (x + width, y + HEAD_MM - 0.9)], INK, 0.7)
    return y + HEAD_MM - 0.4
