"""Measure how many rows strong models find doubtful, in the real rows or in the twin.

Run by hand, with the published file, with its 15 % sample, or with the number of a twin's seed:

    python data/measure_doubt.py path/to/creditcard.csv
    python data/measure_doubt.py 0

Three models are fitted with the rows' weights: boosted trees, a mean of three networks that start
from the prior bias, and extra trees. Each row gets the score of models that did not see it (five
folds, with equal rows in one fold). The scores of a fold become probabilities by a calibration that
is fitted to the other four folds, logistic in the log odds or isotonic; "average" does the same
with the mean of the three log odds. All of this is repeated with other folds and seeds.

A row counts as doubtful by what a model says about it, and this depends on the model: one that
knows less finds more rows doubtful, or misses some. What all models and calibrations find is a
bracket, not a count. Of the twin, the truth is known and printed beside it; there a 15 % sample of
the normals is taken, as it was from the real ones.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.special import expit, logit
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, log_loss
from sklearn.preprocessing import StandardScaler
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from course_utils.data import CreditCard, creditcard_twin, load_creditcard

EDGES = [0.02, 0.1, 0.5, 0.9, 0.98, 1]
DOUBTFUL = EDGES[:3]  # the bins from 0.02 to 0.9; beyond, the calibrations do not agree
FOLDS = 5
SEEDS = (0, 1)


def boosted_trees(x: np.ndarray, y: np.ndarray, weight: np.ndarray, seed: int):
    """Of several settings, that with the smallest log loss over folds other than those below."""
    model = HistGradientBoostingClassifier(
        learning_rate=0.05, max_iter=200, max_leaf_nodes=8, min_samples_leaf=20,
        l2_regularization=10, early_stopping=False, random_state=seed)
    return model.fit(x, y, sample_weight=weight).decision_function


def network(x: np.ndarray, y: np.ndarray, weight: np.ndarray, seed: int):
    """The mean log odds of three networks 29-64-32-1, trained with weighted cross entropy."""
    prior = np.average(y, weights=weight)
    scaler = StandardScaler().fit(x, sample_weight=weight)
    inputs, target, weight = (torch.from_numpy(np.float32(a))
                              for a in (scaler.transform(x), y, weight / weight.mean()))
    epochs, batch = 25, 512
    steps = epochs * (len(x) // batch)
    networks = []
    for member in range(3):
        torch.manual_seed(1000 * seed + member)
        model = nn.Sequential(nn.Linear(x.shape[1], 64), nn.Tanh(), nn.Linear(64, 32), nn.Tanh(),
                              nn.Linear(32, 1))
        nn.init.zeros_(model[-1].weight)
        nn.init.constant_(model[-1].bias, logit(prior))
        optimizer = torch.optim.AdamW(model.parameters(), weight_decay=1e-3)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=steps)
        for _ in range(epochs):
            order = torch.randperm(len(x))
            for rows in order[:steps // epochs * batch].split(batch):
                loss = nn.functional.binary_cross_entropy_with_logits(
                    model(inputs[rows])[:, 0], target[rows], weight[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
        networks.append(model)

    @torch.no_grad()
    def score(x: np.ndarray) -> np.ndarray:
        inputs = torch.from_numpy(np.float32(scaler.transform(x)))
        return np.mean([model(inputs)[:, 0].double().numpy() for model in networks], axis=0)
    return score


def extra_trees(x: np.ndarray, y: np.ndarray, weight: np.ndarray, seed: int):
    """The log odds of the share of trees, kept finite."""
    model = ExtraTreesClassifier(100, max_features=6, random_state=seed).fit(x, y, weight)
    return lambda x: logit((200 * model.predict_proba(x)[:, 1] + 0.1) / 200.2)


def numbers_of_folds(x: np.ndarray, y: np.ndarray, seed: int) -> np.ndarray:
    """The fold of each row, ``(n,)``, stratified; equal rows are in the same fold."""
    _, group = np.unique(x.round(9), axis=0, return_inverse=True)
    group = group.ravel()
    fraud = np.zeros(group.max() + 1)
    np.maximum.at(fraud, group, y)
    rng = np.random.default_rng(seed)
    fold = np.empty(len(fraud), dtype=int)
    for c in (0, 1):
        mine = rng.permutation(np.flatnonzero(fraud == c))
        fold[mine] = np.arange(len(mine)) % FOLDS
    return fold[group]


def calibrated(score: np.ndarray, y: np.ndarray, weight: np.ndarray, fold: np.ndarray, *,
               isotonic: bool = False) -> np.ndarray:
    """Probabilities ``(n,)`` by a calibration that is fitted to the other folds."""
    prob = np.empty(len(y))
    for held_out in range(FOLDS):
        own, rest = fold == held_out, fold != held_out
        if isotonic:
            model = IsotonicRegression(out_of_bounds="clip")
            prob[own] = model.fit(score[rest], y[rest], weight[rest]).predict(score[own])
        else:
            model = LogisticRegression(C=1e6, max_iter=1000)
            model.fit(score[rest, None], y[rest], weight[rest])
            prob[own] = expit(model.decision_function(score[own, None]))
    return prob


def cross_fitted(data: CreditCard, *, seed: int) -> dict[str, np.ndarray]:
    """The calibrated probabilities ``(n,)`` of each model, by model and calibration."""
    x, y, weight = (data.raw_features.to_numpy(), data.frame["Class"].to_numpy(), data.weight)
    fold = numbers_of_folds(x, y, seed)
    prob, log_odds = {}, []
    for fit in (boosted_trees, network, extra_trees):
        score = np.empty(len(y))
        for held_out in range(FOLDS):
            own, rest = fold == held_out, fold != held_out
            model = fit(x[rest], y[rest], weight[rest], FOLDS * 2 * seed + held_out)
            score[own] = model(x[own])
        name = fit.__name__.replace("_", " ")
        prob[name, "logistic"] = calibrated(score, y, weight, fold)
        prob[name, "isotonic"] = calibrated(score, y, weight, fold, isotonic=True)
        log_odds.append(logit(prob[name, "logistic"]))
    score = np.mean(log_odds, axis=0)
    prob["average", "logistic"] = calibrated(score, y, weight, fold)
    prob["average", "isotonic"] = calibrated(score, y, weight, fold, isotonic=True)
    return prob


def count(prob: np.ndarray, weight: np.ndarray, edges: list[float] = EDGES) -> np.ndarray:
    """The sum of the weights in each bin ``[low, high)``; the last bin includes its end."""
    return np.histogram(prob, bins=edges, weights=weight)[0]


def measure(data: CreditCard, probs: list[dict[tuple[str, str], np.ndarray]]) -> pd.DataFrame:
    """One row for each model, calibration and repeat: scores, and rows and frauds by bin."""
    y, weight = data.frame["Class"].to_numpy(), data.weight
    table = []
    for repeat, by_model in enumerate(probs):
        for (name, calibration), p in by_model.items():
            row = {"model": name, "calibration": calibration, "repeat": repeat,
                   "AP": average_precision_score(y, p, sample_weight=weight),
                   "Brier x 1e4": 1e4 * np.average((p - y) ** 2, weights=weight),
                   "log loss x 1e4": 1e4 * log_loss(y, p.clip(1e-5, 1 - 1e-5),
                                                    sample_weight=weight)}
            for what, mine in (("rows", weight), ("frauds", weight * y), ("mean", weight * p)):
                for edge, value in zip(EDGES, count(p, mine), strict=False):
                    row[f"{what} from {edge}"] = value
            table.append(row)
    table = pd.DataFrame(table)
    for edge in EDGES[:-1]:  # what the model says there, beside the share that frauds have
        rows = table[f"rows from {edge}"]
        table[f"mean from {edge}"] /= rows.where(rows > 0)
        table[f"share from {edge}"] = table[f"frauds from {edge}"] / rows
    return table


def fifteen_percent(twin: CreditCard, *, seed: int) -> tuple[CreditCard, np.ndarray]:
    """All frauds and 42,749 normals, weighted like the sample of the real rows; and the truth."""
    fraud = twin.frame["Class"].to_numpy() == 1
    normal = np.random.default_rng(seed).choice(np.flatnonzero(~fraud), 42_749, replace=False)
    rows = np.sort(np.concatenate([normal, np.flatnonzero(fraud)]))
    weight = np.where(fraud[rows], 1, (~fraud).sum() / len(normal))
    sample = CreditCard(twin.frame.iloc[rows].reset_index(drop=True), weight, twin.source)
    return sample, twin.posterior(rows)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    known = {}
    if sys.argv[1].isdigit():
        rows, truth = fifteen_percent(creditcard_twin(seed=int(sys.argv[1])), seed=1)
        known = {("the truth", "none"): truth}
    else:
        rows = load_creditcard(sys.argv[1])
    print(rows.source)
    found = measure(rows, [cross_fitted(rows, seed=seed) | known for seed in SEEDS])
    names = ["model", "calibration", "repeat"]
    scores = ["AP", "Brier x 1e4", "log loss x 1e4"]
    print(found[names + scores].round(3).to_string(index=False))
    for part in ("rows from", "frauds from", "mean from", "share from"):
        columns = [name for name in found if name.startswith(part)]
        print(found[names + columns].round(3).to_string(index=False))
