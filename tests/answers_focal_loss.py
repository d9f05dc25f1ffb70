"""Right answers to the exercises of notebook 02, written otherwise than the solutions."""

import math

import numpy as np
import torch
import torch.nn.functional as F


def undo_by_odds(p, gamma):
    q = 1 - p
    odds = ((p / q) ** gamma * (p - gamma * q * torch.log1p(-p))
            / (q - gamma * p * torch.log(p)))
    return odds / (1 + odds)


def undo_by_autograd(p, gamma):
    """Asks the loss itself for its slopes at the answer."""
    logit = torch.logit(p.detach()).requires_grad_()
    slopes = [torch.autograd.grad((torch.sigmoid(-s) ** gamma * F.softplus(-s)).sum(), logit)[0]
              for s in (logit, -logit)]
    return slopes[1] / (slopes[1] - slopes[0])


def focal_in_float64(logits, target, gamma):
    """The others' probabilities, summed; in float64, which has digits to spare."""
    z = logits.double()
    others = torch.ones_like(z).scatter(1, target[:, None], 0.0)
    prob = torch.softmax(z, 1)
    missing = (prob * others).sum(1)
    return missing**gamma * torch.log1p(missing / prob.gather(1, target[:, None])[:, 0])


def focal_of_pairs(logits, target, gamma):
    rows = []
    for z, y in zip(logits, target, strict=True):
        u = torch.logsumexp(torch.cat([z[:y], z[y + 1:]]), 0) - z[y]
        rows.append(torch.exp(gamma * F.logsigmoid(u)) * F.softplus(u))
    return torch.stack(rows)


def weighted_by_nll(logits, target, weight):
    log_p = F.log_softmax(logits, 1)
    return F.nll_loss((1 - log_p.exp()) ** 2 * log_p, target, weight=weight, reduction="none")


DIFFERENTLY = {
    "q1": [25, 25.0, torch.tensor(25.0), torch.tensor([[25.0]]), np.array(25.0), np.array([25])],
    "q2": [-0.298, -0.25 * (0.5 + math.log(2))],
    "q3": [undo_by_odds, undo_by_autograd],
    "q4": [0.75, 3 / 4],
    "q5": [focal_in_float64, focal_of_pairs],
    "q6": ["The gradient ", "THE GRADIENT", "gradient", "'the gradient'."],
    "q7": [weighted_by_nll],
}
