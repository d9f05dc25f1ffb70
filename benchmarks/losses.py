"""How fast and how accurate the focal losses are, beside those of other libraries.

Run it with ``python start.py bench losses``. It uses one process and one thread, and the candidates
take turns, so that a machine whose speed drifts affects all of them alike. Speed is the median time
of forward plus backward, as a ratio to torch's own cross entropy or BCE-with-logits on the same
input. Speed is never shown without correctness: the table also has the worst relative error of the
loss against float64, and the number of gradients that are not finite, on hard and easy samples with
logits up to 100 in float32. Libraries that are not installed are left out; nothing is installed.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils.losses import focal_loss, sigmoid_focal_loss

Loss = Callable[[Tensor, Tensor], Tensor]
GAMMA, ROUNDS = 2.0, 21


def usual_focal(logits: Tensor, target: Tensor) -> Tensor:
    """The form found in many blog posts: p_t is computed back from the cross entropy."""
    ce = F.cross_entropy(logits, target, reduction="none")
    return (1 - torch.exp(-ce)) ** GAMMA * ce


def binary_losses() -> dict[str, Loss]:
    found: dict[str, Loss] = {
        "BCE with logits (torch)": lambda x, t: F.binary_cross_entropy_with_logits(
            x, t, reduction="none"),
        "course_utils": lambda x, t: sigmoid_focal_loss(x, t, gamma=GAMMA, reduction="none"),
    }
    try:
        from torchvision.ops import sigmoid_focal_loss as theirs
        found["torchvision"] = lambda x, t: theirs(x, t, alpha=-1, gamma=GAMMA)
    except ImportError:
        pass
    try:
        from kornia.losses import binary_focal_loss_with_logits
        found["kornia"] = lambda x, t: binary_focal_loss_with_logits(
            x[:, None], t[:, None], alpha=None, gamma=GAMMA, reduction="none")[:, 0]
    except ImportError:
        pass
    try:
        from monai.losses import FocalLoss
        monai = FocalLoss(gamma=GAMMA, reduction="none")
        found["MONAI"] = lambda x, t: monai(x[:, None], t[:, None])[:, 0]
    except ImportError:
        pass
    try:
        from segmentation_models_pytorch.losses import FocalLoss
        smp = FocalLoss("binary", gamma=GAMMA, reduction="none")
        found["segmentation-models"] = lambda x, t: smp(x, t)
    except ImportError:
        pass
    return found


def class_losses() -> dict[str, Loss]:
    found: dict[str, Loss] = {
        "cross entropy (torch)": lambda x, t: F.cross_entropy(x, t, reduction="none"),
        "course_utils": lambda x, t: focal_loss(x, t, gamma=GAMMA, reduction="none"),
        "exp(-ce), as in many posts": usual_focal,
    }
    try:
        from kornia.losses import focal_loss as theirs
        found["kornia"] = lambda x, t: theirs(x, t, alpha=None, gamma=GAMMA, reduction="none")
    except ImportError:
        pass
    try:
        from monai.losses import FocalLoss
        monai = FocalLoss(gamma=GAMMA, use_softmax=True, to_onehot_y=True, reduction="none")
        found["MONAI"] = lambda x, t: monai(x, t[:, None])
    except ImportError:
        pass
    return found


def times(losses: dict[str, Loss], logits: Tensor, target: Tensor) -> dict[str, float]:
    """Median seconds of forward plus backward; the losses take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in losses}
    for turn in range(ROUNDS + 2):
        for name, loss_fn in losses.items():
            leaf = logits.clone().requires_grad_()
            start = time.perf_counter()
            loss_fn(leaf, target).mean().backward()
            if turn >= 2:  # the first two rounds warm up
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(s) for name, s in seconds.items()}


def correctness(losses: dict[str, Loss], binary: bool) -> dict[str, tuple[float, int]]:
    """Worst relative error against float64, and gradients not finite, for logits up to 100."""
    margin = torch.linspace(-100, 100, 401, dtype=torch.float32)
    if binary:
        logits, target = torch.cat([margin, margin]), torch.arange(802).ge(401).float()
        exact_ce = F.softplus(torch.where(target == 1, -logits, logits).double(), threshold=700)
    else:
        logits = torch.stack([margin, torch.zeros(401), torch.full((401,), -3.0)], dim=1)
        target = torch.zeros(401, dtype=torch.long)
        exact_ce = F.softplus(logits[:, 1:].double().logsumexp(1) - margin.double(), threshold=700)
    result = {}
    for name, loss_fn in losses.items():
        gamma = 0 if "torch)" in name else GAMMA
        exact = (-torch.expm1(-exact_ce)) ** gamma * exact_ce
        leaf = logits.clone().requires_grad_()
        loss = loss_fn(leaf, target)
        loss.sum().backward()
        value = loss.detach().double().reshape(exact.shape) if loss.numel() == exact.numel() else (
            loss.detach().double().sum(dim=1))
        big_enough = exact > torch.finfo(torch.float32).tiny
        worst = ((value - exact).abs() / exact)[big_enough].nan_to_num(torch.inf).max().item()
        result[name] = worst, int((~leaf.grad.isfinite()).sum())
    return result


def report() -> pd.DataFrame:
    """One row per candidate: ratios by shape, worst error, gradients that are not finite."""
    rng = torch.Generator().manual_seed(0)
    rows: dict[str, dict[str, object]] = {}
    for losses, shapes in ((binary_losses(), [(128, 1), (1_000_000, 1)]),
                           (class_losses(), [(4096, 2), (65_536, 10), (4096, 1000)])):
        binary = shapes[0][1] == 1
        for n, classes in shapes:
            logits = torch.randn(n, classes, generator=rng)
            target = torch.randint(max(classes, 2), (n,), generator=rng)
            if binary:
                logits, target = logits[:, 0], target.float()
            seconds = times(losses, logits, target)
            base = next(iter(seconds.values()))
            for name, median in seconds.items():
                row = rows.setdefault(f"{'binary' if binary else 'classes'}: {name}", {})
                row[f"{n}x{classes}"] = round(median / base, 2)
        for name, (worst, broken) in correctness(losses, binary).items():
            row = rows[f"{'binary' if binary else 'classes'}: {name}"]
            row["worst error"], row["not finite"] = f"{worst:.0e}", broken
    return pd.DataFrame(rows).T.fillna("")


if __name__ == "__main__":
    torch.set_num_threads(1)
    with pd.option_context("display.width", 140, "display.max_columns", None):
        print(report())
    print(f"Ratios of medians of {ROUNDS} rounds of forward + backward to torch's own loss; "
          f"gamma {GAMMA:g}, float32, torch {torch.__version__}, one thread.")
