"""A data set whose items are random numbers, to see what worker processes do with randomness.

What belongs here: what a ``DataLoader`` with workers must be able to import. On Windows and macOS
(and from Python 3.14 on also on Linux) a worker is a new Python process, which imports the class
of its data set by name. A class that is defined in a notebook cannot be imported.
"""

import numpy as np
import torch
from torch.utils.data import Dataset, get_worker_info

__all__ = ["RandomShift", "seed_own_generator"]


class RandomShift(Dataset):
    """Eight items; each is a random shift from 0 to 99, as an augmentation might use it.

    Args:
        source: where the random numbers come from: ``"own"`` is a NumPy generator that the data set
            makes for itself, ``"numpy"`` NumPy's global one, and ``"torch"`` PyTorch's.

    >>> len(RandomShift("own"))
    8
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.own = np.random.default_rng(0)

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> int:
        if self.source == "own":
            return int(self.own.integers(100))
        if self.source == "numpy":
            return int(np.random.randint(100))
        return int(torch.randint(100, ()))


def seed_own_generator(worker_id: int) -> None:
    """Give the copy of a :class:`RandomShift` in this worker a generator of its own.

    For ``DataLoader(..., worker_init_fn=seed_own_generator)``. In a worker ``torch.initial_seed()``
    differs from worker to worker and from epoch to epoch, and depends on PyTorch's seed.

    Args:
        worker_id: the worker's number, which the loader passes; the seed already contains it.
    """
    get_worker_info().dataset.own = np.random.default_rng(torch.initial_seed())
