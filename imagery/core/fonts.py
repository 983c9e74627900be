"""The typeface of printed pages: Noto Sans SC, bundled, so that a page looks the same on every machine and in every language.

It covers Chinese (GB 2312) and western European Latin; what it lacks, such as Turkish or Cyrillic names, is taken from DejaVu
Sans, which comes with matplotlib. Origin and licence: `data/FONTS.md`, `data/OFL.txt`.
"""

import functools
from pathlib import Path

__all__ = ["FAMILIES", "font_files", "text_width"]

FOLDER = Path(__file__).parent / "data"
FAMILIES = ("Noto Sans SC", "DejaVu Sans")  # in the order in which a character is looked for


def font_files(bold: bool = False) -> tuple[Path, Path]:
    """The font files of FAMILIES."""
    import matplotlib as mpl

    style = "Bold" if bold else "Regular"
    fallback = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return FOLDER / f"NotoSansSC-{style}.ttf", Path(mpl.get_data_path()) / "fonts/ttf" / fallback


def text_width(text: str, size: float, bold: bool = False) -> float:
    """The width of a line of text without kerning, in the unit of `size`, the height of the em."""
    advances = _advances(bold)
    return size * sum(advances.get(character, 1.0) for character in text)


@functools.cache
def _advances(bold: bool) -> dict[str, float]:
    """The advance of every character in ems, of the first font that has it."""
    from fontTools.ttLib import TTFont

    found: dict[str, float] = {}
    for path in font_files(bold):
        with TTFont(path, lazy=True) as font:
            em, metrics = font["head"].unitsPerEm, font["hmtx"].metrics
            found = {chr(code): metrics[glyph][0] / em for code, glyph in font.getBestCmap().items()} | found
    return found
