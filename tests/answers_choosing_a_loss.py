"""Right answers to the exercises of notebook 08, written otherwise than the solutions."""

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


DIFFERENTLY = {
    "q1": [lambda a, b, q: torch.stack([torch.mean(a - b),
                                        q * torch.sqrt(torch.var(a - b) / a.numel())]),
           paired_by_sums, paired_by_numpy, paired_as_list,
           lambda a, b, q: torch.tensor([float((a - b).mean()),
                                         q * float((a - b).std()) / len(a) ** 0.5])],
    "q2": [rule_by_cases,
           lambda low, high, s: np.sign((low > 0) * ((low + high) / 2 >= s) - 1.0 * (high < s))],
    "q3": [144, 144.0, torch.tensor(144)],
    "q4": ["untuned rival", "Untuned rival."],
    "q5": ["chosen on test"],
    "q6": ["one seed", "'One seed'"],
    "q7": [experiment_by_seed, experiment_that_runs_all],
    "q8": ["b", "B"],
    "q9": [0.9512, 0.95118],
}
