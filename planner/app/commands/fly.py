"""`skyrelief fly`: preflight, upload, arm after a clear yes, fly, watch, and log every photo."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from planner.app.flights import flight_number, read_flight
from planner.app.link_options import Connect, SigningKey, System
from planner.app.run import Run, command


@command
def run_command(
    run: Run,
    flight: Annotated[Path, typer.Argument(help="A .plan or .waypoints file.")],
    connect: Connect,
    *,
    out: Annotated[Path, typer.Option("-o", "--out", help="Where photos.csv and the .tlog go.")] = Path("flights"),
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before arming.")] = False,
    arm: Annotated[bool, typer.Option("--arm", help="Allow arming a vehicle that is not simulated.")] = False,
    abort: Annotated[
        Literal["pause", "rtl", "land"] | None,
        typer.Option("--abort", help="Only tell a flying vehicle to stop its mission so."),
    ] = None,
    ready_timeout: Annotated[
        float, typer.Option("--ready-timeout", help="Seconds to wait for the vehicle's readiness.")
    ] = 120.0,
    system: System = None,
    signing_key: SigningKey = None,
) -> dict[str, Any]:
    """Fly a flight: preflight, upload, arm (asks), fly, watch. Ctrl-C stops watching and never commands the drone."""
    from planner.app.flying import Flying, abort_flight

    if abort is not None:
        return abort_flight(run, connect, system, signing_key, abort)
    mission = read_flight(flight)
    flying = Flying(run, flight, flight_number(flight), connect, out, yes, arm, ready_timeout, system, signing_key)
    return flying.fly(mission)
