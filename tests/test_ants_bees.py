"""Photos come whole and verified or not at all; drawn insects and features stand in honestly."""

import hashlib
import io
import re
import stat
import zipfile

import numpy as np
import pytest
import torch
from downloads import fill_the_disk, left_behind
from PIL import Image
from sklearn.linear_model import LogisticRegression
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import InterpolationMode, v2

from course_utils import runtime
from course_utils.data import (
    DataError,
    ants_bees,
    drawn_ants_bees,
    extract_features,
    load_ants_bees,
    load_backbone,
    load_creditcard,
    load_features,
    sources,
)
from course_utils.data.insects import draw

FOLDERS = ["train/ants", "train/bees", "val/ants", "val/bees"]


@pytest.fixture(scope="module")
def drawn():
    return drawn_ants_bees()


@pytest.fixture(scope="module")
def features():
    return load_features()


def jpeg(seed: int, *, bee: bool = False) -> bytes:
    file = io.BytesIO()
    draw(np.random.default_rng(seed), bee=bee, size=120).save(file, format="jpeg", quality=95)
    return file.getvalue()


@pytest.fixture(scope="module")
def pictures() -> dict[str, bytes]:
    """A set of two pictures a folder, and the stray file that the published set holds."""
    files = {f"{folder}/{name}.jpg": jpeg(2 * i + j, bee=folder.endswith("bees"))
             for i, folder in enumerate(FOLDERS) for j, name in enumerate(("b 1", "a2"))}
    return {**files, "train/ants/imageNotFound.gif": b"GIF89a"}


def zipped(files: dict[str, bytes], root: str = "hymenoptera_data/") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(root + name, content)
    return file.getvalue()


@pytest.fixture
def outside(monkeypatch, tmp_path, drawn):
    """The environment of a user: no COURSE_ variables, an empty cache, a mirror that is dead."""
    monkeypatch.delenv("COURSE_DATA")
    monkeypatch.delenv("COURSE_OFFLINE")
    monkeypatch.setattr(sources, "cache_folders", lambda: [tmp_path / "cache"])
    monkeypatch.setattr(ants_bees, "MIRRORS", ["http://127.0.0.1:9/hymenoptera_data.zip"])
    monkeypatch.setattr(ants_bees, "drawn_ants_bees", lambda: drawn)
    return monkeypatch


@pytest.fixture
def published(outside, tmp_path, pictures):
    """Lets the small set of these tests pass for the published one; its zip file."""
    lines = [f"{hashlib.sha256(content).hexdigest()}  hymenoptera_data/{name}\n"
             for name, content in pictures.items()]
    (tmp_path / "sums").write_text("".join(lines), encoding="utf-8")
    outside.setattr(ants_bees, "CHECKSUMS", tmp_path / "sums")
    return zipped(pictures)


def refused(place) -> str:
    """Why a place is refused, in one line."""
    with pytest.raises(DataError) as error:
        load_ants_bees(place)
    assert "\n" not in str(error.value)
    return str(error.value)


# The real photos --------------------------------------------------------------


@pytest.fixture(scope="module")
def photos(real_data):
    return load_ants_bees(real_data)


def test_the_published_photos_are_all_there(photos):
    assert str(photos.source) == (
        "Data: ants and bees, 397 real photos (244 train, 153 val) from hymenoptera_data.zip; "
        "1 file that is no photo skipped (imageNotFound.gif)")
    assert (photos.classes, photos.drawn) == (["ant", "bee"], False)
    assert photos.train.target.bincount().tolist() == [123, 121]
    assert photos.val.target.bincount().tolist() == [70, 83]
    assert {image.mode for image in photos.train.images} == {"RGB"}
    assert {min(image.size) for image in photos.train.images + photos.val.images} == {256}


@pytest.fixture(scope="module")
def extracted(photos):
    torch.set_num_threads(1)
    return extract_features(load_backbone("efficientnet_lite0"), photos, progress=False)


def hits(part, imagenet) -> tuple[int, int]:
    """How many the untouched head gets right: among 1000 classes, between ant and bee."""
    return (int((part.top1 == imagenet[part.target]).sum()),
            int((part.logits.argmax(dim=1) == part.target).sum()))


def test_the_untouched_head_gets_130_of_153_and_149_between_ant_and_bee(extracted):
    assert hits(extracted.val, extracted.imagenet) == (130, 149)


def test_the_embedded_features_are_those_of_the_photos(extracted, features):
    for real, kept in ((extracted.train, features.train), (extracted.val, features.val)):
        assert real.names == kept.names
        assert torch.equal(real.target, kept.target)
        assert torch.equal(real.top1, kept.top1)
        torch.testing.assert_close(kept.logits, real.logits, atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(kept.x, real.x, atol=1e-3, rtol=1e-3)


# The embedded features --------------------------------------------------------


def test_the_embedded_features_know_the_untouched_heads_figures(features):
    assert str(features.source) == ("Data: ants and bees, EfficientNet-Lite0 features of the 397 "
                                    "real photos (embedded)")
    assert hits(features.val, features.imagenet) == (130, 149)
    assert hits(features.train, features.imagenet) == (209, 240)
    assert features.source.real


def test_features_are_what_the_head_gets(features):
    head = load_backbone("efficientnet_lite0").head
    for part, n in ((features.train, 244), (features.val, 153)):
        assert (part.x.shape, part.x.dtype, len(part)) == ((n, 1280), torch.float32, n)
        with torch.no_grad():
            logits = head(part.x)
        torch.testing.assert_close(logits[:, features.imagenet], part.logits, atol=0.01, rtol=0.01)
        assert (logits.argmax(dim=1) == part.top1).sum() >= n - 1  # a tie may fall otherwise


def test_features_are_named_as_the_published_photos(features):
    published = ants_bees._checksums(ants_bees.CHECKSUMS)
    known = {name for name in published if name.endswith((".jpg", ".jpeg"))}
    named = {*(f"train/{name}" for name in features.train.names),
             *(f"val/{name}" for name in features.val.names)}
    assert named == known
    assert len(known) == 397
    for part in (features.train, features.val):
        assert [int(name.startswith("bees/")) for name in part.names] == part.target.tolist()


def test_a_linear_head_on_the_features_beats_the_untouched_one(features):
    train, val = features.train, features.val
    model = LogisticRegression(C=0.01, max_iter=1000)
    model.fit(train.x.numpy(), train.target.numpy())
    assert model.score(val.x.numpy(), val.target.numpy()) >= 0.94


def test_features_need_no_photo_and_no_network(outside, features):
    outside.setenv("COURSE_DATA", "/nowhere")
    assert torch.equal(load_features().val.x, features.val.x)


def test_features_are_small_and_hold_no_python_objects():
    assert ants_bees.FEATURES.stat().st_size <= 1_000_000
    with np.load(ants_bees.FEATURES, allow_pickle=False) as file:
        assert all(file[name].dtype != object for name in file)


@pytest.mark.parametrize("keep", [None, 0, 10, 3000, -50])
def test_a_damaged_features_file_is_one_sentence(outside, tmp_path, keep):
    file = tmp_path / "features.npz"
    if keep is not None:
        file.write_bytes(ants_bees.FEATURES.read_bytes()[:keep])
    outside.setattr(ants_bees, "FEATURES", file)
    with pytest.raises(DataError, match=r"features\.npz is missing or damaged \([^\n]*\); use"):
        load_features()


# Drawn insects ----------------------------------------------------------------


def test_drawn_insects_stand_in_for_the_photos_and_say_so(drawn):
    assert str(drawn.source) == ("Data: ants and bees, 397 drawn insects (244 train, 153 val), "
                                 "seed 0 (no photo involved)")
    assert drawn.drawn
    assert drawn.train.target.bincount().tolist() == [123, 121]
    assert drawn.val.target.bincount().tolist() == [70, 83]
    images, names = drawn.train.images + drawn.val.images, drawn.train.names + drawn.val.names
    assert {(image.mode, image.size) for image in images} == {("RGB", (320, 256))}
    assert len(set(names)) == len({image.tobytes() for image in images}) == 397


def test_the_same_seed_draws_the_same_insect():
    first, again, other = (draw(np.random.default_rng(s), bee=True, size=64) for s in (1, 1, 2))
    assert first.tobytes() == again.tobytes() != other.tobytes()


def test_colour_alone_does_not_tell_drawn_ants_from_drawn_bees(drawn):
    """The mean and spread of each channel, over the whole picture and around its middle."""
    def colours(part):
        x = np.stack([np.asarray(i.resize((40, 32))) for i in part.images]) / 255
        middle = x[:, 8:24, 10:30]
        return np.hstack([f(v, axis=(1, 2)) for v in (x, middle) for f in (np.mean, np.std)])

    model = LogisticRegression(C=10, max_iter=5000)
    model.fit(colours(drawn.train), drawn.train.target.numpy())
    assert model.score(colours(drawn.val), drawn.val.target.numpy()) < 0.7


def test_a_pretrained_network_tells_drawn_ants_from_drawn_bees(drawn):
    few = ants_bees.AntsBees(*(ants_bees.Photos(part.images[::6], part.target[::6], part.names[::6])
                               for part in (drawn.train, drawn.val)), drawn.source)
    features = extract_features(load_backbone("efficientnet_lite0"), few, progress=False)
    assert str(features.source) == ("Data: ants and bees, efficientnet_lite0 features of 67 drawn "
                                    "insects")
    model = LogisticRegression(C=0.01)
    model.fit(features.train.x.numpy(), features.train.target.numpy())
    assert model.score(features.val.x.numpy(), features.val.target.numpy()) > 0.8


def test_some_pictures_can_be_saved_as_a_folder_of_ones_own(drawn, tmp_path):
    folder = drawn.save_example(tmp_path / "mine", train=3, new=2)
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    assert files == ["new/first_0.png", "new/first_1.png", "new/second_0.png", "new/second_1.png",
                     *(f"train/ant/{i}.png" for i in range(3)),
                     *(f"train/bee/{i}.png" for i in range(3))]
    for name, part, target in [("train/ant", drawn.train, 0), ("train/bee", drawn.train, 1)]:
        of_class = [part.images[i].tobytes() for i in (part.target == target).nonzero()[:, 0]]
        assert Image.open(folder / name / "2.png").tobytes() in of_class
    bees = [drawn.val.images[i].tobytes() for i in (drawn.val.target == 1).nonzero()[:, 0]]
    assert Image.open(folder / "new" / "second_1.png").tobytes() in bees


def test_pictures_make_a_dataset_that_a_loader_takes(drawn):
    dataset = drawn.val.dataset(v2.Compose([v2.CenterCrop(32), v2.PILToTensor()]))
    x, target = next(iter(DataLoader(dataset, batch_size=153)))
    assert (x.shape, x.dtype) == ((153, 3, 32, 32), torch.uint8)
    assert torch.equal(target, drawn.val.target)


# A zip file or a folder of pictures -------------------------------------------


def test_photos_are_read_as_torchvision_reads_them(published, tmp_path, pictures):
    for name, content in pictures.items():
        file = tmp_path / "hymenoptera_data" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    (tmp_path / "photos.zip").write_bytes(published)
    resize = v2.Resize(256, interpolation=InterpolationMode.BICUBIC, antialias=True)
    from_folder, from_zip = (load_ants_bees(tmp_path / name)
                             for name in ("hymenoptera_data", "photos.zip"))
    for split in ("train", "val"):
        theirs = ImageFolder(tmp_path / "hymenoptera_data" / split, transform=resize,
                             is_valid_file=lambda path: path.endswith(".jpg"))
        for ours in (getattr(from_folder, split), getattr(from_zip, split)):
            assert ours.target.tolist() == theirs.targets
            assert ours.names == ["ants/a2.jpg", "ants/b 1.jpg", "bees/a2.jpg", "bees/b 1.jpg"]
            for image, (their_image, _) in zip(ours.images, theirs, strict=True):
                assert image.tobytes() == their_image.tobytes()


@pytest.mark.parametrize("size", [(100, 331), (331, 100), (256, 256), (60, 61)])
def test_the_shorter_side_becomes_256_as_torchvision_makes_it(size):
    file = io.BytesIO()
    Image.new("L", size).save(file, format="png")
    image = ants_bees._picture(file.getvalue(), "x.png")
    assert image.size == v2.Resize(256)(Image.new("RGB", size)).size
    assert image.mode == "RGB"


def test_the_published_set_says_what_it_is_and_what_was_skipped(published, tmp_path):
    (tmp_path / "mine.zip").write_bytes(published)
    photos = load_ants_bees(tmp_path / "mine.zip")
    assert str(photos.source) == (
        "Data: ants and bees, 8 real photos (4 train, 4 val) from mine.zip; "
        "1 file that is no photo skipped (imageNotFound.gif)")
    assert (photos.source.kind, photos.drawn) == ("path", False)


DAMAGE = {
    "altered": (lambda f: {**f, "val/bees/a2.jpg": jpeg(99)},
                r"'val/bees/a2\.jpg' is altered \(its SHA-256"),
    "missing": (lambda f: {n: c for n, c in f.items() if n != "val/bees/a2.jpg"},
                r"'val/bees/a2\.jpg' is missing; restore"),
    "two missing": (lambda f: {n: c for n, c in f.items() if not n.startswith("val/bees")},
                    r"'val/bees/b 1\.jpg' is missing \(and 1 more\)"),
    "added": (lambda f: {**f, "val/bees/mine.jpg": jpeg(99)},
              r"'val/bees/mine\.jpg' is not one of the published files"),
    "renamed": (lambda f: {n.replace("a2", "c3"): c for n, c in f.items()},
                r"'train/ants/a2\.jpg' is missing \(and 7 more\)"),
    "elsewhere": (lambda f: {**f, "test/bees/mine.jpg": b""},
                  r"unexpected file 'hymenoptera_data/test/bees/mine\.jpg'; photos lie in"),
    "a class of its own": (lambda f: {**f, "val/wasps/mine.jpg": b""}, r"unexpected file '.*wasps"),
    "nested": (lambda f: {**f, "copy/val/bees/a2.jpg": b""}, r"holds 'val/bees/a2\.jpg' twice"),
}


@pytest.mark.parametrize("harm", DAMAGE)
@pytest.mark.parametrize("form", ["zip", "folder"])
def test_a_damaged_published_set_is_refused_and_the_file_named(
        published, pictures, tmp_path, harm, form):
    spoil, sentence = DAMAGE[harm]
    place = tmp_path / "hymenoptera_data.zip"
    place.write_bytes(zipped(spoil(pictures)))
    if form == "folder":
        with zipfile.ZipFile(place) as archive:
            archive.extractall(tmp_path / "folder")
        place = tmp_path / "folder"
        sentence = sentence.replace("'hymenoptera_data/test", "'test")
    assert re.search(sentence, refused(place))


def test_photos_of_ones_own_are_taken_and_said_to_be_unpublished(published, tmp_path):
    mine = {f"{folder}/{i}.png": jpeg(40 + i) for folder in FOLDERS for i in range(2)}
    leftovers = {"__MACOSX/hymenoptera_data/train/ants/._0.png": b"x", ".DS_Store": b"x",
                 "train/ants/Thumbs.db": b"x"}
    (tmp_path / "mine.zip").write_bytes(zipped({**mine, **leftovers, "val/bees/notes.txt": b"x",
                                                "val/bees/more.txt": b"x"}, root=""))
    photos = load_ants_bees(tmp_path / "mine.zip")
    assert str(photos.source) == (
        "Data: ants and bees, 8 photos of your own (4 train, 4 val) from mine.zip (not the "
        "published photos); 2 files that are no photo skipped (more.txt, notes.txt)")
    assert not photos.drawn


def test_a_folder_without_photos_is_named(published, tmp_path):
    mine = {f"{folder}/1.jpg": jpeg(40) for folder in FOLDERS[:3]}
    (tmp_path / "mine.zip").write_bytes(zipped(mine))
    assert "mine.zip holds no photo in val/bees; photos lie in" in refused(tmp_path / "mine.zip")


@pytest.mark.parametrize("content", [b"no picture at all", b"", jpeg(1)[:2000], jpeg(1)[:40]])
def test_a_picture_that_is_none_is_named(published, tmp_path, content):
    mine = {f"{folder}/1.jpg": jpeg(40) for folder in FOLDERS}
    (tmp_path / "mine.zip").write_bytes(zipped({**mine, "val/bees/bad one.jpg": content}))
    assert re.search(r"mine\.zip: 'val/bees/bad one\.jpg' is not a photo that can be read \(.+\); "
                     "remove it", refused(tmp_path / "mine.zip"))


def test_a_picture_of_absurd_size_is_refused_before_it_is_decoded(published, tmp_path):
    file = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(file, format="png")
    mine = {f"{folder}/1.jpg": jpeg(40) for folder in FOLDERS}
    (tmp_path / "mine.zip").write_bytes(zipped({**mine, "val/bees/2.png": file.getvalue()}))
    assert "'val/bees/2.png' is not a photo that can be read" in refused(tmp_path / "mine.zip")


@pytest.mark.parametrize("name", ["../train/ants/x.jpg", "/etc/train/ants/x.jpg",
                                  "a/../../train/ants/x.jpg", "C:/train/ants/x.jpg",
                                  "..\\train\\ants\\x.jpg"])
def test_a_name_that_leads_out_of_the_folder_is_refused(published, pictures, tmp_path, name):
    place = tmp_path / "in" / "trap.zip"
    place.parent.mkdir()
    place.write_bytes(zipped({**pictures, name: jpeg(1)}, root=""))
    before = left_behind(tmp_path)
    assert re.search(r"trap\.zip: '.*x\.jpg' points outside the folder", refused(place))
    assert left_behind(tmp_path) == before


def test_links_doubles_and_bombs_are_refused(published, outside, tmp_path):
    link = zipfile.ZipInfo("train/ants/link.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    place = tmp_path / "trap.zip"
    with zipfile.ZipFile(place, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert "'train/ants/link.jpg' is a link" in refused(place)

    with zipfile.ZipFile(place, "w") as archive:
        archive.writestr("train/ants/x.jpg", jpeg(1))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("train/ants/x.jpg", jpeg(2))
    assert "'train/ants/x.jpg' is there twice" in refused(place)

    place.write_bytes(zipped({"train/ants/x.jpg": bytes(31_000_000)}))
    assert place.stat().st_size < 100_000
    assert "x.jpg' unpacks to 31 MB" in refused(place)

    outside.setattr(ants_bees, "MOST_FILES", 2)
    place.write_bytes(zipped({f"train/ants/{i}.jpg": b"" for i in range(3)}))
    assert "is one of more than 2 files" in refused(place)


def test_a_file_too_large_for_a_photo_is_refused_in_a_folder(published, tmp_path):
    (tmp_path / "mine" / "train" / "ants").mkdir(parents=True)
    (tmp_path / "mine" / "val").mkdir()
    with (tmp_path / "mine" / "train" / "ants" / "film.jpg").open("wb") as film:
        film.truncate(31_000_000)
    assert "film.jpg has 31 MB, too much for a photo" in refused(tmp_path / "mine")


@pytest.mark.parametrize("keep", [0, 100, -30])
def test_a_truncated_zip_file_is_one_sentence(published, tmp_path, keep):
    (tmp_path / "hymenoptera_data.zip").write_bytes(published[:keep])
    assert "hymenoptera_data.zip cannot be read, it may be truncated" in refused(tmp_path)


def test_a_zip_file_with_a_flipped_byte_is_one_sentence(published, tmp_path):
    middle = published.index(b"a2.jpg") + 1000  # in the middle of a picture
    content = published[:middle] + bytes([published[middle] ^ 1]) + published[middle + 1:]
    (tmp_path / "hymenoptera_data.zip").write_bytes(content)
    assert "a2.jpg' cannot be unpacked (" in refused(tmp_path)


def test_a_zip_file_with_a_password_is_one_sentence(published, tmp_path):
    flag = published.index(b"PK\x01\x02") + 8  # of the first file, in the directory
    locked = bytearray(published)
    locked[flag] |= 1
    locked[6] |= 1
    (tmp_path / "hymenoptera_data.zip").write_bytes(locked)
    assert "is encrypted, password required" in refused(tmp_path)


def test_a_named_place_that_is_not_there_is_an_error(outside, tmp_path):
    assert "nowhere.zip' does not exist; correct the path" in refused(tmp_path / "nowhere.zip")
    assert "holds none of hymenoptera_data.zip, hymenoptera_data;" in refused(tmp_path)


# Photos as people have them ---------------------------------------------------


def encoded(image: Image.Image, form: str = "png", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, format=form, **options)
    return file.getvalue()


def test_hidden_folders_and_files_that_are_no_photo_are_skipped(published, tmp_path):
    mine = {f"{folder}/1.jpg": jpeg(40 + i) for i, folder in enumerate(FOLDERS)}
    others = {"train/ants/.ipynb_checkpoints/1-checkpoint.jpg": jpeg(1), ".git/config": b"x",
              ".Trash-1000/files/old.jpg": jpeg(2), "labels.csv": b"x", "train/readme.txt": b"x",
              "docs/train/ants/notes.md": b"x", "train/ants/notes.md": b"y"}
    place = tmp_path / "mine.zip"
    place.write_bytes(zipped({**mine, **others}, root=""))
    with zipfile.ZipFile(place) as archive:
        archive.extractall(tmp_path / "mine")
    for form in (place, tmp_path / "mine"):
        photos = load_ants_bees(form)
        assert (len(photos.train), len(photos.val)) == (2, 2)
        assert "; 4 files that are no photo skipped (" in str(photos.source)


def test_a_zip_file_with_backslashes_is_read(published, pictures, tmp_path):
    place = tmp_path / "windows.zip"
    with zipfile.ZipFile(place, "w") as archive:
        archive.writestr("photos\\", b"")
        for name, content in pictures.items():
            archive.writestr("photos\\" + name.replace("/", "\\"), content)
    assert "8 real photos (4 train, 4 val) from windows.zip" in str(load_ants_bees(place).source)


def test_a_photo_is_turned_as_its_camera_noted():
    image = Image.fromarray(np.arange(12, dtype=np.uint8).repeat(3).reshape(3, 4, 3) * 20)
    for orientation, turns in ((1, 0), (8, 1), (3, 2), (6, 3)):
        exif = Image.Exif()
        exif[0x112] = orientation
        seen = ants_bees._picture(encoded(image, exif=exif), "x.png")
        turned = Image.fromarray(np.rot90(np.asarray(image), turns).copy())
        assert seen.tobytes() == ants_bees._picture(encoded(turned), "x.png").tobytes()


def test_a_palette_with_transparent_colours_is_read_in_silence():
    image = Image.new("P", (3, 3), 1)
    image.putpalette([0, 0, 0, 200, 100, 50])
    seen = ants_bees._picture(encoded(image, transparency=bytes([0, 128])), "x.png")
    assert seen.getpixel((5, 5)) == (200, 100, 50)


@pytest.mark.parametrize("form", ["png", "ppm", "tiff"])
def test_a_picture_of_16_bits_keeps_its_shades(form):
    values = np.array([[0, 256, 32_896], [51_400, 65_535, 255]], dtype=np.uint16)
    image = Image.fromarray(values)
    seen = ants_bees.pictures.as_rgb(Image.open(io.BytesIO(encoded(image, form))))
    np.testing.assert_allclose(np.asarray(seen)[..., 0], values / 257, atol=1)


@pytest.mark.parametrize(("size", "mode", "why"), [
    ((60_000, 1), "1", "it is 60000 x 1 pixels, more than 50 times as long as wide"),
    ((1, 60_000), "L", "it is 1 x 60000 pixels, more than 50"),
    ((10_000, 10_000), "1", "it is 10000 x 10000 pixels, more than 89 million"),
    ((20_000, 20_000), "1", "it is 20000 x 20000 pixels, more than 89 million"),
])
def test_a_giant_is_named_with_its_shape_before_it_is_decoded(
        published, outside, tmp_path, size, mode, why):
    mine = {f"{folder}/1.jpg": jpeg(40) for folder in FOLDERS}
    content = encoded(Image.new(mode, size))
    (tmp_path / "mine.zip").write_bytes(zipped({**mine, "val/bees/2.png": content}))

    def decode(image):
        assert image.size != size
        return image

    outside.setattr(ants_bees.pictures, "upright", decode)  # the first step that decodes
    assert f"'val/bees/2.png' is not a photo that can be read ({why}" in refused(
        tmp_path / "mine.zip")
    assert Image.MAX_IMAGE_PIXELS


def test_numbers_of_unknown_range_are_no_photo(published, tmp_path):
    mine = {f"{folder}/1.jpg": jpeg(40) for folder in FOLDERS}
    content = encoded(Image.fromarray(np.eye(8, dtype=np.float32)), "tiff")
    (tmp_path / "mine.zip").write_bytes(zipped({**mine, "val/bees/2.png": content}))
    assert "(its pixels are floating-point numbers; save it" in refused(tmp_path / "mine.zip")


# A folder that COURSE_DATA names ----------------------------------------------


@pytest.mark.parametrize("name", ["Hymenoptera_Data.zip", "archive.zip", "ants and bees.ZIP",
                                  "archive", "archive/hymenoptera_data", "Hymenoptera_Data"])
def test_a_folder_is_searched_for_the_photos_under_any_name(outside, published, tmp_path, name):
    folder = tmp_path / "data"
    (folder / name).parent.mkdir(parents=True)
    if name.lower().endswith(".zip"):
        (folder / name).write_bytes(published)
    else:
        with zipfile.ZipFile(io.BytesIO(published)) as archive:
            archive.extractall(folder / name)
    outside.setenv("COURSE_DATA", str(folder))
    for source in (load_ants_bees().source, load_ants_bees(folder).source):
        assert source.kind == "path"
        assert "8 real photos" in source.text


def test_a_folder_without_the_photos_is_named_beside_what_came_instead(outside, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "archive.zip").write_bytes(zipped({"x.txt": b"x"}))
    outside.setenv("COURSE_DATA", str(tmp_path / "data"))
    outside.setenv("COURSE_OFFLINE", "yes")
    assert why_drawn() == (
        f"because {str(tmp_path / 'data')!r}, which COURSE_DATA names, holds none of "
        "hymenoptera_data.zip, hymenoptera_data (but archive.zip), and COURSE_OFFLINE=yes forbids "
        "the download")


def test_photos_packed_with_a_table_go_to_each_loader_that_knows_them(
        outside, published, pictures, tmp_path):
    outside.setenv("COURSE_OFFLINE", "1")
    file = tmp_path / "mine.zip"
    outside.setenv("COURSE_DATA", str(file))
    file.write_bytes(zipped({**pictures, "labels.csv": b"photo,kind\n1,2\n"}))
    assert load_ants_bees().source.kind == "path"
    assert load_creditcard().source.note == "because COURSE_OFFLINE=1 forbids the download"
    rows = load_creditcard("embedded").frame.sample(300, random_state=1).assign(Class=[0, 1] * 150)
    file.write_bytes(zipped({**pictures, "creditcard.csv": rows.to_csv(index=False).encode()}))
    assert load_ants_bees().source.kind == "path"
    assert load_creditcard().source.kind == "path"
    file.write_bytes(b"PK, but damaged")
    for loader in (load_ants_bees, load_creditcard):
        with pytest.raises(DataError, match=r"mine\.zip cannot be read"):
            loader()


# Cache and download -----------------------------------------------------------


def why_drawn() -> str:
    source = load_ants_bees().source
    assert (source.kind, source.real) == ("embedded", False)
    assert str(source).startswith("Data: ants and bees, 397 drawn insects (244 train, 153 val)")
    assert "\n" not in str(source)
    return source.note


def test_the_published_set_is_downloaded_once_and_then_comes_from_the_cache(
        outside, mirror, published, tmp_path):
    outside.setattr(ants_bees, "MIRRORS", [mirror.serve("hymenoptera_data.zip", published)])
    first, again = load_ants_bees(), load_ants_bees()
    assert (first.source.kind, again.source.kind) == ("download", "cache")
    assert first.source.text == again.source.text
    assert mirror.asked == ["/hymenoptera_data.zip"]
    assert left_behind(tmp_path / "cache") == ["hymenoptera_data.zip"]


def test_wrong_content_never_reaches_the_cache(outside, mirror, published, pictures, tmp_path):
    others = {f"{folder}/1.jpg": jpeg(40) for folder in FOLDERS}
    for body in (b"<html>Please log in</html>", b"", zipped(others),
                 zipped({**pictures, "val/bees/a2.jpg": jpeg(99)}), zipped({"../x": b"trap"})):
        outside.setattr(ants_bees, "MIRRORS", [mirror.serve("hymenoptera_data.zip", body)])
        assert why_drawn().startswith("because what 127.0.0.1 sent is not the published file")
        assert left_behind(tmp_path / "cache") == []


def test_an_interrupted_download_leaves_nothing_behind(outside, mirror, published, tmp_path):
    outside.setattr(ants_bees, "MIRRORS", [mirror.serve("hymenoptera_data.zip", published)])

    def stop(*_):
        raise KeyboardInterrupt

    outside.setattr(runtime.Progress, "update", stop)
    with pytest.raises(KeyboardInterrupt):
        load_ants_bees()
    assert left_behind(tmp_path / "cache") == []


def test_a_transfer_that_breaks_off_and_a_full_disk_leave_nothing_behind(
        outside, mirror, published, tmp_path):
    outside.setattr(ants_bees, "MIRRORS", [mirror.serve("hymenoptera_data.zip", published[:999],
                                                        missing=len(published) - 999)])
    assert "the connection to 127.0.0.1 failed" in why_drawn()
    assert left_behind(tmp_path / "cache") == []
    outside.setattr(ants_bees, "MIRRORS", [mirror.serve("hymenoptera_data.zip", published)])
    fill_the_disk(outside)
    assert "cannot take the download (No space left on device); free 50 MB" in why_drawn()
    assert left_behind(tmp_path / "cache") == []


def test_without_a_network_drawn_insects_come_and_say_why(outside, mirror, published):
    assert "the connection to 127.0.0.1 failed (ConnectionError)" in why_drawn()
    outside.setattr(ants_bees, "MIRRORS", [mirror.serve("hymenoptera_data.zip", published)])
    outside.setenv("COURSE_OFFLINE", "1")
    assert why_drawn() == "because COURSE_OFFLINE=1 forbids the download"
    assert mirror.asked == []


@pytest.mark.parametrize("photos_of_ones_own", [False, True])
def test_a_wrong_file_in_the_cache_is_named_and_kept(
        outside, published, tmp_path, photos_of_ones_own):
    file = tmp_path / "cache" / "hymenoptera_data.zip"
    file.parent.mkdir()
    others = zipped({f"{folder}/1.jpg": jpeg(40) for folder in FOLDERS})
    file.write_bytes(others if photos_of_ones_own else published[:500])
    note = why_drawn()
    assert str(file) in note
    assert "delete it, to have it downloaded again" in note
    assert file.exists()


def test_nearer_sources_come_first(outside, mirror, published, tmp_path):
    outside.setattr(ants_bees, "MIRRORS", [mirror.serve("hymenoptera_data.zip", published)])
    others = tmp_path / "others"
    others.mkdir()
    outside.setenv("COURSE_DATA", str(others))  # a folder of other data sets hides nothing
    assert load_ants_bees().source.kind == "download"
    assert load_ants_bees().source.kind == "cache"
    with zipfile.ZipFile(io.BytesIO(published)) as archive:
        archive.extractall(others)
    assert load_ants_bees().source.kind == "path"
    assert "from hymenoptera_data; 1 file" in load_ants_bees().source.text
    (others / "hymenoptera_data.zip").write_bytes(published)
    assert "from hymenoptera_data.zip; 1 file" in load_ants_bees().source.text
    outside.setenv("COURSE_DATA", str(others / "hymenoptera_data"))  # the photos' folder itself
    assert load_ants_bees().source.kind == "path"
    assert load_ants_bees("embedded").drawn
    outside.setenv("COURSE_DATA", "embedded")
    assert load_ants_bees().drawn
    assert load_ants_bees().source.note == ""


def test_each_loader_leaves_the_others_file_alone(outside, published, tmp_path):
    outside.setenv("COURSE_OFFLINE", "1")
    photos, table, packed = (tmp_path / name for name in ("p.zip", "table.csv", "archive.zip"))
    photos.write_bytes(published)
    outside.setenv("COURSE_DATA", str(photos))
    assert load_ants_bees().source.kind == "path"
    assert load_creditcard().source.note == "because COURSE_OFFLINE=1 forbids the download"
    load_creditcard("embedded").frame.sample(300, random_state=1).assign(
        Class=[0, 1] * 150).to_csv(table, index=False)
    packed.write_bytes(zipped({"creditcard.csv": table.read_bytes()}, root=""))
    for file in (table, packed):
        outside.setenv("COURSE_DATA", str(file))
        assert load_creditcard().source.kind == "path"
        assert why_drawn() == "because COURSE_OFFLINE=1 forbids the download"


def test_the_checksum_list_knows_the_published_set():
    names = list(ants_bees._checksums(ants_bees.CHECKSUMS))
    assert len(names) == 398
    assert [name for name in names if not ants_bees._is_photo(name)] == [
        "train/ants/imageNotFound.gif"]
