"""Settings of the documentation: `make docs` builds it, warnings being errors."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOOLS = HERE / "tools"
sys.path.insert(0, str(TOOLS))

from stale import code_digest  # noqa: E402

from sedum import __version__  # noqa: E402

project = "sedum"
author = "The sedum developers"
copyright = "2026, the sedum developers"
version = release = __version__
#: The addresses that pyproject.toml declares.
_URLS = dict(
    entry.split(", ", 1) for entry in importlib.metadata.metadata("sedum").get_all("Project-URL")
)

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinxcontrib.bibtex",
    "sphinx_sedum",
]
exclude_patterns = ["_build", "tools"]
templates_path = ["templates"]
language = "en"
smartquotes = False  # options of commands begin with two hyphens

# --- text, equations, references ---------------------------------------------------------

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 3
myst_dmath_double_inline = True
bibtex_bibfiles = ["references.bib"]
bibtex_default_style = "plain"
bibtex_reference_style = "author_year"

# --- tutorials ---------------------------------------------------------------------------

# What was executed with other code is executed again.
nb_execution_mode = "cache"
nb_execution_cache_path = str(HERE / "_build" / "notebooks" / code_digest())
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_execution_timeout = 180
nb_merge_streams = True
nb_render_markdown_format = "myst"
nb_render_image_options = {"width": "100%"}
# One thread each: waiting for each other on a busy machine takes longer than working alone.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Kernels find the helper that trains the tutorials' estimator, and the command line.
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(TOOLS), *filter(None, [os.environ.get("PYTHONPATH")])]
)
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

# --- the reference of the Python interface -----------------------------------------------

autosummary_generate = True
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"
python_maximum_signature_line_length = 72  # longer ones have a line for each parameter
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
autodoc_member_order = "bysource"

# --- HTML: nothing is fetched from elsewhere ---------------------------------------------

html_theme = "pydata_sphinx_theme"
html_title = f"sedum {version}"
html_static_path = ["static"]
html_css_files = ["sedum.css"]
html_copy_source = False
html_show_sourcelink = False
html_logo = "images/logo.svg"
html_favicon = "images/logo.svg"
html_theme_options = {
    "logo": {"text": "sedum", "alt_text": "sedum"},
    "show_toc_level": 2,
    "navigation_with_keys": False,
    # One row at 1280 pixels: search is a button, and the last pages are under "More".
    "header_links_before_dropdown": 6,
    "navbar_align": "left",
    "navbar_persistent": ["search-button"],
    "navbar_end": ["version-link", "theme-switcher", "navbar-icon-links"],
    "icon_links": [
        {"name": "Source on GitHub", "url": _URLS["Source"], "icon": "fa-brands fa-github"},
    ],
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
# Pages that have none below them need no list of them.
html_sidebars = {page: [] for page in ("comparison", "faq", "index", "references", "start")}
html_context = {"default_mode": "light"}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# MathJax comes from a package and is copied beside the pages. The package is only looked for, not
# imported.
_MATHJAX = importlib.util.find_spec("mathjax")
assert _MATHJAX is not None, "pip install 'sedum[docs]'"
mathjax_files = f"{next(iter(_MATHJAX.submodule_search_locations or []))}/static/mathjax/es5"
mathjax_path = "mathjax/tex-chtml.js"
