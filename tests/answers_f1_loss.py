"""Right answers to the exercises of notebook 04 in other words, and wrong ones with their reply."""

import math

import numpy as np
import torch
import torch.nn.functional as F


def soft_macro_f1_in_a_loop(logits, target):
    p = torch.exp(logits - torch.logsumexp(logits, dim=1, keepdim=True))
    losses = []
    for c in target.unique().tolist():
        mine = target == c
        fn, fp = (1 - p[mine, c]).sum(), p[~mine, c].sum()
        losses.append((fn + fp) / (2 * p[mine, c].sum() + fn + fp))
    return torch.stack(losses).mean()


def soft_macro_f1_with_epsilon(logits, target):
    p, y = logits.softmax(-1), torch.eye(logits.shape[-1])[target]
    precision, recall = (p * y).sum(0) / p.sum(0), (p * y).sum(0) / y.sum(0).clamp(min=1)
    f = 2 * precision * recall / (precision + recall + 1e-9)
    present = y.any(dim=0)
    return (1 - f)[present].sum() / present.sum()


def soft_f_beta_of_precision_and_recall(logits, y, beta):
    p = torch.sigmoid(logits)
    precision, recall = (p * y).sum() / p.sum(), (p * y).sum() / y.sum()
    return 1 - (1 + beta**2) * precision * recall / (beta**2 * precision + recall)


def soft_f_beta_by_mistakes(logits, target, beta):
    p, b = logits.sigmoid(), beta * beta
    wrong = b * (target * (1 - p)).sum() + ((1 - target) * p).sum()
    return wrong / (wrong + (1 + b) * (p * target).sum())


def epoch_f1_of_precision_and_recall(counts):
    tp = counts[:, 0].sum()
    precision, recall = tp / (tp + counts[:, 1].sum()), tp / (tp + counts[:, 2].sum())
    return 2 / (1 / precision + 1 / recall)


def epoch_f1_in_a_loop(counts):
    total = np.zeros(3)
    for row in counts:
        total += row.numpy()
    return 2 * total[0] / (total[0] + total.sum())


DIFFERENTLY = {
    "q1": [0.43, 3 / 7, 2 * 0.3 * 0.75 / (0.3 + 0.75)],
    "q2": [459, 458.2, math.log(0.01, 0.99), torch.tensor(459)],
    "q3": [0.315, 0.5 * 34 / 54, 0.3148],
    "q4": [6, 6.0, np.float64(6.0)],
    "q5": [0.664, 0.6642, (2000 / 2015 + 1) / 3],
    "q6": [epoch_f1_of_precision_and_recall, epoch_f1_in_a_loop],
    "q7": [soft_macro_f1_in_a_loop, soft_macro_f1_with_epsilon],
    "q8": [soft_f_beta_of_precision_and_recall, soft_f_beta_by_mistakes],
    "q9": ["CLAMP", "the clamp"],
}


# ----------------------------------------------------------------------------- and wrong ones


def from_the_page(logits, target, beta):
    prob = torch.sigmoid(logits)
    tp, fp = (prob * target).sum(), (prob * (1 - target)).sum()
    fn = ((1 - prob) * target).sum()
    return 1 - (1 + beta**2) * tp / ((1 + beta**2) * tp + beta**2 * fp + fn)


def precision_and_recall_swapped(logits, y, beta):
    p = torch.sigmoid(logits)
    recall, precision = (p * y).sum() / p.sum(), (p * y).sum() / y.sum()
    return 1 - (1 + beta**2) * precision * recall / (beta**2 * precision + recall)


def beta_without_its_square(logits, y, beta):
    p = torch.sigmoid(logits)
    precision, recall = (p * y).sum() / p.sum(), (p * y).sum() / y.sum()
    return 1 - (1 + beta) * precision * recall / (beta * precision + recall)


def from_logits_alone(logits, target, beta):
    tp, fp, fn = (logits * target).sum(), (logits * (1 - target)).sum(), target.sum()
    return 1 - (1 + beta**2) * tp / ((1 + beta**2) * tp + beta**2 * fn + fp)


def decided(logits, target, beta):
    p = (logits > 0).float()
    tp, fp, fn = (p * target).sum(), (p * (1 - target)).sum(), ((1 - p) * target).sum()
    return 1 - (1 + beta**2) * tp / ((1 + beta**2) * tp + beta**2 * fn + fp)


def one_hot_without_classes(logits, target):
    y = F.one_hot(target)
    p = torch.softmax(logits, dim=1)
    each = 1 - 2 * (p * y).sum(0) / (p.sum(0) + y.sum(0))
    return each[y.sum(0) > 0].mean()


def present_by_the_answers(logits, target):
    p, y = torch.softmax(logits, 1), F.one_hot(target, logits.shape[1])
    each = 1 - 2 * (p * y).sum(0) / (p.sum(0) + y.sum(0))
    return each[logits.argmax(1).unique()].mean()


def detached(logits, target):
    return soft_macro_f1_in_a_loop(logits.detach(), target)


def rows_of_a_unit_matrix(logits, target):
    p, y = torch.softmax(logits, 1), torch.eye(len(target), logits.shape[1])
    each = 1 - 2 * (p * y).sum(0) / (p.sum(0) + y.sum(0))
    return each[y.sum(0) > 0].mean()


def of_its_largest_batch(counts):
    tp, fp, fn = counts[counts.sum(1).argmax()]
    return 2 * tp / (2 * tp + fp + fn)


def weighted_by_batch_size(counts):
    f1 = (2 * counts[:, 0] / (counts.sum(1) + counts[:, 0])).nan_to_num(0)
    return (f1 * counts.sum(1)).sum() / counts.sum()


def rows_for_columns(counts):
    tp, fp, fn = counts.sum(dim=1)[:3]
    return 2 * tp / (2 * tp + fp + fn)


WRONG = {
    "q1": [(0.525, "plain mean"), (0.41, "not the F1"), ("0.43", "without quotes")],
    "q2": [(100, "on average"), (64, "not that size"), (2664, "for the frauds")],
    "q3": [(34 / 54, "half of it"), (0.30, "act the same"), (0.2, "act the same"),
           (0.5, "fewest errors")],
    "q4": [(0.63, "separate groups"), (2.68, "square root of 5"), (6.71, "degrees of freedom"),
           (0.012, "mean gain"), (5, "not that number")],
    "q5": [(0.667, "not quite 1"), (0.986, "micro"), (0.979, "weighted"), (0.996, "two classes"),
           ("macro", "without quotes"), (0.5, "not the macro F1")],
    "q6": [(lambda c: (2 * c[:, 0] / (c.sum(1) + c[:, 0])).nan_to_num(0).max(), "best batch"),
           (lambda c: 2 * c[-1, 0] / (c[-1].sum() + c[-1, 0]), "last batch"),
           (of_its_largest_batch, "should be"), (weighted_by_batch_size, "should be"),
           (rows_for_columns, "should be"),
           (lambda c: c[:, 0].sum() / c[:, [0, 1]].sum(), "precision"),
           (lambda c: c[:, 0].sum() / c.sum(), "count twice"),
           (lambda c: float("nan"), "should be")],
    "q7": [(one_hot_without_classes, "raised"), (present_by_the_answers, "should be"),
           (detached, "no gradient"), (rows_of_a_unit_matrix, "should be"),
           (lambda z, t: F.cross_entropy(z, t), "should be"),
           (lambda z, t: soft_macro_f1_in_a_loop(z, t) * 100, "should be")],
    "q8": [(from_the_page, "favours precision"),
           (precision_and_recall_swapped, "the wrong way round"),
           (beta_without_its_square, "square of beta"), (from_logits_alone, "should be"),
           (decided, "should be"), (lambda z, y, beta: from_the_page(z, y, 1), "no effect"),
           (lambda z, y, beta: soft_f_beta_by_mistakes(z.detach(), y, beta), "no gradient")],
    "q9": [("1e-7", "none of"), ("Epsilon", "no difference")],
}
