"""Names, addresses, organisations and what else has no form: the check `entities`, by a small tagger for Korean and English."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ondol.infrastructure.guard.tagging import Entity, Tagger, load_tagger
from ondol.infrastructure.guard.tagging.model import LABELS
from ondol.infrastructure.guard.text import GuardText
from ondol.infrastructure.guard.types import Finding

ENTITIES: Final = LABELS
"""What a finding's `entity` may be."""

REACH_CHARACTERS: Final = 160
"""An entity has at most 128 characters; the tagger looks at four tokens to each side."""

CONFIDENCE_MIN: Final = 0.2
"""Below this nothing is reported; policies choose their own, higher thresholds."""

_RULES: Final = {label: f"entities.{label.lower()}" for label in ENTITIES}


class EntityCheck:
    """Finds people, places, organisations and what describes a person.

    Korean particles, honorifics and a possessive 's are not part of a finding; an address is one finding from region to room. Confidence is the
    calibrated probability that the kind and at least half of the span are right, on sentences held out from training.
    """

    name = "entities"
    is_pure = True
    reach: int | None = REACH_CHARACTERS

    def __init__(self, tagger: Tagger | None = None) -> None:
        self._given = tagger
        self._ahead: tuple[str, list[Entity]] | None = None

    def find(self, text: GuardText) -> Sequence[Finding]:
        """All findings, by where they begin. Linear in the text's length."""
        view = text.plain
        ahead, self._ahead = self._ahead, None
        entities = ahead[1] if ahead is not None and ahead[0] == view.text else self._tagger().entities(view.text, CONFIDENCE_MIN)
        findings = []
        for entity in entities:
            start, end = view.span(entity.start, entity.end)
            findings.append(Finding(self.name, _RULES[entity.label], start, end, entity.confidence, "tagger", entity.label))
        return findings

    def open_from(self, text: str) -> int:
        """From where a finding may still come about or change, in characters: the last few words, or the beginning of an entity that may go on.

        A stream asks this right before it has the same text looked at; what was found for it is kept until then, and no longer.
        """
        view = GuardText(text).plain
        entities, place = self._tagger().read(view.text, CONFIDENCE_MIN)
        self._ahead = (view.text, entities)
        return view.span(place, place + 1)[0] if place < len(view.text) else len(text)

    def _tagger(self) -> Tagger:
        return self._given or load_tagger()
