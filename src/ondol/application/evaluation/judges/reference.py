"""`judge.reference`: an answer beside right ones; correct, partly or incorrect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from ondol.application.evaluation.judges.asking import Judge, Question, Unjudged, language_of, owner_of, repeat_of
from ondol.application.evaluation.judges.data import Part
from ondol.application.evaluation.judges.reply import one_of, reason_in
from ondol.application.evaluation.judges.rubric import conversation
from ondol.application.evaluation.judges.settings import judge_of
from ondol.application.evaluation.judges.words import REFERENCE, TITLES, by_language
from ondol.application.evaluation.scorers.base import Tools, skipped
from ondol.application.evaluation.scorers.settings import Settings
from ondol.application.evaluation.types import Answer, Better, Case, Score, Unit

Grade: TypeAlias = Literal["correct", "partly", "incorrect"]

VALUES: Mapping[Grade, float] = {"correct": 1.0, "partly": 0.5, "incorrect": 0.0}
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"reason": {"type": "string"}, "grade": {"type": "string", "enum": list(VALUES)}},
    "required": ["reason", "grade"],
    "additionalProperties": False,
}
_WORDS: Mapping[str, Grade] = {"correct": "correct", "partly": "partly", "incorrect": "incorrect"}


@dataclass(frozen=True, slots=True)
class Graded:
    """What a judge gave, and why."""

    grade: Grade
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The scorer. Cases without a right answer are not its own."""

    name: str
    judge: Judge
    version: str
    unit: Unit = "share"
    better: Better = "higher"
    is_hard_zero: bool = False

    async def score(self, case: Case, answer: Answer) -> Score:
        """Score an answer whose status is `ok`."""
        if not case.expected:
            return skipped("The case has no right answer to compare with.")
        language = language_of(case)
        titles = TITLES[language]
        right = (Part(titles["expected"], text) for text in case.expected)
        question = Question(
            language=language,
            task=REFERENCE[language],
            parts=(*conversation(case, language), *right, Part(titles["answer"], answer.text)),
            schema=SCHEMA,
            read=_read,
        )
        judged = await self.judge.judge(question, repeat=repeat_of(answer), owner=owner_of(answer))
        if isinstance(judged, Unjudged):
            return judged.score()
        told = {"grade": judged.verdict.grade, **judged.told()}
        return Score(value=VALUES[judged.verdict.grade], reason=judged.verdict.reason, details=told)


def load(name: str, told: Mapping[str, Any], tools: Tools) -> Reference:
    """Make the scorer of its settings: `model`, `seed`, `tokens_max`.

    Raises:
        RequestError: names the field.
    """
    settings = Settings(name, told)
    judge = judge_of(settings, name, tools)
    settings.close()
    return Reference(name=name, judge=judge, version=judge.version("judge.reference", by_language(REFERENCE)))


def _read(told: Mapping[str, Any]) -> Graded:
    return Graded(one_of(told, "grade", _WORDS), reason_in(told))
