"""How Sphinx builds the documentation: Markdown pages, warnings are errors, nothing is fetched from anywhere."""

from __future__ import annotations

from ondol import __version__

project = "Ondol"
author = "the Ondol authors"
release = version = __version__
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
suppress_warnings = ["toc.empty_glob"]
html_theme = "furo"
html_title = "Ondol"
html_show_sphinx = False
html_copy_source = False
