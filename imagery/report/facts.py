"""What the report says in figures: its summary and tables, from an operation's products alone."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pyproj

from imagery.core.grades import GRADE_COLOURS
from imagery.core.language import Words
from imagery.report.gcj02 import wgs84_to_gcj02
from imagery.report.source import Source

__all__ = [
    "Tile",
    "completeness_percent",
    "damage_rows",
    "date_span",
    "needs_groups",
    "plan_rows",
    "quality_rows",
    "site_rows",
    "summary_tiles",
]

EQUAL_AREA = "EPSG:6933"  # one system for the whole world


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure of the summary: its name, value with unit, and a remark."""

    name: str
    value: str
    note: str = ""


def date_span(source: Source, words: Words) -> str:
    """When the photos were taken, as one date or two; empty where nothing says so."""
    days = sorted({record.time_utc.date() for record in source.photos if record.time_utc})
    if not days and source.buildings is not None and "src_date" in source.buildings:
        days = sorted({day for value in source.buildings["src_date"].dropna() if (day := _day(value))})
    first_and_last = list(dict.fromkeys(words.date(day) for day in (days[0], days[-1]))) if days else []
    return " – ".join(first_and_last)


def _day(value: Any) -> date | None:
    if isinstance(value, datetime):
        return value.date()
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        return None


def summary_tiles(source: Source, words: Words) -> list[Tile]:
    """The figures at the top of the page."""
    tiles = []
    if source.buildings is not None:
        grades = source.buildings["damage_gra"].value_counts()
        bad = int(grades.get("Destroyed", 0) + grades.get("Damaged", 0))
        note = words(
            "of {total} buildings; {unknown} not analysed",
            total=words.number(len(source.buildings)),
            unknown=words.number(int(grades.get("Not analysed", 0))),
        )
        tiles.append(Tile(words("Damaged or destroyed"), words.number(bad), note))
    displaced = _displaced(source)
    if displaced:
        low, middle, high = displaced
        tiles.append(
            Tile(
                words("People displaced"),
                words.number(middle),
                words("likely {low} to {high}", low=words.number(low), high=words.number(high)),
            )
        )
    if source.sites is not None and len(source.sites["site"]):
        sites = source.sites["site"]
        chosen = sites[sites["chosen"].astype(bool)] if "chosen" in sites and sites["chosen"].any() else sites
        note = words(
            "in {tents} tents on {count} sites",
            tents=words.number(chosen["tents"].sum()),
            count=words.number(len(chosen)),
        )
        tiles.append(Tile(words("People the sites hold"), words.number(chosen["persons"].sum()), note))
        if source.rules:
            broken = source.rules.get("totals", {}).get("rules_broken")
            unknown = source.rules.get("totals", {}).get("rules_unknown")
            tiles.append(
                Tile(
                    words("Rules broken"),
                    words.number(broken),
                    words("{count} could not be checked", count=words.number(unknown)),
                )
            )
    if source.plan:
        note = words(
            "{photos} photos planned, flights: {flights}",
            photos=words.number(source.plan.get("photos")),
            flights=words.number(source.plan.get("flights")),
        )
        tiles.append(Tile(words("Area surveyed"), words.number(source.plan.get("area_m2", 0) / 1e4, 1, "ha"), note))
    gsd_cm = (source.quality or {}).get("gsd_cm") or (source.plan or {}).get("gsd_cm")
    if gsd_cm:
        tiles.append(
            Tile(words("Detail of the image"), words.number(gsd_cm, 1, "cm"), words("ground sampling distance"))
        )
    return tiles


def _displaced(source: Source) -> tuple[float, float, float] | None:
    for row in source.needs or []:
        if "displaced persons" in row.get("item", "").lower():
            try:
                return float(row["p10"]), float(row["p50"]), float(row["p90"])
            except (KeyError, ValueError):
                return None
    return None


def damage_rows(source: Source, words: Words) -> list[dict[str, Any]]:
    """Buildings by grade: count, share, footprint in m2, mean damaged share of the roof."""
    buildings = source.buildings
    if buildings is None:
        return []
    area_m2 = buildings.geometry.to_crs(EQUAL_AREA).area
    rows = []
    for grade in GRADE_COLOURS:
        mine = buildings["damage_gra"] == grade
        roof = buildings["roof_damage_frac"][mine].mean() if "roof_damage_frac" in buildings and mine.any() else None
        rows.append(
            {
                "grade": grade,
                "count": words.number(int(mine.sum())),
                "share": words.number(100 * mine.sum() / max(len(buildings), 1), 1, "%"),
                "area": words.number(area_m2[mine].sum(), 0, "m²"),
                "roof": "–" if grade == "Not analysed" or roof is None else words.number(100 * roof, 0, "%"),
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


def needs_groups(source: Source, words: Words) -> list[tuple[str, list[dict[str, str]]]]:
    """The order sheet by section; the three quantities grouped for reading, source and note as one remark."""
    groups: dict[str, list[dict[str, str]]] = {}
    for row in source.needs or []:
        amounts = {name: _amount(words, row.get(name, "")) for name in ("p10", "p50", "p90")}
        remark = "; ".join(part for part in (row.get("source", ""), row.get("note", "")) if part)
        groups.setdefault(row.get("section", ""), []).append(row | amounts | {"remark": remark})
    return list(groups.items())


def _amount(words: Words, text: str) -> str:
    try:
        value = float(text)
    except ValueError:
        return text or "–"
    return words.number(value, 0 if value.is_integer() else 1)


def plan_rows(source: Source, words: Words) -> list[tuple[str, str]]:
    """The survey's plan as names and values."""
    plan = source.plan
    if not plan:
        return []
    rows = [
        (words("Area"), words.number(plan.get("area_m2", 0) / 1e4, 2, "ha")),
        (words("Flights"), words.number(plan.get("flights"))),
        (words("Photos planned"), words.number(plan.get("photos"))),
        (words("Photos taken"), words.number(len(source.photos)) if source.photos else "–"),
        (words("Length of the path"), words.number(plan.get("length_m", 0) / 1000, 1, "km")),
        (words("Flying time"), words.number(plan.get("duration_s", 0) / 60, 1, "min")),
        (words("Height above ground"), words.number(plan.get("height_agl_m"), 0, "m")),
        (words("Ground sampling distance"), words.number(plan.get("gsd_cm"), 2, "cm")),
        (
            words("Overlap ahead and aside"),
            f"{words.number(plan.get('front_overlap'))} / {words.number(plan.get('sidelap'))}\u00a0%",
        ),
        (words("Seen by a photo"), words.number(plan.get("seen1"), 2, "%")),
        (words("Seen by five or more"), words.number(plan.get("seen5"), 2, "%")),
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
        (words("Photos used"), words.number(quality.get("photos_used"))),
        (words("Photos left out"), words.number(len(dropped))),
        (words("Ground sampling distance"), words.number(quality.get("gsd_cm"), 2, "cm")),
        (words("Reprojection error, median"), words.number(quality.get("reprojection_median_px"), 2, "px")),
        (words("Camera positions against GPS, E N H"), _metres(words, quality.get("gps_residual_m"))),
        (words("Control points, E N H"), _metres(words, quality.get("control_rmse_m"))),
        (words("Check points, E N H"), _metres(words, quality.get("check_rmse_m"))),
        (words("Surface measured"), words.number(completeness_percent(quality), 1, "%")),
        (words("Coordinate system"), _crs_name(source)),
        (words("Heights"), str((source.reconstruction or {}).get("vertical_datum") or "–")),
    ]


def _metres(words: Words, values: Any) -> str:
    if not isinstance(values, list) or not any(isinstance(value, int | float) for value in values):
        return "–"
    return " / ".join(words.number(value, 2) for value in values) + "\u00a0m"


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
