"""Where the orthomosaic passes from one photo to another, as lines in longitude and latitude."""

from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray

from imagery.core.files import write_json
from imagery.ortho.seams import NOBODY
from imagery.surface.grid import Grid

__all__ = ["seam_lines", "write_seams"]


def write_seams(path: Path, labels: NDArray[np.int16], names: list[str], grid: Grid, block: int) -> None:
    """Write a GeoJSON of the seams, each with the two `photos` that meet there.

    labels: which photo shows each block of block x block cells of the grid; names: of the photos.
    """
    to_geographic = pyproj.Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
    features: list[dict[str, Any]] = []
    for (a, b), line in seam_lines(labels).items():
        col, row = (shapely.get_coordinates(line) * block * grid.cell).T
        lon_lat = np.column_stack(to_geographic.transform(grid.west + col, grid.north - row))
        placed = shapely.set_coordinates(line, np.round(lon_lat, 8))
        features.append({
            "type": "Feature", "properties": {"photos": [names[a], names[b]]}, "geometry": shapely.geometry.mapping(placed),
        })  # fmt: skip
    write_json(path, {"type": "FeatureCollection", "features": features}, indent=None)


def seam_lines(labels: NDArray[np.int16]) -> dict[tuple[int, int], shapely.Geometry]:
    """The borders between photos by pair of photos, in columns and rows of blocks counted from the north-west corner."""
    pairs, edges = [], []
    for down, right in ((0, 1), (1, 0)):
        first, second = labels[: len(labels) - down, : labels.shape[1] - right], labels[down:, right:]
        row, col = np.nonzero((first != second) & (first != NOBODY) & (second != NOBODY))
        start = np.column_stack([col + right, row + down])
        edges.append(np.stack([start, start + np.array([down, right])], axis=1))
        pairs.append(np.sort(np.column_stack([first[row, col], second[row, col]]), axis=1))
    pair, which = np.unique(np.concatenate(pairs), axis=0, return_inverse=True)
    lines = shapely.linestrings(np.concatenate(edges).astype(float))
    merged = (shapely.line_merge(shapely.multilinestrings(lines[which == k])) for k in range(len(pair)))
    return {(int(a), int(b)): line for (a, b), line in zip(pair, merged, strict=True)}
