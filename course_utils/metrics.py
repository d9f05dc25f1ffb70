"""What a loss makes a model believe, and what this means for decisions.

What belongs here: scores and beliefs that scikit-learn does not have. Use its own
``average_precision_score``, ``f1_score``, ``brier_score_loss``, ``confusion_matrix`` and others for
the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.metrics import precision_recall_curve
from torch import Tensor

from .arrays import as_array, as_tensor

__all__ = [
    "as_binary",
    "belief",
    "best_cost_threshold",
    "best_f1_threshold",
    "calibration_error",
    "calibration_floor",
    "cluster_looseness",
    "correct_prior",
    "detector_scores",
    "expected_cost",
    "paired_gain",
    "posterior_error",
    "reliability",
    "resampled_average_precision",
    "resampled_gain",
    "seed_band",
    "sign_test",
    "template_plane",
]


def belief(loss_fn: Callable[[Tensor, Tensor], Tensor], eta: ArrayLike) -> Tensor:
    """The probability that an ideal model gives when ``loss_fn`` is minimised.

    Suppose that a share ``eta`` of many samples that look exactly alike is positive. The best
    single answer for all of them is the logit that minimises ``eta * loss(positive) + (1 - eta) *
    loss(negative)``; its sigmoid is the belief ``p*(eta)``. Cross entropy has ``p*(eta) = eta``:
    such a loss is called *strictly proper*.

    Args:
        loss_fn: takes ``(logits, target)``, both float64 ``(n,)``, and returns one value per sample
            (``reduction="none"``).
        eta: true probabilities in ``[0, 1]``, any shape.

    Returns:
        Beliefs in ``[0, 1]``, float64, of the shape of ``eta``, accurate to about 1e-6 if the loss
        keeps the float64 of its arguments. 0 or 1 where the expected loss keeps falling towards
        that end. Where several answers are equally good, one of them.

    Raises:
        ValueError: ``eta`` is outside ``[0, 1]``, or the loss returns one number for all samples.

    Source: Gneiting and Raftery, "Strictly Proper Scoring Rules", JASA 2007; for focal loss
    Charoenphakdee et al., "On Focal Loss for Class-Posterior Probability Estimation", CVPR 2021.

    >>> from torch.nn.functional import binary_cross_entropy_with_logits as bce
    >>> belief(lambda x, y: bce(x, y, reduction="none"), 0.1)
    tensor(0.1000, dtype=torch.float64)
    """
    eta = as_tensor(eta, np.float64)
    inside = (eta >= 0) & (eta <= 1)
    if not inside.all():
        raise ValueError(f"eta holds {eta[~inside][0]:g}; it must hold probabilities, from 0 to 1")
    share = eta.reshape(-1, 1)
    steps = torch.linspace(-1, 1, 241, dtype=torch.float64)
    centre, reach = torch.zeros_like(share), 24.0
    for _ in range(4):  # each grid lies around the best point of the one before and is 60 x finer
        logits = centre + reach * steps
        risk = (share * _each(loss_fn, logits, 1.0) + (1 - share) * _each(loss_fn, logits, 0.0))
        best = risk.nan_to_num(nan=torch.inf).argmin(dim=1, keepdim=True)
        centre = logits.gather(1, best)
        reach /= 60
    answer = centre.sigmoid()
    return torch.where(centre.abs() < 23.8, answer, answer.round()).reshape(eta.shape)


def as_binary(loss_fn: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """Turn a loss of two-class logits ``(n, 2)`` into one of a single logit ``(n,)``.

    Softmax of ``(0, x)`` gives class 1 the probability sigmoid(x). Use it to pass a softmax loss to
    :func:`belief`.

    Args:
        loss_fn: takes logits ``(n, 2)`` and class indices ``(n,)``.

    Returns:
        A loss that takes logits ``(n,)`` and targets ``(n,)`` of 0 and 1.

    >>> from torch.nn.functional import cross_entropy
    >>> as_binary(cross_entropy)(torch.zeros(3), torch.ones(3))
    tensor(0.6931)
    """
    def loss_of_one_logit(logits: Tensor, target: Tensor) -> Tensor:
        return loss_fn(torch.stack([torch.zeros_like(logits), logits], dim=1), target.long())

    return loss_of_one_logit


def _each(loss_fn: Callable[[Tensor, Tensor], Tensor], logits: Tensor, target: float) -> Tensor:
    flat = logits.reshape(-1)
    loss = loss_fn(flat, torch.full_like(flat, target))
    if loss.shape != flat.shape:
        raise ValueError(f"the loss returned shape {tuple(loss.shape)} for {len(flat)} samples; "
                         'belief needs one value per sample: use reduction="none"')
    return loss.reshape(logits.shape)


def best_f1_threshold(y_true: ArrayLike, prob: ArrayLike, *,
                      sample_weight: ArrayLike | None = None) -> tuple[float, float]:
    """The threshold with the highest F1, and that F1.

    A sample is called positive where ``prob >= threshold``. Choose the threshold on validation
    data: on the data it was chosen on, its F1 is too optimistic.

    Args:
        y_true: ``(N,)`` of 0 and 1.
        prob: ``(N,)``, the probability of 1 or any other score that rises with it.
        sample_weight: ``(N,)``, ``>= 0``; ``None`` for equal weights.

    Returns:
        The threshold, one of the values in ``prob``, and its F1 in ``[0, 1]``.

    Raises:
        ValueError: there is no positive with a weight, so that no threshold is better than another,
            or a ``sample_weight`` is below 0.

    >>> best_f1_threshold([0, 0, 1, 1], [0.1, 0.4, 0.3, 0.9])
    (0.3, 0.8)
    """
    y_true = as_array(y_true)
    weight = _weight(sample_weight, as_array(prob))
    if not ((y_true == 1) & (weight > 0)).any():
        raise ValueError("y_true holds no positive with a weight, so F1 is 0 at every threshold; "
                         "use rows with at least one positive")
    precision, recall, threshold = _pr_curve(y_true, as_array(prob), sample_weight)
    total = precision + recall
    f1 = 2 * precision * recall / np.where(total > 0, total, 1)
    best = int(np.argmax(f1[:-1]))  # the last point belongs to no threshold
    return float(threshold[best]), float(f1[best])


def _pr_curve(y_true: np.ndarray, prob: np.ndarray, weight: ArrayLike | None
              ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """scikit-learn's curve in half the time: its stable sort is fast on scores already sorted."""
    weight = None if weight is None else _weight(weight, prob)
    if prob.shape == y_true.shape == (prob if weight is None else weight).shape:
        order = np.argsort(prob)[::-1]
        y_true, prob, weight = (None if a is None else a[order] for a in (y_true, prob, weight))
    return precision_recall_curve(y_true, prob, sample_weight=weight)


def resampled_average_precision(y_true: ArrayLike, prob: ArrayLike, *,
                                sample_weight: ArrayLike | None = None, repeats: int = 100,
                                seed: int = 0) -> np.ndarray:
    """Average precision on the rows as they are, and on resampled rows.

    In each repeat every row occurs 0, 1, 2 ... times, as a Poisson variable of mean 1 says. All
    models get the same resampled rows, also in another call with the same ``seed``, so differences
    between them keep the noise of pairs.

    Args:
        y_true: ``(N,)`` of 0 and 1.
        prob: ``(runs, N)``, probabilities of 1 or any other score that rises with them.
        sample_weight: ``(N,)``, how many rows each stands for; ``None`` for 1.
        repeats: how often the rows are resampled.
        seed: the seed of the resampling.

    Returns:
        ``(runs, 1 + repeats)``; the first column is for the rows as they are. Rows with the same
        answer are taken in the order of the table. Positives behind the first ``10 * positives``
        answers (2000 at least) add nothing; each would add at most 0.1 over their number.

    Raises:
        ValueError: shapes do not fit, or there is no positive.

    Source: the bootstrap of Efron and Tibshirani, *An Introduction to the Bootstrap*, Chapman and
    Hall 1993, with independent Poisson counts in place of a multinomial sample.

    >>> resampled_average_precision([0, 1, 1, 0], [[0.1, 0.9, 0.3, 0.4]], repeats=3).shape
    (1, 4)
    """
    y_true, prob = as_array(y_true, dtype=np.float32), as_array(prob)
    if prob.ndim != 2 or prob.shape[1:] != y_true.shape or not (y_true == 1).any():
        raise ValueError(f"y_true has shape {y_true.shape} and prob {prob.shape}; they must be "
                         "(N,) and (runs, N), with at least one positive")
    weight = _weight(sample_weight, y_true).astype(np.float32)
    rng = np.random.default_rng(seed)
    counts = rng.poisson(1.0, (1 + repeats, len(y_true))).astype(np.float32) * weight
    counts[0] = weight
    positives = counts @ y_true
    first = max(2000, 10 * int((y_true == 1).sum()))
    scores = np.empty((len(prob), 1 + repeats))
    for run, answers in enumerate(prob):
        order = np.argsort(-answers, kind="stable")[:first]
        there = counts[:, order]
        alarms = there.cumsum(axis=1, dtype=np.float64)[:, y_true[order] == 1]
        hits = there[:, y_true[order] == 1]
        scores[run] = (hits * hits.cumsum(axis=1) / np.maximum(alarms, 1e-12)).sum(axis=1)
    return scores / np.maximum(positives, 1e-12)


def resampled_gain(first: ArrayLike, second: ArrayLike) -> tuple[np.ndarray, float, float]:
    """How much the second of two models gains in each pair, and two errors of the mean gain.

    It is what :func:`paired_gain` computes, from scores that have been resampled already.

    Args:
        first, second: ``(pairs, 1 + repeats)``, as :func:`resampled_average_precision` returns
            them. A table with one row stands for a model without seeds.

    Returns:
        The gains, ``(pairs,)``; the standard error of their mean over seeds and rows; and that over
        seeds alone.

    Raises:
        ValueError: there are fewer than two pairs.

    >>> gains, error, by_seeds = resampled_gain([[0.5, 0.4, 0.6]], [[0.6, 0.6, 0.6],
    ...                                                            [0.8, 0.7, 0.9]])
    >>> gains.round(1), round(error, 3), round(by_seeds, 3)
    (array([0.1, 0.3]), 0.122, 0.1)
    """
    difference = as_array(second, dtype=float) - as_array(first, dtype=float)
    if difference.ndim != 2 or len(difference) < 2:
        raise ValueError(f"the differences have shape {difference.shape}; an error needs at least "
                         "two pairs")
    by_seeds = difference[:, 0].std(ddof=1) / len(difference) ** 0.5
    by_rows = difference[:, 1:].mean(axis=0).std(ddof=1)
    return difference[:, 0], float(np.hypot(by_seeds, by_rows)), float(by_seeds)


def detector_scores(y_val: ArrayLike, prob_val: ArrayLike, y_test: ArrayLike,
                    prob_test: ArrayLike) -> dict[str, float]:
    """Three scores of a detector on test rows, with a threshold chosen on validation rows.

    Args:
        y_val, y_test: ``(N,)`` of 0 and 1.
        prob_val, prob_test: ``(N,)``, probabilities of 1 for the same rows.

    Returns:
        ``AP``, the average precision; ``F1``, at the threshold with the best F1 on the validation
        rows; and ``Brier``, the mean squared error of the probabilities, times 10,000.

    >>> detector_scores([0, 1], [0.2, 0.8], [0, 1], [0.9, 0.8])
    {'AP': 0.5, 'F1': 0.667, 'Brier': 4250.0}
    """
    from sklearn.metrics import average_precision_score, f1_score

    y_test, prob_test = as_array(y_test), as_array(prob_test, dtype=float)
    threshold = best_f1_threshold(y_val, prob_val)[0]
    scores = {"AP": average_precision_score(y_test, prob_test),
              "F1": f1_score(y_test, prob_test >= threshold),
              "Brier": 1e4 * np.mean((prob_test - y_test) ** 2)}
    return {name: round(float(value), 3) for name, value in scores.items()}


def expected_cost(y_true: ArrayLike, decision: ArrayLike, amount: ArrayLike, *, fee: float,
                  sample_weight: ArrayLike | None = None) -> float:
    """Mean cost per transaction: the amounts of missed frauds, and a fee for each alarm.

    Args:
        y_true: ``(N,)`` of 0 and 1.
        decision: ``(N,)`` of 0 and 1, where 1 is an alarm.
        amount: ``(N,)`` in euro, ``>= 0``: the cost of a fraud that raises no alarm.
        fee: in euro, ``>= 0``: the cost of investigating an alarm, right or wrong.
        sample_weight: ``(N,)``, ``>= 0``; ``None`` for equal weights.

    Returns:
        The mean cost in euro, ``>= 0``.

    Raises:
        ValueError: shapes differ, a target or decision is neither 0 nor 1, or an ``amount``,
            ``fee`` or ``sample_weight`` is below 0.

    Source: example-dependent costs of Elkan, "The Foundations of Cost-Sensitive Learning", IJCAI
    2001.

    >>> expected_cost([1, 1, 0, 0], [1, 0, 1, 0], [80.0, 30.0, 5.0, 5.0], fee=2.0)
    8.5
    """
    alarm = as_array(decision).astype(float)
    if not np.isin(alarm, (0, 1)).all():
        raise ValueError("decision must hold 0 and 1; compare the probability with a threshold")
    missed, weight = _missed_and_weight(y_true, alarm, amount, fee, sample_weight)
    return float(np.average(fee * alarm + missed * (1 - alarm), weights=weight))


def best_cost_threshold(y_true: ArrayLike, prob: ArrayLike, amount: ArrayLike, *, fee: float,
                        sample_weight: ArrayLike | None = None) -> tuple[float, float]:
    """The threshold with the lowest :func:`expected_cost`, and that cost.

    There is an alarm where ``prob >= threshold``. Choose the threshold on validation data.

    Args:
        y_true: ``(N,)`` of 0 and 1.
        prob: ``(N,)``, the probability of 1 or any other score that rises with it.
        amount: ``(N,)`` in euro, ``>= 0``: the cost of a fraud that raises no alarm.
        fee: in euro, ``>= 0``: the cost of investigating an alarm.
        sample_weight: ``(N,)``, ``>= 0``; ``None`` for equal weights.

    Returns:
        The threshold and the mean cost in euro. Every threshold is tried. Of equally good ones (up
        to rounding) it is the highest, and ``inf`` if no alarm at all is cheapest.

    Raises:
        ValueError: as for :func:`expected_cost`, or a ``prob`` is nan or infinite.

    >>> best_cost_threshold([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.9], [9.0, 4.0, 9.0, 50.0], fee=3.0)
    (0.9, 1.75)
    """
    prob = as_array(prob)
    missed, weight = _missed_and_weight(y_true, prob, amount, fee, sample_weight)
    if not np.isfinite(prob).all():
        raise ValueError("prob holds nan or inf; remove those rows, or find out why the model "
                         "gives them")
    order = np.argsort(prob)[::-1]  # ties count together, so their order does not matter
    prob, missed, weight = prob[order], missed[order], weight[order]
    # The cost with an alarm for the first 0, 1, ... N samples.
    change = np.concatenate([[0.0], np.cumsum(weight * (fee - missed))])
    cost = ((weight * missed).sum() + change) / weight.sum()
    last_of_equals = np.append(prob[1:] != prob[:-1], True)
    possible = np.concatenate([[True], last_of_equals])
    best = int(np.argmin(np.where(possible, cost, np.inf)))
    return float("inf") if best == 0 else float(prob[best - 1]), float(cost[best])


def _missed_and_weight(y_true: ArrayLike, other: np.ndarray, amount: ArrayLike, fee: float,
                       sample_weight: ArrayLike | None) -> tuple[np.ndarray, np.ndarray]:
    """The cost of each sample without an alarm, and its weight, both float64 ``(N,)``."""
    y_true, amount = as_array(y_true), as_array(amount, dtype=np.float64)
    weight = (np.ones(y_true.shape) if sample_weight is None
              else as_array(sample_weight, dtype=np.float64))
    shapes = [y_true.shape, other.shape, amount.shape, weight.shape]
    if len(set(shapes)) > 1 or y_true.ndim != 1 or not y_true.size:
        raise ValueError(f"y_true, decision or prob, amount and sample_weight have shapes "
                         f"{', '.join(map(str, shapes))}; they must all be (N,)")
    if not np.isin(y_true, (0, 1)).all():
        raise ValueError("y_true must hold 0 and 1")
    if not (amount >= 0).all() or not fee >= 0:
        raise ValueError(f"amount and fee must be >= 0; fee is {fee}, and the smallest amount is "
                         f"{amount.min()}")
    if not (weight >= 0).all() or not weight.sum() > 0:
        raise ValueError("sample_weight must hold numbers >= 0, not all of them 0")
    return amount * (y_true == 1), weight


def correct_prior(prob: ArrayLike, *, weight: float = 1.0, kept: float = 1.0) -> np.ndarray:
    """Probabilities as they would be without a class weight and without undersampling.

    A weight on the positives multiplies the odds that cross entropy makes a model believe by that
    weight. Training on only a share of the negatives divides the odds by that share. Multiplying
    the odds by ``kept / weight`` undoes both and does not change any ranking.

    Args:
        prob: probabilities of 1, any shape.
        weight: the factor on the loss of the positives, ``> 0`` (``pos_weight``).
        kept: the share of the negatives that the model was trained on, in ``(0, 1]``.

    Returns:
        Probabilities, float64, of the shape of ``prob``. Other causes of miscalibration, such as a
        loss other than cross entropy, are not corrected.

    Raises:
        ValueError: a ``prob`` is outside ``[0, 1]``, or ``weight`` or ``kept`` is not allowed.

    Source: Dal Pozzolo, Caelen, Johnson and Bontempi, "Calibrating Probability with Undersampling
    for Unbalanced Classification", IEEE CIDM 2015, equation 4; Saerens, Latinne and Decaestecker,
    "Adjusting the Outputs of a Classifier to New a Priori Probabilities", Neural Computation 2002.

    >>> correct_prior([0.5, 0.9], weight=9.0)
    array([0.1, 0.5])
    """
    prob = as_array(prob, dtype=np.float64)
    if not ((prob >= 0) & (prob <= 1)).all():
        raise ValueError("prob must hold probabilities, from 0 to 1")
    if not 0 < weight < np.inf:
        raise ValueError(f"weight is {weight}; it must be a number above 0")
    if not 0 < kept <= 1:
        raise ValueError(f"kept is {kept}; it must be a share above 0 and at most 1")
    factor = kept / weight
    return factor * prob / (factor * prob + (1 - prob))


def posterior_error(prob: ArrayLike, posterior: ArrayLike, *,
                    sample_weight: ArrayLike | None = None) -> float:
    """The root mean square distance between stated probabilities and the true ones.

    This needs data whose true probabilities are known. On average over the outcomes, the square of
    this error is the model's Brier score minus the Brier score of the true probabilities. So it
    measures calibration and refinement together, without bins and their bias.

    Args:
        prob: ``(N,)``, probabilities of 1.
        posterior: ``(N,)``, the true probabilities of 1, for example those of the synthetic twin.
        sample_weight: ``(N,)``, ``>= 0``; ``None`` for equal weights.

    Returns:
        A number in ``[0, 1]``.

    Raises:
        ValueError: shapes differ, a number is outside ``[0, 1]``, or a ``sample_weight`` is below
            0.

    >>> round(posterior_error([0.1, 0.4], [0.1, 0.0]), 3)
    0.283
    """
    prob, posterior = (as_array(p, dtype=np.float64) for p in (prob, posterior))
    if prob.shape != posterior.shape or not prob.size:
        raise ValueError(f"prob has shape {prob.shape} and posterior {posterior.shape}; "
                         "they must be equal, with at least one sample")
    for name, values in (("prob", prob), ("posterior", posterior)):
        if not ((values >= 0) & (values <= 1)).all():
            raise ValueError(f"{name} must hold probabilities, from 0 to 1")
    weight = _weight(sample_weight, prob)
    return float(np.sqrt(np.average((prob - posterior) ** 2, weights=weight)))


def _weight(sample_weight: ArrayLike | None, prob: np.ndarray) -> np.ndarray:
    weight = np.ones_like(prob) if sample_weight is None else as_array(sample_weight, dtype=float)
    if weight.shape != prob.shape or not (weight >= 0).all() or not weight.sum() > 0:
        raise ValueError(f"sample_weight must hold {len(prob)} numbers >= 0, not all of them 0")
    return weight


def seed_band(values: ArrayLike, *, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """The mean over seeds, and half the width of its confidence interval, by Student's t.

    The interval is about other seeds on the same data, not about other data. To compare two losses
    trained with the same seeds, pass the differences seed by seed.

    Args:
        values: ``(seeds, ...)``, at least two seeds.
        confidence: above 0 and below 1.

    Returns:
        Mean and half width, each of the shape of one seed's values.

    Raises:
        ValueError: there are fewer than two seeds, or ``confidence`` is not allowed.

    >>> mean, half = seed_band([0.70, 0.74, 0.72])
    >>> print(f"{mean:.2f} ± {half:.2f}")
    0.72 ± 0.05
    """
    values = as_array(values, dtype=np.float64)
    if values.ndim == 0 or len(values) < 2:
        raise ValueError(f"values has shape {values.shape}; a band needs at least two seeds")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; it must lie between 0 and 1")
    from scipy.stats import t

    error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    return values.mean(axis=0), t.ppf((1 + confidence) / 2, df=len(values) - 1) * error


def sign_test(first: ArrayLike, second: ArrayLike) -> tuple[int, int, float]:
    """Compare two methods pair by pair, by what happens to one of them and not to the other.

    Pairs in which both are alike say nothing about the difference. If neither method is better, the
    others are like tosses of a coin.

    Args:
        first, second: true or false for each pair, such as whether the network of a seed failed.

    Returns:
        How often only the first is true, how often only the second, and the probability that a fair
        coin would be at least so one-sided (1 if no pair differs).

    Raises:
        ValueError: the shapes differ.

    Source: McNemar's exact test; Dixon and Mood, "The Statistical Sign Test", JASA 1946.

    >>> sign_test([True, True, True, False], [False, False, True, False])
    (2, 0, 0.5)
    """
    first, second = as_array(first, dtype=bool), as_array(second, dtype=bool)
    if first.shape != second.shape:
        raise ValueError(f"first has shape {first.shape} and second {second.shape}; they must hold "
                         "the same pairs")
    from scipy.stats import binomtest

    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    differ = only_first + only_second
    p = float(binomtest(only_first, differ).pvalue) if differ else 1.0
    return only_first, only_second, p


def paired_gain(score: Callable[[Tensor, Tensor], Tensor | float], y_true: ArrayLike | Tensor,
                first: ArrayLike | Tensor, second: ArrayLike | Tensor, *, repeats: int = 300,
                seed: int = 0) -> tuple[np.ndarray, float]:
    """How much the second of two models gains in each pair, and the error of the mean gain.

    The models of a pair share their seed, and all are judged on the same rows, so what is hard for
    one is hard for the other and cancels in the difference. Two kinds of noise remain. That of the
    rows is found by *resampling*: the same rows, picked at random with replacement, for all models.
    That of the seeds is the spread of the gains. Their squares add up.

    Args:
        score: of answers ``(N,)`` and targets ``(N,)``, both tensors on the CPU; more is better.
        y_true: ``(N,)``.
        first, second: answers ``(pairs, N)``, of two pairs at least.
        repeats: how often the rows are resampled, at least 2.
        seed: the seed of the resampling.

    Returns:
        The gains, ``(pairs,)``, and the standard error of their mean.

    Raises:
        ValueError: the shapes do not fit, or there are fewer than two pairs.

    Source: Efron and Tibshirani, *An Introduction to the Bootstrap*, Chapman and Hall 1993.

    >>> accuracy = lambda answer, target: (answer == target).double().mean()
    >>> y = torch.tensor([0.0, 1.0, 1.0, 0.0])
    >>> gains, error = paired_gain(accuracy, y, torch.zeros(2, 4), torch.stack([y, y]))
    >>> gains
    array([0.5, 0.5])
    """
    y_true, first, second = (as_tensor(values) for values in (y_true, first, second))
    if first.shape != second.shape or first.shape[1:] != y_true.shape or y_true.dim() != 1:
        raise ValueError(f"first and second have shapes {tuple(first.shape)} and "
                         f"{tuple(second.shape)} beside targets of shape {tuple(y_true.shape)}; "
                         "they must be (pairs, N) and (N,)")
    if len(first) < 2:
        raise ValueError(f"there are {len(first)} pairs; an error needs at least two")

    def gains_on(rows: Tensor) -> np.ndarray:
        return np.array([float(score(b[rows], y_true[rows])) - float(score(a[rows], y_true[rows]))
                         for a, b in zip(first, second, strict=True)])

    generator, size = torch.Generator().manual_seed(int(seed)), len(y_true)
    gains = gains_on(torch.arange(size))
    means = [gains_on(torch.randint(size, (size,), generator=generator)).mean()
             for _ in range(repeats)]
    return gains, float(np.sqrt(np.var(means, ddof=1) + np.var(gains, ddof=1) / len(gains)))


def calibration_error(y_true: ArrayLike, prob: ArrayLike, *, bins: int = 15,
                      strategy: str = "uniform", sample_weight: ArrayLike | None = None) -> float:
    """Expected calibration error: the mean distance between stated probability and frequency.

    Samples with similar probabilities share a bin. The error is the mean of ``|frequency - mean
    probability|`` over the bins, weighted by their share of the samples. It is biased upwards: even
    a perfectly calibrated model scores above 0 on average on a finite sample, and more bins
    increase this bias.

    Args:
        y_true: ``(N,)``; 0 and 1, or class indices if ``prob`` is ``(N, C)``.
        prob: ``(N,)``, the probability of 1; or ``(N, C)``, where the largest probability of each
            row, the *confidence*, is compared with whether that class is right.
        bins: the number of bins, ``>= 1``.
        strategy: ``"uniform"`` for bins of equal width; ``"quantile"`` for bins of equal weight
            (samples with the same probability stay together, so there may be fewer). Both are as in
            scikit-learn's ``calibration_curve``, which plots what is summed up here.
        sample_weight: ``(N,)``, ``>= 0``; ``None`` for equal weights.

    Returns:
        A number in ``[0, 1]``.

    Raises:
        ValueError: shapes do not fit, there is no sample, a probability is outside ``[0, 1]``, a
            target is not a class, or ``bins``, ``strategy`` or ``sample_weight`` is not allowed.

    Source: Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian
    Binning", AAAI 2015; for the confidence Guo et al., "On Calibration of Modern Neural Networks",
    ICML 2017.

    >>> calibration_error([0, 1, 1, 1], [0.7, 0.7, 0.9, 0.9])
    0.15
    """
    share, confidence, frequency = reliability(y_true, prob, bins=bins, strategy=strategy,
                                               sample_weight=sample_weight)
    full = share > 0
    return float((share * np.abs(frequency - confidence))[full].sum())


def calibration_floor(prob: ArrayLike, *, bins: int = 15, rounds: int = 20, seed: int = 0) -> float:
    """The expected calibration error that a perfectly calibrated model would have, on average.

    The probabilities stay as they are. In each of the ``rounds``, a random number decides for every
    answer whether it is right, with exactly the stated probability. The
    :func:`calibration_error` that is left is due to chance alone.

    Args:
        prob: ``(N,)``, the probability of 1; or ``(N, C)``, where the largest probability of each
            row is used.
        bins: the number of bins, of equal width, ``>= 1``.
        rounds: how many times to repeat this, ``>= 1``.
        seed: the seed of the random numbers.

    Returns:
        A number in ``[0, 1]``. It is smaller with more samples and with more certain answers.

    Raises:
        ValueError: ``rounds`` is smaller than 1, or :func:`calibration_error` refuses ``prob`` or
            ``bins``.

    Source: the consistency resampling of Bröcker and Smith, "Increasing the Reliability of
    Reliability Diagrams", Weather and Forecasting 2007.

    >>> round(calibration_floor([0.5] * 100, rounds=1000), 2)
    0.04
    """
    if rounds < 1:
        raise ValueError(f"rounds is {rounds}; it must be at least 1")
    prob = as_array(prob, dtype=float)
    confidence = prob.max(axis=1) if prob.ndim == 2 else prob
    coins = np.random.default_rng(seed).random((rounds, *confidence.shape))
    return float(np.mean([calibration_error(toss < confidence, confidence, bins=bins)
                          for toss in coins]))


def cluster_looseness(points: ArrayLike, labels: ArrayLike, *,
                      classes: Sequence[int] | None = None) -> float:
    """How far apart the points of a class lie, compared with the distance between the classes.

    This is the mean squared distance of the points of a class from their centre, averaged over the
    classes, divided by the mean squared distance of the centres from their own centre. It does not
    depend on the unit of length, and every class counts the same.

    Args:
        points: ``(N, D)``.
        labels: ``(N,)``, the class of each point.
        classes: the classes to compare, at least two; ``None`` for all.

    Returns:
        A number ``>= 0``; 0 if all points of each class coincide.

    Raises:
        ValueError: shapes do not fit, a class has no point, there are fewer than two classes, or
            all centres coincide.

    >>> round(cluster_looseness([[0.0], [2.0], [9.0], [11.0]], [0, 0, 1, 1]), 4)
    0.0494
    """
    points, labels = as_array(points, dtype=float), as_array(labels)
    if points.ndim != 2 or labels.shape != points.shape[:1]:
        raise ValueError(f"points has shape {points.shape} and labels {labels.shape}; they must be "
                         "(N, D) and (N,)")
    classes = np.unique(labels) if classes is None else as_array(classes)
    if missing := [c for c in classes if c not in labels]:
        raise ValueError(f"classes holds {missing[0]}, and no label is {missing[0]}")
    clouds = [points[labels == c] for c in classes]
    centres = np.array([cloud.mean(axis=0) for cloud in clouds])
    between = centres.var(axis=0).sum()
    if len(clouds) < 2 or not between > 0:
        raise ValueError(f"labels holds {len(clouds)} class(es) with centres in one place; give at "
                         "least two classes with different centres")
    return float(np.mean([cloud.var(axis=0).sum() for cloud in clouds]) / between)


def template_plane(weight: ArrayLike | Tensor, classes: Sequence[int]) -> Tensor:
    """Two perpendicular directions of length 1 that span the plane of three templates' tips.

    The template of a class is its row of the last layer's weights. The tips of three templates lie
    in one plane, and ``points @ template_plane(weight, classes)`` projects points onto it.

    Args:
        weight: ``(C, D)``, of the last layer.
        classes: three of them.

    Returns:
        ``(D, 2)``, without a gradient.

    Raises:
        ValueError: other than three classes.

    Source: the pictures of Müller, Kornblith and Hinton, "When Does Label Smoothing Help?",
    NeurIPS 2019.

    >>> template_plane(torch.eye(3), [0, 1, 2]).T @ torch.ones(3)
    tensor([0., 0.])
    """
    if len(classes) != 3:
        raise ValueError(f"classes holds {len(classes)}; a plane needs three")
    weight = weight.detach() if isinstance(weight, Tensor) else as_tensor(weight)
    first, *others = weight[as_array(classes).tolist()]
    return torch.linalg.qr(torch.stack([other - first for other in others], dim=1)).Q


def reliability(y_true: ArrayLike, prob: ArrayLike, *, bins: int = 15, strategy: str = "uniform",
                sample_weight: ArrayLike | None = None
                ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a reliability diagram shows, bin by bin; arguments as in :func:`calibration_error`.

    Returns:
        The share of the samples, their mean probability, and the frequency of 1 (with ``(N, C)``,
        of right answers), each ``(bins,)``. The last two are nan where a bin is empty.

    >>> reliability([0, 1, 1, 1], [0.2, 0.2, 0.9, 0.9], bins=2)
    (array([0.5, 0.5]), array([0.2, 0.9]), array([0.5, 1. ]))
    """
    outcome, prob = _outcome_and_probability(as_array(y_true), as_array(prob, dtype=float))
    weight = _weight(sample_weight, prob)
    if bins < 1:
        raise ValueError(f"bins is {bins}; it must be at least 1")
    edges = np.arange(1, bins) / bins
    if strategy == "uniform":  # a probability on an edge belongs to the bin below it
        where = np.searchsorted(edges, prob)
    elif strategy == "quantile":  # the weight that lies below a sample's probability
        values, index = np.unique(prob, return_inverse=True)
        mass = np.bincount(index, weights=weight, minlength=len(values))
        position = (np.cumsum(mass) - mass) / mass.sum()
        where = np.searchsorted(edges, position, side="right")[index]
    else:
        raise ValueError(f'strategy is {strategy!r}; it must be "uniform" or "quantile"')
    total, stated, observed = (np.bincount(where, weights=weight * values, minlength=bins)
                               for values in (np.ones_like(prob), prob, outcome))
    with np.errstate(invalid="ignore"):
        return total / total.sum(), stated / total, observed / total


def _outcome_and_probability(y_true: np.ndarray, prob: np.ndarray
                             ) -> tuple[np.ndarray, np.ndarray]:
    """Whether it happened, and the probability stated for it, both ``(N,)``."""
    if prob.ndim not in (1, 2) or y_true.shape != prob.shape[:1] or not prob.size:
        raise ValueError(f"y_true has shape {y_true.shape} and prob {prob.shape}; they must be "
                         "(N,) and (N,) or (N, C), with at least one sample")
    if not ((prob >= 0) & (prob <= 1)).all():
        raise ValueError("prob must hold probabilities, from 0 to 1; of logits, take the sigmoid "
                         "or the softmax first")
    classes = 2 if prob.ndim == 1 else prob.shape[1]
    if not np.isin(y_true, np.arange(classes)).all():
        raise ValueError(f"y_true must hold whole numbers from 0 to {classes - 1}")
    if prob.ndim == 1:
        return y_true.astype(float), prob
    return (prob.argmax(axis=1) == y_true).astype(float), prob.max(axis=1)
