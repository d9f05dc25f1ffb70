"""The slides: one deck a notebook, offline, and no page of it that overflows 1280 x 720."""

import importlib.util
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import nbformat
import pytest
from browsing import (
    CHROMIUM,
    ONE_OF_EACH_LOOK,
    ROOT,
    Tags,
    browser,
    build,
    listen,
    obstacles,
    once,
)

import start

NOTEBOOKS = sorted(path.stem for path in start.NOTEBOOKS.glob("*.ipynb"))
pytestmark = pytest.mark.skipif(not importlib.util.find_spec("sphinx_revealjs"),
                                reason="sphinx-revealjs, which carries reveal.js, is not installed")
needs_browser = pytest.mark.skipif(
    not (CHROMIUM and importlib.util.find_spec("axe_playwright_python")),
    reason="no Chromium, playwright or axe-playwright-python on this machine")

READY = "window.Reveal?.isReady() ?? false"
# Each page in turn, as it stands on the wall: how far its content reaches, how small its type is.
MEASURE = """() => Reveal.getSlides().map(slide => {
    const {h, v} = Reveal.getIndices(slide);
    Reveal.slide(h, v);
    const wall = document.querySelector('.reveal').getBoundingClientRect();
    const ends = [...slide.querySelectorAll('.content *')].map(e => e.getBoundingClientRect());
    const texts = document.createTreeWalker(slide, NodeFilter.SHOW_TEXT), type = [];
    while (texts.nextNode()) {
        const e = texts.currentNode.parentElement;
        if (!texts.currentNode.data.trim() || !e.checkVisibility()) continue;
        if (e.closest('mjx-container')) continue;  // an index is small by its nature
        type.push(parseFloat(getComputedStyle(e).fontSize) * (e.currentCSSZoom ?? 1));
    }
    return {
        h, v, notes: slide.querySelectorAll('aside.notes').length,
        right: Math.max(...ends.map(b => b.right)) - wall.left,
        bottom: Math.max(...ends.map(b => b.bottom)) - wall.top,
        predicts: /\\bPredict\\./.test(slide.querySelector('blockquote:last-of-type')?.textContent),
        figures: slide.querySelectorAll('.out img').length,
        type: type.length ? Math.min(...type) : null,
    };
})"""
# All pages one below the other: axe sees only what is on show.
UNROLL = """() => {
    const style = document.createElement('style');
    style.textContent = `html, body, main, .reveal, .slides, .reveal .slides section {
        display: block !important; visibility: visible !important; opacity: 1 !important;
        position: static !important; transform: none !important;
        height: auto !important; overflow: visible !important; }
        .reveal > :not(.slides), aside { display: none !important; }`;
    document.head.append(style);
    for (const page of document.querySelectorAll('.slides section')) {
        page.hidden = false;
        page.removeAttribute('aria-hidden');
    }
}"""


@pytest.fixture(scope="session")
def slides(tmp_path_factory) -> Path:
    folder, failure = once(tmp_path_factory, "slides", lambda path: build("build_slides.py", path))
    assert not failure, failure
    return folder


def obstacles_of_all_pages(page: Any) -> list[str]:
    """What axe finds on the pages themselves; the page is of no other use after."""
    page.evaluate(UNROLL)
    page.evaluate(ONE_OF_EACH_LOOK)
    return obstacles(page)


@pytest.fixture(scope="session")
def decks(slides, tmp_path_factory) -> dict[str, dict]:
    """Each deck's pages as a browser of 1280 x 720 shows them, and what it complained of."""

    def show_all(_: Path) -> dict[str, dict]:
        found = {}
        with browser() as chromium:
            for name in NOTEBOOKS:
                page = chromium.new_page(viewport={"width": 1280, "height": 720})
                heard = listen(page)
                page.goto((slides / f"{name}.html").as_uri())
                page.wait_for_function(READY, timeout=60_000)
                found[name] = {"pages": page.evaluate(MEASURE), "heard": heard,
                               "axe": obstacles_of_all_pages(page)}
                page.close()
        return found

    return once(tmp_path_factory, "decks", show_all)[1]


@pytest.fixture
def shown(slides) -> Iterator[Any]:
    """The first deck in a browser."""
    with browser() as chromium:
        page = chromium.new_page(viewport={"width": 1280, "height": 720})
        page.goto((slides / f"{NOTEBOOKS[0]}.html").as_uri())
        page.wait_for_function(READY, timeout=60_000)
        yield page


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_deck_holds_the_notebook_and_its_notes(slides, name):
    notebook = nbformat.read(start.NOTEBOOKS / f"{name}.ipynb", as_version=4)
    kinds = [cell.metadata.get("slideshow", {}).get("slide_type") for cell in notebook.cells]
    figures = [output for cell in start.code_cells(notebook) for output in cell.outputs
               if "image/png" in output.get("data", {})]
    notes = (start.NOTEBOOKS / "source" / f"{name}.notes.md").read_text(encoding="utf-8")
    deck = (slides / f"{name}.html").read_text(encoding="utf-8")
    assert deck.count("<section>") == deck.count("</section>") == kinds.count("slide")
    opening, sections = 1, len(re.findall("(?m)^## ", notes))
    assert deck.count('<aside class="notes">') == opening + sections
    alts = [tag["alt"] for kind, tag in Tags(deck).tags if kind == "img"]
    assert len(alts) == len(figures)
    assert all(len(alt.split()) >= 6 for alt in alts)
    assert "REPO =" not in deck


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_deck_has_a_language_and_the_title_of_its_notebook(slides, name):
    deck = (slides / f"{name}.html").read_text(encoding="utf-8")
    tags = Tags(deck).tags
    assert [tag["lang"] for kind, tag in tags if kind == "html"] == ["en"]
    (heading,) = re.findall(r"<h1[^>]*>(.*?)</h1>", deck)
    assert f"<title>{heading.split(':')[0]}: slides</title>" in deck
    assert [kind for kind, _ in tags].count("main") == 1


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_deck_loads_nothing_from_another_host(slides, name):
    deck = (slides / f"{name}.html").read_text(encoding="utf-8")
    loaded = [tag.get("src") or tag.get("href") for kind, tag in Tags(deck).tags
              if kind in ("script", "link", "img", "iframe")]
    loaded = [address for address in loaded if address]
    assert [address for address in loaded if re.match(r"(https?:)?//", address)] == []
    files = [address for address in loaded if not address.startswith("data:")]
    assert files
    assert [address for address in files if not (slides / address).is_file()] == []


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_link_between_slides_leads_to_a_deck_and_a_heading_of_it(slides, name):
    dead = []
    for kind, tag in Tags((slides / f"{name}.html").read_text(encoding="utf-8")).tags:
        if kind != "a" or re.match("[a-z]+:", tag["href"]):
            continue
        file, _, fragment = unquote(tag["href"]).partition("#")
        target = slides / (file or f"{name}.html")
        text = target.read_text(encoding="utf-8") if target.is_file() else ""
        if not text or (fragment and fragment not in [t.get("id") for _, t in Tags(text).tags]):
            dead.append(tag["href"])
    assert dead == []


@pytest.fixture
def built(tmp_path, monkeypatch) -> Callable[[str], str]:
    """The deck of a notebook that holds the given cells, each beside its tags."""
    monkeypatch.syspath_prepend(ROOT / "docs")
    deck = import_module("build_slides").deck

    def build(*cells: nbformat.NotebookNode) -> str:
        title = nbformat.v4.new_markdown_cell("# Title")
        nbformat.write(nbformat.v4.new_notebook(cells=[title, *cells]), tmp_path / "99_new.ipynb")
        return deck(tmp_path / "99_new.ipynb")

    return build


def test_hidden_code_is_not_shown_and_its_output_is(built):
    printed = nbformat.v4.new_output("stream", text="forty-two")
    hidden = {"tags": ["hide-input"]}
    new = nbformat.v4.new_code_cell
    deck = built(new("secret = 1", outputs=[printed], metadata=hidden),
                 new("silent = 1", metadata=hidden), new("shown = 1"))
    assert "secret" not in deck
    assert "forty-two" in deck
    assert "silent" not in deck
    assert deck.count('<div class="cell code">') == 2


def test_links_lead_to_slides_and_what_is_no_slide_is_only_named(built):
    links = "[a](#1.-A-(b)), [c](02_focal_loss.ipynb#2.-D), [words](../docs/glossary.md)"
    deck = built(nbformat.v4.new_markdown_cell(f"{links}\n## 1. A (b)"))
    assert 'href="#1.-A-(b)"' in deck
    assert '<h2 id="1.-A-(b)">' in deck
    assert 'href="02_focal_loss.html#2.-D"' in deck
    assert ", words<" in deck.replace("</p>", "<")


@needs_browser
def test_no_deck_complains(decks):
    assert {name: deck["heard"] for name, deck in decks.items() if deck["heard"]} == {}


@needs_browser
def test_no_page_overflows(decks):
    over = [(name, page) for name, deck in decks.items() for page in deck["pages"]
            if page["right"] > 1280 or page["bottom"] > 720]
    assert over == []


@needs_browser
def test_the_type_stays_legible(decks):
    """In pixels of 720 lines: 17 and more on nine pages in ten, less where a table is wide."""
    sizes = {(name, page["h"], page["v"]): page["type"]
             for name, deck in decks.items() for page in deck["pages"] if page["type"]}
    assert {place: size for place, size in sizes.items() if size < 14} == {}
    assert sum(size >= 17 for size in sizes.values()) / len(sizes) > 0.9


@needs_browser
def test_axe_finds_nothing_serious_on_any_page(decks):
    assert {name: deck["axe"] for name, deck in decks.items() if deck["axe"]} == {}


@needs_browser
def test_axe_sees_the_last_page_too(shown):
    shown.evaluate("""() => {
        const last = [...document.querySelectorAll('section.page')].at(-1);
        last.querySelector('.head').style.color = '#999';
        last.querySelector('.content').append(new Image(20, 20));
    }""")
    found = obstacles_of_all_pages(shown)
    assert sorted(fault.split(":")[0] for fault in found) == ["color-contrast", "image-alt"]


@needs_browser
def test_axe_finds_nothing_serious_around_a_page(shown):
    assert obstacles(shown) == []


@needs_browser
def test_the_keyboard_alone_goes_through_a_deck(shown):
    total, texts = shown.evaluate("Reveal.getTotalSlides()"), set()
    for _ in range(total):
        texts.add(shown.locator("section.page.present:visible").inner_text())
        shown.keyboard.press("Space")
    assert len(texts) == total
    assert shown.evaluate("Reveal.isLastSlide()")


@needs_browser
def test_a_link_to_a_section_opens_its_slide(shown):
    link = shown.locator("section.page a[href^='#4.']").first
    title = link.text_content()
    link.evaluate("""link => {
        const {h, v} = Reveal.getIndices(link.closest('section.page'));
        Reveal.slide(h, v);
    }""")
    link.click()
    shown.locator("section.page.present:visible h2", has_text=title).wait_for()


@needs_browser
def test_an_answer_is_not_on_the_page_of_its_question(decks):
    pages = [page for deck in decks.values() for page in deck["pages"] if page["predicts"]]
    assert pages
    assert [page for page in pages if page["figures"]] == []


@needs_browser
def test_the_notes_of_a_section_are_on_each_of_its_pages(decks):
    noted = 0
    for deck in decks.values():
        for h in {page["h"] for page in deck["pages"]}:
            notes = {page["notes"] for page in deck["pages"] if page["h"] == h}
            assert len(notes) == 1
            noted += notes != {0}
    assert noted
