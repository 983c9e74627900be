"""`skyrelief watch`: live telemetry of a vehicle."""

import time
from typing import Annotated, Any

import typer

from planner.app.link_options import Connect, SigningKey, System
from planner.app.run import Run, command


@command
def run_command(
    run: Run,
    connect: Connect,
    system: System = None,
    signing_key: SigningKey = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", min=0, help="Stop after so long; otherwise at Ctrl-C.")
    ] = None,
) -> dict[str, Any]:
    """Show a vehicle's telemetry until Ctrl-C; sends it nothing but requests for data."""
    from dataclasses import asdict

    from planner.app.telemetry import FlightDisplay
    from planner.link.status import request_streams, status
    from planner.link.vehicle import connect as connect_to

    with connect_to(connect, system=system, signing_key=signing_key) as vehicle, FlightDisplay() as display:
        request_streams(vehicle)
        end = time.monotonic() + seconds if seconds is not None else float("inf")
        try:
            while time.monotonic() < end:
                display.show(status(vehicle))
                time.sleep(0.2)
        except KeyboardInterrupt:
            pass
        return asdict(status(vehicle))
