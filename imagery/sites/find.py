"""From a surface to ranked, laid out and checked tent sites."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray

from imagery.core.errors import NotEnoughDataError
from imagery.core.progress import SILENT, Progress
from imagery.sites.access import Access, find_access
from imagery.sites.layout import lay_out
from imagery.sites.rules import Rule, check
from imagery.sites.score import Factor, Scorer, choose_sites, total_score
from imagery.sites.settlement import Layout
from imagery.sites.standards import Standards, load_standards
from imagery.sites.suitability import Layers, Reason, Suitability, assess, read_ground, read_layers

__all__ = ["Rejected", "Site", "SitesResult", "find_sites", "place_sites"]

MOST_SITES = 12
MOST_REGIONS = 60
ENOUGH = 3
DIRECTED_SLOPE_PCT = 1.0  # from this mean slope the rows follow the contour


@dataclass(frozen=True, slots=True)
class Site:
    """One laid out site.

    Attributes: number: 1 for the best; shape: in the result's CRS; score: sum of weight x factor; chosen: one of those that
    house the people asked for.
    """

    number: int
    shape: shapely.Polygon
    layout: Layout
    access: Access
    score: float
    factors: list[Factor]
    rules: list[Rule]
    chosen: bool = False

    @property
    def persons(self) -> int:
        """Persons that it houses."""
        return self.layout.persons

    @property
    def broken(self) -> list[Rule]:
        """The rules that it breaks."""
        return [rule for rule in self.rules if rule.verdict == "fail"]


@dataclass(frozen=True, slots=True)
class Rejected:
    """Ground that looked usable and is no site."""

    area_m2: float
    east_m: float
    north_m: float
    why: str


@dataclass(frozen=True, slots=True)
class SitesResult:
    """Attributes: sites: best first; rejected; ground; standards; people: asked for, or None; unhoused: how many of them the
    sites cannot house."""

    sites: list[Site]
    rejected: list[Rejected]
    ground: Suitability
    standards: Standards
    people: int | None
    unhoused: int | None

    @property
    def persons(self) -> int:
        """Persons that all sites together house."""
        return sum(site.persons for site in self.sites)

    @property
    def excluded_m2(self) -> dict[str, float]:
        """Area by reason of exclusion, and the usable area."""
        counts = np.bincount(self.ground.reason.ravel(), minlength=len(Reason))
        return {code.label: float(counts[code]) * self.ground.grid.cell_area_m2 for code in Reason if counts[code]}


def find_sites(
    dsm: str | Path,
    ortho: str | Path | None = None,
    dtm: str | Path | None = None,
    *,
    roads: str | Path | None = None,
    water: str | Path | None = None,
    avoid: str | Path | None = None,
    damage: str | Path | None = None,
    site: str | Path | None = None,
    people: int | None = None,
    profile: str = "standard",
    standards: str | Path | None = None,
    out: str | Path,
    picture: bool = True,
    progress: Progress = SILENT,
) -> SitesResult:
    """Find tent sites, lay them out, check them, and write `out` (GeoPackage), rules.json and a picture beside it.

    Args:
        dsm, ortho, dtm: rasters; the bare ground is derived from the surface if no terrain model is given.
        roads, water, avoid, damage: GIS files; site: hand-drawn sites to use instead of searching.
        people: how many to house. profile: minimum, standard, fire, cold or services-outside. standards: a TOML file of
            values to use instead of the shipped ones.

    Raises:
        NotEnoughDataError: nowhere a tent may stand, saying which rule excluded how much.
    """
    from imagery.sites.output import write_sites

    rulebook = load_standards(profile, standards)
    ground = read_ground(dsm, ortho, dtm, progress=progress)
    layers = read_layers(ground.grid, roads=roads, water=water, avoid=avoid, damage=damage, site=site)
    result = place_sites(assess(ground, layers, rulebook, progress), layers, rulebook, people, progress)
    if not result.sites:
        raise NotEnoughDataError(no_site_message(result))
    write_sites(result, out, ground.rgb, picture, progress)
    return result


def place_sites(
    ground: Suitability,
    layers: Layers,
    standards: Standards,
    people: int | None = None,
    progress: Progress = SILENT,
) -> SitesResult:
    """Lay out the candidate sites of assessed ground and rank them."""
    regions = _drawn(ground, layers) if layers.site is not None else _found(ground, standards)
    shapes = [part for region in regions[:MOST_REGIONS] for part in _settlements(region, standards)][:MOST_REGIONS]
    scorer = Scorer(ground, standards, people)
    table = [scorer.factors(shape) for shape in shapes]
    order = sorted(range(len(shapes)), key=lambda k: -total_score(table[k]))
    if layers.site is None:
        order = order[:MOST_SITES]
    sites: list[Site] = []
    rejected: list[Rejected] = []
    enough = ENOUGH * (people or standards["max_site_persons"])  # alternatives to compare, not every field in sight
    with progress.stage("layout", len(order), "sites") as advance:
        for k in order:
            if layers.site is None and sum(site.persons for site in sites) >= enough:
                break
            placed = _place(shapes[k], ground, standards)
            if isinstance(placed, str):
                centre = shapes[k].centroid
                rejected.append(Rejected(shapes[k].area, centre.x, centre.y, placed))
            else:
                layout, access, rules = placed
                sites.append(Site(len(sites) + 1, shapes[k], layout, access, total_score(table[k]), table[k], rules))
            advance(1)
    unhoused = None
    if people is not None:
        chosen, unhoused = choose_sites([site.persons for site in sites], [site.score for site in sites], people)
        sites = [replace(site, chosen=index in chosen) for index, site in enumerate(sites)]
    return SitesResult(sites, rejected, ground, standards, people, unhoused)


def _place(
    shape: shapely.Polygon, ground: Suitability, standards: Standards
) -> tuple[Layout, Access, list[Rule]] | str:
    """Lay out one site by all rules, with fewer tents where needed; or why that is impossible, in words."""
    persons = min(math.floor(shape.area / standards["area_per_person_m2"] + 1e-9), standards["max_site_persons"])
    size = (standards["tent_fly_width_m"], standards["tent_fly_length_m"])

    def stands_well(centres: NDArray[np.float64], angle_deg: float) -> NDArray[np.bool_]:
        return ground.slope_under(centres, angle_deg, size) <= standards["max_slope_pct"]

    layout = lay_out(shape, int(persons // 5), standards, _contour_deg(shape, ground), stands_well)
    if layout is None:
        return "no tent with its latrine, tap and truck road fits"
    access = find_access(ground, shape, layout.gates, standards)
    if access is None:
        return f"no truck road of at most {standards['road_max_grade_pct']:g} % reaches it"
    layout = layout.clear_of([line for line in (access.gate, access.line) if line is not None], standards)
    if len(layout.tents) == 0:
        return "no tent stands clear of the road to it"
    rules = check(shape, layout, access, ground, standards)
    broken = [rule for rule in rules if rule.verdict == "fail"]
    if broken:
        return "; ".join(f"{rule.text}: {rule.measured:.2f} {rule.unit} against {rule.limit:g}" for rule in broken)
    return layout, access, rules


def _contour_deg(shape: shapely.Polygon, ground: Suitability) -> float | None:
    """Direction of the contour lines over a site, anticlockwise from east; None where it is nearly level."""
    cells = ground.grid.burn([shape])
    east, north = float(ground.east_slope[cells].mean()), float(ground.north_slope[cells].mean())
    if 100 * math.hypot(east, north) < DIRECTED_SLOPE_PCT:
        return None
    return math.degrees(math.atan2(north, east)) + 90.0


def _drawn(ground: Suitability, layers: Layers) -> list[shapely.Polygon]:
    """The hand-drawn sites without what is excluded in them, largest part first."""
    assert layers.site is not None
    excluded = (ground.reason != Reason.USABLE) & (ground.reason != Reason.OUTSIDE_SITE)
    shapes = []
    for drawn in layers.site.geometry:
        holes = [shape for shape, _ in ground.grid.polygons(ground.reason, excluded) if shape.intersects(drawn)]
        frame = shapely.box(
            ground.grid.west_m,
            ground.grid.north_m - ground.grid.height * ground.grid.cell_m,
            ground.grid.west_m + ground.grid.width * ground.grid.cell_m,
            ground.grid.north_m,
        )
        left = shapely.difference(shapely.intersection(drawn, frame), shapely.union_all(holes))
        shapes += [part for part in shapely.get_parts(left) if part.geom_type == "Polygon" and part.area >= 225.0]
    return sorted(shapes, key=lambda shape: -shape.area)


def _found(ground: Suitability, standards: Standards) -> list[shapely.Polygon]:
    """The usable regions, with outlines smoothed inwards by half a cell; largest first."""
    usable = ground.reason == Reason.USABLE
    step = 0.5 * ground.grid.cell_m
    shapes = []
    for region, _ in ground.grid.polygons(usable.astype(np.uint8), usable):
        smooth = region.buffer(-step, join_style="mitre").simplify(step)
        shapes += [part for part in shapely.get_parts(smooth) if part.area >= 0.9 * standards["min_site_area_m2"]]
    return sorted(shapes, key=lambda shape: -shape.area)


def _settlements(region: shapely.Polygon, standards: Standards) -> list[shapely.Polygon]:
    """A region in square parts that each hold at most the persons of one settlement; itself if it is small enough."""
    most = standards["max_site_persons"] * standards["area_per_person_m2"] * 1.02
    if region.area <= most:
        return [region]
    side = math.sqrt(most)
    u0, v0, u1, v1 = region.bounds
    u, v = (grid.ravel() for grid in np.meshgrid(np.arange(u0, u1, side), np.arange(v0, v1, side)))
    shapely.prepare(region)
    parts = shapely.get_parts(shapely.intersection(region, shapely.box(u, v, u + side, v + side)))
    large = [part for part in parts if part.geom_type == "Polygon" and part.area >= 0.1 * most]
    return sorted(large, key=lambda part: -part.area)


def no_site_message(result: SitesResult) -> str:
    """Which rule excluded how much."""
    areas = result.excluded_m2
    total = sum(area for name, area in areas.items() if name not in ("outside_site", "no_data"))
    worst = sorted(
        ((area, name) for name, area in areas.items() if name not in ("usable", "outside_site", "no_data")),
        reverse=True,
    )
    if not total:
        return "no tent site: the surface has no data there"
    shares = ", ".join(f"{name.replace('_', ' ')} {100 * area / total:.0f} %" for area, name in worst[:4])
    message = f"no tent site in {total / 1e4:.2f} ha; excluded: {shares or 'nothing'}"
    return message + "".join(f"; {_described(rejected)}" for rejected in result.rejected[:2])


def _described(rejected: Rejected) -> str:
    return f"{rejected.area_m2 / 1e4:.2f} ha at {rejected.east_m:.0f} {rejected.north_m:.0f}: {rejected.why}"
