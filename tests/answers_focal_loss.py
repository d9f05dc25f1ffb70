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


def weighted_row_by_row(logits, target, weight):
    rows = []
    for z, y in zip(logits, target, strict=True):
        ce = torch.logsumexp(z, 0) - z[y]
        rows.append(weight[y] * torch.expm1(-ce) ** 2 * ce)
    return torch.stack(rows)


DIFFERENTLY = {
    "q1": [25, 25.0, torch.tensor(25.0), torch.tensor([[25.0]]), np.array(25.0), np.array([25])],
    "q2": [-0.298, -0.25 * (0.5 + math.log(2))],
    "q3": [undo_by_odds, undo_by_autograd, lambda p, g: undo_by_odds(p, g).tolist()],
    "q4": [0.75, 3 / 4, 0.76],
    "q5": [focal_in_float64, focal_of_pairs],
    "q6": ["The gradient ", "THE GRADIENT", "gradient", "'the gradient'."],
    "q7": [weighted_by_nll, weighted_row_by_row],
    "q8": [0.25, 1 / 4, torch.tensor(0.25)],
}


def with_true(picked):
    """Focal loss of the margin, with the true logits as picked, right or wrong."""
    def loss(logits, target, gamma):
        true = picked(logits, target)
        others = logits.scatter(1, target[:, None], -torch.inf)
        u = torch.logsumexp(others, 1) - true
        return torch.sigmoid(u) ** gamma * F.softplus(u)
    return loss


def only_three_classes(logits, target, gamma):
    one_hot = F.one_hot(target, 3)
    ce = -(one_hot * F.log_softmax(logits, 1)).sum(1)
    return (1 - torch.exp(-ce)) ** gamma * ce


WRONG = {
    "q1": [(24.0, ""), (1.25, ""), (0.2, "missing probability"), (125, "gamma = 3")],
    "q2": [(0.298, "the sign"), (-0.596, "twice"), (0.173, "the loss at one half")],
    "q3": [(lambda p, g: p.square(), "should be"), (lambda p, g: 1 - p, "should be")],
    "q5": [(with_true(lambda z, t: z.gather(0, t[None])[0]), "raised"),
           (with_true(lambda z, t: z.diagonal()[:len(t)]), ""),
           (with_true(lambda z, t: z[:, 0]), "should be"),
           (only_three_classes, ""),
           (lambda z, t, g: focal_in_float64(z, t, g).detach(), "no gradient comes through"),
           (lambda z, t, g: focal_in_float64(z, t.sort().values, g), "should be")],
    "q7": [(lambda z, t, w: (w[t] * (1 - torch.exp(-F.cross_entropy(z, t, reduction="none")))) ** 2
            * F.cross_entropy(z, t, reduction="none"), "grows with its square"),
           (lambda z, t, w: weighted_row_by_row(z, t, w) * 2, "should be")],
    "q8": [(0.226, "correct"), (0.3247, "gamma = 2"), (0.9, "a hint")],
}
