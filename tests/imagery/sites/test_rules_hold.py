"""No generated site breaks a rule, as the independent oracle sees it."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.imagery.sites.cases import Case, broken, random_case

RELAXED = settings(
    deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@settings(RELAXED, max_examples=12)
@given(seed=st.integers(0, 10**6))
def test_generated_sites_break_no_rule(seed: int) -> None:
    result, truth = random_case(seed).run()
    assert broken(result, truth) == []


@pytest.mark.long
@pytest.mark.timeout(7200)
@settings(RELAXED, max_examples=2000)
@given(seed=st.integers(0, 10**9))
def test_two_thousand_generated_sites_break_no_rule(seed: int) -> None:
    result, truth = random_case(seed).run()
    assert broken(result, truth) == []


def test_the_oracle_finds_what_is_wrong() -> None:
    """A broken layout does not pass: the oracle has teeth."""
    import json

    from shapely import affinity

    from imagery.core.files import to_json
    from imagery.sites.output import layer_frames, rules_document
    from tests.oracles.site_rules import violations

    result, truth = Case(size=(150, 150), slope_pct=3).run()
    document = json.loads(to_json(rules_document(result)))
    good = layer_frames(result)
    assert violations(good, document, truth) == []

    def with_tent_moved(east: float, north: float) -> list[str]:
        layers = {name: frame.copy() for name, frame in good.items()}
        tents = list(layers["tent"].geometry)
        tents[5] = affinity.translate(tents[5], east, north)
        layers["tent"] = layers["tent"].set_geometry(tents, crs=layers["tent"].crs)
        return violations(layers, document, truth)

    assert any("m from another" in text for text in with_tent_moved(0.2, 0.1))
    assert any("leaves the site" in text for text in with_tent_moved(300, 0))
    fewer = dict(good, latrine=good["latrine"].iloc[:1])
    assert any("latrine" in text for text in violations(fewer, document, truth))
    dry = dict(good, water_point=good["water_point"].iloc[:0])
    assert any("water" in text for text in violations(dry, document, truth))
    apart = dict(good, road=good["road"][good["road"]["kind"] != "internal"])
    assert any("road" in text for text in violations(apart, document, truth))
    truth.damaged.append((good["tent"].geometry.iloc[0].buffer(3), 8.0))
    assert any("damaged building" in text for text in violations(good, document, truth))
