"""Zip archives that may be damaged, enormous or hostile: what they hold, read one member at a time and never unpacked to disk."""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imagery.core.errors import BadInputError
from imagery.core.reading import LARGEST_FILE

__all__ = ["members", "read_member"]

DAMAGED = (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, OSError, ValueError)
MOST_MEMBERS = 10_000


def members(path: Path) -> list[str]:
    """The names in an archive that may be read: no folders, nothing hidden, nothing that points out of the archive."""
    with _opened(path) as archive:
        infos = archive.infolist()
    if len(infos) > MOST_MEMBERS:
        raise BadInputError(f"{path}: holds {len(infos)} files: give an archive with only the area's")
    if sum(info.file_size for info in infos) > LARGEST_FILE:
        raise BadInputError(f"{path}: unpacks to more than {LARGEST_FILE // 1_000_000} MB: refused")
    return [info.filename for info in infos if not info.is_dir() and _plain(info.filename)]


def read_member(path: Path, name: str) -> bytes:
    """A member's content, which may not unpack to more than a file may be large, whatever the archive says of its size."""
    with _opened(path) as archive, archive.open(name) as file:
        data = file.read(LARGEST_FILE + 1)
    if len(data) > LARGEST_FILE:
        raise BadInputError(f"{path}: unpacks to more than {LARGEST_FILE // 1_000_000} MB: refused")
    return data


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except KeyError:
        raise BadInputError(f"{path}: lacks a file that it should hold") from None
    except DAMAGED:
        raise BadInputError(
            f"{path}: is not a readable zip archive: damaged, or of another kind than its name says"
        ) from None


def _plain(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return (
        ".." not in parts and not name.startswith("/") and not any(part.startswith((".", "__MACOSX")) for part in parts)
    )
