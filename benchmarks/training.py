"""How long a small network takes to train, by loop, library, and number of networks at once.

Run it with ``python start.py bench training``. The task is that of the fraud experiment from a blog
post that notebook 07 rebuilds: 227,845 rows of 29 numbers, a network 29-16-8-1, Adam with learning
rate 0.001, batches of 128. It uses one process, and the candidates take turns, so that a machine
whose speed drifts affects all of them alike. The ratio to the posted loop is taken within each
round, and medians are shown. To end within minutes, most candidates train on only part of the rows,
and their times are scaled to a whole epoch. ``train_many`` shuffles the rows separately for each
seed. Peak memory is that of a separate process, including imports and table; the processes with 50
and 200 networks use all rows. The last column is the share of the time that the bare matrix
products of the same work would take.
Libraries that are not installed are left out; nothing is installed.
"""

from __future__ import annotations

import importlib.util
import itertools
import logging
import multiprocessing
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from course_utils.sweeps import train_many
from course_utils.training import TensorLoader, fit, predict

ROWS, BATCH, ROUNDS = 227_845, 128, 5
PART = 200 * BATCH  # rows, for the candidates that train one network
fused_adam = partial(torch.optim.Adam, fused=True)
bce = F.binary_cross_entropy_with_logits


def table(rows: int) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(rows, 29, generator=rng)
    return x, (x[:, 0] + 3 * torch.randn(rows, generator=rng) > 9).float()


def network(*last: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(29, 16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU(),
                         nn.Linear(8, 1), *last)


def posted_loop(x: Tensor, y: Tensor) -> None:
    model, loss_fn = network(nn.Sigmoid()), nn.BCELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for inputs, target in DataLoader(TensorDataset(x, y[:, None]), batch_size=BATCH, shuffle=True):
        optimizer.zero_grad()
        loss = loss_fn(model(inputs), target)
        loss.backward()
        optimizer.step()


def posted_prediction(x: Tensor, y: Tensor) -> None:
    """Row by row, as the post does it after the training."""
    model = network(nn.Sigmoid())
    with torch.no_grad():
        for inputs, _ in TensorDataset(x, y):
            model(inputs).item()


def course_prediction(x: Tensor, y: Tensor) -> None:
    predict(network(nn.Flatten(0)), TensorLoader(x, y, batch_size=4096))


def tensor_loop(x: Tensor, y: Tensor) -> None:
    model = network(nn.Flatten(0))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    order = torch.randperm(len(x))
    for rows in order.split(BATCH):
        optimizer.zero_grad()
        bce(model(x[rows]), y[rows]).backward()
        optimizer.step()


def course_fit(x: Tensor, y: Tensor, optimizer: Callable[..., torch.optim.Optimizer]) -> None:
    model = network(nn.Flatten(0))
    fit(model, TensorLoader(x, y, batch_size=BATCH, shuffle=True), None, loss_fn=bce,
        optimizer=optimizer(model.parameters(), lr=1e-3), epochs=1, device="cpu", progress=False)


def course_train_many(x: Tensor, y: Tensor, members: int) -> None:
    train_many(lambda: network(nn.Flatten(0)), {"BCE": bce}, (x, y), seeds=range(members),
               epochs=1, batch_size=BATCH, optimizer=fused_adam, members_at_once=members,
               progress=False)


def with_lightning(x: Tensor, y: Tensor) -> None:
    import lightning

    class Fraud(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = network(nn.Flatten(0))

        def training_step(self, batch: list[Tensor]) -> Tensor:
            return bce(self.network(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=1e-3)

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    loader = DataLoader(TensorDataset(x, y), batch_size=BATCH, shuffle=True)
    lightning.Trainer(max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False,
                      enable_progress_bar=False, enable_model_summary=False).fit(Fraud(), loader)


def with_skorch(x: Tensor, y: Tensor) -> None:
    from skorch import NeuralNetBinaryClassifier

    NeuralNetBinaryClassifier(
        network(nn.Flatten(0)), optimizer=torch.optim.Adam, lr=1e-3, batch_size=BATCH,
        max_epochs=1, train_split=None, iterator_train__shuffle=True, verbose=0,
    ).fit(x.numpy(), y.numpy())


def with_fastai(x: Tensor, y: Tensor) -> None:
    from fastai.data.core import DataLoaders
    from fastai.learner import Learner
    from fastai.optimizer import Adam

    loader = DataLoader(TensorDataset(x, y), batch_size=BATCH, shuffle=True)
    one_batch = DataLoader(TensorDataset(x[:BATCH], y[:BATCH]), batch_size=BATCH)
    learner = Learner(  # it requires data to validate on
        DataLoaders(loader, one_batch), network(nn.Flatten(0)), loss_func=bce, opt_func=Adam,
        lr=1e-3)
    with learner.no_logging():
        learner.fit(1)


CANDIDATES: dict[str, tuple[Callable[..., None], int, int]] = {  # function, rows, networks
    "the posted loop": (posted_loop, PART, 1),
    "a plain tensor loop": (tensor_loop, PART, 1),
    "fit": (partial(course_fit, optimizer=torch.optim.Adam), PART, 1),
    "fit, fused Adam": (partial(course_fit, optimizer=fused_adam), PART, 1),
    "train_many, 1 network": (partial(course_train_many, members=1), ROWS // 8, 1),
    "train_many, 50 networks": (partial(course_train_many, members=50), ROWS, 50),
    "train_many, 200 networks": (partial(course_train_many, members=200), ROWS // 2, 200),
} | {name: (function, PART, 1) for name, function in (
    ("lightning", with_lightning), ("skorch", with_skorch), ("fastai", with_fastai))
    if importlib.util.find_spec(name)}


def seconds(function: Callable[..., None], rows: int, members: int = 1) -> float:
    """The seconds of one network for a whole epoch."""
    x, y = table(rows)
    start = time.perf_counter()
    function(x, y)
    return (time.perf_counter() - start) * ROWS / rows / members


def matrix_products(members: int, steps: int = 50) -> float:
    """The seconds of one network for the matrix products of a whole epoch alone."""
    widths = [29, 16, 8, 1]
    layers = [(torch.randn(members, BATCH, n), torch.randn(members, n, m),
               torch.randn(members, BATCH, m)) for n, m in itertools.pairwise(widths)]
    start = time.perf_counter()
    for _ in range(steps):
        for depth, (inputs, weights, outputs) in enumerate(layers):
            torch.bmm(inputs, weights)
            torch.bmm(inputs.mT, outputs)
            if depth:  # the table needs no gradient
                torch.bmm(outputs, weights.mT)
    return (time.perf_counter() - start) / steps * ROWS / BATCH / members


def peak_memory(name: str) -> float | None:
    """Peak MiB of a new process that runs one candidate once; None where this is unavailable."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_run_and_read, (name,))


def _run_and_read(name: str) -> float | None:
    torch.set_num_threads(1)
    function, rows, members = CANDIDATES[name]
    rows = rows if members == 1 else ROWS
    x, y = table(ROWS)
    function(x[:rows], y[:rows])
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def report() -> pd.DataFrame:
    """One row per candidate."""
    # Memory comes first, since on Linux a new process starts with the peak of its parent.
    peaks = {name: peak_memory(name) for name in CANDIDATES}
    rounds: dict[str, list[float]] = {name: [] for name in CANDIDATES}
    limits: dict[str, list[float]] = {name: [] for name in CANDIDATES}
    for turn in range(ROUNDS):
        for name, (function, rows, members) in CANDIDATES.items():
            if not turn:
                seconds(function, 20 * BATCH)  # warms up
            rounds[name].append(seconds(function, rows, members))
            limits[name].append(matrix_products(members) / rounds[name][-1])
    base = rounds["the posted loop"]
    median = statistics.median
    return pd.DataFrame({name: {
        "s per epoch": f"{median(own):.3f}",
        "times faster": f"{median(b / s for b, s in zip(base, own, strict=True)):.1f}",
        "peak MiB": "" if peaks[name] is None else f"{peaks[name]:.0f}",
        "arithmetic": f"{median(limits[name]):.0%}",
    } for name, own in rounds.items()}).T


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # the libraries' advice on workers and loggers
    torch.set_num_threads(1)
    with pd.option_context("display.width", 140, "display.max_columns", None):
        result = report()
        print(result)
    print(f"Seconds per network and epoch of {ROWS:,} rows, medians of {ROUNDS} rounds, one "
          f"thread, torch {torch.__version__}; the loops from {PART:,} rows.")
    # The post's whole experiment: two epochs, then predictions for 56,962 rows.
    row_by_row, at_once = (56_962 / ROWS * seconds(predict_all, rows) for predict_all, rows in
                           [(posted_prediction, 2000), (course_prediction, 56_962)])
    theirs, ours = (2 * float(result.loc[name, "s per epoch"]) + prediction for name, prediction in
                    [("the posted loop", row_by_row), ("fit, fused Adam", at_once)])
    print(f"Two epochs and predictions for 56,962 rows take {theirs:.1f} s as posted (of which the "
          f"row-by-row predictions take {row_by_row:.1f} s) and {ours:.1f} s with fit and predict, "
          f"{theirs / ours:.1f} times faster.")
