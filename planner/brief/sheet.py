"""A sheet of A4 that is drawn on in millimetres from its upper left corner, and comes out the same as PDF and as SVG.

Both hold text as text, in the bundled typeface, so that they can be searched and copied from.
"""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from imagery.core.fonts import FAMILIES, font_files

if TYPE_CHECKING:
    from matplotlib.path import Path as Outline

__all__ = ["A4_MM", "GREY", "INK", "Box", "Sheet", "pdf_of"]

A4_MM = (210.0, 297.0)
INK, GREY = "#1c2733", "#5b6b7b"
INCH_MM = 25.4
Dashes = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on the sheet in millimetres; y grows downwards."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.y + self.height

    def inner(self, margin_mm: float) -> "Box":
        """The box less a margin on every side."""
        x, y = self.x + margin_mm, self.y + margin_mm
        return replace(self, x=x, y=y, width=self.width - 2 * margin_mm, height=self.height - 2 * margin_mm)


class Sheet:
    """A page being drawn; what is drawn later lies above. Lines are in points, everything else in millimetres.

    `clip` keeps a drawing within a box. characters: all that were written, by boldness.
    """

    def __init__(self) -> None:
        from matplotlib.figure import Figure

        register_fonts()
        self.figure = Figure(figsize=(A4_MM[0] / INCH_MM, A4_MM[1] / INCH_MM), dpi=72)
        self._axes = self.figure.add_axes((0, 0, 1, 1), xlim=(0, A4_MM[0]), ylim=(A4_MM[1], 0))
        self._axes.set_axis_off()
        self._above = 1.0
        self.characters: dict[bool, set[str]] = {False: set(), True: set()}

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size_pt: float,
        *,
        bold: bool = False,
        colour: str = INK,
        align: str = "left",
        middle: bool = False,
        upright: bool = False,
        paper: bool = False,
    ) -> None:
        """One line of text with its base line (or its middle) at y. upright: running upwards; paper: on a white patch."""
        self.characters[bold] |= set(text)
        patch = {"facecolor": "white", "edgecolor": "none", "boxstyle": "square,pad=0.08"} if paper else None
        self._axes.text(
            x, y, text, fontsize=size_pt, fontweight="bold" if bold else "normal", fontfamily=FAMILIES, color=colour,
            ha=align, va="center_baseline" if middle else "baseline", rotation=90 if upright else 0,
            rotation_mode="anchor", parse_math=False, zorder=self._next(), bbox=patch,
        )  # fmt: skip

    def line(
        self,
        points: ArrayLike,
        colour: str = INK,
        width_pt: float = 0.5,
        *,
        dashes: Dashes | None = None,
        clip: Box | None = None,
    ) -> None:
        """A line through points (n x 2); dashes: lengths on and off in points."""
        from matplotlib.lines import Line2D

        x, y = np.asarray(points, float).T
        style: Any = (0, dashes) if dashes else "solid"
        artist = Line2D(x, y, color=colour, linewidth=width_pt, linestyle=style, zorder=self._next())
        artist.set_dash_capstyle("butt")
        artist.set_solid_capstyle("butt")
        artist.set_solid_joinstyle("round")
        self._axes.add_artist(artist)
        self._clip(artist, clip)

    def lines(self, many: Sequence[ArrayLike], colour: str, width_pt: float, *, clip: Box | None = None) -> None:
        """Many solid lines of one kind."""
        from matplotlib.collections import LineCollection

        artist = LineCollection(
            [np.asarray(points, float) for points in many], colors=colour, linewidths=width_pt, zorder=self._next()
        )
        self._axes.add_artist(artist)
        self._clip(artist, clip)

    def shape(
        self,
        geometry: shapely.Geometry,
        fill: str = "none",
        edge: str = "none",
        width_pt: float = 0.5,
        *,
        hatch: str | None = None,
        dashes: Dashes | None = None,
        clip: Box | None = None,
    ) -> None:
        """Polygons with their holes; hatch: as in matplotlib, in the colour of the edge."""
        from matplotlib.patches import PathPatch

        for polygon in shapely.get_parts(geometry):
            style: Any = (0, dashes) if dashes else "solid"
            artist = PathPatch(
                _outline(polygon), facecolor=fill, edgecolor=edge, linewidth=width_pt, linestyle=style, hatch=hatch,
                zorder=self._next(),
            )  # fmt: skip
            self._axes.add_artist(artist)
            self._clip(artist, clip)

    def box(self, box: Box, fill: str = "none", edge: str = "none", width_pt: float = 0.5) -> None:
        """A rectangle."""
        self.shape(shapely.box(box.x, box.y, box.right, box.bottom), fill, edge, width_pt)

    def disc(
        self, x: float, y: float, radius: float, fill: str = "white", edge: str = INK, width_pt: float = 0.8
    ) -> None:
        """A disc."""
        self.shape(shapely.Point(x, y).buffer(radius, quad_segs=12), fill, edge, width_pt)

    def arrow(self, x: float, y: float, course: Sequence[float], length: float, fill: str = INK) -> None:
        """A filled arrow head in the middle of which lies (x, y), pointing along `course` (x, y of any length)."""
        ahead = np.asarray(course, float) / max(float(np.hypot(course[0], course[1])), 1e-9) * length
        aside = np.array([-ahead[1], ahead[0]]) * 0.38
        tip, tail = np.array([x, y]) + ahead / 2, np.array([x, y]) - ahead / 2
        notch = tail + ahead * 0.22
        self.shape(shapely.Polygon([tip, tail + aside, notch, tail - aside]), fill, "white", 0.25)

    def svg(self) -> str:
        """The page as an SVG element with text."""
        import matplotlib as mpl

        buffer = io.StringIO()
        with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "skyrelief", "hatch.linewidth": 0.5}):
            self.figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
        text = buffer.getvalue()
        return text[text.index("<svg") :]

    def _clip(self, artist: Any, box: Box | None) -> None:
        if box is not None:
            from matplotlib.patches import Rectangle

            within = Rectangle((box.x, box.y), box.width, box.height, transform=self._axes.transData)
            artist.set_clip_path(within)

    def _next(self) -> float:
        self._above += 1
        return self._above


def pdf_of(sheets: Iterable[Sheet], title: str, language: str) -> bytes:
    """The sheets as the pages of a PDF; the same sheets give the same bytes."""
    import matplotlib as mpl
    from matplotlib.backends.backend_pdf import PdfPages

    buffer = io.BytesIO()
    about = {"Title": title, "Creator": "SkyRelief", "Producer": None, "CreationDate": None}
    with (
        mpl.rc_context({"pdf.fonttype": 42, "hatch.linewidth": 0.5}),
        PdfPages(buffer, metadata=about) as pages,
    ):
        for sheet in sheets:
            pages.savefig(sheet.figure)
    return buffer.getvalue()


def register_fonts() -> None:
    """Let matplotlib know the bundled typeface."""
    from matplotlib.font_manager import fontManager

    known = {entry.fname for entry in fontManager.ttflist}
    for path in (font_files(bold)[0] for bold in (False, True)):
        if str(path) not in known:
            fontManager.addfont(path)


def _outline(polygon: Any) -> "Outline":
    from matplotlib.path import Path as Outline

    rings: list[NDArray[np.float64]] = [
        np.asarray(ring.coords)[:, :2] for ring in (polygon.exterior, *polygon.interiors)
    ]
    return Outline.make_compound_path(*[Outline(ring, closed=True) for ring in rings])
