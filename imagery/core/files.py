"""Writing files so that nothing half-written is ever found under its final name."""

import errno
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from imagery.core.errors import OutputError, SkyReliefError

__all__ = [
    "DISK_REASONS",
    "atomic_directory",
    "atomic_path",
    "check_writable",
    "explained_disk_errors",
    "to_json",
    "write_json",
    "write_text",
]


FULL = "the disk is full: free some space and give the command again"
DISK_REASONS = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: "the disk quota is used up: free some space and give the command again",
    errno.EFBIG: "the file would be larger than the file system allows: choose another output",
    errno.EACCES: "no permission to write there: choose another output",
    errno.EPERM: "no permission to write there: choose another output",
    errno.EROFS: "the disk is read-only: choose another output",
    errno.EEXIST: "a file of that name is in the way: choose another output",
    errno.ENOTDIR: "a part of this path is a file, not a folder: choose another output",
    errno.EISDIR: "a folder of that name is in the way: choose another output",
}
NEARLY_FULL_BYTES = 4 << 20


@contextmanager
def explained_disk_errors(path: str | Path) -> Iterator[None]:
    """Turn a failure to write below `path` into an OutputError that names it and says what to do.

    GDAL and SQLite report a full disk each in its own way and without an error number, so that any failure on a disk with
    next to no space left is put down to it.
    """
    try:
        yield
    except SkyReliefError:
        raise
    except Exception as error:
        why = DISK_REASONS.get(error.errno or 0) if isinstance(error, OSError) else None
        if isinstance(error, FileNotFoundError) and Path(path).name in Path(error.filename or "").name:
            why = "nothing can be made there: choose another output"
        if why is None and _nearly_full(Path(path)):
            why = FULL
        if why is None:
            raise
        raise OutputError(f"{path}: {why}") from error


def _nearly_full(path: Path) -> bool:
    """Whether the disk that holds `path`, or the nearest parent that exists, has next to no space left."""
    existing = next((folder for folder in (path, *path.absolute().parents) if folder.exists()), Path())
    usage = shutil.disk_usage(existing)
    return usage.total > 0 and usage.free < NEARLY_FULL_BYTES  # systems such as /proc have no size at all


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; on success it is renamed to `path`, on any failure removed.

    The temporary name keeps the suffix, since GDAL and others choose the format by it.
    """
    final = Path(path)
    temporary = final.with_name(f".{final.stem}.{os.getpid()}.tmp{final.suffix}")
    try:
        with explained_disk_errors(final):
            final.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            temporary.replace(final)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_directory(path: str | Path) -> Iterator[Path]:
    """Yield a temporary directory whose files are moved into `path` on success, and which is removed on any failure.

    Files of the same name in `path` are replaced one by one; others are left alone.
    """
    final = Path(path)
    with explained_disk_errors(final):
        final.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{final.name}.", suffix=".tmp", dir=final.parent))
        try:
            yield temporary
            final.mkdir(exist_ok=True)
            for item in sorted(temporary.iterdir()):
                target = final / item.name
                if target.is_dir() and not target.is_symlink():
                    shutil.rmtree(target)
                item.replace(target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def check_writable(folder: str | Path) -> None:
    """Raise OutputError unless a folder, or what of it exists, can be written to: before long work, not after it."""
    final = Path(folder)
    existing = next(parent for parent in (final, *final.absolute().parents) if parent.exists())
    try:
        with explained_disk_errors(final):
            tempfile.TemporaryFile(dir=existing).close()
    except FileNotFoundError:  # what /proc and the like answer
        raise OutputError(f"{final}: nothing can be written there: choose another output") from None


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text atomically with `\\n` line ends."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def _plain(value: Any) -> Any:
    """JSON values from numpy's and pathlib's; NaN and infinities become null, since JSON has neither."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return value.as_posix()
    return value


def to_json(value: Any, indent: int | None = 1) -> str:
    """Strict JSON text of nested dicts, lists, numpy values and paths."""
    return json.dumps(_plain(value), indent=indent, ensure_ascii=False, allow_nan=False)


def write_json(path: str | Path, value: Any, indent: int | None = 1) -> None:
    """Write strict JSON atomically; numpy values are accepted and NaN becomes null."""
    write_text(path, to_json(value, indent) + "\n")
