"""What a suite is known by: a digest over all that decides what is measured. How hard a run presses is no part of it."""

from __future__ import annotations

from dataclasses import asdict

from ondol.application.evaluation.suites.cases import Surveyed, exact
from ondol.application.evaluation.suites.types import Suite
from ondol.core.canonical import digest

FORM = 1


def suite_digest(suite: Suite, surveyed: Surveyed) -> bytes:
    """SHA-256 over the canonical JSON of card, cases, scorers, slices, repeats, seed and gate, 32 bytes.

    The target is left out: the same suite is asked of what is live and of what is to be.
    """
    return digest(
        {
            "form": FORM,
            "card": exact(asdict(suite.card)),
            "cases": {"count": surveyed.count, "digest": surveyed.digest},
            "scorers": [exact(asdict(scorer)) for scorer in suite.scorers],
            "slices": list(suite.slices),
            "repeats": suite.repeats,
            "seed": suite.seed,
            "gate": exact(asdict(suite.gate)),
        }
    )
