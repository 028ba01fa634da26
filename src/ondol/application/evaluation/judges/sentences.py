"""Verdicts on the numbered sentences or steps of an answer: `judge.groundedness` and `judge.steps`.

The answer is cut by code, not by the judge: a judge that cuts it cuts it otherwise each time, and what it leaves out is judged by nobody.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ondol.application.evaluation.judges.asking import Judge, Question, Unjudged, language_of, owner_of, repeat_of
from ondol.application.evaluation.judges.data import Part
from ondol.application.evaluation.judges.reply import Unreadable, one_of, whole_points
from ondol.application.evaluation.judges.rubric import conversation
from ondol.application.evaluation.judges.settings import judge_of
from ondol.application.evaluation.judges.words import GROUNDEDNESS, STEPS, TITLES, Language, by_language
from ondol.application.evaluation.scorers.base import Tools, skipped
from ondol.application.evaluation.scorers.settings import Settings
from ondol.application.evaluation.types import Answer, Better, Case, Score, Unit
from ondol.application.knowledge.sentences import split_sentences

SENTENCES_MAX = 80
SOURCES_MAX = 30

_NUMBERED = re.compile(r"^\s*(?:\d{1,2}[.)]|(?:step|단계)\s*\d{1,2}\s*[:.)]|[-*•])\s+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Kind:
    """What is asked of each sentence.

    Attributes:
        good: the verdict that counts for the answer; `neither` counts neither way; all others count against it.
    """

    type: str
    task: Mapping[Language, str]
    words: tuple[str, ...]
    good: str
    neither: str
    cut: Callable[[str], list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentences:
    """The scorer: the share of an answer's sentences that hold, of those that say something. An answer that says nothing is not its own."""

    name: str
    judge: Judge
    kind: Kind
    version: str
    unit: Unit = "share"
    better: Better = "higher"
    is_hard_zero: bool = False

    async def score(self, case: Case, answer: Answer) -> Score:
        """Score an answer whose status is `ok`."""
        sentences = self.kind.cut(answer.text)
        sources = _sources(case, answer) if self.kind.type == GROUNDED.type else ()
        if answer.is_refusal or not sentences:
            return skipped("The answer says nothing that could be judged.")
        if len(sentences) > SENTENCES_MAX:
            return Score(
                value=None, status="judge_error", reason=f"The answer has {len(sentences)} sentences; a judge is given at most {SENTENCES_MAX}."
            )
        if self.kind.type == GROUNDED.type and not sources:
            return Score(value=0.0, reason="The answer rests on no source.", details={"verdicts": ["unsupported"] * len(sentences), "asks": 0})
        judged = await self.judge.judge(_question(self.kind, case, sources, sentences), repeat=repeat_of(answer), owner=owner_of(answer))
        if isinstance(judged, Unjudged):
            return judged.score()
        counts = Counter(judged.verdict)
        said = len(sentences) - counts[self.kind.neither]
        told = {"verdicts": list(judged.verdict), **judged.told()}
        if not said:
            return Score(value=None, status="skipped", reason="No sentence of the answer claims anything.", details=told)
        return Score(
            value=counts[self.kind.good] / said, reason=", ".join(f"{word}: {count}" for word, count in sorted(counts.items())), details=told
        )


def load(kind: Kind, name: str, told: Mapping[str, Any], tools: Tools) -> Sentences:
    """Make the scorer of its settings: `model`, `seed`, `tokens_max`.

    Raises:
        RequestError: names the field.
    """
    settings = Settings(name, told)
    judge = judge_of(settings, name, tools)
    settings.close()
    return Sentences(name=name, judge=judge, kind=kind, version=judge.version(kind.type, by_language(kind.task)))


def sentences_of(text: str) -> list[str]:
    """The sentences of an answer."""
    return [sentence for start, end in split_sentences(text) if (sentence := text[start:end].strip())]


def steps_of(text: str) -> list[str]:
    """The steps of an answer: its numbered or listed lines with what belongs to them, or else its sentences."""
    lines = [line for line in text.splitlines() if line.strip()]
    if sum(_NUMBERED.match(line) is not None for line in lines) < 2:
        return sentences_of(text)
    steps: list[str] = []
    for line in lines:
        if _NUMBERED.match(line) or not steps:
            steps.append(line.strip())
        else:
            steps[-1] = f"{steps[-1]} {line.strip()}"
    return steps


def _sources(case: Case, answer: Answer) -> tuple[str, ...]:
    """What the answer cites; where it cites nothing, the texts that the case gives as `contexts`."""
    cited = [quote for source in answer.sources for quote in source.quotes if quote.strip()]
    given = case.facts.get("contexts", ())
    texts = cited or ([text for text in given if isinstance(text, str) and text.strip()] if isinstance(given, list | tuple) else [])
    return tuple(texts[:SOURCES_MAX])


def _question(kind: Kind, case: Case, sources: Sequence[str], sentences: Sequence[str]) -> Question[tuple[str, ...]]:
    language = language_of(case)
    titles = TITLES[language]
    numbered = "\n".join(f"[{number}] {' '.join(sentence.split())}" for number, sentence in enumerate(sentences, 1))
    cited = (Part(f"{titles['source']} {number}", text) for number, text in enumerate(sources, 1))
    entry = {
        "type": "object",
        "properties": {"sentence": {"type": "integer"}, "verdict": {"type": "string", "enum": list(kind.words)}},
        "required": ["sentence", "verdict"],
        "additionalProperties": False,
    }
    return Question(
        language=language,
        task=kind.task[language],
        parts=(*conversation(case, language), *cited, Part(titles["answer"], numbered)),
        schema={
            "type": "object",
            "properties": {"verdicts": {"type": "array", "items": entry}},
            "required": ["verdicts"],
            "additionalProperties": False,
        },
        read=partial(_read, words=kind.words, count=len(sentences)),
    )


def _read(told: Mapping[str, Any], *, words: Sequence[str], count: int) -> tuple[str, ...]:
    entries = told.get("verdicts")
    if not isinstance(entries, list) or len(entries) != count or not all(isinstance(entry, dict) for entry in entries):
        raise Unreadable(f"`verdicts` is not a list of {count} entries, one for each sentence")
    by_number = {whole_points(entry, "sentence", 1, count): one_of(entry, "verdict", {word: word for word in words}) for entry in entries}
    if len(by_number) != count:
        raise Unreadable("a sentence has two verdicts")
    return tuple(by_number[number] for number in range(1, count + 1))


GROUNDED = Kind("judge.groundedness", GROUNDEDNESS, ("supported", "unsupported", "no_claim"), "supported", "no_claim", sentences_of)
REASONED = Kind("judge.steps", STEPS, ("follows", "wrong", "contradicts", "no_step"), "follows", "no_step", steps_of)
