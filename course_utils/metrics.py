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

__all__ = ["belief", "best_f1_threshold"]


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
        Beliefs in ``[0, 1]``, float64, of the shape of ``eta``, accurate to about 1e-6. Where the
        expected loss keeps falling to the end, that end: 0 or 1. Where several answers are equally
        good, one of them.

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
        centre = logits.gather(1, risk.argmin(dim=1, keepdim=True))
        reach /= 60
    answer = centre.sigmoid()
    return torch.where(centre.abs() < 23.8, answer, answer.round()).reshape(eta.shape)


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
        ValueError: there is no positive, so that no threshold is better than another.

    >>> best_f1_threshold([0, 0, 1, 1], [0.1, 0.4, 0.3, 0.9])
    (0.3, 0.8)
    """
    y_true = np.asarray(y_true)
    if not y_true.any():
        raise ValueError("y_true holds no positive; F1 is then 0 at every threshold")
    precision, recall, threshold = precision_recall_curve(
        y_true, np.asarray(prob), sample_weight=sample_weight)
    total = precision + recall
    f1 = 2 * precision * recall / np.where(total > 0, total, 1)
    best = int(np.argmax(f1[:-1]))  # the last point belongs to no threshold
    return float(threshold[best]), float(f1[best])
