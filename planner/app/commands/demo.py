"""`skyrelief demo`: the whole loop, simulated, on bundled data."""

from pathlib import Path
from typing import Annotated, Any

import typer

from planner.app.run import Run, command

__all__ = ["run_command"]


@command
def run_command(
    run: Run,
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder for the operation; an earlier demo there is replaced.")
    ] = Path("demo"),
) -> dict[str, Any]:
    """Play the whole loop on a generated village: plan, fly, photograph, stitch, damage, sites, needs, report.

    Ends with every file made and how far the results are from the known truth. Takes a few minutes and opens nothing.
    """
    from planner.app.demo import closing, run_demo

    results = run_demo(out, progress=run.progress, say=run.say)
    for line in closing(out, results):
        run.say(line)
    return results
