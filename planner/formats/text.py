"""Reading the text and the JSON of a file that may be anything."""

import json
from pathlib import Path
from typing import Any

from imagery.core.errors import BadInputError

__all__ = ["brief", "read_json", "read_text"]

LARGEST_FILE = 400_000_000  # bytes


def read_text(path: Path, instead: str) -> str:
    """A file's text in UTF-8, with or without a byte order mark; `instead`: what to give when it is not that."""
    if not path.exists():
        raise BadInputError(f"{path}: there is no such file: give {instead}")
    if path.is_dir():
        raise BadInputError(f"{path}: is a folder: give {instead}")
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise BadInputError(f"{path}: is larger than {LARGEST_FILE // 1_000_000} MB: give {instead}")
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInputError(f"{path}: is not text in UTF-8: give {instead}") from None
    except OSError as error:
        raise BadInputError(f"{path}: cannot be read ({error.strerror}): give {instead}") from None
    if not text.strip():
        raise BadInputError(f"{path}: is empty: give {instead}")
    return text


def read_json(path: Path, instead: str) -> Any:
    """A file's JSON; `instead`: what to give when it is not that."""
    text = read_text(path, instead)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise BadInputError(f"{path}: is not JSON from {place} on: give {instead}") from None
    except (ValueError, RecursionError):  # numbers of thousands of digits, lists within lists within lists
        raise BadInputError(f"{path}: is not JSON that anybody would write: give {instead}") from None


def brief(error: Exception) -> str:
    """The first line of an error's message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:100]
