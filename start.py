"""The front door of the course: one command, the same on Linux, macOS and Windows.

    python start.py [--FLAG ...]        set up, then open JupyterLab on the first notebook;
                                        flags, such as --no-browser, go to JupyterLab
    python start.py run [NAME ...]      execute the notebooks on copies under build/run/
    python start.py regenerate [NAME ...]
                                        rewrite notebooks/*.ipynb from notebooks/source/
    python start.py test                run every check that CI runs
    python start.py bench [NAME ...]    time losses and training beside other libraries
    python start.py lab [CLAIM ...] [--seeds N] [--jobs N]
                                        run or resume the laboratory, an hour, into data/lab
    python start.py site                build the site under build/site, from the stored outputs
    python start.py slides              make a deck of slides of each notebook under build/slides
    python start.py colab [NAME ...]    execute the notebooks alone, on the versions Colab has
    python start.py oldest [NAME ...]   execute them, and the tests, on the oldest versions promised
    python start.py badges OWNER/NAME   write a fork's address and Colab badges into the sources

NAME picks notebooks by number or name: `run 7`, `run 07_credit_card_imbalance`.
The first call makes .venv and installs the requirements; later calls reuse both.
`cell 12` in a message is the cell that Jupyter numbers [12].

COURSE_DATA     a file or folder with real data, or `embedded` for the stand-ins
COURSE_OFFLINE  1, true or yes: the notebooks touch no network (the first installation does)
"""

# Belongs here: the set-up, and the commands as thin calls of standard tools.
# The set-up needs nothing but Python, and must parse on 3.6 to be able to say that
# it is too old. The commands run in a second process, by the Python of .venv.
import base64
import contextlib
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit(
        "The course needs Python 3.11 or newer and this is Python {}.{}: "
        "install a newer one from https://www.python.org and call start.py with it.".format(
            *sys.version_info
        )
    )

if TYPE_CHECKING:
    from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent
NOTEBOOKS = ROOT / "notebooks"
BUILD = ROOT / "build"
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "course-requirements.sha256"
OTHER_VERSIONS = ROOT / "tests" / "versions" / "run.py"
CELL_TIMEOUT = 600  # seconds
EMBEDDED = {"COURSE_DATA": "embedded", "COURSE_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
FRONT = "00_start_here", 1, "belief_map.png"  # the README shows this notebook's figure 1, from 0
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
HIDDEN = {"jupyter": {"source_hidden": True}, "cellView": "form"}  # in JupyterLab, in Colab


# Set-up: standard library only ------------------------------------------------


def requirements_stamp() -> str:
    """A digest of all that decides what .venv holds: the two lists and its Python."""
    files = [ROOT / "requirements.txt", ROOT / "requirements.lock", VENV / "pyvenv.cfg"]
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


def is_set_up() -> bool:
    """Whether .venv was completed for these very requirements."""
    return PYTHON.exists() and STAMP.exists() and STAMP.read_text() == requirements_stamp()


def set_up() -> None:
    """Make or repair .venv, install what changed, and let it find course_utils."""
    if is_set_up():
        return
    check = [PYTHON, "-c", "import sys, pip; sys.exit(sys.version_info < (3, 11))"]
    if not PYTHON.exists() or subprocess.run(check, capture_output=True).returncode:
        make_venv()
    STAMP.unlink(missing_ok=True)
    print("Installing the requirements into .venv, which takes some minutes and on Linux 6 GB.",
          flush=True)
    quiet = [] if sys.stdout.isatty() else ["--quiet"]
    pip = [PYTHON, "-m", "pip", "install", "--disable-pip-version-check", *quiet]
    ranges = ["-r", ROOT / "requirements.txt"]
    if subprocess.run([*pip, *ranges, "-c", ROOT / "requirements.lock"]).returncode:
        print("The tested versions cannot be had here: trying requirements.txt alone.", flush=True)
        if subprocess.run([*pip, *ranges]).returncode:
            sys.exit(
                "pip could not install the requirements (its reason stands above): check the "
                "network and the disk space, then call start.py again to resume."
            )
    let_find_the_course(VENV)
    STAMP.write_text(requirements_stamp())


def let_find_the_course(environment: Path) -> None:
    """Let an environment's Python import course_utils from this folder.

    By a relative .pth file, not `pip install -e`: it needs no build, survives a move of the folder,
    and holds no path that could be misread in another encoding.
    """
    site = next(environment.glob("lib/python*/site-packages"), environment / "Lib/site-packages")
    (site / "course.pth").write_text(os.path.relpath(ROOT, site) + "\n")


def make_venv() -> None:
    """Make .venv from this Python, replacing a broken or half-made one."""
    if not all(map(importlib.util.find_spec, ["venv", "ensurepip"])):
        sys.exit(
            "This Python cannot make virtual environments: on Debian or Ubuntu run "
            f"`sudo apt install python3.{sys.version_info.minor}-venv`, then call start.py again."
        )
    print(f"Making .venv with Python {sys.version.split()[0]}.")
    command = [sys.executable, "-m", "venv", "--clear", VENV]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        reason = (result.stderr + result.stdout).strip().splitlines() or ["no reason given"]
        sys.exit(f"{VENV} could not be made ({reason[-1]}): check disk space and rights there.")


def call(command: list) -> int:
    """Run a command to its end and return its exit code; Ctrl-C is left to the command."""
    process = subprocess.Popen(command)
    while True:
        with contextlib.suppress(KeyboardInterrupt):
            return process.wait()


# Executing notebooks ----------------------------------------------------------


def chosen(names: Sequence[str], paths: list[Path]) -> list[Path]:
    """Those of the paths that the names pick by number or name; all without names."""
    if not paths:
        sys.exit(f"There is no notebook in {NOTEBOOKS}.")
    picked = set()
    for name in names:
        stem = Path(name).stem
        matches = [p for p in paths if stem.zfill(2) in (p.stem, *p.stem.split("_", 1))]
        if not matches:
            known = ", ".join(p.stem for p in paths)
            sys.exit(f"There is no notebook {name!r}: the notebooks are {known}.")
        picked.update(matches)
    return sorted(picked or paths)


def code_cells(notebook: "NotebookNode") -> list["NotebookNode"]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def execute(notebook: "NotebookNode", name: str) -> str:
    """Execute a notebook in place; return what went wrong in one line, or nothing."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError

    warnings.filterwarnings("ignore", "Proactor event loop")  # Windows: pyzmq copes by itself
    total, started = len(code_cells(notebook)), time.perf_counter()

    async def let_ctrl_c_through(**_):
        # nbclient makes of Ctrl-C a dead kernel, which looks like the notebook's fault.
        import asyncio
        import signal

        with contextlib.suppress(RuntimeError):
            asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)

    def show_progress(**_):
        seconds = time.perf_counter() - started
        report(f"{name}: cell {client.code_cells_executed + 1}/{total}, {seconds:.0f} s")

    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=CELL_TIMEOUT,
        record_timing=False,
        resources={"metadata": {"path": str(NOTEBOOKS)}},
        on_notebook_start=let_ctrl_c_through,
        on_cell_execute=show_progress,
    )
    try:
        client.execute(stderr=subprocess.DEVNULL)  # a kernel's talk; a cell's stderr is kept
        return ""
    except CellExecutionError as error:
        reason = f"{error.ename}: {error.evalue}"
    except CellTimeoutError:
        reason = f"TimeoutError: the cell ran longer than {CELL_TIMEOUT} s"
    except RuntimeError as error:  # no kernel, or one that died
        reason = f"{type(error).__name__}: {error}"
    reason = re.sub(r"\x1b\[[\d;]*m", "", reason).strip().splitlines()[0]
    return f"{name}, cell {client.code_cells_executed}: {reason}"


def report(line: str, *, last: bool = False) -> None:
    """Show progress on one updating line in a terminal; elsewhere print the last line only."""
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns - 1
        print("\r" + line[:width].ljust(width), end="\n" if last else "", flush=True)
    elif last:
        print(line, flush=True)


def data_source(notebook: "NotebookNode") -> str:
    """What the notebook's `Data: ...` lines say, or a dash."""
    streams = [
        output.text
        for cell in code_cells(notebook)
        for output in cell.outputs
        if output.output_type == "stream"
    ]
    lines = re.findall(r"^Data: (.+)$", "\n".join(streams), flags=re.MULTILINE)
    return "; ".join(dict.fromkeys(lines)) or "-"


def stderr_line(notebook: "NotebookNode", name: str) -> str:
    """One line that names the first cell with warnings or other stderr output, or nothing."""
    for number, cell in enumerate(code_cells(notebook), start=1):
        for output in cell.outputs:
            if output.get("name") == "stderr":
                return f"{name}, cell {number}: wrote to stderr: {output.text.splitlines()[0]}"
    return ""


def clean(notebook: "NotebookNode") -> None:
    """Leave in a notebook only what its source and its results decide.

    Cell ids come from the cell's content (and its count, where content repeats), so that
    a cell keeps its id wherever it moves and the same source gives the same bytes. The set-up
    cell comes with its code folded away.
    """
    seen = Counter()
    for cell in notebook.cells:
        content = f"{cell.cell_type}\n{cell.source}"
        seen[content] += 1
        cell.id = hashlib.sha256(f"{seen[content]}\n{content}".encode()).hexdigest()[:12]
        cell.metadata = {k: v for k, v in cell.metadata.items() if k in ("slideshow", "tags")}
        if "setup" in cell.metadata.get("tags", []):
            cell.metadata |= HIDDEN
        if cell.cell_type == "code":
            cell.outputs = clean_outputs(cell.outputs)
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    notebook.nbformat_minor = 5


def clean_outputs(outputs: list["NotebookNode"]) -> list["NotebookNode"]:
    """Join printed text that arrived in pieces; a PNG replaces the live widget beside it."""
    kept = []
    for output in outputs:
        if "image/png" in output.get("data", {}):
            output.data.pop(WIDGET_VIEW, None)
        if kept and "name" in output and kept[-1].get("name") == output.name:
            kept[-1].text += output.text
        else:
            kept.append(output)
    return kept


def write(notebook: "NotebookNode", path: Path) -> None:
    """Write a notebook whole or not at all."""
    import nbformat

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    try:
        text = nbformat.writes(nbformat.from_dict(notebook)) + "\n"
        temporary.write_text(text, encoding="utf-8", newline="\n")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def execute_all(
    paths: list[Path],
    read: Callable[[Path], "NotebookNode"],
    finish: Callable[["NotebookNode", str, str], str],
) -> int:
    """Read, execute and finish each notebook; print the table and the failures.

    `finish` gets the notebook, its name and what went wrong (or nothing), and returns the latter.
    """
    rows, failures = [("notebook", "cells", "seconds", "data")], []
    for path in paths:
        started = time.perf_counter()
        try:
            notebook = readable(path, read)
            total = len(code_cells(notebook))
        except Exception as error:  # as many kinds as there are ways to damage a file
            report(f"{path.stem}: FAILED", last=True)
            rows.append((path.stem, "-", "-", "FAILED"))
            failures.append(f"{path.stem}: cannot be read ({first_line(error)}); restore the file, "
                            "for example with git")
            continue
        try:
            failure = finish(notebook, path.stem, execute(notebook, path.stem))
        except Exception as error:  # an output that cannot be written, a cell of no known kind
            failure = f"{path.stem}: {type(error).__name__}: {first_line(error)}"
        seconds, cells = f"{time.perf_counter() - started:.1f}", str(total)
        outcome = "FAILED" if failure else "ok"
        report(f"{path.stem}: {cells} cells, {seconds} s, {outcome}", last=True)
        rows.append((path.stem, cells, seconds, data_source(notebook)))
        failures += [failure] if failure else []
    print("\n" + "\n".join([table(rows), *failures]))
    return 1 if failures else 0


def readable(path: Path, read: Callable[[Path], "NotebookNode"]) -> "NotebookNode":
    """Read a notebook; an empty file and one with merge conflicts get a message of their own."""
    text = path.read_text(encoding="utf-8")
    if not text.strip():
        raise ValueError("it is empty")
    marker = re.search("^(<{7}|={7}|>{7})( .*)?$", text, flags=re.MULTILINE)
    if marker and re.search("^<{7}", text, flags=re.MULTILINE):
        line = text[:marker.start()].count("\n") + 1
        raise ValueError(f"line {line} is a mark of a merge conflict, {marker[0]}")
    return read(path)


def first_line(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    line = (text.strip().splitlines() or [type(error).__name__])[0]
    return line if len(line) <= 120 else line[:117] + "..."


def need_writable(folder: Path) -> None:
    """End with one sentence, before any work is done, if a folder cannot take its results."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        sys.exit(f"{folder} cannot be written ({first_line(error)}): make it a folder that you may "
                 "write to, then call start.py again.")


def table(rows: list[tuple[str, str, str, str]]) -> str:
    """Rows as aligned text: numbers to the right, the last column as long as it is."""
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    return "\n".join(
        f"{name:<{widths[0]}}  {cells:>{widths[1]}}  {seconds:>{widths[2]}}  {data}".rstrip()
        for name, cells, seconds, data in rows
    )


# Commands ---------------------------------------------------------------------


def lab(*flags: str) -> int:
    # Not as a file to open: then the address that JupyterLab prints would not lead to it.
    first = "/lab/tree/notebooks/00_start_here.ipynb"
    options = [f"--ServerApp.root_dir={ROOT}", f"--LabApp.default_url={first}"]
    if getattr(os, "geteuid", lambda: 1)() == 0:
        options += as_root(flags)
    return call([sys.executable, "-m", "jupyterlab", *options, *flags])


def as_root(flags: Sequence[str]) -> list[str]:
    """What JupyterLab needs where a container knows no user but root: permission, no other host.

    A token is asked for, as always, unless a flag says otherwise.
    """
    here = not any(re.match(r"--(ServerApp\.)?ip\b", flag) for flag in flags)
    return ["--allow-root", *(["--ServerApp.ip=127.0.0.1"] if here else [])]


def run(*names: str) -> int:
    paths = chosen(names, list(NOTEBOOKS.glob("*.ipynb")))
    import nbformat  # takes a second

    need_writable(BUILD / "run")

    def finish(notebook, name, failure):
        write(notebook, BUILD / "run" / f"{name}.ipynb")
        return failure

    return execute_all(paths, lambda path: nbformat.read(path, as_version=4), finish)


def regenerate(*names: str) -> int:
    import jupytext

    def finish(notebook, name, failure):
        failure = failure or stderr_line(notebook, name)
        clean(notebook)
        if not failure:
            write(notebook, NOTEBOOKS / f"{name}.ipynb")
            if name == FRONT[0]:
                (ROOT / "docs" / FRONT[2]).write_bytes(front_picture(notebook))
        return failure

    os.environ.update(EMBEDDED)
    paths = chosen(names, list((NOTEBOOKS / "source").glob("*.py")))
    need_writable(NOTEBOOKS)
    os.environ["COURSE_RESULTS"] = str(NOTEBOOKS.parent / "data")  # where a notebook leaves a table
    try:
        return execute_all(paths, lambda path: jupytext.read(path, fmt="py:percent"), finish)
    finally:
        del os.environ["COURSE_RESULTS"]


def front_picture(notebook: "NotebookNode") -> bytes:
    pictures = [output.data["image/png"] for cell in notebook.cells
                for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]
    return base64.b64decode(pictures[FRONT[1]])


def test() -> int:
    pytest = [sys.executable, "-m", "pytest", "-q", "-n", "2"]
    nbval = ["--nbval-lax", "--nbval-current-env", f"--nbval-cell-timeout={CELL_TIMEOUT}"]
    nbval += ["--dist", "loadfile", "-p", "no:cacheprovider"]
    nbval += ["-o", "addopts=", "-o", "filterwarnings="]  # pyproject's are for modules
    stages = {
        "ruff": ([sys.executable, "-m", "ruff", "check"], {}),
        "tests and doctests": (pytest, {"OMP_NUM_THREADS": "1"}),
        "notebooks as committed": ([*pytest, *nbval, NOTEBOOKS], EMBEDDED),
    }
    rows = [("check", "result", "seconds", "")]
    if Path(os.environ.get("COURSE_DATA") or "embedded").is_dir():
        command = [sys.executable, __file__, "run", *notebooks_with_data()]
        stages["notebooks on real data"] = (command, {"OMP_NUM_THREADS": "1"})
    for name, (command, environment) in stages.items():
        print(f"\n== {name} ==", flush=True)
        started = time.perf_counter()
        code = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}).returncode
        seconds = f"{time.perf_counter() - started:.0f}"
        rows.append((name, "FAILED" if code else "ok", seconds, ""))
    if "notebooks on real data" not in stages:
        rows.append(("notebooks on real data", "skipped", "-", "COURSE_DATA names no folder"))
    print("\n" + table(rows))
    return 1 if any(row[1] == "FAILED" for row in rows) else 0


def notebooks_with_data() -> list[str]:
    """Names of the notebooks whose source calls a loader of course_utils.data."""
    modules = sorted((ROOT / "course_utils" / "data").glob("*.py"))
    loaders = [name for module in modules
               for name in re.findall(r"^def (load_\w+)", module.read_text("utf-8"), re.MULTILINE)]
    calls = re.compile(rf"\b({'|'.join(loaders)})\(")
    sources = sorted((NOTEBOOKS / "source").glob("*.py"))
    return [path.stem for path in sources if calls.search(path.read_text("utf-8"))]


def bench(*names: str) -> int:
    known = {path.stem: path for path in sorted((ROOT / "benchmarks").glob("*.py"))}
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"There is no benchmark {unknown[0]!r}: use {', '.join(known)}.")
    os.environ["OMP_NUM_THREADS"] = "1"
    return max(call([sys.executable, known[name]]) for name in names or known)


def laboratory(*arguments: str) -> int:
    os.environ["OMP_NUM_THREADS"] = "1"
    return call([sys.executable, "-m", "course_utils.lab", *arguments])


def site() -> int:
    return call([sys.executable, ROOT / "docs" / "build_site.py"])


def slides() -> int:
    return call([sys.executable, ROOT / "docs" / "build_slides.py"])


def colab(*names: str) -> int:
    return call([sys.executable, OTHER_VERSIONS, "colab", *names])


def oldest(*names: str) -> int:
    return call([sys.executable, OTHER_VERSIONS, "oldest", *names])


def badges(name: str) -> int:
    """Write, or replace, a Colab badge under each title and the address in the set-up cells."""
    if not re.fullmatch(r"[\w-]+/[\w.-]+", name):
        sys.exit(f"badges wants the fork's OWNER/NAME on GitHub, and this is {name!r}.")
    colab = "https://colab.research.google.com"
    field = f'REPO = "https://github.com/{name}"'
    pages = {path: path.stem for path in sorted((NOTEBOOKS / "source").glob("*.py"))}
    pages[NOTEBOOKS.parent / "README.md"] = "00_start_here"
    for path, notebook in pages.items():
        hash_, empty = ("# ", "#") if path.suffix == ".py" else ("", "")  # in .py, text is comment
        badge = (f"{hash_}[![Open in Colab]({colab}/assets/colab-badge.svg)]"
                 f"({colab}/github/{name}/blob/main/notebooks/{notebook}.ipynb)\n{empty}\n")
        text = path.read_text(encoding="utf-8")
        text = re.sub(rf"(?m)^{hash_}\[!\[Open in Colab\].*\n{empty}\n", "", text)
        text = re.sub(rf"(?m)^({hash_}# .+\n{empty}\n)", rf"\1{badge}", text, count=1)
        text = re.sub(r'(?m)^REPO = ".*?"', field, text)
        path.write_text(text, encoding="utf-8", newline="\n")
    print(f"{len(pages)} files name {name} now: `python start.py regenerate` brings it into the "
          "notebooks, then commit.")
    return 0


COMMANDS = {"run": run, "regenerate": regenerate, "test": test, "bench": bench, "lab": laboratory,
            "site": site, "slides": slides, "colab": colab, "oldest": oldest, "badges": badges}
WITHOUT_NAMES = {"test": "runs every check", "site": "builds every page",
                 "slides": "makes every deck"}


def main(arguments: list[str]) -> int:
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # a Windows console may know no Greek
    if {"-h", "--help", "help"} & set(arguments):
        print(__doc__.strip())
        return 0
    for_lab = not arguments or arguments[0].startswith("-")
    if not for_lab and arguments[0] not in COMMANDS:
        known = ", ".join(COMMANDS)
        sys.exit(f"There is no command {arguments[0]!r}: use {known}, or none for JupyterLab.")
    command, *names = ["", *arguments] if for_lab else arguments
    if command in WITHOUT_NAMES and names:
        does = WITHOUT_NAMES[command]
        sys.exit(f"`{command}` {does} and takes no names; it got {' '.join(names)}.")
    if command == "badges" and len(names) != 1:
        sys.exit("`badges` takes one name, OWNER/NAME: that of the fork on GitHub.")
    # Before torch is imported: a thread that waits for its next task leaves the core to others.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # glibc gives the memory of every large tensor back to Linux, which then clears it page by page
    # for the next one; kept instead, a network on pictures trains in three fifths of the time. The
    # laboratory trains many small ones: it would gain nothing and need twice the memory.
    if command != "lab":
        os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", str(2**30))
        os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", str(2**31 - 1))
    data = os.environ.get("COURSE_DATA")
    if data and data != "embedded":  # kernels run in notebooks/, the caller somewhere else
        os.environ["COURSE_DATA"] = os.path.abspath(os.path.expanduser(data))
    set_up()
    if not os.path.samefile(sys.prefix, VENV):
        return call([PYTHON, __file__, *arguments])
    return COMMANDS.get(command, lab)(*names)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        print("\nStopped.")
        sys.exit(130)
