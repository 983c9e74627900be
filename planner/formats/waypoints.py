"""QGC WPL 110: the tab-separated `.waypoints` of Mission Planner and others. Latitude comes before longitude."""

import math
from pathlib import Path

from imagery.core.errors import BadInputError
from imagery.core.files import write_text
from imagery.core.reading import read_text
from planner.mission import Home, Mission, MissionItem, degrees_1e7, has_position, home_item

__all__ = ["read", "write"]

HEADER = "QGC WPL 110"
MOST_ITEMS = 20_000
GIVE = "a .waypoints file that `skyrelief plan`, Mission Planner or QGroundControl saved"


def write(mission: Mission, path: str | Path) -> None:
    """Write a mission; row 0 is the home. The format has no fence and no rally points."""
    rows = [HEADER]
    for number, item in enumerate((home_item(mission), *mission.items)):
        x, y = (f"{item.lat_deg:.8f}", f"{item.lon_deg:.8f}") if has_position(item) else (str(item.x), str(item.y))
        numbers = (_number(value) for value in (item.p1, item.p2, item.p3, item.p4))
        fields = (
            number,
            int(number == 0),
            item.frame,
            item.command,
            *numbers,
            x,
            y,
            _number(item.z),
            int(item.autocontinue),
        )
        rows.append("\t".join(str(field) for field in fields))
    write_text(path, "\n".join(rows) + "\n")


def read(path: str | Path) -> Mission:
    """Read a mission; a file without a home row gets its first place as home."""
    path = Path(path)
    lines = read_text(path, GIVE).splitlines()
    if not lines or not lines[0].strip().startswith("QGC WPL"):
        raise BadInputError(f"{path}: is not a waypoint file: its first line should be {HEADER!r}")
    if lines[0].split()[-1] != "110":
        raise BadInputError(f"{path}: is version {lines[0].split()[-1]} of the format: only 110 is read")
    rows = [(n, line) for n, line in enumerate(lines[1:], 2) if line.strip() and not line.lstrip().startswith("#")]
    if len(rows) > MOST_ITEMS:
        raise BadInputError(f"{path}: has {len(rows)} items; at most {MOST_ITEMS} are read")
    parsed = [_row(line, f"{path}: line {number}") for number, line in rows]
    if not parsed:
        raise BadInputError(f"{path}: holds no mission items")
    items = [item for _, item in parsed]
    if parsed[0][0] == 0:
        first, items = items[0], items[1:]
        home = Home(first.lat_deg, first.lon_deg, first.z)
    else:
        place = next((item for item in items if has_position(item) and (item.x or item.y)), None)
        home = Home(place.lat_deg, place.lon_deg) if place else Home(0.0, 0.0)
    return Mission(home, tuple(items))


def _row(line: str, where: str) -> tuple[int, MissionItem]:
    fields = line.replace(",", "\t").split()
    if len(fields) < 11:
        raise BadInputError(f"{where}: has {len(fields)} fields instead of 12")
    try:
        number, frame, command = int(float(fields[0])), int(float(fields[2])), int(float(fields[3]))
        p1, p2, p3, p4, x, y, z = (float(field) for field in fields[4:11])
    except (ValueError, OverflowError):
        raise BadInputError(f"{where}: a field is not a number") from None
    if not all(math.isfinite(value) for value in (x, y, z)):
        raise BadInputError(f"{where}: a coordinate is not a number")
    item = MissionItem(command, frame, p1, p2, p3, p4, z=z, autocontinue=fields[11:12] != ["0"])
    placed = has_position(item)
    if placed and (abs(x) > 90 or abs(y) > 180):
        raise BadInputError(
            f"{where}: latitude {x:g}, longitude {y:g} is not on Earth; latitude comes first in this format"
        )
    x_int, y_int = (degrees_1e7(x), degrees_1e7(y)) if placed else (round(x), round(y))
    return number, MissionItem(command, frame, p1, p2, p3, p4, x_int, y_int, z, item.autocontinue)


def _number(value: float) -> str:
    return f"{value:.8g}" if math.isfinite(value) else "0"
