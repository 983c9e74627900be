"""How good a stitched result is: the figures of `quality.json` and a page that says them in plain words."""

import math
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from imagery.align.align import AlignResult
from imagery.align.shots import Dropped, Shots
from imagery.checkpoint import Stage
from imagery.core.files import write_text

__all__ = ["align_info", "quality_of", "verdict", "write_quality_page"]

SPARSE = 0.5  # measured share of the surface below which it is more guess than measurement
MAP_WIDTH_PX = 760
ARROW_SCALES = (1, 2, 5, 10, 20, 50, 100)


def align_info(result: AlignResult, dropped: list[Dropped], shots: Shots) -> dict[str, Any]:
    """What is kept of an alignment beside the reconstruction: plain values."""
    reconstruction = result.reconstruction
    return {
        "photos": len(shots.names) + len(dropped),
        "photos_dropped": [
            {"file": each.file, "reason": each.reason}
            for each in sorted(dropped + result.dropped, key=lambda each: each.file)
        ],
        "reprojection_median_px": result.reprojection_median_px,
        "ties_kept": result.ties_kept,
        "gps_residual_m": result.gnss_residual_m,
        "gsd_m": result.gsd_m,
        "warnings": result.warnings,
        "vertical_datum": reconstruction.vertical_datum,
        "cameras": {
            id: {"name": camera.name, "focal_px": camera.fx, "k1": camera.k1, "k2": camera.k2}
            for id, camera in reconstruction.cameras.items()
        },
        "per_photo": [
            {
                "file": name,
                "east_m": float(pose.position[0]),
                "north_m": float(pose.position[1]),
                "height_m": float(pose.position[2]),
                "ties": result.ties[name],
                "residual_px": result.residual_px[name],
                "gps_offset_m": result.gnss_offset_m[name],
            }
            for name, pose in reconstruction.images.items()
        ],
    }


def quality_of(
    info: dict[str, Any],
    surface: dict[str, Any],
    mosaic: dict[str, Any],
    gsd_m: float,
    stages: dict[str, Stage],
    peak_memory_mb: float | None,
) -> dict[str, Any]:
    """The contents of `quality.json`; control and check points that were not given are null."""
    return {
        "photos_used": len(info["per_photo"]),
        "photos_dropped": info["photos_dropped"],
        "reprojection_median_px": info["reprojection_median_px"],
        "ties_kept": info["ties_kept"],
        "gps_residual_m": info["gps_residual_m"],
        "control_rmse_m": info.get("control_rmse_m"),
        "check_rmse_m": info.get("check_rmse_m"),
        "gsd_cm": gsd_m * 100,
        "completeness": surface.get("completeness"),
        "vertical_datum": info["vertical_datum"],
        "warnings": info["warnings"],
        "verdict": verdict({**info, "completeness": surface.get("completeness")}),
        "seconds": {name: round(stage.seconds, 2) for name, stage in stages.items()},
        "cpu_seconds": {name: round(stage.cpu_seconds, 2) for name, stage in stages.items()},
        "resumed": [name for name, stage in stages.items() if stage.resumed],
        "peak_memory_mb": peak_memory_mb,
        **{key: mosaic[key] for key in sorted(mosaic)},
    }


def verdict(info: dict[str, Any]) -> list[str]:
    """Plain sentences on what the figures mean for use."""
    used, dropped = len(info["per_photo"]), len(info["photos_dropped"])
    said = [f"{used} of {used + dropped} photos are used." if dropped else f"All {used} photos are used."]
    residual = info["reprojection_median_px"]
    if residual <= 0.6:
        said.append(f"The photos fit each other well (half of the tie points within {residual:.2f} pixels).")
    else:
        said.append(
            f"The photos fit each other only to {residual:.1f} pixels: look for doubled edges before measuring in the mosaic."
        )
    measured = info.get("completeness")
    if measured is not None and measured < SPARSE:
        said.append(
            f"Only {measured:.0%} of the surface is measured, the rest is filled in between: do not rely on heights, and fly "
            "with more overlap."
        )
    weak = [photo["file"] for photo in info["per_photo"] if photo["ties"] < 60]
    if weak:
        said.append(
            f"{len(weak)} photos hang on few tie points ({', '.join(weak[:4])}{' and others' if len(weak) > 4 else ''}): "
            "the mosaic may be distorted there."
        )
    east, north, _ = (value or 0.0 for value in info["gps_residual_m"])
    count = max(1, used)
    said.append(
        f"Positions in the mosaic are good to about {max(0.1, math.hypot(east, north) / math.sqrt(count)):.1f} m by the "
        "photos' own GPS noise, plus whatever error that GPS had in common; without ground control this is not known."
    )
    return said + [f"{warning[0].upper()}{warning[1:]}." for warning in info["warnings"]]


def write_quality_page(path: str | Path, title: str, quality: dict[str, Any], info: dict[str, Any]) -> None:
    """Write `quality.html`: verdict, figures, a map of the cameras with their GPS residuals, and a table of the photos."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined
    )
    page = environment.get_template("quality.html.j2").render(
        title=title, quality=quality, info=info, map=_camera_map(info)
    )
    write_text(path, page)


def _camera_map(info: dict[str, Any]) -> dict[str, Any]:
    """Places of the cameras and ends of their residual arrows in the pixels of the page's drawing."""
    photos = info["per_photo"]
    place = np.array([[photo["east_m"], photo["north_m"]] for photo in photos])
    offset = np.array([[value or 0.0 for value in photo["gps_offset_m"][:2]] for photo in photos])
    low, high = place.min(axis=0), place.max(axis=0)
    margin = 0.06 * float((high - low).max()) + 1.0
    scale = MAP_WIDTH_PX / float(high[0] - low[0] + 2 * margin)
    height = min(1400.0, float(high[1] - low[1] + 2 * margin) * scale)
    typical = float(np.median(np.hypot(*offset.T)))
    spread = float((high - low).max())
    magnify = max((each for each in ARROW_SCALES if each * typical <= 0.05 * spread), default=1)
    most = max(photo["ties"] for photo in photos)
    return {
        "width": MAP_WIDTH_PX,
        "height": round(height),
        "magnify": magnify,
        "metres_px": scale,
        "cameras": [
            {
                "file": photo["file"],
                "x": round(float(x - low[0] + margin) * scale, 1),
                "y": round(height - float(y - low[1] + margin) * scale, 1),
                "dx": round(float(dx) * magnify * scale, 1),
                "dy": round(-float(dy) * magnify * scale, 1),
                "share": round(photo["ties"] / most, 2),
                "ties": photo["ties"],
            }
            for photo, (x, y), (dx, dy) in zip(photos, place, offset, strict=True)
        ],
    }
