"""`skyrelief sites`: find tent sites and lay them out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imagery.core.errors import BadInputError, SkyReliefError
from planner.app.run import Run, command

if TYPE_CHECKING:
    from imagery.core.progress import Progress
    from imagery.sites import SitesResult

__all__ = ["run_command", "sites_of"]


@command
def run_command(
    run: Run,
    stitch: Annotated[
        list[Path] | None,
        typer.Argument(help="Folders with dsm.tif, ortho.tif and dtm.tif, as `skyrelief stitch` writes."),
    ] = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="sites.gpkg; for several inputs a folder.")] = Path(
        "sites.gpkg"
    ),
    ortho: Annotated[Path | None, typer.Option(help="Orthomosaic, instead of the folder's.")] = None,
    dsm: Annotated[Path | None, typer.Option(help="Surface model, instead of the folder's.")] = None,
    dtm: Annotated[Path | None, typer.Option(help="Terrain model, instead of the folder's.")] = None,
    damage: Annotated[Path | None, typer.Option(help="Graded buildings (damage.gpkg).")] = None,
    roads: Annotated[Path | None, typer.Option(help="Roads, as lines or areas.")] = None,
    water: Annotated[Path | None, typer.Option(help="Surface water and flooded ground.")] = None,
    avoid: Annotated[Path | None, typer.Option(help="Ground not to use, such as mined or protected.")] = None,
    site: Annotated[Path | None, typer.Option(help="Hand-drawn sites to lay out instead of searching.")] = None,
    people: Annotated[int | None, typer.Option(min=1, help="How many people to house.")] = None,
    profile: Annotated[str, typer.Option(help="minimum, standard, fire, cold or services-outside.")] = "standard",
    standards: Annotated[
        Path | None, typer.Option(help="TOML file with values to use instead of the standards'.")
    ] = None,
) -> dict[str, Any]:
    """Find tent sites by the humanitarian standards, lay them out and check every rule."""
    options = {
        "roads": roads, "water": water, "avoid": avoid, "damage": damage, "site": site, "people": people,
        "profile": profile, "standards": standards,
    }  # fmt: skip
    if not stitch and dsm is None:
        raise BadInputError("give a folder that `skyrelief stitch` wrote, or a surface model with --dsm")
    if not stitch or len(stitch) == 1:
        folder = stitch[0] if stitch else None
        return _one(run, _rasters(folder, dsm, ortho, dtm), out, options)
    if dsm or ortho or dtm:
        raise BadInputError("--dsm, --ortho and --dtm go with one input, not with several")
    return _batch(run, stitch, out, options)


def sites_of(folder: Path, out: Path, options: dict[str, Any], progress: "Progress") -> dict[str, Any]:
    """Find the sites in a stitch folder and write them; what `--json` prints. Options: as of `find_sites`."""
    from imagery.sites import find_sites

    return _summary(find_sites(**_rasters(folder, None, None, None), **options, out=out, progress=progress), out)


def _rasters(folder: Path | None, dsm: Path | None, ortho: Path | None, dtm: Path | None) -> dict[str, Any]:
    """The rasters given, else those of the folder."""
    found: dict[str, Path | None] = {"dsm": dsm, "ortho": ortho, "dtm": dtm}
    if folder is not None:
        if folder.is_file():
            raise BadInputError(f"{folder}: is a file; give the folder it is in, or the surface model with --dsm")
        if not folder.is_dir():
            raise BadInputError(f"{folder}: there is no such folder")
        for name, given in found.items():
            if given is None and (folder / f"{name}.tif").exists():
                found[name] = folder / f"{name}.tif"
        if found["dsm"] is None:
            raise BadInputError(f"{folder}: has no dsm.tif; run `skyrelief stitch` first or give --dsm")
    return found


def _one(run: Run, rasters: dict[str, Any], out: Path, options: dict[str, Any]) -> dict[str, Any]:
    from imagery.sites import find_sites

    result = find_sites(**rasters, **options, out=out, progress=run.progress)
    _tell(run, result, out)
    return _summary(result, out)


def _summary(result: "SitesResult", out: Path) -> dict[str, Any]:
    return {
        "out": out,
        "rules": out.with_name("rules.json"),
        "picture": out.with_suffix(".png"),
        "profile": result.standards.profile,
        "sites": [
            {
                "site_id": site.number, "persons": site.persons, "tents": len(site.layout.tents),
                "area_m2": round(site.shape.area, 1), "score": round(site.score, 4), "chosen": site.chosen,
                "rules_broken": len(site.broken),
            }
            for site in result.sites
        ],
        "persons": result.persons,
        "people": result.people,
        "unhoused": result.unhoused,
        "rules_broken": sum(len(site.broken) for site in result.sites),
        "known": result.ground.known,
        "area_by_reason_m2": result.excluded_m2,
    }  # fmt: skip


def _tell(run: Run, result: "SitesResult", out: Path) -> None:
    run.say(f"{'site':>4} {'persons':>8} {'tents':>6} {'ha':>7} {'slope %':>8} {'score':>6}  rules")
    for site in result.sites:
        slope = next(factor.value for factor in site.factors if factor.name == "slope") or 0.0
        unknown = sum(rule.verdict == "unknown" for rule in site.rules)
        run.say(
            f"{site.number:>4} {site.persons:>8} {len(site.layout.tents):>6} {site.shape.area / 1e4:>7.2f} {slope:>8.1f} "
            f"{site.score:>6.3f}  {len(site.broken)} broken, {unknown} unknown{'  <- use' if site.chosen else ''}"
        )
    if result.people is not None:
        chosen = [str(site.number) for site in result.sites if site.chosen]
        together = f"sites {', '.join(chosen)} together" if len(chosen) > 1 else f"site {''.join(chosen)}"
        rest = f"; {result.unhoused} remain unhoused" if result.unhoused else ""
        run.say(f"{result.people} people: {together}{rest}")
    for what, state in result.ground.known.items():
        if state != "given":
            run.say(f"{what}: {state}" + ("; check on the ground, or give the layer" if state == "unknown" else ""))
    for rejected in result.rejected[:5]:
        run.say(
            f"not used: {rejected.area_m2 / 1e4:.2f} ha at {rejected.east_m:.0f} {rejected.north_m:.0f}: {rejected.why}"
        )
    run.say(f"written: {out}, {out.with_name('rules.json')}, {out.with_suffix('.png')}")


def _batch(run: Run, folders: list[Path], out: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Every folder in turn, going on after a failure; ends with one table and OUT/summary.csv."""
    import csv
    import io

    from imagery.core.files import write_text

    if out.suffix:
        raise BadInputError(f"{out}: for several inputs give a folder with -o")
    rows: list[dict[str, Any]] = []
    for folder in folders:
        target = out / folder.resolve().name / "sites.gpkg"
        try:
            result = _one(run, _rasters(folder, None, None, None), target, options)
            rows.append(
                {"input": folder, "status": "done", "sites": len(result["sites"]), "persons": result["persons"]}
            )
        except SkyReliefError as error:
            run.progress.warn(f"{folder}: {error}")
            rows.append({"input": folder, "status": str(error), "sites": 0, "persons": 0})
            run.exit_code = 1
    text = io.StringIO()
    table = csv.DictWriter(text, ["input", "status", "sites", "persons"], lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_text(out / "summary.csv", text.getvalue())
    for row in rows:
        run.say(f"{row['persons']:>8} persons  {row['sites']:>3} sites  {row['input']}  {row['status']}")
    return {"inputs": rows, "summary": out / "summary.csv"}
