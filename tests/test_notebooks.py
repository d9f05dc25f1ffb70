"""Hygiene of the committed notebooks: each rule holds everywhere, and each rule can fail.

A rule yields one complaint for each thing it finds wrong on a page. The second half
spoils a good page in one way after another and sees that the rule notices.
"""

import ast
import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import jupytext
import nbformat
import pytest

import start

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
NAMES = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))


@dataclass
class Page:
    """A committed notebook beside the notebook that its source describes."""

    notebook: nbformat.NotebookNode
    source: nbformat.NotebookNode

    @property
    def code(self) -> list[nbformat.NotebookNode]:
        return start.code_cells(self.notebook)


def open_page(name: str) -> Page:
    return Page(
        nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=nbformat.NO_CONVERT),
        jupytext.read(NOTEBOOKS / "source" / f"{name}.py", fmt="py:percent"),
    )


def text_of(output: dict) -> str:
    """What an output says in words: printed text, plain text, HTML, an error; no pixels."""
    data = {k: v for k, v in output.get("data", {}).items() if not k.startswith("image/")}
    return "\n".join([output.get("text", ""), *map(str, data.values())])


# The rules


def holds_the_cells_of_its_source(page: Page) -> Iterator[str]:
    def cells(notebook) -> list[tuple]:
        return [(cell.cell_type, cell.source) for cell in notebook.cells]

    for number, (mine, theirs) in enumerate(
        zip(cells(page.notebook), cells(page.source), strict=False), start=1
    ):
        if mine != theirs:
            yield f"cell {number} differs from the source: run `start.py regenerate`"
    if len(page.notebook.cells) != len(page.source.cells):
        yield f"{len(page.notebook.cells)} cells, its source has {len(page.source.cells)}"


def is_as_regenerate_leaves_it(page: Page) -> Iterator[str]:
    cleaned = copy.deepcopy(page.notebook)
    start.clean(cleaned)
    if nbformat.from_dict(cleaned) != page.notebook:
        yield "its ids, metadata or outputs are not those that `start.py regenerate` writes"


def is_a_valid_notebook(page: Page) -> Iterator[str]:
    try:
        nbformat.validate(page.notebook)
    except nbformat.ValidationError as error:
        yield str(error).splitlines()[0]


def ran_from_top_to_bottom(page: Page) -> Iterator[str]:
    for number, cell in enumerate(page.code, start=1):
        if cell.execution_count != number:
            yield f"code cell {number} has execution count {cell.execution_count}"


def ran_without_errors_and_warnings(page: Page) -> Iterator[str]:
    for number, cell in enumerate(page.code, start=1):
        for output in cell.outputs:
            if output.output_type == "error" or output.get("name") == "stderr":
                yield f"cell {number} holds an error or stderr output"


def needs_no_kernel_to_be_read(page: Page) -> Iterator[str]:
    if "widgets" in page.notebook.metadata:
        yield "holds metadata.widgets"
    for number, cell in enumerate(page.code, start=1):
        if any(start.WIDGET_VIEW in output.get("data", {}) for output in cell.outputs):
            yield f"cell {number} shows a live widget without its static twin"


def is_at_most_a_megabyte(page: Page) -> Iterator[str]:
    size = len(nbformat.writes(page.notebook).encode())
    if size > 1_000_000:
        yield f"holds {size:,} bytes"


def is_plain_python(page: Page) -> Iterator[str]:
    for number, cell in enumerate(page.code, start=1):
        try:
            ast.parse(cell.source)
        except SyntaxError as error:  # %magic and !command are no Python
            yield f"cell {number} is not plain Python: {error.text}"


def has_short_cells(page: Page) -> Iterator[str]:
    for number, cell in enumerate(page.notebook.cells, start=1):
        lines = len(cell.source.splitlines())
        if lines > 25:
            yield f"cell {number} of all cells has {lines} lines"
    middle = median(len(cell.source.splitlines()) for cell in page.code)
    if middle > 6:
        yield f"the median code cell has {middle} lines"


def describes_every_figure(page: Page) -> Iterator[str]:
    def is_sentence(text: str) -> bool:
        return "<table" not in text and len(re.sub("<[^>]*>", " ", text).split()) >= 6

    for number, cell in enumerate(page.code, start=1):
        figures = [output for output in cell.outputs if "image/png" in output.get("data", {})]
        for figure in figures:
            if not is_sentence(figure.metadata.get("image/png", {}).get("alt", "")):
                yield f"cell {number}: a figure has no sentence as its alt text"
        texts = [output.get("data", {}) for output in cell.outputs]
        texts = [data.get("text/markdown") or data.get("text/html", "") for data in texts]
        if len(figures) > sum(map(is_sentence, texts)):
            yield f"cell {number}: a figure has no sentence of six words or more under it"


def opens_with_a_setup_cell(page: Page) -> Iterator[str]:
    if "setup" not in page.code[0].metadata.get("tags", []):
        yield "the first code cell is not tagged `setup`"


def has_only_tags_and_slides_as_metadata(page: Page) -> Iterator[str]:
    for number, cell in enumerate(page.source.cells, start=1):
        # jupytext notes unusual blank lines; they are lost in the notebook and do no harm.
        if extra := set(cell.metadata) - {"tags", "slideshow", "lines_to_next_cell"}:
            yield f"cell {number} of the source has metadata {sorted(extra)}"


def has_orderly_headings(page: Page) -> Iterator[str]:
    text = "\n\n".join(c.source for c in page.notebook.cells if c.cell_type == "markdown")
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    headings = [(len(h), title) for h, title in re.findall(r"(?m)^(#+) +(.+)$", text)]
    level = 0
    for depth, title in headings:
        if depth > level + 1:
            yield f"heading {title!r} jumps from level {level} to {depth}"
        level = depth
    if (titles := [depth for depth, _ in headings].count(1)) != 1:
        yield f"has {titles} titles"
    numbers = [int(n) for n in re.findall(r"(?m)^## +(\d+)\.", text)]
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"its sections are numbered {numbers}"


def names_no_machine(page: Page) -> Iterator[str]:
    traces = r"/(?:home|root|Users|tmp|work|opt)/|[A-Z]:\\|site-packages|\b0x[0-9a-f]{6,}"
    for number, cell in enumerate(page.code, start=1):
        for output in cell.outputs:
            if found := re.search(traces, text_of(output)):
                yield f"cell {number} shows {found[0]!r}, which differs from machine to machine"


RULES = [
    holds_the_cells_of_its_source,
    is_as_regenerate_leaves_it,
    is_a_valid_notebook,
    ran_from_top_to_bottom,
    ran_without_errors_and_warnings,
    needs_no_kernel_to_be_read,
    is_at_most_a_megabyte,
    is_plain_python,
    has_short_cells,
    describes_every_figure,
    opens_with_a_setup_cell,
    has_only_tags_and_slides_as_metadata,
    has_orderly_headings,
    names_no_machine,
]
Rule = Callable[[Page], Iterator[str]]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("name", NAMES)
def test_every_notebook(name: str, rule: Rule):
    assert list(rule(open_page(name))) == []


def test_every_source_has_its_notebook():
    assert NAMES
    assert sorted(path.stem for path in (NOTEBOOKS / "source").glob("*.py")) == NAMES


def test_all_notebooks_share_one_setup_cell():
    cells = {name: open_page(name).code[0].source for name in NAMES}
    assert len(set(cells.values())) == 1, f"the first code cells of {', '.join(cells)} differ"


# Each rule notices what it is there for

SOURCE = """\
# %% [markdown] slideshow={"slide_type": "slide"}
# # Title

# %% tags=["setup"]
import math

# %% [markdown]
# ## 1. Section

# %%
show(figure)
"""
PNG, SENTENCE = "iVBORw0KGgo=", "The curve falls from one to zero."


@pytest.fixture
def page() -> Page:
    """A small page that keeps every rule."""
    source = jupytext.reads(SOURCE, fmt="py:percent")
    notebook = jupytext.reads(SOURCE, fmt="py:percent")
    for number, cell in enumerate(start.code_cells(notebook), start=1):
        cell.execution_count = number
    page = Page(notebook, source)
    show(page, data={"image/png": PNG}, metadata={"image/png": {"alt": SENTENCE}})
    show(page, data={"text/html": f"<p>{SENTENCE}</p>"})
    start.clean(notebook)
    page.notebook = nbformat.from_dict(notebook)
    return page


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_good_page_keeps_every_rule(page: Page, rule: Rule):
    assert list(rule(page)) == []


def show(page: Page, kind: str = "display_data", **fields) -> None:
    """Give the last cell one more output."""
    page.notebook.cells[-1].outputs.append(nbformat.v4.new_output(kind, **fields))


def rewrite(page: Page, source: str, *, cell: int = -1) -> None:
    page.notebook.cells[cell].source = source


SPOILERS = {
    "an edited notebook": (holds_the_cells_of_its_source, lambda p: rewrite(p, "x")),
    "a cell too few": (holds_the_cells_of_its_source, lambda p: p.notebook.cells.pop()),
    "a random id": (is_as_regenerate_leaves_it, lambda p: p.notebook.cells[0].update(id="a")),
    "a kernel of one's own": (
        is_as_regenerate_leaves_it,
        lambda p: p.notebook.metadata.kernelspec.update(name="mine"),
    ),
    "an unknown cell type": (
        is_a_valid_notebook,
        lambda p: p.notebook.cells[0].update(cell_type="song"),
    ),
    "a cell that never ran": (
        ran_from_top_to_bottom,
        lambda p: p.notebook.cells[-1].update(execution_count=None),
    ),
    "cells run out of order": (
        ran_from_top_to_bottom,
        lambda p: p.notebook.cells[-1].update(execution_count=3),
    ),
    "an error": (
        ran_without_errors_and_warnings,
        lambda p: show(p, "error", ename="E", evalue="", traceback=[]),
    ),
    "a warning": (
        ran_without_errors_and_warnings,
        lambda p: show(p, "stream", name="stderr", text="careful"),
    ),
    "widget state": (
        needs_no_kernel_to_be_read,
        lambda p: p.notebook.metadata.update(widgets={}),
    ),
    "a live widget alone": (
        needs_no_kernel_to_be_read,
        lambda p: show(p, data={start.WIDGET_VIEW: {"model_id": "1"}}),
    ),
    "a large picture": (
        is_at_most_a_megabyte,
        lambda p: show(p, data={"image/png": "A" * 1_000_000}),
    ),
    "a line magic": (is_plain_python, lambda p: rewrite(p, "%time x = 1")),
    "a shell command": (is_plain_python, lambda p: rewrite(p, "!pip install x")),
    "a page of code": (has_short_cells, lambda p: rewrite(p, "x = 1\n" * 26)),
    "many middling cells": (
        has_short_cells,
        lambda p: [rewrite(p, "x = 1\n" * 7, cell=i) for i in (1, 3)],
    ),
    "a figure without a sentence": (
        describes_every_figure,
        lambda p: p.notebook.cells[-1].outputs.pop(),
    ),
    "a sentence too few": (
        describes_every_figure,
        lambda p: show(p, data={"image/png": PNG}, metadata={"image/png": {"alt": SENTENCE}}),
    ),
    "a figure without alt text": (
        describes_every_figure,
        lambda p: p.notebook.cells[-1].outputs[0].update(metadata={}),
    ),
    "a sentence too short": (
        describes_every_figure,
        lambda p: p.notebook.cells[-1].outputs[1].data.update({"text/html": "A curve."}),
    ),
    "a table for a sentence": (
        describes_every_figure,
        lambda p: p.notebook.cells[-1].outputs[1].data.update(
            {"text/html": "<table><tr><td>one two three four five six</td></tr></table>"}
        ),
    ),
    "no set-up tag": (
        opens_with_a_setup_cell,
        lambda p: p.notebook.cells[1].update(metadata={}),
    ),
    "editor metadata": (
        has_only_tags_and_slides_as_metadata,
        lambda p: p.source.cells[0].metadata.update(collapsed=True),
    ),
    "a heading that jumps": (has_orderly_headings, lambda p: rewrite(p, "### Deep", cell=2)),
    "two titles": (has_orderly_headings, lambda p: rewrite(p, "# Another", cell=2)),
    "a section left out": (has_orderly_headings, lambda p: rewrite(p, "## 2. Next", cell=2)),
    "a home directory": (
        names_no_machine,
        lambda p: show(p, "stream", name="stdout", text="/home/me/data.csv"),
    ),
    "a memory address": (
        names_no_machine,
        lambda p: show(p, data={"text/plain": "<object at 0x7f3a5c001d90>"}),
    ),
}


@pytest.mark.parametrize(("rule", "spoil"), SPOILERS.values(), ids=SPOILERS)
def test_a_rule_notices(page: Page, rule: Rule, spoil: Callable[[Page], None]):
    spoil(page)
    assert list(rule(page))


def test_every_rule_is_seen_to_fail():
    assert {rule for rule, _ in SPOILERS.values()} == set(RULES)


def test_the_readme_shows_the_belief_map_of_notebook_00():
    name, _, picture = start.FRONT
    notebook = nbformat.read(start.NOTEBOOKS / f"{name}.ipynb", as_version=4)
    assert (start.ROOT / "docs" / picture).read_bytes() == start.front_picture(notebook)
    assert f"docs/{picture}" in (start.ROOT / "README.md").read_text(encoding="utf-8")
