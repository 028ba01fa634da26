"""What the demo's search finds, apart from what is answered from it: every golden question that a document answers, as whoever asks it."""

from __future__ import annotations

from collections.abc import Iterator

from ondol.application.evaluation.suites import Card, GateSection, Limits, MadeCases, Primary, ScorerSpec, Suite, TargetSpec
from ondol.application.evaluation.types import Case
from ondol.demo.suite import PASSAGES, K, golden_cases

__all__ = ["suite"]

ANSWERED = frozenset({"answerable", "newest"})
SCORERS = (
    ScorerSpec(name="document found", type="retrieval.recall", settings={"k": K}),
    ScorerSpec(name="place of the document", type="retrieval.mrr", settings={"k": K}),
    ScorerSpec(name="nDCG", type="retrieval.ndcg", settings={"k": K}),
    ScorerSpec(name="diversity", type="retrieval.diversity", settings={"k": K}),
    ScorerSpec(name="permission leaks", type="permission_leaks", settings={"stages": ["final"]}),
    ScorerSpec(name="search time", type="latency"),
)


def suite() -> Suite:
    """The golden questions that a document open to their asker answers, in both languages."""
    return Suite(
        card=Card(
            name="demo-search",
            owner="admin@durubitnaru.example",
            purpose="Finds the document that answers a question among those that the asker may read, and shows no other.",
            risk="limited",
            users="customers and staff",
            success={"document found": 0.85, "place of the document": 0.7, "permission leaks": 0.0},
        ),
        target=TargetSpec(kind="retriever", name="help", settings={"passages": PASSAGES}),
        cases=MadeCases(make=_cases),
        scorers=SCORERS,
        slices=("language", "kind", "topic"),
        limits=Limits(concurrency=2),
        gate=GateSection(primary=(Primary(metric="document found", margin=0.02),), hard_zero=("permission leaks",)),
    )


def _cases() -> Iterator[Case]:
    return (case for case in golden_cases() if case.slices["kind"] in ANSWERED)
