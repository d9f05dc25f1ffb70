"""From paired runs to verdicts on claims, by a rule stated beforehand.

What belongs here: the interval of a paired comparison, the rule that turns intervals into outcomes
and outcomes into a verdict, and the docket that keeps them. The runs are trained by ``sweeps``.

A claim is tested in one or more settings, each with one or more conditions such as "recall rises by
at least 0.02". The outcome is ``yes`` if the interval of the effect lies above 0 and its middle is
at least the smallest effect worth caring about. It is ``no`` if the whole interval lies below that
smallest effect, and ``open`` otherwise. A setting may have controls: effects that must be present
for the setting to be able to show anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .arrays import as_array

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Condition", "Docket", "compare", "control", "different", "interval", "less", "more",
           "outcome", "same", "verdict"]

_SIDES = {"more": "more than", "less": "less than",
          "different": "different by", "same": "same within"}


class Condition(NamedTuple):
    """What a claim says about one effect, compared with the smallest effect that counts.

    Attributes:
        differences: ``(seeds,)``, one paired difference per seed.
        metric: the name of the metric, which decides the smallest effect that counts.
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
    """The claim says that there is an effect worth caring about, of either sign."""
    return Condition(differences, metric, "different")


def same(differences: ArrayLike, metric: str) -> Condition:
    """The claim says that there is no effect worth caring about, of either sign."""
    return Condition(differences, metric, "same")


def control(condition: Condition) -> Condition:
    """Not part of the claim, but a condition for the setting to be able to show anything."""
    return condition._replace(role="control")


def interval(differences: ArrayLike, *, comparisons: int = 1, confidence: float = 0.95
             ) -> tuple[float, float, float]:
    """Mean, lower and upper end of the interval of a paired difference, by Student's t.

    With ``comparisons=m`` (Bonferroni's correction), each interval is wrong with a probability of
    at most ``(1 - confidence)/m``, so with the stated confidence all m of them are right.

    Args:
        differences: ``(seeds,)``, at least two finite numbers.
        comparisons: how many intervals are looked at in all, ``>= 1``.
        confidence: above 0 and below 1.

    Raises:
        ValueError: there are too few differences, one is not finite, or an argument is out of its
            range.

    >>> mean, low, high = interval([0.01, 0.02, 0.03])
    >>> print(f"{mean:.3f} [{low:.3f}, {high:.3f}]")
    0.020 [-0.005, 0.045]
    """
    values = as_array(differences, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
        raise ValueError(f"differences has shape {values.shape}; give one finite number per seed, "
                         "for at least two seeds")
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
        side: what the claim says. ``"more"``: there is such an effect. Yes if the interval lies
            above 0 and its middle is at least ``smallest``; no if it lies below ``smallest``.
            ``"different"``: there is an effect of either sign. Yes if the interval lies on one side
            of 0 and its middle is at least ``smallest`` away from 0; no if it lies between minus
            and plus ``smallest``. ``"less"`` and ``"same"``: there is no such effect; yes and no
            are exchanged.

    Raises:
        ValueError: the three numbers are out of order or nan, ``smallest`` is not above 0, or
            ``side`` is unknown.

    >>> outcome(0.02, 0.01, 0.03, smallest=0.01), outcome(0.004, 0.002, 0.006, smallest=0.01)
    ('yes', 'no')
    """
    if not low <= effect <= high:
        raise ValueError(f"the effect is {effect}, outside its interval from {low} to {high}, "
                         "which must contain it")
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
    """The verdict on a claim from its outcomes.

    Args:
        outcomes: setting to outcome, ``"yes"``, ``"no"`` or ``"open"``.

    Raises:
        ValueError: there is no setting.

    >>> verdict({"rare classes": "yes", "balanced": "no"})
    'holds only when: rare classes'
    >>> verdict({"rare classes": "yes", "balanced": "open"})
    'holds when: rare classes (open: balanced)'
    """
    if not outcomes:
        raise ValueError("outcomes is empty; a claim needs at least one setting")
    met = [where for where, result in outcomes.items() if result == "yes"]
    if len(met) == len(outcomes):
        return "holds"
    if met:
        unknown = [where for where, result in outcomes.items() if result == "open"]
        rest = f" (open: {'; '.join(unknown)})" if unknown else ""
        return f"holds {'' if unknown else 'only '}when: {'; '.join(met)}{rest}"
    return "did not hold here" if set(outcomes.values()) == {"no"} else "not testable at this size"


class Docket:
    """Claims under test, with one rule for all.

    Args:
        smallest: metric to the smallest effect worth caring about.
        comparisons: how many intervals the docket will hold in the end.
    """

    def __init__(self, smallest: Mapping[str, float], *, comparisons: int) -> None:
        self.smallest, self.comparisons = dict(smallest), comparisons
        self._rows: list[dict[str, object]] = []

    def test(self, claim: str, says: str,
             settings: Mapping[str, Condition | Sequence[Condition]]) -> None:
        """Judge a claim and print each interval and the verdict.

        A setting with several conditions is met if all of them are met, and violated if one of them
        is violated. It is open if one of its controls is not met.

        Args:
            claim: a short name, such as ``"A1"``.
            says: the claim in words.
            settings: name of the setting to its condition or conditions.

        Raises:
            ValueError: the claim was judged before, a metric is unknown, or there are more
                intervals than announced.
        """
        if any(row["claim"] == claim for row in self._rows):
            raise ValueError(f"claim {claim} already has its verdict; judge it once, or begin a "
                             "new docket")
        rows = []
        for where, conditions in settings.items():
            several = [conditions] if isinstance(conditions, Condition) else conditions
            rows += [{"claim": claim, "says": says, "where": where} | self._judge(condition)
                     for condition in several]
        if len(self._rows) + len(rows) > self.comparisons:
            raise ValueError(f"claim {claim} needs {len(rows)} intervals after {len(self._rows)}, "
                             f"and {self.comparisons} were announced; raise comparisons")
        decided = verdict(_by_setting(rows))
        self._rows += [row | {"verdict": decided} for row in rows]
        for row in rows:
            prefix = "control, " if row["role"] == "control" else ""
            print(prefix + "{where}: {metric} {effect:+.3f} [{low:+.3f}, {high:+.3f}], {asked} "
                  "{smallest:.2g}? {outcome}".format(**row, asked=_SIDES[str(row["side"])]))
        print(f"{claim}: {decided}")

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
        """One row per interval, in the order of the tests."""
        import pandas as pd

        return pd.DataFrame(self._rows)


def compare(first: pd.DataFrame, again: pd.DataFrame) -> pd.DataFrame:
    """Compare two dockets of the same claims, from different seeds.

    Args:
        first, again: the ``frame`` of each docket.

    Returns:
        One row per claim, with the columns ``says``, ``verdict``, ``again``, ``stability`` and
        ``changed``. The stability is ``"flipped"`` if a condition was met in one and violated in
        the other, otherwise ``"fragile"`` if the verdicts differ, otherwise ``"stable"``.
        ``changed`` is the number of settings with another outcome, which a verdict can hide.

    Raises:
        ValueError: the dockets do not hold the same claims, settings and metrics.
    """
    keys = ["claim", "where", "metric", "side", "role"]
    if first[keys].values.tolist() != again[keys].values.tolist():
        raise ValueError("the two dockets hold different claims or settings; run both again with "
                         "the same code")
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
    table["changed"] = [sum(was != after[claim][where] for where, was in before[claim].items())
                        for claim in table.index]
    return table


def _by_setting(rows: Sequence[Mapping[str, object]]) -> dict[str, str]:
    """The outcome of each setting: of all its conditions together, and open if a control failed."""
    settings: dict[str, set[str]] = {}
    for row in rows:
        found = settings.setdefault(str(row["where"]), set())
        if row["role"] == "claim":
            found.add(str(row["outcome"]))
        elif row["outcome"] != "yes":
            found.add("useless")
    return {where: "open" if "useless" in found else
            "no" if "no" in found else "open" if "open" in found else "yes"
            for where, found in settings.items()}
