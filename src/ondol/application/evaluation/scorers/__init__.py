"""Scorers, one file each. A new one is its file, its test, its line in `LOADERS`, and its paragraph in `docs/concepts/scorers.md`."""

from ondol.application.evaluation.scorers.base import Loader, Rule, Scorer, Tools, skipped
from ondol.application.evaluation.scorers.settings import Settings

LOADERS: dict[str, Loader] = {}
"""By the `type` that a suite names."""

__all__ = ["LOADERS", "Loader", "Rule", "Scorer", "Settings", "Tools", "skipped"]
