"""Colab badges and the REPO field: consistent as committed, and written by `start.py badges`."""

import re
import shutil
from pathlib import Path

import pytest

import start

ROOT = Path(__file__).resolve().parents[1]
BADGE = re.compile(r"^(?:# )?\[!\[Open in Colab\]\(\S+\)\]\(\S+/github/(\S+)/blob/main/(\S+)\)$",
                   re.MULTILINE)
FIELD = re.compile(r'^REPO = "(?:https://github\.com/)?(.*?)"', re.MULTILINE)


@pytest.fixture
def fork(tmp_path, monkeypatch) -> Path:
    """A copy of README.md and the sources, on which `badges` works."""
    shutil.copytree(ROOT / "notebooks" / "source", tmp_path / "notebooks" / "source")
    shutil.copy(ROOT / "README.md", tmp_path)
    monkeypatch.setattr(start, "NOTEBOOKS", tmp_path / "notebooks")
    return tmp_path


def files(root: Path) -> dict[str, str]:
    """Name to text: README.md and the sources."""
    paths = [root / "README.md", *sorted((root / "notebooks" / "source").glob("*.py"))]
    return {path.name: path.read_text(encoding="utf-8") for path in paths}


def complaints(root: Path) -> list[str]:
    """What is not as `badges` leaves it: one repository everywhere, each badge its own page."""
    texts = files(root)
    fields = {name: FIELD.findall(text) for name, text in texts.items() if name != "README.md"}
    found = [f"{name} has {len(field)} REPO fields" for name, field in fields.items()
             if len(field) != 1]
    repo = next(iter(fields.values()))[0]
    for name, text in texts.items():
        page = "00_start_here" if name == "README.md" else Path(name).stem
        wanted = [(repo, f"notebooks/{page}.ipynb")] if repo else []
        if BADGE.findall(text) != wanted:
            found.append(f"{name}: badges {BADGE.findall(text)}, not {wanted}")
        found += [f"{name} names {r!r}, not {repo!r}" for r in fields.get(name, []) if r != repo]
    return found


def test_the_committed_badges_are_consistent():
    assert complaints(ROOT) == []


def test_badges_lead_to_the_fork_and_its_pages(fork):
    assert start.badges("somebody/their-course") == 0
    assert complaints(fork) == []
    assert len(BADGE.findall("".join(files(fork).values()))) == len(files(fork))
    title, empty, badge = files(fork)["02_focal_loss.py"].splitlines()[1:4]
    assert (title[:6], empty) == ("# # 02", "#")
    assert badge.startswith("# [![Open in Colab]")


def test_badges_written_twice_are_written_once(fork):
    start.badges("somebody/their-course")
    once = files(fork)
    start.badges("somebody/their-course")
    assert files(fork) == once


def test_a_new_name_replaces_the_old_one(fork):
    start.badges("somebody/their-course")
    once = files(fork)
    start.badges("another/fork")
    assert complaints(fork) == []
    assert "their-course" not in "".join(files(fork).values())
    start.badges("somebody/their-course")
    assert files(fork) == once


def test_the_check_notices_a_badge_that_leads_elsewhere(fork):
    start.badges("somebody/their-course")
    path = fork / "notebooks" / "source" / "00_start_here.py"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("00_start_here.ipynb", "01_cross_entropy.ipynb"), encoding="utf-8")
    assert complaints(fork)


@pytest.mark.parametrize("name", ["", "course", "a/b/c", "https://github.com/a/b", "a b/c"])
def test_a_name_that_is_no_repository_is_refused(fork, name):
    before = files(fork)
    with pytest.raises(SystemExit, match="OWNER/NAME"):
        start.badges(name)
    assert files(fork) == before
