"""Exercises of notebook 02."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..losses import focal_loss
from . import Choice, Function, Number

q1 = Number(
    hints=["The factor is (1 - p_t)^gamma; what is still missing at p_t = 0.8?",
           "0.2 squared is 0.04. How many times smaller is that?"],
    answer="times_smaller = 1 / (1 - 0.8) ** 2",
    why="(1 - 0.8)^2 = 1/25. The surprise -ln p_t stands in both losses and cancels.",
    value=25.0,
    mistakes={
        0.04: "that is the factor itself; how many times *smaller* does it make the loss?",
        5.0: "that would be gamma = 1; at gamma = 2 what is missing is squared",
        1 / 0.64: "you squared p_t; the factor is the power of what is missing, 1 - p_t",
        2.5: "that is 1 / (gamma (1 - p_t)); gamma is an exponent, not a factor",
        100.0: "that is the ratio at p_t = 0.9",
    },
)

q2 = Number(
    hints=["The slope is (1 - p_t)^gamma (gamma p_t ln p_t + p_t - 1).",
           "At one half and gamma 2: 0.25 (ln 0.5 - 0.5), and ln 0.5 = -0.693."],
    answer="slope_at_half = 0.25 * (2 * 0.5 * math.log(0.5) + 0.5 - 1)",
    why="0.25 (-0.693 - 0.5) = -0.298, against -0.5 for cross entropy.",
    value=0.25 * (math.log(0.5) - 0.5),
    mistakes={
        -0.5: "that is the slope of cross entropy, p_t - 1",
        -0.125: "you let the factor (1 - p_t)^2 stand still: it changes with the logit too",
        -0.25 * (math.log(0.5) - 0.5): "the sign: a larger logit of the true class lowers the loss",
        math.log(0.5) - 0.5: "this is the slope against p_t; a logit moves p_t by p_t (1 - p_t)",
        0.25 * math.log(0.5): "this comes from the factor alone; the surprise changes as well",
        0.25 * (math.log10(0.5) - 0.5): "this logarithm has base 10; the course uses the natural "
                                        "one",
    },
    otherwise="not the slope at one half; a hint may help",
)


def _pull(p: Tensor, gamma: float) -> Tensor:
    return (1 - p) ** gamma * (1 - p - gamma * p * torch.log(p))


def _undo(p: Tensor, gamma: float) -> Tensor:
    return _pull(1 - p, gamma) / (_pull(p, gamma) + _pull(1 - p, gamma))


q3 = Function(
    hints=["Solve eta s(p) = (1 - eta) s(1 - p) for eta.",
           "eta = s(1 - p) / (s(p) + s(1 - p)), with s(p) = (1 - p)^gamma (1 - p - gamma p ln p)."],
    answer="""
def undo(p, gamma):
    def s(p):
        return (1 - p) ** gamma * (1 - p - gamma * p * torch.log(p))
    return s(1 - p) / (s(p) + s(1 - p))
""",
    why="No data needed: the loss itself says how it bends the truth. 0.31 becomes 0.10 again.",
    reference=lambda p, gamma: _undo(p, gamma).detach(),  # nobody differentiates it
    cases=[(torch.tensor([0.05, 0.3075, 0.5, 0.7, 0.99], dtype=torch.float64), 2.0),
           (torch.tensor([0.2, 0.6], dtype=torch.float64), 0.0),
           (torch.tensor([0.4], dtype=torch.float64), 5.0)],
    mistakes=[
        ("mirrored: this is the share of the negatives, 1 - eta",
         lambda p, g: 1 - _undo(p, g)),
        ("this is the ratio eta / (1 - eta), the odds; turn it into a share",
         lambda p, g: _pull(1 - p, g) / _pull(p, g)),
        ("this is the odds turned over", lambda p, g: _pull(p, g) / _pull(1 - p, g)),
        ("your pulls leave out the change of the factor, the term gamma p ln p",
         lambda p, g: p ** (g + 1) / (p ** (g + 1) + (1 - p) ** (g + 1))),
        ("you balance the losses; an optimum is where the slopes cancel",
         lambda p, g: p**g * -torch.log(1 - p)
         / (p**g * -torch.log(1 - p) + (1 - p) ** g * -torch.log(p))),
        ("this is p unchanged: right for gamma = 0 only", lambda p, g: p * 1.0),
    ],
)

q4 = Number(
    hints=["At p = 0.5 both classes have the same p_t, so all that differs is alpha.",
           "eta alpha = (1 - eta) (1 - alpha). What is eta?"],
    answer="eta_at_half = 0.75",
    why="At one half only the weights differ: 0.25 eta = 0.75 (1 - eta), so eta = 1 - alpha.",
    value=0.75,
    within=0.03,  # read off a figure
    mistakes={
        0.25: "the other way round: alpha = 0.25 weighs positives *less*, so it takes more of them",
        0.5: "true without alpha; here a positive weighs a third of a negative",
        1 / 3: "0.25 / 0.75 are the odds of the weights; we ask for a true probability",
        3.0: "3 to 1 are the odds needed; as a probability?",
        0.1: "that is the share in the figure's legend; we ask where the curve crosses one half",
    },
)


def _each(logits: Tensor, target: Tensor, gamma: float) -> Tensor:
    return focal_loss(logits, target, gamma=gamma, reduction="none")


def _true(logits: Tensor, target: Tensor) -> Tensor:
    return logits.gather(1, target[:, None])[:, 0]


def _others(logits: Tensor, target: Tensor) -> Tensor:
    return logits.scatter(1, target[:, None], -torch.inf)


def _of_margin(u: Tensor, gamma: float) -> Tensor:
    return torch.sigmoid(u) ** gamma * F.softplus(u, threshold=40)


def _log_p(logits: Tensor, target: Tensor) -> Tensor:
    return F.log_softmax(logits, 1).gather(1, target[:, None])[:, 0]


_easy = torch.tensor([[21.0, 0.0, 1.0], [0.0, 19.0, -3.0]])  # beyond 17 p_t is 1.0 in float32
_target = torch.tensor([0, 1])
_mixed = torch.tensor([[2.0, 0.0, -1.0], [0.5, -1.0, 3.0]])

q5 = Function(
    hints=["1 - p_t = sigmoid(u) and -ln p_t = softplus(u), with u the margin.",
           "The logits of the others: logits.scatter(1, target[:, None], -torch.inf). Their "
           "logsumexp minus the true logit is u."],
    answer="""
def focal_from_logits(logits, target, gamma):
    true = logits.gather(1, target[:, None])[:, 0]
    others = logits.scatter(1, target[:, None], -torch.inf)
    u = torch.logsumexp(others, dim=1) - true
    return torch.sigmoid(u) ** gamma * F.softplus(u)
""",
    why="No probability close to 1 is ever subtracted from 1, so no digit is lost.",
    reference=_each,
    cases=[(_mixed, _target, 2.0), (_easy, _target, 2.0), (_mixed, _target, 0.0),
           (_mixed, _target, 0.5), (_mixed[:1], _target[:1], 5.0),
           (torch.tensor([[0.0, 200.0, 1.0]]), torch.tensor([0]), 2.0),
           (torch.tensor([[40.0, 0.0, 1.0]]), torch.tensor([0]), 0.5)],
    absolute=1e-35,
    mistakes=[
        ("right for hard samples; for easy ones log_softmax and 1 - p_t have lost all digits: "
         "form both factors from the margin",
         lambda z, t, g: (1 - torch.exp(_log_p(z, t))) ** g * -_log_p(z, t)),
        ("the largest of the others is not their logsumexp: with three classes and more the rest "
         "counts too",
         lambda z, t, g: _of_margin(_others(z, t).amax(1) - _true(z, t), g)),
        ("the logsumexp must run over the *other* classes; with the true one in it u is not the "
         "margin",
         lambda z, t, g: _of_margin(-_log_p(z, t), g)),
        ("the sign of u: it is large when the true class trails",
         lambda z, t, g: _of_margin(_true(z, t) - _others(z, t).logsumexp(1), g)),
        ("one value a sample, please: leave the mean out", lambda z, t, g: _each(z, t, g).mean()),
        ("gamma is an exponent, and you multiply by it",
         lambda z, t, g: g * torch.sigmoid(_others(z, t).logsumexp(1) - _true(z, t))
         * _each(z, t, 0.0)),
        ("right values, but the .detach() cuts the gradient of the factor",
         lambda z, t, g: _each(z.detach(), t, g) / _each(z.detach(), t, 0.0) * _each(z, t, 0.0)),
    ],
)


q6 = Choice(
    hints=["Compare its value with ours for any input: equal. What else does a loss deliver?",
           "Ask backward(): which of the two factors does it know of?"],
    answer='what_is_wrong = "the gradient"',
    why="detach() makes p_t a constant for backward(): the steps do not descend the printed loss.",
    right="the gradient",
    replies={
        "the value": "compare it with ours: the value is right for every ordinary input",
        "the dimension": "classes are dimension 1 for logits (N, C); that is right",
        "the logarithm": "log_softmax is the natural logarithm and safe from overflow",
        "the mean": "a mean over N samples is what is wanted; gather has left one value a sample",
        "the sign": "log_p is negative and the minus stands in front; that is right",
    },
)


def _weighted(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    return weight[target] * _each(logits, target, 2.0)


def _of_ce(ce: Tensor, p_t: Tensor) -> Tensor:
    return (1 - p_t) ** 2 * ce


_weight = torch.tensor([1.0, 10.0, 0.5])

q7 = Function(
    hints=["exp(-ce) is p_t only if ce carries no weight.",
           "Compute ce without weight, p_t from it, and multiply by weight[target] at the end."],
    answer="""
def mended(logits, target, weight):
    ce = F.cross_entropy(logits, target, reduction="none")
    p_t = torch.exp(-ce)
    return weight[target] * (1 - p_t) ** 2 * ce
""",
    why="The weight scales the loss of a sample and never enters p_t, the model's answer.",
    reference=_weighted,
    cases=[(_mixed, torch.tensor([1, 0]), _weight), (_mixed, torch.tensor([2, 2]), _weight),
           (_mixed, torch.tensor([0, 1]), torch.ones(3))],
    mistakes=[
        ("your p_t contains the class weight: exp(-w ce) is p_t to the power w",
         lambda z, t, w: _of_ce(w[t] * _each(z, t, 0.0), torch.exp(-w[t] * _each(z, t, 0.0)))),
        ("the weight is gone; it should still multiply each sample's loss",
         lambda z, t, w: _each(z, t, 2.0)),
        ("the weight is in twice: once in cross_entropy and once in front",
         lambda z, t, w: w[t] ** 2 * _each(z, t, 2.0)),
        ("index the weights by class: weight[target], one for each sample",
         lambda z, t, w: w[:len(t)] * _each(z, t, 2.0)),
        ("p_t is the model's answer: leave the gradient through it alone, without .detach()",
         lambda z, t, w: w[t] * _of_ce(_each(z, t, 0.0), torch.exp(-_each(z, t, 0.0)).detach())),
        ("one value a sample, please: leave the mean out",
         lambda z, t, w: _weighted(z, t, w).mean()),
        ("divided by the weights of the batch: here one value a sample is asked for",
         lambda z, t, w: _weighted(z, t, w) / w[t].sum()),
    ],
)
