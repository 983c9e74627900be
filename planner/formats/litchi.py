"""Litchi's mission CSV, for DJI drones that it flies: heights above home, photos by distance along lines."""

import csv
import io
from pathlib import Path

import numpy as np

from imagery.core.files import write_text
from planner.survey import Flight, SurveyPlan

__all__ = ["MOST_WAYPOINTS", "write"]

MOST_WAYPOINTS = 99
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


def _rows(plan: SurveyPlan, flight: Flight) -> list[list[str]]:
    lon, lat = plan.frame.to_geographic(flight.path[:, 0], flight.path[:, 1])
    on_line = np.zeros(len(flight.path), bool)
    for first, last in flight.lines:
        on_line[first:last] = True
    exits = set(flight.lines[:, 1].tolist())
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
