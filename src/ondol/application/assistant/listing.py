"""Questions that ask which things there are, and what answers them: a list or table below a heading that names the things, or a sentence that
counts them up.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ondol.application.assistant.words import HANGUL, lower, stem_words

LISTED_WORDS_MAX = 8
"""A longer phrase describes a situation rather than naming things."""
ORDERED_GRADE = 0.5
"""Numbered lines are more often steps than kinds of a thing."""

SENTENCES_GRADE = 0.4
"""What a list of sentences counts, beside one of names."""
EXAMPLE_GRADE = 0.5
"""What a sentence counts that names some of the things as examples."""
OWN_SHARE = 0.75

_MANY = r"(?:(?:different|possible|available|supported|valid|main|various|allowed|existing|basic|built-in|all)\s+)"
_KINDS = (
    r"(?:types|kinds|sorts|forms|classes|categories|modes|levels|tiers|states|statuses|phases|stages|policies|values|options|methods|ways"
    r"|strategies|components|parts|elements|effects|conditions|roles|formats|grades|plans|variants|versions|statuses)"
)
_ENGLISH = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"^(?:what|which)\s+{_MANY}*(?P<listed>[^?,]+?)\s+(?:are\s+there|exist|are\s+(?:available|possible|supported|allowed|defined|valid))\b[^?,]{{0,40}}\?*$",
        rf"^(?:what|which)\s+are\s+(?:the\s+)?{_MANY}+(?P<listed>[^?,]+?)\s*\?*$",
        rf"^(?:what|which)\s+are\s+(?:the\s+)?(?P<listed>(?:[\w-]+\s+){{0,4}}{_KINDS}\b(?:\s+(?:of|for|in)\s+[^?,]+?)?)\s*\?*$",
        r"^(?:what|which)\s+(?P<listed>[^?,]{2,40}?s(?:\s+of\s+[^?,]+?)?)\s+(?:does|do|can)\s+(?P<of>[^?,]+?)\s+"
        r"(?:have|support|know|offer|provide|accept|allow|define|distinguish|recogni[sz]e|come\s+in|come\s+with|be\s+in|take)\s*\?*$",
        rf"^(?:list|name|enumerate)\s+(?:me\s+)?(?:all\s+)?(?:the\s+)?{_MANY}*(?P<listed>[^?,]+?)\s*[?.]*$",
    )
)
_KOREAN = tuple(
    re.compile(pattern)
    for pattern in (
        r"^(?P<listed>[^?,]+?)(?:에는|에|으로는|로는|은|는|이|가)?\s+(?:어떤\s?(?:것|종류|유형|게)(?:들)?(?:이|가)?|무엇(?:무엇)?(?:이|들이)?|뭐(?:가)?)\s*(?:있|존재)\S*\s*\?*$",
        r"^(?P<of>[^?,]*?)(?:에는|에|의|은|는)?\s?(?:어떤|무슨)\s(?P<listed>[^?,]+?)(?:들)?(?:이|가)\s*(?:있|존재)\S*\s*\?*$",
        r"^(?P<listed>[^?,]+?의?\s?(?:종류|유형))(?:는|은|를|을|에는)\s?(?:\S+\s?){0,2}(?:무엇|뭐|어떤|알려)\S*\s*[?.]*$",
        r"^(?P<listed>[^?,]+?)(?:를|을)\s(?:모두\s)?(?:나열|열거)\S*\s*[?.]*$",
    )
)
_OWNED = re.compile(
    r"^(?P<name>(?!(?:types|kinds|sorts|forms|categories)\s+of\b).+?)\s+(?:of|for|in)\s+(?:an?\s+|the\s+)?(?P<owner>.+)$|^(?P<whose>.+\S)의\s(?P<thing>(?!종류|유형).+)$",
    re.IGNORECASE,
)
_PARTICLES = re.compile(r"(?:에서의|에서|에는|에게|들의|의|에|은|는|이|가|을|를|들)$")
_LIGHT_KINDS = frozenset({"type", "kind", "sort", "종류", "유형"})
"""A heading that names the things need not say that they are kinds."""

_NAME = r"(?:[`\"“'*_][^`\"”'*_]{1,40}[`\"”'*_]|[A-Z][\w-]{1,30})(?:\s?\([^)]{1,30}\))?"
_MARKED = re.compile(rf"{_NAME}(?:\s*,\s+{_NAME})*(?:\s*,)?\s*(?:and|or|그리고|또는|혹은|및|와|과|,)\s+(?:or\s+|and\s+|또는\s+|그리고\s+)?{_NAME}")
_NAMES = re.compile(_NAME)
_THREE = 3
_PLAIN = re.compile(
    r"[^,;:.]{2,40},\s+[^,;:.]{2,40},?\s+(?:and|or)\s+\w|[가-힣)\w]{2,20},\s[^,.]{2,20}(?:,|\s)\s?(?:및|그리고|또는|혹은|와|과)?\s?[가-힣A-Za-z]"
)
_EXAMPLES = re.compile(r"\bsuch as\b|\bfor example\b|\be\.g\.|\blike\b|예를 들|같은|와 같이|등(?:의|을|이|과)?\s", re.IGNORECASE)
_NAMED_ITEM = re.compile(
    r"(?:[-*+•·]\s+|\d{1,2}[.)]\s+)?(?:[`*_\"“][^`*_\"”\n]{1,60}[`*_\"”]|[^.:;\n]{1,40}(?:\s:\s|:\s|\s[-–—]+\s)|\S+(?:\s\S+){0,4}\s*(?:\n|$))"
)
_COUNTED = re.compile(
    r"\b(?:two|three|four|five|six|seven|several)\s+(?:\w+\s+){0,2}\w+s\b|\bfollowing\b|\bone of\b|\binclud(?:es?|ing)\b|\beither\b"
    r"|(?:두|세|네|다섯|여섯|일곱)\s?(?:가지|개|종류)|다음|중\s?하나|포함",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Listed:
    """The things that a question wants listed: their names, and those of what they belong to, as in the question."""

    phrase: str
    of: str = ""


def listed_by(question: str) -> Listed | None:
    """What a question wants listed; None for all other questions."""
    asked = " ".join(question.split())
    for pattern in _KOREAN if HANGUL.search(asked) else _ENGLISH:
        match = pattern.match(asked)
        if match is not None and len(match["listed"].split()) <= LISTED_WORDS_MAX:
            owned = _OWNED.match(match["listed"])
            of = (match.groupdict().get("of") or "").strip()
            return Listed(match["listed"], of) if owned is None else Listed(owned["name"] or owned["thing"], owned["owner"] or owned["whose"])
    return None


def enumerates(text: str) -> float:
    """How surely a sentence counts things up: 1 for three names or more, less for plain words, 0 for neither. Case matters."""
    marked = max((len(_NAMES.findall(match[0])) for match in _MARKED.finditer(text)), default=0)
    counted = _COUNTED.search(text) is not None
    if marked >= _THREE or (marked and counted):
        return EXAMPLE_GRADE if _EXAMPLES.search(text) else 1.0
    return (0.6 if counted else 0.3) if _PLAIN.search(text) else 0.0


def names_things(items: Sequence[str]) -> float:
    """How far a list is one of names, with or without what they mean, and not one of sentences: from `SENTENCES_GRADE` to 1."""
    named = sum(_NAMED_ITEM.match(item) is not None for item in items) / len(items)
    ordered = ORDERED_GRADE if items[0][:1].isdigit() else 1.0
    return (SENTENCES_GRADE + (1.0 - SENTENCES_GRADE) * named) * ordered


def is_headed(heading: str, listed: Listed) -> float:
    """How nearly a heading says what is listed, and nothing else: the harmonic mean of the shares of the words that each has of the other."""
    told = set(_words(_ASIDE.sub("", heading)))
    wanted = set(_words(listed.phrase))
    best = 0.0
    for words in (wanted, wanted - _LIGHT_KINDS, wanted | set(_words(listed.of))):
        shared = sum(1 for word in words if word in told or (not word.isascii() and any(word in other or other in word for other in told)))
        best = max(best, 2 * shared / (len(words) + len(told)) if words and told else 0.0)
    return min(best, 1.0)


def heads(headings: str, listed: Listed) -> float:
    """The share of the words for the listed things that headings hold, whatever their spaces; those of what has them count less."""
    own = _held(headings, [word for word in _words(listed.phrase) if word not in _LIGHT_KINDS])
    owner = _words(listed.of)
    return OWN_SHARE * own + (1 - OWN_SHARE) * _held(headings, owner) if owner else own


def _held(text: str, words: Sequence[str]) -> float:
    lowered = lower(text)
    joined = lowered.replace(" ", "")
    stems = set(stem_words(re.findall(r"[a-z0-9]+", lowered)))
    return sum(word in stems if word.isascii() else word in joined for word in words) / len(words) if words else 0.0


_ASIDE = re.compile(r"\([^)]*\)")
_FUNCTION = frozenset({"a", "an", "the", "of", "for", "in", "to", "is", "are", "there", "on", "you", "your", "we", "i", "my", "our"})


def _words(phrase: str) -> list[str]:
    pieces = re.findall(r"[a-z0-9]+|[가-힣]+", lower(phrase))
    english = stem_words([piece for piece in pieces if piece.isascii() and piece not in _FUNCTION])
    return english + [_PARTICLES.sub("", piece) if len(piece) > 2 else piece for piece in pieces if not piece.isascii()]
