"""The world: rasters before and after, what stands where, and where on Earth it is."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyproj
from affine import Affine
from numpy.typing import ArrayLike, NDArray
from shapely.geometry import Polygon

from imagery.core.errors import BadInputError
from imagery.core.frame import LocalFrame
from imagery.core.progress import SILENT, Progress
from sitl.world.sun import Sun

__all__ = ["Home", "World"]


@dataclass(frozen=True, slots=True)
class Home:
    """A place to take off from: WGS 84 degrees and metres above mean sea level."""

    lon_deg: float
    lat_deg: float
    height_amsl_m: float


@dataclass(frozen=True, eq=False)
class World:
    """A piece of the Earth that is known exactly.

    crs: its UTM zone; transform: of the rasters (north-up, square cells); frame: the local frame around its centre, or
    that of the region that it is a window of.
    ortho, pre_ortho: uint8 (H, W, 3), lit by sun and pre_sun; dsm, dtm, pre_dsm: float32 metres above mean sea level;
    labels: uint16 (H, W), the number of the building whose roof or wall is there, or 0.
    layers: `buildings`, `roads`, `water`, `trees`, `fields` in `crs`. area: the polygon to survey (WGS 84),
    a margin inside the world.
    """

    crs: pyproj.CRS
    transform: Affine
    frame: LocalFrame
    ortho: NDArray[np.uint8]
    dsm: NDArray[np.float32]
    dtm: NDArray[np.float32]
    pre_ortho: NDArray[np.uint8]
    pre_dsm: NDArray[np.float32]
    labels: NDArray[np.uint16]
    layers: dict[str, gpd.GeoDataFrame]
    area: Polygon
    home: Home
    sun: Sun
    pre_sun: Sun
    info: dict[str, object] = field(default_factory=dict)

    @classmethod
    def generate(
        cls,
        seed: int,
        profile: str = "village",
        lon: float = 13.09,
        lat: float = 42.79,
        *,
        size_m: tuple[float, float] = (450.0, 380.0),
        cell_m: float = 0.06,
        margin_m: float = 50.0,
        disaster: str = "earthquake",
        severity: float = 0.34,
        home_amsl_m: float = 230.0,
        when: datetime | None = None,
        before: datetime | None = None,
        progress: Progress = SILENT,
    ) -> "World":
        """A settlement around (lon, lat), the same for the same arguments; see PROFILES and DISASTERS for the names.

        size_m: east-west and north-south; cell_m: of the rasters; margin_m: between `area` and the world's edge;
        severity: share of the buildings damaged; home_amsl_m: height of the take-off point; when, before: date and hour (with
        their time zone) at which the sun lights the world after and before its disaster; by the seed if not given.
        """
        from sitl.world.region import Region

        if not 0.005 <= cell_m <= 2:
            raise BadInputError(f"cells of {cell_m:g} m: choose 0.005 to 2 m")
        whole = (round(size_m[0] / cell_m) * cell_m, round(size_m[1] / cell_m) * cell_m)
        region = Region.laid_out(
            seed, profile, lon, lat, size_m=whole, margin_m=margin_m, disaster=disaster, severity=severity,
            home_amsl_m=home_amsl_m
        ).lit(when, before)  # fmt: skip
        return region.world(cell_m=cell_m, progress=progress)

    @classmethod
    def load(cls, folder: str | Path) -> "World":
        """A world from a folder that `save` wrote."""
        from sitl.world.store import load_world

        return load_world(Path(folder))

    @classmethod
    def from_geotiffs(cls, ortho: str | Path, dsm: str | Path, dtm: str | Path | None = None) -> "World":
        """A world from a real orthophoto and surface model; the surface is resampled to the orthophoto's grid in UTM."""
        from sitl.world.store import world_from_geotiffs

        return world_from_geotiffs(Path(ortho), Path(dsm), Path(dtm) if dtm else None)

    def save(self, folder: str | Path, progress: Progress = SILENT) -> None:
        """Write world.json and truth/ (GeoTIFFs and vectors.gpkg) into a folder."""
        from sitl.world.store import save_world

        save_world(self, Path(folder), progress)

    @property
    def cell_m(self) -> float:
        """Size of a raster cell in metres of the UTM grid."""
        return float(self.transform.a)

    @property
    def buildings(self) -> gpd.GeoDataFrame:
        """The buildings' true footprints and damage; empty where nobody knows them."""
        known = self.layers.get("buildings")
        return known if known is not None else gpd.GeoDataFrame({"id": []}, geometry=[], crs=self.crs)

    @cached_property
    def grid_from_local(self) -> NDArray[np.float64]:
        """2 x 3 affine from local east and north (metres) to fractional column and row, cell centres at whole numbers."""
        rows, cols = self.dsm.shape
        to_geographic = pyproj.Transformer.from_crs(self.crs, "EPSG:4326", always_xy=True)
        x, y = self.transform.c + cols / 2 * self.transform.a, self.transform.f + rows / 2 * self.transform.e
        middle = np.array(self.frame.to_local(*to_geographic.transform(x, y)), float)
        around = middle + np.array([[0, 0], [-200, 0], [200, 0], [0, -200], [0, 200]])
        lon, lat = self.frame.to_geographic(around[:, 0], around[:, 1])
        x, y = pyproj.Transformer.from_crs("EPSG:4326", self.crs, always_xy=True).transform(lon, lat)
        grid = self.transform
        cr = np.column_stack([(np.asarray(x) - grid.c) / grid.a, (np.asarray(y) - grid.f) / grid.e]) - 0.5
        linear = np.column_stack([(cr[2] - cr[1]) / 400, (cr[4] - cr[3]) / 400])
        return np.column_stack([linear, cr[0] - linear @ middle])

    def height_at(self, east: ArrayLike, north: ArrayLike, surface: str = "dsm") -> NDArray[np.float64]:
        """Height above mean sea level of `dsm`, `dtm` or `pre_dsm` at local points, bilinear; NaN outside."""
        from scipy.ndimage import map_coordinates

        points = np.stack([np.asarray(east, float).ravel(), np.asarray(north, float).ravel(), np.ones(np.size(east))])
        col, row = self.grid_from_local @ points
        values = map_coordinates(getattr(self, surface), [row, col], order=1, cval=np.nan, output=float)
        return values.reshape(np.shape(east))

    def before(self) -> "World":
        """The same world before its disaster: the pre-event orthophoto and surface in place of the others."""
        return replace(self, ortho=self.pre_ortho, dsm=self.pre_dsm, sun=self.pre_sun)
