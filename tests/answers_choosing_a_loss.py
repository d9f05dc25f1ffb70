"""Answers to the exercises of notebook 08: right ones, written otherwise; and wrong ones."""

import random
from fractions import Fraction

import numpy as np
import torch


def rule_by_size(low, mean, high, smallest):
    if max(abs(low), abs(high)) < smallest:
        return -1
    if low * high <= 0 or abs(mean) < smallest:
        return 0
    return 1


def rule_twice(low, mean, high, smallest):
    """The rule of section 1, once for each direction."""
    def more(low, mean, high):
        return "yes" if low > 0 and mean >= smallest else "no" if high < smallest else "open"

    both = {more(low, mean, high), more(-high, -mean, -low)}
    return 1 if "yes" in both else 0 if "open" in both else -1


def decide_by_probabilities(logits, counts, shares):
    prob = torch.softmax(logits, dim=1) * shares / counts
    return (prob / prob.sum(dim=1, keepdim=True)).argmax(dim=1)


def decide_by_numpy(logits, counts, shares):
    return np.argmax(logits.numpy() + np.log(shares.numpy() * counts.sum().item() / counts.numpy()),
                     axis=1)


def decide_row_by_row(logits, counts, shares):
    decided = []
    for row in logits:
        moved = row - torch.log(counts / counts.sum()) + torch.log(shares)
        decided.append(int(moved.argmax()))
    return decided


def experiment_by_seed(lab):
    """Each seed chooses its own rate."""
    differences = []
    for seed in range(100, 120):
        test = {}
        for loss in ["cross entropy", "new"]:
            val = [lab.accuracy(loss, lr, seed, "val") for lr in lab.rates]
            test[loss] = lab.accuracy(loss, lab.rates[int(np.argmax(val))], seed, "test")
        differences.append(test["new"] - test["cross entropy"])
    return torch.tensor(differences)


def experiment_that_runs_all(lab):
    """Everything is trained and stored at once, and the test part is looked at only in the end."""
    score = {part: np.array([[[lab.accuracy(loss, lr, seed, part) for seed in range(30)]
                              for lr in lab.rates] for loss in ["new", "cross entropy"]])
             for part in ["val", "test"]}
    new, old = score["val"].mean(2).argmax(1)
    return score["test"][0, new] - score["test"][1, old]


def best_rate(lab, loss, seeds, part="val"):
    return max(lab.rates, key=lambda lr: sum(lab.accuracy(loss, lr, seed, part) for seed in seeds))


def on_test(lab, new, old, seeds):
    return [lab.accuracy("new", new, seed, "test")
            - lab.accuracy("cross entropy", old, seed, "test") for seed in seeds]


def experiment(seeds=range(12), choose="val", chosen_by=None, end=lambda differences: differences):
    """A fair design, or with one thing changed."""
    def design(lab):
        new, old = (best_rate(lab, loss, chosen_by or seeds, choose)
                    for loss in ["new", "cross entropy"])
        return end(on_test(lab, new, old, seeds))
    return design


def experiment_with_random_seeds(lab):
    return experiment(random.sample(range(1000), 14))(lab)


def experiment_in_float32(lab):
    score = torch.tensor([[[[lab.accuracy(loss, lr, seed, part) for seed in range(15)]
                            for lr in lab.rates] for loss in ["new", "cross entropy"]]
                          for part in ["val", "test"]])
    new, old = score[0].mean(dim=2).argmax(dim=1)
    return score[1, 0, new] - score[1, 1, old]


def experiment_at_the_rivals_rate(lab):
    best = {loss: best_rate(lab, loss, range(12)) for loss in ["new", "cross entropy"]}
    return on_test(lab, best["cross entropy"], best["cross entropy"], range(12))


def experiment_that_tunes_the_rival_once(lab):
    return on_test(lab, best_rate(lab, "new", range(12)),
                   best_rate(lab, "cross entropy", range(1)), range(12))


def experiment_with_the_best_of_all(lab):
    return [max(lab.accuracy("new", lr, seed, "test") for lr in lab.rates)
            - max(lab.accuracy("cross entropy", lr, seed, "test") for lr in lab.rates)
            for seed in range(12)]


def experiment_until_significant(lab):
    for n in range(12, 40, 4):
        found = np.array(experiment(range(n))(lab))
        if found.mean() > 2 * found.std() / n**0.5:
            break
    return found


def experiment_on_the_best_seeds(lab):
    """Of thirty seeds, the twelve at which the new loss did best on val."""
    val = {seed: max(lab.accuracy("new", lr, seed, "val") for lr in lab.rates)
           for seed in range(30)}
    return experiment(sorted(val, key=val.get)[-12:], chosen_by=range(30))(lab)


DIFFERENTLY = {
    "q4": [rule_by_size, rule_twice,
           lambda low, mean, high, s: Fraction(rule_by_size(low, mean, high, s)),
           lambda low, mean, high, s: torch.tensor(float(rule_twice(low, mean, high, s))),
           lambda low, mean, high, s: int((low > 0 or high < 0) and abs(mean) >= s)
           - int(abs(low) < s and abs(high) < s)],
    "q1": [108, 108.0, torch.tensor(108), 12 * 9, 107.9],
    "q5": [decide_by_probabilities, decide_by_numpy, decide_row_by_row,
           lambda z, n, s: torch.max(z + torch.log(s) - torch.log(n), 1)[1],
           lambda z, n, s: torch.argmax(torch.log_softmax(z, 1) - (n / n.sum()).log() + s.log(), 1),
           lambda z, n, s: (z + (s / n).log()).topk(1).indices[:, 0].float()],
    "q2": ["chosen on test", "Chosen on test", '"chosen on test"', "chosen-on-test",
           " chosen on test"],
    "q3": ["missing rival", "Missing rival.", "missing_rival", "the missing rival"],
    "q6": ["untuned rival", "Untuned rival.", "untuned-rival", "the untuned rival", "UNTUNEDRIVAL"],
    "q7": [experiment_by_seed, experiment_that_runs_all, experiment(), experiment(range(100, 140)),
           experiment(chosen_by=range(50, 60)), experiment_with_random_seeds,
           experiment_in_float32, experiment(end=np.array), experiment(end=iter)],
    "q8": ["b", "B", "(b)", "b.", '"b"'],
    "q9": [0.9512, 0.95118, 0.9975**20, torch.tensor(0.9512), 0.951],
}

_nothing_else = "of the same seed, and nothing else"
WRONG = {
    "q4": [(lambda low, mean, high, s: "yes" if low > 0 else "no", "your function returned text"),
           (lambda low, mean, high, s: rule_by_size(low, mean, high, s) or None,
            "your function returned nothing"),
           (lambda low, mean, high, s: rule_by_size(low, mean, high, 0.01), "not always 0.01"),
           (lambda low, mean, high, s: 2 * rule_by_size(low, mean, high, s), "the value is 2"),
           (lambda low, mean, high, s: 1 if low > 0 and mean >= s else -1 if high < s else 0,
            "the rule for a claim of *more*"),
           (lambda low, mean, high, s: 1 if low > 0 or high < 0 else -1, "the value is"),
           (lambda low, high, s: 0, "your function raised TypeError")],
    "q1": [(27, "not the number"), (21, "not the number"), (20.8, "the root is on the other side"),
           (100, "not the number"), (36, "the root of 3 only")],
    "q5": [(lambda z, n, s: z.argmax(1), "nothing is moved yet"),
           (lambda z, n, s: (z - n.log()).argmax(1), "where are `shares`?"),
           (lambda z, n, s: (z - n.log() + s.log()).softmax(1), "the shape is (5, 3)"),
           (lambda z, n, s: (z - n.log() + s.log()).max(1).values, "the value is"),
           (lambda z, n, s: [0] * len(z), "the value is"),
           (lambda z, n, s: (z - n.log() + s.log()).argmax(1, keepdim=True), "the shape is (5, 1)"),
           (lambda z, n, s: s.argmax().expand(len(z)), "the value")],
    "q2": [("test", "is none of"), ("untuned rival", "gamma 0 is cross entropy"),
           ("Nothing", "the test part has decided something")],
    "q3": [("threshold", "is none of"), ("one seed", "fifty paired seeds")],
    "q6": [("tuning", "is none of"), ("One seed", "twenty seeds")],
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
           (experiment(end=lambda d: sum(d) / len(d)), "return one difference for each seed"),
           (experiment(range(30), end=lambda d: sorted(d)[-12:]), "fix them beforehand"),
           (experiment_until_significant, "fix them beforehand"),
           (experiment_on_the_best_seeds, "depends on their val scores: fix them beforehand"),
           (lambda lab: [0.03] * 12, "made of what toy.accuracy gives"),
           (lambda lab: on_test(lab, 0.003, 0.003, range(12)), "raised ValueError: accuracy got"),
           (lambda lab: print(lab.rates), "is there a return?")],
    "q8": [("ab", "is none of"), ("(A)", "just what the explanation predicts")],
    "q9": [(0.0488, "at least one; none was asked for"), (1, "errs now and then"),
           (0.9, "not the number")],
}
