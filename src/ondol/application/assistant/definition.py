"""Questions that ask what something is or does, and sentences that say so: they begin with the thing itself.

"What is an Ingress?" shares its one word with hundreds of sentences; the one that answers begins with it and goes on with a verb, or in Korean
with its topic particle. Or it is the first sentence below a heading that is the thing's name.
"""

from __future__ import annotations

import re
from functools import lru_cache

from ondol.application.assistant.words import HANGUL
from ondol.application.knowledge.search import Evidence

SUBJECT_WORDS_MAX = 3
_ARTICLE = r"(?:an?\s+|the\s+)?"
_PLACE = r"(?:\s+in\s+(?:an?\s+|the\s+)?[\w-]+)?\s*\?*$"
_ENGLISH = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"^what(?:'s|\s+is|\s+are)\s+the\s+(?:purpose|role|job|function|point|meaning)\s+of\s+{_ARTICLE}(?P<subject>[^?,]+?){_PLACE}",
        rf"^(?:what|who)(?:'s|\s+is|\s+are|\s+was|\s+were)\s+{_ARTICLE}(?P<subject>[^?,]+?)(?:\s+(?:used\s+|good\s+|responsible\s+)?for)?{_PLACE}",
        rf"^what\s+(?:does|do|can)\s+{_ARTICLE}(?P<subject>[^?,]+?)\s+(?:stand\s+for|[a-z]+){_PLACE}",
        rf"^what\s+(?:is|are)\s+{_ARTICLE}(?P<subject>[^?,]+?)\s+(?:used|needed|meant|intended)\s+(?:for|to\s+do){_PLACE}",
    )
)
_ASKS_KOREAN = (
    r"(?:무엇|뭐|뭔|뭘|무슨\s(?:뜻|역할|일)|어떤\s(?:역할|것|기능|일)|어디에\s(?:쓰|사용)|왜\s(?:쓰|사용)"
    r"|어떻게\s정의|(?:\S+에\s)?(?:쓰이|사용되)는\s(?:것|건))"
)
_KOREAN = re.compile(
    rf"^(?:\S+에서\s+|\S+에서의\s+)?(?P<subject>[^\s,]+?(?:\s[^\s,]+?)?)(?:이란|란|은|는|이|가|의\s?(?:목적|역할|기능|용도|쓰임새)(?:은|는|이|가)?)\s*{_ASKS_KOREAN}(?!이라|라고)[^?,.]{{0,14}}\s*[?.]*$"
)
_SORT = r"(?:objects?|resources?|commands?|오브젝트|리소스|객체|명령어?)"
"""What may stand behind a name without changing what it names."""
_SORT_BEHIND = re.compile(rf"\s+{_SORT}$", re.IGNORECASE)
_NOT_A_THING = re.compile(r"\b(?:of|for|by|to|when|if|that|default|maximum|minimum|difference|between|my|your|our|used)\b", re.IGNORECASE)
_OF_SOMETHING = re.compile(r"\S의\s|(?:기본|최대|최소|차이|이유|방법|형식|이름|크기)")

_THING = "\ue000"
"""Stands for the subject in a sentence, so that the patterns below need not be made for every subject. Of the private use area."""

_DOES = (
    r"(?:represents?|describes?|defines?|ensures?|exposes?|provides?|manages?|maintains?|specif(?:y|ies)|lets?|allows?|enables?|creates?|runs?"
    r"|helps?|gives?|holds?|stores?|controls?|acts?|serves?|offers?|consists?|makes?|watch(?:es)?|selects?|assigns?|determines?"
    r"|evicts?|removes?|connects?|handles?|implements?|keeps?|routes?|maps?|groups?|adds?|sets?|shows?|sends?|protects?|limits?|prevents?|tells?)"
)
_SAYS = r"(?:means?|refers?\s+to|stands?\s+for|represents?|describes?|defines?)"
_IS = r"(?:is|are|was|were)"
_NATURE = r"(?:an?|the|one|any|used|responsible|designed|intended|meant|what|where|how|also\s+(?:called|known))"
_MARKS = r"[`\"'*_]*"
_ASIDE = rf"(?:\s[^`\n]{{1,40}}(?=`))?{_MARKS}(?:\s+{_SORT})?(?:\s*\([^)]{{1,60}}\))?{_MARKS}"
_EN = rf"^(?:[-*•]\s+|\d+[.)]\s+)?(?:(?:In|On)\s+[\w-]+,\s+)?{_MARKS}(?:(?:an?|the|each|every)\s+)?{_MARKS}{_THING}{_ASIDE}(?:['’]s\s+\w+)?"
_KO = rf"^(?:[-*•]\s+|\d+[.)]\s+)?(?:\S+에서\s*,?\s+)?{_MARKS}{_THING}{_ASIDE}\s?"
_KO_NATURE = r"(?:이다|입니다|이에요|말한다|말합니다|뜻한다|뜻합니다|의미한다|의미합니다|것이다)"
_KO_DOES = r"(?:이며|이고|나타낸다|나타냅니다|한다|합니다|준다|진다|된다|있다|있습니다)"
_OPENINGS = tuple(
    (re.compile(pattern, re.IGNORECASE), grade)
    for pattern, grade in (
        (rf"{_EN}\s+{_IS}\s+(?:not|no\s+longer|now|currently|being)\b", 0.1),
        (rf"{_EN}\s+(?:{_IS}\s+{_NATURE}|{_SAYS})\b", 1.0),
        (rf"{_EN}\s*(?::|--|–|—)\s+\S", 0.8),
        (rf"{_EN}\s+(?:can\s+|may\s+|will\s+)?(?:be\s+used|{_DOES})\b", 0.7),
        (rf"{_EN}\s+(?:{_IS}|can|has|have|contains?)\b", 0.4),
        (rf"{_EN}\s+to\s+[a-z]+", 0.6),
        (rf"{_EN}\s+(?:[a-z]+ly\s+)?[a-z]{{2,}}(?:[^s\W]s|es)\s+(?!{_IS})", 0.5),
        (rf"{_THING}{_MARKS}[^.]{{0,80}}?\b{_IS}\s+(?:[a-z]+ly\s+)?used\s+(?:for|to|by|as)\b", 0.6),
        (rf"^[^;]{{1,60}}; [^;:]{{1,40}}: {_MARKS}{_THING}", 0.7),
        (rf"\bus(?:e|es|ing|ed)\s+{_ARTICLE}{_MARKS}{_THING}{_MARKS}\s+(?:as|to|for)\b", 0.7),
        (rf"\b(?:called|termed|known\s+as)\s+{_ARTICLE}{_MARKS}{_THING}", 0.5),
        (rf"{_KO}(?:이란|란)\s", 1.0),
        (rf"{_KO}의\s?(?:목적|역할|기능)(?:은|는)\s", 1.0),
        (rf"{_KO}(?:은|는)\s.*{_KO_NATURE}[.\"')]*$", 1.0),
        (rf"{_KO}(?:은|는)\s.*{_KO_DOES}[.\"')]*$", 0.7),
        (rf"{_KO}(?:은|는)\s", 0.4),
        (rf"{_THING}{_MARKS}(?:을|를)\s(?:사용|이용|활용)하(?:면|여)\s|{_THING}(?:이)?(?:라는|라고)\s", 0.4),
    )
)
"""How sentences begin that say what a thing is or does, and how well they do; the first that matches counts."""


def subject_of(question: str) -> str | None:
    """The thing whose nature a question asks for; None for all other questions."""
    asked = " ".join(question.split())
    for pattern in _ENGLISH:
        match = pattern.match(asked)
        if match is not None and is_thing(match["subject"]):
            return _SORT_BEHIND.sub("", match["subject"])
    match = _KOREAN.match(asked)
    return _SORT_BEHIND.sub("", match["subject"]) if match is not None and _OF_SOMETHING.search(match["subject"]) is None else None


def is_thing(words: str) -> bool:
    """Whether a few words name a thing, and do not describe one by its relation to another."""
    return len(words.split()) <= SUBJECT_WORDS_MAX and _NOT_A_THING.search(words) is None


@lru_cache(maxsize=256)
def mentions(subject: str) -> re.Pattern[str]:
    """The subject in a text, in the plural as well, and in Korean with whatever spaces."""
    if HANGUL.search(subject):
        name = r"\s?".join(re.escape(char) for char in "".join(subject.split()))
    else:
        name = r"[\s-]+".join(re.escape(word) for word in subject.split())
    plural = subject.endswith("s") and len(subject) > len("pods")
    ending = rf"(?:e?s)?(?:[`*_]*\s+{_SORT})?(?![A-Za-z0-9])"
    return re.compile(rf"(?<![A-Za-z0-9가-힣]){name[:-1] if plural else name}{ending}", re.IGNORECASE)


def opens_with(subject: str, text: str) -> float:
    """How well a sentence says, by the way it begins, what the subject is or does: from 0 (not at all) to 1."""
    told, count = mentions(subject).subn(_THING, text)
    return next((grade for pattern, grade in _OPENINGS if pattern.search(told)), 0.0) if count else 0.0


def names(heading: str, subject: str) -> float:
    """How far a heading or title is the name of a subject: 1 when it is nothing else, less when it says more."""
    plain = _plain(_ABOUT.sub("", heading.strip()))
    name = _plain(subject)
    if plain.replace(" ", "") == name.replace(" ", ""):
        return 1.0
    if not name or mentions(name).search(plain) is None:
        return 0.0
    return 0.3 if plain.startswith(name) else 0.15


_ABOUT = re.compile(
    r"^(?:what\s+(?:is|are)|understanding|about|introduction\s+to|using)\s+(?:an?\s+|the\s+)?|\s+(?:overview|basics|objects?|explained)$"
    r"|(?:이)?란(?:\s(?:무엇인가|무엇인가요))?\s*\??$|\s+(?:개요|소개|이해하기|오브젝트)$",
    re.IGNORECASE,
)
"""What a heading says beside the name of the thing below it."""


@lru_cache(maxsize=4096)
def _plain(words: str) -> str:
    """A name in lower case, without an aside in brackets and the plural's ending."""
    bare = re.sub(r"\([^)]*\)|[`\"'*_?]", "", words).casefold().strip()
    return re.sub(r"(?<=ss|sh|ch)es$|(?<=[^s])s$", "", re.sub(r"ies$", "y", bare))


_PIECES = re.compile(r"(?<=[.!?])\s+|\n")
"""Where a sentence may end; cheaper than telling where it does."""


RUN_GRADE = 0.6
"""How much a passage promises that holds a command line with which the subject begins."""


@lru_cache(maxsize=64)
def _runs(subject: str) -> re.Pattern[str]:
    return re.compile(rf"(?m)^[$> ]*{re.escape(subject)}\b", re.IGNORECASE)


def defines(subject: str, found: Evidence) -> float:
    """How much a passage looks as if it said what a subject is or does."""
    says = max((opens_with(subject, sentence) for sentence in _PIECES.split(found.text)), default=0.0)
    title = names(found.version.details.title, subject)
    heading = max((names(heading, subject) for heading in found.headings[-1:]), default=0.0)
    if len(subject.split()) > 1 and _runs(subject).search(found.text):
        says = max(says, RUN_GRADE)
    begins = title if found.hit.passage_ordinal == 0 else 0.0
    return says + max(begins, 0.6 * title, 0.8 * heading)
