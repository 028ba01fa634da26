"""What a bot says itself, and an answer as a chat shows it. What a model or a document says is text there: no mention, no link of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

Language = Literal["ko", "en"]
TEXT_CHARACTERS_MAX = 12_000
TITLE_CHARACTERS_MAX = 150

SAYS: Mapping[str, Mapping[Language, str]] = MappingProxyType(
    {
        "unknown": {
            "ko": "죄송하지만 어느 분인지 확인할 수 없어 답해 드릴 수 없습니다. 관리자에게 연결을 부탁해 주세요.",
            "en": "Sorry, I cannot tell who you are here, so I may not answer. Please ask your administrator to connect you.",
        },
        "room": {
            "ko": "이 대화방에서 무엇을 말해도 되는지 아직 정해지지 않았습니다. 관리자에게 부탁하거나 저에게 직접 물어봐 주세요.",
            "en": "Nobody has said yet what I may tell in this room. Please ask your administrator, or write to me directly.",
        },
        "empty": {"ko": "무엇을 알고 싶으신가요? 질문을 함께 적어 주세요.", "en": "What would you like to know? Please write the question too."},
        "long": {"ko": "질문이 너무 깁니다. 짧게 다시 물어봐 주세요.", "en": "The question is too long. Please ask a shorter one."},
        "failed": {"ko": "지금은 답할 수 없습니다. 잠시 뒤에 다시 물어봐 주세요.", "en": "I cannot answer right now. Please ask again in a moment."},
        "limited": {
            "ko": "지금은 질문이 많습니다. 잠시 뒤에 다시 물어봐 주세요.",
            "en": "There are many questions right now. Please ask again in a moment.",
        },
        "sources": {"ko": "출처", "en": "Sources"},
    }
)
_MARK = re.compile(r"\[(\d{1,3})\]")
_MENTION = re.compile(r"<[@!][^<>]*>")
_REFERENCE = re.compile(r"<([^<>|]*)(?:\|([^<>]*))?>")
_BOLD = re.compile(r"\*\*(?=\S)(.+?)(?<=\S)\*\*")
_HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t]*$", re.MULTILINE)


def question_of(text: str) -> str:
    """A question without mentions, with links as their words and what the chat escapes undone."""
    words = _REFERENCE.sub(lambda found: found[2] or found[1], _MENTION.sub(" ", text))
    plain = words.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return " ".join(plain.encode("utf-8", "replace").decode().split())


def shown_answer(text: str, sources: Sequence[Mapping[str, Any]], language: Language, address: str) -> str:
    """An answer with its marks and sources as links to the originals, which ask who reads.

    Args:
        sources: as the `ondol` field of an answer has them.
        address: of this installation.
    """
    links = {int(source["n"]): f"{address}{source['original_url']}" for source in sources}
    cut = text if len(text) <= TEXT_CHARACTERS_MAX else text[: TEXT_CHARACTERS_MAX - 1] + "…"
    shown = _MARK.sub(lambda mark: f"<{links[int(mark[1])]}|[{mark[1]}]>" if int(mark[1]) in links else mark[0], _styled(escaped(cut)))
    if not sources:
        return shown
    named = [f"<{links[int(source['n'])]}|{source['n']}. {_title(source)}>" for source in sources]
    return f"{shown}\n\n{SAYS['sources'][language]}: " + " · ".join(named)


def escaped(text: str) -> str:
    """Text in which nothing is a mention or a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _styled(text: str) -> str:
    """Bold and headings of Markdown as a chat writes them."""
    return _BOLD.sub(r"*\1*", _HEADING.sub(r"*\1*", text))


def _title(source: Mapping[str, Any]) -> str:
    words = " ".join(str(source["title"]).replace("|", " ").split())
    return escaped(words if len(words) <= TITLE_CHARACTERS_MAX else words[: TITLE_CHARACTERS_MAX - 1] + "…")
