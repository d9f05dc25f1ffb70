"""Ants and bees: the real photos, drawn insects in their place, and features of the real photos.

What belongs here: reading and verifying the photos and the embedded features. ``sources.py`` finds
the files, ``insects.py`` draws the insects, and ``backbones.py`` holds the networks.
"""

from __future__ import annotations

import hashlib
import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from . import pictures, sources
from .sources import ROOT, DataError, DataSource, Kind, reason

if TYPE_CHECKING:
    from .backbones import Backbone

__all__ = ["AntsBees", "FeatureSet", "Features", "Photos", "drawn_ants_bees", "extract_features",
           "holds_photos", "load_ants_bees", "load_features"]

CLASSES = {"ants": "ant", "bees": "bee"}  # folder to class, in the order of the targets
SPLITS = ("train", "val")
SHORTER_SIDE = 256  # pixels

NAMES = ["hymenoptera_data.zip", "hymenoptera_data"]
MIRRORS = ["https://download.pytorch.org/tutorial/hymenoptera_data.zip"]
HOW_TO_GET = (f"get the photos from {MIRRORS[0]}, or use load_ants_bees(\"embedded\"), which "
              "gives drawn insects")
LAYOUT = "photos lie in train/ants, train/bees, val/ants and val/bees"

CHECKSUMS = ROOT / "data" / "hymenoptera_data.sha256"
FEATURES = ROOT / "data" / "ants_bees_features.npz"

FILE_MANAGERS_OWN = {"Thumbs.db", "desktop.ini"}  # left behind in folders that were opened
PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}
LARGEST_FILE, MOST_FILES = 30_000_000, 10_000  # bytes per photo, photos; against zip bombs
LONGEST = 50  # times as long as wide; a longer photo takes too much memory once it is resized
TABLE_SUFFIXES = (".csv", ".arff", ".csv.gz", ".arff.gz")  # of the fraud table


@dataclass(frozen=True, eq=False)
class Photos:
    """Pictures of one split, decoded.

    Attributes:
        images: RGB images with a shorter side of 256 pixels (bicubic, antialiased).
        target: int64 ``(N,)``, 0 for an ant, 1 for a bee.
        names: folder and file name of each, such as ``"ants/0013035.jpg"``.
    """

    images: list[Image.Image]
    target: Tensor
    names: list[str]

    def __len__(self) -> int:
        return len(self.images)

    def dataset(self, transform: Callable[[Image.Image], Any]) -> Dataset:
        """Make a dataset of ``(transform(image), target)``; ``transform`` runs on every access."""
        return _Transformed(self, transform)


@dataclass(frozen=True, eq=False)
class _Transformed(Dataset):
    photos: Photos
    transform: Callable[[Image.Image], Any]

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, i: int) -> tuple[Any, Tensor]:
        return self.transform(self.photos.images[i]), self.photos.target[i]


@dataclass(frozen=True, eq=False)
class AntsBees:
    """Pictures of ants and bees, in the split of the published set.

    Attributes:
        train, val: the pictures.
        source: where they came from.
    """

    train: Photos
    val: Photos
    source: DataSource

    @property
    def classes(self) -> list[str]:
        """The names of targets 0 and 1."""
        return list(CLASSES.values())

    @property
    def drawn(self) -> bool:
        """Whether these are drawn insects rather than photos."""
        return not self.source.real

    def save_example(self, folder: str | os.PathLike[str], *, train: int = 16, new: int = 5
                     ) -> Path:
        """Save some pictures as PNG files, in the way a folder of one's own might hold them.

        Args:
            folder: where to; it is made if it is missing.
            train: how many training pictures of each class go to ``train/bee`` and ``train/ant``.
            new: how many validation pictures of each class go to ``new``, under names that do not
                tell the class: those that begin with ``first`` are ants, with ``second`` bees.

        Returns:
            The folder.
        """
        folder = Path(folder)
        for name in ("train/bee", "train/ant", "new"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(train):
            self.train.images[i].save(folder / "train" / "ant" / f"{i}.png")
            self.train.images[-1 - i].save(folder / "train" / "bee" / f"{i}.png")
        for i in range(new):
            self.val.images[i].save(folder / "new" / f"first_{i}.png")
            self.val.images[-1 - i].save(folder / "new" / f"second_{i}.png")
        return folder


def load_ants_bees(path: str | os.PathLike[str] | None = None) -> AntsBees:
    """Load the ants and bees: the real photos where available, else drawn insects.

    These sources are tried in order: ``path``; the environment variable ``COURSE_DATA``; the
    download cache; the network, unless ``COURSE_OFFLINE=1``; drawn insects, whose ``source`` then
    says why. The published photos are verified file by file, and nothing is unpacked to disk.

    Args:
        path: a zip file, or a folder, of photos in ``train/ants``, ``train/bees``, ``val/ants``
            and ``val/bees`` (yours, or the published ones), a folder that holds one (usually
            ``hymenoptera_data.zip`` or ``hymenoptera_data``), or ``"embedded"`` for drawn
            insects. ``COURSE_DATA`` takes the same, and may also name other data sets.

    Raises:
        DataError: the file or folder that was named is missing, is the published set with a file
            missing, altered or added, or holds a picture that cannot be read or is too large; the
            message names the file. Or ``COURSE_OFFLINE`` is neither yes nor no.

    Source: the data of PyTorch's transfer-learning tutorial, by Sasank Chilamkurthy.

    >>> photos = load_ants_bees("embedded")
    >>> len(photos.train), len(photos.val), photos.classes
    (244, 153, ['ant', 'bee'])
    """
    wanted = sources.Wanted(NAMES, mine=_may_be_photos, holds=holds_photos, mirrors=MIRRORS,
                            megabytes=50, how_to_get=HOW_TO_GET, check=_check_published)
    return sources.load(path, wanted, read=_from_place, stand_in=drawn_ants_bees)


def drawn_ants_bees(*, seed: int = 0) -> AntsBees:
    """Draw insects in place of photos, as many as in the real set: 244 train, 153 val.

    Args:
        seed: the seed of the drawings; the same seed gives the same pictures.
    """
    from .insects import draw

    rng = np.random.default_rng(seed)
    parts = []
    for split, counts in (("train", (123, 121)), ("val", (70, 83))):
        target = np.repeat([0, 1], counts)
        images = [draw(rng, bee=bool(t), size=SHORTER_SIDE) for t in target]
        names = [f"{list(CLASSES)[t]}/drawn_{split}_{i:03}.png" for i, t in enumerate(target)]
        parts.append(Photos(images, torch.from_numpy(target), names))
    text = (f"ants and bees, {sum(map(len, parts))} drawn insects ({len(parts[0])} train, "
            f"{len(parts[1])} val), seed {seed} (no photo involved)")
    return AntsBees(*parts, DataSource("embedded", text, real=False))


def holds_photos(place: Path) -> bool:
    """Whether a folder or zip file holds photos in the folders of this set, by their names."""
    if place.is_dir():
        roots = [place, *place.glob("[!.]*"), *place.glob("[!.]*/[!.]*")]
        return any((root / split / folder).is_dir() for root in roots
                   for split in SPLITS for folder in CLASSES)
    return any(_in_layout(name.split("/")) and _is_photo(name) for name in _zipped_names(place))


def _may_be_photos(place: Path) -> bool:
    """Whether what ``COURSE_DATA`` names is for this loader rather than for that of the table."""
    if place.is_dir():
        return all((place / split).is_dir() for split in SPLITS)
    if place.suffix.lower() != ".zip":
        return False
    return holds_photos(place) or not any(
        name.lower().endswith(TABLE_SUFFIXES) for name in _zipped_names(place))


def _zipped_names(place: Path) -> list[str]:
    """The names in a zip file; none if it is no zip file or damaged."""
    if place.suffix.lower() != ".zip":
        return []
    try:
        with zipfile.ZipFile(place) as archive:
            return [_with_slashes(name) for name in archive.namelist()]
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return []


def _with_slashes(name: str) -> str:
    """A name in a zip file, which some programs on Windows write with backslashes."""
    return name.replace("\\", "/")


def _in_layout(parts: Sequence[str]) -> bool:
    return len(parts) >= 3 and parts[-3] in SPLITS and parts[-2] in CLASSES


# Reading ----------------------------------------------------------------------


def _from_place(place: Path, kind: Kind) -> AntsBees:
    with _members(place) as files:
        known = _verify(place, files)
        if not known and kind != "path":
            raise DataError(f"{place} does not hold the published photos")
        skipped = sorted(name for name in files if not _is_photo(name))
        parts = [_decode(place, files, split) for split in SPLITS]
    n = sum(map(len, parts))
    text = (f"ants and bees, {n} {'real photos' if known else 'photos of your own'} "
            f"({len(parts[0])} train, {len(parts[1])} val) from {place.name}")
    if not known:
        text += " (not the published photos)"
    if skipped:
        some = ", ".join(PurePosixPath(name).name for name in skipped[:3])
        files_are = "file that is" if len(skipped) == 1 else "files that are"
        text += (f"; {len(skipped)} {files_are} no photo skipped "
                 f"({some}{', ...' if len(skipped) > 3 else ''})")
    return AntsBees(*parts, DataSource(kind, text))


def _is_photo(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in PHOTO_SUFFIXES


Files = dict[str, Callable[[], bytes]]  # "train/ants/0013035.jpg" to a function that reads it


@contextmanager
def _members(place: Path) -> Iterator[Files]:
    """The files of a folder or zip file by split, class and name, without unpacking."""
    if place.is_dir():
        paths = (path for path in sorted(place.rglob("*")) if path.is_file())
        yield _sorted_in(place, {path.relative_to(place).as_posix(): _reader(place, path)
                                 for path in paths})
        return
    try:
        archive = zipfile.ZipFile(place)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{place} cannot be read, it may be truncated or damaged "
                        f"({reason(error)}); {HOW_TO_GET}") from error
    with archive:
        found: Files = {}
        for info in archive.infolist():
            name = _with_slashes(info.filename)
            if name.endswith("/"):
                continue
            _refuse_traps(place, info, found)
            found[name] = _zip_reader(place, archive, info)
        yield _sorted_in(place, found)


def _refuse_traps(place: Path, info: zipfile.ZipInfo, found: Files) -> None:
    name = _with_slashes(info.filename)
    parts = name.split("/")
    too_large = info.file_size > LARGEST_FILE and _is_photo(name)  # nothing else is unpacked
    trap = ("points outside the folder" if name.startswith("/") or ".." in parts or ":" in parts[0]
            else "is a link" if stat.S_ISLNK(info.external_attr >> 16)
            else "is there twice" if name in found
            else f"unpacks to {info.file_size / 1e6:,.0f} MB" if too_large
            else f"is one of more than {MOST_FILES:,} files" if len(found) >= MOST_FILES else "")
    if trap:
        raise DataError(f"{place}: {name!r} {trap}, which no photo of this set does; do not use "
                        f"this archive, {HOW_TO_GET}")


def _reader(place: Path, path: Path) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            if path.stat().st_size > LARGEST_FILE:
                raise DataError(f"{path} has {path.stat().st_size / 1e6:,.0f} MB, too much for a "
                                "photo; remove it or make it smaller")
            return path.read_bytes()
        except OSError as error:
            raise DataError(f"{path} cannot be read ({reason(error)}); make it readable, or "
                            f"{HOW_TO_GET}") from error
    return read


def _zip_reader(place: Path, archive: zipfile.ZipFile,
                info: zipfile.ZipInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            return archive.read(info)
        # RuntimeError: a password; NotImplementedError: a rare compression.
        except (EOFError, OSError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            raise DataError(f"{place}: {info.filename!r} cannot be unpacked ({reason(error)}); "
                            f"{HOW_TO_GET}") from error
    return read


def _sorted_in(place: Path, files: Files) -> Files:
    """The photos by ``split/class/name``, whatever folder contains them, and the other files.

    Hidden files and folders, such as the ``.ipynb_checkpoints`` of Jupyter, are left out.
    """
    found: Files = {}
    for path, read in files.items():
        parts = path.split("/")
        if (parts[-1] in FILE_MANAGERS_OWN
                or any(part == "__MACOSX" or part.startswith(".") for part in parts)):
            continue
        name = "/".join(parts[-3:]) if _in_layout(parts) else path
        if _is_photo(path):
            if not _in_layout(parts):
                raise DataError(f"{place} holds the unexpected file {path!r}; {LAYOUT}")
            if name in found:
                raise DataError(f"{place} holds {name!r} twice; remove one of the two folders")
        found[f"./{path}" if name in found else name] = read
    return found


# Verifying and decoding -------------------------------------------------------


@cache
def _checksums(path: Path) -> dict[str, str]:
    """SHA-256 of the published files, by split, class and name."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({reason(error)}); use course_utils from a "
                        "complete copy of the course") from error
    sums = (line.split("  ", 1) for line in lines)
    return {name.split("/", 1)[1]: digest for digest, name in sums}


def _verify(place: Path, files: Files) -> bool:
    """``True`` for all published files, unaltered; ``False`` if none is here; else an error."""
    published = _checksums(CHECKSUMS)
    digests = {name: hashlib.sha256(read()).hexdigest() for name, read in files.items()
               if _is_photo(name) or name in published}
    if not published.keys() & digests.keys() and not {*published.values()} & {*digests.values()}:
        return False
    problems = [f"{name!r} is altered (its SHA-256 is not the published one)" for name in published
                if digests.get(name, published[name]) != published[name]]
    problems += [f"{name!r} is missing" for name in published if name not in digests]
    problems += [f"{name!r} is not one of the published files" for name in digests
                 if name not in published]
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise DataError(f"{place}: {problems[0]}{more}; restore the published set, or {HOW_TO_GET}")
    return True


def _check_published(place: Path) -> None:
    with _members(place) as files:
        if not _verify(place, files):
            raise DataError(f"{place} does not hold the published photos")


def _decode(place: Path, files: Files, split: str) -> Photos:
    names = sorted((name for name in files if name.startswith(f"{split}/") and _is_photo(name)),
                   key=lambda name: name.split("/")[1:])
    folders = [name.split("/")[1] for name in names]
    for folder in CLASSES:
        if folder not in folders:
            raise DataError(f"{place} holds no photo in {split}/{folder}; {LAYOUT}")
    images = [_picture(files[name](), f"{place}: {name!r}") for name in names]
    target = torch.tensor([list(CLASSES).index(folder) for folder in folders])
    return Photos(images, target, [name.split("/", 1)[1] for name in names])


def _picture(content: bytes, name: str) -> Image.Image:
    """Decode a photo, turn it upright, and resize it; its shape is judged before it is decoded."""
    try:
        with pictures.quietly():
            image = pictures.opened(content)
            width, height = image.size
            shape = f"it is {width} x {height} pixels"
            if width * height > pictures.MOST_PIXELS:
                raise ValueError(f"{shape}, more than {pictures.MOST_PIXELS / 1e6:.0f} million")
            if max(image.size) > LONGEST * min(image.size):
                raise ValueError(f"{shape}, more than {LONGEST} times as long as wide")
            image = pictures.as_rgb(pictures.upright(image))
    # Decoders raise many kinds of errors: OSError, SyntaxError, ValueError, zlib.error, ...
    except Exception as error:
        raise DataError(f"{name} is not a photo that can be read ({reason(error)}); remove it or "
                        "replace it") from error
    size = tuple(SHORTER_SIDE * side // min(image.size) for side in image.size)
    return image.resize(size, Image.Resampling.BICUBIC)


# Features ---------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """The features that a pretrained network computes from the pictures of one split.

    Attributes:
        x: float32 ``(N, width)``, the inputs of the head: pooled, not standardised.
        target: int64 ``(N,)``, 0 for an ant, 1 for a bee.
        names: folder and file name of each picture.
        logits: float32 ``(N, 2)``, the original head's logits of the ImageNet classes ant and bee.
        top1: int64 ``(N,)``, the original head's choice among the 1000 ImageNet classes.
    """

    x: Tensor
    target: Tensor
    names: list[str]
    logits: Tensor
    top1: Tensor

    def __len__(self) -> int:
        return len(self.target)


@dataclass(frozen=True, eq=False)
class Features:
    """Features of both splits.

    Attributes:
        train, val: the features.
        source: which pictures and which network they come from.
        imagenet: int64 ``(2,)``, the ImageNet indices of ant and bee.

    Among all 1000 classes, the original head is right where ``val.top1 == imagenet[val.target]``.
    """

    train: FeatureSet
    val: FeatureSet
    source: DataSource
    imagenet: Tensor

    @property
    def classes(self) -> list[str]:
        """The names of targets 0 and 1."""
        return list(CLASSES.values())


def load_features() -> Features:
    """Load the embedded EfficientNet-Lite0 features of the 397 real photos.

    They are those of :func:`extract_features`, rounded to half precision. The file is part of the
    course, so neither a network connection nor the photos are needed.

    Raises:
        DataError: the file is missing or damaged.

    >>> features = load_features()
    >>> features.train.x.shape, features.val.x.shape
    (torch.Size([244, 1280]), torch.Size([153, 1280]))
    """
    try:
        with FEATURES.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            parts = [FeatureSet(torch.from_numpy(file[f"{split}_x"].astype(np.float32)),
                                torch.from_numpy(file[f"{split}_target"].astype(np.int64)),
                                file[f"{split}_names"].tolist(),
                                torch.from_numpy(file[f"{split}_logits"]),
                                torch.from_numpy(file[f"{split}_top1"].astype(np.int64)))
                     for split in SPLITS]
            imagenet = torch.from_numpy(file["imagenet"].astype(np.int64))
    except (EOFError, KeyError, OSError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{FEATURES} is missing or damaged ({reason(error)}); use course_utils "
                        "from a complete copy of the course") from error
    text = (f"ants and bees, EfficientNet-Lite0 features of the {sum(map(len, parts))} real photos "
            "(embedded)")
    return Features(*parts, DataSource("embedded", text), imagenet)


def extract_features(backbone: Backbone, photos: AntsBees, *, batch_size: int = 32,
                     progress: bool = True) -> Features:
    """Compute the same as ``load_features`` returns, for any backbone and any pictures.

    Args:
        backbone: a backbone with its 1000-class head in place. It runs in evaluation mode, on its
            device.
        photos: the pictures; ``backbone.preprocess`` prepares each of them.
        batch_size: pictures processed at a time, ``>= 1``.
        progress: whether to show a progress bar.

    Raises:
        ValueError: the head has been replaced.
    """
    from ..runtime import Progress

    if backbone.head.out_features != 1000:
        raise ValueError(f"the backbone's head has {backbone.head.out_features} outputs, not "
                         f'ImageNet\'s 1000; use a fresh load_backbone("{backbone.name}")')
    body, imagenet = backbone.without_head().eval(), list(backbone.imagenet.values())
    device = backbone.head.weight.device
    parts = []
    with Progress("extracting features", len(photos.train) + len(photos.val), unit="pictures",
                  show=progress) as bar, torch.no_grad():
        for part in (photos.train, photos.val):
            features = []
            for start in range(0, len(part), batch_size):
                images = part.images[start:start + batch_size]
                inputs = torch.stack([backbone.preprocess(image) for image in images])
                features.append(body(inputs.to(device)))
                bar.update(len(images))
            x = torch.cat(features)
            logits = backbone.head(x).cpu()
            parts.append(FeatureSet(x.cpu(), part.target, part.names, logits[:, imagenet],
                                    logits.argmax(dim=1)))
    of = "drawn insects" if photos.drawn else "photos"
    source = DataSource(photos.source.kind,
                        f"ants and bees, {backbone.name} features of {sum(map(len, parts))} {of}",
                        real=photos.source.real)
    return Features(*parts, source, torch.tensor(imagenet))
