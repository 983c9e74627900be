"""Several simulated vehicles at once, embedded or real ArduPilot instances."""

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from imagery.core.errors import BadInputError
from sitl.ardupilot import ArduPilot, find_binary
from sitl.autopilot import Copter, Place
from sitl.endpoint import serve
from sitl.faults import bad_link, link_faults, parse_fault, put_in_trouble

__all__ = ["BATTERY_MAH", "DEFAULT_HOME", "parse_home", "start_fleet"]

DEFAULT_HOME = "-35.363262,149.165237,584,353"
"""Where ArduPilot's own simulator starts too."""

BATTERY_MAH = 14_000
"""A survey drone's battery, good for about half an hour; ArduPilot's default of 3300 lasts seven minutes."""

_SPACING_M, _PORT_STEP = 5.0, 10  # ports as ArduPilot's own simulator numbers its instances


def parse_home(text: str) -> tuple[Place, float]:
    """LAT,LON,ALT,HDG to a place and a heading. Raises BadInputError."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (3, 4) or abs(numbers[0]) > 90 or abs(numbers[1]) > 180:
        raise BadInputError(f"--home {text}: give LAT,LON,ALT,HDG, for example {DEFAULT_HOME}")
    return Place(*numbers[:3]), numbers[3] if len(numbers) == 4 else 0.0


def start_fleet(
    stack: ExitStack,
    *,
    home: str | None = None,
    world: Path | None = None,
    instances: int = 1,
    speedup: float = 1.0,
    faults: Sequence[str] = (),
    binary: Path | None = None,
    first_port: int = 5760,
) -> list[str]:
    """Start vehicles side by side, ended when `stack` is; the URLs to connect to. System ids count from 1."""
    place, heading, ground = _start(home, world)
    found = [parse_fault(text) for text in faults]
    program = find_binary(binary) if binary is not None else None
    urls = []
    for number in range(instances):
        start = place.moved(np.array([_SPACING_M * number, 0.0, 0.0]))
        port = first_port + _PORT_STEP * number
        if program is not None:
            real = ArduPilot(program, start, heading_deg=heading, speedup=speedup, instance=number, port=port)
            urls.append(stack.enter_context(real).url)
            continue
        parameters = {
            "CAM1_TYPE": 1,
            "SYSID_THISMAV": number + 1,
            "BATT_FS_LOW_ACT": 2,
            "BATT_CAPACITY": BATTERY_MAH,
            # Sped up, a ground station that pauses for a moment on a busy computer would be taken for lost.
            "FS_GCS_ENABLE": float(speedup <= 5),
        }
        copter = Copter(start, heading_deg=heading, parameters=parameters, ground=ground, seed=number)
        bad = link_faults(found, seed=number)
        endpoint = stack.enter_context(serve(copter, f"tcp:127.0.0.1:{0 if bad else port}", speedup=speedup))
        put_in_trouble(copter, found, endpoint.reboot)
        urls.append(stack.enter_context(bad_link(endpoint.url, bad, f"127.0.0.1:{port}")) if bad else endpoint.url)
    return urls


def _start(home: str | None, world: Path | None) -> tuple[Place, float, Callable[[Place], float] | None]:
    """Where the first vehicle stands, its heading, and the height of the ground anywhere."""
    if world is None:
        return *parse_home(home or DEFAULT_HOME), None
    from sitl.world import World

    loaded = World.load(world)

    def ground(place: Place) -> float:
        height = float(loaded.height_at(*loaded.frame.to_local(place.lon_deg, place.lat_deg)))
        return height if math.isfinite(height) else loaded.home.height_amsl_m  # outside the world

    if home is not None:
        return *parse_home(home), ground
    start = loaded.home
    return Place(start.lat_deg, start.lon_deg, start.height_amsl_m), 0.0, ground
