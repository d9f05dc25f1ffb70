"""The laboratory: its rule, its data, and that it can be interrupted."""

import dataclasses
import os
import re
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from course_utils.lab import benches, claims, experiments, running, scores, verdicts
from course_utils.lab.verdicts import Reading, Side

ROOT = Path(__file__).resolve().parents[1]


# The benches


@pytest.fixture(scope="module", params=benches.BENCHES)
def bench(request) -> tuple[str, benches.Bench]:
    return request.param, benches.BENCHES[request.param]()


def test_parts_of_a_seed_share_no_row_and_have_their_sizes(bench):
    _, of = bench
    _, rows = of.draw([3, 4], of.counts)
    for numbers in rows.values():
        assert len(numbers) == sum(map(sum, of.counts.values()))
        assert len(set(numbers.tolist())) == len(numbers)
    for part, counts in of.counts.items():
        target = of.target(part)
        assert len(of.numbers(part)) == len(target) == sum(counts)
        if not of.noise:
            assert target.bincount().tolist() == list(counts)


def test_a_seed_has_the_same_rows_whatever_other_seeds_there_are(bench):
    _, of = bench
    alone, own = of.draw([7], of.counts)
    pool, rows = of.draw([6, 7], of.counts)
    assert torch.equal(alone[own[7]], pool[rows[7]])
    assert not torch.equal(pool[rows[6]], pool[rows[7]])


def test_one_label_in_five_is_wrong_but_none_of_the_test_part():
    noisy, clean = benches.wrong_labels(), benches.balanced()
    for part in ("train", "val"):
        assert (noisy.target(part) != clean.target(part)).float().mean().item() == pytest.approx(
            0.2, abs=0.06)
    assert torch.equal(noisy.target("test"), clean.target("test"))


def test_the_noisy_test_part_has_the_rows_of_the_test_part_and_wrong_labels():
    noisy = benches.wrong_labels()
    assert torch.equal(noisy.numbers("noisy test"), noisy.numbers("test"))
    wrong = noisy.target("noisy test") != noisy.target("test")
    assert wrong.float().mean().item() == pytest.approx(0.2, abs=0.04)


def test_the_classes_of_a_bench_can_be_told_apart(bench):
    """A nearest-mean classifier does better than the share of the commonest class allows."""
    _, of = bench
    pool, rows = of.draw([0], of.counts)
    x, y = pool[rows[0]][of.numbers("train")], of.target("train")
    means = torch.stack([x[y == label].mean(0) for label in range(int(y.max()) + 1)])
    test, truth = pool[rows[0]][of.numbers("test")], of.target("test")
    right = torch.cdist(test, means).argmin(1) == truth
    recalls = torch.stack([right[truth == label].float().mean() for label in range(len(means))])
    assert recalls.mean() > 1.3 / len(means)


# Metrics and decision rules


@pytest.fixture(scope="module")
def judged() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    target = torch.randint(4, (200,), generator=rng)
    logits = torch.randn(3, 200, 4, generator=rng) + 2 * F.one_hot(target, 4)
    return logits, target, torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)


def test_metrics_are_scikit_learns(judged):
    from sklearn.metrics import accuracy_score, f1_score, log_loss, recall_score

    logits, target, shares = judged
    weight = (shares / target.bincount())[target].numpy()
    y = target.numpy()
    for one in range(len(logits)):
        decided = logits[one].argmax(-1).numpy()
        prob = logits[one].double().softmax(-1).numpy()
        recalls, f1s = (score(y, decided, average=None) for score in (recall_score, f1_score))
        expected = {
            "accuracy": accuracy_score(y, decided), "macro F1": f1s.mean(),
            "rare F1": f1s[-1], "rare recall": recalls[-1],
            "worst recall": np.sort(recalls)[:3].mean(),
            "natural accuracy": accuracy_score(y, decided, sample_weight=weight),
            "natural F1": f1_score(y, decided, average="macro", sample_weight=weight),
            "log loss": log_loss(y, prob)}
        for name, value in expected.items():
            assert scores.METRICS[name](logits, target, shares)[one].item() == pytest.approx(value)


def test_the_hardest_tenth_has_a_tenth_of_equal_gradients_and_all_if_the_others_have_none():
    target = torch.zeros(50, dtype=torch.long)
    alike, hard = torch.zeros(1, 50, 3), torch.zeros(1, 50, 3)
    hard[..., 0] = 60.0
    hard[:, :5, 0] = -60.0
    of = scores.METRICS["hardest tenth, focal 2"]
    assert of(alike, target, torch.ones(3)).item() == pytest.approx(0.1)
    assert of(hard, target, torch.ones(3)).item() == pytest.approx(1.0)


def test_a_shift_by_the_training_shares_corrects_the_prior(judged):
    logits, target, shares = judged
    true = torch.softmax(logits.double(), dim=-1)
    as_trained = (true * shares).log()  # what a model of the training shares believes
    corrected = scores.RULES["shifted"](as_trained, target, shares)(as_trained)
    assert torch.allclose(corrected.softmax(-1), true)


def test_the_temperature_undoes_a_scale(judged):
    _, _, shares = judged
    rng = torch.Generator().manual_seed(1)
    logits = torch.randn(1, 20_000, 4, generator=rng)
    target = torch.multinomial(logits[0].softmax(-1), 1, generator=rng)[:, 0]
    rule = scores.RULES["temperature"](3 * logits, target, shares)
    assert torch.allclose(rule(3 * logits), logits, rtol=0.05, atol=0.01)


@pytest.fixture(scope="module")
def frauds() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(2)
    target = (torch.rand(400, generator=rng) < 0.1).long()
    margin = torch.randn(2, 400, generator=rng) + 3 * target - 2
    return torch.stack([-margin / 2, margin / 2], -1), target, torch.tensor([0.9, 0.1])


@pytest.mark.parametrize(("rule", "metric", "better"), [
    ("threshold for F1", "rare F1", max), ("threshold for cost", "cost", min)])
def test_no_other_threshold_is_better_on_validation(frauds, rule, metric, better):
    logits, target, shares = frauds
    found = scores.METRICS[metric](scores.RULES[rule](logits, target, shares)(logits), target,
                                   shares)
    for one in range(len(logits)):
        margins = (logits[one, :, 1] - logits[one, :, 0]).sort().values
        cuts = torch.cat([margins[:1] - 1, (margins[1:] + margins[:-1]) / 2])
        every = torch.stack([logits[one, :, 0] + cuts[:, None],
                             logits[one, :, 1].expand(len(cuts), -1)], dim=-1)
        best = better(scores.METRICS[metric](every, target, shares).tolist())
        assert found[one].item() == pytest.approx(best)


def test_the_threshold_from_the_costs_alarms_where_a_miss_would_cost_more(frauds):
    logits, target, shares = frauds
    alarm = scores.RULES["threshold from costs"](logits, target, shares)(logits).argmax(-1) == 1
    p = logits.double().softmax(-1)[..., 1]
    assert torch.equal(alarm, scores.MISSED * p > 1 - p)


# The experiments


def test_a_score_is_that_of_a_network_trained_alone():
    """By a plain loop: the same seed, rows, initial weights and batches."""
    from course_utils.training import TensorLoader, fit

    settings = experiments.EXPERIMENTS["long tail"]
    small = experiments.Experiment(
        bench="long tail", sizes=settings.sizes, losses=("weighted",), rates=(0.01,), epochs=3,
        metrics=("macro F1",), rules=("as trained", "shifted"))
    table = experiments.score(small, [5, 6])
    of = benches.long_tail()
    pool, rows = of.draw([6], of.counts)
    torch.manual_seed(6)
    network = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    x = {part: pool[rows[6]][of.numbers(part)] for part in of.counts}
    weight = 1 / torch.tensor(benches.TAIL).float()
    loader = TensorLoader(x["train"], of.target("train"), batch_size=64, shuffle=True,
                          generator=torch.Generator().manual_seed(6))
    fit(network, loader, None, optimizer=torch.optim.Adam(network.parameters(), lr=0.01), epochs=3,
        loss_fn=torch.nn.CrossEntropyLoss(weight / weight.mean()), device="cpu", progress=False)
    with torch.no_grad():
        logits = network(x["test"])[None]
    shares = of.shares()
    for rule, shift in (("as trained", 0.0), ("shifted", shares.log().float())):
        stored = table[(table["seed"] == 6) & (table["part"] == "test") & (table["rule"] == rule)]
        assert stored["macro F1"].item() == pytest.approx(scores.METRICS["macro F1"](
            logits - shift, of.target("test"), shares).item(), abs=0.01)


def test_balanced_sampling_shows_as_many_rows_of_each_class():
    of = benches.long_tail()
    places = experiments._repeated(of)
    labels = of.target("train")[places - of.numbers("train")[0]]
    assert len(places) == len(of.numbers("train"))
    assert labels.bincount().max() - labels.bincount().min() <= len(benches.TAIL)


@pytest.mark.parametrize("name", experiments.EXPERIMENTS)
def test_an_experiment_names_what_there_is(name):
    settings = experiments.EXPERIMENTS[name]
    of = benches.BENCHES[settings.bench]()
    assert set(settings.metrics) <= set(scores.METRICS)
    assert set(settings.rules) <= set(scores.RULES)
    assert set(settings.parts) <= {*of.counts, "noisy test"}
    assert settings.sizes[-1] == len(of.counts["train"])
    assert all(b > a for a, b in pairwise(settings.rates))


# The rule


def table_of(values: dict[tuple[str, float], np.ndarray], part: str) -> pd.DataFrame:
    """Scores of losses and rates, (seeds,) each, as an experiment stores them."""
    return pd.concat([pd.DataFrame({"loss": loss, "rule": "as trained", "lr": lr,
                                    "seed": range(len(score)), "part": part, "accuracy": score})
                      for (loss, lr), score in values.items()])


def reading(rng: np.random.Generator, gain: float, *, n: int = 40, rates: int = 3,
            spread: float = 0.03) -> Reading:
    """Two losses with equally good rates: every choice is luck, and the true gain is known."""
    seed_luck = rng.normal(0, 0.02, n)
    tables = []
    for part in ("val", "test"):
        tables.append(table_of({
            (loss, rate): 0.8 + effect + seed_luck + rng.normal(0, spread, n)
            for loss, effect in (("old", 0.0), ("new", gain)) for rate in range(rates)}, part))
    return Reading({"task": pd.concat(tables)}, resamples=400)


NEW, OLD = Side("task", "new"), Side("task", "old")


def test_a_loss_and_a_cost_are_better_when_lower_by_whatever_name_they_are_stored():
    columns = {*scores.METRICS, "loss value"}
    assert {name for name in columns if re.search("loss|cost|ECE", name)} == scores.LOWER_IS_BETTER


def test_the_best_rate_is_chosen_on_validation_and_reported_on_test():
    n = 4
    val = table_of({("old", 0.1): np.full(n, 0.7), ("old", 0.2): np.full(n, 0.8)}, "val")
    test = table_of({("old", 0.1): np.full(n, 0.9), ("old", 0.2): np.full(n, 0.6)}, "test")
    of = Reading({"task": pd.concat([val, test])}, resamples=10)
    assert of.best(OLD, "accuracy") == pytest.approx(np.full(11, 0.6))
    assert of.best(Side("task", "old", rate=0.1), "accuracy") == pytest.approx(np.full(11, 0.9))
    assert of.rates(OLD)[of.choice(OLD, "accuracy")] == pytest.approx(np.full(11, 0.2))


def test_without_a_choice_the_interval_is_students():
    from scipy import stats

    rng = np.random.default_rng(0)
    of = reading(rng, 0.01, rates=1)
    differences = (of._values(NEW, "accuracy", "test") - of._values(OLD, "accuracy", "test"))[0]
    effect, low, high = verdicts.interval(claims.gain(NEW, OLD, "accuracy")(of), n_seeds=40)
    expected = stats.ttest_1samp(differences, 0).confidence_interval()
    assert effect == pytest.approx(differences.mean())
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.1 * (high - low))


def test_intervals_contain_the_true_gain_as_often_as_they_say_with_the_luck_of_choosing():
    """200 worlds in which the choice of the rate is nothing but luck."""
    rng, missed = np.random.default_rng(1), 0
    for _ in range(200):
        of = reading(rng, 0.01)
        _, low, high = verdicts.interval(claims.gain(NEW, OLD, "accuracy")(of), n_seeds=40)
        missed += not low <= 0.01 <= high
    assert missed <= 18  # more than 18 of 200 has a probability of 0.6 % where 5 % are missed


def test_more_comparisons_make_wider_intervals():
    effects = claims.gain(NEW, OLD, "accuracy")(reading(np.random.default_rng(2), 0.0))
    widths = [np.diff(verdicts.interval(effects, n_seeds=40, comparisons=m)[1:]).item()
              for m in (1, 10, 100)]
    assert widths == sorted(widths)


@pytest.mark.parametrize(("kind", "ends", "expected"), [
    ("more", (0.005, 0.03), "yes"), ("more", (-0.004, 0.03), "open"), ("more", (0.0, 0.008), "no"),
    ("more", (-0.05, -0.01), "the reverse"), ("more", (-0.03, 0.005), "no"),
    ("less", (-0.03, 0.005), "yes"), ("less", (0.005, 0.03), "no"), ("less", (-0.01, 0.03), "open"),
    ("different", (-0.05, -0.01), "yes"), ("different", (-0.005, 0.005), "no"),
    ("different", (-0.02, 0.005), "open"), ("same", (-0.005, 0.005), "yes"),
    ("same", (0.005, 0.03), "no"), ("same", (-0.02, 0.005), "open")])
def test_the_outcome_follows_the_rule(kind, ends, expected):
    low, high = ends
    assert verdicts.outcome((low + high) / 2, low, high, smallest=0.01, kind=kind) == expected


@pytest.mark.parametrize(("ends", "kind"), [((-0.004, 0.03), "more"), ((-0.01, 0.016), "more"),
                                            ((-0.02, 0.03), "same"), ((-0.06, 0.02), "more")])
def test_with_the_seeds_needed_an_open_comparison_would_be_decided(ends, kind):
    low, high = ends
    effect, half = (low + high) / 2, (high - low) / 2
    n = verdicts.seeds_needed(effect, low, high, smallest=0.01, kind=kind, n_seeds=100)
    assert n > 100
    half *= (100 / (n + 1)) ** 0.5
    found = verdicts.outcome(effect, effect - half, effect + half, smallest=0.01, kind=kind)
    assert found != "open"


def test_a_setting_without_its_control_is_open():
    assert verdicts.together(["yes"], ["no"]) == "open"
    assert verdicts.together(["yes", "no"], ["yes"]) == "no"
    assert verdicts.together(["yes", "yes"]) == "yes"


def test_every_claim_finds_its_experiments_losses_and_metrics():
    for claim in claims.CLAIMS.values():
        assert claims.experiments_of(claim) <= set(experiments.EXPERIMENTS)


# Running it


@pytest.fixture
def tiny(monkeypatch) -> str:
    """An experiment of a second, in the place of all others."""
    settings = experiments.Experiment(
        bench="hard clouds", sizes=(2, 4, 2), losses=("cross entropy", "focal 2"),
        rates=(0.01, 0.1), epochs=1, batch_size=256, metrics=("rare F1", "log loss"))
    monkeypatch.setitem(experiments.EXPERIMENTS, "tiny", settings)
    return "tiny"


def finished(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.glob("*.csv"))}


def test_only_missing_pieces_are_carried_out_and_the_tables_are_the_same(
        tiny, tmp_path, monkeypatch):
    running.run([tiny], n_seeds=3, folder=tmp_path / "pieces", progress=False)
    running.assemble([tiny], n_seeds=3, folder=tmp_path / "pieces", results=tmp_path / "one")
    before = finished(tmp_path / "pieces")
    lost = sorted(before)[0]
    (tmp_path / "pieces" / lost).unlink()
    carried_out = []
    honest = running.carry_out
    monkeypatch.setattr(running, "carry_out",
                        lambda *work: carried_out.append(work[1]) or honest(*work))
    running.run([tiny], n_seeds=3, folder=tmp_path / "pieces", progress=False)
    running.assemble([tiny], n_seeds=3, folder=tmp_path / "pieces", results=tmp_path / "two")
    assert [piece.file(tmp_path).name for piece in carried_out] == [lost]
    assert finished(tmp_path / "pieces") == before
    for file in sorted((tmp_path / "one").iterdir()):
        assert (tmp_path / "two" / file.name).read_bytes() == file.read_bytes()


def test_the_same_scores_come_from_blocks_of_another_size(tiny, tmp_path, monkeypatch):
    tables = []
    for size in (2, 4):
        monkeypatch.setattr(running, "BLOCK", size)
        running.run([tiny], n_seeds=4, folder=tmp_path / str(size), progress=False)
        running.assemble([tiny], n_seeds=4, folder=tmp_path / str(size),
                         results=tmp_path / f"of{size}")
        tables.append(running.load(results=tmp_path / f"of{size}").scores[tiny])
    pd.testing.assert_frame_equal(*tables, atol=2e-4)


def test_a_dask_cluster_of_two_workers_takes_the_pieces_by_one_line(tiny, tmp_path):
    """As docs/scaling.md says."""
    joblib, distributed = pytest.importorskip("joblib"), pytest.importorskip("distributed")
    running.run([tiny], n_seeds=2, folder=tmp_path / "alone", progress=False)
    with (distributed.Client(n_workers=2, threads_per_worker=1, processes=True,
                             dashboard_address=None, host="127.0.0.1"),
          joblib.parallel_config("dask")):
        running.run([tiny], n_seeds=2, folder=tmp_path / "cluster", progress=False)
    assert finished(tmp_path / "cluster") == finished(tmp_path / "alone")


def test_other_settings_are_other_pieces(tiny, tmp_path, monkeypatch):
    piece = running.pieces([tiny], 2)[0]
    before = piece.file(tmp_path)
    changed = dataclasses.replace(experiments.EXPERIMENTS[tiny], epochs=2)
    monkeypatch.setitem(experiments.EXPERIMENTS, tiny, changed)
    assert piece.file(tmp_path) != before


def test_a_killed_laboratory_goes_on_and_ends_with_the_same_bytes(tmp_path):
    script = tmp_path / "lab.py"
    script.write_text("""\
import sys
from pathlib import Path
from course_utils.lab import experiments, running
experiments.EXPERIMENTS["tiny"] = experiments.Experiment(
    bench="hard clouds", sizes=(2, 4, 2), losses=("cross entropy",), rates=(0.01, 0.1), epochs=1,
    batch_size=512, metrics=("rare F1",))
running.BLOCK = 1
folder = Path(sys.argv[1])
running.run(["tiny"], n_seeds=6, folder=folder / "pieces", progress=False)
running.assemble(["tiny"], n_seeds=6, folder=folder / "pieces", results=folder / "results")
""", encoding="utf-8")
    command = [sys.executable, str(script)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([*command, str(tmp_path / "whole")], check=True, env=environment)
    for wait in (0.0, 0.15):
        process = subprocess.Popen([*command, str(tmp_path / "killed")], env=environment)
        while not list((tmp_path / "killed" / "pieces").glob("*.csv")) and process.poll() is None:
            time.sleep(0.02)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        process.wait()
    subprocess.run([*command, str(tmp_path / "killed")], check=True, env=environment)
    whole, killed = (
        {file.name: file.read_bytes() for file in (tmp_path / name / "results").iterdir()}
        for name in ("whole", "killed"))
    assert killed == whole


def test_an_unknown_claim_is_named(capsys):
    with pytest.raises(SystemExit):
        running.main(["Z9"])
    assert "there is no claim 'Z9'; choose from A1" in capsys.readouterr().err


STORED = sorted(running.RESULTS.glob("*.csv.xz"))


@pytest.mark.skipif(not STORED, reason="the laboratory has not been run")
def test_a_random_slice_of_the_stored_scores_can_be_computed_again():
    rng = np.random.default_rng(int(time.time()) // 3600)
    which = str(rng.choice(list(running.SETS)))
    stored = running.load(which).scores
    quick = [name for name in stored if experiments.EXPERIMENTS[name].steps() < 2000]
    name = str(rng.choice(quick))
    table = stored[name]
    seeds = [int(seed) for seed in rng.choice(sorted(set(table["seed"])), 2, replace=False)]
    again = experiments.score(experiments.EXPERIMENTS[name], seeds)
    keys = ["loss", "rule", "lr", "seed", "part"]
    table = table[table["seed"].isin(seeds)].set_index(keys).sort_index()
    again = again.set_index(keys).sort_index()
    for metric in experiments.EXPERIMENTS[name].metrics:
        # A network near divergence may differ on another processor; nearly all must be the same.
        same = ((table[metric] - again[metric]).abs() < 1e-3)[table[metric].notna()]
        assert same.mean() > 0.9, (name, seeds, metric)
