"""Exercises of notebook 02."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..losses import focal_loss
from . import Choice, Function, Number

q1 = Number(
    hints=["The surprise -ln p_t is a part of both losses. What remains when you divide one by the "
           "other?",
           "How much probability is missing at p_t = 0.8? The factor is its square.",
           "The factor is 0.2 squared. How many of it make 1?"],
    answer="times_smaller = 1 / (1 - 0.8) ** 2",
    why="(1 - 0.8)^2 = 1/25. The surprise -ln p_t is in both losses and cancels.",
    value=25.0,
    mistakes={
        0.04: "that is the factor itself; how many times *smaller* does it make the loss?",
        5.0: "that would be gamma = 1; with gamma = 2 the missing probability is squared",
        0.2: "that is the missing probability; square it, and ask how often it fits into 1",
        1 / 0.64: "you squared p_t; the factor is a power of what is missing, 1 - p_t",
        0.64: "that is p_t squared; the factor is a power of what is missing, 1 - p_t",
        0.36: "that is 1 - p_t^2; the factor is (1 - p_t)^2",
        1 / 0.36: "you took 1 - p_t^2 for the factor; it is (1 - p_t)^2",
        2.5: "that is 1 / (gamma (1 - p_t)); gamma is an exponent and not a factor",
        12.5: "there is a factor of 2 too much; gamma is an exponent and not a factor",
        96.0: "that is by how many per cent it is smaller; how many *times* smaller is it?",
        100.0: "that is the ratio at p_t = 0.9",
        125.0: "that would be gamma = 3",
    },
)

q2 = Number(
    hints=["Section 2 has a formula for the slope. It has two parts: a factor, and a bracket.",
           "At p_t = 1/2 and gamma = 2 the factor is 1/4. What is the bracket?",
           "The bracket is gamma p_t ln p_t + p_t - 1, and here gamma p_t is 1, so it is "
           "ln(1/2) - 1/2."],
    answer="slope_at_half = 0.25 * (2 * 0.5 * math.log(0.5) + 0.5 - 1)",
    why="0.25 (-0.693 - 0.5) = -0.298, against -0.5 for cross entropy.",
    value=0.25 * (math.log(0.5) - 0.5),
    mistakes={
        -0.5: "that is the slope of cross entropy, p_t - 1",
        -0.125: "you left out the change of the factor: (1 - p_t)^2 depends on the logit too",
        -0.25: "that is only the factor, with a minus; the bracket is still missing",
        -0.25 * (math.log(0.5) - 0.5): "the sign: a larger logit of the true class lowers the loss",
        math.log(0.5) - 0.5: "that is the bracket alone, which is also the slope with respect to "
                             "p_t; for the logit the factor of 1/4 is missing",
        0.25 * math.log(0.5): "this comes from the factor alone; the surprise changes as well",
        -0.25 * math.log(0.5): "that is the loss at one half; asked is its slope",
        0.25 * (math.log(0.5) + 0.5): "a sign in the bracket: p_t - 1 is negative",
        0.5 * (math.log(0.5) - 0.5): "twice the slope; is the factor (1 - p_t)^2?",
        0.125 * (math.log(0.5) - 0.5): "half the slope; is the factor (1 - p_t)^2?",
        0.25 * (math.log10(0.5) - 0.5): "this logarithm has base 10; the course uses the natural "
                                        "one",
        0.25 * (2 * math.log(0.5) - 0.5): "in the bracket gamma is multiplied by p_t as well",
    },
    otherwise="not the slope at one half; a hint may help",
)


def _size(p: Tensor, gamma: float) -> Tensor:
    """The size of the slope."""
    return (1 - p) ** gamma * (1 - p - gamma * p * torch.log(p))


def _share(positive: Tensor, negative: Tensor) -> Tensor:
    return negative / (positive + negative)


def _undo(p: Tensor, gamma: float) -> Tensor:
    return _share(_size(p, gamma), _size(1 - p, gamma))


q3 = Function(
    hints=["At the best answer the slopes of positives and negatives balance (section 4). Which "
           "p_t does a positive have if the answer is p, and which a negative?",
           "Write s(p) for the size of the slope at p_t = p, which is the formula of section 2 "
           "without its sign. The balance is eta s(p) = (1 - eta) s(1 - p).",
           "Bring all terms with eta to one side: eta (s(p) + s(1 - p)) = s(1 - p)."],
    answer="""
def undo(p, gamma):
    def s(p):
        return (1 - p) ** gamma * (1 - p - gamma * p * torch.log(p))
    return s(1 - p) / (s(p) + s(1 - p))
""",
    why="No data are needed: the loss itself determines how it changes the answer. 0.31 becomes "
        "0.10 again.",
    reference=_undo,
    cases=[(torch.tensor([0.05, 0.3075, 0.5, 0.7, 0.99], dtype=torch.float64), 2.0),
           (torch.tensor([0.6, 0.2], dtype=torch.float64), 0.0),
           (torch.tensor([0.9, 0.3, 0.8], dtype=torch.float64), 1.0),
           (torch.tensor([0.4], dtype=torch.float64), 5.0)],
    mistakes=[
        ("mirrored: this is the share of the negatives, 1 - eta",
         lambda p, g: 1 - _undo(p, g)),
        ("this is the ratio eta / (1 - eta), the odds; turn it into a share",
         lambda p, g: _size(1 - p, g) / _size(p, g)),
        ("these are the odds against, (1 - eta) / eta; turn them into a share",
         lambda p, g: _size(p, g) / _size(1 - p, g)),
        ("your slopes leave out the change of the factor, the term gamma p ln p",
         lambda p, g: _share((1 - p) ** (g + 1), p ** (g + 1))),
        ("you balance the losses; at the best answer the *slopes* balance",
         lambda p, g: _share((1 - p) ** g * -torch.log(p), p**g * -torch.log(1 - p))),
        ("you balance the factors alone; the slope has a bracket too",
         lambda p, g: _share((1 - p) ** g, p**g)),
        ("you balance the brackets alone; the slope has the factor (1 - p)^gamma too",
         lambda p, g: _share(1 - p - g * p * torch.log(p), p - g * (1 - p) * torch.log(1 - p))),
        ("the sign of the term with the logarithm: ln p is negative, and the term makes the slope "
         "larger in size",
         lambda p, g: _share((1 - p) ** g * (1 - p + g * p * torch.log(p)),
                             p**g * (p + g * (1 - p) * torch.log(1 - p)))),
        ("the logarithm in the bracket is that of p_t itself, not of 1 - p_t",
         lambda p, g: _share((1 - p) ** g * (1 - p - g * p * torch.log(1 - p)),
                             p**g * (p - g * (1 - p) * torch.log(p)))),
        ("this logarithm has base 10; the course uses the natural one",
         lambda p, g: _share((1 - p) ** g * (1 - p - g * p * torch.log10(p)),
                             p**g * (p - g * (1 - p) * torch.log10(1 - p)))),
        ("this is right for gamma = 2 only; use the argument gamma", lambda p, g: _undo(p, 2.0)),
        ("this is p unchanged: right for gamma = 0 only", lambda p, g: p * 1.0),
    ],
)

q4 = Number(
    hints=["At an answer of one half, which p_t do the positives have, and which the negatives?",
           "All have p_t = 1/2 and therefore the same slope. So only the weights differ: alpha for "
           "a positive, and 1 - alpha for a negative.",
           "The balance is alpha eta = (1 - alpha) (1 - eta). Solve it for eta."],
    answer="eta_at_half = 0.75",
    why="At one half only the weights differ: 0.25 eta = 0.75 (1 - eta), so eta = 1 - alpha.",
    value=0.75,
    within=0.03,  # it may be read off a figure
    mistakes={
        0.25: "the other way round: with alpha = 0.25 a positive weighs *less*, so it takes more "
              "of them",
        0.5: "true without alpha; here a positive weighs a third of a negative",
        1 / 3: "0.25 / 0.75 is the ratio of the weights; asked is a true probability",
        3.0: "3 to 1 are the odds; which probability is that?",
        0.4: "that is the answer where the truth is one half; asked is the truth where the answer "
             "is one half",
        0.9: "at a true probability of 0.9 the curve with alpha is above one half; find where it "
             "crosses",
        0.1: "0.1 is where the figure has its upright line; find where the curve crosses one half",
    },
)


def _each(logits: Tensor, target: Tensor, gamma: float) -> Tensor:
    return focal_loss(logits, target, gamma=gamma, reduction="none")


def _true(logits: Tensor, target: Tensor) -> Tensor:
    return logits.gather(1, target[:, None])[:, 0]


def _others(logits: Tensor, target: Tensor, fill: float = -torch.inf) -> Tensor:
    return logits.scatter(1, target[:, None], fill)


def _of_margin(u: Tensor, gamma: float) -> Tensor:
    return torch.sigmoid(u) ** gamma * F.softplus(u, threshold=40)


def _ce(logits: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(logits, target, reduction="none")


def _usual(logits: Tensor, target: Tensor, gamma: float) -> Tensor:
    ce = _ce(logits, target)
    return (1 - torch.exp(-ce)) ** gamma * ce


_mixed = torch.tensor([[2.0, 0.0, -1.0], [0.5, -1.0, 3.0], [-0.5, 1.0, 0.2], [0.0, 0.7, -2.0]])
_mixed_target = torch.tensor([2, 0, 0, 1])
# Beyond a lead of 17, p_t is 1.0 in float32.
_easy = torch.tensor([[0.0, 1.0, 21.0, -2.0], [-3.0, 19.0, 2.0, 0.0], [1.0, 0.5, 18.0, 2.0]])
_easy_target = torch.tensor([2, 1, 2])

q5 = Function(
    hints=["Section 9 computes the loss of one example from its margin u, without subtracting from "
           "1. What are 1 - p_t and -ln p_t in terms of u?",
           "For the margin you need the log-sum-exp over the *other* classes. One possibility is "
           "to put -inf in the place of the true logit: scatter(1, target[:, None], -torch.inf).",
           "u is that log-sum-exp, over dim=1, minus the logit of the true class. gather(1, "
           "target[:, None]) picks the true logits; its result has the shape (N, 1)."],
    answer="""
def focal_from_logits(logits, target, gamma):
    true = logits.gather(1, target[:, None])[:, 0]
    others = logits.scatter(1, target[:, None], -torch.inf)
    u = torch.logsumexp(others, dim=1) - true
    return torch.sigmoid(u) ** gamma * F.softplus(u)
""",
    why="No probability close to 1 is ever subtracted from 1, so no digit is lost.",
    reference=_each,
    gradient=True,
    cases=[(_mixed, _mixed_target, 2.0), (_easy, _easy_target, 2.0), (_mixed, _mixed_target, 0.0),
           (_mixed, _mixed_target, 0.5),
           (torch.tensor([[0.3, -1.0, 0.0, 1.5, 0.2]]), torch.tensor([3]), 5.0),
           (torch.tensor([[200.0, 1.0, 0.0]]), torch.tensor([1]), 2.0),
           (torch.tensor([[0.0, 1.0, 40.0]]), torch.tensor([2]), 0.5),
           (torch.tensor([[1.0, -2.0], [0.5, 0.0], [3.0, 1.0]]), torch.tensor([1, 1, 0]), 1.0)],
    absolute=1e-35,
    mistakes=[
        ("right for hard examples; for easy ones cross entropy and 1 - p_t have lost all digits: "
         "form both from the margin", _usual),
        ("right until p_t rounds to 1, in float64 as well; form both factors from the margin",
         lambda z, t, g: _usual(z.double(), t, g)),
        ("right for ordinary examples; a clamped p_t changes the value of very easy and hopeless "
         "ones, and has no gradient there",
         lambda z, t, g: (1 - torch.exp(-_ce(z, t)).clamp(1e-7, 1 - 1e-7)) ** g
         * -torch.log(torch.exp(-_ce(z, t)).clamp(1e-7, 1 - 1e-7))),
        ("right except for hopeless examples, where exp(u) overflows: F.softplus(u) does not",
         lambda z, t, g: torch.sigmoid(_others(z, t).logsumexp(1) - _true(z, t)) ** g
         * torch.log1p(torch.exp(_others(z, t).logsumexp(1) - _true(z, t)))),
        ("the largest of the others is not their logsumexp: with three classes and more the rest "
         "counts too",
         lambda z, t, g: _of_margin(_others(z, t).amax(1) - _true(z, t), g)),
        ("the mean of the other logits is not their logsumexp",
         lambda z, t, g: _of_margin((z.sum(1) - _true(z, t)) / (z.shape[1] - 1) - _true(z, t), g)),
        ("the logsumexp must run over the *other* classes; with the true one in it u is not the "
         "margin",
         lambda z, t, g: _of_margin(_ce(z, t), g)),
        ("a 0 in the place of the true logit still counts in the logsumexp; put -torch.inf there",
         lambda z, t, g: _of_margin(_others(z, t, 0.0).logsumexp(1) - _true(z, t), g)),
        ("the sign of u: it is large when the true class is behind",
         lambda z, t, g: _of_margin(_true(z, t) - _others(z, t).logsumexp(1), g)),
        ("the factor is a power of 1 - p_t, and yours is a power of p_t",
         lambda z, t, g: torch.exp(-g * _ce(z, t)) * _each(z, t, 0.0)),
        ("this is cross entropy: gamma has no effect", lambda z, t, g: _each(z, t, 0.0)),
        ("this is right for gamma = 2 only; use the argument gamma",
         lambda z, t, g: _each(z, t, 2.0)),
        ("gamma is an exponent, and you multiply by it",
         lambda z, t, g: g * torch.sigmoid(_others(z, t).logsumexp(1) - _true(z, t))
         * _each(z, t, 0.0)),
        ("the sign: a loss is never negative", lambda z, t, g: -_each(z, t, g)),
        ("the true class is given by target; yours is the class with the largest logit",
         lambda z, t, g: _each(z, z.argmax(1), g)),
        ("one value for each example, please: leave the mean out",
         lambda z, t, g: _each(z, t, g).mean()),
        ("one value for each example, please: leave the sum out",
         lambda z, t, g: _each(z, t, g).sum()),
        ("the shape should be (N,), and yours is (N, 1): gather keeps the second dimension",
         lambda z, t, g: _each(z, t, g)[:, None]),
        ("right values, but the .detach() cuts the gradient of the factor",
         lambda z, t, g: _each(z.detach(), t, g) / _each(z.detach(), t, 0.0) * _each(z, t, 0.0)),
    ],
)


q6 = Choice(
    hints=["Compare its value with that of plain_focal, for any logits you like.",
           "The values are the same. What else does training take from a loss?",
           "Section 2: the slope has a term that comes from the factor. Does backward() still know "
           "that the factor depends on the logits?"],
    answer='what_is_wrong = "the gradient"',
    why="detach() makes p_t a constant for backward(), so the steps do not follow the printed "
        "loss.",
    right="the gradient",
    replies={
        "the value": "compare it with plain_focal: for every ordinary input the value is right",
        "the dimension": "F.cross_entropy expects the classes in dimension 1, and there they are",
        "the logarithm": "F.cross_entropy takes the natural logarithm, and it cannot overflow",
        "the mean": "a mean over the N examples is what we want; reduction=\"none\" has left one "
                    "value for each",
        "the sign": "log_p is negative, and there is a minus in front; that is right",
    },
)


def _weighted(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    return weight[target] * _each(logits, target, 2.0)


def _of_ce(ce: Tensor, p_t: Tensor) -> Tensor:
    return (1 - p_t) ** 2 * ce


def _p(logits: Tensor, target: Tensor) -> Tensor:
    return torch.exp(-_ce(logits, target))


_three, _four = torch.tensor([1.0, 10.0, 0.5]), torch.tensor([2.0, 0.25, 5.0, 3.0])
_wide = torch.tensor([[1.0, 0.2, -0.5, 0.4], [0.0, 2.0, 1.0, -1.0], [0.3, -0.2, 0.1, 0.8]])

q7 = Function(
    hints=["The weight enters in one line of exhibit B and has an effect in two. Which of them "
           "should not notice it?",
           "exp(-ce) is p_t only if ce carries no weight. So ce has to be computed without it.",
           "weight[target] has one weight for each example. What should it multiply, and when?"],
    answer="""
def weighted_focal(logits, target, weight):
    ce = F.cross_entropy(logits, target, reduction="none")
    p_t = torch.exp(-ce)
    return weight[target] * (1 - p_t) ** 2 * ce
""",
    why="The weight scales the loss of an example and never enters p_t, the model's answer.",
    reference=_weighted,
    gradient=True,
    cases=[(_mixed, _mixed_target, _three), (_wide, torch.tensor([3, 1, 3]), _four),
           (_mixed[1:2], torch.tensor([1]), _three)],
    mistakes=[
        ("your p_t contains the class weight: exp(-w ce) is p_t to the power w",
         lambda z, t, w: _of_ce(w[t] * _ce(z, t), torch.exp(-w[t] * _ce(z, t)))),
        ("your p_t contains the class weight, and the weight is in front as well",
         lambda z, t, w: w[t] * _of_ce(w[t] * _ce(z, t), torch.exp(-w[t] * _ce(z, t)))),
        ("your p_t still contains the class weight; only the ce behind the factor does not",
         lambda z, t, w: _of_ce(_ce(z, t), torch.exp(-w[t] * _ce(z, t)))),
        ("the weight is in twice: your loss grows with its square",
         lambda z, t, w: w[t] ** 2 * _each(z, t, 2.0)),
        ("the weight multiplies p_t inside the factor; it should multiply the finished loss",
         lambda z, t, w: (1 - w[t] * _p(z, t)) ** 2 * _ce(z, t)),
        ("the weight multiplies p_t inside the factor, besides the loss; it should multiply only "
         "the loss",
         lambda z, t, w: w[t] * (1 - w[t] * _p(z, t)) ** 2 * _ce(z, t)),
        ("the weight multiplies the logits; it should multiply the loss",
         lambda z, t, w: _each(w * z, t, 2.0)),
        ("the weight is gone; it should still multiply each example's loss",
         lambda z, t, w: _each(z, t, 2.0)),
        ("this is weighted cross entropy: the factor (1 - p_t)^2 is missing",
         lambda z, t, w: w[t] * _ce(z, t)),
        ("gamma is 2 here: the factor is (1 - p_t) squared",
         lambda z, t, w: w[t] * _each(z, t, 1.0)),
        ("the factor is the square of 1 - p_t, and yours is the square of p_t",
         lambda z, t, w: w[t] * _p(z, t) ** 2 * _ce(z, t)),
        ("use the weight of the *true* class; yours is that of the class with the largest logit",
         lambda z, t, w: w[z.argmax(1)] * _each(z, t, 2.0)),
        ("index the weights by class: weight[target] has one for each example",
         lambda z, t, w: w[:len(t)] * _each(z, t, 2.0)),
        ("p_t is the model's answer: leave the gradient through it alone, without .detach()",
         lambda z, t, w: w[t] * _of_ce(_ce(z, t), _p(z, t).detach())),
        ("one value for each example, please: leave the mean out",
         lambda z, t, w: _weighted(z, t, w).mean()),
        ("one value for each example, please: leave the sum out",
         lambda z, t, w: _weighted(z, t, w).sum()),
        ("divided by the weights of the batch: here one value for each example is asked for",
         lambda z, t, w: _weighted(z, t, w) / w[t].sum()),
        ("divided by the sum of the class weights: leave the weights as they are",
         lambda z, t, w: _weighted(z, t, w) / w.sum()),
    ],
)

q8 = Number(
    hints=["If p_t is a constant in the factor, only -ln p_t has a derivative. Its slope is p_t - "
           "1. How large is the slope of the whole loss then?",
           "Its size is (1 - p_t)^gamma (1 - p_t), which for gamma = 1 is (1 - p_t)^2. Put it into "
           "the balance of section 4.",
           "0.1 (1 - p)^2 = 0.9 p^2. Divide by 0.1 and take the square root of both sides."],
    answer="answer_of_a = 0.25",
    why="0.1 (1 - p)^2 = 0.9 p^2 gives 1 - p = 3 p. A correct focal loss with gamma = 1 answers "
        "0.23.",
    value=0.25,
    mistakes={
        0.1: "that would be cross entropy; the factor still takes weight from easy examples",
        0.2256: "that is the answer of a *correct* focal loss with gamma = 1; exhibit A leaves out "
                "the change of the factor",
        0.306: "that is the answer of a correct focal loss with gamma = 2",
        0.325: "that is what exhibit A answers with gamma = 2; here gamma is 1",
        0.75: "mirrored: that is 1 - p; only one in ten is positive",
        1 / 3: "those are the odds p / (1 - p); which probability is that?",
        3.0: "those are the odds (1 - p) / p; which probability is that?",
        0.5: "that would be right if as many were positive as negative",
        1 / 10 ** 0.5: "that is the square root of 0.1; the balance has a term for the negatives "
                        "too",
    },
    otherwise="not the answer; a hint may help",
)
