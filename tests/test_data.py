"""What course_utils.data promises: the right rows and weights, an honest twin, no half file."""

import bz2
import gzip
import io
import json
import lzma
import os
import re
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from downloads import fill_the_disk, left_behind
from scipy.stats import ks_2samp, multivariate_normal
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, precision_recall_curve
from sklearn.preprocessing import StandardScaler

from course_utils import runtime
from course_utils.data import DataError, creditcard, creditcard_twin, load_creditcard, sources
from course_utils.data.twin import load_twin

SPEC_FILE = Path(sources.ROOT, "data", "twin_spec.json")
SPEC = json.loads(SPEC_FILE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def twin():
    return creditcard_twin()


@pytest.fixture(scope="module")
def many():
    """As many frauds as normals, so that both are known well."""
    return creditcard_twin(seed=1, n=400_000, n_fraud=200_000)


# The twin ---------------------------------------------------------------------


def test_twin_looks_like_the_published_file(twin):
    assert list(twin.frame) == creditcard.COLUMNS
    assert (len(twin.frame), twin.frame["Class"].sum()) == (284_807, 492)
    assert twin.frame["Time"].is_monotonic_increasing
    assert twin.frame["Time"].between(0, 2 * 86_400).all()
    assert (twin.frame["Time"] % 1 == 0).all()
    assert (twin.frame["Amount"] > 0).all()
    assert np.isfinite(twin.frame.to_numpy()).all()
    assert twin.weight.sum() == 284_807


def test_the_same_seed_gives_the_same_bytes():
    first, again, other = (creditcard_twin(seed=s, n=5000, n_fraud=50).frame for s in (3, 3, 4))
    assert first.to_numpy().tobytes() == again.to_numpy().tobytes()
    assert not np.isin(first["V1"], other["V1"]).any()


@pytest.mark.parametrize(("c", "name"), [(0, "normal"), (1, "fraud")])
def test_classes_have_the_real_means_and_spreads(many, c, name):
    drawn = many.raw_features[many.frame["Class"] == c]
    mean, sd = (np.array(SPEC["real"][key][name]) for key in ("mean", "sd"))
    np.testing.assert_allclose((drawn.mean() - mean) / sd, 0, atol=0.03)
    np.testing.assert_allclose(drawn.std() / sd, 1, atol=0.03)


def test_a_logistic_regression_finds_the_twin_as_hard_as_the_real_rows(twin):
    scores = logistic_regression(twin)
    real = SPEC["real"]
    assert scores.mean(axis=0) == pytest.approx(
        [real["average_precision"][0], real["best_f1"][0]], abs=0.03)


def test_the_real_rows_are_as_hard_as_the_spec_says(real_data):
    scores = logistic_regression(load_creditcard(real_data))
    real = SPEC["real"]
    assert scores.mean(axis=0) == pytest.approx(
        [real["average_precision"][0], real["best_f1"][0]], abs=0.005)


def logistic_regression(rows) -> np.ndarray:
    """Average precision and best F1 for ten splits, at the true prevalence."""
    scores = []
    for seed in range(10):
        parts = rows.split(seed=seed, fractions=(0.6, 0.0, 0.4))
        x, y, weight = (getattr(parts.test, name).numpy() for name in ("x", "y", "weight"))
        model = LogisticRegression(max_iter=1000)
        model.fit(parts.train.x.numpy(), parts.train.y.numpy(), parts.train.weight.numpy())
        logit = model.decision_function(x)  # float32 probabilities tie at 1, which costs 0.008
        precision, recall, _ = precision_recall_curve(y, logit, sample_weight=weight)
        best_f1 = np.max(2 * precision * recall / np.maximum(precision + recall, 1e-9))
        scores.append((average_precision_score(y, logit, sample_weight=weight), best_f1))
    return np.array(scores)


def test_time_says_nothing_about_the_class_but_knows_day_from_night(many):
    time, fraud = many.frame["Time"], many.frame["Class"] == 1
    assert ks_2samp(time[fraud], time[~fraud]).pvalue > 0.01
    hour = time // 3600 % 24
    assert hour.between(2, 5).mean() < 0.06 < 0.25 < hour.between(10, 14).mean()


def test_posterior_is_bayes_rule_on_scipys_densities(twin):
    frauds = np.flatnonzero(twin.frame["Class"])[:40]
    rows = np.concatenate([frauds, np.arange(0, 284_807, 3000)])
    some = twin.frame.iloc[rows]
    log_amount, score = np.log(some["Amount"]), SPEC["amount_scale"]
    x = np.column_stack([some.loc[:, "V1":"V28"], np.interp(log_amount, score[1], score[0])])

    def density(name):
        total = 0
        for weight, mean, row in zip(*(SPEC[name][key] for key in
                                       ("weight", "mean", "cholesky_rows")), strict=True):
            lower = np.zeros((29, 29))
            lower[np.tril_indices(29)] = row
            total += weight * multivariate_normal(mean, lower @ lower.T).pdf(x)
        return total / sum(SPEC[name]["weight"])

    a, b = SPEC["normals_from_fraud"], SPEC["frauds_from_normal"]
    f0, f1, prior = density("normal"), density("fraud"), 492 / 284_807
    fraud = prior * ((1 - b) * f1 + b * f0)
    normal = (1 - prior) * ((1 - a) * f0 + a * f1)
    np.testing.assert_allclose(twin.posterior(rows), fraud / (fraud + normal), rtol=1e-9)
    np.testing.assert_allclose(np.exp(load_twin(SPEC_FILE).normal.log_density(x)), f0, rtol=1e-9)


def test_posterior_is_calibrated():
    rows = creditcard_twin(seed=2, n=300_000, n_fraud=15_000)
    prob, fraud = rows.posterior(), rows.frame["Class"].to_numpy()
    assert prob.mean() == pytest.approx(0.05, abs=4 * 0.05 / np.sqrt(15_000))
    bins = np.digitize(prob, [0.003, 0.01, 0.03, 0.1, 0.3, 0.7, 0.9, 0.95, 0.99])
    for b in np.unique(bins):
        said, n = prob[bins == b].mean(), (bins == b).sum()
        error = np.sqrt(said * (1 - said) / n)
        assert fraud[bins == b].mean() == pytest.approx(said, abs=4 * error)


def test_as_many_rows_are_doubtful_as_strong_models_find_in_the_real_rows(many):
    real, fraud = SPEC["real"]["doubtful_rows"], many.frame["Class"].to_numpy() == 1
    prob = load_twin(SPEC_FILE).posterior(many.frame, prior=492 / 284_807)
    weight = np.where(fraud, 492 / fraud.sum(), 284_315 / (~fraud).sum())  # of the full table
    for what, mine in (("rows", weight), ("frauds", weight * fraud)):
        found, _ = np.histogram(prob, bins=real["edges"], weights=mine)
        lowest, highest = np.transpose(real[what])
        assert (found > 0.6 * lowest).all()
        assert (found < highest).all()
        lowest, highest = real[f"all_{what}"]
        assert lowest < found.sum() < highest


def test_posterior_is_right_for_doubtful_rows():
    rows = creditcard_twin(seed=4, n=300_000, n_fraud=6_000)
    prob, fraud = rows.posterior(), rows.frame["Class"].to_numpy()
    bins = np.digitize(prob, [0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
    for b in range(1, 11):
        said, n = prob[bins == b].mean(), (bins == b).sum()
        assert n > 30
        error = np.sqrt(said * (1 - said) / n)
        assert fraud[bins == b].mean() == pytest.approx(said, abs=4 * error)


def test_no_score_ranks_better_than_the_posterior(twin):
    x = StandardScaler().fit_transform(twin.raw_features)
    fraud = twin.frame["Class"]
    model = LogisticRegression(max_iter=1000).fit(x, fraud)
    assert (average_precision_score(fraud, twin.posterior())
            > average_precision_score(fraud, model.decision_function(x)))


def test_posterior_follows_the_rows_it_is_asked_for(twin):
    rows = np.array([5, 284_806, 5])
    np.testing.assert_array_equal(twin.posterior(rows), twin.posterior()[rows])


def test_posterior_takes_row_numbers_never_features(twin):
    part = twin.split().test
    for wrong in (part.x, part.y, twin.raw_features.to_numpy()):
        with pytest.raises(TypeError, match=r"parts\.test\.raw_index"):
            twin.posterior(wrong)


@pytest.mark.parametrize(("n", "n_fraud"), [(10, 0), (10, 10), (10, 11)])
def test_twin_needs_both_classes(n, n_fraud):
    with pytest.raises(ValueError, match=f"n_fraud is {n_fraud} with n = 10"):
        creditcard_twin(n=n, n_fraud=n_fraud)


def test_spec_is_small():
    assert SPEC_FILE.stat().st_size <= 100_000


# Splits -----------------------------------------------------------------------


@pytest.mark.parametrize("by", ["random", "time"])
@pytest.mark.parametrize("fractions", [(0.6, 0.2, 0.2), (0.8, 0.0, 0.2), (1.0, 0.0, 0.0)])
def test_every_row_is_in_exactly_one_part(twin, by, fractions):
    parts = twin.split(by=by, fractions=fractions)
    parts = (parts.train, parts.val, parts.test)
    assert [len(p) for p in parts] == pytest.approx([284_807 * f for f in fractions], abs=2)
    index = np.concatenate([p.raw_index for p in parts])
    np.testing.assert_array_equal(np.sort(index), np.arange(284_807))
    for part in parts:
        assert part.x.shape == (len(part), 29)
        rows = twin.frame.iloc[part.raw_index]
        np.testing.assert_array_equal(part.y, rows["Class"])
        np.testing.assert_allclose(part.amount, rows["Amount"], rtol=1e-6)
        assert {str(t.dtype) for t in (part.x, part.y, part.weight, part.amount)} == {
            "torch.float32"}


def test_random_split_keeps_the_share_of_frauds_and_follows_its_seed(twin):
    parts = twin.split(seed=1)
    assert [int(p.y.sum()) for p in (parts.train, parts.val, parts.test)] == [295, 99, 98]
    np.testing.assert_array_equal(parts.test.raw_index, twin.split(seed=1).test.raw_index)
    assert not np.array_equal(parts.test.raw_index, twin.split(seed=2).test.raw_index)


def test_time_split_trains_on_the_past(twin):
    parts, time = twin.split(by="time"), twin.frame["Time"].to_numpy()
    assert time[parts.train.raw_index].max() <= time[parts.val.raw_index].min()
    assert time[parts.val.raw_index].max() <= time[parts.test.raw_index].min()


def test_scaler_knows_only_the_weighted_training_rows(own_file):
    rows = load_creditcard(own_file)
    rows.weight[rows.frame["Class"] == 0] = 6.5
    parts = rows.split()
    train = rows.raw_features.iloc[parts.train.raw_index].to_numpy()
    weight = rows.weight[parts.train.raw_index]
    mean = np.average(train, axis=0, weights=weight)
    sd = np.sqrt(np.average((train - mean) ** 2, axis=0, weights=weight))
    test = rows.raw_features.iloc[parts.test.raw_index].to_numpy()
    np.testing.assert_allclose(parts.test.x, (test - mean) / sd, atol=1e-4)
    assert parts.features == [*(f"V{i}" for i in range(1, 29)), "log_amount"]
    assert list(parts.scaler.feature_names_in_) == parts.features


def test_rows_are_repeated_as_often_as_their_weight_says(own_file):
    rows = load_creditcard(own_file)
    rows.weight[rows.frame["Class"] == 0] = 6.5
    part = rows.split().train
    whole = part.repeated()
    times = np.bincount(whole.raw_index, minlength=len(rows.frame))[part.raw_index]
    assert set(times[part.y == 0]) == {6, 7}
    assert set(times[part.y == 1]) == {1}
    assert whole.weight.unique().tolist() == [1.0]
    assert len(whole) == pytest.approx(float(part.weight.sum()), rel=0.02)
    torch.testing.assert_close(whole.x[0], part.x[0])


def test_repeating_changes_nothing_where_all_weights_are_one(twin):
    part = twin.split().test
    assert torch.equal(part.repeated().x, part.x)
    assert torch.equal(part.repeated(seed=1).y, part.y)


def test_thinning_keeps_all_frauds_and_the_total_weight(twin):
    part = twin.split().train
    few = part.thinned(normals=500)
    assert few.y.sum() == part.y.sum()
    assert (few.y == 0).sum() == 500
    assert few.weight[few.y == 1].unique().tolist() == [1.0]
    assert float(few.weight.sum()) == pytest.approx(float(part.weight.sum()), rel=1e-5)
    assert (np.diff(few.raw_index) > 0).all()
    assert torch.equal(few.x, part.x[np.searchsorted(part.raw_index, few.raw_index)])
    assert set(part.thinned(normals=500, seed=1).raw_index) != set(few.raw_index)
    assert torch.equal(part.thinned(normals=10**9).weight, part.weight)
    with pytest.raises(ValueError, match="at least 1 normal row"):
        part.thinned(normals=0)


def test_another_table_is_standardised_by_the_training_rows(twin):
    parts = twin.split()
    again = parts.standardise(twin)
    assert len(again) == len(twin.frame)
    for part in (parts.train, parts.test):
        torch.testing.assert_close(again.x[part.raw_index], part.x)
        assert torch.equal(again.y[part.raw_index], part.y)


def test_log_amount_is_that_of_the_post(own_file):
    rows = load_creditcard(own_file)
    np.testing.assert_array_equal(rows.raw_features["log_amount"],
                                  np.log(rows.frame["Amount"] + 0.001))


@pytest.mark.parametrize("fractions", [(0.6, 0.4), (0.6, 0.2, 0.3), (0, 0.5, 0.5),
                                       (1.2, -0.1, -0.1), (float("nan"), 0.2, 0.2)])
def test_impossible_fractions_are_named(twin, fractions):
    with pytest.raises(ValueError, match="that sum to 1"):
        twin.split(fractions=fractions)


def test_unknown_kind_of_split_is_named(twin):
    with pytest.raises(ValueError, match="by is 'class'; it must be 'random' or 'time'"):
        twin.split(by="class")


@pytest.mark.parametrize(("n_fraud", "fractions", "part"), [
    (2, (0.6, 0.2, 0.2), "test"), (1, (0.6, 0.0, 0.4), "test"), (1, (0.2, 0.0, 0.8), "train"),
    (99, (0.6, 0.2, 0.2), "val")])
def test_a_part_without_a_fraud_or_without_a_normal_is_refused(n_fraud, fractions, part):
    kind = "normal transaction" if n_fraud == 99 else "fraud"
    with pytest.raises(ValueError, match=rf"the {part} part would hold no {kind}: there are "
                       rf"{n_fraud} frauds among 100 rows, split by 'random' into \(0\.\d, "):
        creditcard_twin(n=100, n_fraud=n_fraud).split(fractions=fractions)


def test_a_split_by_time_whose_last_rows_hold_no_fraud_is_refused(own_file):
    rows = load_creditcard(own_file)
    rows.frame["Time"] = 1.0 - rows.frame["Class"]  # all frauds come first
    with pytest.raises(ValueError, match=r"the val part would hold no fraud: .* by 'time'"):
        rows.split(by="time")
    assert len(rows.split(by="time", fractions=(1.0, 0.0, 0.0)).train) == 400


# The real rows ----------------------------------------------------------------


def test_the_draw_is_weighted_back_to_the_true_prevalence(real_data):
    rows = load_creditcard(real_data / "creditcard_sample.csv.gz")
    assert str(rows.source) == ("Data: credit-card fraud, 43,241 real rows (15 % sample of the "
                                "normals, weighted to 284,807) from creditcard_sample.csv.gz")
    fraud = rows.frame["Class"] == 1
    assert rows.weight[fraud].sum() == 492
    assert rows.weight.sum() == pytest.approx(284_807)
    assert np.unique(rows.weight[~fraud]) == pytest.approx(6.651, abs=0.001)
    with pytest.raises(DataError, match="synthetic twin only"):
        rows.posterior()


def test_a_folder_of_real_data_is_found_by_argument_and_by_environment(real_data, outside):
    assert load_creditcard(real_data).source.kind == "path"
    outside.setenv("COURSE_DATA", str(real_data))
    assert load_creditcard().source.real


def test_the_published_fingerprint_is_that_of_the_published_rows(real_data):
    rows = pd.read_csv(real_data / "creditcard_time_amount_class.csv.gz")
    assert (len(rows), rows["Class"].sum(), rows["Time"].iloc[-1]) == (284_807, 492, 172_792)
    assert creditcard._digest(rows) == creditcard.FULL_DIGEST


# Files that a user names ------------------------------------------------------


def text_of(frame: pd.DataFrame) -> str:
    return frame.to_csv(index=False, lineterminator="\n")


@pytest.fixture
def own_frame():
    return creditcard_twin(n=400, n_fraud=40).frame.round({"Amount": 2})


@pytest.fixture
def own_file(tmp_path, own_frame):
    file = tmp_path / "mine.csv"
    file.write_text(text_of(own_frame))
    return file


def test_a_draw_of_ones_own_is_taken_with_weight_one_and_said_to_be_unpublished(
        own_file, own_frame):
    rows = load_creditcard(own_file)
    pd.testing.assert_frame_equal(rows.frame, own_frame)
    assert (rows.weight == 1).all()
    assert "400 rows, 40 frauds (not the published file" in str(rows.source)
    assert "mine.csv" in str(rows.source)
    assert rows.source.real


def test_columns_may_come_in_any_order_and_company(tmp_path, own_frame):
    file = tmp_path / "mine.csv.gz"
    with gzip.open(file, "wt") as out:
        out.write(text_of(own_frame.iloc[:, ::-1].assign(shop="corner")))
    pd.testing.assert_frame_equal(load_creditcard(file).frame, own_frame)


SPOILT = {
    "a column is missing": (lambda t: t.replace("V17", "V71"), "lacks the column V17;"),
    "no header": (lambda t: t.split("\n", 1)[1], "lacks the column Time and 30 more;"),
    "semicolons": (lambda t: t.replace(",", ";"), "lacks the column Time and 30 more;"),
    "cut inside a row": (lambda t: t[:-40], "in data row 400 is empty"),
    "a word among the numbers": (lambda t: t.replace("\n", "\n1 o'clock", 1),
                                 "Time in data row 1 is \"1 o'clock"),
    "infinite": (lambda t: re.sub(r"\n\d+\.0", "\n1e999", t, count=1),
                 "Time in data row 1 is 'inf'"),
    "a class of its own": (lambda t: t.rstrip()[:-1] + "2\n", "Class in data row 400 is '2"),
    "a cell too many": (lambda t: t.replace("\n", ",0\n").replace(",0\n", "\n", 1),
                        "more cells in a row than names"),
    "a row too long": (lambda t: t.rstrip() + ",0\n", "Expected 31 fields"),
    "empty": (lambda t: "", "No columns to parse"),
    "header only": (lambda t: t.split("\n")[0] + "\n", "0 rows of one class"),
}


@pytest.mark.parametrize("harm", SPOILT)
def test_a_spoilt_file_is_refused_in_one_sentence_that_names_the_culprit(
        harm, own_file, outside):
    spoil, culprit = SPOILT[harm]
    own_file.write_text(spoil(own_file.read_text()))
    for ask in (lambda: load_creditcard(own_file), load_creditcard):
        outside.setenv("COURSE_DATA", str(own_file))
        with pytest.raises(DataError) as error:
            ask()
        message = str(error.value)
        assert culprit in message
        assert "mine.csv" in message
        assert "\n" not in message


def test_negative_amounts_and_one_class_are_refused(own_file, own_frame):
    own_file.write_text(text_of(own_frame.assign(Amount=-1.0)))
    with pytest.raises(DataError, match=r"Amount in data row 1 is '-1\.0', but must be euros"):
        load_creditcard(own_file)
    own_file.write_text(text_of(own_frame[own_frame["Class"] == 0]))
    with pytest.raises(DataError, match="360 rows of one class"):
        load_creditcard(own_file)


def as_arff(frame: pd.DataFrame) -> bytes:
    header = "".join(f"@attribute '{name}' real\n" for name in frame)
    rows = frame.to_csv(index=False, header=False, lineterminator="\n")
    return f"% from OpenML\n@RELATION cards\n\n{header}@DATA\n{rows}".encode()


def as_openml(frame: pd.DataFrame) -> bytes:
    """The CSV file of data set 1597: names and classes are quoted, each in its own way."""
    lines = text_of(frame).splitlines()
    names = ",".join(f'"{name}"' for name in lines[0].split(","))
    return "\n".join([names, *(f"{line[:-1]}'{line[-1]}'" for line in lines[1:]), ""]).encode()


def as_zip(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def as_tar(**members: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


MACS = {"__MACOSX/._creditcard.csv": b"\0\5\x16\7", ".DS_Store": b"\0"}

FORMS = {  # file name, and its bytes from the frame and its CSV text
    "dataset.csv": lambda f, t: as_openml(f),
    "phpKo8OWT.csv": lambda f, t: t.replace(b"Time", b" 'time'").replace(b"V1,", b'"v1",'),
    "powershell.csv": lambda f, t: t.decode().encode("utf-16"),
    "creditcard.ARFF": lambda f, t: as_arff(f),
    "creditcard.arff.gz": lambda f, t: gzip.compress(as_arff(f)),
    "creditcard.arff.bz2": lambda f, t: bz2.compress(as_arff(f)),
    "reordered.arff": lambda f, t: as_arff(f.iloc[:, ::-1]),
    "no-suffix": lambda f, t: as_arff(f),
    "UPPER.CSV.GZ": lambda f, t: gzip.compress(t),
    "renamed.csv": lambda f, t: lzma.compress(t),
    "unpacked-by-the-browser.csv.gz": lambda f, t: t,
    "creditcardfraud.zip": lambda f, t: as_zip(**{"creditcard.csv": t}),
    "mac.zip": lambda f, t: as_zip(**{"creditcard.csv": t}, **MACS),
    "windows.zip": lambda f, t: as_zip(**{"cards\\creditcard.csv": t, "cards\\readme.txt": b"x"}),
    "two-tables.zip": lambda f, t: as_zip(**{"a.csv": b"shop,city\n1,2\n", "b.csv": t}),
    "inside.zip": lambda f, t: as_zip(**{"creditcard.arff.gz": gzip.compress(as_arff(f))}),
    "mac.tar.gz": lambda f, t: as_tar(**{"./._creditcard.csv": b"\0\5", "./creditcard.csv": t}),
}


@pytest.mark.parametrize("name", FORMS)
def test_the_table_is_read_in_every_form_that_people_have(tmp_path, own_frame, outside, name):
    text = text_of(own_frame).encode()
    (tmp_path / name).write_bytes(FORMS[name](own_frame, text))
    rows = load_creditcard(tmp_path / name)
    pd.testing.assert_frame_equal(rows.frame, own_frame)
    assert name in str(rows.source)
    outside.setenv("COURSE_DATA", str(tmp_path / name))
    assert load_creditcard().source == rows.source


@pytest.mark.parametrize(("members", "says"), [
    ({"notes.txt": b"x", "more.txt": b"y"}, "holds no table with the columns Time,V1"),
    ({}, "holds no table with the columns"),
    ({"a.csv": b"x,y\n1,2\n", "b.csv": b"x\n1\n"}, "holds no table with the columns"),
    ({"a.csv": b"x,y\n1,2\n"}, "lacks the column Time and 30 more"),
])
def test_an_archive_without_the_table_is_one_sentence(tmp_path, members, says):
    (tmp_path / "mine.zip").write_bytes(as_zip(**members))
    with pytest.raises(DataError, match=rf"mine\.zip {says}"):
        load_creditcard(tmp_path / "mine.zip")


def test_an_archive_with_two_such_tables_names_both(tmp_path, own_frame):
    text = text_of(own_frame).encode()
    (tmp_path / "mine.zip").write_bytes(as_zip(**{"a.csv": text, "b.csv": text}))
    with pytest.raises(DataError, match=r"holds 2 tables \(a\.csv, b\.csv\)"):
        load_creditcard(tmp_path / "mine.zip")


def test_an_encrypted_archive_is_one_sentence(tmp_path, own_frame):
    locked = bytearray(as_zip(**{"creditcard.csv": text_of(own_frame).encode()}))
    locked[6] |= 1
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "mine.zip").write_bytes(locked)
    with pytest.raises(DataError, match=r"cannot be read, .*encrypted"):
        load_creditcard(tmp_path / "mine.zip")


FOUND = {  # the file in the folder that COURSE_DATA names, and one of its forms
    "CreditCard.csv": "dataset.csv", "creditcardfraud.zip": "creditcardfraud.zip",
    "archive.zip": "mac.zip", "creditcard (1).csv": "dataset.csv",
    "Credit-Card.arff.gz": "creditcard.arff.gz", "creditcard.csv/creditcard.csv": "dataset.csv",
    "archive/creditcard.csv": "dataset.csv", "phpKo8OWT.ARFF": "creditcard.ARFF",
}


@pytest.mark.parametrize("name", FOUND)
def test_a_folder_is_searched_for_the_table_under_any_name(tmp_path, own_frame, outside, name):
    file = tmp_path / "data" / name
    file.parent.mkdir(parents=True)
    file.write_bytes(FORMS[FOUND[name]](own_frame, text_of(own_frame).encode()))
    (tmp_path / "data" / "other.csv").write_text("shop,city\n1,2\n")
    (tmp_path / "data" / ".hidden.csv").write_text(text_of(own_frame))
    outside.setenv("COURSE_DATA", str(tmp_path / "data"))
    for rows in (load_creditcard(), load_creditcard(tmp_path / "data")):
        assert rows.source.kind == "path"
        assert f"from {file.name}" in str(rows.source)
        pd.testing.assert_frame_equal(rows.frame, own_frame)


def test_a_damaged_table_with_the_usual_name_in_another_case_is_not_passed_over(tmp_path, outside):
    (tmp_path / "CreditCard.CSV").write_text("Time,V1\n1,2\n")
    outside.setenv("COURSE_DATA", str(tmp_path))
    with pytest.raises(DataError, match="lacks the column V2 and 28 more"):
        load_creditcard()


def test_of_two_tables_with_other_names_neither_is_guessed(tmp_path, own_frame):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(text_of(own_frame))
    with pytest.raises(DataError, match=r"holds 'a\.csv' and 'b\.csv', and either could be meant"):
        load_creditcard(tmp_path)


@pytest.mark.parametrize("others", [[], ["archive.zip", "holiday.png", "other.csv", "x.txt"]])
def test_a_folder_without_the_table_is_named_beside_what_came_instead(
        tmp_path, outside, mirror, published, others):
    folder = tmp_path / "data"
    folder.mkdir()
    for name in others:
        (folder / name).write_bytes(b"no such table")
    outside.setenv("COURSE_DATA", str(folder))
    outside.setenv("COURSE_OFFLINE", "1")
    holds = "but archive.zip, holiday.png, other.csv, ..." if others else "it is empty"
    why = (f"because {str(folder)!r}, which COURSE_DATA names, holds none of "
           f"{', '.join(creditcard.FILE_NAMES)} ({holds})")
    assert why_the_twin() == f"{why}, and COURSE_OFFLINE=1 forbids the download"
    outside.setenv("COURSE_OFFLINE", "0")
    outside.setattr(creditcard, "MIRRORS", [mirror.serve("creditcard.csv", published)])
    for kind in ("download", "cache"):
        source = load_creditcard().source
        assert (source.kind, source.note) == (kind, why)


@pytest.mark.parametrize("keep", [10, 2000, -10])
def test_a_truncated_gzip_file_is_refused(tmp_path, own_frame, keep):
    file = tmp_path / "creditcard.csv.gz"
    file.write_bytes(gzip.compress(text_of(own_frame).encode())[:keep])
    with pytest.raises(DataError, match="may be truncated or damaged"):
        load_creditcard(tmp_path)


def test_a_named_place_that_is_not_there_is_an_error_never_the_twin(tmp_path, outside):
    with pytest.raises(DataError, match=r"nowhere\.csv' does not exist"):
        load_creditcard(tmp_path / "nowhere.csv")
    with pytest.raises(DataError, match=r"holds none of creditcard\.csv,"):
        load_creditcard(tmp_path)
    outside.setenv("COURSE_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"COURSE_DATA is '.*nowhere', which does not exist"):
        load_creditcard()


# Cache and download -----------------------------------------------------------


@pytest.fixture
def outside(monkeypatch, tmp_path):
    """The environment of a user: no COURSE_ variables, an empty cache, mirrors that are dead."""
    monkeypatch.delenv("COURSE_DATA")
    monkeypatch.delenv("COURSE_OFFLINE")
    monkeypatch.setattr(sources, "cache_folders", lambda: [tmp_path / "cache"])
    monkeypatch.setattr(creditcard, "MIRRORS", ["http://127.0.0.1:9/creditcard.csv"])
    return monkeypatch


@pytest.fixture
def published(outside, own_frame):
    """Lets the small file of these tests pass for the published one."""
    outside.setattr(creditcard, "FULL_DIGEST", creditcard._digest(own_frame))
    return text_of(own_frame).encode()


def why_the_twin() -> str:
    """Load without arguments, see that the twin came, return its note."""
    source = load_creditcard().source
    assert (source.kind, source.real) == ("embedded", False)
    line = str(source)
    assert line.startswith("Data: credit-card fraud, synthetic twin, 284,807 rows")
    assert line.endswith(source.note)
    assert "\n" not in line
    return source.note


def test_the_published_file_is_downloaded_once_and_then_comes_from_the_cache(
        outside, mirror, published, own_frame, tmp_path):
    outside.setattr(creditcard, "MIRRORS", [mirror.serve("creditcard.csv", published)])
    first = load_creditcard()
    again = load_creditcard()
    assert (first.source.kind, again.source.kind) == ("download", "cache")
    assert mirror.asked == ["/creditcard.csv"]
    assert left_behind(tmp_path / "cache") == ["creditcard.csv"]
    assert (tmp_path / "cache" / "creditcard.csv").read_bytes() == published
    pd.testing.assert_frame_equal(again.frame, own_frame)


@pytest.mark.parametrize("quote", ["", "'"])
def test_the_second_mirror_serves_when_the_first_sends_something_else(
        outside, mirror, published, own_frame, quote, tmp_path):
    header = "".join(f"@attribute {name} real\n" for name in creditcard.COLUMNS)
    rows = [f"{line[:-1]}{quote}{line[-1]}{quote}" for line in text_of(own_frame).split()[1:]]
    arff = "% a comment\n@RELATION cards\n\n" + header + "@DATA\n" + "\n".join(rows) + "\n"
    other = text_of(own_frame.iloc[1:]).encode()
    outside.setattr(creditcard, "MIRRORS", [mirror.serve("creditcard.csv", other),
                                      mirror.serve("creditcard.arff", arff.encode())])
    rows = load_creditcard()
    assert rows.source.kind == "download"
    pd.testing.assert_frame_equal(rows.frame, own_frame)
    assert left_behind(tmp_path / "cache") == ["creditcard.arff"]
    assert load_creditcard().source.kind == "cache"


@pytest.mark.parametrize("body", [b"<html>Please log in</html>", b"", b"Time,V1\n1,2\n"])
def test_wrong_content_never_reaches_the_cache(outside, mirror, published, body, tmp_path):
    outside.setattr(creditcard, "MIRRORS", [mirror.serve("creditcard.csv", body)])
    assert why_the_twin().startswith("because what 127.0.0.1 sent is not the published file")
    assert left_behind(tmp_path / "cache") == []
    assert len(mirror.asked) == 1


def test_a_transfer_that_breaks_off_is_tried_once_more(outside, mirror, published, tmp_path):
    outside.setattr(creditcard, "MIRRORS", [mirror.serve("creditcard.csv", published[:9999],
                                                   missing=len(published) - 9999)])
    assert "the connection to 127.0.0.1 failed" in why_the_twin()
    assert len(mirror.asked) == 2
    assert left_behind(tmp_path / "cache") == []


def test_a_refusing_server_is_named_with_its_answer(outside, mirror, tmp_path):
    outside.setattr(creditcard, "MIRRORS", [mirror.serve("creditcard.csv", b"", status=503)])
    assert "127.0.0.1 answered 503" in why_the_twin()
    assert left_behind(tmp_path / "cache") == []


def test_without_a_network_the_twin_comes_and_says_why(outside, tmp_path):
    assert "the connection to 127.0.0.1 failed (ConnectionError)" in why_the_twin()
    assert left_behind(tmp_path / "cache") == []


def test_offline_asks_no_server(outside, mirror, published, tmp_path):
    outside.setattr(creditcard, "MIRRORS", [mirror.serve("creditcard.csv", published)])
    outside.setenv("COURSE_OFFLINE", "1")
    assert why_the_twin() == "because COURSE_OFFLINE=1 forbids the download"
    assert mirror.asked == []
    outside.setenv("COURSE_OFFLINE", "0")
    assert load_creditcard().source.kind == "download"


@pytest.mark.parametrize(("setting", "forbids"), [
    ("true", True), ("YES", True), ("Yes ", True), ("1", True),
    ("false", False), ("No", False), ("0", False), ("", False)])
def test_offline_is_said_in_several_words(outside, mirror, published, setting, forbids):
    outside.setattr(creditcard, "MIRRORS", [mirror.serve("creditcard.csv", published)])
    outside.setenv("COURSE_OFFLINE", setting)
    if forbids:
        assert why_the_twin() == f"because COURSE_OFFLINE={setting.strip()} forbids the download"
    else:
        assert load_creditcard().source.kind == "download"


def test_another_word_for_offline_is_quoted(outside, mirror, published):
    outside.setattr(creditcard, "MIRRORS", [mirror.serve("creditcard.csv", published)])
    outside.setenv("COURSE_OFFLINE", "maybe")
    with pytest.raises(DataError, match="COURSE_OFFLINE is 'maybe'; set it to 1, true or yes"):
        load_creditcard()
    assert mirror.asked == []


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_bundle_of_certificates_that_is_not_there_is_named(outside, name):
    outside.setattr(creditcard, "MIRRORS", ["https://127.0.0.1:9/creditcard.csv"])
    outside.delenv("REQUESTS_CA_BUNDLE", raising=False)
    outside.setenv(name, "/nonexistent")
    assert why_the_twin().startswith(
        f"because {name} is '/nonexistent', which does not exist; correct or unset it")


def test_a_proxy_that_does_not_answer_is_named(outside):
    outside.setattr(creditcard, "MIRRORS", ["https://127.0.0.1:9/creditcard.csv"])
    outside.setenv("https_proxy", "http://127.0.0.1:9")
    outside.setenv("no_proxy", "")
    outside.setenv("NO_PROXY", "")
    assert "(ProxyError, by way of the proxy that https_proxy names)" in why_the_twin()


def test_a_failure_without_an_error_number_keeps_its_reason(outside, mirror, published):
    outside.setattr(creditcard, "MIRRORS", [mirror.serve("creditcard.csv", published)])

    def fail(*_):
        raise OSError("no such luck")

    outside.setattr(sources, "_fetch", fail)
    assert "cannot take the download (no such luck); make it writable" in why_the_twin()


def test_a_full_disk_leaves_nothing_behind(outside, mirror, published, tmp_path):
    outside.setattr(creditcard, "MIRRORS", [mirror.serve("creditcard.csv", published)] * 2)
    fill_the_disk(outside)
    assert "cannot take the download (No space left on device); free 150 MB" in why_the_twin()
    assert len(mirror.asked) == 1
    assert left_behind(tmp_path / "cache") == []


def test_an_interrupted_download_leaves_nothing_behind(outside, mirror, published, tmp_path):
    outside.setattr(creditcard, "MIRRORS", [mirror.serve("creditcard.csv", published)])

    def stop(*_):
        raise KeyboardInterrupt

    outside.setattr(runtime.Progress, "update", stop)
    with pytest.raises(KeyboardInterrupt):
        load_creditcard()
    assert left_behind(tmp_path / "cache") == []


def test_where_the_course_cannot_write_the_users_cache_takes_the_file(
        outside, mirror, published, own_file, tmp_path):
    in_the_way = own_file / "cache"  # a file is no folder, not even for root
    outside.setattr(sources, "cache_folders", lambda: [in_the_way, tmp_path / "user"])
    outside.setattr(creditcard, "MIRRORS", [mirror.serve("creditcard.csv", published)])
    assert load_creditcard().source.kind == "download"
    assert left_behind(tmp_path / "user") == ["creditcard.csv"]


def test_where_nothing_can_be_written_the_twin_comes_and_no_server_is_asked(
        outside, mirror, published, own_file):
    outside.setattr(sources, "cache_folders", lambda: [own_file / "a", own_file / "b"])
    outside.setattr(creditcard, "MIRRORS", [mirror.serve("creditcard.csv", published)])
    note = why_the_twin()
    assert f"{own_file / 'a'} cannot be written (" in note
    assert f"{own_file / 'b'} cannot be written (" in note
    assert mirror.asked == []


@pytest.mark.skipif(os.name == "nt" or getattr(os, "geteuid", lambda: 1)() == 0,
                    reason="needs file permissions that bind this user")
def test_a_read_only_folder_is_left_as_it_is(outside, tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0o555)
    outside.setattr(sources, "cache_folders", lambda: [locked])
    assert f"{locked} cannot be written (Permission denied)" in why_the_twin()


def test_a_damaged_file_in_the_cache_is_named_and_kept(outside, tmp_path):
    (tmp_path / "cache").mkdir()
    file = tmp_path / "cache" / "creditcard.csv"
    file.write_text("Time,V1\n")
    note = why_the_twin()
    assert str(file) in note
    assert "delete it, to have it downloaded again" in note
    assert file.exists()


def test_nearer_sources_come_first(outside, mirror, published, own_file, tmp_path):
    outside.setattr(creditcard, "MIRRORS", [mirror.serve("creditcard.csv", published)])
    others = tmp_path / "photos"
    others.mkdir()
    outside.setenv("COURSE_DATA", str(others))  # a folder of other data sets hides nothing
    assert load_creditcard().source.kind == "download"
    assert load_creditcard().source.kind == "cache"
    (others / "creditcard.csv").write_bytes(published)
    assert load_creditcard().source.kind == "path"
    assert "mine.csv" in load_creditcard(own_file).source.text
    assert load_creditcard("embedded").source.kind == "embedded"
    outside.setenv("COURSE_DATA", "embedded")
    assert load_creditcard().source.kind == "embedded"
    assert load_creditcard().source.note == ""


def test_the_cache_lies_in_the_course_where_git_ignores_it():
    assert sources.cache_folders()[0] == sources.ROOT / "data" / "cache"
    assert "data/cache/" in (sources.ROOT / ".gitignore").read_text().splitlines()


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz", "x.csv.zst"])
def test_a_damaged_archive_is_one_sentence(tmp_path, name):
    (tmp_path / name).write_bytes(b"no archive")
    with pytest.raises(DataError, match=f"{name} cannot be read"):
        load_creditcard(tmp_path / name)


@pytest.mark.parametrize("path", ["~nobody-lives-here/x.csv", "x" * 5000])
def test_a_path_that_cannot_be_looked_up_is_one_sentence(path):
    with pytest.raises(DataError, match="cannot be looked up"):
        load_creditcard(path)


def test_course_data_naming_a_file_is_never_passed_over(tmp_path, monkeypatch):
    (tmp_path / "MINE.CSV").write_text("a,b\n1,2\n")
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "MINE.CSV"))
    with pytest.raises(DataError, match="lacks the column"):
        load_creditcard()
