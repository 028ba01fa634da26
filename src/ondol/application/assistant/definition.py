"""Questions that ask what something is or does, and sentences that say so: they begin with the thing itself.

"What is an Ingress?" shares its one word with hundreds of sentences; the one that answers begins with it and goes on with a verb, or in Korean
with its topic particle.
"""

from __future__ import annotations

import re

SUBJECT_WORDS_MAX = 3

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
    english = rf"(?:(?:In|On)\s+[\w-]+,\s+)?(?:an?\s+|the\s+)?{name}(?:e?s)?{_ASIDE}(?:['’]s\s+\w+)?\s+(?:is|are|was|were|[a-z]{{3,}}s)\b"
    korean = rf"(?:\S+에서\s*,?\s+)?{name}{_ASIDE}\s?(?:이란|란|은|는)\s"
    return re.compile(rf"{_BEFORE}(?:{english}|{korean})", re.IGNORECASE)
