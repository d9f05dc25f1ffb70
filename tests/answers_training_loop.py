"""Right answers to the exercises of notebook 05, written otherwise than the solutions."""

import numpy as np
import torch


def epoch_mean_by_nansum(means, sizes):
    return torch.nansum(means * sizes) / sizes.sum()


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


def evaluate_and_restore_the_mode(model, loader):
    was = model.training
    model.train(False)
    hits = [hit for x, y in loader for hit in (model(x).max(1).indices == y).tolist()]
    model.train(was)
    return sum(hits) / len(hits)


DIFFERENTLY = {
    "q1": [-7.2, torch.tensor(-7.2)],
    "q2": [epoch_mean_by_nansum, epoch_mean_in_a_loop, epoch_mean_in_place, epoch_mean_by_numpy],
    "q3": ["DF", " df. ", "fd", "d, f", "d and f", ("f", "d")],
    "q4": [evaluate_all_at_once, evaluate_and_restore_the_mode],
    "q5": ["D", "d "],
    "q6": [1e-11, 0.001 / 10**8],
    "q7": [146, 146.0],
}
