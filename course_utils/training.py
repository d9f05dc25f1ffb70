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
import io
import itertools
import math
import operator
import os
import pickle
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CyclicLR, LRScheduler, OneCycleLR, ReduceLROnPlateau
from torch.serialization import get_unsafe_globals_in_checkpoint
from torch.utils._pytree import tree_map_only

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
        ValueError: there is no tensor, something else is given, the tensors differ in length, or
            ``batch_size`` is not a whole number from 1 up.

    >>> loader = TensorLoader(torch.arange(5), torch.arange(5) % 2, batch_size=2)
    >>> [batch[0].tolist() for batch in loader]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, *tensors: Tensor, batch_size: int = 128, shuffle: bool = False,
                 generator: torch.Generator | None = None) -> None:
        if not all(isinstance(t, Tensor) and t.dim() for t in tensors):
            raise ValueError(f"the arguments are {_names_of(tensors)}; each must be a tensor of at "
                             "least one dimension (torch.as_tensor makes one of an array, and "
                             "TensorLoader(*tensors) unpacks a list)")
        lengths = [len(t) for t in tensors]
        if not lengths or len(set(lengths)) > 1:
            raise ValueError(f"the tensors have {lengths} samples; give at least one tensor, and "
                             "all of the same length")
        self.tensors, self.batch_size = tensors, _whole("batch_size", batch_size)
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

    If an exception ended the training, this object is its attribute ``history``.
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
    scheduler_steps: Literal["epoch", "batch"] | None = None,
    epochs: int,
    monitor: str = "val_loss",
    mode: Literal["min", "max"] | None = None,
    metrics: Mapping[str, Callable[[Evaluation], float]] | None = None,
    patience: int | None = None,
    max_grad_norm: float | None = None,
    checkpoint: str | os.PathLike | None = None,
    device: torch.device | str | None = None,
    progress: bool = True,
) -> History:
    """Train ``model`` and leave it with the weights of its best finished epoch.

    The train columns are measured while the weights change, as means over the samples of all
    batches. The validation columns are measured after the epoch, with fixed weights, from all
    samples at once.

    Whatever ends the training, the epochs finished so far are kept: the model has the weights of
    the best of them. After Ctrl-C or the stop button, or when the loss or a weight is no longer
    finite, the history is returned, with a warning. An exception (from a metric, a loader, a
    scheduler that has no steps left) goes on to the caller and carries the history as its attribute
    ``history``. In a notebook this is ``sys.last_value.history``.

    Args:
        model: maps inputs to logits ``(N,)`` or ``(N, C)``. It is moved to ``device`` and stays
            there. ``model.train()`` is called before each epoch; a part that must stay in
            evaluation mode (a frozen BatchNorm) has to override its ``train``.
        train_loader: yields ``(inputs, target)`` or ``(inputs, target, weight)``, weights ``>= 0``.
        val_loader: the same, or ``None``. Without it the last epoch is kept, and ``metrics`` are
            not measured.
        loss_fn: takes ``(logits, target)`` and returns the mean over the batch or one value per
            sample. If it is a module, it is moved to ``device`` too.
        optimizer: holds the parameters to train.
        scheduler: changes the learning rate; ``ReduceLROnPlateau`` is given the value of
            ``monitor``.
        scheduler_steps: ``"batch"`` steps the scheduler after every batch, so that it counts
            batches (as a warm-up often does), and ``"epoch"`` after every epoch. ``None`` is
            ``"batch"`` for ``OneCycleLR`` and ``CyclicLR``, and ``"epoch"`` for all others.
        epochs: passes over ``train_loader``, ``>= 1``, including those of the checkpoint.
        monitor: the column that decides which epoch is best.
        mode: whether the lowest (``"min"``) or the highest (``"max"``) value of ``monitor`` is
            best. ``None`` is possible for losses, accuracy and well-known metrics such as ``f1``
            or ``brier``; it is never guessed for other names.
        metrics: further columns ``val_<name>``, each a function of the validation Evaluation.
        patience: stop after this number of epochs, ``>= 1``, without a better ``monitor`` (early
            stopping); ``None`` trains all ``epochs``.
        max_grad_norm: ``> 0``; the gradient of a batch with a larger norm is scaled down to this
            norm.
        checkpoint: a file to write after each epoch. If it exists already, training continues from
            it as if it had never stopped, with the optimiser's settings as they were. (On the CPU
            the result is the same to the last bit, if all random numbers come from PyTorch's global
            generator or from that of the loader or its sampler.) The file is read with
            ``weights_only=True``, which refuses code. So the optimiser, the scheduler and the model
            may keep only tensors and plain values in their ``state_dict``; NumPy's numbers are
            replaced by Python's.
        device: where to compute; ``None`` lets :func:`course_utils.runtime.device` choose.
        progress: whether to show a progress bar.

    Returns:
        The history of the finished epochs.

    Raises:
        ValueError: an argument is out of its range, a loader yields no batch or batches of another
            form, ``monitor`` is unknown or needs a ``mode``, a ``ReduceLROnPlateau`` looks in the
            other direction, the scheduler or the optimiser belongs to something else, the logits
            are neither ``(N,)`` nor ``(N, C)``, the targets have another shape or a dtype that the
            loss refuses, there are weights but the loss is already a mean, or the checkpoint cannot
            be used: it is damaged, cannot be opened, was not written by ``fit``, belongs to another
            model, or could not be read again.
    """
    metrics = {} if metrics is None else metrics
    columns = _columns(val_loader, metrics)
    if val_loader is None and monitor == "val_loss":
        monitor = "train_loss"
    if monitor not in columns:
        raise ValueError(f"monitor is {monitor!r}; the columns are {', '.join(columns)}")
    mode = _direction(monitor, mode)
    _check_numbers(epochs, patience, max_grad_norm, val_loader)
    _check_optimizer(optimizer, model, loss_fn)
    each_batch = scheduler if _steps_by_batch(scheduler, scheduler_steps) else None
    _check_scheduler(scheduler, each_batch, optimizer, monitor, mode)
    device = runtime.device(device)
    model.to(device)
    _move_loss(loss_fn, device)
    history, best, trouble = History(monitor), None, ""
    saver = None if checkpoint is None else _Checkpoint(
        Path(checkpoint), monitor, mode, model, optimizer, scheduler, train_loader)
    if saver and saver.file.exists():
        history.rows, best = saver.load()
    epoch = done = len(history.rows)
    steps = max(epochs - done, 0) * operator.length_hint(train_loader) or None

    with runtime.Progress("training", total=steps, unit="batches", show=progress) as bar:
        try:
            for epoch in range(done + 1, epochs + 1):
                if patience is not None and best and epoch > best[0]["epoch"] + patience:
                    history.ended = f"stopped: {patience} epochs without a better {monitor}"
                    break
                # As a number: a rate that is a tensor would change with the next step.
                row = {"epoch": epoch, "lr": float(optimizer.param_groups[0]["lr"])}
                row |= _train_one_epoch(model, train_loader, loss_fn, optimizer, each_batch,
                                        max_grad_norm, bar)
                if not (math.isfinite(row["train_loss"]) and _is_finite(model)):
                    trouble = (f"the loss or a weight became nan or infinite in epoch {epoch}: try "
                               "a lower learning rate, and look for nan in the inputs")
                    break
                if val_loader is not None:
                    result = evaluate(model, val_loader, loss_fn)
                    row |= {"val_loss": result.loss, "val_accuracy": result.accuracy}
                    row |= {f"val_{name}": _number(name, metric(result))
                            for name, metric in metrics.items()}
                history.rows.append(row)
                # Without validation the last epoch is kept, for when a later one diverges.
                if (best is None or val_loader is None
                        or _is_better(row[monitor], best[0][monitor], mode)):
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
        except BaseException as error:
            history.ended = f"{type(error).__name__} in epoch {epoch}: {_first_line(error)}"
            error.history = history
            if history.rows:
                error.add_note(f"fit kept the {len(history.rows)} epochs finished before this: the "
                               "model has the weights of the best of them, and the exception has "
                               "their history (in a notebook: sys.last_value.history)")
            raise
        finally:
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
        loader: yields ``(inputs, target)`` or ``(inputs, target, weight)``, weights ``>= 0``.
        loss_fn: takes ``(logits, target)`` and returns the mean or one value per sample. If it is a
            module, it is moved to the device of the model.

    Raises:
        ValueError: the loader yields no batch or batches of another form, a shape or dtype does not
            fit, or there are weights while the loss is already a mean.
    """
    _move_loss(loss_fn, _device_of(model))
    batches = [(logits, *_entries(batch)[1:]) for logits, batch in _forward(model, loader)]
    if not batches:
        raise ValueError(_NO_BATCH.format("the loader"))
    if len({len(batch) for batch in batches}) > 1:
        raise ValueError("some batches of the loader have weights and others have none; give all "
                         "of them weights (1 changes nothing), or none")
    logits, target, *weight = (torch.cat(tensors).to(batches[0][0].device)
                               for tensors in zip(*batches, strict=True))
    weight = weight[0] if weight else None
    with torch.no_grad():
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
        ValueError: the loader yields no batch or batches of another form, or the model refuses the
            dtype of the inputs.
    """
    logits = [logits.cpu() for logits, _ in _forward(model, loader)]
    if not logits:
        raise ValueError(_NO_BATCH.format("the loader"))
    return Predictions(torch.cat(logits))


# ------------------------------------------------------------------------ checks before training

# Which value of a column is best, for names whose meaning is beyond doubt: those of this course and
# of scikit-learn, and common short forms. Part of a name proves nothing: neg_log_loss is maximised.
_BEST_IS_LOW = """
    loss log_loss nll negative_log_likelihood cross_entropy ce bce focal_loss soft_f1_loss dice_loss
    hinge_loss hamming_loss zero_one_loss brier brier_loss brier_score brier_score_loss ece
    calibration_error expected_calibration_error posterior_error error error_rate cost expected_cost
    perplexity mse rmse mae mean_squared_error root_mean_squared_error mean_absolute_error
    """
_BEST_IS_HIGH = """
    accuracy accuracy_score acc balanced_accuracy balanced_accuracy_score top_k_accuracy
    top_k_accuracy_score f1 f1_score f1_macro f1_micro f1_weighted macro_f1 micro_f1 weighted_f1
    fbeta fbeta_score precision precision_score recall recall_score sensitivity specificity
    average_precision average_precision_score ap pr_auc auprc auc roc_auc roc_auc_score auroc
    jaccard jaccard_score iou dice dice_score mcc matthews_corrcoef kappa cohen_kappa
    cohen_kappa_score neg_log_loss neg_brier_score
    """


def _direction(monitor: str, mode: str | None) -> str:
    """``"min"`` or ``"max"``: where the best value of the column lies."""
    name = monitor.partition("_")[2].lower().replace(" ", "_").replace("-", "_")
    known = ("min" if name in _BEST_IS_LOW.split()
             else "max" if name in _BEST_IS_HIGH.split() else None)
    if mode not in (None, "min", "max"):
        raise ValueError(f'mode is {mode!r}; it must be "min" if the lowest {monitor} is best, or '
                         '"max" if the highest is')
    if mode is None and known is None:
        raise ValueError(f"monitor is {monitor!r}, and fit does not know whether its lowest or its "
                         'highest value is best; add mode="min" or mode="max"')
    if name in ("loss", "accuracy") and mode not in (None, known):
        raise ValueError(f"mode is {mode!r}, but the best {monitor} is the "
                         f"{'lowest' if known == 'min' else 'highest'}; leave mode out")
    return mode or known


def _columns(val_loader: Iterable | None, metrics: Mapping[str, Callable]) -> list[str]:
    if not (isinstance(metrics, Mapping) and all(map(callable, metrics.values()))):
        raise ValueError(f"metrics is {metrics!r}; give a dict from names to functions of an "
                         'Evaluation, such as {"f1": my_f1}')
    columns = ["train_loss", "train_accuracy"]
    if val_loader is not None:
        columns = ["val_loss", "val_accuracy", *(f"val_{name}" for name in metrics), *columns]
    if len(set(columns)) < len(columns):
        raise ValueError(f"metrics has {', '.join(metrics)}; loss and accuracy are there already, "
                         "so choose other names")
    return columns


def _whole(name: str, value: Any, also: str = "") -> int:
    """``value`` as an int, which must be at least 1."""
    try:
        number = operator.index(value)
    except TypeError:
        raise ValueError(f"{name} is {value!r}; it must be a whole number >= 1{also}") from None
    if number < 1:
        raise ValueError(f"{name} is {number}; it must be at least 1{also}")
    return number


def _check_numbers(epochs: int, patience: int | None, max_grad_norm: float | None,
                   val_loader: Iterable | None) -> None:
    _whole("epochs", epochs)
    if patience is not None:
        _whole("patience", patience, ", or None for all epochs")
        if val_loader is None:
            raise ValueError(f"patience is {patience}, but there is no val_loader to judge an "
                             "epoch by; give one, or leave patience out")
    if max_grad_norm is not None and not (isinstance(max_grad_norm, Real) and max_grad_norm > 0):
        raise ValueError(f"max_grad_norm is {max_grad_norm!r}; it must be above 0, or None")


def _check_optimizer(optimizer: torch.optim.Optimizer, model: nn.Module, loss_fn: LossFunction
                     ) -> None:
    """Refuse an optimiser that would leave the model, or a new part of it, untrained."""
    if not hasattr(optimizer, "param_groups"):
        raise ValueError(f"optimizer is {optimizer!r}; give one that holds the parameters, such as "
                         "torch.optim.Adam(model.parameters())")
    if isinstance(optimizer, torch.optim.LBFGS):
        raise ValueError("the optimizer is LBFGS, which computes the loss several times a step; "
                         "fit computes it once, so use SGD or Adam, for instance")
    in_model = {id(p): name for name, p in model.named_parameters() if p.requires_grad}
    in_loss = ({id(p) for p in loss_fn.parameters()} if isinstance(loss_fn, nn.Module) else set())
    if not in_model and not in_loss:
        raise ValueError("no parameter of the model requires a gradient, so nothing would be "
                         "trained; call requires_grad_(True) on the part to train")
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    again = ("make it after the model is complete (after a layer was replaced or the model was "
             "copied), with model.parameters()")
    if not held & (in_model.keys() | in_loss):
        raise ValueError("the optimizer holds no parameter of the model that requires a gradient, "
                         f"so nothing would be trained; {again}")
    missing = [name for key, name in in_model.items() if key not in held]
    strange = held - {id(p) for p in model.parameters()} - in_loss
    if missing and strange:  # either alone can be meant
        raise ValueError(f"the optimizer holds {len(strange)} parameters that are not the model's, "
                         f"and lacks {', '.join(missing[:3])}{' ...' * (len(missing) > 3)}; "
                         f"{again}, or call requires_grad_(False) on what is not to be trained")


def _steps_by_batch(scheduler: LRScheduler | None, scheduler_steps: str | None) -> bool:
    if scheduler_steps is not None:
        if scheduler_steps not in ("epoch", "batch"):
            raise ValueError(f'scheduler_steps is {scheduler_steps!r}; it must be "epoch" or '
                             '"batch", or None')
        return scheduler_steps == "batch" and scheduler is not None
    kinds = {isinstance(part, OneCycleLR | CyclicLR) for part in _parts_of(scheduler)}
    if len(kinds) > 1:
        raise ValueError(f"the scheduler, a {type(scheduler).__name__}, joins some that count "
                         'batches with others; add scheduler_steps="batch" or "epoch"')
    return kinds == {True}


def _parts_of(scheduler: LRScheduler | None) -> list[LRScheduler | None]:
    """The schedulers inside SequentialLR and ChainedScheduler, or the scheduler alone."""
    inner = getattr(scheduler, "_schedulers", None)
    return [part for one in inner for part in _parts_of(one)] if inner else [scheduler]


def _check_scheduler(scheduler: LRScheduler | None, each_batch: LRScheduler | None,
                     optimizer: torch.optim.Optimizer, monitor: str, mode: str) -> None:
    if isinstance(scheduler, type):
        raise ValueError(f"scheduler is the class {scheduler.__name__}; give one made from the "
                         "optimizer")
    owner = getattr(scheduler, "optimizer", None)
    if owner is not None and owner.param_groups is not optimizer.param_groups:
        raise ValueError("the scheduler was made for another optimizer, so it would change nothing "
                         "here; make it from this one")
    if isinstance(scheduler, ReduceLROnPlateau):
        if each_batch:
            raise ValueError(f'scheduler_steps is "batch", but ReduceLROnPlateau needs {monitor}, '
                             "which is measured once an epoch; leave scheduler_steps out")
        if scheduler.mode != mode:
            raise ValueError(f"ReduceLROnPlateau has mode={scheduler.mode!r}, but the best "
                             f"{monitor} is the {'lowest' if mode == 'min' else 'highest'}; make "
                             f"it with mode={mode!r}")


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"metrics[{name!r}] gives a {type(value).__name__}, {value!r}; it must "
                         "give one number") from None


def _is_finite(model: nn.Module) -> bool:
    return all(bool(parameter.isfinite().all()) for parameter in model.parameters())


# ------------------------------------------------------------------------------------- checkpoints


class _Checkpoint:
    """The file from which ``fit`` continues: everything that the next epoch depends on."""

    def __init__(self, file: Path, monitor: str, mode: str, model: nn.Module,
                 optimizer: torch.optim.Optimizer, scheduler: LRScheduler | None,
                 loader: Iterable) -> None:
        self.file, self.monitor, self.mode = file, monitor, mode
        if file.is_dir():
            raise ValueError(f"checkpoint is {file}, which is a folder; name a file, such as "
                             f"{file / 'run.pt'}")
        if not file.parent.is_dir():
            raise ValueError(f"checkpoint is {file}, but its folder does not exist; create it")
        if not os.access(file.parent, os.W_OK):
            raise ValueError(f"checkpoint is {file}, but nothing can be written into its folder; "
                             "change the folder's permissions, or name another one")
        self.parts = {"model": model, "optimizer": optimizer}
        self.parts |= {} if scheduler is None else {"scheduler": scheduler}
        self.generators = _generators(loader)
        for name, part in self.parts.items():
            if reason := _why_unreadable(self._plain_state(part)):
                raise ValueError(f"the state of the {name} holds {reason}, which could not be read "
                                 "again from a checkpoint; keep only tensors, numbers, strings, "
                                 "lists and dicts in it, or leave checkpoint out")

    @staticmethod
    def _plain_state(part: Any) -> dict[str, Any]:
        """The part's state. The part goes on with plain numbers too, as after a resume."""
        state = part.state_dict()
        plain = _plain(state)
        if plain is not state:
            part.load_state_dict(plain)
        return plain

    def save(self, rows: list[dict[str, float]], best: tuple[dict, dict]) -> None:
        """Write beside the old file and then replace it, so that a whole file always exists."""
        state = {name: self._plain_state(part) for name, part in self.parts.items()}
        state |= {"rows": rows, "best": _plain(best), "monitor": self.monitor, "mode": self.mode,
                  "rng": [g.get_state() for g in self.generators]}
        try:
            with tempfile.TemporaryDirectory(dir=self.file.parent, prefix=".part-") as folder:
                new = Path(folder) / self.file.name
                torch.save(state, new)
                if unsafe := get_unsafe_globals_in_checkpoint(new):
                    raise TypeError(f"it holds {', '.join(unsafe)}, which could not be read again")
                os.replace(new, self.file)
        except (OSError, RuntimeError, TypeError, AttributeError, pickle.PicklingError) as error:
            warnings.warn(f"{self.file} could not be written ({_first_line(error)}); training "
                          "continues without it", RuntimeWarning, stacklevel=3)

    def load(self) -> tuple[list[dict[str, float]], tuple[dict, dict]]:
        """Restore model, optimiser, scheduler and generators."""
        remedy = "to start again, name another checkpoint or move this file away"
        state = self._read(remedy)
        # Files of version 0.1.0 name no mode; there it followed from the name.
        mode = state.get("mode", "min" if str(state["monitor"]).endswith("loss") else "max")
        if (state["monitor"], mode) != (self.monitor, self.mode):
            raise ValueError(f"{self.file} was written with monitor {state['monitor']!r} and mode "
                             f"{mode!r}, and now they are {self.monitor!r} and {self.mode!r}; "
                             f"{remedy}")
        before = {name: copy.deepcopy(part.state_dict()) for name, part in self.parts.items()}
        try:
            if ("scheduler" in state) != ("scheduler" in before):
                raise ValueError("only one of the two has a scheduler")
            for name, part in self.parts.items():
                part.load_state_dict(state[name])
            for generator, was in zip(self.generators, state["rng"], strict=True):
                generator.set_state(was)
        except (RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
            for name, part in self.parts.items():  # what was loaded already must not stay
                part.load_state_dict(before[name])
            raise ValueError(f"{self.file} belongs to another model, optimiser, scheduler or "
                             f"loader ({_first_line(error)}); {remedy}") from error
        return state["rows"], state["best"]

    def _read(self, remedy: str) -> dict[str, Any]:
        """What the file holds, or a sentence with the true reason why it cannot be used."""
        try:
            with self.file.open("rb") as file:
                whole = zipfile.is_zipfile(file)
        except OSError as error:  # it may well be whole
            raise ValueError(f"{self.file} cannot be opened ({error.strerror or error}); make it "
                             "readable, or name another checkpoint") from error
        try:
            state = torch.load(self.file, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            if whole and (unsafe := get_unsafe_globals_in_checkpoint(self.file)):
                raise ValueError(f"{self.file} holds {', '.join(unsafe)}, that is code or objects, "
                                 f"which fit does not load; {remedy}") from error
            raise ValueError(f"{self.file} is damaged or not a checkpoint of fit; {remedy}"
                             ) from error
        except (RuntimeError, OSError, EOFError, KeyError, TypeError) as error:
            raise ValueError(f"{self.file} is damaged or not a checkpoint of fit; {remedy}"
                             ) from error
        keys = {"model", "optimizer", "rows", "best", "monitor", "rng"}
        if not (isinstance(state, dict) and keys <= state.keys()):
            raise ValueError(f"{self.file} is a file of PyTorch but not a checkpoint of fit (it "
                             f"holds {_names_of(state)}); {remedy}")
        return state


def _plain(value: Any) -> Any:
    """``value`` with Python's numbers for NumPy's, which ``weights_only=True`` refuses.

    Where there is nothing to replace, it is the same object.

    >>> _plain({"lr": np.float64(0.1), "betas": (np.float32(0.5), 1)})
    {'lr': 0.1, 'betas': (0.5, 1)}
    """
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return value.item()
    if isinstance(value, dict):
        items = [(_plain(key), _plain(entry)) for key, entry in value.items()]
        if all(a is b for new, old in zip(items, value.items(), strict=True)
               for a, b in zip(new, old, strict=True)):
            return value
        new = copy.copy(value)  # keeps a Counter a Counter, and the notes of a state_dict
        new.clear()
        for key, entry in items:
            new[key] = entry
        return new
    if isinstance(value, list | tuple):
        entries = [_plain(entry) for entry in value]
        if all(a is b for a, b in zip(entries, value, strict=True)):
            return value
        return value._make(entries) if hasattr(value, "_make") else type(value)(entries)
    return value


def _why_unreadable(value: Any) -> str:
    """Names what ``weights_only=True`` refuses in ``value``; empty if there is nothing."""
    buffer = io.BytesIO()
    try:
        torch.serialization.save(tree_map_only(Tensor, lambda tensor: None, value), buffer)
        buffer.seek(0)
        if not (unsafe := get_unsafe_globals_in_checkpoint(buffer)):
            return ""
        reason = f"a {type(value).__name__} ({', '.join(unsafe)})"
    except Exception as error:  # whatever a __reduce__ raises
        reason = f"a {type(value).__name__} that cannot be pickled ({_first_line(error)})"
    inner = (value.values() if isinstance(value, dict)
             else value if isinstance(value, list | tuple) else [])
    return next(filter(None, map(_why_unreadable, inner)), reason)  # the entry, not the whole


def _generators(loader: Iterable) -> list[torch.Generator]:
    """PyTorch's global generator, and those of the loader that decide the order of the samples."""
    batches = getattr(loader, "batch_sampler", None)
    owners = [loader, getattr(loader, "sampler", None), batches, getattr(batches, "sampler", None)]
    own = (getattr(owner, "generator", None) for owner in owners)
    return list(dict.fromkeys([torch.default_generator,
                               *(g for g in own if isinstance(g, torch.Generator))]))


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


# ------------------------------------------------------------------------------------- one epoch

_NO_BATCH = ("{} gave no batch; is its data set empty, or is it an iterator that one pass has used "
             "up?")


def _train_one_epoch(model: nn.Module, loader: Iterable, loss_fn: LossFunction,
                     optimizer: torch.optim.Optimizer, scheduler: LRScheduler | None,
                     max_grad_norm: float | None, bar: runtime.Progress) -> dict[str, float]:
    device, losses, sizes, hits = _device_of(model), [], [], []
    model.train()
    for batch in loader:
        inputs, target, weight = _unpack(batch, device)
        logits = _logits(model, inputs)
        loss, size = _mean_loss(loss_fn, logits, target, weight)
        optimizer.zero_grad()
        loss.backward()
        if max_grad_norm is not None:
            _clip(model, max_grad_norm)
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
        right = _decide(logits.detach()) == target
        losses.append(loss.detach())  # no .item(), for which a GPU would have to wait
        sizes.append(size)
        hits.append((right if weight is None else right * weight).sum())
        bar.update(1)
    if not losses:
        raise ValueError(_NO_BATCH.format("train_loader"))
    loss, size, right = _stacked(losses), _stacked(sizes), _stacked(hits)
    # By samples, not by batches, since the last batch may be smaller.
    return {"train_loss": float(_mean(loss, size)),
            "train_accuracy": float(right.sum() / size.sum())}


def _clip(model: nn.Module, max_grad_norm: float) -> None:
    # First by the largest entry, since the squares of entries above 1e19 overflow.
    nn.utils.clip_grad_norm_(model.parameters(), max(1e12, max_grad_norm), math.inf)
    nn.utils.clip_grad_norm_(model.parameters(), max_grad_norm)


def _stacked(numbers: list[Any]) -> Tensor:
    """Numbers, or tensors with one number each on any device, as float64 on the CPU."""
    return torch.stack([torch.as_tensor(number) for number in numbers]).cpu().double()


def _is_better(new: float, old: float, mode: str) -> bool:
    if math.isnan(old):
        return not math.isnan(new)
    return new < old if mode == "min" else new > old


def _forward(model: nn.Module, loader: Iterable) -> Iterator[tuple[Tensor, Any]]:
    """Logits in evaluation mode, batch by batch, each with the batch it came from."""
    device, modes = _device_of(model), [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        for batch in loader:
            with torch.no_grad():
                logits = _logits(model, _inputs(batch).to(device))
            yield logits, batch
    finally:
        for module, training in modes:
            module.training = training


def _inputs(batch: Any) -> Tensor:
    """The inputs of a batch, which need no targets."""
    if isinstance(batch, Tensor):
        return batch
    if isinstance(batch, list | tuple) and batch and hasattr(batch[0], "to"):
        return batch[0]
    raise ValueError(f"the loader gives {_names_of(batch)}; a batch must be a tensor of inputs, or "
                     f"a tuple that begins with it{_how_to_make(batch)}")


def _entries(batch: Any) -> tuple | list:
    """The batch itself, which must be ``(inputs, target)`` or ``(inputs, target, weight)``."""
    if not (isinstance(batch, list | tuple) and len(batch) in (2, 3) and hasattr(batch[0], "to")
            and all(isinstance(entry, Tensor) for entry in batch[1:])):
        raise ValueError(f"the loader gives {_names_of(batch)}; a batch must be a tuple of "
                         "tensors, (inputs, target) or (inputs, target, weight)"
                         f"{_how_to_make(batch)}")
    if len(batch) == 3 and not bool((batch[2] >= 0).all()):
        raise ValueError(f"the loader gives a weight of {float(batch[2].min())}; weights must be "
                         "numbers >= 0")
    return batch


def _names_of(value: Any) -> str:
    """What a batch or an argument is, in a few words.

    >>> _names_of((torch.zeros(3), [1]))
    'a tuple of 2: Tensor, list'
    """
    kind = type(value).__name__
    if isinstance(value, Mapping):
        return f"a {kind} with the keys {', '.join(map(str, itertools.islice(value, 6)))}"
    if isinstance(value, list | tuple):
        kinds = ", ".join(type(entry).__name__ for entry in value[:6])
        return f"a {kind} of {len(value)}: {kinds}"
    return f"one {kind}"


def _how_to_make(batch: Any) -> str:
    """How to come to tensors in a tuple, where that can be seen."""
    if isinstance(batch, Mapping):
        return "; let the data set, or collate_fn of the DataLoader, put its entries into a tuple"
    entries = batch if isinstance(batch, list | tuple) else [batch]
    if any(isinstance(entry, np.ndarray | np.generic) for entry in entries):
        return "; torch.as_tensor makes a tensor of an array"
    if isinstance(batch, list | tuple) and len(batch) > 3:
        return "; leave the other entries out"
    return " (a single batch, such as all samples, is a loader too: [(inputs, target)])"


def _unpack(batch: Any, device: torch.device) -> tuple[Tensor, Tensor, Tensor | None]:
    inputs, target, *weight = (t.to(device) for t in _entries(batch))
    return inputs, target, weight[0] if weight else None


def _logits(model: nn.Module, inputs: Tensor) -> Tensor:
    """``model(inputs)``, with a sentence of our own where the cause of a failure can be seen."""
    try:
        logits = model(inputs)
    except (RuntimeError, ValueError) as error:
        if "more than 1 value per channel" in str(error):
            raise ValueError("a batch has one sample, and BatchNorm cannot train on one: choose a "
                             "batch_size that leaves no single sample at the end, or drop_last="
                             "True in the DataLoader") from error
        weights = next((p.dtype for p in model.parameters() if p.is_floating_point()), None)
        if isinstance(inputs, Tensor) and weights not in (None, inputs.dtype) and _works(
                lambda: model(inputs.to(weights))):
            raise ValueError(f"the inputs are {inputs.dtype} and the weights of the model {weights}"
                             f"; convert the inputs, with inputs.to({weights})") from error
        raise
    if not isinstance(logits, Tensor):
        raise ValueError(f"the model returns {_names_of(logits)}; it must return the logits, one "
                         "tensor (wrap it in a module that picks them out)")
    return logits


def _works(call: Callable[[], Any]) -> bool:
    """Whether a changed call succeeds, which proves what was wrong with the first."""
    try:
        with torch.no_grad():
            call()
    except Exception:
        return False
    return True


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
    loss = _loss(loss_fn, logits, target)
    if weight is None:
        return (loss.mean() if loss.dim() else loss), target.numel()
    if not loss.dim():
        raise ValueError("the loader gives weights, but the loss is a mean already: make it return "
                         'one value per sample, with reduction="none"')
    if loss.shape != samples:
        raise ValueError(f"the loss returns shape {tuple(loss.shape)}; with weights it must return "
                         f"one value per sample, {tuple(samples)}")
    return _mean(loss, weight), weight.sum()


def _loss(loss_fn: LossFunction, logits: Tensor, target: Tensor) -> Tensor:
    """``loss_fn(logits, target)``, with a sentence of our own for what can be seen to be wrong."""
    try:
        loss = loss_fn(logits, target)
    except RuntimeError as error:
        for dtype in (logits.dtype, torch.int64):
            if dtype != target.dtype and _works(lambda dtype=dtype: loss_fn(
                    logits, target.to(dtype))):
                raise ValueError(f"the targets are {target.dtype}, which the loss refuses; convert "
                                 f"them, with target.to({dtype})") from error
        if "same device" in str(error):
            raise ValueError(f"the logits are on {logits.device}, and the loss holds a tensor that "
                             "is not; make the loss a module, which is moved to the model's "
                             "device, or move its tensors") from error
        raise
    if not isinstance(loss, Tensor):
        raise ValueError(f"the loss returns {_names_of(loss)}; it must return a tensor, computed "
                         "from the logits by tensor operations")
    if torch.is_grad_enabled() and logits.requires_grad and not loss.requires_grad:
        raise ValueError("the loss has no gradient; compute it from the logits by differentiable "
                         "operations, without detach, item, argmax or a comparison")
    return loss


def _move_loss(loss_fn: LossFunction, device: torch.device) -> None:
    """Class weights in a loss must be where the logits are."""
    if isinstance(loss_fn, nn.Module):
        loss_fn.to(device)


def _decide(logits: Tensor) -> Tensor:
    return logits > 0 if logits.dim() == 1 else logits.argmax(dim=1)


def _mean(values: Tensor, weight: Tensor | None) -> Tensor:
    if weight is None:
        return values.mean()
    return (values * weight).sum() / weight.sum().clamp(min=torch.finfo(values.dtype).tiny)


def _device_of(model: nn.Module) -> torch.device:
    tensors = itertools.chain(model.parameters(), model.buffers())
    return next((t.device for t in tensors), torch.device("cpu"))
