"""Exercises of notebook 08."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from ..lab import verdicts
from . import Choice, Exercise, Function, Number
from ._running import call, is_stub


def _judged(yes: bool, no: bool) -> int:
    return 1 if yes else -1 if no else 0


def _there(low: float, mean: float, high: float, s: float) -> bool:
    return (low > 0 and mean >= s) or (high < 0 and mean <= -s)


def _within(low: float, high: float, s: float) -> bool:
    return -s < low and high < s


def _rule(low: float, mean: float, high: float, s: float) -> int:
    return _judged(_there(low, mean, high, s), _within(low, high, s))


q1 = Number(
    hints=["The half width is t times the standard deviation, divided by the root of the number "
           "of seeds. Only one of these three changes here.",
           "By which factor must the half width shrink, and so the root grow?",
           "Half the width needs four times the seeds, because 2 squared is 4. And a third of it?"],
    answer="seeds_needed = 12 * (0.024 / 0.008) ** 2",
    why="Nine times the seeds for a third of the width: 108. Small effects are expensive.",
    value=108,
    mistakes={
        36: "three times the seeds narrow the interval by the root of 3 only",
        12 * math.sqrt(3): "the root is on the other side: the width falls with the root of n",
        12 / 9: "that is fewer seeds; a narrower interval needs more",
        4: "that is fewer seeds; a narrower one needs more, and three times is not enough",
        9: "that is how many times as many; how many seeds are these?",
        972: "that is the ratio squared twice: nine times the seeds, not 81 times",
        24: "twice the seeds narrow the interval by the root of 2 only",
        48: "four times the seeds halve the width; it must shrink to a third",
        96: "those are the new ones beside the 12; how many in all?",
        12: "the same number of seeds gives the same width",
    },
)


def _flaw(right: str, hints: list[str], why: str, **replies: str) -> Choice:
    return Choice(hints=hints, answer=f'flaw = "{right}"', why=why, right=right,
                  replies={name.replace("_", " "): say for name, say in replies.items()})


q2 = _flaw("chosen on test",
           ["Which number is reported, and what had been decided before it could be reported?",
            "Gamma 0.5 is one of five. On which rows was it found to be the best of them?",
            "Five gains were measured, and the largest of them is reported. On which rows would "
            "gamma 0.5 have to be measured now, for a number without that luck?"],
           "Gamma was picked on the part that then reports its gain, and the best of five is "
           "partly the luckiest of five.",
           one_seed="there are ten paired seeds",
           untuned_rival="gamma 0 is cross entropy, and it had the same learning rates",
           missing_rival="a further rival would be welcome, but even the gain over cross entropy "
                         "is not what it seems",
           nothing="the test part has decided something: which gamma to report")

q3 = _flaw("missing rival",
           ["The two networks were trained with equal care. What turns their probabilities into "
            "the alarms that F1 counts?",
            "What does the belief map say about focal loss, and what about answers that lie just "
            "below 0.5 with cross entropy?",
            "Both networks decide at 0.5. What could one do with cross entropy's network, without "
            "training it again, that might give the same F1?"],
           "Cross entropy with a threshold chosen on validation is missing. It costs no training, "
           "and without it nobody knows whether the loss is needed.",
           one_seed="there are fifty paired seeds",
           untuned_rival="both losses had the same learning rates, chosen on validation",
           chosen_on_test="the test part was used once, after all choices",
           nothing="the numbers are sound, but the conclusion names the loss; what else might have "
                   "found the tumours?")

q4 = Function(
    hints=["In which two directions can there be a difference, and what does section 1 ask of an "
           "effect in one of them?",
           "A yes is an effect upwards or one downwards: the interval lies on that side of 0, and "
           "its middle is at least `smallest` away. When is the difference surely too small?",
           "It is surely too small if the whole interval lies between two numbers. Which two? All "
           "that is neither yes nor no is open."],
    answer="""
def differs(low, mean, high, smallest):
    up = low > 0 and mean >= smallest
    down = high < 0 and mean <= -smallest
    if up or down:
        return 1
    return -1 if low > -smallest and high < smallest else 0
""",
    why="What was \"the reverse\" is a yes here, and a no needs both ends to be too small.",
    reference=_rule,
    cases=[(0.012, 0.021, 0.03, 0.01), (-0.03, -0.02, -0.01, 0.01), (0.002, 0.004, 0.006, 0.01),
           (-0.008, -0.005, -0.002, 0.01), (-0.004, 0.013, 0.03, 0.01),
           (-0.03, -0.013, 0.004, 0.01), (-0.006, 0.001, 0.008, 0.01), (-0.03, 0.001, 0.032, 0.01),
           (0.002, 0.008, 0.014, 0.01), (-0.014, -0.008, -0.002, 0.01), (0.004, 0.017, 0.03, 0.01),
           (-0.024, -0.011, 0.002, 0.01), (0.25, 0.6, 0.95, 0.5), (-0.95, -0.6, -0.25, 0.5),
           (0.1, 0.3, 0.45, 0.5), (-0.4, 0.1, 0.45, 0.5), (0.006, 0.014, 0.022, 0.02),
           (-0.6, -0.45, -0.3, 0.5)],
    mistakes=[
        ("that is the rule for a claim of *more*: a clear effect downwards is a difference, too",
         lambda a, m, b, s: _judged(a > 0 and m >= s, b < s)),
        ("a clear effect downwards is a difference, too; for you only one upwards is a yes",
         lambda a, m, b, s: _judged(a > 0 and m >= s, _within(a, b, s))),
        ("a no needs both ends to be too small; you look at the upper end alone",
         lambda a, m, b, s: _judged(_there(a, m, b, s), b < s)),
        ("surely different from 0 is not enough for a yes: the middle must be large enough to "
         "matter", lambda a, m, b, s: _judged(a > 0 or b < 0, _within(a, b, s))),
        ("a large middle is not enough for a yes: an interval that holds 0 may be chance",
         lambda a, m, b, s: _judged(abs(m) >= s, _within(a, b, s))),
        ("too strict: the middle must be `smallest` away from 0, the nearer end only beyond 0",
         lambda a, m, b, s: _judged(a > s or b < -s, _within(a, b, s))),
        ("an interval that holds 0 is no evidence that there is no difference: it can be wide",
         lambda a, m, b, s: _judged(_there(a, m, b, s), a <= 0 <= b)),
        ("for a no you compare the middle with `smallest`; the whole interval must be small",
         lambda a, m, b, s: _judged(_there(a, m, b, s), abs(m) < s)),
        ("everything that is not a yes is a no here; where is open?",
         lambda a, m, b, s: _judged(_there(a, m, b, s), True)),
        ("there is no answer no here: a difference that is surely too small refutes the claim",
         lambda a, m, b, s: _judged(_there(a, m, b, s), False)),
        ("the smallest effect is an argument; it is not always 0.01",
         lambda a, m, b, s: _rule(a, m, b, 0.01)),
        ("yes and no are swapped", lambda a, m, b, s: -_rule(a, m, b, s)),
        ("for a claim without a direction *the reverse* is a yes, not a no",
         lambda a, m, b, s: _judged(a > 0 and m >= s,
                                    _within(a, b, s) or (b < 0 and m <= -s))),
    ],
)

def _decided(how: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """Decisions after another change of the logits."""
    return lambda logits, counts, shares: how(logits, counts.double(), shares).argmax(dim=1)


def _prior(logits: Tensor, counts: Tensor, shares: Tensor) -> Tensor:
    return logits - counts.double().log() + shares.log()


def _many(seed: int, counts: list[int], shares: list[float]) -> tuple[Tensor, Tensor, Tensor]:
    """Sixty rows, among them none in which two classes are nearly equal after the shift."""
    rng = torch.Generator().manual_seed(seed)
    case = (torch.randn(400, len(counts), generator=rng) * 2, torch.tensor(counts),
            torch.tensor(shares))
    best = _prior(*case).topk(2, dim=1).values
    clear = best[:, 0] - best[:, 1] > 0.01
    return case[0][clear][:60], *case[1:]


q5 = Function(
    hints=["Section 2 prepared the logits for classes that all have the same share. Which part of "
           "its formula is about the training rows, and where would the new shares come in?",
           "A logit contains the log of its class's share in training. Take that one away, and "
           "put in the log of the share that the class will have.",
           "The logarithm of `counts` goes out with a minus, that of `shares` comes in with a "
           "plus. The class is the one with the largest result in its row."],
    answer="""
def decide(logits, counts, shares):
    moved = logits - torch.log(counts) + torch.log(shares)
    return moved.argmax(dim=1)
""",
    why="With equal shares this is the shift of section 2, and with the shares of training it "
        "changes nothing.",
    reference=_decided(_prior),
    cases=[
        (torch.tensor([[2.0, 1.4, 0.9], [0.1, 2.2, 1.8], [6.0, 0.2, 2.7], [0.4, 0.3, 0.2],
                       [1.5, 1.6, -1.0]]), torch.tensor([60, 30, 10]),
         torch.tensor([0.2, 0.3, 0.5])),
        (torch.tensor([[0.3, 0.0]]), torch.tensor([20, 80]), torch.tensor([0.5, 0.5])),
        (torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, 2.4], [2.4, 0.0], [0.9, 0.0]]),
         torch.tensor([10, 90]), torch.tensor([0.1, 0.9])),
        (torch.tensor([[1.0, 0.8, 0.6, 0.4], [0.0, 0.9, 0.2, 1.4], [5.0, 0.0, 0.0, 4.5],
                       [0.1, 0.2, 0.3, 0.25], [-3.0, -2.0, -2.5, -2.1], [0.7, 2.0, 0.2, 0.0]]),
         torch.tensor([5, 50, 20, 25]), torch.tensor([0.7, 0.1, 0.1, 0.1])),
        (torch.tensor([[10.0, 9.0, 8.5], [8.0, 10.0, 9.9]]), torch.tensor([300, 200, 7]),
         torch.tensor([0.6, 0.39, 0.01])),
        (torch.tensor([[0.2, 0.1, 0.0]]), torch.tensor([8, 4, 2]),
         torch.tensor([0.25, 0.25, 0.5])),
        _many(0, [40, 3, 25, 12], [0.1, 0.45, 0.15, 0.3]),
        _many(1, [9, 2, 400, 60, 5, 31], [0.4, 0.02, 0.18, 0.05, 0.25, 0.1]),
        _many(2, [7, 93], [0.35, 0.65]),
    ],
    mistakes=[
        ("you return the moved logits; the class of each row was asked for", _prior),
        ("that prepares for equal shares; where are `shares`?",
         _decided(lambda z, n, s: z - n.log())),
        ("the shares of training are still in the logits: take their logarithm away",
         _decided(lambda z, n, s: z + s.log())),
        ("the signs are swapped: training goes out, the new shares come in",
         _decided(lambda z, n, s: z + n.log() - s.log())),
        ("shares multiply probabilities; on logits that becomes a logarithm that is added",
         _decided(lambda z, n, s: z / n * s)),
        ("shares multiply probabilities; on logits that becomes a logarithm that is added",
         _decided(lambda z, n, s: z * s / (n / n.sum()))),
        ("the logarithm is missing: a logit is a logarithm, a share is not",
         _decided(lambda z, n, s: z - n / n.sum() + s)),
        ("the logarithm is missing: a logit is a logarithm, a share is not",
         _decided(lambda z, n, s: z - n + s)),
        ("nothing is moved yet: these are the decisions of the model as it was trained",
         _decided(lambda z, n, s: z)),
        ("there is one decision for each row: take the largest along dim=1",
         lambda z, n, s: _prior(z, n, s).argmax(dim=0)),
        ("there is one decision for each row: take the largest along dim=1",
         lambda z, n, s: _prior(z, n, s).argmax()),
        ("the class is the one with the *largest* result",
         lambda z, n, s: _prior(z, n, s).argmin(dim=1)),
        ("you moved the probabilities by logarithms; move the logits",
         _decided(lambda z, n, s: z.softmax(dim=1) - (n / n.sum()).log() + s.log())),
    ],
)


q6 = _flaw("untuned rival",
           ["Write down, for each side, what was tried before the test part was used.",
            "Count the settings among which each side could choose.",
            "Twenty settings on one side, one on the other. What might the best of twenty "
            "settings have done for cross entropy?"],
           "Twenty settings against one. A part of the gain is the search, and nobody knows how "
           "large a part.",
           one_seed="there are twenty seeds on each side",
           chosen_on_test="all was chosen on validation, and the test part used once",
           missing_rival="a further rival would be welcome, but the one that is there has not been "
                         "treated equally",
           nothing="count the settings that each side could try")


class _Call(NamedTuple):
    loss: str
    place: int  # of the learning rate
    seed: int
    part: str


RATES = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128)
_LOSSES, _PARTS = ["new", "cross entropy"], ["val", "test"]


@lru_cache(maxsize=100_000)
def _chance(*key: int) -> float:
    return float(np.random.default_rng(key).standard_normal())


@lru_cache(maxsize=100_000)
def _ticket(*key: int) -> float:
    """A number below 1; differences of two are exact, also in float32."""
    return float(np.random.default_rng(key).integers(2**23) / 2**23)


@dataclass(frozen=True, kw_only=True)
class ToyLab:
    """A simulated laboratory: the accuracies that training would give, in a moment.

    What a seed does to the data, both losses share. Of each pair below the first is the new loss's,
    the second cross entropy's.

    Attributes:
        advantage: what the new loss gains in truth, each loss at its best rate.
        best: the places of the best rates.
        slope: what each step away from the best rate costs.
        scatter: the standard deviation of what is chance alone.
        luck: which seeds are lucky, for both losses; others for each value.
        lottery: if above 0, test scores are lottery numbers, others for each value. A choice that
            was made on val does not depend on them.
    """

    advantage: float = 0.0
    best: tuple[int, int] = (3, 3)
    slope: tuple[float, float] = (0.02, 0.02)
    scatter: tuple[float, float] = (0.004, 0.004)
    luck: int = 0
    lottery: int = 0
    calls: list[_Call] = field(default_factory=list, repr=False)

    @property
    def rates(self) -> list[float]:
        """The learning rates that can be tried."""
        return list(RATES)

    def accuracy(self, loss: str, rate: float, seed: int, part: str) -> float:
        """The accuracy of the network with that loss, learning rate and seed on a part.

        Args:
            loss: ``"new"`` or ``"cross entropy"``.
            rate: one of ``rates``.
            seed: any whole number.
            part: ``"val"`` or ``"test"``.
        """
        place = next((n for n, one in enumerate(RATES) if math.isclose(one, rate, rel_tol=1e-6)),
                     None)
        if loss not in _LOSSES or place is None or part not in _PARTS:
            raise ValueError(f"accuracy got {loss!r}, {rate}, {seed}, {part!r}; losses are "
                             f"{_LOSSES}, rates {self.rates}, parts {_PARTS}")
        self.calls.append(_Call(loss, place, int(seed), part))
        return self.score(self.calls[-1])

    def score(self, of: _Call) -> float:
        """The accuracy of one run."""
        k, steps = _LOSSES.index(of.loss), (of.place, _PARTS.index(of.part))
        if self.lottery and of.part == "test":
            return _ticket(of.seed, k, *steps, self.lottery)
        shared = 0.85 + 0.06 * _chance(of.seed, self.luck)
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
    "the new loss is better by 0.03": ToyLab(advantage=0.03),
    "both are as good, the new one at a smaller rate": ToyLab(best=(2, 5), luck=1),
    "both are as good, the new one at a larger rate": ToyLab(best=(6, 1), luck=2),
    "the new loss is worse by 0.015, whatever its rate, and scatters more":
        ToyLab(advantage=-0.015, slope=(0.0, 0.05), scatter=(0.03, 0.001), luck=3),
}


@dataclass(frozen=True, kw_only=True)
class Design(Exercise):
    """Write an experiment; it is tried in worlds where its claim is true and where it is false.

    It gets a :class:`ToyLab`, and gives one difference for each seed. It must be fair in each
    world, and the rule of the notebook must make the right verdict of its differences.

    Attributes:
        mistakes: experiments that people design instead, each with what to say.
    """

    mistakes: Sequence[tuple[str, Callable[..., object]]]

    def _untouched(self, given: Any) -> bool:
        return given is Ellipsis or is_stub(given)

    def _fault(self, given: Any) -> str:
        if not callable(given):
            return "give check the function itself, without calling it"
        wrong, seeds = "", set()
        for truth, world in _WORLDS.items():
            labs = [replace(world, lottery=n, calls=[]) for n in range(3)]
            found = []
            for lab in labs:
                differences, fault = call(given, (lab,))
                if fault := fault or _unusable(differences, lab):
                    return fault
                found.append(differences.detach().double().numpy())
            if flaw := _flaw_of(labs, found):
                return flaw
            seeds.add(tuple(sorted(new.seed for new, _ in _sources(found[1], labs[1]))))
            if len(seeds) > 1:
                return "which seeds you report depends on their val scores: fix them beforehand"
            mean, error = found[0].mean(), stats.sem(found[0])
            half = stats.t.ppf(0.975, df=len(found[0]) - 1) * error
            yes = verdicts.outcome(mean, mean - half, mean + half, smallest=0.01) == "yes"
            if yes != (world.advantage > 0):
                wrong = f"where {truth}, the rule makes a wrong verdict of your differences"
        return wrong


def _unusable(differences: Tensor, lab: ToyLab) -> str:
    if differences.dim() != 1 or not differences.isfinite().all() or not lab.calls:
        return "return one difference for each seed, made of what toy.accuracy gives"
    if len(differences) < 10:
        return f"differences of {len(differences)} seeds; the question asks for ten or more"
    return ""


def _flaw_of(labs: Sequence[ToyLab], found: Sequence[np.ndarray]) -> str:
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


def _sources(differences: np.ndarray, lab: ToyLab) -> list[tuple[_Call, _Call]] | str:
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
    def experiment(lab):
        def scores(loss, seeds, rates):
            best = [max(rates, key=lambda rate: lab.accuracy(loss, rate, seed, choose))
                    for seed in seeds]
            return [lab.accuracy(loss, rate, seed, report)
                    for rate, seed in zip(best, seeds, strict=True)]

        ours = scores("new", seeds, lab.rates[rates])
        theirs = scores("cross entropy", rival_seeds or seeds, lab.rates[rival_rates])
        return [sign * (a - b) for a, b in zip(ours, theirs, strict=True)]

    return experiment


q7 = Design(
    hints=["What one side gets, the other must get too: seeds, rates, and the manner of choosing.",
           "Choose on one part and report on the other. A first function could find the best rate "
           "of a loss.",
           "For each loss by itself: which rate has the best mean over the seeds on \"val\"? Only "
           "then look at \"test\", seed by seed, with that rate."],
    answer="""
def experiment(toy):
    seeds = range(16)

    def best_rate(loss):
        means = []
        for rate in toy.rates:
            scores = [toy.accuracy(loss, rate, seed, "val") for seed in seeds]
            means.append(sum(scores) / len(scores))
        return toy.rates[means.index(max(means))]

    new, old = best_rate("new"), best_rate("cross entropy")
    differences = []
    for seed in seeds:
        differences.append(toy.accuracy("new", new, seed, "test")
                           - toy.accuracy("cross entropy", old, seed, "test"))
    return differences
""",
    why="Yes where the claim is true, and not where it is false: an experiment must be able to "
        "refute.",
    mistakes=[
        ("differences of 5 seeds; the question asks for ten or more", _experiment(range(5))),
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
           "The step is that fewer wrong labels are memorised. Which of the results speak "
           "of the step at all?",
           "Suppose the step does not happen. What must become of the effect, if the step is its "
           "reason? Look for a result in which it does not."],
    answer='refutes = "b"',
    why="The effect without its alleged cause: then the cause is another one.",
    right="b",
    replies={
        "a": "just what the explanation predicts: no wrong labels, nothing to be stopped",
        "c": "that limits the claim, but does not touch the reason why it holds where it holds",
        "d": "another loss may calibrate for another reason; this says nothing about smoothing's",
        "e": "that agrees with the explanation: fewer wrong labels memorised, better on clean ones",
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
