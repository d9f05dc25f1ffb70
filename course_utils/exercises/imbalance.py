"""Exercises of notebook 07."""

import math

import torch
from torch import Tensor

from . import Choice, Function, Number

_p = torch.tensor([0.001, 0.02, 0.04, 0.3, 0.6, 0.9])
_amount = torch.tensor([9000.0, 2000.0, 100.0, 3.0, 9.0, 5.0])
_mixed = torch.tensor([0.7, 0.0, 0.003, 1.0, 0.2])
_stakes = torch.tensor([2.0, 5000.0, 800.0, 12.0, 60.0])

q1 = Number(
    hints=["At a prior bias, what does the network answer for each row?",
           "So every positive costs the same, and every negative costs the same. How much each?",
           "One row in a hundred is a positive: weigh the two costs by how often they occur."],
    answer="first = -0.01 * math.log(0.01) - 0.99 * math.log(0.99)",
    why="The entropy of the share, 0.056 nats: what a constant answer of 0.01 costs.",
    value=-0.01 * math.log(0.01) - 0.99 * math.log(0.99),
    mistakes={
        math.log(2): "that is the default start, where every row is answered with one half",
        -math.log(0.01): "that is the surprise of a positive; only one row in a hundred is one",
        -0.01 * math.log(0.01): "the positives' part; the 99 others are surprised a little too",
        -0.99 * math.log(0.99): "the negatives' part; the rare positives cost more than they do",
        0.0: "an answer that is the same for all rows costs something on each of them",
        -math.log(0.99): "that is the surprise of a negative; a positive has one of its own",
        0.01: "that is the share of positives, and the answer; what does the answer cost?",
        -0.01 * math.log(0.99) - 0.99 * math.log(0.01): "the logarithms are swapped: the rare "
                                                        "positives pay -ln 0.01",
        -math.log(0.01) - math.log(0.99): "each of the two must count by its share of the rows",
        -(math.log(0.01) + math.log(0.99)) / 2: "the plain mean of the two; each must count by its "
                                                "share of the rows",
        0.01 * math.log(0.01) + 0.99 * math.log(0.99): "the sign: a loss is never negative here",
        -0.01 * math.log10(0.01) - 0.99 * math.log10(0.99): "that is base 10; nats use ln",
        -0.01 * math.log2(0.01) - 0.99 * math.log2(0.99): "that is in bits; nats use ln",
    },
)

q2 = Function(
    hints=["What does a row cost on average with an alarm, and what without?",
           "With an alarm the fee is due, right or wrong. And without one?",
           "Without one the amount is lost, but only if the row is a fraud. How probable is that?"],
    answer="""
def alarm(p, amount, fee):
    return p * amount > fee
""",
    why="With an alarm a row costs the fee, without one p * amount on average; take the smaller.",
    reference=lambda p, amount, fee: p * amount > fee,
    cases=[(_p, _amount, 5.0), (_p, _amount, 20.0), (_p, _amount, 1.0),
           (_mixed, _stakes, 3.0), (_mixed[:1], _stakes[:1], 1.0)],
    mistakes=[
        ("a fixed threshold ignores what is at stake: 0.02 of 2000 euro is worth a call",
         lambda p, amount, fee: p > 0.5),
        ("this ignores the probability: a large amount alone is no reason",
         lambda p, amount, fee: amount > fee),
        ("the other way round: an alarm is worth its fee where the expected loss is larger",
         lambda p, amount, fee: p * amount < fee),
        ("an honest payment loses nothing without an alarm; the fee is due with or without fraud",
         lambda p, amount, fee: p * amount > (1 - p) * fee),
        ("the fee is due for each alarm, right or wrong, not only where there is fraud",
         lambda p, amount, fee: amount * p > p * fee),
        ("each row has an amount of its own; you took the mean of all",
         lambda p, amount, fee: p * amount.mean() > fee),
        ("(1 - p) is the probability of an honest payment; a fraud is what costs the amount",
         lambda p, amount, fee: (1 - p) * amount > fee),
        ("one answer for each row, not one for all together",
         lambda p, amount, fee: (p * amount).sum() > fee),
        ("this is the expected loss itself; compare it with the fee",
         lambda p, amount, fee: p * amount),
        ("this is what an alarm saves; raise one where that is above 0",
         lambda p, amount, fee: p * amount - fee),
        ("this is the cost of the better decision; return the decision",
         lambda p, amount, fee: (p * amount).clamp(max=fee)),
    ],
)


def _corrected(p: Tensor, kept: float) -> Tensor:
    return kept * p / (kept * p + 1 - p)


q3 = Function(
    hints=["Dropping normal rows multiplied the odds of fraud by 1 / kept.",
           "From the probability to the odds, undo it there, and back to a probability.",
           "At p = 1 the odds are infinite: multiply numerator and denominator of your fraction by "
           "1 - p, so that nothing is divided by 0."],
    answer="""
def corrected(p, kept):
    return kept * p / (kept * p + 1 - p)
""",
    why="kept p / (kept p + 1 - p) is the correction of Dal Pozzolo and others: the odds, not p.",
    reference=_corrected,
    cases=[(_p, 0.05), (torch.tensor([0.5]), 0.2), (_p, 1.0), (torch.tensor([0.0, 1.0]), 0.1),
           (_mixed, 0.3)],
    mistakes=[
        ("it is the odds that shrink by kept, not p: at p = 0.9 this is far too low",
         lambda p, kept: kept * p),
        ("this undersamples a second time: multiply the odds by kept, do not divide",
         lambda p, kept: p / (p + kept * (1 - p))),
        ("right below 1; at p = 1 the odds are infinite and this is nan: simplify the fraction",
         lambda p, kept: (kept * p / (1 - p)) / (1 + kept * p / (1 - p))),
        ("dividing p by kept makes it larger; leaving out normal rows had done that already",
         lambda p, kept: p / kept),
        ("these are the odds; turn them back into a probability",
         lambda p, kept: kept * p / (1 - p)),
        ("this is p unchanged", lambda p, kept: p),
        ("this is the probability of a normal row", lambda p, kept: 1 - _corrected(p, kept)),
        ("the odds shrink by the share that was kept, not by the share that was dropped",
         lambda p, kept: _corrected(p, 1 - kept)),
        ("this corrects twice: multiply the odds by kept once",
         lambda p, kept: _corrected(p, kept**2)),
        ("the logit shifts by the natural logarithm of kept; this one has base 10",
         lambda p, kept: torch.sigmoid(torch.logit(p) + math.log10(kept))),
        ("kept belongs to the odds above and below; you have it only below",
         lambda p, kept: p / (kept * p + 1 - p)),
    ],
)

q4 = Choice(
    hints=["Go through the text, and ask of each thing: on which rows was it settled?",
           "Three of the five were settled before the test part was opened, or apply to both sides "
           "alike.",
           "A number is too good where it is reported on the rows that helped to make it."],
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
    hints=["A weight multiplies the odds of a row. Which odds do these rows have?",
           "What does a weight of 100 do to odds of 0, and to infinite odds?",
           "So each row keeps its answer, 0 or 1. What is the mean of these?"],
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
        0.0: "the frauds are certain too, and get 1",
        0.998: "that is the share of the normal rows; the answer is the probability of fraud",
        2.0: "two in a thousand, as a share of 1?",
        0.00002: "a weight above 1 never lowers an answer",
    },
)

q6 = Choice(
    hints=["Compare 0.006 with each of the two errors.",
           "One error asks what other seeds would give; the other, what other rows would give too.",
           "Over the seeds the difference is six errors, over seeds and rows less than one. Which "
           "claim needs only the first?"],
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
