"""Every type of scorer that a suite may name: those that compute, and those that ask a judge."""

from __future__ import annotations

from ondol.application.evaluation import judges, scorers
from ondol.application.evaluation.scorers.base import Loader

LOADERS: dict[str, Loader] = {**scorers.LOADERS, **judges.LOADERS}
"""By the `type` that a suite names."""
