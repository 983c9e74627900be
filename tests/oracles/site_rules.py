"""The rules of tent sites checked from the output's geometry and the input alone, sharing no code with the product.

The limits are written here again on purpose: a wrong figure in the product's table must be found.
"""

import heapq
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

GAPS = {"minimum": 2.0, "standard": 4.4, "fire": 6.0, "cold": 4.4, "services-outside": 4.4}
AREA = {"services-outside": 30.0}
TINY = 1e-3


@dataclass
class Truth:
    """The input: `height` (h, w) of the bare ground with its north-west corner and cell, and what is on it."""

    height: np.ndarray
    west: float
    north: float
    cell: float
    profile: str = "standard"
    water: list[Any] = field(default_factory=list)
    roads: list[Any] = field(default_factory=list)
    trees: list[tuple[Any, float]] = field(default_factory=list)
    damaged: list[tuple[Any, float]] = field(default_factory=list)
    drawn: Any = None
    slope_slack: float = 0.3


def violations(layers: dict[str, gpd.GeoDataFrame], document: dict[str, Any], truth: Truth) -> list[str]:
    """Everything that breaks a rule, in words; empty when all is well."""
    found = list(_exclusion(layers, truth))
    for site in layers["site"].itertuples():
        own = {
            name: frame[frame["site_id"] == site.site_id].reset_index(drop=True)
            for name, frame in layers.items()
            if name != "excluded"
        }
        table = next(entry for entry in document["sites"] if entry["site_id"] == site.site_id)
        for check in (_inside, _gaps, _overlaps, _slopes, _firebreaks, _latrines, _water, _roads, _buffers):
            found += [f"site {site.site_id}: {text}" for text in check(site, own, truth)]
        found += [f"site {site.site_id}: {text}" for text in _counts(site, own, table, truth)]
    found += [f"own check: {r['id']}" for entry in document["sites"] for r in entry["rules"] if r["verdict"] == "fail"]
    return found


def _exclusion(layers: dict[str, gpd.GeoDataFrame], truth: Truth) -> Iterator[str]:
    """11b: no excluded ground twice, and no site on it."""
    excluded = layers["excluded"]
    if len(excluded) == 0:
        return
    total, union = excluded.area.sum(), excluded.union_all()
    if abs(total - union.area) > 1e-6 * total + TINY:
        yield f"excluded polygons overlap by {total - union.area:.3f} m2"
    if not set(excluded["code"]) or excluded["reason"].isna().any():
        yield "an excluded polygon has no reason"
    for site in layers["site"].itertuples():
        if (area := site.geometry.intersection(union).area) > TINY:
            yield f"site {site.site_id} has {area:.3f} m2 of excluded ground"


def _inside(site: Any, own: dict[str, gpd.GeoDataFrame], truth: Truth) -> Iterator[str]:
    """1: tents, services and ways inside the site, the site inside what was drawn."""
    for name in ("tent", "latrine", "water_point", "facility", "path", "firebreak", "lamp"):
        for shape in own[name].geometry:
            outside = shape.difference(site.geometry)
            if max(outside.area, outside.length if outside.area == 0 else 0) > TINY:
                yield f"a {name} leaves the site by {outside.area:.3f} m2, {outside.length:.3f} m"
    if truth.drawn is not None and site.geometry.difference(truth.drawn).area > TINY:
        yield "the site leaves the drawn one"


def _gaps(site: Any, own: dict[str, gpd.GeoDataFrame], truth: Truth) -> Iterator[str]:
    """2: fly to fly, by brute force over all pairs whose centres are near."""
    tents = own["tent"].geometry.to_numpy()
    limit = GAPS[truth.profile]
    centre = shapely.get_coordinates(shapely.centroid(tents))
    for k in range(len(tents)):
        near = np.flatnonzero((abs(centre[k + 1 :] - centre[k]) < limit + 8).all(axis=1)) + k + 1
        close = shapely.distance(tents[k], tents[near])
        if len(close) and close.min() < limit - TINY:
            yield f"tent {k + 1} is {close.min():.3f} m from another"
    for tent in tents:
        sides = sorted(np.hypot(*np.diff(shapely.get_coordinates(tent), axis=0).T).round(3))
        if [sides[0], sides[2]] != [4.0, 6.6]:
            yield f"a tent measures {sides[0]} x {sides[2]} m"


def _pegged(tent: Any) -> Any:
    """The fly with 1.5 m at the long sides and 1.0 m at the ends, from its long axis."""
    corner = shapely.get_coordinates(tent)[:4]
    middle = corner.mean(axis=0)
    edges = np.diff(np.vstack([corner, corner[:1]]), axis=0)
    long = edges[np.argmax(np.hypot(*edges.T))]
    axis = long / np.hypot(*long)
    across = np.array([-axis[1], axis[0]])
    reach_long, reach_across = 6.6 / 2 + 1.0, 4.0 / 2 + 1.5
    return shapely.Polygon(
        [middle + a * reach_long * axis + b * reach_across * across for a, b in ((1, 1), (1, -1), (-1, -1), (-1, 1))]
    )


def _ways(own: dict[str, gpd.GeoDataFrame]) -> list[Any]:
    return [
        shape.buffer(width / 2, cap_style="flat")
        for name in ("road", "path")
        for shape, width in zip(own[name].geometry, own[name].get("width_m", []), strict=True)
    ]


def _overlaps(site: Any, own: dict[str, gpd.GeoDataFrame], truth: Truth) -> Iterator[str]:
    """3: no feature on another; pegging zones clear of ways and inside the site."""
    ways = shapely.union_all(_ways(own))
    kinds = ("tent", "latrine", "water_point", "facility", "firebreak")
    shapes = [(name, shape) for name in kinds for shape in own[name].geometry]
    tree = shapely.STRtree([shape for _, shape in shapes])
    for k, (name, shape) in enumerate(shapes):
        for other in tree.query(shape, "intersects"):
            if other > k and shape.intersection(shapes[other][1]).area > TINY:
                yield f"a {name} overlaps a {shapes[other][0]}"
        if shape.intersection(ways).area > TINY:
            yield f"a {name} lies on a road or path"
    for k, tent in enumerate(own["tent"].geometry):
        zone = _pegged(tent)
        if zone.intersection(ways).area > TINY:
            yield f"the pegging zone of tent {k + 1} reaches a road or path"
        if zone.difference(site.geometry).area > TINY:
            yield f"the pegging zone of tent {k + 1} leaves the site"
    for lamp in own["lamp"].geometry:
        if ways.contains(lamp) or any(
            shape.contains(lamp) for shape in (shapes[i][1] for i in tree.query(lamp)) if shape.area < 60
        ):
            yield "a lamp stands in a way, tent or service"


def _heights(points: np.ndarray, truth: Truth) -> np.ndarray:
    """Bilinear between cell centres."""
    column = ((points[:, 0] - truth.west) / truth.cell - 0.5).clip(0, truth.height.shape[1] - 1.001)
    row = ((truth.north - points[:, 1]) / truth.cell - 0.5).clip(0, truth.height.shape[0] - 1.001)
    i, j = row.astype(int), column.astype(int)
    a, b = row - i, column - j
    h = truth.height
    return (h[i, j] * (1 - b) + h[i, j + 1] * b) * (1 - a) + (h[i + 1, j] * (1 - b) + h[i + 1, j + 1] * b) * a


def _slopes(site: Any, own: dict[str, gpd.GeoDataFrame], truth: Truth) -> Iterator[str]:
    """4: a plane through the heights under each tent."""
    for k, tent in enumerate(own["tent"].geometry):
        ring = shapely.get_coordinates(tent)[:4]
        weights = np.array([(a, b) for a in np.linspace(0.05, 0.95, 4) for b in np.linspace(0.05, 0.95, 6)])
        points = ring[0] + weights[:, :1] * (ring[1] - ring[0]) + weights[:, 1:] * (ring[3] - ring[0])
        design = np.column_stack([points - points.mean(axis=0), np.ones(len(points))])
        east, north, _ = np.linalg.lstsq(design, _heights(points, truth), rcond=None)[0]
        if 100 * math.hypot(east, north) > 10 + truth.slope_slack:
            yield f"tent {k + 1} stands on {100 * math.hypot(east, north):.2f} %"


def _firebreaks(site: Any, own: dict[str, gpd.GeoDataFrame], truth: Truth) -> Iterator[str]:
    """5: the built-up area, tents with 15 m around them merged, is nowhere longer than 300 m."""
    merged = shapely.union_all([tent.buffer(15.0, quad_segs=16) for tent in own["tent"].geometry])
    for part in shapely.get_parts(merged):
        points = shapely.get_coordinates(part.convex_hull)
        longest = max(math.dist(a, b) for a in points for b in points)
        if longest > 300 + TINY:
            yield f"a built-up area is {longest:.1f} m long"


def _latrines(site: Any, own: dict[str, gpd.GeoDataFrame], truth: Truth) -> Iterator[str]:
    """6: distances, and capacity as a matching of tents to cabin shares, now and later."""
    tents, latrines = own["tent"].geometry.to_numpy(), own["latrine"].geometry.to_numpy()
    if len(latrines) == 0:
        yield "no latrine"
        return
    distance = shapely.distance(tents[:, None], latrines[None])
    if distance.min() < 6 - TINY:
        yield f"a latrine is {distance.min():.2f} m from a tent"
    if distance.min(axis=1).max() > 50:
        yield f"a tent is {distance.min(axis=1).max():.1f} m from every latrine"
    for column, persons in (("cabins_now", 50), ("cabins_later", 20)):
        room = (own["latrine"][column] * persons // 5).to_numpy(int)
        places = np.repeat(np.arange(len(latrines)), room)
        matched = maximum_bipartite_matching(csr_array(distance[:, places] <= 50), perm_type="column")
        if (matched < 0).any():
            yield f"{(matched < 0).sum()} tents have no share of a latrine ({column})"
        if own["latrine"][column].sum() * persons < 5 * len(tents):
            yield f"too few {column}"
    for point in own["water_point"].geometry:
        if len(latrines) and shapely.distance(point, latrines).min() < 30 - TINY:
            yield "a latrine is under 30 m from a water point"


def _graph(own: dict[str, gpd.GeoDataFrame]) -> tuple[dict[tuple, dict[tuple, float]], Any]:
    """The ways, cut where they meet, as a graph of points."""
    lines = [*own["path"].geometry, *own["road"].geometry]
    noded = shapely.node(shapely.union_all([shapely.set_precision(line, 0.01) for line in lines], grid_size=0.01))
    graph: dict[tuple, dict[tuple, float]] = {}
    for part in shapely.get_parts(noded):
        coordinates = [(round(x, 2), round(y, 2)) for x, y in part.coords]
        for a, b in itertools.pairwise(coordinates):
            length = math.dist(a, b)
            graph.setdefault(a, {})[b] = length
            graph.setdefault(b, {})[a] = length
    return graph, noded


def _water(site: Any, own: dict[str, gpd.GeoDataFrame], truth: Truth) -> Iterator[str]:
    """7: walking from each tent to the nearest way, along the ways, and to a tap; 250 persons for each tap."""
    if len(own["water_point"]) == 0:
        yield "no water point"
        return
    graph, _ = _graph(own)
    nodes = np.array(list(graph))
    if len(nodes) == 0:
        yield "no way to walk on"
        return
    segments = [(a, b) for a in graph for b in graph[a] if a < b]
    tree = shapely.STRtree([shapely.LineString(pair) for pair in segments])
    best: dict[tuple, float] = {}
    for tap in own["water_point"].geometry:
        k = int(tree.nearest(tap.centroid))
        line = shapely.LineString(segments[k])
        along = line.project(tap.centroid)
        for node, share in ((segments[k][0], along), (segments[k][1], line.length - along)):
            best[node] = min(best.get(node, math.inf), line.distance(tap.centroid) + share)
    queue = [(value, node) for node, value in best.items()]
    heapq.heapify(queue)
    while queue:
        value, node = heapq.heappop(queue)
        if value > best[node]:
            continue
        for other, length in graph[node].items():
            if value + length < best.get(other, math.inf):
                best[other] = value + length
                heapq.heappush(queue, (value + length, other))
    for number, tent in enumerate(own["tent"].geometry):
        k = int(tree.nearest(tent.centroid))
        line = shapely.LineString(segments[k])
        along = line.project(tent.centroid)
        walk = line.distance(tent.centroid) + min(
            best.get(segments[k][0], math.inf) + along, best.get(segments[k][1], math.inf) + line.length - along
        )
        if walk > 500:
            yield f"tent {number + 1} is {walk:.0f} m from water on foot"
    load = own["tent"].groupby("water_id").size() * 5
    for point in own["water_point"].itertuples():
        if load.get(point.water_id, 0) > 250 * point.taps:
            yield f"{load[point.water_id]} persons at {point.taps} taps"
    if own["water_point"]["taps"].sum() * 250 < 5 * len(own["tent"]):
        yield "too few taps"


def _roads(site: Any, own: dict[str, gpd.GeoDataFrame], truth: Truth) -> Iterator[str]:
    """8: every tent within 100 m of a truck road; one network that reaches outside; not too steep."""
    roads = own["road"].geometry.to_numpy()
    if len(roads) == 0:
        yield "no road"
        return
    network = shapely.union_all([road.buffer(0.05) for road in roads])
    if network.geom_type != "Polygon":
        yield "the roads are not connected"
    far = shapely.distance(own["tent"].geometry.to_numpy(), shapely.union_all(roads)).max()
    if far > 100:
        yield f"a tent is {far:.1f} m from a road"
    if truth.roads:
        gap = network.distance(shapely.union_all(truth.roads))
        if gap > 3:
            yield f"the roads end {gap:.1f} m before the outside road"
    elif network.distance(site.geometry.exterior) > TINY:
        yield "the roads do not reach the site's edge"
    for road in roads:
        count = max(2, round(road.length / 10) + 1)
        points = shapely.get_coordinates(
            shapely.line_interpolate_point(road, np.linspace(0, 1, count), normalized=True)
        )
        step = road.length / (count - 1)
        if step > 4:
            grade = 100 * abs(np.diff(_heights(points, truth))).max() / step
            if grade > 10 + max(truth.slope_slack, 0.5):
                yield f"a road climbs {grade:.1f} %"


def _buffers(site: Any, own: dict[str, gpd.GeoDataFrame], truth: Truth) -> Iterator[str]:
    """9: away from water, damaged buildings, trees and through roads."""
    tents = shapely.union_all(own["tent"].geometry.to_numpy())
    for water in truth.water:
        if (distance := tents.distance(water)) < 50 - TINY:
            yield f"a tent is {distance:.2f} m from water"
    for building, height in truth.damaged:
        if (distance := tents.distance(building)) < max(10.0, 1.5 * height) - TINY:
            yield f"a tent is {distance:.2f} m from a damaged building of {height:.1f} m"
    for crown, height in truth.trees:
        if (distance := tents.distance(crown)) < height - 0.5:
            yield f"a tent is {distance:.2f} m from a tree of {height:.1f} m"
    for road in truth.roads:
        if (distance := tents.distance(road)) < 15 - TINY:
            yield f"a tent is {distance:.2f} m from a through road"


def _counts(site: Any, own: dict[str, gpd.GeoDataFrame], table: dict[str, Any], truth: Truth) -> Iterator[str]:
    """10 and 11a: persons, area, floor, and the score's table."""
    tents = len(own["tent"])
    if not site.persons == table["persons"] == 5 * tents:
        yield f"{site.persons} persons in {tents} tents"
    if site.persons > math.floor(site.geometry.area / AREA.get(truth.profile, 45.0)):
        yield f"{site.persons} persons on {site.geometry.area:.0f} m2"
    if 23 * tents < (4.5 if truth.profile == "cold" else 3.5) * site.persons:
        yield "too little floor"
    if abs(sum(f["weight"] * f["factor"] for f in table["factors"]) - table["score"]) > 1e-6:
        yield "the factors do not sum to the score"
    if abs(sum(f["weight"] for f in table["factors"]) - 1) > 1e-6:
        yield "the weights do not sum to 1"
    if not all(0 <= f["factor"] <= 1 for f in table["factors"]):
        yield "a factor lies outside 0..1"
