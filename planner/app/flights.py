"""Reading the FLIGHT argument of the commands that fly."""

import re
from pathlib import Path

from imagery.core.errors import BadInputError
from planner.mission import Mission

__all__ = ["flight_number", "read_flight"]


def read_flight(path: Path) -> Mission:
    """The mission in a .plan or .waypoints file. Raises BadInputError for anything else."""
    from planner.formats import qgc_plan, waypoints

    if not path.is_file():
        raise BadInputError(f"{path}: no such file; `skyrelief plan` writes flight-01.plan and so on")
    readers = {".plan": qgc_plan.read, ".waypoints": waypoints.read, ".txt": waypoints.read}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise BadInputError(f"{path}: not a flight; give a .plan or a .waypoints file")
    return reader(path)


def flight_number(path: Path) -> int:
    """The flight's number in its file's name (flight-03.plan is 3), else 1."""
    found = re.search(r"(\d+)$", path.stem)
    return max(int(found.group(1)), 1) if found else 1
