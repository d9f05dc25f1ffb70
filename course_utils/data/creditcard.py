"""The credit-card fraud table: the real rows, or the synthetic twin, and how they are split.

What belongs here: reading, checking and splitting the table. ``sources.py`` finds its file, and
``twin.py`` holds the mathematics of the twin.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, Literal

import numpy as np
import pandas as pd
import torch

from ..arrays import as_array
from . import sources
from .ants_bees import holds_photos
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

FILE_NAMES = ["creditcard.csv", "creditcard.csv.gz", "creditcard.arff", "creditcardfraud.zip",
              "creditcard_sample.csv.gz"]
TABLES = (".csv", ".arff")
PACKED = {".gz": (b"\x1f\x8b", gzip.open), ".bz2": (b"BZh", bz2.open),
          ".xz": (b"\xfd7zXZ\0", lzma.open)}  # by suffix: the first bytes, and what unpacks them
ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
UTF16 = (b"\xff\xfe", b"\xfe\xff")  # as PowerShell writes a file
UNREADABLE = (EOFError, ImportError, OSError, RuntimeError, ValueError, lzma.LZMAError,
              tarfile.TarError, zipfile.BadZipFile, zlib.error)
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
        chance = torch.rand(len(self), generator=torch.Generator().manual_seed(int(seed)))
        times = (self.weight.double() + chance).floor().long()
        rows = torch.repeat_interleave(torch.arange(len(self)), times)
        return Part(self.x[rows], self.y[rows], torch.ones(len(rows)), self.amount[rows],
                    self.raw_index[rows.numpy()])

    def thinned(self, *, normals: int, seed: int = 0) -> Part:
        """Keep all frauds and a random sample of the normal rows, each with a larger weight.

        The weights of the normal rows grow by the same factor as their number shrinks, so a
        weighted mean over the sample estimates that over all rows. Where there are no more normal
        rows than asked for, nothing changes.

        Args:
            normals: how many normal rows to keep, at least 1.
            seed: the seed of the random sample.

        Raises:
            ValueError: ``normals`` is smaller than 1.

        >>> part = creditcard_twin(n=1000, n_fraud=10).split().train.thinned(normals=50)
        >>> len(part), int(part.y.sum()), part.weight.sum().round().item()
        (56, 6, 600.0)
        """
        if normals < 1:
            raise ValueError(f"normals is {normals}; keep at least 1 normal row")
        normal = torch.nonzero(self.y == 0)[:, 0]
        order = torch.randperm(len(normal), generator=torch.Generator().manual_seed(int(seed)))
        kept = normal[order[:normals]]
        rows = torch.cat([kept, torch.nonzero(self.y == 1)[:, 0]]).sort().values
        factor = torch.where(self.y == 0, len(normal) / max(len(kept), 1), 1.0)
        return Part(self.x[rows], self.y[rows], (self.weight * factor)[rows], self.amount[rows],
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
            ValueError: ``by`` is unknown, ``fractions`` is not three such shares, or a part that is
                asked for would hold no fraud or no normal transaction.

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

        for name, rows, share in zip(("train", "val", "test"), (train, val, test), fractions,
                                     strict=True):
            for kind, there in (("fraud", fraud[rows]), ("normal transaction", ~fraud[rows])):
                if share > 0 and not there.any():
                    raise ValueError(
                        f"the {name} part would hold no {kind}: there are {fraud.sum():,} frauds "
                        f"among {len(fraud):,} rows, split by {by!r} into {tuple(fractions)}; use "
                        "more rows or other fractions (a val or test of 0 leaves that part out)")

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
        rows = np.arange(len(self.frame)) if rows is None else as_array(rows)
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
        path: a CSV file or OpenML's ARFF file, compressed, in an archive (such as Kaggle's) or as
            it is; a folder that holds one; or ``"embedded"`` for the synthetic twin. In a folder,
            the file is found by its usual name, or by its columns. ``COURSE_DATA`` takes the same,
            and may also name a folder of other data sets, or their zip file.

    Raises:
        DataError: a file or folder that was named is missing, or its content cannot be used, or
            ``COURSE_OFFLINE`` is neither yes nor no.

    Source: Dal Pozzolo, Caelen, Johnson and Bontempi, "Calibrating Probability with Undersampling
    for Unbalanced Classification", IEEE CIDM 2015.

    >>> print(load_creditcard("embedded").source)
    Data: credit-card fraud, synthetic twin, 284,807 rows, 492 frauds, seed 0
    (no real rows involved)
    """
    wanted = sources.Wanted(
        FILE_NAMES, mine=_may_be_table, holds=_holds_table, mirrors=MIRRORS, megabytes=150,
        how_to_get=HOW_TO_GET, check=_check_published)
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
    try:
        with _table(file) as (stream, packing):
            start = _peek(stream)
            if _is_arff(start):
                layout = {"names": _attributes(stream), "quotechar": "'", "comment": "%"}
            else:
                layout = {"encoding": "utf-16"} if start.startswith(UTF16) else {}
            frame = pd.read_csv(stream, low_memory=False, compression=packing, **layout)
    except UNREADABLE as error:
        raise DataError(f"{file} cannot be read, it may be truncated or damaged "
                        f"({reason(error)}); {HOW_TO_GET}") from error
    return _checked(frame, file)


# Finding the table in a file --------------------------------------------------


def _may_be_table(place: Path) -> bool:
    """Whether a file that ``COURSE_DATA`` names is for this loader; only photos are not."""
    return place.is_file() and (not holds_photos(place) or _holds_table(place))


def _holds_table(place: Path) -> bool:
    """Whether a file begins with a header of the published columns; archives are looked into."""
    name = place.name.lower()
    known = name.endswith((*TABLES, *ARCHIVES, *(t + p for t in TABLES for p in PACKED)))
    if not known or not place.is_file():
        return False
    try:
        with _table(place) as (stream, packing):
            return packing is None and _has_columns(stream)
    except (DataError, *UNREADABLE):
        return False


def _has_columns(stream: io.BufferedReader) -> bool:
    """Whether the header, which is read, names all published columns."""
    start = _peek(stream)
    if _is_arff(start):
        header = _attributes(stream)
    else:
        line = stream.readline(10_000).decode("utf-16" if start.startswith(UTF16) else "utf-8-sig",
                                              errors="replace")
        header = line.split(",")
    return {*COLUMNS} <= {*_renamed(header)}


@contextmanager
def _table(file: Path) -> Iterator[tuple[io.BufferedReader, str | None]]:
    """The bytes of the table, unpacked, and the packing that is left to pandas to undo.

    An archive may hold other files beside the table, such as the hidden ones that macOS adds.
    """
    name = file.name.lower()
    with ExitStack() as stack:
        if name.endswith(".zst"):
            yield stack.enter_context(file.open("rb")), "zstd"
        elif name.endswith(".zip") or zipfile.is_zipfile(file):
            archive = stack.enter_context(zipfile.ZipFile(file))
            yield _member(file, stack, {info.filename: partial(archive.open, info)
                                        for info in archive.infolist() if not info.is_dir()}), None
        elif name.endswith(ARCHIVES):
            tar = stack.enter_context(tarfile.open(file))
            yield _member(file, stack, {info.name: partial(tar.extractfile, info)
                                        for info in tar.getmembers() if info.isfile()}), None
        else:
            packed = next((suffix for suffix in PACKED if name.endswith(suffix)), "")
            yield _unpacked(stack.enter_context(file.open("rb")), stack, packed), None


def _member(file: Path, stack: ExitStack, members: dict[str, Callable[[], BinaryIO]]
            ) -> io.BufferedReader:
    """The one table among the files of an archive."""
    visible = {name: read for name, read in members.items()
               if not any(part == "__MACOSX" or (part.startswith(".") and part != ".")
                          for part in name.replace("\\", "/").split("/"))}
    tables = {name: read for name, read in visible.items()
              if PurePosixPath(name.lower().removesuffix(".gz")).suffix in TABLES}
    tables = tables or (visible if len(visible) == 1 else {})
    if len(tables) > 1:
        fitting = {}
        for name, read in tables.items():
            with ExitStack() as short:
                if _has_columns(_unpacked(short.enter_context(read()), short)):
                    fitting[name] = read
        tables = fitting
    if len(tables) != 1:
        held = f"{len(tables)} tables ({', '.join(tables)})" if tables else "no table"
        raise DataError(f"{file} holds {held} with the columns Time,V1,...,V28,Amount,Class, but "
                        f"must hold one; {HOW_TO_GET}")
    (read,) = tables.values()
    return _unpacked(stack.enter_context(read()), stack)


def _unpacked(raw: BinaryIO, stack: ExitStack, suffix: str = "") -> io.BufferedReader:
    """A stream of the bytes, after unpacking them if they are compressed.

    ``suffix`` says that they should be. A browser may have unpacked them and kept the file's name.
    """
    stream = stack.enter_context(io.BufferedReader(raw, 1 << 16))
    start = _peek(stream)
    for packing, (magic, unpack) in PACKED.items():
        if start.startswith(magic) or (packing == suffix and not _is_text(start)):
            return stack.enter_context(io.BufferedReader(
                stack.enter_context(unpack(stream)), 1 << 16))
    return stream


def _peek(stream: io.BufferedReader) -> bytes:
    return stream.peek(1 << 12)


def _is_text(start: bytes) -> bool:
    """Whether a file begins like a table: with its first name, or with ``@relation``."""
    return start.lstrip(b"\xef\xbb\xbf'\"").lower().startswith((b"time", b"@relation", b"%"))


def _is_arff(start: bytes) -> bool:
    """Whether a file begins like one of OpenML's: comments after ``%``, then ``@relation``."""
    lines = (line.strip().lower() for line in start.removeprefix(b"\xef\xbb\xbf").splitlines())
    return next((line.startswith((b"@", b"%")) for line in lines if line), False)


def _attributes(stream: io.BufferedReader) -> list[str]:
    """The names of an ARFF file's columns; the stream stands at the first row afterwards."""
    names = []
    for line in iter(partial(stream.readline, 10_000), b""):
        words = line.decode(errors="replace").strip().lstrip("\ufeff").split(None, 2)
        kind = words[0].lower() if words else ""
        if kind == "@data":
            return names
        if kind == "@attribute" and len(words) > 1:
            names.append(words[1].strip("'\""))
    raise ValueError("it has no line @data")


def _renamed(header: Sequence[str]) -> list[str]:
    """Column names without quotes and blanks, in the published spelling where they have one."""
    bare = [str(name).strip("\ufeff \t\r\n'\"") for name in header]
    published = {name.lower(): name for name in COLUMNS if name not in bare}
    return [published.get(name.lower(), name) for name in bare]


def _checked(frame: pd.DataFrame, file: Path) -> pd.DataFrame:
    """The published columns as numbers, if every cell is one; OpenML's CSV file quotes them."""
    frame = frame.set_axis(_renamed(frame.columns), axis=1)
    missing = [name for name in COLUMNS if name not in frame]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise DataError(f"{file} lacks the column {missing[0]}{more}; {HEADER}")
    if not isinstance(frame.index, pd.RangeIndex):
        raise DataError(f"{file} has more cells in a row than names in its header; {HEADER}")
    twice = next((name for name in COLUMNS if np.ndim(frame[name]) > 1), None)
    if twice:
        raise DataError(f"{file} has two columns {twice}; {HEADER}")
    numbers = frame[COLUMNS].apply(_numbers).astype(np.float64)
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


def _numbers(cells: pd.Series) -> pd.Series:
    if not pd.api.types.is_numeric_dtype(cells):
        cells = cells.astype("str").str.strip(" '\"")
    return pd.to_numeric(cells, errors="coerce")
