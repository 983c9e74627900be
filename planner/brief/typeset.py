"""Lines of text for a place of a given width, Chinese among it, where a line may end after any character."""

import functools
import re

from imagery.core.fonts import text_width

__all__ = ["MM", "shortened", "wrapped"]

MM = 25.4 / 72  # millimetres in a point
# What stays together on a line: a word with its space, or one Chinese character with the punctuation that hangs on it.
_WIDE = "\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\u3000-\u303f"
_OPENING, _CLOSING = (
    "(\uff08\u300a\u201c\u3010",
    "),.;:?!%\uff09\uff0c\u3002\u3001\uff1b\uff1a\uff1f\uff01\u300b\u201d\u3011",
)
_PIECES = re.compile(
    rf"[{re.escape(_OPENING)}]*[{_WIDE}][{re.escape(_CLOSING)}]*|[^\s{_WIDE}]+[{re.escape(_CLOSING)}]*|\s+"
)


@functools.lru_cache(maxsize=4096)
def wrapped(text: str, width_mm: float, size_pt: float, bold: bool = False) -> tuple[str, ...]:
    """The text in lines of at most `width_mm`; a word that is wider than a line is cut."""
    lines: list[str] = []
    line = ""
    for piece in _PIECES.findall(text):
        if text_width((line + piece).rstrip(), size_pt, bold) * MM <= width_mm:
            line += piece
            continue
        if line.strip():
            lines.append(line.rstrip())
        line = piece.lstrip()
        while line and text_width(line, size_pt, bold) * MM > width_mm:
            fits = next(n for n in range(len(line) - 1, 0, -1) if n == 1 or _fits(line[:n], width_mm, size_pt, bold))
            lines.append(line[:fits])
            line = line[fits:]
    return (*lines, line.rstrip()) if line.strip() else tuple(lines)


def shortened(text: str, width_mm: float, size_pt: float, bold: bool = False) -> str:
    """The text, or its beginning and an ellipsis where it is wider."""
    if _fits(text, width_mm, size_pt, bold):
        return text
    while text and not _fits(f"{text}…", width_mm, size_pt, bold):
        text = text[:-1]
    return f"{text.rstrip()}…"


def _fits(text: str, width_mm: float, size_pt: float, bold: bool) -> bool:
    return text_width(text, size_pt, bold) * MM <= width_mm
