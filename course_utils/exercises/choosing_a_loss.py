"""Exercises of notebook 08."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from .. import verdicts
from . import Choice, Exercise, Function, Number, _NotAttemptedError

_loss = torch.tensor([0.70, 0.74, 0.73, 0.79])
_rival = torch.tensor([0.69, 0.70, 0.74, 0.75])


def _with(half):
    """The interval with another half width; no gradient is asked of it."""
    return lambda a, b, q: torch.stack([(a - b).mean(), torch.as_tensor(half(a, b, q))]).detach()


_half = _with(lambda a, b, q: q * (a - b).std() / len(a) ** 0.5)


def _ends(a: torch.Tensor, b: torch.Tensor, q: float) -> torch.Tensor:
    mean, half = _half(a, b, q)
    return torch.stack([mean - half, mean + half])


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
    reference=_half,
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
        ("the sign: the loss minus its rival", lambda a, b, q: _half(b, a, q)),
        ("these are the two ends; the middle and the half width were asked for", _ends),
        ("std divides by n - 1 already; the mean of n numbers scatters by the root of n, not of "
         "n - 1",
         _with(lambda a, b, q: q * (a - b).std() / (len(a) - 1) ** 0.5)),
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
           (0.0, 0.04, 0.01), (0.25, 0.75, 0.5), (-0.1, 0.01, 0.01), (0.008, 0.011, 0.01)],
    mistakes=[
        ("brackets: low + high / 2 halves the upper end only",
         lambda a, b, s: torch.tensor(int(a > 0 and a + b / 2 >= s) - int(b < s))),
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
        1296: "that is the ratio squared twice: nine times the seeds, not 81 times",
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

RATES = [0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128]


@dataclass(frozen=True, kw_only=True)
class Lab:
    """A simulated laboratory: the accuracies that training would give, in a moment.

    Call it as ``run(loss, lr, seed, part)``: the loss is ``"new"`` or ``"cross entropy"``, the
    learning rate one of ``RATES``, the part ``"val"`` or ``"test"``. What a seed does to the data,
    both losses share. Of each pair below the first is the new loss's, the second cross entropy's.

    Attributes:
        advantage: what the new loss gains in truth, each loss at its best rate.
        best: the places of the best rates.
        slope: what each step away from the best rate costs.
        scatter: the standard deviation of what is chance alone.
    """

    advantage: float = 0.0
    best: tuple[int, int] = (3, 3)
    slope: tuple[float, float] = (0.02, 0.02)
    scatter: tuple[float, float] = (0.004, 0.004)
    calls: list[tuple[str, float, int, str]] = field(default_factory=list, repr=False)

    def __call__(self, loss: str, lr: float, seed: int, part: str) -> float:
        losses, parts = ["new", "cross entropy"], ["val", "test"]
        if loss not in losses or lr not in RATES or part not in parts:
            raise ValueError(f"run got {loss!r}, {lr}, {seed}, {part!r}; losses are {losses}, "
                             f"rates {RATES}, parts {parts}")
        self.calls.append((loss, lr, int(seed), part))
        k, place = losses.index(loss), RATES.index(lr)
        shared = np.random.default_rng(int(seed)).normal(0.85, 0.06)
        chance = np.random.default_rng([int(seed), k, place, parts.index(part)]).standard_normal()
        return float(shared + self.advantage * (1 - k) - self.slope[k] * abs(place - self.best[k])
                     + self.scatter[k] * chance)

    def told(self, number: int) -> set:
        """What was asked for, of one kind: 0 losses, 1 rates, 2 seeds, 3 parts."""
        return {call[number] for call in self.calls}


_WORLDS = {
    "the new loss is better by 0.03": Lab(advantage=0.03),
    "both are as good, the new one at a smaller rate": Lab(best=(2, 5)),
    "both are as good, the new one at a larger rate": Lab(best=(6, 1)),
    "the new loss is worse by 0.015, whatever its rate, and scatters more":
        Lab(advantage=-0.015, slope=(0.0, 0.05), scatter=(0.03, 0.001)),
}


@dataclass(frozen=True, kw_only=True)
class Design(Exercise):
    """Write an experiment; it is tried in worlds where its claim is true and where it is false.

    It gets a :class:`Lab` and the learning rates, and gives one difference a seed. Judged is what
    the rule of the notebook makes of them; what was run serves to say what is wrong.

    Attributes:
        mistakes: experiments that people design instead, each with what is said of them.
    """

    mistakes: Sequence[tuple[str, Callable[..., object]]]

    def _fault(self, given: object) -> str:
        if not callable(given):
            return "give check the function itself, without calling it"
        labs = {truth: replace(lab, calls=[]) for truth, lab in _WORLDS.items()}
        found = []
        for lab in labs.values():
            try:
                result = given(lab, list(RATES))
                empty = result is None or result is Ellipsis
                values = None if empty else np.asarray(result, dtype=np.float64)
            except Exception as error:
                return f"your function raised {type(error).__name__}: {str(error)[:120]}"
            if values is None:
                raise _NotAttemptedError
            if values.ndim != 1 or not np.isfinite(values).all() or not lab.calls:
                return "return one difference a seed, made of what run gives"
            if len(values) < 10:
                return f"differences of {len(values)} seeds; the notebook asks for ten or more"
            found.append(values)
        wanted = [lab.advantage > 0 for lab in labs.values()]
        if _says_yes(found) == wanted:
            return ""
        if _says_yes([-values for values in found]) == wanted:
            return "the sign: the new loss minus cross entropy"
        wrong = next(truth for truth, told, right in zip(labs, _says_yes(found), wanted,
                                                         strict=True) if told != right)
        return _flaw_of(labs[wrong]) or (
            f"where {wrong}, the rule makes a wrong verdict of your differences")


def _says_yes(found: Sequence[np.ndarray]) -> list[bool]:
    return [verdicts.outcome(*verdicts.interval(values), smallest=0.01) == "yes"
            for values in found]


def _flaw_of(lab: Lab) -> str:
    """What is unfair about what was run, if it is one of the usual things."""
    ours, theirs = (replace(lab, calls=[call for call in lab.calls if call[0] == loss])
                    for loss in ["new", "cross entropy"])
    rates = [len(side.told(1)) for side in (ours, theirs)]
    if ours.told(2) != theirs.told(2):
        return ("unpaired: both sides need the same seeds, or what a seed does to the data drowns "
                "the difference")
    if rates[0] != rates[1]:
        return (f"unequal effort: {rates[0]} learning rates for the new loss, {rates[1]} for its "
                "rival")
    if rates == [1, 1]:
        return "one learning rate for both: it may be the best of one and a bad one of the other"
    if "test" not in lab.told(3):
        return "you report the part on which you chose: that score is lucky; report test"
    if len({call for call in lab.calls if call[3] == "test"}) > 2 * len(lab.told(2)):
        return "you chose on the test part: the loss that scatters more wins; choose on val"
    return ""


def _experiment(seeds=range(12), rival_seeds=None, rates=slice(None), rival_rates=slice(None),
                choose="val", report="test", sign=1):
    """A design with one thing changed."""
    def experiment(run, grid):
        def scores(loss, seeds, rates):
            return [run(loss, max(rates, key=lambda lr: run(loss, lr, seed, choose)), seed, report)
                    for seed in seeds]

        ours = scores("new", seeds, grid[rates])
        theirs = scores("cross entropy", rival_seeds or seeds, grid[rival_rates])
        return [sign * (a - b) for a, b in zip(ours, theirs, strict=True)]

    return experiment


q7 = Design(
    hints=["Both losses need the same seeds, ten or more, and the same rates to choose from.",
           "For each loss take the rate with the best mean on val; then the differences on test."],
    answer="""
def experiment(run, rates):
    seeds = range(16)

    def best(loss):
        return max(rates, key=lambda lr: sum(run(loss, lr, seed, "val") for seed in seeds))

    new, old = best("new"), best("cross entropy")
    return [run("new", new, seed, "test") - run("cross entropy", old, seed, "test")
            for seed in seeds]
""",
    why="Yes where the claim is true, and not where it is false: an experiment must be able to "
        "refute.",
    mistakes=[
        ("differences of 5 seeds; the notebook asks for ten or more", _experiment(range(5))),
        ("unpaired: both sides need the same seeds, or what a seed does to the data drowns the "
         "difference", _experiment(rival_seeds=range(12, 24))),
        ("unequal effort: 8 learning rates for the new loss, 1 for its rival",
         _experiment(rival_rates=slice(3, 4))),
        ("one learning rate for both: it may be the best of one and a bad one of the other",
         _experiment(rates=slice(3, 4), rival_rates=slice(3, 4))),
        ("you report the part on which you chose: that score is lucky; report test",
         _experiment(report="val")),
        ("you chose on the test part: the loss that scatters more wins; choose on val",
         _experiment(choose="test")),
        ("the sign: the new loss minus cross entropy", _experiment(sign=-1)),
    ],
)

q8 = Choice(
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

q9 = Number(
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
