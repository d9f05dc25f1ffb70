"""Running the laboratory: pieces that survive an interruption, and the tables made of them.

What belongs here: cutting the work into pieces, having joblib carry them out, keeping each one that
is finished, and writing and reading ``data/lab``. What is carried out is ``experiments``.

A piece is one experiment with a block of seeds. Its scores are written to ``build/lab`` under a
name that holds a digest of all that decides them, and appear there whole or not at all. So the
laboratory can be killed at any moment, and the next call goes on with the pieces that are missing.

``data/lab`` holds one table for each experiment. A row has the scores of one metric on one part for
networks with the same loss, decision rule and learning rate, one column for each seed of a set:
``set, loss, rule, lr, part, metric, 0, 1, ...``.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import lzma
import os
import platform
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from .. import __version__, runtime
from ..data.sources import ROOT
from . import claims
from .experiments import EXPERIMENTS, Experiment, score
from .verdicts import Reading

__all__ = ["SETS", "load", "main", "run"]

RESULTS, PIECES = ROOT / "data" / "lab", ROOT / "build" / "lab"
SETS = {"first": 0, "second": 1_000_000}  # the first seed of each independent set
BLOCK = 20  # seeds of a piece
KEYS = ["set", "loss", "rule", "lr", "seed", "part"]
ROWS = ["set", "loss", "rule", "lr", "part", "metric"]  # the first columns of a stored table
DECIMALS = 5  # of a stored score; the smallest effect of a claim is 0.01


class Piece(NamedTuple):
    """An experiment, by its name, and the seeds of a block."""

    experiment: str
    set: str
    first: int
    n: int

    def seeds(self) -> range:
        start = SETS[self.set] + self.first
        return range(start, start + self.n)

    def file(self, folder: Path) -> Path:
        settings = dataclasses.asdict(EXPERIMENTS[self.experiment])
        decides = json.dumps([settings, torch.__version__, np.__version__, __version__])
        digest = hashlib.sha256(decides.encode()).hexdigest()[:12]
        seeds = self.seeds()
        return folder / f"{slug(self.experiment)}-{seeds[0]}-{seeds[-1]}-{digest}.csv"


def slug(name: str) -> str:
    """A name as a file's name."""
    return re.sub(r"\W+", "_", name)


def pieces(names: Sequence[str], n_seeds: int) -> list[Piece]:
    """The pieces of these experiments, for both sets of seeds, those that take longest first."""
    by_time = sorted(names, key=lambda name: EXPERIMENTS[name].steps(), reverse=True)
    return [Piece(name, which, first, min(BLOCK, n_seeds - first)) for name in by_time
            for which in SETS for first in range(0, n_seeds, BLOCK)]


def carry_out(settings: Experiment, piece: Piece) -> tuple[Piece, pd.DataFrame]:
    """Train and score the networks of a piece, with one thread."""
    torch.set_num_threads(1)
    return piece, score(settings, piece.seeds()).assign(set=piece.set)


def run(names: Sequence[str], *, n_seeds: int = 100, n_jobs: int | None = None,
        folder: Path | None = None, progress: bool = True) -> None:
    """Carry out the pieces that are missing, and keep each of them as soon as it is finished.

    Args:
        names: experiments.
        n_seeds: seeds in each of the two sets, ``>= 2``.
        n_jobs: processes, as joblib counts them; ``None`` is 1, or the value of a surrounding
            ``joblib.parallel_config``, which also sends the pieces to a Dask cluster.
        folder: where the pieces are kept; ``None`` for ``build/lab``.
        progress: whether to show a progress bar.

    Raises:
        ValueError: an experiment is unknown, or ``n_seeds`` is too small.
    """
    import joblib

    unknown = [name for name in names if name not in EXPERIMENTS]
    if unknown:
        raise ValueError(f"there is no experiment {unknown[0]!r}; choose from "
                         f"{', '.join(EXPERIMENTS)}")
    if n_seeds < 2:
        raise ValueError(f"n_seeds is {n_seeds}; an interval needs at least 2")
    folder = folder or PIECES
    folder.mkdir(parents=True, exist_ok=True)
    asked = pieces(names, n_seeds)
    missing = [piece for piece in asked if not piece.file(folder).exists()]
    steps = {piece: EXPERIMENTS[piece.experiment].steps() * piece.n for piece in asked}
    with (warnings.catch_warnings(),
          runtime.Progress("laboratory", total=sum(steps.values()), unit="steps",
                           show=progress) as bar):
        # loky renews a worker whose memory has grown, and loses nothing by it
        warnings.filterwarnings("ignore", "A worker stopped while some jobs")
        bar.update(sum(steps[piece] for piece in asked if piece not in missing))
        work = (joblib.delayed(carry_out)(EXPERIMENTS[piece.experiment], piece)
                for piece in missing)
        for piece, table in joblib.Parallel(n_jobs=n_jobs, return_as="generator")(work):
            write_whole(piece.file(folder), to_csv(table, DECIMALS + 1))
            bar.update(steps[piece])


def to_csv(table: pd.DataFrame, decimals: int) -> bytes:
    return table.round({name: decimals for name in table if name != "lr"}).to_csv(
        index=False, lineterminator="\n").encode()


def with_a_column_for_each_seed(table: pd.DataFrame) -> pd.DataFrame:
    """A row for each metric, instead of a row for each seed."""
    start = table["set"].map(SETS)
    long = table.assign(seed=table["seed"] - start).melt(KEYS, var_name="metric").dropna()
    return long.pivot(index=ROWS, columns="seed", values="value").sort_index().reset_index()


def with_a_row_for_each_seed(table: pd.DataFrame) -> pd.DataFrame:
    """The reverse of :func:`with_a_column_for_each_seed`."""
    long = table.set_index(ROWS).stack().rename_axis([*ROWS, "seed"])
    wide = long.unstack("metric").reset_index().rename_axis(columns=None)
    return wide.assign(seed=wide["seed"].astype(int) + wide["set"].map(SETS))


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, even if the process or the machine stops meanwhile."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def assemble(names: Sequence[str], *, n_seeds: int = 100, folder: Path = PIECES,
             results: Path = RESULTS) -> None:
    """Write one table for each experiment, and what made them, to ``data/lab``."""
    results.mkdir(parents=True, exist_ok=True)
    about = results / "about.json"
    known = json.loads(about.read_text(encoding="utf-8"))["files"] if about.exists() else {}
    for name in names:
        table = pd.concat([pd.read_csv(piece.file(folder)) for piece in pieces([name], n_seeds)])
        content = lzma.compress(to_csv(with_a_column_for_each_seed(table), DECIMALS), preset=9)
        write_whole(results / f"{slug(name)}.csv.xz", content)
        known[f"{slug(name)}.csv.xz"] = {
            "experiment": name, "settings": dataclasses.asdict(EXPERIMENTS[name]),
            "seeds": n_seeds, "sha256": hashlib.sha256(content).hexdigest()}
    text = json.dumps({
        "command": f"python start.py lab --seeds {n_seeds}",
        "versions": {"course_utils": __version__, "python": platform.python_version(),
                     "torch": torch.__version__, "numpy": np.__version__,
                     "pandas": pd.__version__},
        "first seed of each set": SETS,
        "files": dict(sorted(known.items()))}, indent=1)
    write_whole(about, (text + "\n").encode())


def load(which: str | None = None, *, results: Path | None = None) -> Reading:
    """The stored scores.

    Args:
        which: one of the two sets of seeds, ``"first"`` or ``"second"``; ``None`` for the seeds of
            both together.
        results: where the tables are; ``None`` for ``data/lab``.

    Raises:
        FileNotFoundError: the laboratory has not been run.
        ValueError: there is no such set.
    """
    if which not in (None, *SETS):
        raise ValueError(f"which is {which!r}; it must be one of {', '.join(SETS)}, or None")
    results = results or RESULTS
    about = results / "about.json"
    if not about.exists():
        raise FileNotFoundError(f"{about} is missing; run `python start.py lab`")
    files = json.loads(about.read_text(encoding="utf-8"))["files"]
    scores = {}
    for file, of in files.items():
        table = pd.read_csv(results / file)
        mine = table["set"].isin(SETS if which is None else [which])
        scores[of["experiment"]] = with_a_row_for_each_seed(table[mine])
    return Reading(scores)


def main(arguments: Sequence[str]) -> int:
    """``python start.py lab [CLAIM ...] [--seeds N] [--jobs N]``."""
    parser = argparse.ArgumentParser(prog="start.py lab", description="Run or resume the "
                                     "laboratory: the experiments of the claims named, or of all.")
    parser.add_argument("claims", nargs="*", metavar="CLAIM", help="such as A1 or C9")
    parser.add_argument("--seeds", type=int, default=100, help="in each of the two sets")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    asked = parser.parse_args(arguments)
    unknown = [name for name in asked.claims if name not in claims.CLAIMS]
    if unknown:
        parser.error(f"there is no claim {unknown[0]!r}; choose from {', '.join(claims.CLAIMS)}")
    chosen = asked.claims or list(claims.CLAIMS)
    needed = set().union(*(claims.experiments_of(claims.CLAIMS[name]) for name in chosen))
    names = [name for name in EXPERIMENTS if name in needed]
    run(names, n_seeds=asked.seeds, n_jobs=asked.jobs)
    assemble(names, n_seeds=asked.seeds)
    table = claims.judge(load(), chosen)
    board = claims.summarise(table, *(claims.judge(load(which), chosen) for which in SETS))
    print(board.drop(columns="found").to_string())
    return 0
