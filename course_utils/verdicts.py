"""From paired runs to verdicts on claims, by a rule stated beforehand.

What belongs here: the interval of a paired comparison, the rule that turns it into an outcome and
outcomes into a verdict, and the docket that keeps them. Training the runs is ``sweeps``.

A claim is put to the test in one or more settings, each with one or more conditions such as "recall
rises by at least 0.02". There is such an effect (``yes``) if the interval lies above 0 and its
middle is at least the smallest effect worth caring about; there is none (``no``) if the whole
interval lies below that smallest effect; else the matter is ``open``. A setting may have controls:
effects without which it could show nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Condition", "Docket", "compare", "control", "different", "interval", "less", "more",
           "outcome", "same", "verdict"]

_SIDES = {"more": "more than", "less": "less than",
          "different": "different by", "same": "same within"}


class Condition(NamedTuple):
    """What a claim says of one effect, against the smallest one that counts.

    Attributes:
        differences: ``(seeds,)``, one paired difference a seed.
        metric: whose smallest effect counts.
        side: ``"more"``, ``"less"``, ``"different"`` or ``"same"``, as in :func:`outcome`.
        role: ``"claim"`` or ``"control"``.
    """

    differences: ArrayLike
    metric: str
    side: str
    role: str = "claim"


def more(differences: ArrayLike, metric: str) -> Condition:
    """The claim says that there is an effect worth caring about."""
    return Condition(differences, metric, "more")


def less(differences: ArrayLike, metric: str) -> Condition:
    """The claim says that there is *no* effect worth caring about."""
    return Condition(differences, metric, "less")


def different(differences: ArrayLike, metric: str) -> Condition:
    """The claim says that there is an effect worth caring about, of whichever sign."""
    return Condition(differences, metric, "different")


def same(differences: ArrayLike, metric: str) -> Condition:
    """The claim says that there is no effect worth caring about, of either sign."""
    return Condition(differences, metric, "same")


def control(condition: Condition) -> Condition:
    """Not what the claim says, but what must be so for the setting to show anything."""
    return condition._replace(role="control")


def interval(differences: ArrayLike, *, comparisons: int = 1, confidence: float = 0.95
             ) -> tuple[float, float, float]:
    """Mean, lower and upper end of the interval of a paired difference, by Student's t.

    With ``comparisons=m`` (Bonferroni) each interval errs with probability ``(1 - confidence)/m``
    at most, so all m of them are right together with the stated confidence.

    Args:
        differences: ``(seeds,)``, at least two finite numbers.
        comparisons: how many intervals are looked at in all, ``>= 1``.
        confidence: above 0 and below 1.

    Raises:
        ValueError: too few differences, one that is not finite, or an argument out of its range.

    >>> mean, low, high = interval([0.01, 0.02, 0.03])
    >>> print(f"{mean:.3f} [{low:.3f}, {high:.3f}]")
    0.020 [-0.005, 0.045]
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
        raise ValueError(f"differences has shape {values.shape}; give one finite number a seed, of "
                         "at least two seeds")
    if comparisons < 1:
        raise ValueError(f"comparisons is {comparisons}; it must be at least 1")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; it must lie between 0 and 1")
    from .metrics import seed_band

    mean, half = seed_band(values, confidence=1 - (1 - confidence) / comparisons)
    return float(mean), float(mean - half), float(mean + half)


def outcome(effect: float, low: float, high: float, *, smallest: float, side: str = "more") -> str:
    """``"yes"``, ``"no"`` or ``"open"``: whether a claim of an effect is met.

    Args:
        effect, low, high: the mean and its interval.
        smallest: the smallest effect worth caring about, ``> 0``.
        side: ``"more"``: the claim says that there is such an effect, so yes where the interval
            lies above 0 and its middle is at least ``smallest``, and no where it lies below
            ``smallest``. ``"different"``: that there is one of whichever sign, so yes where the
            interval lies on one side of 0 and its middle is at least ``smallest`` away from it,
            and no where it lies between minus and plus ``smallest``. ``"less"`` and ``"same"``:
            that there is none; yes and no change places.

    Raises:
        ValueError: the three are not in order or nan, ``smallest`` not above 0, another ``side``.

    >>> outcome(0.02, 0.01, 0.03, smallest=0.01), outcome(0.004, 0.002, 0.006, smallest=0.01)
    ('yes', 'no')
    """
    if not low <= effect <= high:
        raise ValueError(f"the interval of {effect} runs from {low} to {high}; it must contain it")
    if not smallest > 0:
        raise ValueError(f"smallest is {smallest}; it must be above 0")
    if side not in _SIDES:
        raise ValueError(f"side is {side!r}; it must be one of {', '.join(_SIDES)}")
    there, none = ("yes", "no") if side in ("more", "different") else ("no", "yes")
    above, below = low > 0 and effect >= smallest, high < 0 and effect <= -smallest
    if side in ("more", "less"):
        return there if above else none if high < smallest else "open"
    return there if above or below else none if -smallest < low and high < smallest else "open"


def verdict(outcomes: Mapping[str, str]) -> str:
    """The verdict on a claim from its outcome in each setting.

    >>> verdict({"rare classes": "yes", "balanced": "no"})
    'holds only when: rare classes'
    >>> verdict({"rare classes": "yes", "balanced": "open"})
    'holds when: rare classes (open: balanced)'
    """
    if not outcomes:
        raise ValueError("outcomes is empty; a claim needs at least one setting")
    met = [where for where, told in outcomes.items() if told == "yes"]
    if len(met) == len(outcomes):
        return "holds"
    if met:
        unknown = [where for where, told in outcomes.items() if told == "open"]
        rest = f" (open: {'; '.join(unknown)})" if unknown else ""
        return f"holds {'' if unknown else 'only '}when: {'; '.join(met)}{rest}"
    return "did not hold here" if set(outcomes.values()) == {"no"} else "not testable at this size"


class Docket:
    """Claims under test, with one rule for all.

    Args:
        smallest: by metric, the smallest effect worth caring about.
        comparisons: how many intervals the docket will hold in the end.
    """

    def __init__(self, smallest: Mapping[str, float], *, comparisons: int) -> None:
        self.smallest, self.comparisons = dict(smallest), comparisons
        self._rows: list[dict[str, object]] = []

    def test(self, claim: str, says: str,
             settings: Mapping[str, Condition | Sequence[Condition]]) -> None:
        """Judge a claim and print each interval and the verdict.

        A setting with several conditions is met if all of them are, and violated if one is. It is
        open if a control of it is not met.

        Raises:
            ValueError: a claim judged before, an unknown metric, or more intervals than announced.
        """
        if any(row["claim"] == claim for row in self._rows):
            raise ValueError(f"claim {claim} has its verdict; judge it once")
        rows = []
        for where, conditions in settings.items():
            several = [conditions] if isinstance(conditions, Condition) else conditions
            rows += [{"claim": claim, "says": says, "where": where} | self._judge(condition)
                     for condition in several]
        if len(self._rows) + len(rows) > self.comparisons:
            raise ValueError(f"claim {claim} needs {len(rows)} intervals after {len(self._rows)}, "
                             f"and {self.comparisons} were announced; raise comparisons")
        told = verdict(_by_setting(rows))
        self._rows += [row | {"verdict": told} for row in rows]
        for row in rows:
            prefix = "control, " if row["role"] == "control" else ""
            print(prefix + "{where}: {metric} {effect:+.3f} [{low:+.3f}, {high:+.3f}], {asked} "
                  "{smallest:.2g}? {outcome}".format(**row, asked=_SIDES[str(row["side"])]))
        print(f"{claim}: {told}")

    def _judge(self, condition: Condition) -> dict[str, object]:
        if condition.metric not in self.smallest:
            raise ValueError(f"metric is {condition.metric!r}; smallest effects are stated for "
                             f"{', '.join(self.smallest)}")
        smallest = self.smallest[condition.metric]
        effect, low, high = interval(condition.differences, comparisons=self.comparisons)
        return {"metric": condition.metric, "side": condition.side, "role": condition.role,
                "smallest": smallest,
                "effect": effect, "low": low, "high": high,
                "outcome": outcome(effect, low, high, smallest=smallest, side=condition.side)}

    @property
    def frame(self) -> pd.DataFrame:
        """One row an interval, in the order of the tests."""
        import pandas as pd

        return pd.DataFrame(self._rows)


def compare(first: pd.DataFrame, again: pd.DataFrame) -> pd.DataFrame:
    """Two dockets of the same claims, from different seeds: one row a claim.

    Returns:
        ``says``, ``verdict``, ``again``, ``stability`` and ``changed``. The stability is
        ``"flipped"`` if a condition was met in one and violated in the other, else ``"fragile"`` if
        the verdicts differ, else ``"stable"``; ``changed`` is how many settings have another
        outcome, which a verdict can hide.

    Raises:
        ValueError: the dockets do not hold the same claims, settings and metrics.
    """
    keys = ["claim", "where", "metric", "side", "role"]
    if first[keys].values.tolist() != again[keys].values.tolist():
        raise ValueError("the two dockets hold different claims or settings; run both anew")
    table = first.groupby("claim", sort=False)[["says", "verdict"]].first()
    table["again"] = again.groupby("claim", sort=False)["verdict"].first()
    opposite = [{a, b} == {"yes", "no"}
                for a, b in zip(first["outcome"], again["outcome"], strict=True)]
    flipped = set(first["claim"][opposite])
    table["stability"] = ["flipped" if claim in flipped else
                          "stable" if row.verdict == row.again else "fragile"
                          for claim, row in zip(table.index, table.itertuples(), strict=True)]
    before, after = ({claim: _by_setting(rows.to_dict("records"))
                      for claim, rows in run.groupby("claim")} for run in (first, again))
    table["changed"] = [sum(told != after[claim][where] for where, told in before[claim].items())
                        for claim in table.index]
    return table


def _by_setting(rows: Sequence[Mapping[str, object]]) -> dict[str, str]:
    """The outcome of each setting: that of all its conditions together, if its controls are met."""
    settings: dict[str, set[str]] = {}
    for row in rows:
        told = settings.setdefault(str(row["where"]), set())
        if row["role"] == "claim":
            told.add(str(row["outcome"]))
        elif row["outcome"] != "yes":
            told.add("useless")
    return {where: "open" if "useless" in told else
            "no" if "no" in told else "open" if "open" in told else "yes"
            for where, told in settings.items()}
