"""The heights along a flight: the path, and the ground beneath its photos, above sea level."""

import numpy as np
import shapely
from numpy.typing import NDArray

from imagery.core.language import Words
from planner.brief.scene import Scene
from planner.brief.sheet import GREY, INK, Box, Sheet
from planner.flights import Flight

__all__ = ["draw_profile", "photo_distances"]

GROUND, PATH = "#d9cfbd", "#0b4f86"
LABELS_MM = 9.0


def photo_distances(flight: Flight) -> NDArray[np.float64]:
    """How far along the path each photo is taken, in metres from the take-off."""
    flat = flight.path[:, :2]
    flown = np.r_[0.0, np.cumsum(np.hypot(*np.diff(flat, axis=0).T))]
    found, at = [], 0
    lines = [shapely.LineString(flat[first : last + 1]) for first, last in flight.lines]
    for photo in shapely.points(flight.photos[:, :2]):
        while at < len(lines) - 1 and lines[at].distance(photo) > 0.5:
            at += 1
        found.append(flown[flight.lines[at, 0]] + lines[at].project(photo))
    return np.array(found)


def draw_profile(sheet: Sheet, box: Box, scene: Scene, words: Words) -> None:
    """Draw the profile into a box."""
    flight, home_m = scene.flight, scene.plan.home_amsl_m
    flown = np.r_[0.0, np.cumsum(np.hypot(*np.diff(flight.path[:, :2], axis=0).T))]
    heights = flight.path[:, 2] + home_m
    along, ground = photo_distances(flight), flight.photos[:, 2] - flight.photo_agl_m + home_m
    along, ground = np.r_[0.0, along, flown[-1]], np.r_[home_m, ground, home_m]
    low, high = float(min(ground.min(), heights.min())), float(max(ground.max(), heights.max()))
    frame = Box(box.x + LABELS_MM, box.y + 1, box.width - LABELS_MM, box.height - 4.5)
    base, rise = low - 0.12 * (high - low), (high - low) * 1.24

    def on_sheet(x: NDArray[np.float64], height: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(
            [frame.x + x / flown[-1] * frame.width, frame.bottom - (height - base) / rise * frame.height]
        )

    # The ground is known beneath the photos only: on the way there and back it is not drawn.
    known = on_sheet(along[1:-1], ground[1:-1])
    corners = np.array([[known[-1, 0], frame.bottom], [known[0, 0], frame.bottom]])
    sheet.shape(shapely.Polygon(np.concatenate([known, corners])), GROUND)
    sheet.line(known, INK, 0.6, clip=frame)
    path = on_sheet(np.r_[0.0, flown, flown[-1]], np.r_[home_m, heights, home_m])
    sheet.line(path, PATH, 0.9, clip=frame)
    sheet.line([(frame.x, frame.y), (frame.x, frame.bottom), (frame.right, frame.bottom)], INK, 0.5)
    for value in sorted({low, high}):
        y = float(on_sheet(np.zeros(1), np.array([value]))[0, 1])
        sheet.line([(frame.x, y), (frame.right, y)], GREY, 0.25, dashes=(1.0, 2.0))
        sheet.text(frame.x - 0.8, y, words.number(value, 0, "m"), 6, colour=GREY, align="right", middle=True)
    ends = (("0", frame.x, "left"), (words.number(flown[-1] / 1000, 1, "km"), frame.right, "right"))
    for text, x, align in ends:
        sheet.text(x, frame.bottom + 2.6, text, 6, colour=GREY, align=align)
