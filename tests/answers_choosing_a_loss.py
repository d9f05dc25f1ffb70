"""Answers to the exercises of notebook 08: right ones, written otherwise; and wrong ones."""

import random
from fractions import Fraction

import numpy as np
import torch


def paired_by_sums(loss, rival, q):
    d, n = (loss - rival).double(), len(loss)
    square = ((d - d.mean()) ** 2).sum() / (n * (n - 1))
    return torch.stack([d.sum() / n, q * square.sqrt()]).float()


def paired_by_numpy(loss, rival, q):
    d = loss.numpy() - rival.numpy()
    return np.array([d.mean(), q * d.std(ddof=1) / np.sqrt(d.size)])


def paired_as_list(loss, rival, q):
    d = [a - b for a, b in zip(loss.tolist(), rival.tolist(), strict=True)]
    mean = sum(d) / len(d)
    return [mean, q * (sum((x - mean) ** 2 for x in d) / (len(d) - 1) / len(d)) ** 0.5]


def rule_by_cases(low, high, smallest):
    if high < smallest:
        return -1
    if low <= 0 or low + high < 2 * smallest:
        return 0
    return 1


def experiment_by_seed(run, rates):
    """Each seed chooses its own rate."""
    differences = []
    for seed in range(100, 120):
        test = {}
        for loss in ["cross entropy", "new"]:
            val = [run(loss, lr, seed, "val") for lr in rates]
            test[loss] = run(loss, rates[int(np.argmax(val))], seed, "test")
        differences.append(test["new"] - test["cross entropy"])
    return torch.tensor(differences)


def experiment_that_runs_all(run, rates):
    """Everything is trained and stored at once, and the test part is looked at only in the end."""
    score = {part: np.array([[[run(loss, lr, seed, part) for seed in range(30)] for lr in rates]
                             for loss in ["new", "cross entropy"]]) for part in ["val", "test"]}
    new, old = score["val"].mean(2).argmax(1)
    return score["test"][0, new] - score["test"][1, old]


def best_rate(run, rates, loss, seeds, part="val"):
    return max(rates, key=lambda lr: sum(run(loss, lr, seed, part) for seed in seeds))


def on_test(run, new, old, seeds):
    return [run("new", new, seed, "test") - run("cross entropy", old, seed, "test")
            for seed in seeds]


def experiment(seeds=range(12), choose="val", chosen_by=None, end=lambda differences: differences):
    """A fair design, or with one thing changed."""
    def design(run, rates):
        new, old = (best_rate(run, rates, loss, chosen_by or seeds, choose)
                    for loss in ["new", "cross entropy"])
        return end(on_test(run, new, old, seeds))
    return design


def experiment_with_random_seeds(run, rates):
    return experiment(random.sample(range(1000), 14))(run, rates)


def experiment_in_float32(run, rates):
    score = torch.tensor([[[[run(loss, lr, seed, part) for seed in range(15)] for lr in rates]
                           for loss in ["new", "cross entropy"]] for part in ["val", "test"]])
    new, old = score[0].mean(dim=2).argmax(dim=1)
    return score[1, 0, new] - score[1, 1, old]


def experiment_at_the_rivals_rate(run, rates):
    best = {loss: best_rate(run, rates, loss, range(12)) for loss in ["new", "cross entropy"]}
    return on_test(run, best["cross entropy"], best["cross entropy"], range(12))


def experiment_that_tunes_the_rival_once(run, rates):
    return on_test(run, best_rate(run, rates, "new", range(12)),
                   best_rate(run, rates, "cross entropy", range(1)), range(12))


def experiment_with_the_best_of_all(run, rates):
    return [max(run("new", lr, seed, "test") for lr in rates)
            - max(run("cross entropy", lr, seed, "test") for lr in rates) for seed in range(12)]


def experiment_until_significant(run, rates):
    for n in range(12, 40, 4):
        found = np.array(experiment(range(n))(run, rates))
        if found.mean() > 2 * found.std() / n**0.5:
            break
    return found


def with_half(half):
    return lambda a, b, q: [(a - b).mean(), half(a, b, q)]


DIFFERENTLY = {
    "q1": [lambda a, b, q: torch.stack([torch.mean(a - b),
                                        q * torch.sqrt(torch.var(a - b) / a.numel())]),
           paired_by_sums, paired_by_numpy, paired_as_list,
           lambda a, b, q: torch.tensor([float((a - b).mean()),
                                         q * float((a - b).std()) / len(a) ** 0.5]),
           lambda a, b, q: (a.mean() - b.mean(), q * (a - b).std() / len(a) ** 0.5)],
    "q2": [rule_by_cases,
           lambda low, high, s: np.sign((low > 0) * ((low + high) / 2 >= s) - 1.0 * (high < s)),
           lambda low, high, s: -1 if high < s else int(low > 0 and low + high >= 2 * s),
           lambda low, high, s: torch.tensor(float(rule_by_cases(low, high, s))),
           lambda low, high, s: Fraction(rule_by_cases(low, high, s))],
    "q3": [144, 144.0, torch.tensor(144), 16 * 9, (3 * 0.01 / 0.0025) ** 2],
    "q4": ["untuned rival", "Untuned rival.", "untuned-rival", "the untuned rival", "UNTUNEDRIVAL"],
    "q5": ["chosen on test", "Chosen on test", '"chosen on test"', "chosen-on-test",
           " chosen on test"],
    "q6": ["one seed", "'One seed'", "one-seed", "ONE SEED.", "one  seed"],
    "q7": [experiment_by_seed, experiment_that_runs_all, experiment(), experiment(range(100, 140)),
           experiment(chosen_by=range(50, 60)), experiment_with_random_seeds,
           experiment_in_float32, experiment(end=np.array), experiment(end=iter)],
    "q8": ["b", "B", "(b)", "b.", '"b"'],
    "q9": [0.9512, 0.95118, 0.9975**20, torch.tensor(0.9512), 0.951],
}

_nothing_else = "of the same seed, and nothing else"
WRONG = {
    "q1": [(lambda a, b, q: (a - b).mean(), "the shape is () and should be (2,)"),
           (lambda a, b, q: a - b, "the shape is (4,)"),
           (with_half(lambda a, b, q: (a - b).std()), "the value is"),
           (with_half(lambda a, b, q: q * torch.cat([a, b]).std() / len(a) ** 0.5), "the value is"),
           (with_half(lambda a, b, q: ((a - b).max() - (a - b).min()) / 2), "the value is"),
           (with_half(lambda a, b, q: q * (a - b).std() / 2), "the value is"),
           (lambda a, b, q: [(a - b).abs().mean(), q * (a - b).std() / len(a) ** 0.5],
            "the value is"),
           (lambda a, b, q: {"mean": (a - b).mean()}, "your function returned a dict")],
    "q2": [(lambda low, high, s: "yes" if low > 0 else "no", "your function returned text"),
           (lambda low, high, s: rule_by_cases(low, high, s) or None,
            "for 0.002, 0.014, 0.01: your function returned nothing"),
           (lambda low, high, s: low > 0 and low + high >= 2 * s, "there is no answer no"),
           (lambda low, high, s: -1 if high < s else int(low > 0), "too lenient"),
           (lambda low, high, s: 1 if low > 0 and low + high >= s else -int(high < s),
            "twice the middle"),
           (lambda low, high, s: rule_by_cases(low, high, 0.01), "not always 0.01"),
           (lambda low, high, s: -int(high < s), "the value is 0 and should be 1"),
           (lambda low, high, s: 2 * rule_by_cases(low, high, s), "the value is 2")],
    "q3": [(61, "a q of 1.96"), (27.7, "the root is on the other side"), (100, "not the number")],
    "q4": [("tuning", "is none of"), ("One seed", "twenty seeds")],
    "q5": [("test", "is none of"), ("untuned rival", "gamma 0 is the rival")],
    "q6": [("seeds", "is none of"), ("wrong metric", "after this, no metric")],
    "q7": [(experiment(choose="test"), "you chose on the test part"),
           (experiment_with_the_best_of_all, "you chose on the test part"),
           (experiment_at_the_rivals_rate, "the new loss is reported at rate 0.032, where val is "
            "best at 0.004"),
           (experiment_that_tunes_the_rival_once, "96 runs on val for the new loss, 8 for its"),
           (experiment(range(5), end=lambda d: (3 * d)[:12]), "12 differences of only 5 seeds"),
           (experiment(range(11), end=lambda d: [*d, d[0]]), "12 differences of only 11 seeds"),
           (experiment(range(5), end=lambda d: d + [sum(d) / 5] * 7), f"{_nothing_else}; 7 of"),
           (experiment(end=lambda d: [100 * x for x in d]), _nothing_else),
           (experiment(end=lambda d: [abs(x) for x in d]), _nothing_else),
           (experiment(end=lambda d: [max(x, 0) for x in d]), _nothing_else),
           (experiment(end=lambda d: [round(x, 2) for x in d]), _nothing_else),
           (experiment(end=lambda d: sum(d) / len(d)), "return one difference a seed"),
           (experiment(range(30), end=lambda d: sorted(d)[-12:]), "fix them beforehand"),
           (experiment_until_significant, "fix them beforehand"),
           (lambda run, rates: [0.03] * 12, "made of what run gives"),
           (lambda run, rates: on_test(run, 0.003, 0.003, range(12)), "raised ValueError: run got"),
           (lambda run, rates: print(rates), "is there a return?")],
    "q8": [("ab", "is none of"), ("(A)", "just what the explanation predicts")],
    "q9": [(0.0488, "at least one; none was asked for"), (1, "errs now and then"),
           (0.9, "not the number")],
}
