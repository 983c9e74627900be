"""The world: rasters before and after, what stands where, and where on Earth it is."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyproj
import shapely
from affine import Affine
from numpy.typing import ArrayLike, NDArray
from shapely.geometry import Polygon

from imagery.core.errors import BadInputError
from imagery.core.frame import LocalFrame, check_lon_lat, utm_crs
from imagery.core.progress import SILENT, Progress
from sitl.world.disaster import strike
from sitl.world.draw import Tile, draw
from sitl.world.plan import Plan, Sun
from sitl.world.settlement import PROFILES, lay_out
from sitl.world.vectors import measured_buildings, other_layers

__all__ = ["Home", "World"]

TILE_CELLS = 4096


@dataclass(frozen=True, slots=True)
class Home:
    """A place to take off from: WGS 84 degrees and metres above mean sea level."""

    lon_deg: float
    lat_deg: float
    height_amsl_m: float


@dataclass(frozen=True, eq=False)
class World:
    """A piece of the Earth that is known exactly.

    crs: its UTM zone; transform: of the rasters (north-up, square cells); frame: the local frame around its centre.
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
        progress: Progress = SILENT,
    ) -> "World":
        """A settlement around (lon, lat), the same for the same arguments; see PROFILES and DISASTERS for the names.

        size_m: east-west and north-south; cell_m: of the rasters; margin_m: between `area` and the world's edge;
        severity: share of the buildings damaged; home_amsl_m: height of the take-off point.
        """
        check_lon_lat(lon, lat, "world")
        if profile not in PROFILES:
            raise BadInputError(f"unknown profile {profile!r}: choose one of {', '.join(PROFILES)}")
        if not min(size_m) >= 2 * margin_m + 60:
            raise BadInputError(
                f"a world of {size_m[0]:g} x {size_m[1]:g} m has no room for a margin of {margin_m:g} m: make it larger"
            )
        if not 0.005 <= cell_m <= 2:
            raise BadInputError(f"cells of {cell_m:g} m: choose 0.005 to 2 m")
        cols, rows = round(size_m[0] / cell_m), round(size_m[1] / cell_m)
        plan = strike(lay_out(seed, profile, (cols * cell_m, rows * cell_m), margin_m, disaster), severity)
        info: dict[str, object] = {
            "seed": seed, "profile": profile, "disaster": disaster, "severity": severity, "margin_m": margin_m,
        }  # fmt: skip
        return _drawn(plan, (lon, lat), (rows, cols), cell_m, home_amsl_m, info, progress)

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
        """The buildings' true footprints and damage."""
        return self.layers["buildings"]

    @cached_property
    def grid_from_local(self) -> NDArray[np.float64]:
        """2 x 3 affine from local east and north (metres) to fractional column and row, cell centres at whole numbers."""
        corners = np.array([[0.0, 0.0], [400.0, 0.0], [0.0, 400.0]])
        lon, lat = self.frame.to_geographic(corners[:, 0], corners[:, 1])
        x, y = pyproj.Transformer.from_crs("EPSG:4326", self.crs, always_xy=True).transform(lon, lat)
        grid = self.transform
        cr = np.column_stack([(np.asarray(x) - grid.c) / grid.a, (np.asarray(y) - grid.f) / grid.e]) - 0.5
        linear = np.column_stack([(cr[1] - cr[0]) / 400, (cr[2] - cr[0]) / 400])
        return np.column_stack([linear, cr[0]])

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


def _drawn(
    plan: Plan,
    place: tuple[float, float],
    shape: tuple[int, int],
    cell_m: float,
    home_amsl_m: float,
    info: dict[str, object],
    progress: Progress,
) -> World:
    """The world of a plan around a place (lon, lat)."""
    crs = utm_crs(*place)
    x, y = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(*place)
    centre = np.round([x, y], 2)
    west, _, _, north = plan.bounds
    transform = Affine(cell_m, 0, centre[0] + west, 0, -cell_m, centre[1] + north)
    after, before = _assembled(plan, shape, cell_m, progress)
    home_xy = _home(plan)
    lift = np.float32(home_amsl_m - float(plan.terrain.at(*home_xy)))
    for raster in (after.dsm, after.dtm, before.dsm):
        raster += lift
    buildings = measured_buildings(plan, after, before, transform, centre, crs, float(lift))
    to_geographic = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    inner = shapely.box(*plan.bounds).buffer(-float(str(info["margin_m"])), join_style="mitre")
    area = shapely.transform(inner, lambda xy: np.column_stack(to_geographic.transform(*(xy + centre).T)))
    home = Home(*to_geographic.transform(*(home_xy + centre)), home_amsl_m)
    return World(
        crs=crs,
        transform=transform,
        frame=LocalFrame(*place),
        ortho=after.ortho,
        dsm=after.dsm,
        dtm=after.dtm,
        pre_ortho=before.ortho,
        pre_dsm=before.dsm,
        labels=after.labels,
        layers={"buildings": buildings, **other_layers(plan, centre, crs)},
        area=area,
        home=home,
        sun=plan.sun,
        pre_sun=plan.pre_sun,
        info=info,
    )


def _assembled(plan: Plan, shape: tuple[int, int], cell_m: float, progress: Progress) -> tuple[Tile, Tile]:
    """The whole world after and before as two tiles, drawn piece by piece."""
    rows, cols = shape
    west, _, _, north = plan.bounds
    pieces = [(r, c) for r in range(0, rows, TILE_CELLS) for c in range(0, cols, TILE_CELLS)]
    after, before = Tile.empty(shape), Tile.empty(shape)
    with progress.stage("drawing the world", len(pieces), "tiles") as advance:
        for r, c in pieces:
            size = (min(TILE_CELLS, rows - r), min(TILE_CELLS, cols - c))
            drawn = draw(plan, west + c * cell_m, north - r * cell_m, cell_m, size)
            after.put(drawn.after, r, c)
            before.put(drawn.before, r, c)
            advance(1)
    return after, before


def _home(plan: Plan) -> NDArray[np.float64]:
    """The middle of the first open field, or of the world, in plane coordinates."""
    middle = next((item.polygon.centroid for item in plan.fields if item.kind == "open"), None)
    return np.array([middle.x, middle.y]) if middle is not None else np.zeros(2)
