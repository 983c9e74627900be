"""Litchi's mission CSV, for DJI drones that it flies: heights above home, photos by distance along lines."""

import csv
import io
import math
from pathlib import Path

import numpy as np

from imagery.core.errors import BadInputError
from imagery.core.files import write_text
from imagery.core.reading import read_text
from planner.formats.flown import FlownPath, checked
from planner.survey import Flight, SurveyPlan

__all__ = ["MOST_WAYPOINTS", "read", "warnings", "write"]

MOST_WAYPOINTS = 99
GIVE = "a mission that Litchi's Mission Hub exported as CSV"
LATITUDE, LONGITUDE, HEIGHT, MODE, EVERY = (
    "latitude",
    "longitude",
    "altitude(m)",
    "altitudemode",
    "photo_distinterval",
)
ACTIONS = 15
TAKE_PHOTO, NO_ACTION, INTERPOLATE_GIMBAL = 1, -1, 2
HEADER = [
    "latitude",
    "longitude",
    "altitude(m)",
    "heading(deg)",
    "curvesize(m)",
    "rotationdir",
    "gimbalmode",
    "gimbalpitchangle",
    *(name for n in range(1, ACTIONS + 1) for name in (f"actiontype{n}", f"actionparam{n}")),
    "altitudemode",
    "speed(m/s)",
    "poi_latitude",
    "poi_longitude",
    "poi_altitude(m)",
    "poi_altitudemode",
    "photo_timeinterval",
    "photo_distinterval",
]


def write(plan: SurveyPlan, flight: Flight, path: str | Path) -> list[Path]:
    """Write a flight; of more than 99 waypoints as several files (`-part-2` and so on). Returns the files."""
    path = Path(path)
    rows = _rows(plan, flight)
    written = []
    for part, start in enumerate(range(0, len(rows), MOST_WAYPOINTS), 1):
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([HEADER, *rows[start : start + MOST_WAYPOINTS]])
        written.append(path if part == 1 else path.with_name(f"{path.stem}-part-{part}{path.suffix}"))
        write_text(written[-1], text.getvalue())
    return written


def warnings(flight: Flight) -> list[str]:
    """What to know before flying a flight with Litchi."""
    files = -(-len(flight.path) // MOST_WAYPOINTS)
    if files == 1:
        return []
    return [
        f"flight {flight.number} has {len(flight.path)} waypoints and Litchi takes {MOST_WAYPOINTS}: written as {files} files"
        " to be flown one after the other; a lower --endurance gives shorter flights"
    ]


def read(path: str | Path) -> FlownPath:
    """Read one file of a mission; a file that continues another (`-part-2`) holds only its own waypoints."""
    path = Path(path)
    text = read_text(path, GIVE)
    try:
        rows = list(csv.DictReader(io.StringIO(text), restval=""))
    except csv.Error:
        raise BadInputError(f"{path}: is not readable CSV: give {GIVE}") from None
    if not rows or not {LATITUDE, LONGITUDE, HEIGHT} <= set(rows[0]):
        raise BadInputError(f"{path}: has no columns latitude, longitude and altitude(m): give {GIVE}")
    try:
        points = np.array([[float(row[name]) for name in (LONGITUDE, LATITUDE, HEIGHT)] for row in rows])
        every = np.array([float(row.get(EVERY) or -1) for row in rows])
    except (TypeError, ValueError):
        raise BadInputError(f"{path}: a latitude, longitude, altitude or photo interval is not a number") from None
    datum = "ground" if any(row.get(MODE) == "1" for row in rows) else "home"
    changes = np.diff((every > 0).astype(int), prepend=0, append=0)
    lines = np.column_stack([np.flatnonzero(changes == 1), np.minimum(np.flatnonzero(changes == -1), len(rows) - 1)])
    trigger_m = float(every.max()) if (every > 0).any() else math.nan
    home = (float(points[0, 0]), float(points[0, 1]))
    return checked(FlownPath(points, datum, home, lines, trigger_m), str(path))


def _rows(plan: SurveyPlan, flight: Flight) -> list[list[str]]:
    lon, lat = plan.frame.to_geographic(flight.path[:, 0], flight.path[:, 1])
    on_line = np.zeros(len(flight.path), bool)
    for first, last in flight.lines:
        on_line[first:last] = True
    exits = set(flight.lines[:, 1].tolist()) - set(flight.lines[:, 0].tolist())
    rows = []
    for i in range(len(flight.path)):
        ahead = flight.path[min(i + 1, len(flight.path) - 1), :2] - flight.path[min(i, len(flight.path) - 2), :2]
        heading = np.degrees(np.arctan2(ahead[0], ahead[1])) % 360
        first_action = TAKE_PHOTO if i in exits else NO_ACTION
        actions = [str(first_action), "0", *(["-1", "0"] * (ACTIONS - 1))]
        rows.append(
            [
                f"{lat[i]:.8f}",
                f"{lon[i]:.8f}",
                f"{flight.path[i, 2]:.1f}",
                f"{heading:.1f}",
                "0",
                "0",
                str(INTERPOLATE_GIMBAL),
                "-90",
                *actions,
                "0",
                f"{plan.motion.speed_m_s:.1f}",
                *("0", "0", "0", "0", "-1"),
                f"{plan.trigger_m:.1f}" if on_line[i] else "-1",
            ]
        )
    return rows
