"""Several simulated vehicles at once, embedded or real ArduPilot instances."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from imagery.core.errors import BadInputError
from sitl.autopilot import Copter, Place
from sitl.endpoint import serve

__all__ = ["DEFAULT_HOME", "parse_home", "start_fleet"]

DEFAULT_HOME = "-35.363262,149.165237,584,353"
"""Where ArduPilot's own simulator starts too."""

_SPACING_M = 5.0


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
    place, heading = parse_home(home or DEFAULT_HOME)
    ground: Callable[[Place], float] | None = None
    urls = []
    for number in range(instances):
        start = place.moved(np.array([_SPACING_M * number, 0.0, 0.0]))
        parameters = {"CAM1_TYPE": 1, "SYSID_THISMAV": number + 1, "FS_GCS_ENABLE": 1}
        copter = Copter(start, heading_deg=heading, parameters=parameters, ground=ground, seed=number)
        endpoint = serve(copter, f"tcp:127.0.0.1:{first_port + 10 * number}", speedup=speedup)
        urls.append(stack.enter_context(endpoint).url)
    return urls
