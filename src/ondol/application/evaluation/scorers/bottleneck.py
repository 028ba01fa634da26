"""Where a search loses what it should have found: each relevant document that is not among the first places has one stage to blame.

A document that no first stage ranked was lost by `candidates`. One that stood among the first `k` of some stage was pushed out by the stage after
the last of these. One that was a candidate but never stood so high was lost by the stage that dropped it from its list, and where none did, by the
last stage that ranks: it had the document and did not lift it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ondol.application.evaluation.types import Ranked

FIRST_STAGES = ("full_text", "vectors")
LATER_STAGES = ("fused", "reranked", "diverse", "final")
FOUND = "found"
CANDIDATES = "candidates"


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """Of all relevant documents of all cases, what became of them.

    Attributes:
        relevant, found: how many there were, and how many stood among the first places in the end.
        lost: by the stage that lost them, the most first; `candidates` where neither full text nor vectors ranked them.
    """

    relevant: int
    found: int
    lost: Mapping[str, int]

    @property
    def stage(self) -> str:
        """The stage that loses most; empty where nothing is lost."""
        return next(iter(self.lost), "")

    @property
    def recall(self) -> float:
        """The share of the documents that were found; 1 where there was none to find."""
        return self.found / self.relevant if self.relevant else 1.0

    def sentence(self) -> str:
        """What it says, for people."""
        if not self.lost:
            return f"All {self.relevant:,} relevant documents were found."
        worst = self.lost[self.stage]
        lost = self.relevant - self.found
        return f"{lost:,} of {self.relevant:,} relevant documents were lost, {worst:,} of them by the stage `{self.stage}`."


def fates(documents: Sequence[str], ranked: Sequence[Ranked], k: int) -> dict[str, str]:
    """What became of each relevant document of one case: `found`, or the stage that lost it.

    Args:
        ranked: the stages that the target told, in any order; `final` among them.
        k: so many first places of the end count.
    """
    stages = {one.stage: one.documents for one in ranked}
    return {document: _fate(document, stages, k) for document in documents}


def bottleneck(found: Iterable[Mapping[str, str]]) -> Bottleneck:
    """Sum up the fates of the documents of many cases, as `retrieval.recall` tells them in its details."""
    counts: Counter[str] = Counter()
    for one in found:
        counts.update(one.values())
    return bottleneck_of(counts)


def bottleneck_of(fates: Mapping[str, int]) -> Bottleneck:
    """Sum up how many documents had which fate."""
    counts = Counter(fates)
    relevant, kept = counts.total(), counts.pop(FOUND, 0)
    return Bottleneck(relevant, kept, dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))))


def _fate(document: str, stages: Mapping[str, Sequence[str]], k: int) -> str:
    if document in stages.get("final", ())[:k]:
        return FOUND
    first = [name for name in FIRST_STAGES if name in stages]
    later = [name for name in LATER_STAGES if name in stages]
    if first and not any(document in stages[name] for name in first):
        return CANDIDATES
    line = ["", *later]  # the first stages stand side by side: they are one step
    high = [any(document in stages[name][:k] for name in first), *(document in stages[name][:k] for name in later)]
    if any(high):
        last = max(place for place, is_high in enumerate(high) if is_high)
        return line[last + 1]
    dropped = next((name for name in later if document not in stages[name]), None)
    ranking = [name for name in later if name != "final"] or later
    return dropped if dropped is not None and dropped != "final" else ranking[-1]
