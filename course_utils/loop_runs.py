"""Small training runs on the digits: the loop of notebook 05 with one thing changed, seed by seed.

What belongs here: experiments of that notebook's further sections, of which the page shows only the
line that matters. Each trains on 500 of scikit-learn's digits for a second or two, on the CPU.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.optim.lr_scheduler import StepLR

from .training import TensorLoader, fit

__all__ = ["hits_of_networks", "learning_rate_range", "one_bad_batch", "step_lr", "weight_decay"]


def _digits(first: int, last: int) -> tuple[Tensor, Tensor]:
    """Pixels ``(N, 64)`` from 0 to 1, and labels, in the order that notebook 05 uses."""
    pixels, digit = load_digits(return_X_y=True)
    order = torch.randperm(len(digit), generator=torch.Generator().manual_seed(0))[first:last]
    return torch.tensor(pixels / 16, dtype=torch.float32)[order], torch.tensor(digit)[order]


def _accuracy(model: nn.Module) -> float:
    """On the digits that neither train nor validate."""
    pixels, digit = _digits(653, 1797)
    with torch.no_grad():
        return (model.eval()(pixels).argmax(dim=1) == digit).double().mean().item()


def _network() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.5),
                         nn.Linear(64, 10))


def hits_of_networks(count: int) -> Tensor:
    """Train networks that differ in the seed alone, and see which held-out digits each gets right.

    Args:
        count: how many, with the seeds 0, 1, and so on.

    Returns:
        ``(count, 1297)``, 1 where a network is right about a digit that it was not trained on.
    """
    train, (pixels, digit), hits = _digits(0, 500), _digits(500, 1797), []
    for seed in range(count):
        torch.manual_seed(seed)
        model = _network()
        fit(model, TensorLoader(*train, batch_size=64, shuffle=True), None, epochs=10,
            loss_fn=F.cross_entropy, optimizer=torch.optim.SGD(model.parameters(), lr=0.3),
            device="cpu", progress=False)
        with torch.no_grad():
            hits.append((model.eval()(pixels).argmax(dim=1) == digit).float())
    return torch.stack(hits)


def step_lr(seeds: Sequence[int] = range(5)) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train 15 epochs with ``StepLR(optimizer, 7, 0.1)``, stepped after each epoch or each batch.

    Args:
        seeds: one run of each kind for each of them.

    Returns:
        The learning rate at the start of each epoch, one column per kind (``each epoch`` and
        ``each batch``), and the accuracy on 1,144 digits after the last epoch, one row per seed.
    """
    train, rates, accuracies = _digits(0, 500), {}, {}
    for kind in ["epoch", "batch"]:
        accuracies[f"each {kind}"] = []
        for seed in seeds:
            torch.manual_seed(seed)
            model = _network()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
            history = fit(model, TensorLoader(*train, batch_size=64, shuffle=True), None,
                          loss_fn=F.cross_entropy, optimizer=optimizer, epochs=15, device="cpu",
                          scheduler=StepLR(optimizer, 7, 0.1), scheduler_steps=kind,
                          progress=False)
            accuracies[f"each {kind}"].append(_accuracy(model))
        rates[f"each {kind}"] = history.frame["lr"]
    return pd.DataFrame(rates), pd.DataFrame(accuracies, index=pd.Index(seeds, name="seed"))


def learning_rate_range(model: nn.Module, loader: Iterable, *, lowest: float = 1e-3,
                        highest: float = 100.0, steps: int = 100
                        ) -> tuple[list[float], list[float]]:
    """Train with a learning rate that grows from step to step, and record the loss of each batch.

    Args:
        model: maps inputs to logits ``(N, C)``; it is trained, with plain SGD, and spoilt.
        loader: yields ``(inputs, target)``; it is passed over as often as needed.
        lowest, highest: the first and the last learning rate, ``0 < lowest < highest``.
        steps: how many steps, ``>= 2``. The rate grows by the same factor in each.

    Returns:
        The learning rates, and the loss of each batch before its step.

    Raises:
        ValueError: the rates or the number of steps are out of their range, or the loader is empty.

    Source: Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017.
    """
    if not 0 < lowest < highest or steps < 2:
        raise ValueError(f"lowest is {lowest}, highest {highest} and steps {steps}; they must be "
                         "0 < lowest < highest, and at least 2 steps")
    optimizer = torch.optim.SGD(model.parameters(), lr=lowest)
    factor = (highest / lowest) ** (1 / (steps - 1))
    rates: list[float] = []
    losses: list[float] = []
    model.train()
    while len(rates) < steps:
        before = len(rates)
        for inputs, target in loader:
            loss = F.cross_entropy(model(inputs), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            rates.append(optimizer.param_groups[0]["lr"])
            losses.append(loss.item())
            optimizer.param_groups[0]["lr"] *= factor
            if len(rates) == steps:
                break
        if len(rates) == before:
            raise ValueError("the loader gives no batch; use a loader with data")
    return rates, losses


def weight_decay(decay: float = 0.1, *, seeds: Sequence[int] = range(5)) -> pd.DataFrame:
    """Train a network with BatchNorm for ten epochs, with three kinds of weight decay.

    Args:
        decay: the argument ``weight_decay`` of the optimisers, ``>= 0``.
        seeds: each kind starts from the same weights with the same seed.

    Returns:
        One row per kind and seed. ``kind`` is ``"Adam"`` (which adds the decay to the gradient),
        ``"AdamW"`` (which shrinks all parameters directly), or ``"AdamW, groups"`` (which shrinks
        those of two and more dimensions only). The other columns are ``seed``, the ``norm`` of
        the weights of the first layer, the mean ``scale`` of its BatchNorm, and the ``accuracy``
        on 1,144 digits.

    Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019.
    """
    train, rows = _digits(0, 500), []
    for kind in ["Adam", "AdamW", "AdamW, groups"]:
        for seed in seeds:
            torch.manual_seed(seed)
            model = _network()
            matrices = [p for p in model.parameters() if p.ndim >= 2]
            vectors = [p for p in model.parameters() if p.ndim < 2]
            groups = [{"params": matrices},
                      {"params": vectors, "weight_decay": 0.0 if "groups" in kind else decay}]
            make = torch.optim.Adam if kind == "Adam" else torch.optim.AdamW
            fit(model, TensorLoader(*train, batch_size=64, shuffle=True), None,
                loss_fn=F.cross_entropy, optimizer=make(groups, lr=3e-3, weight_decay=decay),
                epochs=10, device="cpu", progress=False)
            rows.append({"kind": kind, "seed": seed, "norm": model[0].weight.norm().item(),
                         "scale": model[1].weight.mean().item(), "accuracy": _accuracy(model)})
    return pd.DataFrame(rows)


def one_bad_batch(max_grad_norm: float | None, *, factor: float = 255.0,
                  seeds: Sequence[int] = range(5)) -> Tensor:
    """Train for 160 steps, in one of which the pixels are ``factor`` times too large.

    Args:
        max_grad_norm: gradients with a larger norm are scaled down to it; ``None`` for no limit.
        factor: what the pixels of batch 81 are multiplied by; 1 for a run without a fault.
        seeds: one run each.

    Returns:
        The accuracy on 1,144 digits after each run, ``(seeds,)``.
    """
    train, accuracies = _digits(0, 500), []
    for seed in seeds:
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
        batches = []
        for _ in range(20):
            batches += list(TensorLoader(*train, batch_size=64, shuffle=True))
        pixels, digit = batches[80]
        batches[80] = (factor * pixels, digit)
        fit(model, batches, None, loss_fn=F.cross_entropy, epochs=1, max_grad_norm=max_grad_norm,
            optimizer=torch.optim.SGD(model.parameters(), lr=0.3), device="cpu", progress=False)
        accuracies.append(_accuracy(model))
    return torch.tensor(accuracies)
