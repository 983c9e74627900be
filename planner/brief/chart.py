"""The map of a flight: its path in order and direction, the area, what not to enter, and where to land."""

import math
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from imagery.core.fonts import text_width
from imagery.core.language import Words
from planner.brief.scene import Place, Scene
from planner.brief.sheet import GREY, INK, Box, Sheet
from planner.brief.typeset import MM
from planner.flights import Flight

__all__ = ["LABELS_MM", "LEGEND_MM", "draw_locator", "draw_map", "extent", "scale_of", "shows_all"]

AREA, EDGE, PATH, NO_FLY, FENCE = "#eef1ea", "#3d4a3d", "#0b4f86", "#a3161a", "#3b1d5e"
OTHERS = "#b5bcc4"
FENCE_DASHES, TRANSIT_DASHES = (7.0, 2.0, 1.5, 2.0), (3.0, 1.6)
LABELS_MM = 4.0  # for the degrees at the map's left and upper edge
LEGEND_MM = 15.0  # below the map: up to four rows of signs beside the scale bar
MARGIN, CONTEXT = 0.05, 0.2  # of the map's size; of the flight's size, of a larger area around it
MUCH_LARGER = 1.6
NARROW_LINES_MM = 1.1  # lines closer together than this are drawn thinner, and their numbers farther apart


def extent(scene: Scene) -> tuple[float, float, float, float]:
    """What the map must show: west, south, east, north in metres: all that is flown, and the fence and area around it.

    Of an area that is much larger than the flight, only what lies near it.
    """
    flown = _flown(scene)
    size = _size(flown)
    around = shapely.union_all([scene.plan.area, scene.fence])
    if not shows_all(scene):
        around = shapely.intersection(around, shapely.box(*flown.bounds).buffer(CONTEXT * size))
    west, south, east, north = shapely.union_all([flown, around]).bounds
    margin = MARGIN * max(east - west, north - south)
    return west - margin, south - margin, east + margin, north + margin


def shows_all(scene: Scene) -> bool:
    """Whether the map shows the whole area."""
    return _size(shapely.union(scene.plan.area, _flown(scene))) <= MUCH_LARGER * _size(_flown(scene))


def _flown(scene: Scene) -> shapely.Geometry:
    return shapely.union_all([shapely.LineString(scene.flight.path[:, :2]), *map(_point, (scene.home, *scene.rally))])


def _size(geometry: shapely.Geometry) -> float:
    west, south, east, north = geometry.bounds
    return max(east - west, north - south, 50.0)


@dataclass(frozen=True, slots=True)
class _View:
    """Where metres of the plan lie on the sheet."""

    frame: Box
    scale: float  # millimetres per metre
    middle: tuple[float, float]

    def points(self, metres: NDArray[np.float64]) -> NDArray[np.float64]:
        x = self.frame.x + self.frame.width / 2 + (metres[:, 0] - self.middle[0]) * self.scale
        y = self.frame.y + self.frame.height / 2 - (metres[:, 1] - self.middle[1]) * self.scale
        return np.column_stack([x, y])

    def place(self, place: Place) -> tuple[float, float]:
        x, y = self.points(np.array([[place.x, place.y]]))[0]
        return float(x), float(y)

    def shape(self, geometry: shapely.Geometry) -> shapely.Geometry:
        return shapely.transform(geometry, self.points)


def scale_of(scene: Scene, width_mm: float, height_mm: float) -> float:
    """Millimetres per metre at which the map of a scene fits."""
    west, south, east, north = extent(scene)
    return min((width_mm - LABELS_MM) / (east - west), (height_mm - LABELS_MM - LEGEND_MM) / (north - south))


def draw_map(sheet: Sheet, box: Box, scene: Scene, words: Words) -> None:
    """Draw the map into a box, with degrees at its edges and the legend below."""
    frame = Box(box.x + LABELS_MM, box.y + LABELS_MM, box.width - LABELS_MM, box.height - LABELS_MM - LEGEND_MM)
    west, south, east, north = extent(scene)
    view = _View(frame, scale_of(scene, box.width, box.height), ((west + east) / 2, (south + north) / 2))
    sheet.shape(view.shape(scene.plan.area), AREA, EDGE, 0.9, clip=frame)
    _graticule(sheet, view, scene)
    sheet.shape(view.shape(scene.fence), "none", FENCE, 0.9, dashes=FENCE_DASHES, clip=frame)
    _zones(sheet, view, scene)
    _other_flights(sheet, view, scene)
    _path(sheet, view, scene)
    _marks(sheet, view, scene)
    sheet.box(frame, edge=INK, width_pt=0.8)
    _legend(sheet, Box(frame.x, frame.bottom + 1, frame.width, LEGEND_MM - 1), scene, view, words)


def _zones(sheet: Sheet, view: _View, scene: Scene) -> None:
    zones = view.shape(shapely.union_all([scene.plan.no_fly, scene.keep_out]))
    sheet.shape(zones, "white", NO_FLY, 0.0, clip=view.frame)
    sheet.shape(zones, "none", NO_FLY, 1.2, hatch="//////", clip=view.frame)


def _other_flights(sheet: Sheet, view: _View, scene: Scene) -> None:
    others = [flight for flight in scene.plan.flights if flight.number != scene.flight.number]
    sheet.lines([view.points(line) for flight in others for line in _lines(flight)], OTHERS, 0.4, clip=view.frame)


def _lines(flight: Flight) -> list[NDArray[np.float64]]:
    """The photographed lines of a flight, each n x 2 or 3."""
    return [flight.path[first : last + 1] for first, last in flight.lines]


def _path(sheet: Sheet, view: _View, scene: Scene) -> None:
    """Transits dashed and lines solid, with arrows along them; the lines' numbers in the order flown."""
    flight, path = scene.flight, view.points(scene.flight.path)
    spacing = scene.plan.spacing_m * view.scale
    wide = spacing > NARROW_LINES_MM
    sheet.line(path, PATH, 0.6, dashes=TRANSIT_DASHES, clip=view.frame)
    for first, last in flight.lines:
        sheet.line(path[first : last + 1], PATH, 1.1 if wide else 0.6, clip=view.frame)
    every = max(1, math.ceil(2.6 / max(spacing, 1e-6)))
    for first, last in flight.lines[::every]:
        _arrow(sheet, path[first], path[last], min(2.6, max(1.5, spacing * 0.6)))
    first, last = flight.lines[0, 0], flight.lines[-1, 1]
    for a, b in ((path[0], path[1]), (path[-2], path[-1])):
        _arrow(sheet, a, b, 2.2)
    _numbers(sheet, path, flight.lines)
    sheet.shape(_triangle(path[first]), "white", INK, 0.9)
    sheet.shape(shapely.Point(path[last]).buffer(1.3, cap_style="square"), "white", INK, 0.9)


def _arrow(sheet: Sheet, start: NDArray[np.float64], end: NDArray[np.float64], length: float) -> None:
    if math.dist(start, end) > 2.5 * length:
        middle = (start + end) / 2
        sheet.arrow(float(middle[0]), float(middle[1]), (end - start).tolist(), length, PATH)


def _numbers(sheet: Sheet, path: NDArray[np.float64], lines: NDArray[np.int64]) -> None:
    """The lines' numbers a little before their beginnings, as many as find room."""
    size, taken = 5.6, shapely.MultiPoint([path[lines[0, 0]], path[lines[-1, 1]]]).buffer(1.6)
    for number, (first, last) in enumerate(lines, 1):
        ahead = path[last] - path[first]
        x, y = path[first] - ahead / max(float(np.hypot(*ahead)), 1e-9) * 1.9
        half = text_width(str(number), size, bold=True) * MM / 2 + 0.25
        room = shapely.box(x - half, y - 1.0, x + half, y + 1.0)
        if not room.intersects(taken):
            sheet.text(x, y, str(number), size, bold=True, colour=PATH, align="center", middle=True, paper=True)
            taken = taken.union(room)


def _triangle(at: NDArray[np.float64]) -> shapely.Polygon:
    return shapely.Polygon([(at[0] - 1.5, at[1] + 1.2), (at[0] + 1.5, at[1] + 1.2), (at[0], at[1] - 1.6)])


def _marks(sheet: Sheet, view: _View, scene: Scene) -> None:
    """Corners with their letters outside the area, landing places in discs."""
    middle = shapely.get_coordinates(view.shape(scene.plan.area).centroid)[0]
    for corner in scene.corners:
        x, y = view.place(corner)
        if not shapely.box(view.frame.x, view.frame.y, view.frame.right, view.frame.bottom).contains(
            shapely.Point(x, y)
        ):
            continue
        outward = np.array([x, y]) - middle
        dx, dy = outward / max(float(np.hypot(*outward)), 1e-9) * 2.4
        sheet.disc(x, y, 0.55, EDGE, "white", 0.3)
        inside = view.frame.inner(1.6)
        at = min(max(x + dx, inside.x), inside.right), min(max(y + dy, inside.y), inside.bottom)
        sheet.text(*at, corner.mark, 7, bold=True, colour=EDGE, align="center", middle=True, paper=True)
    for place in (scene.home, *scene.rally):
        x, y = view.place(place)
        _landing(sheet, x, y, place.mark)


def _landing(sheet: Sheet, x: float, y: float, mark: str, radius: float = 2.2) -> None:
    home = mark == "H"
    sheet.disc(x, y, radius, INK if home else "white", "white" if home else INK, 0.9)
    size = (8.0 if len(mark) == 1 else 6.0) * radius / 2.2
    sheet.text(x, y, mark, size, bold=True, colour="white" if home else INK, align="center", middle=True)


def _graticule(sheet: Sheet, view: _View, scene: Scene) -> None:
    """Meridians and parallels at round degrees, named at the upper and left edge."""
    frame, plan = view.frame, scene.plan
    edge = np.array([[frame.x, frame.y], [frame.right, frame.y], [frame.right, frame.bottom], [frame.x, frame.bottom]])
    metres = (edge - (frame.x + frame.width / 2, frame.y + frame.height / 2)) / view.scale * (1, -1) + view.middle
    lon, lat = plan.frame.to_geographic(metres[:, 0], metres[:, 1])
    ends = {"lon": (float(lon.min()), float(lon.max())), "lat": (float(lat.min()), float(lat.max()))}
    for axis, across in (("lon", "lat"), ("lat", "lon")):
        low, high = ends[axis]
        length_mm = frame.width if axis == "lon" else frame.height
        step = _nice((high - low) * max(26.0 / length_mm, 0.18))
        digits = max(0, math.ceil(-math.log10(step) - 1e-9))
        for value in np.arange(math.ceil(low / step), high / step) * step:
            along = np.linspace(*ends[across], 9)
            degrees = (np.full(9, value), along) if axis == "lon" else (along, np.full(9, value))
            line = view.points(np.column_stack(plan.frame.to_local(*degrees)))
            sheet.line(line, GREY, 0.2, clip=frame)
            at = float(
                np.interp(frame.y, line[::-1, 1], line[::-1, 0]) if axis == "lon" else np.interp(frame.x, *line.T)
            )
            if axis == "lon" and frame.x + 6 < at < frame.right - 6:
                sheet.text(at, frame.y - 1, f"{value:.{digits}f}°", 6, colour=GREY, align="center")
            elif axis == "lat" and frame.y + 6 < at < frame.bottom - 6:
                sheet.text(frame.x - 1, at, f"{value:.{digits}f}°", 6, colour=GREY, align="center", upright=True)


def draw_locator(sheet: Sheet, box: Box, scene: Scene) -> None:
    """The whole area with all flights, this one's lines dark."""
    west, south, east, north = shapely.union(scene.plan.area, _flown(scene)).bounds
    scale = min(box.width / max(east - west, 1.0), box.height / max(north - south, 1.0))
    view = _View(box, scale, ((west + east) / 2, (south + north) / 2))
    sheet.shape(view.shape(scene.plan.area), AREA, EDGE, 0.6)
    for flight in sorted(scene.plan.flights, key=lambda one: one.number == scene.flight.number):
        mine = flight.number == scene.flight.number
        sheet.lines([view.points(line) for line in _lines(flight)], PATH if mine else OTHERS, 0.7 if mine else 0.3)
    _landing(sheet, *view.place(scene.home), "H", 1.4)


def _legend(sheet: Sheet, box: Box, scene: Scene, view: _View, words: Words) -> None:
    """North arrow, scale bar, and what the signs mean, in as many rows as there is room for."""
    x = _north(sheet, view, scene, box.x + 2.5, box.y + 3.6) + 3
    x = max(_scale_bar(sheet, x, box.y + 5.0, box.width, view.scale, words) + 5, box.x + 0.2 * box.width)
    left, y, size = x, box.y + 2.2, 6.6
    for sign, name in _signs(scene):
        text = words(name)
        width = 8.6 + text_width(text, size) * MM + 3.4
        if x + width > box.right + 3.4 and x > left:
            y += 3.5
            left = left if y < box.y + 7 else box.x
            x = left
        _sign(sheet, sign, x, y)
        sheet.text(x + 8.6, y, text, size, middle=True)
        x += width


def _signs(scene: Scene) -> list[tuple[str, str]]:
    signs = [("line", "Line with its number"), ("transit", "Transit"), ("start", "First photo"), ("end", "Last photo")]
    signs += [("H", "Take-off and landing")] + ([("R", "Rally point")] if scene.rally else [])
    signs.append(("area", "Survey area"))
    if not (scene.plan.no_fly.is_empty and scene.keep_out.is_empty):
        signs.append(("no_fly", "Not flown over"))
    if not scene.fence.is_empty:
        signs.append(("fence", "Fence"))
    if len(scene.plan.flights) > 1:
        signs.append(("others", "Other flights"))
    return signs


def _sign(sheet: Sheet, sign: str, x: float, y: float) -> None:
    bar, ends = shapely.box(x + 0.5, y - 1.2, x + 7, y + 1.2), [(x + 0.5, y), (x + 7, y)]
    match sign:
        case "line":
            sheet.line(ends, PATH, 1.1)
            sheet.arrow(x + 4.5, y, (1, 0), 2.4, PATH)
        case "transit":
            sheet.line(ends, PATH, 0.6, dashes=TRANSIT_DASHES)
        case "others":
            sheet.line(ends, OTHERS, 0.8)
        case "fence":
            sheet.line(ends, FENCE, 0.9, dashes=FENCE_DASHES)
        case "area":
            sheet.shape(bar, AREA, EDGE, 0.9)
        case "no_fly":
            sheet.shape(bar, "white", NO_FLY, 1.0, hatch="//////")
        case "start":
            sheet.shape(_triangle(np.array([x + 5.4, y])), "white", INK, 0.9)
        case "end":
            sheet.shape(shapely.Point(x + 5.4, y).buffer(1.2, cap_style="square"), "white", INK, 0.9)
        case _:
            _landing(sheet, x + 5.4, y, sign, 1.6)


def _north(sheet: Sheet, view: _View, scene: Scene, x: float, y: float) -> float:
    """The direction of true north at the home; returns the right edge."""
    lon, lat = scene.plan.home
    to = np.column_stack(scene.plan.frame.to_local([lon, lon], [lat, min(lat + 1e-3, 90.0)]))
    way = np.diff(view.points(to), axis=0)[0]
    sheet.arrow(x, y, way.tolist(), 6.5, INK)
    sheet.text(x + 3.4, y, "N", 8, bold=True, align="center", middle=True)
    return x + 5


def _scale_bar(sheet: Sheet, x: float, y: float, width: float, scale: float, words: Words) -> float:
    metres = _nice(min(width / 5, 30.0) / scale)
    length = metres * scale
    sheet.shape(shapely.box(x, y - 0.7, x + length, y + 0.7), "white", INK, 0.5)
    sheet.shape(shapely.box(x, y - 0.7, x + length / 2, y + 0.7), INK, INK, 0.5)
    text = words.number(metres / 1000, 0, "km") if metres >= 1000 else words.number(metres, 0, "m")
    sheet.text(x, y - 1.6, "0", 6.6, align="center")
    sheet.text(x + length, y - 1.6, text, 6.6, align="center")
    return x + length + text_width(text, 6.6) * MM / 2


def _nice(wanted: float) -> float:
    """The largest of 1, 2, 5 x 10^n that is no larger than wanted."""
    power = 10.0 ** math.floor(math.log10(wanted))
    return next(factor * power for factor in (5, 2, 1) if factor * power <= wanted * (1 + 1e-9))


def _point(place: Place) -> shapely.Point:
    return shapely.Point(place.x, place.y)
