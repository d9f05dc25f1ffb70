"""The site: every page local, quiet, legible at any width and by ear; the belief map moves."""

import importlib.util
import pkgutil
import re
import sys
from importlib import import_module
from itertools import pairwise, product
from pathlib import Path

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


def test_the_verdict_page_waits_for_its_table_and_then_shows_both_runs(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    build_site = import_module("build_site")
    monkeypatch.setattr(build_site, "ROOT", tmp_path)
    data = tmp_path / "data"
    data.mkdir()
    assert "being written" in build_site.verdicts()
    table = ("claim,says,where,metric,side,smallest,effect,low,high,outcome,verdict\n"
             "A1,it helps a|b,tail,recall,more,0.02,0.0312,0.021,0.0414,yes,{0}\n"
             "A2,untested,,,,,,,,,not testable\n")
    (data / "verdicts.csv").write_text(table.format("holds"), encoding="utf-8")
    assert "| A1 | it helps a\\|b | holds |\n" in build_site.verdicts()
    other = table.format("open").replace("yes", "open")
    (data / "verdicts_again.csv").write_text(other, encoding="utf-8")
    page = build_site.verdicts()
    assert "| A1 | it helps a\\|b | holds | open | 1 |\n| A2 | untested | not testable |" in page
    assert "| A1 | tail | recall | more | 0.02 | 0.0312 | 0.021 | 0.0414 | yes |" in page
    sys.modules.pop("build_site")
