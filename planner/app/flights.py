"""Reading the FLIGHT argument of the commands that fly."""

import json
import re
from pathlib import Path

from imagery.core.errors import BadInputError
from planner.drone import Drone
from planner.link.ground import Ground
from planner.mission import Mission

__all__ = ["drone_beside", "flight_number", "ground_beside", "read_flight"]


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


def ground_beside(path: Path) -> Ground | None:
    """The ground's heights under the photos in the plan.geojson beside a flight; None where there is none or it knows none."""
    plan = path.parent / "plan.geojson"
    if not plan.is_file():
        return None
    try:
        features = json.loads(plan.read_text(encoding="utf-8"))["features"]
        places = [
            (*feature["geometry"]["coordinates"][:2], known["height_amsl_m"] - known["height_agl_m"])
            for feature in features
            if (known := feature["properties"]).get("kind") == "photo" and known.get("height_agl_m") is not None
        ]
        homes = [feature for feature in features if feature["properties"].get("kind") == "home"]
        flights = [f["properties"] for f in features if f["properties"].get("kind") == "flight"]
        drones = {flight["flight"]: flight["drone"] for flight in flights}
        home = homes[(drones.get(flight_number(path), 1) - 1) % len(homes)]
        (lon, lat, *_), home_amsl_m = home["geometry"]["coordinates"], home["properties"].get("height_amsl_m")
    except (ValueError, KeyError, TypeError, ZeroDivisionError, OSError):
        return None  # the flight itself is in its own file
    return Ground.around(lat, lon, places, home_amsl_m) if places and home_amsl_m is not None else None


def drone_beside(path: Path) -> Drone | None:
    """The drone that the summary.json beside a flight was planned for; None where there is none or it names none."""
    summary = path.parent / "summary.json"
    if not summary.is_file():
        return None
    try:
        return Drone(**json.loads(summary.read_text(encoding="utf-8"))["request"]["drone_figures"])
    except (ValueError, KeyError, TypeError, OSError, BadInputError):
        return None  # the flight itself is in its own file


def flight_number(path: Path) -> int:
    """The flight's number in its file's name (flight-03.plan is 3), else 1."""
    found = re.search(r"(\d+)$", path.stem)
    return max(int(found.group(1)), 1) if found else 1
