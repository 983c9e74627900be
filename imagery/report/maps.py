"""A map as a JPEG: an orthomosaic underneath, shapes on it, and scale bar, north arrow and graticule.

No words are drawn, so that one picture serves every language; the page carries title and legend.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj
import rasterio
import rasterio.errors
import simplejpeg
from numpy.typing import NDArray
from rasterio.enums import MaskFlags, Resampling
from rasterio.vrt import WarpedVRT
from shapely.geometry.base import BaseGeometry

from imagery.core.errors import BadInputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Map", "Style", "nice_length"]

Bounds = tuple[float, float, float, float]
DPI = 150
LARGEST_BYTES = 350_000
PAPER = (242, 239, 233)  # where there is no image
FURNITURE = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.6}


@dataclass(frozen=True, slots=True)
class Style:
    """How a shape is drawn: fill and edge colours ("none": not), edge width in points, opacity of the fill, dashes."""

    fill: str = "none"
    edge: str = "none"
    width: float = 0.8
    opacity: float = 1.0
    dashed: bool = False
    size: float = 8.0


class Map:
    """A map being drawn in a metric coordinate system.

    crs: projected, metres; bounds: west, south, east, north, grown to a printable shape and by a margin.
    """

    def __init__(self, crs: pyproj.CRS, bounds: Bounds, width_px: int = 1400, margin: float = 0.04) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.crs = crs
        self.bounds = _printable(bounds, margin)
        west, south, east, north = self.bounds
        self.width_px = width_px
        self.height_px = round(width_px * (north - south) / (east - west))
        figure = Figure(figsize=(width_px / DPI, self.height_px / DPI), dpi=DPI)
        self._canvas = FigureCanvasAgg(figure)
        self._axes: Axes = figure.add_axes((0, 0, 1, 1), xlim=(west, east), ylim=(south, north))
        self._axes.set_axis_off()
        figure.set_facecolor("none")
        self._ground = np.full((self.height_px, self.width_px, 3), PAPER, np.uint8)

    def image(self, path: Path, pale: float = 0.0) -> None:
        """Lay a georeferenced image underneath; `pale` 0 to 1 fades it so that shapes on it stand out."""
        west, south, east, north = self.bounds
        transform = rasterio.Affine((east - west) / self.width_px, 0, west, 0, (south - north) / self.height_px, north)
        try:
            with (
                rasterio.open(path) as dataset,
                WarpedVRT(
                    dataset,
                    crs=self.crs.to_wkt(),
                    transform=transform,
                    width=self.width_px,
                    height=self.height_px,
                    resampling=Resampling.average,
                    # Without a mask of its own, an image is taken to be seen everywhere, beyond its edges too.
                    add_alpha=dataset.nodata is None and MaskFlags.alpha not in dataset.mask_flag_enums[0],
                ) as view,
            ):
                bands = [1, 2, 3] if view.count >= 3 else [1, 1, 1]
                pixels = np.moveaxis(view.read(bands), 0, 2)
                seen = view.dataset_mask() > 127
        except rasterio.errors.RasterioError as error:
            raise BadInputError(f"{path}: cannot be read as a georeferenced image ({error})") from error
        shown = _to_8_bit(pixels) * (1 - pale) + 255 * pale
        self._ground[seen] = shown[seen].astype(np.uint8)

    def shapes(self, geometries: Iterable[BaseGeometry], style: Style) -> None:
        """Draw polygons, lines and points given in the map's system."""
        from matplotlib.collections import LineCollection, PathCollection

        areas, lines, points = [], [], []
        for geometry in geometries:
            for part in getattr(geometry, "geoms", [geometry]):
                if part.is_empty:
                    continue
                if part.geom_type == "Polygon":
                    areas.append(_outline(part))
                elif part.geom_type == "Point":
                    points.append((part.x, part.y))
                else:
                    lines.append(np.asarray(part.coords)[:, :2])
        dashes = (0, (4, 3)) if style.dashed else "solid"
        if areas:
            face: Any = _with_opacity(style.fill, style.opacity)
            self._axes.add_collection(
                PathCollection(
                    areas, facecolors=[face], edgecolors=style.edge, linewidths=style.width, linestyles=[dashes]
                )
            )
        if lines:
            self._axes.add_collection(
                LineCollection(lines, colors=style.edge, linewidths=style.width, linestyles=[dashes])
            )
        if points:
            x, y = np.transpose(points)
            self._axes.scatter(
                x,
                y,
                s=style.size,
                c=[_with_opacity(style.fill, style.opacity)],
                edgecolors=style.edge,
                linewidths=style.width,
                zorder=3,
            )

    def label(self, east_m: float, north_m: float, text: str) -> None:
        """A short mark, such as a site's number, in a white disc."""
        self._axes.text(
            east_m,
            north_m,
            text,
            ha="center",
            va="center",
            fontsize=11,
            fontweight="bold",
            zorder=6,
            bbox={"boxstyle": "circle,pad=0.25", "facecolor": "white", "edgecolor": "#222222", "linewidth": 0.8},
        )

    def to_jpeg(self) -> bytes:
        """Add scale bar, north arrow and graticule; the picture as a JPEG of at most a few hundred kB."""
        self._graticule()
        self._scale_bar()
        self._north_arrow()
        self._canvas.draw()
        drawn = np.asarray(self._canvas.buffer_rgba())
        opacity = drawn[..., 3:].astype(np.uint16)
        pixels = ((drawn[..., :3] * opacity + self._ground * (255 - opacity)) // 255).astype(np.uint8)
        for quality in (85, 75, 65, 50, 35):
            data = simplejpeg.encode_jpeg(pixels, quality=quality, colorspace="RGB", colorsubsampling="420")
            if len(data) <= LARGEST_BYTES:
                break
        return bytes(data)

    def _scale_bar(self) -> None:
        west, south, east, north = self.bounds
        length = nice_length((east - west) / 5)
        x, y = west + (east - west) * 0.03, south + (north - south) * 0.035
        self._axes.plot([x, x + length], [y, y], color="black", linewidth=3, solid_capstyle="butt", zorder=7)
        self._axes.plot([x, x + length / 2], [y, y], color="white", linewidth=1.6, solid_capstyle="butt", zorder=8)
        words = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
        self._axes.annotate(
            words,
            (x + length / 2, y),
            (0, 4),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=10,
            zorder=8,
            bbox=FURNITURE,
        )

    def _north_arrow(self) -> None:
        west, south, east, north = self.bounds
        x, y = east - (east - west) * 0.05, north - (north - south) * 0.05
        dx, dy = self._true_north(x, y)
        reach = 22  # points
        self._axes.annotate(
            "",
            xy=(x, y),
            xytext=(-dx * reach, -dy * reach),
            textcoords="offset points",
            arrowprops={
                "arrowstyle": "-|>,head_width=0.35,head_length=0.7",
                "linewidth": 2,
                "color": "black",
                "shrinkA": 0,
                "shrinkB": 0,
            },
            zorder=8,
        )
        self._axes.annotate(
            "N",
            (x, y),
            (-dx * (reach + 9), -dy * (reach + 9)),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=11,
            fontweight="bold",
            zorder=8,
            bbox=FURNITURE,
        )

    def _true_north(self, x: float, y: float) -> tuple[float, float]:
        to_degrees, to_metres = self._transformers()
        lon, lat = to_degrees.transform(x, y)
        x2, y2 = to_metres.transform(lon, min(lat + 1e-4, 90))
        length = math.hypot(x2 - x, y2 - y) or 1.0
        return (x2 - x) / length, (y2 - y) / length

    def _transformers(self) -> tuple[pyproj.Transformer, pyproj.Transformer]:
        return (
            pyproj.Transformer.from_crs(self.crs, "EPSG:4326", always_xy=True),
            pyproj.Transformer.from_crs("EPSG:4326", self.crs, always_xy=True),
        )

    def _graticule(self) -> None:
        """Meridians and parallels at round values, with their degrees at the edges."""
        west, south, east, north = self.bounds
        to_degrees, to_metres = self._transformers()
        lon0, lat0, lon1, lat1 = to_degrees.transform_bounds(west, south, east, north)
        step_lon, step_lat = _nice_step((lon1 - lon0) / 3), _nice_step((lat1 - lat0) / 3)
        digits = max(0, math.ceil(-math.log10(min(step_lon, step_lat)) - 1e-9))
        style: dict[str, Any] = {"color": "white", "linewidth": 0.5, "alpha": 0.7, "zorder": 1}
        text: dict[str, Any] = {"fontsize": 8, "zorder": 7, "bbox": FURNITURE}
        for lon in np.arange(math.ceil(lon0 / step_lon), lon1 / step_lon) * step_lon:
            x, y = to_metres.transform(np.full(9, lon), np.linspace(lat0, lat1, 9))
            self._axes.plot(x, y, **style)
            at = float(np.interp(north, y, x))
            if west + 0.08 * (east - west) < at < east - 0.12 * (east - west):
                self._axes.annotate(
                    f"{lon:.{digits}f}°",
                    (at, north),
                    (0, -3),
                    textcoords="offset points",
                    ha="center",
                    va="top",
                    **text,
                )
        for lat in np.arange(math.ceil(lat0 / step_lat), lat1 / step_lat) * step_lat:
            x, y = to_metres.transform(np.linspace(lon0, lon1, 9), np.full(9, lat))
            self._axes.plot(x, y, **style)
            at = float(np.interp(west, x, y))
            if south + 0.12 * (north - south) < at < north - 0.08 * (north - south):
                self._axes.annotate(
                    f"{lat:.{digits}f}°", (west, at), (3, 0), textcoords="offset points", ha="left", va="center", **text
                )


def nice_length(wanted: float) -> float:
    """The largest of 1, 2, 5 x 10^n that is no larger than wanted."""
    power = 10.0 ** math.floor(math.log10(wanted))
    return next(factor * power for factor in (5, 2, 1) if factor * power <= wanted * (1 + 1e-9))


def _nice_step(wanted: float) -> float:
    return nice_length(max(wanted, 1e-6))


def _printable(bounds: Bounds, margin: float) -> Bounds:
    """Bounds grown by a margin and to between 3:2 and 5:6, which suits a page and a phone."""
    west, south, east, north = bounds
    width, height = max(east - west, 10.0) * (1 + 2 * margin), max(north - south, 10.0) * (1 + 2 * margin)
    width, height = max(width, height * 5 / 6), max(height, width * 2 / 3)
    x, y = (west + east) / 2, (south + north) / 2
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _to_8_bit(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    if pixels.dtype == np.uint8:
        return np.asarray(pixels, np.uint8)
    low, high = np.percentile(pixels, (1, 99))
    return np.asarray(np.clip((pixels - low) / max(high - low, 1e-9) * 255, 0, 255), np.uint8)


def _outline(polygon: Any) -> Any:
    from matplotlib.path import Path as Outline

    rings = [polygon.exterior, *polygon.interiors]
    return Outline.make_compound_path(*[Outline(np.asarray(ring.coords)[:, :2], closed=True) for ring in rings])


def _with_opacity(colour: str, opacity: float) -> Any:
    from matplotlib.colors import to_rgba

    return to_rgba(colour, 0.0 if colour == "none" else opacity)
