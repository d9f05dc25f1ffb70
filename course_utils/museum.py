"""Losses that are wrong on purpose: the exhibits of notebook 02. Do not train with them.

What belongs here: broken versions of focal loss as people have published them, each cut down to the
lines that matter and named by a letter, so that a reader can look for the fault. What is wrong with
each, and where it was found, stands in the notebook; the tests show each fault at work.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable

import torch
import torch.nn.functional as F

__all__ = ["EXHIBITS", "show"]


def exhibit_a(logits, target, gamma=2.0):
    log_p = -F.cross_entropy(logits, target, reduction="none")
    p_t = torch.exp(log_p).detach()
    return -((1 - p_t) ** gamma * log_p).mean()


def exhibit_b(logits, target, gamma=2.0, weight=None):
    ce = F.cross_entropy(logits, target, weight=weight, reduction="none")
    p_t = torch.exp(-ce)
    return ((1 - p_t) ** gamma * ce).mean()


def exhibit_c(logits, target, gamma=2.0, alpha=0.25):
    ce = F.cross_entropy(logits, target, reduction="none")
    p_t = torch.exp(-ce)
    return (alpha * (1 - p_t) ** gamma * ce).mean()


def exhibit_d(logits, target, gamma=2.0):
    rows = torch.arange(len(target))
    ce = F.cross_entropy(logits, target, reduction="none")
    p_t = logits[rows, target]
    return ((1 - p_t) ** gamma * ce).mean()


def exhibit_e(logits, target, gamma=2.0):
    ce = F.cross_entropy(logits, target, reduction="none")
    return ((1 - ce) ** gamma * ce).mean()


def exhibit_f(logits, target, gamma=2.0):
    prob = torch.softmax(logits, dim=1)
    ce = F.cross_entropy(prob, target, reduction="none")
    p_t = torch.exp(-ce)
    return ((1 - p_t) ** gamma * ce).mean()


def exhibit_g(logits, target, gamma=2.0):
    rows = torch.arange(len(target))
    prob = torch.softmax(logits, dim=1).half()
    p_t = prob[rows, target]
    return ((1 - p_t) ** gamma * -torch.log(p_t)).mean()


def exhibit_h(logits, target, gamma=2.0):
    ce = F.cross_entropy(logits, target, reduction="none")
    p_t = torch.exp(-ce)
    return ((1 - p_t) ** gamma * ce).mean()


def exhibit_i(logits, target, gamma=2.0):
    log_p = F.log_softmax(logits, dim=1)
    one_hot = F.one_hot(target, logits.shape[1])
    return (one_hot * (1 - log_p.exp()) ** gamma * -log_p).mean()


def exhibit_j(logits, target, gamma=2.0):
    rows = torch.arange(len(target))
    prob = torch.softmax(logits, dim=1).clamp(1e-4, 1 - 1e-4)
    p_t = prob[rows, target]
    return ((1 - p_t) ** gamma * -torch.log(p_t)).mean()


def exhibit_k(logits, target, gamma=2.0):
    ce = F.cross_entropy(logits, target)
    p_t = torch.exp(-ce)
    return (1 - p_t) ** gamma * ce


#: Letter to loss: each takes logits ``(N, K)`` and integer targets ``(N,)``, and gives one number.
EXHIBITS = {
    "A": exhibit_a, "B": exhibit_b, "C": exhibit_c, "D": exhibit_d, "E": exhibit_e,
    "F": exhibit_f, "G": exhibit_g, "H": exhibit_h, "I": exhibit_i, "J": exhibit_j,
    "K": exhibit_k,
}


def show(letters: Iterable[str]) -> None:
    """Print the source of some exhibits.

    Args:
        letters: such as ``"ABC"``.

    Raises:
        ValueError: a letter that no exhibit has.

    >>> show("E")
    def exhibit_e(logits, target, gamma=2.0):
        ce = F.cross_entropy(logits, target, reduction="none")
        return ((1 - ce) ** gamma * ce).mean()
    """
    sources = []
    for letter in letters:
        if letter not in EXHIBITS:
            raise ValueError(f"there is no exhibit {letter!r}; the letters are "
                             f"{', '.join(EXHIBITS)}")
        sources.append(inspect.getsource(EXHIBITS[letter]).strip())
    print("\n\n".join(sources))
