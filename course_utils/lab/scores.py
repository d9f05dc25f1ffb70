"""What the laboratory measures: metrics of many networks at once, and decision rules.

What belongs here: functions of logits ``(M, N, K)``, those of M networks for the same N targets.
A metric gives one value per network. A decision rule changes the logits of trained networks without
training them, by means of the validation part: a shift, a temperature, a threshold. With a rule of
two classes a row counts as positive if its second logit is the larger one, as always.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from ..losses import focal_loss
from ..metrics import best_f1_threshold, calibration_error

__all__ = ["METRICS", "MISSED", "RULES"]

MISSED = 40.0  # what a missed fraud costs, in false alarms
Metric = Callable[[Tensor, Tensor, Tensor], Tensor]
Rule = Callable[[Tensor, Tensor, Tensor], Callable[[Tensor], Tensor]]


# Metrics: (logits, target, shares of the classes among the training rows) -> (M,) -----------------


def accuracy(logits: Tensor, target: Tensor, shares: Tensor) -> Tensor:
    return (logits.argmax(-1) == target).double().mean(-1)


def _counts(logits: Tensor, target: Tensor, weight: Tensor | None = None
            ) -> tuple[Tensor, Tensor, Tensor]:
    """Hits, decisions and rows of each class, (M, K), with a weight for the rows of each class."""
    k = logits.shape[-1]
    truth = F.one_hot(target, k).double() * (1.0 if weight is None else weight)
    decided = F.one_hot(logits.argmax(-1), k).double()
    of_row = truth.sum(-1, keepdim=True)
    return (decided * truth).sum(-2), (decided * of_row).sum(-2), truth.sum(-2)


def _recalls(logits: Tensor, target: Tensor) -> Tensor:
    hits, _, rows = _counts(logits, target)
    return hits / rows


def _f1s(logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    hits, decided, rows = _counts(logits, target, weight)
    return 2 * hits / (decided + rows)


def _rare(each: Tensor) -> Tensor:
    """The mean over the rare classes: the last third, or the last one of two or three."""
    return each[..., -max(1, each.shape[-1] // 3):].mean(-1)


def rare_recall(logits: Tensor, target: Tensor, shares: Tensor) -> Tensor:
    return _rare(_recalls(logits, target))


def rare_f1(logits: Tensor, target: Tensor, shares: Tensor) -> Tensor:
    return _rare(_f1s(logits, target))


def macro_f1(logits: Tensor, target: Tensor, shares: Tensor) -> Tensor:
    return _f1s(logits, target).mean(-1)


def worst_recall(logits: Tensor, target: Tensor, shares: Tensor) -> Tensor:
    """The mean recall of the three classes where it is lowest."""
    return _recalls(logits, target).sort(dim=-1).values[..., :3].mean(-1)


def _as_in_training(target: Tensor, shares: Tensor) -> Tensor:
    """Weights of the classes with which a part has the shares of training."""
    return shares / target.bincount(minlength=len(shares))


def natural_accuracy(logits: Tensor, target: Tensor, shares: Tensor) -> Tensor:
    """The accuracy on rows with the shares of training."""
    return _recalls(logits, target) @ shares


def natural_f1(logits: Tensor, target: Tensor, shares: Tensor) -> Tensor:
    """Macro F1 on rows with the shares of training."""
    return _f1s(logits, target, _as_in_training(target, shares)).mean(-1)


def log_loss(logits: Tensor, target: Tensor, shares: Tensor) -> Tensor:
    return F.cross_entropy(logits.double().mT, target.expand(logits.shape[:-1]),
                           reduction="none").mean(-1)


def ece(logits: Tensor, target: Tensor, shares: Tensor) -> Tensor:
    prob = torch.softmax(logits.double(), dim=-1)
    return torch.tensor([calibration_error(target, one) for one in prob], dtype=torch.float64)


def overconfidence(logits: Tensor, target: Tensor, shares: Tensor) -> Tensor:
    """Mean confidence minus accuracy."""
    confidence = torch.softmax(logits.double(), dim=-1).amax(-1).mean(-1)
    return confidence - accuracy(logits, target, shares)


def cost(logits: Tensor, target: Tensor, shares: Tensor) -> Tensor:
    """The mean cost per row of two classes, where a false alarm costs 1 and a miss ``MISSED``."""
    alarm = logits.argmax(-1) == 1
    return (MISSED * (~alarm & (target == 1)) + 1.0 * (alarm & (target == 0))).double().mean(-1)


def _hardest_tenth(logits: Tensor, target: Tensor, shares: Tensor, *, gamma: float) -> Tensor:
    """The share of the hardest tenth of the rows in the sizes of the gradients of focal loss."""
    rows = logits.detach().reshape(-1, logits.shape[-1]).clone().requires_grad_()
    with torch.enable_grad():
        focal_loss(rows, target.repeat(len(logits)), gamma=gamma, reduction="sum").backward()
    size = rows.grad.norm(dim=-1).reshape(logits.shape[:-1]).double()
    loss = F.cross_entropy(logits.mT, target.expand(logits.shape[:-1]), reduction="none")
    hardest = loss.argsort(dim=-1, descending=True, stable=True)[:, :len(target) // 10]
    return size.gather(1, hardest).sum(1) / size.sum(1)


METRICS: dict[str, Metric] = {
    "accuracy": accuracy, "rare recall": rare_recall, "rare F1": rare_f1, "macro F1": macro_f1,
    "worst recall": worst_recall, "natural accuracy": natural_accuracy, "natural F1": natural_f1,
    "log loss": log_loss, "ECE": ece, "overconfidence": overconfidence, "cost": cost,
    "hardest tenth, cross entropy": partial(_hardest_tenth, gamma=0.0),
    "hardest tenth, focal 2": partial(_hardest_tenth, gamma=2.0),
}
LOWER_IS_BETTER = {"log loss", "ECE", "cost", "loss value"}


# Rules: (logits and target of validation, shares in training) -> a function of logits -------------


def as_trained(logits: Tensor, target: Tensor, shares: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda z: z


def shifted(logits: Tensor, target: Tensor, shares: Tensor) -> Callable[[Tensor], Tensor]:
    """Take the log of the training shares away from the logits; nothing is fitted.

    Source: Menon and others, "Long-Tail Learning via Logit Adjustment", ICLR 2021, eq. 9.
    """
    return lambda z: z - shares.log().to(z.dtype)


def temperature(logits: Tensor, target: Tensor, shares: Tensor) -> Callable[[Tensor], Tensor]:
    """Divide the logits by the temperature with the lowest log loss on validation.

    Source: Guo and others, "On Calibration of Modern Neural Networks", ICML 2017.
    """
    grid = torch.linspace(math.log(0.05), math.log(20.0), 241, dtype=torch.float64).exp()
    losses = torch.stack([log_loss(logits / t, target, shares) for t in grid.tolist()])
    best = grid[losses.argmin(0)]
    return lambda z: z / best[:, None, None].to(z.dtype)


def _second_logit_less(cut: Tensor) -> Callable[[Tensor], Tensor]:
    """Let a row be positive where the difference of its two logits is at least ``cut``, (M,)."""
    return lambda z: torch.stack([z[..., 0] + cut[:, None].to(z.dtype), z[..., 1]], dim=-1)


def threshold_for_f1(logits: Tensor, target: Tensor, shares: Tensor
                     ) -> Callable[[Tensor], Tensor]:
    """Two classes: the threshold with the best F1 on validation."""
    prob = torch.softmax(logits.double(), dim=-1)[..., 1]
    cuts = torch.tensor([best_f1_threshold(target, p)[0] for p in prob], dtype=torch.float64)
    return _second_logit_less(cuts.logit(eps=1e-12) - 1e-6)  # a probability at the cut is an alarm


def threshold_for_cost(logits: Tensor, target: Tensor, shares: Tensor
                       ) -> Callable[[Tensor], Tensor]:
    """Two classes: the threshold with the lowest cost on validation."""
    margin = (logits[..., 1] - logits[..., 0]).double()
    cuts, order = margin.sort(dim=-1)  # alarms: this row and all above
    fraud = target[order].double()
    missed = fraud.cumsum(-1) - fraud
    false = (1 - fraud).flip(-1).cumsum(-1).flip(-1)
    lowest = (MISSED * missed + false).argmin(-1, keepdim=True)
    return _second_logit_less(cuts.gather(1, lowest)[:, 0] - 1e-6)


def threshold_from_costs(logits: Tensor, target: Tensor, shares: Tensor
                         ) -> Callable[[Tensor], Tensor]:
    """Two classes: the threshold ``1 / (1 + MISSED)``, which the costs name; nothing is fitted.

    Source: Elkan, "The Foundations of Cost-Sensitive Learning", IJCAI 2001, theorem 1.
    """
    return _second_logit_less(torch.full(logits.shape[:1], -math.log(MISSED)))


RULES: dict[str, Rule] = {
    "as trained": as_trained, "shifted": shifted, "temperature": temperature,
    "threshold for F1": threshold_for_f1, "threshold for cost": threshold_for_cost,
    "threshold from costs": threshold_from_costs,
}
