"""The README tells the truth: its commands exist, and so do its pictures."""

import re
from pathlib import Path

from planner.app.cli import COMMANDS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_commands_exist() -> None:
    named = set(re.findall(r"(?:\$ |`)skyrelief ([a-z-]+)", README)) - {"--help"}
    assert named and named <= set(COMMANDS)


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    benches = {f"bench-{path.stem[6:]}" for path in (ROOT / "tests" / "benchmarks").glob("bench_*.py")}
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)) | benches
    assert set(re.findall(r"^    make ([a-z-]+)", README, re.MULTILINE)) <= targets


def test_pictures_exist() -> None:
    for picture in re.findall(r"!\[[^]]+\]\(([^)]+)\)", README):
        assert (ROOT / picture).is_file(), picture
