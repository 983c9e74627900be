"""The ordinal model, its calibration and its conformal sets against independent checks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import check_grad
from scipy.special import expit

from imagery.damage.calibration import calibration_error, conformal_threshold, fit_temperature, grade_sets
from imagery.damage.cues import CUES, SIGNATURES, cues_of, signature_of
from imagery.damage.model import GradeModel, fit_model
from imagery.damage.ordinal import Ramps, cumulative_to_grades, fit_weights, grades_to_cumulative, objective


def simulated(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Grades from a proportional-odds model with known weights 4, 2 and 0, intercepts -1, -3, -5."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 1, (n, 3))
    latent = x @ [4.0, 2.0, 0.0] + rng.logistic(size=n)
    return x, np.sum(latent[:, None] > [1.0, 3.0, 5.0], axis=1)


def test_gradient_agrees_with_finite_differences():
    rng = np.random.default_rng(3)
    features, targets = rng.uniform(0, 1, (40, 5)), rng.uniform(0, 1, (40, 4))
    weight = rng.uniform(0.5, 2, 40)
    point = rng.normal(0, 1, 4 * 6)
    value = lambda p: objective(p, features, targets, weight, 0.1, 0.05)[0]  # noqa: E731
    slope = lambda p: objective(p, features, targets, weight, 0.1, 0.05)[1]  # noqa: E731
    assert check_grad(value, slope, point) < 1e-5


def test_recovers_the_weights_it_was_simulated_with():
    x, grades = simulated(20_000)
    table = fit_weights(x, grades_to_cumulative(grades), [(0.0, None)] * 3, ridge=1e-7, parallel=10.0)
    assert table[:, 0] == pytest.approx([-1, -3, -5], abs=0.25)
    assert table[:, 1:].mean(axis=0) == pytest.approx([4, 2, 0], abs=0.2)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), steps=st.integers(1, 4))
def test_more_evidence_never_lowers_the_expected_grade(seed, steps):
    rng = np.random.default_rng(seed)
    values, grades = rng.normal(size=(60, 4)), rng.integers(0, 4, 60)
    sign = np.array([1.0, -1.0, 1.0, -1.0])
    ramps = Ramps.fitted(values, sign, steps)
    table = fit_weights(ramps.features(values), grades_to_cumulative(grades), ramps.bounds, ridge=1e-3, parallel=1e-3)
    more = values + sign * rng.uniform(0, 1, values.shape)
    expected = [
        cumulative_to_grades(ramps.features(v) @ table[:, 1:].T + table[:, 0]) @ np.arange(4) for v in (values, more)
    ]
    assert (expected[1] >= expected[0] - 1e-9).all()


@given(st.lists(st.lists(st.floats(-30, 30), min_size=3, max_size=3), min_size=1, max_size=20))
def test_probabilities_are_probabilities_whatever_the_logits(logits):
    chance = cumulative_to_grades(np.array(logits))
    assert (chance >= 0).all()
    assert chance.sum(axis=1) == pytest.approx(1)


def test_masked_cues_are_neutral_not_zero():
    values = np.array([[0.0], [1.0], [1.0], [1.0], [np.nan]])
    ramps = Ramps.fitted(values, np.array([1.0]), 1, reach=(0, 100))
    assert ramps.features(values)[-1, 0] == pytest.approx(0.75)
    assert np.isnan(ramps.scores(values)[-1, 0])


def test_temperature_undoes_overconfidence():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 4000)[:, None] + np.array([1.0, 0.0, -1.0])
    draw = rng.uniform(size=4000)
    grades = np.sum(draw[:, None] < expit(logits), axis=1)
    assert fit_temperature(3 * logits, grades) == pytest.approx(3, rel=0.1)
    assert calibration_error(cumulative_to_grades(logits), grades) < 0.03
    assert calibration_error(cumulative_to_grades(3 * logits), grades) > 0.08


def test_conformal_sets_cover_nine_in_ten_by_simulation():
    covered = []
    for seed in range(60):
        x, grades = simulated(600, seed)
        chance = cumulative_to_grades(x @ np.array([[4.0], [2.0], [0.0]]) - [1, 3, 5])
        threshold = conformal_threshold(chance[:300], grades[:300])
        member = chance[300:] >= threshold
        covered.append(member[np.arange(300), grades[300:]].mean())
    assert np.mean(covered) == pytest.approx(0.9, abs=0.01)


def test_too_few_buildings_exclude_no_grade():
    chance = np.full((5, 4), 0.25)
    assert conformal_threshold(chance, np.zeros(5, int)) == 0
    assert grade_sets(chance, 0.0).all()


def test_sets_have_no_gaps_and_are_never_empty():
    sets = grade_sets(np.array([[0.45, 0.05, 0.45, 0.05], [0.3, 0.3, 0.2, 0.2]]), 0.4)
    assert sets.tolist() == [[True, True, True, False], [True, False, False, False]]


def test_signatures_follow_from_the_inputs():
    assert signature_of(frozenset({"post", "colour"})) == "post"
    assert signature_of(frozenset({"post", "pre_surface"})) == "post"
    assert signature_of(frozenset({"post", "pre", "surface", "pre_surface", "colour"})) == "pre+post+surface"
    post = {CUES[index].name for index in cues_of("post")}
    assert "edge_density" in post
    assert not post & {"loss_med", "unlike", "rough_1m"}
    assert {cue.code for cue in CUES} == {f"E{k}" for k in range(1, 12)}
    assert all(len(cues_of(name)) for name in SIGNATURES)


def test_a_model_survives_its_file():
    rng = np.random.default_rng(1)
    values = rng.uniform(0, 1, (200, len(CUES)))
    grades = np.clip((values[:, :3].sum(axis=1) * 1.6 - 0.6).astype(int), 0, 3)
    model = fit_model("pre+post+surface", values, grades, groups=np.arange(200) % 4, fraction=grades / 3)
    again = GradeModel.from_json(model.signature, model.to_json())
    assert again.probabilities(values) == pytest.approx(model.probabilities(values), abs=1e-3)
    assert again.roof_fraction(values) == pytest.approx(model.roof_fraction(values), abs=1e-3)
    assert np.mean(model.strangeness(values) > 1) < 0.02
    assert (model.strangeness(values + 5) > 1).all()
