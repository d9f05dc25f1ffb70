"""The claims: sentences about losses, and the comparisons that would have to come out.

What belongs here: every claim as data, with the settings in which it is tested and the rivals that
could take its place. The claims A1 to A17 come from post A, B1 to B4 from post B, C1 to C10 from
papers and from practice (notebook 08 names the sources).
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .verdicts import KINDS, Reading, Side, interval, outcome, seeds_needed, together, verdict

if TYPE_CHECKING:
    from IPython.display import HTML

__all__ = ["CLAIMS", "SMALLEST", "Claim", "Comparison", "judge", "summarise"]

Effect = Callable[[Reading], np.ndarray]
Settings = dict[str, tuple["Comparison", ...]]

SMALLEST = {"accuracy": 0.01, "F1": 0.01, "recall": 0.02, "ECE": 0.02, "log loss": 0.02,
            "share of gradient": 0.05, "ln(lr)": math.log(2), "cost": 0.05}


@dataclass(frozen=True)
class Comparison:
    """An effect, and what is claimed of it.

    Attributes:
        effect: a function of a :class:`Reading`.
        unit: a key of ``SMALLEST``, the smallest effect worth caring about.
        kind: ``"more"``, ``"less"``, ``"different"`` or ``"same"``, as in ``verdicts.outcome``.
        control: not part of the claim, but without this effect the setting can show nothing.
    """

    effect: Effect
    unit: str
    kind: str = "more"
    control: bool = False


@dataclass(frozen=True)
class Claim:
    """A sentence, and the settings in which it is tested.

    Attributes:
        says: the claim.
        settings: for each setting the comparisons that must all come out as claimed.
    """

    says: str
    settings: Mapping[str, tuple[Comparison, ...]]


def gain(side: Side, rival: Side, metric: str, *, by: str | None = None, part: str = "test"
         ) -> Effect:
    """How much better a side is than its rival, each with its own best settings."""
    sign = -1.0 if metric in ("ECE", "log loss") else 1.0
    return lambda reading: sign * (reading.best(side, metric, by=by, part=part)
                                   - reading.best(rival, metric, by=by, part=part))


def more(effect: Effect, unit: str) -> tuple[Comparison, ...]:
    return (Comparison(effect, unit),)


def less(effect: Effect, unit: str) -> tuple[Comparison, ...]:
    return (Comparison(effect, unit, "less"),)


def same(effect: Effect, unit: str) -> tuple[Comparison, ...]:
    return (Comparison(effect, unit, "same"),)


def different(effect: Effect, unit: str) -> tuple[Comparison, ...]:
    return (Comparison(effect, unit, "different"),)


def control(effect: Effect, unit: str) -> tuple[Comparison, ...]:
    return (Comparison(effect, unit, control=True),)


def minus(first: Effect, second: Effect) -> Effect:
    return lambda reading: first(reading) - second(reading)


def negative(effect: Effect) -> Effect:
    return lambda reading: -effect(reading)


def ce(where: str | tuple[str, ...], rule: str | tuple[str, ...] = "as trained",
       rate: float | None = None) -> Side:
    """The rival of most claims, cross entropy."""
    return Side(where, "cross entropy", rule, rate)


# Effects that are no plain gain -------------------------------------------------------------------


def against_both(where: str, loss: str, metric: str, unit: str) -> Settings:
    """A loss for rare classes, against cross entropy as trained and with its logits shifted."""
    side = Side(where, loss)
    return {where: more(gain(side, ce(where), metric), unit),
            f"{where}, rival shifted": more(gain(side, ce(where, "shifted"), metric), unit)}


def concentration(where: str, trained_with: str) -> Effect:
    """The hardest tenth's share of focal loss's gradient minus that of cross entropy's."""
    def effect(reading: Reading) -> np.ndarray:
        focal = reading.best(Side(where, trained_with), "hardest tenth, focal 2", by="accuracy",
                             part="train")
        plain = reading.best(ce(where), "hardest tenth, cross entropy", by="accuracy",
                             part="train")
        return focal - plain

    return effect


def overfitting(where: str, loss: str, by: str, rate: float | None = None) -> Effect:
    """The accuracy on training minus that on test."""
    def effect(reading: Reading) -> np.ndarray:
        side = Side(where, loss, rate=rate)
        choice = reading.choice(side, by)
        return (reading.at(side, choice, "accuracy", "train")
                - reading.at(side, choice, "accuracy", "test"))

    return effect


def moved_rate(where: str) -> Effect:
    """The logarithm of the best learning rate of the posted loss over that of cross entropy."""
    def effect(reading: Reading) -> np.ndarray:
        posted, plain = Side(where, "posted"), ce(where)
        return np.log(reading.rates(posted)[reading.choice(posted, "accuracy")]
                      / reading.rates(plain)[reading.choice(plain, "accuracy")])

    return effect


def own_recipe(experiments: tuple[str, ...]) -> Effect:
    """Focal loss with the recipe that is best for it, minus focal loss with cross entropy's."""
    def effect(reading: Reading) -> np.ndarray:
        focal, plain = Side(experiments, "focal 2"), ce(experiments)
        own, others = (reading.choice(side, "macro F1") for side in (focal, plain))
        return reading.at(focal, own, "macro F1") - reading.at(focal, others, "macro F1")

    return effect


def regret(where: str, loss: str) -> Effect:
    """What accuracy is lost if the learning rate is chosen by the validation loss."""
    def effect(reading: Reading) -> np.ndarray:
        side = Side(where, loss)
        return (reading.best(side, "accuracy")
                - reading.best(side, "accuracy", by="loss value"))

    return effect


def saving(side: Side, rival: Side) -> Effect:
    """By which share of the rival's costs a side is cheaper."""
    return lambda reading: 1 - reading.best(side, "cost") / reading.best(rival, "cost")


# The docket ---------------------------------------------------------------------------------------

TAIL, SHORT, LONG = "long tail", "long tail, 15 epochs", "long tail, 80 epochs"
GROUPED, BALANCED, PHOTOS, TWIN = "grouped", "balanced", "photos", "fraud twin"
NOISE, NOISE_LONG = "wrong labels", "wrong labels, 80 epochs"
STOPPED = "wrong labels, 80 epochs, early stopping"
UNTUNED = 0.01  # the one learning rate of comparisons in which nobody tunes


def untuned(where: str, loss: str, metric: str, rule: str = "as trained") -> Effect:
    return gain(Side(where, loss, rate=UNTUNED), ce(where, rule, UNTUNED), metric)


def focal_gain(where: str, metric: str, loss: str = "focal 2") -> Effect:
    return gain(Side(where, loss), ce(where), metric)


def taught_by(teacher: str) -> Side:
    return Side("few labels, taught", tuple(f"{teacher}, T {t}" for t in (1, 4)))


FOCALS = ("focal 1", "focal 2", "focal 5")

CLAIMS: dict[str, Claim] = {
    "A1": Claim("Focal loss helps minority classes.", {
        **against_both(TAIL, "focal 2", "rare recall", "recall"),
        **against_both(GROUPED, "focal 2", "rare recall", "recall"),
        **against_both(SHORT, "focal 2", "rare recall", "recall"),
        "15 epochs, untuned": more(untuned(SHORT, "focal 2", "rare recall"), "recall"),
        "15 epochs, untuned, rival shifted": more(
            untuned(SHORT, "focal 2", "rare recall", "shifted"), "recall")}),
    "A2": Claim("Focal loss concentrates on hard examples.", {
        f"{where}, {reading}": more(concentration(where, trained_with), "share of gradient")
        for where in (BALANCED, NOISE)
        for reading, trained_with in (("same network", "cross entropy"),
                                      ("each its own", "focal 2"))}),
    "A3": Claim("Focal loss reduces overfitting.", {
        where: more(minus(overfitting(where, "cross entropy", by, rate),
                          overfitting(where, "focal 2", by, rate)), "accuracy")
        for where, by, rate in ((BALANCED, "accuracy", None), (TAIL, "macro F1", None),
                                (NOISE, "accuracy", None), (NOISE_LONG, "accuracy", None))}),
    "A4": Claim("Focal loss can beat cross entropy on imbalanced data.", {
        **against_both(TAIL, "focal 2", "macro F1", "F1"),
        **against_both(GROUPED, "focal 2", "macro F1", "F1"),
        **against_both(SHORT, "focal 2", "macro F1", "F1"),
        "15 epochs, untuned": more(untuned(SHORT, "focal 2", "macro F1"), "F1"),
        "15 epochs, untuned, rival shifted": more(
            untuned(SHORT, "focal 2", "macro F1", "shifted"), "F1")}),
    "A5": Claim("Gamma needs tuning.", {
        TAIL: more(gain(Side(TAIL, FOCALS), Side(TAIL, "focal 2"), "macro F1"), "F1"),
        NOISE: more(gain(Side(NOISE, FOCALS), Side(NOISE, "focal 2"), "accuracy"), "accuracy")}),
    "A7": Claim("Focal loss gains little or nothing on balanced data.", {
        where: less(focal_gain(where, "accuracy"), "accuracy") for where in (BALANCED, PHOTOS)}),
    "A8": Claim("Too much weight on very hard examples can hurt.", {
        "wrong labels, gamma 2": more(negative(focal_gain(NOISE, "accuracy")), "accuracy"),
        "wrong labels, gamma 5": more(negative(focal_gain(NOISE, "accuracy", "focal 5")),
                                      "accuracy"),
        "wrong labels, 80 epochs, gamma 2": more(negative(focal_gain(NOISE_LONG, "accuracy")),
                                                 "accuracy"),
        "balanced, gamma 5": more(negative(focal_gain(BALANCED, "accuracy", "focal 5")),
                                  "accuracy"),
        **{f"wrong rather than right labels, gamma {gamma}": more(
            minus(focal_gain(BALANCED, "accuracy", f"focal {gamma}"),
                  focal_gain(NOISE, "accuracy", f"focal {gamma}")), "accuracy")
           for gamma in (2, 5)}}),
    "A9": Claim("The values of focal loss are harder to read: choosing by them costs more.", {
        where: more(minus(regret(where, "focal 2"), regret(where, "cross entropy")), "accuracy")
        for where in (BALANCED, NOISE)}),
    "A10": Claim("On balanced data the worst classes have nothing to gain either.", {
        BALANCED: less(focal_gain(BALANCED, "worst recall"), "recall")}),
    "A11": Claim("The task may be too easy to gain.", {
        "easy rather than hard clouds": (
            *less(focal_gain("easy clouds", "rare F1"), "F1"),
            *control(focal_gain("hard clouds", "rare F1"), "F1"))}),
    "A12": Claim("Untuned alpha or gamma can hurt.", {
        "gamma 5, long tail": more(negative(gain(Side(TAIL, "focal 5"), ce(TAIL), "macro F1")),
                                   "F1"),
        **{f"alpha 0.25, {clouds}{words}": more(negative(gain(
            Side(clouds, "focal 2, alpha 0.25", rule), Side(clouds, "focal 2", rule), "rare F1")),
            "F1") for clouds in ("hard clouds", "easy clouds")
            for words, rule in ((" at 0.5", "as trained"),
                                (", threshold chosen", "threshold for F1"))}}),
    "A13": Claim("Gradients change their scale, so the learning rate must be tuned again.", {
        where: different(moved_rate(where), "ln(lr)")
        for where in ("balanced, SGD", "balanced, Adam")}),
    "A14": Claim("Focal loss suits some architectures more than others.", {
        "linear against network": different(minus(
            focal_gain("long tail, linear", "macro F1"), focal_gain(TAIL, "macro F1")), "F1")}),
    "A15": Claim("Batch size and epochs must be adapted together with the loss.", {
        "batch size": more(own_recipe((TAIL, "long tail, batches of 16")), "F1"),
        "epochs": more(own_recipe((SHORT, TAIL, LONG)), "F1")}),
    "A16": Claim("Accuracy may not move while the metrics of minority classes do.", {
        "focal loss, 15 epochs, untuned": (
            *more(untuned(SHORT, "focal 2", "rare recall"), "recall"),
            *same(untuned(SHORT, "focal 2", "natural accuracy"), "accuracy")),
        "weights, long tail": (
            *more(gain(Side(TAIL, "weighted"), ce(TAIL), "rare recall", by="macro F1"), "recall"),
            *same(gain(Side(TAIL, "weighted"), ce(TAIL), "natural accuracy", by="macro F1"),
                  "accuracy")),
        "shifted, long tail": (
            *more(gain(ce(TAIL, "shifted"), ce(TAIL), "rare recall", by="macro F1"), "recall"),
            *same(gain(ce(TAIL, "shifted"), ce(TAIL), "natural accuracy", by="macro F1"),
                  "accuracy"))}),
    "A17": Claim("The effect of focal loss may show only late in training.", {
        "long tail, 80 epochs against 15": more(minus(
            focal_gain(LONG, "macro F1"), focal_gain(SHORT, "macro F1")), "F1")}),
    "B1": Claim("F1 loss trains worse than cross entropy where several classes are unequal.", {
        where: more(negative(gain(Side(where, "soft F1"), ce(where), "macro F1")), "F1")
        for where in (TAIL, GROUPED)}),
    "B2": Claim("Plain cross entropy is beaten by class weights where classes are unequal.", {
        **against_both(TAIL, "weighted", "macro F1", "F1"),
        **against_both(GROUPED, "weighted", "macro F1", "F1"),
        "long tail, shares as in training": more(
            gain(Side(TAIL, "weighted"), ce(TAIL), "natural F1"), "F1"),
        **against_both(SHORT, "weighted", "macro F1", "F1"),
        "15 epochs, untuned": more(untuned(SHORT, "weighted", "macro F1"), "F1"),
        "15 epochs, untuned, rival shifted": more(
            untuned(SHORT, "weighted", "macro F1", "shifted"), "F1")}),
    "B3": Claim("Focal loss should be taken because the rarest class is small.", {
        where: more(focal_gain(where, "rare F1"), "F1") for where in (GROUPED, TAIL)}),
    "B4": Claim("Label smoothing is worth a try on unequal classes.", {
        where: more(gain(Side(where, "smoothing"), ce(where), "macro F1"), "F1")
        for where in (TAIL, GROUPED)}),
    "C1": Claim("Label smoothing regularises.", {
        **{where: more(gain(Side(where, "smoothing"), ce(where), "accuracy"), "accuracy")
           for where in (BALANCED, TAIL, NOISE, NOISE_LONG)},
        "80 epochs, rival stopped early": more(
            gain(Side(NOISE_LONG, "smoothing"), ce(STOPPED), "accuracy"), "accuracy")}),
    **{name: Claim(f"{loss} calibrates.", {
        f"{where}{words}": more(gain(Side(where, column), ce(where, rule), "ECE", by="log loss",
                                     part="test" if where in (BALANCED, PHOTOS) else "noisy test"),
                               "ECE")
        for where in (BALANCED, PHOTOS, NOISE, NOISE_LONG)
        for words, rule in (("", "as trained"), (", rival with a temperature", "temperature"))})
       for name, loss, column in (("C2", "Label smoothing", "smoothing"),
                                  ("C3", "Focal loss", "focal 2"))},
    "C4": Claim("Label smoothing hurts distillation.", {
        "few labels": (
            *more(gain(taught_by("cross entropy"), taught_by("smoothing"), "accuracy"), "accuracy"),
            *control(gain(taught_by("cross entropy"), ce("few labels, alone"), "accuracy"),
                     "accuracy"))}),
    "C5": Claim("Soft F1 optimises what you report.", {
        "frauds, at 0.5": more(gain(Side(TWIN, "soft F1"), ce(TWIN), "rare F1"), "F1"),
        "frauds, threshold chosen": more(gain(
            Side(TWIN, "soft F1", "threshold for F1"), ce(TWIN, "threshold for F1"), "rare F1"),
            "F1"),
        TAIL: more(gain(Side(TAIL, "soft F1"), ce(TAIL), "macro F1"), "F1"),
        "long tail, rival shifted": more(
            gain(Side(TAIL, "soft F1"), ce(TAIL, "shifted"), "macro F1"), "F1"),
        NOISE: more(gain(Side(NOISE, "soft F1"), ce(NOISE), "macro F1"), "F1")}),
    "C6": Claim("The absolute error, a symmetric loss, is the better one with wrong labels.", {
        "absolute error": more(gain(Side(NOISE, "absolute error"), ce(NOISE), "accuracy"),
                               "accuracy"),
        "absolute error, rival stopped early": more(
            gain(Side(NOISE, "absolute error"), ce(STOPPED), "accuracy"), "accuracy")}),
    "C7": Claim("Costs belong in the loss.", {
        f"weights, rival: {words}": more(saving(Side(TWIN, "weighted"), ce(TWIN, rule)), "cost")
        for words, rule in (("threshold 0.5", "as trained"),
                            ("threshold from the costs", "threshold from costs"),
                            ("threshold from validation", "threshold for cost"))}),
    "C8": Claim("For rare classes weights do more than focal loss.", {
        **{where: more(gain(Side(where, "weighted"), Side(where, "focal 2"), "macro F1"), "F1")
           for where in (TAIL, GROUPED, SHORT)},
        "15 epochs, untuned": more(gain(Side(SHORT, "weighted", rate=UNTUNED),
                                        Side(SHORT, "focal 2", rate=UNTUNED), "macro F1"), "F1"),
        "long tail, both shifted": more(gain(
            Side(TAIL, "weighted", ("as trained", "shifted")),
            Side(TAIL, "focal 2", ("as trained", "shifted")), "macro F1"), "F1")}),
    "C9": Claim("What you report belongs in the threshold.", {
        **{f"F1, {where}": more(gain(ce(where, "threshold for F1"), ce(where), "rare F1"), "F1")
           for where in (TWIN, "easy clouds", "hard clouds")},
        **{f"cost, {words}": more(saving(ce(TWIN, rule), ce(TWIN)), "cost")
           for words, rule in (("from the costs", "threshold from costs"),
                               ("from validation", "threshold for cost"))}}),
    "C10": Claim("When labels are wrong, stop early.", {
        "one rate for both lengths": more(gain(
            ce(NOISE, rate=UNTUNED), ce(NOISE_LONG, rate=UNTUNED), "accuracy"), "accuracy"),
        "a rate for each length": more(gain(ce(NOISE), ce(NOISE_LONG), "accuracy"), "accuracy"),
        "best epoch of validation, one rate": more(gain(
            ce(STOPPED, rate=UNTUNED), ce(NOISE_LONG, rate=UNTUNED), "accuracy"), "accuracy"),
        "best epoch of validation, a rate for each": more(gain(
            ce(STOPPED), ce(NOISE_LONG), "accuracy"), "accuracy")}),
    "C11": Claim("Shifting the logits of plain cross entropy does what class weights do.", {
        where: same(gain(Side(where, "weighted"), ce(where, "shifted"), "macro F1"), "F1")
        for where in (TAIL, SHORT)} | {
        "balanced sampling": same(gain(ce("long tail, balanced sampling"), ce(TAIL, "shifted"),
                                       "macro F1"), "F1")}),
}


# The verdicts in plain sentences, written by hand for the scores in data/lab. A test names the
# verdicts for which they were written.
FOUND: dict[str, str] = {
    "A1": "Only in short runs, and then plain cross entropy with shifted logits finds far more of "
          "the rare classes. Trained for 40 epochs with a tuned rate, focal loss finds no more.",
    "A2": "Yes on the same network. Where each loss trains a network of its own, the hardest tenth "
          "gained much less of the gradient, and with wrong labels too little to count.",
    "A3": "No. The gap between training and test was a little larger everywhere, and by more than "
          "0.01 after 40 epochs on wrong labels.",
    "A4": "Only where both were trained briefly with the same untuned rate. With a rate for each "
          "it gained nothing that counts in 40 epochs, and on the long tail shifted logits were "
          "ahead of it throughout.",
    "A5": "No. Choosing gamma from 1, 2 and 5 gained less than 0.01 over gamma 2.",
    "A7": "Yes. On balanced digits and on the photos it gained nothing, and was behind by less "
          "than 0.01.",
    "A8": "Yes for gamma 5, which cost 0.014 of accuracy with right labels and 0.025 with wrong "
          "ones. Gamma 2 cost 0.012 after 40 epochs on wrong labels, and less than 0.01 after 80.",
    "A9": "No. With either loss, a learning rate chosen by the validation loss was as accurate as "
          "one chosen by accuracy.",
    "A10": "Yes. The three worst classes gained nothing either.",
    "A11": "Open. Neither on easy nor on hard clouds could a gain be shown or excluded, and "
           "without a gain on the hard ones the easy ones show nothing.",
    "A12": "Yes at a threshold of 0.5, where alpha 0.25 cost up to 0.23 of F1, and for gamma 5 on "
           "the long tail. At a threshold chosen on validation alpha did no harm that counts.",
    "A13": "Yes with SGD, where the posted loss needed a rate about five times as large (3.5 to "
           "8.7 times). Not with Adam, which divides each gradient by its usual size.",
    "A14": "Not for the two that were tried. With a linear model as with a small network it was "
           "behind by about 0.01.",
    "A15": "No. The batch size and the number of epochs that were best for cross entropy served "
           "focal loss as well.",
    "A16": "Yes for class weights, which raised the recall of the rare classes at the same "
           "accuracy. Shifted logits raised it more and cost accuracy.",
    "A17": "The reverse. Against cross entropy, focal loss did better in short runs than in long "
           "ones.",
    "B1": "Yes on the long tail and on three unequal groups, where its macro F1 was more than 0.02 "
          "behind. (On equal classes with wrong labels it was ahead: C5.)",
    "B2": "Yes on the long tail, if cross entropy stays as trained. After 40 epochs with shifted "
          "logits it was as good, but not in short runs with an untuned rate. On three unequal "
          "groups weights gained too little to count.",
    "B3": "No. The F1 of the rarest classes was no higher, and on the long tail it was lower by "
          "about 0.01.",
    "B4": "Yes on the long tail. On three unequal groups the gain was about 0.01, too near to the "
          "smallest effect that counts.",
    "C1": "Only on the long tail. Elsewhere the accuracy gained less than 0.01.",
    "C2": "Only after 80 epochs on wrong labels, where it had chosen another learning rate than "
          "cross entropy, and a temperature did nearly as well. Everywhere else it did much harm.",
    "C3": "No. It nowhere made the probabilities better by an amount that counts, and after 40 "
          "epochs on wrong labels it made them much worse.",
    "C4": "Open. The students gained too little from their teachers for anything to be hurt.",
    "C5": "Not for frauds once a threshold is chosen, and on the long tail it was worse. On equal "
          "classes with wrong labels it gained 0.02.",
    "C6": "The reverse. It was less accurate than cross entropy by about 0.013, which only the two "
          "sets of seeds together show. How much each loses to the wrong labels was not compared.",
    "C7": "Yes, on the one task that was tried, where a miss costs 40 false alarms. Decisions with "
          "weights cost 8 to 10 % less than with either chosen threshold, and a fifth less than at "
          "0.5.",
    "C8": "Yes on the long tail, even if the logits of both are shifted. On three unequal groups "
          "the difference was too near to the smallest effect that counts.",
    "C9": "Yes for costs, which fell by about a tenth. For F1 only where the classes overlap "
          "much.",
    "C10": "Only if the learning rate is not tuned. With a rate of its own the long run lost "
           "nothing that counts, and to keep the best epoch gained nothing.",
    "C11": "Yes after 40 epochs, and for balanced sampling, too. After 15 epochs weights may be a "
           "little ahead.",
}


def comparisons() -> int:
    """How many intervals the claims look at."""
    return sum(len(setting) for claim in CLAIMS.values() for setting in claim.settings.values())


class _Asked(Reading):
    """Notes which experiments an effect asks for, instead of reading their scores."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def _note(self, side: Side, *_: object, **__: object) -> np.ndarray:
        self.names.update([side.experiment] if isinstance(side.experiment, str)
                          else side.experiment)
        return np.zeros(1, dtype=int)

    choice = at = best = _note  # type: ignore[assignment]

    def rates(self, side: Side) -> np.ndarray:
        return np.ones(1) + self._note(side)


def experiments_of(claim: Claim) -> set[str]:
    """The experiments whose scores a claim needs."""
    asked = _Asked()
    with np.errstate(all="ignore"):
        for setting in claim.settings.values():
            for comparison in setting:
                comparison.effect(asked)
    return asked.names


def judge(reading: Reading, names: list[str] | None = None) -> pd.DataFrame:
    """One row per comparison, with its interval and outcome, for the claims named or for all."""
    return pd.DataFrame(_rows(reading, names or list(CLAIMS)))


def _rows(reading: Reading, names: list[str]) -> Iterator[dict[str, object]]:
    for name in names:
        for where, setting in CLAIMS[name].settings.items():
            for comparison in setting:
                smallest, n = SMALLEST[comparison.unit], len(reading.seeds)
                effect, low, high = interval(comparison.effect(reading), n_seeds=n,
                                             comparisons=comparisons())
                found = outcome(effect, low, high, smallest=smallest, kind=comparison.kind)
                yield {"claim": name, "where": where, "unit": comparison.unit,
                       "asked": KINDS[comparison.kind], "control": comparison.control,
                       "smallest": smallest, "effect": effect, "low": low, "high": high,
                       "outcome": found, "seeds": n, "seeds needed": seeds_needed(
                           effect, low, high, smallest=smallest, kind=comparison.kind, n_seeds=n)
                       if found == "open" else n}


def outcomes(table: pd.DataFrame) -> pd.Series:
    """The outcome of each setting of each claim, from the outcomes of its comparisons.

    Args:
        table: as :func:`judge` returns it.
    """
    found = {}
    for key, setting in table.groupby(["claim", "where"], sort=False):
        control = setting["control"]
        found[key] = together(setting.loc[~control, "outcome"].tolist(),
                              setting.loc[control, "outcome"].tolist())
    return pd.Series(found).rename_axis(["claim", "where"])


def badge(verdict: str) -> str:
    """A verdict in a few words: ``"both ways"`` if some settings are a yes and some the reverse.

    >>> badge("holds where: long tail; open: balanced"), badge("does not hold; open: balanced")
    ('holds in places', 'does not hold')
    """
    if verdict.startswith("holds where"):
        return "both ways" if "; the reverse: " in verdict else "holds in places"
    return verdict.split(";")[0]


def summarise(table: pd.DataFrame, *halves: pd.DataFrame) -> pd.DataFrame:
    """One row per claim: what it says, its verdict, its badge, and what was found, in a sentence.

    Args:
        table: as :func:`judge` returns it, for all seeds.
        halves: the same for each of the two sets of seeds. Then there is ``stability``:
            ``"stable"`` if every setting has the same outcome with both sets, ``"contradicted"`` if
            one is a yes with one set and decided otherwise with the other, else ``"fragile"``; and
            ``changed``, how many of the settings have another outcome.
    """
    of_all, of_halves = outcomes(table), [outcomes(half) for half in halves]
    rows = []
    for name in dict.fromkeys(table["claim"]):
        found = verdict(of_all[name].to_dict())
        row = {"claim": name, "says": CLAIMS[name].says, "verdict": found, "badge": badge(found),
               "found": FOUND[name]}
        if of_halves:
            first, second = (half[name] for half in of_halves)
            changed = first != second
            decided = (first != "open") & (second != "open")
            contradicted = decided & ((first == "yes") != (second == "yes"))
            row["stability"] = ("contradicted" if contradicted.any() else
                                "fragile" if changed.any() else "stable")
            row["changed"] = f"{changed.sum()} of {len(changed)}"
        rows.append(row)
    return pd.DataFrame(rows).set_index("claim")


def in_a_table(board: pd.DataFrame) -> HTML:
    """The sentences of a board from :func:`summarise`, as a table for a notebook."""
    from IPython.display import HTML

    columns = {"badge": "verdict", "says": "claim", "found": "found here", "stability": "stability"}
    cell = '<{0} style="text-align: left; vertical-align: top">{1}</{0}>'.format
    rows = ["".join(cell("th", title) for title in ["", *columns.values()])]
    for name, of in board.iterrows():
        texts = [html.escape(str(of[column])) for column in columns if column in of]
        rows.append(cell("th", name) + "".join(cell("td", text) for text in texts))
    return HTML("<table>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>")


def at_an_end(reading: Reading) -> pd.DataFrame:
    """The choices of the claims that took the lowest or the highest rate of a grid.

    A wider grid might have been kinder to these sides. One row for each: the experiment, loss and
    rule, the metric by which the rate was chosen, the rate, and the end.
    """
    judge(reading)
    rows = []
    for (side, by), candidate in reading.chosen.items():
        grid = reading.grids[candidate.experiment]
        if side.rate is None and candidate.lr in (grid[0], grid[-1]):
            rows.append({**candidate._asdict(), "by": by,
                         "end": "lowest" if candidate.lr == grid[0] else "highest"})
    return pd.DataFrame(rows).drop_duplicates(ignore_index=True)
