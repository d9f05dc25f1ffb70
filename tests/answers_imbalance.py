"""Answers to the exercises of notebook 07: right ones, written otherwise; and wrong ones."""

import math
from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F

from course_utils.metrics import correct_prior


def alarm_in_a_loop(p, amount, fee):
    return [chance * euro > fee for chance, euro in zip(p.tolist(), amount.tolist(), strict=True)]


def corrected_by_logit(p, kept):
    return torch.sigmoid(torch.logit(p) + math.log(kept))


def alarm_by_the_cheaper(p, amount, fee):
    costs = torch.stack([p * amount, torch.full_like(p, fee)])
    return costs.argmin(dim=0) == 1


def corrected_by_odds_and_a_case(p, kept):
    odds = kept * p / (1 - p)
    return torch.where(p == 1, 1.0, odds / (1 + odds))


def loss_of_a_constant():
    """A hundred rows, one of them positive."""
    return F.binary_cross_entropy(torch.full((100,), 0.01), torch.eye(100)[0])


DIFFERENTLY = {
    "q1": [0.056, torch.tensor(0.056), loss_of_a_constant(), np.float32(0.056), 0.0560],
    "q2": [alarm_in_a_loop, lambda p, amount, fee: torch.gt(p, fee / amount), alarm_by_the_cheaper,
           lambda p, amount, fee: (p * amount > fee).float(),
           lambda p, amount, fee: (p.numpy() * amount.numpy()) >= fee],
    "q3": [corrected_by_logit, lambda p, kept: correct_prior(p, kept=kept),
           lambda p, kept: 1 / (1 + (1 - p) / p / kept), corrected_by_odds_and_a_case,
           lambda p, kept: [kept * x / (kept * x + 1 - x) for x in p.tolist()],
           lambda p, kept: 1 - (1 - p) / (kept * p + 1 - p)],
    "q4": ["The threshold", "threshold", "THE THRESHOLD.", "'threshold'", "the  threshold"],
    "q5": [2e-3, torch.tensor(0.002), 1 / 500, Fraction(2, 1000), 0.0020],
    "q6": ["C", " c ", "(c)", "c.", '"c"'],
}

WRONG = {
    "q1": [(4.559, "the logarithms are swapped"), (4.605, "the surprise of a positive"),
           (4.615, "each of the two must count by its share"), (0.01, "the share of positives"),
           (0.00995, "the negatives' part"), (0.01005, "the surprise of a negative"),
           (5.6, "not the number")],
    "q2": [(lambda p, amount, fee: p > fee / amount.mean(), "an amount of its own"),
           (lambda p, amount, fee: p > fee / (fee + amount), "an honest payment loses nothing"),
           (lambda p, amount, fee: p * (amount - fee) > fee, "the value at [4]"),
           (lambda p, amount, fee: p * amount > 5, "the value is"),
           (lambda p, amount, fee: (p * amount > fee) | (p > 0.5), "the value at [5]"),
           (lambda p, amount, fee: (p * amount > fee) & (p < 1), "the value is"),
           (lambda p, amount, fee: (p * amount > fee).nonzero(), "the shape is (3, 1)"),
           (lambda p, amount, fee: ["yes" if x else "no" for x in p * amount > fee],
            "a list with text in it")],
    "q3": [(lambda p, kept: torch.sigmoid(torch.logit(p) - math.log(kept)), "a second time"),
           (lambda p, kept: kept * p / (p + 1 - p), "the odds that shrink"),
           (lambda p, kept: torch.sigmoid(torch.logit(p) + kept), "the value is"),
           (lambda p, kept: 0.05 * p / (0.05 * p + 1 - p), "for [0.5], 0.2"),
           (lambda p, kept: kept * p / (kept * p + 1 - p + 1e-3), "the value is"),
           (lambda p, kept: p ** (1 / kept), "the value is"),
           (lambda p, kept: (p / kept).clamp(max=1), "the value is"),
           (lambda p, kept: corrected_by_logit(p, kept).mean(), "the shape is ()")],
    "q4": [("thresholds", "is none of"), ("band", "too good"), ("scaling", "nothing leaks there")],
    "q5": [(0.167, "rows that all look alike"), (0.02, "not the number"), (0, "get 1")],
    "q6": [("f", "is none of"), ("ac", "is none of"), (["c"], "in quotes"), ("(A)", "other rows")],
}
