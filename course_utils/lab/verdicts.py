"""The rule: from scores of paired seeds to the outcome of a comparison and the verdict on a claim.

What belongs here: the choice of a setting on validation, the interval that allows for the luck of
the seeds and of that choice, and the rule that turns intervals into outcomes. What is claimed is
``claims``; where the scores come from is ``experiments``.

Both sides of a comparison have the same seeds, so the same data, initial weights and batches. Each
side chooses its learning rate, by its mean over all seeds on validation, and reports on test. Had
we drawn other seeds, the means would have been others, and the choice might have been another one,
too. The *bootstrap* imitates this: it draws the seeds again, with replacement, and repeats the
choice and the comparison with each such sample. The standard deviation of the effect over the
samples is its standard error. We do not use percentiles, since with a hundred comparisons they
would lie so far out in the tails that they needed 50,000 samples. Instead the interval is the
effect plus and minus Student's t times the standard error.

A second design, to choose on one half of the seeds and to judge on the other half, would need no
bootstrap. But it judges by half of the seeds, so its intervals are 1.4 times as wide.

Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 6 and 13.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from .scores import LOWER_IS_BETTER

__all__ = ["Reading", "Side", "interval", "outcome", "seeds_needed", "verdict"]

KINDS = {"more": "more than", "less": "less than",
         "different": "different by", "same": "the same within"}


@dataclass(frozen=True)
class Side:
    """One side of a comparison: networks among which the best settings are chosen.

    Attributes:
        experiment: its name, or several names if the choice is also between experiments.
        loss: a name, or several.
        rule: a decision rule, or several.
        rate: a learning rate that is given, not chosen; ``None`` to choose.
    """

    experiment: str | tuple[str, ...]
    loss: str | tuple[str, ...]
    rule: str | tuple[str, ...] = "as trained"
    rate: float | None = None


class Candidate(NamedTuple):
    """One of the settings among which a side chooses."""

    experiment: str
    loss: str
    rule: str
    lr: float


def _several(names: str | tuple[str, ...]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else names


class Reading:
    """Scores as they are, and as they would be for other samples of the seeds.

    Args:
        scores: the table of each experiment, as ``running.load`` gives it.
        resamples: how often the seeds are drawn again.
        rng: seeds these draws.

    Its effects are ``(1 + resamples,)`` numbers: the first belongs to the seeds as they are.

    Attributes:
        grids: the learning rates of each experiment, in ascending order.
        chosen: for every choice made so far, by its side and metric, the candidate that was taken
            with the seeds as they are.
    """

    def __init__(self, scores: Mapping[str, pd.DataFrame], *, resamples: int = 2000, rng: int = 0
                 ) -> None:
        self.scores = dict(scores)
        seeds = {tuple(sorted(set(table["seed"]))) for table in scores.values()}
        if len(seeds) != 1:
            raise ValueError("the experiments have different seeds; run `python start.py lab` to "
                             "complete them")
        (self.seeds,) = seeds
        n = len(self.seeds)
        draws = np.random.default_rng(rng).multinomial(n, np.full(n, 1 / n), size=resamples)
        self.weights = np.vstack([np.ones(n), draws]) / n  # (1 + resamples, seeds)
        self.grids = {name: sorted(table["lr"].unique().tolist())
                      for name, table in scores.items()}
        self.chosen: dict[tuple[Side, str], Candidate] = {}
        self._tables: dict[tuple[str, str, str], pd.DataFrame] = {}

    def candidates(self, side: Side) -> list[Candidate]:
        """The settings among which a side chooses."""
        return [Candidate(name, loss, rule, lr)
                for name in _several(side.experiment) for loss in _several(side.loss)
                for rule in _several(side.rule)
                for lr in (self.grids[name] if side.rate is None else [side.rate])]

    def _values(self, side: Side, metric: str, part: str) -> np.ndarray:
        """The scores of every candidate of a side, (candidates, seeds)."""
        rows = []
        for candidate in self.candidates(side):
            key = (candidate.experiment, metric, part)
            if key not in self._tables:
                table = self.scores[candidate.experiment]
                table = table[table["part"] == part]
                self._tables[key] = table.pivot(index=["loss", "rule", "lr"], columns="seed",
                                                values=metric)
            rows.append(self._tables[key].loc[candidate[1:]].to_numpy(dtype=np.float64))
        return np.stack(rows)

    def rates(self, side: Side) -> np.ndarray:
        """The learning rate of every candidate of a side."""
        return np.array([candidate.lr for candidate in self.candidates(side)])

    def choice(self, side: Side, by: str) -> np.ndarray:
        """Which candidate of a side is best on validation, by the mean of a metric."""
        mean = self.weights @ self._values(side, by, "val").T
        mean = np.where(np.isnan(mean), np.inf if by in LOWER_IS_BETTER else -np.inf, mean)
        best = mean.argmin(axis=1) if by in LOWER_IS_BETTER else mean.argmax(axis=1)
        self.chosen[side, by] = self.candidates(side)[best[0]]
        return best

    def at(self, side: Side, choice: np.ndarray, metric: str, part: str = "test") -> np.ndarray:
        """The mean of a metric for the chosen candidates."""
        mean = self.weights @ self._values(side, metric, part).T
        return np.take_along_axis(mean, choice[:, None], axis=1)[:, 0]

    def best(self, side: Side, metric: str, *, by: str | None = None, part: str = "test"
             ) -> np.ndarray:
        """The mean of a metric for the candidate that is best on validation, by that metric or
        another one."""
        return self.at(side, self.choice(side, by or metric), metric, part)


def interval(effects: np.ndarray, *, n_seeds: int, comparisons: int = 1, confidence: float = 0.95
             ) -> tuple[float, float, float]:
    """The effect and the lower and upper end of its interval.

    With ``comparisons=m`` (Bonferroni's correction), each interval is wrong with a probability of
    about ``(1 - confidence)/m``, so with the stated confidence all m of them are right.

    Args:
        effects: ``(1 + resamples,)``, as :class:`Reading` gives them.
        n_seeds: how many seeds were drawn.
        comparisons: how many intervals are looked at in all, ``>= 1``.
        confidence: above 0 and below 1.

    Raises:
        ValueError: there are too few numbers, one is not finite, or an argument is out of range.
    """
    effects = np.asarray(effects, dtype=np.float64)
    if effects.ndim != 1 or len(effects) < 3 or not np.isfinite(effects).all():
        raise ValueError(f"effects has shape {effects.shape}; give the effect and those of two "
                         "samples of the seeds or more, all of them finite")
    if n_seeds < 2 or comparisons < 1 or not 0 < confidence < 1:
        raise ValueError(f"n_seeds is {n_seeds}, comparisons {comparisons} and confidence "
                         f"{confidence}; there must be two seeds or more, one comparison or more, "
                         "and a confidence between 0 and 1")
    error = effects[1:].std() * math.sqrt(n_seeds / (n_seeds - 1))
    half = float(stats.t.ppf(1 - (1 - confidence) / comparisons / 2, df=n_seeds - 1) * error)
    return float(effects[0]), float(effects[0]) - half, float(effects[0]) + half


def outcome(effect: float, low: float, high: float, *, smallest: float, kind: str = "more") -> str:
    """``"yes"``, ``"no"``, ``"the reverse"`` or ``"open"``: whether a comparison is as claimed.

    There is an effect in one direction if the interval lies on that side of 0 and its middle is at
    least ``smallest`` away from 0.

    Args:
        effect, low, high: the middle and the ends of the interval.
        smallest: the smallest effect worth caring about, ``> 0``.
        kind: what is claimed. ``"more"``: there is an effect upwards. Yes if so; the reverse if
            there is one downwards; no if the interval lies below ``smallest``; open otherwise.
            ``"less"``: there is none upwards. Yes if the interval lies below ``smallest``; no if
            there is one upwards. ``"different"``: there is an effect in either direction; no if the
            interval lies between minus and plus ``smallest``. ``"same"``: yes and no are exchanged.

    Raises:
        ValueError: the three numbers are out of order or nan, ``smallest`` is not above 0, or
            ``kind`` is unknown.

    >>> outcome(0.02, 0.01, 0.03, smallest=0.01), outcome(0.004, 0.002, 0.006, smallest=0.01)
    ('yes', 'no')
    >>> outcome(-0.03, -0.05, -0.01, smallest=0.01), outcome(0.02, -0.01, 0.05, smallest=0.01)
    ('the reverse', 'open')
    """
    if not low <= effect <= high:
        raise ValueError(f"the effect is {effect}, outside its interval from {low} to {high}, "
                         "which must contain it")
    if not smallest > 0:
        raise ValueError(f"smallest is {smallest}; it must be above 0")
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}; it must be one of {', '.join(KINDS)}")
    up, down = low > 0 and effect >= smallest, high < 0 and effect <= -smallest
    if kind == "more":
        return "yes" if up else "the reverse" if down else "no" if high < smallest else "open"
    if kind == "less":
        return "no" if up else "yes" if high < smallest else "open"
    there, none = ("yes", "no") if kind == "different" else ("no", "yes")
    return there if up or down else none if -smallest < low and high < smallest else "open"


def seeds_needed(effect: float, low: float, high: float, *, smallest: float, kind: str = "more",
                 n_seeds: int) -> int:
    """With how many seeds an open comparison would be decided, if its effect stayed the same.

    The width of an interval shrinks with the root of the number of seeds. An effect of exactly
    ``smallest`` could never be decided as too small, but then it is a yes once 0 is left out.
    """
    half = (high - low) / 2
    size = abs(effect) if kind in ("different", "same") else effect
    distance = size if size >= smallest else smallest - size
    if kind == "more" and effect <= -smallest:
        distance = max(-effect, smallest - effect)
    return n_seeds if half < distance else math.ceil(n_seeds * (half / distance) ** 2)


def verdict(outcomes: Mapping[str, str]) -> str:
    """The verdict on a claim from the outcomes of its settings.

    Args:
        outcomes: setting to ``"yes"``, ``"no"``, ``"the reverse"`` or ``"open"``.

    Raises:
        ValueError: there is no setting.

    >>> verdict({"rare classes": "yes", "balanced": "no"})
    'holds where: rare classes'
    >>> verdict({"rare classes": "no", "balanced": "the reverse"})
    'does not hold; the reverse: balanced'
    >>> verdict({"long tail": "yes", "long tail, 15 epochs": "yes", "balanced": "open"})
    'holds where: long tail / long tail, 15 epochs; open: balanced'
    """
    if not outcomes:
        raise ValueError("outcomes is empty; a claim needs at least one setting")
    by_outcome = {kind: [where for where, found in outcomes.items() if found == kind]
                  for kind in ("yes", "the reverse", "open")}
    rest = "".join(f"; {kind}: {' / '.join(by_outcome[kind])}" for kind in ("the reverse", "open")
                   if by_outcome[kind] and len(by_outcome[kind]) < len(outcomes))
    if len(by_outcome["yes"]) == len(outcomes):
        return "holds"
    if by_outcome["yes"]:
        return f"holds where: {' / '.join(by_outcome['yes'])}{rest}"
    for kind, words in (("the reverse", "the reverse holds"), ("open", "open")):
        if len(by_outcome[kind]) == len(outcomes):
            return words
    return f"does not hold{rest}"


def together(outcomes: Sequence[str], controls: Sequence[str] = ()) -> str:
    """The outcome of a setting with several comparisons: yes if all are, and open if a control,
    an effect without which the setting could show nothing, is not a yes."""
    if any(control != "yes" for control in controls):
        return "open"
    for worst in ("no", "the reverse", "open"):
        if worst in outcomes:
            return worst
    return "yes"
