"""Beliefs against their closed forms, thresholds against a search over all of them."""

from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import f1_score

from course_utils.losses import label_smoothing_cross_entropy, sigmoid_focal_loss
from course_utils.metrics import (
    as_binary,
    belief,
    best_f1_threshold,
    calibration_error,
    reliability,
)

ETA = torch.linspace(0, 1, 41, dtype=torch.float64)
bce = partial(F.binary_cross_entropy_with_logits, reduction="none")


def test_cross_entropy_believes_the_truth():
    torch.testing.assert_close(belief(bce, ETA), ETA, rtol=0, atol=1e-6)


def test_squared_error_of_the_probability_is_proper_too():
    torch.testing.assert_close(belief(lambda x, y: (x.sigmoid() - y) ** 2, ETA), ETA,
                               rtol=0, atol=1e-6)


@pytest.mark.parametrize("weight", [0.1, 3.0, 10.0])
def test_a_weight_on_positives_multiplies_the_odds(weight):
    weighted = belief(partial(bce, pos_weight=torch.tensor(weight, dtype=torch.float64)), ETA)
    torch.testing.assert_close(weighted, weight * ETA / (weight * ETA + 1 - ETA),
                               rtol=0, atol=1e-6)


@pytest.mark.parametrize("smoothing", [0.1, 0.5])
def test_smoothing_draws_the_belief_to_one_half(smoothing):
    loss = as_binary(partial(label_smoothing_cross_entropy, smoothing=smoothing,
                                  reduction="none"))
    torch.testing.assert_close(belief(loss, ETA), (1 - smoothing) * ETA + smoothing / 2,
                               rtol=0, atol=1e-6)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
def test_focal_loss_believes_what_its_derivative_says(gamma):
    """At the optimum eta L'(p) = (1 - eta) L'(1 - p), which can be solved for eta."""
    p = belief(partial(sigmoid_focal_loss, gamma=gamma, reduction="none"), ETA[1:-1])

    def slope(p):
        return (1 - p) ** gamma / p - gamma * (1 - p) ** (gamma - 1) * p.log()

    torch.testing.assert_close(slope(1 - p) / (slope(p) + slope(1 - p)), ETA[1:-1],
                               rtol=0, atol=1e-5)


def test_the_beliefs_that_open_the_course():
    told = {
        "cross entropy": bce,
        "weight 10": partial(bce, pos_weight=torch.tensor(10.0, dtype=torch.float64)),
        "focal": partial(sigmoid_focal_loss, gamma=2.0, reduction="none"),
        "smoothing": as_binary(partial(label_smoothing_cross_entropy, reduction="none")),
        "absolute error": lambda x, y: (x.sigmoid() - y).abs(),
    }
    beliefs = {name: round(belief(loss, 0.1).item(), 2) for name, loss in told.items()}
    assert beliefs == {"cross entropy": 0.10, "weight 10": 0.53, "focal": 0.31,
                       "smoothing": 0.14, "absolute error": 0.0}


def test_belief_refuses_what_it_cannot_answer():
    with pytest.raises(ValueError, match='reduction="none"'):
        belief(F.binary_cross_entropy_with_logits, 0.1)
    with pytest.raises(ValueError, match="from 0 to 1"):
        belief(bce, [0.5, 1.2])


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_no_threshold_has_a_better_f1(seed, weighted):
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=20)
    y[0] = 1
    prob = rng.integers(8, size=20) / 8  # with ties
    weight = rng.random(20) if weighted else None
    threshold, f1 = best_f1_threshold(y, prob, sample_weight=weight)
    scores = {t: f1_score(y, prob >= t, sample_weight=weight) for t in np.unique(prob)}
    assert f1 == pytest.approx(max(scores.values()))
    assert scores[threshold] == pytest.approx(f1)


def test_no_positive_no_threshold():
    with pytest.raises(ValueError, match="no positive"):
        best_f1_threshold([0, 0], [0.1, 0.2])


# ------------------------------------------------------------------------------------ calibration

def drawn(seed, n=200, classes=None):
    rng = np.random.default_rng(seed)
    if classes is None:
        return rng.integers(2, size=n), rng.random(n), rng.random(n)
    return rng.integers(classes, size=n), rng.dirichlet(np.ones(classes), n), rng.random(n)


@given(st.integers(0, 2**32 - 1), st.integers(1, 20))
def test_calibration_error_is_its_definition_summed_by_hand(seed, bins):
    y, prob, weight = drawn(seed)
    expected = 0.0
    for b in range(bins):
        inside = (prob >= b / bins) & (prob < (b + 1) / bins)
        gap = (weight * (y - prob))[inside].sum()  # |frequency - mean probability| x weight of bin
        expected += abs(gap) / weight.sum()
    found = calibration_error(y, prob, bins=bins, sample_weight=weight)
    assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_the_bins_are_those_of_scikit_learn(strategy):
    y, prob, _ = drawn(0, n=2000)
    frequency, stated = calibration_curve(y, prob, n_bins=10, strategy=strategy)
    share, mine, seen = reliability(y, prob, bins=10, strategy=strategy)
    np.testing.assert_allclose(mine, stated, atol=2e-3)  # at a quantile one sample may change sides
    np.testing.assert_allclose(seen, frequency, atol=5e-3)
    assert share.sum() == pytest.approx(1)


def test_of_many_classes_the_largest_probability_counts():
    y, prob, weight = drawn(1, classes=5)
    found = calibration_error(y, prob, sample_weight=weight)
    right = (prob.argmax(axis=1) == y).astype(int)
    assert found == calibration_error(right, prob.max(axis=1), sample_weight=weight)


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_a_weight_of_two_is_the_sample_twice(strategy):
    y, prob, _ = drawn(2, n=60)
    copies = np.arange(60) % 3  # some samples not at all
    expected = calibration_error(np.repeat(y, copies), np.repeat(prob, copies), strategy=strategy)
    found = calibration_error(y, prob, strategy=strategy, sample_weight=copies)
    assert found == pytest.approx(expected)


def test_an_honest_model_scores_near_zero_and_fewer_samples_score_higher():
    rng = np.random.default_rng(3)

    def mean_error(n):
        probs = [rng.random(n) for _ in range(20)]
        return np.mean([calibration_error(rng.random(n) < p, p) for p in probs])

    few, many = mean_error(100), mean_error(100_000)
    assert many < 0.01
    assert few > 5 * many


def test_a_model_that_is_always_sure_and_always_wrong_scores_one():
    assert calibration_error([0, 1, 1], [1.0, 0.0, 0.0]) == 1
    assert calibration_error([1, 0], [[1.0, 0.0], [0.0, 1.0]]) == 1


def test_one_bin_compares_the_means_only():
    y, prob, _ = drawn(4)
    assert calibration_error(y, prob, bins=1) == pytest.approx(abs(y.mean() - prob.mean()))


def test_equal_probabilities_share_a_bin():
    """Split up, they would show a scatter that the model cannot know of."""
    assert calibration_error([0, 1] * 10, [0.5] * 20, strategy="quantile") == 0


@pytest.mark.parametrize(("arguments", "says"), [
    (([0, 1], [0.2, 1.2]), "softmax first"),
    (([0, 1], [0.2, np.nan]), "softmax first"),
    (([0, 2], [0.2, 0.3]), "from 0 to 1"),
    (([0, 3], [[0.2, 0.3, 0.5]] * 2), "from 0 to 2"),
    (([0, 1], [0.2]), r"shape \(2,\) and prob \(1,\)"),
    (([], []), "at least one sample"),
])
def test_calibration_error_names_what_does_not_fit(arguments, says):
    with pytest.raises(ValueError, match=says):
        calibration_error(*arguments)


@pytest.mark.parametrize(("options", "says"), [
    ({"bins": 0}, "bins is 0"),
    ({"strategy": "equal"}, "strategy is 'equal'"),
    ({"sample_weight": [1.0, -1.0]}, "sample_weight must be 2 numbers"),
    ({"sample_weight": [0.0, 0.0]}, "not all of them 0"),
])
def test_calibration_error_names_a_bad_option(options, says):
    with pytest.raises(ValueError, match=says):
        calibration_error([0, 1], [0.2, 0.7], **options)
