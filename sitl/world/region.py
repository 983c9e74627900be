"""A region of any size, of which any window is drawn on demand: a world of it, as small as memory or patience allow."""

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pyproj
import shapely
from affine import Affine
from numpy.typing import ArrayLike, NDArray

from imagery.core.errors import BadInputError
from imagery.core.frame import LocalFrame, check_lon_lat, utm_crs
from imagery.core.progress import SILENT, Progress
from sitl.world.disaster import strike
from sitl.world.draw import Tile, draw
from sitl.world.model import Home, World
from sitl.world.plan import Bounds, Plan
from sitl.world.settlement import PROFILES, lay_out
from sitl.world.sun import Sun
from sitl.world.vectors import measured_buildings, other_layers

__all__ = ["Region"]

TILE_CELLS = 4096


@dataclass(frozen=True, slots=True)
class Region:
    """A laid out settlement with its surroundings and its disaster, not yet drawn, around a place (WGS 84).

    plan: in metres east and north of the place, parallel to the UTM grid; home_amsl_m: height of its take-off point;
    margin_m: between a survey's area and the edge of what is drawn.
    """

    plan: Plan
    lon_deg: float
    lat_deg: float
    home_amsl_m: float
    margin_m: float
    severity: float

    @classmethod
    def laid_out(
        cls,
        seed: int,
        profile: str,
        lon: float,
        lat: float,
        *,
        size_m: tuple[float, float],
        margin_m: float,
        disaster: str,
        severity: float,
        home_amsl_m: float,
    ) -> "Region":
        """The region of World.generate's arguments."""
        check_lon_lat(lon, lat, "world")
        if profile not in PROFILES:
            raise BadInputError(f"unknown profile {profile!r}: choose one of {', '.join(PROFILES)}")
        if not min(size_m) >= 2 * margin_m + 60:
            raise BadInputError(
                f"a world of {size_m[0]:g} x {size_m[1]:g} m has no room for a margin of {margin_m:g} m: make it larger"
            )
        plan = strike(lay_out(seed, profile, size_m, margin_m, disaster), severity)
        return cls(plan, lon, lat, home_amsl_m, margin_m, severity)

    @property
    def frame(self) -> LocalFrame:
        """The local frame around its place, which every window shares."""
        return LocalFrame(self.lon_deg, self.lat_deg)

    @property
    def home(self) -> Home:
        """Where to take off: the middle of the first open field."""
        crs = utm_crs(self.lon_deg, self.lat_deg)
        x, y = self._centre(crs) + _home(self.plan)
        return Home(*pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y), self.home_amsl_m)

    @property
    def lift_m(self) -> float:
        """What the plan's heights lack to heights above mean sea level."""
        return self.home_amsl_m - float(self.plan.terrain.at(*_home(self.plan)))

    def to_plan(self, east: ArrayLike, north: ArrayLike) -> NDArray[np.float64]:
        """Points of the frame in the plan's coordinates, (n, 2)."""
        crs = utm_crs(self.lon_deg, self.lat_deg)
        to_crs = pyproj.Transformer.from_crs(self.frame.crs, crs, always_xy=True)
        return np.asarray(np.column_stack(to_crs.transform(east, north)) - self._centre(crs))

    def lit(self, when: datetime | None = None, before: datetime | None = None) -> "Region":
        """The region in the sunlight of given times after and before its disaster; a time that is None changes nothing."""
        plan = self.plan
        sun = plan.sun if when is None else Sun.at(self.lon_deg, self.lat_deg, when)
        pre_sun = plan.pre_sun if before is None else Sun.at(self.lon_deg, self.lat_deg, before)
        return replace(self, plan=replace(plan, sun=sun, pre_sun=pre_sun))

    def world(self, window: Bounds | None = None, *, cell_m: float = 0.06, progress: Progress = SILENT) -> World:
        """Draw a window (west, south, east, north in the plan's metres; by default everything) as a world of its own.

        The window is widened to whole cells. Buildings that it cuts are drawn but not listed.
        """
        west, south, east, north = window or self.plan.bounds
        c0, c1 = (round((x - self.plan.bounds[0]) / cell_m) for x in (west, east))
        r0, r1 = (round((self.plan.bounds[3] - y) / cell_m) for y in (north, south))
        west, north = self.plan.bounds[0] + c0 * cell_m, self.plan.bounds[3] - r0 * cell_m
        bounds = (west, north - (r1 - r0) * cell_m, west + (c1 - c0) * cell_m, north)
        crs = utm_crs(self.lon_deg, self.lat_deg)
        centre = self._centre(crs)
        transform = Affine(cell_m, 0, centre[0] + west, 0, -cell_m, centre[1] + north)
        after, before = _assembled(self.plan, bounds, (r1 - r0, c1 - c0), cell_m, progress)
        lift = np.float32(self.lift_m)
        for raster in (after.dsm, after.dtm, before.dsm, before.dtm):
            raster += lift
        to_geographic = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
        inner = shapely.box(*bounds).buffer(-self.margin_m, join_style="mitre")
        plan = self.plan
        return World(
            crs=crs,
            transform=transform,
            frame=self.frame,
            ortho=after.ortho,
            dsm=after.dsm,
            dtm=after.dtm,
            pre_ortho=before.ortho,
            pre_dsm=before.dsm,
            labels=after.labels,
            layers={
                "buildings": measured_buildings(plan, after, before, transform, centre, crs, self.lift_m),
                **other_layers(plan, bounds, centre, crs),
            },
            area=shapely.transform(inner, lambda xy: np.column_stack(to_geographic.transform(*(xy + centre).T))),
            home=self.home,
            sun=plan.sun,
            pre_sun=plan.pre_sun,
            info={
                "seed": plan.seed,
                "profile": plan.profile,
                "disaster": plan.disaster,
                "severity": self.severity,
                "margin_m": self.margin_m,
            },
        )

    def _centre(self, crs: pyproj.CRS) -> NDArray[np.float64]:
        """The plan's origin in the UTM zone."""
        x, y = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(self.lon_deg, self.lat_deg)
        return np.asarray(np.round([x, y], 2))


def _assembled(
    plan: Plan, bounds: Bounds, shape: tuple[int, int], cell_m: float, progress: Progress
) -> tuple[Tile, Tile]:
    """A window after and before as two tiles, drawn piece by piece."""
    rows, cols = shape
    pieces = [(r, c) for r in range(0, rows, TILE_CELLS) for c in range(0, cols, TILE_CELLS)]
    after, before = Tile.empty(shape), Tile.empty(shape)
    with progress.stage("drawing the world", len(pieces), "tiles") as advance:
        for r, c in pieces:
            size = (min(TILE_CELLS, rows - r), min(TILE_CELLS, cols - c))
            drawn = draw(plan, bounds[0] + c * cell_m, bounds[3] - r * cell_m, cell_m, size)
            after.put(drawn.after, r, c)
            before.put(drawn.before, r, c)
            advance(1)
    return after, before


def _home(plan: Plan) -> NDArray[np.float64]:
    """The middle of the first open field, or of the world, in plane coordinates."""
    middle = next((item.polygon.centroid for item in plan.fields if item.kind == "open"), None)
    return np.array([middle.x, middle.y]) if middle is not None else np.zeros(2)
