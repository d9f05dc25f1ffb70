"""Answers to the exercises of notebook 06: right ones, written otherwise; and wrong ones."""

from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F
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


def undo_with_colours_last(picture, mean, std):
    shown = picture.permute(1, 2, 0) * torch.tensor(std) + torch.tensor(mean)
    return shown.permute(2, 0, 1).clamp(0, 1)


def undo_and_cut_signs(picture, mean, std):
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (mean, std))
    return (picture * std + mean).abs().clamp(0, 1)


def undo_of_imagenet(picture, mean, std):
    return undo_colour_by_colour(picture, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def optimism_by_one_hot(a, b):
    return ((a - b) * F.one_hot(a.argmax(1), a.shape[1])).sum(1).mean()


def chosen(a, b):
    return (a - b)[torch.arange(len(a)), a.argmax(1)]


DIFFERENTLY = {
    "q1": [2562, 2562.0, torch.tensor(2562), 1281 + 1281,
           sum(p.numel() for p in torch.nn.Linear(1280, 2).parameters())],
    "q2": [undo_by_torchvision, undo_colour_by_colour, undo_in_numpy, undo_in_place,
           undo_with_colours_last, lambda *a: undo_in_numpy(*a).tolist()],
    "q3": [rates_from_the_end, rates_in_numpy, rates_one_by_one, rates_turned_round,
           lambda n, lr, d: torch.tensor([lr * d**i for i in reversed(range(n))]),
           lambda n, lr, d: np.array([lr * d**i for i in range(n)])[::-1],
           lambda n, lr, d: np.geomspace(lr * d ** (n - 1), lr, n)],
    "q4": ["Batch norm", "'batch norm'", " BATCH NORM.", "BatchNorm", "batchnorm", "batch-norm",
           "the batch norm"],
    "q5": [0.0176, 0.01762, 0.018, np.float64(0.0176), (0.0475 / 153) ** 0.5],
    "q6": [0.00025, 2.5e-4, 0.001 / 4, torch.tensor(0.00025), Fraction(1, 4000)],
    "q7": [optimism_in_a_loop, optimism_in_numpy, optimism_in_place, optimism_by_one_hot,
           lambda a, b: chosen(a, b).mean().item()],
}

WRONG = {
    "q1": [(1_281_002, "not the number"), (2563, "not the number")],
    "q2": [(undo_and_cut_signs, "and should be 0"),
           (undo_of_imagenet, "the value is"),
           (lambda x, *a: undo_by_torchvision(x, *a)[None], "the shape is (1, 3, 3, 3)"),
           (lambda x, *a: undo_by_torchvision(x.clamp(0, 1), *a), "the value is"),
           (lambda x, *a: undo_by_torchvision(x.flip(0), *a), "the value is"),
           (lambda x, *a: (255 * undo_by_torchvision(x, *a)).byte(), "the value is"),
           (lambda x, *a: str(x), "your function returned text")],
    "q3": [(lambda n, lr, d: [lr * d**i for i in range(1, n + 1)], "the value is"),
           (lambda n, lr, d: lr * d ** (n - 1), "the shape is () and should be (4,)"),
           (lambda n, lr, d: rates_from_the_end(n, lr, d)[1:], "the shape is (3,)"),
           (lambda n, lr, d: np.linspace(lr * d ** (n - 1), lr, n), "the value is"),
           (lambda n, lr, d: [round(r, 4) for r in rates_from_the_end(n, lr, d)], "the value is"),
           (lambda n, lr, d: [{"lr": r} for r in rates_from_the_end(n, lr, d)],
            "your function returned a list with a dict in it"),
           (lambda n, lr, d: list(map(str, rates_from_the_end(n, lr, d))), "a list with text"),
           (lambda n, lr, d: print(rates_from_the_end(n, lr, d)), "is there a return?")],
    "q4": [("norm", "is none of"), ("the shuffling", "moves no weight"), (None, "in quotes")],
    "q5": [(1.8, "in percentage points"), (0.034525, "half width"), ("1.8 %", "without quotes")],
    "q6": [(0.002, "not the number"), (-0.00025, "not the number")],
    "q7": [(lambda a, b: chosen(a, b), "one number, the mean over the splits"),
           (lambda a, b: chosen(a, b).abs().mean(), "the value is"),
           (lambda a, b: chosen(a, b).sum(), "the value is"),
           (lambda a, b: chosen(a, b).median(), "the value is"),
           (lambda a, b: a.max() - b.max(), "the value is"),
           (lambda a, b: (a - b)[:, a.argmax(1)].mean(), "the value is"),
           (lambda a, b: (a.amax(1) - b[0, a.argmax(1)]).mean(), "the value is"),
           (lambda a, b: chosen(b, a).mean(), "you choose by b")],
}
