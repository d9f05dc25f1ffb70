"""In a real JupyterLab in a real browser: notebooks run to the end, sliders move, answers count.

Needs a Chromium on this machine (``apt-get install chromium`` or any Chrome); skipped, visibly,
where there is none. No browser is downloaded. The notebooks are copies without outputs, so that
what a page shows was made in it; the settings are nobody's.
"""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
from browsing import CHROMIUM, FLAGS, ROOT

import start

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium or Chrome found on this machine")

PATIENCE = 240_000  # ms, on a machine that is busy; a notebook takes 5 to 30 seconds
TO_THE_END = ["00_start_here", "02_focal_loss"]
SLIDER = "plots.explore("
ATTACH_ALL = '{"windowingMode": "none"}'  # versions before 4.6 keep far cells out of the page
TROUBLE = "[data-mime-type='application/vnd.jupyter.error'], " \
          "[data-mime-type='application/vnd.jupyter.stderr']"
RUN_OR_FAILED = """([count, trouble]) => {
    const prompts = document.querySelectorAll('.jp-CodeCell .jp-InputPrompt');
    return prompts[count - 1].textContent == `[${count}]:` || document.querySelector(trouble);
}"""
REDRAWN = """async before => {
    const image = document.querySelector('img.widget-image');
    const bytes = new Uint8Array(await (await fetch(image.src)).arrayBuffer());
    const now = bytes.reduce((hash, byte) => (31 * hash + byte) >>> 0, 7);
    return now != before && now;
}"""

# In a notebook's exercise: its stub, a wrong answer, the reply, a right answer.
EXERCISES = {
    "00_start_here": (
        "ex.q1.check(belief_one_in_five)", "belief_one_in_five = 0.31\n",
        "that is the belief of focal loss", "belief_one_in_five = 0.2\n"),
    "02_focal_loss": (
        "ex.q3.check(undo)", "undo = lambda p, gamma: p\n", "this is p unchanged",
        "size = lambda q, g: (1 - q) ** g * (1 - q - g * q * torch.log(q))\n"
        "undo = lambda p, g: size(1 - p, g) / (size(p, g) + size(1 - p, g))\n"),
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[str]:
    """The address of a JupyterLab that serves copies of the notebooks."""
    folder, home = tmp_path_factory.mktemp("lab"), tmp_path_factory.mktemp("home")
    for path in start.NOTEBOOKS.glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        for cell in start.code_cells(notebook):
            cell.outputs, cell.execution_count = [], None
        start.write(notebook, folder / path.name)
    setting = home / "settings/@jupyterlab/notebook-extension/tracker.jupyterlab-settings"
    setting.parent.mkdir(parents=True)
    setting.write_text(ATTACH_ALL, encoding="utf-8")
    places = {"JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
              "JUPYTER_CONFIG_DIR": "config", "JUPYTER_RUNTIME_DIR": "runtime"}
    environment = {name: str(home / place) for name, place in places.items()}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", f"--port={port}",
               "--ServerApp.ip=127.0.0.1", "--IdentityProvider.token=", "--allow-root",
               f"--ServerApp.root_dir={folder}", "--LabApp.news_url=",
               "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              env=os.environ | environment | {"PYTHONPATH": str(ROOT)})
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{address}/api/status").close()
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.5)
        else:
            pytest.fail("JupyterLab did not start within two minutes")
        yield address
    finally:
        server.terminate()
        server.wait(60)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One profile for all pages, which load JupyterLab's scripts from its cache."""
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium.new_context(viewport={"width": 1280, "height": 900})
        chromium.close()


@pytest.fixture(scope="module")
def ran(request, lab, browser) -> Iterator[SimpleNamespace]:
    """A notebook in JupyterLab, run to its end or, to save minutes, to its first slider.

    Its page, how many code cells have run, what the page complained of, and what stands in cells
    that show an error or a warning.
    """
    notebook = nbformat.read(start.NOTEBOOKS / f"{request.param}.ipynb", as_version=4)
    sources = [cell.source for cell in start.code_cells(notebook)]
    count, command = len(sources), "Run All Cells"
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    complaints = []
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda r: r.url.startswith((lab, "data:", "blob:"))
            or complaints.append(f"foreign: {r.url[:200]}"))
    page.goto(f"{lab}/lab/tree/{request.param}.ipynb?reset")
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    if request.param not in TO_THE_END:
        count = 1 + next(n for n, source in enumerate(sources) if SLIDER in source)
        command = "Run All Above Selected Cell"
        page.locator(f".jp-CodeCell:has-text('{SLIDER}') + .jp-Cell").click()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.locator("#jp-mainmenu-run").get_by_text(command, exact=True).click()  # not the palette
    page.wait_for_function(RUN_OR_FAILED, arg=[count, TROUBLE], polling=500)
    trouble = page.locator(TROUBLE).all_text_contents()
    yield SimpleNamespace(name=request.param, page=page, count=count, complaints=complaints,
                          trouble=[text[:500] for text in trouble])
    page.close()


def notebooks(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("ran", names, indirect=True)


@notebooks(*TO_THE_END)
def test_a_notebook_runs_to_its_end(ran):
    assert ran.trouble == []
    prompts = ran.page.locator(".jp-CodeCell .jp-InputPrompt").all_text_contents()
    folded = ""  # the set-up cell's, with its code
    assert prompts == [folded, *(f"[{n}]:" for n in range(2, ran.count + 1))]
    assert ran.complaints == []


@notebooks(*TO_THE_END, "03_label_smoothing", "04_f1_loss")
def test_a_slider_moves_its_figure(ran):
    assert ran.trouble == []
    before = ran.page.evaluate(REDRAWN, None)
    handle = ran.page.locator(".noUi-handle").first
    handle.focus()
    for _ in range(3):
        handle.press("ArrowRight")
    ran.page.wait_for_function(REDRAWN, arg=before, polling=200)
    assert ran.complaints == []


@notebooks("00_start_here")
def test_the_set_up_is_folded_to_its_title_and_a_link_moves_to_its_section(ran):
    folded = ran.page.locator(".jp-CodeCell .jp-InputPlaceholder")
    sync_api.expect(folded).to_have_text("# @title Set-up: find the course's helper package")
    link = ran.page.locator(".jp-MarkdownOutput a[href^='#4.']").first
    title = ran.page.locator(".jp-MarkdownOutput h2", has_text=link.inner_text())
    sync_api.expect(title).not_to_be_in_viewport()
    link.click()
    sync_api.expect(title).to_be_in_viewport()
    assert ran.complaints == []


@notebooks(*EXERCISES)
def test_an_exercise_goes_from_not_attempted_to_not_yet_to_correct(ran):
    check, wrong, reply, right = EXERCISES[ran.name]
    cell = ran.page.locator(".jp-CodeCell", has_text=check)
    says = sync_api.expect(cell.locator(".jp-OutputArea-output"))
    says.to_have_text(re.compile("^… not attempted: replace the ..."))
    for answer, verdict in [(wrong, f"✗ not yet: {reply}"), (right, "✓ correct: ")]:
        cell.locator(".cm-content").click()
        ran.page.keyboard.press("ControlOrMeta+A")
        ran.page.keyboard.insert_text(answer + check)
        ran.page.keyboard.press("Control+Enter")
        says.to_have_text(re.compile(f"^{re.escape(verdict)}"), timeout=PATIENCE)
    assert ran.complaints == []
