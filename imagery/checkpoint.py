"""Checkpoints of a long job: every stage's result is kept under the hash of what it was made from, so that a rerun goes on.

A stage counts as done only when its record has been written, which happens after its files have been renamed into place: a job
that is killed at any moment is taken up again at the last finished stage, with the same result.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagery.core.files import to_json, write_json

__all__ = ["Stage", "Workspace", "file_key", "key_of"]

HEAD_BYTES = 65536


def key_of(*parts: Any) -> str:
    """A short hash of nested plain values (numbers, texts, lists, dicts, None)."""
    return hashlib.blake2b(to_json(list(parts), indent=None).encode(), digest_size=12).hexdigest()


def file_key(path: str | Path) -> str:
    """A hash of a photo's content: its size, head (EXIF, XMP, thumbnail) and tail, which no two photos share."""
    path = Path(path)
    size = path.stat().st_size
    digest = hashlib.blake2b(str(size).encode(), digest_size=12)
    with path.open("rb") as file:
        digest.update(file.read(HEAD_BYTES))
        if size > HEAD_BYTES:
            file.seek(max(HEAD_BYTES, size - HEAD_BYTES))
            digest.update(file.read())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Stage:
    """A finished stage: what it returned, wall and CPU seconds it took when it ran, and whether that was now."""

    info: dict[str, Any]
    seconds: float
    cpu_seconds: float
    resumed: bool


class Workspace:
    """The work folder of a job: stages' records, and files that stages keep there."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def path(self, *parts: str) -> Path:
        """A path inside the work folder."""
        return self.folder.joinpath(*parts)

    def stage(self, name: str, key: str, outputs: list[Path], work: Callable[[], dict[str, Any]]) -> Stage:
        """Run `work` unless it has run with this key before and its outputs are still as it left them.

        `work` returns plain values that are kept with the record.
        """
        record_path = self.path(f"{name}.json")
        record = _read(record_path)
        if record and record.get("key") == key and record.get("outputs") == _state_of(outputs):
            return Stage(record["info"], record["seconds"], record["cpu_seconds"], resumed=True)
        record_path.unlink(missing_ok=True)
        wall, cpu = time.perf_counter(), _cpu_seconds()
        info = work()
        seconds, cpu_seconds = time.perf_counter() - wall, _cpu_seconds() - cpu
        write_json(
            record_path,
            {
                "key": key,
                "outputs": _state_of(outputs),
                "seconds": seconds,
                "cpu_seconds": cpu_seconds,
                "info": info,
            },
        )
        # Read back, so that a resumed job sees exactly the values that this one does.
        return Stage(json.loads(record_path.read_text(encoding="utf-8"))["info"], seconds, cpu_seconds, resumed=False)


def _cpu_seconds() -> float:
    """User and system time of this process and the children it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _read(path: Path) -> dict[str, Any] | None:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def _state_of(outputs: list[Path]) -> dict[str, list[int]] | None:
    """Size and time of every output; None when one is missing, which equals no record."""
    try:
        return {path.name: [path.stat().st_size, path.stat().st_mtime_ns] for path in outputs}
    except OSError:
        return None
