"""Words, numbers and dates in four languages; the bundled typeface; the colours of the grades."""

import re
import string
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from fontTools.ttLib import TTFont

import imagery
import planner
from imagery.core.errors import BadInputError
from imagery.core.fonts import font_files, text_width
from imagery.core.grades import GRADE_COLOURS
from imagery.core.language import LANGUAGES, Words, read_catalogue

ROOTS = [Path(package.__file__ or "").parent for package in (imagery, planner)]
FOLDERS = sorted({path.parent for root in ROOTS for path in root.rglob("languages/*.toml")})
TRANSLATED = sorted(set(LANGUAGES) - {"en"})


def test_there_are_catalogues() -> None:
    assert len(FOLDERS) >= 2


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_catalogues_have_the_same_keys_and_the_same_values_in_them(folder: Path) -> None:
    catalogues = {language: read_catalogue(folder, language) for language in TRANSLATED}
    for language, catalogue in catalogues.items():
        assert set(catalogue) == set(catalogues["zh"]), language
        for key, text in catalogue.items():
            fields = [{name for _, name, _, _ in string.Formatter().parse(side) if name} for side in (key, text)]
            assert fields[0] == fields[1], (language, key)
            assert text.strip(), key


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_the_typeface_has_every_character_of_the_translations(folder: Path) -> None:
    with TTFont(font_files(False)[0]) as regular, TTFont(font_files(True)[0]) as bold:
        covered = set(regular.getBestCmap()) & set(bold.getBestCmap())
    for language in TRANSLATED:
        for text in read_catalogue(folder, language).values():
            assert set(map(ord, text)) <= covered, (language, text)


def test_a_text_without_translation_is_english() -> None:
    assert Words("zh")("nobody translated {this}", this=3) == "nobody translated 3"


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(BadInputError, match="there is no language 'de': choose one of en, zh, fr, es"):
        Words("de")


@pytest.mark.parametrize(
    ("language", "expected"),
    [("en", "12 345.60_m"), ("zh", "12 345.60_m"), ("fr", "12 345,60_m"), ("es", "12 345,60_m")],
)
def test_numbers(language: str, expected: str) -> None:
    words = Words(language)
    assert words.number(12345.6, 2, "m").replace("\u202f", " ").replace("\u00a0", "_") == expected
    assert [words.number(None), words.number(float("nan"), 1, "m")] == ["–", "–"]


def test_dates() -> None:
    days = date(2026, 5, 1), date(2026, 12, 31)
    assert {language: [Words(language).date(day) for day in days] for language in LANGUAGES} == {
        "en": ["1 May 2026", "31 December 2026"],
        "zh": ["2026年5月1日", "2026年12月31日"],
        "fr": ["1er mai 2026", "31 décembre 2026"],
        "es": ["1 de mayo de 2026", "31 de diciembre de 2026"],
    }


def test_a_finished_sentence_is_recognised_by_its_form(tmp_path: Path) -> None:
    line = '"{speed} m/s is more than {limit}. Turn back (now)" = "plus que {limit} : {speed} m/s"'
    (tmp_path / "fr.toml").write_text(line, encoding="utf-8")
    words = Words("fr", tmp_path)
    assert words.sentence("12.5 m/s is more than 8. Turn back (now)") == "plus que 8 : 12,5 m/s"
    assert words.sentence("12.5 m/s is less than 8") == "12.5 m/s is less than 8"


def test_widths_are_those_of_the_drawn_text() -> None:
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    for bold in (False, True):
        font = FontProperties(fname=font_files(bold)[0])
        for text in ("Batterie 18,5 min", "航线长度 12 km"):
            drawn = TextPath((0, 0), text, size=100, prop=font).get_extents().width
            assert text_width(text, 100, bold) == pytest.approx(drawn, rel=0.06)


def test_every_character_of_gb_2312_and_names_beyond_it_have_a_width() -> None:
    hanzi = [bytes([high, low]).decode("gb2312", "ignore") for high in range(0xB0, 0xF8) for low in range(0xA1, 0xFF)]
    assert {text_width(character, 1.0) for character in hanzi if character} == {1.0}
    assert 0.3 < text_width("ş", 1.0) < 0.8


# Machado, Oliveira and Fernandes 2009, full severity, on linear RGB.
BLIND = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    "none": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
}


def linear(colour: str) -> np.ndarray:
    assert re.fullmatch("#[0-9a-f]{6}", colour)
    value = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ rgb.clip(0, 1)
    f = np.cbrt(xyz / [0.9505, 1.0, 1.089])
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("kind", sorted(BLIND))
def test_grades_are_told_apart_by_everybody(kind: str) -> None:
    seen = [lab(np.array(BLIND[kind]) @ linear(colour)) for colour in GRADE_COLOURS.values()]
    differences = [np.linalg.norm(a - b) for i, a in enumerate(seen) for b in seen[:i]]
    assert min(differences) > 18


def test_graver_is_darker() -> None:
    lightness = [lab(linear(GRADE_COLOURS[name]))[0] for name in ("Possibly damaged", "Damaged", "Destroyed")]
    assert lightness[0] > lightness[1] + 15 > lightness[2] + 30
