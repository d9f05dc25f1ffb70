"""Exercises of notebook 08."""

import math

import torch

from . import Choice, Function, Number

_loss = torch.tensor([0.70, 0.74, 0.73, 0.79])
_rival = torch.tensor([0.69, 0.70, 0.74, 0.75])


def _paired(loss: torch.Tensor, rival: torch.Tensor, q: float) -> torch.Tensor:
    difference = loss - rival
    return torch.stack([difference.mean(), q * difference.std() / math.sqrt(len(difference))])


def _with(half):
    """The interval with another half width."""
    return lambda a, b, q: torch.stack([(a - b).mean(), half(a, b, q)])


q1 = Function(
    hints=["First the differences, seed by seed; then their mean and their scatter.",
           "torch.std divides by n - 1 already; divide it by the root of n, times q."],
    answer="""
def paired(loss, rival, q):
    difference = loss - rival
    half = q * difference.std() / len(difference) ** 0.5
    return torch.stack([difference.mean(), half])
""",
    why="What the seeds have in common drops out of the differences, so the interval is narrower.",
    reference=_paired,
    cases=[(_loss, _rival, 3.18), (_rival, _loss, 3.18), (_loss[:2], _rival[:2], 12.7),
           (_loss, _rival.flip(0), 2.0)],
    tolerance=1e-3,
    absolute=1e-6,
    mistakes=[
        ("this is the scatter of single differences; that of their mean is the root of n times "
         "smaller",
         _with(lambda a, b, q: q * (a - b).std())),
        ("you divide by n; the error of a mean falls with the root of n",
         _with(lambda a, b, q: q * (a - b).std() / len(a))),
        ("you divide by n inside the standard deviation; a sample has n - 1 (torch's default)",
         _with(lambda a, b, q: q * (a - b).std(correction=0) / len(a) ** 0.5)),
        ("this is the interval of unpaired runs: take the differences first, seed by seed",
         _with(lambda a, b, q: q * ((a.var() + b.var()) / len(a)) ** 0.5)),
        ("you took the variance; the half width needs its root",
         _with(lambda a, b, q: q * (a - b).var() / len(a) ** 0.5)),
        ("the sign: the loss minus its rival", lambda a, b, q: _paired(b, a, q)),
        ("q is missing: this is one standard error",
         _with(lambda a, b, q: (a - b).std() / len(a) ** 0.5)),
    ],
)


def _rule(low: float, high: float, smallest: float) -> torch.Tensor:
    return torch.tensor(int(low > 0 and (low + high) / 2 >= smallest) - int(high < smallest))


q2 = Function(
    hints=["The middle of the interval is (low + high) / 2.",
           "yes: low > 0 and the middle >= smallest; no: high < smallest; else open."],
    answer="""
def rule(low, high, smallest):
    if low > 0 and (low + high) / 2 >= smallest:
        return 1
    if high < smallest:
        return -1
    return 0
""",
    why="Surely there *and* large enough; or surely too small; or nobody knows.",
    reference=_rule,
    cases=[(0.012, 0.03, 0.01), (0.004, 0.03, 0.01), (0.002, 0.006, 0.01), (0.002, 0.014, 0.01),
           (-0.004, 0.03, 0.01), (-0.02, 0.008, 0.01), (-0.03, -0.01, 0.01), (-0.02, 0.03, 0.01),
           (0.0, 0.04, 0.01), (0.25, 0.75, 0.5), (-0.1, 0.01, 0.01)],
    mistakes=[
        ("surely above 0 is not enough for a yes: the middle must be worth caring about",
         lambda a, b, s: torch.tensor(int(a > 0) - int(b < s))),
        ("a large middle is not enough for a yes: an interval that reaches below 0 may be chance",
         lambda a, b, s: torch.tensor(int((a + b) / 2 >= s) - int(b < s))),
        ("too strict: the middle must reach the smallest effect, the lower end only 0",
         lambda a, b, s: torch.tensor(int(a > s) - int(b < s))),
        ("for no you compare with 0; an interval between 0 and the smallest effect is a no as well",
         lambda a, b, s: torch.tensor(int(a > 0 and (a + b) / 2 >= s) - int(b < 0))),
        ("for no you compare with minus the smallest effect; the claim was more, so whatever lies "
         "below the smallest effect refutes it",
         lambda a, b, s: torch.tensor(int(a > 0 and (a + b) / 2 >= s) - int(b < -s))),
        ("you compare with 0 only; where is the smallest effect?",
         lambda a, b, s: torch.tensor(int(a > 0) - int(b < 0))),
        ("yes and no are swapped", lambda a, b, s: -_rule(a, b, s)),
        ("everything that is not a yes is a no here; where is open?",
         lambda a, b, s: torch.tensor(1 if a > 0 and (a + b) / 2 >= s else -1)),
    ],
)

q3 = Number(
    hints=["The half width falls with the root of the number of seeds.",
           "A third of the width needs three times three times the seeds."],
    answer="seeds_needed = 16 * (0.0075 / 0.0025) ** 2",
    why="Nine times the seeds for a third of the width: 144. Small effects are expensive.",
    value=144,
    mistakes={
        48: "three times the seeds narrow the interval by the root of 3 only",
        16 * math.sqrt(3): "the root is on the other side: the width falls with the root of n",
        16 / 9: "that is fewer seeds; a narrower interval needs more",
        32: "twice the seeds narrow the interval by the root of 2 only",
        128: "that would be the new ones beside the 16; how many in all?",
    },
)

_FLAWS = {
    "one seed": "how many seeds were used, and is the scatter known?",
    "untuned rival": "how many trials did each side get?",
    "chosen on test": "on which part was the best one picked?",
    "unpaired seeds": "that would widen the interval; here something makes it wrong",
    "wrong metric": "the metric may be debated; there is a plainer flaw",
}


def _flaw(right: str, hints: list[str], why: str, **replies: str) -> Choice:
    others = {name: say for name, say in _FLAWS.items() if name != right}
    return Choice(hints=hints, answer=f'flaw = "{right}"', why=why, right=right,
                  replies=others | {name.replace("_", " "): say for name, say in replies.items()})


q4 = _flaw("untuned rival",
           ["Count the trials of each side.", "Twenty for focal loss, one for cross entropy."],
           "Twenty trials against one. Part of the gain is the tuning; nobody knows how much.",
           one_seed="there are twenty seeds on each side",
           chosen_on_test="all was chosen on validation, and the test part used once")

q5 = _flaw("chosen on test",
           ["Which part told them that 0.5 is the best gamma?",
            "The same part gave the interval that they report."],
           "Gamma was picked on the part that then reports its gain: the best of five is lucky.",
           untuned_rival="gamma 0 is the rival, and had the same learning rates",
           unpaired_seeds="they say that the seeds are paired",
           one_seed="there are ten paired seeds")

q6 = _flaw("one seed",
           ["Everything is fair, and yet the result may be chance. Of what?",
            "torch.manual_seed(42), once."],
           "One run each. Notebook 07 showed how far single runs of this very task scatter.",
           untuned_rival="both had the same grid of learning rates",
           chosen_on_test="they chose on validation")

q7 = Choice(
    hints=["A because has a step in the middle: calibrated, since fewer wrong labels are learned. "
           "Look for a result in which the step fails and the effect stays.",
           "Three of them fit the explanation; one speaks of another loss."],
    answer='refutes = "b"',
    why="The effect without its alleged cause: then the cause is another one.",
    right="b",
    replies={
        "a": "just what the explanation predicts: no wrong labels, nothing to be stopped",
        "c": "that limits the claim, but does not touch the reason why it holds where it holds",
        "d": "another loss may calibrate in its own way; this says nothing about smoothing's",
        "e": "that agrees with the explanation: fewer wrong labels by heart, better on clean ones",
    },
)

q8 = Number(
    hints=["Each stays quiet with probability 1 - 0.05/20.", "(1 - 0.0025) to the power of 20."],
    answer="none = (1 - 0.05 / 20) ** 20",
    why="0.951, and never less than 0.95 if the tests depend on each other.",
    value=(1 - 0.05 / 20) ** 20,
    within=0.0005,
    mistakes={
        0.95**20: "that is without the correction: each tested at 5 %",
        1 - 0.95**20: "that is without the correction, and the probability of at least one",
        1 - (1 - 0.05 / 20) ** 20: "that is the probability of at least one; none was asked for",
        1 - 0.05 / 20: "that is a single claim; there are twenty",
        0.95: "nearly: that is the bound that holds for dependent tests too; these are independent",
    },
)
