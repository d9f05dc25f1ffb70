"""Answers to the exercises of notebook 05: right ones, written otherwise; and wrong ones."""

import numpy as np
import torch


def epoch_mean_by_where(means, sizes):
    return torch.where(sizes > 0, means * sizes, 0).sum() / sizes.sum()


def epoch_mean_in_a_loop(means, sizes):
    total = 0.0
    for mean, size in zip(means.tolist(), sizes.tolist(), strict=True):
        total += mean * size if size else 0.0
    return total / int(sizes.sum())


def epoch_mean_in_place(means, sizes):
    means[sizes == 0] = 0
    return (means * sizes).sum() / sizes.sum()


def epoch_mean_by_numpy(means, sizes):
    filled = sizes.numpy() > 0
    return np.average(means.numpy()[filled], weights=sizes.numpy()[filled])


def evaluate_all_at_once(model, loader):
    model.eval()
    with torch.inference_mode():
        told = torch.cat([model(x).argmax(1) for x, _ in loader])
    return (told == torch.cat([y for _, y in loader])).double().mean()


@torch.no_grad()
def evaluate_and_restore_the_mode(model, loader):
    was = model.training
    model.train(False)
    hits = [hit for x, y in loader for hit in (model(x).max(1).indices == y).tolist()]
    model.train(was)
    return sum(hits) / len(hits)


def evaluate_without_gradients_switched_off(model, loader):
    model.eval()
    told = torch.cat([model(x).argmax(1) for x, _ in loader])
    return (told == torch.cat([y for _, y in loader])).float().mean()


def evaluate_with_half_the_batches_ungraphed(model, loader):
    told = []
    for number, (x, _) in enumerate(loader):
        with torch.set_grad_enabled(number % 2 == 0):
            told.append(model.eval()(x).argmax(1))
    return (torch.cat(told) == torch.cat([y for _, y in loader])).float().mean()


def evaluate_frozen(model, loader):
    model.requires_grad_(False).eval()
    told = torch.cat([model(x).argmax(1) for x, _ in loader])
    return (told == torch.cat([y for _, y in loader])).float().mean()


DIFFERENTLY = {
    "q1": [-7.2, torch.tensor(-7.2)],
    "q2": [epoch_mean_by_where, epoch_mean_in_a_loop, epoch_mean_in_place, epoch_mean_by_numpy],
    "q3": ["DF", " df. ", "fd", "d, f", "d and f", "lines d and f", "(D), (F)", ("f", "d")],
    "q4": [evaluate_all_at_once, evaluate_and_restore_the_mode, evaluate_frozen],
    "q5": ["D", "d ", "line d", "(d)", "The line d."],
    "q6": [1e-11, 0.001 / 10**8],
    "q7": [146, 146.0],
}

# Wrong ones beside those that an exercise lists, with words of the reply.
WRONG = {
    "q2": [(lambda m, s: (m.nan_to_num() * s).sum() / s.sum(), "is an alarm, and you count it"),
           (lambda m, s: torch.nanmean(m * s), "the value is")],
    "q3": [("lines d and e", "yes, d is one of the two; e is right"), ("line d", "the other?"),
           ("all", "two letters from a to f")],
    "q4": [(evaluate_without_gradients_switched_off, "builds a graph"),
           (evaluate_with_half_the_batches_ungraphed, "builds a graph")],
    "q5": [("line c", "this restores the weights"), ("d, e", "one letter from a to f")],
    "q6": [(0.1**8, "the factor alone")],
}
