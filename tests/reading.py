"""What tests of text share: the headings, links and formulas of Markdown, as it will be shown.

The site reads Markdown with markdown-it, as docs/conf.py configures it; the slides, and JupyterLab
in nearly the same way, with nbconvert's mistune.
"""

import re
import runpy
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser
from myst_parser.slugs import github_slugify
from nbconvert.filters.markdown_mistune import markdown2html_mistune

ROOT = Path(__file__).resolve().parents[1]
CONF = runpy.run_path(str(ROOT / "docs" / "conf.py"))
SITE = create_md_parser(
    MdParserConfig(enable_extensions=CONF["myst_enable_extensions"],
                   dmath_double_inline=CONF["myst_dmath_double_inline"]), RendererHTML)
COMMONMARK = MarkdownIt("commonmark").enable("table")
FORMULA = re.compile(r"\$\$(.+?)\$\$|(?<![\\$])\$([^$]+?)(?<!\\)\$", re.DOTALL)


def headings(text: str) -> list[tuple[int, str]]:
    """Level and plain text of each heading."""
    tokens = COMMONMARK.parse(text)
    return [(int(token.tag[1]), "".join(part.content for part in tokens[i + 1].children))
            for i, token in enumerate(tokens) if token.type == "heading_open"]


def anchors(text: str, *, jupyter: bool) -> set[str]:
    """The fragments that lead to its headings, in Jupyter or as GitHub has them in a .md file."""
    return {title.replace(" ", "-") if jupyter else github_slugify(title)
            for _, title in headings(text)}


def links(text: str) -> list[str]:
    """The addresses that its links lead to."""
    return [token.attrs["href"] for token in walk(COMMONMARK.parse(text))
            if token.type == "link_open"]


def walk(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from walk(token.children or [])


def blocks(text: str) -> list[str]:
    """What blank lines separate, without code and the marks of a quotation."""
    text = re.sub(r"(?ms)^```.*?^```", "", text)
    text = re.sub(r"(?s)(`+)(?!`).+?(?<!`)\1(?!`)", "", text)
    return re.split(r"\n\s*\n", re.sub(r"(?m)^[ ]*>[ ]?", "", text))


def formulas(text: str) -> list[str]:
    """The formulas that an author wrote."""
    return [squeezed(found[1] or found[2])
            for block in blocks(text) for found in FORMULA.finditer(block)]


def formulas_on_the_site(text: str) -> list[str]:
    return [squeezed(token.content) for token in walk(SITE.parse(text))
            if token.type.startswith("math_")]


def formulas_in_slides(text: str) -> list[str]:
    pieces = Pieces()
    pieces.feed(markdown2html_mistune(text))
    pieces.close()
    return [squeezed(found[1] or found[2])
            for piece in "".join(pieces.text).split("\0") for found in FORMULA.finditer(piece)]


def squeezed(formula: str) -> str:
    """A formula without what makes no difference: its white space, a table's escaped bars."""
    return " ".join(formula.replace("\\|", "|").split())


class Pieces(HTMLParser):
    """The text of a page without its code, cut wherever a tag stands: MathJax reads no further."""

    def __init__(self):
        super().__init__()
        self.text, self.in_code = [], 0

    def handle_starttag(self, tag, attrs):
        self.in_code += tag in ("code", "pre")
        self.text.append("\0")

    def handle_endtag(self, tag):
        self.in_code -= tag in ("code", "pre")
        self.text.append("\0")

    def handle_data(self, data):
        self.text.append("" if self.in_code else data)
