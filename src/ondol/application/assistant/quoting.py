"""An answer without a generative model: sentences of the passages, each with its mark."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from ondol.application.assistant.contradictions import Contradiction, contradiction_extension, find_contradiction, told_contradiction
from ondol.application.assistant.extractive import ANSWERED_MIN, extract
from ondol.application.assistant.record import Answered
from ondol.application.assistant.refusal import refuse
from ondol.application.assistant.sources import number_sources
from ondol.application.assistant.types import Cited
from ondol.application.assistant.verify import Checked, Span
from ondol.application.knowledge.search import Evidence, Found
from ondol.application.prompts import Language
from ondol.infrastructure.serving.tokens import estimate_tokens
from ondol.infrastructure.serving.types import Usage

Inspect: TypeAlias = Callable[[Sequence[str]], Sequence[str]]
"""The guard's look at texts of documents: the same texts, without what may not be shown."""


def answer_by_quoting(question: str, language: Language, found: Found, inspect: Inspect, answered_min: float = ANSWERED_MIN) -> Answered:
    """Answer with sentences of the passages, as the guard lets them through; a refusal where none answers the question.

    Args:
        inspect: the guard's look at texts of documents.
        answered_min: below this probability that a sentence answers the question, it is refused.
    """
    draft = extract(question, found.evidence, found.term_weights, answered_min=answered_min)
    places = sorted({sentence.source for sentence in draft.sentences})
    passed = dict(zip(places, inspect([found.evidence[place].text for place in places]), strict=True))
    draft = replace(draft, sentences=tuple(one for one in draft.sentences if _is_passed(one, found.evidence[one.source].text, passed[one.source])))
    if not draft.sentences:
        refusal = refuse(language, found.evidence, inspect)
        return Answered(refusal.text, (), "refused", usage_of(question, refusal.text), nearest=refusal.nearest)
    contradiction = find_contradiction(draft.sentences, found.evidence)
    if contradiction is None or not _may_be_told(contradiction, found.evidence, inspect):
        sources, numbers = number_sources(found.evidence, draft.sentences)
        text = _joined(draft.sentences, numbers)
        return Answered(text, sources, "answered", usage_of(question, text), _quoted(draft.sentences, numbers, text))
    leading = (contradiction.newer, contradiction.older)
    rest = [one for one in draft.sentences if one not in leading]
    sources, numbers = number_sources(found.evidence, [*leading, *rest])
    text = "\n\n".join(filter(None, (told_contradiction(contradiction, found.evidence, numbers, language), _joined(rest, numbers))))
    checked = _quoted([*leading, *rest], numbers, text)
    told = contradiction_extension(contradiction, found.evidence, numbers)
    return Answered(text, sources, "answered", usage_of(question, text), checked, contradictions=told)


def usage_of(question: str, text: str) -> Usage:
    """Tokens of a question and an answer to it that no model wrote."""
    return Usage(estimate_tokens(question), estimate_tokens(text), estimated=True)


def _may_be_told(contradiction: Contradiction, evidence: Sequence[Evidence], inspect: Inspect) -> bool:
    """Whether the guard lets both sentences through."""
    both = (contradiction.newer, contradiction.older)
    passed = inspect([evidence[each.source].text for each in both])
    return all(_is_passed(each, evidence[each.source].text, text) for each, text in zip(both, passed, strict=True))


def _is_passed(sentence: Cited, text: str, passed: str) -> bool:
    """Whether the guard let the quoted words through."""
    return passed == text or text[sentence.start : sentence.end] in passed


def _quoted(sentences: Sequence[Cited], numbers: Mapping[int, int], text: str) -> list[Checked]:
    """Sentences that stand word for word in what they cite need no check."""
    checked, place = [], 0
    for sentence in sentences:
        number = numbers[sentence.source]
        start = text.index(sentence.text, place)
        place = start + len(sentence.text)
        end = place + len(f" [{number}]")
        checked.append(Checked(start, end, "supported", 1.0, (number,), (Span(number, sentence.start, sentence.end),), ()))
    return checked


def _joined(sentences: Sequence[Cited], numbers: Mapping[int, int]) -> str:
    """The sentences with their marks: those of one passage run on, another passage begins a new paragraph."""
    text = ""
    for place, sentence in enumerate(sentences):
        if place:
            text += " " if sentence.source == sentences[place - 1].source else "\n\n"
        text += f"{sentence.text} [{numbers[sentence.source]}]"
    return text
