"""`skyrelief geotag`: photos get their places from a flight's log."""

from pathlib import Path
from typing import Annotated, Any

import typer

from planner.app.run import Run, command


@command
def run_command(
    run: Run,
    photos: Annotated[Path, typer.Argument(help="The folder of photos; they are not changed.")],
    log: Annotated[Path, typer.Option("--log", help="photos.csv, a .tlog or a DataFlash .bin.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Where the tagged copies and their photos.csv go.")],
    *,
    offset: Annotated[
        float | None,
        typer.Option(
            "--offset", help="UTC minus the camera's clock in seconds, where it is known [default: found out]."
        ),
    ] = None,
) -> dict[str, Any]:
    """Match photos to logged exposures by sequence and time, and write copies with EXIF and XMP positions."""
    from imagery.geotag import geotag

    done = geotag(photos, log, out, offset_s=offset, progress=run.progress)
    run.say(f"{done.matched} of {done.photos} photos matched to {done.exposures} exposures")
    if done.clock_offset_s is not None and done.residual_s is not None:
        run.say(
            f"the camera's clock is {-done.clock_offset_s:+.1f} s from UTC, drifting {1e6 * -done.drift:+.0f} ppm; "
            f"residual {done.residual_s:.2f} s"
        )
    if done.unmatched:
        shown = ", ".join(done.unmatched[:5]) + (" ..." if len(done.unmatched) > 5 else "")
        run.say(f"without an exposure, and not copied: {shown}")
    if done.exposures > done.matched:
        run.say(f"{done.exposures - done.matched} exposures have no photo")
    run.say(f"wrote {done.matched} copies and photos.csv to {out}")
    return {
        "matched": done.matched,
        "photos": done.photos,
        "exposures": done.exposures,
        "clock_offset_s": done.clock_offset_s,
        "drift": done.drift,
        "residual_s": done.residual_s,
        "unmatched": list(done.unmatched),
    }
