"""Answers to the exercises of notebook 07: right ones, written otherwise; and wrong ones."""

import math
from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F

from course_utils.metrics import correct_prior


def loss_of_a_constant():
    """250 rows, one of them positive."""
    return F.binary_cross_entropy(torch.full((250,), 0.01), torch.eye(250)[0])


def alarm_in_a_loop(answer, amount, fee, weight):
    alarms = []
    for stated, euro in zip(answer.tolist(), amount.tolist(), strict=True):
        p = stated / (stated + weight * (1 - stated))
        alarms.append(p * euro > fee)
    return alarms


def alarm_by_the_cheaper(answer, amount, fee, weight):
    p = torch.from_numpy(correct_prior(answer, weight=weight))
    costs = torch.stack([p * amount, torch.full_like(p, fee)])
    return costs.argmin(dim=0) == 1


def alarm_by_logit(answer, amount, fee, weight):
    return torch.sigmoid(torch.logit(answer) - math.log(weight)) > fee / amount


def moved_by_logit(p, old, new):
    return torch.sigmoid(torch.logit(p) + math.log(new / (1 - new)) - math.log(old / (1 - old)))


def moved_by_bayes(p, old, new):
    fraud, normal = p / old * new, (1 - p) / (1 - old) * (1 - new)
    return fraud / (fraud + normal)


DIFFERENTLY = {
    "q1": [0.0284, torch.tensor(0.0284), loss_of_a_constant(), np.float32(0.02843)],
    "q2": [alarm_in_a_loop, alarm_by_the_cheaper, alarm_by_logit,
           lambda answer, amount, fee, weight: answer * amount > fee * (
               answer + weight * (1 - answer)),
           lambda answer, amount, fee, weight: alarm_by_logit(answer, amount, fee, weight).float()],
    "q3": [moved_by_logit, moved_by_bayes,
           lambda p, old, new: [new * (1 - old) * x / (new * (1 - old) * x + old * (1 - new)
                                                       * (1 - x)) for x in p.tolist()],
           lambda p, old, new: correct_prior(p, weight=old / (1 - old) / (new / (1 - new)))],
    "q4": ["The threshold", "threshold", "THE THRESHOLD.", "'threshold'", "the  threshold"],
    "q5": ["balancing", "The balancing", "the balancing."],
    "q6": ["C", " c ", "(c)", "c.", '"c"'],
    "q7": [0.18, 0.182, 2 / 11, Fraction(2, 11), torch.tensor(0.1818)],
    "q8": [2e-3, torch.tensor(0.002), 1 / 500, Fraction(2, 1000), 0.0020],
}

WRONG = {
    "q1": [(0.056, "as the bias assumes"), (0.0262, "for the right bias"),
           (4.605, "what a positive costs"), (0.0184, "the part of the positives"),
           (0.01, "the part of the negatives"), (0.0123, "base 10"), (0.041, "in bits"),
           (2.84, "not the mean loss"), (-0.0284, "the sign")],
    "q2": [(lambda answer, amount, fee, weight: answer / (answer + weight * (1 - answer)) > 0.5,
            "ignores the amount"),
           (lambda answer, amount, fee, weight: alarm_by_logit(answer, amount, 5, weight),
            "the value"),
           (lambda answer, amount, fee, weight: alarm_by_logit(answer, amount, fee, 10),
            "the value"),
           (lambda answer, amount, fee, weight: alarm_by_logit(answer, amount, fee, weight)
            | (answer >= 0.5), "the value"),
           (lambda answer, amount, fee, weight: alarm_by_logit(answer, amount.flip(0), fee,
                                                               weight), "the value"),
           (lambda answer, amount, fee, weight: alarm_by_logit(answer, amount, fee,
                                                               weight).nonzero(), "the shape"),
           (lambda answer, amount, fee, weight: alarm_by_logit(answer, amount, fee, weight).any(),
            "the shape"),
           (lambda answer, amount, fee, weight: alarm_by_logit(answer, amount - fee, fee, weight),
            "the value")],
    "q3": [(lambda p, old, new: moved_by_bayes(p, new, old), "exchanged"),
           (lambda p, old, new: p / old * new, "can even exceed 1"),
           (lambda p, old, new: torch.logit(p) + math.log(new / old), "the value"),
           (lambda p, old, new: p + new - old, "the value"),
           (lambda p, old, new: moved_by_bayes(p, 0.002, new), "the value"),
           (lambda p, old, new: moved_by_bayes(p, old, new).mean(), "the shape is ()"),
           (lambda p, old, new: moved_by_bayes(p, old, new).clamp(max=0.99), "the value")],
    "q4": [("thresholds", "is none of"), ("band", "too good"), ("scaling", "nothing leaks there")],
    "q5": [("smote", "is none of"), ("the scaling", "nothing leaks"), ("seeds", "too good")],
    "q6": [("f", "is none of"), ("ac", "is none of"), (["c"], "in quotes"), ("(A)", "other rows")],
    "q7": [(0.1667, "c_FP / (c_FP + c_FN)"), (0.1538, "subtracted"), (0.2, "(1 - p)"),
           (0.222, "stand in the denominator"), (18.2, "not in per cent"),
           (0.9, "not the threshold"),
           (0.231, "not due for a false alarm"), (0.25, "not due for a false alarm")],
    "q8": [(0.167, "that all look alike"), (0.02, "not the number"), (0, "get 1")],
}
