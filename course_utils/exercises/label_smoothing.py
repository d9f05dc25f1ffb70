"""Exercises of notebook 03."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from . import Choice, Function, Number

_logits = torch.tensor([[2.0, 0.0, -1.0, 0.5], [0.0, 3.0, 1.0, -2.0], [1.0, 1.0, 0.0, 0.0]])
_target = torch.tensor([0, 2, 3])
_two = torch.tensor([[0.5, -0.5], [-30.0, 30.0]])
_far = torch.tensor([[-300.0, 300.0]])  # its softmax underflows: exactly 0 and 1
_UNDERFLOW = "softmax and then log gives ln 0 for far logits: use log_softmax"


def _entropy(*target: float) -> float:
    return -sum(q * math.log(q) for q in target)


q1 = Function(
    hints=["Ask what the true class loses: eps there, e - e/K in torch. The two must be equal.",
           "Solve e - e/K = eps for e."],
    answer="""
def for_torch(eps, K):
    return eps * K / (K - 1)
""",
    why="In torch the true class gets e/K back, so e must be larger by the factor K/(K - 1).",
    reference=lambda eps, K: torch.tensor(eps * K / (K - 1)),
    cases=[(0.1, 2), (0.1, 10), (0.3, 5), (0.0, 3)],
    mistakes=[
        ("the other way round: this turns torch's eps into that of the others",
         lambda eps, K: eps * (K - 1) / K),
        ("the two conventions differ, most of all for few classes", lambda eps, K: eps),
        ("this is what each of the other classes gets, not an argument for torch",
         lambda eps, K: eps / (K - 1)),
        ("this is what *all* classes together get by torch's e = eps K; only one K/(K - 1) is due",
         lambda eps, K: eps * K),
        ("this takes the others' share for the whole: divide by K - 1, and multiply by K",
         lambda eps, K: eps / K),
    ],
)


def _smoothed(logits: Tensor, target: Tensor, true: float, other: float) -> Tensor:
    """The mean cross entropy against ``true`` for the target's class and ``other`` elsewhere."""
    return _against(F.log_softmax(logits, dim=1), target, true, other)


def _against(log_p: Tensor, target: Tensor, true: float, other: float) -> Tensor:
    q = torch.full_like(log_p, other).scatter(1, target[:, None], true)
    return -(q * log_p).sum(dim=1).mean()


q2 = Function(
    hints=["Make the target q first: eps/(K - 1) everywhere, then 1 - eps for the true class.",
           "torch.full_like(logits, eps / (K - 1)).scatter(1, target[:, None], 1 - eps) is q; the "
           "loss is the mean over the samples of -(q * log_softmax).sum(dim=1)."],
    answer="""
def smooth_others(logits, target, eps):
    K = logits.shape[1]
    q = torch.full_like(logits, eps / (K - 1)).scatter(1, target[:, None], 1 - eps)
    return -(q * F.log_softmax(logits, dim=1)).sum(dim=1).mean()
""",
    why="It is also F.cross_entropy(..., label_smoothing=eps * K / (K - 1)).",
    reference=lambda z, t, eps: _smoothed(z, t, 1 - eps, eps / (z.shape[1] - 1)),
    cases=[(_logits, _target, 0.1), (_logits[:1], _target[:1], 0.3),
           (_two, torch.tensor([0, 1]), 0.2), (_far, torch.tensor([0]), 0.2)],
    mistakes=[
        (_UNDERFLOW, lambda z, t, eps: _against(torch.softmax(z, dim=1).log(), t, 1 - eps,
                                                eps / (z.shape[1] - 1))),
        ("this is torch's convention, eps/K over all classes; here the true class keeps 1 - eps",
         lambda z, t, eps: F.cross_entropy(z, t, label_smoothing=eps)),
        ("your target does not sum to 1: 1 - eps goes with eps/(K - 1) for the others, not eps/K",
         lambda z, t, eps: _smoothed(z, t, 1 - eps, eps / z.shape[1])),
        ("each other class gets a whole eps; they must share it",
         lambda z, t, eps: _smoothed(z, t, 1 - eps, eps)),
        ("right for each sample; but the loss is the mean over the samples, not the sum",
         lambda z, t, eps: len(t) * _smoothed(z, t, 1 - eps, eps / (z.shape[1] - 1))),
        ("this is a mean over samples *and* classes, K times too small: sum over the classes first",
         lambda z, t, eps: _smoothed(z, t, 1 - eps, eps / (z.shape[1] - 1)) / z.shape[1]),
        ("nothing is smoothed: this is plain cross entropy",
         lambda z, t, eps: F.cross_entropy(z, t)),
    ],
)

q3 = Number(
    hints=["At its best the model says exactly the target: p = q.",
           "What remains is the entropy of q: -(0.85 ln 0.85 + 3 * 0.05 ln 0.05)."],
    answer="lowest = -(0.85 * math.log(0.85) + 3 * 0.05 * math.log(0.05))",
    why="A smoothed loss never gets below the entropy of its target: 0.588 nats here.",
    value=_entropy(0.85, 0.05, 0.05, 0.05),
    mistakes={
        0.0: "0 would need p = 1 for the true class, and the other classes have a share of the "
             "target: ln 0 for each of them",
        -math.log(0.85): "that is only the surprise of the true class; the others have a share too",
        _entropy(0.8, *[0.2 / 3] * 3): "that is the convention of the others; torch's true class "
                                       "gets 1 - eps + eps/K = 0.85",
        _entropy(0.85, 0.15): "the 0.15 is shared by three classes, and each pays its own ln",
        _entropy(0.85, 0.05, 0.05, 0.05) / math.log(10): "that is base 10; losses are in nats",
        math.log(4): "that is the entropy of knowing nothing, 1/4 each",
    },
)

q4 = Number(
    hints=["At the optimum p = q, and a difference of logits is the logarithm of a ratio of "
           "probabilities.",
           "0.85 against 0.05."],
    answer="gap = math.log(0.85 / 0.05)",
    why="ln 17 = 2.833. Plain cross entropy has no such end: its gap grows as long as we train.",
    value=math.log(17),
    within=0.02,
    mistakes={
        17.0: "that is the ratio of the probabilities; logits differ by its logarithm",
        math.log(0.85 / 0.15): "that is against the three others together; the gap is against one",
        math.log(12): "that is the convention of the others, 0.8 against 0.2/3",
        math.log10(17): "that is base 10",
        0.8: "that is the difference of the probabilities; logits live on a logarithmic scale",
        math.log(16): "0.8 against 0.05: torch's true class gets its share of eps back, 0.85",
    },
)

q5 = Choice(
    hints=["Add up what the target gives to the four classes.",
           "0.9 + 3 * 0.1. What must a target sum to?"],
    answer='bug = "sum"',
    why="The target sums to 0.9 + 3 * 0.1 = 1.2: it is 1.2 times (0.75, 0.08, 0.08, 0.08). The "
        "model ends at p = 0.75 instead of 0.9, a smoothing far stronger than its name says.",
    right="sum",
    replies={
        "full_like": "nearly: that line makes it wrong; what does the target then sum to?",
        "log": "F.log_softmax gives natural logarithms and is safe for any logits",
        "scatter": "scatter puts 1 - eps at the true class of each row, as it should",
        "gradient": "q needs no gradient, and the logits get theirs through log_softmax",
        "mean": "the sum over classes and the mean over samples are right",
    },
)


def _kl(log_p: Tensor, q: Tensor) -> Tensor:
    return (q * (q.log() - log_p)).sum(dim=1).mean()


_q = torch.tensor([[0.85, 0.05, 0.05, 0.05], [0.1, 0.1, 0.7, 0.1], [0.25, 0.25, 0.25, 0.25]])

q6 = Function(
    hints=["F.kl_div wants *log*-probabilities first; probabilities would be taken for them.",
           'Its default reduction divides by N * K. reduction="batchmean" divides by N.'],
    answer="""
def kl_loss(logits, q):
    return F.kl_div(F.log_softmax(logits, dim=1), q, reduction="batchmean")
""",
    why="It is cross entropy against q minus the entropy of q: another value, the same gradient.",
    reference=lambda z, q: _kl(F.log_softmax(z, dim=1), q),
    cases=[(_logits, _q), (_logits[:1], _q[:1]), (torch.tensor([[300.0, 0, 0, -300]]), _q[:1])],
    absolute=1e-6,  # KL is a difference of near-equal numbers
    mistakes=[
        (_UNDERFLOW, lambda z, q: _kl(torch.softmax(z, dim=1).log(), q)),
        ('still a mean over samples and classes: reduction="batchmean" divides by N only',
         lambda z, q: _kl(F.log_softmax(z, dim=1), q) / z.shape[1]),
        ("F.kl_div takes log-probabilities first; it cannot know that these are probabilities",
         lambda z, q: _kl(torch.softmax(z, dim=1), q)),
        ("both bugs are still there: probabilities for log-probabilities, and a mean over N * K",
         lambda z, q: _kl(torch.softmax(z, dim=1), q) / z.shape[1]),
        ("these are logits; F.kl_div wants log-probabilities, so take log_softmax first",
         lambda z, q: _kl(z, q)),
        ('a sum over the samples; reduction="batchmean" divides by N',
         lambda z, q: _kl(F.log_softmax(z, dim=1), q) * len(z)),
        ("the roles are swapped: this is KL of q from p, weighted by the model's own p",
         lambda z, q: F.kl_div(q.log(), torch.softmax(z, dim=1), reduction="batchmean")),
        ("this is the cross entropy against q, which has the right gradient; KL also subtracts the "
         "entropy of q",
         lambda z, q: F.cross_entropy(z, q)),
    ],
)

q7 = Number(
    hints=["Smoothing turned eta into (1 - eps) eta + eps/2. Go back.",
           "(0.23 - 0.05) / 0.9"],
    answer="truth = (0.23 - 0.05) / 0.9",
    why="0.9 * 0.2 + 0.05 = 0.23: the smoothing is known, so it can be undone.",
    value=0.2,
    within=0.005,
    mistakes={
        0.23: "that is what the model says; smoothing moved it",
        0.9 * 0.23 + 0.05: "this smooths a second time; to undo, subtract eps/2 first",
        0.23 / 0.9: "the eps/2 is still in it: subtract it before you divide",
        (0.23 - 0.1) / 0.9: "of two classes each gets eps/2 = 0.05, not eps",
        0.23 - 0.05: "now divide by 1 - eps",
        0.13 / 0.8: "that undoes the convention of the others; torch's two classes get eps/2 each",
    },
)

q8 = Choice(
    hints=["Is the model over- or under-confident?",
           "It is right more often than it says. Logits divided by a T below 1 get larger."],
    answer='cure = "T below 1"',
    why="The model is under-confident: right more often than it says. T < 1 sharpens every answer, "
        "moves no decision, and is fitted on validation data in a second. What smoothing did for "
        "the decisions stays.",
    right="t below 1",
    replies={
        "t above 1": "that softens the answers; this model already says less than it could",
        "more smoothing": "that lowers the confidence further, and needs a new training",
        "another threshold": "the decisions are fine; it is the stated probabilities that are not",
        "nothing": "0.96 right against 0.82 stated: a difference of 0.14 can be mended for free",
    },
)
