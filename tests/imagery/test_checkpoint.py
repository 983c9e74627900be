"""Checkpoints: a stage is done again only when something it was made from has changed."""

from pathlib import Path

import pytest

from imagery.checkpoint import Workspace, file_key, key_of


def make(path: Path, text: str, runs: list[str]) -> dict[str, str]:
    runs.append(text)
    path.write_text(text)
    return {"text": text}


def test_a_finished_stage_is_not_run_again(tmp_path: Path) -> None:
    runs: list[str] = []
    out = tmp_path / "out.txt"
    for expected in (False, True):
        stage = Workspace(tmp_path / "work").stage("s", key_of("a", 1), [out], lambda: make(out, "one", runs))
        assert stage.resumed is expected
        assert stage.info == {"text": "one"}
    assert runs == ["one"]


@pytest.mark.parametrize("change", ["key", "gone", "edited", "record"])
def test_anything_that_changed_runs_it_again(tmp_path: Path, change: str) -> None:
    runs: list[str] = []
    out = tmp_path / "out.txt"
    workspace = Workspace(tmp_path / "work")
    workspace.stage("s", key_of("a"), [out], lambda: make(out, "one", runs))
    if change == "gone":
        out.unlink()
    elif change == "edited":
        out.write_text("something else")
    elif change == "record":
        (tmp_path / "work" / "s.json").write_text('{"key": ')
    key = key_of("b") if change == "key" else key_of("a")
    assert not workspace.stage("s", key, [out], lambda: make(out, "two", runs)).resumed
    assert runs == ["one", "two"]


def test_a_stage_that_fails_is_not_done(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.stage("s", "old", [], dict)

    def broken() -> dict[str, str]:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        workspace.stage("s", "new", [], broken)
    assert not workspace.stage("s", "old", [], dict).resumed


def test_keys() -> None:
    assert key_of({"a": 1, "b": [1, None]}) == key_of({"a": 1, "b": [1, None]})
    assert key_of(["a", "b"]) != key_of(["ab"])


def test_photos_are_known_by_their_content(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(bytes(200_000))
    b.write_bytes(bytes(200_000))
    assert file_key(a) == file_key(b)
    b.write_bytes(bytes(199_999) + b"x")
    assert file_key(a) != file_key(b)
