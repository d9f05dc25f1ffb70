"""Fit the synthetic twin of the credit-card data to real rows and write ``twin_spec.json``.

Run by hand, with the published file or its 15 % sample:

    python data/make_twin.py path/to/creditcard.csv

The steps are: (1) the scores of the amounts are normal quantiles of their ranks, taken at AMOUNTS;
(2) scikit-learn's EM fits a mixture of Gaussians per class over V1..V28 and the score; (3) two
Gaussians with one covariance are fitted to the doubtful rows, and one joins each mixture; (4) each
coordinate of the other Gaussians is shifted and stretched, per class, so that the means and
variances of V1..V28 and of log(Amount + 0.001) equal the real ones *after* the two shares below are
mixed into the other class; (5) all numbers are rounded to four digits. Rows with an amount of 0
enter the fit with a hundredth of a cent.

Which rows are doubtful, the models of ``measure_doubt.py`` say: a row with the cross-fitted
probability p counts p (1 - p) times its weight. Mean and covariance of these rows, with the
correlations multiplied by 0.9, are those of the two Gaussians, but the one of the frauds is moved
DISTANCE of its own standard deviations away from the one of the normals, in the direction from the
mean normal to the mean fraud. Where the other Gaussians are thin, the log odds of fraud are
therefore linear in the row, with a standard deviation of DISTANCE: all probabilities occur.

Five numbers were chosen by looking at results. Four follow from what boosted trees, the best of the
models, find in the real rows, counted in the full table. Of the rows above 0.9, 0.94 to 0.96 are
frauds: normals sampled from the frauds' mixture are the others. 64 to 70 frauds lie below 0.02:
some of them are sampled from the normals' mixture, and as many as let the true posterior be as good
as the best model (AP 0.844, Brier score 0.00042). 70 to 115 frauds and 246 to 519 normals lie
between: these are the doubtful Gaussians, and DISTANCE spreads them over the bins. The fifth
condition is a logistic regression, which on the 15 % sample has average precision (AP) 0.776 and
best F1 0.807. Trials, with a and b as in ``course_utils/data/twin.py``, and the shares of the
doubtful Gaussians s0 in the normals' mixture and s1 in the frauds':

                              rows and frauds by true p, seed 0   AP of the   logistic regression
    a        b     s0      s1    .02 to .1  .1 to .5  .5 to .9    posterior     AP     best F1
    0.00020  0.07  0       0         2, 1      2, 0   519, 455    0.806        0.760   0.814
    0.00004  0.10  0.0018  0.18    171, 4   127, 34    93, 60     0.863        0.791   0.807
    0.00005  0.12  0.0018  0.18    195, 9   126, 37    82, 61     0.835        0.778   0.806
    0.00008  0.08  0.0018  0.18   181, 12   155, 34   101, 74     0.856        0.771   0.800
    0.00010  0.08  0.0014  0.15    144, 4   111, 26   102, 67     0.827        0.783   0.816   <-

The posterior is that of seed 0. The logistic regression is a mean over five twins with ten splits
each, in the second and fourth line over three twins with two to ten splits each. From twin to twin
(492 frauds each) these figures vary by 0.02 to 0.03. In the third line, the posterior has an AP of
0.826 over five twins, less than the best model finds in the real rows; in the last line, 0.844.

In the twin of the first line, no probability exceeds 0.89, and the models find as many doubtful
rows as in the real table, out of ignorance. So what they find in the real rows does not prove that
so many are doubtful; it says how many may be.

Without doubtful Gaussians, twelve components for the normals instead of eight changed neither
figure of the logistic regression by more than 0.02. The default seed 0 was not selected from
several.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from measure_doubt import DOUBTFUL, EDGES, SEEDS, count, cross_fitted, measure
from scipy.optimize import root
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, precision_recall_curve
from sklearn.mixture import GaussianMixture

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

from course_utils.data import CreditCard, creditcard_twin, load_creditcard  # noqa: E402
from course_utils.data.twin import AmountScale, Mixture, V  # noqa: E402

COMPONENTS = {"normal": 8, "fraud": 3}
REGULARISATION = {"normal": 0.01, "fraud": 0.1}  # of covariances, in units of the class's variance
NORMALS_FROM_FRAUD = 0.0001
FRAUDS_FROM_NORMAL = 0.08
DOUBTFUL_SHARE = {"normal": 0.0014, "fraud": 0.15}  # of the class's mixture
DISTANCE = 2
AMOUNTS = [0.01, 0.1, 0.5, 0.99, 1.5, 2, 3, 5, 8, 12, 20, 30, 50, 80, 120, 200, 350, 600, 1000,
           2000, 4000, 8000]  # euro
SMALLEST_AMOUNT, LARGEST_AMOUNT = 0.0001, 30_000
SPLIT_SEEDS = range(10)


def fit(x: np.ndarray, *, components: int, regularisation: float) -> Mixture:
    """Fit a mixture to the rows of ``x`` ``(n, d)``, standardised for the fit."""
    mean, sd = x.mean(axis=0), x.std(axis=0)
    found = GaussianMixture(components, reg_covar=regularisation, n_init=5, max_iter=500,
                            random_state=0).fit((x - mean) / sd)
    return Mixture(found.weights_, found.means_ * sd + mean,
                   np.linalg.cholesky(found.covariances_) * sd[:, None])


def scale_amounts(amount: np.ndarray, weight: np.ndarray) -> AmountScale:
    """Take normal scores of the amounts, with straight lines beyond the first and the last."""
    below = [np.average(amount <= limit, weights=weight) for limit in AMOUNTS]
    score = norm.ppf([np.average(amount == 0, weights=weight) / 2, *below])
    log_amount = np.log([SMALLEST_AMOUNT, *AMOUNTS])
    return AmountScale(np.array([-12, *score, 12]),
                       np.array([log_amount[0] - 5, *log_amount, np.log(LARGEST_AMOUNT)]))


def log_amount_moments(mixture: Mixture, scale: AmountScale) -> np.ndarray:
    """Mean and mean square of ``log(Amount + 0.001)``, ``(2,)``, by Gauss-Hermite quadrature."""
    node, weight = np.polynomial.hermite_e.hermegauss(100)
    sd = np.sqrt((mixture.cholesky[:, -1] ** 2).sum(axis=1))
    score = mixture.mean[:, -1:] + sd[:, None] * node
    values = np.log(scale.to_amount(score) + 0.001)
    return mixture.weight @ (np.stack([values, values**2]) @ weight).T / weight.sum()


def match(mixture: Mixture, mean: np.ndarray, square: np.ndarray, scale: AmountScale) -> Mixture:
    """Shift and stretch until the means and mean squares of the 29 features are those given.

    The last feature, ``log(Amount + 0.001)``, is not a linear function of the last coordinate, so
    its shift and stretch are found numerically. Those of the others follow directly.
    """
    has_mean, has_square = mixture.moments()
    stretch = np.sqrt((square - mean**2) / (has_square - has_mean**2))
    shift = mean - stretch * has_mean

    def moved(last: np.ndarray) -> Mixture:
        shift[-1], stretch[-1] = last
        return Mixture(mixture.weight, mixture.mean * stretch + shift,
                       mixture.cholesky * stretch[:, None])

    wanted = np.array([mean[-1], square[-1]])
    found = root(lambda last: log_amount_moments(moved(last), scale) - wanted, [0, 1])
    if not found.success:
        raise ArithmeticError(f"the amounts cannot be matched: {found.message}")
    return moved(found.x)


def logistic_regression(data: CreditCard, seeds: range = SPLIT_SEEDS) -> np.ndarray:
    """Average precision and best F1 of a logistic regression, ``(len(seeds), 2)``.

    For each seed it is fitted with the rows' weights on a stratified 60 % and measured with the
    weights on the other 40 %, with scikit-learn's defaults otherwise.
    """
    scores = []
    for seed in seeds:
        parts = data.split(seed=seed, fractions=(0.6, 0.0, 0.4))
        train, test = parts.train, parts.test
        model = LogisticRegression(max_iter=1000).fit(train.x, train.y, train.weight)
        logit = model.decision_function(test.x)  # probabilities in float32 tie at 1
        precision, recall, _ = precision_recall_curve(test.y, logit, sample_weight=test.weight)
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
        scores.append((average_precision_score(test.y, logit, sample_weight=test.weight), f1.max()))
    return np.array(scores)


def fit_doubtful(x: np.ndarray, doubt: np.ndarray, direction: np.ndarray) -> list[Mixture]:
    """The Gaussians of the doubtful normals and of the doubtful frauds.

    Args:
        x: the rows, ``(n, d)``.
        doubt: ``(n,)``, how much each row counts.
        direction: ``(d,)``, in which the second mean lies from the first.
    """
    mean, cov = np.average(x, axis=0, weights=doubt), np.cov(x.T, aweights=doubt)
    cov = 0.9 * cov + 0.1 * np.diag(np.diag(cov))
    step = DISTANCE * direction / np.sqrt(direction @ np.linalg.solve(cov, direction))
    cholesky = np.linalg.cholesky(cov)[None]
    return [Mixture(np.ones(1), (mean + sign * step / 2)[None], cholesky) for sign in (-1, 1)]


def feature_moments(mixture: Mixture, scale: AmountScale) -> np.ndarray:
    """Mean and mean square of the 29 features, ``(2, 29)``."""
    moments = np.array(mixture.moments())
    moments[:, -1] = log_amount_moments(mixture, scale)
    return moments


def join(mixture: Mixture, other: Mixture, share: float) -> Mixture:
    """A mixture in which ``other`` has the share ``share``."""
    return Mixture(*(np.concatenate(parts) for parts in (
        [(1 - share) * mixture.weight, share * other.weight],
        [mixture.mean, other.mean], [mixture.cholesky, other.cholesky])))


def bracket(found: pd.DataFrame) -> dict:
    """What the models find in each bin of DOUBTFUL and in all, as [smallest, largest]."""
    result = {"edges": EDGES[:len(DOUBTFUL) + 1]}
    for what in ("rows", "frauds"):
        bins = found[[f"{what} from {edge}" for edge in DOUBTFUL]]
        result[what] = short(np.column_stack([bins.min(), bins.max()]))
        result[f"all_{what}"] = short(np.array([bins.sum(axis=1).min(), bins.sum(axis=1).max()]))
    return result


def short(numbers: np.ndarray) -> list:
    """Numbers with four significant digits, as nested lists."""
    if np.ndim(numbers):
        return [short(row) for row in numbers]
    return float(f"{numbers:.4g}")


def make_spec(real: CreditCard) -> dict:
    """Fit everything, and return the content of the file."""
    frame, names = real.frame, ("normal", "fraud")
    scale = scale_amounts(frame["Amount"].to_numpy(), real.weight)
    score = scale.to_score(frame["Amount"].clip(SMALLEST_AMOUNT))
    x = frame[V].assign(score=score).to_numpy()
    is_class = [frame["Class"].to_numpy() == c for c in (0, 1)]
    # Row c holds the shares of f0 and f1 in class c; moments mix in the same shares.
    shares = np.array([[1 - NORMALS_FROM_FRAUD, NORMALS_FROM_FRAUD],
                       [FRAUDS_FROM_NORMAL, 1 - FRAUDS_FROM_NORMAL]])
    features = [real.raw_features[rows].to_numpy() for rows in is_class]
    mean = np.linalg.solve(shares, [part.mean(axis=0) for part in features])
    square = np.linalg.solve(shares, [(part**2).mean(axis=0) for part in features])
    probs = [cross_fitted(real, seed=seed) for seed in SEEDS]
    prob = probs[0]["average", "logistic"]
    doubtful = fit_doubtful(x, real.weight * prob * (1 - prob),
                            x[is_class[1]].mean(axis=0) - x[is_class[0]].mean(axis=0))
    mixtures = {}
    for c, name in enumerate(names):
        fitted = fit(x[is_class[c]], components=COMPONENTS[name],
                     regularisation=REGULARISATION[name])
        share = DOUBTFUL_SHARE[name]
        wanted = ((mean[c], square[c]) - share * feature_moments(doubtful[c], scale)) / (1 - share)
        mixtures[name] = join(match(fitted, *wanted, scale), doubtful[c], share)
    lower = np.tril_indices(len(V) + 1)
    hours, _ = np.histogram(frame["Time"] / 3600, bins=48, range=(0, 48), weights=real.weight)
    scores = logistic_regression(real)
    by_class = real.raw_features.groupby(frame["Class"].to_numpy())
    return {
        "about": "Synthetic twin of the ULB/Worldline credit-card fraud data (Dal Pozzolo et al. "
                 "2015): numbers fitted to real rows, no real row. Made by data/make_twin.py, "
                 "which says how; data card in data/README.md.",
        "fitted_to": str(real.source).removeprefix("Data: "),
        "coordinates": [*V, "score of Amount"],
        "normals_from_fraud": NORMALS_FROM_FRAUD,
        "frauds_from_normal": FRAUDS_FROM_NORMAL,
        "amount_scale": short([scale.score, scale.log_amount]),
        "transactions_per_hour": hours.round().astype(int).tolist(),
        **{name: {"weight": short(mixture.weight), "mean": short(mixture.mean),
                  "cholesky_rows": short(mixture.cholesky[:, *lower])}
           for name, mixture in mixtures.items()},
        "real": {
            "about": "Measured on the rows fitted to, in the order V1..V28, log(Amount + 0.001); "
                     "logistic regression: [mean, sd] over ten splits, fitted on a stratified "
                     "60 %, measured on the other 40 %, with the rows' weights.",
            "mean": dict(zip(names, short(by_class.mean().to_numpy()), strict=True)),
            "sd": dict(zip(names, short(by_class.std().to_numpy()), strict=True)),
            "average_precision": short([scores[:, 0].mean(), scores[:, 0].std()]),
            "doubtful_rows": {
                "about": "Rows of the full table, and frauds among them, whose calibrated "
                         "probability lies between two edges: smallest and largest of what the "
                         "models, calibrations and repeats of data/measure_doubt.py find.",
                **bracket(measure(real, probs))},
            "best_f1": short([scores[:, 1].mean(), scores[:, 1].std()]),
        },
    }


def compare(spec: dict) -> None:
    """Print the twin beside the real rows."""
    print(f"real    AP {spec['real']['average_precision']}  best F1 {spec['real']['best_f1']}")
    for seed in range(5):
        started = time.perf_counter()
        twin = creditcard_twin(seed=seed)
        seconds = time.perf_counter() - started
        ap, f1 = logistic_regression(twin).T
        bayes = average_precision_score(twin.frame["Class"], twin.posterior())
        normals, frauds = (count(twin.posterior(rows), np.ones(len(rows)), EDGES[:4]).astype(int)
                           for rows in (np.flatnonzero(twin.frame["Class"] == c) for c in (0, 1)))
        print(f"twin {seed}  normals {normals}, frauds {frauds} in the bins of EDGES")
        print(f"twin {seed}  AP {ap.mean():.3f} +- {ap.std():.3f}  best F1 {f1.mean():.3f} +- "
              f"{f1.std():.3f}  AP of the true posterior {bayes:.3f}  sampled in {seconds:.2f} s")


if __name__ == "__main__":
    real_rows = load_creditcard(sys.argv[1] if len(sys.argv) == 2 else sys.exit(__doc__))
    print(real_rows.source)
    made = make_spec(real_rows)
    text = json.dumps(made, separators=(",", ":")).replace("],[", "],\n[").replace('],"', '],\n"')
    (FOLDER / "twin_spec.json").write_text(text + "\n", encoding="utf-8")
    compare(made)
