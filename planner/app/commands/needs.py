"""`skyrelief needs`: displaced persons and what to order for them."""

from pathlib import Path
from typing import Annotated, Any

import typer

from planner.app.run import Run, command

__all__ = ["run_command"]


@command
def run_command(
    run: Run,
    damage: Annotated[Path, typer.Argument(help="Graded buildings, as `skyrelief damage` writes them.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The list, as CSV.")] = Path("needs.csv"),
    sites: Annotated[Path | None, typer.Option(help="sites.gpkg, for what its sites house.")] = None,
    household: Annotated[float | None, typer.Option(help="Persons of a household.")] = None,
    m2_per_person: Annotated[float | None, typer.Option(help="Floor area for each occupant of a building, m2.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the sampling.")] = 0,
) -> dict[str, Any]:
    """Estimate the displaced persons as a range, and list what to order for them."""
    from imagery.needs import compute_needs

    needs = compute_needs(
        damage,
        sites,
        household_persons=household,
        m2_per_person=m2_per_person,
        seed=seed,
        out=out,
        progress=run.progress,
    )
    run.say(f"{'':<44} {'P10':>9} {'P50':>9} {'P90':>9}")
    for line in needs.lines:
        run.say(f"{line.item:<44} {line.p10:>9} {line.p50:>9} {line.p90:>9}  {line.unit}")
    run.say(f"written: {out}")
    return {"out": out, **needs.to_json()}
