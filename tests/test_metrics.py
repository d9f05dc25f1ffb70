"""Beliefs against their closed forms, thresholds against a search over all of them."""

from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from course_utils.losses import label_smoothing_cross_entropy, sigmoid_focal_loss
from course_utils.metrics import belief, best_f1_threshold

ETA = torch.linspace(0, 1, 41, dtype=torch.float64)
bce = partial(F.binary_cross_entropy_with_logits, reduction="none")


def as_two_classes(loss_fn):
    return lambda x, y: loss_fn(torch.stack([torch.zeros_like(x), x], dim=1), y.long())


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
    loss = as_two_classes(partial(label_smoothing_cross_entropy, smoothing=smoothing,
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
        "smoothing": as_two_classes(partial(label_smoothing_cross_entropy, reduction="none")),
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
