"""Exercises of notebook 03."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from . import Choice, Function, Number

_logits = torch.tensor([[2.0, 0.0, -1.0, 0.5], [0.0, 3.0, 1.0, -2.0], [1.0, 1.0, 0.0, 0.0]])
_target = torch.tensor([0, 2, 3])
_three = torch.tensor([[0.3, -1.2, 2.0], [1.5, 0.2, -0.4], [-2.0, 0.9, 0.1], [0.0, 0.0, 1.0],
                       [-0.7, -0.1, 0.6]])
_far = torch.tensor([[-300.0, 300.0]])  # its softmax underflows: exactly 0 and 1
_UNDERFLOW = ("for logits that lie far apart softmax gives exactly 0, and ln 0 is infinite: take "
              "log_softmax in one step")


def _entropy(*target: float) -> float:
    return -sum(q * math.log(q) for q in target)


q1 = Function(
    hints=["Compare what one *wrong* class gets in each of the two conventions.",
           "PyTorch gives label_smoothing / K to a wrong class. The paper gives it eps / (K - 1).",
           "Set the two shares equal, and solve for label_smoothing."],
    answer="""
def for_torch(eps, K):
    return eps * K / (K - 1)
""",
    why="PyTorch gives the true class a part of the smoothing back, so it needs a larger one.",
    reference=lambda eps, K: eps * K / (K - 1),
    cases=[(0.1, 2), (0.1, 10), (0.3, 5), (0.0, 3), (0.2, 1000)],
    mistakes=[
        ("this is the opposite direction: it takes PyTorch's value and gives that of the others",
         lambda eps, K: eps * (K - 1) / K),
        ("with the same value the targets differ, most of all for few classes: look at the ratios "
         "in the section", lambda eps, K: eps),
        ("this is what each wrong class gets by the paper; PyTorch divides its argument by K, so "
         "it would give each wrong class K times too little",
         lambda eps, K: eps / (K - 1)),
        ("with ten classes and eps = 0.1 this asks PyTorch for a smoothing of 1, and then all "
         "classes have the same target; each wrong class should have eps / (K - 1)",
         lambda eps, K: eps * K),
        ("with ten classes and eps = 0.1 this asks PyTorch for a smoothing of 0.9; each wrong "
         "class should have eps / (K - 1), and PyTorch divides by K",
         lambda eps, K: eps * (K - 1)),
        ("this is what each class gets if all K share eps; but here the K - 1 others share it, and "
         "PyTorch divides its argument by K itself",
         lambda eps, K: eps / K),
        ("this is the target of the true class, and PyTorch wants the smoothing",
         lambda eps, K: 1 - eps),
        ("the difference of 1 belongs to the number of the *others*, which is K - 1",
         lambda eps, K: eps * (K + 1) / K),
    ],
)

q2 = Number(
    hints=["The loss is lowest where its slope p - q is zero. What is p there?",
           "There p = q, so the loss is the sum of -q ln q over the four classes. Write down the "
           "four numbers in q first.",
           "The true class has 0.85 and each of the three others has 0.05. Every one of the four "
           "pays its own -q ln q."],
    answer="lowest = -(0.85 * math.log(0.85) + 3 * 0.05 * math.log(0.05))",
    why="The best possible answer is p = q, and it still costs the entropy of the target: 0.588 "
        "nats here.",
    value=_entropy(0.85, 0.05, 0.05, 0.05),
    mistakes={
        0.0: "a loss of 0 would need p = 1 for the true class, but then the wrong classes, which "
             "have a share of the target, would cost -ln 0 each",
        -math.log(0.85): "this is the surprise of the true class alone, and without its factor; "
                         "all four classes are in the sum",
        -0.85 * math.log(0.85): "this is the term of the true class; the wrong classes have terms "
                                "too",
        _entropy(0.85, 0.05): "there are three wrong classes, and each has a term",
        _entropy(0.8, *[0.2 / 3] * 3): "this is the convention of the others; PyTorch's true class "
                                       "gets 1 - eps + eps/K",
        _entropy(0.85, 0.15): "the 0.15 is shared by three classes, and each takes the logarithm "
                              "of its own share",
        _entropy(0.91, *[0.01] * 9): "this is the example with ten classes and 0.1, or a target of "
                                     "0.8 and 0.2; here four classes share 0.2",
        _entropy(0.85, 0.05, 0.05, 0.05) / math.log(10): "this is with the logarithm to base 10; "
                                                         "losses are in nats",
        _entropy(0.85, 0.05, 0.05, 0.05) / math.log(2): "this is in bits; losses are in nats",
        -_entropy(0.85, 0.05, 0.05, 0.05): "the sign: logarithms of numbers below 1 are negative, "
                                           "and a loss is positive",
        math.log(4): "this is the loss of knowing nothing, 1/4 for each class",
        0.85: "this is the target of the true class; the question is about the loss",
    },
)

q3 = Number(
    hints=["What does an ideal model say, trained with this smoothing, if the truth is eta?",
           "It says (1 - eps) eta + eps/2, and eps is 0.1 here.",
           "So 0.23 is 0.9 eta plus 0.05. Which eta is it?"],
    answer="truth = (0.23 - 0.05) / 0.9",
    why="0.9 * 0.2 + 0.05 = 0.23. In general eta = (p - eps/2) / (1 - eps): the smoothing is "
        "known, so it can be undone.",
    value=0.2,
    within=0.005,
    mistakes={
        0.23: "this is what the model says, and smoothing has moved it",
        0.9 * 0.23 + 0.05: "this smooths a second time; you need the opposite direction",
        0.23 / 0.9: "the eps/2 is still in it: subtract it before you divide",
        (0.23 - 0.1) / 0.9: "with two classes each gets eps/2 = 0.05, and not eps",
        0.23 - 0.05: "now divide by the factor of eta, 1 - eps",
        0.23 - 0.1: "subtract what a class gets, eps/2, and then divide by 1 - eps",
        (0.23 - 0.05) / 0.95: "the factor of eta is 1 - eps, and not 1 - eps/2",
        (0.23 - 0.01) / 0.9: "this is for ten classes; two classes get eps/2 each",
        0.13 / 0.8: "this undoes the convention of the others; PyTorch's two classes get eps/2 "
                    "each",
        20.0: "in per cent; give it as a number between 0 and 1",
    },
)

q4 = Choice(
    hints=["Compare 0.96 with 0.82. Is the network over-confident or under-confident?",
           "It is under-confident, so its probabilities have to become sharper, while the order of "
           "the classes stays.",
           "Dividing all logits by a number keeps the order. For which numbers do the logits "
           "become larger?"],
    answer='cure = "T below 1"',
    why="The network is under-confident: it is right more often than it says. A temperature below "
        "1 sharpens its answers, changes no decision, and takes a second on validation data.",
    right="t below 1",
    replies={
        "t above 1": "this makes the probabilities softer, and the network already says less than "
                     "it could",
        "more smoothing": "this lowers the confidence further, and it needs a new training",
        "another threshold": "a threshold changes decisions, and leaves the stated probabilities "
                             "as they are",
        "nothing": "it is right in 96 of 100 cases and says 82: the probabilities are not honest, "
                   "and correcting them costs a second",
    },
)


def _smoothed(logits: Tensor, target: Tensor, true: float, other: float) -> Tensor:
    """The mean cross entropy against ``true`` for the target's class and ``other`` elsewhere."""
    return _against(F.log_softmax(logits, dim=1), target, true, other)


def _against(log_p: Tensor, target: Tensor, true: float, other: float) -> Tensor:
    q = torch.full_like(log_p, other).scatter(1, target[:, None], true)
    return -(q * log_p).sum(dim=1).mean()


def _others(logits: Tensor, eps: float) -> float:
    return eps / (logits.shape[1] - 1)


q5 = Function(
    hints=["Make the targets q first, as in section 1. How much does the true class get by this "
           "convention, and how much does each other class get?",
           "F.one_hot(target, K) is 1 for the true class, so 1 - F.one_hot(target, K) is 1 for "
           "each of the others. Give each of the two its share, and add them.",
           "The rest is section 1: multiply q by log_softmax, sum over the classes, change the "
           "sign. You then have one value per sample, and the question asks for one per batch."],
    answer="""
def smooth_others(logits, target, eps):
    K = logits.shape[1]
    true = F.one_hot(target, K)
    q = (1 - eps) * true + eps / (K - 1) * (1 - true)
    return -(q * F.log_softmax(logits, dim=1)).sum(dim=1).mean()
""",
    why="It equals F.cross_entropy(logits, target, label_smoothing=eps * K / (K - 1)).",
    reference=lambda z, t, eps: _smoothed(z, t, 1 - eps, _others(z, eps)),
    gradient=True,
    cases=[(_logits, _target, 0.1), (_logits[1:2], _target[1:2], 0.3),
           (_three, torch.tensor([2, 2, 0, 0, 2]), 0.2),
           (_three[:3], torch.tensor([2, 0, 1]), 0.4),
           (torch.tensor([[0.5, -0.5], [-30.0, 30.0]]), torch.tensor([1, 0]), 0.2),
           (_far, torch.tensor([0]), 0.2), (_logits, _target, 0.0)],
    mistakes=[
        (_UNDERFLOW, lambda z, t, eps: _against(torch.softmax(z, dim=1).log(), t, 1 - eps,
                                                _others(z, eps))),
        ("this is PyTorch's convention, eps/K for all classes; here the true class keeps 1 - eps",
         lambda z, t, eps: F.cross_entropy(z, t, label_smoothing=eps)),
        ("the true class gets eps/(K - 1) on top of 1 - eps, so the target sums to more than 1; "
         "only the others share eps",
         lambda z, t, eps: _smoothed(z, t, 1 - eps + _others(z, eps), _others(z, eps))),
        ("the target sums to less than 1: the others share eps, and there are K - 1 of them, not K",
         lambda z, t, eps: _smoothed(z, t, 1 - eps, eps / z.shape[1])),
        ("each of the other classes gets a whole eps; they have to share it",
         lambda z, t, eps: _smoothed(z, t, 1 - eps, eps)),
        ("the conversion to PyTorch's argument goes in the other direction: by K / (K - 1)",
         lambda z, t, eps: F.cross_entropy(
             z, t, label_smoothing=eps * (z.shape[1] - 1) / z.shape[1])),
        ("right for each sample, but the loss is the mean over the batch and not the sum",
         lambda z, t, eps: len(t) * _smoothed(z, t, 1 - eps, _others(z, eps))),
        ("right for each sample, but the question asks for their mean, one number",
         lambda z, t, eps: torch.stack([
             _smoothed(z[i:i + 1], t[i:i + 1], 1 - eps, _others(z, eps)) for i in range(len(t))])),
        ("this is a mean over samples *and* classes, K times too small: sum over the classes first",
         lambda z, t, eps: _smoothed(z, t, 1 - eps, _others(z, eps)) / z.shape[1]),
        ("the sign: -q ln p is positive",
         lambda z, t, eps: -_smoothed(z, t, 1 - eps, _others(z, eps))),
        ("nothing is smoothed: this is plain cross entropy",
         lambda z, t, eps: F.cross_entropy(z, t)),
        ("only the true class has a term here; the others have their share of the target too",
         lambda z, t, eps: (1 - eps) * F.cross_entropy(z, t)),
    ],
)

q6 = Choice(
    hints=["Write down the four numbers of q for a sample of class 0. What must a target sum to?",
           "It is (0.9, 0.1, 0.1, 0.1), which is too much. And 0.9 / 1.2 is the 0.75 at which the "
           "model ends.",
           "The true class has its 0.9, as it should. So which line gives the *others* too much?"],
    answer='bug = "full_like"',
    why="It fills in a whole eps for each of the other classes, where they should share it: "
        "eps / (K - 1). The target sums to 1.2, and the model ends at 0.9 / 1.2 = 0.75.",
    right="full_like",
    replies={
        "log_softmax": "this line is right: natural logarithms, over the classes, safe for any "
                       "logits",
        "no_grad": "this does no harm: the targets need no gradient, and the logits get theirs "
                   "through log_p",
        "scatter": "this writes 1 - eps for the true class of each row, which is right in this "
                   "convention; look at the other entries",
        "sum": "the sum over the classes is what cross entropy asks for; look at what is summed",
        "mean": "the mean over the samples is right, and would not change where the model ends",
    },
)


def _kl(log_p: Tensor, q: Tensor) -> Tensor:
    return (q * (q.log() - log_p)).sum(dim=1).mean()


_q = torch.tensor([[0.85, 0.05, 0.05, 0.05], [0.1, 0.1, 0.7, 0.1], [0.25, 0.25, 0.25, 0.25]])
_q3 = torch.tensor([[0.9, 0.05, 0.05], [0.2, 0.3, 0.5], [0.1, 0.8, 0.1], [0.6, 0.2, 0.2],
                    [0.05, 0.05, 0.9]])

q7 = Function(
    hints=["Look up two things in the documentation of kl_div: what its first argument has to be, "
           "and what the mean of its default reduction goes over.",
           "The first argument has to hold *logarithms* of probabilities. So one function in the "
           "code has to be replaced by another one.",
           "The default mean goes over samples and classes, so the loss is K times too small. "
           "Another value of `reduction` divides by the size of the batch only."],
    answer="""
def kl_loss(logits, q):
    return F.kl_div(F.log_softmax(logits, dim=1), q, reduction="batchmean")
""",
    why="It is the cross entropy with q minus the entropy of q. So it has another value and the "
        "same gradient, and its lowest value is 0.",
    reference=lambda z, q: _kl(F.log_softmax(z, dim=1), q),
    cases=[(_logits, _q), (_logits[:1], _q[:1]), (_three, _q3),
           (torch.tensor([[300.0, 0, 0, -300]]), _q[:1])],
    absolute=1e-6,  # KL is a difference of near-equal numbers
    mistakes=[
        (_UNDERFLOW, lambda z, q: _kl(torch.softmax(z, dim=1).log(), q)),
        ("one bug is left: this is a mean over samples and classes, K times too small",
         lambda z, q: _kl(F.log_softmax(z, dim=1), q) / z.shape[1]),
        ("one bug is left: kl_div takes logarithms of probabilities first, and these are "
         "probabilities", lambda z, q: _kl(torch.softmax(z, dim=1), q)),
        ("both bugs are still there",
         lambda z, q: _kl(torch.softmax(z, dim=1), q) / z.shape[1]),
        ("kl_div takes logarithms of probabilities first, and these are logits",
         lambda z, q: _kl(z, q)),
        ("kl_div takes logarithms of probabilities first, and these are logits; and this is a mean "
         "over samples and classes", lambda z, q: _kl(z, q) / z.shape[1]),
        ("this is the sum over the samples, and the question asks for the mean",
         lambda z, q: _kl(F.log_softmax(z, dim=1), q) * len(z)),
        ("this is the softmax over the samples (dim=0); each row of logits belongs together",
         lambda z, q: _kl(F.log_softmax(z, dim=0), q)),
        ("the roles are swapped: this is the sum of p ln(p / q), weighted by the model's own p",
         lambda z, q: F.kl_div(q.log(), torch.softmax(z, dim=1), reduction="batchmean")),
        ("this is the cross entropy with q, which has the right gradient; the divergence also "
         "subtracts the entropy of q", lambda z, q: F.cross_entropy(z, q)),
    ],
)

q8 = Number(
    hints=["At the bottom of the loss p = q. What does a gap of ln 19 say about the two targets?",
           "The target of the true class is 19 times that of the wrong one. Write both of them "
           "with eps, by PyTorch's convention.",
           "They are 1 - eps/2 and eps/2, they sum to 1, and one is 19 times the other. So how "
           "large is the smaller one?"],
    answer="smoothing_used = 2 / 20",
    why="The targets are 0.95 and 0.05, so eps/2 = 0.05. A trained network betrays its smoothing.",
    value=0.1,
    within=0.01,
    mistakes={
        0.05: "this is the target of the wrong class, eps/2 (or the smoothing in the convention of "
              "the others)",
        0.95: "this is the target of the true class; the smoothing is what it lacks, and a part of "
              "that it gets back",
        0.9: "this is 1 - eps",
        1 / 19: "this is the ratio of the two targets; they also sum to 1",
        2 / 19: "the ratio of the targets is (2 - eps) / eps, and not 2 / eps",
        2 / 18: "a sign: 2 - eps = 19 eps gives 20 eps on one side",
        19.0: "this is the ratio of the targets; which eps makes it so?",
        math.log(19): "this is the gap between the logits",
        10 / 28: "this is for ten classes; here are two",
    },
)
