"""Make a deck of slides of each notebook under build/slides, from its stored outputs.

What belongs here: turning notebooks into HTML by the template in docs/slides, with the teacher's
notes of each section for the speaker view, and laying reveal.js and MathJax beside it.
docs/slides/deck.js measures and cuts a section into pages.
"""

from __future__ import annotations

import ast
import html
import re
import shutil
import sys
import time
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

from build_site import LINK, notes_of, title_of, without_badge
from conf import MATHJAX

if TYPE_CHECKING:
    from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "docs" / "slides"
REVEAL = distribution("sphinx-revealjs").locate_file("sphinx_revealjs/_static/revealjs")


def lay_out_assets(target: Path) -> None:
    """Write all that the decks share: reveal.js, MathJax, the look, the colours of code."""
    from pygments.formatters import HtmlFormatter

    (target / "reveal").mkdir(parents=True)
    for name in ("dist/reveal.css", "dist/reveal.js", "plugin/notes/notes.js"):
        shutil.copy(Path(REVEAL) / name, target / "reveal")
    for path in (TEMPLATE / "deck.css", TEMPLATE / "deck.js", Path(MATHJAX)):
        shutil.copy(path, target)
    (target / Path(MATHJAX).name).rename(target / "mathjax.js")
    colours = HtmlFormatter(style="a11y-high-contrast-light").get_style_defs(".reveal .highlight")
    (target / "code.css").write_text(colours, encoding="utf-8")


def deck(path: Path) -> str:
    """A notebook's deck as HTML."""
    import nbformat
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(template_name="slides", extra_template_basedirs=[str(ROOT / "docs")],
                            exclude_anchor_links=True)
    exporter.template_paths.insert(0, str(TEMPLATE))
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = with_notes([cell for cell in notebook.cells if shows_something(cell)],
                                notes_of(path.stem))
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = LINK.sub(led_to_the_decks, without_badge(cell.source))
    text, _ = exporter.from_notebook_node(notebook, resources={"title": title_of(path)})
    return with_anchors(text)


def shows_something(cell: NotebookNode) -> bool:
    """Whether a cell has something for the wall: no imports, nor what is hidden and silent."""
    if cell.cell_type != "code":
        return True
    if "hide-input" in cell.metadata.get("tags", []):
        return bool(cell.outputs)
    first, *rest = ast.parse(cell.source).body or [None]
    imports = (ast.Import, ast.ImportFrom)  # then calls such as that of a style
    return not (isinstance(first, imports)
                and all(isinstance(s, (*imports, ast.Expr)) for s in rest))


def with_notes(cells: list[NotebookNode], notes: dict[str, str]) -> list[NotebookNode]:
    """The cells, with each note after the cell of its heading, the opening one after the title."""
    from nbformat.v4 import new_markdown_cell

    left, speaker, kept = dict(notes), {"slideshow": {"slide_type": "notes"}}, []
    for cell in cells:
        kept.append(cell)
        headings = re.findall(r"(?m)^(##?) +(.+?) *$", cell.source)
        for level, heading in headings if cell.cell_type == "markdown" else []:
            if note := left.pop(heading if level == "##" else "", ""):
                kept.append(new_markdown_cell(note, metadata=speaker))
    return kept


def led_to_the_decks(link: re.Match) -> str:
    """A link to a section or a notebook, led to its slide; other files are named only."""
    words, file, fragment = link.groups("")
    deck = Path(file).with_suffix(".html").name if file.endswith(".ipynb") else ""
    return f"[{words}]({deck}{fragment})" if deck or not file else words


def with_anchors(deck: str) -> str:
    """Headings with the anchors that Jupyter gives them, by which reveal.js finds their slides."""

    def name(heading: re.Match) -> str:
        level, text = heading.groups()
        anchor = re.sub("<[^>]*>", "", text).strip().replace(" ", "-").replace('"', "&quot;")
        return f'<h{level} id="{anchor}">{text}</h{level}>'

    return re.sub(r"<h([1-3])>(.*?)</h\1>", name, deck)


def main(target: Path = ROOT / "build" / "slides") -> int:
    """Make all decks anew, and a page that lists them."""
    started = time.perf_counter()
    shutil.rmtree(target, ignore_errors=True)
    lay_out_assets(target)
    links = []
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        (target / f"{path.stem}.html").write_text(deck(path), encoding="utf-8")
        links.append(f'<li><a href="{path.stem}.html">{html.escape(title_of(path))}</a></li>')
    (target / "index.html").write_text(
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Slides</title>'
        '<meta name="viewport" content="width=device-width">'
        '<link rel="stylesheet" href="deck.css"></head>\n<body class="reveal" style="padding: 2em">'
        f"<main><h1>Slides</h1>\n<ul>\n{chr(10).join(links)}\n</ul>\n<p>Arrow keys move, S opens "
        "the speaker view, ? lists the keys.</p></main></body></html>\n", encoding="utf-8")
    print(f"{target / 'index.html'}: {len(links)} decks; open it in a browser "
          f"({time.perf_counter() - started:.0f} s).")
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
