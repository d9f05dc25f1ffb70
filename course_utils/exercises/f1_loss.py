"""Exercises of notebook 04."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..losses import soft_f1_loss
from . import Choice, Function, Number

q1 = Number(
    hints=["Which of the four counts does the text give you, and which two can you work out?",
           "Of 20 alarms 6 are right, and of 8 frauds 6 are found: tp is 6. How many alarms are "
           "wrong, and how many frauds are missed?",
           "tp = 6, fp = 14 and fn = 2. Which formula of section 1 uses just these three?"],
    answer="f1_by_hand = 2 * 6 / (2 * 6 + 14 + 2)",
    why="12 / 28 = 0.43. The harmonic mean stays close to the smaller of the two, which is the "
        "precision of 0.30.",
    value=12 / 28,
    mistakes={
        0.525: "that is the plain mean of precision and recall; F1 is their harmonic mean",
        0.3: "that is the precision, 6 / 20",
        0.75: "that is the recall, 6 / 8",
        0.225: "that is precision times recall; F1 is twice that, divided by their sum",
        6 / 22: "the true positives count twice, above and below: 2 tp / (2 tp + fp + fn)",
        12 / 22: "above, the true positives count twice, and so they must below",
        0.984: "that is the accuracy; the 978 quiet payments make it look good",
        12 / 34: "the false positives are the wrong alarms only, 14, not all 20 alarms",
        43.0: "give F1 as a number between 0 and 1, not in per cent",
    },
    otherwise="not the F1; write down tp, fp and fn first",
)

q2 = Number(
    hints=["With what probability does a batch of N contain no positive, if one in a hundred is?",
           "That probability is 0.99 to the power N, and it should be 0.01. How do you get N out "
           "of the exponent?",
           "Take logarithms on both sides: N times ln 0.99 equals ln 0.01."],
    answer="batch_size = 459  # ln 0.01 / ln 0.99 = 458.2",
    why="0.99 ** 459 is just below 0.01. A batch of 100 holds one positive on average, and is "
        "still without one in 37 of 100 cases.",
    value=459,
    mistakes={
        100: "with 100 a batch holds one positive *on average*, but 0.99 ** 100 = 37 % of the "
             "batches hold none",
        99: "with 99 a batch holds one positive on average, but 37 % of the batches hold none",
        69: "that is for every second batch: 0.99 ** 69 = 0.5",
        299: "that is for one batch in twenty: 0.99 ** 299 = 0.05",
        230: "that is for one batch in ten: 0.99 ** 230 = 0.1",
        688: "that is for one batch in a thousand: 0.99 ** 688 = 0.001",
        2664: "that is for the frauds, 0.17 % of all payments; here one in a hundred is positive",
        10_000: "chances multiply: with 10,000 a batch without a positive would be one in 10 ** 44",
        0.01: "give the number of examples in a batch",
        0.37: "that is the probability for batches of 100; the question is how large they must be",
        1: "in a batch of 1, 99 of 100 batches contain no positive",
    },
    otherwise="not that size; 0.99 to the power of your answer should be 0.01",
)

q3 = Number(
    hints=["Work out F1 for three plans: alarms for the first group, for the first two, for all.",
           "Expected positives: 9 among the first ten, 8 among the next twenty, 7 among the rest, "
           "24 in all. F1 is twice the frauds found, divided by alarms plus 24.",
           "The three plans raise 10, 30 and 100 alarms and find 9, 17 and 24 frauds. Which F1 is "
           "the largest? You are asked for half of it."],
    answer="half_of_best_f1 = 2 * 17 / (30 + 24) / 2",
    why="F* = 34/54 = 0.63, reached with alarms for the first two groups. Half of it is 0.31: the "
        "group at 0.4 lies above and the one at 0.1 below, as it should be.",
    value=17 / 54,
    mistakes={
        34 / 54: "that is F*, the best F1; the question is for half of it",
        9 / 34: "half of 18/34, the F1 with alarms for the first group alone; adding the second "
                "group makes F1 larger",
        18 / 34: "18/34 is the F1 with alarms for the first group alone, and not yet halved",
        24 / 124: "half of 48/124, the F1 with alarms for everybody; leaving out the third group "
                  "makes F1 larger",
        48 / 124: "48/124 is the F1 with alarms for everybody, and not yet halved",
        0.5: "0.5 is the cut for the fewest errors; for F1 it is F*/2",
        0.4: "the group at 0.4 is indeed the last with an alarm, but F*/2 is another number",
        0.3: "a cut at 0.30 would act the same, as would any between 0.1 and 0.4; the question is "
             "for F*/2 itself",
        0.25: "a cut at 0.25 would act the same, as would any between 0.1 and 0.4; the question is "
              "for F*/2 itself",
        0.2: "a cut at 0.20 would act the same, as would any between 0.1 and 0.4; the question is "
             "for F*/2 itself",
        17 / 30: "17/30 is the precision with alarms for the first two groups",
        17 / 24: "17/24 is the recall with alarms for the first two groups",
    },
    otherwise="not F*/2; compute F1 for alarms in the first group, in the first two, and in all",
)

q4 = Number(
    hints=["Which five numbers say how much the second loss gains: the scores, or something you "
           "can compute from each pair?",
           "Take the five differences, seed by seed. You need their mean and their standard "
           "deviation (divide by 4, not by 5).",
           "The mean of the differences is 0.012 and their standard deviation 0.0045. The standard "
           "error of a mean of five is its standard deviation divided by the square root of 5."],
    answer="standard_errors = 0.012 / (0.00447 / 5 ** 0.5)",
    why="The gain is 0.012 with a standard error of 0.002: six standard errors. Compared as two "
        "separate groups it would be 0.6, because good and bad seeds differ far more than the "
        "losses do.",
    value=6.0,
    within=0.015,
    mistakes={
        0.6291: "you compared the two lists as separate groups; the networks are pairs, so use the "
                "differences seed by seed",
        0.7033: "you compared the two lists as separate groups, and divided by 5 in place of 4; "
                "the networks are pairs, so use the differences seed by seed",
        0.8485: "you divided by the standard error of the first list; what is needed is that of "
                "the differences",
        0.9369: "you divided by the standard error of the second list; what is needed is that of "
                "the differences",
        0.012: "that is the mean gain; how many of its standard errors is it?",
        0.002: "that is the standard error; how often does it fit into the mean gain?",
        2.6833: "you divided by the standard deviation of the differences; the mean of five of "
                "them scatters less, by the square root of 5",
        6.7082: "you divided by 5 in the standard deviation; five differences have 4 degrees of "
                "freedom",
        13.4164: "you divided by 5, where the standard error has the square root of 5",
        -6.0: "the sign is the other way: the second loss is ahead",
    },
    otherwise="not that number; mean of the differences, divided by its standard error",
)

q5 = Number(
    hints=["Macro F1 needs one F1 for each of the three classes. Which one is 0, and which is 1?",
           "Nothing is missed among the photos with a mask worn. But how many of the 2030 answers "
           '"worn" are wrong?',
           'For "worn" tp is 2000, fp is 30 and fn is 0. Its F1 is a little below 1. Then take the '
           "plain mean over the three classes."],
    answer="macro_f1 = (2 * 2000 / (2 * 2000 + 30) + 1 + 0) / 3",
    why="(0.993 + 1 + 0) / 3 = 0.664. The accuracy, which is also the micro F1, is 0.986, and "
        "hardly shows that one class is never found.",
    value=(4000 / 4030 + 1) / 3,
    within=0.001,
    mistakes={
        2 / 3: 'nearly: the F1 of "worn" is not quite 1, since 30 answers "worn" are wrong',
        0.667: 'nearly: the F1 of "worn" is not quite 1, since 30 answers "worn" are wrong',
        2100 / 2130: "that is micro F1, the accuracy; macro is the plain mean over the classes",
        (2000 * 4000 / 4030 + 100) / 2130: "that is weighted F1; macro gives the three classes "
                                           "equal weights",
        (4000 / 4030 + 1) / 2: "that is the mean of two classes; the third occurs and is never "
                               "found, so it has an F1 of 0 and counts",
        (2000 / 2030 + 1) / 3: "that is the mean of the precisions; for F1 the true positives "
                               "count twice: 4000 / 4030",
        0.0: "one class has an F1 of 0, but the mean of the three has not",
        66.4: "give F1 as a number between 0 and 1, not in per cent",
    },
    otherwise="not the macro F1; write down tp, fp and fn for each class first",
)


def _f1_of(tp: Tensor, fp: Tensor, fn: Tensor) -> Tensor:
    return 2 * tp / (2 * tp + fp + fn)


def _pooled(counts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    tp, fp, fn = counts.sum(dim=0)
    return tp, fp, fn


# The best batch is first, in the middle and last; batches with only false alarms, only misses, or
# nothing; one batch alone; as many batches as columns.
_epochs = [torch.tensor(rows) for rows in (
    [[3, 1, 0], [0, 2, 0], [5, 0, 5], [1, 1, 1], [0, 0, 3], [0, 0, 0]],
    [[0, 4, 0], [1, 2, 1], [6, 1, 0], [2, 3, 3]],
    [[0, 0, 2], [1, 4, 0], [9, 1, 2]],
    [[0, 3, 0], [0, 0, 0], [2, 0, 1]],
    [[4, 1, 3]],
)]

q6 = Function(
    hints=["Imagine the whole epoch as one large batch. What would its tp be?",
           "Counts can be added, ratios cannot. Get one tp, one fp and one fn for the whole epoch.",
           "The three totals are the sums of the columns, dim=0. F1 of these totals is a formula "
           "of section 1."],
    answer="""
def epoch_f1(counts):
    tp, fp, fn = counts.sum(dim=0)
    return 2 * tp / (2 * tp + fp + fn)
""",
    why="F1 is a ratio of sums. Add the counts first, and divide once, at the end.",
    reference=lambda counts: _f1_of(*_pooled(counts)),
    cases=[(counts,) for counts in _epochs],
    mistakes=[
        ("this is the mean of the batches' F1, and nan as soon as a batch has nothing to count; "
         "add up the counts instead", lambda c: _f1_of(*c.T).mean()),
        ("this is the mean over the batches that have something to count; add up the counts "
         "instead",
         lambda c: _f1_of(*c.T).nanmean()),
        ("this is the mean of the batches' F1, with 0 for empty batches; add up the counts "
         "instead",
         lambda c: _f1_of(*c.T).nan_to_num(0).mean()),
        ("this is the mean of the batches' F1, with 1 for empty batches; add up the counts "
         "instead",
         lambda c: _f1_of(*c.T).nan_to_num(1).mean()),
        ("this is the F1 of each batch; the epoch has only one", lambda c: _f1_of(*c.T)),
        ("this is the F1 of the last batch only", lambda c: _f1_of(*c[-1])),
        ("this is the F1 of the first batch only", lambda c: _f1_of(*c[0])),
        ("this is the F1 of the best batch only", lambda c: _f1_of(*c.T).nan_to_num(0).max()),
        ("this is the precision of the epoch: the misses do not enter",
         lambda c: c.sum(0)[0] / (c.sum(0)[0] + c.sum(0)[1])),
        ("this is the recall of the epoch: the false alarms do not enter",
         lambda c: c.sum(0)[0] / (c.sum(0)[0] + c.sum(0)[2])),
        ("the true positives must count twice, above and below",
         lambda c: c.sum(0)[0] / c.sum()),
        ("the true positives must count twice below as well as above",
         lambda c: 2 * c.sum(0)[0] / c.sum()),
        ("this is one minus F1; a report wants F1 itself", lambda c: 1 - _f1_of(*_pooled(c))),
    ],
)


def _one_hot(logits: Tensor, target: Tensor) -> Tensor:
    return F.one_hot(target, logits.shape[1]).to(logits.dtype)


def _each_class(prob: Tensor, y: Tensor) -> Tensor:
    return 1 - 2 * (prob * y).sum(0) / (prob.sum(0) + y.sum(0))


def _present(each: Tensor, target: Tensor) -> Tensor:
    return each[target.unique()].mean()


# More samples than classes, and fewer; all classes, or some of them; targets that are not the row's
# number; sure and wrong; one sample.
_logits = torch.tensor([[2.0, 0.5, -1.0], [0.0, 1.0, 0.3], [-0.5, 0.2, 1.5], [1.0, 1.2, -0.7],
                        [0.3, -0.4, 0.1]])
_four = torch.tensor([[1.5, -0.5, 0.2, 0.4], [0.1, 0.9, -1.2, 2.0]])
_sure = torch.tensor([[20.0, 0.0, -3.0], [-9.0, 0.0, 5.0], [0.0, 20.0, 0.0]])

q7 = Function(
    hints=["Start from softmax over the classes, and write the targets as zeros and ones with "
           "F.one_hot(target, C), of the same shape.",
           "Products of the two, summed over the samples (dim=0), give one tp for each class. What "
           "are the sums of the two denominators?",
           "You now have one loss for each class. A class occurs if its column of ones is not "
           "empty; keep only those, then take the mean."],
    answer="""
def soft_macro_f1_loss(logits, target):
    prob = torch.softmax(logits, dim=1)
    y = F.one_hot(target, logits.shape[1])
    each = 1 - 2 * (prob * y).sum(dim=0) / (prob.sum(dim=0) + y.sum(dim=0))
    return each[y.sum(dim=0) > 0].mean()
""",
    why="One soft F1 loss for each class, then their mean. Nothing about it is binary.",
    reference=lambda logits, target: soft_f1_loss(logits, target, average="macro"),
    cases=[(_logits, torch.tensor([2, 1, 0, 1, 2])), (_logits, torch.tensor([0, 1, 1, 0, 0])),
           (_logits, torch.tensor([2, 2, 1, 2, 1])), (_four, torch.tensor([3, 1])),
           (_sure, torch.tensor([1, 2, 0])), (_logits[:1], torch.tensor([1]))],
    gradient=True,
    absolute=1e-6,
    mistakes=[
        ("this averages over absent classes too; they have nothing to find, and their loss is "
         "always 1", lambda z, t: _each_class(torch.softmax(z, 1), _one_hot(z, t)).mean()),
        ("this is micro, which mixes the classes before it divides; sum over the samples (dim=0), "
         "and divide for each class",
         lambda z, t: soft_f1_loss(z, t, average="micro")),
        ("this is soft F1 itself; a loss must fall as the answers improve, so return one minus it",
         lambda z, t: 1 - soft_f1_loss(z, t, average="macro")),
        ("sigmoid treats each class alone; with one label a sample use softmax over dim 1",
         lambda z, t: _present(_each_class(torch.sigmoid(z), _one_hot(z, t)), t)),
        ("argmax is a decision and passes no gradient; count with the probabilities",
         lambda z, t: _present(_each_class(_one_hot(z, z.argmax(1)), _one_hot(z, t)), t)),
        ("the softmax runs over the samples (dim 0); it must run over the classes (dim 1)",
         lambda z, t: _present(_each_class(torch.softmax(z, 0), _one_hot(z, t)), t)),
        ("there is no softmax: the counts need probabilities, not logits",
         lambda z, t: _present(_each_class(z, _one_hot(z, t)), t)),
        ("the loss of each class is there, but the mean over the classes is missing",
         lambda z, t: _each_class(torch.softmax(z, 1), _one_hot(z, t))[t.unique()]),
        ("this adds up the classes' losses; take their mean",
         lambda z, t: _each_class(torch.softmax(z, 1), _one_hot(z, t))[t.unique()].sum()),
        ("this weighs each class by its samples; macro is the plain mean",
         lambda z, t: (_each_class(torch.softmax(z, 1), _one_hot(z, t))
                       * _one_hot(z, t).mean(0)).sum()),
        ("the true positives must count twice, above and below; without that it is the Jaccard "
         "index", lambda z, t: (lambda f: (2 * f / (1 + f))[t.unique()].mean())(
             _each_class(torch.softmax(z, 1), _one_hot(z, t)))),
    ],
)


def _counts(logits: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    prob = torch.sigmoid(logits)
    return (prob * y).sum(), (prob * (1 - y)).sum(), ((1 - prob) * y).sum()


def _f_beta_loss(tp: Tensor, fp: Tensor, fn: Tensor, precision: float, recall: float) -> Tensor:
    wrong = precision * fp + recall * fn
    return wrong / ((recall + precision) * tp + wrong)


_five = torch.tensor([1.0, -2.0, 0.3, -0.4, 2.0])
_decided = torch.tensor([7.0, -6.0, 0.3, -7.0, 6.0, 1.0])
_two = torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0])
_some = torch.tensor([0.0, 1.0, 1.0, 0.0, 1.0, 0.0])

q8 = Function(
    hints=["Try the function with beta = 2 on two extremes: alarms for everybody, and one alarm "
           "that is right. scikit-learn's fbeta_score says what should come out.",
           "With beta above 1, recall should count more. Which mistake lowers recall, a miss or a "
           "false alarm?",
           "Put P = tp / (tp + fp) and R = tp / (tp + fn) into the definition and multiply out. "
           "Which of fp and fn ends up with the factor beta squared?"],
    answer="""
def soft_f_beta_loss(logits, target, beta):
    prob = torch.sigmoid(logits)
    tp = (prob * target).sum()
    fp = (prob * (1 - target)).sum()
    fn = ((1 - prob) * target).sum()
    return 1 - (1 + beta ** 2) * tp / ((1 + beta ** 2) * tp + beta ** 2 * fn + fp)
""",
    why="Misses lower recall, and beta above 1 favours recall, so beta squared belongs to the "
        "misses. At beta = 1 the mistake cannot be seen, which is how it survives a test.",
    reference=lambda z, y, beta: soft_f1_loss(z, y, average="binary", beta=beta),
    cases=[(_five, _two, 2.0), (_five, _two, 0.5), (_five, _two, 1.0), (_five, 1 - _two, 3.0),
           (_decided, _some, 2.0), (_decided[:1], _some[1:2], 0.5)],
    gradient=True,
    absolute=1e-6,
    mistakes=[
        ("beta squared weighs the false alarms here, so beta = 2 favours precision (the function "
         "above does so, and so do precision and recall the wrong way round)",
         lambda z, y, b: _f_beta_loss(*_counts(z, y), b**2, 1)),
        ("nearly: the misses need the square of beta",
         lambda z, y, b: _f_beta_loss(*_counts(z, y), 1, b)),
        ("beta has no effect here; it must weigh the misses",
         lambda z, y, b: _f_beta_loss(*_counts(z, y), 1, 1)),
        ("this is soft F-beta itself; the loss is one minus it",
         lambda z, y, b: 1 - _f_beta_loss(*_counts(z, y), 1, b**2)),
        ("the misses are weighed, but the true positives still by 2: they must count 1 + beta "
         "squared", lambda z, y, b: (lambda tp, fp, fn: (b**2 * fn + fp)
                                     / (2 * tp + b**2 * fn + fp))(*_counts(z, y))),
        ("above, the true positives still count twice, as in F1: they must count 1 + beta squared",
         lambda z, y, b: (lambda tp, fp, fn: 1 - 2 * tp
                          / ((1 + b**2) * tp + b**2 * fn + fp))(*_counts(z, y))),
        ("beta squared must weigh the misses both above and below; only the numerator has it",
         lambda z, y, b: (lambda tp, fp, fn: (b**2 * fn + fp)
                          / ((1 + b**2) * tp + fn + b**2 * fp))(*_counts(z, y))),
        ("both kinds of mistake have beta squared here; only the misses should",
         lambda z, y, b: (lambda tp, fp, fn: b**2 * (fn + fp)
                          / ((1 + b**2) * tp + b**2 * (fn + fp)))(*_counts(z, y))),
    ],
)

q9 = Choice(
    hints=["All answers are the same at the start. Compute them: what is the sigmoid of -6.4?",
           "Follow 0.0017 through the function, line by line. On which line does it stop mattering "
           "whether it was 0.0017 or 0.0018?",
           "A line whose output does not change with its input passes no gradient."],
    answer='cause = "clamp"',
    why="Below 0.01 the clamped probability is constant, so its slope is exactly 0, and the prior-"
        "bias start puts every payment there.",
    right="clamp",
    replies={
        "no positives": "there are positives, 2 of 10, and f1_loss has a gradient in this batch",
        "learning rate": "a gradient of exactly 0 stays 0 with any learning rate",
        "epsilon": "the denominator is above 2 here, so 1e-7 more makes no difference",
        "sigmoid": "its slope at -6.4 is small but not 0, and f1_loss has the same sigmoid",
    },
)
