"""Write sites.gpkg (one layer for each kind of feature), rules.json beside it and an overview picture."""

import math
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyproj
from numpy.typing import NDArray

from imagery.core.files import atomic_path, write_json
from imagery.core.progress import SILENT, Progress
from imagery.sites.facilities import refuse_litres
from imagery.sites.find import Site, SitesResult
from imagery.sites.suitability import Reason

__all__ = ["LAYERS", "layer_frames", "rules_document", "write_sites"]

LAYERS = {
    "site": "Polygon",
    "tent": "Polygon",
    "path": "LineString",
    "road": "LineString",
    "firebreak": "Polygon",
    "latrine": "Polygon",
    "water_point": "Polygon",
    "lamp": "Point",
    "facility": "Polygon",
    "excluded": "Polygon",
}
Rows = list[dict[str, Any]]


def write_sites(
    result: SitesResult,
    out: str | Path,
    rgb: NDArray[np.float32] | None = None,
    picture: bool = True,
    progress: Progress = SILENT,
) -> None:
    """Write the GeoPackage `out`, and rules.json and a picture in its folder; each appears whole or not at all."""
    out = Path(out)
    with progress.stage("writing", 3, "files") as advance:
        with atomic_path(out) as temporary:
            for name, frame in layer_frames(result).items():
                frame.to_file(temporary, layer=name, driver="GPKG", engine="pyogrio", geometry_type=LAYERS[name])
        advance(1)
        write_json(out.with_name("rules.json"), rules_document(result))
        advance(1)
        if picture:
            from imagery.sites.picture import draw_sites

            draw_sites(result, rgb, out.with_suffix(".png"))
        advance(1)


def layer_frames(result: SitesResult) -> dict[str, gpd.GeoDataFrame]:
    """The layers of sites.gpkg; all of them, empty ones too."""
    layers: dict[str, Rows] = {name: [] for name in LAYERS}
    for site in result.sites:
        _add_site(layers, site, result)
    layers["excluded"] = _excluded(result)
    crs = result.ground.grid.crs
    empty = gpd.GeoDataFrame({"site_id": np.zeros(0, np.int64)}, geometry=[], crs=crs)
    return {
        name: gpd.GeoDataFrame(rows, geometry="geometry", crs=crs) if rows else empty for name, rows in layers.items()
    }


def _add_site(layers: dict[str, Rows], site: Site, result: SitesResult) -> None:
    layout, number, standards = site.layout, site.number, result.standards
    centre = site.shape.representative_point()
    lon, lat = pyproj.Transformer.from_crs(result.ground.grid.crs, "EPSG:4326", always_xy=True).transform(
        centre.x, centre.y
    )
    slope = next(factor.value for factor in site.factors if factor.name == "slope")
    load = 5 * np.bincount(layout.latrine_of, minlength=len(layout.latrines))
    drawn = 5 * np.bincount(layout.stand_of, minlength=len(layout.stands))
    layers["site"].append(
        {
            "site_id": number, "rank": number, "persons": site.persons, "tents": len(layout.tents),
            "area_m2": round(site.shape.area, 1), "score": site.score, "slope_pct": slope, "profile": standards.profile,
            "chosen": site.chosen, "access": site.access.status, "rows_deg": round(layout.angle_deg % 180, 2),
            "latrines_now": int(np.ceil(load / standards["persons_per_latrine_now"]).sum()),
            "latrines_later": int(np.ceil(load / standards["persons_per_latrine_later"]).sum()),
            "taps": int(np.ceil(drawn / standards["persons_per_tap"]).sum()),
            "lon": round(lon, 6), "lat": round(lat, 6), "geometry": site.shape,
        }
    )  # fmt: skip
    for k, tent in enumerate(layout.tents):
        layers["tent"].append(
            {
                "site_id": number, "tent_id": k + 1, "block": int(layout.block[k]) + 1,
                "community": int(layout.community[k]) + 1, "persons": 5, "latrine_id": int(layout.latrine_of[k]) + 1,
                "water_id": int(layout.stand_of[k]) + 1, "walk_m": round(float(layout.walk_m[k]), 1),
                "gap_m": standards["tent_gap_m"], "geometry": tent,
            }
        )  # fmt: skip
    for k, shape in enumerate(layout.latrines):
        layers["latrine"].append(
            {"site_id": number, "latrine_id": k + 1, **_cabins(int(load[k]), result), "geometry": shape}
        )
    for k, shape in enumerate(layout.stands):
        taps = max(1, math.ceil(drawn[k] / standards["persons_per_tap"]))
        layers["water_point"].append(
            {"site_id": number, "water_id": k + 1, "persons": int(drawn[k]), "taps": taps, "kind": "tap stand",
             "l_per_day": float(drawn[k] * standards["water_l_per_person_day"]), "geometry": shape}
        )  # fmt: skip
    _add_ways(layers, site, result)
    layers["firebreak"] += [
        {"site_id": number, "width_m": standards["firebreak_width_m"], "geometry": shape} for shape in layout.firebreaks
    ]
    layers["lamp"] += [{"site_id": number, "at": lamp.at, "geometry": lamp.point} for lamp in layout.lamps]
    refuse = sum(place.kind == "refuse" for place in layout.facilities)
    litres = refuse_litres(len(layout.tents), refuse, standards)
    layers["facility"] += [
        {
            "site_id": number,
            "kind": place.kind,
            "litres": litres if place.kind == "refuse" else None,
            "geometry": place.shape,
        }
        for place in layout.facilities
    ]


def _cabins(persons: int, result: SitesResult) -> dict[str, int]:
    """A latrine block's cabins now and later, three for women and girls to one for men and boys."""
    now = math.ceil(persons / result.standards["persons_per_latrine_now"])
    later = math.ceil(persons / result.standards["persons_per_latrine_later"])
    return {"persons": persons, "cabins_now": now, "cabins_later": later, "female_later": later - later // 4}


def _add_ways(layers: dict[str, Rows], site: Site, result: SitesResult) -> None:
    standards = result.standards
    kinds = [("internal", line) for line in site.layout.roads] + [("gate", site.access.gate)]
    if site.access.line is not None:
        kinds.append(("access", site.access.line))
    layers["road"] += [
        {"site_id": site.number, "kind": kind, "width_m": standards["road_width_m"], "length_m": round(line.length, 1),
         "geometry": line}
        for kind, line in kinds
    ]  # fmt: skip
    layers["path"] += [
        {
            "site_id": site.number,
            "width_m": standards["path_width_m"],
            "length_m": round(line.length, 1),
            "geometry": line,
        }
        for line in site.layout.paths
    ]


def _excluded(result: SitesResult) -> Rows:
    """Every excluded cell in exactly one polygon with its reason; no data and what lies outside drawn sites are left out."""
    reason = result.ground.reason
    mask = ~np.isin(reason, [Reason.USABLE, Reason.NO_DATA, Reason.OUTSIDE_SITE])
    return [
        {"site_id": 0, "code": code, "reason": Reason(code).label, "area_m2": round(shape.area, 1), "geometry": shape}
        for shape, code in result.ground.grid.polygons(reason, mask)
    ]


def rules_document(result: SitesResult) -> dict[str, Any]:
    """What rules.json holds: the standards in force, what is unknown, areas by reason, and every site's rules and score."""
    standards = result.standards
    return {
        "profile": standards.profile,
        "crs": result.ground.grid.crs.to_string(),
        "cell_m": result.ground.grid.cell_m,
        "totals": {
            "sites": len(result.sites),
            "persons": result.persons,
            "tents": sum(len(site.layout.tents) for site in result.sites),
            "area_m2": sum(site.shape.area for site in result.sites),
            "rules_broken": sum(len(site.broken) for site in result.sites),
            "rules_unknown": sum(rule.verdict == "unknown" for site in result.sites for rule in site.rules),
        },
        "people": result.people,
        "unhoused": result.unhoused,
        "chosen": [site.number for site in result.sites if site.chosen],
        "known": result.ground.known,
        "area_by_reason_m2": result.excluded_m2,
        "sites": [_site_document(site) for site in result.sites],
        "rejected": [
            {"area_m2": r.area_m2, "east_m": r.east_m, "north_m": r.north_m, "why": r.why} for r in result.rejected
        ],
        "standards": {
            name: {
                "value": entry.value, "unit": entry.unit, "source": entry.source, "provenance": entry.provenance,
                "verified": entry.verified,
            }
            for name, entry in standards.entries.items()
        },
    }  # fmt: skip


def _site_document(site: Site) -> dict[str, Any]:
    return {
        "site_id": site.number,
        "persons": site.persons,
        "tents": len(site.layout.tents),
        "area_m2": site.shape.area,
        "score": site.score,
        "factors": [
            {"name": f.name, "value": f.value, "unit": f.unit, "factor": f.factor, "weight": f.weight}
            for f in site.factors
        ],
        "rules": [
            {
                "id": r.id, "text": r.text, "comparison": r.comparison, "limit": r.limit, "unit": r.unit,
                "measured": r.measured, "verdict": r.verdict, "worst": r.worst, "note": r.note, "source": r.source,
                "verified": r.verified,
            }
            for r in site.rules
        ],
    }  # fmt: skip
