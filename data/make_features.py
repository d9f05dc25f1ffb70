"""Compute the EfficientNet-Lite0 features of the real photos and write ``ants_bees_features.npz``.

Run by hand, from the repository, with the published photos (a minute or two):

    python data/make_features.py path/to/hymenoptera_data.zip

The file holds the inputs of the network's last layer, rounded to half precision (an error of at
most one part in 2,000); the original head's logits of ant and bee, in full precision; its choice
among the 1000 ImageNet classes; the targets and the file names. No pixel is kept. The features are
means over the whole picture, so it cannot be reconstructed from them.
"""

import sys
from pathlib import Path

import numpy as np
import torch

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

from course_utils.data import (  # noqa: E402
    FeatureSet,
    extract_features,
    load_ants_bees,
    load_backbone,
)


def strict(part: FeatureSet, imagenet: torch.Tensor) -> int:
    """The number of pictures that the original head gets right among all 1000 classes."""
    return int((part.top1 == imagenet[part.target]).sum())


def between(part: FeatureSet) -> int:
    """The number that it gets right when it chooses only between ant and bee."""
    return int((part.logits.argmax(dim=1) == part.target).sum())


if __name__ == "__main__":
    photos = load_ants_bees(sys.argv[1] if len(sys.argv) == 2 else sys.exit(__doc__))
    print(photos.source)
    if "real photos" not in photos.source.text:
        sys.exit("these are not the published photos; nothing was written")
    features = extract_features(load_backbone("efficientnet_lite0"), photos)
    columns = {"imagenet": features.imagenet.numpy().astype(np.int16)}
    for name, part in (("train", features.train), ("val", features.val)):
        columns |= {f"{name}_x": part.x.numpy().astype(np.float16),
                    f"{name}_target": part.target.numpy().astype(np.int8),
                    f"{name}_names": np.array(part.names),
                    f"{name}_logits": part.logits.numpy(),
                    f"{name}_top1": part.top1.numpy().astype(np.int16)}
        print(f"{name}: {strict(part, features.imagenet)} of {len(part)} right among 1000 classes, "
              f"{between(part)} between ant and bee")
    np.savez_compressed(FOLDER / "ants_bees_features.npz", **columns)
