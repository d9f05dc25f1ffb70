"""The benches: tasks on which losses are compared, with fresh data for every seed.

What belongs here: which rows a seed draws, how many of each class in each part, and which labels
are wrong. Networks and losses are ``experiments``.

All seeds of a bench have parts of the same sizes with the same labels; what differs is which rows
stand behind the labels. So many networks, each with data of its own, can be trained side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache

import torch
from torch import Tensor

__all__ = ["BENCHES", "Bench", "balanced", "clouds", "fraud_twin", "grouped", "long_tail", "photos",
           "wrong_labels"]

TAIL = (60, 43, 31, 22, 16, 11, 8, 6, 4, 3)  # training rows of the ten classes, 204 in all


@dataclass(frozen=True)
class Bench:
    """A task whose rows are drawn anew for every seed.

    Attributes:
        counts: part to the number of rows of each class, such as ``{"train": (30, 30), ...}``.
        draw: a function of ``(seeds, counts)`` that returns a pool of rows ``(P, D)``, and for each
            seed the numbers ``(N,)`` of its rows in that pool, ordered by part and then by class.
        noise: the share of wrong labels in every part but ``test``. The part ``noisy test`` has
            the rows of ``test``, with such labels.
    """

    counts: Mapping[str, tuple[int, ...]]
    draw: Callable[[Sequence[int], Mapping[str, tuple[int, ...]]], tuple[Tensor, dict[int, Tensor]]]
    noise: float = field(default=0.0, kw_only=True)

    def target(self, part: str) -> Tensor:
        """The labels of a part, ``(N,)``, the same ones for every seed."""
        n = torch.tensor(self.counts[_rows_of(part)])
        right, coin = torch.arange(len(n)).repeat_interleave(n), torch.Generator().manual_seed(0)
        wrong = torch.rand(len(right), generator=coin) < (0 if part == "test" else self.noise)
        other = (right + torch.randint(1, len(n), right.shape, generator=coin)) % len(n)
        return torch.where(wrong, other, right)

    def numbers(self, part: str) -> Tensor:
        """The places of a part in each seed's rows, ``(N,)``."""
        sizes, part = [sum(n) for n in self.counts.values()], _rows_of(part)
        start = sum(sizes[:list(self.counts).index(part)])
        return torch.arange(start, start + sum(self.counts[part]))

    def shares(self) -> Tensor:
        """The share of each class among the training rows, ``(K,)``, float64."""
        n = torch.tensor(self.counts["train"], dtype=torch.float64)
        return n / n.sum()


def _rows_of(part: str) -> str:
    return "test" if part == "noisy test" else part


def _from_pool(pool: Tensor, kind: Tensor, kinds: Sequence[int] | None = None):
    """Draw without replacement from one pool of rows.

    Args:
        pool, kind: rows ``(P, D)``, and what each of them shows, ``(P,)``.
        kinds: how many kinds form each class, drawn anew for every seed. ``None``: each kind is a
            class, in order.
    """
    def draw(seeds: Sequence[int], counts: Mapping[str, tuple[int, ...]]
             ) -> tuple[Tensor, dict[int, Tensor]]:
        return pool, {seed: rows(torch.Generator().manual_seed(seed), counts) for seed in seeds}

    def rows(generator: torch.Generator, counts: Mapping[str, tuple[int, ...]]) -> Tensor:
        n_kinds = int(kind.max()) + 1
        if kinds is None:
            classes = torch.arange(n_kinds).split(1)
        else:
            classes = torch.randperm(n_kinds, generator=generator).split(list(kinds))
        drawn: dict[str, list[Tensor]] = {part: [] for part in counts}
        for label, of_class in enumerate(classes):
            candidates = torch.isin(kind, of_class).nonzero()[:, 0]
            candidates = candidates[torch.randperm(len(candidates), generator=generator)]
            for part, n in counts.items():
                if len(candidates) < n[label]:
                    raise ValueError(f"class {label} has too few rows for {n[label]} in {part}; "
                                     "ask for fewer")
                drawn[part].append(candidates[:n[label]])
                candidates = candidates[n[label]:]
        return torch.cat([torch.cat(part) for part in drawn.values()])

    return draw


def _made_anew(make: Callable[[int, int, int], Tensor]):
    """Make every seed's rows from nothing.

    Args:
        make: a function of ``(seed, label, n)`` that returns ``n`` rows ``(n, D)`` of a class.
    """
    def draw(seeds: Sequence[int], counts: Mapping[str, tuple[int, ...]]
             ) -> tuple[Tensor, dict[int, Tensor]]:
        pieces, size = [], sum(map(sum, counts.values()))
        for seed in seeds:
            of_class = [make(seed, label, sum(n)).split(list(n))
                        for label, n in enumerate(zip(*counts.values(), strict=True))]
            pieces += [of_class[label][part] for part in range(len(counts))
                       for label in range(len(of_class))]
        return torch.cat(pieces), {seed: torch.arange(place * size, (place + 1) * size)
                                   for place, seed in enumerate(seeds)}

    return draw


@cache
def _digits() -> tuple[Tensor, Tensor]:
    from sklearn.datasets import load_digits

    pixels, digit = load_digits(return_X_y=True)
    return torch.tensor(pixels / 16, dtype=torch.float32), torch.tensor(digit)


def balanced() -> Bench:
    """Ten digits, 30 rows of each to train."""
    return Bench({"train": (30,) * 10, "val": (30,) * 10, "test": (100,) * 10},
                 _from_pool(*_digits(), kinds=[1] * 10))


def long_tail() -> Bench:
    """Ten digits, from 60 training rows of the first class to 3 of the last; which digit is which
    class differs from seed to seed. Validation and test are balanced."""
    return Bench({"train": TAIL, "val": (20,) * 10, "test": (90,) * 10},
                 _from_pool(*_digits(), kinds=[1] * 10))


def grouped() -> Bench:
    """Three unequal classes, of six, three and one digits, with the same shares in every part."""
    return Bench({"train": (200, 90, 20), "val": (200, 90, 20), "test": (500, 300, 110)},
                 _from_pool(*_digits(), kinds=[6, 3, 1]))


def wrong_labels() -> Bench:
    """Ten digits, one label in five wrong, in training and validation."""
    return replace(balanced(), noise=0.2)


def few_labels() -> Bench:
    """Ten digits, with ten labelled rows of each and eighty without a label."""
    return Bench({"train": (10,) * 10, "unlabelled": (80,) * 10, "val": (20,) * 10,
                  "test": (60,) * 10}, _from_pool(*_digits(), kinds=[1] * 10))


def photos() -> Bench:
    """Ants and bees, by the features of a network that was trained on a million other photos."""
    from ..data import load_features

    features = load_features()
    x = torch.cat([features.train.x, features.val.x])
    return Bench({"train": (50, 50), "val": (30, 30), "test": (110, 110)},
                 _from_pool((x - x.mean(0)) / x.std(0),
                            torch.cat([features.train.target, features.val.target])))


def clouds(distance: float) -> Bench:
    """Two round clouds of standard deviation 1 in the plane, one row in twenty in the second."""
    def make(seed: int, label: int, n: int) -> Tensor:
        x = torch.randn(n, 2, generator=torch.Generator().manual_seed(2 * seed + label))
        return x + torch.tensor([distance * label, 0.0])

    return Bench({"train": (1900, 100), "val": (1900, 100), "test": (9500, 500)}, _made_anew(make))


def fraud_twin() -> Bench:
    """The fraud twin with one fraud in 41 rows, standardised as in notebook 07."""
    from ..data import creditcard_twin

    # Of the twin's rows 8,200 train; one split standardises all by the training rows.
    counts = {"train": (8000, 200), "val": (4000, 100), "test": (20_000, 500)}
    normal, fraud = (sum(n) for n in zip(*counts.values(), strict=True))

    @lru_cache(maxsize=1)  # for the second class of a seed, which comes right after the first
    def of_seed(seed: int) -> tuple[Tensor, Tensor]:
        twin = creditcard_twin(seed=seed, n=2 * (normal + fraud), n_fraud=2 * fraud)
        rows = twin.split(fractions=(0.9, 0.05, 0.05)).train
        return rows.x, rows.y

    def make(seed: int, label: int, n: int) -> Tensor:
        x, y = of_seed(seed)
        return x[y == label][:n]

    return Bench(counts, _made_anew(make))


_MAKERS: dict[str, Callable[[], Bench]] = {
    "balanced": balanced, "long tail": long_tail, "grouped": grouped, "wrong labels": wrong_labels,
    "few labels": few_labels, "photos": photos, "easy clouds": lambda: clouds(5.0),
    "hard clouds": lambda: clouds(2.0), "fraud twin": fraud_twin,
}
BENCHES = {name: cache(make) for name, make in _MAKERS.items()}  # features are read only once
