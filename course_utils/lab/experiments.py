"""The experiments: which losses are trained on which bench, with which rates, and what is scored.

What belongs here: the settings of every experiment as data, and the two functions that carry one
out for some seeds. Where the seeds come from, and where the scores go, is ``running``.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..losses import focal_loss, soft_f1_loss
from ..sweeps import train_many
from ..training import LossFunction
from . import benches
from .scores import METRICS, RULES

__all__ = ["EXPERIMENTS", "Experiment", "losses_for", "score"]


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """The settings of one experiment.

    Attributes:
        bench: a name in ``benches.BENCHES``.
        sizes: the units of each layer; two numbers make a linear model.
        losses: names, as in :func:`losses_for`.
        rates: the learning rates that every loss tries.
        epochs, batch_size, optimizer: how each network is trained; ``"Adam"``, or ``"SGD"`` with a
            momentum of 0.9.
        metrics: names in ``scores.METRICS``; see :meth:`metrics_on`.
        rules: names in ``scores.RULES``.
        parts: the parts that are scored.
        sampling: ``"each once"``, or ``"balanced"``: an epoch has as many rows as before, but every
            class has the same share of them, so that rows of rare classes are repeated.
        keep_best: the weights of the epoch with the lowest validation loss are kept, instead of the
            last ones (*early stopping*).
        teachers: losses of teachers, one network of the bench's usual size for each. The networks
            then are students: they learn from the teachers' probabilities on the labelled and the
            unlabelled rows, and ``losses`` are names such as ``"cross entropy, T 4"``, a teacher
            and its temperature.
    """

    bench: str
    sizes: tuple[int, ...]
    losses: tuple[str, ...]
    rates: tuple[float, ...]
    metrics: tuple[str, ...]
    epochs: int = 40
    batch_size: int = 64
    optimizer: str = "Adam"
    rules: tuple[str, ...] = ("as trained",)
    parts: tuple[str, ...] = ("val", "test")
    sampling: str = "each once"
    keep_best: bool = False
    teachers: tuple[str, ...] = ()

    def metrics_on(self, part: str) -> tuple[str, ...]:
        """The metrics of a part: on ``train`` the accuracy and what belongs to gradients, and on
        the others everything but the latter."""
        return tuple(name for name in self.metrics
                     if (part == "train" and name == "accuracy")
                     or (part == "train") == name.startswith("hardest"))

    def networks(self) -> int:
        """How many networks are trained for each seed."""
        return len(self.losses) * len(self.rates)

    def steps(self) -> int:
        """Steps of all networks of a seed, as a rough measure of the time that they take."""
        rows = sum(benches.BENCHES[self.bench]().counts["train"])
        return self.networks() * self.epochs * -(-rows // self.batch_size)


def losses_for(bench: benches.Bench, names: Sequence[str]) -> dict[str, LossFunction]:
    """The losses by name; class weights belong to the training shares of the bench."""
    shares = bench.shares()
    weight = (1 / (len(shares) * shares)).float()

    def absolute(logits: Tensor, target: Tensor) -> Tensor:
        prob = torch.softmax(logits, dim=1)
        return 1 - prob.gather(1, target[:, None])[:, 0]

    def alpha_quarter(logits: Tensor, target: Tensor) -> Tensor:
        of_row = torch.where(target == 1, 0.25, 0.75)
        loss = focal_loss(logits, target, gamma=2.0, reduction="none")
        return (of_row * loss).sum() / of_row.sum()

    def posted(logits: Tensor, target: Tensor) -> Tensor:
        return 0.25 * focal_loss(logits, target, gamma=2.0)

    average = "binary" if len(shares) == 2 else "macro"
    known: dict[str, LossFunction] = {
        "cross entropy": F.cross_entropy,
        "weighted": partial(F.cross_entropy, weight=weight),
        "smoothing": partial(F.cross_entropy, label_smoothing=0.1),
        "focal 1": partial(focal_loss, gamma=1.0),
        "focal 2": partial(focal_loss, gamma=2.0),
        "focal 5": partial(focal_loss, gamma=5.0),
        "focal 2, alpha 0.25": alpha_quarter,
        "posted": posted,
        "soft F1": partial(soft_f1_loss, average=average),
        "absolute error": absolute,
    }
    return {name: known[name] for name in names}


class _OwnRows(nn.Module):
    """A network whose inputs are numbers of its own seed's rows."""

    def __init__(self, pool: Tensor, rows: dict[int, Tensor], sizes: Sequence[int],
                 answers: dict[int, Tensor] | None = None) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(sizes):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        self.network = nn.Sequential(*layers[:-1])
        self.pool = pool
        seed = torch.initial_seed()  # as train_many sets it
        self.register_buffer("rows", rows[seed])
        self.register_buffer("answers", None if answers is None else answers[seed])

    def forward(self, numbers: Tensor) -> Tensor:
        logits = self.network(F.embedding(self.rows[numbers], self.pool))  # faster than pool[...]
        if self.answers is None:
            return logits
        return torch.cat([logits, self.answers[numbers]], dim=-1)  # for the loss to see both


OPTIMIZERS = {"Adam": partial(torch.optim.Adam, fused=True),
              "SGD": partial(torch.optim.SGD, momentum=0.9)}


def _repeated(bench: benches.Bench) -> Tensor:
    """As many places in the training part as it has rows, the same number for each class."""
    numbers, target = bench.numbers("train"), bench.target("train")
    each = -(-len(numbers) // len(bench.counts["train"]))
    chosen = []
    for label in range(len(bench.counts["train"])):
        of_class = numbers[target == label]
        chosen.append(of_class.repeat(-(-each // len(of_class)))[:each])
    return torch.cat(chosen)[:len(numbers)]


def score(experiment: Experiment, seeds: Sequence[int]) -> pd.DataFrame:
    """Train all networks of an experiment for some seeds, and score them.

    Returns:
        One row for each loss, rule, learning rate, seed and part, with one column for each metric,
        and on ``val`` the ``loss value``, the mean of the training criterion.
    """
    bench = benches.BENCHES[experiment.bench]()
    pool, rows = bench.draw(seeds, bench.counts)
    parts = {part: (bench.numbers(part), bench.target(part))
             for part in dict.fromkeys(("val", *experiment.parts))}
    if experiment.teachers:
        answers, losses = _teachers(experiment, bench, pool, rows, seeds)
        train = torch.cat([bench.numbers(part) for part in ("train", "unlabelled")])
        samples = train, torch.zeros_like(train)  # a student does not see the labels
        network = partial(_OwnRows, pool, rows, experiment.sizes, answers)
    else:
        losses = losses_for(bench, experiment.losses)
        places = _repeated(bench) if experiment.sampling == "balanced" else bench.numbers("train")
        samples = places, bench.target("train")[places - bench.numbers("train")[0]]
        network = partial(_OwnRows, pool, rows, experiment.sizes)
    sweep = train_many(
        network, losses, samples, parts=parts, seeds=seeds,
        epochs=experiment.epochs, batch_size=experiment.batch_size, lr=experiment.rates,
        optimizer=OPTIMIZERS[experiment.optimizer],
        keep_best="val" if experiment.keep_best else None, progress=False)
    criterion = sweep.frame[sweep.frame["metric"] == "loss"].set_index(
        ["loss", "lr", "seed", "part"])["value"]
    keys = sweep.members[["loss", "lr", "seed"]]
    shares, tables = bench.shares(), []
    own = {part: logits[..., :len(shares)] for part, logits in sweep.logits.items()}
    for name in experiment.rules:
        rule = RULES[name](own["val"], parts["val"][1], shares)
        for part in experiment.parts:
            if part == "train" and name != "as trained":
                continue
            logits, target = rule(own[part]), parts[part][1]
            table = keys.assign(rule=name, part=part)
            for metric in experiment.metrics_on(part):
                table[metric] = METRICS[metric](logits, target, shares).numpy()
            if part == "val" and name == "as trained":
                table["loss value"] = criterion.reindex(
                    pd.MultiIndex.from_frame(keys.assign(part=part))).to_numpy()
            tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _teachers(experiment: Experiment, bench: benches.Bench, pool: Tensor, rows: dict[int, Tensor],
              seeds: Sequence[int]) -> tuple[dict[int, Tensor], dict[str, LossFunction]]:
    """The logits of every seed's own teachers for all its rows, and the losses of their students.

    Source of the loss: Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network",
    2015; the factor T squared keeps the size of the gradient.
    """
    all_rows = torch.arange(sum(map(sum, bench.counts.values())))
    sweep = train_many(
        partial(_OwnRows, pool, rows, _DIGITS), losses_for(bench, experiment.teachers),
        (bench.numbers("train"), bench.target("train")), seeds=seeds, epochs=60, batch_size=64,
        lr=0.01, optimizer=OPTIMIZERS["Adam"], progress=False,
        parts={"all": (all_rows, torch.zeros_like(all_rows))})
    by_seed = sweep.logits["all"].unflatten(0, (len(experiment.teachers), len(seeds)))
    answers = {seed: torch.cat([of_teacher[place] for of_teacher in by_seed], dim=-1)
               for place, seed in enumerate(seeds)}
    classes = len(bench.counts["train"])

    def taught(logits: Tensor, target: Tensor, *, place: int, temperature: float) -> Tensor:
        student, *teachers = (logits / temperature).split(classes, dim=-1)
        return temperature**2 * F.cross_entropy(student, teachers[place].softmax(dim=-1))

    losses: dict[str, LossFunction] = {}
    for name in experiment.losses:
        teacher, _, temperature = name.partition(", T ")
        losses[name] = partial(taught, place=experiment.teachers.index(teacher),
                               temperature=float(temperature))
    return answers, losses


_DIGITS = (64, 32, 10)
_LOW, _MIDDLE, _HIGH = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2), (1e-3, 3e-3, 1e-2, 3e-2, 1e-1), (
    3e-3, 1e-2, 3e-2, 1e-1, 3e-1)
_TAIL = ("macro F1", "natural F1", "rare recall", "rare F1", "natural accuracy")
_CALIBRATION = ("accuracy", "log loss", "ECE", "overconfidence")

EXPERIMENTS: dict[str, Experiment] = {
    "balanced": Experiment(
        bench="balanced", sizes=_DIGITS, rates=(3e-4, *_MIDDLE),
        losses=("cross entropy", "smoothing", "focal 2", "focal 5"),
        rules=("as trained", "temperature"), parts=("train", "val", "test"),
        metrics=(*_CALIBRATION, "worst recall", "hardest tenth, cross entropy",
                 "hardest tenth, focal 2")),
    "long tail": Experiment(
        bench="long tail", sizes=_DIGITS, rates=_HIGH, rules=("as trained", "shifted"),
        losses=("cross entropy", "weighted", "smoothing", "focal 1", "focal 2", "focal 5",
                "soft F1"), parts=("train", "val", "test"), metrics=(*_TAIL, "accuracy")),
    "long tail, balanced sampling": Experiment(
        bench="long tail", sizes=_DIGITS, rates=_HIGH, losses=("cross entropy",),
        sampling="balanced", metrics=_TAIL),
    "long tail, 15 epochs": Experiment(
        bench="long tail", sizes=_DIGITS, rates=_HIGH, rules=("as trained", "shifted"), epochs=15,
        losses=("cross entropy", "weighted", "focal 2"), metrics=_TAIL),
    "long tail, 80 epochs": Experiment(
        bench="long tail", sizes=_DIGITS, rates=_HIGH, epochs=80,
        losses=("cross entropy", "focal 2"), metrics=_TAIL),
    "long tail, batches of 16": Experiment(
        bench="long tail", sizes=_DIGITS, rates=_MIDDLE, epochs=12, batch_size=16,
        losses=("cross entropy", "focal 2"), metrics=_TAIL),
    "long tail, linear": Experiment(
        bench="long tail", sizes=(64, 10), rates=(1e-2, 3e-2, 1e-1, 3e-1, 1.0),
        losses=("cross entropy", "focal 2"), metrics=_TAIL),
    "grouped": Experiment(
        bench="grouped", sizes=(64, 32, 3), rates=_MIDDLE, rules=("as trained", "shifted"),
        losses=("cross entropy", "weighted", "smoothing", "focal 2", "soft F1"), metrics=_TAIL),
    "wrong labels": Experiment(
        bench="wrong labels", sizes=_DIGITS, rates=(1e-4, *_LOW),
        rules=("as trained", "temperature"),
        losses=("cross entropy", "smoothing", "focal 1", "focal 2", "focal 5", "soft F1",
                "absolute error"), parts=("train", "val", "test", "noisy test"),
        metrics=(*_CALIBRATION, "macro F1", "hardest tenth, cross entropy",
                 "hardest tenth, focal 2")),
    "wrong labels, 80 epochs": Experiment(
        bench="wrong labels", sizes=_DIGITS, rates=_LOW, epochs=80,
        rules=("as trained", "temperature"), parts=("train", "val", "test", "noisy test"),
        losses=("cross entropy", "smoothing", "focal 2"), metrics=_CALIBRATION),
    "wrong labels, 80 epochs, early stopping": Experiment(
        bench="wrong labels", sizes=_DIGITS, rates=_LOW, epochs=80, keep_best=True,
        losses=("cross entropy", "smoothing", "focal 2"), metrics=_CALIBRATION),
    "photos": Experiment(
        bench="photos", sizes=(1280, 2), rates=(1e-4, 3e-4, 1e-3, 3e-3, 1e-2), epochs=12,
        batch_size=32, rules=("as trained", "temperature"),
        losses=("cross entropy", "smoothing", "focal 2"), metrics=_CALIBRATION),
    "easy clouds": Experiment(
        bench="easy clouds", sizes=(2, 16, 2), rates=_HIGH, epochs=6, batch_size=128,
        rules=("as trained", "threshold for F1"),
        losses=("cross entropy", "focal 2", "focal 2, alpha 0.25"), metrics=("rare F1",)),
    "hard clouds": Experiment(
        bench="hard clouds", sizes=(2, 16, 2), rates=_HIGH, epochs=6, batch_size=128,
        rules=("as trained", "threshold for F1"),
        losses=("cross entropy", "focal 2", "focal 2, alpha 0.25"), metrics=("rare F1",)),
    "fraud twin": Experiment(
        bench="fraud twin", sizes=(29, 16, 8, 2), rates=_MIDDLE, epochs=6, batch_size=128,
        rules=("as trained", "threshold for F1", "threshold for cost", "threshold from costs"),
        losses=("cross entropy", "weighted", "focal 2", "soft F1"),
        metrics=("rare F1", "cost", "log loss")),
    "balanced, SGD": Experiment(
        bench="balanced", sizes=_DIGITS, epochs=20,
        rates=(0.01, 0.018, 0.032, 0.056, 0.1, 0.18, 0.32, 0.56, 1.0, 1.8, 3.2, 5.6, 10.0),
        losses=("cross entropy", "posted"), optimizer="SGD", metrics=("accuracy",)),
    "balanced, Adam": Experiment(
        bench="balanced", sizes=_DIGITS, rates=(1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1), epochs=20,
        losses=("cross entropy", "posted"), metrics=("accuracy",)),
    "few labels, alone": Experiment(
        bench="few labels", sizes=(64, 16, 10), rates=_MIDDLE, epochs=75,
        losses=("cross entropy",), metrics=("accuracy",)),
    "few labels, taught": Experiment(
        bench="few labels", sizes=(64, 16, 10), rates=_MIDDLE, epochs=10,
        teachers=("cross entropy", "smoothing"),
        losses=("cross entropy, T 1", "cross entropy, T 4", "smoothing, T 1", "smoothing, T 4"),
        metrics=("accuracy",)),
}
