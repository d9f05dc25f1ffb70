"""The synthetic twin of the fraud data: a Gaussian mixture whose posterior is known.

What belongs here: sampling rows from the fitted mixture and evaluating its density. The fit itself
is ``data/make_twin.py`` and its result ``data/twin_spec.json``. Users call
:func:`course_utils.data.creditcard_twin`.

A row consists of ``V1..V28`` and the score of its amount, a strictly increasing function of the
amount whose values are about standard normal. ``f0`` and ``f1`` are mixtures of Gaussians over
these 29 numbers, and the distributions of the two classes are

    normal:  (1 - a) f0 + a f1        fraud:  (1 - b) f1 + b f0

with small ``a`` and ``b``: a few normals look like frauds and some frauds like normals, as in the
real rows. Others are doubtful: the last Gaussians of ``f0`` and of ``f1`` have one covariance and
means so close together that between them the probability of fraud takes all values. Time is sampled
independently, so it carries no information about the class. Nothing is rounded to cents, so that
the densities stay exact.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.linalg import solve_triangular
from scipy.special import expit, logsumexp

__all__ = ["AmountScale", "Mixture", "Twin", "load_twin"]

V = [f"V{i}" for i in range(1, 29)]


@dataclass(frozen=True)
class AmountScale:
    """A strictly increasing map between amounts and scores, linear between its knots.

    Attributes:
        score: ``(k,)``, increasing.
        log_amount: ``(k,)``, increasing, the logarithm of euro.
    """

    score: np.ndarray
    log_amount: np.ndarray

    def to_score(self, amount: np.ndarray) -> np.ndarray:
        """Convert amounts in euro, above 0, to scores."""
        return np.interp(np.log(amount), self.log_amount, self.score)

    def to_amount(self, score: np.ndarray) -> np.ndarray:
        """Convert scores to amounts in euro."""
        return np.exp(np.interp(score, self.score, self.log_amount))


@dataclass(frozen=True)
class Mixture:
    """``k`` Gaussians over ``d`` coordinates.

    Attributes:
        weight: ``(k,)``, positive, sums to 1.
        mean: ``(k, d)``.
        cholesky: ``(k, d, d)``, lower triangular; the covariances are ``L @ L.T``.
    """

    weight: np.ndarray
    mean: np.ndarray
    cholesky: np.ndarray

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Sample ``n`` points, an array ``(n, d)``."""
        points = rng.standard_normal((n, self.mean.shape[1]))
        component = rng.choice(len(self.weight), n, p=self.weight)
        for k, (mean, cholesky) in enumerate(zip(self.mean, self.cholesky, strict=True)):
            mine = component == k
            points[mine] = points[mine] @ cholesky.T + mean
        return points

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """Evaluate the logarithm of the density at ``x`` ``(n, d)``; returns ``(n,)``."""
        per_component = []
        for weight, mean, cholesky in zip(self.weight, self.mean, self.cholesky, strict=True):
            z = solve_triangular(cholesky, (x - mean).T, lower=True, overwrite_b=True)
            log_volume = np.log(np.diag(cholesky)).sum() + len(mean) / 2 * np.log(2 * np.pi)
            per_component.append(np.log(weight) - (z**2).sum(axis=0) / 2 - log_volume)
        return logsumexp(per_component, axis=0)

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the exact mean and mean square of every coordinate, each ``(d,)``."""
        variance = (self.cholesky**2).sum(axis=2)
        return self.weight @ self.mean, self.weight @ (variance + self.mean**2)


@dataclass(frozen=True)
class Twin:
    """The two mixtures, the share of each in the other class, and the hours of the day.

    Attributes:
        normal, fraud: ``f0`` and ``f1`` of the module's docstring.
        normals_from_fraud, frauds_from_normal: the shares ``a`` and ``b``.
        amounts: the map between the 29th coordinate and euro.
        hours: the share of transactions in each hour of the two days, ``(48,)``.
    """

    normal: Mixture
    fraud: Mixture
    normals_from_fraud: float
    frauds_from_normal: float
    amounts: AmountScale
    hours: np.ndarray

    def draw(self, *, seed: int, n: int, n_fraud: int) -> pd.DataFrame:
        """Sample ``n`` rows, ``n_fraud`` of them frauds, with the columns of the real file."""
        rng = np.random.default_rng(seed)
        fraud = np.zeros(n, dtype=bool)
        fraud[rng.choice(n, n_fraud, replace=False)] = True
        swap = rng.random(n) < np.where(fraud, self.frauds_from_normal, self.normals_from_fraud)
        from_fraud = fraud ^ swap

        x = np.empty((n, len(V) + 1))
        x[~from_fraud] = self.normal.draw(n - from_fraud.sum(), rng)
        x[from_fraud] = self.fraud.draw(from_fraud.sum(), rng)
        hour = rng.choice(len(self.hours), n, p=self.hours)
        time = np.sort(np.floor(3600 * (hour + rng.random(n))))

        x[:, -1] = self.amounts.to_amount(x[:, -1])
        frame = pd.DataFrame(x, columns=[*V, "Amount"])
        frame.insert(0, "Time", time)
        return frame.assign(Class=fraud.astype(np.int64))

    def posterior(self, frame: pd.DataFrame, *, prior: float) -> np.ndarray:
        """Evaluate P(fraud | V1..V28, Amount) exactly, in float64.

        Args:
            frame: rows with the raw columns ``V1..V28`` and ``Amount`` (in euro, not rounded).
            prior: the share of frauds among all rows, in (0, 1).

        Returns:
            float64 ``(len(frame),)``.

        The densities may be written in any strictly increasing function of the amount, the score or
        ``log(Amount + 0.001)``, because a change of variable multiplies both by the same factor.
        """
        x = frame[V].assign(score=self.amounts.to_score(frame["Amount"])).to_numpy(np.float64)
        f0, f1 = self.normal.log_density(x), self.fraud.log_density(x)

        def blend(own: np.ndarray, other: np.ndarray, share: float) -> np.ndarray:
            with np.errstate(divide="ignore"):
                return np.logaddexp(np.log1p(-share) + own, np.log(share) + other)

        log_odds = (blend(f1, f0, self.frauds_from_normal)
                    - blend(f0, f1, self.normals_from_fraud)
                    + np.log(prior) - np.log1p(-prior))
        return expit(log_odds)


@cache
def load_twin(path: Path) -> Twin:
    """Read the specification that ``data/make_twin.py`` wrote."""
    spec = json.loads(path.read_text(encoding="utf-8"))
    d = len(V) + 1

    def mixture(part: dict) -> Mixture:
        weight = np.array(part["weight"])
        cholesky = np.zeros((len(weight), d, d))
        cholesky[:, *np.tril_indices(d)] = part["cholesky_rows"]
        return Mixture(weight / weight.sum(), np.array(part["mean"]), cholesky)

    hours = np.array(spec["transactions_per_hour"], dtype=float)
    return Twin(mixture(spec["normal"]), mixture(spec["fraud"]),
                spec["normals_from_fraud"], spec["frauds_from_normal"],
                AmountScale(*np.array(spec["amount_scale"])), hours / hours.sum())
