"""Reading the text, JSON and XML of a file that may be anything: damaged, huge, hostile or of another kind than its name says."""

import json
from pathlib import Path
from typing import Any

from imagery.core.errors import BadInputError

__all__ = ["LARGEST_FILE", "check_file", "parse_json", "parse_xml", "read_json", "read_text"]

LARGEST_FILE = 400_000_000  # bytes, unpacked


def check_file(path: Path, instead: str) -> None:
    """Raise BadInputError unless `path` is a file with content, and not too much of it; `instead`: what to give then."""
    if not path.exists():
        raise BadInputError(f"{path}: there is no such file: give {instead}")
    if path.is_dir():
        raise BadInputError(f"{path}: is a folder: give {instead}")
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise BadInputError(f"{path}: is larger than {LARGEST_FILE // 1_000_000} MB: give {instead}")
    if size == 0:
        raise BadInputError(f"{path}: the file is empty: give {instead}")


def read_text(path: Path, instead: str) -> str:
    """A file's text in UTF-8, with or without a byte order mark; `instead`: what to give when it is not that."""
    check_file(path, instead)
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInputError(f"{path}: is not text in UTF-8: give {instead}") from None
    except OSError as error:
        raise BadInputError(f"{path}: cannot be read ({error.strerror}): give {instead}") from None


def read_json(path: Path, instead: str) -> Any:
    """A file's JSON; `instead`: what to give when it is not that."""
    return parse_json(read_text(path, instead), str(path), instead)


def parse_json(text: str, where: str, instead: str) -> Any:
    """The value of a JSON text. NaN and infinities, which JSON has not, are refused."""
    try:
        return json.loads(text, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise BadInputError(f"{where}: is not JSON from {place} on: give {instead}") from None
    except RecursionError:
        raise BadInputError(f"{where}: is JSON too deeply nested: give {instead}") from None
    except ValueError:
        number = "NaN, an infinity or a number of thousands of digits"
        raise BadInputError(f"{where}: is not JSON, it holds {number}: give {instead}") from None


def _no_number(name: str) -> None:
    raise ValueError(name)


def parse_xml(data: bytes, where: str, kind: str) -> Any:
    """The root element of an XML document that defines no entities; `kind`: what it should be, as KML."""
    import defusedxml.ElementTree
    from defusedxml.common import DefusedXmlException

    try:
        return defusedxml.ElementTree.fromstring(data)
    except DefusedXmlException:
        raise BadInputError(f"{where}: defines entities, which a {kind} has no need of: refused") from None
    except (SyntaxError, ValueError, LookupError) as error:
        line, column = getattr(error, "position", (1, 0))
        raise BadInputError(f"{where}: is not readable {kind} from line {line}, column {column + 1} on") from None
