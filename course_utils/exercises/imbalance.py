"""Exercises of notebook 07."""

import math

import torch

from . import Choice, Function, Number

_p = torch.tensor([0.001, 0.02, 0.04, 0.3, 0.6, 0.9])
_amount = torch.tensor([9000.0, 2000.0, 100.0, 3.0, 9.0, 5.0])

q1 = Number(
    hints=["The network answers 0.01 for every row: what is the mean surprise?",
           "0.01 (-ln 0.01) + 0.99 (-ln 0.99)."],
    answer="first = -0.01 * math.log(0.01) - 0.99 * math.log(0.99)",
    why="The entropy of the share, 0.056 nats: what a constant answer of 0.01 costs.",
    value=-0.01 * math.log(0.01) - 0.99 * math.log(0.99),
    mistakes={
        math.log(2): "that is the default start, where every row is answered with one half",
        -math.log(0.01): "that is the surprise of a positive; only one row in a hundred is one",
        -0.01 * math.log(0.01): "the positives' part; the 99 others are surprised a little too",
        -0.99 * math.log(0.99): "0.01 is the share, or nearly the negatives' part; the rare "
                                "positives cost more than they",
        -0.01 * math.log10(0.01) - 0.99 * math.log10(0.99): "that is base 10; nats use ln",
        -0.01 * math.log2(0.01) - 0.99 * math.log2(0.99): "that is in bits; nats use ln",
    },
)

q2 = Function(
    hints=["What does a row cost on average with an alarm, and what without?",
           "With: the fee. Without: p times the amount."],
    answer="""
def alarm(p, amount, fee):
    return p * amount > fee
""",
    why="With an alarm a row costs the fee, without one p * amount on average; take the smaller.",
    reference=lambda p, amount, fee: p * amount > fee,
    cases=[(_p, _amount, 5.0), (_p, _amount, 20.0), (_p, _amount, 1.0)],
    mistakes=[
        ("a fixed threshold ignores what is at stake: 0.02 of 2000 euro is worth a call",
         lambda p, amount, fee: p > 0.5),
        ("this ignores the probability: a large amount alone is no reason",
         lambda p, amount, fee: amount > fee),
        ("the other way round: an alarm is worth its fee where the expected loss is larger",
         lambda p, amount, fee: p * amount < fee),
        ("an honest payment loses nothing without an alarm; the fee is due with or without fraud",
         lambda p, amount, fee: p * amount > (1 - p) * fee),
        ("this is the expected loss itself; compare it with the fee",
         lambda p, amount, fee: p * amount),
    ],
)

q3 = Function(
    hints=["Dropping normal rows multiplied the odds of fraud by 1 / kept.",
           "odds = kept * p / (1 - p), then odds / (1 + odds). Simplify, so that p = 1 stays 1."],
    answer="""
def corrected(p, kept):
    return kept * p / (kept * p + 1 - p)
""",
    why="kept p / (kept p + 1 - p) is the correction of Dal Pozzolo and others: the odds, not p.",
    reference=lambda p, kept: kept * p.detach() / (kept * p.detach() + 1 - p.detach()),
    cases=[(_p, 0.05), (torch.tensor([0.5]), 0.2), (_p, 1.0), (torch.tensor([0.0, 1.0]), 0.1)],
    mistakes=[
        ("it is the odds that shrink by kept, not p: at p = 0.9 this is far too low",
         lambda p, kept: kept * p),
        ("this undersamples a second time: multiply the odds by kept, do not divide",
         lambda p, kept: p / (p + kept * (1 - p))),
        ("right below 1; at p = 1 the odds are infinite and this is nan: simplify the fraction",
         lambda p, kept: (kept * p / (1 - p)) / (1 + kept * p / (1 - p))),
        ("these are the odds; turn them back into a probability",
         lambda p, kept: kept * p / (1 - p)),
        ("this is p unchanged", lambda p, kept: p * 1.0),
        ("the odds shrink by the share that was kept, not by the share that was dropped",
         lambda p, kept: (1 - kept) * p / ((1 - kept) * p + 1 - p)),
        ("this corrects twice: multiply the odds by kept once",
         lambda p, kept: kept**2 * p / (kept**2 * p + 1 - p)),
    ],
)

q4 = Choice(
    hints=["Which number was made with the help of the rows that it is reported on?",
           "With a hundred frauds, the best of thousands of thresholds fits their noise."],
    answer='flaw = "the threshold"',
    why="The best threshold of the test rows fits their noise; choose it on validation.",
    right="the threshold",
    replies={
        "the seeds": "ten seeds for each, the same for both: that is as it should be",
        "the scaling": "mean and spread came from the training part; nothing leaks there",
        "the band": "a mean with a band is right; it is a band of numbers that are too good",
        "the prior bias": "both had it, so it favours neither",
    },
)

q5 = Number(
    hints=["What does a weight do to odds of 0, and to odds of infinity?",
           "A certain row keeps its answer, 0 or 1."],
    answer="mean_answer = 0.002",
    why="A weight multiplies the odds, and 0 and infinity stay what they are. It shows only where "
        "there is doubt; so the mean answer in section 5 was not 100 times the prevalence.",
    value=0.002,
    mistakes={
        0.2: "100 times the prevalence: the weight multiplies odds of single rows, not the mean",
        0.17: "rounded, and for rows that all look alike; here every row is certain",
        0.2 / (0.2 + 0.998): "that is for rows that all look alike; here every row is certain",
        0.5: "the classes are not balanced by a weight of 100, and certain rows do not move at all",
        1.0: "the normal rows are certain too, and get 0",
        0.00002: "a weight above 1 never lowers an answer",
    },
)

q6 = Choice(
    hints=["Compare 0.006 with each of the two errors.",
           "Six errors over the seeds; less than one over seeds and rows."],
    answer='claim = "c"',
    why="Six standard errors over seeds, less than one over rows: safe for these test rows, "
        "undecided for new ones.",
    right="c",
    replies={
        "a": "new transactions are other rows, and over rows the difference is within its error",
        "b": "not decided is not equal: anything from -0.012 to 0.024 would fit this table",
        "d": "more seeds shrink the first error; the second comes from the test rows",
        "e": "over the seeds the difference is six times its error; that is no luck",
    },
)
