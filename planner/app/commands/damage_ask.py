"""`skyrelief damage-ask`: the buildings whose grade is most worth checking by eye."""

from pathlib import Path
from typing import Annotated, Any

import typer

from imagery.core.errors import BadInputError
from planner.app.run import Run, command

__all__ = ["run_command"]


@command
def run_command(
    run: Run,
    damage: Annotated[Path, typer.Argument(help="GeoPackage that `skyrelief damage` wrote.")],
    count: Annotated[int, typer.Option("-n", help="How many buildings to ask about.")] = 20,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Write them as a GeoPackage to fill in `reviewed_grade`.")
    ] = None,
) -> dict[str, Any]:
    """Name the most informative buildings: label them and grade again with --labels."""
    from imagery.damage.ask import questions

    if count < 1:
        raise BadInputError(f"-n {count}: ask about 1 building or more")
    picked = questions(damage, count, out)
    rows = []
    for rank, (_index, building) in enumerate(picked.iterrows(), start=1):
        centre = building.geometry.centroid
        row = {
            "rank": rank,
            "lat": round(centre.y, 6),
            "lon": round(centre.x, 6),
            "grade": building["damage_gra"],
            "grade_set": building["grade_set"],
            "reasons": building["reasons"],
        }
        rows.append(row)
        place = f"{row['lat']:.6f} {row['lon']:.6f}"
        run.say(f"{rank:>3}  {place}  {row['grade']:<18} could be {row['grade_set']:<8} {row['reasons']}")
    if out is not None:
        run.say(f"wrote {out}: fill in reviewed_grade (0-3) and give it with --labels")
    return {"buildings": rows, "files": [out] if out else []}
