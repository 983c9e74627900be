"""What each photo shows, as polygons in longitude and latitude."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imagery.core.files import write_json
from imagery.core.frame import LocalFrame
from imagery.surface.grid import GridFrame
from imagery.surface.views import View

__all__ = ["write_footprints"]

ROUNDS = 4  # of following a ray to the surface


def write_footprints(
    path: Path, views: list[View], local: LocalFrame, frame: GridFrame, heights: NDArray[np.float32], block: int
) -> None:
    """Write a GeoJSON of the photos' outlines on the surface (heights of blocks of block x block cells, NaN outside)."""
    features = []
    for view in views:
        outline = _on_surface(view, frame, heights, block)
        lon, lat = local.to_geographic(outline[:, 0], outline[:, 1])
        ring = [[round(float(x), 8), round(float(y), 8)] for x, y in zip(lon, lat, strict=True)]
        properties: dict[str, Any] = {
            "file": view.name,
            "camera": view.camera.id,
            "tied": view.tied,
            "height_agl_m": round(view.height_m, 2),
            "gsd_cm": round(100 * view.gsd_m, 3),
        }
        # RFC 7946: exterior rings run counter-clockwise; image corners run clockwise seen from above.
        geometry = {"type": "Polygon", "coordinates": [[*ring[::-1], ring[-1]]]}
        features.append({"type": "Feature", "properties": properties, "geometry": geometry})
    write_json(path, {"type": "FeatureCollection", "features": features}, indent=None)


def _on_surface(view: View, frame: GridFrame, heights: NDArray[np.float32], block: int) -> NDArray[np.float64]:
    """The footprint with every point moved along its ray to the surface's height there."""
    camera_xy = view.position[:2]
    slopes = (view.footprint - camera_xy) / view.height_m
    drop = np.full(len(slopes), view.height_m)
    for _ in range(ROUNDS):
        cells = frame.cells_of(camera_xy + slopes * drop[:, None])
        row = np.clip((cells[:, 1] + 0.5) // block, 0, heights.shape[0] - 1).astype(int)
        col = np.clip((cells[:, 0] + 0.5) // block, 0, heights.shape[1] - 1).astype(int)
        known = heights[row, col]
        drop = np.where(np.isfinite(known), view.position[2] - known, drop)
    return np.asarray(camera_xy + slopes * drop[:, None])
