"""Nothing half-written is ever found under its final name, whatever goes wrong."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest

from imagery.core.errors import BadInputError, LinkError, NotEnoughDataError, OutputError, SkyReliefError
from imagery.core.files import atomic_directory, atomic_path, to_json, write_json, write_text
from imagery.core.progress import SILENT, Progress


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_whole_with_its_folders(tmp_path: Path) -> None:
    write_text(tmp_path / "a/b/note.txt", "grün\nline\n")
    assert (tmp_path / "a/b/note.txt").read_bytes() == "grün\nline\n".encode()
    assert entries(tmp_path / "a/b") == ["note.txt"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "out.tif"
    target.write_text("old")
    with pytest.raises(ValueError, match="wrong"), atomic_path(target) as temporary:
        assert temporary.suffix == ".tif"
        temporary.write_text("half")
        raise ValueError("wrong")
    assert target.read_text() == "old"
    assert entries(tmp_path) == ["out.tif"]


def test_an_interruption_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), atomic_path(tmp_path / "out.txt") as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert entries(tmp_path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_really_full_disk_is_explained(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match=r"out\.bin: the disk is full: free some space"),
        atomic_path(tmp_path / "out.bin") as temporary,
    ):
        temporary.symlink_to("/dev/full")
        temporary.write_bytes(b"x" * 100_000)
    assert entries(tmp_path) == []


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EDQUOT, "quota"),
        (errno.EACCES, "no permission"),
        (errno.EROFS, "read-only"),
    ],
)
def test_system_errors_are_explained(tmp_path: Path, code: int, words: str) -> None:
    with pytest.raises(OutputError, match=words), atomic_path(tmp_path / "out.json") as temporary:
        temporary.write_text("half")
        raise OSError(code, "system's words")
    with pytest.raises(OutputError, match=words), atomic_directory(tmp_path / "folder") as directory:
        (directory / "a").write_text("half")
        raise OSError(code, "system's words")
    assert entries(tmp_path) == []


def test_an_unrelated_system_error_is_not_hidden(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "out.json"):
        (tmp_path / "missing").read_text()


def test_a_folder_is_replaced_file_by_file(tmp_path: Path) -> None:
    target = tmp_path / "plan"
    (target / "sub").mkdir(parents=True)
    (target / "kept.txt").write_text("kept")
    (target / "sub/old.txt").write_text("old")
    with atomic_directory(target) as directory:
        (directory / "new.txt").write_text("new")
        (directory / "sub").mkdir()
        (directory / "sub/new.txt").write_text("new")
    assert entries(target) == ["kept.txt", "new.txt", "sub"]
    assert entries(target / "sub") == ["new.txt"]
    assert entries(tmp_path) == ["plan"]


def test_a_failed_folder_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "plan"
    target.mkdir()
    (target / "a.txt").write_text("old")
    with pytest.raises(RuntimeError), atomic_directory(target) as directory:
        (directory / "a.txt").write_text("half")
        raise RuntimeError
    assert (target / "a.txt").read_text() == "old"
    assert entries(tmp_path) == ["plan"]


def test_a_file_in_the_way_of_a_folder_is_explained(tmp_path: Path) -> None:
    (tmp_path / "plan").write_text("a file")
    with pytest.raises(OutputError, match="plan"), atomic_directory(tmp_path / "plan") as directory:
        (directory / "a.txt").write_text("new")
    assert entries(tmp_path) == ["plan"]


def test_json_is_strict_and_takes_numpy(tmp_path: Path) -> None:
    write_json(
        tmp_path / "q.json",
        {
            "n": np.int64(3),
            "x": np.float32(0.5),
            "bad": float("nan"),
            "inf": [np.inf],
            "a": np.arange(4).reshape(2, 2),
            "path": Path("a/b"),
            "flag": np.bool_(True),
            1: None,
            "name": "Zürich",
        },
    )
    assert json.loads((tmp_path / "q.json").read_text(encoding="utf-8")) == {
        "n": 3,
        "x": 0.5,
        "bad": None,
        "inf": [None],
        "a": [[0, 1], [2, 3]],
        "path": "a/b",
        "flag": True,
        "1": None,
        "name": "Zürich",
    }
    assert to_json({"a": 1}, indent=None) == '{"a": 1}'


def test_exit_codes_are_those_of_the_commands() -> None:
    assert [error("x").exit_code for error in (SkyReliefError, BadInputError, LinkError, NotEnoughDataError)] == [
        2,
        2,
        3,
        4,
    ]


def test_silent_progress_takes_everything() -> None:
    with SILENT.stage("features", total=3, unit="photos") as advance:
        advance()
        advance(2)
    SILENT.note("fine")
    SILENT.warn("careful")
    assert type(SILENT) is Progress
