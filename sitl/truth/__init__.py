"""How far results are from a world's truth: orthomosaic, seams, surface, camera poses and damage grades.

Everything is measured from the files that the commands write, against the world that the photos were taken of.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from sitl.truth.damage import DamageError, damage_error
from sitl.truth.mosaic import MosaicError, mosaic_error
from sitl.truth.poses import PoseError, pose_error
from sitl.truth.seams import SeamError, seam_error
from sitl.truth.surface import SurfaceError, surface_error
from sitl.world import World

__all__ = [
    "DamageError", "MosaicError", "PoseError", "SeamError", "SurfaceError", "compare_stitch", "damage_error", "mosaic_error",
    "pose_error", "seam_error", "surface_error",
]  # fmt: skip


def compare_stitch(world: World, stitch_dir: str | Path, photos_truth: str | Path | None = None) -> dict[str, Any]:
    """The errors of a stitch folder as nested dicts: `mosaic`, `surface`, `seams` and, with the photos' true poses, `poses`."""
    folder = Path(stitch_dir)
    out: dict[str, Any] = {
        "mosaic": asdict(mosaic_error(world, folder / "ortho.tif")), "surface": asdict(surface_error(world, folder / "dsm.tif")),
    }  # fmt: skip
    if (folder / "seams.geojson").exists():
        out["seams"] = asdict(seam_error(world, folder / "ortho.tif", folder / "seams.geojson"))
    if photos_truth is not None:
        out["poses"] = asdict(pose_error(world, folder / "reconstruction.json", photos_truth))
    return out
