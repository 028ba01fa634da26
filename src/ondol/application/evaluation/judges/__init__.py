"""Judges: models of the tenant that score answers, asked through the gateway. How far they can be believed is measured."""

from collections.abc import Mapping
from functools import partial

from ondol.application.evaluation.judges import pairwise, panel, reference, rubric, sentences
from ondol.application.evaluation.scorers.base import Loader

LOADERS: Mapping[str, Loader] = {
    "judge.groundedness": partial(sentences.load, sentences.GROUNDED),
    "judge.pairwise": pairwise.load,
    "judge.panel": panel.load,
    "judge.reference": reference.load,
    "judge.rubric": rubric.load,
    "judge.steps": partial(sentences.load, sentences.REASONED),
}
"""By the `type` that a suite names."""

__all__ = ["LOADERS"]
