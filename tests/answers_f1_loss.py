"""Right answers to the exercises of notebook 04, written otherwise than the solutions."""

import torch


def soft_macro_f1_in_a_loop(logits, target):
    p = torch.exp(logits - torch.logsumexp(logits, dim=1, keepdim=True))
    losses = []
    for c in target.unique().tolist():
        mine = target == c
        fn, fp = (1 - p[mine, c]).sum(), p[~mine, c].sum()
        losses.append((fn + fp) / (2 * p[mine, c].sum() + fn + fp))
    return torch.stack(losses).mean()


def soft_f_beta_of_precision_and_recall(logits, y, beta):
    p = torch.sigmoid(logits)
    precision, recall = (p * y).sum() / p.sum(), (p * y).sum() / y.sum()
    return 1 - (1 + beta**2) * precision * recall / (beta**2 * precision + recall)


def epoch_f1_of_precision_and_recall(counts):
    tp = counts[:, 0].sum()
    precision, recall = tp / (tp + counts[:, 1].sum()), tp / (tp + counts[:, 2].sum())
    return 2 / (1 / precision + 1 / recall)


DIFFERENTLY = {
    "q1": [0.43, 2 * 0.3 * 0.75 / (0.3 + 0.75)],
    "q2": ["Macro", " macro "],
    "q3": [soft_macro_f1_in_a_loop],
    "q4": [soft_f_beta_of_precision_and_recall],
    "q5": [0.526, torch.tensor(0.99).pow(64)],
    "q6": ["CLAMP"],
    "q7": [epoch_f1_of_precision_and_recall],
    "q8": [0.315, 0.5 * 34 / 54],
}
