"""Hygiene of the committed notebooks: each rule holds everywhere, and each rule can fail.

A rule yields one complaint for each thing it finds wrong on a page. Some rules hold for the pages
REWRITTEN in the course's second version only; a page joins them with its name. The second half
spoils a good page in one way after another and sees that the rule notices.
"""

import ast
import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from statistics import median
from urllib.parse import unquote

import jupytext
import nbformat
import pytest
import reading

import start

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
NAMES = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
REWRITTEN = ["00_start_here", "01_cross_entropy", "02_focal_loss", "03_label_smoothing",
             "04_f1_loss", "05_training_loop", "06_fine_tuning_ants_bees",
             "07_credit_card_imbalance", "08_choosing_a_loss"]


@dataclass
class Page:
    """A committed notebook beside the notebook that its source describes, and its notes."""

    name: str
    notebook: nbformat.NotebookNode
    source: nbformat.NotebookNode
    notes: str

    @property
    def code(self) -> list[nbformat.NotebookNode]:
        return start.code_cells(self.notebook)

    @property
    def texts(self) -> list[str]:
        return [cell.source for cell in self.notebook.cells if cell.cell_type == "markdown"]


def open_page(name: str) -> Page:
    notes = NOTEBOOKS / "source" / f"{name}.notes.md"
    return Page(
        name,
        nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=nbformat.NO_CONVERT),
        jupytext.read(NOTEBOOKS / "source" / f"{name}.py", fmt="py:percent"),
        notes.read_text(encoding="utf-8") if notes.exists() else "",
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
        if lines > (25 if cell.cell_type == "code" else 40):
            yield f"cell {number} of all cells has {lines} lines"
    middle = median(len(cell.source.splitlines()) for cell in page.code)
    if middle > 6:
        yield f"the median code cell has {middle} lines"


def figures(cell: dict) -> list[dict]:
    return [output for output in cell.outputs if "image/png" in output.get("data", {})]


def alt(figure: dict) -> str:
    return figure.metadata.get("image/png", {}).get("alt", "")


def captions(cell: dict) -> list[str]:
    """The sentences that a cell shows, under its figures as a rule."""
    shown = [output.get("data", {}) for output in cell.outputs]
    texts = [data.get("text/markdown") or data.get("text/html", "") for data in shown]
    return [re.sub("<[^>]*>", " ", text) for text in texts if text and "<table" not in text]


def describes_every_figure(page: Page) -> Iterator[str]:
    def is_sentence(text: str) -> bool:
        return len(text.split()) >= 6

    for number, cell in enumerate(page.code, start=1):
        for figure in figures(cell):
            if not is_sentence(alt(figure)):
                yield f"cell {number}: a figure has no sentence as its alt text"
        if len(figures(cell)) > sum(map(is_sentence, captions(cell))):
            yield f"cell {number}: a figure has no sentence of six words or more under it"


def opens_with_a_setup_cell(page: Page) -> Iterator[str]:
    if "setup" not in page.code[0].metadata.get("tags", []):
        yield "the first code cell is not tagged `setup`"
    if not page.code[0].source.startswith("# @title "):
        yield "the set-up cell has no title, which is all that shows of it"
    before = page.notebook.cells[page.notebook.cells.index(page.code[0]) - 1]
    if before.cell_type != "markdown" or len(before.source.splitlines()) != 1:
        yield "no line of text before the set-up cell says what it does"


def is_silent_while_it_prepares(page: Page) -> Iterator[str]:
    for number, cell in enumerate(page.code[:2], start=1):  # the set-up, the imports
        if cell.outputs and re.match(r"import |from |# @title ", cell.source):
            yield f"cell {number} imports, and shows {text_of(cell.outputs[0]).strip()[:30]!r}"


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


def keeps_notes_out_of_the_page(page: Page) -> Iterator[str]:
    for number, cell in enumerate(page.notebook.cells, start=1):
        kind = cell.metadata.get("slideshow", {}).get("slide_type")
        if kind == "notes" or "**Teacher.**" in cell.source:
            yield f"cell {number} of all cells is a teacher's note, and belongs in a .notes.md"


def has_notes_for_its_teacher(page: Page) -> Iterator[str]:
    if not page.notes:
        yield f"there is no notebooks/source/{page.name}.notes.md"
    elif page.notes.lstrip().startswith("#"):
        yield "its notes do not open with how to use 50 minutes"
    known = re.findall(r"(?m)^## .+$", "\n".join(page.texts))
    for heading in re.findall(r"(?m)^#.*$", page.notes):
        if heading not in known:
            yield f"its notes have {heading!r}, which is no section of the page"


def has_no_dead_link(page: Page) -> Iterator[str]:
    for text in page.texts:
        yield from dead_links(text, NOTEBOOKS, page.notebook)
    yield from dead_links(page.notes, NOTEBOOKS / "source", page.notebook)


def dead_links(text: str, folder: Path, here: nbformat.NotebookNode | Path) -> Iterator[str]:
    """Complaints about the links of a text in a folder; `here` has the headings for bare #."""
    for address in reading.links(text):
        file, _, fragment = unquote(address).partition("#")
        if re.match(r"[a-z]+:", address):
            continue
        if file and not (folder / file).is_file():
            yield f"the link to {address} leads to no file"
        elif fragment and fragment not in fragments(folder / file if file else here):
            yield f"the link to {address} leads to no heading"


def fragments(target: nbformat.NotebookNode | Path) -> set[str]:
    """What can stand behind the # of a link to a notebook or to another page."""
    if isinstance(target, Path) and target.suffix != ".ipynb":
        return reading.anchors(target.read_text(encoding="utf-8"), jupyter=False)
    if isinstance(target, Path):
        target = nbformat.read(target, as_version=4)
    text = "\n\n".join(cell.source for cell in target.cells if cell.cell_type == "markdown")
    return reading.anchors(text, jupyter=True)


def closes_every_formula(page: Page) -> Iterator[str]:
    for text in [*page.texts, page.notes]:
        for block in reading.blocks(text):
            if len(re.findall(r"(?<!\\)\$", block)) % 2:
                yield f"an odd number of $ stands in {block[:60]!r}"


def shows_every_formula(page: Page) -> Iterator[str]:
    for text in [*page.texts, page.notes]:
        written = reading.formulas(text)
        shown = {"the site": reading.formulas_on_the_site(text),
                 "slides": reading.formulas_in_slides(text)}
        for place, found in shown.items():
            if found != written:
                lost = [formula for formula in written if formula not in found]
                yield f"{place} tear ${(lost or found or written)[0]}$ in {text[:60]!r}"


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
    is_silent_while_it_prepares,
    keeps_notes_out_of_the_page,
    has_notes_for_its_teacher,
    has_no_dead_link,
    closes_every_formula,
    shows_every_formula,
]
Rule = Callable[[Page], Iterator[str]]


# Rules for the rewritten pages


def links_each_section_in_its_opening(page: Page) -> Iterator[str]:
    linked = {unquote(address) for address in reading.links(page.texts[0])}
    for level, title in reading.headings("\n\n".join(page.texts)):
        numbered = level == 2 and title[0].isdigit()
        if numbered and "#" + title.replace(" ", "-") not in linked:
            yield f"its opening has no link to {title!r}"


def lesson(page: Page) -> list[tuple[str, int]]:
    """The sections of a page's lesson and their minutes, from its opening table."""
    rows = re.findall(r"(?m)^\| \[(.+)\]\(\S+\) \| (\d+) \|", page.texts[0])
    rows = [(section, int(minutes)) for section, minutes in rows]
    return list(takewhile(lambda row: "(further)" not in row[0], rows))


def takes_at_most_a_lesson(page: Page) -> Iterator[str]:
    minutes = sum(minutes for _, minutes in lesson(page))
    if not 0 < minutes <= 50:
        yield f"the sections of its lesson take {minutes} minutes"


def leads_on(page: Page) -> Iterator[str]:
    """To the next notebook, the glossary, and a paper."""
    links = [link for text in page.texts for link in reading.links(text)]
    wanted = [f"{name}.ipynb" for name in NAMES if name > page.name][:1]
    for place in [*wanted, "../docs/glossary.md", "https://doi.org/10."]:
        if not any(link.startswith(place) for link in links):
            yield f"no link leads to {place}"


BOX = "> **Predict.**"
PARTS = re.compile(rf"(?m)(^#+ .*$|^{re.escape(BOX)}.*(?:\n>.*)*)")  # headings and boxes
COMPARES = re.compile(
    r"\b(?:more|less|fewer|most|least|better|worse|worst|never|always|hardly|"
    r"(?:high|low|larg|small|great|strong|weak|steep|flat|fast|slow|earli|lat|long|short|wid|narrow|"
    r"clos|hard|easi|simpl)(?:er|est))\b")
NO_FINDINGS = re.compile(r"lowest (?:to|and) (?:the )?highest|at (?:most|least)")  # edges, a bound
# A suspicion that a person has looked into: (notebook, how the box begins) -> why it is no spoiler.
CLEARED = {
    ("03_label_smoothing", "On the belief map this is"): "0.1 is where every map has its mark",
    ("03_label_smoothing", "On which side of the diagonal"): "says what the size of a dot means",
}


@dataclass
class Prediction:
    """A *Predict* box, and what a reader sees before the answer and as the answer."""

    question: str
    known: str  # the text of the section above the box
    heading: str
    code: str = ""  # comments and sentences of the cells below, up to the answer
    captions: str = ""  # of their figures
    answer: str = ""  # the text below


def predictions(page: Page) -> list[Prediction]:
    found, heading, known, current = [], "", "", None
    for cell in page.notebook.cells:
        if cell.cell_type == "code" and current and not (current.code and current.answer.strip()):
            sentences = re.findall(r'"[^"\n]* [^"\n]* [^"\n]*"|(?m:#.*$)', cell.source)
            current.code += re.sub(r"{[^}]*}", "", "\n".join(["", *sentences])) + "\n"
            current.captions += "\n".join([*captions(cell), *map(alt, figures(cell))]) + "\n"
        if cell.cell_type != "markdown":
            continue
        for part in PARTS.split(cell.source):
            if part.startswith("#"):
                heading, known, current = part, "", None
            elif part.startswith(BOX):
                current = Prediction(part, known, heading)
                found.append(current)
            elif current:
                current.answer += part
            known += part
    return found


def numbers(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w.])\d+(?:[.,]\d+)*", text))


def gives_no_answer_away(page: Page) -> Iterator[str]:
    """Suspects: a number or a comparison that stands before the answer and not in the question."""

    def tells(text: str) -> set[str]:
        text = NO_FINDINGS.sub("", " ".join(text.lower().split()))
        return numbers(text) | set(COMPARES.findall(text))

    for box in predictions(page):
        asked, answer = tells(box.question), tells(box.answer)
        early = {"heading": tells(re.sub(r"^#+ (\d+\.)?", "", box.heading)) & answer,
                 "code": tells(box.code) & answer - numbers(box.known),
                 "caption": tells(box.captions) & answer - numbers(box.known)
                 | tells(box.captions) - numbers(box.captions)}
        begins = " ".join(box.question.split()[2:8])
        for place, words in early.items():
            if words - asked and (page.name, begins) not in CLEARED:
                yield f"{begins!r}: the {place} says {', '.join(sorted(words - asked))}"


BANNED = {  # a word and its forms, and what a native would write
    r"mend(?:s|ed|ing)?": "fix, correct, repair",
    r"whoever": "who, anyone who",
    r"foretold": "predicted",
    r"shall": "must, will, or the plain present",
    r"plates?": "label",
}


def banned(text: str) -> Iterator[str]:
    for word, instead in BANNED.items():
        for found in re.findall(rf"(?i)\b{word}\b", text):
            yield f"{found!r}: write {instead}"


def names_in(code: str) -> Iterator[str]:
    """Complaints about variables named by a verb of the past."""
    for node in ast.walk(ast.parse(code)):
        name = getattr(node, "id", getattr(node, "arg", None))
        if name in ("told", "said"):
            yield f"a variable is named {name!r}: name what it holds"


def is_in_plain_words(page: Page) -> Iterator[str]:
    for text in [*(cell.source for cell in page.notebook.cells), page.notes]:
        yield from banned(text)
    for cell in page.code:
        yield from names_in(cell.source)


RULES_OF_REWRITTEN = [
    links_each_section_in_its_opening,
    takes_at_most_a_lesson,
    leads_on,
    gives_no_answer_away,
    is_in_plain_words,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("name", NAMES)
def test_every_notebook(name: str, rule: Rule):
    assert list(rule(open_page(name))) == []


@pytest.mark.parametrize("rule", RULES_OF_REWRITTEN, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("name", REWRITTEN)
def test_every_rewritten_notebook(name: str, rule: Rule):
    assert list(rule(open_page(name))) == []


def test_every_cleared_suspicion_is_still_one(monkeypatch):
    monkeypatch.setitem(globals(), "CLEARED", {})
    raised = "\n".join(f"{name} {complaint}" for name in REWRITTEN
                       for complaint in gives_no_answer_away(open_page(name)))
    assert [key for key in CLEARED if f"{key[0]} {key[1]!r}" not in raised] == []


@pytest.mark.parametrize("name", REWRITTEN)
def test_the_teachers_guide_has_the_lesson_that_the_page_has(name: str):
    sections = lesson(open_page(name))
    last, minutes = sections[-1][0].split(".")[0], sum(minutes for _, minutes in sections)
    row = f"| [{name[:2]}](../notebooks/{name}.ipynb) | sections 1 to {last} | {minutes} |"
    assert row in (ROOT / "docs" / "teaching.md").read_text(encoding="utf-8")


TEXTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXERCISES = sorted((ROOT / "course_utils" / "exercises").glob("*.py"))


@pytest.mark.parametrize("path", [*TEXTS, *EXERCISES], ids=lambda path: path.name)
def test_every_text_around_the_notebooks_is_in_plain_words(path: Path):
    text = path.read_text(encoding="utf-8")
    assert list(banned(text)) == []
    if path.suffix == ".py":
        assert list(names_in(text)) == []


IN_THE_REPOSITORY = [path for path in TEXTS if path.name != "index.md"]  # the site's own page


@pytest.mark.parametrize("path", IN_THE_REPOSITORY, ids=lambda path: path.name)
def test_no_link_around_the_notebooks_is_dead(path: Path):
    assert list(dead_links(path.read_text(encoding="utf-8"), path.parent, path)) == []


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
#
# | section | minutes |
# |---|---|
# | [1. A curve](#1.-A-curve) | 50 |
#
# Then comes [the next page](01_cross_entropy.ipynb). Words are in the
# [glossary](../docs/glossary.md), and the source is [a paper](https://doi.org/10.1000/1).

# %% [markdown]
# The next cell finds the package.

# %% tags=["setup"]
# @title Set-up
import math

# %% [markdown]
# ## 1. A curve
#
# The curve is that of $x^2$.
#
# > **Predict.** Where does it end, at 0 or at 1?

# %%
show(figure)

# %% [markdown]
# It ends at 0, which is 7 steps lower.
"""
NOTES = """\
Half a lesson.

## 1. A curve

Expect the answer 1.
"""
OPENING, LINE, SETUP, SECTION, FIGURE, ANSWER = range(6)  # its cells
PNG, SENTENCE = "iVBORw0KGgo=", "A curve, drawn from left to right."


@pytest.fixture
def page() -> Page:
    """A small page that keeps every rule."""
    source = jupytext.reads(SOURCE, fmt="py:percent")
    notebook = jupytext.reads(SOURCE, fmt="py:percent")
    for number, cell in enumerate(start.code_cells(notebook), start=1):
        cell.execution_count = number
    page = Page(NAMES[0], notebook, source, NOTES)
    show(page, data={"image/png": PNG}, metadata={"image/png": {"alt": SENTENCE}})
    show(page, data={"text/html": f"<p>{SENTENCE}</p>"})
    start.clean(notebook)
    page.notebook = nbformat.from_dict(notebook)
    return page


@pytest.mark.parametrize("rule", RULES + RULES_OF_REWRITTEN, ids=lambda rule: rule.__name__)
def test_a_good_page_keeps_every_rule(page: Page, rule: Rule):
    assert list(rule(page)) == []


def show(page: Page, kind: str = "display_data", **fields) -> None:
    """Give the last code cell one more output."""
    page.code[-1].outputs.append(nbformat.v4.new_output(kind, **fields))


def rewrite(page: Page, source: str, *, cell: int = FIGURE) -> None:
    page.notebook.cells[cell].source = source


def add(page: Page, text: str) -> None:
    """Give the section's text one more paragraph, above its box."""
    cell = page.notebook.cells[SECTION]
    cell.source = cell.source.replace("\n\n>", f"\n\n{text}\n\n>")


def note(page: Page, text: str) -> None:
    page.notes = text


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
        lambda p: p.notebook.cells[FIGURE].update(execution_count=None),
    ),
    "cells run out of order": (
        ran_from_top_to_bottom,
        lambda p: p.notebook.cells[FIGURE].update(execution_count=3),
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
    "a page of text": (has_short_cells, lambda p: rewrite(p, "A line.\n" * 41, cell=LINE)),
    "many middling cells": (
        has_short_cells,
        lambda p: [rewrite(p, "x = 1\n" * 7, cell=i) for i in (SETUP, FIGURE)],
    ),
    "a figure without a sentence": (
        describes_every_figure,
        lambda p: p.notebook.cells[FIGURE].outputs.pop(),
    ),
    "a sentence too few": (
        describes_every_figure,
        lambda p: show(p, data={"image/png": PNG}, metadata={"image/png": {"alt": SENTENCE}}),
    ),
    "a figure without alt text": (
        describes_every_figure,
        lambda p: p.notebook.cells[FIGURE].outputs[0].update(metadata={}),
    ),
    "a sentence too short": (
        describes_every_figure,
        lambda p: p.notebook.cells[FIGURE].outputs[1].data.update({"text/html": "A curve."}),
    ),
    "a table for a sentence": (
        describes_every_figure,
        lambda p: p.notebook.cells[FIGURE].outputs[1].data.update(
            {"text/html": "<table><tr><td>one two three four five six</td></tr></table>"}
        ),
    ),
    "no set-up tag": (
        opens_with_a_setup_cell,
        lambda p: p.notebook.cells[SETUP].update(metadata={}),
    ),
    "editor metadata": (
        has_only_tags_and_slides_as_metadata,
        lambda p: p.source.cells[0].metadata.update(collapsed=True),
    ),
    "a heading that jumps": (has_orderly_headings, lambda p: rewrite(p, "### Deep", cell=SECTION)),
    "two titles": (has_orderly_headings, lambda p: rewrite(p, "# Another", cell=SECTION)),
    "a section left out": (
        has_orderly_headings,
        lambda p: rewrite(p, "## 2. Next", cell=SECTION),
    ),
    "a home directory": (
        names_no_machine,
        lambda p: show(p, "stream", name="stdout", text="/home/me/data.csv"),
    ),
    "a memory address": (
        names_no_machine,
        lambda p: show(p, data={"text/plain": "<object at 0x7f3a5c001d90>"}),
    ),
    "no line before the set-up": (
        opens_with_a_setup_cell,
        lambda p: p.notebook.cells.pop(LINE),
    ),
    "a set-up without a title": (
        opens_with_a_setup_cell,
        lambda p: rewrite(p, "import math", cell=SETUP),
    ),
    "a 1 under the imports": (
        is_silent_while_it_prepares,
        lambda p: p.code[0].outputs.append(
            nbformat.v4.new_output("execute_result", {"text/plain": "1"})
        ),
    ),
    "a cell of notes": (
        keeps_notes_out_of_the_page,
        lambda p: p.notebook.cells[ANSWER].update(
            metadata={"slideshow": {"slide_type": "notes"}}
        ),
    ),
    "a note among the text": (keeps_notes_out_of_the_page, lambda p: add(p, "**Teacher.** Ask.")),
    "no notes": (has_notes_for_its_teacher, lambda p: note(p, "")),
    "notes without an opening": (
        has_notes_for_its_teacher,
        lambda p: note(p, "## 1. A curve\n\nAsk."),
    ),
    "a note on no section": (
        has_notes_for_its_teacher,
        lambda p: note(p, f"{NOTES}\n## 1. A Curve\n\nAsk."),
    ),
    "a link to no file": (has_no_dead_link, lambda p: add(p, "[next](99_end.ipynb)")),
    "a link to no section": (has_no_dead_link, lambda p: add(p, "[up](#1.-a-curve)")),
    "a link to no section of another page": (
        has_no_dead_link,
        lambda p: add(p, "[next](01_cross_entropy.ipynb#nowhere)"),
    ),
    "a link to no word of the glossary": (
        has_no_dead_link,
        lambda p: add(p, "[word](../docs/glossary.md#nowhere)"),
    ),
    "a dead link in the notes": (has_no_dead_link, lambda p: note(p, "[up](#nowhere)")),
    "an open formula": (closes_every_formula, lambda p: add(p, "The root $x is large.")),
    "a formula torn by a bullet": (shows_every_formula, lambda p: add(p, "It is $1\n- x$ here.")),
    "a formula torn by a number": (shows_every_formula, lambda p: add(p, "It is $x +\n1. y$.")),
    "a formula struck through": (shows_every_formula, lambda p: add(p, "~~It is $a~~b$.")),
    "a formula torn by a table": (
        shows_every_formula,
        lambda p: add(p, "| a | b |\n|---|---|\n| $P(a|b)$ | 1 |"),
    ),
    "a formula in HTML": (shows_every_formula, lambda p: add(p, "<p>\nIt is $x$.\n</p>")),
    "an opening without links": (
        links_each_section_in_its_opening,
        lambda p: rewrite(p, "# Title", cell=OPENING),
    ),
    "a lesson too long": (
        takes_at_most_a_lesson,
        lambda p: rewrite(p, p.texts[0].replace("| 50 |", "| 51 |"), cell=OPENING),
    ),
    "no way on": (leads_on, lambda p: rewrite(p, "# Title", cell=OPENING)),
    "an answer in the caption": (
        gives_no_answer_away,
        lambda p: p.code[-1].outputs[1].data.update({"text/html": "A curve of 7 steps."}),
    ),
    "a finding in the caption": (
        gives_no_answer_away,
        lambda p: p.code[-1].outputs[1].data.update({"text/html": "The curve is steeper here."}),
    ),
    "an answer in the alt text": (
        gives_no_answer_away,
        lambda p: p.code[-1].outputs[0].metadata["image/png"].update(alt="It falls 7 steps."),
    ),
    "an answer in the code": (
        gives_no_answer_away,
        lambda p: rewrite(p, "show(figure)  # it is lower"),
    ),
    "an answer in the heading": (
        gives_no_answer_away,
        lambda p: rewrite(
            p, p.notebook.cells[SECTION].source.replace("A curve", "Lower"), cell=SECTION
        ),
    ),
    "a word of ours": (is_in_plain_words, lambda p: add(p, "Then we mend it.")),
    "a word of ours in the notes": (is_in_plain_words, lambda p: note(p, "Whoever is right.")),
    "a verb as a name": (is_in_plain_words, lambda p: rewrite(p, "told = 1")),
    "a verb as an argument": (is_in_plain_words, lambda p: rewrite(p, "def f(said): pass")),
}


@pytest.mark.parametrize(("rule", "spoil"), SPOILERS.values(), ids=SPOILERS)
def test_a_rule_notices(page: Page, rule: Rule, spoil: Callable[[Page], None]):
    spoil(page)
    assert list(rule(page))


def test_every_rule_is_seen_to_fail():
    assert {rule for rule, _ in SPOILERS.values()} == set(RULES + RULES_OF_REWRITTEN)


def test_the_readme_shows_the_belief_map_of_notebook_00():
    name, _, picture = start.FRONT
    notebook = nbformat.read(start.NOTEBOOKS / f"{name}.ipynb", as_version=4)
    assert (start.ROOT / "docs" / picture).read_bytes() == start.front_picture(notebook)
    assert f"docs/{picture}" in (start.ROOT / "README.md").read_text(encoding="utf-8")
