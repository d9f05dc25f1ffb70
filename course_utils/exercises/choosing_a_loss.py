"""Exercises of notebook 08."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .. import verdicts
from . import Choice, Exercise, Function, Number
from ._running import call, is_stub

_loss = torch.tensor([0.70, 0.74, 0.73, 0.79])
_rival = torch.tensor([0.69, 0.70, 0.74, 0.75])
_more = torch.tensor([0.42, 0.47, 0.40, 0.46, 0.49, 0.41])
_others = torch.tensor([0.45, 0.46, 0.48, 0.43, 0.51, 0.40])


def _with(half: Callable[..., Any], middle: Callable[[Tensor], Tensor] = torch.mean
          ) -> Callable[..., Tensor]:
    """The interval with another half width, or another middle."""
    return lambda a, b, q: torch.stack([middle(a - b), torch.as_tensor(half(a, b, q))])


def _width(a: Tensor, b: Tensor, q: float) -> Tensor:
    return q * (a - b).std() / len(a) ** 0.5


_half = _with(_width)


def _ends(a: Tensor, b: Tensor, q: float) -> Tensor:
    mean, half = _half(a, b, q)
    return torch.stack([mean - half, mean + half])


q1 = Function(
    hints=["First the differences, seed by seed; then their mean and their scatter.",
           "torch.std divides by n - 1 already, so s needs no correction.",
           "s is the scatter of one difference; the mean of n of them scatters less. torch.stack "
           "makes one tensor of two numbers."],
    answer="""
def paired(loss, rival, q):
    difference = loss - rival
    half = q * difference.std() / len(difference) ** 0.5
    return torch.stack([difference.mean(), half])
""",
    why="What the seeds have in common drops out of the differences, so the interval is narrower.",
    reference=_half,
    cases=[(_loss, _rival, 3.18), (_rival, _loss, 3.18), (_loss[:2], _rival[:2], 12.7),
           (_loss, _rival.flip(0), 2.0), (_more, _others, 2.57)],
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
        ("this divides by n inside the standard deviation and leaves out the root of n",
         _with(lambda a, b, q: q * (a - b).std(correction=0))),
        ("you took the variance; the half width needs its root",
         _with(lambda a, b, q: q * (a - b).var() / len(a) ** 0.5)),
        ("you took the variance over n; the half width needs the root of both",
         _with(lambda a, b, q: q * (a - b).var() / len(a))),
        ("the sign: the loss minus its rival", lambda a, b, q: _half(b, a, q)),
        ("these are the two ends; the middle and the half width were asked for", _ends),
        ("the middle comes first, then the half width", lambda a, b, q: _half(a, b, q).flip(0)),
        ("this is the whole width; the half width was asked for",
         _with(lambda a, b, q: 2 * _width(a, b, q))),
        ("std divides by n - 1 already; the mean of n numbers scatters by the root of n, not of "
         "n - 1",
         _with(lambda a, b, q: q * (a - b).std() / (len(a) - 1) ** 0.5)),
        ("q is missing: this is one standard error",
         _with(lambda a, b, q: (a - b).std() / len(a) ** 0.5)),
        ("q is given; 1.96 is for very many seeds",
         _with(lambda a, b, q: 1.96 * (a - b).std() / len(a) ** 0.5)),
        ("keep the signs: some differences are negative, and their size alone hides it",
         lambda a, b, q: _half((a - b).abs(), torch.zeros_like(a), q)),
        ("sorted, the scores no longer belong to the same seeds",
         lambda a, b, q: _half(a.sort().values, b.sort().values, q)),
        ("the middle is the mean of the differences, not their median",
         _with(_width, middle=torch.median)),
    ],
)


def _judged(yes: bool, no: bool) -> int:
    return 1 if yes else -1 if no else 0


def _rule(low: float, high: float, smallest: float) -> int:
    return _judged(low > 0 and (low + high) / 2 >= smallest, high < smallest)


q2 = Function(
    hints=["An interval's middle is the mean of its two ends.",
           "A yes has two conditions: that there is an effect, and that its middle counts.",
           "A no has one: even the upper end is too small to count. What is left is open."],
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
           (0.0, 0.04, 0.01), (0.25, 0.75, 0.5), (-0.1, 0.01, 0.01), (0.008, 0.011, 0.01),
           (-0.06, -0.04, 0.01), (0.006, 0.008, 0.01), (0.006, 0.022, 0.02), (0.012, 0.014, 0.02)],
    mistakes=[
        ("brackets: low + high / 2 halves the upper end only",
         lambda a, b, s: _judged(a > 0 and a + b / 2 >= s, b < s)),
        ("(high - low) / 2 is half the width; the middle is (low + high) / 2",
         lambda a, b, s: _judged(a > 0 and (b - a) / 2 >= s, b < s)),
        ("low + high is twice the middle", lambda a, b, s: _judged(a > 0 and a + b >= s, b < s)),
        ("surely above 0 is not enough for a yes: the middle must be worth caring about",
         lambda a, b, s: _judged(a > 0, b < s)),
        ("a large middle is not enough for a yes: an interval that reaches below 0 may be chance",
         lambda a, b, s: _judged((a + b) / 2 >= s, b < s)),
        ("a yes has two conditions, and both must hold; for you one is enough",
         lambda a, b, s: _judged(a > 0 or (a + b) / 2 >= s, b < s)),
        ("too strict: the middle must reach the smallest effect, the lower end only 0",
         lambda a, b, s: _judged(a > s, b < s)),
        ("too lenient: for a yes the middle must reach the smallest effect, and you ask for less",
         lambda a, b, s: _judged(a > 0 and b >= s, b < s)),
        ("for no you compare the middle with the smallest effect; the upper end must lie below it",
         lambda a, b, s: _judged(_rule(a, b, s) == 1, (a + b) / 2 < s)),
        ("for no you compare with 0; an interval between 0 and the smallest effect is a no as well",
         lambda a, b, s: _judged(_rule(a, b, s) == 1, b < 0)),
        ("for no you compare with minus the smallest effect; the claim was more, so whatever lies "
         "below the smallest effect refutes it",
         lambda a, b, s: _judged(_rule(a, b, s) == 1, b < -s)),
        ("you compare with 0 only; where is the smallest effect?",
         lambda a, b, s: _judged(a > 0, b < 0)),
        ("an interval that begins at 0 does not lie above 0",
         lambda a, b, s: _judged(a >= 0 and (a + b) / 2 >= s, b < s)),
        ("a middle that just reaches the smallest effect is enough for a yes",
         lambda a, b, s: _judged(a > 0 and (a + b) / 2 > s, b < s)),
        ("an interval that just reaches the smallest effect does not lie below it",
         lambda a, b, s: _judged(_rule(a, b, s) == 1, b <= s)),
        ("yes and no are swapped", lambda a, b, s: -_rule(a, b, s)),
        ("everything that is not a yes is a no here; where is open?",
         lambda a, b, s: _judged(_rule(a, b, s) == 1, True)),
        ("there is no answer no here: what is surely too small refutes the claim",
         lambda a, b, s: _judged(_rule(a, b, s) == 1, False)),
        ("the smallest effect is an argument; it is not always 0.01",
         lambda a, b, s: _rule(a, b, 0.01)),
    ],
)

q3 = Number(
    hints=["The half width falls with the root of the number of seeds.",
           "By which factor must the half width shrink?",
           "Half the width needs four times the seeds. And a third of it?"],
    answer="seeds_needed = 16 * (0.0075 / 0.0025) ** 2",
    why="Nine times the seeds for a third of the width: 144. Small effects are expensive.",
    value=144,
    mistakes={
        48: "three times the seeds narrow the interval by the root of 3 only",
        16 * math.sqrt(3): "the root is on the other side: the width falls with the root of n",
        16 / 9: "that is fewer seeds; a narrower interval needs more",
        16 / 3: "that is fewer seeds; a narrower one needs more, and three times is not enough",
        9: "that is how many times as many; how many seeds are these?",
        1296: "that is the ratio squared twice: nine times the seeds, not 81 times",
        32: "twice the seeds narrow the interval by the root of 2 only",
        64: "four times the seeds halve the width; it must shrink to a third",
        128: "that would be the new ones beside the 16; how many in all?",
        (1.96 * 0.01 / 0.0025) ** 2: "that is with a q of 1.96; here 0.0075 = q * 0.01 / 4, so q "
                                     "is 3",
        16: "the same number of seeds gives the same width",
    },
)


def _flaw(right: str, hints: list[str], why: str, **replies: str) -> Choice:
    return Choice(hints=hints, answer=f'flaw = "{right}"', why=why, right=right,
                  replies={name.replace("_", " "): say for name, say in replies.items()})


q4 = _flaw("untuned rival",
           ["Go through the five answers: which of them does the text rule out?",
            "Seeds and parts are in order. What was done for focal loss, and what for its rival?",
            "Count the settings from which each side could choose."],
           "Twenty trials against one. Part of the gain is the tuning; nobody knows how much.",
           one_seed="there are twenty seeds on each side",
           chosen_on_test="all was chosen on validation, and the test part used once",
           unpaired_seeds="pairing would narrow the error of the difference; what is wrong here "
                          "moves the difference itself",
           wrong_metric="macro F1 may be debated, but it is the same one for both")

q5 = _flaw("chosen on test",
           ["Which number is reported, and what was decided before it could be reported?",
            "How did they find out which gamma to report?",
            "A gamma was picked, and a gain measured. Was that done on different rows?"],
           "Gamma was picked on the part that then reports its gain: the best of five is lucky.",
           untuned_rival="gamma 0 is the rival, and had the same learning rates",
           unpaired_seeds="they say that the seeds are paired",
           one_seed="there are ten paired seeds",
           wrong_metric="whichever the metric: it reports a gain that the choice has made too good")

q6 = _flaw("one seed",
           ["Tuning and parts are fair, and yet the result may be chance. Of what?",
            "If they did it all again tomorrow, what would come out differently?",
            "How many times was each loss trained?"],
           "One run each. Notebook 07 showed how far single runs of this very task scatter.",
           untuned_rival="both had the same grid of learning rates",
           chosen_on_test="they chose on validation",
           unpaired_seeds="each loss ran once, from the same seed; pairs need more than one",
           wrong_metric="found frauds alone may be debated; but after this, no metric is to be "
                        "trusted")

RATES = [0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128]
_LOSSES, _PARTS = ["new", "cross entropy"], ["val", "test"]


class _Call(NamedTuple):
    loss: str
    place: int  # of the learning rate
    seed: int
    part: str


@lru_cache(maxsize=100_000)
def _chance(*key: int) -> float:
    return float(np.random.default_rng(key).standard_normal())


@lru_cache(maxsize=100_000)
def _ticket(*key: int) -> float:
    """A number below 1; differences of two are exact, also in float32."""
    return float(np.random.default_rng(key).integers(2**23) / 2**23)


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
        lottery: if above 0, test scores are lottery numbers, others for each value. A choice that
            was made on val does not depend on them.
    """

    advantage: float = 0.0
    best: tuple[int, int] = (3, 3)
    slope: tuple[float, float] = (0.02, 0.02)
    scatter: tuple[float, float] = (0.004, 0.004)
    lottery: int = 0
    calls: list[_Call] = field(default_factory=list, repr=False)

    def __call__(self, loss: str, lr: float, seed: int, part: str) -> float:
        place = next((n for n, rate in enumerate(RATES) if math.isclose(rate, lr, rel_tol=1e-6)),
                     None)
        if loss not in _LOSSES or place is None or part not in _PARTS:
            raise ValueError(f"run got {loss!r}, {lr}, {seed}, {part!r}; losses are {_LOSSES}, "
                             f"rates {RATES}, parts {_PARTS}")
        self.calls.append(_Call(loss, place, int(seed), part))
        return self.score(self.calls[-1])

    def score(self, of: _Call) -> float:
        """The accuracy of one run."""
        k, steps = _LOSSES.index(of.loss), (of.place, _PARTS.index(of.part))
        if self.lottery and of.part == "test":
            return _ticket(of.seed, k, *steps, self.lottery)
        shared = 0.85 + 0.06 * _chance(of.seed)
        return (shared + self.advantage * (1 - k) - self.slope[k] * abs(of.place - self.best[k])
                + self.scatter[k] * _chance(of.seed, k, *steps))

    def tests(self, loss: str) -> dict[_Call, float]:
        """The test scores of a loss that were asked for."""
        return {c: self.score(c) for c in self.calls if c.part == "test" and c.loss == loss}

    def tried(self, loss: str) -> tuple[int, int]:
        """The number of learning rates of a loss, and of its runs on val."""
        calls = {c for c in self.calls if c.loss == loss}
        return len({c.place for c in calls}), sum(c.part == "val" for c in calls)


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

    It gets a :class:`Lab` and the learning rates, and gives one difference a seed. It must be fair
    in every world, and the rule of the notebook must make the right verdict of its differences.

    Attributes:
        mistakes: experiments that people design instead, each with what to say.
    """

    mistakes: Sequence[tuple[str, Callable[..., object]]]

    def _untouched(self, given: Any) -> bool:
        return given is Ellipsis or is_stub(given)

    def _fault(self, given: Any) -> str:
        if not callable(given):
            return "give check the function itself, without calling it"
        wrong = ""
        for truth, world in _WORLDS.items():
            labs = [replace(world, lottery=n, calls=[]) for n in range(3)]
            found = []
            for lab in labs:
                differences, fault = call(given, (lab, list(RATES)))
                if fault := fault or _unusable(differences, lab):
                    return fault
                found.append(differences.detach().double().numpy())
            if flaw := _flaw_of(labs, found):
                return flaw
            mean, low, high = verdicts.interval(found[0])
            yes = verdicts.outcome(mean, low, high, smallest=0.01) == "yes"
            if yes != (world.advantage > 0):
                wrong = f"where {truth}, the rule makes a wrong verdict of your differences"
        return wrong


def _unusable(differences: Tensor, lab: Lab) -> str:
    if differences.dim() != 1 or not differences.isfinite().all() or not lab.calls:
        return "return one difference a seed, made of what run gives"
    if len(differences) < 10:
        return f"differences of {len(differences)} seeds; the notebook asks for ten or more"
    return ""


def _flaw_of(labs: Sequence[Lab], found: Sequence[np.ndarray]) -> str:
    """What is unfair about an experiment in one world, where it ran once in earnest and twice with
    lottery numbers for test scores: these show of which runs a difference is made."""
    plain, *lotteries = labs
    if not any(c.part == "test" for c in plain.calls):
        return "you report the part on which you chose: that score is lucky; report test"
    sources = [_sources(d, lab) for d, lab in zip(found[1:], lotteries, strict=True)]
    if any(isinstance(s, str) for s in sources):
        return next(s for s in sources if isinstance(s, str))
    (rates, runs), (rival_rates, rival_runs) = map(plain.tried, _LOSSES)
    if rates != rival_rates:
        s = "" if rates == 1 else "s"
        return (f"unequal effort: {rates} learning rate{s} for the new loss, {rival_rates} for its "
                "rival")
    if rates == 1:
        return "one learning rate for both: it may be the best of one and a bad one of the other"
    if runs != rival_runs:
        return f"unequal effort: {runs} runs on val for the new loss, {rival_runs} for its rival"
    seeds = [Counter(new.seed for new, _ in s) for s in sources]
    if all(len(s) < s.total() for s in seeds):
        return f"{seeds[0].total()} differences of only {len(seeds[0])} seeds: count each seed once"
    if seeds[0] != seeds[1]:
        return ("the seeds that you report change from run to run, or with the test scores: fix "
                "them beforehand")
    chosen, again = (sorted((new.place, old.place) for new, old in s) for s in sources)
    if chosen != again:
        return "you chose on the test part: the loss that scatters more wins; choose on val"
    for k, loss in enumerate(["the new loss", "cross entropy"]):
        off = [pair[k] for pair in chosen if abs(pair[k] - plain.best[k]) > 1]
        if off and plain.slope[k]:  # further off than chance could take it
            return (f"{loss} is reported at rate {RATES[off[0]]}, where val is best at "
                    f"{RATES[plain.best[k]]}: choose the rate of each loss by its own val scores")
    return ""


def _sources(differences: np.ndarray, lab: Lab) -> list[tuple[_Call, _Call]] | str:
    """The two test runs of which each difference is made, or what it is made of instead."""
    new, old = map(lab.tests, _LOSSES)
    paired, others = {}, {}
    for a, score in new.items():
        for b, rival in old.items():
            (paired if a.seed == b.seed else others)[score - rival] = (a, b)
    found = [paired.get(d) for d in differences]
    if None not in found:
        return found
    if all(-d in paired for d in differences):
        return "the sign: the new loss minus cross entropy"
    if all(d in others or d in paired for d in differences):
        return ("unpaired: both sides need the same seeds, or what a seed does to the data drowns "
                "the difference")
    return (f"a difference is one test score of the new loss minus one of cross entropy, of the "
            f"same seed, and nothing else; {found.count(None)} of your {len(found)} are not")


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
    hints=["What one side gets, the other must get too: seeds, rates, and the manner of choosing. "
           "Ten seeds or more.",
           "Choose on one part and report on the other.",
           "For each loss by itself: which rate has the best mean over the seeds on val? Only then "
           "look at test, seed by seed."],
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
        ("10 differences of only 5 seeds: count each seed once", _experiment([*range(5)] * 2)),
    ],
)

q8 = Choice(
    hints=["A *because* has three parts: a cause, a step in the middle, an effect. Name them here.",
           "The step is: fewer wrong labels are learned by heart. Which results speak of the step?",
           "If the effect stays where the step fails, the step is not the reason."],
    answer='refutes = "b"',
    why="The effect without its alleged cause: then the cause is another one.",
    right="b",
    replies={
        "a": "just what the explanation predicts: no wrong labels, nothing to be stopped",
        "c": "that limits the claim, but does not touch the reason why it holds where it holds",
        "d": "another loss may calibrate for another reason; this says nothing about smoothing's",
        "e": "that agrees with the explanation: fewer wrong labels by heart, better on clean ones",
    },
)

q9 = Number(
    hints=["None seems to hold: then each of the twenty has stayed quiet.",
           "An empty claim stays quiet unless its test errs. With what probability?",
           "Independent tests: the probabilities of the twenty multiply."],
    answer="none = (1 - 0.05 / 20) ** 20",
    why="0.951, and never less than 0.95 if the tests depend on each other.",
    value=(1 - 0.05 / 20) ** 20,
    within=0.001,
    mistakes={
        0.95**20: "that is without the correction: each tested at 5 %",
        1 - 0.95**20: "that is without the correction, and the probability of at least one",
        1 - (1 - 0.05 / 20) ** 20: "that is the probability of at least one; none was asked for",
        1 - 0.05 / 20: "that is a single claim; there are twenty",
        1.0: "an empty claim errs now and then, and twenty of them more often",
        0.05: "that is the bound for at least one that seems to hold; none was asked for",
        0.05 / 20: "that is the error of a single test",
        0.95: "nearly: that is the bound that holds for dependent tests too; these are independent",
        1 - 0.05 / 20**2: "the error is 0.05 / 20 already; you divided by 20 once more",
    },
)
