"""Pytest fixtures for projects that fly: simulated vehicles that stop with the test.

Load it in a conftest.py: `pytest_plugins = ["sitl.pytest_plugin"]`.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from sitl.ardupilot import BINARY_VARIABLE, ArduPilot, find_binary
from sitl.autopilot import Copter, Place
from sitl.endpoint import Endpoint, serve

__all__ = ["ardupilot_sitl", "embedded_sitl"]

_HOME = Place(-35.363262, 149.165237, 584.0)


@pytest.fixture
def embedded_sitl() -> Iterator[Callable[..., Endpoint]]:
    """Start embedded copters: `embedded_sitl(home=Place(...), speedup=10, parameters={...}, address="tcp:127.0.0.1:0")`.

    Returns a function giving an Endpoint with `url` and `exposures`; everything stops at the test's end.
    """
    with ExitStack() as stack:

        def start(
            home: Place = _HOME, *, speedup: float = 10.0, address: str = "tcp:127.0.0.1:0", **options: Any
        ) -> Endpoint:
            options.setdefault("parameters", {"CAM1_TYPE": 1})
            return stack.enter_context(serve(Copter(home, **options), address, speedup=speedup))

        yield start


@pytest.fixture
def ardupilot_sitl() -> Iterator[Callable[..., ArduPilot]]:
    """Start real ArduCopters the same way; skips unless SKYRELIEF_ARDUCOPTER names a SITL binary (or one is on the PATH)."""
    binary = find_binary()
    if binary is None:
        pytest.skip(f"no ArduCopter: set {BINARY_VARIABLE} to a SITL binary")
    with ExitStack() as stack:

        def start(home: Place = _HOME, *, speedup: float = 10.0, **options: Any) -> ArduPilot:
            return stack.enter_context(ArduPilot(binary, home, speedup=speedup, **options))

        yield start
