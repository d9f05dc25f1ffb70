"""Make the site: lay its pages out in build/site-source, then let Sphinx build build/site.

What belongs here: what Sphinx cannot do alone, because it is made from other files of the course:
the notebooks with the alt texts of their figures, the teacher's notes, the frames of the belief
map, the table of the notebooks from README.md, a page for each module, the verdicts. Links are
written for the repository and led here to where the site has their targets. Everything is local:
the site asks no other host for anything.
"""

from __future__ import annotations

import html
import importlib
import json
import os
import pkgutil
import posixpath
import re
import shutil
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
GAMMAS = [g / 2 for g in range(11)]
STILLS = (0.0, 2.0, 5.0)  # shown in a row where there is no JavaScript, and on paper
# [words](file), [words](file#fragment) or [words](#fragment), to what belongs to the course.
LINK = re.compile(r"\[([^\[\]]*)\]\(([\w./-]+\.\w+)?(#(?:[^()\s]|\([^()\s]*\))+)?\)")

if TYPE_CHECKING:
    import pandas as pd
    from nbformat import NotebookNode


def lay_out(source: Path) -> None:
    """Write every page that Sphinx reads into ``source``, replacing what was there."""
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(DOCS, source, ignore=shutil.ignore_patterns("__pycache__", "static", "slides"))
    for path in source.glob("*.md"):
        text = led_to_the_site(path.read_text(encoding="utf-8"), f"docs/{path.name}")
        path.write_text(text, encoding="utf-8")
    shutil.copytree(DOCS / "static", source / "_static")
    from conf import MATHJAX

    shutil.copy(MATHJAX, source / "_static" / "mathjax.js")
    cards = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    (source / "data.md").write_text(led_to_the_site(cards, "data/README.md"), encoding="utf-8")
    (source / "_course_map.md").write_text(course_map(), encoding="utf-8")
    (source / "verdicts.md").write_text(verdicts(), encoding="utf-8")
    (source / "_belief_map.html").write_text(belief_map(source / "_static"), encoding="utf-8")
    lay_out_notebooks(source / "notebooks")
    lay_out_notes(source / "teaching")
    lay_out_api(source / "api")


# Links ------------------------------------------------------------------------


def led_to_the_site(text: str, page: str) -> str:
    """The text of a page, named by its place in the repository, with its links as the site has
    them. What the site does not hold is named and not linked."""
    from myst_parser.slugs import github_slugify

    def lead(link: re.Match) -> str:
        words, file, fragment = link.groups("")
        # Jupyter's anchor of a heading differs from the site's in its capitals and its marks.
        anchor = f"#{github_slugify(unquote(fragment[1:]))}" if fragment else ""
        if not file:
            return f"[{words}]({anchor})"
        target = place_of(posixpath.normpath(posixpath.join(posixpath.dirname(page), file)))
        here = posixpath.dirname(place_of(page))
        return f"[{words}]({posixpath.relpath(target, here)}{anchor})" if target else words

    return LINK.sub(lead, text)


def place_of(path: str) -> str:
    """Where the site has a file of the repository, or nothing."""
    moved = {"README.md": "index.md", "data/README.md": "data.md"}
    if path in moved:
        return moved[path]
    if notes := re.fullmatch(r"notebooks/source/(\w+)\.notes\.md", path):
        return f"teaching/{notes[1]}.md"
    if path.startswith("notebooks/") and path.endswith(".ipynb"):
        return path
    return path.removeprefix("docs/") if path.startswith("docs/") else ""


# Notebooks --------------------------------------------------------------------


def lay_out_notebooks(folder: Path) -> None:
    import nbformat

    folder.mkdir()
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            prepare(cell, f"notebooks/{path.name}")
        nbformat.write(notebook, folder / path.name)


def prepare(cell: NotebookNode, page: str) -> None:
    """Carry a figure's sentence over to its alt text, fold the set-up away, lead links."""
    tags = cell.metadata.get("tags", [])
    if cell.cell_type == "code":
        for output in cell.outputs:
            if alt := output.get("metadata", {}).get("image/png", {}).get("alt"):
                cell.metadata["mystnb"] = {"image": {"alt": alt}}
        if "setup" in tags:
            cell.metadata["tags"] = [*tags, "hide-input"]
        return
    cell.source = led_to_the_site(without_badge(cell.source), page)


def without_badge(text: str) -> str:
    """A link in words in place of a badge, whose picture would come from another host."""
    return re.sub(r"\[!\[([^\]]*)\]\([^)]*\)\]", r"[\1]", text)


def notes_of(name: str) -> dict[str, str]:
    """A notebook's teaching notes by section heading, the opening by an empty one."""
    path = ROOT / "notebooks" / "source" / f"{name}.notes.md"
    if not path.exists():
        return {}
    opening, *sections = re.split(r"(?m)^## +", path.read_text(encoding="utf-8"))
    parts = [("", opening), *(section.split("\n", 1) for section in sections)]
    return {heading.strip(): text.strip() for heading, text in parts}


def lay_out_notes(folder: Path) -> None:
    """A page for teachers of each notebook that has notes."""
    folder.mkdir()
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        if notes := notes_of(path.stem):
            title = title_of(path)
            text = f"# Notes on {title}\n\nFor those who teach [{title}](../{path.name}).\n"
            for heading, note in notes.items():
                text += f"\n## {heading}\n\n{note}\n" if heading else f"\n{note}\n"
            page = f"notebooks/source/{path.stem}.notes.md"
            (folder / f"{path.stem}.md").write_text(led_to_the_site(text, page), encoding="utf-8")


def course_map() -> str:
    """README's table of the notebooks, each name a link to its page, those not listed added."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\d\d_\w+)` \| (.+ \| \d+) \|$", readme, flags=re.MULTILINE))
    lines = ["| notebook | what you can do afterwards | seconds |", "|---|---|---|"]
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        title = title_of(path)
        lines.append(f"| [{title}](notebooks/{path.stem}) | {rows.get(path.stem, ' | ')} |")
    return "\n".join(lines) + "\n"


def title_of(path: Path) -> str:
    """A notebook's heading, up to the colon."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    heading = "".join(cells[0]["source"]).splitlines()[0]
    return heading.removeprefix("# ").split(":")[0]


# The belief map ---------------------------------------------------------------


def belief_map(static: Path) -> str:
    """Draw a frame for each gamma; return the figure as HTML: a row of stills that a script
    turns into one picture with a slider."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from torch.nn.functional import binary_cross_entropy_with_logits as bce

    from course_utils import plots
    from course_utils.losses import label_smoothing_cross_entropy, sigmoid_focal_loss
    from course_utils.metrics import as_binary, belief

    def weighted(logits, target):
        return (1 + 9 * target) * bce(logits, target, reduction="none")

    smoothing = partial(label_smoothing_cross_entropy, smoothing=0.1, reduction="none")
    frames = []
    for gamma in GAMMAS:
        focal = partial(sigmoid_focal_loss, gamma=gamma, reduction="none")
        losses = {"cross entropy": partial(bce, reduction="none"),
                  "weighted 10": weighted,
                  f"focal, gamma {gamma:g}": focal,
                  "smoothing 0.1": as_binary(smoothing)}
        with plt.style.context([plots.STYLE, {"svg.fonttype": "path", "svg.hashsalt": "belief"}]):
            figure, ax = plt.subplots(figsize=(5.6, 4.4))
            plots.plot_belief_map(losses, mark=0.1, ax=ax)
            name = f"belief_{gamma:.1f}.svg".replace(".", "_", 1)
            figure.savefig(static / name, metadata={"Date": None, "Creator": None})
            plt.close(figure)
        beliefs = [belief(loss, 0.1).item() for loss in losses.values()]
        alt = (f"Belief against true probability, for focal loss with gamma {gamma:g} beside three "
               f"other losses. Where one in ten is positive, focal loss says {beliefs[2]:.2f}, "
               f"cross entropy {beliefs[0]:.2f}, cross entropy with "
               f"positives weighted 10 {beliefs[1]:.2f}, smoothing 0.1 {beliefs[3]:.2f}.")
        frames.append({"gamma": gamma, "src": f"_static/{name}", "alt": alt,
                       "says": f"{beliefs[2]:.2f}"})
    stills = "".join(
        f'<img src="{f["src"]}" alt="{html.escape(f["alt"])}" width="560" height="440">\n'
        for f in frames if f["gamma"] in STILLS)
    return (f'<figure id="belief-map" data-frames="{html.escape(json.dumps(frames))}">\n'
            f'<div class="stills">\n{stills}</div>\n</figure>\n')


# The package ------------------------------------------------------------------


def lay_out_api(folder: Path) -> None:
    """A page for each module of course_utils; its docstring opens the page."""
    folder.mkdir()
    package = importlib.import_module("course_utils")
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    for name in names:
        page = f"# {name}\n\n```{{eval-rst}}\n.. automodule:: course_utils.{name}\n```\n"
        (folder / f"{name}.md").write_text(page, encoding="utf-8")
    listing = "\n".join(names)
    (folder / "index.md").write_text(
        "# The package\n\n`course_utils` holds what the notebooks use once they have shown how it "
        f"works.\n\n```{{toctree}}\n:maxdepth: 2\n\n{listing}\n```\n", encoding="utf-8")


# The verdicts of the laboratory ------------------------------------------------


def verdicts() -> str:
    """The verdict on each claim, and the intervals behind it."""
    from course_utils.lab import claims, running

    table, *halves = (claims.judge(running.load(which)) for which in (None, *running.SETS))
    board = claims.summarise(table, *halves).reset_index()
    columns = ["claim", "where", "unit", "asked", "control", "smallest", "effect", "low", "high",
               "outcome"]
    return ("# The verdicts\n\nEach common claim about these losses, and what a controlled test "
            "found. How each was tested, and the rule that turns intervals into a verdict, stand "
            "in [notebook 08](notebooks/08_choosing_a_loss). The scores behind them lie in "
            "`data/lab`, and `python start.py lab` computes them. The seeds form two sets that "
            "share nothing: *stability* says whether each of them alone gives the same outcomes, "
            f"and *changed* in how many of the settings they differ.\n\n{markdown_table(board)}\n"
            "## The intervals\n\nEach effect with its interval, beside the smallest one that "
            "counts. The claim expects *more than* that, or *less than* that, or a difference in "
            "either direction (*different by*), or none (*the same within*). A *control* must be "
            f"a yes before a setting can decide.\n\n{markdown_table(table[columns])}")


def markdown_table(frame: pd.DataFrame) -> str:
    rows = [list(frame), ["---"] * len(frame.columns), *frame.fillna("").to_numpy().tolist()]
    cells = ([f"{v:.3g}" if isinstance(v, float) else str(v).replace("|", "\\|") for v in row]
            for row in rows)
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)


# The build --------------------------------------------------------------------


def polish(site: Path) -> None:
    """Name the sidebar's folding marks for screen readers; drop the theme's templates."""
    for path in site.glob("_static/*.html"):
        path.unlink()
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        text = text.replace('<summary><span class="toctree-toggle"',
                            '<summary aria-label="Pages below"><span class="toctree-toggle"')
        path.write_text(text, encoding="utf-8")


def main(target: Path = ROOT / "build" / "site") -> int:
    """Build the site anew; any warning of Sphinx is an error."""
    from sphinx.cmd.build import build_main

    os.environ.setdefault("OMP_NUM_THREADS", "1")  # several threads only wait for each other here
    started = time.perf_counter()
    source, trees = (target.with_name(f"{target.name}-{kind}") for kind in ("source", "doctrees"))
    for old in (target, trees):
        shutil.rmtree(old, ignore_errors=True)
    lay_out(source)
    code = build_main(["-q", "-W", "--keep-going", "-b", "html", "-c", str(DOCS), "-d", str(trees),
                       "-D", f"html_static_path={source / '_static'}", str(source), str(target)])
    if code:
        return code
    polish(target)
    print(f"{target / 'index.html'}: open it in a browser "
          f"({time.perf_counter() - started:.0f} s).")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main(*map(Path, sys.argv[1:])))
