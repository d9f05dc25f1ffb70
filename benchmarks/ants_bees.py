"""How well the methods of notebook 06 do on the real photos, and how long they take.

Run it with ``COURSE_DATA=folder python start.py bench ants_bees``, where the folder holds
``hymenoptera_data.zip``. Without ``COURSE_DATA`` the photos are downloaded, and if that fails there
is nothing to measure. It takes about a quarter of an hour on two cores. The table is written to
``data/ants_bees_results.csv``, which notebook 06 shows; results for photos other than the published
ones are printed but not stored. The recipe was chosen by cross-validation among the training
photos; two earlier recipes had already been measured on the validation photos. A seed decides the
initial weights and the order and augmentation of the photos. At the end, ``fit`` and a plain loop
are timed in post A's own configuration (ResNet-18, batches of 4, untrained weights, since only the
seconds matter here).
"""

from __future__ import annotations

import copy
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.transforms import InterpolationMode, v2

from course_utils import runtime
from course_utils.data import extract_features, load_ants_bees, load_backbone, load_features
from course_utils.data.ants_bees import AntsBees, Features, FeatureSet
from course_utils.data.backbones import Backbone
from course_utils.data.sources import ROOT
from course_utils.losses import focal_loss
from course_utils.training import TensorLoader, evaluate, fit

RESULTS = ROOT / "data" / "ants_bees_results.csv"
SEEDS = range(3)
PIECE, SMALLEST = 160, 0.35  # pixels of a training crop, its smallest share of the picture's area


def view(net: Backbone, *steps: v2.Transform) -> v2.Compose:
    return v2.Compose([*steps, v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True),
                       net.normalise])


def piece(net: Backbone, size: int = PIECE, smallest: float = SMALLEST) -> v2.Compose:
    return view(net, v2.RandomResizedCrop(size, scale=(smallest, 1.0),
                                          interpolation=InterpolationMode.BICUBIC),
                v2.RandomHorizontalFlip())


def train_head(part: FeatureSet, seed: int) -> nn.Linear:
    torch.manual_seed(seed)
    head = nn.Linear(part.x.shape[1], 2)
    loader = TensorLoader(part.x, part.target, batch_size=32, shuffle=True,
                          generator=torch.Generator().manual_seed(seed))
    fit(head, loader, None, loss_fn=F.cross_entropy, epochs=20, device="cpu", progress=False,
        optimizer=torch.optim.AdamW(head.parameters(), lr=1e-3))
    return head


def keep_statistics(model: nn.Module) -> None:
    """Keep the BatchNorm layers of ``model`` in evaluation mode, even when ``train`` is called."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
            module.train = lambda mode=True: None


def quick_statistics(model: nn.Module) -> None:
    """Let BatchNorm's running averages adapt within a few dozen steps, PyTorch's default speed."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.1


def tune(net: Backbone, photos: AntsBees, seed: int, *, epochs: int = 4, lr: float = 5e-5) -> None:
    """Train all layers, the head with ten times the learning rate of the rest."""
    torch.manual_seed(seed)
    loader = DataLoader(photos.train.dataset(piece(net)), batch_size=16, shuffle=True)
    body = [p for name, p in net.model.named_parameters() if not name.startswith(net.head_name)]
    optimizer = torch.optim.AdamW([{"params": body, "lr": lr},
                                   {"params": net.head.parameters(), "lr": 10 * lr}], fused=True)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, [lr, 10 * lr], epochs * len(loader),
                                                pct_start=0.2, cycle_momentum=False)
    fit(net.model.to(memory_format=torch.channels_last), loader, None, loss_fn=F.cross_entropy,
        optimizer=optimizer, scheduler=cycle, epochs=epochs, device="cpu", progress=False)


def from_old_rows(photos: AntsBees, features: Features, seed: int, *,
                  halfway: bool = False) -> Backbone:
    """Train all layers, with the old head's rows of ant and bee as the first head.

    ``halfway`` takes the mean of the weights before and after training.

    Source of the mean: Wortsman et al., "Robust Fine-Tuning of Zero-Shot Models", CVPR 2022.
    """
    net = load_backbone("efficientnet_lite0")
    old = {"weight": net.head.weight[features.imagenet], "bias": net.head.bias[features.imagenet]}
    net.replace_head(2)
    net.head.load_state_dict(old)
    first = copy.deepcopy(net.model.state_dict())
    keep_statistics(net.model)
    tune(net, photos, seed)
    if halfway:
        net.model.load_state_dict({name: torch.lerp(first[name], last, 0.5)
                                   if last.is_floating_point() else last
                                   for name, last in net.model.state_dict().items()})
    return net


def from_new_head(photos: AntsBees, features: Features, seed: int) -> Backbone:
    net = load_backbone("efficientnet_lite0")
    net.replace_head(2)
    net.head.load_state_dict(train_head(features.train, seed).state_dict())
    keep_statistics(net.model)
    tune(net, photos, seed)
    return net


def from_scratch(photos: AntsBees, features: Features, seed: int, **settings: float) -> Backbone:
    net = load_backbone("efficientnet_lite0", pretrained=False, seed=seed)
    net.replace_head(2, seed=seed)
    quick_statistics(net.model)
    tune(net, photos, seed, **settings)
    return net


def hits(net: Backbone, photos: AntsBees) -> int:
    loader = DataLoader(photos.val.dataset(net.preprocess), batch_size=32)
    result = evaluate(net.model, loader, F.cross_entropy)
    return int((result.decision == result.target).sum())


def compare_methods(photos: AntsBees) -> pd.DataFrame:
    """One row per method: validation photos right, their mean share, seconds per training."""
    features = extract_features(load_backbone("efficientnet_lite0"), photos, progress=False)
    val, n = features.val, len(photos.val)
    strict, between = val.top1 == features.imagenet[val.target], val.logits.argmax(1) == val.target
    rows = {"untouched head, strictly": ([int(strict.sum())], 0.0),
            "untouched head, between the two": ([int(between.sum())], 0.0)}
    start = time.perf_counter()
    heads = [train_head(features.train, seed) for seed in SEEDS]
    seconds = (time.perf_counter() - start) / len(SEEDS)
    rows["new head on cached features"] = [int((head(val.x).argmax(1) == val.target).sum())
                                           for head in heads], seconds
    candidates: dict[str, Callable[..., Backbone]] = {
        "all layers, from a new head": from_new_head,
        "all layers, from the old rows": from_old_rows,
        "the same, halfway back: our recipe": partial(from_old_rows, halfway=True),
        "all layers, from scratch": from_scratch,
        "from scratch, learning rates x 20": partial(from_scratch, lr=1e-3)}
    for name, method in candidates.items():
        found, times = [], []
        for seed in SEEDS:
            start = time.perf_counter()
            net = method(photos, features, seed)
            times.append(time.perf_counter() - start)
            found.append(hits(net, photos))
            print(f"{name}, seed {seed}: {found[-1]} of {n}, {times[-1]:.0f} s", flush=True)
        rows[name] = found, statistics.median(times)
    rows["always the commoner class"] = [int(val.target.bincount().max())], 0.0
    table = pd.DataFrame({name: {"hits": ", ".join(map(str, found)),
                                 "accuracy": f"{statistics.mean(found) / n:.3f}",
                                 "seconds": f"{seconds:.1f}"}
                          for name, (found, seconds) in rows.items()}).T
    return table.rename_axis("way")  # the column's name in the stored file


def overhead(photos: AntsBees, rounds: int = 5) -> list[float]:
    """Seconds of ``fit`` over those of a plain loop, both with loading, in post A's configuration.

    Whenever ``fit`` asks for a batch, a plain loop takes its own step with the same batch,
    alternately before ``fit`` and after it. So changes in the machine's speed affect both alike.
    Returns one ratio per epoch, measured with one thread.
    """
    runtime.set_threads(1)
    nets = [load_backbone("resnet18", pretrained=False) for _ in range(2)]
    ours, plain = (net.replace_head(2) for net in nets)
    loader = DataLoader(photos.train.dataset(piece(nets[0], 224, 0.08)), batch_size=4, shuffle=True)
    optimizer, its_own = (torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
                          for model in (ours, plain))

    def loss_fn(logits: Tensor, target: Tensor) -> Tensor:
        return 0.25 * focal_loss(logits, target, gamma=2.0)

    plain.train()
    by_hand = loading = 0.0

    def step(inputs: Tensor, target: Tensor) -> None:
        nonlocal by_hand
        start = time.process_time()
        its_own.zero_grad()
        loss_fn(plain(inputs), target).backward()
        its_own.step()
        by_hand += time.process_time() - start

    class Both:
        def __iter__(self) -> Iterator[list[Tensor]]:
            nonlocal loading
            batches, number = iter(loader), 0
            while True:
                start = time.process_time()
                batch = next(batches, None)
                loading += time.process_time() - start
                if batch is None:
                    return
                if number % 2:
                    step(*batch)
                yield batch
                if number % 2 == 0:
                    step(*batch)
                number += 1

    ratios = []
    for _ in range(rounds):
        by_hand = loading = 0.0
        start = time.process_time()
        fit(ours, Both(), None, loss_fn=loss_fn, optimizer=optimizer, epochs=1, device="cpu",
            progress=False)
        in_all = time.process_time() - start
        ratios.append((in_all - by_hand) / (by_hand + loading))
    return ratios


if __name__ == "__main__":
    runtime.set_threads(2)
    pictures = load_ants_bees()
    print(pictures.source)
    if pictures.drawn:
        sys.exit("This benchmark needs the real photos; set COURSE_DATA to a folder that holds "
                 "hymenoptera_data.zip.")
    result = compare_methods(pictures)
    print(result)
    if pictures.val.names == load_features().val.names:
        result.to_csv(RESULTS, lineterminator="\n")
    ratios = overhead(pictures)
    print(f"Post A's configuration: fit takes {statistics.median(ratios):.3f} times as long as a "
          f"plain loop, median of {len(ratios)} epochs, {min(ratios):.3f} to {max(ratios):.3f}.")
