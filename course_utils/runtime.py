"""The machine that runs the notebooks: device, seeds, threads, progress, environment report.

What belongs here: everything that a notebook must know or set about the machine it runs on.
What does not: anything about data, models or losses.
"""

from __future__ import annotations

import importlib.metadata
import operator
import os
import platform
import random
import sys
import textwrap
import time
from types import TracebackType
from typing import Any

import numpy as np
import torch

from . import __version__

__all__ = ["Progress", "device", "report", "seed_everything", "set_threads"]


def device(name: str | None = None) -> torch.device:
    """Choose where to compute: CUDA if present, else Apple's ``mps``, else the CPU.

    Args:
        name: ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"`` to insist on one; ``None`` to choose.

    Raises:
        ValueError: ``name`` is not a device, or this machine does not have it.

    >>> device("cpu")
    device(type='cpu')
    """
    found = [n for n, there in (("cuda", torch.cuda.is_available()),
                                ("mps", torch.backends.mps.is_available())) if there] + ["cpu"]
    if name is None:
        return torch.device(found[0])
    try:
        chosen = torch.device(name)
    except RuntimeError:
        raise ValueError(f"device is {name!r}, which PyTorch does not know; "
                         f"this machine has {', '.join(found)}") from None
    if chosen.type not in found:
        raise ValueError(f"device is {name!r}, but this machine has only {', '.join(found)}; use "
                         "one of these, or None to choose")
    return chosen


def seed_everything(seed: int) -> torch.Generator:
    """Seed Python, NumPy and PyTorch, and return a fresh CPU generator with the same seed.

    Args:
        seed: an integer from 0 to 2**32 - 1 (NumPy's range).

    Raises:
        TypeError: ``seed`` is no integer, of Python, NumPy or PyTorch.
        ValueError: ``seed`` is outside that range.

    >>> torch.rand(1, generator=seed_everything(0)).item() == torch.rand(1).item()
    True
    """
    try:
        seed = operator.index(seed)
    except TypeError:
        raise TypeError(f"seed is {seed!r}; it must be an integer") from None
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed is {seed}; it must be an integer from 0 to 2**32 - 1")
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed)


def set_threads(n: int = 1) -> int:
    """Let PyTorch use ``n`` CPU threads; returns the number it used before.

    One thread is best for the small networks of this course. An operation that takes a few
    microseconds loses more by waking a second thread than it gains, and two processes that compete
    for every core can be many times slower than one.

    Args:
        n: the number of threads, ``>= 1``.

    Raises:
        ValueError: ``n`` is smaller than 1.
    """
    if n < 1:
        raise ValueError(f"n is {n}; PyTorch needs at least 1 thread")
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    return before


def report() -> str:
    """Describe the environment in a few lines that you can paste into a bug report.

    They name versions, processor, device and the course's settings, but no user name and no path.
    """
    def version(package: str) -> str:
        try:
            return importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            return "missing"

    packages = ("torch", "torchvision", "numpy", "pandas", "scikit-learn", "matplotlib", "seaborn",
                "ipython", "ipykernel", "jupyterlab", "ipywidgets")
    data = os.environ.get("COURSE_DATA", "")
    rows = {
        "course_utils": __version__,
        "Python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "packages": ", ".join(f"{name} {version(name)}" for name in packages),
        "device": f"{device()}, {os.cpu_count()} processors, "
                  f"{torch.get_num_threads()} PyTorch thread(s)",
        "COURSE_DATA": "embedded" if data == "embedded" else "a path" if data else "not set",
        "COURSE_OFFLINE": os.environ.get("COURSE_OFFLINE", "not set"),
        "shown in": "a notebook" if _in_notebook() else "a terminal",
    }
    return "\n".join(textwrap.fill(value, 88, initial_indent=f"{name:<15}",
                                   subsequent_indent=15 * " ", break_on_hyphens=False)
                     for name, value in rows.items())


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return getattr(shell, "kernel", None) is not None


class Progress:
    """A progress bar for everything that takes longer than a few seconds, wherever the code runs.

    In a notebook, one output is updated a few times a second and ends as a line of plain text
    without times, so that a stored notebook stays the same from run to run. In a terminal the bar
    is tqdm's, which prints nothing where nobody would see it (into a log file, in CI).

    Args:
        description: what is being done, such as ``"training"``.
        total: the number of steps, or ``None`` while it is unknown; it may be set later.
        unit: the name of the steps, such as ``"epochs"``, or ``"B"`` for bytes.
        show: ``False`` shows nothing, so that callers need no second code path.

    `pooch <https://www.fatiando.org/pooch>`_ accepts it as ``progressbar``.

    >>> with Progress("counting", total=3, show=False) as bar:
    ...     for _ in range(3):
    ...         bar.update(1)
    >>> bar.n
    3
    """

    _seconds_between_drawings = 0.2

    def __init__(self, description: str, total: float | None = None, *, unit: str = "",
                 show: bool = True) -> None:
        self.description, self.total, self.unit, self.n = description, total, unit, 0
        self._note, self._drawn, self._closed = "", 0.0, False
        self._display: Any = None
        self._tqdm: Any = None
        if not show:
            return
        if _in_notebook():
            from IPython.display import display
            self._display = display(self._bundle(), raw=True, display_id=True)
        else:
            from tqdm import tqdm
            self._tqdm = tqdm(desc=description, total=total, unit=f" {unit}" if unit else "it",
                              disable=None, unit_scale=unit == "B")

    def update(self, n: float = 1, note: str | None = None) -> None:
        """Advance by ``n`` steps; ``note`` replaces the words at the end of the bar."""
        self.n += n
        self._note = self._note if note is None else note
        if self._tqdm is not None:
            self._tqdm.total = self.total
            self._tqdm.set_postfix_str(self._note, refresh=False)
            self._tqdm.update(n)
        elif self._display and time.monotonic() - self._drawn > self._seconds_between_drawings:
            self._drawn = time.monotonic()
            self._display.update(self._bundle(), raw=True)

    def reset(self) -> None:
        """Start again from nothing (pooch calls this before its last update)."""
        self.n = 0
        if self._tqdm is not None:
            self._tqdm.reset()

    def close(self) -> None:
        """Leave the last line in place and stop updating it."""
        if self._closed:
            return
        self._closed = True
        if self._tqdm is not None:
            self._tqdm.close()
        if self._display:
            self._display.update({"text/plain": self._text()}, raw=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def _text(self) -> str:
        if self.unit == "B":
            count = f"{self.n / 1e6:.0f} MB"
        else:
            of = f" of {self.total}" if self.total is not None else ""
            count = f"{self.n}{of} {self.unit}".rstrip()
        return f"{self.description}: {count}" + (f", {self._note}" if self._note else "")

    def _bundle(self) -> dict[str, str]:
        ends = f'value="{self.n}" max="{self.total}"' if self.total else ""
        return {"text/plain": self._text(),
                "text/html": f'<progress {ends} aria-label="{self.description}"></progress> '
                             f"{self._text()}"}
