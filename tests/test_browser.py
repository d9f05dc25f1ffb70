"""In a real JupyterLab in a real browser: a notebook runs, and its slider moves the figure.

Needs a Chromium on this machine (``apt-get install chromium`` or any Chrome); skipped, visibly,
where there is none. No browser is downloaded.
"""

import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from browsing import CHROMIUM, FLAGS

import start

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium or Chrome found on this machine")

PICTURE = """async () => {
    const image = document.querySelector('img.widget-image');
    const bytes = new Uint8Array(await (await fetch(image.src)).arrayBuffer());
    return bytes.reduce((hash, byte) => (31 * hash + byte) >>> 0, 7);
}"""
SCROLL = """() => {
    const page = document.querySelector('.jp-WindowedPanel-outer');
    page.scrollTop += 500;
}"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of a JupyterLab that serves copies of the notebooks."""
    folder = tmp_path_factory.mktemp("lab")
    for path in start.NOTEBOOKS.glob("*.ipynb"):
        shutil.copy(path, folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", f"--port={port}",
               "--ServerApp.ip=127.0.0.1", "--IdentityProvider.token=", "--allow-root",
               f"--ServerApp.root_dir={folder}", "--LabApp.news_url=",
               "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    for _ in range(120):
        try:
            urllib.request.urlopen(f"{address}/api/status").close()
            break
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.5)
    else:
        pytest.fail("JupyterLab did not start within a minute")
    yield address
    server.terminate()
    server.wait(30)


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.mark.parametrize("name", ["02_focal_loss", "03_label_smoothing", "04_f1_loss"])
def test_a_slider_moves_its_figure(lab, browser, name):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    complaints = []
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{lab}/lab/tree/{name}.ipynb?reset")
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=60_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    for _ in range(300):  # scroll down until the slider is there, whatever has run so far
        if page.locator(".widget-slider").count():
            break
        page.evaluate(SCROLL)
        page.wait_for_timeout(400)
    page.locator("img.widget-image").first.wait_for(timeout=60_000)
    before = page.evaluate(PICTURE)
    handle = page.locator(".noUi-handle").first
    handle.focus()
    for _ in range(3):
        handle.press("ArrowRight")
    for _ in range(900):  # the kernel redraws when all the other cells have run
        if page.evaluate(PICTURE) != before:
            break
        page.wait_for_timeout(200)
    assert page.evaluate(PICTURE) != before
    assert complaints == []
    page.close()
