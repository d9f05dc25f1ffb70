"""Answers to the exercises of notebook 05: right ones, written otherwise; and wrong ones."""

from fractions import Fraction

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
        answers = torch.cat([model(x).argmax(1) for x, _ in loader])
    return (answers == torch.cat([y for _, y in loader])).double().mean()


@torch.no_grad()
def evaluate_and_restore_the_mode(model, loader):
    was = model.training
    model.train(False)
    hits = [hit for x, y in loader for hit in (model(x).max(1).indices == y).tolist()]
    model.train(was)
    return sum(hits) / len(hits)


def evaluate_without_gradients_switched_off(model, loader):
    model.eval()
    answers = torch.cat([model(x).argmax(1) for x, _ in loader])
    return (answers == torch.cat([y for _, y in loader])).float().mean()


def evaluate_with_half_the_batches_ungraphed(model, loader):
    answers = []
    for number, (x, _) in enumerate(loader):
        with torch.set_grad_enabled(number % 2 == 0):
            answers.append(model.eval()(x).argmax(1))
    return (torch.cat(answers) == torch.cat([y for _, y in loader])).float().mean()


def evaluate_frozen(model, loader):
    model.requires_grad_(False).eval()
    answers = torch.cat([model(x).argmax(1) for x, _ in loader])
    return (answers == torch.cat([y for _, y in loader])).float().mean()


def evaluate_and_leave_gradients_off(model, loader):
    torch.set_grad_enabled(False)
    right = count = 0
    for x, y in loader:
        right += (model.eval()(x).argmax(1) == y).sum()
        count += len(x)
    return right / count


def evaluate_by_weighted_means(model, loader):
    model.eval()
    total = 0.0
    with torch.no_grad():
        for x, y in loader:
            total += (model(x).argmax(1) == y).float().mean().item() * len(y)
    return total / sum(len(y) for _, y in loader)


def evaluated(end, mode="eval"):
    """Evaluates as it should, up to how the right answers are put together."""
    def evaluate(model, loader):
        getattr(model, mode)()
        with torch.no_grad():
            return end([(model(x).argmax(1) == y).float() for x, y in loader])
    return evaluate


def epoch_mean_of_the_largest_batch(means, sizes):
    return means[sizes.argmax()]


DIFFERENTLY = {
    "q1": [-7.2, torch.tensor(-7.2), np.float32(-7.2), Fraction(-36, 5), -4 - 3.2],
    "q2": [epoch_mean_by_where, epoch_mean_in_a_loop, epoch_mean_in_place, epoch_mean_by_numpy,
           lambda m, s: torch.repeat_interleave(m, s).mean(),
           lambda m, s: m[s > 0] @ s[s > 0].float() / s.sum()],
    "q3": ["DF", " df. ", "fd", "d, f", "d and f", "lines d and f", "(D), (F)", ("f", "d"),
           {"d", "f"}, np.array(["d", "f"]), "d/f"],
    "q4": [evaluate_all_at_once, evaluate_and_restore_the_mode, evaluate_frozen,
           evaluate_and_leave_gradients_off, evaluate_by_weighted_means],
    "q5": ["D", "d ", "line d", "(d)", "The line d.", np.array(["d"])],
    "q6": [1e-11, 0.001 / 10**8, Fraction(1, 10**11), 0.001 * 0.1**8],
    "q7": [146, 146.0, round(0.95425 * 153), torch.tensor(146)],
}

_alarm = "is an alarm, and you count it"
# Wrong ones beside those that an exercise lists, with words of the reply.
WRONG = {
    "q1": [(-8.8, "against the gradient"), (-7, "not the number"), ("-7.2", "without quotes")],
    "q2": [(lambda m, s: (m.nan_to_num() * s).sum() / s.sum(), _alarm),
           (lambda m, s: torch.where(m.isnan(), 0, m * s).sum() / s.sum(), _alarm),
           (lambda m, s: torch.nanmean(m * s), "the value is"),
           (lambda m, s: (m[s > 0] * s[s > 0]).sum().abs() / s.sum(), "should be -0.1875"),
           (lambda m, s: (m * s)[s > 1].sum() / s.sum(), "the value is"),
           (lambda m, s: (m * s)[s > 0] / s.sum(), "the shape is (4,)"),
           (lambda m, s: m.median(), "the value is"),
           (epoch_mean_of_the_largest_batch, "the value is"),
           (lambda m, s: print(m), "is there a return?")],
    "q3": [("lines d and e", "yes, d is one of the two; e is right"), ("line d", "the other?"),
           ("all", "two letters from a to f"), ("def", "two letters"),
           (np.array(["a", "b", "c"]), "two letters"), (np.array(["d", "e"]), "e is right")],
    "q4": [(evaluate_without_gradients_switched_off, "builds a graph"),
           (evaluate_with_half_the_batches_ungraphed, "builds a graph"),
           (evaluated(lambda r: torch.cat(r).mean(), mode="train"), "evaluate with model.eval()"),
           (evaluated(lambda r: max(x.mean() for x in r)), "the value is"),
           (evaluated(lambda r: torch.cat(r).sum() / 14), "the value is"),
           (evaluated(torch.cat), "the shape is (14,)"),
           (evaluated(lambda r: None), "is there a return?")],
    "q5": [("line c", "this restores the weights"), ("d, e", "one letter from a to f"),
           (np.array(["a", "b"]), "one letter"), ("SGD", "one letter")],
    "q6": [(0.1**8, "the factor alone"), (2e-12, "not the number"), (0, "very small, but not 0")],
    "q7": [(0.954 * 153, "photos come whole"), (146.1, "not the number")],
}
