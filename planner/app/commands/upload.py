"""`skyrelief upload`: put a flight on a vehicle and prove that it is there."""

from pathlib import Path
from typing import Annotated, Any

import typer

from planner.app.flights import read_flight
from planner.app.link_options import Connect, SigningKey, System
from planner.app.run import Run, command


@command
def run_command(
    run: Run,
    flight: Annotated[Path, typer.Argument(help="A .plan or .waypoints file.")],
    connect: Connect,
    system: System = None,
    signing_key: SigningKey = None,
) -> dict[str, Any]:
    """Upload mission, fence and rally points, read everything back, compare."""
    from planner.link.storage import wire_items
    from planner.link.transfer import upload_mission
    from planner.link.vehicle import connect as connect_to

    mission = read_flight(flight)
    with connect_to(connect, system=system, signing_key=signing_key) as vehicle:
        upload_mission(vehicle, mission, run.progress)
    counts = {kind.name.lower(): len(items) for kind, items in wire_items(mission).items()}
    listed = ", ".join(f"{count} {name} items" for name, count in counts.items())
    run.say(f"{flight.name} is on the vehicle and reads back as planned: {listed}")
    return {"flight": str(flight), "uploaded": counts, "verified": True}
