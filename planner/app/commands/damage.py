"""`skyrelief damage`: grade buildings by damage."""

from pathlib import Path
from typing import Annotated, Any

import typer

from imagery.core.errors import BadInputError, SkyReliefError
from planner.app.run import Run, command

__all__ = ["run_command"]


@command
def run_command(
    run: Run,
    *,
    post: Annotated[list[Path], typer.Argument(help="Later image (GeoTIFF) or a stitch folder; several make a batch.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="GeoPackage to write; for a batch, a folder.")],
    dsm: Annotated[Path | None, typer.Option(help="Surface model of the later date.")] = None,
    pre: Annotated[Path | None, typer.Option(help="Earlier image.")] = None,
    pre_dsm: Annotated[Path | None, typer.Option(help="Earlier surface model.")] = None,
    buildings: Annotated[
        Path | None, typer.Option(help="Footprints (any vector file); default: extracted from the surface.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Graded buildings of this event: the grader is refitted on them.")
    ] = None,
) -> dict[str, Any]:
    """Grade every building 0-3 or "Not analysed", with probabilities and reasons."""
    files = {"dsm": dsm, "pre": pre, "pre_dsm": pre_dsm, "buildings": buildings, "labels": labels}
    if len(post) == 1:
        result = _grade(run, post[0], out, files)
        _tell(run, result)
        return result
    return _batch(run, post, out, files)


def _grade(run: Run, post: Path, out: Path, files: dict[str, Path | None]) -> dict[str, Any]:
    from imagery.damage import grade_damage

    if out.suffix.lower() != ".gpkg":
        raise BadInputError(f"{out}: the output is a GeoPackage: give a name ending in .gpkg")
    return grade_damage(post, out=out, progress=run.progress, **files).to_json()


def _tell(run: Run, result: dict[str, Any]) -> None:
    total = result["buildings"]
    run.say(f"{total} buildings from {result['signature']}; {result['note']}")
    for name, count in result["counts"].items():
        run.say(f"  {name:<20}{count:>6}{100 * count / max(total, 1):>7.1f} %")
    check = result["label_check"]
    if check:
        run.say(
            f"on {check['labels']} labels, each left out in turn: {check['before']:.0%} right before, {check['after']:.0%} after"
        )
    for path in result["files"]:
        run.say(f"wrote {path}")


def _batch(run: Run, posts: list[Path], out: Path, files: dict[str, Path | None]) -> dict[str, Any]:
    """Grade several images, going on after a failure; OUT/NAME.gpkg each and OUT/summary.csv."""
    from imagery.core.files import write_text

    if out.suffix:
        raise BadInputError(f"{out}: a batch of {len(posts)} writes into a folder: give a folder's name")
    names = _distinct_names(posts)
    rows: list[dict[str, Any]] = []
    for post, name in zip(posts, names, strict=True):
        try:
            result = _grade(run, post, out / f"{name}.gpkg", files)
            rows.append({"input": str(post), "failed": "", "buildings": result["buildings"], **result["counts"]})
        except SkyReliefError as error:
            run.progress.warn(str(error))
            rows.append({"input": str(post), "failed": str(error)})
            run.exit_code = 1
    columns = list(dict.fromkeys(column for row in rows for column in row))
    lines = [",".join(columns)] + [",".join(_quoted(row.get(column, "")) for column in columns) for row in rows]
    write_text(out / "summary.csv", "\n".join(lines) + "\n")
    for row in rows:
        run.say(f"{row['input']}: " + (row["failed"] or f"{row['buildings']} buildings, {row['Destroyed']} destroyed"))
    run.say(f"wrote {out / 'summary.csv'}")
    return {"inputs": rows, "files": [out / "summary.csv"]}


def _distinct_names(posts: list[Path]) -> list[str]:
    names = [post.stem or post.name for post in posts]
    return [name if names.count(name) == 1 else f"{name}-{index}" for index, name in enumerate(names, start=1)]


def _quoted(value: Any) -> str:
    text = str(value)
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',"\n') else text
