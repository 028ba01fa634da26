"""Every type of scorer that a suite may name: those that compute, those that ask a judge, and that of red teams."""

from __future__ import annotations

from ondol.application.evaluation import judges, scorers
from ondol.application.evaluation.red_team import scorer as red_team
from ondol.application.evaluation.scorers.base import Loader

LOADERS: dict[str, Loader] = {**scorers.LOADERS, **judges.LOADERS, red_team.TYPE: red_team.load}
"""By the `type` that a suite names."""
