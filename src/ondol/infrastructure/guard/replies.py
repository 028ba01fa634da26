"""What people are told when the guard steps in, in their language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

Language: TypeAlias = Literal["ko", "en"]

BUILT_IN: Mapping[str, Mapping[Language, str]] = {
    "blocked": {
        "ko": "이 요청은 운영 정책에 따라 처리할 수 없습니다. 개인정보나 비밀번호가 들어 있다면 빼고 다시 질문해 주세요.",
        "en": "This request cannot be handled under the operator's policy. If it holds personal data or secrets, leave them out and ask again.",
    },
    "withheld": {
        "ko": "운영 정책에 따라 답변의 나머지를 보내지 않았습니다.",
        "en": "The rest of this answer was withheld under the operator's policy.",
    },
    "helpline": {
        "ko": (
            "많이 힘드셨겠습니다. 혼자 견디지 않으셔도 됩니다. 지금 바로 자살예방상담전화 109(24시간, 무료)로 전화하실 수 있고, 청소년은 1388로도 "
            "상담할 수 있습니다. 위급하면 119나 112로 연락해 주세요."
        ),
        "en": (
            "I am sorry that you are going through this. You do not have to face it alone. In Korea you can call 109 at any time, free of charge; "
            "elsewhere findahelpline.com lists a line near you. If you are in danger now, call your local emergency number."
        ),
    },
    "escalated": {
        "ko": "이 문의는 담당자가 직접 확인한 뒤 답변드리겠습니다.",
        "en": "A person will look at this and answer you.",
    },
    "expert": {
        "ko": "이 주제는 자격을 갖춘 전문가와 상의해 주세요. 여기서는 답변드리지 않습니다.",
        "en": "Please ask a qualified expert about this. It is not answered here.",
    },
    "disclaimer": {
        "ko": "참고용 일반 정보이며 전문가의 조언을 대신하지 않습니다.",
        "en": "This is general information and does not replace an expert's advice.",
    },
}
"""Texts by name. 109 is Korea's suicide prevention line since January 2024, 1388 its youth line."""


def text_of(name: str, language: Language, own: Mapping[str, Mapping[Language, str]]) -> str:
    """A text in a language, the tenant's own before ours; where a language is absent the other one is taken."""
    texts = own.get(name) or BUILT_IN[name if name in BUILT_IN else "blocked"]
    return texts.get(language) or next(iter(texts.values()))
