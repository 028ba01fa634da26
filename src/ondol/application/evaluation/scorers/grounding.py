"""The sentences of an answer with what the verifier of `assistant` says of each.

An answer that was verified brings its verdicts. Any other is verified here, from the quotes of its sources: a sentence against those that it cites,
or, where the whole answer has no marks, against all of them. Where an answer has no quotes, the case's `context` (a text or a list of them) stands
for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ondol.application.assistant.verify import Passage, Verdict, check_sentence, cited_sentences, read_passage
from ondol.application.evaluation.types import Answer, Case

SENTENCES_MAX: Final = 500
"""More of one answer are not looked at."""
SOURCE_CHARACTERS_MAX: Final = 400_000
"""Of all quotes together; more is cut."""


@dataclass(frozen=True, slots=True)
class Grounded:
    """One sentence of an answer.

    Attributes:
        text: empty where only the verdict is told.
        numbers: of the sources that it cites.
        is_left_out: whether the target kept it from its reader.
    """

    verdict: Verdict
    text: str = ""
    numbers: tuple[int, ...] = ()
    is_left_out: bool = False


def told_sentences(answer: Answer) -> list[Grounded]:
    """The verdicts that the target told, in order; those that are none are passed over."""
    told = []
    for one in answer.sentences[:SENTENCES_MAX]:
        verdict = one.get("verdict")
        if verdict in ("supported", "partial", "unsupported"):
            numbers = tuple(number for number in one.get("sources", ()) if isinstance(number, int))
            told.append(Grounded(verdict, str(one.get("text", "")), numbers, is_left_out=bool(one.get("left_out"))))
    return told


def checked_sentences(case: Case, answer: Answer) -> list[Grounded] | None:
    """The sentences of the answer's text, verified here; None where there is nothing to verify them against."""
    passages = passages_of(case, answer)
    if not passages:
        return None
    sentences = list(cited_sentences(answer.text))[:SENTENCES_MAX]
    has_marks = any(numbers for _, numbers in sentences)
    every = [passage for held in passages.values() for passage in held]
    grounded = []
    for text, numbers in sentences:
        cited = [passage for number in numbers for passage in passages.get(number, ())] if has_marks else every
        grounded.append(Grounded(check_sentence(text, cited).verdict, text, numbers))
    return grounded


def passages_of(case: Case, answer: Answer) -> dict[int, list[Passage]]:
    """The quotes of each source by its number, read; the case's own context where no source has any."""
    quotes: dict[int, list[str]] = {}
    for source in answer.sources:
        quotes.setdefault(source.number, []).extend(source.quotes)
    if not any(quotes.values()):
        quotes = {number: [text] for number, text in enumerate(_context(case.facts.get("context")), 1)}
    left = SOURCE_CHARACTERS_MAX
    passages: dict[int, list[Passage]] = {}
    for number, texts in quotes.items():
        for text in texts:
            if text[:left].strip():
                passages.setdefault(number, []).append(read_passage(text[:left]))
            left = max(left - len(text), 0)
    return passages


def _context(told: Any) -> Sequence[str]:
    if isinstance(told, str):
        return [told]
    return [text for text in told if isinstance(text, str)] if isinstance(told, list | tuple) else []
