"""Right answers to the exercises of notebook 07, written otherwise than the solutions."""

import math

import torch

from course_utils.metrics import correct_prior


def alarm_in_a_loop(p, amount, fee):
    return [chance * euro > fee for chance, euro in zip(p.tolist(), amount.tolist(), strict=True)]


def corrected_by_logit(p, kept):
    return torch.sigmoid(torch.logit(p) + math.log(kept))


DIFFERENTLY = {
    "q1": [0.056, torch.tensor(0.056)],
    "q2": [alarm_in_a_loop, lambda p, amount, fee: torch.gt(p, fee / amount)],
    "q3": [corrected_by_logit, lambda p, kept: correct_prior(p, kept=kept),
           lambda p, kept: 1 / (1 + (1 - p) / p / kept)],
    "q4": ["The threshold", "threshold"],
    "q5": [2e-3, torch.tensor(0.002)],
    "q6": ["C", " c "],
}
