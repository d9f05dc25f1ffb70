"""The rule of notebook 08, and the results it was applied to."""

import math
import re
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from course_utils import verdicts
from course_utils.verdicts import (
    Docket,
    compare,
    control,
    different,
    interval,
    less,
    more,
    outcome,
    same,
    verdict,
)

ROOT = Path(__file__).resolve().parent.parent
FIRST, AGAIN = (pd.read_csv(ROOT / "data" / name) for name in
                ["verdicts.csv", "verdicts_again.csv"])
CLAIMS = {*(f"A{n}" for n in range(1, 18)), *(f"B{n}" for n in range(1, 5)),
          *(f"C{n}" for n in range(1, 11))}

# ------------------------------------------------------------------------------------ the interval

DIFFERENCES = st.lists(st.floats(-1, 1), min_size=2, max_size=30)


@given(DIFFERENCES, st.integers(1, 100))
def test_an_interval_is_that_of_scipys_paired_test_at_the_corrected_level(differences, m):
    if np.ptp(differences) < 1e-6:
        return
    mean, low, high = interval(differences, comparisons=m)
    theirs = ttest_1samp(differences, 0).confidence_interval(1 - 0.05 / m)
    assert (low, high) == pytest.approx(tuple(theirs), abs=1e-9)
    assert mean == pytest.approx(np.mean(differences), abs=1e-12)


@given(DIFFERENCES)
def test_more_comparisons_make_it_wider(differences):
    _, low, high = interval(differences)
    _, lower, higher = interval(differences, comparisons=50)
    assert lower <= low <= high <= higher


def test_all_intervals_together_hold_with_the_stated_confidence():
    rng, m = np.random.default_rng(0), 20
    runs = rng.normal(size=(400, m, 10))
    missed = [any(low > 0 or high < 0 for _, low, high in
                  (interval(d, comparisons=m) for d in run)) for run in runs]
    assert np.mean(missed) < 0.08  # 0.05, up to the noise of 400 runs


@pytest.mark.parametrize("bad", [[0.1], [], [[0.1, 0.2]], [0.1, math.nan], [0.1, math.inf], 0.3])
def test_too_few_or_no_numbers_are_refused(bad):
    with pytest.raises(ValueError, match="one finite number per seed"):
        interval(bad)


@pytest.mark.parametrize("bad", [dict(comparisons=0), dict(confidence=0.0), dict(confidence=1.0)])
def test_an_impossible_level_is_refused(bad):
    with pytest.raises(ValueError, match="must"):
        interval([0.1, 0.2], **bad)


# ---------------------------------------------------------------------------------------- the rule

ENDS = st.tuples(*[st.floats(-1, 1)] * 2).map(sorted)
SMALLEST = st.floats(0.001, 1)


def told(ends, smallest, side="more"):
    low, high = ends
    return outcome(min(max((low + high) / 2, low), high), low, high, smallest=smallest, side=side)


@given(ENDS, SMALLEST)
def test_less_is_more_with_yes_and_no_exchanged(ends, smallest):
    swapped = {"yes": "no", "no": "yes", "open": "open"}
    assert told(ends, smallest, "less") == swapped[told(ends, smallest)]


@given(ENDS, SMALLEST)
def test_same_is_different_with_yes_and_no_exchanged(ends, smallest):
    swapped = {"yes": "no", "no": "yes", "open": "open"}
    assert told(ends, smallest, "same") == swapped[told(ends, smallest, "different")]


@given(ENDS, SMALLEST)
def test_a_difference_has_no_sign(ends, smallest):
    mirrored = [-ends[1], -ends[0]]
    assert told(mirrored, smallest, "different") == told(ends, smallest, "different")


@given(ENDS, SMALLEST)
def test_there_is_a_difference_if_one_side_says_more_and_none_if_both_say_less(ends, smallest):
    sides = [told(ends, smallest), told([-ends[1], -ends[0]], smallest)]
    wanted = "yes" if "yes" in sides else "no" if sides == ["no", "no"] else "open"
    assert told(ends, smallest, "different") == wanted


@given(ENDS, SMALLEST, st.floats(0, 1))
def test_a_larger_effect_never_turns_yes_into_less(ends, smallest, shift):
    order = ["no", "open", "yes"]
    larger = [end + shift for end in ends]
    assert order.index(told(larger, smallest)) >= order.index(told(ends, smallest))


@given(ENDS, SMALLEST)
def test_a_yes_is_surely_above_zero_and_a_no_surely_below_the_smallest(ends, smallest):
    low, high = ends
    assert {"yes": low > 0 and high >= smallest, "no": high < smallest,
            "open": high >= smallest}[told(ends, smallest)]


@given(ENDS, SMALLEST, st.floats(0, 1))
def test_a_wider_interval_decides_nothing_that_a_narrower_one_denied(ends, smallest, extra):
    wider = [ends[0] - extra, ends[1] + extra]
    assert told(wider, smallest) in {told(ends, smallest), "open"}


def test_nothing_at_all_is_a_no():
    assert outcome(0.0, 0.0, 0.0, smallest=0.01) == "no"


@pytest.mark.parametrize("bad", [
    (0.0, 0.1, 0.2), (math.nan, math.nan, math.nan), (0.1, 0.2, 0.0)])
def test_an_effect_outside_its_interval_is_refused(bad):
    with pytest.raises(ValueError, match="must contain it"):
        outcome(*bad, smallest=0.01)


def test_a_smallest_effect_of_nothing_is_refused():
    with pytest.raises(ValueError, match="above 0"):
        outcome(0.1, 0.0, 0.2, smallest=0.0)
    with pytest.raises(ValueError, match="side is 'most'"):
        outcome(0.1, 0.0, 0.2, smallest=0.1, side="most")


@pytest.mark.parametrize(("outcomes", "says"), [
    (["yes", "yes"], "holds"), (["yes", "no"], "holds only when: a"),
    (["open", "yes"], "holds when: b (open: a)"), (["no", "no"], "did not hold here"),
    (["no", "open"], "not testable at this size"), (["open"], "not testable at this size")])
def test_a_verdict_follows_from_the_outcomes(outcomes, says):
    assert verdict(dict(zip("ab", outcomes, strict=False))) == says


def test_a_claim_without_a_setting_has_no_verdict():
    with pytest.raises(ValueError, match="at least one setting"):
        verdict({})


# -------------------------------------------------------------------------------------- the docket

BIG, NOTHING, WILD = [0.1, 0.11, 0.12], [0.0, 0.001, -0.001], [-1.0, 1.0, 0.5]


def docket(comparisons=10):
    return Docket({"recall": 0.02, "accuracy": 0.01}, comparisons=comparisons)


def test_a_setting_is_met_if_all_of_its_conditions_are(capsys):
    book = docket()
    book.test("A", "a", {"here": [more(BIG, "recall"), less(NOTHING, "accuracy")]})
    book.test("B", "b", {"here": [more(BIG, "recall"), less(BIG, "accuracy")]})
    book.test("C", "c", {"here": [more(BIG, "recall"), less(WILD, "accuracy")]})
    verdicts_told = book.frame.groupby("claim")["verdict"].first().to_dict()
    assert verdicts_told == {"A": "holds", "B": "did not hold here",
                             "C": "not testable at this size"}
    assert capsys.readouterr().out.splitlines()[2] == "A: holds"


@pytest.mark.parametrize(("differences", "verdict_told"), [
    (BIG, "did not hold here"), (NOTHING, "not testable at this size"),
    (WILD, "not testable at this size")])
def test_a_setting_whose_control_is_not_met_is_open(differences, verdict_told, capsys):
    book = docket()
    book.test("A", "a", {"here": [control(more(differences, "recall")), more(NOTHING, "recall")]})
    assert book.frame["verdict"].tolist() == [verdict_told] * 2
    assert book.frame["role"].tolist() == ["control", "claim"]
    assert capsys.readouterr().out.startswith("control, here: recall")


def test_a_met_control_adds_nothing_to_a_claim():
    book = docket()
    book.test("A", "a", {"here": [control(more(BIG, "recall")), same(NOTHING, "accuracy")]})
    book.test("B", "b", {"here": [control(more(BIG, "recall")), different(WILD, "accuracy")]})
    assert book.frame.groupby("claim")["verdict"].first().tolist() == [
        "holds", "not testable at this size"]


def test_a_docket_holds_what_was_announced():
    book = docket(comparisons=1)
    book.test("A", "a", {"here": more(BIG, "recall")})
    with pytest.raises(ValueError, match="judge it once"):
        book.test("A", "a", {"here": more(BIG, "recall")})
    with pytest.raises(ValueError, match="1 were announced"):
        book.test("B", "b", {"here": more(BIG, "recall")})
    assert len(book.frame) == 1


def test_an_unknown_metric_is_refused_by_name():
    with pytest.raises(ValueError, match=r"'luck'.*recall, accuracy"):
        docket().test("A", "a", {"here": more(BIG, "luck")})


def two_dockets(first, again):
    frames = []
    for differences in [first, again]:
        book = docket()
        book.test("A", "a", {"x": more(differences, "recall"), "y": more(NOTHING, "recall")})
        frames.append(book.frame)
    return frames


@pytest.mark.parametrize(("again", "stability"), [
    (BIG, "stable"), (WILD, "fragile"), (NOTHING, "flipped")])
def test_stability_tells_fragile_from_flipped(again, stability):
    assert compare(*two_dockets(BIG, again))["stability"].tolist() == [stability]


def test_changed_counts_the_settings_that_hide_behind_the_same_words():
    frames = []
    for first, second in [(WILD, NOTHING), (NOTHING, WILD)]:
        book = docket()
        book.test("A", "a", {"x": more(first, "recall"), "y": more(second, "recall"),
                             "z": more(WILD, "recall")})
        frames.append(book.frame)
    row = compare(*frames).loc["A"]
    assert (row["stability"], row["changed"]) == ("stable", 2)


def test_other_claims_cannot_be_compared():
    first, again = two_dockets(BIG, BIG)
    with pytest.raises(ValueError, match="different claims"):
        compare(first, again.iloc[:1])


# --------------------------------------------------------------------------- the committed results

@pytest.mark.parametrize("table", [FIRST, AGAIN], ids=["first", "again"])
def test_each_committed_verdict_follows_from_its_intervals_by_the_rule(table):
    for row in table.itertuples():
        assert row.outcome == outcome(row.effect, row.low, row.high, smallest=row.smallest,
                                      side=row.side), row
    for claim, rows in table.groupby("claim"):
        outcomes = verdicts._by_setting(rows.to_dict("records"))
        assert set(rows["verdict"]) == {verdict(outcomes)}, claim


def test_every_claim_of_the_posts_was_judged():
    assert set(FIRST["claim"]) == CLAIMS


def test_no_verdict_flips_with_other_seeds():
    stability = compare(FIRST, AGAIN)["stability"]
    assert "flipped" not in set(stability)
    assert (stability == "fragile").mean() < 0.34  # the words name each open setting


def test_the_bands_of_the_two_runs_overlap_but_for_a_few():
    apart = (FIRST["effect"] - AGAIN["effect"]).abs() > (
        (FIRST["high"] - FIRST["low"]) + (AGAIN["high"] - AGAIN["low"])) / 2
    assert apart.mean() < 0.05, FIRST[apart]


def test_the_committed_results_are_those_of_the_committed_notebook():
    text = (ROOT / "notebooks" / "08_choosing_a_loss.ipynb").read_text(encoding="utf-8")
    number = r"([+-]\d+\.\d{3})"
    for row in FIRST.itertuples():
        line = (re.escape(f"{row.where}: {row.metric} ") + rf"{number} \[{number}, {number}\], "
                rf"{row.side} \w+ {row.smallest:.2g}\? {row.outcome}")
        printed = [[float(value) for value in found] for found in re.findall(line, text)]
        stored = pytest.approx([row.effect, row.low, row.high], abs=0.0006)
        assert any(values == stored for values in printed), line


@cache
def laboratory(first):
    """The names that the notebook defines before its first experiment, with other seeds."""
    source = (ROOT / "notebooks/source/08_choosing_a_loss.py").read_text(encoding="utf-8")
    cells = [cell.split("\n", 1) for cell in re.split(r"(?m)^# %%", source)[1:]]
    code = [body for head, body in cells if "[markdown]" not in head]
    until = next(i for i, body in enumerate(code) if "def some(" in body)
    names = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_FIRST_SEED", str(first))
        for body in code[:until + 1]:
            exec(body, names)
    return names


def test_a_third_set_of_seeds_gives_an_effect_within_the_committed_bands():
    lab = laboratory(3000)
    short = lab["train"](lab["benches"]["long tail"], lambda: lab["mlp"](64, 32, 10),
                         lab["some"]("cross entropy", "focal 2"), lr=[0.01], epochs=15)
    lab["results"]["in a hurry"] = lab["choose"](short, lab["macro_f1"])
    for claim, metric in [("A1", "rare_recall"), ("A4", "macro_f1")]:
        effect = lab["gain"]("in a hurry", "focal 2", lab[metric]).mean().item()
        row = FIRST[(FIRST["claim"] == claim) & (FIRST["where"] == "in a hurry")].iloc[0]
        half = (row["high"] - row["low"]) / 2
        assert abs(effect - row["effect"]) < math.sqrt(2) * half
        assert effect > row["smallest"]
