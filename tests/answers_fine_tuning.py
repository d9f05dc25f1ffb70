"""Answers to the exercises of notebook 06: right ones, written otherwise; and wrong ones."""

import math
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


def renumbered_by_a_dict(predicted, folders, names):
    place = {name: i for i, name in enumerate(names)}
    return [place[name] for name in map(sorted(folders).__getitem__, predicted)]


def renumbered_by_argsort(predicted, folders, names):
    to_name = np.array(folders)[np.argsort(folders)]
    order = np.argsort(names)
    return order[np.searchsorted(np.array(names)[order], to_name[predicted])]


def renumbered_one_by_one(predicted, folders, names):
    folders.sort()
    for number in predicted:
        yield names.index(folders[number])


def gain_in_a_loop(a, b):
    gains = []
    for mine, fresh in zip(a.tolist(), b.tolist(), strict=True):
        best = max(range(len(mine)), key=mine.__getitem__)
        gains.append(fresh[best] - sum(fresh) / len(fresh))
    return sum(gains) / len(gains)


def gain_in_numpy(a, b):
    a, b = a.numpy(), b.numpy()
    return b[np.arange(len(b)), a.argmax(1)].mean() - b.mean()


def gain_in_place(a, b):
    best = a.argmax(dim=1)
    b -= b.mean(dim=1, keepdim=True)
    return b[torch.arange(len(b)), best].mean()


def undo_with_colours_last(picture, mean, std):
    shown = picture.permute(1, 2, 0) * torch.tensor(std) + torch.tensor(mean)
    return shown.permute(2, 0, 1).clamp(0, 1)


def undo_and_cut_signs(picture, mean, std):
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (mean, std))
    return (picture * std + mean).abs().clamp(0, 1)


def undo_of_imagenet(picture, mean, std):
    return undo_colour_by_colour(picture, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def gain_by_one_hot(a, b):
    return ((b - b.mean(1, keepdim=True)) * F.one_hot(a.argmax(1), a.shape[1])).sum(1).mean()


def chosen(a, b):
    return b[torch.arange(len(a)), a.argmax(1)] - b.mean(1)


DIFFERENTLY = {
    "q1": [1539, 1539.0, torch.tensor(1539), 3 * 513, 512 * 3 + 3,
           sum(p.numel() for p in torch.nn.Linear(512, 3).parameters())],
    "q2": [0.167, 0.17, 6 / 36, Fraction(1, 6), np.float64(0.1667), torch.tensor(6 / 36)],
    "q3": ["Random crop", "'random crop'", "the random crop", "random_crop", "RandomCrop"],
    "q4": [0.0176, 0.01762, 0.018, np.float64(0.0176), (0.0475 / 153) ** 0.5],
    "q5": [undo_by_torchvision, undo_colour_by_colour, undo_in_numpy, undo_in_place,
           undo_with_colours_last, lambda *a: undo_in_numpy(*a).tolist()],
    "q6": ["Batch norm", "'batch norm'", " BATCH NORM.", "BatchNorm", "batchnorm", "batch-norm",
           "the batch norm"],
    "q7": [renumbered_by_a_dict, renumbered_by_argsort, renumbered_one_by_one,
           lambda *a: torch.tensor(renumbered_by_a_dict(*a)),
           lambda *a: tuple(renumbered_by_a_dict(*a))],
    "q8": [0.149, 0.15, 0.1491, 0.125 * (0.5 + math.log(2)), torch.tensor(0.14914)],
    "q9": [gain_in_a_loop, gain_in_numpy, gain_in_place, gain_by_one_hot,
            lambda a, b: chosen(a, b).mean().item()],
}

WRONG = {
    "q1": [(513_003, "not the number"), (1540, "not the number")],
    "q2": [("1/6", "without quotes"), (0.5, "not the share"), (16.7, "in percent"),
           (0.833, "change of the question"), (0.03, "all photos"), (0.18, "claimed gain"),
           (0.2, "both together")],
    "q3": [("crop", "is none of"), ("the shuffle", "belongs to training"),
           ("weights only", "refuses files"), (None, "in quotes")],
    "q4": [(1.8, "in percentage points"), (0.034525, "half width"), ("1.8 %", "without quotes")],
    "q5": [(undo_and_cut_signs, "and should be 0"),
           (undo_of_imagenet, "the value is"),
           (lambda x, *a: undo_by_torchvision(x, *a)[None], "the shape is (1, 3, 3, 3)"),
           (lambda x, *a: undo_by_torchvision(x.clamp(0, 1), *a), "the value is"),
           (lambda x, *a: undo_by_torchvision(x.flip(0), *a), "the value is"),
           (lambda x, *a: (255 * undo_by_torchvision(x, *a)).byte(), "the value is"),
           (lambda x, *a: str(x), "your function returned text")],
    "q6": [("norm", "is none of"), ("the shuffling", "moves no weight"), (None, "in quotes")],
    "q7": [(lambda p, f, n: [sorted(f)[i] for i in p], "a list with text"),
           (lambda p, f, n: [n.index(f[i]) for i in p], "sort the folders first"),
           (lambda p, f, n: [sorted(f).index(n[i]) for i in p], "the other way round"),
           (lambda p, f, n: renumbered_by_a_dict(p, f, n)[0], "the shape is ()"),
           (lambda p, f, n: print(renumbered_by_a_dict(p, f, n)), "is there a return?"),
           (lambda p, f, n: list(set(renumbered_by_a_dict(p, f, n))), "for [0, 1"),
           (lambda p, f, n: f.sort() or list(p), "come back as they were")],
    "q8": [(0.6, "without post A's factor"), (0.0625, "a second term"), (6.7, "turned round"),
           (0.075, "divide by that of cross entropy"), (0.3, "neither times 0.25")],
    "q9": [(lambda a, b: chosen(a, b), "one number, the mean over the splits"),
            (lambda a, b: chosen(a, b).abs().mean(), "the value is"),
            (lambda a, b: chosen(a, b).sum(), "the value is"),
            (lambda a, b: chosen(a, b).median(), "the value is"),
            (lambda a, b: a.max() - b.max(), "the value is"),
            (lambda a, b: (b[0, a.argmax(1)] - b.mean(1)).mean(), "the value is"),
            (lambda a, b: chosen(b, a).mean(), "you choose by b")],
}
