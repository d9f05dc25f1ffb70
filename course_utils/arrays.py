"""Everything that holds numbers, as NumPy arrays.

What belongs here: the one conversion that ``metrics``, ``plots`` and ``verdicts`` apply to what
they are given, so that all of them take the same. scikit-learn gets nothing but arrays, because not
every version of it takes tensors.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, DTypeLike
from torch import Tensor

__all__ = ["as_array", "as_runs", "as_tensor"]


def as_array(values: ArrayLike | Tensor, dtype: DTypeLike = None) -> np.ndarray:
    """Values in their order: of a list or tuple, an array, a tensor, a pandas Series or DataFrame.

    Args:
        values: the numbers. A tensor may be on any device and require a gradient; a list may hold
            tensors or Series; an index of pandas plays no part.
        dtype: the type of the result; ``None`` for that of the values (float32 for bfloat16).

    >>> as_array([torch.tensor(0.5, requires_grad=True), 1])
    array([0.5, 1. ])
    """
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        values = values.float() if values.dtype == torch.bfloat16 else values
        return np.asarray(values.resolve_conj().resolve_neg().numpy(), dtype)
    if hasattr(values, "to_numpy"):
        return np.asarray(values.to_numpy(), dtype)
    if _holds_containers(values):
        return np.asarray([as_array(value) for value in values], dtype)
    return np.asarray(values, dtype)


def as_tensor(values: ArrayLike | Tensor, dtype: DTypeLike = None) -> Tensor:
    """The same as a tensor on the CPU without a gradient, as a copy."""
    return torch.from_numpy(as_array(values, dtype).copy())  # PyTorch knows no negative stride


def as_runs(values: Any) -> list[np.ndarray]:
    """One run, or a list of runs, as a list of arrays; numbers in a list are one run.

    >>> len(as_runs([0.1, 0.2])), len(as_runs([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]))
    (1, 3)
    """
    if hasattr(values, "__array__"):
        return [as_array(values)]
    runs = [as_array(run) for run in values]
    return runs if runs and runs[0].ndim else [as_array(runs)]


def _holds_containers(values: object) -> bool:
    return isinstance(values, (list, tuple)) and any(
        hasattr(value, "__array__") or isinstance(value, (list, tuple)) for value in values)
