"""Writing files so that nothing half-written is ever found under its final name."""

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

from imagery.core.errors import BadInputError

__all__ = ["atomic_directory", "atomic_path", "explained_os_error", "write_json", "write_text"]


def explained_os_error(error: OSError, path: Path) -> BadInputError:
    """An operating system error on `path`, said so that a person can act on it."""
    reasons = {
        28: "the disk is full: free some space and run the command again",
        122: "the disk quota is used up: free some space and run the command again",
        13: "no permission to write there: choose another output",
        30: "the disk is read-only: choose another output",
    }
    why = reasons.get(error.errno or 0, error.strerror or str(error))
    return BadInputError(f"{path}: {why}")


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; on success it is renamed to `path`, on any failure removed.

    The temporary name keeps the suffix, since GDAL and others choose the format by it.
    """
    final = Path(path)
    temporary = final.with_name(f".{final.stem}.{os.getpid()}.tmp{final.suffix}")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(final)
    except OSError as error:
        if error.errno in (13, 28, 30, 122):
            raise explained_os_error(error, final) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_directory(path: str | Path) -> Iterator[Path]:
    """Yield a temporary directory whose files are moved into `path` on success, and which is removed on any failure.

    Files of the same name in `path` are replaced one by one; others are left alone.
    """
    final = Path(path)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{final.name}.", suffix=".tmp", dir=final.parent))
    except OSError as error:
        raise explained_os_error(error, final) from error
    try:
        yield temporary
        final.mkdir(exist_ok=True)
        for item in sorted(temporary.iterdir()):
            target = final / item.name
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)
            item.replace(target)
    except OSError as error:
        if error.errno in (13, 17, 20, 28, 30, 122):
            raise explained_os_error(error, final) from error
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


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
