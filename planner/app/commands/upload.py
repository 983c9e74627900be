"""`skyrelief upload`: put a flight on a vehicle and prove that it is there."""

from pathlib import Path
from typing import Annotated, Any

import typer

from planner.app.flights import read_flight
from planner.app.run import Run, command

CONNECT = typer.Option("--connect", help="tcp:HOST:PORT, udp:HOST:PORT, udpout:HOST:PORT or DEVICE,BAUD.")


@command
def run_command(
    run: Run,
    flight: Annotated[Path, typer.Argument(help="A .plan or .waypoints file.")],
    connect: Annotated[str, CONNECT],
    system: Annotated[
        int | None, typer.Option("--system", help="The vehicle's system id, where several are heard.")
    ] = None,
) -> dict[str, Any]:
    """Upload mission, fence and rally points, read everything back, compare."""
    from planner.link.storage import wire_items
    from planner.link.transfer import upload_mission
    from planner.link.vehicle import connect as connect_to

    mission = read_flight(flight)
    with connect_to(connect, system=system) as vehicle:
        upload_mission(vehicle, mission, run.progress)
    counts = {kind.name.lower(): len(items) for kind, items in wire_items(mission).items()}
    listed = ", ".join(f"{count} {name} items" for name, count in counts.items())
    run.say(f"{flight.name} is on the vehicle and reads back as planned: {listed}")
    return {"flight": str(flight), "uploaded": counts, "verified": True}
