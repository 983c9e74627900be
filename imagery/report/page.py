"""The report as one HTML page that needs no network, reads on a phone and prints on A4."""

from dataclasses import fields
from functools import partial
from pathlib import Path

from imagery.core.grades import GRADE_COLOURS
from imagery.core.language import Words
from imagery.report.content import PARTS, Content, plain, unit

__all__ = ["render_page"]

TEMPLATE = Path(__file__).parent / "page.html.j2"
STYLE = Path(__file__).parent / "page.css"


def render_page(content: Content, words: Words) -> str:
    """The page's HTML."""
    from jinja2 import Environment
    from markupsafe import Markup

    environment = Environment(autoescape=True, trim_blocks=False, lstrip_blocks=True, keep_trailing_newline=True)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    values = {field.name: getattr(content, field.name) for field in fields(content)}
    return template.render(
        values | {"missing": [words(PARTS[name]) for name in content.missing]},
        t=words,
        number=words.number,
        plain=partial(plain, words),
        unit=unit,
        colours=GRADE_COLOURS,
        language=words.language,
        style=Markup(STYLE.read_text(encoding="utf-8")),  # our own file  # noqa: S704
    )
