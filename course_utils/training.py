"""The training loop, written once and carefully: train, evaluate, predict.

What belongs here: running one model over a loader. What does not: losses (``losses``), scores of
predictions (scikit-learn and ``metrics``), many networks at once (``sweeps``).

A loader is anything that yields batches ``(inputs, target)`` or ``(inputs, target, weight)``, for
example a ``torch.utils.data.DataLoader`` or the :class:`TensorLoader` below. A loss function takes
``(logits, target)`` and returns either the mean over the batch or one value per sample. The latter
are averaged here, with the weights of the batch if it has any.
"""

from __future__ import annotations

import copy
import math
import operator
import os
import pickle
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CyclicLR, LRScheduler, OneCycleLR, ReduceLROnPlateau

from . import runtime

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Evaluation", "History", "Predictions", "TensorLoader", "evaluate", "fit", "predict"]

LossFunction = Callable[[Tensor, Tensor], Tensor]


class TensorLoader:
    """Mini-batches of tensors in memory; for rows a few times faster than ``DataLoader``.

    ``DataLoader`` fetches rows one at a time and stacks them. Here a batch is a slice, and without
    ``shuffle`` even a view of the tensors. The last batch is smaller when ``batch_size`` does not
    divide the number of rows.

    Args:
        tensors: tensors with the same first dimension, the samples.
        batch_size: samples per batch, ``>= 1``.
        shuffle: whether to use a new random order for each pass.
        generator: the source of that order; ``None`` for PyTorch's global generator.

    Raises:
        ValueError: there is no tensor, the tensors differ in length, or ``batch_size`` is below 1.

    >>> loader = TensorLoader(torch.arange(5), torch.arange(5) % 2, batch_size=2)
    >>> [batch[0].tolist() for batch in loader]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, *tensors: Tensor, batch_size: int = 128, shuffle: bool = False,
                 generator: torch.Generator | None = None) -> None:
        lengths = [len(t) for t in tensors]
        if not lengths or len(set(lengths)) > 1:
            raise ValueError(f"the tensors have {lengths} samples; give at least one tensor, and "
                             "all of the same length")
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; it must be at least 1")
        self.tensors, self.batch_size = tensors, batch_size
        self.shuffle, self.generator = shuffle, generator

    def __len__(self) -> int:
        return math.ceil(len(self.tensors[0]) / self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        tensors = self.tensors
        if not len(tensors[0]):
            return iter(())
        if self.shuffle:
            order = torch.randperm(len(tensors[0]), generator=self.generator)
            tensors = tuple(t[order.to(t.device)] for t in tensors)
        return zip(*(t.split(self.batch_size) for t in tensors), strict=True)


@dataclass(frozen=True)
class Predictions:
    """The answers of a model for every sample of a loader, on the CPU, in the loader's order.

    Attributes:
        logits: ``(N,)`` for one logit per sample, ``(N, C)`` for classes.
    """

    logits: Tensor

    @property
    def prob(self) -> Tensor:
        """Probabilities: sigmoid of ``(N,)``, softmax over the classes of ``(N, C)``.

        Computed in float64, because in float32 every logit above 17 gives 1.0, which makes the
        highest-ranked samples equal.
        """
        logits = self.logits.double()
        return logits.sigmoid() if logits.dim() == 1 else logits.softmax(dim=1)

    @property
    def decision(self) -> Tensor:
        """The likelier class: 0 or 1 for logits ``(N,)``, the class index for ``(N, C)``."""
        return _decide(self.logits).long()


@dataclass(frozen=True)
class Evaluation(Predictions):
    """Predictions together with their targets.

    Attributes:
        target: ``(N,)``, as the loader yields them.
        weight: ``(N,)``, or ``None`` if the loader yields none.
        loss: the mean over all samples, by weight.
    """

    target: Tensor
    weight: Tensor | None
    loss: float

    @property
    def accuracy(self) -> float:
        """The share of samples with a right decision, by weight, in ``[0, 1]``."""
        return float(_mean((self.decision == self.target).double(), self.weight))


@dataclass
class History:
    """What happened in each epoch.

    Attributes:
        monitor: the column that decides which epoch is best.
        rows: one dict per finished epoch.
        best_epoch: the epoch whose weights the model now has. ``None`` if no epoch was finished, or
            if there were no validation data to choose by; the model then has the weights of the
            last one.
        ended: ``"finished"``, or a sentence that says why training stopped early.
    """

    monitor: str
    rows: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int | None = None
    ended: str = "finished"

    @property
    def frame(self) -> pd.DataFrame:
        """One row per epoch: ``train_loss``, ``train_accuracy``, ``lr``, ``val_...``."""
        import pandas as pd
        return pd.DataFrame(self.rows).set_index("epoch") if self.rows else pd.DataFrame()


def fit(
    model: nn.Module,
    train_loader: Iterable,
    val_loader: Iterable | None,
    *,
    loss_fn: LossFunction,
    optimizer: torch.optim.Optimizer,
    scheduler: LRScheduler | None = None,
    epochs: int,
    monitor: str = "val_loss",
    metrics: dict[str, Callable[[Evaluation], float]] | None = None,
    patience: int | None = None,
    max_grad_norm: float | None = None,
    checkpoint: str | os.PathLike | None = None,
    device: torch.device | str | None = None,
    progress: bool = True,
) -> History:
    """Train ``model`` and leave it with the weights of its best finished epoch.

    The train columns are measured while the weights change, as means over the samples of all
    batches. The validation columns are measured after the epoch, with fixed weights, from all
    samples at once. Ctrl-C or the stop button ends the training but not the notebook: the epochs
    finished so far are returned, with a warning. The same happens when the loss or a weight is no
    longer finite.

    Args:
        model: maps inputs to logits ``(N,)`` or ``(N, C)``. It is moved to ``device`` and stays
            there. ``model.train()`` is called before each epoch; a part that must stay in
            evaluation mode (a frozen BatchNorm) has to override its ``train``.
        train_loader: yields ``(inputs, target)`` or ``(inputs, target, weight)``.
        val_loader: the same, or ``None``. Without it the last epoch is kept, and ``metrics`` are
            not measured.
        loss_fn: takes ``(logits, target)`` and returns the mean over the batch or one value per
            sample.
        optimizer: holds the parameters to train.
        scheduler: ``OneCycleLR`` and ``CyclicLR`` are stepped after every batch, and every other
            scheduler after every epoch (``ReduceLROnPlateau`` with the value of ``monitor``).
        epochs: passes over ``train_loader``, ``>= 1``, including those of the checkpoint.
        monitor: the column that decides which epoch is best: the lowest value if its name ends in
            ``loss``, the highest otherwise.
        metrics: further columns ``val_<name>``, each a function of the validation Evaluation.
        patience: stop after this number of epochs, ``>= 1``, without a better ``monitor`` (early
            stopping); ``None`` trains all ``epochs``.
        max_grad_norm: ``> 0``; the gradient of a batch with a larger norm is scaled down to this
            norm.
        checkpoint: a file to write after each epoch. If it exists already, training continues from
            it as if it had never stopped, with the optimiser's settings as they were. (On the CPU
            the result is the same to the last bit, if all random numbers come from PyTorch's global
            generator or from that of the loader or its sampler.) The file is read with
            ``weights_only=True``, which refuses code.
        device: where to compute; ``None`` lets :func:`course_utils.runtime.device` choose.
        progress: whether to show a progress bar.

    Returns:
        The history of the finished epochs.

    Raises:
        ValueError: an argument is out of its range, a loader yields no batch, ``monitor`` is
            unknown, the logits are neither ``(N,)`` nor ``(N, C)``, the targets have another shape,
            there are weights but the loss is already a mean, or the checkpoint is damaged or
            belongs to another model.
    """
    columns = _columns(val_loader, metrics or {})
    if val_loader is None and monitor == "val_loss":
        monitor = "train_loss"
    if monitor not in columns:
        raise ValueError(f"monitor is {monitor!r}; the columns are {', '.join(columns)}")
    _check_numbers(epochs, patience, max_grad_norm, val_loader)
    device = runtime.device(device)
    model.to(device)
    history, best, trouble = History(monitor), None, ""
    each_batch = scheduler if isinstance(scheduler, OneCycleLR | CyclicLR) else None
    saver = None if checkpoint is None else _Checkpoint(Path(checkpoint), monitor, model, optimizer,
                                                        scheduler, train_loader)
    if saver and saver.file.exists():
        history.rows, best = saver.load()
    done = len(history.rows)
    steps = max(epochs - done, 0) * operator.length_hint(train_loader) or None

    with runtime.Progress("training", total=steps, unit="batches", show=progress) as bar:
        try:
            for epoch in range(done + 1, epochs + 1):
                if patience is not None and best and epoch > best[0]["epoch"] + patience:
                    history.ended = f"stopped: {patience} epochs without a better {monitor}"
                    break
                row = {"epoch": epoch, "lr": optimizer.param_groups[0]["lr"]}
                row |= _train_one_epoch(model, train_loader, loss_fn, optimizer, each_batch,
                                        max_grad_norm, bar)
                if not (math.isfinite(row["train_loss"]) and _is_finite(model)):
                    trouble = (f"the loss or a weight became nan or infinite in epoch {epoch}: try "
                               "a lower learning rate, and look for nan in the inputs")
                    break
                if val_loader is not None:
                    result = evaluate(model, val_loader, loss_fn)
                    row |= {"val_loss": result.loss, "val_accuracy": result.accuracy}
                    row |= {f"val_{name}": float(metric(result))
                            for name, metric in (metrics or {}).items()}
                history.rows.append(row)
                # Without validation the last epoch is kept, for when a later one diverges.
                if best is None or val_loader is None or _is_better(row, best[0], monitor):
                    best = row, copy.deepcopy(model.state_dict())
                if isinstance(scheduler, ReduceLROnPlateau):
                    scheduler.step(row[monitor])
                elif scheduler is not None and not each_batch:
                    scheduler.step()
                bar.update(0, note=f"epoch {epoch}: {monitor} {row[monitor]:.4f}")
                if saver:
                    saver.save(history.rows, best)
        except KeyboardInterrupt:
            trouble = f"interrupted in epoch {epoch}"
    if best is not None:
        model.load_state_dict(best[1])
        history.best_epoch = None if val_loader is None else best[0]["epoch"]
    if trouble:
        history.ended = trouble
        warnings.warn(trouble, RuntimeWarning, stacklevel=2)
    return history


def evaluate(model: nn.Module, loader: Iterable, loss_fn: LossFunction) -> Evaluation:
    """Loss and predictions of ``model`` over all samples of ``loader``, in evaluation mode.

    It computes on the device of the model, and afterwards every module is in the mode it was in
    before. The loss is computed once, from all samples, so that it does not depend on the batches
    even if it is not a mean.

    Args:
        model: maps inputs to logits ``(N,)`` or ``(N, C)``.
        loader: yields ``(inputs, target)`` or ``(inputs, target, weight)``.
        loss_fn: takes ``(logits, target)`` and returns the mean or one value per sample.

    Raises:
        ValueError: the loader yields no batch, or yields weights while the loss is already a mean.
    """
    batches = [(logits, *batch[1:]) for logits, batch in _forward(model, loader)]
    if not batches:
        raise ValueError("the loader gave no batch; is its data set empty?")
    logits, target, *weight = (torch.cat(tensors).to(batches[0][0].device)
                               for tensors in zip(*batches, strict=True))
    weight = weight[0] if weight else None
    loss, _ = _mean_loss(loss_fn, logits, target, weight)
    return Evaluation(logits.cpu(), target.cpu(), None if weight is None else weight.cpu(),
                      float(loss))


def predict(model: nn.Module, loader: Iterable) -> Predictions:
    """The predictions of ``model`` for every sample of ``loader``, in evaluation mode.

    Args:
        model: maps inputs to logits ``(N,)`` or ``(N, C)``.
        loader: yields batches, either the inputs alone or tuples that begin with the inputs.
            Targets are not needed.

    Raises:
        ValueError: the loader yields no batch.
    """
    logits = [logits.cpu() for logits, _ in _forward(model, loader)]
    if not logits:
        raise ValueError("the loader gave no batch; is its data set empty?")
    return Predictions(torch.cat(logits))


def _columns(val_loader: Iterable | None, metrics: dict) -> list[str]:
    columns = ["train_loss", "train_accuracy"]
    if val_loader is not None:
        columns = ["val_loss", "val_accuracy", *(f"val_{name}" for name in metrics), *columns]
    if len(set(columns)) < len(columns):
        raise ValueError(f"metrics has {', '.join(metrics)}; loss and accuracy are there already, "
                         "so choose other names")
    return columns


def _check_numbers(epochs: int, patience: int | None, max_grad_norm: float | None,
                   val_loader: Iterable | None) -> None:
    if epochs < 1:
        raise ValueError(f"epochs is {epochs}; it must be at least 1")
    if patience is not None and patience < 1:
        raise ValueError(f"patience is {patience}; it must be at least 1, or None for all epochs")
    if patience is not None and val_loader is None:
        raise ValueError(f"patience is {patience}, but there is no val_loader to judge an epoch "
                         "by; give one, or leave patience out")
    if max_grad_norm is not None and not max_grad_norm > 0:
        raise ValueError(f"max_grad_norm is {max_grad_norm}; it must be above 0, or None")


def _is_finite(model: nn.Module) -> bool:
    return all(bool(parameter.isfinite().all()) for parameter in model.parameters())


class _Checkpoint:
    """The file from which ``fit`` continues: everything that the next epoch depends on."""

    def __init__(self, file: Path, monitor: str, model: nn.Module,
                 optimizer: torch.optim.Optimizer, scheduler: LRScheduler | None,
                 loader: Iterable) -> None:
        self.file, self.monitor = file, monitor
        if not self.file.parent.is_dir():
            raise ValueError(f"checkpoint is {self.file}, but its folder does not exist; create it")
        self.parts = {"model": model, "optimizer": optimizer}
        self.parts |= {} if scheduler is None else {"scheduler": scheduler}
        self.generators = _generators(loader)

    def save(self, rows: list[dict[str, float]], best: tuple[dict, dict] | None) -> None:
        """Write beside the old file and then replace it, so that a whole file always exists."""
        state = {name: part.state_dict() for name, part in self.parts.items()}
        state |= {"rows": rows, "best": best, "monitor": self.monitor,
                  "rng": [g.get_state() for g in self.generators]}
        try:
            with tempfile.TemporaryDirectory(dir=self.file.parent, prefix=".part-") as folder:
                new = Path(folder) / self.file.name
                torch.save(state, new)
                os.replace(new, self.file)
        except (OSError, RuntimeError) as error:
            warnings.warn(f"{self.file} could not be written ({_first_line(error)}); training "
                          "continues without it", RuntimeWarning, stacklevel=3)

    def load(self) -> tuple[list[dict[str, float]], tuple[dict, dict]]:
        """Restore model, optimiser, scheduler and generators."""
        remedy = "delete it to start again, or name another checkpoint"
        try:
            state = torch.load(self.file, map_location="cpu", weights_only=True)
            rows, best, rng = state["rows"], state["best"], state["rng"]
        except (pickle.UnpicklingError, RuntimeError, OSError, EOFError, KeyError,
                TypeError) as error:
            raise ValueError(f"{self.file} is damaged or not a checkpoint of fit; "
                             f"{remedy}") from error
        if state["monitor"] != self.monitor:
            raise ValueError(f"{self.file} was written with monitor {state['monitor']!r}, and now "
                             f"monitor is {self.monitor!r}; {remedy}")
        try:
            for name, part in self.parts.items():
                part.load_state_dict(state[name])
            for generator, was in zip(self.generators, rng, strict=True):
                generator.set_state(was)
        except (RuntimeError, KeyError, ValueError) as error:
            raise ValueError(f"{self.file} belongs to another model, optimiser, scheduler or "
                             f"loader ({_first_line(error)}); {remedy}") from error
        return rows, best


def _generators(loader: Iterable) -> list[torch.Generator]:
    """PyTorch's global generator, and those of the loader that decide the order of the samples."""
    batches = getattr(loader, "batch_sampler", None)
    owners = [loader, getattr(loader, "sampler", None), batches, getattr(batches, "sampler", None)]
    own = (getattr(owner, "generator", None) for owner in owners)
    return list(dict.fromkeys([torch.default_generator,
                               *(g for g in own if isinstance(g, torch.Generator))]))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _train_one_epoch(model: nn.Module, loader: Iterable, loss_fn: LossFunction,
                     optimizer: torch.optim.Optimizer, scheduler: LRScheduler | None,
                     max_grad_norm: float | None, bar: runtime.Progress) -> dict[str, float]:
    device, batches = _device_of(model), []
    model.train()
    for batch in loader:
        inputs, target, weight = _unpack(batch, device)
        logits = model(inputs)
        loss, size = _mean_loss(loss_fn, logits, target, weight)
        optimizer.zero_grad()
        loss.backward()
        if max_grad_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), max_grad_norm)
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
        right = _decide(logits.detach()) == target
        # No .item() here, for which a GPU would have to wait.
        batches.append((loss.detach(), size, (right if weight is None else right * weight).sum()))
        bar.update(1)
    if not batches:
        raise ValueError("train_loader gave no batch; is its data set empty, or is it an iterator "
                         "that one pass has used up?")
    # By samples, not by batches, since the last batch may be smaller.
    loss, size, right = (torch.stack([torch.as_tensor(value) for value in column]).cpu().double()
                         for column in zip(*batches, strict=True))
    return {"train_loss": float(_mean(loss, size)),
            "train_accuracy": float(right.sum() / size.sum())}


def _is_better(row: dict[str, float], best: dict[str, float], monitor: str) -> bool:
    new, old = row[monitor], best[monitor]
    if math.isnan(old):
        return not math.isnan(new)
    return new < old if monitor.endswith("loss") else new > old


def _forward(model: nn.Module, loader: Iterable) -> Iterator[tuple[Tensor, list[Tensor]]]:
    """Logits in evaluation mode, batch by batch, each with the batch it came from."""
    device, modes = _device_of(model), [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        for batch in loader:
            batch = [batch] if isinstance(batch, Tensor) else list(batch)
            with torch.no_grad():
                logits = model(batch[0].to(device))
            yield logits, batch
    finally:
        for module, training in modes:
            module.training = training


def _unpack(batch: Sequence[Tensor], device: torch.device) -> tuple[Tensor, Tensor, Tensor | None]:
    inputs, target, *weight = (t.to(device) for t in batch)
    return inputs, target, weight[0] if weight else None


def _mean_loss(loss_fn: LossFunction, logits: Tensor, target: Tensor, weight: Tensor | None
               ) -> tuple[Tensor, Tensor | int]:
    """The batch's mean loss, and how much the batch counts beside others."""
    if logits.dim() == 0 or logits.shape[1:2] == (1,):
        raise ValueError(f"the model gives logits of shape {tuple(logits.shape)}; they must be "
                         "(N,) for one logit per sample (end the model with nn.Flatten(0)) or "
                         "(N, C) with C >= 2")
    samples = logits.shape[:1] + logits.shape[2:]
    if target.shape != samples or (weight is not None and weight.shape != samples):
        raise ValueError(f"the logits have shape {tuple(logits.shape)} and the targets shape "
                         f"{tuple(target.shape)}; the loader must give one target per sample, "
                         f"{tuple(samples)}, and weights of the same shape")
    loss = loss_fn(logits, target)
    if weight is None:
        return (loss.mean() if loss.dim() else loss), target.numel()
    if not loss.dim():
        raise ValueError("the loader gives weights, but the loss is a mean already: make it return "
                         'one value per sample, with reduction="none"')
    return _mean(loss, weight), weight.sum()


def _decide(logits: Tensor) -> Tensor:
    return logits > 0 if logits.dim() == 1 else logits.argmax(dim=1)


def _mean(values: Tensor, weight: Tensor | None) -> Tensor:
    if weight is None:
        return values.mean()
    return (values * weight).sum() / weight.sum().clamp(min=torch.finfo(values.dtype).tiny)


def _device_of(model: nn.Module) -> torch.device:
    return next((p.device for p in model.parameters()), torch.device("cpu"))
