"""Write a plan's brief: an HTML page that prints as one A4 sheet for each flight, and a PDF of the same sheets."""

import base64
import html
import io
import re
from dataclasses import dataclass
from pathlib import Path

from imagery.core.errors import BadInputError
from imagery.core.files import atomic_path, write_text
from imagery.core.fonts import FAMILIES, font_files
from imagery.core.language import Words
from imagery.core.progress import SILENT, Progress
from planner.brief.page import draw_page
from planner.brief.scene import scenes
from planner.brief.sheet import Sheet, pdf_of
from planner.formats import plan_geojson

__all__ = ["BriefResult", "write_brief"]

LANGUAGE_FOLDER = Path(__file__).parent / "languages"
STYLE = """
@page { size: A4; margin: 0 }
body { margin: 0 }
main { width: 210mm; height: 296.5mm; overflow: hidden; break-inside: avoid }
main + main { break-before: page }
svg { display: block; width: 210mm; height: 297mm }
@media screen {
body { background: #d9dde1 }
main { margin: 5mm auto; background: white; box-shadow: 0 0 3mm #0004; max-width: 100%; height: auto }
svg { max-width: 100%; height: auto }
}"""


@dataclass(frozen=True, slots=True)
class BriefResult:
    """What was written: the HTML page, the PDF if any, and how many flights, each on one sheet."""

    path: Path
    pdf: Path | None
    flights: int


def write_brief(
    plan: str | Path, out: str | Path, *, language: str = "en", pdf: bool = False, progress: Progress = SILENT
) -> BriefResult:
    """Write the brief of every flight of a plan into one HTML file, and with `pdf` into a PDF of the same name beside it.

    plan: the plan's folder or its plan.geojson; out: a name that ends in .html, or a folder for brief.html; language: en, zh, fr
    or es. The same plan gives the same files. Raises BadInputError where the plan cannot be read or `out` is of another kind.
    """
    words, page = Words(language, LANGUAGE_FOLDER), _page_name(Path(out))
    read = plan_geojson.read(plan)
    found = scenes(read)
    sheets = []
    with progress.stage("brief", len(found), "flights") as advance:
        for scene in found:
            sheets.append(draw_page(scene, words))
            advance(1)
        title = f"{words('Survey flight brief')}: {read.spec.area.name}"
        beside = page.with_suffix(".pdf") if pdf else None
        if beside:
            with atomic_path(beside) as temporary:
                temporary.write_bytes(pdf_of(sheets, title, words.language))
        write_text(page, _html(sheets, title, words.language))
    return BriefResult(page, beside, len(sheets))


def _page_name(out: Path) -> Path:
    suffix = out.suffix.lower()
    if suffix == ".pdf":
        raise BadInputError(
            f"{out}: is the page's name, and the PDF goes beside it: give one that ends in .html, and --pdf"
        )
    return out if suffix in (".html", ".htm") else out / "brief.html"


def _html(sheets: list[Sheet], title: str, language: str) -> str:
    pages = "\n".join(f"<main>{_inline(sheet.svg())}</main>" for sheet in sheets)
    faces = "".join(
        _font_face(set().union(*(sheet.characters[bold] for sheet in sheets)), bold) for bold in (False, True)
    )
    return (
        f'<!doctype html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{faces}{STYLE}\n</style>\n</head>\n<body>\n{pages}\n</body>\n</html>\n"
    )


def _inline(svg: str) -> str:
    """An SVG as part of a page: ids that other sheets have too, and what only a file of its own needs, left out."""
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    return re.sub(r' id="[A-Za-z0-9]+_\d+"', "", svg)


def _font_face(characters: set[str], bold: bool) -> str:
    """The characters that a page uses of each font, as fonts within the page."""
    from fontTools import subset

    rules = []
    for family, path in zip(FAMILIES, font_files(bold), strict=True):
        options = subset.Options(
            flavor="woff", layout_features=["kern"], hinting=False, name_IDs=[1, 2, 13], notdef_outline=True
        )
        with subset.load_font(path, options) as font, io.BytesIO() as buffer:
            used = {ord(character) for character in characters} & set(font.getBestCmap())
            characters = {character for character in characters if ord(character) not in used}
            if not used:
                continue
            cutter = subset.Subsetter(options)
            cutter.populate(unicodes=used)
            cutter.subset(font)
            subset.save_font(font, buffer, options)
            data = base64.b64encode(buffer.getvalue()).decode("ascii")
        source = f"src: url(data:font/woff;base64,{data})"
        weight = "bold" if bold else "normal"
        rules.append(f'\n@font-face {{ font-family: "{family}"; font-weight: {weight}; {source} }}')
    return "".join(rules)
