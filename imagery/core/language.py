"""Words, numbers and dates in the reader's language, for everything that people read: the report, the flight brief, the console.

The English text is the key. A part of the program keeps its translations beside itself, as `languages/<code>.toml`: lines of
`"English" = "translation"`, plain text that a translator edits and a diff shows, with no step of compilation (which gettext's
catalogues need) and the standard library alone. `languages/` beside this module holds what several parts say, the planner's
warnings among it. Texts avoid plurals ("photos: 3"), so that no language needs rules for them. What has no translation appears in
English.
"""

import functools
import math
import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

from imagery.core.errors import BadInputError

__all__ = ["LANGUAGES", "Words"]

LANGUAGES = {"en": "English", "zh": "中文", "fr": "Français", "es": "Español"}
SHARED = Path(__file__).parent / "languages"
NARROW_SPACE, FIXED_SPACE = "\u202f", "\u00a0"
DECIMAL_COMMA = ("fr", "es")
MONTHS = {
    "en": "January February March April May June July August September October November December",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
}


class Words:
    """Translates a text by calling: `words("{count} photos", count=3)`.

    language: one of LANGUAGES; folders: of a part's translations, besides the shared ones.
    """

    def __init__(self, language: str = "en", *folders: Path) -> None:
        if language not in LANGUAGES:
            raise BadInputError(f"there is no language {language!r}: choose one of {', '.join(LANGUAGES)}")
        self.language = language
        self._catalogue: dict[str, str] = {}
        for folder in (SHARED, *folders) if language != "en" else ():
            self._catalogue |= read_catalogue(folder, language)

    def __call__(self, text: str, **values: Any) -> str:
        """The translation of a text, with values in place of its {names}."""
        translated = self._catalogue.get(text, text)
        return translated.format(**values) if values else translated

    def sentence(self, text: str) -> str:
        """The translation of a finished English sentence, such as a warning in a file.

        A key with {names} stands for every sentence of its form; what stands in their places is translated in the same way, or
        kept, numbers in the manner of the language.
        """
        if text in self._catalogue:
            return self._catalogue[text]
        for key, translated in self._catalogue.items():
            match = _pattern(key).fullmatch(text) if "{" in key else None
            if match:
                return translated.format(
                    **{name: self._figure(self.sentence(value)) for name, value in match.groupdict().items()}
                )
        return text

    def number(self, value: Any, digits: int = 0, unit: str = "") -> str:
        """A number for people, `digits` after the point, with its unit; unknown: a dash.

        Thousands are apart by a narrow space (ISO 80000-1), which every language reads; the decimal sign is the language's.
        """
        if value is None or (isinstance(value, float) and not math.isfinite(value)):
            return "–"
        text = f"{float(value):,.{digits}f}".replace(",", NARROW_SPACE)
        if self.language in DECIMAL_COMMA:
            text = text.replace(".", ",")
        return f"{text}{FIXED_SPACE}{unit}" if unit else text

    def date(self, day: date) -> str:
        """A date in full."""
        if self.language == "zh":
            return f"{day.year}年{day.month}月{day.day}日"
        month = MONTHS[self.language].split()[day.month - 1]
        if self.language == "es":
            return f"{day.day} de {month} de {day.year}"
        first = "er" if self.language == "fr" and day.day == 1 else ""
        return f"{day.day}{first} {month} {day.year}"

    def _figure(self, text: str) -> str:
        is_number = re.fullmatch(r"-?\d+\.\d+", text) is not None
        return text.replace(".", ",") if is_number and self.language in DECIMAL_COMMA else text


@functools.cache
def read_catalogue(folder: Path, language: str) -> dict[str, str]:
    """A folder's translations into a language by their English text."""
    return tomllib.loads((folder / f"{language}.toml").read_text(encoding="utf-8"))


@functools.cache
def _pattern(key: str) -> re.Pattern[str]:
    """What sentences of a key's form look like."""
    parts = re.split(r"\{(\w+)\}", key)
    return re.compile("".join(f"(?P<{part}>.+?)" if i % 2 else re.escape(part) for i, part in enumerate(parts)))
