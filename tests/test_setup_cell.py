"""A notebook on its own: its set-up cell finds the course, fetches it, or says what is missing.

The cell runs as a notebook runs it, by IPython, in an empty folder; the Python that runs it has all
packages but does not know this checkout.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = (ROOT / "notebooks" / "source" / "05_training_loop.py").read_text(encoding="utf-8")
CELL = re.search(r'# %% tags=\["setup"\]\n(.*?)\n+# %%', SOURCE, re.DOTALL)[1]
RUN = """
import sys
sys.path.append({packages!r})
from IPython.core.interactiveshell import InteractiveShell
cell = open("cell.py", encoding="utf-8").read()
sys.exit(not InteractiveShell.instance(xmode="Plain", colors="NoColor").run_cell(cell).success)
"""
needs_git = pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")


@pytest.fixture
def empty(tmp_path) -> Path:
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


def run(folder: Path, *, then: str = "", **environment: str) -> subprocess.CompletedProcess:
    """Run the cell in a folder, with this environment besides."""
    (folder / "cell.py").write_text(f"{CELL}\n{then}\n", encoding="utf-8")
    code = RUN.format(packages=sysconfig.get_path("purelib"))
    home = {"COURSE_REPO": "", "IPYTHONDIR": str(folder.parent / "ipython")}
    # -S: without course.pth, which leads to this very checkout
    return subprocess.run([sys.executable, "-I", "-S", "-c", code], cwd=folder, text=True,
                          capture_output=True, check=False,
                          env=os.environ | home | environment)


def test_the_course_is_found_up_the_tree(tmp_path, empty):
    (tmp_path / "course_utils").mkdir()
    done = run(empty, then="print(sys.path[0])")
    assert (done.stdout, done.stderr, done.returncode) == (f"{tmp_path}\n", "", 0)


def test_the_course_is_found_where_it_was_fetched(empty):
    (empty / "course" / "course_utils").mkdir(parents=True)
    done = run(empty, then="print(sys.path[0])")
    assert (done.stdout, done.stderr, done.returncode) == (f"{empty / 'course'}\n", "", 0)


def turns_before_sleeping(done: subprocess.CompletedProcess) -> set[str]:
    """How long a waiting thread keeps its core, as the OpenMP library that torch brought says.

    GNU's counts turns of a loop; LLVM's and Intel's, on macOS and Windows, milliseconds.
    """
    assert done.returncode == 0, done.stdout + done.stderr
    found = set(re.findall(r"(?:GOMP_SPINCOUNT|KMP_BLOCKTIME)\s*=\s*'(\w+)", done.stderr))
    if not found:
        pytest.skip("this build of torch does not say how its threads wait")
    return found


def test_threads_that_wait_for_work_leave_their_core_to_others(tmp_path, empty, monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    (tmp_path / "course_utils").mkdir()
    say = {"then": "import torch; torch.ones(10**6).sum()", "OMP_DISPLAY_ENV": "verbose"}
    assert turns_before_sleeping(run(empty, **say)) == {"0"}
    assert turns_before_sleeping(run(empty, **say, OMP_WAIT_POLICY="active")) != {"0"}


@needs_git
def test_a_notebook_alone_fetches_the_course_that_course_repo_names_and_its_needs(tmp_path, empty):
    published = tmp_path / "published"
    (published / "course_utils").mkdir(parents=True)
    shutil.copy(ROOT / "course_utils" / "__init__.py", published / "course_utils")
    git = ["git", "-C", published, "-c", "user.name=a", "-c", "user.email=a@b.invalid"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "the course"]):
        subprocess.run([*git, *command], check=True)
    (tmp_path / "pip.py").write_text("import sys; print('pip', *sys.argv[1:])", encoding="utf-8")
    done = run(empty, then="import course_utils; print(course_utils.__file__)",
               COURSE_REPO=published.as_uri(), PYTHONPATH=str(tmp_path))  # heeded by pip alone
    assert done.returncode == 0, done.stdout + done.stderr
    asked, found = done.stdout.splitlines()
    assert asked.startswith("pip install")
    assert asked.endswith(f"--editable {empty / 'course'}")
    assert Path(found).resolve() == (empty / "course" / "course_utils" / "__init__.py").resolve()


def sentence(done: subprocess.CompletedProcess) -> str:
    """What a failed cell says, which is one line and no traceback."""
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    line = done.stderr.splitlines()[-1]
    assert line.startswith("UsageError: ")
    return line


def test_a_notebook_that_knows_no_course_says_where_to_open_it(empty):
    done = run(empty)
    assert "in the course's folder, or set COURSE_REPO" in sentence(done)
    assert len(done.stderr.splitlines()) == 1


def test_a_folder_of_the_same_name_without_the_course_is_named(empty):
    (empty / "course").mkdir()
    done = run(empty, COURSE_REPO="https://example.invalid/course")
    assert f"{empty / 'course'} is not the course: rename it" in sentence(done)
    (empty / "course").rename(empty / "courses")  # the remedy helps
    assert "is not the course" not in sentence(run(empty))


def test_without_git_it_says_so(empty, tmp_path):
    done = run(empty, COURSE_REPO="https://example.invalid/course", PATH=str(tmp_path))
    assert "git is missing: install it" in sentence(done)


@needs_git
def test_an_address_that_cannot_be_fetched_is_named_and_may_be_tried_again(empty, tmp_path):
    address = (tmp_path / "nowhere").as_uri()
    for _ in range(2):  # a failed clone leaves no folder behind
        done = run(empty, COURSE_REPO=address)
        assert f"git cannot fetch {address}: check the address" in sentence(done)
        assert not (empty / "course").exists()
