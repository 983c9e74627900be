"""The inputs of one grading, opened together in one working system."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyproj
from numpy.typing import NDArray

from imagery.core.errors import BadInputError
from imagery.core.progress import SILENT, Progress
from imagery.damage.raster import Grid, ImageFile, RasterFile, SurfaceFile

__all__ = ["CANONICAL_CELL_M", "Scene", "ShiftField", "SurfaceShift", "open_scene"]

CANONICAL_CELL_M = 0.10  # images are graded at this ground sampling distance, or their own where that is coarser
CANONICAL_SURFACE_CELL_M = 0.25


@dataclass(frozen=True, slots=True)
class ShiftField:
    """Where the later image's places are in the earlier one: shifts east and north on a coarse regular lattice.

    Attributes: grid: the lattice; shift_m: (height, width, 2); sigma_m: spread of the local shifts that were left out or
    smoothed.
    """

    grid: Grid
    shift_m: NDArray[np.float64]
    sigma_m: float

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Shift in metres east and north at one place (bilinear, held constant outside)."""
        column, row = self.grid.to_pixels(np.array([x]), np.array([y]))[0]
        column, row = np.clip(column, 0, self.grid.width - 1), np.clip(row, 0, self.grid.height - 1)
        c0, r0 = int(min(column, max(self.grid.width - 2, 0))), int(min(row, max(self.grid.height - 2, 0)))
        c1, r1 = min(c0 + 1, self.grid.width - 1), min(r0 + 1, self.grid.height - 1)
        u, v = column - c0, row - r0
        field = self.shift_m
        top = field[r0, c0] * (1 - u) + field[r0, c1] * u
        bottom = field[r1, c0] * (1 - u) + field[r1, c1] * u
        east, north = top * (1 - v) + bottom * v
        return float(east), float(north)


@dataclass(frozen=True, slots=True)
class SurfaceShift:
    """The earlier surface against the later one: add these to go from the later surface's place and height to the earlier's.

    Attributes: east_m, north_m, up_m; sigma_m: robust spread of the height difference on stable ground.
    """

    east_m: float
    north_m: float
    up_m: float
    sigma_m: float


@dataclass(frozen=True, slots=True)
class Scene:
    """Open rasters of one event in one working system (UTM).

    Attributes: crs; post; pre; dsm; pre_dsm; dtm: a terrain model that belongs to `dsm`; cell_m: the images' working cell;
    surface_cell_m: the surfaces'; inputs: which of post, pre, surface, pre_surface there are, and `colour`.
    """

    crs: pyproj.CRS
    post: ImageFile
    pre: ImageFile | None
    dsm: SurfaceFile | None
    pre_dsm: SurfaceFile | None
    dtm: SurfaceFile | None
    cell_m: float
    surface_cell_m: float
    inputs: frozenset[str]


@contextmanager
def open_scene(
    post: str | Path,
    *,
    dsm: str | Path | None = None,
    pre: str | Path | None = None,
    pre_dsm: str | Path | None = None,
    progress: Progress = SILENT,
) -> Iterator[Scene]:
    """Open the later image (or a stitch folder, whose surfaces are used too) and whatever else there is.

    Raises BadInputError for a file that cannot be used or does not overlap the later image.
    """
    post, dsm, dtm, measured = _stitch_files(Path(post), dsm)
    with ExitStack() as files:
        image = files.enter_context(ImageFile(post, progress=progress))
        earlier = files.enter_context(ImageFile(pre, image.crs, progress)) if pre else None
        counted = files.enter_context(RasterFile(measured, image.crs)) if measured else None
        surfaces = [
            files.enter_context(SurfaceFile(path, image.crs, progress, beside)) if path else None
            for path, beside in ((dsm, counted), (pre_dsm, None), (dtm, None))
        ]
        for other in (earlier, *surfaces):
            if other is not None and not other.overlaps(image.bounds):
                raise BadInputError(
                    f"{other.path}: does not overlap {image.path}: {_extent(other)} against {_extent(image)}"
                )
        if surfaces[0] is None and surfaces[1] is not None:
            progress.warn("an earlier surface is of no use without a later one (--dsm); it is left out")
            surfaces[1] = None
        named = {"post": image, "pre": earlier, "surface": surfaces[0], "pre_surface": surfaces[1]}
        inputs = {name for name, raster in named.items() if raster is not None} | (
            {"colour"} if image.colour else set()
        )
        own_cells = [surface.cell_m for surface in surfaces[:2] if surface is not None]
        yield Scene(
            crs=image.crs,
            post=image,
            pre=earlier,
            dsm=surfaces[0],
            pre_dsm=surfaces[1],
            dtm=surfaces[2],
            cell_m=max(CANONICAL_CELL_M, image.cell_m),
            surface_cell_m=max([CANONICAL_SURFACE_CELL_M, *own_cells]),
            inputs=frozenset(inputs),
        )


def _stitch_files(post: Path, dsm: str | Path | None) -> tuple[Path, Path | None, Path | None, Path | None]:
    """Orthomosaic, surface, terrain, and where the surface was measured; a stitch folder stands for the four of them."""
    if not post.is_dir():
        return post, Path(dsm) if dsm else None, None, None
    if not (post / "ortho.tif").is_file():
        raise BadInputError(
            f"{post}: holds no ortho.tif: give an orthomosaic or the output folder of `skyrelief stitch`"
        )
    surface, terrain, measured = (
        path if path.is_file() else None for path in (post / "dsm.tif", post / "dtm.tif", post / "measured.tif")
    )
    if dsm:
        return post / "ortho.tif", Path(dsm), terrain, None
    return post / "ortho.tif", surface, terrain, measured


def _extent(file: RasterFile) -> str:
    left, bottom, right, top = file.bounds
    return f"E {left:.0f}..{right:.0f}, N {bottom:.0f}..{top:.0f}"
