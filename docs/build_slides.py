"""Make a deck of slides of each notebook under build/slides, from its stored outputs.

What belongs here: turning notebooks into HTML by the template in docs/slides, and laying reveal.js
and MathJax beside it. docs/slides/deck.js measures and cuts a section into pages.
"""

from __future__ import annotations

import ast
import html
import shutil
import sys
import time
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

from build_site import title_of, without_badge
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
    notebook.cells = [cell for cell in notebook.cells if not only_imports(cell)]
    for cell in notebook.cells:
        cell.source = without_badge(cell.source)
    text, _ = exporter.from_notebook_node(notebook, resources={"title": title_of(path)})
    return text


def only_imports(cell: NotebookNode) -> bool:
    """Whether a cell prepares the page and shows nothing: imports, then calls such as a style."""
    if cell.cell_type != "code":
        return False
    first, *rest = ast.parse(cell.source).body or [None]
    imports = (ast.Import, ast.ImportFrom)
    return isinstance(first, imports) and all(isinstance(s, (*imports, ast.Expr)) for s in rest)


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
