"""Drones: how fast they fly, how long, in what wind, and how much of a mission they hold."""

import functools
import math
import tomllib
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from imagery.core.catalogue import look_up
from imagery.core.errors import BadInputError
from imagery.core.reading import read_text

__all__ = ["Drone", "catalogue", "drone_for_camera", "find_drone", "load_drone"]

GIVE = "a drone file (.toml) with the entries of drones.toml"
CATALOGUE = Path(__file__).parent / "drones.toml"
DEFAULT_DRONE = "dji-mavic-3e"
ANY_DRONE = "generic-arducopter"


@dataclass(frozen=True, slots=True)
class Drone:
    """A multirotor.

    Attributes: id, name; camera: the id of the one it carries; speed_m_s: usual survey speed; max_speed_m_s: the airspeed that
    it holds; climb_m_s, descent_m_s in missions; endurance_min: time aloft without wind, in minutes and not in charge; reserve:
    share of it that is kept, also for what climbs and wind draw beyond that; wind_limit_m_s; max_items: mission items it holds,
    home included; acceleration_m_s2; source: where the figures come from.
    """

    id: str
    name: str
    camera: str
    speed_m_s: float
    max_speed_m_s: float
    climb_m_s: float
    descent_m_s: float
    endurance_min: float
    wind_limit_m_s: float
    max_items: int = 650
    acceleration_m_s2: float = 2.5
    reserve: float = 0.25
    source: str = ""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, str):
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
                raise BadInputError(f"drone {self.id}: {field.name} must be a number above 0, not {value!r}")
        if self.reserve >= 1:
            raise BadInputError(f"drone {self.id}: reserve is a share of the endurance below 1, not {self.reserve}")

    @property
    def usable_s(self) -> float:
        """Seconds aloft that a plan may use: the endurance less the reserve."""
        return self.endurance_min * 60 * (1 - self.reserve)


@functools.cache
def catalogue() -> dict[str, Drone]:
    """Every drone of drones.toml by id, in the file's order."""
    tables = tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))
    return {id: _from_table(id, table, f"drones.toml [{id}]") for id, table in tables.items()}


def find_drone(id: str) -> Drone:
    """A drone of the catalogue by its id; an unknown id raises BadInputError naming the nearest ones."""
    drones = catalogue()
    return look_up("drone", id, drones, ", ".join(drones))


def load_drone(path: str | Path) -> Drone:
    """A drone from a TOML file with the entries of drones.toml at its top level (or under one table)."""
    path = Path(path)
    try:
        table = tomllib.loads(read_text(path, GIVE))
    except (tomllib.TOMLDecodeError, RecursionError):
        raise BadInputError(f"{path}: is not a readable drone file, not TOML: give {GIVE}") from None
    if len(table) == 1 and isinstance(next(iter(table.values())), dict):
        id, table = next(iter(table.items()))
    else:
        id = str(table.pop("id", path.stem))
    return _from_table(id, table, str(path))


def drone_for_camera(camera_id: str) -> Drone:
    """The drone that carries a camera, or any multirotor where the catalogue knows none."""
    carriers = [drone for drone in catalogue().values() if drone.camera == camera_id]
    return carriers[0] if carriers else find_drone(ANY_DRONE)


def _from_table(id: str, table: dict[str, Any], where: str) -> Drone:
    known = {field.name for field in fields(Drone)} - {"id"}
    unknown = sorted(set(table) - known)
    if unknown:
        raise BadInputError(f"{where}: unknown entry {unknown[0]!r}; known are {', '.join(sorted(known))}")
    missing = [f.name for f in fields(Drone) if f.name not in table and f.default is MISSING and f.name != "id"]
    if missing:
        raise BadInputError(f"{where}: the entry {missing[0]} is missing")
    return Drone(id=id, **table)
