"""The report: an operation's products as one HTML page that needs no network and prints on A4."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagery.core.files import write_text
from imagery.core.progress import SILENT, Progress
from imagery.report import figures
from imagery.report.facts import (
    damage_rows,
    date_span,
    needs_groups,
    number,
    plan_rows,
    quality_rows,
    site_rows,
    summary_tiles,
)
from imagery.report.language import Words
from imagery.report.source import ReportFiles, Source, read_source
from imagery.report.uncertain import uncertainties

__all__ = ["ReportResult", "write_report"]

TEMPLATE = Path(__file__).parent / "page.html.j2"
STYLE = Path(__file__).parent / "page.css"
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
class ReportResult:
    """What was written: the page, its size in bytes, the parts that it lacks, how many maps and statements of uncertainty."""

    path: Path
    size_bytes: int
    missing: tuple[str, ...]
    maps: int
    uncertainties: int


def write_report(
    files: ReportFiles,
    out: str | Path,
    *,
    language: str = "en",
    coarsen: bool = False,
    gcj02: bool = False,
    progress: Progress = SILENT,
) -> ReportResult:
    """Write the report of an operation as one HTML file.

    language: en, zh, fr or es; coarsen: 100 m cells instead of buildings, no image, coordinates to 100 m; gcj02: a column of the
    coordinates that Chinese map applications show. Raises BadInputError when there is nothing to report or a product is broken.
    """
    words = Words(language)
    out = Path(out)
    with progress.stage("reading", 1, "operation") as advance:
        source = read_source(files)
        sites = site_rows(source, coarsen)
        advance(1)
    maps = _maps(source, sites, coarsen, progress)
    uncertain = uncertainties(source, words)
    text = _render(
        words,
        title=source.title,
        dates=date_span(source),
        tiles=summary_tiles(source, words),
        missing=[words(PARTS[name]) for name in source.missing],
        coarsen=coarsen,
        gcj02=gcj02,
        colours=figures.GRADES,
        damage_rows=damage_rows(source),
        site_rows=None if source.sites is None else sites,
        plan_rows=plan_rows(source, words),
        quality_rows=quality_rows(source, words),
        warnings=(source.plan or {}).get("warnings", []),
        uncertain=uncertain,
        needs_groups=needs_groups(source),
        **maps,
    )
    write_text(out, text)
    drawn = sum(maps[name] is not None for name in ("damage_map", "sites_map", "plan_map")) + len(maps["layouts"])
    return ReportResult(out, len(text.encode()), source.missing, drawn, len(uncertain))


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


def _unit(name: str | None) -> str:
    """A unit as people write it; a plain ratio has none."""
    return {None: "", "1": "", "percent": "%", "m2": "m²", "m3": "m³", "degrees": "°"}.get(name, name or "")


def _plain(value: Any) -> str:
    """A measured value as short as it is exact enough."""
    if isinstance(value, bool | str):
        return str(value)
    return "–" if value is None else number(value, 0 if float(value).is_integer() else 2)


def _render(words: Words, **context: Any) -> str:
    from jinja2 import Environment
    from markupsafe import Markup

    environment = Environment(autoescape=True, trim_blocks=False, lstrip_blocks=True, keep_trailing_newline=True)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    style = Markup(STYLE.read_text(encoding="utf-8"))  # our own file  # noqa: S704
    return template.render(
        t=words, number=number, plain=_plain, unit=_unit, style=style, language=words.language, **context
    )
