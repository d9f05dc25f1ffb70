"""The rule of the laboratory, and the verdicts that it gives on the stored scores."""

import hashlib
import json
import math
import re
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_utils.lab import claims, running
from course_utils.lab.experiments import EXPERIMENTS
from course_utils.lab.verdicts import outcome, verdict

# ---------------------------------------------------------------------------------------- the rule

ENDS = st.tuples(*[st.floats(-1, 1)] * 2).map(sorted)
SMALLEST = st.floats(0.001, 1)


def of(ends, smallest, kind="more"):
    low, high = ends
    return outcome(min(max((low + high) / 2, low), high), low, high, smallest=smallest, kind=kind)


@given(ENDS, SMALLEST)
def test_less_is_more_with_yes_and_no_exchanged(ends, smallest):
    swapped = {"yes": "no", "no": "yes", "the reverse": "yes", "open": "open"}
    assert of(ends, smallest, "less") == swapped[of(ends, smallest)]


@given(ENDS, SMALLEST)
def test_same_is_different_with_yes_and_no_exchanged(ends, smallest):
    swapped = {"yes": "no", "no": "yes", "open": "open"}
    assert of(ends, smallest, "same") == swapped[of(ends, smallest, "different")]


@given(ENDS, SMALLEST)
def test_a_difference_has_no_direction(ends, smallest):
    mirrored = [-ends[1], -ends[0]]
    assert of(mirrored, smallest, "different") == of(ends, smallest, "different")


@given(ENDS, SMALLEST)
def test_the_reverse_of_a_claim_is_the_claim_with_its_sides_exchanged(ends, smallest):
    mirrored = [-ends[1], -ends[0]]
    assert (of(ends, smallest) == "the reverse") == (of(mirrored, smallest) == "yes")


@given(ENDS, SMALLEST)
def test_there_is_a_difference_if_one_direction_is_a_yes_and_none_if_both_are_a_no(ends, smallest):
    both = [of(ends, smallest), of([-ends[1], -ends[0]], smallest)]
    wanted = "yes" if "yes" in both else "no" if both == ["no", "no"] else "open"
    assert of(ends, smallest, "different") == wanted


@given(ENDS, SMALLEST, st.floats(0, 1))
def test_a_larger_effect_is_never_less_of_a_yes(ends, smallest, shift):
    order = ["the reverse", "no", "open", "yes"]
    larger = [end + shift for end in ends]
    assert order.index(of(larger, smallest)) >= order.index(of(ends, smallest))


@given(ENDS, SMALLEST)
def test_a_yes_is_surely_above_zero_and_a_no_surely_below_the_smallest(ends, smallest):
    low, high = ends
    assert {"yes": low > 0 and high >= smallest, "no": high < smallest, "the reverse": high < 0,
            "open": high >= smallest}[of(ends, smallest)]


@given(ENDS, SMALLEST, st.floats(0, 1))
def test_a_wider_interval_decides_nothing_that_a_narrower_one_denied(ends, smallest, extra):
    wider = [ends[0] - extra, ends[1] + extra]
    narrow = of(ends, smallest)
    allowed = {narrow, "open", "no"} if narrow == "the reverse" else {narrow, "open"}
    assert of(wider, smallest) in allowed


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
    with pytest.raises(ValueError, match="kind is 'most'"):
        outcome(0.1, 0.0, 0.2, smallest=0.1, kind="most")


@pytest.mark.parametrize(("outcomes", "says"), [
    (["yes", "yes"], "holds"), (["yes", "no"], "holds where: a"),
    (["open", "yes"], "holds where: b; open: a"), (["no", "no"], "does not hold"),
    (["no", "open"], "does not hold; open: b"), (["open"], "open"),
    (["the reverse"], "the reverse holds"), (["the reverse", "no"],
                                             "does not hold; the reverse: a")])
def test_a_verdict_follows_from_the_outcomes(outcomes, says):
    assert verdict(dict(zip("ab", outcomes, strict=False))) == says


@pytest.mark.parametrize(("found", "badge"), [
    ("holds", "holds"), ("holds where: a; open: b", "holds in places"),
    ("holds where: a; the reverse: b; open: c", "both ways"), ("does not hold", "does not hold"),
    ("does not hold; the reverse: a", "does not hold"), ("the reverse holds", "the reverse holds"),
    ("open", "open")])
def test_a_badge_is_short_for_a_verdict(found, badge):
    assert claims.badge(found) == badge


def test_a_claim_without_a_setting_has_no_verdict():
    with pytest.raises(ValueError, match="at least one setting"):
        verdict({})


# ------------------------------------------------------------------------------- the stored scores


@cache
def judged(which: str | None = None) -> pd.DataFrame:
    return claims.judge(running.load(which))


@cache
def board() -> pd.DataFrame:
    return claims.summarise(judged(), *map(judged, running.SETS))


def test_every_claim_of_the_posts_is_judged_but_the_one_on_the_running_time():
    numbered = {*(f"A{n}" for n in range(1, 18)), *(f"B{n}" for n in range(1, 5)),
                *(f"C{n}" for n in range(1, 12))}
    assert set(board().index) == numbered - {"A6"}
    assert set(claims.FOUND) == set(claims.CLAIMS)


# The verdicts for which the sentences in claims.FOUND were written. Where one of them is another
# one now, read the sentence again.
WRITTEN_FOR = {
    "A1": "holds where: long tail, 15 epochs / 15 epochs, untuned; the reverse: long tail, "
          "rival shifted / grouped, rival shifted / long tail, 15 epochs, rival shifted / "
          "15 epochs, untuned, rival shifted",
    "A2": "holds where: balanced, same network / balanced, each its own / wrong labels, "
          "same network",
    "A3": "does not hold; the reverse: wrong labels",
    "A4": "holds where: 15 epochs, untuned; the reverse: long tail, rival shifted / long "
          "tail, 15 epochs, rival shifted / 15 epochs, untuned, rival shifted; open: long "
          "tail, 15 epochs",
    "A5": "does not hold",
    "A7": "holds",
    "A8": "holds where: wrong labels, gamma 2 / wrong labels, gamma 5 / balanced, gamma 5 / "
          "wrong rather than right labels, gamma 5",
    "A9": "does not hold",
    "A10": "holds",
    "A11": "open",
    "A12": "holds where: gamma 5, long tail / alpha 0.25, hard clouds at 0.5 / alpha 0.25, "
           "easy clouds at 0.5",
    "A13": "holds where: balanced, SGD",
    "A14": "does not hold",
    "A15": "does not hold",
    "A16": "holds where: weights, long tail",
    "A17": "the reverse holds",
    "B1": "holds",
    "B2": "holds where: long tail / long tail, shares as in training / long tail, 15 epochs "
          "/ 15 epochs, untuned / 15 epochs, untuned, rival shifted; open: long tail, 15 "
          "epochs, rival shifted",
    "B3": "does not hold; the reverse: long tail",
    "B4": "holds where: long tail; open: grouped",
    "C1": "holds where: long tail",
    "C2": "holds where: wrong labels, 80 epochs; the reverse: balanced / balanced, rival "
          "with a temperature / photos / photos, rival with a temperature / wrong labels / "
          "wrong labels, rival with a temperature",
    "C3": "does not hold; the reverse: wrong labels / wrong labels, rival with a temperature",
    "C4": "open",
    "C5": "holds where: wrong labels; the reverse: long tail / long tail, rival shifted; "
          "open: frauds, at 0.5",
    "C6": "the reverse holds",
    "C7": "holds",
    "C8": "holds where: long tail / long tail, 15 epochs / 15 epochs, untuned / long tail, "
          "both shifted; open: grouped",
    "C9": "holds where: F1, hard clouds / cost, from the costs / cost, from validation; "
          "open: F1, easy clouds",
    "C10": "holds where: one rate for both lengths / best epoch of validation, one rate",
    "C11": "holds where: long tail / balanced sampling; open: long tail, 15 epochs",
}


@pytest.mark.parametrize("name", claims.CLAIMS)
def test_the_sentence_on_a_claim_was_written_for_its_verdict(name):
    assert board().loc[name, "verdict"] == WRITTEN_FOR[name]


def test_the_board_as_a_table_holds_each_sentence_and_escapes_it():
    spoiled = board().assign(says="a < b")
    table = claims.in_a_table(spoiled).data
    assert table.count("<tr>") == 1 + len(claims.CLAIMS)
    assert table.count("a &lt; b") == len(claims.CLAIMS)
    assert all(sentence in table for sentence in claims.FOUND.values())


def test_at_most_three_claims_are_open_and_each_says_why():
    """More seeds would decide a comparison, or a control is decided, and against the claim."""
    unsettled = board().index[board()["verdict"] == "open"]
    assert len(unsettled) <= 3
    for name in unsettled:
        rows = judged()[judged()["claim"] == name]
        undecided = rows.loc[rows["outcome"] == "open", "seeds needed"]
        assert (undecided > 200).any() or (rows["control"] & (rows["outcome"] != "yes")).any()


def test_no_verdict_is_contradicted_by_one_of_the_two_sets_of_seeds():
    assert not (board()["stability"] == "contradicted").any()
    changed = claims.outcomes(judged("first")) != claims.outcomes(judged("second"))
    assert changed.mean() < 0.2


def test_the_intervals_of_the_two_sets_overlap_but_for_a_few():
    """Each is right with 95 % for all claims together, so two for the same effect must meet."""
    first, second = judged("first"), judged("second")
    apart = (first["low"] > second["high"]) | (second["low"] > first["high"])
    assert apart.sum() <= 2, first.loc[apart, ["claim", "where"]]


def test_no_choice_of_a_claim_took_the_end_of_a_grid():
    """A wider grid might have been kinder to a side that did."""
    assert claims.at_an_end(running.load()).empty


def test_a_verdict_can_be_computed_by_hand():
    """Weights on the long tail: one rate for each side, and a paired interval without the luck of
    choosing, which the one of the laboratory must contain or nearly equal."""
    table = pd.read_csv(running.RESULTS / "long_tail.csv.xz", index_col=running.ROWS)
    macro = table.xs("macro F1", level="metric").xs("as trained", level="rule")
    val = macro.xs("val", level="part").groupby(["loss", "lr"]).sum().sum(axis=1)
    chosen = {loss: val[loss].idxmax() for loss in ("weighted", "cross entropy")}
    gains = np.concatenate([
        (macro.loc[which, "weighted", chosen["weighted"], "test"]
         - macro.loc[which, "cross entropy", chosen["cross entropy"], "test"]).to_numpy()
        for which in running.SETS])
    stored = judged().set_index(["claim", "where"]).loc[("B2", "long tail")]
    assert stored["effect"] == pytest.approx(gains.mean(), abs=1e-4)
    error = gains.std(ddof=1) / math.sqrt(len(gains))
    assert 0.9 < (stored["high"] - stored["low"]) / 2 / (3.6 * error) < 2


def test_the_stored_tables_are_whole_and_belong_to_the_settings():
    about = json.loads((running.RESULTS / "about.json").read_text(encoding="utf-8"))
    assert about["command"].startswith("python start.py lab")
    assert {of["experiment"] for of in about["files"].values()} == set(EXPERIMENTS)
    size = 0
    for file, of in about["files"].items():
        content = (running.RESULTS / file).read_bytes()
        size += len(content)
        assert hashlib.sha256(content).hexdigest() == of["sha256"], file
        # the settings are stored as JSON, where tuples are lists
        settings = json.loads(json.dumps(running.dataclasses.asdict(EXPERIMENTS[of["experiment"]])))
        assert of["settings"] == settings, file
        assert re.fullmatch(r"\w+\.csv\.xz", file)
    assert size <= 3_000_000
