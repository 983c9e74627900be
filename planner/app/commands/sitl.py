"""`skyrelief sitl`: simulated vehicles to fly, until Ctrl-C."""

import signal
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from imagery.core.errors import BadInputError
from imagery.core.files import to_json
from planner.app.run import Run, command

FIRST_PORT = 5760
FAULT_HELP = "Such as packet-loss=0.3 or gps-loss@60 (a wrong name lists all); repeatable."


@command
def run_command(
    run: Run,
    *,
    world: Annotated[
        Path | None, typer.Option("--world", help="A world folder: its ground and its middle as home.")
    ] = None,
    home: Annotated[
        str | None, typer.Option("--home", help="LAT,LON,ALT,HDG of the take-off (metres above sea level).")
    ] = None,
    instances: Annotated[int, typer.Option("--instances", min=1, max=50, help="How many vehicles.")] = 1,
    speedup: Annotated[float, typer.Option("--speedup", min=0.1, max=100, help="Simulated over real time.")] = 1.0,
    fault: Annotated[list[str] | None, typer.Option("--fault", help=FAULT_HELP)] = None,
    ardupilot: Annotated[
        Path | None, typer.Option("--ardupilot", help="A real ArduCopter SITL binary to run instead.")
    ] = None,
    port: Annotated[int, typer.Option("--port", min=1, max=65000, help="The first vehicle's TCP port.")] = FIRST_PORT,
) -> None:
    """Run simulated vehicles and print what to connect to."""
    from sitl.fleet import start_fleet

    if ardupilot is not None and (fault or world):
        raise BadInputError(
            "--fault and --world are for the embedded simulator, not for a real ArduPilot (--ardupilot)"
        )
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # being stopped by a script cleans up as Ctrl-C does
    with ExitStack() as stack:
        fleet = start_fleet(
            stack,
            home=home,
            world=world,
            instances=instances,
            speedup=speedup,
            faults=fault or [],
            binary=ardupilot,
            first_port=port,
        )
        for number, url in enumerate(fleet, 1):
            run.progress.note(f"vehicle {number}: skyrelief watch --connect {url}")
            run.say(url)
        if run.json:
            print(to_json({"urls": fleet}), flush=True)  # now, while there is something to connect to
        run.progress.note("Ctrl-C ends the simulation")
        try:
            while True:
                time.sleep(1)
        except KeyboardInterrupt:
            run.progress.note("simulation ended")
