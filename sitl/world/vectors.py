"""The true vectors of a world: buildings with their damage as the rasters show it, roads, water, trees and fields."""

import geopandas as gpd
import numpy as np
import pyproj
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import geometry_mask
from shapely.affinity import translate

from sitl.world.draw import Tile
from sitl.world.plan import Bounds, House, Plan

__all__ = ["measured_buildings", "other_layers"]


def measured_buildings(
    plan: Plan,
    after: Tile,
    before: Tile,
    transform: Affine,
    centre: NDArray[np.float64],
    crs: pyproj.CRS,
    lift_m: float,
) -> gpd.GeoDataFrame:
    """Footprints within the rasters, with grade, kind and, measured inside them: heights, height change and share of roof lost.

    height_m, pre_height_m: the 90th percentile of the surface above the bare ground of its time; dz_m: the
    median of after minus before.
    """
    height, width = after.dsm.shape
    drawn = shapely.box(transform.c, transform.f + height * transform.e, transform.c + width * transform.a, transform.f)
    rows = [
        {
            **_attributes(house),
            "base_m": house.base_m(plan.terrain) + lift_m,
            **_measured(shape, after, before, transform),
            "geometry": shape,
        }
        for house in plan.houses
        for shape in (translate(house.polygon, *centre),)
        if drawn.contains(shape)
    ]
    return gpd.GeoDataFrame(rows, crs=crs) if rows else gpd.GeoDataFrame({"id": []}, geometry=[], crs=crs)


def _attributes(house: House) -> dict[str, object]:
    return {
        "id": house.number,
        "grade": house.damage.grade,
        "kind": house.damage.kind,
        "floors": house.floors,
        "roof": house.roof,
        "material": house.material,
        "wall_rgb": "#{:02x}{:02x}{:02x}".format(*house.wall_rgb),
        "angle_deg": float(np.degrees(house.angle_rad)),
        "eaves_m": house.wall_m,
    }


def _measured(shape: shapely.Polygon, after: Tile, before: Tile, transform: Affine) -> dict[str, float]:
    rows, cols = after.dsm.shape
    west, south, east, north = shape.bounds
    c0, c1 = (int(rounded((x - transform.c) / transform.a)) for rounded, x in ((np.floor, west), (np.ceil, east)))
    r0, r1 = (int(rounded((y - transform.f) / transform.e)) for rounded, y in ((np.floor, north), (np.ceil, south)))
    r0, c0, r1, c1 = max(r0, 0), max(c0, 0), min(r1, rows), min(c1, cols)
    part = (slice(r0, r1), slice(c0, c1))
    grid = transform
    local = Affine(grid.a, 0, grid.c + c0 * grid.a, 0, grid.e, grid.f + r0 * grid.e)
    inside = geometry_mask([shape], (r1 - r0, c1 - c0), local, invert=True)
    ground, old_ground = after.dtm[part][inside], before.dtm[part][inside]
    now, then = after.dsm[part][inside], before.dsm[part][inside]
    return {
        "roof_damage_frac": float(after.lost[part][inside].mean()),
        "height_m": float(np.quantile(now - ground, 0.9)),
        "pre_height_m": float(np.quantile(then - old_ground, 0.9)),
        "dz_m": float(np.median(now - then)),
    }


def other_layers(
    plan: Plan, bounds: Bounds, centre: NDArray[np.float64], crs: pyproj.CRS
) -> dict[str, gpd.GeoDataFrame]:
    """`roads` (centre lines), `water` and `fields` (polygons) and `trees` (points), cut to the bounds."""
    box = shapely.box(*bounds)
    tables = {
        "roads": [{"surface": road.surface, "width_m": road.width_m, "geometry": road.line} for road in plan.roads],
        "water": [{"kind": "stream", "width_m": stream.width_m, "geometry": stream.polygon} for stream in plan.streams],
        "trees": [
            {
                "radius_m": tree.radius_m,
                "height_m": tree.height_m,
                "fallen": tree.fallen_deg is not None,
                "geometry": tree.point,
            }
            for tree in plan.trees
        ],
        "fields": [{"kind": item.kind, "geometry": item.polygon} for item in plan.fields],
    }
    layers = {}
    for name, rows in tables.items():
        cut = [
            {**row, "geometry": translate(row["geometry"].intersection(box), *centre)}
            for row in rows
            if row["geometry"].intersects(box)
        ]
        layers[name] = gpd.GeoDataFrame(cut, crs=crs) if cut else gpd.GeoDataFrame({"kind": []}, geometry=[], crs=crs)
    return layers
