"""How Sphinx makes the site, from pages that `build_site.py` lays out."""

import re
import sys
from importlib.metadata import distribution
from pathlib import Path

from sphinx import addnodes

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

project = "What should a classifier believe?"
html_title = project
copyright = "the authors of the course. Text and figures CC BY 4.0, code MIT"
language = "en"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
exclude_patterns = ["_*"]

# Notebooks: the stored outputs, no kernel, no widget library from elsewhere.
nb_execution_mode = "off"
nb_ipywidgets_js = {}
nb_merge_streams = True
nb_code_prompt_show, nb_code_prompt_hide = "Show the code", "Hide the code"
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist", "attrs_block"]
myst_heading_anchors = 3
myst_dmath_double_inline = True

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_type_aliases = {"ArrayLike": "ArrayLike", "LossFunction": "LossFunction"}
autodoc_typehints_description_target = "documented"
autodoc_default_options = {"members": True, "undoc-members": True}
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "sphinx_book_theme"
html_css_files = ["course.css"]
html_js_files = ["course.js"]
html_domain_indices = False
html_copy_source = False
html_show_sphinx = False
html_show_sourcelink = False
html_context = {"default_mode": "auto"}
html_theme_options = {
    "navbar_persistent": [],
    "footer_content_items": ["copyright"],
    "home_page_in_toc": False,
    "show_toc_level": 2,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}

# MathJax comes as a Python package; one of its files is all that a page needs.
mathjax_path = "mathjax.js"
mathjax3_config = {"options": {"enableMenu": False}, "svg": {"fontCache": "global"}}
MATHJAX = distribution("sphinx-mathjax-offline").locate_file(
    "sphinx-mathjax-offline/static/mathjax/tex-svg-full.js")


def plain_tables(app, pagename, templatename, context, doctree):
    """Give pandas' tables headers marked by their scope, and none of its own styles."""
    if body := context.get("body"):
        body = re.sub(r"<style scoped>.*?</style>", "", body, flags=re.DOTALL)
        body = body.replace('<table border="1" class="dataframe">', '<table class="dataframe">')
        context["body"] = body.replace("<th></th>", "<td></td>")


def drop_paths(app, doctree):
    """Leave out values that are paths of the machine on which the site is built."""
    for node in list(doctree.findall(addnodes.desc_annotation)):
        if "Path(" in node.astext():
            node.parent.remove(node)


def setup(app):
    app.connect("doctree-read", drop_paths)
    app.connect("html-page-context", plain_tables)
