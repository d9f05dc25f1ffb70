"""Right answers to the exercises of notebook 01, written otherwise than the solutions."""

import math

import torch
import torch.nn.functional as F


def log_softmax_by_hand(z):
    top = z.max(dim=1, keepdim=True).values
    return (z - top) - (z - top).exp().sum(dim=1, keepdim=True).log()


def log_softmax_in_a_loop(z):
    return torch.stack([row - torch.logsumexp(row, dim=0) for row in z])


def gradient_by_autograd(logits, target):
    logits = logits.detach().requires_grad_()
    return torch.autograd.grad(F.cross_entropy(logits, target), logits)[0]


def unweight_by_logit(p, w):
    return torch.sigmoid(torch.logit(p) - math.log(w))


DIFFERENTLY = {
    "q1": [log_softmax_by_hand, log_softmax_in_a_loop],
    "q2": [1.386, torch.tensor(1.39)],
    "q3": ["Softmax twice ", "SOFTMAX TWICE"],
    "q4": [gradient_by_autograd],
    "q5": [0.513, 20 / 39],
    "q6": [unweight_by_logit, lambda p, w: 1 / (1 + w * (1 - p) / p)],
}
