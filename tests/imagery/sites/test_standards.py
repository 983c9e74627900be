"""The table of standards: figures, sources, profiles and the user's own values."""

from pathlib import Path

import pytest

from imagery.core.errors import BadInputError
from imagery.sites import load_standards, profiles


def test_the_figures_that_matter() -> None:
    standards = load_standards()
    assert standards["area_per_person_m2"] == 45
    assert standards["max_slope_pct"] == 10
    assert standards["water_l_per_person_day"] == 15
    assert standards["tent_fly_length_m"] * standards["tent_fly_width_m"] == pytest.approx(26.4)
    assert standards["tent_covered_m2"] / standards["persons_per_tent"] >= 4.5
    assert standards.community_tents == 16


def test_every_entry_says_where_it_comes_from() -> None:
    for entry in load_standards().entries.values():
        assert entry.source and entry.unit
        assert entry.provenance in ("quoted", "reported", "common", "design")
        assert not (entry.verified and entry.provenance in ("common", "design")), entry.name


def test_profiles() -> None:
    assert profiles() == ["minimum", "standard", "fire", "cold", "services-outside"]
    assert [load_standards(name)["tent_gap_m"] for name in profiles()] == [2.0, 4.4, 6.0, 4.4, 4.4]
    assert load_standards("services-outside")["area_per_person_m2"] == 30
    with pytest.raises(BadInputError, match="standard, fire"):
        load_standards("arctic")


def test_weights_sum_to_one() -> None:
    weights = [entry.value for name, entry in load_standards().entries.items() if name.startswith("weight_")]
    assert sum(weights) == pytest.approx(1, abs=1e-9)


def test_the_users_values_replace_the_shipped_ones(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('[tent_gap_m]\nvalue = 5.5\nsource = "national decree"\n', encoding="utf-8")
    standards = load_standards("fire", own)
    assert standards["tent_gap_m"] == 5.5
    assert standards.of("tent_gap_m").source == "national decree"
    assert standards.of("tent_gap_m").provenance == "user"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tent_gaps_m]\nvalue = 5", "tent_gap_m"),
        ("[tent_gap_m]\nvalue = -1", "0 or more"),
        ('[tent_gap_m]\nvalue = "wide"', "wide"),
        ("[tent_gap_m]\nvalue = 5\ncolour = 1", "colour"),
        ("not toml at all", "TOML"),
    ],
)
def test_wrong_files_are_explained(tmp_path: Path, text: str, said: str) -> None:
    own = tmp_path / "own.toml"
    own.write_text(text, encoding="utf-8")
    with pytest.raises(BadInputError, match=said):
        load_standards("standard", own)
