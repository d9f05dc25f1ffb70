"""Exercises of notebook 01."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from . import Choice, Function, Number

_logits = torch.tensor([[1.0, 2.0, 3.0], [0.5, -1.0, 0.0]])
_huge = torch.tensor([[1000.0, 0.0, -1000.0], [-2000.0, -2000.0, -2001.0]])
_square = torch.tensor([[1.0, 2.0, 3.0], [0.5, -1.0, 0.0], [4.0, 0.0, -2.0]])
_mixed = torch.tensor([[1000.0, 0.0, 1.0, 2.0, -3.0], [-1.0, 0.5, 0.0, -0.5, 1.0]])

q1 = Number(
    hints=["Whichever class is the true one, it was given the probability 1/4.",
           "The surprise is -ln p.",
           "Minus the logarithm of 1/n is the logarithm of what?"],
    answer="surprise_of_four = math.log(4)",
    why="-ln(1/4) = ln 4 = 1.386 nats, whatever the true classes are.",
    value=math.log(4),
    within=0.003,
    mistakes={
        math.log10(4): "that is base 10; nats use the natural logarithm",
        2.0: "that is in bits (base 2); what is it in nats?",
        -math.log(4): "the sign: a surprise is never negative",
        math.log(2): "that is the first loss for two classes; here there are four",
        math.log(4 / 3): "that is the surprise of the event that the true class is another one",
        math.log(4) / 4: "that is the surprise times its probability; the loss is the surprise "
                         "itself",
        4 * math.log(4): "that adds up the surprises of all four classes; only the true one counts",
        4.0: "that is the number of classes; take its logarithm",
        0.75: "1 - p is a kind of error, but not the surprise -ln p",
        0.25: "that is p itself; the surprise is -ln p",
    },
)

q2 = Function(
    hints=["ln p is the logit minus the log-sum-exp of its row (section 1).",
           "torch.logsumexp takes dim=1 to sum over the classes. Which shape does it return, and "
           "which shape do you need to subtract it from every column?",
           "keepdim=True keeps the summed dimension, so that the result has the shape (N, 1)."],
    answer="""
def log_softmax(logits):
    return logits - torch.logsumexp(logits, dim=1, keepdim=True)
""",
    why="Nothing large is ever exponentiated, and no probability that could round to 0 is formed.",
    reference=lambda z: F.log_softmax(z, dim=1),
    cases=[(_logits,), (_square,), (_huge,), (_mixed,), (_logits[:1],)],
    tolerance=1e-3,  # at 2000, float32 leaves four digits
    mistakes=[
        ("right for small logits, but exp overflows at 1000: subtract the largest logit of each "
         "row first, or use torch.logsumexp",
         lambda z: torch.log(torch.exp(z) / torch.exp(z).sum(1, keepdim=True))),
        ("right for small logits, but exp overflows at 1000: torch.logsumexp does the same safely",
         lambda z: z - torch.log(torch.exp(z).sum(1, keepdim=True))),
        ("this is the logarithm of a finished softmax: -inf where a probability rounds to 0",
         lambda z: torch.log(torch.softmax(z, 1))),
        ("a small number inside the logarithm hides the -inf, but the value is still wrong: -1000 "
         "is right there",
         lambda z: torch.log(torch.softmax(z, 1) + 1e-12)),
        ("without keepdim=True, the log-sum-exp is subtracted from the wrong entries: it has the "
         "shape (N,), and (N, 1) is needed",
         lambda z: z - torch.logsumexp(z, dim=1)),
        ("this is softmax itself; the logarithm is missing", lambda z: torch.softmax(z, 1)),
        ("you normalise over the rows (dim 0) instead of the classes (dim 1)",
         lambda z: F.log_softmax(z, dim=0)),
        ("this is minus the answer: log-probabilities are never positive",
         lambda z: -F.log_softmax(z, dim=1)),
        ("this is the log-sum-exp alone; subtract it from the logits",
         lambda z: torch.logsumexp(z, dim=1, keepdim=True)),
        ("this logarithm has base 10; the course uses the natural one",
         lambda z: F.log_softmax(z, dim=1) / math.log(10)),
        ("this logarithm has base 2; the course uses the natural one",
         lambda z: F.log_softmax(z, dim=1) / math.log(2)),
    ],
)

q3 = Choice(
    hints=["With an accuracy of 0.97, what training loss would you expect from cross entropy? "
           "Section 9 has networks to compare with.",
           "The loss has settled, although almost every digit is recognised. What keeps it up?",
           "How low can the loss go if the numbers it takes for logits lie between 0 and 1?"],
    answer='cause = "softmax twice"',
    why="ln(e + 9) - 1 = 1.46 is as low as the loss can get for ten classes when probabilities are "
        "taken for logits. 1.50 is just above it.",
    right="softmax twice",
    replies={
        "learning rate too "
        "high": "then the loss would jump up and down or become nan; this one has "
                                  "settled",
        "labels shuffled": "then the accuracy could not be 0.97 unless the network learned the "
                           "labels by heart, and the loss would be small where it did",
        "too few epochs": "the loss has settled, so more epochs would hardly move it",
        "class weights": "they shift the answers between classes, but do not keep the loss of "
                         "well-recognised digits near 1.5",
    },
)


def _gradient(logits: Tensor, target: Tensor) -> Tensor:
    return (torch.softmax(logits, 1) - _one_hot(logits, target)) / len(target)


def _one_hot(logits: Tensor, target: Tensor) -> Tensor:
    return F.one_hot(target, logits.shape[1]).to(logits.dtype)


q4 = Function(
    hints=["For one row the gradient is p - y, with the target y written one-hot.",
           "F.one_hot(target, K) makes the one-hot table. Take K from logits.shape, since the "
           "largest class may be missing from a batch.",
           "The loss is a mean over the rows. What does that do to each row's gradient?"],
    answer="""
def gradient(logits, target):
    p = torch.softmax(logits, dim=1)
    y = F.one_hot(target, logits.shape[1])
    return (p - y) / len(target)
""",
    why="Probability minus target, divided by N because the loss is a mean.",
    reference=_gradient,
    cases=[(_logits, torch.tensor([0, 0])), (_huge, torch.tensor([1, 2])),
           (_square, torch.tensor([1, 2, 0])), (_mixed, torch.tensor([3, 1])),
           (torch.tensor([[0.0, 1.0, -1.0, 2.0]]), torch.tensor([2])),
           (torch.arange(20.0).reshape(5, 4) % 3, torch.tensor([0, 2, 2, 0, 1]))],
    mistakes=[
        ("right for one row; but the loss is a mean over the batch, so divide by N",
         lambda z, t: _gradient(z, t) * len(t)),
        ("the mean runs over the N rows; you divide by the K classes",
         lambda z, t: _gradient(z, t) * len(t) / z.shape[1]),
        ("the mean runs over the N rows; you divide by N times K",
         lambda z, t: _gradient(z, t) / z.shape[1]),
        ("the sign: this is y - p, the direction of a step, not the gradient",
         lambda z, t: -_gradient(z, t)),
        ("this is p / N; the target is missing",
         lambda z, t: torch.softmax(z, 1) / len(t)),
        ("this is y - 1 over N; where are the probabilities?",
         lambda z, t: (_one_hot(z, t) - 1.0) / len(t)),
        ("these are the logits minus the target; turn the logits into probabilities first",
         lambda z, t: (z - _one_hot(z, t)) / len(t)),
        ("the softmax runs over the rows (dim 0); it should run over the classes (dim 1)",
         lambda z, t: (torch.softmax(z, 0) - _one_hot(z, t)) / len(t)),
        ("only the true class gets a gradient here; the other classes have one as well, their p",
         lambda z, t: _gradient(z, t) * _one_hot(z, t)),
        ("sigmoid treats each class alone; with one true class per row use softmax",
         lambda z, t: (torch.sigmoid(z) - _one_hot(z, t)) / len(t)),
        ("these are log-probabilities minus the target; the gradient has the probabilities "
         "themselves",
         lambda z, t: (F.log_softmax(z, 1) - _one_hot(z, t)) / len(t)),
        ("right for small logits, but exp overflows at 1000: torch.softmax does not",
         lambda z, t: (z.exp() / z.exp().sum(1, keepdim=True) - _one_hot(z, t)) / len(t)),
    ],
)

q5 = Number(
    hints=["A weight multiplies the odds. What are the odds of one in twenty?",
           "How many negatives stand beside each positive, if one in twenty is positive?",
           "For an answer of one half, the two groups have to weigh the same."],
    answer="weight_for_one_half = 0.95 / 0.05",
    why="The one positive has to count as much as the 19 negatives beside it.",
    value=19.0,
    within=0.002,
    mistakes={
        20.0: "one positive in twenty has 19 negatives beside it, not 20",
        9.0: "that is the weight for one in ten",
        1 / 19: "these are the odds themselves; what must they be multiplied by to become 1?",
        0.05: "that is the share; the weight has to make up for it",
        0.95: "that is the share of the negatives",
        10.0: "a weight of 10 gives odds of 10 to 19, which is an answer of 0.34",
        0.5: "that is the answer that we want; which weight leads to it?",
    },
)

q6 = Function(
    hints=["A weight multiplied the odds p / (1 - p). How is that undone?",
           "Divide the odds by w. That gives odds again, not yet a probability.",
           "Odds o belong to the probability o / (1 + o)."],
    answer="""
def unweight(p, w):
    odds = p / (1 - p) / w
    return odds / (1 + odds)
""",
    why="In one formula: p / (p + w (1 - p)). With w = 10, an answer of 0.53 becomes 0.10 again.",
    reference=lambda p, w: p / (p + w * (1 - p)),
    cases=[(torch.tensor([0.1, 0.5, 0.53, 0.9]), 10.0), (torch.tensor([0.3]), 1.0),
           (torch.tensor([0.2, 0.8]), 0.25), (torch.tensor([[0.6, 0.05, 0.4]]), 3.0)],
    mistakes=[
        ("a weight multiplies the odds, not the probability: p / w is too small for large p",
         lambda p, w: p / w),
        ("this weights a second time; to undo the weight, divide the odds by w",
         lambda p, w: w * p / (w * p + 1 - p)),
        ("these are the odds; turn them back into a probability",
         lambda p, w: p / (1 - p) / w),
        ("this is p unchanged", lambda p, w: p * 1.0),
        ("this is the probability of the opposite, 1 minus the answer",
         lambda p, w: 1 - p / (p + w * (1 - p))),
        ("on the logit a weight adds ln w, not w", lambda p, w: torch.sigmoid(torch.logit(p) - w)),
        ("on the logit a weight adds the natural logarithm of w, not the one to base 10",
         lambda p, w: torch.sigmoid(torch.logit(p) - math.log10(w))),
        ("in the denominator, w multiplies only the share of the opposite: p + w (1 - p)",
         lambda p, w: p / (p + w)),
    ],
)

q7 = Choice(
    hints=["A positive row is charged 1 - p, and a negative row is charged p, where p is the "
           "answer for 'positive'.",
           "The mean loss is 0.3 (1 - p) + 0.7 p. Is that a curve or a straight line in p?",
           "A straight line is lowest at one of its ends. At which one?"],
    answer='belief_of_the_new_loss = "0"',
    why="The mean loss 0.3 + 0.4 p is a straight line and lowest at p = 0. This is the absolute "
        "error of notebook 00, which is not proper.",
    right="0",
    replies={
        "0.3": "that would be a proper loss; compute the mean loss for p = 0.3 and for p = 0",
        "1": "at p = 1 the mean loss is 0.7; compare it with the other end",
        "0.5": "nothing special happens at one half; compare the mean loss there and at p = 0",
        "0.7": "0.7 is the share of the negatives; compute the mean loss for an answer of 0.7",
    },
)
