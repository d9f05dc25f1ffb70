"""The credit-card fraud table: the real rows, or the synthetic twin, and how they are split.

What belongs here: reading, checking and splitting the table. ``sources.py`` finds its file, and
``twin.py`` holds the mathematics of the twin.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
import torch

from . import sources
from .ants_bees import may_hold_photos
from .sources import ROOT, DataError, DataSource, Kind, reason

if TYPE_CHECKING:
    from sklearn.preprocessing import StandardScaler

    from .twin import Twin

__all__ = ["CreditCard", "Part", "Split", "creditcard_twin", "load_creditcard"]

COLUMNS = ["Time", *(f"V{i}" for i in range(1, 29)), "Amount", "Class"]
FEATURES = [*COLUMNS[1:29], "log_amount"]
TRANSACTIONS, FRAUDS = 284_807, 492  # of the published file

# By _digest: the published file and the 15 % sample of it.
FULL_DIGEST = "47f332b15077585e986ff8e665ff53f43a3ad14cd3f7ae0dd10bb46f6e523ccf"
DRAW_DIGEST = "24fe14c05f065e432b12801f202e4051619d508de5c951ac56a2605a0039dbb7"

FILE_NAMES = ["creditcard.csv", "creditcard.csv.gz", "creditcard.arff", "creditcard_sample.csv.gz"]
MIRRORS = [
    "https://storage.googleapis.com/download.tensorflow.org/data/creditcard.csv",
    "https://openml.org/data/v1/download/1673544/creditcard.arff",
]
HEADER = "its header must be Time,V1,...,V28,Amount,Class, separated by commas"
HOW_TO_GET = (f"get the file from {MIRRORS[0]} or https://www.openml.org/d/1597, or use "
              'load_creditcard("embedded"), the synthetic twin')


@dataclass(frozen=True, eq=False)
class Part:
    """Rows ready for training or testing.

    Attributes:
        x: float32 ``(n, 29)``, standardised with the mean and standard deviation of the *training*
            rows.
        y: float32 ``(n,)``, 1 for a fraud, 0 for a normal transaction.
        weight: float32 ``(n,)``, how many transactions each row stands for.
        amount: float32 ``(n,)``, in euro.
        raw_index: int ``(n,)``, row numbers in ``CreditCard.frame``, in increasing order.
    """

    x: torch.Tensor
    y: torch.Tensor
    weight: torch.Tensor
    amount: torch.Tensor
    raw_index: np.ndarray

    def __len__(self) -> int:
        return len(self.y)

    def repeated(self, *, seed: int = 0) -> Part:
        """Repeat each row according to its weight, for losses that take no weights.

        All rows of the result have weight 1. A row of weight 6.67 is repeated 6 or 7 times at
        random, 6.67 times on average. Where all weights are 1, as in the full table and in the
        twin, nothing changes.

        Args:
            seed: the seed of the random rounding.

        >>> len(creditcard_twin(n=1000, n_fraud=10).split().test.repeated())
        200
        """
        chance = torch.rand(len(self), generator=torch.Generator().manual_seed(seed))
        times = (self.weight.double() + chance).floor().long()
        rows = torch.repeat_interleave(torch.arange(len(self)), times)
        return Part(self.x[rows], self.y[rows], torch.ones(len(rows)), self.amount[rows],
                    self.raw_index[rows.numpy()])


@dataclass(frozen=True, eq=False)
class Split:
    """The three parts, the names of their 29 columns, and the scaler fitted on ``train``."""

    train: Part
    val: Part
    test: Part
    features: list[str]
    scaler: StandardScaler

    def standardise(self, data: CreditCard) -> Part:
        """All rows of another table, standardised by this split's training rows.

        For example, a twin with another seed gives as many new test rows as you need.

        Args:
            data: the other table.

        Returns:
            All its rows; ``raw_index`` refers to its own ``frame``.

        >>> parts = creditcard_twin(n=1000, n_fraud=10).split()
        >>> len(parts.standardise(creditcard_twin(seed=1, n=2000, n_fraud=20)))
        2000
        """
        columns = (self.scaler.transform(data.raw_features), data.frame["Class"].to_numpy(),
                   data.weight, data.frame["Amount"].to_numpy())
        return Part(*(torch.from_numpy(c.astype(np.float32)) for c in columns),
                    np.arange(len(data.frame)))


@dataclass(frozen=True, eq=False)
class CreditCard:
    """Credit-card transactions, a few of them frauds.

    Attributes:
        frame: columns ``Time`` (seconds), ``V1..V28``, ``Amount`` (euro), ``Class`` (1 = fraud).
        weight: float64 ``(len(frame),)``, how many transactions each row stands for.
        source: where the rows came from.
    """

    frame: pd.DataFrame
    weight: np.ndarray
    source: DataSource

    @cached_property
    def raw_features(self) -> pd.DataFrame:
        """The 29 features before standardising: ``V1..V28`` and ``log_amount``.

        ``log_amount`` is ``log(Amount + 0.001)``: a tenth of a cent keeps free payments finite.
        """
        return self.frame[FEATURES[:-1]].assign(log_amount=np.log(self.frame["Amount"] + 0.001))

    def split(self, *, by: Literal["random", "time"] = "random", seed: int = 0,
              fractions: Sequence[float] = (0.6, 0.2, 0.2)) -> Split:
        """Split into train, val and test, and standardise all three by the training rows.

        Args:
            by: ``"random"`` keeps the share of frauds equal in all parts (stratified);
                ``"time"`` trains on the earliest rows and tests on the latest.
            seed: the seed of the random split; ``"time"`` does not use it.
            fractions: the shares of train, val and test. They sum to 1; val or test may be 0.

        Raises:
            ValueError: ``by`` is unknown, or ``fractions`` is not three such shares.

        >>> parts = creditcard_twin(n=1000, n_fraud=10).split(fractions=(0.8, 0.0, 0.2))
        >>> parts.train.x.shape, len(parts.val), int(parts.test.y.sum())
        (torch.Size([800, 29]), 0, 2)
        """
        from sklearn.preprocessing import StandardScaler

        if (len(fractions) != 3 or min(fractions) < 0 or fractions[0] == 0
                or not abs(sum(fractions) - 1) < 1e-9):
            raise ValueError(f"fractions is {fractions}; give three shares (train, val, test) "
                             "that sum to 1, such as (0.6, 0.2, 0.2), with train above 0")
        fraud = self.frame["Class"].to_numpy() == 1
        if by == "random":
            rng = np.random.default_rng(seed)
            groups = [rng.permutation(np.flatnonzero(fraud == c)) for c in (False, True)]
        elif by == "time":
            groups = [np.argsort(self.frame["Time"].to_numpy(), kind="stable")]
        else:
            raise ValueError(f"by is {by!r}; it must be 'random' or 'time'")

        ends = np.cumsum(fractions[:2])
        pieces = [np.split(rows, np.round(ends * len(rows)).astype(int)) for rows in groups]
        train, val, test = (np.sort(np.concatenate(piece)) for piece in zip(*pieces, strict=True))

        raw = self.raw_features
        scaler = StandardScaler().fit(raw.iloc[train], sample_weight=self.weight[train])

        def part(rows: np.ndarray) -> Part:
            x = scaler.transform(raw.iloc[rows]) if len(rows) else np.empty((0, len(FEATURES)))
            columns = (x, fraud[rows], self.weight[rows], self.frame["Amount"].to_numpy()[rows])
            return Part(*(torch.from_numpy(c.astype(np.float32)) for c in columns), rows)

        return Split(part(train), part(val), part(test), list(FEATURES), scaler)

    def posterior(self, rows: np.ndarray | None = None) -> np.ndarray:
        """Evaluate the true P(fraud | features) of rows of the synthetic twin.

        Args:
            rows: row numbers of ``frame``, such as ``parts.test.raw_index``; ``None`` for all.

        Returns:
            float64 ``(len(rows),)``, exact for the mixture that the twin is sampled from.

        Raises:
            DataError: the rows are real, so nobody knows their posterior.
            TypeError: ``rows`` does not hold integers, but for example features.

        >>> twin = creditcard_twin(n=1000, n_fraud=10)
        >>> twin.posterior(twin.split().test.raw_index).shape
        (200,)
        """
        if self.source.real:
            raise DataError("the posterior is known for the synthetic twin only, and these rows "
                            'are real; use load_creditcard("embedded")')
        rows = np.arange(len(self.frame)) if rows is None else np.asarray(rows)
        if not np.issubdtype(rows.dtype, np.integer) or rows.ndim != 1:
            raise TypeError(f"rows is an array of {rows.dtype} with shape {rows.shape}; give row "
                            "numbers of data.frame, such as parts.test.raw_index")
        prior = np.average(self.frame["Class"], weights=self.weight)
        return _twin().posterior(self.frame.iloc[rows], prior=prior)


def load_creditcard(path: str | os.PathLike[str] | None = None) -> CreditCard:
    """Load the credit-card fraud data: the real rows where available, else their synthetic twin.

    These sources are tried in order: ``path``; the environment variable ``COURSE_DATA``; the
    download cache; the network, unless ``COURSE_OFFLINE=1``; the synthetic twin, whose ``source``
    then says why. The published file and the 15 % sample are recognised by their content.

    Args:
        path: a CSV file (gzipped or not) or OpenML's ARFF file, a folder that holds one under its
            usual name, or ``"embedded"`` for the synthetic twin. ``COURSE_DATA`` takes the same,
            and may also name a folder of other data sets, or their zip file.

    Raises:
        DataError: a file or folder that was named is missing, or its content cannot be used.

    Source: Dal Pozzolo, Caelen, Johnson and Bontempi, "Calibrating Probability with Undersampling
    for Unbalanced Classification", IEEE CIDM 2015.

    >>> print(load_creditcard("embedded").source)
    Data: credit-card fraud, synthetic twin, 284,807 rows, 492 frauds, seed 0
    (no real rows involved)
    """
    wanted = sources.Wanted(
        FILE_NAMES, mine=lambda place: place.is_file() and not may_hold_photos(place),
        mirrors=MIRRORS, megabytes=150, how_to_get=HOW_TO_GET, check=_check_published)
    return sources.load(path, wanted, read=_from_file, stand_in=creditcard_twin)


def creditcard_twin(*, seed: int = 0, n: int = TRANSACTIONS, n_fraud: int = FRAUDS) -> CreditCard:
    """Sample the synthetic twin of the credit-card data: invented rows, as hard as the real ones.

    Args:
        seed: the seed of the random sample; the same seed gives the same rows.
        n: number of rows, at least 2.
        n_fraud: how many of them are frauds, from 1 to ``n - 1``.

    Raises:
        ValueError: ``n_fraud`` is not between 1 and ``n - 1``.

    >>> int(creditcard_twin(n=1000, n_fraud=10).frame["Class"].sum())
    10
    """
    if not 1 <= n_fraud < n:
        raise ValueError(f"n_fraud is {n_fraud} with n = {n}; it must lie between 1 and n - 1")
    frame = _twin().draw(seed=seed, n=n, n_fraud=n_fraud)
    text = (f"credit-card fraud, synthetic twin, {n:,} rows, {n_fraud:,} frauds, seed {seed} "
            "(no real rows involved)")
    return CreditCard(frame[COLUMNS], np.ones(n), DataSource("embedded", text, real=False))


def _twin() -> Twin:
    from .twin import load_twin

    path = ROOT / "data" / "twin_spec.json"
    if not path.is_file():
        raise DataError(f"{path} is missing; use course_utils from a complete copy of the course")
    return load_twin(path)


def _from_file(file: Path, kind: Kind) -> CreditCard:
    frame = _read(file)
    normal = frame["Class"].to_numpy() == 0
    weight = np.ones(len(frame))
    digest = _digest(frame)
    if digest == FULL_DIGEST:
        what = f"{len(frame):,} real rows, {FRAUDS} frauds"
    elif digest == DRAW_DIGEST:
        share = normal.sum() / (TRANSACTIONS - FRAUDS)
        weight[normal] = 1 / share
        what = (f"{len(frame):,} real rows ({100 * share:.0f} % sample of the normals, weighted to "
                f"{weight.sum():,.0f})")
    elif kind == "path":
        what = (f"{len(frame):,} rows, {(~normal).sum():,} frauds (not the published file; every "
                "row has weight 1)")
    else:
        raise DataError(f"{file} is not the published file")
    return CreditCard(frame, weight,
                      DataSource(kind, f"credit-card fraud, {what} from {file.name}"))


def _check_published(file: Path) -> None:
    if _digest(_read(file)) != FULL_DIGEST:
        raise DataError(f"{file} is not the published file")


def _digest(frame: pd.DataFrame) -> str:
    """SHA-256 of Time, Amount in cents and Class, as little-endian int64, row by row."""
    numbers = [frame["Time"], (100 * frame["Amount"]).round(), frame["Class"]]
    return hashlib.sha256(np.column_stack(numbers).astype("<i8").tobytes()).hexdigest()


def _read(file: Path) -> pd.DataFrame:
    """Read a CSV file or OpenML's ARFF file, and check every cell."""
    layout: dict = {}
    try:
        if file.suffix == ".arff":
            with file.open("rb") as lines:
                header = next((i for i, line in enumerate(lines, 1)
                               if line.strip().lower() == b"@data"), 0)
            layout = {"skiprows": header, "names": COLUMNS, "quotechar": "'"}
        frame = pd.read_csv(file, low_memory=False, **layout)
    except (EOFError, ImportError, OSError, ValueError, tarfile.TarError, zipfile.BadZipFile,
            zlib.error) as error:
        raise DataError(f"{file} cannot be read, it may be truncated or damaged "
                        f"({reason(error)}); {HOW_TO_GET}") from error
    return _checked(frame, file)


def _checked(frame: pd.DataFrame, file: Path) -> pd.DataFrame:
    """The published columns as numbers, if every cell is one."""
    missing = [name for name in COLUMNS if name not in frame]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise DataError(f"{file} lacks the column {missing[0]}{more}; {HEADER}")
    if not isinstance(frame.index, pd.RangeIndex):
        raise DataError(f"{file} has more cells in a row than names in its header; {HEADER}")
    numbers = frame[COLUMNS].apply(pd.to_numeric, errors="coerce").astype(np.float64)
    usable = np.isfinite(numbers.to_numpy())
    usable[:, COLUMNS.index("Amount")] &= numbers["Amount"] >= 0
    usable[:, COLUMNS.index("Class")] &= numbers["Class"].isin([0, 1])
    if not usable.all():
        row, column = np.argwhere(~usable)[0]
        name, cell = COLUMNS[column], frame[COLUMNS[column]].iloc[row]
        wanted = {"Class": "0 or 1", "Amount": "euros, 0 or more"}.get(name, "a number")
        problem = "is empty (is the file truncated?)" if pd.isna(cell) else f"is {str(cell)!r}"
        raise DataError(f"{file}: {name} in data row {row + 1:,} {problem}, but must be {wanted}; "
                        "correct or remove that row, or download the file again")
    if numbers["Class"].nunique() < 2:
        raise DataError(f"{file} holds {len(numbers):,} rows of one class; it must hold frauds "
                        "(Class 1) and normal transactions (Class 0)")
    return numbers.astype({"Class": np.int64})
