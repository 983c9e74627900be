"""`skyrelief report`: one page on the whole response."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imagery.core.errors import BadInputError
from planner.app.operation import Operation
from planner.app.run import Run, command

if TYPE_CHECKING:
    from imagery.report import ReportFiles

__all__ = ["report_files", "run_command"]


@command
def run_command(
    run: Run,
    folder: Annotated[
        Path, typer.Argument(help="Operation folder: plan/, flights/, stitch/, damage.gpkg, sites.gpkg, needs.csv.")
    ],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Page to write; default: report.html in the folder.")
    ] = None,
    pdf: Annotated[bool, typer.Option("--pdf", help="Also a PDF of the same name beside it.")] = False,
    language: Annotated[str, typer.Option(help="en, zh, fr or es.")] = "en",
    coarsen: Annotated[
        bool, typer.Option("--coarsen", help="For conflict areas: 100 m cells instead of buildings, no image.")
    ] = False,
    gcj02: Annotated[
        bool, typer.Option("--gcj02", help="Add the coordinates that Chinese map applications show.")
    ] = False,
) -> dict[str, Any]:
    """Write one self-contained HTML page with maps, tables and what is uncertain."""
    from imagery.report import write_report

    if not folder.is_dir():
        raise BadInputError(f"{folder}: there is no such folder")
    operation = Operation(folder)
    result = write_report(
        report_files(operation),
        out or operation.report,
        language=language,
        coarsen=coarsen,
        gcj02=gcj02,
        pdf=pdf,
        progress=run.progress,
    )
    run.say(f"{result.path}: {result.maps} maps, {result.size_bytes / 1e6:.1f} MB, in one file")
    if result.pdf:
        run.say(f"{result.pdf}")
    if result.missing:
        run.say(f"not in it, because it has not been made yet: {', '.join(result.missing)}")
    return {
        "out": result.path,
        "pdf": result.pdf,
        "bytes": result.size_bytes,
        "maps": result.maps,
        "missing": list(result.missing),
        "uncertainties": result.uncertainties,
    }


def report_files(operation: Operation) -> "ReportFiles":
    """What the report reads of an operation folder."""
    from imagery.report import ReportFiles

    return ReportFiles(
        title=operation.folder.resolve().name,
        plan=operation.plan,
        flights=operation.flights,
        stitch=operation.stitch,
        damage=operation.damage,
        sites=operation.sites,
        needs=operation.needs,
    )
