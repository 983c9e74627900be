"""What the report says in figures: its summary and tables, from an operation's products alone."""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyproj

from imagery.report.figures import GRADES
from imagery.report.gcj02 import wgs84_to_gcj02
from imagery.report.language import Words
from imagery.report.source import Source

__all__ = [
    "Tile",
    "completeness_percent",
    "damage_rows",
    "date_span",
    "needs_groups",
    "number",
    "plan_rows",
    "quality_rows",
    "site_rows",
    "summary_tiles",
]

NARROW_SPACE = "\u202f"
EQUAL_AREA = "EPSG:6933"  # one system for the whole world


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure of the summary: its name, value with unit, and a remark."""

    name: str
    value: str
    note: str = ""


def number(value: Any, digits: int = 0, unit: str = "") -> str:
    """A number for people: thousands apart by a narrow space, which every language reads; unknown: a dash."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    text = f"{float(value):,.{digits}f}".replace(",", NARROW_SPACE)
    return f"{text}\u00a0{unit}" if unit else text


def date_span(source: Source) -> str:
    """When the photos were taken, as one date or two; empty where nothing says so."""
    days = sorted({record.time_utc.date().isoformat() for record in source.photos if record.time_utc})
    if not days and source.buildings is not None and "src_date" in source.buildings:
        days = sorted({_day(value) for value in source.buildings["src_date"].dropna()} - {""})
    return days[0] if len(days) == 1 else f"{days[0]} – {days[-1]}" if days else ""


def _day(value: Any) -> str:
    if isinstance(value, datetime):
        return value.date().isoformat()
    return str(value)[:10]


def summary_tiles(source: Source, words: Words) -> list[Tile]:
    """The figures at the top of the page."""
    tiles = []
    if source.buildings is not None:
        grades = source.buildings["damage_gra"].value_counts()
        bad = int(grades.get("Destroyed", 0) + grades.get("Damaged", 0))
        note = words(
            "of {total} buildings; {unknown} not analysed",
            total=number(len(source.buildings)),
            unknown=number(int(grades.get("Not analysed", 0))),
        )
        tiles.append(Tile(words("Damaged or destroyed"), number(bad), note))
    displaced = _displaced(source)
    if displaced:
        low, middle, high = displaced
        tiles.append(
            Tile(
                words("People displaced"),
                number(middle),
                words("likely {low} to {high}", low=number(low), high=number(high)),
            )
        )
    if source.sites is not None and len(source.sites["site"]):
        sites = source.sites["site"]
        chosen = sites[sites["chosen"].astype(bool)] if "chosen" in sites and sites["chosen"].any() else sites
        note = words(
            "in {tents} tents on {count} sites", tents=number(chosen["tents"].sum()), count=number(len(chosen))
        )
        tiles.append(Tile(words("People the sites hold"), number(chosen["persons"].sum()), note))
        if source.rules:
            broken = source.rules.get("totals", {}).get("rules_broken")
            unknown = source.rules.get("totals", {}).get("rules_unknown")
            tiles.append(
                Tile(
                    words("Rules broken"), number(broken), words("{count} could not be checked", count=number(unknown))
                )
            )
    if source.plan:
        note = words(
            "{photos} photos planned, flights: {flights}",
            photos=number(source.plan.get("photos")),
            flights=number(source.plan.get("flights")),
        )
        tiles.append(Tile(words("Area surveyed"), number(source.plan.get("area_m2", 0) / 1e4, 1, "ha"), note))
    gsd_cm = (source.quality or {}).get("gsd_cm") or (source.plan or {}).get("gsd_cm")
    if gsd_cm:
        tiles.append(Tile(words("Detail of the image"), number(gsd_cm, 1, "cm"), words("ground sampling distance")))
    return tiles


def _displaced(source: Source) -> tuple[float, float, float] | None:
    for row in source.needs or []:
        if "displaced persons" in row.get("item", "").lower():
            try:
                return float(row["p10"]), float(row["p50"]), float(row["p90"])
            except (KeyError, ValueError):
                return None
    return None


def damage_rows(source: Source) -> list[dict[str, Any]]:
    """Buildings by grade: count, share, footprint in m2, mean damaged share of the roof."""
    buildings = source.buildings
    if buildings is None:
        return []
    area_m2 = buildings.geometry.to_crs(EQUAL_AREA).area
    rows = []
    for grade in GRADES:
        mine = buildings["damage_gra"] == grade
        roof = buildings["roof_damage_frac"][mine].mean() if "roof_damage_frac" in buildings and mine.any() else None
        rows.append(
            {
                "grade": grade,
                "count": number(int(mine.sum())),
                "share": number(100 * mine.sum() / max(len(buildings), 1), 1, "%"),
                "area": number(area_m2[mine].sum(), 0, "m²"),
                "roof": "–" if grade == "Not analysed" or roof is None else number(100 * roof, 0, "%"),
            }
        )
    return rows


def site_rows(source: Source, coarsen: bool) -> list[dict[str, Any]]:
    """Every site with its figures, coordinates (GCJ-02 too), score factors and rules."""
    if source.sites is None:
        return []
    layer = source.sites["site"]
    documents = {site["site_id"]: site for site in (source.rules or {}).get("sites", [])}
    points = layer.geometry.representative_point().to_crs("EPSG:4326") if len(layer) else layer.geometry
    digits = 3 if coarsen else 6
    rows = []
    for record, point in zip(layer.drop(columns="geometry").to_dict("records"), points, strict=True):
        document = documents.get(record["site_id"], {})
        gcj_lon, gcj_lat = wgs84_to_gcj02(point.x, point.y)
        rows.append(
            {
                **record,
                "latitude": f"{point.y:.{digits}f}",
                "longitude": f"{point.x:.{digits}f}",
                "gcj02": f"{gcj_lat:.{digits}f}, {gcj_lon:.{digits}f}",
                "factors": document.get("factors", []),
                "rules": document.get("rules", []),
                "verdicts": {
                    verdict: sum(rule["verdict"] == verdict for rule in document.get("rules", []))
                    for verdict in ("pass", "fail", "unknown")
                },
            }
        )
    return rows


def needs_groups(source: Source) -> list[tuple[str, list[dict[str, str]]]]:
    """The order sheet by section; the three quantities grouped for reading, source and note as one remark."""
    groups: dict[str, list[dict[str, str]]] = {}
    for row in source.needs or []:
        amounts = {name: _amount(row.get(name, "")) for name in ("p10", "p50", "p90")}
        remark = "; ".join(part for part in (row.get("source", ""), row.get("note", "")) if part)
        groups.setdefault(row.get("section", ""), []).append(row | amounts | {"remark": remark})
    return list(groups.items())


def _amount(text: str) -> str:
    try:
        value = float(text)
    except ValueError:
        return text or "–"
    return number(value, 0 if value.is_integer() else 1)


def plan_rows(source: Source, words: Words) -> list[tuple[str, str]]:
    """The survey's plan as names and values."""
    plan = source.plan
    if not plan:
        return []
    rows = [
        (words("Area"), number(plan.get("area_m2", 0) / 1e4, 2, "ha")),
        (words("Flights"), number(plan.get("flights"))),
        (words("Photos planned"), number(plan.get("photos"))),
        (words("Photos taken"), number(len(source.photos)) if source.photos else "–"),
        (words("Length of the path"), number(plan.get("length_m", 0) / 1000, 1, "km")),
        (words("Flying time"), number(plan.get("duration_s", 0) / 60, 1, "min")),
        (words("Height above ground"), number(plan.get("height_agl_m"), 0, "m")),
        (words("Ground sampling distance"), number(plan.get("gsd_cm"), 2, "cm")),
        (
            words("Overlap ahead and aside"),
            f"{number(plan.get('front_overlap'))} / {number(plan.get('sidelap'))}\u00a0%",
        ),
        (words("Seen by a photo"), number(plan.get("seen1"), 2, "%")),
        (words("Seen by five or more"), number(plan.get("seen5"), 2, "%")),
    ]
    request = plan.get("request") or {}
    return rows + [
        (words(name), str(request[key])) for name, key in (("Camera", "camera"), ("Drone", "drone")) if request.get(key)
    ]


def quality_rows(source: Source, words: Words) -> list[tuple[str, str]]:
    """How good the mosaic is, as names and values."""
    quality = source.quality
    if not quality:
        return []
    dropped = quality.get("photos_dropped") or []
    return [
        (words("Photos used"), number(quality.get("photos_used"))),
        (words("Photos left out"), number(len(dropped))),
        (words("Ground sampling distance"), number(quality.get("gsd_cm"), 2, "cm")),
        (words("Reprojection error, median"), number(quality.get("reprojection_median_px"), 2, "px")),
        (words("Camera positions against GPS, E N H"), _metres(quality.get("gps_residual_m"))),
        (words("Control points, E N H"), _metres(quality.get("control_rmse_m"))),
        (words("Check points, E N H"), _metres(quality.get("check_rmse_m"))),
        (words("Surface measured"), number(completeness_percent(quality), 1, "%")),
        (words("Coordinate system"), _crs_name(source)),
        (words("Heights"), str((source.reconstruction or {}).get("vertical_datum") or "–")),
    ]


def _metres(values: Any) -> str:
    if not isinstance(values, list) or not any(isinstance(value, int | float) for value in values):
        return "–"
    return " / ".join(number(value, 2) for value in values) + "\u00a0m"


def completeness_percent(quality: dict[str, Any]) -> float | None:
    """The share of the surface that was measured rather than filled in, in percent."""
    value = quality.get("completeness")
    return None if not isinstance(value, int | float) else 100 * float(value)


def _crs_name(source: Source) -> str:
    text = (source.reconstruction or {}).get("crs")
    if not text:
        return "–"
    try:
        crs = pyproj.CRS.from_user_input(text)
    except pyproj.exceptions.CRSError:
        return str(text)[:60]
    code = crs.to_authority()
    return f"{crs.name} ({':'.join(code)})" if code else crs.name
