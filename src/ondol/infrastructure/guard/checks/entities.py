"""Names, addresses, organisations and what else has no form: the check `entities`, by a small tagger for Korean and English."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ondol.infrastructure.guard.tagging import Tagger, load_tagger
from ondol.infrastructure.guard.tagging.model import LABELS
from ondol.infrastructure.guard.text import GuardText
from ondol.infrastructure.guard.types import Finding

ENTITIES: Final = LABELS
"""What a finding's `entity` may be."""

REACH_CHARACTERS: Final = 256
"""An entity has at most 200 characters; the tagger looks at two tokens to each side."""

CONFIDENCE_MIN: Final = 0.2
"""Below this nothing is reported; policies choose their own, higher thresholds."""

_RULES: Final = {label: f"entities.{label.lower()}" for label in ENTITIES}


class EntityCheck:
    """Finds people, places, organisations and what describes a person.

    Korean particles, honorifics and a possessive 's are not part of a finding; an address is one finding from region to room. Confidence is the
    calibrated probability that the kind and at least half of the span are right, on sentences held out from training.
    """

    name = "entities"
    reach: int | None = REACH_CHARACTERS

    def __init__(self, tagger: Tagger | None = None) -> None:
        self._given = tagger

    def find(self, text: GuardText) -> Sequence[Finding]:
        """All findings, by where they begin. Linear in the text's length."""
        view = text.plain
        tagger = self._given or load_tagger()
        findings = []
        for entity in tagger.entities(view.text, CONFIDENCE_MIN):
            start, end = view.span(entity.start, entity.end)
            findings.append(Finding(self.name, _RULES[entity.label], start, end, entity.confidence, "tagger", entity.label))
        return findings
