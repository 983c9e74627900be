"""`skyrelief resume`: fly only what is missing of a flight, from a new battery and from any computer."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from planner.app.flights import flight_number, read_flight
from planner.app.link_options import Connect, SigningKey, System
from planner.app.run import Run, command


@command
def run_command(
    run: Run,
    flight: Annotated[Path, typer.Argument(help="The .plan or .waypoints file of the whole flight.")],
    connect: Connect,
    *,
    log: Annotated[
        Path | None,
        typer.Option(
            "--log", help="What was taken: photos.csv, .tlog, .bin or a folder of photos [default: OUT/photos.csv]."
        ),
    ] = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="Where photos.csv and the .tlog are continued.")] = Path(
        "flights"
    ),
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
    """Fly only what is missing of a flight. A flight still under way is logged to its end first."""
    from planner.app.flying import Flying, abort_flight
    from planner.app.taken import photos_taken
    from planner.link.flight import flight_files, flight_photos
    from planner.link.resume import missing, remaining
    from planner.link.triggers import planned_photos

    if abort is not None:
        return abort_flight(run, connect, system, signing_key, abort)
    survey, number = read_flight(flight), flight_number(flight)
    photo_log, _ = flight_files(out, number)
    given = photos_taken(log, number) if log is not None and log.resolve() != photo_log.resolve() else []
    if _complete(run, survey, [*given, *flight_photos(photo_log, number)]):
        return {"missing": 0, "flown": False}
    flying = Flying(run, flight, number, connect, out, yes, arm, ready_timeout, system, signing_key)
    found = flying.rejoin(survey)
    taken = [*(given or found.reached), *flight_photos(photo_log, number)]
    if found.log is not None:  # it has flown its battery down: the rest is for the next one
        return {"missing": found.log.photos_missing, "flown": True, "rejoined": True}
    if _complete(run, survey, taken):
        return {"missing": 0, "flown": False}
    gaps, rest = missing(survey, taken), remaining(survey, taken)
    assert rest is not None
    count = sum(gap.photos for gap in gaps)
    where = "in one place" if len(gaps) == 1 else f"in {len(gaps)} places"
    run.say(
        f"{count} of {len(planned_photos(survey))} photos are missing {where}; {len(planned_photos(rest))} are taken now"
    )
    return {"missing_before": count, **flying.fly(rest, survey, tuple(given or found.reached))}


def _complete(run: Run, survey: Any, taken: list[Any]) -> bool:
    from planner.link.resume import missing

    if missing(survey, taken):
        return False
    run.say("the flight is complete: no photo is missing")
    return True
