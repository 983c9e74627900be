"""`skyrelief gaps`: what a flown survey missed, as a plan that flies only that."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imagery.core.errors import BadInputError
from imagery.core.files import atomic_directory, write_json
from planner.app.run import Run, command

if TYPE_CHECKING:
    from planner.app.refly import Refly


@command
def run_command(
    run: Run,
    plan: Annotated[Path, typer.Argument(help="Folder of the plan that was flown, or its plan.geojson.")],
    photos: Annotated[
        list[Path],
        typer.Argument(help="What was taken: folders of photos and photo logs (photos.csv), one or several."),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the plan of the gaps.")],
    dem: Annotated[
        list[Path] | None, typer.Option(help="Elevation, where the plan's file has moved; may be given again.")
    ] = None,
    wanted: Annotated[
        int, typer.Option("--views", help="Photos that each place needs, where the plan has as many.")
    ] = 5,
    tolerance: Annotated[float, typer.Option(help="Uncertainty of the photos' positions in m.")] = 5.0,
    fixed_mount: Annotated[
        bool, typer.Option("--fixed-mount", help="The camera has no gimbal: it leans as the aircraft does.")
    ] = False,
    formats: Annotated[str, typer.Option(help="Mission formats, as of `plan`.")] = "plan,waypoints",
) -> dict[str, Any]:
    """What a flown survey missed, as a plan that flies only that and proves the whole complete."""
    from planner.app.commands.plan import chosen_formats, write_plan
    from planner.app.flown import pose, read_taken
    from planner.app.planned import read_planned
    from planner.app.refly import refly

    if wanted < 1:
        raise BadInputError(f"--views {wanted}: give 1 or more, usually 5")
    if not 0 <= tolerance <= 100:
        raise BadInputError(f"--tolerance {tolerance:g}: give 0 to 100 m, usually 5 (0.1 with RTK)")
    wanted_formats = chosen_formats(formats)
    planned = read_planned(plan, tuple(dem or ()))
    taken = read_taken(photos, planned.spec.camera, run.progress)
    for reason, count in taken.left_out.items():
        run.progress.warn(f"{count} photo{'s' if count > 1 else ''} {reason}: left out")
    shots = pose(taken, planned, fixed_mount=fixed_mount)
    found = refly(planned, shots, taken.camera, wanted=wanted, tolerance_m=tolerance, progress=run.progress)
    facts = _facts(found, len(shots), wanted)
    _say(run, facts)
    if found.plan is None:
        run.say("Nothing is missing: the survey is complete.")
        return _nothing_to_fly(out, facts)
    result = write_plan(found.plan, out, wanted_formats, {"gaps": facts})
    write_json(out / "gaps.geojson", _outlines(found))
    if found.left_m2:
        run.progress.warn(f"{found.left_m2:.0f} m2 of gaps remain after it: run gaps again with its photos too")
    for warning in found.plan.warnings:
        run.progress.warn(warning)
    run.say(
        f"to fly: {result['flights']} flight{'s' if result['flights'] > 1 else ''}, {result['photos']} photos,"
        f" {result['length_m'] / 1000:.1f} km, {result['duration_s'] / 60:.1f} min"
        f" ({'stretches of the planned lines' if found.reused else 'fresh lines'})"
    )
    run.say(f"then seen by a photo: {result['seen1']:.2f} % of the area; by five or more: {result['seen5']:.2f} %")
    run.say(f"{out}: plan.geojson, gaps.geojson, summary.json, flight-01 and so on")
    return result


def _facts(found: "Refly", photos: int, wanted: int) -> dict[str, Any]:
    """What `summary.json` says of the gaps; shares of the area in percent."""
    before, promised, shortage = found.flown, found.planned, found.shortage
    return {
        "count": shortage.gaps,
        "area_m2": round(shortage.area_m2, 1),
        "slivers_m2": round(shortage.sliver_m2, 1),
        "views_wanted": wanted,
        "photos_taken": photos,
        "seen1_before": round(before.seen(1) * 100, 3),
        "seen5_before": round(before.seen(5) * 100, 3),
        "seen1_planned": round(promised.seen(1) * 100, 3),
        "seen5_planned": round(promised.seen(5) * 100, 3),
    }


def _say(run: Run, facts: dict[str, Any]) -> None:
    run.say(
        f"{facts['photos_taken']} photos see {facts['seen1_before']:.2f} % of the area, five or more"
        f" {facts['seen5_before']:.2f} % (planned {facts['seen5_planned']:.2f} %)"
    )
    if facts["count"]:
        run.say(f"{facts['count']} gap{'s' if facts['count'] > 1 else ''} of {facts['area_m2']:.0f} m2 together")
    if facts["slivers_m2"]:
        run.say(f"not flown again: slivers of {facts['slivers_m2']:.0f} m2, within the uncertainty of positions")


def _nothing_to_fly(out: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """A folder that says so, without the flights of an older plan, which nobody should fly."""
    result = {
        "flights": 0, "photos": 0, "duration_s": 0.0, "seen1": facts["seen1_before"], "seen5": facts["seen5_before"],
        "gaps": facts,
    }  # fmt: skip
    with atomic_directory(out) as folder:
        write_json(folder / "summary.json", result)
    for old in [*out.glob("flight-[0-9]*"), *out.glob("*.geojson"), *out.glob("plan.gpkg"), *out.glob("overlap.*")]:
        if old.is_file():
            old.unlink()
    return result


def _outlines(found: "Refly") -> dict[str, Any]:
    """The gaps as GeoJSON, for a map."""
    import numpy as np
    import shapely
    import shapely.geometry

    assert found.plan is not None
    frame, shortage, features = found.plan.frame, found.shortage, []
    for gap in range(1, shortage.gaps + 1):
        outline = shortage.outline(gap)
        lon_lat = shapely.transform(outline, lambda points: np.column_stack(frame.to_geographic(*points.T)).round(8))
        properties = {
            "kind": "gap",
            "gap": gap,
            "area_m2": round(outline.area, 1),
            "least_views": int(found.flown.views[shortage.lacking == gap].min()),
        }
        features.append({"type": "Feature", "properties": properties, "geometry": shapely.geometry.mapping(lon_lat)})
    return {"type": "FeatureCollection", "features": features}
