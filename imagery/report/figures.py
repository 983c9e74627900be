"""The report's maps: damage, tent sites, one site's layout, and the survey."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pyproj
import rasterio
import shapely
from numpy.typing import NDArray

from imagery.core.frame import utm_crs
from imagery.core.grades import GRADE_COLOURS
from imagery.report.maps import Map, Style
from imagery.report.source import Source

__all__ = [
    "CELL_M",
    "Figure",
    "Key",
    "coarse_cells",
    "damage_figure",
    "plan_figure",
    "site_figure",
    "sites_figure",
    "working_crs",
]

CELL_M = 100.0

SHARE_NAMES = ("none", "up to a quarter", "up to a half", "more than half")
SHARES = dict(zip(SHARE_NAMES, GRADE_COLOURS.values(), strict=False))
LAYOUT = {
    "firebreak": Style("#d9d9d9", "#737373", 0.5, 0.55, dashed=True),
    "road": Style(edge="#4d4d4d", width=3.0),
    "path": Style(edge="#a07a3a", width=1.8),
    "facility": Style("#9e7bb5", "#4a2c63", 0.6, 0.9),
    "tent": Style("#ffffff", "#1f4e79", 0.5, 0.95),
    "latrine": Style("#8c5a2b", "#3d2610", 0.6),
    "water_point": Style("#1f9ed9", "#0b3c5d", 0.6),
    "lamp": Style("#ffd400", "#7a6500", 0.4, size=12.0),
}
LAYOUT_NAMES = {
    "firebreak": "Firebreak",
    "road": "Road",
    "path": "Path",
    "facility": "Facility",
    "tent": "Tent",
    "latrine": "Latrine",
    "water_point": "Water point",
    "lamp": "Lamp",
}


@dataclass(frozen=True, slots=True)
class Key:
    """An entry of a legend: its name and colours, whether it is a line, a dot or an area, how many there are, its opacity."""

    name: str
    fill: str
    edge: str
    form: str = "area"
    count: int | None = None
    opacity: float = 1.0


@dataclass(frozen=True, slots=True)
class Figure:
    """A map for the page: a picture as JPEG, its legend and size."""

    jpeg: bytes
    keys: list[Key]
    width_px: int
    height_px: int

    @property
    def uri(self) -> str:
        """The picture as a `data:` URI."""
        return "data:image/jpeg;base64," + base64.b64encode(self.jpeg).decode("ascii")


def working_crs(source: Source) -> pyproj.CRS:
    """The metric system in which maps are drawn: the orthomosaic's, else the sites', else the UTM zone."""
    if source.ortho:
        with rasterio.open(source.ortho) as dataset:
            if dataset.crs.is_projected:
                return pyproj.CRS.from_user_input(dataset.crs.to_wkt())
    for layer in (source.sites or {}).values():
        if layer.crs is not None and pyproj.CRS(layer.crs).is_projected:
            return pyproj.CRS(layer.crs)
    if source.buildings is not None and len(source.buildings):
        west, south, east, north = source.buildings.to_crs("EPSG:4326").total_bounds
        return utm_crs((west + east) / 2, (south + north) / 2)
    if source.features:
        west, south, east, north = shapely.total_bounds([feature.geometry for feature in source.features])
        return utm_crs((west + east) / 2, (south + north) / 2)
    if source.photos:
        return utm_crs(source.photos[0].lon, source.photos[0].lat)
    return pyproj.CRS.from_epsg(3857)


def damage_figure(source: Source, crs: pyproj.CRS, coarsen: bool) -> Figure | None:
    """Buildings by grade on the orthomosaic, or the share of damaged ones in 100 m cells."""
    if source.buildings is None or not len(source.buildings):
        return None
    buildings = source.buildings.to_crs(crs)
    if coarsen:
        return _cells_figure(coarse_cells(buildings))
    page = Map(crs, tuple(buildings.total_bounds))
    if source.ortho:
        page.image(source.ortho, pale=0.25)
    keys = []
    for grade, colour in GRADE_COLOURS.items():
        chosen = buildings.geometry[buildings["damage_gra"] == grade]
        page.shapes(chosen, Style(colour, "#222222", 0.4, 0.85))
        keys.append(Key(grade, colour, "#222222", count=len(chosen)))
    return Figure(page.to_jpeg(), keys, page.width_px, page.height_px)


def coarse_cells(buildings: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Cells of 100 m with the numbers of buildings and of damaged or destroyed ones, instead of the buildings themselves."""
    centres = buildings.geometry.representative_point()
    column, row = np.floor(centres.x / CELL_M).astype(int), np.floor(centres.y / CELL_M).astype(int)
    damaged = buildings["damage_gra"].isin(["Damaged", "Destroyed"])
    counts = damaged.groupby([column, row]).agg(["size", "sum"]).reset_index(names=["column", "row"])
    x, y = counts["column"] * CELL_M, counts["row"] * CELL_M
    cells = shapely.box(x, y, x + CELL_M, y + CELL_M)
    return gpd.GeoDataFrame(
        {"buildings": counts["size"], "damaged": counts["sum"].astype(int)}, geometry=cells, crs=buildings.crs
    )


def _cells_figure(cells: gpd.GeoDataFrame) -> Figure:
    page = Map(pyproj.CRS(cells.crs), tuple(cells.total_bounds))
    share = cells["damaged"] / cells["buildings"]
    index = np.searchsorted([0.0, 0.25, 0.5], share, side="left")
    keys = []
    for k, (name, colour) in enumerate(SHARES.items()):
        chosen = cells.geometry[index == k]
        page.shapes(chosen, Style(colour, "#ffffff", 0.8))
        keys.append(Key(name, colour, "#ffffff", count=len(chosen)))
    return Figure(page.to_jpeg(), keys, page.width_px, page.height_px)


def sites_figure(source: Source, crs: pyproj.CRS, coarsen: bool) -> Figure | None:
    """Every proposed site, numbered, with the damaged buildings around."""
    sites = _layer(source, "site", crs)
    if sites is None or not len(sites):
        return None
    buildings = None if source.buildings is None or coarsen else source.buildings.to_crs(crs)
    everything = [sites.total_bounds] + ([buildings.total_bounds] if buildings is not None and len(buildings) else [])
    low, high = np.min(everything, axis=0), np.max(everything, axis=0)
    page = Map(crs, (low[0], low[1], high[2], high[3]))
    if source.ortho and not coarsen:
        page.image(source.ortho)
    keys = [Key("Tent site", "#7ee081", "#0b6623", count=len(sites), opacity=0.6)]
    if buildings is not None:
        for grade in ("Damaged", "Destroyed"):
            chosen = buildings.geometry[buildings["damage_gra"] == grade]
            page.shapes(chosen, Style(GRADE_COLOURS[grade], "#222222", 0.3, 0.8))
            keys.append(Key(grade, GRADE_COLOURS[grade], "#222222", count=len(chosen)))
    page.shapes(sites.geometry, Style("#7ee081", "#0b6623", 1.6, 0.45))
    for number, shape in zip(sites["site_id"], sites.geometry, strict=True):
        point = shape.representative_point()
        page.label(point.x, point.y, str(number))
    return Figure(page.to_jpeg(), keys, page.width_px, page.height_px)


def site_figure(source: Source, crs: pyproj.CRS, site_id: int, coarsen: bool) -> Figure:
    """One site's layout."""
    sites = _layer(source, "site", crs)
    assert sites is not None
    site = sites[sites["site_id"] == site_id]
    page = Map(crs, tuple(site.total_bounds), width_px=1200, margin=0.06)
    if source.ortho and not coarsen:
        page.image(source.ortho, pale=0.35)
    page.shapes(site.geometry, Style("#7ee081", "#0b6623", 1.8, 0.25))
    keys = [Key("Tent site", "#7ee081", "#0b6623", opacity=0.5)]
    for name, style in LAYOUT.items():
        layer = _layer(source, name, crs)
        chosen = layer[layer["site_id"] == site_id] if layer is not None and "site_id" in layer else None
        if chosen is None or not len(chosen):
            continue
        page.shapes(chosen.geometry, style)
        form = {"Point": "dot", "LineString": "line"}.get(chosen.geom_type.iloc[0], "area")
        keys.append(Key(LAYOUT_NAMES[name], style.fill, style.edge, form, len(chosen)))
    return Figure(page.to_jpeg(), keys, page.width_px, page.height_px)


def plan_figure(source: Source, crs: pyproj.CRS, coarsen: bool) -> Figure | None:
    """The survey: area, zones not to fly over, paths, and where photos were planned and taken."""
    if not source.features and not source.photos:
        return None
    transform = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform

    def to_metres(degrees: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(transform(degrees[:, 0], degrees[:, 1]))

    kinds = {
        kind: [shapely.transform(f.geometry, to_metres) for f in source.features if f.kind == kind]
        for kind in ("area", "no_fly", "flight", "photo", "home")
    }
    taken = [shapely.Point(transform(record.lon, record.lat)) for record in source.photos]
    page = Map(crs, tuple(shapely.total_bounds([shape for shapes in kinds.values() for shape in shapes] + taken)))
    if source.ortho and not coarsen:
        page.image(source.ortho, pale=0.4)
    drawn: Sequence[tuple[str, list[shapely.Geometry], Style, str]] = (
        ("Survey area", kinds["area"], Style("#2b6cb0", "#1a4971", 1.6, 0.12), "area"),
        ("Not flown over", kinds["no_fly"], Style("#c53030", "#7b1e1e", 1.2, 0.35), "area"),
        ("Flight path", kinds["flight"], Style(edge="#1a4971", width=0.9), "line"),
        ("Planned photo", [] if taken else kinds["photo"], Style("#f6ad55", "#7b341e", 0.3, size=13.0), "dot"),
        ("Photo taken", taken, Style("#38a169", "#1c4532", 0.3, size=13.0), "dot"),
        ("Take-off and landing", kinds["home"], Style("#111111", "#ffffff", 1.0, size=45.0), "dot"),
    )
    keys = []
    for name, shapes, style, form in drawn:
        if shapes:
            page.shapes(shapes, style)
            count = None if name == "Flight path" else len(shapes)
            keys.append(Key(name, style.fill, style.edge, form, count, max(style.opacity, 0.2)))
    return Figure(page.to_jpeg(), keys, page.width_px, page.height_px)


def _layer(source: Source, name: str, crs: pyproj.CRS) -> gpd.GeoDataFrame | None:
    layer = (source.sites or {}).get(name)
    return layer.to_crs(crs) if layer is not None and layer.crs is not None else layer
