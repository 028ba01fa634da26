"""Questions that ask what something is or does, and sentences that say so: they begin with the thing itself.

"What is an Ingress?" shares its one word with hundreds of sentences; the one that answers begins with it and goes on with a verb, or in Korean
with its topic particle.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ondol.application.knowledge.search import Evidence

SUBJECT_WORDS_MAX = 3
DEFINING_MAX = 6
"""So many passages beyond the usual number are read because one of their lines begins with the subject."""

_ARTICLE = r"(?:an?\s+|the\s+)?"
_ENGLISH = (
    re.compile(rf"^what\s+(?:is|are)\s+the\s+(?:purpose|role|job|function)\s+of\s+{_ARTICLE}(?P<subject>[^?,]+?)\s*\?*$", re.IGNORECASE),
    re.compile(
        rf"^(?:what|who)\s+(?:is|are|was|were)\s+{_ARTICLE}(?P<subject>[^?,]+?)(?:\s+(?:used\s+)?for)?(?:\s+in\s+[\w-]+)?\s*\?*$", re.IGNORECASE
    ),
    re.compile(rf"^what\s+(?:does|do)\s+{_ARTICLE}(?P<subject>[^?,]+?)\s+(?:do|ensure|mean|stand for|provide|guarantee)\s*\?*$", re.IGNORECASE),
)
_KOREAN = re.compile(
    r"^(?:\S+에서\s+|\S+에서의\s+)?(?P<subject>\S+?(?:\s\S+?)?)"
    r"(?:이란|란|은|는|이|가|의\s(?:목적|역할|기능)(?:은|는)?)\s*(?:무엇|뭐|뭔|뭘|무슨\s뜻|어떤\s(?:역할|것|기능)|어떻게\s정의)"
)
_NOT_A_THING = re.compile(r"\b(?:of|for|by|to|when|if|that|default|maximum|minimum|difference|between|my|your|our)\b", re.IGNORECASE)
_VERB = r"(?:is|are|was|were|represents?|describes?|defines?|ensures?|exposes?|provides?|manages?|maintains?|specif(?:y|ies)|lets?|allows?|enables?)"
_BEFORE = r"^(?:[-*•]\s+|\d+[.)]\s+)?[`\"'*_]*"
_ASIDE = r"[`\"'*_]*(?:\s*\([^)]{1,60}\))?[`\"'*_]*"


def subject_of(question: str) -> str | None:
    """The thing whose nature a question asks for; None for all other questions."""
    asked = " ".join(question.split())
    for pattern in _ENGLISH:
        match = pattern.match(asked)
        if match is not None:
            subject = match["subject"]
            is_thing = len(subject.split()) <= SUBJECT_WORDS_MAX and _NOT_A_THING.search(subject) is None
            return subject if is_thing else None
    match = _KOREAN.match(asked)
    return match["subject"] if match is not None else None


def opening_of(subject: str) -> re.Pattern[str]:
    """How a sentence begins that says what the subject is or does."""
    name = re.escape(subject)
    english = rf"(?:(?:In|On)\s+[\w-]+,\s+)?(?:an?\s+|the\s+)?{name}(?:e?s)?{_ASIDE}(?:['’]s\s+\w+)?\s+{_VERB}\b"
    korean = rf"(?:\S+에서\s*,?\s+)?{name}{_ASIDE}\s?(?:이란|란|은|는)\s"
    return re.compile(rf"{_BEFORE}(?:{english}|{korean})", re.IGNORECASE)


def with_defining(subject: str, evidence: Sequence[Evidence], usual: int) -> tuple[Evidence, ...]:
    """The usual number of best passages, and of the others those that seem to say what the subject is; documents named after it come first."""
    opening = opening_of(subject)
    others = [found for found in evidence[usual:] if any(opening.match(line) for line in found.text.splitlines())]
    named = subject.casefold()
    others.sort(key=lambda found: found.version.details.title.casefold().rstrip("s") != named.rstrip("s"))
    return (*evidence[:usual], *others[:DEFINING_MAX])
