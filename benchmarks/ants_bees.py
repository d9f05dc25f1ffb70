"""How well the methods of notebook 06 do on the real photos, and how long they take.

Run it with ``COURSE_DATA=folder python start.py bench ants_bees``, where the folder holds
``hymenoptera_data.zip``. Without ``COURSE_DATA`` the photos are downloaded, and if that fails there
is nothing to measure. It takes about 40 minutes on two cores. The table is written to
``data/ants_bees_results.csv``, one row per run, which notebook 06 draws; results for photos other
than the published ones are printed but not stored. The recipe for all layers was chosen by
cross-validation among the training photos, after two earlier recipes had been measured on the
validation photos. The learning rate from scratch is the better of two, chosen for 40 epochs on a
quarter of the training photos, which the choice does not train on. A seed decides the initial
weights and the order and augmentation of the photos. At the end, ``fit`` and a plain loop are timed
in post A's own configuration (ResNet-18, batches of 4, untrained weights, since only the seconds
matter here).
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.transforms import InterpolationMode, v2

from course_utils import runtime
from course_utils.data import extract_features, load_ants_bees, load_backbone, load_features
from course_utils.data.ants_bees import AntsBees, Features, FeatureSet, Photos
from course_utils.data.backbones import Backbone
from course_utils.data.sources import ROOT
from course_utils.losses import focal_loss
from course_utils.training import TensorLoader, evaluate, fit

RESULTS = ROOT / "data" / "ants_bees_results.csv"
SEEDS, SLOW_SEEDS = range(5), range(3)
SCRATCH_RATES = (1e-3, 3e-3)
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


def tune(net: Backbone, photos: Photos, seed: int, groups: list[dict], *, epochs: int) -> None:
    """Train the groups of parameters with AdamW; the rates warm up and then fall to zero."""
    torch.manual_seed(seed)
    loader = DataLoader(photos.dataset(piece(net)), batch_size=16, shuffle=True)
    optimizer = torch.optim.AdamW(groups, fused=True)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, [group["lr"] for group in groups],
                                                epochs * len(loader), pct_start=0.2,
                                                cycle_momentum=False)
    fit(net.model.to(memory_format=torch.channels_last), loader, None, loss_fn=F.cross_entropy,
        optimizer=optimizer, scheduler=cycle, epochs=epochs, device="cpu", progress=False)


def tune_gently(net: Backbone, photos: AntsBees, seed: int, *, lr: float = 5e-5) -> None:
    """Train all layers for 4 epochs, the head with ten times the learning rate of the rest."""
    keep_statistics(net.model)
    body = [p for name, p in net.model.named_parameters() if not name.startswith(net.head_name)]
    tune(net, photos.train, seed, [{"params": body, "lr": lr},
                                   {"params": net.head.parameters(), "lr": 10 * lr}], epochs=4)


def from_new_head(photos: AntsBees, features: Features, seed: int) -> Backbone:
    net = load_backbone("efficientnet_lite0")
    net.replace_head(2)
    net.head.load_state_dict(train_head(features.train, seed).state_dict())
    tune_gently(net, photos, seed)
    return net


def from_old_rows(photos: AntsBees, features: Features, seed: int) -> Backbone:
    """Train all layers, with the old head's rows of ant and bee as the first head."""
    net = load_backbone("efficientnet_lite0")
    old = {"weight": net.head.weight[features.imagenet], "bias": net.head.bias[features.imagenet]}
    net.replace_head(2)
    net.head.load_state_dict(old)
    tune_gently(net, photos, seed)
    return net


def go_halfway_back(net: Backbone, features: Features) -> None:
    """Take the mean of the weights before and after the training of ``from_old_rows``.

    Source: Wortsman et al., "Robust Fine-Tuning of Zero-Shot Models", CVPR 2022.
    """
    before = load_backbone("efficientnet_lite0").model.state_dict()
    for name in ("weight", "bias"):
        rows = before[f"{net.head_name}.{name}"]
        before[f"{net.head_name}.{name}"] = rows[features.imagenet]
    net.model.load_state_dict({name: torch.lerp(before[name], last, 0.5)
                               if last.is_floating_point() else last
                               for name, last in net.model.state_dict().items()})


def from_scratch(photos: Photos, seed: int, *, epochs: int, lr: float) -> Backbone:
    """Train all layers from random weights, with weight decay on matrices and filters alone."""
    net = load_backbone("efficientnet_lite0", pretrained=False, seed=seed)
    net.replace_head(2, seed=seed)
    quick_statistics(net.model)
    decayed = [p for p in net.model.parameters() if p.ndim >= 2]
    others = [p for p in net.model.parameters() if p.ndim < 2]
    tune(net, photos, seed, [{"params": decayed, "lr": lr, "weight_decay": 0.05},
                             {"params": others, "lr": lr, "weight_decay": 0.0}], epochs=epochs)
    return net


def choose_rate(photos: Photos) -> float:
    """The learning rate from scratch with the most hits on a quarter of the training photos."""
    order = torch.randperm(len(photos), generator=torch.Generator().manual_seed(0)).tolist()

    def part(rows: list[int]) -> Photos:
        return Photos([photos.images[i] for i in rows], photos.target[rows],
                      [photos.names[i] for i in rows])

    train, held_out, found = part(order[61:]), part(order[:61]), {}
    for lr in SCRATCH_RATES:
        found[lr] = int(hits(from_scratch(train, 0, epochs=40, lr=lr), held_out).sum())
        print(f"from scratch with {lr}: {found[lr]} of 61 training photos held out", flush=True)
    return max(found, key=found.__getitem__)


def hits(net: Backbone, photos: Photos) -> Tensor:
    """Which photos a network gets right."""
    loader = DataLoader(photos.dataset(net.preprocess), batch_size=32)
    result = evaluate(net.model, loader, F.cross_entropy)
    return result.decision == result.target


def compare_methods(photos: AntsBees) -> pd.DataFrame:
    """One row per run: the method, the seed, validation photos right, seconds, photos missed."""
    features = extract_features(load_backbone("efficientnet_lite0"), photos, progress=False)
    val, rows = features.val, []

    def add(method: str, seed: int, right: Tensor, seconds: float) -> None:
        missed = " ".join(name for name, hit in zip(val.names, right, strict=True) if not hit)
        rows.append([method, seed, int(right.sum()), f"{seconds:.1f}", missed])
        print(f"{method}, seed {seed}: {right.sum()} of {len(right)}, {seconds:.1f} s", flush=True)

    add("untouched, strictly", 0, val.top1 == features.imagenet[val.target], 0.0)
    add("untouched, between the two", 0, val.logits.argmax(1) == val.target, 0.0)
    for seed in SEEDS:
        start = time.perf_counter()
        head = train_head(features.train, seed)
        seconds = time.perf_counter() - start
        add("new head", seed, head(val.x).argmax(1) == val.target, seconds)
    for seed in SEEDS:
        start = time.perf_counter()
        net = from_new_head(photos, features, seed)
        seconds = time.perf_counter() - start
        add("all layers, from a new head", seed, hits(net, photos.val), seconds)
    for seed in SEEDS:
        start = time.perf_counter()
        net = from_old_rows(photos, features, seed)
        seconds = time.perf_counter() - start
        add("all layers, from the old rows", seed, hits(net, photos.val), seconds)
        go_halfway_back(net, features)
        add("the same, halfway back", seed, hits(net, photos.val), seconds)
    lr = choose_rate(photos.train)
    for epochs in (4, 40):
        for seed in SLOW_SEEDS:
            start = time.perf_counter()
            net = from_scratch(photos.train, seed, epochs=epochs, lr=lr)
            seconds = time.perf_counter() - start
            add(f"from scratch, {epochs} epochs", seed, hits(net, photos.val), seconds)
    add("always bee", 0, val.target == 1, 0.0)
    return pd.DataFrame(rows, columns=["method", "seed", "hits", "seconds", "missed"])


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
    print(result.drop(columns="missed").to_string())
    if pictures.val.names == load_features().val.names:
        result.to_csv(RESULTS, index=False, lineterminator="\n")
    ratios = overhead(pictures)
    print(f"Post A's configuration: fit takes {statistics.median(ratios):.3f} times as long as a "
          f"plain loop, median of {len(ratios)} epochs, {min(ratios):.3f} to {max(ratios):.3f}.")
