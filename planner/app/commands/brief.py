"""`skyrelief brief`: one printed page for each flight of a plan."""

from pathlib import Path
from typing import Annotated, Any

import typer

from planner.app.run import Run, command


@command
def run_command(
    run: Run,
    plan: Annotated[Path, typer.Argument(help="Folder of the plan, or its plan.geojson.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Page to write (.html), or a folder for brief.html.")],
    language: Annotated[str, typer.Option(help="en, zh, fr or es.")] = "en",
    pdf: Annotated[bool, typer.Option("--pdf", help="Also a PDF of the same name beside it.")] = False,
) -> dict[str, Any]:
    """Write one A4 page per flight: map, figures, coordinates, warnings and checklist."""
    from planner.brief import write_brief

    result = write_brief(plan, out, language=language, pdf=pdf, progress=run.progress)
    run.say(f"{result.path}: pages of A4: {result.flights}, one for each flight")
    if result.pdf:
        run.say(f"{result.pdf}")
    return {"out": result.path, "pdf": result.pdf, "flights": result.flights}
