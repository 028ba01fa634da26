"""Why a run's outcome is what it is, as sentences. They are kept in English; whoever reads them in Korean gets the same sentence with its figures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal

Kind = Literal["not_asked", "hits", "missed", "coverage", "least", "most", "cap", "currency"]

SENTENCES: Final[Mapping[Kind, tuple[str, str]]] = {
    "not_asked": ("{count} of the questions were not asked.", "묻지 않은 질문이 {count}개 있습니다."),
    "hits": ("{metric} has hits, and one is too many.", "{metric}: 하나도 없어야 하는데 나온 것이 있습니다."),
    "missed": ("{metric}: {count} cases miss {wanted}.", "{metric}: {wanted}에 못 미친 문항이 {count}개 있습니다."),
    "coverage": ("{metric} has a value for {count} of {total} cases; {wanted} are wanted.",
                 "{metric}: 문항 {total}개 중 {count}개에만 값이 있습니다. 필요한 비율은 {wanted}입니다."),
    "least": ("{metric} is {value}; at least {wanted} is wanted.", "{metric}: {value}입니다. 기준은 {wanted} 이상입니다."),
    "most": ("{metric} is {value}; at most {wanted} is wanted.", "{metric}: {value}입니다. 기준은 {wanted} 이하입니다."),
    "cap": ("The cap of its cost was reached.", "비용 상한에 닿아 멈췄습니다."),
    "currency": ("Answers cost {currency}, and the cap is in {wanted}.", "답변 비용의 통화는 {currency}, 상한의 통화는 {wanted}입니다."),
}  # fmt: skip
"""Each kind in English and in Korean, with the same places."""


def said(kind: Kind, **places: str) -> str:
    """The sentence in English, as it is kept."""
    return SENTENCES[kind][0].format(**places)


def reason_in(language: Literal["ko", "en"], reason: str) -> str:
    """A kept reason in a language; one that is none of ours, such as what somebody wrote, stays as it is."""
    if language == "ko":
        for pattern, korean in _KOREAN:
            if found := pattern.fullmatch(reason):
                return korean.format(**found.groupdict())
    return reason


def _pattern(english: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+)", re.escape(english)), re.DOTALL)


_KOREAN: Final = tuple((_pattern(english), korean) for english, korean in SENTENCES.values())
