"""Exercises of notebook 07."""

import math

import torch
from torch import Tensor

from . import Choice, Function, Number

_p = torch.tensor([0.001, 0.02, 0.04, 0.3, 0.6, 0.9])
_amount = torch.tensor([9000.0, 2000.0, 100.0, 3.0, 9.0, 5.0])
_mixed = torch.tensor([0.7, 0.0, 0.003, 1.0, 0.2])
_stakes = torch.tensor([2.0, 5000.0, 800.0, 12.0, 60.0])


def _costs(share: float, answer: float) -> float:
    """Mean cross entropy where a share is positive and everybody gets one answer."""
    return -share * math.log(answer) - (1 - share) * math.log(1 - answer)


q1 = Number(
    hints=["What does the network answer to every row before its first step?",
           "So every positive costs the same, and every negative costs the same. How much each?",
           "An answer of one in 100 costs -ln 0.01 on a positive and -ln 0.99 on a negative. Weigh "
           "the two by how often each occurs in the table."],
    answer="first_loss = -0.004 * math.log(0.01) - 0.996 * math.log(0.99)",
    why="0.0284 nats. The answer decides what a row costs, the table decides how often.",
    value=_costs(0.004, 0.01),
    mistakes={
        _costs(0.01, 0.01): "that is for a table in which one row in 100 is positive, as the bias "
                            "assumes; here it is one in 250",
        _costs(0.004, 0.004): "that is for the right bias, one in 250; here the answer is one in "
                              "100",
        _costs(0.01, 0.004): "the two numbers are exchanged: the answer is one in 100, the share "
                             "is one in 250",
        math.log(2): "that is the default start, where every row is answered with one half",
        -math.log(0.01): "that is what a positive costs; only one row in 250 is positive",
        -math.log(0.99): "that is what a negative costs; positives cost more",
        -0.004 * math.log(0.01): "that is the part of the positives; the 249 negatives cost "
                                 "something, too",
        -0.996 * math.log(0.99): "that is the part of the negatives; the positives are missing",
        -0.004 * math.log(0.99) - 0.996 * math.log(0.01): "the logarithms are exchanged: a "
                                                          "positive costs -ln 0.01",
        -math.log(0.01) - math.log(0.99): "each of the two must count by its share of the rows",
        -_costs(0.004, 0.01): "the sign: a cross entropy is never negative here",
        _costs(0.004, 0.01) / math.log(10): "that is with logarithms of base 10; nats use ln",
        _costs(0.004, 0.01) / math.log(2): "that is in bits; nats use ln",
    },
    otherwise="not the mean loss; what does a positive cost, and what a negative?",
)


def _alarm(answer: Tensor, amount: Tensor, fee: float, weight: float) -> Tensor:
    p = answer / (answer + weight * (1 - answer))
    return p * amount > fee


q2 = Function(
    hints=["Two steps: what is the probability behind an answer, and when is an alarm worth its "
           "fee?",
           "The weight has multiplied the odds of fraud. Divide them by it, and go back to a "
           "probability p.",
           "p is answer / (answer + weight * (1 - answer)). What does a payment cost on average "
           "without an alarm? Compare that with the fee."],
    answer="""
def alarm(answer, amount, fee, weight):
    p = answer / (answer + weight * (1 - answer))
    return p * amount > fee
""",
    why="First the answer is translated into a probability, then the costs decide.",
    reference=_alarm,
    cases=[(_p, _amount, 5.0, 10.0), (_p, _amount, 0.5, 100.0), (_p, _amount, 2.0, 1.0),
           (_p, _amount, 0.8, 10.0), (_p, _amount, 3.0, 10.0),
           (_mixed, _stakes, 3.0, 0.5), (_mixed[:1], _stakes[:1], 1.0, 4.0),
           (_p, _amount[[3, 5, 1, 0, 2, 4]], 20.0, 50.0)],
    mistakes=[
        ("the answers are not probabilities yet: the weight has multiplied their odds",
         lambda answer, amount, fee, weight: answer * amount > fee),
        ("it is the odds that the weight has multiplied, not the answer itself",
         lambda answer, amount, fee, weight: answer / weight * amount > fee),
        ("this multiplies the odds a second time; divide them by the weight",
         lambda answer, amount, fee, weight: _alarm(answer, amount, fee, 1 / weight)),
        ("the other way round: an alarm is worth its fee where the expected loss is larger",
         lambda answer, amount, fee, weight: ~_alarm(answer, amount, fee, weight)),
        ("these are the odds, as if the fee were due for false alarms only; use the probability",
         lambda answer, amount, fee, weight: answer / (1 - answer) / weight * amount > fee),
        ("a threshold of 0.5 ignores the amount and the fee",
         lambda answer, amount, fee, weight: answer / (answer + weight * (1 - answer)) >= 0.5),
        ("each payment has an amount of its own; you took the mean of all",
         lambda answer, amount, fee, weight: _alarm(answer, amount.mean(), fee, weight)),
        ("this is the expected loss without an alarm; compare it with the fee",
         lambda answer, amount, fee, weight: (answer / (answer + weight * (1 - answer))) * amount),
    ],
)


def _moved(p: Tensor, old: float, new: float) -> Tensor:
    factor = new / (1 - new) / (old / (1 - old))
    return factor * p / (factor * p + 1 - p)


q3 = Function(
    hints=["Bayes: the odds of fraud are the odds before anything is seen, times how much better "
           "the payment fits frauds than normal payments. Which of the two changes?",
           "Only the odds before anything is seen change, from old / (1 - old) to new / (1 - new). "
           "By which factor?",
           "Multiply the odds of p by that factor, and go back to a probability. Simplify the "
           "fraction, so that nothing is divided by 0 at p = 1."],
    answer="""
def moved(p, old, new):
    factor = new / (1 - new) / (old / (1 - old))
    return factor * p / (factor * p + 1 - p)
""",
    why="The same step undoes undersampling: there, old is the share in the sample.",
    reference=_moved,
    cases=[(_p, 0.002, 0.01), (_p, 0.3, 0.001), (torch.tensor([0.5]), 0.2, 0.6), (_p, 0.1, 0.1),
           (torch.tensor([0.0, 1.0]), 0.02, 0.5), (_mixed, 0.7, 0.9)],
    mistakes=[
        ("it is the odds that are multiplied, not p: this can even exceed 1",
         lambda p, old, new: p * new / old),
        ("it is the odds that are multiplied, and p must stay below 1 by itself",
         lambda p, old, new: (p * new / old).clamp(max=1)),
        ("the two countries are exchanged", lambda p, old, new: _moved(p, new, old)),
        ("the factor is a ratio of odds, not of shares; with large shares that is not the same",
         lambda p, old, new: new / old * p / (new / old * p + 1 - p)),
        ("these are the odds; turn them back into a probability",
         lambda p, old, new: new / (1 - new) / (old / (1 - old)) * p / (1 - p)),
        ("right below 1; at p = 1 the odds are infinite and this is nan: simplify the fraction",
         lambda p, old, new: (lambda odds: odds / (1 + odds))(
             new / (1 - new) / (old / (1 - old)) * p / (1 - p))),
        ("this is p unchanged, but where frauds are more common, the same payment is more suspect",
         lambda p, old, new: p),
        ("this is the probability of a normal payment",
         lambda p, old, new: 1 - _moved(p, old, new)),
        ("frauds look the same in both countries, so p matters; you return the share alone",
         lambda p, old, new: torch.full_like(p, new)),
    ],
)

q4 = Choice(
    hints=["Go through the text, and ask of each thing: on which rows was it decided?",
           "Three of the five were decided before the test part was opened, or apply to both sides "
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

q5 = Choice(
    hints=["Ask of each step: had it seen rows of the later test part?",
           "The columns and the threshold come from the training part alone. What was done before "
           "the rows were divided?",
           "Two things were done before. One of them makes the two parts more different, the other "
           "makes them more alike."],
    answer='flaw = "the balancing"',
    why="New frauds between the frauds of both parts tie the training part to the test part, and a "
        "test part with half frauds has another precision than the bank will see.",
    right="the balancing",
    replies={
        "the duplicates": "removing duplicates before the split is right: the same row in both "
                          "parts would be a leak",
        "the scaling": "the columns were standardised by the training part; nothing leaks there",
        "the threshold": "it was chosen inside the training part, so the test part did not help",
        "the seeds": "five seeds show the spread; they make no number too good",
    },
)

q6 = Choice(
    hints=["Compare 0.006 with each of the two errors.",
           "One error asks what other seeds would give; the other asks what other rows would give, "
           "too.",
           "Over the seeds the difference is six errors, over seeds and rows less than one. Which "
           "claim needs only the first?"],
    answer='claim = "c"',
    why="Six standard errors over seeds, less than one over rows: safe for these test rows, "
        "undecided for new ones.",
    right="c",
    replies={
        "a": "new payments are other rows, and over rows the difference is within its error",
        "b": "undecided is not equal: anything from -0.012 to 0.024 would fit this table",
        "d": "more seeds shrink the first error; the second comes from the test rows",
        "e": "over the seeds the difference is six times its error; that is no luck",
    },
)

q7 = Number(
    hints=["Write down what an alarm costs on average, and what silence costs, for a payment with "
           "probability p.",
           "An alarm costs 10 p + 20 (1 - p). And silence?",
           "Silence costs 100 p. At the threshold both cost the same: solve 100 p = 10 p + 20 (1 - "
           "p)."],
    answer="threshold = 20 / (20 + 100 - 10)",
    why="20 / 110 = 0.18. An alarm on a fraud saves only 90 euros, so the threshold is a little "
        "higher than 20 / 120.",
    value=20 / 110,
    within=0.015,  # 0.18 is right, too
    mistakes={
        20 / 120: "that is c_FP / (c_FP + c_FN); here a fraud that is found costs 10 euros, too",
        20 / 130: "the 10 euros make an alarm on a fraud less useful, so they are subtracted from "
                  "100, not added",
        30 / 130: "the 10 euros are not due for a false alarm, only for a fraud that is found",
        30 / 120: "the 10 euros are not due for a false alarm, only for a fraud that is found",
        20 / 100: "a false alarm is false only with probability 1 - p: its 20 euros count (1 - p) "
                  "times",
        20 / 90: "the 20 euros of a false alarm count (1 - p) times, so they stand in the "
                 "denominator, too",
        30 / 100: "write down both mean costs: the 20 euros count (1 - p) times, the 10 euros p "
                  "times",
        10 / 110: "that counts the new card and forgets the false alarm",
        100 / 120: "that is the threshold if the two costs are exchanged",
        90 / 110: "that is the probability of a normal payment at the threshold",
        0.5: "0.5 is for equal costs; here a missed fraud costs much more than a false alarm",
        20 / 110 * 100: "give the threshold as a number between 0 and 1, not in per cent",
    },
    otherwise="not the threshold; at which p do an alarm and silence cost the same on average?",
)

q8 = Number(
    hints=["A weight multiplies the odds of a payment. Which odds do these payments have?",
           "What does a weight of 100 do to odds of 0, and to infinite odds?",
           "So each payment keeps its answer, 0 or 1. What is the mean of these?"],
    answer="mean_answer = 0.002",
    why="A weight multiplies the odds, and 0 and infinity stay what they are. It shows only where "
        "there is doubt; so the mean answer in section 6 was not 100 times the share.",
    value=0.002,
    mistakes={
        0.2: "100 times the share: the weight multiplies odds of single payments, not the mean",
        0.17: "rounded, and for payments that all look alike; here every payment is certain",
        0.2 / (0.2 + 0.998): "that is for payments that all look alike; here every payment is "
                             "certain",
        0.5: "the classes are not balanced by a weight of 100, and certain payments do not move",
        1.0: "the normal payments are certain, too, and get 0",
        0.0: "the frauds are certain, too, and get 1",
        0.998: "that is the share of the normal payments; the answer is the probability of fraud",
        2.0: "two in a thousand, as a share of 1?",
        0.00002: "a weight above 1 never lowers an answer",
    },
)
