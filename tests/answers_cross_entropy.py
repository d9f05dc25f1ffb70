"""Answers to the exercises of notebook 01: right ones in other words, and wrong ones."""

import math

import torch
import torch.nn.functional as F


def log_softmax_by_hand(logits):
    largest = logits.max(dim=1, keepdim=True).values
    return (logits - largest) - (logits - largest).exp().sum(dim=1, keepdim=True).log()


def log_softmax_in_a_loop(logits):
    return torch.stack([row - torch.logsumexp(row, dim=0) for row in logits])


def log_softmax_of_numpy(logits):
    z = logits.numpy()
    z = z - z.max(axis=1, keepdims=True)
    return z - torch.tensor(z).exp().sum(dim=1, keepdim=True).log().numpy()


def gradient_by_autograd(logits, target):
    logits = logits.detach().requires_grad_()
    return torch.autograd.grad(F.cross_entropy(logits, target), logits)[0]


def gradient_by_index(logits, target):
    p = torch.softmax(logits, dim=1)
    p[torch.arange(len(target)), target] -= 1
    return p / len(target)


def unweight_by_logit(p, w):
    return torch.sigmoid(torch.logit(p) - math.log(w))


def one_hot_without_classes(logits, target):
    return (torch.softmax(logits, 1) - F.one_hot(target)) / len(target)


def always_three_classes(logits, target):
    return (torch.softmax(logits, 1) - F.one_hot(target, 3)) / len(target)


def sorted_targets(logits, target):
    return gradient_by_autograd(logits, target.sort(descending=True).values)


DIFFERENTLY = {
    "q2": [log_softmax_by_hand, log_softmax_in_a_loop, log_softmax_of_numpy,
           lambda z: F.log_softmax(z, 1)],
    "q1": [1.386, torch.tensor(1.386), -math.log(0.25)],
    "q3": ["Softmax twice ", "SOFTMAX TWICE"],
    "q4": [gradient_by_autograd, gradient_by_index],
    "q5": [19, 0.95 / 0.05, torch.tensor(19)],
    "q6": [unweight_by_logit, lambda p, w: 1 / (1 + w * (1 - p) / p),
           lambda p, w: [[v / (v + w * (1 - v)) for v in row] for row in p.tolist()]
           if p.dim() == 2 else [v / (v + w * (1 - v)) for v in p.tolist()]],
    "q7": ["0", " 0 "],
}

WRONG = {
    "q2": [(lambda z: z - z.max(), ""), (lambda z: z - z.max(1, keepdim=True).values, ""),
           (lambda z: torch.log(torch.softmax(z, 1).clamp(min=1e-12)), "")],
    "q1": [(1.4, "not the number")],
    "q4": [(one_hot_without_classes, ""), (always_three_classes, ""), (sorted_targets, "")],
    "q5": [(18.9, ""), (21, "")],
    "q6": [(lambda p, w: p / (p + w**2 * (1 - p)), ""), (lambda p, w: torch.logit(p), "")],
}
