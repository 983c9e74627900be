"""`skyrelief stitch`: photos to an orthomosaic and a surface model; several folders are a batch."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from imagery.core.errors import SkyReliefError
from planner.app.run import Run, command

__all__ = ["run_command"]

PHOTOS = typer.Argument(metavar="PHOTOS...", help="A folder of photos; several folders are a batch.")
OUT = typer.Option("-o", "--out", help="Folder for the results; a batch makes one inside for each folder of photos.")
QUALITY = typer.Option("--quality", help="preview (fast), standard or high.")
GSD = typer.Option(
    "--gsd", help="Ground sampling distance of the orthomosaic in centimetres; by default the photos' own."
)
CRS = typer.Option("--crs", help="Reference system of the results, such as EPSG:32631; by default the UTM zone.")
FRESH = typer.Option("--fresh", help="Begin anew instead of going on with what an earlier run has finished.")

COLUMNS = ("photos", "result", "used", "dropped", "gsd_cm", "reprojection_median_px", "seconds", "message")


@command
def run_command(
    run: Run,
    photos: Annotated[list[Path], PHOTOS],
    out: Annotated[Path, OUT],
    quality: Annotated[str, QUALITY] = "standard",
    gsd: Annotated[float | None, GSD] = None,
    crs: Annotated[str | None, CRS] = None,
    fresh: Annotated[bool, FRESH] = False,
) -> dict[str, Any]:
    """Photos to an orthomosaic and a surface model. An interrupted run goes on where it stopped."""
    # The work is shared out over threads here; threads inside of BLAS would only get in each other's way.
    for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    from imagery.batch import Options

    options = Options(quality, gsd, crs)
    options.check()
    return _one(run, photos[0], out, options, fresh) if len(photos) == 1 else _batch(run, photos, out, options, fresh)


def _one(run: Run, photos: Path, out: Path, options: Any, fresh: bool) -> dict[str, Any]:
    from imagery.batch import stitch

    quality = stitch(photos, out, options, fresh=fresh, progress=run.progress)
    for sentence in quality["verdict"]:
        run.say(sentence)
    for each in quality["photos_dropped"]:
        run.say(f"not used: {each['file']}: {each['reason']}")
    run.say(f"{out}: ortho.tif ({quality['gsd_cm']:.1f} cm), dsm.tif, dtm.tif, quality.html")
    return quality


def _batch(run: Run, folders: list[Path], out: Path, options: Any, fresh: bool) -> dict[str, Any]:
    """Stitch every folder, going on after a failure; ends with a table and `batch.csv`."""
    from imagery.batch import stitch

    rows: list[dict[str, Any]] = []
    for folder, name in zip(folders, _names(folders), strict=True):
        row: dict[str, Any] = dict.fromkeys(COLUMNS, "") | {"photos": str(folder)}
        try:
            quality = stitch(folder, out / name, options, fresh=fresh, progress=run.progress)
        except SkyReliefError as error:
            row |= {"result": "failed", "message": str(error)}
            run.exit_code = 1
        else:
            row |= {
                "result": str(out / name),
                "used": quality["photos_used"],
                "dropped": len(quality["photos_dropped"]),
                "gsd_cm": round(quality["gsd_cm"], 2),
                "reprojection_median_px": round(quality["reprojection_median_px"], 3),
                "seconds": round(sum(quality["seconds"].values()), 1),
            }
        rows.append(row)
    _write_csv(out / "batch.csv", rows)
    for row in rows:
        figures = f"{row['used']} photos, {row['gsd_cm']} cm, {row['seconds']} s" if row["used"] else row["message"]
        run.say(f"{row['photos']}: {row['result']}: {figures}")
    return {"batch": rows, "failed": sum(row["result"] == "failed" for row in rows)}


def _names(folders: list[Path]) -> list[str]:
    """A name for each folder's results: its own, or its parent's where that says more, made unique by a number."""
    names: list[str] = []
    for folder in folders:
        path = folder.resolve()
        name = path.parent.name if path.name.lower() in ("images", "photos", "dcim") and path.parent.name else path.name
        same = sum(other == name or other.startswith(f"{name}-") for other in names)
        names.append(f"{name}-{same + 1}" if same else name)
    return names


def _write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    import csv

    from imagery.core.files import atomic_path

    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
