"""The losses the course teaches: focal loss, label smoothing, soft F1.

What belongs here: losses, each as a function and as a module that only stores its arguments.
What does not: metrics of hard decisions (``metrics``), curves of losses (``plots``).

All losses take *logits*, never probabilities. They use natural logarithms, so they are in nats.
float16 and bfloat16 inputs are converted to float32, and the loss is returned in float32. Targets
are checked before anything is computed. Inside ``torch.vmap`` and ``torch.compile``, which hide
values, that check is skipped.

How the losses stay accurate: let the *margin* of a sample be the log-odds against its true class,

    u = logsumexp of the other logits - the true logit        (binary: u = -x if positive, x if not)

Then 1 - p_t = sigmoid(u) and cross entropy = -ln p_t = softplus(u). Both keep all their digits
when p_t rounds to 1, where ``1 - exp(-ce)`` loses all of them. For logits up to 100 in size the
relative error of loss and gradient stays below 1e-5 in float32 and 1e-13 in float64, down to the
smallest normal number. The loss of each sample and its gradient are finite for all finite logits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = [
    "FocalLoss",
    "LabelSmoothingLoss",
    "SigmoidFocalLoss",
    "SoftF1Loss",
    "focal_loss",
    "label_smoothing_cross_entropy",
    "sigmoid_focal_loss",
    "soft_f1_loss",
]


# ---------------------------------------------------------------------------------------- losses


def focal_loss(
    logits: Tensor,
    target: Tensor,
    *,
    gamma: float = 2.0,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """Softmax focal loss, ``(1 - p_t)^gamma * -ln p_t``.

    With ``gamma=0`` it equals ``torch.nn.functional.cross_entropy`` with the same arguments, with
    two exceptions. Where no sample counts (all targets are ignored, or all have weight 0), it is 0
    with a zero gradient, where torch gives nan. And a nan or inf in an ignored row does no harm.

    Args:
        logits: ``(N, C)`` or ``(N, C, d1, ...)`` with ``C >= 2``, any real value.
        target: integer class indices ``(N,)`` or ``(N, d1, ...)``, each in ``[0, C)`` or equal to
            ``ignore_index``.
        gamma: focusing parameter, ``>= 0``.
        weight: ``(C,)``, ``>= 0``; multiplies the loss of each class and never enters ``p_t``.
        ignore_index: the target value of samples that do not count.
        reduction: ``"mean"`` (the sum divided by the summed weights of the valid targets),
            ``"sum"`` or ``"none"``.

    Returns:
        The loss in nats: a scalar, or the shape of ``target`` with ``reduction="none"``.

    Raises:
        TypeError: ``logits`` are not floating point, or ``target`` is not integer (soft targets).
        ValueError: a shape, class index, ``gamma``, ``weight`` or ``reduction`` is not allowed.

    Source: Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, equation 4.

    >>> logits = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    >>> target = torch.tensor([0, 0])
    >>> focal_loss(logits, target, gamma=2.0, reduction="none")
    tensor([0.0018, 0.7019])
    """
    _check_gamma(gamma)
    _check_reduction(reduction)
    logits, target, ignored = _check_class_target(logits, target, ignore_index)
    weight = _check_weight(weight, logits)
    loss = _focal_of_margin(_margin(logits, target), gamma)
    share = None if weight is None else weight[target]
    return _reduce(loss if share is None else share * loss, reduction, share, ignored)


def sigmoid_focal_loss(
    logits: Tensor,
    target: Tensor,
    *,
    gamma: float = 2.0,
    alpha: float | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Binary or multi-label sigmoid focal loss, ``alpha_t * (1 - p_t)^gamma * -ln p_t``.

    With ``gamma=0`` and ``alpha=None`` it is ``binary_cross_entropy_with_logits``. It equals
    ``torchvision.ops.sigmoid_focal_loss`` wherever that is accurate; ``alpha=None`` here is
    ``alpha=-1`` there. The default ``alpha`` is 0.25 there, and no weighting here.

    Args:
        logits: any shape, any real value.
        target: 0 or 1, in any dtype, of exactly the logits' shape.
        gamma: focusing parameter, ``>= 0``.
        alpha: in ``[0, 1]``, the weight of positives; negatives get ``1 - alpha``. ``None`` gives
            weight 1 to all.
        reduction: ``"mean"`` (over all elements), ``"sum"`` or ``"none"``.

    Returns:
        The loss in nats: a scalar, or the shape of ``target`` with ``reduction="none"``.

    Raises:
        TypeError: ``logits`` are not floating point.
        ValueError: shapes differ, a target is neither 0 nor 1, or ``gamma``, ``alpha`` or
            ``reduction`` is not allowed.

    Source: Lin et al., ICCV 2017, equation 5.

    >>> sigmoid_focal_loss(torch.tensor([3.0, 3.0]), torch.tensor([1, 0]), reduction="none")
    tensor([1.0928e-04, 2.7663e+00])
    """
    _check_gamma(gamma)
    _check_reduction(reduction)
    _check_alpha(alpha)
    logits, target = _check_binary_target(logits, target)
    loss = _focal_of_margin(logits * (1 - 2 * target), gamma)
    if alpha is not None:
        alpha = float(alpha)
        loss = loss * (alpha * target + (1 - alpha) * (1 - target))
    return _reduce(loss, reduction)


def label_smoothing_cross_entropy(
    logits: Tensor,
    target: Tensor,
    *,
    smoothing: float = 0.1,
    spread: str = "all",
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """Cross entropy against a smoothed target.

    ``spread="all"`` takes ``smoothing`` (eps) from the true class and spreads it over all ``K``
    classes, the true one included: the targets are ``1 - eps + eps/K`` and ``eps/K``. This is
    ``label_smoothing`` of ``torch.nn.functional.cross_entropy``, with its ``weight`` and ``mean``.
    ``spread="others"`` gives the targets ``1 - eps`` and ``eps/(K-1)``, which is the same as
    ``"all"`` with ``eps * K/(K-1)``.

    Args:
        logits: ``(N, C)`` or ``(N, C, d1, ...)`` with ``C >= 2``, any real value.
        target: integer class indices ``(N,)`` or ``(N, d1, ...)``, each in ``[0, C)`` or equal to
            ``ignore_index``.
        smoothing: in ``[0, 1]``; 0 is plain cross entropy.
        spread: ``"all"`` or ``"others"``.
        weight: ``(C,)``, ``>= 0``; multiplies each class's term of the sum over classes.
        ignore_index: the target value of samples that do not count.
        reduction: ``"mean"`` (the sum divided by the summed weights of the valid targets),
            ``"sum"`` or ``"none"``.

    Returns:
        The loss in nats: a scalar, or the shape of ``target`` with ``reduction="none"``.

    Raises:
        TypeError: ``logits`` are not floating point, or ``target`` is not integer.
        ValueError: a shape, class index or other argument is not allowed.

    Source: Szegedy et al., "Rethinking the Inception Architecture", CVPR 2016, section 7.

    >>> logits, target = torch.tensor([[2.0, 0.0, 0.0]]), torch.tensor([0])
    >>> label_smoothing_cross_entropy(logits, target, smoothing=0.3)
    tensor(0.6395)
    >>> label_smoothing_cross_entropy(logits, target, smoothing=0.2, spread="others")
    tensor(0.6395)
    """
    _check_smoothing(smoothing, spread)
    _check_reduction(reduction)
    logits, target, ignored = _check_class_target(logits, target, ignore_index)
    weight = _check_weight(weight, logits)

    classes = logits.shape[1]
    each = smoothing / (classes if spread == "all" else classes - 1)
    loss = (1 - classes * each) * F.softplus(_margin(logits, target), threshold=40)
    share = None if weight is None else weight[target]
    loss = loss if share is None else share * loss
    if each > 0:
        largest = torch.finfo(logits.dtype).max
        every_class = -F.log_softmax(logits, dim=1).clamp(min=-largest)
        if weight is not None:
            every_class = every_class * weight.reshape(-1, *[1] * (logits.dim() - 2))
        loss = loss + (each * every_class).sum(dim=1)
    return _reduce(loss, reduction, share, ignored)


def soft_f1_loss(
    logits: Tensor, target: Tensor, *, average: str = "macro", beta: float = 1.0
) -> Tensor:
    """One minus the F-beta score of soft counts, in which probabilities replace decisions.

    With ``tp = sum of p`` and ``fn = sum of (1 - p)`` over a class's own samples, and ``fp = sum of
    p`` over the others,

        1 - F = (beta^2 fn + fp) / ((1 + beta^2) tp + beta^2 fn + fp).

    If all probabilities are 0 or 1, it is one minus scikit-learn's ``fbeta_score``, provided that
    every predicted class also occurs in ``target``. It is not a sum over samples, so its value on
    a batch is not an unbiased estimate of its value on the data.

    Args:
        logits: ``(N, C)`` or ``(N, C, d1, ...)`` with class indices as targets (softmax is used);
            any shape with 0/1 targets, with the classes in dimension 1 if there is one (sigmoid
            is used).
        target: class indices ``(N,)`` or ``(N, d1, ...)``; or 0/1 of exactly the logits' shape.
        average: ``"macro"`` averages over the classes that occur in ``target``; ``"micro"`` adds
            up the counts of all classes; ``"binary"`` scores the one class of 0/1 targets, or
            class 1 of two.
        beta: ``> 0``; recall counts ``beta`` times as much as precision.

    Returns:
        A scalar in ``[0, 1]``. For a batch without any positive it is 1 and its gradient is 0, so
        the batch teaches nothing.

    Raises:
        TypeError: ``logits`` are not floating point.
        ValueError: a shape, target value, ``average`` or ``beta`` is not allowed.

    Sources: the Dice loss of Milletari et al., "V-Net", 3DV 2016; for other beta, the Tversky loss
    of Salehi et al., MLMI 2017, with their alpha = 1/(1 + beta^2) for false positives.

    >>> soft_f1_loss(torch.tensor([0.0, 100.0, -100.0]), torch.tensor([1, 1, 0]))
    tensor(0.1429)
    """
    _check_f1(average, beta)
    _check_tensors(logits, target)
    one_logit_a_class = target.dim() == logits.dim()
    if not one_logit_a_class and (logits.dim() < 2 or logits.shape[1] == 1):
        raise ValueError(f"logits have shape {tuple(logits.shape)} and target has shape "
                         f"{tuple(target.shape)}; for one logit per sample give both the same "
                         "shape, for example with logits.squeeze(1), or two logits per sample")
    if one_logit_a_class:
        logits, actual = _check_binary_target(logits, target)
        if logits.dim() < 2:
            logits, actual = logits.reshape(-1, 1), actual.reshape(-1, 1)
        prob, missing = torch.sigmoid(logits), torch.sigmoid(-logits)
    else:
        logits, target, _ = _check_class_target(logits, target, ignore_index=None)
        index = target.unsqueeze(1)
        actual = torch.zeros_like(logits).scatter(1, index, 1.0)
        missing = torch.sigmoid(_margin(logits, target)).unsqueeze(1)
        others = logits.scatter(1, index, -torch.inf)
        # Where all others are -inf, they have no shares, but what they share is 0.
        others = others.masked_fill((others == -torch.inf).all(dim=1, keepdim=True), 0)
        prob = F.softmax(others, dim=1) * missing  # of the others
    if average == "binary" and (classes := prob.shape[1]) > 1:
        if one_logit_a_class or classes > 2:
            raise ValueError(f'average="binary" needs one class (0/1 targets) or two, '
                             f'but there are {classes}; use "macro" or "micro"')
        prob, actual = prob[:, 1:], actual[:, 1:]

    samples = [0, *range(2, prob.dim())]
    false_negative = (actual * missing).sum(samples)
    false_positive = ((1 - actual) * prob).sum(samples)
    positives = actual.sum(samples)
    if average == "micro":
        false_negative, false_positive, positives = (
            count.sum(0, keepdim=True) for count in (false_negative, false_positive, positives))

    present = positives > 0
    share = 1 / (1 + float(beta) * float(beta))  # of the false positives; unlike **, never raises
    errors = (1 - share) * false_negative + share * false_positive
    correct = positives - false_negative
    loss = torch.where(present, errors / torch.where(present, correct + errors, 1), 0)
    return torch.where(present.any(), loss.sum() / present.sum().clamp(min=1), 1)


# ------------------------------------------------------------------------------- shared formulas


def _margin(logits: Tensor, target: Tensor) -> Tensor:
    """``u = logsumexp_{j != y} x_j - x_y``, shape of ``target``; see the top of the module."""
    index = target.unsqueeze(1)
    true = logits.gather(1, index).squeeze(1)
    others = logits.scatter(1, index, -torch.inf)
    largest = torch.finfo(logits.dtype).max
    # The top logit adds 1 to the sum. Where all others are -inf, the sum is 0, which has no log; we
    # then take the smallest margin.
    top = others.amax(dim=1).detach().clamp(min=-largest)
    spread = (others - top.unsqueeze(1)).exp().sum(dim=1).clamp(min=0.5).log()
    # top - true comes first, so that rounding is relative to it and not to the larger logits. Where
    # it overflows, it is clamped to the largest number, since inf would give a gradient of 0 * inf.
    u = ((top - true) + spread).clamp(-largest, largest)
    return u.masked_fill(true == -torch.inf, torch.inf)  # the loss is infinite, as torch's is


def _focal_of_margin(u: Tensor, gamma: float) -> Tensor:
    """``(1 - p_t)^gamma * -ln p_t`` from the margin."""
    cross_entropy = F.softplus(u, threshold=40)  # torch's 20 would cost float64 its last digits
    if gamma == 0:
        return cross_entropy
    if gamma >= 2:
        return torch.sigmoid(u) ** gamma * cross_entropy
    # Where sigmoid underflows, the derivatives of a power below 2 are inf * 0; those of exp are 0.
    return torch.exp(gamma * F.logsigmoid(u)) * cross_entropy


def _reduce(loss: Tensor, reduction: str, share: Tensor | None = None,
            ignored: Tensor | None = None) -> Tensor:
    """Mean (by the summed ``share``; 0 if that is 0), sum, or losses of the samples that count."""
    if ignored is not None:
        loss = loss.masked_fill(ignored, 0)
    if reduction == "none":
        return loss
    if reduction == "sum":
        return loss.sum()
    if share is None and ignored is None:
        return loss.sum() / max(loss.numel(), 1)
    share = torch.ones_like(loss) if share is None else share
    total = (share if ignored is None else share.masked_fill(ignored, 0)).sum()
    return loss.sum() / torch.where(total > 0, total, 1)


# ---------------------------------------------------------------------------------------- checks


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and not math.isnan(value)


def _check_gamma(gamma: float) -> None:
    if not (_is_number(gamma) and 0 <= gamma < math.inf):
        raise ValueError(f"gamma is {gamma!r}; it must be a number >= 0")


def _check_alpha(alpha: float | None) -> None:
    if alpha is not None and not (_is_number(alpha) and 0 <= alpha <= 1):
        raise ValueError(f"alpha is {alpha!r}; it must lie in [0, 1], or be None for no weighting")


def _check_smoothing(smoothing: float, spread: str) -> None:
    if not (_is_number(smoothing) and 0 <= smoothing <= 1):
        raise ValueError(f"smoothing is {smoothing!r}; it must lie in [0, 1]")
    if spread not in ("all", "others"):
        raise ValueError(f'spread is {spread!r}; it must be "all" (eps/K) or "others" (eps/(K-1))')


def _check_f1(average: str, beta: float) -> None:
    if average not in ("binary", "micro", "macro"):
        raise ValueError(f'average is {average!r}; it must be "binary", "micro" or "macro"')
    if not (_is_number(beta) and 0 < beta < math.inf):
        raise ValueError(f"beta is {beta!r}; it must be a number above 0")


def _check_reduction(reduction: str) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f'reduction is {reduction!r}; it must be "mean", "sum" or "none"')


def _check_weight(weight: Tensor | None, logits: Tensor) -> Tensor | None:
    if weight is None:
        return None
    if not isinstance(weight, Tensor):
        raise TypeError(f"weight is a {type(weight).__name__}; it must be None or a tensor of "
                        "shape (C,), such as torch.tensor([1.0, 2.0])")
    if weight.shape != logits.shape[1:2]:
        raise ValueError(f"weight has shape {tuple(weight.shape)}; with {logits.shape[1]} classes "
                         f"it must have shape ({logits.shape[1]},)")
    weight = weight.to(logits)  # dtype and device
    if _is_known(~((weight >= 0) & weight.isfinite()).all()):
        raise ValueError(f"weight is {weight.tolist()}; every weight must be a finite number >= 0")
    return weight


def _check_tensors(logits: Tensor, target: Tensor) -> None:
    for name, value in (("logits", logits), ("target", target)):
        if not isinstance(value, Tensor):
            raise TypeError(f"{name} is a {type(value).__name__}; it must be a tensor, which "
                            "torch.as_tensor makes of it")


def _check_logits(logits: Tensor) -> Tensor:
    if not logits.is_floating_point():
        raise TypeError(f"logits have dtype {logits.dtype}; they must be floating point; use "
                        "logits.float()")
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits


def _check_class_target(
    logits: Tensor, target: Tensor, ignore_index: int | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Returns checked logits, checked int64 targets, and which are ignored (None if none is)."""
    _check_tensors(logits, target)
    logits = _check_logits(logits)
    if logits.dim() < 2 or logits.shape[1] < 2:
        raise ValueError(f"logits have shape {tuple(logits.shape)}; they must be (N, C) or "
                         "(N, C, d1, ...) with C >= 2 (one logit per sample needs a loss with a "
                         "sigmoid, and 0/1 targets of the logits' shape)")
    if target.is_floating_point() or target.dtype == torch.bool or target.is_complex():
        raise TypeError(f"target has dtype {target.dtype}; it must hold integer class indices "
                        "(for soft targets use torch.nn.functional.cross_entropy)")
    if target.shape != logits.shape[:1] + logits.shape[2:]:
        raise ValueError(f"target has shape {tuple(target.shape)}; with logits of shape "
                         f"{tuple(logits.shape)} it must be "
                         f"{tuple(logits.shape[:1] + logits.shape[2:])}")
    target, classes = target.long(), logits.shape[1]
    ignored = None
    if ignore_index is not None:
        ignored = target == ignore_index
        if _is_known(~ignored.any()):
            ignored = None
        else:  # a nan in an ignored row must not be multiplied even by a zero gradient
            target = target.masked_fill(ignored, 0)
            logits = logits.masked_fill(ignored.unsqueeze(1), 0)
    outside = (target < 0) | (target >= classes)
    if _is_known(outside.any()):
        also = "" if ignore_index is None else f" or ignore_index, {ignore_index}"
        raise ValueError(f"target holds {target[outside][0].item()}; with {classes} classes "
                         f"it must lie in 0 ... {classes - 1}{also}")
    return logits, target, ignored


def _check_binary_target(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Returns checked logits, and the targets as 0 and 1 of the same dtype."""
    _check_tensors(logits, target)
    logits = _check_logits(logits)
    if target.shape != logits.shape:
        raise ValueError(f"target has shape {tuple(target.shape)}; it must have the shape of the "
                         f"logits, {tuple(logits.shape)}")
    binary = target.to(logits.dtype)
    # One comparison is faster than two, and nan and inf fail it too.
    if target.dtype != torch.bool and not _is_known((binary * (binary - 1) == 0).all()):
        outside = (target != 0) & (target != 1)
        if _is_known(outside.any()):
            raise ValueError(f"target holds {target[outside][0].item()}; it must be 0 or 1 "
                             "(soft targets have no single p_t)")
    return logits, binary


def _is_known(condition: Tensor) -> bool:
    """Whether the condition is known to hold; where a transform hides values, it never is."""
    if torch.compiler.is_compiling():
        return False
    try:
        return bool(condition)
    except RuntimeError:
        return False


# --------------------------------------------------------------------------------------- modules


class _Loss(nn.Module):
    """Keeps the arguments of a loss function and calls it with them."""

    def __init__(self, function: Callable[..., Tensor], *, weight: Tensor | None = None,
                 **arguments: object) -> None:
        super().__init__()
        if weight is not None:
            classes = weight.numel() if isinstance(weight, Tensor) else 0
            _check_weight(weight, torch.empty(1, classes))
        self.function, self.arguments = function, arguments
        self.register_buffer("weight", weight)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        weight = {} if self.weight is None else {"weight": self.weight}
        return self.function(logits, target, **self.arguments, **weight)

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())


class FocalLoss(_Loss):
    """:func:`focal_loss` as a module.

    >>> FocalLoss(gamma=0.0)(torch.zeros(1, 2), torch.tensor([1]))
    tensor(0.6931)
    """

    def __init__(self, *, gamma: float = 2.0, weight: Tensor | None = None,
                 ignore_index: int = -100, reduction: str = "mean") -> None:
        _check_gamma(gamma)
        _check_reduction(reduction)
        super().__init__(focal_loss, weight=weight, gamma=gamma, ignore_index=ignore_index,
                         reduction=reduction)


class SigmoidFocalLoss(_Loss):
    """:func:`sigmoid_focal_loss` as a module.

    >>> SigmoidFocalLoss(gamma=0.0)(torch.zeros(2), torch.tensor([0, 1]))
    tensor(0.6931)
    """

    def __init__(self, *, gamma: float = 2.0, alpha: float | None = None,
                 reduction: str = "mean") -> None:
        _check_gamma(gamma)
        _check_alpha(alpha)
        _check_reduction(reduction)
        super().__init__(sigmoid_focal_loss, gamma=gamma, alpha=alpha, reduction=reduction)


class LabelSmoothingLoss(_Loss):
    """:func:`label_smoothing_cross_entropy` as a module.

    >>> LabelSmoothingLoss(smoothing=0.1)(torch.zeros(1, 2), torch.tensor([1]))
    tensor(0.6931)
    """

    def __init__(self, *, smoothing: float = 0.1, spread: str = "all",
                 weight: Tensor | None = None, ignore_index: int = -100,
                 reduction: str = "mean") -> None:
        _check_smoothing(smoothing, spread)
        _check_reduction(reduction)
        super().__init__(label_smoothing_cross_entropy, weight=weight, smoothing=smoothing,
                         spread=spread, ignore_index=ignore_index, reduction=reduction)


class SoftF1Loss(_Loss):
    """:func:`soft_f1_loss` as a module.

    >>> SoftF1Loss()(torch.tensor([100.0, -100.0]), torch.tensor([1, 0]))
    tensor(0.)
    """

    def __init__(self, *, average: str = "macro", beta: float = 1.0) -> None:
        _check_f1(average, beta)
        super().__init__(soft_f1_loss, average=average, beta=beta)
