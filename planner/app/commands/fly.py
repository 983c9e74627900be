"""`skyrelief fly`: preflight, upload, arm after a clear yes, fly, watch, and log every photo."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from imagery.core.errors import BadInputError
from planner.app.flights import flight_number, read_flight
from planner.app.run import Run, command


@command
def run_command(
    run: Run,
    flight: Annotated[Path, typer.Argument(help="A .plan or .waypoints file.")],
    connect: Annotated[
        str, typer.Option("--connect", help="tcp:HOST:PORT, udp:HOST:PORT, udpout:HOST:PORT or DEVICE,BAUD.")
    ],
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
    system: Annotated[
        int | None, typer.Option("--system", help="The vehicle's system id, where several are heard.")
    ] = None,
) -> dict[str, Any]:
    """Fly a flight: preflight, upload, arm (asks), fly, watch. Ctrl-C stops watching and never commands the drone."""
    from planner.app.telemetry import FlightDisplay, checks_table
    from planner.link import flight as flying

    if abort is not None:
        return _abort(run, connect, system, abort)
    mission = read_flight(flight)
    if not yes and not sys.stdin.isatty():
        raise BadInputError("cannot ask before arming without a terminal: give --yes to arm without asking")
    with FlightDisplay() as display:
        log = flying.fly(
            mission,
            connect,
            out,
            confirm=lambda: yes or _confirmed(flight),
            flight=flight_number(flight),
            allow_real=arm,
            system=system,
            ready_timeout_s=ready_timeout,
            progress=run.progress,
            on_checks=lambda checks: run.progress.note("preflight\n" + checks_table(checks)),
            on_event=display.show,
        )
    if not log.flown:
        run.say("not armed; the mission stays on the vehicle")
        return {"flown": False}
    run.say(f"flown and landed in {log.duration_s / 60:.1f} min; {log.photos} photos of {log.photos_planned} planned")
    if log.photos_missed:
        run.say(f"{log.photos_missed} photos were taken without a message reaching this computer")
    run.say(f"photo log: {log.photo_log}\ntelemetry: {log.telemetry}")
    return asdict(log)


def _confirmed(flight: Path) -> bool:
    question = f"{flight.name} is uploaded and verified. Propellers clear? Type ARM to arm and start: "
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().upper() == "ARM"


def _abort(run: Run, url: str, system: int | None, how: str) -> dict[str, Any]:
    from planner.link.flight import abort
    from planner.link.vehicle import connect as connect_to

    with connect_to(url, system=system) as vehicle:
        abort(vehicle, how)
        run.say(
            f"the vehicle was told to {'return and land' if how == 'rtl' else how}; it is in {vehicle.state.mode.name} mode"
        )
        return {"aborted": how, "mode": vehicle.state.mode.name}
