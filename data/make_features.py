"""Compute the EfficientNet-Lite0 features of the real photos and write ``ants_bees_features.npz``.

Run by hand, from the repository, with the published photos (a minute or two):

    python data/make_features.py path/to/hymenoptera_data.zip

The features are what the network's last layer gets, rounded to half precision (an error of at most
one part in 2,000); the untouched head's logits of ant and bee, in full precision; its choice among
the 1000 ImageNet classes; the targets and the file names. No pixel is kept, and the features are
means over the whole picture, from which it cannot be restored.
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
    """How many the untouched head gets right among 1000 classes."""
    return int((part.top1 == imagenet[part.target]).sum())


def between(part: FeatureSet) -> int:
    """How many it gets right when only ant and bee are asked for."""
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
        print(f"{name}: {strict(part, features.imagenet)} of {len(part)} strictly right, "
              f"{between(part)} between ant and bee")
    np.savez_compressed(FOLDER / "ants_bees_features.npz", **columns)
