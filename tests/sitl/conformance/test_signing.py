"""A signing key: set over the link, then only signed messages are heard through a radio."""

from collections.abc import Iterator
from typing import Any

import pytest

from planner.link.connection import Connection, mavlink
from planner.link.signing import timestamp_now
from sitl.ardupilot import ArduPilot, find_binary
from sitl.autopilot import Copter
from sitl.endpoint import serve
from tests.sitl.conformance.conftest import HOME, Ground

KEY = bytes(range(32))
ACCEPTED = 0


@pytest.fixture(params=["embedded", "ardupilot"])
def radio_url(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "embedded":
        vehicle: Any = serve(Copter(HOME), speedup=10, radio=True)
    else:
        binary = find_binary()
        if binary is None:
            pytest.skip("no ArduCopter: set SKYRELIEF_ARDUCOPTER to a SITL binary")
        vehicle = ArduPilot(binary, HOME, speedup=10, radio=True)
    with vehicle:
        yield vehicle.url


def test_only_signed_messages_are_heard_once_a_key_is_set(radio_url: str) -> None:
    with Connection(radio_url) as link:
        link.wait_for_vehicle(20.0)
        ground = Ground(link)
        assert ground.command(512, 148) == ACCEPTED
        link.send(mavlink.MAVLink_setup_signing_message(link.target_system, 1, list(KEY), timestamp_now()))
        assert ground.heartbeat(lambda m: m.get_header().incompat_flags & 1) is not None
        assert ground.command(512, 148, wait_s=1.5) is None
        ground.close()
    with Connection(radio_url, signing_key=KEY) as link:
        link.wait_for_vehicle(20.0)
        ground = Ground(link)
        assert ground.command(512, 148) == ACCEPTED
        ground.close()
    with Connection(radio_url, signing_key=bytes(32)[1:] + b"1") as link:
        ground = Ground(link)
        assert ground.heartbeat(lambda m: True, wait_s=2.0) is None
        ground.close()
