"""Whether a text of any model refuses: it says that it will not answer, or that what it was given does not say.

The first is told by the guard's rules. The second is what a model that reads documents says instead, in its first words: `the passages do not
mention`, `주어진 문서에서는 확인할 수 없습니다`. A text that goes on to answer after all (`however, ...`) does not refuse.
"""

from __future__ import annotations

import re
import unicodedata

from ondol.infrastructure.guard.refusals import is_refusal

OPENING_CHARACTERS = 320
"""What is looked at."""

_GIVEN = r"(?:passages?|context|texts?|documents?|sources?|articles?|information|materials?|excerpts?|question|answer|it)"
_NOT = r"(?:do(?:es)? not|don't|doesn't|did not)"
_TOLD = r"(?:stated|mentioned|provided|specified|given|addressed|included|known|clear|available|found|contained|indicated|answered|determined)"
_ENGLISH = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b{_GIVEN}\b[^.!?\n]{{0,50}}\b{_NOT} (?:\w+ ){{0,2}}"
        r"(?:provide|mention|state|specify|contain|say|include|address|give|indicate|answer|reveal|tell)",
        rf"\b(?:is|are|was|were)(?: not |n't | un)(?!only)(?:\w+ly )?{_TOLD}\b(?! only)",
        r"\b(?:not|im)[ -]?possible to (?:determine|tell|say|answer|know)",
        r"\b(?:difficult|hard) to (?:determine|tell|say|answer|know)",
        r"\b(?:cannot|can't|can not|could not) be (?:determined|answered|inferred|found)",
        r"\bthere (?:is|are|was) (?:no(?! one| single)|not enough|insufficient) "
        r"(?:\w+ ){0,3}?(?:information|evidence|answer|mention|context|details?)\b",
        r"\b(?:do not|don't|did not) (?:have|see|find) (?:\w+ ){0,3}?(?:information|context|details|answer|records?)\b",
        r"\bnone of the (?:\w+ )?(?:passages|documents|sources)\b",
        r"\bnot (?:aware of|familiar with|sure (?:who|what|which|when|where|how|if|whether))",
    )
)
_KOREAN_GIVEN = r"(?:문서|자료|지문|본문|문맥|정보|내용|글|질문|답|근거|출처)"
_KOREAN_TOLD = r"(?:언급|명시|기재|설명|제시|포함|수록|나와|적혀|나타나|담겨|다뤄|다루|제공)"
_KOREAN = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_KOREAN_GIVEN}[^.!?\n]{{0,40}}{_KOREAN_TOLD}[가-힣]{{0,3}} ?(?:있지|되지|하지|지)? ?않",
        rf"{_KOREAN_GIVEN}[^.!?\n]{{0,40}}(?:알|확인할|찾을|판단할|답할|답변할|파악할|특정할) ?수(?:는|가)? ?(?:없|어렵)",
        rf"{_KOREAN_GIVEN}[^.!?\n]{{0,20}}(?:없습니다|없어요|없음|부족합니다|부족해|충분하지 않)",
        r"^[^.!?\n]{0,60}(?:알 수 없습니다|확인할 수 없습니다|답변할 수 없습니다|모르겠습니다|확인되지 않)",
    )
)
_SENTENCE_END = re.compile(r"(?<=[.!?。])\s|\n")
_AFTER_ALL = re.compile(
    r"\b(?:however|but (?!without|it is|no )|nevertheless|that said|although|generally|typically|usually)\b|하지만|다만|그러나|지만 ",
    re.IGNORECASE,
)


def refuses(text: str) -> bool:
    """Whether a text refuses or abstains. An empty one does not: nothing was said."""
    opening = " ".join(unicodedata.normalize("NFKC", text[: OPENING_CHARACTERS * 2]).replace("’", "'").split())[:OPENING_CHARACTERS]
    return is_refusal(text) or _abstains(opening)


def _abstains(opening: str) -> bool:
    first = _SENTENCE_END.split(opening, maxsplit=1)[0]
    return any(pattern.search(first) for pattern in (*_ENGLISH, *_KOREAN)) and _AFTER_ALL.search(opening) is None
