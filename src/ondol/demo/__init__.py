"""The demo tenant: an invented hosting company with its documents, its people and the questions that they ask."""

from __future__ import annotations

from pathlib import Path
from typing import Final

__all__ = ["SUITES", "documents_folder", "golden_folder", "suite_file", "tenant_file"]

SUITES: Final = {"demo": "suite.py", "demo-search": "search_suite.py", "demo-guard": "guard_suite.py"}
"""What measures the demo tenant: its assistant, its search, its guard."""

_HERE = Path(__file__).resolve().parent


def documents_folder() -> Path:
    """The folder of the demo documents: ``<language>/<topic>/<name>`` as Markdown, HTML, PDF and DOCX.

    Markdown and HTML carry their metadata themselves; beside a PDF or DOCX file stands ``<file name>.meta.yaml``.
    """
    return _HERE / "documents"


def golden_folder() -> Path:
    """The folder of the golden questions, as JSON Lines files; `ondol.demo.golden` reads them."""
    return _HERE / "golden"


def tenant_file() -> Path:
    """The demo tenant's groups, people and assistant, as `ondol apply` takes them."""
    return _HERE / "tenant.yaml"


def suite_file(name: str = "demo") -> Path:
    """The suite called `name`, one of `SUITES`: ``ondol eval run demo``."""
    return _HERE / SUITES[name]
