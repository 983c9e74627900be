"""`flight-NN-profile.png`: the ground below a flight, the height it holds above that, and where photos are taken."""

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from planner.picture import INK, Canvas, Window, round_steps
from planner.survey import Flight, SurveyPlan
from planner.terrain import Profile, heights_above_ground

__all__ = ["write"]

WIDTH, HEIGHT = 1400, 520
LEFT, TOP, RIGHT, BOTTOM = 78, 70, 24, 56
GROUND, BAND, PATH, PHOTO, GRID = "#c8b89a", "#cfe3f2", "#08519c", "#d95f02", "#dddddd"


def write(plan: SurveyPlan, flight: Flight, path: str | Path) -> None:
    """Draw a flight's profile; `plan` knows the terrain."""
    assert plan.terrain is not None
    seen = heights_above_ground(flight.path, plan.terrain, plan.home_amsl_m)
    agl_m, base = plan.spec.height_agl_m, plan.home_amsl_m
    assert plan.heights is not None
    tolerance_m = plan.heights.tolerance_m
    ground = seen.ground_m + base
    top, low = max(float(seen.points[:, 2].max()) + base, float(ground.max()) + agl_m), float(ground.min())
    room = 0.06 * (top - low)
    window = Window(
        LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM, 0, low - room, max(float(seen.along_m[-1]), 1), top + room
    )
    canvas = Canvas(WIDTH, HEIGHT)
    shown = _thinned(seen, window)
    along = seen.along_m[shown]
    band = np.r_[ground[shown] + agl_m - tolerance_m, (ground[shown] + agl_m + tolerance_m)[::-1]]
    canvas.polygon(window.pixels(np.r_[along, along[::-1]], band), BAND)
    _axes(canvas, window)
    floor = np.r_[ground[shown], window.y0, window.y0]
    canvas.polygon(window.pixels(np.r_[along, along[-1], along[0]], floor), GROUND)
    canvas.line(window.pixels(along, ground[shown]), INK, 1)
    _photos(canvas, window, flight, plan.trigger_m, base)
    canvas.line(window.pixels(along, seen.points[shown, 2] + base), PATH, 1)
    _notes(canvas, window, seen, base)
    _title(canvas, plan, flight, seen, tolerance_m)
    canvas.save(path)


def _thinned(seen: Profile, window: Window) -> NDArray[np.int64]:
    """The places to draw: of each pixel's first, its highest and its lowest ground."""
    pixel = np.floor(seen.along_m * window.scale).astype(int)
    order = np.lexsort((seen.ground_m, pixel))
    starts = np.flatnonzero(np.r_[True, pixel[order][1:] != pixel[order][:-1]])
    ends = np.r_[starts[1:] - 1, len(order) - 1]
    return np.unique(np.r_[0, order[starts], order[ends], len(pixel) - 1])


def _axes(canvas: Canvas, window: Window) -> None:
    step = round_steps((window.y1 - window.y0) / 4)
    for height in np.arange(math.ceil(window.y0 / step) * step, window.y1, step):
        (x0, y), (x1, _) = window.pixels([window.x0, window.x1], [height, height])
        canvas.line([(x0, y), (x1, y)], GRID)
        canvas.text((x0 - 8, y), f"{height:g}", 13, "rm")
    step = round_steps((window.x1 - window.x0) / 6)
    for metres in np.arange(0, window.x1 + 1, step):
        x, y = window.pixels(metres, window.y0)[0]
        canvas.line([(x, y), (x, y + 5)])
        canvas.text((x, y + 8), f"{metres / 1000:g}", 13, "ma")
    canvas.line(window.pixels([window.x0, window.x0, window.x1], [window.y1, window.y0, window.y0]))
    canvas.text((LEFT, TOP - 8), "m above sea level", 13, "ld")
    canvas.text((WIDTH - RIGHT, HEIGHT - 10), "km flown", 13, "rd")


def _photos(canvas: Canvas, window: Window, flight: Flight, trigger_m: float, base_m: float) -> None:
    """A dot on the path at every photo, or a thick line where they would touch."""
    apart = trigger_m * window.scale > 4
    vertices = np.r_[0.0, np.cumsum(np.hypot(*np.diff(flight.path[:, :2], axis=0).T))]
    for first, last in flight.lines:
        if apart:
            spaced = np.r_[np.arange(vertices[first], vertices[last], trigger_m), vertices[last]]
            heights = np.interp(spaced, vertices, flight.path[:, 2]) + base_m
            canvas.dots(window.pixels(spaced, heights), PHOTO, 1.5)
        else:
            stretch = slice(first, last + 1)
            canvas.line(window.pixels(vertices[stretch], flight.path[stretch, 2] + base_m), PHOTO, 4)


def _notes(canvas: Canvas, window: Window, seen: Profile, base_m: float) -> None:
    lowest = int(np.argmin(seen.above_m))
    ends = window.pixels(seen.along_m[[lowest, lowest]], np.r_[seen.ground_m[lowest], seen.points[lowest, 2]] + base_m)
    canvas.line(ends, INK, 1)
    side, away = ("la", 5) if ends[0, 0] < WIDTH * 0.8 else ("ra", -5)
    x, y = ends[0]
    canvas.text((x + away, y + 4), f"least {seen.above_m[lowest]:.0f} m", 13, side)
    for end in (0, -1):
        at = window.pixels(seen.along_m[end], seen.ground_m[end] + base_m)[0]
        canvas.dots(at, "#ffffff", 8, INK)
        canvas.text(at, "H", 12, "mm")


def _title(canvas: Canvas, plan: SurveyPlan, flight: Flight, seen: Profile, tolerance_m: float) -> None:
    canvas.text((LEFT, 12), f"Flight {flight.number}: height above the ground", 20)
    above, agl_m = seen.above_m, plan.spec.height_agl_m
    held = float((abs(above - agl_m) <= tolerance_m * 1.01).mean())
    figures = (
        f"{agl_m:.0f} m asked; {above.min():.0f} to {above.max():.0f} m flown, mean {above.mean():.0f}; within"
        f" {tolerance_m:.1f} m on {held * 100:.0f} % of the way; {seen.along_m[-1] / 1000:.1f} km, {len(flight.photos)} photos"
    )
    canvas.text((WIDTH - RIGHT, 16), figures, 14, "ra")
    x = WIDTH - RIGHT - 560
    for name, colour, wide in (
        ("ground", GROUND, 8.0),
        (f"{agl_m:.0f} m above it", BAND, 8.0),
        ("path", PATH, 2.0),
        ("photos", PHOTO, 4.0),
    ):
        canvas.line([(x, 50), (x + 26, 50)], colour, wide)
        canvas.text((x + 33, 50), name, 13, "lm")
        x += 150
