"""A small survey of a known world, photographed once for all tests of surface and mosaic."""

import pytest

from tests.oracles.height_field import Survey, small_survey


@pytest.fixture(scope="session")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    """Twelve photos of 1200 x 900 with exact poses, their brightness varying by a tenth."""
    return small_survey(tmp_path_factory.mktemp("survey"))
