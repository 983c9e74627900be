"""Fixtures for every test: where the shared measurement data is; a skipped browser test fails in CI."""

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# No deadlines: a loaded machine is no failure. In CI the same cases every time, so that a change alone decides.
hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "default")

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of shared test data (`SKYRELIEF_DATA`, by default beside the checkout); skips where it is absent."""
    folder = Path(os.environ.get("SKYRELIEF_DATA", ROOT / "../shared/data")).resolve()
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}: set SKYRELIEF_DATA")
    return folder


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.skipped and os.environ.get("CI") and item.get_closest_marker("chromium"):
        report.outcome = "failed"
        report.longrepr = f"a Chromium test must run in CI, but was skipped: {report.longrepr}"
    return report
