"""Exercises of notebook 01."""

import math

import torch
import torch.nn.functional as F

from . import Choice, Function, Number

_logits = torch.tensor([[1.0, 2.0, 3.0], [0.5, -1.0, 0.0]])
_huge = torch.tensor([[1000.0, 0.0, -1000.0], [-2000.0, -2000.0, -2001.0]])
_target = torch.tensor([2, 0])

q1 = Function(
    hints=["You need z minus the log-sum-exp of its row.",
           "torch.logsumexp(z, dim=1, keepdim=True) has shape (N, 1) and broadcasts over a row."],
    answer="""
def log_softmax(z):
    return z - torch.logsumexp(z, dim=1, keepdim=True)
""",
    why="Nothing that is exponentiated can overflow, and no probability that could be 0 is formed.",
    reference=lambda z: F.log_softmax(z, dim=1),
    cases=[(_logits,), (_huge,)],
    tolerance=1e-3,  # at 2000, float32 leaves four digits
    mistakes=[
        ("right for small logits, but exp overflows at 1000: subtract the largest first, or use "
         "torch.logsumexp",
         lambda z: torch.log(torch.exp(z) / torch.exp(z).sum(1, keepdim=True))),
        ("this is the logarithm of a finished softmax: -inf where a probability rounds to 0",
         lambda z: torch.log(torch.softmax(z, 1))),
        ("this is softmax itself; the logarithm is missing", lambda z: torch.softmax(z, 1)),
        ("you normalise over the samples (dim 0) instead of the classes (dim 1)",
         lambda z: F.log_softmax(z, dim=0)),
        ("this is minus the answer: log-probabilities are never positive",
         lambda z: -F.log_softmax(z, dim=1)),
        ("this logarithm has base 10; the course uses the natural one",
         lambda z: F.log_softmax(z, dim=1) / math.log(10)),
    ],
)

q2 = Number(
    hints=["The surprise is -ln p.", "ln 4 = 2 ln 2, and ln 2 = 0.693."],
    answer="surprise = -math.log(0.25)",
    why="-ln(1/4) = ln 4 = 1.386 nats, which is 2 bits.",
    value=math.log(4),
    mistakes={
        math.log10(4): "that is base 10; nats use the natural logarithm",
        2.0: "that is in bits (base 2); what is it in nats?",
        -math.log(4): "the sign: a surprise is never negative",
        0.75: "1 - p is a kind of error, but not the surprise -ln p",
        0.25: "that is p itself; the surprise is -ln p",
    },
)

q3 = Choice(
    hints=["How low can the loss go if the last layer's outputs lie between 0 and 1?",
           "ln(e + 9) - 1 = 1.46."],
    answer='cause = "softmax twice"',
    why="1.46 = ln(e + 9) - 1 is the floor of ten classes when probabilities are taken for logits.",
    right="softmax twice",
    replies={
        "learning rate too high": "then the loss would jump or become nan, and not settle at 1.47",
        "labels shuffled": "then nothing could be learned: the loss would stay near ln 10 = 2.30",
        "too few epochs": "the loss has settled; more epochs would not move it below 1.46",
        "class weights": "they shift beliefs between classes but leave no floor of 1.46",
    },
)


def _gradient(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return (torch.softmax(logits, 1) - F.one_hot(target, logits.shape[1])).detach() / len(target)


q4 = Function(
    hints=["For one sample it is p - y, with y one-hot.",
           "F.one_hot(target, 3) makes y; the loss is a mean over N samples."],
    answer="""
def gradient(logits, target):
    p = torch.softmax(logits, dim=1)
    y = F.one_hot(target, logits.shape[1])
    return (p - y) / len(target)
""",
    why="Probability minus target, divided by N because the loss is a mean.",
    reference=_gradient,
    cases=[(_logits, _target), (_huge, _target), (_logits[:1], _target[:1])],
    mistakes=[
        ("right for one sample; but the loss is a mean over the batch, so divide by N",
         lambda z, t: _gradient(z, t) * len(t)),
        ("the sign: this is y - p, the direction of the step, not the gradient",
         lambda z, t: -_gradient(z, t)),
        ("this is p / N; the target is missing",
         lambda z, t: torch.softmax(z, 1) / len(t)),
        ("y - 1 where it should be p - y: where are the probabilities?",
         lambda z, t: (F.one_hot(t, z.shape[1]) - 1.0) / len(t)),
        ("these are the logits minus the target; turn the logits into probabilities first",
         lambda z, t: (z - F.one_hot(t, z.shape[1])) / len(t)),
    ],
)

q5 = Number(
    hints=["A weight multiplies the odds: 20 times eta / (1 - eta).",
           "The odds are 20 * 0.05 / 0.95 = 1.053; turn them back into a probability."],
    answer="belief_5_percent = 20 * 0.05 / (20 * 0.05 + 0.95)",
    why="Odds 1 to 19 become 20 to 19: 20/39 = 0.513. An alarm at 0.5 now means one in twenty.",
    value=20 / 39,
    mistakes={
        1.0: "20 times 0.05 is the numerator only; the normal ones still count",
        20 / 19: "these are the odds; as a probability that is odds / (1 + odds)",
        0.05: "that is the truth; a weighted loss says something else",
        0.95: "that is the share of the others",
        0.0025: "you divided by the weight; training with a weight goes the other way",
    },
)

q6 = Function(
    hints=["Odds, divide by w, and back.",
           "odds = p / (1 - p) / w, then odds / (1 + odds)."],
    answer="""
def unweight(p, w):
    odds = p / (1 - p) / w
    return odds / (1 + odds)
""",
    why="p / (p + w (1 - p)): the weight multiplied the odds, so dividing them undoes it.",
    reference=lambda p, w: p / (p + w * (1 - p)),
    cases=[(torch.tensor([0.1, 0.5, 0.53, 0.9]), 10.0), (torch.tensor([0.3]), 1.0),
           (torch.tensor([0.2, 0.8]), 0.25)],
    mistakes=[
        ("a weight multiplies the odds, not the probability: p / w is too small for large p",
         lambda p, w: p / w),
        ("this weights a second time; to undo, divide the odds by w",
         lambda p, w: w * p / (w * p + 1 - p)),
        ("these are the odds; turn them back into a probability",
         lambda p, w: p / (1 - p) / w),
        ("this is p unchanged", lambda p, w: p * 1.0),
    ],
)
