"""What tests of built pages share: artefacts made once for all workers, and a quiet browser."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = next(filter(None, map(shutil.which, [
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"])), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update"]
AXE = """async rules => {
    const found = await axe.run({exclude: ['mjx-container']},
                                {...rules, preload: false, resultTypes: ['violations']});
    return found.violations.filter(v => ['serious', 'critical'].includes(v.impact))
        .map(v => `${v.id}: ${v.nodes.length} times, first in ${v.nodes[0].html.slice(0, 200)}`);
}"""
ONLY_CONTRAST = {"runOnly": ["color-contrast"]}
ALL_BUT_CONTRAST = {"rules": {"color-contrast": {"enabled": False}}}
# Contrast takes axe 5 ms a text and is a matter of colours: of texts that look alike, one will do.
ONE_OF_EACH_LOOK = """() => {
    document.querySelectorAll('mjx-container').forEach(formula => formula.remove());
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), seen = new Set();
    while (texts.nextNode()) {
        const parent = texts.currentNode.parentElement;
        if (parent.closest('a, button, summary, h1, h2, h3')) continue;  // they need their names
        const {color, fontSize, fontWeight} = getComputedStyle(parent);
        let look = [color, fontSize, fontWeight, parent.currentCSSZoom];
        for (let e = parent; e; e = e.parentElement) {
            look.push(getComputedStyle(e).backgroundColor, getComputedStyle(e).opacity);
        }
        look = look.join();
        if (seen.has(look)) texts.currentNode.data = '';
        seen.add(look);
    }
}"""


class Tags(HTMLParser):
    """The tags of a page with their attributes, in order."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))


def once(factory, name: str, make: Callable[[Path], Any]) -> tuple[Path, Any]:
    """A folder that ``make`` fills and what it returns (as JSON), once for all xdist workers.

    The first that comes makes it; the others wait.
    """
    shared = factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared
    folder, result = shared / name, shared / f"{name}.json"
    try:
        (shared / f"{name}.lock").touch(exist_ok=False)
    except FileExistsError:
        for _ in range(1200):
            if result.exists():
                break
            time.sleep(0.5)
        found = json.loads(result.read_text(encoding="utf-8"))
    else:
        found = {"error": "it was not finished"}
        try:
            found = make(folder)
        finally:
            result.with_suffix(".tmp").write_text(json.dumps(found), encoding="utf-8")
            os.replace(result.with_suffix(".tmp"), result)
    return folder, found


def build(script: str, target: Path) -> str:
    """Run a build script of docs/ and return what went wrong, or nothing."""
    done = subprocess.run([sys.executable, ROOT / "docs" / script, target], capture_output=True,
                          text=True, timeout=600, check=False,
                          env=os.environ | {"OMP_NUM_THREADS": "1"})
    return (done.stdout + done.stderr)[-3000:] if done.returncode else ""


@contextmanager
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


def listen(page: Any) -> list[str]:
    """Errors, warnings, failed and foreign requests of a page, as they come."""
    heard: list[str] = []
    page.on("console", lambda m: m.type in ("error", "warning") and heard.append(m.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("requestfailed", lambda request: heard.append(f"failed: {request.url[:200]}"))
    page.on("request", lambda request: request.url.startswith(("file:", "data:", "blob:"))
            or heard.append(f"foreign: {request.url[:200]}"))
    return heard


def obstacles(page: Any, rules: dict[str, Any] | None = None) -> list[str]:
    """What axe-core finds on a page, by all its rules or those named, that seriously keeps someone
    out."""
    axe = resources.files("axe_playwright_python").joinpath("axe.min.js")
    page.evaluate(axe.read_text("utf-8"))
    return page.evaluate(AXE, rules or {})
