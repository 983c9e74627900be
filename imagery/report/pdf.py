"""The report as a PDF on A4, with the same content as the page."""

from collections.abc import Sequence
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

from imagery.core.errors import BadInputError
from imagery.core.fonts import font_files
from imagery.core.language import Words
from imagery.report.content import PARTS, Content, plain, unit
from imagery.report.figures import Figure

__all__ = ["check_pdf", "render_pdf"]

WIDTH_MM, MARGIN_MM, TALLEST_MAP_MM = 210.0, 14.0, 150.0
INK, SOFT, ACCENT, TINT, CAUTION = (28, 39, 51), (91, 107, 123), (11, 92, 138), (243, 246, 249), (255, 248, 230)
LINE = (200, 208, 216)


def check_pdf() -> None:
    """Raise BadInputError where no PDF can be made, before any work is done for it."""
    advice = "open the HTML page in a browser and print it to PDF (it is laid out for A4)"
    try:
        import fpdf  # noqa: F401
    except ImportError as error:
        raise BadInputError(f"a PDF needs the package fpdf2: install skyrelief[pdf], or {advice}") from error


def render_pdf(content: Content, words: Words) -> bytes:
    """The PDF's bytes; the same content gives the same bytes."""
    sheet = _Sheet(content.title, words)
    sheet.head(content)
    _damage(sheet, content, words)
    _sites(sheet, content, words)
    _needs(sheet, content, words)
    _survey(sheet, content, words)
    sheet.heading(words("What is uncertain"))
    for text in content.uncertain:
        sheet.paragraph(f"•  {text}")
    return sheet.output()


def _damage(sheet: "_Sheet", content: Content, words: Words) -> None:
    if not content.damage_rows:
        return
    sheet.heading(words("Damage"))
    if content.coarsen:
        sheet.paragraph(
            words(
                "Buildings are shown as cells of 100 m only, without the image, to protect the people who live there."
            )
        )
    sheet.map(content.damage_map)
    names = ("Grade", "Buildings", "Share", "Footprint", "Roof damaged, mean")
    rows = [(words(row["grade"]), row["count"], row["share"], row["area"], row["roof"]) for row in content.damage_rows]
    sheet.table([words(name) for name in names], rows, (5, 2, 2, 3, 3), "LRRRR")


def _sites(sheet: "_Sheet", content: Content, words: Words) -> None:
    if content.site_rows is None:
        return
    sheet.heading(words("Tent sites"))
    if not content.site_rows:
        sheet.paragraph(words("No ground in this area meets the standards. See rules.json for what excluded it."))
        return
    sheet.map(content.sites_map)
    names = [
        words(name) for name in ("Site", "People", "Tents", "Area", "Slope", "Score", "Latitude, longitude (WGS 84)")
    ]
    rows = [
        [
            str(site["site_id"]), words.number(site["persons"]), words.number(site["tents"]),
            words.number(site["area_m2"] / 1e4, 2, "ha"), words.number(site.get("slope_pct"), 1, "%"),
            words.number(site.get("score"), 2), f"{site['latitude']}, {site['longitude']}",
        ]
        + ([site["gcj02"]] if content.gcj02 else [])
        for site in content.site_rows
    ]  # fmt: skip
    names += ["GCJ-02"] if content.gcj02 else []
    sheet.table(names, rows, (1, 2, 2, 2, 2, 2, 5, 5)[: len(names)], "LRRRRRLL"[: len(names)])
    for site, figure in content.layouts:
        sheet.page()
        people = words(
            "{people} people, {tents} tents", people=words.number(site["persons"]), tents=words.number(site["tents"])
        )
        sheet.heading(f"{words('Site {number}', number=site['site_id'])}: {people}", small=True)
        sheet.map(figure)
        factors = [
            (
                words(f["name"]),
                f"{plain(words, f['value'])} {unit(f['unit'])}",
                words.number(f["factor"], 2),
                words.number(f["weight"], 2),
            )
            for f in site["factors"]
        ]
        sheet.table(
            [words(n) for n in ("Factor", "Measured", "Factor 0 to 1", "Weight")], factors, (5, 3, 2, 2), "LRRR"
        )
        rules = [
            (words.sentence(rule["text"]), _limit(rule, words), plain(words, rule["measured"]), words(rule["verdict"]))
            for rule in site["rules"]
        ]
        sheet.table([words(name) for name in ("Rule", "Limit", "Measured", "Verdict")], rules, (8, 3, 2, 2), "LRRL")


def _limit(rule: dict[str, Any], words: Words) -> str:
    sign = {">=": "≥", "<=": "≤", "==": "="}.get(rule["comparison"], rule["comparison"])
    return f"{sign} {plain(words, rule['limit'])} {unit(rule['unit'])}"


def _needs(sheet: "_Sheet", content: Content, words: Words) -> None:
    if content.needs_groups:
        sheet.heading(words("Needs"))
    for section, rows in content.needs_groups:
        if section:
            sheet.heading(words(section.capitalize()), small=True)
        cells = [
            (
                words(row["item"]),
                row["p10"],
                row["p50"],
                row["p90"],
                words(unit(row["unit"])),
                row.get("code", ""),
                row["remark"],
            )
            for row in rows
        ]
        names = [words("Item"), "P10", "P50", "P90", words("Unit"), words("Code"), words("Remark")]
        sheet.table(names, cells, (6, 2, 2, 2, 3, 4, 8), "LRRRLLL")


def _survey(sheet: "_Sheet", content: Content, words: Words) -> None:
    if not (content.plan_map or content.plan_rows or content.quality_rows):
        return
    sheet.heading(words("Survey"))
    sheet.map(content.plan_map)
    for name, rows in (("Plan", content.plan_rows), ("Quality of the mosaic", content.quality_rows)):
        if rows:
            sheet.heading(words(name), small=True)
            sheet.table([], rows, (5, 5), "LR")
    for warning in content.warnings:
        sheet.paragraph(words.sentence(warning))


class _Sheet:
    """The document being written, with the few forms that it is made of."""

    def __init__(self, title: str, words: Words) -> None:
        from fpdf import FPDF

        self._words = words
        self._pdf: FPDF = FPDF(format="A4")
        for bold, style in ((False, ""), (True, "B")):
            for family, path in zip(("body", "others"), font_files(bold), strict=True):
                self._pdf.add_font(family, style, path)
        self._pdf.set_fallback_fonts(["others", "body"], exact_match=False)
        self._pdf.set_margins(MARGIN_MM, MARGIN_MM, MARGIN_MM)
        self._pdf.set_auto_page_break(True, MARGIN_MM)
        self._pdf.set_title(title)
        self._pdf.set_lang(words.language)
        self._pdf.set_creation_date(datetime(2000, 1, 1, tzinfo=UTC))  # else every run would give another file
        self.page()

    def page(self) -> None:
        """Begin a page."""
        self._pdf.add_page()

    def head(self, content: Content) -> None:
        """Title, date, figures of the summary, and what is missing."""
        self._text(self._words("Relief report"), 10, ACCENT, bold=True)
        self._text(content.title, 20, INK, bold=True)
        if content.dates:
            self._text(self._words("Photos of {dates}", dates=content.dates), 9, SOFT)
        self.heading(self._words("Summary"))
        rows = [(tile.name, tile.value, tile.note) for tile in content.tiles]
        self.table([], rows, (5, 3, 7), "LRL")
        if content.uncertain:
            self._text(content.uncertain[0], 9, INK, fill=CAUTION)
        if content.missing:
            names = ", ".join(self._words(PARTS[name]) for name in content.missing)
            lead = self._words("Not in this report, because it has not been made yet:")
            self._text(f"{lead} {names}.", 9, INK, fill=CAUTION)

    def heading(self, text: str, small: bool = False) -> None:
        """A heading that stays with what follows."""
        if self._pdf.get_y() > 297 - MARGIN_MM - 40:
            self.page()
        self._pdf.ln(2 if small else 5)
        self._text(text, 11 if small else 14, INK, bold=True)

    def paragraph(self, text: str) -> None:
        """Running text."""
        self._text(text, 9, INK)

    def map(self, figure: Figure | None) -> None:
        """A map and its legend."""
        if figure is None:
            return
        width = min(WIDTH_MM - 2 * MARGIN_MM, TALLEST_MAP_MM * figure.width_px / figure.height_px)
        height = width * figure.height_px / figure.width_px
        if self._pdf.get_y() + height + 8 > 297 - MARGIN_MM:
            self.page()
        self._pdf.image(BytesIO(figure.jpeg), w=width, h=height)
        self._legend(figure)

    def table(self, names: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int], align: str) -> None:
        """A table; without names it has no head."""
        from fpdf.enums import TableBordersLayout
        from fpdf.fonts import FontFace

        if not rows:
            return
        self._pdf.set_font("body", "", 8)
        self._pdf.set_text_color(*INK)
        self._pdf.set_fill_color(255)
        self._pdf.set_draw_color(*LINE)
        with self._pdf.table(
            col_widths=tuple(widths), text_align=tuple({"L": "LEFT", "R": "RIGHT"}[letter] for letter in align),
            borders_layout=TableBordersLayout.HORIZONTAL_LINES, line_height=4.6, padding=(0.6, 1.2),
            first_row_as_headings=bool(names), headings_style=FontFace(emphasis="BOLD", fill_color=TINT),
        ) as table:  # fmt: skip
            for row in ([names] if names else []) + list(rows):
                table.row([str(cell) for cell in row])
        self._pdf.ln(2)

    def output(self) -> bytes:
        """The finished document."""
        return bytes(self._pdf.output())

    def _legend(self, figure: Figure) -> None:
        self._pdf.set_font("body", "", 8)
        self._pdf.set_text_color(*INK)
        self._pdf.ln(1)
        for key in figure.keys:
            text = self._words(key.name) + (f"  {self._words.number(key.count)}" if key.count is not None else "")
            needed = 7 + self._pdf.get_string_width(text) + 5
            if self._pdf.get_x() + needed > WIDTH_MM - MARGIN_MM:
                self._pdf.ln(5)
            x, y = self._pdf.get_x(), self._pdf.get_y()
            self._pdf.set_fill_color(key.edge if key.form == "line" else key.fill)
            self._pdf.set_draw_color(key.edge)
            self._pdf.rect(
                x, y + (1.6 if key.form == "line" else 0.9), 5, 0.8 if key.form == "line" else 2.6, style="DF"
            )
            self._pdf.set_x(x + 6.5)
            self._pdf.cell(needed - 6.5, 4.4, text)
        self._pdf.set_draw_color(0)
        self._pdf.ln(7)

    def _text(
        self,
        text: str,
        size: float,
        colour: tuple[int, int, int],
        bold: bool = False,
        fill: tuple[int, int, int] | None = None,
    ) -> None:
        self._pdf.set_font("body", "B" if bold else "", size)
        self._pdf.set_text_color(*colour)
        if fill:
            self._pdf.set_fill_color(*fill)
        self._pdf.multi_cell(
            0, size * 0.5, text, fill=fill is not None, new_x="LMARGIN", new_y="NEXT", align="L", padding=1
        )
        if fill:
            self._pdf.ln(1.5)
