"""Scorers, one file each. A new one is its file, its test, its line in `LOADERS`, and its paragraph in `docs/concepts/scorers.md`."""

from ondol.application.evaluation.scorers.base import Loader, Rule, Scorer, Tools, skipped
from ondol.application.evaluation.scorers.bottleneck import Bottleneck, bottleneck
from ondol.application.evaluation.scorers.leaks import load_permission_leaks
from ondol.application.evaluation.scorers.retrieval import load as load_retrieval
from ondol.application.evaluation.scorers.settings import Settings

LOADERS: dict[str, Loader] = {
    "permission_leaks": load_permission_leaks,
    "retrieval.diversity": load_retrieval("retrieval.diversity"),
    "retrieval.map": load_retrieval("retrieval.map"),
    "retrieval.mrr": load_retrieval("retrieval.mrr"),
    "retrieval.ndcg": load_retrieval("retrieval.ndcg"),
    "retrieval.precision": load_retrieval("retrieval.precision"),
    "retrieval.recall": load_retrieval("retrieval.recall"),
}
"""By the `type` that a suite names."""

__all__ = ["LOADERS", "Bottleneck", "Loader", "Rule", "Scorer", "Settings", "Tools", "bottleneck", "skipped"]
