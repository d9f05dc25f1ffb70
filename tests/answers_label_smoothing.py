"""Right answers to the exercises of notebook 03, written otherwise than the solutions."""

import math

import numpy as np
import torch
import torch.nn.functional as F


def smooth_others_by_torch(logits, target, eps):
    K = logits.shape[1]
    return F.cross_entropy(logits, target, label_smoothing=eps * K / (K - 1))


def smooth_others_by_parts(logits, target, eps):
    surprise = -F.log_softmax(logits, dim=1)
    true = surprise.gather(1, target[:, None])[:, 0]
    others = (surprise.sum(dim=1) - true) / (logits.shape[1] - 1)
    return ((1 - eps) * true + eps * others).mean()


def smooth_others_by_scatter(logits, target, eps):
    q = torch.full_like(logits, eps / (logits.shape[1] - 1))
    q.scatter_(1, target.unsqueeze(1), 1 - eps)
    return F.cross_entropy(logits, q)


def smooth_others_in_a_loop(logits, target, eps):
    total = 0
    for row, t in zip(logits, target, strict=True):
        p = torch.log_softmax(row, 0)
        for k in range(len(row)):
            total = total - (1 - eps if k == t else eps / (len(row) - 1)) * p[k]
    return total / len(logits)


def kl_by_logsumexp(logits, q):
    log_p = logits - logits.logsumexp(dim=1, keepdim=True)
    return (q * (q.log() - log_p)).sum() / len(q)


def kl_by_cross_entropy(logits, q):
    return F.cross_entropy(logits, q) + torch.xlogy(q, q).sum(dim=1).mean()


def kl_without_gradient(logits, q):
    """The question asks for a value."""
    return F.kl_div(F.log_softmax(logits.detach(), dim=1), q, reduction="batchmean").item()


DIFFERENTLY = {
    "q1": [lambda eps, K: eps / (1 - 1 / K), lambda eps, K: eps + eps / (K - 1),
           lambda eps, K: np.float64(eps) * K / (K - 1)],
    "q2": [0.588, torch.tensor(0.5876), -0.85 * math.log(0.85) - 0.15 * math.log(0.05)],
    "q3": [0.2, torch.tensor(0.2), 1 / 5],
    "q4": ["T below 1", "t BELOW 1 "],
    "q5": [smooth_others_by_torch, smooth_others_by_parts, smooth_others_by_scatter,
           smooth_others_in_a_loop],
    "q6": ["Full_like", " full_like "],
    "q7": [kl_by_cross_entropy, kl_by_logsumexp, kl_without_gradient,
           lambda z, q: F.kl_div(z.log_softmax(1), q, reduction="sum") / len(z)],
    "q8": [0.1, 2 / (1 + 19), 2 / (1 + math.exp(2.94))],
}


def forgotten_mean(logits, target, eps):
    K = logits.shape[1]
    true = F.one_hot(target, K)
    q = (1 - eps) * true + eps / (K - 1) * (1 - true)
    return -(q * F.log_softmax(logits, dim=1)).sum(dim=1)


def mixed_with_others(logits, target, eps):
    K = logits.shape[1]
    q = (1 - eps) * F.one_hot(target, K) + eps / (K - 1)
    return -(q * F.log_softmax(logits, dim=1)).sum(dim=1).mean()


def cut_from_the_graph(logits, target, eps):
    return smooth_others_by_torch(logits.detach(), target, eps)


def always_ten_classes(logits, target, eps):
    return F.cross_entropy(logits, target, label_smoothing=eps * 10 / 9)


def over_the_rows(logits, target, eps):
    K = logits.shape[1]
    true = F.one_hot(target, K)
    q = (1 - eps) * true + eps / (K - 1) * (1 - true)
    return -(q * F.log_softmax(logits, dim=0)).sum(dim=1).mean()


WRONG = {
    "q1": [(lambda eps, K: 2 * eps, "0.2"), (lambda eps, K: eps * K // (K - 1), "should be"),
           (lambda eps, K: eps * 10 / 9, "should be"), (lambda eps, K: eps * K, "smoothing of 1,")],
    "q2": [(0.2877, "three wrong classes"), (0.5003, "ten classes"), (0.848, "bits"),
           (0.15, "hint may help")],
    "q3": [(0.189, "not 1 - eps/2"), ("0.2", "without quotes"), (0.5, "hint may help")],
    "q4": [("T", "none of"), ("T above 1", "softer")],
    "q5": [(forgotten_mean, "their mean, one number"), (mixed_with_others, "more than 1"),
           (cut_from_the_graph, "no gradient comes through"),
           (always_ten_classes, "should be"), (over_the_rows, "should be")],
    "q6": [("eps", "none of"), ("scatter", "look at the other entries")],
    "q7": [(lambda z, q: F.kl_div(torch.softmax(z, dim=1), q, reduction="none").mean(),
            "both bugs"),
           (lambda z, q: F.kl_div(F.log_softmax(z, dim=1), q, reduction="none").mean(),
            "one bug is left: this is a mean"),
           (lambda z, q: F.kl_div(torch.log_softmax(z, 0), q, reduction="batchmean"), "dim=0"),
           (lambda z, q: F.kl_div(torch.softmax(z, dim=1), q, reduction="batchmean"),
            "one bug is left: kl_div")],
    "q8": [(0.053, "sum to 1"), (2.94, "gap between the logits"), (0.2, "hint may help")],
}
