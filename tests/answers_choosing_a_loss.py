"""Right answers to the exercises of notebook 08, written otherwise than the solutions."""

import numpy as np
import torch


def paired_by_numpy(loss, rival, q):
    d = np.array([a - b for a, b in zip(loss.tolist(), rival.tolist(), strict=True)])
    return torch.tensor([d.mean(), q * d.std(ddof=1) / np.sqrt(d.size)])


def paired_by_sums(loss, rival, q):
    d, n = (loss - rival).double(), len(loss)
    square = ((d - d.mean()) ** 2).sum() / (n * (n - 1))
    return torch.stack([d.sum() / n, q * square.sqrt()]).float()


def rule_by_cases(low, high, smallest):
    if high < smallest:
        return -1
    if low <= 0 or low + high < 2 * smallest:
        return 0
    return 1


DIFFERENTLY = {
    "q1": [lambda a, b, q: torch.stack([torch.mean(a - b),
                                        q * torch.sqrt(torch.var(a - b) / a.numel())]),
           paired_by_sums],
    "q2": [rule_by_cases,
           lambda low, high, s: np.sign((low > 0) * ((low + high) / 2 >= s) - 1.0 * (high < s))],
    "q3": [144, 144.0, torch.tensor(144)],
    "q4": ["untuned rival", "Untuned rival."],
    "q5": ["chosen on test"],
    "q6": ["one seed", "'One seed'"],
    "q7": ["b", "B"],
    "q8": [0.9512, 0.95118],
}
