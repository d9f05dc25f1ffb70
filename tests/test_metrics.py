"""Beliefs against their closed forms, thresholds against a search over all of them."""

from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import average_precision_score, f1_score

from course_utils.losses import label_smoothing_cross_entropy, sigmoid_focal_loss
from course_utils.metrics import (
    as_binary,
    belief,
    best_cost_threshold,
    best_f1_threshold,
    calibration_error,
    calibration_floor,
    cluster_looseness,
    correct_prior,
    detector_scores,
    expected_cost,
    paired_gain,
    posterior_error,
    reliability,
    resampled_average_precision,
    resampled_gain,
    seed_band,
    sign_test,
    template_plane,
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
    ({"sample_weight": [1.0, -1.0]}, "sample_weight must hold 2 numbers"),
    ({"sample_weight": [0.0, 0.0]}, "not all of them 0"),
])
def test_calibration_error_names_a_bad_option(options, says):
    with pytest.raises(ValueError, match=says):
        calibration_error([0, 1], [0.2, 0.7], **options)


@pytest.mark.parametrize("bins", [1, 7, 10])
def test_rounded_probabilities_fall_into_the_bins_of_scikit_learn(bins):
    """They lie on the edges: a probability of 0.3 belongs to the bin from 0.2 to 0.3."""
    rng = np.random.default_rng(0)
    prob, y = rng.integers(0, 11, 1000) / 10, rng.integers(0, 2, 1000)
    share, stated, seen = reliability(y, prob, bins=bins)
    frequency, mean = calibration_curve(y, prob, n_bins=bins)
    np.testing.assert_allclose(stated[share > 0], mean)
    np.testing.assert_allclose(seen[share > 0], frequency)


def test_bins_of_equal_weight_are():
    share, _, _ = reliability(np.zeros(100), np.linspace(0, 1, 100), bins=100, strategy="quantile")
    np.testing.assert_allclose(share, 0.01)


def test_the_cost_counts_missed_amounts_and_every_alarm():
    y_true, amount = [1, 1, 0, 0], [80, 30, 5, 5]
    assert expected_cost(y_true, [0, 0, 0, 0], amount, fee=2) == 110 / 4
    assert expected_cost(y_true, [1, 1, 1, 1], amount, fee=2) == 2
    assert expected_cost(y_true, [True, False, True, False], amount, fee=2) == 34 / 4
    weighted = expected_cost(y_true, [1, 0, 1, 0], amount, fee=2, sample_weight=[1, 1, 3, 3])
    assert weighted == 38 / 8


ROWS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5), st.integers(0, 60),
                          st.integers(1, 7)), min_size=1, max_size=12)


@given(ROWS, st.integers(0, 20))
def test_the_best_cost_threshold_beats_all_others(rows, fee):
    y_true, score, amount, weight = (np.array(column) for column in zip(*rows, strict=True))
    threshold, cost = best_cost_threshold(y_true, score / 5, amount, fee=fee, sample_weight=weight)
    costs = {t: expected_cost(y_true, score / 5 >= t, amount, fee=fee, sample_weight=weight)
             for t in [*np.unique(score / 5), np.inf]}
    assert cost == pytest.approx(min(costs.values()))
    assert costs[threshold] == pytest.approx(cost)
    assert threshold == max(t for t in costs if costs[t] == pytest.approx(cost))


def test_a_weight_of_two_is_a_row_that_stands_twice():
    y_true, prob, amount = np.array([1, 0, 1]), np.array([0.3, 0.5, 0.2]), np.array([9, 1, 40])
    twice = [0, 1, 1, 2]
    once = best_cost_threshold(y_true, prob, amount, fee=3, sample_weight=[1, 2, 1])
    assert once == best_cost_threshold(y_true[twice], prob[twice], amount[twice], fee=3)


def test_float32_scores_keep_their_thresholds():
    """A threshold that is not among the float32 scores could lose the very sample it came from."""
    prob = torch.tensor([0.1, 0.7, 0.3])
    threshold, _ = best_cost_threshold([0, 1, 0], prob, [1, 100, 1], fee=2)
    assert (prob.double() >= threshold).tolist() == [False, True, False]


@pytest.mark.parametrize("kind", ["int64", "uint8", "float32", "bool"])
def test_scores_of_any_kind_have_a_cheapest_threshold(kind):
    score = np.array([0, 0, 1, 1] if kind == "bool" else [0, 1, 2, 3]).astype(kind)
    assert best_cost_threshold([0, 0, 1, 1], score, [5, 5, 80, 90], fee=2)[1] == 1.0
    assert best_f1_threshold([0, 0, 1, 1], score)[1] == 1.0


def test_the_cheapest_alarm_is_none_where_frauds_are_smaller_than_the_fee():
    assert best_cost_threshold([1, 0], [0.9, 0.1], [4, 4], fee=5) == (np.inf, 2.0)


@pytest.mark.parametrize("weight", [0.2, 10.0, 578.0])
def test_prior_correction_undoes_what_a_class_weight_makes_cross_entropy_believe(weight):
    believed = belief(partial(bce, pos_weight=torch.tensor(weight, dtype=torch.float64)), ETA)
    np.testing.assert_allclose(correct_prior(believed, weight=weight), ETA, atol=1e-4)


def test_prior_correction_undoes_undersampling():
    """By counting: of a hundred look-alikes 10 are frauds; of the others every ninth is kept."""
    assert correct_prior(10 / (10 + 10), kept=1 / 9) == pytest.approx(10 / 100)
    p_s, beta = np.linspace(0, 1, 11), 0.03
    np.testing.assert_allclose(correct_prior(p_s, kept=beta),
                               beta * p_s / (beta * p_s - p_s + 1))  # as the paper writes it


@given(st.floats(0, 1), st.floats(0.01, 100), st.floats(0.01, 1))
def test_prior_correction_keeps_the_ends_and_the_order(p, weight, kept):
    low, middle, high = correct_prior([0, p, 1], weight=weight, kept=kept)
    assert low == 0 <= middle <= 1 == high
    assert correct_prior(p) == pytest.approx(p)
    both = correct_prior(correct_prior(p, weight=weight), kept=kept)
    assert correct_prior(p, weight=weight, kept=kept) == pytest.approx(both)


def test_the_squared_posterior_error_is_the_excess_brier_score():
    rng = np.random.default_rng(0)
    posterior = rng.random(400_000)
    prob = np.clip(posterior + 0.2 * rng.standard_normal(posterior.shape), 0, 1)
    y = rng.random(posterior.shape) < posterior
    excess = ((prob - y) ** 2).mean() - ((posterior - y) ** 2).mean()
    assert posterior_error(prob, posterior) ** 2 == pytest.approx(excess, abs=1e-3)
    assert posterior_error(posterior, posterior) == 0
    assert posterior_error([0.0, 1.0], [0.5, 1.0], sample_weight=[3, 1]) == pytest.approx(
        0.75 ** 0.5 / 2)


def right(answer, target):
    return (answer == target).double().mean()


def test_rows_that_are_hard_for_both_models_of_a_pair_cancel():
    g = torch.Generator().manual_seed(0)
    y = torch.ones(400)
    first = (torch.rand(400, generator=g) < 0.7).float().expand(4, 400)
    better = first.clone()
    better[:, :20] = 1  # the same answers but for twenty rows
    wins = (better - first)[0]
    gains, error = paired_gain(right, y, first, better, repeats=2000)
    np.testing.assert_allclose(gains, wins.mean())
    assert error == pytest.approx(float(wins.std()) / 20, rel=0.1)  # that of a mean of 400
    assert error < 0.5 * float(first[0].std()) / 20


def test_the_error_of_a_paired_gain_holds_the_noise_of_the_seeds():
    y = torch.ones(5000)
    second = torch.zeros(3, 5000)
    for pair, size in enumerate([1000, 2000, 3000]):
        second[pair, :size] = 1
    gains, error = paired_gain(right, y, torch.zeros(3, 5000), second, repeats=50)
    np.testing.assert_allclose(gains, [0.2, 0.4, 0.6])
    assert error == pytest.approx(0.2 / 3 ** 0.5, rel=0.02)


def test_a_seed_band_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    mean, half = seed_band(rng.normal(3.0, 2.0, size=(5, 20_000)), confidence=0.9)
    assert mean.shape == half.shape == (20_000,)
    assert (np.abs(mean - 3.0) <= half).mean() == pytest.approx(0.9, abs=0.01)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: expected_cost([0, 1], [0.2, 0.7], [1, 1], fee=1), "decision must hold 0 and 1"),
    (lambda: expected_cost([0, 2], [0, 1], [1, 1], fee=1), "y_true must hold 0 and 1"),
    (lambda: expected_cost([0, 1], [0, 1], [1, 1, 1], fee=1), r"shapes \(2,\)"),
    (lambda: expected_cost([0, 1], [0, 1], [1, -1], fee=1), "amount and fee"),
    (lambda: best_cost_threshold([0, 1], [0, 1], [1, 1], fee=-1), "fee is -1"),
    (lambda: best_cost_threshold([0, 1], [0, np.nan], [1, 1], fee=1), "nan"),
    (lambda: best_cost_threshold([0, 1], [0, np.inf], [1, 1], fee=1), "inf"),
    (lambda: best_f1_threshold([0, 1], [0.1, 0.2], sample_weight=[1, 0]), "no positive"),
    (lambda: posterior_error([0.2], [0.3], sample_weight=[0]), "not all of them 0"),
    (lambda: posterior_error([0.2], [0.3], sample_weight=[1, 2]), "must hold 1 numbers"),
    (lambda: best_cost_threshold([0, 1], [0, 1], [1, 1], fee=1, sample_weight=[0, 0]),
     "not all of them 0"),
    (lambda: correct_prior([1.2]), "from 0 to 1"),
    (lambda: correct_prior([0.2], weight=0), "weight is 0"),
    (lambda: correct_prior([0.2], kept=1.5), "kept is 1.5"),
    (lambda: posterior_error([0.2], [0.2, 0.3]), "must be equal"),
    (lambda: posterior_error([0.2], [1.3]), "posterior must hold"),
    (lambda: seed_band([0.5]), "at least two seeds"),
    (lambda: paired_gain(right, torch.ones(3), torch.ones(1, 3), torch.ones(1, 3)), "1 pairs"),
    (lambda: paired_gain(right, torch.ones(3), torch.ones(2, 3), torch.ones(2, 4)),
     r"must be \(pairs, N\) and \(N,\)"),
    (lambda: seed_band([0.5, 0.6], confidence=95), "confidence is 95"),
])
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# --------------------------------------------------------------------- what chance alone gives

def test_an_honest_model_scores_at_the_floor_and_a_liar_above_it():
    rng = np.random.default_rng(1)
    prob = rng.uniform(0.3, 1, (40, 500))
    honest = np.mean([calibration_error(rng.random(500) < p, p) for p in prob])
    floor = np.mean([calibration_floor(p) for p in prob])
    assert abs(honest - floor) < 0.003
    assert calibration_error(rng.random(500) < prob[0] - 0.2, prob[0]) > 3 * floor


def test_the_floor_falls_with_more_samples_and_with_surer_answers():
    assert calibration_floor(np.full(100, 0.7)) > 2 * calibration_floor(np.full(10_000, 0.7))
    assert calibration_floor(np.full(100, 0.7)) > 2 * calibration_floor(np.full(100, 0.99))
    assert calibration_floor(np.ones(100)) == 0


def test_the_floor_takes_the_confidence_of_several_classes():
    prob = np.random.default_rng(0).dirichlet(np.ones(4), 200)
    assert calibration_floor(prob) == calibration_floor(prob.max(axis=1))
    with pytest.raises(ValueError, match="rounds is 0"):
        calibration_floor(prob, rounds=0)


def test_looseness_is_that_of_unit_clouds_and_knows_no_units():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 100_000)
    points = rng.normal(size=(100_000, 3)) + 4 * labels[:, None]
    assert abs(cluster_looseness(points, labels) - 3 / 12) < 0.01  # 1 an axis; centres at +-2
    assert cluster_looseness(7 * points - 3, labels) == pytest.approx(
        cluster_looseness(points, labels))


def test_looseness_needs_classes_that_lie_apart():
    for points, labels in [([[1.0], [2.0]], [0, 0]), ([[1.0], [1.0]], [0, 1])]:
        with pytest.raises(ValueError, match="different centres"):
            cluster_looseness(points, labels)
    with pytest.raises(ValueError, match=r"shape \(2,\)"):
        cluster_looseness([1.0, 2.0], [0, 1])
    with pytest.raises(ValueError, match="no label is 3"):
        cluster_looseness([[1.0], [2.0]], [0, 1], classes=[0, 3])


def test_looseness_of_some_classes_forgets_the_others():
    points, labels = np.random.default_rng(0).normal(size=(60, 2)), np.arange(60) % 3
    some = labels != 1
    assert cluster_looseness(points, labels, classes=[2, 0]) == pytest.approx(
        cluster_looseness(points[some], labels[some]))


def test_the_plane_of_three_templates_keeps_the_distances_of_their_tips():
    weight = torch.randn(10, 64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    plane = template_plane(weight, [8, 1, 9])
    torch.testing.assert_close(plane.T @ plane, torch.eye(2), rtol=0, atol=1e-6)
    tips = weight.detach()[[8, 1, 9]]
    torch.testing.assert_close(torch.pdist(tips @ plane), torch.pdist(tips))
    with pytest.raises(ValueError, match="holds 2; a plane needs three"):
        template_plane(weight, [0, 1])


@pytest.mark.parametrize("weight", [[1, 1, -3, 1], [1, 1, np.nan, 1], [1, 1, 1]])
def test_a_weight_below_zero_is_refused_by_every_score(weight):
    """Such a weight would give an F1 above 1."""
    y, prob = np.array([1, 0, 0, 1]), np.array([0.9, 0.2, 0.8, 0.7])
    for score in (best_f1_threshold, calibration_error, reliability, posterior_error):
        with pytest.raises(ValueError, match="sample_weight must hold 4 numbers >= 0"):
            score(y, prob, sample_weight=weight)
    for score in (expected_cost, best_cost_threshold):
        with pytest.raises(ValueError, match="sample_weight"):
            score(y, prob.round(), np.ones(4), fee=1.0, sample_weight=weight)


def test_the_sign_test_counts_pairs_that_differ_and_is_the_binomial_test():
    first = np.array([True] * 9 + [False] * 6)
    second = np.array([True] * 4 + [False] * 5 + [True] + [False] * 5)
    only_first, only_second, p = sign_test(first, second)
    assert (only_first, only_second) == (5, 1)
    assert p == pytest.approx(2 * (1 + 6) / 2**6)
    assert sign_test(second, first) == (1, 5, p)
    assert sign_test(first, first) == (0, 0, 1.0)
    with pytest.raises(ValueError, match="the same pairs"):
        sign_test(first, second[1:])


def test_a_detector_is_scored_at_the_threshold_that_validation_chose():
    y_val, prob_val = [0, 0, 1, 1], [0.1, 0.4, 0.3, 0.9]     # best F1 at 0.3
    y_test, prob_test = np.array([1, 0, 1, 0]), np.array([0.35, 0.31, 0.2, 0.0])
    scores = detector_scores(y_val, prob_val, y_test, prob_test)
    assert scores["F1"] == pytest.approx(0.5)                # one of two frauds, one false alarm
    assert scores["AP"] == pytest.approx((1 + 2 / 3) / 2, abs=1e-3)
    assert scores["Brier"] == pytest.approx(1e4 * np.mean((prob_test - y_test) ** 2), abs=1e-3)


def test_average_precision_of_resampled_rows_is_scikit_learns():
    rng = np.random.default_rng(0)
    y = (rng.random(500) < 0.1).astype(float)
    weight = np.where(y == 1, 1.0, 7.0)
    answers = rng.random((2, 500)) + 0.5 * y
    scores = resampled_average_precision(y, answers, sample_weight=weight, repeats=400)
    for run in range(2):
        assert scores[run, 0] == pytest.approx(
            average_precision_score(y, answers[run], sample_weight=weight), rel=1e-5)
    counts = np.random.default_rng(0).poisson(1.0, (401, 500))
    assert scores[1, 9] == pytest.approx(
        average_precision_score(y, answers[1], sample_weight=counts[9] * weight), rel=1e-5)
    alone = resampled_average_precision(y, answers[1:], sample_weight=weight, repeats=400)
    np.testing.assert_allclose(alone[0], scores[1])
    with pytest.raises(ValueError, match="at least one positive"):
        resampled_average_precision(np.zeros(500), answers)


def test_a_resampled_gain_adds_the_noise_of_seeds_and_of_rows():
    rng = np.random.default_rng(0)
    rows, seeds = 0.03 * rng.normal(size=2001), 0.02 * rng.normal(size=(400, 1))
    gains, error, by_seeds = resampled_gain(np.zeros((400, 2001)), 0.1 + seeds + rows)
    np.testing.assert_allclose(gains, 0.1 + seeds[:, 0] + rows[0])
    assert by_seeds == pytest.approx(0.02 / 20, rel=0.1)
    assert error == pytest.approx(np.hypot(0.03, 0.02 / 20), rel=0.1)
    with pytest.raises(ValueError, match="two pairs"):
        resampled_gain([[0.1, 0.2]], [[0.1, 0.2]])
