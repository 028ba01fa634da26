"""What a thing does to something, how many of a thing there may be, how something is done: sentences by their verbs and numbers."""

from __future__ import annotations

import re
from functools import lru_cache

from ondol.application.assistant.definition import mentions

_LIGHT_VERBS = frozenset({"do", "mean", "be", "have", "하"})
_ENGLISH_VERB = re.compile(r"^what\s+(?:does|do|can|will)\s+[^?,]+?\s+(?P<verb>[a-z]+)(?:\s+in\s+(?:an?\s+|the\s+)?[\w-]+)?\s*\?*$", re.IGNORECASE)
_KOREAN_VERB = re.compile(
    r"(?:은|는|이|가)\s*(?:무엇|뭐|어떤\s\S+?|무슨\s\S+?)(?:을|를)\s+(?P<verb>[가-힣]+?)(?:시키|하|되)?(?:나요|는가|는가요|는지|니|습니까|나|는\s?(?:것|건)\S*|합니까|해요|죠)\s*\??$"
)
_HOW_MANY = re.compile(
    r"\bhow\s+many\s+(?P<noun>[a-z-]+)|\b(?:maximum|max)\s+number\s+of\s+(?P<number>[a-z-]+)|몇\s?(?P<unit>개|글자|자|명|번|회|대|통|곳|건|줄|가지)"
    r"|(?P<thing>[가-힣]+)\s?(?:수|개수)(?:는|은|가)",
    re.IGNORECASE,
)
_BOUNDED = re.compile(
    r"\b(?:at\s+most|maximum|max|upper\s+limit|limit|up\s+to)\b|\bhow\s+many\s+\S+\s+(?:can|may|could)\b|최대|상한|한도|몇\s?[가-힣]+까지",
    re.IGNORECASE,
)
_LIMIT = (
    r"(?:no\s+more\s+than|at\s+most|up\s+to|maximum|max|limit(?:ed|s)?(?:\s+(?:to|of|is))?|exceed"
    r"|(?:more|longer|larger|greater|fewer|less)\s+than|최대)"
)
_BEFORE = re.compile(rf"{_LIMIT}[^\d.;]{{0,24}}?(?P<number>\d[\d,]*)(?P<after>[^.;]{{0,40}})")
_AFTER = re.compile(r"(?P<number>\d[\d,]*)(?P<after>[^.;,\d]{0,30}?(?:or\s+(?:less|fewer)|maximum|at\s+most|이하|까지|를\s?넘|을\s?넘|초과))")
_INFLECTED = r"(?:e|es|s|ed|d|ing|ies|ied)?"
UNNAMED_GRADE = 0.3
"""What a limit counts beside which the counted thing is not named."""


def verb_of(question: str) -> re.Pattern[str] | None:
    """The verb of a question that asks what a thing does to something, in any of its forms; None for other questions."""
    asked = " ".join(question.split())
    english = _ENGLISH_VERB.match(asked)
    if english is not None and english["verb"].lower() not in _LIGHT_VERBS:
        return re.compile(_english(english["verb"].lower()))
    korean = _KOREAN_VERB.search(asked)
    return re.compile(_korean(korean["verb"])) if korean is not None and korean["verb"] not in _LIGHT_VERBS else None


def _english(verb: str) -> str:
    stem = verb[:-1] if verb.endswith(("e", "y")) else verb
    return rf"\b{stem}(?:y)?{stem[-1]}?{_INFLECTED}\b"


def _korean(verb: str) -> str:
    """A noun that is made a verb, before any ending; of another verb the last syllable changes with the ending."""
    if len(verb) > 1 and not verb.endswith(("드", "르", "키", "리", "이", "추", "우")):
        return rf"{verb}(?:을|를)?\s?(?:하|한|할|해|합|했|함|되|된|될|됩|돼|됐|시)"
    first = ord("가") + (ord(verb[-1]) - ord("가")) // 588 * 588
    return rf"{verb[:-1]}[{chr(first)}-{chr(first + 587)}]"


def does(subject: str, verb: re.Pattern[str], text: str) -> float:
    """How well a sentence in lower case says that a thing does something: the thing first and the verb behind it count most."""
    thing = mentions(subject).search(text)
    if thing is None:
        return 0.0
    behind = verb.search(text, thing.end())
    if behind is None:
        return 0.3 if verb.search(text) else 0.0
    return 1.0 if thing.start() <= TOPIC_CHARACTERS_MAX else 0.6


TOPIC_CHARACTERS_MAX = 24


def counted_by(question: str) -> str | None:
    """Of what a question asks how many there may be, or in what unit; "" if it does not say, None if it asks no such thing."""
    if _BOUNDED.search(question) is None:
        return None
    match = _HOW_MANY.search(question)
    if match is not None:
        return next(group for group in match.groupdict().values() if group).lower()
    return "" if re.search(r"\bhow\s+(?:large|big|long)\b|얼마", question, re.IGNORECASE) else None


def bounds(text: str, counted: str) -> float:
    """How surely a sentence in lower case says how many of a thing there may be at most."""
    best = 0.0
    for match in (*_BEFORE.finditer(text), *_AFTER.finditer(text)):
        if not counted:
            return 1.0
        near = text[max(0, match.start() - 12) : match.end()]
        best = max(best, 1.0 if _counted(counted).search(near) else UNNAMED_GRADE)
    return best


@lru_cache(maxsize=64)
def _counted(counted: str) -> re.Pattern[str]:
    return re.compile(rf"\b{re.escape(counted.rstrip('s'))}" if counted.isascii() else re.escape("자" if counted == "글자" else counted))
