"""The lines of notebook 06 for a folder of one's own pictures, copied into a script and run."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jupytext
import pandas as pd
import pytest
import torch
from PIL import Image

import start
from course_utils.data import drawn_ants_bees

SOURCE = start.ROOT / "notebooks" / "source" / "06_fine_tuning_ants_bees.py"
CLASSES = {"wasp": (200, 180, 30), "ant": (120, 30, 20), "fly": (60, 90, 200)}  # names to colours


@pytest.fixture(scope="module")
def lines() -> list[str]:
    """The script's cells; the first makes the network."""
    cells = jupytext.read(SOURCE, fmt="py:percent").cells
    return [cell.source for cell in cells if "script" in cell.metadata.get("tags", [])]


def text_of_the_page() -> str:
    cells = jupytext.read(SOURCE, fmt="py:percent").cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def run(script: str, folder: Path) -> None:
    """Run a script in a fresh process that does not know the course."""
    (folder / "script.py").write_text(script, encoding="utf-8")
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([sys.executable, "-W", "error::FutureWarning", "script.py"], cwd=folder,
                   check=True, timeout=120, env=alone | {"OMP_NUM_THREADS": "1"})


@pytest.fixture(scope="module")
def folder(lines, tmp_path_factory):
    """A folder after the script has run on it, with three classes made in no particular order."""
    folder = tmp_path_factory.mktemp("my pictures")
    (folder / "new").mkdir()
    for name, colour in CLASSES.items():
        (folder / "train" / name).mkdir(parents=True)
        for i in range(5):
            shade = tuple(value + 8 * i for value in colour)
            Image.new("RGB", (90 + 10 * i, 80), shade).save(folder / "train" / name / f"{i}.png")
        Image.new("RGB", (70, 90), colour).save(folder / "new" / f"{name}, again.png")
    Image.new("L", (60, 60), 200).save(folder / "new" / "grey.png")
    Image.new("RGBA", (60, 60), (*CLASSES["fly"], 255)).save(folder / "new" / "a.png")
    (folder / "new" / "notes.txt").write_text("not a picture")
    run("\n\n".join([f"from pathlib import Path\nfolder = Path({str(folder)!r})",
                     "import torch\ntorch.manual_seed(0)", *lines]), folder)
    return folder


def test_the_script_writes_a_table_of_the_pictures_alone_in_sorted_order(folder):
    table = pd.read_csv(folder / "answers.csv")
    assert table.columns.tolist() == ["file", "class", "probability"]
    assert table["file"].tolist() == [
        "a.png", "ant, again.png", "fly, again.png", "grey.png", "wasp, again.png"]
    assert table["probability"].between(1 / 3, 1).all()


def test_the_names_in_the_table_are_those_of_the_folders(folder):
    table = pd.read_csv(folder / "answers.csv", index_col="file")["class"]
    assert {name: table[f"{name}, again.png"] for name in CLASSES} == {n: n for n in CLASSES}
    assert table["a.png"] == "fly"


def test_the_saved_file_is_loaded_safely_and_holds_the_names(folder):
    saved = torch.load(folder / "model.pt", weights_only=True)
    assert saved["classes"] == ["ant", "fly", "wasp"]
    assert saved["weights"]["_fc.weight"].shape == (3, 1280)


def test_a_photo_is_turned_as_its_camera_noted(lines, tmp_path):
    names: dict = {}
    exec(next(cell for cell in lines if "def open_picture" in cell), names)
    image, exif = drawn_ants_bees().val.images[0], Image.Exif()
    exif[0x112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif)
    assert names["open_picture"](tmp_path / "turned.jpg").size == image.size[::-1]


@pytest.fixture(scope="module")
def with_torchvision(lines) -> str:
    """The script with one of torchvision's networks, as the text beside it says."""
    snippet = re.search(r"```python\n(import torch\n.*?)```", text_of_the_page(), re.DOTALL)[1]
    return "\n".join([snippet, *lines[1:]]).replace("model._fc", "model.fc").replace("1280", "512")


def test_the_script_has_at_most_25_lines_and_needs_nothing_of_the_course(with_torchvision, lines):
    lines_of_code = [line for line in with_torchvision.splitlines()
                     if line.strip() and not line.startswith("#")]
    assert len(lines_of_code) <= 25
    assert "course_utils" not in with_torchvision + "".join(lines)


def test_the_script_also_runs_with_a_network_of_torchvision(with_torchvision, folder, tmp_path):
    shutil.copytree(folder / "train", tmp_path / "train")
    shutil.copytree(folder / "new", tmp_path / "new")
    offline = with_torchvision.replace('weights="DEFAULT"', "weights=None")
    assert offline != with_torchvision
    run(f"from pathlib import Path\nfolder = Path({str(tmp_path)!r})\n{offline}", tmp_path)
    table = pd.read_csv(tmp_path / "answers.csv")
    assert len(table) == 5
    assert set(table["class"]) <= set(CLASSES)


def test_all_layers_can_then_be_trained_on_augmented_pictures_as_the_text_says(
        lines, folder, tmp_path):
    shutil.copytree(folder / "train", tmp_path / "train")
    further = re.search(r"```python\n(from torchvision.transforms import v2\nmean.*?)```",
                        text_of_the_page(), re.DOTALL)[1]
    training = next(cell for cell in lines if "ImageFolder" in cell)
    loop = training[training.index("for _ in range(5)"):training.index("torch.save")]
    first, changed = "first = model._conv_stem.weight", "torch.equal(first, before)"
    once = "\n".join([*lines[:2], training, f"{first}\nbefore = first.clone()", further, loop,
                      f"assert not {changed}"])
    run(f"from pathlib import Path\nfolder = Path({str(tmp_path)!r})\n"
        f"{once.replace('range(5)', 'range(1)')}", tmp_path)
