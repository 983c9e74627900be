"""The proof of a plan as maps: `overlap.tif` for a GIS, and `overlap.png` that a person understands at a glance."""

import math
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin, TiffTags

from imagery.core.files import atomic_path
from imagery.core.frame import utm_crs
from planner.coverage.proof import Cells
from planner.ground import views_asked
from planner.picture import INK, PAPER, Canvas, Window
from planner.survey import SurveyPlan

__all__ = ["write_geotiff", "write_picture"]

OUTSIDE = 255  # no data; more views than 254 count as 254
# Orange where a surface model lacks photos, blue where it has them: told apart by every kind of colour vision, and in grey.
BREAKS = (1, 3, 5, 9)
COLOURS = ("#b2182b", "#ef8a62", "#fddbc7", "#d1e5f0", "#67a9cf", "#2166ac")
NO_FLY, PATH = "#111111", "#3a3a3a"
WIDTH, HEIGHT, MARGIN, LEGEND = 1180, 900, 24, 268


def write_geotiff(plan: SurveyPlan, path: str | Path) -> None:
    """How many photos see each cell, as one band of whole numbers with a colour table, in the UTM zone of the area.

    Outside the area is no data (255).
    """
    import pyproj

    cells, views = plan.overlap.cells, plan.overlap.views
    crs = utm_crs(plan.frame.lon_deg, plan.frame.lat_deg)
    to_utm = pyproj.Transformer.from_crs(plan.frame.crs, crs, always_xy=True)
    west, south, east, north = to_utm.transform_bounds(*_bounds(cells))
    size = cells.cell_m
    width, height = math.ceil((east - west) / size), math.ceil((north - south) / size)
    x, y = np.meshgrid(west + (np.arange(width) + 0.5) * size, north - (np.arange(height) + 0.5) * size)
    local_x, local_y = to_utm.transform(x, y, direction="INVERSE")
    column = np.floor((local_x - cells.west_m) / size).astype(int)
    row = np.floor((local_y - cells.south_m) / size).astype(int)
    rows, columns = views.shape
    known = (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
    row, column = np.where(known, row, 0), np.where(known, column, 0)
    known &= cells.inside[row, column]
    counts = np.where(known, np.minimum(views[row, column], OUTSIDE - 1), OUTSIDE).astype(np.uint8)
    image = Image.fromarray(counts)
    image.putpalette([part for colour in _colour_table(_breaks(plan)) for part in _rgb(colour)])
    epsg = crs.to_epsg()
    assert epsg is not None
    with atomic_path(path) as temporary:
        image.save(temporary, compression="tiff_deflate", tiffinfo=_geo_tags(west, north, size, epsg))


def _geo_tags(west: float, north: float, cell_m: float, epsg: int) -> TiffImagePlugin.ImageFileDirectory_v2:
    """The tags that place a TIFF on Earth (GeoTIFF 1.1): written here, since loading GDAL takes longer than all the rest."""
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    described = '<Item name="DESCRIPTION" sample="0" role="description">photos that see the cell</Item>'
    for number, kind, value in (
        (33550, TiffTags.DOUBLE, (cell_m, cell_m, 0.0)),  # ModelPixelScale
        (33922, TiffTags.DOUBLE, (0.0, 0.0, 0.0, west, north, 0.0)),  # ModelTiepoint
        # GeoKeyDirectory: its version and size; a projected model; pixels are areas; the EPSG code
        (34735, TiffTags.SHORT, (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, epsg)),
        (42112, TiffTags.ASCII, f"<GDALMetadata>{described}</GDALMetadata>"),  # GDAL_METADATA
        (42113, TiffTags.ASCII, str(OUTSIDE)),  # GDAL_NODATA
    ):
        tags.tagtype[number] = kind
        tags[number] = value
    return tags


def write_picture(plan: SurveyPlan, path: str | Path) -> None:
    """A map of the area, coloured by how many photos see each place, with no-fly zones, the paths and the home."""
    canvas = Canvas(WIDTH, HEIGHT)
    cells = plan.overlap.cells
    shown = shapely.union_all([plan.area.envelope, *(shapely.LineString(f.path[:, :2]).envelope for f in plan.flights)])
    frame = (MARGIN, 64, WIDTH - LEGEND - MARGIN, HEIGHT - MARGIN)
    window = Window.holding(frame, shown.buffer(0.02 * math.sqrt(shown.envelope.area)).bounds)
    (left, top), (right, bottom) = window.pixels(*np.array(_bounds(cells)).reshape(2, 2).T)[:, :].tolist()
    west, south, east, north = _bounds(cells)
    classes = np.searchsorted(_breaks(plan), plan.overlap.views, side="right")
    colours = np.array([_rgb(colour) for colour in COLOURS], np.uint8)[classes]
    colours[~cells.inside] = 255
    canvas.paste(colours[::-1], Window(left, bottom, right, top, west, south, east, north))
    for zone in shapely.get_parts(plan.no_fly):
        ring = window.pixels(*zone.exterior.xy)
        canvas.polygon(ring, "#e8e8e8", NO_FLY, 1.5)
        canvas.hatch(ring, NO_FLY)
    for flight in plan.flights:
        canvas.line(window.pixels(flight.path[:, 0], flight.path[:, 1]), PATH, 0.75)
    for part in shapely.get_parts(plan.area):
        for ring in (part.exterior, *part.interiors):
            canvas.line(window.pixels(*ring.xy), INK, 2)
    fewest, *place = plan.overlap.fewest()
    _cross(canvas, window.pixels(*place)[0])
    for home in plan.homes:
        place = window.pixels(*home.xy)[0]
        canvas.dots(place, PAPER, 9, INK)
        canvas.text(place, "H", 13, "mm")
    _legend(canvas, plan, window, fewest)
    canvas.save(path)


def _legend(canvas: Canvas, plan: SurveyPlan, window: Window, fewest: int) -> None:
    overlap, spec, x = plan.overlap, plan.spec, WIDTH - LEGEND
    asked = f"{spec.front_overlap * 100:g}/{spec.sidelap * 100:g} %"
    canvas.text((MARGIN, 16), "Photos that see each place", 24)
    canvas.text(
        (WIDTH - MARGIN, 24),
        f"{spec.area.name}: {plan.area.area / 1e6:.3g} km2, {asked} asked, {spec.height_agl_m:.0f} m above ground",
        14,
        "ra",
    )
    canvas.text((x, 80), "photos", 14)
    canvas.text((x + 170, 80), "of the area", 14, "ra")
    views, breaks, y = overlap.views[overlap.cells.inside], _breaks(plan), 104.0
    counts = np.bincount(np.searchsorted(breaks, views, side="right"), minlength=len(COLOURS))
    for number, colour in enumerate(COLOURS[: len(breaks) + 1]):
        canvas.polygon([(x, y), (x + 30, y), (x + 30, y + 22), (x, y + 22)], colour, INK)
        canvas.text((x + 40, y + 11), _class_name(breaks, number), 14, "lm")
        canvas.text((x + 170, y + 11), f"{counts[number] / max(len(views), 1) * 100:.2f} %", 14, "rm")
        y += 27
    y += 14
    for line in (
        f"one or more: {overlap.seen(1) * 100:.2f} %",
        f"five or more: {overlap.seen(5) * 100:.2f} %",
        f"median {np.median(views):.0f}, fewest {fewest}",
    ):
        canvas.text((x, y), line, 14)
        y += 21
    y += 14
    for name, draw in _SYMBOLS.items():
        draw(canvas, x + 15, y + 11)
        canvas.text((x + 40, y + 11), name, 14, "lm")
        y += 27
    canvas.north_arrow((x + 16, HEIGHT - 96))
    canvas.scale_bar((x, HEIGHT - MARGIN - 8), window, LEGEND - 2 * MARGIN)


def _draw_path(canvas: Canvas, x: float, y: float) -> None:
    canvas.line([(x - 15, y), (x + 15, y)], PATH, 1)


def _draw_area(canvas: Canvas, x: float, y: float) -> None:
    canvas.polygon([(x - 14, y - 9), (x + 14, y - 9), (x + 14, y + 9), (x - 14, y + 9)], PAPER, INK, 2)


def _draw_no_fly(canvas: Canvas, x: float, y: float) -> None:
    box = [(x - 14, y - 9), (x + 14, y - 9), (x + 14, y + 9), (x - 14, y + 9)]
    canvas.polygon(box, "#e8e8e8", NO_FLY, 1.5)
    canvas.hatch(box, NO_FLY)


def _draw_home(canvas: Canvas, x: float, y: float) -> None:
    canvas.dots((x, y), PAPER, 9, INK)
    canvas.text((x, y), "H", 13, "mm")


def _draw_fewest(canvas: Canvas, x: float, y: float) -> None:
    _cross(canvas, (x, y))


_SYMBOLS = {
    "area": _draw_area,
    "no-fly zone": _draw_no_fly,
    "path": _draw_path,
    "take-off and landing": _draw_home,
    "seen by the fewest": _draw_fewest,
}


def _cross(canvas: Canvas, at: NDArray[np.float64] | tuple[float, float]) -> None:
    x, y = at
    for colour, width in ((PAPER, 5.0), (INK, 2.5)):
        canvas.line([(x - 7, y - 7), (x + 7, y + 7)], colour, width)
        canvas.line([(x - 7, y + 7), (x + 7, y - 7)], colour, width)


def _breaks(plan: SurveyPlan) -> list[int]:
    """Where a class of views ends and the next begins; the last class has what the overlap asks for."""
    asked = views_asked(plan.spec.front_overlap, plan.spec.sidelap)
    return [*(count for count in BREAKS if count < asked), asked]


def _class_name(breaks: list[int], number: int) -> str:
    least = breaks[number - 1] if number else 0
    most = breaks[number] - 1 if number < len(breaks) else None
    return f"{least} or more" if most is None else str(least) if most == least else f"{least} - {most}"


def _colour_table(breaks: list[int]) -> list[str]:
    classes = np.searchsorted(breaks, np.arange(OUTSIDE), side="right")
    return [COLOURS[number] for number in classes]


def _bounds(cells: Cells) -> tuple[float, float, float, float]:
    rows, columns = cells.inside.shape
    return cells.west_m, cells.south_m, cells.west_m + columns * cells.cell_m, cells.south_m + rows * cells.cell_m


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
