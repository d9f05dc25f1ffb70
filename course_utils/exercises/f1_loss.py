"""Exercises of notebook 04."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..losses import soft_f1_loss
from . import Choice, Function, Number

q1 = Number(
    hints=["Of 20 alarms 6 were right; of 8 frauds 6 were found.",
           "F1 = 2 tp / (2 tp + fp + fn)."],
    answer="f1 = 2 * 6 / (2 * 6 + 14 + 2)",
    why="12 / 28 = 0.43: the harmonic mean stays close to the smaller one, the precision of 0.30.",
    value=12 / 28,
    mistakes={
        0.525: "that is the plain mean of precision and recall; F1 is the harmonic one",
        0.3: "that is the precision, 6 / 20",
        0.75: "that is the recall, 6 / 8",
        0.225: "that is precision times recall; then comes 2 / (precision + recall)",
        6 / 22: "the hits count twice, above and below: 2 tp / (2 tp + fp + fn)",
        0.984: "that is the accuracy; the 978 quiet transactions make it look good",
    },
)

q2 = Choice(
    hints=["Which average gives a class of 30 photos the same say as one of 2000?",
           "Work out what each one becomes when the rare class is never found."],
    answer='average = "macro"',
    why="Macro F1 averages over classes, so each class has the same say, however rare.",
    right="macro",
    replies={
        "micro": "micro pools all counts; with one label a photo it is the accuracy, and 30 photos "
                 "hardly move it",
        "weighted": "weighted gives each class a say in proportion to its photos: 30 in 2130",
        "accuracy": "a model that never finds the 30 still has an accuracy of 98.6 %",
        "binary": "binary scores one class and forgets the other two",
    },
)


def _one_hot(logits: Tensor, target: Tensor) -> Tensor:
    return F.one_hot(target, logits.shape[1]).to(logits.dtype)


def _each_class(p: Tensor, y: Tensor) -> Tensor:
    return 1 - 2 * (p * y).sum(0) / (p.sum(0) + y.sum(0))


_logits = torch.tensor([[2.0, 0.5, -1.0], [0.0, 1.0, 0.3], [-0.5, 0.2, 1.5], [1.0, 1.2, -0.7]])
_huge = torch.tensor([[90.0, 0.0, -30.0], [-90.0, 0.0, 5.0], [0.0, 90.0, 0.0]])

q3 = Function(
    hints=["p = softmax over dim 1, y = F.one_hot(target, C): tp is then (p * y).sum(dim=0), one "
           "count a class.",
           "Average over the classes that occur: each[y.sum(dim=0) > 0].mean()."],
    answer="""
def soft_macro_f1(logits, target):
    p = torch.softmax(logits, dim=1)
    y = F.one_hot(target, logits.shape[1])
    each = 1 - 2 * (p * y).sum(dim=0) / (p.sum(dim=0) + y.sum(dim=0))
    return each[y.sum(dim=0) > 0].mean()
""",
    why="One soft F1 a class, then their mean. Nothing about it is binary.",
    reference=lambda logits, target: soft_f1_loss(logits, target, average="macro"),
    cases=[(_logits, torch.tensor([0, 1, 2, 1])), (_logits, torch.tensor([0, 1, 1, 0])),
           (_huge, torch.tensor([0, 2, 1])), (_logits[:1], torch.tensor([2]))],
    absolute=1e-6,
    mistakes=[
        ("this averages over absent classes too; they have nothing to find and always count 1",
         lambda z, t: _each_class(torch.softmax(z, 1), _one_hot(z, t)).mean()),
        ("this is micro: you add up the counts of all classes before dividing",
         lambda z, t: soft_f1_loss(z, t, average="micro")),
        ("this is F1 itself; a loss must fall as the answers improve, so return 1 - F1",
         lambda z, t: 1 - soft_f1_loss(z, t, average="macro")),
        ("sigmoid scores each class alone; one label a sample wants softmax over dim 1",
         lambda z, t: _each_class(torch.sigmoid(z), _one_hot(z, t))[t.unique()].mean()),
        ("argmax is a decision and passes no gradient; count with the probabilities",
         lambda z, t: _each_class(_one_hot(z, z.argmax(1)), _one_hot(z, t))[t.unique()].mean()),
        ("the softmax runs over the samples (dim 0); it must run over the classes (dim 1)",
         lambda z, t: _each_class(torch.softmax(z, 0), _one_hot(z, t))[t.unique()].mean()),
        ("the hits must count twice, above and below; without that it is the Jaccard index",
         lambda z, t: (lambda f: (2 * f / (1 + f))[t.unique()].mean())(
             _each_class(torch.softmax(z, 1), _one_hot(z, t)))),
    ],
)


def _counts(logits: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    p = torch.sigmoid(logits)
    return (p * y).sum(), ((1 - p) * y).sum(), (p * (1 - y)).sum()


def _f_beta_loss(tp: Tensor, fn: Tensor, fp: Tensor, recall: float, precision: float) -> Tensor:
    return (recall * fn + precision * fp) / ((recall + precision) * tp + recall * fn
                                             + precision * fp)


_one_logit = torch.tensor([1.0, -2.0, 0.3, -0.4, 2.0])
_sure = torch.tensor([7.0, -6.0, 0.3, -7.0, 6.0])
_two = torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0])

q4 = Function(
    hints=["beta = 2 shall make recall count more. What lowers recall: a miss or a false alarm?",
           "beta squared belongs to fn, both above and below."],
    answer="""
def soft_f_beta(logits, y, beta):
    p = torch.sigmoid(logits)
    tp, fn, fp = (p * y).sum(), ((1 - p) * y).sum(), (p * (1 - y)).sum()
    wrong = beta**2 * fn + fp
    return wrong / ((1 + beta**2) * tp + wrong)
""",
    why="Misses lower recall, and beta > 1 favours recall, so beta squared weighs the misses. At "
        "beta = 1 the mistake cannot be seen, which is how it survives.",
    reference=lambda z, y, beta: soft_f1_loss(z, y, average="binary", beta=beta),
    cases=[(_one_logit, _two, 2.0), (_one_logit, _two, 0.5), (_one_logit, _two, 1.0),
           (_one_logit, 1 - _two, 3.0), (_sure, _two, 2.0)],
    absolute=1e-6,
    mistakes=[
        ("unchanged: beta squared weighs the false alarms, so beta = 2 favours precision",
         lambda z, y, b: _f_beta_loss(*_counts(z, y), 1, b**2)),
        ("nearly: F-beta takes the square of beta",
         lambda z, y, b: _f_beta_loss(*_counts(z, y), b, 1)),
        ("beta has no effect here; it must weigh the misses",
         lambda z, y, b: _f_beta_loss(*_counts(z, y), 1, 1)),
        ("this is F-beta itself, not one minus it",
         lambda z, y, b: 1 - _f_beta_loss(*_counts(z, y), b**2, 1)),
        ("the misses are weighed, but the hits still by 2: they must count 1 + beta squared",
         lambda z, y, b: (lambda tp, fn, fp: (b**2 * fn + fp) / (2 * tp + b**2 * fn + fp))(
             *_counts(z, y))),
        ("beta squared must weigh the misses both above and below; you changed only the numerator",
         lambda z, y, b: (lambda tp, fn, fp: (b**2 * fn + fp) / ((1 + b**2) * tp + fn + b**2 * fp))(
             *_counts(z, y))),
    ],
)

q5 = Number(
    hints=["One sample is negative with probability 0.99. And 64 of them?",
           "0.99 ** 64"],
    answer="no_positive = 0.99 ** 64",
    why="(1 - 0.01)^64 = 0.53: every second batch teaches nothing.",
    value=0.99**64,
    mistakes={
        1 - 0.99**64: "that is the probability of at least one positive",
        0.36: "chances multiply, they do not add: not 1 - 64 x 0.01",
        0.64: "64 x 0.01 is the mean number of positives, not a probability",
        0.99: "that is for one sample",
        0.0: "not that small: a batch without positives is no miracle at 1 %",
    },
)

q6 = Choice(
    hints=["What does clamp do to a probability of 0.0017, and to its gradient?",
           "Outside its limits clamp is constant."],
    answer='cause = "clamp"',
    why="Below 0.01 the clamp is flat, so every sample there has a gradient of exactly 0, and a "
        "prior-bias start puts them all there.",
    right="clamp",
    replies={
        "no positives": "there are positives, 2 of 10, and our own loss has a gradient there",
        "learning rate": "a gradient of exactly 0 stays 0 at any learning rate",
        "epsilon": "the denominator holds 2 positives, so it is far from 0 without one",
        "sigmoid": "its slope at 0.0017 is small but not 0, and our loss has the same sigmoid",
    },
)


def _f1_of(tp: Tensor, fp: Tensor, fn: Tensor) -> Tensor:
    return 2 * tp / (2 * tp + fp + fn)


_table = torch.tensor([[3, 1, 0], [0, 2, 1], [5, 0, 5], [1, 0, 0]])

q7 = Function(
    hints=["First add up the counts of all batches, then divide once.",
           "tp, fp, fn = counts.sum(dim=0)"],
    answer="""
def epoch_f1(counts):
    tp, fp, fn = counts.sum(dim=0)
    return 2 * tp / (2 * tp + fp + fn)
""",
    why="F1 is a ratio of sums: pool the counts, divide once. A mean of ratios is not that.",
    reference=lambda counts: _f1_of(*counts.sum(dim=0)),
    cases=[(_table,), (torch.tensor([[0, 0, 0], [2, 1, 1]]),), (_table[:1],)],
    mistakes=[
        ("this is the mean of the batches' F1, and nan as soon as a batch has nothing to count",
         lambda c: _f1_of(*c.T).mean()),
        ("this is the mean over the batches that have something to count; pool the counts instead",
         lambda c: _f1_of(*c.T).nanmean()),
        ("this is the mean of the batches' F1 with 0 for empty ones; pool the counts instead",
         lambda c: _f1_of(*c.T).nan_to_num(0).mean()),
        ("this is the F1 of the last batch only", lambda c: _f1_of(*c[-1])),
        ("this is the precision: the misses do not enter",
         lambda c: c.sum(0)[0] / (c.sum(0)[0] + c.sum(0)[1])),
        ("the hits must count twice, above and below",
         lambda c: c.sum(0)[0] / c.sum()),
    ],
)

q8 = Number(
    hints=["F1 with alarms for the first group, for the first two, for all three: which is best?",
           "Expected positives: 9 + 8 + 7 = 24. The first two groups: 2 * 17 / (30 + 24)."],
    answer="cut = 2 * 17 / (30 + 24) / 2",
    why="F* = 34/54 = 0.63, so the cut is 0.31: the group at 0.4 is in, the one at 0.1 is out.",
    value=17 / 54,
    within=0.02,
    mistakes={
        34 / 54: "that is F*; the cut is half of it",
        9 / 34: "half of 18/34, the F1 of the first group alone: the second one raises F1",
        24 / 124: "half of 48/124, the F1 with alarms for all: better leave the third group out",
        0.5: "0.5 is the cut for the fewest errors, not for the best F1",
        0.4: "0.4 is in the right place, but the rule gives a number: half of F*",
    },
)
