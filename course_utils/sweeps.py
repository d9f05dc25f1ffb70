"""Many small networks at once: every pair of a loss and a seed, trained together.

What belongs here: training a grid of networks of one architecture side by side, and the results.
One network at a time is ``training``.

For a network with a few hundred weights, the arithmetic of a step takes microseconds, but
organising it takes a millisecond. So the weights of all networks are kept in one tensor,
``torch.func.vmap`` turns the network and the loss into operations on all of them, and the step is
recorded once, as a plain list of tensor operations, and then replayed.
"""

from __future__ import annotations

import copy
import inspect
import itertools
import math
import operator
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from . import runtime
from .training import (
    Evaluation,
    History,
    LossFunction,
    Predictions,
    _is_better,
    _mean,
    _mean_loss,
    _number,
    _whole,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Sweep", "train_many"]


class Rows(Protocol):
    """Inputs ``(N, ...)``, targets ``(N,)`` and weights ``(N,)`` of samples."""

    x: Tensor
    y: Tensor
    weight: Tensor


Samples = Rows | tuple[Tensor, Tensor] | tuple[Tensor, Tensor, Tensor]
Optimizer = Callable[..., torch.optim.Optimizer]
Metric = Callable[[Evaluation], float]


class Member(NamedTuple):
    """One network of the grid, by its loss, learning rate and seed."""

    loss: str
    lr: float
    seed: int


@dataclass(frozen=True, eq=False)
class Sweep:
    """Trained networks, in the order of ``members``.

    Attributes:
        members: one row per network: ``loss``, ``lr``, ``seed`` and ``best_epoch``, the epoch whose
            weights it has (the last one, unless ``keep_best`` was given).
        frame: one row per value, after training: ``loss``, ``lr``, ``seed``, ``part``, ``metric``,
            ``value``. The metrics are ``loss`` and those given as ``metrics``, on each part.
        history: one row per network and epoch: ``train_loss``, measured while the weights change,
            and with ``keep_best`` the loss on that part after the epoch.
        logits: for each part a tensor ``(members, N)`` or ``(members, N, C)``, on the CPU.
    """

    members: pd.DataFrame
    frame: pd.DataFrame
    history: pd.DataFrame
    logits: dict[str, Tensor]
    _network: nn.Module
    _states: list[dict[str, Tensor]]

    def prob(self, part: str) -> Tensor:
        """Probabilities on a part, float64: ``(members, N)`` by sigmoid, ``(members, N, C)`` by
        softmax."""
        return torch.stack([Predictions(logits).prob for logits in self.logits[part]])

    def logits_on(self, x: Tensor) -> Tensor:
        """The logits of all networks on further samples ``x``, in the order of ``members``."""
        networks = [self.model(member.loss, member.seed, member.lr)
                    for member in self.members.itertuples()]
        with torch.no_grad():
            return torch.stack([network(x) for network in networks])

    def model(self, loss: str, seed: int, lr: float | None = None) -> nn.Module:
        """The network of that loss, seed and learning rate, in evaluation mode on the CPU.

        Raises:
            KeyError: there is no such network, or there are several because ``lr`` is missing.
        """
        found = [number for number, member in enumerate(self.members.itertuples())
                 if (member.loss, member.seed) == (loss, seed) and lr in (None, member.lr)]
        if len(found) != 1:
            raise KeyError(f"{len(found)} networks have loss {loss!r}, seed {seed} and lr {lr}; "
                           "name exactly one of those in .members")
        network = copy.deepcopy(self._network)
        state = self._states[found[0]]
        network.load_state_dict(state, strict=False)  # tied weights are stored only once
        for name, buffer in network.named_buffers():  # including those that are not persistent
            buffer.copy_(state[name])
        return network.eval()


def train_many(
    make_model: Callable[[], nn.Module],
    losses: Mapping[str, LossFunction],
    train: Samples | Mapping[int, Samples],
    *,
    parts: Mapping[str, Samples] | None = None,
    seeds: Iterable[int],
    epochs: int,
    batch_size: int = 128,
    lr: float | Sequence[float] = 1e-3,
    optimizer: Optimizer = torch.optim.Adam,
    metrics: Mapping[str, Metric] | None = None,
    keep_best: str | None = None,
    members_at_once: int | None = None,
    n_jobs: int | None = None,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> Sweep:
    """Train one small network for every loss, learning rate and seed, many at once.

    Each network is the same, up to rounding, as if it had been trained alone: with
    ``torch.manual_seed(seed)`` before ``make_model()``, ``TensorLoader(..., shuffle=True,
    generator=torch.Generator().manual_seed(seed))``, its own optimiser, and
    :func:`course_utils.training.fit`. A network that diverges does not affect the others. A warning
    names it, and as with ``fit`` it ends with the weights of its last epoch without inf and nan.
    Ctrl-C or the stop button returns the networks that are finished, if any, with a warning. An
    exception, such as that of a metric, carries them as its attribute ``sweep``.

    Args:
        make_model: returns a new network with logits ``(N,)`` or ``(N, C)``. All its layers must
            work under ``torch.func.vmap``, so dropout is not possible. From seed to seed only its
            parameters and registered buffers may differ.
        losses: name to a function of ``(logits, target)`` that returns the mean over the batch or
            one value per sample, and consists only of tensor operations, the same ones each time.
        train: ``(x, y)``, ``(x, y, weight)``, or an object with these three as attributes; weights
            ``>= 0``, as in ``fit``. Or a dict from each seed to such samples, as many for every
            seed: all losses of a seed are then trained on its samples.
        parts: name to the samples on which the networks are evaluated, each as ``(x, y)``,
            ``(x, y, weight)`` or an object with these attributes.
        seeds: each seed decides an initialisation and an order of the batches, which all losses
            share.
        epochs: passes over ``train``, ``>= 1``.
        batch_size: samples per step, ``>= 1``.
        lr: one learning rate, or several, each of which is tried.
        optimizer: called as ``optimizer(parameters, lr=lr)``. It must update every weight
            independently of the others, as SGD, Adam, AdamW or RMSprop do; LBFGS and Adafactor do
            not, and are refused. Faster on the CPU: ``functools.partial(torch.optim.Adam,
            fused=True)``.
        metrics: further values for ``frame``, each a function of the Evaluation of one network on
            one part, as in ``fit``.
        keep_best: the name of a part. Each network gets the weights of the epoch with the lowest
            loss there, at the cost of a forward pass over that part after every epoch.
        members_at_once: how many networks share a step. Fewer need less memory and more time; the
            result is the same. ``None`` chooses by the size of network and batch.
        n_jobs: how many processes share the work, as joblib counts them; ``None`` is 1, or the
            value of a surrounding ``joblib.parallel_config``. ``joblib.parallel_config("dask")``
            sends the work to a cluster. Each job trains ``members_at_once`` networks, so make that
            small enough to give every process a job.
        device: where to compute.
        progress: whether to show a progress bar.

    Raises:
        ValueError: a choice is empty or repeated, a number is out of range, ``keep_best`` is
            unknown, tensors do not fit together, a network, loss or optimizer cannot be run side by
            side, or a loss does not give the same value for the same batch.

    Source: the PyTorch tutorial "Model ensembling" (torch.func).

    >>> x = torch.randn(64, 3, generator=torch.Generator().manual_seed(0))
    >>> sweep = train_many(
    ...     lambda: nn.Sequential(nn.Linear(3, 1), nn.Flatten(0)),
    ...     {"BCE": nn.functional.binary_cross_entropy_with_logits}, (x, (x[:, 0] > 0).float()),
    ...     seeds=range(3), epochs=2, batch_size=16, progress=False)
    >>> sweep.members[["loss", "seed"]].values.tolist()
    [['BCE', 0], ['BCE', 1], ['BCE', 2]]
    """
    if isinstance(make_model, nn.Module) or not callable(make_model):
        raise ValueError(f"make_model is a {type(make_model).__name__}; give a function that makes "
                         "a new network each time, such as lambda: nn.Linear(4, 2)")
    if isinstance(optimizer, torch.optim.Optimizer) or not callable(optimizer):
        raise ValueError(f"optimizer is a {type(optimizer).__name__}; give the class, such as "
                         "torch.optim.Adam, since every network needs an optimizer of its own")
    for name, value in (("losses", losses), ("parts", parts or {}), ("metrics", metrics or {})):
        if not isinstance(value, Mapping):
            raise ValueError(f"{name} is a {type(value).__name__}; give a dict, from names to "
                             f"{'samples' if name == 'parts' else 'functions'}")
    seeds, rates = _seeds(seeds), _rates(lr)
    epochs, batch_size = _whole("epochs", epochs), _whole("batch_size", batch_size)
    for name, values in (("losses", list(losses)), ("seeds", seeds), ("lr", rates)):
        if not values or len(set(values)) < len(values):
            raise ValueError(f"{name} is {values}; give at least one, and none of them twice")
    if members_at_once is not None:
        members_at_once = _whole("members_at_once", members_at_once, ", or None")
    parts = {name: _tensors(name, part) for name, part in (parts or {}).items()}
    if keep_best is not None and keep_best not in parts:
        raise ValueError(f"keep_best is {keep_best!r}; the parts are {', '.join(parts) or 'none'}")
    if keep_best == "train":
        raise ValueError("keep_best is 'train', but train_loss is the loss while the weights "
                         "change; give the part another name")
    if metrics and (not parts or "loss" in metrics):
        raise ValueError(f"metrics has {', '.join(metrics)}; metrics need parts to be computed on, "
                         "and none of them may be named loss")
    networks = _initialised(make_model, seeds)
    rows, first_row, samples = _training_rows(train, seeds)
    job = _Job(dict(losses), rows, first_row, samples, parts, epochs, batch_size, optimizer,
               dict(metrics or {}), keep_best, torch.device(device))
    job.check(networks[seeds[0]])
    _check_optimizer(optimizer, networks[seeds[0]], rates[0])
    job.check_alike(list(networks.values()))
    members = [Member(*member) for member in itertools.product(losses, rates, seeds)]
    at_once = members_at_once or job.members_that_fit(networks[seeds[0]])
    # Networks with the same seed share their batches, so they are trained together.
    by_seed = sorted(members, key=lambda member: seeds.index(member.seed))
    chunks = [sorted(by_seed[start:start + at_once], key=members.index)
              for start in range(0, len(members), at_once)]
    done: dict[Member, _Trained] = {}
    try:
        with runtime.Progress("training", total=len(chunks) * job.batches, unit="batches",
                              show=progress) as bar:
            for trained in _run(job, chunks, networks, n_jobs, bar):
                done |= trained
    except KeyboardInterrupt:
        if not done:
            raise
        warnings.warn(f"interrupted: {len(done)} of {len(members)} networks are finished",
                      RuntimeWarning, stacklevel=2)
    except Exception as error:
        if done:
            error.sweep = _collected(_in_order(done, members), networks[seeds[0]], list(parts))
            error.add_note(f"{len(done)} of {len(members)} networks are finished: the exception "
                           "has them as its attribute sweep (in a notebook: sys.last_value.sweep)")
        raise
    diverged = [str(tuple(member)) for member, trained in done.items()
                if trained.history.ended != "finished"]
    if diverged:
        warnings.warn(f"the loss or a weight became inf or nan, so try a lower learning rate, for "
                      f"(loss, lr, seed) = {', '.join(diverged)}", RuntimeWarning, stacklevel=2)
    return _collected(_in_order(done, members), networks[seeds[0]], list(parts))


def _in_order(done: dict[Member, _Trained], members: list[Member]) -> dict[Member, _Trained]:
    return {member: done[member] for member in members if member in done}


def _seeds(seeds: Iterable[int]) -> list[int]:
    try:
        return [operator.index(seed) for seed in seeds]
    except TypeError:
        raise ValueError(f"seeds is {seeds!r}; give several whole numbers, such as range(3) or "
                         "[0, 1, 2]") from None


def _rates(lr: float | Sequence[float]) -> list[float]:
    """One learning rate or several, of Python, NumPy or torch, as Python's numbers."""
    try:
        return np.asarray(lr, dtype=float).reshape(-1).tolist()
    except (TypeError, ValueError):
        raise ValueError(f"lr is {lr!r}; give one number, or several") from None


def _check_optimizer(make: Optimizer, network: nn.Module, lr: float) -> None:
    """Refuse an optimiser that would not train stacked networks as it trains each alone.

    Three steps with the same gradients, once for one network and once for it beside another, whose
    gradients are longer. In float64, so that nothing but a real difference can show.
    """
    alone = [p.detach().double().cpu().clone() for p in network.parameters()]
    stacked = torch.cat([p.reshape(-1) for p in alone]).repeat(2, 1)
    start, rng = stacked[0].clone(), torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        try:
            for parameters in (alone, [stacked]):
                optimizer = make([{"params": parameters, "lr": lr}], lr=lr)
                for step in range(3):
                    rng.manual_seed(step)
                    gradient = torch.randn(len(start), generator=rng, dtype=torch.float64)
                    if parameters is alone:
                        pieces = gradient.split([p.numel() for p in alone])
                        for p, piece in zip(alone, pieces, strict=True):
                            p.grad = piece.view_as(p)
                    else:
                        stacked.grad = torch.stack([gradient, 10 * gradient])
                    optimizer.step()
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError("the optimizer cannot train networks side by side; use SGD or Adam, "
                             f"for instance, or train with fit. It says: {error}") from error
    moved = torch.cat([p.reshape(-1) for p in alone]) - start
    if not torch.allclose(stacked[0] - start, moved, rtol=1e-6, equal_nan=True,
                          atol=1e-9 * float(moved.abs().max())):
        raise ValueError("the optimizer looks across the weights of a network (as Adafactor does), "
                         "and would see several networks at once; use one that treats each weight "
                         "by itself, such as SGD or Adam, or train with fit")


def _initialised(make_model: Callable[[], nn.Module], seeds: list[int]) -> dict[int, nn.Module]:
    """One network per seed; the global random state is left unchanged."""
    networks = {}
    with torch.random.fork_rng(devices=[]):
        for seed in seeds:
            torch.manual_seed(seed)
            networks[seed] = make_model()
    return networks


def _tensors(name: str, samples: Samples) -> tuple[Tensor, ...]:
    if isinstance(samples, list):
        samples = tuple(samples)
    if not isinstance(samples, tuple):
        samples = tuple(getattr(samples, field, None) for field in ("x", "y", "weight"))
    if not all(isinstance(t, Tensor) for t in samples):
        raise ValueError(f"{name} holds {', '.join(type(t).__name__ for t in samples)}; give a "
                         "tuple of tensors: inputs, targets and perhaps weights")
    lengths = [len(t) if t.dim() else 0 for t in samples]
    if len(lengths) not in (2, 3) or len(set(lengths)) > 1 or not lengths[0]:
        raise ValueError(f"{name} holds tensors of {lengths} samples; give inputs, targets and "
                         "perhaps weights, the same number of each and at least one")
    if len(samples) == 3 and not bool((samples[2] >= 0).all()):
        raise ValueError(f"{name} holds a weight of {float(samples[2].min())}; weights must be "
                         "numbers >= 0")
    return samples


def _training_rows(train: Samples | Mapping[int, Samples], seeds: list[int]
                   ) -> tuple[tuple[Tensor, ...], dict[int, int], int]:
    """All rows to train on, where those of each seed begin, and how many a seed has."""
    if not isinstance(train, Mapping):
        rows = _tensors("train", train)
        return rows, dict.fromkeys(seeds, 0), len(rows[0])
    if missing := [seed for seed in seeds if seed not in train]:
        raise ValueError(f"train holds no samples for seed {missing[0]}; it holds some for "
                         f"{', '.join(map(str, train)) or 'none'}")
    sets = [_tensors(f"train[{seed}]", train[seed]) for seed in seeds]
    for seed, own in zip(seeds, sets, strict=True):
        shapes, first = ([tuple(t.shape) for t in tensors] for tensors in (own, sets[0]))
        if shapes != first:
            raise ValueError(f"train[{seed}] has shapes {shapes} and train[{seeds[0]}] {first}; "
                             "give every seed as many samples, of the same kind")
    samples = len(sets[0][0])
    first_row = {seed: samples * number for number, seed in enumerate(seeds)}
    return tuple(map(torch.cat, zip(*sets, strict=True))), first_row, samples


def _run(job: _Job, chunks: list[list[Member]], networks: dict[int, nn.Module],
         n_jobs: int | None, bar: runtime.Progress) -> Iterator[dict[Member, _Trained]]:
    import joblib

    if joblib.effective_n_jobs(n_jobs) == 1:  # in this process, where the bar can follow
        for chunk in chunks:
            yield job.train_chunk(chunk, [networks[m.seed] for m in chunk], tick=bar.update)
        return
    work = joblib.delayed(job.train_chunk)
    for trained in joblib.Parallel(n_jobs=n_jobs, return_as="generator")(
            work(chunk, [networks[m.seed] for m in chunk]) for chunk in chunks):
        bar.update(job.batches)
        yield trained


def _collected(done: dict[Member, _Trained], network: nn.Module, parts: list[str]) -> Sweep:
    import pandas as pd

    keys = list(Member._fields)
    return Sweep(
        pd.DataFrame([(*member, trained.history.best_epoch) for member, trained in done.items()],
                     columns=[*keys, "best_epoch"]),
        pd.DataFrame([(*member, *value) for member, trained in done.items()
                      for value in trained.values], columns=[*keys, "part", "metric", "value"]),
        pd.DataFrame([member._asdict() | row for member, trained in done.items()
                      for row in trained.history.rows]),
        {part: torch.stack([trained.logits[part] for trained in done.values()]) for part in parts},
        network, [trained.state for trained in done.values()])


# ------------------------------------------------------------------------------------- one chunk


class _Trained(NamedTuple):
    """One network after its training."""

    state: dict[str, Tensor]
    history: History
    values: list[tuple[str, str, float]]  # part, metric, value
    logits: dict[str, Tensor]


class _Stack:
    """Networks of one architecture, each of them one row.

    Attributes:
        weights: ``(members, P)``, all parameters.
        buffers: by name, ``(members, ...)``.
    """

    def __init__(self, networks: Sequence[nn.Module], device: torch.device) -> None:
        self.network = copy.deepcopy(networks[0]).to(device).train()
        self.shapes = {name: p.shape for name, p in self.network.named_parameters()}
        self.weights = torch.stack([nn.utils.parameters_to_vector(network.parameters()).detach()
                                    for network in networks]).to(device)
        self.buffers = {name: torch.stack([network.get_buffer(name) for network in networks]
                                          ).to(device)
                        for name, _ in self.network.named_buffers()}
        self.places = _places(self.network)

    def named(self, weights: Tensor) -> dict[str, Tensor]:
        """The parameters of one network, from their vector ``(P,)``."""
        pieces = weights.split([shape.numel() for shape in self.shapes.values()])
        return {name: piece.view(shape)
                for (name, shape), piece in zip(self.shapes.items(), pieces, strict=True)}

    def forward(self, weights: Tensor, buffers: dict[str, Tensor], x: Tensor) -> Tensor:
        """The logits of one network."""
        tensors = self.named(weights) | buffers
        return functional_call(self.network, {place: tensors[name] for place, name
                                              in self.places.items()}, (x,), tie_weights=False)

    def predict(self, x: Tensor) -> Tensor:
        """The logits of all networks for the same inputs, some rows at a time."""
        self.network.eval()
        forward = vmap(self.forward, in_dims=(0, 0, None))
        kept = _kept_bytes(self.network, x[:128]) / len(x[:128])  # per network and row
        rows = max(1, int(2**26 // ((1 + kept) * len(self.weights))))
        with torch.no_grad():
            logits = [forward(self.weights, self.buffers, some) for some in x.split(rows)]
        self.network.train()
        return torch.cat(logits, dim=1)

    def copy(self) -> _Stack:
        other = copy.copy(self)
        other.weights = self.weights.clone()
        other.buffers = {name: buffer.clone() for name, buffer in self.buffers.items()}
        return other

    def replace(self, members: list[int], other: _Stack) -> None:
        """Copy some networks from another stack."""
        self.weights[members] = other.weights[members]
        for name, buffer in self.buffers.items():
            buffer[members] = other.buffers[name][members]

    def state(self, member: int) -> dict[str, Tensor]:
        """A copy of what ``load_state_dict`` takes."""
        state = self.named(self.weights[member]) | {
            name: buffer[member] for name, buffer in self.buffers.items()}
        return {name: tensor.cpu().clone() for name, tensor in state.items()}


@dataclass(frozen=True)
class _Job:
    """What all chunks have in common; it is sent to other processes."""

    losses: dict[str, LossFunction]
    train: tuple[Tensor, ...]
    first_row: dict[int, int]  # of the rows of ``train`` that belong to a seed
    samples: int  # and how many there are
    parts: dict[str, tuple[Tensor, ...]]
    epochs: int
    batch_size: int
    optimizer: Optimizer
    metrics: dict[str, Metric]
    keep_best: str | None
    device: torch.device

    @property
    def batches(self) -> int:
        """How many batches a chunk is trained on."""
        return self.epochs * math.ceil(self.samples / self.batch_size)

    def check(self, network: nn.Module) -> None:
        """Refuse what cannot be trained, before the training starts, and name it."""
        stack = _Stack([network], self.device)
        before = stack.copy()
        for name, (x, *_) in [("train", self.train), *self.parts.items()]:
            try:
                copy.deepcopy(stack.network)(x[:self.batch_size].to(self.device))
            except RuntimeError as error:
                raise ValueError(f"the network cannot take the inputs of {name}, {tuple(x.shape)} "
                                 f"of {x.dtype}. torch says: {error}") from error
        forward = vmap(stack.forward, in_dims=(0, 0, None))
        first = [[t[:self.batch_size].to(self.device) for t in part]
                 for part in (self.train, *self.parts.values())]
        try:
            logits = [forward(stack.weights, stack.buffers, x) for x, *_ in first]
        except RuntimeError as error:
            raise ValueError("the network cannot be trained beside others (dropout cannot, for "
                             f"instance); train it with fit. torch says: {error}") from error
        for name, buffer in stack.buffers.items():
            if not torch.equal(buffer, before.buffers[name]):
                raise ValueError(f"the network changes its buffer {name!r} when it is used, as "
                                 "batch norm does; use layer norm, or train it with fit")
        frozen = [name for name, p in network.named_parameters() if not p.requires_grad]
        if frozen:
            raise ValueError(f"the network has frozen weights, {', '.join(frozen)}, which "
                             "train_many would train too; train it with fit")
        for (name, loss_fn), (of_one, (_, *rest)) in itertools.product(
                self.losses.items(), zip(logits, first, strict=True)):
            once, again = (_loss_and_size(loss_fn, of_one[0], *rest)[0] for _ in range(2))
            if not torch.equal(once.nan_to_num(), again.nan_to_num()):
                raise ValueError(f"loss {name!r} gives {once:.6g} and then {again:.6g} for the "
                                 "same batch; train_many records it only once, so use fit")
            try:
                vmap(partial(_loss_and_size, loss_fn))(of_one, *(t[None] for t in rest))
            except RuntimeError as error:
                raise ValueError(f"loss {name!r} cannot be computed for many networks at once; it "
                                 f"must consist of tensor operations. torch says: {error}"
                                 ) from error

    def check_alike(self, networks: list[nn.Module]) -> None:
        """Refuse networks that differ in more than what a stack keeps: parameters and buffers."""
        if len({id(network) for network in networks}) < len(networks):
            raise ValueError("make_model gives the same network twice; it must make a new one each "
                             "time")
        x = self.train[0][:2].to(self.device)
        try:
            with torch.no_grad():
                alone = torch.stack([copy.deepcopy(network).to(self.device).eval()(x)
                                     for network in networks])
            stacked = _Stack(networks, self.device).predict(x)
            alike = torch.allclose(alone, stacked, rtol=1e-3, atol=1e-5, equal_nan=True)
        except RuntimeError:  # of different shapes
            alike = False
        if not alike:
            raise ValueError("the networks of two seeds differ in more than parameters and "
                             "registered buffers; make_model must give one architecture, and "
                             "nothing else in it may be random")

    def members_that_fit(self, network: nn.Module, memory: float = 2**28) -> int:
        """How many networks can share a step in about ``memory`` bytes."""
        stack = _Stack([network], self.device)
        kept = _kept_bytes(stack.network, self.train[0][:self.batch_size].to(self.device))
        # Forward and backward; weights, gradient, optimiser, best weights; the order of the rows.
        each = 3 * kept + 6 * stack.weights.nbytes + 8 * self.samples
        return max(1, int(memory // each))

    def train_chunk(self, members: list[Member], networks: list[nn.Module],
                    tick: Callable[[int], None] = lambda n: None) -> dict[Member, _Trained]:
        """Train these networks side by side, and evaluate them."""
        stack = _Stack(networks, self.device)
        train = [t.to(self.device) for t in self.train]
        seeds = list(dict.fromkeys(member.seed for member in members))
        seed_of = torch.tensor([seeds.index(m.seed) for m in members], device=self.device)
        shuffles = [torch.Generator().manual_seed(seed) for seed in seeds]
        first_row = torch.tensor([[self.first_row[seed]] for seed in seeds])
        # Neighbours with the same learning rate form one parameter of the optimiser, a view.
        rates, lengths = _runs(member.lr for member in members)
        leaves = stack.weights.split(lengths)
        optimizer = self.optimizer([{"params": [leaf], "lr": rate} for leaf, rate
                                    in zip(leaves, rates, strict=True)], lr=rates[0])
        step = self._step(stack, members)
        monitor, mode = (f"{self.keep_best}_loss", "min") if self.keep_best else ("epoch", "max")
        histories, best = [History(monitor) for _ in members], stack.copy()

        for epoch in range(1, self.epochs + 1):
            order = torch.stack([torch.randperm(self.samples, generator=shuffle)
                                 for shuffle in shuffles])
            order = (order + first_row).to(self.device)
            losses = []
            for rows in order.split(self.batch_size, dim=1):
                batch = [t.index_select(0, rows.reshape(-1)).unflatten(0, rows.shape)
                         for t in train]
                if len(seeds) < len(members):  # several networks share the batch of a seed
                    batch = [t.index_select(0, seed_of) for t in batch]
                gradient, loss_and_size = step(stack.weights, stack.buffers, *batch)
                for leaf, own in zip(leaves, gradient.split(lengths), strict=True):
                    leaf.grad = own
                optimizer.step()
                losses.append(loss_and_size)
                tick(1)
            loss, size = (torch.stack(column, dim=1).cpu().double()
                          for column in zip(*losses, strict=True))
            results = self._evaluate(stack, members, self.keep_best) if self.keep_best else None
            finite, better = stack.weights.isfinite().all(dim=1).tolist(), []
            for i, history in enumerate(histories):
                row = {"epoch": epoch, "train_loss": float(_mean(loss[i], size[i]))}
                if not (history.ended == "finished" and math.isfinite(row["train_loss"])
                        and finite[i]):
                    history.ended = "diverged"  # as fit does, which stops here
                    continue
                if results:
                    row[monitor] = results[i].loss
                old = next((r for r in history.rows if r["epoch"] == history.best_epoch), None)
                history.rows.append(row)
                if old is None or _is_better(row[monitor], old[monitor], mode):
                    history.best_epoch = epoch
                    better.append(i)
            best.replace(better, stack)

        stack.replace([i for i, history in enumerate(histories) if history.best_epoch], best)
        final = {part: self._evaluate(stack, members, part) for part in self.parts}
        return {member: _Trained(
            stack.state(i), histories[i],
            [(part, name, value) for part in final for name, value in self._values(final[part][i])],
            {part: final[part][i].logits for part in final}) for i, member in enumerate(members)}

    def _step(self, stack: _Stack, members: list[Member]) -> Callable[..., Any]:
        """A function that returns the gradients of all networks, and their losses and sizes."""
        losses, lengths = _runs(member.loss for member in members)

        def total(weights: Tensor, buffers: dict[str, Tensor], x: Tensor, *rest: Tensor
                  ) -> tuple[Tensor, list[Tensor]]:
            logits = vmap(stack.forward)(weights, buffers, x)
            of_losses = zip(*(t.split(lengths) for t in (logits, *rest)), strict=True)
            pairs = [vmap(partial(_loss_and_size, self.losses[name]))(*tensors)
                     for name, tensors in zip(losses, of_losses, strict=True)]
            loss, size = (torch.cat(column) for column in zip(*pairs, strict=True))
            return loss.sum(), [loss, size]  # no network's loss depends on another's weights

        recorded: dict[int, Callable[..., Any]] = {}

        def step(weights: Tensor, buffers: dict[str, Tensor], *batch: Tensor
                 ) -> tuple[Tensor, list[Tensor]]:
            size = batch[0].shape[1]  # the last batch of an epoch may be smaller
            if size not in recorded:
                recorded[size] = _record(grad(total, has_aux=True), weights, buffers, *batch)
            return recorded[size](weights, buffers, *batch)

        return step

    def _evaluate(self, stack: _Stack, members: list[Member], part: str) -> list[Evaluation]:
        x, target, *weight = (t.to(self.device) for t in self.parts[part])
        weight = weight[0] if weight else None
        results = []
        for member, logits in zip(members, stack.predict(x), strict=True):
            loss, _ = _mean_loss(self.losses[member.loss], logits, target, weight)
            results.append(Evaluation(logits.cpu(), target.cpu(),
                                      None if weight is None else weight.cpu(), float(loss)))
        return results

    def _values(self, result: Evaluation) -> Iterator[tuple[str, float]]:
        yield "loss", result.loss
        finite = bool(result.logits.isfinite().all())
        for name, metric in self.metrics.items():
            yield name, _number(name, metric(result)) if finite else math.nan


def _places(network: nn.Module) -> dict[str, str]:
    """Every attribute that is a parameter or buffer, by a name of it, and the tensor's first name.

    They differ where several modules share a tensor. A module that occurs twice is named once:
    left to find such names by itself, ``functional_call`` exchanges its tensors twice and puts back
    those of the first exchange, which then are no longer valid.
    """
    first = {id(tensor): name for name, tensor in itertools.chain(
        network.named_parameters(), network.named_buffers())}
    own = {"recurse": False, "remove_duplicate": False}
    return {name: first[id(tensor)] for prefix, module in network.named_modules()
            for name, tensor in itertools.chain(module.named_parameters(prefix, **own),
                                                module.named_buffers(prefix, **own))}


def _kept_bytes(network: nn.Module, x: Tensor) -> int:
    """The bytes that a network keeps of these rows for its backward pass."""
    kept = 0

    def count(tensor: Tensor) -> Tensor:
        nonlocal kept
        kept += tensor.nbytes
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        network(x)
    return kept


def _loss_and_size(loss_fn: LossFunction, logits: Tensor, target: Tensor,
                   weight: Tensor | None = None) -> tuple[Tensor, Tensor]:
    loss, size = _mean_loss(loss_fn, logits, target, weight)
    return loss, torch.as_tensor(size, dtype=loss.dtype, device=loss.device)


def _runs(values: Iterable[Any]) -> tuple[list[Any], list[int]]:
    """Equal neighbours joined: the values, and how often each of them is repeated.

    >>> _runs("aab")
    (['a', 'b'], [2, 1])
    """
    runs = [(value, len(list(same))) for value, same in itertools.groupby(values)]
    return [value for value, _ in runs], [length for _, length in runs]


# ------------------------------------------------------------------------------------- recording

_aten = torch.ops.aten
_VIEWS = {_aten.view.default, _aten._unsafe_view.default, _aten.expand.default,
          _aten.slice.Tensor, _aten.detach.default}
# Operations that can write over an operand: the function that does, and the argument that says so.
_OVER = {torch.add: (torch.add, "out"), torch.relu: (torch.relu_, None),
         _aten.threshold_backward.default: (_aten.threshold_backward.grad_input, "grad_input")}
_NEW = {torch.bmm, *_OVER}  # the result is a tensor of its own, not a view


def _record(function: Callable[..., Any], *args: Any) -> Callable[..., Any]:
    """``function`` as a list of tensor operations, for arguments of the same shapes.

    This is what torch's ``make_fx`` does, several times as fast: it writes no notes for a compiler,
    and it leaves out views that change nothing, of which ``vmap`` makes many. The list is then made
    faster in ways that do not change its results.
    """
    with _Recorder() as recorder:
        for place, tensor in enumerate(tree_leaves(args)):
            recorder.note(tensor, recorder.graph.placeholder(f"input{place}"))
        result = function(*args)
    recorder.graph.output(tree_map_only(Tensor, recorder.node, result))
    recorder.graph.eliminate_dead_code()
    _reuse_memory(recorder.graph)
    replay = torch.no_grad()(torch.fx.GraphModule(recorder.constants, recorder.graph).forward)
    return lambda *args: replay(*tree_leaves(args))


def _reuse_memory(graph: torch.fx.Graph) -> None:
    """Let operations write their result over an operand that nothing else reads."""
    for node in graph.nodes:
        if node.target not in _OVER:
            continue
        free = [operand for operand in node.all_input_nodes
                if operand.target in _NEW and len(operand.users) == 1
                and operand.meta.get("form") == node.meta["form"]]
        if free:
            node.target, argument = _OVER[node.target]
            node.kwargs = node.kwargs | ({argument: free[0]} if argument else {})


class _Recorder(TorchDispatchMode):
    """Carries out tensor operations, those below autograd and vmap, and notes each of them."""

    def __init__(self) -> None:
        super().__init__()
        self.graph, self.constants = torch.fx.Graph(), nn.Module()
        self.nodes: dict[int, torch.fx.Node] = {}
        self.alive: list[Tensor] = []  # otherwise a later tensor could reuse the id of an earlier

    def note(self, tensor: Tensor, node: torch.fx.Node) -> None:
        self.alive.append(tensor)
        self.nodes[id(tensor)] = node

    def node(self, tensor: Tensor) -> torch.fx.Node:
        """The node that computes the tensor; if there is none, it is a constant of the loss."""
        if id(tensor) not in self.nodes:
            name = f"constant{len(self.alive)}"
            self.constants.register_buffer(name, tensor)
            self.note(tensor, self.graph.get_attr(name))
        return self.nodes[id(tensor)]

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None
                           ) -> Any:
        if operation is _aten.lift_fresh.default:  # of torch.tensor(...): new for each replay
            operation = _aten.clone.default
        function = _quick(operation)
        try:
            result = function(*args, **(kwargs or {}))
        except TypeError:  # it takes other arguments
            function = operation
            result = function(*args, **(kwargs or {}))
        if not isinstance(result, (Tensor, list, tuple)):
            return result  # a check of a constant: under vmap no loss can read the batch
        if operation in _VIEWS and _lie_alike(result, args[0]):
            self.note(result, self.node(args[0]))
            return result
        node = self.graph.call_function(
            function, *tree_map_only(Tensor, self.node, (tuple(args), kwargs or {})))
        if isinstance(result, Tensor):
            node.meta["form"] = result.shape, result.stride(), result.dtype
            self.note(result, node)
        else:  # split returns several tensors
            for place, tensor in enumerate(result):
                self.note(tensor, self.graph.call_function(operator.getitem, (node, place)))
        return result


def _quick(operation: Any) -> Callable[..., Any]:
    """The function of torch or Tensor that does the same; its calls take half as long to start."""
    if operation._schema.is_mutable:  # the graph must see that it has an effect
        return operation
    name = operation.overloadpacket.__name__
    for function in (getattr(torch, name, None), getattr(Tensor, name, None)):
        if inspect.isbuiltin(function) or inspect.ismethoddescriptor(function):
            return function
    return operation


def _lie_alike(a: Tensor, b: Tensor) -> bool:
    return (a.shape, a.stride(), a.storage_offset()) == (b.shape, b.stride(), b.storage_offset())
