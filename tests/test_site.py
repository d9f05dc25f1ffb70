"""The site: every page local, quiet, legible at any width and by ear; the belief map moves."""

import importlib.util
import os
import pkgutil
import re
import sys
from importlib import import_module
from itertools import pairwise, product
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pandas as pd
import pytest
from browsing import (
    ALL_BUT_CONTRAST,
    CHROMIUM,
    ONE_OF_EACH_LOOK,
    ONLY_CONTRAST,
    ROOT,
    Tags,
    browser,
    build,
    listen,
    obstacles,
    once,
)

import course_utils
import start
from course_utils.lab import claims

NOTEBOOKS = sorted(path.stem for path in start.NOTEBOOKS.glob("*.ipynb"))
MODULES = sorted(module.name for module in pkgutil.iter_modules(course_utils.__path__))
needs_sphinx = pytest.mark.skipif(not importlib.util.find_spec("sphinx_book_theme"),
                                  reason="sphinx-book-theme is not installed")
needs_browser = pytest.mark.skipif(
    not (CHROMIUM and importlib.util.find_spec("axe_playwright_python")),
    reason="no Chromium, playwright or axe-playwright-python on this machine")

# Contrast takes axe seconds a page, and is a matter of the kind of page: one of each.
CONTRAST = ["index.html", "api/losses.html", "notebooks/02_focal_loss.html"]
SETTLED = "() => !window.MathJax?.startup || MathJax.startup.promise.then(() => true)"


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Path:
    folder, failure = once(tmp_path_factory, "site", lambda path: build("build_site.py", path))
    assert not failure, failure
    return folder


@pytest.fixture(scope="session")
def pages(site) -> dict[str, str]:
    """Name to HTML of all pages."""
    return {path.relative_to(site).as_posix(): path.read_text(encoding="utf-8")
            for path in sorted(site.rglob("*.html"))}


@pytest.fixture(scope="session")
def visits(site, pages, tmp_path_factory) -> dict[str, dict]:
    """What a browser met on each page: complaints, widths, axe's findings."""

    def visit_all(_: Path) -> dict[str, dict]:
        with browser() as chromium:
            found = {}
            for name, scheme in [*product(pages, ["light"]), *product(CONTRAST, ["dark"])]:
                page = chromium.new_page(color_scheme=scheme)
                heard, widths = listen(page), {}
                page.goto((site / name).as_uri())
                page.wait_for_function(SETTLED, timeout=60_000)
                if scheme == "light":
                    for width in (360, 1280):
                        page.set_viewport_size({"width": width, "height": 740})
                        widths[width] = page.evaluate("document.documentElement.scrollWidth")
                    found[name] = {"heard": heard, "widths": widths,
                                   "axe": obstacles(page, ALL_BUT_CONTRAST)}
                if name in CONTRAST:
                    page.evaluate(ONE_OF_EACH_LOOK)
                    found[name][scheme] = obstacles(page, ONLY_CONTRAST)
                page.close()
        return found

    return once(tmp_path_factory, "visits", visit_all)[1]


# The pages as files


@needs_sphinx
def test_each_notebook_and_module_has_its_page(pages):
    wanted = [f"notebooks/{name}.html" for name in NOTEBOOKS]
    wanted += [f"api/{name}.html" for name in MODULES]
    wanted += ["index.html", "glossary.html", "data.html", "verdicts.html", "teaching.html",
               "scaling.html", "classroom.html", "search.html"]
    assert [name for name in wanted if name not in pages] == []
    assert [name for name in NOTEBOOKS if f"notebooks/{name}.html" not in pages["index.html"]] == []


@needs_sphinx
def test_the_course_map_says_what_the_readme_says(pages):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\d\d_\w+)` \|.*\| (\d+) \|$", readme, re.MULTILINE)
    assert rows
    for name, seconds in rows:
        row = rf'notebooks/{name}\.html".*?</tr>'
        (row,) = re.findall(row, pages["index.html"].split("<article")[1], re.DOTALL)
        assert f"<p>{seconds}</p>" in row


@needs_sphinx
@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_is_documented(pages, name):
    module = import_module(f"course_utils.{name}")
    page = pages[f"api/{name}.html"]
    missing = [public for public in module.__all__
               if f'id="course_utils.{name}.{public}"' not in page]
    assert missing == []


@needs_sphinx
def test_every_image_has_a_sentence_for_those_who_do_not_see_it(pages):
    images = [(name, tag) for name, text in pages.items()
              for kind, tag in Tags(text).tags if kind == "img"]
    assert len(images) >= 3 * len(NOTEBOOKS)
    assert [image for image in images if len((image[1].get("alt") or "").split()) < 6] == []


@needs_sphinx
def test_nothing_is_loaded_from_another_host(pages):
    loads = {"script": "src", "img": "src", "iframe": "src", "link": "href"}
    foreign = [(name, tag[loads[kind]]) for name, text in pages.items()
               for kind, tag in Tags(text).tags
               if kind in loads and re.match(r"(https?:)?//", tag.get(loads[kind]) or "")]
    assert foreign == []


@needs_sphinx
def test_every_link_inside_the_site_leads_to_a_page_and_a_place_on_it(site, pages):
    tags = {name: Tags(text).tags for name, text in pages.items()}
    places = {name: {tag.get("id") for _, tag in found} for name, found in tags.items()}
    dead = []
    for name, found in tags.items():
        for address in {tag["href"] for _, tag in found if tag.get("href")}:
            if re.match(r"[a-z]+:|//", address):
                continue
            file, _, fragment = unquote(address).partition("#")
            target = (site / name).parent / file.split("?")[0] if file else site / name
            page = os.path.relpath(target, site).replace(os.sep, "/")
            if not target.is_file() or (fragment and fragment not in places.get(page, set())):
                dead.append((name, address))
    assert dead == []


@needs_sphinx
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_code_that_is_hidden_is_folded_away_and_its_output_is_not(pages, name):
    notebook = nbformat.read(start.NOTEBOOKS / f"{name}.ipynb", as_version=4)
    hidden = [cell for cell in start.code_cells(notebook)
              if {"setup", "hide-input"} & set(cell.metadata.get("tags", []))]
    page = pages[f"notebooks/{name}.html"]
    folded = re.findall(r'<details class="[^"]*above-input">.*?</details>', page, re.DOTALL)
    assert len(folded) == len(hidden) >= 1
    assert "find_spec" in folded[0]
    assert 'class="cell_output' not in "".join(folded)


@needs_sphinx
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_notes_stand_on_a_page_for_teachers_and_not_on_that_of_the_notebook(pages, name):
    notes = (start.NOTEBOOKS / "source" / f"{name}.notes.md").read_text(encoding="utf-8")
    page = pages[f"teaching/{name}.html"]
    for heading in re.findall(r"(?m)^## (?:\d+\. )?([\w ,]+)", notes):
        assert heading in page
    text = " ".join(re.sub("(?m)^#.*$", "|", notes).split())
    phrases = [phrase.strip() for phrase in re.findall(r"[\w ,]{40,}", text)]
    assert phrases
    for phrase in phrases:
        assert phrase in " ".join(page.split())
        assert phrase not in " ".join(pages[f"notebooks/{name}.html"].split())


@needs_sphinx
def test_no_page_names_the_machine_that_built_it(pages):
    assert [name for name, text in pages.items() if str(ROOT) in text or "PosixPath" in text] == []


@needs_sphinx
def test_headings_come_in_order(pages):
    for name, text in pages.items():
        article = re.search(r"<article.*?</article>", text, re.DOTALL)
        levels = [int(kind[1]) for kind, _ in Tags(article[0] if article else text).tags
                  if re.fullmatch("h[1-6]", kind)]
        assert levels.count(1) == 1, name
        assert all(b <= a + 1 for a, b in pairwise(levels)), name


@needs_sphinx
def test_the_belief_map_stands_as_stills_where_no_script_runs(pages, site):
    figure = re.search(r'<figure id="belief-map".*?</figure>', pages["index.html"], re.DOTALL)[0]
    stills = [tag for kind, tag in Tags(figure).tags if kind == "img"]
    assert len(stills) == 3
    assert "focal loss says 0.31, cross entropy 0.10" in stills[1]["alt"]
    assert all((site / still["src"]).stat().st_size > 1000 for still in stills)


# The pages in a browser


@needs_sphinx
@needs_browser
def test_no_page_complains_or_asks_another_host(visits):
    assert {name: page["heard"] for name, page in visits.items() if page["heard"]} == {}


@needs_sphinx
@needs_browser
def test_no_page_scrolls_sideways(visits):
    wide = {name: page["widths"] for name, page in visits.items()
            if any(found > int(width) for width, found in page["widths"].items())}
    assert wide == {}


@needs_sphinx
@needs_browser
def test_axe_finds_nothing_serious(visits):
    assert {name: page["axe"] for name, page in visits.items() if page["axe"]} == {}


@needs_sphinx
@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_contrast_is_enough(visits, scheme):
    assert {name: visits[name][scheme] for name in CONTRAST} == {name: [] for name in CONTRAST}


@needs_sphinx
@needs_browser
def test_the_slider_changes_the_picture_and_its_words(site):
    with browser() as chromium:
        page = chromium.new_page()
        page.goto((site / "index.html").as_uri())
        picture, slider = page.locator("#belief-map .player img"), page.get_by_role("slider")
        assert page.locator("#belief-map .stills").is_hidden()
        seen = [(picture.get_attribute("src"), picture.get_attribute("alt"))]
        slider.focus()
        for _ in range(6):
            slider.press("ArrowRight")
            seen.append((picture.get_attribute("src"), picture.get_attribute("alt")))
        assert len(set(seen)) == 7
        assert "gamma 5" in seen[-1][1]
        assert page.locator("#belief-map output").inner_text().startswith("5: it says 0.")
        assert picture.evaluate("image => image.decode().then(() => image.naturalWidth > 0)")


@needs_sphinx
@needs_browser
def test_the_search_finds_a_term(site):
    with browser() as chromium:
        page = chromium.new_page()
        page.goto((site / "search.html").as_uri() + "?q=temperature")
        page.locator("#search-results li a", has_text="Label smoothing").first.wait_for()


# The command


@pytest.mark.parametrize("command", ["site", "slides", "test"])
def test_a_command_without_names_says_so(command):
    with pytest.raises(SystemExit, match=f"`{command}` .* takes no names; it got 02"):
        start.main([command, "02"])


@pytest.mark.parametrize(("page", "written", "led"), [
    ("notebooks/02_focal_loss.ipynb", "[x](#7.-Soft-targets-(further))",
     "[x](#7-soft-targets-further)"),
    ("notebooks/02_focal_loss.ipynb", "[x](03_label_smoothing.ipynb#2.-Two,-both)",
     "[x](03_label_smoothing.ipynb#2-two-both)"),
    ("notebooks/02_focal_loss.ipynb", "[x](../docs/glossary.md)", "[x](../glossary.md)"),
    ("notebooks/02_focal_loss.ipynb", "[x](https://a.org/b.ipynb#C.-D)",
     "[x](https://a.org/b.ipynb#C.-D)"),
    ("notebooks/source/02_focal_loss.notes.md", "[x](../03_label_smoothing.ipynb)",
     "[x](../notebooks/03_label_smoothing.ipynb)"),
    ("docs/teaching.md", "[x](../notebooks/source/02_focal_loss.notes.md)",
     "[x](teaching/02_focal_loss.md)"),
    ("docs/teaching.md", "[x](../data/README.md#origin)", "[x](data.md#origin)"),
    ("docs/teaching.md", "[x](../CONTRIBUTING.md) and $E[x](y)$", "x and $E[x](y)$"),
])
def test_links_of_the_repository_are_led_to_the_site(monkeypatch, page, written, led):
    monkeypatch.syspath_prepend(ROOT / "docs")
    assert import_module("build_site").led_to_the_site(written, page) == led


def test_the_verdict_page_shows_every_claim_and_every_interval(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    build_site = import_module("build_site")
    page = build_site.verdicts()
    for name, claim in claims.CLAIMS.items():
        assert f"| {name} | {claim.says} | " in page
    assert page.count("\n| ") == len(claims.CLAIMS) + claims.comparisons() + 4  # two headings
    table = pd.DataFrame({"says": ["it helps a|b"], "effect": [0.03121]})
    assert "| it helps a\\|b | 0.0312 |\n" in build_site.markdown_table(table)
    sys.modules.pop("build_site")
