"""Right answers to the exercises of notebook 06, written otherwise than the solutions."""

import numpy as np
import torch
from torchvision.transforms import v2


def undo_by_torchvision(picture, mean, std):
    """Normalising with the opposite numbers, in two steps."""
    plain = v2.functional.normalize(picture, [0.0] * 3, [1 / s for s in std])
    return v2.functional.normalize(plain, [-m for m in mean], [1.0] * 3).clip(0, 1)


def undo_colour_by_colour(picture, mean, std):
    colours = [torch.clamp(x * s + m, min=0.0, max=1.0)
               for x, m, s in zip(picture, mean, std, strict=True)]
    return torch.stack(colours)


def undo_in_numpy(picture, mean, std):
    mean, std = (np.reshape(v, (3, 1, 1)) for v in (mean, std))
    return np.clip(picture.numpy() * std + mean, 0, 1)


def undo_in_place(picture, mean, std):
    for colour, m, s in zip(picture, mean, std, strict=True):
        colour.mul_(s).add_(m)
    return picture.clamp_(0, 1)


def rates_from_the_end(n, lr, decay):
    rates = [lr]
    while len(rates) < n:
        rates.insert(0, rates[0] * decay)
    return rates


def rates_in_numpy(n, lr, decay):
    return lr * np.power(decay, np.arange(n)[::-1])


def rates_one_by_one(n, lr, decay):
    for steps in range(n - 1, -1, -1):
        yield lr * decay**steps


def rates_turned_round(n, lr, decay):
    return reversed([lr * decay**i for i in range(n)])


def optimism_in_a_loop(a, b):
    gaps = []
    for mine, other in zip(a.tolist(), b.tolist(), strict=True):
        best = max(range(len(mine)), key=mine.__getitem__)
        gaps.append(mine[best] - other[best])
    return sum(gaps) / len(gaps)


def optimism_in_numpy(a, b):
    a, b = a.numpy(), b.numpy()
    return (a.max(1) - b[np.arange(len(b)), a.argmax(1)]).mean()


def optimism_in_place(a, b):
    best = a.argmax(dim=1)
    return a.sub_(b)[torch.arange(len(a)), best].mean()


DIFFERENTLY = {
    "q1": [2562, 2562.0, torch.tensor(2562), sum(p.numel() for p in
                                                 torch.nn.Linear(1280, 2).parameters())],
    "q2": [undo_by_torchvision, undo_colour_by_colour, undo_in_numpy, undo_in_place],
    "q3": [rates_from_the_end, rates_in_numpy, rates_one_by_one, rates_turned_round,
           lambda n, lr, d: torch.tensor([lr * d**i for i in reversed(range(n))])],
    "q4": ["Batch norm", "'batch norm'", " BATCH NORM.", "BatchNorm", "batchnorm"],
    "q5": [0.0176, 0.01762, 0.018, np.float64(0.0176)],
    "q6": [0.00025, 2.5e-4, 0.001 / 4, torch.tensor(0.00025)],
    "q7": [optimism_in_a_loop, optimism_in_numpy, optimism_in_place],
}
