"""The report's words in English, Chinese, French and Spanish.

The English text is the key; `languages/<code>.toml` holds the others. What has no translation appears in English.
"""

import functools
import tomllib
from pathlib import Path
from typing import Any

from imagery.core.errors import BadInputError

__all__ = ["LANGUAGES", "Words"]

LANGUAGES = {"en": "English", "zh": "中文", "fr": "Français", "es": "Español"}
FOLDER = Path(__file__).parent / "languages"


class Words:
    """Translates a text by calling: `words("{count} photos", count=3)`.

    language: one of LANGUAGES.
    """

    def __init__(self, language: str = "en") -> None:
        if language not in LANGUAGES:
            raise BadInputError(f"no report in the language {language!r}: choose one of {', '.join(LANGUAGES)}")
        self.language = language
        self._catalogue = {} if language == "en" else _catalogue(language)

    def __call__(self, text: str, **values: Any) -> str:
        translated = self._catalogue.get(text, text)
        return translated.format(**values) if values else translated


@functools.cache
def _catalogue(language: str) -> dict[str, str]:
    return tomllib.loads((FOLDER / f"{language}.toml").read_text(encoding="utf-8"))
