"""Exercises of notebook 05."""

import copy
import itertools
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import Choice, Function, Number
from ._running import attempt

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
        -0.72: "that is lr times the gradient, the step; asked is the gradient",
        2.12: "that is w itself; asked is w.grad",
        -8.96: "you added a third slope; there are two rounds",
    },
)


def _epoch_mean(means: Tensor, sizes: Tensor) -> Tensor:
    filled = sizes > 0
    return (means * sizes)[filled].sum() / sizes.sum()


_means = torch.tensor([0.5, 0.3, 0.2, 2.0])
_nan = float("nan")

q2 = Function(
    hints=["How much of the epoch is a batch of 64, and how much a batch of 1?",
           "From a mean and a size you get back the sum over a batch.",
           "Add the sums, then divide once. And 0 times nan is nan: choose the batches to add by "
           "their size."],
    answer="""
def epoch_mean(means, sizes):
    filled = sizes > 0
    return (means[filled] * sizes[filled]).sum() / sizes.sum()
""",
    why="Weighted by size it is the mean over all samples, however they were cut into batches.",
    reference=_epoch_mean,
    cases=[(_means, torch.tensor([64, 64, 64, 1])), (_means, torch.tensor([5, 5, 5, 5])),
           (_means[:1], torch.tensor([3])), (_means, torch.tensor([2, 7, 1, 4])),
           (torch.tensor([0.5, _nan, 0.1]), torch.tensor([4, 0, 2])),
           (torch.tensor([_nan, -1.5, 0.25, _nan]), torch.tensor([0, 1, 3, 0])),
           (torch.tensor([0.5, _nan]), torch.tensor([4, 4]))],
    tolerance=1e-5,
    mistakes=[
        ("a nan of a batch that has samples is an alarm, and you count it as 0; leave batches out "
         "by size, not by nan", lambda m, s: torch.nansum(m * s) / s.sum()),
        ("a nan of a batch that has samples is an alarm, and you leave that batch out; do so by "
         "size, not by nan", lambda m, s: (m * s)[~m.isnan()].sum() / s[~m.isnan()].sum()),
        ("right, but for the empty batch: 0 times nan is nan; leave it out before you add",
         lambda m, s: (m * s).sum() / s.sum()),
        ("this is the mean of the batch means; the last batch of 1 counts as much as 64",
         lambda m, s: m.mean()),
        ("the mean of the batch means, without the empty batch; but each must count by its size",
         lambda m, s: m[s > 0].mean()),
        ("the mean of the batch means, without those that are nan; but each must count by its size",
         lambda m, s: m.nanmean()),
        ("this is the sum over all samples; divide by how many there are",
         lambda m, s: (m * s)[s > 0].sum()),
        ("divide by the number of samples, sizes.sum(), not by the number of batches",
         lambda m, s: (m * s)[s > 0].sum() / len(m)),
        ("this is the first batch only", lambda m, s: m[0]),
        ("this is the last batch only", lambda m, s: m[-1]),
        ("the last batch belongs to the epoch too, however small it is",
         lambda m, s: _epoch_mean(m[:-1], s[:-1])),
        ("the sum of the means, over the number of samples: the sizes must multiply the means",
         lambda m, s: m[s > 0].sum() / s.sum()),
        ("divide by the number of samples, sizes.sum(), not by the number of filled batches",
         lambda m, s: (m * s)[s > 0].sum() / (s > 0).sum()),
        ("a nan taken for 0 still counts as a batch; and each batch must count by its size",
         lambda m, s: m.nan_to_num().mean()),
        ("the batches differ in size: count the samples, not the batches times the largest size",
         lambda m, s: (m * s)[s > 0].sum() / (len(s) * s.max())),
    ],
)

_DEFENCES = {
    "a": "a is right: train() belongs at the head of each epoch",
    "b": "b is right: logits are what cross_entropy wants",
    "c": "c is right: backward fills the gradients",
    "e": "e is right: step uses the gradients, if there are any",
}


def _reply(letters: str) -> str:
    found = [f"yes, {letter} is one of the two" for letter in letters if letter in "df"]
    missing = ["which is the other?"] if len(letters) == len(found) else []
    return "; ".join(found + missing + [_DEFENCES[x] for x in letters if x in _DEFENCES])


class _Lines(Choice):
    """Takes the letters in any order, however they are set apart: ``"lines (d) and (f)"``."""

    def _fault(self, given: Any) -> str:
        if isinstance(given, list | tuple | set | np.ndarray):
            given = " ".join(map(str, itertools.islice(given, 9)))
        if isinstance(given, str):
            letters = re.findall("[a-z]", re.sub(r"\b(and|the|lines?)\b", "", given.lower()))
            given = "".join(sorted(set(letters)))
        if not isinstance(given, str) or given not in [self.right, *self.replies]:
            wanted = 'two letters from a to f, in quotes, such as "ab"'
            if len(self.right) == 1:
                wanted = 'one letter from a to f, in quotes, such as "a"'
            return f"the answer is {wanted}"
        return super()._fault(given)


q3 = _Lines(
    hints=["Follow the gradients through one round: where are they made, used and cleared?",
           "Follow the logits: of which samples are they when the inner loop is over?",
           "One of the two lines is in the inner loop and undoes the line before it; the other is "
           "outside."],
    answer='bugs = "df"',
    why="d clears the gradients before step can use them; f is the last batch only, of training "
        "samples, seen in training mode. Put d before c, and validate over all samples.",
    right="df",
    replies={pair: _reply(pair) for size in (1, 2)
             for pair in map("".join, itertools.combinations("abcdef", size)) if pair != "df"},
)


def _norm(training: bool) -> nn.Module:
    model = nn.BatchNorm1d(3)
    model.running_mean = torch.tensor([0.4, -0.2, 0.1])
    model.running_var = torch.tensor([2.0, 0.5, 0.3])
    return model.train(training)


def _logits(model: nn.Module, loader: Sequence, mode: bool | None = False) -> list[Tensor]:
    model.train(model.training if mode is None else mode)
    with torch.no_grad():
        return [model(x) for x, _ in loader]


def _right(model: nn.Module, loader: Sequence, mode: bool | None = False) -> list[Tensor]:
    return [(z.argmax(1) == y).float()
            for z, (_, y) in zip(_logits(model, loader, mode), loader, strict=True)]


_x = torch.randn(14, 3, generator=torch.Generator().manual_seed(4))
_hits = torch.tensor([1, 1, 1, 0, 1, 1, 1, 1, 0, 1, 1, 1, 0, 0])
_y = ((_logits(_norm(False), [(_x, None)])[0].argmax(1)) + 1 - _hits) % 3
_batches = list(zip(_x.split(6), _y.split(6), strict=True))


class _Ungraphed(Function):
    """Asks of an answer that is right whether it was computed without a graph."""

    def _fault(self, given: Any) -> str:
        if fault := super()._fault(given):
            return fault
        graphs, model = [], _norm(True)
        model.register_forward_hook(lambda *seen: graphs.append(seen[-1].requires_grad))
        attempt(given, model, copy.deepcopy(_batches))
        return ("right, but every batch builds a graph: compute under torch.no_grad()"
                if any(graphs) else "")


_uneven = list(zip(_x[:9].split([5, 1, 3]), _y[:9].split([5, 1, 3]), strict=True))

q4 = _Ungraphed(
    hints=["In which mode must the model be, and what is no graph built under?",
           "A mean of the batches' accuracies is not the accuracy: what must be added up?",
           "Add up the right answers and the samples over all batches; divide once, at the end."],
    answer="""
def evaluate(model, loader):
    model.eval()
    right = count = 0
    with torch.no_grad():
        for x, y in loader:
            right += (model(x).argmax(dim=1) == y).sum().item()
            count += len(y)
    return right / count
""",
    why="Evaluation mode, no graph, and one division at the end, over all samples.",
    reference=lambda m, ld: torch.cat(_right(m, ld)).mean(),
    cases=[(_norm(True), _batches), (_norm(False), _batches), (_norm(True), _batches[:2]),
           (_norm(False), _uneven), (_norm(True), _batches[:1])],
    tolerance=1e-5,
    mistakes=[
        ("the model arrives in training mode and you leave it there: BatchNorm then uses the "
         "batch; call model.eval()", lambda m, ld: torch.cat(_right(m, ld, None)).mean()),
        ("train() is for training; evaluate with model.eval()",
         lambda m, ld: torch.cat(_right(m, ld, True)).mean()),
        ("this is the accuracy of the first batch only", lambda m, ld: _right(m, ld)[0].mean()),
        ("this is the accuracy of the last batch only", lambda m, ld: _right(m, ld)[-1].mean()),
        ("this is the mean of the batches' accuracies; the last batch is smaller",
         lambda m, ld: torch.stack([r.mean() for r in _right(m, ld)]).mean()),
        ("this is the number of right answers; divide by the number of samples",
         lambda m, ld: torch.cat(_right(m, ld)).sum()),
        ("this is in per cent; a share lies between 0 and 1",
         lambda m, ld: 100 * torch.cat(_right(m, ld)).mean()),
        ("this is the share of wrong answers", lambda m, ld: 1 - torch.cat(_right(m, ld)).mean()),
        ("this is the loss, not the accuracy", lambda m, ld: F.cross_entropy(
            torch.cat(_logits(m, ld)), torch.cat([y for _, y in ld]))),
        ("divide by the number of samples, not by the number of batches",
         lambda m, ld: torch.cat(_right(m, ld)).sum() / len(ld)),
        ("not every batch is as large as the first: count the samples, batch by batch",
         lambda m, ld: torch.cat(_right(m, ld)).sum() / (len(ld) * len(ld[0][1]))),
    ],
)

q5 = _Lines(
    hints=["Momentum is a memory of past gradients. Which object holds it?",
           "Go through the objects that the new run makes: what is each of them filled from?",
           "Two things are read from state. Which object has a state_dict too, and is left empty?"],
    answer='line = "d"',
    why='The new optimiser remembers nothing. Save optimizer.state_dict() too, and load it: '
        'optimizer.load_state_dict(state["optimizer"]).',
    right="d",
    replies={
        "a": "the file may hold anything; weights_only=True refuses code, but not tensors",
        "b": "a new network is right, since the next line fills it",
        "c": "this restores the weights, BatchNorm's averages included",
        "e": "the count of epochs goes on where it stopped",
        "f": "an epoch like any other; what it is given has been forgetful before",
    },
)

q6 = Number(
    hints=["StepLR multiplies the rate by 0.1 once for every 7 calls of its step.",
           "Count the calls of an epoch, and how many full sevens are in them.",
           "Each full seven takes off one power of ten. The rate does not begin at 1."],
    answer="rate = 0.001 * 0.1 ** (61 // 7)",
    why="1e-11: the first epoch has not ended, and nothing moves any more. No warning comes.",
    value=1e-11,
    mistakes={
        1e-3: "that is how it begins; it was called 61 times since",
        1e-4: "that would be one factor of 0.1; there is one for every 7 calls",
        1e-8: "that is 0.1 ** 8, the factor alone; the rate begins at 0.001",
        1e-9: "that would be six factors; how often does 7 go into 61?",
        1e-10: "one factor too few: 8 times 7 is 56",
        1e-12: "61 / 7 = 8.7: the ninth factor comes with the 63rd call, not before",
        0.001 * 0.1 ** (61 / 7): "the factor comes at every seventh call, not bit by bit",
        0.001 * 0.1 * 8: "every seventh call multiplies by 0.1 again; you multiplied by 8",
        0.001 / 8: "every seventh call divides by ten again; you divided by 8",
        0.001 * 0.1**61: "not at every call, at every seventh",
        0.0: "very small, but not 0: each factor leaves a tenth",
    },
)

q7 = Number(
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
