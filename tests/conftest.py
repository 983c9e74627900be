"""Fixtures for every test: where the shared measurement data is."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of shared test data (`SKYRELIEF_DATA`, by default beside the checkout); skips where it is absent."""
    folder = Path(os.environ.get("SKYRELIEF_DATA", ROOT / "../shared/data")).resolve()
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}: set SKYRELIEF_DATA")
    return folder
