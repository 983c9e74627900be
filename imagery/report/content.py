"""Everything that the report shows, gathered once for the page and the PDF."""

from dataclasses import dataclass
from typing import Any

from imagery.core.language import Words
from imagery.core.progress import SILENT, Progress
from imagery.report import figures
from imagery.report.facts import (
    Tile,
    damage_rows,
    date_span,
    needs_groups,
    plan_rows,
    quality_rows,
    site_rows,
    summary_tiles,
)
from imagery.report.figures import Figure
from imagery.report.source import ReportFiles, Source, read_source
from imagery.report.uncertain import uncertainties

__all__ = ["PARTS", "Content", "gather", "plain", "unit"]

LAYOUTS_SHOWN = 6  # the best sites; more would bury the page
PARTS = {
    "plan": "survey plan",
    "flights": "flight logs",
    "stitch": "orthomosaic",
    "damage": "graded buildings",
    "sites": "tent sites",
    "needs": "needs",
}


@dataclass(frozen=True, slots=True)
class Content:
    """The report's content, in the reader's language except for what the products say in English.

    Attributes: title; dates; tiles of the summary; missing: names of parts, as in PARTS; coarsen and gcj02 as asked for; maps,
    None where there is nothing to draw; layouts: site rows with their maps; rows of the tables (see `imagery.report.facts`);
    site_rows is None where no sites were looked for; warnings of planning and stitching; uncertain: sentences.
    """

    title: str
    dates: str
    tiles: list[Tile]
    missing: tuple[str, ...]
    coarsen: bool
    gcj02: bool
    damage_map: Figure | None
    sites_map: Figure | None
    plan_map: Figure | None
    layouts: list[tuple[dict[str, Any], Figure]]
    damage_rows: list[dict[str, Any]]
    site_rows: list[dict[str, Any]] | None
    needs_groups: list[tuple[str, list[dict[str, str]]]]
    plan_rows: list[tuple[str, str]]
    quality_rows: list[tuple[str, str]]
    warnings: list[str]
    uncertain: list[str]

    @property
    def maps(self) -> int:
        """How many maps there are."""
        return sum(figure is not None for figure in (self.damage_map, self.sites_map, self.plan_map)) + len(
            self.layouts
        )


def gather(files: ReportFiles, words: Words, *, coarsen: bool, gcj02: bool, progress: Progress = SILENT) -> Content:
    """Read an operation, draw its maps and put its facts into words."""
    with progress.stage("reading", 1, "operation") as advance:
        source = read_source(files)
        sites = site_rows(source, coarsen)
        advance(1)
    return Content(
        title=source.title,
        dates=date_span(source, words),
        tiles=summary_tiles(source, words),
        missing=source.missing,
        coarsen=coarsen,
        gcj02=gcj02,
        damage_rows=damage_rows(source, words),
        site_rows=None if source.sites is None else sites,
        needs_groups=needs_groups(source, words),
        plan_rows=plan_rows(source, words),
        quality_rows=quality_rows(source, words),
        warnings=[str(text) for part in (source.plan, source.quality) for text in (part or {}).get("warnings") or []],
        uncertain=uncertainties(source, words),
        **_maps(source, sites, coarsen, progress),
    )


def _maps(source: Source, sites: list[dict[str, Any]], coarsen: bool, progress: Progress) -> dict[str, Any]:
    crs = figures.working_crs(source)
    shown = sites[:LAYOUTS_SHOWN]
    with progress.stage("maps", 3 + len(shown), "maps") as advance:
        maps: dict[str, Any] = {}
        for name, draw in (
            ("damage_map", figures.damage_figure),
            ("sites_map", figures.sites_figure),
            ("plan_map", figures.plan_figure),
        ):
            maps[name] = draw(source, crs, coarsen)
            advance(1)
        maps["layouts"] = []
        for site in shown:
            maps["layouts"].append((site, figures.site_figure(source, crs, site["site_id"], coarsen)))
            advance(1)
    return maps


def unit(name: str | None) -> str:
    """A unit as people write it; a plain ratio has none."""
    return {None: "", "1": "", "percent": "%", "m2": "m²", "m3": "m³", "degrees": "°"}.get(name, name or "")


def plain(words: Words, value: Any) -> str:
    """A measured value as short as it is exact enough."""
    if isinstance(value, bool | str):
        return str(value)
    return words.number(value, 0 if value is None or float(value).is_integer() else 2)
