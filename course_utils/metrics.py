"""What a loss makes a model believe, and what follows for decisions.

What belongs here: scores and beliefs that scikit-learn does not have. What it has
(``average_precision_score``, ``f1_score``, ``brier_score_loss``, ``confusion_matrix`` ...) is used
from there.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.metrics import precision_recall_curve
from torch import Tensor

__all__ = [
    "as_binary",
    "belief",
    "best_cost_threshold",
    "best_f1_threshold",
    "calibration_error",
    "correct_prior",
    "expected_cost",
    "posterior_error",
    "reliability",
    "seed_band",
]


def belief(loss_fn: Callable[[Tensor, Tensor], Tensor], eta: ArrayLike) -> Tensor:
    """The probability that an ideal model reports when ``loss_fn`` is minimised.

    Of many samples that all look alike, a share ``eta`` is positive. The best single answer for
    them is the logit that minimises ``eta * loss(positive) + (1 - eta) * loss(negative)``; its
    sigmoid is the belief ``p*(eta)``. Cross entropy has ``p*(eta) = eta``: such a loss is called
    *strictly proper*.

    Args:
        loss_fn: of ``(logits, target)``, both ``(n,)``, one value a sample (``reduction="none"``).
        eta: true probabilities in ``[0, 1]``, any shape.

    Returns:
        Beliefs in ``[0, 1]``, float64, of the shape of ``eta``, accurate to about 1e-6 if the loss
        computes in float64, as it is asked to. Where the expected loss keeps falling to the end,
        that end: 0 or 1. Where several answers are equally good, one of them.

    Raises:
        ValueError: ``eta`` outside ``[0, 1]``, or a loss that returns one number for all samples.

    Source: Gneiting and Raftery, "Strictly Proper Scoring Rules", JASA 2007; for focal loss
    Charoenphakdee et al., "On Focal Loss for Class-Posterior Probability Estimation", CVPR 2021.

    >>> from torch.nn.functional import binary_cross_entropy_with_logits as bce
    >>> belief(lambda x, y: bce(x, y, reduction="none"), 0.1)
    tensor(0.1000, dtype=torch.float64)
    """
    eta = torch.as_tensor(eta, dtype=torch.float64)
    if not ((eta >= 0) & (eta <= 1)).all():
        raise ValueError("eta must be probabilities, from 0 to 1")
    share = eta.reshape(-1, 1)
    steps = torch.linspace(-1, 1, 241, dtype=torch.float64)
    centre, reach = torch.zeros_like(share), 24.0
    for _ in range(4):  # each look is a grid around the best point of the one before, 60 x finer
        logits = centre + reach * steps
        risk = (share * _each(loss_fn, logits, 1.0) + (1 - share) * _each(loss_fn, logits, 0.0))
        best = risk.nan_to_num(nan=torch.inf).argmin(dim=1, keepdim=True)
        centre = logits.gather(1, best)
        reach /= 60
    answer = centre.sigmoid()
    return torch.where(centre.abs() < 23.8, answer, answer.round()).reshape(eta.shape)


def as_binary(loss_fn: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """Turn a loss of two-class logits ``(n, 2)`` into one of a single logit ``(n,)``.

    Softmax of ``(0, x)`` gives class 1 the probability sigmoid(x). For :func:`belief`.

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
                         'belief needs one value a sample: use reduction="none"')
    return loss.reshape(logits.shape)


def best_f1_threshold(y_true: ArrayLike, prob: ArrayLike, *,
                      sample_weight: ArrayLike | None = None) -> tuple[float, float]:
    """The threshold with the highest F1, and that F1.

    Call it positive where ``prob >= threshold``. Choose the threshold on validation data: on the
    data it was chosen on, its F1 is too good.

    Args:
        y_true: ``(N,)`` of 0 and 1.
        prob: ``(N,)``, any increasing score.
        sample_weight: ``(N,)``.

    Raises:
        ValueError: there is no positive with a weight, so that no threshold is better than another.

    >>> best_f1_threshold([0, 0, 1, 1], [0.1, 0.4, 0.3, 0.9])
    (0.3, 0.8)
    """
    y_true = np.asarray(y_true)
    weight = np.ones(y_true.shape) if sample_weight is None else np.asarray(sample_weight)
    if not ((y_true == 1) & (weight > 0)).any():
        raise ValueError("y_true holds no positive with a weight; F1 is then 0 at every threshold")
    precision, recall, threshold = _pr_curve(y_true, np.asarray(prob), sample_weight)
    total = precision + recall
    f1 = 2 * precision * recall / np.where(total > 0, total, 1)
    best = int(np.argmax(f1[:-1]))  # the last point belongs to no threshold
    return float(threshold[best]), float(f1[best])


def _pr_curve(y_true: np.ndarray, prob: np.ndarray, weight: ArrayLike | None
              ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """scikit-learn's curve in half its time: its stable sort is slow, but not on sorted scores."""
    weight = None if weight is None else np.asarray(weight)
    if prob.shape == y_true.shape == (prob if weight is None else weight).shape:
        order = np.argsort(prob)[::-1]
        y_true, prob, weight = (None if a is None else a[order] for a in (y_true, prob, weight))
    return precision_recall_curve(y_true, prob, sample_weight=weight)


def expected_cost(y_true: ArrayLike, decision: ArrayLike, amount: ArrayLike, *, fee: float,
                  sample_weight: ArrayLike | None = None) -> float:
    """What fraud and its detection cost per transaction: missed amounts, and a fee an alarm.

    Args:
        y_true: ``(N,)`` of 0 and 1.
        decision: ``(N,)`` of 0 and 1, where 1 is an alarm.
        amount: ``(N,)`` in euro, ``>= 0``: what a fraud costs that raises no alarm.
        fee: in euro, ``>= 0``: what looking into an alarm costs, right or wrong.
        sample_weight: ``(N,)``, ``>= 0``.

    Raises:
        ValueError: shapes that differ, a target or decision that is neither 0 nor 1, an ``amount``,
            ``fee`` or ``sample_weight`` below 0.

    Source: example-dependent costs of Elkan, "The Foundations of Cost-Sensitive Learning", IJCAI
    2001.

    >>> expected_cost([1, 1, 0, 0], [1, 0, 1, 0], [80.0, 30.0, 5.0, 5.0], fee=2.0)
    8.5
    """
    alarm = np.asarray(decision).astype(float)
    if not np.isin(alarm, (0, 1)).all():
        raise ValueError("decision must hold 0 and 1; compare the probability with a threshold")
    missed, weight = _missed_and_weight(y_true, alarm, amount, fee, sample_weight)
    return float(np.average(fee * alarm + missed * (1 - alarm), weights=weight))


def best_cost_threshold(y_true: ArrayLike, prob: ArrayLike, amount: ArrayLike, *, fee: float,
                        sample_weight: ArrayLike | None = None) -> tuple[float, float]:
    """The threshold with the lowest :func:`expected_cost`, and that cost.

    Raise an alarm where ``prob >= threshold``. Every threshold is tried; of equally good ones (up
    to rounding) the highest is taken, and ``inf`` means that no alarm at all is cheapest. Choose it
    on validation data.

    Args:
        y_true: ``(N,)`` of 0 and 1.
        prob: ``(N,)``, any increasing score.
        amount: ``(N,)`` in euro, ``>= 0``.
        fee: in euro, ``>= 0``.
        sample_weight: ``(N,)``, ``>= 0``.

    Raises:
        ValueError: as :func:`expected_cost`; a ``prob`` that is nan or infinite.

    >>> best_cost_threshold([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.9], [9.0, 4.0, 9.0, 50.0], fee=3.0)
    (0.9, 1.75)
    """
    prob = np.asarray(prob)
    missed, weight = _missed_and_weight(y_true, prob, amount, fee, sample_weight)
    if not np.isfinite(prob).all():
        raise ValueError("prob holds nan or inf; a threshold needs numbers")
    order = np.argsort(prob)[::-1]  # equals count together, so their order does not matter
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
    """What each sample costs without an alarm, and its weight, in float64."""
    y_true, amount = np.asarray(y_true), np.asarray(amount, dtype=np.float64)
    weight = (np.ones(y_true.shape) if sample_weight is None
              else np.asarray(sample_weight, dtype=np.float64))
    shapes = [y_true.shape, other.shape, amount.shape, weight.shape]
    if len(set(shapes)) > 1 or y_true.ndim != 1 or not y_true.size:
        raise ValueError(f"y_true, decision or prob, amount and sample_weight have shapes "
                         f"{', '.join(map(str, shapes))}; they must all be (N,)")
    if not np.isin(y_true, (0, 1)).all():
        raise ValueError("y_true must hold 0 and 1")
    if not (amount >= 0).all() or not fee >= 0:
        raise ValueError(f"amount and fee must be >= 0; fee is {fee}")
    if not (weight >= 0).all() or not weight.sum() > 0:
        raise ValueError("sample_weight must be numbers >= 0, not all of them 0")
    return amount * (y_true == 1), weight


def correct_prior(prob: ArrayLike, *, weight: float = 1.0, kept: float = 1.0) -> np.ndarray:
    """Probabilities as they would be without a class weight and without undersampling.

    A weight on the positives multiplies the odds that cross entropy makes a model believe; keeping
    only some of the negatives divides them. Both are undone by one factor on the odds,
    ``kept / weight``, which moves no ranking.

    Args:
        prob: probabilities of 1, any shape.
        weight: what the positives' loss was multiplied by, ``> 0`` (``pos_weight``).
        kept: the share of the negatives that the model was trained on, in ``(0, 1]``.

    Returns:
        Probabilities, float64, of the shape of ``prob``. They are as good as the model's own:
        what was miscalibrated before, for another loss than cross entropy, stays so.

    Raises:
        ValueError: a ``prob`` outside ``[0, 1]``, ``weight`` or ``kept`` not allowed.

    Source: Dal Pozzolo, Caelen, Johnson and Bontempi, "Calibrating Probability with Undersampling
    for Unbalanced Classification", IEEE CIDM 2015, equation 4; Saerens, Latinne and Decaestecker,
    "Adjusting the Outputs of a Classifier to New a Priori Probabilities", Neural Computation 2002.

    >>> correct_prior([0.5, 0.9], weight=9.0)
    array([0.1, 0.5])
    """
    prob = np.asarray(prob, dtype=np.float64)
    if not ((prob >= 0) & (prob <= 1)).all():
        raise ValueError("prob must hold probabilities, from 0 to 1")
    if not 0 < weight < np.inf:
        raise ValueError(f"weight is {weight}; it must be a number above 0")
    if not 0 < kept <= 1:
        raise ValueError(f"kept is {kept}; it must be a share above 0, at most 1")
    factor = kept / weight
    return factor * prob / (factor * prob + (1 - prob))


def posterior_error(prob: ArrayLike, posterior: ArrayLike, *,
                    sample_weight: ArrayLike | None = None) -> float:
    """How far stated probabilities lie from the true ones, where these are known: root mean square.

    Its square is what the model's Brier score exceeds that of an all-knowing model by, on average
    over the outcomes: calibration and refinement together, without bins and their bias.

    Args:
        prob: ``(N,)``, probabilities of 1.
        posterior: ``(N,)``, the true probabilities of 1, as those of the synthetic twin.
        sample_weight: ``(N,)``, ``>= 0``.

    Raises:
        ValueError: shapes that differ, a number outside ``[0, 1]``, a ``sample_weight`` below 0.

    >>> round(posterior_error([0.1, 0.4], [0.1, 0.0]), 3)
    0.283
    """
    prob, posterior = (np.asarray(p, dtype=np.float64) for p in (prob, posterior))
    if prob.shape != posterior.shape or not prob.size:
        raise ValueError(f"prob has shape {prob.shape} and posterior {posterior.shape}; "
                         "they must be equal, with at least one sample")
    for name, values in (("prob", prob), ("posterior", posterior)):
        if not ((values >= 0) & (values <= 1)).all():
            raise ValueError(f"{name} must hold probabilities, from 0 to 1")
    weight = _weight(sample_weight, prob)
    return float(np.sqrt(np.average((prob - posterior) ** 2, weights=weight)))


def _weight(sample_weight: ArrayLike | None, prob: np.ndarray) -> np.ndarray:
    weight = np.ones_like(prob) if sample_weight is None else np.asarray(sample_weight, dtype=float)
    if weight.shape != prob.shape or not (weight >= 0).all() or not weight.sum() > 0:
        raise ValueError(f"sample_weight must be {len(prob)} numbers >= 0, not all of them 0")
    return weight


def seed_band(values: ArrayLike, *, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Mean over seeds, and the half width of its confidence interval, by Student's t.

    It speaks of other seeds on the same data, not of other data. Two losses trained with the same
    seeds are best compared by the band of their differences, seed by seed.

    Args:
        values: ``(seeds, ...)``, at least two seeds.
        confidence: above 0 and below 1.

    Returns:
        Mean and half width, each of the shape of one seed's values.

    Raises:
        ValueError: fewer than two seeds, or ``confidence`` not allowed.

    >>> mean, half = seed_band([0.70, 0.74, 0.72])
    >>> print(f"{mean:.2f} ± {half:.2f}")
    0.72 ± 0.05
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim == 0 or len(values) < 2:
        raise ValueError(f"values has shape {values.shape}; a band needs at least two seeds")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; it must lie between 0 and 1")
    from scipy.stats import t

    error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    return values.mean(axis=0), t.ppf((1 + confidence) / 2, df=len(values) - 1) * error


def calibration_error(y_true: ArrayLike, prob: ArrayLike, *, bins: int = 15,
                      strategy: str = "uniform", sample_weight: ArrayLike | None = None) -> float:
    """Expected calibration error: how far stated probabilities are from frequencies, on average.

    Samples with a similar probability share a bin. The error is the mean of ``|frequency - mean
    probability|`` over the bins, by their share of the samples. It is biased upwards: a perfectly
    calibrated model scores above 0 on any finite sample, the more so the more bins.

    Args:
        y_true: ``(N,)``; 0 and 1, or class indices if ``prob`` is ``(N, C)``.
        prob: ``(N,)``, the probability of 1; or ``(N, C)``, of which the largest of each row, the
            *confidence*, is held against whether that class is right.
        bins: how many, ``>= 1``.
        strategy: ``"uniform"``, bins of equal width; ``"quantile"``, bins of equal weight (samples
            of one probability stay together, so there may be fewer). As in scikit-learn's
            ``calibration_curve``, which draws what is summed up here.
        sample_weight: ``(N,)``, ``>= 0``.

    Returns:
        A number in ``[0, 1]``.

    Raises:
        ValueError: shapes that do not fit, no sample, a probability outside ``[0, 1]``, a target
            that is none, ``bins``, ``strategy`` or ``sample_weight`` not allowed.

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


def reliability(y_true: ArrayLike, prob: ArrayLike, *, bins: int = 15, strategy: str = "uniform",
                sample_weight: ArrayLike | None = None
                ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a reliability diagram shows, bin by bin; arguments as in :func:`calibration_error`.

    Returns:
        The share of the samples, their mean probability and the frequency of 1 (of right answers),
        each ``(bins,)``; nan where a bin is empty.

    >>> reliability([0, 1, 1, 1], [0.2, 0.2, 0.9, 0.9], bins=2)
    (array([0.5, 0.5]), array([0.2, 0.9]), array([0.5, 1. ]))
    """
    outcome, prob = _outcome_and_probability(np.asarray(y_true), np.asarray(prob, dtype=float))
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
    total, stated, seen = (np.bincount(where, weights=weight * values, minlength=bins)
                           for values in (np.ones_like(prob), prob, outcome))
    with np.errstate(invalid="ignore"):
        return total / total.sum(), stated / total, seen / total


def _outcome_and_probability(y_true: np.ndarray, prob: np.ndarray
                             ) -> tuple[np.ndarray, np.ndarray]:
    """Whether it happened, and the probability stated for it, both ``(N,)``."""
    if prob.ndim not in (1, 2) or y_true.shape != prob.shape[:1] or not prob.size:
        raise ValueError(f"y_true has shape {y_true.shape} and prob {prob.shape}; they must be "
                         "(N,) and (N,) or (N, C), with at least one sample")
    if not ((prob >= 0) & (prob <= 1)).all():
        raise ValueError("prob must hold probabilities, from 0 to 1; of logits take the sigmoid or "
                         "softmax first")
    classes = 2 if prob.ndim == 1 else prob.shape[1]
    if not np.isin(y_true, np.arange(classes)).all():
        raise ValueError(f"y_true must hold whole numbers from 0 to {classes - 1}")
    if prob.ndim == 1:
        return y_true.astype(float), prob
    return (prob.argmax(axis=1) == y_true).astype(float), prob.max(axis=1)
