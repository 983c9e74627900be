"""Check a finished layout rule by rule, from its geometry alone: limit, measured value, verdict and the worst offender."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, maximum_flow

from imagery.sites.access import Access, grades
from imagery.sites.facilities import facility_counts, refuse_litres
from imagery.sites.settlement import Layout, pegging_zones
from imagery.sites.standards import Standards
from imagery.sites.suitability import Reason, Suitability

__all__ = ["Rule", "check"]

TOLERANCE = 1e-6
TOUCH_M = 0.01


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule and how the layout stands to it.

    Attributes: comparison: ">=", "<=" or "=="; measured: the worst value found, None where unknown; verdict: pass, fail or
    unknown; worst: which feature is worst, in words; note: what else to know.
    """

    id: str
    text: str
    comparison: str
    limit: float
    unit: str
    source: str
    verified: bool
    measured: float | None
    verdict: str
    worst: str = ""
    note: str = ""


def check(
    site: shapely.Polygon, layout: Layout, access: Access, ground: Suitability, standards: Standards
) -> list[Rule]:
    """All rules for one site; distances in metres in the ground's CRS."""
    subject = _Subject(site, layout, access, ground, standards)
    return [
        *_space(subject),
        *_ground(subject),
        *_spacing(subject),
        *_fire(subject),
        *_sanitation(subject),
        *_water(subject),
        *_roads(subject),
        *_surroundings(subject),
        *_comfort(subject),
    ]


@dataclass(frozen=True, slots=True)
class _Subject:
    site: shapely.Polygon
    layout: Layout
    access: Access
    ground: Suitability
    standards: Standards

    @property
    def roads(self) -> list[shapely.LineString]:
        """The site's truck roads with the gate and the way to the outside road."""
        outside = [line for line in (self.access.gate, self.access.line) if line is not None]
        return [*self.layout.roads, *outside]

    def rule(
        self, id_: str, text: str, comparison: str, standard: str | float, measured: float | None, worst: str = "",
        note: str = "", unit: str = "",
    ) -> Rule:  # fmt: skip
        """The verdict on a measured value; the limit is a standard's name or a plain number of this design."""
        if isinstance(standard, str):
            entry = self.standards.of(standard)
            limit, unit, source, verified = entry.value, unit or entry.unit, entry.source, entry.verified
        else:
            limit, source, verified = standard, "Follows from the layout's geometry", True
        if measured is None or math.isnan(measured):
            verdict, measured = "unknown", None
        else:
            fine = {
                ">=": measured >= limit - TOLERANCE,
                "<=": measured <= limit + TOLERANCE,
                "==": abs(measured - limit) <= TOLERANCE,
            }[comparison]
            verdict = "pass" if fine else "fail"
        return Rule(id_, text, comparison, limit, unit, source, verified, measured, verdict, worst, note)


def _at(shape: shapely.Geometry) -> str:
    point = shape.centroid
    return f"{point.x:.1f} {point.y:.1f}"


def _space(s: _Subject) -> Iterator[Rule]:
    persons, tents = s.layout.persons, len(s.layout.tents)
    per_person = s.site.area / persons if persons else math.nan
    yield s.rule("area_per_person", "Site area for each person", ">=", "area_per_person_m2", per_person)
    floor = s.standards["tent_covered_m2"] * tents / persons if persons else math.nan
    yield s.rule("floor_per_person", "Covered floor for each person", ">=", "floor_per_person_m2", floor)
    yield s.rule("site_persons", "Persons on one site", "<=", "max_site_persons", persons)
    outside = shapely.difference(s.layout.tents, s.site)
    areas = shapely.area(outside)
    worst = int(np.argmax(areas)) if len(areas) else 0
    yield s.rule(
        "tents_inside", "Area of tents outside the site", "<=", 0.0, float(areas.max(initial=0)), f"tent {worst + 1}",
        unit="m2",
    )  # fmt: skip


def _ground(s: _Subject) -> Iterator[Rule]:
    grid, cells = s.ground.grid, _cells(s)
    bad = (s.ground.reason[cells] != Reason.USABLE) & (s.ground.reason[cells] != Reason.NARROW)
    bad &= s.ground.reason[cells] != Reason.TOO_SMALL
    yield s.rule(
        "usable", "Excluded ground inside the site", "<=", 0.0, float(bad.sum() * grid.cell_area_m2), unit="m2"
    )
    centres = shapely.get_coordinates(shapely.centroid(s.layout.tents))
    size = (s.standards["tent_fly_width_m"], s.standards["tent_fly_length_m"])
    slopes = s.ground.slope_under(centres, s.layout.angle_deg, size)
    worst = int(np.argmax(slopes))
    yield s.rule("tent_slope", "Slope under a tent", "<=", "max_slope_pct", slopes[worst], f"tent {worst + 1}")
    mean = float(s.ground.slope_pct[cells].mean()) if cells.any() else math.nan
    flat = mean < s.standards["drainage_works_slope_pct"]
    yield s.rule(
        "site_slope", "Mean slope of the site", "<=", "max_slope_pct", mean,
        note="drainage works needed: under 1 % water stands" if flat else "",
    )  # fmt: skip
    rough = float(s.ground.roughness_m[cells].max()) if cells.any() else math.nan
    yield s.rule("roughness", "Roughness of the ground", "<=", "max_roughness_m", rough)
    yield Rule(
        "water_table", "Site above the rainy season's water table", ">=", 3.0, "m", "UNHCR Emergency Handbook", True,
        None, "unknown", note="ask locally; nothing in a survey shows it",
    )  # fmt: skip


def _cells(s: _Subject) -> NDArray[np.bool_]:
    """The cells whose centres lie in the site."""
    cells = s.ground.grid.burn([s.site.buffer(-0.71 * s.ground.grid.cell_m)])
    return cells if cells.any() else s.ground.grid.burn([s.site.representative_point()])


def _spacing(s: _Subject) -> Iterator[Rule]:
    tents = s.layout.tents
    gap, pair = _least_gap(tents, s.standards["tent_gap_m"] + 10)
    yield s.rule("tent_gap", "Gap between tents, fly to fly", ">=", "tent_gap_m", gap, pair)
    ways = _surfaces(s)
    solid = np.array(
        [*tents, *s.layout.latrines, *s.layout.stands, *(place.shape for place in s.layout.facilities)], object
    )
    overlaps = (
        _overlaps(solid, solid, same=True)
        + _overlaps(solid, ways)
        + _overlaps(np.array(s.layout.firebreaks, object), ways)
    )
    overlaps += _overlaps(np.array(s.layout.firebreaks, object), solid)
    yield s.rule("no_overlap", "Features that overlap another", "<=", 0.0, float(overlaps), unit="pairs")
    pegged = pegging_zones(tents, s.standards)
    yield s.rule(
        "pegging_clear",
        "Pegging zones that reach a road or path",
        "<=",
        0.0,
        float(_overlaps(pegged, ways)),
        unit="zones",
    )


def _surfaces(s: _Subject) -> NDArray[np.object_]:
    """Roads and paths with their widths."""
    roads = shapely.buffer(np.array(s.roads, object), s.standards["road_width_m"] / 2, cap_style="flat")
    paths = shapely.buffer(np.array(s.layout.paths, object), s.standards["path_width_m"] / 2, cap_style="flat")
    return np.concatenate([np.atleast_1d(roads), np.atleast_1d(paths)])


def _least_gap(shapes: NDArray[np.object_], within_m: float) -> tuple[float, str]:
    if len(shapes) < 2:
        return math.nan if len(shapes) == 0 else within_m, ""
    a, b = shapely.STRtree(shapes).query(shapes, "dwithin", within_m)
    apart = a < b
    a, b = a[apart], b[apart]
    if len(a) == 0:
        return within_m, ""
    distance = shapely.distance(shapes[a], shapes[b])
    worst = int(np.argmin(distance))
    return float(distance[worst]), f"tents {a[worst] + 1} and {b[worst] + 1}"


def _overlaps(a: NDArray[np.object_], b: NDArray[np.object_], same: bool = False) -> int:
    """Pairs that share more ground than rounding explains."""
    if len(a) == 0 or len(b) == 0:
        return 0
    i, j = shapely.STRtree(b).query(a, "intersects")
    if same:
        i, j = i[i < j], j[i < j]
    return int((shapely.area(shapely.intersection(a[i], b[j])) > 1e-4).sum()) if len(i) else 0


def _fire(s: _Subject) -> Iterator[Rule]:
    margin = s.standards["firebreak_width_m"] / 2
    merged = shapely.get_parts(shapely.union_all(shapely.buffer(s.layout.tents, margin, quad_segs=8)))
    lengths = [_diameter(part) for part in merged]
    worst = int(np.argmax(lengths)) if lengths else 0
    yield s.rule(
        "built_up_length", "Longest built-up area without a firebreak, with 15 m around its tents", "<=",
        "built_up_length_m", max(lengths, default=0.0), _at(merged[worst]) if lengths else "",
    )  # fmt: skip


def _diameter(shape: shapely.Geometry) -> float:
    points = shapely.get_coordinates(shapely.convex_hull(shape))
    return float(max(np.hypot(*(points - point).T).max() for point in points))


def _sanitation(s: _Subject) -> Iterator[Rule]:
    tents, latrines = s.layout.tents, s.layout.latrines
    if len(latrines) == 0 or len(tents) == 0:
        yield s.rule("latrine_reach", "Tent to its latrine", "<=", "latrine_max_m", math.inf)
        return
    own = shapely.distance(tents, latrines[s.layout.latrine_of])
    worst = int(np.argmax(own))
    yield s.rule("latrine_reach", "Tent to its latrine", "<=", "latrine_max_m", own[worst], f"tent {worst + 1}")
    near = shapely.STRtree(latrines).query_nearest(tents, return_distance=True, all_matches=False)[1]
    worst = int(np.argmin(near))
    yield s.rule("latrine_gap", "Tent to the nearest latrine", ">=", "latrine_min_m", near[worst], f"tent {worst + 1}")
    load = 5 * np.bincount(s.layout.latrine_of, minlength=len(latrines))
    blocks = s.standards["latrines_per_block"]
    for name, when in (("persons_per_latrine_now", "now"), ("persons_per_latrine_later", "later")):
        worst = int(np.argmax(load))
        yield s.rule(
            f"latrine_persons_{when}", f"Persons for each latrine cabin ({when})", "<=", name, load[worst] / blocks,
            f"latrine {worst + 1}",
        )  # fmt: skip
    capacity = int(blocks * s.standards["persons_per_latrine_later"] // 5)
    served = _flow(tents, latrines, s.standards["latrine_max_m"], capacity)
    yield s.rule(
        "latrine_capacity", "Tents that the latrines in reach can serve together", ">=", float(len(tents)), served,
        unit="tents",
    )  # fmt: skip
    well, _ = _nearest(latrines, s.layout.stands)
    yield s.rule("latrine_well", "Latrine to the nearest water point", ">=", "latrine_well_m", well)


def _flow(tents: NDArray[np.object_], latrines: NDArray[np.object_], reach_m: float, capacity: int) -> float:
    i, j = shapely.STRtree(latrines).query(tents, "dwithin", reach_m)
    n, m = len(tents), len(latrines)
    tails = np.concatenate([i, np.full(n, n + m), n + np.arange(m)])
    heads = np.concatenate([n + j, np.arange(n), np.full(m, n + m + 1)])
    sizes = np.concatenate([np.ones(len(i) + n, np.int32), np.full(m, capacity, np.int32)])
    graph = coo_array((sizes, (tails, heads)), shape=(n + m + 2, n + m + 2)).tocsr()
    return float(maximum_flow(graph, n + m, n + m + 1).flow_value)


def _nearest(a: NDArray[np.object_], b: NDArray[np.object_]) -> tuple[float, int]:
    if len(a) == 0 or len(b) == 0:
        return math.nan, 0
    distance = shapely.STRtree(b).query_nearest(a, return_distance=True, all_matches=False)[1]
    return float(distance.min()), int(np.argmin(distance))


def _water(s: _Subject) -> Iterator[Rule]:
    walk = s.layout.walk_m
    worst = int(np.argmax(walk))
    far = int((walk > s.standards["water_walk_target_m"]).sum())
    yield s.rule(
        "water_walk", "Walk to a water point along roads and paths", "<=", "water_walk_max_m", walk[worst],
        f"tent {worst + 1}", f"{far} tents beyond the target of {s.standards['water_walk_target_m']:.0f} m" if far else "",
    )  # fmt: skip
    load = 5 * np.bincount(s.layout.stand_of, minlength=len(s.layout.stands))
    taps = np.ceil(load / s.standards["persons_per_tap"]).clip(1)
    worst = int(np.argmax(load / taps))
    yield s.rule(
        "tap_persons", "Persons for each tap", "<=", "persons_per_tap", load[worst] / taps[worst],
        f"water point {worst + 1}",
    )  # fmt: skip
    yield s.rule(
        "taps_per_stand", "Taps on one stand", "<=", "taps_per_stand", float(taps.max(initial=0)),
        f"water point {int(np.argmax(taps)) + 1}",
    )  # fmt: skip


def _roads(s: _Subject) -> Iterator[Rule]:
    roads = np.array(s.roads, object)
    distance = shapely.STRtree(roads).query_nearest(s.layout.tents, return_distance=True, all_matches=False)[1]
    worst = int(np.argmax(distance))
    yield s.rule("tent_to_road", "Tent to a truck road", "<=", "tent_to_road_m", distance[worst], f"tent {worst + 1}")
    a, b = shapely.STRtree(roads).query(roads, "dwithin", TOUCH_M)
    graph = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(len(roads), len(roads)))
    parts = connected_components(graph, directed=False)[0]
    yield s.rule("roads_connected", "Separate parts of the road network", "<=", 1.0, float(parts), unit="parts")
    steep = [float(grades(s.ground, road).max()) for road in roads]
    worst = int(np.argmax(steep))
    yield s.rule("road_grade", "Grade of a truck road", "<=", "road_max_grade_pct", steep[worst], f"road {worst + 1}")
    yield s.rule(
        "turning_radius", "Turning radius of a truck road", ">=", "road_turning_radius_m", None,
        note="lines are drawn with corners: set the curves out on the ground",
    )  # fmt: skip
    joined = {"joined": 1.0, "unknown": math.nan}[s.access.status]
    yield s.rule(
        "access", "The road network is joined to the outside road", "==", 1.0, joined, unit="yes",
        note=_access_note(s),
    )  # fmt: skip


def _access_note(s: _Subject) -> str:
    if s.access.status != "joined":
        return "no road is known: the truck road ends at the site's edge"
    return "" if s.ground.known["roads"] == "given" else "the outside road was found in the imagery: check it"


def _surroundings(s: _Subject) -> Iterator[Rule]:
    """Distances of the tents' cells from what they must keep away from."""
    rules = (
        ("water_buffer", "Tent to surface water", "water_buffer_m", s.ground.water, s.ground.known["water"]),
        ("through_road", "Tent to a through road", "through_road_distance_m", s.ground.road, s.ground.known["roads"]),
        ("debris", "Tent to a damaged building", "debris_min_m", s.ground.damaged, s.ground.known["damage"]),
    )
    for id_, text, standard, mask, known in rules:
        found = _distance_to(s, mask)
        note = f"{known}" if known != "given" else ""
        if id_ == "debris" and known == "unknown":
            note = "no damage layer: every building found is taken as damaged"
        if found is None and known == "unknown" and id_ != "debris":
            yield s.rule(id_, text, ">=", standard, None, note="no layer given and none found in the imagery")
        else:
            yield s.rule(id_, text, ">=", standard, math.inf if found is None else found, note=note)
    trees = s.ground.cover.trees
    in_fall = s.ground.reason[s.ground.grid.burn(list(s.layout.tents))] == Reason.TREE_FALL
    note = "" if trees.any() else "no trees found; without an orthomosaic they count as buildings"
    yield s.rule("tree_fall", "Tent cells within one tree height of a tree", "<=", 0.0, float(in_fall.sum()), note=note,
                 unit="cells")  # fmt: skip


def _distance_to(s: _Subject, mask: NDArray[np.bool_]) -> float | None:
    """Least distance from any tent to the cells of a mask; None where the mask is empty."""
    if not mask.any():
        return None
    edge = mask & ~_eroded(mask)
    rows, columns = np.nonzero(edge)
    grid = s.ground.grid
    west, north = grid.west_m + columns * grid.cell_m, grid.north_m - rows * grid.cell_m
    squares = shapely.box(west, north - grid.cell_m, west + grid.cell_m, north)
    return _nearest(s.layout.tents, squares)[0]


def _eroded(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    inner = np.zeros_like(mask)
    inner[1:-1, 1:-1] = mask[1:-1, 1:-1] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
    return inner


def _comfort(s: _Subject) -> Iterator[Rule]:
    """Light, refuse and facilities."""
    lamps = np.array([lamp.point for lamp in s.layout.lamps], object)
    for name, places in (("latrine", s.layout.latrines), ("water point", s.layout.stands)):
        if len(lamps) and len(places):
            far = shapely.STRtree(lamps).query_nearest(places, return_distance=True, all_matches=False)[1]
            yield s.rule(
                f"lamp_{name.replace(' ', '_')}", f"Lamp outside each {name}", "<=", 5.0, float(far.max()), unit="m"
            )
    ways = [*s.layout.paths, *s.layout.roads]
    if ways and len(lamps):
        points = np.concatenate(
            [shapely.line_interpolate_point(w, np.linspace(0, w.length, max(2, int(w.length / 2)))) for w in ways]
        )
        far = shapely.STRtree(lamps).query_nearest(points, return_distance=True, all_matches=False)[1]
        yield s.rule("lamp_spacing", "Lamps along a path, twice the way to the nearest", "<=", "lamp_spacing_m",
                     2 * float(far.max()))  # fmt: skip
    refuse = sum(place.kind == "refuse" for place in s.layout.facilities)
    each = refuse_litres(len(s.layout.tents), refuse, s.standards)
    litres = each * refuse / max(len(s.layout.tents), 1) * 10
    yield s.rule("refuse", "Refuse bins for 10 families", ">=", "refuse_l_per_10_families", litres)
    for kind, count in facility_counts(s.layout.persons, s.standards).items():
        if count:
            placed = sum(place.kind == kind for place in s.layout.facilities)
            rule = s.rule(f"facility_{kind}", f"Places for {kind}", ">=", float(count), float(placed), unit="places")
            if placed < count:  # a survey cannot tell what stands nearby
                rule = replace(rule, verdict="unknown", note=f"{count - placed} more must be found near the site")
            yield rule
