"""Exercises of notebook 05."""

import copy
import itertools
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader, TensorDataset

from . import Choice, Exercise, Function, Number
from ._running import attempt, call, in_words, is_stub, named

NOTHING = "your function returned nothing; is there a return?"


@dataclass(frozen=True, kw_only=True)
class Watched(Exercise):
    """Write a function that acts on a model; it is watched at work.

    Attributes:
        watch: lets a function work, and gives what is wrong with what it did in a sentence, or an
            empty one.
        mistakes: functions that people write instead, each with what to say.
    """

    watch: Callable[[Callable[..., Any]], str]
    mistakes: Sequence[tuple[str, Callable[..., Any]]]

    def _untouched(self, given: Any) -> bool:
        return given is Ellipsis or is_stub(given)

    def _fault(self, given: Any) -> str:
        if not callable(given):
            return "give check the function itself, without calling it"
        return self.watch(given)


class _Lines(Choice):
    """Takes the letters in any order, however they are set apart: ``"lines (d) and (f)"``."""

    def _fault(self, given: Any) -> str:
        if isinstance(given, list | tuple | set | np.ndarray):
            given = " ".join(map(str, itertools.islice(given, 9)))
        if isinstance(given, str):
            letters = re.findall("[a-z]", re.sub(r"\b(and|the|lines?)\b", "", given.lower()))
            given = "".join(sorted(set(letters)))
        if not isinstance(given, str) or given not in [self.right, *self.replies]:
            last = max("".join(self.replies))
            count, such = ("one letter", "c") if len(self.right) == 1 else ("two letters", "bc")
            return f'the answer is {count} from a to {last}, in quotes, such as "{such}"'
        return super()._fault(given)


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# ------------------------------------------------------------------------------- 5.1: no zero_grad

q1 = Number(
    hints=["backward adds to w.grad whatever the slope is; only zero_grad empties it.",
           "In the first round the slope is 2 (w - 3) at w = 1. Where does the step take w?",
           "In the second round w is 1.4. What does backward find in w.grad, what does it add?"],
    answer="gradient = -4 + 2 * (1.4 - 3)",
    why="-4 - 3.2 = -7.2: the second step is more than twice as long as it should be.",
    value=-7.2,
    within=1e-3,
    mistakes={
        -3.2: "that is the slope at 1.4 alone; without zero_grad it is added to the first",
        -8.0: "w has moved between the two: the second slope is taken at 1.4",
        -4.0: "that is after the first round; the second adds its own",
        7.2: "the sign: w lies left of 3, where the loss falls with growing w",
        -8.8: "the step goes against the gradient: from 1 to 1.4, not to 0.6",
        -5.6: "in the second round w is 1.4; you took 2.2, one step too far",
        -3.8: "the derivative of (w - 3)^2 is 2 (w - 3); where is the 2?",
        -3.6: "that is the mean of the two slopes; backward adds",
        0.0: "step uses the gradient and leaves it as it is; only zero_grad empties it",
        -0.72: "that is lr times the gradient, the step; the question is about the gradient",
        2.12: "that is w itself; the question is about w.grad",
        -8.96: "you added a third slope; there are two rounds",
    },
)


# ---------------------------------------------------------------------------------- 5.2: evaluate

_x = torch.randn(14, 3, generator=_seeded(4))
_hits = torch.tensor([1, 1, 1, 0, 1, 1, 1, 1, 0, 1, 1, 1, 0, 0])


def _with_two_modes(training: bool) -> nn.Module:
    """A model whose answers depend on its mode."""
    norm, last = nn.BatchNorm1d(3), nn.Linear(3, 3)
    norm.running_mean = torch.tensor([0.4, -0.2, 0.1])
    norm.running_var = torch.tensor([2.0, 0.5, 0.3])
    with torch.no_grad():
        last.weight.copy_(torch.eye(3) + 0.1)
        last.bias.copy_(torch.tensor([0.1, -0.1, 0.0]))
    return nn.Sequential(norm, last, nn.Dropout(0.5)).train(training)


def _answers(model: nn.Module) -> Tensor:
    with torch.no_grad():
        return copy.deepcopy(model).eval()(_x)


def _loader(target: Tensor, sizes: Sequence[int]) -> DataLoader:
    count = sum(sizes)
    return DataLoader(TensorDataset(_x[:count], target[:count]), batch_size=sizes[0])


# What people compute of the hits (1 or 0) in each batch and of the mean loss.
_OTHER_SCORES: dict[str, Callable[[Sequence[Tensor], float], Tensor | float]] = {
    "this is the accuracy of the first batch only": lambda hits, loss: hits[0].mean(),
    "this is the accuracy of the last batch only": lambda hits, loss: hits[-1].mean(),
    "this is the accuracy of the best batch": lambda hits, loss: max(h.mean() for h in hits),
    "this is the mean of the batches' accuracies; the last batch is smaller":
        lambda hits, loss: torch.stack([h.mean() for h in hits]).mean(),
    "this is the number of right answers; divide by the number of samples":
        lambda hits, loss: torch.cat(hits).sum(),
    "this is in per cent; an accuracy lies between 0 and 1":
        lambda hits, loss: 100 * torch.cat(hits).mean(),
    "this is the share of wrong answers": lambda hits, loss: 1 - torch.cat(hits).mean(),
    "this is the loss, not the accuracy": lambda hits, loss: loss,
    "divide by the number of samples, not by the number of batches":
        lambda hits, loss: torch.cat(hits).sum() / len(hits),
    "not every batch is as large as the first: count the samples, batch by batch":
        lambda hits, loss: torch.cat(hits).sum() / (len(hits) * len(hits[0])),
    "not every batch is as large as the last: count the samples, batch by batch":
        lambda hits, loss: torch.cat(hits).sum() / (len(hits) * len(hits[-1])),
}
_LEFT = ("the model arrives in training mode, and you leave it there: dropout and BatchNorm then "
         "act as in training; call model.eval()")
_TRAIN = "model.train() is for training; evaluate with model.eval()"


def _watch_evaluate(evaluate: Callable[..., Any]) -> str:
    known, wrong, flaw, trained = dict(_OTHER_SCORES), "", "", set()
    for training, sizes in [(True, [6, 6, 2]), (False, [5, 5, 1]), (True, [7, 7]), (True, [4]),
                            (False, [4, 4, 4, 2]), (True, [4, 4, 1])]:
        model = _with_two_modes(training)
        logits, before = _answers(model)[:sum(sizes)], copy.deepcopy(model.state_dict())
        hits = _hits[:sum(sizes)].float().split(sizes)
        target = (logits.argmax(1) + 1 - torch.cat(hits).long()) % 3
        modes, graphs = _noting_modes_and_graphs(model)
        torch.manual_seed(0)
        value, fault = call(evaluate, (model, _loader(target, sizes)))
        if any(modes) and (not fault or "more than 1 value" in fault):  # BatchNorm of one sample
            trained.add(training)
            continue
        if fault:
            return fault
        if value.numel() != 1:
            return f"the shape is {tuple(value.shape)}; return one number"
        value, right = value.detach().item(), torch.cat(hits).mean().item()
        loss = F.cross_entropy(logits, target).item()
        known = {say: score for say, score in known.items()
                 if math.isclose(value, score(hits, loss), rel_tol=1e-4, abs_tol=1e-7)}
        if not wrong and not math.isclose(value, right, rel_tol=1e-4):
            wrong = (f"for batches of {', '.join(map(str, sizes))} samples the value is "
                     f"{value:.4g} and should be {right:.4g}")
        flaw = flaw or _left_behind(model, training, before, any(graphs))
    if trained:
        return _LEFT if trained == {True} else _TRAIN
    return next(iter(known), wrong) if wrong else flaw


def _noting_modes_and_graphs(model: nn.Module) -> tuple[list[bool], list[bool]]:
    """Two lists that grow with each use of a layer that has two modes, also in a copy: whether it
    is in training mode, and whether there is a graph."""
    modes, graphs = [], []

    def look(layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        if inputs and isinstance(inputs[0], Tensor):
            modes.append(layer.training)
            graphs.append(inputs[0].requires_grad)

    for layer in (model[0], model[2]):
        layer.register_forward_pre_hook(look)
    return modes, graphs


def _left_behind(model: nn.Module, training: bool, before: Mapping[str, Tensor],
                 graph: bool) -> str:
    """What else is wrong with a model whose accuracy was found."""
    if graph:
        return "right, but every batch builds a graph: compute under torch.no_grad()"
    modes = {layer.training for layer in model.modules()}
    if modes == {not training}:
        came, goes = ("training", "evaluation") if training else ("evaluation", "training")
        return (f"right, but the model came in {came} mode and goes back in {goes} mode: note "
                "model.training at the start, and restore it")
    if modes != {training}:
        return "right, but some layers go back in another mode than the one they came in"
    if not all(torch.equal(before[name], value) for name, value in model.state_dict().items()):
        return "right, but weights or running averages of the model have changed"
    if not all(p.requires_grad for p in model.parameters()):
        return ("right, but the parameters no longer require gradients, so the model cannot train "
                "on; torch.no_grad() builds no graph and leaves them as they are")
    return ""


def _evaluated(score: Callable[[Sequence[Tensor], float], Any], *, mode: bool | None = False,
               back: bool | None = None, graph: bool = False) -> Callable[..., Any]:
    """An ``evaluate`` that answers in a mode, makes a score of it, and goes back to a mode.

    ``mode=None`` leaves the model in the mode in which it comes, and so does ``back=None``.
    """
    def evaluate(model: nn.Module, loader: DataLoader) -> Any:
        came = model.training
        model.train(came if mode is None else mode)
        hits, losses = [], []
        with torch.set_grad_enabled(graph):
            for x, y in loader:
                logits = model(x)
                hits.append((logits.argmax(1) == y).float())
                losses.append(F.cross_entropy(logits, y, reduction="none").detach())
        model.train(came if back is None else back)
        return score(hits, torch.cat(losses).mean().item())

    return evaluate


def _accuracy(hits: Sequence[Tensor], _: float) -> Tensor:
    return torch.cat(hits).mean()


def _meddling(change: Callable[[nn.Module], Any]) -> Callable[..., Any]:
    def evaluate(model: nn.Module, loader: DataLoader) -> Any:
        value = _evaluated(_accuracy)(model, loader)
        change(model)
        return value

    return evaluate


q2 = Watched(
    hints=["Which mode must the model be in while it answers, and which afterwards? What keeps a "
           "graph from being built?",
           "model.training is True or False: note it before you change it. And a mean of the "
           "batches' accuracies is not the accuracy, so what has to be added up?",
           "Add up the right answers and the samples over all batches, and divide once, at the "
           "end. model.train(True) and model.train(False) set a mode that you have noted."],
    answer="""
def evaluate(model, loader):
    came_in = model.training
    model.eval()
    right = count = 0
    with torch.no_grad():
        for x, y in loader:
            right += (model(x).argmax(dim=1) == y).sum().item()
            count += len(y)
    model.train(came_in)
    return right / count
""",
    why="Evaluation mode, no graph, one division at the end, and the mode of before: a function "
        "that only looks leaves no trace.",
    watch=_watch_evaluate,
    mistakes=[
        (_LEFT, _evaluated(_accuracy, mode=None)),
        (_TRAIN, lambda model, loader: _evaluated(_accuracy, mode=not model.training)(
            model, loader)),
        *[(say, _evaluated(score)) for say, score in _OTHER_SCORES.items()],
        ("right, but every batch builds a graph: compute under torch.no_grad()",
         _evaluated(_accuracy, graph=True)),
        ("right, but the model came in training mode and goes back in evaluation mode: note "
         "model.training at the start, and restore it", _evaluated(_accuracy, back=False)),
        ("right, but the model came in evaluation mode and goes back in training mode: note "
         "model.training at the start, and restore it", _evaluated(_accuracy, back=True)),
        ("right, but some layers go back in another mode than the one they came in",
         _meddling(lambda model: model[0].train(not model.training))),
        ("right, but weights or running averages of the model have changed",
         _meddling(lambda model: model[0].reset_running_stats())),
        ("right, but the parameters no longer require gradients, so the model cannot train on; "
         "torch.no_grad() builds no graph and leaves them as they are",
         _meddling(lambda model: model.requires_grad_(False))),
    ],
)


# -------------------------------------------------------------------------- 5.3: the epoch's mean

def _epoch_mean(means: Tensor, sizes: Tensor) -> Tensor:
    return (means * sizes).sum() / sizes.sum()


_means = torch.tensor([0.5, 0.3, 0.2, 2.0])

q3 = Function(
    hints=["How much of the epoch is a batch of 64, and how much a batch of 1?",
           "From a mean and a size you get back the sum over a batch.",
           "Add the sums of all batches, and divide once. By what?"],
    answer="""
def epoch_mean(means, sizes):
    return (means * sizes).sum() / sizes.sum()
""",
    why="Weighted by size it is the mean over all samples, however they were cut into batches.",
    reference=_epoch_mean,
    cases=[(_means, torch.tensor([64, 64, 64, 1])), (_means, torch.tensor([5, 5, 5, 5])),
           (_means[:1], torch.tensor([3])), (_means, torch.tensor([2, 7, 1, 4])),
           (torch.tensor([-1.5, 0.25, -0.75]), torch.tensor([1, 3, 2])),
           (torch.tensor([0.9, 0.1]), torch.tensor([8, 8]))],
    tolerance=1e-5,
    mistakes=[
        ("this is the mean of the batch means; the last batch of 1 counts as much as one of 64",
         lambda m, s: m.mean()),
        ("this is the sum over all samples; divide by how many there are",
         lambda m, s: (m * s).sum()),
        ("divide by the number of samples, not by the number of batches",
         lambda m, s: (m * s).mean()),
        ("this is the first batch only", lambda m, s: m[0]),
        ("this is the last batch only", lambda m, s: m[-1]),
        ("this is the largest batch only", lambda m, s: m[s.argmax()]),
        ("the last batch belongs to the epoch too, however small it is",
         lambda m, s: _epoch_mean(m[:-1], s[:-1])),
        ("the sum of the means, divided by the number of samples: the sizes must multiply the "
         "means", lambda m, s: m.sum() / s.sum()),
        ("the batches differ in size: count the samples, not the batches times the largest size",
         lambda m, s: (m * s).sum() / (len(s) * s.max())),
        ("the batches differ in size: count the samples, not the batches times the first size",
         lambda m, s: (m * s).sum() / (len(s) * s[0])),
        ("one value for each batch: they still have to be added up",
         lambda m, s: m * s / s.sum()),
        ("a mean times its size is the sum over a batch; you divide by the size",
         lambda m, s: (m / s).sum()),
        ("each batch must count by its size itself, not by its square",
         lambda m, s: (m * s**2).sum() / (s**2).sum()),
    ],
)


# ---------------------------------------------------------------------------- 5.4: find two bugs

_DEFENCES = {
    "b": "b is right: cross_entropy takes logits, and the mean of a batch is what we train with",
    "c": "c is right: backward finds the gradients empty and fills them",
    "d": "d is right: step comes after backward and uses what it has left",
    "e": "e is right: cleared after the step, the gradients are empty for the next backward, and "
         "nothing more is needed",
    "f": "f is right: we validate in evaluation mode. But who switches back?",
    "g": "g is right: validation needs no graph",
    "h": "h is right: the mean of a batch times its size is the sum over it. What must the sum "
         "over all batches be divided by?",
}


def _reply(letters: str) -> str:
    found = [f"yes, {letter} is one of the two" for letter in letters if letter in "ai"]
    missing = ["which is the other?"] if len(letters) == len(found) else []
    return "; ".join(found + missing + [_DEFENCES[x] for x in letters if x in _DEFENCES])


q4 = _Lines(
    hints=["Follow the mode of the model through the first epoch, and then through the second. "
           "After that, follow the numbers that make the printed one.",
           "In which mode does the second epoch begin? And what is added to total for each batch: "
           "a mean or a sum?",
           "One call happens once and is needed in every epoch. One division is by a number of "
           "batches, where total counts samples."],
    answer='bugs = "ai"',
    why="From the second epoch on the network trains in evaluation mode, without dropout: a "
        "belongs inside the first loop. And i divides a sum over samples by the number of batches; "
        "it needs len(val_loader.dataset).",
    right="ai",
    replies={pair: _reply(pair) for size in (1, 2)
             for pair in map("".join, itertools.combinations("abcdefghi", size)) if pair != "ai"},
)


# ---------------------------------------------------------------------- 5.5: keep the best weights

class _Learner(nn.Sequential):
    """A model whose weights are the number of epochs that it was trained for."""

    def __init__(self, loaded: list[int]) -> None:
        super().__init__(nn.Linear(2, 3), nn.BatchNorm1d(3))
        self.note = loaded.append
        for value in self.state_dict().values():
            value.zero_()

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        done = super().load_state_dict(*args, **kwargs)
        self.note(_epoch_of(self[0].weight))
        return done


def _epoch_of(value: Tensor) -> int:
    return int(value.detach().flatten()[0])


_NAN = math.nan
# The best epoch is in the middle, first, last or the only one; of equal ones; before the training
# diverges; large losses and negative ones.
_RUNS = [[0.9, 0.5, 0.3, 0.4, 0.7], [0.6, 0.4, 0.5, 0.4, 0.45], [0.8, 0.6, _NAN, 0.7],
         [0.8, 0.6, 0.7, _NAN], [0.3, 0.5, 0.4], [0.9, 0.5, 0.2], [7.0, 5.0, 6.0],
         [-0.5, -2.0, -1.0], [0.5]]
_REFERENCE = ("the model ends with the weights of its last epoch, although you load some: what you "
              "load holds the model's own tensors, which have trained on; keep a copy of them")
_NEVER = ("the model ends with the weights of its last epoch: keep a copy of the best ones, and "
          "load it into the model at the end")


def _watch_keeping(train_and_keep_best: Callable[..., Any]) -> str:
    return next(filter(None, (_watch_run(train_and_keep_best, losses) for losses in _RUNS)), "")


def _watch_run(train_and_keep_best: Callable[..., Any], losses: list[float]) -> str:
    trained, validated, loaded = [], [], []
    model, epochs = _Learner(loaded), len(losses)

    def train_one_epoch(model: nn.Module) -> None:
        trained.append(_epoch_of(model[0].weight))
        if len(trained) > 20:
            raise RuntimeError("train_one_epoch is called again and again")
        model.train()
        with torch.no_grad():
            for value in model.state_dict().values():
                value += 1

    def validate(model: nn.Module) -> float:
        model.eval()
        validated.append(_epoch_of(model[0].weight))
        return [-9.0, *losses, 0.0][min(validated[-1], epochs + 1)]

    value, fault = call(train_and_keep_best, (model, epochs, train_one_epoch, validate))
    if fault := fault or _fault_of_calls(epochs, trained, validated):
        return fault
    fault = (_fault_of_weights(model, losses, loaded)
             or _fault_of_loss(value.detach().double(), losses))
    shown = ", ".join(f"{loss:g}" for loss in losses)
    return f"for the losses {shown}: {fault}" if fault and epochs > 1 else fault


def _fault_of_calls(epochs: int, trained: list[int], validated: list[int]) -> str:
    if len(trained) != epochs:
        return f"of {epochs} epochs you trained {len(trained)}"
    if trained != list(range(epochs)):
        return ("each epoch should go on from the weights of the one before; you went back to "
                "others in between")
    if 0 in validated and epochs not in validated:
        return "call validate after train_one_epoch, not before: the last epoch counts too"
    if not set(validated) >= set(range(1, epochs + 1)):
        return "call validate after every epoch"
    return ""


def _best(losses: Sequence[float]) -> int:
    """The epoch with the lowest loss, counted from 1."""
    return min((e for e, loss in enumerate(losses, 1) if loss == loss), key=lambda e: losses[e - 1])


def _fault_of_weights(model: nn.Module, losses: list[float], loaded: list[int]) -> str:
    best, last = _best(losses), len(losses)
    kept = [_epoch_of(value) for value in model.state_dict().values()]
    weight, bias, scale, shift, mean, spread, count = kept
    if {weight, bias, scale, shift} == {best} and {mean, spread, count} != {best}:
        return ("the parameters are those of the best epoch, but not BatchNorm's running averages; "
                "model.state_dict() has both")
    if set(kept) == {best}:
        return ""
    if len(set(kept)) > 1:
        return "some of the weights are those of another epoch"
    if weight == 0:
        return "the model ends with the weights from before the first epoch"
    if any(map(math.isnan, losses)):
        return ("an epoch whose loss is nan is never the best, nor is a later one the best because "
                "it comes after it")
    if losses[weight - 1] == losses[best - 1]:
        return "of equal losses the earlier epoch counts: replace the best only if loss is below it"
    if weight == last:
        return _REFERENCE if last in loaded else _NEVER
    if losses[weight - 1] == max(losses):
        return "these are the weights of the epoch with the highest loss; the lowest is the best"
    return f"the model ends with the weights of epoch {weight} and should with those of {best}"


def _fault_of_loss(value: Tensor, losses: list[float]) -> str:
    best = _best(losses)
    if value.numel() != 1:
        return f"return one number, the lowest loss; yours are {value.numel()}"
    value, right = value.item(), losses[best - 1]
    if math.isclose(value, right, rel_tol=1e-5):
        return ""
    if math.isclose(value, losses[-1], rel_tol=1e-5):
        return "the weights are right, but you return the loss of the last epoch"
    if math.isclose(value, best) or math.isclose(value, best - 1):
        return "the weights are right, but you return the number of the best epoch, not its loss"
    if math.isnan(value):
        return "the weights are right, but you return nan; the lowest of the other losses is asked"
    return f"the weights are right, but you return {value:.4g}, and the lowest loss is {right:.4g}"


def _keeping(keep: Callable[[nn.Module], Any], restore: Callable[[nn.Module, Any], Any], *,
             better: Callable[[float, float], bool] = lambda loss, best: not loss >= best,
             at_once: bool = False, result: Callable[..., Any] = lambda lowest, *_: lowest,
             ) -> Callable[..., Any]:
    """Training that keeps what ``keep`` gives of the best epoch, and restores it at the end."""
    def train_and_keep_best(model, epochs, train_one_epoch, validate):
        lowest, kept, best, loss = None, None, 0, 0.0
        for epoch in range(epochs):
            train_one_epoch(model)
            loss = validate(model)
            if lowest is None or (loss == loss and better(loss, lowest)):
                lowest, kept, best = loss, keep(model), epoch
            elif at_once:
                restore(model, kept)
        restore(model, kept)
        return result(lowest, best, loss)

    return train_and_keep_best


def _state(model: nn.Module) -> dict[str, Tensor]:
    return copy.deepcopy(model.state_dict())


def _load(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    model.load_state_dict(state)


def _parameters(model: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in model.parameters()]


def _fill(model: nn.Module, values: list[Tensor]) -> None:
    for p, value in zip(model.parameters(), values, strict=True):
        p.data.copy_(value)


def _validating_first(model, epochs, train_one_epoch, validate):
    lowest, kept = None, None
    for _ in range(epochs):
        loss = validate(model)
        train_one_epoch(model)
        if lowest is None or loss < lowest:
            lowest, kept = loss, _state(model)
    _load(model, kept)
    return lowest


def _untrained_counts(model, epochs, train_one_epoch, validate):
    lowest, kept = validate(model), _state(model)
    for _ in range(epochs):
        train_one_epoch(model)
        loss = validate(model)
        if loss < lowest:
            lowest, kept = loss, _state(model)
    _load(model, kept)
    return lowest


def _one_too_few(model, epochs, train_one_epoch, validate):
    return _keeping(_state, _load)(model, max(epochs - 1, 1), train_one_epoch, validate)


def _nan_is_best(model, epochs, train_one_epoch, validate):
    losses, states = [], []
    for _ in range(epochs):
        train_one_epoch(model)
        losses.append(validate(model))
        states.append(_state(model))
    best = int(np.argmin(losses))
    _load(model, states[best])
    return losses[best]


_FIVE = "for the losses 0.9, 0.5, 0.3, 0.4, 0.7: "
_TIES = "for the losses 0.6, 0.4, 0.5, 0.4, 0.45: "

q5 = Watched(
    hints=["What does model.state_dict() give you: numbers of their own, or the tensors in which "
           "the model goes on training?",
           "In each epoch compare the new loss with the best one so far. If it is below, keep two "
           "things: the loss, and a copy of the whole state.",
           "A tensor has clone(), and copy.deepcopy copies a dictionary with all that is in it. "
           "Begin with a best loss that every other beats. Where must the kept state go when the "
           "loop is over?"],
    answer="""
def train_and_keep_best(model, epochs, train_one_epoch, validate):
    best_loss = float("inf")
    best_state = {}
    for epoch in range(epochs):
        train_one_epoch(model)
        loss = validate(model)
        if loss < best_loss:
            best_loss = loss
            for name, value in model.state_dict().items():
                best_state[name] = value.clone()
    model.load_state_dict(best_state)
    return best_loss
""",
    why="state_dict() holds the model's own tensors, buffers included; only a copy stays behind "
        "while the model trains on. And nan < best_loss is False, as it should be.",
    watch=_watch_keeping,
    mistakes=[
        (_FIVE + _REFERENCE, _keeping(lambda m: m.state_dict(), _load)),
        (_FIVE + _REFERENCE, _keeping(lambda m: dict(m.state_dict()), _load)),
        (_FIVE + _NEVER, _keeping(_state, lambda m, kept: None)),
        (_FIVE + "the parameters are those of the best epoch, but not BatchNorm's running "
         "averages; model.state_dict() has both", _keeping(_parameters, _fill)),
        (_FIVE + "these are the weights of the epoch with the highest loss; the lowest is the best",
         _keeping(_state, _load, better=lambda loss, best: loss > best)),
        (_TIES + "of equal losses the earlier epoch counts: replace the best only if loss is below "
         "it", _keeping(_state, _load, better=lambda loss, best: loss <= best)),
        ("for the losses 0.8, 0.6, nan, 0.7: an epoch whose loss is nan is never the best, nor is "
         "a later one the best because it comes after it", _nan_is_best),
        (_FIVE + "the weights are right, but you return the loss of the last epoch",
         _keeping(_state, _load, result=lambda lowest, best, last: last)),
        (_FIVE + "the weights are right, but you return the number of the best epoch, not its loss",
         _keeping(_state, _load, result=lambda lowest, best, last: best)),
        ("each epoch should go on from the weights of the one before; you went back to others in "
         "between", _keeping(_state, _load, at_once=True)),
        ("call validate after train_one_epoch, not before: the last epoch counts too",
         _validating_first),
        (_FIVE + "the model ends with the weights from before the first epoch", _untrained_counts),
        ("of 5 epochs you trained 4", _one_too_few),
    ],
)


# ------------------------------------------------------------------------------ 5.6: freeze a part

def _flat() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.5),
                         nn.Linear(6, 4))


def _nested() -> nn.Sequential:
    return nn.Sequential(nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.5)),
                         nn.ReLU(), nn.Linear(6, 4))


@contextmanager
def _classes_as_they_were(*models: nn.Module) -> Iterator[None]:
    """Puts back what an answer changes in PyTorch's own classes."""
    classes = {c for model in models for layer in model.modules() for c in type(layer).__mro__}
    kept = {c: dict(vars(c)) for c in classes - {object}}
    try:
        yield
    finally:
        for c, before in kept.items():
            for name in set(vars(c)) - set(before):
                delattr(c, name)
            for name, value in before.items():
                if vars(c).get(name) is not value:
                    setattr(c, name, value)


def _watch_freeze(freeze: Callable[..., Any]) -> str:
    for make, training in [(_flat, True), (_flat, False), (_nested, True), (_nested, False)]:
        torch.manual_seed(1)
        part = make()
        stem = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.2))
        head = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.2), nn.Linear(4, 3))
        for layer in part.modules():
            if isinstance(layer, nn.BatchNorm1d):
                layer.running_mean.uniform_(-1, 1)
                layer.running_var.uniform_(0.5, 2)
        part.train(training)
        with _classes_as_they_were(part, stem, head):
            fault, error = attempt(_watch_frozen, freeze, part, stem, head)
        if error:
            return f"training with the frozen part raised {in_words(error)}"
        if fault in _OF_LAYERS and make is _nested:  # the flat one was right
            return fault + _INSIDE
        if fault:
            return fault
    return ""


_UNTOUCHED = ("after model.train() the part trains on: its parameters get gradients, its running "
              "averages move, and dropout acts")
_EVAL_ONCE = ("evaluation mode holds only until the next model.train(): after it BatchNorm's "
              "running averages move, and dropout acts")
_PARAMETERS_ONLY = ("requires_grad stops the gradients only: after model.train() BatchNorm's "
                    "running averages still move, and dropout acts")
_AVERAGES = "after model.train() BatchNorm's running averages still move in the frozen part"
_DROPOUT = "after model.train() dropout still acts in the frozen part"
_BATCH = ("after model.train() BatchNorm normalises by the batch's own mean and spread, not by the "
          "running averages")
_GRADIENTS = "the parameters of the part still get gradients; evaluation mode does not stop them"
_STUCK = ("the part stays in training mode: once it refuses train(), it refuses eval() too, so "
          "put it into evaluation mode first")
_OTHERWISE = "even in evaluation mode, before any training, the frozen part answers otherwise"
_ALL_MODES = ("the stem and the head no longer switch with model.train() and model.eval(): freeze "
              "the part only, not its class")
_CUT = ("the stem, which comes before the part, gets no gradient: it must flow back through the "
        "frozen part, so use no no_grad and no detach there")
_OFF = "gradients stay switched off after your function, so that nothing can train"
_DRIFT = ("after training the frozen part answers otherwise than before; even with a gradient of 0 "
          "weight decay and momentum move a weight")
_INSIDE = "; here the layer is in a smaller part inside, and part.modules() visits those too"
_OF_LAYERS = {_UNTOUCHED, _EVAL_ONCE, _PARAMETERS_ONLY, _AVERAGES, _DROPOUT, _BATCH, _GRADIENTS}


def _has_mode_on(layer: nn.Module) -> bool:
    """Whether a layer acts as in training."""
    return isinstance(layer, nn.BatchNorm1d | nn.Dropout) and layer.training


def _switch(model: nn.Module, others: list[nn.Module]) -> bool:
    """Whether some layers of a model follow it into training mode, and back."""
    trains = all(layer.training for layer in others if model.train())
    return trains and not any(layer.training for layer in others if model.eval())


def _averages(model: nn.Module) -> list[Tensor]:
    """Copies of the running averages, without BatchNorm's count of batches."""
    return [value.clone() for value in model.buffers() if value.is_floating_point()]


def _watch_frozen(freeze: Callable[..., Any], part: nn.Module, stem: nn.Module,
                  head: nn.Module) -> str:
    """What is wrong with a frozen part, found by training a model around it."""
    probe, x = torch.randn(8, 4, generator=_seeded(2)), torch.randn(3, 12, 3, generator=_seeded(3))
    y = torch.randint(3, (3, 12), generator=_seeded(5))
    wanted = copy.deepcopy(part).eval()(probe).detach()

    def same(value: Any) -> bool:
        return (isinstance(value, Tensor) and value.shape == wanted.shape
                and torch.allclose(value, wanted, rtol=1e-5, atol=1e-6))

    frozen, error = attempt(freeze, part)
    if error:
        return f"your function raised {in_words(error)}"
    if frozen is None or frozen is Ellipsis:
        return NOTHING
    if not isinstance(frozen, nn.Module):
        return f"return the frozen part, a module; yours is {named(frozen)}"
    if not torch.is_grad_enabled():
        return _OFF
    trains_on = any(map(_has_mode_on, frozen.modules()))
    model, others = nn.Sequential(stem, frozen, head), [*stem.modules(), *head.modules()]
    if not _switch(model, others):
        return _ALL_MODES
    value, error = attempt(frozen, probe)
    if error:
        return f"the frozen part, in evaluation mode, raised {in_words(error)}"
    if not same(value):
        return _STUCK if any(map(_has_mode_on, frozen.modules())) else _OTHERWISE
    rest = [*stem.parameters(), *head.parameters()]
    start = [p.detach().clone() for p in rest]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    both = nn.ModuleList([part, frozen])  # which may be the same, or one in the other
    gradients, averages = False, _averages(both)
    for batch, target in zip(x, y, strict=True):
        model.train()
        loss = F.cross_entropy(model(batch), target)
        optimizer.zero_grad()
        loss.backward()
        gradients |= any(p.grad is not None and bool(p.grad.any())
                         for p in both.parameters())
        optimizer.step()
        model.eval()
    moved = not all(map(torch.equal, averages, _averages(both)))
    model.train()
    once, twice = frozen(probe).detach(), frozen(probe).detach()
    dropout = not torch.equal(once, twice)
    if moved and dropout:
        return _UNTOUCHED if gradients else _PARAMETERS_ONLY if trains_on else _EVAL_ONCE
    if moved or dropout:
        return _AVERAGES if moved else _DROPOUT
    if gradients:
        return _GRADIENTS
    if all(torch.equal(p, p0) for p, p0 in zip(stem.parameters(), start, strict=False)):
        return _CUT
    if any(torch.equal(p, p0) for p, p0 in zip(rest, start, strict=True)):
        return "stem and head do not train as they should: some of their weights stay the same"
    if not same(model.eval()[1](probe)):
        return _DRIFT
    return "" if same(once) else _BATCH


class _Still(nn.Sequential):
    """A sequence that stays in evaluation mode."""

    def train(self, mode: bool = True) -> nn.Module:
        return super().train(False)


class _Cut(_Still):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).detach()


def _staying(part: nn.Module, *kinds: type[nn.Module]) -> nn.Module:
    """The part without gradients, its layers of some kinds in evaluation mode for good."""
    for layer in part.modules():
        if isinstance(layer, kinds):
            layer.eval()
            layer.train = lambda mode=True, layer=layer: layer
    return part.requires_grad_(False)


def _children_staying(part: nn.Module) -> nn.Module:
    for layer in part:
        if isinstance(layer, nn.BatchNorm1d | nn.Dropout):
            _staying(layer, nn.BatchNorm1d, nn.Dropout)
    return part.requires_grad_(False)


def _quiet_by_settings(part: nn.Module) -> nn.Module:
    for layer in part.modules():
        if isinstance(layer, nn.BatchNorm1d):
            layer.momentum = 0.0
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    return part.requires_grad_(False)


def _whole_class(part: nn.Module) -> nn.Module:
    part.requires_grad_(False).eval()
    type(part).train = lambda self, mode=True: self
    return part


def _without_gradients_from_now_on(part: nn.Module) -> nn.Module:
    torch.set_grad_enabled(False)
    return _Still(part).eval()


def _refusing_too_early(part: nn.Module) -> nn.Module:
    part.train()
    part.train = lambda mode=True: part
    return part.requires_grad_(False).eval()


def _started_anew(part: nn.Module) -> nn.Module:
    for layer in part.modules():
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    return _Still(part).eval().requires_grad_(False)


q6 = Watched(
    hints=["What does requires_grad_(False) stop, and which two kinds of layers does it not "
           "concern?",
           "eval() stops those, until someone calls train(). Who will, at the head of each epoch, "
           "and what does model.train() call in turn?",
           "model.train() calls train() of every module inside. Give yours a train() that never "
           "goes into training mode: a class of its own, derived from nn.Sequential, can have one, "
           "and it may hold part as its only layer."],
    answer="""
def freeze(part):
    class Frozen(nn.Sequential):
        def train(self, mode=True):
            return super().train(False)

    return Frozen(part).requires_grad_(False).eval()
""",
    why="Three things move: parameters by gradients, running averages and dropout by the mode. "
        "requires_grad_ stops the first; only a train() that refuses stops the others for good.",
    watch=_watch_freeze,
    mistakes=[
        (_UNTOUCHED, lambda part: part),
        (_UNTOUCHED, lambda part: part.eval()),
        (_PARAMETERS_ONLY, lambda part: part.requires_grad_(False)),
        (_EVAL_ONCE, lambda part: part.requires_grad_(False).eval()),
        (_GRADIENTS, lambda part: _Still(part).eval()),
        (_DROPOUT, lambda part: _staying(part, nn.BatchNorm1d)),
        (_AVERAGES, lambda part: _staying(part, nn.Dropout)),
        (_BATCH, _quiet_by_settings),
        (_EVAL_ONCE + _INSIDE, lambda part: _children_staying(part.eval())),
        (_CUT, lambda part: _Cut(part).eval().requires_grad_(False)),
        (_ALL_MODES, _whole_class),
        (_OFF, _without_gradients_from_now_on),
        (_STUCK, _refusing_too_early),
        (_OTHERWISE, _started_anew),
    ],
)


# ------------------------------------------------------------------------ 5.7: a run that goes on

q7 = _Lines(
    hints=["Everything in the file is right, and everything is read from it. Which lines of this "
           "code use random numbers, without saying so?",
           "A new network starts from random weights. What does making it do to the state of the "
           "random numbers?",
           "Go through the code from the top. One line puts the random numbers where they were. "
           "Are they still there when the first epoch begins?"],
    answer='line = "b"',
    why="network() in line c uses up random numbers, for weights that line d overwrites, so that "
        "shuffling and dropout go on from another place. Put b directly before the loop.",
    right="b",
    replies={
        "a": "weights_only=True refuses code; tensors and numbers are read in full",
        "c": "a network is needed before d can fill it. But what else does making one change?",
        "d": "the weights come back here, BatchNorm's averages included, once there is a network "
             "to hold them",
        "e": "Adam begins without memory here, and with a rate that may be another by now; f "
             "brings back both",
        "f": "Adam's averages and the rate come back here, once there is an optimiser to hold them",
        "g": "the scheduler counts from 0 here, and h brings back its count; the rate that f has "
             "read stays",
        "h": "the count comes back here, once there is a scheduler to hold it",
        "i": "finished epochs are not repeated: counted from 0, the next one has their number",
        "j": "once at the end of each epoch is right for StepLR",
    },
)


# ------------------------------------------------------------------- 5.8: a schedule that runs down

q8 = Number(
    hints=["StepLR multiplies the rate by 0.5 once for every 5 calls of its step. It counts calls, "
           "and knows nothing of epochs.",
           "Count the calls in three epochs, and how many full fives are in them.",
           "36 calls hold seven full fives, and each halves the rate. Where did it begin?"],
    answer="rate = 0.002 * 0.5 ** (36 // 5)",
    why="Seven halvings, a rate of 0.000016, where it should still be 0.002: a 128th, and no "
        "warning comes.",
    value=0.002 * 0.5**7,
    mistakes={
        0.002: "that would be right if it were stepped once an epoch; it was stepped 36 times",
        0.001: "that would be one halving; there is one for every 5 calls",
        0.00025: "that would be three halvings, one an epoch; there is one for every 5 calls",
        0.002 * 0.5**6: "one halving too few: the count goes on from epoch to epoch, so two left "
                        "over in each epoch count too",
        0.002 * 0.5**8: "36 / 5 = 7.2: the eighth halving comes with the 40th call, not before",
        0.002 * 0.5**4: "that is after the second epoch, 24 calls; the question is for the third",
        0.002 * 0.5**2: "that is after the first epoch, 12 calls; the question is for the third",
        0.002 * 0.5**7.2: "the factor comes at every fifth call, not bit by bit",
        0.5**7: "that is the factor alone; the rate begins at 0.002",
        0.002 / 7: "every fifth call halves the rate again; you divided by 7",
        0.002 / 14: "every fifth call halves the rate again; you divided by 2 times 7",
        0.002 * 0.5 * 7: "every fifth call halves the rate again; you multiplied by 7",
        0.002 * 0.5**36: "not at every call, at every fifth",
        0.002 * 0.5**12: "36 calls, and a halving for every 5 of them, not for every 3",
        0.002 * 0.1**7: "seven factors are right, but each is 0.5",
        0.0: "very small, but not 0: each halving leaves a half",
    },
)


# ----------------------------------------------------------------------- 5.9: accumulate gradients

def _network() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3))


# Of each optimiser two calls in a row, with the sizes of their batches.
_STEPS: list[tuple[Callable[[Any], Optimizer], list[list[int]]]] = [
    (lambda p: torch.optim.SGD(p, lr=0.5), [[4, 4, 1], [3, 5]]),
    (lambda p: torch.optim.SGD(p, lr=0.2, momentum=0.9), [[2, 7], [1, 6, 3, 2]]),
    (lambda p: torch.optim.Adam(p, lr=0.05, eps=0.01), [[5], [4, 1]]),
]

# What people step with and return: the weight of each batch's mean, by its size n, the number of
# samples N, the number of batches K, and the first size.
_WEIGHTS: dict[str, Callable[[int, int, int, int], float]] = {
    "this adds up the batches' mean losses; weigh each by its share of all samples":
        lambda n, N, K, first: 1.0,
    "this is the mean of the batches' means; they differ in size, so weigh each by its share of "
    "all samples": lambda n, N, K, first: 1 / K,
    "this is the sum over all samples; divide by how many there are":
        lambda n, N, K, first: float(n),
    "the mean of a batch, divided by the number of all samples, counts one sample of it; it must "
    "count all": lambda n, N, K, first: 1 / N,
    "not every batch is as large as the first: count the samples of each":
        lambda n, N, K, first: n / (K * first),
    "this is the sum over all samples, divided by the number of batches":
        lambda n, N, K, first: n / K,
}
_LAST = "the step comes from the last batch alone: zero_grad in the loop clears the others"
_FIRST = "the step comes from the first batch alone"
_STALE = "in a second call the gradients of the first are still there: clear them once in each call"
_EMPTY = "at the step there are no gradients: they were cleared after the last backward"
_NO_STEP = "optimizer.step() is never called"
_RATE = ("you change the learning rate; weigh the losses instead, since for Adam, or with "
         "momentum, that is another step")
_JOINED = "you put several batches through the model at once; only one of them fits into memory"
_GRAPHS = ("right, but the graphs of all batches are in memory at once: call backward for each "
           "batch before you go on")
_EARLY = "the step comes before the last backward; it should come after all of them"
_OTHER_STEP = "the gradients are right, but the weights change otherwise than by one step"


def _many_steps(count: int) -> str:
    return f"one step for all batches together; you make {count}"


def _flat_gradient(model: nn.Module) -> Tensor:
    return torch.cat([torch.zeros(p.numel()) if p.grad is None else p.grad.detach().flatten()
                      for p in model.parameters()])


def _slope(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, float]:
    """The gradient of the mean loss of a batch, and that loss."""
    model = copy.deepcopy(model)
    model.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    return _flat_gradient(model), loss.item()


def _close(a: Tensor | float, b: Tensor | float) -> bool:
    return torch.allclose(torch.as_tensor(a).double(), torch.as_tensor(b).double(), rtol=1e-3,
                          atol=1e-6)


def _watch_accumulate(accumulate: Callable[..., Any]) -> str:
    known, wrong = dict(_OTHER_LOSSES), ""
    for make, calls in _STEPS:
        model, twin = _network(), _network()
        optimizer, of_twin = make(model.parameters()), make(twin.parameters())
        rate, before = optimizer.param_groups[0]["lr"], torch.zeros(())
        events = _noting_events(model, optimizer)
        for number, sizes in enumerate(calls):
            generator = _seeded(10 * number + len(sizes))
            x = 2 * torch.randn(sum(sizes), 3, generator=generator)
            y = torch.randint(3, (sum(sizes),), generator=generator)
            batches = list(zip(x.split(sizes), y.split(sizes), strict=True))
            gradients, losses = zip(*(_slope(twin, *batch) for batch in batches), strict=True)
            joined, mean = _slope(twin, x, y)
            of_twin.zero_grad()
            F.cross_entropy(twin(x), y).backward()
            of_twin.step()
            events.clear()
            value, fault = call(accumulate, (model, copy.deepcopy(batches), optimizer))
            if fault := fault or _fault_of_events(events, max(sizes), rate):
                return fault
            seen = next(event for event in events if event.name == "step").gradient
            if fault := _fault_of_gradient(seen, gradients, sizes, joined, before):
                return fault
            if not _close(*(nn.utils.parameters_to_vector(m.parameters()).detach()
                            for m in (model, twin))):
                return _OTHER_STEP
            if "backward backward" in " ".join(event.name for event in events):
                return _GRAPHS
            if value.numel() != 1:
                return f"the step is right, but return one number; yours are {value.numel()}"
            value, after = value.detach().item(), F.cross_entropy(twin(x), y).item()
            known = {say: other for say, other in known.items()
                     if _close(value, other(losses, sizes, after))}
            if not wrong and not _close(value, mean):
                wrong = (f"for batches of {', '.join(map(str, sizes))} samples the step is right, "
                         f"but you return {value:.4g}, and the mean loss is {mean:.4g}")
            before = joined
    return next(iter(known), wrong) if wrong else ""


@dataclass(frozen=True)
class _Event:
    """What happens: ``"forward"`` with a graph, ``"look"`` without one, ``"backward"``, ``"step"``.

    Attributes:
        size: the number of samples that go forward.
        rate: the learning rate of a step.
        gradient: the gradient at a step.
    """

    name: str
    size: int = 0
    rate: float = 0.0
    gradient: Tensor | None = None


def _noting_events(model: nn.Module, optimizer: Optimizer) -> list[_Event]:
    """A list that grows with what happens to a model."""
    events = []

    def forward(layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        graph = inputs[0].requires_grad
        events.append(_Event("forward" if graph else "look", size=len(inputs[0])))
        if graph:
            inputs[0].register_hook(lambda gradient: events.append(_Event("backward")))

    def step(optimizer: Optimizer, *_: Any) -> None:
        events.append(_Event("step", rate=optimizer.param_groups[0]["lr"],
                             gradient=_flat_gradient(model)))

    model[1].register_forward_pre_hook(forward)
    optimizer.register_step_pre_hook(step)
    return events


def _fault_of_events(events: list[_Event], largest: int, rate: float) -> str:
    names = [event.name for event in events]
    if any(event.size > largest for event in events):
        return _JOINED
    if names.count("step") != 1:
        return _many_steps(names.count("step")) if "step" in names else _NO_STEP
    step = names.index("step")
    if "backward" in names[step:]:
        return _EARLY
    return "" if events[step].rate == rate else _RATE


def _fault_of_gradient(seen: Tensor, parts: Sequence[Tensor], sizes: list[int], joined: Tensor,
                       before: Tensor) -> str:
    """What is wrong with the gradient of a step, that of the call before being known."""
    if _close(seen, joined):
        return ""
    if not seen.any():
        return _EMPTY
    if _close(seen, joined + before):
        return _STALE
    N, K = sum(sizes), len(sizes)
    for say, weight in _WEIGHTS.items():
        weights = [weight(n, N, K, sizes[0]) for n in sizes]
        if _close(seen, sum(w * part for w, part in zip(weights, parts, strict=True))):
            return say
    for say, place in [(_LAST, -1), (_FIRST, 0)]:
        for factor in (1, 1 / K, sizes[place], sizes[place] / N, 1 / N):
            if _close(seen, factor * parts[place]):
                return say
    return ("the step is not that of the joined batch: each batch's mean loss must count by its "
            "share of all samples")


# The number returned, made of the batches' mean losses, their sizes and the loss after the step.
_OTHER_LOSSES: dict[str, Callable[[Sequence[float], list[int], float], float]] = {
    f"the step is right, but the number returned is {what}": loss for what, loss in {
        "the mean of the batches' means": lambda losses, sizes, after: sum(losses) / len(sizes),
        "the sum of the batches' mean losses": lambda losses, sizes, after: sum(losses),
        "the sum over all samples, not their mean":
            lambda losses, sizes, after: sum(map(math.prod, zip(losses, sizes, strict=True))),
        "that of the last batch alone": lambda losses, sizes, after: losses[-1],
        "the last batch's share of the mean alone":
            lambda losses, sizes, after: losses[-1] * sizes[-1] / sum(sizes),
        "that of the first batch alone": lambda losses, sizes, after: losses[0],
        "the mean loss after the step; it should be the one before":
            lambda losses, sizes, after: after,
    }.items()
}


def _share(n: int, N: int, K: int, first: int) -> float:
    return n / N


def _right_loss(losses: Sequence[float], sizes: list[int], after: float) -> float:
    return sum(map(math.prod, zip(losses, sizes, strict=True))) / sum(sizes)


def _accumulating(weight: Callable[[int, int, int, int], float] = _share, *, clear: str = "start",
                  step: str = "end", loss_of: Callable[..., float] = _right_loss,
                  rate: float = 1.0) -> Callable[..., Any]:
    """An ``accumulate`` with one thing changed."""
    def accumulate(model: nn.Module, batches: list, optimizer: Optimizer) -> float:
        sizes, losses = [len(y) for _, y in batches], []
        if clear == "start":
            optimizer.zero_grad()
        for x, y in batches:
            if clear == "each":
                optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            losses.append(loss.item())
            (weight(len(y), sum(sizes), len(sizes), sizes[0]) * loss).backward()
            if step == "each" or (step == "first" and len(losses) == 1):
                optimizer.step()
        if clear == "before the step":
            optimizer.zero_grad()
        for group in optimizer.param_groups:
            group["lr"] *= rate
        if step == "end":
            optimizer.step()
        with torch.no_grad():
            after = _right_loss([F.cross_entropy(model(x), y).item() for x, y in batches], sizes, 0)
        return loss_of(losses, sizes, after)

    return accumulate


def _at_the_end(model: nn.Module, batches: list, optimizer: Optimizer) -> float:
    optimizer.zero_grad()
    loss = sum(F.cross_entropy(model(x), y, reduction="sum") for x, y in batches)
    loss = loss / sum(len(y) for _, y in batches)
    loss.backward()
    optimizer.step()
    return loss.item()


def _joining(model: nn.Module, batches: list, optimizer: Optimizer) -> float:
    joined = torch.cat([x for x, _ in batches]), torch.cat([y for _, y in batches])
    return _at_the_end(model, [joined], optimizer)


q9 = Watched(
    hints=["What would the joined batch do with the losses of all samples: add them up, or take "
           "their mean? And what do you get if you call backward for each batch without clearing?",
           "A batch's mean loss must count by how large the batch is. What share of all samples "
           "does it have? You need their number before the first backward.",
           "Each batch needs a backward from its mean loss times its share. What belongs before "
           "the loop, and what after it? The same products, as plain numbers, make up what you "
           "return."],
    answer="""
def accumulate(model, batches, optimizer):
    samples = 0
    for x, y in batches:
        samples += len(y)

    optimizer.zero_grad()
    mean_loss = 0.0
    for x, y in batches:
        loss = F.cross_entropy(model(x), y) * len(y) / samples
        loss.backward()
        mean_loss += loss.item()
    optimizer.step()
    return mean_loss
""",
    why="The mean over all samples is the sum of the batches' means, each times its share. Divided "
        "by the number of batches instead, a sample of a small last batch counts too much.",
    watch=_watch_accumulate,
    mistakes=[
        *[(say, _accumulating(weight)) for say, weight in _WEIGHTS.items()],
        (_LAST, _accumulating(clear="each")),
        (_STALE, _accumulating(clear="never")),
        (_EMPTY, _accumulating(clear="before the step")),
        (_NO_STEP, _accumulating(step="never")),
        (_EARLY, _accumulating(step="first")),
        (_many_steps(3), _accumulating(step="each")),
        (_RATE, _accumulating(lambda n, N, K, first: float(n), rate=0.1)),
        (_JOINED, _joining),
        (_GRAPHS, _at_the_end),
        *[(say, _accumulating(loss_of=loss)) for say, loss in _OTHER_LOSSES.items()],
    ],
)


# ------------------------------------------------------------------------- 5.10: how many photos

q10 = Number(
    hints=["What share of the 153 is a single photo?",
           "Which whole number of photos comes nearest to the reported share?",
           "Divide your number by 153 and compare with the report, to its last digit."],
    answer="right = 146",
    why="146 of 153, and 145 would be 94.8 %: one photo is 0.65 %. A gain of one per cent on this "
        "set is one or two photos.",
    value=146,
    within=1e-6,
    mistakes={
        145: "145 / 153 is 94.77 %",
        147: "147 / 153 is 96.08 %",
        7: "that is how many it got wrong",
        95: "that would be of 100 photos; here there are 153",
        95.425: "that is the percentage; of 153 photos, how many are it?",
        0.95425: "that is the share; of 153 photos, how many are it?",
        145.962: "photos come whole: 95.4 % is rounded",
        145.96: "photos come whole, and 95.4 % is rounded",
        146.00025: "photos come whole: 95.425 % is rounded too, so round what you found",
        153: "that is all of them",
    },
)
