"""Judges: models of the tenant that score answers, asked through the gateway. How far they can be believed is measured."""

from collections.abc import Mapping
from functools import partial

from ondol.application.evaluation.judges import pairwise, panel, reference, rubric, sentences
from ondol.application.evaluation.judges.fitness import check_may_decide, fit
from ondol.application.evaluation.scorers.base import Loader

LOADERS: Mapping[str, Loader] = {
    "judge.groundedness": fit(partial(sentences.load, sentences.GROUNDED)),
    "judge.pairwise": fit(pairwise.load),
    "judge.panel": fit(panel.load),
    "judge.reference": fit(reference.load),
    "judge.rubric": fit(rubric.load),
    "judge.steps": fit(partial(sentences.load, sentences.REASONED)),
}
"""By the `type` that a suite names."""

__all__ = ["LOADERS", "check_may_decide"]
